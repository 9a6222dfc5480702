"""run.py on small series: what is executed, what is stored, what is refused, and what survives an accident.

Each fault that was ever found has a test here that is named after it.
"""

import ast
import base64
import errno
import hashlib
import importlib.util
import io
import json
import os
import pickle
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import notebook_tools
import numpy as np
import pytest
from PIL import Image

import run

HEADLINE = "headline = dict(decision='d', method='m', naive=.2, estimate=.1, lo=.05, hi=.15, truth=.1, unit='pp')\n"
FOUND = f"{HEADLINE}computed = dict(a=0.44, b=0.07)"
LEDGER = "id,published,verdict,note\na,0.5,reproduced,\nb,7%,reproduced,\n"
RED_DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)


def write(series, name, *sources):
    """A notebook of code cells (and Markdown ones: "# ...") with its mirror, as series/name."""
    path = series / name
    (path.parent / "figures").mkdir(parents=True, exist_ok=True)
    (path.parent / "published_figures.csv").write_text(LEDGER, encoding="utf-8")
    new = {True: nbformat.v4.new_markdown_cell, False: nbformat.v4.new_code_cell}
    book = nbformat.v4.new_notebook(cells=[new[source.startswith("# ")](source) for source in sources])
    nbformat.write(book, path)
    path.with_suffix(".py").write_text(run.mirror_text(path), encoding="utf-8")
    return path


def edit(path, old, new):
    """Change the text of a notebook's source, in the notebook and its mirror."""
    for file in (path, path.with_suffix(".py")):
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")


def command(series, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "run.py", *arguments], cwd=series, env=os.environ | environment,
        capture_output=True, encoding="utf-8",
    )  # fmt: skip


def texts(path):
    """What each code cell of a stored notebook prints."""
    cells = [cell for cell in run.read_cells(path) if cell["cell_type"] == "code"]
    return ["".join("".join(output.get("text", "")) for output in cell["outputs"]) for cell in cells]


# ---- what is executed, and what is not


def test_every_notebook_of_every_numbered_folder_is_found(series):
    """Folder 10 as well as 08 (`0*` left it out); no other folder; in reading order."""
    for name in ("10_more/more_demo.ipynb", "08_small/small_demo.ipynb", "08_small/small_practice.ipynb",
                 "08_small/small_solutions.ipynb", "data/not_one.ipynb", "1_no/no_demo.ipynb"):  # fmt: skip
        write(series, name, "1")
    (series / "09_a_file").write_text("")
    assert [path.name for path in run.folders()] == ["08_small", "10_more"]
    assert [path.name for path in run.notebooks()] == ["small_demo.ipynb", "more_demo.ipynb"]
    assert [path.stem for path in run.executed_notebooks()] == [
        "small_demo", "small_practice", "small_solutions", "more_demo"
    ]  # fmt: skip


def test_run_executes_what_changed_and_prints_the_score(series, capsys):
    notebook = write(series, "08_small/small_demo.ipynb", "print('hello')", "# Some prose", FOUND)
    board = run.scoreboard(run.run_notebooks())
    line = capsys.readouterr().out
    assert re.fullmatch(r"  08_small {24}tutorial    executed in   +\d+\.\d s\n", line)
    assert "1 / 2" in board and "+20.0 pp" in board and "+10.0 pp [5.0, 15.0]" in board
    assert texts(notebook) == ["hello\n", ""] and len(run.read_cells(notebook)) == 3
    first = notebook.read_bytes()

    def executes():
        run.run_notebooks()
        return "executed" in capsys.readouterr().out

    assert not executes()
    edit(notebook, "Some prose", "Other words")
    assert not executes(), "jupytext keeps the outputs when prose changes: nothing is to be done"
    edit(notebook, "Other words", "Some prose")
    run.run_notebooks(every=True)
    assert "executed" in capsys.readouterr().out and notebook.read_bytes() == first, "the same bytes again"
    (notebook.parent / "published_figures.csv").write_text("id,published,verdict,note\na,0.5,reproduced,\n")
    assert executes()
    book = json.loads(notebook.read_text())
    book["cells"][0]["outputs"][0]["text"] = ["hallo\n"]  # outputs of another run are not what this code says
    notebook.write_text(json.dumps(book))
    assert executes() and texts(notebook)[0] == "hello\n"
    book = json.loads(first)
    book["cells"][0] |= {"outputs": [], "execution_count": None}
    notebook.write_text(json.dumps(book))
    assert executes()
    book = json.loads(first)
    book["metadata"]["language_info"]["version"] = "3.13.1"  # as Jupyter saves it
    notebook.write_text(json.dumps(book))
    assert executes() and notebook.read_bytes() == first


def test_key_depends_on_all_that_outputs_depend_on_and_on_nothing_else(series):
    notebook = write(series, "08_small/small_demo.ipynb", "1 + 1", "# prose")
    beside = write(series, "08_small/small_solutions.ipynb", "2")
    other = write(series, "09_other/other_demo.ipynb", "3")
    key = run.key(notebook)

    def changes(file, text="x"):
        """Whether a change of this file changes the key; it is taken back."""
        path = series / file
        before = path.read_bytes() if path.exists() else None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((before or b"") + text.encode())
        found = run.key(notebook) != key
        path.write_bytes(before) if before is not None else path.unlink()
        os.utime(path) if path.exists() else None
        assert run.key(notebook) == key
        return found

    for file in ("data/generate_data.py", "data/series.py", "data/real/senate.csv", "data/synthetic_llm_logs.csv",
                 "08_small/check.sql", "08_small/published_figures.csv", "08_small/small.py"):  # fmt: skip
        assert changes(file), file
    for file in ("08_small/small_demo.py", "08_small/small_solutions.py", "08_small/README.md", "09_other/tool.py",
                 "data/README.md", "README.md", "run.py", "09_other/other_demo.py"):  # fmt: skip
        assert not changes(file), file
    edit(notebook, "prose", "other prose")
    assert run.key(notebook) == key
    edit(notebook, "1 + 1", "1 + 2")
    assert run.key(notebook) != key != run.key(beside) != run.key(other)


