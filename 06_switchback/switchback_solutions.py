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
# The three exercises of [switchback_demo.ipynb](switchback_demo.ipynb), solved: the task, its code, a check of every
# number that the exercise states, and the reason behind it. Write your own answer down before you scroll. Two of the
# three are about *which schedule*, and a schedule is chosen before there is any data to look at; practise it that way.
#
# `definitions` loads the functions and constants of the tutorial from its script without running the rest; in the
# tutorial itself you have them already.

# %%
import sys
from pathlib import Path

here = Path(globals().get("__file__", "notebook")).resolve()  # a notebook has no __file__
ROOT = next((p for p in here.parents if (p / "data" / "generate_data.py").exists()), None)
if ROOT is None:
    raise FileNotFoundError("Start Jupyter inside the folder of the series, where data/ is.")
sys.path[:0] = [str(ROOT), str(ROOT / "data")]

# %%
import numpy as np
from generate_data import load_logs

from run import definitions

tutorial = definitions(ROOT / "06_switchback" / "switchback_demo.py")
names = ("effects", "fixed", "study", "identified", "with_hours", "regressors", "SCHEDULES", "N_STUDY")
effects, fixed, study, identified, with_hours, regressors, SCHEDULES, N_STUDY = map(tutorial.get, names)

# %%
logs = load_logs()
base = logs["task_completed"].mean()
sd = np.sqrt(base * (1 - base) / np.ceil(len(logs) / 48))  # noise of a slot mean, as in the tutorial
print(f"noise SD {sd:.4f}; {N_STUDY:,} experiments in each study")

# %% [markdown]
# ## 1. Change a constant
#
# *Carryover of −0.030: predict the expected naive difference for blocks of 1, 3 and 12 hours, and the total effect.
# Right: 0.090, 0.050, 0.035 and 0.030.*
#
# No noise is needed for an expectation: average the effects over the on-slots and over the off-slots. The formula
# $\delta+\gamma(1-2/b)$ gives the same without a computer.

# %%
naive = []
for block in (1, 3, 12):
    on = fixed(block)(None, 1)[0]
    added = effects(on, (0.06, -0.03))
    naive.append(added[on == 1].mean() - added[on == 0].mean())
    print(f"blocks of {block:>2}: naive {naive[-1]:.3f}")
total = effects(np.ones(48), (0.06, -0.03))[-1]  # an hour that follows an on-hour
print(f"on for good: {total:.3f}")
assert np.allclose([*naive, total], [0.090, 0.050, 0.035, 0.030], rtol=0, atol=1e-12)

# %% [markdown]
# In the tutorial the naive number *understated* what a rollout buys; here it **flatters**, by a factor of three where
# the schedule alternates every hour. The mechanism is one and the same. After a switch, the off-slot inherits what the
# on-slot left behind. A good inheritance makes the control arm look better than it would be without routing, a bad one
# makes it look worse, and the arm that is compared with it gains.
#
# For the decision: a feature that borrows from the next hour (a price discount, a push message, a cache that is used
# up) shows its best side in a fast switchback. Where the feature has a running cost worth 4 points, the naive number
# says "ship" at blocks of one hour and of three, and the total says "don't".

# %% [markdown]
# ## 2. Break an assumption
#
# *Completion drifts upwards by 0.001 an hour. Right: mean totals within 0.001 of 0.087 (fixed 3-3), 0.078 (fixed 12-12)
# and 0.090 (paired 3-blocks); the interval of 12-12 for the total covers between 45 and 55 % of the time.*
#
# `study` takes the drift as its argument `hidden`: it is added to the outcome, and the regression knows nothing of it.

# %%
drift = 0.001 * np.arange(48)
rng, totals = np.random.default_rng(2), {}
for name in ("fixed 3-3", "fixed 12-12", "paired 3-blocks"):
    found, _ = study(SCHEDULES[name], rng, sd, hidden=drift)
    totals[name] = found[1]  # of the total effect: mean, SD, coverage
    mean, spread, covers = found[1]
    print(f"{name:<16} mean {mean:.4f} (Monte Carlo error {spread / N_STUDY**0.5:.4f}), "
          f"SD {spread:.4f}, coverage {covers:.2f}")  # fmt: skip

# %%
means = [value[0] for value in totals.values()]
assert np.allclose(means, [0.087, 0.078, 0.090], rtol=0, atol=0.001)
assert 0.45 < totals["fixed 12-12"][2] < 0.55

# %% [markdown]
# **Why.** Both fixed schedules begin with an on-block, in each cycle. So every on-hour is compared with an off-hour
# that lies one block *later*, when the drift has lifted completion: by 3 hours times 0.001 in one, by 12 hours times
# 0.001 in the other. Take 0.003 and 0.012 from 0.090, and you have the two means. Twelve thousandths are more than two
# standard deviations of the estimate, hence the coverage.
#
# Pairs in random order put the on-block first or second by a coin, and the drift cancels on average. Not quite, if you
# look at the fourth decimal: the mean is 0.0906. One number in the regression was never decided by a coin. The lag of
# the first slot is always "off", and that slot sits at the lowest point of the drift. Leave the first slot out of the
# regression, and the excess is gone:

