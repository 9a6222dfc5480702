"""Notebook 05: its own simulations. Drawn worlds against the generator, broken worlds against what they are said to be.

The estimators are those of clusters.py (test_05_clusters.py); the sentences are held by tests/claims/05.py.
"""

import ast
import itertools

import clusters
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from generate_data import World, generate, simulate
from notebook_tools import namespace
from scipy import stats

import run

NOTEBOOK = run.ROOT / "05_cluster_randomization" / "cluster_randomization_demo.ipynb"


def functions():
    """The functions of the tutorial, with its imports and the constants of its cell of parameters."""
    tree, keep = ast.parse(NOTEBOOK.with_suffix(".py").read_text(encoding="utf-8")), []
    for node in tree.body:
        names = [name.id for target in getattr(node, "targets", []) for name in ast.walk(target) if hasattr(name, "id")]
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef)) or names and all(map(str.isupper, names)):
            keep.append(node)
    space = {}
    exec(compile(ast.Module(keep, []), str(NOTEBOOK), "exec"), space)
    return space


NB = functions()
K, EFFECT, SPILLOVER, OPT_IN = (NB[name] for name in ("K", "EFFECT", "SPILLOVER", "OPT_IN"))


def article_data(seed=42):
    """Users of the constructed experiment: minutes, workspace, treated, opted_in, each (n,)."""
    d = simulate(seed, outcomes=False)
    rng, w, opted = np.random.default_rng(seed), d["workspace_id"], d["opt_in_agent_mode"] == 1
    base, noise = rng.normal(5, 0.3, 50), rng.normal(0, 0.3, len(w))
    minutes = base[w] + 0.8 * (w < 25) + 0.2 * ((w >= 25) & opted) + noise
    return {"minutes": minutes, "workspace": w, "treated": w < 25, "opted_in": opted}


# ---- on rows: what the notebook writes out by hand


def test_over_workspaces_is_least_squares_on_means():
    rng = np.random.default_rng(3)
    w = rng.integers(0, 13, 900)
    rows = pd.DataFrame({"workspace_id": w, "treated": (w < 4) * 1, "minutes": rng.gamma(3, 1, 900) + w % 5})
    means = rows.groupby("workspace_id").mean()
    fit = sm.OLS(means["minutes"], sm.add_constant(means["treated"] * 1.0)).fit()
    expected = fit.params["treated"], fit.bse["treated"], *fit.conf_int().loc["treated"]
    np.testing.assert_allclose(NB["over_workspaces"](rows), expected, rtol=1e-10)


def test_the_parts_of_the_error_are_those_of_any_data():
    """Leak, luck and noise, user by user, in a draw that the tutorial does not show; they add up to the error."""
    d = article_data(11)
    exposed = ~d["treated"] & d["opted_in"]
    rng = np.random.default_rng(11)
    base, noise = rng.normal(5, 0.3, 50), rng.normal(0, 0.3, len(exposed))
    gap = [v[d["treated"]].mean() - v[~d["treated"]].mean() for v in (0.2 * exposed, base[d["workspace"]], noise)]
    y = d["minutes"]
    assert sum(gap) == pytest.approx(y[d["treated"]].mean() - y[~d["treated"]].mean() - 0.8, abs=1e-12)
    assert gap[0] == pytest.approx(-0.2 * exposed.sum() / (~d["treated"]).sum(), abs=1e-12)


def test_lottery_and_coins_by_hand_are_the_tools():
    found = namespace(NOTEBOOK)
    y, on = found["result"].clusters.sort_values("treated"), np.arange(50) < 25
    y = np.concatenate([y.loc[y["treated"], "mean"], y.loc[~y["treated"], "mean"]])
    y = y - 0.60 * on
    lots = clusters.assignments(on, 40_000, np.random.default_rng(1))
    coins = clusters.wild_weights(50, 40_000, np.random.default_rng(2), "signs")
    error = np.sqrt(0.06 * 0.94 / 40_000)
    assert abs(found["p_lottery"] - clusters.randomization_test(y, lots)) < 5 * error
    assert abs(found["p_wild"] - clusters.wild_test(y, on, coins)) < 5 * error


