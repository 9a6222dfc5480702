"""Propensity scores for any log: the right number, or a refusal that says why.

    from propensity import analyse
    result = analyse("logs/*.parquet", {"outcome": "minutes", "treated": "opted_in", "covariates": ["plan", "age"]})
    print(result.report())

Everything is computed from one table: for each kind of row (values of the covariates, treated or not) how many there
are, the sum of their outcomes and the sum of the squares (and, for checks alone, how many are not 0, and the extremes).
Logistic regression, weighting, outcome models, matching and every standard error here need no more, so a kind may be
one user or a million. `fit_propensity`, `weighted_effect`, `ipw`, `aipw`, `match` and `balance` are the estimators that
notebook 02 teaches, on arrays with one entry for a kind.

Whose effect (`target`): ATE, all rows; ATT, the treated; ATU, the untreated; overlap, rows that might be either. How
(`method`): "aipw" (score and outcome model together, cross-fitted), "ipw" (normalised weights) or "matching" (nearest
score, tied ones averaged). Standard errors of ipw and aipw come from the stacked estimating equations of estimate,
score and outcome models together (Stefanski and Boos 2002), so they hold when one of the two models is wrong.

What is fatal (the log is refused) and what is a warning (it stands in the report):

    covariate or outcome that is no number, treatment that is neither of its two values                fatal
    a user in several rows; no rows; nobody treated or untreated; an outcome that does not vary        fatal
    fewer rows in an arm than 20, or than 3 for each column of the model                               fatal
    a category of which more than a fifth of the rows are in levels of fewer than 10 rows              fatal
    levels where everybody or nobody is treated: more than 1 % of the rows that the answer is about    fatal
    (up to 1 %: these rows are left out, and the answer is about the others; a warning)
    overlap: the weighted arm is worth less than a tenth of its rows, or one row holds a tenth of it   fatal
    (less than a quarter, or a twentieth: a warning)
    balance: a covariate still differs by more than 0.25 standard deviations, beyond chance            fatal
    balance of two together (interaction), of a square or a level: by more than 0.2, beyond chance     fatal
    (more than 0.1: a warning)
    an outcome of 0 and 1 with fewer than 5 ones, or zeros, in an arm (fewer than 15: a warning)       fatal
    an outcome that is mostly 0 with fewer than 5 other values in an arm (fewer than 15: a warning)    fatal
    missing outcomes, missing more often in one arm (p < .01); missing treatments and covariates       warning
    a row that holds a fifth of the variance, or a kind of up to five rows that holds a tenth          warning
    levels that differ in capitals only                                                                warning

`accept=("overlap",)` or `("balance",)` turns these findings into warnings, for somebody who knows what they do. What
no query can see: a trait that is not recorded and drives both treatment and outcome. `sensitivity` and `benchmark` say
how strong it would have to be. This module knows nothing of the series' synthetic world.
"""

import math
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special, stats

sys.path.append(str(Path(__file__).resolve().parents[1] / "data"))
import own_logs  # noqa: E402
from own_logs import FATAL, WARNING, Logs, Result, UnfitLog, say, short  # noqa: E402, F401

HERE = Path(__file__).resolve().parent
TARGETS = ("ATE", "ATT", "ATU", "overlap")
METHODS = ("aipw", "ipw", "matching")
PRIOR = 0.16  # of penalised fits: one over the variance of a normal prior with standard deviation 2.5 (Gelman 2008)
KINDS = 2_000_000  # at most so many kinds of rows,
ENTRIES = 50_000_000  # and so many entries in their matrix of regressors; a longer log is coarsened or sampled
FOLDS, ROWS_TO_FOLD = 5, 20  # cross-fitting by default, where the smaller arm has so many rows for each column
BINS = 40  # a number is cut automatically only where this many bins can be had
SAMPLE = 200_000  # kinds of rows among which combinations without overlap are looked for
BLOCK = 65_536  # kinds at a time in products of matrices


# ---- the estimators, on kinds of rows: X (kinds, p) regressors with the constant first, d (kinds,) 0 or 1,
# ---- n, y, yy (kinds,) rows, sum of their outcomes and of the squares


def _gram(X, w, Z=None):
    """X' diag(w) Z (default Z = X); w (..., kinds) gives (..., p, p)."""
    Z = X if Z is None else Z
    if np.ndim(w) == 1:
        return sum(X[s : s + BLOCK].T @ (Z[s : s + BLOCK] * w[s : s + BLOCK, None]) for s in range(0, len(X), BLOCK))
    products = (X[:, :, None] * Z[:, None, :]).reshape(len(X), -1)
    return (w @ products).reshape(*w.shape[:-1], X.shape[1], Z.shape[1])


def fit_propensity(X, d, n, *, prior=0.0, start=None):
    """Coefficients (..., p) of the logistic regression of d on X, each kind counted n times; Newton's method.

    n: (..., kinds); leading dimensions are datasets, all fitted at once. prior: penalty prior/2 on the square of each
    coefficient but the constant's; 0 is maximum likelihood. start: coefficients to begin from.
    Raises ValueError where the maximum does not exist, because the regressors separate treated from untreated rows.
    """
    n = np.asarray(n, float)
    penalty = np.full(X.shape[1], float(prior))
    penalty[0] = 0.0
    beta = np.zeros((*n.shape[:-1], X.shape[1])) if start is None else np.array(start, float)

    def value(beta):
        lp = beta @ X.T
        return lp, np.sum(n * (d * lp - np.logaddexp(0, lp)), axis=-1) - beta**2 @ penalty / 2

    lp, height = value(beta)
    for _ in range(60):
        e = special.expit(lp)
        slope = (n * (d - e)) @ X - penalty * beta
        try:
            step = np.linalg.solve(_gram(X, n * e * (1 - e)) + np.diag(penalty), slope[..., None])[..., 0]
        except np.linalg.LinAlgError:
            break
        for _ in range(30):  # halve a step that leads down
            lp, found = value(beta + step)
            down = ~(found >= height - 1e-9 * (1 + np.abs(height)))
            if not down.any():
                break
            step = np.where(down[..., None], step / 2, step)
        beta, height = beta + step, found
        if np.max(np.abs(step @ X.T), initial=0.0) < 1e-9:
            return beta
    raise ValueError("the covariates separate treated from untreated rows: the score has no finite model")


def scores(X, beta):
    """Propensity scores (..., kinds) for coefficients (..., p), never quite 0 or 1."""
    return np.clip(special.expit(beta @ X.T), 1e-15, 1 - 1e-15)


def weights(e, target):
    """Weights (w0, w1) of an untreated and a treated row with score e, each like e (Li, Morgan and Zaslavsky 2018).

    "ATE": 1/(1-e) and 1/e; "ATT": e/(1-e) and 1; "ATU": 1 and (1-e)/e; "overlap": e and 1-e.
    """
    one = np.ones_like(e)
    return {"ATE": (1 / (1 - e), 1 / e), "ATT": (e / (1 - e), one), "ATU": (one, (1 - e) / e),
            "overlap": (e, 1 - e)}[target]  # fmt: skip


def _slopes(e, target):
    """Derivatives of `weights` with respect to the log-odds of e."""
    odds, flat = e / (1 - e), np.zeros_like(e)
    return {"ATE": (odds, -1 / odds), "ATT": (odds, flat), "ATU": (flat, -1 / odds),
            "overlap": (e * (1 - e), -e * (1 - e))}[target]  # fmt: skip


def weighted_effect(e, d, n, y, target):
    """Normalised (Hájek) weighting: difference of weighted means (...,) for e, n, y of shape (..., kinds)."""
    w0, w1 = weights(e, target)
    m1, m0 = w1 * d, w0 * (1 - d)
    return (m1 * y).sum(-1) / (m1 * n).sum(-1) - (m0 * y).sum(-1) / (m0 * n).sum(-1)


@dataclass
class Means:
    """Mean outcome of the target if all of it were treated, if none, and the covariance (2, 2) of the two."""

    treated: float
    control: float
    covariance: np.ndarray
    influence: tuple = None  # (a, b), each (kinds,): a row with outcome y moves the estimate by a + b y, where known
    score: np.ndarray = None  # of each kind, from a model that was not fitted to it, where the fit is in folds
    reach: float = 0.0  # of outcome models beyond the rows they were fitted to: what that adds to the variance, roughly

    @property
    def estimate(self):
        """treated - control"""
        return self.treated - self.control

    @property
    def error(self):
        """Standard error of the estimate."""
        c = self.covariance
        return float(np.sqrt(max(c[0, 0] + c[1, 1] - 2 * c[0, 1], 0.0)))

    def ratio(self, z):
        """(treated / control, its limits with z standard errors of the logarithm); nan where a mean is not positive."""
        if not (self.treated > 0 and self.control > 0):
            return np.nan, np.nan, np.nan
        slope = np.array([1 / self.treated, -1 / self.control])
        half = z * np.sqrt(max(slope @ self.covariance @ slope, 0.0))
        at = np.log(self.treated / self.control)
        return float(np.exp(at)), float(np.exp(at - half)), float(np.exp(at + half))


def _tilt(e, d, target):
    """Target share H of each kind and its slope in the log-odds of e: ATE 1, ATT d, ATU 1-d, overlap e(1-e)."""
    flat = np.zeros_like(e)
    t = e * (1 - e)
    return {"ATE": (1 + flat, flat), "ATT": (d + flat, flat), "ATU": (1 - d + flat, flat),
            "overlap": (t, t * (1 - 2 * e))}[target]  # fmt: skip


def _stacked(X, d, n, y, yy, parts):
    """Means and their covariance by stacked estimating equations (Stefanski and Boos 2002). Returns Means.

    The mean of arm j is sum(H m + W (Y - m)) / sum(H), W = 0 outside the arm. parts: one for each fold, a dict with
    test, train (kinds,) booleans (the models of the fold were fitted to `train`), e (kinds,), bread (p, p): inverse
    information of the score, and arms: for 1 and 0 (H, dH, W, dW, m, inverse of the outcome model's X'X in the arm, or
    None). Slopes dH, dW are with respect to the log-odds of e. Where models are fitted to the rows that they predict,
    residuals are divided by one minus the row's leverage, as in HC3 (MacKinnon and White 1985).
    """
    means, constant, slope = {}, {}, {}
    for j in (1, 0):
        top = bottom = 0.0
        for part in parts:
            H, _, W, _, m, _ = part["arms"][j]
            t = part["test"]
            top += np.sum(((H - W) * m * n + W * y)[t])
            bottom += np.sum((H * n)[t])
        mean = top / bottom
        a, b = np.zeros(len(n)), np.zeros(len(n))  # influence of a row: a + b * outcome
        for part in parts:
            H, dH, W, dW, m, inverse = part["arms"][j]
            t, train, e = part["test"], part["train"], part["e"]
            own = train[t].any()
            by_leverage = _hc3(X, part["bread"], e * (1 - e)) if own else 1.0
            # through the score: its coefficients move by the inverse information times x (d - e) of each row trained on
            pull = np.where(t, n * (dH * (m - mean) - dW * m) + dW * y, 0.0) @ X
            by_score = np.where(train, (d - e) * (X @ (part["bread"] @ pull)), 0.0) * by_leverage
            if inverse is None:  # weighting: a mean of outcomes
                a += by_score - np.where(t, W * mean, 0.0) * by_leverage
                b += np.where(t, W, 0.0) * by_leverage
                continue
            pull = np.where(t, n * (H - W), 0.0) @ X  # and through the outcome model
            residual = np.where(t, W, 0.0) + np.where(train & (d == j), X @ (inverse @ pull), 0.0)
            residual = residual * (_hc3(X, inverse, d == j) if own else 1.0)
            a += np.where(t, H * (m - mean), 0.0) + by_score - residual * m
            b += residual
        means[j], constant[j], slope[j] = mean, a / bottom, b / bottom

    def product(i, j):
        return n * constant[i] * constant[j] + (constant[i] * slope[j] + slope[i] * constant[j]) * y + (
            slope[i] * slope[j] * yy)  # fmt: skip

    v11, v10, v00 = (float(np.sum(product(i, j))) for i, j in ((1, 1), (1, 0), (0, 0)))
    covariance = np.array([[v11, v10], [v10, v00]])
    influence = constant[1] - constant[0], slope[1] - slope[0]
    return Means(float(means[1]), float(means[0]), covariance, influence)


def _hc3(X, inverse, w):
    """1 / (1 - leverage) of each kind, at most 10: a row that a fit must pass through cannot tell of its own error."""
    leverage = np.einsum("kp,kp->k", X @ inverse, X) * w
    return 1 / (1 - np.minimum(leverage, 0.9))


def _score_part(X, d, n, train, prior=0.0, start=None):
    """The fitted score of a fold: e (kinds,), coefficients, and the inverse information."""
    rows = n * train
    beta = fit_propensity(X, d, rows, prior=prior, start=start)
    e = scores(X, beta)
    penalty = np.full(X.shape[1], float(prior))
    penalty[0] = 0.0
    bread = np.linalg.inv(_gram(X, rows * e * (1 - e)) + np.diag(penalty))
    return {"e": e, "beta": beta, "bread": bread, "train": train}


