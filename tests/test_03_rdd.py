"""Notebook 03: RDD estimators against statsmodels, rdrobust and plain loops, on worlds the tutorial does not use."""

import functools
import io
from contextlib import redirect_stdout

import duckdb
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from generate_data import World, load_logs, simulate
from notebook_tools import definitions
from rdrobust import rdrobust
from scipy import stats
from statsmodels.sandbox.regression.gmm import IV2SLS
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from run import ROOT

NB = definitions("03_rdd_confidence_threshold/rdd_demo.py")
GRID, BELOW, SHARE = NB["GRID"], NB["BELOW"], NB["SHARE"]
WORLD = World(premium_effect=-0.10, confidence_slope=0.3, confidence_bend=0.05, opt_in_effect=0.02)
SPECIFICATIONS = [(0.05, 1), (0.10, 1), (0.15, 1), (0.20, 1), (0.10, 2)]


@pytest.fixture(scope="module")
def d():
    return simulate(78, 30_000, WORLD, outcomes=False)


def library(y, x, bandwidth, degree, **options):
    """rdrobust with a flat kernel, its sign turned: (conventional, bias-corrected, conventional error)."""
    with redirect_stdout(io.StringIO()):
        fit = rdrobust(y, x, c=0.85, h=bandwidth, b=bandwidth, p=degree, kernel="uniform", vce="hc3",
                       masspoints="off", **options)  # fmt: skip
    return -fit.coef.to_numpy()[0, 0], -fit.coef.to_numpy()[2, 0], fit.se.to_numpy()[0, 0]


# ---- on rows


def test_difference_is_welch(d):
    y, below = d["task_completed"], d["query_confidence"] < 0.85
    welch = CompareMeans(DescrStatsW(y[below]), DescrStatsW(y[~below]))
    low, high = welch.zconfint_diff(alpha=2 * stats.norm.sf(1.96), usevar="unequal")
    got = NB["difference"](below.sum(), y[below].sum(), (~below).sum(), y[~below].sum())
    np.testing.assert_allclose(got, [(low + high) / 2, low, high], rtol=1e-10)


@pytest.mark.parametrize("degree, formula", [(1, "y ~ below * c"), (2, "y ~ below * (c + I(c ** 2))")])
@pytest.mark.parametrize("bandwidth, cutoff", [(0.07003, 0.85), (0.12003, 0.6)])
def test_rdd_is_statsmodels_hc3(d, degree, formula, bandwidth, cutoff):
    frame = pd.DataFrame({"y": d["task_completed"], "c": d["query_confidence"] - cutoff})
    frame = frame[frame["c"].abs() < bandwidth].assign(below=lambda f: (f["c"] < 0) * 1.0)
    fit = smf.ols(formula, frame).fit(cov_type="HC3")
    effect, se, n = NB["rdd"](d["query_confidence"], d["task_completed"], bandwidth, degree, cutoff)
    np.testing.assert_allclose([effect, se, n], [fit.params["below"], fit.bse["below"], len(frame)], rtol=1e-8)


def test_rdd_is_rdrobust_and_the_quadratic_its_bias_correction(d):
    x, y = d["query_confidence"], d["task_completed"]
    linear, linear_se, _ = NB["rdd"](x, y, 0.08)
    quadratic, _, _ = NB["rdd"](x, y, 0.08, degree=2)
    conventional, corrected, se = library(y, x, 0.08 - 1e-5, 1)
    np.testing.assert_allclose([linear, quadratic, linear_se], [conventional, corrected, se], rtol=1e-6)


def test_fitted_lines_end_a_jump_apart(d):
    x, y = d["query_confidence"], d["task_completed"]
    for degree in (1, 2):
        below = NB["fitted_line"](x, y, 0.10, degree, "below")
        above = NB["fitted_line"](x, y, 0.10, degree, "above")
        jump, se, _ = NB["rdd"](x, y, 0.10, degree)
        assert abs(below[1][-1] - above[1][0] - jump) < 1e-6 and below[0][-1] < 0.85 == above[0][0]
        assert abs(np.hypot(below[2][-1], above[2][0]) / 1.96 - se) < 1e-6  # the two sides are independent


