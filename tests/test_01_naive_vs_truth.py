"""Notebook 01: estimators against libraries and loops, on worlds it does not use; its graph against the generator."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from generate_data import World, generate, simulate
from notebook_tools import definitions
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

NB = definitions("01_naive_vs_truth/naive_vs_truth_demo.py")
WORLD = World(opt_in_effect=0.12, wave_offset=-0.1, rollout_effect=0.09, confidence_slope=0.2, prompt_effect=-0.03)


@pytest.fixture(scope="module")
def d():
    return simulate(77, 30_000, WORLD, outcomes=False)


def test_difference_is_welch(d):
    y, treated = d["task_completed"], d["opt_in_agent_mode"] == 1
    gap, low, high = NB["difference"](y, treated)
    library = CompareMeans(DescrStatsW(y[treated]), DescrStatsW(y[~treated]))
    expected = library.zconfint_diff(alpha=2 * stats.norm.sf(1.96), usevar="unequal")
    np.testing.assert_allclose([low, high], expected, rtol=1e-10)
    assert abs(gap - (low + high) / 2) < 1e-12


def test_least_squares_is_hc1(d):
    y, x, z = d["task_completed"], d["query_confidence"], d["signup_week"] / 10
    b, se = NB["least_squares"](y, x, z)
    library = sm.OLS(y, sm.add_constant(np.column_stack([x, z]))).fit(cov_type="HC1")
    np.testing.assert_allclose(b, library.params, rtol=1e-9)
    np.testing.assert_allclose(se, library.bse, rtol=1e-9)


def test_two_groups_is_the_pooled_t_interval():
    rng = np.random.default_rng(1)
    a, b = rng.normal(1, 2, 11), rng.normal(0, 2, 8)
    interval = stats.ttest_ind(a, b).confidence_interval()
    np.testing.assert_allclose(NB["two_groups"](a, b), [a.mean() - b.mean(), interval.low, interval.high], rtol=1e-12)


def test_within_tiers_is_the_saturated_regression(d):
    """ATE of a regression of the outcome on opt-in, fully interacted with tier; HC0 and plug-in shares."""
    frame = pd.DataFrame({name: d[name] for name in ("task_completed", "opt_in_agent_mode", "tier")})
    fit = smf.ols("task_completed ~ C(tier) + C(tier):opt_in_agent_mode - 1", frame).fit(cov_type="HC2")
    share = frame["tier"].value_counts(normalize=True).sort_index()
    gradient = np.concatenate([np.zeros(3), share])
    expected = gradient @ fit.params
    se = np.sqrt(gradient @ fit.cov_params() @ gradient)
    estimate, low, high = NB["within_tiers"](d)
    assert abs(estimate - expected) < 1e-10 and abs((high - low) / 3.92 - se) < 1e-10


def test_at_threshold_is_the_local_linear_fit(d):
    frame = pd.DataFrame({name: d[name] for name in ("task_completed", "query_confidence")})
    frame["c"] = frame["query_confidence"] - 0.85
    frame["below"] = (frame["c"] < 0) * 1.0
    fit = smf.ols("task_completed ~ below * c", frame[frame["c"].abs() < 0.07]).fit(cov_type="HC1")
    estimate, low, high = NB["at_threshold"](d, bandwidth=0.07)
    assert abs(estimate - fit.params["below"]) < 1e-9 and abs((high - low) / 3.92 - fit.bse["below"]) < 1e-9


def test_change_against_change_is_did_on_workspaces(d):
    frame = pd.DataFrame({name: d[name] for name in ("task_completed", "workspace_id", "signup_week")})
    frame = frame[frame["signup_week"] < 30].assign(after=lambda f: f["signup_week"] >= 20)
    cells = frame.groupby(["workspace_id", "after"])["task_completed"].mean().unstack()
    change = cells[True] - cells[False]
    fit = sm.OLS(change.to_numpy(), sm.add_constant((change.index < 25) * 1.0)).fit()
    expected = [fit.params[1], *fit.conf_int()[1]]
    np.testing.assert_allclose(NB["change_against_change"](d), expected, rtol=1e-9)


def test_unexposed_workspaces_is_a_t_test_on_means(d):
    minutes, treated, exposed = NB["summarizer_minutes"](d, 5, spillover=0.7)
    frame = pd.DataFrame({"minutes": minutes, "workspace": d["workspace_id"]})[~exposed]
    means = frame.groupby("workspace")["minutes"].mean().to_numpy()
    interval = stats.ttest_ind(means[:25], means[25:]).confidence_interval()
    got = NB["unexposed_workspaces"](minutes, exposed, d["workspace_id"])
    np.testing.assert_allclose(got, [means[:25].mean() - means[25:].mean(), interval.low, interval.high], rtol=1e-10)
    assert not (treated & exposed).any() and (treated == (d["workspace_id"] < 25)).all()


def test_with_carryover_is_ols(d):
    rate, on, lag = NB["routing_slots"](d, 9, carryover=0.05)
    fit = sm.OLS(rate, sm.add_constant(np.column_stack([on, lag]))).fit(cov_type="HC1", use_t=True)
    np.testing.assert_allclose(NB["with_carryover"](rate, on, lag), [fit.params[1], *fit.conf_int()[1]], rtol=1e-9)
    assert on.sum() == 24 and lag[0] == 0 and (lag[1:] == on[:-1]).all()


def test_design_based_estimates_find_the_truth_where_the_tutorial_did_not_look():
    """Means over 60 datasets of another world, within 4 Monte Carlo errors of its constants."""
    truth = [-0.03, 0.12, 0.06, 0.09, 0.09, 0.80, 0.060]
    found = []
    for seed in range(900, 960):
        found.append(NB["design_based"](simulate(seed, 20_000, WORLD, outcomes=False), seed, spillover=0.4))
    found = np.array(found)[..., 0]
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert np.all(np.abs(found.mean(axis=0) - truth) < np.maximum(4 * error, 1e-12)), found.mean(axis=0) - truth


# ---- the study of section 9, and the plain loop it replaces


def fast_study(seeds):
    return np.array([NB["naive_numbers"](simulate(s, outcomes=False), s)[:5] for s in seeds])[..., 0]


def plain_study(seeds):
    """The same five naive numbers, each a regression on a DataFrame."""
    found = []
    for seed in seeds:
        logs = generate(seed)
        early = logs[(logs["wave"] == 1) & (logs["signup_week"] < 30)].assign(x=lambda f: (f["signup_week"] >= 20) * 1)
        pairs = [(logs, logs["prompt_variant"]), (logs, logs["opt_in_agent_mode"]), (logs, logs["routed_to_premium"]),
                 (early, early["x"]), (logs, (logs["wave"] == 1) * 1)]  # fmt: skip
        fits = [sm.OLS(f["task_completed"], sm.add_constant(x)).fit(cov_type="HC2") for f, x in pairs]
        found.append([fit.params.iloc[1] for fit in fits])
    return np.array(found)


def test_fast_study_is_the_plain_loop():
    np.testing.assert_allclose(fast_study(range(2)), plain_study(range(2)), atol=1e-10)


BENCHMARKS = [("01 naive numbers on 20 fresh datasets", plain_study, fast_study, {"seeds": range(20)}, 1e-10)]


# ---- the exercises: what they call right is right for a reader's own seeds too, not only for those of the solutions


def test_exercise_1_turns_the_sign():
    for seed in range(2, 14):
        d = simulate(seed, world=World(opt_in_rate=(0.65, 0.35, 0.12)), outcomes=False)
        naive, within = NB["difference"](d["task_completed"], d["opt_in_agent_mode"] == 1)[0], NB["within_tiers"](d)[0]
        assert -0.05 < naive < -0.005 and abs(within - 0.08) < 0.02, seed


def test_exercises_2_and_3_over_twenty_other_seeds():
    hidden, ratios = World(hidden_opt_in=0.20, hidden_effect=0.10), []
    biased = [NB["within_tiers"](simulate(s, world=hidden, outcomes=False))[0] for s in range(101, 121)]
    for seed in range(101, 121):
        d = simulate(seed)
        on, cost = d["opt_in_agent_mode"] == 1, NB["within_tiers"](d, outcome="cost_usd")[0]
        naive_cost, naive_effect = (NB["difference"](d[y], on)[0] for y in ("cost_usd", "task_completed"))
        assert abs(cost - 0.019) < 0.0005 and naive_cost > cost and naive_cost / naive_effect < 0.12, seed
        ratios.append(cost / NB["within_tiers"](d)[0])
    assert 0.095 < np.mean(biased) < 0.110
    assert min(ratios) > 0.18 and 0.22 < np.mean(ratios) < 0.26 and 0.01 < np.std(ratios, ddof=1) < 0.03


# ---- the causal graph


GOVERNS = {  # constant of the world: the arrows through which, and only through which, it acts
    "opt_in_rate": {("engagement_tier", "opt_in_agent_mode")}, "base_rate": {("engagement_tier", "task_completed")},
    "opt_in_effect": {("opt_in_agent_mode", "task_completed")},
    "premium_cutoff": {("query_confidence", "routed_to_premium")},
    "premium_effect": {("routed_to_premium", "task_completed")}, "wave_1_workspaces": {("workspace_id", "wave")},
    "wave_offset": {("wave", "task_completed")},
    "treatment_week": {("wave", "treated_post"), ("signup_week", "treated_post")},
    "shock_sd": {("signup_week", "task_completed")}, "shock_ar": {("signup_week", "task_completed")},
    "rollout_effect": {("treated_post", "task_completed")}, "prompt_effect": {("prompt_variant", "task_completed")},
}  # fmt: skip
OTHERS = {"tier_share", "n_workspaces", "n_weeks", "confidence_a", "confidence_b", "noise_sd", "p_limits"}  # no arrow


def descendants(node, edges):
    below = {head for tail, head in edges if tail == node}
    return below.union(*(descendants(head, edges) for head in below))


def test_every_arrow_is_a_constant_of_the_generator_and_every_constant_an_arrow():
    edges = set(NB["EDGES"])
    assert edges == set.union(*GOVERNS.values()) and len(NB["EDGES"]) == len(edges)
    nodes = {node for edge in edges for node in edge}
    assert nodes == set(NB["PLACE"])
    plain = generate(1, 20_000)
    for field in dataclasses.fields(World):
        if field.name == "seasonal_jump":
            break  # the broken assumptions begin: no part of this graph
        value = np.asarray(field.default)
        other = World(**{field.name: tuple(value * 0.9) if value.ndim else type(field.default)(value * 1.12 + 1e-3)}
                      if field.name not in ("tier_share", "treatment_week", "wave_1_workspaces")
                      else {field.name: {"tier_share": (0.5, 0.3, 0.2), "treatment_week": (18, 33),
                                         "wave_1_workspaces": 20}[field.name]})  # fmt: skip
        rows = generate(1, 20_000, other)
        changed = {node for node in nodes if not rows[node].equals(plain[node])}
        if field.name in GOVERNS:
            heads = {head for _, head in GOVERNS[field.name]}
            assert heads <= changed, field.name
            assert changed <= heads.union(*(descendants(head, edges) for head in heads)), field.name
        else:
            assert not changed or field.name in OTHERS, f"{field.name} acts through an arrow that is not drawn"
