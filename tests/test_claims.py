"""Claims hold, every number has one, and the machine that says so notices what it should.

`python tests/claim_tools.py 03` shows the same for one notebook, `--draft` what to write.
"""

import json
import random
import re
import textwrap

import claim_drafts
import claim_tools
import mutate
import pandas as pd
import pytest
from claim_tools import Claim, Elsewhere, Everywhere, Fixed

PARTS = [pytest.param(part, id=part.name) for key in claim_tools.keys() for part in claim_tools.parts_of(key)]


@pytest.mark.parametrize("part", PARTS)
def test_claims_hold_and_cover_every_number(part):
    problems = claim_tools.check(part).problems
    assert not problems, "\n".join([f"{len(problems)} in {part.name}:", *problems])


def test_every_notebook_has_claims():
    """Each numbered folder has tests/claims/NN.py."""
    folders = {path.name[:2] for path in claim_tools.ROOT.glob("[0-9][0-9]_*")}
    modules = {key: claim_tools.load(claim_tools.CLAIMS / f"{key}.py") for key in claim_tools.keys() if key != "pages"}
    complete = {key for key, module in modules.items() if hasattr(module, "CLAIMS")}
    missing = folders - complete
    assert not missing, "\n".join(f"tests/claims/{number}.py is missing" for number in sorted(missing))
    assert "pages" in claim_tools.keys()


# ---- a small notebook, its variables, its claims

NOTEBOOK = r'''
# %% tags=["parameters"]
N_STUDY = 2000
SEED = 303
BANDWIDTH = 0.10

# %% [markdown]
# # 98 · A sample
#
# The naive number is **+6.3 pp**, 1.05 times the truth of 6.0 pp, and lies *above* it. In a study of
# 2,000 datasets the interval covers in 94.4 % of them; the width is −0.020 at 0.85.
#
# | estimator | bias |
# |---|---|
# | linear | +0.003 |
# | quadratic | −0.012 |
#
# ## 1. Set up
#
# Three of four checks pass ([02](../02_propensity_opt_in/psm_demo.ipynb)), as section 1 says. Matching is never wider.
# The formula $c=0.85$, $x^2$ and the call `rdd(x, 0.10)` need no claim, a 95 % interval and Rubin (1974) neither.

# %%
cutoff, found = World.premium_cutoff, (naive, truth, coverage, width, bias, table, step)
rdd(x, 0.10)
show(figure, "one", "Two lines end at 0.85; the left one "
     "ends 6 points higher.")

# %% [markdown]
# *Figure 1. The step at 0.85 is 6 points high.*
#
# ## References
#
# - Rubin, D. B. (1974). Estimating causal effects. *Journal* 66(5). doi:10.1037/h0037350
'''
VARIABLES = {
    "naive": 0.0632, "truth": 0.06, "coverage": 0.944, "width": -0.0203, "passed": 3, "step": 6,
    "checks": [1, 1, 1, 0], "bias": {"linear": 0.0031, "quadratic": -0.0122}, "wide": {"matching": 1.0, "other": 1.3},
}  # fmt: skip
CLAIMS = [
    Claim("The naive number is {100 * naive:+.1f} pp, {naive / truth:.2f} times the truth of {100 * truth:.1f} pp"),
    Claim("and lies above it", when="naive > truth"),
    Claim("covers in {100 * coverage:.1f} % of them; the width is {width:.3f}"),
    Claim("| {name} | {value:+.3f} |", each="name, value in bias.items()"),
    Claim("{capital(words(passed))} of {words(len(checks))} checks pass"),
    Claim("Matching is never wider", when="wide['matching'] < wide['other']"),
    Claim("ends {step} points higher", when="step > 0"),
    Claim("is {step} points high"),
    Claim("as section {section('Set')} says"),
    Fixed("two lines", why="the drawing"),
]


@pytest.fixture
def sample(tmp_path, monkeypatch):
    """A function from source and claims to a Part whose variables are VARIABLES."""
    monkeypatch.setattr(claim_tools, "variables", lambda path: VARIABLES)
    monkeypatch.setattr(claim_drafts, "variables", lambda path: VARIABLES)

    def make(source=NOTEBOOK, claims=CLAIMS):
        folder = tmp_path / "98_sample"
        folder.mkdir(exist_ok=True)
        (folder / "sample_demo.py").write_text(source, encoding="utf-8")
        claim_tools.code_beside.cache_clear()
        return claim_tools.Part(folder / "sample_demo.py", claims)

    return make


