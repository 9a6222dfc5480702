"""`make workshop`: learner notebooks that run when their stubs are filled in, and hide every answer; slides, hand-outs.

Each learner notebook, its stubs filled with the tutorial's own cells, is the tutorial again, cell by cell; one is
executed where a learner would, with nothing but the folder that is handed out.
"""

import ast
import asyncio
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile

import nbformat
import pytest
from notebook_tools import namespace

import run
import workshop

TUTORIALS = [path for path in run.notebooks() if workshop.solutions_of(path).exists()]
STRING = r'"(?:[^"\\\n]|\\.)*"'
AGENDAS = ["90_minutes", "half_a_day", "day_1", "day_2"]
each = pytest.mark.parametrize("notebook", TUTORIALS, ids=lambda path: path.parent.name)


@pytest.fixture(scope="session")
def kit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kit") / "workshop"
    workshop.build(folder)
    return folder


def learner_cells(kit, notebook):
    return nbformat.read(kit / "learners" / notebook.relative_to(run.ROOT), as_version=4).cells


def tagged(cells, tag):
    return [cell for cell in cells if tag in cell.metadata.get("tags", [])]


# ---- learner notebooks


@each
def test_filled_in_it_is_the_tutorial_again(kit, notebook):
    """No outputs; cells of code are the tutorial's, but for the stubs, what figures show, guesses and checks."""
    cells, original = learner_cells(kit, notebook), workshop.cells_of(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    code = [c for c in cells if c.cell_type == "code" and not {"guess", "check"} & set(c.metadata.get("tags", []))]
    theirs = [cell for cell in original if cell["cell_type"] == "code"]
    assert [cell.id for cell in code] == [cell["id"] for cell in theirs]
    stubs = 0
    for cell, its in zip(code, theirs, strict=True):
        if "live-code" in workshop.tags(its):
            stubs += 1
            file = re.search(r"ready/\d\.py", skip(cell))[0]
            ready = (kit / "learners" / notebook.parent.name / file).read_text(encoding="ascii")
            assert ready == its["source"] + "\n"
            assert 8 <= len(workshop.comment(its["source"]).split()), "a stub says what to write"
            check_stub(cell.source, its["source"])
        else:
            assert cell.source in (its["source"], workshop.hide_alt(its["source"])[0])
    assert 1 <= stubs <= 3


def skip(stub):
    """The line that a stub offers to those who do not write it."""
    return re.search(r"^# Put this line in place of the cell: (exec.+)$", stub.source, flags=re.M)[1]


def check_stub(stub, source):
    """It has the tutorial's lines, but for those with a blank, one for each function or computation; it is Python."""
    theirs = source.splitlines()
    ours = [line for line in stub.splitlines() if workshop.BLANK in line]
    given = [line for line in stub.splitlines() if line not in ours and not line.startswith("#")]
    assert set(given) <= set(theirs) and len(given) <= len(theirs) - len(ours[1:])
    tree = ast.parse(stub)  # the first of the lines says what a blank is
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert len(ours[1:]) == (len(functions) or len(ours[1:])) >= 1
    for node in functions:
        assert ast.unparse(node.body[-1]) == workshop.BLANK and len(node.body) == 1 + bool(ast.get_docstring(node))
    assert functions or all(re.match(rf"[^=]+ = {workshop.BLANK}(, {workshop.BLANK})*$", line) for line in ours[1:])


@each
def test_no_prose_is_lost(kit, notebook):
    cells = learner_cells(kit, notebook)
    mine = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for cell in workshop.cells_of(notebook):
        if cell["cell_type"] == "markdown":
            for sentence in re.split(r"(?<=[.?!])\s+|\n\n", cell["source"]):
                assert sentence.strip() in mine


def folded(cell):
    """Whether a cell is a closed <details>, and nothing else."""
    pattern = r"<details>\n<summary><b>[^<>\n]+</b></summary>\n\n(.+)\n\n</details>"
    inside = re.fullmatch(pattern, cell.source, flags=re.S)
    return bool(inside) and not re.search("^#|<", re.sub(r"\$.*?\$|p < 0", "", inside[1], flags=re.S), flags=re.M)


@each
def test_the_first_page_gives_nothing_away(kit, notebook):
    """Its picture and its table are folded away; the title, the question and what to do are not."""
    before, first, after = learner_cells(kit, notebook)[:3]
    assert first.metadata.tags == ["first-page"] and folded(first)
    assert "![" in first.source and "| truth, which we know" in first.source
    assert "**The decision" in before.source and "**You will do:**" in after.source
    assert "![" not in before.source + after.source and "|" not in before.source + after.source


@each
def test_a_guess_before_and_a_folded_answer_after_each_prediction(kit, notebook):
    cells = learner_cells(kit, notebook)
    asks = [k for k, cell in enumerate(cells) if workshop.PREDICT in cell.source]
    assert len(asks) == len(tagged(cells, "guess")) == len(tagged(cells, "answer")) >= 2
    for k in asks:
        assert cells[k + 1].metadata.tags == ["guess"] and cells[k + 2].cell_type == "code"
        answer = next(cell for cell in cells[k + 1 :] if cell.cell_type == "markdown")
        begin, end = f"<details>\n<summary><b>{workshop.SUMMARY}</b></summary>\n\n", "\n\n</details>"
        assert answer.source.startswith(begin) and answer.source.endswith(end)
        inside = answer.source.removeprefix(begin).removesuffix(end)
        assert len(inside.split()) > 20 and "<" not in re.sub(r"\$.*?\$", "", inside, flags=re.S)
        assert not re.search("^#", inside, flags=re.M), "what follows the answer is not folded away with it"


def numbers(text):
    return {n.replace(",", "") for n in re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?", text)}


def printed(number, outputs):
    """Whether a number of the prose is one of the outputs, rounded, as it is or in per cent."""
    decimals = len(number.partition(".")[2])
    values = [float(value.replace(",", "")) for value in re.findall(r"\d[\d,]*(?:\.\d+)?", outputs)]
    return any(round(scale * value, decimals) == float(number) for value in values for scale in (1, 100))


def revealing(notebook, ask, answer):
    """Numbers of an answer that one learns by running the cell: of two digits or more, and not in the question."""
    cells = workshop.cells_of(notebook)
    outputs = "\n".join("".join(output.get("text", output.get("data", {}).get("text/plain", [])))
                        for cell in cells[ask + 1 : answer] for output in cell.get("outputs", []))  # fmt: skip
    found = numbers(workshop.split_answer(cells[answer]["source"])[1])
    found -= numbers(workshop.question(cells[ask]["source"])) | {"95"}  # the level of every interval
    return {n for n in found if len(n.replace(".", "").strip("0")) > 1 and printed(n, outputs)}


@each
def test_no_number_of_an_answer_stands_above_it(kit, notebook):
    """In prose and in what cells would say; constants of the code above the question are given, and no result."""
    cells, original = learner_cells(kit, notebook), workshop.cells_of(notebook)
    place = {cell.id: k for k, cell in enumerate(cells)}
    tried = 0
    for ask, answer in workshop.predictions(original).items():
        above = cells[: place[f"{original[answer]['id']}-answer"]]
        prose = "\n".join(cell.source for cell in above if cell.cell_type == "markdown" and not folded(cell))
        prose += "\n".join(text for cell in above[place[original[ask]["id"]] :] if cell.cell_type == "code"
                           for text in re.findall(STRING, cell.source))  # fmt: skip
        code = "\n".join(cell.source for cell in above if cell.cell_type == "code")
        constants = numbers(re.sub(STRING, "", code))
        results = revealing(notebook, ask, answer)
        tried += len(results)
        shown = results & numbers(prose) - constants
        assert not shown, f"{workshop.question(original[ask]['source'])}: {shown}"
    assert tried >= 2, "the test finds no numbers to look for"


@each
def test_links_lead_to_files_of_the_kit(kit, notebook):
    """To what is handed out, or to what lies there once the solutions have been copied over it."""
    folder, missing = notebook.parent.name, []
    for cell in learner_cells(kit, notebook):
        for link in re.findall(r"\]\((?!http)([^)\s]+)\)", cell.source if cell.cell_type == "markdown" else ""):
            if not (kit / "learners" / folder / link).exists() and not (kit / "solutions" / folder / link).exists():
                missing.append(link)
    assert not missing


def pytest_generate_tests(metafunc):
    """01 with few replications; with --learners (make test-learners) all, as they are handed out."""
    if "to_execute" in metafunc.fixturenames:
        chosen = TUTORIALS if metafunc.config.getoption("--learners") else TUTORIALS[:1]
        metafunc.parametrize("to_execute", chosen, ids=lambda path: path.parent.name)


def test_a_learner_notebook_runs_to_its_end(kit, tmp_path, pytestconfig, to_execute):
    """Stubs skipped by their ready-made line, from a copy of the folder that is handed out, and nothing else."""
    place = shutil.copytree(kit / "learners", tmp_path / "learners") / to_execute.relative_to(run.ROOT)
    book, whole = nbformat.read(place, as_version=4), pytestconfig.getoption("--learners")
    for cell in tagged(book.cells, "live-code"):
        cell.source = skip(cell)
    for cell in tagged(book.cells, "parameters"):
        cell.source = cell.source if whole else re.sub(r"^(N_\w+ =) \d+", r"\1 3", cell.source, flags=re.M)
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(run._run_cells(place, book, dict(os.environ), tmp_path / "variables"))
    assert [cell.outputs[0]["text"] for cell in tagged(book.cells, "check")] == ["not yet\n"] * 3
    code = [cell for cell in book.cells if cell.cell_type == "code" and cell.source]
    assert len(code) > 30 and all(cell.execution_count for cell in code)
    assert str(run.ROOT) not in str([cell.get("outputs") for cell in book.cells])
    found = {cell.id: text_of(cell) for cell in book.cells if text_of(cell)}
    stored = {cell["id"]: text_of(cell) for cell in workshop.cells_of(to_execute) if text_of(cell)}
    same = [name for name in stored if found[name] == stored[name]]
    assert found.keys() - stored.keys() == {f"{c.id}" for c in tagged(book.cells, "check")}
    assert len(same) == len(stored) if whole else len(same) > len(stored) / 2


def text_of(cell):
    """What a cell has printed, but that there was no log yet."""
    texts = ["".join(output["text"]) for output in cell.get("outputs", []) if output["output_type"] == "stream"]
    return re.sub(r"^.+ was missing: generated it .+\n", "", "".join(texts))


# ---- exercises


def verdict(source, values):
    """What a check cell prints when these values are written into it."""
    for name, value in values.items():
        source, count = re.subn(rf"\b{name}=None", f"{name}={value!r}", source)
        assert count == 1
    with contextlib.redirect_stdout(io.StringIO()) as text:
        exec(source, {})
    return text.getvalue().strip()


@pytest.mark.parametrize("notebook", [*map(workshop.solutions_of, TUTORIALS)], ids=lambda path: path.stem)
def test_checks_say_right_for_the_solution_and_not_yet_for_anything_else(kit, notebook):
    import numpy as np

    tutorial = next(path for path in TUTORIALS if workshop.solutions_of(path) == notebook)
    checks, space = tagged(learner_cells(kit, tutorial), "check"), namespace(notebook)
    assert len(checks) == 3
    for number, check in enumerate(checks, 1):
        text = workshop.exercises(workshop.cells_of(tutorial))[number][1]
        names, _ = workshop.conditions(notebook, number, re.split(r"You\s+are\s+right\s+if", text, maxsplit=1)[1])
        values = {name: np.asarray(eval(source, {}, space)).item() for name, source in names.items()}
        assert verdict(check.source, {}) == "not yet"
        assert verdict(check.source, values) == "right", (number, values)
        for name, value in values.items():
            assert "not yet" in {verdict(check.source, values | {name: value + off}) for off in (-1e6, 1e6)}, name
            assert verdict(check.source, {n: v for n, v in values.items() if n != name}) == "not yet"


# ---- slides and paper


@pytest.mark.parametrize("kind", ["slides", "handout", "answers"])
@pytest.mark.parametrize("agenda", AGENDAS)
def test_pages_refer_to_nothing_outside_of_themselves(kit, kind, agenda):
    page = (kit / "teacher" / f"{kind}_{agenda}.html").read_text(encoding="utf-8")
    ours, scripts = re.subn(r"<script>.*?</script>", "", page, flags=re.S)
    assert scripts == (3 if kind == "slides" else 0) and "<script" not in ours
    assert not re.findall(r"""(?:src|href)=["'](?!data:)|url\(["']?(?!data:)|@import|<link|<iframe|https?://""", ours)
    ours = re.sub(r"<pre>.*?</pre>", "", ours, flags=re.S)
    assert "@@" not in ours and "**" not in ours and "<code>\\" not in ours, "Markdown or a formula was left over"


def slide_deck(kit, agenda):
    page = (kit / "teacher" / f"slides_{agenda}.html").read_text(encoding="utf-8")
    return re.findall(r"<section .+?</section>", page, flags=re.S)


def rows_of(agenda):
    text = (run.ROOT / "WORKSHOP.md").read_text(encoding="utf-8")
    return {title.lower().replace(" ", "_"): rows for title, rows in workshop.agendas(text).items()}[agenda]


@pytest.mark.parametrize("agenda", AGENDAS)
def test_slides_follow_the_agenda(kit, agenda):
    """Each prediction, figure and exercise of its rows, a sentence to take home, notes with minutes that add up."""
    rows, deck = rows_of(agenda), slide_deck(kit, agenda)
    seconds = [int(re.search(r'data-timing="(\d+)"', slide)[1]) for slide in deck]
    assert abs(sum(seconds) - 60 * sum(minutes for _, minutes, _, _ in rows)) < len(deck)
    assert all(re.search(r'<aside class="notes"><p>\d:\d\d to \d:\d\d, \d+ minutes\.', slide) for slide in deck)
    asked = [slide for slide in deck if "<strong>Predict, then run.</strong>" in slide]
    assert len(asked) == len(workshop.asked(rows)) and all("<b>Answer.</b>" in slide for slide in asked)
    linked = {workshop.target(what)[0] for _, _, what, how in rows if workshop.target(what)}
    assert sum(">To take home<" in slide for slide in deck) == len(linked)
    tasks = sum("exercise" in what for _, _, what, _ in rows)
    assert sum("· Exercise " in slide for slide in deck) == tasks
    shown = 0
    for _, _, what, _ in rows:
        if workshop.target(what) and "exercise" not in what:
            cells = workshop.cells_of(workshop.target(what)[1])
            where, wanted = workshop.places(cells), workshop.named(workshop.target(what)[2])
            shown += sum(workshop.inside(where[k], wanted) for k, *_ in workshop.figures(cells).values())
    assert sum('<img class="figure" alt="' in slide for slide in deck) == shown > 0
    for slide in deck:
        heading, _, body = slide.partition("</h2>")
        words = re.sub(r"<[^>]+>", " ", body.partition("<aside")[0]).split()
        assert heading.endswith("&nbsp;") or "<img" in body or len(words) > 8, "nothing but a heading"


@pytest.mark.parametrize("agenda", AGENDAS)
def test_no_slide_shows_an_answer(kit, agenda):
    for _, notebook, ask, answer in workshop.asked(rows_of(agenda)):
        question = workshop.render(workshop.question(workshop.cells_of(notebook)[ask]["source"]))
        slide = next(slide for slide in slide_deck(kit, agenda) if question in slide)
        shown = re.sub(r"<[^>]+>", " ", slide.partition("<aside")[0])
        assert not revealing(notebook, ask, answer) & numbers(shown)


@pytest.mark.parametrize("agenda", AGENDAS)
def test_handout_has_two_sides_and_the_answers_have_all(kit, agenda):
    hand, sheet = ((kit / "teacher" / f"{kind}_{agenda}.html").read_text(encoding="utf-8") for kind in
                   ("handout", "answers"))  # fmt: skip
    asked = workshop.asked(rows_of(agenda))
    assert hand.count('<div class="side') == 2 and hand.count('<div class="ask">') == len(asked) >= 4
    assert sheet.count('<div class="answer">') == len(asked)
    front, _, back = hand.partition('<div class="side large">')
    text = re.sub(r"<[^>]+>", "", front.partition("<body>")[2])
    lines = len(text) / 105 + 2.5 * len(asked)  # and room to write: looked at on paper, 14 lines of 105 take 60 mm
    assert lines < 62, "too much for one side of A4"
    assert "Which method fits my decision?" in back and back.count("<tr>") == 9


@pytest.mark.parametrize("notebook", run.notebooks(), ids=lambda path: path.parent.name)
def test_formulas_are_drawn(notebook):
    """None falls back to its source."""
    cells = workshop.cells_of(notebook)
    texts = [cells[k]["source"] for pair in workshop.predictions(cells).items() for k in pair]
    for text in [*texts, *(text for _, text in workshop.exercises(cells).values())]:
        assert r"<code>\ "[:-1] not in workshop.render(text)


# ---- the zip, and the command


def test_zip_holds_the_folder(kit):
    there = {f"workshop/{path.relative_to(kit).as_posix()}" for path in kit.rglob("*") if path.is_file()}
    with zipfile.ZipFile(kit.with_suffix(".zip")) as file:
        assert set(file.namelist()) == there and file.testzip() is None
    for notebook in run.notebooks():
        executed = kit / "solutions" / notebook.parent.name / f"{notebook.stem}_executed.ipynb"
        assert executed.read_bytes() == notebook.read_bytes()
        for solutions in notebook.parent.glob("*_solutions.ipynb"):
            assert f"workshop/solutions/{notebook.parent.name}/{solutions.name}" in there
            assert f"workshop/learners/{notebook.parent.name}/{solutions.name}" not in there
        for figure in workshop.figures(workshop.cells_of(notebook)):
            assert f"workshop/teacher/figures/{notebook.parent.name[:2]}_figure_{figure}.png" in there
    written = [{path.relative_to(kit / part) for path in (kit / part).rglob("*") if path.suffix in (".ipynb", ".py")}
               for part in ("learners", "solutions")]  # fmt: skip
    assert all(written) and not set.intersection(*written), "solutions, copied over learners/, would replace work"
    assert not [name for name in there if "synthetic_llm_logs" in name or name.endswith((".pyc", ".pickle"))]


def test_the_letter_is_in_the_folder_that_is_handed_out(kit):
    """Its commands name files of that folder, and the last one of them runs there."""
    letter = (kit / "learners" / "START.md").read_text(encoding="utf-8")
    assert letter.startswith("Please set up your laptop") and ">" not in letter
    for name in re.findall(r"-[rc] (\S+?\.txt)|python (\S+\.py)", letter):
        assert (kit / "learners" / "".join(name)).exists(), name
    command = [sys.executable, "tests/check_environment.py"]
    done = subprocess.run(command, cwd=kit / "learners", capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("OK"), done.stdout


def test_links_of_the_teachers_page(kit):
    text = (kit / "teacher" / "WORKSHOP.md").read_text(encoding="utf-8")
    links = set(re.findall(r"\]\(([^)]+)\)", text))
    assert len(links) >= 9 and all((kit / "teacher" / link).exists() for link in links)
    for name in re.findall(r"`teacher/(figures/\w+\.png)`", text):
        assert (kit / "teacher" / name).exists()


def test_reveal_is_whole_and_licensed():
    folder = run.ROOT / "reveal"
    assert {path.name for path in folder.iterdir()} == {"LICENSE", "notes.js", "reveal.css", "reveal.js"}
    assert "reveal.js contributors" in (folder / "LICENSE").read_text(encoding="utf-8")
    assert not any("</script" in path.read_text(encoding="utf-8") for path in folder.glob("*.js"))


def test_a_formula_is_the_same_picture_in_every_build():
    """matplotlib writes the time of day into an SVG."""
    import base64

    drawn = base64.b64decode(re.search(r"base64,([^\"]+)", workshop.formula(r"\hat\tau = 1"))[1]).decode()
    assert "<path" in drawn and "date" not in drawn
