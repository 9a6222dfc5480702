"""Difference-in-differences and synthetic control for any log: the right number, or a refusal that says why.

    from synthetic_control import analyse
    result = analyse("logs/*.parquet", {"outcome": "completed", "unit": "workspace", "period": "week",
                                        "first_treated": "launch_week"})
    print(result.report())

Everything is computed from one small table: for each unit and period the number of rows, the sum of the outcomes and
the sum of their squares. Units and periods are matched by value; they may have gaps, come late and leave early, and be
treated at several dates. A period in which a unit is treated is never part of a comparison.

Four methods, which differ in the series that a treated group is compared with:

    "did"      difference-in-differences: unit and period effects of the units not yet treated       (the default)
    "sc"       synthetic control: the average of donors that follows the treated series best (Abadie et al. 2010)
    "shifted"  the same up to a constant (Doudchenko and Imbens 2016; Ferman and Pinto 2021)
    "sdid"     synthetic difference-in-differences (Arkhangelsky et al. 2021)

The interval. Counting units (Welch) is right where every unit has noise of its own. What strikes a whole treated group
at once (a holiday, a release, a client's migration) is noise of the group, and no number of units averages it out; it
is the commonest failure of difference-in-differences. So the periods before the launch are asked how much the groups'
difference moves beyond what the units' own noise explains, and the interval is widened by what they answer:
`interval="shared"`, the default. `interval="units"` leaves that out; `result.intervals` shows both.

What is fatal (the log is refused) and what is a warning (it stands in the report):

    outcome that is no number, treatment that is neither of its two values                            fatal
    periods that are neither numbers nor dates, or not of the kind of first_treated                   fatal
    two launches in one unit; a treatment that is switched off; treatment against first_treated       fatal
    a user twice in a unit and period; no rows; nobody or everybody treated; no period before, after  fatal
    an outcome that does not vary; more than five million cells                                       fatal
    sc, shifted, sdid: fewer than three periods before; sc: a treated series outside of its donors    fatal
    missing values of any role; outcomes missing, or rows coming, differently in the treated units    warning
    users in several units; units left out: treated before the window, no period before or after      warning
    their launch, too many gaps                                                                       warning
    one treated unit or one control; few periods before; a launch within a period                     warning
    pre-trends (joint test p < .01); weights that the data leave open; repeated rows in a panel       warning

`accept=("fit",)`, `("rule",)` turns that finding (outside of the donors; against the rule) into a warning, for somebody
who knows its cause. This module knows nothing of the series' synthetic world.
"""

import itertools
import math
import re
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import optimize, sparse, special, stats

sys.path.append(str(Path(__file__).resolve().parents[1] / "data"))
import own_logs  # noqa: E402
from own_logs import FATAL, WARNING, Logs, Result, UnfitLog, say, short  # noqa: E402, F401

HERE = Path(__file__).resolve().parent
METHODS = ("did", "sc", "shifted", "sdid")
MOST_CELLS = 5_000_000  # units x periods that are held in memory
MOST_PERIODS = 1_500
DRAWS = 200  # of a bootstrap over units, and of placebo groups


# ---- weights on a simplex


def least_norm_weights(A):
    """Weights (..., J), non-negative with sum 1, that minimise |A w|; A (..., T, J). Exact.

    Non-negative least squares with a row of ones: for v = s w the objective |A v|^2 + (sum v - 1)^2 is
    s^2 q + (s - 1)^2 with q = |A w|^2; its minimum over s, q / (1 + q), rises with q, so the best v points to the
    best w. Raises ValueError for values that are not finite.
    """
    A = np.asarray(A, float)
    if not np.isfinite(A).all():
        raise ValueError("weights: every value must be a finite number")
    if A.ndim > 2:
        flat = np.array([least_norm_weights(one) for one in A.reshape(-1, *A.shape[-2:])])
        return flat.reshape(*A.shape[:-2], A.shape[-1])
    A = A / (np.sqrt(np.mean(A**2)) or 1.0) if A.size else A
    v = optimize.nnls(np.vstack([A, np.ones(A.shape[1])]), np.append(np.zeros(len(A)), 1.0), maxiter=50 * len(A.T))[0]
    return v / v.sum()


def simplex_weights(y, D):
    """Synthetic-control weights (..., J) of y (..., T) on donors D (..., T, J); Abadie et al. (2010)."""
    return least_norm_weights(np.asarray(D, float) - np.asarray(y, float)[..., None])


def sdid_weights(y, D, start, n_treated=1):
    """Donor weights (J,) and weights of the periods before (start,) of synthetic difference-in-differences.

    y: (T,) mean of n_treated treated units; D: (T, J) donors; start: first treated row. Arkhangelsky et al. (2021),
    equations 4 to 6: both fits have an intercept, the first a ridge penalty. Needs three rows before, two donors.
    """
    J, after = D.shape[1], len(y) - start
    sigma = np.diff(D[:start], axis=0).std(ddof=1)
    zeta = (n_treated * after) ** 0.25 * sigma  # equation 5
    A = D[:start] - y[:start, None]
    donors = least_norm_weights(np.vstack([A - A.mean(axis=0), zeta * start**0.5 * np.eye(J)]))
    B = (D[:start] - D[start:].mean(axis=0)).T
    periods = least_norm_weights(np.vstack([B - B.mean(axis=0), 1e-6 * sigma * J**0.5 * np.eye(start)]))
    return donors, periods


@dataclass
class Blend:
    """A treated series against its blend of donors: weights (J,), period_weights (start,), gaps (T,), estimate."""

    weights: np.ndarray
    period_weights: np.ndarray
    gaps: np.ndarray
    estimate: float


def blend(y, D, start, method="sc", n_treated=1):
    """Blend of donors D (T, J) for y (T,), the mean of n_treated units treated from row `start` on.

    The estimate is the mean gap from `start` on minus the weighted mean gap before; "sc" subtracts nothing.
    """
    y, D = np.asarray(y, float), np.asarray(D, float)
    periods = np.full(start, 1 / start)
    if method == "did":
        weights = np.full(D.shape[1], 1 / D.shape[1])
    elif method == "sc":
        weights, periods = simplex_weights(y[:start], D[:start]), np.zeros(start)
    elif method == "shifted":
        weights = simplex_weights(y[:start] - y[:start].mean(), D[:start] - D[:start].mean(axis=0))
    else:
        weights, periods = sdid_weights(y, D, start, n_treated)
    gaps = y - D @ weights
    return Blend(weights, periods, gaps, float(gaps[start:].mean() - periods @ gaps[:start]))


def augmented_weights(y, D, start, ridge):
    """Weights (J,) of ridge-augmented synthetic control (Ben-Michael, Feller and Rothstein 2021); may be negative."""
    w = simplex_weights(y[:start], D[:start])
    X = D[:start] - D[:start].mean(axis=1, keepdims=True)
    return w + X.T @ np.linalg.solve(X @ X.T + ridge * np.eye(start), y[:start] - D[:start] @ w)


def placebo_gaps(D, start, method="sc"):
    """Gaps (T, J) of each donor of D (T, J) against the blend of the others, less their weighted mean before."""
    found = np.empty(D.shape)
    for j in range(D.shape[1]):
        fit = blend(D[:, j], np.delete(D, j, axis=1), start, method)
        found[:, j] = fit.gaps - fit.period_weights @ fit.gaps[:start]
    return found


def leave_one_out(y, D, start, method="sc", n_treated=1):
    """Estimates (J,) without each donor in turn."""
    return np.array([blend(y, np.delete(D, j, axis=1), start, method, n_treated).estimate for j in range(D.shape[1])])


def weights_left_open(y, D, start, fit):
    """(lowest, highest) estimate among all weights whose blend is that of `fit` before the launch; "sc", "shifted".

    Two linear programmes. With more donors than periods the past may leave the weights, and the estimate, open.
    """
    before = D[:start] - (fit.period_weights @ D[:start])
    scale = np.abs(before).max() or 1.0
    late = D[start:].mean(axis=0) - fit.period_weights @ D[:start]
    equal, value = np.vstack([before / scale, np.ones(D.shape[1])]), np.append(before @ fit.weights / scale, 1.0)
    ends = [optimize.linprog(sign * late, A_eq=equal, b_eq=value) for sign in (1, -1)]
    if not all(end.success for end in ends):
        return fit.estimate, fit.estimate
    now = late @ fit.weights
    return fit.estimate + now + ends[1].fun, fit.estimate + now - ends[0].fun


# ---- difference-in-differences on complete panels (..., T, N), many at once


def fill_gaps(panel, start):
    """Panel (..., T, N) with its empty cells (nan) interpolated over the rows of the same side of `start`, never across.

    Ends take the nearest value of their side; a side without any value stays nan.
    """
    filled = np.array(panel, float)
    flat = filled.reshape(-1, *filled.shape[-2:])
    for side in (flat[:, :start], flat[:, start:]):
        for number, j in np.argwhere(np.isnan(side).any(axis=1)):
            column = side[number, :, j]
            full = np.flatnonzero(~np.isnan(column))
            if len(full):
                column[:] = np.interp(np.arange(len(column)), full, column[full])
    return filled


def changes(panel, start):
    """Change of each unit (..., N): mean of the rows from `start` on minus mean of those before."""
    return panel[..., start:, :].mean(axis=-2) - panel[..., :start, :].mean(axis=-2)


def did(panel, treated, start):
    """Difference-in-differences (...): mean change of the treated units minus that of the others; treated: (N,)."""
    change = changes(panel, start)
    return change[..., treated].mean(axis=-1) - change[..., ~treated].mean(axis=-1)


def did_interval(panel, treated, start, level=0.95):
    """DiD, its error, lo, hi and degrees of freedom (5, ...): Welch over units, for arms of any size and variance.

    An arm of one unit has no variance of its own and is lent that of the other arm's units; two arms of one unit have
    none (nan).
    """
    change = changes(panel, start)
    a, b = change[..., treated], change[..., ~treated]
    error, df = _welch(*(x.var(axis=-1, ddof=1) / x.shape[-1] if x.shape[-1] > 1 else np.full(x.shape[:-1], np.nan)
                         for x in (a, b)), a.shape[-1], b.shape[-1])  # fmt: skip
    estimate, half = a.mean(axis=-1) - b.mean(axis=-1), stats.t.ppf(0.5 + level / 2, df) * error
    return np.array([estimate, error, estimate - half, estimate + half, df])


def _welch(V1, V0, n1, n0):
    """Error and Satterthwaite degrees of freedom from the two arms' variances of a mean and effective numbers.

    With fewer than four units in an arm the degrees of freedom are at most those of arms of one variance (Bell and
    McCaffrey 2002): coverage .94 to .99 for two units against five or forty, where Welch's alone is .88 to .96."""
    if n1 <= 1:
        V1, n1 = V0 * n0, math.inf
    elif n0 <= 1:
        V0, n0 = V1 * n1, math.inf
    V = V1 + V0
    with np.errstate(invalid="ignore", divide="ignore"):
        if math.isinf(n1) or math.isinf(n0):  # one arm's units tell the variance of both
            return np.sqrt(V), np.full(np.shape(V), (n0 if math.isinf(n1) else n1) - 1.0)[()]
        df = V**2 / (V1**2 / (n1 - 1) + V0**2 / (n0 - 1))
        if min(n1, n0) < 4:  # two units may look alike by chance, and Welch's df then covers .88
            a, b = 1 / n1, 1 / n0
            df = np.minimum(df, (a + b) ** 2 / (a**2 / (n1 - 1) + b**2 / (n0 - 1)))
    return np.sqrt(V), np.where(V > 0, df, n1 + n0 - 2.0)[()]


def permutation_p(panel, treated, start, rng, draws=999):
    """p-values (...) of `did` when random sets of units play the treated ones."""
    change, n1, n = changes(panel, start), int(np.sum(treated)), len(treated)
    plays = np.argsort(rng.random((draws, n)), axis=1) < n1
    contrast = np.where(plays, 1 / n1, -1 / (n - n1))
    observed = np.abs(did(panel, treated, start))[..., None]
    as_large = np.abs(change @ contrast.T) >= observed * (1 - 1e-12)
    return (1 + as_large.sum(axis=-1)) / (1 + draws)


def event_study(panel, treated, start):
    """Difference of the arms by row, relative to the mean before, and its error: (2, ..., T)."""
    relative = panel - panel[..., :start, :].mean(axis=-2, keepdims=True)
    a, b = relative[..., treated], relative[..., ~treated]
    variance = a.var(axis=-1, ddof=1) / a.shape[-1] + b.var(axis=-1, ddof=1) / b.shape[-1]
    return np.array([a.mean(axis=-1) - b.mean(axis=-1), np.sqrt(variance)])


def sdid_jackknife(panel, treated, start):
    """Standard error of sdid with its weights held fixed, one unit left out at a time.

    Arkhangelsky et al. (2021), algorithm 3. Needs two treated units and two donors with weight: else nan.
    """
    y, D = panel[:, treated].mean(axis=1), panel[:, ~treated]
    fit = blend(y, D, start, "sdid", int(treated.sum()))
    change = panel[start:].mean(axis=0) - fit.period_weights @ panel[:start]
    a, b = change[treated], change[~treated]
    if len(a) < 2 or (fit.weights > 1 - 1e-9).any():
        return math.nan
    without_a = (a.sum() - a) / (len(a) - 1) - fit.weights @ b
    without_b = a.mean() - (fit.weights @ b - fit.weights * b) / (1 - fit.weights)
    left_out = np.append(without_a, without_b)
    return float(np.sqrt((len(left_out) - 1) * left_out.var()))


def unit_bootstrap(panel, treated, start, rng, method="sdid", draws=DRAWS):
    """Estimates (draws,) from units drawn with replacement, the blend refitted each time.

    Arkhangelsky et al. (2021), algorithm 2; draws in which fewer than two units of an arm differ are drawn again.
    Raises ValueError where an arm has fewer than two units: nothing can be drawn.
    """
    n = len(treated)
    if min(treated.sum(), n - treated.sum()) < 2:
        raise ValueError("unit_bootstrap: two treated units and two others at least")
    found = []
    while len(found) < draws:
        units = rng.integers(0, n, n)
        a, b = units[treated[units]], units[~treated[units]]
        if len(a) > 0 and len(set(b)) > 1:
            found.append(blend(panel[:, a].mean(axis=1), panel[:, b], start, method, len(a)).estimate)
    return np.array(found)


