"""The series runs on machines that are not like ours: 32-bit, hosted, under other versions, in folders of any name."""

import ast
import json
import shutil
import stat
import subprocess
import sys

import check_environment
import pytest
import series
import test_commands
from notebook_tools import code_cells

import run

NOTEBOOKS = run.executed_notebooks()
each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)

# ---- where a pointer has 32 bits (Python in the browser)

CODE = [path for folder in (run.ROOT / "data", *run.folders()) for path in sorted(folder.glob("*.py"))]


def uncast(source):
    """Line numbers of calls of np.bincount whose first argument is not cast to np.intp in the call.

    NumPy takes only what is sure to fit into np.intp: where that has 32 bits, bincount of an int64 raises.
    """
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    calls = [call for call in calls if getattr(call.func, "attr", getattr(call.func, "id", "")) == "bincount"]
    return [call.lineno for call in calls if not call.args or "np.intp" not in ast.unparse(call.args[0])]


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.stem)
def test_bincount_is_given_what_a_32_bit_machine_can_count(path):
    assert uncast(path.read_text(encoding="utf-8")) == [], f"{path.name}: np.bincount(x.astype(np.intp), ...)"


def test_uncast_finds_what_it_should():
    assert uncast("a = np.bincount(x)\nb = np.bincount(x, np.intp)\nbincount(x=y)") == [1, 2, 3]
    assert uncast("a = np.bincount(x.astype(np.intp), w)\nb = np.bincount(np.asarray(x, np.intp))") == []


# ---- under the IPython of hosted notebooks, which is of 2022


def test_figures_are_displayed_in_the_way_that_old_versions_know():
    """IPython 7 knows no Image(alt=...): a figure hands over raw data and metadata, which every version displays."""
    data, metadata = series.Figure(b"bytes", 600, "A line that rises")._repr_mimebundle_()
    assert data == {"image/png": "Ynl0ZXM=", "text/plain": "[Figure: A line that rises]"}
    assert metadata == {"image/png": {"alt": "A line that rises", "width": 600}}


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.stem)
def test_of_ipython_only_display_is_used(path):
    """`make test-hosted` executes the tutorials under IPython 7.34; this says at once what would fail there."""
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    nodes = [node for node in tree if isinstance(node, (ast.Import, ast.ImportFrom))]
    found = [ast.unparse(node) for node in nodes if "IPython" in ast.unparse(node)]
    assert set(found) <= {"from IPython.display import display"}, found


# ---- a notebook that was opened without the files that come with it


@each_notebook
def test_all_notebooks_begin_with_the_same_cell(notebook):
    """But for the folder's name. The series' address stands in pyproject.toml; `make sync` takes it into the cells."""
    assert code_cells(notebook)[0].source == run.opening(notebook)


NOT_ON_COLAB = {"rdrobust", "rddensity", "pysyncon"}  # all else that the notebooks import is there


def first_cell(notebook, folder, file="opening.py"):
    """What the first cell writes to stderr when it is run as a script in this folder; "" where it finds the series."""
    (folder / file).write_text(run.opening(notebook), encoding="utf-8")
    done = subprocess.run([sys.executable, file], cwd=folder, capture_output=True, encoding="utf-8")
    return done.stderr


