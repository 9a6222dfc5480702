"""Notebook 04: its own simulations. Drawn worlds against the generator, broken worlds against what they are said to be.

The estimators are those of synthetic_control.py (test_04_panels.py); the sentences are held by tests/claims/04.py.
"""


import numpy as np
import pandas as pd
import pytest
import synthetic_control as tool
from generate_data import World, generate, simulate
from notebook_tools import functions, namespace
from scipy import optimize

import run

NOTEBOOK = run.ROOT / "04_synthetic_control" / "synthetic_control_demo.ipynb"
START, WEEKS, WAVE_1 = 20, 30, np.arange(50) < 25


@pytest.fixture(scope="module")
def space():
    return namespace(NOTEBOOK)


@pytest.fixture(scope="module")
def nb():
    """The variables of the executed tutorial and its functions, which use them."""
    return functions(NOTEBOOK)


def made(seed, n=50_000, world=World()):  # noqa: B008  (frozen)
    """Rates (30, 50) of one of the generator's datasets, by pandas."""
    d = simulate(seed, n, world, outcomes=False)
    frame = pd.DataFrame({name: d[name] for name in ("signup_week", "workspace_id", "task_completed")})
    early = frame[frame["signup_week"] < WEEKS]
    return early.groupby(["signup_week", "workspace_id"])["task_completed"].mean().unstack().to_numpy()


def test_live_coded_solver_minimises_over_the_simplex(nb):
    rng = np.random.default_rng(3)
    y, D = rng.normal(0, 1, 12), rng.normal(0.3, 1, (12, 9))
    w = nb["weights_of"](y, D)
    level = (gradient := D.T @ (D @ w - y)) @ w
    assert abs(w.sum() - 1) < 1e-9 and w.min() > -1e-9 and np.all(gradient > level - 1e-3)
    np.testing.assert_allclose(w, tool.blend(np.r_[y, 0], np.vstack([D, D[0]]), 12).weights, atol=2e-4)


def test_recipes_are_mixtures(nb):
    np.testing.assert_allclose(nb["recipes"].sum(axis=1), 1)
    assert len(nb["recipes"]) == 66 and nb["recipes"].min() == 0


def test_drawn_tables_are_like_the_generators(nb):
    """Cell sizes, the waves' difference and its spread, and the noise of a cell, over datasets, before and after.

    The level is not compared: the tutorial starts from that of the published logs, with their season in it.
    """
    done, size = nb["draw"](np.random.default_rng(5), 300)
    drawn, own = done / size, np.array([made(seed) for seed in range(700, 760)])
    assert abs(size.mean() - 50_000 / 2600) < 0.03
    for rows in (slice(0, START), slice(START, WEEKS)):
        a, b = (
            x[:, rows][..., WAVE_1].mean(axis=(1, 2)) - x[:, rows][..., ~WAVE_1].mean(axis=(1, 2)) for x in (drawn, own)
        )
        assert abs(a.mean() - b.mean()) < 4.5 * np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
        assert 0.65 < a.std(ddof=1) / b.std(ddof=1) < 1.5
        noise = [x[:, rows][..., WAVE_1].var(axis=2).mean() for x in (drawn, own)]
        assert abs(noise[0] / noise[1] - 1) < 0.05


def test_season_is_the_generators(nb):
    """Each week keeps 0.75 of the last one; the first has the innovation alone, as in the generator."""
    season = nb["ar1"](np.random.default_rng(1), 20_000)
    expected = World.shock_sd * np.sqrt(np.cumsum(World.shock_ar ** (2 * np.arange(WEEKS))))
    np.testing.assert_allclose(season.std(axis=0), expected, rtol=0.03)
    np.testing.assert_allclose(np.mean(season[:, 1:] * season[:, :-1], axis=0) / expected[:-1] ** 2, 0.75, atol=0.03)


def test_broken_worlds_are_what_they_are_said_to_be(nb):
    """Means over many users, so that hardly any noise is left: offset, leak, drift, campaign."""
    many = {"users": 50_000_000}
    gap = {}
    leak = 0.4 * 0.05 * nb["AFTER"] * ~WAVE_1
    for name, world in {"offset": {"offset": -0.15}, "leak": {"offset": 0.0, "extra": leak},
                        "drift": {"offset": 0.0, "extra": 0.004 * nb["weeks_on"]}}.items():  # fmt: skip
        one = nb["fresh"](900, 2, **many, **world).mean(axis=0)
        gap[name] = one[:, WAVE_1].mean(axis=1) - one[:, ~WAVE_1].mean(axis=1)
    after, before = slice(START, WEEKS), slice(0, START)
    assert abs(gap["offset"][before].mean() + 0.15) < 1e-3 and abs(gap["offset"][after].mean() + 0.10) < 1e-3
    assert abs(gap["leak"][before].mean()) < 1e-3 and abs(gap["leak"][after].mean() - 0.03) < 1e-3
    np.testing.assert_allclose(np.diff(gap["drift"][before]).mean(), 0.004, atol=2e-4)


