# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04 · Solutions
#
# The quiz and the exercises at the end of [synthetic_control_demo](synthetic_control_demo.ipynb). Commit to a guess
# before you read on: the comparison with your own number is where the learning happens.
#
# ## The quiz
#
# 1. **No.** The tempting answer is yes, since the gap before is what the mixture could not reach. But the weights were
#    chosen to make *that* gap small: donors whose noise happened to imitate the distance got the weight, and their luck
#    ends with the launch. So the gap before is smaller than the distance, and the difference still holds a part of it.
#    Subtract means first and choose the weights after (an intercept), or take difference-in-differences.
# 2. **Whether all donors miss in the same way.** Leave-one-out finds one donor that misleads. The placebos ask whether
#    the gap is unusual, and not why: a level, a trend or a leak is no effect and can be unusual, too. The tempting
#    answer is "nothing": two passed checks feel like two confirmations.
# 3. **By little.** The tempting answer is to divide by $\sqrt{8}$, as for the noise of the workspaces. The shock of a
#    wave is the same for all its workspaces, so its part of the interval stays. There are still two waves.
#
# ## 1. Change a constant
#
# *Wave 1 completes 8 points more than wave 2. Predict the averages of synthetic control and of DiD over 200 tables.
# Right: within 0.004 of 0.13 and of 0.05.*
#
# The gap estimates effect plus offset, $\tau+\alpha$, whatever the weights: 0.13. A difference-in-differences compares
# changes, and a constant offset is in no change.

# %%
import sys
from importlib.util import find_spec

sys.path += ["../data", f"{sys.path[0]}/../data"]  # the series' own modules, for notebook and script
if not find_spec("series"):
    raise ImportError("This notebook needs the files that come with it. Run these lines in a cell above:\n"
                      "!git clone https://github.com/OWNER/llm-causal-inference-series series\n"
                      "%cd series/04_synthetic_control\n"
                      "%pip install -q rdrobust rddensity pysyncon")

# %%
import numpy as np
import synthetic_control as tool
from generate_data import World, find_seed, load_logs, oracle
from scipy import signal

logs = load_logs()
chance = oracle(find_seed(logs), len(logs))["p_rollout_0"]
START, WEEKS = World.treatment_week
BASE = chance[(logs["wave"] == 2) & (logs["signup_week"] < WEEKS)].mean()
WAVE_1, AFTER = np.arange(50) < 25, np.arange(WEEKS)[:, None] >= START


# %% [markdown]
# `fresh` and `estimate` as in the tutorial, so that the same numbers of experiments give the same tables:


# %%
def fresh(number, n, offset=World.wave_offset, effect=World.rollout_effect, extra=0.0):
    rng = np.random.default_rng([404, number])
    season = signal.lfilter([1], [1, -World.shock_ar], rng.normal(0, World.shock_sd, (n, WEEKS)))
    p = BASE + season[:, :, None] + (offset + effect * AFTER) * WAVE_1 + extra
    size = rng.poisson(50_000 / (World.n_weeks * World.n_workspaces), p.shape)
    return rng.binomial(size, p) / size


def estimate(rates, start=START):
    return tool.blend(rates[:, :25].mean(axis=1), rates[:, 25:], start).estimate


def mean_of(name, estimates):
    """Print the mean of the estimates, one for each table, with its Monte Carlo error; return it."""
    print(f"{name:<34} {np.mean(estimates):+.4f} ± {np.std(estimates, ddof=1) / np.sqrt(len(estimates)):.4f}")
    return np.mean(estimates)


# %%
tables = fresh(100, 200, offset=0.08)
synthetic = mean_of("synthetic control, offset 0.08", [estimate(one) for one in tables])
differences = mean_of("DiD, offset 0.08", tool.did(tables, WAVE_1, START))
below = mean_of("synthetic control, offset -0.05", [estimate(one) for one in fresh(103, 200, offset=-0.05)])
assert abs(synthetic - 0.13) < 0.004 and abs(differences - 0.05) < 0.004 and abs(below) < 0.006