def conformal_p(y, D, start, effects, method="shifted"):
    """p-values of constant effects (E,): fit to all rows without the effect, cyclic shifts of what is left.

    Chernozhukov, Wüthrich and Zhu (2021). y (T,), D (T, J); method "did", "sc" or "shifted". With T rows a p-value is
    a multiple of 1/T; below that nothing can be told.
    """
    late, found = np.arange(len(y)) >= start, []
    for effect in np.atleast_1d(effects):
        u = _whole_fit(y - effect * late, D, method)
        sums = np.array([abs(np.roll(u, s)[late].sum()) for s in range(len(u))])
        found.append(np.mean(sums >= sums[0] * (1 - 1e-9) - 1e-12 * np.abs(u).sum()))
    return np.array(found)


def _whole_fit(y, D, method):
    if method != "sc":
        y, D = y - y.mean(), D - D.mean(axis=0)
    return y - D @ (np.full(D.shape[1], 1 / D.shape[1]) if method == "did" else simplex_weights(y, D))


# ---- shocks that a whole group shares

RELATIVE = np.array([0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6])  # variance of the shock / units' noise
LASTING = np.array([0, 0.25, 0.5, 0.7, 0.85, 0.95])  # its autocorrelation from one period to the next
NO_SHOCK = 0.2  # what is believed of "no shock at all" before looking; the rest is spread evenly
_SIZE = np.append(0.0, np.repeat(RELATIVE[1:], len(LASTING)))  # the pairs of the grid: size, place in LASTING, belief
_PLACE = np.append(0, np.tile(np.arange(len(LASTING)), len(RELATIVE) - 1))
_PRIOR = np.append(NO_SHOCK, np.full(len(_SIZE) - 1, (1 - NO_SHOCK) / (len(_SIZE) - 1)))


def _serial(rho, T):
    """(..., T, T) autocorrelation of an AR(1) series; rho: a number or an array (...)."""
    lag = np.abs(np.subtract.outer(np.arange(T), np.arange(T)))
    return np.asarray(rho, float)[..., None, None] ** lag  # 0 ** 0 is 1


def shared_shock_interval(before, contrast, noise, error, df, *, level=0.95, persistence=0.0):
    """Half-width (...) of an interval that allows for shocks shared by a group, and what was learnt about them.

    before: (..., T0) difference of the two groups in the periods before; contrast: (T0 + T1,) what the estimate does
    with the periods (-1/T0 before and 1/T1 after for difference-in-differences). noise: (...) variance that the units'
    own noise gives one entry of `before`, persistence its autocorrelation; error, df: (...) of the estimate from units
    alone. noise=None: units tell nothing, the series is all there is (error and df are then left out).

    The difference is taken as a constant plus the units' noise plus an AR(1) shock of unknown size and persistence;
    each pair on a grid is weighted with the restricted likelihood of `before`, and the interval is the one that holds
    `level` of the mixture of t distributions with the variances that the pairs imply. Without a shock it is the
    interval from units. Returns (half, shock): shock is a dict with "probability" of a shock larger than a twentieth
    of the units' noise, "relative" (its expected variance against the noise) and "lasting" (its autocorrelation).
    """
    before, contrast = np.asarray(before, float), np.asarray(contrast, float)
    shape, T0 = before.shape[:-1], before.shape[-1]
    if np.ndim(persistence) > 0:  # datasets of one persistence together
        half, learnt = np.empty(shape), {name: np.empty(shape) for name in ("probability", "relative", "lasting")}
        noise, error, df = (np.broadcast_to(a, shape) for a in (noise, error, df))
        for value in np.unique(persistence):
            at = np.asarray(persistence) == value
            half[at], part = shared_shock_interval(before[at], contrast, noise[at], error[at], df[at], level=level,
                                                   persistence=float(value))  # fmt: skip
            for name in learnt:
                learnt[name][at] = part[name]
        return half, learnt
    flat = before.reshape(-1, T0)
    known = noise is not None
    noise = np.broadcast_to(noise, shape).ravel() if known else None
    loglik, factor = _likelihood(flat, contrast, noise, persistence)
    weight, learnt = _learnt(loglik)
    if known:
        factor = factor + np.broadcast_to(error, shape).ravel()[:, None] ** 2
    df = np.broadcast_to(df, shape).ravel()[:, None] if known else T0 - 1
    half = _mixture_half(weight, np.sqrt(factor), df, level).reshape(shape)
    return half[()], {name: value.reshape(shape)[()] for name, value in learnt.items()}


def _likelihood(before, contrast, noise, persistence):
    """(n, pairs) log-likelihood of each pair of the grid, and the variance that its shocks give the estimate.

    before: (n, T0); noise: (n,). noise=None: of shape alone, and the whole variance of the estimate."""
    T0, T = before.shape[1], len(contrast)
    Q = np.linalg.svd(np.ones((T0, 1)))[0][:, 1:]  # contrasts that a constant does not reach
    own, shocks = _serial(persistence, T), _serial(LASTING, T)
    scale = np.ones(len(before)) if noise is None else np.maximum(noise, 1e-12 * before.var(axis=1) + 1e-300)
    e = (before / np.sqrt(scale)[:, None]) @ Q
    K = Q.T @ own[:T0, :T0] @ Q + _SIZE[:, None, None] * (Q.T @ shocks[:, :T0, :T0] @ Q)[_PLACE]
    squares = np.einsum("nki,ni->nk", np.einsum("ni,kij->nkj", e, np.linalg.inv(K)), e)
    determinant = np.linalg.slogdet(K)[1]
    moved = _SIZE * (contrast @ shocks @ contrast)[_PLACE]
    if noise is not None:
        return -0.5 * (determinant + squares), scale[:, None] * moved
    loglik = -0.5 * (determinant + (T0 - 1) * np.log(np.maximum(squares, 1e-300)))
    return loglik, squares / (T0 - 1) * (contrast @ own @ contrast + moved)


def _learnt(loglik):
    """Weights (n, pairs) of the grid and what they say."""
    weight = np.exp(loglik - loglik.max(axis=1, keepdims=True)) * _PRIOR
    weight /= weight.sum(axis=1, keepdims=True)
    size = weight @ _SIZE
    return weight, {"probability": weight @ (_SIZE > 0.05), "relative": size,
                    "lasting": weight @ (_SIZE * LASTING[_PLACE]) / np.maximum(size, 1e-300)}  # fmt: skip


def _shared_by_waves(series, error, df, level):
    """(half, shock) as `shared_shock_interval`, for several waves; series: [(share, before, contrast, noise, persistence)].

    The waves tell together how large and how lasting shocks are against the noise. Shocks of two waves are taken to
    correlate by one half, as they do where each wave and the controls have shocks of their own of one size."""
    found = [_likelihood(before[None], contrast, np.array([noise]), persistence)
             for _, before, contrast, noise, persistence in series]  # fmt: skip
    weight, learnt = _learnt(sum(loglik for loglik, _ in found))
    parts = np.array([share * np.sqrt(moved[0]) for (share, *_), (_, moved) in zip(series, found, strict=True)])
    parts /= sum(share for share, *_ in series)  # waves whose past is too short to tell are taken to be like the others
    variance = error**2 + (parts.sum(axis=0) ** 2 + (parts**2).sum(axis=0)) / 2
    half = _mixture_half(weight, np.sqrt(variance)[None], df, level)[0]
    return float(half), {name: float(value[0]) for name, value in learnt.items()}


def shared_did_interval(panel, treated, start, level=0.95):
    """DiD with lo and hi that allow for shocks that each group shares: (3, ...); panel: (..., T, N) complete.

    What `analyse` does by default, for full panels with one launch, many at once. Needs two units in each arm and four
    rows before. With 25 and 25 units, 20 and 10 rows (1,000 panels, Monte Carlo error below .01) it covers .99 where
    each unit has noise of its own, .93 to .94 with shocks of a group (autocorrelation .75) as large as the noise of its
    mean or twice that, where units alone cover .76 and .45; its median length is 1.3 that of the interval from units.
    """
    estimate, error, _, _, df = did_interval(panel, treated, start, level)
    before = panel[..., :start, :]
    gap = before[..., treated].mean(axis=-1) - before[..., ~treated].mean(axis=-1)
    noise = lag = square = 0.0
    for arm in (before[..., treated], before[..., ~treated]):
        e = arm - arm.mean(axis=-1, keepdims=True)
        e = e - e.mean(axis=-2, keepdims=True)
        squares, n = (e**2).sum(axis=(-1, -2)), arm.shape[-1]
        noise = noise + squares / ((n - 1) * (start - 1)) / n
        lag = lag + (e[..., 1:, :] * e[..., :-1, :]).sum(axis=(-1, -2))
        square = square + squares * (1 - 1 / start)
    T = panel.shape[-2]
    contrast = np.where(np.arange(T) < start, -1 / start, 1 / (T - start))
    half, _ = shared_shock_interval(gap, contrast, noise, error, df, level=level,
                                    persistence=_persistence(lag, square, start))  # fmt: skip
    return np.array([estimate, estimate - half, estimate + half])


def _persistence(lag, square, T0):
    """Autocorrelation of units' noise from sums of products and squares, to .05; the mean that was subtracted hides
    some of it (Kendall 1954)."""
    rho = np.divide(lag, square, out=np.zeros(np.shape(square)), where=np.asarray(square) > 0)
    return np.round(np.clip(rho + (1 + 3 * rho) / max(T0, 4), 0.0, 0.9) * 20) / 20


def _mixture_half(weight, scale, df, level):
    """Half-width (n,) that holds `level` of a mixture of t distributions around nought; weight, scale: (n, K)."""
    low, high = np.zeros(len(weight)), scale.max(axis=1) * np.max(stats.t.ppf(0.5 + level / 2, df))
    for _ in range(45):
        middle = (low + high) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            beyond = np.where(scale > 0, 2 * special.stdtr(df, -middle[:, None] / scale), 0.0)
        outside = np.sum(weight * beyond, axis=1) > 1 - level
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
    return high


# ---- panels with gaps, late comers and several launches: T rows (periods), N columns (units)


@dataclass
class Panel:
    """Units by periods: names, periods (values), labels, n and y (T, N) rows and sums, start (N,) first treated row
    (T: never in it), skip (T, N) cells left out (launch within the period, anticipation)."""

    names: list
    periods: list
    labels: list
    n: np.ndarray
    y: np.ndarray
    start: np.ndarray
    skip: np.ndarray
    by_rows: bool = False

    @property
    def values(self):
        """(T, N) means, nan where a cell is empty."""
        return np.divide(self.y, self.n, out=np.full(self.n.shape, np.nan), where=self.n > 0)

    @property
    def last(self):
        """Last row in which some unit is untreated."""
        return int(min(self.start.max(), len(self.n))) - 1

    def cut(self, rows, start):
        """The first `rows` rows with other launches."""
        return Panel(self.names, self.periods[:rows], self.labels[:rows], self.n[:rows], self.y[:rows],
                     np.minimum(start, rows), self.skip[:rows], self.by_rows)  # fmt: skip

    def only(self, units, start=None):
        """Some units (indices), with other launches if `start` (len(units),) is given."""
        start = self.start[units] if start is None else start
        return Panel([self.names[u] for u in units], self.periods, self.labels, self.n[:, units], self.y[:, units],
                     start, self.skip[:, units], self.by_rows)  # fmt: skip


def _linked(untreated):
    """(T,) booleans: the largest set of rows that units (T, N) link with one another."""
    pairs = (untreated.astype(float) @ untreated.T.astype(float)) > 0
    _, label = sparse.csgraph.connected_components(pairs, directed=False)
    cells = np.bincount(label.astype(np.intp), untreated.sum(axis=1))
    return (label == np.argmax(cells)) & untreated.any(axis=1)


