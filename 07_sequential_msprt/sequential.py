"""Sequential A/B tests for any log: an interval that may be read at every look, or a refusal that says why.

    from sequential import analyse
    result = analyse("logs/*.parquet", {"outcome": "completed", "arm": "variant", "time": "entered_at"})
    print(result.report())

Everything is computed from one small table: for each arm and look (a day, an hour) the number of users and the sums of
their outcomes and of powers of them. Each arm is divided by its own users, so arms may be of any size. Five methods:

    sequence        confidence sequence, valid at all looks for as long as the test runs, in the limit of many events
                    (Robbins 1970; Waudby-Smith et al. 2024); no look counts before each arm has `minimum` events
    guaranteed      the same for every sample size and whatever drifts, for outcomes between known bounds and arms
                    assigned by a coin of known share (Howard et al. 2021)
    obrien-fleming, pocock      group-sequential bounds by spending (Lan and DeMets 1983), for a planned `horizon`
    fixed           the usual interval (Welch), which may be read once

What is fatal (the log is refused) and what is a warning (it stands in the report):

    outcome or covariate that is no number, time that is no time; no rows; one arm only               fatal
    a user in several rows or in two arms                                                             fatal
    method guaranteed: an outcome outside `bounds`; known outcomes not in the planned ratio           fatal
    fewer than `minimum` events in an arm at every look; an outcome that does not vary                fatal
    sample-ratio mismatch: share of an arm against the plan, always-valid p < .001                    fatal
    the share of an arm changes during the test (p < .001), unless allocation="by_look"               fatal
    the column `before` differs between the arms (p < .001): it is not from before                    fatal
    the same mismatch by a test for one look only; planned_share="unknown"                            warning
    missing values of any role; outcomes missing more often in one arm, or in the last looks          warning
    an arm with too few events that is not the one reported; days without users                       warning
    the log goes on after the planned horizon                                                         warning

`accept=("ratio", "allocation", "before")` turns those findings into warnings, for somebody who knows their cause.
The first half of the module are the tests that notebook 07 teaches, as plain functions on counts, which take many
experiments at once. This module knows nothing of the series' synthetic world.
"""

import functools
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special, stats
from scipy.special import gammaln

sys.path.append(str(Path(__file__).resolve().parents[1] / "data"))
import own_logs  # noqa: E402
from own_logs import FATAL, WARNING, Logs, Result, UnfitLog, say, short  # noqa: E402, F401

HERE = Path(__file__).resolve().parent
METHODS = ("sequence", "guaranteed", "obrien-fleming", "pocock", "fixed")
SPENDING = ("obrien-fleming", "pocock")
MINIMUM = 20  # events in each arm before the first look: enough for skewed, rare and unequal arms (see the tests)


# ---- the t-test of two counts, and what daily looks do to it


def t_statistic(a, b, n):
    """Pooled two-sample t for a and b successes out of n per arm; 0 where all outcomes agree. Broadcasts."""
    pooled = (a - a**2 / n + b - b**2 / n) / (2 * n - 2)
    return (a - b) / n / np.sqrt(np.where(pooled > 0, pooled, np.inf) * 2 / n)


def t_pvalue(a, b, n):
    """Two-sided p-value of the pooled t-test (2n - 2 degrees of freedom), from counts. Broadcasts."""
    return 2 * stats.t.sf(np.abs(t_statistic(a, b, n)), 2 * n - 2)


def peeking(seed, experiments, *, days=30, per_day=60, rate=0.60, rate_treated=None):
    """p-values (experiments, days) of a t-test every day on all data so far, `per_day` users a day in each arm.

    Draws come from NumPy's legacy generator in the order of a loop over experiment, day, control before treated, user.
    rate_treated: None for no effect.
    """
    rates = np.array([rate, rate if rate_treated is None else rate_treated])[:, None]
    users = np.random.RandomState(seed).binomial(1, rates, (experiments, days, 2, per_day))
    b, a = np.moveaxis(users.sum(axis=3).cumsum(axis=1), 2, 0)
    return t_pvalue(a, b, per_day * np.arange(1, days + 1))


# ---- e-values: the Bayes factor that is not fair at every null, and tests that are


def log_bayes_factor(a, b, n_a, n_b, prior=1.0):
    """log Bayes factor of two rates against one, all with Beta(prior, prior) priors: a of n_a against b of n_b successes.

    Whole numbers (integer arrays), broadcast; a table of log-gamma makes it fast for many.
    """
    table = gammaln(np.arange(np.max(n_a) + np.max(n_b) + 1) + prior)
    two = table[a] + table[n_a - a] + table[b] + table[n_b - b]
    one = table[a + b] + table[n_a + n_b - a - b]
    constant = gammaln(n_a + n_b + 2 * prior) - gammaln(n_a + 2 * prior) - gammaln(n_b + 2 * prior)
    return two - one + constant + gammaln(2 * prior) - 2 * gammaln(prior)


def running_e(x, y, prior=1.0):
    """The Bayes factor (..., pairs) after each pair of outcomes x (treated) and y (control), (..., pairs) of 0 and 1."""
    n = np.arange(1, x.shape[-1] + 1)
    return np.exp(log_bayes_factor(np.cumsum(x, axis=-1), np.cumsum(y, axis=-1), n, n, prior))


def power_study(seed, experiments, p_treated=0.65, p_control=0.60, *, days=30, per_day=60, boundary=20.0):
    """(stop in days, p of a t-test at the end, stopped early), each (experiments,), of the Bayes factor read per pair.

    One treated and one control array of users at a time, from one of NumPy's legacy generators. An experiment that
    never reaches the boundary has the last day as its stop, and counts as not early.
    """
    pairs = days * per_day
    rates, n = np.array([p_treated, p_control])[:, None], np.arange(1, pairs + 1)
    wins = np.random.RandomState(seed).binomial(1, rates, (experiments, 2, pairs)).cumsum(axis=2)
    a, b = wins[:, 0], wins[:, 1]
    crossed = log_bayes_factor(a, b, n, n) >= np.log(boundary)
    early = crossed.any(axis=1)
    return np.where(early, (crossed.argmax(axis=1) + 1) / per_day, days), t_pvalue(a[:, -1], b[:, -1], pairs), early


def mean_under_null(p, n):
    """Exact mean of that Bayes factor (uniform priors) after n pairs when both rates are p."""
    s = np.arange(2 * n + 1)
    triangular = (n + 1 - np.abs(s - n)) / (n + 1) ** 2
    return np.sum(stats.binom.pmf(s, 2 * n, p) * triangular * (2 * n + 1))


def _log_e_states(a, b, n, lgamma, prior):
    """log Bayes factor of the states a x b (consecutive integers); lgamma[k]: of k + prior."""
    arm, pooled = lgamma[: n + 1] + lgamma[n::-1], lgamma[: 2 * n + 1] + lgamma[2 * n :: -1]
    constant = gammaln(2 * n + 2 * prior) - 2 * gammaln(n + 2 * prior)
    constant += gammaln(2 * prior) - 2 * gammaln(prior)
    # row i of `both` is pooled[a[i] + b]: a view, nothing is copied
    both = np.lib.stride_tricks.sliding_window_view(pooled[a[0] + b[0] : a[-1] + b[-1] + 1], len(b))
    return arm[a][:, None] + (arm[b] + constant) - both


def stop_probabilities(p, pairs, prior=1.0, boundary=20.0, effect=0.0, first_look=1):
    """Exact probability (pairs,) that the Bayes factor first reaches `boundary` at pair 1, 2, ...

    Rates p + effect and p; a look after every pair from first_look on. A dynamic programme carries the probability of
    every state (a, b) from one pair to the next and moves that of the states beyond the boundary to "stopped"; only
    states within six standard deviations of their means are kept (what is lost is below 1e-6: checked).
    """
    lgamma = gammaln(np.arange(2 * pairs + 1) + prior)
    alive, stopped = np.zeros((pairs + 1, pairs + 1)), np.zeros(pairs)
    alive[0, 0], rates, low = 1.0, np.array([p + effect, p]), np.array([0, 0])
    for n in range(1, pairs + 1):
        reach = 6 * np.sqrt(n * rates * (1 - rates)) + 8
        high = np.minimum(n, (n * rates + reach).astype(int))
        block = alive[low[0] : high[0] + 1, low[1] : high[1] + 1]
        after = (1 - rates[0]) * block  # first the treated user of the pair ...
        after[1:] += rates[0] * block[:-1]
        block[:] = (1 - rates[1]) * after  # ... then the control user
        block[:, 1:] += rates[1] * after[:, :-1]
        if n >= first_look:
            a, b = np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1)
            crossed = _log_e_states(a, b, n, lgamma, prior) >= np.log(boundary)
            stopped[n - 1] = block[crossed].sum()
            block[crossed] = 0
        low = np.maximum(0, (n * rates - reach).astype(int))
    if abs(alive[low[0] :, low[1] :].sum() + stopped.sum() - 1) > 1e-6:
        raise ArithmeticError("probability was lost outside the window of states")
    return stopped


def safe_log_e(a, b, n_a=1, n_b=1, delta=0.05):
    """log e-value (..., blocks) of the safe test for two proportions; a of n_a and b of n_b successes in each block.

    Half the capital on a difference of +delta, half on -delta; the base rate of a block is the pooled one of the blocks
    before it. For any base rate the mean of a block's bet is at most 1 at every common rate (Turner, Ly and Grünwald
    2024, theorem 1), so the product may be read after any block. n_a, n_b: numbers or (blocks,), unequal if you like,
    as long as they do not depend on the outcomes. It finds differences near delta; far smaller ones cost it its
    capital for ever.
    """
    ones, users = a + b, np.broadcast_to(n_a + n_b, np.shape(a))
    past = np.cumsum(ones, axis=-1) - ones, np.cumsum(users, axis=-1) - users
    base = np.clip((past[0] + 1) / (past[1] + 2), delta + 0.001, 1 - delta - 0.001)
    capital = []
    for sign in (1, -1):
        up, down = sign * delta * n_b / (n_a + n_b), sign * delta * n_a / (n_a + n_b)
        gain = a * np.log1p(up / base) + (n_a - a) * np.log1p(-up / (1 - base))
        gain += b * np.log1p(-down / base) + (n_b - b) * np.log1p(down / (1 - base))
        capital.append(np.cumsum(gain, axis=-1))
    return np.logaddexp(*capital) - np.log(2)


def betting_log_e(wins, losses, prior=100.0):
    """log e-value of the discordant pairs: fair coin against a Beta(prior, prior) coin (Wald 1945). Broadcasts."""
    total = np.arange(np.max(wins) + np.max(losses) + 1)
    table = gammaln(total + prior)
    per_pair = total * np.log(2) - gammaln(total + 2 * prior)
    constant = gammaln(2 * prior) - 2 * gammaln(prior)
    return table[wins] + table[losses] + per_pair[wins + losses] + constant


def normal_mixture_log_e(estimate, variance, tau):
    """log e-value against "no effect" of an estimate with this variance, prior N(0, tau^2) on the effect. Broadcasts.

    Robbins (1970); the mSPRT of Johari, Koomen, Pekelis and Walsh (2022). For arms of any size; exact for normal data,
    in the limit of many events otherwise.
    """
    ratio = tau**2 / variance
    return -0.5 * np.log1p(ratio) + 0.5 * estimate**2 / variance * ratio / (1 + ratio)


def e_benjamini_hochberg(e, alpha=0.05):
    """Which of the e-values (..., m) are rejected: the k largest, with e >= m / (k alpha), for the largest such k.

    Controls the false-discovery rate, whatever the dependence (Wang and Ramdas 2022).
    """
    m = e.shape[-1]
    ordered = -np.sort(-e, axis=-1)
    enough = ordered >= m / (np.arange(1, m + 1) * alpha)
    k = np.max(np.where(enough, np.arange(1, m + 1), 0), axis=-1)
    smallest = np.take_along_axis(ordered, np.maximum(k - 1, 0)[..., None], axis=-1)
    return (e >= smallest) & (k > 0)[..., None]


# ---- the confidence sequence


def _tuning(alpha):
    """The constant by which the mixture is tightest where it is asked to be (Waudby-Smith et al. 2024)."""
    return -2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1)


def mixture_bound(time, tightest, alpha=0.05):
    """The bound (...) on |z| that a test without effect ever reaches with probability alpha, at each `time` (...).

    time: users so far, or any measure of information, in the unit of `tightest`, the time at which the interval is
    narrowest (chosen before the outcomes are seen). Robbins (1970); Waudby-Smith et al. (2024).
    """
    x = _tuning(alpha) * np.asarray(time, float) / tightest
    with np.errstate(divide="ignore"):
        return np.sqrt((1 + 1 / x) * (np.log1p(x) - 2 * np.log(alpha)))


def mixture_log_e(z, time, tightest, alpha=0.05):
    """log e-value (...) of z at a time (...): it is log(1 / alpha) where |z| is `mixture_bound`."""
    x = _tuning(alpha) * np.asarray(time, float) / tightest
    return -0.5 * np.log1p(x) + 0.5 * np.square(z) * x / (1 + x)