def ipw(X, d, n, y, yy, target="ATE", *, prior=0.0):
    """Normalised inverse probability weighting: Means (estimate, error, ratio) for the target.

    X: (kinds, p), constant first; d, n, y, yy: (kinds,). The standard error takes the fit of the score into account
    (Lunceford and Davidian 2004). prior: as for fit_propensity. Raises ValueError as fit_propensity does.
    """
    every = np.ones(len(n), bool)
    part = _score_part(X, d, n, every, prior) | {"test": every}
    w0, w1 = weights(part["e"], target)
    s0, s1 = _slopes(part["e"], target)
    nothing = np.zeros(len(n))
    part["arms"] = {1: (w1 * d, s1 * d, w1 * d, s1 * d, nothing, None),
                    0: (w0 * (1 - d), s0 * (1 - d), w0 * (1 - d), s0 * (1 - d), nothing, None)}  # fmt: skip
    return _stacked(X, d, n, y, yy, [part])


def outcome_model(X, n, y):
    """Least squares of the outcome on X over kinds of n rows: predictions (kinds,) and the inverse of X'X (p, p)."""
    inverse = np.linalg.pinv(_gram(X, n), rcond=1e-10, hermitian=True)
    return X @ (inverse @ (y @ X)), inverse


def aipw(X, d, n, y, yy, target="ATE", *, fold=None, prior=0.0):
    """Augmented inverse probability weighting with least-squares outcome models: Means for the target.

    X: (kinds, p), constant first; d, n, y, yy: (kinds,); fold: (kinds,) numbers for cross-fitting: score and outcome
    models of a fold are fitted to the other folds (Chernozhukov et al. 2018); None: all models are fitted to all rows.
    Doubly robust (Robins, Rotnitzky and Zhao 1994; for "overlap": for the target that the fitted score defines), and so
    is the standard error. prior: penalty of the score; fits in folds have at least PRIOR, since a level may be absent
    from them. Raises ValueError as fit_propensity does.
    """
    every, parts, start = np.ones(len(n), bool), [], None
    numbers = [None] if fold is None else np.unique(fold)
    if fold is not None:
        try:
            start = fit_propensity(X, d, n, prior=max(prior, PRIOR))
        except ValueError:
            start = None
    for k in numbers:
        test = every if fold is None else fold == k
        train = every if fold is None else ~test
        part = _score_part(X, d, n, train, prior if fold is None else max(prior, PRIOR), start) | {"test": test}
        e = part["e"]
        (H, dH), (w0, w1), (s0, s1) = _tilt(e, d, target), weights(e, target), _slopes(e, target)
        part["arms"] = {}
        for j, w, s in ((1, w1, s1), (0, w0, s0)):
            own = d == j
            part["arms"][j] = (H, dH, w * own, s * own, *outcome_model(X, n * train * own, y * train * own))
        parts.append(part)
    means = _stacked(X, d, n, y, yy, parts)
    if fold is not None:
        means.score = sum(np.where(part["test"], part["e"], 0.0) for part in parts)
        for j in (1, 0):
            added = base = 0.0
            for part in parts:
                H, _, W, _, _, inverse = part["arms"][j]
                t = part["test"]
                leverage = np.einsum("kp,kp->k", X[t] @ inverse, X[t])
                added += np.sum((n * (H - W) ** 2)[t] * leverage)
                base += np.sum((n * W**2)[t])
            means.reach = max(means.reach, float(added / base))
    return means


# ---- matching on the score, tied ones averaged


def _pools(e, n, y, yy):
    """Rows grouped by score: distinct scores (ascending), rows, sums of outcomes and of squares."""
    order = np.argsort(e, kind="stable")
    order = order[n[order] > 0]
    start = np.flatnonzero(np.append(True, np.diff(e[order]) > 0))
    return e[order][start], *(np.add.reduceat(v[order], start) for v in (n, y, yy))


def _twins(e, n, y, pool, size, total):
    """For kinds with score e: mean outcome of the tied nearest pools; K and K' of the pools' rows, from n rows each."""
    right = np.searchsorted(pool, e).clip(1, len(pool) - 1) if len(pool) > 1 else np.zeros(len(e), int)
    near = np.array([right - 1, right]) if len(pool) > 1 else np.zeros((1, len(e)), int)
    distance = np.abs(e - pool[near])
    tied = distance <= distance.min(axis=0) + 1e-11
    one = tied / (tied * size[near]).sum(axis=0)
    K, K2 = np.zeros(len(pool)), np.zeros(len(pool))
    for side in range(len(near)):
        K += np.bincount(near[side].astype(np.intp), n * one[side], len(pool))
        K2 += np.bincount(near[side].astype(np.intp), n * one[side] ** 2, len(pool))
    return (one * total[near]).sum(axis=0), K, K2


def _local_variance(size, total, squares):
    """Variance of the outcome around each pool, from at least a hundred rows nearest in score (or all there are)."""
    reached = np.append(0.0, np.cumsum(size))
    middle, half = (reached[:-1] + reached[1:]) / 2, max(50.0, size.sum() / 1000)
    low = np.searchsorted(reached, middle - half, side="right").clip(1) - 1
    high = np.searchsorted(reached, middle + half).clip(max=len(size))
    n, s, q = (np.append(0.0, np.cumsum(v))[high] - np.append(0.0, np.cumsum(v))[low] for v in (size, total, squares))
    return np.maximum(q - s**2 / n, 0.0) / np.maximum(n - 1, 1.0)


def match(e, d, n, y, yy, target="ATT"):
    """Matching on the score with replacement, one nearest neighbour, tied ones averaged: Means, and weights.

    e, d, n, y, yy: (kinds,); scores that agree to 12 decimals are tied. target: "ATT", "ATU" or "ATE". The standard
    error is that of Abadie and Imbens (2006) with the score taken as known. Returns (Means, a row's weight (kinds,)).
    """
    e = np.round(e, 12)
    total = {0: (n * (1 - d)).sum(), 1: (n * d).sum()}
    looking = {"ATT": (1,), "ATU": (0,), "ATE": (1, 0)}[target]
    N = sum(total[j] for j in looking)
    arm = {j: _pools(e[d == j], n[d == j], y[d == j], yy[d == j]) for j in (0, 1)}
    used = {j: (np.zeros(len(arm[j][0])), np.zeros(len(arm[j][0]))) for j in (0, 1)}
    tops, twin = {0: 0.0, 1: 0.0}, np.zeros(len(n))
    for j in looking:
        own = d == j
        twin[own], K, K2 = _twins(e[own], n[own], y[own], *arm[1 - j][:3])
        used[1 - j] = K, K2
        tops[j] += y[own].sum()
        tops[1 - j] += n[own] @ twin[own]
    means = {j: tops[j] / N for j in (0, 1)}
    effect, spread, w = means[1] - means[0], 0.0, np.zeros(len(n))
    for j in (0, 1):
        own, (K, K2) = d == j, used[j]
        pool, size, _, _ = arm[j]
        if j in looking:
            expected = twin[own] + (effect if j else -effect)
            spread += np.sum(yy[own] - 2 * y[own] * expected + n[own] * expected**2)
        often = K**2 - K2 + (2 * K if j in looking else 0)
        spread += np.sum(size * often * _local_variance(*arm[j][1:]))
        w[own] = (j in looking) + K[np.searchsorted(pool, e[own]).clip(max=len(pool) - 1)]
    error2 = float(spread / N**2)
    return Means(float(means[1]), float(means[0]), np.array([[error2, 0.0], [0.0, 0.0]])), w


# ---- diagnostics


def effective_size(w, n):
    """Effective number of rows (Kish) for weights w (..., kinds) of n (..., kinds) rows each: (...,)."""
    return (w * n).sum(-1) ** 2 / (w**2 * n).sum(-1)


def balance(F, d, n, w=None):
    """Standardized mean differences (k,) of the features F (kinds, k), treated minus control, weighted by w (kinds,).

    Divided by the root of the mean of the two arms' variances without weights (Austin 2009); 0 where nothing varies.
    """
    raw = np.stack([n * (1 - d), n * d])
    plain = raw @ F / raw.sum(axis=1, keepdims=True)
    variance = raw @ F**2 / raw.sum(axis=1, keepdims=True) - plain**2
    shares = raw if w is None else raw * w
    mean = shares @ F / shares.sum(axis=1, keepdims=True)
    return _standardized(mean[1] - mean[0], variance.mean(axis=0))


def _standardized(gap, variance):
    scale = np.sqrt(np.maximum(variance, 0.0))
    return np.where(scale > 1e-9, gap / np.where(scale > 1e-9, scale, 1.0), 0.0)


def _pair_balance(F, d, n, w):
    """(weighted, raw, error), each (k, k): SMDs of products of two features, centred at their means over all rows.

    error: standard error of the weighted one if the weights are taken as known.
    """
    F = F - (n @ F) / n.sum()
    mean, noise, second, plain = [], [], [], []
    for j in (0, 1):
        rows, shares = n * (d == j), n * w * (d == j)
        mean.append(_gram(F, shares) / shares.sum())
        w2 = shares * w
        spread = _gram(F**2, w2) - 2 * mean[j] * _gram(F, w2) + mean[j] ** 2 * w2.sum()
        noise.append(spread / shares.sum() ** 2)
        plain.append(_gram(F, rows) / rows.sum())
        second.append(_gram(F**2, rows) / rows.sum())
    variance = (second[0] - plain[0] ** 2 + second[1] - plain[1] ** 2) / 2
    error = _standardized(np.sqrt(np.maximum(noise[0] + noise[1], 0.0)), variance)
    return _standardized(mean[1] - mean[0], variance), _standardized(plain[1] - plain[0], variance), error


def resampled(kind, y, kinds, *, seed, draws, block=25):
    """The bootstrap in counts: yields n, y (up to `block`, kinds) of samples of the rows drawn with replacement.

    kind: (rows,) number of each row's kind; y: (rows,) its outcome, 0 or 1; kinds: how many kinds there are. The draws
    are those of `integers(0, n, size=n)`, one call a sample, from `default_rng(seed)`: rows of one kind with the same
    outcome are alike, so a sample is how often each was drawn, and all estimators here take a stack of samples.
    """
    rng, rows = np.random.default_rng(seed), len(kind)
    key = (2 * np.asarray(kind) + np.asarray(y)).astype(np.intp)
    for start in range(0, draws, block):
        drawn = (key[rng.integers(0, rows, size=rows)] for _ in range(min(block, draws - start)))
        counts = np.array([np.bincount(one.astype(np.intp, copy=False), minlength=2 * kinds) for one in drawn], float)
        yield counts[:, ::2] + counts[:, 1::2], counts[:, 1::2]


# ---- how strong would a hidden confounder have to be?


def e_value(ratio):
    """E-value of a risk ratio (VanderWeele and Ding 2017): 1 for a ratio of 1; below 1 the inverse ratio is taken."""
    ratio = own_logs.check_number("ratio", ratio, above=0)
    ratio = max(ratio, 1 / ratio)
    return ratio + math.sqrt(ratio * (ratio - 1))


def robustness_value(t, df, *, q=1.0, level=None):
    """Partial R² with treatment and outcome that a trait needs to take off the share q (Cinelli and Hazlett 2020).

    t: t-value of the treatment in a regression with df degrees of freedom, of either sign. level: None for the
    estimate; 0.95 for the strength at which the 95 % interval reaches the value that is left, 0 where it does without
    any trait.
    """
    f = q * abs(t) / math.sqrt(df)
    limit = 0.0 if level is None else stats.t.ppf(0.5 + level / 2, df - 1) / math.sqrt(df - 1)
    if f <= limit:
        return 0.0
    if limit > 0 and f > 1 / limit:  # so few degrees of freedom that the treatment's side alone decides
        return (f**2 - limit**2) / (1 + f**2)
    return (math.sqrt((f - limit) ** 4 + 4 * (f - limit) ** 2) - (f - limit) ** 2) / 2


