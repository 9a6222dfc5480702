"""What a notebook's code finds when it is executed: its figures, the published numbers, the numbers of its tables.

The execution is nbval's (see conftest.py). A mirror holds the same cells (test_notebooks.py), so it needs none of its
own; test_other_data.py runs it as a script, on other data.
"""

import io

import matplotlib.image
import numpy as np
import pytest
from notebook_tools import drawn_figures, executed, read, stored_figures

import run

each_notebook = pytest.mark.parametrize("notebook", run.executed_notebooks(), ids=lambda path: path.stem)
each_tutorial = pytest.mark.parametrize("notebook", run.notebooks(), ids=lambda path: path.stem)


@each_notebook
def test_draws_the_figures_that_are_stored(notebook):
    drawn, stored = drawn_figures(notebook), stored_figures(notebook)
    assert drawn.keys() <= stored.keys(), f"not stored: {sorted(drawn.keys() - stored.keys())}"
    for name in drawn:
        new, old = (matplotlib.image.imread(io.BytesIO(png)) for png in (drawn[name], stored[name]))
        assert np.abs(np.subtract(new.shape, old.shape)).max() <= 12, f"{name}: another size"
        assert new.min() < 0.9, f"{name} is empty"
        if new.shape == old.shape:  # other versions of matplotlib move text by a pixel
            assert np.abs(new - old).mean() < 0.03, f"{name} shows something else"
        assert old.ndim == 2 or old.shape[2] == 3 or old[..., 3].min() == 1, f"{name}: transparent background"


@each_tutorial
def test_every_stored_figure_is_drawn(notebook):
    drawn = set()
    for path in notebook.parent.glob("*.ipynb"):
        drawn |= drawn_figures(path).keys()
    assert drawn == stored_figures(notebook).keys() and drawn_figures(notebook)


@each_tutorial
def test_finds_the_published_numbers(notebook):
    (_, computed), rows = run.handed_over(notebook, executed(notebook)), run.ledger(notebook)
    ids = [row["id"] for row in rows]
    assert len(ids) == len(set(ids)) and set(ids) <= set(computed)
    assert {row["verdict"] for row in rows} <= {"reproduced", "claim fails", "platform-dependent"}
    for row in rows:
        value, word = computed[row["id"]], not any(character.isdigit() for character in row["published"])
        if row["verdict"] == "reproduced" or (row["verdict"] == "claim fails" and not word):
            assert run.agrees(row["published"], value), (row, value)  # digits reproduce even where the claim fails
        if row["verdict"] != "reproduced":
            assert row["note"], f"{row['id']}: say why"


@each_tutorial
def test_tables_show_the_headline(notebook):
    """The notebook's first table, its folder's README and the README all show what the notebook found."""
    headline, _ = run.handed_over(notebook, executed(notebook))
    cells = run.shown(headline)
    glance = next((cell.source for cell in read(notebook).cells if "at a glance" in cell.source), None)
    assert glance, f"{notebook.name} has no answer at a glance"
    assert (notebook.parent / "README.md").exists(), f"{notebook.parent.name}/README.md is missing"
    folder = (notebook.parent / "README.md").read_text(encoding="utf-8")
    rows = [line for line in (run.ROOT / "README.md").read_text(encoding="utf-8").splitlines()
            if line.startswith(f"| [{notebook.parent.name}]")]  # fmt: skip
    assert len(rows) == 1, "no row in README.md: python run.py --write-tables"
    for place, text in (("notebook", glance), ("folder's README", folder), ("README.md", rows[0])):
        for name, value in cells.items():
            assert value in text, f"{place}: {name} {value} is missing"
    for key in ("decision", "method"):
        assert headline[key] in rows[0], f"README.md: {key} {headline[key]!r} is missing"


def test_agreement_is_judged_at_the_published_precision():
    for published, value in (("+0.2106", 0.21064), ("30.2%", 0.3018), ("16", 15.96), ("-0.000", 0.0001),
                             ("NO", "NO"), ("0.0000", 4e-9), ("2.6", 2.6325), ("50000", 50000)):  # fmt: skip
        assert run.agrees(published, value)
    for published, value in (("+0.2106", 0.21066), ("30.2%", 30.2), ("+0.05", -0.05), ("NO", "YES"), ("NO", 0.0),
                             ("0.1", float("nan"))):  # fmt: skip
        assert not run.agrees(published, value)
