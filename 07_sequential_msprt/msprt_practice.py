# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 07 · Practice: a test that you look at every day, in your own log
#
# Use this notebook when a coin assigns each user to an arm and somebody looks at the result before the test is over.
# It gives an interval that holds at every look, checks what a log can be checked for, says when the test could have
# stopped, and plans the next one from your own traffic.
#
# **To use it:** copy it, edit the cell of parameters, run all. If your log cannot give the right number, the notebook
# stops and says why. The idea behind it is taught in [msprt_demo](msprt_demo.ipynb); the code is
# [sequential.py](sequential.py).
#
# It is shown here on a stream that nobody made up: every departure from New York's three airports in 2013. For each
# flight we toss a coin, and nothing else: an **A/A test**. Traffic and punctuality change by the hour, as in a product,
# and we know that the effect is exactly zero. Whatever shouts here shouts at nothing.

# %%
import sys
from importlib.util import find_spec

sys.path += ["../data", f"{sys.path[0]}/../data"]  # the series' own modules, for notebook and script
if not find_spec("series"):
    raise ImportError("This notebook needs the files that come with it. Run these lines in a cell above:\n"
                      "!git clone https://github.com/OWNER/llm-causal-inference-series series\n"
                      "%cd series/07_sequential_msprt\n"
                      "%pip install -q rdrobust rddensity pysyncon")

# %%
import duckdb
import pandas as pd
from sequential import analyse, history, queries
from series import display, folder, show

# %% [markdown]
# ## The only cell to edit
#
# `LOGS` is a path or a glob (CSV or Parquet), a DataFrame, or a DuckDB relation, with **one row for each randomized
# user**. `COLUMNS` says which column plays which role: `time` is when the user entered the test. Name `user` if your log
# has it (a user in two rows or two arms is found), and `before` for a number from before the test. `PAST` is a log from
# before the test, for planning; it needs no arms.
#
# In `DESIGN`, `worthwhile` is the smallest gain that you would ship for. A `margin` is the largest loss that you would
# accept, if it is enough that the new version is not worse. Both belong to the day before the test.

# %% tags=["parameters"]
LOGS = duckdb.sql(f"""
    SELECT hour, hour || ' ' || i AS number,
        CASE WHEN i < on_time THEN 1 WHEN i < departed THEN 0 END AS on_time, -- NULL: cancelled
        CASE WHEN md5(hour || ' ' || i) < '8' THEN 'heads' ELSE 'tails' END AS coin
    FROM (SELECT *, UNNEST(RANGE(scheduled)) AS i FROM '{folder().parent}/data/real/departures.csv')""")
COLUMNS = {"outcome": "on_time", "arm": "coin", "time": "hour", "user": "number"}
DESIGN = {"control_value": "heads", "look": "day", "worthwhile": 0.01, "planned_share": 0.5}
PAST = LOGS  # nothing was treated, so the year can serve as a history, too

# %% [markdown]
# ## Three questions before you look
#
# No query can answer these. Write the answers down first, while the result cannot tempt you.
#
# 1. **Is one row one toss of the coin?** If users were randomized and the log holds sessions, make it one row for each
#    user first. Five sessions of one user are not five users.
# 2. **Is the outcome final?** If it takes a week to be known, say so with `delay`. Else the youngest users have failed
#    only because they had no time to succeed.
# 3. **Who may stop the test, and why?** A plan with known looks and a known end has narrower intervals
#    (`method="obrien-fleming"`, with `horizon`). If anybody may look at any time, keep the default.

# %% [markdown]
# ## Check and estimate
#
# `analyse` checks first and refuses when a right answer is out of reach: users lost on the way to one arm, shares that
# change during the test, too few events. What it found and did not have to refuse for stands in the table.

# %%
result = analyse(LOGS, COLUMNS, **DESIGN)
display(result.problems[["problem", "place", "rows", "severity"]])

# %%
print(f"{result.n['control']:,} users with {result.arms[0]}, {result.n['treated']:,} with {result.arms[1]}")
print(f"estimate {result.estimate:+.4f}, 95 % interval at every look [{result.lo:+.4f}, {result.hi:+.4f}]")
print(f"verdict: {result.verdict}; {result.method}")

# %% [markdown]
# Cancelled flights have no outcome. They are counted, left out, and as frequent under heads as under tails, so nothing
# worse than a note comes of them. The interval holds zero, as it should. It also lies wholly below the gain that would
# have been worth having, so the verdict is that the test need not go on.

# %%
show(result.figure(), "practice",
     f"Difference in {COLUMNS['outcome']} between the arms against time. Two outer lines, the interval "
     "that may be read at every look, narrow around zero; the grey band of the usual interval lies "
     "between them.")  # fmt: skip

# %% [markdown]
# *Figure 1. The picture to act on. Stop when the outer lines leave zero, or when they leave what is worth having. The
# grey band is the usual interval, which may be read once; somebody who reads it every day will see it leave zero.*
#
# ## When would each method have stopped?
#
# The same log, read by six rules. For the two group-sequential ones the users of this log are taken as the planned end.

# %%
stops = result.replay()
display(stops.round(5))

# %% [markdown]
# Peeking stops on the first day, with a difference of seven points between two sides of a coin. The fixed sample, read
# once at the end, and O'Brien–Fleming are wrong as well: each promises to be wrong in one test out of twenty, and this
# coin is the one. It is the first coin that we tossed, and we kept it: a promise about many tests is not a promise about
# yours. The two sequences, whose intervals are wider, stay quiet.
#
# ## Do the promises hold on this stream?
#
# One test proves nothing. `aa` tosses the coin again for every flight, 500 times over, and reads each test on all days.
# Use your own past here: real traffic and real drift, an effect of zero.

