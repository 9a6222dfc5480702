"""Switchback experiments for any log: the right number, or a refusal that says why.

    from switchback import analyse
    columns = {"outcome": "completed", "time": "started_at", "on": "routing"}
    result = analyse("logs/*.parquet", columns, slot="1h", lags=1, cycle=24)
    print(result.report())

A switchback turns a treatment on and off for everybody, slot by slot. The slot is the unit: the log is reduced to one
mean per slot, and a billion rows cost what the query costs. A mean is regressed on the schedule now and `lags` slots
before: the coefficients are the direct effect and what is carried over, their sum is the *total*, which is what
leaving the treatment on for good does. The first slots, and those after a gap, are left out, because what was on
before them is not known. The schedule comes from the log, by value; slots without rows are seen.

Which interval: `hac` (Newey and West 1987), with three things that measurements on real hours asked for: a span of 1.3
times the root of the number of slots and of at least two blocks, a factor that makes the variance right on average
for independent slots, and t quantiles with the degrees of freedom that the estimated variance has. Plain least squares
is there for comparison; its errors are too small or too large depending on how fast the schedule switches. If the
schedule was drawn by coins, say which (`schedule`, `block`): `randomization` replays them, which assumes nothing about
the noise, and `horvitz_thompson` is the estimator of Bojinov, Simchi-Levi and Zhao (2023). `plan` tries all of them on
your own history, before the experiment.

What is fatal (the log is refused) and what is a warning (it stands in the report):

    time, outcome or weight that is no such thing, treatment that is neither of its two values        fatal
    a user twice at the same time; no rows; both arms in a slot; only one arm                         fatal
    effects that the schedule cannot tell apart: strict alternation with a lag, every hour of the
    cycle always in the same arm, a lag as long as a block                                            fatal
    rows only in every k-th slot; times far from all others; fewer than 6 runs of on or off           fatal
    fewer than 5 degrees of freedom; a total that rests on fewer than 5 slots                         fatal
    a schedule that is not the one that the design names                                              fatal
    missing values of any role; slots without rows; rows before `start`                               warning
    every hour of the day always in the same arm, and no cycle asked for; fewer than 12 runs          warning
    traffic, or the share of missing outcomes, differs between on and off (p < .01)                   warning
    the effect seems to last longer than `lags` (p < .01); effect per slot and per user differ        warning

This module knows nothing of the series' synthetic world.
"""

import math
import re
import sys
import zoneinfo
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

sys.path.append(str(Path(__file__).resolve().parents[1] / "data"))
import own_logs  # noqa: E402
from own_logs import FATAL, WARNING, Logs, Result, UnfitLog, say, short  # noqa: E402, F401

HERE = Path(__file__).resolve().parent
SCHEDULES = ("paired blocks", "coin per block", "minimax", "fixed")


# ---- schedules: 0 and 1 for each slot, (..., slots)


