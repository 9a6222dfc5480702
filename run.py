"""Make the series: write the data, execute the notebooks in place, print the scoreboard. `make` calls this.

python run.py                 data if missing, every notebook that has changed since it was last run here, scoreboard
python run.py 03 05           the same for the notebooks of these folders
python run.py --all           every notebook, changed or not
python run.py --write-tables  then renew the tables in README.md and DECISIONS.md; `run.py 03 --write-tables`: its rows
python run.py --sync          bring notebooks and their mirrors (.ipynb and .py) in line, and nothing else

A notebook is every .ipynb in a folder whose name begins with two digits. The name of a tutorial ends in _demo; it hands
over two module-level names: `headline` (what it found) and `computed` (its value for every published number); the
scoreboard, README.md, the folders' READMEs and the tests all read them through this file. A third, `decision`, is for
DECISIONS.md (see `decisions_table`).

Exit status: 0, or 1 after a line that says what is wrong, 2 for a command it does not know, 130 when interrupted.
"""

import argparse
import asyncio
import base64
import csv
import difflib
import functools
import hashlib
import io
import itertools
import json
import math
import os
import pickle
import platform
import re
import subprocess
import sys
import tempfile
import time
import tomllib
import uuid
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}
NAMESPACES = ROOT / ".results"  # <stem>.pickle: what a notebook found when it was last run here, and its variables
CONTRIBUTING = "CONTRIBUTING.md says how"


class Stop(Exception):
    """A step failed; the message says which one and what to do."""


# ---- what there is


def folders():
    """Numbered folders, in reading order; a folder takes part by being there."""
    return sorted(path for path in ROOT.glob("[0-9][0-9]_*") if path.is_dir())


def notebooks(only=None):
    """Paths of the tutorials, in reading order; only: see `executed_notebooks`."""
    return [path for path in executed_notebooks(only) if path.stem.endswith("_demo")]


def executed_notebooks(only=None):
    """Paths of all notebooks that are stored with outputs: tutorials, practice notebooks, solutions.

    only: two-digit numbers of folders (default: all); Stop for a number that is not there.
    """
    there = {folder.name[:2] for folder in folders()}
    for number in only or ():
        if number not in there:
            raise Stop(f"no folder begins with {number}_; there are {', '.join(sorted(there))}.")
    chosen = [folder for folder in folders() if not only or folder.name[:2] in only]
    return [path for folder in chosen for path in sorted(folder.glob("*.ipynb"))]


def scripts(folder):
    """Paths of a folder's scripts that are no notebook's mirror: its tools."""
    return [path for path in sorted(folder.glob("*.py")) if not path.with_suffix(".ipynb").exists()]


def name_of(path):
    """A path as it is named to people: from the root, with forward slashes."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


# ---- published numbers and the headline


def ledger(notebook):
    """Rows of the notebook's published_figures.csv: dicts with id, published, verdict, note, ..."""
    path = notebook.parent / "published_figures.csv"
    if not path.exists():
        raise Stop(f"{name_of(path)} is missing ({CONTRIBUTING} it looks).")
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def agrees(published, value):
    """Whether a computed value, rounded as the article rounds, is the published text ("+0.2106", "30.2%", "NO")."""
    if isinstance(value, str):
        return value == published
    number = published.lstrip("+")
    scale = 100 if number.endswith("%") else 1
    number = number.rstrip("%")
    if not number.lstrip("-").replace(".", "", 1).isdigit():
        return False  # a word was published
    decimals = len(number.partition(".")[2])
    return math.isfinite(value) and float(f"{scale * value:.{decimals}f}") == float(number)


def count_reproduced(computed, rows):
    """(how many ledger rows the computed values reproduce, how many there are)."""
    return sum(row["id"] in computed and agrees(row["published"], computed[row["id"]]) for row in rows), len(rows)


def shown(headline):
    """The headline's numbers as the series prints them: a dict with naive, estimate (with interval) and truth.

    Units: "pp" holds probabilities and is shown in percentage points; "min" is minutes.
    """
    scale, decimals, unit = {"pp": (100, 1, "pp"), "min": (1, 2, "min")}[headline["unit"]]

    def number(key, sign="+"):
        return f"{scale * headline[key]:{sign}.{decimals}f}"

    interval = f"[{number('lo', '-')}, {number('hi', '-')}]"
    return {
        "naive": f"{number('naive')} {unit}",
        "estimate": f"{number('estimate')} {unit} {interval}",
        "truth": f"{number('truth')} {unit}",
    }


def handed_over(notebook, result):
    """(headline, computed) of a tutorial; Stop, naming what is missing, where it does not hand them over."""
    headline, computed = result.get("headline"), result.get("computed")
    keys = ("decision", "method", "unit", "naive", "truth", "estimate", "lo", "hi")
    missing = [f"`{name}`" for name, value in (("headline", headline), ("computed", computed)) if value is None]
    missing = missing or [f"`headline[{key!r}]`" for key in keys if key not in headline]
    if missing:
        raise Stop(f"{name_of(notebook)} does not hand over {', '.join(missing)} ({CONTRIBUTING} to).")
    return headline, computed


# ---- reading and writing files


