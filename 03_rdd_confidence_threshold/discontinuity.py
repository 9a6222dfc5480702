"""Regression discontinuity for any log: the right number, or a refusal that says why.

    from discontinuity import analyse
    result = analyse("logs/*.parquet", {"outcome": "completed", "running": "score"}, cutoff=60, treated_side="above")
    print(result.report())

Everything is computed from one small table: for each value of the running variable the number of rows, the sum of the
outcomes and the sum of their squares. That is all a local polynomial, its bandwidth and its standard errors need, so a
billion rows cost what the query costs. `local_fit` is the fit that notebook 03 teaches, with HC3 errors; `robust_fit`
is the estimator that ships (data-driven bandwidth, bias correction, robust interval), equal to the package rdrobust on
the rows; `honest_fit` is the interval for a stated bound on the curvature; `density_fit` asks whether rows pile up.

What is fatal (the log is refused) and what is a warning (it stands in the report):

    running variable or outcome that is no number, treatment that is neither of its two values        fatal
    a user in several rows; no rows; no rows on one side; too few rows or values for a fit            fatal
    bandwidth that reaches beyond the data on both sides                                              fatal
    treatment against the rule in more than 0.5 % of the rows near the cutoff, unless fuzzy=True      fatal
    fuzzy=True and the treatment does not jump (first stage |z| below 3.2)                            fatal
    rows pile up at the cutoff: jump of the density with p < .001 and larger than a tenth             fatal
    ones, zeros or rows other than 0 (of a cost) on a side that are worth fewer than 5 at the cutoff  fatal
    the same, fewer than 15; one row that makes up half of the variance                               warning
    a given bandwidth within which the lines do not fit: the estimate lies outside of its interval    fatal
    the same with p < .01; one value that holds a twentieth of the rows near the cutoff               warning
    missing values of any role; outcomes missing more often on one side (p < .01)                     warning
    a covariate that jumps (p < .01, for all together); few values of the running variable            warning

`accept=("density",)` turns the fatal finding about the density into a warning, for somebody who knows its cause.
This module knows nothing of the series' synthetic world.
"""

import math
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import ndtr, ndtri

sys.path.append(str(Path(__file__).resolve().parents[1] / "data"))
import own_logs  # noqa: E402
from own_logs import FATAL, WARNING, Logs, Result, UnfitLog, say, short  # noqa: E402, F401

HERE = Path(__file__).resolve().parent
SIDES = ("above", "below")
EXACT_ROWS = 2_000_000  # up to so many rows every value of the running variable is a cell of its own
CELLS = 20_000  # beyond that, a continuous running variable is cut into about so many cells


# ---- local polynomials on cells: x is the distance from the cutoff, n the rows, y and yy sums of outcomes and squares


def _powers(x, degree):
    return np.vander(x, degree + 1, increasing=True)


def local_fit(x, n, y, yy, bandwidth, degree=1, *, treated=None, hole=0.0, derivative=0):
    """Jump at the cutoff by least squares within the bandwidth, one polynomial on each side, and its HC3 error.

    x: (cells,) distance from the cutoff. n, y, yy: (..., cells) rows, sum and sum of squares of the outcome; leading
    dimensions are datasets. Rows count equally, strictly inside the bandwidth; cells at most `hole` away are left out.
    treated: (cells,) booleans, default x >= 0. derivative: 1 for the jump of the slope (the derivative of the effect at
    the cutoff: Dong and Lewbel 2015). Returns (jump, error), each (...): treated minus control.
    Formula: MacKinnon and White (1985); on rows it is statsmodels' OLS with cov_type="HC3".
    """
    treated = x >= 0 if treated is None else treated
    near = (np.abs(x) < bandwidth) & ((np.abs(x) > hole + 1e-9) | (hole == 0))
    jump, variance = 0.0, 0.0
    for sign, side in ((1, treated), (-1, ~treated)):
        cells = near & side
        X = _powers(x[cells] / bandwidth, degree)
        m, s, q = (np.asarray(a, float)[..., cells] for a in (n, y, yy))
        k = degree + 1
        products = (X[:, :, None] * X[:, None, :]).reshape(len(X), k * k)
        bread = np.linalg.inv((m @ products).reshape(*m.shape[:-1], k, k))
        beta = (bread @ (s @ X)[..., None])[..., 0]
        fit, leverage = beta @ X.T, bread.reshape(*m.shape[:-1], k * k) @ products.T
        squares = (q - 2 * fit * s + m * fit**2) / (1 - leverage) ** 2
        weight = bread[..., derivative, :] @ X.T  # of each row in the end (or the slope) of this side's line
        jump = jump + sign * beta[..., derivative]
        variance = variance + np.sum(weight**2 * squares, axis=-1)
    unit = math.factorial(derivative) / bandwidth**derivative
    return jump * unit, np.sqrt(variance) * unit


def bootstrap(x, y, degree=1, *, seed, draws=500, treated=None):
    """Jumps (draws,) at the cutoff on samples of the rows, drawn with replacement.

    x, y: (rows,) distance from the cutoff, and an outcome of 0 and 1, of the rows within the bandwidth. A sample is how
    often each row was drawn, and rows of the same x and y are alike: so all samples are counts per cell, and one call
    of `local_fit` fits them all. The draws are those of `integers(0, n, size=n)`, one call a sample, from
    `default_rng(seed)`.
    """
    value, cell = np.unique(x, return_inverse=True)
    side = value >= 0 if treated is None else np.isin(value, np.asarray(x)[treated])
    key, n = (2 * cell + np.asarray(y)).astype(np.int32), len(cell)
    rng, found = np.random.default_rng(seed), []
    for start in range(0, draws, 25):  # 25 samples at a time stay in the processor's cache
        rows = rng.integers(0, n, size=(min(25, draws - start), n), dtype=np.int32)
        counts = np.array([np.bincount(key.take(row).astype(np.intp), minlength=2 * len(value)) for row in rows])
        failed, done = counts[:, ::2], counts[:, 1::2]
        whole = 2 * np.abs(value).max()
        found.append(local_fit(value, failed + done, done, done, whole, degree, treated=side)[0])
    return np.concatenate(found)


class _Side:
    """The cells of one side, from left to right: x, n, S (cells, k) sums and Q (cells, k, k) sums of products."""

    def __init__(self, x, n, S, Q, known=None):
        self.x, self.n, self.S, self.Q, self.known = x, n, S, Q, known

    def where(self, keep):
        known = None if self.known is None else self.known[keep]
        return _Side(self.x[keep], self.n[keep], self.S[keep], self.Q[keep], known)

    def spread(self, neighbours=3):
        """Sum over each cell's rows of (residual)(residual)', by nearest neighbours (CCT 2014): (cells, k, k).

        A row's residual is its distance from the mean of at least three rows nearest to it in x, rows of the same x
        first and equally distant ones together, times the root of J/(J + 1).
        """
        if self.known is not None:
            return self.known[:, None, None]
        m = len(self.x)
        before = np.concatenate([[0], np.cumsum(self.n)])
        low, high = np.arange(m), np.arange(m)
        while True:
            count = before[high + 1] - before[low]
            lacking = (count - 1 < min(neighbours, before[-1] - 1)).nonzero()[0]
            if not len(lacking):
                break
            lo, hi = low[lacking], high[lacking]
            left = np.where(lo > 0, self.x[lacking] - self.x[np.maximum(lo - 1, 0)], np.inf)
            right = np.where(hi < m - 1, self.x[np.minimum(hi + 1, m - 1)] - self.x[lacking], np.inf)
            larger = np.where(np.isfinite(left) & np.isfinite(right), np.maximum(left, right), 0.0)
            tie = np.sqrt(np.finfo(float).eps) * larger
            low[lacking] -= (left <= right + tie) & (lo > 0)
            high[lacking] += (right <= left + tie) & (hi < m - 1)
        J = (count - 1)[:, None, None]
        sums = np.concatenate([np.zeros((1, self.S.shape[1])), np.cumsum(self.S, axis=0)])
        mean = (sums[high + 1] - sums[low]) / count[:, None]
        cross = self.S[:, :, None] * mean[:, None, :]
        outer = mean[:, :, None] * mean[:, None, :] * self.n[:, None, None]
        return (J + 1) / J * (self.Q - cross - cross.transpose(0, 2, 1) + outer)

    def fit(self, weight, degree):
        """Weighted least squares: regressors (cells, degree + 1), inverse of X'WX, coefficients (degree + 1, k)."""
        X = _powers(self.x, degree)
        WX = X * weight[:, None]
        inverse = np.linalg.inv(X.T @ (WX * self.n[:, None]))
        return X, inverse, inverse @ (WX.T @ self.S)


