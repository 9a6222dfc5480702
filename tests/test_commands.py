"""The commands of README.md and the Makefile: they exist, do no more than is needed, and fail with a clear line."""

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tomllib
from importlib import metadata

import check_environment
import pytest

import run

ROOT = run.ROOT
README = (ROOT / "README.md").read_text(encoding="utf-8")
needs_make = pytest.mark.skipif(sys.platform == "win32", reason="make: Linux and macOS; Windows uses the pip commands")


def targets():
    """What make can be asked for; a pattern (test-%) as a regular expression."""
    rules = re.findall(r"^([a-z0-9% -]+):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M)
    return {target.replace("%", r"\d\d") for rule in rules for target in rule.split()}


def test_every_make_command_of_the_pages_exists():
    for page in (README, (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        named = set(re.findall(r"`make ([a-z0-9-]+)", page)) | set(re.findall(r"^make ([a-z0-9-]+)", page, flags=re.M))
        assert named, "the pattern finds none"
        for name in named:
            assert any(re.fullmatch(target, name) for target in targets()), f"make {name}"
    assert {"test", "lab", "bench", "check"} <= set(re.findall(r"make ([a-z]+)", README))


def test_plain_commands_of_the_readme_run_what_make_runs():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in ("pip install", "-r requirements.txt -c constraints.txt", "run.py", "-m pytest"):
        assert command in makefile and command in README
    for script in re.findall(r"^python (\S+\.py)", README, flags=re.M):
        assert (ROOT / script).exists(), script


def blocks():
    """The README's blocks of commands: with make, and without; comments at the ends of lines left away."""
    found = re.findall(r"```\n(.+?)```", README.partition("## Run it")[2], flags=re.S)
    return [[line.partition("#")[0].strip() for line in block.splitlines()] for block in found]


def steps(workflow):
    """The commands that a workflow runs, whole lines."""
    single = re.findall(r"^ +(?:- )?run: (?!\|)(.+)$", workflow, flags=re.M)
    several = re.findall(r"^( +)(?:- )?run: \|\n((?:\1 .+\n)+)", workflow, flags=re.M)
    return [line.strip() for line in [*single, *(line for _, block in several for line in block.splitlines())]]


def test_ci_runs_the_readme_command():
    """Line by line: `make test-spark` holds the words `make test`, and is not what is asked for."""
    with_make, _ = blocks()
    assert with_make == ["make", "make test"]
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if re.match(r"make\b", line)] == [with_make[-1]]
    assert with_make[-1] in steps((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))


def test_ci_runs_the_readme_commands_for_people_without_make():
    _, without_make = blocks()
    ours = [line for line in steps((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")) if "python" in line]
    assert len(ours) >= 4 and set(ours) <= set(without_make)


def test_ci_tries_spark_only_where_java_is():
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"^if .*on_spark\.py --check; then make test-spark; else echo .+; fi$", text, flags=re.M)


PAGES = [path for pattern in ("*.md", "data/**/*.md", "[0-9][0-9]_*/*.md") for path in sorted(ROOT.glob(pattern))]


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
    for tool in ("make", "sh", "rm", "touch", "mkdir", "cat", "chmod", "cp"):
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


def set_up(tmp_path):
    """A folder in which set-up has ended well; returns the Python of its virtual environment."""
    workplace(tmp_path, f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.symlink_to(sys.executable)
    (tmp_path / ".venv" / "ready").touch()
    return python


@needs_make
def test_set_up_happens_again_only_when_requirements_change(tmp_path):
    set_up(tmp_path)
    assert "pip" not in make(tmp_path, "-n", "test").stdout
    os.utime(tmp_path / "requirements.txt", (2_000_000_000, 2_000_000_000))
    assert "pip install" in make(tmp_path, "-n", "test").stdout


@needs_make
def test_make_works_in_a_folder_with_an_awkward_name(tmp_path):
    folder = tmp_path / "Bob's [2026] cöurse"
    folder.mkdir()
    python = '#!/bin/sh\nif [ "$2" = venv ]; then mkdir -p "$4"/bin; cp "$0" "$4"/bin/python; fi\n'
    python += 'echo "$@" >> said\necho Python 3.11\n'
    workplace(folder, python)
    for target in ([], ["test"], ["test-03"], ["sync"]):
        done = make(folder, *target)
        assert done.returncode == 0 and done.stderr == "", done.stderr
    said = (folder / "said").read_text()
    assert [line for line in said.splitlines() if line.startswith(("run.py", "-m pytest"))] == [
        "run.py", "-m pytest", "-m pytest --folder 03", "run.py --sync"
    ]  # fmt: skip
    assert said.count("-m venv") == 1


@needs_make
def test_environment_whose_python_is_gone_is_made_anew(tmp_path):
    python = set_up(tmp_path)
    python.unlink()
    python.symlink_to("/where/no/python/is")
    assert "pip install" in make(tmp_path, "-n", "test").stdout


@needs_make
def test_python_that_is_asked_for_is_taken_or_nothing(tmp_path):
    """`make PYTHON=/nonexistent` once took another without a word."""
    set_up(tmp_path)
    done = make(tmp_path, "PYTHON=/nonexistent")
    assert done.returncode != 0 and done.stdout == ""
    assert "set-up: PYTHON=/nonexistent is not a Python 3.11 or newer" in done.stderr and done.stderr.count("\n") == 1
    executable(tmp_path / "tools" / "old", OLD)
    assert make(tmp_path, f"PYTHON={tmp_path / 'tools' / 'old'}").returncode != 0
    assert "pip" not in make(tmp_path, "-n", f"PYTHON={sys.executable}").stdout  # the one that is there already
    executable(tmp_path / "tools" / "other", "#!/bin/sh\necho Python 3.99 /elsewhere\n")
    assert "pip install" in make(tmp_path, "-n", f"PYTHON={tmp_path / 'tools' / 'other'}").stdout


@needs_make
def test_make_of_one_folder_and_sync_call_python(tmp_path):
    set_up(tmp_path)
    assert make(tmp_path, "-n", "test-03").stdout.strip() == ".venv/bin/python -m pytest --folder 03"
    assert make(tmp_path, "-n", "test-10").stdout.strip() == ".venv/bin/python -m pytest --folder 10"
    assert make(tmp_path, "-n", "sync").stdout.strip() == ".venv/bin/python run.py --sync"
    assert "--folder" not in make(tmp_path, "-n", "test-newest", "test-oldest").stdout
