"""The form of the notebooks: what comes in which order, budgets, arrows that go one way. See CONTRIBUTING.md.

A budget is a means. If a page reads worse for one, change the budget here and say why in the commit.
"""

import ast
import base64
import io
import re
import statistics

import pytest
from notebook_tools import code_cells, own_cells, read
from PIL import Image

import run

NUMBER = {path: path.parent.name[:2] for path in run.executed_notebooks()}


def of_kind(kind):
    return pytest.mark.parametrize("notebook", [p for p in NUMBER if p.stem.endswith(kind)], ids=lambda path: path.stem)


each = of_kind("")
each_tutorial = of_kind("_demo")
each_practice = of_kind("_practice")
EXERCISES = ["Change a constant", "Break an assumption", "Design something new"]


def markdown(notebook):
    return [cell.source for cell in read(notebook).cells if cell.cell_type == "markdown"]


def lines(source):
    return [line for line in source.splitlines() if line.strip()]


# ---- budgets


@each_tutorial
def test_code_keeps_its_budget(notebook):
    lengths = [len(lines(cell.source)) for cell in own_cells(notebook)]
    assert len(lengths) <= 36, f"{len(lengths)} cells of code: say less, or let the tool do it"
    assert sum(lengths) <= 450, f"{sum(lengths)} lines of code"
    assert statistics.median(lengths) <= 6, f"median {statistics.median(lengths)} lines a cell"
    assert max(lengths) <= 20, f"a cell of {max(lengths)} lines: one idea per cell"


@each_tutorial
def test_prose_keeps_its_budget(notebook):
    code = sum(len(lines(cell.source)) for cell in code_cells(notebook))
    words = sum(len(source.split()) for source in markdown(notebook))
    assert words >= 9 * code, f"{words} words for {code} lines of code"
    text = "\n".join(markdown(notebook))
    assert len(re.findall(r"\b[Tt]he article\b", text)) <= 10, "the article is examined, not retold"
    assert not re.search(r"\bmost people\b|\bMost people\b", text), "say: The tempting answer is ..."


@each
def test_paragraphs_are_short(notebook):
    for source in markdown(notebook):
        for paragraph in re.split(r"\n\s*\n|\n(?=[-|#]|\d+\. )", source):
            if not paragraph.lstrip().startswith(("|", "#", "!")):
                assert len(paragraph.split()) <= 90, paragraph


@each
def test_file_and_code_are_not_too_wide(notebook):
    assert notebook.stat().st_size < 400_000
    for cell in code_cells(notebook):
        assert all(len(line) <= 120 for line in cell.source.splitlines()), cell.source


@each_tutorial
def test_code_that_draws_is_at_most_a_quarter(notebook):
    cells = [cell.source for cell in code_cells(notebook)]
    drawing = sum(len(lines(source)) for source in cells if re.search(r"\bplt\.|\baxes\.|\bpanels?\b.*\.", source))
    assert drawing <= 0.27 * sum(len(lines(source)) for source in cells), f"{drawing} lines draw"


@each
def test_figures_are_sharp_and_complete(notebook):
    """160 dots per inch of the size at which they are displayed."""
    for cell in read(notebook).cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                picture = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
                meta = output.metadata["image/png"]
                assert picture.width >= 1.59 * meta["width"] and len(meta["alt"]) > 60


# ---- the order that a reader needs


@each_tutorial
def test_first_page(notebook):
    """Title, image of everyday life, decision, picture, answer, three doors; the data are on screen within 15 lines."""
    cells = read(notebook).cells
    opening = " ".join(cells[0].source.split())
    parts = ["# ", "**The decision", "![", "**The answer at a glance**", "**In ten minutes", "**With care",
             "**You will do:**",
             "**You will learn:**", "**You need:**", "**Run time:** under ", "**On your own logs"]  # fmt: skip
    if NUMBER[notebook] == run.notebooks()[0].parent.name[:2]:
        parts.remove("**On your own logs")  # the first one has no design of its own
    places = [opening.find(part) for part in parts]
    assert -1 not in places, f"missing: {[part for part, place in zip(parts, places, strict=True) if place < 0]}"
    assert places == sorted(places), dict(zip(parts, places, strict=True))
    picture = re.search(r"!\[([^\]]{60,})\]\((figures/[\w-]+\.png)\)", opening)
    assert picture, "the picture, as ![what to see, in 60 characters or more](figures/x.png)"
    assert (notebook.parent / picture[2]).exists()
    before = 0
    for cell in own_cells(notebook):
        before += len(lines(cell.source))
        if cell.outputs:
            break
    assert before <= 15, f"{before} lines of code before the data are on screen"


@each_tutorial
def test_sections_come_in_order(notebook):
    titles = re.findall(r"^## (.+)$", "\n".join(markdown(notebook)), flags=re.M)
    numbered = [re.match(r"(\d+)\. (.+)", title) for title in titles]
    count = sum(match is not None for match in numbered)
    assert [int(match[1]) for match in numbered[:count]] == list(range(1, count + 1))
    assert titles[count:] == ["Key ideas", "Quiz", "On your own", "References", "Appendix: the article's numbers"] or (
        NUMBER[notebook] == "01" and titles[count:] == ["Key ideas", "Quiz", "On your own", "References",
                                                        "Appendix: the numbers of the other notebooks"])  # fmt: skip
    names = [match[2] for match in numbered[:count]]
    assert names[0] == "Set up" and any(name.startswith("What you would ship") for name in names)
    assert "Is the answer honest?" in names
    if "When it fails" in names:
        assert names.index("Is the answer honest?") < names.index("When it fails")
        text = "\n".join(markdown(notebook))
        failures = [int(k) for k in re.findall(r"^### Failure (\d+)", text, flags=re.M)]
        assert failures == list(range(1, len(failures) + 1)) and failures


