"""Claims of notebook 07: sequential testing."""

import numpy as np
import sequential  # noqa: F401 (the claims' expressions call it)
from claim_tools import Claim, Fixed, tutorials, variables
from generate_data import World  # noqa: F401 (likewise)
from scipy import stats

BUILT, LOGIC = "how the notebook is built", "follows from the definition"
STORY = "the story of the notebook"
wins = 0.65 * 0.4 / (0.65 * 0.4 + 0.6 * 0.35)  # of the pairs that disagree, with +5 points on 60 %


def of(name):
    return variables(tutorials()["07"])[name]


def on14(name):
    """(difference, p) of a test on day 14."""
    x, y = (arm[: 14 * 60] for arm in of("tests")[name])
    return x.mean() - y.mean(), stats.ttest_ind(x, y).pvalue


def first_p(name):
    """The first evening with p < 0.05."""
    x, y = of("tests")[name]
    return next(d for d in range(1, 30) if stats.ttest_ind(x[: 60 * d], y[: 60 * d]).pvalue < 0.05)


def left_zero(name):
    return int(of("walks")[name].stop()) + 1


def never(name):
    walked = of("walks")[name]
    return bool(((walked.lo <= 0) & (walked.hi >= 0)).all())


def bets(name):
    won = np.subtract(*of("tests")[name], dtype=float)
    return (np.cumprod(1 + 0.1 * won) + np.cumprod(1 - 0.1 * won)) / 2


def bet14(name):
    return bets(name)[14 * 60 - 1]


def bet_stop(name):
    """The day on which the bet reaches 20, or None."""
    return int(np.argmax(bets(name) >= 20)) // 60 + 1 if bets(name).max() >= 20 else None


def fdr(working):
    """False discoveries by day 30, if this share of ideas adds five points and the others nothing."""
    nothing, real = of("nothing_by")[-1], of("real_by")[-1]
    return (1 - working) * nothing / ((1 - working) * nothing + working * real)


PRACTICE_CLAIMS = [
    Fixed("run all", "a user in two rows or two arms is found", "Three questions before you look", "the two SQL texts",
          "So report the interval at the stop, and never the estimate alone", why=BUILT),
    Fixed("every departure from New York's three airports in 2013", why="the data, see data/real/README.md"),
    Claim("we know that the effect is exactly zero", when="past.looks[0].astype(str).startswith('2013')"),
    Fixed("`worthwhile` is the smallest gain that you would ship for. A `margin` is the largest loss that you would "
          "accept, if it is enough that the new version is not worse", "Five sessions of one user are not five users",
          "has narrower intervals", "Unequal arms, one user in ten with tails", "If the two disagree", "The second row compares", why=LOGIC),
    Claim("as frequent under heads as under tails, so nothing worse than a note comes of them",
          when="abs(result.problems['rows'].iloc[0] / result.problems['rows'].iloc[1] - 1) < .02 "
               "and set(result.problems['severity']) == {'warning'}"),
    Claim("The interval holds zero, as it should. It also lies wholly below the gain that would have been worth having",
          when="result.lo < 0 < result.hi < DESIGN['worthwhile'] and result.verdict == 'not worthwhile'"),
    Claim("Two outer lines", when="len({'lo', 'hi'} & set(result.looks.columns)) == 2"),
    Claim("read by {words(len(stops))} rules"),
    Claim("For the two group-sequential ones", when="stops['method'].isin(['Pocock', \"O'Brien-Fleming\"]).sum() == 2"),
    Claim("Peeking stops on the first day, with a difference of {words(round(abs(100 * stops['estimate'].iloc[0])))} points "
          "between two sides of a coin", when="stops['stopped'].iloc[0] == '2013-01-01' and len(result.arms) == 2"),
    Claim("The fixed sample, read once at the end, and O'Brien–Fleming are wrong as well",
          when="(stops['lo'].iloc[1:3] > 0).all()"),
    Claim("each promises to be wrong in one test out of {words(round(1 / (1 - result.level)))}"),
    Claim("The two sequences, whose intervals are wider, stay quiet",
          when="(stops['stopped'].iloc[-2:] == 'never').all() and len(stops.iloc[-2:]) == 2 and "
               "((stops['hi'] - stops['lo']).iloc[-2:] > (stops['hi'] - stops['lo']).iloc[1]).all()"),
    Claim("tosses the coin again for every flight, 500 times over, and reads each test on all days",
          when="round((even['stops'] * (1 - even['stops']) / even['± '] ** 2).iloc[0]) == 500"),
    Claim("Peeking does it in more than four out of ten. All others keep to five per cent, within the Monte Carlo error",
          when="min(even['stops'].iloc[0], uneven['stops'].iloc[0]) > 4 / 10 and all((t['stops'] - 5 / 100 < 2 * t['± "
               "']).iloc[1:].all() for t in (even, uneven))"),
    Claim("Suppose that 45 per cent had been planned for the second arm, and half of the users came into it",
          when="abs(result.n['treated'] / result.n['used'] - 1 / 2) < .01 and 100 * .45 == 45 and 'second arm'"),
    Claim("All methods find it", when="(planted['stops'] > .99).all()"),
    Claim("Whoever stops at the first success reports too much", when="(planted['mean_estimate'].iloc[[0, 2, 3, 4, 5]] > .01).all()"),
    Claim("that of peeking holds it in less than half of the tests on all days", when="planted['covers_always'].iloc[0] < 1 / 2"),
    Claim("needs {words(round(100 * (plan['times_fixed'].iloc[2] - 1)))} per cent more users than a single look"),
    Claim("takes seven tenths more for the same power", when="abs(plan['times_fixed'].iloc[1] - 1 - 7 * 1 / 10) < 0.05"),
    Claim("the typical test of the sequence with this effect stops before the fixed sample would",
          when="plan['typical_users'].iloc[1] < plan['users'].iloc[0]"),
]  # fmt: skip

