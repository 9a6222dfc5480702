"""What all tests share: the published dataset is in place, and stored figures are as they were when the tests began.

Executing a notebook or its mirror writes its figures. Under another matplotlib they differ by a pixel, so the
tests compare with a copy made at the start (STORED_FIGURES), and the copy is put back at the end.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

import run


def pytest_configure(config):
    if hasattr(config, "workerinput"):
        return  # the controller has done it
    import generate_data

    if not generate_data.DATASET.exists():
        generate_data.write_logs()
    if not generate_data.is_published():
        pytest.exit(
            f"{generate_data.DATASET} is not the published dataset, which the stored outputs belong to. "
            "Write it again: python data/generate_data.py",
            returncode=2,
        )
    os.environ["STORED_FIGURES"] = tempfile.mkdtemp()
    for folder in run.ROOT.glob("[0-9][0-9]_*/figures"):
        shutil.copytree(folder, Path(os.environ["STORED_FIGURES"], folder.parent.name))


def pytest_unconfigure(config):
    if hasattr(config, "workerinput") or "STORED_FIGURES" not in os.environ:
        return
    for copy in Path(os.environ["STORED_FIGURES"]).iterdir():
        for png in copy.iterdir():
            shutil.copyfile(png, run.ROOT / copy.name / "figures" / png.name)
    shutil.rmtree(os.environ.pop("STORED_FIGURES"))


@pytest.fixture
def stored_figures():
    """A function from a notebook to {file name: PNG bytes} of its figures, as stored in the repository."""

    def read(notebook):
        folder = Path(os.environ["STORED_FIGURES"], notebook.parent.name)
        return {path.name: path.read_bytes() for path in folder.glob("*.png")}

    return read