@each_tutorial
def test_ending(notebook):
    text = "\n".join(markdown(notebook))
    quiz = text.partition("## Quiz")[2].partition("## On your own")[0]
    assert re.findall(r"^(\d)\. ", quiz, flags=re.M) == ["1", "2", "3"]
    own = text.partition("## On your own")[2].partition("## References")[0]
    assert re.findall(r"^\d\. \*\*(.+?)\*\* \(\d+ minutes\)\.", own, flags=re.M) == EXERCISES
    assert own.count("You are right if") == 3
    cells = read(notebook).cells
    for k, cell in enumerate(cells):
        if cell.cell_type == "markdown" and "You are right if" in cell.source:
            assert cells[k + 1].cell_type == "code" and not cells[k + 1].source.strip(), (
                "an empty cell after each exercise"
            )
    assert "doi:10." in text.partition("## References")[2]


@each_tutorial
def test_nothing_is_asserted_where_a_claim_would_do(notebook):
    asserts = [line for cell in code_cells(notebook) for line in lines(cell.source) if re.match(r"\s*assert\b", line)]
    assert len(asserts) <= 2, f"asserts belong to tests/claims/{NUMBER[notebook]}.py: {asserts}"


@each_tutorial
def test_predictions_and_cells_to_live_code(notebook):
    cells = read(notebook).cells
    places = [k for k, cell in enumerate(cells) if "**Predict, then run.**" in cell.source]
    assert 2 <= len(places) <= 4 and all(cells[k + 1].cell_type == "code" for k in places)
    live = [cell for cell in code_cells(notebook) if "live-code" in cell.metadata.get("tags", [])]
    assert 1 <= len(live) <= 3
    for cell in live:
        assert cell.source.startswith("# "), f"its first line says what to write: {cell.source[:80]}"


@each
def test_one_cell_of_parameters(notebook):
    count = sum("parameters" in cell.metadata.get("tags", []) for cell in code_cells(notebook))
    assert count == (0 if notebook.stem.endswith("_solutions") else 1)


@each_practice
def test_practice_is_for_the_readers_log(notebook):
    text = "\n".join(markdown(notebook))
    assert len(own_cells(notebook)) <= 18
    assert re.search(r"^## Three questions before you look", text, flags=re.M)
    ours = re.search(r"generator|synthetic(?!_control|\s+control|\s+difference)", text)  # the method may be named
    assert not ours, "a practice notebook knows nothing of our world"
    parameters = next(cell for cell in code_cells(notebook) if "parameters" in cell.metadata.get("tags", []))
    assert re.search(r"^LOGS = ", parameters.source, flags=re.M) and re.search(
        r"^COLUMNS = ", parameters.source, flags=re.M
    )
    assert "data/real" in parameters.source or '"real"' in parameters.source
    assert any(".report()" in cell.source for cell in code_cells(notebook))


# ---- arrows go one way: data -> tool -> notebooks


MODULES = {path.stem: path for folder in [run.ROOT / "data", *run.folders()] for path in folder.glob("*.py")}


def imports(path):
    """Modules of the series that a file imports, directly."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names & MODULES.keys()


def reaches(path):
    """Modules of the series that a file imports, directly or not."""
    found, waiting = set(), [path]
    while waiting:
        for name in imports(waiting.pop()) - found:
            found.add(name)
            waiting.append(MODULES[name])
    return found


def tools():
    return [path for folder in run.folders() for path in run.scripts(folder)]


BLIND = [*tools(), *(p.with_suffix(".py") for p in NUMBER if p.stem.endswith("_practice")),
         run.ROOT / "data" / "own_logs.py",
         run.ROOT / "data" / "series.py"]  # fmt: skip


@pytest.mark.parametrize("path", BLIND, ids=lambda path: path.name)
def test_tools_and_practice_never_see_the_generator(path):
    assert "generate_data" not in reaches(path)


@pytest.mark.parametrize("path", sorted(MODULES.values()), ids=lambda path: path.name)
def test_nothing_imports_a_notebook(path):
    mirrors = {p.stem for p in run.executed_notebooks()}
    assert not imports(path) & mirrors
    if path.parent == run.ROOT / "data":
        assert imports(path) <= {p.stem for p in (run.ROOT / "data").glob("*.py")}, (
            "data/ knows no notebook and no tool"
        )


@pytest.mark.parametrize("path", tools(), ids=lambda path: path.name)
def test_a_tool_has_the_interface(path):
    source = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name: node for node in source.body if isinstance(node, ast.FunctionDef)}
    assert {"analyse", "queries", "analyse_tables"} <= functions.keys()
    for node in source.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"
    assert "fatal" in ast.get_docstring(source), "the docstring says what is fatal and what is a warning"
