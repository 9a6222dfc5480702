# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02 · Practice: people chose, in your own log
#
# Use this notebook when nobody drew lots: users switched a feature on themselves, a salesperson picked customers, a
# doctor prescribed. Those who were treated differ from the others, and your log records how. The notebook compares
# treated and untreated rows that were alike before, checks what a log can be checked for, and writes the two sentences
# that go into your report.
#
# **To use it:** copy it, edit the cell of parameters, run all. If your log cannot give the right number, the notebook
# stops and says why. The idea behind it is taught in [psm_demo](psm_demo.ipynb); the code is
# [propensity.py](propensity.py).
#
# It is shown here on a study that nobody made up: smokers of 1971 who were seen again in 1982 (NHEFS, as used in the
# textbook *What If* by Hernán and Robins). Some had quit, by their own decision. How many kilograms does quitting add?

# %%
import sys
from importlib.util import find_spec

sys.path += ["../data", f"{sys.path[0]}/../data"]  # the series' own modules, for notebook and script
if not find_spec("series"):
    raise ImportError("This notebook needs the files that come with it. Run these lines in a cell above:\n"
                      "!git clone https://github.com/OWNER/llm-causal-inference-series series\n"
                      "%cd series/02_propensity_opt_in\n"
                      "%pip install -q rdrobust rddensity pysyncon")

# %%
from own_logs import short
from propensity import UnfitLog, analyse, queries
from series import display, folder, show

# %% [markdown]
# ## The only cell to edit
#
# `LOGS` is a path or a glob (CSV or Parquet), a DataFrame, or a DuckDB relation, with one row for each unit. `COLUMNS`
# says which column plays which role; an SQL expression will do as well. Covariates are numbers or categories, told
# apart by their values, and missing values are allowed. List everything that was known *before* the treatment and may
# have driven it, and nothing that came after.
#
# The last four may be `None`: an outcome that the treatment cannot have changed, what an outcome can be at least and at
# most (for missing ones), a covariate whose groups interest you, and the smallest effect that matters.

# %% tags=["parameters"]
LOGS = folder().parent / "data" / "real" / "nhefs.csv"
COLUMNS = {
    "outcome": "weight_change",  # kilograms, from 1971 to 1982
    "treated": "quit_smoking",
    "user": "person",
    "covariates": ["sex", "race", "age", "education", "cigarettes_per_day", "years_smoked", "exercise", "activity",
                   "weight_1971"],
}  # fmt: skip
DESIGN = {"target": "ATE"}  # whose effect: ATE everybody, ATT the treated, ATU the untreated, overlap
NEGATIVE_CONTROL = "weight_1971"  # quitting later cannot have changed it
OUTCOME_RANGE = (-20, 30)
GROUPS = "sex"
SMALLEST_EFFECT_THAT_MATTERS = 1.0  # in units of the outcome

# %% [markdown]
# ## Three questions before you look
#
# No query can answer these. Write the answers down first, while the result cannot tempt you. It helps to describe the
# experiment that you would have run (the *target trial*): who would take part, from which day on, and what would count
# as treated.
#
# 1. **What else drove both the choice and the outcome?** Make a list, then mark what the log records. The rest of the
#    list is what could make the answer wrong.
# 2. **Was every covariate known before the treatment?** One that the treatment has changed takes part of the effect
#    away, or invents one.
# 3. **Whom is the decision about?** Keeping a feature is about those who use it (ATT). Making it the default is about
#    those who do not (ATU). If people affect each other, neither number is what a change for all of them brings.

# %% [markdown]
# ## Check and estimate
#
# `analyse` checks first and refuses when a right answer is out of reach. What it found and did not have to refuse for
# stands in the table; each line ends with what to do.

# %%
result = analyse(LOGS, COLUMNS, **DESIGN)
display(result.problems[["problem", "place", "rows", "severity"]])

# %%
print(f"{result.n['rows']:,} rows, {result.n['treated']:,} treated and {result.n['control']:,} untreated ones used")
print(f"estimate {result.estimate:.3f}, 95 % interval [{result.lo:.3f}, {result.hi:.3f}]")
print(result.method)

# %% [markdown]
# The estimator puts two models together. One gives the probability of being treated (the *propensity score*), the other
# predicts the outcome. If either is right, so is the estimate, and its interval holds then, too. Each model is fitted to
# part of the rows and used on the rest, unless there are too few rows for that; the last line says so.