def formal_benchmark(r2_d, r2_y, times=1.0):
    """Partial R² (with treatment, with outcome) of a hidden trait `times` as strong as a covariate that was recorded.

    r2_d: partial R² of the covariate with the treatment given the other covariates; r2_y: with the outcome given those
    and the treatment. Cinelli and Hazlett (2020), section 4.4 and appendix: unlike the covariate's own numbers, these
    allow for the treatment being in the regression. nan where no trait can be so strong.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        d = times * r2_d / (1 - r2_d)
        both = times * r2_d**2 / ((1 - times * r2_d) * (1 - r2_d))
        y = ((np.sqrt(times) + np.sqrt(both)) / np.sqrt(1 - both)) ** 2 * r2_y / (1 - r2_y)
        possible = (d < 1) & (times * r2_d < 1) & (both < 1) & (r2_d < 1) & (r2_y < 1)
    return np.where(possible, d, np.nan), np.where(possible, np.minimum(y, 1.0), np.nan)


def after_confounder(estimate, error, df, r2_d, r2_y):
    """(estimate, error) of a regression after a hidden trait with these partial R², towards zero (same paper)."""
    bias = error * np.sqrt(df * r2_y * r2_d / (1 - r2_d))
    adjusted = error * np.sqrt((1 - r2_y) / (1 - r2_d) * df / (df - 1))
    return np.sign(estimate) * (np.abs(estimate) - bias), adjusted


def gamma_strata(n0, n1, y0, y1, *, alpha=0.05):
    """Rosenbaum's Gamma for outcomes of 0 and 1 in strata: the bias in the odds that could bring one-sided p to alpha.

    n0, n1: (strata,) rows, control and treated; y0, y1: ones among them. Asks whether the treated have more ones than
    chance allows when the odds of treatment of two rows of a stratum may differ by the factor Gamma (Rosenbaum 2002,
    section 4.4: the worst case gives an extended hypergeometric distribution in each stratum). For fewer ones than
    chance, give n - y. 1.0 where p is above alpha without any bias.
    """
    n0, n1, y0, y1 = (np.asarray(v, float) for v in (n0, n1, y0, y1))
    keep = (n0 > 0) & (n1 > 0) & (y0 + y1 > 0) & (y0 + y1 < n0 + n1)
    n0, n1, hits, seen = n0[keep], n1[keep], (y0 + y1)[keep], y1[keep].sum()
    low, high = np.maximum(0, hits - n0), np.minimum(n1, hits)
    width = int(np.max(high - low, initial=0)) + 1
    small = width * len(n0) <= 2_000_000
    if small:
        t = low[:, None] + np.arange(width)
        ok = t <= high[:, None]
        with np.errstate(invalid="ignore"):
            chance = np.where(ok, -special.gammaln(t + 1) - special.gammaln(n1[:, None] - t + 1)
                              - special.gammaln(hits[:, None] - t + 1)
                              - special.gammaln(n0[:, None] - hits[:, None] + t + 1), -np.inf)  # fmt: skip

    def excess(gamma):
        """z of the treated ones above what bias alone could bring"""
        if small:
            p = chance + t * math.log(gamma)
            p = np.exp(p - p.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            mean = np.sum(p * np.where(ok, t, 0), axis=1)
            variance = np.sum(p * np.where(ok, (t - mean[:, None]) ** 2, 0), axis=1)
        else:  # the root of a (n0 - hits + a) = gamma (n1 - a) (hits - a), and the variance of a large table
            qa, qb, qc = 1 - gamma, n0 - hits + gamma * (n1 + hits), -gamma * n1 * hits
            mean = -2 * qc / (qb + np.sqrt(qb**2 - 4 * qa * qc))
            with np.errstate(divide="ignore"):
                variance = 1 / (1 / mean + 1 / (n1 - mean) + 1 / (hits - mean) + 1 / (n0 - hits + mean))
        total = variance.sum()
        return (seen - mean.sum()) / math.sqrt(total) if total > 0 else 0.0

    return _largest(lambda gamma: excess(gamma) - stats.norm.isf(alpha))


def gamma_pairs(differences, *, alpha=0.05):
    """Rosenbaum's Gamma for pairs: Wilcoxon's signed-rank test of differences, treated minus control, above zero.

    Rosenbaum (2002), section 4.3: at most Gamma/(1 + Gamma) is the chance that the larger outcome of a pair is the
    treated one. Differences of zero are left out. 1.0 where one-sided p is above alpha without any bias.
    """
    differences = np.asarray(differences, float)
    differences = differences[differences != 0]
    if not len(differences):
        return 1.0
    rank = stats.rankdata(np.abs(differences))
    seen, total, squares = rank[differences > 0].sum(), rank.sum(), (rank**2).sum()

    def excess(gamma):
        p = gamma / (1 + gamma)
        return (seen - p * total) / math.sqrt(p * (1 - p) * squares) - stats.norm.isf(alpha)

    return _largest(excess)


def _largest(excess):
    """The Gamma from 1 to 1,000 at which a falling function reaches zero; 1.0 where it is below zero at once."""
    if excess(1.0) <= 0:
        return 1.0
    low, high = 1.0, 1000.0
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return low


# ---- from the aggregate to kinds of rows


@dataclass
class Covariate:
    """A covariate as the queries carry it: name, kind ("number" or "category"), its SQL, and how it is cut.

    edges: None, or the ascending limits of the bins of a number: below the first, ..., at or above the last. centre: a
    constant near a cut number, subtracted before the sums so that they keep their digits.
    """

    name: str
    kind: str
    sql: str
    edges: tuple = None
    centre: float = 0.0


@dataclass
class Kinds:
    """Kinds of rows with their sums, and the regressors and features made of the covariates.

    X (kinds, p): regressors, constant first, with their names and owners (the covariates each is made of). d, n, y, yy,
    lost (kinds,): treated, rows with an outcome, sums, rows without one. not_zero, lowest, highest (kinds,): rows whose
    outcome is not 0, and the extremes (nan where there is none). fold: (kinds,) numbers or None. F (kinds, q):
    features for the balance table, with their names, owners and kinds. codes: {covariate: (code (kinds,), labels)}
    of the groups that a person would look at: levels, or fifths of a number. values: {covariate: (kinds,) values}.
    """

    X: np.ndarray
    names: list
    owners: list
    d: np.ndarray
    n: np.ndarray
    y: np.ndarray
    yy: np.ndarray
    lost: np.ndarray
    not_zero: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    fold: np.ndarray
    F: np.ndarray
    feature_names: list
    feature_owners: list
    feature_kinds: list
    codes: dict
    values: dict
    why_not_folded: str = ""

    @property
    def arrays(self):
        """X, d, n, y, yy as the estimators take them."""
        return self.X, self.d, self.n, self.y, self.yy

    def where(self, keep):
        """The same model on some of the kinds; regressors that no longer vary there are left out."""
        X, F = self.X[keep], self.F[keep]
        columns = _independent(_gram(X, self.n[keep]))
        return Kinds(X[:, columns], [self.names[c] for c in columns], [self.owners[c] for c in columns],
                     *(v[keep] for v in (self.d, self.n, self.y, self.yy, self.lost)),
                     *(v[keep] for v in (self.not_zero, self.lowest, self.highest)),
                     None if self.fold is None else self.fold[keep], F,
                     self.feature_names, self.feature_owners, self.feature_kinds,
                     {name: (code[keep], labels) for name, (code, labels) in self.codes.items()},
                     {name: value[keep] for name, value in self.values.items()}, self.why_not_folded)  # fmt: skip


CHECKED = ["not_zero", "lowest", "highest"]  # columns of the aggregate that only `_outcome_problems` needs
MISSING, RARE = "(missing)", "(rare)"
RARE_ROWS = 10


def _merged(aggregate, covariates):
    """The aggregate with lower-case names, numbers as floats, and rows of the same kind (of shards, say) added up."""
    table = aggregate.rename(columns=str.lower).reset_index(drop=True)
    keys = [f"z{k}" for k in range(1, len(covariates) + 1)]
    for key, covariate in zip(keys, covariates, strict=True):
        if covariate.kind == "number":
            table[key] = pd.to_numeric(table[key]).astype(float) + 0.0  # -0.0 is 0.0
        else:
            table[key] = table[key].astype(object).where(table[key].notna(), None)
    sums = [c for c in table if c not in (*keys, "treated", "fold")]
    table[[*sums, "treated", "fold"]] = table[[*sums, "treated", "fold"]].astype(float)
    by = [*keys, "treated", "fold"]
    if table.duplicated(by).any():
        how = {c: {"lowest": "min", "highest": "max"}.get(c, "sum") for c in sums}
        table = table.groupby(by, dropna=False, sort=False, as_index=False).agg(how)
    return table


def _columns_of(table, covariates, rows):
    """What each covariate is made into, and findings: (list of dicts, problems). rows: (kinds,) rows with an outcome.

    A dict has: covariate, main: [(name, values, kind)] for the model, features: the same for the balance table, square:
    (name, values, kind) or None, code and labels: groups, exact: whether the groups are levels that need both arms.
    A kind is number, category, missing (an indicator), level (a value of a number of few values), or square.
    """
    made, problems = [], []
    for k, c in enumerate(covariates, start=1):
        z = table[f"z{k}"]
        if c.kind == "category":
            entry, found = _category(c, z, rows)
        else:
            sums = (table[f"z{k}_sum"].to_numpy(), table[f"z{k}_squares"].to_numpy()) if c.edges else None
            entry, found = _number(c, z.to_numpy(float), rows, sums)
        problems += found
        if entry is not None:
            made.append(entry | {"covariate": c.name})
    return made, problems


def _constant(name):
    return say(f"covariate {name} does not vary", severity=WARNING, what_to_do="It was left out of the model.")


def _category(c, z, rows):
    missing = z.isna().to_numpy()
    code, labels = pd.factorize(z.where(~missing, MISSING), sort=True)
    labels, problems = [str(label) for label in labels], []
    if missing.any():
        problems.append(say("covariate is missing", place=c.name, rows=rows[missing].sum(), severity=WARNING,
                            what_to_do=f"{MISSING} was taken as a level of its own."))  # fmt: skip
    folded = pd.Series(labels).str.lower()
    if folded.duplicated().any():
        same = [label for label, twice in zip(labels, folded.duplicated(keep=False), strict=True) if twice]
        problems.append(say(f"levels of {c.name} that differ in capitals only: {', '.join(same[:6])}", severity=WARNING,
                            what_to_do="They were kept apart; if they mean the same, give LOWER(...)."))  # fmt: skip
    size = np.bincount(code.astype(np.intp), rows, len(labels))
    rare = (size < RARE_ROWS) & (size > 0) & (np.array(labels) != MISSING)
    if rare.sum() > 1:
        share = size[rare].sum() / rows.sum()
        problems.append(say(f"{rare.sum()} levels of {c.name} have fewer than {RARE_ROWS} rows", rows=size[rare].sum(),
                            severity=FATAL if share > 0.2 else WARNING,
                            what_to_do="A number, or an identifier, is no category: give a number, or coarser levels."
                            if share > 0.2 else f"They were put together as {RARE}."))  # fmt: skip
        labels = [*(label for label, r in zip(labels, rare, strict=True) if not r), RARE]
        new = np.cumsum(~rare) - 1
        new[rare] = len(labels) - 1
        code, size = new[code], np.bincount(new[code].astype(np.intp), rows, len(labels))
    if (size > 0).sum() < 2:
        return None, [*problems, _constant(c.name)]
    reference = int(np.argmax(size))
    each = [(f"{c.name}: {label}", (code == j) * 1.0, "category") for j, label in enumerate(labels) if size[j] > 0]
    main = [entry for j, entry in zip(np.flatnonzero(size > 0), each, strict=True) if j != reference]
    features = each if len(each) > 2 else main  # of two levels, one says it all
    return {"main": main, "features": features, "square": None, "code": code, "labels": labels, "exact": True}, problems


def _number(c, z, rows, sums):
    """sums: None, or sums of (z - centre) and of its squares over the rows of each kind, where z numbers bins."""
    missing, problems = np.isnan(z), []
    if missing.any():
        problems.append(say("covariate is missing", place=c.name, rows=rows[missing].sum(), severity=WARNING,
                            what_to_do="The mean was put in, and an indicator of missing was added."))  # fmt: skip
    here = ~missing & (rows > 0)
    if not here.any():
        return None, [*problems, _constant(c.name)]
    known = ~missing if sums is None else here
    x, x2 = (z, z**2) if sums is None else (s / np.maximum(rows, 1) for s in sums)
    mean = np.average(x[here], weights=rows[here])
    x = np.where(known, x - mean, 0.0)  # at the mean where it is missing
    second = x**2 if sums is None else np.where(known, x2 - 2 * mean * (x + mean) + mean**2, 0.0)
    sd = math.sqrt(max(np.average(second[here], weights=rows[here]), 0.0))
    if not sd > 1e-12 * max(abs(mean + c.centre), 1e-300):
        sd = 0.0
    x, second = (x / sd, second / sd**2) if sd else (x, second)
    second = np.where(known, second, 1.0)
    values = np.unique(z[here])
    indicator = [(f"{c.name}: {MISSING}", missing * 1.0, "missing")] if (missing & (rows > 0)).any() else []
    main = ([(c.name, x, "number")] if sd else []) + indicator
    if not main:
        return None, [*problems, _constant(c.name)]
    few = sums is None and len(values) <= 10
    levels = []
    if few and len(values) > 2:
        levels = [(f"{c.name} = {value:g}", (z == value) * 1.0, "level") for value in values]
    square = (f"{c.name} squared", second, "square") if len(values) > 2 else None
    if few:
        code, labels = (
            np.searchsorted(values, np.where(here, z, values[0])).clip(max=len(values) - 1),
            [f"{value:g}" for value in values],
        )
    else:
        cuts = np.unique(_quantiles(z[here], rows[here], np.arange(1, 5) / 5))
        code = np.searchsorted(cuts, np.where(missing, cuts[0], z), side="right")
        shown = [c.edges[int(cut) - 1] if c.edges and cut >= 1 else cut for cut in cuts]
        labels = [f"below {shown[0]:.4g}", *(f"from {cut:.4g}" for cut in shown)]
    if missing.any():
        code, labels = np.where(missing, len(labels), code), [*labels, MISSING]
    return {"main": main, "features": main + levels, "square": square, "code": code, "labels": labels,
            "exact": few and len(values) == 2, "x": x}, problems  # fmt: skip


def _quantiles(z, rows, shares):
    """Values of z that these shares of the rows reach."""
    order = np.argsort(z, kind="stable")
    reached = np.cumsum(rows[order])
    return z[order][np.searchsorted(reached, reached[-1] * shares)]


def _independent(gram):
    """Indices of columns that are no combination of earlier ones, from their gram matrix (p, p)."""
    scale = np.sqrt(np.maximum(np.diag(gram), 0))
    keep, left = [], gram / np.outer(np.where(scale > 0, scale, 1), np.where(scale > 0, scale, 1))
    for j in range(len(left)):
        if scale[j] > 0 and left[j, j] > 1e-9:
            keep.append(j)
            left = left - np.outer(left[:, j], left[j]) / left[j, j]
    return keep


def _one_armed(made, d, n, target):
    """Kinds to keep, and findings: levels in which everybody or nobody is treated have nobody to compare with."""
    keep, gone, problems = np.ones(len(n), bool), {}, []
    goal = {"ATE": n, "ATT": n * d, "ATU": n * (1 - d), "overlap": n}[target]
    while True:
        before = keep.sum()
        for entry in made:
            code, labels = entry["code"], entry["labels"]
            arms = [np.bincount(code.astype(np.intp), n * keep * (d == j), len(labels)) for j in (0, 1)]
            bad = (np.minimum(*arms) == 0) & (arms[0] + arms[1] > 0)
            bad &= entry["exact"] | (np.array(labels) == MISSING)
            for j in np.flatnonzero(bad):
                lost = (goal * keep * (code == j)).sum()
                if lost:
                    who = "everybody" if arms[1][j] else "nobody"
                    gone[f"{entry['covariate']} = {labels[j]}"] = who, lost
                keep &= code != j
        if keep.sum() == before:
            break
    total, lost = goal.sum(), sum(rows for _, rows in gone.values())
    fatal = lost > 0.01 * total and target != "overlap"
    for place, (who, rows) in gone.items():
        problems.append(say(f"no overlap: {who} is treated", place=place, rows=rows,
                            severity=FATAL if fatal else WARNING,
                            what_to_do="There is nobody to compare these rows with: leave them out with a WHERE and "
                            "say so, or choose another target." if fatal else
                            "These rows were left out; the answer is about the others."))  # fmt: skip
    return keep, problems


def _mix(bits):
    """Scrambles 64-bit numbers (the finaliser of splitmix64)."""
    with np.errstate(over="ignore"):
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return bits ^ (bits >> np.uint64(31))


def _cells(table, covariates):
    """A 64-bit number for the covariates of each kind, whatever the order of rows or covariates."""
    total = np.zeros(len(table), np.uint64)
    for k, c in enumerate(covariates, start=1):
        z = table[f"z{k}"]
        if c.kind == "number":
            bits = z.to_numpy(float).view(np.uint64)
        else:
            code, labels = pd.factorize(z.where(z.notna(), MISSING))
            bits = np.array([zlib.crc32(str(label).encode()) for label in labels], np.uint64)[code]
        total = total + _mix(bits + _mix(np.uint64([zlib.crc32(c.name.encode())])))  # wraps around, as a hash may
    return _mix(total)


def _folds(table, cells, X, n, d, by_user, folds):
    """(fold of each kind or None, why not). By user where (nearly) all are known; else by the covariates."""
    few = min(n @ d, n @ (1 - d))
    if folds is None and few < ROWS_TO_FOLD * X.shape[1]:
        return None, f"the smaller arm has fewer than {ROWS_TO_FOLD} rows for each column of the models"
    if folds == 1:
        return None, ""
    folds = folds or FOLDS
    by_cell, unknown = (cells % np.uint64(folds)).astype(int), (table["fold"] < 0).to_numpy()
    if by_user and n @ unknown <= 0.01 * n.sum():
        return np.where(unknown, by_cell, table["fold"]), ""
    # Rows of the same covariates are in one fold. That will do where every level is spread over many kinds of rows.
    code = np.unique(cells, return_inverse=True)[1]
    rows = np.bincount(code.astype(np.intp), n)
    first = np.zeros(len(rows), int)
    first[code] = np.arange(len(code))
    dummies = np.flatnonzero([((column == 0) | (column == 1)).all() for column in X.T])
    for j in dummies:
        inside = rows * X[first, j]
        want = 10 * X.shape[1] if j == 0 else 20
        if inside.sum() and inside.sum() ** 2 / (inside**2).sum() < 0.5 * min(want, inside.sum()):
            return None, "there are too few kinds of rows to hold some out; name `user` to hold out users"
    return by_cell, ""


def _kinds(aggregate, covariates, design, by_user):
    """(Kinds, problems) from the aggregate; refuses where there is nothing to estimate from."""
    table = _merged(aggregate, covariates)
    problems = []
    for k, c in enumerate(covariates, start=1):
        wrong = table[f"z{k}_wrong"].sum() if c.edges else 0
        if c.kind == "number" and not c.edges:
            wrong = table.loc[table[f"z{k}"].abs() > 1e150, "rows_in_cell"].sum()
        if wrong:
            problems.append(say(f"covariate {c.name} is not a finite number", rows=wrong,
                                what_to_do=f"Repair them; if it is a category, categories=[{c.name!r}]."))  # fmt: skip
    d, n, y, yy, all_rows = (table[c].to_numpy(float) for c in ("treated", "n", "y", "yy", "rows_in_cell"))
    for j, who in ((1, "treated"), (0, "untreated")):
        if n[d == j].sum() == 0:
            problems.append(say(f"no row is {who}", place="rows with an outcome", rows=0,
                                what_to_do="Look at the treatment column, treated_value and WHERE."))  # fmt: skip
    own_logs.refuse(own_logs.problem_table(problems))
    total = n.sum()
    if not np.isfinite(yy.sum()):
        own_logs.refuse(own_logs.problem_table([say("the outcome is too large to be squared", what_to_do="Give it in "
                                                    "another unit, or look for errors.")]))  # fmt: skip
    if yy.sum() - y.sum() ** 2 / total <= 1e-12 * max(yy.sum(), 1e-300):
        own_logs.refuse(own_logs.problem_table([say("the outcome does not vary", what_to_do="There is nothing to "
                                                    "estimate from.")]))  # fmt: skip
    for j, who in ((1, "treated"), (0, "untreated")):
        if n[d == j].sum() < 20:
            problems.append(say(f"fewer than 20 rows are {who}", place="rows with an outcome", rows=n[d == j].sum(),
                                what_to_do="Collect more; no interval can be trusted here."))  # fmt: skip
    made, found = _columns_of(table, covariates, n)
    keep, more = _one_armed(made, d, n, design["target"])
    problems += found + more
    own_logs.refuse(own_logs.problem_table(problems))
    cells = _cells(table, covariates)[keep]
    lost = all_rows - n
    missing = _missing_outcomes(d, n, lost)
    table, d, n, y, yy, lost = table[keep].reset_index(drop=True), d[keep], n[keep], y[keep], yy[keep], lost[keep]
    by_name = {entry["covariate"]: entry for entry in made}
    for entry in made:
        for part in ("main", "features"):
            entry[part] = [(name, v[keep], kind) for name, v, kind in entry[part]]
        entry["code"] = entry["code"][keep]
    pairs = _pairs(design["interactions"], [c.name for c in covariates])
    pairs = [(a, b) for a, b in pairs if a in by_name and b in by_name]
    planned = sum(len(by_name[a]["main"]) * len(by_name[b]["main"]) for a, b in pairs)
    few = min((n * d).sum(), (n * (1 - d)).sum())
    if planned > few:
        problems.append(_too_few(planned, few))
        own_logs.refuse(own_logs.problem_table(problems))
    terms = [("constant", (), np.ones(len(n)), "constant")]
    for entry in made:
        name, v, kind = entry["square"] or (None, None, None)
        extra = [(name, v[keep], kind)] if entry["square"] and design["squares"] else []
        terms += [(name, (entry["covariate"],), v, kind) for name, v, kind in entry["main"] + extra]
    for a, b in pairs:
        terms += [(f"{name} x {other}", (a, b), v * w, "pair") for name, v, kind in by_name[a]["main"]
                  for other, w, kind2 in by_name[b]["main"] if "missing" not in (kind, kind2)]  # fmt: skip
    names, owners, columns, sorts = (list(part) for part in zip(*terms, strict=True))
    X = np.column_stack(columns)
    columns = _independent(_gram(X, n))
    problems += [say(f"covariate {name} repeats others", severity=WARNING, what_to_do="It was left out of the model; "
                     "that changes nothing.") for entry in made for name in [entry["covariate"]]
                 if not any(name in owners[c] for c in columns)]  # fmt: skip
    if few < 3 * len(columns):
        problems.append(_too_few(len(columns), few))
        own_logs.refuse(own_logs.problem_table(problems))
    columns, more = _within_arms(X, names, sorts, columns, d, n, design)
    problems += more
    X, names, owners = X[:, columns], [names[c] for c in columns], [owners[c] for c in columns]
    fold, why = None, ""
    if design["method"] == "aipw":
        fold, why = _folds(table, cells, X, n, d, by_user, design["folds"])
    features = [(name, v, entry["covariate"], kind) for entry in made for name, v, kind in entry["features"]]
    features = features or [("nothing", np.zeros(len(n)), "", "number")]
    kinds = Kinds(X, names, owners, d, n, y, yy, lost, *(table[c].to_numpy() for c in CHECKED), fold,
                  np.column_stack([f[1] for f in features]), *([f[k] for f in features] for k in (0, 2, 3)),
                  {e["covariate"]: (e["code"], e["labels"]) for e in made},
                  {e["covariate"]: table[f"z{k}"].to_numpy() for k, c in enumerate(covariates, start=1)
                   for e in made if e["covariate"] == c.name}, why)  # fmt: skip
    problems += missing
    own_logs.refuse(own_logs.problem_table(problems))
    return kinds, problems


def _too_few(columns, rows):
    return say(f"too few rows in the smaller arm for a model of {columns} columns", rows=rows,
               what_to_do="Fewer covariates or interactions, coarser levels, or squares=False.")  # fmt: skip


def _pairs(interactions, names):
    if interactions == "all":
        return [(a, b) for k, a in enumerate(names) for b in names[k + 1 :]]
    return list(interactions)


def _within_arms(X, names, sorts, columns, d, n, design):
    """Columns that each outcome model can be fitted with, and findings: an arm may lack a square or a product."""
    needed = {"ATE": (0, 1), "overlap": (0, 1), "ATT": (0,), "ATU": (1,)}[design["target"]]
    problems = []
    if design["method"] != "aipw":
        return columns, problems
    for j in needed:
        kept = {columns[c] for c in _independent(_gram(X[:, columns], n * (d == j)))}
        for c in [c for c in columns if c not in kept]:
            more = sorts[c] in ("pair", "square")
            who = "treated" if j else "untreated"
            problems.append(say(f"the {who} do not vary in {names[c]}", severity=WARNING if more else FATAL, what_to_do=
                                "It was left out of the models." if more else "Nothing says what it does to them: "
                                "leave it out, or choose another target."))  # fmt: skip
        columns = [c for c in columns if c in kept]
    return columns, problems


def _missing_outcomes(d, n, lost):
    """Outcomes missing more often in one arm than chance allows."""
    gone, rows = (np.array([(v * (1 - d)).sum(), (v * d).sum()]) for v in (lost, n + lost))
    if gone.sum() == 0:
        return []
    share, p = gone / rows, gone.sum() / rows.sum()
    z = (share[1] - share[0]) / math.sqrt(p * (1 - p) * (1 / rows).sum())
    if 2 * stats.norm.sf(abs(z)) >= 0.01:
        return []
    return [say(f"outcomes are missing more often in one arm: {share[1]:.1%} of the treated, {share[0]:.1%} of the "
                "untreated", rows=gone.sum(), severity=WARNING, what_to_do="The estimate compares those who answered; "
                "missing_bounds() says what the others could change.")]  # fmt: skip


# ---- what can be seen in scores and weights


def _weights_of(kinds, e, target, method):
    """Weight (kinds,) of a row in its arm's mean."""
    if method == "matching":
        return match(e, *kinds.arrays[1:], target)[1]
    w0, w1 = weights(e, target)
    return np.where(kinds.d == 1, w1, w0)