def _triangle(x, h):
    return np.maximum(1 - np.abs(x) / h, 0.0)


class _Pilot:
    """One side's variance and bias constants for the bandwidths (CCT 2014, supplement; CCF 2020, section 4)."""

    def __init__(self, side, h, level):
        self.side, self.h, self.level, self.known = side, h, level, {}

    def variance(self, order, nu):
        """(variance of the nu-th coefficient, bias constant, weights of the outcomes) at the pilot bandwidth."""
        if (order, nu) not in self.known:
            weight = _triangle(self.side.x, self.h)
            near = self.side.where(weight > 0)
            weight = weight[weight > 0]
            if len(near.x) < order + 1:
                raise np.linalg.LinAlgError("too few values")
            X, inverse, beta = near.fit(weight, order)
            s = np.ones(1)
            if beta.shape[1] == 2:  # a ratio of two jumps: the delta method, at this side's level as rdrobust has it
                y, t = math.factorial(nu) * (beta[nu] + [self.level * (nu == 0), 0.0])
                s = np.array([1 / t, -y / t**2])
            squares = np.einsum("i,cij,j->c", s, near.spread(), s)
            row = (inverse[nu] @ X.T) * weight
            moment = (X * (weight * near.n)[:, None]).T @ ((near.x / self.h) ** (order + 1))
            bias = self.h**nu * (inverse[nu] @ moment)
            self.known[order, nu] = np.sum(row**2 * squares), bias, s
        return self.known[order, nu]

    def stage(self, order, nu, bias_order, bias_h, regularised):
        """Variance, bias and regularisation term of one stage of the plug-in rule."""
        V, constant, s = self.variance(order, nu)
        weight = _triangle(self.side.x, bias_h)
        near = self.side.where(weight > 0)
        weight = weight[weight > 0]
        if len(near.x) < bias_order + 1:
            raise np.linalg.LinAlgError("too few values")
        X, inverse, beta = near.fit(weight, bias_order)
        rate = 2 * (order + 1 - nu)
        R = 0.0
        if regularised:
            row = (inverse[-1] @ X.T) * weight
            squares = np.einsum("i,cij,j->c", s, near.spread(), s)
            R = 3 * rate * constant**2 * np.sum(row**2 * squares)
        B = np.sqrt(rate) * constant * (s @ beta[-1])
        return (2 * nu + 1) * self.h ** (2 * nu + 1) * V, B, R


def _quantile(x, n, share):
    """Quantile of rows in cells: the average of two neighbours where the share falls between them."""
    reached = np.cumsum(n)
    want = share * reached[-1]
    low = x[np.searchsorted(reached, want)]
    high = x[np.searchsorted(reached, want, side="right")] if want < reached[-1] else x[-1]
    return (low + high) / 2


def _moments(n, s, q):
    with np.errstate(over="ignore", invalid="ignore"):  # sums that are too large: nan, which the callers refuse
        mean = s.sum() / n.sum()
        variance = (q.sum() - n.sum() * mean**2) / (n.sum() - 1)
        return mean, np.sqrt(variance) if not variance < 0 else 0.0


@dataclass
class RobustFit:
    """Jump at the cutoff, treated minus control: estimate (conventional), its error, and the robust interval.

    h, b: bandwidths of the fit and of its bias; corrected, robust_error: what lo and hi are made of; p: of no jump.
    rows: within h, control and treated side. first_stage: (jump of the treatment, its robust z) of a fuzzy design.
    """

    estimate: float
    error: float
    corrected: float
    robust_error: float
    lo: float
    hi: float
    p: float
    h: float
    b: float
    rows: tuple
    first_stage: tuple = (1.0, np.inf)


def robust_fit(x, n, y, yy, *, treated=None, bandwidth=None, bias_bandwidth=None, level=0.95, d=None, dy=None,
               offset=0.0):  # fmt: skip
    """Local linear jump with bias correction and robust interval (Calonico, Cattaneo and Titiunik 2014).

    x: (cells,) distance from the cutoff; n, y, yy: (cells,) rows, sums and sums of squares of the outcome; treated:
    (cells,) booleans, default x >= 0. d, dy: (cells,) sums of a 0/1 treatment and of its product with the outcome,
    for a fuzzy design (the jump of the outcome over the jump of the treatment). bandwidth: None for the one that
    minimises the expected squared error (Calonico, Cattaneo and Farrell 2020, rule "mserd"); bias_bandwidth: None for
    that rule, or for `bandwidth` where that is given. offset: what was subtracted from the outcome before the sums.

    Triangular kernel, linear fit, quadratic bias, nearest-neighbour variance: the same numbers as
    `rdrobust(y, x, masspoints="adjust")` of the package rdrobust on the rows. Returns RobustFit.
    Raises ValueError where a side has too few values for the fits.
    """
    treated = x >= 0 if treated is None else np.asarray(treated)
    x, n, y, yy = (np.asarray(a, float) for a in (x, n, y, yy))
    keep = n > 0
    order = np.argsort(x[keep], kind="stable")
    x, n, y, yy, treated = (a[keep][order] for a in (x, n, y, yy, treated))
    centre, y_sd = _moments(n, y, yy) if n.sum() > 1 else (0.0, 0.0)
    if not np.isfinite(y_sd):
        raise ValueError("the outcome is too large for its squares to be summed")
    if not y_sd > 1e-7 * abs(centre):  # a difference of sums of squares: less is rounding
        raise ValueError("the outcome does not vary")
    S, Q = y - n * centre, yy - 2 * centre * y + n * centre**2
    if d is None:
        S, Q = S[:, None], Q[:, None, None]
    else:
        d, dy = (np.asarray(a, float)[keep][order] for a in (d, dy))
        both = dy - centre * d
        S, Q = np.stack([S, d], axis=1), np.stack([Q, both, both, d], axis=1).reshape(-1, 2, 2)
    sides = [_Side(x[side], n[side], S[side], Q[side]) for side in (~treated, treated)]
    if min(len(side.x) for side in sides) < 3:
        raise ValueError("fewer than 3 values of the running variable on one side of the cutoff")
    try:
        if bandwidth is None:
            h, b = _bandwidths(sides, y_sd, centre + offset, fuzzy=d is not None)
        else:
            h, b = bandwidth, bandwidth
        if not np.isfinite([h, b]).all():
            raise np.linalg.LinAlgError("no bandwidth")
        return _robust(sides, h, bias_bandwidth or b, level)
    except np.linalg.LinAlgError:
        raise ValueError("too few values of the running variable near the cutoff for the fits") from None