def test_key_depends_on_the_versions(series, monkeypatch):
    notebook = write(series, "08_small/small_demo.ipynb", "1")
    key = run.key(notebook)
    versions = run._versions()
    assert f"numpy=={np.__version__}" in versions and versions[0] == sys.version.split()[0]
    monkeypatch.setattr(run, "_versions", lambda: [*versions[:-1], "ruff==0.0.1"])
    assert run.key(notebook) != key


def test_notebooks_run_side_by_side_and_the_longest_first(series, monkeypatch, capsys):
    """Two that wait for each other end only if they run at once. With one core they would come one by one."""
    meet = """
import pathlib, time
pathlib.Path("../{mine}").touch()
start = time.time()
while not pathlib.Path("../{other}").exists():
    assert time.time() - start < 60
    time.sleep(0.02)
"""
    write(series, "08_small/small_demo.ipynb", meet.format(mine="a", other="b") + FOUND)
    write(series, "09_more/more_demo.ipynb", meet.format(mine="b", other="a") + FOUND)
    monkeypatch.setattr(run, "cores", lambda: 2)
    assert [path.stem for path in run.run_notebooks()] == ["small_demo", "more_demo"]
    monkeypatch.setattr(run, "cores", lambda: 1)
    monkeypatch.setattr(run, "expected_seconds", lambda path: {"small_demo": 1, "more_demo": 2}[path.stem])
    capsys.readouterr()
    run.run_notebooks(every=True)
    assert re.findall(r"^  (\S+)", capsys.readouterr().out, flags=re.M) == ["09_more", "08_small"]


def test_seconds_are_those_of_the_last_run_or_the_promised_ones(series):
    notebook = write(series, "08_small/small_demo.ipynb", "# **Run time:** under 25 seconds.", "1")
    assert run.expected_seconds(notebook) == 25
    (series / ".results" / "small_demo.pickle").write_bytes(pickle.dumps({"seconds": 3.5}))
    assert run.expected_seconds(notebook) == 3.5
    assert 0 < run.expected_seconds(write(series, "08_small/small_solutions.ipynb", "1")) < 25


def test_series_in_a_folder_with_an_awkward_name(series, capsys):
    """Quotes, brackets (a pattern for glob), spaces, letters with dots."""
    place = series / "Bob's [2026] cöurse"
    place.mkdir()
    for name in ("run.py", "requirements.txt", "constraints.txt", "data"):
        shutil.move(series / name, place / name)
    notebook = write(place, "08_small/small_demo.ipynb", DRAW.format(height=1.0, label=35, dpi=90))
    done = command(place)
    assert done.returncode == 0 and "1 / 2" in done.stdout, done.stderr
    assert len(shown(notebook)) == 1
    text = notebook.with_suffix(".py").read_text(encoding="utf-8")
    notebook.with_suffix(".py").unlink()
    assert command(place, "--sync").returncode == 0 and notebook.with_suffix(".py").read_text("utf-8") == text
    assert "unchanged" in command(place).stdout


def test_folder_that_is_not_there_is_named(series):
    write(series, "08_small/small_demo.ipynb", FOUND)
    with pytest.raises(run.Stop, match="^no folder begins with 09_; there are 08.$"):
        run.run_notebooks(["08", "09"])


def test_two_notebooks_of_one_name_are_refused(series):
    write(series, "08_small/small_demo.ipynb", "1")
    write(series, "09_more/small_demo.ipynb", "1")
    with pytest.raises(run.Stop, match="two notebooks are called small_demo.ipynb"):
        run.run_notebooks(["09"])


# ---- what is refused


def test_run_names_the_notebook_and_the_cell_that_raised_and_leaves_it(series):
    notebook = write(series, "08_small/small_demo.ipynb", "x = 1", "# prose", "raise ValueError('the sky fell')")
    before = notebook.read_bytes()
    with pytest.raises(run.Stop) as error:
        run.run_notebooks()
    assert str(error.value).splitlines()[-1] == (
        "08_small/small_demo.ipynb, cell 2, raised ValueError: the sky fell; the file was left as it was."
    )
    assert notebook.read_bytes() == before and not list(series.rglob("*.partial"))
    assert not (series / ".results" / "small_demo.pickle").exists()


def test_a_dead_kernel_is_named(series):
    notebook = write(series, "08_small/small_demo.ipynb", "import os", "os._exit(3)")
    before = notebook.read_bytes()
    with pytest.raises(run.Stop, match=r"08_small/small_demo.ipynb: the kernel stopped \(.+\). Run `make` again"):
        run.run_notebooks()
    assert notebook.read_bytes() == before


def with_a_taken_port(start):
    """`start`, but the first kernel is told a port that this process holds, so that it dies before it answers."""
    held, calls = socket.socket(), []
    held.bind(("127.0.0.1", 0))

    def start_kernel(manager, *arguments, **named):
        calls.append(manager)
        if len(calls) == 1:
            manager.cache_ports, manager.shell_port = False, held.getsockname()[1]
        return start(manager, *arguments, **named)

    return start_kernel, held, calls