def coins(slots, schedule, block=1):
    """Which coin decides a slot, and whether it says the opposite there: (coin, flip), each (slots,).

    A slot is on where coin XOR flip is 1. "coin per block": a fair coin for each block of `block` slots; "paired
    blocks": one for each pair of blocks, on-off or off-on; "minimax": the switching points of Bojinov, Simchi-Levi and
    Zhao (2023) for a carryover of `block` slots: the first and the last block are twice as long; "fixed":
    no coin: `block` slots on, `block` off, and so on.
    """
    number = np.arange(slots) // block
    if schedule == "coin per block":
        return number, np.zeros(slots, int)
    if schedule == "paired blocks":
        return number // 2, number % 2
    if schedule == "minimax":
        return np.clip(number - 1, 0, max(slots // block - 3, 0)), np.zeros(slots, int)
    if schedule == "fixed":
        return np.zeros(slots, int), number % 2
    raise ValueError(f"schedule: one of {', '.join(map(repr, SCHEDULES))}, not {schedule!r}")


def draw(rng, n, slots, schedule, block=1):
    """n schedules of 0 and 1, (n, slots), as `coins` describes them; a fixed one is on first and always the same."""
    coin, flip = coins(slots, schedule, block)
    if schedule == "fixed":
        return np.broadcast_to(1 - flip, (n, slots))
    return rng.integers(0, 2, (n, coin[-1] + 1))[:, coin] ^ flip


def every(slots, schedule, block=1):
    """All schedules that the coins can give, (2 ** coins, slots)."""
    coin, flip = coins(slots, schedule, block)
    if schedule == "fixed":
        return 1 - flip[None]
    if coin[-1] > 19:
        raise ValueError(f"every: {coin[-1] + 1} coins have too many outcomes; draw some of them")
    return (np.arange(2 ** (coin[-1] + 1))[:, None] >> np.arange(coin[-1] + 1) & 1)[:, coin] ^ flip


def both_arms(on):
    """The schedules (n, slots) that have both an on- and an off-slot."""
    return on[(on.max(axis=1) == 1) & (on.min(axis=1) == 0)]


def lagged(on, k, before=0):
    """The schedule (..., slots) k slots earlier; `before` is what was on before the first slot."""
    head = np.full_like(on[..., :k], before)
    return np.concatenate([head, on[..., : max(on.shape[-1] - k, 0)]], axis=-1)


def effects(on, weights):
    """What the treatment adds to each slot (..., slots): weights[k] for having been on k slots ago."""
    return sum(weight * lagged(on, k) for k, weight in enumerate(weights))


def ar1(rho, sd, size, rng):
    """Stationary noise (series, slots) in which neighbours correlate by rho, with standard deviation sd."""
    noise = rng.normal(0, sd, size)
    for t in range(1, size[1]):
        noise[:, t] = rho * noise[:, t - 1] + np.sqrt(1 - rho**2) * noise[:, t]
    return noise


# ---- regression on slots; leading dimensions are experiments


def regressors(on, lags=1, phase=None):
    """Constant, schedule, its lags, and dummies of the phase of a cycle: (..., slots) -> (..., slots, k).

    Before the first slot everything is off; to leave the first `lags` slots out, give `fit` a weight of 0 there.
    phase: (slots,) or (..., slots) integers, such as the hour of the day; the lowest one has no dummy.
    """
    columns = [np.ones_like(on), *(lagged(on, k) for k in range(lags + 1))]
    x = np.stack(columns, axis=-1).astype(float)
    if phase is None:
        return x
    dummies = (np.asarray(phase)[..., None] == np.unique(phase)[1:]).astype(float)
    return np.concatenate([x, np.broadcast_to(dummies, (*x.shape[:-1], dummies.shape[-1]))], axis=-1)


def identified(x, phase=None):
    """Whether the columns of x (..., slots, k), and the dummies of phase (..., slots), are linearly independent: (...).

    Rows of x that are 0 throughout count for nothing. Without phase, x has its own constant.
    """
    if phase is not None:
        kept = np.any(x != 0, axis=-1)
        x = _absorb(_dummies(phase) * kept[..., None], x[..., 1:], None)
    top = np.linalg.qr(x, mode="r")
    return np.linalg.matrix_rank(top, tol=1e-8 * math.sqrt(x.shape[-2])) == x.shape[-1]


def _dummies(phase):
    return (np.asarray(phase)[..., None] == np.unique(phase)).astype(float)


def _absorb(D, v, weight):
    """v (..., n, k) less its mean within each group of the dummies D (..., n, groups); 0 where a row has no group."""
    WD = D if weight is None else D * weight[..., None]
    size = WD.sum(axis=-2)[..., None]
    return D.sum(axis=-1)[..., None] * v - D @ (np.swapaxes(WD, -1, -2) @ v / np.where(size > 0, size, 1.0))


class _Fit:
    """Weighted least squares of y (..., n) on x (..., n, k), whose first column is the constant, and on phases.

    weight: (..., n), 0 where a slot is left out. b: (..., k); with phases b[0] is 0, each phase having a level of its
    own. covariance() is the classical one. e = y - UV'y are the residuals; V[..., k] gives b as V'y.
    """

    def __init__(self, x, y, weight=None, phase=None):
        if weight is not None:
            x, y = x * (weight > 0)[..., None], np.where(weight > 0, y, 0.0)
            kept = np.broadcast_to(weight > 0, y.shape)
            weight = None if np.isin(weight, (0, 1)).all() else weight  # rows of zeros are left out as they are
        else:
            kept = np.ones(y.shape, bool)
        self.weight, self.D = weight, None
        used = kept.sum(axis=-1)
        if phase is not None:
            D = _dummies(phase) * kept[..., None]
            both = _absorb(D, np.concatenate([x[..., 1:], y[..., None]], axis=-1), weight)
            x, y, self.D = both[..., :-1], both[..., -1], D
            used = used - np.sum(D.any(axis=-2), axis=-1) + 1
        wx = x if weight is None else x * weight[..., None]
        self.x, self.inverse = x, np.linalg.inv(np.swapaxes(x, -1, -2) @ wx)
        self.V = wx @ self.inverse
        self.b = (np.swapaxes(self.V, -1, -2) @ y[..., None])[..., 0]
        self.e = np.where(kept, y - (x @ self.b[..., None])[..., 0], 0.0)
        self.free = used - x.shape[-1] - (phase is not None)
        if phase is not None:
            self.b = np.concatenate([np.zeros_like(self.b[..., :1]), self.b], axis=-1)

    def covariance(self):
        """OLS covariance of b (unweighted fits), with a row and column of 0 for a constant that phases took in."""
        found = self.inverse * (np.sum(self.e**2, axis=-1) / self.free)[..., None, None]
        return found if self.D is None else np.pad(found, [(0, 0)] * (found.ndim - 2) + [(1, 0), (1, 0)])

    def projection(self):
        """Few columns F (..., n, m) and S (..., m, m) with MM' = I + FSF', where e = My."""
        D, k = self.D, self.x.shape[-1]
        if self.weight is None:
            F = self.x @ np.linalg.cholesky(self.inverse)  # orthonormal columns: M = MM' = I - FF'
            if D is not None:
                F = np.concatenate([D / np.sqrt(np.maximum(D.sum(axis=-2, keepdims=True), 1)), F], axis=-1)
            return F, -np.eye(F.shape[-1])
        U, V = self.x, self.V
        if D is not None:
            size = np.sum(D * self.weight[..., None], axis=-2, keepdims=True)
            share = D * self.weight[..., None] / np.where(size > 0, size, 1.0)
            U, V, k = np.concatenate([D, U], axis=-1), np.concatenate([share, V], axis=-1), k + D.shape[-1]
        S = np.zeros((*U.shape[:-2], 2 * k, 2 * k))
        S[..., :k, :k], S[..., :k, k:], S[..., k:, :k] = np.swapaxes(V, -1, -2) @ V, -np.eye(k), -np.eye(k)
        return np.concatenate([U, V], axis=-1), S


def least_squares(x, y):
    """OLS of y (..., n) on x (..., n, k): coefficients, covariance (..., k, k), residuals."""
    fit = _Fit(x, y)
    return fit.b, fit.covariance(), fit.e


def effect(b, covariance, contrast, quantile):
    """The sum contrast'b of coefficients with its interval: estimate, standard error, low, high, each (...)."""
    c = np.asarray(contrast, float)
    estimate, error = b @ c, np.sqrt(np.einsum("i,...ij,j", c, covariance, c))
    return estimate, error, estimate - quantile * error, estimate + quantile * error


def newey_west(x, e, lags):
    """The textbook HAC covariance (..., k, k) of OLS: x (n, k), residuals e (..., n), Bartlett weights, times n/(n-k).

    Bartlett weights fall in a straight line from 1 for a slot with itself to 0 for slots more than `lags` apart.
    It is cov_hac of statsmodels (Newey and West 1987).
    """
    inverse, u = np.linalg.inv(x.T @ x), x * e[..., None]
    middle = np.swapaxes(u, -1, -2) @ u
    for lag in range(1, lags + 1):
        cross = np.swapaxes(u[..., lag:, :], -1, -2) @ u[..., :-lag, :]
        middle = middle + (1 - lag / (lags + 1)) * (cross + np.swapaxes(cross, -1, -2))
    return inverse @ middle @ inverse * len(x) / (len(x) - x.shape[1])


def _window_sums(v, span):
    """Sums of v (..., n, k) over all windows of `span` slots that touch the n: (..., n + span - 1, k)."""
    total = np.cumsum(v, axis=-2)
    zeros, last = np.zeros((*v.shape[:-2], span, v.shape[-1])), np.repeat(total[..., -1:, :], span - 1, axis=-2)
    total = np.concatenate([zeros, total, last], axis=-2)
    return total[..., span:, :] - total[..., :-span, :]


def _bartlett(v, span):
    """The matrix of Bartlett weights times v (..., n, k), as sums over windows of sums over windows."""
    sums = _window_sums(v, span)
    total = np.concatenate([np.zeros_like(sums[..., :1, :]), np.cumsum(sums, axis=-2)], axis=-2)
    n = v.shape[-2]
    return (total[..., span : span + n, :] - total[..., :n, :]) / span


def runs(on):
    """How many times in succession the schedule (..., slots) is on, or off: (...)."""
    return 1 + np.sum(np.diff(on, axis=-1) != 0, axis=-1)


def default_span(slots, runs):
    """How many slots apart two slots still count as correlated: 1.3 times the root of the number of slots (Lazarus,
    Lewis, Stock and Watson 2018), and at least two blocks of average length."""
    return int(max(2, math.ceil(1.3 * math.sqrt(slots)), math.ceil(2 * slots / max(runs, 1))))


def hac(x, y, contrast, weight=None, phase=None, *, span, level=0.95):
    """The sum contrast'b of coefficients of least squares, with an interval for slots that resemble their neighbours.

    x: (..., n, k), a constant first (`regressors`), y: (..., n): slots in the order of time, one row for each, whether
    it has data or not. weight: (..., n), 0 where a slot is left out (x and y are of no account there, but finite); None
    for 1 everywhere. phase: (..., n) integers, each of which has a level of its own (hours of the day).
    span: slots that are fewer than `span` apart may be correlated, with Bartlett weights 1 - distance / span; 1 makes
    errors that are robust to unequal variances only. Returns a dict of (...): estimate, error, lo, hi, df, raw.

    raw is the textbook error (without n/(n-k)). error is raw times the factor that makes its square right on average
    where slots are independent and equally noisy, and df are the degrees of freedom of the chi-square that has the
    same mean and variance as error squared in that case: the idea of Bell and McCaffrey (2002; Imbens and Kolesár
    2016), here for Bartlett weights. Both see the schedule, the gaps and the weights, and need no simulation.
    """
    return _robust(_Fit(x, y, weight, phase), contrast, span, level)


def _robust(fit, contrast, span, level):
    c = np.asarray(contrast, float)
    a = fit.V @ (c if fit.D is None else c[1:])  # the weight of each slot's outcome in the estimate
    raw = np.sum(_window_sums((a * fit.e)[..., None], span)[..., 0] ** 2, axis=-1) / span
    # raw = y'Gy with G = M'QM, Q = diag(a) K diag(a), K the Bartlett weights. Wanted are the traces of G and of GG.
    F, S = fit.projection()
    QF = a[..., None] * _bartlett(a[..., None] * F, span)
    SFQF = S @ (np.swapaxes(F, -1, -2) @ QF)
    squares, n = a**2, a.shape[-1]
    power = np.abs(np.fft.rfft(squares, 2 * n)) ** 2
    products = np.fft.irfft(power, 2 * n)[..., : min(span, n)]  # sums of squares times squares so many slots later
    QQ = 2 * products @ (1 - np.arange(products.shape[-1]) / span) ** 2 - products[..., 0]
    first = squares.sum(-1) + np.trace(SFQF, axis1=-2, axis2=-1)
    second = (QQ + 2 * np.sum(S * (np.swapaxes(QF, -1, -2) @ QF), axis=(-2, -1))
              + np.sum(SFQF * np.swapaxes(SFQF, -1, -2), axis=(-2, -1)))  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(raw * squares.sum(-1) / first)
        df = np.maximum(first**2 / second, 1.0)
    estimate, half = fit.b @ c, stats.t.ppf(0.5 + level / 2, df) * error
    return {"estimate": estimate, "error": error, "lo": estimate - half, "hi": estimate + half, "df": df,
            "raw": np.sqrt(raw)}  # fmt: skip


# ---- bootstrap of slots


def counts(indices):
    """How often each of n slots was drawn: indices (B, n) -> weights (B, n)."""
    samples, n = indices.shape
    flat = (indices + n * np.arange(samples)[:, None]).ravel()
    return np.bincount(flat.astype(np.intp, copy=False), minlength=samples * n).reshape(samples, n).astype(float)


def weighted_fits(x, y, weights):
    """Least squares for each vector of weights: x (n, k), y (n,), weights (B, n) -> coefficients (B, k)."""
    z, k = np.column_stack([x, y]), x.shape[1]
    moments = weights @ (z[:, :, None] * z[:, None, :]).reshape(len(z), -1)
    moments = moments.reshape(-1, k + 1, k + 1)
    return np.linalg.solve(moments[:, :k, :k], moments[:, :k, k:])[..., 0]


def refits(x, weights):
    """Matrices (B, k, n) that turn an outcome (n,) into the coefficients of each weighted refit."""
    weighted = weights[:, :, None] * x
    return np.linalg.solve(x.T @ weighted, np.swapaxes(weighted, 1, 2))


# ---- inference from the coins alone


def difference_weights(on):
    """Weights (..., slots) whose product with the outcomes is the on-off difference in means."""
    n_on = on.sum(axis=-1, keepdims=True)
    return on / np.maximum(n_on, 1) - (1 - on) / np.maximum(on.shape[-1] - n_on, 1)


def randomization_p(y, on, replays):
    """Two-sided p-values (n,) of the on-off difference of outcomes y (n, slots) under schedules on (n, slots).

    replays: (m, slots) schedules from the same design. The real one counts as one of the m + 1 (Phipson and Smyth
    2010).
    """
    real = np.sum(difference_weights(on) * y, axis=-1)
    others = y @ difference_weights(replays).T  # (n, m)
    extreme = np.abs(others) >= np.abs(real)[:, None] - 1e-12
    return (1 + extreme.sum(axis=1)) / (1 + len(replays))


def settled(coin, flip, lags):
    """Slots that lie, with their `lags` slots before, in one block of the design: (slots,) booleans.

    There the outcome shows the total effect if the block is on and none if it is off, whatever the coins were.
    """
    same = np.arange(len(coin)) >= lags
    for k in range(1, lags + 1):
        same &= (lagged(coin, k, -1) == coin) & (lagged(flip, k, -1) == flip)
    return same


def randomization(y, on, replays, keep, phase=None, *, level=0.95):
    """Test of no effect and interval for the total, from the coins alone: dict with p, lo, hi, estimate.

    y, on: (slots,) outcomes and the real schedule; replays: (m, slots) others, drawn as the real one was (or all others
    there are); keep: (slots,) booleans that do not depend on the coins, best those of `settled`; phase: (slots,)
    integers: cycle effects are taken out.

    The statistic is the least-squares coefficient of the schedule divided by its error but for a constant. If a slot
    gains the same total wherever it is on, y - total * on is the same under every schedule, and the test is exact; the
    interval holds every total that it does not reject. lo and hi are infinite where so few schedules cannot reject.
    """
    y, on, others = y[keep], on[keep].astype(float), replays[:, keep].astype(float)
    cell = np.zeros(len(y), np.intp) if phase is None else np.unique(phase[keep], return_inverse=True)[1]
    size = np.bincount(cell.astype(np.intp))
    member = (cell[:, None] == np.arange(len(size))) / np.sqrt(size)
    y, w = (v - (np.bincount(cell.astype(np.intp), v) / size)[cell] for v in (y, on))  # within a phase
    found = others @ np.column_stack([y, w, member])
    length = np.sqrt(np.maximum((others**2).sum(axis=1) - np.sum(found[:, 2:] ** 2, axis=1), 0))
    can = length > 1e-6 * math.sqrt(len(y))
    own = math.sqrt(w @ w)
    if not own > 1e-6:
        return {"estimate": np.nan, "p": np.nan, "lo": np.nan, "hi": np.nan, "schedules": 0}
    estimate = w @ y / own**2
    score, overlap = found[can, 0] / length[can], found[can, 1] / length[can] / own
    tiny = 1e-9 * own * (abs(estimate) + np.sqrt(y @ y) / own)
    p = (1 + np.sum(np.abs(score) >= abs(estimate) * own - tiny)) / (1 + len(score))
    # A replay counts against a total that lies between two points, where its own score is as large as the real one.
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.stack(
            [(estimate * own - score) / (own * (1 - overlap)), (estimate * own + score) / (own * (1 + overlap))]
        )
    always = np.abs(overlap) > 1 - 1e-9
    low, high = np.where(always, -np.inf, ends.min(axis=0)), np.where(always, np.inf, ends.max(axis=0))
    need = math.floor((1 - level) * (1 + len(score)) + 1e-9)  # as many replays must count, or the total is rejected
    lo = np.sort(low)[need - 1] if 0 < need <= len(low) else -np.inf
    hi = np.sort(-high)[need - 1] * -1 if 0 < need <= len(high) else np.inf
    return {"estimate": estimate, "p": p, "lo": float(lo), "hi": float(hi), "schedules": 1 + len(score)}


def horvitz_thompson(y, on, coin, flip, lags, usable=None, *, baseline=0.0, level=0.95):
    """The total effect by Horvitz and Thompson, as Bojinov, Simchi-Levi and Zhao (2023) define it.

    y, on: (..., slots) outcomes and schedules; coin, flip: (slots,) of `coins`; usable: (..., slots) booleans, slots
    with an outcome and a known schedule up to `lags` before. A slot counts where the treatment was on, or off, for
    lags + 1 slots on end, by the outcome over the probability of that. Slots where the coins cannot give both count
    for nothing (in paired blocks: the first `lags` of a second block).

    The estimate is unbiased for whatever effects and noise if `baseline`, which is subtracted from the outcomes, was
    known before; 0 is the paper's. A baseline near the outcomes takes most of the variance away. The variance adds
    products of slots that share a coin; it is too large on average where neighbouring slots have effects of one sign.
    Quantiles are those of t with as many degrees of freedom as coins, less one. Returns a dict of (...).
    """
    slots = len(coin)
    usable = np.ones(np.shape(y), bool) if usable is None else usable
    run_on, run_off = np.ones(np.shape(on), bool), np.ones(np.shape(on), bool)
    possible, first, chance = np.arange(slots) >= lags, coin.copy(), np.ones(slots)
    for k in range(lags + 1):
        earlier = lagged(coin, k)
        run_on, run_off = run_on & (lagged(on, k) == 1), run_off & (lagged(on, k) == 0)
        first = np.minimum(first, earlier)
        possible &= (earlier != coin) | (lagged(flip, k) == flip)
        for j in range(k):  # two slots of one coin that disagree
            possible &= (earlier != lagged(coin, j)) | (lagged(flip, k) == lagged(flip, j))
    chance = 0.5 ** (coin - first + 1)
    use = usable & possible
    z = np.where(use, (np.where(use, y, 0.0) - baseline) * (run_on * 1.0 - run_off) / chance, 0.0)
    n = np.maximum(use.sum(axis=-1), 1)
    # slots s <= t share a coin if the last coin of s is not before the first coin of t
    sums = np.concatenate([np.zeros((*z.shape[:-1], 1)), np.cumsum(z, axis=-1)], axis=-1)
    since = np.searchsorted(coin, first)
    shared = z * (z + 2 * (sums[..., :-1] - np.take(sums, since, axis=-1)))
    error = np.sqrt(np.maximum(shared.sum(axis=-1), np.sum(z**2, axis=-1))) / n
    estimate = z.sum(axis=-1) / n
    half = stats.t.ppf(0.5 + level / 2, max(coin[-1], 1)) * error
    return {
        "estimate": estimate,
        "error": error,
        "lo": estimate - half,
        "hi": estimate + half,
        "slots": use.sum(axis=-1),
    }


# ---- experiments that were never run, on a history: what an interval is worth, and how long a test must be

ANALYSES = ("least squares", "HAC", "Horvitz-Thompson", "randomization")


def usable_slots(known, lags):
    """Slots (..., slots) whose schedule is known now and `lags` slots before; never the first `lags`."""
    found = known.copy()
    for k in range(1, lags + 1):
        found &= lagged(known, k, False)
    return found


def simulate(means, phase=None, *, slots, schedule, block=1, lags=1, total=0.0, carried=1 / 3, every=1,
             experiments=1000, seed=0, replays=499, level=0.95, analyses=ANALYSES):  # fmt: skip
    """Switchbacks that never took place, on real slot means: size, coverage and power of every analysis.

    means: (history,) slot means in the order of time, nan where a slot has no rows. phase: (history,) integers, the
    hour of the day, say; None for no cycle. An experiment takes `slots` slots on end, from a start that is a multiple
    of `every`, and draws its own `schedule` (see `coins`). Nothing is treated: the truth is 0; then `total` is added,
    of which the share `carried` comes in the `lags` slots after. Schedules that cannot identify the effect are drawn
    again by whoever runs a switchback, and left out here.

    Returns a DataFrame, a row for each analysis without and with cycle effects: slots, analysis, cycle, experiments,
    mean and SD of the estimates (truth 0), error (median half width over the normal quantile), size (share of intervals
    that exclude 0 when nothing was done), coverage (share that hold `total` when it was added), power (share that then
    exclude 0) and detects (the total that would be found with 80 % power). A share p has the Monte Carlo error
    sqrt(p (1 - p) / experiments). A thousand experiments of each of 48 to 1,000 slots take about five seconds.
    """
    rng, history = np.random.default_rng(seed), len(means)
    coin, flip = coins(slots, schedule, block)
    replaying = "randomization" in analyses and schedule != "fixed" and settled(coin, flip, lags).any()
    weights = np.array([1 - carried, *[carried / max(lags, 1)] * lags]) if lags else np.array([1.0])
    calm, found = settled(coin, flip, lags), {}
    starts = np.arange(0, history - slots + 1, every)
    if not len(starts):
        raise ValueError(f"slots: the history has {history}, and {slots} are wanted")
    z = stats.norm.ppf(0.5 + level / 2)

    def note(name, cycle, estimate, lo, hi, planted=None):
        """Adds intervals where nothing was done, and where `total` was added (shifted, if the estimate shifts)."""
        planted = (lo + total, hi + total) if planted is None else planted
        found.setdefault((name, cycle), []).append(np.array(np.broadcast_arrays(estimate, lo, hi, *planted)))

    size = max(1, min(experiments, int(2e6 / slots / (3 + lags + (0 if phase is None else len(np.unique(phase)))))))
    for first in range(0, experiments, size):
        n = min(size, experiments - first)
        index = starts[rng.integers(0, len(starts), n)][:, None] + np.arange(slots)
        y, on = means[index], draw(rng, n, slots, schedule, block)
        known = np.isfinite(y)
        use = usable_slots(known, lags)
        for cycle in (False, True) if phase is not None else (False,):
            where = phase[index] if cycle else None
            x = regressors(on, lags) * use[..., None]
            fits = identified(x, where)
            if not fits.any():
                continue
            contrast, kept = np.r_[0, np.ones(lags + 1)], use[fits].astype(float)
            fit = _Fit(x[fits], y[fits], kept, None if where is None else where[fits])
            if "least squares" in analyses:
                q = stats.t.ppf(0.5 + level / 2, fit.free)
                interval = effect(fit.b, fit.covariance(), contrast, q)
                note("least squares", cycle, interval[0], *interval[2:])
            if "HAC" in analyses:
                interval = _robust(fit, contrast, default_span(use.sum(axis=1).mean(), runs(on).mean()), level)
                note("HAC", cycle, interval["estimate"], interval["lo"], interval["hi"])
            if replaying:
                others = both_arms(draw(rng, replays, slots, schedule, block))
                for i in np.flatnonzero((use & calm).any(axis=1)):
                    test = randomization(y[i], on[i], others, use[i] & calm, where[i] if cycle else None, level=level)
                    if test["schedules"]:
                        note("randomization", cycle, test["estimate"], test["lo"], test["hi"])
        if "Horvitz-Thompson" in analyses and schedule != "fixed":
            intervals = []
            for added in (0.0, total):
                now = np.where(known, y, 0.0) + effects(on, added * weights)
                baseline = np.sum(now * use, axis=1, keepdims=True) / np.maximum(use.sum(axis=1, keepdims=True), 1)
                intervals.append(horvitz_thompson(now, on, coin, flip, lags, use, baseline=baseline, level=level))
            untouched, planted = intervals
            ends = planted["lo"], planted["hi"]
            note("Horvitz-Thompson", False, untouched["estimate"], untouched["lo"], untouched["hi"], ends)
    rows = []
    for (name, cycle), parts in found.items():
        parts = [part if part.ndim == 2 else part[:, None] for part in parts]
        estimate, lo, hi, planted_lo, planted_hi = np.concatenate(parts, axis=1)
        rows.append({"slots": slots, "analysis": name, "cycle": cycle, "experiments": len(estimate),
                     "mean": estimate.mean(), "SD": estimate.std(ddof=1), "error": np.median(hi - lo) / 2 / z,
                     "size": np.mean((lo > 0) | (hi < 0)),
                     "coverage": np.mean((planted_lo <= total) & (total <= planted_hi)),
                     "power": np.mean((planted_lo > 0) | (planted_hi < 0))})  # fmt: skip
    table = pd.DataFrame(rows)
    return table.assign(detects=_detects(table, level, 0.80)) if rows else table


def _detects(table, level, power):
    """The total that is found with such power: half the width of an interval and z SDs away from 0."""
    return stats.norm.ppf(0.5 + level / 2) * table["error"] + stats.norm.ppf(power) * table["SD"]


# ---- the reader's arguments

ROLES = ("outcome", "time", "on"), ("user", "weight")
MEANING = {  # what check.sql can find
    "time is missing": (WARNING, "These rows were left out."),
    "time is no time": (FATAL, "Give time stamps as YYYY-MM-DD HH:MM:SS, all with a zone or none, and `slot` as a "
                               "duration such as '1h'; or numbers, and `slot` as a number in their unit."),
    "treatment is missing": (WARNING, "These rows were left out."),
    "treatment is neither of its two values": (FATAL, "Code it 0 and 1, or say with treated_value which value it is."),
    "weight is missing": (FATAL, "Say how many users each row stands for, or leave the row out."),
    "weight is no number of users": (FATAL, "A weight is a number of users, 0 or more."),
    "outcome is missing": (WARNING, "These rows were left out; that is harmless only if the reason has nothing to do "
                                    "with the outcome."),
    "outcome is not a finite number": (FATAL, "Repair them, or leave them out with a WHERE."),
    "user appears more than once at the same time": (FATAL, "Make them one row each, or leave the role user out if a "
                                                            "row is a query."),
    "on and off in one slot": (FATAL, "A slot has one arm."),
    "the log has no rows": (FATAL, "Look at the path and the WHERE."),
}  # fmt: skip
HOUR, DAY = 3600.0, 86400.0
MOST_SLOTS, MOST_PHASES, MOST_CELLS = 500_000, 2_000, 5_000_000


def _seconds(role, value):
    """A duration ("30min", timedelta) as whole seconds. Raises ValueError in one line."""
    duration = value
    if isinstance(value, str):
        duration = {"hour": "1h", "day": "1D", "week": "7D", "hourly": "1h", "daily": "1D"}.get(
            value.lower().strip(), value
        )
        for unit, name in (("d", "D"), ("w", "W"), ("H", "h")):  # as every version of pandas takes them
            duration = re.sub(rf"(?<![A-Za-z]){unit}(?![A-Za-z])", name, duration)
    try:
        plain = isinstance(duration, str) and not re.match(r"\s*\d", duration)
        seconds = math.nan if plain or value is None else pd.Timedelta(duration).total_seconds()
    except (ValueError, TypeError, OverflowError):
        seconds = math.nan
    if isinstance(value, (bool, np.bool_)) or not seconds >= 0 or seconds != math.floor(seconds):
        raise ValueError(f"{role}: a duration of whole seconds such as '1h' or '30min', not {value!r}")
    return seconds


def _is_number(value):
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, (bool, np.bool_))


def _design(slot=None, lags=1, cycle=None, burn_in=None, start=None, zone=None, schedule=None, block=None, per="slot",
            method=None, span=None, level=0.95):  # fmt: skip
    """The analyst's decisions, checked; durations in seconds for time stamps. Raises ValueError in one line."""
    stamps = not _is_number(slot)
    if stamps:
        length = _seconds("slot", slot)
        if not length > 0:
            raise ValueError(f"slot: a duration above 0, not {slot!r}")
        burn = _seconds("burn_in", burn_in) if burn_in is not None else 0.0
        turn = cycle if cycle is None else HOUR * cycle if _is_number(cycle) else _seconds("cycle", cycle)
    else:
        length = own_logs.check_number("slot", slot, above=0)
        burn = own_logs.check_number("burn_in", 0 if burn_in is None else burn_in, at_least=0)
        turn = None if cycle is None else own_logs.check_number("cycle", cycle, above=0)
    if not burn < length:
        raise ValueError(f"burn_in: shorter than a slot, not {burn_in!r}")
    phases = None
    if turn is not None:
        phases = turn / length
        if not (np.isfinite(phases) and abs(phases - round(phases)) < 1e-9 and round(phases) >= 2):
            raise ValueError(f"cycle: a whole number of slots, and at least 2; {cycle!r} is {phases:.4g} slots"
                             f"{' (a number counts hours)' if stamps and _is_number(cycle) else ''}")  # fmt: skip
        phases = round(phases)
        if phases > MOST_PHASES:
            raise ValueError(f"cycle: {phases:,} slots; more than {MOST_PHASES:,} levels cannot be told apart: "
                             "choose longer slots")  # fmt: skip
    own_logs.check_choice("schedule", schedule, (None, *SCHEDULES))
    if schedule not in (None, "fixed") and block is None:
        raise ValueError(f"block: how many slots does a block of {schedule!r} have?")
    own_logs.check_choice("per", per, ("slot", "user"))
    own_logs.check_choice("method", method, (None, *ANALYSES))
    if method in ANALYSES[2:] and schedule in (None, "fixed"):
        raise ValueError(f"method: {method!r} replays coins; say with schedule= and block= which were tossed")
    if per == "user" and method not in (None, "HAC"):
        raise ValueError(f"method: {method!r} is per slot; per user there is 'HAC'")
    if zone is not None:
        try:
            zoneinfo.ZoneInfo(zone)
        except (ValueError, TypeError, OSError, zoneinfo.ZoneInfoNotFoundError):
            raise ValueError(f"zone: a name such as 'Europe/Berlin' or 'UTC', not {zone!r}") from None
        if not stamps:
            raise ValueError("zone: for time stamps; here slot is a number, so time is one")
    if start is not None and stamps:
        try:
            start = pd.Timestamp(start) if not _is_number(start) else pd.NaT
        except (ValueError, TypeError):
            start = pd.NaT
        if start is pd.NaT:
            raise ValueError("start: a time stamp such as '2024-05-01 00:00'")
    elif start is not None:
        start = own_logs.check_number("start", start)
    elif stamps and DAY % length:
        raise ValueError(f"slot: {slot!r} does not divide a day, so say with start= when the first slot began")
    return {
        "stamps": stamps, "slot": length, "lags": own_logs.check_number("lags", lags, at_least=0, whole=True),
        "cycle": turn, "phases": phases, "burn_in": burn, "start": start, "zone": zone, "schedule": schedule,
        "block": None if block is None else own_logs.check_number("block", block, at_least=1, whole=True), "per": per,
        "method": method or "HAC",
        "span": None if span is None else own_logs.check_number("span", span, at_least=1, whole=True),
        "level": own_logs.check_number("level", level, above=0, below=1), "zoned": False,
    }  # fmt: skip


def _duration(seconds):
    """Seconds in words: 3600 is '1 hour'."""
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (60.0, "minute"), (1.0, "second")):
        if seconds % unit == 0:
            return f"{seconds / unit:g} {name}{'' if seconds == unit else 's'}"
    return f"{seconds:g} seconds"


