"""Build a site on which the notebooks run in a browser, with nothing installed (JupyterLite). `make lite` calls this.

python lite.py [FOLDER]    the site, in FOLDER (default: .lite/site); put it on any server of files, or look at it with
                           python -m http.server --directory .lite/site

It holds the notebooks, the tools, the SQL and the data. Python itself and the packages that have compiled parts come
from Pyodide's own distribution, when a reader opens the page; the packages below, which it lacks, are on the site. They
are written into Pyodide's list of packages, so that an import finds them; nothing is fetched from anywhere else.
`--pyodide FOLDER` puts a distribution of Pyodide on the site, too: then it needs no other server.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import run
from run import ROOT

KERNEL = "@jupyterlite/pyodide-kernel-extension:kernel"
CDN = "https://cdn.jsdelivr.net/pyodide/v{}/full/"
# What Pyodide lacks, all of it pure Python: the packages that the notebooks import, and what these import.
EXTRA = {
    "rdrobust": ["numpy", "pandas", "scipy", "matplotlib", "plotnine"],
    "rddensity": ["numpy", "pandas", "scipy", "plotnine", "lpdensity", "sympy"],
    "lpdensity": ["numpy", "pandas", "scipy", "plotnine", "sympy"],
    "pysyncon": ["numpy", "pandas", "scipy", "matplotlib"],
    "plotnine": ["numpy", "pandas", "scipy", "matplotlib", "mizani", "statsmodels"],
    "mizani": ["numpy", "pandas", "scipy", "tzdata"],
    "comm": [],  # the kernel asks for it
}
# What modules of the series import: the kernel looks for imports in cells only. The others come when a cell asks.
AT_ONCE = ["numpy", "pandas", "scipy", "matplotlib", "pillow", "threadpoolctl", "duckdb", "tqdm", "tzdata", "comm"]
CONTENTS = (
    "[0-9][0-9]_*/*.ipynb", "[0-9][0-9]_*/*.sql", "[0-9][0-9]_*/*.csv", "[0-9][0-9]_*/*.md",
    "[0-9][0-9]_*/figures/*.png", "data/*.py", "data/*.csv", "data/*.md", "data/*.png", "data/real/*", "*.md",
)  # fmt: skip


def contents():
    """What a reader finds on the site, as paths from the root: no mirrors, for their notebooks are there."""
    found = {path for pattern in CONTENTS for path in ROOT.glob(pattern) if path.is_file()}
    found.update(path for folder in run.folders() for path in run.scripts(folder))
    return sorted(path.relative_to(ROOT) for path in found)


def call(*command, cwd):
    """Call a program; end with a line below its own where it failed."""
    if subprocess.run(command, cwd=cwd).returncode:
        sys.exit(f"lite: {' '.join(command[2:5])} failed (its reason stands above); there is no site.")


def wheels(folder):
    """Download the packages of EXTRA, in the versions that constraints.txt has for everybody; their files."""
    shutil.rmtree(folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    call(*pip, "--only-binary", ":all:", "--dest", str(folder), "-c", "constraints.txt", *EXTRA, cwd=ROOT)
    return sorted(folder.glob("*-none-any.whl"))


def with_wheels(lock, files, base="", place=""):
    """Pyodide's list of packages (pyodide-lock.json, as a dict), to which wheels are added.

    base: where the packages are that it has by now; place: where the wheels are. Both end in "/", or are "" for the
    folder of the list itself.
    """
    packages = {name: spec | {"file_name": base + spec["file_name"]} for name, spec in lock["packages"].items()}
    for file in files:
        name, version = file.name.split("-")[:2]
        with zipfile.ZipFile(file) as wheel:
            tops = {Path(entry).parts[0] for entry in wheel.namelist()}
        packages[name] = {
            "name": name, "version": version, "file_name": place + file.name, "install_dir": "site",
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "package_type": "package",
            "imports": sorted(top for top in tops if not top.endswith((".dist-info", ".py"))),
            "depends": [other for other in EXTRA[name] if other in {*lock["packages"], *EXTRA}],
            "unvendored_tests": False,
        }  # fmt: skip
    return lock | {"packages": packages}


def packages_of(pyodide, base):
    """Pyodide's list of packages, a dict: of a folder, or, for None, of its own server's address `base`."""
    try:
        if pyodide:
            return json.loads((pyodide / "pyodide-lock.json").read_text(encoding="utf-8"))
        with urllib.request.urlopen(base + "pyodide-lock.json", timeout=60) as answer:
            return json.load(answer)
    except (OSError, ValueError) as error:
        sys.exit(f"lite: Pyodide's list of packages cannot be had from {pyodide or base} ({error}); nothing was built. "
                 "Is the network up? With --pyodide FOLDER a distribution is taken from there.")  # fmt: skip


def build(site, pyodide=None):
    """Write the site. pyodide: a folder with a distribution of Pyodide, or None for its own server."""
    from jupyterlite_pyodide_kernel.constants import PYODIDE_VERSION

    base = "" if pyodide else CDN.format(PYODIDE_VERSION)
    lock = packages_of(pyodide, base)
    work = ROOT / ".lite"
    if site.exists():
        shutil.rmtree(site)
    shutil.rmtree(work / "contents", ignore_errors=True)
    for path in contents():
        (work / "contents" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, work / "contents" / path)
    files = wheels(work / "wheels")
    command = [sys.executable, "-m", "jupyter", "lite", "build", "--lite-dir", str(work), "--output-dir", str(site),
               "--contents", str(work / "contents"), "--apps", "lab", "--apps", "notebooks"]  # fmt: skip
    for file in files:
        command += ["--piplite-wheels", str(file)]
    call(*command, cwd=work)

    settings = {"disablePyPIFallback": True}
    if pyodide:
        shutil.copytree(pyodide, site / "static" / "pyodide", dirs_exist_ok=True)
        lock_file = site / "static" / "pyodide" / "pyodide-lock.json"
        module = "pyodide.mjs" if lock["info"]["python"] >= "3.14" else "pyodide.js"
        settings["pyodideUrl"] = f"./static/pyodide/{module}"
    else:
        lock_file = site / "static" / "pyodide-lock" / "pyodide-lock.json"
        lock_file.parent.mkdir(parents=True)
    for file in files:
        shutil.copy(file, lock_file.parent)
    lock = with_wheels(lock, files, base, "" if pyodide else "../../static/pyodide-lock/")
    lock_file.write_text(json.dumps(lock), encoding="utf-8")
    at_once = [name for name in AT_ONCE if name in lock["packages"]]
    settings["loadPyodideOptions"] = {"lockFileURL": f"./{lock_file.relative_to(site).as_posix()}", "packages": at_once}
    page = json.loads((site / "jupyter-lite.json").read_text(encoding="utf-8"))
    page["jupyter-config-data"] |= {"appName": "Measuring LLM features", "exposeAppInBrowser": True}
    plugins = page["jupyter-config-data"].setdefault("litePluginSettings", {})
    plugins[KERNEL] = plugins.get(KERNEL, {}) | settings
    (site / "jupyter-lite.json").write_text(json.dumps(page, indent=1), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", nargs="?", type=Path, default=ROOT / ".lite" / "site", metavar="FOLDER")
    parser.add_argument("--pyodide", type=Path, metavar="FOLDER", help="a distribution of Pyodide, to put on the site")
    options = parser.parse_args()
    build(options.site.resolve(), options.pyodide)
    print(f"{options.site}: {len(contents())} files for readers. python -m http.server --directory {options.site}")
