# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 06 · Practice: a switchback, planned on your own history and read from your own log
#
# Use this notebook when users cannot be randomized because they compete for one pool (capacity, drivers, a cache, a
# budget), so that a feature is switched on and off for everybody, hour by hour. It tells you how long the experiment
# must be, estimates what leaving the feature on for good would do, checks what a log can be checked for, and writes the
# two sentences that go into your report.
#
# **To use it:** copy it, edit the cell of parameters, run all. If your log cannot give the right number, the notebook
# stops and says why. The idea behind it is taught in [switchback_demo](switchback_demo.ipynb); the code is
# [switchback.py](switchback.py).
#
# It is shown here on hours that nobody made up: all departures from New York's three airports in 2013, and the share
# that left on time. Nothing was switched there, so we know the truth: every effect is 0. What an honest analysis must
# do is find nothing, nineteen times out of twenty.

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
import pandas as pd
from series import display, folder, show
from switchback import UnfitLog, analyse, placebo_log, plan, queries

# %% [markdown]
# ## The only cell to edit
#
# A log is a path or a glob (CSV or Parquet), a DataFrame, or a DuckDB relation, with one row for each user, query or
# segment; its columns are names or SQL expressions. `HISTORY` is a log of a time in which nothing was switched, for
# planning. `LOGS` is the log of the experiment, and `on` its own column for what was switched on: never a list typed
# beside it. `weight` is for rows that stand for several users.
#
# For want of a real switch, the lines in the middle toss coins beside six weeks of departures. Yours read
# `LOGS = "my_logs/*.parquet"` instead.

# %% tags=["parameters"]
HISTORY = folder().parent / "data" / "real" / "departures.csv"
HISTORY_COLUMNS = {
    "outcome": "TRY_CAST(on_time AS DOUBLE) / TRY_CAST(departed AS DOUBLE)",  # of the flights that left
    "time": "hour",  # a time stamp
    "weight": "departed",  # a row is an hour: it stands for so many flights
}
DESIGN = {"slot": "1h", "lags": 1, "cycle": 24}  # an effect may last one hour more; hours of the day have levels
COINS = {"schedule": "paired blocks", "block": 3}  # a coin for each pair: three hours on and three off, or off and on
SMALLEST_EFFECT_THAT_MATTERS = 0.01  # in units of the outcome: one point

six_weeks = pd.read_csv(HISTORY).query("'2013-03-01' <= hour < '2013-04-12'")
LOGS = placebo_log(six_weeks, HISTORY_COLUMNS, **COINS, **DESIGN, seed=1)
COLUMNS = {"outcome": "outcome", "time": "time", "on": "on", "weight": "weight"}

# %% [markdown]
# ## Three questions before you look
#
# No query can answer these. Write the answers down first, while the result cannot tempt you.
#
# 1. **How long does an effect last after the switch?** Queues and caches have a memory. Slots must be so long that it is
#    over after `lags` of them.
# 2. **Who chose the schedule?** A coin: then the coins alone can carry the inference. Somebody: then everything rests
#    on the assumption that nothing else follows the same schedule.
# 3. **Whose effect do you need?** An average hour and an average user are not the same when busy hours differ from
#    quiet ones.
#
# ## Before the experiment: what would it find?
#
# Real hours resemble their neighbours, so white noise is no guide. `plan` takes your history, draws a schedule, analyses
# the hours as if that schedule had been real, and does so a thousand times for each length. Whatever is found was not
# there. The first table says how often, in per cent, a 95 % interval holds the truth; the second by how much the estimates
# vary: their standard deviation, counted in smallest effects that matter (here: in points).

# %%
b = COINS["block"]
SCHEDULES = {"your coins": COINS, f"coin per {b}-block": {"schedule": "coin per block", "block": b},
             f"fixed {b}-{b}": {"schedule": "fixed", "block": b}}  # fmt: skip
planted = 5 * SMALLEST_EFFECT_THAT_MATTERS
plans = {name: plan(HISTORY, HISTORY_COLUMNS, **DESIGN, **how, slots=[48, 168, 408, 1008], total=planted, seed=1)
         for name, how in SCHEDULES.items()}  # fmt: skip
study = pd.concat({name: found.table for name, found in plans.items()}, names=["schedule"]).reset_index("schedule")
study["hour effects"] = study["cycle"].map({True: "yes", False: "no"})
rows = ["schedule", "analysis", "hour effects"]
display(study.pivot_table(index=rows, columns="slots", values="coverage", sort=False).mul(100).round(1))

# %%
spread = study.pivot_table(index=rows, columns="slots", values="SD", sort=False)
display(spread.div(SMALLEST_EFFECT_THAT_MATTERS).round(1))

# %% [markdown]
# Plain least squares, which takes hours for independent, holds the truth in only about three intervals of four when a
# coin decides each block. The HAC interval and those that need nothing but the coins do what they say, or a little
# more. The fixed schedule has no coin, and no analysis saves it: New York's evenings are late, the schedule is in step
# with the day, and the longer it runs, the surer it is of a wrong number.
#
# How long must the experiment be? The next table gives the number of slots that find a total of one point with 80 %
# power. `beyond` marks numbers beyond those tried, where the error is taken to fall with the root of the number. Prefer
# an analysis whose coverage is near 0.95.

# %%
needed = plans["your coins"].needed(SMALLEST_EFFECT_THAT_MATTERS)
display(needed.round({"coverage": 3}))

# %% [markdown]
# On these hours two days find a total of 20 points, six weeks one of 3 points, and a single point takes more than a
# year, by the best of these analyses. Your hours will differ; that is why this cell runs on your history. If the answer
# is too long, look for calmer outcomes and for more units that can be switched apart (cities, clusters of servers),
# before you look for another formula.