def test_a_kernel_whose_port_was_taken_is_started_again(series, monkeypatch):
    """Ports are free when a kernel is told them, not when it comes to take them: a whole suite failed for that."""
    from jupyter_client.manager import AsyncKernelManager

    write(series, "08_small/small_demo.ipynb", "x = 1", FOUND)
    start, held, calls = with_a_taken_port(AsyncKernelManager.start_kernel)
    with held:
        monkeypatch.setattr(AsyncKernelManager, "start_kernel", start)
        assert run.run_notebooks()
    assert len(calls) == 2


def test_nbval_starts_such_a_kernel_again(monkeypatch, tmp_path):
    from jupyter_client.manager import KernelManager
    from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel

    start, held, calls = with_a_taken_port(KernelManager.start_kernel)
    with held:
        monkeypatch.setattr(KernelManager, "start_kernel", start)
        kernel = RunningKernel(CURRENT_ENV_KERNEL_NAME, cwd=str(tmp_path))
        try:
            assert kernel.is_alive() and len(calls) == 2
        finally:
            kernel.stop()


def test_a_kernel_that_never_answers_is_named(series, monkeypatch):
    """Python itself does not start here: each kernel dies at once."""
    write(series, "08_small/small_demo.ipynb", "x = 1", FOUND)
    starts, free = [], run.reader_free() | {"PYTHONHOME": str(series)}
    monkeypatch.setattr(run, "_kernel", lambda make=run._kernel: (starts.append(1), make())[1])
    monkeypatch.setattr(run, "reader_free", lambda: free)
    with pytest.raises(run.Stop, match=r"08_small/small_demo.ipynb: the kernel stopped \(.+\). Run `make` again"):
        run.run_notebooks()
    assert len(starts) == run.KERNELS_TRIED


WARN = "import warnings\nwarnings.warn('beware')"


@pytest.mark.parametrize("source, line", [
    (WARN, "cell 1 writes to stderr: .+UserWarning: beware"), ("6 * 7", "cell 1 ends in a value"),
    ("import os\nprint(os.getcwd())", "cell 1 prints a path of this machine"),
    ("print(object())", "cell 1 prints an address in memory"),
])  # fmt: skip
def test_execution_refuses_what_hygiene_refuses(series, source, line):
    notebook = write(series, "08_small/small_demo.ipynb", source, FOUND)
    before = notebook.read_bytes()
    with pytest.raises(run.Stop, match=rf"^08_small/small_demo.ipynb, {line}.*; the file was left as it was.$"):
        run.run_notebooks()
    assert notebook.read_bytes() == before and not list(series.rglob("*.partial"))


def book_with(output=None, **changes):
    cell = nbformat.v4.new_code_cell("x", outputs=[output] if output else [], execution_count=1)
    cell |= changes
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(" "), cell])


