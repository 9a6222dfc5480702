"""Claims of notebook 02: propensity scores."""

import pandas as pd
from claim_tools import ROOT, Claim, Fixed
from generate_data import World
from scipy import stats

import run

W = World()
ROWS = run.ledger(next(ROOT.glob("02_*/*_demo.ipynb")))
SAID = {row["id"]: row["published"] for row in ROWS}
BY_COMPUTER = [row for row in ROWS if row["verdict"] == "platform-dependent"]
STORY, DESIGN, LOGIC = "the story of the notebook", "how the notebook is built", "follows from the definition"
EXERCISE, QUIZ = "the exercise, in its own words", "the quiz"
EXPERIMENT = pd.read_csv(ROOT / "data" / "real" / "nsw_experiment.csv").groupby("treated").mean()
SURVEY = pd.read_csv(ROOT / "data" / "real" / "nsw_cps.csv").groupby("treated").mean()
IPW = "table[(table['target'] == 'ATE') & (table['method'] == 'ipw')].iloc[0]"


def endless(rate):
    """The dashboard's number in a log without end, for opt-in rates by tier."""
    on = sum(s * r * b for s, r, b in zip(W.tier_share, rate, W.base_rate, strict=True))
    off = sum(s * (1 - r) * b for s, r, b in zip(W.tier_share, rate, W.base_rate, strict=True))
    part = sum(s * r for s, r in zip(W.tier_share, rate, strict=True))
    return W.opt_in_effect + on / part - off / (1 - part)


def once_in(z):
    """In how many draws of a standard normal variable one is as far from zero."""
    return 1 / (2 * stats.norm.sf(abs(z)))


def errors_off(values, truth):
    """How many Monte Carlo errors the mean of some estimates lies from the truth."""
    return abs(values.mean() - truth) / (values.std(ddof=1) / len(values) ** 0.5)


def held(found, truth):
    """Coverage of the intervals of a broken world."""
    return (abs(found[:, 0] - truth) < 1.96 * found[:, 1]).mean()


