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
# The three exercises at the end of [synthetic_control_demo.ipynb](synthetic_control_demo.ipynb). Each section states
# the task and the answer that counts as right, computes it, and then says what a decision maker should take from it.
# Write your own number down before you look; the comparison is where the learning happens.
#
# The functions are those of the tutorial. `definitions` loads them, and its constants, from the tutorial's script
# without running the rest of it; in the tutorial itself you have them already. All data here are fresh panels:
# `fresh(number, n)` draws `n` of them, 30 weeks × 50 workspaces, wave 1 first, and the number (with the tutorial's
# seed, 404) fixes the draws.

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

from run import definitions

tutorial = definitions(ROOT / "04_synthetic_control" / "synthetic_control_demo.py")
names = ("fresh", "sc", "demeaned_sc", "did", "did_interval", "event_study")
fresh, sc, demeaned_sc, did, did_interval, event_study = map(tutorial.get, names)


# %%
def mean_of(name, estimates):
    """Print the mean of the estimates, one per panel, with its Monte Carlo error; return it."""
    error = np.std(estimates, ddof=1) / np.sqrt(len(estimates))
    print(f"{name:<34} {np.mean(estimates):+.4f} ({error:.4f})")
    return np.mean(estimates)


# %% [markdown]
# ## 1. Change a constant
#
# *Wave 1 completes 8 points more than wave 2 instead of 4. Predict the averages of `sc` and of `did` over 200 panels.
# Right: within 0.004 of 0.13 and of 0.05.*
#
# Section 6 of the tutorial has the prediction: the gap estimates effect plus offset, $\tau+\alpha$, whatever the
# weights. With an offset of 0.08 that is 0.13. A difference-in-differences compares changes, and a constant offset is
# in no change.

# %%
panels = fresh(100, 200, offset=0.08)
print("mean over 200 panels (Monte Carlo error), experiments 100 and 103")
synthetic = mean_of("synthetic control, offset 0.08", [sc(panel) for panel in panels])
differences = mean_of("DiD, offset 0.08", did(panels))
assert abs(synthetic - 0.13) < 0.004 and abs(differences - 0.05) < 0.004
worse_first = fresh(103, 200, offset=-0.05)
below = mean_of("synthetic control, offset -0.05", [sc(panel) for panel in worse_first])
assert abs(below) < 0.006

# %% [markdown]
# Twice the offset, twice the bias. The last line is the same algebra in the other direction: if the first wave had been
# 5 points *below* the others, say the workspaces that complained most, an upgrade worth 5 points would have looked
# worth nothing, and somebody would have rolled it back. The sign of the mistake depends on who goes first, which is why
# the mean gap before the launch belongs beside every synthetic-control estimate.

# %% [markdown]
# ## 2. Break an assumption
#
# *A second launch adds 0.06 in wave 1, and only there, in weeks 25–29. Right: `did` and `demeaned_sc` average between
# 0.075 and 0.085; the placebo in time excludes zero in under 10 % of 200 panels; the event study rises by 0.055 to
# 0.065 from weeks 20–24 to weeks 25–29.*
#
# The second launch fills five of the ten weeks after the upgrade, so it adds half of 0.06 to the average over them.

# %%
second = np.zeros((30, 50))
second[25:, :25] = 0.06
panels = fresh(102, 200, extra=second)
print("mean over 200 panels (Monte Carlo error), experiment 102")
for name, estimates in (("DiD", did(panels)), ("demeaned", [demeaned_sc(panel) for panel in panels])):
    assert 0.075 < mean_of(name, estimates) < 0.085

_, _, low, high = did_interval(panels[:, :20], 10)
print(f"placebo in time excludes zero in {np.mean((low > 0) | (high < 0)):.1%}")
assert np.mean((low > 0) | (high < 0)) < 0.10

# %% [markdown]
# Both estimators are off by 3 points, with an intercept and all. The placebo in time is as quiet as it should be in a
# healthy world: it looks at weeks 0–19, and in weeks 0–19 nothing is wrong.
#
# *Why can no check on earlier weeks help?* Because the assumption that fails is about later ones. The waves moved in
# parallel until week 20, and would have gone on doing so until week 24. Evidence from before speaks about habits that
# wave 1 already had (a level, a trend), never about an event that is still to come.
#
# *What in Figure 7 would?* The right-hand side. Everybody reads an event study to the left of the line. To the right,
# one launch with a constant effect should look like a plateau:

