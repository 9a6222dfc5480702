"""Make the series: write the data, execute the notebooks in place, print the scoreboard. `make` calls this.

python run.py                 data if missing, every notebook that has changed since it was last run here, scoreboard
python run.py --all           every notebook, changed or not
python run.py --write-tables  the same, then renew the table of results in README.md

A notebook hands over two module-level names: `headline` (what it found) and `computed` (its value for every
published number); the scoreboard, README.md, the folders' READMEs and the tests all read them through this file.
"""

import argparse
import ast
import csv
import hashlib
import json
import math
import os
import re
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
CACHE = ROOT / ".results"  # one JSON per notebook: what it found when it was last run here
HANDED_OVER = ("headline", "computed")


class Stop(Exception):
    """A step failed; the message says which one and what to do."""


def notebooks():
    """Paths of the tutorials, in reading order; a folder takes part by being there."""
    return sorted(ROOT.glob("[0-9][0-9]_*/*_demo.ipynb"))


def executed_notebooks():
    """Paths of all notebooks that are stored with outputs: tutorials and solutions."""
    return sorted(ROOT.glob("[0-9][0-9]_*/*.ipynb"))


def definitions(mirror, source=None):
    """What a tutorial defines, without running it: a dict of its imports, functions and constants (ALL_CAPS).

    The solutions take the functions of their tutorial from here. `source` replaces the text of the file; what a
    constant is computed from must be imported, or be a constant or a function itself.
    """
    mirror = Path(mirror)
    keep = []
    for node in ast.parse(source or mirror.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)):
            keep.append(node)
        elif isinstance(node, ast.Assign) and all(isinstance(target, ast.Name) for target in node.targets):
            if all(target.id.isupper() or target.id == "here" for target in node.targets):
                keep.append(node)
        elif isinstance(node, ast.Expr) and ast.unparse(node).startswith(("sys.path", "os.environ")):
            keep.append(node)
    space = {"__file__": str(mirror), "__name__": "definitions"}
    exec(compile(ast.Module(keep, []), str(mirror), "exec"), space)
    return space


def ledger(notebook):
    """Rows of the notebook's published_figures.csv: dicts with id, published, verdict, note, ..."""
    with open(notebook.parent / "published_figures.csv", encoding="utf-8", newline="") as file:
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


def _inputs_key(notebook):
    """Hash of all that the notebook's outputs depend on."""
    import nbformat

    book = nbformat.read(notebook, as_version=4)
    parts = [f"{cell.cell_type}\n{cell.source}" for cell in book.cells]
    parts += [sys.version, *sorted(book.metadata)]  # jupytext leaves an entry there; execution removes it
    read = [ROOT / "data" / name for name in ("generate_data.py", "synthetic_llm_logs.csv")]
    read += [ROOT / "constraints.txt", ROOT / "requirements.txt"]
    for pattern in ("*.csv", "*.sql") if notebook in notebooks() else ("*.csv", "*.sql", "*_demo.py"):
        read += sorted(notebook.parent.glob(pattern))
    parts += [hashlib.sha256(file.read_bytes()).hexdigest() for file in read]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _joined(outputs):
    """The outputs of a cell with neighbouring pieces of printed text joined: how they are cut depends on timing."""
    joined = []
    for output in outputs:
        if joined and output.output_type == "stream" and output.name == joined[-1].get("name"):
            joined[-1]["text"] += output["text"]
        else:
            joined.append(output)
    return joined


