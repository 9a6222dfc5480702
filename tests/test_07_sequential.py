"""The tool of notebook 07: right numbers against libraries, plain loops and brute force; refusals for awkward logs."""

import itertools
from math import comb

import duckdb
import numpy as np
import pandas as pd
import pytest
import sequential as sq
import statsmodels.api as sm
from notebook_tools import RANDOM_LOGS
from own_logs import FATAL, UnfitLog
from scipy import integrate, special, stats
from statsmodels.stats.multitest import multipletests

COLUMNS = {"outcome": "y", "arm": "arm", "time": "day"}
HORIZON, PER_DAY = 1800, 60


def world(seed, n=4000, *, effect=0.1, share=0.5, days=20, rate=0.3, number=False, arms=("A", "B"), drift=0.0):
    """A log nobody has prepared: arm, day (1, 2, ...), outcome y, user u, and x from before."""
    rng = np.random.default_rng(seed)
    treated = rng.random(n) < share
    day = np.sort(rng.integers(1, days + 1, n))
    x = rng.normal(size=n)
    mean = rate + effect * treated + drift * (day / days - 0.5)
    y = mean + 0.8 * x + rng.normal(0, 1 + treated, n) if number else (rng.random(n) < mean) * 1
    return pd.DataFrame({"u": np.arange(n), "arm": np.where(treated, arms[1], arms[0]), "day": day, "y": y, "x": x})


def answer(frame, columns=COLUMNS, **design):
    return sq.analyse(frame, columns, **({"control_value": "A"} | design))


def by_hand(frame, last=None):
    """(difference of the means, Welch's error) of the rows up to a day."""
    rows = frame if last is None else frame[frame["day"] <= last]
    b, a = (rows.loc[rows["arm"] == arm, "y"] for arm in "BA")
    return b.mean() - a.mean(), np.sqrt(b.var() / len(b) + a.var() / len(a))


# ---- the t-test, the Bayes factor and the dynamic programme


@pytest.mark.parametrize("n, p, q", [(5, 0.5, 0.5), (60, 0.9, 0.2), (700, 0.3, 0.35)])
def test_t_statistic_is_scipys(n, p, q):
    rng = np.random.default_rng(n)
    x, y = rng.binomial(1, p, n), rng.binomial(1, q, n)
    library = stats.ttest_ind(x, y)
    assert abs(sq.t_statistic(x.sum(), y.sum(), n) - library.statistic) < 1e-9
    assert abs(sq.t_pvalue(x.sum(), y.sum(), n) - library.pvalue) < 1e-12
    assert sq.t_statistic(0, 0, 60) == 0 and sq.t_pvalue(60, 60, 60) == 1


def test_peeking_is_the_loop_over_days():
    rng, expected = np.random.RandomState(42), []
    for _ in range(4):
        control, treated, row = [], [], []
        for _ in range(30):
            control.extend(rng.binomial(1, 0.60, PER_DAY))
            treated.extend(rng.binomial(1, 0.60, PER_DAY))
            row.append(stats.ttest_ind(treated, control).pvalue)
        expected.append(row)
    np.testing.assert_allclose(sq.peeking(42, 4), expected, atol=1e-9)


@pytest.mark.parametrize("a, b, n_a, n_b, prior", [(7, 3, 10, 12, 1.0), (0, 0, 4, 3, 0.5), (2, 1, 2, 5, 3.0)])
def test_log_bayes_factor_is_the_ratio_of_integrals(a, b, n_a, n_b, prior):
    def marginal(ones, users):
        def integrand(p):
            return p**ones * (1 - p) ** (users - ones) * stats.beta.pdf(p, prior, prior)

        return integrate.quad(integrand, 0, 1)[0]

    expected = np.log(marginal(a, n_a) * marginal(b, n_b) / marginal(a + b, n_a + n_b))
    assert abs(sq.log_bayes_factor(a, b, n_a, n_b, prior) - expected) < 1e-5


@pytest.mark.parametrize("p, n", [(0.6, 1), (0.6, 7), (0.05, 12)])
def test_mean_under_null_is_the_double_sum(p, n):
    total = 0.0
    for a, b in itertools.product(range(n + 1), repeat=2):
        chance = comb(n, a) * comb(n, b) * p ** (a + b) * (1 - p) ** (2 * n - a - b)
        total += chance * np.exp(sq.log_bayes_factor(a, b, n, n))
    assert abs(sq.mean_under_null(p, n) - total) < 1e-10


@pytest.mark.parametrize("p, effect, prior, first", [(0.6, 0.0, 1.0, 1), (0.3, 0.4, 0.1, 3)])
def test_stop_probabilities_are_those_of_all_paths(p, effect, prior, first):
    """Every sequence of six pairs, one by one, at a boundary that is reached early."""
    pairs, boundary, expected = 6, 1.8, np.zeros(6)
    for path in itertools.product(itertools.product((0, 1), repeat=2), repeat=pairs):
        x, y = np.array(path).T
        chance = np.prod(np.where(x, p + effect, 1 - p - effect) * np.where(y, p, 1 - p))
        n = np.arange(1, pairs + 1)
        log_e = sq.log_bayes_factor(np.cumsum(x), np.cumsum(y), n, n, prior)
        crossed = (log_e >= np.log(boundary)) & (n >= first)
        if crossed.any():
            expected[np.argmax(crossed)] += chance
    np.testing.assert_allclose(sq.stop_probabilities(p, pairs, prior, boundary, effect, first), expected, atol=1e-12)
    assert expected.sum() > 0.05


def test_the_bayes_factor_of_the_article_breaks_its_promise():
    """Exact, at the article's own rate and beyond it; the mean of the e-value is above 1 there."""
    assert round(sq.stop_probabilities(0.4, HORIZON).sum(), 5) == 0.05459
    assert round(sq.stop_probabilities(0.5, HORIZON).sum(), 5) == 0.05754
    assert round(sq.stop_probabilities(0.6, HORIZON, effect=0.05).sum(), 5) == 0.50411
    assert round(sq.mean_under_null(0.6, HORIZON), 4) == 1.5998
    found = [round(sq.stop_probabilities(0.6, 500, prior).sum(), 4) for prior in (1, 0.5, 0.1, 0.01)]
    assert found == [0.0510, 0.0726, 0.1421, 0.4935]


def test_running_e_and_power_study_are_the_loop_over_pairs():
    rng, found, n = np.random.RandomState(42), [], np.arange(1, HORIZON + 1)
    for _ in range(6):
        x, y = rng.binomial(1, 0.65, HORIZON), rng.binomial(1, 0.60, HORIZON)
        a, b = np.cumsum(x), np.cumsum(y)
        log_e = special.betaln(a + 1, n - a + 1) + special.betaln(b + 1, n - b + 1)
        log_e -= special.betaln(a + b + 1, 2 * n - a - b + 1)
        np.testing.assert_allclose(sq.running_e(x, y), np.exp(log_e), rtol=1e-9)
        crossed = np.flatnonzero(log_e >= np.log(20))
        stop = (crossed[0] + 1) / PER_DAY if len(crossed) else 30
        found.append([stop, stats.ttest_ind(x, y).pvalue, len(crossed) > 0])
    np.testing.assert_allclose(np.transpose(sq.power_study(42, 6)), found, atol=1e-9)