def _length(design, slots=1):
    """A number of slots as a duration in words, in the unit of the log."""
    if not design["stamps"]:
        return f"{slots * design['slot']:g}"
    seconds = slots * design["slot"]
    return _duration(seconds) if seconds < 3 * DAY or seconds % DAY == 0 else f"{seconds / DAY:.1f} days"


def _count(number, what):
    """A number and a noun: '1 slot', '2 slots'."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


# ---- time in SQL

_DAY = r"\d{4}-\d{1,2}-\d{1,2}"
# No other texts are read: DuckDB would take "5:00 PM" or a zone it does not know, and drop what follows the minutes.
_TEXT = rf"^{_DAY}([ T]\d{{1,2}}:\d{{2}}(:\d{{2}}(\.\d*)?)?)?$"
_ZONED = rf"^{_DAY}[ T]\d{{1,2}}:\d{{2}}(:\d{{2}}(\.\d*)?)? ?(Z|UTC|GMT|[+-]\d{{2}}(:?\d{{2}})?)$"


def _stamp(expression, kind=None, zoned=False):
    """SQL for seconds since 1970 of a time stamp: NULL where missing, infinite where it is none.

    kind: DuckDB's type where that is known; None gives a form for every engine, on the clock of the session's time
    zone. zoned: whether a text must have a zone, or must have none. Fractions of a second are cut off.
    """
    if kind is None:
        value, shown = f"TRY_CAST({expression} AS TIMESTAMP)", f"TRIM(CAST({expression} AS STRING))"
        days = f"CAST(CAST({value} AS DATE) - DATE '1970-01-01' AS BIGINT)"
        digits = f"TRY_CAST(REPLACE(SUBSTR({shown}, 12), ':', '') AS DOUBLE)"  # a zone or "PM" is no number
        none = f"{value} IS NULL OR (LENGTH({shown}) > 10 AND {digits} IS NULL)"
        return own_logs._cases(
            expression,
            (none, own_logs._INFINITE),
            other=f"86400e0 * {days} + 3600 * EXTRACT(HOUR FROM {value})\n"
            f"                + 60 * EXTRACT(MINUTE FROM {value}) + FLOOR(EXTRACT(SECOND FROM {value}))",
        )
    if kind.startswith(("TIMESTAMP", "DATE")):
        cast = expression if kind.startswith("TIMESTAMP WITH") else f"CAST({expression} AS TIMESTAMP)"
        return f"CASE WHEN {expression} IS NULL THEN NULL ELSE COALESCE(FLOOR(epoch({cast})), {own_logs._INFINITE}) END"
    value = f"TRIM(CAST({expression} AS STRING))"
    wrong = f"NOT regexp_matches({value}, '{_ZONED if zoned else _TEXT}')"
    cast = f"TRY_CAST({value} AS {'TIMESTAMPTZ' if zoned else 'TIMESTAMP'})"
    return own_logs._cases(expression, (wrong, own_logs._INFINITE),
                           other=f"COALESCE(FLOOR(epoch({cast})), {own_logs._INFINITE})")  # fmt: skip


def _time(log, column, design):
    """SQL for the role `time` in DuckDB; notes in the design whether time stamps have a zone, and shifts them to it."""
    expression = log.expression("time", column)
    kind = log.kind(expression)
    is_text = kind.startswith(("VARCHAR", "ENUM", "JSON")) or kind in ('"NULL"', "NULL")
    is_stamp = kind.startswith(("TIMESTAMP", "DATE"))
    if not design["stamps"]:
        if is_stamp:
            raise ValueError(f"columns['time']: {column!r} is a {kind}; give slot as a duration such as '1h', not as "
                             f"{design['slot']:g}")  # fmt: skip
        if kind == "BOOLEAN":
            raise ValueError(f"columns['time']: {column!r} is a BOOLEAN, and a time stamp or a number is needed")
        return log.number("time", column)
    if not (is_text or is_stamp):
        raise ValueError(f"columns['time']: {column!r} is a {kind}; give slot as a number in its unit (of seconds, an "
                         "hour is 3600), or make it a time stamp")  # fmt: skip
    zoned = kind.startswith("TIMESTAMP WITH")
    if is_text:
        texts = f"SELECT {own_logs.text(expression)} AS v FROM logs LIMIT 10000"
        first = log.ask(f"SELECT COUNT(v) AS n, COUNT(CASE WHEN regexp_matches(v, '{_ZONED}') THEN 1 END) AS zoned "
                        f"FROM ({texts}) AS t")  # fmt: skip
        zoned = bool(2 * first["zoned"][0] > first["n"][0])
    if design["zone"] and not zoned:
        raise ValueError(f"zone: the time stamps in {column!r} have no zone, so their hours are taken as they are "
                         "written; leave zone out, or shift them with an SQL expression")  # fmt: skip
    seconds = _stamp(expression, kind if is_stamp else "VARCHAR", zoned)
    design["zoned"] = zoned
    if zoned:
        first = log.ask(f"SELECT MIN(t) AS t FROM (SELECT {seconds} AS t FROM logs) AS f WHERE ABS(t) < 1e300")["t"][0]
        design["zone"] = design["zone"] or "UTC"
        design["offset"] = 0.0 if pd.isna(first) else _offset(design["zone"], np.array([first]))[0]
        seconds = f"({seconds}) + {own_logs.literal(design['offset'])}"
    return seconds


def _offset(zone, seconds):
    """How many seconds the clock of a zone is ahead of UTC at UTC seconds since 1970, an array."""
    moments = pd.to_datetime(np.asarray(seconds), unit="s", utc=True).tz_convert(zone)
    return (moments.tz_localize(None) - pd.Timestamp(0)) / pd.Timedelta(seconds=1) - np.asarray(seconds)


def _origin(design):
    """When a slot begins, in units of the column t."""
    start = design["start"]
    if start is None or not design["stamps"]:
        return 0.0 if start is None else start
    if start.tzinfo is None:
        return (start - pd.Timestamp(0)) / pd.Timedelta(seconds=1) + (
            _correction(design, start) if design["zoned"] else 0
        )
    if not design["zoned"]:
        raise ValueError("start: has a zone, and the time stamps of the log have none; give it as they are written")
    return start.timestamp() + design["offset"]


def _correction(design, start):
    """What shifts a start to the time axis, which has the clock of the first row whatever clocks do later."""
    local = start.tz_localize(design["zone"], ambiguous=True, nonexistent="shift_forward")
    return design["offset"] - local.utcoffset().total_seconds()


def _queries(block):
    """The two SQL texts; block: {"t", "outcome", "treated", "weight", "who", "origin", "slot_length", "burn_in"}."""
    nothing = "CAST(NULL AS DOUBLE)"
    numbers = {name: own_logs.literal(block[name]) for name in ("origin", "slot_length", "burn_in")}
    shared = {"t": block["t"], "treated": block["treated"] or nothing, "outcome": block["outcome"],
              "weight": block["weight"] or "1"}  # fmt: skip
    check, aggregate = ((HERE / name).read_text(encoding="utf-8") for name in ("check.sql", "aggregate.sql"))
    more = {"treated_given": int(block["treated"] is not None), "who": block["who"] or nothing}
    return own_logs.fill(check, shared | more | numbers), own_logs.fill(aggregate, shared | numbers)


def queries(columns, *, treated_value=None, control_value=None, outcome_offset=0.0, **design):
    """(check, aggregate): the two SQL texts with the reader's columns, for a warehouse that Python cannot reach.

    They run on DuckDB and Spark against a table `logs`; give what they return to `analyse_tables`. columns and design:
    as for `analyse`, columns as names or expressions of your engine (quote odd names as it wants them). Time stamps are
    read on the clock of the session: set its time zone to the one whose hours you mean (SET TIME ZONE ...), and leave
    `zone` out; values that show a zone of their own are refused until you cast them, in DuckDB to TIMESTAMPTZ and then
    to TIMESTAMP. For a treatment in words give treated_value and control_value. outcome_offset: a constant near the
    mean of the outcome, which keeps the digits of one whose mean is large against its spread; also for analyse_tables.
    """
    own_logs.check_roles(columns, *ROLES)
    design = _design(**design)
    if design["zone"]:
        raise ValueError("zone: set the time zone of the session, and leave zone out")
    for role, column in columns.items():
        if str(column).lower() in ("on", "order", "group", "when", "end"):
            raise ValueError(f"columns[{role!r}]: {column!r} is a word of SQL; quote it as your engine wants it")
    if (treated_value is None) != (control_value is None):
        raise ValueError("treated_value and control_value: give both or neither")
    outcome = own_logs.number(columns["outcome"])
    return _queries({
        "t": _stamp(columns["time"]) if design["stamps"] else own_logs.number(columns["time"]),
        "outcome": f"({outcome}) - {own_logs.literal(outcome_offset)}" if outcome_offset else outcome,
        "treated": own_logs.yes_no(columns["on"], None, treated_value, control_value),
        "weight": columns.get("weight") and own_logs.number(columns["weight"]), "who": columns.get("user"),
        "origin": _origin(design), "slot_length": design["slot"], "burn_in": design["burn_in"],
    })  # fmt: skip


def analyse(logs, columns, *, treated_value=None, control_value=None, **design):
    """What leaving the treatment on for good does, from a switchback; or UnfitLog.

    logs: path or glob (CSV, Parquet), DataFrame or DuckDB relation; one row per user, query or segment: whatever it is,
    a slot is one observation.
    columns: {"outcome": column, "time": column, "on": column}, and, where the log has them, "user" (finds repeated
    rows) and "weight" (how many users a row stands for, its outcome being their mean). A column is a name or an SQL
    expression. `on` is 0 and 1 or true and false; for words give treated_value (and control_value).
    slot: the length of a slot: a duration ("1h", "30min", a timedelta) for time stamps, a number for numbers.
    lags: for how many slots an effect may last after its own (default 1). cycle: None, or the length of a cycle whose
    parts have levels of their own: in hours (24, 168) or a duration for time stamps, in units of time for numbers.
    burn_in: how much of the beginning of each slot is left out. start: when the experiment began: slots and blocks
    are counted from it, earlier rows left out (default: slots begin at midnight, blocks with the first row).
    zone: whose hours of the day, for time stamps with a zone ("Europe/Berlin"; default UTC).
    schedule, block: how the schedule was drawn (see `coins`), if it was; None if you do not know.
    per: "slot" (each slot counts once) or "user" (each row, or its weight) for the headline; both are in `effects`.
    method: None for "HAC" (see `hac`), or "least squares", "randomization", "Horvitz-Thompson". span: see `hac`.

    Returns Switchback. Raises UnfitLog, one line for each fatal problem; ValueError for arguments without sense.
    """
    own_logs.check_roles(columns, *ROLES)
    return _answer(*_read(logs, columns, _design(**design), treated_value, control_value))


def _read(logs, columns, design, treated_value=None, control_value=None):
    """check, aggregate, columns, design and offset of the outcome, from a log."""
    with Logs(logs) as log:
        block = {"t": _time(log, columns["time"], design), "outcome": log.number("outcome", columns["outcome"]),
                 "treated": None, "weight": None, "who": None, "origin": _origin(design), "slot_length": design["slot"],
                 "burn_in": design["burn_in"]}  # fmt: skip
        if columns.get("on"):
            block["treated"] = log.yes_no("on", columns["on"], treated_value, control_value)
        if columns.get("user"):
            block["who"] = log.text("user", columns["user"])
        if columns.get("weight"):
            block["weight"] = log.number("weight", columns["weight"])
        offset = own_logs.centre_of(log, block["outcome"])
        if offset:
            block["outcome"] = f"({block['outcome']}) - {own_logs.literal(offset)}"
        check, aggregate = (log.ask(query) for query in _queries(block))
    return check, aggregate, columns, design, offset


def analyse_tables(check, aggregate, columns, *, outcome_offset=0.0, **design):
    """`analyse` from what the two texts of `queries` returned (DataFrames), with the same columns and design."""
    own_logs.check_roles(columns, *ROLES)
    design = _design(**design)
    if design["zone"]:
        raise ValueError("zone: the clock was that of the session; leave zone out")
    return _answer(check, aggregate, columns, design, outcome_offset)


# ---- from the aggregate to slots


def _begins(design, slots):
    """When slots begin, in the log's own way: time stamps on the clock of the zone, or numbers."""
    t = _origin(design) + np.asarray(slots) * design["slot"]
    if not design["stamps"]:
        return pd.Series(t)
    if not design["zoned"]:
        return pd.Series(pd.to_datetime(t, unit="s"))
    return pd.Series(pd.to_datetime(t - design["offset"], unit="s", utc=True).tz_convert(design["zone"]))


