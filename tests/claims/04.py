"""Claims of notebook 04: synthetic control."""

import numpy as np
from claim_tools import ROOT, Claim, Everywhere, Fixed, nb
from generate_data import World
from scipy import stats

import run

W = World()

ROWS = run.ledger(next(ROOT.glob("04_*/*_demo.ipynb")))
BUILT, LOGIC, STORY = "how the notebook is built", "follows from the definition", "the story of the notebook"
PUBLISHED = {"did": -27.349, "sc": -19.62, "shifted": -11.105, "sdid": -15.604}  # R's synthdid, Arkhangelsky et al. 2021
PER_CELL = 50_000 / (W.n_weeks * W.n_workspaces)  # users


def shown():
    """(naive, estimate with interval, truth) as the series shows them."""
    return run.shown(nb("04")["headline"])


def p_joint():
    """p-value of the joint test with F(19, 30)."""
    return stats.f.sf(nb("04")["F"], 19, 30)


def largest_error():
    """Monte Carlo error of the mean of DiD in the tables of section 8."""
    tutorial = nb("04")
    change = tutorial["healthy"][:, 20:].mean(axis=1) - tutorial["healthy"][:, :20].mean(axis=1)
    gap = change[:, :25].mean(axis=1) - change[:, 25:].mean(axis=1)
    return gap.std(ddof=1) / np.sqrt(len(gap))


def mean_of(table, world, method):
    """Mean estimate of a method over fresh datasets, in points."""
    return 100 * nb("04")["results"][world].loc[method, "mean"]


def past_misfit(weights=25):
    """How far equal weights miss if the waves are alike, from the formula in section 5."""
    p = nb("04")["own_level"]
    return (2 * p * (1 - p) / (weights * PER_CELL)) ** 0.5