def test_race_is_the_loop_over_pairs():
    days, pairs = 20, 1200
    got = sq.race(0.72, 0.60, 3, seed=21, days=days, chunk=2)
    rng, c = np.random.default_rng(21), {}
    for size in (2, 1):
        part = sq.running_counts(rng, 0.72, 0.60, size, pairs)
        c = {name: np.concatenate([c[name], value]) if c else value for name, value in part.items()}
    z = {
        "Pocock spending": sq.spending_bounds(sq.pocock(np.arange(1, days + 1) / days)),
        "peeking daily": np.full(days, 1.959964),
    }
    for i in range(3):
        stops = dict.fromkeys(("bayes", "betting", "mixture", "sequence", *z), pairs + 1)
        for n in range(1, pairs + 1):
            x, y = c["x"][i, :n], c["y"][i, :n]
            a, b, d = x.sum(), y.sum(), x - y
            p, q = (a + 1) / (n + 2), (b + 1) / (n + 2)
            variance = (p * (1 - p) + q * (1 - q)) / n
            mean, half = sq.pair_sequence(d.sum(), np.sum(d**2), n, pairs)
            now = {
                "bayes": sq.log_bayes_factor(a, b, n, n) >= np.log(20),
                "betting": sq.betting_log_e(np.sum(d > 0), np.sum(d < 0)) >= np.log(20),
                "mixture": sq.normal_mixture_log_e(np.mean(d), variance, 0.05) >= np.log(20),
                "sequence": abs(mean) > half and min(a, b, n - a, n - b) >= sq.MINIMUM,
            }
            if n % PER_DAY == 0:
                t = abs(stats.ttest_ind(x, y).statistic)
                now |= {name: t >= bound[n // PER_DAY - 1] for name, bound in z.items()}
            stops |= {name: n for name, yes in now.items() if yes and stops[name] > pairs}
        names = ["article's Bayes factor", "betting on discordant pairs", "normal mixture", "confidence sequence", *z]
        assert [got[name][i, 0] for name in names] == list(stops.values())
        last = min(got["safe 2x2 test"][i, 0], pairs)
        assert got["safe 2x2 test"][i, 1:].tolist() == [c["a"][i, last - 1], c["b"][i, last - 1]]
    assert max(found[:, 0].min() for found in got.values()) <= pairs


def test_the_honest_methods_keep_their_promise():
    """1,500 experiments at a rate of .75; the others are peeking and, at middling rates, the article's."""
    stopped = pd.Series(
        {name: (found[:, 0] <= HORIZON).mean() for name, found in sq.race(0.75, 0.75, 1500, 99).items()}
    )
    assert stopped.drop("peeking daily").max() < 0.05 + 3 * 0.0056 and stopped["peeking daily"] > 0.2


# ---- e-values whose guarantee is real


def test_safe_test_is_the_loop_over_unequal_blocks_and_learns_from_the_past_only():
    rng, n_a, n_b = np.random.default_rng(4), np.array([3, 1, 5, 2]), np.array([1, 4, 5, 9])
    a, b, delta = rng.binomial(n_a, 0.4), rng.binomial(n_b, 0.6), 0.07
    expected = []
    for k in range(1, 5):
        capital = [1.0, 1.0]
        for block in range(k):
            ones, users = (a + b)[:block].sum(), (n_a + n_b)[:block].sum()
            base = (ones + 1) / (users + 2)
            for s, sign in enumerate((1, -1)):
                high = base + sign * delta * n_b[block] / (n_a + n_b)[block]
                low = base - sign * delta * n_a[block] / (n_a + n_b)[block]
                capital[s] *= stats.binom.pmf(a[block], n_a[block], high) * stats.binom.pmf(b[block], n_b[block], low)
                capital[s] /= stats.binom.pmf(a[block], n_a[block], base) * stats.binom.pmf(b[block], n_b[block], base)
        expected.append(np.log(np.mean(capital)))
    np.testing.assert_allclose(sq.safe_log_e(a, b, n_a, n_b, delta), expected, rtol=1e-10)


@pytest.mark.parametrize("p", [0.03, 0.4, 0.8])
def test_safe_test_has_mean_at_most_one_at_every_null(p):
    """All outcomes of two blocks of 2 against 3 users; the Bayes factor's mean would be above 1 at 0.4."""
    n_a, n_b, mean = np.array([2, 2]), np.array([3, 3]), 0.0
    for a in itertools.product(range(3), repeat=2):
        for b in itertools.product(range(4), repeat=2):
            chance = np.prod(stats.binom.pmf(a, 2, p)) * np.prod(stats.binom.pmf(b, 3, p))
            mean += chance * np.exp(sq.safe_log_e(np.array(a), np.array(b), n_a, n_b, delta=0.2)[-1])
    assert 0.5 < mean <= 1 + 1e-12


def test_betting_is_a_beta_binomial_against_a_fair_coin_and_fair():
    wins, losses = np.array([0, 3, 40]), np.array([1, 2, 21])
    total = wins + losses
    expected = stats.betabinom.logpmf(wins, total, 7, 7) - stats.binom.logpmf(wins, total, 0.5)
    np.testing.assert_allclose(sq.betting_log_e(wins, losses, 7.0), expected, atol=1e-9)
    k = np.arange(31)
    assert abs(stats.binom.pmf(k, 30, 0.5) @ np.exp(sq.betting_log_e(k, 30 - k)) - 1) < 1e-9


def test_normal_mixture_is_the_integral_over_effects():
    estimate, variance, tau = 0.11, 0.0031, 0.08

    def ratio(effect):
        likelihood = stats.norm.pdf(estimate, effect, variance**0.5) / stats.norm.pdf(estimate, 0, variance**0.5)
        return likelihood * stats.norm.pdf(effect, 0, tau)

    expected = np.log(integrate.quad(ratio, -0.8, 0.8)[0])
    assert abs(sq.normal_mixture_log_e(estimate, variance, tau) - expected) < 1e-7


def test_mixture_bound_is_where_its_e_value_is_one_over_alpha():
    time, tightest, alpha = np.array([3.0, 250.0, 9000.0]), 250.0, 0.1
    z = sq.mixture_bound(time, tightest, alpha)
    x = (-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1)) * time / tightest
    np.testing.assert_allclose(stats.norm.pdf(z, 0, np.sqrt(1 + x)) / stats.norm.pdf(z), 1 / alpha, rtol=1e-9)
    np.testing.assert_allclose(sq.mixture_log_e(z, time, tightest, alpha), np.log(1 / alpha), rtol=1e-12)
    grid = np.arange(50.0, 1000.0)  # and it is the lowest near the time that was asked for
    assert abs(grid[np.argmin(sq.mixture_bound(grid, tightest, alpha) / np.sqrt(grid))] - grid[-1]) < 1
    widths = [sq.mixture_bound(250.0, t, alpha) for t in (50.0, 250.0, 1250.0)]
    assert widths[1] < widths[0] and widths[1] < widths[2]


def test_pair_sequence_is_the_published_formula():
    """Waudby-Smith et al. (2024), theorem 2.2, with rho of their section 2.4."""
    d = np.random.default_rng(5).normal(0.3, 2, 400)
    mean, half = sq.pair_sequence(d.sum(), np.sum(d**2), 400, 250, 0.1)
    rho2 = (-2 * np.log(0.1) + np.log(-2 * np.log(0.1) + 1)) / 250
    width = np.sqrt(2 * (400 * rho2 + 1) / (400**2 * rho2) * np.log(np.sqrt(400 * rho2 + 1) / 0.1))
    assert abs(mean - d.mean()) < 1e-12 and abs(half - d.std() * width) < 1e-12


def test_e_bh_is_bh_on_inverse_e_values():
    e = np.exp(np.random.default_rng(9).normal(2, 3, (40, 12)))
    expected = [multipletests(np.minimum(1 / row, 1), 0.1, "fdr_bh")[0] for row in e]
    got = sq.e_benjamini_hochberg(e, 0.1)
    assert np.array_equal(got, expected) and 0 < got.mean() < 1
    assert not sq.e_benjamini_hochberg(np.ones((2, 5))).any()


# ---- group-sequential bounds


def test_spending_bounds_are_those_of_lan_and_demets():
    """Five looks, two-sided 5 %: the values that the program of Reboussin, DeMets, Kim and Lan (2000) prints."""
    t = np.arange(1, 6) / 5
    np.testing.assert_allclose(
        sq.spending_bounds(sq.obrien_fleming(t)), [4.8769, 3.3569, 2.6803, 2.2898, 2.0310], atol=2e-4
    )
    np.testing.assert_allclose(sq.spending_bounds(sq.pocock(t)), [2.4380, 2.4268, 2.4101, 2.3966, 2.3859], atol=2e-4)


@pytest.mark.parametrize("kind", [sq.pocock, sq.obrien_fleming])
def test_spending_bounds_with_uneven_information_are_those_of_scipys_normal_integral(kind):
    information = np.array([1.0, 2.0, 7.0, 10.0])
    spent = kind(np.array([0.25, 0.5, 0.75, 1.0]))  # by the calendar, while information comes unevenly
    z = sq.spending_bounds(spent, information)
    for k in range(1, 5):
        covariance = np.sqrt(
            np.minimum.outer(information[:k], information[:k]) / np.maximum.outer(information[:k], information[:k])
        )
        inside = stats.multivariate_normal(np.zeros(k), covariance, seed=0).cdf(z[:k], lower_limit=-z[:k])
        assert abs(1 - inside - spent[k - 1]) < 2e-4
    above, below = sq.crossing_probabilities(z, information)
    np.testing.assert_allclose(np.cumsum(above + below), spent, atol=1e-9)


@pytest.mark.parametrize("kind, looks, constant", [("Pocock", 3, 2.289), ("O'Brien-Fleming", 4, 2.024)])
def test_crossing_probabilities_know_the_classical_constants(kind, looks, constant):
    """Jennison and Turnbull (2000), tables 2.1 and 2.3: bounds of constant z, and of constant z sqrt(k)."""
    k = np.arange(1, looks + 1)
    z = constant * (np.ones(looks) if kind == "Pocock" else np.sqrt(looks / k))
    assert abs(sq.crossing_probabilities(z, k * 3.0).sum() - 0.05) < 1e-4


def test_crossing_probabilities_are_those_of_simulation():
    information = np.array([1.0, 4.0, 5.0, 12.0])
    z, drift = np.array([2.5, np.inf, 2.2, 2.0]), 2.4
    steps = np.diff(information / 12, prepend=0)
    w = np.cumsum(np.random.default_rng(1).normal(drift * steps, np.sqrt(steps), (200_000, 4)), axis=1)
    out = np.sign(w) * (np.abs(w) >= z * np.sqrt(information / 12))
    first = np.where((out != 0).any(axis=1), (out != 0).argmax(axis=1), 4)
    signs = np.append(out, np.zeros((len(out), 1)), axis=1)[np.arange(len(out)), first]
    simulated = [[np.mean((first == k) & (signs == s)) for k in range(4)] for s in (1, -1)]
    np.testing.assert_allclose(sq.crossing_probabilities(z, information, drift), simulated, atol=0.005)


def test_a_look_at_which_nothing_can_be_spent_has_no_bound():
    z = sq.spending_bounds(sq.obrien_fleming(np.array([0.001, 0.5, 1.0])), np.array([0.001, 0.5, 1.0]))
    assert np.isinf(z[0]) and abs(z[1] - 2.9626) < 1e-3


# ---- the interval for every sample size


@pytest.mark.parametrize("s, v, rho, c", [(3.0, 20.0, 7.0, 2.0), (-1.5, 4.0, 30.0, 0.7), (40.0, 900.0, 300.0, 11.0)])
def test_the_mixture_is_an_integral(s, v, rho, c):
    """Of exp(l s - v psi(l)) over l, with the weights of proposition 9 of Howard et al. (2021)."""

    def weight(u):  # u = 1 - c l
        return u ** (rho / c**2 - 1) * np.exp(-u * rho / c**2)

    def path(u):
        return np.exp((1 - u) / c * s - v * (-np.log(u) - (1 - u)) / c**2)

    expected = integrate.quad(lambda u: path(u) * weight(u), 0, 1)[0] / integrate.quad(weight, 0, 1)[0]
    value, slope = sq._log_mixture(s, v, rho, c)
    assert abs(value - np.log(expected)) < 1e-6
    step = 1e-5
    assert (
        abs(slope - (sq._log_mixture(s + step, v, rho, c)[0] - sq._log_mixture(s - step, v, rho, c)[0]) / 2 / step)
        < 1e-6
    )


def test_guaranteed_radius_is_where_the_mixture_is_two_over_alpha():
    v = np.array([0.0, 1e-3, 1.0, 1e3, 1e6, 1e9])
    s = sq.guaranteed_radius(v, 100.0, 2.0, 0.1)
    np.testing.assert_allclose(sq._log_mixture(s, v, 100.0, 2.0)[0], np.log(20), atol=1e-5)
    normal = sq.mixture_bound(1e9, 100.0 * sq._tuning(0.1), 0.1) * np.sqrt(1e9)
    assert 1 < s[-1] / normal < 1.02  # for many users it is the normal mixture


def test_guaranteed_is_the_loop_over_users():
    rng = np.random.default_rng(7)
    share, users = 0.3, rng.integers(5, 30, 6)
    treated = [rng.random(n) < share for n in users]
    outcome = [rng.random(n) ** 2 for n in users]
    total, squares, n, past = 0.0, 0.0, 0, [np.zeros(2), np.zeros(2)]
    expected = []
    for arm, y in zip(treated, outcome, strict=True):
        pooled = (10 * 0.4 + sum(past[1])) / (10 + sum(past[0]))
        guess = (10 * pooled + past[1]) / (10 + past[0])
        for a, value in zip(arm, y, strict=True):
            deviation = (value - guess[1]) / share if a else -(value - guess[0]) / (1 - share)
            total, squares, n = total + guess[1] - guess[0] + deviation, squares + deviation**2, n + 1
        expected.append((total / n, squares))
        past = [past[0] + [np.sum(~arm), np.sum(arm)], past[1] + [y[~arm].sum(), y[arm].sum()]]
    sums = [
        np.array([[np.sum(f(y)[a == side]) for a, y in zip(treated, outcome, strict=True)] for side in (False, True)])
        for f in (np.ones_like, lambda y: y, np.square)
    ]
    w = sq.guaranteed(sq.Counts(*sums), share=share, expected=0.4, tightest=50.0)
    mean, squares = np.array(expected).T
    rho = 50 * 0.4 * 0.6 / (share * (1 - share)) / sq._tuning(0.05)
    half = sq.guaranteed_radius(squares, rho, 1 / share) / np.cumsum(users)
    np.testing.assert_allclose([w.estimate, w.lo, w.hi], [mean, mean - half, mean + half], rtol=1e-9)


@pytest.mark.parametrize(
    "p, share", [((0.5, 0.5), 0.5), ((0.002, 0.002), 0.5), ((0.02, 0.01), 0.1), ((0.95, 0.9), 0.7)]
)
def test_the_guarantee_holds_from_the_first_user_on(p, share):
    """1,000 tests that are read after every one of the first 60 users, and then every hundred."""
    rng, users = np.random.default_rng(8), np.concatenate([np.ones(60, int), np.full(60, 100)])
    treated = rng.binomial(users, share, (1000, len(users)))
    n = np.stack([users - treated, treated], axis=1)
    y = rng.binomial(n, np.array([p[1], p[0]])[:, None])
    for expected in (None, 0.5):
        w = sq.guaranteed(sq.Counts(n, y, y), share=share, expected=expected)
        assert w.ready[:, -1].all() and 1 - w.covers(p[0] - p[1]).mean() < 0.05 + 3 * 0.007


# ---- counts: each arm by its own users


@pytest.mark.parametrize("share", [0.5, 0.45, 0.1])
@pytest.mark.parametrize("number", [False, True])
def test_every_look_is_the_formula_on_the_rows(share, number):
    """First edition: arm 0 was divided by arm 1's users: at 45 : 55 the interval always excluded 0."""
    frame = world(1, share=share, number=number, effect=0.05)
    result = answer(frame, planned_share=share, tightest=3000)
    looks = result.looks[result.looks["verdict"] != ""]
    first, start = None, None
    for row in looks.itertuples():
        estimate, error = by_hand(frame, row.look)
        rows = frame[frame["day"] <= row.look]
        n0, n1 = (rows["arm"] == "A").sum(), (rows["arm"] == "B").sum()
        clock = (n0 * n1 / (n0 + n1) * error) ** 2
        first, start = first or clock, start or len(rows)
        half = sq.mixture_bound(clock / first * start, 3000) * error
        np.testing.assert_allclose(
            [row.estimate, row.error, row.lo, row.hi], [estimate, error, estimate - half, estimate + half], rtol=1e-9
        )
        assert (row.users_control, row.users_treated) == (n0, n1)
    assert len(looks) > 10 and result.estimate == pytest.approx(by_hand(frame)[0], rel=1e-12)


def test_gbstats_agrees():
    """gbstats 0.8.0, SequentialTwoSidedTTest, difference_type="absolute", sequential_tuning_parameter=8000 and 3000:

    ProportionStatistic(9000, 5400), ProportionStatistic(1000, 650); and SampleMeanStatistic(4000, 20000.5, 180000.25),
    SampleMeanStatistic(1500, 8100.75, 80000.5) at alpha=0.1. Of proportions it divides by n, not n - 1.
    """
    small = sq.Counts([[9000], [1000]], [[5400], [650]], [[5400], [650]])
    w = sq.walk(small, tightest=8000)
    np.testing.assert_allclose([w.lo[0], w.hi[0]], [0.0015727010414960385, 0.09842729895850405], atol=3e-5)
    y3 = np.full((2, 1), 1e7)  # only the number of events depends on the higher sums
    large = sq.Counts([[4000], [1500]], [[20000.5], [8100.75]], [[180000.25], [80000.5]], y3, 100 * y3)
    w = sq.walk(large, tightest=3000, alpha=0.1, minimum=0)
    np.testing.assert_allclose(
        [w.lo[0], w.hi[0], np.exp(-w.log_e[0])],
        [-0.004350404845587741, 0.8051004048455885, 0.10793143019089614],
        rtol=1e-9,
    )


def test_looks_compared_within_are_a_regression_on_looks_and_arm():
    frame = world(2, number=True, drift=2.0, share=0.3)
    late = (frame["day"] > 10) & (np.random.default_rng(1).random(len(frame)) < 0.5)
    frame["arm"] = frame["arm"].where(~late, "B")  # the share grows while the outcome does
    with pytest.raises(UnfitLog, match="the shares of the arms change during the test.*allocation='by_look'"):
        answer(frame, planned_share="unknown")
    got = answer(frame, allocation="by_look")
    X = np.column_stack([frame["arm"] == "B", pd.get_dummies(frame["day"])]).astype(float)
    fit = sm.OLS(frame["y"].to_numpy(), X).fit(cov_type="HC2")
    assert got.estimate == pytest.approx(fit.params[0], rel=1e-9)
    assert got.standard_error == pytest.approx(fit.bse[0], rel=0.02)
    pooled = answer(frame, planned_share="unknown", accept="allocation")
    assert pooled.problems["problem"].str.contains("shares of the arms change").any()
    assert pooled.estimate - got.estimate > 3 * got.standard_error  # Simpson's paradox


def test_looks_with_a_single_user_in_an_arm_are_put_together():
    frame = world(3, n=600, days=120, share=0.2, rate=0.5)
    got = answer(frame, allocation="by_look", minimum=20)
    pending, groups, group = {"A": 0, "B": 0}, {}, 0
    for day, rows in frame.groupby("day"):
        groups[day] = group
        for arm in "AB":
            pending[arm] += (rows["arm"] == arm).sum()
        if min(pending.values()) >= 2:
            pending, group = {"A": 0, "B": 0}, group + 1
    kept = frame.assign(g=frame["day"].map(groups)).query("g < @group")
    X = np.column_stack([kept["arm"] == "B", pd.get_dummies(kept["g"])]).astype(float)
    assert got.estimate == pytest.approx(sm.OLS(kept["y"].to_numpy(), X).fit().params[0], rel=1e-9)


def test_a_covariate_is_the_regression_on_it_and_narrows_the_interval():
    frame = world(4, number=True, effect=0.2)
    plain, adjusted = answer(frame), answer(frame, COLUMNS | {"before": "x"})
    X = sm.add_constant(np.column_stack([frame["arm"] == "B", frame["x"]]).astype(float))
    fit = sm.OLS(frame["y"].to_numpy(), X).fit(cov_type="HC2")
    assert adjusted.estimate == pytest.approx(fit.params[1], rel=1e-9)
    assert adjusted.standard_error == pytest.approx(fit.bse[1], rel=0.02)
    assert adjusted.standard_error < 0.95 * plain.standard_error and "CUPED" in adjusted.method
    within = answer(frame, COLUMNS | {"before": "x"}, allocation="by_look")
    assert within.standard_error == pytest.approx(adjusted.standard_error, rel=0.03)


def test_users_without_a_covariate_keep_their_place():
    frame = world(5, number=True)
    gone = np.random.default_rng(1).random(len(frame)) < 0.3
    got = answer(frame.assign(x=frame["x"].where(~gone)), COLUMNS | {"before": "x"})
    assert got.n["used"] == len(frame)
    assert got.problems.loc[got.problems["problem"] == "covariate is missing", "rows"].item() == gone.sum()
    assert answer(frame, COLUMNS | {"before": "x"}).standard_error < got.standard_error < answer(frame).standard_error


def test_a_covariate_that_the_treatment_changed_is_refused():
    frame = world(6, number=True).assign(x=lambda f: f["x"] + (f["arm"] == "B"))
    with pytest.raises(UnfitLog, match="`before` differs between the arms"):
        answer(frame, COLUMNS | {"before": "x"})
    assert "differs between the arms" in answer(frame, COLUMNS | {"before": "x"}, accept="before").report()
    lost = frame.assign(x=world(6, number=True)["x"].where(frame["arm"] == "A"))
    with pytest.raises(UnfitLog, match="`before` differs between the arms"):
        answer(lost, COLUMNS | {"before": "x"})


# ---- errors and coverages, measured


def simulate(seed, p, share, users, experiments=1000):
    rng = np.random.default_rng(seed)
    treated = rng.binomial(users, share, (experiments, len(users)))
    n = np.stack([users - treated, treated], axis=1)
    y = rng.binomial(n, np.broadcast_to(np.stack([p[1] + 0 * users, p[0] + 0 * users]), n.shape))
    return sq.Counts(n, y, y)


RARE = [
    ((0.03, 0.02), 0.5),
    ((0.02, 0.01), 0.5),
    ((0.01, 0.001), 0.5),
    ((0.01, 0.001), 0.1),
    ((0.001, 0.001), 0.9),
    ((0.6, 0.6), 0.1),
    ((0.6, 0.6), 0.45),
    ((0.97, 0.99), 0.5),
]


@pytest.mark.parametrize("p, expected", [((0.02, 0.01), 0.173), ((0.01, 0.001), 0.525)])
def test_sixty_pairs_are_not_enough_for_rare_outcomes(p, expected):
    """First edition: misses within 6,000 pairs from the 60th on, where there may be no event yet and no width."""
    rng, n = np.random.default_rng(9), np.arange(1, 6001)
    a, b = (rng.random((600, 6000), np.float32) < rate for rate in p)
    gaps = a.astype(np.int8) - b
    mean, half = sq.pair_sequence(gaps.cumsum(axis=1), np.abs(gaps).cumsum(axis=1), n, HORIZON)
    missed = np.abs(mean - (p[0] - p[1])) > half
    assert abs(missed[:, 59:].any(axis=1).mean() - expected) < 4 * 0.02
    enough = np.minimum(a.cumsum(axis=1), b.cumsum(axis=1)) >= sq.MINIMUM
    assert (missed & enough).any(axis=1).mean() < 0.05


@pytest.mark.parametrize("p, share", RARE)
def test_twenty_events_in_each_arm_are_enough(p, share):
    """First edition: zero width with few events; misses .173 at 2 % against 1 %, .525 at 1 % against .1 %."""
    rare = min(p[0] * share, (1 - p[0]) * share, p[1] * (1 - share), (1 - p[1]) * (1 - share))
    users = np.diff((np.geomspace(3, 2000, 250) / rare).astype(int), prepend=0)
    counts = simulate(10, p, share, users)
    missed = 1 - sq.walk(counts).covers(p[0] - p[1]).mean()
    assert missed < 0.05 + 2 * 0.007


@pytest.mark.parametrize(
    "draw",
    [
        lambda r, s: r.exponential(1, s),
        lambda r, s: np.exp(1.2 * r.normal(size=s)),
        lambda r, s: (r.random(s) < 0.05) * r.exponential(20, s),
    ],
)
def test_the_sequence_covers_for_skewed_numbers(draw):
    """Exponential, lognormal, and a rare purchase of exponential size; arms of 30 : 70; 400 tests, 100 looks."""
    rng, effect = np.random.default_rng(11), 0.3
    big, small = draw(rng, (400, 100, 42)), draw(rng, (400, 100, 18)) + effect
    sums = [np.stack([np.sum(arm**k, axis=-1) for arm in (big, small)], axis=1) for k in range(5)]
    w = sq.walk(sq.Counts(*sums))
    assert w.ready[:, -1].mean() > 0.35 and 1 - w.covers(effect).mean() < 0.05 + 2.5 * 0.011


@pytest.mark.parametrize("late, share", [(0.005, 0.05), (0.005, 0.1), (0.002, 0.05), (0.002, 0.1), (0.005, 0.5)])
def test_a_small_arm_that_has_met_no_time_out_yet_says_nothing(late, share):
    """Latency with time-outs of 60 s, no effect: a rollout to 5 % missed 0 in up to a third of all tests."""
    rng = np.random.default_rng(0)
    n = rng.binomial(200, share, (1000, 60))
    sums = np.zeros((5, 1000, 2, 60))
    for tests in np.array_split(np.arange(1000), 20):
        quick = np.exp(0.3 * rng.normal(size=(len(tests), 60, 200)))
        y = np.where(rng.random(quick.shape) < late, 60.0, quick)
        treated = np.arange(200) < n[tests][..., None]
        for k in range(5):
            sums[k, tests] = np.stack([(y**k * ~treated).sum(axis=-1), (y**k * treated).sum(axis=-1)], axis=1)
    w = sq.walk(sq.Counts(*sums))
    assert 1 - w.covers(0.0).mean() < 0.05 + 2.5 * 0.007
    assert share < 0.5 or w.ready[:, -1].mean() > 0.9


@pytest.mark.parametrize("mean, spread", [(99.95, 0.01), (50, 0.001), (-3e4, 1), (1, 1e-6)])
def test_a_mean_that_is_large_against_the_spread_changes_nothing(mean, spread):
    """Availability in percent: "a few users carry most of the spread", or "fewer than 20 events"."""
    rng, n = np.random.default_rng(1), 6000
    arm, z = rng.integers(0, 2, n), rng.normal(size=n)
    z, day = z + 0.2 * arm, np.sort(rng.integers(1, 21, n))
    columns = {"outcome": "y", "arm": "arm", "time": "day"}
    got, plain = (sq.analyse(pd.DataFrame({"arm": arm, "day": day, "y": m + s * z}), columns)
                  for m, s in ((mean, spread), (0, 1)))  # fmt: skip
    assert got.warnings() == plain.warnings() == ""
    expected = [plain.estimate, plain.lo, plain.hi]
    assert np.array([got.estimate, got.lo, got.hi]) / spread == pytest.approx(expected, rel=1e-3)


def test_times_with_am_and_pm_are_refused_and_an_expression_has_as_many_lines_as_it_likes():
    """DuckDB reads "01:30 PM" as 01:30; a line that is a bracket was taken for the end of a query's block."""
    rng, n = np.random.default_rng(2), 2000
    t = pd.Timestamp("2026-01-05") + pd.to_timedelta(rng.integers(0, 4 * 86400, n), unit="s")
    frame = pd.DataFrame({"arm": rng.integers(0, 2, n), "y": rng.integers(0, 4, n)})
    frame["t"] = t.strftime("%Y-%m-%d %I:%M:%S %p")
    columns = {"outcome": "y", "arm": "arm", "time": "t"}
    with pytest.raises(UnfitLog, match=r"time is no time \(arm 0\): 1,0\d\d rows"):
        sq.analyse(frame, columns)
    frame["t"] = t.strftime("%Y-%m-%d %H:%M:%S")
    long, short = "CASE WHEN y IN (\n  1, 2\n) THEN 0 ELSE y END", "CASE WHEN y IN (1, 2) THEN 0 ELSE y END"
    one, other = (sq.analyse(frame, columns | {"outcome": outcome}) for outcome in (long, short))
    assert (one.estimate, one.lo) == (other.estimate, other.lo)


def test_information_not_days_keeps_the_level_of_spending():
    """First edition: boundaries in days, where traffic grows tenfold: .0615 and .0665."""
    users = np.linspace(60, 600, 30).astype(int)
    counts = simulate(12, (0.6, 0.6), 0.5, users, 6000)
    spent = np.cumsum(users) / users.sum()
    calendar = np.arange(1, 31) / 30
    for method in sq.SPENDING:
        for clock in (spent, calendar):  # the calendar may say how much is spent; the bounds know the information
            w = sq.walk(counts, method, spent=clock)
            assert abs(1 - w.covers(0.0).mean() - 0.05) < 3 * 0.0028
    kind = sq.pocock(calendar)
    wrong = sq.spending_bounds(kind)  # as if every day told as much as any other
    estimate, variance, _ = sq.running(counts)
    assert (np.abs(estimate) > wrong * np.sqrt(variance)).any(axis=1).mean() > 0.057


def test_drifting_rates_and_a_ramp():
    """Both arms drift from .3 to .9: the pooled sequence holds. With shares of 10, 30, 50 % only that within looks."""
    users, drift = np.full(30, 480), np.linspace(0.3, 0.9, 30)
    steady = simulate(13, (drift, drift), 0.5, users, 1500)
    assert 1 - sq.walk(steady).covers().mean() < 0.05 + 2 * 0.0056
    ramp = simulate(14, (drift, drift), np.repeat([0.1, 0.3, 0.5], 10), users, 500)
    assert 1 - sq.walk(ramp).covers().mean() > 0.9
    assert 1 - sq.walk(ramp, by_look=True).covers().mean() < 0.05 + 2 * 0.01
    p = sq.share_test(np.stack([ramp.n[0, 0], ramp.n[0, 1]]))
    assert p < 1e-10 and sq.share_test(np.stack([steady.n[0, 0], steady.n[0, 1]])) > 0.001


def test_a_covariate_keeps_the_level_although_its_slope_is_estimated_at_every_look():
    rng, size = np.random.default_rng(15), (1500, 2, 40, 25)
    x = rng.exponential(1, size)
    y = 2 * x + rng.exponential(1, size)
    sums = [np.sum(a, axis=-1) for a in (np.ones(size), y, y**2, y**3, y**4, x, x**2, x * y)]
    with_x, without = sq.walk(sq.Counts(*sums)), sq.walk(sq.Counts(*sums[:5]))
    assert 1 - with_x.covers().mean() < 0.05 + 2 * 0.0056
    assert np.nanmean((with_x.hi - with_x.lo)[:, -1]) < 0.6 * np.nanmean((without.hi - without.lo)[:, -1])


def test_ratio_test_is_scipys_and_may_be_looked_at_daily():
    rng = np.random.default_rng(16)
    shares = np.array([0.5, 0.3, 0.2])
    users = rng.multinomial(200, shares, 30).T
    once, always = sq.ratio_test(users, shares)
    assert once == pytest.approx(stats.chisquare(users.sum(axis=1), users.sum() * shares).pvalue)
    log_e = [
        stats.dirichlet_multinomial.logpmf(n, 100 * shares, n.sum()) - stats.multinomial.logpmf(n, n.sum(), shares)
        for n in np.cumsum(users, axis=1).T
    ]
    assert always == pytest.approx(min(1.0, np.exp(-max(log_e))), rel=1e-9)
    many = rng.binomial(50, 0.5, (1500, 60))
    p = np.array([sq.ratio_test([50 - row, row], [0.5, 0.5])[1] for row in many])
    assert np.mean(p < 0.05) < 0.05


REAL = sq.HERE.parent / "data" / "real" / "departures.csv"
DEPARTURES = f"""
    SELECT hour, i AS number, CASE WHEN i < on_time THEN 1 WHEN i < departed THEN 0 END AS on_time,
           CASE WHEN md5(hour::VARCHAR || ' ' || i::VARCHAR) < '8' THEN 'heads' ELSE 'tails' END AS coin
    FROM (SELECT *, UNNEST(RANGE(scheduled)) AS i FROM read_csv('{REAL.as_posix()}'))"""
FLIGHTS = {"outcome": "on_time", "arm": "coin", "time": "hour"}


@pytest.fixture(scope="module")
def flights():
    return duckdb.sql(DEPARTURES).df()


@pytest.mark.parametrize("share", [0.5, 0.45, 0.1])
def test_a_coin_on_real_departures_keeps_every_promise_and_peeking_does_not(flights, share):
    """A/A tests on a year of real departures, a look a day; traffic and rates move by the hour, nothing was treated."""
    found = sq.history(flights, FLIGHTS).aa(600, share=share, seed=17)
    error = np.sqrt(0.05 * 0.95 / 600)
    honest = found.drop("peeking at p < .05")
    assert honest["stops"].max() < 0.05 + 3 * error and found.loc["peeking at p < .05", "stops"] > 0.35
    np.testing.assert_allclose(found["covers_always"], 1 - found["stops"])


def test_a_planted_effect_on_real_departures_is_found_and_covered(flights):
    found = sq.history(flights, FLIGHTS).aa(300, effect=0.01, seed=18)
    always = found.drop("peeking at p < .05")
    assert always["covers_always"].min() > 0.95 - 3 * 0.0126 and always["stops"].min() > 0.99
    assert found.loc["peeking at p < .05", "covers_always"] < 0.7
    assert found.loc["confidence sequence", "mean_estimate"] > 0.0105  # too large where a test stops as soon as it can


# ---- the interface: right value or refusal


@pytest.mark.parametrize(
    "arms, design",
    [
        ((0, 1), {"control_value": None}),
        ((False, True), {"control_value": None}),
        (("old", "NEW"), {"control_value": "Old "}),
        ((1, 2), {"control_value": 1}),
        (("1", "2"), {"control_value": 1.0}),
        (("10 %", "none"), {"control_value": "10 %"}),
        (("none", "assistant"), {"control_value": "none"}),
        (("None", "assistant"), {"control_value": None, "treated_value": "assistant"}),
        (("N/A", "assistant"), {"control_value": "n/a"}),
        (("A", "B"), {"control_value": None, "treated_value": "b"}),
        (("true", "FALSE"), {"control_value": True}),
    ],
)
def test_arms_of_any_name_and_type(arms, design):
    """First edition: boolean or text arms were a KeyError."""
    frame = world(20)
    expected = by_hand(frame)
    other = frame.assign(arm=np.where(frame["arm"] == "B", arms[1], arms[0]))
    got = answer(other, **design)
    assert (got.estimate, got.standard_error) == pytest.approx(expected, rel=1e-12)
    swapped = answer(frame, control_value="B")
    assert swapped.estimate == pytest.approx(-expected[0], rel=1e-12)


@pytest.mark.parametrize(
    "design, message",
    [
        ({"control_value": None}, "the values of 'arm' are 'A', 'B'; say with control_value"),
        ({"control_value": "C"}, "no row of 'arm' is 'C'; its values are 'A', 'B'"),
        ({"treated_value": "A"}, "both are 'A'"),
        ({"planned_share": {"A": 0.5, "C": 0.5}}, "the arms are 'A', 'B'"),
        ({"planned_share": {"A": 0.5, "B": 0.6}}, "add up to 1"),
        ({"planned_share": 50}, "planned_share"),
        ({"method": "bayes"}, "method: 'sequence'"),
        ({"level": 95}, "level"),
        ({"method": "pocock"}, "either `horizon`"),
        ({"horizon": 100}, "for obrien-fleming and pocock"),
        ({"minimum": 1}, "minimum"),
        ({"look": "fortnight"}, "look"),
        ({"look": 0}, "look"),
        ({"look": "1h"}, "numbers"),
        ({"better": "up"}, "better"),
        ({"accept": "all"}, "accept"),
        ({"margin": -1}, "margin"),
        ({"worthwhile": "x"}, "worthwhile"),
        ({"now": 3}, "only with"),
        ({"delay": "7 days"}, "delay: a number"),
        ({"bounds": 3}, "bounds"),
        ({"bounds": (1, 0)}, "bounds"),
        ({"tightest": 0}, "tightest"),
        ({"allocation": "ramp"}, "allocation"),
        ({"method": "pocock", "end": 1}, "not after"),
        ({"method": "guaranteed", "allocation": "by_look"}, "constant share"),
        ({"colour": 1}, "colour"),
        ({"method": "guaranteed", "planned_share": "unknown"}, "planned_share"),
        ({"method": "guaranteed", "expected": 3}, "expected"),
    ],
)
def test_arguments_without_sense_get_one_line(design, message):
    with pytest.raises((ValueError, TypeError), match=message) as error:
        answer(world(21, n=400), **design)
    assert "\n" not in str(error.value)


TIMES = {
    "numbers": lambda d: d,
    "texts of numbers": lambda d: d.astype(str),
    "floats": lambda d: d + 0.25,
    "dates": lambda d: (pd.Timestamp("2026-02-20") + pd.to_timedelta(d, unit="D")).dt.date,
    "time stamps": lambda d: pd.Timestamp("2026-02-20 17:05:09") + pd.to_timedelta(d, unit="D"),
    "texts of dates": lambda d: (pd.Timestamp("2026-02-20") + pd.to_timedelta(d, unit="D")).dt.strftime("%Y-%m-%d"),
    "ISO texts": lambda d: (pd.Timestamp("2026-02-20 03:00") + pd.to_timedelta(d, unit="D")).dt.strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    ),
    "with a zone": lambda d: (pd.Timestamp("2026-02-20 09:00") + pd.to_timedelta(d, unit="D")).dt.tz_localize(
        "Asia/Tokyo"
    ),
    "20260221": lambda d: (pd.Timestamp("2026-02-20") + pd.to_timedelta(d, unit="D")).dt.strftime("%Y%m%d").astype(int),
}