def pair_sequence(total, squares, n, tightest, alpha=0.05):
    """(mean, half-width) of the confidence sequence from sums of n pair differences and of their squares. Broadcasts.

    Before the first pair that disagrees the width is 0: wait for a minimum of events (20 in each arm, say).
    """
    mean = total / n
    sd = np.sqrt(np.maximum(squares / n - mean**2, 0))
    return mean, sd * mixture_bound(n, tightest, alpha) / np.sqrt(n)


# ---- group-sequential bounds


def pocock(t, alpha=0.05):
    """Level used up by the share t of the horizon, much of it early (Lan and DeMets 1983)."""
    return alpha * np.log1p((np.e - 1) * np.minimum(t, 1.0))


def obrien_fleming(t, alpha=0.05):
    """The same, most of it late; two-sided, alpha / 2 for each side."""
    t = np.minimum(np.asarray(t, float), 1.0)
    return 4 * stats.norm.sf(stats.norm.isf(alpha / 4) / np.sqrt(np.maximum(t, 1e-300)))


FARTHEST = 8.0  # standard deviations: a bound beyond it is never reached


@functools.cache
def _legendre(nodes=8):
    return np.polynomial.legendre.leggauss(nodes)


def _nodes(reach, sd):
    """Nodes and weights of Gauss and Legendre's rule on [-reach, reach], in panels of at most 3 sd."""
    panels = max(math.ceil(2 * reach / (3 * sd)), 2)
    x, w = _legendre()
    edges = np.linspace(-reach, reach, panels + 1)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (1 + x)).ravel(), np.broadcast_to(half * w, (panels, len(x))).ravel()


def _step(mass, at, edge, sd, drift):
    """Probability of ending above and below +-edge, and nodes and masses in between, after a normal increment."""
    upper = mass @ stats.norm.sf((edge - at - drift) / sd)
    lower = mass @ stats.norm.cdf((-edge - at - drift) / sd)
    nodes, weights = _nodes(edge, sd)
    density = np.exp(-0.5 * ((nodes[:, None] - at - drift) / sd) ** 2) @ mass / (sd * np.sqrt(2 * np.pi))
    return upper, lower, nodes, density * weights


def spending_bounds(spent, information=None):
    """Bounds (looks,) on |z| so that a test without effect has crossed one by look k with probability spent[k].

    spent: (looks,) the level used up so far, two-sided, never falling, ends at alpha: `obrien_fleming(t)`, say, with t
    the share of the planned users or of the planned days. information: (looks,) how much the estimate knows at each
    look (1 / variance, or users; the unit does not matter), rising; None for equal steps. Between looks the test is a
    Brownian motion in that time, whose density is carried forward by numerical integration (Armitage, McPherson and
    Rowe 1969; Jennison and Turnbull 2000, chapter 19). A bound of inf: nothing may be spent at this look.
    """
    spent = np.asarray(spent, float)
    clock = np.arange(1, len(spent) + 1.0) if information is None else np.asarray(information, float)
    clock = clock / clock[-1]
    at, mass, now, used, bounds = np.zeros(1), np.ones(1), 0.0, 0.0, np.full(len(spent), np.inf)
    for k, amount in enumerate(spent):
        sd, farthest = np.sqrt(clock[k] - now), FARTHEST * np.sqrt(clock[k])

        def tail(edge, at=at, mass=mass, sd=sd):
            return 2 * (mass @ special.ndtr((at - edge) / sd))

        low, high, left = 0.0, farthest, amount - used
        if left > tail(farthest):
            for _ in range(50):
                middle = (low + high) / 2
                low, high = (middle, high) if tail(middle) > left else (low, middle)
            bounds[k] = high / np.sqrt(clock[k])
            used += tail(high)
        _, _, at, mass = _step(mass, at, high, sd, 0.0)
        now = clock[k]
    return bounds


def crossing_probabilities(bounds, information, drift=0.0):
    """(above, below), each (looks,): exact probability of first crossing +bounds and -bounds at each look.

    drift: the expected z at the last look. The exact recursion of `spending_bounds`, for power and for checks.
    """
    clock = np.asarray(information, float) / information[-1]
    at, mass, now, found = np.zeros(1), np.ones(1), 0.0, []
    for bound, time in zip(bounds, clock, strict=True):
        edge = min(bound, FARTHEST + abs(drift)) * np.sqrt(time)
        upper, lower, at, mass = _step(mass, at, edge, np.sqrt(time - now), drift * (time - now))
        found.append((upper, lower))
        now = time
    return np.array(found).T


# ---- ten methods on the same experiments


def running_counts(rng, p_treated, p_control, experiments, pairs):
    """Outcomes x, y of pairs, running successes a, b, wins and losses: a dict of (experiments, pairs) int32.

    p_treated, p_control: rates, numbers or (pairs,) or (experiments, pairs).
    """
    size = (experiments, pairs)
    x = (rng.random(size, dtype=np.float32) < p_treated).astype(np.int32)
    y = (rng.random(size, dtype=np.float32) < p_control).astype(np.int32)
    total = {"a": x, "b": y, "wins": x > y, "losses": x < y}
    return {"x": x, "y": y} | {name: np.cumsum(v, axis=1, dtype=np.int32) for name, v in total.items()}


def first_stop(crossed, looks):
    """Look (experiments,) at which each row of `crossed` (experiments, looks) is first true; the last look + 1 if never."""
    return np.where(crossed.any(axis=1), looks[crossed.argmax(axis=1)], looks[-1] + 1)


def race(p_treated, p_control, experiments, seed, *, days=30, per_day=60, effect=0.05, alpha=0.05, minimum=MINIMUM,
         chunk=500):  # fmt: skip
    """{method: (experiments, 3)}: pair at the stop (days * per_day + 1 if never), successes of treated and control by then.

    The first five methods are read after every pair, the others on every day. effect: what the safe test and the normal
    mixture are tuned to; the confidence sequence is tightest at the end, and starts when both arms have `minimum` of
    both outcomes. Chunks of experiments fit into the processor's cache.
    """
    horizon = days * per_day
    pairs, share, rng = np.arange(1, horizon + 1), np.arange(1, days + 1) / days, np.random.default_rng(seed)
    looks, e = pairs[per_day - 1 :: per_day], np.log(1 / alpha)

    def sequence(c):
        mean, half = pair_sequence(c["wins"] - c["losses"], c["wins"] + c["losses"], pairs, horizon, alpha)
        few = np.minimum(np.minimum(c["a"], c["b"]), pairs - np.maximum(c["a"], c["b"]))
        return (np.abs(mean) > half) & (few >= minimum)

    def mixture(c):  # smoothed rates, so that the variance is never 0
        p, q = (c["a"] + 1) / (pairs + 2), (c["b"] + 1) / (pairs + 2)
        variance = (p * (1 - p) + q * (1 - q)) / pairs
        return normal_mixture_log_e((c["a"] - c["b"]) / pairs, variance, effect) >= e

    each_pair = {
        "article's Bayes factor": lambda c: log_bayes_factor(c["a"], c["b"], pairs, pairs) >= e,
        "safe 2x2 test": lambda c: safe_log_e(c["x"], c["y"], delta=effect) >= e,
        "betting on discordant pairs": lambda c: betting_log_e(c["wins"], c["losses"]) >= e,
        "normal mixture": mixture,
        "confidence sequence": sequence,
    }
    once = stats.norm.isf(alpha / 2)
    each_day = {
        "Pocock spending": spending_bounds(pocock(share, alpha)),
        "O'Brien-Fleming spending": spending_bounds(obrien_fleming(share, alpha)),
        "Bonferroni, every look": np.full(days, stats.norm.isf(alpha / 2 / days)),
        "peeking daily": np.full(days, once),
        "fixed: last day only": np.append(np.full(days - 1, np.inf), once),
    }
    found = {name: [] for name in (*each_pair, *each_day)}
    for start in range(0, experiments, chunk):
        c = running_counts(rng, p_treated, p_control, min(chunk, experiments - start), horizon)
        t = np.abs(t_statistic(c["a"][:, looks - 1], c["b"][:, looks - 1], looks))
        stops = {name: first_stop(rule(c), pairs) for name, rule in each_pair.items()}
        stops |= {name: first_stop(t >= z, looks) for name, z in each_day.items()}
        for name, pair in stops.items():
            last = np.minimum(pair, horizon)[:, None] - 1
            counts = [np.take_along_axis(c[arm], last, axis=1)[:, 0] for arm in "ab"]
            found[name].append(np.column_stack([pair, *counts]))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def compare(real, nulls=None, effect=0.05, days=30, per_day=60):
    """What each method of `race` did: DataFrame, a row for each method.

    real: what `race` returned with the true `effect`; nulls: {name of the column: what it returned without one}. power
    and those columns: shares that stopped; median day: of the stop, the last day if there was none; mean estimate,
    coverage: mean difference where each test with an effect stopped or ended, and how often the usual 95 % interval
    there holds the effect. nan where there are no tests.
    """
    horizon, rows = days * per_day, {}
    for name, found in real.items():
        rows[name] = {column: np.mean(null[name][:, 0] <= horizon) for column, null in (nulls or {}).items()}
        n, (a, b) = np.minimum(found[:, 0], horizon), found[:, 1:].T
        off, half = (a - b) / n - effect, 1.96 * np.sqrt(a * (1 - a / n) + b * (1 - b / n)) / n
        values = (found[:, 0] <= horizon, n / per_day, off + effect, np.abs(off) <= half)
        for column, value in zip(("power", "median day", "mean estimate", "coverage"), values, strict=True):
            rows[name][column] = np.nan if not len(n) else np.median(value) if column == "median day" else np.mean(value)
    return pd.DataFrame(rows).T


# ---- an interval for every sample size


def _log_mixture(s, v, rho, c):
    """(log, its derivative in s) of the gamma-exponential mixture (Howard et al. 2021). Broadcasts.

    A sum with deviation s and squares v: exp(l s - v psi(l)), psi(l) = (-log(1 - c l) - c l) / c^2, averaged over l.
    """
    k0, k, w = rho / c**2, (v + rho) / c**2, (c * s + v + rho) / c**2
    start = k0 * np.log(k0) - gammaln(k0) - np.log(special.gammainc(k0, k0))
    below = special.gammainc(k, w)
    value = start + gammaln(k) - k * np.log(w) + w - k0 + np.log(below)
    density = np.exp((k - 1) * np.log(w) - w - gammaln(k))
    return value, (density / below - k / w + 1) / c


def guaranteed_radius(v, rho, c, alpha=0.05):
    """How far (...) a sum of deviations with squares v (...) ever gets, either way, with probability at most alpha.

    The deviations are bounded by c; rho is where the mixture is tuned. Newton's method: the mixture is convex and
    rises in the deviation, so that every step ends above the root.
    """
    v = np.asarray(v, float)
    target = np.log(2 / alpha)
    s = np.sqrt((v + rho) * (np.log1p(v / rho) + 2 * target)) + c * target / 3  # the normal mixture, and a little more
    for _ in range(30):
        value, slope = _log_mixture(s, v, rho, c)
        s, before = np.maximum(s - (value - target) / slope, 0.0), s
        if np.all(np.abs(s - before) <= 1e-9 * before):
            break
    return s


# ---- counts by look: two arms, any number of experiments at once


