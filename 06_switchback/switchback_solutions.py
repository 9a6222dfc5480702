# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 06 · Solutions
#
# The quiz and the exercises at the end of [switchback_demo](switchback_demo.ipynb). Write your own answer down before
# you read on. Two of the three exercises are about *which schedule*, and a schedule is chosen before there is any data
# to look at; practise it that way.
#
# ## The quiz
#
# 1. **No regression can.** In strict alternation an hour on always follows an hour off, so that the schedule and the
#    schedule of the hour before are one column and its opposite: the rank is too small (section 7). What the dashboard
#    shows is the direct effect *minus* carryover, half the direct effect in our world (section 4). The tempting answer is
#    to add the lag and take what the library returns; it returns something, and it means nothing. The cure is another
#    schedule, with coins.
# 2. **It depends on the schedule.** The tempting answer is yes, for this is the textbook's case. But a schedule that
#    switches fast compares hours that share their noise. With a correlation of 0.8, least squares rejects a true null
#    hypothesis in 38.7 % of experiments with blocks of twelve hours, in 1.8 % with blocks of three, and next to never with
#    single hours (section 8). Use an interval that allows for both, and replay the coins.
# 3. **The noise of hours.** The tempting answer is "a power of 0.80 is low". The claim counts users as if they were
#    independent; but the users of an hour share its weather, its outages and its news. On the departures of section 9 an
#    hour swings 14 times as far as a thousand users would by themselves, and two days find 20 points. Ask for the history
#    of the outcome, hour by hour, and plan on that.
#
# ## 1. Change a constant
#
# *Carryover of −0.03: predict the dashboard's number for blocks of 1, 3 and 12 hours, and the total. Right: 0.090, 0.050,
# 0.035 and 0.030.*
#
# No noise is needed for an expectation: average the effects over the on-hours and over the off-hours. The formula
# $\delta + \gamma(1 - 2/b)$ gives the same without a computer.

# %%
import sys
from importlib.util import find_spec

sys.path += ["../data", f"{sys.path[0]}/../data"]  # the series' own modules, for notebook and script
if not find_spec("series"):
    raise ImportError("This notebook needs the files that come with it. Run these lines in a cell above:\n"
                      "!git clone https://github.com/OWNER/llm-causal-inference-series series\n"
                      "%cd series/06_switchback\n"
                      "%pip install -q rdrobust rddensity pysyncon")

# %%
import numpy as np
import switchback as sb
from generate_data import load_logs
from scipy import stats

logs = load_logs()
base = logs["task_completed"].mean()
noise_sd = np.sqrt(base * (1 - base) / np.ceil(len(logs) / 48))  # of an hour, as in the tutorial
EFFECTS, N = (0.06, 0.03), 2_000

