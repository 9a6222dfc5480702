"""Claims of notebook 06: switchback experiments."""

from claim_tools import ROOT, Claim, Fixed, nb
from scipy import stats  # noqa: F401  (for the conditions)

import run

FORM, LOGIC, STORY = "the design of the notebook", "logic", "story"
BUILT = "the number stands in the cell that simulates it"
ROWS = run.ledger(next(ROOT.glob("06_*/*_demo.ipynb")))
SCENES = ("real: paired 3-3", "real: coin per 3 hours", "real: fixed 3-3", "simulated: coin per 3 hours")


def covered_by(schedule, analysis):
    """Coverages, in per cent, for all lengths, from the table of section 9."""
    return nb("06")["lengths"].loc[(schedule, analysis), "coverage"]


def spreads(schedule, analysis):
    """SDs, in points, for all lengths, from the table of section 9."""
    return nb("06")["lengths"].loc[(schedule, analysis), "SD"]


def span(schedule, analysis):
    """The range of the coverages: "75 to 80 %"."""
    found = covered_by(schedule, analysis)
    return f"{found.min():.0f} to {found.max():.0f} %"


CLAIMS = [
    # the first page
    Fixed("every second driver: all share the same streets", "new in some hours and old in the others", "Three things get in the way",
          "prevented at eight is still missing at nine, when the old one is back", "the new timing runs every morning and the old one "
          "every evening", "two rainy hours are not two pieces of evidence: if it rains at eight, it mostly rains at nine",
          "given to half of them, it would take capacity from the other half", "switched on and off for everyone", why=STORY),
    Fixed("Above, two days of simulated hours, nearly level, and two days of real departures, which swing widely. Below, the estimates "
          "of thousands of two-day experiments on each", why=FORM),
    Claim("a needle at the truth of {100 * TOTAL:.0f} points on the left, a cloud from minus "
          "{-100 * np.percentile(replays['real']['estimate'], 2.5):.0f} to plus "
          "{100 * np.percentile(replays['real']['estimate'], 97.5):.0f} points on the right",
          when="np.ptp(np.percentile(replays['simulated']['estimate'], [2.5, 97.5])) < 0.03"),
    Claim("the same effect, the same schedule, the same analysis", when="study['mean'].sub(TOTAL).abs().max() < 0.003"),
    Claim("| your dashboard: on-hours minus off-hours | {100 * naive:+.1f} pp |"),
    Claim("| estimate: at once, plus what the next hour inherits, 95 % interval | {100 * ship.estimate:+.1f} pp "
          "[{100 * ship.lo:.1f}, {100 * ship.hi:.1f}] |", when="ship.level == 95 / 100"),
    Claim("| truth, which we know because these hours are simulated | {100 * TOTAL:+.1f} pp |"),
    Fixed("two days find, with power 0.80", "\"95 %\" intervals that hold the truth", why="what is asked"),
    Claim("an effect of | {100 * study.loc['simulated', 'finds']:.1f} pp | {100 * study.loc['real', 'finds']:.0f} pp |"),
    Claim("| one point takes | {formula[0.01] / 24:.0f} days | more than a year |", when="needed.min() > 365 * 24"),
    Claim("by least squares | {span(SCENES[3], 'least squares')} | {span(SCENES[1], 'least squares')} |"),
    Claim("that allow for neighbouring hours being alike | {span(SCENES[3], 'HAC')} | {span(SCENES[1], 'HAC')} |"),
    Fixed("Power 0.80: in 80 % of such experiments the interval excludes 0", why="what power means"),
    Claim("Last two rows: a coin for each three hours", when="DESIGN['block'] == 3 and SCHEDULES['coin per 3 hours'][1] == 3"),
    Claim("Routing adds {100 * DIRECT:.0f} points at once, and {100 * CARRYOVER:.0f} more in the hour after an on-hour"),
    Claim("The dashboard shows neither, nor their sum", when="min(abs(naive - v) for v in (DIRECT, CARRYOVER, TOTAL)) > 0.005"),
    Fixed("In ten minutes: this page, Figures 2 and 4", "With care: 55 minutes", "sort ten hours into four kinds, and fit one regression",
          "(freeCodeCamp, 2026)", "under 20 seconds", why=FORM),
    Claim("ask what {words(len(SCHEDULES))} schedules can tell apart; put {words(len(covered) // 2)} intervals to the test in simulated "
          "noise"),
    Fixed("break the design in six ways", why=FORM),
    # 1 set up
    Claim("deal them out to the {len(on)} hours of two days, like cards: shuffle, then row number modulo {len(on)}",
          when="len(on) == 2 * 24 and users['hour'].nunique() == 48"),
    Fixed("without it every second hour would run the other prompt", why="prompt variants go by the parity of user_id"),
    Fixed("(1 for yes)", "The idea, on ten hours", why=FORM),
    # 2 the idea
    Claim("three hours on, three off, eight times over", when="on.reshape(8, 6).tolist() == 8 * [[1, 1, 1, 0, 0, 0]]"),
    Fixed("text speaks of half-hours that alternate one by one; its code, and so ours, has hours in blocks of three", why="the article"),
    Fixed("With $w_t = 1$ when routing is on in slot $t$ and 0 otherwise", "Before the first hour, routing was off", why="definition"),
    Claim(r"\underbrace{{{DIRECT:.2f}}}_{{\delta}}"),
    Claim(r"\underbrace{{{CARRYOVER:.2f}}}_{{\gamma}}"),
    Claim("is what about a thousand users make by themselves", when="abs(n_first - 1000) < 50"),
    Claim("(SD) $\\sqrt{{p(1-p)/n}}$, a point and a half", when="about(noise_sd, 0.015, 0.05) and 1.5 == 1 + 1 / 2"),
    Fixed("There is no other noise, and each hour has its own", why=FORM),
    Claim("Routing is off in hours 3, 4 and 5, and yet hour 3 stands at {hours['completed'][3]:.3f} and the others at "
          "{hours['completed'][4]:.3f} and {hours['completed'][5]:.3f}: hour 3 inherits from hour 2",
          when="on[[3, 4, 5]].sum() == 0 and on[2] == 1"),
    Claim("So there are {words(len(kinds))} kinds of hours, and the second table has their means. They give three effects",
          when="len(both) - 1 == 3"),
    Claim("| direct, $\\delta$ | on now with off now, after the same hour | {DIRECT:.2f} |"),
    Claim("| carryover, $\\gamma$ | on an hour ago with off an hour ago | {CARRYOVER:.2f} |"),
    Claim("| total, $\\delta + \\gamma$ | on for good with off for good | {TOTAL:.2f} |"),
    Fixed("on for good: every hour follows an on-hour, as in the last row of the second table. Off for good is its first row", why=LOGIC),
    Fixed("buys is the difference of the two", why=LOGIC),
    Claim("What a rollout buys is the difference of the two, the total: {kinds['mean'][1, 1] - kinds['mean'][0, 0]:.4f} here, for a truth "
          "of {TOTAL:.2f}"),
    Claim("to leave it out throws away a third of the effect", when="abs(CARRYOVER / TOTAL - 1 / 3) < 1e-9"),
    Claim("The true effect in twelve hours, three with routing on and three off, twice: {100 * DIRECT:.0f} points in the first on-hour, "
          "{100 * TOTAL:.0f} in the next two, {100 * CARRYOVER:.0f} in the first off-hour, which inherits them, and 0 in the other "
          "off-hours", when="np.allclose(100 * planted[:12], 2 * [6, 9, 9, 3, 0, 0])"),
    Fixed("Two cycles of the schedule, without noise. The first hour of each block still lives in the block before: the first on-hour "
          "lacks the carryover, the first off-hour has it", why=LOGIC),
    # 3 dashboard and regression
    Fixed("compares all on-hours with all off-hours", "each effect has its own coefficient; the total is their sum", why=LOGIC),
    Claim("The dashboard says {naive:.4f}. That is {100 * (naive - DIRECT):.2f} percentage points above the direct effect",
          when="naive > DIRECT"),
    Claim("prints {naive - DIRECT:.4f} percentage points"),
    Fixed("a slip of a factor of a hundred", why="points and shares"),
    Claim("and more than two points below the total", when="naive < TOTAL - 2 / 100"),
    Claim("Its interval holds the direct effect and misses the total", when="simple.conf_int().loc['on', 0] < DIRECT < "
          "simple.conf_int().loc['on', 1] < TOTAL"),
    Claim("repeats the total of the four kinds, because this schedule is balanced: {kinds['count'][1, 1]} hours of each pure kind, "
          "{kinds['count'][1, 0]} of each mixed one", when="kinds['count'].tolist() == [16, 8, 8, 16] and len(kinds) == 4 and "
          "abs(both.loc['total', 'coef'] - (kinds['mean'][1, 1] - kinds['mean'][0, 0])) < 1e-9"),
    Claim("What it adds is the interval, [{both.loc['total', 'Conf. Int. Low']:.4f}, {both.loc['total', 'Conf. Int. Upp.']:.4f}]"),
    Fixed("never add the ends of two intervals", why=LOGIC),
    # 4 length of a block
    Claim("with blocks of 1, 2, 3 and 12 hours? Write down four numbers. (The direct effect is {DIRECT:.2f}.)",
          when="{1, 2, 3, 12} <= set(blocks)"),
    Fixed("carryover pushes the number up, and the more so the more often one switches", "whichever hour comes after an on-hour, of either "
          "arm", why=LOGIC),
    Fixed("a share $1 - 1/b$ of the on-hours inherits, and a share $1/b$ of the off-hours", why=LOGIC),
    Claim(r"E[\text{{dashboard}}] = \delta + \gamma\left(1 - \frac{{2}}{{b}}\right)",
          when="all(abs(v - DIRECT - CARRYOVER * (1 - 2 / k)) < 1e-9 for k, v in expected.items())"),
    Claim("With single hours all carryover lands on the off-hours, and the dashboard shows half the direct effect, {expected[1]:.3f}",
          when="abs(expected[1] - DIRECT / 2) < 1e-9"),
    Claim("At two hours it shows the direct effect, by accident. With long blocks it approaches the total",
          when="abs(expected[2] - DIRECT) < 1e-9 and expected[3] < expected[12] < TOTAL"),
    Claim("any number from {100 * expected[1]:.0f} to {100 * TOTAL:.0f} points, by the choice of a block"),
    # 5 carryover
    Claim("Is a carryover of {b[2]:.4f} too low?"),
    Claim("The truth is {CARRYOVER:.3f}"),
    Fixed("attenuates the estimate, in all designs of this type", "Collinearity widens an interval; it does not attenuate", why="the claim"),
    Claim(r"The two columns correlate by a third, which raises the variance by a factor of $1/(1 - 1/9) = "
          r"{1 / (1 - np.corrcoef(x[:, 1], x[:, 2])[0, 1] ** 2):.3f}$", when="about(np.corrcoef(x[:, 1], x[:, 2])[0, 1], 1 / 3, 0.01) and "
          "(1 / 3) ** 2 == 1 / 9"),
    Claim("Draw the noise ten thousand times", when="len(redrawn) == 10_000"),
    Claim("zero, up to its Monte Carlo error of {honest.loc['carryover', 'SD'] / 100:.5f} (SD over the root of {len(redrawn):,})",
          when="abs(honest.loc['carryover', 'bias']) < 2 * honest.loc['carryover', 'SD'] / 100"),
    Claim("An estimate of {b[2]:.4f} or less comes in one draw out of nine", when="about(lower, 1 / 9, 0.05)"),
    Claim("its three effects are right on average, and their intervals do what they promise",
          when="(honest['bias'].iloc[2:].abs() < 2.5 * honest['SD'].iloc[2:] / 100).all() and len(honest) - 2 == 3 and "
          "(honest['coverage'].iloc[2:] - 0.95).abs().max() < 0.006"),
    Fixed("how often the 95 % interval holds the truth", why="definition"),
    Claim("interval holds the direct effect too rarely, and the total almost never", when="honest['coverage'].iloc[0] < 0.75 and "
          "honest['coverage'].iloc[1] < 0.05"),
    Claim("The direct effect is nearly a point too low", when="0.008 < DIRECT - raw[1] < 0.010"),
    Claim("a deal as far off comes four times in a hundred", when="about(rare, 4 / 100, 0.1) and abs(again.mean()) < 0.0002"),
    # 6 other errors
    Fixed("say nothing about the next. Two tools ask", "is near 2 where neighbouring residuals are uncorrelated", why="definition"),
    Fixed("fall in a straight line from 1 for an hour with itself to 0 for hours more than $L$ apart", "up to $L$ hours apart",
          why="definition"),
    Claim("draw {len(on)} hours with replacement, each with its own hour before, and refit; {len(boot)} times"),
    Claim("Durbin–Watson near 2 agrees. All three errors are nearly the same",
          when="abs(computed['durbin_watson'] - 2) < 0.1 and max(full.bse['on'], hac.bse[1], boot[:, 1].std()) < 1.05 * "
          "min(full.bse['on'], hac.bse[1], boot[:, 1].std())"),
    Claim("Left, completion in {len(on)} hours around its true mean. Right, bootstrap intervals: total, direct and carryover hold the "
          "truths of {100 * TOTAL:.0f}, {100 * DIRECT:.0f} and {100 * CARRYOVER:.0f} points; the dashboard lies between",
          when="all(limits[k][0] < v < limits[k][1] for k, v in {'total': TOTAL, 'direct': DIRECT, 'carryover': CARRYOVER}.items()) and "
          "DIRECT < naive < TOTAL"),
    Claim("first hours after routing went off, sit above the other off-hours",
          when="y[before > on].mean() > y[on + before == 0].mean() + 0.02"),
    # 7 schedules
    Fixed("Does an effect last longer than an hour?", "suggests two checks: lags 3 and 4 of the schedule", why="the article"),
    Fixed("There are three ways. A coin per hour, or for each block of three. Paired blocks: a coin for each pair of blocks says on-off "
          "or off-on, so that every six hours have three of each", why="definition"),
    Claim("nearly a coin per hour: only the first two hours share one, and the last two", when="SCHEDULES['minimax'] == ('minimax', 1)"),
    Claim("Strict alternation cannot even tell the direct effect from carryover", when="set(seen['fixed 1-1']) == {'0 %'}"),
    Claim("In a fixed 3-3 schedule, the hour three hours back is always in the other arm",
          when="(x3[3:, 4] == 1 - on[3:]).all() and SCHEDULES['fixed 3-3'][1] == 3"),
    Claim("a direct effect of {100 * shortest[1]:.0f} points"),
    Claim("Hours of the day fare no better. The second day repeats the first", when="(on[:24] == on[24:]).all()"),
    Claim("Coins see everything, nearly always. Eight coins may by chance repeat the first day on the second, or alternate strictly",
          when="allowed[3] == len(pairs) - 16 and len(pairs) == 2 ** 8"),
    Claim("The rest are two thousand experiments each, analysed by OLS, in a world where demand has a six-hour rhythm of "
          "±{100 * rhythm.max():.0f} points that nobody knows about", when="N_STUDY == 2_000 and np.allclose(rhythm[:6], rhythm[6:12])"),
    Claim("Monte Carlo error at most 0.0003 in a bias and 0.007 in a coverage", when="table[['SD total']].max().iloc[0] * 1.6 / "
          "N_STUDY ** 0.5 < 0.0003 and np.sqrt(0.1 * 0.9 / N_STUDY) < 0.007"),
    Claim("Long blocks pin down the total and blur the direct effect; a coin per hour does the reverse. Paired blocks of three are good at "
          "both: half a point", when="table['SD total'].idxmin() == 'fixed 12-12' == table['SD direct'].idxmax() and "
          "table['SD total'].idxmax() == 'coin per hour' and about(table.loc['paired 3-3', ['SD direct', 'SD total']].to_numpy(float), "
          "0.01 / 2, 0.05)"),
    Claim("the fixed 3-3 schedule is in step. Its direct effect comes out at {in_step:.3f}, and next to no interval for the total holds "
          "the truth", when="table.loc['fixed 3-3', 'coverage, rhythm'] < 0.03 and SCHEDULES['fixed 3-3'][1] == 3"),
    Claim("(12-12 escapes by luck: twelve hours hold two whole cycles.)", when="abs(table.loc['fixed 12-12', 'bias, rhythm']) < 0.0003 "
          "and SCHEDULES['fixed 12-12'][1] == 12"),
    Claim("They are right on average, in any rhythm", when="table.loc['coin per hour':, ['bias, rhythm', 'bias, hours']]"
          ".astype(float).abs().max().max() < 0.0005"),
    Claim("its coverage goes astray. Hours of the day in the model absorb it, and mend the coverage",
          when="table.loc['paired 3-3', 'coverage, rhythm'] < 0.91 and (table.loc['coin per hour':, 'coverage, hours'].astype(float) - "
          "0.95).abs().max() < 0.01"),
    Claim("bias over all {len(pairs)} paired schedules, and for a coin per hour over four thousand, with a rhythm and without noise or "
          "effect", when="2 * len(tosses) == 4_000"),
    Claim("Up to four tenths of a point, and not zero", when="about(100 * max(abs(v) for row in bias.values() for v in row[:2]), 4 / 10, "
          "0.1)"),
    Claim("Without the first hour the bias is zero to the last digit", when="max(abs(v) for row in bias.values() for v in row[2:]) < 1e-12"),
    Fixed("(Turn every coin over, and the error of a schedule changes its sign; so they cancel. A first hour that is fixed breaks the "
          "symmetry.) The tool always drops it", why="sb.usable_slots"),
    # 8 honest
    Fixed("Section 5 had noise in which hours are independent", "a busy hour follows a busy hour", why=STORY),
    Claim("{capital(words(len(covered) // 2))} intervals compete: OLS; HAC with 3 and 8 hours, with normal and with $t$ quantiles",
          when="('total', 'HAC(3), t') in covered.index and ('total', 'HAC(8), z') in covered.index"),
    Fixed("HAC with 3 and 8 hours", why="names of the table"),
    Fixed("takes its degrees of freedom so that even few hours are enough", "or whole cycles of six", why=FORM),
    Claim("(8,000 series in each column, Monte Carlo error about 0.003.)", when="16 * 500 == 8_000 and abs(np.sqrt(0.93 * 0.07 / 8_000) - "
          "0.003) < 0.0005"),
    Claim("With {len(on)} hours its errors are too small on average, and normal quantiles ignore that they are estimated. HAC(3) covers "
          "about {100 * covered.loc[[('direct', 'HAC(3), z'), ('total', 'HAC(3), z')], 0.0].mean():.0f} % and HAC(8) "
          "{100 * covered.loc[('total', 'HAC(8), z'), 0.0]:.0f} %; $t$ quantiles bring back a part",
          when="(covered.loc['total', 0.0]['HAC(3), z'] < covered.loc['total', 0.0]['HAC(3), t'] < 0.945) and 3 < 8"),
    Claim("falls short by a point or two", when="0.01 <= 0.95 - covered.xs('boot hours', level=1)[0.0].max() and 0.95 - "
          "covered.xs('boot hours', level=1)[0.0].min() <= 0.02"),
    Claim("there are only eight of them: {100 * covered.xs('boot cycles', level=1)[0.0].mean():.0f} %", when="len(on) / 6 == 8"),
    Claim(r"is right there, dips for the total at $\rho = 0.3$, and then becomes wider than needed",
          when="covered.xs('OLS, t', level=1)[0.0].min() > 0.943 and covered.loc[('total', 'OLS, t'), 0.3] < 0.93 and "
          "covered.xs('OLS, t', level=1)[0.8].min() > 0.98"),
    Claim("The tool's HAC is the only one of the {words(len(covered) // 2)} that nowhere falls below 94 %",
          when="[k for k in covered.loc['total'].index if covered.xs(k, level=1).min().min() >= 94 / 100] == [\"the tool's HAC\"]"),
    Claim("Look first at the column where $\\rho = 0$", when="0 in covered"),
    Claim(r"The noise has $\rho = 0.8$, and routing has no effect at all", when="0.75 < np.corrcoef(sticky[:, 9], sticky[:, 10])[0, 1] < "
          "0.85 and abs(0.8 - np.corrcoef(sticky[:, 9], sticky[:, 10])[0, 1]) < 0.02"),
    Claim("reject at the 5 % level, with blocks of 1, of 3, and of 12 hours? Write down three numbers",
          when="list(rejects) == [1, 3, 12] and 5 / 100 == 0.05"),
    Claim('The tempting answer is "more than 5 %", three times: by the textbook, positive autocorrelation makes OLS errors too small',
          when="rejects[1] < 0.001 and rejects[3] < 5 / 100 < rejects[12] and len(rejects) == 3"),
    Fixed("A schedule that switches fast compares hours that share their noise, and it cancels. One that switches slowly takes the slow "
          "noise for an effect", "whether an error is too small or too large; the schedule does", why=LOGIC),
    Claim("Then the {len(on)} outcomes would have been the same under any schedule"),
    Claim(r"Rejections at the 5 % level in {N_STUDY:,} experiments without effect, $\rho = 0.6$ (Monte Carlo error 0.005 where it is 0.05)",
          when="abs(np.sqrt(0.05 * 0.95 / N_STUDY) - 0.005) < 0.0005 and 5 / 100 == 0.05 and abs(np.corrcoef(noise[:, 9], noise[:, 10])"
          "[0, 1] - 0.6) < 0.05"),
    Claim("rejects up to five times as often as promised", when="about(alarm['coin per 6 hours']['shuffled freely'] / 0.05, 5, 0.06) and "
          "max(v['replayed'] for v in alarm.values()) < 0.055"),
    # 9 real hours
    Fixed("Two days of real hours", "lay a schedule over two days of that year", "New York's airports in 2013, hour by hour", why=FORM),
    Claim("Both halves of the kind world were wrong", when="share.std() > 10 * noise_sd and alike > 0.8"),
    Claim("hours differ far more than a thousand users would by themselves", when="share.std() > 10 * noise_sd and abs(n_first - 1_000) < 50"),
    Claim("The same experiment on {words(len(histories))} histories", when="len(study) == len(histories)"),
    Fixed("In which of the two real histories is the total known better?", "weather and outages strike all of its users at once",
          why=STORY),
    Claim("(Monte Carlo error of the SDs about one part in ninety.)", when="about(np.sqrt(2 * 4_000), 90, 0.02)"),
    Claim("the total has an SD of half a point, on the real ones of six and a half", when="about(100 * study.loc['simulated', 'SD'], 0.5, "
          "0.05) and about(100 * study.loc['real', 'SD'], 6 + 0.5, 0.03)"),
    Claim("found with power 0.80: half an interval and 0.84 SDs from zero", when="abs(stats.norm.ppf(0.80) - 0.84) < 0.005 and 1 / 2 == 0.5"),
    Fixed("Two days find", "asks for at least three lags", "at most 0.9 points", '"fixed 3-3", "fixed 12-12" and "paired 3-3"', why=FORM),
    Claim("Two days find {100 * study.loc['simulated', 'finds']:.1f} points there, and {100 * study.loc['real', 'finds']:.0f} here"),
    Claim("The {100 * TOTAL:.0f} points that are planted are found in one experiment out of four",
          when="about(study.loc['real', 'power'], 1 / 4, 0.06)"),
    Claim("It harms: {100 * study.loc['real, shuffled', 'SD']:.1f} points", when="study.loc['real, shuffled', 'SD'] > study.loc['real', 'SD']"),
    Fixed("hours which resemble their neighbours say less, so that shuffling helps", "A schedule that switches every three hours compares "
          "neighbours, and what they share cancels", why=LOGIC),
    Claim("Above, two days of simulated hours, nearly level at {100 * base:.0f} percent, and two days of real departures, which swing "
          "widely. Below, estimates from {len(estimates):,} two-day experiments on each: a needle at the truth of {100 * TOTAL:.0f} "
          "points, and a wide cloud around it that reaches below zero", when="np.percentile(replays['real']['estimate'], 5) < 0"),
    Fixed("Above: what the hours look like before anything is planted (no flight leaves at night). Below: what the same two-day experiment "
          "makes of them", why=FORM),
    Fixed("(a quarter if two coins decided, a half within a block)", "one that was off, and its hour before, counts against it", why=LOGIC),
    Fixed(r"\hat\tau = \frac{1}{n}\sum_t Y_t\left(\frac{w_t\,w_{t-1}}{P(w_t\,w_{t-1} = 1)}", why="Bojinov et al."),
    Fixed(r"\frac{(1 - w_t)(1 - w_{t-1})}{P(w_t = w_{t-1} = 0)}", "takes outcomes less their mean, which saves variance", why="Bojinov et al."),
    Claim("(Of a planted total of {100 * DESIGN['total']:.0f} points, by number of hours: coverage in per cent, with a Monte Carlo error "
          "of at most 2.5", when="100 * np.sqrt(0.5 * 0.5 / N_REAL) <= 2.5"),
    Claim("all four analyses hold what they promise", when="nb('06')['lengths'].loc[SCENES[0], 'coverage'].min().min() > 92 and "
          "len(lengths.loc['real: paired 3-3']) == 4"),
    Claim("Horvitz and Thompson's estimator pays for the model that it does without",
          when="(spreads(SCENES[0], 'Horvitz-Thompson') > 1.2 * spreads(SCENES[0], 'HAC'))[1:].all()"),
    Claim("Replaying the coins has few coins in two days, and most of its intervals have no end; later it is as precise as the others",
          when="np.isinf(plans['real', 'paired 3-3'].table.query('slots == 48 and cycle and analysis == \"randomization\"')['detects']"
          ".iloc[0]) and abs(spreads(SCENES[0], 'randomization')[1008] / spreads(SCENES[0], 'HAC')[1008] - 1) < 0.05 and 48 == 2 * 24"),
    Claim("A coin for each block of three: OLS holds the truth in about three intervals of four",
          when="about(covered_by(SCENES[1], 'least squares').mean(), 75, 0.05) and 3 / 4 == 0.75 and DESIGN['block'] == 3"),
    Claim("these blocks move as slowly as the noise. HAC holds", when="covered_by(SCENES[1], 'HAC').min() > 94"),
    Claim("On simulated hours both do", when="covered_by(SCENES[3], 'HAC').min() > 93.5 and covered_by(SCENES[3], 'least squares').min() > "
          "93.5"),
    Claim("Fixed 3-3: New York's evenings are late, the schedule is in step with the day, and it is off by one and a half points",
          when="abs(100 * plans['real', 'fixed 3-3'].table['mean'].mean() - 1.5) < 0.15 and SCHEDULES['fixed 3-3'][1] == 3"),
    Claim("The longer it runs, the surer it is of a wrong number", when="(covered_by(SCENES[2], 'HAC').diff().dropna() < 0).all() and "
          "(spreads(SCENES[2], 'HAC').diff().dropna() < 0).all()"),
    Claim(r"with a standard error $s$ at {len(on)} hours, an effect of $2.8\,s$ is found with power 0.80, and $s$ shrinks with the root of "
          "the number of hours", when="abs(stats.norm.ppf(0.975) + stats.norm.ppf(0.80) - 2.8) < 0.01"),
    Claim("One point takes more than a year, whatever the analysis. In simulated hours it takes {words(formula[0.01] / 24)} days",
          when="needed.min() > 365 * 24"),
    Claim("at {len(on)} hours, where it must be estimated, 1.5 points are found with power {power:.2f}", when="abs(formula[0.015] - 48) < 1 "
          "and 1.5 / 100 == 0.015"),
    Claim("Left, correlation of hours up to a day apart: high for neighbours in real hours, around zero in simulated ones. Right, the total "
          "found with power 0.80 falls with the number of hours, and lies more than ten times as high for real hours as for simulated "
          "ones", when="alike > 0.8 and abs(np.mean(alone)) < 0.1 and (100 * finds['detects'].to_numpy() > 10 * 280 * s_total * "
          "np.sqrt(48 / size)).all()"),
    Fixed("the total that is found with power 0.80, on logarithmic scales", "A thousand users in an hour suggest an error that they do not "
          "have", "runs a thousand such experiments for each schedule and length", "before you promise a date", why=FORM),
    # 10 failures
    Fixed("Six ways to break a switchback", "carryover that lasts longer than an hour", why=FORM),
    Claim("fades by 40 % an hour instead of vanishing: {CARRYOVER} after one hour, 60 % of that after two, and so on for "
          "{words(len(FADING) - 1)} hours. On for good, the total is then {sum(FADING):.3f}",
          when="abs(FADING[2] / FADING[1] - 60 / 100) < 1e-9 and 40 == 100 - 60"),
    Claim("The fixed schedule with one lag finds little more than half of the truth", when="0.5 < rigid[1:].sum() / sum(FADING) < 0.6"),
    Claim("and this schedule cannot take a third", when="rank < x3.shape[1]"),
    Claim("With a coin per hour, four lags bring the total to {sums['fading', 4].mean():.3f}", when="len(FADING) > 5"),
    Claim("What is missing is the tail beyond lag four, and the price is a standard deviation of a whole point",
          when="about(sums['fading', 4].std(), 0.01, 0.15) and abs(sum(FADING) - sum(FADING[5:]) - sums['fading', 4].mean()) < 0.002"),
    Claim("AIC asks for at least three lags in {asks['fading'][0]:.0f} % of the draws"),
    Claim("it does so too, in {asks['one hour'][0]:.0f} %; the version corrected for small samples (AICc) in {asks['one hour'][1]:.0f} %"),
    Claim("Completion is 6 points higher from 9 to 17 o'clock, when easy queries come in", when="np.flatnonzero(office[:24]).tolist() == "
          "list(range(9, 17)) and 6 / 100 == 0.06"),
    Claim("Twice the direct effect, from hours that were merely easy", when="about(confounded['chosen'].mean() / DIRECT, 2, 0.02)"),
    Claim("Coins remove the bias. Hours of the day then take the rhythm out of the noise as well",
          when="abs(confounded['coins'].mean() - DIRECT) < 0.001 and confounded['levels'].std() < 0.75 * confounded['coins'].std()"),
    Claim("The first on-hour of each block does 3 points worse", when="np.allclose((ramp - planted)[first_on], -3 / 100)"),
    Claim("(Direct effect {DIRECT:.2f}, total {TOTAL:.2f}.)"),
    Claim('The tempting answer is {DIRECT:.2f}, "clean hours, clean effect"; or {TOTAL:.2f}, since all on-hours that remain follow an '
          "on-hour. It is {ramps['no first on-hours']:.3f}"),
    Claim("With the lag it is the direct effect, {ramps['no first on-hours, lag']:.3f}. Without the first hour of both arms it is the total "
          "after the change has settled, {ramps['no first of both']:.3f}"),
    Claim("(The first number, {ramps['all hours']:.3f}, is right by accident.)"),
    Fixed("which must have no effect if effects add up", why=LOGIC),
    Claim("It finds this ramp-up in nearly nine experiments of ten, and without one it finds what a test at 5 % must",
          when="about(found['with a ramp-up'], 9 / 10, 0.04) and abs(found['without'] - 5 / 100) < 0.01"),
    Claim("Fifty thousand users or {len(on)} hours", when="len(logs) == 50_000"),
    Claim("a shock of 2 points that its users share", when="about(rates.std(), 2 / 100, 0.02)"),
    Claim("(Monte Carlo error at most 0.9 points.) Counting users gives more than one false alarm in five, counting hours one in twenty, as "
          "promised", when="100 * np.sqrt(alarms['users'] * (1 - alarms['users']) / N_STUDY) < 0.95 and 1 / 5 < alarms['users'] < 1 / 4 "
          "and about(alarms['hours'], 1 / 20, 0.1)"),
    Claim("Splitting each hour into three segments of users triples the rows and not the evidence: {100 * alarms['segments']:.0f} %, which "
          'means that "95 %" intervals hold the truth in {100 - 100 * alarms[\'segments\']:.0f} %', when="counted.shape[2] == 3 and (95 + 5) / 100 == 1"),
    Claim("to a total of {100 * TOTAL:.0f} points"),
    Fixed("with a time constant of 20 minutes", "Demand wanders (SD 2 points, time constant four hours)", why=BUILT),
    Claim("Two days, slots of 5 minutes to 8 hours in pairs of random order", when="min(minutes)[0] == 5 and max(minutes)[0] == 8 * 60"),
    Claim("once without the first 30 or 60 of each slot", when="{k for _, k in minutes} == {0, 30, 60}"),
    Claim("Monte Carlo error of an RMSE about 0.03", when="abs(minutes[120, 60][1] / np.sqrt(2 * 400) - 0.03) < 0.002"),
    Claim("Slots of 5 minutes end before the effect has begun, and nearly all of it is lost; at an hour the bias is still four points",
          when="minutes[5, 0][0] < -0.95 * 100 * TOTAL and about(minutes[60, 0][0], -4, 0.06)"),
    Claim("Best here are two hours with the first one thrown away: {minutes[120, 60][1]:.2f}",
          when="min(minutes, key=lambda k: minutes[k][1]) == (2 * 60, 60)"),
    Fixed("Long slots leave few comparisons", "takes the bias away at the price of data", "grow when you drop the beginning of each slot, in "
          "both arms", why=LOGIC),
    Claim("Ten times as many users come by day as by night", when="traffic.max() == 10 * traffic.min()"),
    Claim("{100 * gain.max():.0f} points, and {100 * gain.min():.0f} at night"),
    Claim("An average hour gains {100 * gain.mean():.0f} points and an average user {100 * truths['user']:.1f}, since most users come when "
          "it helps most"),
    Claim("Both are true. Four weeks tell them apart with ease", when="len(clock) == 4 * 7 * 24 and uneven['lo'].max() > uneven['hi'].min() "
          "and len(uneven) == 2"),
    Fixed("warns when they differ by more than their errors", "| carryover lasts longer | too low, by what is missing | one more lag",
          "| users are counted | right, and far too sure |", "| slots too short | loses what has not built up | burn-in in both arms |",
          why=LOGIC),
    # 11 ship
    Claim("Here it has one thing to say, and we know it: in this fixed schedule each hour of the day has one arm",
          when="len(ship.problems) == 1 and 'one arm' in ship.problems['problem'].iloc[0]"),
    Claim("Its interval is half as wide again as that of OLS in section 3", when="about((ship.hi - ship.lo) / "
          "(both.loc['total', 'Conf. Int. Upp.'] - both.loc['total', 'Conf. Int. Low']), 1 + 1 / 2, 0.05)"),
    Claim("not taking {len(on)} hours for independent"),
    Fixed("the departures of section 9", why="where they are"),
    Claim("dealt out to {len(w)} hours", when="len(w) == 7 * 24"),
    Claim("All four hold the truth of {TOTAL:.2f}", when="(result.analyses()['lo'] < TOTAL).all() and (result.analyses()['hi'] > "
          "TOTAL).all() and len(result.analyses()) == 4"),
    Claim("and its interval is three times as wide", when="about(result.analyses()['error'][2] / result.analyses()['error'][1], 3, 0.25)"),
    # directions
    Fixed("in which all users get the same version", "are no longer alike", "attenuates carryover in all such designs", "once with all "
          "minutes", "counts once in all that we have done", "is no more than how often each hour was drawn, so the tool fits them all",
          "may attract more queries an hour later", "ignores it is honest; more below", "that all users share", "in which all coefficients "
          "can be estimated", 'the regression says "off", always', "which is all that a simulation without real noise can show",
          "More lags would be the cure", why=LOGIC),
    # the ending
    Fixed(r"$\delta + \gamma(1 - 2/b)$, depends on the length of a block", "A coin turns an unknown rhythm from bias into spread",
          "makes the errors of least squares too small or too large: it depends on how fast you switch", "swing by far more than the number "
          "of their users says. Plan on your own history, never on a formula", "what the feature does at once, and what it leaves to the "
          "next slot", why="the sections above"),
    Fixed("alternates strictly, one hour on and one off", "hours correlate by 0.8. Are the errors of least squares too small?",
          "a thousand users an hour, so two days find a point and a half", why="the quiz"),
    Fixed("(5 minutes)", "(10 minutes)", "(20 minutes)", "carryover of −0.03", "for blocks of 1, 3 and 12 hours, and the total",
          "`sb.effects(w, (0.06, -0.03))`", "whose cost is worth 4 points", why="the exercises"),
    Claim("You are right if you find 0.090, 0.050, 0.035 and 0.030", when="np.allclose([*solutions['dashboard'].values(), solutions['total']], "
          "[0.090, 0.050, 0.035, 0.030])"),
    Claim("Completion drifts upwards, by {solutions['drift'][1]:.3f} an hour"),
    Claim('Simulate {solutions[\'N\']:,} experiments with "fixed 3-3", "fixed 12-12" and "paired 3-3"',
          when="list(solutions['drifted']) == ['fixed 3-3', 'fixed 12-12', 'paired 3-3']"),
    Claim("You are right if the means are within 0.001 of 0.087, 0.078 and 0.090",
          when="np.allclose(list(solutions['drifted'].values()), [0.087, 0.078, 0.090], rtol=0, atol=0.001)"),
    Fixed("a coin for each block of three on day 1, the opposite all through day 2", "leave out the first hour", why="the exercise"),
    Claim('it is in about {100 * solutions[\'identified\']:.0f} of 100 draws, and the SD lies between 0.0045 and 0.0055, against 0.0070 to '
          '0.0085 for "paired 3-3"', when="0.0045 < solutions['spread']['mirrored', 'with'] < 0.0055 and 0.0070 < "
          "solutions['spread']['paired 3-3', 'with'] < 0.0085 and 100 > 0 and SCHEDULES['paired 3-3'][1] == 3"),
    # the appendix
    Claim("a rollout buys the total, {both.loc['total', 'coef']:.4f} [{both.loc['total', 'Conf. Int. Low']:.4f}, "
          "{both.loc['total', 'Conf. Int. Upp.']:.4f}] |"),
    Fixed("] | 2, 3 |", "depends on the block | 3, 4 |", "in one draw of nine | 5 |", "% | 8 |", why="sections"),
    Claim("| the naive bias is {computed['naive_bias']:.4f} percentage points | {100 * computed['naive_bias']:.2f} points, and its size "
          "depends on the block"),
    Claim("no bias; chance gives {b[2]:.4f} or less in one draw of nine", when="about(lower, 1 / 9, 0.05)"),
    Fixed("| half-hour slots that alternate | its code has hours in blocks of three | 2, 4 |", "| add lags 3 and 4 until AIC stops "
          "improving | lag 3 is aliased; AIC asks for it too often | 7, Failure 1 |", "| aliased with this schedule | 7 |",
          "| drawing hours one by one is independence | 6, 8 |", "makes OLS errors too small | too small or too large: the schedule decides | "
          "8, 9 |", why="sections"),
    Claim("HAC(3) covers about {100 * covered.loc[[('direct', 'HAC(3), z'), ('total', 'HAC(3), z')], 0.0].mean():.0f} %, HAC(8) "
          "{100 * covered.loc[('total', 'HAC(8), z'), 0.0]:.0f} % |", when="covered.shape[0] > 8 > 3"),
    Claim("drop the first on-hours | {ramps['no first on-hours']:.3f}; with the lag, or in both arms"),
    Claim("the {computed['carryover_bias']:.4f} by which carryover came out too low"),
    Fixed("Its intervals are ±1.96 errors for the dashboard and HAC", why="`half`, in the cell"),
    Claim("its {len(logs):,} rows need `--n-users {len(logs)}`"),
]  # fmt: skip