# %%
show(result.figure(), "practice",
     "Left: histograms of the propensity score, treated rows above the axis and untreated rows below. Right: "
     "standardized differences of the covariates before and after adjustment; "
     "afterwards they are close to zero.")  # fmt: skip

# %% [markdown]
# *Figure 1. The picture of the design. Left: where only one colour occurs, nobody is there to compare with. Right: grey
# is how unlike the two groups were, black what is left of it. The grey band is the usual tolerance.*
#
# ## Checks that can fail
#
# **Is there somebody to compare with?** `effective` is how many rows the weighted rows are worth, and `largest_share` is
# the weight that a single row holds. The tool refuses when too few rows decide. It cannot see that the model of the
# score is wrong.

# %%
display(result.overlap().drop(columns="at_best").round(3))

# %% [markdown]
# **Are the two groups alike now?** In units of a standard deviation, for each covariate, each square and each pair of
# two; the largest are shown. `beyond` marks what chance does not explain. It can see that the model of the score is too
# simple. About a trait that nobody recorded it says nothing.

# %%
display(result.balance().head(8).round(3))

# %% [markdown]
# **Does the treatment "change" what it cannot have changed?** Take an outcome that was fixed before (a *negative
# control*) and adjust for the other covariates. An interval that misses zero shows that something is left out. One that
# holds zero is good news of a modest kind: other traits may still be missing.

# %%
if NEGATIVE_CONTROL:
    others = [name for name in COLUMNS["covariates"] if name != NEGATIVE_CONTROL]
    control = analyse(LOGS, COLUMNS | {"outcome": NEGATIVE_CONTROL, "covariates": others}, **DESIGN)
    print(f"{NEGATIVE_CONTROL}: {control.estimate:.2f} [{control.lo:.2f}, {control.hi:.2f}]")

# %% [markdown]
# ## Would another choice have changed it?
#
# Every method for every target. Down a column of methods the numbers should agree; where they do not, the models are
# asked too much. Between targets they may differ honestly, because the effect may not be the same for everybody. A row
# that is not `fit` would have been refused. *Naive* is the plain difference.
#
# The textbook's number for these people is the second row of the ATE, by weighting: 3.4 kg, with an interval from 2.4 to
# 4.5. Its interval takes the score as known; ours knows that it was fitted.

# %%
table = result.compare()
display(table.round(2))

# %% [markdown]
# **What if the missing outcomes were known?** The two numbers are the least and the most that weighting could have said,
# had every missing outcome been as bad as possible for one group and as good as possible for the other. That is far
# from likely; it tells how much the missing rows matter.

# %%
if result.n["used"] < result.n["rows"] and OUTCOME_RANGE:
    low, high = result.missing_bounds(*OUTCOME_RANGE)
    print(f"between {low:.2f} and {high:.2f}")

# %% [markdown]
# **Is it the same for everybody?** Count the groups before you make a story of their differences.

# %%
if GROUPS:
    display(result.by(GROUPS).round(2))

# %% [markdown]
# ## How strong would a hidden trait have to be?
#
# The assumption behind the number cannot be tested, but it can be priced. The *robustness value* is the share of what is
# unexplained that a hidden trait must explain, in treatment and outcome alike. The *E-value* is the risk ratio by which
# it must go along with both. *Γ* is the factor by which it must change the odds of treatment between two rows that look
# alike, before chance could do the rest.
#
# `estimate` is the price of taking the whole effect away, `limit` that of moving the interval to zero (*Γ* has only this
# one). All three are worst cases: such a trait *could* do it.

# %%
for row in result.sensitivity().itertuples():
    whole = "" if row.measure.startswith("Rosenbaum") else f"estimate {short(row.estimate)}, "
    print(f"{row.measure}: {whole}limit {short(row.limit)}\n    {row.how}")

# %% [markdown]
# The prices mean more beside something you know. The next table asks what a hidden trait *as strong as a recorded one*
# would leave of the effect in a regression, and how many times as strong it would have to be (`zero_at`, `limit_at`).
# Below 1 means: a trait weaker than the one you recorded is enough.

# %%
display(result.benchmark()[["covariate", "estimate", "lo", "hi", "zero_at", "limit_at"]].head(5).round(2))

# %% [markdown]
# ## What the decision would bring
#
# If those who are not treated now were treated, too: their share times the effect on them. This is the number for "make
# it the default", as long as everybody goes along and nobody's outcome depends on the others.