def uncovered(part):
    report = claim_tools.check(part)
    return [report.doc.text[number.start : number.end] for number in report.uncovered]


def test_a_sound_text_passes(sample):
    report = claim_tools.check(sample())
    assert report.problems == [] and report.loose == []


def test_lines_may_be_wrapped_anywhere(sample):
    prose = re.search(r"# The naive.*?0\.85\.\n", NOTEBOOK, re.S)[0]
    words = re.sub(r"\n# ", " ", prose)[2:]
    for width in range(25, 120, 5):
        again = "".join(f"# {line}\n" for line in textwrap.wrap(words, width))
        assert claim_tools.check(sample(NOTEBOOK.replace(prose, again))).problems == []


def test_every_changed_number_and_direction_is_noticed(sample):
    """A digit, a sign, a number word, a direction, in prose, tables, alt texts and captions: all of 600 faults."""
    part, tried, alive = sample(), 0, set()
    for seed in range(25):
        for kind in ("numbers", "directions"):
            for mutant in mutate.mutate_text(str(part.path), kind, random.Random(seed)):
                source = mutant.apply(NOTEBOOK)
                assert source != NOTEBOOK
                report, tried = claim_tools.check(part, source), tried + 1
                if not report.failing and not report.uncovered:
                    alive.add((mutant.line, NOTEBOOK.split("\n")[mutant.line - 1][mutant.start - 12 : mutant.end + 8]))
    assert tried > 600
    assert not alive, alive


@pytest.mark.parametrize("old, new", [
    ("94.4 %", "94.4"), ("94.4 %", "94.4 pp"), ("6.3 pp", "6.3 %"), ("−0.020", "0.020"), ("+0.003", "0.003"),
    ("0.020 at", "0.0203 at"), ("1.05 times", "11.05 times"), ("1.05", "1.0.5"), ("2,000", "2,0000"),
    ("2,000", "12,000"),
    ("above* it", "above* them"), ("Three of", "Two of"), ("of four", "of five"), ("linear | +", "linear | −"),
    ("6 points high.", "16 points high."), ("6 points high.", "6 points high, twice."), ("(1974)", "(1975)"),
    ("Rubin (1974) neither", "Robin (1974) neither"), ("section 1 says", "section 2 says"),
    ("## 1. Set", "## 2. Set"), ("$c=0.85$", "$c=0.86$"),
    ("`rdd(x, 0.10)`", "`rdd(x, 0.11)`"), ("95 % interval", "94 % interval"), ("[02](", "[03]("), ("[02]", "[99]"),
    ("Matching is never", "Matching is hardly ever"), ("0.85 is 6", "0.58 is 6"), ("end at 0.85", "end at 0.87"),
])  # fmt: skip
def test_this_change_is_noticed(sample, old, new):
    assert old in NOTEBOOK
    assert claim_tools.check(sample(), NOTEBOOK.replace(old, new, 1)).problems


@pytest.mark.parametrize("name, value", [
    ("naive", 0.0639), ("coverage", 0.9446), ("width", -0.0206), ("passed", 4), ("checks", [1]), ("step", 7),
    ("bias", {"linear": 0.0031, "quadratic": 0.0122}), ("wide", {"matching": 1.4, "other": 1.3}), ("truth", 0.064),
])  # fmt: skip
def test_changed_results_are_noticed(sample, monkeypatch, name, value):
    monkeypatch.setitem(VARIABLES, name, value)
    assert claim_tools.check(sample()).failing