def _overlap(kinds, e, w, target):
    """DataFrame with a row for each arm: rows, effective, largest share of one row, and quantiles of the scores."""
    tilt = _tilt(e, kinds.d, target)[0]
    goal, found = effective_size(tilt, kinds.n), []  # rows that the answer is about
    for j, name in ((1, "treated"), (0, "untreated")):
        own = (kinds.d == j) & (kinds.n > 0)
        n, v, s = kinds.n[own], w[own], e[own]
        order = np.argsort(s)
        reached = np.cumsum(n[order]) / n.sum()
        low, mid, high = (s[order][np.searchsorted(reached, q).clip(max=len(s) - 1)] for q in (0.01, 0.5, 0.99))
        found.append((name, int(n.sum()), effective_size(v, n), v.max() / (v * n).sum(), min(n.sum(), goal),
                      s.min(), low, mid, high, s.max()))  # fmt: skip
    columns = ["arm", "rows", "effective", "largest_share", "at_best", "min", "1%", "median", "99%", "max"]
    return pd.DataFrame(found, columns=columns)


def _overlap_problems(table, accept, target, by=""):
    found = []
    for row in table.itertuples():
        share = row.effective / row.at_best
        if share >= 0.25 and row.largest_share <= max(0.05, 1.5 / row.at_best):
            continue
        fatal = (share < 0.10 or row.largest_share > max(0.10, 5 / row.at_best)) and "overlap" not in accept
        other = {"ATE": "'overlap', or 'ATT'", "ATU": "'overlap', or 'ATT'", "ATT": "'overlap'"}.get(target)
        do = (f"Few rows decide. Choose target={other}, or leave out kinds of rows that nobody on the other side "
              "resembles, and say so." if other else "Too few rows could be either.")  # fmt: skip
        found.append(say(f"weak overlap: {row.rows:,.0f} {row.arm} rows are worth {row.effective:,.0f}, and one holds "
                         f"{row.largest_share:.1%} of the weight", place=f"{row.arm}, {target}{by}",
                         severity=FATAL if fatal else WARNING, what_to_do=do))  # fmt: skip
    return found


