"""Notebook 07, the tutorial: its simulated tests are the worlds that it says they are.

The methods themselves are the tool's: tests/test_07_sequential.py.
"""

import numpy as np
import pandas as pd
import pytest
import sequential
from claim_tools import tutorials, variables
from generate_data import World, simulate
from notebook_tools import functions
from scipy import stats

import run


@pytest.fixture(scope="module")
def nb():
    return functions(run.ROOT / "07_sequential_msprt" / "msprt_demo.ipynb")


@pytest.fixture(scope="module")
def space():
    return variables(tutorials()["07"])


def test_its_two_tests_are_those_that_it_says(space):
    """Day 14 is the first day with p < 0.05, the treated arm ahead, and no earlier seed does that."""

    def first(x, y):
        days = min(len(x), len(y)) // 60
        p = [stats.ttest_ind(x[: 60 * d], y[: 60 * d]).pvalue for d in range(1, min(days, 14) + 1)]
        return next((d for d, value in enumerate(p, 1) if value < 0.05), None) == 14 and x[:840].mean() > y[:840].mean()

    done, prompt = space["done"], space["prompt"]
    for seed in range(space["SEED_NEW"] + 1):
        rng = np.random.default_rng(seed)
        new, old = (done[rng.permutation(np.flatnonzero(prompt == k))] for k in (1, 0))
        assert first(new, old) == (seed == space["SEED_NEW"])
    np.testing.assert_array_equal(space["tests"]["new against old"][0], new)
    for seed in range(space["SEED_SAME"] + 1):
        order = np.random.default_rng(seed).permutation(done[prompt == 0])
        assert first(*np.split(order, 2)) == (seed == space["SEED_SAME"])


def test_peeking_is_the_loop_over_days(nb):
    shouted = nb["has_shouted"](0.3, 0.3, 20, seed=5)
    rng = np.random.default_rng(5)
    a, b = (rng.binomial(60, 0.3, (20, 30)).cumsum(axis=1) for _ in range(2))
    for i in range(20):
        so_far = False
        for day in range(30):
            n = 60 * (day + 1)
            x, y = (np.repeat([1, 0], [k[i, day], n - k[i, day]]) for k in (a, b))
            so_far |= bool(stats.ttest_ind(x, y).pvalue < 0.05)
            assert shouted[i, day] == so_far


def test_capital_is_the_bet_pair_by_pair(nb):
    rng = np.random.default_rng(2)
    x, y = rng.binomial(1, 0.4, (2, 80))
    on_treated = on_control = 0.5
    for k, value in enumerate(nb["capital"](x, y, 0.3)):
        if x[k] != y[k]:
            on_treated *= 1.3 if x[k] else 0.7
            on_control *= 0.7 if x[k] else 1.3
        assert value == pytest.approx(on_treated + on_control)


def test_methods_on_rows_are_those_of_the_tool(nb):
    rng = np.random.default_rng(4)
    x, y = rng.binomial(1, [[0.45], [0.4]], (2, 3000))
    n, a, b = np.arange(1, 3001), x.cumsum(), y.cumsum()
    won, lost = np.cumsum(x > y), np.cumsum(x < y)
    np.testing.assert_allclose(np.log(nb["bayes_factor"](x, y)), sequential.log_bayes_factor(a, b, n, n), atol=1e-8)
    np.testing.assert_allclose(np.log(nb["betting"](x, y)), sequential.betting_log_e(won, lost), atol=1e-8)
    p, q = (a + 1) / (n + 2), (b + 1) / (n + 2)
    mixture = sequential.normal_mixture_log_e((a - b) / n, (p * (1 - p) + q * (1 - q)) / n, 0.05)
    np.testing.assert_allclose(np.log(nb["mixture"](x, y)), mixture, atol=1e-8)
    d, half = nb["confidence_sequence"](x, y)
    walked = sequential.walk(sequential.Counts.of(y, x, 60), tightest=2 * 1800)
    np.testing.assert_allclose(walked.estimate, d[59::60], atol=1e-12)
    np.testing.assert_allclose((walked.hi - walked.lo)[5:] / 2, half[59::60][5:], rtol=0.02)


def test_novelty_halves_every_week(space):
    fading = space["fading"]
    assert fading[0] == 0.08 and fading[7] == pytest.approx(0.04) and len(fading) == 30


def test_tasks_of_one_user_correlate_by_a_third():
    p = np.random.default_rng(6).beta(1.2, 0.8, 400_000)
    first, second = np.random.default_rng(7).binomial(1, p, (2, 400_000))
    assert first.mean() == pytest.approx(0.6, abs=0.004)
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(1 / 3, abs=0.008)


def test_metrics_have_the_stated_odds(space):
    rates = space["odds"]
    np.testing.assert_allclose(rates.sum(axis=1), 1)
    np.testing.assert_allclose(rates[:, 0] - rates[:, 1], np.repeat([0.07, 0.0], [5, 15]))
    mean = space["pairs"].mean(axis=(0,)) / 1800
    np.testing.assert_allclose(mean, rates, atol=0.003)


def test_second_bit_of_the_number_is_a_coin_on_which_nothing_depends():
    data = simulate(77, outcomes=False)
    coin = data["user_id"] // 2 % 2
    assert coin.mean() == pytest.approx(0.5, abs=0.01)
    for name in ("prompt_variant", "task_completed", "wave"):
        assert abs(np.corrcoef(coin, data[name])[0, 1]) < 4 / np.sqrt(len(coin))


def test_idle_upgrade_leaves_the_offset_of_wave_1():
    gaps = []
    for seed in range(3000, 3010):
        data = simulate(seed, world=World(rollout_effect=0.0), outcomes=False)
        rate = pd.Series(data["task_completed"]).groupby(data["wave"]).mean()
        gaps.append(rate[1] - rate[2])
    assert np.mean(gaps) == pytest.approx(0.04, abs=0.006)
