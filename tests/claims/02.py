"""Claims of notebook 02: propensity scores."""

import pandas as pd
from claim_tools import ROOT, Claim, Fixed

DESIGN, LOGIC = "how the notebook is built", "follows from the definition"
EXPERIMENT = pd.read_csv(ROOT / "data" / "real" / "nsw_experiment.csv").groupby("treated").mean()
SURVEY = pd.read_csv(ROOT / "data" / "real" / "nsw_cps.csv").groupby("treated").mean()
IPW = "table[(table['target'] == 'ATE') & (table['method'] == 'ipw')].iloc[0]"

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
