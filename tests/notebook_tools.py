"""Ways to look at a notebook, to ask what it found, and to run its mirror; for the tests and the benchmark."""

import ast
import contextlib
import functools
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import run

ROOT = run.ROOT  # tests of run.py put another in its place there
LONG = bool(os.environ.get("LONG"))  # `make test-long`
RANDOM_LOGS = 500 if LONG else 40  # that each tool must answer or refuse in its own tests
NOT_COPIED = (".git", ".venv*", ".lite", "workshop", "workshop.zip", "__pycache__", ".*_cache", "*.parquet")
DRIVER = f"""
import os, runpy, sys
sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[1]))  # as python SCRIPT has it
space = runpy.run_path(sys.argv[1], run_name="__main__")
{run.HARVEST}
_harvest(space, sys.argv[2])
"""


# ---- the series, and a copy of it


def chosen(numbers):
    """The tutorials of these folders (default: all); ends a command with one line for a number that is not there."""
    try:
        return run.notebooks(numbers)
    except run.Stop as error:
        sys.exit(str(error))


def copy_of_the_series(folder, *, results=False):
    """Copy this repository without what was made here; results: with .results, what the last runs found."""
    skip = shutil.ignore_patterns(*NOT_COPIED, *([] if results else [".results"]))
    shutil.copytree(ROOT, folder, ignore=skip, symlinks=True, dirs_exist_ok=True)


# ---- what is stored


def read(notebook):
    import nbformat  # here, because it takes a while, and `namespace` does not need it

    return nbformat.read(notebook, as_version=4)


def code_cells(notebook):
    return [cell for cell in read(notebook).cells if cell.cell_type == "code" and cell.source.strip()]


def own_cells(notebook):
    """Its cells of code but for the one that all notebooks begin with."""
    return [cell for cell in code_cells(notebook) if cell.source != run.opening(notebook)]


def stored_text(notebook):
    """The text that the notebook shows, as the mirror prints it."""
    text = ""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            text += output["text"] if output.output_type == "stream" else output["data"]["text/plain"] + "\n"
    return text


# ---- what the notebook found


def executed(notebook, variables=False):
    """What an execution of the notebook's code found: a dict with headline and computed (see `run.last_result`).

    From the test run's own execution by nbval, or an earlier one of the same code, data and versions; where there is
    none its mirror is run, once.
    """
    if run.last_result(notebook, variables).get("key") != run.key(notebook):
        with drawing(notebook), harvesting(notebook) as path:
            run_script(notebook.with_suffix(".py"), path.parent, path)
    return run.last_result(notebook, variables)


def namespace(notebook):
    """The variables of the executed notebook, {name: value}: what can be pickled, none of its functions."""
    return dict(_namespace(Path(notebook), run.key(notebook)))


@functools.lru_cache(maxsize=4)  # of up to 70 MB each
def _namespace(notebook, key):
    sys.path[:0] = own = [str(notebook.parent), str(run.ROOT / "data")]  # for instances of the classes of a tool
    try:
        return {name: pickle.loads(text) for name, text in executed(notebook, variables=True)["variables"].items()}
    finally:
        for place in own:
            sys.path.remove(place)


def functions(notebook):
    """The variables of the executed notebook, its imports, and its functions, which use them."""
    tree, space = ast.parse(Path(notebook).with_suffix(".py").read_text(encoding="utf-8")), namespace(notebook)
    keep = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef))]
    exec(compile(ast.Module(keep, []), str(notebook), "exec"), space)
    return space


@contextlib.contextmanager
def harvesting(notebook):
    """A file for the variables of an execution, which are kept when it has ended well."""
    key, start = run.key(notebook), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "variables.pickle"
        known = run.last_result(notebook)
        if known.get("key") != key:
            known = {"key": key, "seconds": time.perf_counter() - start}
        run.store_result(notebook, known, Path(folder) / "variables.pickle")
    _namespace.cache_clear()


# ---- figures: those of the repository, those of an execution

_before, _drawn = {}, {}  # {notebook: {file name: (time of writing, PNG bytes)}}, {notebook: {file name: PNG bytes}}


def stored_figures(notebook):
    """{file name: PNG bytes} of the figures of the notebook's folder, as stored in the repository."""
    return run.read_figures(notebook.parent)


def drawn_figures(notebook):
    """{file name: PNG bytes} of the figures that the notebook's code drew in this run of the tests."""
    if notebook not in _drawn:
        with tempfile.TemporaryDirectory() as folder, drawing(notebook):
            run_script(notebook.with_suffix(".py"), folder)
    return _drawn[notebook]


@contextlib.contextmanager
def drawing(notebook):
    begin_drawing(notebook)
    try:
        yield
    finally:
        end_drawing(notebook)


def begin_drawing(notebook):
    """Before an execution, which writes its figures: remember the stored ones."""
    files = {path.name: path for path in notebook.parent.glob("figures/*.png")}
    # Another worker may be drawing there at this moment: its copy of the beginning is what is stored.
    copies = {path.name: path for path in _copies(notebook.parent).glob("*.png")} if _copies(notebook.parent) else files
    _before[notebook] = {
        name: (path.stat().st_mtime_ns, copies.get(name, path).read_bytes()) for name, path in files.items()
    }
    if _copies(notebook.parent):
        _mark(notebook.parent).touch()


def end_drawing(notebook):
    """After it: remember what was drawn, and put the stored figures back."""
    before, folder = _before.pop(notebook), notebook.parent / "figures"
    _drawn[notebook] = {}
    for path in folder.glob("*.png"):
        written, content = before.get(path.name, (None, None))
        if path.stat().st_mtime_ns != written:
            _drawn[notebook][path.name] = path.read_bytes()
            if content is None:
                path.unlink()
            else:
                run.replace(path, content)
    if _copies(notebook.parent):
        _mark(notebook.parent).unlink(missing_ok=True)


def _copies(folder):
    """The figures of a folder as they were when pytest began; None outside of pytest."""
    return Path(os.environ["STORED_FIGURES"], folder.name) if "STORED_FIGURES" in os.environ else None


def _mark(folder):
    """A file that is there while a notebook of this folder is executed by the tests."""
    return _copies(folder).with_suffix(".drawing")


def put_back_interrupted():
    """When the tests end: figures of folders whose execution was interrupted. No other folder is touched."""
    for folder in run.folders():
        if _mark(folder).exists():
            for png in _copies(folder).glob("*.png"):
                run.replace(folder / "figures" / png.name, png.read_bytes())


# ---- mirrors


def with_parameters(source, **parameters):
    """The mirror's source with other values at the end of its cell tagged `parameters`."""
    start = source.index('# %% tags=["parameters"]')
    end = source.index("\n# %%", start + 1)
    lines = "".join(f"\n{name} = {value}" for name, value in parameters.items())
    return source[:end] + lines + source[end:]


def run_script(script, folder, found=None, **environment):
    """Run a mirror from `folder`, without a display; return (what it printed, headline and computed).

    found: the file that is to hold its variables (default: one in `folder`).
    """
    found = found or Path(folder) / "found.pickle"
    env = {name: value for name, value in run.reader_free().items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(script), str(found)],
        cwd=folder, env=env | {"PYTHONIOENCODING": "utf-8"} | environment, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, f"{script} failed:\n{done.stderr[-3000:]}"
    assert done.stderr == "", f"{script} wrote to stderr:\n{done.stderr[-3000:]}"
    with open(found, "rb") as file:
        return done.stdout, pickle.load(file)
