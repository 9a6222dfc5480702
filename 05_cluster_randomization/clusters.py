"""Experiments on clusters (workspaces, schools, regions), for any log: the right number, or a refusal that says why.

    from clusters import analyse
    result = analyse("logs/*.parquet", {"outcome": "minutes", "cluster": "workspace_id", "treated": "arm"},
                     treated_value="summarizer", control_value="none")
    print(result.report())

Everything is computed from sums per cluster: rows, outcomes, their squares. Whole clusters were assigned, so the
cluster is what is counted: `cluster_effect` regresses cluster means on treatment (and on strata and a measurement from
before, where the log has them). Its variance is CR2 under the working model that cluster means vary alike, whatever
their size (Imbens and Kolesár 2016), its degrees of freedom are Satterthwaite's (Bell and McCaffrey 2002; Pustejovsky
and Tipton 2018). With two arms and nothing else that is the difference of the arms' means with Welch's error; with one
treated and one control cluster in each stratum it is the paired t test. `exposure_contrasts` is the regression of users
on group dummies with CR1, CR2 or CR3 errors, for comparison; `randomization_test`, `wild_test` and `bootstrap` are the
other roads that notebook 05 teaches.

What is fatal (the log is refused) and what is a warning (it stands in the report):

    outcome or `before` that is no number, treatment or exposure that is neither of its two values      fatal
    treated and control rows in one cluster; a cluster in several strata; a user in several rows         fatal
    an arm that is not named; one arm only; fewer than 2 clusters in an arm; no degree of freedom left    fatal
    clusters whose names differ only in capitals or in how a number is written                           fatal
    four fifths of an arm's users in one cluster (target="user"); an outcome that does not vary          fatal
    exposure differs between the arms by more than a point (p < .001): the treatment has changed it      fatal
    `before` differs between the arms (p < .001, a tenth of its spread): this was no lottery             fatal
    the same with p < .01; sizes or missing values that differ between the arms (p < .01)                warning
    missing values of any role; clusters without a usable row; strata with one arm only                 warning
    fewer than 10 clusters in an arm; an arm that weighs no more than 5 equal clusters                   warning
    one cluster moves the estimate by more than two errors; cluster means with a long tail               warning
    the effects on the average cluster and on the average user are further apart than an error           warning
    all clusters of one arm have the same mean                                                           warning

`accept=("exposure", "balance", "names")` turns such a fatal finding into a warning, for somebody who knows its cause.
With the role `saturation` the log is a two-stage design: clusters were assigned a share to be treated, users within
them were treated at random (Hudgens and Halloran 2008; Baird et al. 2018), and `analyse` returns `Saturation`.
This module knows nothing of the series' synthetic world.
"""

import itertools
import math
import re
import sys
from collections import namedtuple
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

sys.path.append(str(Path(__file__).resolve().parents[1] / "data"))
import own_logs  # noqa: E402
from own_logs import FATAL, WARNING, Logs, Result, UnfitLog, say, short  # noqa: E402, F401

HERE = Path(__file__).resolve().parent
TARGETS = ("cluster", "user")
MANY_CLUSTERS = 2_000_000  # more are users, not clusters
WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
AT_ONCE = 4_000_000  # numbers that a study holds in memory at once

Fit = namedtuple("Fit", "estimate error df")
Fit.__doc__ = "An effect (treated minus control, in the outcome's unit), its standard error, its degrees of freedom."


def interval(fit, level=0.95):
    """(lo, hi), each shaped as the estimate: estimate ± t quantile × error. Infinite df give the normal quantile."""
    half = stats.t.ppf(0.5 + level / 2, fit.df) * fit.error
    return fit.estimate - half, fit.estimate + half


# ---- users as if independent, and regressions of users with cluster-robust errors


def _arms(values, on):
    """Sums over control and over treated clusters: (..., K) -> (..., 2)."""
    return np.stack([np.where(on, 0, values).sum(axis=-1), np.where(on, values, 0).sum(axis=-1)], axis=-1)


def user_level(n, s, q, on, robust=False):
    """Difference of the users' means, as if users had been assigned: Fit with infinite df.

    n, s, q: (..., K) users, sums of outcomes and of their squares by cluster; on: (..., K) booleans. Leading dimensions
    are datasets. The error is that of ordinary least squares, or with robust=True HC1.
    """
    n, s, q = (_arms(a, on) for a in (n, s, q))
    residual, users = q - s**2 / n, n.sum(axis=-1)
    if robust:
        variance = users / (users - 2) * (residual / n**2).sum(axis=-1)
    else:
        variance = residual.sum(axis=-1) / (users - 2) * (1 / n).sum(axis=-1)
    mean = s / n
    return Fit(mean[..., 1] - mean[..., 0], np.sqrt(np.maximum(variance, 0)), np.inf)


def exposure_contrasts(n, s, kind="CR1"):
    """Means of groups of users minus the first group's mean, by regression of users on dummies, clustered errors.

    n, s: (..., K, G) users and sums of outcomes by cluster and group; a cluster may hold several groups. Two groups
    (control, treated) are the plain difference of the arms; three may be pure control, exposed, treated. Returns Fit
    of (..., G - 1) arrays. kind "CR1": the usual factors K/(K-1) (N-1)/(N-G), df K-1. "CR2": Bell and McCaffrey (2002)
    with their Satterthwaite degrees of freedom, working model of independent users (clubSandwich's default). "CR3": the
    jackknife over clusters, df K-1. The error is nan where one cluster holds a whole group.

    For dummies all of these have closed forms: the leverage of a cluster in a group is its share of the group.
    """
    n, s = np.asarray(n, float), np.asarray(s, float)
    total, k = n.sum(axis=-2), n.shape[-2]
    mean = s.sum(axis=-2) / total
    residual = (s - n * mean[..., None, :]) / total[..., None, :]
    power = {"CR1": 0.0, "CR2": 0.5, "CR3": 1.0}[kind]
    with np.errstate(divide="ignore", invalid="ignore"):
        stretch = (1 - n / total[..., None, :]) ** -power
        score = residual * stretch
        variance = ((score[..., 1:] - score[..., :1]) ** 2).sum(axis=-2)
        if kind == "CR2":
            df = _group_df(n, total, stretch)
        else:
            df = np.broadcast_to(k - 1.0, variance.shape)
            users = total.sum(axis=-1)[..., None]
            factor = k / (k - 1) * (users - 1) / (users - n.shape[-1]) if kind == "CR1" else (k - 1) / k
            variance = factor * variance
        return Fit(mean[..., 1:] - mean[..., :1], np.sqrt(variance), df)


def _group_df(n, total, stretch):
    """Satterthwaite degrees of freedom of CR2 for each group against the first: (..., G - 1)."""
    found = []
    for j in range(1, n.shape[-1]):
        m, size = n[..., [0, j]], total[..., [0, j]]
        a = np.array([-1.0, 1.0]) * stretch[..., [0, j]] / size[..., None, :]  # each user's weight, (..., K, 2)
        diagonal, b = (m * a**2).sum(axis=-1), a * m
        products = np.einsum("...ki,...kj->...ij", b, b)
        trace = (1 / size).sum(axis=-1)
        square = (diagonal**2).sum(axis=-1) - 2 * (diagonal[..., None] * b**2 / size[..., None, :]).sum(axis=(-2, -1))
        square = square + (products**2 / (size[..., :, None] * size[..., None, :])).sum(axis=(-2, -1))
        found.append(trace**2 / square)
    return np.stack(found, axis=-1)


# ---- clusters as what was assigned


def cluster_means(y, on, before=None):
    """The textbook form: least squares of cluster means on treatment, pooled variance, df K - 2 (K - 3 with `before`).

    y: (..., K) cluster means; on: (..., K) booleans; before: (..., K) a covariate. Returns Fit. Right when the arms
    scatter alike; `cluster_effect` does not need that, and is the same where the arms are of equal size.
    """
    y, on = np.broadcast_arrays(np.asarray(y, float), np.asarray(on, bool))
    k = _arms(np.ones(y.shape), on)
    means = _arms(y, on) / k
    within = y - np.where(on, means[..., 1:], means[..., :1])
    effect, inflation, lost = means[..., 1] - means[..., 0], (1 / k).sum(axis=-1), 2
    if before is not None:
        x = np.broadcast_to(np.asarray(before, float), y.shape)
        x_means = _arms(x, on) / k
        dx = x - np.where(on, x_means[..., 1:], x_means[..., :1])
        square, gap = (dx**2).sum(axis=-1), x_means[..., 1] - x_means[..., 0]
        slope = (dx * within).sum(axis=-1) / square
        within, effect = within - slope[..., None] * dx, effect - slope * gap
        inflation, lost = inflation + gap**2 / square, 3
    df = k.sum(axis=-1) - lost
    return Fit(effect, np.sqrt((within**2).sum(axis=-1) / df * inflation), df)


def cluster_wls(n, s, on):
    """Least squares of cluster means weighted by users, with its model-based error and df K - 2, as the article has it.

    n, s: (..., K) users and sums of outcomes; on: (..., K) booleans. Returns Fit. The error is right only where the
    variance of a cluster mean is proportional to 1/users, which clusters that differ by themselves are not.
    """
    n, s = np.asarray(n, float), np.asarray(s, float)
    users = _arms(n, on)
    means = _arms(s, on) / users
    residual = s - n * np.where(on, means[..., 1:], means[..., :1])
    sigma2 = np.divide(residual**2, n, out=np.zeros_like(residual), where=n > 0).sum(axis=-1) / (n.shape[-1] - 2)
    error = np.sqrt(sigma2 * (1 / users).sum(axis=-1))
    return Fit(means[..., 1] - means[..., 0], error, np.full(np.shape(error), n.shape[-1] - 2.0)[()])


class _Blocks:
    """Sums within strata. Values (..., K) are in the caller's order; `order` sorts clusters by stratum."""

    def __init__(self, stratum, k):
        code = np.zeros(k, int) if stratum is None else np.unique(stratum, return_inverse=True)[1]
        self.order = np.argsort(code, kind="stable")
        self.code = code[self.order]
        self.starts = np.flatnonzero(np.diff(self.code, prepend=-1))

    def sum(self, values):
        """(..., K) -> (..., S), for values in sorted order."""
        return np.add.reduceat(values, self.starts, axis=-1)

    def spread(self, sums):
        """(..., S) -> (..., K)."""
        return sums[..., self.code]


def _weights(on, size, blocks):
    """Weights with which a regression on treatment and strata gives each stratum its share of clusters (or users).

    size: (..., K) ones or users, sorted; without strata the weights are `size` itself.
    """
    if len(blocks.starts) == 1:
        return np.broadcast_to(size, on.shape)
    share = _arms(size, on)
    share = np.where(on, share[..., 1:], share[..., :1]) / size.sum(axis=-1, keepdims=True)
    arm = np.where(on, blocks.spread(blocks.sum(size * on)), blocks.spread(blocks.sum(size * ~on)))
    return size * blocks.spread(blocks.sum(np.broadcast_to(size, on.shape))) / arm * share


def cluster_effect(y, on, *, users=None, before=None, stratum=None):
    """Effect of treating whole clusters, from cluster means: Fit. Leading dimensions of any argument are datasets.

    y: (..., K) cluster means of the outcome. on: (..., K) booleans. users: None for the effect on the average cluster,
    (..., K) users for the effect on the average user. before: (..., K) a measurement from before, used as a covariate.
    stratum: (K,) labels of the blocks within which clusters were assigned; each must hold both arms, and counts by its
    clusters (or users).

    Weighted least squares with CR2 variance and Satterthwaite degrees of freedom under the working model that cluster
    means vary alike (Imbens and Kolesár 2016; Pustejovsky and Tipton 2018). Without strata and `before` the error is
    Welch's (users=None); with pairs it is that of the paired t test, df pairs - 1. Strata with a single cluster of an
    arm (one treated to two controls, say) get, as pairs do, the error of their differences, the others CR2, and the two
    are added (Pashley and Miratrix 2021): CR2 would stay too small with any number of such strata if the arms scatter
    unequally. With `before`, or a single such stratum, all is CR2. The error is nan where a cluster alone decides a
    coefficient.
    """
    y, on = np.broadcast_arrays(np.asarray(y, float), np.asarray(on, bool))
    blocks = _Blocks(stratum, y.shape[-1])
    y, on = y[..., blocks.order], on[..., blocks.order]
    size = np.ones(y.shape[-1]) if users is None else np.asarray(users, float)[..., blocks.order]
    before = None if before is None else np.asarray(before, float)[..., blocks.order]
    single = np.minimum(*(blocks.sum(1.0 * arm) for arm in (~on, on))) == 1
    if before is not None or len(blocks.starts) == 1 or not single.any():
        return _regression(y, on, _weights(on, size, blocks), before, blocks)
    size, strata = np.broadcast_to(size, y.shape), single.shape[-1]
    kinds, kind = np.unique(single.reshape(-1, strata), axis=0, return_inverse=True)
    if len(kinds) == 1:
        return _strata_apart(y, on, size, blocks, kinds[0])
    found, k, kind = np.empty((3, len(kind))), y.shape[-1], kind.ravel()
    for number, alike in enumerate(kinds):  # assignments by independent coins
        some = kind == number
        found[:, some] = _strata_apart(*(a.reshape(-1, k)[some] for a in (y, on, size)), blocks, alike)
    return Fit(*(values.reshape(y.shape[:-1])[()] for values in found))