CLAIMS = [
    # constants of the design
    Fixed("wave 1", "wave 2", "(wave 1)", why="the names of the two waves"),
    Everywhere("week {START}", "weeks {START} to {WEEKS - 1}", "weeks {week[0]} to {START - 1}", "in week {START}"),
    Everywhere("{WAVE_1.sum()} workspaces", "week {START // 2}"),
    # the first page
    Claim("The model upgrade came, and completion rose", when="naive > 0"),
    Fixed("A mixture is never brighter than the brightest of its pots", "If the old wall was brighter than all of them, the difference "
          "holds two things", "how much brighter it has become", why=STORY),
    Claim("A model upgrade reached {WAVE_1.sum()} workspaces (wave 1) in week {START}, and task completion rose there. The other "
          "{(~WAVE_1).sum()} (wave 2) got it {words(WEEKS - START)} weeks later, so we can mix from them a wave 1 that never had it",
          when="naive > 0 and 1 < 2"),
    Fixed("the better model doubles the bill", why=STORY),
    Claim("the gaps average {100 * level:+.1f} points before week {START}, when nobody had the upgrade, and {100 * gap:+.1f} after"),
    Claim("a constant subtracted: {abs(levels[0]):.0f} before and {100 * did:+.1f} after, next to the truth of {100 * truth:.0f}",
          when="about(levels[1], 100 * did, 0.001)"),
    Claim("On the left the gap is there before the upgrade is", when="level > 0.02 and p_sign < 0.05"),
    Claim("| your dashboard: wave 1, weeks {START}–{WEEKS - 1} minus weeks {week[0]}–{START - 1} | {shown()['naive']} |", when="WAVE_1[1] == 1"),
    Claim("| synthetic control as published, with its 95 % interval | {100 * gap:+.1f} pp [{100 * low:.1f}, {100 * high:.1f}] |"),
    Claim("| estimate: difference-in-differences, 95 % interval | {shown()['estimate']} |"),
    Claim("| truth, which we know because these logs are simulated | {shown()['truth']} |"),
    Claim("The elaborate method is further from the truth than the two simple ones, and its interval leaves the truth out",
          when="abs(gap - truth) > max(abs(naive - truth), abs(did - truth)) and not low <= truth <= high and 2 == len([naive, did])"),
    Claim("it is [{100 * welch.low:.1f}, {100 * welch.high:.1f}]. Section 7 shows why the wider one ships",
          when="result.hi - result.lo > welch.high - welch.low"),
    Fixed("In ten minutes: this page, Figures 2 and 5, Key ideas. With care: 50 minutes", "under 20 seconds", "(freeCodeCamp, 2026)",
          "which check sees a bad fit and which cannot, and what an interval for two waves must allow for", why=BUILT),
    Claim("track down the {100 * (gap - truth):.0f} surplus points; repair the method in {words(3)} ways, then break the repairs",
          when="3 == len([name for name in ('with an intercept', 'synthetic DiD', 'DiD') if name in found])"),
    Fixed("In notebook 03 a threshold", "so that the comparison has to run over time", why=STORY),
    # 1 and 2
    Claim("Completion is 1 if the user's task was done. Nobody has the upgrade in weeks {week[0]} to {START - 1}. In weeks {START} to "
          "{WEEKS - 1} wave 1 (workspaces 0 to {WAVE_1.sum() - 1}) has it and wave 2 ({WAVE_1.sum()} to {len(WAVE_1) - 1}) does not. From week "
          "{WEEKS} on everybody has it",
          when="set(logs['task_completed']) == {0, 1} and set(logs.loc[logs['wave'] == 1, 'workspace_id']) == set(range(25))"),
    Claim("The dashboard says {100 * naive:.1f} points, and the truth is {100 * truth:.1f}"),
    Claim("without the upgrade wave 1 would have risen by {100 * anyway:.1f} points all the same, and chance took "
          "{100 * (truth + anyway - naive):.1f} of them back", when="anyway > 0 and naive < truth + anyway"),
    Claim("By {100 * astray:.1f} points, up or down, in a world in which nothing else was launched. This draw was lucky",
          when="abs(naive - truth) < 0.2 * astray"),
    # 3 the idea
    Claim("The idea, on {words(len(ten))} weeks and {words(ten.shape[1] - 1)} workspaces"),
    Claim("Completion by week and workspace makes a table of {len(rates)} by {rates.shape[1]}. Here are {words(len(ten))} weeks of it: wave 1, "
          "which is the mean of its {WAVE_1.sum()} workspaces, and {words(ten.shape[1] - 1)} workspaces of wave 2",
          when="np.allclose(ten['wave 1'], rates[15:25, :25].mean(axis=1)) and 2 == 26 - 24"),
    Claim("A workspace has {PER_CELL:.0f} new users a week, and its completion often jumps by ten points and more from one week to the "
          "next. None of the {words(ten.shape[1] - 1)} resembles wave 1", when="np.median(abs(np.diff(rates, axis=0))) > 0.10"),
    Claim("Try every recipe in steps of a tenth, three parts of this one and seven of that",
          when="len(recipes) == 66 and round(min(recipes[recipes > 0]) * 10) == 1"),
    Fixed("and keep the one that follows wave 1 best", why=LOGIC),
    Claim("$T_0 = {START}$ weeks before the upgrade"),
    Fixed("Weights that obey both conditions", "between the lowest donor and the highest", "all that such averages can reach", why=LOGIC),
    Fixed("the treated curve runs inside a fan of seven donors", "then a gap of 5 points opens", "above the fan; the best mixture is the "
          "highest donor", "Both treated curves rise by the same 5 points in week 20. Left, the shaded gap is these 5 points",
          why="how the cell draws the made-up curves"),
    # 4 the case
    Claim("The case for {words(100 * gap)} points"),
    Fixed("An optimiser finds the best one", why=LOGIC),
    Claim("With {D.shape[1]} donors there are too many recipes to try"),
    Claim("Half of the donors get no weight, which is typical, and the heaviest has a fifth. Before week {START} the mixture misses wave 1 "
          "by {100 * rmse:.1f} points", when="about(len(used) / D.shape[1], 1 / 2) and about(w.max(), 1 / 5, 0.05) and WAVE_1[0] == 1"),
    Claim("After it, wave 1 is {100 * gap:.1f} points above the mixture", when="gap > 0 and WAVE_1[0] == 1"),
    Claim("mix it from the other {D.shape[1] - 1}"),
    Fixed("where there is nothing to find", "which finds the same weights", why=LOGIC),
    Claim("the rank of the real gap among all {1 + placebo.shape[1]}"),
    Claim("{capital(words(len(used)))} donors have weight. What are the smallest and the largest of the {words(len(used))} new gaps? Does the "
          "truth, {100 * truth:.0f} points, lie between them"),
    Claim("Dropping a donor moves the gap by {100 * abs(without[used] - gap).max():.1f} points at most"),
    Claim("But the range runs from {100 * without[used].min():.1f} to {100 * without[used].max():.1f}, and {100 * truth:.0f} is not in it",
          when="not without[used].min() <= truth <= without[used].max()"),
    Fixed("If all donors miss in the same way", "what nothing can shake must be right", why=LOGIC),
    Claim("The article draws the {len(logs):,} users with replacement, {len(bootstrapped)} times"),
    Claim("wave 1 lies above it in most weeks before week {START}, and in all weeks after. Right: gaps by week; the thick line of wave 1 "
          "stays within {100 * abs(gaps).max():.0f} points, while the thin lines of {placebo.shape[1]} placebos swing by 30 points and more",
          when="positive > 10 and (gaps[20:] > 0).all() and np.ptp(placebo, axis=0).min() > 0.30 and WAVE_1[1] == 1"),
    Claim("the gaps of wave 1 and of the {placebo.shape[1]} placebos. Look at the weeks before {START} on the left, and at how unlike the "
          "lines on the right are: both will matter", when="placebo[START:].std() > 2 * gaps[START:].std() and WAVE_1[0] == 1"),
    Claim("{capital(words(100 * gap))} points, a p-value of {pseudo_p:.2f}, no donor on which it hangs, an interval that stays far above zero",
          when="low > 0.05"),
    Claim("The truth is {100 * truth:.0f}, below all of it", when="truth < min(low, without[used].min(), gap)"),
    Fixed("A report with these four lines", "puts it down to a finite-sample bias of small donor panels", "one number printed in this section",
          why=STORY),
    # 5 three points
    Claim("Where do {words(100 * (gap - truth))} points come from"),
    Claim("$n = {PER_CELL:.0f}$ users in each of {WAVE_1.sum()} cells, even equal weights would miss by about "
          r"$\sqrt{{2 p (1 - p) / ({WAVE_1.sum()} n)}}$, and the best weights by less", when="about(alike, past_misfit(), 0.001)"),
    Fixed("Clue three", "Clue two", "the gaps should scatter around zero", why=LOGIC),
    Claim("Before anything happened, wave 1 was {100 * level:.1f} points above its supposed twin, and above it in {positive} weeks of {START}",
          when="level > 0 and WAVE_1[0] == 1"),
    Claim("It was above every donor", when="own_level > donor_levels.max()"),
    Claim("the best mixture fits worse than a plain average should, so that {100 * rmse:.1f} points, printed in section 4, was a lot",
          when="rmse > alike"),
    Claim("In this world wave 1 completes {100 * W.wave_offset:.0f} points more often than wave 2, in all weeks", when="W.wave_offset > 0 and 1 < 2"),
    Fixed("weights that sum to one", why=LOGIC),
    Claim("{100 * EFFECT:.0f} points of upgrade and {100 * W.wave_offset:.0f} of enthusiasts"),
    Claim("so the gap there is {100 * level:.1f} and not {100 * W.wave_offset:.0f}. That luck ends in week {START}, and subtracting "
          "{100 * level:.1f} from {100 * gap:.1f} is no repair either", when="level < W.wave_offset"),
    Fixed("So a fresh table takes two draws", "If the sample is too small, a larger one is the cure", why=LOGIC),
    Claim("Where will the average of {N_TESTS} estimates lie with {len(logs):,} users, with {larger['500,000 users']['users']:,}, and with "
          "{larger['200 donors']['donors']} donors in place of {WAVE_1.sum()}"),
    Claim(r"At {100 * (EFFECT + W.wave_offset):.0f} points, $\tau + \alpha$, in all {words(len(more))}",
          when="all(abs(mean - 0.09) < 3 * error for mean, error in more.values())"),
    Claim("the average comes nearer to {100 * EFFECT:.0f}, since more data surely help"),
    Claim("an interval from ten times the users would be narrower around the wrong place",
          when="larger['500,000 users']['users'] / len(logs) == 10 and more['500,000 users'][1] < more['50,000 users'][1]"),
    # 6 repairs
    Claim("{capital(words(3))} repairs", when="3 == len([k for k in found if k in ('with an intercept', 'synthetic DiD', 'DiD')])"),
    Fixed("All three let the two sides differ", "Compare the changes of the two waves", "none of them has to be weighted", why=LOGIC),
    Claim("in weeks {START} to {WEEKS - 1} wave 2 is a holdout, of {(~WAVE_1).sum()} workspaces", when="len(WAVE_1) == 2 * 25"),
    Fixed("for no few donors deserve all the trust", "times the fourth root of the number", "And one that is none", "They still sum to one",
          why="as the cited papers define it"),
    Fixed("lets weights turn negative", why="as the cited paper defines it"),
    Claim("The repairs lie around {100 * truth:.0f}, the intercept alone at the low end with {100 * found['with an intercept']:.1f}",
          when="found['with an intercept'] < min(found['DiD'], found['synthetic DiD']) and max(found['DiD'], found['synthetic DiD']) < 0.055"),
    Claim("The augmented estimator runs from {100 * by_ridge[0]:.1f} to {100 * by_ridge[-1]:.1f} points with its penalty",
          when="by_ridge == sorted(by_ridge)"),
    Claim("another package does not change the bias", when="library > 0.075"),
    Claim("mostly above zero before week {START}, mean {100 * level:.1f}, and {100 * gap:.1f} after, above the truth of {100 * truth:.0f}. "
          "Right, to wave 2, a constant subtracted: around zero, then {100 * did:.1f}", when="positive > 10 and gap > truth and "
          "abs(levels[0]) < 0.01 < 2"),
    Fixed("The same wave 1 against two comparisons", why="the two panels of Figure 3"),
    Claim("On the left the hollow bars already lean upwards", when="level > 0.02"),
    # 7 honest?
    Claim("Here are {N_PANELS} fresh ones with the offset of {100 * W.wave_offset:.0f} points, and {N_PANELS} without; the effect is "
          "{100 * EFFECT:.0f} points in all", when="all(len(tables) == N_PANELS for tables in worlds.values())"),
    Claim("With the offset, synthetic control centres on {mean_of(0, 'offset 0.04', 'synthetic control'):.0f} points, and its augmented cousin, "
          "too", when="round(mean_of(0, 'offset 0.04', 'ridge-augmented')) == round(100 * (EFFECT + 0.04))"),
    Claim("Without it both are right. The estimators with an intercept are right in both worlds and do not notice the offset",
          when="(abs(results['no offset']['mean'] - EFFECT) < 0.002).all() and (abs(results['offset 0.04']['mean'][2:] - EFFECT) < 0.002).all()"),
    Claim("DiD has the smallest RMSE", when="all(table['RMSE'].idxmin() == 'DiD' for table in results.values())"),
    Claim("In Failure 5 they differ by more, and mixing earns its keep",
          when="abs(short['mean estimate']['campaign', 20] - EFFECT) < abs(short['DiD']['campaign', 20] - EFFECT)"),
    Claim("the misfit before week {START} in the {N_PANELS} datasets without an offset"),
    Claim("difference-in-differences centres on the truth of {100 * EFFECT:.0f} points, synthetic control on "
          "{mean_of(0, 'offset 0.04', 'synthetic control'):.0f}, with little overlap. Right, without it: the misfit before week {START} is "
          "around {100 * np.median(healthy_misfit):.1f} points, and never as large as the {100 * rmse:.1f} points of these logs",
          when="healthy_misfit.max() < rmse and abs(results['offset 0.04'].loc['DiD', 'mean'] - EFFECT) < 0.002"),
    Fixed("Two histograms", why="Figure 4"),
    Claim("estimates from {N_PANELS} fresh datasets of this world. Right: the misfit before week {START} in {N_PANELS} without an offset"),
    Claim("Not one of {N_PANELS} healthy datasets has a misfit of {rmse:.3f}, the number that section 4 printed first; "
          "{np.median(healthy_misfit):.3f} is usual", when="healthy_misfit.max() < rmse and len(healthy_misfit) == N_PANELS"),
    Fixed("its authors give three standard errors", "placebos, which need more donors than treated units", why="Arkhangelsky et al. 2021"),
    Claim("an interval that holds the truth in three datasets of ten, because it stands in the wrong place. An effect moves the gap one "
          "for one, so in the other seven it would exclude zero",
          when="round(10 * covers['synthetic control, users'][0]) == 3 and 10 - 3 == 7"),
    Claim("The t interval over workspaces holds what it promises. So does one that counts users",
          when="abs(covers['DiD, t over workspaces'][0] - 0.95) < 0.02 and abs(covers['DiD, counting users'][0] - 0.95) < 0.02"),
    Claim("Of the two for synthetic DiD, the jackknife is somewhat too short",
          when="covers['synthetic DiD, jackknife'][0] < 0.92 and 2 == sum('synthetic DiD' in name for name in covers)"),
    Fixed("There is one more thing that real products have", "Such a shock is noise of the wave, and no number", why=STORY),
    Claim("to wave 1 alone or to each wave, an AR(1) shock like the season's, of its size or twice that",
          when="list(struck.values())[1:] == [(1, 0), (1, 1), (2, 2)]"),
    Claim("With nothing shared the t interval covers 95 %. How much is left", when="abs(survives.loc['coverage, t', 'nothing'] - 0.95) < 0.02"),
    Fixed("Two hundred intervals each", "Right, intervals that allow for shared shocks", why="the slice in the cell that draws"),
    Claim("many of those at both ends miss the truth of {100 * EFFECT:.0f} points. Right, intervals that allow for shared shocks: they are "
          "wider and few miss it", when="survives.loc['coverage, t', 'each wave'] < 0.85 and survives.loc['coverage, shared', 'each wave'] > "
          "0.9 and survives.loc['width, shared', 'each wave'] > survives.loc['width, t', 'each wave']"),
    Claim("A shock to wave 1 alone brings the t interval down to {survives.loc['coverage, t', 'wave 1']:.2f}; one to each wave to "
          "{survives.loc['coverage, t', 'each wave']:.2f}, and a permutation test at 5 % then rejects in "
          "{100 * survives.loc['permutation test rejects', 'each wave']:.0f} %", when="1 > 0.05 < survives.loc['permutation test rejects', 'each "
          "wave']"),
    Claim("The interval for shared shocks covers {survives.loc['coverage, shared', 'each wave']:.2f} there, and "
          "{survives.loc['coverage, shared', 'each, twice as hard']:.2f} where they are twice as large", when="struck['each, twice as hard'] == (2, 2)"),
    Claim("There it covers nearly always ({survives.loc['coverage, shared', 'nothing']:.3f}) and is a third wider. For two waves in a real product",
          when="about(survives.loc['width, shared', 'nothing'] / survives.loc['width, t', 'nothing'], 4 / 3, 0.03) and 2 == len(struck['nothing'])"),
    Claim("A test at the 5 % level may reject in 5 % of the worlds without an effect", when="0.05 == round(1 - result.level, 2)"),
    Fixed("The third test", "to allow for donors that fit badly anyway", why=LOGIC),
    Claim("random sets of {WAVE_1.sum()} workspaces play wave 1", when="WAVE_1[0] == 1"),
    Claim("an average of {WAVE_1.sum()} workspaces with single ones, which are several times as noisy",
          when="placebo.std() > 2 * gaps.std()"),
    Claim("it finds the effect in {100 * rejects.loc['effect 0.05, offset 0.0', 'placebo, mean gap']:.0f} % of the datasets. In these logs it "
          "says {pseudo_p:.4f} because of the bias", when="rejects.loc['effect 0.05, offset 0.0', 'placebo, mean gap'] < 0.1"),
    Claim("without an effect and without an offset it rejects in six datasets of ten, since an average fits its past better than single "
          "workspaces can; with the offset in a quarter", when="round(10 * rejects.loc['effect 0.0, offset 0.0', 'placebo, RMSPE ratio']) == 6 < 10 "
          "and about(rejects.loc['effect 0.0, offset 0.04', 'placebo, RMSPE ratio'], 1 / 4, 0.15)"),
    Claim("It keeps its 5 % as long as nothing is shared within a wave", when="abs(rejects.loc['effect 0.0, offset 0.0', 'DiD permutation'] - 0.05) < 0.04"),
    # 8 failures
    Fixed("Six more ways to go wrong", "two placebos in time", "The misfit before week 20, the range of", why=BUILT),
    Claim("The effect is {100 * EFFECT:.0f} points in each, and unless a failure says otherwise there is no offset"),
    Claim("pretend that the upgrade came in week {START // 2}, use weeks {week[0]} to {START - 1} only, and look for an effect where there was none"),
    Claim("Wave 1 completes 15 points less often than wave 2", when="looks['15 points below']['SC'] - EFFECT + 0.15 < 0.01"),
    Fixed("the world in which all is as assumed", "But all symptoms", "this happens after and to all", why=LOGIC),
    Claim("The Monte Carlo error of the estimates is 0.001", when="round(largest_error(), 3) == 0.001"),
    Claim("Synthetic control turns a gain of {100 * EFFECT:.0f} points into a loss of {-100 * looks['15 points below']['SC']:.0f}. The methods with "
          "an intercept do not care", when="abs(looks['15 points below']['intercept'] - EFFECT) < 0.003"),
    Claim("The misfit is more than eight times the usual, and the placebo in time finds {-100 * looks['15 points below']['SC week 10']:.0f} points "
          "where there was nothing", when="8 < looks['15 points below']['misfit'] / looks['as assumed']['misfit'] < 9"),
    Claim("a donor weight above 80 % warns of a bad hull. Here the heaviest averages {looks['15 points below']['heaviest']:.2f}, so that this "
          "warning never fires", when="looks['15 points below']['heaviest'] < 0.80 / 2"),
    Claim("In week {START} two users in five of wave 2 get the upgrade as well", when="about(contaminated['DiD'], (1 - 2 / 5) * EFFECT, 0.05)"),
    Claim("All estimates lose {100 * (EFFECT - contaminated['DiD']):.0f} of the {100 * EFFECT:.0f} points",
          when="max(abs(contaminated[k] - 0.03) for k in ('SC', 'intercept', 'DiD')) < 0.002"),
    Claim("The donors' own rise shows the {100 * rises[1].mean():.0f} points on average, and in a single log they drown in the season",
          when="rises[1].std() > 0.7 * rises[1].mean()"),
    Fixed("because bad donors should fit badly or disagree", why="the tempting answer"),
    Claim("Wave 1 drifts away from wave 2 by {100 * max(drifting):.1f} points a week, or by {100 * min(drifting):.1f}, all through the {WEEKS} weeks. "
          "No intercept repairs that", when="drifts['0.4 points a week']['intercept'] > 2 * EFFECT and WAVE_1[0] == 1"),
    Claim("The steep drift adds {100 * (drifts['0.4 points a week']['DiD'] - EFFECT):.0f} points, and the placebo in time notices it in three "
          "datasets of four. The slow one still adds {100 * (drifts['0.2 points a week']['DiD'] - EFFECT):.0f}, and is noticed in one of four",
          when="about(drifts['0.4 points a week']['DiD alarm'], 3 / 4) and about(drifts['0.2 points a week']['DiD alarm'], 1 / 4)"),
    Claim("the t interval covers {slow['t'][0]:.2f}, and even the one for shared shocks {slow['shared'][0]:.2f}"),
    Fixed("Section 9 asks a better question", why=BUILT),
    Claim("The heaviest donor loses 15 points from week {START} on", when="about(shocked['sc'][0] - looks['as assumed']['SC'], 0.15 * np.mean(weight), 0.05)"),
    Claim("The estimate moves by weight times shock, and this is what leave-one-out is for: it nearly always names the culprit",
          when="np.mean(named) > 0.9"),
    Claim("DiD, with weights of 1/{(~WAVE_1).sum()}, hardly feels it", when="shocked['did'][0] - EFFECT < 0.15 / 25 + 0.002 < 1"),
    Claim("Fit on the last 3, 5, 10 or on all {START} weeks before the upgrade, in two worlds",
          when="short.index.get_level_values(1).tolist() == 2 * [3, 5, 10, 20]"),
    Claim("In the second there is a campaign in weeks 5 to 9, and again from week {START} on. It adds up to {100 * campaign.max():.0f} points: wave "
          "1 takes part with {share[0, 0, 0]} of that, well inside the donors, whose shares are spread from 0 to 1. To keep noise out of the way, "
          "there are forty times the users",
          when="(campaign[5:10] > 0).all() and not campaign[10:START].any() and campaign[:5].sum() == 0 and (campaign[9] > 0) == 1 and share.min() < "
               "0.01 and 40 == 2_000_000 / len(logs)"),
    Claim("With {D.shape[1]} donors and 3 weeks the fit before is perfect, in both worlds, and the error after is the largest",
          when="short.loc[('noise alone', 3), 'misfit before'] < 1e-3 > short.loc[('campaign', 3), 'misfit before'] and "
               "all(short.loc[k, 'error after'].idxmax() == 3 for k in ('noise alone', 'campaign'))"),
    Claim("{D.shape[1]} weights can imitate any three numbers", when="D.shape[1] > 3"),
    Claim("Where workspaces differ by noise alone this costs precision and not bias; the mean stays at {100 * EFFECT:.0f} in every row",
          when="(abs(short.loc['noise alone', 'mean estimate'] - EFFECT) < 0.003).all() and short.loc['noise alone', 'SD'].is_monotonic_decreasing"),
    Claim("it costs bias: {100 * short.loc[('campaign', 3), 'mean estimate']:.0f} points from 3 weeks, since these weeks have never seen a "
          "campaign, and {100 * short.loc[('campaign', 20), 'mean estimate']:.1f} from {START} weeks, which have", when="not campaign[17:20].any() and 3 == 20 - 17"),
    Claim("the world in which it beats DiD, which says {100 * short.loc[('campaign', 20), 'DiD']:.1f}",
          when="abs(short.loc[('campaign', 20), 'mean estimate'] - EFFECT) < abs(short.loc[('campaign', 20), 'DiD'] - EFFECT)"),
    Claim("Ten of wave 1's workspaces have their first users in week 22", when="np.isfinite(filled).all() and filled.shape[1] - 8 == 22 and "
          "np.ptp(filled[:, :22, :10], axis=1).max() == 0 and WAVE_1[1] == 1"),
    Claim("Ten of {WAVE_1.sum()} workspaces then show no change at all, and two fifths of the effect are gone",
          when="about(1 - across[0] / EFFECT, 2 / 5, 0.08) and abs(apart[0] - EFFECT) < 0.003 and 10 / 25 == 2 / 5"),
    Fixed("scatters more than its interval says", why=LOGIC),
    # 9 ship
    Claim("Wave 2 is a holdout, so the first analysis is difference-in-differences over {len(WAVE_1)} workspaces", when="2 == 50 / WAVE_1.sum()"),
    Claim("Before week {START} they scatter around zero; from week {START} on nearly all lie above it, around their mean of {100 * result.estimate:.1f} "
          "points", when="np.sum(relative[START:] - relative[:START].mean() > 0) >= 9"),
    Fixed("More useful is what it leaves open", "Right of it", why=LOGIC),
    Claim("The test is undecided, at the edge of 0.05", when="abs(trends['p'] - 0.05) < 0.01 and abs(p_joint() - 0.05) < 0.01"),
    Claim("would add anything from {100 * trends['bias_lo']:.1f} to {100 * trends['bias_hi']:+.1f} points, as much as the whole estimate",
          when="about(-trends['bias_lo'], result.estimate, 0.1)"),
    Claim("drift by {100 * bounds.loc[1, 'M']:.1f} points a week, the interval reaches from {100 * bounds.loc[1, 'lo']:.1f} to "
          "{100 * bounds.loc[1, 'hi']:.1f} points; with {100 * bounds.loc[2, 'M']:.1f}, zero is in it", when="bounds.loc[2, 'lo'] < 0"),
    Claim("the upgrade helped, unless wave 1 was drifting upwards by more than {100 * drift[drift > 0].index.max():.2f} points a week for a reason of "
          "its own (the past leaves open up to {100 * trends['slope_hi']:.2f})", when="drift.iloc[0] > 0 > drift.iloc[-1] and WAVE_1[1] == 1"),
    Claim("refit on all {WEEKS} weeks, and ask whether the residuals of weeks {START} to {WEEKS - 1} stand out among all cyclic shifts"),
    Fixed("none of them has to play the treated unit", why=LOGIC),
    Claim("Both intervals hold zero. Equal weights make it hardly narrower",
          when="all(e.min() < 0 < e.max() for e in kept.values()) and 0.85 < np.ptp(kept['did']) / np.ptp(kept['shifted']) < 1"),
    Claim("ranks among {WEEKS} cyclic shifts can tell little apart. In fresh datasets it finds the effect in four of ten, or six of ten, where the t "
          "interval finds it in {100 * finds['t interval']:.0f} %. That is what {WAVE_1.sum()} workspaces on each side are worth",
          when="[round(10 * finds[k]) for k in ('shifted', 'did')] == [4, 6] and max(finds.values()) < 10"),
    Claim("The upgrade raised completion in wave 1 by {100 * result.estimate:.1f} points, {100 * result.lo:.1f} to {100 * result.hi:.1f}. That is "
          "enough to say that it helps, and not enough to say that it is worth {100 * EFFECT:.0f} points. If the bill is paid from "
          "{100 * result.lo:.1f} on, roll it out. If it takes more", when="result.lo > 0 and result.lo < EFFECT and WAVE_1[0] == 1"),
    Fixed("each week for which wave 2 waits makes the right-hand side of Figure 6 longer", why=LOGIC),
    Claim("a single state among {practice['result'].n['units_treated'] + practice['result'].n['units_control']}"),
    # key ideas, quiz, exercises
    Fixed("It can match what lies in their hull", "that sits a constant above its donors", "not a bias that all share", "is the first number to "
          "print", why=LOGIC),
    Fixed("average +3 points before the launch and +7 after. A colleague reports 4", "by half a point at most", "200 workspaces in each of two "
          "waves in place of 25", why="the quiz"),
    Fixed("(5 minutes)", "(15 minutes)", "Predict both first", "5 points below have told you", "(30 weeks × 50 workspaces) is 0.06 for wave 1 from "
          "week 25 on, and 0 elsewhere", "Choose by lot which 25 workspaces go first", "belongs to the first 25 columns", "`fresh(100, 200, "
          "offset=0.08)`", "`fresh(102, 200, offset=0.0, extra=second)`", "hits wave 1 alone in week 25", "`fresh(101, 200, effect=0.0)`",
          why="the exercises, solved in the solutions"),
    Claim("within 0.004 of 0.13 and of 0.05",
          when="abs(solutions['synthetic'] - 0.13) < 0.004 and abs(solutions['differences'] - 0.05) < 0.004"),
    Claim("DiD averages between 0.075 and 0.085, its placebo in week {START // 2} excludes zero in under 0.10 of the tables",
          when="0.075 < solutions['did'] < 0.085 and solutions['alarm'] < 0.10"),
    Claim("rises by 0.055 to 0.065 from weeks {START}–24 to weeks 25–{WEEKS - 1}", when="0.055 < solutions['rise'] < 0.065 and 24 + 1 == 25 and START < 25"),
    Claim("add 0.05 to weeks {START} to {WEEKS - 1} of those that now come first", when="solutions['launch'].max() == 0.05"),
    Claim("You are right if the mean is within 0.005 of 0.05", when="abs(solutions['by_lot'] - 0.05) < 0.005"),
    # appendix
    Claim("the excess over {100 * EFFECT:.0f} points is a finite-sample bias of small donor panels | a difference in level; it stays with more "
          "users and more donors", when="min(mean for mean, error in more.values()) > 0.085"),
    Fixed("placebo of section 4 stands", "Could a reader of section 4", "SLSQP, as in section 4", "interval of section 6", "The interval of section "
          "4 resamples", "The weights now match shapes. DiD is the same", "| Failure 1 |", "| Failure 5 |", "Figure 2, right",
          why="where things stand"),
    Fixed("Failure 1: outside the hull, from below", "a season $\\lambda_t$ that all share", "a shock that all workspaces share", "the other all "
          "users", "there on the hardest case", why="the world and the article's code"),
    Fixed("a bias that all donors share", "| 4, 5 |", "| 5 |", "| 7 |", "| 6 |", why="the sections"),
    Claim("p = {pseudo_p:.4f}, no placebo is as extreme | wave 1 is no placebo's like", when="as_large == 0 and WAVE_1[0] == 1"),
    Claim("its interval holds the truth in three datasets of ten | 7", when="round(10 * covers['synthetic control, users'][0]) == 3 and 7 + 3 == 10"),
    Fixed("wave 2 is one", why="World.treatment_week"),
    Claim("a donor weight above 80 % warns of a bad hull | outside the hull the heaviest averages {looks['15 points below']['heaviest']:.2f}",
          when="looks['15 points below']['heaviest'] < 0.80 / 2"),
    Fixed("The two printed means of wave 1", "the one compares the means", "one more row that asks for a sum of one", why=LOGIC),
    Claim("differ by {computed['treated_post_mean'] - computed['treated_pre_mean']:.4f} and not by the printed {naive:+.4f}"),
]  # fmt: skip