def printed(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def displayed(metadata=None, **data):
    data = {mime.replace("_", "/"): value for mime, value in data.items()}
    return nbformat.v4.new_output("display_data", data, metadata=metadata or {})


@pytest.mark.parametrize("book, line", [
    (book_with(printed("oh no", "stderr")), "cell 1 writes to stderr: oh no"),
    (book_with(nbformat.v4.new_output("error", ename="E", evalue="v", traceback=[])), "cell 1 raises E: v"),
    (book_with(nbformat.v4.new_output("execute_result", {"text/plain": "1"}, execution_count=1)), "ends in a value"),
    (book_with(printed("see /home/ann/x.csv")), "a path of this machine: '/home/ann/x.csv'"),
    (book_with(printed(r"see C:\Users\ann")), "a path of this machine"),
    (book_with(printed(f"in {Path.home()}/x")), "a path of this machine"),
    (book_with(printed(f"in {run.ROOT}")), "a path of this machine"),
    (book_with(displayed(text_html="<b>/tmp/x</b>")), "a path of this machine: '/tmp/x'"),
    (book_with(displayed({"image/png": {"alt": "/tmp/x"}}, text_plain="")), "a path of this machine"),
    (book_with(printed("<object at 0x7f3a2b1c>")), "an address in memory"),
    (book_with(printed("in 3 seconds")), "a measured time"), (book_with(printed("\x1b[31mred")), "colours"),
    (book_with(displayed(**{"application/json": "{}"})), "shows application/json, which GitHub does not"),
    (book_with(execution_count=None), "not executed"), (book_with(execution_count=2), "not in order"),
    (book_with(metadata={"collapsed": True}), "metadata beside tags: collapsed"),
])  # fmt: skip
def test_faults_name_the_cell(book, line):
    found = run.faults(book)
    assert len(found) == 1 and line in found[0] and found[0].startswith("cell 1 ")


def test_faults_of_metadata_and_of_nothing():
    book = book_with(printed("and/or 0.5, /about/, 10:\\n, 0x1"), metadata={"tags": ["parameters"]})
    assert run.faults(book) == []
    book.metadata = {"kernelspec": {}, "jupytext": {}}
    assert len(run.faults(book)) == 1
    book.metadata = {"language_info": {"version": "3.11"}}
    assert len(run.faults(book)) == 1


def test_long_lines_are_cut_and_empty_ones_left_out():
    assert run._first_line("\n  \n" + 100 * "a" + "\nb") == 100 * "a"
    assert run._first_line(101 * "a") == 97 * "a" + "..." and run._first_line(" \n") == ""


def test_stored_text_does_not_depend_on_when_it_was_printed():
    table = nbformat.v4.new_output("display_data", {"text/plain": "table"})
    joined = run._joined([printed("a"), printed("b"), table, printed("c"), printed("d", "stderr"), printed("e")])
    assert [o.get("text", "table") for o in joined] == ["ab", "table", "c", "d", "e"]


# ---- nothing of the reader's machine reaches an output

LOOK = """
import sys
import matplotlib.pyplot as plt
print(plt.rcParams["figure.facecolor"], plt.rcParams["font.size"], sys.flags.optimize, sys.warnoptions)
figure, axes = plt.subplots(figsize=(1, 1))
plt.close(figure)
"""


def hostile(kind, folder):
    """Environment variables of a reader whose machine is set up so, below `folder`."""
    home = folder / "home"
    if kind == "a dark matplotlibrc":
        text = "figure.facecolor: black\nfont.size: 33\n"
        for place in ("home/.config/matplotlib", "home/.matplotlib", "own"):
            (folder / place).mkdir(parents=True)
            (folder / place / "matplotlibrc").write_text(text)
        return {"HOME": str(home), "MATPLOTLIBRC": str(folder / "own"), "MPLCONFIGDIR": str(folder / "own"),
                "MPLBACKEND": "pdf"}  # fmt: skip
    if kind == "an unwritable configuration folder":
        home.write_text("a file: nothing can be written below it, not even by root")
        return {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "XDG_CACHE_HOME": str(home / "cache"),
                "MPLCONFIGDIR": str(home / "x"), "IPYTHONDIR": str(home / "y"), "JUPYTER_RUNTIME_DIR": str(home / "z"),
                "JUPYTER_CONFIG_DIR": str(home / "j"), "JUPYTER_DATA_DIR": str(home / "d")}  # fmt: skip
    if kind == "an IPython profile that shows every expression":
        for place in ("home/.ipython/profile_default", "own/profile_default"):
            (folder / place / "startup").mkdir(parents=True)
            for name in ("ipython_config.py", "ipython_kernel_config.py"):
                (folder / place / name).write_text("c.InteractiveShell.ast_node_interactivity = 'all'\n")
            (folder / place / "startup" / "a.py").write_text("print('good morning')\n")
        return {"HOME": str(home), "IPYTHONDIR": str(folder / "own")}
    if kind == "another kernel called python3":
        for place in ("home/.local/share/jupyter", "own"):
            (folder / place / "kernels" / "python3").mkdir(parents=True)
            spec = {"argv": ["/nonexistent/python", "{connection_file}"], "display_name": "x", "language": "python"}
            (folder / place / "kernels" / "python3" / "kernel.json").write_text(json.dumps(spec))
        return {"HOME": str(home), "JUPYTER_PATH": str(folder / "own"), "JUPYTER_DATA_DIR": str(folder / "own")}
    (folder / "start.py").write_text("print('good morning')\n")
    (folder / "sitecustomize.py").write_text("print('good evening')\n")
    return {"PYTHONSTARTUP": str(folder / "start.py"), "PYTHONPATH": str(folder), "PYTHONWARNINGS": "always",
            "PYTHONOPTIMIZE": "2", "OPENBLAS_NUM_THREADS": "4"}  # fmt: skip


@pytest.mark.parametrize("kind", [
    "a dark matplotlibrc", "an unwritable configuration folder", "an IPython profile that shows every expression",
    "another kernel called python3", "variables of Python",
])  # fmt: skip
def test_nothing_of_the_readers_machine_reaches_an_output(series, monkeypatch, kind):
    """All of these were found in stored outputs, or stopped an execution for ever."""
    (series / "reader").mkdir()
    for name, value in hostile(kind, series / "reader").items():
        monkeypatch.setenv(name, value)
    show_python = "import sys\nfrom pathlib import Path\n1 + 1\nsize = Path('python.txt').write_text(sys.executable)"
    notebook = write(series, "08_small/small_demo.ipynb", LOOK, show_python, FOUND)
    run.run_notebooks()
    assert texts(notebook) == ["white 10.0 0 []\n", "", ""]
    assert [cell["outputs"] for cell in run.read_cells(notebook)[1:]] == [[], []]
    assert (notebook.parent / "python.txt").read_text() == sys.executable


def test_reader_free_drops_what_is_the_readers_and_keeps_the_rest(series):
    theirs = {"PYTHONPATH": "p", "pythonwarnings": "w", "IPYTHONDIR": "i", "JUPYTER_PATH": "j", "MPLBACKEND": "m",
              "MATPLOTLIBRC": "r", "JPY_PARENT_PID": "1", "COLUMNS": "50"}  # fmt: skip
    free = run.reader_free(theirs | {"PATH": "/bin", "HOME": "/home/ann", "OMP_NUM_THREADS": "8"})
    assert not {"PYTHONPATH", "pythonwarnings", "JUPYTER_PATH", "MPLBACKEND", "MATPLOTLIBRC", "COLUMNS"} & free.keys()
    assert free["PATH"] == "/bin" and free["HOME"] == "/home/ann" and free["OMP_NUM_THREADS"] == "1"
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
        assert Path(free[name]).is_dir() and Path(free[name]).is_relative_to(series / ".results")


def test_nbval_runs_kernels_in_the_same_environment():
    """conftest.py gives it to pytest's own process, from which workers and kernels inherit."""
    assert run.reader_free(os.environ).items() <= os.environ.items()
    assert not [name for name in os.environ if name.startswith(("MPLBACKEND", "MATPLOTLIBRC", "PYTHON"))]


ODD = {
    "PYTHONWARNINGS": "error", "LC_ALL": "C", "LANG": "C", "HOME": "", "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": "",
    "TMPDIR": "/no/such/folder", "OMP_NUM_THREADS": "0", "PYTHONSAFEPATH": "1", "http_proxy": "http://127.0.0.1:9",
}  # fmt: skip


def test_odd_environments_do_not_stop_it(series):
    notebook = write(series, "08_small/small_demo.ipynb", "print('naïve: τ')", LOOK, FOUND)
    done = command(series, **ODD)
    assert done.returncode == 0 and done.stderr == ""
    assert texts(notebook) == ["naïve: τ\n", "white 10.0 0 []\n", ""]


def test_letters_that_a_terminal_does_not_know(series):
    """They stopped `make sync` in the middle of the lines that it shows, and the generator after it had written."""
    notebook = write(series, "08_small/small_demo.ipynb", "# τ", FOUND)
    text = notebook.with_suffix(".py").read_text(encoding="utf-8")
    notebook.with_suffix(".py").write_text(text.replace("τ", "ö"), encoding="utf-8")
    done = command(series, "--sync", PYTHONIOENCODING="ascii")
    assert done.returncode == 1 and "\\xf6" in done.stderr and "Nothing was written" in done.stderr
    generator = [sys.executable, "data/generate_data.py", "--n-users", "10", "--out", "cöurse.csv"]
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(generator, cwd=series, env=ascii_only, capture_output=True, encoding="utf-8")
    assert done.returncode == 0 and "c\\xf6urse.csv" in done.stdout


def test_results_that_cannot_be_kept_get_one_line(series):
    """A file in the place of the folder: not even root can write below it."""
    notebook = write(series, "08_small/small_demo.ipynb", FOUND)
    before = notebook.read_bytes()
    shutil.rmtree(series / ".results")
    (series / ".results").write_text("")
    done = command(series)
    assert done.returncode == 1 and notebook.read_bytes() == before
    assert re.fullmatch(r"\nrun.py: .*\.results.*\n", done.stderr), done.stderr


def test_a_dataset_that_is_locked(series, monkeypatch, capsys):
    """Nobody writes to it; where it cannot even be read, one line says so."""
    data = series / "data" / "synthetic_llm_logs.csv"
    data.chmod(0o444)
    write(series, "08_small/small_demo.ipynb", f"print(len(open({str(data)!r}).readlines()))", FOUND)
    done = command(series)
    assert done.returncode == 0 and "the published dataset" in done.stdout, done.stderr

    def locked(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    import generate_data

    monkeypatch.setattr(generate_data.Path, "read_bytes", locked)
    assert run.main([]) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("run.py: ") and "Permission denied" in said and "\n" not in said


def test_series_sets_one_thread_although_notebooks_import_numpy_before_it():
    """On a busy machine threads that wait for each other made a cell of 02 take 75 seconds in place of 5."""
    look = ("import numpy, sklearn.linear_model, sys, threadpoolctl; sys.path.append('data'); import series\n"
            "print([library['num_threads'] for library in threadpoolctl.threadpool_info()])")  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", look], cwd=run.ROOT, env=environment, capture_output=True, text=True)
    found = ast.literal_eval(done.stdout or "[]")
    assert found and set(found) == {1}, done.stderr


# ---- pictures that look the same keep their bytes

DRAW = """
import matplotlib.pyplot as plt
from IPython.display import Image, display
figure, axes = plt.subplots(figsize=(2, 2))
axes.plot([0, 1], [0, {height}])
figure.text(0.2, 0.9, "n = {label}", color="#8C8C8C", size=8)
figure.savefig("figures/line.png", dpi={dpi}, metadata={{"Software": None}})
plt.close(figure)
display(Image("figures/line.png", alt="a line"))
""" + FOUND


def nudged(png, by=1):
    """The same picture, a few pixels of it different in the last bits."""
    pixels = np.array(Image.open(io.BytesIO(png)).convert("RGBA"))
    pixels[40:60, 40:60, :3] -= np.uint8(by)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def shown(notebook):
    return [run._png(data) for data in run._images(run.read_cells(notebook))]


def test_a_picture_that_looks_the_same_keeps_its_bytes(series):
    """Other processors rasterise with differences in the last bit: `git status` was never clean after `make`."""
    notebook = write(series, "08_small/small_demo.ipynb", DRAW.format(height=1.0, label=35, dpi=90))
    file = notebook.parent / "figures" / "line.png"
    run.run_notebooks()
    drawn = file.read_bytes()
    assert shown(notebook) == [drawn]
    elsewhere = nudged(drawn)  # as another machine drew it, and stored it
    assert elsewhere != drawn
    file.write_bytes(elsewhere)
    old, new = (base64.b64encode(png).decode() for png in (drawn, elsewhere))
    text = notebook.read_text()
    assert text.count(old) == 1
    notebook.write_text(text.replace(old, new))
    before = notebook.read_bytes()
    run.run_notebooks()
    assert file.read_bytes() == elsewhere and notebook.read_bytes() == before
    file.write_bytes(drawn[:100])  # damaged: the notebook still has it
    run.run_notebooks()
    assert file.read_bytes() == elsewhere and notebook.read_bytes() == before
    edit(notebook, "[0, 1.0]", "[0, 2.0]")  # the axis has other numbers
    run.run_notebooks()
    assert file.read_bytes() not in (elsewhere, drawn) and shown(notebook) == [file.read_bytes()]


def test_looks_same_sees_one_digit_in_grey():
    def draw(label, dpi):
        import matplotlib.figure

        figure = matplotlib.figure.Figure(figsize=(6, 4))
        figure.text(0.2, 0.5, f"n = {label}", color="#8C8C8C", size=8)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=dpi)
        return file.getvalue()

    for dpi in (90, 160):
        digits = [draw(label, dpi) for label in "3569"]
        for k, png in enumerate(digits):
            assert run.looks_same(png, nudged(png, 9))
            assert not any(run.looks_same(png, other) for other in digits[k + 1 :])
    assert not run.looks_same(draw("3", 90), draw("3", 91)), "another size"
    assert not run.looks_same(draw("3", 90), b"not a picture")
    assert not run.looks_same(draw("3", 90), draw("3", 90)[:300])
    faint = nudged(np_white := draw("", 90), 40)  # 400 of 194,400 pixels, far from the last bit, but pale
    assert run.looks_same(np_white, faint)
    pixels = np.asarray(Image.open(io.BytesIO(np_white)).convert("RGB")) - np.uint8(3)  # all of them: another white
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    assert not run.looks_same(np_white, file.getvalue())


# ---- files are replaced whole or not at all


@pytest.mark.parametrize("number, message", [
    (errno.ENOSPC, r"\(No space left on device\); it is as it was\.$"),
    (errno.EACCES, r"\(.+\)\. Is it open in another program\? Close it in the other program and run `make` again\.$"),
])  # fmt: skip
def test_disk_full_or_file_held_open_names_the_file_and_leaves_nothing(series, monkeypatch, number, message):
    notebook = write(series, "08_small/small_demo.ipynb", DRAW.format(height=1.0, label=35, dpi=90))
    (notebook.parent / "figures" / "line.png").write_bytes(RED_DOT)
    before = {path: path.read_bytes() for path in notebook.parent.rglob("*") if path.is_file()}

    def refuse(source, target, replace=os.replace):
        if Path(target) == notebook:
            raise OSError(number, os.strerror(number))
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(run.Stop, match=f"^08_small/small_demo.ipynb cannot be written {message}"):
        run.run_notebooks()
    assert {path: path.read_bytes() for path in notebook.parent.rglob("*") if path.is_file()} == before
    assert not list(series.rglob("*.partial"))
    monkeypatch.undo()


def test_writing_fails_half_way(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("old")

    def half(path, content):
        with open(path, "wb") as file:
            file.write(content[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(run.Stop, match="a.txt cannot be written"):
        run.replace(tmp_path / "a.txt", "new text")
    assert (tmp_path / "a.txt").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


SLOW = """
import os, pathlib, time
import matplotlib.pyplot as plt
figure = plt.figure(figsize=(1, 1))
figure.savefig("figures/one.png")
plt.close(figure)
pathlib.Path("figures/new.png").write_bytes(b"half a pic")
pathlib.Path("kernel.txt").write_text(str(os.getpid()))
time.sleep(100)
"""


def alive(pid):
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]
    except (OSError, IndexError):
        return False


def wait_until(condition, seconds=60):
    start = time.time()
    while not condition():
        assert time.time() - start < seconds, "waited in vain"
        time.sleep(0.05)


def started(series):
    """A `python run.py` whose kernel has written figures and now sleeps; (process, pid of the kernel)."""
    process = subprocess.Popen(
        [sys.executable, "run.py"], cwd=series, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a background job ignores it
    )  # fmt: skip
    mark = series / "08_small" / "kernel.txt"
    wait_until(lambda: mark.exists() and mark.read_text())
    return process, int(mark.read_text())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_interrupt_is_one_line_and_leaves_nothing_half_done(series):
    """It was 61 lines of traceback, and a kernel that went on."""
    notebook = write(series, "08_small/small_demo.ipynb", SLOW, FOUND)
    (notebook.parent / "figures" / "one.png").write_bytes(RED_DOT)
    before = {path: path.read_bytes() for path in notebook.parent.rglob("*") if path.is_file()}
    process, kernel = started(series)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.strip() == "run.py: interrupted; what was finished is stored, everything else is as it was."
    wait_until(lambda: not alive(kernel), 20)
    (notebook.parent / "kernel.txt").unlink()
    assert {path: path.read_bytes() for path in notebook.parent.rglob("*") if path.is_file()} == before
    assert not list(series.rglob("*.partial"))


@pytest.fixture
def for_kills(series):
    """A series of one notebook, or with LONG=1 a copy of the whole, in which everything is made; seconds of a run."""
    if notebook_tools.LONG:
        notebook_tools.copy_of_the_series(series)
    else:
        write(series, "08_small/small_demo.ipynb", DRAW.format(height=1.0, label=35, dpi=160), FOUND)
        (series / "08_small" / "figures" / "line.png").write_bytes(RED_DOT)
    start = time.time()
    run.run_notebooks(every=True)
    return series, time.time() - start + 1


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_kill_at_any_moment_loses_nothing(for_kills):
    """`make` killed at random moments, from a fresh clone or where the last kill left it; the next one ends well."""
    series, seconds = for_kills
    typed = {path: path.read_bytes() for pattern in ("*_*/*.ipynb", "*_*/*.py") for path in series.glob(pattern)}
    made = [*series.glob("*_*/figures/*"), series / "data" / "synthetic_llm_logs.csv"]
    before = typed | {path: path.read_bytes() for path in made}
    rng = random.Random(22)
    for kill in range(20 if notebook_tools.LONG else 2):
        if kill % 2 == 0:
            for path in (series / ".results").glob("*.*"):
                path.unlink()
            (series / "data" / "synthetic_llm_logs.csv").unlink(missing_ok=True)
        try:  # run() kills with SIGKILL
            subprocess.run([sys.executable, "run.py"], cwd=series, capture_output=True, timeout=rng.random() * seconds)
        except subprocess.TimeoutExpired:
            pass
        assert {path: path.read_bytes() for path in typed} == typed, f"lost by kill {kill}"
    done = command(series)
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_after_a_kill_the_kernel_ends_and_the_next_run_ends_well(series):
    notebook = write(series, "08_small/small_demo.ipynb", SLOW, FOUND)
    process, kernel = started(series)
    process.kill()
    process.communicate()
    wait_until(lambda: not alive(kernel), 30)
    edit(notebook, "time.sleep(100)", "time.sleep(0)")
    done = command(series)
    assert done.returncode == 0 and "executed in" in done.stdout, done.stderr


def test_what_a_killed_run_was_writing_is_swept_up(series):
    write(series, "08_small/small_demo.ipynb", FOUND)
    places = (series, series / "data", series / "08_small", series / "08_small" / "figures", series / ".results")
    old, new = ([folder / f".x.{pid}.partial" for folder in places] for pid in (1, 2))
    for path in old + new:
        path.touch()
    for path in old:
        os.utime(path, (0, 0))
    run.run_notebooks()
    assert not any(path.exists() for path in old) and all(path.exists() for path in new)


@pytest.mark.parametrize("content", [b"", b"{}", b"\x80\x05damaged", pickle.dumps([1]), pickle.dumps({"key": 1})])
@pytest.mark.parametrize("every", [False, True])
def test_damaged_results_are_made_anew(series, content, every, monkeypatch):
    """An empty file in .results stopped run.py, even with --all."""
    notebook = write(series, "08_small/small_demo.ipynb", FOUND)
    for file in ("small_demo.pickle", "agreed.json"):
        (series / ".results" / file).write_bytes(content)
    ran = []

    async def executed(notebook, environment):
        ran.append(notebook)
        return {"seconds": 1.0}

    monkeypatch.setattr(run, "_execute", executed)
    run.run_notebooks(every=every)
    assert ran == [notebook]
    assert run._read_agreed().keys() == {"08_small/small_demo.ipynb"}


def test_a_damaged_notebook_is_named(series):
    notebook = write(series, "08_small/small_demo.ipynb", FOUND)
    notebook.write_text(notebook.read_text()[:-30])
    with pytest.raises(run.Stop, match="^08_small/small_demo.ipynb is not a notebook"):
        run.run_notebooks()


# ---- variables of the executed notebook


def test_variables_are_kept_with_the_key(series):
    notebook = write(
        series, "08_small/small_demo.ipynb",
        "import numpy as np\nimport pandas as pd\nimport matplotlib.pyplot as plt\nfrom dataclasses import dataclass",
        "number, array, big = 1.5, np.arange(3), np.zeros(2_600_000)\nnested = {'a': [big, big + 1]}\n"
        "frame = pd.DataFrame({'x': ['a', 'b']})\nfigure = plt.figure()\nplt.close(figure)",
        "@dataclass\nclass Point:\n    x: int = 1\npoint = Point()\nf = lambda x: x\nfile = open('small_demo.py')",
        "_hidden = 1\nseries = frame['x']",
        FOUND,
    )  # fmt: skip
    result = run.run_notebooks()[notebook]
    kept = run.last_result(notebook, variables=True)
    assert kept["key"] == run.key(notebook) == result["key"] and kept["computed"] == {"a": 0.44, "b": 0.07}
    assert set(kept["variables"]) == {"number", "array", "frame", "series", "headline", "computed"}  # big ones are not
    assert pickle.loads(kept["variables"]["array"]).tolist() == [0, 1, 2]
    assert pickle.loads(kept["variables"]["frame"])["x"].tolist() == ["a", "b"]
    assert "variables" not in run.last_result(notebook)
    assert "_harvest" not in notebook.read_text()


# ---- the command


def test_tables_and_exit_status(series, capsys):
    notebook = write(series, "08_small/small_demo.ipynb", "# **Run time:** under 5 seconds.", FOUND)
    readme = series / "README.md"
    readme.write_text("before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n")
    done = command(series, "--write-tables")
    assert done.returncode == 0 and done.stderr == "" and "1 / 2" in done.stdout
    row = "| [08_small](08_small/small_demo.ipynb) | d | m | +20.0 pp | +10.0 pp [5.0, 15.0] | +10.0 pp | under 5 s |"
    head = "| | decision | method | naive | estimate [95 %] | truth | run time |\n|---|---|---|---|---|---|---|"
    assert readme.read_text() == f"before\n<!-- results -->\n{head}\n{row}\n<!-- end of results -->\nafter\n"

    def fails(message, *arguments):
        assert run.main(arguments) == 1
        said = capsys.readouterr().err.strip()
        assert message in said and said.startswith("run.py: ") and said.count("\n") == 0

    other = write(series, "09_more/more_demo.ipynb", "# **Run time:** under 7 seconds.", FOUND)
    assert run.main(["09", "--write-tables"]) == 0 and "08_small" not in capsys.readouterr().out
    other_row = row.replace("08_small", "09_more").replace("small_demo", "more_demo").replace("5 s", "7 s")
    assert f"---|\n{row}\n{other_row}\n<!-- end of results -->" in readme.read_text(), "the row of 08 is kept"
    shutil.rmtree(other.parent)
    assert run.main([]) == 0 and "unchanged" in capsys.readouterr().out
    readme.write_text("no markers")
    fails("README.md: the marker <!-- results --> is missing; the page was left as it was.", "--write-tables")
    assert readme.read_text() == "no markers"
    fails("no folder begins with 09_", "09")
    for arguments, message in ((["--bogus"], "--bogus"), (["08", "--sync"], "for the whole series")):
        with pytest.raises(SystemExit) as error:
            run.main(arguments)
        assert error.value.code == 2 and message in capsys.readouterr().err
    (notebook.parent / "published_figures.csv").rename(notebook.parent / "figures.csv")
    fails("08_small/published_figures.csv is missing")
    edit(notebook, "headline = ", "headlines = ")
    fails("08_small/small_demo.ipynb does not hand over `headline`")
    done = command(series)
    assert done.returncode == 1 and "does not hand over" in done.stderr and "Traceback" not in done.stderr


def test_data_are_written_if_missing_and_a_full_disk_is_named(series, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("generate_data", series / "data" / "generate_data.py")
    generate_data = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "generate_data", generate_data)
    spec.loader.exec_module(generate_data)
    write(series, "08_small/small_demo.ipynb", FOUND)
    monkeypatch.setattr(run, "run_notebooks", lambda *_: {})
    digest = hashlib.sha256(generate_data.DATASET.read_bytes()).hexdigest()
    assert run.main([]) == 0 and "the published dataset" in capsys.readouterr().out
    generate_data.DATASET.unlink()
    assert run.main([]) == 0 and "Data: wrote synthetic_llm_logs.csv" in capsys.readouterr().out
    assert hashlib.sha256(generate_data.DATASET.read_bytes()).hexdigest() == digest
    generate_data.DATASET.write_text("another\n")
    assert run.main([]) == 0 and "(not the published dataset)" in capsys.readouterr().out
    generate_data.DATASET.unlink()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(generate_data, "write_logs", full)
    assert run.main([]) == 1
    said = capsys.readouterr().err
    assert said.strip() == "run.py: data/synthetic_llm_logs.csv cannot be written (No space left on device)."


def test_missing_packages_get_one_line(series):
    """Started with a Python that has none of them."""
    write(series, "08_small/small_demo.ipynb", FOUND)
    done = subprocess.run([sys.executable, "-S", "run.py"], cwd=series, capture_output=True, encoding="utf-8")
    assert done.returncode == 1 and done.stderr.count("\n") == 2 and "Set up first: `make`" in done.stderr


@pytest.mark.parametrize("text, missing", [
    ("<!-- x -->\nold\n", "end of x"), ("old\n<!-- end of x -->", "x"), ("old", "x"),
    ("<!-- end of x -->\n<!-- x -->\n", "end of x"),
])  # fmt: skip
def test_write_between_names_the_marker_that_is_missing(tmp_path, text, missing):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(run.Stop, match=f"page.md: the marker <!-- {missing} --> is missing"):
        run.write_between(page, "x", "new")
    assert page.read_text() == text


def test_write_between_leaves_the_rest(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x -->\nold\nlines\n<!-- end of x -->\nb <!-- y -->")
    run.write_between(page, "x", "new")
    assert page.read_text() == "a\n<!-- x -->\nnew\n<!-- end of x -->\nb <!-- y -->"


def test_decisions_table_has_the_rows_of_tutorials_and_keeps_the_others(series, monkeypatch):
    decision = ("decision = [dict(reached='A coin', design='means', check='arms?', blind='leaks', naive=.3, truth=.2),"
                "dict(reached='A line', design='rdd', check='draw it', blind='rules')]")  # fmt: skip
    write(series, "08_small/small_demo.ipynb", "# **Run time:** under 5 seconds.", FOUND, decision)
    write(series, "09_more/more_demo.ipynb", "# **Run time:** under 7 seconds.", FOUND)
    page = series / "DECISIONS.md"
    kept = "| **A date** | did | parallel? | waves | [09](09_more/more_demo.ipynb): +1.0 pp (+2.0) |"
    before = f"old\n{kept}\n| x | [08](08_small/small_demo.ipynb) |"
    page.write_text(f"a\n<!-- decisions -->\n{before}\n<!-- end of decisions -->\nb")
    assert run.main(["--write-tables"]) == 0
    where = "[08](08_small/small_demo.ipynb)"
    assert page.read_text().splitlines()[4:] == [
        f"| **A coin** | means | arms? | leaks | {where}: +30.0 pp (+20.0) |",
        f"| **A line** | rdd | draw it | rules | {where}: +20.0 pp (+10.0) |",
        kept, "<!-- end of decisions -->", "b"]  # fmt: skip
    notebook = run.notebooks()[0]
    with pytest.raises(run.Stop, match=r"08_small/small_demo.ipynb does not hand over `decision\['check'\]`"):
        run.decisions_table({notebook: {"decision": {"reached": "r", "design": "d", "blind": "b"}}})


def test_headline_that_lacks_a_key_is_named(series):
    notebook = write(series, "08_small/small_demo.ipynb", "1")
    headline = dict.fromkeys(("naive", "truth", "estimate", "lo", "hi"), 0.1) | {"decision": "d", "method": "m"}
    with pytest.raises(run.Stop, match=r"does not hand over `headline\['unit'\]`"):
        run.handed_over(notebook, {"headline": headline, "computed": {}})
    with pytest.raises(run.Stop, match="does not hand over `headline`, `computed`"):
        run.handed_over(notebook, {})
    with pytest.raises(run.Stop, match="promises no run time"):
        run.results_table({notebook: {"headline": headline | {"unit": "pp"}, "computed": {}, "seconds": 1.0}})