def _moment(design, slot):
    """When a slot begins, as a text."""
    begin = _begins(design, [slot])[0]
    if not design["stamps"]:
        return f"{begin:g}"
    return f"{begin:%Y-%m-%d %H:%M}" + (f":{begin.second:02d}" if begin.second else "")


def _phase(design, number, length):
    """Which part of a cycle of so many slots each slot is: integers; parts begin at midnight, weeks on Monday.

    On a clock that changes in summer a slot of a day begins at 23:00, or at 1:00: it is the day that most of it is.
    """
    t = _origin(design) + number * design["slot"]
    if not design["stamps"]:
        return number.astype(int) % length
    if design["zoned"]:
        utc = t - design["offset"]
        t = utc + _offset(design["zone"], utc)
    half = 0.5 if design["zoned"] else 1e-9
    return np.asarray(np.floor((t + 3 * DAY) / design["slot"] + half) % length).astype(int)  # 1970 began on a Thursday


def _cells(aggregate):
    cells = aggregate.rename(columns=str.lower).astype(float)
    if cells.duplicated(["slot", "treated"]).any():  # partial aggregates of shards
        sums = {name: "sum" for name in ("rows_in_cell", "settled", "used", "n", "y", "yy")}
        grouped = cells.groupby(["slot", "treated"], dropna=False, as_index=False)
        cells = grouped.agg(sums | {"first_time": "min", "last_time": "max"})
    return cells