# %%
try:
    rollout = result.rollout()
    print(f"{rollout['share']:.0%} are untreated, effect on them {rollout['effect']:.2f}")
    print(f"mean outcome of all rows: {rollout['gain']:+.2f} [{rollout['lo']:.2f}, {rollout['hi']:.2f}]")
except UnfitLog as refusal:
    print(f"this log cannot tell: {refusal}")

# %% [markdown]
# ## What could this log have found?
#
# Ask this before you read a null result as "it does nothing".

# %%
print(f"smallest effect found with power 0.80: {result.detectable():.2f}")
if SMALLEST_EFFECT_THAT_MATTERS:
    print(f"to find {SMALLEST_EFFECT_THAT_MATTERS:g}: {result.rows_needed(SMALLEST_EFFECT_THAT_MATTERS):,} rows")

# %% [markdown]
# ## The report

# %%
print(result.report())

# %% [markdown]
# ## When your log is in a warehouse
#
# The estimate needs one row for each kind of user, however many users there are. `queries` writes the two SQL texts with
# your columns in them; they run on DuckDB and Spark. Say which covariates are categories, and give limits for numbers of
# many values (`cuts`). What the two queries return goes to `analyse_tables`, with the same columns and design.

# %%
check, aggregate = queries(COLUMNS, **(DESIGN | {"categories": result.design["categories"]}))
print(aggregate[aggregate.index("SELECT\n    z1") :])

# %% [markdown]
# ## What a refusal looks like
#
# A job training programme of the 1970s was tried in an experiment: it raised earnings by 1,794 dollars. Later its
# participants were compared with people from a population survey instead (LaLonde 1986; Dehejia and Wahba 1999), who
# were older, better paid and better educated. For "everybody" there is nothing to compare with. A weighted average exists
# all the same: it says that training costs thousands of dollars a year. For the participants themselves the survey has
# enough people who are like them.

# %%
training = folder().parent / "data" / "real" / "nsw_cps.csv"
roles = {"outcome": "earnings_1978", "treated": "treated",
         "covariates": ["age", "education_years", "black", "hispanic", "married", "no_degree",
                        "earnings_1974", "earnings_1975"]}
try:
    analyse(training, roles, target="ATE")
except UnfitLog as refusal:
    print(refusal)
forced = analyse(training, roles, target="ATE", method="ipw", accept=("overlap", "balance"))
participants = analyse(training, roles, target="ATT")
low, high = participants.lo, participants.hi
print(f"\nforced ATE {forced.estimate:,.0f}; ATT {participants.estimate:,.0f} [{low:,.0f}, {high:,.0f}]")

# %% [markdown]
# ## References
#
# - Hernán, M. A., and Robins, J. M. (2020). *Causal Inference: What If*. Chapman & Hall/CRC. Chapter 12.
# - Robins, J. M., Rotnitzky, A., and Zhao, L. P. (1994). Estimation of regression coefficients when some regressors are
#   not always observed. *JASA* 89(427). doi:10.1080/01621459.1994.10476818
# - Chernozhukov, V., et al. (2018). Double/debiased machine learning for treatment and structural parameters.
#   *Econometrics Journal* 21(1). doi:10.1111/ectj.12097
# - Abadie, A., and Imbens, G. W. (2006). Large sample properties of matching estimators for average treatment effects.
#   *Econometrica* 74(1). doi:10.1111/j.1468-0262.2006.00655.x
# - Cinelli, C., and Hazlett, C. (2020). Making sense of sensitivity: extending omitted variable bias. *JRSS B* 82(1).
#   doi:10.1111/rssb.12348
# - VanderWeele, T. J., and Ding, P. (2017). Sensitivity analysis in observational research: introducing the E-value.
#   *Annals of Internal Medicine* 167(4). doi:10.7326/M16-2607
# - Rosenbaum, P. R. (2002). *Observational Studies*, second edition. Springer. doi:10.1007/978-1-4757-3692-2
# - LaLonde, R. J. (1986). Evaluating the econometric evaluations of training programs with experimental data. *American
#   Economic Review* 76(4).
# - Dehejia, R. H., and Wahba, S. (1999). Causal effects in nonexperimental studies: reevaluating the evaluation of
#   training programs. *JASA* 94(448). doi:10.1080/01621459.1999.10473858
