# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 05 · Practice: whole clusters were assigned, in your own log
#
# Use this notebook when a treatment was given to groups and not to single users: to workspaces, schools, shops or
# regions, because what it does travels between the members of a group. It compares the groups, counts them and not
# their members, checks what a log can be checked for, and writes the two sentences that go into your report.
#
# **To use it:** copy it, edit the cell of parameters, run all. If your log cannot give the right number, the notebook
# stops and says why. The idea behind it is taught in [cluster_randomization_demo](cluster_randomization_demo.ipynb);
# the code is [clusters.py](clusters.py).
#
# It is shown here on an experiment that many teachers know: Project STAR. In 1985 Tennessee put children by lot into
# small or regular kindergarten classes, school by school. How many points does a small class add to a child's test
# score, and how sure can we be? Children sit in the same class, with the same teacher, so they do not count one by one.

# %%
import sys
from importlib.util import find_spec

sys.path += ["../data", f"{sys.path[0]}/../data"]  # the series' own modules, for notebook and script
if not find_spec("series"):
    raise ImportError("This notebook needs the files that come with it. Run these lines in a cell above:\n"
                      "!git clone https://github.com/OWNER/llm-causal-inference-series series\n"
                      "%cd series/05_cluster_randomization\n"
                      "%pip install -q rdrobust rddensity pysyncon")

# %%
from clusters import UnfitLog, analyse, plan, queries
from own_logs import short
from series import display, folder, show

# %% [markdown]
# ## The only cell to edit
#
# `LOGS` is a path or a glob (CSV or Parquet), a DataFrame, or a DuckDB relation, with one row for each user. `COLUMNS`
# says which column plays which role; an SQL expression will do as well. Three roles must be there: `outcome`, `cluster`
# and `treated`. Name these as well if your log has them:
#
# - `user`: is anybody in the log twice?
# - `stratum`: blocks inside which clusters were assigned; `pair` for blocks of two.
# - `before`: the outcome, measured before the experiment. It often halves the interval.
# - `exposed`: 1 for users whom the treatment of *others* can reach, settled before the assignment and marked in both
#   arms. They are left out.
# - `saturation`: the share of users that was to be treated in the cluster, if that share differed between clusters.
#
# If the arms are not coded 0 and 1, say in `ARMS` what both are called (else leave it empty: `{}`). An arm that nobody
# names is refused and never pooled. `HISTORY` is a log without the treatment, for planning; here the regular classes
# serve.

# %% tags=["parameters"]
LOGS = folder().parent / "data" / "real" / "star.csv"
COLUMNS = {
    "outcome": "CAST(math AS DOUBLE) + CAST(reading AS DOUBLE)",  # points in two tests
    "cluster": "school || ' ' || class_type",  # the file does not say which class, so a school's are taken together
    "treated": "class_type",
    "stratum": "school",
    "user": "pupil",
}
ARMS = {"treated_value": "small", "control_value": "regular", "other_arms": ["regular with aide"]}
DESIGN = {"target": "cluster"}  # "cluster": each cluster counts once; "user": each user counts once
HISTORY, HISTORY_COLUMNS = LOGS, {role: COLUMNS[role] for role in ("outcome", "cluster", "treated")}
SMALLEST_EFFECT_THAT_MATTERS = 10.0  # in units of the outcome

# %% [markdown]
# ## Three questions before you look
#
# No query can answer these. Write the answers down first, while the result cannot tempt you.
#
# 1. **Who drew the lot, and of what?** The thing that was drawn is the cluster. If somebody chose, or if "the first
#    twenty-five" were taken, this is no experiment, and a covariate does not make it one.
# 2. **What crosses the border of a cluster?** Colleagues who read along, customers with two shops: then control is not
#    "nothing happens", and the answer is the effect of switching on *this half*, not everything.
# 3. **Whose effect do you need?** The average cluster's, or the average user's? Where large clusters differ from small
#    ones these are two numbers.

# %% [markdown]
# ## Check and estimate
#
# `analyse` checks first and refuses when a right answer is out of reach. What it found and did not have to refuse for
# stands in the table; each line ends with what to do.

# %%
result = analyse(LOGS, COLUMNS, **ARMS, **DESIGN)
display(result.problems[["problem", "place", "rows", "severity"]])