def _bandwidths(sides, y_sd, y_mean, fuzzy):
    x, n = (np.concatenate([getattr(side, name) for side in sides]) for name in ("x", "n"))
    order = np.argsort(x)
    _, x_sd = _moments(n, n * x, n * x**2)
    iqr = _quantile(x[order], n[order], 0.75) - _quantile(x[order], n[order], 0.25)
    if fuzzy:  # a side on which nobody, or everybody, is treated: the bandwidth of the sharp design
        shares = [side.S[:, 1].sum() / side.n.sum() for side in sides]
        fuzzy = all(0 < share < 1 for share in shares)
    k = 2 if fuzzy else 1
    scale = np.array([y_sd or 1.0, 1.0])[:k]
    unit = [_Side(side.x / x_sd, side.n, side.S[:, :k] / scale, side.Q[:, :k, :k] / np.outer(scale, scale))
            for side in sides]  # fmt: skip
    reach = [np.abs(side.x).max() for side in unit]
    values = sum(len(side.x) for side in unit)
    pilot = min(2.576 * min(1.0, iqr / x_sd / 1.349) * values ** (-1 / 5), max(reach))
    least = 0.0
    if any(1 - len(side.x) / side.n.sum() >= 0.2 for side in unit):  # many rows share a value
        edge = 1 + np.sqrt(np.finfo(float).eps)
        least = max(np.sort(np.abs(side.x))[min(10, len(side.x)) - 1] * edge for side in unit)
    pilots = [_Pilot(side, max(pilot, least), y_mean / scale[0]) for side in unit]

    def plug_in(order, nu, bias_order, hs, regularised):
        (V0, B0, R0), (V1, B1, R1) = (p.stage(order, nu, bias_order, h, regularised)
                                      for p, h in zip(pilots, hs, strict=True))  # fmt: skip
        ratio = (V0 + V1) / ((B1 - B0) ** 2 + R0 + R1)
        if ratio < 0:  # by rounding: the outcomes of a side are all alike, or lie on a curve
            raise np.linalg.LinAlgError("no bandwidth")
        return min(ratio ** (1 / (2 * order + 3)), max(reach))

    edge = 1 + np.sqrt(np.finfo(float).eps)
    third = max(plug_in(3, 3, 4, [r * edge for r in reach], False), least)
    b = plug_in(2, 2, 3, [third, third], True)
    h = plug_in(1, 0, 2, [b, b], True)
    return h * x_sd, b * x_sd


def _robust(sides, h, b, level):
    found = []
    for side in sides:
        near = side.where(np.abs(side.x) < max(h, b))
        near.x = near.x / h
        fit_weight, bias_weight = _triangle(near.x, 1.0), _triangle(near.x, b / h)
        if (fit_weight > 0).sum() < 2 or (bias_weight > 0).sum() < 3:
            raise np.linalg.LinAlgError("too few values")
        X, inverse, beta = near.fit(fit_weight, 1)
        X2, inverse2, _ = near.fit(bias_weight, 2)
        row = (inverse[0] @ X.T) * fit_weight  # weight of one row in the intercept
        curve = (inverse2[2] @ X2.T) * bias_weight  # and in the curvature
        corrected = row - (row * near.n) @ near.x**2 * curve
        squares = near.spread()
        found.append((row @ near.S, corrected @ near.S, np.einsum("c,cij->ij", row**2, squares),
                      np.einsum("c,cij->ij", corrected**2, squares), near.n[fit_weight > 0].sum()))  # fmt: skip
    (plain0, better0, V0, W0, n0), (plain1, better1, V1, W1, n1) = found
    plain, better, V, W = plain1 - plain0, better1 - better0, V0 + V1, W0 + W1
    first_stage, s = (1.0, np.inf), np.ones(1)
    estimate, corrected = plain[0], better[0]
    if len(plain) == 2:
        s = np.array([1 / plain[1], -plain[0] / plain[1] ** 2])
        estimate = plain[0] / plain[1]
        corrected = estimate - s @ (plain - better)
        first_error = np.sqrt(W[1, 1])
        first_stage = (plain[1], better[1] / first_error if first_error > 0 else np.inf)
    error, robust_error = (np.sqrt(max(s @ M @ s, 0.0)) for M in (V, W))  # below 0 by rounding where nothing varies
    half = ndtri(0.5 + level / 2) * robust_error
    p = 2 * ndtr(-abs(corrected) / robust_error) if robust_error > 0 else float(corrected == 0)
    return RobustFit(float(estimate), float(error), float(corrected), float(robust_error), float(corrected - half),
                     float(corrected + half), float(p), float(h), float(b), (int(n0), int(n1)),
                     tuple(map(float, first_stage)))  # fmt: skip


# ---- what else the cells can tell


def curvature_rule(x, n, y, treated=None):
    """Largest second derivative of a quartic fitted to each side: the rule of thumb of Armstrong and Kolesár (2020).

    A suggestion, not a fact: no data can bound how sharply a curve bends between two points.
    """
    treated = x >= 0 if treated is None else treated
    found = 0.0
    for side in (treated, ~treated):
        at, m = x[side], np.asarray(n, float)[side]
        scale = np.abs(at).max()
        keep = m > 0
        degree = min(4, keep.sum() - 1)
        X = _powers(at[keep] / scale, degree) * np.sqrt(m[keep])[:, None]
        beta = np.linalg.lstsq(X, np.asarray(y, float)[side][keep] / np.sqrt(m[keep]), rcond=None)[0]
        grid = np.linspace(at[keep].min(), at[keep].max(), 200) / scale
        second = sum(k * (k - 1) * beta[k] * grid ** (k - 2) for k in range(2, degree + 1))
        found = max(found, float(np.max(np.abs(second)) / scale**2))
    return found


def honest_fit(x, n, y, yy, curvature, *, treated=None, level=0.95):
    """Interval that covers whatever the curves do, as long as their second derivative stays within `curvature`.

    Armstrong and Kolesár (2018, 2020); for a running variable of few values Kolesár and Rothe (2018): the bias that
    such a curve can cause is computed, not estimated, and the interval is widened by it. The bandwidth is the one with
    the shortest interval. Returns a dict: estimate, error, bias (largest possible), lo, hi, bandwidth.
    """
    treated = x >= 0 if treated is None else np.asarray(treated)
    x, n, y, yy = (np.asarray(a, float) for a in (x, n, y, yy))
    order = np.argsort(x)
    sides = []
    for side in (~treated, treated):
        at = order[side[order] & (n[order] > 0)]
        sides.append(_Side(x[at], n[at], y[at][:, None], yy[at][:, None, None]))
    sigma = [float(side.spread().sum() / side.n.sum()) for side in sides]
    shortest = max(np.sort(np.abs(side.x))[min(2, len(side.x) - 1)] for side in sides) * 1.01
    best = None
    for h in np.geomspace(shortest, max(np.abs(x).max(), shortest * 1.01), 60):
        estimate, bias, expected, variance = 0.0, 0.0, 0.0, 0.0
        for sign, side, sigma2 in zip((-1, 1), sides, sigma, strict=True):
            weight = _triangle(side.x, h)
            near = side.where(weight > 0)
            X, inverse, _ = near.fit(weight[weight > 0], 1)
            row = (inverse[0] @ X.T) * weight[weight > 0]
            estimate += sign * float(row @ near.S[:, 0])
            bias += curvature / 2 * abs(float((row * near.n) @ near.x**2))
            expected += sigma2 * float(row**2 @ near.n)
            variance += float(row**2 @ near.spread()[:, 0, 0])
        length = _half_width(bias, math.sqrt(expected), level)  # with one variance for all, so that luck has no say
        if best is None or length < best[0]:
            best = length, {"estimate": estimate, "error": math.sqrt(variance), "bias": bias, "bandwidth": float(h)}
    found = best[1]
    half = _half_width(found["bias"], found["error"], level)
    return found | {"lo": found["estimate"] - half, "hi": found["estimate"] + half}


