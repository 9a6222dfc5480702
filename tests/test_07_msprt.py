"""Notebook 07: tests and e-values against libraries, brute force and the literature; fast forms against plain loops."""

import itertools
from math import comb

import duckdb
import numpy as np
import pytest
import statsmodels.formula.api as smf
from generate_data import World, generate, simulate
from notebook_tools import definitions
from scipy import integrate, special, stats
from statsmodels.stats.multitest import multipletests

import run

NB = definitions("07_sequential_msprt/msprt_demo.py")
DAYS, PER_DAY, HORIZON = NB["DAYS"], NB["PER_DAY"], NB["HORIZON"]


# ---- the t-test, the Bayes factor


@pytest.mark.parametrize("n, p, q", [(5, 0.5, 0.5), (60, 0.9, 0.2), (700, 0.3, 0.35)])
def test_t_statistic_is_scipys(n, p, q):
    rng = np.random.default_rng(n)
    x, y = rng.binomial(1, p, n), rng.binomial(1, q, n)
    library = stats.ttest_ind(x, y)
    assert abs(NB["t_statistic"](x.sum(), y.sum(), n) - library.statistic) < 1e-9
    assert abs(NB["t_pvalue"](x.sum(), y.sum(), n) - library.pvalue) < 1e-12


def test_t_of_agreeing_outcomes_is_zero():
    assert NB["t_statistic"](0, 0, 60) == 0 and NB["t_pvalue"](60, 60, 60) == 1


@pytest.mark.parametrize("a, b, n_a, n_b, prior", [(7, 3, 10, 12, 1.0), (0, 0, 4, 3, 0.5), (2, 1, 2, 5, 3.0)])
def test_log_bayes_factor_is_the_ratio_of_integrals(a, b, n_a, n_b, prior):
    """Marginal likelihoods by numerical integration over the prior."""

    def marginal(ones, users):
        def integrand(p):
            return p**ones * (1 - p) ** (users - ones) * stats.beta.pdf(p, prior, prior)

        return integrate.quad(integrand, 0, 1)[0]

    expected = np.log(marginal(a, n_a) * marginal(b, n_b) / marginal(a + b, n_a + n_b))
    got = NB["log_bayes_factor"](np.array(a), np.array(b), n_a, n_b, prior)
    assert abs(got - expected) < 1e-5


def test_running_e_is_the_loop_over_pairs():
    rng = np.random.default_rng(3)
    x, y = rng.binomial(1, 0.7, (2, 50))
    expected = []
    for n in range(1, 51):
        a, b = x[:n].sum(), y[:n].sum()
        log_e = special.betaln(a + 1, n - a + 1) + special.betaln(b + 1, n - b + 1)
        expected.append(np.exp(log_e - special.betaln(a + b + 1, 2 * n - a - b + 1)))
    np.testing.assert_allclose(NB["running_e"](x, y), expected, rtol=1e-9)


# ---- its null mean and crossing probability


@pytest.mark.parametrize("p, n", [(0.6, 1), (0.6, 7), (0.05, 12)])
def test_mean_under_null_is_the_double_sum(p, n):
    total = 0.0
    for a, b in itertools.product(range(n + 1), repeat=2):
        chance = comb(n, a) * comb(n, b) * p ** (a + b) * (1 - p) ** (2 * n - a - b)
        total += chance * np.exp(NB["log_bayes_factor"](np.array(a), np.array(b), n, n))
    assert abs(NB["mean_under_null"](p, n) - total) < 1e-10


def test_bayes_factor_is_fair_on_average_over_its_prior_only():
    rates, weights = np.polynomial.legendre.leggauss(60)
    means = [NB["mean_under_null"]((r + 1) / 2, 15) for r in rates]
    assert abs(np.dot(weights, means) / 2 - 1) < 1e-9 and max(means) > 1.5 and min(means) < 0.2