def _balance(kinds, w, interactions=True):
    """DataFrame with feature, owners, kind (main, level, pair), raw and weighted SMD, and `beyond` chance or not."""
    F, d, n = kinds.F, kinds.d, kinds.n
    q = F.shape[1]
    raw, after = balance(F, d, n), balance(F, d, n, w)
    level = np.array(kinds.feature_kinds) == "level"
    number = np.array(kinds.feature_kinds) == "number"
    rows = [(name, (owner,), "level" if is_level else "main", a, b) for name, owner, is_level, a, b in
            zip(kinds.feature_names, kinds.feature_owners, level, raw, after, strict=True)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["feature", "owners", "kind", "raw", "weighted"])
    table["error"] = math.sqrt(sum(1 / effective_size(w[d == j], n[d == j]) for j in (0, 1)))
    if interactions:
        after, raw, error = _pair_balance(F, d, n, w)
        i, j = np.triu_indices(q)
        two = np.array([[a != b for b in kinds.feature_owners] for a in kinds.feature_owners]).reshape(q, q)
        good = (two[i, j] & ~level[i] & ~level[j]) | ((i == j) & number[i])
        i, j = i[good], j[good]
        pairs = pd.DataFrame({
            "feature": [f"{kinds.feature_names[a]} x {kinds.feature_names[b]}" if a != b else
                        f"{kinds.feature_names[a]} squared" for a, b in zip(i, j, strict=True)],
            "owners": [(kinds.feature_owners[a], kinds.feature_owners[b]) if a != b else (kinds.feature_owners[a],)
                       for a, b in zip(i, j, strict=True)],
            "kind": np.where(i == j, "square", "pair"), "raw": raw[i, j], "weighted": after[i, j],
            "error": error[i, j]})  # fmt: skip
        table = pd.concat([table, pairs], ignore_index=True)
    critical = stats.norm.isf(0.005 / max(len(table), 1))
    return table.assign(beyond=table["weighted"].abs() > critical * table["error"])


def _balance_problems(table, accept):
    found = []
    main = table[(table["kind"] == "main") & (table["weighted"].abs() > 0.1)]
    other = table[(table["kind"] != "main") & table["beyond"] & (table["weighted"].abs() > 0.1)]
    for part, limit in ((main, 0.25), (other, 0.2)):
        part = part.reindex(part["weighted"].abs().sort_values(ascending=False, kind="stable").index)
        for row in part[:5].itertuples():
            sure = row.beyond and abs(row.weighted) > 5 * row.error  # in small groups the error is none too exact
            fatal = abs(row.weighted) > limit and sure and "balance" not in accept
            do = {"main": "The two groups are not alike: choose another target, or look at the overlap.",
                  "level": f"Its values are not on a line: categories={list(row.owners)!r}.",
                  "square": "squares=True, or a category of a few levels.",
                  "pair": f"interactions=[{row.owners!r}]."}[row.kind]  # fmt: skip
            found.append(say(f"not balanced: {row.feature}, {row.weighted:+.2f} standard deviations after adjustment",
                             place=", ".join(row.owners), what_to_do=do,
                             severity=FATAL if fatal else WARNING))  # fmt: skip
    return found


def _one_armed_pairs(kinds, e, target, accept):
    """Combinations of two covariates' groups where everybody or nobody is treated, though the score says otherwise."""
    goal = {"ATE": kinds.n, "overlap": 0 * kinds.n, "ATT": kinds.n * kinds.d, "ATU": kinds.n * (1 - kinds.d)}[target]
    names = list(kinds.codes)
    if not names:  # nothing varies
        return []
    most = sum(min(len(labels), 12) for _, labels in kinds.codes.values()) * 2
    room = int(min(SAMPLE, 4e9 / most**2))  # a sample of a long log will do: only large groups are refused
    take = np.arange(len(kinds.n))
    if len(take) > room:
        take = np.random.default_rng(0).permutation(len(take))[:room]
    n1, n0, total = (kinds.n * kinds.d)[take], (kinds.n * (1 - kinds.d))[take], goal[take].sum()
    sure = np.clip(e[take], 1e-300, 1 - 1e-16)
    unlikely = [kinds.n[take] * np.log1p(-sure), kinds.n[take] * np.log(sure)]  # log chance of nobody, of everybody
    groups, owner = [], []
    for name in names:
        code, labels = kinds.codes[name]
        z = kinds.values[name]
        if z.dtype == float and any(label.startswith("from ") for label in labels):  # a number: tenths of it
            here = ~np.isnan(z)
            cuts = np.unique(_quantiles(z[here], kinds.n[here], np.arange(1, 10) / 10))
            code, labels = np.searchsorted(cuts, np.where(here, z, -np.inf), side="right"), ["lowest tenth", *(
                f"tenth {j}" for j in range(2, len(cuts) + 1)), "highest tenth"]  # fmt: skip
            code = np.where(here, code, -1)
        if len(labels) <= 30:
            groups += [(name, label, (code[take] == j) * 1.0) for j, label in enumerate(labels)]
            owner += [name] * len(labels)
    if len(groups) < 2:
        return []
    G = np.column_stack([g for _, _, g in groups])
    treated, control, none, all_ = (_gram(G, v) for v in (n1, n0, *unlikely))
    found, hit = [], np.zeros(len(take), bool)
    surprise = math.log(min(1e-6, 1e-3 / len(groups) ** 2))
    for i, j in np.argwhere(np.triu((np.minimum(treated, control) == 0) & (treated + control >= 20), 1)):
        chance = none[i, j] if treated[i, j] == 0 else all_[i, j]
        if owner[i] == owner[j] or chance > surprise:
            continue
        both = G[:, i] * G[:, j] > 0
        rows = goal[take][both].sum() * goal.sum() / max(total, 1)
        if rows:
            hit |= both
            who = "nobody" if treated[i, j] == 0 else "everybody"
            found.append((who, f"{groups[i][0]}: {groups[i][1]}, {groups[j][0]}: {groups[j][1]}", rows))
    lost = goal[take][hit].sum()
    fatal = lost > 0.01 * total and "overlap" not in accept
    return [say(f"no overlap: {who} is treated, though the score expects otherwise", place=place, rows=rows,
                severity=FATAL if fatal else WARNING, what_to_do="Leave these rows out with a WHERE and say so, or "
                "choose another target.") for who, place, rows in sorted(found, key=lambda f: -f[2])[:5]]  # fmt: skip


# ---- the interface: analyse, queries, analyse_tables

MEANING = {  # what check.sql can find
    "treatment is missing": (WARNING, "These rows were left out."),
    "treatment is neither of its two values": (FATAL, "Code it 0 and 1, or say with treated_value which value it is."),
    "outcome is missing": (WARNING, "These rows were left out; that is harmless only if the reason has nothing to do "
                                    "with the outcome."),
    "outcome is not a finite number": (FATAL, "Repair them, or leave them out with a WHERE."),
    "user appears more than once": (FATAL, "Make them one row each (GROUP BY user): repeated rows make the interval "
                                           "too narrow."),
    "the log has no rows": (FATAL, "Look at the path and the WHERE."),
}  # fmt: skip
ROLES = ("outcome", "treated", "covariates"), ("user",)


def _listed(value):
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _check_columns(columns):
    own_logs.check_roles(columns, *ROLES)
    names = _listed(columns["covariates"])
    if not all(isinstance(name, str) and name for name in names):
        raise ValueError("columns['covariates']: a list of column names or SQL expressions")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"columns['covariates']: {', '.join(map(repr, twice))} twice")
    for role in ("outcome", "treated", "user"):
        if str(columns.get(role)).lower() in [name.lower() for name in names]:
            raise ValueError(f"columns['covariates']: {columns[role]!r} is the {role}, which is no covariate")
    if str(columns["outcome"]).lower() == str(columns["treated"]).lower():
        raise ValueError(f"columns: {columns['outcome']!r} is both outcome and treated")
    return names


def _design(names, target="ATE", method="aipw", categories=(), squares=True, interactions=(), cuts=None, folds=None,
            level=0.95, accept=()):  # fmt: skip
    """The analyst's decisions, checked; raises ValueError in one line."""
    own_logs.check_choice("target", target, TARGETS)
    own_logs.check_choice("method", method, METHODS)
    if method == "matching" and target == "overlap":
        raise ValueError("target: matching is for 'ATE', 'ATT' and 'ATU'; for 'overlap' take method='aipw' or 'ipw'")
    own_logs.check_choice("squares", squares, (False, True))
    categories, accept = _listed(categories), _listed(accept)
    for name in accept:
        own_logs.check_choice("accept", name, ("overlap", "balance"))
    if interactions != "all":
        try:
            interactions = tuple((str(a), str(b)) for a, b in (() if interactions is None else interactions))
        except (TypeError, ValueError):
            raise ValueError("interactions: 'all', or a list of pairs of covariates") from None
    if cuts is not None and not isinstance(cuts, dict):
        raise ValueError("cuts: a dict from covariate to a list of limits")
    pairs = [] if interactions == "all" else [name for pair in interactions for name in pair]
    for what, listed in (("categories", categories), ("interactions", pairs), ("cuts", list(cuts or {}))):
        for name in listed:
            if name not in names:
                raise ValueError(f"{what}: {name!r} is none of the covariates {', '.join(map(repr, names))}")
    cuts = {name: _edges(name, value) for name, value in (cuts or {}).items()}
    for name in cuts:
        if name in categories:
            raise ValueError(f"cuts: {name!r} is a category, and only numbers are cut")
    return {"target": target, "method": method, "categories": tuple(categories), "squares": squares,
            "interactions": interactions, "cuts": cuts,
            "folds": None if folds is None else own_logs.check_number("folds", folds, at_least=1, below=33, whole=True),
            "level": own_logs.check_number("level", level, above=0, below=1), "accept": tuple(accept)}  # fmt: skip


def _edges(name, value):
    try:
        edges = tuple(float(v) for v in value)
    except (TypeError, ValueError):
        edges = ()
    if not edges or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        raise ValueError(f"cuts[{name!r}]: ascending limits, such as [10, 20, 50], not {value!r}")
    return edges


def _queries(block, covariates, folds, offset, source="logs"):
    """The two SQL texts; block: {"treated", "outcome", "who"}: SQL or None; offset: was subtracted from the outcome."""
    check, aggregate = ((HERE / name).read_text(encoding="utf-8") for name in ("check.sql", "aggregate.sql"))
    who = block["who"] or "CAST(NULL AS STRING)"
    check = own_logs.fill(check, {"treated": block["treated"], "outcome": block["outcome"], "who": who})
    names, keys, sums = {}, [], ""
    for k, c in enumerate(covariates, start=1):
        if not c.edges:
            names[f"z{k}"] = c.sql
            keys.append(f"z{k}")
            continue
        # The bin is a key; the sums say where in it the rows of this kind lie.
        x = f"x{k}"
        names[x] = f"({c.sql}) - {own_logs.literal(c.centre)}" if c.centre else c.sql
        limits = [edge - c.centre for edge in c.edges]
        keys.append(f"CASE WHEN ABS({x}) < 1e300 THEN {_bin_sql(x, limits)} END")
        sums += (f",\n    SUM(CASE WHEN used = 1 AND ABS({x}) < 1e300 THEN {x} ELSE 0 END) AS z{k}_sum,"
                 f"\n    SUM(CASE WHEN used = 1 AND ABS({x}) < 1e300 THEN {x} * {x} ELSE 0 END) AS z{k}_squares,"
                 f"\n    SUM(CASE WHEN NOT ABS({x}) < 1e300 THEN 1 ELSE 0 END) AS z{k}_wrong")  # fmt: skip
    names |= {"treated": block["treated"], "outcome": block["outcome"],
              "fold": _fold_sql(block["who"], folds) if block["who"] and folds > 1 else "0"}  # fmt: skip
    if offset:
        aggregate = aggregate.replace("outcome <> 0", f"outcome <> {own_logs.literal(-offset)}")
    aggregate = own_logs.fill(aggregate, names, source)
    shown = [key if key == f"z{k}" else f"{key} AS z{k}" for k, key in enumerate(keys, start=1)]
    aggregate = aggregate.replace("z1, z2, -- one column for each covariate", ",\n    ".join(shown) + ",")
    aggregate = aggregate.replace("GROUP BY z1, z2,", f"GROUP BY {', '.join(keys)},")
    order = ", ".join(f"z{k}" for k in range(1, len(keys) + 1))
    aggregate = aggregate.replace("ORDER BY z1, z2,", f"ORDER BY {order},")
    mark = "\n    -- numbers that were cut into bins: queries() puts their sums here"
    return check, aggregate.replace(mark, sums)


