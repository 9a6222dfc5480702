"""Claims of notebook 06: switchback experiments."""

from claim_tools import Claim, Fixed

DESIGN, LOGIC = "the design of the notebook", "logic"


def best(study, slots):
    """What is detected with so many slots under the paired schedule by the best of the analyses that are honest."""
    part = study[(study["schedule"] == "paired 3-blocks") & (study["slots"] == slots)]
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
          "the two SQL texts", "with one row for each user, query or segment", "all departures", "it is over after `lags` of them", why=DESIGN),
    Fixed("nineteen times out of twenty", why="a 95 % interval"),
    Claim("and does so a {words(plans['fixed 3-3'].experiments).removeprefix('one ')} times for each length"),
    Claim("holds the truth in only about three intervals of four when a coin decides each block",
          when="0.70 < covers(study, 'coin per 3-block', 'least squares').mean() < 0.80 and 0.75 == 3 / 4"),
    Claim("do what they say, or a little more", when="covers(study, 'coin per 3-block', 'HAC', 'randomization', "
          "'Horvitz-Thompson').min() > 0.93 and covers(study, 'paired 3-blocks', 'HAC', 'randomization', "
          "'Horvitz-Thompson').min() > 0.93"),
    Claim("The fixed schedule has no coin, and no analysis saves it", when="covers(study, 'fixed 3-3', 'HAC').min() < 0.7 and "
          "covers(study, 'fixed 3-3', 'least squares').min() < 0.85"),
    Claim("the longer it runs, the surer it is of a wrong number", when="misses(study, 1008) > misses(study, 408) > misses(study, 168)"),
    Claim("that find a total of one point with 80 % power",
          when="SMALLEST_EFFECT_THAT_MATTERS == 0.01 and plans['paired 3-blocks'].needed.__defaults__ == (80 / 100,)"),
    Fixed("coverage is near 0.95", "`beyond` marks numbers beyond those tried", why=DESIGN),
    Claim("On these hours two days find a total of {100 * best(study, 48):.0f} points, six weeks one of "
          "{100 * best(study, 1008):.0f} points, and a single point takes more than a year",
          when="needed['slots'].min() > 365 * 24 and 48 == 2 * 24 and 1008 == 6 * 7 * 24"),
    Claim("with 80 percent power against the number of slots, both on logarithmic scales, for four analyses; all lines fall, "
          "and the one that replays the coins ends lowest",
          when="study.loc[(study['schedule'] == 'paired 3-blocks') & (study['slots'] == 1008)].set_index('analysis')['detects']"
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
          "and their sum even less", why=LOGIC),
    Claim("it is why the interval above is not the one of least squares", when="result.method.count('HAC') == 1"),
]
