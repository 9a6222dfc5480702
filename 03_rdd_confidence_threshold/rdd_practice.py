# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 03 · Practice: a threshold decides, in your own log
#
# Use this notebook when a rule compares a number with a threshold and treats everything on one side of it: a confidence
# score and a model, a credit score and a loan, an age and a discount. It estimates what the treatment does *at* the
# threshold, checks what a log can be checked for, and writes the two sentences that go into your report.
#
# **To use it:** copy it, edit the cell of parameters, run all. If your log cannot give the right number, the notebook
# stops and says why. The idea behind it is taught in [rdd_demo](rdd_demo.ipynb); the code is
# [discontinuity.py](discontinuity.py).
#
# It is shown here on a study that nobody made up: elections to the US Senate from 1914 to 2010 (Cattaneo, Frandsen and
# Titiunik 2015). A party that wins a seat by a hair is like one that loses it by a hair. How many per cent does it gain
# in the next election for the same seat by having won this one?

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
from discontinuity import UnfitLog, analyse, queries
from series import display, folder, show

# %% [markdown]
# ## The only cell to edit
#
# `LOGS` is a path or a glob (CSV or Parquet), a DataFrame, or a DuckDB relation, with one row for each unit. `COLUMNS`
# says which column plays which role; an SQL expression such as `"score / 100.0"` will do as well. Name `treated` and
# `user` if your log has them: the first shows whether the rule was followed, the second whether a unit appears twice.
# Covariates are things that the treatment cannot have changed.

# %% tags=["parameters"]
LOGS = folder().parent / "data" / "real" / "senate.csv"
COLUMNS = {
    "outcome": "vote_next",  # per cent of the vote in the next election
    "running": "margin",  # percentage points by which this one was won (or lost, below 0)
    "covariates": ["vote_before", "presidential_vote_before", "open_seat", "midterm"],
}
DESIGN = {"cutoff": 0, "treated_side": "above"}  # treated at or above the cutoff
SMALLEST_EFFECT_THAT_MATTERS = 3.0  # in units of the outcome

# %% [markdown]
# ## Three questions before you look
#
# No query can answer these. Write the answers down first, while the result cannot tempt you.
#
# 1. **Does anything else change at this threshold?** If another rule uses the same number, you will measure both.
# 2. **Can anybody choose the side?** Whoever knows the threshold and can move their score by a little makes the two
#    sides unlike.
# 3. **Whom do you need to know about?** The answer is about units at the threshold. It helps to decide whether the
#    threshold should move, and not whether the treatment should exist.

# %% [markdown]
# ## Check and estimate
#
# `analyse` checks first and refuses when a right answer is out of reach. What it found and did not have to refuse for
# stands in the table; each line ends with what to do.

# %%
result = analyse(LOGS, COLUMNS, **DESIGN)
display(result.problems[["problem", "place", "rows", "severity"]])

# %%
print(f"{result.n['rows']:,} rows, {result.n['used']:,} used, {result.n['near']:,} near the cutoff")
print(f"estimate {result.estimate:.3f}, 95 % interval [{result.lo:.3f}, {result.hi:.3f}]")
print(result.method)

# %% [markdown]
# Winning adds 7.4 points to the next vote, and the interval leaves no doubt that it helps. The published estimate for
# these elections is the same to the last digit: 7.414, with a robust interval from 4.094 to 10.919.
#
# The bandwidth is chosen by the data: wide enough to be precise, narrow enough for a straight line to be nearly right.
# The interval is centred on an estimate from which the remaining bias has been subtracted, so it does not lie evenly
# around the number above. Report both as they stand.

# %%
show(result.figure(), "practice",
     f"Mean {COLUMNS['outcome']} in bins of {COLUMNS['running']}, with 95 percent intervals, and a "
     f"straight line on either side of the cutoff; the gap between the ends of the lines is "
     f"{result.estimate:.1f}.")  # fmt: skip

# %% [markdown]
# *Figure 1. The picture of the design. The estimate is the gap between the ends of the two lines. A step that you cannot
# see in the points deserves suspicion, however small its p-value.*
#
# ## Would another choice have changed it?
#
# **The bandwidth.** Stable rows are weak evidence, since the wide windows contain the narrow ones. A trend in them is
# strong evidence that the curves bend: then trust the narrow ones.