@dataclass
class Counts:
    """Sums over the users of each arm at each look; arrays (..., 2, looks), control before treated.

    n: users whose outcome is known; y, yy, y3, y4: sums of their outcomes and of powers of them (y3 and y4 may be None
    for outcomes of 0 and 1, which are their own powers); x, xx, xy: sums of a covariate from before the test, of its
    squares, and of its products with the outcome (None: there is none).
    """

    n: np.ndarray
    y: np.ndarray
    yy: np.ndarray
    y3: np.ndarray = None
    y4: np.ndarray = None
    x: np.ndarray = None
    xx: np.ndarray = None
    xy: np.ndarray = None

    def __post_init__(self):
        for name in self.__dataclass_fields__:
            if getattr(self, name) is not None:
                setattr(self, name, np.asarray(getattr(self, name), float))

    @classmethod
    def of(cls, control, treated, per_look):
        """From outcomes 0 and 1 (..., users) in order of arrival, `per_look` users of each arm at a look."""
        arms = np.stack([control, treated], axis=-2)
        first = np.arange(0, arms.shape[-1], per_look)
        n, y = (np.add.reduceat(values, first, axis=-1) for values in (np.ones(arms.shape), arms.astype(float)))
        return cls(n, y, y)

    @classmethod
    def draw(cls, seed, n, control, treated):
        """Of simulated tests with n (..., 2, looks) users and completion rates control and treated: numbers or (looks,)."""
        rates = np.stack(np.broadcast_arrays(control, treated, np.zeros(n.shape[-1]))[:2])
        y = np.random.default_rng(seed).binomial(n, rates)
        return cls(n, y, y)

    def map(self, change):
        """Counts of which every array is `change` of the one here."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return Counts(**{name: None if value is None else change(value) for name, value in values.items()})

    @functools.cached_property
    def so_far(self):
        """The same sums over all looks up to each."""
        return self.map(lambda value: np.cumsum(value, axis=-1))

    @functools.cached_property
    def binary(self):
        """Whether every outcome is 0 or 1."""
        same = np.array_equal(self.y, self.yy) and (self.y3 is None or np.array_equal(self.y, self.y3))
        return same and (self.y4 is None or np.array_equal(self.y, self.y4))

    def events(self):
        """Events (..., looks) so far, in the arm that has fewer: how many outcomes the spread rests on.

        Of 0 and 1: the ones or the zeros, whichever are fewer. Of numbers: users over kurtosis, which for a rare one
        is the number of ones, and is small where a few users carry most of the spread. Where an arm is much smaller
        than the other it may not have met a rare large value yet, and its own kurtosis looks harmless: so it counts
        no more than twice what its users would be worth with the kurtosis of both arms together.
        """
        s = self.so_far
        if self.binary:
            return np.minimum(s.y, s.n - s.y).min(axis=-2)
        if s.y4 is None:
            raise ValueError("counts of outcomes other than 0 and 1 need y3 and y4")
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            m = s.y / s.n
            second = s.yy / s.n - m**2
            fourth = s.y4 / s.n - 4 * m * s.y3 / s.n + 6 * m**2 * s.yy / s.n - 3 * m**4
            found = np.where(second > 1e-12 * (s.yy / s.n), s.n * second**2 / fourth, 0.0)
            pooled = (s.n * second).sum(axis=-2) ** 2 / (s.n * fourth).sum(axis=-2) / s.n.sum(axis=-2)
            most = 2 * s.n.min(axis=-2) * pooled
        return np.minimum(*(np.nan_to_num(x, nan=0.0, posinf=0.0) for x in (found.min(axis=-2), most)))

    def slope(self):
        """Slope (..., looks) of the outcome on the covariate within the arms, from all users so far; 0 without one."""
        s = self.so_far
        if s.x is None:
            return np.zeros(self.n.shape[:-2] + self.n.shape[-1:])
        with np.errstate(divide="ignore", invalid="ignore"):
            xy, xx = (np.where(s.n > 0, q - p * s.x / s.n, 0.0).sum(axis=-2) for q, p in ((s.xy, s.y), (s.xx, s.x)))
            return np.where(xx > 1e-12 * s.xx.sum(axis=-2), xy / xx, 0.0)


def running(counts, by_look=False):
    """(estimate, variance, clock), each (..., looks): treated minus control at each look, from all users so far.

    Each arm by its own users, each with its own variance (Welch). With a covariate the outcomes are y - slope * x
    (CUPED; Deng, Xu, Kohavi and Walker 2013), the slope from both arms so far. by_look: users are compared within looks
    and the differences averaged with weights n1 n0 / (n1 + n0), which is right for arms whose shares change; looks with
    fewer than two users in an arm are put together with the next. clock: the variance of the sum behind the estimate,
    the time in which it moves as a Brownian motion without effect: also if rates and variances drift.
    """
    sums = _within(counts) if by_look else _pooled(counts)
    slope = counts.slope()
    weight, d, dx, v, vxy, vxx = sums
    variance = v - 2 * slope * vxy + slope**2 * vxx
    clock = np.fmax.accumulate(weight**2 * variance, axis=-1)  # looks without a variance come before the first with one
    return d - slope * dx, variance, clock


def _moments(n, y, yy, x, xx, xy):
    """Means and squared errors of arms, (..., 2, ...): the terms of `running` before the covariate is subtracted."""
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = n[0] * n[1] / (n[0] + n[1])
        mean, error = y / n, np.maximum(yy - y**2 / n, 0) / (n - 1) / n
        zero = np.zeros_like(weight)
        if x is None:
            return weight, mean[1] - mean[0], zero, error.sum(axis=0), zero, zero
        xmean, exy, exx = x / n, (xy - x * y / n) / (n - 1) / n, (xx - x**2 / n) / (n - 1) / n
        return (weight, mean[1] - mean[0], xmean[1] - xmean[0], error.sum(axis=0), exy.sum(axis=0), exx.sum(axis=0))


def _arms_first(counts):
    return [None if value is None else np.moveaxis(value, -2, 0)
            for value in (counts.n, counts.y, counts.yy, counts.x, counts.xx, counts.xy)]  # fmt: skip


def _pooled(counts):
    return _moments(*_arms_first(counts.so_far))


def _within(counts):
    columns = _arms_first(counts)
    pending = [None if c is None else np.zeros(c.shape[:-1]) for c in columns]
    total, found = np.zeros((6, *columns[0].shape[1:-1])), []
    for k in range(columns[0].shape[-1]):
        pending = [None if c is None else p + c[..., k] for p, c in zip(pending, columns, strict=True)]
        full = (pending[0] >= 2).all(axis=0)
        w, d, dx, v, vxy, vxx = (np.where(full, term, 0.0) for term in _moments(*pending))
        total = total + np.array([w, w * d, w * dx, w**2 * v, w**2 * vxy, w**2 * vxx])
        pending = [None if p is None else np.where(full, 0.0, p) for p in pending]
        found.append(total)
    w, d, dx, v, vxy, vxx = np.moveaxis(np.array(found), 0, -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return w, d / w, dx / w, v / w**2, vxy / w**2, vxx / w**2


@dataclass
class Walk:
    """What a method says at each look, arrays (..., looks); nan where it says nothing yet.

    estimate, error: treated minus control and its standard error; lo, hi: the interval; bound: on |z|; log_e: log
    e-value against "no effect" (nan for group-sequential and fixed); ready: whether the look may be used.
    """

    estimate: np.ndarray
    error: np.ndarray
    bound: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    log_e: np.ndarray
    ready: np.ndarray

    def stop(self):
        """First look (...) whose interval excludes 0; the number of looks where none does."""
        out = self.ready & ((self.lo > 0) | (self.hi < 0))
        return np.where(out.any(axis=-1), out.argmax(axis=-1), out.shape[-1])

    def at(self, look):
        """(estimate, lo, hi), each (...), at a look (...); at the last one where it is the number of looks or more."""
        look = np.minimum(look, self.ready.shape[-1] - 1)[..., None]
        return tuple(np.take_along_axis(values, look, axis=-1)[..., 0] for values in (self.estimate, self.lo, self.hi))

    def covers(self, truth=0.0):
        """Whether (...) the interval holds the truth at every look that may be used; truth: a number or (..., looks)."""
        return (~self.ready | ((self.lo <= truth) & (truth <= self.hi))).all(axis=-1)


REACH = 10  # a sequence is tightest at so many times the users of its first look, unless `tightest` says otherwise


def walk(counts, method="sequence", *, alpha=0.05, minimum=MINIMUM, tightest=None, by_look=False, spent=None,
         share=0.5, bounds=(0.0, 1.0), expected=None):  # fmt: skip
    """Walk of one method over the looks of `counts` (Counts, any leading dimensions are experiments).

    tightest: users of both arms at which the interval is tightest; None: ten times those of the first look. spent: for
    the group-sequential methods, (looks,) share of the planned horizon at each look; the bounds are computed once, from
    the mean information of the experiments. share, bounds, expected: for "guaranteed" (see `guaranteed`).
    """
    if method == "guaranteed":
        return guaranteed(counts, share=share, bounds=bounds, expected=expected, alpha=alpha, tightest=tightest)
    estimate, variance, clock = running(counts, by_look)
    users = counts.so_far.n.sum(axis=-2)
    ready = np.logical_or.accumulate((counts.events() >= minimum) & (variance > 0), axis=-1)
    log_e = np.full(estimate.shape, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(np.where(variance > 0, variance, np.nan))
        if method == "sequence":
            first = ready.argmax(axis=-1)[..., None]
            start, scale = (np.take_along_axis(a, first, axis=-1) for a in (users, clock))
            time = clock / scale * start  # users, where each counts as one of the first look
            best = REACH * start if tightest is None else tightest
            bound = mixture_bound(time, best, alpha)
            log_e = np.where(ready, mixture_log_e(estimate / error, time, best, alpha), np.nan)
        elif method in SPENDING:
            bound, usable = _spending_walk(clock, ready, spent, method, alpha)
            ready = ready & usable
        else:
            bound = np.full(estimate.shape, stats.norm.isf(alpha / 2))
        half = np.where(ready, bound * error, np.nan)
    return Walk(estimate, error, np.broadcast_to(bound, estimate.shape), estimate - half, estimate + half, log_e, ready)


SHORTEST = 1e-3  # share of the horizon: a look that adds less is put together with the next


def _spending_walk(clock, ready, spent, method, alpha):
    """Bounds (looks,) of a spending design and the looks (looks,) that it uses, from the mean clock."""
    if spent is None:
        raise ValueError(f"{method}: say in `spent` which share of the horizon each look has reached")
    axes = tuple(range(clock.ndim - 1))
    seen = ready.all(axis=axes)
    mean = np.where(ready, clock, 0.0).mean(axis=axes)
    spent, used, last, time = np.asarray(spent, float), np.zeros(len(seen), bool), 0.0, 0.0
    for k in np.flatnonzero(seen):
        if spent[k] - last >= SHORTEST and mean[k] > time * (1 + 1e-9) and last < 1:
            used[k], last, time = True, spent[k], mean[k]
    bound = np.full(len(seen), np.inf)
    if used.any():
        kind = obrien_fleming if method == "obrien-fleming" else pocock
        bound[used] = spending_bounds(kind(spent[used], alpha), mean[used])
    return bound, used & np.isfinite(bound)


PRIOR_USERS = 10.0  # how many users the expected mean counts for, beside those of the looks before


def guaranteed(counts, *, share=0.5, bounds=(0.0, 1.0), expected=None, alpha=0.05, tightest=None):
    """Walk of the confidence sequence whose guarantee needs no large numbers, no constant rates and no like users.

    It needs outcomes within `bounds` and a coin: each user is treated with probability `share`, whatever went before.
    Then, with guesses g1 and g0 of the arms' means that come from earlier looks, each user's
    X = g1 - g0 + A (y - g1) / share - (1 - A) (y - g0) / (1 - share) has the user's own effect m as its mean, and the sum
    of X - m stays within `guaranteed_radius` of the sum of (X - g1 + g0)^2 at all looks: the empirical-Bernstein
    sequence of Howard, Ramdas, McAuliffe and Sekhon (2021), for randomized potential outcomes. (Why: with d = X - g1 +
    g0, no less than -c, and l below 1 / c, exp(l d - psi(l) d^2) <= 1 + l d. The mean of the right side is
    1 + l (m - g1 + g0) <= exp(l (m - g1 + g0)), so the product over users of exp(l (X - m) - psi(l) d^2) is a
    supermartingale. -X gives the other side.) It covers the mean effect on the users so far. expected: the mean outcome
    that was expected before the test; None: the first look with users teaches the guesses, and the sums begin with the
    next. tightest: as for `walk`, at least 2,000 where it is not given.
    """
    low, high = bounds
    n, y, yy = (np.moveaxis(a, -2, 0) for a in (counts.n, counts.y, counts.yy))
    p = np.array([1 - share, share]).reshape(2, *[1] * (n.ndim - 1))
    past_n, past_y = (np.cumsum(a, axis=-1) - a for a in (n, y))
    total_n, total_y = past_n.sum(axis=0), past_y.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        if expected is None:
            begun = total_n > 0
            first = (n.sum(axis=0) > 0).argmax(axis=-1)[..., None]
            m, q = (np.take_along_axis(a.sum(axis=0), first, axis=-1) for a in (n, y))
            typical = (q + 0.5 * (low + high)) / (m + 1)
            pooled = np.where(begun, total_y / total_n, typical)
        else:
            begun = np.ones(total_n.shape, bool)
            typical = np.full(total_n.shape[:-1] + (1,), float(expected))
            pooled = (PRIOR_USERS * typical + total_y) / (PRIOR_USERS + total_n)
    guess = (PRIOR_USERS * pooled + past_y) / (PRIOR_USERS + past_n)
    n, y, yy = (np.where(begun, a, 0.0) for a in (n, y, yy))
    users = np.cumsum(n.sum(axis=0), axis=-1)
    excess = (y - n * guess) / p
    total = np.cumsum(n.sum(axis=0) * (guess[1] - guess[0]) + excess[1] - excess[0], axis=-1)
    squares = np.cumsum(((yy - 2 * guess * y + n * guess**2) / p**2).sum(axis=0), axis=-1)
    c = (high - low) / min(share, 1 - share)
    start = np.take_along_axis(users, (users > 0).argmax(axis=-1)[..., None], axis=-1)
    best = np.maximum(REACH * start, 2000.0) if tightest is None else float(tightest)
    spread = np.maximum((typical - low) * (high - typical), 0.01 * (high - low) ** 2 / 4)  # at most, for such a mean
    rho = best * spread / (share * (1 - share)) / _tuning(alpha)
    radius = guaranteed_radius(squares, rho, c, alpha)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate, half = total / users, radius / users
        value, _ = _log_mixture(np.abs(total), squares, np.broadcast_to(rho, squares.shape), c)
        ready = users > 0
        error = np.where(ready, np.sqrt(squares) / users, np.nan)
        bound = half / error
    lo, hi = (np.where(ready, estimate + sign * half, np.nan) for sign in (-1, 1))
    return Walk(estimate, error, bound, lo, hi, np.where(ready, value - np.log(2), np.nan), ready)


# ---- the interface: analyse, queries, analyse_tables

MEANING = {  # what check.sql can find
    "arm is missing": (WARNING, "These rows were left out. If they are users of the test, find out why."),
    "time is missing": (WARNING, "These rows were left out."),
    "time is no time": (FATAL, "Write it as 2026-03-31 or 2026-03-31 14:05:00 or as a number, or give SQL that does, "
                               "such as strptime(day, '%d/%m/%Y'). Of numbers, say time_is='number' to queries()."),
    "outcome is not a finite number": (FATAL, "Repair them, or give SQL; of words a condition, such as answer = 'yes'."),
    "covariate is not a finite number": (FATAL, "Repair them, or leave them out with a WHERE."),
    "user appears more than once": (FATAL, "Make them one row each (GROUP BY user): repeated rows make every interval "
                                           "too narrow."),
    "user is in two arms": (FATAL, "A user belongs to the arm that the coin gave first, or the assignment leaks: find "
                                   "out."),
    "the log has no rows": (FATAL, "Look at the path and the WHERE."),
}  # fmt: skip
ROLES = ("outcome", "arm", "time"), ("user", "before")
CELLS = 200_000  # more rows of an aggregate mean that a column has been taken for something it is not
ARMS = 20
ACCEPT = ("ratio", "allocation", "before")


def _design(method="sequence", *, control_value=None, treated_value=None, look=None, planned_share=None,
            allocation="constant", minimum=MINIMUM, tightest=None, horizon=None, end=None, bounds=None, expected=None,
            margin=None, worthwhile=None, better="higher", delay=None, now=None, level=0.95, accept=()):  # fmt: skip
    """The analyst's decisions, checked; raises ValueError in one line."""
    number = own_logs.check_number
    own_logs.check_choice("method", method, METHODS)
    own_logs.check_choice("allocation", allocation, ("constant", "by_look"))
    own_logs.check_choice("better", better, ("higher", "lower"))
    accept = (accept,) if isinstance(accept, str) else tuple(accept)
    for name in accept:
        own_logs.check_choice("accept", name, ACCEPT)
    if method in SPENDING and (horizon is None) == (end is None):
        raise ValueError(f"{method}: say either `horizon` (users of all arms that are planned) or `end` (the last look)")
    if method not in SPENDING and (horizon is not None or end is not None):
        raise ValueError(f"horizon and end: for {' and '.join(SPENDING)}, not for {method}")
    if method == "guaranteed" and allocation == "by_look":
        raise ValueError("guaranteed: needs a constant share; with allocation='by_look' use method='sequence'")
    if delay is not None and not isinstance(delay, str):
        delay = number("delay", delay, above=0)
    if now is not None and delay is None:
        raise ValueError("now: only with `delay`, the time that an outcome needs")
    if bounds is not None:
        try:
            low, high = bounds
        except (TypeError, ValueError):
            raise ValueError(f"bounds: the lowest and the highest possible outcome, not {bounds!r}") from None
        bounds = number("bounds", low), number("bounds", high, above=number("bounds", low))
    if isinstance(planned_share, dict):
        planned_share = {key: number("planned_share", value, above=0, below=1) for key, value in planned_share.items()}
        if abs(sum(planned_share.values()) - 1) > 1e-6:
            raise ValueError(f"planned_share: the shares of all arms, which add up to 1, not {sum(planned_share.values()):g}")
    elif planned_share not in (None, "unknown"):
        planned_share = number("planned_share", planned_share, above=0, below=1)
    return {
        "method": method, "control_value": control_value, "treated_value": treated_value, "look": look,
        "planned_share": planned_share, "allocation": allocation, "delay": delay, "now": now, "end": end,
        "minimum": number("minimum", minimum, at_least=2),
        "tightest": None if tightest is None else number("tightest", tightest, above=0),
        "horizon": None if horizon is None else number("horizon", horizon, above=0),
        "bounds": bounds, "expected": None if expected is None else number("expected", expected),
        "margin": None if margin is None else number("margin", margin, above=0),
        "worthwhile": None if worthwhile is None else number("worthwhile", worthwhile, above=0),
        "better": better, "level": number("level", level, above=0, below=1), "accept": accept,
    }  # fmt: skip