CLAIMS = [
    # the first page
    Fixed("rings at ten in the morning", "Your logs are two such polls", "Most of those who pick up are retired", "if there were any",
          "what could still differ between the two groups", why=STORY),
    Claim("{100 * opted_in.mean():.0f} % have switched it on, and they complete {100 * naive:.0f} points more tasks. Should it become the default for "
          "the other {100 * (~opted_in).mean():.0f} %", when="naive > 0"),
    Claim("Two panels of bars for light, medium and heavy users", when="before.shape == after.shape == (2, len(TIERS))"),
    Claim("The heights, task completion, are the same in both panels. On the left the bars are as wide as the groups really are, heavy users are many "
          "among those who opted in, and the means lie {100 * naive:.1f} points apart. On the right both groups have the same widths, and the means lie "
          "{100 * by_rate:.1f} points apart", when="before[1, 2] > 3 * before[0, 2] and (after[0] == after[1]).all()"),
    Fixed("weights change how wide the bars are, and never how high", why=LOGIC),
    Claim("| your dashboard: users who switched it on, minus the others | {pp(naive)} |"),
    Claim("like compared with like, 95 % interval | {pp(result.estimate)} [{100 * result.lo:.1f}, {100 * result.hi:.1f}] |"),
    Claim("| truth, which we know because these logs are simulated | {pp(effect.mean())} |"),
    Claim("If the other {100 * (~opted_in).mean():.0f} % switched it on as well, your product as a whole would gain about {100 * rollout['gain']:.1f} points. "
          "A hidden trait less than half as strong as engagement could explain all of it away",
          when="benchmark.loc['engagement_tier', 'zero_at'] < 1 / 2"),
    Fixed("In ten minutes: this page", "With care: 50 minutes", "test every interval on fresh datasets", "break the method in four ways", "under 20 seconds",
          "why a clean balance table proves less than it seems to", why=DESIGN),
    Claim("weight {words(len(ten))} users by hand, then {len(logs):,}"),
    Claim("every number printed there but {words(len(BY_COMPUTER))} that depend on the computer"),
    Claim("users within {words(len(TIERS))} tiers"),
    # 1 and 2
    Fixed("(1: agent mode on; the treatment), and what came of it (1: task completed)", "The first two columns are completion without and with agent mode",
          why="the columns of the logs"),
    Claim("Heavy users opt in more than five times as often as light ones, and complete far more tasks without agent mode, too",
          when="5 < by_tier.loc['heavy', 'opt-in rate'] / by_tier.loc['light', 'opt-in rate'] < 6 and "
          "by_tier.loc['heavy', 'without'] > by_tier.loc['light', 'without'] + 0.3"),
    Claim("The log has {len(logs):,} users and the truth is {effect.mean():.2f}"),
    Fixed("Write down two decimals", why=STORY),
    Claim("The tempting answer is something nearer to {EFFECT:.2f}. More users shrink the noise around {endless(rate):.3f}", when="endless(rate) > naive - 0.01"),
    Claim("The dashboard shows {endless(rate) / EFFECT:.1f} times the truth and always will", when="abs(naive - endless(rate)) < 0.005"),
    # 3 ten users
    Claim("The idea, on {words(len(ten))} users"),
    Claim("Five light users and five heavy ones. Without agent mode a light user does three tasks of ten and a heavy one seven; agent mode adds one task for everybody",
          when="(ten['tier'] == 'light').sum() == 5 == len(ten) - 5 and (ten['tasks'] == np.where(ten['tier'] == 'light', 3, 7) + ten['opted_in']).all()"),
    Claim("One of the light users has opted in, and {words(ten.loc[ten['tier'] == 'heavy', 'opted_in'].sum())} of the heavy ones",
          when="ten.loc[ten['tier'] == 'light', 'opted_in'].sum() == 1"),
    Claim("had one chance in five to do so, and so stands for five light users", when="abs(ten['chance'][0] - 1 / 5) < 1e-9 and abs(ten['weight'][0] - 5) < 1e-9"),
    Claim("Ten users as dots with the number of their tasks, opted in above and the others below. Left, all dots are alike and the means differ by "
          "{ten.groupby('opted_in')['tasks'].mean().diff()[1]:.1f}. Right, the lone light user who opted in and the lone heavy user who did not are large dots, "
          "and the means differ by {means[1] - means[0]:.1f}", when="len(ten) == 10 and sorted(ten['weight'].nlargest(2).index) == [0, 7]"),
    Claim("Weighting ten users. On the right each row has as much ink for light as for heavy users, so both rows look like all ten. The gap falls from "
          "{ten.groupby('opted_in')['tasks'].mean().diff()[1]:.1f} tasks to the {means[1] - means[0]:.0f} that agent mode adds",
          when="len(ten) == 10 and np.ptp(ten.groupby(['opted_in', 'tier'])['weight'].sum()) < 1e-9"),
    Claim("Nothing is special about {words(len(ten))}. Here are all users, each weighted by the opt-in rate of the tier", when="len(chance) == len(logs)"),
    Fixed("two calls of `np.average`", "points to 8.5, in three lines", "Tier is one thing that we know about a user. A real log knows twenty",
          "With twenty covariates no two users agree on all of them", why="the cell above it; a figure of speech"),
    Claim("From {100 * naive:.0f} points to {100 * by_rate:.1f}"),
    Claim("twice with the same heights. The means lie {100 * naive:.1f} points apart with the groups' own widths, {100 * by_rate:.1f} with the widths of all users",
          when="len(before) == 2 and (after[0] == after[1]).all()"),
    Claim("What weights do to {len(logs):,} users"),
    Claim("Is {100 * by_rate:.1f} right"),
    # 4 the score
    Fixed("where $D$ is 1 for users who opted in", "This removes the confounding if two things hold", "opting in says nothing more about how a user would have done",
          "the score of the two covariates", "how well the score tells the two groups apart", "Two remarks of the article do not hold", why=LOGIC),
    Claim("users who opted in above the axis and the others below. Three narrow peaks: light near {middle['light']:.2f}, medium near {middle['medium']:.2f}, "
          "heavy near {middle['heavy']:.2f}, each with thousands of users in both groups",
          when="len(middle) == 3 and 2000 < min(computed[f'n_{word}_{name}'] for word in ('treated', 'control') for name in TIERS)"),
    Claim("three narrow peaks, one for each tier, with thousands of users on both sides",
          when="len(middle) == 3 and 2000 < min(computed[f'n_{word}_{name}'] for word in ('treated', 'control') for name in TIERS)"),
    Claim("Scores lie between 0.11 and 0.68 in both groups", when="0.11 < ranges['min'].min() < 0.12 and 0.67 < ranges['max'].min() < ranges['max'].max() < 0.68"),
    Claim("The AUC of {auc:.3f} says"),
    Claim("the mean score of each tier agrees with its opt-in rate", when="abs(middle - by_tier['opt-in rate']).max() < 0.001"),
    Claim("shrinks scores towards the overall opt-in rate, and not towards 0.5",
          when="abs(strong.mean() - opted_in.mean()) < 1e-3 and np.ptp(strong) < 0.01 and abs(strong.mean() - 0.5) > 0.2"),
    # 5 weights
    Fixed("One over the chance makes both groups look like all users. It need not be all: multiply", "$h = 1$: all users", "of which none exceeds 1", why=LOGIC),
    Claim("a question about the other {100 * (~opted_in).mean():.0f} %: the ATU of {100 * by_weight['ATU']:.1f} points, and {100 * (~opted_in).mean():.0f} % of that, "
          "{100 * (~opted_in).mean() * by_weight['ATU']:.1f} points, for the product as a whole"),
    Claim("The article reports ATE and ATT, {by_weight['ATE']:.4f} and {by_weight['ATT']:.4f}, and reads the gap as a sign that agent mode does more for those who "
          "have not opted in. The truths are {effect.mean():.4f} and {effect[opted_in].mean():.4f}", when="by_weight['ATE'] > by_weight['ATT']"),
    # 6 matching
    Claim("The third decimal differs, by four tenths of a point", when="about(100 * (PLATFORMS['Linux'] - PLATFORMS['macOS']), 4 / 10)"),
    Fixed("The natural definition: average over all tied twins", why=LOGIC),
    Claim("how far may two honest programs be apart? Break the ties at random, one draw for each score, a thousand times", when="len(ties) == 1000 and len(PLATFORMS) == 2"),
    Claim("over a thousand random tie-breaks, a bell from about 7 to 9 points. The macOS number {100 * PLATFORMS['macOS']:.2f} lies on its left side, the Linux number "
          "{100 * PLATFORMS['Linux']:.2f} near the middle, by the mean {100 * averaged:.2f}",
          when="len(ties) == 1000 and about(100 * ties.min(), 7, 0.02) and about(100 * ties.max(), 9, 0.02) and (ties < PLATFORMS['macOS']).mean() < 0.15"),
    Claim("One log, one estimator, a thousand ways to break its ties. Two computers are two draws", when="len(ties) == 1000 and len(PLATFORMS) == 2"),
    Claim("The article reads the order of its two numbers, matching below weighting, as typical of one nearest neighbour. Averaged over ties, matching lies above: "
          "{averaged:.4f} against {by_weight['ATT']:.4f}", when="PLATFORMS['macOS'] == float(SAID['att_match']) < float(SAID['att_ipw']) < averaged"),
    Claim("give an error that charges for twins who serve often; the tool has it, {matched.error:.4f}"),
    Fixed("Abadie and Imbens 2016 have the correction", why="the reference"),
    Claim("recommended for its smaller variance? Of the heavy users, {computed['n_treated_heavy']:,} opted in and only {computed['n_control_heavy']:,} did not. When these "
          "are used up, {computed['n_treated_heavy'] - computed['n_control_heavy']:,} of the {computed['n_treated']:,} must take medium twins, who complete "
          "{100 * (by_tier.loc['heavy', 'without'] - by_tier.loc['medium', 'without']):.0f} points less. That alone adds two and a half points: a smaller variance around "
          "the wrong number", when="about(100 * (computed['n_treated_heavy'] - computed['n_control_heavy']) / computed['n_treated'] * "
          "(by_tier.loc['heavy', 'without'] - by_tier.loc['medium', 'without']), 2.5, 0.02)"),
    # 7 balance
    Fixed("Check the balance, all of it", "Up to 0.1 is usually accepted", "a covariate can be balanced over all users and lopsided in each tier", why="Austin 2009; logic"),
    Claim("Published are two covariates, heavy and confidence", when="{key.rsplit('_')[-1] for key in SAID if key.startswith('smd')} == {'heavy', 'confidence'}"),
    Claim("Standardized differences of {words(len(smds))} features. Raw: light {smds.loc['light', 'raw']:+.2f}, heavy {smds.loc['heavy', 'raw']:+.2f}, medium "
          "{smds.loc['medium', 'raw']:+.2f}, the others near zero. After weighting all {words(len(smds))} lie within 0.02 of zero",
          when="smds['weighted'].abs().max() < 0.02 and smds['raw'].drop(list(TIERS)).abs().max() < 0.05"),
    Claim("The largest imbalance, light users at {smds.loc['light', 'raw']:.3f}, is one that was not published. After weighting all {words(len(smds))} rows are within 0.02 "
          "of zero", when="smds['raw'].abs().idxmax() == 'light' and 'smd_raw_light' not in SAID and 0.01 < smds['weighted'].abs().max() < 0.02"),
    # 8 bootstrap
    Claim("A bootstrap draws {len(logs):,} of the {len(logs):,} users with replacement"),
    Claim("That is {N_BOOTSTRAP} logistic regressions"),
    Fixed("(We round confidence to three decimals here.)", why="the call of round in the cell below"),
    Claim("both intervals hold the truth", when="all(low < effect.mean() < high for low, high in (intervals['ATE'], intervals['ATT']))"),
    Claim("The gap between ATE and ATT is {by_weight['ATE'] - by_weight['ATT']:.4f} with an error of {gap_error:.4f}: so large a gap comes about once in sixty logs where "
          "there is none", when="about(once_in((by_weight['ATE'] - by_weight['ATT']) / gap_error), 60)"),
    Fixed("Two estimates may differ without a story", "Two models are better than one", why=STORY),
    Claim("Both ways agree here", when="abs(brackets.mean() - by_tool.estimate) < 1e-4 and abs(brackets.std() / len(done) ** 0.5 - by_tool.error) < 1e-4"),
    # 10 honest
    Claim("we need hundreds, and a quick way to make them. Put confidence into {words(len(classes))} classes. Then users come in {words(len(arm))} kinds "
          "({words(len(TIERS))} tiers, {words(len(classes))} classes, with and without agent mode)", when="N_DATASETS > 200"),
    Claim("on the first {words(len(limits))} of these datasets"),
    Claim("so it needs all four decimals of confidence: a hundred datasets", when="len(study['matching, ties averaged'][0]) == 100 and "
          "np.allclose(logs['query_confidence'] * 10**4, (logs['query_confidence'] * 10**4).round())"),
    Claim("for {words(len(study))} estimators. The dashboard's cloud is narrow and lies near {100 * table.loc['dashboard', 'mean']:.1f} points, coverage "
          "{table.loc['dashboard', 'coverage']:.0f}. Those of the {words(len(study) - 1)} others lie around the truth of {100 * EFFECT:.0f} points",
          when="abs(table['mean'].iloc[1:] - EFFECT).max() < 0.001"),
    Claim("A dot is the estimate from one fresh dataset, 150 for each estimator (100 for matching). The dashboard is precise and wrong; the others scatter around the truth",
          when="len(dots) == 100 == len(study['matching, ties averaged'][0]) and min(len(study[name][0]) for name in NAMES) > 150 and table['SD'].idxmin() == 'dashboard'"),
    Claim("Every adjusted estimator is right on average, and its interval covers as often as it promises, within two Monte Carlo errors (±; for the bootstrap "
          "{np.sqrt(0.05 * 0.95 / len(limits)):.3f})",
          when="all(errors_off(study[name][0], EFFECT) < 2 for name in study if name != 'dashboard') and "
          "(abs(table['coverage'] - 0.95) < 2 * table['±'])[1:].all() and abs(boot_held - 0.95).max() < 2 * np.sqrt(0.05 * 0.95 / len(limits))"),
    Claim("one nearest neighbour throws information away, and an arbitrary tie-break would add its own {ties.std():.4f} to that",
          when="table.loc['matching, ties averaged', 'SD'] > 1.2 * table.loc['IPW ATT', 'SD']"),
    Claim("Compare two errors", when="list(one_score.index) == ['free', 'right']"),
    Claim("six means of known size", when="6 == 2 * len(TIERS)"),
    Claim("The estimate is doubly robust and its free error is not: it is nearly a quarter too small, and the 95 % interval covers {one_score.loc['free', 'coverage']:.3f}",
          when="0.22 < 1 - one_score.loc['free', 'error'] / one_score.loc['free', 'SD'] < 1 / 4 and abs(one_score.loc['free', 'mean'] - EFFECT) < 0.0004 "
          "and abs(one_score.loc['right', 'error'] / one_score.loc['right', 'SD'] - 1) < 0.03"),
    Fixed("Where one of the two models is wrong", "Is the ATT always the surer one?", "light users opt in most, heavy users least", why="logic; the article's words"),
    Claim("agent mode still adds {EFFECT:.2f} for everybody", when="turned[0] > turned[1] > turned[2]"),
    Fixed("Which has the larger error now, ATE or ATT? And the dashboard: above 0.08, between 0 and 0.08, or below 0", why="the question"),
    Claim("The tempting answer is that the order stays", when="here[0] > here[1]"),
    Claim("and the ATT has the larger error. And the dashboard is negative: the head start has become a handicap", when="there[1] > there[0] and endless(turned) < 0"),
    # 11 failures
    Fixed("Four ways to break it. Three checks travel with the estimate", "(a negative control", why=DESIGN),
    Claim("Three users in ten are curious. The trait adds {MORE_OPT_IN:.2f} to their probability of opting in and {MORE_DONE:.2f} to that of completing a task",
          when="CURIOUS == 3 / 10"),
    Claim("So the curious are more common among those who opted in ($q_1$ below) than among the others ($q_0$), in every tier", when="(q1 > q0).all()"),
    Fixed("And the largest weighted SMD of tiers and confidence in all these datasets: below 0.02, about 0.1, or well above", why="the question"),
    Claim("The estimate is nearly two and a half points too high, and hardly an interval holds the truth",
          when="2.3 < 100 * (hidden[:, 0].mean() - EFFECT) < 2.5 and held(hidden, EFFECT) < 0.03"),
    Claim("the table shows at least a trace, since the curious are far more common among those who opted in. It is spotless",
          when="(q1 > 1.7 * q0).all() and abs(hidden[:, 3:7]).max() < 0.02"),
    Claim("tier by tier; exactly {MORE_DONE * shares @ (q1 - q0):.4f}", when="errors_off(hidden[:, 0], EFFECT + MORE_DONE * shares @ (q1 - q0)) < 3"),
    Claim("{100 * buried_rate.min():.1f} % of them opt in. And it helps them less, {gains.min():.2f} instead of {gains.max():.2f}",
          when="gains[0] == gains.min() and buried_rate[0] == buried_rate.min()"),
    Claim("Ten thousand users opted in, and the estimate is worth {buried[:, 2].mean():.0f}: it hangs on {light_on:.0f} light users with a weight of about five hundred each",
          when="about(in_treated, 10_000, 0.02) and about(1 / buried_rate[0], 500)"),
    Claim("It is right on average, and its interval is honest, which is to say fifteen points wide",
          when="errors_off(buried[:, 0], shares @ gains) < 2 and abs(held(buried, shares @ gains) - 0.95) < 2 * np.sqrt(0.05 * 0.95 / N_FAILURE) and "
          "about(100 * 2 * 1.96 * buried[:, 1].mean(), 15, 0.04)"),
    Claim("It promises a ninth of the scatter and covers {one_score_buried.loc['free', 'coverage']:.2f}",
          when="about(one_score_buried.loc['free', 'error'] / one_score_buried.loc['free', 'SD'], 1 / 9, 0.04)"),
    Claim("Trimming gives a calm {trimmed:.3f}, as an answer to another question: the effect on medium and heavy users", when="not keep[:10].any() and keep[10:30].all()"),
    Fixed("That may be the better question, if the report says so", why=STORY),
    Claim("(log-odds fall by {-slope_in[-1]:.0f} per unit of confidence), light users for easy ones (they rise by {slope_in[0]:.1f}), and completion depends on confidence "
          "in opposite ways as well", when="slope_done[0] > 0 > slope_done[-1]"),
    Claim("The score model has one slope for all", when="X.shape[1] == 1 + 1 + 2"),
    Claim("Two points too high, and the two checks of the article pass, as do all three tiers. Confidence within the tiers fails plainly",
          when="about(100 * (curved[:, 0].mean() - world[4]), 2, 0.06) and abs(smd[:4]).max() < 0.1 and abs(smd[[4, 6]]).min() > 0.2"),
    Claim("Put these interactions into the score, and the bias is gone", when="errors_off(with_slopes[:, 0], world[4]) < 2 < errors_off(curved[:, 0], world[4])"),
    Claim("and a user gains {SHARED:.2f} times the share of colleagues who opted in"),
    Fixed("(a shift of the opt-in rate with SD 0.15)", why="rng.normal(0, 0.15, ...) in the cell below; a test holds it"),
    Claim("A user's own choice is worth {OWN:.2f}, switching it on for everybody {OWN + SHARED:.2f}"),
    Claim("Weighting is near neither: too high for one's own choice, half of what a rollout brings",
          when="by_tiers.mean() > OWN + 0.01 and about(by_tiers.mean() / (OWN + SHARED), 1 / 2, 0.03)"),
    Claim('"The effect" is two numbers here', when="len(exposure) == 2 and OWN != OWN + SHARED"),
    Claim("A regression that knows the exposure recovers both", when="abs(exposure - np.array([OWN, SHARED])).max() < 0.003"),
    Claim("| a hidden confounder | two and a half points too high | yes |", when="about(100 * (hidden[:, 0].mean() - EFFECT), 2.5) and abs(hidden[:, 3:7]).max() < 0.1"),
    Claim("| right on average, and anything in a single log | not always |", when="0.1 < unbalanced < 0.3"),
    Claim("| the wrong score model | two points too high | yes | balance of interactions |", when="about(100 * (curved[:, 0].mean() - world[4]), 2, 0.06) and abs(smd[:4]).max() < 0.1"),
    Claim("| colleagues | neither of two effects |", when="len(exposure) == 2"),
    # 12 what you would ship
    Fixed("the models that predict a user's score and outcome never saw that user", "With two small regressions it hardly matters",
          "asks everything above of a log before it answers", why="the definition; the tool's checks"),
    Claim("No problem found means", when="len(result.problems) == 0"),
    Claim('"Light users benefit most" would look fine on a slide. Every interval holds {EFFECT:.2f}, the truth in each tier',
          when="tiers_found.set_index('group')['estimate'].idxmax() == 'light' and ((tiers_found['lo'] < EFFECT) & (EFFECT < tiers_found['hi'])).all()"),
    Claim("how often three equal effects come out so far apart when the largest and the smallest are picked after looking: in {100 * np.mean(luck >= spread):.0f} logs of 100",
          when="len(tiers_found) == 3 and 100 * np.mean(luck >= spread) < 5"),
    Fixed("What could be hidden is priced below it", why=DESIGN),
    Claim("With agent mode for the other {100 * rollout['share']:.0f} % as well, the product as a whole would gain {100 * rollout['gain']:.1f} points, with an interval from "
          "{100 * rollout['lo']:.1f} to {100 * rollout['hi']:.1f}"),
    Claim("E-value (VanderWeele and Ding 2017): {result.sensitivity()['estimate'][1]:.2f}. With agent mode all users would complete {by_tool.treated / by_tool.control:.2f} times "
          "as often as without it. A trait that raises both opting in and completing by a risk ratio of {result.sensitivity()['estimate'][1]:.2f} could make that out of nothing",
          when="result.sensitivity()['measure'][1] == 'E-value'"),
    Claim("it would have to explain {100 * result.sensitivity()['estimate'][0]:.1f} % of what is left of both", when="result.sensitivity()['measure'][0] == 'robustness value'"),
    Claim("by a factor of {result.sensitivity()['limit'][2]:.2f}, before a one-sided test"),
    Claim("Is {100 * result.sensitivity()['estimate'][0]:.1f} % much?"),
    Claim("A hidden trait as strong as tier would turn {100 * result.estimate:.1f} points into {100 * benchmark.loc['engagement_tier', 'estimate']:.1f}. One "
          "{benchmark.loc['engagement_tier', 'zero_at']:.2f} times as strong could explain all of it, and {benchmark.loc['engagement_tier', 'limit_at']:.2f} times makes the "
          "interval reach zero"),
    Fixed("Three things make the answer better than any formula", "Look at a negative control", "does all of this on your own log", why=DESIGN),
    # the ending
    Fixed("More data does not help; a fair comparison does", "AIPW forgives one wrong model", why=STORY),
    Claim("and the AUC rises from {auc:.2f} to 0.99", when="auc < 0.99"),
    Fixed("All weighted SMDs are below 0.01", "Name two things that are wrong with that", why=QUIZ),
    Claim("The ATE is {100 * result.estimate:.1f} points. The product manager multiplies it by all users"),
    Fixed("(5 minutes)", "(15 minutes)", "(25 minutes)", why=EXERCISE),
    Claim("let 2 % of light users find agent mode instead of {100 * buried_rate[0]:.1f} %", when="0.02 in solutions['found']"),
    Claim("the number lies between 1,500 and 2,000 and the SD between 0.010 and 0.015",
          when="1_500 < solutions['found'][0.02][0] < 2_000 and 0.010 < solutions['found'][0.02][1] < 0.015"),
    Claim("ten times as many light users are worth ten times as much. Why does the SD not fall to a tenth",
          when="about(solutions['found'][0.02][0] / solutions['found'][0.002][0], 10, 0.05) and solutions['found'][0.02][1] > 2 / 10 * solutions['found'][0.002][1]"),
    Claim("for IPW to report five points on average", when="abs(100 * solutions['reported'] - 5) < 0.1"),
    Claim("a value between 0.20 and 0.22, and if the SMDs of tiers and confidence stay below 0.02 in all datasets",
          when="0.20 < solutions['needed'] < 0.22 and solutions['worst'] < 0.02"),
    Claim("shows half of the users a hint that adds 0.15 to their probability of opting in", when="abs(solutions['opting'][:, 1].mean() - solutions['opting'][:, 0].mean() - 0.15) < 0.001"),
    Claim("mean over {len(solutions['wald'])} datasets lies between 0.07 and 0.09 while IPW gives more than 0.095, and its SD is five to seven times that of IPW",
          when="0.07 < solutions['mean_wald'] < 0.09 and solutions['mean_ipw'] > 0.095 and 5 < solutions['ratio'] < 7"),
    # the appendix
    Claim("| the fit makes them agree | {section('Many')}, Failure 3 |"),
    Claim("| the penalty shrinks scores towards 0.5 | towards the opt-in rate | {section('Many')} |", when="abs(strong.mean() - 0.5) > 0.2"),
    Claim("| the effect is larger for those who have not opted in | the truths are {effect.mean():.4f} and {effect[opted_in].mean():.4f}; the gap is chance | "
          "{section('Weight')}, {section('How sure')} |", when="by_weight['ATE'] > by_weight['ATT']"),
    Claim("| matching finds {float(SAID['att_match']):.4f}, a little below weighting | it depends on the computer; ties averaged, {averaged:.4f} | {section('Match')} |",
          when="float(SAID['att_match']) < float(SAID['att_ipw'])"),
    Claim("| without replacement the variance stays lower | and the estimate is more than two points too high | {section('Match')} |",
          when="2 < 100 * (computed['n_treated_heavy'] - computed['n_control_heavy']) / computed['n_treated'] * (by_tier.loc['heavy', 'without'] - by_tier.loc['medium', 'without'])"),
    Claim("they are, too, in a world where the estimate is wrong | {section('Check')}, Failure 3 |"),
    Claim("not valid; the interval is [{intervals['match'][0]:.4f}, {intervals['match'][1]:.4f}] | {section('Match')} |"),
    Claim("where those who opted in are rare | {section('Is the')} |", when="here[1] < here[0] and there[1] > there[0]"),
    Claim("Below are the {words(len(BY_COMPUTER))} that do not"),
    Fixed("(tolerance $10^{-4}$)", "worth knowing when two people compare digits", why="scikit-learn's default; a figure of speech"),
    Claim("The published {by_weight['ATE']:.4f} and {by_weight['ATT']:.4f} are those of that fit"),
    Claim("the same model gives {converged[0]:.4f} and {converged[1]:.4f}. That is far below the statistical error", when="abs(converged[0] - by_weight['ATE']) < 0.1 * by_tool.error"),
]  # fmt: skip

