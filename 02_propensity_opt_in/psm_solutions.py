# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02 · Solutions
#
# The quiz and the exercises at the end of [psm_demo](psm_demo.ipynb). Commit to a guess before you read on: a solution
# that is only read is forgotten by Friday.
#
# ## The quiz
#
# 1. **Agent-mode sessions come after opting in.** Only users who opted in have any, so the score is near 1 for them and
#    near 0 for the others: no overlap, nobody to compare with, and what the feature *does* is taken for who the user
#    *is*. The tempting answer is that a better prediction makes a better comparison. A score is not there to predict.
#    It is there to make users alike in what came *before* the decision.
# 2. **You know that the weighted groups agree in what you recorded and looked at**, one column at a time. The tempting
#    answer is that they are now comparable. You do not know that combinations agree (Failure 3), nor anything that no
#    column holds (Failure 1, where the table is spotless and the estimate nearly two and a half points off).
# 3. **The wrong users, and the wrong behaviour.** The tempting answer is the interval: 8.5 points are only an estimate.
#    That is the smaller fault. The ATE is about all users, but a default changes nothing for opt-ins: it is
#    the ATU times the share of the others, 6.4 points for the product and not 8.5. And the estimate is about users who
#    *chose* agent mode; who is switched on by default may never use it. (A third: a hidden trait, less than half as
#    strong as tier.)
#
# ## 1. Change a constant
#
# *Failure 2 with 2 % of light users instead of 0.2 %: predict the effective number of users and the SD of the estimate.
# Right: 1,500 to 2,000, and 0.010 to 0.015.*
#
# The effective size is $(\sum w)^2/\sum w^2$. The weight of a user who opted in is one over the opt-in rate of the
# tier, so the number follows from rates and tiers alone, before any data are drawn.

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
import numpy as np
import propensity as tool
from generate_data import TIERS, World, find_seed, load_logs, oracle, simulate

logs = load_logs()
completion = oracle(find_seed(logs), len(logs))["p_opt_in_0"].groupby(logs["engagement_tier"]).mean()
usual = completion[list(TIERS)].to_numpy()  # without agent mode, by tier
share, rate = np.array(World.tier_share), np.array(World.opt_in_rate)
for light in (0.002, 0.02):
    rates = np.array([light, 0.35, 0.65])
    print(f"light {light:.1%}: predicted {tool.effective_size(1 / rates, 50_000 * share * rates):,.0f}")


# %% [markdown]
# Confidence plays no part in this world, so a table of three tiers will do. With one score for each tier, weighting is
# one weighted mean of three differences.

# %%
def draw(seed, e, p0, p1, datasets=400):
    """Users and completions (datasets, 2, 3) without and with agent mode, by tier."""
    rng = np.random.default_rng(seed)
    users = rng.multinomial(50_000, share, size=datasets)
    on = rng.binomial(users, e)
    y = rng.binomial(users - on, p0), rng.binomial(on, p1)
    return np.stack([users - on, on], axis=1), np.stack(y, axis=1)


def weighted(n, y):
    """IPW estimates (datasets,) of the ATE with a score for each tier."""
    tiers = n.sum(axis=1) / 50_000
    return (tiers * (y[:, 1] / n[:, 1] - y[:, 0] / n[:, 0])).sum(axis=1)


gains = np.array([0.02, 0.10, 0.10])
found = {}
for light in (0.002, 0.02):
    n, y = draw(1, np.array([light, 0.35, 0.65]), usual, usual + gains)
    size = np.mean([tool.effective_size(k.sum(axis=0) / k[1], k[1]) for k in n])
    found[light] = size, weighted(n, y).std(ddof=1)
    print(f"light {light:.1%}: effective {size:,.0f}, SD {found[light][1]:.4f} (400 datasets)")
size, sd = found[0.02]
assert 1_500 < size < 2_000 and 0.010 < sd < 0.015

# %% [markdown]
# Nearly all of $\sum w^2$ comes from light users: few of them, with weights of 50 or 500. So the effective number grows
# as they do, tenfold. *Why does the SD not fall to a tenth?* A standard deviation goes with one over the root of a
# number of users. Ten times as many make it smaller by $\sqrt{10}$, about three, and that is what we see.
#
# For the decision: at 2 % the ATE has a standard error of more than a point although more than ten thousand users opted
# in. If the number has to be better, more logs are the expensive way. Showing the menu to some light users is the cheap
# one, because they are the users whom the estimate is waiting for.
#
# ## 2. Break an assumption
#
# *Agent mode does nothing. How strong must the hidden trait's effect be for IPW to report five points? Right: between
# 0.20 and 0.22, and the SMDs of tiers and confidence stay below 0.02 in all datasets.*
#
# What IPW reports is bias only, and the bias has a formula: the effect of the trait times the difference in how common
# it is between the groups, tier by tier. So divide five points by that difference.

