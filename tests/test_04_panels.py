"""The tool of notebook 04: right numbers against statsmodels, SciPy, other packages and brute force; refusals for awkward
logs."""

import itertools
import math
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import own_logs
import pandas as pd
import pytest
import statsmodels.formula.api as smf
import synthetic_control as sc
from own_logs import FATAL, UnfitLog
from pysyncon import AugSynth, Dataprep, Synth
from scipy import optimize, stats

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = {"outcome": "y", "unit": "u", "period": "t", "first_treated": "g"}
SALES = ROOT / "data" / "real" / "proposition99.csv"
SALES_COLUMNS = {"outcome": "packs", "unit": "state", "period": "year", "first_treated": "first_treated"}


def world(seed=0, units=20, treated=8, periods=16, launch=10, effect=1.0, rows=3, noise=0.3):
    """A log nobody has prepared: unit u, period t, first treated period g (None: never), outcome y, id i."""
    rng = np.random.default_rng(seed)
    u, t, _ = (a.ravel() for a in np.meshgrid(np.arange(units), np.arange(periods), np.arange(rows), indexing="ij"))
    level, season = rng.normal(size=units), rng.normal(size=periods)
    y = level[u] + season[t] + effect * ((u < treated) & (t >= launch)) + rng.normal(0, noise, len(u))
    return pd.DataFrame({"u": [f"unit {k}" for k in u], "t": t, "g": np.where(u < treated, float(launch), np.nan),
                         "y": y, "i": np.arange(len(u))})  # fmt: skip


def panel_of(Y, start, rows=None):
    """sc.Panel of a matrix (T, N) with nan for empty cells."""
    T, N = Y.shape
    n = np.where(np.isnan(Y), 0.0, 1.0 if rows is None else rows)
    return sc.Panel([f"unit {k}" for k in range(N)], list(range(T)), [str(t) for t in range(T)], n,
                    np.nan_to_num(Y) * n, np.asarray(start), np.zeros((T, N), bool))  # fmt: skip


def random_panel(seed, T=14, N=18, gaps=0.0):
    rng = np.random.default_rng(seed)
    Y = rng.normal(size=(T, N)) + rng.normal(size=N) + rng.normal(size=(T, 1))
    return np.where(rng.random((T, N)) < gaps, np.nan, Y)


def random_problem(seed, T=12, J=9):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, T), rng.normal(0.3, 1, (T, J))


def refused(log, match, columns=COLUMNS, **design):
    with pytest.raises(UnfitLog, match=match) as error:
        sc.analyse(log, columns, **design)
    assert len(str(error.value).splitlines()) == (error.value.problems["severity"] == FATAL).sum()
    return error.value


# ---- weights


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e7])
def test_weights_satisfy_the_conditions_of_optimality(seed, scale):
    """KKT: on the simplex; the gradient is equal where the weight is positive, and not smaller where it is nought."""
    y, D = random_problem(seed)
    w = sc.simplex_weights(scale * y, scale * D)
    gradient = D.T @ (D @ w - y)
    level = gradient @ w
    assert abs(w.sum() - 1) < 1e-12 and w.min() >= 0
    assert np.all(gradient > level - 1e-9) and np.all(np.abs(gradient[w > 1e-9] - level) < 1e-9)


def test_weights_are_those_of_a_fine_grid_on_the_simplex():
    y, D = random_problem(11, T=8, J=3)
    grid = np.array([(a, b, 200 - a - b) for a in range(201) for b in range(201 - a)]) / 200
    best = grid[np.argmin(np.sum((y - grid @ D.T) ** 2, axis=1))]
    assert np.abs(best - sc.simplex_weights(y, D)).max() < 0.005


def test_weights_are_cvxpys():
    """cvxpy 1.9.3 with Clarabel, tolerances 1e-13: Minimize(sum_squares(y - D @ w)), w >= 0, sum(w) == 1."""
    y, D = random_problem(0)
    expected = [0.02710484, 0, 0, 0, 0.41992584, 0.1061173, 0.44685202, 0, 0]
    np.testing.assert_allclose(sc.simplex_weights(y, D), expected, atol=1e-8)


def test_weights_of_many_problems_at_once():
    problems = [random_problem(seed) for seed in range(6)]
    y, D = (np.array([p[k] for p in problems]) for k in (0, 1))
    together = sc.simplex_weights(y.reshape(2, 3, 12), D.reshape(2, 3, 12, 9))
    for k, place in enumerate(np.ndindex(2, 3)):
        np.testing.assert_array_equal(together[place], sc.simplex_weights(y[k], D[k]))


def test_a_series_inside_the_hull_is_matched_exactly_and_constants_do_no_harm():
    _, D = random_problem(9, T=30)
    true = np.array([0.5, 0, 0, 0.3, 0, 0, 0.2, 0, 0])
    np.testing.assert_allclose(sc.simplex_weights(D @ true, D), true, atol=1e-10)
    w = sc.simplex_weights(np.ones(5), np.ones((5, 4)))
    assert abs(w.sum() - 1) < 1e-12 and w.min() >= 0
    with pytest.raises(ValueError, match="every value must be a finite number"):
        sc.simplex_weights(np.array([1, np.nan]), np.ones((2, 3)))


