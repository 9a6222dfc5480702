"""Another dataset, another place: every mirror runs to the end, and its numbers follow the data."""

import ast
import math
import os
import shutil
import subprocess
import sys

import pytest
from generate_data import generate, write_logs
from notebook_tools import run_script, with_parameters

import run

TUTORIALS = [pytest.param(path, id=path.stem) for path in run.notebooks()]
each_tutorial = pytest.mark.parametrize("notebook", TUTORIALS)
QUICK = {"N_": "20", "B_": "30"}  # parameters whose names begin so count replications: fewer will do here


def quick(source):
    """The counts of replications in the cell of parameters, each with a small value."""
    start = source.index('# %% tags=["parameters"]')
    cell = source[start : source.index("\n# %%", start + 1)]
    nodes = [node for statement in ast.parse(cell).body for node in ast.walk(statement)]
    names = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return {name: value for name in names for start, value in QUICK.items() if name.startswith(start)}


def run_copy(notebook, folder, **parameters):
    """Run the mirror with few replications and other parameters, in a folder of its own, where its figures go.

    Returns (what it printed, headline and computed).
    """
    source = notebook.with_suffix(".py").read_text(encoding="utf-8")
    new = with_parameters(source, **quick(source), **parameters)
    copy = folder / f"{notebook.stem}_copy.py"
    copy.write_text(new, encoding="utf-8")
    shutil.copy(notebook.parent / "published_figures.csv", folder)
    places = os.pathsep.join([str(notebook.parent), str(run.ROOT / "data")])  # of the tool, of the series' modules
    return run_script(copy, folder, PYTHONPATH=places)


@each_tutorial
def test_runs_on_another_dataset(notebook, tmp_path):
    """Of another seed and another size at once; what assumes either of the published ones fails."""
    seed, n_users = 44, 20_000
    data = tmp_path / "other.csv"
    write_logs(data, seed, n_users)
    text, found = run_copy(notebook, tmp_path, DATA=repr(str(data)))
    assert text.startswith(f"Not the published dataset ({n_users:,} users)")
    rows, computed = run.ledger(notebook), found["computed"]
    numbers = [row for row in rows if not isinstance(computed[row["id"]], str)]
    assert all(math.isfinite(computed[row["id"]]) for row in numbers)
    same = sum(run.agrees(row["published"], computed[row["id"]]) for row in numbers)
    assert same < 0.6 * len(numbers), "numbers that do not follow the data"
    headline = found["headline"]
    assert headline["lo"] < headline["estimate"] < headline["hi"]


@each_tutorial
def test_data_come_through_the_function_that_checks_them(notebook):
    assert "load_logs(DATA)" in notebook.with_suffix(".py").read_text(encoding="utf-8")


@pytest.mark.parametrize("notebook", run.notebooks()[:1], ids=lambda path: path.stem)
def test_foreign_logs_get_one_clear_line(notebook, tmp_path):
    """Logs that lack columns stop the notebook with a line that names them."""
    frame = generate(1, 100).drop(columns=["wave", "cost_usd"])
    frame.to_csv(tmp_path / "foreign.csv", index=False)
    with pytest.raises(AssertionError, match="columns missing: wave, cost_usd"):
        run_copy(notebook, tmp_path, DATA=repr(str(tmp_path / "foreign.csv")))


def first_cell(notebook):
    return next(cell["source"] for cell in run.read_cells(notebook) if cell["cell_type"] == "code")


@pytest.mark.parametrize("notebook", run.executed_notebooks(), ids=lambda path: path.stem)
def test_script_starts_from_anywhere(notebook, tmp_path):
    """`python 03_.../rdd_demo.py` from any folder finds all that it imports (which is not imported: that is slow)."""
    statements = ast.parse(notebook.with_suffix(".py").read_text(encoding="utf-8")).body
    imports = [node for node in statements if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {name for node in imports for name in ([node.module] if hasattr(node, "module") else
             [alias.name for alias in node.names])}  # fmt: skip
    search = [node for node in statements if "sys.path" in ast.unparse(node)][-1].lineno  # how it looks for the series
    before = [node for node in statements if node.lineno <= search]
    code = "\n".join([
        f"import sys; sys.path[0], __file__ = {str(notebook.parent)!r}, {str(notebook.with_suffix('.py'))!r}",
        *map(ast.unparse, before), "import importlib.util",
        f"print([name for name in {sorted(names)} if importlib.util.find_spec(name.partition('.')[0]) is None])",
    ])  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert done.stdout == "[]\n", f"not found: {done.stdout} {done.stderr}"
