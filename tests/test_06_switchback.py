"""Notebook 06: estimators against statsmodels, plain loops and exact enumeration, on schedules it does not use."""

import itertools

import duckdb
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from notebook_tools import definitions
from scipy import stats
from statsmodels.stats.sandwich_covariance import cov_hac

import run

NB = definitions("06_switchback/switchback_demo.py", N_STUDY=1500)
ON = np.array([int(c) for c in "110100011110010110001101001110000101"])  # 36 slots


def an_experiment(seed, on=ON, direct=-0.2, carryover=0.5):
    """An outcome (slots,) with other effects than the tutorial's, and autocorrelated noise."""
    noise = np.convolve(np.random.default_rng(seed).normal(0, 0.3, len(on) + 3), [1, 0.6, 0.3, 0.1], "valid")
    return 2 + direct * on + carryover * np.append(0, on[:-1]) + noise


# ---- the schedule and its lags


def test_lags_and_effects_are_the_slow_loop():
    on = np.random.default_rng(1).integers(0, 2, (4, 20))
    weights = (0.7, -0.4, 0.2, 0.05)
    x, added = NB["regressors"](on, 3), NB["effects"](on, weights)
    for r in range(4):
        for t in range(20):
            past = [on[r, t - k] if t >= k else 0 for k in range(4)]
            assert list(x[r, t]) == [1, *past]
            assert added[r, t] == pytest.approx(np.dot(weights, past), abs=1e-14)


@pytest.mark.parametrize("block", [1, 2, 3, 4, 6, 8, 12])
def test_a_fixed_schedule_is_blind_to_the_lag_of_its_block(block):
    on = NB["fixed"](block)(None, 2)
    assert not NB["identified"](NB["regressors"](on, block)).any()
    if block > 1:
        assert NB["identified"](NB["regressors"](on, block - 1)).all()
    residual = on[0] - sm.OLS(on[0], sm.add_constant(NB["HOURS"])).fit().fittedvalues
    aliased = 24 % (2 * block) == 0  # the second day repeats the first; with blocks of 8 it is the mirror image
    assert (np.abs(residual).max() < 1e-9) == aliased
    assert NB["identified"](NB["with_hours"](NB["regressors"](on))).all() == (not aliased)


