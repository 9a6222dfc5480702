"""The series runs on machines that are not like ours: 32-bit, hosted, under other versions, in folders of any name."""

import ast
import hashlib
import json
import math
import re
import shutil
import stat
import subprocess
import sys
import zipfile

import bench_scale
import check_environment
import pytest
import series
import test_commands
from notebook_tools import code_cells

import lite
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


# ---- the site that runs in a browser


def test_the_site_has_all_that_a_notebook_opens():
    there = {path.as_posix() for path in lite.contents()}
    for notebook in NOTEBOOKS:
        assert run.name_of(notebook) in there and run.name_of(notebook.with_suffix(".py")) not in there
    for folder in run.folders():
        for path in (*folder.glob("*.sql"), *folder.glob("*.csv"), *folder.glob("figures/*.png")):
            assert run.name_of(path) in there
    assert {"data/series.py", "data/own_logs.py", "data/synthetic_llm_logs.csv", "data/real/star.csv"} <= there
    assert not [name for name in there if name.startswith((".", "tests/"))]


def test_what_the_modules_import_is_loaded_at_once():
    """The kernel loads what cells import, and does not look into modules."""
    modules = [path for folder in (run.ROOT / "data", *run.folders()) for path in run.scripts(folder)]
    ours = {path.stem for path in modules} | set(sys.stdlib_module_names) | {"IPython"}  # the kernel has it
    for path in modules:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        found = {name.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for name in node.names}
        found |= {node.module.split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
        assert {name.replace("PIL", "pillow") for name in found - ours} <= set(lite.AT_ONCE), path.name


def test_wheels_are_written_into_the_list_of_packages(tmp_path):
    for name, version in (("mizani", "0.14.6"), ("comm", "0.2.3")):
        with zipfile.ZipFile(tmp_path / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/__init__.py", "")
            wheel.writestr(f"{name}-{version}.dist-info/METADATA", "")
    before = {"info": {"python": "3.14.2"}, "packages": {"numpy": {"file_name": "numpy.whl"}}}
    lock = lite.with_wheels(before, sorted(tmp_path.glob("*.whl")), "https://there/", "../here/")
    assert before["packages"]["numpy"] == {"file_name": "numpy.whl"}, "the list that came in is as it was"
    assert lock["info"] == before["info"] and lock["packages"].keys() == {"numpy", "mizani", "comm"}
    assert lock["packages"]["numpy"]["file_name"] == "https://there/numpy.whl"
    mizani, file = lock["packages"]["mizani"], tmp_path / "mizani-0.14.6-py3-none-any.whl"
    assert mizani["file_name"] == f"../here/{file.name}" and mizani["version"] == "0.14.6"
    assert mizani["imports"] == ["mizani"] and mizani["depends"] == ["numpy"]  # of those that the list has
    assert mizani["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_workflow_publishes_what_make_lite_builds():
    text = (run.ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8")
    order = ["- run: make lite", "tests/on_lite.py", "path: .lite/site", "deploy-pages"]
    assert [text.index(step) for step in order] == sorted(text.index(step) for step in order)
    assert lite.KERNEL.startswith("@jupyterlite/") and on_site() == run.ROOT / ".lite" / "site"


def test_lite_says_in_a_line_why_there_is_no_site(tmp_path, capfd):
    """It had built half a site, which `make test-lite` then opened, before it asked for what it could not get."""
    for pyodide, base in ((None, "http://127.0.0.1:9/"), (tmp_path, "")):
        with pytest.raises(SystemExit, match=r"^lite: .+ cannot be had from .+; nothing was built\..+--pyodide FOLDER"):
            lite.packages_of(pyodide, base)
    (tmp_path / "pyodide-lock.json").write_text("cut")
    with pytest.raises(SystemExit, match="cannot be had from"):
        lite.packages_of(tmp_path, "")
    with pytest.raises(SystemExit, match=r"^lite: -c .+ failed \(its reason stands above\); there is no site\.$"):
        lite.call(sys.executable, "-q", "-c", "import sys; sys.exit('no room')", cwd=tmp_path)
    assert "no room" in capfd.readouterr().err


def on_site():
    """Where on_lite.py looks for the site (it cannot be imported here: a package of its environment is missing)."""
    text = (run.ROOT / "tests" / "on_lite.py").read_text(encoding="utf-8")
    return run.ROOT.joinpath(*re.search(r'^SITE = ROOT / "(.+)" / "(.+)"$', text, flags=re.M).groups())


# ---- what is broken, and what comes then: one table, and the tests that hold it

BROKEN = {
    "the folder is called Bob's [2026] cöurse": [
        "test_run.py::test_series_in_a_folder_with_an_awkward_name",
        "test_commands.py::test_make_works_in_a_folder_with_an_awkward_name",
        "test_own_logs.py::test_every_form_of_a_log_is_read_the_same"],
    "PYTHON names none or an old one: a line": ["test_commands.py::test_python_that_is_asked_for_is_taken_or_nothing"],
    "no Python, no venv module, no network: one line": ["test_commands.py::test_set_up_says_what_is_missing"],
    "the Python of .venv is gone: made anew": ["test_commands.py::test_environment_whose_python_is_gone_is_made_anew"],
    "packages are missing or old: named": [
        "test_run.py::test_missing_packages_get_one_line",
        "test_commands.py::test_environment_names_what_is_missing_or_old"],
    "a matplotlibrc of the reader's": ["test_run.py::a dark matplotlibrc"],
    "an IPython profile": ["test_run.py::an IPython profile that shows every expression"],
    "a user kernel called python3": ["test_run.py::another kernel called python3"],
    "PYTHONPATH, PYTHONSTARTUP, PYTHONOPTIMIZE": ["test_run.py::variables of Python"],
    "a home that cannot be written": ["test_run.py::an unwritable configuration folder"],
    "warnings are errors; a C locale; no home; no TMPDIR": ["test_run.py::test_odd_environments_do_not_stop_it"],
    "a terminal that knows ASCII only": ["test_run.py::test_letters_that_a_terminal_does_not_know"],
    "the folder cannot be written: one line": ["test_run.py::test_results_that_cannot_be_kept_get_one_line"],
    "the dataset can only be read, or not even that": ["test_run.py::test_a_dataset_that_is_locked"],
    "a file is held open by another program; the disk is full": [
        "test_run.py::test_disk_full_or_file_held_open_names_the_file_and_leaves_nothing",
        "test_run.py::test_data_are_written_if_missing_and_a_full_disk_is_named",
        "test_generator.py::test_full_disk_names_the_file"],
    "Ctrl-C: one line, and nothing half done": [
        "test_run.py::test_interrupt_is_one_line_and_leaves_nothing_half_done",
        "test_generator.py::test_interrupt_leaves_the_old_file"],
    "kill -9, at any moment": ["test_run.py::test_a_kill_at_any_moment_loses_nothing"],
    "a kernel dies: named": ["test_run.py::test_a_dead_kernel_is_named"],
    "what .results holds is damaged: made anew": ["test_run.py::test_damaged_results_are_made_anew"],
    "a notebook, a figure is damaged": [
        "test_run.py::test_a_damaged_notebook_is_named",
        "test_run.py::test_a_picture_that_looks_the_same_keeps_its_bytes"],
    "no git, or no commit": ["test_run_sync.py::test_without_git_equal_is_equal_and_different_stops"],
    "no Java: one line before any download": ["test_commands.py::test_spark_without_java_stops_before_it_downloads"],
    "no /proc and no resource module (Windows)": ["test_anywhere.py::test_peak_memory_where_nothing_tells_it"],
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_each_broken_environment_is_tested(what):
    """By a test, or by a case of one, of that name."""
    for name in BROKEN[what]:
        file, _, test = name.partition("::")
        text = (run.ROOT / "tests" / file).read_text(encoding="utf-8")
        assert f"\ndef {test}(" in text or f'"{test}"' in text, name


def test_peak_memory_where_nothing_tells_it(monkeypatch):
    """`make bench` needs neither /proc nor the module resource, which Windows lacks."""
    monkeypatch.setattr(bench_scale.sys, "platform", "win32")
    monkeypatch.setattr(bench_scale.Path, "exists", lambda _: False)
    monkeypatch.setitem(sys.modules, "resource", None)
    assert math.isnan(bench_scale.peak_megabytes())


def test_scripts_import_nothing_that_windows_lacks():
    lacking = {"resource", "fcntl", "pwd", "grp", "termios", "pty", "sysconf", "fork"}
    for path in [run.ROOT / "run.py", *CODE, *(run.ROOT / "tests").glob("*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}
        names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not names & lacking, path.name