@pytest.mark.parametrize("kind", TIMES)
def test_looks_are_in_order_of_time_whatever_its_type(kind):
    """First edition: days as text sort 1, 10, 11."""
    frame = world(22)
    expected = answer(frame).looks
    got = answer(frame.assign(day=TIMES[kind](frame["day"])).sample(frac=1, random_state=1)).looks
    assert len(got) == 20 and got["look"].is_monotonic_increasing
    pd.testing.assert_frame_equal(got.drop(columns="look"), expected.drop(columns="look"), rtol=1e-9)
    if kind in ("dates", "20260221"):
        assert got["look"].iloc[0] == pd.Timestamp("2026-02-21")


@pytest.mark.parametrize(
    "look, count", [("hour", 240), ("day", 10), ("week", 2), ("6h", 40), ("2 days", 5), (None, 10)]
)
def test_looks_of_any_width(look, count):
    frame = world(23, n=20_000, days=240)
    frame["day"] = pd.Timestamp("2026-03-01") + pd.to_timedelta(frame["day"] - 1, unit="h")
    got = answer(frame, look=look)
    assert len(got.looks) == count and got.estimate == pytest.approx(by_hand(frame)[0], rel=1e-12)
    as_number = frame.assign(day=(frame["day"] - frame["day"].min()) / pd.Timedelta(hours=1))
    assert len(answer(as_number, look=24).looks) == 10


