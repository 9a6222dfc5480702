"""Claims of notebook 01: naive numbers and the truth."""

from claim_tools import Claim, Everywhere, Fixed, nb
from generate_data import World

import run

W = World()
HERE = next(path for path in run.notebooks() if path.parent.name.startswith("01_"))
LEDGER = run.ledger(HERE)
OTHERS = len(run.notebooks()) - 1
STORY, DESIGN, LOGIC, LAW = "story", "how the notebook is built", "follows from the definitions", "general advice"
BUILT = "how section 2 builds the two outcomes that no column holds"
OURS = "the first edition, which is in the history of the repository"


def shown():
    """(naive, estimate with interval, truth) as the series shows them."""
    return run.shown(nb("01")["headline"])


def flipped():
    """Rows of the dashboard that turn negative in the other season."""
    tutorial = nb("01")
    return [row for row, gap in zip(tutorial["ROWS"], tutorial["naive_other"][:, 0], strict=True) if gap < 0]


def arrows():
    """Arrows of the causal graph, as (tail, head)."""
    return {(tail, head) for tail, heads in nb("01")["ARROWS"].items() for head in heads.split()}


CLAIMS = [
    # the first page
    Fixed("A stopped clock is right twice a day", "Look at it at that moment", why=STORY),
    Claim("all {words(len(naive))} differences are positive", when="(naive[:, 0] > 0).all()"),
    Claim("{capital(words(len(ROWS)))} decisions in two panels. Your dashboard today: all {words(len(ROWS))} numbers are positive, "
          "and all but agent mode lie near the true effect",
          when="len([naive_other, naive]) == 2 and [row for row, far in zip(ROWS, abs(naive[:, 0] / truth - 1) > 0.25) if far] == ['agent "
               "mode']"),
    Claim("{words(len(flipped()))} of the numbers lie left of zero, where the sign is wrong, and the fair comparisons still lie near "
          "the true effect", when="(abs(design_other[:, 0] / truth - 1) < 0.05).all()"),
    Claim("for the number that misleads most today", when="ROWS[abs(naive[:, 0] / truth - 1).argmax()] == 'agent mode'"),
    Claim("| your dashboard: users who switched it on minus the others | {shown()['naive']} |"),
    Claim("| estimate: the same comparison among equally engaged users, 95 % interval | {shown()['estimate']} |"),
    Claim("| truth, which we know because these logs are simulated | {shown()['truth']} |"),
    Claim("{capital(words(len(flipped())))} naive numbers in the picture are right by accident, which is worse than being wrong",
          when="all(holds[ROWS.index(row)] for row in flipped())"),
    Fixed("Every number on the dashboard is positive. Which may you act on?", why="as claimed below"),
    Fixed("Nobody looks twice at", "In ten minutes: this page, Figures 1 and 4", "With care: 45 minutes", "Run time: under 20 seconds",
          why=DESIGN),
    Fixed("The second if of section 2 fails", "the accidents of section 3", "(section 4 has what you need)", "Notebook 04 lets every week",
          "notebooks 02 to 07 take their time", "the same tier (notebook 02)", "if hard queries fail more often, the door is open (notebook "
          "03)", "one through the week (notebook 04)", "Figure 1. Three", "Figure 4. The same picture", why="where things stand"),
    Fixed("The simulation knows more than any log", "draws on capacity that all users share", why=STORY),
    Claim("compare {words(len(ROWS))} naive numbers with the truth"),
    Fixed("The other six follow an article each", "one of the decisions above", "(freeCodeCamp, 2026;", why=DESIGN),
    Fixed("What matters most about a column", "(is `user_id` odd?)", why=DESIGN),
    Claim("`routed_to_premium` (confidence below {W.premium_cutoff})"),
    # 2 the dashboard
    Claim("Agent mode: {naive[1, 0]:.4f}, and the two ends of an interval", when="naive[1, 1] < naive[1, 0] < naive[1, 2]"),
    Fixed("plus and minus 1.96 standard errors is a 95 % interval: 95 of 100 such intervals hold the truth", why=LOGIC),
    Fixed("Two of the features are not in the logs", "on in workspaces 0 to 24", "stay 0.20 minutes longer",
          "three hours on, three off, over two days", "It adds 0.060 to completion at once, and 0.030 more in the hour after",
          why=BUILT),
    Claim("and adds {TRUE_EFFECT['summarizer']:.2f} minutes to a session"),
    Claim("The upgrade is read in two ways. It reached early workspaces (wave 1) in week {W.treatment_week[0]} and late ones (wave 2) "
          "in week {W.treatment_week[1]}. So one may compare early users before and after week {W.treatment_week[0]}",
          when="sum('upgrade' in row for row in ROWS) == 2 and 1 < 2 == len(ROWS) - 5"),
    Claim("All {words(len(ROWS))} are positive, and no interval comes near zero", when="naive[:, 1].min() > 0.02"),
    Claim("The interval of agent mode misses the true effect. For each of the other {words(len(ROWS) - 1)}: does it hold it",
          when="not holds[ROWS.index('agent mode')]"),
    Claim("{capital(words((~holds).sum()))} do not: agent mode, the summarizer and the routing",
          when="[row for row, good in zip(ROWS, holds) if not good] == ['agent mode', 'summarizer', 'routing']"),
    Claim("But the summarizer has the narrowest interval for its size, and lies {pct(1 - naive[5, 0] / truth[5])} below the truth",
          when="((naive[:, 2] - naive[:, 1]) / naive[:, 0]).argmin() == ROWS.index('summarizer') == 5"),
    Claim("It compared {naive[6, 0]:.4f} with the effect at once, 0.060, and called it too large",
          when="naive[6, 0] > 0.060 and ROWS[6] == 'routing'"),
    Claim("the effect is 0.060 + 0.030 = {truth[6]:.3f}. The same number is too small, by a quarter",
          when="truth[6] == 0.060 + 0.030 and about(naive[6, 0], 3 / 4 * truth[6], 0.03)"),
    Fixed("a number is neither too large nor too small", why=LOGIC),
    Claim("{capital(words(holds.sum()))} numbers agree with the truth"),
    # 3 wait, and look again
    Fixed("how much more early teams complete than late teams", why="what the constant means"),
    Claim("In our logs it is {W.wave_offset}. Let it be {CHANGE['wave_offset']}: late teams are the better ones",
          when="CHANGE['wave_offset'] < 0 < W.wave_offset"),
    Claim("One row falls by {words(100 * (moved['before'] - moved['now']).max())} points and turns its sign",
          when="((moved['now'] < 0) == (moved.index == 'upgrade, early/late')).all()"),
    Claim("The others move by less than a point", when="(moved['now'] - moved['before']).abs().drop('upgrade, early/late').max() < 0.01"),
    Claim("With {W.wave_offset} the number was right because two wrong ones add up: the offset, and a fifth of the effect, as early "
          "teams alone have the upgrade in only {words(W.treatment_week[1] - W.treatment_week[0])} of {W.n_weeks} weeks",
          when="about((W.treatment_week[1] - W.treatment_week[0]) / W.n_weeks, 1 / 5) and len([W.wave_offset, W.rollout_effect]) == 2"),
    Claim(r"${W.wave_offset} + {W.rollout_effect} \cdot {W.treatment_week[1] - W.treatment_week[0]}/{W.n_weeks} = "
          r"{W.wave_offset + W.rollout_effect * (W.treatment_week[1] - W.treatment_week[0]) / W.n_weeks:.4f}$"),
    Claim("A `seasonal_jump` of {CHANGES['seasonal_jump'][0][0]} is a slump for everybody from week {W.seasonal_week} on",
          when="CHANGES['seasonal_jump'][0][0] < 0"),
    Claim("A `confidence_slope` of {CHANGES['confidence_slope'][0][2]:.2f} lets queries succeed more often where the router is sure "
          "of them", when="CHANGES['confidence_slope'][0][2] > 0"),
    Fixed("completion now rises with confidence. Does the number of the premium model rise, too", why="the question"),
    Claim("{capital(words(len(CHANGES)))} panels. As the wave offset, the seasonal jump or the slope on confidence moves away from its "
          "value in our logs, one dashboard number each runs along a steep line from the true effect to below zero, where its sign is "
          "wrong", when="list(CHANGES) == ['wave_offset', 'seasonal_jump', 'confidence_slope'] and all(path[k][0].min() < 0 for k in path)"),
    Claim("{capital(words(len(CHANGES)))} stopped clocks. Each grey line crosses the truth where our logs happen to lie",
          when="all(abs(path[k][0][CHANGES[k][0].index(getattr(W, k))] - TRUE_EFFECT[CHANGES[k][1]]) < 0.005 for k in CHANGES)"),
    Claim("means over {words(N_MOVED)} fresh logs"),
    Claim("Early against late follows the offset one for one, before and after follows the season one for one",
          when="abs(slope['wave_offset'] - 1) < 0.1 and abs(slope['seasonal_jump'] - 1) < 0.1"),
    Claim("premium minus cheap loses a quarter of a point for each point of the slope", when="-0.27 < slope['confidence_slope'] < -1 / 4 "
          "+ 0.02"),
    Fixed("that the number rises with completion", why="the tempting answer"),
    Fixed("between its two sides", why=LOGIC),
    # 4 ten users
    Claim('What "truth" means: {words(len(ten))} users with two futures', when="2 == len([k for k in ('with', 'without') if k in ten])"),
    Claim("Here are the first {words(len(ten))} users", when="ten.index.tolist() == list(range(len(ten)))"),
    Fixed("Each user has two potential outcomes", "A log shows one of the two, never both", "there are just these two",
          "how much the two groups would differ", "which is why there are two names", why=LOGIC),
    Claim("it holds for {words(len(ten))} users as it does for all",
          when="(abs(parts.loc['naive'] - parts.loc['ATT'] - parts.loc['selection bias']) < 1e-12).all()"),
    Claim("The ATE is {100 * ate:.1f} points, the dashboard says {100 * naive[1, 0]:.1f}"),
    Claim("near {100 * ate:.0f}, near {100 * naive[1, 0]:.0f}, or in between?"),
    Claim("ATT and ATE agree within a hair, since the generator adds {W.opt_in_effect} to everybody (a few users near the ceiling of "
          "{W.p_limits[1]} get less)", when="abs(ate - att) < 1e-4 and 0 < (people['effect'] < 0.0799).mean() < 0.01"),
    Fixed("The tempting answer is a larger ATT", why="the tempting answer"),
    Claim("not one of the {100 * (naive[1, 0] - ate):.0f} surplus points is an effect on anybody",
          when="abs(people['effect'].max() - W.opt_in_effect) < 1e-9"),
    Claim("Of the {100 * naive[1, 0]:.0f} points on the dashboard, {100 * att:.0f} are agent mode and nearly {100 * selection:.0f} are "
          "who chose it", when="100 * selection < 13"),
    Claim("the sampling noise, {noise:.4f}", when="abs(naive[1, 0] - att - selection - noise) < 1e-12"),
    Claim("More users would shrink the noise and leave the {100 * selection:.0f} points where they are", when="noise > 0"),
    # 5 who chose it
    Claim("Heavy users opt in five times as often as light users", when="about(tiers.loc['heavy', 'opted in'] / tiers.loc['light', 'opted in'], 5)"),
    Claim("without agent mode they would complete {pct(tiers.loc['heavy', 'without'])} of their tasks and light users "
          "{pct(tiers.loc['light', 'without'])}"),
    Claim("prompt variant: no arrow comes in", when="not [head for _, head in arrows() if head == 'prompt_variant']"),
    Claim("two are open, one through the wave and one through the week",
          when="len({('wave', 'task_completed'), ('signup_week', 'task_completed')} & arrows()) == 2"),
    Claim("This is the estimate of the first page, {100 * adjusted[0]:.1f} points"),
    Claim("Session minutes look like a good stand-in for engagement, and rise with agent mode", when="W.session_opt_in > 0 < W.session_heavy"),
    Fixed("Minutes rise with engagement and with agent mode: two arrows meet in them", why="the formula of minutes in the data card"),
    Claim("neither the naive one nor the effect", when="1.5 * truth[1] < same_minutes < 0.8 * naive[1, 0]"),
    Claim(r"agent mode costs \${cost:.3f} a user, of which \${cost - cost_same_minutes:.3f} are longer sessions", when="W.session_opt_in > 0"),
    Claim('The font "adds" the {100 * font["parity"][0]:.1f} points of the prompt: two experiments on the same split',
          when="font['parity'][0] == naive[0, 0] and font['salted hash'][1] < 0 < font['salted hash'][2] and len(font) == 2"),
    # 6 by design
    Fixed("Just below and just above 0.85 the queries are the same", why="World.premium_cutoff"),
    Fixed("within 0.10, and take", why="the default of at_threshold"),
    Fixed("add the two coefficients", why=LOGIC),
    Claim("All {words(len(design))} intervals hold the truth", when="((design[:, 1] < truth) & (truth < design[:, 2])).all()"),
    Claim("the ATT: with their tiers, {100 * np.average([logs['task_completed'][(logs['tier'] == k) & (logs['opt_in_agent_mode'] == 1)].mean() - "
          "logs['task_completed'][(logs['tier'] == k) & (logs['opt_in_agent_mode'] == 0)].mean() for k in range(3)], "
          "weights=logs['tier'][logs['opt_in_agent_mode'] == 1].value_counts().sort_index()):.1f} points"),
    Claim("two and a half times that of the dashboard for the premium model, and {words(wider[5])} times for the summarizer, where {change"
          "['workspace_id'].size} workspaces count and not {len(logs):,} users",
          when="about(wider[2], 2 + 1 / 2, 0.03) and len(ROWS) - 5 == 2"),
    Claim("for the premium model the dashboard was nearer and more precise. On these logs it was",
          when="abs(naive[2, 0] - truth[2]) < abs(design[2, 0] - truth[2]) and wider[2] > 1"),
    Claim("weighted in three ways; they differ by less than half of the standard error, {np.ptp(design[3, 1:]) / 2 / 2.0106:.4f}",
          when="max(design[3, 0], did_users, did_pooled) - min(design[3, 0], did_users, did_pooled) < 1 / 2 * np.ptp(design[3, 1:]) / 4 "
               "and len([did_users, did_pooled, design[3]]) == 3"),
    Claim("That the third is the naive {naive[3, 0]:.4f} once more is an accident", when="abs(did_pooled - naive[3, 0]) < 0.0001 and "
          "len([did_users, did_pooled, design[3]]) == 3"),
    Claim("late workspaces happened not to change", when="abs(here.loc['late teams, weeks 20-29 minus 0-19', 'value']) < 0.003"),
    Claim("late teams have become the better ones, there is a slump from week {season.seasonal_week} on, hard queries fail more often",
          when="season.wave_offset < 0 and season.seasonal_jump < 0 < season.confidence_slope"),
    Claim("summaries from colleagues are worth {words(changed['spillover'] / 0.20)} times as much, and routing switches every "
          "{words(changed['block'])} hours", when="changed['spillover'] > 0.20"),
    Claim("{capital(words(len(ROWS)))} decisions in two panels. Left, your dashboard today: all dashboard numbers are positive and near the "
          "true effect, except agent mode at {naive[1, 0] / truth[1]:.1f} times the effect",
          when="(naive[:, 0] > 0).all() and len([naive, naive_other]) == 2"),
    Claim("the dashboard numbers of the premium model and of both readings of the upgrade are negative; the fair comparisons stay near the "
          "truth", when="flipped() == ['premium model', 'upgrade, before/after', 'upgrade, early/late'] and "
                        "(abs(design_other[:, 0] - truth) < 3 * error_other[1]).all()"),
    Claim("Right: means over {N_CHANGED} fresh logs", when="len(other) == N_CHANGED"),
    Claim("Nothing about the features has changed, and {words(len(flipped()))} of the dashboard's numbers have the wrong sign"),
    # 7 honest
    Claim("Make {N_DATASETS} fresh ones in the world of our logs, compute all {words(2 * len(ROWS))} numbers on each",
          when="len(draws) == N_DATASETS"),
    Fixed("In how many of 100 logs", why="the question"),
    Claim("whose number lay {pct(1 - naive[5, 0] / truth[5])} low", when="naive[5, 0] < truth[5]"),
    Fixed("The tempting answers are 95, because before/after is right on average, and somewhat fewer for the summarizer", why="tempting"),
    Claim("They are {100 * honest['naive'].loc['upgrade, before/after', 'coverage']:.0f} and "
          "{100 * honest['naive'].loc['summarizer', 'coverage']:.0f}"),
    Claim("promised {honest['naive'].loc['upgrade, before/after', 'promised']:.4f}, in truth "
          "{honest['naive'].loc['upgrade, before/after', 'SD']:.4f}"),
    Claim(r"promised {honest['naive'].loc['summarizer', 'promised']:.4f} minutes, in truth $0.3\sqrt{{2/25}} = {0.3 * np.sqrt(2 / 25):.4f}$ "
          r"(measured {honest['naive'].loc['summarizer', 'SD']:.4f}, two of its own errors of "
          r"{honest['naive'].loc['summarizer', 'SD'] / np.sqrt(2 * N_DATASETS):.3f} below)",
          when="about((0.3 * np.sqrt(2 / 25) - honest['naive'].loc['summarizer', 'SD']) * np.sqrt(2 * N_DATASETS), 2 * honest['naive'].loc"
               "['summarizer', 'SD'])"),
    Claim("The formula counts {len(logs):,} users, and {change['workspace_id'].size} workspaces were assigned. Its mean is too low as well",
          when="honest['naive'].loc['summarizer', 'mean'] < truth[5] - 0.02"),
    Claim("hardly any interval holds the truth. Their means are wrong in every log",
          when="honest['naive'].loc[['agent mode', 'routing'], 'coverage'].max() < 0.06"),
    Claim("coverage is perfect. In this world", when="honest['naive'].loc[['premium model', 'upgrade, early/late'], 'coverage'].min() > 0.93"),
    Claim("means at the truth and coverage near 0.95 in every row, within the errors given",
          when="(abs(honest['design-based']['coverage'] - 0.95) < 2 * honest['design-based']['±']).all() and "
               "(abs(honest['design-based']['mean'] - truth) < 3 * honest['design-based']['SD'] / np.sqrt(N_DATASETS)).all()"),
    # 8 when it fails
    Fixed("Each of the three lessons below", why="three failures follow"),
    Fixed("Failure 1: half a repair", "and kept all users of the treated workspaces", why=OURS),
    Claim("{W.session_opt_in:.0f} more with agent mode, {W.session_heavy:.0f} more for heavy users", when="W.session_opt_in > 0"),
    Claim("The half repair finds twice the effect, in every log",
          when="half_repair['controls only'][2] == 0 and about(half_repair['controls only'][0], 2 * 0.80, 0.05) and 1 / 2 < 1 and "
               "min(low for _, low, _ in repairs['controls only']) > 0.80"),
    Fixed("against workspaces with all of theirs", why=LOGIC),
    Fixed('"change what is not an effect: a sound estimate stays"', why=OURS),
    Fixed("None of them is an effect of the feature, none stands in a column", why=DESIGN),
    Claim("{capital(words(len(AIMED)))} fair comparisons, each in a world with one change aimed at it. All {words(len(AIMED))} black marks "
          "lie off the green line of the truth: prompt and agent mode and routing above it, premium model, upgrade and summarizer below "
          "it; the upgrade nearly at zero",
          when="[row for row in AIMED if missed.loc[row, 'design-based'] > missed.loc[row, 'truth'] + 5 * missed.loc[row, '±']] == "
               "['new prompt', 'agent mode', 'routing'] and (abs(missed['design-based'] - missed['truth']) > 5 * missed['±']).all() and "
               "abs(missed.loc['upgrade, before/after', 'design-based']) < 0.015"),
    Claim("aimed at the black marks: means over {N_CHANGED} fresh logs", when="len(hit) == N_CHANGED"),
    Claim("The premium model's {missed.loc['premium model', 'design-based']:.4f} is two Monte Carlo errors from the 0.03 that are left of its "
          "{truth[2]:.2f}", when="about((0.06 - 0.03 - missed.loc['premium model', 'design-based']) / missed.loc['premium model', '±'], 2)"),
    Claim("No interval is wider for it", when="np.all(np.ptp(hit[..., 1:], axis=-1).mean(axis=0) < 1.05 * 3.92 * "
          "honest['design-based'].loc[list(AIMED), 'promised'])"),
    Claim("The table is the whole series in {words(len(AIMED))} lines"),
    Fixed("a list of all running tests", "| two waves | a gap that stays, a season for all | a season for one |", why=LOGIC),
    Claim("before week {W.seasonal_week} the waves were parallel", when="W.seasonal_week == W.treatment_week[0]"),
    Claim("Did untreated teams change in week {W.treatment_week[0]}?"),
    Claim("The first check fails, loudly: early against late was never worth reporting. The others pass",
          when="here['low'].iloc[0] > 0 and ((here['low'].iloc[1:] < 0) & (here['high'].iloc[1:] > 0)).all()"),
    Claim("with an interval from {here.loc['slope on confidence, cheap model', 'low']:.2f} to "
          "{here.loc['slope on confidence, cheap model', 'high']:.2f}"),
    Claim("the error that section 7 found too small: where nothing is wrong, it cries wolf in one log of four",
          when="about(1 - honest['naive'].loc['upgrade, before/after', 'coverage'], 1 / 4, 0.2)"),
    Claim("A slope of {CHANGES['confidence_slope'][0][2]:.2f} turns the sign of the dashboard, and the check on the cheap model notices it "
          "in two logs of three; half of it in one of five",
          when="path['confidence_slope'][0][2] < 0 and about(power['slope on confidence, cheap model'][0.30], 2 / 3, 0.05) and "
               "about(power['slope on confidence, cheap model'][0.30 * 1 / 2], 1 / 5, 0.11)"),
    Claim("slopes that it finds with power 0.80 begin at {2.8 * here.loc['slope on confidence, cheap model', 'error']:.2f}, and with that "
          "the dashboard is off by {words(100 * blind['slope on confidence, cheap model'])} points, more than the effect",
          when="blind['slope on confidence, cheap model'] > truth[2] and 0.80 > 0"),
    Claim("which has far more users and a wide range of confidence, leaves about one point",
          when="round(100 * blind['slope on confidence, premium model']) == 1 and logs['routed_to_premium'].mean() > 0.7"),
    # endings
    Fixed("More users shrink the noise and leave the bias", why="an identity"),
    Fixed("+2.1 points, with an interval from 2.0 to 2.2, from ten million users", "found +5.0 points, and the dashboard said +5.1",
          '"All our checks passed."', why="invented for the quiz"),
    Fixed("`d = simulate(1, world=World(opt_in_rate=(0.65, 0.35, 0.12)))`", why="the exercise"),
    Fixed("(5 minutes)", "(15 minutes)", "(20 minutes)", "You are right if `difference` gives a value between −0.05 and −0.005 and "
          "`within_tiers` one within 0.02 of 0.08", "at 20 datasets with the trait and at the same 20 without it",
          "lies between 0.095 and 0.110 with the trait, and no check moves by more than 3.5 of the standard errors of its move",
          "Why can none see it", "What does one more completed task cost", why="the solutions assert it"),
    Fixed(r"within \$0.0005 of \$0.019, and the naive cost is above it, yet the naive ratio is below \$0.12 and the within-tier ratio above "
          r"\$0.18", "Which of its two parts", why="the solutions assert it"),
    Everywhere("{words(OTHERS)} articles"),
    Claim("| 02 | agent mode {naive[1, 0]:+.4f} | {selection:.2f} of it is selection"),
    Claim("| 03 | premium model {naive[2, 0]:+.4f}, near the truth by coincidence | unbiased by construction in this world, and in few "
          "others", when="abs(honest['naive'].loc['premium model', 'mean'] - truth[2]) < 0.001"),
    Claim("| 04 | before/after {naive[3, 0]:+.4f} | right if nothing else happens, and its interval too narrow",
          when="honest['naive'].loc['upgrade, before/after', 'promised'] < 0.7 * honest['naive'].loc['upgrade, before/after', 'SD']"),
    Claim("| 07 | early minus late, {naive[4, 0]:.4f}, as the effect of the upgrade | {W.wave_offset} of it is a constant offset"),
    Claim("| 05 | summarizer {naive[5, 0]:+.4f} | low: a leak and an unlucky draw, and the error counts the wrong thing",
          when="naive[5, 0] < honest['naive'].loc['summarizer', 'mean'] < truth[5]"),
    Claim("| 06 | routing {naive[6, 0]:.4f} | neither the effect at once (0.060) nor that of staying on ({truth[6]:.3f})",
          when="0.060 < naive[6, 0] < truth[6]"),
    Fixed("of it is selection | 4 |", "in few others | 3 |", "too narrow | 3, 7 |", "constant offset | 3 |", "the wrong thing | 7 |",
          "of staying on (0.090) | 2 |", why="sections"),
]  # fmt: skip