def dataprep(y, D, lags):
    wide = pd.DataFrame(np.column_stack([y, D]), columns=["treated", *(f"d{j:02}" for j in range(D.shape[1]))])
    return Dataprep(
        foo=wide.rename_axis("week").reset_index().melt("week", var_name="unit", value_name="rate"),
        predictors=["rate"], predictors_op="mean", dependent="rate", unit_variable="unit", time_variable="week",
        time_predictors_prior=range(1), special_predictors=[("rate", [t], "mean") for t in range(1, lags)],
        treatment_identifier="treated", controls_identifier=list(wide)[1:], time_optimize_ssr=range(8),
    ), wide  # fmt: skip


def test_synthetic_control_is_pysyncons():
    y, D = (0.6 + 0.1 * part for part in random_problem(3))  # rates: its optimiser stops early on larger numbers
    prepared, wide = dataprep(y, D, 8)
    model = Synth()
    model.fit(prepared, custom_V=1e4 * wide[:8].var(axis=1).to_numpy())  # undoes its scaling of the periods
    fit = sc.blend(y, D, 8, "sc")
    np.testing.assert_allclose(model.weights(round=12), fit.weights, atol=2e-3)  # SLSQP at its default tolerance
    assert abs(model.att(range(8, 12))["att"] - fit.estimate) < 5e-4


@pytest.mark.parametrize("ridge", [0.01, 1.0])
def test_augmented_weights_are_pysyncons(ridge):
    y, D = random_problem(4)
    prepared, _ = dataprep(y, D, 1)
    model = AugSynth()
    model.fit(prepared, lambda_=ridge, use_covariates=False)
    ours = sc.augmented_weights(y, D, 8, ridge)
    assert abs(((y - D @ np.asarray(model.W)) - (y - D @ ours))[8:].mean()) < 1e-5


def test_intercept_and_sdid_weights_minimise_their_objectives():
    """Against SLSQP on the papers' objectives, with their intercepts."""
    y, D = random_problem(6, T=16, J=7)
    start, n1 = 11, 3
    donors, periods = sc.sdid_weights(y, D, start, n1)
    zeta = (n1 * 5) ** 0.25 * np.diff(D[:start], axis=0).std(ddof=1)
    losses = {
        "shifted": (lambda v: np.sum((y[:start] - v[0] - D[:start] @ v[1:]) ** 2), sc.blend(y, D, start, "shifted").weights),
        "units": (lambda v: np.sum((v[0] + D[:start] @ v[1:] - y[:start]) ** 2) + zeta**2 * start * np.sum(v[1:] ** 2), donors),
        "periods": (lambda v: np.sum((v[0] + D[:start].T @ v[1:] - D[start:].mean(axis=0)) ** 2), periods),
    }  # fmt: skip
    for name, (loss, weights) in losses.items():
        n = len(weights)
        fit = optimize.minimize(loss, np.r_[0, np.full(n, 1 / n)], method="SLSQP", bounds=[(None, None)] + [(0, 1)] * n,
                                options={"ftol": 1e-14, "maxiter": 5000},
                                constraints={"type": "eq", "fun": lambda v: v[1:].sum() - 1})  # fmt: skip
        level = optimize.minimize_scalar(lambda b, weights=weights, loss=loss: loss(np.r_[b, weights])).fun
        assert level <= fit.fun * (1 + 1e-4) + 1e-9, name


def test_sdid_is_the_weighted_two_way_regression():
    """Equation 1 of Arkhangelsky et al.: weighted least squares with unit and period effects."""
    Y, treated, start = random_panel(2), np.arange(18) < 5, 9
    y, D = Y[:, treated].mean(axis=1), Y[:, ~treated]
    fit = sc.blend(y, D, start, "sdid", 5)
    weight = np.outer(np.append(fit.period_weights, np.full(5, 1 / 5)), np.append(np.full(5, 1 / 5), fit.weights)) + 1e-14
    frame = pd.DataFrame([(u, t, Y[t, u], weight[t, u], int(u < 5 and t >= start)) for t in range(14) for u in range(18)],
                         columns=["u", "t", "y", "w", "on"])  # fmt: skip
    library = smf.wls("y ~ C(u) + C(t) + on", frame, weights=frame["w"]).fit().params["on"]
    assert abs(library - fit.estimate) < 1e-6


def test_placebos_and_leave_one_out_are_plain_loops():
    y, D = random_problem(8, T=14, J=6)
    for method in sc.METHODS:
        left, gaps = sc.leave_one_out(y, D, 9, method, 2), sc.placebo_gaps(D, 9, method)
        for j in range(6):
            others = D[:, [k for k in range(6) if k != j]]
            assert abs(left[j] - sc.blend(y, others, 9, method, 2).estimate) < 1e-12
            assert abs(gaps[9:, j].mean() - sc.blend(D[:, j], others, 9, method).estimate) < 1e-12