README_CLAIMS = [
    Claim("those who did complete {100 * naive:.0f} percentage points more tasks", when="naive > 0"),
    Claim("Task completion of light, medium and heavy users: {100 * naive:.1f} points apart as they come, {100 * by_rate:.1f} when both groups are weighted like all users",
          when="(after[0] == after[1]).all()"),
    Claim("| dashboard: users who opted in minus the others | {pp(naive)} |"),
    Claim("(AIPW, cross-fitted) [95 %] | {pp(result.estimate)} [{100 * result.lo:.1f}, {100 * result.hi:.1f}] |", when="'cross-fitted in 5 folds' in result.method"),
    Claim("| truth | {pp(effect.mean())} |"),
    Claim("Weighting on {words(len(ten))} users, then on all"),
    Fixed("breaks the method in four ways", "prices the assumption that none can test", "under 20 seconds", "its two queries", why=DESIGN),
    Claim("{len(ROWS) - len(BY_COMPUTER)} of the article's {len(ROWS)} numbers are reproduced to the digit; the other {words(len(BY_COMPUTER))} (matching) depend on the computer",
          when="all('match' in row['id'] for row in BY_COMPUTER)"),
    Claim("the article's {len(ROWS)} numbers, with a verdict on each"),
]  # fmt: skip