def replace(path, content):
    """Write a file, text or bytes, whole or not at all. Raises Stop, naming the file."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        os.replace(partial, path)
    except PermissionError as error:
        raise Stop(f"{name_of(path)} cannot be written ({error.strerror}). Is it open in another program? "
                   "Close it in the other program and run `make` again.") from None  # fmt: skip
    except OSError as error:
        raise Stop(f"{name_of(path)} cannot be written ({error.strerror}); it is as it was.") from None
    finally:
        partial.unlink(missing_ok=True)


def _sweep_up():
    """Remove what `replace`, or a kernel, was writing when it was killed, more than an hour ago."""
    for folder in (ROOT, ROOT / "data", NAMESPACES, *folders(), *(folder / "figures" for folder in folders())):
        for path in folder.glob("*.partial"):
            if time.time() - path.stat().st_mtime > 3600:
                path.unlink(missing_ok=True)


def read_cells(notebook):
    """The cells of a notebook file as dicts whose source is a string. Stop where it is no notebook."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        return [cell | {"source": "".join(cell["source"])} for cell in cells]
    except (ValueError, KeyError, TypeError):
        raise Stop(f"{name_of(notebook)} is not a notebook (damaged?). `git checkout` brings it back, or remove it "
                   "and `make sync` makes it from its mirror.") from None  # fmt: skip


def last_result(notebook, variables=False):
    """What is known of the notebook's last execution here, {} if nothing; a damaged file counts as nothing.

    Keys: key (see `key`), seconds, headline, computed, decision; if `execute` stored that notebook, stored (its hash)
    and figures ({file name: its hash}). With `variables` its variables, too: {name: pickled value}.
    """
    try:
        with open(NAMESPACES / f"{notebook.stem}.pickle", "rb") as file:
            result = dict(pickle.load(file))
            return result | ({"variables": dict(pickle.load(file))} if variables else {})
    except Exception:  # missing, empty, cut, of another version: anything may be raised, and all of it means "run it"
        return {}


def store_result(notebook, result, harvested):
    """Keep what an execution found: `result` (a dict), and what `harvest` wrote to the file `harvested`."""
    with open(harvested, "rb") as file:
        result = result | pickle.load(file)
        replace(NAMESPACES / f"{notebook.stem}.pickle", pickle.dumps(result) + file.read())
    return result


# ---- what outputs depend on


@functools.cache
def _versions():
    """Versions of the installed packages that requirements.txt and constraints.txt name, and of Python."""
    found = [platform.python_version()]
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("requirements.txt", "constraints.txt"))
    for name in sorted(set(re.findall(r"^([A-Za-z0-9][\w.-]*)==", text, flags=re.M))):
        try:
            found.append(f"{name}=={metadata.version(name)}")
        except metadata.PackageNotFoundError:  # another platform's, or a mistake that the import will name
            pass
    return found


@functools.cache
def _digest(path, changed, size):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def key(notebook):
    """Hash of all that the notebook's outputs depend on: code cells (never prose), data, SQL, tool, versions."""
    code = [cell["source"] for cell in read_cells(notebook) if cell["cell_type"] == "code"]
    folder = notebook.parent
    files = [*(ROOT / "data").glob("*.py"), *(ROOT / "data").glob("real/*.csv"), ROOT / "data/synthetic_llm_logs.csv"]
    files += [*folder.glob("*.sql"), *scripts(folder), folder / "published_figures.csv"]
    parts = [*_versions(), *code]
    for path in sorted(path for path in files if path.exists()):
        stat = path.stat()
        parts.append(f"{name_of(path)} {_digest(path, stat.st_mtime_ns, stat.st_size)}")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _stored_hash(notebook):
    """Hash of what execution stores in a notebook: outputs, execution counts, metadata."""
    book = json.loads(notebook.read_text(encoding="utf-8"))
    kept = [[cell.get(name) for name in ("execution_count", "outputs", "metadata")] for cell in book["cells"]]
    return hashlib.sha256(json.dumps([kept, book["metadata"]], sort_keys=True).encode()).hexdigest()


def unchanged(notebook):
    """Whether the notebook and its figures are what `execute` stored here, and would be stored again."""
    result = last_result(notebook)
    if "stored" not in result or result["stored"] != _stored_hash(notebook):
        return False
    figures = notebook.parent / "figures"
    for name, digest in result["figures"].items():
        if not (figures / name).exists() or hashlib.sha256((figures / name).read_bytes()).hexdigest() != digest:
            return False
    return result["key"] == key(notebook)


# ---- execution takes nothing from the reader's machine


