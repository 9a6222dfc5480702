# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04 · Practice: a launch reached some units at a date, in your own log
#
# Use this notebook when something was switched on for whole units at a date and others went without it: a new model for
# some workspaces, a price in some countries, a law in one state. It estimates what the launch did to the units that got
# it, checks what a log can be checked for, and writes the sentences that go into your report.
#
# **To use it:** copy it, edit the cell of parameters, run all. If your log cannot give the right number, the notebook
# stops and says why. The idea behind it is taught in [synthetic_control_demo](synthetic_control_demo.ipynb); the code is
# [synthetic_control.py](synthetic_control.py).
#
# It is shown here on a study that nobody made up. In January 1989 California raised its tax on cigarettes by 25 cents a
# pack (Abadie, Diamond and Hainmueller 2010). How many packs fewer did Californians buy because of it? It is the
# hardest case: a single treated unit.

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
from own_logs import short
from series import display, folder, pd, show
from synthetic_control import UnfitLog, analyse, queries


def rounded(table):
    """The table with three digits that count."""
    return table.map(lambda value: short(value) if isinstance(value, float) else value)


# %% [markdown]
# ## The only cell to edit
#
# `LOGS` is a path or a glob (CSV or Parquet), a DataFrame, or a DuckDB relation, with one row for each user, or one for
# each unit and period. `COLUMNS` says which column plays which role; an SQL expression such as
# `"DATE_TRUNC('week', signed_up)"` will do as well. `first_treated` is the first treated period of a unit, the same in
# all of its rows, and empty where the unit is never treated.
#
# Name `user` if your log has it, and `treated` (0 or 1) if
# it says for each row whether it was.
#
# With several treated units, start with the method `"did"`. A single one is where the others earn their keep.

# %% tags=["parameters"]
LOGS = folder().parent / "data" / "real" / "proposition99.csv"
COLUMNS = {
    "outcome": "packs",  # cigarettes sold, packs per head and year
    "unit": "state",
    "period": "year",
    "first_treated": "first_treated",  # 1989 for California, empty for the others
}
DESIGN = {"method": "sdid"}  # or "did", "sc", "shifted"; see also "window" and "weights"
SMALLEST_EFFECT_THAT_MATTERS = 10.0  # in units of the outcome

# %% [markdown]
# ## Three questions before you look
#
# No query can answer these. Write the answers down first, while the result cannot tempt you.
#
# 1. **Why were these units treated, and why then?** If they were chosen because their numbers were about to move, no
#    comparison repairs it.
# 2. **What else befell them at the launch, and them alone?** Everything that did is in the estimate. A control that got
#    something of its own at that time spoils it as well.
# 3. **Were the others really left alone?** A treatment that reaches them, through customers, staff or the market, is
#    subtracted from the effect.

# %% [markdown]
# ## Check and estimate
#
# `analyse` checks first and refuses when a right answer is out of reach. What it found and did not have to refuse for
# stands in the table; each line ends with what to do.

# %%
result = analyse(LOGS, COLUMNS, **DESIGN)
display(result.problems[["problem", "place", "rows", "severity"]])

# %%
n = result.n
print(f"{n['units_treated']} treated units, {n['units_control']} controls")
print(f"{n['periods']} periods, {n['periods_after']} of them after the launch")
print(f"estimate {result.estimate:.5g}, 95 % interval [{short(result.lo)}, {short(result.hi)}]")
print(result.method)

# %% [markdown]
# California bought 15.6 packs a head and year fewer than it would have, on average over the twelve years after the tax.
# The estimate that was published with this method is −15.604; ours is −15.605, because its weights are exact and those
# of the published one come from an iteration that stops early.
#
# The interval holds zero. With a single treated unit there is nothing in California from which its own chance could be
# learnt. So the interval borrows it from the other states: each of them plays California once, and the spread of what
# is then found is taken for California's. If what strikes California is larger than what strikes Montana, the interval
# is too short, and no computation can tell.

# %%
show(result.figure(), "practice",
     f"{COLUMNS['outcome']} of the treated units by {COLUMNS['period']} against their comparison; the "
     f"difference is near zero before the launch and averages {short(result.estimate)} after.")  # fmt: skip

# %% [markdown]
# *Figure 1. Left: the treated series and its blend of donors; a constant distance between them is allowed. Right: the
# gap, less its weighted mean before the launch. A gap that began to open before the launch is not the launch's.*
#
# ## Would another method have changed it?
#
# **Four ways to choose the comparison.** Difference-in-differences weighs all controls equally and fails when the groups
# drift apart. The synthetic control weighs those that follow the treated unit best, and fails when it lies outside of
# what they can blend. The two others allow for a level. If they disagree, look at the figure of each before you believe
# one.

# %%
others = {}
for method in ("did", "sc", "shifted", "sdid"):
    try:
        others[method] = analyse(LOGS, COLUMNS, **(DESIGN | {"method": method, "accept": "fit"}))
    except UnfitLog as reason:
        print(f"{method}: {reason}")
table = pd.DataFrame({m: (r.estimate, r.lo, r.hi) for m, r in others.items()}).T
table.columns = ["estimate", "lo", "hi"]
display(rounded(table))

