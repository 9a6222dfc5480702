"""Notebook 02: its own simulations. Drawn tables against users of the generator, broken worlds user by user.

The estimators are those of propensity.py (test_02_propensity.py); the sentences are held by tests/claims/02.py.
"""

import sys

import numpy as np
import pandas as pd
import propensity as tool
import pytest
import statsmodels.api as sm
from generate_data import World, generate, simulate
from notebook_tools import functions
from sklearn.linear_model import LogisticRegression

import run

NOTEBOOK = run.ROOT / "02_propensity_opt_in" / "psm_demo.ipynb"


@pytest.fixture(scope="module")
def nb():
    return functions(NOTEBOOK)


def within(a, b, errors=4):
    """Whether the means of two sets of simulations agree within so many Monte Carlo errors."""
    error = np.sqrt(np.var(a, axis=0, ddof=1) / len(a) + np.var(b, axis=0, ddof=1) / len(b))
    return np.all(np.abs(np.mean(a, axis=0) - np.mean(b, axis=0)) < errors * error)


def users_of(seed, world=None):
    """A dataset of the generator as counts in the tutorial's kinds: n, y (60,), confidence in ten classes."""
    d = simulate(seed, world=world or World(), outcomes=False)
    kind = 10 * d["tier"] + (10 * d["query_confidence"]).astype(int).clip(0, 9) + 30 * d["opt_in_agent_mode"]
    return np.bincount(kind, minlength=60), np.bincount(kind, d["task_completed"], minlength=60), d


def by_tier(n, y):
    """The ATE with a score for each tier, of counts in kinds (..., 60)."""
    n, y = (np.reshape(v, (*np.shape(v)[:-1], 2, 3, 10)).sum(axis=-1) for v in (n, y))
    return (n.sum(axis=-2) / 50_000 * (y[..., 1, :] / n[..., 1, :] - y[..., 0, :] / n[..., 0, :])).sum(axis=-1)


def ipw_of_users(d, slopes=False):
    """Weighting user by user, with the library's logistic regression."""
    tiers = np.column_stack([d["tier"] == 0, d["tier"] == 1]).astype(float)
    Z = np.column_stack([np.ones(len(tiers)), d["query_confidence"], tiers])
    Z = np.column_stack([Z, d["query_confidence"][:, None] * tiers]) if slopes else Z
    on, y = d["opt_in_agent_mode"] == 1, d["task_completed"]
    e = sm.Logit(on.astype(float), Z).fit(disp=False).predict(Z)
    return np.average(y[on], weights=1 / e[on]) - np.average(y[~on], weights=1 / (1 - e)[~on])


# ---- section 6: what the software leaves open


def test_the_published_matching_number_is_a_property_of_the_platform(nb):
    """The library's tie-break is one of those drawn; on Linux it is the number that the notebook quotes."""
    assert nb["ties"].min() - 0.01 < nb["arbitrary"] < nb["ties"].max() + 0.01
    assert nb["ties"].mean() == pytest.approx(nb["averaged"], abs=4 * nb["ties"].std() / np.sqrt(len(nb["ties"])))
    if sys.platform == "linux":
        assert nb["arbitrary"] == pytest.approx(nb["PLATFORMS"]["Linux"], abs=5e-5)


def without_replacement(d, rng):
    """Greedy matching in random order, each control at most once."""
    Z = np.column_stack([d["query_confidence"], d["tier"] == 0, d["tier"] == 1]).astype(float)
    on, y = d["opt_in_agent_mode"] == 1, d["task_completed"]
    e = LogisticRegression(max_iter=1000).fit(Z, on).predict_proba(Z)[:, 1]
    pool = rng.permutation(np.flatnonzero(~on))
    pool = pool[np.argsort(e[pool], kind="stable")]
    free_above, free_below = list(range(len(pool) + 1)), list(range(len(pool) + 1))  # of each gap: the next free place

    def find(link, k):
        while link[k] != k:
            link[k] = link[link[k]]
            k = link[k]
        return k

    treated, pairs = rng.permutation(np.flatnonzero(on)), []
    for user, k in zip(treated, np.searchsorted(e[pool], e[treated]), strict=True):
        above, below = find(free_above, k), find(free_below, k) - 1
        far = [abs(e[pool[p]] - e[user]) if 0 <= p < len(pool) else np.inf for p in (above, below)]
        place = above if far[0] < far[1] else below
        pairs.append(pool[place])
        free_above[place], free_below[place + 1] = place + 1, place
    assert len(set(pairs)) == len(pairs)
    return y[treated].mean() - y[pairs].mean()


def test_without_replacement_the_estimate_is_more_than_two_points_too_high():
    seeds = range(1000, 1020)
    found = [without_replacement(simulate(seed, outcomes=False), np.random.default_rng(seed)) for seed in seeds]
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert 0.08 + 0.02 < np.mean(found) < 0.08 + 0.025 + 2 * error