CLAIMS = [
    # the first page
    Fixed("A football match lasts ninety minutes", "after ten minutes or three hours", "Between two equal teams, his nearly always wins",
          "Two tests, side by side", "Two tests that look alike on day", "Below you build it", "looked at every evening. Below", why=STORY),
    Fixed("07 · Day 14 says", "On day 14 the dashboard says", "glance, in two tests", "this page, Figures 1 and 2", why=STORY),
    Fixed("Figure 1. Every further look is a further chance to be wrong", "Figure 2. A hundred players", "Figure 3. Left", "and of the two waves",
          "Figure 5. A dot is a dataset", "(Johari and others 2022)", "you have seen Figure 4?", "two labels are swapped | Figure 3 |", "level of its own | Figure 3 |", why=BUILT),
    Fixed("| all users, 95 % interval", "p below 0.05", "is never negative and stays level", "averaged over all rates the odds are fair", "the rate of all users so far",
          "never finds those: Failure 6", "the comparison was never fair", "Neither arm is better", "First none of them moves", "the largest $k$ for which they all are at least",
          "missing more often in one arm", "an always-valid p-value", "does all of this on your own log", "does the lower line of the first test", "interval of all users |", why=LOGIC),
    Claim("is in a {DAYS}-day test"),
    Claim("usual interval leaves zero on day 14. The outer lines, an interval that may be read every evening, leave zero on day "
          "{left_zero('new against old')} where the new prompt works, and never where both arms have the same prompt",
          when="first_p('new against old') == 14 == first_p('old against old') and never('old against old')"),
    Fixed("Two tests that look alike on day 14. Grey", why=STORY),
    Claim("| dashboard on day 14, the first with p < 0.05 | {pp(on14('new against old')[0])}, p = {on14('new against old')[1]:.3f} | "
          "{pp(on14('old against old')[0])}, p = {on14('old against old')[1]:.3f} |",
          when="first_p('new against old') == first_p('old against old') == 14 and all(p < 0.05 for _, p in map(on14, tests))"),
    Claim("95 % interval that may be read every evening | {pp(walks['new against old'].estimate[-1])} [{100 * walks['new against old'].lo[-1]:.1f}, "
          "{100 * walks['new against old'].hi[-1]:.1f}] | {pp(same.estimate[-1])} [{100 * same.lo[-1]:.1f}, {100 * same.hi[-1]:.1f}] |"),
    Claim("| {pp(truth['new against old'])} | {pp(truth['old against old'])} |"),
    Claim("On day 14 the test in which nothing happens looks a little better than the other. A number that was made for one look "
          "cannot tell the two apart", when="0 < on14('old against old')[0] - on14('new against old')[0] < 0.003 and 14 * PER_DAY"),
    Fixed("In ten minutes", "With care: 50 minutes", "the two tables of section 7", "bet against \"no effect\" on ten pairs of users",
          "break them in seven ways", "may be stopped at any time", "under 20 seconds", "(freeCodeCamp, 2026)", why=BUILT),
    Claim("hold {words(len(table))} rules for stopping against each other"),
    # 2 the two dashboards
    Fixed("Two dashboards, on the evening of day 14", "60 users a day in each arm, in an order that is shuffled. Two tests", "dealt to two arms", why=BUILT),
    Claim("Five points ahead, p below 0.05, in both",
          when="all(round(100 * d) == 5 and p < 0.05 for d, p in map(on14, tests))"),
    Claim("Somebody looked on {words(first_p('new against old') - 1)} evenings before"),
    Claim("until day 14 was the first evening with p < 0.05", when="first_p('old against old') == 14 and 0.05 > on14('old against old')[1]"),
    Claim("needed {SEED_NEW + 1} shuffles, the A/A test {SEED_SAME + 1}"),
    Claim("somebody's is the fifty-third", when="SEED_SAME + 1 == 53"),
    # 3 peeking
    Claim("both arms complete 60 % of their tasks", when="0.6 in rates[0]"),
    Fixed("runs a t-test on all users so far", "A t-test that is read once is wrong in 5 % of tests of nothing", "by day 14, and by day 30?",
          "The tempting answers are 5 %, because \"each look is a 5 % test\", or thirty times 5 %", "there are thirty chances", why=LOGIC),
    Claim("It is {pct(nothing_by[13])} by day 14 and {pct(nothing_by[-1])} by day {len(nothing_by)}", when="len(nothing_by) > 14"),
    Claim("turns a 5 % test into a {pct(nothing_by[-1])} test", when="abs(nothing_by[0] - 0.05) < 0.004"),
    Claim("(The article's thousand tests give {pct(computed['fpr_peeking'], 1)}, with a Monte Carlo error of "
          "{100 * np.sqrt(computed['fpr_peeking'] * (1 - computed['fpr_peeking']) / len(by_day)):.1f} points; its single look on day "
          "{by_day.shape[1]} is wrong in {pct(computed['fpr_single'], 1)}.)", when="len(by_day) == 1000"),
    Fixed("What you want to know on day 14 is", "If half of them add five points, and the others nothing", why=LOGIC),
    Claim(r"$$\frac{{0.5 \cdot {nothing_by[-1]:.2f}}}{{0.5 \cdot {nothing_by[-1]:.2f} + 0.5 \cdot {real_by[-1]:.2f}}} = "
          r"{100 * fdr(0.5):.0f}\,\%,$$", when="fdr(0.5) < 0.5"),
    Claim('the "one in four" that Paul states without the condition. Where one idea in ten works it is {pct(fdr(0.1))}: three '
          "successes out of four are noise", when="round(4 * fdr(0.1)) == 3 and round(4 * fdr(0.5)) == 1"),
    Claim("{100 * nothing_by[0]:.0f} percent on day 1, {100 * nothing_by[13]:.0f} percent on day 14, {100 * nothing_by[-1]:.0f} percent on "
          "day {len(nothing_by)}, and still rising. A dashed line marks 5 percent",
          when="nothing_by[-1] > nothing_by[-2] > nothing_by[0] and round(nothing_by[0], 2) == 5 / 100 and 14 * PER_DAY and 1 < DAYS"),
    # 4 the bet
    Fixed("The idea, on ten pairs: a bet", "Begin with a capital of 1, and in each such pair stake a tenth of it", "Its mean stays 1",
          "$E_n$ that starts at 1", "it may also fall on average", "a process that never exceeds such a capital",
          "*ever* turns 1 into 20 with a chance of at most one in twenty", "when the capital reaches 20",
          "at most 5 % of tests of nothing will ever be stopped", "so half of the capital is staked on each arm",
          "And why a tenth?", "(It must be: 5 % is the promise for ever", why=LOGIC),
    Claim("{capital(words((ten['treated'] > ten['control']).sum()))} pairs were won and {words((ten['treated'] < ten['control']).sum())} lost; "
          "the other {words((ten['treated'] == ten['control']).sum())} cost nothing. The capital is down to {ten['capital'].iloc[-1]:.2f}"),
    Claim("multiplies the capital by 1.1 or by 0.9", when="set(ten['capital'].div(ten['capital'].shift(fill_value=1)).round(6)) == {1.1, 0.9, 1}"),
    Claim("With a true +5 points on 60 %, the treated arm wins {100 * wins:.1f} % of the pairs that disagree",
          when="wins == 0.65 * 0.4 / (0.65 * 0.4 + 0.6 * 0.35) and round(0.65 - 0.6, 9) == 5 / 100 and 60 > DAYS"),
    Claim(r"stake of $2\cdot {wins:.3f} - 1$, about a tenth", when="about(2 * wins - 1, 0.1, 0.1)"),
    Claim("On day 14 both players hold three or four times their stake", when="14 * PER_DAY and {round(v) for v in map(bet14, tests)} == {3, 4}"),
    Claim("One of them reaches 20 on day {bet_stop('new against old')}, the other never",
          when="bet_stop('old against old') is None and 20 > 1 * PER_DAY / PER_DAY"),
    Claim("Read after every pair for thirty days, {HORIZON:,} looks, the bet is wrong in fewer than 5 % of tests of nothing, and in far "
          "fewer where completions are rare", when="nobody.mean() < 0.05 / 10 and DAYS == 30"),
    Claim("A hundred thin paths belong to tests of nothing: most sink, and few ever reach the line at 20. The thick path of the new "
          "prompt reaches it on day {bet_stop('new against old')}",
          when="len(players) == 100 and 0 < (players.max(axis=1) >= 20).sum() < 10 and np.median(players[:, -1]) < 1"),
    Claim("A hundred players who bet against \"no effect\" where there is none (thin; the {words((players.max(axis=1) >= 20).sum())} dark ones "
          "reach 20), and the two tests of this notebook", when="len(players) == 100 and 20 and len(tests) == 2"),
    Fixed("What sinks below 0.01 leaves the picture", "drawn uniformly from 0 to 1, that is from Beta(1, 1)", "one common rate, all drawn",
          why=BUILT),
    # 5 the article's bet
    Claim('"Stays near 1 when nothing happens" is not what it does; it sinks', when="null_e[-1] < 1 / 2 and medians[0] < 1 / 2"),
    Claim("wave 1, whose workspaces got a model upgrade in week 20, is the treated arm, wave 2 (week 30) the "
          "control", when="logs.groupby('wave')['treatment_week'].unique().map(list).to_dict() == {1: [20], 2: [30]}"),
    Fixed("Both are shuffled and paired, 60 pairs a day", "Of three simulated tests, the one with", "the Bayes factor of three simulated tests",
          "in the original two labels are swapped: the one that is said to cross never does", why=BUILT),
    Claim("the one with +7 points crosses the line at 20; +3 points and nothing sink. On the two waves it reaches 20 on day {stop_day:.1f}",
          when="paths['+7 points'].max() >= 20 and 7 and 3 and max(paths['+3 points'].max(), paths['nothing'].max()) < 20"),
    Claim("treated above control, settles at {ends['treated']:.1f} and {ends['control']:.1f} percent", when="ends['treated'] > ends['control']"),
    Claim("Half of all values are below 0.1 after {len(null_e)} pairs without an effect", when="0.09 < medians[0] < 0.1"),
    Claim("with a true +3 points it sinks as well", when="medians[1] < 1 / 2 and 3 > 2"),
    Fixed("This bet expects differences of tens of points", why="two uniform rates differ by 41 points, one standard deviation"),
    Claim("It finds half of what the t-test finds ({power:.2f} ± {np.sqrt(power * (1 - power) / len(stop_days)):.2f}), and its median stop is "
          "\"day {np.median(stop_days):.0f}\"", when="about(power / power_fixed, 1 / 2, 0.15)"),
    # 6 its odds
    Fixed("The 5 % promise is Ville's", "the very first pair at a rate of 60 %. There are four outcomes", "in the player's favour",
          "is itself drawn uniformly from 0 to 1", "at a rate of 60 % this is neither", "takes out what has reached 20",
          '"At most 5 % for any proper prior"', "Beta(0.5, 0.5) is the textbook's default; Beta(0.01, 0.01)",
          "how often does each of the two reach 20", why=LOGIC),
    Claim("The mean is {first_mean:.2f}, and not 1", when="first_mean > 1 + 1 / 10"),
    Claim("At Paul's own rate, 0.6, the chance is {exact.loc[0.4, 'ever at 20']:.4f}, as at 0.4, and {exact.loc[0.5, 'ever at 20']:.4f} at one half: "
          "more than promised, by little", when="0.05 < exact.loc[0.4, 'ever at 20'] < 0.06 and round(1 - 0.4, 9) == 0.6"),
    Claim("With more pairs it only grows", when="by_prior.loc[0, 0.4] < exact.loc[0.4, 'ever at 20']"),
    Claim("A simulation of a thousand tests cannot show this: its error is {1000 * np.sqrt(0.0546 * 0.9454 / len(stop_days)):.0f} in a thousand",
          when="len(stop_days) == 1000 and round(exact.loc[0.4, 'ever at 20'], 4) == 0.0546"),
    Claim("At extreme rates the test is overcautious instead", when="exact.loc[0.1, 'ever at 20'] < 0.02"),
    Claim("A minimum run time does make this test safer, since nearly all false alarms come in the first days: from day 14 on it is wrong in "
          "{100 * unsafe[1]:.1f} % of tests, for a power of {found[1]:.3f} instead of {found[0]:.3f}", when="unsafe[1] < unsafe[0] / 10 and 14 * PER_DAY"),
    Claim("Within 500 pairs at a rate of 0.4", when="0.4 in by_prior.columns and len(null_e) == 500"),
    Claim("The tempting answer is 5 % for both, or less, because a vague prior claims little. It claims a lot: Beta(0.01, 0.01) says that "
          "rates are practically 0 or 1", when="by_prior.loc[1, 0.4] > 0.05 and prior[-1] == 0.01"),
    Claim("which happens in {100 * 2 * 0.4 * 0.6:.0f} % of tests, a rate of 0 and a rate of 1 explain it perfectly", when="0.4 in by_prior.columns and 0 < 1"),
    Fixed("The value jumps to", why=LOGIC),
    Claim("The value jumps to {one_pair:.0f}"),
    Claim("A rate of 0.4 is one that this prior finds all but impossible", when="0.4 in by_prior.columns and 0 < 1"),
    # 7 ten ways
    Claim("{capital(words(len(table)))} ways to read a test"),
    Claim("tests of {DAYS} days go to all {words(len(table))}: without an effect, at rates of {rates[0][0]:.2f} and of {rates[1][0]:.2f}, and with "
          "+5 points on {rates[2][1]:.2f}", when="round(rates[2][0] - rates[2][1], 9) == 5 / 100"),
    Fixed("The first five are read after every pair, the others every evening", "false positives, at two null rates",
          "it was told the effect", "in one cell each, on the two tests of this notebook", why=BUILT),
    Claim("One t-test on day {DAYS} finds +5 points in {pct(table.loc['fixed: last day only', 'power'])} of tests; Paul's Bayes factor, which may "
          "be read at any time, in {pct(found[0])}", when="round(rates[2][0] - rates[2][1], 9) == 5 / 100"),
    Claim("({N_TESTS:,} tests; Monte Carlo error {np.sqrt(0.05 * 0.95 / N_TESTS):.3f})"),
    Claim("The Bayes factor: exactly {exact.loc[0.4, 'ever at 20']:.4f}, as computed above. Peeking: more than a quarter. All others keep to 5 % "
          "within that error", when="(table.loc['peeking daily'].iloc[:2] > 1 / 4).all() and "
          "(table.iloc[1:8, :2].max() < 5 / 100 + 2 * 0.004).all()"),
    Claim("The safe test finds three effects out of four, at any time and with a promise that holds. So the {pct(found[0])} of the Bayes "
          "factor was not the price of looking whenever one likes", when="round(4 * table.loc['safe 2x2 test', 'power']) == 3"),
    Claim("two uniform rates differ by {100 * np.sqrt(2 / 12):.0f} points (one standard deviation), and 5 points are hardly an effect to it",
          when="5 * np.sqrt(len(table)) < 41"),
    Claim("O'Brien–Fleming loses one or two points of power against a single look",
          when="0.5 < 100 * (table.loc['fixed: last day only', 'power'] - table.loc[\"O'Brien-Fleming spending\", 'power']) < 2.5"),
    Claim("too large for every rule that stops at a high point. {table.iloc[0]['mean estimate']:.3f} for a true 0.05 with the Bayes factor, and "
          "the usual interval covers {pct(table.iloc[0]['coverage'])}; of its tests that stop in the first week (last line), "
          "{pct(sequential.compare(week_1, effect=0.05).iloc[0]['coverage'])}", when="(table['mean estimate'].iloc[:9] > 0.05).all()"),
    Fixed("(Paul bootstraps all users, whom", "Beta(100, 100), that is within a few points of one half", r"$$E_n = 2^{w+l}\,\frac{B(100+w,\,100+l)}{B(100,\,100)} .$$",
          "here one half, has an honest", "For two rates", "has a mean of at most 1 at", r"and $\theta_b$ lie five points apart, half of the capital",
          "One interval answers two questions", "reaches 20", why=LOGIC),
    Claim("Never above 1, with right base rates and wrong ones. (Compare {first_mean:.2f}.)", when="max(largest.values()) <= 1"),
    Fixed("share out the 5 % over the looks", "gives each look a thirtieth of the 5 %", "These bounds are for thirty equal steps",
          "Let the traffic grow tenfold over the month", "nothing may be spent on day 1", "the last method of the table", why=BUILT),
    Claim("On day 14 our two tests have $z$ near 2. Pocock asks for {bounds['Pocock'][13]:.2f} then, and O'Brien–Fleming for "
          "{bounds[\"O'Brien-Fleming\"][13]:.2f}; at the end it asks for {bounds[\"O'Brien-Fleming\"][-1]:.2f}, hardly more than the 1.96 of a "
          "single look", when="all(abs(v[13] - 2) < 0.05 for v in z.values()) and 14 * PER_DAY and round(usual.bound.max(), 2) == 1.96"),
    Claim("Half of the days is less than a third of the traffic here, and bounds for equal steps spend {100 * spends['Pocock'][0]:.1f} and "
          "{100 * spends[\"O'Brien-Fleming\"][0]:.1f} %", when="traffic[DAYS // 2 - 1] / traffic[-1] < 1 / 3"),
    Fixed("and an early stop matters more than power", "where one look would find it | wider elsewhere", "and for none much smaller",
          "by share of users, not of days | none |", why=LOGIC),
    # 8 the two tests
    Fixed("8. The two tests, to the end", "Figure 4. The picture of the first page", why=BUILT),
    Claim("the usual interval just leaves zero on day 14. The outer lines leave zero on day {left_zero('new against old')} in the first test, "
          "and never in the second. The truth lies between them on all days",
          when="never('old against old') and 14 * PER_DAY and all(walks[k].covers(truth[k]) for k in walks)"),
    Claim("On day 14: play on. The interval that may be read then goes from {100 * walks['new against old'].lo[13]:.1f} to "
          "{100 * walks['new against old'].hi[13]:.1f} points", when="14 * PER_DAY"),
    Claim("Day {DAYS} does not decide either: what looked like five points has shrunk to two or three in both tests",
          when="{round(100 * walks[k].estimate[DAYS - 1]) for k in walks} == {2, 3}"),
    Claim("On day {left_zero('new against old')} the outer lines of the first test leave zero, \"between "
          "{100 * walks['new against old'].lo[67]:.1f} and {100 * walks['new against old'].hi[67]:.1f} points\""),
    Claim("The second goes on to day {len(same.lo)} and never leaves it", when="never('old against old')"),
    # 9 honest
    Claim("{capital(words(N_DATASETS))} fresh datasets, read every evening until their users are used up, on day {len(walks['new against old'].lo)}"),
    Claim("(a true {100 * effects['prompt']:+.0f} points)"),
    Fixed("on which nothing depends. Three ways to read them", "second bit", why=BUILT),
    Claim("Who peeks for {len(walks['new against old'].lo)} days finds something in {pct(fresh['A/A']['peeking shouts'])} of tests of nothing (Monte Carlo error "
          "{100 * study['A/A'].loc['peeking', '±']:.1f} points). The sequence leaves zero in {pct(fresh['A/A']['sequence leaves zero'])}, and holds "
          "the truth on every day in {pct(fresh['A/A']['holds on all days'])}"),
    Claim("the prompt seems worth {100 * study['prompt'].loc['peeking', 'mean']:.1f} points on average, where the sequence stops "
          "{100 * study['prompt'].loc['sequence', 'mean']:.1f}, for a true {100 * effects['prompt']:.1f}. The sequence's interval holds the truth "
          "there; its middle is too high", when="study['prompt'].loc['sequence', 'mean'] > effects['prompt'] + 0.005 and "
          "study['prompt'].loc['sequence', 'coverage'] > 0.95"),
    Claim("covers zero in {pct(study['A/A'].loc['peeking', 'coverage'])} of the A/A tests where peeking stops: the other side of the "
          "{pct(1 - study['A/A'].loc['peeking', 'coverage'])}"),
    Fixed("If an effect below two points is not worth having", "when the interval lies below two points", why=BUILT),
    Claim("A test of nothing then takes {fresh['A/A']['days with giving up']:.0f} days on average instead of {len(walks['new against old'].lo)}"),
    Claim("in {N_DATASETS} datasets, three clouds with a bar at each mean. Peeking: scattered widely, mean far above the truth of "
          "{100 * effects['prompt']:.0f} points. The confidence sequence, when it leaves zero: somewhat too high. One look at the end: closely "
          "around the truth", when="len(study['prompt']) == 3 and study['prompt'].loc['peeking', 'mean'] > 1.5 * effects['prompt'] and "
          "1.1 < study['prompt'].loc['sequence', 'mean'] / effects['prompt'] < 1.5"),
    Claim("The sequence stops later, so it exaggerates less", when="study['prompt'].loc['sequence', 'mean'] < study['prompt'].loc['peeking', 'mean']"),
    # 10 failures
    Fixed("Seven ways to go wrong with a sequential test", why=BUILT),
    Claim("{N_TESTS // 3:,} simulated tests of {HORIZON:,} pairs or thirty days, so that a share of 0.05 has a Monte Carlo error of "
          "{np.sqrt(0.05 * 0.95 / (N_TESTS // 3)):.3f}", when="DAYS == 30"),
    Claim("Paul takes the result, {100 * lift:.2f} points, for the effect of the upgrade, which is {100 * World.rollout_effect:.0f}"),
    Claim("Wave 1 is ahead by {100 * gaps['nobody has it']:.1f} points before anybody has the upgrade; the generator gives it an offset of 4. And "
          "{pct((logs.loc[logs['wave'] == 2, 'signup_week'] >= 30).mean())} of wave 2 have the upgrade, too. That {100 * lift:.2f} lies "
          "near 5 is a coincidence: 4 points, and the upgrade in {len(range(20, 30))} weeks of {logs['signup_week'].nunique()}, "
          "make {4 + 500 / 52 * 0.1:.2f}", when="World.rollout_effect == 5 / 100 and 4 and 1 + 1 == 2 and len(logs)"),
    Claim('With an upgrade that does nothing the test finds "it" always', when="np.mean(alarms) == 1"),
    Fixed("is the change in wave 1 against the change in wave 2, before wave 2 has the upgrade", why="notebook 04"),
    Fixed("With rare outcomes the first pairs all agree", why=LOGIC),
    Claim("A number of users is no protection; a number of events in each arm is",
          when="few[0.01, 0.001]['from pair 300'] > 0.05 and max(row['from 20 events'] for row in few.values()) < 0.02"),
    Claim('"Gives up" is a rule that stops a test, from pair 60 on, when the interval lies below half a point: it drops a prompt that doubles '
          "completion from 1 % to 2 %, in {pct(few[0.02, 0.01]['gives up'])} of tests. Wait for {result.design['minimum']:.0f} events in each arm",
          when="0.02 == 2 * 0.01 and 60 == PER_DAY and (0.02, 0.01) in few"),
    Fixed("A coin does not deal 60 and 60", why=LOGIC),
    Claim("is raised from {100 * ramp[0, 1, 0] / 480:.0f} to {100 * ramp[0, 1, 10] / 480:.0f} and {100 * ramp[0, 1, -1] / 480:.0f} % while completion rises in both "
          "arms, the treated users come from better days", when="rising[-1] > rising[0]"),
    Claim("Rates that move alike in both arms, of which Paul warns, do no harm. Moving shares do, always (Simpson's paradox)",
          when="pooled == 1 and tide < 0.05 and within < 0.05"),
    Fixed("Failure 4: five tasks for each user", "each brings five tasks, which the test counts", "two tasks of one user have a correlation of 1/3",
          "How often does the Bayes factor reach 20 if it counts tasks", "believes in five times as many independent outcomes",
          why="each user has a rate from Beta(1.2, 0.8): a correlation of 1 / (1.2 + 0.8 + 1)"),
    Claim("{100 * fading[0]:.0f} points at first, half of that a week later", when="fading[7] == fading[0] / 2"),
    Claim("The safe test found three effects out of four because it was told the effect, 5 points",
          when="round(4 * table.loc['safe 2x2 test', 'power']) == 3 and round(100 * (rates[2][0] - rates[2][1])) == 5"),
    Claim("Below half of the effect that it was told, each bet loses on average, and what is lost does not come back: fewer than half of the "
          "tests with a true +2 points are ever stopped. The mixture, told the same, finds all of them in time",
          when="small['safe test'] < 1 / 2 and small['mixture'] == 1 and 2 < 5"),
    Fixed("Failure 7: twenty metrics", "Twenty metrics. First", "*any* ever reaches 20?", "of $m$ metrics", "all are judged on day 30",
          "fed as they are, it would pick the smallest", "reject the $k$ largest, for the largest $k$", "To ask 400 of each is Bonferroni", why=BUILT),
    Claim("Then five of them have an effect of {100 * (odds[0, 0] - odds[0, 1]):.0f} points", when="(odds[:, 0] - odds[:, 1] > 0.01).sum() == 5"),
    Claim('With twenty metrics "ever at 20" is wrong in two tests out of three', when="about(any_at[0], 2 / 3, 0.03) and len(odds) == 20"),
    Claim('It finds more than "400 each" does', when="judged['e-BH']['effects found'] > judged['400 each']['effects found'] and 400"),
    Fixed("finds what is not there, always |", "users in more than one row", why=LOGIC),
    # 11 ship
    Claim("waits for {result.design['minimum']:.0f} events in each arm"),
    Fixed("a user in two rows or two arms", "is one over the largest e-value so far", "Two more things to know", "sample-ratio mismatch", why=BUILT),
    Claim("On day 14 it is {result.looks['p_value'].iloc[13]:.2f}, where the dashboard showed {on14('new against old')[1]:.3f}", when="14 * PER_DAY"),
    Claim("Thirty days were never enough for 4 points: one look needs {plan['looks'].iloc[0]:.0f}, with {PER_DAY} users a day in each arm. Being free "
          "to look whenever one likes takes {100 * (plan['times_fixed'].iloc[1] - 1):.0f} % more users for the same power; and yet the typical test "
          "of the sequence with this effect stops before the single look would. With known looks, O'Brien–Fleming takes "
          "{100 * (plan['times_fixed'].iloc[2] - 1):.0f} % more",
          when="plan['looks'].iloc[0] > DAYS == 30 and plan['typical_users'].iloc[1] < plan['users'].iloc[0] and 4 > 3"),
    Claim("Looks that are known beforehand cost little, if late ones get most of the 5 % (O'Brien–Fleming)",
          when="plan['times_fixed'].iloc[2] < 1.1 < plan['times_fixed'].iloc[3] and plan['method'].iloc[2] == \"O'Brien-Fleming\" and 5 / 100"),
    # key ideas, quiz, exercises, appendix
    Claim("makes a 5 % test a {pct(nothing_by[-1])} test", when="abs(nothing_by[0] - 0.05) < 0.004"),
    Fixed("capital that starts at 1 reaches 20 in at most one test of nothing out of twenty", "may be stopped at any time: capital",
          "Looking at any time need not cost half the power", "On day 9 your dashboard shows p = 0.03", "one chance in thirty that nothing is going on",
          "Name two things that are wrong", "Your e-value stands at 0.02 after three weeks", "evidence that the two arms are equal", why=STORY),
    Fixed("(5 minutes)", "the prior Beta(5, 5)", "(10 minutes)", "let each user bring two tasks", "(15 minutes)", "than with Beta(1, 1)",
          "`sequential.stop_probabilities(0.4, HORIZON, prior=5).sum()`", "the same at 0.6 with `effect=0.05`", "Does Beta(20, 20) go on improving",
          "it is enough that it is not worse by more than one point", "first test first rise above -0.01", "1,000 tests of a prompt that is worse by two points",
          "above -0.01. May you", "Which gets worse than with", why=BUILT),
    Claim("an error between 0.041 and 0.043 and a power between 0.56 and 0.57", when="0.041 < solutions['found'][5][0] < 0.043 and "
          "0.56 < solutions['found'][5][1] < 0.57"),
    Claim("wrong in 0.10 to 0.17 of the tests, and counting users in less than 0.05", when="0.1 < solutions['per_task'] < 0.17 and solutions['per_user'] < 0.05"),
    Claim("a day between 48 and 56", when="48 <= solutions['days'][-0.01] <= 56"),
    Claim("if fewer than 2.5 % are ever shown", when="solutions['shipped'][0.01] < 2.5 / 100"),
    Claim('one "significant" experiment in four is noise | where half of all ideas work; three in four where one in ten does | 3 |',
          when="round(4 * fdr(0.5)) == 1 and round(4 * fdr(0.1)) == 3 and section('What looking') == '3'"),
    Claim("| the e-value stays near 1 when nothing happens | half of all values are below 0.1 after {len(null_e)} pairs | 5 |",
          when="0.09 < medians[0] < 0.1 and section('Another bet') == '5' and 5 > 1"),
    Fixed("the two completion rates converge | each settles at a level of its own", why="Figure 3"),
    Claim("| at most 5 % false positives, for any proper prior | {pct(exact.loc[0.4, 'ever at 20'], 1)} at its own rate; {pct(by_prior.loc[3, 0.4])} with "
          "Beta(0.01, 0.01) | 6 |", when="prior[3] == 0.01 and exact.loc[0.4, 'ever at 20'] > 5 / 100 and 6 == int(section('Are its'))"),
    Claim("it does: wrong in {100 * unsafe[1]:.1f} % instead of {100 * unsafe[0]:.1f} %, and the estimate is better; power falls from {found[0]:.3f} to "
          "{found[1]:.3f} | 6, 7 |", when="6 == int(section('Are its')) and 7 == int(section('Ten ways')) and found[1] < found[0]"),
    Claim("half of the power is what looking costs | the prior costs it | 7 |", when="7 == int(section('Ten ways'))"),
    Claim("those who stop have {stop_day * PER_DAY:,.0f} pairs of users | 7 |", when="7 == int(section('Ten ways'))"),
    Fixed("truth of wave 1 minus wave 2 is 0.05 | 0.04 of it is a constant offset", why="the generator"),
    Claim("Day {all_day:.1f} and {all_e:.1f} come from shuffling both waves afresh with seed 0", when="all_e >= 20 > 0"),
    Claim("and so gives {stop_day:.1f} and {stop_e:.1f} again"),
]  # fmt: skip