def _slots(cells, design, found, treated=True):
    """(table, arms, first): a row for each slot between the first and the last, whether it has rows or not.

    arms: off and on, (slots,) booleans each; where a slot has both, the table is that of the cells. treated: False for
    a history in which nothing was switched.
    """
    if design["start"] is not None and (early := cells["slot"] < 0).any():
        rows = cells.loc[early, "rows_in_cell"].sum()
        found.append(say("rows before start", place=f"before {_moment(design, 0)}", rows=rows, severity=WARNING,
                         what_to_do="These rows were left out."))  # fmt: skip
        cells = cells[~early]
    if cells.empty:
        found.append(say("no rows with a time", rows=0, what_to_do="Look at the column of time and at start."))
        own_logs.refuse(own_logs.problem_table(found))
    first = 0 if design["start"] is not None else int(cells["slot"].min())
    last = int(cells["slot"].max())
    if last - first >= MOST_SLOTS:
        found.append(say(f"{last - first + 1:,} slots between the first row and the last",
                         place=f"{_moment(design, first)} to {_moment(design, last)}",
                         what_to_do="Look at the first and the last time and at the unit of slot; or choose longer "
                         "slots."))  # fmt: skip
        own_logs.refuse(own_logs.problem_table(found))
    number = np.arange(first, last + 1)
    at = (cells["slot"] - first).to_numpy()
    settled = (cells["settled"] > 0).to_numpy()  # rows after the burn-in; only they say which arm a slot has
    of_arm = [settled & (cells["treated"] == arm).to_numpy() for arm in (0, 1)]
    arms = [np.bincount(at.astype(np.intp), rows, len(number)) > 0 for rows in of_arm]
    if (arms[0] & arms[1]).any():
        return cells, arms, first
    table = pd.DataFrame({"slot": number, "start": _begins(design, number)})
    table["on"] = np.select([arms[1], arms[0]], [1.0, 0.0], np.nan)
    table["rows_in_cell"] = np.bincount(at.astype(np.intp), cells["rows_in_cell"], len(number))
    counted = np.isin(cells["treated"], (0, 1)) if treated else np.full(len(cells), True)
    for name in ("used", "n", "y", "yy"):
        table[name] = np.bincount(at.astype(np.intp), np.where(counted, cells[name], 0.0), len(number))
    table["settled"] = np.bincount(at.astype(np.intp), np.where(counted, cells["settled"], 0.0), len(number))
    table["mean"] = np.where(table["n"] > 0, table["y"] / np.where(table["n"] > 0, table["n"], 1), np.nan)
    return table, arms, first


def _mixed(cells, design, arms, first):
    """What to say of slots with both arms: where they are, and whether the arm changes at one moment of the slot."""
    both = np.flatnonzero(arms[0] & arms[1]) + first
    cells = cells[(cells["settled"] > 0) & cells["slot"].isin(both)]
    off, on = (cells[cells["treated"] == arm].set_index("slot") for arm in (0, 1))
    begin = _origin(design) + both * design["slot"]
    one, other = (pd.DataFrame({"low": a["first_time"], "high": a["last_time"]}).loc[both] for a in (off, on))
    before = np.minimum(one["high"], other["high"]).to_numpy() - begin
    after = np.maximum(one["low"], other["low"]).to_numpy() - begin
    place = f"{len(both):,} of {len(arms[0]):,} slots, first {_moment(design, both[0])}"
    if before.max() < after.min():
        low, high = before.max(), after.min()
        low, high = (f"{v / 60:.1f} minutes" if design["stamps"] else f"{v:g}" for v in (low, high))
        do = (f"In all of them the arm changes between {low} and {high} after the slot begins: let slots "
              "begin there with start=, or leave that part out with burn_in=; or the clock is another one (zone=)."
              )  # fmt: skip
    elif np.mean(before < after) > 0.5:
        do = "The arm changes inside slots: choose shorter slots, or say with start= when one begins."
    elif design["stamps"] and not design["zoned"] and len(both) == 1 and _comes_twice(begin[0]):
        do = ("It may be the hour that comes twice when summer time ends: give time stamps with a zone, or leave that "
              "hour out.")  # fmt: skip
    else:
        do = "Rows of both arms overlap in time: users were assigned, and not slots; or slots are shorter than `slot`."
    return place, do


def _comes_twice(seconds):
    """Whether summer time may have ended then: early on a Sunday in autumn, of either hemisphere."""
    t = pd.Timestamp(seconds, unit="s")
    return t.day_of_week == 6 and t.hour < 4 and t.month in (3, 4, 9, 10, 11)


class _Data:
    """The slots as the fits take them: y, on, n, phase, use, each (slots,)."""

    def __init__(self, table, design):
        number = table["slot"].to_numpy()
        design["first"] = int(number[0])
        self.known = table["on"].notna().to_numpy()
        self.on = table["on"].fillna(0).to_numpy().astype(int)
        self.n, self.y = table["n"].to_numpy(), table["mean"].fillna(0).to_numpy()
        self.has = table["mean"].notna().to_numpy()
        self.phase = None if design["phases"] is None else _phase(design, number, design["phases"])
        self.usable = {}
        self.design = design

    def use(self, lags):
        if lags not in self.usable:
            self.usable[lags] = usable_slots(self.known, lags) & self.has
        return self.usable[lags]

    def fit(self, lags, extra=None, outcome=None, weight=None, phase="own"):
        """A _Fit on the usable slots; extra: further columns (slots, m); weight: (slots,)."""
        use, phase = self.use(lags), self.phase if isinstance(phase, str) else phase
        x = regressors(self.on, lags)
        if extra is not None:
            columns, ok = extra
            x, use = np.column_stack([x, np.where(ok[:, None], columns, 0)]), use & ok
        if not identified(x * use[:, None], phase):
            return None
        weight = use * 1.0 if weight is None else use * weight
        return _Fit(x, self.y if outcome is None else outcome, weight, phase)

    def span(self, lags):
        return self.design["span"] or default_span(int(self.use(lags).sum()), self.runs())

    def runs(self):
        on = self.on[self.known]
        return int(runs(on)) if len(on) else 0

    def interval(self, fit, contrast, lags):
        found = _robust(fit, contrast, self.span(lags), self.design["level"])
        p = 2 * stats.t.sf(abs(found["estimate"]) / found["error"], found["df"]) if found["error"] > 0 else np.nan
        return {key: float(value) for key, value in found.items()} | {"p": float(p)}


# ---- judgements

FEWEST_RUNS, FEW_RUNS, FEWEST_FREE = 6, 12, 5
SIMILAR = 0.01  # p-value below which a check speaks


def _answer(check, aggregate, columns, design, offset):
    design = design | {"weighted": bool(columns.get("weight"))}
    found = own_logs.named(check, MEANING)
    mixed = any(row[0] == "on and off in one slot" for row in found)
    others = own_logs.problem_table([row for row in found if row[0] != "on and off in one slot"])
    if not mixed:
        own_logs.refuse(others)
    notes = []
    table, arms, first = _slots(_cells(aggregate), design, notes)
    if (arms[0] & arms[1]).any():
        place, do = _mixed(table, design, arms, first)
        rows = sum(row[2] for row in found if row[0] == "on and off in one slot")
        notes.append(say("on and off in one slot", place=place, rows=rows or np.nan, what_to_do=do))
    found = [*others.itertuples(index=False, name=None), *notes]
    own_logs.refuse(own_logs.problem_table(found))
    data = _Data(table, design)
    found += _gaps(table, data, design)
    own_logs.refuse(own_logs.problem_table(found))
    if len(table) * (design["phases"] or 0) > MOST_CELLS:
        raise ValueError(f"cycle: {len(table):,} slots with {design['phases']:,} levels are too many to fit; choose "
                         "longer slots")  # fmt: skip
    found += _few(data, design)
    own_logs.refuse(own_logs.problem_table(found))
    found += _aliases(data, design)
    own_logs.refuse(own_logs.problem_table(found))
    fit = data.fit(design["lags"])
    if fit.free < FEWEST_FREE:
        found.append(say(f"{max(int(fit.free), 0)} degrees of freedom are left", place=_usable(data, design),
                         what_to_do="Collect more slots, or do without cycle or lags."))  # fmt: skip
    elif not np.all((np.abs(data.y) < 1e100) & ((np.abs(data.y) > 1e-100) | (data.y == 0))):
        found.append(say("the outcome is too large or too small to be squared", what_to_do="Change its unit."))
    elif not np.ptp(data.y[data.use(design["lags"])]) > 0:
        found.append(say("the outcome does not vary between slots", what_to_do="There is nothing to estimate from."))
    found += _rests_on(fit, data, design) + _drawn(data, design, table)
    own_logs.refuse(own_logs.problem_table(found))
    effects_table = _effects(data, design)
    found += _similar(table, data, design) + _longer(data, design) + _heterogeneous(effects_table)
    headline = effects_table[(effects_table["effect"] == "total") & (effects_table["per"] == design["per"])].iloc[0]
    estimate, error, lo, hi = headline[["estimate", "standard_error", "lo", "hi"]]
    method = _method(data, design)
    if design["method"] != "HAC":
        estimate, error, lo, hi = _other(data, design, design["method"])
        if not np.isfinite([estimate, lo, hi]).all():
            found.append(say(f"no interval by {design['method']}", what_to_do="Too few coins were tossed; use 'HAC'."))
    problems = own_logs.problem_table(found)
    own_logs.refuse(problems)
    use = data.use(design["lags"])
    n = {"rows": int(table["rows_in_cell"].sum()), "used": int(table["used"].sum()), "slots": len(table),
         "used_slots": int(use.sum()), "on": int(data.on[use].sum()), "off": int(use.sum() - data.on[use].sum()),
         "runs": data.runs()}  # fmt: skip
    return Switchback(
        estimate=float(estimate), standard_error=float(error), lo=float(lo), hi=float(hi), level=design["level"],
        method=method, estimand=_estimand(columns, design), n=n, problems=problems,
        table=table.assign(mean=table["mean"] + offset, used_slot=use), effects=effects_table, columns=columns,
        design=design, offset=offset,
    )  # fmt: skip