README_CLAIMS = [
    Fixed("Two days of simulated hours, nearly level, and two days of real departures, which swing widely; below, the estimates of "
          "two-day experiments on each", "under 20 seconds", "its two queries", "the same two days find nothing", why=FORM),
    Claim("a needle at the truth of {100 * TOTAL:.0f} points"),
    Claim("| dashboard: on-hours minus off-hours | {100 * naive:+.1f} pp |"),
    Claim("regression on hours [95 %] | {100 * ship.estimate:+.1f} pp [{100 * ship.lo:.1f}, {100 * ship.hi:.1f}] |",
          when="ship.level == 95 / 100"),
    Claim("| truth | {100 * TOTAL:+.1f} pp |"),
    Claim("The truth is {100 * DIRECT:.0f} points at once and {100 * CARRYOVER:.0f} more in the hour after an on-hour"),
    Claim("The dashboard's number is neither, and moves with the length of a block", when="expected[1] < expected[12]"),
    Claim("on hours of a real year the same two days find nothing below {100 * study.loc['real', 'finds']:.0f} points"),
    Claim("the article's {len(ROWS)} numbers"),
]  # fmt: skip

SOLUTIONS_CLAIMS = [
    Fixed("Two of the three exercises are about which schedule", "an hour on always follows an hour off", "the rank is too small",
          "a schedule that switches fast compares hours that share their noise", "without routing look better than they are, a bad one makes "
          "them look worse", why="the quiz and logic"),
    Claim("the direct effect minus carryover, half the direct effect in our world", when="abs(EFFECTS[0] - EFFECTS[1] - EFFECTS[0] / 2) < "
          "1e-9 and abs(tutorial['expected'][1] - EFFECTS[0] / 2) < 1e-9"),
    Claim("least squares rejects a true null hypothesis in {100 * tutorial['rejects'][12]:.1f} % of experiments "
          "with blocks of twelve hours, in {100 * tutorial['rejects'][3]:.1f} % with blocks of three, and next to never with single hours",
          when="tutorial['rejects'][1] < 0.001"),
    Fixed('The tempting answer is "a power of 0.80 is low"', "With a correlation of 0.8, least squares", "single hours (section 8)", why="the quiz"),
    Claim("an hour swings {tutorial['share'].std() / tutorial['noise_sd']:.0f} times as far as a thousand users would by themselves, and "
          "two days find {100 * tutorial['study'].loc['real', 'finds']:.0f} points", when="abs(tutorial['n_first'] - 1_000) < 50"),
    Fixed("Carryover of −0.03: predict the dashboard's number for blocks of 1, 3 and 12 hours", why="the exercise"),
    Claim("Right: 0.090, 0.050, 0.035 and 0.030", when="np.allclose([*dashboard.values(), total], [0.090, 0.050, 0.035, 0.030])"),
    Claim("In the tutorial the dashboard understates what a rollout buys; here it flatters, threefold where the schedule alternates every "
          "hour", when="abs(dashboard[1] / total - 3) < 1e-9 and tutorial['naive'] < tutorial['TOTAL']"),
    Claim("If its cost is worth 4 points, the dashboard says \"keep it\" with blocks of one hour and of three, and the total says "
          '"don\'t"', when="total < 4 / 100 < dashboard[3] < dashboard[1]"),
    Claim("Completion drifts upwards by {drift[1]:.3f} an hour"),
    Claim("Right: mean totals within 0.001 of 0.087 (fixed 3-3), 0.078 (fixed 12-12) and 0.090 (paired 3-3)",
          when="np.allclose([drifted[k] for k in ('fixed 3-3', 'fixed 12-12', 'paired 3-3')], [0.087, 0.078, 0.090], rtol=0, atol=0.001)"),
    Claim("by 3 hours times 0.001 in one, by 12 hours times 0.001 in the other. Take 0.003 and 0.012 from 0.090, and you have the two "
          "means", when="abs(0.090 - 3 * 0.001 - drifted['fixed 3-3']) < 0.0005 and abs(0.090 - 12 * 0.001 - drifted['fixed 12-12']) < "
          "0.0005 and 3 * 0.001 == 0.003 and 12 * 0.001 == 0.012"),
    Claim("Their intervals cover more often than they promise", when="held['paired 3-3'] > 0.97"),
    Fixed("(fixed 3-3)", "(fixed 12-12)", "(paired 3-3)", why="names of the schedules"),
    Fixed("lie one block later", "the error, still contain all of it", why=LOGIC),
    Fixed("A coin for each block of three on day 1, the opposite on day 2", why="the exercise"),
    Claim("in about {100 * identified:.0f} of 100 draws; SD of the total between 0.0045 and 0.0055, against 0.0070 to 0.0085 for \"paired "
          '3-3"', when="0.0045 < spread['mirrored', 'with'] < 0.0055 and 0.0070 < spread['paired 3-3', 'with'] < 0.0085 and 100 > 3"),
    Claim("3 o'clock is on during one of the two days and off during the other", when="(mirrored[:, 3] + mirrored[:, 27] == 1).all()"),
    Fixed("an hour has the same arm on both days half of the time", why="two coins"),
    Claim("about half of the comparison is lost, and the SD grows by more than the root of two",
          when="np.sqrt(2) < spread['paired 3-3', 'with'] / spread['paired 3-3', 'without'] < 1.7"),
    Claim("those in which all coins of day 1 agree, two in 256", when="abs((1 - identified) - 2 / 256) < 0.005"),
    Fixed("each day has as many on-hours as off-hours", "If the second is better for reasons of its own", "which arm gets more of it",
          "Two more days of coins bring it back", "With a linear trend as one more column, the interval shrinks", "is no longer left to "
          "chance", why=LOGIC),
    Claim("They have only four coins, though, so sixteen schedules, and a randomization test cannot give a p-value below 2 in 16",
          when="len(np.unique(mirrored_pairs, axis=0)) == 16 == 2 ** 4"),
]  # fmt: skip