def _half_width(bias, error, level):
    """Half the length of the interval that covers when the estimate may be off by `bias` on either side."""
    return error * math.sqrt(stats.ncx2.ppf(level, 1, (bias / error) ** 2)) if error > 0 else bias


def _spacing(x):
    """Distance between neighbouring values if all lie on one grid that holds the cutoff (0), else None."""
    gaps = np.diff(np.unique(x))
    if not len(gaps):
        return None
    gap = float(np.min(gaps))
    steps = x / gap
    return gap if gap > 0 and np.max(np.abs(steps - np.rint(steps))) < 1e-3 else None


def density_fit(x, rows, *, treated=None):
    """Does the number of rows jump, or pile up, at the cutoff? Returns (p, jump, bins used), or None.

    McCrary's question (2008), asked in two ways of counts in bins that do not cross the cutoff. A jump: `robust_fit`
    with the counts in the place of the outcome, and an error that is at least Poisson's. A pile: the bins next to the
    cutoff against quadratics fitted without them. p is twice the smaller of the two p-values; jump is treated minus
    control as a share of the density, of the question with the smaller p. None where there are too few bins to tell.
    x: (cells,) distance from the cutoff; rows: (cells,).
    """
    treated = x >= 0 if treated is None else np.asarray(treated)
    keep = rows > 0
    x, rows, treated = x[keep], np.asarray(rows, float)[keep], treated[keep]
    gap = _spacing(x)
    _, sd = _moments(rows, rows * x, rows * x**2)
    width = 2 * sd / math.sqrt(rows.sum())
    if gap is None:
        bins = np.floor(x / width)
    else:
        steps = np.rint(width / gap) if width > gap else 1.0
        width, place = steps * gap, np.rint(x / gap)
        at = x == 0
        if at.any() and treated[at][0] != treated[x > 0].any():
            place = place - 1  # the cutoff itself belongs to the lower side
        bins = np.floor((place + 0.5) / steps)
    bins = bins.astype(np.int64)
    low, high = bins.min(), bins.max()
    if min(-low, high + 1) < 5 or high - low < 20 or high - low > 5_000_000:
        return None
    counts = np.bincount((bins - low).astype(np.intp), rows, minlength=int(high - low + 1))[1:-1]  # not the ragged ends
    middle = (np.arange(low, high + 1) + 0.5)[1:-1]  # in bins
    side = (middle > 0) == bool(treated[x > 0].any())
    try:
        fit = robust_fit(middle, np.ones(len(middle)), counts, counts**2, treated=side)
        poisson = _robust([_Side(middle[s], np.ones(s.sum()), counts[s, None], counts[s, None, None] ** 2,
                                 np.maximum(counts[s], 1.0))
                           for s in (~side, side)], fit.h, fit.b, 0.95)  # fmt: skip
    except ValueError:
        return None
    level = counts[np.abs(middle) < max(fit.h, 1.0)].mean()
    error = max(fit.robust_error, poisson.robust_error)  # neighbours tell of heaps, Poisson holds where they are few
    found = [(2 * stats.norm.sf(abs(fit.corrected) / error), fit.corrected / max(level, 1e-9)),
             _pile(middle, counts, side, fit.h)]  # fmt: skip
    p, jump = min(found)
    return min(2 * p, 1.0), jump, len(middle)


def _pile(middle, counts, side, h):
    """p-value and relative size of an excess in the bins next to the cutoff, against quadratics without them."""
    window = max(1.0, round(h / 10))
    excess, variance, expected = 0.0, 0.0, 0.0
    for sign, s in ((1, side), (-1, ~side)):
        fitted, near = s & (np.abs(middle) > window) & (np.abs(middle) < h), s & (np.abs(middle) < window)
        if fitted.sum() < 4:
            return 1.0, 0.0
        X, at = _powers(middle[fitted] / h, 2), _powers(middle[near] / h, 2).sum(axis=0)
        inverse = np.linalg.inv(X.T @ X)
        beta = inverse @ X.T @ counts[fitted]
        spread = max(counts[fitted].mean(), np.var(counts[fitted] - X @ beta) * len(X) / (len(X) - 3))
        excess += sign * (counts[near].sum() - at @ beta)
        variance += spread * (near.sum() + at @ inverse @ at)
        expected += at @ beta
    return 2 * stats.norm.sf(abs(excess) / math.sqrt(variance)), 2 * excess / max(expected, 1.0)


# ---- the interface: analyse, queries, analyse_tables

MEANING = {  # what check.sql can find
    "running variable is missing": (WARNING, "These rows were left out."),
    "running variable is not a finite number": (FATAL, "Repair them, or leave them out with a WHERE."),
    "outcome is missing": (WARNING, "These rows were left out; that is harmless only if the reason has nothing to do "
                                    "with the outcome."),
    "outcome is not a finite number": (FATAL, "Repair them, or leave them out with a WHERE."),
    "treatment is missing": (WARNING, "These rows were left out."),
    "treatment is neither of its two values": (FATAL, "Code it 0 and 1, or say with treated_value which value it is."),
    "user appears more than once": (FATAL, "Make them one row each (GROUP BY user): repeated rows make the interval "
                                           "too narrow."),
    "the log has no rows": (FATAL, "Look at the path and the WHERE."),
}  # fmt: skip
ROLES = ("outcome", "running"), ("treated", "user", "covariates")


def _design(cutoff, treated_side, bandwidth=None, at_cutoff=None, fuzzy=False, step=None, level=0.95, accept=()):
    """The analyst's decisions, checked; raises ValueError in one line."""
    own_logs.check_choice("treated_side", treated_side, SIDES)
    own_logs.check_choice("at_cutoff", at_cutoff, (None, "treated", "control"))
    own_logs.check_choice("fuzzy", fuzzy, (False, True))
    if isinstance(accept, str):
        accept = (accept,)
    for name in accept:
        own_logs.check_choice("accept", name, ("density", "rule"))
    return {
        "cutoff": own_logs.check_number("cutoff", cutoff),
        "treated_side": treated_side,
        "bandwidth": None if bandwidth is None else own_logs.check_number("bandwidth", bandwidth, above=0),
        "at_cutoff": at_cutoff,
        "fuzzy": fuzzy,
        "step": None if step is None else own_logs.check_number("step", step, at_least=0),
        "level": own_logs.check_number("level", level, above=0, below=1),
        "accept": tuple(accept),
    }