def _bin_sql(x, limits, first=0):
    """SQL for the number of a bin, from `first`: few limits one after the other, many by halves, which is faster."""
    if len(limits) <= 8:
        cases = " ".join(f"WHEN {x} < {own_logs.literal(limit)} THEN {first + b}" for b, limit in enumerate(limits))
        return f"CASE {cases} ELSE {first + len(limits)} END"
    half = len(limits) // 2
    low, high = _bin_sql(x, limits[:half], first), _bin_sql(x, limits[half + 1 :], first + half + 1)
    return f"CASE WHEN {x} < {own_logs.literal(limits[half])} THEN {low} ELSE {high} END"


def _fold_sql(who, folds):
    """SQL for 0 to folds - 1 from a hash of the user: the same in every engine and order of rows; -1: not known."""
    digits = f"SUBSTR(MD5(CAST({who} AS STRING)), 1, 4)"
    cases = " ".join(f"WHEN {digits} < '{65536 * (k + 1) // folds:04x}' THEN {k}" for k in range(folds - 1))
    return f"CASE WHEN {who} IS NULL THEN -1 {cases} ELSE {folds - 1} END"


def queries(columns, *, treated_value=None, control_value=None, outcome_offset=0.0, **design):
    """(check, aggregate): the two SQL texts with the reader's columns, for a warehouse that Python cannot reach.

    They run on DuckDB and Spark against a table `logs`; give what they return to `analyse_tables`. columns and design:
    as for `analyse`, columns as names or expressions of your engine (quote odd names as it wants them). Covariates in
    `categories` are texts, all others numbers. cuts: give limits for every number of many values ({"minutes": [1, 2, 5,
    10, 30]}), at best forty or more: each combination of values is a row of the result. For a treatment in words give
    treated_value and control_value. outcome_offset: a constant near the mean of the outcome, which keeps the digits of
    one whose mean is large against its spread; give it to analyse_tables, too.
    """
    names = _check_columns(columns)
    design = _design(names, **design)
    if (treated_value is None) != (control_value is None):
        raise ValueError("treated_value and control_value: give both or neither")
    outcome = own_logs.number(columns["outcome"])
    if outcome_offset:
        outcome = f"({outcome}) - {own_logs.literal(own_logs.check_number('outcome_offset', outcome_offset))}"
    block = {"treated": own_logs.yes_no(columns["treated"], None, treated_value, control_value), "outcome": outcome,
             "who": own_logs.text(columns["user"]) if columns.get("user") else None}  # fmt: skip
    return _queries(block, _declared(names, design), _sql_folds(design), outcome_offset)


def _sql_folds(design):
    return (FOLDS if design["folds"] is None else design["folds"]) if design["method"] == "aipw" else 1


def _declared(names, design):
    """Covariates as declared, for a warehouse: categories are texts, all others numbers."""
    return [Covariate(name, "category", own_logs.text(name)) if name in design["categories"] else
            Covariate(name, "number", own_logs.number(name), design["cuts"].get(name),
                      float(np.median(design["cuts"].get(name, (0.0,))))) for name in names]  # fmt: skip


def analyse(logs, columns, *, treated_value=None, control_value=None, **design):
    """The effect of a treatment that people chose or were given for reasons that the log records, or UnfitLog.

    logs: path or glob (CSV, Parquet), DataFrame or DuckDB relation, one row per user.
    columns: {"outcome": column, "treated": column, "covariates": [columns]} and, where the log has it, "user" (finds
    repeated rows; folds are made of users). A column is a name or an SQL expression. Covariates are what was known
    before the treatment: numbers and categories, told apart by their values; missing values are a level of their own.
    target: "ATE" (everybody), "ATT" (the treated), "ATU" (the untreated) or "overlap" (those who might be either).
    method: "aipw", "ipw" or "matching". categories: covariates whose numbers are names, such as codes of regions.
    squares: numbers enter the models with their squares. interactions: "all", or a list of pairs of covariates.
    cuts: {covariate: limits} for numbers that are to be cut into bins (a long log does it by itself where it must).
    folds: of cross-fitting: None for 5 where that is stable (20 rows of the smaller arm for each column of the models,
    and nobody far outside what the other folds saw), 1 for none. level: of the interval. treated_value, control_value:
    the words for treated and control. accept: ("overlap",) or ("balance",) turns such a finding from a refusal into a
    warning.

    Returns Adjustment. Raises UnfitLog, one line for each fatal problem; ValueError for arguments without sense.
    """
    names = _check_columns(columns)
    design = _design(names, **design)
    with Logs(logs) as log:
        block = {"outcome": log.number("outcome", columns["outcome"]), "who": None,
                 "treated": log.yes_no("treated", columns["treated"], treated_value, control_value)}  # fmt: skip
        if columns.get("user"):
            block["who"] = log.text("user", columns["user"])
        covariates = _covariates(log, names, design)
        offset = own_logs.centre_of(log, block["outcome"])
        if offset:
            block["outcome"] = f"({block['outcome']}) - {own_logs.literal(offset)}"
        covariates, source, notes = _fit_size(log, covariates, block, design)
        texts = _queries(block, covariates, _sql_folds(design), offset, source)
        check, aggregate = (log.ask(query) for query in texts)
        if source != "logs":
            notes += _sampled(aggregate, log.ask("SELECT COUNT(*) AS n FROM logs")["n"][0] - _no_treatment(check))
    return _answer(check, aggregate, columns, design, covariates, offset, notes)


def analyse_tables(check, aggregate, columns, *, outcome_offset=0.0, **design):
    """`analyse` from what the two texts of `queries` returned (DataFrames), with the same columns and design."""
    names = _check_columns(columns)
    design = _design(names, **design)
    wanted = {f"z{k}" for k in range(1, len(names) + 1)} | {"treated", "fold", "rows_in_cell", "n", "y", "yy", *CHECKED}
    missing = sorted(wanted - set(map(str.lower, aggregate.columns)))
    if missing:
        raise ValueError(f"aggregate: no column {', '.join(missing)}; is it from `queries` of today, with these "
                         "covariates?")  # fmt: skip
    return _answer(check, aggregate, columns, design, _declared(names, design), outcome_offset, [])


TEXTS = ("VARCHAR", "ENUM", "UUID", "JSON")


def _covariates(log, names, design):
    """Each covariate's kind: a number if its values are, else (or where declared) a category. ValueError for dates."""
    found, unsure = {}, {}
    for name in names:
        expression = log.expression("covariates", name)
        kind = log.kind(expression)
        if name in design["categories"]:
            found[name] = Covariate(name, "category", own_logs.text(expression))
        elif kind.startswith(TEXTS):
            log.refuse_commas("covariates", name, expression)
            unsure[name] = expression
        else:
            try:
                found[name] = Covariate(name, "number", log.number("covariates", name))
            except ValueError:
                raise ValueError(f"columns['covariates']: {name!r} is a {kind}; give a number, such as a count of "
                                 f"days, or say categories=[{name!r}]") from None  # fmt: skip
    if unsure:
        parts = []
        for k, sql in enumerate(unsure.values()):
            number = own_logs.number(sql)
            parts += [f"COUNT({own_logs.text(sql)}) AS values_{k}",
                      f"COUNT(CASE WHEN ABS({number}) < 1e300 THEN 1 END) AS numbers_{k}"]  # fmt: skip
        counts = log.ask(f"SELECT {', '.join(parts)} FROM (SELECT * FROM logs LIMIT {KINDS}) AS logs").iloc[0]
        for k, (name, sql) in enumerate(unsure.items()):
            values, numbers = counts[f"values_{k}"], counts[f"numbers_{k}"]
            mostly = values > 0 and (numbers >= 0.5 * values or name in design["cuts"])
            found[name] = (Covariate(name, "number", own_logs.number(sql)) if mostly else
                           Covariate(name, "category", own_logs.text(sql)))  # fmt: skip
    for name, edges in design["cuts"].items():
        found[name].edges, found[name].centre = edges, float(np.median(edges))
    return [found[name] for name in names]


def _fit_size(log, covariates, block, design):
    """(covariates, source, notes): what to do with a log of more kinds of rows than memory and patience allow.

    First numbers of many values are cut into at least BINS bins each, whose means and mean squares are kept; if that is
    still too much, users (or rows, where the user is not known) are sampled by a hash: the same in any order.
    """
    rows = int(log.ask("SELECT COUNT(*) AS n FROM logs")["n"][0])
    if rows <= 50_000:
        return covariates, "logs", []
    who = block["who"] or "NULL"
    row = f"hash({', '.join([who, block['treated'], block['outcome'], *sorted(c.sql for c in covariates)])})"
    look = ", ".join(f"{c.sql} AS z{k}" for k, c in enumerate(covariates, start=1))
    # A look at some rows, whatever their order (of rows that are alike in all there may be many: they are counted).
    first = log.ask(f"SELECT {look}, COUNT(*) AS row_count FROM logs WHERE {own_logs.drawn(row, 200_000 / rows)} "
                    "GROUP BY ALL")  # fmt: skip
    counts = first.pop("row_count").to_numpy(float)
    distinct = first.nunique()
    width = 1 + sum(2 if c.kind == "number" else max(distinct.iloc[k] - 1, 0) for k, c in enumerate(covariates))
    if design["interactions"]:
        width = width**2 / 2 if design["interactions"] == "all" else 2 * width
    room = int(min(KINDS, max(ENTRIES / width, 20_000)))
    if rows <= room:
        return covariates, "logs", []

    if len(first) <= 0.5 * counts.sum():
        return covariates, "logs", []
    many = [k for k, c in enumerate(covariates) if c.kind == "number" and not c.edges and distinct.iloc[k] > 2 * BINS]
    coarse = (
        first.drop(columns=[f"z{k + 1}" for k in many]).drop_duplicates().shape[0] if len(many) < len(covariates) else 1
    )
    bins = int((room / (2 * max(coarse, 1))) ** (1 / max(len(many), 1)))
    if many and bins >= BINS:
        notes = []
        for k in many:
            c, values = covariates[k], first.iloc[:, k].to_numpy(float)
            known = np.abs(values) < 1e300
            values, shares = values[known], np.arange(1, min(bins, 200)) / min(bins, 200)
            edges = np.unique(_quantiles(values, counts[known], shares))
            c.edges, c.centre = tuple(edges), float(np.median(values))
            notes.append(say(f"{c.name} was cut into {len(edges) + 1} bins", severity=WARNING,
                             what_to_do="The means of the bins are kept, so this costs next to nothing."))  # fmt: skip
        return covariates, "logs", notes
    # DuckDB's hash, not the one of folds: users with a small one of those are all in the same fold.
    by_row = f"hash({row}, ROW_NUMBER() OVER (PARTITION BY {row}))"  # rows that are alike in all are drawn one by one
    by_user, by_row = (own_logs.drawn(hashed, room / rows) for hashed in (f"hash({who})", by_row))
    users = f"SELECT * FROM logs WHERE {by_user} AND {who} IS NOT NULL UNION ALL " if block["who"] else ""
    return covariates, f"({users}SELECT * FROM logs WHERE {who} IS NULL QUALIFY {by_row}) AS logs", []


def _sampled(aggregate, rows):
    used = aggregate["rows_in_cell"].sum()
    return [say(f"{used / rows:.1%} of the rows were used, drawn by a hash", severity=WARNING, what_to_do="Nearly every "
                "row is of a kind of its own. Fewer covariates, or fewer different values, would let all rows "
                "count.")]  # fmt: skip


def _answer(check, aggregate, columns, design, covariates, offset, notes):
    found = own_logs.named(check, MEANING)
    if aggregate.empty and not any(problem == "the log has no rows" for problem, *_ in found):
        found.append(say("no row has a treatment", rows=0, what_to_do="Look at the column of the treatment."))
    own_logs.refuse(own_logs.problem_table(found))
    try:
        kinds, more = _kinds(aggregate, covariates, design, bool(columns.get("user")))
    except UnfitLog as refusal:  # with what the check found, too
        problems = pd.concat([own_logs.problem_table(found), refusal.problems], ignore_index=True)
        raise UnfitLog(str(refusal), problems) from None
    found += more + notes
    e, prior, more = _score(kinds)
    found += more
    w = _weights_of(kinds, e, design["target"], design["method"])
    overlap, table = _overlap(kinds, e, w, design["target"]), _balance(kinds, w)
    found += _overlap_problems(overlap, design["accept"], design["target"])
    found += _one_armed_pairs(kinds, e, design["target"], design["accept"]) + _balance_problems(table, design["accept"])
    own_logs.refuse(own_logs.problem_table(found))
    means, kinds.fold, kinds.why_not_folded = _estimate(kinds, e, design["target"], design, prior)
    if means.score is not None:
        held_out = _weights_of(kinds, means.score, design["target"], "aipw")
        found += _overlap_problems(_overlap(kinds, means.score, held_out, design["target"]), design["accept"],
                                   design["target"], " by held-out scores")  # fmt: skip
        if means.reach > 0.1:
            found.append(say("cross-fitting is unstable: some rows are far outside of what the other folds saw",
                             severity=WARNING, what_to_do="Leave `folds` out, or give fewer covariates."))  # fmt: skip
    spread = kinds.yy.sum() - kinds.y.sum() ** 2 / kinds.n.sum()
    if means.error**2 > 1e-16 * spread / kinds.n.sum() ** 2:
        found += _outcome_problems(kinds, w, means, offset)
    else:
        do = "There is nothing to make an interval of."
        found.append(say("the outcome does not vary within the arms", what_to_do=do))
    problems = own_logs.problem_table(found)
    own_logs.refuse(problems)
    half = float(stats.norm.ppf(0.5 + design["level"] / 2) * means.error)
    design = design | {"categories": tuple(c.name for c in covariates if c.kind == "category")}
    whom = {"ATE": "all rows", "ATT": "the treated rows", "ATU": "the untreated rows",
            "overlap": "rows that might have been treated or not (overlap weights)"}[design["target"]]  # fmt: skip
    left_out = problems["problem"].str.startswith("no overlap").any()
    return Adjustment(
        estimate=means.estimate, standard_error=means.error, lo=means.estimate - half, hi=means.estimate + half,
        level=design["level"], method=_method(kinds, design),
        estimand=f"the effect of the treatment on {columns['outcome']}, on {whom}"
                 f"{' for whom there is somebody to compare with' if left_out else ''} ({design['target']})",
        n={"rows": int(aggregate.rename(columns=str.lower)["rows_in_cell"].sum() + _no_treatment(check)),
           "used": int(kinds.n.sum()), "treated": int((kinds.n * kinds.d).sum()),
           "control": int((kinds.n * (1 - kinds.d)).sum()), "kinds": int((kinds.n > 0).sum())},
        problems=problems, table=aggregate, kinds=kinds, score=e, weights=w, means=means, columns=columns,
        design=design, offset=offset, prior=prior,
    )  # fmt: skip