# ---- section 8: the bootstrap of rows, and the counts that replace it


def plain_bootstrap(samples):
    """Resample the table of users, make dummies, fit, weight; confidence in three decimals, as in the notebook."""
    logs, rng, found = generate(42, 50_000).round({"query_confidence": 3}), np.random.default_rng(7), []
    for _ in range(samples):
        frame = logs.iloc[rng.integers(0, len(logs), size=len(logs))]
        x = pd.get_dummies(frame[["engagement_tier", "query_confidence"]], drop_first=True).astype(float)
        on, y = frame["opt_in_agent_mode"].to_numpy() == 1, frame["task_completed"].to_numpy()
        e = LogisticRegression(max_iter=1000).fit(x, on).predict_proba(x)[:, 1]
        off = np.average(y[~on], weights=1 / (1 - e)[~on]), np.average(y[~on], weights=(e / (1 - e))[~on])
        found.append([np.average(y[on], weights=1 / e[on]) - off[0], y[on].mean() - off[1]])
    return np.array(found)


def fast_bootstrap(samples):
    nb = functions(NOTEBOOK)
    names = ["engagement_tier", "query_confidence", "opt_in_agent_mode", "task_completed"]
    logs = generate(42, 50_000)[names].round({"query_confidence": 3})
    X, d, n, _, kind = nb["kinds_of"](logs)
    nb.update(X=X, d=d)  # what `both` looks up
    blocks = tool.resampled(kind, logs["task_completed"], len(n), seed=7, draws=samples)
    return np.array([nb["both"](*sample) for block in blocks for sample in zip(*block, strict=True)])


def test_fast_bootstrap_is_the_plain_loop(nb):
    fast = fast_bootstrap(8)
    np.testing.assert_allclose(fast, plain_bootstrap(8), atol=1e-6)
    np.testing.assert_allclose(fast, nb["draws"][:8], atol=1e-12)


BENCHMARKS = [("02 bootstrap of IPW, 500 refits", plain_bootstrap, fast_bootstrap, {"samples": 500}, 1e-6)]


# ---- section 10: drawn tables, and the error that is not doubly robust


def test_drawn_tables_have_the_law_of_the_generator(nb):
    """Users, completions and estimates against 60 datasets made user by user: means and spreads."""
    n, y = nb["draw"](1, nb["rate"][nb["t"]], nb["usual"], nb["usual"] + nb["EFFECT"], 400)
    assert n.shape == y.shape == (400, 60) and (n.sum(axis=1) == 50_000).all() and (y <= n).all()
    made_n, made_y, _ = zip(*(users_of(seed) for seed in range(300, 360)), strict=True)
    made_n, made_y = np.array(made_n), np.array(made_y)
    for k in range(2):
        for tier in range(3):
            part = slice(30 * k + 10 * tier, 30 * k + 10 * tier + 10)
            assert within(made_n[:, part].sum(axis=1), n[:, part].sum(axis=1))
            rates = [b[:, part].sum(axis=1) / a[:, part].sum(axis=1) for a, b in ((made_n, made_y), (n, y))]
            assert abs(rates[0].mean() - rates[1].mean()) < 0.006  # the weekly shocks differ from seed to seed
    assert within(made_n[:, 7], n[:, 7]) and within(made_n[:, 35], n[:, 35]), "classes of confidence"
    a, b = by_tier(made_n, made_y), by_tier(n, y)
    assert within(a, b) and 0.7 < a.std() / b.std() < 1.35


def test_two_errors_of_a_constant_score(nb):
    """One table, user by user: the free error is that of the brackets, the other the infinitesimal jackknife."""
    n, y = nb["draw"](2, nb["rate"][nb["t"]], nb["usual"], nb["usual"] + nb["EFFECT"], 2)
    found = nb["constant_score"](n, y, nb["EFFECT"])
    frees, rights, h = [], [], 1e-4
    for a, b in zip(n, y, strict=True):
        cells = np.concatenate([a - b, b]).reshape(2, 2, 3, 10).sum(axis=3)  # (done, arms, tiers)
        m = cells[1] / cells.sum(axis=0)
        e = cells[:, 1].sum() / 50_000
        done, arm, _ = np.indices(cells.shape)
        brackets = (m[1] - m[0] + np.where(arm, (done - m[1]) / e, -(done - m[0]) / (1 - e))).ravel()
        mean = np.average(brackets, weights=cells.ravel())
        frees.append(np.sqrt(np.average((brackets - mean) ** 2, weights=cells.ravel()) / 50_000))

        def estimate(cells):
            m = cells[1] / cells.sum(axis=0)
            return (cells.sum(axis=(0, 1)) / cells.sum()) @ (m[1] - m[0])

        assert estimate(cells) == pytest.approx(mean, abs=1e-12)
        total = 0.0
        for at in np.ndindex(cells.shape):
            moved = cells.copy()
            moved[at] += h
            total += cells[at] * ((estimate(moved) - estimate(cells)) / h) ** 2
        rights.append(np.sqrt(total))
    np.testing.assert_allclose(found["error"], [np.mean(frees), np.mean(rights)], rtol=1e-3)