UNITS = {"hour": ("hour", 1), "day": ("day", 24), "week": ("day", 168)}


def _unit(look, kind):
    """(unit that the query cuts times to, width of a look): a unit of DATE_TRUNC and hours, or None and a number."""
    if kind == "number":
        if isinstance(look, str):
            raise ValueError(f"look: {look!r} needs a column of dates or time stamps, and this one has numbers")
        return None, 1.0 if look is None else own_logs.check_number("look", look, above=0)
    if look in (None, *UNITS):
        return UNITS[look or "day"]
    try:
        hours = pd.Timedelta(look) / pd.Timedelta(hours=1) if isinstance(look, str) else np.nan
    except ValueError:
        hours = np.nan
    if not (hours >= 1 and float(hours).is_integer()):
        raise ValueError(f"look: 'hour', 'day', 'week' or a duration of whole hours such as '6h' or '2 days', not {look!r}")
    return ("day" if hours % 24 == 0 else "hour"), int(hours)


def _latest_due(delay, now, kind):
    """SQL for the last time whose outcome is known by now; raises ValueError in one line."""
    if kind == "number":
        if isinstance(delay, str):
            raise ValueError(f"delay: a number, in the unit of the time, not {delay!r}")
        return own_logs.literal(own_logs.check_number("now", now) - delay)
    try:
        span = pd.Timedelta(delay) if isinstance(delay, str) else None
        known = pd.Timestamp(now)
        known = known.tz_convert("UTC").tz_localize(None) if known.tzinfo else known
    except (ValueError, TypeError):
        span, known = None, pd.NaT
    if span is None or pd.isna(span) or span <= pd.Timedelta(0) or pd.isna(known):
        raise ValueError(f"delay and now: a duration such as '7 days' and a time such as '2026-03-31', not {delay!r} and {now!r}")
    return f"CAST({own_logs.text_literal(str(known - span))} AS TIMESTAMP)"


def _queries(block, kind, unit, due):
    """The two SQL texts. block: {"arm", "at", "given", "outcome", "before", "who"}: SQL or None."""
    nothing = "CAST(NULL AS DOUBLE)"
    if kind == "number":
        width = own_logs.literal(unit[1])
        look = f"CASE WHEN ABS({block['at']}) < 1e300 THEN FLOOR(({block['at']}) / {width}) * {width} END"
    else:
        look = f"DATE_TRUNC('{unit[0]}', {block['at']})"
    shared = {"arm": block["arm"], "look": look, "outcome": block["outcome"], "before": block["before"] or nothing}
    check, aggregate = ((HERE / name).read_text(encoding="utf-8") for name in ("check.sql", "aggregate.sql"))
    check = own_logs.fill(check, shared | {"time_given": block["given"], "who": block["who"] or nothing})
    due = "1" if due is None else f"CASE WHEN {block['at']} <= {due} THEN 1 ELSE 0 END"
    return check, own_logs.fill(aggregate, shared | {"due": due})


def _centred(sql, offset):
    return f"({sql}) - {own_logs.literal(offset)}" if offset else sql


def _arm_sql(expression, design):
    """SQL for the name of an arm: "none" is one, and other words for a missing value are if the design names them."""
    names = ["none", design["control_value"], design["treated_value"]]
    if isinstance(design["planned_share"], dict):
        names += list(design["planned_share"])
    kept = [m for m in own_logs.MISSING if m and m in [str(name).strip().lower() for name in names if name is not None]]
    words = f"{own_logs.plain(expression)} IN ({', '.join(map(own_logs.text_literal, kept))})" if kept else ""
    plain = own_logs.text(expression)
    return f"CASE WHEN {words} THEN TRIM(CAST({expression} AS STRING)) ELSE {plain} END" if kept else plain


def queries(columns, *, time_is=None, outcome_offset=0.0, before_offset=0.0, **design):
    """(check, aggregate): the two SQL texts with the reader's columns, for a warehouse that Python cannot reach.

    They run on DuckDB and Spark against a table `logs`; give what they return to `analyse_tables`. columns and design:
    as for `analyse`, columns as names or expressions of your engine. time_is: "time stamp" (dates, too) or "number";
    None for what `look` and `delay` are, and time stamps where neither is given. With `delay`, say `now`. outcome_offset, before_offset: constants near the means of columns whose means are large
    against their spread, which keeps their digits; give outcome_offset to analyse_tables, too.
    """
    own_logs.check_roles(columns, *ROLES)
    own_logs.check_choice("time_is", time_is, (None, "time stamp", "number"))
    design = _design(**design)
    if time_is is None:
        given = {type(design[name]) for name in ("look", "delay") if design[name] is not None}
        time_is = "number" if given and str not in given else "time stamp"
    unit = _unit(design["look"], time_is)
    if design["delay"] is not None and design["now"] is None:
        raise ValueError("now: say up to when outcomes were recorded")
    time = columns["time"]
    block = {"arm": _arm_sql(columns["arm"], design), "given": own_logs.given(time),
             "at": own_logs.number(time) if time_is == "number" else own_logs.moment(time),
             "outcome": _centred(own_logs.number(columns["outcome"]), outcome_offset),
             "before": columns.get("before") and _centred(own_logs.number(columns["before"]), before_offset),
             "who": columns.get("user") and own_logs.text(columns["user"])}  # fmt: skip
    due = None if design["delay"] is None else _latest_due(design["delay"], design["now"], time_is)
    return _queries(block, time_is, unit, due)


def analyse(logs, columns, **design):
    """The effect of each arm against the control, with an interval that may be read at every look, or UnfitLog.

    logs: path or glob (CSV, Parquet), DataFrame or DuckDB relation, one row per randomized user.
    columns: {"outcome": column, "arm": column, "time": when the user entered the test}, and, where the log has them,
    "user" (finds repeated rows and users in two arms) and "before" (a number from before the test, such as last month's
    outcome: makes the interval narrower). A column is a name or an SQL expression such as "minutes / 60.0".

    control_value: the arm to compare with (not needed for arms 0 and 1); treated_value: the arm that `estimate` is of
    (default: the first other one; `comparisons` has all, each at level 1 - (1 - level) / arms). planned_share: of the
    treated arm (default one half), or {arm: share}, default equal shares; "unknown" for no such check.
    look: how often results are looked at: "day" (default), "hour", "week", "6h"; of a numeric time its width (1).
    allocation: "constant", or "by_look" where the shares were changed during the test. method: see the module.
    minimum: events in each arm before the first look. tightest: users at which the sequence is tightest (default ten
    times those of its first look). horizon (users of all arms) or end (last look) of a group-sequential design.
    bounds, expected: lowest and highest possible outcome (default 0 and 1 for such outcomes), and its mean as expected
    before the test: for method "guaranteed". margin: the largest loss that is acceptable; worthwhile: the smallest gain
    worth having; better: "higher" or "lower" outcomes. delay, now: an outcome is known so long after the user's entry
    ("7 days", or a number), and outcomes are recorded up to now (default: the last entry); younger users wait.
    level: of the interval. accept: findings to be warnings.

    Returns Sequential. Raises UnfitLog, one line for each fatal problem; ValueError for arguments without sense.
    """
    own_logs.check_roles(columns, *ROLES)
    design = _design(**design)
    with Logs(logs) as log:
        check, aggregate, offset, kind = _ask(log, columns, design)
    return _answer(check, aggregate, columns, design, offset, kind)


def _ask(log, columns, design, arms=True):
    """What the two queries return on an opened log, the offset of the outcome, and the kind of time."""
    kind, at, given = log.moment("time", columns["time"])
    unit = _unit(design["look"], kind)
    block = {"at": at, "given": given, "outcome": log.number("outcome", columns["outcome"]), "before": None,
             "arm": _arm_sql(log.expression("arm", columns["arm"]), design) if arms else "'all'",
             "who": _user(log, columns["user"]) if columns.get("user") else None}  # fmt: skip
    offset = own_logs.centre_of(log, block["outcome"])
    block["outcome"] = _centred(block["outcome"], offset)
    if columns.get("before"):
        before = log.number("before", columns["before"])
        block["before"] = _centred(before, _typical(log, before))
    due = None
    if design["delay"] is not None:
        now = design["now"]
        if now is None:
            limit = "ABS(t) < 1e300" if kind == "number" else "t IS NOT NULL"
            now = log.ask(f"SELECT MAX(t) AS t FROM (SELECT {at} AS t FROM logs) AS s WHERE {limit}")["t"][0]
            if pd.isna(now):
                now = 0.0 if kind == "number" else "2000-01-01"  # no time at all: the check says so
        due = _latest_due(design["delay"], now, kind)
    check, aggregate = _queries(block, kind, unit, due)
    first = log.ask(f"SELECT COUNT(DISTINCT arm) AS arms, COUNT(DISTINCT look) AS looks FROM "
                    f"({_block(aggregate)} LIMIT 100000) AS t")  # fmt: skip
    _refuse_wild(first["arms"][0], first["looks"][0], columns)
    return log.ask(check, inline=True), log.ask(aggregate), offset, kind