# %%
print(f"{result.n['rows']:,} rows, {result.n['used']:,} used; {result.n['treated']} treated and "
      f"{result.n['control']} control clusters, {result.n['strata']} strata")  # fmt: skip
print(f"estimate {result.estimate:.4g}, standard error {short(result.standard_error)}, 95 % interval "
      f"[{result.lo:.4g}, {result.hi:.4g}]")  # fmt: skip
print(result.method)

# %% [markdown]
# A small class adds 15.5 points, give or take 4.3, in the average school. Both warnings are harmless here: one school
# has no regular class and so nothing to compare with, and fewer children per class *is* the treatment. In a product the
# second would worry us: if treated workspaces have fewer users in the log, the treatment may have driven some away.

# %%
show(result.figure(), "practice",
     f"Mean of the outcome in each of {result.n['control']} control and {result.n['treated']} treated "
     f"clusters, one dot each; the arms' means differ by {short(result.estimate)}, and thin grey lines join "
     f"the clusters of a stratum.")  # fmt: skip

# %% [markdown]
# *Figure 1. These dots are the data: as many numbers as there are clusters, however many users stand behind each. Most
# of the scatter is shared by the two dots of a school, which is what comparing inside schools removes.*
#
# ## The same data, other intervals
#
# The first line takes users as if they had been assigned one by one. The second is the usual cluster-robust error; both
# compare users without regard to strata. CR2 corrects it for few clusters. The others are regressions of cluster means,
# with each cluster or each user counting once.

# %%
intervals = result.intervals()
display(intervals.round(3))

# %% [markdown]
# The published estimate, in a textbook, is 13.90 points with a standard error of 2.45, from 5,786 children and nothing
# clustered. On the 3,733 children of this file that comparison gives 14.11 and 2.46; the first line is a little higher,
# because it is without the school that has no regular class. Once classes count and not children, the error is 2.7
# times as large. Comparing inside schools brings a good part of that back, honestly: a school's two kinds of class
# share their neighbourhood.
#
# **The lottery itself** gives two more intervals. The randomization test replays the assignment in the log, as many
# treated clusters in each stratum as there were, and needs no model of the outcome; its interval holds if the effect is
# the same everywhere. The wild bootstrap flips residuals, cluster by cluster. Three methods that agree are no proof;
# where they disagree, look at the dots.

# %%
lottery = result.randomization()
print(f"randomization [{lottery['lo']:.4g}, {lottery['hi']:.4g}], p = {lottery['p']:.4f}; {lottery['tried']:,} "
      f"assignments, the limits are known to {lottery['limit_error']:.1g}")  # fmt: skip
try:
    wild = result.wild()
    print(f"wild bootstrap [{wild['lo']:.4g}, {wild['hi']:.4g}], p = {wild['p']:.4f}")
except ValueError as reason:  # strata of one treated cluster and several controls, say
    print(reason)

# %% [markdown]
# ## Checks that can fail
#
# **Are the arms alike where they must be?** Sizes, missing outcomes, exposure and whatever was measured before the
# experiment. It can see that something was not drawn by lot, or that the treatment decides who appears in the log. It
# cannot see a difference in things that nobody recorded.

# %%
display(result.balance().round(4))

# %% [markdown]
# **Does one cluster decide?** The estimate without the clusters that stand out most (where a cluster is the only one of
# its arm in a stratum, without the stratum). A move of more than two errors says that the answer is that cluster's.

# %%
moves = result.leave_one_out()
display(moves.head().round(3))

# %% [markdown]
# **Does the treatment reach the other arm?** With an `exposed` column, users who can be reached are compared with the
# others of their cluster, in control clusters and, as a placebo, in treated ones. It sees only the channel that the
# column describes. This study has none; a child in a regular class learns little from another class being small.

# %%
spillover = result.spillover()
display("no column of exposed users" if spillover is None else spillover.round(3))

# %% [markdown]
# ## Would the interval keep its promise on clusters like these?
#
# An A/A test on your own clusters: the estimate is taken off the treated ones, then the lottery is held again, two
# thousand times. Now nothing is there to be found, and each interval should find something in one experiment out of
# twenty. It can see that an interval is too short (or needlessly long) for clusters of such sizes and with such
# outliers. It cannot see whether the real assignment was a lottery.