def _no_treatment(check):
    check = check.rename(columns=str.lower)
    return check.loc[check["problem"] == "treatment is missing", "row_count"].sum()


def _method(kinds, design):
    model = f"logistic score on {len(kinds.names)} columns"
    if design["method"] == "ipw":
        return f"normalised inverse probability weighting, {model}, stacked standard error"
    if design["method"] == "matching":
        return f"matching on the nearest score with replacement, ties averaged, {model}, Abadie-Imbens standard error"
    if kinds.fold is None:
        folded = "not cross-fitted" + (f": {kinds.why_not_folded}" if kinds.why_not_folded else "")
    else:
        folded = f"cross-fitted in {len(np.unique(kinds.fold))} folds"
    return f"AIPW, {model}, least squares of the outcome in each arm, {folded}, stacked standard error"


def _score(kinds):
    """(e, prior, findings): the score by maximum likelihood, or with a weak prior where that has no maximum."""
    try:
        return scores(kinds.X, fit_propensity(kinds.X, kinds.d, kinds.n)), 0.0, []
    except ValueError:
        e = scores(kinds.X, fit_propensity(kinds.X, kinds.d, kinds.n, prior=PRIOR))
        inside = kinds.n * ((e > 0.01) & (e < 0.99))
        fatal = min(inside @ kinds.d, inside @ (1 - kinds.d)) < 20
        do = ("One of them may be another name of the treatment, or its consequence: leave it out." if fatal else
              "For some rows nobody of the other arm is alike; the score was fitted with a weak penalty.")  # fmt: skip
        return e, PRIOR, [say("the covariates separate treated from untreated rows", what_to_do=do,
                              severity=FATAL if fatal else WARNING)]  # fmt: skip


def _estimate(kinds, e, target, design, prior, method=None):
    """(Means, fold, why not folded) by the design's method, or another; in folds only if stable, or asked for."""
    method = method or design["method"]
    if method == "matching":
        return match(e, *kinds.arrays[1:], target)[0], None, ""
    if method == "ipw":
        return ipw(*kinds.arrays, target, prior=prior), None, ""
    for j in {"ATE": (0, 1), "overlap": (0, 1), "ATT": (0,), "ATU": (1,)}[target]:
        if len(_independent(_gram(kinds.X, kinds.n * (kinds.d == j)))) < len(kinds.names):
            raise ValueError(f"the {'treated' if j else 'untreated'} rows do not vary in all columns of the model")
    fold, why = kinds.fold, kinds.why_not_folded
    if fold is not None and design["folds"] is None:
        if min(kinds.n @ kinds.d, kinds.n @ (1 - kinds.d)) < ROWS_TO_FOLD * len(kinds.names):
            fold, why = None, f"the smaller arm has fewer than {ROWS_TO_FOLD} rows for each column of the models"
    if fold is not None:
        means = aipw(*kinds.arrays, target, fold=fold, prior=prior)
        weak = means.reach > 0.1 or _overlap_problems(
            _overlap(kinds, means.score, _weights_of(kinds, means.score, target, "aipw"), target), (), target
        )
        if design["folds"] is not None or not weak:
            return means, fold, ""
        why = "some rows are far outside of what the other folds saw"
    return aipw(*kinds.arrays, target, prior=prior), None, why


def _binary(kinds, offset):
    """Are all outcomes 0 or 1?"""
    return offset == 0 and bool(np.all(np.abs(kinds.yy - kinds.y) <= 1e-9 * np.abs(kinds.y))
                                and np.all(np.abs(kinds.y - np.rint(kinds.y)) < 1e-6)
                                and np.all((kinds.y > -1e-9) & (kinds.y < kinds.n + 1e-9)))  # fmt: skip


def _outcome_problems(kinds, w, means, offset):
    found, rare = [], {}
    if _binary(kinds, offset):
        rare = {"ones": kinds.y, "zeros": kinds.n - kinds.y}
    elif kinds.not_zero.sum() < 0.5 * kinds.n.sum():
        rare = {"values other than 0": kinds.not_zero}
    for j, who in ((1, "treated"), (0, "untreated")):
        own = kinds.d == j
        for name, rows in rare.items():
            found += own_logs.few(name, f"among the {who}", w[own], rows[own],
                                  what_to_do="The interval is too narrow with so few: collect more.")  # fmt: skip
    if means.influence is None:
        return found
    a, b = means.influence
    kind = (a**2 * kinds.n + 2 * a * b * kinds.y + b**2 * kinds.yy) / means.error**2  # shares of the variance
    row = np.nan_to_num(np.maximum((a + b * kinds.lowest) ** 2, (a + b * kinds.highest) ** 2)) / means.error**2
    do = "An extreme outcome or weight: the interval is too narrow if more such rows may come."
    few = np.where(kinds.n <= 5, kind, 0)
    if few.max() > 0.1:
        found.append(say(f"one kind of row holds {few.max():.0%} of the variance", rows=kinds.n[np.argmax(few)],
                         severity=WARNING, what_to_do=do))  # fmt: skip
    elif row.max() > 0.2:
        found.append(say(f"one row holds {row.max():.0%} of the variance", rows=1, severity=WARNING, what_to_do=do))
    return found


# ---- the result