README_CLAIMS = [
    Fixed("Day 14 of a 30-day test", "may be looked at every day", "Two tests that look alike on day 14: in one the new prompt works",
          "in one test out of two", "breaks them in seven ways", "under 20 seconds", "its two queries", "two tests in which day 14 was", why=BUILT),
    Claim("| dashboard on day 14 | {pp(on14('new against old')[0])}, p = {on14('new against old')[1]:.3f} | {pp(on14('old against old')[0])}, "
          "p = {on14('old against old')[1]:.3f} |", when="14 * PER_DAY"),
    Claim("estimate: all users, an interval that may be read every evening [95 %] | {pp(walks['new against old'].estimate[-1])} [{100 * walks['new against old'].lo[-1]:.1f}, "
          "{100 * walks['new against old'].hi[-1]:.1f}] | {pp(same.estimate[-1])} [{100 * same.lo[-1]:.1f}, {100 * same.hi[-1]:.1f}] |"),
    Claim("| truth | {pp(truth['new against old'])} | {pp(truth['old against old'])} |"),
    Claim("Daily peeking is wrong in {pct(nothing_by[-1])} of tests of nothing. The article's Bayes factor comes close to its promise of 5 %, but "
          "does not keep it (exactly {pct(exact.loc[0.4, 'ever at 20'], 1)} at its own rate; {pct(by_prior.loc[3, 0.4])} with another proper prior), and "
          "finds a true +5 points in one test out of two, where a test that keeps the promise finds three out of four",
          when="0.05 < exact.loc[0.4, 'ever at 20'] < 0.06 and round(2 * found[0]) == 1 and round(4 * table.loc['safe 2x2 test', 'power']) == 3"),
    Claim("holds {words(len(table))} methods against each other"),
    Claim("the article's {len(computed)} numbers"),
]  # fmt: skip