# %%
show(plans["your coins"].figure(), "practice_plan",
     "The total effect that a switchback finds with 80 percent power against the number of slots, both on logarithmic "
     "scales, for four analyses; all lines fall, and the one that replays the coins ends lowest.")  # fmt: skip

# %% [markdown]
# *Figure 1. What a switchback on these hours finds with 80 % power; hour effects are in the model, but for
# Horvitz-Thompson. Read it before you promise a date.*
#
# ## Check and estimate
#
# `analyse` checks first and refuses when a right answer is out of reach. What it found and did not have to refuse for
# stands in the table; each line ends with what to do.

# %%
result = analyse(LOGS, COLUMNS, **DESIGN, **COINS)
display(result.problems[["problem", "place", "rows", "severity"]])

# %%
print({name: f"{value:,}" for name, value in result.n.items()})
display(result.effects.set_index(["effect", "per"])[["estimate", "standard_error", "lo", "hi", "p"]].round(4))
print(result.method)

# %% [markdown]
# The *total* is the number for the decision: on for good against off for good. It is the sum of what the feature does
# at once and of what it leaves to the slots after. Per slot each hour counts once; per user busy hours count more. Here
# all intervals hold 0, the truth.

# %%
show(result.figure(), "practice",
     "Left, the mean outcome of the first 240 slots in the order of time, with the on-slots shaded. Right, total, "
     "direct "
     "effect and carryover per slot and per user with 95 percent intervals, all of which hold zero.")  # fmt: skip

# %% [markdown]
# *Figure 2. Left: what was compared. A rhythm that you can see here must be in the model, as a cycle. Right: the effects
# with their intervals.*
#
# ## Would another analysis have said something else?
#
# Least squares is there for comparison only. *Randomization* replays the coins: its interval holds every total that the
# replay does not reject, and it needs no assumption about the noise. *Horvitz-Thompson* is unbiased whatever the
# effects are, and pays with a wider interval. If the honest ones disagree by much, find out why before you report.

# %%
test = result.randomization()
print(f"replaying {test['schedules']:,} schedules: p = {test['p']:.2f}")
display(result.analyses().round(4))

# %% [markdown]
# **More lags, another rhythm.** A last lag with a small p says that the effect lasts longer than your model. It cannot
# see an effect that is spread thinly over many slots. Levels for the hours of the week must not change the estimate by
# more than its error.

# %%
display(result.sweep().round(4))
display(result.rhythms().round(4))

# %% [markdown]
# ## Checks that can fail
#
# **The future must not matter.** What is switched on *later* cannot have an effect now. If it seems to, two clocks
# disagree, or people prepare for the switch. **Effects must add up**: on after on does more than the sum of the parts
# when a feature has to warm up. Both tests need the rhythm in the model, since blocks begin at fixed hours.

# %%
display(result.placebo().round(3))
interaction = result.interaction()
print(f"on after on, beyond the sum: {interaction['estimate']:+.3f}, p = {interaction['p']:.3f}")

# %% [markdown]
# Count before you worry. The last p looks like a finding, and nothing whatever was switched here: among four tests one
# as small as this turns up in about one log out of twenty-five. A check that was asked once, about the thing you feared, says
# more than the smallest of many.
#
# **Do neighbouring slots resemble each other?** Beyond the band they do. That is no fault, and it is why the interval
# above is not the one of least squares.

# %%
display(result.autocorrelation(6).round(2).T)

# %% [markdown]
# ## What could this log have found?
#
# Ask this before you read a null result as "it does nothing". The number of slots is for noise like that of this log.

# %%
print(f"smallest total found with power 0.80: {result.detectable():.3f}")
print(f"to find {SMALLEST_EFFECT_THAT_MATTERS:g}: {result.slots_needed(SMALLEST_EFFECT_THAT_MATTERS):,} slots")

# %% [markdown]
# ## The report

# %%
print(result.report())

# %% [markdown]
# ## When your log is in a warehouse
#
# The estimate needs one row for each slot and arm, however many users there are. `queries` writes the two SQL texts with
# your columns in them; they run on DuckDB and Spark. Set the session's time zone to the one whose hours you mean, and
# give what the texts return to `analyse_tables`, with the same columns and design.

# %%
check, aggregate = queries({"outcome": "completed", "time": "started_at", "on": "routing"}, **DESIGN)
print(aggregate[aggregate.index("SELECT\n    slot") :])

# %% [markdown]
# ## What a refusal looks like
#
# Strict alternation, on one slot and off the next, is the commonest schedule and the one that says nothing: an effect at
# once and one an hour later cannot be told apart, and their sum even less. Nothing is estimated.

# %%
hours = LOGS["time"].dt.hour
try:
    analyse(LOGS.assign(on=hours % 2), COLUMNS, **DESIGN)
except UnfitLog as refusal:
    print(refusal)

# %% [markdown]
# ## References
#
# - Bojinov, I., Simchi-Levi, D., and Zhao, J. (2023). Design and analysis of switchback experiments. *Management
#   Science* 69(7). doi:10.1287/mnsc.2022.4583
# - Lazarus, E., Lewis, D. J., Stock, J. H., and Watson, M. W. (2018). HAR inference: recommendations for practice.
#   *Journal of Business & Economic Statistics* 36(4). doi:10.1080/07350015.2018.1506926
# - Imbens, G. W., and Kolesár, M. (2016). Robust standard errors in small samples: some practical advice. *Review of
#   Economics and Statistics* 98(4). doi:10.1162/REST_a_00552
