"""Notebook 04: estimators against libraries and plain loops, on worlds it does not use."""

import duckdb
import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from generate_data import World, generate, simulate
from notebook_tools import definitions
from pysyncon import AugSynth, Dataprep, Synth
from scipy import stats

import run

NB = definitions("04_synthetic_control/synthetic_control_demo.py")
WORLD = World(wave_offset=-0.06, rollout_effect=0.08, shock_sd=0.03)
START, WEEKS, WAVE_1 = 20, 30, 25


@pytest.fixture(scope="module")
def d():
    return simulate(77, 30_000, WORLD, outcomes=False)


@pytest.fixture(scope="module")
def panel(d):
    return NB["panel_of"](NB["user_cells"](d))


def pandas_panel(frame):
    """The article's panel: means by week and workspace, interpolated, filled forward and backward."""
    early = frame[frame["signup_week"] < WEEKS]
    table = early.pivot_table(index="signup_week", columns="workspace_id", values="task_completed", aggfunc="mean")
    return table.interpolate("linear").ffill().bfill().to_numpy()


def random_problem(seed, weeks=12, donors=9):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, weeks), rng.normal(0.3, 1, (weeks, donors))


# ---- panel and weights


@pytest.mark.parametrize("n_users", [30_000, 6_000])  # the smaller one has empty cells
def test_panel_is_the_pandas_one(n_users):
    d = simulate(5, n_users, WORLD, outcomes=False)
    frame = pd.DataFrame({name: d[name] for name in ("signup_week", "workspace_id", "task_completed")})
    got = NB["panel_of"](NB["user_cells"](d))
    assert frame[frame["signup_week"] < WEEKS].groupby(["signup_week", "workspace_id"]).ngroups < 1500 or n_users > 6000
    np.testing.assert_allclose(got, pandas_panel(frame), atol=1e-12)


