"""Open notebooks as a hosted notebook does: without their folder, under an old IPython. `make test-hosted` calls this.

python tests/on_hosted.py [NN ...]    the tutorials of these folders (default: all)

Each must stop in its first cell and say which lines fetch the series. Those lines are run, with a copy of this folder
in place of the address; then all cells must give the stored texts, pictures and descriptions, and nothing on stderr.
Runs in an environment that has none of the tools of this repository: see requirements-hosted.txt.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import IPython
import nbformat
from nbclient import NotebookClient

sys.path.append(str(Path(__file__).resolve().parent.parent))
from notebook_tools import chosen, copy_of_the_series  # noqa: E402

WRITTEN = re.compile(r"^synthetic_llm_logs\.csv was missing: generated it .*\n", flags=re.M)  # in a fresh clone


def repository(folder):
    """A git repository with the files of this one, as they are."""
    copy_of_the_series(folder)
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x", "--no-gpg-sign"]):
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-c", "safe.directory=*", *arguments]
        subprocess.run(command, cwd=folder, check=True)


def run(book, folder):
    """Execute a notebook in a folder; errors are kept as outputs."""
    client = NotebookClient(book, timeout=600, allow_errors=True, kernel_name="python3", record_timing=False,
                            resources={"metadata": {"path": str(folder)}})  # fmt: skip
    return client.execute()


def shown(cell):
    """What a cell shows, as strings; printed text in one piece, pictures by their descriptions."""
    printed, others = {}, []
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            printed[output.name] = printed.get(output.name, "") + output.text
        elif output.output_type == "error":
            others.append(f"{output.ename}: {output.evalue}")
        elif "image/png" in output.data:
            others.append(f"picture {output.metadata.get('image/png')}")
        else:
            others.append(output.data["text/plain"])
    texts = [(name, WRITTEN.sub("", text)) for name, text in printed.items()]
    return [*((name, text) for name, text in texts if text), *others]


def try_one(notebook, address, folder):
    """Lines that say what went wrong, none where all is well."""
    book = nbformat.read(notebook, as_version=4)
    alone = nbformat.from_dict(book)
    first = next(k for k, cell in enumerate(alone.cells) if cell.cell_type == "code")
    alone.cells = alone.cells[: first + 1]
    said = shown(run(alone, folder).cells[-1])
    lines = re.search(r"Run these lines in a cell above:\n(!git clone (\S+) series\n%cd .+\n%pip install .+)",
                      str(said[-1]) if said else "")  # fmt: skip
    if not lines:
        return [f"{notebook.name}: alone, its first cell says {said}"]

    before = nbformat.v4.new_code_cell(lines[1].replace(lines[2], str(address)))
    stored = [shown(cell) for cell in book.cells]
    book.cells.insert(0, before)
    cells = run(book, folder).cells[1:]
    wrong = [f"{notebook.name}, cell {number}: {now}\n    instead of {then}"
             for number, (cell, then) in enumerate(zip(cells, stored, strict=True), 1)
             if (now := shown(cell)) != then]  # fmt: skip
    count = sum(cell.cell_type == "code" for cell in cells)
    print(f"{notebook.name}: {count - len(wrong)} of {count} cells of code show what is stored", flush=True)
    return wrong


def main(numbers):
    print(f"Python {sys.version.split()[0]}, IPython {IPython.__version__}")
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    notebooks = chosen(numbers)
    wrong = []
    with tempfile.TemporaryDirectory() as place:
        repository(Path(place, "repository"))
        for notebook in notebooks:
            folder = Path(place, notebook.stem)
            folder.mkdir()
            wrong += try_one(notebook, Path(place, "repository"), folder)
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main(sys.argv[1:])