# %%
least_squares = tutorial["least_squares"]
on = SCHEDULES["paired 3-blocks"](np.random.default_rng(3), N_STUDY)
added = effects(on) + drift  # expectations: no noise
keep = identified(regressors(on)[:, 1:])

# %%
excess = {}
for first, name in ((0, "all 48 slots"), (1, "without the first slot")):
    b, _, _ = least_squares(regressors(on)[keep, first:], added[keep, first:])
    value = b[:, 1] + b[:, 2]
    error = value.std() / keep.sum() ** 0.5
    excess[first] = value.mean() - 0.090, error
    print(f"{name:<23}excess of the total {excess[first][0]:+.4f} (Monte Carlo error {error:.5f})")
assert excess[0][0] > 0.0004 > 5 * excess[0][1] and abs(excess[1][0]) < 4 * excess[1][1]


# %% [markdown]
# For a decision, half a thousandth is nothing; the habit is worth more. Ask of *every* regressor who decided it. The
# paired interval covers almost always, more than it promises: pairs cancel most of the drift in the estimate, while the
# residuals, and with them the standard error, still contain all of it. That is honest and wasteful. With a linear trend
# as one more column of the regression, the interval shrinks to what the design deserves.

# %% [markdown]
# ## 3. Design something new
#
# *A coin for each 3-block of day 1, the opposite all through day 2. Right: hour effects identified in all of 2,000
# draws, SD of the total between 0.0045 and 0.0053, against 0.0070 to 0.0083 for "paired 3-blocks" with hour effects.*
#
# A schedule is a function of `(rng, n)` that returns `n` rows of 48. Day 2 is one minus day 1.

# %%
def mirrored(rng, n):
    """A coin for each 3-block of day 1; day 2 is the opposite: (n, 48)."""
    day = np.repeat(rng.integers(0, 2, (n, 8)), 3, axis=1)
    return np.concatenate([day, 1 - day], axis=1)


# %%
rng = np.random.default_rng(4)
always = identified(with_hours(regressors(mirrored(rng, N_STUDY)))).mean()
print(f"hour effects identified in {100 * always:.0f} % of {N_STUDY:,} draws")
assert N_STUDY == 2_000 and always == 1

# %%
spread = {}
for name, draw in (("mirrored", mirrored), ("paired 3-blocks", SCHEDULES["paired 3-blocks"])):
    for hours in (False, True):
        spread[name, hours] = study(draw, rng, sd, hours=hours)[0][1, 1]
        effort = "with hour effects" if hours else "without"
        print(f"{name:<16} {effort:<18} SD of the total {spread[name, hours]:.4f}")
print(f"relative Monte Carlo error of an SD: about {100 / (2 * N_STUDY) ** 0.5:.1f} %")
assert 0.0045 < spread["mirrored", True] < 0.0053
assert 0.0070 < spread["paired 3-blocks", True] < 0.0083


# %% [markdown]
# *Why does hour adjustment cost so little?* Because **each hour has both arms**: 3 o'clock on day 1 is on, 3 o'clock on
# day 2 is off, or the other way round. The schedule has the same mean at every hour, so it is uncorrelated with the
# hour dummies, and taking these out of it takes nothing away. (The 23 coefficients still cost degrees of freedom: the
# $t$ quantile grows from 2.01 to 2.07.) In the paired design, an hour has the same arm on both days half of the time.
# Such hours tell hour effect from treatment not at all; about half of the slots drop out of the comparison, and the
# standard deviation grows by roughly the root of two.
#
# What a mirror cannot do is balance the *days*. If day 2 is better than day 1 for reasons of its own, the coins of day
# 1 decide which arm gets more of it, and this adds to the spread. The remedy is to toss for *pairs* of blocks, so that
# each day has as many on-hours as off-hours, and to mirror those:

# %%
def mirrored_pairs(rng, n):
    """A coin for each pair of 3-blocks of day 1; day 2 is the opposite: (n, 48)."""
    day = np.repeat(tutorial["pairs"](rng, n, 8), 3, axis=1)
    return np.concatenate([day, 1 - day], axis=1)


# %%
days = 0.03 * (np.arange(48) >= 24)  # the second day is 3 points better
rng, restless = np.random.default_rng(5), {}
for name, draw in (("mirrored", mirrored), ("mirrored pairs", mirrored_pairs)):
    restless[name] = study(draw, rng, sd, hidden=days, hours=True)[0][1]
    print(f"a better second day, {name:<15} SD of the total {restless[name][1]:.4f}")
assert restless["mirrored"][1] > 0.010 and restless["mirrored pairs"][1] < 0.006

# %% [markdown]
# For a decision: where the rhythm repeats every day, a mirror buys hour effects at no price, and of the random
# schedules in the tutorial none does. Take mirrored pairs unless you know that your days are alike. They have only four
# coins, though, so sixteen schedules, and a randomization test cannot give a p-value below 2 in 16: what is balanced by
# design is no longer left to chance, and chance is what that test lives on. Two more days of coins bring it back.
