"""Every stored notebook: outputs complete and clean, cells short, figures described, links alive, prose not stale.

Strict nbval (see pyproject.toml) re-executes the notebooks and compares every printed character; these are the checks
that nbval does not make. A notebook takes part by being there.
"""

import base64
import re
import statistics

import jupytext
import pytest
from notebook_tools import code_cells, read, stored_text

import run

ALL = [pytest.param(path, id=path.stem) for path in run.executed_notebooks()]
TUTORIALS = [pytest.param(path, id=path.stem) for path in run.notebooks()]
each_notebook = pytest.mark.parametrize("notebook", ALL)
each_tutorial = pytest.mark.parametrize("notebook", TUTORIALS)


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


def test_there_are_notebooks():
    assert run.notebooks()
    for notebook in run.notebooks():
        names = {path.name for path in notebook.parent.iterdir()}
        assert {f"{notebook.stem}.py", "published_figures.csv", "figures", "README.md"} <= names


@each_notebook
def test_executed_from_top_to_bottom(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr", cell.source
            assert output.output_type != "execute_result", f"display or print it, as the mirror must:\n{cell.source}"
    assert len(stored_text(notebook)) > 200  # outputs were not stripped


@each_notebook
def test_outputs_hold_nothing_of_one_machine(notebook):
    text = stored_text(notebook)
    assert not re.search(r"0x[0-9a-f]{6}|/home/|/Users/|/tmp/|\b[A-Z]:\\|\bseconds\b", text)
    meta = read(notebook).metadata
    assert set(meta) <= {"kernelspec", "language_info"} and "version" not in meta.get("language_info", {})
    assert all(set(cell.metadata) <= {"tags"} for cell in read(notebook).cells)


@each_notebook
def test_renders_on_github(notebook):
    assert notebook.stat().st_size < 500_000
    for source in markdown(notebook):
        prose = re.sub(r"```.*?```|`[^`]*`|\$\$.*?\$\$|(?<!\\)\$[^$]+(?<!\\)\$", "", source, flags=re.S)
        assert not re.search(r"<[a-zA-Z/!]", prose), f"raw HTML: {prose}"
        assert "](#" not in prose and "mermaid" not in prose
        assert not re.search(r"(?<![\\$])\$\d", prose), f"a dollar amount is written \\$: {prose}"


@each_notebook
def test_cells_are_short(notebook):
    lines = [len([line for line in cell.source.splitlines() if line.strip()]) for cell in code_cells(notebook)]
    assert statistics.median(lines) <= 8 and max(lines) <= 30 and len(lines) <= 50, (lines, len(lines))
    assert all(len(line) <= 105 for cell in code_cells(notebook) for line in cell.source.splitlines())
    words = sum(len(source.split()) for source in markdown(notebook))
    assert words > 4 * sum(lines), "more words than code"


@each_notebook
def test_mirror_holds_the_same_cells(notebook):
    """Cell by cell, so that a failure names the cell. `make sync` brings the pair in line."""
    book, mirror = read(notebook).cells, jupytext.read(notebook.with_suffix(".py")).cells
    for number, (a, b) in enumerate(zip(book, mirror, strict=False)):
        assert (a.cell_type, a.source) == (b.cell_type, b.source), number
        assert a.metadata.get("tags") == b.metadata.get("tags"), number
    assert len(book) == len(mirror)


@each_tutorial
def test_anatomy(notebook):
    opening, text = markdown(notebook)[0], "\n".join(markdown(notebook))
    before, after = f"Notebook {int(notebook.parent.name[:2]) - 1:02}", f"{int(notebook.parent.name[:2]) + 1:02}"
    parts = ["# ", "**The decision.**", before, "**The answer at a glance**", "**You will do:**", "**You will learn:**",
             "**You need:**", "**Run time:**"]  # fmt: skip
    places = [opening.find(part) for part in parts if part != "Notebook 00"]
    assert -1 not in places and places == sorted(places), dict(zip(parts, places, strict=False))
    assert f"**Next:** [{after}](../{after}_" in text or after == "08"
    assert "doi:10." in text
    assert [title for title, _, _ in exercises(notebook)] == EXERCISES
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in code_cells(notebook)) == 1


EXERCISES = ["Change a constant", "Break an assumption", "Design something new"]


def exercises(notebook):
    """(title, minutes, text) of the exercises at the end of a tutorial."""
    text = "\n".join(markdown(notebook)).partition("## On your own")[2]
    return re.findall(r"^\d\. \*\*(.+?)\*\* \((\d+) minutes\)\.(.+?)(?=^\d\. \*\*|\Z)", text, flags=re.M | re.S)


@each_tutorial
def test_exercises_state_an_answer_and_solutions_check_it(notebook):
    """What follows "You are right" in an exercise, number by number, stands in the asserts of its solution."""
    solutions = notebook.with_name(notebook.stem.replace("_demo", "_solutions") + ".ipynb")
    section, asserts = None, {title: "" for title in EXERCISES}
    for cell in read(solutions).cells:
        heading = re.match(r"## \d\. (.+)", cell.source)
        section = heading[1] if heading else section
        if cell.cell_type == "code" and section:
            asserts[section] += "\n".join(re.findall(r"^ *assert .+?(?=^\S|\Z)", cell.source, flags=re.M | re.S))
    for title, _, text in exercises(notebook):
        _, said, answer = " ".join(text.split()).partition("You are right")
        assert said, f"{title}: what does a right answer look like?"
        assert asserts[title], f"{title}: its solution checks nothing"
        checked = {float(n.replace("_", "")) for n in re.findall(r"(?<![\w.])\d[\d_]*\.?\d*", asserts[title])}
        answer = re.sub(r"\([^)]*\)", "", re.split(r"[.:?](?=\s)", answer)[0]).replace(",", "")  # without reasons
        for value in map(float, re.findall(r"(?<![\w.])\d+\.\d+|\d{4,}", answer)):
            assert value in checked or value / 100 in checked, f"{title}: {value} is stated and not checked"


@each_tutorial
def test_readers_are_asked_to_predict(notebook):
    """In two to four places, each before a cell of code."""
    cells = read(notebook).cells
    places = [k for k, cell in enumerate(cells) if "**Predict, then run.**" in cell.source]
    assert 2 <= len(places) <= 4 and "**Predict.**" not in "".join(markdown(notebook))
    assert all(cells[k + 1].cell_type == "code" for k in places)


@each_tutorial
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


@each_tutorial
def test_every_figure_is_stored_described_and_captioned(notebook, stored_figures):
    shown, files = images(notebook), stored_figures(notebook)
    assert shown and {png for png, _, _ in shown} == set(files.values()), "figures/ differs from the notebook's images"
    for _, metadata, after in shown:
        assert len(metadata.get("alt", "")) > 60
        assert re.match(r"\*Figure \d", after), f"no caption after the figure: {after[:80]}"


@each_notebook
def test_links_lead_somewhere(notebook):
    for source in markdown(notebook):
        for target in re.findall(r"\]\(([^)]+)\)", source):
            if not target.startswith("https://"):
                assert (notebook.parent / target).exists(), target


def numbers(text):
    """The decimal numbers in a text, as (absolute value, number of decimals)."""
    return {(float(n), len(n.partition(".")[2])) for n in re.findall(r"(?<![\d.])\d+\.\d+(?![\d.]*\w)", text)}


@each_tutorial
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
