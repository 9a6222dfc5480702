"""The tool of notebook 05: right numbers against statsmodels, loops and peer libraries; refusals for awkward logs."""

import itertools
import math
import warnings

import clusters as cl
import duckdb
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from notebook_tools import RANDOM_LOGS
from own_logs import FATAL, WARNING, UnfitLog
from scipy import stats

COLUMNS = {"outcome": "y", "cluster": "c", "treated": "t"}


def world(seed, k=24, m=30, *, effect=0.8, spill=0.0, on=None, sizes=None, between=0.3, within=0.6, binary=False):
    """A log nobody has prepared: users u in teams c, treated t, exposed e, outcome y, the outcome before x, block b."""
    rng = np.random.default_rng(seed)
    size = rng.poisson(m, k) + 1 if sizes is None else np.asarray(sizes)
    c = np.repeat(np.arange(k), size)
    on = rng.permuted(np.arange(k) < k // 2) if on is None else np.asarray(on, bool)
    base, e = rng.normal(5, between, k), rng.random(len(c)) < 0.3
    y = base[c] + effect * on[c] + spill * (e & ~on[c]) + rng.normal(0, within, len(c))
    if binary:
        y = (rng.random(len(c)) < (y - 4) / 4) * 1
    names = np.array([f"team {i}" for i in range(k)])
    block = np.empty(k, int)
    for side in (on, ~on):
        block[side] = np.arange(side.sum())
    return pd.DataFrame({"u": np.arange(len(c)), "c": names[c], "t": on[c] * 1, "e": e * 1, "y": y,
                         "x": base[c] + rng.normal(0, within, len(c)), "b": block[c]})  # fmt: skip


def sums(frame, *by):
    """Arrays of shape (clusters, ...) of users, sums and squares, from rows; the last axes are the values of `by`."""
    codes = [np.unique(frame[name], return_inverse=True)[1] for name in ("c", *by)]
    shape = tuple(code.max() + 1 for code in codes)
    flat = np.ravel_multi_index(codes, shape)
    y = frame["y"].to_numpy(float)
    return [np.bincount(flat, w, minlength=math.prod(shape)).reshape(shape) * 1.0 for w in (None, y, y**2)]


def peers():
    """Twelve clusters of very unequal size, as given to the peer libraries: rows, and one row for each cluster."""
    rng = np.random.default_rng(11)
    size = np.array([5, 40, 12, 33, 8, 21, 60, 17, 9, 26, 14, 30])
    c, on = np.repeat(np.arange(12), size), np.array([1, 0, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0])
    exposed = (rng.random(size.sum()) < 0.35) * 1
    base = rng.gamma(4, 0.5, 12)
    before = (base + rng.normal(0, 0.3, 12)).round(3)
    y = base[c] + 0.5 * on[c] + 0.4 * exposed * (1 - on[c]) + rng.normal(0, 0.8, size.sum())
    rows = pd.DataFrame({"c": c, "t": on[c], "kind": np.where(on[c] == 1, 2, exposed), "y": y.round(3)})
    means = rows.groupby("c").agg(y=("y", "mean"), on=("t", "first"), n=("y", "size"))
    return rows, means["y"].to_numpy(), means["on"].to_numpy() == 1, means["n"].to_numpy(), before


# ---- users, and regressions of users with clustered errors


@pytest.mark.parametrize("robust, kind", [(False, "nonrobust"), (True, "HC1")])
def test_user_level_is_ordinary_least_squares(robust, kind):
    frame = world(1)
    fit = sm.OLS(frame["y"], sm.add_constant(frame["t"])).fit(cov_type=kind)
    on = frame.groupby("c")["t"].first().to_numpy() == 1
    got = cl.user_level(*sums(frame), on, robust=robust)
    np.testing.assert_allclose([got.estimate, got.error], [fit.params["t"], fit.bse["t"]], rtol=1e-9)


def dense_cr2(X, y, groups, column):
    """Bell and McCaffrey's CR2 and its degrees of freedom from the definition, with N × N matrices: (b, se, df)."""
    bread = np.linalg.inv(X.T @ X)
    rest = np.eye(len(y)) - X @ bread @ X.T
    e, meat, vectors = rest @ y, 0.0, []
    for g in np.unique(groups):
        rows = groups == g
        value, vector = np.linalg.eigh(rest[np.ix_(rows, rows)])
        root = np.where(value > 1e-9, 1 / np.sqrt(np.maximum(value, 1e-9)), 0.0)
        adjust = vector * root @ vector.T
        p = adjust @ X[rows] @ bread[:, column]
        meat += (p @ e[rows]) ** 2
        vectors.append(rest[:, rows] @ p)
    G = np.array(vectors) @ np.array(vectors).T
    return (bread @ X.T @ y)[column], np.sqrt(meat), np.trace(G) ** 2 / (G**2).sum()


@pytest.mark.parametrize("seed", range(3))
def test_exposure_contrasts_are_regressions_on_dummies(seed):
    frame = world(seed, k=9, m=12, spill=0.4)
    frame["kind"] = np.where(frame["t"] == 1, 2, frame["e"])
    n, s, _ = sums(frame, "kind")
    X = np.column_stack([np.ones(len(frame)), frame["kind"] == 1, frame["kind"] == 2]) * 1.0
    groups = np.unique(frame["c"], return_inverse=True)[1]
    library = sm.OLS(frame["y"], X).fit(cov_type="cluster", cov_kwds={"groups": groups})
    got = cl.exposure_contrasts(n, s, "CR1")
    np.testing.assert_allclose([got.estimate, got.error], [library.params[1:], library.bse[1:]], rtol=1e-9)
    got = cl.exposure_contrasts(n, s, "CR2")
    for j in (1, 2):
        np.testing.assert_allclose([a[j - 1] for a in got], dense_cr2(X, frame["y"].to_numpy(), groups, j), rtol=1e-8)
    jackknife = []
    for g in range(9):
        keep = np.arange(9) != g
        jackknife.append(cl.exposure_contrasts(n[keep], s[keep]).estimate - got.estimate)
    got = cl.exposure_contrasts(n, s, "CR3")
    np.testing.assert_allclose(got.error, np.sqrt(8 / 9 * (np.array(jackknife) ** 2).sum(axis=0)), rtol=1e-9)


def test_exposure_contrasts_agree_with_pyfixest_and_clubsandwich():
    """pyfixest 0.60.0, feols("y ~ on + spill", vcov={"CRV1": "w"}), and {"CRV3": "w"} with ssc(k_adj=False,
    G_adj=False), which has no factor (K - 1)/K; R clubSandwich 0.5.8, coef_test(lm(y ~ on), "CR2", w, "Satterthwaite").
    """
    rows, *_ = peers()
    n, s, _ = sums(rows, "kind")
    cr1, cr3 = (cl.exposure_contrasts(n, s, kind) for kind in ("CR1", "CR3"))
    np.testing.assert_allclose(cr1.estimate, [0.6092576438356181, -0.33790140259740115], rtol=1e-9)
    np.testing.assert_allclose(cr1.error, [0.12909085564227119, 0.3129076288011637], rtol=1e-9)
    np.testing.assert_allclose(cr3.error * np.sqrt(12 / 11), [0.15303964295805397, 0.38812842256513674], rtol=1e-9)
    n, s, _ = sums(rows, "t")
    found = [a[0] for a in cl.exposure_contrasts(n, s, "CR2")]
    np.testing.assert_allclose(found, [-0.5625266955, 0.3196851131, 4.8139275253], rtol=1e-9)


# ---- clusters as what was assigned


def dense_effect(y, on, weight, before, stratum):
    """The treatment coefficient, its CR2 error and degrees of freedom with K × K matrices, from the definition."""
    columns = [on * 1.0, *(stratum == s for s in np.unique(stratum)), *([] if before is None else [before])]
    return dense_coefficient(y, np.column_stack(columns) * 1.0, weight)


def dense_coefficient(y, X, weight):
    """The first coefficient of weighted least squares with its CR2 error and Satterthwaite's degrees of freedom."""
    bread = np.linalg.inv(X.T * weight @ X)
    row = (bread @ X.T * weight)[0]
    rest = np.eye(len(y)) - X @ bread @ X.T * weight
    S = rest @ rest.T
    if np.diag(S).min() < 1e-9:
        return row @ y, np.nan, np.nan  # a cluster alone decides a coefficient
    g = row**2 / np.diag(S)
    G = np.sqrt(np.outer(g, g)) * S
    return row @ y, np.sqrt(g @ (rest @ y) ** 2), np.trace(G) ** 2 / (G**2).sum()


@pytest.mark.parametrize("seed", range(40))
def test_cluster_effect_is_the_definition_with_dense_matrices(seed):
    """Random strata and arms, with users or not, with `before` or not; the estimate is a mean over strata."""
    rng = np.random.default_rng(seed)
    stratum = np.repeat(np.arange(rng.integers(1, 5)), rng.integers(3, 7))
    k = len(stratum)
    on = np.zeros(k, bool)
    for s in np.unique(stratum):
        cells = np.flatnonzero(stratum == s)
        on[rng.choice(cells, rng.integers(1, len(cells)), replace=False)] = True
    if min(on.sum(), (~on).sum()) < 2 or k < 5:
        on[:] = np.arange(k) % 2 == 0
    y, before, users = rng.normal(size=k), rng.normal(size=k), rng.integers(1, 50, k) * 1.0
    shuffled = rng.permutation(k)
    y, on, stratum = y[shuffled], on[shuffled], stratum[shuffled]
    for size, x in itertools.product((np.ones(k), users), (None, before)):
        given = {"users": None if (size == 1).all() else size, "before": x}
        weight = np.empty(k)
        for i in range(k):
            arm, block = on == on[i], stratum == stratum[i]
            weight[i] = size[i] * size[block].sum() / size[block & arm].sum() * size[arm].sum() / size.sum()
        got = cl.cluster_effect(y, on, stratum=stratum, **given)
        arms = [((stratum == s) & on, (stratum == s) & ~on) for s in np.unique(stratum)]
        gaps = np.array([np.average(y[a], weights=size[a]) - np.average(y[b], weights=size[b]) for a, b in arms])
        share = np.array([size[a | b].sum() for a, b in arms])
        single = np.array([min(a.sum(), b.sum()) == 1 for a, b in arms])
        expected = regression = dense_effect(y, on, weight, x, stratum)
        if x is None and len(arms) > 1 and single.sum() > 1:  # strata with a single cluster of an arm: by differences
            parts = [(share[single].sum(), dense_coefficient(gaps[single], np.ones((single.sum(), 1)), share[single]))]
            if not single.all():
                rest = np.isin(stratum, np.unique(stratum)[~single])
                inner = np.empty(k)
                for i in range(k):
                    arm, block = on == on[i], stratum == stratum[i]
                    inner[i] = size[i] * size[block].sum() / size[block & arm].sum() * size[rest & arm].sum()
                parts += [(share[~single].sum(), dense_effect(y[rest], on[rest], inner[rest], None, stratum[rest]))]
            variances = np.array([(p / share.sum() * error) ** 2 for p, (_, error, _) in parts])
            df = variances.sum() ** 2 / (variances**2 / [df for _, (_, _, df) in parts]).sum()
            expected = regression[0], np.sqrt(variances.sum()), df
        np.testing.assert_allclose(got, expected, rtol=1e-7)
        assert got.estimate == pytest.approx(regression[0], abs=1e-10)
        if x is None:
            assert got.estimate == pytest.approx(share @ gaps / share.sum(), abs=1e-10)


def test_assignments_by_coins_get_each_their_own_error():
    """One data set of a stack decided for the others whether its strata have a single cluster of an arm."""
    rng = np.random.default_rng(5)
    stratum = np.repeat(np.arange(4), 4)
    rows = np.stack([np.concatenate([rng.permutation(np.arange(4) < m) for m in rng.integers(1, 4, 4)])
                     for _ in range(50)])  # fmt: skip
    y = rng.normal(size=(50, 16))
    stacked = cl.cluster_effect(y, rows, stratum=stratum)
    alone = [cl.cluster_effect(values, row, stratum=stratum) for values, row in zip(y, rows, strict=True)]
    np.testing.assert_allclose(np.array(stacked).T, np.array(alone), rtol=1e-9)


def test_what_is_too_sure_of_lopsided_strata_is_refused_or_said():
    """The wild bootstrap was wrong in .09 of 20 strata of 1 : 2, and CR2 with `before` held the truth in .90."""
    rng = np.random.default_rng(6)
    c = np.arange(60)
    frame = pd.DataFrame({"c": c, "t": (c % 3 == 0) * 1, "b": c // 3}).assign(x=rng.normal(size=60), y=c % 7)
    columns = {"outcome": "y", "cluster": "c", "treated": "t", "stratum": "b"}
    with pytest.raises(ValueError, match="wild: in strata with a single cluster of an arm"):
        cl.analyse(frame, columns).wild()
    assert "20 strata with a single cluster of an arm" in cl.analyse(frame, columns | {"before": "x"}).warnings()
    pairs = frame[frame["c"] % 3 < 2]
    assert cl.analyse(pairs, columns).wild()["p"] > 0 and "single" not in cl.analyse(pairs, columns).warnings()


@pytest.mark.parametrize("form", [
    lambda k: [f"{v:08x}" for v in np.random.default_rng(1).integers(0, 2**32, k)],  # 02e46719 is no power of ten
    lambda k: [str(10**21 + v) for v in range(k)], lambda k: ["headquarters", *(str(10**17 + v) for v in range(k - 1))],
])  # fmt: skip
def test_names_that_only_doubles_confuse_are_different_clusters(form):
    rng, k = np.random.default_rng(1), 400
    cluster = np.repeat(np.arange(k), 5)
    y = rng.normal(size=k)[cluster] * 0.5 + rng.normal(size=5 * k) + cluster % 2
    frame = pd.DataFrame({"c": np.array(form(k), dtype=object)[cluster], "t": cluster % 2, "y": y})
    columns = {"outcome": "y", "cluster": "c", "treated": "t"}
    plain = cl.analyse(frame.assign(c=cluster), columns)
    assert (cl.analyse(frame, columns).estimate, len(set(frame["c"]))) == (pytest.approx(plain.estimate), k)


@pytest.mark.parametrize("one, other", [("3", "3.0"), ("3", "03"), ("0.5", ".50"), ("3", "+3"), ("Berlin", "BERLIN")])
def test_one_name_written_in_two_ways_is_refused(one, other):
    rng = np.random.default_rng(1)
    names = np.array([one, other, *map("w{}".format, range(18))], dtype=object)
    cluster = np.repeat(np.arange(20), 5)
    frame = pd.DataFrame({"c": names[cluster], "t": cluster % 2, "y": rng.normal(size=100)})
    with pytest.raises(UnfitLog, match="differ only in capitals or in how a number is written"):
        cl.analyse(frame, {"outcome": "y", "cluster": "c", "treated": "t"})


@pytest.mark.parametrize("strata, controls, spread, more", [
    (15, 2, 3, ""), (60, 2, 3, ""), (30, 3, 2, ""), (15, 2, 1, ""), (30, 1, 3, ""), (20, 2, 3, "1100"),
    (20, 2, 3, "110000"),
])  # fmt: skip
def test_strata_with_one_treated_cluster_cover_where_the_arms_scatter_unequally(strata, controls, spread, more):
    """CR2 held the truth in 91 % of 15 strata of 1 : 2, and in 92 % of 60; it is too small for any number of them. One
    further stratum, of 2 : 2, brought that back."""
    rng, replications = np.random.default_rng(7), 4000
    stratum, on = np.repeat(np.arange(strata), 1 + controls), np.tile([True] + controls * [False], strata)
    stratum, on = np.r_[stratum, np.full(len(more), strata)], np.r_[on, [c == "1" for c in more]].astype(bool)
    strata += bool(more)
    noise = rng.normal(size=(replications, len(on))) * np.where(on, spread, 1)
    y = rng.normal(size=(replications, strata))[:, stratum] + noise
    lo, hi = cl.interval(cl.cluster_effect(y, on, stratum=stratum))
    assert 0.935 < np.mean((lo <= 0) & (0 <= hi)) < 0.965  # Monte Carlo error .0034


def test_cluster_effect_agrees_with_clubsandwich():
    """R clubSandwich 0.5.8, coef_test(lm(y ~ on + before, weights), vcov="CR2", cluster, test="Satterthwaite"), with
    target=rep(1, 12), inverse_var=FALSE for the rows with users."""
    _, y, on, users, before = peers()
    expected = {
        (): (-0.3878858804, 0.3249145555, 8.7715736041), ("before",): (0.2541380133, 0.1529763690, 4.7339436382),
        ("users",): (-0.5625266955, 0.3274165990, 3.5479505821),
        ("users", "before"): (0.4497599260, 0.3019138221, 4.4233950242),
    }  # fmt: skip
    for names, numbers in expected.items():
        given = {name: {"users": users, "before": before}[name] for name in names}
        np.testing.assert_allclose(cl.cluster_effect(y, on, **given), numbers, rtol=1e-8)


def test_cluster_effect_has_well_known_special_cases():
    rng = np.random.default_rng(3)
    y, on = rng.normal(size=17), np.arange(17) < 6
    welch = stats.ttest_ind(y[on], y[~on], equal_var=False)
    got = cl.cluster_effect(y, on)
    assert got.estimate / got.error == pytest.approx(welch.statistic)
    hc2 = sm.OLS(y, sm.add_constant(np.column_stack([on, y**2]) * 1.0)).fit(cov_type="HC2")
    with_before = cl.cluster_effect(y, on, before=y**2)
    np.testing.assert_allclose([with_before.estimate, with_before.error], [hc2.params[1], hc2.bse[1]])
    pair = np.tile(np.arange(8), 2)
    paired = stats.ttest_rel(y[:8], y[8:16])
    got = cl.cluster_effect(y[:16], np.arange(16) < 8, stratum=pair)
    assert (got.estimate / got.error, got.df) == pytest.approx((paired.statistic, 7))
    balanced, pooled = cl.cluster_effect(y[:16], np.arange(16) < 8), cl.cluster_means(y[:16], np.arange(16) < 8)
    np.testing.assert_allclose(balanced, pooled)  # arms of equal size: the textbook's t(K - 2)


def test_textbook_forms_are_those_of_statsmodels():
    rng = np.random.default_rng(4)
    y, x, users = rng.normal(size=(3, 15)), rng.normal(size=(3, 15)), rng.integers(3, 40, (3, 15)) * 1.0
    on = rng.permuted(np.arange(15) < 5)
    plain, adjusted = cl.cluster_means(y, on), cl.cluster_means(y, on, before=x)
    weighted = cl.cluster_wls(users, users * y, on)
    for row in range(3):
        X = sm.add_constant(on * 1.0)
        for got, fit in ((plain, sm.OLS(y[row], X).fit()), (weighted, sm.WLS(y[row], X, weights=users[row]).fit()),
                         (adjusted, sm.OLS(y[row], np.column_stack([X, x[row]])).fit())):  # fmt: skip
            expected = [fit.params[1], fit.bse[1], fit.df_resid]
            np.testing.assert_allclose([np.broadcast_to(a, 3)[row] for a in got], expected, rtol=1e-9)


def test_many_datasets_at_once_are_one_after_the_other():
    rng = np.random.default_rng(5)
    y, x, users = (rng.gamma(3, size=(2, 3, 12)) for _ in range(3))
    on, stratum = np.tile([True, False, False], 4), np.repeat(np.arange(4), 3)
    for given in ({}, {"users": users}, {"before": x}, {"users": users, "before": x, "stratum": stratum}):
        many = cl.cluster_effect(y, on, **given)
        for at in np.ndindex(2, 3):
            one = cl.cluster_effect(y[at], on, **{k: v if k == "stratum" else v[at] for k, v in given.items()})
            np.testing.assert_allclose([np.broadcast_to(a, (2, 3))[at] for a in many], one, rtol=1e-9)
    assignments = np.array([on, ~on])
    both = cl.cluster_effect(y[0, 0], assignments, before=x[0, 0])
    assert both.estimate[1] == pytest.approx(cl.cluster_effect(y[0, 0], ~on, before=x[0, 0]).estimate)


def test_cluster_average():
    rng = np.random.default_rng(6)
    y, users = rng.normal(size=9), rng.integers(2, 30, 9)
    got = cl.cluster_average(y)
    assert tuple(got) == pytest.approx((y.mean(), y.std(ddof=1) / 3, 8))
    p = users / users.sum()
    rest = np.eye(9) - p
    S = rest @ rest.T
    g = p**2 / np.diag(S)
    G = np.sqrt(np.outer(g, g)) * S
    expected = p @ y, np.sqrt(g @ (rest @ y) ** 2), np.trace(G) ** 2 / (G**2).sum()
    np.testing.assert_allclose(cl.cluster_average(y, users), expected, rtol=1e-9)


def test_a_cluster_that_alone_decides_gives_no_error():
    y, on = np.arange(6.0) ** 2, np.array([1, 0, 0, 0, 0, 0]) == 1
    assert np.isnan(cl.cluster_effect(y, on).error)
    n = np.array([[5, 0.0], [0, 7], [0, 2]])
    assert np.isnan(cl.exposure_contrasts(n, n, "CR2").error) or np.isinf(cl.exposure_contrasts(n, n, "CR2").error)


# ---- bootstrap, lottery, wild bootstrap


def test_bootstrap_is_the_plain_loop():
    """Rows of the drawn clusters copied, group means compared, in the order in which the draw sees the clusters."""
    frame = world(7, k=10, m=8)
    frame["kind"] = np.where(frame["t"] == 1, 2, frame["e"])
    names = sorted(frame["c"].unique())
    order = np.array([names.index(c) for c in frame["c"].unique()])
    n, s, _ = sums(frame, "kind")
    got = cl.bootstrap(n, s, cl.resample_counts(order, 20, np.random.default_rng(1)))
    rng = np.random.default_rng(1)
    for row, picks in zip(got, rng.integers(0, 10, (20, 10)), strict=True):
        sample = pd.concat([frame[frame["c"] == frame["c"].unique()[i]] for i in picks])
        mean = sample.groupby("kind")["y"].mean().reindex([0, 1, 2])
        np.testing.assert_allclose(row, mean[[1, 2]] - mean[0], rtol=1e-9)


def test_assignments_are_all_or_like_the_actual_one():
    on, stratum = np.array([1, 0, 0, 1, 1, 0, 0]) == 1, np.array(["a", "a", "a", "b", "b", "b", "b"])
    rows = cl.assignments(on, 999, np.random.default_rng(0), stratum)
    assert len(rows) == cl.number_of_assignments(on, stratum) == 3 * 6 and (rows[0] == on).all()
    assert len({tuple(row) for row in rows}) == 18 and (rows[:, :3].sum(axis=1) == 1).all()
    assert cl.number_of_assignments(on) == 35
    rows = cl.assignments(on, 10, np.random.default_rng(0), stratum)
    assert len(rows) == 11 and (rows[:, :3].sum(axis=1) == 1).all() and (rows[:, 3:].sum(axis=1) == 2).all()
    assert not cl.assignments(np.array([1, 0, 1, 0]) == 1, 99, np.random.default_rng(0))[0, 1]  # never the first half
    many = cl.assignments(np.arange(20) < 6, 4000, np.random.default_rng(1))
    assert np.abs(many[1:].mean(axis=0) - 0.3).max() < 0.04


def test_contrasts_are_differences_of_means():
    rng = np.random.default_rng(8)
    on, stratum = np.tile([True, False, False], 4), np.repeat(np.arange(4), 3)
    values, users = rng.normal(size=(2, 12)), rng.integers(1, 30, 12) * 1.0
    rows = cl.assignments(on, 50, rng, stratum)
    for given in ({}, {"users": users}, {"stratum": stratum}, {"users": users, "stratum": stratum}):
        got = cl.contrasts(values, rows, **given)
        expected = [[cl.cluster_effect(v, row, **given).estimate for v in values] for row in rows]
        np.testing.assert_allclose(got, expected, atol=1e-10)


def test_randomization_test_is_scipys_permutation_test():
    y, on = np.random.default_rng(9).normal(0, 1, (3, 9)) + np.arange(9) * 0.2, np.arange(9) % 3 == 0
    rows = cl.assignments(on, 999, np.random.default_rng(0))
    for values, p in zip(y, cl.randomization_test(y, rows), strict=True):
        library = stats.permutation_test((values[on], values[~on]), lambda a, b: abs(a.mean() - b.mean()),
                                         alternative="greater", permutation_type="independent",
                                         n_resamples=np.inf)  # fmt: skip
        assert p == pytest.approx(library.pvalue, abs=1e-12)


def wild_loop(y, X, weight, groups, signs):
    """p-value of the last column of X: least squares with cluster-robust errors from statsmodels, one fit a draw."""
    null = sm.WLS(y, X[:, :-1], weights=weight).fit()
    t = []
    for v in signs:
        fit = sm.WLS(null.fittedvalues + null.resid * v[groups], X, weights=weight).fit(
            cov_type="cluster", cov_kwds={"groups": groups})  # fmt: skip
        t.append(abs(fit.tvalues[-1]))
    return np.mean(np.array(t) >= t[0] * (1 - 1e-9))


@pytest.mark.parametrize("kind", ["signs", "webb"])
@pytest.mark.parametrize(
    "given", [(), ("users",), ("before",), ("users", "before"), ("stratum",), ("stratum", "before")]
)
def test_wild_test_is_a_loop_of_regressions(given, kind):
    rng = np.random.default_rng(10)
    on, stratum = np.tile([True, False], 4), np.repeat(np.arange(2), 4)
    y, users, before = rng.normal(size=8) + 0.9 * on, rng.integers(2, 30, 8) * 1.0, rng.normal(size=8)
    values = {"users": users, "before": before, "stratum": stratum}
    v = cl.wild_weights(8, 60 if kind == "webb" else 999, rng, kind)
    X = [np.ones(8), *([stratum == 1] if "stratum" in given else []), *([before] if "before" in given else []), on]
    expected = wild_loop(y, np.column_stack(X) * 1.0, users if "users" in given else np.ones(8), np.arange(8), v)
    assert cl.wild_test(y, on, v, **{name: values[name] for name in given}) == pytest.approx(expected, abs=1e-12)


def test_wild_test_with_users_is_the_regression_of_users():
    """Residuals of the users flipped cluster by cluster, all 64 sign vectors, a cluster-robust fit for each."""
    frame = world(12, k=6, m=15, effect=0.3)
    on = frame.groupby("c")["t"].first().to_numpy() == 1
    n, s, _ = sums(frame)
    groups = np.unique(frame["c"], return_inverse=True)[1]
    v = cl.wild_weights(6, 99, None, "signs")
    X = sm.add_constant(frame["t"] * 1.0).to_numpy()
    expected = wild_loop(frame["y"].to_numpy(), X, np.ones(len(frame)), groups, v)
    assert len(v) == 64 and (v[0] == 1).all()
    assert cl.wild_test(s / n, on, v, users=n) == pytest.approx(expected, abs=1e-12)
    two = cl.wild_test(np.stack([s / n, 2 * s / n - on]), on, v, users=np.stack([n, n]))
    assert two[0] == pytest.approx(expected) and two.shape == (2,)


def test_wild_test_agrees_with_wildboottest():
    """wildboottest 0.3.2, wildboottest(OLS, param="on", cluster=w, B=9999, weights_type="rademacher", impose_null=True,
    bootstrap_type="11"): all 4,096 sign vectors. It counts only larger t statistics; ours counts the two equal ones."""
    _, y, on, users, before = peers()
    v = cl.wild_weights(12, 9_999, np.random.default_rng(0))
    for given, tau, expected in (({"users": users}, 0.0, 0.111328), ({"users": users}, 0.4, 0.037598),
                                 ({}, 0.0, 0.258789), ({}, 0.4, 0.038574), ({"before": before}, 0.0, 0.178223),
                                 ({"before": before}, 0.4, 0.335938)):  # fmt: skip
        assert cl.wild_test(y - tau * on, on, v, **given) == pytest.approx(expected, abs=2.5 / 4096)


def test_wild_weights():
    signs, webb = (
        cl.wild_weights(20, 3000, np.random.default_rng(1)),
        cl.wild_weights(5, 3000, np.random.default_rng(1)),
    )
    assert (
        set(np.unique(signs)) == {-1, 1}
        and signs.shape == (3001, 20)
        and (signs[0] == 1).all()
        and (webb[0] == 1).all()
    )
    assert len(np.unique(np.abs(webb[1:]).round(9))) == 3
    np.testing.assert_allclose([webb[1:].mean(), webb[1:].var()], [0, 1], atol=0.03)


# ---- coverage and size: each can fail, and is known to within its Monte Carlo error


def covered(fit, truth=0.0):
    lo, hi = cl.interval(fit)
    return np.mean((lo <= truth) & (truth <= hi))


@pytest.mark.parametrize("k, treated, ratio, least, most", [
    (4, 2, 1.0, 0.935, 0.965), (6, 3, 1.5, 0.93, 0.965), (8, 4, 1.0, 0.935, 0.965), (8, 2, 1.5, 0.935, 0.99),
    (20, 10, 1.5, 0.93, 0.965), (20, 4, 1.0, 0.935, 0.975), (50, 25, 3.0, 0.925, 0.96), (50, 5, 1.5, 0.93, 0.965),
    (50, 3, 2.0, 0.93, 0.97),
])  # fmt: skip
def test_the_interval_covers_with_few_and_with_unequal_arms(k, treated, ratio, least, most):
    """5,000 experiments each, Monte Carlo error .003; ratio: how much more the treated clusters scatter."""
    rng = np.random.default_rng([k, treated])
    on = np.arange(k) < treated
    y = rng.normal(size=(5_000, k)) * np.where(on, ratio, 1.0)
    assert least < covered(cl.cluster_effect(y, on)) < most


def test_the_interval_covers_with_before_strata_and_users():
    rng = np.random.default_rng(13)
    on, pair = np.arange(12) < 6, np.tile(np.arange(6), 2)
    x, base = rng.normal(size=(2, 5_000, 12))
    y = 0.8 * x + 0.6 * base
    assert 0.935 < covered(cl.cluster_effect(y, on, before=x)) < 0.975
    y = rng.normal(size=(5_000, 6))[:, pair] * 2 + base
    assert 0.935 < covered(cl.cluster_effect(y, on, stratum=pair)) < 0.965
    assert covered(cl.cluster_effect(y, on)) > 0.98  # strata ignored: far too wide
    sizes = np.exp(rng.uniform(np.log(50), np.log(5000), (5_000, 30)))
    y, on = 0.5 * rng.normal(size=(5_000, 30)) + 0.8 * rng.normal(size=(5_000, 30)) / np.sqrt(sizes), np.arange(30) < 15
    assert 0.935 < covered(cl.cluster_effect(y, on, users=sizes)) < 0.98
    n, s = (np.stack([np.where(on, 0, a), np.where(on, a, 0)], axis=-1) for a in (sizes, sizes * y))
    cr1 = cl.Fit(*(np.asarray(a)[..., 0] for a in cl.exposure_contrasts(n, s)))._replace(df=np.inf)
    assert covered(cr1) < 0.91  # what the tool does not report as the answer
    assert covered(cl.cluster_wls(sizes, sizes * y, on)) < 0.88


def test_tests_keep_their_size():
    """1,500 experiments without an effect; Monte Carlo error .006."""
    rng = np.random.default_rng(14)
    for k, treated in ((8, 3), (20, 10)):
        on, y = np.arange(k) < treated, rng.normal(size=(1_500, k))
        assert np.mean(cl.randomization_test(y, cl.assignments(on, 499, rng)) <= 0.05) < 0.075
        assert 0.02 < np.mean(cl.wild_test(y, on, cl.wild_weights(k, 499, rng)) <= 0.05) < 0.085


# ---- variation, power


def test_intracluster_correlation_is_the_textbooks_and_finds_the_truth():
    rng = np.random.default_rng(15)
    k, m = 40, 30
    y = rng.normal(0, 0.5, k)[:, None] + rng.normal(0, 1.0, (k, m))
    on = np.arange(k) < 20
    arm = np.where(on, y[on].mean(), y[~on].mean())[:, None]
    between, within = m * ((y.mean(axis=1) - arm[:, 0]) ** 2).sum() / (k - 2), y.var(axis=1, ddof=1).mean()
    got = cl.intracluster(np.full(k, m), y.sum(axis=1), (y**2).sum(axis=1), on)
    assert got == pytest.approx((between - within) / (between + (m - 1) * within)) and abs(got - 0.2) < 0.09
    assert cl.design_effect(0.2, np.full(7, 30)) == pytest.approx(1 + 29 * 0.2)
    # a mean of users from clusters of sizes n has the variance (icc Σ n² + (1 - icc) Σ n) / (Σ n)²
    n = np.array([5, 80, 20, 3, 33])
    ratio = (0.2 * (n**2).sum() + 0.8 * n.sum()) / n.sum()
    assert cl.design_effect(0.2, n) == pytest.approx(ratio)


def test_interval_of_the_intracluster_correlation_covers():
    """1,000 logs of 20 clusters, half of them about twice as large as the others; Monte Carlo error .007."""
    rng, held = np.random.default_rng(16), []
    n = np.tile([20.0, 45.0], 10)
    for _ in range(1_000):
        mean = rng.normal(0, np.sqrt(0.1), 20) + rng.normal(0, np.sqrt(0.9 / n))
        q = n * mean**2 + 0.9 * rng.chisquare(n - 1)
        got = cl._variation(*cl._mean_squares(n, n * mean, q, np.arange(20) < 10), n, 0.95)
        held.append(got["lo"] <= 0.1 <= got["hi"])
    assert 0.92 < np.mean(held) < 0.975


def test_power_is_what_simulation_finds():
    rng, k, effect = np.random.default_rng(17), 16, 1.3
    y = rng.normal(size=(20_000, k)) + effect * (np.arange(k) < 8)
    lo, hi = cl.interval(cl.cluster_effect(y, np.arange(k) < 8))
    expected = cl.power(effect, np.sqrt(4 / k), k - 2)
    assert np.mean((lo > 0) | (hi < 0)) == pytest.approx(expected, abs=0.012)
    assert cl.power(cl.smallest_effect(0.5, 14), 0.5, 14) == pytest.approx(0.80, abs=0.01)


# ---- the published study


STAR = cl.HERE.parent / "data" / "real" / "star.csv"
STAR_COLUMNS = {"outcome": "CAST(math AS DOUBLE) + CAST(reading AS DOUBLE)", "cluster": "school || ' ' || class_type",
                "treated": "class_type", "user": "pupil"}  # fmt: skip
STAR_ARMS = {"treated_value": "small", "control_value": "regular", "other_arms": "regular with aide"}


def test_star_is_the_published_study():
    """Stock and Watson, Table 13.1: 13.90 (2.45) on 5,786 pupils, robust errors, nothing clustered. Ecdat's copy has
    3,733 of them in the two arms: 14.11 (2.46). Clustered, the error is 2.7 times as large; in pairs 4.3."""
    result = cl.analyse(STAR, STAR_COLUMNS, **STAR_ARMS)
    table = result.intervals().set_index("interval")
    naive = table.loc["users as if independent"]
    assert (round(naive["estimate"], 2), round(naive["standard_error"], 2)) == (14.11, 2.46)
    assert abs(naive["estimate"] - 13.90) < 0.1 * 2.45 and abs(naive["standard_error"] - 2.45) < 0.02
    assert round(table.loc["CR1, normal quantile", "standard_error"], 2) == 6.64
    assert (result.n["used"], result.n["treated"], result.n["control"]) == (3733, 79, 78)
    pairs = cl.analyse(STAR, STAR_COLUMNS | {"stratum": "school"}, **STAR_ARMS)
    assert (round(pairs.estimate, 1), round(pairs.standard_error, 1), pairs.n["strata"]) == (15.5, 4.3, 78)
    assert pairs.df == pytest.approx(77) and "1 stratum with one arm only" in set(pairs.problems["problem"])


def test_star_from_rows_by_pandas_alone():
    frame = pd.read_csv(STAR).assign(score=lambda f: f["math"] + f["reading"])
    means = frame.groupby(["school", "class_type"])["score"].mean().unstack()
    gap = (means["small"] - means["regular"]).dropna()
    pairs = cl.analyse(frame, {"outcome": "score", "cluster": "school || class_type", "treated": "class_type",
                               "pair": "school"}, **STAR_ARMS)  # fmt: skip
    assert (pairs.estimate, pairs.standard_error) == pytest.approx((gap.mean(), gap.std(ddof=1) / np.sqrt(len(gap))))


# ---- the interface: right value or refusal


def answer(frame, columns=None, **design):
    return cl.analyse(frame, COLUMNS | (columns or {}), **design)


def by_hand(frame, **given):
    means = frame.groupby("c").agg(y=("y", "mean"), t=("t", "max"), n=("y", "size"))
    means = means[means["n"] > 0]
    given = {name: means["n"].to_numpy() for name in given}
    return cl.cluster_effect(means["y"].to_numpy(float), means["t"].to_numpy() == 1, **given)


def same(result, fit):
    np.testing.assert_allclose([result.estimate, result.standard_error, result.df], [float(a) for a in fit], rtol=1e-8)


def test_the_answer_is_that_of_cluster_means_and_says_whose():
    frame = world(20, sizes=np.arange(5, 53, 2))
    result = answer(frame, {"user": "u"})
    same(result, by_hand(frame))
    assert "average cluster" in result.estimand and "each cluster counting once" in result.report()
    weighted = answer(frame, target="user")
    same(weighted, by_hand(frame, users=True))
    assert "average user" in weighted.estimand and "each user counting once" in weighted.report()
    assert result.n == {
        "rows": len(frame),
        "used": len(frame),
        "clusters": 24,
        "treated": 12,
        "control": 12,
        "strata": 0,
    }
    table = result.intervals().set_index("interval")
    assert table.loc["average cluster", "lo"] == pytest.approx(result.lo)
    assert table.loc["average user", "hi"] == pytest.approx(weighted.hi)


@pytest.mark.parametrize("code, options", [
    ({0: 0, 1: 1}, {}), ({0: "0", 1: "1"}, {}), ({0: False, 1: True}, {}), ({0: "FALSE", 1: "true"}, {}),
    ({0: 0.0, 1: 1.0}, {}), ({0: 1, 1: 2}, {"treated_value": 2}), ({0: 2, 1: 1}, {"treated_value": 1}),
    ({0: "1", 1: "2"}, {"treated_value": 2}),
    ({0: "Off", 1: "On "}, {"treated_value": "on"}), ({0: "B", 1: "A"}, {"treated_value": "A", "control_value": "B"}),
    ({0: -1, 1: 1}, {"treated_value": 1}), ({0: "2026-01-01", 1: "2026-02-01"}, {"treated_value": "2026-02-01"}),
])  # fmt: skip
def test_the_treatment_may_be_coded_in_any_way(code, options):
    """First edition: 1/2 flipped the sign, the texts '0' and '1' gave nan."""
    frame = world(21)
    same(answer(frame.assign(t=frame["t"].map(code)), **options), by_hand(frame))


@pytest.mark.parametrize("code", [{0: 1, 1: 2}, {0: "control", 1: "treated"}, {0: 0, 1: 2}, {0: -1, 1: 1}])
def test_a_treatment_whose_coding_nobody_explained_is_refused(code):
    frame = world(21)
    with pytest.raises(UnfitLog, match="neither of its two values.*treated_value"):
        answer(frame.assign(t=frame["t"].map(code)))


def three_arms(seed=22):
    frame = world(seed, k=30)
    third = frame["c"].isin([f"team {i}" for i in range(0, 30, 5)])
    return frame.assign(t=np.where(third, "B", np.where(frame["t"] == 1, "A", "none"))), frame[~third]


def test_a_third_arm_is_never_pooled():
    """First edition: it was pooled with one of the two."""
    frame, two = three_arms()
    with pytest.raises(ValueError, match=r"has 3 values \('A', 'B', 'none'\); say which one is the control"):
        answer(frame, treated_value="A")
    with pytest.raises(UnfitLog, match=r"neither of its two values.*other_arms"):
        answer(frame, treated_value="A", control_value="none")
    same(answer(frame, treated_value="A", control_value="none", other_arms=["B"]), by_hand(two))
    same(answer(frame, treated_value="a", control_value="NONE", other_arms="b"), by_hand(two))
    numbers = frame.assign(t=frame["t"].map({"A": 1, "B": 2, "none": 0}))
    with pytest.raises(UnfitLog, match="neither of its two values"):
        answer(numbers)
    same(answer(numbers, treated_value=1, control_value=0, other_arms=[2]), by_hand(two))
    with pytest.raises(ValueError, match="no row of 't' is 'C'"):
        answer(frame, treated_value="A", control_value="none", other_arms=["B", "C"])


def test_clusters_may_be_called_anything():
    frame = world(23)
    index = frame["c"].str[5:].astype(int)
    for names in (index, index.astype(float), index - 12, "0" + index.astype(str), index.astype("category"),
                  pd.Timestamp("2026-01-01") + pd.to_timedelta(index, unit="D"),
                  "Bob's \"x\" % " + frame["c"]):  # fmt: skip
        same(answer(frame.assign(c=names), {"user": "u"}), by_hand(frame))
    with_gaps = frame.assign(c=index.where(index != 3))
    result = answer(with_gaps)
    same(result, by_hand(frame[index != 3]))
    assert (
        result.problems["rows"].iloc[0] == (index == 3).sum()
        and "cluster is missing" in result.problems["problem"].iloc[0]
    )


@pytest.mark.parametrize("change", [str.upper, lambda c: c.replace("team", "Team")])
def test_clusters_that_differ_only_in_capitals_are_refused(change):
    frame = world(24)
    half = (frame["u"] % 2 == 0) & (frame["c"] == "team 3")
    mixed = frame.assign(c=frame["c"].where(~half, frame["c"].map(change)))
    with pytest.raises(UnfitLog, match="differ only in capitals"):
        answer(mixed)
    assert answer(mixed, accept="names").n["clusters"] == 25
    spaced = frame.assign(c=frame["c"].where(~half, " team 3  "))
    same(answer(spaced), by_hand(frame))


def test_clusters_that_are_the_same_number_written_twice_are_refused():
    frame = world(24)
    number = frame["c"].str[5:]
    mixed = frame.assign(c=number.where(frame["u"] % 2 == 0, number + ".0"))
    with pytest.raises(UnfitLog, match="how a number is written"):
        answer(mixed)


def test_a_cluster_in_both_arms_is_refused():
    frame = world(25)
    moved = frame.index[frame["c"] == "team 7"][:4]
    frame.loc[moved, "t"] = 1 - frame.loc[moved, "t"]
    with pytest.raises(
        UnfitLog, match=r"treated and control rows in one cluster \(team 7 and 0 more clusters\): 4 rows"
    ):
        answer(frame)


@pytest.mark.parametrize("k, on, message", [
    (2, [1, 0], "fewer than 2 usable treated clusters"),
    (6, [1, 0, 0, 0, 0, 0], "fewer than 2 usable treated clusters"),
    (6, [0, 1, 1, 1, 1, 1], "fewer than 2 usable control clusters"), (6, [1] * 6, "no control cluster"),
    (6, [0] * 6, "no treated cluster"), (1, [1], "no control cluster"),
])  # fmt: skip
def test_one_cluster_in_an_arm_is_refused(k, on, message):
    """First edition: nan, inf."""
    with pytest.raises(UnfitLog, match=message):
        answer(world(26, k=k, on=on))


def test_few_clusters_are_said_and_the_interval_is_wide():
    result = answer(world(27, k=4))
    found = result.problems.set_index("problem").loc["few clusters: 2 treated, 2 control"]
    assert (
        found["severity"] == WARNING
        and "6 possible assignments" in found["what_to_do"]
        and result.df == pytest.approx(2)
    )
    assert "few clusters" in result.report()
    got = result.randomization()
    assert (got["lo"], got["hi"]) == (-np.inf, np.inf) and got["p"] >= 2 / 6 and got["tried"] == 6
    assert not answer(world(27)).problems["problem"].str.contains("few clusters").any()


def test_one_dominating_cluster_is_refused_or_said():
    sizes = np.full(20, 20)
    sizes[3] = 1200
    frame = world(28, k=20, sizes=sizes)
    with pytest.raises(UnfitLog, match=r"one cluster holds 8\d% of the .* users \(cluster team 3\): 1,200 rows"):
        answer(frame, target="user")
    same(answer(frame), by_hand(frame))  # where each counts once, it does not dominate
    sizes[3] = 300
    result = answer(world(28, k=20, sizes=sizes), target="user")
    assert result.problems["problem"].str.contains("weighs as much as .* clusters of equal size").any()
    even = answer(world(28, k=20), target="user")
    assert not even.problems["problem"].str.contains("equal size").any()


def test_one_cluster_that_moves_the_estimate_is_said():
    frame = world(29, k=20)
    frame.loc[frame["c"] == "team 2", "y"] += 30
    result = answer(frame)
    found = result.problems[result.problems["problem"].str.contains("without one cluster the estimate is")]
    assert len(found) == 1 and found["place"].iloc[0] == "cluster team 2"
    worst = result.leave_one_out().iloc[0]
    fit = by_hand(frame[frame["c"] != "team 2"])
    assert worst["cluster"] == "team 2" and worst["estimate"] == pytest.approx(fit.estimate)
    assert worst["errors"] == pytest.approx((fit.estimate - result.estimate) / fit.error)
    assert not answer(world(29, k=20)).problems["problem"].str.contains("without one cluster").any()


def test_a_long_tail_in_unequal_arms_is_said():
    rng = np.random.default_rng(30)
    frame = world(30, k=60, on=np.arange(60) < 6)
    tail = np.exp(rng.normal(0, 1.2, 60))
    index = frame["c"].str[5:].astype(int).to_numpy()
    assert answer(frame.assign(y=tail[index] + frame["y"])).problems["problem"].str.contains("long tail").any()
    assert not answer(frame).problems["problem"].str.contains("long tail").any()


def test_an_arm_without_scatter_is_said():
    frame = world(30)
    result = answer(frame.assign(y=frame["y"].where(frame["t"] == 1, 0.0)))
    assert "all control clusters have the same mean" in set(result.problems["problem"])


def test_a_constant_before_changes_nothing():
    frame = world(30)
    same(answer(frame.assign(x=3.0), {"before": "x"}), by_hand(frame))


def test_clusters_of_one_user_each_are_users():
    frame = world(30, k=3_000, m=0)
    result = answer(frame)
    welch = stats.ttest_ind(frame["y"][frame["t"] == 1], frame["y"][frame["t"] == 0], equal_var=False)
    assert result.estimate / result.standard_error == pytest.approx(welch.statistic)
    assert result.intervals()["standard_error"].iloc[3:].round(12).nunique() == 1 and result.icc() is None


def test_the_average_cluster_and_the_average_user_may_disagree():
    frame = world(31, sizes=np.exp(np.linspace(2, 6, 24)).astype(int), on=np.arange(24) % 2 == 0, between=0.05)
    size = frame.groupby("c")["u"].transform("size")
    result = answer(frame.assign(y=frame["y"] + frame["t"] * 0.5 * np.log(size)))
    assert result.problems["problem"].str.contains("average user").any()
    assert not answer(frame).problems["problem"].str.contains("average user").any()


# ---- exposure, balance, missing values


def test_exposed_users_are_left_out_in_both_arms():
    frame = world(32, spill=-0.5)
    result = answer(frame, {"exposed": "e"})
    same(result, by_hand(frame[frame["e"] == 0]))
    assert "whom others' treatment cannot reach" in result.report() and result.n["used"] == (frame["e"] == 0).sum()
    same(answer(frame.assign(e=frame["e"] == 1), {"exposed": "e"}), by_hand(frame[frame["e"] == 0]))


def test_no_exposure_column_is_no_problem():
    """First edition: 34 false alarms."""
    result = answer(world(33))
    assert result.problems.empty and result.spillover() is None


@pytest.mark.parametrize("change", [
    lambda f, r: f["e"] | ((f["t"] == 1) & (r.random(len(f)) < 0.25)),  # the treatment makes people opt in
    lambda f, r: f["e"] & (f["t"] == 0),  # marked in one arm only
    lambda f, r: f["e"] & ((f["t"] == 0) | (r.random(len(f)) < 0.5)),
])  # fmt: skip
def test_exposure_that_the_treatment_has_changed_is_refused(change):
    """First edition: .661 for .80, and no check."""
    frame = world(34, k=50)
    changed = frame.assign(e=change(frame, np.random.default_rng(0)) * 1)
    with pytest.raises(UnfitLog, match="exposure differs between the arms .* settled before the assignment"):
        answer(changed, {"exposed": "e"})
    accepted = answer(changed, {"exposed": "e"}, accept="exposure")
    assert accepted.problems["problem"].str.contains("exposure differs").any()


def test_balance_does_not_cry_wolf():
    """1,000 clean experiments: each of four warnings in about 1 %, a refusal in about 1 of 1,000 (for each of two)."""
    rng, columns, found = np.random.default_rng(34), {"exposed": "e", "before": "x"}, []
    for _ in range(1_000):
        rows = rng.poisson(30, 20) + 1
        frame = pd.DataFrame({"treated": rng.permuted(np.arange(20) < 10), "rows": rows,
                              "lost": rng.binomial(rows, 0.1) / rows,
                              "exposed": rng.binomial(rows, 0.3) / rows, "before": rng.normal(5, 0.3, 20)})  # fmt: skip
        found += cl._balance_findings(frame, columns, {"accept": ()})
    assert 15 < len(found) < 65 and sum(row[3] == FATAL for row in found) <= 7


def test_a_selection_in_place_of_a_lottery_is_refused():
    """Clusters that started higher were treated: adjusting for `before` does not cure it."""
    rng = np.random.default_rng(35)
    frame = world(35, k=50, between=0.6)
    mean = frame.groupby("c")["x"].mean()
    keen = mean + rng.normal(0, 0.3, 50) > mean.median()
    frame["t"] = frame["c"].map(keen) * 1
    with pytest.raises(UnfitLog, match="before differs between the arms .* lottery"):
        answer(frame, {"before": "x"})
    assert answer(frame, {"before": "x"}, accept=["balance"]).problems["problem"].str.contains("before differs").any()


def test_sizes_and_missing_outcomes_that_follow_the_treatment_are_said():
    frame = world(36, k=40)
    fewer = frame[(frame["t"] == 0) | (np.random.default_rng(0).random(len(frame)) < 0.7)]
    assert answer(fewer).problems["problem"].str.contains("clusters of one arm are larger").any()
    lost = frame.assign(y=frame["y"].where((frame["t"] == 0) | (np.random.default_rng(0).random(len(frame)) < 0.8)))
    result = answer(lost)
    same(result, by_hand(lost.dropna(subset="y")))
    problems = " ".join(result.problems["problem"])
    assert "outcome is missing" in problems and "missing more often in one arm" in problems


def test_clusters_without_a_usable_row_are_left_out_and_said():
    frame = world(37)
    frame.loc[frame["c"] == "team 5", "y"] = np.nan
    result = answer(frame)
    same(result, by_hand(frame[frame["c"] != "team 5"]))
    assert "1 cluster without a usable row" in set(result.problems["problem"])
    frame = world(37)
    frame.loc[frame["c"] == "team 5", "e"] = 1
    assert answer(frame, {"exposed": "e"}).n["clusters"] == 23


def test_spillover_is_the_difference_of_differences():
    frame = world(38, k=40, m=60, spill=0.5)
    frame["y"] += 2.0 * frame["e"]  # exposed users differ anyway: as a placebo shows
    table = answer(frame, {"exposed": "e"}).spillover().set_index("comparison")
    gaps = frame.groupby(["c", "e"])["y"].mean().unstack()
    gaps = (gaps[1] - gaps[0]).groupby(frame.groupby("c")["t"].first())
    np.testing.assert_allclose(table["estimate"].iloc[:2], [gaps.mean()[0], gaps.mean()[1]])
    assert table.loc["difference: spillover", "estimate"] == pytest.approx(gaps.mean()[0] - gaps.mean()[1])
    assert table.loc["treated clusters: the same", "lo"] < 2 < table.loc["treated clusters: the same", "hi"]
    assert table.loc["difference: spillover", "lo"] < 0.5 < table.loc["difference: spillover", "hi"]


# ---- strata, pairs, `before`


def test_strata_pairs_and_before():
    frame = world(39, between=0.6)
    means = frame.groupby("c").agg(y=("y", "mean"), t=("t", "first"), b=("b", "first"), x=("x", "mean"))
    on = means["t"].to_numpy() == 1
    for columns, given in (({"stratum": "b"}, {"stratum": means["b"]}), ({"pair": "b"}, {"stratum": means["b"]}),
                           ({"before": "x"}, {"before": means["x"]}),
                           ({"stratum": "b % 4"}, {"stratum": means["b"] % 4}),
                           ({"stratum": "b", "before": "x"},
                            {"stratum": means["b"], "before": means["x"]})):  # fmt: skip
        same(answer(frame, columns), cl.cluster_effect(means["y"].to_numpy(), on, **given))
    assert answer(frame, {"before": "x"}).standard_error < answer(frame).standard_error
    with pytest.raises(UnfitLog, match="a pair with more than two clusters"):
        answer(frame, {"pair": "b % 4"})
    with pytest.raises(UnfitLog, match="cluster in several strata"):
        answer(frame, {"stratum": "u % 2"})
    with pytest.raises(ValueError, match="'stratum' or 'pair', not both"):
        answer(frame, {"stratum": "b", "pair": "b"})


def test_a_stratum_without_one_of_the_arms_is_left_out_and_said():
    frame = world(40)
    gone = frame[~((frame["b"] == 3) & (frame["t"] == 1))]
    result = answer(gone, {"stratum": "b"})
    assert result.n["strata"] == 11 and result.problems["problem"].str.contains("1 stratum with one arm only").any()
    same(
        result, cl.cluster_effect(*_means(gone[gone["b"] != 3], "y", "t"), stratum=_means(gone[gone["b"] != 3], "b")[0])
    )


def _means(frame, *names):
    table = frame.groupby("c")[list(names)].mean()
    return [table[name].to_numpy() == 1 if name == "t" else table[name].to_numpy() for name in names]


def test_before_that_is_missing():
    frame = world(41)
    holes = frame.assign(x=frame["x"].where(frame["u"] % 3 > 0))
    result = answer(holes, {"before": "x"})
    y, on = _means(frame, "y", "t")
    same(result, cl.cluster_effect(y, on, before=holes.groupby("c")["x"].mean().to_numpy()))
    none = frame.assign(x=frame["x"].where(frame["c"] != "team 4"))
    result = answer(none, {"before": "x"})
    assert result.n["clusters"] == 23 and result.problems["problem"].str.contains("without a value of before").any()


# ---- other faults of rows


def spoil(column, value, rows=7):
    frame = world(42).astype({column: object})
    frame.loc[frame.index[:rows], column] = value
    return frame


@pytest.mark.parametrize("column, value, columns, message", [
    ("y", "done", {}, "outcome is not a finite number"), ("y", np.inf, {}, "outcome is not a finite number"),
    ("t", 2, {}, "treatment is neither of its two values"), ("t", "maybe", {}, "treatment is neither"),
    ("e", "yes", {"exposed": "e"}, "exposure is neither 0 nor 1"),
    ("x", "high", {"before": "x"}, "before is not a finite"),
    ("u", 300, {"user": "u"}, "user appears more than once"),
])  # fmt: skip
def test_faulty_rows_are_refused_and_counted(column, value, columns, message):
    with pytest.raises(UnfitLog, match=rf"{message}[^:]*: 7 rows") as error:
        answer(spoil(column, value), columns)
    assert (error.value.problems["severity"] == FATAL).any()


@pytest.mark.parametrize("column, columns, message", [
    ("y", {}, "outcome is missing"), ("t", {}, "treatment is missing"), ("e", {"exposed": "e"}, "exposure is missing"),
    ("b", {"stratum": "b"}, "stratum is missing"), ("x", {"before": "x"}, "before is missing"),
    ("c", {}, "cluster is missing"),
])  # fmt: skip
@pytest.mark.parametrize("value", [None, np.nan, "", "NA", "null"])
def test_missing_values_are_left_out_counted_and_said(column, columns, message, value):
    found = answer(spoil(column, value), columns).problems.set_index("problem")
    assert found.loc[[message], "rows"].sum() == 7 and found.loc[[message], "severity"].iloc[0] == WARNING


@pytest.mark.parametrize("make, message", [
    (lambda f: f[:0], "the log has no rows"), (lambda f: f[:1], "no (treated|control) cluster"),
    (lambda f: f.assign(y=1), "does not vary"), (lambda f: f.assign(y=f["t"]), "does not vary"),
    (lambda f: f.assign(y=np.nan), "fewer than 2 usable"),
    (lambda f: f.assign(y=1e200 * f["y"]), "too large to be squared"),
    (lambda f: f.assign(c="all"), "treated and control rows in one cluster"),
])  # fmt: skip
def test_logs_with_nothing_to_estimate_are_refused(make, message):
    with pytest.raises(UnfitLog, match=message):
        answer(make(world(43)))


@pytest.mark.parametrize("arguments, message", [
    ({"columns": {"outcome": "y", "cluster": "c"}}, "say which column is 'treated'"),
    ({"columns": COLUMNS | {"workspace": "c"}}, "no role of this design"),
    ({"columns": COLUMNS | {"outcome": "minuets"}}, "not in the log"), ({"columns": "y"}, "a dict"),
    ({"target": "users"}, "target: 'cluster' or 'user'"), ({"level": 95}, "below 1"), ({"accept": "all"}, "accept"),
    ({"control_value": 0}, "name treated_value"), ({"other_arms": ["B"]}, "name treated_value and control_value"),
    ({"treated_value": "A", "control_value": "a"}, "each arm once"), ({"treated_value": "x"}, "no row of 't' is 'x'"),
    ({"columns": COLUMNS | {"saturation": "b", "stratum": "b"}}, "with 'saturation' only"),
])  # fmt: skip
def test_arguments_without_sense_get_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        cl.analyse(world(44), **({"columns": COLUMNS} | arguments))
    assert "\n" not in str(error.value)


def test_too_few_clusters_for_strata_and_a_covariate_are_refused():
    with pytest.raises(UnfitLog, match="no degree of freedom is left"):
        answer(world(45, k=4), {"stratum": "b", "before": "x"}, accept="balance")


def test_every_form_of_a_log_gives_the_same_numbers(tmp_path):
    frame = world(46, binary=True, effect=0.5)
    frame["arm"] = np.where(frame["t"] == 1, "Summarizer", "None yet")
    columns = {"treated": "arm", "user": "u", "exposed": "e", "before": "x", "stratum": "b % 3"}
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.csv.gz", index=False)
    duckdb.from_df(frame).write_parquet(str(tmp_path / "a.parquet"))
    (tmp_path / "shards").mkdir()
    for k, part in enumerate(
        (frame[:400].astype({"u": "int32", "x": "float64"}), frame[400:].astype({"y": "float64"}))
    ):
        duckdb.from_df(part).write_parquet(str(tmp_path / "shards" / f"{k}.parquet"))
    text = columns | {"stratum": "CAST(b AS BIGINT) % 3"}
    logs = [(frame, columns), (tmp_path / "a.csv", text), (tmp_path / "a.csv.gz", text),
            (tmp_path / "a.parquet", columns),
            (duckdb.connect().from_df(frame), columns), (frame.sample(frac=1, random_state=1), columns),
            (frame.assign(y=frame["y"] == 1), columns), (tmp_path / "shards", columns)]  # fmt: skip
    found = [answer(log, named, treated_value="Summarizer") for log, named in logs]
    for other in found[1:]:
        np.testing.assert_allclose([other.estimate, other.lo, other.hi], [found[0].estimate, found[0].lo, found[0].hi],
                                   rtol=1e-9)  # fmt: skip


def test_queries_for_a_warehouse_give_the_same_numbers():
    frame, _ = three_arms()
    columns = COLUMNS | {"user": "u", "exposed": "e", "before": "x", "stratum": "b % 2"}
    arms = {"treated_value": "A", "control_value": "none", "other_arms": ["B"]}
    expected = cl.analyse(frame, columns, target="user", **arms)
    texts = cl.queries(columns, target="user", outcome_offset=4.5, **arms)
    with duckdb.connect() as warehouse:
        warehouse.register("logs", frame)
        check, whole = (warehouse.sql(text).df() for text in texts)
        half = "FROM (SELECT * FROM logs WHERE u % 2 = {}) AS logs"
        halves = [warehouse.sql(texts[1].replace("FROM logs", half.format(k))).df() for k in (0, 1)]
    for parts in (whole, pd.concat(halves)):  # partial aggregates of two shards add up
        got = cl.analyse_tables(check, parts, columns, target="user", outcome_offset=4.5, **arms)
        np.testing.assert_allclose(
            [got.estimate, got.lo, got.hi], [expected.estimate, expected.lo, expected.hi], rtol=1e-9
        )
        np.testing.assert_allclose(got.intervals()["lo"], expected.intervals()["lo"], rtol=1e-7)
    assert (check["row_count"] > 0).all()
    with pytest.raises(ValueError, match="give both or neither"):
        cl.queries(columns, treated_value="A")


def test_a_large_mean_costs_no_digits():
    frame = world(47)
    small, large = answer(frame), answer(frame.assign(y=frame["y"] + 1e9))
    np.testing.assert_allclose(
        [large.estimate, large.standard_error], [small.estimate, small.standard_error], rtol=1e-5
    )
    assert large.icc()["icc"] == pytest.approx(small.icc()["icc"], rel=1e-4)
    np.testing.assert_allclose(large.intervals()["lo"], small.intervals()["lo"], rtol=1e-4)
    assert large.figure().axes[0].texts[0].get_text() == "1e+09"


def test_float32_and_decimals_are_read_as_written():
    frame = world(48).assign(y=lambda f: f["y"].round(2))
    same(answer(frame.assign(y=frame["y"].astype("float32"))), by_hand(frame))


# ---- what the result offers


def test_the_randomization_interval_inverts_the_test_by_brute_force():
    """All 252 assignments: an effect inside is not rejected, an effect outside is, with and without `before`."""
    frame = world(49, k=10, effect=0.5)
    for columns, target in (({}, "cluster"), ({}, "user"), ({"before": "x"}, "cluster")):
        result = answer(frame, columns, target=target, accept="balance")
        got = result.randomization()
        assert got["tried"] == got["assignments"] == 252 and got["p_error"] == got["limit_error"] == 0
        y, on, n, before = (result.clusters[name].to_numpy() for name in ("mean", "treated", "users", "before"))
        size = n if target == "user" else np.ones(10)

        def p_value(effect, y=y, on=on, size=size, x=before if columns else None):
            values = y - effect * on
            if x is not None:
                X = sm.add_constant(x)
                values = sm.OLS(values, X).fit().resid
            gaps = []
            for chosen in itertools.combinations(range(10), 5):
                side = np.isin(np.arange(10), chosen)
                gaps.append(
                    abs(np.average(values[side], weights=size[side]) - np.average(values[~side], weights=size[~side]))
                )
            actual = abs(np.average(values[on], weights=size[on]) - np.average(values[~on], weights=size[~on]))
            return np.mean(np.array(gaps) >= actual - 1e-9)

        assert got["p"] == pytest.approx(p_value(0.0))
        width = got["hi"] - got["lo"]
        for limit, sign in ((got["lo"], 1), (got["hi"], -1)):
            assert p_value(limit + sign * 1e-3 * width) > 0.05 >= p_value(limit - sign * 1e-3 * width)


def test_the_randomization_test_replays_the_assignment_in_the_log():
    frame = world(50, k=30, on=np.arange(30) < 5)
    result = answer(frame)
    got = result.randomization(draws=20_000)
    assert got["assignments"] == math.comb(30, 5) and got["tried"] == 20_001
    pairs = answer(world(50), {"pair": "b"})
    assert pairs.randomization()["assignments"] == 2**12 == pairs.randomization()["tried"]
    again = answer(frame.sample(frac=1, random_state=2)).randomization(draws=20_000)
    assert again["lo"] == pytest.approx(got["lo"])  # rows have no order
    exact = cl.stats.permutation_test((result.clusters["mean"][result.clusters["treated"]],
                                       result.clusters["mean"][~result.clusters["treated"]]),
                                      lambda a, b, axis: np.mean(a, axis=axis) - np.mean(b, axis=axis), vectorized=True,
                                      n_resamples=20_000, rng=np.random.default_rng(1))  # fmt: skip
    assert got["p"] == pytest.approx(exact.pvalue, abs=0.005)


def test_two_digits_of_the_randomization_interval_are_stable():
    """Other seeds move the limits by no more than the Monte Carlo error that is given, which is 1 % of the width."""
    result = answer(world(51, k=40, m=10, effect=0.2))
    found = [result.randomization(seed=seed) for seed in range(6)]
    limits = np.array([[g["lo"], g["hi"]] for g in found])
    error, width = found[0]["limit_error"], limits[0, 1] - limits[0, 0]
    assert error < 0.01 * width and limits.std(axis=0, ddof=1).max() < 2 * error
    assert np.std([g["p"] for g in found], ddof=1) < 3 * found[0]["p_error"] + 1e-4


def test_the_wild_interval_inverts_the_wild_test():
    for columns, target in (({}, "cluster"), ({}, "user"), ({"before": "x", "stratum": "b % 2"}, "cluster")):
        result = answer(world(52, k=12, effect=0.4), columns, target=target, accept="balance")
        got, a = result.wild(), result._arrays
        assert got["tried"] == 4096 and got["p_error"] == 0 and got["weights"] == "signs"
        v = cl.wild_weights(12, 9_999, None)
        given = {"users": a.users if target == "user" else None, "before": a.before, "stratum": a.stratum}
        assert got["p"] == cl.wild_test(a.y, a.on, v, **given)
        step = 1e-3 * (got["hi"] - got["lo"])
        for limit, sign in ((got["lo"], 1), (got["hi"], -1)):
            inside, outside = (cl.wild_test(a.y - (limit + s * step) * a.on, a.on, v, **given) for s in (sign, -sign))
            assert inside > 0.05 >= outside
    few = answer(world(52, k=5, on=[1, 0, 1, 0, 0])).wild(draws=999)
    assert few["weights"] == "webb" and few["tried"] == 1000
    never = answer(world(52, k=5, on=[1, 0, 1, 0, 0])).wild(weights="signs")
    assert (never["lo"], never["hi"]) == (-np.inf, np.inf)


def test_placebo_arms_on_the_clusters_of_the_log():
    result = answer(world(53, k=30, between=0.6))
    table = result.placebo().set_index("interval")
    for name in ("average cluster", "average user", "CR2, Satterthwaite"):
        assert abs(table.loc[name, "false_alarms"] - 0.05) < 0.025
    assert table.loc["users as if independent", "false_alarms"] > 0.4
    assert table.loc["average cluster", "spread"] == pytest.approx(result.standard_error, rel=0.1)
    # one assignment by hand: the effect taken off, the arms drawn anew, the usual t test
    clusters = result.clusters
    y = clusters["mean"] - result.estimate * clusters["treated"]
    rows = cl.assignments(clusters["treated"].to_numpy(), 2_000, np.random.default_rng(0))[1:]
    p = np.array([stats.ttest_ind(y[row], y[~row]).pvalue for row in rows[:300]])
    fits = cl.interval(cl.cluster_effect(y.to_numpy(), rows[:300]))
    assert np.array_equal(p < 0.05, (fits[0] > 0) | (fits[1] < 0))


def test_detectable_effect_and_clusters_needed():
    result = answer(world(54, k=40))
    smallest = result.detectable()
    assert cl.power(smallest, result.standard_error, result.df) == pytest.approx(0.80, abs=0.01)
    assert result.clusters_needed(smallest) == 40
    assert 150 < result.clusters_needed(smallest / 2) < 165
    with pytest.raises(ValueError, match="effect: a number above 0"):
        result.clusters_needed(0)


def test_variation():
    frame = world(55, k=60, m=40)
    got = answer(frame).icc()
    assert got["lo"] < 0.3**2 / (0.3**2 + 0.6**2) < got["hi"] and abs(got["sd_within"] - 0.6) < 0.03
    assert got["effective_users"] == pytest.approx(len(frame) / got["design_effect"])
    n, s, q = sums(frame)
    on = frame.groupby("c")["t"].first().to_numpy() == 1
    assert got["icc"] == pytest.approx(cl.intracluster(n, s, q, on))
    single = frame.drop_duplicates("c")
    assert answer(single).icc() is None  # one user in each cluster: nothing lies within


def test_figure_and_report():
    import matplotlib.pyplot as plt

    for columns in ({}, {"pair": "b"}, {"exposed": "e", "before": "x"}):
        result = answer(world(56), columns)
        figure = result.figure()
        assert figure.axes[0].get_ylabel() == "y, mean of a cluster"
        assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["12 control", "12 treated"]
        plt.close(figure)
    report = answer(world(56)).report()
    assert "raises y by" in report and "no query can see" in report and "12 treated and 12 control" in report
    nothing = answer(world(57, effect=0.0))
    assert "has no clear effect on y" in nothing.report()


# ---- two-stage designs


def two_stage(seed, k=40, m=40, shares=(0.0, 0.25, 0.5, 0.75), direct=0.8, spill=0.4, gain=0.3):
    """Clusters with a share s to be treated; untreated users gain spill × s, treated ones gain × s on top."""
    rng = np.random.default_rng(seed)
    s = rng.permuted(np.tile(shares, k // len(shares)))
    c = np.repeat(np.arange(k), rng.poisson(m, k) + 2)
    t = rng.random(len(c)) < s[c]
    y = rng.normal(0, 0.3, k)[c] + np.where(t, direct + gain * s[c], spill * s[c]) + rng.normal(0, 0.6, len(c))
    return pd.DataFrame({"c": c, "s": s[c], "t": t * 1, "y": y, "u": np.arange(len(c))})


def test_a_two_stage_design_is_analysed():
    frame = two_stage(60, k=80, m=100)
    result = answer(frame, {"saturation": "s", "user": "u"})
    assert isinstance(result, cl.Saturation) and result.levels == ["0.0", "0.25", "0.5", "0.75"]
    table = result.effects.set_index(["effect", "saturation"])
    truth = {("overall", "0.75"): 0.75 * (0.8 + 0.3 * 0.75) + 0.25 * 0.4 * 0.75, ("direct", "0.5"): 0.8 + 0.15 - 0.2,
             ("spillover on the untreated", "0.75"): 0.3, ("spillover on the treated", "0.75"): 0.15,
             ("total on the treated", "0.5"): 0.95}  # fmt: skip
    for key, value in truth.items():
        assert abs(table.loc[key, "estimate"] - value) < 3.5 * table.loc[key, "standard_error"]
    means = frame.groupby(["c", "t"])["y"].mean().unstack()
    share = frame.groupby("c")["s"].first()
    high, none = means[1][share == 0.75].to_numpy(), means[0][share == 0].to_numpy()
    welch = stats.ttest_ind(high, none, equal_var=False)
    row = table.loc[("total on the treated", "0.75")]
    assert row["estimate"] / row["standard_error"] == pytest.approx(welch.statistic)
    gap = (means[1] - means[0])[share == 0.5]
    assert table.loc[("direct", "0.5"), "standard_error"] == pytest.approx(gap.std(ddof=1) / np.sqrt(len(gap)))
    whole = frame.groupby("c")["y"].mean()
    assert result.estimate == pytest.approx(whole[share == 0.75].mean() - whole[share == 0].mean())
    assert "direct at 0.75" in result.report() and result.detectable() > 0
    assert result.figure().axes[0].get_legend() is not None


def test_a_two_stage_design_by_users():
    frame = two_stage(61)
    result = answer(frame, {"saturation": "s"}, target="user")
    expected = frame[frame["s"] == 0.75]["y"].mean() - frame[frame["s"] == 0]["y"].mean()
    assert result.estimate == pytest.approx(expected)
    inside = frame[frame["s"] == 0.5].groupby(["c", "t"])["y"].mean().unstack()
    n = frame[frame["s"] == 0.5].groupby("c").size()
    row = result.effects.set_index(["effect", "saturation"]).loc[("direct", "0.5")]
    assert row["estimate"] == pytest.approx(np.average(inside[1] - inside[0], weights=n))


def test_the_intervals_of_a_two_stage_design_cover():
    """150 experiments, eight clusters a level; Monte Carlo error .018."""
    held = []
    for seed in range(150):
        frame = two_stage(7_000 + seed, k=32, m=20)
        clusters, design = cl._saturation_clusters(_stage_cells(frame)), {"target": "cluster", "level": 0.95}
        table = cl._saturation_effects(clusters, ["0.0", "0.25", "0.5", "0.75"], design)
        table = table.set_index(["effect", "saturation"])
        rows = table.loc[[("direct", "0.5"), ("spillover on the untreated", "0.75"), ("total on the treated", "0.75")]]
        truth = np.array([0.75, 0.3, 1.025])
        held.append((rows["lo"] <= truth) & (truth <= rows["hi"]))
    assert (np.abs(np.mean(held, axis=0) - 0.95) < 0.06).all()


def _stage_cells(frame):
    cells = frame.assign(n=1.0, rows_in_cell=1.0, cluster_id=frame["c"].astype(str), stratum=frame["s"].astype(str),
                         treated=frame["t"] * 1.0)  # fmt: skip
    return cells.groupby(["cluster_id", "treated", "stratum"], as_index=False)[["rows_in_cell", "n", "y"]].sum()


@pytest.mark.parametrize("change, message", [
    (lambda f: f.assign(s=0.5), "all clusters have the same saturation"),
    (lambda f: f.assign(s=np.where(f["c"] == 1, "odd", f["s"].astype(str))), "a single cluster has this saturation"),
    (lambda f: f.assign(s=f["u"] % 2), "cluster in several strata"), (lambda f: f.assign(y=2.0), "does not vary"),
])  # fmt: skip
def test_a_two_stage_design_that_cannot_answer_is_refused(change, message):
    with pytest.raises(UnfitLog, match=message):
        answer(change(two_stage(62)), {"saturation": "s"})


def test_warnings_of_a_two_stage_design():
    frame = two_stage(63)
    taken = frame.assign(t=frame["t"] * (np.random.default_rng(0).random(len(frame)) < 0.7))
    assert answer(taken, {"saturation": "s"}).problems["problem"].str.contains("are treated instead of").any()
    assert (
        answer(frame[frame["s"] > 0], {"saturation": "s"}).problems["problem"].str.contains("free of treatment").any()
    )
    lost = frame.assign(y=frame["y"].where((frame["t"] == 0) | (frame["u"] % 4 > 0)))
    assert answer(lost, {"saturation": "s"}).problems["problem"].str.contains("among the treated").any()
    with pytest.raises(UnfitLog, match="say which column is the 'saturation'"):
        answer(frame)
    per_cent = frame.assign(s=frame["s"] * 100)
    assert not answer(per_cent, {"saturation": "s"}).problems["problem"].str.contains("instead of").any()


# ---- planning


def test_plan_plays_placebo_experiments_on_the_history():
    history = world(70, k=40, effect=0.0, between=0.6)
    found = cl.plan(history, {"outcome": "y", "cluster": "c", "before": "x"}, share=0.25)
    table = found.table.set_index("interval")
    assert found.clusters == 40 and found.share == 0.25
    assert abs(table.loc["average cluster", "false_alarms"] - 0.05) < 0.025
    assert table.loc["users as if independent", "false_alarms"] > 0.4
    means = history.groupby("c")["y"].mean()
    spread = means.std(ddof=1) * np.sqrt(1 / 10 + 1 / 30)  # of a difference, over all assignments of these clusters
    assert table.loc["average cluster, before ignored", "spread"] == pytest.approx(spread, rel=0.06)
    assert table.loc["average cluster", "spread"] < 0.6 * spread  # what the covariate is worth
    assert table.loc["average cluster, in pairs alike in before", "spread"] < 0.8 * means.std(ddof=1) * np.sqrt(4 / 40)
    assert found.power(found.detectable()) == pytest.approx(0.80, abs=0.02)
    assert found.detectable(160) == pytest.approx(found.detectable() / 2, rel=0.05)
    assert found.clusters_needed(found.detectable()) == 40 and "placebo experiments" in found.report()
    assert found.clusters_needed(0.3) < found.clusters_needed(0.3, interval="average cluster, before ignored")
    assert found.figure().axes[0].get_xlabel() == "clusters in the experiment"


def test_power_promised_by_the_plan_is_that_of_fresh_experiments():
    """1,500 fresh experiments on 24 clusters like those of the history, an effect that is to be found in 80 %."""
    found = cl.plan(world(71, k=400, m=20, effect=0.0), {"outcome": "y", "cluster": "c"}, draws=500)
    effect = found.detectable(24)
    rng = np.random.default_rng(72)
    means = (
        rng.normal(0, 0.3, (1_500, 24)) + rng.normal(0, 0.6 / np.sqrt(21), (1_500, 24)) + effect * (np.arange(24) < 12)
    )
    lo, _ = cl.interval(cl.cluster_effect(means, np.arange(24) < 12))
    assert np.mean(lo > 0) == pytest.approx(0.80, abs=0.06)


def test_plan_from_the_control_clusters_and_in_strata():
    frame = world(73, k=60)
    found = cl.plan(frame, COLUMNS, draws=300)
    assert found.clusters == 30
    blocks = cl.plan(world(74, k=40, effect=0.0), {"outcome": "y", "cluster": "c", "pair": "b"}, draws=300)
    assert blocks.clusters == 40 and blocks.df == pytest.approx(19)


@pytest.mark.parametrize("arguments, message", [
    ({"share": 0}, "share: a number above 0"), ({"draws": 3}, "draws"), ({"columns": {"outcome": "y"}}, "'cluster'"),
    ({"columns": COLUMNS | {"saturation": "b"}}, "without 'saturation'"),
    ({"treated_value": 1}, "which column is 'treated'"),
])  # fmt: skip
def test_a_plan_without_sense_gets_one_line(arguments, message):
    arguments = {"columns": {"outcome": "y", "cluster": "c"}} | arguments
    with pytest.raises(ValueError, match=message) as error:
        cl.plan(world(75), **arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("make, message", [
    (lambda f: f[f["c"].isin(["team 0", "team 1", "team 2"])], "3 clusters in the history"),
    (lambda f: f[:0], "no rows"),
    (lambda f: f.assign(y=3), "does not vary"), (lambda f: f.assign(y="x"), "not a finite number"),
])  # fmt: skip
def test_a_history_that_cannot_plan_is_refused(make, message):
    with pytest.raises(UnfitLog, match=message):
        cl.plan(make(world(76)), {"outcome": "y", "cluster": "c"}, draws=100)


# ---- anything at all


def test_nothing_but_refusals_on_random_logs():
    rng, answers = np.random.default_rng(77), 0
    for seed in range(RANDOM_LOGS):
        k = int(rng.choice([1, 2, 3, 5, 12, 30]))
        frame = world(seed, k=k, m=int(rng.choice([0, 1, 20])), binary=bool(seed % 3 == 0)).astype(
            {"y": object, "x": object}
        )
        for column in ("y", "x", "t", "c", "e", "b"):
            if rng.random() < 0.2:
                bad = rng.random(len(frame)) < rng.choice([0.01, 0.5, 1.0])
                junk = [np.nan, None, "word", np.inf, 1e308, -5, True, 0]
                frame[column] = frame[column].astype(object).where(~bad, junk[int(rng.integers(8))])
        columns = {name: role for name, role in (("exposed", "e"), ("before", "x"), ("stratum", "b"), ("user", "u"))
                   if rng.random() < 0.4}  # fmt: skip
        if rng.random() < 0.1:
            columns = {"saturation": "b"}
        try:
            result = answer(frame, columns, target=["cluster", "user"][seed % 2])
        except ValueError:
            continue
        answers += 1
        assert np.isfinite([result.estimate, result.standard_error, result.lo, result.hi]).all() and result.report()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if isinstance(result, cl.ClusterExperiment) and answers % 2:
                result.intervals(), result.balance(), result.icc(), result.spillover(), result.leave_one_out()
                result.placebo(draws=100), result.randomization(draws=99), result.wild(draws=99)
    assert answers >= RANDOM_LOGS / 6
