"""Claims of notebook 07: sequential testing."""

from claim_tools import Claim, Fixed

BUILT, LOGIC = "how the notebook is built", "follows from the definition"

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

CLAIMS = []
README_CLAIMS = []
SOLUTIONS_CLAIMS = []