def test_campaign_is_inside_the_donors_and_reaches_both_sides(nb):
    share, campaign = nb["share"], nb["campaign"].ravel()
    assert (share[..., WAVE_1] == 0.8).all() and share.min() >= 0 and share.max() <= 1
    assert (share[..., ~WAVE_1] > 0.8).any(axis=-1).mean() > 0.98
    assert np.flatnonzero(campaign).tolist() == [*range(5, 10), *range(START, WEEKS)] and campaign.max() == 0.1


def test_shocks_of_a_wave_strike_it_as_a_whole(nb):
    assert list(nb["struck"].values()) == [(0, 0), (1, 0), (1, 1), (2, 2)]
    shock = nb["shock"][..., 0, :]  # the last world: each wave, twice as hard
    assert np.ptp(shock[:, WAVE_1], axis=1).max() == 0 == np.ptp(shock[:, ~WAVE_1], axis=1).max()
    a, b = shock[:, 0], shock[:, -1]
    assert abs(a.std() / (2 * World.shock_sd) - 1) < 0.1 and abs(np.corrcoef(a, b)[0, 1]) < 0.15


def test_user_bootstrap_by_poisson_is_like_resampling_users(nb):
    d = simulate(31, outcomes=False)
    cell = 2 * (50 * d["signup_week"] + d["workspace_id"]) + d["task_completed"]
    cell = cell[d["signup_week"] < WEEKS]
    count = np.bincount(cell, minlength=2 * 50 * WEEKS).reshape(WEEKS, 50, 2)
    rng, found = np.random.default_rng(2), []
    for _ in range(300):
        again = np.bincount(cell[rng.integers(0, len(cell), len(cell))], minlength=count.size).reshape(count.shape)
        found.append(nb["estimate"](nb["table_of"](again[..., 1], again.sum(axis=-1))))
    limits = np.array([nb["by_users"](count[..., 1], count.sum(axis=-1), rng) for _ in range(6)]).mean(axis=0)
    np.testing.assert_allclose(limits, np.percentile(found, [2.5, 97.5]), atol=0.008)


def test_placebo_p_is_the_plain_rank(nb):
    one = made(44)
    y, D = nb["sides"](one)
    gaps = [tool.blend(y, D, START).gaps]
    gaps += [tool.blend(D[:, j], np.delete(D, j, axis=1), START).gaps for j in range(25)]
    sizes = [abs(g[START:].mean()) for g in gaps]
    ratios = [np.mean(g[START:] ** 2) / np.mean(g[:START] ** 2) for g in gaps]
    expected = [sum(v >= values[0] for v in values) / 26 for values in (sizes, ratios)]
    np.testing.assert_allclose(nb["placebo_p"](one), expected)


# ---- the bootstrap of section 4, and the plain loop that it replaces


def article_gap(frame):
    """Mean gap of a DataFrame of users as the article computes it: pandas and SLSQP from scratch."""
    table = frame[frame["signup_week"] < WEEKS].pivot_table("task_completed", "signup_week", "workspace_id")
    table = table.interpolate("linear").ffill().bfill().to_numpy()
    y, D = table[:, WAVE_1].mean(axis=1), table[:, ~WAVE_1]
    fit = optimize.minimize(lambda w: np.mean((y[:START] - D[:START] @ w) ** 2), np.full(25, 1 / 25), method="SLSQP",
                            bounds=[(0, 1)] * 25, options={"ftol": 1e-12, "maxiter": 5000},
                            constraints={"type": "eq", "fun": lambda w: w.sum() - 1})  # fmt: skip
    return (y - D @ fit.x)[START:].mean()


def plain_bootstrap(B, seed):
    logs = generate()
    rng = np.random.default_rng(seed)
    return np.array([article_gap(logs.iloc[rng.integers(0, len(logs), size=len(logs))]) for _ in range(B)])


def test_bootstrap_is_the_plain_loop(space):
    np.testing.assert_allclose(space["bootstrapped"][:6], plain_bootstrap(6, 7), atol=2e-5)  # SLSQP's own error


def fast_bootstrap(B, seed):
    logs, found = generate(), np.empty(B)
    cell = 2 * (50 * logs["signup_week"] + logs["workspace_id"]) + logs["task_completed"]
    rng, cell = np.random.default_rng(seed), cell.to_numpy(np.int32)
    for b in range(B):
        drawn = cell[rng.integers(0, len(cell), len(cell), dtype=np.int32)]
        count = np.bincount(drawn, minlength=2 * 50 * 52).reshape(52, 50, 2)[:WEEKS]
        rates = count[..., 1] / count.sum(axis=2)
        found[b] = tool.blend(rates[:, WAVE_1].mean(axis=1), rates[:, ~WAVE_1], START).estimate
    return found


BENCHMARKS = [("04 user bootstrap, 500 refits", plain_bootstrap, fast_bootstrap, {"B": 500, "seed": 7}, 3e-5)]