# %%
display(result.sweep().round(2))

# %% [markdown]
# **The rows next to the threshold.** If somebody can move a score, it is by a little. A *donut* leaves the nearest rows
# out; its interval is wide, because it must reach across a hole. An estimate that leaves the first interval when the
# nearest rows go rested on them.

# %%
display(result.donut().round(2))

# %% [markdown]
# ## Checks that can fail
#
# **Do rows pile up on one side?** It can see that units chose their side. It cannot see it when as many moved up as
# down, and it says nothing about units that could not move.

# %%
density = result.density()
print("too few values to tell" if density is None else
      f"p = {density[0]:.2f}, jump {density[1]:+.0%} of the density, {density[2]} bins")  # fmt: skip

# %% [markdown]
# **Do things jump that cannot have been affected?** They must not. It can see that the two sides differ in what you
# recorded, and nothing else.

# %%
covariates = result.covariates()
display(covariates.round(3))
print(f"smallest p times {len(covariates)}: {min(1, covariates['p'].min() * len(covariates)):.2f}")

# %% [markdown]
# **Does the outcome jump where nothing happens?** Six placebo thresholds, each with rows of one side only. Count before
# you worry: with six of them, a p below .05 turns up in one log out of four.

# %%
placebo = result.placebo()
display(placebo.round(3))
print(f"smallest p times {len(placebo)}: {min(1, placebo['p'].min() * len(placebo)):.2f}")

# %% [markdown]
# **What if the curves bend more than a line can follow?** The robust interval estimates the bias; the honest one
# (Armstrong and Kolesár 2020) assumes a bound on the second derivative and covers whatever curve stays within it. The
# rule of thumb for the bound is printed; state your own if you know better. With few different values of the running
# variable, report this one.

# %%
honest = result.honest()
twice = result.honest(2 * honest["curvature"])
print(f"second derivative up to {honest['curvature']:.2g}: [{honest['lo']:.2f}, {honest['hi']:.2f}]")
print(f"twice as much: [{twice['lo']:.2f}, {twice['hi']:.2f}]")

# %% [markdown]
# ## What could this log have found?
#
# Ask this before you read a null result as "it does nothing". The two numbers of rows are for a bandwidth that stays as
# it is, and for one that shrinks as a larger log allows.

# %%
print(f"smallest effect found with power 0.80: {result.detectable():.2f}")
least, most = result.rows_needed(SMALLEST_EFFECT_THAT_MATTERS)
print(f"to find {SMALLEST_EFFECT_THAT_MATTERS:g}: {least:,} to {most:,} rows")

# %% [markdown]
# ## The report

# %%
print(result.report())

# %% [markdown]
# ## When your log is in a warehouse
#
# The estimate needs one row for each value of the running variable, however many units there are. `queries` writes the
# two SQL texts with your columns in them; they run on DuckDB and Spark. Give what they return to `analyse_tables`, with
# the same columns and design.

# %%
check, aggregate = queries(COLUMNS, **DESIGN)
print(check[: check.index("values_checked")])

# %% [markdown]
# ## What a refusal looks like
#
# A threshold typed in the wrong unit is the commonest mistake. Nothing is estimated.

# %%
try:
    analyse(LOGS, COLUMNS, **(DESIGN | {"cutoff": 1000}))
except UnfitLog as refusal:
    print(refusal)

# %% [markdown]
# ## References
#
# - Cattaneo, M. D., Frandsen, B. R., and Titiunik, R. (2015). Randomization inference in the regression discontinuity
#   design: an application to party advantages in the U.S. Senate. *Journal of Causal Inference* 3(1).
#   doi:10.1515/jci-2013-0010
# - Calonico, S., Cattaneo, M. D., and Titiunik, R. (2014). Robust nonparametric confidence intervals for
#   regression-discontinuity designs. *Econometrica* 82(6). doi:10.3982/ECTA11757
# - Armstrong, T. B., and Kolesár, M. (2020). Simple and honest confidence intervals in nonparametric regression.
#   *Quantitative Economics* 11(1). doi:10.3982/QE1199