SOLUTIONS_CLAIMS = [
    Fixed("Whether all donors miss in the same way", "two passed checks feel like two confirmations", "So the gap before is smaller than the "
          "distance", "There are still two waves", "finds one donor that misleads", why="the quiz"),
    Claim(r"The tempting answer is to divide by $\sqrt{{{200 // 25}}}$", when="200 / tutorial['WAVE_1'].sum() == 8"),
    Claim("Wave 1 completes 8 points more than wave 2", when="synthetic - 0.05 > 0.08 - 0.004 and 1 < 2"),
    Fixed("Wave 1", "wave 1", why="the name of the wave"),
    Claim("averages of synthetic control and of DiD over {len(tables)} tables. Right: within 0.004 of 0.13 and of 0.05",
          when="abs(synthetic - 0.13) < 0.004 and abs(differences - 0.05) < 0.004"),
    Claim("whatever the weights: 0.13", when="abs(synthetic - 0.13) < 0.004"),
    Claim("What would a first wave that sits 5 points below have told you? That the upgrade is worth nothing",
          when="abs(below) < 0.006 and 5 == round(100 * 0.05)"),
    Fixed("the same algebra in the other direction, 5 minus 5", why="the effect less the offset of the last line"),
    Claim("A second launch adds {second.max()} in wave 1 alone, in weeks 25 to {WEEKS - 1}. Right: DiD averages between 0.075 and 0.085, its placebo "
          "in week {START // 2} excludes zero in under 0.10 of the tables, and the event study rises by 0.055 to 0.065",
          when="0.075 < did < 0.085 and alarm < 0.10 and 0.055 < rise < 0.065 and second[25:, 0].all() and not second[:25].any() and 1 > alarm"),
    Claim("The second launch fills five of the ten weeks after the upgrade, so it adds half of {second.max()} to their average",
          when="(second[START:, 0] > 0).sum() == 5 and WEEKS - START == 10 == 5 / (1 / 2)"),
    Claim("DiD is off by {100 * (did - 0.05):.0f} points"),
    Claim("it looks at weeks 0 to {START - 1}, and there nothing is wrong", when="second[0, 0] == 0"),
    Fixed("never about an event that is still to come", why="logic"),
    Claim("the step is about three standard deviations of its noise: usually visible, not always", when="about(rise / steps.std(ddof=1), 3, 0.15)"),
    Claim('If the calendar says "second launch in week 25", end the analysis in week 24. The last line shows that this is enough, at the price of '
          "half of the weeks after", when="abs(shortened - 0.05) < 0.006 and second[25, 0] > 0 == second[24, 0] and (25 - START) / (WEEKS - START) == 1 / 2"),
    Claim("Choose by lot which {WAVE_1.sum()} workspaces go first, while the offset of {W.wave_offset} stays where it is. Right: synthetic control "
          "averages within 0.005 of 0.05", when="abs(by_lot - 0.05) < 0.005"),
    Claim("about half of the enthusiasts land among them", when="abs(above['by lot'] / 25 - 1 / 2) < 0.05"),
    Claim("The average of the first {WAVE_1.sum()} is a mixture"),
    Claim("Without the lottery only a few donors lie above, and these by luck", when="above['the enthusiasts first'] < 4"),
    Fixed("The shock of a wave is the same for all its workspaces", "And a rise does not say what rose: users who learn to use a better model "
          "would draw the same picture", "luck does not last into week 20", "still put 15 enthusiasts on one side", why="the story of the solution"),
]  # fmt: skip