def _queries(block, covariates):
    """The two SQL texts; block: {"x", "outcome", "treated", "who", "cutoff", "step"}: SQL or None; covariates: SQL."""
    nothing = "CAST(NULL AS DOUBLE)"
    shared = {"x": block["x"], "outcome": block["outcome"], "treated": block["treated"] or nothing}
    given = int(block["treated"] is not None)
    cutoff = own_logs.literal(block["cutoff"])
    names = {f"z{k}": sql for k, sql in enumerate(covariates, start=1)}
    check, aggregate = ((HERE / name).read_text(encoding="utf-8") for name in ("check.sql", "aggregate.sql"))
    check = own_logs.fill(check, shared | {"treated_given": given, "who": block["who"] or nothing, "cutoff": cutoff})
    aggregate = own_logs.fill(aggregate, shared | {"treated_needed": given, "cutoff": cutoff,
                                                   "step": own_logs.literal(block["step"])} | names)  # fmt: skip
    sums = "".join(
        f",\n    SUM(CASE WHEN ABS({z}) < 1e300 THEN 1 ELSE 0 END) AS {z}_n,"
        f"\n    SUM(CASE WHEN ABS({z}) < 1e300 THEN {z} ELSE 0 END) AS {z}_y,"
        f"\n    SUM(CASE WHEN ABS({z}) < 1e300 THEN {z} * {z} ELSE 0 END) AS {z}_yy,"
        f"\n    SUM(CASE WHEN NOT ABS({z}) < 1e300 THEN 1 ELSE 0 END) AS {z}_wrong"
        for z in names
    )
    mark = "\n    -- covariates that must not jump: queries() puts their sums here"
    return check, aggregate.replace(mark, sums)


def queries(columns, *, treated_value=None, control_value=None, outcome_offset=0.0, **design):
    """(check, aggregate): the two SQL texts with the reader's columns, for a warehouse that Python cannot reach.

    They run on DuckDB and Spark against a table `logs`; give what they return to `analyse_tables`. columns and design:
    as for `analyse`, columns as names or expressions of your engine (quote odd names as it wants them). For a
    treatment in words give treated_value and control_value. outcome_offset: a constant near the mean of the outcome,
    which keeps the digits of one whose mean is large against its spread; give it to analyse_tables, too.
    """
    own_logs.check_roles(columns, *ROLES)
    design = _design(**design)
    if (treated_value is None) != (control_value is None):
        raise ValueError("treated_value and control_value: give both or neither")
    outcome = own_logs.number(columns["outcome"])
    treated = columns.get("treated") and own_logs.yes_no(columns["treated"], None, treated_value, control_value)
    block = {"x": own_logs.number(columns["running"]),
             "outcome": f"({outcome}) - {own_logs.literal(outcome_offset)}" if outcome_offset else outcome,
             "treated": treated, "who": columns.get("user"), "cutoff": design["cutoff"],
             "step": design["step"] or 0.0}  # fmt: skip
    return _queries(block, [own_logs.number(c) for c in _listed(columns.get("covariates"))])


def _listed(value):
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def analyse(logs, columns, *, treated_value=None, control_value=None, **design):
    """The effect of the treatment at the cutoff, or UnfitLog.

    logs: path or glob (CSV, Parquet), DataFrame or DuckDB relation, one row per user.
    columns: {"outcome": column, "running": column}, and, where the log has them, "treated" (who really was: checks the
    rule), "user" (finds repeated rows), "covariates" (a list of numbers that the treatment cannot have changed: they
    must not jump). A column is a name or an SQL expression such as "score / 100.0".
    cutoff: where the rule changes, in units of the running variable. treated_side: "above" (at or above the cutoff) or
    "below" (below it); at_cutoff: "treated" or "control" for a rule that puts rows exactly at the cutoff on the other
    side (by default the log's own treatment decides, or the reading just given).
    bandwidth: None for the data-driven one (rdrobust's). fuzzy: True where the rule is not always followed: the effect
    is then that on the compliers. treated_value, control_value: the words for treated and control.
    step: cells of this width for a continuous running variable of a large log (default: every value is a cell of its
    own up to two million rows). level: of the interval. accept: ("density",) or ("rule",) turns that finding from a
    refusal into a warning.

    Returns Discontinuity. Raises UnfitLog, one line for each fatal problem; ValueError for arguments without sense.
    """
    own_logs.check_roles(columns, *ROLES)
    design = _design(**design)
    if design["fuzzy"] and not columns.get("treated"):
        raise ValueError("fuzzy=True: say which column is 'treated'")
    with Logs(logs) as log:
        block = {"x": log.number("running", columns["running"]), "outcome": log.number("outcome", columns["outcome"]),
                 "treated": None, "who": None, "cutoff": design["cutoff"]}  # fmt: skip
        if columns.get("treated"):
            block["treated"] = log.yes_no("treated", columns["treated"], treated_value, control_value)
        if columns.get("user"):
            block["who"] = log.text("user", columns["user"])
        covariates = [log.number("covariates", c) for c in _listed(columns.get("covariates"))]
        offset = own_logs.centre_of(log, block["outcome"])
        if offset:
            block["outcome"] = f"({block['outcome']}) - {own_logs.literal(offset)}"
        block["step"] = _step(log, block["x"]) if design["step"] is None else design["step"]
        check, aggregate = (log.ask(query, inline=True) for query in _queries(block, covariates))
    return _answer(check, aggregate, columns, design, offset)


def _step(log, x):
    """0, or the width of a cell where the running variable of a large log takes hundreds of thousands of values."""
    rows = log.ask("SELECT COUNT(*) AS n FROM logs")["n"][0]
    if rows <= EXACT_ROWS:
        return 0.0
    share = 200_000 / rows  # of the values, drawn by a hash: the first rows of a log in order would be all alike
    drawn = log.ask(f"SELECT v, COUNT(*) AS n FROM (SELECT {x} AS v FROM logs) AS t WHERE ABS(v) < 1e300 "
                    f"AND {own_logs.drawn('hash(v)', share)} GROUP BY v ORDER BY v")  # fmt: skip
    if len(drawn) < 20_000 * share:
        return 0.0
    low, high = (_quantile(drawn["v"].to_numpy(float), drawn["n"].to_numpy(float), q) for q in (0.001, 0.999))
    return float(f"{(high - low) / CELLS:.1g}")


def analyse_tables(check, aggregate, columns, *, outcome_offset=0.0, **design):
    """`analyse` from what the two texts of `queries` returned (DataFrames), with the same columns and design."""
    own_logs.check_roles(columns, *ROLES)
    return _answer(check, aggregate, columns, _design(**design), outcome_offset)


def _cells(aggregate, design):
    """Cells in order, with `distance` from the cutoff and `treated`."""
    cells = aggregate.rename(columns=str.lower).astype(float)
    if missing := [name for name in COLUMNS if name not in cells]:
        raise ValueError(f"aggregate: no columns {', '.join(missing)}; run the text that queries() writes today")
    if cells["x"].duplicated().any():  # partial aggregates of shards
        how = {name: {"lowest": "min", "highest": "max"}.get(name, "sum") for name in cells.columns if name != "x"}
        cells = cells.groupby("x", as_index=False).agg(how)
    cells = cells.sort_values("x")
    cells = cells.reset_index(drop=True)
    distance = cells["x"] - design["cutoff"]
    # 0.1 + 0.2 is not 0.3, and a 32-bit 0.7 is not 0.7: what only rounding separates from the cutoff is at the cutoff.
    # What lies apart from it on the scale of the data is not: two seconds since 1970, two billionths of a dollar.
    x, rows = cells["x"].to_numpy(), cells["rows_in_cell"].to_numpy()
    spread = (_quantile(x, rows, 0.75) - _quantile(x, rows, 0.25) or np.ptp(x)) if len(x) else 0.0
    last_digits = min(1e-9 * max(1.0, abs(design["cutoff"])), 4 * np.spacing(abs(design["cutoff"])) + 1e-6 * spread)
    rounded = (distance.abs() <= last_digits) | (
        (x == np.float32(design["cutoff"])) & (distance.abs() <= 1e-5 * spread))  # fmt: skip
    rounded &= (x != np.rint(x)) | (distance == 0)  # a whole number was not rounded
    distance = distance.where(~rounded, 0.0)
    here = cells[distance == 0]
    n, d = here["n"].sum(), here["d"].sum()
    default = "treated" if design["treated_side"] == "above" else "control"
    side = design["at_cutoff"] or (default if design["fuzzy"] else {0.0: "control", 1.0: "treated"}.get(
        d / n if n and design["has_treatment"] else None, default))  # fmt: skip
    beyond = distance > 0 if design["treated_side"] == "above" else distance < 0
    return cells.assign(distance=distance, treated=beyond | ((distance == 0) & (side == "treated")))


