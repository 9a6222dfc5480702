"""Every mirror, run as a script: it prints what the notebook shows, draws its figures, finds the published numbers.

One run of each mirror serves all these tests.
"""

import io
import time

import matplotlib.image
import numpy as np
import pytest
from notebook_tools import read, run_script, stored_text

import run

PAIRS = [pytest.param(path, id=path.stem) for path in run.executed_notebooks()]
TUTORIALS = [pytest.param(path, id=path.stem) for path in run.notebooks()]
each_tutorial = pytest.mark.parametrize("notebook", TUTORIALS)
runs = {}


@pytest.fixture
def script(tmp_path):
    """Run a mirror once: a dict with its text, its headline and computed values, and the figures it wrote."""

    def once(notebook):
        if notebook not in runs:
            start = time.time()
            text, found = run_script(notebook.with_suffix(".py"), tmp_path)
            pngs = [path for path in (notebook.parent / "figures").glob("*.png") if path.stat().st_mtime >= start - 2]
            runs[notebook] = {"text": text, "written": {path.name: path.read_bytes() for path in pngs}, **found}
        return runs[notebook]

    return once


@pytest.mark.parametrize("notebook", PAIRS)
def test_prints_what_the_notebook_shows(script, notebook):
    assert script(notebook)["text"].splitlines() == stored_text(notebook).splitlines()


@each_tutorial
def test_draws_the_same_figures(script, notebook, stored_figures):
    written, stored = script(notebook)["written"], stored_figures(notebook)
    assert written.keys() == stored.keys() and written
    for name in stored:
        new, old = (matplotlib.image.imread(io.BytesIO(png)) for png in (written[name], stored[name]))
        assert np.abs(np.subtract(new.shape, old.shape)).max() <= 12, f"{name}: another size"
        assert new.min() < 0.9, f"{name} is empty"
        if new.shape == old.shape:  # other versions of matplotlib move text by a pixel
            assert np.abs(new - old).mean() < 0.03, f"{name} shows something else"
        assert old.ndim == 2 or old.shape[2] == 3 or old[..., 3].min() == 1, f"{name}: transparent background"


@each_tutorial
def test_finds_the_published_numbers(script, notebook):
    computed, rows = script(notebook)["computed"], run.ledger(notebook)
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
def test_tables_show_the_headline(script, notebook):
    """The notebook's first table, its folder's README and the README all show what the notebook found."""
    cells = run.shown(script(notebook)["headline"])
    glance = next(cell.source for cell in read(notebook).cells if "at a glance" in cell.source)
    folder = (notebook.parent / "README.md").read_text(encoding="utf-8")
    rows = [line for line in (run.ROOT / "README.md").read_text(encoding="utf-8").splitlines()
            if line.startswith(f"| [{notebook.parent.name}]")]  # fmt: skip
    assert len(rows) == 1, "no row in README.md: python run.py --write-tables"
    for place, text in (("notebook", glance), ("folder's README", folder), ("README.md", rows[0])):
        for name, value in cells.items():
            assert value in text, f"{place}: {name} {value} is missing"
    for key in ("decision", "method"):
        assert script(notebook)["headline"][key] in rows[0]


def test_agreement_is_judged_at_the_published_precision():
    for published, value in (("+0.2106", 0.21064), ("30.2%", 0.3018), ("16", 15.96), ("-0.000", 0.0001),
                             ("NO", "NO"), ("0.0000", 4e-9), ("2.6", 2.6325), ("50000", 50000)):  # fmt: skip
        assert run.agrees(published, value)
    for published, value in (("+0.2106", 0.21066), ("30.2%", 30.2), ("+0.05", -0.05), ("NO", "YES"), ("NO", 0.0),
                             ("0.1", float("nan"))):  # fmt: skip
        assert not run.agrees(published, value)