def _rests_on(fit, data, design):
    """How many slots carry the total: one odd hour must not decide, as when a strict alternation slips once."""
    contrast = np.ones(design["lags"] + 1) if fit.D is not None else np.r_[0, np.ones(design["lags"] + 1)]
    squares = (fit.V @ contrast) ** 2
    carried = squares.sum() ** 2 / np.sum(squares**2)
    return [say(f"the total rests on {carried:.1f} slots", place=_usable(data, design), what_to_do="The schedule can "
                "hardly tell now from before: an interval from so few cannot be trusted. Use fewer lags only if you "
                "know that nothing lasts.")] if carried < FEWEST_FREE else []  # fmt: skip


def _usable(data, design):
    return f"{int(data.use(design['lags']).sum()):,} usable of {len(data.on):,} slots"


def _gaps(table, data, design):
    found = []
    filled = np.flatnonzero(table["rows_in_cell"].to_numpy() > 0)
    step = np.gcd.reduce(np.diff(filled)) if len(filled) > 1 else 1
    if step > 1 and len(filled) > 2 and design["lags"]:
        return [say(f"rows fall only into every {step}th slot", place=f"slots of {_length(design)}",
                    what_to_do=f"The slots seem to be longer: {_length(design, int(step))}?")]  # fmt: skip
    empty = len(table) - len(filled)
    if len(filled) > 1 and np.diff(filled).max() > max(1000, 20 * len(filled)):
        k = int(np.argmax(np.diff(filled)))
        return [say(f"{np.diff(filled)[k] - 1:,} slots without rows lie between two rows", rows=0, place=" and ".join(
            _moment(design, table["slot"].iloc[filled[i]]) for i in (k, k + 1)), what_to_do="One of the two is no time "
            "of this experiment: leave it out with a WHERE, or say start=.")]  # fmt: skip
    if empty:
        gaps = np.diff(filled)
        where = filled[int(np.argmax(gaps))] + 1
        longest = f"the longest gap has {gaps.max() - 1:,} and begins {_moment(design, table['slot'].iloc[where])}"
        found.append(say(f"slots without rows: {empty:,} of {len(table):,}", place=longest, severity=WARNING,
                         what_to_do=f"They were left out, and {_count(design['lags'], 'slot')} after each gap, whose "
                         "lags are not known."))  # fmt: skip
    unknown = int(np.sum(~data.known[filled]))
    if unknown:
        rows = table["rows_in_cell"].to_numpy()[filled][~data.known[filled]].sum()
        found.append(say(f"slots whose arm is not known: {unknown:,}", rows=rows, severity=WARNING,
                         what_to_do="They, and the slots after them, were left out."))  # fmt: skip
    return found


def _few(data, design):
    use = data.use(design["lags"])
    for arm, name in ((1, "on"), (0, "off")):
        if not np.any(data.on[use] == arm):
            return [say(f"no slot is {name}", place=_usable(data, design), rows=0, what_to_do="A switchback needs "
                        "both: look at the column `on`, at slot, and at gaps (slots after a gap are left out).")
                    ]  # fmt: skip
    if data.runs() < FEWEST_RUNS:
        return [say(f"only {data.runs()} runs of on or off", place=f"{len(use)} slots", what_to_do=f"At least "
                    f"{FEWEST_RUNS}: with fewer, a 95 % interval misses in up to three cases of ten where slots "
                    "resemble their neighbours. Switch more often, or longer.")]  # fmt: skip
    if data.runs() < FEW_RUNS:
        return [say(f"only {data.runs()} runs of on or off", place=f"{len(use)} slots", severity=WARNING,
                    what_to_do="With fewer than 12, a 95 % interval can miss in one case of ten.")]  # fmt: skip
    return []


def _level_in_phase(on, phase):
    """Whether every phase has one arm only, and some phase has several slots."""
    slots = np.bincount(phase.astype(np.intp))
    share = np.bincount(phase.astype(np.intp), on) / np.maximum(slots, 1)
    return bool(np.all((share == 0) | (share == 1)) and slots.max() > 1)


def _explained(on, phase):
    """Share of the variance of a schedule that lies between the parts of a cycle: 1 where each part has one arm."""
    n, ones = np.bincount(phase.astype(np.intp)), np.bincount(phase.astype(np.intp), on)
    within = ones * (n - ones) / np.maximum(n, 1)
    total = ones.sum() * (n - ones).sum() / n.sum()
    return 1 - within.sum() / total if total else 0.0


def _aliases(data, design):
    """Why the schedule cannot tell the effects apart; [] if it can."""
    lags, found = design["lags"], []
    use = data.use(lags)
    for name, seconds in (("day", DAY), ("week", 7 * DAY)):
        length = seconds / design["slot"]
        modelled = data.phase is not None and design["phases"] % length == 0
        if found or modelled or not design["stamps"] or length <= 1 or length != round(length):
            continue
        times = _phase(design, design["first"] + np.arange(len(use)), int(length))
        two_cycles = np.ptp(np.flatnonzero(use)) + 1 >= 2 * length - 1
        if two_cycles and (explained := _explained(data.on[use], times[use])) > 0.9:  # by coins it hardly ever is
            found.append(say(f"{'' if explained == 1 else 'almost '}every time of the {name} has one arm only",
                             place=_usable(data, design), severity=WARNING, what_to_do=f"A rhythm of the {name} cannot "
                             "be told from the effect: draw the schedule by coins."))  # fmt: skip
    if data.fit(lags) is not None:
        return found
    on, reasons = data.on[use], []
    if data.phase is not None and _level_in_phase(on, data.phase[use]):
        reasons.append(f"every part of the cycle of {_length(design, design['phases'])} has one arm only, so its "
                       "levels and the effect are aliases")  # fmt: skip
    for k in range(1, lags + 1):
        before = lagged(data.on, k)[use]
        if np.all(before == on):
            reasons.append(f"what is on now was always on {_count(k, 'slot')} before")
        elif np.all(before != on):
            name = " (strict alternation)" if k == 1 else ""
            reasons.append(f"what is on now was always off {_count(k, 'slot')} before{name}")
    if not reasons:
        levels = " and the levels of the cycle" if data.phase is not None else ""
        reasons.append(f"on, its {_count(lags, 'lag')}{levels} are linearly dependent in these slots")
    return [*found, say(f"the total effect is not identified: {'; '.join(reasons)}", place=_usable(data, design),
                        what_to_do="No analysis can repair it: use fewer lags or no cycle only if you know that there "
                        "is no such effect; else draw another schedule.")]  # fmt: skip


def _drawn(data, design, table):
    """The log's schedule against the design that the analyst names."""
    schedule, block = design["schedule"], design["block"]
    if schedule in (None, "fixed"):
        return []

    def against(shift):
        coin, flip = coins(len(data.on) + shift, schedule, block)
        coin, value = coin[shift:][data.known], (data.on ^ flip[shift:])[data.known]
        n, ones = np.bincount(coin.astype(np.intp)), np.bincount(coin.astype(np.intp), value)
        return int(np.minimum(ones, n - ones).sum())

    wrong = against(0)
    if not wrong:
        return []
    fits = [] if schedule == "minimax" else [shift for shift in range(1, 2 * block) if against(shift) == 0]
    do, first = "Look at schedule, block and start.", table["slot"].iloc[0]
    if fits:
        what = "pair" if schedule == "paired blocks" else "block"
        do = (f"It would fit if the first row fell {_count(fits[0], 'slot')} into a {what}: say "
              f"start={_moment(design, first - fits[0])!r}.")  # fmt: skip
    return [say(f"the schedule is not {schedule!r} of {_count(block, 'slot')}", what_to_do=do,
                place=f"blocks counted from {_moment(design, first)}: {wrong} slots do not fit")]  # fmt: skip


def _effects(data, design):
    """Direct, each lag, carryover and total, per slot and per user."""
    lags, rows = design["lags"], []
    contrasts = {"direct": [0, 1] + [0] * lags}
    if lags > 1:
        contrasts |= {f"lag {k}": np.eye(lags + 2)[k + 1] for k in range(1, lags + 1)}
    if lags:
        contrasts["carryover"] = [0, 0] + [1] * lags
    contrasts["total"] = [0] + [1] * (lags + 1)
    for per, weight in (("slot", None), ("user", data.n)):
        fit = data.fit(lags, weight=weight)
        for name, contrast in contrasts.items():
            i = data.interval(fit, contrast, lags)
            rows.append((name, per, i["estimate"], i["error"], i["lo"], i["hi"], i["p"], i["df"]))
    return pd.DataFrame(rows, columns=["effect", "per", "estimate", "standard_error", "lo", "hi", "p", "df"])


def _total(data, lags, **more):
    """Interval for the total, None where it is not identified."""
    fit = data.fit(lags, **more)
    extra = 0 if fit is None else fit.b.shape[-1] - lags - 2
    return None if fit is None else data.interval(fit, [0] + [1] * (lags + 1) + [0] * extra, lags)


def _similar(table, data, design):
    """Rows per slot, and the share of missing outcomes, must not follow the arm."""
    found, lags = [], design["lags"]
    rows = table["settled"].to_numpy()
    traffic = table["n"].to_numpy() if design["weighted"] else rows  # weights: users, or what else a row stands for
    level = traffic[data.use(lags)].mean()
    test = _total(data, lags, outcome=traffic)
    if test is not None and test["p"] < SIMILAR and abs(test["estimate"]) > 1e-6 * level:
        found.append(say(f"traffic per slot differs by {test['estimate'] / level:+.0%} where it is on",
                         place=f"p = {test['p']:.1g}", severity=WARNING, what_to_do="The treatment changes who comes, "
                         "or the log loses rows: the effect per user compares different users."))  # fmt: skip
    lost = np.where(rows > 0, 1 - table["used"].to_numpy() / np.where(rows > 0, rows, 1), 0)
    if lost.any():
        test = _total(data, lags, outcome=lost)
        if test is not None and test["p"] < SIMILAR:
            found.append(say("outcomes are missing more often in one arm: by "
                             f"{100 * test['estimate']:+.1f} points where it is on", place=f"p = {test['p']:.1g}",
                             rows=(rows - table["used"]).sum(), severity=WARNING, what_to_do="The estimate compares "
                             "those who answered; say so, and bound what the others could change."))  # fmt: skip
    return found


def _longer(data, design):
    """One more lag must have no effect."""
    lags = design["lags"] + 1
    fit = data.fit(lags)
    if fit is None or fit.free < FEWEST_FREE:
        return []
    test = data.interval(fit, np.eye(lags + 2)[-1], lags)
    if not test["p"] < SIMILAR:
        return []
    return [say(f"the effect seems to last longer than {_count(design['lags'], 'slot')}", severity=WARNING,
                place=f"lag {lags}: {test['estimate']:+.3g}, p = {test['p']:.1g}",
                what_to_do="Compare sweep(), and use more lags or longer slots.")]  # fmt: skip


def _heterogeneous(table):
    """Per slot and per user apart by more than two standard errors: whose effect it is matters."""
    slot, user = (table[(table["effect"] == "total") & (table["per"] == per)].iloc[0] for per in ("slot", "user"))
    apart = abs(slot["estimate"] - user["estimate"])
    if not apart > 2 * max(slot["standard_error"], user["standard_error"]):
        return []
    return [say(f"the effect per slot is {short(slot['estimate'])} and per user {short(user['estimate'])}", severity=WARNING,
                place="busy slots count more per user", what_to_do="Say whose effect you report (per='slot' or "
                "per='user'); it differs between busy and quiet slots, or chance does.")]  # fmt: skip


