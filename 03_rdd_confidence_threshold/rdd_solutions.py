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
# The quiz and the exercises at the end of [rdd_demo](rdd_demo.ipynb). Commit to a guess before you read on: a solution
# that is only read is forgotten by Friday.
#
# ## The quiz
#
# 1. **Show the narrow fit**, and say that the two disagree. The tempting answer is the wide one, since it has more
#    users and a smaller error. But a larger number of users only makes an estimate *surer*. If the curves bend within
#    0.20, it becomes surer of the wrong number (Failure 4). A disagreement that is large against its own error
#    (Failure 4) is evidence of a bend; the narrow window has less of it.
# 2. **Sorting that balances**: as many users moved up as down. Or sorting by few users in a small log, which the test
#    has no power to see. The tempting answer is "none": but a large p says that nothing was seen, not that nothing is
#    there.
# 3. **The number is about the line.** It is the effect on queries with a confidence of 0.85. The tempting reading takes
#    it as the effect on all queries that get the premium model; with the effect of Failure 5 that would be 0.108 and not
#    0.06. Finance may use it for the few queries that change sides when the threshold moves a little.
#
# ## 1. Change a constant
#
# *A fifth of the bandwidth: predict the standard error at 0.02 from the one at 0.10. Right: between 0.028 and 0.031.*
#
# The error of a local linear fit falls with the root of the number of users in the window, and these are proportional
# to the bandwidth. A fifth of the window has $\sqrt{5} \approx 2.2$ times the error.

# %%
import sys
from importlib.util import find_spec

sys.path += ["../data", f"{sys.path[0]}/../data"]  # the series' own modules, for notebook and script
if not find_spec("series"):
    raise ImportError("This notebook needs the files that come with it. Run these lines in a cell above:\n"
                      "!git clone https://github.com/OWNER/llm-causal-inference-series series\n"
                      "%cd series/03_rdd_confidence_threshold\n"
                      "%pip install -q rdrobust rddensity pysyncon")

# %%
import numpy as np
from discontinuity import analyse, local_fit
from generate_data import World, find_seed, load_logs, oracle
from scipy import stats

logs = load_logs()
cells = logs.groupby("query_confidence")["task_completed"].agg(["size", "sum"])
x = cells.index.to_numpy() - World.premium_cutoff
n, s = cells["size"].to_numpy(), cells["sum"].to_numpy()

# %%
wide, wide_error = local_fit(x, n, s, s, 0.10, treated=x < 0)
narrow, narrow_error = local_fit(x, n, s, s, 0.02, treated=x < 0)
print(f"bandwidth 0.10: {wide:+.4f}, error {wide_error:.4f}")
predicted = wide_error * np.sqrt(5)
print(f"bandwidth 0.02: {narrow:+.4f}, error {narrow_error:.4f}; predicted {predicted:.4f}")
assert 0.028 <= narrow_error <= 0.031

# %% [markdown]
# The prediction is good to a few per cent.
#
# *Why is it no reason to prefer 0.10 that its estimate is nearer to 0.06?* Because you know 0.06 only here. An estimate
# with an error of 0.029 lands 0.03 away from the truth in every third dataset, whatever the method. A bandwidth is
# chosen by what it does on average over datasets, or by the data before anyone looks at the estimate; never by whether
# one answer pleases.
#
# ## 2. Break an assumption
#
# *In Failure 1, let 5 % of the users move instead of 30 %. Right: a bias below 0.01, and a one-point $z$ above 1.96 in
# 0.70 to 0.92 of 200 datasets.*

# %%
edges = np.arange(10_001) / 10_000
share = np.diff(stats.beta.cdf(edges, World.confidence_a, World.confidence_b))
at = edges[:-1] + 0.00005 - World.premium_cutoff
treated, EFFECT, LIFT, MOVERS = at < 0, World.premium_effect, 0.15, 0.05
curve = oracle(find_seed(logs), len(logs))["p_premium_0"].mean() + EFFECT * treated

rng = np.random.default_rng(1)
users = rng.multinomial(50_000, share, size=200)
moved = np.zeros_like(users)
moved[:, 8500:8600] = rng.binomial(users[:, 8500:8600], MOVERS)
p = curve + MOVERS * LIFT
p[8500:8600] = curve[8500:8600]
arrived = np.roll(moved, -100, axis=1)
completed = rng.binomial(users - moved, p) + rng.binomial(arrived, np.where(treated, curve + LIFT, 0))
users = users - moved + arrived

# %%
estimates, _ = local_fit(at, users, completed, completed, 0.10, treated=treated)
bias, bias_error = estimates.mean() - EFFECT, estimates.std(ddof=1) / np.sqrt(200)
below, above = users[:, 8400:8500].sum(axis=1), users[:, 8500:8600].sum(axis=1)
seen = np.mean((below - above) / np.sqrt(below + above) > 1.96)
print(f"bias {bias:+.4f} ± {bias_error:.4f}; z above 1.96 in {seen:.2f} of 200 datasets")
assert abs(bias) < 0.01 and 0.70 < seen < 0.92

# %% [markdown]
# Five per cent of the users of one bin change sides. The counts notice it in about four datasets of five, while the
# estimate moves by about half of its standard error. Here **the density sees sorting before sorting does much harm**.
# That depends on who moves, which no count tells: as many movers who differ more from the others do more harm.
#
# It also cuts the other way: in a log of this size, a significant density test does not yet mean that the estimate is
# ruined. Estimate how many moved, and try the donut.
#
# ## 3. Design something new
#
# *How many users would an experiment need to find 0.02 with power 0.80? Right: 18,000 to 21,000 in two equal arms, and
# 470,000 to 510,000 with one per cent of the queries sent the other way.*
#
# Power 0.80 at 5 % two-sided needs an effect of $1.96 + 0.84 = 2.8$ standard errors. The variance of a difference of two
# means is $p(1-p)(1/n_1 + 1/n_0)$.

# %%
p = curve[-1]
equal = 2.8**2 * p * (1 - p) * (1 / 0.5 + 1 / 0.5) / 0.02**2
lopsided = 2.8**2 * p * (1 - p) * (1 / 0.01 + 1 / 0.99) / 0.02**2
columns = {"outcome": "task_completed", "running": "query_confidence"}
result = analyse(logs, columns, cutoff=World.premium_cutoff, treated_side="below")
least, most = result.rows_needed(0.02)
print(f"experiment, equal arms {equal:,.0f} users; one per cent sent the other way {lopsided:,.0f}")
print(f"regression discontinuity {least:,} to {most:,} users")
assert 18_000 < equal < 21_000 and 470_000 < lopsided < 510_000

# %% [markdown]
# With equal arms the experiment needs a small part of the users. But nobody sends half of the hard queries to the cheap
# model. With one per cent, the experiment costs about as much as the discontinuity, which is free: it uses a rule that is
# there anyway. What the experiment buys is not precision: it answers for all queries, and not only for those at the
# line.