def test_time_that_is_not_a_time():
    frame = world(24).assign(day=lambda f: f["day"].astype(str))
    frame.loc[:6, "day"] = "soon"
    with pytest.raises(UnfitLog, match="time is no time"):
        answer(frame)
    with pytest.raises(UnfitLog, match="time is no time.*strptime"):
        answer(frame.assign(day="31/03/2026"))
    with pytest.raises(ValueError, match="is a BOOLEAN"):
        answer(frame.assign(day=True))
    with pytest.raises(ValueError, match="look.*86400"):
        answer(world(24, n=60_000).assign(day=lambda f: 1_700_000_000 + 97 * f["u"]))
    frame.loc[:6, "day"] = None
    got = answer(frame)
    assert got.problems.loc[got.problems["problem"] == "time is missing", "rows"].sum() == 7


def spoil(column, value, rows=7):
    frame = world(25).astype({column: object})
    frame.loc[frame.index[:rows], column] = value
    return frame


@pytest.mark.parametrize(
    "column, value, columns, message, rows",
    [
        ("y", "done", COLUMNS, "outcome is not a finite number", 7),
        ("y", np.inf, COLUMNS, "outcome is not a finite number", 7),
        ("x", "much", COLUMNS | {"before": "x"}, "covariate is not a finite number", 7),
        ("u", 3999, COLUMNS | {"user": "u"}, "user appears more than once", 7),
        ("u", 3999, COLUMNS | {"user": "u"}, "user is in two arms", 8),
    ],
)
def test_values_that_mean_nothing_are_counted_and_refused(column, value, columns, message, rows):
    with pytest.raises(UnfitLog) as error:
        answer(spoil(column, value), columns)
    named = error.value.problems[error.value.problems["problem"] == message]
    assert named["rows"].sum() == rows and set(named["severity"]) == {FATAL} and message in str(error.value)


