"""Notebook 05: estimators against statsmodels, bootstraps and tests against loops and enumeration, known truth."""

import itertools

import duckdb
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from generate_data import World, generate, simulate
from notebook_tools import definitions
from scipy import stats

import run

NB = definitions("05_cluster_randomization/cluster_randomization_demo.py")
Z = stats.norm.ppf(0.975)


def users(seed, n_users, k, effect=0.5, spillover=-0.3, on=None, sizes=None):
    """A world that the tutorial does not use: k workspaces (any sizes), user by user, as a DataFrame."""
    rng = np.random.default_rng(seed)
    workspace = rng.choice(k, n_users, p=sizes)
    on = rng.permuted(np.arange(k) < k // 2) if on is None else on
    opted = rng.random(n_users) < 0.4
    treated = on[workspace]
    minutes = rng.gamma(4, 0.5, k)[workspace] + effect * treated + spillover * (~treated & opted)
    minutes = minutes + rng.normal(0, 0.7, n_users)
    return pd.DataFrame({"w": workspace, "on": treated, "opted": opted, "y": minutes, "spill": ~treated & opted})


def tables(f, k):
    return NB["cell_sums"](f["y"].to_numpy(), f["w"].to_numpy(), f["on"].to_numpy(), f["opted"].to_numpy(), k)


@pytest.fixture(scope="module", params=[1, 2])
def f(request):
    weights = np.random.default_rng(request.param).dirichlet(np.full(14, 2.0))
    return users(request.param, 3000, 14, sizes=weights)


def test_cell_sums_are_a_groupby(f):
    n, s, q = tables(f, 14)
    kind = 2 * f["on"] + f["opted"]
    for (w, c), group in f.groupby(["w", kind]):
        y = group["y"]
        np.testing.assert_allclose([n[w, c], s[w, c], q[w, c]], [len(y), y.sum(), (y**2).sum()], rtol=1e-12)
    assert n.sum() == len(f)


def test_user_level_is_ols(f):
    fit = sm.OLS(f["y"], sm.add_constant(f["on"] * 1.0)).fit()
    np.testing.assert_allclose(NB["user_level"](*tables(f, 14)), [fit.params["on"], fit.bse["on"]], rtol=1e-9)


def test_cluster_wls_is_wls_on_means(f):
    g = f.groupby("w").agg(y=("y", "mean"), on=("on", "first"), m=("y", "size"))
    fit = sm.WLS(g["y"], sm.add_constant(g["on"] * 1.0), weights=g["m"]).fit()
    n, s, _ = tables(f, 14)
    np.testing.assert_allclose(NB["cluster_wls"](n, s), [fit.params["on"], fit.bse["on"]], rtol=1e-9)


def test_two_exposures_is_cluster_robust_ols(f):
    x = sm.add_constant(f[["spill", "on"]] * 1.0)
    fit = sm.OLS(f["y"], x).fit(cov_type="cluster", cov_kwds={"groups": f["w"]})
    n, s, _ = tables(f, 14)
    estimate, se = NB["two_exposures"](n, s)
    np.testing.assert_allclose(estimate, fit.params[["spill", "on"]], rtol=1e-9)
    np.testing.assert_allclose(se, fit.bse[["spill", "on"]], rtol=1e-9)


def test_cluster_means_is_a_t_test_on_means(f):
    quiet = f[~f["opted"]].groupby("w").agg(y=("y", "mean"), on=("on", "first"))
    library = stats.ttest_ind(quiet["y"][quiet["on"]], quiet["y"][~quiet["on"]])
    n, s, _ = tables(f, 14)
    on = (n[:, 2] + n[:, 3]) > 0
    estimate, se = NB["cluster_means"](NB["workspace_means"](n, s), on)
    assert abs(estimate / se - library.statistic) < 1e-9
    assert abs(estimate - (quiet["y"][quiet["on"]].mean() - quiet["y"][~quiet["on"]].mean())) < 1e-10
    stacked = NB["cluster_means"](NB["workspace_means"](np.stack([n, n]), np.stack([s, 2 * s])), on)
    np.testing.assert_allclose(stacked, [[estimate, 2 * estimate], [se, 2 * se]], rtol=1e-10)


def test_adjusted_is_ols_with_a_covariate():
    rng = np.random.default_rng(4)
    y, pre, on = rng.normal(0, 1, (3, 17)), rng.normal(0, 1, (3, 17)), rng.permuted(np.arange(17) < 6)
    got = np.array(NB["adjusted"](y, pre, on))
    for row in range(3):
        fit = sm.OLS(y[row], sm.add_constant(np.column_stack([on, pre[row]]) * 1.0)).fit()
        np.testing.assert_allclose(got[:, row], [fit.params[1], fit.bse[1]], rtol=1e-9)


# ---- the cluster bootstrap: the article's loop, and the form that replaces it


def plain_bootstrap(minutes, workspace, treated, opted_in, draws, seed, k=50):
    """Copy the rows of the drawn workspaces, fit each of the four estimates anew; (3, draws): naive, direct, spillover.

    The fourth fit is the weighted regression on workspace means: its estimate is the naive one, which is asserted.
    """
    frame = pd.DataFrame({"y": minutes, "w": workspace, "on": treated * 1.0, "spill": (~treated & opted_in) * 1.0})
    ids, parts = pd.unique(frame["w"]), dict(list(frame.groupby("w")))
    rng, found = np.random.default_rng(seed), []
    for _ in range(draws):
        chosen = rng.choice(ids, size=len(ids), replace=True)
        new = pd.concat([parts[w].assign(place=i) for i, w in enumerate(chosen)], ignore_index=True)
        g = new.groupby("place").agg(y=("y", "mean"), on=("on", "first"), m=("y", "size"))
        naive = sm.OLS(new["y"], sm.add_constant(new["on"])).fit().params["on"]
        wls = sm.WLS(g["y"], sm.add_constant(g["on"]), weights=g["m"]).fit().params["on"]
        assert abs(naive - wls) < 1e-9
        groups = {"cov_type": "cluster", "cov_kwds": {"groups": new["place"]}}
        direct = sm.OLS(new["y"], sm.add_constant(new[["on", "spill"]])).fit(**groups).params["on"]
        spill = sm.OLS(new["y"], sm.add_constant(new[["on", "spill"]])).fit(**groups).params["spill"]
        found.append([naive, direct, spill])
    return np.array(found).T


def fast_bootstrap(minutes, workspace, treated, opted_in, draws, seed, k=50):
    n, s, _ = NB["cell_sums"](minutes, workspace, treated, opted_in, k)
    _, first = np.unique(workspace, return_index=True)
    order = workspace[np.sort(first)]
    return NB["bootstrap"](n, s, NB["resample_counts"](order, draws, np.random.default_rng(seed)))


def article_data(seed=42):
    d = simulate(seed, outcomes=False)
    rng, w, opted = np.random.default_rng(seed), d["workspace_id"], d["opt_in_agent_mode"] == 1
    base, noise = rng.normal(5, 0.3, 50), rng.normal(0, 0.3, len(w))
    minutes = base[w] + 0.8 * (w < 25) + 0.2 * ((w >= 25) & opted) + noise
    return {"minutes": minutes, "workspace": w, "treated": w < 25, "opted_in": opted}


def test_fast_bootstrap_is_the_plain_loop():
    d = article_data(9)
    got = fast_bootstrap(**d, draws=5, seed=3)
    np.testing.assert_allclose(got, plain_bootstrap(**d, draws=5, seed=3), atol=1e-9)
    assert got.shape == (3, 5) and np.ptp(got[1]) > 0.01


BENCHMARKS = [("05 cluster bootstrap, 500 resamples", plain_bootstrap, fast_bootstrap,
               {**article_data(), "draws": 500, "seed": 7}, 1e-9)]  # fmt: skip


# ---- tests by re-randomization and by sign vectors


@pytest.mark.parametrize("effect", [0.0, 0.4])
def test_wild_cluster_bootstrap_is_the_enumeration_of_sign_vectors(effect):
    """All 64 sign vectors, the restricted residuals flipped user by user, a cluster-robust fit each."""
    on = np.array([1, 0, 1, 1, 0, 0]) == 1
    f = users(12, 160, 6, effect=effect, spillover=0, on=on)
    restricted = f["y"] - f["y"].mean()
    x, found = sm.add_constant(f["on"] * 1.0), []
    for signs in itertools.product([1, -1], repeat=6):
        y = f["y"].mean() + restricted * np.array(signs)[f["w"]]
        found.append(abs(sm.OLS(y, x).fit(cov_type="cluster", cov_kwds={"groups": f["w"]}).tvalues["on"]))
    expected = np.mean(np.array(found) >= found[0] * (1 - 1e-9))
    signs = NB["sign_vectors"](6, 999, np.random.default_rng(0))
    assert signs.shape == (64, 6) and (signs[0] == 1).all()
    n, s, _ = tables(f, 6)
    assert NB["wild_cluster_test"](n.sum(1), s.sum(1), on, signs) == pytest.approx(expected, abs=1e-12)
    assert 2 / 64 < expected < 1


def test_randomization_test_is_the_enumeration_of_assignments():
    y = np.random.default_rng(5).normal(0, 1, (4, 8)) + np.arange(8) * -0.25
    rows = NB["assignments"](8, 999, np.random.default_rng(0))
    assert rows.shape == (70, 8) and len({tuple(row) for row in rows}) == 70
    for values, p in zip(y, NB["randomization_test"](y, rows), strict=True):
        halves = map(list, itertools.combinations(range(8), 4))
        gaps = [abs(values[half].mean() - np.delete(values, half).mean()) for half in halves]
        assert p == pytest.approx(np.mean(np.array(gaps) >= gaps[0] - 1e-9), abs=1e-12)
    library = stats.permutation_test((y[0, :4], y[0, 4:]), lambda a, b: abs(a.mean() - b.mean()), alternative="greater",
                                     permutation_type="independent", n_resamples=np.inf)  # fmt: skip
    assert NB["randomization_test"](y[0], rows) == pytest.approx(library.pvalue, abs=1e-12)


def test_sampled_assignments_and_signs():
    rows = NB["assignments"](20, 300, np.random.default_rng(1))
    assert rows.shape == (301, 20) and (rows.sum(axis=1) == 10).all() and rows[0, :10].all()
    assert np.abs(rows[1:].mean(axis=0) - 0.5).max() < 0.15
    signs = NB["sign_vectors"](20, 300, np.random.default_rng(1))
    assert signs.shape == (301, 20) and set(np.unique(signs)) == {-1, 1} and (signs[0] == 1).all()


def test_worst_dropped_is_the_greedy_loop():
    rng = np.random.default_rng(6)
    y, on = rng.normal(5, 0.3, (3, 12)), np.arange(12) < 6
    got = NB["worst_dropped"](y, on, 2)
    for row in range(3):
        left = list(range(12))
        for drop in range(3):
            a, b = y[row][[i for i in left if on[i]]], y[row][[i for i in left if not on[i]]]
            statistic = abs(stats.ttest_ind(a, b)[0])
            assert got[drop, row] == pytest.approx(statistic, rel=1e-9)
            tries = {}
            for i in left:
                rest = [j for j in left if j != i]
                a, b = y[row][[j for j in rest if on[j]]], y[row][[j for j in rest if not on[j]]]
                tries[i] = abs(stats.ttest_ind(a, b)[0])
            left.remove(max(tries, key=tries.get))


def test_exposure_contrasts_are_the_plain_formulas():
    rng = np.random.default_rng(8)
    y, on = rng.normal(5, 1, (2, 10)), np.arange(10) < 5
    partner = np.array([rng.permuted(on) for _ in range(2)]) * 1.0
    regression, ht, hajek, b = NB["exposure_contrasts"](y, on, partner)
    for row in range(2):
        fit = sm.OLS(y[row], sm.add_constant(np.column_stack([on, partner[row]]) * 1.0)).fit()
        assert regression[row] == pytest.approx(fit.params[1] + fit.params[2])
        assert b[row] == pytest.approx(fit.params[2])
        both, neither = on & (partner[row] == 1), ~on & (partner[row] == 0)
        p = np.mean([{0, 1} <= set(c) for c in itertools.combinations(range(10), 5)])  # of two given workspaces
        assert ht[row] == pytest.approx((y[row][both].sum() - y[row][neither].sum()) / p / 10)
        assert hajek[row] == pytest.approx(y[row][both].mean() - y[row][neither].mean())


def test_intracluster_correlation():
    """Equal sizes: the textbook mean squares of one-way analysis of variance; and the truth of another world."""
    rng = np.random.default_rng(2)
    k, m = 40, 30
    y = (rng.normal(0, 0.5, k)[:, None] + rng.normal(0, 1.0, (k, m))).ravel()
    workspace = np.repeat(np.arange(k), m)
    for arm in (workspace < 20, workspace >= 20):
        y[arm] -= y[arm].mean()
    groups = y.reshape(k, m)
    between = m * (groups.mean(axis=1) ** 2).sum() / (k - 2)
    within = groups.var(axis=1, ddof=1).mean()
    assert NB["intracluster"](y, workspace, k) == pytest.approx((between - within) / (between + (m - 1) * within))
    assert abs(NB["intracluster"](y, workspace, k) - 0.2) < 0.09


def test_power_is_what_simulation_finds():
    rng, k, effect = np.random.default_rng(3), 16, 0.4
    y = rng.normal(0, 0.30 * np.sqrt(1 + 1 / 1000), (20_000, k)) + effect * (np.arange(k) < k // 2)
    e, se = NB["cluster_means"](y, np.arange(k) < k // 2)
    found = (np.abs(e) > stats.t.ppf(0.975, k - 2) * se).mean()
    assert abs(found - NB["power"](k, effect, 0, 2)) < 4 * np.sqrt(0.25 / 20_000)


# ---- the drawn tables against users of the generator, and known truth


def test_drawn_experiments_have_the_law_of_the_generator():
    """Cell counts and sums against 60 datasets made user by user: means and spreads within Monte Carlo error."""
    made = []
    for seed in range(60):
        d = article_data(seed + 300)
        made.append(NB["cell_sums"](d["minutes"], d["workspace"], d["treated"], d["opted_in"]))
    made = np.array(made).swapaxes(0, 1)  # (3, 60, 50, 4)
    drawn = np.array(NB["draw_experiments"](np.random.default_rng(1), 2000))
    for measure in (lambda n, s, q: n[:, 30, 0], lambda n, s, q: n[..., 1].sum(-1), lambda n, s, q: s[..., 3].sum(-1),
                    lambda n, s, q: (q - s**2 / np.maximum(n, 1)).sum((-1, -2)),
                    lambda n, s, q: NB["user_level"](n, s, q)[0], lambda n, s, q: NB["user_level"](n, s, q)[1],
                    lambda n, s, q: NB["two_exposures"](n, s)[0][:, 0]):  # fmt: skip
        a, b = measure(*made), measure(*drawn)
        assert abs(a.mean() - b.mean()) < 4 * b.std() / np.sqrt(60)
        assert 0.65 < a.std(ddof=1) / b.std(ddof=1) < 1.45
    assert NB["OPT_IN"] == pytest.approx(generate(3, 50_000, World())["opt_in_agent_mode"].mean(), abs=0.008)


def test_unexposed_users_find_the_truth_and_the_naive_contrast_does_not():
    """Another world: 12 workspaces of 200, effect -0.4, spillover 0.9; intervals cover where they promise to."""
    n, s, q = NB["draw_experiments"](np.random.default_rng(5), 4000, k=12, effect=-0.4, spillover=0.9, users=200)
    e, se = NB["cluster_means"](NB["workspace_means"](n, s), np.arange(12) < 6)
    error = 1 / np.sqrt(4000)
    assert abs(e.mean() + 0.4) < 4 * e.std() * error
    assert abs(NB["inside"](e, se, stats.t.ppf(0.975, 10), -0.4) - 0.95) < 4 * 0.218 * error
    naive = NB["user_level"](n, s, q)[0]
    assert abs(naive.mean() - (-0.4 - 0.9 * NB["OPT_IN"])) < 4 * naive.std() * error
    assert abs(NB["two_exposures"](n, s)[0][:, 0].mean() - 0.9) < 0.01


def test_verdict():
    assert NB["verdict"](0.2008, 0.2164, 0.20) == "misses" and NB["verdict"](0.19, 0.21, 0.20) == "covers"


def test_no_effect_tests_keep_their_size():
    """A number of workspaces that the tutorial skips: within a few Monte Carlo errors of 5 % and of 95 %."""
    found = NB["study"](10, 1500, 300, np.random.default_rng(12))
    error = np.sqrt(0.05 * 0.95 / 1500)
    assert found["RI"] < 0.05 + 4 * error and found["wild"] < 0.05 + 5 * error
    assert abs(found["means, t(K-2)"] - 0.95) < 4 * error and found["CR1, z"] < 0.93


# ---- from the aggregates of a warehouse

QUERY = (run.ROOT / "05_cluster_randomization" / "aggregate.sql").read_text(encoding="utf-8")


def warehouse_logs():
    """A world the tutorial does not use: 17 workspaces with names, 6 of them treated, minutes of the generator."""
    world = World(n_workspaces=17, wave_1_workspaces=9, opt_in_rate=(0.1, 0.5, 0.8), session_opt_in=-1.0)
    logs = generate(seed=87, n_users=6000, world=world)
    chosen = np.random.default_rng(3).choice(17, 6, replace=False)
    treated = logs["workspace_id"].isin(chosen) * 1
    minutes = logs["session_minutes"] + 0.3 * treated + 0.1 * logs["workspace_id"] % 0.7
    names = "team " + logs["workspace_id"].astype(str)
    return logs.assign(treated=treated, minutes=minutes, workspace_id=names)


def aggregate(logs):
    with duckdb.connect() as warehouse:
        warehouse.register("logs", logs)
        return warehouse.sql(QUERY).df()