# %%
placebo = result.placebo()
display(placebo.round(3))

# %% [markdown]
# Children taken one by one raise a false alarm in more than a quarter of the experiments. The interval that we report
# keeps its 5 %. Those that ignore the schools hardly ever raise one, and that is no virtue: they are half as wide again
# as they need to be.
#
# ## What could this log have found?
#
# Ask this before you read a null result as "it does nothing". The *intracluster correlation* is the share of the
# variance that lies between clusters; the *design effect* is how many users it takes to be worth an independent one.

# %%
variation = result.icc()
print(f"intracluster correlation {variation['icc']:.2f} [{variation['lo']:.2f}, {variation['hi']:.2f}], design effect "
      f"{variation['design_effect']:.1f}: as many as {variation['effective_users']:.0f} independent users")  # fmt: skip
print(f"smallest effect found with power 0.80: {short(result.detectable())}")
needed = result.clusters_needed(SMALLEST_EFFECT_THAT_MATTERS)
print(f"to find {SMALLEST_EFFECT_THAT_MATTERS:g}: {needed} clusters, assigned as these were")

# %% [markdown]
# ## Plan the next one from your own history
#
# `plan` takes a log without the treatment and plays the experiment on it: it assigns its clusters at random, though
# nothing was treated, and watches what the intervals do. Name `before` or `stratum` to see what adjusting or blocking
# would be worth. It knows real sizes and real outliers; what it cannot know is whether next year's clusters are like
# last year's.

# %%
history = plan(HISTORY, HISTORY_COLUMNS, **ARMS, **DESIGN)
display(history.table.round(3))
print(history.report())
print(f"to find {SMALLEST_EFFECT_THAT_MATTERS:g}: {history.clusters_needed(SMALLEST_EFFECT_THAT_MATTERS)} clusters")

# %%
show(history.figure(SMALLEST_EFFECT_THAT_MATTERS), "practice_power",
     f"Power to find an effect of {SMALLEST_EFFECT_THAT_MATTERS:g} against the number of clusters in the "
     f"experiment; it passes 0.8 at {history.clusters_needed(SMALLEST_EFFECT_THAT_MATTERS)} clusters.")  # fmt: skip

# %% [markdown]
# *Figure 2. Power without strata. More users in the same clusters would hardly lift this curve. More clusters do, and
# so do pairs: without the schools it takes more than twice as many clusters to find the same effect.*
#
# ## The report

# %%
print(result.report())

# %% [markdown]
# ## When your log is in a warehouse
#
# The estimate needs a row for each cluster (and kind of user), however many users there are. `queries` writes the two
# SQL texts with your columns in them; they run on DuckDB and Spark. Give what they return to `analyse_tables`, with the
# same columns and design.

# %%
check, aggregate = queries(COLUMNS, **ARMS, **DESIGN)
print(aggregate[: aggregate.index("usable AS")])

# %% [markdown]
# ## What a refusal looks like
#
# The commonest mistake is to name as the cluster something larger than what was assigned: the school here, or the
# country of a workspace. In the extreme everybody is in one cluster. Nothing is estimated.

# %%
try:
    analyse(LOGS, COLUMNS | {"cluster": "'everybody'"}, **ARMS, **DESIGN)
except UnfitLog as refusal:
    print(refusal)

# %% [markdown]
# ## References
#
# - Bell, R. M., and McCaffrey, D. F. (2002). Bias reduction in standard errors for linear regression with multi-stage
#   samples. *Survey Methodology* 28(2).
# - Imbens, G. W., and Kolesár, M. (2016). Robust standard errors in small samples: some practical advice. *Review of
#   Economics and Statistics* 98(4). doi:10.1162/REST_a_00552
# - Pustejovsky, J. E., and Tipton, E. (2018). Small-sample methods for cluster-robust variance estimation and
#   hypothesis testing in fixed effects models. *Journal of Business & Economic Statistics* 36(4).
#   doi:10.1080/07350015.2016.1247004
# - Word, E., and others (1990). *Student/Teacher Achievement Ratio (STAR): Tennessee's K-3 class size study*. Tennessee
#   State Department of Education. Data: hdl:1902.1/10766
# - Stock, J. H., and Watson, M. W. *Introduction to Econometrics*, the chapter on experiments.