def test_what_the_weights_leave_open_is_what_random_weights_of_the_same_fit_find():
    rng = np.random.default_rng(5)
    D, start = rng.normal(size=(6, 8)), 3
    y = D @ np.full(8, 1 / 8)
    fit = sc.blend(y, D, start, "sc")
    low, high = sc.weights_left_open(y, D, start, fit)
    assert low < fit.estimate + 1e-9 and fit.estimate < high + 1e-9 and high - low > 0.1
    base, null = np.full(8, 1 / 8), np.linalg.svd(np.vstack([D[:start], np.ones(8)]))[2][4:]
    found = []
    for step in rng.normal(size=(4000, 4)) @ null:
        reach = np.min(np.where(step < 0, -base / np.minimum(step, -1e-300), np.inf))
        found.append((y - D @ (base + reach * step))[start:].mean())
    assert low - 1e-9 <= min(found) < low + 0.25 * (high - low)
    assert high - 0.25 * (high - low) < max(found) <= high + 1e-9
    y, D = random_problem(1)  # more periods than donors: nothing is open
    assert np.ptp(sc.weights_left_open(y, D, 10, sc.blend(y, D, 10, "sc"))) < 1e-9


# ---- difference-in-differences on full panels


@pytest.mark.parametrize("n1", [4, 7, 14])
def test_did_interval_is_welchs(n1):
    Y, treated = random_panel(1), np.arange(18) < n1
    Y[:, treated] *= 3
    change = Y[9:].mean(axis=0) - Y[:9].mean(axis=0)
    library = stats.ttest_ind(change[treated], change[~treated], equal_var=False)
    estimate, error, lo, hi, df = sc.did_interval(Y, treated, 9)
    np.testing.assert_allclose([lo, hi], library.confidence_interval(), rtol=1e-10)
    np.testing.assert_allclose([estimate / error, df], [library.statistic, library.df], rtol=1e-10)
    np.testing.assert_allclose([estimate], sc.did(Y, treated, 9))


def test_one_treated_unit_has_the_interval_of_a_new_observation():
    Y, treated = random_panel(3), np.arange(18) < 1
    change = sc.changes(Y, 9)
    estimate, error, lo, hi, df = sc.did_interval(Y, treated, 9)
    expected = change[1:].std(ddof=1) * math.sqrt(1 + 1 / 17)
    np.testing.assert_allclose([error, df], [expected, 16])
    np.testing.assert_allclose(sc.did_interval(-Y, ~treated, 9)[:2], [estimate, error])  # likewise one control
    assert np.isnan(sc.did_interval(Y[:, :2], treated[:2], 9)[1:4]).all()


def test_two_units_that_look_alike_by_chance_are_not_trusted():
    """Welch's own degrees of freedom cover .87 with two units against forty (40,000 draws, error .002)."""
    rng = np.random.default_rng(1)
    for sd in (1.0, 3.0):
        panels = rng.normal(size=(40_000, 2, 42)) * np.where(np.arange(42) < 2, sd, 1.0)
        _, _, lo, hi, _ = sc.did_interval(panels, np.arange(42) < 2, 1)
        assert np.mean((lo <= 0) & (hi >= 0)) > 0.95


def test_panels_at_once_are_panels_one_by_one():
    panels, treated = np.array([random_panel(seed) for seed in range(6)]).reshape(2, 3, 14, 18), np.arange(18) < 6
    for function in (sc.did, sc.did_interval, sc.event_study):
        together = np.asarray(function(panels, treated, 9))
        for place in np.ndindex(2, 3):
            one = function(panels[place], treated, 9)
            np.testing.assert_allclose(together[(Ellipsis, *place) if together.ndim < 4 else (slice(None), *place)], one)
    p = sc.permutation_p(panels, treated, 9, np.random.default_rng(1), 99)
    assert p[1, 2] == sc.permutation_p(panels[1, 2], treated, 9, np.random.default_rng(1), 99)


def test_permutation_p_is_the_plain_loop():
    Y, treated = random_panel(4), np.arange(18) < 6
    plays = np.argsort(np.random.default_rng(6).random((200, 18)), axis=1) < 6
    change = sc.changes(Y, 9)
    hits = sum(abs(change[p].mean() - change[~p].mean()) >= abs(sc.did(Y, treated, 9)) - 1e-12 for p in plays)
    assert 0 < hits < 200
    assert sc.permutation_p(Y, treated, 9, np.random.default_rng(6), 200) == pytest.approx((1 + hits) / 201)


def test_sdid_jackknife_and_bootstrap_are_the_plain_ones():
    Y, treated = random_panel(5), np.arange(18) < 6
    y, D = Y[:, treated].mean(axis=1), Y[:, ~treated]
    fit = sc.blend(y, D, 9, "sdid", 6)
    left = []
    for unit in range(18):
        if unit < 6:
            gaps = np.delete(Y[:, :6], unit, axis=1).mean(axis=1) - D @ fit.weights
        else:
            kept = np.delete(fit.weights, unit - 6)
            gaps = y - np.delete(D, unit - 6, axis=1) @ (kept / kept.sum())
        left.append(gaps[9:].mean() - fit.period_weights @ gaps[:9])
    assert sc.sdid_jackknife(Y, treated, 9) == pytest.approx(np.sqrt(17 / 18 * np.sum((left - np.mean(left)) ** 2)))
    got, rng = sc.unit_bootstrap(Y, treated, 9, np.random.default_rng(4), draws=4), np.random.default_rng(4)
    for value in got:
        units = rng.integers(0, 18, 18)
        a, b = Y[:, units[units < 6]], Y[:, units[units >= 6]]
        assert value == pytest.approx(sc.blend(a.mean(axis=1), b, 9, "sdid", a.shape[1]).estimate)