@dataclass(kw_only=True)
class Adjustment(Result):
    """What `analyse` found: own_logs.Result, and what it was computed from.

    kinds: Kinds; score, weights: (kinds,); means: Means, the outcome of the target treated and untreated (`offset` was
    subtracted from the outcome); columns, design: as given; prior: of the score's penalty, 0 for none.
    """

    kinds: Kinds
    score: np.ndarray
    weights: np.ndarray
    means: Means
    columns: dict
    design: dict
    offset: float
    prior: float = 0.0
    _cache: dict = field(default_factory=dict, init=False, repr=False)

    def _z(self, level=None):
        return stats.norm.ppf(0.5 + (level or self.level) / 2)

    def overlap(self):
        """How many rows each arm is worth after weighting, and where the scores lie: DataFrame, a row for each arm."""
        return _overlap(self.kinds, self.score, self.weights, self.design["target"])

    def balance(self, pairs=True):
        """Standardized differences before and after: DataFrame, largest after adjustment first; pairs: products, too.

        Over 0.1 is worth a look, and `beyond` says whether chance could do it.
        """
        table = _balance(self.kinds, self.weights, pairs)
        order = table["weighted"].abs().sort_values(ascending=False, kind="stable").index
        return table.loc[order, ["feature", "kind", "raw", "weighted", "beyond"]].reset_index(drop=True)

    def compare(self, targets=TARGETS):
        """Every method for every target: DataFrame with target, method, estimate, lo, hi, and whether it is `fit`.

        Not fit: overlap or balance would have been refused. Different targets may differ because the effect does.
        """
        rows = [("naive", "difference", *_naive(self.kinds, self._z()), False)]
        for target in targets:
            for method in METHODS:
                if (target, method) == ("overlap", "matching"):
                    continue
                w = _weights_of(self.kinds, self.score, target, method)
                found = _overlap_problems(_overlap(self.kinds, self.score, w, target), (), target)
                found += _balance_problems(_balance(self.kinds, w), ())
                found += _one_armed_pairs(self.kinds, self.score, target, ())
                fit = not any(severity == FATAL for _, _, _, severity, _ in found)
                try:
                    means = _estimate(self.kinds, self.score, target, self.design, self.prior, method)[0]
                except ValueError:
                    continue
                half = self._z() * means.error
                rows.append((target, method, means.estimate, means.estimate - half, means.estimate + half, fit))
        return pd.DataFrame(rows, columns=["target", "method", "estimate", "lo", "hi", "fit"])

    def by(self, covariate):
        """The effect within each group of a covariate (levels, or fifths of a number), by the same method: DataFrame.

        Columns group, rows, estimate, lo, hi; groups that are too small, or without overlap, are left out. With many
        groups, the largest and the smallest differ by chance.
        """
        if covariate not in self.kinds.codes:
            raise ValueError(f"by: {covariate!r} is none of the covariates {', '.join(map(repr, self.kinds.codes))}")
        code, labels = self.kinds.codes[covariate]
        rows = []
        for j, label in enumerate(labels):
            part = self.kinds.where(code == j)
            few = min((part.n * part.d).sum(), (part.n * (1 - part.d)).sum()) if len(part.n) else 0
            if few < max(20, 3 * len(part.names)):
                continue
            try:
                e = scores(part.X, fit_propensity(part.X, part.d, part.n))
                means = _estimate(part, e, self.design["target"], self.design, 0.0)[0]
            except ValueError:
                continue
            w = _weights_of(part, e, self.design["target"], self.design["method"])
            problems = _overlap_problems(_overlap(part, e, w, self.design["target"]), (), self.design["target"])
            if not any(severity == FATAL for _, _, _, severity, _ in problems):
                half = self._z() * means.error
                rows.append((label, int(part.n.sum()), means.estimate, means.estimate - half, means.estimate + half))
        return pd.DataFrame(rows, columns=["group", "rows", "estimate", "lo", "hi"])

    def rollout(self):
        """What the mean outcome of all rows gains if the untreated were treated, too: dict share, effect, gain, lo, hi.

        The share of the untreated times the effect on them (ATU), by the same method. A decision to make the treatment
        the default is about this number, not about the ATE.
        """
        share = self.n["control"] / (self.n["control"] + self.n["treated"])
        method = self.design["method"]
        w = _weights_of(self.kinds, self.score, "ATU", method)
        own_logs.refuse(own_logs.problem_table(_overlap_problems(_overlap(self.kinds, self.score, w, "ATU"),
                                                                 self.design["accept"], "ATU")))  # fmt: skip
        means = _estimate(self.kinds, self.score, "ATU", self.design, self.prior)[0]
        half = float(self._z() * means.error)
        return {"share": share, "effect": means.estimate, "gain": share * means.estimate,
                "lo": share * (means.estimate - half), "hi": share * (means.estimate + half)}  # fmt: skip

    def missing_bounds(self, low=None, high=None):
        """(least, most) that the estimate could be if the missing outcomes were known, each between low and high.

        By weighting, with the score of the rows that have an outcome. low, high: default 0 and 1 where the outcome is
        0 or 1; give what is possible for other outcomes.
        """
        if low is None and high is None:
            if not _binary(self.kinds, self.offset):
                raise ValueError("missing_bounds: say between which two values an outcome must lie, low and high")
            low, high = 0.0, 1.0
        low, high = (own_logs.check_number(name, v) - self.offset for name, v in (("low", low), ("high", high)))
        k, found, target = self.kinds, [], self.design["target"]
        for if_treated, if_control in ((low, high), (high, low)):
            y = k.y + k.lost * np.where(k.d == 1, if_treated, if_control)
            found.append(float(weighted_effect(self.score, k.d, k.n + k.lost, y, target)))
        return tuple(found)

    # ---- how strong would a hidden confounder have to be?

    def _regression(self):
        """Cross products of [outcome, treated, X] over rows, for the sums of squares of regressions."""
        if "cross" not in self._cache:
            k = self.kinds
            A = np.column_stack([k.d, k.X])
            cross = np.empty((A.shape[1] + 1,) * 2)
            cross[1:, 1:] = _gram(A, k.n)
            cross[0, 1:] = cross[1:, 0] = k.y @ A
            cross[0, 0] = k.yy.sum()
            df = k.n.sum() - A.shape[1]
            rest = self._left(cross, [1, *range(2, len(cross))])
            d_rest = self._left(cross, list(range(2, len(cross))), 1)
            both = np.linalg.solve(cross[1:, 1:], cross[1:, 0])
            self._cache["cross"] = cross, df, float(both[0]), math.sqrt(rest / df / d_rest)
        return self._cache["cross"]

    @staticmethod
    def _left(cross, given, of=0):
        """Sum of squares of column `of` that the columns `given` leave."""
        b = np.linalg.solve(cross[np.ix_(given, given)], cross[given, of])
        return max(float(cross[of, of] - b @ cross[given, of]), 0.0)

    def benchmark(self, times=1.0):
        """What a hidden trait as strong as a recorded covariate (`times` as strong) would leave of the effect.

        DataFrame, a row for each covariate (all its columns together), strongest first: r2_treatment, r2_outcome (what
        such a trait would explain of the rest of each, by the formal bounds of Cinelli and Hazlett 2020), estimate, lo,
        hi (what is left), and the multiples of the covariate at which the estimate (zero_at) and the limit nearer to
        zero (limit_at) reach zero: 0 where the interval holds zero anyway, inf where no trait of that kind could. The
        regression is of the outcome on treatment and columns; its effect stands in `attrs["regression"]` beside ours.
        """
        own_logs.check_number("times", times, above=0)
        cross, df, effect, error = self._regression()
        crit, rows, p = stats.t.ppf(0.5 + self.level / 2, df - 1), [], len(cross)
        for name in dict.fromkeys(owner for owners in self.kinds.owners for owner in owners):
            mine = [c + 2 for c, owners in enumerate(self.kinds.owners) if name in owners]
            rest = [c for c in range(2, p) if c not in mine]
            r2_d = 1 - self._left(cross, list(range(2, p)), 1) / self._left(cross, rest, 1)
            r2_y = 1 - self._left(cross, [1, *range(2, p)]) / max(self._left(cross, [1, *rest]), 1e-300)

            def left(k, r2_d=r2_d, r2_y=r2_y):
                d, y = formal_benchmark(r2_d, r2_y, k)
                return (d, y, *after_confounder(effect, error, df, d, y))

            d, y, after, spread = left(times)
            sign = math.copysign(1, effect)
            zero = _crossing(lambda k: sign * left(k)[2])  # noqa: B023
            limit = _crossing(lambda k: sign * left(k)[2] - crit * left(k)[3])  # noqa: B023
            values = (d, y, after, after - crit * spread, after + crit * spread, zero, limit)
            rows.append((name, *map(float, values)))
        columns = ["covariate", "r2_treatment", "r2_outcome", "estimate", "lo", "hi", "zero_at", "limit_at"]
        table = pd.DataFrame(rows, columns=columns).sort_values("zero_at", kind="stable", ignore_index=True)
        table.attrs["regression"] = effect
        return table

    def sensitivity(self):
        """Three prices of the assumption that no confounder is hidden: DataFrame with measure, estimate, limit, how.

        `estimate`: what would take the whole estimate away; `limit`: what would bring the nearer end of the interval to
        zero; both are right for negative effects, and the limit is the value of no bias at all (0, or 1) where the
        interval holds zero. nan where a measure does not fit this log; `how` says why.
        """
        _, df, effect, error = self._regression()
        t, how = effect / error, "share of the rest of treatment and of outcome that it must explain, in a regression"
        values = robustness_value(t, df), robustness_value(t, df, level=self.level)
        if not self._is_close(effect):
            values, how = (np.nan, np.nan), f"needs a regression, and here that has another effect, {short(effect)}"
        rows = [("robustness value", *values, how)]
        ratio, nearer, how = self._risk_ratio()
        rows.append(("E-value", *([e_value(ratio), e_value(nearer)] if np.isfinite(ratio) else [np.nan, np.nan]), how))
        rows.append(("Rosenbaum's Gamma", np.nan, *self._gamma()))
        return pd.DataFrame(rows, columns=["measure", "estimate", "limit", "how"])

    def _is_close(self, effect):
        """Whether a regression's effect is in the interval, or within a fifth of the estimate."""
        return abs(effect - self.estimate) <= max(self.hi - self.estimate, 0.2 * abs(self.estimate))

    def _risk_ratio(self):
        """(ratio, its limit nearer to 1, how it was computed)."""
        if _binary(self.kinds, self.offset):
            ratio, lo, hi = self.means.ratio(self._z())
            if self.design["method"] == "matching" and self.means.control > 0:  # only the difference has an error
                lo, hi = (max(self.means.control + v, 1e-9) / self.means.control for v in (self.lo, self.hi))
            how = "risk ratio of the two means of the target"
        else:
            k = self.kinds
            within = [
                (k.yy * (k.d == j)).sum() - (k.y * (k.d == j)).sum() ** 2 / (k.n * (k.d == j)).sum() for j in (0, 1)
            ]
            sd = math.sqrt(sum(within) / (k.n.sum() - 2))
            ratio, lo, hi = (
                math.exp(float(np.clip(0.91 * v / sd, -300, 300))) for v in (self.estimate, self.lo, self.hi)
            )
            how = f"risk ratio approximated by exp(0.91 x effect / SD), SD {short(sd)} within the arms"
        if not np.isfinite(ratio):
            return np.nan, np.nan, "needs positive means"
        nearer = lo if lo > 1 else hi if hi < 1 else 1.0
        return ratio, nearer, how

    def _gamma(self):
        """(Gamma, how it was computed), or (nan, why not)."""
        k, flip = self.kinds, self.estimate < 0
        if _binary(k, self.offset):
            stratum = self._strata()
            sums = (k.n * (1 - k.d), k.n * k.d, k.y * (1 - k.d), k.y * k.d)
            n0, n1, y0, y1 = (np.bincount(stratum.astype(np.intp), v) for v in sums)
            if flip:
                y0, y1 = n0 - y0, n1 - y1
            gamma = gamma_strata(np.rint(n0), np.rint(n1), np.rint(y0), np.rint(y1), alpha=(1 - self.level) / 2)
            return gamma, f"{stratum.max() + 1} strata of the score, worst case, one-sided p {short((1 - self.level) / 2)}"
        differences = self._pairs()
        if differences is None:
            return np.nan, "needs pairs, and outcomes of rows with the same covariates are known as sums only"
        gamma = gamma_pairs(-differences if flip else differences, alpha=(1 - self.level) / 2)
        return (
            gamma,
            f"{len(differences):,} pairs matched on the score, worst case, one-sided p {short((1 - self.level) / 2)}",
        )

    def _strata(self):
        """(kinds,) number of a stratum of the score with at least 20 rows of each arm where possible, at most 50."""
        k = self.kinds
        score = np.round(self.score, 12)
        order = np.lexsort((k.d, score))
        n1, n0 = np.cumsum((k.n * k.d)[order]), np.cumsum((k.n * (1 - k.d))[order])
        steps = max(1, min(50, int(min(n1[-1], n0[-1]) // 20)))
        share = (n1 / n1[-1] + n0 / n0[-1]) / 2
        stratum = np.minimum((share * steps - 1e-9).astype(int), steps - 1)
        number = np.empty(len(score), int)
        number[order] = stratum
        first = pd.Series(number).groupby(score).transform("min").to_numpy()  # a score is in one stratum
        return np.unique(first, return_inverse=True)[1]

    def _pairs(self):
        """Differences of outcomes of pairs: each treated row and its nearest untreated one on the log-odds, without
        replacement, within 0.2 standard deviations (Austin 2011). None unless nearly all rows are kinds apart."""
        k = self.kinds
        alike = k.n * k.yy - k.y**2 <= 1e-9 * np.maximum(k.n * k.yy, 1e-300)
        alone = (k.n == 1) | ((k.n > 0) & (k.n <= 50) & alike)
        if (
            any((k.n * alone * (k.d == j)).sum() < 0.9 * (k.n * (k.d == j)).sum() for j in (0, 1))
            or k.n.sum() > 200_000
        ):
            return None
        lp = special.logit(np.clip(self.score, 1e-15, 1 - 1e-15))
        repeat = np.rint(k.n * alone).astype(np.intp)
        at, y, d = (np.repeat(v, repeat) for v in (lp, k.y / np.maximum(k.n, 1), k.d))
        order = np.lexsort((y, at))
        at, y, d = at[order], y[order], d[order]
        caliper = 0.2 * math.sqrt((at[d == 1].var() + at[d == 0].var()) / 2)
        free, found = sorted(zip(at[d == 0], y[d == 0], strict=True)), []
        place = np.array([a for a, _ in free])
        left, right = np.arange(-1, len(free) - 1), np.arange(1, len(free) + 1)
        alive = np.ones(len(free), bool)
        for a, v in sorted(zip(at[d == 1], y[d == 1], strict=True), reverse=True):  # the hardest to match first
            r = int(np.searchsorted(place, a))
            lo, hi = r - 1, r
            while lo >= 0 and not alive[lo]:
                lo = left[lo]
            while hi < len(free) and not alive[hi]:
                hi = right[hi]
            near = [c for c in (lo, hi) if 0 <= c < len(free)]
            if not near:
                break
            best = min(near, key=lambda c: abs(place[c] - a))  # noqa: B023
            if abs(place[best] - a) > caliper:
                continue
            found.append(v - free[best][1])
            alive[best] = False
            if left[best] >= 0:
                right[left[best]] = right[best]
            if right[best] < len(free):
                left[right[best]] = left[best]
        return np.array(found)

    # ---- size

    def detectable(self, power=0.80):
        """The smallest true effect that a log like this finds with such power, in the unit of the outcome."""
        own_logs.check_number("power", power, above=0, below=1)
        return (self._z() + stats.norm.ppf(power)) * self.standard_error

    def rows_needed(self, effect, power=0.80):
        """How many rows a log like this needs to find `effect`: the error falls with the root of the number of rows."""
        own_logs.check_number("effect", effect)
        ratio = self.detectable(power) / own_logs.check_number("effect", abs(effect), above=0)
        return math.ceil(self.n["used"] * ratio**2)

    # ---- to show

    def figure(self, features=12):
        """Two panels: the scores of the two groups, and the balance before and after (the raw differences largest)."""
        from series import COLOR, FAINT, INK, plt

        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), width_ratios=(1, 1.1), layout="constrained")
        bins = np.linspace(0, 1, 51)
        for j, name, sign in ((1, "treated", 1), (0, "control", -1)):
            own = self.kinds.d == j
            rows = np.histogram(self.score[own], bins, weights=self.kinds.n[own])[0]
            left.bar(bins[:-1], sign * rows, 0.02, align="edge",
                     color=COLOR[name], label={"treated": "treated", "control": "untreated"}[name])  # fmt: skip
        left.axhline(0, color=INK, lw=0.8)
        left.yaxis.set_major_formatter(lambda v, _: f"{abs(v):,.0f}")
        left.set(xlabel="propensity score", ylabel="rows", title="Overlap")
        left.legend(frameon=False, fontsize=9)
        table = self.balance(pairs=False)
        table = table.loc[table["raw"].abs().sort_values(ascending=False, kind="stable").index[:features]][::-1]
        y = np.arange(len(table))
        right.axvspan(-0.1, 0.1, color="#EEEEEE")
        right.axvline(0, color=FAINT, lw=1)
        right.plot(table["raw"], y, "o", color=COLOR["naive"], label="before")
        right.plot(table["weighted"], y, "s", color=COLOR["estimate"], label="after")
        right.set_yticks(y, [name if len(name) < 34 else name[:32] + "..." for name in table["feature"]], fontsize=9)
        right.set(xlabel="standardized mean difference, treated minus untreated", title="Balance")
        right.legend(frameon=False, fontsize=9)
        return figure

    def report(self):
        """Two sentences for a stakeholder, what could break them, and the warnings."""
        outcome = self.columns["outcome"]
        whom = {"ATE": "Over all rows", "ATT": "For those who are treated", "ATU": "For those who are not treated",
                "overlap": "For rows that might have been treated or not"}[self.design["target"]]  # fmt: skip
        interval = f"{100 * self.level:g} % interval {short(self.lo)} to {short(self.hi)}"
        if self.lo > 0 or self.hi < 0:
            does = f"{'raises' if self.estimate > 0 else 'lowers'} {outcome} by {short(abs(self.estimate))} ({interval})"
        else:
            does = f"has no clear effect on {outcome} (estimate {short(self.estimate)}, {interval})"
        naive, *_ = _naive(self.kinds, 0.0)
        return (
            f"{whom}, the treatment {does}; the plain difference of the two groups, {short(naive)}, mixes it with who is "
            f"treated. It rests on {self.n['treated']:,} treated and {self.n['control']:,} untreated rows, and holds "
            f"if nothing that was left out drives both treatment and outcome and if nobody is affected by the "
            f"treatment of others, which no query can see{self._price()}. {self.warnings()}"
        ).strip()

    def _price(self):
        if not (self.lo > 0 or self.hi < 0):
            return ""
        table = self.benchmark()
        if not len(table) or not np.isfinite(table["zero_at"][0]) or not self._is_close(table.attrs["regression"]):
            return ""
        times, name = table["zero_at"][0], table["covariate"][0]
        return f"; a hidden trait {times:.2g} times as strong as {name} could explain it away"


def _crossing(left):
    """The multiple from 0 to 1,000 at which a falling function reaches zero; 0 if at once, inf if never."""
    low, high = 1e-6, 1000.0
    if not left(low) > 0:
        return 0.0
    if left(high) > 0:
        return math.inf
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if left(middle) > 0 else (low, middle)
    return float(low)


def _naive(kinds, z):
    """Difference of the two plain means, with its limits."""
    n, y, q = (np.array([(v * (kinds.d == j)).sum() for j in (0, 1)]) for v in (kinds.n, kinds.y, kinds.yy))
    error = math.sqrt(np.sum((q - y**2 / n) / n / np.maximum(n - 1, 1)))
    gap = y[1] / n[1] - y[0] / n[0]
    return float(gap), float(gap - z * error), float(gap + z * error)