def _strata_apart(y, on, size, blocks, single):
    """Fit from strata with a single cluster of an arm, by their differences, and the others, by CR2. single: (S,)."""
    if single.sum() == 1:
        return _regression(y, on, _weights(on, size, blocks), None, blocks)
    arms = [(blocks.sum(arm * size), blocks.sum(arm * size * y)) for arm in (~on, on)]
    control, treated = (total / n for n, total in arms)
    share = arms[0][0] + arms[1][0]
    differences = cluster_average((treated - control)[..., single], share[..., single])
    if single.all():
        return differences
    rest = ~single[blocks.code]
    y, on, size, inner = y[..., rest], on[..., rest], size[..., rest], _Blocks(blocks.code[rest], rest.sum())
    others = _regression(y, on, _weights(on, size, inner), None, inner)
    part = share[..., single].sum(axis=-1) / share.sum(axis=-1)
    a, b = (part * differences.error) ** 2, ((1 - part) * others.error) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        df = (a + b) ** 2 / (a**2 / differences.df + b**2 / others.df)
    return Fit(part * differences.estimate + (1 - part) * others.estimate, np.sqrt(a + b), df)


def _regression(y, on, weight, before, blocks):
    """Treatment coefficient of weighted least squares on treatment, strata and `before`, with CR2 and Satterthwaite.

    All (..., K), sorted by stratum. With H the hat matrix, S = (I - H)(I - H)' and a the weights of the clusters in the
    coefficient: V = sum of a² e² / S_ww, df = (sum of a²)² / sum over pairs of a_w² a_v² S_wv² / (S_ww S_vv). Strata
    are absorbed, and S is the identity plus blocks of rank two plus one matrix of low rank, so no K × K matrix is
    formed.
    """
    total = blocks.spread(blocks.sum(weight))

    def centred(x):
        return x - blocks.spread(blocks.sum(weight * x)) / total

    Z = np.stack([centred(1.0 * on)] + ([] if before is None else [centred(np.broadcast_to(before, y.shape))]), axis=-1)
    y = centred(y)
    products = np.einsum("...kp,...k,...kq->...pq", Z, weight, Z)
    B = np.linalg.inv(products) if Z.shape[-1] == 1 else np.linalg.pinv(products, hermitian=True)
    L = Z @ B
    beta = np.einsum("...kp,...k,...k->...p", L, weight, y)
    residual = y - np.einsum("...kp,...p->...k", Z, beta)
    a = weight * L[..., 0]

    v = weight / total  # a stratum's mean is the sum of v y
    kappa = blocks.sum(v**2)
    W = weight[..., None] * Z
    W = W - np.stack([blocks.spread(blocks.sum(v * W[..., j])) for j in range(W.shape[-1])], axis=-1)
    C = np.einsum("...kp,...k,...kq->...pq", L, weight**2, L)
    N = np.concatenate([np.concatenate([C, -B], axis=-1), np.concatenate([-B, 0 * B], axis=-1)], axis=-2)
    ZW = np.concatenate([Z, W], axis=-1)
    diagonal = 1 - 2 * v + blocks.spread(kappa) + np.einsum("...kp,...pq,...kq->...k", ZW, N, ZW)
    sole = (diagonal < 1e-9) & (np.abs(a) > 1e-9 * np.abs(a).max(axis=-1, keepdims=True))
    g = a**2 / np.where(diagonal < 1e-9, np.inf, diagonal)
    variance = np.where(sole.any(axis=-1), np.nan, (g * residual**2).sum(axis=-1))

    t0, t1, t2 = (blocks.sum(g * v**j) for j in range(3))
    square = (g**2 * (1 + 2 * (blocks.spread(kappa) - 2 * v))).sum(axis=-1)
    square = square + ((kappa * t0 - t1) ** 2 - 2 * t0 * (kappa * t1 - t2) + t1**2).sum(axis=-1)
    r0, r1 = (np.stack([blocks.sum(g * v**j * ZW[..., i]) for i in range(ZW.shape[-1])], axis=-1) for j in range(2))
    cross = np.einsum("...sp,...sq->...pq", r0, r1)
    middle = np.einsum("...k,...kp,...kq->...pq", g**2, ZW, ZW) + np.einsum("...s,...sp,...sq->...pq", kappa, r0, r0)
    middle = middle - cross - np.swapaxes(cross, -1, -2)
    NT = N @ np.einsum("...kp,...k,...kq->...pq", ZW, g, ZW)
    square = square + 2 * np.einsum("...pq,...qp->...", N, middle) + np.einsum("...pq,...qp->...", NT, NT)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = np.where(np.isnan(variance), np.nan, (g * diagonal).sum(axis=-1) ** 2 / square)
    return Fit(beta[..., 0], np.sqrt(variance), df)


def cluster_average(y, users=None):
    """Mean over clusters, each counting once or by its users: Fit, with the same working model as `cluster_effect`.

    y: (..., K); users: (..., K) or None. Equal weights give the mean's usual error and df K - 1.
    """
    y = np.asarray(y, float)
    p = np.ones(y.shape) if users is None else np.broadcast_to(np.asarray(users, float), y.shape)
    p = p / p.sum(axis=-1, keepdims=True)
    mean = (p * y).sum(axis=-1)
    kappa = (p**2).sum(axis=-1, keepdims=True)
    diagonal = 1 - 2 * p + kappa
    g = p**2 / np.where(diagonal < 1e-9, np.nan, diagonal)
    variance = (g * (y - mean[..., None]) ** 2).sum(axis=-1)
    t0, t1, t2 = ((g * p**j).sum(axis=-1) for j in range(3))
    kappa = kappa[..., 0]
    square = (g**2 * (1 + 2 * (kappa[..., None] - 2 * p))).sum(axis=-1)
    square = square + (kappa * t0 - t1) ** 2 - 2 * t0 * (kappa * t1 - t2) + t1**2
    return Fit(mean, np.sqrt(variance), kappa**2 / square)


# ---- the cluster bootstrap, the lottery replayed, the wild bootstrap


def resample_counts(order, draws, rng):
    """How often each cluster is drawn, (draws, K), when K clusters are drawn with replacement, `draws` times.

    order: (K,) positions 0 to K - 1 of the clusters in the order in which the draw sees them.
    """
    order = np.asarray(order)
    k = len(order)
    places = order[rng.integers(0, k, (draws, k))] + k * np.arange(draws)[:, None]
    return np.bincount(places.ravel().astype(np.intp, copy=False), minlength=draws * k).reshape(draws, k)


def bootstrap(n, s, counts):
    """Means of groups minus the first group's, on resampled clusters: (..., draws, G - 1).

    n, s: (..., K, G) users and sums of outcomes by cluster and group; counts: (draws, K) of `resample_counts`.
    """
    with np.errstate(invalid="ignore", divide="ignore"):  # a sample without one of the groups
        mean = (counts @ s) / (counts @ n)
    return mean[..., 1:] - mean[..., :1]


def number_of_assignments(on, stratum=None):
    """In how many ways the same number of clusters can be treated (in each stratum)."""
    on = np.asarray(on, bool)
    code = np.zeros(len(on), int) if stratum is None else np.unique(stratum, return_inverse=True)[1]
    size, treated = np.bincount(code.astype(np.intp)), np.bincount(code.astype(np.intp), on)
    return math.prod(math.comb(int(k), int(t)) for k, t in zip(size, treated, strict=True))


def assignments(on, draws, rng, stratum=None):
    """Assignments with as many treated clusters (in each stratum) as the actual one: (R, K) booleans.

    on: (K,) booleans, the actual assignment, which is the first row. All assignments where there are at most `draws`
    of them, else the actual one and `draws` at random.
    """
    on = np.asarray(on, bool)
    code = np.zeros(len(on), int) if stratum is None else np.unique(stratum, return_inverse=True)[1]
    members = [np.flatnonzero(code == c) for c in range(code.max() + 1)]
    if number_of_assignments(on, stratum) <= draws:
        ways = [list(itertools.combinations(cells, int(on[cells].sum()))) for cells in members]
        rows = np.zeros((math.prod(map(len, ways)), len(on)), bool)
        for row, chosen in zip(rows, itertools.product(*ways), strict=True):
            row[list(itertools.chain(*chosen))] = True
        actual = (rows == on).all(axis=1)
        return np.concatenate([rows[actual], rows[~actual]])
    rows = np.empty((draws + 1, len(on)), bool)
    rows[0] = on
    for cells in members:
        rows[1:, cells] = rng.permuted(np.tile(on[cells], (draws, 1)), axis=1)
    return rows