def test_random_schedules_are_drawn_as_described():
    rng, n = np.random.default_rng(2), 4000
    for name in ("coin per slot", "paired 3-blocks", "minimax, m = 2"):
        on = NB["SCHEDULES"][name](rng, n)
        assert on.shape == (n, 48) and set(np.unique(on)) == {0, 1}
        assert np.abs(on.mean(axis=0) - 0.5).max() < 4.5 * 0.5 / n**0.5, name
    paired = NB["SCHEDULES"]["paired 3-blocks"](rng, n)
    assert np.all(paired.reshape(n, 8, 6).sum(axis=2) == 3)
    assert {tuple(row) for row in paired} == {tuple(row) for row in NB["ALL_PAIRED"]} and len(NB["ALL_PAIRED"]) == 256
    switches = np.diff(NB["SCHEDULES"]["minimax, m = 2"](rng, n)) != 0
    # Bojinov, Simchi-Levi & Zhao, theorem 1: the coin is tossed at slots 1, 2m+1, 3m+1, ..., (T/m - 2)m + 1
    m, T = 2, 48
    points = [k * m for k in range(2, T // m - 1)]  # counted from 0
    assert list(np.flatnonzero(switches.any(axis=0)) + 1) == points


# ---- estimators against statsmodels


def test_least_squares_and_contrast_are_statsmodels():
    outcomes = np.array([an_experiment(seed) for seed in range(5)])
    x = NB["regressors"](ON, 2)
    b, covariance, e = NB["least_squares"](x, outcomes)
    stacked = NB["least_squares"](np.broadcast_to(x, (5, *x.shape)), outcomes)
    q = stats.t.ppf(0.975, len(ON) - 4)
    estimate, se, low, high = NB["effect"](b, covariance, [0, 1, 1, 1], q)
    for r, y in enumerate(outcomes):
        fit = sm.OLS(y, x).fit()
        np.testing.assert_allclose(b[r], fit.params, atol=1e-10)
        np.testing.assert_allclose(covariance[r], fit.cov_params(), atol=1e-10)
        np.testing.assert_allclose(e[r], fit.resid, atol=1e-10)
        test = fit.t_test([[0, 1, 1, 1]])
        expected = np.r_[np.ravel(test.effect), np.ravel(test.sd), np.ravel(test.conf_int())]
        np.testing.assert_allclose([estimate[r], se[r], low[r], high[r]], expected, atol=1e-9)
    np.testing.assert_allclose(stacked[1], covariance, atol=1e-12)


@pytest.mark.parametrize("lags", [1, 3, 8])
def test_newey_west_is_cov_hac(lags):
    x = NB["regressors"](ON)
    outcomes = np.array([an_experiment(seed) for seed in range(4)])
    got = NB["newey_west"](x, NB["least_squares"](x, outcomes)[2], lags)
    for y, covariance in zip(outcomes, got, strict=True):
        np.testing.assert_allclose(covariance, cov_hac(sm.OLS(y, x).fit(), nlags=lags), rtol=1e-9, atol=1e-14)


def test_estimates_centre_on_effects_the_tutorial_does_not_use():
    """Direct, carryover and total of another world, within 4 Monte Carlo errors; naive is off by its formula."""
    rng, block = np.random.default_rng(3), 4
    on = np.tile(np.repeat([1, 0], block), 6)
    y = 1 + NB["effects"](on, (-0.3, 0.8)) + rng.normal(0, 0.5, (3000, 48))
    b = NB["least_squares"](NB["regressors"](on), y)[0]
    simple = NB["least_squares"](NB["regressors"](on, 0), y)[0][:, 1]
    for values, truth in ((b[:, 1], -0.3), (b[:, 2], 0.8), (b[:, 1:].sum(1), 0.5), (simple, -0.3 + 0.8 * (1 - 2 / 4))):
        assert abs(values.mean() - truth) < 4 * values.std() / 3000**0.5


# ---- the bootstrap, and the plain loop it replaces


def plain_bootstrap(samples, seed=7):
    """Draw slots, copy the rows, fit twice with statsmodels: (samples, 4) naive, constant, direct, carryover."""
    frame = bootstrap_data()
    rng, found = np.random.default_rng(seed), []
    for _ in range(samples):
        drawn = frame.iloc[rng.integers(0, len(frame), size=len(frame))]
        naive = sm.OLS(drawn["y"], sm.add_constant(drawn[["on"]], has_constant="add")).fit()
        lagged = sm.OLS(drawn["y"], sm.add_constant(drawn[["on", "lag"]], has_constant="add")).fit()
        found.append([naive.params["on"], *lagged.params])
    return np.array(found)


def fast_bootstrap(samples, seed=7):
    frame = bootstrap_data()
    y, n = frame["y"].to_numpy(), len(frame)
    x = np.column_stack([np.ones(n), frame["on"], frame["lag"]])
    weights = NB["counts"](np.random.default_rng(seed).integers(0, n, size=(samples, n)))
    return np.column_stack([NB["weighted_fits"](x[:, :2], y, weights)[:, 1], NB["weighted_fits"](x, y, weights)])


CACHE = {}


def bootstrap_data():
    """48 slots of the article's kind, with another noise."""
    if not CACHE:
        on = NB["ON"]
        y = 0.596 + np.random.default_rng(4).normal(0, 0.0152, 48) + NB["effects"](on)
        CACHE["frame"] = pd.DataFrame({"y": y, "on": on, "lag": NB["lagged"](on, 1)})
    return CACHE["frame"]


def test_fast_bootstrap_is_the_plain_loop():
    np.testing.assert_allclose(fast_bootstrap(40), plain_bootstrap(40), atol=1e-11)


BENCHMARKS = [("06 slot bootstrap, 500 x two fits", plain_bootstrap, fast_bootstrap, {"samples": 500}, 1e-9)]


def test_refit_matrices_are_the_weighted_fits():
    rng = np.random.default_rng(5)
    x, weights = NB["regressors"](ON), rng.integers(0, 4, (6, len(ON))).astype(float)
    matrices = NB["refits"](x, weights)
    for seed in range(3):
        y = an_experiment(seed)
        np.testing.assert_allclose(matrices @ y, NB["weighted_fits"](x, y, weights), atol=1e-11)
    fit = sm.WLS(y, x, weights=weights[0]).fit()
    np.testing.assert_allclose(matrices[0] @ y, fit.params, atol=1e-11)


def test_coverage_is_the_plain_loop():
    rng, x = np.random.default_rng(6), NB["regressors"](NB["ON"])
    noise = 1.4 * NB["ar1"](0.3, 1.0, (60, 48), rng)
    indices = rng.integers(0, 48, (80, 48))
    cycles = rng.integers(0, 8, (80, 8))
    samples = [NB["counts"](indices), np.repeat(NB["counts"](cycles), 6, axis=1)]
    drawn = [indices, (6 * cycles[:, :, None] + np.arange(6)).reshape(80, 48)]
    contrast, hits = np.array([0, 1, 1]), np.zeros((60, 5))
    for r, y in enumerate(noise):
        fit = sm.OLS(y, x).fit()
        low, high = np.ravel(fit.t_test(contrast[None]).conf_int())
        hits[r, 0] = low <= 0 <= high
        for place, lags in ((1, 3), (2, 8)):
            half = 1.96 * np.sqrt(contrast @ cov_hac(fit, nlags=lags) @ contrast)
            hits[r, place] = abs(contrast @ fit.params) <= half
        for place, rows in ((3, drawn[0]), (4, drawn[1])):
            values = [contrast @ np.linalg.lstsq(x[i], y[i], rcond=None)[0] for i in rows]
            low, high = np.percentile(values, [2.5, 97.5])
            hits[r, place] = low <= 0 <= high
    np.testing.assert_allclose(NB["coverage"](noise, x, contrast, samples), hits.mean(axis=0), atol=1e-12)
    assert np.all(hits.mean(axis=0) < 1)  # noise that some intervals miss: a test that could see a difference


def test_ar1_has_the_variance_and_correlation_it_says():
    noise = NB["ar1"](0.7, 0.2, (40_000, 6), np.random.default_rng(7))
    np.testing.assert_allclose(noise.std(axis=0), 0.2, rtol=0.02)
    for k in (1, 3):
        assert abs(np.corrcoef(noise[:, 1], noise[:, 1 + k])[0, 1] - 0.7**k) < 0.02


# ---- the randomization test, against enumeration


def all_small():
    """All 16 schedules of four pairs of slots."""
    return np.array([[c for first in coins for c in (first, 1 - first)]
                     for coins in itertools.product([0, 1], repeat=4)])  # fmt: skip


def test_randomization_test_is_exact_enumeration_on_a_small_schedule():
    schedules, rng = all_small(), np.random.default_rng(8)
    y = rng.normal(0, 1, 8).cumsum()
    p_values = []
    for real in range(16):
        others = np.delete(schedules, real, axis=0)
        p = NB["randomization_p"](y[None], schedules[real][None], others)[0]
        gaps = [abs(y[row == 1].mean() - y[row == 0].mean()) for row in schedules]
        assert p == pytest.approx(np.mean(np.array(gaps) >= gaps[real] - 1e-12), abs=1e-12)
        p_values.append(p)
    for alpha in np.arange(1, 17) / 16:  # valid at every level, whichever schedule was drawn
        assert np.mean(np.array(p_values) <= alpha + 1e-12) <= alpha + 1e-12
    assert min(p_values) == pytest.approx(2 / 16)  # the schedule and its mirror image


def test_difference_weights_are_the_difference_in_means():
    rng = np.random.default_rng(9)
    on, y = NB["both_arms"](rng.integers(0, 2, (50, 11))), rng.normal(0, 1, 11)
    expected = [y[row == 1].mean() - y[row == 0].mean() for row in on]
    np.testing.assert_allclose(NB["difference_weights"](on) @ y, expected, atol=1e-13)
    only = np.array([[1, 1, 1], [0, 0, 0], [0, 1, 0]])
    assert NB["both_arms"](only).tolist() == [[0, 1, 0]]


# ---- the studies


@pytest.mark.parametrize("name", ["coin per slot", "paired 3-blocks", "minimax, m = 2"])
def test_random_schedules_with_hour_effects_survive_any_daily_rhythm(name):
    rhythm = np.tile(np.random.default_rng(10).normal(0, 0.05, 24), 2)
    found, _ = NB["study"](NB["SCHEDULES"][name], np.random.default_rng(11), 0.02, rhythm, hours=True)
    for (mean, sd, covers), truth in zip(found, (NB["DIRECT"], NB["DIRECT"] + NB["CARRYOVER"]), strict=True):
        assert abs(mean - truth) < 4 * sd / 1400**0.5
        assert abs(covers - 0.95) < 4 * (0.95 * 0.05 / 1400) ** 0.5
    blind, _ = NB["study"](NB["SCHEDULES"]["fixed 3-3"], np.random.default_rng(11), 0.02, NB["RHYTHM"])
    assert blind[0, 2] < 0.3


def test_slot_length_bias_is_the_plain_integral():
    """The response to a schedule, integrated by small steps, against the closed form per five minutes."""
    minutes, burn_in, memory, n, fine = 60, 30, 35.0, 3, 200
    bias, _ = NB["slot_length_study"](minutes, burn_in, np.random.default_rng(12), 0.01, n, memory)
    on_slot = NB["pairs"](np.random.default_rng(12), n, 48)
    gaps = []
    for row in on_slot:
        level, means = 0.0, []
        for on in row:
            path = []
            for _ in range(minutes * fine):
                path.append(level)
                level += (on - level) / (memory * fine)
            means.append(np.mean(path[burn_in * fine :]))
        means = np.array(means)
        gaps.append(means[row == 1].mean() - means[row == 0].mean())
    total = NB["DIRECT"] + NB["CARRYOVER"]
    assert bias == pytest.approx(total * np.mean(gaps) - total, abs=2e-5)
    assert bias < -0.005


# ---- from a warehouse


def from_warehouse(logs):
    query = (run.ROOT / "06_switchback" / "aggregate.sql").read_text(encoding="utf-8")
    with duckdb.connect() as warehouse:
        warehouse.register("logs", logs)
        return warehouse.sql(query).df()


def from_rows(logs, on, hours):
    """Total effect and SE by a dictionary of rows and statsmodels; slots without users are absent."""
    done, records = {}, []
    for slot, completed in zip(logs["slot"], logs["task_completed"], strict=True):
        done.setdefault(slot, []).append(completed)
    for slot, values in done.items():
        before = on[slot - 1] if slot else 0
        dummies = [slot % 24 == h for h in range(1, 24)] if hours else []
        records.append([np.mean(values) + 0.06 * on[slot] + 0.03 * before, 1, on[slot], before, *dummies])
    table = np.array(records, float)
    test = sm.OLS(table[:, 0], table[:, 1:]).fit().t_test([0, 1, 1] + [0] * (table.shape[1] - 4))
    return test.effect.item(), test.sd.item()


def test_exercises_have_the_answers_they_state():
    naive = []
    for block in (1, 3, 12):
        on = NB["fixed"](block)(None, 1)[0]
        added = NB["effects"](on, (0.06, -0.03))
        naive.append(added[on == 1].mean() - added[on == 0].mean())
    np.testing.assert_allclose(naive, [0.090, 0.050, 0.035], atol=1e-12)

    drift, totals = 0.001 * np.arange(48), {}
    for name in ("fixed 3-3", "fixed 12-12", "paired 3-blocks"):
        totals[name] = NB["study"](NB["SCHEDULES"][name], np.random.default_rng(13), 0.0152, drift)[0][1]
    assert [totals[name][0] for name in totals] == pytest.approx([0.087, 0.078, 0.090], abs=0.001)
    assert 0.45 < totals["fixed 12-12"][2] < 0.55

    def mirrored(rng, n):
        day = np.repeat(rng.integers(0, 2, (n, 8)), 3, axis=1)
        return np.concatenate([day, 1 - day], axis=1)

    assert NB["identified"](NB["with_hours"](NB["regressors"](mirrored(np.random.default_rng(14), 300)))).all()
    sds = [NB["study"](draw, np.random.default_rng(15), 0.0152, hours=True)[0][1, 1]
           for draw in (mirrored, NB["SCHEDULES"]["paired 3-blocks"])]  # fmt: skip
    assert 0.0045 < sds[0] < 0.0053 and 0.0070 < sds[1] < 0.0083