SOLUTIONS_CLAIMS = [
    # the quiz
    Fixed("the score is near 1 for them and near 0 for the others", "The tempting answer is that a better prediction makes a better comparison",
          "alike in what came before the decision", "is forgotten by Friday", why=QUIZ),
    Claim("where the table is spotless and the estimate nearly two and a half points off", when="2.3 < 100 * (tutorial['hidden'][:, 0].mean() - 0.08) < 2.5 and abs(tutorial['hidden'][:, 3:7]).max() < 0.02"),
    Fixed("The ATE is about all users", why=LOGIC),
    Claim("The tempting answer is the interval: {100 * tutorial['result'].estimate:.1f} points are only an estimate"),
    Claim("the ATU times the share of the others, {100 * tutorial['rollout']['gain']:.1f} points for the product and not {100 * tutorial['result'].estimate:.1f}"),
    Claim("who is switched on by default may never use it. (A third: a hidden trait, less than half as strong as tier.)",
          when="tutorial['benchmark'].loc['engagement_tier', 'zero_at'] < 1 / 2"),
    # 1
    Claim("Failure 2 with 2 % of light users instead of {100 * tutorial['buried_rate'][0]:.1f} %", when="0.02 in found"),
    Claim("Right: 1,500 to 2,000, and 0.010 to 0.015", when="1_500 < found[0.02][0] < 2_000 and 0.010 < found[0.02][1] < 0.015"),
    Claim("so a table of {words(len(TIERS))} tiers will do"),
    Claim("weighting is one weighted mean of {words(len(TIERS))} differences"),
    Claim("Nearly all of $\\sum w^2$ comes from light users: few of them, with weights of {1 / 0.02:.0f} or {1 / 0.002:.0f}",
          when="0.02 in found and 0.002 in found and share[0] / 0.02 > 0.9 * (share[0] / 0.02 + share[1] / 0.35 + share[2] / 0.65)"),
    Claim("So the effective number grows as they do, tenfold", when="about(found[0.02][0] / found[0.002][0], 10, 0.05)"),
    Fixed("Why does the SD not fall to a tenth", "with one over the root of a number", "If the number has to be better, more logs are the expensive way", why=EXERCISE),
    Claim(r"Ten times as many make it smaller by $\sqrt{{10}}$, about three, and that is what we see", when="about(found[0.002][1] / found[0.02][1], 10 ** 0.5) and about(10 ** 0.5, 3)"),
    Claim("at 2 % the ATE has a standard error of more than a point although more than ten thousand users opted in",
          when="100 * found[0.02][1] > 1 and 50_000 * (share @ np.array([0.02, 0.35, 0.65])) > 10_000"),
    # 2
    Claim("be for IPW to report five points? Right: between 0.20 and 0.22, and the SMDs of tiers and confidence stay below 0.02 in all datasets",
          when="abs(100 * reported - 5) < 0.1 and 0.20 < needed < 0.22 and worst < 0.02"),
    Claim("So divide five points by that difference", when="abs(needed * (share @ (q1 - q0)) - 5 / 100) < 1e-9"),
    Claim("A feature that does nothing is reported with five points and a tight interval", when="abs(100 * reported - 5) < 0.1 and 20 * mcse < 0.01"),
    Claim("0.2 is a strong trait. It moves completion as much as the step from light to medium users does ({W.base_rate[0]:.2f} to {W.base_rate[1]:.2f} in the generator)",
          when="about(needed, 0.2) and about(needed, W.base_rate[1] - W.base_rate[0])"),
    # 3
    Claim("A coin shows half of the users a hint that adds 0.15 to their probability of opting in", when="about(each[:, 1].mean() / each.sum(axis=1).mean(), 1 / 2, 0.01) and "
          "abs(opting[:, 1].mean() - opting[:, 0].mean() - 0.15) < 0.001"),
    Claim("Right: a mean between 0.07 and 0.09 while IPW gives more than 0.095, and an SD five to seven times that of IPW",
          when="0.07 < mean_wald < 0.09 and mean_ipw > 0.095 and 5 < ratio < 7"),
    Fixed("so the two halves differ in the hint and in nothing else", "Its numerator is a plain difference of two halves", why=EXERCISE),
    Claim("A hint that moves 15 users of 100, and each of them by {W.opt_in_effect:.2f}, moves the mean by {0.15 * W.opt_in_effect:.3f}; dividing by 0.15 gives the "
          "{W.opt_in_effect:.2f} back", when="abs(100 * (opting[:, 1].mean() - opting[:, 0].mean()) - 15) < 0.1 and 0.15 == 15 / 100"),
    Claim("IPW is wrong by two points with great precision; Wald is right on average", when="about(100 * (mean_ipw - 0.08), 2) and abs(mean_wald - 0.08) < 2 * wald.std(ddof=1) / 500 ** 0.5"),
    Claim("Dividing by 0.15 multiplies everything, noise included, by nearly seven", when="6.5 < 1 / (opting[:, 1].mean() - opting[:, 0].mean()) < 7 and abs(opting[:, 1].mean() - opting[:, 0].mean() - 0.15) < 0.001"),
    Claim("a hint that moves 30 users of 100 needs a quarter of the users", when="(15 / 30) ** 2 == 1 / 4 and len(wald) / 100 == 5"),
]  # fmt: skip