def test_one_treated_unit_gets_no_bootstrap_and_no_jackknife():
    """The first edition returned a number."""
    Y, treated = random_panel(5), np.arange(18) < 1
    assert math.isnan(sc.sdid_jackknife(Y, treated, 9))
    with pytest.raises(ValueError, match="two treated units and two others"):
        sc.unit_bootstrap(Y, treated, 9, np.random.default_rng(0))


def test_conformal_p_is_the_plain_loop():
    y, D = random_problem(7, T=20, J=5)
    for method, effect in itertools.product(("did", "sc", "shifted"), (-0.5, 0.0, 2.0)):
        null = y - effect * (np.arange(20) >= 14)
        centred, C = (null, D) if method == "sc" else (null - null.mean(), D - D.mean(axis=0))
        w = np.full(5, 0.2) if method == "did" else sc.simplex_weights(centred, C)
        u = centred - C @ w
        sums = [abs(sum(u[(t - s) % 20] for t in range(14, 20))) for s in range(20)]
        assert sc.conformal_p(y, D, 14, effect, method)[0] == pytest.approx(np.mean(np.array(sums) >= sums[0] - 1e-9))


# ---- waves: gaps, late comers, several launches


@pytest.mark.parametrize("by_rows", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_waves_are_two_way_regressions_on_untreated_cells(seed, by_rows):
    """Gaps, three launches: for each wave statsmodels fits unit and period effects to the others' untreated cells; a
    treated unit's level comes from its own cells before."""
    rng = np.random.default_rng(seed)
    Y = random_panel(seed, gaps=0.15)
    start = np.repeat([14, 6, 9, 11], [7, 4, 4, 3])
    rows = rng.integers(1, 9, Y.shape).astype(float)
    panel = panel_of(Y, start, rows)
    panel.by_rows = by_rows
    found = sc.Waves(panel)
    w = np.where(np.isnan(Y), 0.0, rows if by_rows else 1.0)
    top = bottom = 0.0
    for k, g in enumerate((6, 9, 11)):
        cells = [(u, t, Y[t, u], w[t, u]) for u in range(18) for t in range(14) if w[t, u] and start[u] > g and t < start[u]]
        fit = smf.wls("y ~ C(u) + C(t)", pd.DataFrame(cells, columns=["u", "t", "y", "w"]), weights=[c[3] for c in cells]).fit()
        effect = np.array([0.0, *(fit.params[f"C(t)[T.{t}]"] for t in range(1, 14))])
        for u in np.flatnonzero(start == g):
            level = np.average((Y[:g, u] - effect[:g])[w[:g, u] > 0], weights=w[:g, u][w[:g, u] > 0])
            late = [t for t in range(g, 14) if w[t, u]]
            top += sum(w[t, u] * (Y[t, u] - effect[t] - level) for t in late)
            bottom += sum(w[t, u] for t in late)
        assert found.starts[k] == g
    after = found.weights * found.after
    assert np.nansum(found.gaps * after) / after.sum() == pytest.approx(top / bottom, rel=1e-8)


@pytest.mark.parametrize("gaps, by_rows", [(0.0, False), (0.15, False), (0.15, True)])
def test_leaving_out_a_unit_is_estimating_without_it(gaps, by_rows):
    Y = random_panel(7, gaps=gaps)
    start = np.repeat([14, 6, 9], [8, 5, 5])
    panel = panel_of(Y, start, np.random.default_rng(1).integers(1, 9, Y.shape).astype(float) if by_rows else None)
    panel.by_rows = by_rows
    waves = sc.Waves(panel)

    def statistic(gaps, weights):
        late = weights * waves.after
        return (np.nan_to_num(gaps) * late).sum(axis=(-1, -2))[..., None] / late.sum(axis=(-1, -2))[..., None]

    for units, values in zip((waves.treated, waves.controls), waves.left_out(statistic), strict=True):
        for unit, value in zip(units, values[:, 0], strict=True):
            one = sc.Waves(panel.only(np.delete(np.arange(18), unit)))
            assert value == pytest.approx(statistic(one.gaps, one.weights)[0], rel=1e-8), unit


def test_many_units_are_left_out_by_one_newton_step(monkeypatch):
    """The short cut for thousands of units, against the exact one, on a panel with gaps."""
    rng = np.random.default_rng(3)
    Y = np.where(rng.random((12, 2100)) < 0.1, np.nan, rng.normal(size=(12, 2100)))
    start = np.where(np.arange(2100) < 60, 8, 12)
    quick = sc.estimate_panel(panel_of(Y, start), sc._design(interval="units"))
    few = np.flatnonzero((start == 8) | (np.arange(2100) < 2030))
    exact = sc.estimate_panel(panel_of(Y[:, few], start[few]), sc._design(interval="units"))
    assert quick.error == pytest.approx(exact.error, rel=0.01)


def test_a_control_treated_inside_the_window_is_never_a_control():
    """The first edition: controls upgraded inside the window made .027 of .05."""
    log = world(1, units=30, treated=10, periods=30, launch=20, effect=0.05, noise=0.02)
    late = log["u"].isin([f"unit {k}" for k in range(10, 20)])
    log.loc[late, "g"] = 24
    log.loc[late & (log["t"] >= 24), "y"] += 0.05
    result = sc.analyse(log, COLUMNS)
    assert result.n["units_treated"] == 20 and result.n["units_control"] == 10 and result.n["launches"] == 2
    assert abs(result.estimate - 0.05) < 0.01 and result.lo < 0.05 < result.hi
    early = sc.analyse(log, COLUMNS, window=(0, 23))  # later than the window: not treated in it
    assert early.n["units_treated"] == 10 and early.n["units_control"] == 20
    assert abs(early.estimate - 0.05) < 0.01
    nobody = sc.analyse(log[~log["g"].isna()], COLUMNS)  # no unit is never treated: the later ones wait until 24
    assert nobody.n["units_treated"] == 10 and nobody.n["units_control"] == 10 and nobody.n["periods_after"] == 4
    assert abs(nobody.estimate - 0.05) < 0.01


def test_effects_that_differ_by_wave_and_grow_are_averaged_as_said():
    """Where two-way fixed effects give the early wave's growth a negative weight."""
    log = world(2, units=24, treated=16, periods=20, launch=6, effect=0.0, rows=1, noise=1e-6)
    early = log["u"].isin([f"unit {k}" for k in range(8)])
    log.loc[~early & log["g"].notna(), "g"] = 13
    effect = np.where(early, 1 + 0.5 * (log["t"] - 6), -2.0) * (log["t"] >= log["g"])
    log["y"] += effect
    truth = effect[log["t"] >= log["g"]].mean()
    for controls in ("not yet", "never"):
        assert abs(sc.analyse(log, COLUMNS, controls=controls).estimate - truth) < 1e-5
    for method in ("sc", "shifted", "sdid"):  # donors: the units that nothing treats
        assert abs(sc.analyse(log, COLUMNS, method=method, accept="fit").estimate - truth) < 2e-5 or method == "sc"
    log["on"] = (log["t"] >= log["g"]) * 1
    twfe = smf.ols("y ~ C(u) + C(t) + on", log).fit().params["on"]
    assert abs(twfe - truth) > 0.3


def test_gaps_are_never_filled_across_the_launch():
    """The first edition: 10 of 25 treated joining two weeks late gave .029 of .05."""
    rng = np.random.default_rng(4)
    log = world(3, units=50, treated=25, periods=30, launch=20, effect=0.05, noise=0.05)
    late = log["u"].isin([f"unit {k}" for k in range(10)]) & (log["t"] < 22)
    result = sc.analyse(log[~late], COLUMNS)
    assert abs(result.estimate - 0.05) < 0.01 and result.n["units_treated"] == 15
    assert result.problems["problem"].str.contains("10 treated units with no period before the launch").any()
    some = log[~(log["u"].isin([f"unit {k}" for k in range(10)]) & (log["t"] < 12))]  # late, but with a past
    result = sc.analyse(some, COLUMNS)
    assert abs(result.estimate - 0.05) < 0.01 and result.n["units_treated"] == 25
    thin = log[rng.random(len(log)) < 0.25]  # every third cell is empty
    for method in sc.METHODS:
        try:
            result = sc.analyse(thin, COLUMNS, method=method, accept="fit")
        except UnfitLog as error:
            assert method != "did" and "full enough" in str(error)
        else:
            assert abs(result.estimate - 0.05) < 0.03


def test_fill_gaps_is_pandas_on_each_side():
    Y = random_panel(3, gaps=0.3)
    expected = pd.concat([pd.DataFrame(part).interpolate("linear").ffill().bfill() for part in (Y[:9], Y[9:])])
    np.testing.assert_allclose(sc.fill_gaps(Y, 9), expected, atol=1e-12)
    np.testing.assert_allclose(sc.fill_gaps(np.array([Y, Y]), 9)[1], expected, atol=1e-12)


def test_weights_by_units_and_by_rows_are_what_they_say():
    log = world(6, treated=2, effect=0.0, rows=1, noise=0.0)
    log["y"] += np.where(log["u"] == "unit 0", 1.0, 3.0) * ((log["t"] >= 10) & log["g"].notna())
    big = pd.concat([log, *[log[log["u"] == "unit 1"]] * 4])  # unit 1 has five times the rows
    for weights, truth in (("units", 2.0), ("rows", (1 + 5 * 3) / 6)):
        for method in ("did", "shifted", "sdid"):
            result = sc.analyse(big, COLUMNS, weights=weights, method=method)
            assert abs(result.estimate - truth) < 1e-6, (weights, method)
        assert ("every row" in result.estimand) == (weights == "rows")


# ---- intervals: coverage, size, what shared shocks do


def ar1(rng, shape, T, rho):
    """Stationary series of variance 1: (T, *shape)."""
    x = np.empty((T, *shape))
    x[0] = rng.normal(size=shape)
    for t in range(1, T):
        x[t] = rho * x[t - 1] + math.sqrt(1 - rho**2) * rng.normal(size=shape)
    return x


def simulate(rng, number, T, n1, n0, *, sd=1.0, shock=0.0, lasting=0.75, persistence=0.0):
    """Panels (number, T, n1 + n0) without an effect; each group has a shock of its own."""
    Y = ar1(rng, (number, n1 + n0), T, persistence) * np.where(np.arange(n1 + n0) < n1, sd, 1.0)
    Y[:, :, :n1] += shock * ar1(rng, (number, 1), T, lasting)
    Y[:, :, n1:] += shock * ar1(rng, (number, 1), T, lasting)
    return Y.swapaxes(0, 1)


def covered(interval):
    return np.mean((interval[-2] <= 0) & (0 <= interval[-1]))


def test_unequal_arms_of_unequal_variance_are_covered():
    """5 noisy treated units against 40: the first edition's pooled variance covers .57. 20,000 panels, error .002."""
    panels, treated = simulate(np.random.default_rng(0), 20_000, 6, 5, 40, sd=4.0), np.arange(45) < 5
    assert 0.94 < covered(sc.did_interval(panels, treated, 4)[:4]) < 0.96
    change = sc.changes(panels, 4)
    pooled = stats.ttest_ind(change[:, :5], change[:, 5:], axis=1).pvalue > 0.05
    assert pooled.mean() < 0.7


@pytest.mark.parametrize("options, units, shared", [
    ({}, (0.93, 0.97), (0.96, 1.0)),  # the price: an interval a quarter longer
    ({"persistence": 0.6}, (0.93, 0.97), (0.95, 1.0)),
    ({"shock": 0.13}, (0.68, 0.82), (0.89, 0.97)),  # as large as the noise of the groups' difference, nearly
    ({"shock": 0.3}, (0.38, 0.52), (0.90, 0.97)),
    ({"shock": 0.3, "lasting": 0.3}, (0.55, 0.72), (0.95, 1.0)),
])  # fmt: skip
def test_shocks_that_the_treated_share_are_allowed_for(options, units, shared):
    """The commonest failure of difference-in-differences. 1,500 panels of 25 and 25 units, 20 and 10 periods."""
    panels, treated = simulate(np.random.default_rng(5), 1500, 30, 25, 25, **options), np.arange(50) < 25
    assert units[0] < covered(sc.did_interval(panels, treated, 20)[:4]) < units[1]
    assert shared[0] < covered(sc.shared_did_interval(panels, treated, 20)) <= shared[1]


def test_the_batch_gives_what_the_log_gives():
    panels, treated = simulate(np.random.default_rng(6), 4, 14, 5, 9, shock=0.5), np.arange(14) < 5
    together = sc.shared_did_interval(panels, treated, 8)
    for k, Y in enumerate(panels):
        one = sc.estimate_panel(panel_of(Y, np.where(treated, 8, 14)), sc._design())
        np.testing.assert_allclose(together[:, k], one.estimate + one.half_shared * np.array([0, -1, 1]), atol=1e-9)


def test_one_treated_unit_is_covered_by_placebos_where_units_are_alike():
    panels = simulate(np.random.default_rng(1), 150, 14, 1, 12, persistence=0.5)
    for method in ("did", "shifted", "sdid"):
        held = []
        for Y in panels:
            result = sc.estimate_panel(panel_of(Y, np.where(np.arange(13) < 1, 9, 14)), sc._design(method=method))
            held.append(abs(result.estimate) <= result.half_units)
        assert 0.88 < np.mean(held) < 0.995, method


def test_shared_shock_interval_takes_many_series_and_is_the_unit_interval_without_shocks():
    rng = np.random.default_rng(2)
    before, contrast = rng.normal(size=(2, 3, 12)), np.r_[np.full(12, -1 / 12), np.full(6, 1 / 6)]
    half, shock = sc.shared_shock_interval(before, contrast, 1.0, 0.5, 20.0)
    for place in np.ndindex(2, 3):
        one, learnt = sc.shared_shock_interval(before[place], contrast, 1.0, 0.5, 20.0)
        assert half[place] == pytest.approx(one) and shock["relative"][place] == pytest.approx(learnt["relative"])
    alone = stats.t.ppf(0.975, 20) * 0.5
    assert (half > alone).all()
    quiet, _ = sc.shared_shock_interval(0.001 * before[0, 0], contrast, 1.0, 0.5, 20.0)
    loud, learnt = sc.shared_shock_interval(10 * before[0, 0], contrast, 1.0, 0.5, 20.0)
    assert alone < quiet < 1.3 * alone and loud > 3 * alone and learnt["probability"] > 0.99


def test_shared_shock_interval_is_brute_force_integration():
    """The mixture by plain loops over the grid: likelihood from the density of contrasts, quantile by root finding."""
    rng = np.random.default_rng(8)
    before, contrast = rng.normal(size=9), np.r_[np.full(9, -1 / 9), np.full(4, 1 / 4)]
    for persistence, noise in ((0.0, 0.7), (0.4, 0.7), (0.3, None)):
        C = np.eye(9)[1:] - np.eye(9)[:-1]  # any contrasts that a constant does not reach
        total, parts = 0.0, []
        for relative, rho in [(0.0, 0.0)] + list(itertools.product(sc.RELATIVE[1:], sc.LASTING)):
            lag = np.abs(np.subtract.outer(np.arange(13), np.arange(13)))
            own, other = (np.where(lag == 0, 1.0, r ** np.maximum(lag, 1)) for r in (persistence, rho))
            prior = sc.NO_SHOCK if relative == 0 else (1 - sc.NO_SHOCK) / (len(sc.RELATIVE) - 1) / len(sc.LASTING)
            K = C @ (own + relative * other)[:9, :9] @ C.T
            if noise is None:
                q = (C @ before) @ np.linalg.solve(K, C @ before)
                density, df = np.linalg.det(K) ** -0.5 * q**-4, 8
                scale = math.sqrt(q / 8 * (contrast @ (own + relative * other) @ contrast))
            else:
                density, df = stats.multivariate_normal(cov=noise * K).pdf(C @ before), 15.0
                scale = math.sqrt(0.3**2 + noise * relative * (contrast @ other @ contrast))
            parts.append((prior * density, scale))
            total += prior * density
        outside = lambda h, parts=parts, total=total, df=df: sum(p * 2 * stats.t.sf(h / s, df) for p, s in parts) / total - 0.05
        expected = optimize.brentq(outside, 1e-6, 1e3)
        half, _ = sc.shared_shock_interval(before, contrast, noise, 0.3, 15.0, persistence=persistence)
        assert half == pytest.approx(expected, rel=1e-6)


def test_two_units_leave_the_periods_alone_to_tell():
    result = sc.analyse(world(3, units=2, treated=1, periods=30, launch=20), COLUMNS)
    assert result.n["units_treated"] == result.n["units_control"] == 1 and result.lo < 1 < result.hi
    assert "periods before alone" in result.method and result.intervals["lo"].isna().tolist() == [True, False]
    short = sc.analyse(world(3, units=2, treated=1, periods=10, launch=5), COLUMNS)
    assert math.isnan(short.lo) and "no interval" in short.method and "no interval is to be had" in short.report()


def test_tools_unit_interval_is_welchs_on_a_log():
    log = world(5, treated=5)
    wide = log.pivot_table(index="t", columns="u", values="y")
    change = wide.loc[10:].mean() - wide.loc[:9].mean()
    mine = change.index.isin([f"unit {k}" for k in range(5)])
    library = stats.ttest_ind(change[mine], change[~mine], equal_var=False).confidence_interval()
    result = sc.analyse(log, COLUMNS, interval="units")
    np.testing.assert_allclose([result.lo, result.hi], library, rtol=1e-9)
    both = sc.analyse(log, COLUMNS)
    assert both.lo < result.lo and both.intervals["lo"][0] == pytest.approx(result.lo)


# ---- trends before the launch


def test_joint_test_is_hotellings_for_equal_arms():
    rng = np.random.default_rng(1)
    X, Z = rng.normal(size=(2, 20, 4))
    S = (np.cov(X.T) + np.cov(Z.T)) / 2
    mean = X.mean(axis=0) - Z.mean(axis=0)
    T2 = 10 * mean @ np.linalg.solve(S, mean)
    p, F, q, df = sc.joint_test(mean, [np.cov(X.T) / 20, np.cov(Z.T) / 20], [19, 19])
    assert q == 4 and 30 < df <= 35 and F == pytest.approx(T2 * df / (4 * (df + 3)))
    assert p == pytest.approx(stats.f.sf(T2 * 35 / (38 * 4), 4, 35), abs=0.02)


def test_joint_pre_trend_test_keeps_its_size_and_finds_a_trend():
    rejected, start = [], np.where(np.arange(24) < 8, 8, 12)
    for Y in simulate(np.random.default_rng(7), 300, 12, 8, 16, sd=2.0):
        steep = Y + 0.6 * np.outer(np.arange(12), start < 12)
        rejected.append([sc.pre_trends(sc.estimate_panel(panel_of(one, start), sc._design()))["p"] < 0.05
                         for one in (Y, steep)])  # fmt: skip
    size, power = np.mean(rejected, axis=0)
    assert 0.02 < size < 0.09 and power > 0.6


def test_the_slope_and_its_bias_are_a_regression_on_each_units_past():
    Y, treated = random_panel(2, T=16, N=20), np.arange(20) < 9
    t = np.arange(10) - 4.5
    slopes = t @ Y[:10] / (t @ t)
    library = stats.ttest_ind(slopes[treated], slopes[~treated], equal_var=False)
    found = sc.pre_trends(sc.estimate_panel(panel_of(Y, np.where(treated, 10, 16)), sc._design()))
    interval = library.confidence_interval()
    np.testing.assert_allclose([found["slope_lo"], found["slope_hi"]], interval, rtol=1e-8)
    assert found["distance"] == pytest.approx(12.5 - 4.5)
    np.testing.assert_allclose([found["bias_lo"], found["bias_hi"]], 8 * np.array(interval), rtol=1e-8)


def test_worst_biases_are_those_of_linear_programmes():
    rng = np.random.default_rng(3)
    contrast = np.r_[-rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(4))]
    first = np.diff(np.eye(10), axis=0)
    worst = -optimize.linprog(-contrast, A_ub=np.vstack([first, -first]), b_ub=np.full(18, 0.3), bounds=(None, None)).fun
    assert sc.slope_bias(contrast, 0.3) == pytest.approx(worst)
    assert sc.bend_bias(contrast, 0.3) == math.inf  # a straight line moves it as far as one likes
    X = np.column_stack([np.ones(10), np.arange(10)])
    flat = contrast - X @ np.linalg.solve(X.T @ X, X.T @ contrast)
    second = np.diff(np.eye(10), n=2, axis=0)
    worst = -optimize.linprog(-flat, A_ub=np.vstack([second, -second]), b_ub=np.full(16, 0.3), bounds=(-1e3, 1e3)).fun
    assert sc.bend_bias(flat, 0.3) == pytest.approx(worst, rel=1e-6)