# %% [markdown]
# They run from −11 to −27 packs. The published values are −27.349, −19.62, −11.105 and −15.604 in this order. The plain
# comparison gives the largest, and the reason is visible before the tax: California was already falling faster than the
# rest.
#
# **Without each control.** A result that hangs on one of them is that control's result.

# %%
left_out = result.leave_one_out()["estimate"]
print(f"without one unit at a time: {short(left_out.min())} to {short(left_out.max())}")
if DESIGN.get("method", "did") != "did":
    display(rounded(result.donors().head(6)))

# %% [markdown]
# It cannot see an error that all controls share.
#
# ## Checks that can fail
#
# **Placebo dates.** Pretend that the launch came earlier, and use the periods before the real one only. Nothing had
# happened, so each interval should hold zero. It can see a drift. It is weak evidence when all is well: with wide
# intervals, a drift as large as the effect goes unnoticed.

# %%
display(rounded(result.placebo_dates()))

# %% [markdown]
# **Placebo units.** Pretend that controls were treated. Nothing happened to them, so this is what the method finds where
# there is nothing to find. The share of estimates that are at least as large as yours is a p-value, and it cannot be
# smaller than one over their number.

# %%
try:
    placebo = result.placebo_units()
    larger = int((placebo["estimate"].abs() >= abs(result.estimate)).sum())
    print(f"{len(placebo)} placebos: SD {short(placebo['estimate'].std())}")
    print(f"at least as large as the estimate: {larger}")
    rank = result.permutation()
    print(f"p = {rank['p']:.3f}; the smallest that could be had is {rank['smallest']:.3f}")
except ValueError as reason:
    print(reason)

# %% [markdown]
# One of the 38 other states moves as much as California. That makes a p-value just above 0.05, and that is about all
# that a single treated unit among 39 can say.
#
# **Drift before the launch**, by difference-in-differences. A joint test asks whether the groups moved alike. More
# useful is what it leaves open: the range of straight-line drifts that agree with the past, and what each would add to
# the estimate if it went on.

# %%
trends = others["did"].pre_trends()
print(f"joint test p = {trends['p']:.2f}; drift {trends['slope']:+.3g} a period")
print(f"drifts that the past leaves open would add {trends['bias_lo']:+.3g} to {trends['bias_hi']:+.3g}")

# %% [markdown]
# The test has nothing against parallel movement, and the drifts that it cannot exclude could explain the whole
# difference. A large p is not evidence of a good comparison.
#
# **How much drift can the answer bear?** Here the difference between the groups may change by up to `M` from one period
# to the next, on top of the effect, and the interval covers whatever it does. Read off the `M` at which the answer to
# your question changes, and ask whether so much is plausible.

# %%
for kind in ("slope", "bend"):
    try:
        print(kind)
        display(rounded(others["did"].bounds(kind)))
    except ValueError as reason:
        print(reason)

# %% [markdown]
# The second table lets the drift go on as a straight line and bend by up to `M` per period; at 0 it continues the line
# from before. A third kind, `"magnitudes"`, compares with the largest change seen before (Rambachan and Roth 2023).
#
# ## What could this log have found?
#
# Ask this before you read a null result as "it does nothing".

# %%
smallest = result.detectable()
print(f"smallest effect found with power 0.80: {short(smallest)}")
found = "would be found" if smallest < SMALLEST_EFFECT_THAT_MATTERS else "may go unnoticed"
print(f"an effect of {SMALLEST_EFFECT_THAT_MATTERS:g}, which matters, {found}")
display(rounded(result.intervals))

# %% [markdown]
# The row `units` supposes that each unit has noise of its own; the row `shared` allows for shocks that the treated
# share, as large as the periods before the launch show them to be. It is the one that is reported, since a group of
# units that was chosen together is often struck together.
#
# ## The report

# %%
print(result.report())

# %% [markdown]
# ## When your log is in a warehouse
#
# The estimate needs one row for each unit and period, however many users there are. `queries` writes the two SQL texts
# with your columns in them; they run on DuckDB and Spark. Give what they return to `analyse_tables`, with the same
# columns and design.

# %%
check, aggregate = queries(COLUMNS, **DESIGN)
print(aggregate[: aggregate.index("cells AS")])

# %% [markdown]
# ## What a refusal looks like
#
# Without a unit that goes untreated there is no comparison, however large the log. Nothing is estimated.

# %%
try:
    analyse(LOGS, COLUMNS | {"first_treated": "1989"}, **DESIGN)
except UnfitLog as refusal:
    print(refusal)

# %% [markdown]
# ## References
#
# - Abadie, A., Diamond, A., and Hainmueller, J. (2010). Synthetic control methods for comparative case studies:
#   estimating the effect of California's tobacco control program. *Journal of the American Statistical Association*
#   105(490). doi:10.1198/jasa.2009.ap08746
# - Arkhangelsky, D., Athey, S., Hirshberg, D. A., Imbens, G. W., and Wager, S. (2021). Synthetic
#   difference-in-differences. *American Economic Review* 111(12). doi:10.1257/aer.20190159
# - Rambachan, A., and Roth, J. (2023). A more credible approach to parallel trends. *Review of Economic Studies* 90(5).
#   doi:10.1093/restud/rdad018