PRACTICE_CLAIMS = [
    Fixed("run all", "the same in all of its rows, and empty where the unit is never treated", "Three questions before you look",
          "Right: the gap, less its weighted mean", "the two SQL texts", "A third kind", why=BUILT),
    Fixed("In January 1989", "by 25 cents a pack", "How many packs fewer did Californians buy", why="Abadie and others 2010"),
    Claim("California bought {-result.estimate:.1f} packs a head and year fewer", when="result.estimate < 0"),
    Claim("over the {words(result.n['periods_after'])} years after the tax"),
    Claim("The estimate that was published with this method is {PUBLISHED['sdid']}; ours is {result.estimate:.3f}"),
    Claim("The interval holds zero", when="result.lo < 0 < result.hi"),
    Fixed("If what strikes California is larger", why=LOGIC),
    Claim("Four ways to choose the comparison", when="4 == len(others)"),
    Fixed("Difference-in-differences weighs all controls equally", "The two others allow for a level", why=LOGIC),
    Claim("They run from {max(r.estimate for r in others.values()):.0f} to {min(r.estimate for r in others.values()):.0f} packs"),
    Claim("The published values are {PUBLISHED['did']}, {PUBLISHED['sc']}, {PUBLISHED['shifted']} and {PUBLISHED['sdid']} in "
          "this order", when="list(others) == list(PUBLISHED)"),
    Claim("The plain comparison gives the largest",
          when="min(others, key=lambda m: others[m].estimate) == 'did'"),
    Claim("California was already falling faster than the rest", when="trends['slope'] < 0"),
    Fixed("It cannot see an error that all controls share", "It is weak evidence when all is well",
          "at least as large as yours is a p-value, and it cannot be smaller", why=LOGIC),
    Claim("One of the {len(placebo)} other states moves as much as California", when="larger == 1"),
    Claim("That makes a p-value just above 0.05, and that is about all", when="0.05 < rank['p'] < 0.0515"),
    Claim("a single treated unit among {n['units_treated'] + n['units_control']} can say"),
    Fixed("More useful is what it leaves open", "at 0 it continues the line from before", "with the largest change", why=LOGIC),
    Claim("The test has nothing against parallel movement", when="trends['p'] > 0.5"),
    Claim("the drifts that it cannot exclude could explain the whole difference",
          when="trends['bias_lo'] < others['did'].estimate"),
]  # fmt: skip

