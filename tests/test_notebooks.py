"""Every stored notebook: its pair in line, outputs complete and clean, figures described, links alive.

Strict nbval (see pyproject.toml) re-executes the notebooks and compares every printed character; these are the checks
that nbval does not make. A notebook takes part by being there. The form is in test_anatomy.py, and the numbers are held
by claims.
"""

import base64
import re

import pytest
from notebook_tools import read, stored_figures, stored_text

import run

TUTORIALS = run.notebooks()
each_notebook = pytest.mark.parametrize("notebook", run.executed_notebooks(), ids=lambda path: path.stem)
each_tutorial = pytest.mark.parametrize("notebook", TUTORIALS, ids=lambda path: path.stem)
each_folder = pytest.mark.parametrize("folder", run.folders(), ids=lambda path: path.name)


def markdown(notebook):
    return [cell.source for cell in read(notebook).cells if cell.cell_type == "markdown"]


def exercises(notebook):
    """(title, minutes, text) of the exercises at the end of a tutorial."""
    text = "\n".join(markdown(notebook)).partition("## On your own")[2]
    return re.findall(r"^\d\. \*\*(.+?)\*\* \((\d+) minutes\)\.(.+?)(?=^\d\. \*\*|\Z)", text, flags=re.M | re.S)


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