def test_rates_of_many_panels_are_those_of_each():
    rng = np.random.default_rng(3)
    users = rng.poisson(3, (4, WEEKS, 50))
    done = rng.binomial(users, 0.6)
    together = NB["rates"](done, users)
    assert (users == 0).any() and np.isfinite(together).all()
    for number in range(4):
        frame = pd.DataFrame(done[number] / np.where(users[number], users[number], np.nan))
        np.testing.assert_allclose(together[number], frame.interpolate("linear").ffill().bfill(), atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_weights_satisfy_the_conditions_of_optimality(seed):
    """KKT: on the simplex; the gradient is equal where the weight is positive, and not smaller where it is zero."""
    y, D = random_problem(seed)
    w = NB["simplex_weights"](y, D)
    gradient = D.T @ (D @ w - y)
    assert abs(w.sum() - 1) < 1e-12 and w.min() >= 0
    level = gradient @ w
    assert np.all(gradient > level - 1e-9) and np.all(np.abs(gradient[w > 1e-9] - level) < 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_weights_are_those_of_slsqp(seed):
    y, D = random_problem(seed)
    np.testing.assert_allclose(NB["simplex_weights"](y, D), NB["slsqp_weights"](y, D), atol=2e-5)  # SLSQP's own error


def test_slsqp_gives_the_gap_of_the_exact_solver(panel):
    y, D = NB["sides"](panel)
    gaps, w = NB["synthetic_control"](panel)
    loose = NB["slsqp_weights"](y[:START], D[:START])
    assert abs(gaps[START:].mean() - (y - D @ loose)[START:].mean()) < 2e-5
    assert np.mean((y - D @ w)[:START] ** 2) <= np.mean((y - D @ loose)[:START] ** 2) + 1e-12


def test_a_series_inside_the_hull_is_matched_exactly():
    _, D = random_problem(9, weeks=30)
    true = np.array([0.5, 0, 0, 0.3, 0, 0, 0.2, 0, 0])
    np.testing.assert_allclose(NB["simplex_weights"](D @ true, D), true, atol=1e-10)


# ---- pysyncon


def dataprep(panel, lags):
    y, D = NB["sides"](panel)
    wide = pd.DataFrame(np.column_stack([y, D]), columns=["treated", *(f"d{j:02}" for j in range(D.shape[1]))])
    return Dataprep(
        foo=wide.rename_axis("week").reset_index().melt("week", var_name="unit", value_name="rate"),
        predictors=["rate"], predictors_op="mean", dependent="rate", unit_variable="unit", time_variable="week",
        time_predictors_prior=range(1), special_predictors=[("rate", [t], "mean") for t in range(1, lags)],
        treatment_identifier="treated", controls_identifier=list(wide)[1:], time_optimize_ssr=range(START),
    ), wide  # fmt: skip


def test_synthetic_control_is_pysyncons(panel):
    prepared, wide = dataprep(panel, START)
    model = Synth()
    model.fit(prepared, custom_V=1e4 * wide[:START].var(axis=1).to_numpy())  # undoes its scaling of the weeks
    gaps, w = NB["synthetic_control"](panel)
    np.testing.assert_allclose(model.weights(round=12), w, atol=2e-3)  # SLSQP at its default tolerance
    assert abs(model.att(range(START, WEEKS))["att"] - gaps[START:].mean()) < 5e-4


@pytest.mark.parametrize("ridge", [0.01, 0.1, 1.0])
def test_augmented_sc_is_pysyncons(panel, ridge):
    prepared, wide = dataprep(panel, 1)
    model = AugSynth()
    model.fit(prepared, lambda_=ridge, use_covariates=False)
    gap = wide["treated"].to_numpy() - wide.iloc[:, 1:].to_numpy() @ np.asarray(model.W)
    assert abs(gap[START:].mean() - NB["augmented_sc"](panel, ridge=ridge)) < 1e-5


# ---- the estimators with an intercept


def test_did_and_its_interval_are_a_t_test_on_changes(panel):
    change = panel[START:].mean(axis=0) - panel[:START].mean(axis=0)
    library = stats.ttest_ind(change[:WAVE_1], change[WAVE_1:])
    interval = library.confidence_interval()
    estimate, se, low, high = NB["did_interval"](panel)
    np.testing.assert_allclose([low, high], interval, rtol=1e-10)
    assert abs(estimate / se - library.statistic) < 1e-10 and abs(NB["did"](panel) - estimate) < 1e-14


def test_did_is_two_way_fixed_effects_with_clustered_errors(panel):
    """statsmodels on the panel; its CR1 error differs from the t-test's by known degrees of freedom only."""
    frame = pd.DataFrame(panel).rename_axis("week").reset_index().melt("week", var_name="unit", value_name="rate")
    frame["treated"] = ((frame["unit"].astype(int) < WAVE_1) & (frame["week"] >= START)) * 1
    fit = smf.ols("rate ~ C(unit) + C(week) + treated", frame).fit(
        cov_type="cluster", cov_kwds={"groups": frame["unit"].astype(int)})  # fmt: skip
    estimate, se, _, _ = NB["did_interval"](panel)
    n, k, groups = len(frame), 50 + 29 + 1, 50
    correction = (groups / (groups - 1) * (n - 1) / (n - k)) ** 0.5
    assert abs(fit.params["treated"] - estimate) < 1e-10
    assert abs(fit.bse["treated"] / correction - se * (48 / 50) ** 0.5) < 1e-9


def test_did_ignores_levels_and_seasons_and_demeaned_sc_too(panel):
    rng = np.random.default_rng(8)
    levels = panel + rng.normal(0, 1, 50)
    moved = levels + rng.normal(0, 0.5, (WEEKS, 1))
    for name in ("did", "demeaned_sc"):
        assert abs(NB[name](moved) - NB[name](panel)) < 1e-9, name
    assert abs(NB["sdid"](levels) - NB["sdid"](panel)) < 1e-9  # its penalty is measured on raw weekly changes
    assert abs(NB["sc"](moved) - NB["sc"](panel)) > 1e-3


def test_demeaned_sc_is_a_regression_with_an_intercept(panel):
    """Minimised over weights and intercept by a general-purpose optimiser."""
    from scipy.optimize import minimize

    y, D = NB["sides"](panel)
    fit = minimize(lambda v: np.mean((y[:START] - v[0] - D[:START] @ v[1:]) ** 2), np.r_[0, np.full(25, 1 / 25)],
                   method="SLSQP", bounds=[(None, None)] + [(0, 1)] * 25, options={"ftol": 1e-14, "maxiter": 5000},
                   constraints={"type": "eq", "fun": lambda v: v[1:].sum() - 1})  # fmt: skip
    expected = (y - fit.x[0] - D @ fit.x[1:])[START:].mean()
    assert abs(NB["demeaned_sc"](panel) - expected) < 2e-5


def test_sdid_is_the_weighted_two_way_regression(panel):
    """Equation 1 of Arkhangelsky et al.: weighted least squares with unit and week effects."""
    y, D = NB["sides"](panel)
    donor, weeks = NB["sdid_weights"](y, D, WAVE_1)
    unit_weight = np.append(np.full(WAVE_1, 1 / WAVE_1), donor)
    week_weight = np.append(weeks, np.full(WEEKS - START, 1 / (WEEKS - START)))
    unit, week = np.meshgrid(np.arange(50), np.arange(WEEKS))
    frame = pd.DataFrame({"unit": unit.ravel(), "week": week.ravel(), "rate": panel.ravel()})
    frame["weight"] = np.outer(week_weight, unit_weight).ravel() + 1e-14
    frame["treated"] = ((frame["unit"] < WAVE_1) & (frame["week"] >= START)) * 1
    fit = smf.wls("rate ~ C(unit) + C(week) + treated", frame, weights=frame["weight"]).fit()
    assert abs(fit.params["treated"] - NB["sdid"](panel)) < 1e-6


def test_sdid_weights_minimise_their_objectives(panel):
    """Against SLSQP on the paper's equations 4 and 6, with their intercepts."""
    from scipy.optimize import minimize

    y, D = NB["sides"](panel)
    donor, weeks = NB["sdid_weights"](y, D, WAVE_1)
    zeta = (WAVE_1 * (WEEKS - START)) ** 0.25 * np.diff(D[:START], axis=0).std(ddof=1)

    def unit_loss(v):
        return np.sum((v[0] + D[:START] @ v[1:] - y[:START]) ** 2) + zeta**2 * START * np.sum(v[1:] ** 2)

    def week_loss(v):
        return np.sum((v[0] + D[:START].T @ v[1:] - D[START:].mean(axis=0)) ** 2)

    for loss, weights in ((unit_loss, donor), (week_loss, weeks)):
        n = len(weights)
        fit = minimize(loss, np.r_[0, np.full(n, 1 / n)], method="SLSQP", bounds=[(None, None)] + [(0, 1)] * n,
                       options={"ftol": 1e-14, "maxiter": 5000},
                       constraints={"type": "eq", "fun": lambda v: v[1:].sum() - 1})  # fmt: skip
        intercept = minimize(lambda b, weights=weights, loss=loss: loss(np.r_[b, weights]), 0.0).x
        assert loss(np.r_[intercept, weights]) <= fit.fun * (1 + 1e-4)
        np.testing.assert_allclose(weights, fit.x[1:], atol=5e-3)


def test_jackknife_is_the_plain_one(panel):
    y, D = NB["sides"](panel)
    donor, weeks = NB["sdid_weights"](y, D, WAVE_1)
    left_out = []
    for unit in range(50):
        if unit < WAVE_1:
            treated, blend = np.delete(panel[:, :WAVE_1], unit, axis=1).mean(axis=1), D @ donor
        else:
            kept = np.delete(donor, unit - WAVE_1)
            treated, blend = y, np.delete(D, unit - WAVE_1, axis=1) @ (kept / kept.sum())
        gaps = treated - blend
        left_out.append(gaps[START:].mean() - weeks @ gaps[:START])
    expected = np.sqrt(49 / 50 * np.sum((left_out - np.mean(left_out)) ** 2))
    assert abs(NB["sdid_jackknife"](panel) - expected) < 1e-12


def test_sdid_bootstrap_is_the_plain_one(panel):
    """The same resamples of workspaces, one at a time from a DataFrame."""
    got = NB["sdid_bootstrap"](panel, np.random.default_rng(4), 5)
    rng, table, found = np.random.default_rng(4), pd.DataFrame(panel), []
    for _ in range(5):
        units = rng.integers(0, 50, 50)
        sample = table[units].to_numpy()
        treated = units < WAVE_1
        y, D = sample[:, treated].mean(axis=1), sample[:, ~treated]
        donor, weeks = NB["sdid_weights"](y, D, treated.sum())
        found.append((y - D @ donor)[START:].mean() - weeks @ (y - D @ donor)[:START])
    assert abs(got - np.std(found, ddof=1)) < 1e-12


def test_permutation_p_is_the_plain_loop(panel):
    rng = np.random.default_rng(6)
    plays = np.argsort(rng.random((200, 50)), axis=1) < WAVE_1
    change = panel[START:].mean(axis=0) - panel[:START].mean(axis=0)
    small = panel.copy()
    small[START:, :WAVE_1] -= NB["did"](panel) * 0.7  # a small effect, so that p is not at its floor
    for one in (panel, small):
        change = one[START:].mean(axis=0) - one[:START].mean(axis=0)
        observed = abs(change[:WAVE_1].mean() - change[WAVE_1:].mean())
        hits = sum(abs(change[p].mean() - change[~p].mean()) >= observed - 1e-12 for p in plays)
        assert abs(NB["permutation_p"](one, np.random.default_rng(6), 200) - (1 + hits) / 201) < 1e-12
    assert hits > 0


def test_conformal_p_is_the_plain_loop_and_finds_the_effect(panel):
    y, D = NB["sides"](panel)
    for effect in (-0.05, 0.08, 0.3):
        null = y.copy()
        null[START:] -= effect
        centred = D - D.mean(axis=0)
        u = (null - null.mean()) - centred @ NB["slsqp_weights"](null - null.mean(), centred)
        sums = [abs(sum(u[(t - s) % WEEKS] for t in range(START, WEEKS))) for s in range(WEEKS)]
        # the solver's error may move a near-tie by one place
        assert abs(NB["conformal_p"](panel, effect) - np.mean(np.array(sums) >= sums[0] - 1e-9)) < 1.5 / WEEKS
    assert NB["conformal_p"](panel, 0.3) <= 1 / WEEKS + 1e-12 < NB["conformal_p"](panel, 0.08)


def test_event_study_averages_to_did(panel):
    weekly, se = NB["event_study"](panel)
    assert abs(weekly[START:].mean() - NB["did"](panel)) < 1e-12 and abs(weekly[:START].mean()) < 1e-12
    relative = panel[25] - panel[:START].mean(axis=0)
    library = stats.ttest_ind(relative[:WAVE_1], relative[WAVE_1:], equal_var=False)
    assert abs(weekly[25] / se[25] - library.statistic) < 1e-10


def test_leave_one_out_and_placebos_are_plain_loops(panel):
    y, D = NB["sides"](panel)
    without, placebo = NB["leave_one_out"](panel), NB["placebo_gaps"](D)
    for j in (0, 11, 24):
        others = D[:, [k for k in range(25) if k != j]]
        expected = (y - others @ NB["slsqp_weights"](y[:START], others[:START]))[START:].mean()
        assert abs(without[j] - expected) < 3e-5
        blend = others @ NB["slsqp_weights"](D[:START, j], others[:START])
        assert abs(placebo[START:, j].mean() - (D[:, j] - blend)[START:].mean()) < 1e-4


# ---- known truth, and the short cut to fresh panels


def test_estimators_find_what_the_algebra_says_where_the_tutorial_did_not_look():
    """Mean over 80 datasets of another world: effect + offset for weights alone, the effect with an intercept."""
    expected = {"sc": 0.02, "augmented_sc": 0.02, "demeaned_sc": 0.08, "sdid": 0.08, "did": 0.08}
    panels = [NB["panel_of"](NB["user_cells"](simulate(s, 30_000, WORLD, outcomes=False))) for s in range(900, 980)]
    for name, value in expected.items():
        found = np.array([NB[name](one) for one in panels])
        assert abs(found.mean() - value) < 4 * found.std(ddof=1) / len(found) ** 0.5, name


def test_drawn_panels_are_like_the_generators():
    """Cell sizes, rates and their spread over datasets, by week and wave, within 4.5 Monte Carlo errors."""
    done, size = NB["draw_panels"](np.random.default_rng(5), 300)
    drawn = NB["rates"](done, size)
    made = np.array([NB["panel_of"](NB["user_cells"](simulate(s, outcomes=False))) for s in range(700, 780)])
    assert abs(size.mean() - 50_000 / 2600) < 0.01
    for rows in (slice(0, START), slice(START, WEEKS)):
        for columns in (slice(0, WAVE_1), slice(WAVE_1, 50)):
            a, b = (x[:, rows, columns].mean(axis=(1, 2)) for x in (drawn, made))
            error = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
            assert abs(a.mean() - b.mean()) < 4.5 * error
            assert 0.7 < a.std(ddof=1) / b.std(ddof=1) < 1.45
            noise = [x[:, rows, columns].var(axis=2).mean() for x in (drawn, made)]
            assert abs(noise[0] / noise[1] - 1) < 0.04  # 4 Monte Carlo errors


def test_user_bootstrap_by_poisson_is_like_resampling_users():
    d = simulate(31, outcomes=False)
    cells = NB["user_cells"](d)
    count = np.bincount(cells, minlength=NB["CELLS"])[:-1].reshape(WEEKS, 50, 2)
    low, high = NB["user_bootstrap"](count[..., 1], count.sum(axis=-1), np.random.default_rng(1), 1500)
    expected = np.percentile(NB["bootstrap_gaps"](cells, 1500, 2), [2.5, 97.5])
    np.testing.assert_allclose([low, high], expected, atol=0.0045)  # 4 Monte Carlo errors of such a percentile


# ---- from a warehouse


def aggregated(frame):
    """The result of aggregate.sql on a DataFrame `frame` of users."""
    query = (run.ROOT / "04_synthetic_control" / "aggregate.sql").read_text(encoding="utf-8")
    with duckdb.connect() as warehouse:
        warehouse.register("logs", frame)
        return warehouse.sql(query).df()


def did_of_rows(frame):
    """Difference-in-differences and its standard error from users: pandas means, then the formula of a t-test."""
    panel = pandas_panel(frame)
    change = panel[START:].mean(axis=0) - panel[:START].mean(axis=0)
    ones, twos = change[:WAVE_1], change[WAVE_1:]
    variance = (24 * np.var(ones, ddof=1) + 24 * np.var(twos, ddof=1)) / 48
    return ones.mean() - twos.mean(), np.sqrt(variance * 2 / 25)


# ---- the bootstrap, and the plain loop it replaces


def article_gap(frame):
    """Mean gap of a DataFrame of users as the article computes it: pandas and SLSQP from scratch."""
    panel = pandas_panel(frame)
    y, D = panel[:, :WAVE_1].mean(axis=1), panel[:, WAVE_1:]
    return (y - D @ NB["slsqp_weights"](y[:START], D[:START]))[START:].mean()


def plain_bootstrap(B, seed):
    logs = generate()
    rng = np.random.default_rng(seed)
    return np.array([article_gap(logs.iloc[rng.integers(0, len(logs), size=len(logs))]) for _ in range(B)])


LOGS = {name: simulate(outcomes=False)[name] for name in ("signup_week", "workspace_id", "task_completed")}


def fast_bootstrap(B, seed):
    return NB["bootstrap_gaps"](NB["user_cells"](LOGS), B, seed)


def test_fast_bootstrap_is_the_plain_loop():
    np.testing.assert_allclose(fast_bootstrap(8, 7), plain_bootstrap(8, 7), atol=2e-5)  # SLSQP's own error


BENCHMARKS = [("04 user bootstrap, 500 refits", plain_bootstrap, fast_bootstrap, {"B": 500, "seed": 7}, 3e-5)]
