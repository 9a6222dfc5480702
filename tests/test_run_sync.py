"""`make sync`: notebook and mirror are brought in line by what they hold, never by dates, and nothing typed is lost."""

import itertools
import json
import os
import shutil
import subprocess

import nbformat
import pytest
from test_run import FOUND, edit, texts, write

import run

needs_git = pytest.mark.skipif(not shutil.which("git"), reason="git")


def commit(folder):
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x", "--no-gpg-sign"]):
        name = ["-c", "user.name=x", "-c", "user.email=x@x"]
        subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def pair(series):
    """A committed notebook with outputs and its mirror: (notebook, mirror)."""
    notebook = write(series, "08_small/small_demo.ipynb", "# Some prose", "x = 1\nprint(x)", "print(2)", FOUND)
    book = nbformat.read(notebook, as_version=4)
    for number, cell in enumerate(book.cells[1:], 1):
        cell.execution_count = number
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=f"{number}\n")]
    nbformat.write(book, notebook)
    commit(series)
    return notebook, notebook.with_suffix(".py")


def change(path, old, new, date=None):
    """Change one of the two files; give it a date that says nothing."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    if date:
        os.utime(path, (date, date))


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts
            and ".results" not in path.parts}  # fmt: skip


def ids(notebook):
    return [cell["id"] for cell in run.read_cells(notebook)]


def in_line(notebook):
    return run.cells_of(notebook) == run.cells_of(notebook.with_suffix(".py"))


@needs_git
def test_a_fresh_clone_is_left_alone(series, pair, capsys):
    """jupytext --sync rewrote 14 notebooks of a fresh clone, and then 14 tests failed."""
    for date in (1e9, 2e9):  # whichever is the newer
        os.utime(pair[1], (date, date))
        before = contents(series)
        run.sync()
        assert contents(series) == before
    assert capsys.readouterr().out.splitlines()[-1] == "1 notebooks and their mirrors are in line."


@needs_git
@pytest.mark.parametrize("date", [1e9, 2e9])
def test_an_edited_mirror_is_followed_by_the_notebook(pair, date):
    notebook, mirror = pair
    before = ids(notebook)
    change(mirror, "# # Some prose", "# # Other prose\n#\n# More of it.", date)
    change(mirror, "print(2)", "print(22)", date)
    text = mirror.read_text()
    run.sync()
    assert in_line(notebook) and mirror.read_text() == text and ids(notebook) == before
    assert run.read_cells(notebook)[0]["source"] == "# Other prose\n\nMore of it."
    assert texts(notebook) == ["1\n", "", "3\n"], "outputs of cells that have not changed stay, others go"
    assert run.read_cells(notebook)[2]["execution_count"] is None


@needs_git
def test_a_cell_added_to_the_mirror(pair):
    notebook, mirror = pair
    before = ids(notebook)
    change(mirror, "# %%\nprint(2)", '# %% tags=["parameters"]\nY = 3\n\n# %%\nprint(2)')
    run.sync()
    assert in_line(notebook) and texts(notebook) == ["1\n", "", "2\n", "3\n"]
    assert ids(notebook)[:2] + ids(notebook)[3:] == before
    assert run.read_cells(notebook)[2]["metadata"] == {"tags": ["parameters"]}


@needs_git
@pytest.mark.parametrize("date", [1e9, 2e9])
def test_an_edited_notebook_is_followed_by_the_mirror(pair, date):
    notebook, mirror = pair
    change(notebook, "x = 1", "x = 17", date)
    before = notebook.read_bytes()
    run.sync()
    assert in_line(notebook) and "x = 17\nprint(x)" in mirror.read_text() and notebook.read_bytes() == before


@needs_git
def test_an_edit_of_a_mirror_survives_the_execution_of_the_notebook(series, pair):
    """`make sync` threw it away without a word: executing the notebook had made it the newer file."""
    notebook, mirror = pair
    run.sync()
    change(mirror, "x = 1", "x = 17", 1e9)
    with pytest.raises(run.Stop, match="differ, first in cell 2 .x = 1.; `make sync` brings them in line"):
        run.run_notebooks()
    run.execute(notebook)  # as JupyterLab may have done, with the old code
    assert texts(notebook) == ["1\n", "2\n", ""]
    run.sync()
    assert "x = 17" in mirror.read_text() and in_line(notebook)
    assert texts(notebook) == ["", "2\n", ""]


@needs_git
def test_edit_sync_edit_sync(pair):
    """Neither is as committed any more; but one is as it was when both were last in line."""
    notebook, mirror = pair
    for old, new in itertools.pairwise(("x = 1", "x = 2", "x = 3")):
        change(mirror, old, new)
        run.sync()
        assert in_line(notebook) and new in mirror.read_text()
    change(notebook, "x = 3", "x = 4")
    run.sync()
    assert in_line(notebook) and "x = 4" in mirror.read_text()


@needs_git
def test_both_changed_stops_and_shows_how(series, pair):
    notebook, mirror = pair
    other = write(series, "09_more/more_demo.ipynb", "a = 1")
    commit(series)
    change(other, "a = 1", "a = 2")  # this one would be clear
    change(mirror, "x = 1", "x = 17")
    change(notebook, "print(2)", "print(22)")
    before = contents(series)
    with pytest.raises(run.Stop) as error:
        run.sync()
    lines = str(error.value).splitlines()
    for line in ("-x = 1", "+x = 17", "-print(22)", "+print(2)"):
        assert line in lines
    assert "08_small/small_demo.ipynb and its mirror differ, and both were changed." in lines
    assert lines[-1].startswith("Nothing was written.")
    assert contents(series) == before
    notebook.unlink()  # what the message says: keep one, the other is made anew
    run.sync()
    assert in_line(notebook) and in_line(other) and "x = 17" in mirror.read_text()
    assert texts(notebook) == ["", "2\n", "3\n"], "the outputs of the last commit, where they fit"


@needs_git
def test_a_long_difference_is_cut(pair):
    notebook, mirror = pair
    change(mirror, "x = 1", "\n".join(f"x = {k}" for k in range(500)))
    change(notebook, "print(2)", "print(22)")
    with pytest.raises(run.Stop) as error:
        run.sync()
    assert str(error.value).count("\n") < 50 and "\n...\n" in str(error.value)


@needs_git
def test_taken_back_to_the_commit_or_newer_is_not_guessed(pair):
    """One is as committed, the other as it was last in line: somebody took an edit back, or did not mean to."""
    notebook, mirror = pair
    committed = mirror.read_text()
    change(mirror, "x = 1", "x = 17")
    run.sync()
    mirror.write_text(committed)
    with pytest.raises(run.Stop, match="differ, and both were changed"):
        run.sync()


@needs_git
def test_a_commit_that_holds_a_pair_that_differs(series, pair):
    change(pair[1], "x = 1", "x = 17")
    commit(series)
    before = contents(series)
    with pytest.raises(run.Stop, match="differ"):
        run.sync()
    assert contents(series) == before


@needs_git
def test_only_one_of_the_two_exists(pair, capsys):
    notebook, mirror = pair
    text, cells = mirror.read_text(), run.cells_of(notebook)
    mirror.unlink()
    with pytest.raises(run.Stop, match="^08_small/small_demo.py is missing; `make sync`"):
        run.run_notebooks()
    run.sync()
    assert mirror.read_text() == text
    notebook.unlink()
    with pytest.raises(run.Stop, match="^08_small/small_demo.ipynb is missing; `make sync`"):
        run.run_notebooks()
    run.sync()
    assert run.cells_of(notebook) == cells and texts(notebook) == ["1\n", "2\n", "3\n"]
    said = capsys.readouterr().out
    assert "08_small/small_demo.py follows its notebook" in said and "small_demo.ipynb follows its mirror" in said


def test_without_git_equal_is_equal_and_different_stops(series, monkeypatch):
    notebook = write(series, "08_small/small_demo.ipynb", "x = 1")
    run.sync()
    (series / ".results" / "agreed.json").unlink()
    change(notebook, "x = 1", "x = 2")
    before = contents(series)
    with pytest.raises(run.Stop, match="differ, and there is no commit to compare with"):
        run.sync()
    monkeypatch.setenv("PATH", str(series))  # no program called git
    with pytest.raises(run.Stop, match="differ, and there is no commit to compare with"):
        run.sync()
    assert contents(series) == before


def test_a_tool_beside_a_notebook_is_no_mirror(series):
    write(series, "08_small/small_demo.ipynb", "x = 1")
    (series / "08_small" / "tool.py").write_text('"""A module."""\n')
    assert [path.name for path in run.pairs()] == ["small_demo.ipynb"]
    run.sync()
    assert not (series / "08_small" / "tool.ipynb").exists()


def test_an_empty_line_at_the_end_of_a_cell_is_no_difference(series):
    """Jupyter leaves some, and a mirror cannot hold them."""
    notebook = write(series, "08_small/small_demo.ipynb", "x = 1", "# prose")
    book = json.loads(notebook.read_text())
    book["cells"][0]["source"] = ["x = 1\n", "\n"]
    notebook.write_text(json.dumps(book))
    run.sync()
    assert run.first_difference(notebook) is None


@pytest.mark.parametrize("sources, number", [(["x = 1", "y = 2"], 2), (["x = 2"], 1), ([], 1)])
def test_the_first_cell_that_differs_is_named(series, sources, number):
    notebook = write(series, "08_small/small_demo.ipynb", *sources)
    mirror = notebook.with_suffix(".py").read_text()
    write(series, "08_small/small_demo.ipynb", "x = 1")
    notebook.with_suffix(".py").write_text(mirror)
    assert f"differ, first in cell {number} (" in run.first_difference(notebook)


def test_pairs_of_the_series_are_what_sync_would_write():
    """So that a sync after an edit changes what was edited, and nothing else."""
    for notebook in filter(lambda notebook: not run.first_difference(notebook), run.executed_notebooks()):
        text = notebook.with_suffix(".py").read_text(encoding="utf-8")
        old = notebook.read_text(encoding="utf-8")
        assert run.cells_of(notebook.with_suffix(".py"), run.mirror_text(notebook)) == run.cells_of(notebook)
        assert json.loads(run.notebook_text(notebook.with_suffix(".py"), old)) == json.loads(old), notebook.name
        assert run.mirror_text(notebook).splitlines()[:7] == text.splitlines()[:7], "the same header"


def test_edit_helper_changes_both(series):
    notebook = write(series, "08_small/small_demo.ipynb", "x = 1")
    edit(notebook, "x = 1", "x = 2")
    assert in_line(notebook)