# %%
dashboard = {}
for block in (1, 3, 12):
    w = np.tile(np.repeat([1, 0], block), 24 // block)
    added = sb.effects(w, (0.06, -0.03))
    dashboard[block] = added[w == 1].mean() - added[w == 0].mean()
total = sb.effects(np.ones(48), (0.06, -0.03))[-1]  # an hour that follows an on-hour
print("  ".join(f"{block} h: {value:.3f}" for block, value in dashboard.items()), f" total {total:.3f}")
assert round(dashboard[1], 3) == 0.090 and round(dashboard[3], 3) == 0.050 and round(dashboard[12], 3) == 0.035
assert round(total, 3) == 0.030
assert np.allclose([*dashboard.values(), total], [0.090, 0.050, 0.035, 0.030], rtol=0, atol=1e-12)

# %% [markdown]
# In the tutorial the dashboard *understates* what a rollout buys; here it **flatters**, threefold where the schedule
# alternates every hour. The mechanism is the same. After a switch, the off-hour inherits what the on-hour left behind. A
# good inheritance makes the hours without routing look better than they are, a bad one makes them look worse.
#
# A feature that borrows from the next hour (a discount, a push message, a cache that is used up) shows its best side in
# a fast switchback. If its cost is worth 4 points, the dashboard says "keep it" with blocks of one hour and of three,
# and the total says "don't".
#
# ## 2. Break an assumption
#
# *Completion drifts upwards by 0.001 an hour. Right: mean totals within 0.001 of 0.087 (fixed 3-3), 0.078 (fixed 12-12)
# and 0.090 (paired 3-3).*


# %%
def totals(rng, schedule, drift, phase=None):
    """Totals of simulated experiments (N,) and the share of 95 % intervals of OLS that hold 0.09."""
    w = sb.draw(rng, N, 48, *schedule) if isinstance(schedule, tuple) else schedule
    x = sb.regressors(w, 1, phase)[:, 1:]  # without the first hour
    some = sb.identified(x)
    y = sb.effects(w, EFFECTS) + drift + rng.normal(0, noise_sd, w.shape)
    b, covariance, _ = sb.least_squares(x[some], y[some, 1:])
    c = np.isin(np.arange(x.shape[2]), (1, 2))
    estimate, _, lo, hi = sb.effect(b, covariance, c, stats.t.ppf(0.975, x.shape[1] - x.shape[2]))
    return estimate, np.mean((lo <= 0.09) & (0.09 <= hi))


# %%
rng, drift, drifted, held = np.random.default_rng(2), 0.001 * np.arange(48), {}, {}
for name, schedule in (
    ("fixed 3-3", ("fixed", 3)),
    ("fixed 12-12", ("fixed", 12)),
    ("paired 3-3", ("paired blocks", 3)),
):
    estimate, held[name] = totals(rng, schedule, drift)
    drifted[name] = estimate.mean()
    print(f"{name:<12} mean {drifted[name]:.4f} (Monte Carlo error {estimate.std() / len(estimate) ** 0.5:.4f}), "
          f"coverage {held[name]:.2f}")  # fmt: skip
fixed_3, fixed_12, paired = drifted.values()
assert abs(fixed_3 - 0.087) <= 0.001 and abs(fixed_12 - 0.078) <= 0.001 and abs(paired - 0.090) <= 0.001

# %% [markdown]
# **Why.** Both fixed schedules begin with an on-block, in each cycle. So every on-hour is compared with off-hours that
# lie one block *later*, when the drift has lifted completion: by 3 hours times 0.001 in one, by 12 hours times 0.001 in
# the other. Take 0.003 and 0.012 from 0.090, and you have the two means.
#
# Pairs in random order put the on-block first or second by a coin, and the drift cancels on average. Their intervals
# cover more often than they promise: pairs cancel most of the drift in the *estimate*, while the residuals, and with them
# the error, still contain all of it. With a linear trend as one more column, the interval shrinks to what the design
# deserves.
#
# ## 3. Design something new
#
# *A coin for each block of three on day 1, the opposite on day 2. Right: identified with levels for the hours of the day
# in about 99 of 100 draws; SD of the total between 0.0045 and 0.0055, against 0.0070 to 0.0085 for "paired 3-3".*

# %%
rng, hour = np.random.default_rng(4), np.arange(48) % 24
day = sb.draw(rng, N, 24, "coin per block", 3)
mirrored = np.concatenate([day, 1 - day], axis=1)
identified = sb.identified(sb.regressors(mirrored, 1, hour)[:, 1:]).mean()
print(f"mirrored, identified with levels: {100 * identified:.1f} % of {N:,} draws")
assert round(100 * identified) == 99

# %%
spread = {}
for name, schedule in (("mirrored", mirrored), ("paired 3-3", ("paired blocks", 3))):
    for levels, phase in (("without", None), ("with", hour)):
        spread[name, levels] = totals(rng, schedule, 0, phase)[0].std()
        print(f"{name:<11}{levels:>7} levels: SD of the total {spread[name, levels]:.4f}")
print(f"relative Monte Carlo error of an SD: about {100 / (2 * N) ** 0.5:.1f} %")
sd_mirrored, sd_paired = spread["mirrored", "with"], spread["paired 3-3", "with"]
assert 0.0045 < sd_mirrored < 0.0055 and 0.0070 < sd_paired < 0.0085

# %% [markdown]
# *Why do the levels cost so little?* Because **each hour has both arms**: 3 o'clock is on during one of the two days and
# off during the other. The schedule has the same mean at every hour, so it is uncorrelated with the levels, and taking
# these out of it takes nothing away.
#
# In the paired design an hour has the same arm on both days half of the time. Such
# hours cannot tell their level from the treatment; about half of the comparison is lost, and the SD grows by more than
# the root of two.
#
# The draws that fail are those in which all coins of day 1 agree, two in 256: one day on and one day off. Check the rank,
# and draw again.
#
# What a mirror cannot do is balance the *days*. If the second is better for reasons of its own, the coins of the first
# decide which arm gets more of it. The remedy is to toss for *pairs* of blocks, so that each day has as many on-hours as
# off-hours, and to mirror those:

# %%
better = 0.03 * (np.arange(48) >= 24)  # the second day is 3 points better
pairs = sb.draw(rng, N, 24, "paired blocks", 3)
mirrored_pairs = np.concatenate([pairs, 1 - pairs], axis=1)
restless = {name: totals(rng, schedule, better, hour)[0].std()
            for name, schedule in (("mirrored", mirrored), ("mirrored pairs", mirrored_pairs))}  # fmt: skip
print("  ".join(f"{name}: SD of the total {value:.4f}" for name, value in restless.items()))
assert restless["mirrored"] > 0.010 and restless["mirrored pairs"] < 0.006

# %% [markdown]
# Where the rhythm repeats every day, a mirror buys levels for the hours at no price. Take mirrored pairs unless you know
# that your days are alike. They have only four coins, though, so sixteen schedules, and a randomization test cannot give
# a p-value below 2 in 16: what is balanced by design is no longer left to chance, and chance is what that test lives on.
# Two more days of coins bring it back.