# ---- the cluster bootstrap: the article's loop, and the form that replaces it


def plain_bootstrap(minutes, workspace, treated, opted_in, draws, seed):
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
        fit = sm.OLS(new["y"], sm.add_constant(new[["on", "spill"]])).fit()
        found.append([naive, fit.params["on"], fit.params["spill"]])
    return np.array(found).T


def fast_bootstrap(minutes, workspace, treated, opted_in, draws, seed):
    kind = 2 * treated + (~treated & opted_in)
    cells = pd.DataFrame({"y": minutes}).groupby([workspace, kind])["y"].agg(["size", "sum"]).unstack(fill_value=0)
    n, s = cells["size"].to_numpy(), cells["sum"].to_numpy()
    counts = clusters.resample_counts(pd.unique(workspace), draws, np.random.default_rng(seed))
    arms = [np.column_stack([table[:, :2].sum(axis=1), table[:, 2]]) for table in (n, s)]
    spill, direct = clusters.bootstrap(n, s, counts).T
    return np.stack([clusters.bootstrap(*arms, counts)[:, 0], direct, spill])


def test_fast_bootstrap_is_the_plain_loop():
    d = article_data(9)
    got = fast_bootstrap(**d, draws=5, seed=3)
    np.testing.assert_allclose(got, plain_bootstrap(**d, draws=5, seed=3), atol=1e-9)
    assert got.shape == (3, 5) and np.ptp(got[1]) > 0.01


BENCHMARKS = [("05 cluster bootstrap, 500 resamples", plain_bootstrap, fast_bootstrap,
               {**article_data(), "draws": 500, "seed": 7}, 1e-9)]  # fmt: skip


# ---- section 7: drawn tables against users of the generator


def test_drawn_experiments_have_the_law_of_the_generator():
    """Numbers and sums against 60 datasets made user by user: means and spreads within Monte Carlo error."""
    made = []
    for seed in range(60):
        d = article_data(seed + 300)
        cell = 2 * d["workspace"] + d["opted_in"]
        sums = (None, d["minutes"], d["minutes"] ** 2)
        made.append([np.bincount(cell, weight, minlength=100).reshape(50, 2) for weight in sums])
    n_made, s_made, q_made = np.array(made).swapaxes(0, 1)
    n, s, on = NB["draw"](np.random.default_rng(1))
    assert on.tolist() == 25 * [True] + 25 * [False] and n.shape == s.shape == (NB["N_DATASETS"], 50, 2)
    for measure in (lambda n, s: n[:, 30, 0], lambda n, s: n[..., 1].sum(-1), lambda n, s: s[:, :25, 1].sum(-1),
                    lambda n, s: s[:, 25:, 0].sum(-1), lambda n, s: (s / n)[:, :25, 0].std(-1),
                    lambda n, s: (s / n)[:, 25:, 1].mean(-1) - (s / n)[:, 25:, 0].mean(-1),
                    lambda n, s: (s / n)[:, :25, 1].mean(-1) - (s / n)[:, :25, 0].mean(-1),
                    lambda n, s: clusters.cluster_wls(n.sum(-1), s.sum(-1), np.arange(50) < 25).estimate,
                    lambda n, s: clusters.cluster_wls(n.sum(-1), s.sum(-1), np.arange(50) < 25).error):  # fmt: skip
        a, b = measure(n_made, s_made), measure(n, s)
        assert abs(a.mean() - b.mean()) < 4 * b.std() / np.sqrt(60)
        assert 0.65 < a.std(ddof=1) / b.std(ddof=1) < 1.45
    within = (q_made - s_made**2 / n_made).sum((1, 2)) / (n_made.sum((1, 2)) - 100)
    assert abs(within.mean() - 0.30**2) < 4 * within.std() / np.sqrt(60), "the study draws squares with this variance"
    assert OPT_IN == pytest.approx(generate(3, 50_000, World())["opt_in_agent_mode"].mean(), abs=0.008)