@pytest.mark.parametrize("p, effect, prior, first", [(0.6, 0.0, 1.0, 1), (0.3, 0.4, 0.1, 3)])
def test_stop_probabilities_are_those_of_all_paths(p, effect, prior, first):
    """Every sequence of six pairs, one by one, at a boundary that is reached early."""
    n_pairs, boundary, expected = 6, 1.8, np.zeros(6)
    for path in itertools.product(itertools.product((0, 1), repeat=2), repeat=n_pairs):
        x, y = np.array(path).T
        chance = np.prod(np.where(x, p + effect, 1 - p - effect) * np.where(y, p, 1 - p))
        n = np.arange(1, n_pairs + 1)
        log_e = NB["log_bayes_factor"](np.cumsum(x), np.cumsum(y), n, n, prior)
        crossed = (log_e >= np.log(boundary)) & (n >= first)
        if crossed.any():
            expected[np.argmax(crossed)] += chance
    got = NB["stop_probabilities"](p, n_pairs, prior, boundary, effect, first)
    np.testing.assert_allclose(got, expected, atol=1e-12)
    assert expected.sum() > 0.05


def test_stop_probabilities_are_those_of_simulation():
    """Another rate, prior and boundary than the tutorial's; 20,000 experiments, within 4 standard errors."""
    rng, n = np.random.default_rng(8), np.arange(1, 301)
    a, b = rng.binomial(1, 0.45, (2, 20_000, 300)).cumsum(axis=2)
    crossed = NB["log_bayes_factor"](a, b, n, n, 0.3) >= np.log(10)
    simulated = crossed.any(axis=1).mean()
    exact = NB["stop_probabilities"](0.45, 300, prior=0.3, boundary=10).sum()
    assert abs(simulated - exact) < 4 * np.sqrt(exact * (1 - exact) / 20_000)


# ---- the methods whose guarantee is real


def test_safe_test_is_the_loop_over_blocks_and_learns_from_the_past_only():
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
    np.testing.assert_allclose(NB["safe_log_e"](a, b, n_a, n_b, delta), expected, rtol=1e-10)


@pytest.mark.parametrize("p", [0.03, 0.4, 0.8])
def test_safe_test_has_mean_at_most_one_at_every_null(p):
    """All sequences of five pairs; the Bayes factor's mean would be above 1 at 0.4."""
    paths = np.array(list(itertools.product((0, 1), repeat=10))).reshape(-1, 2, 5)
    chance = np.prod(np.where(paths, p, 1 - p), axis=(1, 2))
    mean = chance @ np.exp(NB["safe_log_e"](paths[:, 0], paths[:, 1], delta=0.2)[:, -1])
    assert 0.9 < mean <= 1 + 1e-12
    assert p != 0.4 or NB["mean_under_null"](p, 5) > 1.05


def test_betting_is_a_beta_binomial_against_a_fair_coin_and_fair():
    wins, losses = np.array([0, 3, 40]), np.array([1, 2, 21])
    total = wins + losses
    expected = stats.betabinom.logpmf(wins, total, 7, 7) - stats.binom.logpmf(wins, total, 0.5)
    np.testing.assert_allclose(NB["betting_log_e"](wins, losses, 7.0), expected, atol=1e-9)
    k = np.arange(31)
    mean = stats.binom.pmf(k, 30, 0.5) @ np.exp(NB["betting_log_e"](k, 30 - k))
    assert abs(mean - 1) < 1e-9


def test_normal_mixture_is_the_integral_over_effects():
    a, b, n, tau = 70, 52, 110, 0.08
    p, q = (a + 1) / (n + 2), (b + 1) / (n + 2)
    variance, gap = (p * (1 - p) + q * (1 - q)) / n, (a - b) / n

    def ratio(effect):
        likelihood = stats.norm.pdf(gap, effect, np.sqrt(variance)) / stats.norm.pdf(gap, 0, np.sqrt(variance))
        return likelihood * stats.norm.pdf(effect, 0, tau)

    expected = np.log(integrate.quad(ratio, -0.8, 0.8)[0])
    assert abs(NB["mixture_log_e"](a, b, n, tau) - expected) < 1e-7