def best(study, slots):
    """What is detected with so many slots under the paired schedule by the best of the analyses that are honest."""
    part = study[(study["schedule"] == "your coins") & (study["slots"] == slots)]
    return part.loc[part["analysis"] != "least squares", "detects"].min()


def covers(study, schedule, *analyses):
    """Coverages of analyses under a schedule."""
    return study.loc[study["analysis"].isin(analyses) & (study["schedule"] == schedule), "coverage"]


def misses(study, slots):
    """How often the HAC interval of the fixed schedule misses with so many slots."""
    part = study[(study["schedule"] == "fixed 3-3") & (study["analysis"] == "HAC")]
    return part.set_index("slots").loc[slots, "size"]


PRACTICE_CLAIMS = [
    Fixed("compete for one pool", "writes the two sentences", "run all", "toss coins beside six weeks of departures",
          "Three questions before you look", "from New York's three airports in 2013", "The first table", "every effect is 0",
          "the two SQL texts", "with one row for each user, query or segment", "all departures", "it is over after `lags` of them", why=FORM),
    Fixed("nineteen times out of twenty", why="a 95 % interval"),
    Claim("and does so a {words(plans['fixed 3-3'].experiments).removeprefix('one ')} times for each length"),
    Claim("holds the truth in only about three intervals of four when a coin decides each block",
          when="0.70 < covers(study, 'coin per 3-block', 'least squares').mean() < 0.80 and 0.75 == 3 / 4"),
    Claim("do what they say, or a little more", when="covers(study, 'coin per 3-block', 'HAC', 'randomization', "
          "'Horvitz-Thompson').min() > 0.93 and covers(study, 'your coins', 'HAC', 'randomization', "
          "'Horvitz-Thompson').min() > 0.93"),
    Claim("The fixed schedule has no coin, and no analysis saves it", when="covers(study, 'fixed 3-3', 'HAC').min() < 0.7 and "
          "covers(study, 'fixed 3-3', 'least squares').min() < 0.85"),
    Claim("the longer it runs, the surer it is of a wrong number", when="misses(study, 1008) > misses(study, 408) > misses(study, 168)"),
    Claim("that find a total of one point with 80 % power",
          when="SMALLEST_EFFECT_THAT_MATTERS == 0.01 and plans['your coins'].needed.__defaults__ == (80 / 100,)"),
    Fixed("coverage is near 0.95", "`beyond` marks numbers beyond those tried", why=FORM),
    Claim("On these hours two days find a total of {100 * best(study, 48):.0f} points, six weeks one of "
          "{100 * best(study, 1008):.0f} points, and a single point takes more than a year",
          when="needed['slots'].min() > 365 * 24 and 48 == 2 * 24 and 1008 == 6 * 7 * 24"),
    Claim("with 80 percent power against the number of slots, both on logarithmic scales, for four analyses; all lines fall, "
          "and the one that replays the coins ends lowest",
          when="study.loc[(study['schedule'] == 'your coins') & (study['slots'] == 1008)].set_index('analysis')['detects']"
          ".idxmin() == 'randomization' and study['analysis'].nunique() == 4 and 80 > 0"),
    Fixed("finds with 80 % power", why="the figure of the tool"),
    Claim("Here all intervals hold 0, the truth", when="(result.effects['lo'] < 0).all() and (0 < result.effects['hi']).all()"),
    Claim("the first 240 slots", when="len(result.table) > 240"),
    Claim("with 95 percent intervals, all of which hold zero", when="(result.effects['lo'] < 0).all() and "
          "(result.effects['hi'] > 0).all() and 100 * result.level == 95"),
    Fixed("two clocks disagree", "busy hours count more", "each hour counts once", "pays with a wider interval",
          "on after on does more than the sum", why=LOGIC),
    Claim("among four tests one as small as this turns up in about one log out of twenty-five",
          when="abs((1 - (1 - interaction['p']) ** 4) - 1 / 25) < 0.005 and len(result.placebo()) + 1 == 4"),
    Fixed("says more than the smallest of many", "never a list typed beside it", "for more units that can be switched apart",
          "the effect lasts longer than your model", "must not change the estimate by more than its error",
          "and their sum even less", "is taken to fall with the root of the number", "More lags, another rhythm", why=LOGIC),
    Claim("it is why the interval above is not the one of least squares", when="result.method.count('HAC') == 1"),
]