def reader_free(environment=os.environ):
    """The environment variables under which nothing of the reader's machine reaches a kernel: a dict.

    Python's, IPython's, Jupyter's and matplotlib's own variables are dropped; the folders in which these look for
    settings, and write, become private ones below .results, so that the home directory may be read-only. BLAS runs on
    one thread: small matrices gain nothing from more, and notebooks run side by side.
    """
    private = NAMESPACES / "reader_free"
    matplotlib = f"matplotlib {metadata.version('matplotlib')}"  # its cache of fonts, built once for each version
    own = {"IPYTHONDIR": "ipython", "JUPYTER_CONFIG_DIR": "jupyter/config", "JUPYTER_DATA_DIR": "jupyter/data",
           "JUPYTER_RUNTIME_DIR": "jupyter/runtime", "MPLCONFIGDIR": matplotlib}  # fmt: skip
    profile = private / own["IPYTHONDIR"] / "profile_default"
    try:
        for folder in (*own.values(), profile):
            (private / folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Stop(f"{name_of(private)} cannot be made ({error.strerror}).") from None
    settings = "c.HistoryManager.enabled = False  # kernels that run side by side would share one database\n"
    if not (profile / "ipython_kernel_config.py").exists():
        replace(profile / "ipython_kernel_config.py", settings)

    theirs = ("PYTHON", "IPYTHON", "JUPYTER", "JPY_", "MPL", "MATPLOTLIB", "COLUMNS", "LINES")
    clean = {name: value for name, value in environment.items() if not name.upper().startswith(theirs)}
    clean |= {name: str(private / folder) for name, folder in own.items()}
    clean |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return clean | {"JUPYTER_NO_CONFIG": "1", "TZ": "UTC"}


def build_font_cache(environment):
    """Let matplotlib look for fonts once: it would warn on stderr, in a stored output, where that takes long."""
    if not list(Path(environment["MPLCONFIGDIR"]).glob("fontlist*.json")):
        command = [sys.executable, "-c", "import matplotlib.font_manager"]
        subprocess.run(command, env=environment, cwd=tempfile.gettempdir(), stderr=subprocess.DEVNULL)


def _kernel():
    """A manager of kernels that run on this Python, whatever kernels the reader has installed under any name."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    class ThisPython(KernelSpecManager):
        def get_kernel_spec(self, kernel_name):
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python")

    connection = NAMESPACES / "reader_free" / "jupyter" / "runtime" / f"kernel-{uuid.uuid4()}.json"
    return AsyncKernelManager(kernel_name="python3", kernel_spec_manager=ThisPython(), connection_file=str(connection))


# Runs in the kernel after the last cell, and in a mirror run as a script: keeps what can be kept of the variables.
# An instance of a class of the notebook itself could not be read back elsewhere; its pickle names __main__.
HARVEST = """
def _harvest(space, path, limit=20_000_000):
    import io, json, pickle

    class Limited(io.BytesIO):
        def write(self, data):
            if self.tell() + memoryview(data).nbytes > limit:
                raise OverflowError
            return super().write(data)

    variables = {}
    for name, value in list(space.items()):
        module = type(value).__module__.partition(".")[0]
        if name.startswith("_") or name in ("In", "Out") or callable(value) or module in ("matplotlib", "IPython"):
            continue
        file = Limited()
        try:
            pickle.dump(value, file, protocol=5)
        except Exception:
            continue
        if b"__main__" not in file.getbuffer().tobytes():
            variables[name] = file.getvalue()
    found = {name: space.get(name) for name in ("headline", "computed", "decision")}
    found = json.loads(json.dumps(found, default=float))
    try:
        with open(path, "wb") as file:
            pickle.dump(found, file)
            pickle.dump(variables, file)
    except OSError as error:  # a full disk is named, the file is not
        raise OSError(error.errno, error.strerror, path) from None
"""


def harvest(path):
    """Code that keeps the variables of the notebook it runs in."""
    return f"{HARVEST}\n_harvest(globals(), {str(path)!r})\ndel _harvest\n"


# ---- what hygiene refuses

PLACES = r"(?<![\w.])/(?:home|Users|root|tmp|var|opt|usr|mnt|private)/|\b[A-Z]:\\"  # where files lie on machines
MIMES = {"text/plain", "text/html", "text/markdown", "text/latex", "image/png"}  # what GitHub shows


def faults(book):
    """What a stored notebook must not hold, a list of lines, each with the cell: stderr, errors, paths, ...

    `book` is a notebook as nbformat reads it. Cells are counted as Jupyter counts them: code cells that are not empty.
    """
    found = []
    own = [path for path in (str(ROOT), os.path.expanduser("~"), sys.prefix) if re.search(r"[/\\]\w", path)]
    own = [rf"{re.escape(path)}(?![\w-])" for path in own]
    unfit = {
        rf"(?:{'|'.join([PLACES, *own])})[^\s'\"<>]*": "a path of this machine",
        r"\b0x[0-9a-fA-F]{6,}": "an address in memory",
        r"\bseconds\b": "a measured time",
        r"\x1b\[[0-9;]*m": "colours of a terminal",
    }
    number = 0
    for cell in book.cells:
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        number += 1
        said = []
        if cell.execution_count != number:
            said.append("not executed, or not in order")
        for output in cell.outputs:
            texts = []
            if output.output_type == "stream":
                texts = [output.text]
                if output.name == "stderr":
                    said.append(f"writes to stderr: {_first_line(output.text)}")
            elif output.output_type == "error":
                said.append(f"raises {output.ename}: {_first_line(output.evalue)}")
            else:
                if output.output_type == "execute_result":
                    said.append("ends in a value; display or print it, as the mirror must")
                said += [f"shows {mime}, which GitHub does not" for mime in output.data if mime not in MIMES]
                texts = [value for mime, value in output.data.items() if mime.startswith("text/")]
                texts += [str(value) for value in output.metadata.values()]  # alternative texts
            for pattern, what in unfit.items():
                for text in texts:
                    match = re.search(pattern, text)
                    said += [f"prints {what}: {_first_line(match[0])!r}"] if match else []
        found += [f"cell {number} {line}" for line in dict.fromkeys(said)]
        if set(cell.metadata) - {"tags"}:
            found.append(f"cell {number} has metadata beside tags: {', '.join(sorted(cell.metadata))}")
    if set(book.metadata) - {"kernelspec", "language_info"} or "version" in book.metadata.get("language_info", {}):
        found.append("metadata of the notebook: only kernelspec and language_info, without a version")
    return found


def _first_line(text):
    line = next((line for line in text.splitlines() if line.strip()), "").strip()
    return line if len(line) <= 100 else line[:97] + "..."


# ---- pictures


def looks_same(png, other):
    """Whether two PNGs differ by no more than processors do: they rasterise with differences in the last bit.

    The limits lie far above what two processors were found to differ by, and far below what moving a label by a pixel
    does: see test_run.py.
    """
    import numpy as np
    from PIL import Image, UnidentifiedImageError  # matplotlib brings Pillow

    try:
        a, b = (Image.open(io.BytesIO(data)).convert("RGBA") for data in (png, other))
    except (UnidentifiedImageError, OSError, SyntaxError):
        return False  # a damaged file
    if a.size != b.size:
        return False
    difference = np.abs(np.asarray(a, dtype=np.int16) - np.asarray(b, dtype=np.int16)) / 255
    return bool(difference.mean() < 0.002 and difference.max() < 0.2)


def _images(cells):
    """The outputs' data dicts that hold a PNG, cell by cell."""
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return [output["data"] for output in outputs if "image/png" in output.get("data", {})]


def _png(data):
    text = data["image/png"]
    return base64.b64decode("".join(text))  # the file may hold a list of lines


def read_figures(folder):
    """{file name: bytes} of the PNGs in folder/figures."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("figures/*.png"))}


def _keep_pictures(book, old_cells, before, folder):
    """Where a new picture looks like a stored one, keep the stored bytes, in the outputs and in figures/.

    Returns {file name: hash} of the figures that the notebook shows.
    """
    stored = dict.fromkeys(before.values()) | {_png(data): "".join(data["image/png"]) for data in _images(old_cells)}
    now, shown_files = read_figures(folder), {}
    for data in _images(book.cells):
        png = _png(data)
        kept = png if png in stored else next((old for old in stored if looks_same(png, old)), png)
        if kept != png:
            data["image/png"] = stored[kept] or base64.b64encode(kept).decode()
        for name in [name for name, drawn in now.items() if drawn == png]:
            if kept != png:
                replace(folder / "figures" / name, kept)
            shown_files[name] = hashlib.sha256(kept).hexdigest()
    return shown_files


def _put_back(folder, before):
    """After a failure: figures/ holds the images of the stored notebooks, or what it held before."""
    shown_now = {_png(data) for path in folder.glob("*.ipynb") for data in _images(read_cells(path))}
    for name, png in read_figures(folder).items():
        if png not in shown_now and before.get(name) != png:
            if name in before:
                replace(folder / "figures" / name, before[name])
            else:
                (folder / "figures" / name).unlink()


# ---- execution


def _joined(outputs):
    """The outputs of a cell with neighbouring pieces of printed text joined: how they are cut depends on timing."""
    joined = []
    for output in outputs:
        if joined and output.output_type == "stream" and output.name == joined[-1].get("name"):
            joined[-1]["text"] += output["text"]
        else:
            joined.append(output)
    return joined


KERNELS_TRIED = 3  # each is told ports that were free a moment before, and dies where another program was faster


async def _start_kernel(book, folder, environment):
    """A kernel that has answered, and a client that runs the book's cells in it."""
    from nbclient import NotebookClient

    for left in reversed(range(KERNELS_TRIED)):
        kernel = _kernel()
        client = NotebookClient(
            book,
            km=kernel,
            timeout=600,
            record_timing=False,
            extra_arguments=["--log-level=ERROR"],  # its warnings about transport are not for readers
        )
        try:
            await client.async_start_new_kernel(cwd=str(folder), env=environment)
            await client.async_start_new_kernel_client()
            return kernel, client
        except BaseException as error:
            if kernel.has_kernel:
                await kernel.shutdown_kernel(now=True)
            if not left or not isinstance(error, RuntimeError) or asyncio.current_task().cancelling():
                raise


async def _run_cells(notebook, book, environment, harvested):
    """Run the cells in a kernel of their own, keep its variables, and end it, whatever happens."""
    import nbformat
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    kernel, client = None, None
    try:
        # Not client.async_execute: it takes Ctrl-C for itself, and then only its own kernel ends.
        kernel, client = await _start_kernel(book, notebook.parent, environment)
        for index, cell in enumerate(book.cells):
            await client.async_execute_cell(cell, index, execution_count=client.code_cells_executed + 1)
        book.cells.append(nbformat.v4.new_code_cell(harvest(harvested)))
        await client.async_execute_cell(book.cells[-1], len(book.cells) - 1)
        book.cells.pop()
    except CellExecutionError as error:
        raise Stop(f"{error}\n{name_of(notebook)}, cell {client.code_cells_executed}, raised {error.ename}: "
                   f"{_first_line(error.evalue)}; the file was left as it was.") from None  # fmt: skip
    except (DeadKernelError, TimeoutError, RuntimeError) as error:
        if asyncio.current_task().cancelling():
            raise asyncio.CancelledError from None  # Ctrl-C, which nbclient takes for a dead kernel
        raise Stop(f"{name_of(notebook)}: the kernel stopped ({_first_line(str(error))}). Run `make` again.") from None
    finally:
        if kernel and kernel.has_kernel:
            await kernel.shutdown_kernel(now=True)
        if client and client.kc is not None:
            client.kc.stop_channels()


async def _execute(notebook, environment):
    import nbformat

    result = {"key": key(notebook)}
    old_cells, before = read_cells(notebook), read_figures(notebook.parent)
    (NAMESPACES / f"{notebook.stem}.pickle").unlink(missing_ok=True)  # if we are killed, the next run begins anew
    book = nbformat.read(notebook, as_version=4)
    harvested = NAMESPACES / f"{notebook.stem}.{os.getpid()}.partial"
    start = time.perf_counter()
    try:
        await _run_cells(notebook, book, environment, harvested)
        result["seconds"] = time.perf_counter() - start
        for cell in book.cells:
            if cell.cell_type == "code":
                cell.outputs = _joined(cell.outputs)
            cell.metadata = {"tags": cell.metadata["tags"]} if "tags" in cell.metadata else {}
        book.metadata = {"kernelspec": KERNELSPEC, "language_info": LANGUAGE}
        if wrong := faults(book):
            more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            raise Stop(f"{name_of(notebook)}, {wrong[0]}{more}; the file was left as it was.")
        result["figures"] = _keep_pictures(book, old_cells, before, notebook.parent)
        replace(notebook, nbformat.writes(book) + "\n")
        result["stored"] = _stored_hash(notebook)
        return store_result(notebook, result, harvested)
    finally:
        harvested.unlink(missing_ok=True)


def execute(notebook):
    """Execute a notebook and store it with its outputs; return what it found (see `last_result`).

    Stored only when all of it ran and `faults` finds nothing: otherwise Stop, and the file is as it was.
    """
    return _execute_all([notebook], lambda *_: None)[notebook]


def _execute_all(chosen, report):
    """Execute notebooks, as many at once as there are cores; {notebook: result}. Calls report(notebook, result)."""
    environment = reader_free()
    build_font_cache(environment)
    before = {notebook.parent: read_figures(notebook.parent) for notebook in chosen}
    slots, results, failures = asyncio.Semaphore(cores()), {}, []

    async def one(notebook):
        async with slots:
            if failures:
                return  # those that run are finished, no other is begun
            try:
                results[notebook] = await _execute(notebook, environment)
                report(notebook, results[notebook])
            except Stop as error:
                failures.append(str(error))

    async def everything():
        await asyncio.gather(*map(one, chosen))

    try:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:  # on Windows ZeroMQ needs this loop
            runner.run(everything())
    finally:
        for notebook in chosen:
            if notebook not in results:
                _put_back(notebook.parent, before[notebook.parent])
    if failures:
        raise Stop("\n".join(failures))
    return results


def cores():
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def expected_seconds(notebook):
    """Of an execution: those of the last one here, or what the notebook promises its readers, or a guess."""
    try:
        return last_result(notebook).get("seconds") or promised_seconds(notebook)
    except Stop:
        return 10


def run_notebooks(only=None, every=False):
    """Execute what has changed since it was last run here, a line of progress each; return {tutorial: result}.

    only: two-digit numbers of folders (default: all). every: also what has not changed. Results are in reading order.
    """
    chosen = executed_notebooks(only)
    twice = {path.stem for path in chosen if [other.stem for other in executed_notebooks()].count(path.stem) > 1}
    if twice:
        raise Stop(f"two notebooks are called {twice.pop()}.ipynb: their results would be mixed up.")
    check_pairs(folder for folder in folders() if not only or folder.name[:2] in only)
    _sweep_up()

    def report(notebook, result, what="executed in"):
        part = {"demo": "tutorial"}.get(notebook.stem.rpartition("_")[2], notebook.stem.rpartition("_")[2])
        print(f"  {notebook.parent.name:<32}{part:<12}{what:<14}{result['seconds']:>6.1f} s", flush=True)

    results = {}
    for notebook in chosen:
        if not every and unchanged(notebook):
            results[notebook] = last_result(notebook)
            report(notebook, results[notebook], "unchanged")
    waiting = [notebook for notebook in chosen if notebook not in results]
    results |= _execute_all(sorted(waiting, key=expected_seconds, reverse=True), report)
    return {notebook: results[notebook] for notebook in chosen if notebook in notebooks()}


# ---- notebook and mirror


def pairs(of=None):
    """Notebooks (some may be missing) that are, or should be, one of a pair with their mirror, a .py beside them."""
    found = []
    for folder in folders() if of is None else of:
        mirrors = [path for path in folder.glob("*.py") if path.read_bytes().startswith(b"# ---\n# jupyter:")]
        found += {*folder.glob("*.ipynb"), *(path.with_suffix(".ipynb") for path in mirrors)}
    return sorted(found)


def cells_of(path, text=None):
    """What a pair must agree on: [(type, source, tags), ...] of a notebook or a mirror, or of a text of its kind.

    Empty lines at the end of a cell do not count: a mirror cannot hold them.
    """
    if path.suffix == ".ipynb":
        cells = read_cells(path) if text is None else json.loads(text)["cells"]
    else:
        import jupytext  # here, because it takes a while and most runs do not need it

        cells = jupytext.reads(path.read_text(encoding="utf-8") if text is None else text, fmt="py:percent").cells
    return [(c["cell_type"], "".join(c["source"]).rstrip("\n"), tuple(c["metadata"].get("tags", ()))) for c in cells]


def _state(notebook):
    """Hashes of a pair as it is: of the notebook's cells, of the mirror."""
    mirror = notebook.with_suffix(".py").read_bytes().replace(b"\r\n", b"\n")
    return [hashlib.sha256(content).hexdigest() for content in (repr(cells_of(notebook)).encode(), mirror)]


def _read_agreed():
    """{notebook: its `_state` when it was last seen in line with its mirror}; a damaged file counts as nothing."""
    try:
        return dict(json.loads((NAMESPACES / "agreed.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _write_agreed(agreed):
    if agreed != _read_agreed():
        NAMESPACES.mkdir(exist_ok=True)
        replace(NAMESPACES / "agreed.json", json.dumps(agreed, indent=1))


def first_difference(notebook):
    """None if notebook and mirror hold the same cells, else a few words: which is missing, or the cell that differs."""
    mirror = notebook.with_suffix(".py")
    for path in (notebook, mirror):
        if not path.exists():
            return f"{name_of(path)} is missing"
    ours, theirs = cells_of(notebook), cells_of(mirror)
    if ours == theirs:
        return None
    nothing = ("no cell", "", ())
    both = enumerate(itertools.zip_longest(ours, theirs, fillvalue=nothing), 1)
    number, cell = next((number, a if a[1] else b) for number, (a, b) in both if a != b)
    return f"{name_of(notebook)} and its mirror differ, first in cell {number} ({_first_line(cell[1]) or cell[0]})"


def check_pairs(of):
    """Stop, naming the first, unless all pairs of these folders are in line."""
    agreed = _read_agreed()
    for notebook in pairs(of):
        both = notebook.exists() and notebook.with_suffix(".py").exists()
        state = _state(notebook) if both else None
        if not both or agreed.get(name_of(notebook)) != state:
            if difference := first_difference(notebook):
                raise Stop(f"{difference}; `make sync` brings them in line.")
            agreed[name_of(notebook)] = state
    _write_agreed(agreed)


def _committed(path):
    """The text of a file in the last commit, or None: not there, or no git."""
    command = ["git", "-C", str(ROOT), "show", f"HEAD:./{name_of(path)}"]
    try:
        done = subprocess.run(command, capture_output=True)
    except OSError:
        return None
    return done.stdout.decode("utf-8") if done.returncode == 0 else None


def _changed_one(notebook, agreed):
    """Which of a pair was changed, the notebook's path or the mirror's; None if that cannot be told.

    A side is unchanged if it is as in the last commit, or as when the pair was last seen in line: then the other may
    overwrite it and nothing is lost that was typed. When dates of files differ that says nothing.
    """
    mirror = notebook.with_suffix(".py")
    verdicts = set()
    committed = {path: _committed(path) for path in (notebook, mirror)}
    committed = {path: cells_of(path, text) for path, text in committed.items() if text is not None}
    if committed:
        either = next(iter(committed.values()))
        verdicts.add(tuple(path for path in (notebook, mirror) if cells_of(path) != committed.get(path, either)))
    if known := agreed.get(name_of(notebook)):
        changes = zip((notebook, mirror), _state(notebook), known, strict=True)
        verdicts.add(tuple(path for path, now, then in changes if now != then))
    clear = {verdict[0] for verdict in verdicts if len(verdict) == 1}
    return clear.pop() if len(clear) == 1 else None


def mirror_text(notebook):
    """The mirror that belongs to a notebook file, as text."""
    import jupytext
    import nbformat

    book = nbformat.read(notebook, as_version=4)
    kept = {"notebook_metadata_filter": "kernelspec,-jupytext", "cell_metadata_filter": "tags"}
    book.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC, "jupytext": kept})
    return jupytext.writes(book, fmt="py:percent")


def notebook_text(mirror, old):
    """The notebook that belongs to a mirror file, as text; `old` (text or None) gives ids, and outputs where it can."""
    import jupytext
    import nbformat
    from jupytext.combine import combine_inputs_with_outputs

    book = jupytext.reads(mirror.read_text(encoding="utf-8"), fmt="py:percent")
    tags = [cell.metadata.get("tags") for cell in book.cells]
    before = {}
    if old is not None:
        old_book = nbformat.reads(old, as_version=4)
        before = {cell.get("id"): cell.source for cell in old_book.cells}
        book = combine_inputs_with_outputs(book, old_book, fmt="py:percent")
    for cell, its_tags in zip(book.cells, tags, strict=True):
        cell.metadata = {"tags": its_tags} if its_tags else {}
        if cell.cell_type == "code" and before.get(cell.get("id"), "").rstrip("\n") != cell.source:
            cell.outputs, cell.execution_count = [], None
    book.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC, "language_info": LANGUAGE})
    return nbformat.writes(book) + "\n"


