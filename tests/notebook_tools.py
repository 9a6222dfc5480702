"""Ways to look at a notebook and to run its mirror, for the tests and the benchmark."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat

import run

DRIVER = """
import json, runpy, sys
space = runpy.run_path(sys.argv[1], run_name="__main__")
found = {name: space.get(name) for name in ("headline", "computed")}
open(sys.argv[2], "w", encoding="utf-8").write(json.dumps(found, default=float))
"""


def read(notebook):
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