def test_the_study_at_sizes_that_the_tutorial_skips():
    """Ten workspaces: what holds, holds; what fails at 8, fails here; the exact test keeps its size."""
    found = NB["study"](10, np.random.default_rng(12)) | NB["false_alarms"](10, np.random.default_rng(13))
    error = np.sqrt(0.05 * 0.95 / NB["N_DATASETS"])
    for name in ("means, no agent mode", "spillover: within"):
        assert abs(found[name] - 0.95) < 4 * error
    assert found["CR1, normal"] < 0.92 and found["bootstrap"] < 0.92 and found["spillover: CR1, normal"] < 0.88
    assert found["spillover: CR1, normal"] < found["spillover: CR1, t"] < found["spillover: CR1, t, own factor"]
    assert found["counting users"] < 0.1 and found["false alarms, lottery"] < 0.05 + 4 * error
    assert found["false alarms, coins"] < 0.05 + 6 * error


def test_without_an_effect_nothing_is_found_and_with_one_it_is():
    n, s, on = NB["draw"](np.random.default_rng(5), k=12, effect=-0.4, spillover=0.9)
    fit = clusters.cluster_effect(s[..., 0] / n[..., 0], on)
    assert abs(fit.estimate.mean() + 0.4) < 4 * fit.estimate.std() / np.sqrt(len(n))
    spill = (s / n)[:, ~on, 1] - (s / n)[:, ~on, 0]
    assert abs(spill.mean() - 0.9) < 0.001
    assert abs((s / n)[:, on, 1].mean() - (s / n)[:, on, 0].mean()) < 0.001


def test_the_formula_for_counting_users_is_what_simulation_finds():
    """The coverage with 200 workspaces, users as if independent, in 1,500 fresh experiments."""
    rng, k, sims = np.random.default_rng(6), 200, 1500
    bias, luck = SPILLOVER * OPT_IN, rng.normal(0, 0.30 * np.sqrt(4 / k), sims)
    half = 1.96 * np.sqrt(4 / (1000 * k) * 2 * 0.30**2)
    held = np.mean(np.abs(luck - bias) < half)
    assert abs(held - namespace(NOTEBOOK)["users_alone"][200]) < 4 * np.sqrt(0.03 * 0.97 / sims)


# ---- section 8: the broken worlds


def test_few_treated_by_a_plain_loop():
    """Three of fifty treated, world by world: CR1 and Student's t from statsmodels, 600 experiments."""
    for world, (cr1, pooled) in {"same effect": (0.783, 0.947), "effects differ": (0.760, 0.671)}.items():
        rng, held = np.random.default_rng(7), []
        for _ in range(600):
            y = rng.normal(0, 0.30, 50)
            on = np.arange(50) < 3
            y[on] += EFFECT + (rng.normal(0, 0.60, 3) if world == "effects differ" else 0)
            fit = sm.OLS(y, sm.add_constant(on * 1.0)).fit()
            robust = fit.get_robustcov_results("cluster", groups=np.arange(50), use_t=False)
            held.append([a <= EFFECT <= b for a, b in (robust.conf_int()[1], fit.conf_int()[1])])
        np.testing.assert_allclose(np.mean(held, axis=0), (cr1, pooled), atol=4 * np.sqrt(0.2 / 600))
    again = NB["few_treated"](3, "effects differ", np.random.default_rng(8))
    np.testing.assert_allclose(again, (0.760, 0.671, 0.944), atol=0.025)