def test_confidence_sequence_inverts_the_normal_mixture():
    """Its edge is the null value at which a mixture with prior N(0, rho^2) on the standardized effect is 1 / alpha."""
    rng = np.random.default_rng(5)
    d, tightest, alpha = rng.normal(0.3, 2, 400), 250, 0.1
    mean, half = NB["confidence_sequence"](d.sum(), np.sum(d**2), len(d), tightest, alpha)
    rho2 = (-2 * np.log(alpha) + np.log(-2 * np.log(alpha)) + 1) / tightest
    z = half / np.std(d) * np.sqrt(len(d))
    e = stats.norm.pdf(z, 0, np.sqrt(1 + len(d) * rho2)) / stats.norm.pdf(z)
    assert abs(mean - d.mean()) < 1e-12 and abs(e - 1 / alpha) < 1e-8


def test_confidence_sequence_covers_at_all_times_where_the_tutorial_did_not_look():
    """Skewed numbers (exponential, mean 1), 2,000 tests of 2,000 units, looks from the 100th on."""
    d = np.random.default_rng(6).exponential(1, (2000, 2000))
    n = np.arange(1, 2001)
    mean, half = NB["confidence_sequence"](d.cumsum(axis=1), (d**2).cumsum(axis=1), n, 500)
    missed = (np.abs(mean - 1) > half)[:, 99:].any(axis=1).mean()
    fixed = (np.abs(mean - 1) > 1.96 / np.sqrt(n))[:, 99:].any(axis=1).mean()
    assert missed < 0.05 + 3 * 0.005 and fixed > 0.15


# ---- group-sequential boundaries, from the literature


def test_spending_bounds_are_those_of_lan_and_demets():
    """Five looks, two-sided 5 %: the values that the program of Reboussin, DeMets, Kim & Lan (2000) prints."""
    t = np.arange(1, 6) / 5
    obrien_fleming = NB["spending_bounds"](NB["obrien_fleming_spending"](t))
    pocock = NB["spending_bounds"](NB["pocock_spending"](t))
    np.testing.assert_allclose(obrien_fleming, [4.8769, 3.3569, 2.6803, 2.2898, 2.0310], atol=3e-4)
    np.testing.assert_allclose(pocock, [2.4380, 2.4268, 2.4101, 2.3966, 2.3859], atol=3e-4)


CLASSICAL = [("Pocock", 2, 2.178), ("Pocock", 3, 2.289), ("Pocock", 4, 2.361),
             ("O'Brien-Fleming", 3, 2.004), ("O'Brien-Fleming", 4, 2.024)]  # fmt: skip


@pytest.mark.parametrize("kind, looks, constant", CLASSICAL)
def test_spending_bounds_find_the_classical_constants(kind, looks, constant):
    """Jennison & Turnbull (2000), tables 2.1 and 2.3: what they spend, by SciPy's normal integral, gives them back."""
    k = np.arange(1, looks + 1)
    z = constant * (np.ones(looks) if kind == "Pocock" else np.sqrt(looks / k))
    spent = []
    for m in k:
        covariance = np.sqrt(np.minimum.outer(k[:m], k[:m]) / np.maximum.outer(k[:m], k[:m]))
        normal = stats.multivariate_normal(np.zeros(m), covariance, seed=0)
        spent.append(1 - normal.cdf(z[:m], lower_limit=-z[:m]))
    assert abs(spent[-1] - 0.05) < 2e-4
    np.testing.assert_allclose(NB["spending_bounds"](np.array(spent)), z, atol=4e-3)


def test_spending_spends_alpha():
    for spending in (NB["pocock_spending"], NB["obrien_fleming_spending"]):
        assert abs(spending(1.0) - 0.05) < 1e-12 and 0 < spending(0.01) < 0.001


def test_the_methods_keep_their_promise_at_a_rate_the_tutorial_does_not_use():
    runs = NB["run_methods"](0.75, 0.75, 1500, seed=99)
    stopped = NB["share_stopped"](runs)
    honest = stopped.drop(["article's Bayes factor", "peeking daily"])
    assert honest.max() < 0.05 + 3 * np.sqrt(0.0475 / 1500) and stopped["peeking daily"] > 0.2