class Waves:
    """Each wave (the units of one launch) against the units that are untreated at the time.

    Period effects come from the untreated cells of the other units (least squares with unit effects), a treated unit's
    own level from its cells before the launch; what is left after it is the effect. Nothing is interpolated, and no
    treated cell is ever part of a comparison. With one launch and a full panel it is difference-in-differences.

    gaps (K, T): mean over the units of a wave of value minus unit and period effect, nan where there is none; weights
    (K, T) of the cells behind them; after (K, T): the cells whose weighted mean is the estimate.
    """

    def __init__(self, panel, controls="not yet"):
        T, N = panel.n.shape
        self.panel, self.Y = panel, np.nan_to_num(panel.values)
        row = np.arange(T)[:, None]
        observed = (panel.n > 0) & ~panel.skip
        self.W = np.where(observed, panel.n if panel.by_rows else 1.0, 0.0)
        self.untreated = observed & (row < panel.start)
        self.pure = panel.start > panel.last
        self.starts, self.fits = [], []
        self.lost = {"no period before the launch": [], "no comparable period after the launch": []}
        for g in sorted(set(panel.start[~self.pure].tolist())):
            fit = self._fit(g, controls)
            if fit is not None:
                self.starts.append(g)
                self.fits.append(fit)
        K = len(self.fits)
        self.gaps, self.weights = np.full((K, T), np.nan), np.zeros((K, T))
        for k, fit in enumerate(self.fits):
            self.gaps[k], self.weights[k] = self._mean(fit["gap"], fit["w"])
        self.after = (np.arange(T) >= np.array(self.starts).reshape(-1, 1)) & (self.weights > 0)
        self.treated = [u for fit in self.fits for u in fit["members"]]
        used = np.zeros(N, bool)
        for fit in self.fits:
            used[fit["pool"]] = True
        self.controls = np.flatnonzero(used & self.pure).tolist()

    @property
    def estimate(self):
        """Mean effect over the treated cells, nan where none can be compared."""
        after = self.weights * self.after
        return float(np.nansum(self.gaps * after) / after.sum()) if after.sum() > 0 else math.nan

    @staticmethod
    def _mean(gap, w):
        total = w.sum(axis=1)
        return np.divide((w * gap).sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0), total

    def _fit(self, g, controls):
        start = self.panel.start
        pool = self.pure if controls == "never" else start > g
        cells = self.untreated & pool
        need = 2 if (self.pure & (self.W.sum(axis=0) > 0)).sum() > 1 else 1
        rows = cells.sum(axis=1) >= need
        members = np.flatnonzero(start == g)
        if not rows.any():
            self.lost["no comparable period after the launch"] += members.tolist()
            return None
        rows = _linked(cells & rows[:, None])
        pool = np.flatnonzero(pool & (cells & rows[:, None]).any(axis=0))
        w = np.where(cells & rows[:, None], self.W, 0.0)[:, pool]
        inside = np.flatnonzero(rows)
        A, b = _normal(w[inside], self.Y[inside][:, pool])
        effect = np.full(len(rows), np.nan)
        effect[inside] = _solve(A, b)
        mine = np.where(rows[:, None], self.W, 0.0)[:, members]
        early, late = mine * (np.arange(len(rows)) < g)[:, None], mine * (np.arange(len(rows)) >= g)[:, None]
        no_before, no_after = early.sum(axis=0) == 0, late.sum(axis=0) == 0
        self.lost["no period before the launch"] += members[no_before].tolist()
        self.lost["no comparable period after the launch"] += members[no_after & ~no_before].tolist()
        keep = ~no_before & ~no_after
        if not keep.any():
            return None
        members, mine, early = members[keep], mine[:, keep], early[:, keep]
        share = early / early.sum(axis=0)
        raw = np.nan_to_num(self.Y[:, members] - effect[:, None])
        gap = raw - (share * raw).sum(axis=0)
        return {"g": g, "members": members, "pool": pool, "rows": inside, "pool_w": w, "effect": effect,
                "pool_Y": self.Y[inside][:, pool], "A": A, "b": b, "w": mine, "share": share, "gap": gap}  # fmt: skip

    # -- leaving out one unit

    def left_out(self, statistic):
        """Values (n, q) of statistic(gaps, weights) without each treated unit, and without each control."""
        chunk = max(1, int(2e7 / max(1, self.gaps.size)))
        found = []
        for units in (self.treated, self.controls):
            parts = [statistic(*self._without(units[a : a + chunk])) for a in range(0, len(units), chunk)]
            found.append(np.concatenate(parts))
        return found

    def _without(self, units):
        gaps = np.repeat(self.gaps[None], len(units), axis=0)
        weights = np.repeat(self.weights[None], len(units), axis=0)
        place = {unit: k for k, unit in enumerate(units)}
        for k, fit in enumerate(self.fits):
            mine = [(place[u], j) for j, u in enumerate(fit["members"]) if u in place]
            if mine:
                at, j = map(list, zip(*mine, strict=True))
                w, total = fit["w"], fit["w"].sum(axis=1)
                left = (total[:, None] - w[:, j]).T
                top = ((w * fit["gap"]).sum(axis=1)[:, None] - (w * fit["gap"])[:, j]).T
                weights[at, k] = np.where(left > 1e-9 * total, left, 0.0)
                gaps[at, k] = np.divide(top, left, out=np.full(left.shape, np.nan), where=left > 1e-9 * total)
            others = [(place[u], j) for j, u in enumerate(fit["pool"]) if u in place]
            if others:
                at, j = map(list, zip(*others, strict=True))
                shift = self._effects_without(fit, j) - fit["effect"][fit["rows"]]
                rows, w, share = fit["rows"], fit["w"], fit["share"]
                pull = (w @ share[rows].T) / np.where(w.sum(axis=1) > 0, w.sum(axis=1), 1.0)[:, None]
                moved = np.zeros((len(at), len(gaps[0, k])))
                moved[:, rows] = -shift
                gaps[at, k] += moved + shift @ pull.T
        return gaps, weights

    @staticmethod
    def _effects_without(fit, j):
        """Period effects (len(j), rows) without the pool's unit j; nan where the others do not tie the rows together.

        Where all cells are full, or units or rows are so many that solving for each would take too long, one step of
        Newton from the fit with all units, times n / (n - 1): exact in the first case, and in the second nearly so."""
        rows, n = fit["rows"], len(fit["pool"])
        w, Y, A, b, effect = fit["pool_w"][rows], fit["pool_Y"], fit["A"], fit["b"], fit["effect"][rows]
        if n < 2 or len(rows) < 2:
            return np.full((len(j), len(rows)), math.nan if n < 2 else 0.0)
        step = np.ptp(w, axis=1).max() == 0 or n > 2000 or len(rows) > 150
        found = np.full((len(j), len(rows)), np.nan)
        for first in range(0, len(j), 200):
            wj, yj = w[:, j[first : first + 200]].T, Y[:, j[first : first + 200]].T
            total = np.maximum(wj.sum(axis=1), 1e-300)[:, None]
            own = wj * (yj - (wj * yj).sum(axis=1)[:, None] / total)
            if step:
                residual = own - wj * (effect - (wj @ effect)[:, None] / total)
                found[first : first + 200] = effect - n / (n - 1) * _solve(A, residual.T).T
                continue
            left = A - (np.eye(len(rows)) * wj[:, None, :] - wj[:, :, None] * wj[:, None, :] / total[:, :, None])
            left, right = left[:, 1:, 1:], (b - own)[:, 1:]
            scale = np.sqrt(np.maximum(np.einsum("nii->ni", left), 1e-300))
            left, right = left / (scale[:, :, None] * scale[:, None, :]), right / scale
            sound = np.linalg.eigvalsh(left)[:, 0] > 1e-9
            part = np.full(wj.shape, np.nan)
            part[sound, 0] = 0.0
            part[sound, 1:] = np.linalg.solve(left[sound], right[sound][..., None])[..., 0] / scale[sound]
            found[first : first + 200] = part
        return found

    def noise(self, k):
        """Variance that the units' own noise gives one entry of wave k's gaps before the launch, and its persistence."""
        fit = self.fits[k]
        before = np.arange(len(self.gaps[k])) < fit["g"]
        arms = []
        w = np.where(before[:, None], fit["w"], 0.0)
        arms.append((fit["gap"] - np.nan_to_num(self.gaps[k])[:, None], w, len(fit["members"])))
        w = np.where(before[:, None], fit["pool_w"], 0.0)
        raw = np.nan_to_num(self.Y[:, fit["pool"]] - fit["effect"][:, None])
        level = (w * raw).sum(axis=0) / np.maximum(w.sum(axis=0), 1e-300)
        arms.append((raw - level, w, len(fit["pool"])))
        variance, lag, square = [], 0.0, 0.0
        for e, w, n in arms:
            seen = w > 0
            free = seen.sum() * (n - 1) / max(n, 1) - (n - 1)
            e = np.where(seen, e, 0.0)
            size = w.sum(axis=0)
            number = size.sum() ** 2 / max(np.sum(size**2), 1e-300)
            variance.append((np.sum(e**2) / free if n > 1 and free > 0 else math.nan, number))
            if n > 1:
                lag += np.sum(e[1:] * e[:-1])
                square += np.sum(e**2) * (1 - 1 / max(before.sum(), 2))
        (s1, n1), (s0, n0) = variance
        s1, s0 = (s0 if math.isnan(s1) else s1), (s1 if math.isnan(s0) else s0)
        return s1 / n1 + s0 / n0, float(_persistence(lag, square, int(before.sum())))


def _normal(w, Y):
    """Normal matrix and right-hand side of period effects when unit effects are taken out; w, Y: (T, n)."""
    total = np.maximum(w.sum(axis=0), 1e-300)
    A = np.diag(w.sum(axis=1)) - (w / total) @ w.T
    return A, (w * (Y - (w * Y).sum(axis=0) / total)).sum(axis=1)


def _solve(A, b):
    """Period effects with the first at nought; b: (T,) or (T, n)."""
    found = np.zeros(b.shape)
    if len(b) > 1:
        scale = np.sqrt(np.maximum(np.diag(A)[1:], 1e-300))
        column = scale if b.ndim == 1 else scale[:, None]
        found[1:] = np.linalg.solve(A[1:, 1:] / np.outer(scale, scale), b[1:] / column) / column
    return found


MOST_EMPTY = 0.10  # of a unit's cells on one side of the launch that "sc", "shifted" and "sdid" fill within that side


class Blends:
    """The same waves, each compared with a blend of the units that no comparison sees treated.

    A blend needs a full table. Cells that are empty are filled from the same unit and the same side of the launch where
    they are at most a tenth of that side; units with more are left out (`lost`).
    """

    def __init__(self, panel, method, pure, starts):
        self.panel, self.method, self.starts = panel, method, starts
        values = np.where(panel.skip, np.nan, panel.values)
        rows = np.flatnonzero((~np.isnan(values[:, pure])).any(axis=1) & (np.arange(len(values)) <= panel.last))
        self.table, self.size, self.usable, self.first, self.rows = {}, {}, {}, {}, {}
        for g in starts:
            at = rows[~panel.skip[rows][:, panel.start == g].any(axis=1)]
            first = int(np.sum(at < g))
            part = values[at]
            empty = np.isnan(part)
            share = np.maximum(empty[:first].mean(axis=0) if first else 1.0,
                               empty[first:].mean(axis=0) if first < len(at) else 1.0)  # fmt: skip
            self.usable[g] = share <= MOST_EMPTY
            self.table[g], self.first[g], self.rows[g] = fill_gaps(part, first), first, at
            self.size[g] = panel.n[at].sum(axis=0)
        common = np.all([self.usable[g] for g in starts], axis=0)
        self.donors = np.flatnonzero(pure & common)
        self.treated = np.array([u for g in starts for u in np.flatnonzero((panel.start == g) & self.usable[g])], int)
        self.lost = [u for u in range(len(pure)) if (pure[u] and not common[u]) or
                     (panel.start[u] in starts and not self.usable[panel.start[u]][u])]  # fmt: skip

    def wave(self, g, members, donors):
        """(y, D, first, share of the wave in the estimate) for members and donors (indices, repeats allowed)."""
        table, first = self.table[g], self.first[g]
        size = self.size[g][members] if self.panel.by_rows else np.ones(len(members))
        return table[:, members] @ (size / size.sum()), table[:, donors], first, size.sum() * (len(table) - first)

    def fits(self, treated=None, launches=None, donors=None):
        """[(g, Blend, share)] of the waves; treated, launches: units and their first treated rows (default as they are)."""
        treated = self.treated if treated is None else treated
        launches = self.panel.start[treated] if launches is None else launches
        donors = self.donors if donors is None else donors
        found = []
        for g in self.starts:
            members = treated[launches == g]
            if len(members):
                y, D, first, share = self.wave(g, members, donors)
                found.append((g, blend(y, D, first, self.method, len(members)), share))
        total = sum(share for *_, share in found)
        return [(g, fit, share / total) for g, fit, share in found]

    def estimate(self, *choice):
        """Mean effect over the treated cells of all waves."""
        return sum(share * fit.estimate for _, fit, share in self.fits(*choice))

    def bootstrap(self, rng, draws=DRAWS):
        """Estimates (draws,) from treated units and donors drawn with replacement (Arkhangelsky et al., algorithm 2)."""
        found = []
        while len(found) < draws:
            treated, donors = rng.choice(self.treated, len(self.treated)), rng.choice(self.donors, len(self.donors))
            if len(set(donors.tolist())) > 1:
                found.append(self.estimate(treated, self.panel.start[treated], donors))
        return np.array(found)

    def placebos(self, rng, draws=DRAWS):
        """Estimates when donors play the treated units, with their launches: each once where one unit was treated, else
        random groups (Arkhangelsky et al., algorithm 4). DataFrame with units, estimate, before, after (RMS of gaps)."""
        n1, launches = len(self.treated), self.panel.start[self.treated]
        groups = [[k] for k in range(len(self.donors))] if n1 == 1 else [
            rng.choice(len(self.donors), n1, replace=False) for _ in range(draws)]  # fmt: skip
        found = []
        for group in groups:
            fits = self.fits(self.donors[group], launches, np.delete(self.donors, group))
            names = ", ".join(self.panel.names[u] for u in self.donors[group])
            found.append((names, sum(share * fit.estimate for _, fit, share in fits), *self._misfit(fits)))
        return pd.DataFrame(found, columns=["unit", "estimate", "before", "after"])

    def _misfit(self, fits):
        """Root mean square of the gaps before (less their weighted mean) and after the launch."""
        early = sum(share * np.mean((fit.gaps[: self.first[g]] - self._level(fit)) ** 2) for g, fit, share in fits)
        late = sum(share * np.mean((fit.gaps[self.first[g] :] - self._level(fit)) ** 2) for g, fit, share in fits)
        return math.sqrt(early), math.sqrt(late)

    @staticmethod
    def _level(fit):
        return fit.period_weights @ fit.gaps[: len(fit.period_weights)]

    def noise(self, g):
        """As `Waves.noise`: variance of one entry of the gaps from units' own noise, and its persistence."""
        first, table = self.first[g], self.table[g]
        donors, members = table[:first, self.donors], table[:first, self.treated[self.panel.start[self.treated] == g]]
        size, lag, square = [], 0.0, 0.0
        for part in (members, donors):
            n = part.shape[1]
            e = part - part.mean(axis=0) - part.mean(axis=1, keepdims=True) + part.mean()
            size.append(np.sum(e**2) / ((n - 1) * (first - 1)) if n > 1 else math.nan)
            lag, square = lag + np.sum(e[1:] * e[:-1]), square + np.sum(e**2) * (1 - 1 / first)
        s1, s0 = (size[1] if math.isnan(size[0]) else size[0]), size[1]
        weights = next(fit.weights for at, fit, _ in self.fits() if at == g)
        return s1 / max(members.shape[1], 1) + s0 * np.sum(weights**2), float(_persistence(lag, square, first))


# ---- trends before the launch, and what they could do after it


