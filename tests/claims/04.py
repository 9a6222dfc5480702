"""Claims of notebook 04: synthetic control."""

from claim_tools import ROOT, Claim, Fixed
from generate_data import World

import run

W = World()

ROWS = run.ledger(next(ROOT.glob("04_*/*_demo.ipynb")))
BUILT, LOGIC = "how the notebook is built", "follows from the definition"
PUBLISHED = {"did": -27.349, "sc": -19.62, "shifted": -11.105, "sdid": -15.604}  # R's synthdid, Arkhangelsky et al. 2021

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
