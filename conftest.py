"""What all tests share: the published dataset, kernels that are free of the reader, one execution of each notebook.

Strict nbval (see pyproject.toml) executes every notebook once. When its last cell has passed, the kernel hands over its
variables (`notebook_tools.namespace` returns them) and the figures it drew, and the stored figures are put back: under
another matplotlib they differ by a pixel. Tests that need an executed notebook run after its cells, in the same worker:
all that have its name, or its folder's, in their id, as in test_draws_the_figures_that_are_stored[psm_demo].

pytest --folder 03    only the notebooks of folder 03 and the tests about it (make test-03)
pytest --learners     execute every learner notebook of the workshop kit, not only one (make test-learners)
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbval.kernel
import notebook_tools
import pytest
from xdist.scheduler import LoadScopeScheduling

import run

sys.path += [str(folder) for folder in run.folders()]  # tests import the tools beside the notebooks


def pytest_addoption(parser):
    parser.addoption("--folder", action="append", metavar="NN", help="only the folder with this number, and its tests")
    parser.addoption("--learners", action="store_true", help="execute every learner notebook of the workshop kit")


def pytest_configure(config):
    if hasattr(config, "workerinput"):
        return  # the controller has done it
    there = sorted({folder.name[:2] for folder in run.folders()})
    for number in config.getoption("--folder") or ():
        if number not in there:
            raise pytest.UsageError(f"--folder {number}: no folder begins with {number}_; there are {', '.join(there)}")
    import generate_data

    if not generate_data.DATASET.exists():
        generate_data.write_logs()
    if not generate_data.is_published():
        pytest.exit(
            f"{generate_data.DATASET} is not the published dataset, which the stored outputs belong to. "
            "Write it again: python data/generate_data.py",
            returncode=2,
        )
    environment = run.reader_free(os.environ)
    run.build_font_cache(environment)
    os.environ.clear()
    os.environ.update(environment)  # workers and kernels inherit it
    os.environ["STORED_FIGURES"] = tempfile.mkdtemp()
    for folder in run.folders():
        if (folder / "figures").is_dir():
            shutil.copytree(folder / "figures", Path(os.environ["STORED_FIGURES"], folder.name))


def pytest_unconfigure(config):
    if hasattr(config, "workerinput") or "STORED_FIGURES" not in os.environ:
        return
    notebook_tools.put_back_interrupted()
    shutil.rmtree(os.environ.pop("STORED_FIGURES"))


# ---- which tests, where


def pytest_ignore_collect(collection_path, config):
    """With --folder, do not even import what is about another folder."""
    chosen = config.getoption("--folder")
    number = re.match(r"(?:test_)?(\d\d)_", collection_path.name)
    return True if chosen and number and number[1] not in chosen else None


STEMS = {path.stem: path.parent.name for path in run.executed_notebooks()}
SECONDS = dict.fromkeys(STEMS.values(), 0.0)  # {folder: expected seconds of its notebooks}
for _notebook in run.executed_notebooks():
    SECONDS[_notebook.parent.name] += run.expected_seconds(_notebook)


def about(nodeid):
    """The folder that a test's id names, or one of its notebooks, as in test_x[psm_demo]; or None."""
    words = re.findall(r"\w+", nodeid.partition("[")[2])
    return next((STEMS.get(word, word) for word in words if word in STEMS or word in SECONDS), None)


def group_of(nodeid):
    """The tests of a group run in one worker, in order: a folder's notebooks and what needs them; else a file's."""
    file, folder = Path(nodeid.partition("::")[0]), about(nodeid)
    if file.parent.name in SECONDS:
        return file.parent.name
    if file.name == "test_other_data.py":
        return f"{file} {folder}"  # runs a mirror of its own each time
    return folder or str(file)


def numbers(item):
    """Numbers of the folders that a test is about: of its file or folder, of its id, of its parameters ("03")."""
    names = [item.path.name.removeprefix("test_"), item.path.parent.name, about(item.nodeid) or ""]
    found = {match[1] for match in (re.match(r"(\d\d)_", name) for name in names) if match}
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return found | {value for value in parameters if isinstance(value, str) and re.fullmatch(r"\d\d", value)}


class Groups(LoadScopeScheduling):
    """Gives a worker that has nothing left to do the next group."""

    def _split_scope(self, nodeid):
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return Groups(config, log)


def is_cell(item):
    return type(item).__name__ == "IPyNbCell"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    if chosen := config.getoption("--folder"):
        kept = [item for item in items if numbers(item) & set(chosen)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept

    def place(item):  # the longest group first; in it, the cells
        group = group_of(item.nodeid)
        return -SECONDS.get(group, 0), group, not is_cell(item)

    items.sort(key=place)


# ---- each notebook is executed once


def _start_new_kernel(*arguments, start=nbval.kernel.start_new_kernel, **named):
    """nbval's, with a second and a third try, as run.py has, where a kernel dies before it has answered."""
    for left in reversed(range(run.KERNELS_TRIED)):
        try:
            return start(*arguments, **named)
        except RuntimeError:
            if not left:
                raise


nbval.kernel.start_new_kernel = _start_new_kernel


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if is_cell(item) and not hasattr(item.parent, "passed"):
        item.parent.passed = 0
        notebook_tools.begin_drawing(item.path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if is_cell(item) and report.when == "call":
        item.parent.passed += report.passed or report.skipped
    return report


@pytest.hookimpl(tryfirst=True)  # while the kernel is alive
def pytest_runtest_teardown(item, nextitem):
    if not is_cell(item) or (nextitem is not None and nextitem.parent is item.parent):
        return
    notebook, cells = item.path, [cell for cell in item.parent.nb.cells if cell.cell_type == "code"]
    if item.parent.passed == len(cells):
        with notebook_tools.harvesting(notebook) as path:
            kernel = item.parent.kernel
            kernel.await_reply(kernel.execute_cell_input(run.harvest(path)), timeout=60)
    notebook_tools.end_drawing(notebook)


# ---- a small series


@pytest.fixture
def series(tmp_path, monkeypatch):
    """A folder to be the series: what run.py reads, a dataset, and no notebook yet."""
    for name in ("run.py", "pyproject.toml", "requirements.txt", "constraints.txt", "data/generate_data.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(run.ROOT / name, tmp_path / name)
    shutil.copy(run.ROOT / "data" / "synthetic_llm_logs.csv", tmp_path / "data")
    (tmp_path / ".results").mkdir()
    if (run.NAMESPACES / "reader_free").exists():  # the cache of fonts, at least
        shutil.copytree(run.NAMESPACES / "reader_free", tmp_path / ".results" / "reader_free")
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "NAMESPACES", tmp_path / ".results")
    return tmp_path