def _answer(check, aggregate, columns, design, offset):
    design = design | {"has_treatment": bool(columns.get("treated"))}
    cutoff = design["cutoff"]
    found = own_logs.named(check, MEANING)
    own_logs.refuse(own_logs.problem_table(found))
    cells = _cells(aggregate, design)
    for side, name in ((cells["treated"], design["treated_side"]), (~cells["treated"], _other(design))):
        if cells.loc[side, "n"].sum() == 0:
            found.append(say("one side of the cutoff is empty", place=f"{name} {cutoff:g}", rows=0,
                             what_to_do="Look at the cutoff and at its unit."))  # fmt: skip
    reach = cells["distance"].abs().groupby(cells["treated"]).max()
    if design["bandwidth"] and len(reach) and design["bandwidth"] > reach.max():
        found.append(say("bandwidth reaches beyond the data on both sides", place=f"bandwidth {design['bandwidth']:g}",
                         what_to_do=f"At most {reach.max():g}; leave it out to let the data choose."))  # fmt: skip
    own_logs.refuse(own_logs.problem_table(found))
    outcome = _Arrays(cells, offset)
    try:
        fit = outcome.robust(design)
    except ValueError as error:
        own_logs.refuse(own_logs.problem_table([*found, say(
            str(error), place="near the cutoff", what_to_do="No line can be fitted here.")]))  # fmt: skip
    near = cells["distance"].abs() < fit.h
    found += _findings(cells, near, fit, design, outcome, _listed(columns.get("covariates")))
    problems = own_logs.problem_table(found)
    own_logs.refuse(problems)
    name = columns["outcome"]
    whom = f"rows whose {columns['running']} is at {cutoff:g}"
    whom = f"those {whom} whose treatment the rule decides (compliers)" if design["fuzzy"] else whom
    chosen = "given" if design["bandwidth"] else "chosen by the data"
    method = (f"{'fuzzy' if design['fuzzy'] else 'sharp'} regression discontinuity: local linear, triangular kernel, "
              f"bandwidth {fit.h:.4g} ({chosen}), bias-corrected robust interval (rdrobust)")  # fmt: skip
    return Discontinuity(
        estimate=fit.estimate, standard_error=fit.robust_error, lo=fit.lo, hi=fit.hi, level=design["level"],
        method=method, estimand=f"the effect of the treatment on {name}, on {whom}, and on no others",
        n={"rows": int(cells["rows_in_cell"].sum()), "used": int(cells["n"].sum()), "near": int(sum(fit.rows)),
           "near_control": fit.rows[0], "near_treated": fit.rows[1]},
        problems=problems, table=cells, fit=fit, columns=columns, design=design, offset=offset,
    )  # fmt: skip


def _other(design):
    return "below" if design["treated_side"] == "above" else "above"


def _largest(cells, near, fit):
    """The largest share that one row has in the variance of the estimate; 0 where nothing varies.

    A row counts l² e², with e what a line on its side leaves and l its weight in the line's value at the cutoff.
    """
    rows, total = 0.0, 0.0
    for treated in (False, True):
        own = cells[near & (cells["treated"] == treated) & (cells["n"] > 0)]
        n, y, yy, lowest, highest = (own[name].to_numpy() for name in ("n", "y", "yy", "lowest", "highest"))
        X = np.column_stack([np.ones(len(own)), own["distance"] / fit.h])
        W = X * np.maximum(1 - own["distance"].abs().to_numpy() / fit.h, 0)[:, None]
        inverse = np.linalg.pinv((W * n[:, None]).T @ X, hermitian=True)
        m, weight = X @ inverse @ (W.T @ y), W @ inverse[0]
        total += weight**2 @ np.maximum(yy - 2 * m * y + n * m**2, 0)
        rows = max(rows, (weight**2 * np.maximum((highest - m) ** 2, (lowest - m) ** 2)).max(initial=0))
    return rows / total if total > 0 else 0.0


def _rare(cells, near, offset):
    """{value of the outcome, in words: rows (cells,) that have it} of one of two values, or that is mostly 0; else {}."""
    n, low, high = cells["n"], cells["lowest"].min(), cells["highest"].max()
    others = (cells["y"] - n * low) / (high - low) if high > low else n * 0  # how many have the higher of two values
    two = (high > low and cells[["lowest", "highest"]].isin([low, high, np.nan]).all(axis=None)
           and np.allclose(cells["yy"], n * low**2 + others * (high**2 - low**2), rtol=1e-9))  # fmt: skip
    names = {(0, 1): ("zeros", "ones")}.get((low, high), (f"rows of {low + offset:g}", f"rows of {high + offset:g}"))
    if not two:
        names, others = ("zeros", "rows other than 0"), cells["not_zero"]
        if offset or others[near].sum() >= n[near].sum() / 2:
            return {}
    return dict(zip(names, (n - others, others), strict=True))


class _Arrays:
    """Columns of the cells as the fits take them."""

    def __init__(self, cells, offset):
        self.x, self.treated = cells["distance"].to_numpy(), cells["treated"].to_numpy()
        self.n, self.y, self.yy, self.d, self.dy = (cells[c].to_numpy() for c in ("n", "y", "yy", "d", "dy"))
        self.rows, self.offset = cells["rows_in_cell"].to_numpy(), offset

    def robust(self, design, keep=slice(None), shift=0.0, treated=None, bandwidths=None):
        fuzzy = {"d": self.d[keep], "dy": self.dy[keep], "offset": self.offset} if design["fuzzy"] else {}
        bandwidth, bias_bandwidth = bandwidths or (design["bandwidth"], None)
        return robust_fit(self.x[keep] - shift, self.n[keep], self.y[keep], self.yy[keep],
                          treated=self.treated[keep] if treated is None else treated[keep],
                          bandwidth=bandwidth, bias_bandwidth=bias_bandwidth, level=design["level"],
                          **fuzzy)  # fmt: skip


FEW_ROWS, FEW_VALUES = 20, 10
COLUMNS = ("x", "rows_in_cell", "n", "y", "yy", "not_zero", "lowest", "highest", "d", "dy")  # of the aggregate