PRACTICE_CLAIMS = [
    Fixed(
        "writes the two sentences",
        "run all",
        "an outcome can be at least and at most (for missing ones)",
        "and the smallest effect that matters",
        "Three questions before you look",
        "each pair of two; the largest are shown",
        "`queries` writes the two SQL texts",
        "What the two queries return",
        why=DESIGN,
    ),
    Fixed("smokers of 1971 who were seen again in 1982", why="NHEFS, Hernán and Robins"),
    Claim(
        "The last four may be `None`",
        when="None not in (NEGATIVE_CONTROL, OUTCOME_RANGE, GROUPS, SMALLEST_EFFECT_THAT_MATTERS)"
        " and 4 == len([NEGATIVE_CONTROL, OUTCOME_RANGE, GROUPS, SMALLEST_EFFECT_THAT_MATTERS])",
    ),
    Fixed("neither number is what a change for all of them brings", why=LOGIC),
    Fixed(
        "The estimator puts two models together",
        "how unlike the two groups were",
        "Are the two groups alike now",
        why=DESIGN,
    ),
    Claim(
        "Each model is fitted to part of the rows and used on the rest",
        when="'cross-fitted in 5 folds' in result.method",
    ),
    Fixed("treated rows above the axis and untreated rows below", why=DESIGN),
    Claim("afterwards they are close to zero", when="result.balance(pairs=False)['weighted'].abs().max() < 0.05"),
    Fixed(
        "that was fixed before (a negative control)",
        "An interval that misses zero shows that something is left out",
        why=LOGIC,
    ),
    Claim(
        "The textbook's number for these people is the second row of the ATE, by weighting: 3.4 kg, with an interval from 2.4 "
        "to 4.5",
        when=f"list(table[table['target'] == 'ATE']['method'])[1] == 'ipw' and abs({IPW}['estimate'] - 3.4) < 0.05 "
        f"and abs({IPW}['lo'] - 2.4) < 0.1 and abs({IPW}['hi'] - 4.5) < 0.1",
    ),
    Fixed("The two numbers are the least and the most that weighting could have said", why=LOGIC),
    Fixed(
        "the odds of treatment between two rows that look alike",
        "All three are worst cases",
        "The prices mean more beside something you know",
        "Below 1 means: a trait weaker than the one you recorded",
        why=LOGIC,
    ),
    Fixed("A job training programme of the 1970s", why="LaLonde (1986)"),
    Claim("it raised earnings by {EXPERIMENT['earnings_1978'][1] - EXPERIMENT['earnings_1978'][0]:,.0f} dollars"),
    Claim(
        "who were older, better paid and better educated",
        when="all(SURVEY[name][0] > SURVEY[name][1] for name in ('age', 'earnings_1974', 'education_years'))",
    ),
    Claim(
        "A weighted average exists all the same: it says that training costs thousands of dollars a year",
        when="forced.estimate < -2000",
    ),
]
