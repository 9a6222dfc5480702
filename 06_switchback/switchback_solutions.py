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
# The quiz and the exercises at the end of [switchback_demo](switchback_demo.ipynb). Commit to a guess before you read
# on. Two of the exercises are about *which schedule*, and a schedule is chosen before there is any data to look at.
#
# ## The quiz
#
# 1. **No regression can.** In strict alternation every hour follows an hour of the other arm. On for good never happens
#    in the data, and "on now" and "off before" are one and the same column. The tempting answer is to add the lag; the
#    software then prints one of infinitely many solutions. Change the schedule.
# 2. **It depends on how fast you switch.** A schedule that switches often compares hours that share their noise, so that
#    it cancels, and the errors of least squares are too large. With long blocks they are too small. The tempting answer,
#    "yes", is the textbook's, and it holds for regressors that move as slowly as the noise.
# 3. **The noise that the number assumes.** A thousand independent users would make it; users of one hour share weather,
#    outages and demand. The tempting answer is "nothing, that is a power calculation". Read the spread of hours off your
#    own history instead.
#
# ## 1. Change a constant
#
# *Carryover of −0.03: the dashboard's number for blocks of 1, 3 and 12 hours, and the total. Right: 0.090, 0.050, 0.035
# and 0.030.*
#
# No noise is needed for an expectation: average the effects over the on-hours and over the off-hours. The formula
# $\delta+\gamma(1-2/b)$ gives the same without a computer.

# %%
import sys

sys.path += ["../data", f"{sys.path[0]}/../data"]  # the series' own modules, for notebook and script

import numpy as np
import switchback as sb
from generate_data import load_logs

logs = load_logs()
base = logs["task_completed"].mean()
noise_sd = np.sqrt(base * (1 - base) / np.ceil(len(logs) / 48))  # noise of an hour, as in the tutorial

# %%
shown = []
for block in (1, 3, 12):
    w = np.tile(np.repeat([1, 0], block), 24 // block)
    added = sb.effects(w, (0.06, -0.03))
    shown.append(added[w == 1].mean() - added[w == 0].mean())
total = sb.effects(np.ones(48), (0.06, -0.03))[-1]  # an hour that follows an on-hour
print("blocks of 1, 3, 12:", *(f"{value:.3f}" for value in shown), f" on for good: {total:.3f}")
assert np.allclose([*shown, total], [0.090, 0.050, 0.035, 0.030], rtol=0, atol=1e-12)

# %% [markdown]
# In the tutorial the dashboard *understated* what a rollout buys; here it **flatters**, by a factor of three where the
# schedule alternates every hour. The mechanism is the same: after a switch, the off-hour inherits what the on-hour left.
# A bad inheritance makes the control arm look worse than it would be without routing.
#
# A feature that borrows from the next hour (a discount, a push message, a cache that is used up) shows its best side in
# a fast switchback. At a cost worth 4 points, the dashboard says "ship" at blocks of one hour and of three, and the total
# says "don't".
#
# ## 2. Break an assumption
#
# *Completion drifts upwards by 0.001 an hour. Right: mean totals within 0.001 of 0.087 (fixed 3-3), 0.078 (fixed 12-12)
# and 0.090 (paired 3-3).*

# %%
drift, totals = 0.001 * np.arange(48), {}
rng = np.random.default_rng(2)
for name, coins in (("fixed 3-3", ("fixed", 3)), ("fixed 12-12", ("fixed", 12)), ("paired 3-3", ("paired blocks", 3))):
    w = sb.draw(rng, 2_000, 48, *coins)
    outcome = drift + sb.effects(w, (0.06, 0.03)) + rng.normal(0, noise_sd, w.shape)
    fits = sb.least_squares(sb.regressors(w)[:, 1:], outcome[:, 1:])[0]  # without the first hour
    totals[name] = fits[:, 1] + fits[:, 2]
    print(f"{name:<12} mean {totals[name].mean():.4f} (Monte Carlo error {totals[name].std() / 2_000**0.5:.4f})")
means = [value.mean() for value in totals.values()]
assert np.allclose(means, [0.087, 0.078, 0.090], rtol=0, atol=0.001)

# %% [markdown]
# Both fixed schedules begin with an on-block, in each cycle. So every on-hour is compared with an off-hour that lies one
# block *later*, when the drift has lifted completion: by 3 hours times 0.001 in one, by 12 hours times 0.001 in the
# other. Pairs in random order put the on-block first or second by a coin, and the drift cancels on average.
#
# With the first hour it would cancel not quite. What was on before it was never decided by a coin, and it sits at the
# lowest point of the drift. Here is the excess of the total over all 256 paired schedules, without noise:

# %%
pairs = sb.every(48, "paired blocks", 3)
added = sb.effects(pairs, (0.06, 0.03)) + drift
excess = [np.mean(sb.least_squares(sb.regressors(pairs)[:, first:], added[:, first:])[0][:, 1:].sum(axis=1)) - 0.09
          for first in (0, 1)]  # fmt: skip
print(f"all 48 hours {excess[0]:+.4f}, without the first {abs(excess[1]):.4f}")
assert 0.0004 < excess[0] < 0.0010 and abs(excess[1]) < 1e-12

# %% [markdown]
# For a decision that is nothing; the habit is worth more. Ask of *every* regressor who decided it.
#
# ## 3. Design something new
#
# *A coin for each block of three on day 1, the opposite all through day 2. Right: with levels for the hours of the
# day, 254 of the 256 schedules identify the total; its SD lies between 0.0045 and 0.0055, and that of paired 3-3 between
# 0.0070 and 0.0085.*


# %%
def mirrored(coins):
    """A coin for each block of three on day 1; day 2 is the opposite: (n, 48)."""
    day = np.repeat(coins, 3, axis=1)
    return np.concatenate([day, 1 - day], axis=1)


rng, hour, spread = np.random.default_rng(4), np.arange(48) % 24, {}
every = mirrored(sb.every(8, "coin per block", 1))
allowed = sb.identified(sb.regressors(every, 1, hour)[:, 1:]).sum()  # without the first hour
print(f"{allowed} of {len(every)} mirrored schedules identify the total")
for name, w in (("mirrored", mirrored(rng.integers(0, 2, (2_000, 8)))),
                ("paired 3-3", sb.draw(rng, 2_000, 48, "paired blocks", 3))):  # fmt: skip
    x = sb.regressors(w, 1, hour)[:, 1:]
    can = sb.identified(x)
    fits = sb.least_squares(x[can], sb.effects(w, (0.06, 0.03))[can, 1:] + rng.normal(0, noise_sd, (can.sum(), 47)))[0]
    spread[name] = np.std(fits[:, 1] + fits[:, 2])
    print(f"{name:<11} SD of the total {spread[name]:.4f}")

# %%
assert (allowed, len(every)) == (254, 256)
assert 0.0045 < spread["mirrored"] < 0.0055 and 0.0070 < spread["paired 3-3"] < 0.0085

# %% [markdown]
# The levels cost so little because **each hour of the day has both arms**: on one day it is on, on the other off. The
# schedule has the same mean at every hour, so that it is uncorrelated with the levels, and to take these out of it takes
# nothing away. In the paired design an hour often has the same arm on both days, and such hours tell its level and the
# effect not apart. (The two schedules that fail are one whole day on and one off: a single switch.)
#
# What a mirror cannot do is balance the *days*: if day 2 is better for reasons of its own, the coins of day 1 decide
# which arm gets more of it. Toss for *pairs* of blocks, and mirror those. They have only four coins, though, so that a
# test that replays them cannot give a p-value below 2 in 16. Two more days of coins bring it back.