def _findings(cells, near, fit, design, outcome, covariates):
    """Rows for the table of problems, from the cells near the cutoff."""
    found, cutoff = [], design["cutoff"]
    window = f"within {short(fit.h)} of the cutoff"
    for side, name in ((cells["treated"], design["treated_side"]), (~cells["treated"], _other(design))):
        rows, values = cells.loc[near & side, "n"].sum(), int((cells.loc[near & side, "n"] > 0).sum())
        if rows < FEW_ROWS:
            found.append(say(f"fewer than {FEW_ROWS} rows {name} the cutoff", place=window, rows=rows,
                             what_to_do="Collect more; no interval can be trusted here."))  # fmt: skip
        elif values < FEW_VALUES:
            found.append(say(f"only {values} values of the running variable {name} the cutoff", place=window, rows=rows,
                             severity=WARNING, what_to_do="Between so few values a bend cannot be seen: report "
                             "honest() with a bound on the curvature."))  # fmt: skip
    if not fit.robust_error > 0:
        found.append(say("the outcome does not vary", place=window, what_to_do="There is nothing to estimate from."))
    elif not fit.lo <= fit.estimate <= fit.hi:  # with a bandwidth that was given
        found.append(say(f"the lines do not fit: their bias of {short(fit.estimate - fit.corrected)} is larger than the "
                         "interval is wide", place=window, what_to_do="Leave bandwidth out, or choose a smaller one."))  # fmt: skip
    else:
        found += _few(cells, near, fit, design, outcome.offset, window)
    if design["has_treatment"]:
        found += _rule(cells, near, fit, design, window)
    density = density_fit(outcome.x, outcome.rows, treated=outcome.treated)
    if density and density[0] < 0.01:
        fatal = density[0] < 0.001 and abs(density[1]) > 0.1 and "density" not in design["accept"]
        more = design["treated_side"] if density[1] > 0 else _other(design)
        found.append(say(f"rows pile up {more} the cutoff: jump of the density by {abs(density[1]):.0%}, "
                         f"p = {density[0]:.1g}", place=f"at {cutoff:g}", severity=FATAL if fatal else WARNING,
                         what_to_do="Somebody may choose the side, or the log loses rows on one: find out how. If it "
                         "is harmless and you know why, accept=('density',)."))  # fmt: skip
    found += _heaps(cells, near, window)
    found += _missing(cells, outcome, window)
    return found + _covariates(cells, outcome, covariates)


def _few(cells, near, fit, design, offset, window):
    """Outcomes of which a few rows decide: rare ones, and large ones."""
    found, rare, w = [], _rare(cells, near, offset), np.maximum(1 - cells["distance"].abs() / fit.h, 0)
    for treated, side in ((False, _other(design)), (True, design["treated_side"])):
        own = near & (cells["treated"] == treated)
        for what, rows in rare.items():
            found += own_logs.few(what, f"{side} the cutoff", w[own], rows[own], place=window, what_to_do="The interval "
                                  "rests on them and may miss the truth too often. Collect more, or choose a commoner "
                                  "outcome.")  # fmt: skip
    share = _largest(cells, near, fit)
    if share > 0.5:
        found.append(say(f"one row makes up {share:.0%} of the variance", place=window, severity=WARNING, what_to_do="An "
                         "outcome with such rare large values has no interval that can be trusted: cap it at a value "
                         "that was fixed beforehand, or take a share of rows above one."))  # fmt: skip
    return found


def _rule(cells, near, fit, design, window):
    """The log's own treatment against the rule."""
    if design["fuzzy"]:
        if abs(fit.first_stage[1]) < 3.2:
            return [say(f"the treatment does not jump at the cutoff (jump {fit.first_stage[0]:.2g}, z "
                        f"{fit.first_stage[1]:.1f})", place=window, what_to_do="A ratio over a jump that may be zero "
                        "says nothing; look at the cutoff and at the rule.")]  # fmt: skip
        return []
    treated = cells["treated"]
    against = np.where(treated, cells["n"] - cells["d"], cells["d"])
    wrong, all_rows = against[near].sum(), cells.loc[near, "n"].sum()
    if wrong == 0:
        return []
    only_at = against[near & (cells["distance"] != 0)].sum() == 0
    place = f"at {design['cutoff']:g}" if only_at else window
    fatal = wrong > 0.005 * all_rows and "rule" not in design["accept"]
    do = ("The score was rounded after the decision: use the exact one, or leave these rows out." if only_at else
          "Look at cutoff and treated_side; if the rule has exceptions, say fuzzy=True.")  # fmt: skip
    return [say(f"treated against the rule ({wrong / all_rows:.1%} of {int(all_rows):,})", place=place, rows=wrong,
                severity=FATAL if fatal else WARNING, what_to_do=do)]  # fmt: skip


def _heaps(cells, near, window):
    """Values that hold a twentieth of the rows near the cutoff and five times as many as their neighbours."""
    rows = cells.loc[near, "rows_in_cell"].to_numpy()
    if len(rows) < 5:
        return []
    around = pd.Series(rows).rolling(11, center=True, min_periods=3).median().to_numpy()
    heap = (rows > 0.05 * rows.sum()) & (rows > 5 * around)
    at = ", ".join(f"{x:g}" for x in cells.loc[near, "x"][heap][:5])
    return [say("one value holds a twentieth of the rows", place=f"{window}: at {at}", rows=rows[heap].sum(),
                severity=WARNING, what_to_do="Rounded or default scores differ from their neighbours: compare "
                "donut() without them.")] if heap.any() else []  # fmt: skip


def _missing(cells, outcome, window):
    """Rows left out, one side against the other: their share must not jump."""
    lost = outcome.rows - outcome.n
    if lost.sum() == 0:
        return []
    try:
        fit = robust_fit(outcome.x, outcome.rows, lost, lost, treated=outcome.treated)
    except ValueError:
        return []
    if not fit.p < 0.01:
        return []
    return [say(f"values are missing more often on one side: by {100 * fit.estimate:+.1f} points where treated",
                place=window, rows=lost.sum(), severity=WARNING, what_to_do="The estimate compares those who answered; "
                "say so, and bound what the others could change.")]  # fmt: skip


def _covariates(cells, outcome, covariates):
    """Covariates that jump at the cutoff, with p-values multiplied by their number (Bonferroni)."""
    found = []
    for k, name in enumerate(covariates, start=1):
        wrong = cells[f"z{k}_wrong"].sum()
        if wrong:
            found.append(say(f"covariate {name} is not a finite number", rows=wrong,
                             what_to_do="Give a number or a condition, such as plan = 'pro'."))  # fmt: skip
            continue
        fit = _covariate_fit(cells, outcome, k)
        if fit is not None and fit.p * len(covariates) < 0.01:
            found.append(say(f"covariate {name} jumps by {short(fit.estimate)} (p = {fit.p:.1g})", place="at the cutoff",
                             severity=WARNING, what_to_do="Those just below and just above are not alike: something "
                             "else changes there, or somebody chooses the side."))  # fmt: skip
    return found


def _covariate_fit(cells, outcome, k):
    n, y, yy = (cells[f"z{k}_{name}"].to_numpy() for name in ("n", "y", "yy"))
    try:
        return robust_fit(outcome.x, n, y, yy, treated=outcome.treated)
    except ValueError:
        return None


# ---- the result