# %%
CURIOUS, MORE_OPT_IN = 0.30, 0.20
e = rate + CURIOUS * MORE_OPT_IN
q1, q0 = CURIOUS * (rate + MORE_OPT_IN) / e, CURIOUS * (1 - rate - MORE_OPT_IN) / (1 - e)
needed = 0.05 / (share @ (q1 - q0))
print(f"curious in a tier, averaged over all users' tiers: {share @ q1:.3f} of those who opted in, {share @ q0:.3f} of "
      f"the others; needed {needed:.3f}")  # fmt: skip
n, y = draw(2, e, usual + needed * q0, usual + needed * q1)
reported, mcse = weighted(n, y).mean(), weighted(n, y).std(ddof=1) / 20
print(f"IPW reports {reported:.4f} ± {mcse:.4f} (400 datasets)")
assert 0.20 < needed < 0.22 and abs(reported - 0.05) < 4 * mcse

# %% [markdown]
# And the balance? Tiers are exact here, by the weights; for confidence take the score model and whole datasets of the
# generator, which draws the trait for each user and keeps it out of the log.

# %%
world, worst = World(opt_in_effect=0.0, hidden_opt_in=MORE_OPT_IN, hidden_effect=needed), 0.0
for seed in range(20):
    users = simulate(seed, world=world, outcomes=False)
    d, t, confidence = users["opt_in_agent_mode"], users["tier"], users["query_confidence"]
    n, F = np.ones(len(d)), np.column_stack([t == 0, t == 1, t == 2, confidence]).astype(float)
    X = np.column_stack([n, F[:, [0, 1, 3]]])
    s = tool.scores(X, tool.fit_propensity(X, d, n))
    worst = max(worst, np.abs(tool.balance(F, d, n, 1 / np.where(d, s, 1 - s))).max())
print(f"largest SMD of tiers and confidence in 20 datasets: {worst:.4f}")
assert worst < 0.02

# %% [markdown]
# A feature that does nothing is reported with five points and a tight interval, and the balance table has nothing to
# say. It cannot have: the weights make the recorded columns agree, and these are the columns that the table compares.
#
# For the decision: 0.2 is a strong trait. It moves completion as much as the step from light to medium users does
# (0.35 to 0.55 in the generator). So "could something that important be missing from our logs?" is the question for the
# product team, and section 12 is the way to put it to them in numbers.
#
# ## 3. Design something new
#
# *A coin shows half of the users a hint that adds 0.15 to their probability of opting in. Divide its effect on
# completing by its effect on opting in. Right: a mean between 0.07 and 0.09 while IPW gives more than 0.095, and an SD
# five to seven times that of IPW.*
#
# The coin knows nothing about curiosity, so the two halves differ in the hint and in nothing else. Whatever the hint
# does to completion it does through opting in. A hint that moves 15 users of 100, and each of them by 0.08, moves the
# mean by 0.012; dividing by 0.15 gives the 0.08 back.

# %%
rng, cells = np.random.default_rng(3), np.multiply.outer([0.5, 0.5], np.outer([1 - CURIOUS, CURIOUS], share))
users = rng.multinomial(50_000, cells.ravel(), size=500).reshape(500, 2, 2, 3)  # hint, curious, tier
hint, curious = np.arange(2)[:, None, None], np.arange(2)[:, None]
on = rng.binomial(users, (rate + MORE_OPT_IN * curious + 0.15 * hint).clip(0, 0.99))
without = rng.binomial(users - on, usual + 0.10 * curious)
with_it = rng.binomial(on, usual + 0.10 * curious + 0.08)

# %%
each = users.sum(axis=(2, 3))
completing = (without + with_it).sum(axis=(2, 3)) / each
opting = on.sum(axis=(2, 3)) / each
wald = (completing[:, 1] - completing[:, 0]) / (opting[:, 1] - opting[:, 0])
n, y = (np.stack([a.sum(axis=(1, 2)), b.sum(axis=(1, 2))], axis=1) for a, b in ((users - on, on), (without, with_it)))
estimates = {"Wald": wald, "IPW": weighted(n, y)}
for name, e in estimates.items():
    print(f"{name:<5} mean {e.mean():.4f} ± {e.std(ddof=1) / np.sqrt(500):.4f}, SD {e.std(ddof=1):.4f}")
mean_wald, mean_ipw = (e.mean() for e in estimates.values())
ratio = wald.std() / estimates["IPW"].std()
print(f"ratio of the SDs {ratio:.1f}; truth 0.08; 500 datasets")
assert 0.07 < mean_wald < 0.09 and mean_ipw > 0.095 and 5 < ratio < 7

# %% [markdown]
# IPW is wrong by two points with great precision; Wald is right on average, and hardly usable in a single dataset of
# this size. Why so wide? Its numerator is a plain difference of two halves. Dividing by 0.15 multiplies everything,
# noise included, by nearly seven.
#
# For the decision: an encouragement is the design that answers when a hidden confounder is conceivable and the switch
# cannot be randomized. Make it strong: a hint that moves 30 users of 100 needs a quarter of the users. And remember
# whom it speaks about: those whom the hint moves. Here the effect is the same for everyone; in a product it need not
# be.