def joint_test(mean, arms, df):
    """p-value of mean (q,) = 0 from covariances of two independent arms [(q, q), (q, q)] and their df: (p, F, q, df2).

    Hotelling's T squared for arms of unequal variance, with the degrees of freedom of Krishnamoorthy and Yu (2004); an
    arm without variance (df 0) may be None. For arms of equal size and variance it is the classical test.
    """
    arms = [(S, d) for S, d in zip(arms, df, strict=True) if d > 0]
    S = sum(S for S, _ in arms)
    values, vectors = np.linalg.eigh(S)
    keep = values > 1e-9 * max(values.max(), 1e-300)
    q = int(keep.sum())
    if q == 0:
        return 1.0, 0.0, 0, 0.0
    root = vectors[:, keep] / np.sqrt(values[keep])
    T2 = float(np.sum((root.T @ mean) ** 2))
    parts = [(root.T @ S @ root, d) for S, d in arms]
    nu = (q + q**2) / sum((np.trace(P @ P) + np.trace(P) ** 2) / d for P, d in parts)
    if nu - q + 1 <= 0:
        return math.nan, math.nan, q, nu - q + 1
    F = T2 * (nu - q + 1) / (nu * q)
    return float(stats.f.sf(F, q, nu - q + 1)), F, q, float(nu - q + 1)


def folded_half(bias, error, df, level=0.95):
    """Half-width that covers for any bias up to `bias`: quantile of |N(bias/error, 1)| times error.

    Armstrong and Kolesár (2018); for few degrees of freedom it is stretched by the ratio of t to normal quantiles.
    """
    if not error > 0:
        return bias
    error = error * stats.t.ppf(0.5 + level / 2, df) / stats.norm.ppf(0.5 + level / 2)
    if bias > 10 * error:  # only one end matters
        return float(bias + stats.norm.ppf(level) * error)
    return float(error * math.sqrt(stats.ncx2.ppf(level, 1, (bias / error) ** 2)))


def slope_bias(contrast, M):
    """Largest |contrast @ d| over paths d (T,) that change by at most M from one period to the next; contrast sums to 0.

    M times the sum of absolute cumulative sums: each step adds to all later periods.
    """
    return float(M * np.abs(np.cumsum(contrast)[:-1]).sum())


def bend_bias(contrast, M):
    """Largest |contrast @ d| over paths d (T,) whose slope changes by at most M per period; infinite if a straight line
    moves the contrast (which must sum to 0)."""
    t = np.arange(len(contrast))
    if abs(t @ contrast) > 1e-9 * len(t) * np.abs(contrast).sum():
        return math.inf
    return float(M * np.abs(contrast @ np.maximum(t[:, None] - t[1:-1], 0)).sum())


# ---- from the aggregate to a panel

NEVER = ("never", "inf", "infinity", "+inf", "+infinity")  # spellings of "not treated", beside NULL and empty
MEANING = {  # what check.sql can find
    "unit is missing": (WARNING, "These rows were left out."),
    "period is missing": (WARNING, "These rows were left out."),
    "outcome is missing": (WARNING, "These rows were left out; that is harmless only if the reason has nothing to do "
                                    "with the outcome."),
    "outcome is not a finite number": (FATAL, "Repair them, or leave them out with a WHERE."),
    "treatment is missing": (WARNING, "They do not count against the rule."),
    "treatment is neither of its two values": (FATAL, "Code it 0 and 1, or say with treated_value which value it is."),
    "user appears more than once in a unit and period": (FATAL, "Make them one row each (GROUP BY user, unit, period); "
                                                         "if the log was loaded twice, take it once."),
    "user appears in several units": (WARNING, "Who was served by a treated unit and by a control carries the effect "
                                               "across: the estimate is then too small."),
    "the log has no rows": (FATAL, "Look at the path and the WHERE."),
}  # fmt: skip
ROLES = ("outcome", "unit", "period"), ("first_treated", "treated", "user")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", flags=re.I)
_DATE = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?( ?(Z|UTC|[+-]\d{2}(:?\d{2})?))?")
_WORD = re.compile(r"([A-Za-z][A-Za-z _-]*?)[ _-]?(\d+)")


def _blank(text):
    return text is None or text != text or str(text).strip().lower() in own_logs.MISSING


def _day(text):
    """What `_when` says of a day that is written as 20260331; None for anything else."""
    key = re.fullmatch(r"((?:19|20|21)\d\d|9999)(\d\d)(\d\d)(\.0+)?", str(text).strip())
    try:
        return _when("-".join(key.groups()[:3])) if key else None
    except ValueError:
        return None


def _when(text):
    """(kind, number, label) of a period's text, or None. Dates are seconds; the kind tells what may be compared."""
    text = str(text).strip()
    if _NUMBER.fullmatch(text):
        return "a number", float(text), own_logs.number_text(float(text))
    try:
        if _DATE.fullmatch(text):
            day, rest = re.match(r"([\d/-]+)(.*)", text).groups()
            if not rest.startswith(("T", " ")) and len(re.split("[-/]", day)) > 3:
                return None
            day = "-".join(part.zfill(2) for part in re.split("[-/]", day))
            moment = datetime.fromisoformat(
                day + re.sub(r" ?(UTC|Z)$", "+00:00", rest.replace(" +", "+").replace(" -", "-"))
            )
        elif match := re.fullmatch(r"(\d{4})-?W(\d{1,2})", text, flags=re.I):
            moment = datetime.fromisocalendar(int(match[1]), int(match[2]), 1)
            return "a date", (moment - datetime(1970, 1, 1)).total_seconds(), f"{match[1]}-W{int(match[2]):02}"
        elif match := re.fullmatch(r"(\d{4})[-/](\d{1,2})", text):
            moment = datetime(int(match[1]), int(match[2]), 1)
        elif match := re.fullmatch(r"(\d{4})[ -]?Q([1-4])", text, flags=re.I):
            moment = datetime(int(match[1]), 3 * int(match[2]) - 2, 1)
            return "a date", (moment - datetime(1970, 1, 1)).total_seconds(), f"{match[1]}-Q{match[2]}"
        elif match := _WORD.fullmatch(text):
            return f"a number after {match[1].strip().lower()!r}", float(match[2]), text
        else:
            return None
    except ValueError:
        return None
    if moment.tzinfo is not None:
        return "a date with a time zone", moment.timestamp(), moment.isoformat(" ")
    seconds = (moment - datetime(1970, 1, 1)).total_seconds()
    return "a date", seconds, moment.date().isoformat() if seconds % 86400 == 0 else moment.isoformat(" ")


def _read_whens(texts, weights, what, when):
    """{text: (number, label)}, their common kind, and problems; weights: rows by text; when: `_when` or its like."""
    read = {text: when(text) for text in texts}
    bad = [text for text, value in read.items() if value is None]
    kinds = {}
    for text, value in read.items():
        if value is not None:
            kinds[value[0]] = kinds.get(value[0], 0) + weights[text]
    if bad:
        shown = ", ".join(repr(text) for text in sorted(map(str, bad))[:3])
        return read, None, [say(f"{what} is neither a number nor a date", place=f"such as {shown}",
                                rows=sum(weights[text] for text in bad), what_to_do="Write dates as 2026-01-31, or give "
                                "an SQL expression that makes a number or a date of them.")]  # fmt: skip
    if len(kinds) > 1:
        odd = min(kinds, key=kinds.get)
        shown = next(text for text, value in read.items() if value[0] == odd)
        zero = " If 0 is how the log writes 'never', NULLIF(first_treated, 0) says so." if {"0", "0.0"} & {*read} else ""
        return read, None, [say(f"{what} is of several kinds: {' and '.join(sorted(kinds))}", place=f"such as {shown!r}",
                                rows=kinds[odd], what_to_do=f"Bring them to one kind.{zero}")]  # fmt: skip
    return {text: value[1:] for text, value in read.items()}, next(iter(kinds), None), []


def _design(window=None, method="did", interval="shared", controls="not yet", weights="units", anticipation=0, level=0.95,
            accept=(), seed=0):  # fmt: skip
    """The analyst's decisions, checked; raises ValueError in one line."""
    own_logs.check_choice("method", method, METHODS)
    own_logs.check_choice("interval", interval, ("shared", "units"))
    own_logs.check_choice("controls", controls, ("not yet", "never"))
    own_logs.check_choice("weights", weights, ("units", "rows"))
    accept = (accept,) if isinstance(accept, str) else tuple(accept)
    for name in accept:
        own_logs.check_choice("accept", name, ("fit", "rule"))
    if window is not None:
        if isinstance(window, str) or not hasattr(window, "__len__") or len(window) != 2:
            raise ValueError(f"window: the first and the last period, as in (0, 29), not {window!r}")
        for end in window:
            if not _blank(end) and _when(end) is None:
                raise ValueError(f"window: {end!r} is neither a number nor a date such as '2026-01-31'")
    return {
        "window": None if window is None else tuple(window),
        "method": method,
        "interval": interval,
        "controls": controls,
        "weights": weights,
        "anticipation": own_logs.check_number("anticipation", anticipation, at_least=0, whole=True),
        "level": own_logs.check_number("level", level, above=0, below=1),
        "accept": accept,
        "seed": own_logs.check_number("seed", seed, at_least=0, whole=True),
    }


def _roles(columns):
    own_logs.check_roles(columns, *ROLES)
    if not columns.get("first_treated") and not columns.get("treated"):
        raise ValueError("columns: say which column is 'first_treated' (each unit's first treated period, NULL where it "
                         "is not treated), or 'treated' (0 or 1 in each row)")  # fmt: skip


def _some(names, most=4):
    names = sorted(map(repr, map(str, names)))
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _plural(number, word):
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _cells(aggregate):
    """Cells with text columns unit, period, first_treated, and the numbers as floats; without missing units, periods."""
    cells = aggregate.rename(columns=str.lower)
    numbers = ["rows_in_cell", "n", "y", "yy", "known", "d"]
    cells = cells.assign(**{name: cells[name].astype(float) for name in numbers})
    for name in ("unit", "period", "first_treated"):
        texts = {text: None if _blank(text) else str(text).strip() for text in cells[name].unique()}
        cells[name] = pd.Series([texts[text] for text in cells[name]], index=cells.index, dtype=object)
    cells = cells[cells["unit"].notna() & cells["period"].notna()]
    whole = cells["unit"].map(lambda text: re.sub(r"^(-?\d+)\.0+$", r"\1", text))  # shards may write 7 and 7.0
    return cells.assign(unit=whole)[["unit", "period", "first_treated", *numbers]]


def _panel(cells, columns, design):
    """(Panel, table, counts, problems) of the cells inside the window; raises UnfitLog."""
    found = []

    def rows_by(name):
        return cells.groupby(name, sort=False)["rows_in_cell"].sum().to_dict()

    keys = all(_day(text) for text in rows_by("period"))  # 20260331 is a day: as numbers, weeks are not evenly spaced

    def when(text):
        return (keys and _day(text)) or _when(text)

    periods, kind, bad = _read_whens(list(rows_by("period")), rows_by("period"), "period", when)
    found += bad
    launch_rows = rows_by("first_treated") if cells["first_treated"].notna().any() else {}
    launch_rows = {text: rows for text, rows in launch_rows.items() if text.lower() not in NEVER}
    if keys and periods:  # no day, and later than any: 99999999
        last = max(float(text) for text in periods)
        launch_rows = {text: rows for text, rows in launch_rows.items()
                       if _day(text) or not _NUMBER.fullmatch(text) or float(text) <= last}  # fmt: skip
    launches, launch_kind, bad = _read_whens(list(launch_rows), launch_rows, "first_treated", when)
    found += bad
    own_logs.refuse(own_logs.problem_table(found))
    if launch_kind not in (None, kind):
        own_logs.refuse(own_logs.problem_table([say(
            f"first_treated is {launch_kind}, period is {kind}", rows=sum(launch_rows.values()),
            what_to_do="Bring them to one kind, by an SQL expression.")]))  # fmt: skip
    cells = cells.assign(at=[periods[text][0] for text in cells["period"]],
                         launch=[launches[text][0] if text in launches else math.inf
                                 for text in cells["first_treated"]])  # fmt: skip
    label = {value: name for value, name in periods.values()}
    everything = np.array(sorted(label))
    by_unit = cells.groupby("unit")["launch"].agg(["min", "max"])
    split = by_unit.index[by_unit["min"] < by_unit["max"]]
    if len(split):
        partly = np.isinf(by_unit.loc[split, "max"]).any()
        do = ("A unit's date must stand in all of its rows: MAX(first_treated) OVER (PARTITION BY unit) fills it in."
              if partly else "A unit is treated as a whole, from one date on; split it, or give its first date.")  # fmt: skip
        found.append(say("two launches in one unit" if not partly else "some rows of a unit have a launch, others none",
                         place=f"unit {_some(split)}", rows=cells.loc[cells["unit"].isin(split), "rows_in_cell"].sum(),
                         what_to_do=do))  # fmt: skip
    own_logs.refuse(own_logs.problem_table(found))
    inside = np.ones(len(everything), bool)
    if design["window"]:
        ends = [None if _blank(end) else when(end) for end in design["window"]]
        for end, given in zip(ends, design["window"], strict=True):
            if end is not None and end[0] != kind:
                raise ValueError(f"window: {given!r} is {end[0]}, the periods of the log are {kind}")
        low, high = (ends[0][1] if ends[0] else -math.inf), (ends[1][1] if ends[1] else math.inf)
        inside = (everything >= low) & (everything <= high)
        if not inside.any():
            raise ValueError(f"window: no period of the log lies in {design['window'][0]!r} to {design['window'][1]!r}; "
                             f"it has {label[everything[0]]} to {label[everything[-1]]}")  # fmt: skip
    times = everything[inside]
    if len(times) > MOST_PERIODS:
        own_logs.refuse(own_logs.problem_table([say(
            f"{len(times):,} periods, and {MOST_PERIODS:,} at most", place=f"such as {label[times[0]]}, {label[times[1]]}",
            what_to_do="Cut them to days or weeks, as in DATE_TRUNC('week', time).")]))  # fmt: skip
    names = by_unit.index.tolist()
    table = cells.groupby(["unit", "at"], as_index=False)[["rows_in_cell", "n", "y", "yy", "known", "d"]].sum()
    table = table[table["at"].between(times[0], times[-1])]
    place = np.searchsorted(times, table["at"]), pd.Index(names).get_indexer(table["unit"])
    shape = len(times), len(names)
    grids = {name: np.zeros(shape) for name in ("rows_in_cell", "n", "y", "known", "d")}
    for name, grid in grids.items():
        grid[place] = table[name]
    spacing = np.median(np.diff(everything)) if len(everything) > 1 else 0.0
    launch = by_unit["min"].to_numpy()
    skip = np.zeros(shape, bool)
    if columns.get("first_treated"):
        start = np.searchsorted(times, launch)
        before = np.array([everything[everything < value].max(initial=-math.inf) for value in launch])
        within = ~np.isin(launch, everything) & (launch < before + spacing) & (start > 0)
        skip[start[within] - 1, np.flatnonzero(within)] = True
        within &= start <= shape[0]
    else:
        start, within = _start_of(grids["known"], grids["d"], skip)
    if within.any():
        found.append(say(f"{_plural(int(within.sum()), 'unit')} launched within a period, which was left out for "
                         f"{'it' if within.sum() == 1 else 'them'}", place=f"unit {_some(np.array(names)[within])}",
                         severity=WARNING, what_to_do="Cut the periods so that the launch begins one, if you can."))  # fmt: skip
    for k in range(1, design["anticipation"] + 1):
        some = (start < shape[0]) & (start - k >= 0)
        skip[start[some] - k, np.flatnonzero(some)] = True
    panel = Panel(names, times.tolist(), [label[value] for value in times], grids["n"], grids["y"], start, skip,
                  design["weights"] == "rows")  # fmt: skip
    if columns.get("treated"):
        found += _against(panel, grids, design, bool(columns.get("first_treated")))
    squares = {"yy": float(table["yy"].sum()), "rows": int(table["rows_in_cell"].sum()), "used": int(table["n"].sum())}
    return panel, grids["rows_in_cell"], squares, found


