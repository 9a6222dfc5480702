# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 01 · Solutions
#
# The quiz and the exercises at the end of [naive_vs_truth_demo](naive_vs_truth_demo.ipynb). Write your own answer down
# before you read on: what one remembers of an exercise is the moment at which one was wrong.
#
# ## The quiz
#
# 1. **It tells that chance is small**: another draw of ten million users would give nearly the same number. It does not
#    tell that the number is an effect. The tempting answer is that so narrow an interval settles the matter; but who the
#    users are does not enter its formula. With a selection of 13 points, ten million users give the wrong number to one
#    decimal.
# 2. **Not for that reason.** Agreement once may be a stopped clock. The tempting answer is that the dashboard has been
#    validated. It has been right in one world; ask what has changed since (who chooses, which season, which other
#    launches), and whether the dashboard's comparison would notice.
# 3. **"How large a fault would they have found?"** The tempting question is which checks they were. But a check that
#    finds a disaster in one log of five passes in the other four, and so says next to nothing.
#
# ## 1. Change a constant
#
# *Light users opt in most. Predict the sign of the naive difference. Right: `difference` between −0.05 and −0.005, and
# `within_tiers` within 0.02 of 0.08.*
#
# The identity of section 4 says what to look at: the naive number is the ATT plus the selection bias. The ATT is still
# about +0.08. The selection bias has turned round, for those who opt in are now mostly light users, who complete less. It
# remains to see which of the two is larger.

# %%
import sys
from importlib.util import find_spec

sys.path += ["../data", f"{sys.path[0]}/../data"]  # the series' own modules, for notebook and script
if not find_spec("series"):
    raise ImportError("This notebook needs the files that come with it. Run these lines in a cell above:\n"
                      "!git clone https://github.com/OWNER/llm-causal-inference-series series\n"
                      "%cd series/01_naive_vs_truth\n"
                      "%pip install -q rdrobust rddensity pysyncon")

# %%
import numpy as np
import pandas as pd
from generate_data import TIERS, World, load_logs, oracle, simulate

logs = load_logs()
logs["tier"] = logs["engagement_tier"].map(TIERS.index)


# %%
def difference(outcome, treated):
    """Mean of the treated minus mean of the others, and the standard error."""
    a, b = outcome[treated], outcome[~treated]
    return a.mean() - b.mean(), np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))


def within_tiers(d, outcome="task_completed"):
    """The same within tiers, averaged by the tiers' shares of users."""
    on, tier = d["opt_in_agent_mode"] == 1, d["tier"]
    gaps = [difference(d[outcome][tier == k], on[tier == k])[0] for k in range(3)]
    return sum((tier == k).mean() * gap for k, gap in enumerate(gaps))


# %%
turned = World(opt_in_rate=(0.65, 0.35, 0.12))
d = simulate(1, world=turned)
opted_in, done = d["opt_in_agent_mode"] == 1, d["task_completed"]
naive, within = difference(done, opted_in)[0], within_tiers(d)

futures = oracle(1, world=turned)
att = (futures["p_opt_in_1"] - futures["p_opt_in_0"])[opted_in].mean()
selection = futures["p_opt_in_0"][opted_in].mean() - futures["p_opt_in_0"][~opted_in].mean()
per_tier = [difference(done[d["tier"] == k], opted_in[d["tier"] == k])[0] for k in range(3)]
print(f"naive {naive:+.3f}, within tiers {within:+.3f}; ATT {att:+.3f}, selection bias {selection:+.3f}")
print("difference within light, medium, heavy:", np.round(per_tier, 3).tolist())
assert -0.05 < naive < -0.005 and abs(within - 0.08) < 0.02 and min(per_tier) > 0

# %% [markdown]
# The selection bias wins, and a feature that helps **every single user** looks harmful. (ATT plus selection differs from
# the naive number by sampling noise.) Within each tier the difference is positive. Pooled over the tiers it is negative,
# because the opted-in side now holds most of the light users, who complete less whatever they choose. This is Simpson's
# paradox, and the identity takes the mystery out of it.
#
# The team would switch agent mode off, with 50,000 users to back it up. Nothing in the outcome gives the mistake away. The
# table of who opts in (section 5) does.
#
# ## 2. Break an assumption
#
# *A trait that no column records drives opting in and completing. Right: the mean of `within_tiers` over 20 seeds lies
# between 0.095 and 0.110, and no check moves by more than 3.5 standard errors.*
#
# Comparing within tiers closes the back door through the tier. The trait opens a second one beside it, and what is in no
# column cannot be held fixed. We draw each seed twice, with the trait and without it, so that the two worlds share much of
# their noise.

# %%
NAMES = ("within tiers", "early minus late", "late teams, after minus before", "slope, cheap",
         "slope, premium")  # fmt: skip


def look(world, seed):
    """The within-tier estimate, then the four checks of Failure 3, on one dataset: (5,)."""
    d = simulate(seed, world=world, outcomes=False)
    week, late, done = d["signup_week"], d["wave"] == 2, d["task_completed"]
    waiting, premium = late & (week < 30), d["routed_to_premium"] == 1
    slopes = [np.polyfit(d["query_confidence"][same], done[same], 1)[0] for same in (~premium, premium)]
    return [within_tiers(d), difference(done[week < 20], ~late[week < 20])[0],
            difference(done[waiting], week[waiting] >= 20)[0], *slopes]  # fmt: skip


