"""Another dataset, another place: every mirror runs to the end, and its numbers follow the data."""

import math
import subprocess
import sys

import pytest
from generate_data import generate, write_logs
from notebook_tools import run_script, with_parameters

import run

TUTORIALS = [pytest.param(path, id=path.stem) for path in run.notebooks()]
each_tutorial = pytest.mark.parametrize("notebook", TUTORIALS)
QUICK = {"N_": "3", "B_": "30"}  # parameters whose names begin so count replications: fewer will do here


def quick(source):
    """The counts of replications in the cell of parameters, each with a small value."""
    start = source.index('# %% tags=["parameters"]')
    cell = source[start : source.index("\n# %%", start + 1)]
    names = [line.split(" = ")[0] for line in cell.splitlines() if " = " in line]
    return {name: value for name in names for start, value in QUICK.items() if name.startswith(start)}


def changed_copy(notebook, folder, **parameters):
    """The mirror with other parameters, in its own folder (where it finds the generator) but other figures."""
    source = notebook.with_suffix(".py").read_text(encoding="utf-8")
    figures = folder / "figures"
    new = with_parameters(source, FIGURES=f"Path({str(figures)!r})", **quick(source), **parameters)
    copy = folder / f"{notebook.stem}_copy.py"
    root = "ROOT = next((p for p in here.parents if (p / \"data\" / \"generate_data.py\").exists()), None)"
    assert root in new
    copy.write_text(new.replace(root, f"ROOT = Path({str(run.ROOT)!r})"), encoding="utf-8")
    return copy


@each_tutorial
@pytest.mark.parametrize("seed, n_users", [(43, 50_000), (44, 20_000)])
def test_runs_on_another_dataset(notebook, seed, n_users, tmp_path):
    data = tmp_path / "other.csv"
    write_logs(data, seed, n_users)
    text, found = run_script(changed_copy(notebook, tmp_path, DATA=f"Path({str(data)!r})"), tmp_path)
    assert text.startswith(f"Not the published dataset ({n_users:,} users)")
    rows, computed = run.ledger(notebook), found["computed"]
    numbers = [row for row in rows if not isinstance(computed[row["id"]], str)]
    assert all(math.isfinite(computed[row["id"]]) for row in numbers)
    same = sum(run.agrees(row["published"], computed[row["id"]]) for row in numbers)
    assert same < 0.6 * len(numbers), "numbers that do not follow the data"
    headline = found["headline"]
    assert headline["lo"] < headline["estimate"] < headline["hi"]


@each_tutorial
def test_real_logs_get_one_clear_line(notebook, tmp_path):
    """Logs that lack columns stop the notebook with a line that names them."""
    frame = generate(1, 100).drop(columns=["wave", "cost_usd"])
    frame.to_csv(tmp_path / "foreign.csv", index=False)
    copy = changed_copy(notebook, tmp_path, DATA=f"Path({str(tmp_path / 'foreign.csv')!r})")
    with pytest.raises(AssertionError, match="columns missing: wave, cost_usd"):
        run_script(copy, tmp_path)


@each_tutorial
def test_started_from_elsewhere(notebook, tmp_path):
    """A notebook has no __file__: it finds the series from the folder it is started in, or says where to start it."""
    source = notebook.with_suffix(".py").read_text(encoding="utf-8")
    start = source.index("# %%\nimport")
    cell = source[start : source.index("\n# %%", start + 1)]
    (tmp_path / "cell.py").write_text(f"cell = {cell!r}\nspace = {{}}\nexec(cell, space)\nprint(space['ROOT'])\n")
    for folder in (run.ROOT, notebook.parent, run.ROOT / "tests"):
        text, _ = run_cell(tmp_path / "cell.py", folder)
        assert text.strip() == str(run.ROOT)
    _, error = run_cell(tmp_path / "cell.py", tmp_path)
    assert "Start Jupyter inside the folder of the series" in error.splitlines()[-1]


def run_cell(script, folder):
    done = subprocess.run([sys.executable, str(script)], cwd=folder, capture_output=True, encoding="utf-8")
    return done.stdout, done.stderr