def _start_of(known, d, skip):
    """First treated rows from the log's own treatment; a first cell that is only partly treated is left out."""
    on = d > 0
    start = np.where(on.any(axis=0), on.argmax(axis=0), len(d))
    partly = np.zeros(len(start), bool)
    for u in np.flatnonzero(start < len(d)):
        if d[start[u], u] < known[start[u], u]:
            skip[start[u], u], partly[u] = True, True
            start[u] += 1
    return start, partly


def _against(panel, grids, design, given):
    """The log's own treatment against the launches."""
    rule = np.arange(len(panel.n))[:, None] >= panel.start
    wrong = np.where(panel.skip, 0.0, np.where(rule, grids["known"] - grids["d"], grids["d"]))
    if wrong.sum() == 0:
        return []
    units = np.flatnonzero(wrong.sum(axis=0))
    share = wrong.sum() / grids["known"][:, rule.any(axis=0)].sum() if rule.any() else 1.0
    fatal = share > 0.005 and "rule" not in design["accept"]
    what = (
        "treated against first_treated" if given else "treatment that is switched off again, or reaches part of a unit"
    )
    return [say(f"{what} ({share:.1%} of the rows of treated units)", place=f"unit {_some(np.array(panel.names)[units])}",
                rows=wrong.sum(), severity=FATAL if fatal else WARNING, what_to_do="Look at the launch dates, their time "
                "zone and their unit; if it is so and the plan is what you study, accept=('rule',).")]  # fmt: skip


# ---- the estimate and its intervals


@dataclass
class Estimate:
    """One estimate with its intervals; half widths are nan where none is to be had (`why` says for what reason)."""

    estimate: float
    error: float  # from units
    df: float
    half_units: float
    half_shared: float
    shock: dict
    counted: str  # how the interval from units was made
    why: list
    n_treated: int
    n_controls: int
    waves: Waves
    blends: Blends = None
    path: tuple = None  # (event times, means, [covariance by arm], df by arm): the event study of "did"
    contrasts: list = field(default_factory=list)  # by wave: (share, contrast over the rows of the wave)


FEW_BEFORE = 4  # fewer periods before the launch tell nothing of shared shocks


def estimate_panel(panel, design):
    """`Estimate` of a Panel: the numbers behind `analyse`. None where no wave can be compared."""
    waves = Waves(panel, design["controls"])
    if not waves.fits:
        return None
    return _did_estimate(waves, design) if design["method"] == "did" else _blend_estimate(waves, design)


def _did_estimate(waves, design):
    level, T = design["level"], len(waves.panel.n)
    K, starts = len(waves.fits), np.array(waves.starts)
    events = np.arange(T)[None, :] - starts[:, None]  # (K, T)
    times = np.unique(events[waves.weights > 0])
    at_time = (events.reshape(-1, 1) == times).astype(float)  # which cells belong to which time since the launch

    def statistic(gaps, weights):
        """(..., 1 + K + events): the estimate, those of the waves, and the event study."""
        live = np.where(weights > 0, weights, 0.0)
        value = np.where(live > 0, gaps, 0.0)
        late = live * waves.after
        flat = (*live.shape[:-2], K * T)
        with np.errstate(invalid="ignore", divide="ignore"):
            by_wave = (late * value).sum(axis=-1) / late.sum(axis=-1)
            total = (late * value).sum(axis=(-1, -2)) / late.sum(axis=(-1, -2))
            path = ((live * value).reshape(flat) @ at_time) / (live.reshape(flat) @ at_time)
        return np.concatenate([total[..., None], by_wave, path], axis=-1)

    now = statistic(waves.gaps, waves.weights)
    parts = waves.left_out(statistic)
    sizes = [_effective(waves, True), _effective(waves, False)]
    covariances = [_jackknife(part) if len(part) > 1 else None for part in parts]

    def error_of(at, n1, n0):
        V1, V0 = (math.nan if c is None else c[at, at] for c in covariances)
        return tuple(map(float, _welch(V1, V0, n1, n0)))

    error, df = error_of(0, *sizes)
    why = []
    if max(len(part) for part in parts) < 2:
        why.append("one treated unit and one control: units cannot tell their own noise")
    elif not math.isfinite(error):
        why.append("without one of its units the estimate could not be made at all: too many gaps")
    half_units = float(stats.t.ppf(0.5 + level / 2, df) * error) if math.isfinite(error) else math.nan
    shares = (waves.weights * waves.after).sum(axis=1)
    shares = shares / shares.sum()
    contrasts, series, shock, half_shared = [], [], {}, math.nan
    for k, fit in enumerate(waves.fits):
        rows, early, late = fit["rows"], fit["rows"] < fit["g"], waves.weights[k] * waves.after[k]
        of_row = fit["w"] / np.where(waves.weights[k] > 0, waves.weights[k], 1.0)[:, None]  # a unit's part in its mean
        contrast = (late - (late @ of_row) @ fit["share"].T)[rows] / late.sum()
        contrasts.append((float(shares[k]), contrast))
        if early.sum() >= FEW_BEFORE:
            series.append((float(shares[k]), waves.gaps[k][rows[early]], contrast, *waves.noise(k)))
    if len(waves.treated) == len(waves.controls) == 1:
        if series and len(series[0][1]) >= 2 * FEW_BEFORE:
            half_shared, shock = shared_shock_interval(*series[0][1:3], None, 0.0, 1.0, level=level)
        else:
            why.append(f"fewer than {2 * FEW_BEFORE} periods before the launch: the periods cannot tell either")
    elif math.isfinite(half_units) and sum(share for share, *_ in series) > 0.5:
        half_shared, shock = _shared_by_waves(series, error, df, level)
    elif math.isfinite(half_units):
        why.append(f"fewer than {FEW_BEFORE} periods before the launch: whether the treated units share shocks cannot be "
                   "told")  # fmt: skip
    means = now[1 + K :]
    sound = np.all(
        [np.isfinite(part[:, 1 + K :]).all(axis=0) for part in parts if len(part) > 1] or [means == means], axis=0
    )
    at = np.flatnonzero(sound)
    path = (times[sound], means[sound], [None if c is None else c[1 + K :, 1 + K :][np.ix_(at, at)] for c in covariances],
            sizes)  # fmt: skip
    return Estimate(float(now[0]), error, df, half_units, half_shared, shock, _counted(*map(len, parts)), why,
                    len(waves.treated), len(waves.controls), waves, None, path, contrasts)  # fmt: skip


def _counted(n1, n0):
    if n1 == 1 and n0 > 1:
        return "t over the controls, whose noise is lent to the one treated unit"
    if n0 == 1 and n1 > 1:
        return "t over the treated units, whose noise is lent to the one control"
    return "Welch's t over units"


def _effective(waves, treated):
    """Number of equally weighted units of an arm with the same variance of a mean (Kish 1965)."""
    if treated:
        size = np.concatenate([fit["w"].T @ late for fit, late in zip(waves.fits, waves.after, strict=True)])
    else:
        size = waves.W[:, waves.controls].sum(axis=0)
    return float(size.sum() ** 2 / np.sum(size**2)) if len(size) else 0.0


def _jackknife(left_out):
    """Covariance of estimates from the values (n, q) without each unit of one arm."""
    deviation = left_out - left_out.mean(axis=0)
    return (len(left_out) - 1) / len(left_out) * deviation.T @ deviation


LEAST_FOR_DRAWS = 4  # units of an arm, below which nothing is drawn with replacement


def _blend_estimate(waves, design):
    panel, level, method = waves.panel, design["level"], design["method"]
    pure = np.zeros(len(panel.names), bool)
    pure[waves.controls] = True
    blends = Blends(panel, method, pure, [g for g in waves.starts if (panel.start == g).any()])
    n1, n0 = len(blends.treated), len(blends.donors)
    if min(n1, n0) == 0 or min(blends.first.values()) < 3 or n0 < 2:
        return Estimate(math.nan, math.nan, math.nan, math.nan, math.nan, {}, "", [], n1, n0, waves, blends)
    estimate, why, rng = blends.estimate(), [], np.random.default_rng(design["seed"])
    half_units = half_shared = error = df = math.nan
    counted, shock = "", {}
    if min(n1, n0) >= LEAST_FOR_DRAWS:
        counted = f"{DRAWS} draws of units with replacement, refitted"
        least = min(n1, n0)
        error = float(blends.bootstrap(rng).std(ddof=1) * math.sqrt(least / (least - 1)))
        df = float(n1 + n0 - 2)
        half_units = float(stats.t.ppf(0.5 + level / 2, df) * error)
        half_shared, shock = _shared_by_blends(blends, error, df, level)
    elif n0 >= n1 + 3:
        placebos = blends.placebos(rng)["estimate"].to_numpy()
        counted = f"t with the spread of {len(placebos)} placebo estimates, in which donors play the treated"
        error, df = float(placebos.std(ddof=1)), float(n0 - n1 if n1 > 1 else n0 - 1)
        half_units = float(stats.t.ppf(0.5 + level / 2, df) * error)
        half_shared, shock = _shared_by_blends(blends, error, df, level)
    else:
        why.append(f"{_plural(n1, 'treated unit')} and {_plural(n0, 'donor')}: too few to show how far such an estimate "
                   "misses by chance")  # fmt: skip
    return Estimate(float(estimate), error, df, half_units, half_shared, shock, counted, why, n1, n0, waves, blends)


def _shared_by_blends(blends, error, df, level):
    series = []
    for g, fit, share in blends.fits():
        first, T = blends.first[g], len(blends.table[g])
        if first >= FEW_BEFORE:
            contrast = np.concatenate([-fit.period_weights, np.full(T - first, 1 / (T - first))])
            series.append((share, fit.gaps[:first], contrast, *blends.noise(g)))
    return _shared_by_waves(series, error, df, level) if sum(share for share, *_ in series) > 0.5 else (math.nan, {})


# ---- the interface: analyse, queries, analyse_tables


def _queries(block):
    """The two SQL texts; block: {"unit", "period", "first_treated", "outcome", "treated", "who"}: SQL or None."""
    nothing = "CAST(NULL AS DOUBLE)"
    check, aggregate = ((HERE / name).read_text(encoding="utf-8") for name in ("check.sql", "aggregate.sql"))
    shared = {"unit": block["unit"], "period": block["period"]}
    values = {"outcome": block["outcome"], "treated": block["treated"] or nothing}
    check = own_logs.fill(check, shared | values | {"treated_given": int(block["treated"] is not None),
                                                    "who": block["who"] or nothing})  # fmt: skip
    first = {"first_treated": block["first_treated"] or "CAST(NULL AS STRING)"}
    return check, own_logs.fill(aggregate, shared | first | values)


def queries(columns, *, treated_value=None, control_value=None, outcome_offset=0.0, **design):
    """(check, aggregate): the two SQL texts with the reader's columns, for a warehouse that Python cannot reach.

    They run on DuckDB and Spark against a table `logs`; give what they return to `analyse_tables`. columns and design:
    as for `analyse`, columns as names or expressions of your engine (quote odd names as it wants them). For a
    `treated` in words give treated_value and control_value. outcome_offset: a constant near the mean of the outcome,
    which keeps the digits of one whose mean is large against its spread; give it to analyse_tables, too.
    """
    _roles(columns)
    _design(**design)
    if (treated_value is None) != (control_value is None):
        raise ValueError("treated_value and control_value: give both or neither")
    outcome = own_logs.number(columns["outcome"])
    treated = columns.get("treated") and own_logs.yes_no(columns["treated"], None, treated_value, control_value)
    return _queries({"unit": columns["unit"], "period": columns["period"], "who": columns.get("user"),
                     "first_treated": columns.get("first_treated"), "treated": treated or None,
                     "outcome": f"({outcome}) - {own_logs.literal(outcome_offset)}" if outcome_offset else outcome})  # fmt: skip