@pytest.mark.parametrize("text, found", [
    ("27 % of 50,000 users", ["27 %", "50,000"]), ("from +0.73 to −0.05", ["+0.73", "-0.05"]), ("0–49", ["0", "49"]),
    ("[0.75, 0.95)", ["0.75", "0.95"]), ("HC3, CR1, L2, 01_naive, x2, b_0", []), ("t(48)", ["48"]),
    ("the 2nd, 3.5x", ["2nd", "3.5"]),
    ("two and a half, a third, twenty-four, tenfold", ["two", "half", "third", "twenty-four", "tenfold"]),
    ("a second, the third time, one of them", []), ("10⁹ rows, .85", ["10⁹", ".85"]),
    ("5 percent, 6 per cent", ["5 percent", "6 per cent"]),
    ("Python 3.11, 1e-9", ["3.11", "1e-9"]),
    ("the halves, four fifths, half the size", ["halves", "four", "fifths", "half"]),
    (r"\$5 and \$1,794", ["5", "1,794"]), ("see [seven](x7.md), ![eight](9.png)", ["seven", "eight"]),
    ("https://a.org/2026/05 doi:10.1037/h003", []), ("$\\tfrac12 + 34$", ["34"]), ("a second's 50-user group", ["50"]),
])  # fmt: skip
def test_numbers_of_a_text(text, found):
    doc = claim_tools.document(claim_tools.ROOT / "x.md", [[(1, 0, text)]])
    assert [doc.text[number.start : number.end] for number in claim_tools.numbers(doc)] == found


@pytest.mark.parametrize("text, free", [
    ("Section 1 and Figure 1 say so.", True), ("Sections 1 and 2", True), ("Sections 1 and 1", False),
    ("Section 3 says so.", False), ("Sections 1 and 3.", False), ("See failure 1.", False),
    ("Figure 2 is it.", False),
    ("section 1 of notebook 97", False), ("notebook 02, 03 and 04", True), ("02 §1, 03 §2", True),
    ("02 §1, 03 §99", False), ("notebook 42", False),
    ("notebook 09", False),
    ("(Rubin 1974)", True), ("Who and Rubin (1974)", True), ("Rubin and Who (1974)", False), ("in 1974", False),
    ("(Rubin 1977)", False), ("(rules 1974)", False),
    ("a 95 % interval", True), ("| x [95 %] |", True), ("in 95 % of them", False), ("a 90 % interval", False),
    ("an AR(1), two-sided, 0 or 1, half-width", True), ("an AR(2)", False), ("0 or 2", False),
    ("$x^2 + \\frac{1}{K-2}$", True), ("$K=50$", False), ("$0.5$", False), ("`rdd(x, 0.10)`", True),
    ("`rdd(x, 0.20)`", False),
    ("`0.10`", True), ("`7`", False), ("2,000 datasets, 2000 rows", True), ("2000 %", False), ("303", False),
    ("0.85", True), ("-0.85", False),
    ("0.06", False), ("0.850", False), ("0.10", True), ("0.1", False), ("20", False),
])  # fmt: skip
def test_exemptions_are_narrow(sample, text, free):
    """0.06 is a constant of World, but not one that this notebook names; 303 is a seed."""
    source = NOTEBOOK + f"\n# %% [markdown]\n# ## 2. More\n#\n# {text}\n"
    assert (uncovered(sample(source)) == []) == free, uncovered(sample(source))


@pytest.mark.parametrize("claim, text, message", [
    (Claim("a {naive:.2f}"), "a 0.06, and a 0.06", "stands 2 times"),
    (Claim("of {step}"), "of 16 and 0.6 and 6.5 or of 6.1", "stands nowhere"),
    (Claim("is {naive:.4f} here"), "It is 0.0633 here.", "nearest: is 0.0633 here"),
    (Claim("wider", when="naive < truth"), "wider", "naive = 0.0632, truth = 0.06"),
    (Claim("{unknown:.2f}"), "0.06", "'unknown' is no variable"),
    (Claim("{naive['a']}"), "0.06", "cannot be computed: TypeError"),
    (Claim("all {k}", each="k in [1, 2]"), "all 1", "stands nowhere"),
    (Fixed("three arms", why="design"), "two arms", "stands nowhere"),
    (Everywhere("{step} users"), "7 users", "stands nowhere"),
])  # fmt: skip
def test_failing_claims_say_what_is_wrong(sample, claim, text, message):
    part = sample(f"# %% [markdown]\n# {text}\n", [claim])
    assert message in "\n".join(claim_tools.check(part).failing)
    assert "test_claims.py:" in claim_tools.check(part).failing[0]


