"""The commands of README.md and the Makefile: they exist, do no more than is needed, and fail with a clear line."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import check_environment
import nbformat
import pytest

import run

ROOT = run.ROOT
README = (ROOT / "README.md").read_text(encoding="utf-8")
needs_make = pytest.mark.skipif(sys.platform == "win32", reason="make: Linux and macOS; Windows uses the pip commands")


def targets():
    rules = re.findall(r"^([a-z -]+):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M)
    return {target for rule in rules for target in rule.split()}


def test_every_make_command_in_the_readme_exists():
    named = set(re.findall(r"`make ([a-z-]+)`", README)) | set(re.findall(r"^make ([a-z-]+)", README, flags=re.M))
    assert {"test", "lab", "bench", "check"} <= named and named <= targets()


def test_plain_commands_of_the_readme_run_what_make_runs():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in ("pip install", "-r requirements.txt -c constraints.txt", "run.py", "-m pytest"):
        assert command in makefile and command in README
    for script in re.findall(r"^python (\S+\.py)", README, flags=re.M):
        assert (ROOT / script).exists(), script


def test_ci_runs_the_readme_command():
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make test" in (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")


PAGES = [path for pattern in ("*.md", "data/*.md", "0*/*.md") for path in sorted(ROOT.glob(pattern))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_of_pages_lead_somewhere(page):
    text = re.sub(r"```.+?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", text):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def test_requirements_are_exact_supported_and_commented():
    supported = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    least = dict(line.split(">=") for line in supported)
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    pins = dict(re.match(r"(\S+)==(\S+) +# \S", line).groups() for line in lines)
    assert pins.keys() == least.keys()
    constraints = (ROOT / "constraints.txt").read_text()
    for name, pin in pins.items():
        assert check_environment.version(pin) >= check_environment.version(least[name])
        assert f"\n{name}=={pin}\n" in constraints, f"{name}: renew constraints.txt (its first lines say how)"
    assert "http" not in re.sub(r"^http\S+==", "", constraints, flags=re.M)


def test_code_is_tidy():
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# ---- check_environment


def test_environment_is_ok_here():
    assert check_environment.problems() == []


def test_environment_names_what_is_missing_or_old():
    def installed(name):
        if name == "scipy":
            raise metadata.PackageNotFoundError(name)
        return "1.25.9" if name == "numpy" else "99.0"

    found = check_environment.problems(installed=installed)
    assert len(found) == 2 and "numpy 1.25.9 is too old" in found[0] and "scipy is not installed" in found[1]
    assert "too old" in check_environment.problems(python=(3, 10, 2))[0]


# ---- the Makefile, in a folder of its own


def workplace(tmp_path, python=None):
    """A folder with the Makefile and a PATH that holds only sh's tools and, if given, a python3 made of this text."""
    for name in ("Makefile", "requirements.txt", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("make", "sh", "rm", "touch", "mkdir", "cat", "chmod"):
        os.symlink(shutil.which(tool), tools / tool)
    if python:
        executable(tools / "python3", python)
    return tools


def executable(path, text):
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def make(tmp_path, *arguments):
    return subprocess.run(
        ["make", *arguments], cwd=tmp_path, env={"PATH": str(tmp_path / "tools")}, capture_output=True, text=True
    )


OLD = "#!/bin/sh\nexit 1\n"
NO_VENV = '#!/bin/sh\n[ "$2" = venv ] && exit 1\necho Python 3.11.0\nexit 0\n'
NO_NETWORK = """#!/bin/sh
if [ "$2" = venv ]; then
  mkdir -p .venv/bin
  printf '#!/bin/sh\\necho no route to host >&2\\nexit 1\\n' > .venv/bin/python
  chmod +x .venv/bin/python
fi
echo Python 3.11.0
"""


@needs_make
@pytest.mark.parametrize("python, message", [
    (None, "no Python 3.11 or newer found"), (OLD, "no Python 3.11 or newer found"),
    (NO_VENV, "no working venv module"), (NO_NETWORK, "pip could not install the requirements"),
])  # fmt: skip
def test_set_up_says_what_is_missing(tmp_path, python, message):
    workplace(tmp_path, python)
    done = make(tmp_path, "test")
    assert done.returncode != 0 and f"set-up: {message}" in done.stderr.replace("set-up: python3 has", "set-up:")
    assert not (tmp_path / ".venv" / "ready").exists()


@needs_make
@pytest.mark.parametrize("java, message", [
    (None, "and none was found"),
    ("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n", "and this one is 11"),
])  # fmt: skip
def test_spark_without_java_stops_before_it_downloads(tmp_path, java, message):
    tools = workplace(tmp_path, f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "tests").mkdir()
    for name in ("requirements-spark.txt", "tests/on_spark.py", "tests/warehouse.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    if java:
        executable(tools / "java", java)
    done = make(tmp_path, "test-spark")
    assert done.returncode != 0 and f"Spark needs Java 17 or newer, {message}" in done.stderr
    assert not (tmp_path / ".venv-spark").exists()


@needs_make
def test_set_up_happens_again_only_when_requirements_change(tmp_path):
    workplace(tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "ready").touch()
    assert "pip" not in make(tmp_path, "-n", "test").stdout
    os.utime(tmp_path / "requirements.txt", (2_000_000_000, 2_000_000_000))
    assert "pip install" in make(tmp_path, "-n", "test").stdout


# ---- run.py


def small_notebook(folder, *sources):
    folder.mkdir(parents=True)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbformat.write(book, folder / "small_demo.ipynb")
    (folder / "published_figures.csv").write_text("id,published,verdict,note\na,0.5,reproduced,\nb,7%,reproduced,\n")
    return folder / "small_demo.ipynb"


HEADLINE = "dict(decision='d', method='m', naive=.2, estimate=.1, lo=.05, hi=.15, truth=.1, unit='pp')"


def at(tmp_path, monkeypatch, *sources):
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "CACHE", tmp_path / ".results")
    for name in ("requirements.txt", "constraints.txt", "data/generate_data.py", "data/synthetic_llm_logs.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return small_notebook(tmp_path / "08_small", *sources)


def test_run_executes_what_changed_and_prints_the_score(tmp_path, monkeypatch, capsys):
    found = f"headline = {HEADLINE}\ncomputed = dict(a=0.44, b=0.07)"
    notebook = at(tmp_path, monkeypatch, "print('hello')", found)
    results = run.run_notebooks()
    assert "executed in" in capsys.readouterr().out
    board = run.scoreboard(results)
    assert "1 / 2" in board and "+20.0 pp" in board and "+10.0 pp [5.0, 15.0]" in board
    assert "hello" in notebook.read_text() and len(nbformat.read(notebook, 4).cells) == 2
    first = notebook.read_bytes()
    run.run_notebooks()
    assert "unchanged" in capsys.readouterr().out
    run.run_notebooks(every=True)
    assert "executed in" in capsys.readouterr().out and notebook.read_bytes() == first
    (notebook.parent / "published_figures.csv").write_text("id,published,verdict,note\na,0.5,reproduced,\n")
    run.run_notebooks()
    assert "executed in" in capsys.readouterr().out


def test_run_executes_solutions_when_their_tutorial_changes(tmp_path, monkeypatch, capsys):
    notebook = at(tmp_path, monkeypatch, f"headline = {HEADLINE}\ncomputed = dict(a=0.5, b=0.07)")
    mirror = notebook.with_suffix(".py")
    mirror.write_text("from math import sqrt\nROOTS = [sqrt(4)]\ndef f(x):\n    return x + ROOTS[0]\n1 / 0\n")
    found = run.definitions(mirror)
    assert found["f"](1) == 3  # and nothing was divided by zero
    shutil.copy(notebook, notebook.with_name("small_solutions.ipynb"))
    assert list(run.run_notebooks()) == [notebook]
    assert re.findall(r"its solutions +(\w+)", capsys.readouterr().out) == ["executed"]
    mirror.write_text("ROOTS = [3]\n")
    run.run_notebooks()
    said = re.findall(r"(08_small|its solutions) +(\w+)", capsys.readouterr().out)
    assert said == [("08_small", "unchanged"), ("its solutions", "executed")]


def test_run_names_the_notebook_that_raised_and_leaves_it(tmp_path, monkeypatch):
    notebook = at(tmp_path, monkeypatch, "x = 1", "raise ValueError('the sky fell')")
    before = notebook.read_bytes()
    with pytest.raises(run.Stop, match="08_small.small_demo.ipynb raised") as error:
        run.run_notebooks()
    assert str(error.value).endswith("small_demo.ipynb: ValueError: the sky fell")
    assert notebook.read_bytes() == before and not list(Path(notebook.parent).glob("*.partial"))


def test_stored_text_does_not_depend_on_when_it_was_printed():
    def printed(text, name="stdout"):
        return nbformat.v4.new_output("stream", name=name, text=text)

    table = nbformat.v4.new_output("display_data", {"text/plain": "table"})
    joined = run._joined([printed("a"), printed("b"), table, printed("c"), printed("d", "stderr"), printed("e")])
    assert [o.get("text", "table") for o in joined] == ["ab", "table", "c", "d", "e"]
