"""What the tests themselves stand on: an execution is kept and found again, figures are put back, groups of tests."""

import pickle

import notebook_tools
import pytest
from test_run import DRAW, FOUND, edit, write

import conftest
import run


@pytest.fixture
def scripts(monkeypatch):
    """The names of mirrors that were run as scripts."""
    ran, run_script = [], notebook_tools.run_script

    def counted(script, *arguments, **options):
        ran.append(script.name)
        return run_script(script, *arguments, **options)

    monkeypatch.setattr(notebook_tools, "run_script", counted)
    return ran


def test_namespace_is_that_of_the_last_execution_or_of_the_mirror_run_once(series, scripts):
    notebook = write(series, "08_small/small_demo.ipynb", FOUND, "x = [1, 2]\nprint('hello')")
    assert notebook_tools.namespace(notebook)["x"] == [1, 2] and scripts == ["small_demo.py"]
    assert notebook_tools.executed(notebook)["computed"] == {"a": 0.44, "b": 0.07}
    edit(notebook, "[1, 2]", "[1, 3]")
    assert notebook_tools.namespace(notebook)["x"] == [1, 3] and scripts == 2 * ["small_demo.py"]
    file = series / ".results" / "small_demo.pickle"
    for damage in (b"", file.read_bytes()[:-20], pickle.dumps({"key": "another"})):
        file.write_bytes(damage)
        notebook_tools._namespace.cache_clear()
        assert notebook_tools.namespace(notebook)["x"] == [1, 3]
    assert len(scripts) == 5
    result = run.run_notebooks()[notebook]
    notebook_tools._namespace.cache_clear()
    assert notebook_tools.namespace(notebook)["x"] == [1, 3] and len(scripts) == 5
    with notebook_tools.harvesting(notebook) as path:  # a later execution of the same code, by the tests
        path.write_bytes(pickle.dumps({"headline": None}) + pickle.dumps({"x": pickle.dumps(4)}))
    assert notebook_tools.namespace(notebook) == {"x": 4}
    assert run.last_result(notebook)["stored"] == result["stored"] and run.unchanged(notebook)


def test_namespace_does_not_share_its_dict(series):
    notebook = write(series, "08_small/small_demo.ipynb", "x = 1")
    notebook_tools.namespace(notebook)["x"] = 2
    assert notebook_tools.namespace(notebook)["x"] == 1


def test_variables_of_a_tools_class_can_be_read(series):
    """Its module is not where Python looks; the class of a notebook itself is left away."""
    (series / "08_small").mkdir()
    (series / "08_small" / "measured.py").write_text("class Result:\n    def __init__(self, x):\n        self.x = x\n")
    notebook = write(series, "08_small/small_demo.ipynb", "from measured import Result\nresult = Result(5)")
    assert notebook_tools.namespace(notebook)["result"].x == 5


def test_a_script_that_fails_is_shown(series):
    notebook = write(series, "08_small/small_demo.ipynb", "raise ValueError('the sky fell')")
    with pytest.raises(AssertionError, match="(?s)small_demo.py failed:.+the sky fell"):
        notebook_tools.namespace(notebook)
    assert run.last_result(notebook) == {}


def test_figures_that_tests_draw_are_put_back(series, scripts):
    notebook = write(series, "08_small/small_demo.ipynb", DRAW.format(height=1.0, label=35, dpi=90))
    figures = notebook.parent / "figures"
    notebook.with_suffix(".py").write_text(
        notebook.with_suffix(".py").read_text().replace('"figures/', f'"{figures.as_posix()}/')  # it runs elsewhere
    )
    other = write(series, "09_more/more_demo.ipynb", "1")
    for file in (figures / "line.png", figures / "not_drawn.png", other.parent / "figures" / "line.png"):
        file.write_bytes(b"stored")
    drawn = notebook_tools.drawn_figures(notebook)
    assert set(drawn) == {"line.png"} and drawn["line.png"].startswith(b"\x89PNG")
    assert {path.name: path.read_bytes() for path in figures.iterdir()} == {
        "line.png": b"stored", "not_drawn.png": b"stored"
    }  # fmt: skip
    assert (other.parent / "figures" / "line.png").read_bytes() == b"stored"
    assert notebook_tools.drawn_figures(notebook) is drawn and len(scripts) == 1
    with pytest.raises(ZeroDivisionError), notebook_tools.drawing(other):
        (other.parent / "figures" / "line.png").write_bytes(b"half")
        (other.parent / "figures" / "new.png").write_bytes(b"half")
        raise ZeroDivisionError
    assert [path.read_bytes() for path in (other.parent / "figures").iterdir()] == [b"stored"]


def test_interrupted_tests_put_back_what_they_were_drawing_and_no_more(series, monkeypatch, tmp_path_factory):
    one, two = (write(series, f"{name}/{name[3:]}_demo.ipynb", "1") for name in ("08_one", "09_two"))
    copies = tmp_path_factory.mktemp("stored")
    monkeypatch.setenv("STORED_FIGURES", str(copies))
    for notebook in (one, two):
        (notebook.parent / "figures" / "a.png").write_bytes(b"stored")
        (copies / notebook.parent.name).mkdir()
        (copies / notebook.parent.name / "a.png").write_bytes(b"stored")
    notebook_tools.begin_drawing(one)  # and no end
    for notebook in (one, two):
        (notebook.parent / "figures" / "a.png").write_bytes(b"changed")
    notebook_tools.put_back_interrupted()
    assert (one.parent / "figures" / "a.png").read_bytes() == b"stored"
    assert (two.parent / "figures" / "a.png").read_bytes() == b"changed"


def test_groups_keep_a_folder_together():
    notebook = run.notebooks()[1]
    folder, stem = notebook.parent.name, notebook.stem
    for test in (f"{folder}/{stem}.ipynb::Cell 3", f"tests/test_m.py::test_x[{stem}]",
                 f"tests/test_x.py::test_x[7-{stem}-a]", f"tests/test_c.py::test_c[{folder}/{stem}.py]"):  # fmt: skip
        assert conftest.group_of(test) == folder
    for test, group in (("tests/test_02_psm.py::test_x[a-02]", "tests/test_02_psm.py"),
                        (f"tests/test_x.py::test_{stem}", "tests/test_x.py")):  # fmt: skip
        assert conftest.group_of(test) == group
    alone = conftest.group_of(f"tests/test_other_data.py::test_x[{stem}]")
    assert alone not in (folder, "tests/test_other_data.py")
