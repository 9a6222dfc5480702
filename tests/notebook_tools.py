"""Ways to look at a notebook and to run its mirror, for the tests and the benchmark."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import run

FIRST_EDITION = {"02", "03", "04", "05", "06", "07"}  # notebooks without claims yet: to shrink to nothing
DRIVER = """
import json, runpy, sys
space = runpy.run_path(sys.argv[1], run_name="__main__")
found = {name: space.get(name) for name in ("headline", "computed")}
open(sys.argv[2], "w", encoding="utf-8").write(json.dumps(found, default=float))
"""


def read(notebook):
    import nbformat  # here, because it takes a second, and `namespace` does not need it

    return nbformat.read(notebook, as_version=4)


def code_cells(notebook):
    return [cell for cell in read(notebook).cells if cell.cell_type == "code" and cell.source.strip()]


def stored_text(notebook):
    """The text that the notebook shows, as the mirror prints it."""
    text = ""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            text += output["text"] if output.output_type == "stream" else output["data"]["text/plain"] + "\n"
    return text


def with_parameters(source, **parameters):
    """The mirror's source with other values at the end of its cell tagged `parameters`."""
    start = source.index('# %% tags=["parameters"]')
    end = source.index("\n# %%", start + 1)
    lines = "".join(f"\n{name} = {value}" for name, value in parameters.items())
    return source[:end] + lines + source[end:]


def run_script(script, folder, **environment):
    """Run a mirror from `folder`, without a display; return (what it printed, headline and computed)."""
    found = Path(folder) / "found.json"
    env = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "MPLBACKEND")}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(script), str(found)],
        cwd=folder, env=env | {"PYTHONIOENCODING": "utf-8"} | environment, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, f"{script} failed:\n{done.stderr[-3000:]}"
    assert done.stderr == "", f"{script} wrote to stderr:\n{done.stderr[-3000:]}"
    return done.stdout, json.loads(found.read_text(encoding="utf-8"))


def definitions(mirror, **parameters):
    """What the mirror (a path from the root) defines, without running its cells, with other values of parameters."""
    mirror = run.ROOT / mirror
    return run.definitions(mirror, with_parameters(mirror.read_text(encoding="utf-8"), **parameters))


def namespace(notebook):
    """Variables of the executed notebook: what pickles of those of its script, kept by the hash of its code.

    (A stand-in: it runs the script once for each state of the code.)
    """
    notebook = Path(notebook)
    code = [run.ROOT / "data" / "generate_data.py", *notebook.parent.glob("*.csv"), *notebook.parent.glob("*.sql")]
    code += [path for path in notebook.parent.glob("*.py") if not path.stem.endswith(("_solutions", "_practice"))]
    parts = [path.read_text(encoding="utf-8") for path in sorted({*code, notebook.with_suffix(".py")})]
    parts = ["\n".join(line for line in part.splitlines() if not line.startswith("# ")) for part in parts]
    key = hashlib.sha256("\n".join([sys.version, *parts]).encode()).hexdigest()[:20]
    kept = run.ROOT / ".results" / f"{notebook.stem}.{key}.pickle"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        driver = """
import pickle, runpy, sys
space, kept = runpy.run_path(sys.argv[1], run_name="__main__"), {}
for name, value in space.items():
    if type(value).__module__.startswith("matplotlib"):
        continue
    try:
        text = pickle.dumps(value)
    except Exception:
        continue
    if not name.startswith("_") and len(text) < 20_000_000:
        kept[name] = text
open(sys.argv[2], "wb").write(pickle.dumps(kept))
"""
        figures = {path: path.read_bytes() for path in notebook.parent.glob("figures/*")}
        command = [sys.executable, "-c", driver, notebook.with_suffix(".py"), kept.with_suffix(".partial")]
        done = subprocess.run(command, cwd=notebook.parent, capture_output=True, encoding="utf-8")
        for path, content in figures.items():
            path.write_bytes(content)
        assert done.returncode == 0, f"{notebook.name} failed:\n{done.stderr[-3000:]}"
        kept.with_suffix(".partial").replace(kept)
        for old in kept.parent.glob(f"{notebook.stem}.*.pickle"):
            if old != kept:
                old.unlink()
    return {name: pickle.loads(text) for name, text in pickle.loads(kept.read_bytes()).items()}