def analyse(logs, columns, *, treated_value=None, control_value=None, **design):
    """The effect of the treatment on the treated units, or UnfitLog.

    logs: path or glob (CSV, Parquet), DataFrame or DuckDB relation; one row per user, or one per unit and period.
    columns: {"outcome": column, "unit": column, "period": column, "first_treated": column}. period: a number or a date,
    cut to days, weeks or months. first_treated: each unit's first treated period, the same in all of its rows; NULL,
    empty, "never" or later than the window: not treated in it. In its place, or beside it as a check, "treated": 0 or 1
    in each row. "user" finds repeated rows and users who are in several units. A column is a name or an SQL expression such as
    "DATE_TRUNC('week', signed_up)".

    method: "did", "sc", "shifted" or "sdid" (see the module). window: (first, last) period to use, None for open ends.
    weights: "units", every unit and period counts equally, or "rows", every row does. controls: "not yet", units count
    as untreated until their launch, or "never", only those that no comparison sees treated. anticipation: so many
    periods before a launch are left out. interval: "shared" (allows for shocks that the treated share) or "units".
    treated_value, control_value: the words for 1 and 0 in "treated". level: of the interval. seed: of what is drawn
    (units, in the intervals of sc, shifted and sdid). accept: ("fit",) or ("rule",) turns that finding from a refusal
    into a warning.

    Returns Effect. Raises UnfitLog, one line for each fatal problem; ValueError for arguments without sense.
    """
    _roles(columns)
    design = _design(**design)
    with Logs(logs) as log:
        block = {"unit": log.expression("unit", columns["unit"]), "period": log.expression("period", columns["period"]),
                 "first_treated": None, "treated": None, "who": None,
                 "outcome": log.number("outcome", columns["outcome"])}  # fmt: skip
        if columns.get("first_treated"):
            block["first_treated"] = log.expression("first_treated", columns["first_treated"])
        if columns.get("treated"):
            block["treated"] = log.yes_no("treated", columns["treated"], treated_value, control_value)
        if columns.get("user"):
            block["who"] = log.text("user", columns["user"])
        offset = own_logs.centre_of(log, block["outcome"])
        if offset:
            block["outcome"] = f"({block['outcome']}) - {own_logs.literal(offset)}"
        check, aggregate = _queries(block)
        check = log.ask(check)
        own_logs.refuse(own_logs.problem_table(own_logs.named(check, MEANING)))
        aggregate = log.ask(f"SELECT * FROM ({aggregate}) AS cells LIMIT {MOST_CELLS + 1}")
    return _answer(check, aggregate, columns, design, offset)


def analyse_tables(check, aggregate, columns, *, outcome_offset=0.0, **design):
    """`analyse` from what the two texts of `queries` returned (DataFrames), with the same columns and design."""
    _roles(columns)
    return _answer(check, aggregate, columns, _design(**design), outcome_offset)


def _answer(check, aggregate, columns, design, offset):
    found = own_logs.named(check, MEANING)
    own_logs.refuse(own_logs.problem_table(found))
    if len(aggregate) > MOST_CELLS:
        own_logs.refuse(own_logs.problem_table([say(
            f"more than {MOST_CELLS:,} cells of unit and period", what_to_do="Cut the periods to days or weeks, "
            "as in DATE_TRUNC('week', time), or take larger units.")]))  # fmt: skip
    cells = _cells(aggregate)
    if cells["n"].sum() == 0:
        own_logs.refuse(own_logs.problem_table([*found, say("no row has a unit, a period and an outcome", rows=0,
                                                            what_to_do="Look at the columns.")]))  # fmt: skip
    panel, rows, counts, more = _panel(cells, columns, design)
    found += more + _who(panel, rows)
    own_logs.refuse(own_logs.problem_table(found))
    result = estimate_panel(panel, design)
    found += _comparable(panel, result, design)
    own_logs.refuse(own_logs.problem_table(found))
    found += _findings(panel, rows, columns, design, result)
    problems = own_logs.problem_table(found)
    own_logs.refuse(problems)
    return _effect(panel, columns, design, offset, result, problems, counts, rows)


def _who(panel, rows):
    """Is there somebody treated, and somebody to compare with?"""
    there, T = panel.n.sum(axis=0) > 0, len(panel.n)
    launched, first = panel.start < T, panel.start == 0
    found = []
    do = "first_treated must be a period of the window for the units that are treated in it."
    if not (launched & there).any():
        found.append(say("no unit is treated in the window", place=f"{panel.labels[0]} to {panel.labels[-1]}",
                         what_to_do=do))  # fmt: skip
    elif not (there & ~first).any():
        found.append(say("every unit is treated from the beginning", place=f"{panel.labels[0]} to {panel.labels[-1]}",
                         what_to_do="There is no period before, and nobody to compare with. If 0 is how the log writes "
                         "'never', NULLIF(first_treated, 0) says so."))  # fmt: skip
    elif not (launched & there & ~first).any():
        found.append(say("no period before the launch", place=f"{panel.labels[0]} to {panel.labels[-1]}",
                         what_to_do="All treated units are treated from the beginning of the window."))  # fmt: skip
    elif first[there].any():
        found.append(say(f"{_plural(int(first[there].sum()), 'unit')} treated before the window: left out, as treated "
                         "and as control", place=f"unit {_some(np.array(panel.names)[first & there])}",
                         rows=rows[:, first].sum(), severity=WARNING, what_to_do="If 0 is how the log writes 'never', "
                         "NULLIF(first_treated, 0) says so."))  # fmt: skip
    return found


def _comparable(panel, result, design):
    """Fatal findings about the comparison itself."""
    place = f"{panel.labels[0]} to {panel.labels[-1]}"
    if result is None:
        same = len(set(panel.start[panel.n.sum(axis=0) > 0])) == 1
        what = "no comparison: all units are treated at the same time" if same else (
            "no comparison: no treated unit has periods before and after its launch in which others are untreated")  # fmt: skip
        never = (
            ""
            if not (panel.start == 0).any()
            else " If 0 is how the log writes 'never', NULLIF(first_treated, 0) says so."
        )
        return [say(what, place=place, what_to_do="Units that wait, or are never treated, are needed at the same time."
                    + never)]  # fmt: skip
    if design["method"] != "did":
        blends, found = result.blends, []
        if min(blends.first.values()) < 3:
            found.append(say("fewer than three periods before the launch", place=place, what_to_do="No blend of donors "
                             "can be fitted to so few; method='did' asks for less."))  # fmt: skip
        if result.n_treated == 0:
            found.append(say("no treated unit has a full enough series", place=f"unit {_some(_names(panel, blends.lost))}",
                             what_to_do="method='did' needs no full table."))  # fmt: skip
        if result.n_controls < 2:
            found.append(say(f"{_plural(result.n_controls, 'donor')} with a full enough series", place=place,
                             what_to_do="A blend needs two at least; method='did' can compare with one."))  # fmt: skip
        if found:
            return found
    varies = np.nanmax(panel.values) - np.nanmin(panel.values)
    if not varies > 1e-12 * max(1.0, np.nanmax(np.abs(panel.values))):
        return [say("the outcome does not vary", place=place, what_to_do="There is nothing to estimate from.")]
    return []


def _names(panel, units):
    return [panel.names[u] for u in units]


def _findings(panel, rows, columns, design, result):
    """Rows for the table of problems."""
    found, waves, T = [], result.waves, len(panel.n)
    for reason, units in waves.lost.items():
        if units:
            found.append(say(f"{_plural(len(units), 'treated unit')} with {reason}: left out",
                             place=f"unit {_some(_names(panel, units))}", rows=rows[:, units].sum(), severity=WARNING,
                             what_to_do="The estimate says nothing of them."))  # fmt: skip
    if result.blends is not None and result.blends.lost:
        found.append(say(f"{_plural(len(result.blends.lost), 'unit')} with more than a tenth of a side empty: left out",
                         place=f"unit {_some(_names(panel, result.blends.lost))}", severity=WARNING,
                         rows=rows[:, result.blends.lost].sum(), what_to_do="method='did' can use them."))  # fmt: skip
    filled = (panel.n > 0).mean()
    if filled < 0.2 and T > 10:
        found.append(say(f"only {filled:.0%} of the cells of unit and period hold rows", severity=WARNING,
                         what_to_do="Cut the periods coarser, or take larger units."))  # fmt: skip
    if not columns.get("user") and np.median(rows[rows > 0]) == 1 and rows.max() > 1:
        found.append(say("several rows in a cell, where most hold one", severity=WARNING, rows=rows[rows > 1].sum(),
                         place=f"unit {_some(_names(panel, np.flatnonzero((rows > 1).any(axis=0))))}",
                         what_to_do="Their mean was taken; if the log was loaded twice, take it once."))  # fmt: skip
    if not math.isfinite(result.half_units) and not math.isfinite(result.half_shared):
        found.append(say("no interval is to be had", severity=WARNING, place="; ".join(result.why),
                         what_to_do="The estimate may be chance."))  # fmt: skip
    single = {"treated unit": result.n_treated, "control": result.n_controls}
    for name, number in single.items():
        if number == 1:
            found.append(say(f"only one {name}", severity=WARNING, what_to_do="What befell it alone in these periods "
                             "cannot be told from the treatment; compare placebo_units()."))  # fmt: skip
    early = min(fit["g"] for fit in waves.fits) if result.blends is None else min(result.blends.first.values())
    if early < FEW_BEFORE:
        found.append(say(f"only {_plural(early, 'period')} before the first launch", severity=WARNING,
                         what_to_do="Whether the groups moved alike cannot be seen."))  # fmt: skip
    if result.shock and result.shock["probability"] > 0.95:
        lasting = result.shock["lasting"] > 0.8
        found.append(say(f"the treated group as a whole moved before the launch, beyond its units' noise (shocks of "
                         f"{result.shock['relative']:.2g} times its variance, autocorrelation "
                         f"{result.shock['lasting']:.2f})", place="before the launch", severity=WARNING,
                         what_to_do="An interval that counts units is too narrow here; interval='shared' allows for it." +
                         (" Shocks that last as long as the window are a trend, and no interval is sure: see "
                          "bounds()." if lasting else "")))  # fmt: skip
    if result.path is not None:
        trends = pre_trends(result)
        if trends["p"] < 0.01:
            found.append(say(f"the groups did not move in parallel before the launch (joint test p = {trends['p']:.1g})",
                             place="before the launch", severity=WARNING, what_to_do="Look at event_study(), and at "
                             "bounds() for what such movements leave of the estimate."))  # fmt: skip
    found += _fit_findings(panel, design, result)
    return found + _selection(panel, rows, design)


def _fit_findings(panel, design, result):
    found = []
    if result.blends is None or design["method"] == "sdid":
        return found
    for g, fit, _ in result.blends.fits():
        first, before = result.blends.first[g], fit.gaps[: result.blends.first[g]]
        if design["method"] == "sc" and first >= 5:
            t, mean = level_test(before)
            if abs(t) > 3.5:
                place = f"launch at {panel.labels[g]}"
                found.append(say(f"the treated series lies {'above' if mean > 0 else 'below'} what its donors can blend "
                                 f"(mean gap before {mean:+.3g}, t {t:.1f})", place=place,
                                 severity=WARNING if "fit" in design["accept"] else FATAL, what_to_do="The gap after the "
                                 "launch counts it in: use method='shifted', 'sdid' or 'did'."))  # fmt: skip
        y, D, *_ = result.blends.wave(g, result.blends.treated[panel.start[result.blends.treated] == g],
                                      result.blends.donors)  # fmt: skip
        low, high = weights_left_open(y, D, first, fit)
        if high - low > 1e-6 * max(abs(fit.estimate), np.abs(fit.gaps).max(), 1e-300):
            found.append(say(f"the periods before leave the weights open: weights that fit as well give {short(low)} to "
                             f"{short(high)}", place=f"launch at {panel.labels[g]}", severity=WARNING,
                             what_to_do="More donors than periods: take method='sdid' or 'did', or more periods."))  # fmt: skip
    return found


def level_test(before):
    """(t, mean) of gaps before the launch (T0,): is their level nought? Its error allows for neighbours that resemble."""
    n, mean = len(before), float(np.mean(before))
    e = before - mean
    square = float(e @ e)
    if square <= 1e-24 * max(1.0, mean**2) * n:
        return (0.0 if abs(mean) < 1e-9 else math.copysign(math.inf, mean)), mean
    rho = float(np.clip(e[1:] @ e[:-1] / square + 1 / n, 0.0, 0.9))
    return mean / math.sqrt(square / (n - 1) / n * (1 + rho) / (1 - rho)), mean


def _selection(panel, rows, design):
    """Do rows come, or lose their outcome, differently in the treated units once they are treated?"""
    found = []
    one = _design(controls=design["controls"])
    lost = rows - panel.n
    for what, limit, where in (("outcomes go missing", 0.01, rows > 0), ("rows come", 0.001, rows > 0)):
        if what == "outcomes go missing" and lost.sum() == 0 or what == "rows come" and np.median(rows[rows > 0]) <= 1:
            continue
        share = lost / np.maximum(rows, 1) if what == "outcomes go missing" else np.log(np.maximum(rows, 1.0))
        other = Panel(panel.names, panel.periods, panel.labels, where * 1.0, np.where(where, share, 0.0), panel.start,
                      panel.skip)  # fmt: skip
        result = estimate_panel(other, one)
        if result is None or not result.error >= 0:
            continue
        p = 2 * stats.t.sf(abs(result.estimate) / max(result.error, 1e-300), result.df)
        half = result.half_shared if result.half_shared == result.half_shared else result.half_units
        if p < limit and abs(result.estimate) > max(half, 0.01):
            size = (f"{100 * result.estimate:+.1f} points" if what == "outcomes go missing"
                    else f"{100 * math.expm1(result.estimate):+.0f} %")  # fmt: skip
            found.append(say(f"{what} differently in the treated units after the launch: {size} (p = {p:.1g})",
                             severity=WARNING, rows=lost.sum() if what == "outcomes go missing" else np.nan,
                             what_to_do="Before and after are then not the same kind of row; say so, and bound what it "
                             "could change."))  # fmt: skip
    return found