SOLUTIONS_CLAIMS = [
    Fixed("day 9 was not: somebody has looked nine times", "in 95 % of tests", "what all intervals so far have in common",
          "slower and no more valid", "smaller than what he has bet on", "as the Bayes factor did with +3 points",
          "The Bayes factor with the prior Beta(5, 5)", "gets worse than with Beta(1, 1)", "Does Beta(20, 20) go on improving", "fewer false alarms for less power",
          "because Beta(1, 1) was a bad bet and not a bold one. Two uniform rates", "Which of the two gets", "truth on all days at once", "the promise less broken", "does the lower line first rise", "line that its lower edge", "inside the interval on all days", "a claim \"better than", "you have seen Figure 4?", "The prior says two things at once", "says near one half", "are near one half", "none for the level of the rates",
          "Two tasks per user instead of five", "differ at all, two tasks of one user would be as good as one task each of two users",
          "read after every second pair only. Not 0.05", "holds all that they say", "is not worse by more than one point",
          "first rise above -0.01?", "worse by two points, and a team", "than -0.01\" that is read off", "about half of that",
          "for all margins at once", "at which the two are equal", "with 95 % probability", "for one point of tolerance", "the day before the test",
          why=LOGIC),
    Claim("an error between 0.041 and 0.043 and a power between 0.56 and 0.57", when="0.041 < found[5][0] < 0.043 and 0.56 < found[5][1] < 0.57"),
    Claim("differ by a standard deviation of {100 * np.sqrt(1 / 6):.0f} points, so most of the capital is staked on effects that no prompt ever has. "
          "Two rates from Beta(5, 5) differ by {100 * np.sqrt(1 / 22):.0f} points: still far too much for an effect of 5, and better in both columns",
          when="found[5][0] < found[1][0] and found[5][1] > found[1][1] and 5 in found"),
    Claim("Beta(20, 20) expects differences of {spread:.0f} points, nearer still to 5, and yet its power falls back nearly to where it started",
          when="prior == 20 and abs(found[20][1] - found[1][1]) < 0.01 and 5 < spread"),
    Claim("Beta(20, 20) says near one half, and rates of 0.60 and 0.65 are not", when="prior == 20 and 0.6 + 0.05 == 0.65 and 0.5 < 0.6"),
    Claim("Beta(5, 5) has an error of {at_half[5][0]:.4f} there, a little more than 0.05: a better prior", when="0.05 < at_half[5][0] < 0.051 and 5 in at_half"),
    Claim("a true effect of 0.3 points, which is small and worth having in a large product, and a look after every {n.min():,} pairs",
          when="about(fixed, 2 * 0.24 * 7.849 / (0.3 / 100) ** 2, 0.01)"),
    Claim("The uniform prior needs {words(times['Bayes factor, Beta(1, 1)'])} times the users of a single look, the mixture that was told "
          "{times['mixture told 0.003']:.1f} times"),
    Claim("wrong in 0.10 to 0.17 of the tests, counting users in less than 0.05", when="0.1 < per_task < 0.17 and per_user < 0.05"),
    Claim("{1 + 1 / 3:.2f} for two tasks, {1 + 4 / 3:.2f} for five", when="HORIZON"),
    Claim("A third more variance sounds harmless. But a sequential test stops at the largest of {HORIZON // 2} looks, where the tail is, and there a third "
          "more variance makes twice the false positives", when="1.7 < per_task / found[1][0] < 2.5"),
    Claim("at a rate of 0.6, a little below {found[1][0]:.4f}", when="0.6 and done.mean() > 0.5"),
    Claim("Right: a day between 48 and 56. With a prompt that is worse by two points, fewer than 2.5 % of 1,000 tests are ever shown to be above -0.01",
          when="48 <= days[-0.01] <= 56 and shipped[0.01] < 2.5 / 100 and len(users) == 1000"),
    Claim("{capital(words(days[0.0] - days[-0.01]))} days earlier"),
    Claim("is wrong in at most 5 % of tests", when="shipped[0.02] < 0.05"),
    Claim("the prompt is hardly ever shipped; the same holds for two points, where the claim would just be false. With five points about one test in "
          "five \"shows\" what was asked, with eight points most do. None of these claims is false: the prompt really is less than five points worse",
          when="shipped[0.01] < 0.01 and shipped[0.02] < 0.01 and about(shipped[0.05], 1 / 5, 0.15) and shipped[0.08] > 1 / 2"),
]  # fmt: skip