@pytest.mark.parametrize("claim, text, left", [
    (Claim("is {naive:.2f} of the 50"), "is 0.06 of the 50", ["50"]),
    (Claim("is -{abs(width):.3f}"), "is −0.020", ["-0.020"]),
    (Claim("in {100 * coverage:.0f}"), "in 94 %", ["94 %"]),
    (Claim("between 0.05 and 0.07", when="0.05 < naive < 0.07"), "between 0.05 and 0.07", []),
    (Claim("between 0.05 and 0.08", when="0.05 < naive < 0.07"), "between 0.05 and 0.08", ["0.08"]),
    (Claim("under 95 %", when="coverage < 0.95"), "under 95 %", []),
    (Claim("more than half", when="coverage > 0.5"), "more than half", []),
    (Claim("two of {step}"), "two of 6", ["two"]),
    (Fixed("50 tickets", why="design"), "50 tickets and 50 Tickets, 50 users", ["50"]),
    (Everywhere("{step}"), "6 and 6, but 16, 6.5 and 6 %", ["16", "6.5", "6 %"]),
    (Elsewhere(r"^\| \d+:\d+ \|", "test_claims.py::test_a_sound_text_passes"), "| 1:15 | 20 |", ["20"]),
])  # fmt: skip
def test_a_claim_covers_what_it_computes_and_no_more(sample, claim, text, left):
    assert uncovered(sample(f"# %% [markdown]\n# {text}\n", [claim])) == left


@pytest.mark.parametrize("make", [
    lambda: Claim("no field and no condition"), lambda: Claim("always", when="1 < 2"),
    lambda: Fixed("two arms", why=""),
    lambda: Fixed(why="nothing"), lambda: Elsewhere("x", "test_claims.py::test_that_is_not_there"),
])  # fmt: skip
def test_claims_that_claim_nothing_are_refused(make):
    with pytest.raises(ValueError, match=r"test_claims\.py:\d+: "):
        make()


def test_alt_texts_are_read_from_the_code(sample):
    source = "# %%\nshow(figure, 'a', \"From 7 to \"\n     f\"{naive:.2f} and 8\")\n"
    source += "Image('b.png', alt='nine')\nother(1, 2, '10')\n"
    assert uncovered(sample(source, [])) == ["7", "8", "nine"]


def test_too_few_directions_in_claims(sample):
    part = sample(NOTEBOOK, CLAIMS[:1])
    assert "of the words of direction" in claim_tools.check(part).problems[-1]


def test_helpers():
    assert [claim_tools.words(n) for n in (0, 2, 12, 19, 20, 24, 200, 5000)] == [
        "zero", "two", "twelve", "nineteen", "twenty", "twenty-four", "two hundred", "five thousand"]  # fmt: skip
    assert [claim_tools.nth(n) for n in (1, 2, 3, 11, 12, 21)] == ["1st", "2nd", "3rd", "11th", "12th", "21st"]
    assert (claim_tools.pct(0.274), claim_tools.pct(0.274, 1), claim_tools.pp(-0.0632)) == ("27 %", "27.4 %", "-6.3 pp")
    assert claim_tools.capital(claim_tools.ordinal(3)) == "Third"
    assert claim_tools.about(0.38, 0.4) and not claim_tools.about(0.35, 0.4) and claim_tools.about([9, 11], 10)


def test_drafts_can_be_pasted(sample, monkeypatch):
    """What --draft prints covers all numbers that it found a variable for; what it could not find fails."""
    monkeypatch.setitem(VARIABLES, "table", pd.DataFrame({"power": [0.8123]}, ["safe"]))
    source = NOTEBOOK + "\n# %% [markdown]\n# ## 2. Power\n#\n# Its power is 0.812. Its size is 0.777.\n"
    part = sample(source, [])
    lines = claim_drafts.draft(part, claim_tools.check(part))
    text = "\n".join(lines)
    for field in ("{100 * coverage:.1f} %", "{bias['linear']:+.3f}", "{table.loc['safe', 'power']:.3f}", "{width:.3f}"):
        assert field in text, text
    claims = eval("[" + text.replace('when="TODO"', 'when="naive > 0"') + "]")
    report = claim_tools.check(sample(source, claims))
    left = {number.core for number in report.uncovered}
    assert {"94.4", "-0.020", "+0.003", "0.812", "+6.3"}.isdisjoint(left)
    assert [line for line in report.failing if "TODO" in line] and all("TODO" in line for line in report.failing)