def pre_trends(result):
    """What the periods before say of trends: dict with p (joint test), F, df, slope, slope_lo, slope_hi (per period),
    bias_lo, bias_hi (what such a slope, going on, would add to the estimate), distance (periods between the middles).

    result: an Estimate of "did". With more periods before than four fifths of the smaller arm's degrees of freedom, neighbours are averaged: beyond
    that the test rejects too often (.09 at a nominal .05 for arms of 5 and 40)."""
    times, means, covariances, sizes = result.path
    early = times < 0
    nothing = {"p": math.nan, "F": math.nan, "df": (0, 0.0), "slope": math.nan, "slope_lo": math.nan,
               "slope_hi": math.nan, "bias_lo": math.nan, "bias_hi": math.nan, "distance": math.nan}  # fmt: skip
    known = [(c, n) for c, n in zip(covariances, sizes, strict=True) if c is not None]
    if early.sum() < 2 or not known:
        return nothing
    m = int(early.sum())
    lent = {0: 1.0, 1: 1.0} if len(known) == 2 else {0: 1.0 + known[0][1]}  # one unit has the noise of n: n + 1 in all
    arms = [(c[np.ix_(early, early)] * lent[k], n - 1.0) for k, (c, n) in enumerate(known)]
    free = sum(d for _, d in arms)
    number = min(m, 1 + max(1, int(0.8 * min(d for _, d in arms))))  # so many stretches can be told apart
    blocks = np.arange(m) * number // m
    average = np.array([(blocks == b) / np.sum(blocks == b) for b in np.unique(blocks)])
    average -= average.mean(axis=0)  # movements, whatever the level
    F = joint_test(average @ means[early], [average @ c @ average.T for c, _ in arms], [d for _, d in arms])
    t = times[early] - times[early].mean()
    line = t / (t @ t)
    slope, parts = float(line @ means[early]), [float(line @ c @ line) for c, _ in arms]
    V = sum(parts)
    df = 1 / sum((v / V) ** 2 / d for v, (_, d) in zip(parts, arms, strict=True)) if V > 0 else free
    half = stats.t.ppf(0.975, df) * math.sqrt(V)
    distance = sum(share * float(np.arange(len(c)) @ c) for share, c in result.contrasts)
    ends = sorted(((slope - half) * distance, (slope + half) * distance))
    found = {"p": F[0], "F": F[1], "slope": slope, "slope_lo": slope - half, "slope_hi": slope + half,
             "bias_lo": ends[0], "bias_hi": ends[1], "distance": distance}  # fmt: skip
    return {name: float(value) for name, value in found.items()} | {"df": (F[2], float(F[3]))}


# ---- the result

NAMES = {"did": "difference-in-differences", "sc": "synthetic control", "shifted": "synthetic control with an intercept",
         "sdid": "synthetic difference-in-differences"}  # fmt: skip


def _effect(panel, columns, design, offset, result, problems, counts, rows):
    level, T = design["level"], len(panel.n)
    half, which = result.half_units, "units"
    if design["interval"] == "shared" and result.half_shared == result.half_shared:
        half, which = result.half_shared, "shared"
    if which == "shared" and result.half_units == result.half_units:
        counted = f"interval from {result.counted}" + (
            ", widened by what the periods before show of shocks that the group shares"
            if result.half_shared > result.half_units else "")  # fmt: skip
    elif which == "shared":
        counted = "interval from the periods before alone"
    else:
        counted = f"interval from {result.counted}" if half == half else "no interval: " + "; ".join(result.why)
    error = half / stats.t.ppf(0.5 + level / 2, result.df) if result.error == result.error else (
        half / stats.norm.ppf(0.5 + level / 2))  # fmt: skip
    after = sorted({t for k in range(len(result.waves.fits)) for t in np.flatnonzero(result.waves.after[k])})
    if result.blends is not None:
        after = sorted({t for g, at in result.blends.rows.items() for t in at[result.blends.first[g] :]})
    waves = len(result.waves.fits)
    each = "every row counts equally" if panel.by_rows else "every unit and period counts equally"
    whom = f"the {result.n_treated} treated units" if result.n_treated > 1 else "the one treated unit"
    whom += f" ({waves} launch dates)" if waves > 1 else ""
    span = panel.labels[after[0]] + (f" to {panel.labels[after[-1]]}" if len(after) > 1 else "")
    against = {"not yet": "units not yet treated", "never": "units that no comparison sees treated"}[design["controls"]]
    against = against if design["method"] == "did" and waves > 1 else f"{_plural(result.n_controls, 'untreated unit')}"
    estimate = result.estimate
    intervals = [(name, estimate, e, estimate - h, estimate + h) for name, e, h in (
        ("units", result.error, result.half_units),
        ("shared", math.nan if result.half_shared != result.half_shared else
         result.half_shared / stats.t.ppf(0.5 + level / 2, result.df if result.df == result.df else math.inf),
         result.half_shared))]  # fmt: skip
    n = {"rows": counts["rows"], "used": counts["used"], "units_treated": result.n_treated,
         "units_control": result.n_controls, "launches": waves, "periods": T, "periods_after": len(after)}  # fmt: skip
    at, unit = np.nonzero(rows)
    table = pd.DataFrame({"unit": np.array(panel.names, dtype=object)[unit],
                          "period": np.array(panel.labels, dtype=object)[at], "rows": rows[at, unit].astype(int),
                          "n": panel.n[at, unit].astype(int), "mean": panel.values[at, unit] + offset,
                          "treated": (at >= panel.start[unit]) & ~panel.skip[at, unit]})  # fmt: skip
    return Effect(
        estimate=estimate, standard_error=float(error), lo=float(estimate - half), hi=float(estimate + half),
        level=level, method=f"{NAMES[design['method']]} against {against}, {counted}",
        estimand=f"the average effect of the treatment on {columns['outcome']}, on {whom} from {span}; {each}",
        n=n, problems=problems, table=table, columns=columns, design=design, panel=panel, found=result, offset=offset,
        intervals=pd.DataFrame(intervals, columns=["interval", "estimate", "standard_error", "lo", "hi"]),
    )  # fmt: skip