# %%
past = history(PAST, COLUMNS, look=DESIGN["look"])
even = past.aa(500, seed=1)
display(even.drop(columns="mean_estimate").round(3))

# %% [markdown]
# `stops` is the share of tests of nothing that were declared a success on some day. Peeking does it in more than four
# out of ten. All others keep to five per cent, within the Monte Carlo error beside it. `covers_always` is the same fact
# seen from the interval: zero inside it on *every* day. Unequal arms, one user in ten with tails, change nothing, as long
# as each arm is divided by its own users:

# %%
uneven = past.aa(500, share=0.1, seed=2)
display(uneven.drop(columns="mean_estimate").round(3))

# %% [markdown]
# ## What does a stop do to the estimate?
#
# Now every late flight with tails is made punctual with a small probability, so that the true effect is one point on
# average. All methods find it. Whoever stops at the first success reports too much, because a high point is where one
# stops. The interval of a sequential method still holds the truth; that of peeking holds it in less than half of the
# tests on all days.

# %%
planted = past.aa(500, effect=DESIGN["worthwhile"], seed=3)
display(planted.round(3))

# %%
after_stop = result.exaggeration(DESIGN["worthwhile"])
print(f"with this log's traffic: stops in {after_stop['stops']:.0%} of tests, with "
      f"{after_stop['times']:.2f} times the true effect; the interval covers in "
      f"{after_stop['covers']:.0%}")  # fmt: skip

# %% [markdown]
# So report the interval at the stop, and never the estimate alone.
#
# ## Would another method have changed the answer?
#
# The default interval is asymptotic: it needs a minimum of events and then holds in the limit of many. The guaranteed
# one holds for every number of users, for outcomes between known bounds and a coin of known share. If the two disagree,
# trust the second.

# %%
answers = {"sequence": result}
for name, other in {"within looks": {"allocation": "by_look"}, "guaranteed": {"method": "guaranteed"}}.items():
    try:
        answers[name] = analyse(LOGS, COLUMNS, **(DESIGN | other))
    except ValueError as reason:  # outcomes without bounds, say
        print(f"{name}: {reason}")
display(pd.DataFrame({name: [r.estimate, r.lo, r.hi] for name, r in answers.items()},
                     index=["estimate", "lo", "hi"]).T.round(4))  # fmt: skip

# %% [markdown]
# The second row compares heads and tails of the same day and averages the days. It is the one to use when the shares of
# the arms were changed during the test, and it costs next to nothing when they were not.
#
# ## What could this log have found, and what will the next test need?
#
# Ask the first before you read "no clear effect" as "no effect". The second is computed from your own history: its
# traffic, its mean and its spread, over and over again until the power is reached.

# %%
print(f"smallest effect found with power 0.80 by the last look: {result.detectable():.4f}")
plan = past.plan(DESIGN["worthwhile"])
display(plan.round(2))

# %% [markdown]
# O'Brien–Fleming, whose looks and end are planned, needs seven per cent more users than a single look. To be able to
# look at any time, and to go on for as long as one likes, takes seven tenths more for the same power. But that is where a
# test that finds nothing ends: the typical test of the sequence with this effect stops before the fixed sample would.
#
# ## The report

# %%
print(result.report())

# %% [markdown]
# ## When your log is in a warehouse
#
# The estimate needs one row for each arm and look, however many users there are. `queries` writes the two SQL texts
# with your columns in them; they run on DuckDB and Spark. Give what they return to `analyse_tables`, with the same
# columns and design.

# %%
check, aggregate = queries(COLUMNS, **DESIGN)
print(aggregate[: aggregate.index("usable")])

# %% [markdown]
# ## What a refusal looks like
#
# Suppose that 45 per cent had been planned for the second arm, and half of the users came into it. Then users were lost or
# assigned differently than anybody thinks, and the arms are not alike. The difference of the means may look fine; nothing
# is estimated.

# %%
try:
    analyse(LOGS, COLUMNS, **(DESIGN | {"planned_share": 0.45}))
except ValueError as refusal:  # UnfitLog is one
    print(refusal)

# %% [markdown]
# ## References
#
# - Robbins, H. (1970). Statistical methods related to the law of the iterated logarithm. *Annals of Mathematical
#   Statistics* 41(5). doi:10.1214/aoms/1177696786
# - Waudby-Smith, I., Arbour, D., Sinha, R., Kennedy, E. H., and Ramdas, A. (2024). Time-uniform central limit theory
#   and asymptotic confidence sequences. *Annals of Statistics* 52(6). doi:10.1214/24-AOS2408
# - Howard, S. R., Ramdas, A., McAuliffe, J., and Sekhon, J. (2021). Time-uniform, nonparametric, nonasymptotic
#   confidence sequences. *Annals of Statistics* 49(2). doi:10.1214/20-AOS1991
# - Lan, K. K. G., and DeMets, D. L. (1983). Discrete sequential boundaries for clinical trials. *Biometrika* 70(3).
#   doi:10.1093/biomet/70.3.659
# - Lindon, M., and Malek, A. (2022). Anytime-valid inference for multinomial count data. *NeurIPS* 35.
# - Deng, A., Xu, Y., Kohavi, R., and Walker, T. (2013). Improving the sensitivity of online controlled experiments by
#   utilizing pre-experiment data. *WSDM*. doi:10.1145/2433396.2433413
