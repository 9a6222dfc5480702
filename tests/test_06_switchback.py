"""Notebook 06: the tutorial's own functions and simulated worlds, against loops, formulas and exact enumeration."""

import ast

import numpy as np
import pytest
from scipy import stats

from run import ROOT

FOLDER = ROOT / "06_switchback"


def defined():
    """What the tutorial imports and defines (functions, constants in capitals), its cells not run."""
    mirror = FOLDER / "switchback_demo.py"
    space = {"__file__": str(mirror)}
    for node in ast.parse(mirror.read_text(encoding="utf-8")).body:
        targets = [ast.unparse(t) for t in node.targets] if isinstance(node, ast.Assign) else []
        constant = targets and all(name.strip("()").replace(", ", "").isupper() for name in targets)
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef)) or constant:
            try:
                exec(compile(ast.Module([node], []), str(mirror), "exec"), space)
            except NameError:
                continue  # a constant that is computed from what the cells compute
    return space


NB = defined()
sb = NB["sb"]
FIXED = np.tile([1, 1, 1, 0, 0, 0], 8)


@pytest.mark.parametrize("block", [1, 2, 3, 4, 6, 12])
def test_the_dashboard_shows_the_formula(block):
    """Each cycle holds on average delta + gamma (1 - 2/b); the first block follows off, as each on-block does."""
    w = np.tile(np.repeat([1, 0], block), 24 // block)
    for direct, carried in ((0.06, 0.03), (-0.2, 0.5)):
        shown = NB["dashboard"](w, sb.effects(w, (direct, carried)))
        assert shown == pytest.approx(direct + carried * (1 - 2 / block), abs=1e-12)


def test_replayed_p_is_exact_enumeration():
    schedules, y = sb.every(8, "paired blocks", 1), np.random.default_rng(8).normal(0, 1, 8).cumsum()
    found = []
    for k, real in enumerate(schedules):
        gaps = [abs(y[row == 1].mean() - y[row == 0].mean()) for row in schedules]
        p = NB["replay_p"](y, real, np.delete(schedules, k, axis=0))
        assert p == pytest.approx(np.mean(np.array(gaps) >= gaps[k] - 1e-12), abs=1e-12)
        found.append(p)
    for level in np.arange(1, 17) / 16:  # valid at every level, whichever schedule was drawn
        assert np.mean(np.array(found) <= level + 1e-12) <= level + 1e-12
    assert min(found) == pytest.approx(2 / 16)  # the schedule and its mirror image


def test_slot_length_is_the_plain_integral():
    """The response to a schedule, integrated by small steps, against the closed form per five minutes."""
    minutes, burn_in, n, fine = 60, 30, 3, 200
    NB["slot_length"].__globals__["noise_sd"] = 0.015  # the tutorial computes it from the logs
    bias, error = NB["slot_length"](minutes, burn_in, np.random.default_rng(12), n)
    gaps = []
    for row in sb.draw(np.random.default_rng(12), n, 2880 // minutes, "paired blocks", 1):
        level, means = 0.0, []
        for on in row:
            path = []
            for _ in range(minutes * fine):
                path.append(level)
                level += (on - level) / (20 * fine)
            means.append(np.mean(path[burn_in * fine :]))
        means = np.array(means)
        gaps.append(means[row == 1].mean() - means[row == 0].mean())
    assert bias == pytest.approx(100 * (0.09 * np.mean(gaps) - 0.09), abs=0.002)
    assert -2.5 < bias < -0.5 and error > abs(bias) / 2


def test_coverage_of_least_squares_is_the_plain_loop():
    """The intervals whose coverage the tutorial counts, one by one with statsmodels."""
    sm, x = NB["sm"], sb.regressors(FIXED)
    noise = 1.4 * sb.ar1(0.3, 1.0, (60, 48), np.random.default_rng(6))
    fits = sb.least_squares(x, noise)
    for contrast in ([0, 1, 0], [0, 1, 1]):
        low, high = sb.effect(*fits[:2], contrast, stats.t.ppf(0.975, 45))[2:]
        by_hand = np.array([np.ravel(sm.OLS(y, x).fit().t_test(contrast).conf_int()) for y in noise])
        np.testing.assert_allclose(np.column_stack([low, high]), by_hand, atol=1e-10)


def test_without_the_first_hour_pairs_are_unbiased_under_any_rhythm():
    """Exact over all 256 schedules; with the first hour, whose past was not tossed, they are not."""
    rhythm = np.tile(np.random.default_rng(10).normal(0, 0.05, 24), 2)
    pairs = sb.every(48, "paired blocks", 3)
    y = rhythm + sb.effects(pairs, (0.06, 0.03))
    for first, off in ((0, True), (1, False)):
        means = sb.least_squares(sb.regressors(pairs)[:, first:], y[:, first:])[0].mean(axis=0)
        assert (np.abs(means[1:] - [0.06, 0.03]).max() > 1e-4) == off
        if not off:
            np.testing.assert_allclose(means[1:], [0.06, 0.03], atol=1e-12)


def test_the_fixed_schedule_is_blind_where_the_tutorial_says_so():
    hour = np.arange(48) % 24
    assert sb.identified(sb.regressors(FIXED, 2)) and not sb.identified(sb.regressors(FIXED, 3))
    assert not sb.identified(sb.regressors(FIXED, 1, hour))
    pairs = sb.every(48, "paired blocks", 3)
    assert sb.identified(sb.regressors(pairs, 1, hour)[:, 1:]).sum() == 240


def test_shocks_that_users_share_make_false_alarms():
    """The share of rejections of a test that counts users follows from the variances."""
    n, base, shock = 1041, 0.596, 0.02
    of_users, of_hours = base * (1 - base) / n, base * (1 - base) / n + shock**2
    expected = 2 * stats.norm.sf(1.96 * np.sqrt(of_users / of_hours))
    rng = np.random.default_rng(3)
    rates = rng.binomial(n, base + rng.normal(0, shock, (4_000, 48))) / n
    gap = rates[:, FIXED == 1].mean(axis=1) - rates[:, FIXED == 0].mean(axis=1)
    alarms = np.mean(np.abs(gap) > 1.96 * np.sqrt(2 * of_users / 24))
    assert abs(alarms - expected) < 4 * np.sqrt(expected * (1 - expected) / 4_000) and 0.2 < expected < 0.3