# %% [markdown]
# *What would a first wave that sits 5 points below have told you?* That the upgrade is worth nothing: the last line is
# the same algebra in the other direction, 5 minus 5. Somebody would have rolled a good model back. The sign of the
# mistake depends on who goes first, which is why the mean gap before the launch belongs beside every estimate by
# synthetic control.
#
# ## 2. Break an assumption
#
# *A second launch adds 0.06 in wave 1 alone, in weeks 25 to 29. Right: DiD averages between 0.075 and 0.085, its placebo
# in week 10 excludes zero in under 0.10 of the tables, and the event study rises by 0.055 to 0.065.*
#
# The second launch fills five of the ten weeks after the upgrade, so it adds half of 0.06 to their average.

# %%
second = np.zeros((WEEKS, 50))
second[25:, :25] = 0.06
tables = fresh(102, 200, offset=0.0, extra=second)
did = mean_of("DiD", tool.did(tables, WAVE_1, START))
lo, hi = tool.did_interval(tables[:, :START], WAVE_1, START // 2)[2:4]
alarm = np.mean((lo > 0) | (hi < 0))
weekly = tool.event_study(tables.mean(axis=0), WAVE_1, START)[0]
rise = weekly[25:].mean() - weekly[START:25].mean()
print(f"placebo in time excludes zero in {alarm:.3f}; the event study rises by {rise:.4f}")
assert 0.075 < did < 0.085 and alarm < 0.10 and 0.055 < rise < 0.065

# %% [markdown]
# DiD is off by 3 points. The placebo in time is as quiet as it should be in a healthy world: it looks at weeks 0 to 19,
# and there nothing is wrong. Evidence from before speaks about habits that wave 1 already had, a level or a trend, never
# about an event that is still to come.
#
# *What would see it?* The right-hand side of the event study: one launch with a constant effect looks like a plateau,
# and here the average table has a step.

# %%
each = tool.event_study(tables, WAVE_1, START)[0]
steps = each[:, 25:].mean(axis=1) - each[:, START:25].mean(axis=1)
print(f"step in a single table: standard deviation {steps.std(ddof=1):.3f}")
shortened = mean_of("DiD, weeks 0 to 24 only", tool.did(tables[:, :25], WAVE_1, START))
assert abs(shortened - 0.05) < 0.006

# %% [markdown]
# In one table the step is about three standard deviations of its noise: usually visible, not always. And a rise does not
# say *what* rose: users who learn to use a better model would draw the same picture. So the event study raises the
# question, and the release calendar answers it.
#
# If the calendar says "second launch in week 25", end the analysis in week 24. The last line shows that this is enough,
# at the price of half of the weeks after.
#
# ## 3. Design something new
#
# *Choose by lot which 25 workspaces go first, while the offset of 0.04 stays where it is. Right: synthetic control
# averages within 0.005 of 0.05.*
#
# The tables are drawn without an effect. Shuffling the columns is the lottery, and the effect is then added to those that
# come first. For comparison: the same tables without the lottery.

# %%
rng = np.random.default_rng(3)
launch = 0.05 * AFTER * WAVE_1
tables = fresh(101, 200, effect=0.0)
shuffled = rng.permuted(np.broadcast_to(np.arange(50), (200, 50)), axis=1)
shuffled = np.take_along_axis(tables, shuffled[:, None, :], axis=2)
by_lot = mean_of("by lot", [estimate(one + launch) for one in shuffled])
first = mean_of("the enthusiasts first", [estimate(one + launch) for one in tables])
assert abs(by_lot - 0.05) < 0.005 and abs(first - 0.09) < 0.005

# %%
above = {}
for name, group in (("by lot", shuffled), ("the enthusiasts first", tables)):
    level = group[:, :START].mean(axis=1)
    above[name] = np.sum(level[:, 25:] > level[:, :25].mean(axis=1, keepdims=True), axis=1).mean()
    print(f"{name}: {above[name]:.1f} of 25 donors lie above the average of the first 25")
assert 11 < above["by lot"] < 14 and above["the enthusiasts first"] < 4

# %% [markdown]
# *Why do the donors now lie on both sides?* Because about half of the enthusiasts land among them. The average of the
# first 25 is a mixture, some donors carry the offset and some do not, and a weighted average of them can reach it.
# Without the lottery only a few donors lie above, and these by luck; the weights find the lucky ones, and luck does not
# last into week 20.
#
# In a single rollout the lot may still put 15 enthusiasts on one side. That is noise, and it is *counted*: the
# permutation test shuffles exactly what the lot shuffled. A bias is counted by nobody. Before the next staged rollout,
# ask that the order be drawn by lot. It costs one line of code, and no reweighting afterwards is worth as much.