def _user(log, column):
    """SQL for a user's name; whole numbers stay numbers, which are compared faster than texts."""
    expression = log.expression("user", column)
    return expression if log.kind(expression) in ("INTEGER", "BIGINT", "UINTEGER", "UBIGINT") else own_logs.text(expression)


def _block(query):
    """The SELECT of the block `your_columns` of a filled query."""
    start = query.index("WITH your_columns AS (") + len("WITH your_columns AS (")
    return query[start : query.index("\n)", start)]


def _refuse_wild(arms, looks, columns):
    if arms > ARMS:
        raise ValueError(f"columns['arm']: {columns['arm']!r} has more than {ARMS} values; is it the arm?")
    if looks > CELLS / 4:
        raise ValueError(f"columns['time']: {columns['time']!r} makes {looks:,} looks; say with `look` how wide one is "
                         "(86400, for seconds and a look a day)")  # fmt: skip


def _typical(log, expression):
    """The mean of a column's first rows: what is subtracted from it, so that users without a value get a typical one."""
    first = log.ask(f"SELECT v FROM (SELECT {expression} AS v FROM logs) AS t "
                    "WHERE v IS NOT NULL AND ABS(v) < 1e300 LIMIT 1000")["v"].to_numpy(float)  # fmt: skip
    return float(f"{first.mean():.6g}") if len(first) else 0.0


def analyse_tables(check, aggregate, columns, *, outcome_offset=0.0, **design):
    """`analyse` from what the two texts of `queries` returned (DataFrames), with the same columns and design."""
    own_logs.check_roles(columns, *ROLES)
    look = aggregate.rename(columns=str.lower)["look"]
    dates = pd.api.types.is_datetime64_any_dtype(look) or pd.to_numeric(look, errors="coerce").isna().any()
    return _answer(check, aggregate, columns, _design(**design), outcome_offset, "time stamp" if dates else "number")


# ---- from the aggregate to the answer


def _key(value):
    """The spelling by which an arm is known: True, 1 and 1.0 are "1"; case and margins do not count."""
    value = str(value).strip().lower()
    value = {"true": "1", "false": "0"}.get(value, value)
    try:
        return own_logs.number_text(float(value)) if math.isfinite(float(value)) else value
    except ValueError:
        return value


SUMS = ("users", "due", "n", "y", "yy", "y3", "y4", "x_known", "x", "xx", "xy")


def _cells(aggregate, design, kind):
    """The aggregate with `key` of the arm and looks of the width that is wanted, in order; shards added up."""
    cells = aggregate.rename(columns=str.lower)
    cells = cells.assign(key=cells["arm"].map(_key), **{name: cells[name].astype(float) for name in
                                                         (*SUMS, "y_min", "y_max")})  # fmt: skip
    _, width = _unit(design["look"], kind)
    if kind == "number":
        look = cells["look"].astype(float)
        dates = _as_dates(look) if width == 1 else None
        look = look if dates is None else dates
    else:
        look = pd.to_datetime(cells["look"], format="mixed")
        if getattr(look.dt, "tz", None) is not None:
            look = look.dt.tz_convert("UTC").dt.tz_localize(None)
        if width not in (1, 24) and len(look):
            first = look.min().normalize()
            step = pd.Timedelta(hours=width)
            look = first + (look - first) // step * step
    cells["look"] = look
    how = dict.fromkeys(SUMS, "sum") | {"y_min": "min", "y_max": "max", "arm_name": "min"}
    return cells.groupby(["key", "look"], as_index=False).agg(how).sort_values(["look", "key"], ignore_index=True)


def _as_dates(look):
    """Numbers such as 20260331 as dates, None where they are not all of that form."""
    if not len(look) or not (look.between(19000101, 22001231) & (look % 1 == 0)).all():
        return None
    dates = pd.to_datetime(look.astype("int64").astype(str), format="%Y%m%d", errors="coerce")
    return dates if dates.notna().all() else None


def _find_arms(cells, columns, design):
    """(control, [treated arms]) as keys, the one to report first, and their names; raises ValueError in one line."""
    names = cells.groupby("key")["arm_name"].min()
    if len(names) > ARMS:
        raise ValueError(f"columns['arm']: {columns['arm']!r} has more than {ARMS} values; is it the arm?")
    shown = ", ".join(map(repr, names))

    def find(role):
        key = _key(design[role])
        if key not in names.index:
            raise ValueError(f"{role}: no row of {columns['arm']!r} is {design[role]!r}; its values are {shown}")
        return key

    control = find("control_value") if design["control_value"] is not None else None
    treated = find("treated_value") if design["treated_value"] is not None else None
    if len(names) == 1:
        own_logs.refuse(own_logs.problem_table([say(
            "one arm only", place=f"{columns['arm']} is {shown} in every row", rows=cells["users"].sum(),
            what_to_do="There is nothing to compare with: look at the WHERE, or use plan() for a history.")]))  # fmt: skip
    if control is None:
        others = [key for key in names.index if key != treated]
        if treated is not None and len(others) == 1:
            control = others[0]
        elif set(names.index) == {"0", "1"}:
            control = "0"
        else:
            raise ValueError(f"columns['arm']: the values of {columns['arm']!r} are {shown}; say with control_value "
                             "which one is the control")  # fmt: skip
    if control == treated:
        raise ValueError(f"treated_value and control_value: both are {names[control]!r}")
    others = sorted((key for key in names.index if key != control), key=lambda key: (key != treated, _natural(key)))
    return control, others, names


def _natural(key):
    try:
        return 0, float(key), key
    except ValueError:
        return 1, 0.0, key


def _shares(design, control, others, names):
    """Planned share of each arm, or None; raises ValueError in one line."""
    plan = design["planned_share"]
    keys = [control, *others]
    if plan == "unknown" or (design["allocation"] == "by_look" and plan is None):
        return None
    if plan is None:
        return dict.fromkeys(keys, 1 / len(keys))
    if isinstance(plan, dict):
        found = {_key(name): share for name, share in plan.items()}
        if set(found) != set(keys):
            raise ValueError(f"planned_share: the arms are {', '.join(repr(names[key]) for key in keys)}, "
                             f"not {', '.join(map(repr, plan))}")  # fmt: skip
        return found
    if len(keys) > 2:
        raise ValueError(f"planned_share: of {len(keys)} arms a dict is needed, "
                         f"such as {{{', '.join(f'{names[key]!r}: {short(1 / len(keys))}' for key in keys)}}}")  # fmt: skip
    return {control: 1 - plan, others[0]: plan}


def _wide(cells, keys, name, looks):
    """Array (arms, looks) of a column of the cells, 0 where an arm has no user."""
    table = np.zeros((len(keys), len(looks)))
    table[pd.Index(keys).get_indexer(cells["key"]), np.searchsorted(looks, cells["look"].to_numpy())] = cells[name]
    return table


def _counts(cells, keys, looks, covariate):
    """Counts (arms, looks) of the arms `keys`, in their order."""
    names = ("n", "y", "yy", "y3", "y4") + (("x", "xx", "xy") if covariate else ())
    return Counts(**{name: _wide(cells, keys, name, looks) for name in names})


def _answer(check, aggregate, columns, design, offset, kind):
    found = own_logs.named(check, MEANING)
    own_logs.refuse(own_logs.problem_table(found))
    if not len(aggregate):
        own_logs.refuse(own_logs.problem_table([*found, say(
            "no row has an arm and a time", rows=0, what_to_do="Look at the columns.")]))  # fmt: skip
    if len(aggregate) > CELLS:
        _refuse_wild(0, len(aggregate), columns)
    cells = _cells(aggregate, design, kind)
    control, others, names = _find_arms(cells, columns, design)
    keys, looks = [control, *others], np.sort(cells["look"].unique())
    users = _wide(cells, keys, "users", looks)
    shares = _shares(design, control, others, names)
    found += _ratio_findings(users, shares, keys, names, design)
    found += _gap_findings(looks, kind, design)
    found += _missing_findings(cells, keys, names, looks)
    covariate = bool(columns.get("before"))
    if covariate:
        found += _before_findings(cells, keys, names, looks, design)
    counts = _counts(cells, keys, looks, covariate)
    if counts.n.sum() and not np.any(cells["y_min"] < cells["y_max"].max()):
        found.append(say("the outcome does not vary", place=str(columns["outcome"]), rows=counts.n.sum(),
                         what_to_do="There is nothing to estimate from."))  # fmt: skip
    own_logs.refuse(own_logs.problem_table(found))
    options, cut, more = _options(design, counts, looks, kind, cells, shares, keys, offset)
    found += more
    own_logs.refuse(own_logs.problem_table(found))
    alpha = (1 - design["level"]) / len(others)
    walks = {}
    for number, other in enumerate(others, start=1):
        pair = counts.map(lambda value, number=number: value[[0, number], :cut])
        if design["method"] == "guaranteed":
            options["share"] = shares[other] / (shares[other] + shares[control])
        walks[other] = walk(pair, design["method"], alpha=alpha, by_look=design["allocation"] == "by_look",
                            **options), pair  # fmt: skip
        if design["method"] == "fixed":
            walks[other][0].ready[:-1] = False  # one look only, the last
        found += _event_findings(walks[other], pair, names, control, other, design, first=number == 1)
    problems = own_logs.problem_table(found)
    own_logs.refuse(problems)
    return _result(walks, cells, columns, design, problems, names, control, others, looks[:cut], offset, shares, alpha)


def _options(design, counts, looks, kind, cells, shares, keys, offset):
    """(keyword arguments of `walk`, number of looks that count, findings)."""
    method, options, cut, found = design["method"], {}, len(looks), []
    if method == "guaranteed":
        if counts.x is not None:
            raise ValueError("guaranteed: without 'before'; a covariate makes outcomes unbounded")
        bounds = design["bounds"]
        low, high = cells["y_min"].min() + offset, cells["y_max"].max() + offset
        if bounds is None:
            if not counts.binary or offset:
                raise ValueError("guaranteed: say with `bounds` between which two numbers every outcome must lie")
            bounds = (0.0, 1.0)
        if low < bounds[0] or high > bounds[1]:
            found.append(say(f"outcomes outside the bounds {bounds[0]:g} and {bounds[1]:g}",
                             place=f"from {low:g} to {high:g}", what_to_do="Bounds must hold before the data are seen: "
                             "state wider ones, or cap the outcome with SQL (LEAST)."))  # fmt: skip
        if shares is None:
            raise ValueError("guaranteed: needs the planned_share of the coin")
        planned = np.array([shares[key] for key in keys])
        if ratio_test(counts.n, planned)[1] < ALERT:  # no accept=: the method divides by the share
            known = counts.n.sum(axis=1) / counts.n.sum()
            found.append(say("users with a known outcome are not in the planned ratio", place=", ".join(
                f"{k:.2%} for {p:.2%}" for k, p in zip(known, planned, strict=True)), rows=counts.n.sum(),
                what_to_do="The guarantee rests on the coin: use another method, or find out why."))  # fmt: skip
        expected = design["expected"]
        if expected is not None and not bounds[0] <= expected <= bounds[1]:
            raise ValueError(f"expected: between the bounds {bounds[0]:g} and {bounds[1]:g}, not {expected:g}")
        if expected is None and (counts.n.sum(axis=0) > 0).sum() < 2:
            raise ValueError("guaranteed: with a single look, say with `expected` which mean you expected beforehand")
        options = {"bounds": tuple(b - offset for b in bounds), "tightest": design["tightest"],
                   "expected": None if expected is None else expected - offset}  # fmt: skip
        return options, cut, found
    options["minimum"] = design["minimum"]
    if method == "sequence":
        options["tightest"] = design["tightest"]
    if method in SPENDING:
        if design["horizon"] is not None:
            spent = np.cumsum(counts.n.sum(axis=0)) / design["horizon"]
        else:
            spent = _calendar(looks, design["end"], kind, design["look"])
        over = np.flatnonzero(spent >= 1 - 1e-9)
        if len(over):
            cut = over[0] + 1
            spent = np.where(spent >= 1 - 1e-9, 1.0, spent)
        if cut < len(looks):
            found.append(say("the log goes on after the planned horizon", place=f"from {_show(looks[cut])}",
                             rows=counts.n[:, cut:].sum(), severity=WARNING, what_to_do="The answer is that of the "
                             "planned last look; a group-sequential design has no later ones."))  # fmt: skip
        options["spent"] = spent[:cut]
    return options, cut, found