README_CLAIMS = [
    Claim("{capital(words(len(ROWS)))} numbers on a dashboard say that {words(len(ROWS))} features work", when="(naive[:, 0] > 0).all()"),
    Claim("{capital(words(len(ROWS)))} decisions in two panels. Today all dashboard numbers are positive",
          when="(naive[:, 0] > 0).all() and len([naive, naive_other]) == 2"),
    Claim("{words(len(flipped()))} of them lie left of zero, where the sign is wrong"),
    Claim("| dashboard: users who switched it on minus the others | {shown()['naive']} |"),
    Claim("| estimate: the same comparison within engagement tiers [95 %] | {shown()['estimate']} |"),
    Claim("| truth | {shown()['truth']} |"),
    Claim("{capital(words(len(flipped())))} of the other dashboard numbers are right by accident",
          when="all(holds[ROWS.index(row)] for row in flipped())"),
    Fixed("Run time: under 20 seconds", why="test_workshop.py: run.promised_seconds, and make prints the seconds"),
    Claim("the naive numbers of the {words(len(LEDGER))} articles"),
]  # fmt: skip

SOLUTIONS_CLAIMS = [
    Fixed("another draw of ten million users", "ten million users give the wrong number to one decimal", why="the quiz"),
    Claim("With a selection of {100 * tutorial['selection']:.0f} points"),
    Fixed("finds a disaster in one log of five passes in the other four", why="5 - 1 = 4"),
    Fixed("Right: `difference` between −0.05 and −0.005, and `within_tiers` within 0.02 of 0.08", why="an assert below it"),
    Claim("The ATT is still about {W.opt_in_effect:+.2f}", when="abs(att - W.opt_in_effect) < 0.001"),
    Claim("those who opt in are now mostly light users, who complete less",
          when="W.base_rate[0] < W.base_rate[1] and selection < 0 and turned.opt_in_rate[0] > 0.5"),
    Fixed("which of the two is larger", "The table of who opts in (section 5) does", "The identity of section 4", why="the argument"),
    Claim("The selection bias wins", when="selection < -att"),
    Claim("Within each tier the difference is positive. Pooled over the tiers it is negative, because the opted-in side now holds most of "
          "the light users, who complete less", when="min(per_tier) > 0 > naive and W.base_rate[0] == min(W.base_rate)"),
    Claim("with {len(opted_in):,} users to back it up"),
    Fixed("the mean of `within_tiers` over 20 seeds lies between 0.095 and 0.110, and no check moves by more than 3.5 standard errors",
          why="asserts below it"),
    Claim("We draw each seed twice, with the trait and without it, so that the two worlds share much of their noise",
          when="len(seen[0]) == 2 and (move.var(axis=0) < 0.8 * seen.var(axis=0).sum(axis=0)).all()"),
    Claim("With the trait the estimate misses {W.opt_in_effect} by {words(100 * (found.loc['within tiers', 'with'] - W.opt_in_effect))} "
          "points on average, and more users would not help", when="found.loc['within tiers', 'move'] > 5 * found.loc['within tiers', '±']"),
    Claim("users with the trait are a larger share of those who opted in than of the others, and each brings {HIDDEN.hidden_effect:.2f} of "
          "completion", when="(among_in > among_out).all()"),
    Claim(r"from a rate $r$ to $r + {HIDDEN.hidden_opt_in:.2f}$ for the {pct(HIDDEN.hidden_share)} of users"),
    Claim("The two agree, but for the noise and for the few users whom the ceiling of {W.p_limits[1]} cuts off",
          when="abs(expected - bias) < 3.5 * bias_error and len([expected, bias]) == 2"),
    Fixed("Why can none see it", "two waves, two seasons", "spread evenly over all of these", "the same users without agent mode were never "
          "observed", 'So "all checks pass"', "a random half", why="the argument"),
    Claim("The first check fails in both worlds alike", when="found.loc['early minus late', ['without', 'with']].min() > 0.03"),
    Fixed(r"within \$0.0005 of \$0.019, and the naive cost above it; a naive ratio below \$0.12 and a within-tier ratio above \$0.18",
          "What does one more completed task cost", why="asserts below it"),
    Fixed("A ratio of two effects", "only as good as the worse of them", "Two errors in the same direction", why="the argument"),
    Claim("Both naive numbers are too large, and their ratio is too small by more than half. The cost is only a little too high",
          when="naive_price[1] > true_price[1] and naive_price[2] < 1 / 2 * true_price[2] and 1 < naive_price[0] / true_price[0] < 1.1"),
    Claim("opted-in users are more often heavy users, with longer sessions", when="W.opt_in_rate[2] > W.opt_in_rate[0] and W.session_heavy > 0"),
    Claim("too high by a factor of {naive_price[1] / true_price[1]:.1f}", when="naive_price[1] > true_price[1]"),
    Claim("Costs differ little from user to user", when="sd[0] / mean[0] < 0.01 < sd[1] / mean[1]"),
    Fixed("the small difference of two large shares. To record the cost more precisely", why="the argument"),
    Claim("at {100 * naive_price[2]:.0f} cents per additional task. It costs about {100 * true_price[2]:.0f}"),
]  # fmt: skip