def test_nothing_is_lost_in_silence():
    frame = spoil("y", None, rows=40)
    frame.loc[100:120, "arm"] = None
    got = answer(frame)
    rows = got.problems.groupby("problem")["rows"].sum()
    assert rows["outcome is missing"] == 40 and rows["arm is missing"] == 21
    assert got.n["used"] == 4000 - 61 and "outcome is missing (40 rows)" in got.report()
    kept = frame.dropna(subset=["y", "arm"]).astype({"y": float})
    assert (got.estimate, got.standard_error) == pytest.approx(by_hand(kept), rel=1e-12)


def test_outcomes_missing_more_often_in_one_arm_are_noticed():
    frame = world(26)
    gone = (frame["arm"] == "B") & (frame["y"] == 0) & (np.random.default_rng(1).random(4000) < 0.2)
    got = answer(frame.assign(y=frame["y"].where(~gone)))
    assert got.problems["problem"].str.contains("missing more often in arm B").any()
    assert "missing more often in arm B" in got.report()
    fair = answer(frame.assign(y=frame["y"].where(np.random.default_rng(2).random(4000) < 0.9)))
    assert not fair.problems["problem"].str.contains("more often").any()


def test_outcomes_that_are_not_due_are_not_missing():
    """Users of the last five days have no failures yet: whoever succeeded is in the log already."""
    frame = world(27, n=12_000)
    waiting = frame["day"] > 15
    frame["y"] = frame["y"].where(~waiting | (frame["y"] == 1))
    got = answer(frame, delay=5)
    assert got.estimate == pytest.approx(by_hand(frame[~waiting])[0], rel=1e-12)
    problems = got.problems.set_index("problem")["rows"]
    assert problems["outcomes are not yet due"] == waiting.sum() and "outcome is missing" not in problems
    early = answer(frame, delay=5, now=12)
    assert early.estimate == pytest.approx(by_hand(frame[frame["day"] <= 7])[0], rel=1e-12)
    careless = answer(frame)
    assert careless.problems["problem"].str.contains("more often in the last looks").any()
    dated = frame.assign(day=pd.Timestamp("2026-01-01") + pd.to_timedelta(frame["day"], unit="D"))
    assert answer(dated, delay="5 days").estimate == pytest.approx(got.estimate, rel=1e-12)
    with pytest.raises(ValueError, match="a duration such as '7 days'"):
        answer(dated, delay="soon")
    with pytest.raises(UnfitLog, match="no outcome is known yet"):
        answer(frame, delay=500)


