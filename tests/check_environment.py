"""Say whether this machine can run the series: OK, or what to install.

`make check`, or python tests/check_environment.py. It needs nothing but Python itself, so that it can tell what is
missing.
"""

import re
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def version(text):
    """The leading numbers of a version, for comparing: "2.4.6rc1" -> (2, 4, 6)."""
    return tuple(int(number) for number in re.findall(r"\d+", text.partition("+")[0])[:3])


def problems(root=ROOT, installed=metadata.version, python=sys.version_info):
    """What stands in the way, one line each; the supported versions are those of pyproject.toml."""
    found = []
    if python < (3, 11):
        return [f"Python {python[0]}.{python[1]} is too old: install 3.11 or newer from https://www.python.org/downloads/"]
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for requirement in project["dependencies"]:
        name, _, least = requirement.partition(">=")
        try:
            here = installed(name)
        except metadata.PackageNotFoundError:
            found.append(f"{name} is not installed: pip install -r requirements.txt -c constraints.txt")
            continue
        if version(here) < version(least):
            found.append(f"{name} {here} is too old, {least} or newer is needed: pip install --upgrade {name}")
    if not (root / "data" / "generate_data.py").exists():
        found.append("data/generate_data.py is missing: clone the whole repository, not a single folder")
    return found


def main():
    found = problems()
    print("\n".join(found) if found else f"OK: Python {sys.version.split()[0]} and all packages are there")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