@dataclass(kw_only=True)
class Effect(Result):
    """What `analyse` found: own_logs.Result, and intervals (from units, and with shared shocks), columns, design, panel
    (Panel), found (Estimate), offset. lo and hi are nan where no interval is to be had; `method` says why."""

    intervals: pd.DataFrame
    columns: dict
    design: dict
    panel: Panel
    found: Estimate
    offset: float

    # -- before the launch

    def event_study(self):
        """The difference by time since the launch, relative to the mean before it: DataFrame with time, estimate, lo,
        hi (units alone; nan for a blend) and, for one launch, the period."""
        if self.found.path is not None:
            times, means, covariances, sizes = self.found.path
            parts = [np.full(len(times), math.nan) if c is None else np.diag(c) for c in covariances]
            error, df = _welch(*parts, *sizes)
            half = stats.t.ppf(0.5 + self.level / 2, df) * error
        else:
            blends, parts = self.found.blends, []
            for g, fit, _ in blends.fits():
                units = np.sum(self.panel.start[blends.treated] == g)
                parts += [
                    (t, gap, units) for t, gap in zip(blends.rows[g] - g, fit.gaps - Blends._level(fit), strict=True)
                ]
            times = np.unique([t for t, *_ in parts])
            means = np.array([np.average([gap for t, gap, _ in parts if t == time],
                                         weights=[w for t, _, w in parts if t == time]) for time in times])  # fmt: skip
            half = math.nan
        table = pd.DataFrame({"time": times, "estimate": means, "lo": means - half, "hi": means + half})
        if len(self.found.waves.starts) == 1:
            table.insert(0, "period", [self.panel.labels[self.found.waves.starts[0] + t] for t in times])
        return table

    def pre_trends(self):
        """`pre_trends` of this log as a dict: a joint test, the slope before, and the bias that it would cause after.

        A large p is no proof: read bias_lo to bias_hi, the trends that the data leave open."""
        self._only("did", "pre_trends")
        return pre_trends(self.found)

    def bounds(self, kind="slope", sizes=None):
        """The interval if the groups would not have moved in parallel: DataFrame with M, bias, lo, hi.

        kind "slope": the difference may change by up to M (in the outcome's unit) from one period to the next.
        "magnitudes": after the launch it may change, from one stretch of periods to the next, by up to M times the
        largest such change before (Rambachan and Roth 2023, relative magnitudes). "bend": its slope may change by up
        to M from one period to the next (their smoothness restriction): M = 0 continues the line before the launch.
        sizes: the values of M; default a suggestion. For "did" with an interval."""
        self._only("did", "bounds")
        own_logs.check_choice("kind", kind, ("slope", "magnitudes", "bend"))
        if not self.standard_error > 0:
            raise ValueError("bounds: this log gives no interval to widen")
        sizes = self._sizes(kind) if sizes is None else [own_logs.check_number("sizes", M, at_least=0) for M in sizes]
        found = [(M, *getattr(self, f"_{kind}")(M)) for M in sizes]
        return pd.DataFrame(found, columns=["M", "bias", "lo", "hi"])

    def _sizes(self, kind):
        if kind == "magnitudes":
            return [0.0, 0.5, 1.0, 2.0]
        distance = max(abs(self.pre_trends()["distance"]), 1.0)
        step = float(f"{(abs(self.estimate) + self.standard_error) / distance / 4:.1g}")
        return [k * step / (1 if kind == "slope" else 4) for k in (0, 1, 2, 4)]

    def _slope(self, M):
        bias = sum(share * slope_bias(contrast, M) for share, contrast in self.found.contrasts)
        half = folded_half(
            bias, self.standard_error, self.found.df if self.found.df == self.found.df else np.inf, self.level
        )
        return bias, self.estimate - half, self.estimate + half

    def _path(self):
        times, means, covariances, sizes = self.found.path
        known = [c for c in covariances if c is not None]
        if not known:
            raise ValueError("bounds: units cannot tell their noise here; kind='slope' needs them not")
        S = sum(known) if len(known) == 2 else known[0] * (1 + max(sizes))
        df = self.found.df
        shared = self.standard_error / self.found.error if self.found.error > 0 else 1.0
        late = self._late(times)
        return times, means, S * max(shared, 1.0) ** 2, df, late

    def _late(self, times):
        """Share of each time since the launch in the estimate."""
        waves = self.found.waves
        size = np.zeros(len(times))
        for k, g in enumerate(waves.starts):
            weight = waves.weights[k] * waves.after[k]
            for e in range(len(weight) - g):
                size[times == e] += weight[g + e]
        return size / size.sum()

    def _bend(self, M):
        """The line through the last p periods before, for the p with the shortest interval; biases in closed form."""
        times, means, S, df, late = self._path()
        early = np.flatnonzero(times < 0)
        if len(early) < 2:
            raise ValueError("bounds: two periods before the launch at least")
        grid = np.arange(times[0], times[-1] + 1)
        best = None
        for p in range(2, len(early) + 1):
            t = times[early[-p:]]
            X = np.column_stack([np.ones(p), t])
            contrast = late.copy()
            contrast[early[-p:]] -= np.array([1.0, late @ times]) @ np.linalg.solve(X.T @ X, X.T)
            full = np.zeros(len(grid))
            full[np.searchsorted(grid, times)] = contrast
            bias, error = bend_bias(full, M), math.sqrt(max(contrast @ S @ contrast, 0.0))
            half = folded_half(bias, error, df, self.level)
            if best is None or half < best[0]:
                best = half, bias, float(contrast @ means)
        half, bias, centre = best
        return bias, centre - half, centre + half

    def _magnitudes(self, M):
        """The largest change between stretches before, times M, for as long as the effect lasts.

        Each change may be the largest; the interval is the union over them, one-sided errors on each side: it covers
        whichever it is."""
        times, means, S, df, late = self._path()
        early, last = np.flatnonzero(times < 0), times[late > 0].max()
        length = max(1, min(last + 1, len(early) // 4))
        stretches = [
            early[len(early) - (k + 1) * length : len(early) - k * length] for k in range(len(early) // length)
        ]
        if len(stretches) < 2:
            raise ValueError("bounds: two periods before the launch at least")
        average = np.zeros((len(stretches), len(times)))
        for k, at in enumerate(stretches):
            average[k, at] = 1 / length
        centre = late - average[0]  # relative to the last stretch before
        steps = average[:-1] - average[1:]
        reach = M * float(late @ (np.floor(np.where(times >= 0, times, 0) / length) + 1))
        ends = [(sign * float(a @ means), math.sqrt(max(a @ S @ a, 0.0))) for step in steps for side in (1, -1)
                for sign in (1, -1) for a in [centre + side * reach * step]]  # fmt: skip
        t = stats.t.ppf(0.5 + self.level / 2, df)
        upper = max(value + t * error for value, error in ends[0::2])
        lower = -max(value + t * error for value, error in ends[1::2])
        return float(reach * np.abs(steps @ means).max()), lower, upper

    def holdout(self):
        """How well the blend tells periods that it has not seen: DataFrame with launch, fitted (RMS of the gaps in the
        first two thirds before the launch, to which it is fitted), unseen (in the last third), before (as reported)."""
        self._only(("sc", "shifted", "sdid"), "holdout")
        blends, found = self.found.blends, []
        for g, fit, _ in blends.fits():
            y, D, first, _ = blends.wave(g, blends.treated[self.panel.start[blends.treated] == g], blends.donors)
            cut = first - max(1, first // 3)
            rms = [math.nan, math.nan]
            if cut >= 3:
                trial = blend(y[:first], D[:first], cut, self.design["method"], 1)
                gaps = trial.gaps - Blends._level(trial)
                rms = [float(np.sqrt(np.mean(part**2))) for part in (gaps[:cut], gaps[cut:])]
            gaps = fit.gaps[:first] - Blends._level(fit)
            found.append((self.panel.labels[g], *rms, float(np.sqrt(np.mean(gaps**2)))))
        return pd.DataFrame(found, columns=["launch", "fitted", "unseen", "before"])

    def donors(self):
        """Weights of the donors that have any: DataFrame with launch, unit, weight."""
        self._only(("sc", "shifted", "sdid"), "donors")
        found = [(self.panel.labels[g], self.panel.names[u], weight) for g, fit, _ in self.found.blends.fits()
                 for u, weight in zip(self.found.blends.donors, fit.weights, strict=True) if weight > 1e-6]  # fmt: skip
        table = pd.DataFrame(found, columns=["launch", "unit", "weight"])
        return table.sort_values(["launch", "weight"], ascending=[True, False], kind="stable", ignore_index=True)

    # -- placebos and robustness

    def placebo_dates(self, dates=None):
        """As if the launch had been earlier, from periods before the first one only: the effect there is nought.

        dates: labels of periods; default up to five, spread over those that leave four periods before and two after.
        DataFrame with date, estimate, lo, hi. With five of them, one interval without nought is no surprise; and that
        all hold it is weak evidence: a trend that doubles the estimate can pass."""
        first = min(self.found.waves.starts)
        units = self.found.waves.treated if self.found.blends is None else self.found.blends.treated
        if dates is None:
            places = np.arange(4, first - 1)
            if len(places) > 5:
                places = places[np.linspace(0, len(places) - 1, 5).round().astype(int)]
        else:
            wanted = [found if (found := _day(date)) and found[2] in self.panel.labels else _when(date) for date in dates]
            if any(value is None or value[2] not in self.panel.labels[:first] for value in wanted):
                raise ValueError(f"placebo_dates: periods before the first launch, {self.panel.labels[0]} to "
                                 f"{self.panel.labels[first - 1]}")  # fmt: skip
            places = [self.panel.labels.index(value[2]) for value in wanted]
        found = []
        for place in places:
            start = np.full(len(self.panel.names), first)
            start[units] = place
            result = estimate_panel(self.panel.cut(first, start), self.design)
            if result is not None and result.estimate == result.estimate:
                half = result.half_shared if self.design["interval"] == "shared" and (
                    result.half_shared == result.half_shared) else result.half_units  # fmt: skip
                found.append(
                    (self.panel.labels[place], result.estimate, result.estimate - half, result.estimate + half)
                )
        return pd.DataFrame(found, columns=["date", "estimate", "lo", "hi"])

    def placebo_units(self, draws=DRAWS):
        """As if controls had been treated, with the launches of the treated: nothing happened to them.

        One treated unit: each control in turn; several: random groups of as many. DataFrame with unit, estimate, and for
        a blend the RMS of its gaps before and after. Raises ValueError where there are too few controls for that."""
        waves, rng = self.found.waves, np.random.default_rng([self.design["seed"], 1])
        if self.found.blends is not None:
            if len(self.found.blends.donors) < len(self.found.blends.treated) + 2:
                raise ValueError(
                    "placebo_units: fewer controls than the treated and two; permutation() with method='did'"
                )
            return self.found.blends.placebos(rng, draws)
        launches, controls = self.panel.start[waves.treated], np.array(waves.controls)
        n1 = len(launches)
        if len(controls) < n1 + 1:
            raise ValueError("placebo_units: fewer controls than treated units; permutation() uses all units")
        groups = [[k] for k in range(len(controls))] if n1 == 1 else [
            rng.choice(len(controls), n1, replace=False) for _ in range(draws)]  # fmt: skip
        found, cut = [], self.panel.only(controls)
        for group in groups:
            cut.start, cut.skip = np.full(len(controls), len(self.panel.n)), np.zeros_like(cut.skip)
            cut.start[group], cut.skip[:, group] = launches, self.panel.skip[:, waves.treated]
            found.append((", ".join(cut.names[k] for k in group), Waves(cut, self.design["controls"]).estimate))
        return pd.DataFrame(found, columns=["unit", "estimate"]).dropna(ignore_index=True)

    def permutation(self, draws=999):
        """Are the treated units unusual among all groups of as many units? dict with p, smallest (p that can be had),
        draws. A test of no effect on anybody; for blends the placebo units are ranked, estimate against estimates."""
        if self.found.blends is None:
            waves = self.found.waves
            units = np.array([*waves.treated, *waves.controls])
            cut, rng = self.panel.only(units), np.random.default_rng([self.design["seed"], 2])
            start, skip, n1 = cut.start, cut.skip, len(waves.treated)
            if len(waves.starts) == 1 and math.comb(len(units), n1) <= draws:  # every group, once
                groups = itertools.combinations(range(len(units)), n1)
                roles = [np.argsort([*group, *(k for k in range(len(units)) if k not in group)]) for group in groups]
            else:
                roles = [np.arange(len(units)), *(rng.permutation(len(units)) for _ in range(draws))]
            values = []
            for role in roles:  # each unit plays another, with its launch
                cut.start, cut.skip = start[role], skip[:, role]
                values.append(Waves(cut, self.design["controls"]).estimate)
            values = np.nan_to_num(np.abs(values))
            p, number = float(np.mean(values >= abs(self.estimate) * (1 - 1e-9))), len(values)
        else:
            values = np.abs(self.placebo_units(draws=min(draws, DRAWS))["estimate"])
            p, number = float((1 + np.sum(values >= abs(self.estimate))) / (1 + len(values))), len(values) + 1
        return {"p": p, "smallest": 1 / number, "draws": number}

    def leave_one_out(self):
        """The estimate without each unit in turn: DataFrame with unit, treated, estimate."""
        if self.found.blends is None:
            waves = self.found.waves

            def statistic(gaps, weights):
                late = np.where(weights > 0, weights, 0.0) * waves.after
                with np.errstate(invalid="ignore", divide="ignore"):
                    value = np.where(late > 0, gaps, 0.0)
                    return ((late * value).sum(axis=(-1, -2)) / late.sum(axis=(-1, -2)))[..., None]

            found = [(self.panel.names[u], treated, float(value)) for treated, units, values in zip(
                (True, False), (waves.treated, waves.controls), waves.left_out(statistic), strict=True)
                for u, value in zip(units, values[:, 0], strict=True)]  # fmt: skip
        else:
            blends, found = self.found.blends, []
            for treated, units in ((True, blends.treated), (False, blends.donors)):
                for u in units:
                    left = [blends.treated[blends.treated != u], blends.donors[blends.donors != u]]
                    if all(map(len, left)):
                        value = blends.estimate(left[0], self.panel.start[left[0]], left[1])
                        found.append((self.panel.names[u], treated, value))
        return pd.DataFrame(found, columns=["unit", "treated", "estimate"])

    def conformal(self, effects=None):
        """Constant effects that do not stand out among cyclic shifts of the periods (see `conformal_p`): dict with p (of
        no effect), lo, hi (nan if the periods are too few for the level), resolution. One launch; not "sdid"."""
        self._only(("did", "sc", "shifted"), "conformal")
        y, D, first = self._series("conformal")
        scale = (
            self.found.half_units
            if self.found.half_units > 0
            else float(np.std(y[:first] - D[:first].mean(axis=1))) or 1.0
        )
        effects = self.estimate + 4 * scale * np.linspace(-1, 1, 161) if effects is None else np.asarray(effects, float)
        method = self.design["method"]
        kept = effects[conformal_p(y, D, first, effects, method) > 1 - self.level]
        told = 1 / len(y) <= 1 - self.level and len(kept) > 0
        lo, hi = (float(kept.min()), float(kept.max())) if told else (math.nan, math.nan)
        if told and (lo == effects[0] or hi == effects[-1]):
            lo, hi = (-math.inf if lo == effects[0] else lo), (math.inf if hi == effects[-1] else hi)
        return {"p": float(conformal_p(y, D, first, 0.0, method)[0]), "lo": lo, "hi": hi, "resolution": 1 / len(y)}

    def _series(self, what):
        if len(self.found.waves.starts) > 1:
            raise ValueError(f"{what}: for one launch date")
        blends = self.found.blends
        if blends is None:
            pure = np.isin(np.arange(len(self.panel.names)), self.found.waves.controls)
            blends = Blends(self.panel, "did", pure, self.found.waves.starts)
            if not (len(blends.treated) and len(blends.donors)):
                raise ValueError(f"{what}: no full enough series")
        g = blends.starts[0]
        return blends.wave(g, blends.treated, blends.donors)[:3]

    def detectable(self, power=0.80):
        """The smallest true effect that a log like this finds with such power, in the unit of the outcome."""
        own_logs.check_number("power", power, above=0, below=1)
        df = self.found.df if self.found.df == self.found.df else np.inf
        return float((stats.t.ppf(0.5 + self.level / 2, df) + stats.t.ppf(power, df)) * self.standard_error)

    def _only(self, methods, what):
        methods = (methods,) if isinstance(methods, str) else methods
        if self.design["method"] not in methods:
            raise ValueError(f"{what}: for method {' or '.join(map(repr, methods))}, not {self.design['method']!r}")

    # -- figure and report

    def figure(self):
        """The plot of the design: the event study, or the treated series with its blend and their gap."""
        from series import COLOR, FAINT, INK, plt

        name = str(self.columns["outcome"])
        if self.found.blends is not None and len(self.found.blends.starts) == 1:
            blends = self.found.blends
            g = blends.starts[0]
            y, D, first, _ = blends.wave(g, blends.treated, blends.donors)
            fit = blends.fits()[0][1]
            figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6))
            at, labels = blends.rows[g], self.panel.labels
            left.plot(at, self.offset + y, color=COLOR["treated"], lw=2, label="treated")
            left.plot(at, self.offset + y - fit.gaps, "--", color=COLOR["control"], lw=2, label="blend of donors")
            right.plot(at, fit.gaps - Blends._level(fit), color=COLOR["estimate"], lw=1.5, label="gap")
            right.axhline(0, color=FAINT, lw=0.8, zorder=0)
            right.plot(
                [g, at[-1]], [self.estimate] * 2, color=COLOR["estimate"], lw=3, alpha=0.5, label="its mean after"
            )
            axes = (left, right)
            left.set(ylabel=name)
            right.set(ylabel="treated − blend")
        else:
            study = self.event_study()
            figure, right = plt.subplots(figsize=(8, 3.8))
            one = "period" in study
            g = self.found.waves.starts[0] if one else 0
            at, labels = study["time"].to_numpy() + g, self.panel.labels if one else None
            spread = np.nan_to_num((study["hi"] - study["lo"]).to_numpy() / 2)
            right.errorbar(at, study["estimate"], spread, fmt="o", ms=4, lw=0.8, color=COLOR["estimate"],
                           label=f"treated − control, with {100 * self.level:g} % intervals from units")  # fmt: skip
            right.axhline(0, color=FAINT, lw=0.8, zorder=0)
            late = at[study["time"] >= 0]
            right.plot(
                [late[0], late[-1]], [self.estimate] * 2, color=COLOR["estimate"], lw=3, alpha=0.5, label="estimate"
            )
            axes = (right,)
            right.set(ylabel=f"{name}: difference,\nrelative to the time before")
        for axis in axes:
            axis.axvline(g - 0.5, color=FAINT, lw=1, zorder=0)
            axis.annotate(" launch", (g - 0.5, 1), xycoords=("data", "axes fraction"), va="top", color=INK)
            axis.set_xlabel(str(self.columns["period"]) if labels is not None else "periods since the launch")
            if labels is not None:
                ticks = np.unique(np.linspace(at[0], at[-1], min(len(at), 6)).round().astype(int))
                axis.set_xticks(ticks, [labels[t] for t in ticks])
            axis.legend(frameon=False, fontsize=8.5)
        figure.tight_layout()
        return figure

    def report(self):
        """Sentences for a stakeholder: the effect, both intervals, what could break it, and the warnings."""
        outcome, percent = self.columns["outcome"], f"{100 * self.level:g} %"
        n1, n0 = self.n["units_treated"], self.n["units_control"]
        some = "the treated unit" if n1 == 1 else f"the {n1:,} treated units"
        after = self.n["periods_after"]
        if self.lo == self.lo:
            does = (f"{'raised' if self.estimate > 0 else 'lowered'} {outcome} in {some} by {short(abs(self.estimate))}"
                    if self.lo > 0 or self.hi < 0 else f"had no clear effect on {outcome} in {some}")  # fmt: skip
            first = (f"The treatment {does} (estimate {short(self.estimate)}, {percent} interval {short(self.lo)} to "
                     f"{short(self.hi)}; {_plural(after, 'period')} after the launch, compared with "
                     f"{_plural(n0, 'untreated unit')}).")  # fmt: skip
        else:
            why = "; ".join(self.found.why)
            first = (f"The estimate of the effect on {outcome} in {some} is {short(self.estimate)}; no interval is to be had, "
                     f"so that chance cannot be excluded ({why}).")  # fmt: skip
        units = self.intervals.iloc[0]
        other = ""
        lent = n1 < LEAST_FOR_DRAWS and self.found.blends is not None or n1 == 1 < n0
        if self.lo == self.lo and lent:
            first += f" The interval supposes that what befalls {some} by chance is like what befalls a control."
        if self.lo == self.lo and self.design["interval"] == "shared" and (
            self.hi - self.lo > 1.05 * (units["hi"] - units["lo"])):  # fmt: skip
            other = (f" If units have noise of their own only, and nothing strikes the treated as a group, it is "
                     f"{short(units['lo'])} to {short(units['hi'])}.")  # fmt: skip
        elif self.lo == self.lo and self.found.blends is None and not self.found.half_shared >= self.found.half_units:
            other = " It counts units alone: what strikes the treated as a group would make it wider."
        elif self.lo == self.lo and self.design["interval"] == "units":
            other = (
                " It counts units alone; result.intervals shows the one that allows for shocks shared by the treated."
            )
        holds = {"did": "without the treatment both groups would have moved in parallel",
                 "sc": "the blend of donors would have gone on to follow the treated",
                 "shifted": "the blend of donors would have gone on to follow the treated, up to a constant",
                 "sdid": "the weighted groups would have moved in parallel"}[self.design["method"]]  # fmt: skip
        return (f"{first}{other} It holds if {holds}, if nothing else befell the treated alone from the launch on, and if "
                f"the untreated were not reached, which no query can see. {self.warnings()}").strip()  # fmt: skip