def test_partners_are_pairs():
    found = namespace(NOTEBOOK)
    partner, order = found["partner"], found["order"]
    rows = np.arange(len(partner))[:, None]
    assert (partner != np.arange(50)).all() and (partner[rows, partner] == np.arange(50)).all()
    assert (partner[rows, order[:, ::2]] == order[:, 1::2]).all()
    on = np.arange(50) < 25
    shares = on[partner][:, on].mean(), on[partner][:, ~on].mean()
    np.testing.assert_allclose(shares, (24 / 49, 25 / 49), atol=4 * 0.5 / np.sqrt(25 * len(partner)))
    pairs = list(itertools.combinations(range(50), 2))
    both = np.mean([on[a] and on[b] for a, b in pairs])  # a random pair has both treated
    assert (on & on[partner]).mean() * 1.0 == pytest.approx(both, abs=4 * 0.1 / np.sqrt(len(partner)))
    assert both == pytest.approx(25 * 24 / (50 * 49))


@pytest.mark.parametrize("r", [0, 0.5, 0.9])
def test_pairs_scatter_as_their_correlation_says(r):
    expected = 0.30 * np.sqrt((1 + r) / 2 * (1 / 12 + 1 / 13))
    spread = namespace(NOTEBOOK)["partners"].loc[f"pairs drawn, r = {r}", "SD"]
    assert abs(spread / expected - 1) < 4 / np.sqrt(2 * NB["N_DATASETS"])


def test_dropping_is_the_greedy_loop():
    rng = np.random.default_rng(6)
    y, on = rng.normal(5, 0.3, (3, 12)), np.arange(12) < 6
    got = NB["dropping"](y, on, 2)
    for row in range(3):
        left = list(range(12))
        for drop in range(3):
            a, b = y[row][[i for i in left if on[i]]], y[row][[i for i in left if not on[i]]]
            assert got[drop, row] == pytest.approx(abs(stats.ttest_ind(a, b)[0]), rel=1e-9)
            tries = {}
            for i in left:
                rest = [j for j in left if j != i]
                a, b = y[row][[j for j in rest if on[j]]], y[row][[j for j in rest if not on[j]]]
                tries[i] = abs(stats.ttest_ind(a, b)[0])
            left.remove(max(tries, key=tries.get))


def test_selection_is_as_strong_as_it_is_said_to_be():
    """Keenness in equal parts of level and chance; reliability 0.9; the bias by an independent, larger simulation."""
    rng, sims = np.random.default_rng(9), 20_000
    level = rng.normal(0, 0.30, (sims, 50))
    keen = level / 0.30 + rng.normal(0, 1, level.shape)
    chosen = keen >= np.sort(keen, axis=1)[:, 25:26]
    bias = (level * chosen).sum(1) / 25 - (level * ~chosen).sum(1) / 25
    measured = level + rng.normal(0, 0.10, level.shape)
    assert np.corrcoef(level[:, 0], measured[:, 0])[0, 1] ** 2 == pytest.approx(0.9, abs=0.01)
    selected = namespace(NOTEBOOK)["selected"][1]
    assert abs(selected.loc["difference", "mean"] - EFFECT - bias.mean()) < 0.005


def test_sizes_and_growing_effects():
    """Sizes even on a log scale from 50 to 5,000; a typical user gains what the two integrals say."""
    sizes = namespace(NOTEBOOK)["sizes"]
    assert stats.kstest(np.log(sizes).ravel(), stats.uniform(np.log(50), np.log(100)).cdf).pvalue > 0.001
    m = np.exp(np.linspace(np.log(50), np.log(5000), 200_001))
    gain = EFFECT + 0.18 * np.log(m / 500)
    assert gain.mean() == pytest.approx(namespace(NOTEBOOK)["once"], abs=0.006)
    typical_user = (gain * m).sum() / m.sum()  # the estimate is a ratio, so a little below with 25 workspaces
    assert typical_user - 0.02 < namespace(NOTEBOOK)["by_user"] < typical_user