HIDDEN = World(hidden_opt_in=0.20, hidden_effect=0.10)
seen = np.array([[look(w, seed) for w in (World(), HIDDEN)] for seed in range(1, 21)])
move = seen[:, 1] - seen[:, 0]  # (seeds, estimate and checks), same users
found = pd.DataFrame({"without": seen[:, 0].mean(axis=0), "with": seen[:, 1].mean(axis=0), "move": move.mean(axis=0),
                      "±": move.std(axis=0, ddof=1) / np.sqrt(20)}, NAMES)  # fmt: skip
print(found.round(4))
z = (found["move"] / found["±"]).abs()
with_trait, largest_move = found.loc["within tiers", "with"], z.iloc[1:].max()
assert 0.095 < with_trait < 0.110 and largest_move < 3.5 and z.iloc[0] > 3.5

# %% [markdown]
# With the trait the estimate misses 0.08 by two points on average, and more users would not help. The size can be worked
# out on paper. Within a tier, users with the trait are a larger share of those who opted in than of the others, and each
# brings 0.10 of completion with them. Opting in goes from a rate $r$ to $r + 0.20$ for the 30 % of users who have it:

# %%
rate, share = np.array(World.opt_in_rate), np.array(World.tier_share)
among_in = 0.3 * (rate + 0.2) / (rate + 0.3 * 0.2)
among_out = 0.3 * (0.8 - rate) / (1 - rate - 0.3 * 0.2)
expected = 0.10 * np.sum(share * (among_in - among_out))
bias, bias_error = found.loc["within tiers", ["move", "±"]]
print(f"bias on paper {expected:.4f}, measured {bias:.4f} ± {bias_error:.4f}")
assert abs(expected - bias) < 3 * bias_error

# %% [markdown]
# The two agree, but for the noise and for the few users whom the ceiling of 0.99 cuts off.
#
# *Why can none see it?* Each check compares users who should be alike: two waves, two seasons, levels of confidence. The
# trait is spread evenly over all of these. It differs between those who opted in and those who did not, and there the logs
# hold nothing to compare: the same users without agent mode were never observed. (The first check fails in both worlds
# alike, because of the waves' offset.)
#
# So "all checks pass" is a statement about the checks that exist. For choices by users, ask how strong a hidden trait
# would have to be to overturn the decision (notebook 02 does), or randomize: offer the feature to a random half.
#
# ## 3. Design something new
#
# *What does one more completed task cost? Right: within tiers a cost within \$0.0005 of \$0.019, and the naive cost above
# it; a naive ratio below \$0.12 and a within-tier ratio above \$0.18.*
#
# A ratio of two effects is only as good as the worse of them. So measure both effects by the same comparison.


# %%
def cost_per_task(d):
    """US dollars per user, effect on completion, and their ratio, naive and within tiers: (2, 3)."""
    on = d["opt_in_agent_mode"] == 1
    outcomes = ("cost_usd", "task_completed")
    both = np.array([[difference(d[y], on)[0], within_tiers(d, y)] for y in outcomes]).T
    return np.column_stack([both, both[:, 0] / both[:, 1]])


naive_price, within_price = cost_per_task(logs)
charged = World.session_opt_in * World.cost_per_minute + World.cost_opt_in  # what the generator adds
true_price = (charged, World.opt_in_effect, charged / World.opt_in_effect)
for name, (cost, effect, ratio) in {"naive": naive_price, "within tiers": within_price, "truth": true_price}.items():
    print(f"{name:<13} ${cost:.4f} per user, {effect:+.3f} completion, ${ratio:.2f} per completed task")
(naive_cost, _, naive_ratio), (within_cost, _, within_ratio) = naive_price, within_price
assert np.isclose(charged, 0.019) and abs(within_cost - 0.019) < 0.0005
assert naive_cost > within_cost and naive_ratio < 0.12 and within_ratio > 0.18

# %% [markdown]
# Both naive numbers are too large, and their ratio is too small by more than half. The cost is only a little too high:
# opted-in users are more often heavy users, with longer sessions. The effect on completion is too high by a factor of
# 2.6, and it stands in the denominator. Two errors in the same direction do not make a cautious number.

# %%
fresh = np.array([cost_per_task(simulate(s))[1] for s in range(1, 21)])  # (seeds, cost/effect/ratio)
mean, sd = fresh.mean(axis=0), fresh.std(axis=0, ddof=1)
print(f"20 datasets, seeds 1 to 20: ratio ${mean[2]:.3f} ± {sd[2] / np.sqrt(20):.3f}")
for name, m, s in zip(("cost per user", "effect", "ratio"), mean, sd, strict=True):
    print(f"SD of the {name:<13} {100 * s / m:>4.1f} % of its mean")
assert sd[0] / mean[0] < 0.01 < sd[1] / mean[1]

# %% [markdown]
# *Which part makes it scatter?* The effect on completion, alone. Costs differ little from user to user, while a
# completion is a yes or a no, and its effect is the small difference of two large shares. To record the cost more
# precisely would be work for nothing.
#
# The dashboard would sell agent mode at 10 cents per additional task. It costs about 24.