def test_a_notebook_alone_says_how_to_fetch_the_series(tmp_path):
    said = first_cell(NOTEBOOKS[-1], tmp_path).splitlines()
    assert said[-4] == ("ImportError: This notebook needs the files that come with it. "
                        "Run these lines in a cell above:")  # fmt: skip
    address = run.opening(NOTEBOOKS[-1]).partition("!git clone ")[2].partition(" ")[0]
    assert address.startswith("https://")
    assert said[-3:-1] == [f"!git clone {address} series", f"%cd series/{NOTEBOOKS[-1].parent.name}"]
    assert set(said[-1].removeprefix("%pip install -q ").split()) == NOT_ON_COLAB
    for folder in ("series/data", "series/07_some"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(run.ROOT / "data" / "series.py", tmp_path / "series" / "data")
    assert first_cell(NOTEBOOKS[-1], tmp_path / "series" / "07_some") == ""


HEAD = """# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

"""


def test_sync_takes_folder_and_address_into_the_first_cell(series, capsys):
    folder = series / "08_small"
    folder.mkdir()
    other = run.opening(series / "03_other" / "some.ipynb")
    rest = "# %% [markdown]\n# How it begins:\n\n# %%\n{}\n\n# %%\nprint('import sys')\n"
    (folder / "small_demo.py").write_text(HEAD + rest.format(other), encoding="utf-8")
    run.sync()
    notebook = folder / "small_demo.ipynb"
    assert [c["source"] for c in run.read_cells(notebook)][1:] == [run.opening(notebook), "print('import sys')"]
    assert "another first cell" in capsys.readouterr().out and run.first_difference(notebook) is None

    text = notebook.read_text(encoding="utf-8").replace('"outputs": []', '"outputs": [{"name": "x"}]')
    notebook.write_text(text, encoding="utf-8")
    pyproject = (series / "pyproject.toml").read_text(encoding="utf-8")
    (series / "pyproject.toml").write_text(pyproject.replace("//github.com/", "//example.org/"), encoding="utf-8")
    run.sync()
    assert "!git clone https://example.org/" in (folder / "small_demo.py").read_text(encoding="utf-8")
    assert run.first_difference(notebook) is None and notebook.read_text(encoding="utf-8").count('"name": "x"') == 2
    assert "another first cell" in capsys.readouterr().out
    run.sync()
    assert "another first cell" not in capsys.readouterr().out


def test_a_first_cell_of_somebody_elses_stays(series):
    folder = series / "08_small"
    folder.mkdir()
    (folder / "small_demo.py").write_text(HEAD + "# %%\nimport sys\n", encoding="utf-8")
    run.sync()
    assert [c["source"] for c in run.read_cells(folder / "small_demo.ipynb")] == ["import sys"]


# ---- machines that somebody else sets up: Codespaces, Binder, unusual processors


def test_codespaces_and_binder_call_the_commands_of_the_readme():
    with_make, without_make = test_commands.blocks()
    codespaces = json.loads((run.ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert codespaces["postCreateCommand"] in with_make
    binder = run.ROOT / "binder"
    lines = (binder / "postBuild").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["#!/bin/bash", "set -e"] and len(lines) == 4 and set(lines[2:]) < set(without_make)
    if sys.platform != "win32":
        assert (binder / "postBuild").stat().st_mode & stat.S_IXUSR, "Binder runs it only if it is executable"
    python = (binder / "runtime.txt").read_text(encoding="utf-8").strip().removeprefix("python-")
    assert check_environment.problems(python=(*map(int, python.split(".")), 0)) == []


MACHINES = [(system, machine, python) for system, machine in (
    ("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "x86_64"), ("darwin", "arm64"), ("win32", "AMD64"),
    ("win32", "ARM64")) for python in ("3.11", "3.12", "3.13", "3.14")]  # fmt: skip


@pytest.mark.parametrize("system, machine, python", MACHINES)
def test_constraints_have_one_version_for_each_machine(system, machine, python):
    from packaging.requirements import Requirement

    here = {"sys_platform": system, "platform_machine": machine, "python_version": python,
            "python_full_version": f"{python}.9", "os_name": "nt" if system == "win32" else "posix"}  # fmt: skip
    text = (run.ROOT / "constraints.txt").read_text(encoding="utf-8")
    pins = [Requirement(line.strip()) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    names = [pin.name for pin in pins if pin.marker is None or pin.marker.evaluate(here)]
    assert len(names) == len(set(names))
    versions = [str(pin.specifier) for pin in pins if pin.name == "argon2-cffi-bindings" and pin.marker.evaluate(here)]
    # Version 26.2.0 has no wheel for Macs with an Intel processor.
    assert versions == ["==25.1.0" if (system, machine) == ("darwin", "x86_64") else "==26.2.0"]