@pytest.mark.parametrize(
    "share, planned, fatal",
    [
        (0.5, None, False),
        (0.45, None, True),
        (0.45, 0.45, False),
        (0.1, {"A": 0.9, "B": 0.1}, False),
        (0.12, 0.1, True),
    ],
)
def test_sample_ratio(share, planned, fatal):
    frame = world(28, n=20_000, share=share)
    if fatal:
        with pytest.raises(UnfitLog, match=r"sample-ratio mismatch: \d+\.\d+% of the users are in [AB]"):
            answer(frame, planned_share=planned)
        assert "sample-ratio mismatch" in answer(frame, planned_share=planned, accept="ratio").report()
    else:
        assert answer(frame, planned_share=planned).problems.empty
    assert "not compared with a plan" in answer(frame, planned_share="unknown").report()


def test_few_events_are_refused_and_the_guaranteed_interval_is_not():
    """First edition: before the first event the interval had no width."""
    frame = world(29, n=4000, rate=0.004, effect=0.0)
    with pytest.raises(UnfitLog, match=r"fewer than 20 events in an arm \(arms A and B: \d+\)"):
        answer(frame)
    got = answer(frame, method="guaranteed")
    assert got.lo < 0 < got.hi and got.hi - got.lo < 0.03
    nobody = frame.assign(y=np.where(frame["arm"] == "A", 0, frame["y"]))
    with pytest.raises(UnfitLog, match="fewer than 20 events"):
        answer(nobody)
    assert answer(nobody, method="guaranteed").hi > 0


@pytest.mark.parametrize("lost", [1.0, 0.3])
def test_guaranteed_refuses_when_the_outcomes_of_one_arm_are_lost(lost):
    """Assignment is as planned, but the method's coin is that of the users whose outcome is known."""
    frame = world(50)
    gone = (frame["arm"] == "B") & (np.random.default_rng(1).random(4000) < lost)
    with pytest.raises(UnfitLog, match="users with a known outcome are not in the planned ratio"):
        answer(frame.assign(y=frame["y"].where(~gone)), method="guaranteed", expected=0.3)
    with pytest.raises(UnfitLog, match="planned ratio"):
        answer(world(50, share=0.4), method="guaranteed", accept="ratio")