def test_robust_turns_sign_and_limits(d):
    x, y = d["query_confidence"], d["task_completed"]
    got = NB["robust"](y, x, **NB["QUICK"])
    with redirect_stdout(io.StringIO()):
        flipped = rdrobust(y, 0.85 - x - 1e-12, c=0, **NB["QUICK"])  # premium users are right of the cutoff now
    np.testing.assert_allclose(got["conventional"], flipped.coef.to_numpy()[0, 0], rtol=1e-3)
    np.testing.assert_allclose([got["lo"], got["hi"]], flipped.ci.to_numpy()[2], rtol=2e-3)
    assert got["lo"] < got["corrected"] < got["hi"] and got["conventional"] < 0  # the effect of this world is -0.10


def test_rdd_finds_the_truth_where_the_tutorial_did_not_look():
    world = World(premium_effect=-0.10, confidence_slope=0.3, opt_in_effect=0.02)
    found = []
    for seed in range(700, 740):
        d = simulate(seed, 20_000, world, outcomes=False)
        found.append(NB["rdd"](d["query_confidence"], d["task_completed"], 0.10)[:2])
    estimate, se = np.array(found).T
    error = estimate.std(ddof=1) / np.sqrt(len(estimate))
    assert abs(estimate.mean() + 0.10) < 4 * error
    assert 0.7 < estimate.std(ddof=1) / se.mean() < 1.3


# ---- the bootstrap and its plain loop


published_logs = functools.cache(load_logs)


def plain_bootstrap(draws, data=None):
    """Resample the rows of a DataFrame and refit by formula, for the five specifications: (5, draws)."""
    logs = published_logs() if data is None else data
    found = []
    for bandwidth, degree in SPECIFICATIONS:
        x = logs["query_confidence"]
        window = logs[(x > 0.85 - bandwidth) & (x < 0.85 + bandwidth)]
        window = window.assign(c=lambda f: f["query_confidence"] - 0.85, below=lambda f: (f["c"] < 0) * 1)
        formula = "task_completed ~ below * c" if degree == 1 else "task_completed ~ below * (c + I(c ** 2))"
        rng, n, estimates = np.random.default_rng(7), len(window), []
        for _ in range(draws):
            sample = window.iloc[rng.integers(0, n, size=n)]
            estimates.append(smf.ols(formula, sample).fit().params["below"])
        found.append(estimates)
    return np.array(found)


def fast_bootstrap(draws, data=None):
    logs = published_logs() if data is None else data
    x, y = (logs[name].to_numpy() for name in ("query_confidence", "task_completed"))
    found = {}
    for bandwidth, degrees in ((0.05, (1,)), (0.10, (1, 2)), (0.15, (1,)), (0.20, (1,))):
        for degree, values in zip(degrees, NB["bootstrap"](x, y, bandwidth, degrees, 7, draws), strict=True):
            found[bandwidth, degree] = values
    return np.array([found[key] for key in SPECIFICATIONS])


def test_bootstrap_on_counts_is_the_plain_loop(d):
    frame = pd.DataFrame({name: d[name] for name in ("query_confidence", "task_completed")})
    np.testing.assert_allclose(fast_bootstrap(30, frame), plain_bootstrap(30, frame), atol=1e-10)


BENCHMARKS = [("03 bootstrap, 5 specifications", plain_bootstrap, fast_bootstrap, {"draws": 500}, 1e-9)]


# ---- on counts per cell


def users_of(counts, values):
    """Rows (confidence, outcome) of one dataset of counts (values, cells)."""
    return np.concatenate([np.repeat(GRID, c) for c in counts]), np.repeat(values, counts.sum(axis=1))


@pytest.mark.parametrize("bandwidth, degree, hole", [(0.10, 1, 0.0), (0.15, 2, 0.0), (0.10, 1, 0.01)])
def test_cells_are_rows(bandwidth, degree, hole):
    """Three outcome values and three datasets, against rdd on one row per user."""
    rng, values = np.random.default_rng(4), np.array([-1.0, 0.5, 2.0])
    counts = rng.poisson(5 * SHARE * 700, size=(3, 3, len(GRID)))
    effects, errors = NB["rdd_cells"](counts, bandwidth, degree, values, hole)
    for k in range(3):
        x, y = users_of(counts[:, k], values)
        kept = (np.abs(x - 0.85) > hole) | (hole == 0)
        expected = NB["rdd"](x[kept], y[kept], bandwidth, degree)
        np.testing.assert_allclose([effects[k], errors[k]], expected[:2], rtol=1e-9)