def _calendar(looks, end, kind, look):
    """Share of the planned time that has passed at the end of each look."""
    _, width = _unit(look, kind)
    if np.issubdtype(looks.dtype, np.datetime64):
        try:
            last = pd.Timestamp(end)
        except (ValueError, TypeError):
            last = pd.NaT
        if pd.isna(last):
            raise ValueError(f"end: the last planned look, a date such as '2026-03-31', not {end!r}")
        hours = (looks - looks[0]) / np.timedelta64(1, "h")
        total, width = (last - pd.Timestamp(looks[0])) / pd.Timedelta(hours=1), width if kind != "number" else 24
    else:
        hours, total = looks - looks[0], own_logs.check_number("end", end) - looks[0]
    if total <= 0:
        raise ValueError(f"end: {end!r} is not after the first look, {_show(looks[0])}")
    return (hours + width) / (total + width)


def _show(look):
    if isinstance(look, (np.datetime64, pd.Timestamp)):
        look = pd.Timestamp(look)
        return f"{look:%Y-%m-%d}" if look == look.normalize() else f"{look:%Y-%m-%d %H:%M}"
    return f"{look:g}"


RATIO_PRIOR = 100.0  # how many users the Dirichlet prior of the sample-ratio test is worth


def ratio_test(users, shares):
    """(p for one look, p valid at all looks) that arms of these shares get so many users.

    users: (arms, looks) users at each look; shares: (arms,) as planned. The first is Pearson's chi-squared of all
    users; the second the smallest so far of 1 / Bayes factor of a Dirichlet prior around the plan against the plan
    (Lindon and Malek 2022), which may be looked at daily.
    """
    users, shares = np.asarray(users, float), np.asarray(shares, float)
    total = users.sum(axis=1)
    chi = np.sum((total - total.sum() * shares) ** 2 / (total.sum() * shares))
    so_far, prior = np.cumsum(users, axis=1), RATIO_PRIOR * shares[:, None]
    log_e = gammaln(RATIO_PRIOR) - gammaln(RATIO_PRIOR + so_far.sum(axis=0))
    log_e = log_e + np.sum(gammaln(prior + so_far) - gammaln(prior) - so_far * np.log(shares[:, None]), axis=0)
    return float(stats.chi2.sf(chi, len(shares) - 1)), float(min(1.0, np.exp(-max(log_e.max(), 0.0))))


ALERT = 0.001


def _p(p):
    return f"p = {p:.1g}" if p > 1e-99 else "p < 1e-99"


def _ratio_findings(users, shares, keys, names, design):
    """Shares of the arms against the plan, and against themselves over time."""
    found, total = [], users.sum(axis=1)
    if shares is None:
        what = ("Shares that were changed on purpose cannot be compared with a plan here."
                if design["allocation"] == "by_look" else "Say planned_share: a mismatch means that users were lost.")
        found.append(say("the arms' sizes were not compared with a plan", rows=total.sum(), severity=WARNING,
                         what_to_do=what))  # fmt: skip
    else:
        planned = np.array([shares[key] for key in keys])
        once, always = ratio_test(users, planned)
        worst = np.argmax(np.abs(total - total.sum() * planned) / np.sqrt(planned * (1 - planned)))
        if min(once, always) < ALERT:
            fatal = always < ALERT and "ratio" not in design["accept"]
            found.append(say(
                f"sample-ratio mismatch: {total[worst] / total.sum():.2%} of the users are in {names[keys[worst]]}, "
                f"{planned[worst]:.2%} were planned, {_p(always if fatal else once)}", place="all looks",
                rows=total.sum(), severity=FATAL if fatal else WARNING, what_to_do="Users are lost, or assigned "
                "differently than you think, and the two arms are not alike: find out how, or say planned_share. If it "
                "is harmless and you know why, accept=('ratio',)."))  # fmt: skip
    if design["allocation"] == "constant":
        p = share_test(users)
        if p < ALERT:
            fatal = "allocation" not in design["accept"]
            found.append(say(
                f"the shares of the arms change during the test, {_p(p)}", place="between looks",
                rows=total.sum(), severity=FATAL if fatal else WARNING, what_to_do="Then one arm has more of the late "
                "users, and the arms differ by what changes with time: allocation='by_look' compares within looks."))  # fmt: skip
    return found


def share_test(users, blocks=40):
    """p-value that the arms' shares are the same at all looks: chi-squared of (arms, looks) in at most 40 blocks."""
    total = users.sum(axis=0)
    least = max(total.sum() / blocks, 20.0 / max(np.min(users.sum(axis=1)) / max(total.sum(), 1.0), 0.01))
    block = np.floor((np.cumsum(total) - 1e-9) / least).astype(int)
    table = np.array([np.bincount(block.astype(np.intp), row) for row in users])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] > 1 and table[:, -1].sum() < least / 2:  # what is left over goes to the block before
        table[:, -2] += table[:, -1]
        table = table[:, :-1]
    table = table[table.sum(axis=1) > 0]
    if min(table.shape) < 2:
        return 1.0
    return float(stats.chi2_contingency(table, correction=False)[1])


def _gap_findings(looks, kind, design):
    """Days without any user."""
    _, width = _unit(design["look"], kind)
    if np.issubdtype(looks.dtype, np.datetime64):
        step = np.timedelta64(24 if kind == "number" else width, "h")
        if step < np.timedelta64(24, "h"):
            return []
    else:
        step = width
    between = (looks[-1] - looks[0]) / step + 1 - len(looks)
    if between < 0.5 or between > 1000:
        return []
    return [say(f"{round(between)} of {round(between) + len(looks)} looks are without users",
                place=f"between {_show(looks[0])} and {_show(looks[-1])}", severity=WARNING,
                what_to_do="If the test ran then, the log has holes.")]  # fmt: skip


def _two_proportions(hits, rows):
    """p-value that the arms (arms,) have the same share of hits."""
    table = np.array([hits, rows - hits])
    table = table[:, rows > 0]
    if table.shape[1] < 2 or (table.sum(axis=1) == 0).any():
        return 1.0
    return float(stats.chi2_contingency(table, correction=False)[1])


def _missing_findings(cells, keys, names, looks):
    """Outcomes that are due and missing: how many, in one arm against the others, and in the last looks."""
    due, n = (_wide(cells, keys, name, looks) for name in ("due", "n"))
    waiting = _wide(cells, keys, "users", looks).sum() - due.sum()
    found, lost = [], due - n
    if waiting:
        found.append(say("outcomes are not yet due", place="the last looks", rows=waiting, severity=WARNING,
                         what_to_do="These users are counted in the sample ratio and wait for their outcome."))  # fmt: skip
    if n.sum() == 0:
        return [*found, say("no outcome is known yet", rows=due.sum(), what_to_do="Look at the column, or wait.")]
    if lost.sum() == 0:
        return found
    for key, row in zip(keys, lost.sum(axis=1), strict=True):
        if row:
            found.append(say("outcome is missing", place=f"arm {names[key]}", rows=row, severity=WARNING,
                             what_to_do="These rows were left out; that is harmless only if the reason has nothing to "
                             "do with arm or outcome."))  # fmt: skip
    rates = lost.sum(axis=1) / np.maximum(due.sum(axis=1), 1)
    p = _two_proportions(lost.sum(axis=1), due.sum(axis=1))
    if p < ALERT:
        most = np.argmax(rates)
        found.append(say(f"outcomes are missing more often in arm {names[keys[most]]}: {rates[most]:.1%}, elsewhere "
                         f"{np.delete(lost.sum(axis=1), most).sum() / max(np.delete(due.sum(axis=1), most).sum(), 1):.1%}",
                         place="all looks", rows=lost.sum(), severity=WARNING, what_to_do="The estimate compares those "
                         "who answered; say so, and bound what the others could change."))  # fmt: skip
    half = np.searchsorted(np.cumsum(due.sum(axis=0)), 0.9 * due.sum())
    last = np.arange(len(looks)) > half
    if last.any() and not last.all():
        late = np.array([lost[:, ~last].sum(), lost[:, last].sum()]), np.array([due[:, ~last].sum(), due[:, last].sum()])
        if late[0][1] / max(late[1][1], 1) > 2 * late[0][0] / late[1][0] and _two_proportions(*late) < ALERT:
            found.append(say("outcomes are missing more often in the last looks", place=f"after {_show(looks[half])}",
                             rows=late[0][1], severity=WARNING, what_to_do="They may not be due yet: say with `delay` "
                             "how long an outcome takes."))  # fmt: skip
    return found


def _before_findings(cells, keys, names, looks, design):
    """A covariate from before the test cannot differ between the arms: neither its mean nor whether it is known."""
    n, known, x, xx = (_wide(cells, keys, name, looks).sum(axis=1) for name in ("n", "x_known", "x", "xx"))
    found, lost = [], n - known
    if lost.sum():
        found.append(say("covariate is missing", place="whole log", rows=lost.sum(), severity=WARNING,
                         what_to_do="These users keep their place with a typical value."))  # fmt: skip
    p = [_two_proportions(lost, n)]
    for other in range(1, len(keys)):
        pair = [0, other]
        if (known[pair] > 1).all():
            mean = x[pair] / known[pair]
            error = math.sqrt(np.sum(np.maximum(xx[pair] / known[pair] - mean**2, 0) / (known[pair] - 1)))
            p.append(2 * stats.norm.sf(abs(mean[1] - mean[0]) / error) if error > 0 else 1.0)
    if min(p) * len(p) < ALERT:
        fatal = "before" not in design["accept"]
        found.append(say(f"the column `before` differs between the arms, {_p(min(p) * len(p))}", place="all looks",
                         rows=n.sum(), severity=FATAL if fatal else WARNING, what_to_do="The treatment may have changed "
                         "it, and subtracting it would subtract the effect: take a number from before the test."))  # fmt: skip
    return found


def _event_findings(found_walk, pair, names, control, other, design, first):
    """A comparison none of whose looks may be used."""
    found, _ = found_walk
    whose, events = f"{names[control]} and {names[other]}", pair.events() if design["method"] != "guaranteed" else None
    if found.ready.any():
        if events is None or events[-1] >= design["minimum"]:
            return []
        return [say("a few users carry most of the spread", place=f"arms {whose}", severity=WARNING, what_to_do="They "
                    "came after the first look, and the interval is less sure than it says: cap the outcome (LEAST).")]  # fmt: skip
    if design["method"] in SPENDING and (events >= design["minimum"]).any():
        problem, do = "no look of the group-sequential design may be used yet", "Wait for more users."
    else:
        problem = f"fewer than {design['minimum']:g} events in an arm"
        do = ("Wait: with so few, an interval from the log's own spread is too narrow. Where a few users carry most of "
              "the spread of a number, cap it beforehand (LEAST). method='guaranteed' needs no minimum.")  # fmt: skip
    return [say(problem, place=f"arms {whose}: {events[-1]:.0f}", severity=FATAL if first else WARNING, what_to_do=do)]


def _result(walks, cells, columns, design, problems, names, control, others, looks, offset, shares, alpha):
    first = others[0]
    walked, pair = walks[first]
    last = np.flatnonzero(walked.ready)[-1]
    rows = []
    for other in others:
        w, p = walks[other]
        k = np.flatnonzero(w.ready)
        users = p.so_far.n[:, k[-1] if len(k) else -1]
        values = [w.estimate[k[-1]], w.error[k[-1]], w.lo[k[-1]], w.hi[k[-1]], np.exp(min(w.log_e[k[-1]], 700.0)),
                  _always_valid_p(w)[k[-1]]] if len(k) else [np.nan] * 6  # fmt: skip
        rows.append((names[other], *users.astype(int), *values, _verdicts(w, design)[k[-1]] if len(k) else "too few events"))
    comparisons = pd.DataFrame(rows, columns=["arm", "users_control", "users", "estimate", "error", "lo", "hi",
                                              "e_value", "p_value", "verdict"])  # fmt: skip
    comparisons["e_bh"] = e_benjamini_hochberg(np.nan_to_num(comparisons["e_value"].to_numpy()), 1 - design["level"])
    if design["method"] not in ("sequence", "guaranteed"):
        comparisons = comparisons.drop(columns=["e_value", "p_value", "e_bh"])
    arms = len(others)
    several = f", at level {1 - alpha:.4g} for each of {arms} arms (Bonferroni)" if arms > 1 else ""
    adjusted = f", outcomes adjusted by {columns['before']} (CUPED)" if columns.get("before") else ""
    within = ", compared within looks" if design["allocation"] == "by_look" else ""
    method = {"sequence": f"asymptotic confidence sequence, from {design['minimum']:g} events in each arm on",
              "guaranteed": "confidence sequence for bounded outcomes and any number of users",
              "obrien-fleming": "group-sequential, O'Brien-Fleming spending, repeated confidence interval",
              "pocock": "group-sequential, Pocock spending, repeated confidence interval",
              "fixed": "fixed-sample interval (Welch), which may be read once"}[design["method"]]  # fmt: skip
    used = pair.so_far.n[:, last]
    return Sequential(
        estimate=float(walked.estimate[last]), standard_error=float(walked.error[last]), lo=float(walked.lo[last]),
        hi=float(walked.hi[last]), level=design["level"], method=f"{method}{adjusted}{within}{several}",
        estimand=f"the mean effect on {columns['outcome']} of {names[first]} instead of {names[control]}, on the users "
        f"who entered the test up to {_show(looks[last])}",
        n={"rows": int(cells["users"].sum()), "used": int(cells["n"].sum()), "control": int(used[0]),
           "treated": int(used[1]), "looks": len(looks)},
        problems=problems, table=cells, columns=columns, design=design, comparisons=comparisons,
        looks=_look_table(walked, pair, looks, design), arms=(names[control], names[first]), counts=pair, alpha=alpha,
        shares=None if shares is None else {names[key]: share for key, share in shares.items()}, offset=offset,
    )  # fmt: skip