def test_first_stop_and_at_the_end():
    crossed = np.array([[False, True, True], [False, False, False]])
    assert list(NB["first_stop"](crossed, np.array([60, 120, 180]))) == [120, HORIZON + 1]
    found = np.array([[100, 60, 50], [HORIZON + 1, 900, 900]])  # the second never stopped
    mean, coverage = NB["at_the_end"](found, 0.02)
    assert abs(mean - 0.05) < 1e-12 and coverage == 1.0
    assert NB["at_the_end"](found, 0.3)[1] == 0.0


# ---- the data


def test_did_is_the_clustered_regression():
    logs = generate(5, 20_000, World(rollout_effect=0.1, wave_offset=-0.03))
    frame = logs[logs["signup_week"] < 30].assign(
        after=lambda f: (f["signup_week"] >= 20) * 1, first=lambda f: (f["wave"] == 1) * 1
    )
    fit = smf.ols("task_completed ~ after * first", frame).fit(
        cov_type="cluster", cov_kwds={"groups": frame["workspace_id"], "use_correction": False}
    )
    columns = (logs[name].to_numpy() for name in ("task_completed", "signup_week", "wave", "workspace_id"))
    estimate, error = NB["did"](*columns)
    assert abs(estimate - fit.params["after:first"]) < 1e-10
    assert abs(error - fit.bse["after:first"] * np.sqrt(50 / 49)) < 1e-10


def test_in_pairs_keeps_the_order_of_arrival():
    y, arm = np.array([1, 2, 3, 4, 5]), np.array([1, 0, 1, 1, 0])
    assert NB["in_pairs"](y, arm).tolist() == [[1, 3], [2, 5]]


def test_peek_daily_is_the_loop_over_days():
    d = simulate(31, 20_000, World(prompt_effect=0.09), outcomes=False)
    pairs = NB["in_pairs"](d["task_completed"], d["prompt_variant"])
    p = [stats.ttest_ind(*pairs[:, : PER_DAY * k]).pvalue for k in range(1, 101)]
    day, shouted = NB["peek_daily"](pairs, 100)
    assert shouted and day == 1 + int(np.argmax(np.array(p) < 0.05))
    assert NB["peek_daily"](np.ones((2, 600)), 10) == (10, False)


def test_e_bh_is_bh_on_inverse_e_values():
    """Wang & Ramdas (2022), section 4: the procedure of Benjamini & Hochberg on 1 / e."""
    rng = np.random.default_rng(9)
    e = np.exp(rng.normal(2, 3, (40, 12)))
    expected = [multipletests(np.minimum(1 / row, 1), 0.1, "fdr_bh")[0] for row in e]
    got = NB["e_benjamini_hochberg"](e, 0.1)
    assert np.array_equal(got, expected) and 0 < got.mean() < 1
    assert not NB["e_benjamini_hochberg"](np.ones((2, 5))).any()


def test_twenty_metrics_have_the_rates_and_the_correlation():
    x, y = NB["twenty_metrics"](np.random.default_rng(2), np.array([0.2, 0.0, 0.0]), 12)
    users = y.transpose(1, 0, 2).reshape(3, -1)
    assert np.abs(np.corrcoef(users)[np.triu_indices(3, 1)] - 0.5).max() < 0.03
    assert np.abs(x.mean(axis=(0, 2)) - [0.8, 0.6, 0.6]).max() < 0.02


def in_the_warehouse(frame):
    query = (run.ROOT / "07_sequential_msprt" / "aggregate.sql").read_text(encoding="utf-8")
    with duckdb.connect() as warehouse:
        warehouse.register("logs", frame)
        return warehouse.sql(query).df()


# ---- the simulations, and the plain loops they replace


def fast_peeking(seed, n_experiments):
    return NB["peeking"](seed, n_experiments)


def plain_peeking(seed, n_experiments):
    """A t-test every day on two growing lists."""
    rng, found = np.random.RandomState(seed), []
    for _ in range(n_experiments):
        control, treated, row = [], [], []
        for _ in range(DAYS):
            control.extend(rng.binomial(1, 0.60, PER_DAY))
            treated.extend(rng.binomial(1, 0.60, PER_DAY))
            row.append(stats.ttest_ind(treated, control).pvalue)
        found.append(row)
    return np.array(found)


