# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04 · Did the model upgrade do it? Synthetic control
#
# **The decision.** A model upgrade reached 25 workspaces (wave 1) overnight in week 20. Completion in wave 1 went up.
# Before the other 25 workspaces get it and the bill for the larger model doubles, someone has to say whether it was the
# upgrade, and how much.
#
# Notebook 03 measured a feature that a threshold on one number switches on. Here a feature reaches whole workspaces at
# a date, so the comparison must run over time.
#
# **The answer at a glance**
#
# | what did the upgrade add to task completion in wave 1? | |
# |---|---|
# | naive: wave 1, weeks 20–29 minus weeks 0–19 | +5.1 pp |
# | synthetic control as the article has it, user bootstrap | +8.3 pp [5.1, 12.2] |
# | estimate: difference-in-differences over 50 workspaces, 95 % interval | +4.8 pp [2.5, 7.1] |
# | truth: what the data generator put in | +5.0 pp |
#
# (pp: percentage points.) The elaborate method is further from the truth than the simple ones, and its interval leaves
# the truth out. It is no accident. Finding out why is the plot of this notebook.
#
# **You will do:** fit a synthetic control by hand, run its placebo, leave-one-out and bootstrap checks, then find the 3
# points too many, with evidence that was printed all along, and repair them in three ways. **You will learn:** what a
# convex hull has to do with causal inference, which diagnostics can see a bad fit and which cannot, and when a design
# is better than a method. **You need:** means, least squares, the idea of a bootstrap. **Run time:** under 20 seconds.
#
# The notebook follows [an article by Rudrendu
# Paul](https://www.freecodecamp.org/news/product-experimentation-with-synthetic-control-causal-inference-for-global-llm-rollouts-in-python)
# (freeCodeCamp, 2026) step by step and reproduces every number in it.

# %% [markdown]
# ## 1. Set up
#
# The dataset is synthetic (`data/generate_data.py`), so the true effect of the upgrade is known.

# %%
import sys
from pathlib import Path

here = Path(globals().get("__file__", "notebook")).resolve()  # a notebook has no __file__
ROOT = next((p for p in here.parents if (p / "data" / "generate_data.py").exists()), None)
if ROOT is None:
    raise FileNotFoundError("Start Jupyter inside the folder of the series, where data/ is.")
sys.path.insert(0, str(ROOT / "data"))

# %%
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices: more threads would only wait

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from generate_data import World, find_seed, is_published, load_logs, oracle, simulate
from IPython.display import Image, display
from scipy import optimize, stats

# %% tags=["parameters"]
DATA = ROOT / "data" / "synthetic_llm_logs.csv"
FIGURES = ROOT / "04_synthetic_control" / "figures"
LEDGER = ROOT / "04_synthetic_control" / "published_figures.csv"
SEED_BOOTSTRAP = 7  # the article's
SEED_STUDY = 404  # all fresh panels: default_rng([SEED_STUDY, number of the experiment])
B_BOOTSTRAP = 500  # the article's
N_DATASETS = 50  # fresh datasets of the generator, seeds 1000, 1001, ...
N_PANELS = 1000  # fresh panels per world
N_TESTS = 200  # panels per world for the placebo tests and the failure modes
N_COVERAGE = 120  # panels whose intervals are bootstrapped ...
B_COVERAGE = 60  # ... with so many draws of users,
B_SDID = 50  # ... and of workspaces
B_PERMUTATIONS = 999

# %%
COLOR = {"treated": "#D55E00", "control": "#0072B2", "truth": "#009E73",
         "naive": "#8C8C8C", "estimate": "#1A1A1A"}  # fmt: skip
plt.rcParams.update({"savefig.dpi": 110, "figure.facecolor": "white", "font.size": 10,
                     "axes.spines.top": False, "axes.spines.right": False,
                     "axes.titlelocation": "left"})  # fmt: skip
pd.set_option("display.width", 120, "display.max_columns", 20, "display.max_colwidth", 90)


