# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 03 · Solutions
#
# The exercises at the end of [rdd_demo.ipynb](rdd_demo.ipynb), solved. Each solution repeats the task in a sentence,
# computes it, checks it against the answer that the exercise states, and says why it comes out so. Commit to a guess
# before you read on: a solution that is only read is forgotten by Friday.
#
# The functions are those of the tutorial. `definitions` loads them, and its constants, from the tutorial's script
# without running the rest of it; in the tutorial itself you have them already.

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
from generate_data import find_seed, load_logs, oracle

from run import definitions

tutorial = definitions(ROOT / "03_rdd_confidence_threshold" / "rdd_demo.py")
names = ("rdd", "rdd_cells", "draw_cells", "manipulated", "BELOW", "I84", "I85", "I86", "EFFECT")
rdd, rdd_cells, draw_cells, manipulated, BELOW, I84, I85, I86, EFFECT = map(tutorial.get, names)

logs = load_logs()
confidence, completed = logs["query_confidence"].to_numpy(), logs["task_completed"].to_numpy()
base = oracle(find_seed(logs), len(logs))["p_premium_0"].mean()  # completion without premium

# %% [markdown]
# ## 1. Change a constant
#
# *A fifth of the bandwidth: predict the standard error at 0.02 from the one at 0.10. Right: between 0.028 and 0.031.*
#
# The error of a local linear fit grows like one over the root of the number of users in the window, and these are
# proportional to $h$. A fifth of the window has $\sqrt{5}\approx 2.2$ times the error.

# %%
effect_wide, error_wide, users_wide = rdd(confidence, completed, 0.10)
effect, error, users = rdd(confidence, completed, 0.02)
print(f"h = 0.10: {effect_wide:+.4f}, error {error_wide:.4f}, {users_wide:,} users")
print(f"h = 0.02: {effect:+.4f}, error {error:.4f}, {users:,} users")
print(f"predicted error: {error_wide * np.sqrt(0.10 / 0.02):.4f}")
assert 0.028 <= error <= 0.031

# %% [markdown]
# The prediction is good to a few per cent. Who scales by users instead is as near, since users are what the window
# holds.
#
# *Why is it no reason to prefer 0.10 that its estimate is nearer to 0.06?* Because you know 0.06 only here. An estimate
# with an error of 0.029 lands 0.03 away from the truth in every third dataset, whatever the method. A bandwidth is
# chosen by what it does on average over datasets (section 10 of the tutorial), or by the data before anyone looks at
# the estimate (`rdrobust`); never by whether one answer pleases.

# %% [markdown]
# ## 2. Break an assumption
#
# *In failure 1, let 5 % of users move instead of 30 %. Right: a bias below 0.01, and a one-point $z$ above 1.96 in 0.70
# to 0.92 of 200 datasets.*

# %%
rng = np.random.default_rng(1)
moved = manipulated(rng, 200, base, 0.15, share=0.05)
estimates, _ = rdd_cells(moved, 0.10)
bias = estimates.mean() - EFFECT
bias_error = estimates.std(ddof=1) / np.sqrt(200)

below, above = moved[:, :, I84:I85].sum(axis=(0, 2)), moved[:, :, I85:I86].sum(axis=(0, 2))
z = (below - above) / np.sqrt(below + above)
print(f"bias {bias:+.4f} (Monte Carlo error {bias_error:.4f})")
print(f"z above 1.96 in {np.mean(z > 1.96):.2f} of 200 datasets, seed 1")
assert abs(bias) < 0.01 and 0.70 < np.mean(z > 1.96) < 0.92

# %% [markdown]
# Five per cent of the users of one bin change sides, and the bin counts notice it in more than four datasets of five;
# the estimate moves by about half of its standard error. That is the useful order of things: **the density sees sorting
# before sorting does much harm.** It also cuts the other way. In a dataset of this size a significant density test does
# not yet mean that the estimate is ruined. Estimate how many moved, and try the donut.

# %% [markdown]
# ## 3. Design something new
#
# *How many users find an effect of 0.02 at bandwidth 0.10 with power 0.80? Right: between 160,000 and 180,000, and a
# share of intervals above zero between 0.75 and 0.85.*
#
# Power 0.80 at 5 % two-sided needs an effect of $1.96+0.84=2.8$ standard errors. The error at 50,000 users is known,
# and it shrinks with the root of the number of users.

# %%
needed = 50_000 * (2.8 * error_wide / 0.02) ** 2
print(f"needed: {needed:,.0f} users")
assert 160_000 < needed < 180_000

rng = np.random.default_rng(2)
counts = draw_cells(rng, 500, base + 0.02 * BELOW, round(needed))
estimates, errors = rdd_cells(counts, 0.10)
power = np.mean(estimates - 1.96 * errors > 0)
print(f"power {power:.2f} (Monte Carlo error {np.sqrt(power * (1 - power) / 500):.2f}), 500 datasets")
assert 0.75 < power < 0.85

# %% [markdown]
# Three times the logs that we have, for a third of the effect that we found. A regression discontinuity pays for its
# few assumptions in users: a randomized experiment would find the same 0.02 with

# %%
print(f"{2 * 2.8**2 * 2 * base * (1 - base) / 0.02**2:,.0f} users in two equal arms")

# %% [markdown]
# That is the number to quote when somebody asks why the router should send a random one per cent of its queries the
# other way.
