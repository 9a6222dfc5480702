"""The series runs on machines that are not like ours: 32-bit, hosted, under other versions, in folders of any name."""

import ast

import pytest
from notebook_tools import FIRST_EDITION

import run

# ---- where a pointer has 32 bits (Python in the browser)

CODE = [path for folder in (run.ROOT / "data", *run.folders()) for path in sorted(folder.glob("*.py"))
        if not (path.parent.name[:2] in FIRST_EDITION and path.stem.endswith("_demo"))]  # fmt: skip


def uncast(source):
    """Line numbers of calls of np.bincount whose first argument is not cast to np.intp in the call.

    NumPy takes only what is sure to fit into np.intp: where that has 32 bits, bincount of an int64 raises.
    """
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    calls = [call for call in calls if getattr(call.func, "attr", getattr(call.func, "id", "")) == "bincount"]
    return [call.lineno for call in calls if not call.args or "np.intp" not in ast.unparse(call.args[0])]


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.stem)
def test_bincount_is_given_what_a_32_bit_machine_can_count(path):
    assert uncast(path.read_text(encoding="utf-8")) == [], f"{path.name}: np.bincount(x.astype(np.intp), ...)"


def test_uncast_finds_what_it_should():
    assert uncast("a = np.bincount(x)\nb = np.bincount(x, np.intp)\nbincount(x=y)") == [1, 2, 3]
    assert uncast("a = np.bincount(x.astype(np.intp), w)\nb = np.bincount(np.asarray(x, np.intp))") == []
