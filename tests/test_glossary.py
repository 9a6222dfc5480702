"""GLOSSARY.md against the notebooks: terms stand where it says, every symbol is listed, and no word has a rival."""

import re

import pytest
from notebook_tools import read

import run

TEXT = (run.ROOT / "GLOSSARY.md").read_text(encoding="utf-8")
TERMS = [line.strip("| ").split(" | ") for line in TEXT.splitlines() if re.search(r"\d §\d+[\d §,]* \|$", line)]
TERMS = [(row[0], " ".join(row[1:-2]).strip(" |"), re.findall(r"(\d\d) §(\d+)", row[-1])) for row in TERMS]
LOCAL = [line.strip("| ").split(" | ") for line in TEXT.splitlines() if re.match(r"\| \d\d \| \$", line)]
GENERAL = TEXT.partition("## Symbols with one general meaning")[2].splitlines()
GENERAL = [line.strip("| ").split(" | ") for line in GENERAL if "$" in line]
FOLDERS = [path.parent.name[:2] for path in run.notebooks()]
OPERATORS = set(
    r"""\frac \tfrac \sum \prod \hat \widehat \bar \text \left \right \sqrt \min \max \sup \lim \arg \log \exp \tanh
    \qquad \quad \underbrace \times \ge \le \in \mid \to \infty \uparrow \downarrow \big \Big \dots \approx \sim \cdot
    \pm \ne \not \mathrm""".split()
)


def sections(folder):
    """{section number: its prose} of a tutorial, sections with a number only, white space evened out."""
    found, number = {}, None
    for cell in read(next(path for path in run.notebooks() if path.parent.name.startswith(folder))).cells:
        for part in re.split(r"^(?=## )", cell.source, flags=re.M) if cell.cell_type == "markdown" else ():
            heading = re.match(r"## (?:(\d+)\. )?", part)
            number = heading[1] if heading else number
            if number:
                found[number] = found.get(number, "") + " " + " ".join(part.split())
    return found


SECTIONS = {folder: sections(folder) for folder in FOLDERS}


def symbols(text):
    """Letters and Greek letters in the formulas of a text."""
    text = re.sub(r"`[^`]*`|\\\$", "", text)
    found = set()
    for formula in re.findall(r"\$+([^$]+)\$+", text):
        formula = re.sub(r"\\text\{[^}]*\}", "", formula)
        for token in re.findall(r"\\[a-zA-Z]+|[a-zA-Z]+", formula):
            if token.startswith("\\"):
                found |= {token} - OPERATORS
            else:
                found |= {token} if token == "RR" else set(token)
    return found


def says(term, text):
    words = re.escape(term).replace(r"\ ", "[ -]")
    return re.search(rf"(?<![\w-]){words}(?:s|es)?(?!\w)", text, flags=0 if term.isupper() else re.I)


def test_there_are_terms_and_symbols():
    assert len(TERMS) > 60 and len(GENERAL) > 5
    assert len({term for term, _, _ in TERMS}) == len(TERMS)


@pytest.mark.parametrize("term, symbol, places", TERMS, ids=[term for term, _, _ in TERMS])
def test_term_is_explained_where_it_first_appears(term, symbol, places):
    folder, number = places[0]
    for section, text in SECTIONS[folder].items():
        if int(section) < int(number):
            assert not says(term, text), f"used before, in section {section}"
    assert says(term, SECTIONS[folder][number])
    if symbol:
        folder, number = places[-1]
        assert symbols(symbol) <= symbols(SECTIONS[folder][number]), f"{symbol}: not in the formulas there"


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_symbol_is_listed(folder):
    known = set()
    for _, symbol, places in TERMS:
        if folder in dict(places):
            known |= symbols(symbol)
    for place, symbol, _ in LOCAL:
        if place == folder:
            assert symbols(symbol) <= symbols(" ".join(SECTIONS[folder].values())), f"{symbol} is not in {folder}"
            known |= symbols(symbol)
    for symbol, _, where in GENERAL:
        if folder in where or where == "all" or (where == "all but 01" and folder != "01"):
            known |= symbols(symbol)
    unlisted = symbols(" ".join(SECTIONS[folder].values())) - known
    assert not unlisted, f"symbols without an entry for notebook {folder}: {sorted(unlisted)}"


# no terms of statistics
COMMON = set("AI LLM CSV PNG README SQL GROUP BY WHERE SELECT DuckDB L2 macOS AR US STAR NHEFS NSW CPS".split())


@pytest.mark.parametrize("notebook", run.executed_notebooks(), ids=lambda path: path.stem)
def test_every_abbreviation_is_in_the_glossary(notebook):
    prose = " ".join(cell.source for cell in read(notebook).cells if cell.cell_type == "markdown")
    prose = re.sub(r"`[^`]*`|\$[^$]*\$|\]\([^)]*\)", "", prose.partition("## References")[0])
    used = set(re.findall(r"\b[A-Za-z]*[A-Z][A-Z0-9]+\b|\bDiD\b|\be-[A-Z]+\b", prose)) - COMMON
    missing = {name for name in used if not re.search(rf"(?<!\w){name}(?!\w)", TEXT)}
    assert not missing


RIVALS = {  # a word that the series does not use: the word it uses
    "confidence interval": "interval", "p value": "p-value", "carry-over": "carryover", "spill-over": "spillover",
    "treatment group": "treated", "control group mean": "controls", "score function": "propensity score",
    "intra-class": "ICC", "intraclass": "ICC", "forcing variable": "running variable", "assignment variable":
    "running variable", "switch-back": "switchback", "dataset's seed": "seed", "Monte-Carlo": "Monte Carlo",
    "diff-in-diff": "difference-in-differences", "false discovery rate": "false-discovery rate",
}  # fmt: skip


@pytest.mark.parametrize("notebook", run.executed_notebooks(), ids=lambda path: path.stem)
def test_no_rival_words(notebook):
    prose = " ".join(" ".join(cell.source.split()) for cell in read(notebook).cells if cell.cell_type == "markdown")
    prose = prose.partition("## References")[0]  # titles of papers keep their words
    for rival, ours in RIVALS.items():
        assert not re.search(rf"\b{rival}", prose, flags=re.I), f"{rival!r}: the series says {ours!r}"
