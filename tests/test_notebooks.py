"""Every stored notebook: its pair in line, outputs complete and clean, figures described, links alive.

Strict nbval (see pyproject.toml) re-executes the notebooks and compares every printed character; these are the checks
that nbval does not make. A notebook takes part by being there. The form of the second edition is in test_anatomy.py,
its numbers are held by claims; what stands below "first edition" goes with its last notebook.
"""

import base64
import re
import statistics

import pytest
from notebook_tools import FIRST_EDITION, code_cells, read, stored_figures, stored_text

import run

TUTORIALS = run.notebooks()
each_notebook = pytest.mark.parametrize("notebook", run.executed_notebooks(), ids=lambda path: path.stem)
each_tutorial = pytest.mark.parametrize("notebook", TUTORIALS, ids=lambda path: path.stem)
of_first_edition = pytest.mark.parametrize(
    "notebook", [path for path in TUTORIALS if path.parent.name[:2] in FIRST_EDITION], ids=lambda path: path.stem
)
each_folder = pytest.mark.parametrize("folder", run.folders(), ids=lambda path: path.name)


def markdown(notebook):
    return [cell.source for cell in read(notebook).cells if cell.cell_type == "markdown"]


def images(notebook):
    """(PNG bytes, metadata, source of the next cell) of every image in the outputs."""
    cells, found = read(notebook).cells, []
    for number, cell in enumerate(cells):
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                after = cells[number + 1].source if number + 1 < len(cells) else ""
                found.append((base64.b64decode(output.data["image/png"]), output.metadata.get("image/png", {}), after))
    return found


@each_folder
def test_folder_holds_what_a_folder_needs(folder):
    """CONTRIBUTING.md lists it. What is missing is named here; other tests about it fail, too."""
    tutorials = [path.name for path in folder.glob("*_demo.ipynb")]
    assert len(tutorials) == 1, f"{folder.name} holds {len(tutorials)} tutorials (NAME_demo.ipynb) and should hold one"
    for name in ("README.md", "published_figures.csv", "figures"):
        assert (folder / name).exists(), f"{folder.name}/{name} is missing"
    number = folder.name[:2]
    if number not in FIRST_EDITION:
        assert (run.ROOT / "tests" / "claims" / f"{number}.py").exists(), f"tests/claims/{number}.py is missing"


@pytest.mark.parametrize("notebook", run.pairs(), ids=lambda path: path.stem)
def test_mirror_holds_the_same_cells(notebook):
    difference = run.first_difference(notebook)
    assert not difference, f"{difference}; `make sync` brings them in line"


@each_notebook
def test_hygiene(notebook):
    """Executed from top to bottom; nothing on stderr, nothing of one machine: what `python run.py` would refuse."""
    assert run.faults(read(notebook)) == []
    assert len(stored_text(notebook)) > 200, "outputs were stripped"


@each_notebook
def test_renders_on_github(notebook):
    assert notebook.stat().st_size < 500_000
    for source in markdown(notebook):
        prose = re.sub(r"```.*?```|`[^`]*`|\$\$.*?\$\$|(?<!\\)\$[^$]+(?<!\\)\$", "", source, flags=re.S)
        assert not re.search(r"<[a-zA-Z/!]", prose), f"raw HTML: {prose}"
        assert "](#" not in prose and "mermaid" not in prose
        assert not re.search(r"(?<![\\$])\$\d", prose), f"a dollar amount is written \\$: {prose}"


@each_notebook
def test_every_figure_is_stored_and_described(notebook):
    files = stored_figures(notebook).values()
    for png, metadata, _ in images(notebook):
        assert png in files, "an image of the notebook is not in figures/"
        assert len(metadata.get("alt", "")) > 60, "an image without an alternative text"


@each_tutorial
def test_every_figure_is_shown_and_captioned(notebook):
    shown = {png for path in notebook.parent.glob("*.ipynb") for png, _, _ in images(path)}
    assert images(notebook) and shown == set(stored_figures(notebook).values()), "figures/ holds what no notebook shows"
    for _, _, after in images(notebook):
        assert re.match(r"\*Figure \d", after), f"no caption after the figure: {after[:80]}"


@each_notebook
def test_links_lead_somewhere(notebook):
    for source in markdown(notebook):
        for target in re.findall(r"\]\(([^)]+)\)", source):
            if not target.startswith("https://"):
                assert (notebook.parent / target).exists(), target


def test_each_tutorial_leads_to_the_next():
    """The links "Next" lead through the series in order; tutorials added at its end need none."""
    links = [re.findall(r"\*\*Next:\*\* \[(\d\d)\]\(\.\./([^)]+)\)", "\n".join(markdown(path))) for path in TUTORIALS]
    linked = sum(map(bool, links))
    assert all(links[:linked]), f"{TUTORIALS[links.index([])].name} lacks its link to the next tutorial"
    for following, link in zip(TUTORIALS[1:], links[:linked], strict=False):
        assert link == [(following.parent.name[:2], f"{following.parent.name}/{following.name}")]
    assert linked < len(TUTORIALS), "the last tutorial links to a next one"


# ---- first edition


@of_first_edition
def test_cells_are_short(notebook):
    lines = [len([line for line in cell.source.splitlines() if line.strip()]) for cell in code_cells(notebook)]
    assert statistics.median(lines) <= 8 and max(lines) <= 30 and len(lines) <= 50, (lines, len(lines))
    assert all(len(line) <= 105 for cell in code_cells(notebook) for line in cell.source.splitlines())
    words = sum(len(source.split()) for source in markdown(notebook))
    assert words > 4 * sum(lines), "more words than code"