# ---- mutate.py


@pytest.mark.parametrize("kind", mutate.KINDS)
def test_mutants_are_the_same_for_the_same_seed_and_change_something(kind):
    only = None if kind in ("generator", "run") else "03"
    first = mutate.draw(kind, 15, 3, only)
    assert first == mutate.draw(kind, 15, 3, only) and (kind == "tool" or first != mutate.draw(kind, 15, 4, only))
    for mutant in first:
        before, after = mutant.lines()
        assert before != after


def test_a_fault_goes_into_the_notebook_too(tmp_path):
    """The same change in script and notebook, in prose and in an alt text; a pair that differs is refused."""
    script = "# ---\n# jupyter:\n# ---\n\n# %%\nx = 1\n\n# %% [markdown]\n# # A\n#\n# of 27 %\n"
    script += "\n# %%\nshow(f, 'a',\n     '8 lines')\n"
    (tmp_path / "a.py").write_text(script)
    cells = ("code", "x = 1"), ("markdown", "# A\n\nof 27 %"), ("code", "show(f, 'a',\n     '8 lines')")
    book = {"cells": [{"cell_type": kind, "source": source.splitlines(True)} for kind, source in cells]}
    (tmp_path / "a.ipynb").write_text(json.dumps(book))
    file = str(tmp_path / "a.py")
    for mutant, cell, expected in (
        (mutate.Mutant(file, 11, 6, 7, "9"), 1, "# A\n\nof 29 %"),
        (mutate.Mutant(file, 15, 6, 7, "5"), 2, "show(f, 'a',\n     '5 lines')"),
    ):
        assert mutant.apply(script).count(expected.split("\n")[-1]) == 1
        _, text = mutate.notebook_with(mutant)
        assert "".join(json.loads(text)["cells"][cell]["source"]) == expected
    (tmp_path / "a.py").write_text(script.replace("of 27 %", "of 28 %"))
    with pytest.raises(SystemExit, match="make sync"):
        mutate.notebook_with(mutate.Mutant(file, 11, 6, 7, "9"))


def test_mutants_of_code(tmp_path):
    source = 'def f(a, b):\n    """At 3."""\n    if a < 1 and not b:\n        return g(a + 2, b)\n'
    source += "    c = [True]\n    return -a\n"
    (tmp_path / "code.py").write_text(source)
    found = {mutant.lines()[1] for mutant in mutate.mutate_code(str(tmp_path / "code.py"))}
    assert found == {
        "if a <= 1 and not b:", "if a < 2 and not b:", "if a < 1 or not b:", "if a < 1 and (b):",
        "if not (a < 1 and not b):",
        "return g(a - 2, b)", "return g(a + 3, b)", "return g(b, a + 2)", "pass", "c = [False]", "return (a)",
    }  # fmt: skip


def test_mutants_of_queries(tmp_path):
    (tmp_path / "q.sql").write_text("SELECT SUM(x) -- 5 AND 6\nFROM logs WHERE x >= 5 AND y <> 'a = 1'\n")
    found = {mutant.lines()[1] for mutant in mutate.mutate_sql(str(tmp_path / "q.sql"))}
    assert found == {
        "SELECT MAX(x) -- 5 AND 6", "FROM logs WHERE x > 5 AND y <> 'a = 1'", "FROM logs WHERE x >= 6 AND y <> 'a = 1'",
        "FROM logs WHERE x >= 5 OR y <> 'a = 1'", "FROM logs WHERE x >= 5 AND y = 'a = 1'",
    }  # fmt: skip


def test_interval_of_a_kill_rate():
    low, high = mutate.wilson(90, 100)
    assert (round(low, 3), round(high, 3)) == (0.826, 0.945)
    assert mutate.wilson(0, 10)[0] == 0 and mutate.wilson(10, 10)[1] == 1