@dataclass(kw_only=True)
class Discontinuity(Result):
    """What `analyse` found: own_logs.Result, and fit (RobustFit), columns, design, offset."""

    fit: RobustFit
    columns: dict
    design: dict
    offset: float
    _outcome: object = field(init=False, repr=False)

    def __post_init__(self):
        self._outcome = _Arrays(self.table, self.offset)

    def sweep(self, factors=(0.5, 0.75, 1.0, 1.5, 2.0)):
        """The estimate at other bandwidths, as multiples of the one used: a stable row is weak evidence, a jumpy one
        strong: the windows share their rows. DataFrame with bandwidth, estimate, lo, hi, rows."""
        found = []
        for factor in factors:
            try:
                fit = self._outcome.robust(self.design, bandwidths=(factor * self.fit.h, factor * self.fit.b))
                found.append((fit.h, fit.estimate, fit.lo, fit.hi, sum(fit.rows)))
            except ValueError:
                pass  # too narrow for a fit
        return pd.DataFrame(found, columns=["bandwidth", "estimate", "lo", "hi", "rows"])

    def donut(self, holes=None):
        """The estimate without the rows nearest to the cutoff, as far as somebody could have moved. DataFrame."""
        x, found = np.abs(self._outcome.x), []
        for hole in [self.fit.h / 20, self.fit.h / 10, self.fit.h / 5] if holes is None else _listed(holes):
            try:
                fit = self._outcome.robust(self.design, keep=x >= hole, bandwidths=(self.fit.h, self.fit.b))
                found.append((hole, fit.estimate, fit.lo, fit.hi, sum(fit.rows)))
            except ValueError:
                pass
        return pd.DataFrame(found, columns=["hole", "estimate", "lo", "hi", "rows"])

    def placebo(self, cutoffs=None):
        """Jumps where nothing changes, each from rows of one side only. DataFrame with cutoff, estimate, lo, hi, p.

        cutoffs: default the quartiles of each side. With six of them, one p below .05 is no surprise.
        """
        x, n = self._outcome.x, self._outcome.n
        if cutoffs is None:
            cutoffs = []
            for side in (x < 0, x > 0):
                order = np.argsort(x[side])
                cutoffs += [_quantile(x[side][order], n[side][order], share) for share in (0.25, 0.5, 0.75)]
        else:
            cutoffs = [c - self.design["cutoff"] for c in cutoffs]
        found = []
        for c in cutoffs:
            keep = (x < 0) if c < 0 else (x > 0)
            beyond = x >= c if self.design["treated_side"] == "above" else x < c
            try:
                fit = self._outcome.robust(self.design | {"bandwidth": None, "fuzzy": False}, keep, c, beyond)
                found.append((c + self.design["cutoff"], fit.estimate, fit.lo, fit.hi, fit.p))
            except ValueError:
                pass
        return pd.DataFrame(found, columns=["cutoff", "estimate", "lo", "hi", "p"])

    def covariates(self):
        """Jump of each covariate, which must be nought: DataFrame with covariate, estimate, lo, hi, p."""
        names = _listed(self.columns.get("covariates"))
        fits = [_covariate_fit(self.table, self._outcome, k) for k in range(1, len(names) + 1)]
        found = [(name, fit.estimate, fit.lo, fit.hi, fit.p) for name, fit in zip(names, fits, strict=True) if fit]
        return pd.DataFrame(found, columns=["covariate", "estimate", "lo", "hi", "p"])

    def honest(self, curvature=None):
        """The interval for a bound on the curvature (see `honest_fit`; default the rule of thumb). Sharp designs only."""
        if self.design["fuzzy"]:
            raise ValueError("honest: for sharp designs only")
        o = self._outcome
        if curvature is None:
            curvature = curvature_rule(o.x, o.n, o.y, o.treated)
        own_logs.check_number("curvature", curvature, at_least=0)
        fit = honest_fit(o.x, o.n, o.y, o.yy, curvature, treated=o.treated, level=self.level)
        return {"curvature": curvature} | fit

    def density(self):
        """(p, jump as a share of the density, bins) of `density_fit`, or None where there are too few values."""
        o = self._outcome
        return density_fit(o.x, o.rows, treated=o.treated)

    def detectable(self, power=0.80):
        """The smallest true effect that a log like this finds with such power, in the unit of the outcome."""
        own_logs.check_number("power", power, above=0, below=1)
        return (stats.norm.ppf(0.5 + self.level / 2) + stats.norm.ppf(power)) * self.standard_error

    def rows_needed(self, effect, power=0.80):
        """(least, most): how many rows a log needs to find `effect`.

        With the same bandwidth the error falls with the root of the number of rows: the least. A bandwidth chosen by
        the data may shrink as rows are added, at worst so that the error falls with the power 2/5: the most.
        """
        ratio = self.detectable(power) / own_logs.check_number("effect", abs(effect), above=0)
        return tuple(math.ceil(self.n["used"] * ratio**exponent) for exponent in (2.0, 2.5))

    def bins(self, number=15):
        """Means in bins that do not cross the cutoff, for the plot: DataFrame with x, mean, error, rows, treated."""
        o, width, found = self._outcome, 2 * self.fit.h / number, []
        for side in (o.treated, ~o.treated):
            place = np.floor(np.abs(o.x[side]) / width)
            n, y, yy, at = (np.bincount(place.astype(np.intp), w[side]) for w in (o.n, o.y, o.yy, o.x * o.n))
            keep = (n >= 2) & (np.arange(len(n)) < number)
            n, y, yy, at = n[keep], y[keep], yy[keep], at[keep]
            error = np.sqrt(np.maximum(yy / n - (y / n) ** 2, 0) / (n - 1))
            found.append(pd.DataFrame({"x": at / n + self.design["cutoff"], "mean": y / n + self.offset, "error": error,
                                       "rows": n.astype(int), "treated": side is o.treated}))  # fmt: skip
        return pd.concat(found).sort_values("x", ignore_index=True)

    def figure(self):
        """The plot of the design: means in bins, and the two lines whose ends are compared."""
        from series import COLOR, FAINT, INK, plt

        figure, axes = plt.subplots(figsize=(7.5, 4))
        bins, o, cutoff = self.bins(), self._outcome, self.design["cutoff"]
        for treated, name in ((True, "treated"), (False, "control")):
            part = bins[bins["treated"] == treated]
            axes.errorbar(part["x"], part["mean"], 1.96 * part["error"], fmt="o", ms=4, lw=0.8, color=COLOR[name],
                          label=f"{name}: means with 95 % intervals")  # fmt: skip
            near = (o.treated == treated) & (np.abs(o.x) < self.fit.h) & (o.n > 0)
            weight = _triangle(o.x[near], self.fit.h)
            _, _, beta = _Side(o.x[near], o.n[near], o.y[near][:, None], None).fit(weight, 1)
            ends = np.array([0.0, self.fit.h if o.x[near].max() > 0 else -self.fit.h])
            axes.plot(cutoff + ends, self.offset + beta[0, 0] + beta[1, 0] * ends, color=COLOR["estimate"], lw=2.2,
                      label="local linear fit" if treated else None)  # fmt: skip
        axes.axvline(cutoff, color=FAINT, lw=1, zorder=0)
        axes.annotate(f" cutoff {cutoff:g}", (cutoff, 1), xycoords=("data", "axes fraction"), va="top", color=INK)
        axes.set(xlabel=str(self.columns["running"]), ylabel=str(self.columns["outcome"]))
        axes.legend(frameon=False, fontsize=9)
        return figure

    def report(self):
        """Two sentences for a stakeholder, what could break them, and the warnings."""
        running, outcome, c = self.columns["running"], self.columns["outcome"], self.design["cutoff"]
        direction = "raises" if self.estimate > 0 else "lowers"
        interval = f"{100 * self.level:g} % interval {short(self.lo)} to {short(self.hi)}"
        if self.lo > 0 or self.hi < 0:
            does = f"{direction} {outcome} by {short(abs(self.estimate))} ({interval})"
        else:
            does = f"has no clear effect on {outcome} (estimate {short(self.estimate)}, {interval})"
        whom = " for those whose treatment the rule decides" if self.design["fuzzy"] else ""
        return (f"Where {running} is at {c:g}, the treatment {does}{whom}; of rows far from {c:g} this says nothing. "
                f"It rests on {self.n['near']:,} rows within {short(self.fit.h)} of {c:g}, and holds if nothing else "
                f"changes there and nobody can choose the side, which no query can see. "
                f"{self.warnings()}").strip()  # fmt: skip