# %%
def show(figure, name, alt):
    """Store `figure` as FIGURES/name.png and display it with the alternative text `alt`."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    figure.savefig(FIGURES / f"{name}.png", bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    display(Image(FIGURES / f"{name}.png", alt=alt))


# %%
logs = load_logs(DATA)
published = is_published(DATA)  # the numbers in the text are those of the published dataset
seed = find_seed(logs)
columns = ["user_id", "workspace_id", "signup_week", "wave", "treated_post", "task_completed"]
print(f"{len(logs):,} users")
display(logs[columns].head(3))

# %% [markdown]
# Each user belongs to a workspace and signed up in a week. Wave 1 (workspaces 0–24) got the upgrade in week 20, wave 2
# (workspaces 25–49) in week 30. So in weeks 0–19 nobody has it, in weeks 20–29 wave 1 alone has it, and from week 30 on
# there is no one left to compare with. We use weeks 0–29.

# %% [markdown]
# ## 2. The naive number
#
# Wave 1 after minus wave 1 before.

# %%
WEEKS = World.treatment_week[1]  # 30 weeks are used, 0 .. 29
START = World.treatment_week[0]  # week 20: nobody is treated before it, wave 1 from then on
first = logs[(logs["wave"] == 1) & (logs["signup_week"] < WEEKS)]
late = first["signup_week"] >= START
before, after = first["task_completed"][~late].mean(), first["task_completed"][late].mean()
naive = after - before
print(f"wave 1, users: before {before:.4f}, after {after:.4f}, difference {naive:+.4f}")
assert not published or (round(before, 4), round(after, 4)) == (0.5916, 0.6431)

# %% [markdown]
# Completion rose by 5 points. This number has no answer to the question "what else happened in week 20?": a season, a
# press report, a fix of the login page would all be in it. (In this world nothing else happened, so it is near the
# truth. You could not have known.) What we want is what wave 1 *would have done* in weeks 20–29 without the upgrade:
# its **counterfactual**. What happened minus what would have happened, averaged over wave 1, is the average effect on
# the treated (ATT).

# %% [markdown]
# ## 3. The idea of a synthetic control
#
# Wave 2 lived through the same weeks without the upgrade, so its workspaces can stand in for that counterfactual. No
# single one resembles wave 1, but a *weighted average* of several may: a **synthetic control** (Abadie, Diamond and
# Hainmueller 2010). The workspaces that may be used are the **donors**, together the **donor pool**. With $y_t$ the
# treated series in week $t$, $d_{jt}$ the series of donor $j$ and $T_0=20$ weeks before the upgrade, choose the weights
#
# $$\hat w = \arg\min_{w} \sum_{t<T_0} \Big(y_t - \sum_j w_j d_{jt}\Big)^2
#   \quad\text{with}\quad w_j \ge 0,\ \sum_j w_j = 1,$$
#
# and read the effect off the gaps $y_t - \sum_j \hat w_j d_{jt}$ in the weeks after.
#
# Weights that obey the two constraints form a **simplex**. The constraints make the synthetic series an *average*: it
# lies between the highest and the lowest donor in each week, in what geometers call the donors' **convex hull**. That
# protects from extrapolation. It also means that a treated unit outside of the hull cannot be matched at all. Keep the
# picture in mind.

# %%
BEFORE = slice(0, START)  # rows of a panel
AFTER = slice(START, WEEKS)
WORKSPACES = World.n_workspaces
WAVE_1 = World.wave_1_workspaces  # columns 0 .. 24 are wave 1

week = np.arange(WEEKS)
season = 55 + 2.5 * np.sin(week / 4) + 0.1 * week  # made-up curves, in percent
fan = season[:, None] + np.linspace(-6, 6, 7)
figure, panels = plt.subplots(1, 2, figsize=(8, 3), sharey=True)
titles = ("inside the hull: gap = effect", "above the hull: gap = effect + excess")
for axes, title, level in zip(panels, titles, (2.5, 10.5), strict=True):
    blend = season + min(level, 6)
    treated = season + level + 5 * (week >= START)
    axes.plot(week, fan, color="#B5D2E6", lw=1, antialiased=False)
    axes.plot(week, blend, "--", color=COLOR["control"], lw=2)
    axes.plot(week, treated, color=COLOR["treated"], lw=2)
    axes.fill_between(week[AFTER], blend[AFTER], treated[AFTER], color="#F7DFCC")
    axes.axvline(START - 0.5, color="#BBBBBB", ls=":")
    axes.set(title=title, xlabel="sign-up week")
panels[0].set(ylabel="completion (%)", ylim=(44, 77))
panels[0].text(20.2, 68.5, "treated", color=COLOR["treated"])
panels[1].text(3, 65.4, "best blend", color=COLOR["control"])
panels[0].text(0.3, 45.5, "donors", color=COLOR["control"])
show(figure, "idea",
     "Schematic, two panels. Left: the treated curve runs inside a fan of seven donor curves, a "
     "dashed blend follows it until week 20, then a gap opens. Right: the treated curve runs above "
     "the whole fan; the best blend stays below it, and the gap is larger.")  # fmt: skip

# %% [markdown]
# *Figure 1. The idea, with made-up curves. Orange: the treated unit. Thin blue: donors. Dashed: the best blend. Both
# treated curves rise by the same 5 points in week 20 (dotted). Left, the gap shows them. Right, the blend stops at the
# edge of the hull, and the shaded gap contains the missing stretch as well.*

# %% [markdown]
# ## 4. The article, step by step
#
# ### Build the panel
#
# Completion rate per week and workspace: a table of 30 by 50. A rate needs two counts, users and completions, so we
# count users in cells (week × workspace × completed or not). That looks pedantic for one panel. It pays in step 5,
# where 500 panels are needed and no row of the logs has to be touched again.

# %%
CELLS = 2 * WEEKS * WORKSPACES + 1  # the last cell holds the users of later weeks


def user_cells(d):
    """Cell of each user (n,): 2 (50 week + workspace) + completed, for weeks 0-29."""
    cell = 2 * (WORKSPACES * d["signup_week"] + d["workspace_id"]) + d["task_completed"]
    return np.where(d["signup_week"] < WEEKS, cell, CELLS - 1)


# %% [markdown]
# With 19 users in an average cell, small datasets and bootstrap samples may have an empty one. The article interpolates
# over the weeks of the same workspace, and carries the nearest value to the ends; so do we. The treated series is then
# the plain mean of wave 1's 25 columns; the donors are wave 2's 25 columns.

# %%
def rates(done, users):
    """Completion rates (..., weeks, workspaces) from two arrays of counts; empty cells filled."""
    rate = done / np.where(users > 0, users, np.nan)
    flat = rate.reshape(-1, *rate.shape[-2:])
    for number, j in np.argwhere(np.isnan(flat).any(axis=1)):
        column = flat[number, :, j]  # a view: what is written to it lands in `rate`
        full = np.flatnonzero(~np.isnan(column))
        column[:] = np.interp(np.arange(len(column)), full, column[full])
    return rate


def panel_of(cells):
    """Panel (weeks, workspaces) of completion rates; cells: cell of each user (n,)."""
    count = np.bincount(cells, minlength=CELLS)[:-1].reshape(WEEKS, WORKSPACES, 2)
    return rates(count[..., 1], count.sum(axis=-1))


def sides(panel):
    """Treated series (weeks,), mean of wave 1, and donor matrix (weeks, 25) of a panel."""
    return panel[:, :WAVE_1].mean(axis=1), panel[:, WAVE_1:]


arrays = {name: logs[name].to_numpy() for name in columns}
panel = panel_of(user_cells(arrays))
y, donors = sides(panel)
per_cell = len(logs) / (World.n_weeks * WORKSPACES)
print(f"treated: {len(y)} weeks, donors: {donors.shape}, {per_cell:.1f} users per cell")
print(f"treated mean: before {y[BEFORE].mean():.4f}, after {y[AFTER].mean():.4f}, "
      f"difference {y[AFTER].mean() - y[BEFORE].mean():+.4f}")  # fmt: skip


# %% [markdown]
# The panel's means differ by 0.0494, the users' means by 0.0515: the panel gives every workspace and week the same say,
# however many users it has. The article prints the users' difference beside the panel's two means; each is right about
# what it averages.
#
# ### Step 1: fit the weights
#
# The problem is a least-squares problem with constraints. SciPy's general-purpose optimiser solves it from equal
# weights:

# %%
def slsqp_weights(y, D):
    """Simplex weights (J,) of y (T,) on D (T, J) by sequential quadratic programming."""
    J, total = D.shape[1], {"type": "eq", "fun": lambda w: w.sum() - 1}
    fit = optimize.minimize(
        lambda w: np.mean((y - D @ w) ** 2), np.full(J, 1 / J), method="SLSQP", bounds=[(0, 1)] * J,
        constraints=total, options={"ftol": 1e-12, "maxiter": 5000})  # fmt: skip
    assert fit.success
    return fit.x


# %% [markdown]
# It works, and takes tens of milliseconds: it knows nothing about the problem. Here is an exact way that takes a few
# hundredths of one. Put the differences $d_{jt}-y_t$ into a matrix $A$; since the weights sum to one, the
# sum of squares is $|Aw|^2$. Now drop the constraint on the sum and solve the **non-negative** least-squares problem
#
# $$\min_{v \ge 0}\ |Av|^2 + \Big(\sum_j v_j - 1\Big)^2 .$$
#
# Write $v = s\,w$ with $w$ on the simplex, and $q=|Aw|^2$. The objective is $s^2 q + (s-1)^2$; the best $s$ is
# $1/(1+q)$, and the minimum $q/(1+q)$ rises with $q$. So the best $v$ points to the best $w$, and dividing $v$ by its
# sum gives it, exactly.

# %%
def least_norm_weights(A):
    """Weights w (J,), non-negative with sum 1, that minimise |A w|; A (T, J). Exact."""
    v = optimize.nnls(np.vstack([A, np.ones(A.shape[1])]), np.append(np.zeros(len(A)), 1.0))[0]
    return v / v.sum()


def simplex_weights(y, D):
    """Synthetic-control weights (J,) of y (T,) on donors D (T, J); Abadie et al. (2010)."""
    return least_norm_weights(D - y[:, None])


# %%
def synthetic_control(panel, start=START):
    """Gaps (weeks,) between treated and synthetic series, and the weights (25,).

    panel: (weeks, workspaces), wave 1 first; start: first treated row.
    """
    y, D = sides(panel)
    w = simplex_weights(y[:start], D[:start])
    return y - D @ w, w


def sc(panel, start=START):
    """Synthetic control: mean gap from row `start` on."""
    return synthetic_control(panel, start)[0][start:].mean()


gaps, w = synthetic_control(panel)
assert np.abs(w - slsqp_weights(y[BEFORE], donors[BEFORE])).max() < 1e-4  # SLSQP's own error
mse, rmse, gap = np.mean(gaps[BEFORE] ** 2), np.mean(gaps[BEFORE] ** 2) ** 0.5, gaps[AFTER].mean()
top = np.argsort(-w)
used = top[w[top] > 0.001]
print(f"{len(used)} donors with weight; the heaviest:",
      ", ".join(f"{WAVE_1 + j} ({w[j]:.4f})" for j in top[:5]))  # fmt: skip
print(f"before week 20: MSE {mse:.6f}, RMSE {rmse:.4f}")

# %% [markdown]
# Half of the donors get no weight at all; that is typical, since the solution lies on the edge of the simplex. The
# heaviest donor has a fifth. Over the 20 weeks before the upgrade the synthetic series misses the treated one by 3.7
# points (root mean square). Is that a lot? Hold that thought.
#
# ### Step 2: read off the gap

# %%
print("week " + " ".join(f"{t:>7}" for t in week[AFTER]))
print("gap  " + " ".join(f"{g:+7.4f}" for g in gaps[AFTER]))
print(f"mean gap {gap:+.4f}")
if published:
    assert round(gap, 4) == 0.0829 and round(rmse, 4) == 0.0374 and len(used) == 12


# %% [markdown]
# The upgrade would have added **8.3 points**. Single weeks range from 3 to 17 points, which is the noise of single
# workspaces: about 19 users to a cell.
#
# ### Step 3: placebo in space
#
# Is 8.3 points unusual? Pretend that each donor in turn had been treated, fit it on the other 24, and look at *its*
# gap. None of them had the upgrade, so these 25 gaps show what the method finds where there is nothing to find. The
# **pseudo p-value** is the rank of the real gap among all 26.

# %%
def placebo_gaps(D):
    """Gaps (weeks, J) of each donor against a synthetic control of the others; D (weeks, J)."""
    found = np.empty_like(D)
    for j in range(D.shape[1]):
        others = np.delete(D, j, axis=1)
        found[:, j] = D[:, j] - others @ simplex_weights(D[BEFORE, j], others[BEFORE])
    return found


placebo = placebo_gaps(donors)
placebo_mean = placebo[AFTER].mean(axis=0)
rank = int(np.sum(np.abs(placebo_mean) >= abs(gap)))
pseudo_p = (rank + 1) / (len(placebo_mean) + 1)
print(f"placebo gaps: mean {placebo_mean.mean():+.4f}, SD {placebo_mean.std():.4f}, "
      f"from {placebo_mean.min():+.4f} to {placebo_mean.max():+.4f}")  # fmt: skip
print(f"at least as extreme as {gap:+.4f}: {rank}, pseudo p {pseudo_p:.4f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), width_ratios=(3, 2))
left.plot(week, 100 * y, color=COLOR["treated"], lw=2)
left.plot(week, 100 * (y - gaps), "--", color=COLOR["control"], lw=2)
left.axvline(START - 0.5, color="#BBBBBB", ls=":")
left.set(xlabel="sign-up week", ylabel="completion (%)", title="wave 1 and its synthetic control")
left.text(0.3, 100 * y[:8].max() + 0.8, "wave 1", color=COLOR["treated"])
left.text(13.8, 100 * (y - gaps)[BEFORE].min() - 0.6, "synthetic", color=COLOR["control"])
right.hist(100 * placebo_mean, bins=12, color="#7FB4D6")
right.set(xlabel="mean gap, weeks 20–29 (pp)", ylabel="donors", title="placebo gaps of 25 donors")
for name, color, x in (("treated", "treated", gap), ("truth", "truth", World.rollout_effect)):
    right.axvline(100 * x, color=COLOR[color], lw=2)
    right.text(100 * x + 0.25, 4.9, name, color=COLOR[color], rotation=90, va="top")
show(figure, "trajectories_and_placebos",
     "Left: completion of wave 1 by week and of its synthetic control; wave 1 is above it in most "
     "weeks before week 20 and in all weeks after. Right: histogram of 25 placebo gaps from -7.5 "
     "to 7.1 points, the observed gap of 8.3 to the right of all, the truth at 5.")  # fmt: skip


# %% [markdown]
# *Figure 2. Left: wave 1 (orange) and its synthetic control (dashed). Look at the weeks **before** 20. Right: the mean
# gaps of the 25 placebos; wave 1's 8.3 is more extreme than all. The true effect, 5, is not.*
#
# ### Step 4: leave one out
#
# If one donor carried the result, dropping it would change the gap. Drop each donor with weight in turn, and refit.
#
# **Predict, then run.** Twelve donors have weight, the heaviest a fifth. Write down the smallest and the largest of the
# twelve new gaps. Does the true effect of 5 points lie between them?

# %%
def leave_one_out(panel):
    """Mean gap after week 20 without donor j, for each j (25,)."""
    donors = range(WAVE_1, panel.shape[1])
    return np.array([sc(np.delete(panel, column, axis=1)) for column in donors])


without = leave_one_out(panel)
loo = pd.DataFrame({"dropped": WAVE_1 + used, "weight": w[used], "gap without": without[used]})
print(loo.to_string(index=False, float_format="{:.4f}".format))
print(f"range [{without[used].min():+.4f}, {without[used].max():+.4f}]")


# %% [markdown]
# **The article says** that the estimate is robust: no donor moves it by more than 1.2 points. That is so. Most people
# therefore expect the truth within the range: what nothing can shake must be near it. But the range is 7.4 to 9.5
# points, and the truth is *outside*. Robust and right are different things: if every donor misses in the same way, each
# subset of them does too.
#
# ### Step 5: a bootstrap interval
#
# The article resamples the 50,000 users, rebuilds the panel and refits, 500 times. A bootstrap sample is how often each
# user was drawn; a panel needs only the *cells* of those drawn; and the fit is one small non-negative least-squares
# problem. Same draws, same interval, and a fraction of the time (`make bench` measures it).

# %%
def bootstrap_gaps(cells, B, seed):
    """Mean gaps (B,) of B resamples of the users; cells: cell of each user (n,)."""
    rng, n, found = np.random.default_rng(seed), len(cells), np.empty(B)
    cells = cells.astype(np.int32)
    for b in range(B):
        drawn = rng.integers(0, n, size=n, dtype=np.int32)
        found[b] = sc(panel_of(cells[drawn]))
    return found


bootstrapped = bootstrap_gaps(user_cells(arrays), B_BOOTSTRAP, SEED_BOOTSTRAP)
ci = np.percentile(bootstrapped, [2.5, 97.5])
truth_in_ci = "YES" if ci[0] <= World.rollout_effect <= ci[1] else "NO"
zero_in_ci = "YES" if ci[0] <= 0 <= ci[1] else "NO"
print(f"95 % user bootstrap [{ci[0]:+.4f}, {ci[1]:+.4f}]")
print(f"truth inside: {truth_in_ci}   zero inside: {zero_in_ci}")

# %% [markdown]
# The interval is wide, and it misses the truth. The article calls the excess a finite-sample bias of small donor
# panels. Before we look into that, the books must balance.

# %% [markdown]
# ## 5. Reproduction check
#
# `published_figures.csv` lists every number that the article prints. A value counts as reproduced when it rounds to the
# printed digits.

# %%
computed = {
    "naive_before_after": naive, "treated_length": len(y), "donor_rows": donors.shape[0],
    "donor_columns": donors.shape[1], "users_per_cell": per_cell,
    "treated_pre_mean": y[BEFORE].mean(), "treated_post_mean": y[AFTER].mean(),
    "n_nonzero": int(np.sum(w > 0.001)), "pre_mse": mse, "pre_rmse": rmse, "gap": gap,
    "placebo_mean": placebo_mean.mean(), "placebo_std": placebo_mean.std(),
    "placebo_min": placebo_mean.min(), "placebo_max": placebo_mean.max(), "placebo_rank": rank,
    "pseudo_p": pseudo_p, "loo_min": without[used].min(), "loo_max": without[used].max(),
    "ci_gap_lo": ci[0], "ci_gap_hi": ci[1],
}  # fmt: skip
computed |= {f"gap_week_{t}": gaps[t] for t in week[AFTER]}
for j, weight in enumerate(w):
    computed |= {f"weight_{WAVE_1 + j}": weight, f"loo_weight_{WAVE_1 + j}": weight}
    computed |= {f"loo_gap_{WAVE_1 + j}": without[j]}
computed = {name: float(value) for name, value in computed.items()}
computed |= {"truth_in_ci": truth_in_ci, "zero_in_ci": zero_in_ci}


def rounded_like(published, value):
    """The computed value, rounded and signed as the published text is ("+0.2106"); words stay."""
    sign = "+" if published.startswith("+") else ""
    decimals = len(published.partition(".")[2])
    return value if isinstance(value, str) else f"{value:{sign}.{decimals}f}"


ledger = pd.read_csv(LEDGER, dtype=str, keep_default_na=False).set_index("id")
ledger["here"] = [rounded_like(text, computed[name]) for name, text in ledger["published"].items()]
same = ledger["here"] == ledger["published"]
print(f"{same.sum()} of {len(ledger)} published numbers reproduced")
print("other verdicts:", ledger.loc[ledger["verdict"] != "reproduced", "note"].to_dict())
assert not published or same.all()

# %% [markdown]
# All of them, to the last digit. One verdict differs from "reproduced": that the truth is *not* in the interval is what
# the article prints, and so do we. The reason it gives for that is the claim that fails. Now to the reason.

# %% [markdown]
# ## 6. Where do three points come from?
#
# **Clue one: the weeks before.** In weeks 0–19 nobody had the upgrade, so the gaps should scatter around zero.

# %%
residual, positive = gaps[BEFORE].mean(), int(np.sum(gaps[BEFORE] > 0))
print(f"before week 20: mean gap {residual:+.4f}, positive in {positive} of {START} weeks")
p_sign = stats.binomtest(positive, START).pvalue
print(f"as likely up as down? sign test p = {p_sign:.3f}")
if published:
    assert (round(residual, 4), positive) == (0.0251, 16) and p_sign < 0.02

# %% [markdown]
# They do not. Before anything happened, wave 1 was 2.5 points above the series that is meant to be its twin, and above
# it in 16 weeks of 20. A regression with an intercept would make that mean zero; weights on a simplex cannot.
#
# **Clue two: the hull.** Compare wave 1's mean in weeks 0–19 with that of each donor.

# %%
donor_level = donors[BEFORE].mean(axis=0)
print(f"wave 1 {y[BEFORE].mean():.4f}   donors {donor_level.min():.4f} to {donor_level.max():.4f}")
print(f"donors above wave 1: {np.sum(donor_level > y[BEFORE].mean())} of {len(donor_level)}")
if published:
    assert y[BEFORE].mean() > donor_level.max() and round(donor_level.max(), 4) == 0.5881

# %% [markdown]
# Wave 1 is above *every* donor. This is the right-hand panel of Figure 1.
#
# **Clue three: the RMSE.** The average of 25 workspaces with $n$ users per cell has sampling noise of about
# $\sqrt{p(1-p)/(25n)}$. If the waves were alike, even *equal* weights would miss by $\sqrt 2$ times that, and the best
# weights by less.

# %%
p = y[BEFORE].mean()
noise = np.sqrt(2 * p * (1 - p) / (WAVE_1 * per_cell))
print(f"equal weights, waves alike: RMSE {noise:.4f}   best weights here: RMSE {rmse:.4f}")
if published:
    assert rmse > noise > 0.03


# %% [markdown]
# The best blend fits worse than a plain average should. So 3.7 points *was* a lot.
#
# **The culprit.** In this world wave 1 completes 4 points more than wave 2 in every week (`World.wave_offset`): perhaps
# the first wave was the enthusiasts. Call this **offset** $\alpha$. With a level $\mu$ and a season $\lambda_t$ that
# everybody shares, and noise $\varepsilon$,
#
# $$y_t = \mu + \alpha + \tau\,1[t \ge T_0] + \lambda_t + \varepsilon_t, \qquad
#   d_{jt} = \mu + \lambda_t + \varepsilon_{jt}.$$
#
# For **any** weights that sum to one, $\mu$ and $\lambda_t$ cancel:
#
# $$y_t - \sum_j w_j d_{jt} = \alpha + \tau\,1[t \ge T_0] + \varepsilon_t - \sum_j w_j \varepsilon_{jt}.$$
#
# The weights were chosen from the weeks before. For $t \ge T_0$ the noise knows nothing of them, and the expected gap
# is $\tau + \alpha$: 5 points of upgrade and 4 points of enthusiasts. No choice of weights changes that. For $t < T_0$,
# though, the weights were chosen *because* the donors' noise happened to imitate $\alpha$; that is why the gap before
# is 2.5 points and not 4. The luck of the chosen donors ends in week 20: they regress to their mean, and the gap opens
# further. So subtracting 2.5 from 8.3 would not repair it either.
#
# That is a claim about an average over datasets, and we can check it. Two sources of fresh data: `simulate`, the
# generator itself, and a short cut. Given its cell, a user completes with a probability that is an average over tiers,
# opt-ins and confidences, independently of the other users; so the completions in a cell are binomial, and a panel
# takes 1,500 draws in place of half a million. (The generator clips probabilities at 0.99, which touches hardly anyone.
# Section 8 holds the short cut against the generator.) `extra` is for the failure modes of section 9.

# %%
def average_user(world):
    """Completion probability of wave 2 before the upgrade, averaged over users; no shock."""
    share, base = np.array(world.tier_share), np.array(world.base_rate)
    opt_in = world.opt_in_effect * np.array(world.opt_in_rate)
    routed = stats.beta.cdf(world.premium_cutoff, world.confidence_a, world.confidence_b)
    return share @ (base + opt_in) + world.prompt_effect / 2 + world.premium_effect * routed


def shocks(rng, n, world):
    """Centred AR(1) shocks of n worlds, weeks 0-29: (n, 30)."""
    shock = rng.normal(0, world.shock_sd, (n, world.n_weeks))
    shock[:, 0] = 0
    for t in range(1, world.n_weeks):
        shock[:, t] += world.shock_ar * shock[:, t - 1]
    return (shock - shock.mean(axis=1, keepdims=True))[:, :WEEKS]


def draw_panels(rng, n, offset=0.04, effect=0.05, extra=0.0, users=50_000):
    """Completions and users, each (n, 30, 50), of n worlds; `extra` is added to the probability."""
    cell, used = 1 / (World.n_weeks * WORKSPACES), WEEKS * WORKSPACES
    share = np.append(np.full(used, cell), 1 - used * cell)
    size = rng.multinomial(users, share, size=n)[:, :-1].reshape(n, WEEKS, WORKSPACES)
    probability = average_user(World) + shocks(rng, n, World)[:, :, None] + np.zeros(size.shape)
    probability[:, :, :WAVE_1] += offset
    probability[:, AFTER, :WAVE_1] += effect
    return rng.binomial(size, probability + extra), size


def fresh(number, n, **world):
    """n fresh panels (n, 30, 50) of experiment `number`: see draw_panels."""
    return rates(*draw_panels(np.random.default_rng([SEED_STUDY, number]), n, **world))


# %% [markdown]
# **Predict, then run.** The article blames a small sample. Ten times as many users make the noise smaller by a factor
# of three. Write down where the average of 200 estimates will lie, in points: with 50,000 users each, and with 500,000.

# %%
print("users      mean of synthetic control (Monte Carlo error)")
for number, size in enumerate((50_000, 500_000)):
    large = np.array([sc(one) for one in fresh(number, N_TESTS, users=size)])
    print(f"{size:>7,}    {large.mean():.4f} ({large.std(ddof=1) / len(large)**0.5:.4f})")
if published:
    assert abs(large.mean() - 0.09) < 0.0015  # 500,000 users


# %% [markdown]
# Still at 9 points, τ + α. Most people expect the average to come nearer to 5, since more data surely help. They help
# against noise, and nothing in τ + α depends on the number of users. **The article says** that the overshoot is a
# finite-sample bias of small donor panels. With ten times the sample it stays: it is a *level difference* that the
# method cannot represent. An interval from ten times the users would be narrower around the wrong place. (In this world
# the donors differ by noise alone, so their hull even shrinks as users are added.)

# %% [markdown]
# ## 7. Three repairs
#
# All three allow the two sides to differ by a constant.
#
# **Demeaned synthetic control**: subtract from each workspace its own mean before the upgrade, then proceed as before
# (Doudchenko and Imbens 2016; Ferman and Pinto 2021). The weights now match *shapes*; the level is an intercept.

# %%
def demeaned_sc(panel, start=START):
    """Synthetic control with an intercept."""
    return sc(panel - panel[:start].mean(axis=0), start)


# %% [markdown]
# **Difference-in-differences** (DiD): how much did each workspace change? Compare the changes of the waves. It is the
# demeaned synthetic control with equal weights. Here comes the point about the design: the data are a *staged rollout*
# of 25 against 25 workspaces. **The article says** that no holdout (a group kept untreated) exists, hence synthetic
# control. In weeks 20–29 wave 2 *is* a holdout: 25 workspaces, and not one of them needs to be weighted.

# %%
def changes(panel, start=START):
    """Change of each workspace (..., workspaces): mean of the weeks from start on minus before."""
    return panel[..., start:, :].mean(axis=-2) - panel[..., :start, :].mean(axis=-2)


def did(panel, start=START):
    """Difference-in-differences: mean change of wave 1 minus that of wave 2."""
    change = changes(panel, start)
    return change[..., :WAVE_1].mean(axis=-1) - change[..., WAVE_1:].mean(axis=-1)


# %% [markdown]
# **Synthetic difference-in-differences** (Arkhangelsky et al. 2021) has weights for donors *and* for weeks, both with
# an intercept, and takes the weighted difference of differences (their equation 1). A ridge penalty $\zeta^2 T_0|w|^2$
# spreads the donor weights (equations 4 and 5), since no few donors deserve all the trust; the week weights make the
# donors' past resemble their future (equation 6). Both are least-norm problems on a simplex, so our solver does them:
# an intercept means that each column of $A$ is centred, and a penalty adds rows to $A$.

# %%
def sdid_weights(y, D, n_treated, start=START):
    """Donor weights (J,) and week weights (start,) of synthetic difference-in-differences."""
    J, after = D.shape[1], len(y) - start
    sigma = np.diff(D[:start], axis=0).std(ddof=1)
    zeta = (n_treated * after) ** 0.25 * sigma  # Arkhangelsky et al. (2021), equation 5
    A = D[:start] - y[:start, None]
    donor = least_norm_weights(np.vstack([A - A.mean(axis=0), zeta * start**0.5 * np.eye(J)]))
    B = (D[:start] - D[start:].mean(axis=0)).T
    ridge = 1e-6 * sigma * J**0.5 * np.eye(start)
    return donor, least_norm_weights(np.vstack([B - B.mean(axis=0), ridge]))


def sdid_of(y, D, n_treated, start=START):
    """Synthetic difference-in-differences of a treated mean y (T,) of n_treated units, donors D."""
    donor, weeks = sdid_weights(y, D, n_treated, start)
    gaps = y - D @ donor
    return gaps[start:].mean() - weeks @ gaps[:start]


def sdid(panel, start=START):
    """Synthetic difference-in-differences of a panel, wave 1 against wave 2."""
    return sdid_of(*sides(panel), WAVE_1, start)


# %% [markdown]
# And one that is *not* a repair, though it is often recommended for a bad fit: **ridge-augmented synthetic control**
# (Ben-Michael, Feller and Rothstein 2021). It lets weights turn negative in order to remove what is left of the misfit,
# the more so the smaller its penalty. Its weights still sum to one. What does the algebra above say about its bias?

# %%
def augmented_sc(panel, start=START, ridge=0.1):
    """Ridge-augmented synthetic control: simplex weights plus a ridge correction of the misfit."""
    y, D = sides(panel)
    w = simplex_weights(y[:start], D[:start])
    X = D[:start] - D[:start].mean(axis=1, keepdims=True)
    misfit = y[:start] - D[:start] @ w
    w = w + X.T @ np.linalg.solve(X @ X.T + ridge * np.eye(start), misfit)
    return (y - D @ w)[start:].mean()


# %%
ESTIMATORS = {"synthetic control": sc, "ridge-augmented": augmented_sc, "demeaned SC": demeaned_sc,
              "synthetic DiD": sdid, "DiD": did}  # fmt: skip
found = {name: float(estimate(panel)) for name, estimate in ESTIMATORS.items()}
for name, value in found.items():
    print(f"{name:<18} {value:+.4f}")
truth_by_user = oracle(seed, len(logs))[["p_rollout_0", "p_rollout_1"]]
reached = (logs["treated_post"] == 1) & (logs["wave"] == 1) & (logs["signup_week"] < WEEKS)
truth = float((truth_by_user["p_rollout_1"] - truth_by_user["p_rollout_0"])[reached].mean())
print(f"{'truth':<18} {truth:+.4f}")
if published:
    assert [round(v, 4) for v in found.values()][2:] == [0.0366, 0.0464, 0.0483]
    assert abs(truth - 0.05) < 2e-4
figure, panels = plt.subplots(1, 2, figsize=(9, 3.3), sharey=True)
for axes, data, title in zip(panels, (panel, panel - panel[BEFORE].mean(axis=0)),
                             ("no intercept", "with an intercept"), strict=True):  # fmt: skip
    g = 100 * synthetic_control(data)[0]
    axes.bar(week, g, color=np.where(week < START, "#BBBBBB", COLOR["treated"]))
    axes.hlines(g[BEFORE].mean(), -0.5, START - 0.5, color=COLOR["estimate"], lw=2)
    axes.hlines(g[AFTER].mean(), START - 0.5, WEEKS - 0.5, color=COLOR["estimate"], lw=2)
    axes.hlines(100 * truth, START - 0.5, WEEKS - 0.5, color=COLOR["truth"], lw=2, ls="--")
    axes.set(xlabel="sign-up week", title=f"synthetic control, {title}")
    axes.text(3, 12.5, f"mean before {g[BEFORE].mean():+.1f} pp\nafter {g[AFTER].mean():+.1f} pp")
panels[0].set_ylabel("gap, wave 1 − synthetic (pp)")
show(figure, "intercept",
     "Two bar charts of the weekly gaps. Without an intercept the gaps before week 20 are mostly "
     "positive and the mean after is 8.3 points, well above the truth of 5. With an intercept the "
     "gaps before average to zero and the mean after is 3.7 points.")  # fmt: skip

# %% [markdown]
# *Figure 3. The same panel without and with an intercept. Grey: weeks before the upgrade. Orange: after. Black: means.
# Green dashes: the truth. On the left the grey bars already lean upwards, which is the whole story in one picture.*
#
# The three repairs lie around 5 (the intercept alone below it, at 3.7), the two others near 8. One dataset proves
# nothing, so:

# %% [markdown]
# ## 8. Is the answer honest?
#
# 50 fresh datasets from the generator, and 1,000 panels from the short cut in each of two worlds: with the offset of 4
# points, and without it. The effect is 5 points in all of them.

# %%
generator = np.array([
    [f(panel_of(user_cells(simulate(s, outcomes=False)))) for f in (sc, did)]
    for s in range(1000, 1000 + N_DATASETS)
])  # fmt: skip
worlds = {"offset 0.04": fresh(10, N_PANELS), "no offset": fresh(11, N_PANELS, offset=0.0)}
draws = {world: np.array([[f(panel) for f in ESTIMATORS.values()] for panel in panels])
         for world, panels in worlds.items()}  # fmt: skip
study = {}
for world, estimates in draws.items():
    rmse_of = np.mean((estimates - World.rollout_effect) ** 2, axis=0) ** 0.5
    rows = {"mean": estimates.mean(axis=0), "SD": estimates.std(axis=0, ddof=1), "RMSE": rmse_of}
    study[world] = pd.DataFrame(rows, index=list(ESTIMATORS))
display(pd.concat(study, axis=1).map("{:.4f}".format))
print(f"{N_PANELS} panels per world; Monte Carlo error of the means below 0.001")
by_generator, by_cells = generator.mean(axis=0), draws["offset 0.04"][:, [0, 4]].mean(axis=0)
error = generator.std(axis=0, ddof=1) / N_DATASETS**0.5
for name, g, e, s in zip(("synthetic control", "DiD"), by_generator, error, by_cells, strict=True):
    print(f"{name:<18} generator {g:.4f} ({e:.4f}), short cut {s:.4f}")
if published:
    assert np.all(np.abs(by_generator - by_cells) < 3 * error)
    means = {world: table["mean"].to_numpy() for world, table in study.items()}
    assert np.all(np.abs(means["offset 0.04"] - [0.09, 0.09, 0.05, 0.05, 0.05]) < 0.002)
    assert np.all(np.abs(means["no offset"] - 0.05) < 0.002)
    assert all(table["RMSE"].idxmin() == "DiD" for table in study.values())

# %% [markdown]
# With the offset, synthetic control centres on 9 points, 4 too many. So does its ridge-augmented cousin: its weights
# sum to one. Without the offset both are unbiased. The three estimators with an intercept are unbiased in both worlds,
# and do not notice the offset at all.
#
# Plain difference-in-differences has the smallest RMSE in both worlds. That is no law. Here all workspaces of a wave
# are alike up to noise, so that equal weights are the best weights. Where workspaces follow different seasons, matching
# on the past earns its keep.

# %%
figure, panels = plt.subplots(1, 2, figsize=(10, 3.4), sharex=True, sharey=True)
names, bins = list(ESTIMATORS), np.linspace(0, 15, 46)
for axes, (world, estimates) in zip(panels, draws.items(), strict=True):
    for name, kind in (("DiD", "stepfilled"), ("synthetic control", "step")):
        axes.hist(100 * estimates[:, names.index(name)], bins=bins, color=COLOR["estimate"],
                  histtype=kind, alpha=0.5 if name == "DiD" else 1, lw=1.4)  # fmt: skip
    axes.axvline(100 * World.rollout_effect, color=COLOR["truth"], lw=2)
    axes.set(title=world, xlabel="estimate (pp)", xlim=(-1, 15))
panels[0].set_ylabel("fresh panels")
top_count = panels[0].get_ylim()[1]
panels[0].text(-0.6, 0.6 * top_count, "difference-in-\ndifferences", color=COLOR["estimate"])
panels[0].text(11.3, 0.6 * top_count, "synthetic\ncontrol", color=COLOR["estimate"])
panels[0].text(5.2, 0.99 * top_count, "truth", color=COLOR["truth"])
show(figure, "sampling_distributions",
     "Histograms of estimates on 1,000 panels. With the offset, difference-in-differences centres "
     "on the truth of 5 points and synthetic control on 9, with little overlap. Without it both "
     "centre on 5 and nearly coincide.")  # fmt: skip

# %% [markdown]
# *Figure 4. Outline: synthetic control. Filled: difference-in-differences. Green: the truth. Left: the world of these
# logs. Right: the same without the offset of wave 1.*
#
# ### Do the diagnostics see it?
#
# The two clues of section 6 in 1,000 panels each: how large are the RMSE and the mean gap before week 20, with and
# without the offset?

# %%
for world, panels in worlds.items():
    g = np.array([synthetic_control(one)[0][BEFORE] for one in panels])
    rmses, lean = np.mean(g**2, axis=1) ** 0.5, g.mean(axis=1)
    print(f"{world:<12} RMSE: mean {rmses.mean():.3f}, max {rmses.max():.3f}"
          f"   mean gap: mean {lean.mean():+.3f}, max {lean.max():+.3f}")  # fmt: skip
if published:  # the panels without an offset
    assert rmses.max() < rmse and lean.max() < residual and round(rmses.mean(), 3) == 0.015


# %% [markdown]
# Not one of 1,000 panels without an offset has an RMSE before week 20 as large as the 0.0374 that was printed in step
# 1; 0.015 is usual. The evidence was on the table.
#
# ### Do the intervals cover?
#
# For the user bootstrap we redraw the number of users in each cell from a Poisson distribution around what was seen:
# the counts of a resample are that, but for their fixed total (the *Poisson bootstrap*), and no list of users is
# needed. For difference-in-differences: the $t$-interval that counts 50 workspaces. For synthetic DiD the two that its
# authors propose: a jackknife (leave out one workspace at a time) with the weights held fixed, and a bootstrap of
# workspaces that refits them.

# %%
def did_interval(panel, start=START, treated=WAVE_1):
    """DiD, standard error, 95 % interval (4,) + (...): pooled t over workspaces, `treated` first."""
    change = changes(panel, start)
    a, b = change[..., :treated], change[..., treated:]
    df = change.shape[-1] - 2
    squares = a.var(axis=-1) * a.shape[-1] + b.var(axis=-1) * b.shape[-1]
    se = np.sqrt(squares / df * (1 / a.shape[-1] + 1 / b.shape[-1]))
    estimate, half = a.mean(axis=-1) - b.mean(axis=-1), stats.t.ppf(0.975, df) * se
    return np.array([estimate, se, estimate - half, estimate + half])


def sdid_jackknife(panel, start=START):
    """Standard error of sdid, fixed-weight jackknife (Arkhangelsky et al. 2021, algorithm 3)."""
    y, D = sides(panel)
    donor, weeks = sdid_weights(y, D, WAVE_1, start)
    change = panel[start:].mean(axis=0) - weeks @ panel[:start]
    a, b = change[:WAVE_1], change[WAVE_1:]
    without_a = (a.sum() - a) / (len(a) - 1) - donor @ b
    without_b = a.mean() - (donor @ b - donor * b) / (1 - donor)
    left_out = np.append(without_a, without_b)
    return np.sqrt((len(left_out) - 1) * left_out.var())


def sdid_bootstrap(panel, rng, B, start=START):
    """Standard error of sdid: B resamples of workspaces, weights refitted (algorithm 2)."""
    found = []
    while len(found) < B:
        units = rng.integers(0, panel.shape[1], panel.shape[1])
        treated = units < WAVE_1
        if 1 < treated.sum() < len(units) - 1:
            y, D = panel[:, units[treated]].mean(axis=1), panel[:, units[~treated]]
            found.append(sdid_of(y, D, treated.sum(), start))
    return np.std(found, ddof=1)


# %%
def user_bootstrap(done, size, rng, B):
    """95 % percentile interval of sc when users are resampled; done, size: (weeks, workspaces)."""
    drawn = rng.poisson(np.stack([size - done, done]), (B, 2, *size.shape))
    found = [sc(panel) for panel in rates(drawn[:, 1], drawn[:, 0] + drawn[:, 1])]
    return np.percentile(found, [2.5, 97.5])


effect, rng = World.rollout_effect, np.random.default_rng([SEED_STUDY, 20])
counts = draw_panels(rng, N_COVERAGE)
by_user = np.array([user_bootstrap(*one, rng, B_COVERAGE) for one in zip(*counts, strict=True)]).T
refitted = np.array([[sdid(one), sdid_bootstrap(one, rng, B_SDID)] for one in rates(*counts)]).T
_, _, low, high = did_interval(worlds["offset 0.04"])
fixed = np.array([sdid_jackknife(one) for one in worlds["offset 0.04"]])
covers = {
    "synthetic control, user bootstrap": (by_user[0] <= effect) & (effect <= by_user[1]),
    "DiD, t over workspaces": (low <= effect) & (effect <= high),
    "synthetic DiD, jackknife": np.abs(draws["offset 0.04"][:, 3] - effect) <= 1.96 * fixed,
    "synthetic DiD, workspace bootstrap": np.abs(refitted[0] - effect) <= 1.96 * refitted[1],
}  # fmt: skip
print("95 % intervals: coverage, Monte Carlo error, panels")
for name, inside in covers.items():
    error = np.sqrt(inside.mean() * (1 - inside.mean()) / len(inside))
    print(f"{name:<36}{inside.mean():.3f}  {error:.3f}  {len(inside):>5}")
if published:
    by_user, t_did, jackknife, by_workspace = (inside.mean() for inside in covers.values())
    assert by_user < 0.4 and 0.93 < t_did < 0.97 and 0.85 < jackknife < 0.91 < by_workspace


# %% [markdown]
# **The article says** cluster bootstrap and resamples users. Its interval covers the truth in well under half of the
# datasets, because it is centred on 9. An effect moves the gap one for one, so the same share answers another question:
# if the upgrade did *nothing*, the interval would still exclude zero in all the others, most of them. Resampling shows
# how an estimate scatters; it knows nothing of where it should be.
#
# The interval that counts workspaces covers as it promises. The jackknife for synthetic DiD is somewhat too short here
# (its weights were fitted, and it holds them fixed); the bootstrap that refits them is not.
#
# ### Do the tests test?
#
# A test at the 5 % level may reject in 5 % of worlds without an effect, and should reject often when there is one. Four
# worlds, three tests. The **RMSPE ratio** (P for prediction) is a common refinement of the placebo: rank the ratio of
# the RMSE after to that before, to allow for donors that fit badly anyway. The third test permutes which workspaces
# were "wave 1" and compares the difference-in-differences.
#
# **Predict, then run.** An effect of 5 points and *no* offset is the world that the placebo test is made for. In how
# many of 200 such panels will each of the three tests reject?

# %%
def rmspe_ratio(gaps):
    """Root mean square of gaps (weeks, ...) after the start over that before."""
    return np.sqrt(np.mean(gaps[AFTER] ** 2, axis=0) / np.mean(gaps[BEFORE] ** 2, axis=0))


def placebo_p(panel):
    """Placebo-in-space p-values of a panel: by mean gap, by RMSPE ratio."""
    own, others = synthetic_control(panel)[0], placebo_gaps(panel[:, WAVE_1:])
    by_gap = np.sum(np.abs(others[AFTER].mean(axis=0)) >= abs(own[AFTER].mean()))
    by_ratio = np.sum(rmspe_ratio(others) >= rmspe_ratio(own))
    return (1 + np.array([by_gap, by_ratio])) / (1 + others.shape[1])


def permutation_p(panel, rng, B):
    """p-values (...) of did when B random sets of workspaces play wave 1."""
    change = changes(panel)
    n = change.shape[-1]
    plays = np.argsort(rng.random((B, n)), axis=1) < WAVE_1
    contrast = np.where(plays, 1 / WAVE_1, -1 / (n - WAVE_1))
    as_large = np.abs(change @ contrast.T) >= np.abs(did(panel))[..., None] - 1e-12
    return (1 + as_large.sum(axis=-1)) / (1 + B)


rejected = {}
for number, (offset, tau) in enumerate([(0.0, 0.0), (0.04, 0.0), (0.0, 0.05), (0.04, 0.05)]):
    panels = fresh(30 + number, N_TESTS, offset=offset, effect=tau)
    p_values = np.array([placebo_p(one) for one in panels])
    rng = np.random.default_rng([SEED_STUDY, 40 + number])
    both = np.column_stack([p_values, permutation_p(panels, rng, B_PERMUTATIONS)])
    rejected[f"effect {tau}, offset {offset}"] = np.mean(both <= 0.05, axis=0)
tests = ["placebo, mean gap", "placebo, RMSPE ratio", "DiD permutation"]
rejected = pd.DataFrame(rejected, index=tests)
display(rejected.T.map("{:.2f}".format))
print(f"rejections in {N_TESTS} panels; Monte Carlo error at most {0.5 / N_TESTS**0.5:.3f}")

# %%
p_here = placebo_p(panel)
print(f"these logs: placebo by gap {p_here[0]:.4f}, by RMSPE ratio {p_here[1]:.4f}")
if published:
    r = rejected.to_numpy()
    assert r[0, 0] <= 0.02 and r[0, 2] < 0.12 < 0.4 < r[0, 3] and r[1, 0] > 0.5
    assert np.all(r[2, :2] < 0.1) and np.all(r[2, 2:] > 0.9) and round(p_here[1], 3) == 0.077

figure, axes = plt.subplots(figsize=(7, 2.8))
axes.plot(week, 100 * placebo, color="#9DC5E0", lw=0.5, antialiased=False)
axes.plot(week, 100 * gaps, color=COLOR["treated"], lw=2.2)
axes.axvline(START - 0.5, color="#BBBBBB", ls=":")
axes.set(xlabel="sign-up week", ylabel="gap to synthetic control (pp)")
axes.text(0.2, -45, "25 donors: one workspace each", color=COLOR["control"])
axes.text(WEEKS - 0.7, 100 * gaps[-1] - 5, "wave 1:\naverage of 25", color=COLOR["treated"])
show(figure, "placebo_spaghetti",
     "Gaps by week. Twenty-five thin blue placebo lines swing by twenty points and more, the thick "
     "orange line of wave 1 stays between about -4 and +17 points: its noise is several times "
     "smaller than that of the placebos.")  # fmt: skip

# %% [markdown]
# *Figure 5. The placebo "spaghetti". Thin blue: the donors, each fitted by the others. Orange: wave 1. They are not the
# same kind of line: an average of 25 among single workspaces. That is why their ranks mean little.*
#
# **The article says** that no placebo is as extreme as wave 1, pseudo p 0.0385. The placebo test compares the average
# of 25 workspaces with single workspaces, which are several times as noisy: they are not exchangeable. Most people
# think of that p-value and expect the test to find the effect nearly always. It hardly ever does where there is no
# offset (third row), since an average of 25 is lost among gaps that are so much wider; and it rejects on these logs
# *because of* the bias (fourth row). The RMSPE ratio does not save it: it rejects in more than half of the worlds in
# which nothing happened at all, since the average fits its past better than a single workspace can. On these logs it
# happens to give 0.077. Permuting workspaces compares like with like; it keeps its 5 % and finds the effect in more
# than 90 %.

# %% [markdown]
# ## 9. When it fails
#
# The article names four ways in which synthetic control goes wrong. Each is a small change of the world. In all of
# these worlds the effect is 5 points; unless the change says otherwise there is no offset, so that nothing but the
# change is to blame.
#
# 1. **Contaminated donors**: 40 % of wave 2's users got the upgrade too, in week 20 (a shared account, an early-access
#    list), which adds $0.4 \cdot 5 = 2$ points to all donors.
# 2. **Outside the hull**, from below this time: wave 1 completes 15 points *less* than wave 2. And a counter-case that
#    no intercept repairs: wave 1 has a *trend* of its own, 0.4 points a week.
# 3. **A donor's shock**: the heaviest donor loses 15 points from week 20 on, for reasons of its own.
# 4. **Too few weeks before**: 3, 5 or 10 in place of 20.
#
# The donor's shock needs the weights first: the heaviest donor of each panel is the one that is hit. Then we look
# whether leave-one-out finds the culprit, that is, whether dropping it moves the gap more than dropping any other.

# %%
weeks_after = (week >= START)[:, None]
wave_1, wave_2 = np.arange(WORKSPACES) < WAVE_1, np.arange(WORKSPACES) >= WAVE_1
contaminated = 0.4 * World.rollout_effect * weeks_after * wave_2
trend = 0.004 * (week - WEEKS / 3)[:, None] * wave_1
failing = {
    "as assumed": fresh(50, N_TESTS, offset=0.0),
    "1 contaminated donors": fresh(51, N_TESTS, offset=0.0, extra=contaminated),
    "2a outside the hull": fresh(52, N_TESTS, offset=-0.15),
    "2b trend of wave 1": fresh(53, N_TESTS, offset=0.0, extra=trend),
}  # fmt: skip
three = {name: ESTIMATORS[name] for name in ("synthetic control", "demeaned SC", "DiD")}
estimates = {world: np.array([[f(one) for f in three.values()] for one in panels])
             for world, panels in failing.items()}  # fmt: skip

hit, culprit = [], []
for panel_0 in failing["as assumed"]:
    weights = synthetic_control(panel_0)[1]
    shocked = panel_0.copy()
    shocked[AFTER, WAVE_1 + np.argmax(weights)] -= 0.15
    moves = np.abs(leave_one_out(shocked) - sc(shocked))
    hit.append([f(shocked) for f in three.values()])
    culprit.append((weights.max(), moves.argmax() == np.argmax(weights)))
estimates["3 a donor's shock"] = np.array(hit)
weight_hit, caught = np.mean(culprit, axis=0)


# %% [markdown]
# What would a careful analyst have seen? Five diagnostics for each world: the RMSE before week 20, the spread of
# leave-one-out, the largest weight, and two **placebos in time**: pretend that the upgrade came in week 10, use weeks
# 0–19 alone, and look for an effect where there was none. The one is by synthetic control, the other by
# difference-in-differences with its interval; we note how often the latter excludes zero.
#
# **Predict, then run.** Which of the five would warn of the contaminated donors, which of the level below the hull,
# which of the trend? Write the names, or "none", beside each.

# %%
def symptoms(panel):
    """RMSE before, range of leave-one-out, largest weight, placebo in time of SC, of DiD, alarm."""
    g, w = synthetic_control(panel)
    left_out = leave_one_out(panel)
    half = START // 2
    early, _, low, high = did_interval(panel[:START], half)
    return [np.mean(g[BEFORE] ** 2) ** 0.5, np.ptp(left_out), w.max(), sc(panel[:START], half),
            early, low > 0 or high < 0]  # fmt: skip


# %%
looks = {world: np.mean([symptoms(one) for one in panels], axis=0)
         for world, panels in failing.items()}  # fmt: skip
rows = ["RMSE before", "LOO range", "max weight", "in-time SC", "in-time DiD", "DiD alarm"]
means = pd.DataFrame({world: e.mean(axis=0) for world, e in estimates.items()}, index=list(three))
print("mean estimates (truth 0.05)")
display(means.T.map("{:+.3f}".format))
print("mean diagnostics")
display(pd.DataFrame(looks, index=rows).T.map("{:.3f}".format))
print(f"3: weight of the heaviest donor {weight_hit:.3f} x 0.15 = {0.15 * weight_hit:.3f}; "
      f"it moves leave-one-out most in {caught:.0%} of the panels")  # fmt: skip
for world in ("as assumed", "1 contaminated donors"):
    own = changes(failing[world])[:, WAVE_1:].mean(axis=1)
    print(f"{world:<22} donors, after - before: mean {own.mean():+.3f}, SD {own.std(ddof=1):.3f}")
if published:
    m, s = means.to_numpy(), np.array(list(looks.values()))
    assert np.all(np.abs(m[:, 1] - 0.03) < 0.004) and abs(s[1, 0] - s[0, 0]) < 0.001
    assert abs(m[0, 2] + 0.10) < 0.004 and np.all(np.abs(m[1:, 2] - 0.05) < 0.004)
    assert s[2, 2] < 0.45 and abs(s[2, 3] + 0.15) < 0.01 and np.all(m[:, 3] > 0.10)
    assert 0.7 < s[3, 5] < 0.9 and caught > 0.85 and abs(own.mean() - 0.02) < 0.004

# %% [markdown]
# 1. **Contaminated donors** cost 2 of 5 points, with every estimator. Most people name the RMSE or leave-one-out: bad
#    donors should fit badly, or disagree. But RMSE, leave-one-out, largest weight and placebos in time all look as they
#    do in a healthy world: contamination happens *after* week 20 and to *all* donors. The donors' own before-and-after
#    shows the 2 points on average, but it varies by nearly as much from season to season. So do not look for it in the
#    outcome: look up in the exposure logs who really was served by which model.
# 2. **Outside the hull**, synthetic control is off by the whole offset, −15 points, and turns a gain into a loss. The
#    estimators with an intercept do not care. The RMSE is eight times the usual, and the placebo in time finds "an
#    effect" of −15 points in weeks when nothing happened. **The article says** that a donor weight above 80 % warns of
#    a bad hull. The largest weight averages under 0.45 here: that light stays dark. A **trend of its own** is the
#    failure of the *repairs*: all three estimators say 11 points where there are 5. The placebo in time sounds the
#    alarm in about four panels out of five.
# 3. **A donor's shock** moves the estimate by weight times shock. This is what leave-one-out is for, and it names the
#    culprit nearly always. Difference-in-differences, with equal weights of 1/25, hardly feels it.
# 4. **Too few weeks.** Cut the panels "as assumed" to their last 3, 5, 10 or 20 weeks before the upgrade:

# %%
print("weeks   RMSE before   RMSE after   mean estimate   SD")
short = {}
for T in (3, 5, 10, START):
    g = np.array([synthetic_control(one[START - T :], T)[0] for one in failing["as assumed"]])
    fit = np.mean(g[:, :T] ** 2, axis=1) ** 0.5
    miss = np.mean((g[:, T:] - World.rollout_effect) ** 2, axis=1) ** 0.5
    late = g[:, T:].mean(axis=1)
    short[T] = [fit.mean(), miss.mean(), late.mean(), late.std(ddof=1)]
    print(f"{T:>5}" + "   {:>11.3f}   {:>10.3f}   {:>13.3f}   {:.3f}".format(*short[T]))
if published:
    assert short[3][0] < 5e-4 and short[3][1] > 1.3 * short[20][1] and short[3][3] > 0.02
    assert all(abs(row[2] - 0.05) < 0.004 for row in short.values())

figure, axes = plt.subplots(figsize=(8, 3.4))
style = {"synthetic control": ("s", "white"), "demeaned SC": ("D", "white"),
         "DiD": ("o", COLOR["estimate"])}  # fmt: skip
for row, values in enumerate(estimates.values()):
    for k, (name, (marker, inside)) in enumerate(style.items()):
        centre, spread = 100 * values[:, k].mean(), 100 * values[:, k].std(ddof=1)
        axes.errorbar(centre, -row + 0.2 - 0.2 * k, xerr=spread, fmt=marker, mfc=inside,
                      color=COLOR["estimate"], label=name if row == 0 else None)  # fmt: skip
axes.axvline(100 * World.rollout_effect, color=COLOR["truth"], lw=6, alpha=0.35, zorder=0)
axes.text(100 * World.rollout_effect + 0.3, 0.55, "truth", color=COLOR["truth"])
axes.set_yticks(-np.arange(len(estimates)), list(estimates))
axes.set(xlabel="estimate (pp): mean and standard deviation over fresh panels", ylim=(-4.6, 0.9))
axes.legend(frameon=False, loc="lower left")
show(figure, "failures",
     "Mean and spread of three estimators in five worlds. As assumed, all are at the truth of 5. "
     "With contaminated donors all are at 3. Outside the hull synthetic control is at -10, the "
     "others at 5. With a trend all are at 11. With a donor's shock two are at 8.")  # fmt: skip

# %% [markdown]
# *Figure 6. No estimator survives everything. An intercept (diamonds, dots) repairs a level difference; nothing here
# repairs contamination or a trend.*
#

# %% [markdown]
# With 25 donors and 3 weeks the fit is *perfect* before, and worst after: 25 weights can imitate any three numbers,
# noise included. **The article says** that this overfitting biases the estimate. It does not: the mean stays at 5
# points in every row. What grows is the variance, and a confidence for which there is no ground, because the RMSE
# before falls to zero. Judge a fit in weeks that it has not seen.

# %% [markdown]
# ## 10. What you would ship
#
# Start from the design. Wave 2 is a holdout, so the primary analysis is difference-in-differences over 50 workspaces,
# with an interval that counts workspaces; and it comes with evidence for its assumption, that the waves would have
# moved in parallel. On the panel, with a permutation p-value and a placebo in time; then as an **event study**, which
# shows the same week by week: the difference between the waves relative to their difference before week 20. To the left
# of the line it should be noise around zero, without a slope; to the right it shows the effect.

# %%
estimate, se, low, high = map(float, did_interval(panel))
p_did = float(permutation_p(panel, np.random.default_rng([SEED_STUDY, 60]), B_PERMUTATIONS))
early, _, early_low, early_high = did_interval(panel[:START], START // 2)
print(f"DiD {estimate:.4f} (SE {se:.4f}) [{low:.3f}, {high:.3f}], permutation p {p_did:.3f}")
print(f"as if in week {START // 2}: {early:+.4f} [{early_low:.3f}, {early_high:.3f}]")
if published:
    assert low < truth < high and early_low < 0 < early_high and round(estimate, 4) == 0.0483


# %%
def event_study(panel, start=START):
    """Weekly wave difference relative to the mean before, and its standard error: (2, weeks)."""
    relative = panel - panel[:start].mean(axis=0)
    a, b = relative[:, :WAVE_1], relative[:, WAVE_1:]
    se = np.sqrt(a.var(axis=1, ddof=1) / a.shape[1] + b.var(axis=1, ddof=1) / b.shape[1])
    return np.array([a.mean(axis=1) - b.mean(axis=1), se])


weekly, weekly_se = 100 * event_study(panel)
figure, axes = plt.subplots(figsize=(8, 3.3))
bar = stats.t.ppf(0.975, WORKSPACES - 2) * weekly_se
axes.errorbar(week, weekly, bar, fmt="o", color=COLOR["estimate"], ms=4, elinewidth=0.8)
axes.axhline(0, color="#BBBBBB", lw=0.8)
axes.axvline(START - 0.5, color="#BBBBBB", ls=":")
axes.hlines(100 * truth, START - 0.5, WEEKS - 0.5, color=COLOR["truth"], lw=6, alpha=0.35)
axes.hlines(100 * estimate, START - 0.5, WEEKS - 0.5, color=COLOR["estimate"], lw=1.5)
axes.text(WEEKS - 0.2, 100 * truth + 0.4, "truth", color=COLOR["truth"])
axes.text(WEEKS - 0.2, 100 * estimate - 1.6, "DiD", color=COLOR["estimate"])
axes.set(xlabel="sign-up week", ylabel="wave 1 − wave 2,\nrelative to weeks 0–19 (pp)")
show(figure, "event_study",
     "Event study: thirty weekly differences between the waves with 95 % intervals. Before week 20 "
     "they scatter around zero without a trend; from week 20 on nearly all lie above zero, around "
     "the line of the estimate at 4.8 points, next to the truth at 5.")  # fmt: skip


# %% [markdown]
# *Figure 7. Event study with 95 % intervals per week (50 workspaces). Weeks 0–19: no drift. Weeks 20–29: the estimate
# (black line) and the truth (green).*
#
# **Without a holdout**, when a single country or customer was treated, synthetic control is the tool, in its demeaned
# form, with a placebo in time and a look at the mean gap before (Abadie 2021 has the full list). For an interval, one
# that needs no other units: **conformal inference** (Chernozhukov, Wüthrich and Zhu 2021). For each candidate effect,
# remove it from wave 1, refit on all 30 weeks, and ask whether the residuals of weeks 20–29 stand out among all cyclic
# shifts of the residuals. The interval is the set of effects that do not stand out. Two more rows complete the table of
# what one would report: synthetic DiD, and the regression that most teams run, users with workspace and week effects
# (statsmodels, standard errors clustered by workspace).

# %%
def conformal_p(panel, effect, start=START):
    """p-value of a constant effect: demeaned fit to all weeks, cyclic shifts of the residuals."""
    y, D = sides(panel)
    y = y - effect * (np.arange(len(y)) >= start)
    y, D = y - y.mean(), D - D.mean(axis=0)
    u = y - D @ simplex_weights(y, D)
    shifted = np.array([abs(np.roll(u, s)[start:].sum()) for s in range(len(u))])
    return np.mean(shifted >= shifted[0] - 1e-9)


grid = np.arange(-60, 161, 5) / 1000
kept = grid[[conformal_p(panel, tau) > 0.05 for tau in grid]]
in_time = demeaned_sc(panel[:START], START // 2)
print(f"demeaned SC {found['demeaned SC']:.4f}, conformal [{kept.min():.3f}, {kept.max():.3f}], "
      f"as if in week {START // 2}: {in_time:+.4f}")  # fmt: skip
se_sdid = sdid_bootstrap(panel, np.random.default_rng([SEED_STUDY, 61]), B_BOOTSTRAP)
print(f"synthetic DiD {found['synthetic DiD']:.4f}, SE {se_sdid:.4f} (workspace bootstrap)")
import statsmodels.formula.api as smf

users = logs.loc[logs["signup_week"] < WEEKS, columns]
fit = smf.ols("task_completed ~ C(workspace_id) + C(signup_week) + treated_post", users).fit(
    cov_type="cluster", cov_kwds={"groups": users["workspace_id"]})  # fmt: skip
twfe, twfe_se = fit.params["treated_post"], fit.bse["treated_post"]
print(f"users, two-way fixed effects {twfe:.4f}, SE {twfe_se:.4f} (clustered by workspace)")
if published:
    assert kept.min() < 0 < truth < kept.max()
    assert (round(twfe, 4), round(twfe_se, 4)) == (0.0522, 0.0113)

# %% [markdown]
# The conformal interval is honest and wide: without a holdout, 30 weeks do not even exclude zero. The placebo in time
# says the same in another way: as if in week 10, when nothing happened, the demeaned estimate is +0.0243, half of the
# true effect from noise alone. That is what the design of a staged rollout is worth. Synthetic DiD and the regression
# on users agree with plain DiD within their standard errors.
#
# **The library.** `pysyncon` fits the same synthetic control. It divides each week by its standard deviation over the
# workspaces and weights the weeks by $V$; with $V$ equal to those variances it solves our problem.

# %%
from pysyncon import Dataprep, Synth

wide = pd.DataFrame(donors, columns=[f"workspace {WAVE_1 + j}" for j in range(donors.shape[1])])
wide.insert(0, "wave 1", y)
dataprep = Dataprep(
    foo=wide.rename_axis("week").reset_index().melt("week", var_name="unit", value_name="rate"),
    dependent="rate", unit_variable="unit", time_variable="week", predictors=["rate"],
    predictors_op="mean", time_predictors_prior=range(1),  # week 0, and the others one by one:
    special_predictors=[("rate", [t], "mean") for t in range(1, START)],
    treatment_identifier="wave 1", controls_identifier=list(wide)[1:],
    time_optimize_ssr=range(START),
)  # fmt: skip
library, variances = {}, 1e4 * wide[:START].var(axis=1).to_numpy()  # 1e4: else SLSQP stops early
for name, V in (("V = variances", variances), ("V = 1", np.ones(START))):
    model = Synth()
    model.fit(dataprep, custom_V=V)
    library[name] = float((y - donors @ model.weights(round=12).to_numpy())[AFTER].mean())
    print(f"pysyncon, {name}: {library[name]:.3f}")
if published:
    assert abs(library["V = variances"] - gap) < 5e-4 and library["V = 1"] > 0.07

# %% [markdown]
# Changing the package does not change the bias. Changing a *default* may change the answer, for no good reason. Here is
# the ridge-augmented estimator on these logs for four penalties:

# %%
for ridge in (1e-6, 0.01, 0.1, 1.0):
    here_now = augmented_sc(panel, ridge=ridge)
    by_ridge = np.array([augmented_sc(one, ridge=ridge) for one in worlds["offset 0.04"]])
    print(f"ridge {ridge:<8g} these logs {here_now:+.3f}   {N_PANELS} panels: "
          f"mean {by_ridge.mean():.3f}, SD {by_ridge.std(ddof=1):.3f}")  # fmt: skip
    error = by_ridge.std(ddof=1) / N_PANELS**0.5
    assert not published or abs(by_ridge.mean() - 0.09) < 4 * error

# %% [markdown]
# From 1.7 to 8.2 points on the same data. A reader who picks a penalty by the answer can have any answer; the mean over
# fresh panels is 9 points for each. Look at the penalty before you look at the estimate.
#
# **The report**, two sentences from computed values:

# %%
points = [f"{100 * value:.1f}" for value in (estimate, low, high, early, early_low, early_high)]
print("""The upgrade raised task completion in wave 1 by {} percentage points (95 % interval {} to {}),
comparing the change of its 25 workspaces with that of the 25 that waited. This supposes that the
waves would have moved in parallel; in the weeks before, nothing speaks against it (as if in
week 10: {} points, {} to {}).""".format(*points))
headline = {"decision": "did the model upgrade raise completion?", "estimate": estimate, "lo": low,
            "hi": high, "method": "difference-in-differences", "naive": float(naive),
            "truth": truth, "unit": "pp"}  # fmt: skip

# %% [markdown]
# ## Key ideas
#
# - A synthetic control is an average of donors. It can match what lies in their hull, and nothing else.
# - If the treated unit sits a constant above the donors, the gap estimates effect **plus** constant, for any weights
#   that sum to one and any number of users.
# - The mean gap before the treatment is the first thing to print. It has to be zero within its noise.
# - Leave-one-out finds a donor that misleads, not a bias that all donors share. A placebo test needs placebos that are
#   like the treated unit. A bootstrap knows the spread, not the bias.
# - An intercept repairs a level; nothing but evidence from before (a placebo in time) speaks about trends, and nothing
#   but exposure logs about contamination.
# - A staged rollout is a design. Use its holdout before you construct one.
#
# **Next:** [05](../05_cluster_randomization/cluster_randomization_demo.ipynb), the same workspaces, but now the
# treatment leaks from treated to control users.
#
# ## References
#
# - Abadie, A., Diamond, A. and Hainmueller, J. (2010). Synthetic control methods for comparative case studies. *JASA*
#   105(490). doi:10.1198/jasa.2009.ap08746
# - Abadie, A. (2021). Using synthetic controls: feasibility, data requirements, and methodological aspects. *Journal of
#   Economic Literature* 59(2). doi:10.1257/jel.20191450
# - Doudchenko, N. and Imbens, G. W. (2016). Balancing, regression, difference-in-differences and synthetic control
#   methods: a synthesis. NBER Working Paper 22791. doi:10.3386/w22791
# - Ferman, B. and Pinto, C. (2021). Synthetic controls with imperfect pretreatment fit. *Quantitative Economics* 12(4).
#   doi:10.3982/QE1596
# - Arkhangelsky, D., Athey, S., Hirshberg, D. A., Imbens, G. W. and Wager, S. (2021). Synthetic
#   difference-in-differences. *American Economic Review* 111(12). doi:10.1257/aer.20190159
# - Ben-Michael, E., Feller, A. and Rothstein, J. (2021). The augmented synthetic control method. *JASA* 116(536).
#   doi:10.1080/01621459.2021.1929245
# - Chernozhukov, V., Wüthrich, K. and Zhu, Y. (2021). An exact and robust conformal inference method for counterfactual
#   and synthetic controls. *JASA* 116(536). doi:10.1080/01621459.2021.1920957
# - The article that this notebook follows: Paul, R. (2026). [Product experimentation with synthetic
#   control](https://www.freecodecamp.org/news/product-experimentation-with-synthetic-control-causal-inference-for-global-llm-rollouts-in-python).
#   freeCodeCamp.
#
# ## On your own
#
# 1. **Change a constant** (5 minutes). Draw `fresh(100, 200, offset=0.08)` and average `sc` (one panel at a time) and
#    `did` (all at once) over the panels. Predict both first. You are right if your averages are within 0.004 of 0.13
#    and of 0.05.
# 2. **Break an assumption** (15 minutes). A second launch hits wave 1 alone in week 25:
#    `fresh(102, 200, extra=second)`, where `second` (30 weeks × 50 workspaces) is 0.06 for wave 1 in weeks 25–29 and 0
#    elsewhere. What do `did` and `demeaned_sc` say, and does the placebo in time, `did_interval(panel[:20], 10)` for
#    each panel, see it? You are right if both average between 0.075 and 0.085, and the placebo's interval excludes zero
#    in under 10 % of the panels. Why can no check on earlier weeks help, and what in Figure 7 would? Look at
#    `event_study(panels.mean(axis=0))`: from weeks 20–24 to weeks 25–29 it should rise by 0.055 to 0.065.
# 3. **Design something new** (15 minutes). Choose which 25 workspaces go first *by a coin* rather than taking the first
#    25. In the panels of `fresh(101, 200, effect=0.0)` the offset belongs to 25 workspaces, wherever they go. For each
#    panel, permute the workspaces at random (`panel[:, order]`), add 0.05 to weeks 20–29 of the 25 that now come first,
#    and average `sc`. You are right if the mean is within 0.005 of 0.05: a coin turns the bias into noise (how much,
#    says the SD). Why do the donors now lie on both sides of the average that they have to match?