def _always_valid_p(w):
    """1 / the largest e-value so far, (looks,)."""
    so_far = np.maximum.accumulate(np.where(np.isnan(w.log_e), -np.inf, w.log_e))
    return np.where(np.isnan(w.log_e).all(), np.nan, np.exp(-np.maximum(so_far, 0.0)))


def _verdicts(w, design):
    """What each look (looks,) has shown, as words: better, worse, not worse, not worthwhile, open, "" before the first."""
    lo, hi = (w.lo, w.hi) if design["better"] == "higher" else (-w.hi, -w.lo)
    verdict = np.full(lo.shape, "open", dtype=object)
    if design["worthwhile"] is not None:
        verdict[hi < design["worthwhile"]] = "not worthwhile"
    if design["margin"] is not None:
        verdict[lo > -design["margin"]] = "not worse"
    verdict[lo > 0], verdict[hi < 0] = "better", "worse"
    verdict[~w.ready] = ""
    return verdict


def _look_table(w, pair, looks, design):
    users = pair.so_far.n
    table = pd.DataFrame({"look": looks, "users_control": users[0].astype(int), "users_treated": users[1].astype(int),
                          "estimate": w.estimate, "error": w.error, "bound": w.bound, "lo": w.lo, "hi": w.hi})  # fmt: skip
    if not np.isnan(w.log_e).all():
        table["e_value"], table["p_value"] = np.exp(np.minimum(w.log_e, 700.0)), _always_valid_p(w)
    table["verdict"] = _verdicts(w, design)
    return table


# ---- the result


NAMES = {"sequence": "confidence sequence", "guaranteed": "guaranteed sequence", "obrien-fleming": "O'Brien-Fleming",
         "pocock": "Pocock", "fixed": "fixed sample", "peeking": "peeking at p < .05"}  # fmt: skip


@dataclass(kw_only=True)
class Sequential(Result):
    """What `analyse` found: own_logs.Result, and

    comparisons: DataFrame, a row for each arm against the control, at its last look (e_bh: rejected by e-BH, which
    controls the false-discovery rate over the arms); looks: DataFrame, a row for each look of the first comparison.
    arms: (control, treated) of it; counts: its Counts (2, looks); shares: planned; alpha: error allowed to it.
    """

    columns: dict
    design: dict
    comparisons: pd.DataFrame
    looks: pd.DataFrame
    arms: tuple
    counts: Counts
    alpha: float
    shares: dict | None
    offset: float
    verdict: str = field(init=False)

    def __post_init__(self):
        said = self.looks.loc[self.looks["verdict"] != "", "verdict"]
        self.verdict = said.iloc[-1]

    @property
    def decided(self):
        """The first look that had a verdict other than "open", and that verdict; None if every look was open."""
        found = self.looks[~self.looks["verdict"].isin(["", "open"])]
        return None if found.empty else (found["look"].iloc[0], found["verdict"].iloc[0])

    def replay(self, methods=None, horizon=None):
        """When would each method have stopped on this log? DataFrame: method, stopped, users, estimate, lo, hi.

        A row is the first look at which the interval excludes 0, or the last look (stopped: "never"). horizon: planned
        users of both arms, for the group-sequential methods; default those of this log, as if they had been planned.
        methods: default all that this log allows, and "peeking", whose interval is not valid at its stop.
        """
        pair, rows = self.counts, []
        users = pair.so_far.n.sum(axis=-2)
        spent = np.minimum(users / (horizon or users[-1]), 1.0)
        possible = ["peeking", "fixed", *SPENDING, "sequence"]
        if self.shares and pair.x is None and (self.design["bounds"] or (pair.binary and not self.offset)):
            possible.append("guaranteed")
        for method in possible if methods is None else [methods] if isinstance(methods, str) else methods:
            own_logs.check_choice("methods", method, tuple(possible))
            w = self._walk(method, spent)
            k, looks = int(w.stop()), np.flatnonzero(w.ready)
            if not len(looks):
                continue
            if method == "fixed":  # the last look only
                k = looks[-1] if w.lo[looks[-1]] > 0 or w.hi[looks[-1]] < 0 else len(users)
            at = k if k < len(users) else looks[-1]
            rows.append((NAMES[method], _show(self.looks["look"].iloc[at]) if k < len(users) else "never",
                         int(users[at]), w.estimate[at], w.lo[at], w.hi[at]))  # fmt: skip
        return pd.DataFrame(rows, columns=["method", "stopped", "users", "estimate", "lo", "hi"])

    def _walk(self, method, spent):
        options = {"alpha": self.alpha, "minimum": self.design["minimum"], "tightest": self.design["tightest"],
                   "by_look": self.design["allocation"] == "by_look", "spent": spent}  # fmt: skip
        if method == "guaranteed":
            low, high = self.design["bounds"] or (0.0, 1.0)
            control, treated = (self.shares[arm] for arm in self.arms)
            options |= {"share": treated / (control + treated), "bounds": (low - self.offset, high - self.offset),
                        "expected": None if self.design["expected"] is None
                        else self.design["expected"] - self.offset}  # fmt: skip
        return walk(self.counts, "fixed" if method == "peeking" else method, **options)

    def exaggeration(self, effect, experiments=4000, seed=0):
        """What this design reports when it stops, if the true effect is `effect`: a dict.

        stops: share of experiments with the traffic of this log that exclude 0; estimate: the mean estimate at that
        look; times: over the true effect; covers: share of the intervals there that hold the truth; at_the_end: mean
        estimate of the experiments that never stop.
        """
        own_logs.check_number("effect", abs(effect), above=0)
        ready = ((self.looks["bound"] < np.inf) & self.looks["lo"].notna()).to_numpy()
        error, bound = self.looks["error"].to_numpy()[ready], self.looks["bound"].to_numpy()[ready]
        _, _, clock = running(self.counts, self.design["allocation"] == "by_look")
        clock = clock[ready]
        estimates = _brownian(effect, np.sqrt(clock) / error, clock, experiments, seed)
        out = np.abs(estimates) > bound * error
        if self.design["method"] == "fixed":
            out[:, :-1] = False
        stop, ever = out.argmax(axis=1), out.any(axis=1)
        there = estimates[np.arange(experiments), stop][ever]
        held = np.abs(there - effect) <= (bound * error)[stop[ever]]
        mean = float(there.mean()) if ever.any() else np.nan
        return {"stops": float(ever.mean()), "estimate": mean, "times": mean / effect,
                "covers": float(held.mean()) if ever.any() else np.nan,
                "at_the_end": float(estimates[~ever, -1].mean()) if (~ever).any() else np.nan}  # fmt: skip

    def detectable(self, power=0.80):
        """The smallest true effect whose interval at the last look excludes 0 with such power, in the outcome's unit."""
        own_logs.check_number("power", power, above=0, below=1)
        last = self.looks[self.looks["lo"].notna()].iloc[-1]
        return float((last["bound"] + stats.norm.ppf(power)) * last["error"])

    def figure(self):
        """The running difference between the arms and the interval that may be read at every look."""
        from series import COLOR, FAINT, INK, plt

        figure, axes = plt.subplots(figsize=(7.5, 4))
        shown = self.looks[self.looks["lo"].notna()]
        x = shown["look"]
        fixed = stats.norm.isf(self.alpha / 2) * shown["error"]
        style = {"marker": "o", "ms": 3} if len(shown) < 3 else {}
        axes.fill_between(x, shown["estimate"] - fixed, shown["estimate"] + fixed, color=COLOR["naive"], alpha=0.45, lw=0,
                          label="interval that may be read once")  # fmt: skip
        if self.design["method"] != "fixed":
            axes.plot(x, shown["lo"], color=COLOR["estimate"], lw=1.6, label="interval that may be read at every look")
            axes.plot(x, shown["hi"], color=COLOR["estimate"], lw=1.6)
        axes.plot(x, shown["estimate"], color=COLOR["estimate"], lw=0.9, ls="--", label="difference so far", **style)
        axes.axhline(0, color=INK, lw=1)
        for name, where in (("margin", self.design["margin"]), ("worthwhile", self.design["worthwhile"])):
            if where is not None:
                where = where * (1 if self.design["better"] == "higher" else -1) * (-1 if name == "margin" else 1)
                axes.axhline(where, color=FAINT, lw=1, ls=":")
                axes.annotate(f"{name} ", (1, where), xycoords=("axes fraction", "data"), ha="right", va="bottom", color=INK)
        reach = np.quantile(np.abs(shown[["lo", "hi"]].to_numpy()), 0.9) * 1.1
        axes.set(ylim=(max(-reach, shown["lo"].min()) if reach else None, min(reach, shown["hi"].max()) if reach else None))
        axes.margins(y=0.05)
        axes.set(xlabel=str(self.columns["time"]), ylabel=f"{self.columns['outcome']}: {self.arms[1]} minus {self.arms[0]}")
        if np.issubdtype(np.asarray(x).dtype, np.datetime64):
            figure.autofmt_xdate(rotation=0, ha="center")
        axes.legend(frameon=False, fontsize=9)
        return figure

    def report(self):
        """What was found, for a stakeholder; what could break it; and the warnings."""
        outcome, reads = self.columns["outcome"], "may be read once" if self.design["method"] == "fixed" else (
            "holds at every look")  # fmt: skip
        parts = []
        for row in self.comparisons.itertuples():
            if not np.isfinite(row.lo):
                parts.append(f"For {row.arm} there are too few events to say anything.")
                continue
            level = 100 * self.level if len(self.comparisons) == 1 else 100 * (1 - self.alpha)
            interval = f"{level:.4g} % interval {short(row.lo)} to {short(row.hi)}"
            if row.lo > 0 or row.hi < 0:
                said = f"{'raises' if row.lo > 0 else 'lowers'} {outcome} by {short(abs(row.estimate))} ({interval})"
            else:
                said = f"has no clear effect on {outcome} so far (estimate {short(row.estimate)}, {interval})"
            more = {"not worse": "; it is not worse by more than the margin", "not worthwhile": "; an effect that is worth "
                    "having is excluded"}.get(row.verdict, "")  # fmt: skip
            parts.append(f"{row.arm} {said}{more}, from {row.users:,} users against {row.users_control:,} with "
                         f"{self.arms[0]}.")  # fmt: skip
        if self.decided and self.decided[1] != self.verdict:
            parts.append(f"The verdict on {_show(self.decided[0])} was {self.decided[1]!r}: it stands, too, if the effect "
                         "has not changed since.")  # fmt: skip
        return (f"{' '.join(parts)} The interval {reads}; the estimate alone is too large on average where a test stops as "
                f"soon as it can. It holds if each row is one randomized user with a final outcome and no user's treatment "
                f"reaches another, which no query can see. {self.warnings()}").strip()  # fmt: skip


def _brownian(effect, weight, clock, experiments, seed):
    """Estimates (experiments, looks) of a test whose weighted sum moves as a Brownian motion in `clock`."""
    steps = np.sqrt(np.diff(clock, prepend=0.0).clip(0))
    noise = np.cumsum(np.random.default_rng(seed).normal(size=(experiments, len(clock))) * steps, axis=1)
    return effect + noise / weight


# ---- your own history: planning, and A/A tests on it