def test_naive_cells_are_rows():
    counts = NB["draw_cells"](np.random.default_rng(5), 3, 0.4 + 0.2 * BELOW, 5_000)
    for k, got in enumerate(NB["naive_cells"](counts).T):
        x, y = users_of(counts[:, k], [0, 1])
        side = x < 0.85
        expected = NB["difference"](side.sum(), y[side].sum(), (~side).sum(), y[~side].sum())
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("bandwidth", [0.07003, 0.10])
def test_the_warehouse_gives_statsmodels_hc3(d, bandwidth):
    frame = pd.DataFrame({name: d[name] for name in ("query_confidence", "task_completed")})
    with duckdb.connect() as warehouse:
        warehouse.register("logs", frame)
        table = warehouse.sql((ROOT / "03_rdd_confidence_threshold" / "aggregate.sql").read_text()).df()
    near = frame[(frame["query_confidence"] - 0.85).abs() < bandwidth - 1e-9]
    c, below = near["query_confidence"] - 0.85, (near["query_confidence"] < 0.85) * 1.0
    X = np.column_stack([np.ones(len(near)), below, c, below * c])
    fit = sm.OLS(near["task_completed"].to_numpy(), X).fit(cov_type="HC3")
    np.testing.assert_allclose(NB["estimate_from"](table, bandwidth), (fit.params[1], fit.bse[1]), rtol=0, atol=1e-10)


def test_study_is_a_loop_over_datasets():
    p = 0.5 + 0.1 * BELOW
    got = NB["study"](np.random.default_rng(6), 103, p)
    assert got.shape == (6, 3, 103)
    rng = np.random.default_rng(6)
    first, rest = NB["draw_cells"](rng, 100, p), NB["draw_cells"](rng, 3, p)
    for k, counts in ((0, first[:, 0]), (99, first[:, 99]), (102, rest[:, 2])):
        x, y = users_of(counts, [0, 1])
        for row, (bandwidth, degree) in enumerate(SPECIFICATIONS, start=1):
            effect, se, _ = NB["rdd"](x, y, bandwidth, degree)
            np.testing.assert_allclose(got[row, :, k], [effect, effect - 1.96 * se, effect + 1.96 * se], rtol=1e-8)
    assert NB["coverage"](got[1], -5.0) == 0 and NB["coverage"](got[1], np.median(got[1, 0])) > 0.9


def test_cells_hold_the_generators_confidence():
    d = simulate(12, 400_000, outcomes=False)
    edges = np.append(0, np.arange(1300, 2001) / 2000)
    seen = np.histogram(d["exact_confidence"], edges)[0]
    assert abs(SHARE.sum() - 1) < 1e-12 and np.all((GRID[1:] > edges[1:-1]) & (GRID[1:] < edges[2:]))
    assert stats.chisquare(seen, 400_000 * SHARE).pvalue > 1e-4
    inside = d["exact_confidence"][d["exact_confidence"] < 0.65]
    assert abs(GRID[0] - inside.mean()) < 4 * inside.std() / np.sqrt(len(inside))
    assert np.array_equal(BELOW == 1, GRID < 0.85)


def test_drawn_cells_are_the_generators_datasets():
    """Estimates on datasets of the generator and on drawn counts: same mean and spread, within Monte Carlo error."""
    effect, n, datasets = 0.10, 20_000, 80
    world, rows = World(premium_effect=effect), []
    for seed in range(datasets):
        d = simulate(3000 + seed, n, world, outcomes=False)
        rows.append(NB["rdd"](d["query_confidence"], d["task_completed"], 0.10)[0])
    rate = np.mean(d["task_completed"][d["query_confidence"] >= 0.85])
    drawn, _ = NB["rdd_cells"](NB["draw_cells"](np.random.default_rng(8), 2000, rate + effect * BELOW, n), 0.10)
    spread = drawn.std(ddof=1)
    assert abs(np.mean(rows) - drawn.mean()) < 4 * spread / np.sqrt(datasets)
    assert abs(np.std(rows, ddof=1) / spread - 1) < 4 / np.sqrt(2 * datasets)
    assert abs(drawn.mean() - effect) < 4 * spread / np.sqrt(2000)