def test_folded_half_is_the_quantile_of_a_shifted_normal():
    for bias, error in ((0.0, 1.0), (0.7, 1.0), (5.0, 0.3)):
        half = sc.folded_half(bias, error, math.inf)
        inside = stats.norm.cdf((half - bias) / error) - stats.norm.cdf((-half - bias) / error)
        assert inside == pytest.approx(0.95, abs=1e-9)
    assert sc.folded_half(2.0, 0.0, 10) == 2.0
    assert sc.folded_half(0.0, 1.0, 7) == pytest.approx(stats.t.ppf(0.975, 7))


@pytest.fixture(scope="module")
def bounded():
    """Twelve periods, launch in the eighth; the difference drifts by a known path."""
    rng = np.random.default_rng(5)
    Y = rng.normal(0, 1e-7, size=(12, 30)) + rng.normal(size=30)
    drift = np.r_[0, 0.1, 0.15, 0.3, 0.2, 0.25, 0.4, 0.5, np.zeros(4)]
    Y[:, :15] += drift[:, None]
    start = np.where(np.arange(30) < 15, 8, 12)
    log = pd.DataFrame([(f"u{u:02}", t, 8 if u < 15 else None, Y[t, u]) for u in range(30) for t in range(12)],
                       columns=["u", "t", "g", "y"])  # fmt: skip
    return sc.analyse(log, COLUMNS, interval="units"), drift, start