# ---- section 11: the broken worlds


def test_the_hidden_trait_is_that_of_the_generator(nb):
    """Probabilities of the notebook's table against those that the generator gives its users, and the estimates."""
    world, made, shares = World(hidden_opt_in=0.20, hidden_effect=0.10), [], []
    for seed in range(500, 525):
        n, y, d = users_of(seed, world)
        made.append(by_tier(n, y))
        groups = pd.DataFrame({k: d[k] for k in ("tier", "opt_in_agent_mode", "hidden")})
        shares.append(groups.groupby(["opt_in_agent_mode", "tier"])["hidden"].mean().to_numpy())
    assert within(np.array(made), nb["hidden"][:, 0])
    expected = np.concatenate([nb["q0"][::10], nb["q1"][::10]])
    error = np.std(shares, axis=0, ddof=1) / np.sqrt(len(shares))
    assert np.all(np.abs(np.mean(shares, axis=0) - expected) < 4 * error)


def test_hardly_any_overlap_is_as_rare_as_it_is_said_to_be(nb):
    world = World(opt_in_rate=(0.002, 0.35, 0.65), opt_in_effect=(0.02, 0.10, 0.10))
    made_n, made_y, _ = zip(*(users_of(seed, world) for seed in range(600, 640)), strict=True)
    made_n = np.array(made_n)
    n, y = nb["draw"](3, nb["buried_rate"], nb["usual"], nb["usual"] + nb["gains"], 400)
    assert within(made_n[:, 30:].sum(axis=1), n[:, 30:].sum(axis=1))
    assert within(made_n[:, 30:40].sum(axis=1), n[:, 30:40].sum(axis=1))
    assert within(by_tier(made_n, np.array(made_y)), by_tier(n, y))


def test_the_wrong_score_model_is_wrong_for_users_too(nb):
    """The generator's world with these slopes: bias and cure user by user, with the library's regressions."""
    world = World(opt_in_confidence_slope=(1.5, 0.0, -6.0), confidence_slope=(0.5, 0.0, -0.5))
    users = [simulate(seed, world=world, outcomes=False) for seed in range(700, 710)]
    wrong = [ipw_of_users(d) for d in users]
    cured = [ipw_of_users(d, slopes=True) for d in users]
    error = 0.0057 / np.sqrt(len(users))
    assert abs(np.mean(wrong) - np.mean(cured) - 0.02) < 0.004, "classes of confidence blur the bias a little"
    assert abs(np.mean(cured) - 0.079) < 4 * error
    _, e, p0, p1, truth = nb["world"]
    n, _ = nb["draw"](4, e, p0, p1, 1)
    s = tool.scores(nb["X"], tool.fit_propensity(nb["X"], nb["arm"], n[0]))
    for tier in range(3):  # "so much for calibrated"
        of_tier = np.tile(nb["t"] == tier, 2)
        assert np.average(s[of_tier], weights=n[0][of_tier]) == pytest.approx(
            np.average(nb["arm"][of_tier], weights=n[0][of_tier]), abs=1e-9
        )


def test_colleagues_by_a_loop_over_users(nb):
    """Twenty datasets user by user: what weighting finds, and how far the keenness of workspaces scatters."""
    rng, usual, found, keen = np.random.default_rng(8), nb["usual"][::10], [], []
    for _ in range(20):
        workspace, tier = rng.integers(0, 50, 50_000), rng.choice(3, 50_000, p=World.tier_share)
        shift = rng.normal(0, 0.15, 50)
        on = rng.random(50_000) < (nb["rate"][tier] + shift[workspace]).clip(0.01, 0.99)
        size, opted = np.bincount(workspace), np.bincount(workspace, on)
        share = (opted[workspace] - on) / (size[workspace] - 1)
        done = rng.random(50_000) < usual[tier] + 0.08 * on + 0.10 * share
        gaps = [done[on & (tier == k)].mean() - done[~on & (tier == k)].mean() for k in range(3)]
        found.append(np.bincount(tier) / 50_000 @ gaps)
        medium = tier == 1
        keen.append(np.std(np.bincount(workspace, on & medium) / np.bincount(workspace, medium)))
    assert within(np.array(found), nb["by_tiers"])
    rates = nb["on"][..., 1] / nb["users"][..., 1]
    assert within(np.array(keen), rates.std(axis=1))