def fast_power(seed, n_experiments):
    return np.array(NB["power_study"](seed, n_experiments)[:2])


def plain_power(seed, n_experiments):
    """One experiment after the other; the Bayes factor after each pair by SciPy's beta function."""
    rng, found, n = np.random.RandomState(seed), [], np.arange(1, HORIZON + 1)
    for _ in range(n_experiments):
        x, y = rng.binomial(1, 0.65, HORIZON), rng.binomial(1, 0.60, HORIZON)
        a, b = np.cumsum(x), np.cumsum(y)
        log_e = special.betaln(a + 1, n - a + 1) + special.betaln(b + 1, n - b + 1)
        log_e -= special.betaln(a + b + 1, 2 * n - a - b + 1)
        crossed = np.flatnonzero(log_e >= np.log(20))
        found.append([(crossed[0] + 1) / PER_DAY if len(crossed) else DAYS, stats.ttest_ind(x, y).pvalue])
    return np.array(found).T


@pytest.mark.parametrize("plain, fast", [(plain_peeking, fast_peeking), (plain_power, fast_power)])
def test_fast_forms_are_the_plain_loops(plain, fast):
    np.testing.assert_allclose(fast(42, 8), plain(42, 8), atol=1e-9)


def test_bootstrap_is_the_loop():
    rng = np.random.default_rng(1)
    x, y = rng.binomial(1, 0.6, 900), rng.binomial(1, 0.5, 800)
    got, same = NB["bootstrap_means"](np.random.default_rng(7), x, y, 5), np.random.default_rng(7)
    for value in got:
        assert value == np.mean(same.choice(x, size=900)) - np.mean(same.choice(y, size=800))
    spread = NB["bootstrap_means"](np.random.default_rng(8), x, y, 2000).std()
    assert abs(spread / np.sqrt(x.var() / 900 + y.var() / 800) - 1) < 0.06


def plain_methods(p_treated, p_control, n_experiments, seed):
    """Stopping pair of the five methods with a look after each pair, one pair after the other."""
    c = NB["running_counts"](np.random.default_rng(seed), p_treated, p_control, n_experiments)
    found = []
    for i in range(n_experiments):
        stops = dict.fromkeys(NB["EACH_PAIR"], HORIZON + 1)
        for n in range(1, HORIZON + 1):
            x, y = c["x"][i, :n], c["y"][i, :n]
            a, b, wins, losses = x.sum(), y.sum(), np.sum(x > y), np.sum(x < y)
            mean, half = NB["confidence_sequence"](wins - losses, wins + losses, n)
            now = {
                "article's Bayes factor": NB["log_bayes_factor"](a, b, n, n) >= np.log(20),
                "betting on discordant pairs": NB["betting_log_e"](wins, losses) >= np.log(20),
                "normal mixture": NB["mixture_log_e"](a, b, n) >= np.log(20),
                "confidence sequence": abs(mean) > half and n >= PER_DAY,
            }
            for name in now:
                stops[name] = n if now[name] and stops[name] > HORIZON else stops[name]
        crossed = NB["safe_log_e"](c["x"][i], c["y"][i]) >= np.log(20)
        stops["safe 2x2 test"] = int(np.argmax(crossed)) + 1 if crossed.any() else HORIZON + 1
        found.append(list(stops.values()))
    return np.array(found).T


def test_run_methods_is_the_loop_over_pairs():
    arguments = {"p_treated": 0.70, "p_control": 0.60, "n_experiments": 3, "seed": 21}
    fast = NB["run_methods"](**arguments)
    expected = plain_methods(**arguments)
    assert np.array_equal([fast[name][:, 0] for name in NB["EACH_PAIR"]], expected) and (expected <= HORIZON).any()


BENCHMARKS = [
    ("07 daily peeking, 30,000 t-tests", plain_peeking, fast_peeking, {"seed": 42, "n_experiments": 1000}, 1e-9),
    ("07 power, 1,000 experiments", plain_power, fast_power, {"seed": 42, "n_experiments": 1000}, 1e-9),
]