def _baseline(data, use):
    return float(data.y[use].mean())


def _replays(data, design, draws, seed):
    """(replays, coin, flip): all other schedules where there are few, else `draws` of them."""
    slots = len(data.on)
    coin, flip = coins(slots, design["schedule"], design["block"])
    if coin[-1] < 11:
        others = every(slots, design["schedule"], design["block"])
        real = np.all((others == data.on) | ~data.known, axis=1)
        return np.delete(others, np.flatnonzero(real)[:1], axis=0), coin, flip
    draws = int(max(199, min(draws, 4e7 / slots)))
    return draw(np.random.default_rng(seed), draws, slots, design["schedule"], design["block"]), coin, flip


def _other(data, design, name, *, draws=999, seed=0, baseline=None):
    """(estimate, error, lo, hi) of the total, per slot, by another analysis than HAC."""
    lags, level = design["lags"], design["level"]
    use = data.use(lags)
    if name == "HAC":
        test = _total(data, lags)
        return test["estimate"], test["error"], test["lo"], test["hi"]
    if name == "least squares":
        fit = data.fit(lags)
        return effect(fit.b, fit.covariance(), [0] + [1] * (lags + 1), stats.t.ppf(0.5 + level / 2, fit.free))
    replays, coin, flip = _replays(data, design, draws, seed)
    if name == "randomization":
        keep = use & settled(coin, flip, lags)
        if not keep.any():
            return (np.nan,) * 4
        test = randomization(data.y, data.on, replays, keep, data.phase, level=level)
        half = (test["hi"] - test["lo"]) / 2 / stats.norm.ppf(0.5 + level / 2)
        return test["estimate"], half, test["lo"], test["hi"]
    baseline = _baseline(data, use) if baseline is None else baseline
    found = horvitz_thompson(data.y, data.on, coin, flip, lags, use, baseline=baseline, level=level)
    return found["estimate"], found["error"], found["lo"], found["hi"]


def _method(data, design):
    """How the estimate was computed, in a sentence; the clock of the hours is part of it."""
    cycle, clock = "", ""
    if design["phases"] is not None:
        cycle = f", a level for each of {design['phases']} parts of a cycle of {_length(design, design['phases'])}"
        if design["stamps"]:
            clock = (
                f" on the clock of {design['zone']}" if design["zoned"] else " as the log's clock has them (no zone)"
            )
    lags = f", {_count(design['lags'], 'lag')}" if design["lags"] else ""
    model = f"means of slots of {_length(design)} on the schedule{lags}{cycle}{clock}"
    how = {"HAC": f"least squares of {model}; HAC interval, Bartlett weights over {data.span(design['lags'])} slots, t "
                  "quantiles",
           "least squares": f"least squares of {model}; classical interval, as if slots were independent",
           "randomization": f"on-off difference of settled slots{cycle}{clock}; the coins of {design['schedule']!r} "
                            "replayed",
           "Horvitz-Thompson": "Horvitz and Thompson's estimator (Bojinov, Simchi-Levi and Zhao 2023)"}  # fmt: skip
    return how[design["method"]]


def _estimand(columns, design):
    lags = design["lags"]
    memory = (
        f", if an effect lasts at most {_count(lags, 'slot')} after its own" if lags else ", if nothing is carried over"
    )
    whom = "an average slot" if design["per"] == "slot" else "an average user (busy slots count more)"
    return f"the total effect on {columns['outcome']}: on for good against off for good, for {whom}{memory}"


# ---- the result