@dataclass
class History:
    """Traffic and outcomes of a log without a test, by look: `history` makes it.

    looks: (looks,); counts: Counts (1, looks) of all users; offset: what was subtracted from the outcome.
    """

    looks: np.ndarray
    counts: Counts
    offset: float
    columns: dict

    @property
    def mean(self):
        return float(self.counts.y.sum() / self.counts.n.sum()) + self.offset

    @property
    def variance(self):
        """Variance of the outcome, of what the covariate leaves of it where there is one."""
        c = self.counts.map(np.sum)
        slope = (c.xy - c.x * c.y / c.n) / (c.xx - c.x**2 / c.n) if c.x is not None else 0.0
        left = c.yy - c.y**2 / c.n - (slope * (c.xy - c.x * c.y / c.n) if c.x is not None else 0.0)
        return float(left / (c.n - 1))

    def plan(self, effect, *, share=0.5, power=0.80, level=0.95, minimum=MINIMUM, experiments=4000, seed=0):
        """How many users each method needs to find `effect`: DataFrame, a row for each method.

        effect: the smallest one worth finding, in the outcome's unit. share: of the treated arm. users (both arms) and
        looks: when the power is reached, with the traffic of this history over and over again; typical_users: the
        median stop of tests with this effect; times_fixed: users over those of a fixed sample. The sequence is tuned to
        the fixed sample size (`tightest`). Group-sequential methods have their horizon there, with all looks before it.
        """
        effect = own_logs.check_number("effect", abs(effect), above=0)
        for name, value in (("share", share), ("power", power), ("level", level)):
            own_logs.check_number(name, value, above=0, below=1)
        alpha, binary = 1 - level, self.counts.binary and not self.offset
        treated = self.variance
        if binary and self.counts.x is None:
            p = min(self.mean + effect, 1 - 1e-9) if self.mean <= 0.5 else max(self.mean - effect, 1e-9)
            treated = p * (1 - p)
        per_user = treated / share + self.variance / (1 - share)  # variance of the difference, times all users
        both = stats.norm.isf(alpha / 2) + stats.norm.ppf(power)
        fixed = per_user * (both / effect) ** 2
        traffic = self.counts.n[0]
        passes = int(np.ceil(6 * fixed / traffic.sum())) + 1
        if passes * len(traffic) > 5_000_000:
            raise ValueError(f"effect: {effect:g} would take {fixed:,.0f} users with a fixed sample, far beyond this history")
        users = np.cumsum(np.tile(traffic, passes))
        users = users[: np.searchsorted(users, 6 * fixed) + 1]
        looks = np.arange(1, len(users) + 1)
        keep = np.unique(np.linspace(0, len(users) - 1, min(len(users), 1200)).round().astype(int))
        users, looks = users[keep], looks[keep]
        users, first = np.unique(users, return_index=True)
        looks, looks_all = looks[first], np.cumsum(np.tile(traffic, passes))
        error, rows = np.sqrt(per_user / users), [("fixed", fixed, fixed)]
        ready = users >= self._least(minimum, share)
        bound = np.where(ready, mixture_bound(users, fixed, alpha), np.inf)
        estimates = _brownian(effect, users / np.sqrt(per_user), users, experiments, seed)
        out = np.abs(estimates) > bound * error
        ever = np.maximum.accumulate(out, axis=1)
        reached = ever.mean(axis=0)
        stop = np.where(out.any(axis=1), users[out.argmax(axis=1)], np.inf)
        rows.append(("sequence", users[np.argmax(reached >= power)] if reached[-1] >= power else np.inf, np.median(stop)))
        for method in SPENDING:
            rows.append((method, *self._horizon(method, users[ready], effect, per_user, alpha, power)))
        table = pd.DataFrame(rows, columns=["method", "users", "typical_users"])
        at = np.searchsorted(looks_all, np.minimum(table["users"], looks_all[-1]) * (1 - 1e-12))
        table["looks"] = np.where(np.isfinite(table["users"]), at + 1, np.nan)
        table["times_fixed"] = table["users"] / fixed
        table[["users", "typical_users"]] = np.ceil(table[["users", "typical_users"]])
        table["method"] = table["method"].map(NAMES)
        return table[["method", "users", "looks", "typical_users", "times_fixed"]]

    def _least(self, minimum, share):
        """Users of both arms until the smaller arm has `minimum` events."""
        rate = self.counts.events()[-1] / self.counts.n.sum()
        return minimum / max(rate, 1e-12) / min(share, 1 - share)

    @staticmethod
    def _horizon(method, users, effect, per_user, alpha, power):
        """(horizon with this power, median users at the stop) of a spending design that looks at `users` (looks,)."""
        kind = obrien_fleming if method == "obrien-fleming" else pocock
        known = {}

        def reached(k):
            if k not in known:
                n = users[: k + 1]
                n = n[np.unique(np.linspace(0, k, min(k + 1, 60)).round().astype(int))]
                bounds = spending_bounds(kind(n / n[-1], alpha), n)
                above, below = crossing_probabilities(bounds, n, effect / np.sqrt(per_user / n[-1]))
                known[k] = n, np.cumsum(above + below)
            return known[k][1][-1]

        low, high = 0, len(users) - 1
        if reached(high) < power:
            return np.inf, np.inf
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if reached(middle) >= power else (middle + 1, high)
        reached(low)
        n, ever = known[low]
        return float(n[-1]), float(n[np.argmax(ever >= 0.5)])

    def aa(self, experiments=500, *, share=0.5, level=0.95, minimum=MINIMUM, tightest=None, effect=0.0, bounds=None,
           by_look=False, seed=0, methods=None):  # fmt: skip
        """Tests of nothing on this history: each user gets an arm by a coin, `experiments` times over. DataFrame.

        A row is a method: stops, the share of tests whose interval excludes 0 at any look (false positives, where
        `effect` is 0), its Monte Carlo error, covers_at_stop and covers_always: whether the truth is inside at the stop
        (or the last look), and at all looks. effect: plant one; of outcomes 0 and 1 by turning so many of the treated
        users' zeros into ones (ones into zeros, for a negative one): the truth is then its mean on the users so far.
        Numbers are split by the normal approximation of their sums.
        """
        alpha, rng = 1 - level, np.random.default_rng(seed)
        binary = self.counts.binary and not self.offset
        guarantee = bounds is not None or binary
        possible = ["peeking", "fixed", *SPENDING, "sequence", *(["guaranteed"] if guarantee else [])]
        methods = possible if methods is None else [methods] if isinstance(methods, str) else list(methods)
        for method in methods:
            own_logs.check_choice("methods", method, tuple(possible))
        looks = len(self.looks)
        found = {method: [] for method in methods}
        chunk = int(np.clip(2_000_000 // looks, 1, experiments))
        spent = np.cumsum(self.counts.n[0]) / self.counts.n.sum()
        for start in range(0, experiments, chunk):
            pair, truth = self._split(rng, min(chunk, experiments - start), share, effect)
            for method in methods:
                options = {"alpha": alpha, "minimum": minimum, "tightest": tightest, "by_look": by_look, "spent": spent,
                           "share": share, "bounds": tuple(b - self.offset for b in bounds or (0.0, 1.0))}  # fmt: skip
                w = walk(pair, "fixed" if method == "peeking" else method, **options)
                if method == "fixed":
                    w.ready[..., :-1] = False
                stop = np.minimum(w.stop(), looks - 1)[:, None]
                last = np.where(w.ready, np.arange(looks), 0).max(axis=-1)[:, None]
                at = np.where(w.stop()[:, None] < looks, stop, last)
                lo, hi, real = (np.take_along_axis(np.broadcast_to(a, w.lo.shape), at, axis=-1)[:, 0]
                                for a in (w.lo, w.hi, truth))  # fmt: skip
                never = ~w.ready.any(axis=-1)
                found[method].append(np.column_stack([w.stop() < looks, ((lo <= real) & (real <= hi)) | never,
                                                      w.covers(truth), w.estimate[np.arange(len(at)), at[:, 0]]]))  # fmt: skip
        rows = {}
        for method in methods:
            stops, covers, always, estimate = np.concatenate(found[method]).T
            rows[NAMES[method]] = {"stops": stops.mean(), "± ": math.sqrt(stops.mean() * (1 - stops.mean()) / experiments),
                                   "covers_at_stop": covers.mean(), "covers_always": always.mean(),
                                   "mean_estimate": estimate.mean()}  # fmt: skip
        return pd.DataFrame(rows).T

    def _split(self, rng, experiments, share, effect):
        """(Counts (experiments, 2, looks), truth (looks,)) of so many tests on this history."""
        c = self.counts
        n = c.n[0].astype(np.int64)
        treated = rng.binomial(n, share, (experiments, len(n)))
        if c.binary and not self.offset:
            y = c.y[0].astype(np.int64)
            ones = rng.hypergeometric(y, n - y, treated)
            others = y - ones
            pool = (n - y) if effect >= 0 else y
            q = abs(effect) * n.sum() / pool.sum()
            if q > 1:
                raise ValueError(f"effect: {effect:g} is more than this outcome has room for")
            if effect:
                changed = rng.binomial(treated - ones if effect > 0 else ones, q)
                ones = ones + (changed if effect > 0 else -changed)
            arms = np.stack([others, ones], axis=1)
            size = np.stack([n - treated, treated], axis=1)
            return Counts(size, arms, arms), np.sign(effect) * q * np.cumsum(pool) / np.cumsum(n)
        with np.errstate(divide="ignore", invalid="ignore"):
            m, m2, m3, m4 = (np.nan_to_num(a[0] / c.n[0]) for a in (c.y, c.yy, c.y3, c.y4))
            s11, s12, s22 = np.maximum(m2 - m**2, 0), m3 - m * m2, np.maximum(m4 - m2**2, 0)
            slope = np.where(s11 > 0, s12 / np.where(s11 > 0, s11, 1), 0.0)
            rest = np.sqrt(np.maximum(s22 - slope * s12, 0))
            scale = np.sqrt(np.nan_to_num(treated * (n - treated) / np.maximum(n - 1, 1)))
        first, second = rng.normal(size=(2, experiments, len(n)))
        dy = scale * np.sqrt(s11) * first
        dyy = slope * dy + scale * rest * second
        part = treated / np.maximum(n, 1)
        y1, yy1, y31, y41 = treated * m + dy, treated * m2 + dyy, part * c.y3[0], part * c.y4[0]
        y0, yy0, y30, y40 = c.y[0] - y1, c.yy[0] - yy1, c.y3[0] - y31, c.y4[0] - y41
        if effect:
            e, k = effect, treated
            y41 = y41 + 4 * e * y31 + 6 * e**2 * yy1 + 4 * e**3 * y1 + k * e**4
            y31 = y31 + 3 * e * yy1 + 3 * e**2 * y1 + k * e**3
            yy1, y1 = yy1 + 2 * e * y1 + k * e**2, y1 + e * k
        return Counts(*(np.stack(pair, axis=1) for pair in
                        ((n - treated, treated), (y0, y1), (yy0, yy1), (y30, y31), (y40, y41)))), np.full(len(n), effect)  # fmt: skip


def history(logs, columns, *, look=None, delay=None, now=None):
    """History of a log without a test: traffic and outcomes by look, for `plan` and for A/A tests (`aa`).

    columns: {"outcome": ..., "time": ...} and, where the test will use one, "before"; other roles are ignored (so that
    an arm is: all rows count as history). look, delay, now: as for `analyse`. Raises as `analyse`.
    """
    if not isinstance(columns, dict):
        own_logs.check_roles(columns, *ROLES)
    columns = {role: columns[role] for role in ("outcome", "time", "before") if columns.get(role)}
    own_logs.check_roles(columns, ("outcome", "time"), ("before",))
    design = _design(look=look, delay=delay, now=now)
    with Logs(logs) as log:
        check, aggregate, offset, kind = _ask(log, columns | {"arm": "history"}, design, arms=False)
    found = own_logs.problem_table(own_logs.named(check, MEANING))
    own_logs.refuse(found)
    cells = _cells(aggregate, design, kind)
    if not len(cells) or not cells["n"].sum() > 1 or not cells["y_min"].min() < cells["y_max"].max():
        own_logs.refuse(own_logs.problem_table([say(
            "fewer than two different outcomes", place=str(columns["outcome"]), rows=len(cells) and cells["n"].sum(),
            what_to_do="There is nothing to plan from.")]))  # fmt: skip
    looks = np.sort(cells["look"].unique())
    counts = _counts(cells, list(cells["key"].unique()), looks, "before" in columns)
    if not counts.binary:
        counts, shift = _around_mean(counts)
        offset += shift
    return History(looks, counts, offset, columns)


def _around_mean(counts):
    """(the same Counts of outcomes less their mean, the mean): splits by a normal approximation need small moments."""
    c, n, y, yy, y3, y4 = counts.y.sum() / counts.n.sum(), counts.n, counts.y, counts.yy, counts.y3, counts.y4
    fourth = y4 - 4 * c * y3 + 6 * c**2 * yy - 4 * c**3 * y + c**4 * n
    third = y3 - 3 * c * yy + 3 * c**2 * y - c**3 * n
    xy = None if counts.x is None else counts.xy - c * counts.x
    return Counts(n, y - c * n, yy - 2 * c * y + c**2 * n, third, fourth, counts.x, counts.xx, xy), float(c)


def plan(logs, columns, effect, *, look=None, delay=None, now=None, **options):
    """How many users, and how many looks, until `effect` is found: `history(...).plan(effect, ...)` in one call."""
    return history(logs, columns, look=look, delay=delay, now=now).plan(effect, **options)