OPENING = '''import sys
from importlib.util import find_spec

sys.path += ["../data", f"{sys.path[0]}/../data"]  # the series' own modules, for notebook and script
if not find_spec("series"):
    raise ImportError("This notebook needs the files that come with it. Run these lines in a cell above:\\n"
                      "!git clone ADDRESS series\\n"
                      "%cd series/FOLDER\\n"
                      "%pip install -q rdrobust rddensity pysyncon")'''


def opening(notebook):
    """The first code cell that all notebooks have: it finds the series, or says how to fetch it."""
    address = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["repository"]
    return OPENING.replace("ADDRESS", address).replace("FOLDER", notebook.parent.name)


def _renew_opening(notebook):
    """Say the address and the folder of today in the first code cell of a pair that is in line; whether it was done."""
    mirror = notebook.with_suffix(".py")
    book = json.loads(notebook.read_text(encoding="utf-8"))
    first = next((cell for cell in book["cells"] if cell["cell_type"] == "code"), {"source": ""})
    source = "".join(first["source"])
    if not source.startswith(OPENING.partition("sys.path")[0]) or source == (wanted := opening(notebook)):
        return False
    first["source"] = wanted.splitlines(keepends=True)
    replace(mirror, mirror.read_text(encoding="utf-8").replace(source, wanted, 1))
    replace(notebook, json.dumps(book, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    return True


def sync():
    """Bring every notebook and its mirror in line: the one that was changed stays, the other follows.

    The first code cell is renewed where the folder or the series' address (in pyproject.toml) is another.

    Raises Stop, with the differences, and writes nothing at all, where it cannot be told for one of them which to keep.
    """
    agreed, plan, unclear = _read_agreed(), {}, []
    for notebook in pairs():
        mirror = notebook.with_suffix(".py")
        if not mirror.exists():
            plan[mirror] = mirror_text(notebook)
        elif not notebook.exists():
            plan[notebook] = notebook_text(mirror, _committed(notebook))
        elif first_difference(notebook):
            changed = _changed_one(notebook, agreed)
            if changed == mirror:
                plan[notebook] = notebook_text(mirror, notebook.read_text(encoding="utf-8"))
            elif changed == notebook:
                plan[mirror] = mirror_text(notebook)
            else:
                lines = [mirror_text(notebook).splitlines(), mirror.read_text(encoding="utf-8").splitlines()]
                diff = list(difflib.unified_diff(*lines, name_of(notebook), name_of(mirror), n=1, lineterm=""))
                unclear += diff[:40] + ["..."] * (len(diff) > 40)
                why = "both were changed" if _committed(mirror) else "there is no commit to compare with"
                unclear.append(f"{name_of(notebook)} and its mirror differ, and {why}.")
    if unclear:
        unclear.append("Nothing was written. Take the lines over by hand into one of the two, remove the other file, "
                       "and run `make sync` again: it is made anew.")  # fmt: skip
        raise Stop("\n".join(unclear))
    for path, text in plan.items():
        other = path.with_suffix(".py" if path.suffix == ".ipynb" else ".ipynb")
        if cells_of(path, text) != cells_of(other):
            raise Stop(f"{name_of(other)} cannot be kept in the other form as it is; nothing was written.")
    for path, text in plan.items():
        replace(path, text)
        print(f"  {name_of(path)} follows its {'mirror' if path.suffix == '.ipynb' else 'notebook'}")
    for notebook in filter(_renew_opening, pairs()):
        print(f"  {name_of(notebook)} has another first cell")
    _write_agreed(agreed | {name_of(notebook): _state(notebook) for notebook in pairs()})
    print(f"{len(pairs())} notebooks and their mirrors are in line.")


# ---- the scoreboard


def scoreboard(results):
    """The scoreboard as text: a row per tutorial."""
    lines = [
        f"{'notebook':<32}{'reproduced':>12}  {'naive':<10} {'estimate [95% interval]':<26} {'truth':<10}   seconds"
    ]
    for notebook, result in results.items():
        headline, computed = handed_over(notebook, result)
        good, total = count_reproduced(computed, ledger(notebook))
        cells = shown(headline)
        lines.append(f"{notebook.parent.name:<32}{f'{good} / {total}':>12}  {cells['naive']:<10} "
                     f"{cells['estimate']:<26} {cells['truth']:<10} {result['seconds']:>9.1f}")  # fmt: skip
    return "\n".join(lines)


def promised_seconds(notebook):
    """The run time that a tutorial promises in its opening. Stop where it promises none."""
    found = re.search(r"\*\*Run time:\*\* under (\d+) seconds", "\n".join(c["source"] for c in read_cells(notebook)))
    if not found:
        raise Stop(f"{name_of(notebook)} promises no run time (**Run time:** under N seconds).")
    return int(found[1])


def results_table(results, page=""):
    """README.md's table of notebooks, Markdown; the run time is the one that the notebook promises.

    A tutorial without a result keeps the row that it has in `page`, the README as it is.
    """
    lines = [
        "| | decision | method | naive | estimate [95 %] | truth | run time |",
        "|---|---|---|---|---|---|---|",
    ]
    for notebook in notebooks():
        if notebook not in results:
            lines += [line for line in page.splitlines() if line.startswith(f"| [{notebook.parent.name}]")]
            continue
        headline, _ = handed_over(notebook, results[notebook])
        cells = shown(headline)
        where = f"[{notebook.parent.name}]({notebook.parent.name}/{notebook.name})"
        columns = [where, headline["decision"], headline["method"], *cells.values()]
        lines.append(f"| {' | '.join(columns)} | under {promised_seconds(notebook)} s |")
    return "\n".join(lines)


def decisions_table(results, page=""):
    """DECISIONS.md's table, Markdown: a row for each `decision` that a tutorial hands over, a dict or a list of dicts.

    Its keys are reached, design, check and blind (what these checks do not see), and naive and truth where they are not
    those of the headline. A tutorial that hands over none keeps the rows that it has in `page`, the page as it is.
    """
    lines = [
        "| how did it reach the users? | design | check first | these checks do not see | dashboard (truth) |",
        "|---|---|---|---|---|",
    ]
    for notebook in notebooks():
        result, folder = results.get(notebook, {}), notebook.parent.name
        decision = result.get("decision")
        if not decision:
            lines += [line for line in page.splitlines() if line.startswith("| ") and f"]({folder}/" in line]
        for row in [decision] if isinstance(decision, dict) else decision or ():
            missing = [key for key in ("reached", "design", "check", "blind") if key not in row]
            if missing:
                raise Stop(f"{name_of(notebook)} does not hand over `decision[{missing[0]!r}]` ({CONTRIBUTING} to).")
            cells = shown(handed_over(notebook, result)[0] | row)
            numbers = f"[{folder[:2]}]({folder}/{notebook.name}): {cells['naive']} ({cells['truth'].split()[0]})"
            lines.append(f"| **{row['reached']}** | {row['design']} | {row['check']} | {row['blind']} | {numbers} |")
    return "\n".join(lines)


def write_between(page, name, text):
    """Renew what stands between a page's two markers, <!-- name --> and <!-- end of name -->; Stop without both."""
    before, start, rest = page.read_text(encoding="utf-8").partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- end of {name} -->")
    if not end:
        missing = f"end of {name}" if start else name
        raise Stop(f"{name_of(page)}: the marker <!-- {missing} --> is missing; the page was left as it was.")
    replace(page, f"{before}{start}{text}\n{end}{after}")


# ---- the command


def _write_data():
    sys.path.insert(0, str(ROOT / "data"))
    import generate_data

    if generate_data.DATASET.exists():
        kind = "the published dataset" if generate_data.is_published() else "not the published dataset"
        print(f"Data: {generate_data.DATASET.name} is there ({kind})")
    else:
        try:
            generate_data.write_logs()
        except OSError as error:
            raise Stop(f"{name_of(generate_data.DATASET)} cannot be written ({error.strerror}).") from None
        print(f"Data: wrote {generate_data.DATASET.name}")


def main(arguments=None):
    """The command line; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):  # a terminal, or a file, that knows no letter but those of ASCII
        stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(
        prog="run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", metavar="NN", help="only the notebooks of the folders with these numbers")
    parser.add_argument("--all", action="store_true", help="execute notebooks that have not changed, too")
    parser.add_argument("--sync", action="store_true", help="bring notebooks and mirrors in line")
    parser.add_argument("--write-tables", action="store_true", help="renew the tables in README.md and DECISIONS.md")
    options = parser.parse_args(arguments)
    if options.folders and options.sync:
        parser.error("--sync is for the whole series: leave the numbers away")
    try:
        if options.sync:
            sync()
            return 0
        _write_data()
        print("Notebooks:")
        results = run_notebooks(options.folders, options.all)
        print("\n" + scoreboard(results))
        if options.write_tables:
            for page, name, table in ((ROOT / "README.md", "results", results_table),
                                      (ROOT / "DECISIONS.md", "decisions", decisions_table)):  # fmt: skip
                if page.exists():
                    write_between(page, name, table(results, page.read_text(encoding="utf-8")))
    except KeyboardInterrupt:
        print("\nrun.py: interrupted; what was finished is stored, everything else is as it was.", file=sys.stderr)
        return 130
    except ImportError as error:
        print(f"\nrun.py: {error}. Set up first: `make`, or the pip commands in README.md.", file=sys.stderr)
        return 1
    except (Stop, OSError, ValueError) as error:
        print(f"\nrun.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