@dataclass(kw_only=True)
class Switchback(Result):
    """What `analyse` found: own_logs.Result, and effects, columns, design, offset.

    effects: a row for each effect (direct, lags, carryover, total) per slot and per user, with HAC intervals. table: a
    row for each slot, in the order of time.
    """

    effects: pd.DataFrame
    columns: dict
    design: dict
    offset: float
    _data: object = field(init=False, repr=False)

    def __post_init__(self):
        self._data = _Data(self.table.assign(mean=self.table["mean"] - self.offset), self.design)

    def _row(self, effect, per=None):
        """One row of `effects` as a dict, or None."""
        found = self.effects[(self.effects["effect"] == effect) & (self.effects["per"] == (per or self.design["per"]))]
        return None if found.empty else found.iloc[0].to_dict()

    def analyses(self, baseline=None):
        """The total, per slot, by every analysis that this design allows: analysis, estimate, error, lo, hi.

        Least squares is for comparison. Randomization and Horvitz-Thompson need a schedule drawn by coins (`schedule`,
        `block`); the first also blocks longer than `lags`. baseline: see `horvitz_thompson` (default: the mean).
        """
        names = ANALYSES[:2] if self.design["schedule"] in (None, "fixed") else ANALYSES
        rows = [(name, *_other(self._data, self.design, name, baseline=baseline)) for name in names]
        found = pd.DataFrame(rows, columns=["analysis", "estimate", "error", "lo", "hi"])
        return found[found["estimate"].notna()].reset_index(drop=True)

    def randomization(self, draws=999, seed=0):
        """Replays the coins: p (of no effect), estimate, lo, hi (every total that is not rejected), schedules.

        Exact if slots gain the same wherever the treatment is on, whatever the noise; see `randomization` (the
        function). Where blocks are not longer than `lags` there is a p-value, of no effect at all, and no interval.
        """
        d, data = self.design, self._data
        if d["schedule"] is None:
            raise ValueError("randomization: say with schedule= and block= how the schedule was drawn; a test that "
                             "replays other coins than were tossed has the wrong size")  # fmt: skip
        if d["schedule"] == "fixed":
            raise ValueError(
                "randomization: a fixed schedule has no coins to replay, so there is no randomization test"
            )
        own_logs.check_number("draws", draws, at_least=19, whole=True)
        replays, coin, flip = _replays(data, d, draws, seed)
        use = data.use(d["lags"])
        keep = use & settled(coin, flip, d["lags"])
        if keep.any():
            return randomization(data.y, data.on, replays, keep, data.phase, level=d["level"])
        found = randomization(data.y, data.on, replays, use, data.phase, level=d["level"])
        return found | {"estimate": np.nan, "lo": np.nan, "hi": np.nan}

    def horvitz_thompson(self, baseline=None):
        """Horvitz and Thompson's estimator of the total (see the function): dict with estimate, error, lo, hi, slots.

        baseline: a number near the outcomes, known before the experiment; 0 is the paper's estimator; None takes the
        mean of the log, which costs exact unbiasedness next to nothing and saves most of the variance.
        """
        d, data = self.design, self._data
        if d["schedule"] in (None, "fixed"):
            raise ValueError(
                "horvitz_thompson: needs the probabilities of a schedule drawn by coins (schedule=, block=)"
            )
        use = data.use(d["lags"])
        coin, flip = coins(len(data.on), d["schedule"], d["block"])
        baseline = (
            _baseline(data, use) if baseline is None else own_logs.check_number("baseline", baseline) - self.offset
        )
        found = horvitz_thompson(data.y, data.on, coin, flip, d["lags"], use, baseline=baseline, level=d["level"])
        return {name: float(value) for name, value in found.items()}

    def sweep(self, most=None):
        """The total with fewer and with more lags: DataFrame with lags, estimate, lo, hi, p_last (of the last lag).

        If the last lag you use still has an effect, the memory may be longer than your model.
        """
        rows, most = [], self.design["lags"] + 3 if most is None else most
        for lags in range(own_logs.check_number("most", most, at_least=0, whole=True) + 1):
            fit = self._data.fit(lags)
            if fit is not None and fit.free >= FEWEST_FREE:
                test = _total(self._data, lags)
                last = self._data.interval(fit, np.eye(lags + 2)[-1], lags)["p"]
                rows.append((lags, test["estimate"], test["lo"], test["hi"], last))
        return pd.DataFrame(rows, columns=["lags", "estimate", "lo", "hi", "p_last"])

    def rhythms(self, cycles=None):
        """The total without a cycle, and with other cycles: DataFrame with cycle, estimate, lo, hi.

        cycles: as for `analyse`; default none, a day and a week for time stamps. A cycle whose parts have one arm only
        is not identified and has no row.
        """
        d, rows = self.design, []
        if cycles is None:
            cycles = (None, 24, 168) if d["stamps"] else (None,) if d["cycle"] is None else (None, d["cycle"])
        for cycle in cycles:
            length = None if cycle is None else cycle * (HOUR if d["stamps"] and _is_number(cycle) else 1)
            length = _seconds("cycle", cycle) if isinstance(cycle, str) else length
            parts = 1 if length is None else length / d["slot"]
            if parts != round(parts) or parts > MOST_PHASES or (length and parts < 2):
                continue
            phase = None if length is None else _phase(d, self.table["slot"].to_numpy(), int(parts))
            fit = self._data.fit(d["lags"], phase=phase)
            if fit is not None and fit.free >= FEWEST_FREE:
                test = _total(self._data, d["lags"], phase=phase)
                rows.append(
                    ("none" if cycle is None else _length(d, int(parts)), test["estimate"], test["lo"], test["hi"])
                )
        return pd.DataFrame(rows, columns=["cycle", "estimate", "lo", "hi"])

    def placebo(self, ahead=3):
        """What the schedule of *later* slots seems to do now, which must be nothing: ahead, estimate, lo, hi, p.

        It sees clocks that disagree (the log's and the switch's), people who prepare for the switch, and a rhythm that
        the schedule follows.
        """
        data, d, rows = self._data, self.design, []
        for k in range(1, own_logs.check_number("ahead", ahead, at_least=1, whole=True) + 1):
            later = np.concatenate([data.on[k:], np.zeros(k, int)])[: len(data.on)]
            known = np.concatenate([data.known[k:], np.zeros(k, bool)])[: len(data.on)]
            fit = data.fit(d["lags"], extra=(later[:, None], known))
            if fit is not None and fit.free >= FEWEST_FREE:
                test = data.interval(fit, np.eye(d["lags"] + 3)[-1], d["lags"])
                rows.append((k, test["estimate"], test["lo"], test["hi"], test["p"]))
        return pd.DataFrame(rows, columns=["ahead", "estimate", "lo", "hi", "p"])

    def interaction(self):
        """Does on-after-on do more than the sum of the two? Dict with estimate, lo, hi, p; None where not identified.

        It must be zero where effects add up; a ramp-up (caches that fill, people who learn) shows here. Blocks begin
        at fixed hours, so that a rhythm shows here, too, unless the model has its cycle. Needs lags of at least 1.
        """
        data, d = self._data, self.design
        if d["lags"] < 1:
            raise ValueError("interaction: needs lags of at least 1")
        product = data.on * lagged(data.on, 1)
        fit = data.fit(d["lags"], extra=(product[:, None], data.known))
        if fit is None:
            return None
        test = data.interval(fit, np.eye(d["lags"] + 3)[-1], d["lags"])
        return {name: test[name] for name in ("estimate", "lo", "hi", "p")}

    def autocorrelation(self, most=24):
        """How residuals so many slots apart correlate: DataFrame with lag, correlation, pairs, band of white noise."""
        data, d = self._data, self.design
        use = data.use(d["lags"])
        e = np.where(use, data.fit(d["lags"]).e, 0.0)
        rows = []
        for k in range(1, min(own_logs.check_number("most", most, at_least=1, whole=True), len(e) - 1) + 1):
            pairs = int((use[k:] & use[:-k]).sum())
            if pairs >= 10:
                both = use[k:] & use[:-k]
                scale = math.sqrt(np.sum(e[k:][both] ** 2) * np.sum(e[:-k][both] ** 2))
                rows.append((k, np.sum(e[k:] * e[:-k]) / scale if scale > 0 else np.nan, pairs,
                             stats.norm.ppf(0.5 + d["level"] / 2) / math.sqrt(pairs)))  # fmt: skip
        return pd.DataFrame(rows, columns=["lag", "correlation", "pairs", "band"])

    def detectable(self, power=0.80):
        """The smallest true total that a log like this finds with such power, in the unit of the outcome."""
        own_logs.check_number("power", power, above=0, below=1)
        row = self._row("total")
        quantiles = stats.t.ppf([0.5 + self.level / 2, power], row["df"]).sum()
        return quantiles * row["standard_error"]

    def slots_needed(self, effect, power=0.80):
        """How many slots a switchback needs to find a total of `effect`, if its noise is like this log's."""
        effect = own_logs.check_number("effect", abs(effect), above=0)
        return math.ceil(self.n["used_slots"] * (self.detectable(power) / effect) ** 2)

    def figure(self):
        """The slots in the order of time with the on-slots shaded, and the effects with their intervals."""
        from series import COLOR, FAINT, INK, plt

        d, table = self.design, self.table
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=[2.4, 1])
        shown = table.iloc[:240]
        place = np.arange(len(shown))
        arm = shown["on"].to_numpy()
        for begin in np.flatnonzero(arm == 1):
            left.axvspan(begin - 0.5, begin + 0.5, color=COLOR["treated"], alpha=0.13, lw=0)
        for value, name, label in ((1, "treated", "on"), (0, "control", "off")):
            here, means = arm == value, shown["mean"].to_numpy()
            left.plot(place[here], means[here], "o", ms=4, color=COLOR[name], mec="white", mew=0.5, label=label)
        more = f" (the first {len(shown)} of {len(table):,})" if len(table) > len(shown) else ""
        left.set(xlabel=f"slots of {_length(d)}{more}; shaded: on", ylabel=f"mean of {self.columns['outcome']}")
        left.legend(frameon=False, fontsize=9, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
        names = [name for name in ("total", "direct", "carryover") if self._row(name) is not None]
        for place, name in enumerate(names):
            for step, per in ((0.0, "slot"), (-0.3, "user")):
                row, chosen = self._row(name, per), per == d["per"]
                color = COLOR["estimate"] if chosen else INK
                right.plot([row["lo"], row["hi"]], [-place + step] * 2, color=color, lw=2.2 if chosen else 1.2)
                right.plot(
                    row["estimate"],
                    -place + step,
                    "o",
                    color=color,
                    ms=6 if chosen else 4,
                    mfc=color if chosen else "white",
                )
        right.axvline(0, color=FAINT, lw=1, zorder=0)
        right.set_yticks([-k - step for k in range(len(names)) for step in (0, 0.3)],
                         [f"{name} per {per}" for name in names for per in ("slot", "user")])  # fmt: skip
        right.set(xlabel=f"effect, {100 * self.level:g} % interval")
        figure.tight_layout()
        return figure

    def report(self):
        """Two sentences for a stakeholder, what could break them, and the warnings."""
        d, outcome = self.design, self.columns["outcome"]
        interval = f"{100 * self.level:g} % interval {short(self.lo)} to {short(self.hi)}"
        if self.lo > 0 or self.hi < 0:
            direction = "raises" if self.estimate > 0 else "lowers"
            does = f"{direction} {outcome} by {short(abs(self.estimate))} per {d['per']} ({interval})"
        else:
            does = f"has no clear effect on {outcome} (estimate {short(self.estimate)} per {d['per']}, {interval})"
        other = self._row("total", "user" if d["per"] == "slot" else "slot")
        parts, carried = "", self._row("carryover")
        if carried is not None and d["method"] == "HAC":
            parts = f": {short(self._row('direct')['estimate'])} at once and {short(carried['estimate'])} carried over"
        coins_say = ""
        if d["schedule"] not in (None, "fixed") and d["method"] == "HAC":
            coins_say = f"; replaying the coins gives p = {self.randomization()['p']:.2g}"
        memory = (f"an effect is over {_count(d['lags'], 'slot')} after its own" if d["lags"]
                  else "nothing is carried over to the next slot")  # fmt: skip
        return (f"Left on for good, the treatment {does}{parts}; per {other['per']} it is {short(other['estimate'])} "
                f"({short(other['lo'])} to {short(other['hi'])}){coins_say}. It rests on {self.n['used_slots']:,} slots of "
                f"{_length(d)}, {self.n['on']:,} of them on, and holds if {memory} and nothing else was switched with "
                f"it, which no query can see. {self.warnings()}").strip()  # fmt: skip


# ---- how long an experiment must be, from the reader's own history


@dataclass(kw_only=True)
class Plan:
    """What `plan` found. table: a row for each number of slots and analysis (see `simulate`), with `windows`: how many
    such experiments fit into the history side by side. total: the planted effect; history: slots."""

    table: pd.DataFrame
    design: dict
    total: float
    history: int
    experiments: int
    problems: pd.DataFrame

    def needed(self, effect, power=0.80):
        """How many slots find a total of `effect` with such power: DataFrame with analysis, cycle, slots, time, beyond.

        Between the simulated numbers of slots, what is found falls with a power of the number; beyond them (beyond:
        True) with its root. coverage: the lowest simulated one: a short interval that does not cover is no bargain.
        """
        own_logs.check_number("effect", effect, above=0)
        own_logs.check_number("power", power, above=0, below=1)
        rows = []
        for (name, cycle), part in self.table.groupby(["analysis", "cycle"], sort=False):
            part = part[np.isfinite(part["error"])].sort_values("slots")
            if part.empty:
                continue
            size = part["slots"].to_numpy(float)
            found = _detects(part, self.design["level"], power).to_numpy()
            if found[-1] > effect:
                slots = size[-1] * (found[-1] / effect) ** 2
            elif found[0] <= effect:
                slots = size[0]
            else:
                k = int(np.argmax(found <= effect))
                share = np.log(found[k - 1] / effect) / np.log(found[k - 1] / found[k])
                slots = size[k - 1] * (size[k] / size[k - 1]) ** share
            slots = math.ceil(slots)
            rows.append((name, cycle, slots, _length(self.design, slots), bool(found[-1] > effect),
                         part["coverage"].min()))  # fmt: skip
        return pd.DataFrame(rows, columns=["analysis", "cycle", "slots", "time", "beyond", "coverage"])

    def figure(self, effect=None):
        """What a switchback of so many slots finds with 80 % power, by each analysis; effect: a line to read it off."""
        from series import COLOR, FAINT, INK, plt

        figure, axes = plt.subplots(figsize=(7.5, 3.8))
        style = {"HAC": "o-", "randomization": "s-", "Horvitz-Thompson": "^-", "least squares": "v:"}
        shown = self.table[(self.table["cycle"] == self.table["cycle"].any()) | (self.table["analysis"] == ANALYSES[2])]
        for (name, _), part in shown.groupby(["analysis", "cycle"], sort=False):
            part = part[np.isfinite(part["error"])].sort_values("slots")
            color = COLOR["naive"] if name == "least squares" else COLOR["estimate"]
            mfc = "white" if name == "least squares" else color
            axes.plot(part["slots"], part["detects"], style[name], color=color, mfc=mfc, label=name)
        if effect is not None:
            axes.axhline(effect, color=FAINT, lw=1, zorder=0)
            axes.annotate(f" {effect:g}", (1, effect), xycoords=("axes fraction", "data"), va="center", color=INK)
        axes.set(
            xscale="log", yscale="log", xlabel=f"slots of {_length(self.design)}", ylabel="total found with 80 % power"
        )
        ticks = sorted(self.table["slots"].unique())
        axes.set_xticks(ticks, [f"{t:,}" for t in ticks])
        low, high = axes.get_ylim()
        ticks = [k * 10.0**e for e in range(-12, 12) for k in (1, 2, 5) if low <= k * 10.0**e <= high]
        axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
        axes.minorticks_off()
        axes.legend(frameon=False, fontsize=9)
        return figure


def plan(history, columns, *, schedule, block=1, slots=None, total=None, experiments=1000, seed=0, replays=499,
         analyses=ANALYSES, treated_value=None, control_value=None, **design):  # fmt: skip
    """Switchbacks that never took place on your own history: what each analysis is worth, and how long a test must be.

    history: a log as for `analyse`, of a time in which nothing was switched; columns: {"outcome", "time"}, and
    "weight", "user" ("on" is left aside). slot, lags, cycle, zone, burn_in, level: as for `analyse`. schedule, block:
    as for `coins`. slots: the lengths to try (default 48, 168, 336 and 1,008 as far as the history has twice as many).
    total: the effect to plant (default: a tenth of the standard deviation of slot means).

    Noise is the history's own: its rhythm, its outages, hours that resemble their neighbours. It is one history, and
    long experiments share most of it, so that long tests are known less well than `experiments` suggests: `windows`
    says how many fit side by side. Returns Plan. Raises UnfitLog and ValueError as `analyse` does.
    """
    own_logs.check_roles(columns, ROLES[0][:2], ("on", *ROLES[1]))
    own_logs.check_choice("schedule", schedule, SCHEDULES)
    own_logs.check_number("experiments", experiments, at_least=20, whole=True)
    for name in analyses:
        own_logs.check_choice("analyses", name, ANALYSES)
    design = _design(**design) | {
        "schedule": schedule,
        "block": own_logs.check_number("block", block, at_least=1, whole=True),
    }
    columns = {role: column for role, column in columns.items() if role != "on"}
    check, aggregate, _, design, _ = _read(history, columns, design)
    found = [row for row in own_logs.named(check, MEANING)]
    own_logs.refuse(own_logs.problem_table(found))
    table, _, first = _slots(_cells(aggregate), design, found, treated=False)
    design["first"] = first
    means = table["mean"].to_numpy()
    known = np.isfinite(means)
    found += [row for row in _gaps(table, _Known(known), design) if row[3] == FATAL]
    if not known.any() or not np.nanstd(means[known]) > 0:
        found.append(say("the outcome does not vary between slots", what_to_do="There is nothing to plan from."))
    own_logs.refuse(own_logs.problem_table(found))
    day = int(DAY / design["slot"]) if design["stamps"] and DAY % design["slot"] == 0 else 1
    step = design["phases"] or day
    number = table["slot"].to_numpy()
    phase = None if design["phases"] is None else _phase(design, number, design["phases"])
    begin = 0
    if step > 1:  # experiments begin where a cycle, or a day, begins
        begin = int((-_phase(design, number[:1], step)[0]) % step)
    means, phase = means[begin:], None if phase is None else phase[begin:]
    if slots is None:
        slots = [n for n in (48, 168, 336, 1008) if n <= len(means) / 2] or [len(means) // 2]
    sizes = [own_logs.check_number("slots", n, at_least=12, whole=True) for n in np.atleast_1d(slots)]
    longest = max(sizes)
    if longest > len(means):
        raise ValueError(f"slots: the history has {len(means):,} slots, and {longest:,} are wanted")
    total = float(f"{np.nanstd(means) / 10:.1g}") if total is None else own_logs.check_number("total", total)
    found_tables = [
        simulate(means, phase, slots=n, schedule=schedule, block=design["block"], lags=design["lags"], total=total,
                 every=step, experiments=experiments, seed=[seed, n], replays=replays, level=design["level"],
                 analyses=analyses).assign(windows=len(means) // n) for n in sizes
    ]  # fmt: skip
    return Plan(table=pd.concat(found_tables, ignore_index=True), design=design, total=total, history=len(means),
                experiments=experiments, problems=own_logs.problem_table(found))  # fmt: skip


class _Known:
    def __init__(self, known):
        self.known = known


def placebo_log(history, columns, *, schedule, block=1, seed=0, **design):
    """A history as the log of a switchback that did nothing: DataFrame with outcome, time, weight, on (drawn by coins).

    The truth is 0 for every effect; `analyse` must find that. One row for each slot that has rows.
    """
    design, roles = _design(**design), {role: column for role, column in columns.items() if role != "on"}
    check, aggregate, _, design, offset = _read(history, roles, design)
    found = own_logs.named(check, MEANING)
    own_logs.refuse(own_logs.problem_table(found))
    table, _, first = _slots(_cells(aggregate), design, found, treated=False)
    on = draw(np.random.default_rng(seed), 1, len(table), schedule, block)[0]
    log = pd.DataFrame({"time": table["start"], "outcome": table["mean"] + offset, "weight": table["n"], "on": on})
    return log[table["rows_in_cell"] > 0].reset_index(drop=True)