def contrasts(values, rows, *, users=None, stratum=None):
    """Treated minus control means of clusters under many assignments: (R, M).

    values: (M, K); rows: (R, K) booleans; users, stratum: as for `cluster_effect`. Strata count by clusters (or users).
    """
    values, rows = np.atleast_2d(np.asarray(values, float)), np.asarray(rows)
    size = np.ones(values.shape[-1]) if users is None else np.asarray(users, float)
    code = np.zeros(len(size), int) if stratum is None else np.unique(stratum, return_inverse=True)[1]
    order = np.argsort(code, kind="stable")
    found = np.zeros((len(rows), len(values)))
    for cells in np.split(order, np.flatnonzero(np.diff(code[order])) + 1):
        m, sums = size[cells], (size * values)[:, cells].T
        step = max(1, AT_ONCE // len(cells))
        for start in range(0, len(rows), step):
            part = rows[start : start + step, cells].astype(float)
            weight, total = (part @ m)[:, None], part @ sums
            rest = (sums.sum(axis=0) - total) / (m.sum() - weight)
            found[start : start + step] += m.sum() / size.sum() * (total / weight - rest)
    return found


def randomization_test(y, rows):
    """p-value (...) of no effect on cluster means y (..., K): the share of assignments `rows` (R, K), the actual one
    first, whose difference of means is at least as large as the actual one's."""
    rows = np.asarray(rows, float)
    gap = np.abs(np.asarray(y, float) @ (rows / rows.sum(axis=1, keepdims=True)
                                         - (1 - rows) / (1 - rows).sum(axis=1, keepdims=True)).T)  # fmt: skip
    return (gap >= gap[..., :1] * (1 - 1e-9)).mean(axis=-1)


def wild_weights(k, draws, rng, kind=None):
    """Weights of the wild bootstrap, the first row all 1: (B, k).

    kind "signs": ±1 with equal chance, all 2**k of them where these are at most `draws`. "webb": the six points
    ±sqrt(1/2), ±1, ±sqrt(3/2) (Webb 2023). None: webb for fewer than 6 clusters, where signs can never reject at 5 %
    (no p is below 2 / 2**k); from there on signs keep their size at least as well.
    """
    if kind == "webb" or (kind is None and k < 6):
        points = np.sqrt([0.5, 1.0, 1.5])
        points = np.concatenate([-points, points])
        return np.vstack([np.ones(k), points[rng.integers(0, 6, (draws, k))]])
    if k < 30 and 2**k <= draws:
        return np.array(list(itertools.product([1.0, -1.0], repeat=k)))
    return np.vstack([np.ones(k), rng.integers(0, 2, (draws, k)) * 2.0 - 1.0])


def _null_residuals(values, weight, before, blocks):
    """values (..., K), sorted by stratum, minus their weighted fit on strata and `before`: what is left without a
    treatment."""

    def centred(x):
        return x - blocks.spread(blocks.sum(weight * x) / blocks.sum(weight))

    values = centred(values)
    if before is None:
        return values
    x = centred(before)
    spread = (weight * x**2).sum(axis=-1, keepdims=True)
    slope = np.divide((weight * x * values).sum(axis=-1, keepdims=True), spread, out=np.zeros(values.shape[:-1] + (1,)),
                      where=spread > 0)  # fmt: skip
    return values - slope * x


def _wild(values, on, weights, users, before, stratum):
    """Effects (..., B) of wild samples of values (..., K), and the clusters' parts of their errors (..., B, K)."""
    on, values = np.asarray(on, bool), np.asarray(values, float)
    blocks = _Blocks(stratum, len(on))
    values, on, V = values[..., blocks.order], on[blocks.order], np.asarray(weights)[:, blocks.order]
    size = np.ones(len(on)) if users is None else np.asarray(users, float)[..., blocks.order]
    weight = np.broadcast_to(_weights(np.broadcast_to(on, size.shape), size, blocks), values.shape)
    before = None if before is None else np.broadcast_to(np.asarray(before, float)[..., blocks.order], values.shape)
    u = _null_residuals(values, weight, before, blocks)
    # treatment without what strata and `before` explain: the effect is a weighted mean of outcomes (Frisch and Waugh)
    d = _null_residuals(np.broadcast_to(1.0 * on, values.shape), weight, before, blocks)
    a = weight * d / (weight * d**2).sum(axis=-1, keepdims=True)
    weight, a, d, u = (x[..., None, :] for x in (weight, a, d, u))
    sample = u * V
    effect = (a * sample).sum(axis=-1)
    rest = _null_residuals(sample, weight, None if before is None else before[..., None, :], blocks)
    return effect, a * (rest - effect[..., None] * d)


def wild_test(y, on, weights, *, users=None, before=None, stratum=None):
    """p-value (...) of no effect by the restricted wild cluster bootstrap (Cameron, Gelbach and Miller 2008).

    y, users, before: (..., K); on, stratum: (K,), as for `cluster_effect`; weights: (B, K) of `wild_weights`. Residuals
    of the fit without an effect are multiplied, cluster by cluster, and the cluster-robust t statistic is computed
    anew; p is the share of weights with one at least as large. users gives the regression of users, None that of
    cluster means.
    """
    y, k = np.asarray(y, float), len(on)
    shape = y.shape[:-1]
    many = [None if x is None else np.broadcast_to(x, y.shape).reshape(-1, k) for x in (users, before)]
    y, found = y.reshape(-1, k), []
    step = max(1, AT_ONCE // weights.size)
    for start in range(0, len(y), step):
        part = [None if x is None else x[start : start + step] for x in many]
        effect, root = _wild(y[start : start + step], on, weights, *part, stratum)
        t = np.abs(effect) / np.sqrt(np.maximum((root**2).sum(axis=-1), 1e-300))
        found.append((t >= t[:, :1] * (1 - 1e-9)).mean(axis=-1))
    return np.concatenate(found).reshape(shape)[()]


# ---- variation between clusters, and what it means for planning


def intracluster(n, s, q, group=None):
    """Intracluster correlation by analysis of variance: (...).

    n, s, q: (..., K) users, sums of outcomes and of their squares. group: (K,) labels (arms, or arms within strata)
    whose means are taken out. Below 0 where clusters differ less than users would by chance.
    """
    n, s, q = (np.asarray(a, float) for a in (n, s, q))
    between, within, typical, _ = _mean_squares(n, s, q, group)
    return (between - within) / (between + (typical - 1) * within)


def _mean_squares(n, s, q, group):
    """Mean squares between and within clusters, the typical size n0, and the degrees of freedom between."""
    blocks = _Blocks(group, n.shape[-1])
    n, s, q = (a[..., blocks.order] for a in (n, s, q))
    total = blocks.sum(n)
    squares = np.divide(s**2, n, out=np.zeros(np.broadcast_shapes(n.shape, s.shape)), where=n > 0)
    k, groups = (n > 0).sum(axis=-1), len(blocks.starts)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (squares.sum(axis=-1) - (blocks.sum(s) ** 2 / total).sum(axis=-1)) / (k - groups)
        within = (q - squares).sum(axis=-1) / (n.sum(axis=-1) - k)
        typical = (n.sum(axis=-1) - (blocks.sum(n**2) / total).sum(axis=-1)) / (k - groups)
    return between, within, typical, k - groups


def design_effect(icc, n):
    """How many times more users a mean of clusters needs than one of independent users, for clusters of sizes n (K,).

    1 + ((1 + CV²) m - 1) × ICC with m the mean size and CV the coefficient of variation of sizes, users weighing
    equally (Eldridge, Ashby and Kerry 2006).
    """
    n = np.asarray(n, float)
    return 1 + ((1 + (n.std() / n.mean()) ** 2) * n.mean() - 1) * icc


def power(effect, error, df, level=0.95):
    """Chance that the t interval excludes zero where the truth is `effect`; error: the standard error."""
    t = stats.t.ppf(0.5 + level / 2, df)
    with np.errstate(divide="ignore"):  # SciPy 1.12 warns where a tail is zero
        return stats.nct.sf(t, df, effect / error) + stats.nct.cdf(-t, df, effect / error)


def smallest_effect(error, df, power=0.80, level=0.95):
    """The effect that a t interval with this error finds with such power (Bloom 1995)."""
    return (stats.t.ppf(0.5 + level / 2, df) + stats.t.ppf(power, df)) * error


# ---- the interface: analyse, queries, analyse_tables

MEANING = {  # what check.sql can find
    "cluster is missing": (WARNING, "These rows were left out."),
    "treatment is missing": (WARNING, "These rows were left out."),
    "treatment is neither of its two values": (FATAL, "Code it 0 and 1, or name the arms with treated_value and "
                                                      "control_value, and further arms with other_arms."),
    "exposure is missing": (WARNING, "These rows were left out."),
    "exposure is neither 0 nor 1": (FATAL, "Give a condition, such as plan = 'pro'."),
    "stratum is missing": (WARNING, "These rows were left out."),
    "outcome is missing": (WARNING, "These rows were left out; that is harmless only if the reason has nothing to do "
                                    "with the outcome."),
    "outcome is not a finite number": (FATAL, "Repair them, or leave them out with a WHERE."),
    "before is missing": (WARNING, "Their cluster's value is that of the other rows."),
    "before is not a finite number": (FATAL, "Repair them, or leave them out with a WHERE."),
    "treated and control rows in one cluster": (FATAL, "Give each user the cluster and the arm they were assigned "
                                                       "with. If users were assigned within clusters, say which column "
                                                       "is the 'saturation'."),
    "cluster in several strata": (FATAL, "Clusters were assigned within one stratum each: is the name of a cluster "
                                         "used twice?"),
    "user appears more than once": (FATAL, "Make them one row each (GROUP BY user): repeated rows count a user twice, "
                                           "and one in two clusters belongs to two assignments."),
    "the log has no rows": (FATAL, "Look at the path and the WHERE."),
}  # fmt: skip
ROLES = ("outcome", "cluster", "treated"), ("exposed", "user", "stratum", "pair", "before", "saturation")
ACCEPT = ("exposure", "balance", "names")
FEW_CLUSTERS, FEW_EQUAL = 10, 5


def _check_roles(columns):
    own_logs.check_roles(columns, *ROLES)
    if columns.get("stratum") and columns.get("pair"):
        raise ValueError("columns: 'stratum' or 'pair', not both")
    if columns.get("saturation") and any(columns.get(r) for r in ("stratum", "pair", "exposed", "before")):
        raise ValueError("columns: with 'saturation' only outcome, cluster, treated and user")


def _design(target="cluster", level=0.95, accept=()):
    """The analyst's decisions, checked; raises ValueError in one line."""
    own_logs.check_choice("target", target, TARGETS)
    accept = (accept,) if isinstance(accept, str) else tuple(accept)
    for name in accept:
        own_logs.check_choice("accept", name, ACCEPT)
    return {"target": target, "level": own_logs.check_number("level", level, above=0, below=1), "accept": accept}


def _arms_named(treated_value, control_value, other_arms):
    other_arms = (other_arms,) if isinstance(other_arms, str) else tuple(other_arms)
    if other_arms and (treated_value is None or control_value is None):
        raise ValueError("other_arms: name treated_value and control_value as well")
    if control_value is not None and treated_value is None:
        raise ValueError("control_value: name treated_value as well")
    named = [str(v).strip().lower() for v in (treated_value, control_value, *other_arms) if v is not None]
    if len(set(named)) < len(named):
        raise ValueError("treated_value, control_value, other_arms: each arm once")
    return other_arms


def _queries(block, source):
    """The two SQL texts; block: SQL for cluster_id, treated, outcome, exposed, stratum, before_value, who, or None."""
    nothing = "CAST(NULL AS DOUBLE)"
    shared = {"cluster_id": block["cluster_id"], "treated": block["treated"], "outcome": block["outcome"],
              "exposed": block["exposed"] or "0", "stratum": block["stratum"] or "'all'",
              "before_value": block["before_value"] or nothing}  # fmt: skip
    more = {"before_given": int(block["before_value"] is not None), "whole_clusters": int(block["whole"]),
            "who": block["who"] or nothing}  # fmt: skip
    check, aggregate = ((HERE / name).read_text(encoding="utf-8") for name in ("check.sql", "aggregate.sql"))
    return own_logs.fill(check, shared | more, source), own_logs.fill(aggregate, shared, source)


def _source(treated, other_arms):
    """What stands after FROM: the log, without the arms that the analyst leaves out by name."""
    if not other_arms:
        return "logs"
    spellings = sorted(set().union(*map(own_logs._spellings, other_arms)))
    names = ", ".join(map(own_logs.text_literal, spellings))
    return f"logs\n    WHERE CASE WHEN {own_logs.plain(treated)} IN ({names}) THEN 1 ELSE 0 END = 0"


def _minus(sql, offset):
    return f"({sql}) - {own_logs.literal(offset)}" if offset else sql


def queries(columns, *, treated_value=None, control_value=None, other_arms=(), outcome_offset=0.0, **design):
    """(check, aggregate): the two SQL texts with the reader's columns, for a warehouse that Python cannot reach.

    They run on DuckDB and Spark against a table `logs`; give what they return to `analyse_tables`. columns and design:
    as for `analyse`, columns as names or expressions of your engine (quote odd names as it wants them). For arms in
    words give treated_value and control_value. outcome_offset: a constant near the mean of the outcome, which keeps
    the digits of one whose mean is large against its spread; give it to analyse_tables, too.
    """
    _check_roles(columns)
    _design(**design)
    other_arms = _arms_named(treated_value, control_value, other_arms)
    if (treated_value is None) != (control_value is None):
        raise ValueError("treated_value and control_value: give both or neither")
    offset = own_logs.check_number("outcome_offset", outcome_offset)
    block = _block(
        columns,
        lambda role, column: own_logs.number(column),
        lambda role, column: own_logs.text(column),
        lambda role, column, *values: own_logs.yes_no(column, None, *values),
        (treated_value, control_value),
    )
    block["outcome"] = _minus(block["outcome"], offset)
    return _queries(block, _source(columns["treated"], other_arms))


def _block(columns, number, text, yes_no, values):
    """SQL for each line of the block `your_columns`, made by the three functions; None for a role that is not given."""
    block = {"cluster_id": text("cluster", columns["cluster"]), "outcome": number("outcome", columns["outcome"]),
             "treated": yes_no("treated", columns["treated"], *values), "whole": not columns.get("saturation"),
             "exposed": None, "stratum": None, "before_value": None, "who": None}  # fmt: skip
    if columns.get("exposed"):
        block["exposed"] = yes_no("exposed", columns["exposed"])
    for role in ("stratum", "pair", "saturation"):
        if columns.get(role):
            block["stratum"] = text(role, columns[role])
    if columns.get("before"):
        block["before_value"] = number("before", columns["before"])
    if columns.get("user"):
        block["who"] = text("user", columns["user"])
    return block


def _tables(logs, columns, treated_value=None, control_value=None, other_arms=()):
    """(check, aggregate, offset) from a log that can be opened."""
    with Logs(logs) as log:

        def label(role, column):  # whole numbers stay what they are: faster to group by, and the same texts in the end
            expression = log.expression(role, column)
            return expression if log.kind(expression) in WHOLE else log.text(role, column)

        block = _block(columns, log.number, label, log.yes_no, (treated_value, control_value))
        offset = own_logs.centre_of(log, block["outcome"])
        block["outcome"] = _minus(block["outcome"], offset)
        treated = log.expression("treated", columns["treated"])
        for arm in other_arms:
            names = ", ".join(map(own_logs.text_literal, sorted(own_logs._spellings(arm))))
            if log.ask(f"SELECT COUNT(*) AS n FROM logs WHERE {own_logs.plain(treated)} IN ({names})")["n"][0] == 0:
                raise ValueError(f"other_arms: no row of {columns['treated']!r} is {arm!r}")
        check, aggregate = (log.ask(query) for query in _queries(block, _source(treated, other_arms)))
    return check, aggregate, offset


def analyse(logs, columns, *, treated_value=None, control_value=None, other_arms=(), **design):
    """The effect of treating whole clusters, or UnfitLog.

    logs: path or glob (CSV, Parquet), DataFrame or DuckDB relation, one row per user.
    columns: {"outcome": column, "cluster": column, "treated": column} and, where the log has them, "exposed" (0 or 1,
    settled before the assignment and marked in both arms: whom others' treatment can reach; they are left out),
    "stratum" (blocks within which clusters were assigned) or "pair" (blocks of two), "before" (a number measured before
    the experiment, best the outcome itself: cluster means are adjusted for it), "user" (finds repeated rows). With
    "saturation" (the share that was to be treated in the cluster) the log is a two-stage design. A column is a name or
    an SQL expression such as "school || ' ' || class_type".
    treated_value, control_value: the arms, where they are not 0 and 1. other_arms: further arms, which are left out; an
    arm that nobody names is refused.
    target: "cluster" for the effect on the average cluster (each counts once), "user" for the effect on the average
    user. level: of the interval. accept: findings that are to warn and not to refuse, of "exposure", "balance" and
    "names".

    Returns ClusterExperiment, or Saturation. Raises UnfitLog, one line for each fatal problem; ValueError for arguments
    without sense.
    """
    _check_roles(columns)
    design = _design(**design)
    other_arms = _arms_named(treated_value, control_value, other_arms)
    check, aggregate, offset = _tables(logs, columns, treated_value, control_value, other_arms)
    return _answer(check, aggregate, columns, design, offset)


def analyse_tables(check, aggregate, columns, *, treated_value=None, control_value=None, other_arms=(),
                   outcome_offset=0.0, **design):  # fmt: skip
    """`analyse` from what the two texts of `queries` returned (DataFrames), with the same columns and design."""
    _check_roles(columns)
    design = _design(**design)
    _arms_named(treated_value, control_value, other_arms)
    return _answer(check, aggregate, columns, design, own_logs.check_number("outcome_offset", outcome_offset))


SUMS = ["rows_in_cell", "n", "y", "yy", "before_n", "before_sum"]


def _cells(aggregate):
    """The aggregate with numbers as floats and one row for each kind of row; partial results are added."""
    cells = aggregate.rename(columns=str.lower)
    kinds = ["cluster_id", "treated", "exposed", "stratum"]
    cells = cells.astype(dict.fromkeys(["treated", "exposed", *SUMS], float))
    cells = cells.astype({"cluster_id": str, "stratum": str})
    return cells.groupby(kinds, as_index=False, sort=True)[SUMS].sum()


def _answer(check, aggregate, columns, design, offset):
    found = own_logs.named(check, MEANING)
    own_logs.refuse(own_logs.problem_table(found))
    cells = _cells(aggregate)
    found += _names(cells, design)
    if not np.isfinite(cells["yy"]).all():
        found.append(say("the outcome is too large to be squared", what_to_do="Divide it by a constant."))
    own_logs.refuse(own_logs.problem_table(found))
    answer = _saturation_answer if columns.get("saturation") else _cluster_answer
    return answer(cells, found, columns, design, offset)


def _names(cells, design):
    """Clusters whose names are the same but for capitals, or for how a number is written."""
    if len(cells) > MANY_CLUSTERS:
        return [say(f"more than {MANY_CLUSTERS:,} clusters", what_to_do="These are users, or sessions: name the unit "
                    "that was assigned, or compare users as in an ordinary A/B test.")]  # fmt: skip
    labels = pd.Series(cells["cluster_id"].unique(), dtype=object)

    def key(label):  # exact: as doubles long numbers fall together, and 02e46719, a piece of a hash, is infinite
        number = re.fullmatch(r"([+-]?)0*(\d*)(?:\.(\d*?)0*)?", label)
        if number is None or not re.search(r"\d", label):
            return label.lower()
        sign, whole, decimals = number[1].replace("+", ""), number[2] or "0", number[3] or ""
        return f"{sign}{whole}.{decimals}"

    keys = labels.map(key)
    twice = labels[keys.duplicated(keep=False)]
    if not len(twice):
        return []
    fatal = "names" not in design["accept"]
    example = labels[keys == keys[twice.index[0]]]
    rows = cells.loc[cells["cluster_id"].isin(twice), "rows_in_cell"].sum()
    return [say("clusters whose names differ only in capitals or in how a number is written",
                place=f"such as {', '.join(map(repr, example[:3]))}", rows=rows, severity=FATAL if fatal else WARNING,
                what_to_do="Write each name in one way (LOWER, CAST). If they are different clusters, "
                "accept=('names',).")]  # fmt: skip


# ---- clusters from cells, and what is wrong with them


def _clusters(cells):
    """One row for each cluster, all its rows and those that are used (with an outcome, not exposed)."""
    cells = cells.assign(exposed_rows=cells["exposed"] * cells["rows_in_cell"], lost=cells["rows_in_cell"] - cells["n"])
    all_rows = cells.groupby("cluster_id").agg(treated=("treated", "max"), stratum=("stratum", "first"),
                                               rows=("rows_in_cell", "sum"), exposed_rows=("exposed_rows", "sum"),
                                               lost=("lost", "sum"))  # fmt: skip
    used = cells[cells["exposed"] == 0].groupby("cluster_id")[["n", "y", "yy", "before_n", "before_sum"]].sum()
    clusters = all_rows.join(used).fillna({"n": 0.0, "y": 0.0, "yy": 0.0, "before_n": 0.0, "before_sum": 0.0})
    clusters = clusters.rename(columns={"n": "users"}).reset_index(names="cluster")
    with np.errstate(divide="ignore", invalid="ignore"):
        clusters["mean"] = clusters["y"] / clusters["users"]
        clusters["before"] = clusters["before_sum"] / clusters["before_n"]
    clusters["exposed"] = clusters.pop("exposed_rows") / clusters["rows"]
    clusters["lost"] = clusters["lost"] / clusters["rows"]
    return clusters.assign(treated=clusters["treated"] == 1)


def _label(columns):
    """The outcome's name for a sentence or an axis: its column, or "the outcome" for an SQL expression."""
    column = str(columns["outcome"])
    return column if re.fullmatch(r"\w[\w .-]{0,40}", column) else "the outcome"


def _count(number, noun):
    return f"{number:,} {noun if number == 1 else {'stratum': 'strata'}.get(noun, noun + 's')}"


def _usable(clusters, columns, found):
    """The clusters that can be compared: with a usable row (and a value of `before`), in strata with both arms."""
    keep = clusters["users"] > 0
    if not keep.all():
        why = ("nobody in them has an outcome and is out of reach of others' treatment." if columns.get("exposed")
               else "ask why nobody in them has an outcome.")  # fmt: skip
        found.append(say(f"{_count((~keep).sum(), 'cluster')} without a usable row", severity=WARNING,
                         rows=clusters.loc[~keep, "rows"].sum(), what_to_do=f"They were left out: {why}"))  # fmt: skip
    if columns.get("before"):
        without = keep & clusters["before"].isna()
        if without.any():
            found.append(say(f"{_count(without.sum(), 'cluster')} without a value of before", severity=WARNING,
                             rows=clusters.loc[without, "rows"].sum(),
                             what_to_do="They were left out; the effect is that on the others."))  # fmt: skip
        keep &= ~without
    clusters = clusters[keep]
    if columns.get("stratum") or columns.get("pair"):
        arms = clusters.groupby("stratum")["treated"].agg(["min", "max", "size"])
        if columns.get("pair") and (arms["size"] > 2).any():
            found.append(say("a pair with more than two clusters", place=f"such as {arms.index[arms['size'] > 2][0]!r}",
                             what_to_do="If blocks are larger than pairs, call the role 'stratum'."))  # fmt: skip
        alone = arms.index[arms["min"] == arms["max"]]
        gone = clusters["stratum"].isin(alone)
        if gone.any():
            found.append(say(f"{_count(len(alone), 'stratum')} with one arm only", severity=WARNING,
                             rows=clusters.loc[gone, "rows"].sum(), what_to_do="They were left out: there is nothing "
                             "to compare them with inside the stratum."))  # fmt: skip
        clusters = clusters[~gone]
    return clusters.reset_index(drop=True)


def _p_value(fit, scale):
    """Two-sided p of no difference; what only rounding makes is none."""
    if not abs(fit.estimate) > 1e-9 * scale:
        return 1.0
    if not fit.error > 0:
        return 0.0 if fit.error == 0 else 1.0
    return float(2 * stats.t.sf(abs(fit.estimate) / fit.error, fit.df))


class _Arrays:
    """Columns of the table of clusters as the estimators take them."""

    def __init__(self, clusters, columns):
        self.on, self.y, self.users = (clusters[c].to_numpy() for c in ("treated", "mean", "users"))
        self.s, self.q = clusters["y"].to_numpy(), clusters["yy"].to_numpy()
        self.stratum = clusters["stratum"].to_numpy() if columns.get("stratum") or columns.get("pair") else None
        self.before = clusters["before"].to_numpy() if columns.get("before") else None

    def effect(self, target, *, y=None, on=None, before=True, stratum=True, keep=slice(None)):
        users = self.users[keep] if target == "user" else None
        return cluster_effect((self.y if y is None else y)[..., keep], (self.on if on is None else on)[..., keep],
                              users=users, before=self.before[keep] if before and self.before is not None else None,
                              stratum=self.stratum[keep] if stratum and self.stratum is not None else None)  # fmt: skip

    def methods(self, target=None, *, y=None, q=None, on=None):
        """{name: (whose effect, Fit)} of all t and normal intervals; y (K,), on (..., K) as given or the log's own."""
        y, on, q = self.y if y is None else y, self.on if on is None else on, self.q if q is None else q
        n, s = np.broadcast_arrays(self.users, self.users * y)
        pair = [np.stack([np.where(on, 0, a), np.where(on, a, 0)], axis=-1) for a in (n, s)]
        cr1, cr2 = (Fit(*(np.asarray(a)[..., 0] for a in exposure_contrasts(*pair, kind))) for kind in ("CR1", "CR2"))
        found = {"users as if independent": ("user", user_level(n, s, q, on, robust=True)),
                 "CR1, normal quantile": ("user", cr1._replace(df=np.inf)),
                 "CR2, Satterthwaite": ("user", cr2)}  # fmt: skip
        extra = [] if self.stratum is None else [("strata ignored", {"stratum": False})]
        extra += [] if self.before is None else [("before ignored", {"before": False})]
        for whose in TARGETS if target is None else (target,):
            for name, ignore in [("", {}), *extra]:
                label = f"average {whose}" + (f", {name}" if name else "")
                found[label] = (whose, self.effect(whose, y=y, on=on, **ignore))
        return found


def _cluster_answer(cells, found, columns, design, offset):
    everyone = _clusters(cells)
    clusters = _usable(everyone, columns, found)
    counts = {True: int(clusters["treated"].sum()), False: int((~clusters["treated"]).sum())}
    for treated, name in ((True, "treated"), (False, "control")):
        if not (everyone["treated"] == treated).any():
            found.append(say(f"no {name} cluster", place="one arm only", what_to_do="Look at the treatment's values."))
        elif counts[treated] < 2:
            found.append(say(f"fewer than 2 usable {name} clusters", place=f"{counts[treated]} {name}, "
                             f"{counts[not treated]} in the other arm", what_to_do="The scatter of one cluster cannot "
                             "be seen: assign more, or follow this one over time (synthetic control)."))  # fmt: skip
    own_logs.refuse(own_logs.problem_table(found))
    arrays = _Arrays(clusters, columns)
    try:
        fit = arrays.effect(design["target"])
    except np.linalg.LinAlgError:
        fit = Fit(np.nan, np.nan, np.nan)
    fit = Fit(*map(float, fit))
    if not (np.isfinite(fit.error) and fit.df > 0.5):
        found.append(say("no degree of freedom is left", place=f"{len(clusters)} clusters", what_to_do="A cluster "
                         "alone decides a coefficient: use fewer strata, or leave `before` out."))  # fmt: skip
    elif not fit.error > 1e-12 * max(abs(fit.estimate), np.abs(arrays.y).max()):
        found.append(say("the outcome does not vary between clusters of an arm", what_to_do="There is no scatter to "
                         "measure an error by."))  # fmt: skip
    own_logs.refuse(own_logs.problem_table(found))
    found += _findings(everyone, clusters, arrays, fit, columns, design)
    problems = own_logs.problem_table(found)
    own_logs.refuse(problems)
    lo, hi = map(float, interval(fit, design["level"]))
    target, blocks = design["target"], columns.get("stratum") or columns.get("pair")
    counted = "each cluster counts once" if target == "cluster" else "each user counts once"
    among = " who cannot be reached by others' treatment" if columns.get("exposed") else ""
    method = (f"cluster means, {counted}{', within strata' if blocks else ''}"
              f"{', adjusted for ' + str(columns['before']) if columns.get('before') else ''}; CR2 error, t with "
              f"{short(fit.df)} Satterthwaite degrees of freedom")  # fmt: skip
    estimand = (f"the effect on {_label(columns)}{' of users' + among if among else ''} of treating a whole cluster "
                f"instead of leaving it untreated, on the average {target} of "
                f"{'these strata' if blocks else 'this log'}")  # fmt: skip
    return ClusterExperiment(
        estimate=fit.estimate, standard_error=fit.error, lo=lo, hi=hi, level=design["level"], method=method,
        estimand=estimand, n={"rows": int(everyone["rows"].sum()), "used": int(clusters["users"].sum()),
                              "clusters": len(clusters), "treated": counts[True], "control": counts[False],
                              "strata": int(clusters["stratum"].nunique()) if blocks else 0},
        problems=problems, table=cells, clusters=clusters, df=fit.df, columns=columns, design=design, offset=offset,
    )  # fmt: skip


def _findings(everyone, clusters, arrays, fit, columns, design):
    """Rows for the table of problems, from the clusters."""
    found = _balance_findings(everyone, columns, design)
    k1, k0 = int(arrays.on.sum()), int((~arrays.on).sum())
    few = min(k1, k0) < FEW_CLUSTERS
    if few:
        ways = number_of_assignments(arrays.on, arrays.stratum)
        least = "" if ways > 2 / (1 - design["level"]) else (f" With {ways} possible assignments no randomization test "
                                                            f"can go below p = {2 / ways:.2g}.")  # fmt: skip
        found.append(say(f"few clusters: {k1} treated, {k0} control", severity=WARNING, what_to_do="The interval rests "
                         "on cluster means that scatter alike and without outliers in both arms; look at the figure."
                         + least))  # fmt: skip
    for side, name in ((arrays.on, "treated"), (~arrays.on, "control")):
        if arrays.stratum is None and np.ptp(arrays.y[side]) == 0:
            found.append(say(f"all {name} clusters have the same mean", severity=WARNING, what_to_do="The error is "
                             "that of the other arm alone; is the outcome too rare, or capped?"))  # fmt: skip
    if arrays.before is not None and (lopsided := _lopsided(arrays.on, arrays.stratum)):
        found.append(say(f"{_count(lopsided, 'stratum')} with a single cluster of an arm, and `before`", severity=WARNING,
                         what_to_do="The interval may hold the truth in nine cases of ten only if the arms scatter "
                         "unequally: compare it without `before`."))  # fmt: skip
    found += _dominance(clusters, arrays, fit, design)
    found += _skewness(arrays, fit, design)
    other = "user" if design["target"] == "cluster" else "cluster"
    alternative = float(arrays.effect(other).estimate)
    if abs(alternative - fit.estimate) > fit.error:
        found.append(say(f"the effect on the average {design['target']} is {short(fit.estimate)}, on the average {other} "
                         f"{short(alternative)}", severity=WARNING, what_to_do="Large clusters differ from small ones: "
                         "decide which of the two the decision needs."))  # fmt: skip
    return found


def _balance_findings(clusters, columns, design):
    """Exposure, `before`, sizes and missing values must not differ between the arms by more than chance."""
    table, found = _balance(clusters, columns), []
    for row in table.itertuples():
        if not row.p < 0.01:
            continue
        values = f"{short(row.treated)} treated, {short(row.control)} control, p = {row.p:.1g}"
        if row.what == "exposed share":
            fatal = row.p < 0.001 and abs(row.difference) > 0.01 and "exposure" not in design["accept"]
            found.append(say(f"exposure differs between the arms ({values})", place="share of rows that are exposed",
                             severity=FATAL if fatal else WARNING, what_to_do="Those who are not exposed are then not "
                             "alike in both arms. Use a flag that was settled before the assignment and is marked in "
                             "both arms."))  # fmt: skip
        elif row.what == "before":
            spread = clusters["before"].std()
            fatal = row.p < 0.001 and abs(row.difference) > 0.1 * spread and "balance" not in design["accept"]
            found.append(say(f"before differs between the arms ({values})", place="cluster means",
                             severity=FATAL if fatal else WARNING, what_to_do="Ask whether clusters were assigned by a "
                             "lottery; adjusting does not cure a selection."))  # fmt: skip
        elif row.what == "rows per cluster":
            found.append(say(f"clusters of one arm are larger ({values})", place="rows per cluster", severity=WARNING,
                             what_to_do="Does the treatment decide who appears in the log? Then compare those who were "
                             "there before."))  # fmt: skip
        else:
            found.append(say(f"outcomes are missing more often in one arm ({values})", place=row.what, severity=WARNING,
                             what_to_do="The estimate compares those who have an outcome; say so, and bound what the "
                             "others could change."))  # fmt: skip
    return found


def _balance(clusters, columns):
    """What must be alike in both arms: DataFrame with what, treated, control, difference, p. Cluster averages."""
    rows = [("rows per cluster", np.log(clusters["rows"]), clusters["rows"])]
    if clusters["lost"].any():
        rows.append(("share without an outcome", clusters["lost"], clusters["lost"]))
    if columns.get("exposed"):
        rows.append(("exposed share", clusters["exposed"], clusters["exposed"]))
    if columns.get("before"):
        rows.append(("before", clusters["before"], clusters["before"]))
    found = []
    for what, tested, shown in rows:
        ok = tested.notna().to_numpy()
        on, y = clusters["treated"].to_numpy()[ok], tested.to_numpy()[ok]
        means = [float(shown.to_numpy()[ok][side].mean()) if side.any() else np.nan for side in (on, ~on)]
        p = np.nan
        if min(on.sum(), (~on).sum()) >= 2:
            p = _p_value(cluster_effect(y, on), max(np.abs(y).max(), 1e-300))
        found.append((what, *means, means[0] - means[1], p))
    return pd.DataFrame(found, columns=["what", "treated", "control", "difference", "p"])


def _lopsided(on, stratum):
    """How many strata have a single cluster of one arm and several of the other."""
    if stratum is None:
        return 0
    counts = pd.crosstab(stratum, on)
    return int(((counts.min(axis=1) == 1) & (counts.max(axis=1) > 1)).sum())


def _dominance(clusters, arrays, fit, design):
    """One cluster that decides the estimate, by its size or by its value."""
    found = []
    if design["target"] == "user" and arrays.stratum is None:
        for treated, name in ((True, "treated"), (False, "control")):
            part = clusters[clusters["treated"] == treated]
            share = (part["users"] / part["users"].sum()).to_numpy()
            place = f"cluster {part['cluster'].to_numpy()[share.argmax()]}"
            equal = 1 / (share**2).sum()
            if share.max() >= 0.8:
                found.append(say(f"one cluster holds {share.max():.0%} of the {name} users", place=place,
                                 rows=part["users"].max(), what_to_do="Its own luck cannot be told from the effect: "
                                 "use target='cluster', or split it before the next assignment."))  # fmt: skip
            elif share.max() >= 0.5 and len(share) > 2 or equal < min(FEW_EQUAL, len(share) / 2):
                found.append(say(f"the {name} arm weighs as much as {equal:.1f} clusters of equal size", rows=np.nan,
                                 place=f"{place} holds {share.max():.0%}", severity=WARNING, what_to_do="The interval "
                                 "assumes that the mean of a large cluster varies like that of a small one: compare "
                                 "target='cluster'."))  # fmt: skip
    moves = _leave_one_out(clusters, arrays, design)
    if len(moves) and abs(moves["errors"].iloc[0]) > 2:  # hardly ever where clusters are normal
        worst = moves.iloc[0]
        found.append(say(f"without one cluster the estimate is {short(worst['estimate'])} instead of {short(fit.estimate)}",
                         place=f"cluster {worst['cluster']}", rows=worst["users"], severity=WARNING, what_to_do="Look "
                         "at this cluster before you believe either; leave it out only for a reason that was there "
                         "before the result."))  # fmt: skip
    return found


def _skewness(arrays, fit, design):
    """Cluster means with a long tail, in arms that do not balance it: then the interval is too short on one side."""
    if arrays.stratum is not None:
        return []
    weight = arrays.users if design["target"] == "user" else np.ones(len(arrays.y))
    rest, parts, blocks = np.empty(len(arrays.y)), {}, _Blocks(arrays.on, len(arrays.y))
    before = None if arrays.before is None else arrays.before[blocks.order]
    rest[blocks.order] = _null_residuals(arrays.y[blocks.order], weight[blocks.order], before, blocks)  # within arms
    for side, sign in ((arrays.on, 1), (~arrays.on, -1)):
        sd = math.sqrt((rest[side] ** 2).sum() / (side.sum() - 1))
        rest[side] = rest[side] / sd if sd > 0 else 0.0
        parts[sign] = sign * (sd / fit.error) ** 3 * ((weight[side] / weight[side].sum()) ** 3).sum()
    skew = (rest**3).mean()
    of_estimate = abs(skew * sum(parts.values()))
    if abs(skew) < 2 * math.sqrt(6 / len(rest)) or of_estimate < 0.3:
        return []
    return [say(f"cluster means have a long tail (skewness {skew:.1f})", severity=WARNING, what_to_do="The arms do not "
                "balance it, so the interval is too short on one side: compare randomization(), and an outcome without "
                "outliers (a share, a logarithm).")]  # fmt: skip


def _leave_one_out(clusters, arrays, design, most=20):
    """The estimate without each of the clusters (or, in strata of one treated or control cluster, the whole stratum)
    that stand out most: DataFrame, the largest move first. errors: the move, in standard errors without the cluster."""
    whole = arrays.effect(design["target"])
    code = arrays.stratum if arrays.stratum is not None else np.where(arrays.on, "treated", "control")
    weight = arrays.users if design["target"] == "user" else np.ones(len(arrays.y))
    stands_out = weight * np.abs(arrays.y - pd.Series(arrays.y).groupby(code).transform("mean").to_numpy())
    found = []
    for index in np.argsort(-stands_out, kind="stable")[:most]:
        keep = np.arange(len(arrays.y)) != index
        if arrays.stratum is not None:
            same = arrays.stratum == arrays.stratum[index]
            if (same & (arrays.on == arrays.on[index])).sum() == 1:
                keep &= ~same
        if min(arrays.on[keep].sum(), (~arrays.on[keep]).sum()) < 2:
            continue
        fit = arrays.effect(design["target"], keep=keep)
        lo, hi = interval(fit, design["level"])
        found.append((clusters["cluster"].iloc[index], bool(arrays.on[index]), arrays.users[index], float(fit.estimate),
                      float(lo), float(hi),
                      float((fit.estimate - whole.estimate) / max(fit.error, 1e-300))))  # fmt: skip
    table = pd.DataFrame(found, columns=["cluster", "treated", "users", "estimate", "lo", "hi", "errors"])
    return table.sort_values("errors", key=np.abs, ascending=False, kind="stable", ignore_index=True)


def _invert(p_value, centre, step, alpha):
    """[lo, hi] of the effects that a test with `p_value` (effects (2,) -> p (2,)) does not reject at alpha.

    Searched outwards from `centre`, where p is 1; infinite where no effect is rejected, however large.
    """
    inside, outside = np.full(2, centre), centre + step * np.array([-1.0, 1.0])
    for _ in range(40):
        kept = p_value(outside) > alpha
        if not kept.any():
            break
        inside = np.where(kept, outside, inside)
        outside = np.where(kept, centre + 2 * (outside - centre), outside)
    endless = p_value(outside) > alpha
    for _ in range(50):
        middle = (inside + outside) / 2
        kept = p_value(middle) > alpha
        inside, outside = np.where(kept, middle, inside), np.where(kept, outside, middle)
    return np.where(endless, np.array([-np.inf, np.inf]), inside)


@dataclass(kw_only=True)
class ClusterExperiment(Result):
    """What `analyse` found: own_logs.Result, and df (of the t interval), clusters (one row each: cluster, treated,
    stratum, rows, users (rows used), mean, before, exposed and lost shares), columns, design, offset."""

    df: float
    clusters: pd.DataFrame
    columns: dict
    design: dict
    offset: float
    _arrays: object = field(init=False, repr=False)

    def __post_init__(self):
        self._arrays = _Arrays(self.clusters, self.columns)

    def intervals(self):
        """The answer beside others: DataFrame with interval, effect_on (the average cluster or user), estimate,
        standard_error, df, lo, hi. The first three compare users without regard to strata and `before`."""
        found = []
        for name, (whose, fit) in self._arrays.methods().items():
            found.append((name, whose, *map(float, fit), *map(float, interval(fit, self.level))))
        names = ["interval", "effect_on", "estimate", "standard_error", "df", "lo", "hi"]
        return pd.DataFrame(found, columns=names)

    def balance(self):
        """What must be alike in both arms: DataFrame with what, treated, control, difference, p; means of clusters."""
        return _balance(_clusters(self.table), self.columns)

    def leave_one_out(self):
        """The estimate without each of the 20 clusters that stand out most, the largest move first: DataFrame with
        cluster, treated, users, estimate, lo, hi, errors (the move, in standard errors without the cluster). In strata
        the whole stratum goes where the cluster is the only one of its arm."""
        return _leave_one_out(self.clusters, self._arrays, self.design)

    def randomization(self, draws=40_000, seed=0):
        """Randomization test of no effect, and the interval of constant effects that it does not reject: dict.

        The assignment in the log is replayed: as many treated clusters, in each stratum, as there were. Needs no model
        of the outcome; exact if the effect is the same in every cluster. Keys: p, lo, hi, and how far these are known
        (p_error, limit_error: Monte Carlo errors, 0 where all assignments were tried); assignments (how many there
        are), tried. An interval is infinite where there are too few assignments to reject anything.
        """
        a, level = self._arrays, self.level
        draws = _fewer_draws(draws, len(a.on), "randomization")
        ways = number_of_assignments(a.on, a.stratum)
        rows = assignments(a.on, draws, np.random.default_rng(seed), a.stratum)
        users = a.users if self.design["target"] == "user" else None
        values = np.stack([a.y, 1.0 * a.on])
        if a.before is not None:  # adjusted as Rosenbaum (2002) does: residuals of the fit without a treatment
            blocks, size = _Blocks(a.stratum, len(a.on)), np.ones(len(a.on)) if users is None else users
            left = _null_residuals(values[:, blocks.order], size[blocks.order], a.before[blocks.order], blocks)
            values[:, blocks.order] = left
        gap, unit = contrasts(values, rows, users=users, stratum=a.stratum).T

        def p_value(effects):
            moved = np.abs(gap - np.asarray(effects)[:, None] * unit)
            return (moved >= moved[:, :1] * (1 - 1e-9) - 1e-12 * np.abs(gap[0])).mean(axis=1)

        exact = ways <= draws
        p = float(p_value([0.0])[0])
        alpha = 1 - level
        error = 0.0 if exact else math.sqrt(alpha * level / len(rows))
        centre, step = gap[0] / unit[0], 2 * self.standard_error
        lo, hi = _invert(p_value, centre, step, alpha)
        wide, narrow = (_invert(p_value, centre, step, alpha + shift) for shift in (-error, error))
        finite = np.isfinite([wide, narrow]).all()
        return {"p": p, "lo": float(lo), "hi": float(hi),
                "p_error": 0.0 if exact else math.sqrt(p * (1 - p) / len(rows)),
                "limit_error": float(np.abs(wide - narrow).max() / 2) if finite else 0.0 if exact else np.nan,
                "assignments": ways, "tried": len(rows)}  # fmt: skip

    def wild(self, draws=9_999, seed=0, weights=None):
        """Restricted wild cluster bootstrap of the same estimator: dict with p, lo, hi, p_error, tried, weights.

        weights: "signs", "webb" or None (webb for fewer than 6 clusters; all signs where these are at most `draws`).
        """
        own_logs.check_choice("weights", weights, ("signs", "webb", None))
        a, k = self._arrays, len(self._arrays.on)
        if _lopsided(a.on, a.stratum):
            raise ValueError("wild: in strata with a single cluster of an arm and several of the other its p is too "
                             "small where the arms scatter unequally; randomization() and the interval do without")  # fmt: skip
        draws = _fewer_draws(draws, k, "wild")
        v = wild_weights(k, draws, np.random.default_rng(seed), weights)
        users, parts, step = a.users if self.design["target"] == "user" else None, [], max(1, AT_ONCE // k)
        for start in range(0, len(v), step):
            effect, root = _wild(np.stack([a.y, 1.0 * a.on]), a.on, v[start : start + step], users, a.before, a.stratum)
            pairs = ((root[0], root[0]), (root[0], root[1]), (root[1], root[1]))
            parts.append(np.stack([*effect, *(np.einsum("bk,bk->b", *pair) for pair in pairs)]))
        y, unit, yy, yu, uu = np.concatenate(parts, axis=1)

        def p_value(effects):
            e = np.asarray(effects)[:, None]  # under the effect e, outcomes are y - e × treated
            t = np.abs(y - e * unit) / np.sqrt(np.maximum(yy - 2 * e * yu + e**2 * uu, 1e-300))
            return (t >= t[:, :1] * (1 - 1e-9)).mean(axis=1)

        p = float(p_value([0.0])[0])
        lo, hi = _invert(p_value, self.estimate, 2 * self.standard_error, 1 - self.level)
        kind = weights or ("webb" if k < 6 else "signs")
        exact = kind == "signs" and k < 30 and len(v) == 2**k
        return {"p": p, "lo": float(lo), "hi": float(hi), "p_error": 0.0 if exact else math.sqrt(p * (1 - p) / len(v)),
                "tried": len(v), "weights": kind}  # fmt: skip

    def placebo(self, draws=2_000, seed=0):
        """A/A tests on the clusters of this log: how often does each interval find an effect where there is none?

        The estimate is taken off the treated clusters, then the assignment is replayed, so the truth is 0 in every
        draw. DataFrame with interval, effect_on, false_alarms (to be 1 - level), mc_error, spread (SD of the estimate),
        half_width (mean).
        """
        a = self._arrays
        y = a.y - self.estimate * a.on
        q = a.q - a.on * (2 * self.estimate * a.s - self.estimate**2 * a.users)
        rows, exact = _placebo_arms(a, a.on, draws, np.random.default_rng(seed))
        return _false_alarms(lambda on: a.methods(y=y, q=q, on=on), rows, self.level, exact)

    def spillover(self):
        """What exposed users gain from others' treatment: DataFrame with comparison, estimate, standard_error, df, lo,
        hi, clusters.

        Exposed minus other users of the same cluster, in control clusters; the same in treated clusters, where it shows
        how the two kinds differ anyway (a placebo); and the difference. Only the last is spillover, and only if being
        exposed goes with the same difference in both arms but for the spillover. None without an exposure column.
        """
        if not self.columns.get("exposed"):
            return None
        cells = self.table[self.table["n"] > 0]
        mean = (cells["y"] / cells["n"]).groupby([cells["cluster_id"], cells["exposed"]]).sum().unstack()
        users = cells.groupby(["cluster_id", "exposed"])["n"].sum().unstack()
        on = cells.groupby("cluster_id")["treated"].max() == 1
        if not {0.0, 1.0} <= set(mean.columns):
            return None
        both = mean.notna().all(axis=1)
        gap, on = (mean[1.0] - mean[0.0])[both].to_numpy(), on[both].to_numpy()
        weight = users[both].sum(axis=1).to_numpy() if self.design["target"] == "user" else None
        found = []
        for name, side in (("control clusters: exposed minus others", ~on), ("treated clusters: the same", on)):
            if side.sum() >= 2:
                found.append((name, cluster_average(gap[side], None if weight is None else weight[side]), side.sum()))
        if len(found) == 2:
            back = cluster_effect(gap, on, users=weight)
            found.append(("difference: spillover", back._replace(estimate=-back.estimate), len(gap)))
        rows = [(name, *map(float, fit), *map(float, interval(fit, self.level)), int(k)) for name, fit, k in found]
        return pd.DataFrame(rows, columns=["comparison", "estimate", "standard_error", "df", "lo", "hi", "clusters"])

    def icc(self):
        """How much of the variance lies between clusters of an arm, and what it costs: dict.

        icc with lo, hi (F interval: normal outcomes, sizes not too unequal), sd_between, sd_within, users per cluster,
        cv (of sizes), design_effect (for a mean of users), effective_users.
        """
        a = self._arrays
        between, within, typical, df = _mean_squares(a.users, a.s, a.q, a.on)
        return _variation(between, within, typical, df, a.users, self.level)

    def detectable(self, power=0.80):
        """The smallest true effect that such an experiment finds with this power, in the unit of the outcome."""
        own_logs.check_number("power", power, above=0, below=1)
        return float(smallest_effect(self.standard_error, self.df, power, self.level))

    def clusters_needed(self, effect, power=0.80):
        """How many clusters, in arms of the same proportions, find `effect` with this power."""
        effect = own_logs.check_number("effect", abs(effect), above=0)
        own_logs.check_number("power", power, above=0, below=1)
        return _clusters_for(effect, power, self.level, self.standard_error, self.df, self.n["clusters"])

    def figure(self):
        """The plot of the design: every cluster is a dot, its area is its size; the line is the mean of the arm."""
        from series import COLOR, plt

        figure, axes = plt.subplots(figsize=(7.5, 4))
        a = self._arrays
        joined = a.stratum is not None and self.n["clusters"] <= 400
        place = np.random.default_rng(0).uniform(-0.22, 0.22, len(a.on)) * (0.1 if joined else 1.0)
        area = 12 + 90 * a.users / a.users.max()
        y = a.y + self.offset
        if joined:
            _join_pairs(axes, a, place, y)
        size = a.users if self.design["target"] == "user" else np.ones(len(y))
        names = []
        for x, side, name in ((0, ~a.on, "control"), (1, a.on, "treated")):
            axes.scatter(x + place[side], y[side], area[side], color=COLOR[name], alpha=0.7, lw=0)
            mean = np.average(y[side], weights=size[side])
            axes.plot([x - 0.3, x + 0.3], [mean, mean], color=COLOR[name], lw=2.2)
            axes.text(1.66 * x - 0.33, mean, f"{mean:.4g}", color=COLOR[name], va="center", ha="left" if x else "right")
            names.append(f"{side.sum()} {name}")
        axes.set_xticks([0, 1], names)
        axes.set(xlim=(-0.6, 1.6), ylabel=f"{_label(self.columns)}, mean of a cluster")
        return figure

    def report(self):
        """Two sentences for a stakeholder, what could break them, and the warnings."""
        outcome, whose = _label(self.columns), self.design["target"]
        direction = "raises" if self.estimate > 0 else "lowers"
        sure = self.lo > 0 or self.hi < 0
        does = f"{direction} {outcome} by {short(abs(self.estimate))}" if sure else f"has no clear effect on {outcome}"
        among = ", among users whom others' treatment cannot reach" if self.columns.get("exposed") else ""
        strata = f" in {self.n['strata']} strata" if self.n["strata"] else ""
        return (f"Treating a whole cluster {does}{among} (estimate {short(self.estimate)}, {100 * self.level:g} % "
                f"interval {short(self.lo)} to {short(self.hi)}; {self.n['treated']} treated and {self.n['control']} control "
                f"clusters{strata}, {self.n['used']:,} rows); the number is for the average {whose}, each {whose} "
                f"counting once. It holds if a lottery decided which clusters were treated and nothing crosses from "
                f"one cluster to another, which no query can see. {self.warnings()}").strip()  # fmt: skip


def _join_pairs(axes, arrays, place, y):
    """Grey lines between the two clusters of a stratum that has just two."""
    from series import FAINT

    for index in pd.Series(np.arange(len(y))).groupby(arrays.stratum).groups.values():
        index = np.asarray(index)
        if len(index) == 2:
            axes.plot(arrays.on[index] + place[index], y[index], color=FAINT, lw=0.6, zorder=0)


def _fewer_draws(draws, k, name):
    """As many draws as fit in memory, at least 999; raises ValueError where even those would not."""
    own_logs.check_number("draws", draws, at_least=99, whole=True)
    most = 200_000_000 // k
    if most < 999:
        raise ValueError(f"{name}: with so many clusters there is no need; the t interval is as good")
    return int(min(draws, most))


def _placebo_arms(arrays, on, draws, rng):
    """Assignments (R, K) like `on`, and whether these are all there are."""
    rows = assignments(on, max(100, min(draws, 20_000_000 // len(on))), rng, arrays.stratum)
    exact = len(rows) == number_of_assignments(on, arrays.stratum)
    return (rows if exact else rows[1:]), exact


def _false_alarms(methods, rows, level, exact=False):
    """How often the intervals of `methods` (rows (R, K) -> {name: (whose, Fit)}) leave out 0: DataFrame."""
    step, parts = max(1, AT_ONCE // (4 * rows.shape[1])), {}
    for start in range(0, len(rows), step):
        for name, (whose, fit) in methods(rows[start : start + step]).items():
            parts.setdefault(name, (whose, []))[1].append(np.broadcast_arrays(fit.estimate, *interval(fit, level)))
    found = []
    for name, (whose, fits) in parts.items():
        estimate, lo, hi = np.concatenate(fits, axis=1)
        alarms = np.mean((lo > 0) | (hi < 0))
        error = 0.0 if exact else math.sqrt(max(alarms, 1 / len(lo)) * (1 - alarms) / len(lo))
        found.append((name, whose, alarms, error, estimate.std(), np.nanmean(hi - lo) / 2))
    names = ["interval", "effect_on", "false_alarms", "mc_error", "spread", "half_width"]
    return pd.DataFrame(found, columns=names)


def _variation(between, within, typical, df, users, level):
    """The dict of `icc` from mean squares."""
    k, n = len(users), users.sum()
    if not (within > 0 and n > k and df > 0):
        return None
    ratio, quantiles = between / within, stats.f.ppf([0.5 + level / 2, 0.5 - level / 2], df, n - k)
    lo, hi = ((ratio / f - 1) / (ratio / f + typical - 1) for f in quantiles)
    icc = (ratio - 1) / (ratio + typical - 1)
    effect = design_effect(max(icc, 0.0), users)
    return {"icc": float(icc), "lo": float(lo), "hi": float(hi),
            "sd_between": math.sqrt(max(between - within, 0.0) / typical), "sd_within": math.sqrt(within),
            "users_per_cluster": float(n / k), "cv": float(users.std() / users.mean()),
            "design_effect": float(effect), "effective_users": float(n / effect)}  # fmt: skip


def _clusters_for(effect, power, level, error, df, clusters):
    """Smallest number of clusters whose t interval finds the effect; error and df belong to `clusters`."""

    def enough(k):
        share = k / clusters
        return smallest_effect(error / math.sqrt(share), max(df * share, 0.5), power, level) <= effect

    high = 4
    while not enough(high):
        high *= 2
        if high > 10**12:
            return math.inf
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


# ---- two-stage designs: clusters were assigned a share to be treated, users within them by chance


def _saturation_answer(cells, found, columns, design, offset):
    clusters = _saturation_clusters(cells)
    unusable = clusters["users"] == 0
    if unusable.any():
        found.append(say(f"{_count(unusable.sum(), 'cluster')} without a usable row", severity=WARNING,
                         rows=clusters.loc[unusable, "rows"].sum(),
                         what_to_do="They were left out: ask why nobody in them has an outcome."))  # fmt: skip
    clusters = clusters[~unusable].reset_index(drop=True)
    levels = _levels(clusters)
    if len(levels) < 2:
        found.append(say("all clusters have the same saturation", what_to_do="Spillover cannot be seen without "
                         "clusters of which a different share is treated."))  # fmt: skip
    for level, count in clusters["saturation"].value_counts().items():
        if count < 2:
            found.append(say("a single cluster has this saturation", place=f"saturation {level}", what_to_do="The "
                             "scatter of one cluster cannot be seen: merge levels, or leave it out."))  # fmt: skip
        elif count < FEW_CLUSTERS:
            found.append(say(f"few clusters: {count}", place=f"saturation {level}", severity=WARNING, what_to_do="The "
                             "intervals rest on cluster means without outliers; look at the figure."))  # fmt: skip
    own_logs.refuse(own_logs.problem_table(found))
    table = _saturation_effects(clusters, levels, design)
    fit = table.iloc[0]
    if not (np.isfinite(fit["standard_error"]) and fit["standard_error"] > 1e-12 * np.abs(clusters["mean"]).max()):
        found.append(say("the outcome does not vary between clusters of a saturation", what_to_do="There is no "
                         "scatter to measure an error by."))  # fmt: skip
    if clusters.loc[clusters["saturation"] == levels[0], "share"].max() > 0:
        found.append(say("no cluster is free of treatment", place=f"lowest saturation {levels[0]}", severity=WARNING,
                         what_to_do="Spillover is measured against that share, not against none."))  # fmt: skip
    found += _share_findings(clusters) + _saturation_losses(clusters)
    problems = own_logs.problem_table(found)
    own_logs.refuse(problems)
    whose = design["target"]
    method = (f"means of clusters by saturation, each {whose} counting once; CR2 error, t with {short(fit['df'])} "
              "Satterthwaite degrees of freedom")  # fmt: skip
    estimand = (f"the effect on {_label(columns)} of treating the share {levels[-1]} of a cluster's users instead of "
                f"{levels[0]}, on all users, treated or not, each {whose} counting once")  # fmt: skip
    return Saturation(
        estimate=float(fit["estimate"]), standard_error=float(fit["standard_error"]), lo=float(fit["lo"]),
        hi=float(fit["hi"]), level=design["level"], method=method, estimand=estimand,
        n={"rows": int(cells["rows_in_cell"].sum()), "used": int(clusters["users"].sum()), "clusters": len(clusters),
           "saturations": len(levels)},
        problems=problems, table=cells, clusters=clusters, effects=table, levels=levels, df=float(fit["df"]),
        columns=columns, design=design, offset=offset,
    )  # fmt: skip


def _saturation_clusters(cells):
    """One row for each cluster: saturation, rows, share treated, users and means of all, treated and untreated."""
    wide = cells.pivot_table(index=["cluster_id", "stratum"], columns="treated", values=["rows_in_cell", "n", "y"],
                             aggfunc="sum", fill_value=0.0).reindex(
        columns=pd.MultiIndex.from_product([["rows_in_cell", "n", "y"], [0.0, 1.0]]), fill_value=0.0)  # fmt: skip
    rows, n, y = (wide[name].to_numpy() for name in ("rows_in_cell", "n", "y"))
    with np.errstate(divide="ignore", invalid="ignore"):
        return pd.DataFrame({
            "cluster": wide.index.get_level_values(0), "saturation": wide.index.get_level_values(1),
            "rows": rows.sum(axis=1), "users": n.sum(axis=1), "share": rows[:, 1] / rows.sum(axis=1),
            "untreated_rows": rows[:, 0], "treated_rows": rows[:, 1],
            "untreated_users": n[:, 0], "treated_users": n[:, 1],
            "mean": y.sum(axis=1) / n.sum(axis=1), "untreated": y[:, 0] / n[:, 0], "treated": y[:, 1] / n[:, 1],
        })  # fmt: skip


def _levels(clusters):
    """Saturations from the lowest to the highest share of treated users."""
    treated = clusters.groupby("saturation")[["treated_rows", "rows"]].sum()
    return list((treated["treated_rows"] / treated["rows"]).sort_values(kind="stable").index)


def _saturation_effects(clusters, levels, design):
    """All contrasts of a two-stage design: DataFrame with effect, saturation, against, estimate, standard_error, df,
    lo, hi, clusters. The first row is the overall effect of the highest saturation."""
    by_user, found = design["target"] == "user", []

    def add(name, level, against, fit, k):
        found.append((name, level, against, *map(float, fit), *map(float, interval(fit, design["level"])), k))

    def between(name, level, against, value, base=None):
        """value at `level` minus base (default the same value) at `against`, from clusters that have them."""
        base = value if base is None else base
        part = clusters[clusters["saturation"].isin([level, against])]
        on = (part["saturation"] == level).to_numpy()
        weight_of = {"mean": "users", "treated": "treated_users", "untreated": "untreated_users"}
        y, users = (np.where(on, part[a], part[b]) for a, b in ((value, base), (weight_of[value], weight_of[base])))
        ok = users > 0
        if min((on & ok).sum(), (~on & ok).sum()) >= 2:
            fit = cluster_effect(y[ok], on[ok], users=users[ok] if by_user else None)
            add(name, level, against, fit, int(ok.sum()))

    for level in levels[:0:-1]:
        between("overall", level, levels[0], "mean")
    for level in levels[:0:-1]:
        between("total on the treated", level, levels[0], "treated", "untreated")
    for level in levels[:0:-1]:
        between("spillover on the untreated", level, levels[0], "untreated")
    some = [level for level in levels if (clusters.loc[clusters["saturation"] == level, "treated_users"] > 0).any()]
    for level in some[:0:-1]:
        between("spillover on the treated", level, some[0], "treated")
    for level in levels:
        both = (clusters["treated_users"] > 0) & (clusters["untreated_users"] > 0)
        part = clusters[both & (clusters["saturation"] == level)]
        if len(part) >= 2:
            users = part["users"].to_numpy() if by_user else None
            gap = (part["treated"] - part["untreated"]).to_numpy()
            add("direct", level, level, cluster_average(gap, users), len(part))
    names = ["effect", "saturation", "against", "estimate", "standard_error", "df", "lo", "hi", "clusters"]
    return pd.DataFrame(found, columns=names)


def _share_findings(clusters):
    """Where saturations are numbers: was that share really treated?"""
    said = pd.to_numeric(clusters["saturation"], errors="coerce").to_numpy(float)
    if not np.isfinite(said).all() or said.min() < 0 or said.max() > 100:
        return []
    said = said / 100 if said.max() > 1 else said
    found = []
    for level in np.unique(said):
        part = clusters[said == level]
        share, rows = part["treated_rows"].sum() / part["rows"].sum(), part["rows"].sum()
        error = max(math.sqrt(level * (1 - level) / rows), 1e-9)
        if abs(share - level) > 3.3 * error and abs(share - level) > 0.01:
            found.append(say(f"{share:.1%} are treated instead of {level:.1%}", place=f"saturation {level:g}",
                             rows=abs(share - level) * rows, severity=WARNING, what_to_do="Was the treatment taken up, "
                             "or assigned? Whoever chooses it is not comparable; use the assignment."))  # fmt: skip
    return found


def _saturation_losses(clusters):
    """Outcomes missing more often among the treated of a cluster than among the others?"""
    part = clusters[(clusters["treated_rows"] > 0) & (clusters["untreated_rows"] > 0)]
    lost = sum(sign * (1 - part[f"{kind}_users"] / part[f"{kind}_rows"]) for kind, sign in
               (("treated", 1), ("untreated", -1)))  # fmt: skip
    if len(part) < 2 or not np.any(lost):
        return []
    fit = cluster_average(lost.to_numpy())
    if not _p_value(fit, 1.0) < 0.01:
        return []
    return [say(f"outcomes are missing more often among the treated: by {100 * fit.estimate:+.1f} points",
                severity=WARNING, what_to_do="The estimates compare those who have an outcome; say so.")]  # fmt: skip


@dataclass(kw_only=True)
class Saturation(Result):
    """What `analyse` found in a two-stage design: own_logs.Result for the overall effect of the highest saturation
    against the lowest; effects (DataFrame: effect, saturation, against, estimate, standard_error, df, lo, hi,
    clusters); levels (from the lowest share); clusters (one row each); df, columns, design, offset.

    overall: everybody in the cluster, against everybody at the lowest saturation. total on the treated: treated users
    against untreated ones at the lowest saturation. spillover: untreated (or treated) users, against the same at the
    lowest saturation that has them. direct: treated minus untreated users of the same clusters. (Hudgens and Halloran
    2008; Baird, Bohren, McIntosh and Özler 2018.) Each interval is for itself.
    """

    df: float
    clusters: pd.DataFrame
    effects: pd.DataFrame
    levels: list
    columns: dict
    design: dict
    offset: float

    def detectable(self, power=0.80):
        """The smallest overall effect that such an experiment finds with this power, in the unit of the outcome."""
        own_logs.check_number("power", power, above=0, below=1)
        return float(smallest_effect(self.standard_error, self.df, power, self.level))

    def figure(self):
        """Means of treated and untreated users against the share of their cluster that is treated, with t intervals."""
        from series import COLOR, plt

        figure, axes = plt.subplots(figsize=(7.5, 4))
        for kind, color, shift in (("untreated", "control", -0.006), ("treated", "treated", 0.006)):
            points = []
            for level in self.levels:
                part = self.clusters[(self.clusters["saturation"] == level) & (self.clusters[f"{kind}_users"] > 0)]
                if len(part) < 2:
                    continue
                users = part[f"{kind}_users"].to_numpy() if self.design["target"] == "user" else None
                fit = cluster_average(part[kind].to_numpy(), users)
                lo, hi = interval(fit, self.level)
                points.append((part["share"].mean() + shift, fit.estimate, fit.estimate - lo, hi - fit.estimate))
            if points:
                x, y, below, above = np.array(points, float).T
                axes.errorbar(x, y + self.offset, [below, above], fmt="o-", color=COLOR[color], lw=1.2,
                              label=f"{kind} users")  # fmt: skip
        axes.set(xlabel="share of the cluster's users who are treated", ylabel=f"{_label(self.columns)}, mean")
        axes.legend(frameon=False)
        return figure

    def report(self):
        """Sentences for a stakeholder, what could break them, and the warnings."""
        low, high = self.levels[0], self.levels[-1]
        parts = []
        for effect in ("direct", "spillover on the untreated"):
            rows = self.effects[self.effects["effect"] == effect]
            if len(rows):
                row = rows.iloc[-1] if effect == "direct" else rows.iloc[0]
                parts.append(f"; {effect} at {row['saturation']}: {short(row['estimate'])} "
                             f"({short(row['lo'])} to {short(row['hi'])})")  # fmt: skip
        return (f"Treating the share {high} of a cluster's users instead of {low} changes {_label(self.columns)} by "
                f"{short(self.estimate)} over all its users ({100 * self.level:g} % interval {short(self.lo)} to "
                f"{short(self.hi)}; {self.n['clusters']} clusters, {self.n['used']:,} rows){''.join(parts)}. The number "
                f"is for the average {self.design['target']}. It holds if both lotteries were lotteries and nothing "
                f"crosses from one cluster to another, which no query can see. {self.warnings()}").strip()  # fmt: skip


# ---- planning from a history in which nothing was treated


def plan(history, columns, *, treated_value=None, control_value=None, other_arms=(), share=0.5, draws=2_000, seed=0,
         **design):  # fmt: skip
    """How well would such an experiment do on these clusters? Placebo arms on the reader's own history: Plan.

    history: a log as for `analyse`, from a time without the treatment; with the role "treated" only its control
    clusters are used. columns: "outcome", "cluster", and where there are "treated", "exposed", "stratum" or "pair",
    "before", "user". share: of clusters that would be treated. draws: placebo assignments. design: target, level.

    Every draw assigns the clusters anew although nothing was treated, so the truth is 0: each interval's false alarms
    and width are those on real clusters, with their sizes and outliers. Raises UnfitLog or ValueError as `analyse`.
    """
    columns = dict(columns) if isinstance(columns, dict) else columns
    if isinstance(columns, dict) and not columns.get("treated"):
        columns["treated"] = "0"
        if treated_value is not None or control_value is not None:
            raise ValueError("treated_value, control_value: say which column is 'treated'")
    _check_roles(columns)
    if columns.get("saturation"):
        raise ValueError("plan: without 'saturation'")
    design = _design(**design)
    share = own_logs.check_number("share", share, above=0, below=1)
    draws = own_logs.check_number("draws", draws, at_least=100, whole=True)
    other_arms = _arms_named(treated_value, control_value, other_arms)
    check, aggregate, offset = _tables(history, columns, treated_value, control_value, other_arms)
    found = own_logs.named(check, MEANING)
    own_logs.refuse(own_logs.problem_table(found))
    cells = _cells(aggregate)
    cells = cells[cells["treated"] == 0]
    found += _names(cells, design)
    clusters = _clusters(cells)
    clusters = clusters[(clusters["users"] > 0) & (clusters["before"].notna() | (not columns.get("before")))]
    arrays, on = _planned(clusters.reset_index(drop=True), columns, share, found)
    problems = own_logs.problem_table(found)
    own_logs.refuse(problems)
    rng = np.random.default_rng(seed)
    rows, exact = _placebo_arms(arrays, on, draws, rng)
    table = _false_alarms(lambda on: arrays.methods(on=on), rows, design["level"], exact)
    if arrays.before is not None and arrays.stratum is None:
        table = pd.concat([table, _matched(arrays, len(rows), rng, design)], ignore_index=True)
    df = float(arrays.effect(design["target"], on=on).df)
    between = _mean_squares(arrays.users, arrays.s, arrays.q, None)
    variation = _variation(*between, arrays.users, design["level"])
    return Plan(table=table, variation=variation, clusters=len(on), share=float(on.mean()), df=df, columns=columns,
                design=design, problems=problems)  # fmt: skip


def _planned(clusters, columns, share, found):
    """Arrays of the clusters that can be assigned, and an assignment of the planned share (in each stratum)."""
    if columns.get("stratum") or columns.get("pair"):
        size = clusters.groupby("stratum")["stratum"].transform("size")
        if (size < 2).any():
            found.append(say(f"{_count((size < 2).sum(), 'stratum')} with one cluster", severity=WARNING,
                             what_to_do="They were left out: no second cluster to compare with."))  # fmt: skip
        clusters = clusters[size >= 2].reset_index(drop=True)
        place = clusters.groupby("stratum").cumcount()
        size = clusters.groupby("stratum")["stratum"].transform("size")
        on = (place < np.clip(np.round(share * size), 1, size - 1)).to_numpy()
        enough = len(clusters) >= 4
    else:
        k = len(clusters)
        on = np.arange(k) < (min(max(round(share * k), 2), k - 2) if k >= 4 else 0)
        enough = k >= 4
    if not enough:
        found.append(say(f"{_count(len(clusters), 'cluster')} in the history", what_to_do="An experiment needs at "
                         "least two in each arm."))  # fmt: skip
    elif np.ptp(clusters["mean"]) == 0:
        found.append(say("the outcome does not vary between clusters", what_to_do="There is nothing to plan with."))
    return _Arrays(clusters, columns), on


def _matched(arrays, draws, rng, design):
    """Placebo arms in pairs of clusters alike in `before`: a row for the table of `plan`."""
    order = np.argsort(arrays.before, kind="stable")
    order = order[: len(order) // 2 * 2]
    if len(order) < 6:
        return _false_alarms(lambda on: {}, np.zeros((1, len(order)), bool), design["level"])
    coin = rng.integers(0, 2, (draws, len(order) // 2)) == 1
    on = np.stack([coin, ~coin], axis=-1).reshape(draws, -1)
    users = arrays.users[order] if design["target"] == "user" else None
    pairs = np.repeat(np.arange(len(order) // 2), 2)
    name = f"average {design['target']}, in pairs alike in before"

    def methods(rows):
        return {name: (design["target"], cluster_effect(arrays.y[order], rows, users=users, stratum=pairs))}

    return _false_alarms(methods, on, design["level"])


@dataclass(kw_only=True)
class Plan:
    """What `plan` found. table: interval, effect_on, false_alarms (to be 1 - level) and mc_error, spread (SD of the
    estimate), half_width (mean). variation: the dict of `ClusterExperiment.icc`. clusters, share (treated), df: of the
    experiment that was played; problems."""

    table: pd.DataFrame
    variation: dict
    clusters: int
    share: float
    df: float
    columns: dict
    design: dict
    problems: pd.DataFrame

    def _spread(self, interval=None):
        name = interval or f"average {self.design['target']}"
        row = self.table[self.table["interval"] == name]
        if row.empty:
            raise ValueError(f"interval: one of {', '.join(map(repr, self.table['interval']))}, not {name!r}")
        return float(row["spread"].iloc[0])

    def detectable(self, clusters=None, power=0.80, interval=None):
        """The smallest effect found with this power by an experiment on so many clusters (default: as many as in the
        history). interval: a row of `table`, default the average of the target."""
        own_logs.check_number("power", power, above=0, below=1)
        clusters = self.clusters if clusters is None else own_logs.check_number("clusters", clusters, at_least=4)
        share = clusters / self.clusters
        error = self._spread(interval) / math.sqrt(share)
        return float(smallest_effect(error, max(self.df * share, 1.0), power, self.design["level"]))

    def clusters_needed(self, effect, power=0.80, interval=None):
        """How many clusters like these find `effect` with this power."""
        effect = own_logs.check_number("effect", abs(effect), above=0)
        own_logs.check_number("power", power, above=0, below=1)
        spread = self._spread(interval)
        return _clusters_for(effect, power, self.design["level"], spread, self.df, self.clusters)

    def power(self, effect, clusters=None, interval=None):
        """Chance to find `effect` with so many clusters (default: as many as in the history)."""
        effect = own_logs.check_number("effect", abs(effect), above=0)
        share = (self.clusters if clusters is None else np.asarray(clusters, float)) / self.clusters
        error = self._spread(interval) / np.sqrt(share)
        return power(effect, error, np.maximum(self.df * share, 1.0), self.design["level"])

    def figure(self, effect=None):
        """Power against the number of clusters, for the target's estimators; effect: default the one found by 80 %."""
        from series import COLOR, FAINT, plt

        effect = self.detectable() if effect is None else own_logs.check_number("effect", abs(effect), above=0)
        figure, axes = plt.subplots(figsize=(7.5, 4))
        axes.axhline(0.8, color=FAINT, lw=1)
        names = [name for name in self.table["interval"] if name.startswith(f"average {self.design['target']}")]
        most = max(self.clusters, *(min(self.clusters_needed(effect, 0.9, n), 20 * self.clusters) for n in names))
        clusters = np.unique(np.linspace(4, 1.1 * most, 200).round())
        for name, style in zip(names, ("-", "--", ":", "-.", (0, (1, 4))), strict=False):
            axes.plot(clusters, self.power(effect, clusters, name), ls=style, lw=2, color=COLOR["estimate"], label=name)
        axes.axvline(self.clusters, color=FAINT, lw=1)
        axes.annotate(f" {self.clusters} in the history", (self.clusters, 0.02))
        axes.set(xlabel="clusters in the experiment", ylabel="power", ylim=(0, 1.02), title=f"effect {short(effect)}")
        axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 0.08))
        return figure

    def report(self):
        """Sentences for whoever plans the experiment."""
        name = f"average {self.design['target']}"
        row = self.table[self.table["interval"] == name].iloc[0]
        naive = self.table[self.table["interval"] == "users as if independent"].iloc[0]
        wanted = 1 - self.design["level"]
        return (f"With {self.clusters} clusters like these, {self.share:.0%} of them treated, an effect of "
                f"{short(self.detectable())} on {_label(self.columns)} is found with power 0.80. Where nothing was "
                f"treated, the interval for the {name} found an effect in {row['false_alarms']:.1%} of placebo "
                f"experiments ({wanted:.0%} were promised; Monte Carlo error {row['mc_error']:.1%}), the one that "
                f"takes users as independent in {naive['false_alarms']:.0%}.")  # fmt: skip