README_CLAIMS = [
    Claim("A model upgrade reached {WAVE_1.sum()} workspaces overnight"),
    Claim("Gaps by week between wave 1 and its comparison: against a mixture of donors the gap is there before the upgrade",
          when="level > 0 and WAVE_1[0] == 1"),
    Claim("| model upgrade, task completion in wave 1 |", when="WAVE_1[0] == 1"),
    Claim("| dashboard: weeks {START}–{WEEKS - 1} minus weeks {week[0]}–{START - 1} | {100 * naive:+.1f} pp |"),
    Claim("| synthetic control as published, user bootstrap [95 %] | {100 * gap:+.1f} pp [{100 * low:.1f}, {100 * high:.1f}] |",
          when="95 == round(100 * result.level)"),
    Claim("interval for shared shocks [95 %] | {100 * result.estimate:+.1f} pp [{100 * result.lo:.1f}, {100 * result.hi:.1f}] |",
          when="95 == round(100 * result.level)"),
    Claim("| truth | {100 * truth:+.1f} pp |"),
    Claim("Synthetic control is {100 * (gap - truth):.0f} points off"),
    Claim("wave 1 completes {100 * W.wave_offset:.0f} points more often than its donors in all weeks", when="WAVE_1[0] == 1"),
    Claim("The mean gap before the upgrade said so", when="level > 0.02 and p_sign < 0.05"),
    Fixed("under 20 seconds", "its two queries", why=BUILT),
    Claim("the article's {len(ROWS)} numbers"),
]  # fmt: skip