# %%
weekly, _ = event_study(panels.mean(axis=0))
plateau, later = weekly[20:25].mean(), weekly[25:].mean()
print(f"event study: weeks 20-24 {plateau:+.4f}, weeks 25-29 {later:+.4f}, rise {later - plateau:.4f}")
assert 0.055 < later - plateau < 0.065

each = np.array([event_study(panel)[0] for panel in panels])
rise = each[:, 25:].mean(axis=1) - each[:, 20:25].mean(axis=1)
print(f"rise in a single panel: standard deviation {rise.std(ddof=1):.3f}")
shortened = mean_of("DiD, weeks 0-24 only", did(panels[:, :25]))
assert abs(shortened - 0.05) < 0.006

# %% [markdown]
# The average panel shows the step clearly. In one panel the step of 0.06 is about three standard deviations of its
# noise: usually visible, not always. And a rise alone does not say *what* rose: users who learn to use a better model
# would draw the same picture. So the event study raises the question, and the release calendar answers it. If the
# calendar says "second launch in week 25", end the analysis in week 24; the last line above shows that this is enough,
# at the price of half of the weeks.

# %% [markdown]
# ## 3. Design something new
#
# *Let a coin choose the 25 workspaces that go first, while an offset of 0.04 stays with 25 workspaces wherever they go,
# and average synthetic control over 200 panels with an effect of 0.05. Right: within 0.005 of 0.05.*
#
# The panels are drawn without an effect. Shuffling the columns is the coin, and the effect is then added to those that
# come first. For comparison the same panels without the coin, and panels without any offset.

# %%
rng = np.random.default_rng(3)
launch = np.zeros((30, 50))
launch[20:, :25] = 0.05
panels = fresh(101, 200, effect=0.0)
shuffled = [panel[:, rng.permutation(50)] for panel in panels]

print("mean over 200 panels (Monte Carlo error), experiments 101 and 104, coin with seed 3")
by_coin = [sc(panel + launch) for panel in shuffled]
mean_coin = mean_of("coin", by_coin)
mean_first = mean_of("no coin: the enthusiasts first", [sc(panel + launch) for panel in panels])
no_offset = [sc(panel) for panel in fresh(104, 200, offset=0.0)]
mean_of("no offset", no_offset)
spread = np.std([by_coin, no_offset], axis=1, ddof=1)
print("standard deviation: coin {:.4f}, no offset {:.4f}".format(*spread))
assert abs(mean_coin - 0.05) < 0.005 and abs(mean_first - 0.09) < 0.005

# %% [markdown]
# With the coin the estimator is right on average, and hardly noisier than where there is no offset at all. Nothing
# about the method changed. What changed is who its donors are:

# %%
for name, group in (("coin", shuffled), ("no coin", panels)):
    level = np.array([panel[:20].mean(axis=0) for panel in group])  # (200, 50), weeks 0-19
    above = np.sum(level[:, 25:] > level[:, :25].mean(axis=1, keepdims=True), axis=1)
    print(f"{name:<8} of 25 donors, {above.mean():.1f} lie above the average of the first 25 (mean)")
    assert (11 < above.mean() < 14) if name == "coin" else (above.mean() < 4)

# %% [markdown]
# *Why do the donors now lie on both sides of the average that they have to match?* Because about half of the
# enthusiasts land among them. The first 25 are a mixture, and so are the donors: some carry the offset, some do not,
# and the average lies between. A weighted average of donors can reach it. Without the coin only a few donors lie above,
# and these by luck; the weights find the lucky ones, and luck does not last into week 20.
#
# In a single rollout the coin may still put 15 enthusiasts on one side. That is noise, and it is *counted*: the
# permutation test of section 8 shuffles exactly what the coin shuffled. A bias is counted by nobody. For a decision:
# before the next staged rollout, ask that the order of the workspaces be drawn by lot. It costs one line of code, and
# no reweighting afterwards is worth as much.