def execute(notebook):
    """Execute a notebook and store it with its outputs; return its seconds, headline and computed values.

    Stored only when all of it ran: a cell that raises leaves the file as it was, and raises Stop.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    book = nbformat.read(notebook, as_version=4)
    fetch = f"import json; print(json.dumps({{name: globals().get(name) for name in {HANDED_OVER}}}, default=float))"
    book.cells.append(nbformat.v4.new_code_cell(fetch))
    client = NotebookClient(
        book,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],  # its warnings about transport are not for readers
        resources={"metadata": {"path": str(notebook.parent)}},
    )
    start = time.perf_counter()
    try:
        client.execute()
    except CellExecutionError as error:
        raise Stop(f"{notebook.relative_to(ROOT)} raised in the cell below; the file was left as it was.\n{error}\n"
                   f"{notebook.name}: {error.ename}: {error.evalue}") from None  # fmt: skip
    except (DeadKernelError, TimeoutError, RuntimeError) as error:
        raise Stop(f"{notebook.relative_to(ROOT)}: the kernel stopped ({error}). Run `make` again.") from None
    seconds = time.perf_counter() - start
    found = json.loads(book.cells.pop().outputs[0]["text"])
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
        cell.metadata = {"tags": cell.metadata["tags"]} if "tags" in cell.metadata else {}
    book.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
    }
    partial = notebook.with_suffix(".partial")
    partial.write_text(nbformat.writes(book) + "\n", encoding="utf-8", newline="\n")
    os.replace(partial, notebook)
    return {"seconds": seconds, **found}


def run_notebooks(every=False):
    """Execute what has changed since it was last run here, a line of progress each; return {tutorial: result}."""
    CACHE.mkdir(exist_ok=True)
    results = {}
    for notebook in executed_notebooks():
        memo = CACHE / f"{notebook.stem}.json"
        name = notebook.parent.name if notebook in notebooks() else "   its solutions"
        print(f"  {name:<32}", end="", flush=True)
        result = json.loads(memo.read_text(encoding="utf-8")) if memo.exists() else {}
        if every or result.get("key") != _inputs_key(notebook):
            result = execute(notebook)
            result["key"] = _inputs_key(notebook)
            memo.write_text(json.dumps(result), encoding="utf-8")
            print(f"executed in {result['seconds']:.1f} s")
        else:
            print(f"unchanged since it ran ({result['seconds']:.1f} s)")
        if notebook in notebooks():
            results[notebook] = result
    return results


def scoreboard(results):
    """The scoreboard as text: a row per notebook."""
    lines = [
        f"{'notebook':<32}{'reproduced':>12}  {'naive':<10} {'estimate [95% interval]':<26} {'truth':<10}   seconds"
    ]
    for notebook, result in results.items():
        good, total = count_reproduced(result["computed"], ledger(notebook))
        cells = shown(result["headline"])
        lines.append(f"{notebook.parent.name:<32}{f'{good} / {total}':>12}  {cells['naive']:<10} "
                     f"{cells['estimate']:<26} {cells['truth']:<10} {result['seconds']:>9.1f}")  # fmt: skip
    return "\n".join(lines)


def results_table(results):
    """README.md's table of notebooks, Markdown; the run time is the one that the notebook promises."""
    lines = [
        "| | decision | method | naive | estimate [95 %] | truth | run time |",
        "|---|---|---|---|---|---|---|",
    ]
    for notebook, result in results.items():
        head, cells = result["headline"], shown(result["headline"])
        where = f"[{notebook.parent.name}]({notebook.parent.name}/{notebook.name})"
        mirror = notebook.with_suffix(".py").read_text(encoding="utf-8")
        limit = re.search(r"\*\*Run time:\*\* under (\d+) seconds", mirror)[1]
        lines.append(f"| {where} | {head['decision']} | {head['method']} | {cells['naive']} | {cells['estimate']} "
                     f"| {cells['truth']} | under {limit} s |")  # fmt: skip
    return "\n".join(lines)


def write_between(page, name, text):
    """Renew what stands between a page's two markers, <!-- name --> and <!-- end of name -->."""
    before, _, rest = page.read_text(encoding="utf-8").partition(f"<!-- {name} -->\n")
    _, _, after = rest.partition(f"<!-- end of {name} -->")
    text = f"{before}<!-- {name} -->\n{text}\n<!-- end of {name} -->{after}"
    page.write_text(text, encoding="utf-8", newline="\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="execute notebooks that have not changed, too")
    parser.add_argument("--write-tables", action="store_true", help="renew the table in README.md")
    options = parser.parse_args()
    try:
        sys.path.insert(0, str(ROOT / "data"))
        import generate_data

        if generate_data.DATASET.exists():
            kind = "the published dataset" if generate_data.is_published() else "not the published dataset"
            print(f"Data: {generate_data.DATASET.name} is there ({kind})")
        else:
            generate_data.write_logs()
            print(f"Data: wrote {generate_data.DATASET.name}")
        print("Notebooks:")
        results = run_notebooks(options.all)
        print("\n" + scoreboard(results))
        if options.write_tables:
            write_between(ROOT / "README.md", "results", results_table(results))
    except ImportError as error:
        print(f"\nrun.py: {error}. Set up first: `make`, or the pip commands in README.md.", file=sys.stderr)
        return 1
    except (Stop, OSError, ValueError) as error:
        print(f"\nrun.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