def test_guaranteed_needs_bounds_and_keeps_to_them():
    frame = world(30, number=True, effect=1.0)
    with pytest.raises(ValueError, match="say with `bounds`"):
        answer(frame, method="guaranteed")
    with pytest.raises(UnfitLog, match="outcomes outside the bounds -1 and 1"):
        answer(frame, method="guaranteed", bounds=(-1, 1))
    got = answer(frame, method="guaranteed", bounds=(-12, 12), expected=0)
    assert got.lo < 1.0 < got.hi and got.lo > 0
    large = answer(frame.assign(y=frame["y"] + 1e6), method="guaranteed", bounds=(1e6 - 12, 1e6 + 12), expected=1e6)
    assert (large.lo, large.hi) == pytest.approx((got.lo, got.hi), rel=1e-4)
    with pytest.raises(ValueError, match="single look"):
        answer(frame.assign(day=1), method="guaranteed", bounds=(-12, 12))
    with pytest.raises(ValueError, match="without 'before'"):
        answer(frame, COLUMNS | {"before": "x"}, method="guaranteed", bounds=(-12, 12))


def test_three_arms_against_a_control_share_the_error():
    frame = world(31, n=9000)
    third, rng = np.random.default_rng(1).random(9000) < 1 / 3, np.random.default_rng(2)
    frame = frame.assign(arm=frame["arm"].mask(third, "C"), y=frame["y"].mask(third, (rng.random(9000) < 0.3) * 1))
    with pytest.raises(UnfitLog, match="sample-ratio mismatch"):
        answer(frame.assign(arm=frame["arm"].replace("C", "B")))
    got = answer(frame)
    assert got.comparisons["arm"].tolist() == ["B", "C"] and "each of 2 arms (Bonferroni)" in got.method
    two = answer(frame[frame["arm"] != "C"], level=0.975)
    assert (got.estimate, got.lo, got.hi) == pytest.approx((two.estimate, two.lo, two.hi), rel=1e-12)
    assert got.arms == ("A", "B") and got.comparisons["e_bh"].tolist() == [True, False]
    other = answer(frame, treated_value="c")
    assert other.arms == ("A", "C") and other.estimate == pytest.approx(got.comparisons["estimate"].iloc[1], rel=1e-12)
    assert "B raises y" in got.report() and "C has no clear effect" in got.report()
    tiny = frame.assign(arm=frame["arm"].where(frame.index % 400 > 0, "oops"))
    late = answer(tiny, planned_share={"A": 0.3325, "B": 0.3325, "C": 0.3325, "oops": 0.0025})
    assert late.problems["problem"].str.contains("fewer than 20 events").any() and "too few events" in late.report()
    with pytest.raises(ValueError, match="more than 20 values"):
        answer(frame.assign(arm=frame["u"]))


def test_group_sequential_looks_end_at_the_horizon():
    frame = world(32, n=8000)
    got = answer(frame, method="obrien-fleming", horizon=8000)
    spent = np.arange(1, 21) / 20
    users = np.cumsum(frame.groupby("day").size().to_numpy())
    assert got.looks["bound"].iloc[-1] == pytest.approx(
        sq.spending_bounds(sq.obrien_fleming(users / 8000), users)[-1], abs=0.003
    )
    calendar = answer(frame, method="obrien-fleming", end=20)
    assert calendar.looks["bound"].iloc[-1] == pytest.approx(
        sq.spending_bounds(sq.obrien_fleming(spent), users)[-1], abs=0.003
    )
    short = answer(frame, method="pocock", horizon=4000)
    assert short.problems["problem"].tolist() == ["the log goes on after the planned horizon"]
    assert short.n["control"] + short.n["treated"] == users[np.searchsorted(users, 4000)]
    on_the_way = answer(frame[frame["day"] <= 10], method="pocock", end=20)
    full = answer(frame, method="pocock", end=20)
    np.testing.assert_allclose(on_the_way.looks["bound"], full.looks["bound"][:10], rtol=1e-9)  # no look changes later
    with pytest.raises(UnfitLog, match="no look of the group-sequential design"):
        answer(frame[frame["day"] <= 2], method="obrien-fleming", horizon=1e7)


def test_no_look_changes_when_the_log_grows():
    """A sequence that is tuned anew to the users so far would be none."""
    frame = world(33, n=8000)
    full = answer(frame).looks
    for last in (5, 12):
        part = answer(frame[frame["day"] <= last]).looks
        pd.testing.assert_frame_equal(part, full.iloc[:last], rtol=1e-12)


def test_verdicts():
    frame = world(34, n=8000, effect=0.0)
    assert answer(frame).verdict == "open" and answer(frame).decided is None
    assert (
        answer(frame, margin=0.1).verdict == "not worse" and answer(frame, worthwhile=0.1).verdict == "not worthwhile"
    )
    better = answer(world(34, n=8000))
    assert better.verdict == "better" and better.decided[1] == "better"
    assert answer(world(34, n=8000), better="lower").verdict == "worse"
    assert answer(frame, better="lower", margin=0.1).verdict == "not worse"
    once = answer(frame, method="fixed")
    estimate, error = by_hand(frame)
    np.testing.assert_allclose([once.lo, once.hi], estimate + np.array([-1, 1]) * stats.norm.isf(0.025) * error)
    assert (once.looks["verdict"] != "").sum() == 1 and "may be read once" in once.report()


def test_a_constant_outcome_one_arm_an_empty_log_and_a_handful_of_rows_are_refused():
    frame = world(35)
    with pytest.raises(UnfitLog, match="does not vary"):
        answer(frame.assign(y=1))
    with pytest.raises(UnfitLog, match=r"one arm only \(arm is 'A' in every row\)"):
        answer(frame[frame["arm"] == "A"])
    with pytest.raises(UnfitLog, match="the log has no rows"):
        answer(frame[:0])
    with pytest.raises(UnfitLog, match="no row has an arm and a time"):
        answer(frame.assign(arm=None))
    for n in (2, 5, 12, 30):
        with pytest.raises(UnfitLog):
            answer(frame.sort_values(["day", "arm"]).groupby("arm").head(n))
    with pytest.raises(ValueError, match="no row of 'arm' is 'A'"):
        answer(frame[frame["arm"] == "B"])


def test_every_form_of_a_log_gives_the_same_numbers(tmp_path):
    frame = world(36, number=True)
    columns = COLUMNS | {"user": "u", "before": "x"}
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.csv.gz", index=False)
    (tmp_path / "shards").mkdir()
    for k in range(2):  # the first shard has whole numbers where the second has not
        part = frame[frame["u"] % 2 == k]
        part = part.astype({"day": ["int32", "float64"][k]})
        duckdb.from_df(part).write_parquet(str(tmp_path / "shards" / f"{k}.parquet"))
    logs = [
        frame,
        tmp_path / "a.csv",
        tmp_path / "a.csv.gz",
        tmp_path / "shards",
        duckdb.connect().from_df(frame),
        frame.sample(frac=1, random_state=1),
    ]
    found = [answer(log, columns) for log in logs]
    for other in found[1:]:
        np.testing.assert_allclose(
            [other.estimate, other.lo, other.hi], [found[0].estimate, found[0].lo, found[0].hi], rtol=1e-9
        )
    single = answer(frame.assign(y=(frame["y"] > 0).astype("float32")), columns)
    assert single.estimate == pytest.approx(answer(frame.assign(y=frame["y"] > 0), columns).estimate, rel=1e-12)


@pytest.mark.parametrize("time", ["number", "time stamp"])
def test_queries_for_a_warehouse_give_the_same_numbers(time):
    frame = world(37, number=True)
    if time == "time stamp":
        frame["day"] = pd.Timestamp("2026-03-01 13:00") + pd.to_timedelta(frame["day"], unit="D")
    columns = COLUMNS | {"user": "u", "before": "x", "outcome": "y > 1 OR y < -1"}
    design = (
        {"control_value": "A", "delay": 3, "now": 20}
        if time == "number"
        else {"control_value": "A", "delay": "3 days", "now": "2026-03-21"}
    )
    expected = answer(frame, columns, **design)
    check, aggregate = sq.queries(columns, time_is=time, **design)
    with duckdb.connect() as warehouse:
        warehouse.register("logs", frame)
        tables = [warehouse.sql(text).df() for text in (check, aggregate)]
        halves = [
            warehouse.sql(aggregate.replace("FROM logs", f"FROM (SELECT * FROM logs WHERE u % 2 = {k}) AS logs")).df()
            for k in (0, 1)
        ]
    as_text = tables[1].astype({"look": str})
    for parts in (tables[1], pd.concat(halves), tables[1].rename(columns=str.upper), as_text):
        got = sq.analyse_tables(tables[0], parts, columns, **design)
        np.testing.assert_allclose(
            [got.estimate, got.lo, got.hi], [expected.estimate, expected.lo, expected.hi], rtol=1e-9
        )


def test_a_large_mean_costs_no_digits():
    frame = world(38, number=True)
    small, large = answer(frame), answer(frame.assign(y=frame["y"] + 1e8))
    np.testing.assert_allclose(
        [large.estimate, large.standard_error], [small.estimate, small.standard_error], rtol=1e-5
    )
    assert large.looks["lo"].notna().sum() == small.looks["lo"].notna().sum()