# ---- the broken worlds


def test_manipulated_is_the_story_user_by_user():
    """Against a loop-free simulation of single users who move; and without movers it is draw_cells' world."""
    rng, base, lift, share = np.random.default_rng(9), 0.5, 0.2, 0.4
    effects = []
    for _ in range(60):
        x = rng.choice(GRID, p=SHARE, size=50_000)
        motivated = rng.random(len(x)) < share
        x = np.where(motivated & (x >= 0.85) & (x < 0.86), x - 0.01, x)
        y = rng.random(len(x)) < base + 0.06 * (x < 0.85) + lift * motivated
        effects.append(NB["rdd"](x, y.astype(float), 0.10)[0])
    counts = NB["manipulated"](np.random.default_rng(10), 400, base, lift, share)
    got, _ = NB["rdd_cells"](counts, 0.10)
    error = np.hypot(np.std(effects) / np.sqrt(60), got.std() / np.sqrt(400))
    assert abs(got.mean() - np.mean(effects)) < 4 * error and got.mean() > 0.08
    assert np.all(counts.sum(axis=(0, 2)) == 50_000) and counts.min() >= 0
    honest, _ = NB["rdd_cells"](NB["manipulated"](np.random.default_rng(11), 400, base, lift, share=0.0), 0.10)
    assert abs(honest.mean() - 0.06) < 4 * honest.std() / np.sqrt(400)


def test_overridden_has_the_stated_probabilities():
    counts = NB["overridden"](np.random.default_rng(13), 200, 0.5)
    assert np.all(counts.sum(axis=(0, 2)) == 50_000)
    for side, hard_rate, easy_rate in ((GRID < 0.85, 0.95, 0.70), (GRID >= 0.85, 0.40, 0.05)):
        n = counts[:, :, side].sum(axis=(1, 2))
        premium = 0.3 * hard_rate + 0.7 * easy_rate
        done = 0.3 * (0.36 + 0.06 * hard_rate) + 0.7 * (0.56 + 0.06 * easy_rate)
        assert abs((n[2] + n[3]) / n.sum() - premium) < 4 / np.sqrt(n.sum())
        assert abs((n[1] + n[3]) / n.sum() - done) < 4 / np.sqrt(n.sum())


def test_fuzzy_is_two_stage_least_squares_and_rdrobust():
    counts = NB["overridden"](np.random.default_rng(14), 2, 0.5)
    tau, se, jump = NB["fuzzy"](counts, 0.10)
    for k in range(2):
        x, kind = users_of(counts[:, k], np.arange(4))
        premium, y = kind // 2, kind % 2
        near = np.abs(x - 0.85) < 0.10
        X = NB["design"](x[near] - 0.85, 1)
        Z = X.copy()
        X[:, 1] = premium[near]
        fit = IV2SLS(y[near].astype(float), X, Z).fit()
        first = sm.OLS(premium[near], Z).fit()
        np.testing.assert_allclose([tau[k], jump[k]], [fit.params[1], first.params[1]], rtol=1e-8)
        conventional, _, error = library(y, x, 0.10, 1, fuzzy=premium)
        np.testing.assert_allclose([abs(conventional), error], [tau[k], se[k]], rtol=1e-5)


def test_rows_and_bins_of_counts():
    counts = NB["draw_cells"](np.random.default_rng(15), 1, 0.3 + 0.4 * BELOW)[:, 0]
    x, y = NB["rows_of"](counts)
    assert len(x) == counts[:, 1:].sum() and y.sum() == counts[1, 1:].sum() and x.min() > 0.65
    middle, rate = NB["binned"](counts)
    for m, r in zip(middle, rate, strict=True):
        inside = (x > m - 0.005) & (x < m + 0.005)
        assert inside.sum() >= 100 and abs(100 * y[inside].mean() - r) < 1e-9
    assert len(middle) > 30