def test_bounds_by_slope_and_bend_without_noise_are_linear_programmes(bounded):
    """All paths that change (or bend) by at most M and that agree with the past: the worst of the mean after."""
    result, drift, _ = bounded
    table = result.bounds("slope", [0.0, 0.2])
    assert table["lo"][0] == pytest.approx(result.estimate, abs=1e-5)
    assert table["hi"][1] - result.estimate == pytest.approx(0.2 * 6, abs=1e-4)  # six periods between the middles
    bend = result.bounds("bend", [0.0, 0.05])
    late = np.arange(8, 12)
    line = drift[6] + (drift[7] - drift[6]) * (late - 6)  # any line fits equally well without noise but the last two
    assert bend["lo"][1] - 1e-4 <= -line.mean() <= bend["hi"][1] + 1e-4 or bend["bias"][1] > 0


def test_bounds_by_magnitudes_without_noise_are_linear_programmes(bounded):
    result, drift, _ = bounded
    length = 2  # a quarter of eight periods before
    blocks = drift[:8].reshape(4, length).mean(axis=1)
    largest = np.abs(np.diff(blocks)).max()
    table = result.bounds("magnitudes", [0.0, 1.0, 2.0])
    centre = -blocks[-1]  # mean after (nought) less the last stretch before
    for M, lo, hi in zip(table["M"], table["lo"], table["hi"], strict=True):
        # steps of the drift from stretch to stretch after the launch, each within M times the largest before
        worst = -optimize.linprog([-1.0, -0.5], bounds=(-M * largest, M * largest)).fun  # two stretches: 1 + 1/2
        np.testing.assert_allclose([lo, hi], [centre - worst, centre + worst], atol=1e-4)


def test_bounds_cover_what_they_allow():
    """A slope of .1 a period: the plain interval fails, the interval for M = .1 holds (400 panels)."""
    treated = np.arange(24) < 12
    panels = simulate(np.random.default_rng(9), 400, 14, 12, 12) + 0.1 * np.outer(np.arange(14), treated)
    result = sc.estimate_panel(panel_of(panels[0], np.where(treated, 8, 14)), sc._design())
    bias = sum(share * sc.slope_bias(contrast, 0.1) for share, contrast in result.contrasts)
    assert bias == pytest.approx(0.7)
    found = sc.did_interval(panels, treated, 8)
    wide = [abs(estimate) <= sc.folded_half(bias, error, df) for estimate, error, df in found[[0, 1, 4]].T]
    assert covered(found[:4]) < 0.4 and 0.92 < np.mean(wide) < 0.98