def test_missing_days_are_named():
    frame = world(39)
    got = answer(frame[~frame["day"].isin([7, 8])])
    assert got.problems["problem"].tolist() == ["2 of 20 looks are without users"]


def test_the_published_logs_give_the_notebooks_numbers():
    """The prompt test: the interval of all users, in points, and gbstats 0.8 at the same tuning: [3.20, 6.08]."""
    import generate_data

    logs = generate_data.load_logs()
    logs = logs.assign(day=logs.groupby("prompt_variant").cumcount() // PER_DAY + 1)
    columns = {"outcome": "task_completed", "arm": "prompt_variant", "time": "day", "user": "user_id"}
    got = sq.analyse(logs, columns, tightest=2 * HORIZON)
    assert (100 * got.estimate, 100 * got.lo, 100 * got.hi) == pytest.approx((4.64, 3.20, 6.08), abs=0.01)
    table = got.replay().set_index("method")
    assert table.loc["peeking at p < .05", "stopped"] == "29" and table.loc["confidence sequence", "stopped"] == "39"


# ---- what the result offers; planning


def test_replay_knows_when_each_method_stops():
    frame = world(40, n=8000, effect=0.06)
    got = answer(frame)
    table = got.replay().set_index("method")
    peeks = [
        k
        for k in range(1, 21)
        if (abs(by_hand(frame, k)[0]) > 1.95996 * by_hand(frame, k)[1]) and got.looks["lo"].notna()[k - 1]
    ]
    assert table.loc["peeking at p < .05", "stopped"] == str(peeks[0])
    first = got.looks[got.looks["verdict"] == "better"].iloc[0]
    assert table.loc["confidence sequence", "stopped"] == f"{first['look']:g}"
    assert (
        table.loc["confidence sequence", ["estimate", "lo", "hi"]].tolist() == first[["estimate", "lo", "hi"]].tolist()
    )
    assert set(table.index) == {sq.NAMES[m] for m in ("peeking", *sq.METHODS)}
    nothing = answer(world(41, effect=0.0)).replay("sequence")
    assert nothing["stopped"].item() == "never"
    assert "guaranteed sequence" not in answer(world(41, number=True)).replay()["method"].to_list()


def test_exaggeration_is_that_of_fresh_logs():
    """The promise of one log against 1,000 others of its kind."""
    effect = 0.05
    said = answer(world(42, n=6000, effect=effect)).exaggeration(effect)
    counts = simulate(43, (0.35, 0.3), 0.5, np.full(20, 300), 1000)
    w = sq.walk(counts)
    stop = w.stop()
    estimates = w.estimate[np.arange(1000), np.minimum(stop, 19)]
    assert abs(said["stops"] - (stop < 20).mean()) < 4 * 0.016
    assert abs(said["estimate"] - estimates[stop < 20].mean()) < 0.004 and said["times"] > 1.1
    assert abs(said["at_the_end"] - estimates[stop == 20].mean()) < 0.004
    assert said["covers"] > 0.95


def test_plan_is_what_fresh_tests_need():
    """80 % power of each method with the users of the plan, on tests drawn from counts; 2,000 of them."""
    past = world(43, n=30_000, effect=0.0, days=30)
    frame = past.drop(columns="arm")
    plan = sq.plan(frame, COLUMNS, 0.03).set_index("method")
    p, q = past["y"].mean() + 0.03, past["y"].mean()
    both = stats.norm.isf(0.025) + stats.norm.ppf(0.8)
    assert plan.loc["fixed sample", "users"] == pytest.approx(
        2 * (p * (1 - p) + q * (1 - q)) * (both / 0.03) ** 2, rel=0.001
    )
    traffic = frame.groupby("day").size().to_numpy()
    for method in ("sequence", "obrien-fleming", "pocock"):
        row = plan.loc[sq.NAMES[method]]
        users = np.tile(traffic, 5)[: int(row["looks"])]
        assert users.sum() >= row["users"] > users[:-1].sum()
        counts = simulate(44, (p, q), 0.5, users, 2000)
        options = (
            {"tightest": plan.loc["fixed sample", "users"]}
            if method == "sequence"
            else {"spent": np.cumsum(users) / users.sum()}
        )
        w = sq.walk(counts, method, **options)
        assert abs((w.stop() < len(users)).mean() - 0.8) < 0.04
    assert plan["times_fixed"].is_monotonic_increasing is False and plan["times_fixed"].min() == 1
    uneven = sq.plan(frame, COLUMNS, 0.03, share=0.1).set_index("method")
    assert 2.6 < uneven.loc["fixed sample", "users"] / plan.loc["fixed sample", "users"] < 2.9
    number = world(45, number=True, effect=0.0)
    narrow, wide = (
        sq.plan(number, c, 0.1).set_index("method").loc["fixed sample", "users"]
        for c in (COLUMNS | {"before": "x"}, COLUMNS)
    )
    correlation = np.corrcoef(number["x"], number["y"])[0, 1]
    assert narrow / wide == pytest.approx(1 - correlation**2, rel=0.02)
    with pytest.raises(ValueError, match="effect"):
        sq.plan(frame, COLUMNS, 0)
    with pytest.raises(ValueError, match="far beyond this history"):
        sq.plan(frame, COLUMNS, 1e-6)
    with pytest.raises(UnfitLog, match="fewer than two different outcomes"):
        sq.plan(frame.assign(y=1), COLUMNS, 0.1)


def test_aa_tests_of_numbers_are_those_of_a_real_coin():
    """Splits by the normal approximation of the sums against splits of the rows: the estimate and its error."""
    frame = world(46, number=True, effect=0.0, n=3000, days=10)
    frame["y"] = np.exp(frame["y"]) + 30
    past = sq.history(frame, COLUMNS)
    pair, _ = past._split(np.random.default_rng(1), 4000, 0.3, 0.0)
    quick, variance, _ = sq.running(pair)
    rng, real = np.random.default_rng(2), []
    for _ in range(600):
        arm = rng.random(len(frame)) < 0.3
        real.append(
            (
                frame["y"][arm].mean() - frame["y"][~arm].mean(),
                frame["y"][arm].var() / arm.sum() + frame["y"][~arm].var() / (~arm).sum(),
            )
        )
    real = np.array(real)
    assert abs(quick[:, -1].std() / real[:, 0].std() - 1) < 0.1
    assert abs(np.mean(variance[:, -1]) / real[:, 1].mean() - 1) < 0.05
    table = past.aa(400, share=0.3, effect=0.5, bounds=(30, 1e4))
    assert "guaranteed sequence" in table.index and table.loc["confidence sequence", "covers_always"] > 0.92
    with pytest.raises(ValueError, match="room"):
        sq.history(world(47), COLUMNS).aa(2, effect=0.9)


def test_figure_detectable_and_report():
    got = answer(world(48, n=8000), margin=0.02, worthwhile=0.05)
    assert got.figure().axes[0].get_ylabel() == "y: B minus A"
    assert (
        abs(got.detectable() - (got.looks["bound"].iloc[-1] + 0.8416) * got.standard_error) < 1e-4 * got.standard_error
    )
    assert "B raises y by" in got.report() and "no query can see" in got.report()


def test_nothing_but_refusals_on_random_logs():
    rng = np.random.default_rng(49)
    answers = 0
    for seed in range(RANDOM_LOGS):
        n = int(rng.choice([3, 30, 300, 1000]))
        frame = world(seed, n=n, number=bool(seed % 3), days=int(rng.choice([1, 5, 40]))).astype(object)
        for column in ("x", "y", "arm", "day", "u"):
            if rng.random() < 0.3:
                bad = rng.random(n) < rng.choice([0.01, 0.5, 1.0])
                junk = [np.nan, None, "word", np.inf, 1e308, -5, True, "2026-01-01", ""]
                frame[column] = frame[column].where(~bad, junk[int(rng.integers(len(junk)))])
        columns = COLUMNS | [{}, {"before": "x"}, {"user": "u"}][seed % 3]
        design = [
            {},
            {"method": "guaranteed", "bounds": (-1e3, 1e3)},
            {"method": "pocock", "horizon": 2000},
            {"allocation": "by_look"},
            {"delay": 2},
        ][seed % 5]
        if design.get("method") == "guaranteed":
            columns = COLUMNS
        try:
            result = answer(frame, columns, **design)
            result.replay("sequence"), result.exaggeration(0.1, experiments=50)
        except ValueError:
            continue
        answers += 1
        assert np.isfinite([result.estimate, result.standard_error, result.lo, result.hi]).all() and result.report()
    assert answers >= RANDOM_LOGS / 20


def test_sums_without_their_powers_are_refused():
    with pytest.raises(ValueError, match="need y3 and y4"):
        sq.walk(sq.Counts([[5.0], [5.0]], [[3.5], [2.0]], [[9.0], [7.0]]))
    with pytest.raises(ValueError, match="spent"):
        sq.walk(sq.Counts([[5.0], [5.0]], [[3.0], [2.0]], [[3.0], [2.0]]), "pocock")
    assert special.ndtr(0) == 0.5