@of_first_edition
def test_anatomy(notebook):
    opening, text = markdown(notebook)[0], "\n".join(markdown(notebook))
    parts = ["# ", "**The decision.**", "**The answer at a glance**", "**You will do:**", "**You will learn:**",
             "**You need:**", "**Run time:**"]  # fmt: skip
    if notebook != TUTORIALS[0]:
        previous = TUTORIALS[TUTORIALS.index(notebook) - 1]
        parts.insert(2, f"Notebook {previous.parent.name[:2]}")  # what it takes up from there
    places = {part: opening.find(part) for part in parts}
    assert -1 not in places.values(), f"missing in the opening: {[part for part in parts if places[part] < 0]}"
    assert list(places.values()) == sorted(places.values()), f"in this order: {parts}"
    assert "doi:10." in text, "no reference with a DOI"
    assert [title for title, _, _ in exercises(notebook)] == EXERCISES
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in code_cells(notebook)) == 1


EXERCISES = ["Change a constant", "Break an assumption", "Design something new"]


def exercises(notebook):
    """(title, minutes, text) of the exercises at the end of a tutorial."""
    text = "\n".join(markdown(notebook)).partition("## On your own")[2]
    return re.findall(r"^\d\. \*\*(.+?)\*\* \((\d+) minutes\)\.(.+?)(?=^\d\. \*\*|\Z)", text, flags=re.M | re.S)


def stated(title, text):
    """What an exercise says that a right answer is: the words after "You are right"."""
    _, said, answer = " ".join(text.split()).partition("You are right")
    assert said, f"{title}: what does a right answer look like?"
    return re.sub(r"\([^)]*\)", "", re.split(r"[.:?](?=\s)", answer)[0]).replace(",", "")  # without reasons


@of_first_edition
def test_exercises_state_an_answer(notebook):
    for title, _, text in exercises(notebook):
        assert stated(title, text).strip(), title


@of_first_edition
def test_solutions_check_the_stated_answer(notebook):
    """What follows "You are right" in an exercise, number by number, stands in the asserts of its solution."""
    section, asserts = None, {title: "" for title in EXERCISES}
    for cell in read(notebook.with_name(f"{notebook.stem[:-5]}_solutions.ipynb")).cells:
        heading = re.match(r"## \d\. (.+)", cell.source)
        section = heading[1] if heading else section
        if cell.cell_type == "code" and section:
            asserts[section] += "\n".join(re.findall(r"^ *assert .+?(?=^\S|\Z)", cell.source, flags=re.M | re.S))
    for title, _, text in exercises(notebook):
        assert asserts[title], f"{title}: its solution checks nothing"
        checked = {float(n.replace("_", "")) for n in re.findall(r"(?<![\w.])\d[\d_]*\.?\d*", asserts[title])}
        for value in map(float, re.findall(r"(?<![\w.])\d+\.\d+|\d{4,}", stated(title, text))):
            assert value in checked or value / 100 in checked, f"{title}: {value} is stated and not checked"


@of_first_edition
def test_readers_are_asked_to_predict(notebook):
    """In two to four places, each before a cell of code."""
    cells = read(notebook).cells
    places = [k for k, cell in enumerate(cells) if "**Predict, then run.**" in cell.source]
    assert 2 <= len(places) <= 4 and "**Predict.**" not in "".join(markdown(notebook))
    assert all(cells[k + 1].cell_type == "code" for k in places)


@of_first_edition
def test_sections_come_in_the_same_order(notebook):
    titles = re.findall(r"^## (.+)$", "\n".join(markdown(notebook)), flags=re.M)
    assert titles[-3:] == ["Key ideas", "References", "On your own"]
    numbered = [re.match(r"(\d+)\. (.+)", title).groups() for title in titles[:-3]]
    assert [int(number) for number, _ in numbered] == list(range(1, len(numbered) + 1))
    names = [name for _, name in numbered]
    assert names[0] == "Set up" and names[-1].startswith("What you would ship")
    order = [name for name in names if name in ("Reproduction check", "Is the answer honest?", "When it fails")]
    assert order[:1] == ["Reproduction check"] and len(order) == len(set(order))
    assert "Is the answer honest?" in order and ("When it fails" in order or notebook.stem.startswith("naive"))


def numbers(text):
    """The decimal numbers in a text, as (absolute value, number of decimals)."""
    return {(float(n), len(n.partition(".")[2])) for n in re.findall(r"(?<![\d.])\d+\.\d+(?![\d.]*\w)", text)}


@of_first_edition
def test_prose_quotes_only_numbers_that_stand_elsewhere(notebook):
    """Each decimal in the prose is an output, in the code (an assertion, a constant) or published, at its precision.

    It finds numbers typed from memory, and numbers that the data no longer say.
    """
    code = "\n".join(cell.source for cell in code_cells(notebook))
    published = " ".join(row["published"] for row in run.ledger(notebook))
    known = {float(n) for n in re.findall(r"\d+\.?\d*", f"{code} {stored_text(notebook)} {published}")}
    known |= {100 * value for value in known} | {value / 100 for value in known}
    for source in markdown(notebook):
        prose = re.sub(r"https?://\S+|doi:\S+|\b\d+\.\d+\.\d+\S*", "", source.partition("## On your own")[0])
        for value, decimals in numbers(prose):
            close = any(abs(value - k) <= 0.5000001 * 10**-decimals for k in known)
            assert close, f"{value} stands nowhere in code, outputs or ledger:\n{source[:300]}"
