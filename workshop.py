"""Make the teacher's kit: the folder workshop/ and a zip of it, in seconds. `make workshop` calls this.

python workshop.py

Everything comes from the notebooks as they are stored, WORKSHOP.md and DECISIONS.md; nothing is executed.

learners/   to hand out: data, tools and the tutorials without outputs. Cells tagged live-code are stubs (their code is
            in ready/, for those who skip them); after each prediction there is a cell for the guess, and the answer is
            folded away; each exercise has a check.
solutions/  to hold back: the executed tutorials, named ..._executed, and the solutions; copied over learners/ they
            stand beside the notebooks, and replace nothing that a learner has written.
teacher/    WORKSHOP.md; for each agenda the slides (reveal.js, one file), the hand-out (one sheet of A4) and the
            answers; every numbered figure, as 03_figure_4.png.

The check of an exercise is taken from the asserts of its solution: those conditions whose numbers stand in the
sentence "You are right if ..." of the exercise (see `conditions`).
"""

import ast
import base64
import functools
import html
import io
import re
import shutil
import sys
import zipfile
from pathlib import Path

import run

KIT = run.ROOT / "workshop"
PREDICT = "**Predict, then run.**"
BLANK, SKIP = "____", 'exec(open("{}").read())'  # in a cell to be written; what stands there for those who skip it
FIRST = "The picture and the answer of this notebook (open them at the end)"
SUMMARY = "Answer (open after you have run the cell)"
SHARED = ("requirements.txt", "constraints.txt", "pyproject.toml", "LICENSE", "GLOSSARY.md", "DECISIONS.md",
          "tests/check_environment.py")  # fmt: skip

HOW = """In a notebook, work from top to bottom, and run a cell only when you come to it:

- Where the text says *Predict, then run*, write your guess into the cell below it first. Open the answer afterwards.
- Some cells have blanks, ____. Write what belongs there, or take the line that brings the cell ready-made.
- At the end each exercise has an empty cell, and below that one in which your numbers are checked.
"""


# ---- what a tutorial holds


@functools.cache
def cells_of(notebook):
    """The cells of a notebook, as run.read_cells gives them."""
    return run.read_cells(notebook)


def tags(cell):
    return cell["metadata"].get("tags", [])


def places(cells):
    """For each cell the (section, subsection) at its end; the opening is "opening", a section with a number is it."""
    found, here = [], ("opening", None)
    for cell in cells:
        if cell["cell_type"] == "markdown":
            for level, number, title in re.findall(r"^(###?) (?:(\d+)\. )?(.+)$", cell["source"], flags=re.M):
                here = (number or title, None) if level == "##" else (here[0], title)
        found.append(here)
    return found


def section_titles(cells):
    """{number of a section: its title}."""
    text = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "markdown")
    return dict(re.findall(r"^## (\d+)\. (.+)$", text, flags=re.M))


def predictions(cells):
    """{index of the cell that asks: index of the Markdown cell that answers}."""
    found = {}
    for k, cell in enumerate(cells):
        if cell["cell_type"] == "markdown" and PREDICT in cell["source"]:
            found[k] = next(j for j in range(k + 1, len(cells)) if cells[j]["cell_type"] == "markdown")
    return found


def question(source):
    """The paragraph that asks."""
    return source[source.index(PREDICT) :].partition("\n\n")[0]


def split_answer(source):
    """(caption of a figure, answer, what comes after it) of a cell that answers; each may be empty."""
    caption = re.match(r"(\*Figure \d.*?\*)(?:\n\n|$)", source, flags=re.S)
    caption = caption[1] if caption else ""
    rest = source[len(caption) :].lstrip("\n")
    heading = re.search(r"^##", rest, flags=re.M)
    end = heading.start() if heading else len(rest)
    return caption, rest[:end].rstrip(), rest[end:]


def split_opening(source):
    """(before, picture and answer, after) of the first page; a sentence that explains a term comes after."""
    parts = source.split("\n\n")
    begin = next(k for k, part in enumerate(parts) if part.startswith("!["))
    end = next(k for k, part in enumerate(parts) if part.startswith("**In ten minutes"))
    terms, answer = [], []
    for part in parts[begin:end]:
        term = re.match(r".*?\w \*\*\w+\*\* .*?[.]\s", part, flags=re.S)
        terms += [term[0].rstrip()] if term else []
        answer.append(part[term.end() :] if term else part)
    return tuple("\n\n".join(some) for some in (parts[:begin], answer, terms + parts[end:]))


def exercises(cells):
    """{1: (index of the cell with the text, text), ...} of the section "On your own"."""
    found = {}
    for k, place in enumerate(places(cells)):
        if place[0] == "On your own" and cells[k]["cell_type"] == "markdown":
            text = re.findall(r"^(\d)\. (\*\*.*?)(?=^\d\. \*\*|^## |\Z)", cells[k]["source"], flags=re.M | re.S)
            found |= {int(number): (k, task.strip()) for number, task in text}
    return found


def figures(cells):
    """{number: (index of the cell that draws, PNG in base64, what to see, caption)}."""
    found, drawn = {}, None
    for k, cell in enumerate(cells):
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                meta = output["metadata"].get("image/png", {})
                drawn = (k, "".join(output["data"]["image/png"]).strip(), meta.get("alt", ""))
        caption = re.search(r"^\*Figure (\d)\. (.+?)\*(?:\n\n|$)", cell["source"], flags=re.M | re.S)
        if caption and cell["cell_type"] == "markdown" and drawn:
            found[int(caption[1])], drawn = (*drawn, caption[2]), None
    return found


# ---- the learner's notebook


def comment(source):
    """The comment with which a cell begins."""
    return re.match(r"(?:#.*\n?)*", source)[0].rstrip()


def scaffold(source):
    """Code with blanks, ____, for what is to be written, without its first comment.

    Where a cell defines functions, their bodies; otherwise what is assigned, but for lookups and what asks the tool.
    """
    tree, lines = ast.parse(source), source.splitlines()
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    for node in reversed(tree.body):
        if node in functions:
            first = node.body[0]
            kept = first.end_lineno if ast.get_docstring(node) else first.lineno - 1
            lines[kept : node.end_lineno] = [f"    {BLANK}"]
        elif not functions and isinstance(node, ast.Assign):
            inner = [*ast.walk(node.value)]
            names = {n.id for n in inner if isinstance(n, ast.Name)}
            if "tool" not in names and any(isinstance(n, (ast.Call, ast.BinOp, ast.Compare)) for n in inner):
                left = " = ".join(ast.get_source_segment(source, goal) for goal in node.targets)
                right = ", ".join([BLANK] * len(node.value.elts)) if isinstance(node.value, ast.Tuple) else BLANK
                lines[node.lineno - 1 : node.end_lineno] = [f"{left} = {right}"]
    return "\n".join(lines).removeprefix(comment(source)).lstrip()


def ready(cells):
    """{index of a live-code cell: the file with its code, for those who skip it}."""
    live = [k for k, cell in enumerate(cells) if "live-code" in tags(cell)]
    return {k: f"ready/{number}.py" for number, k in enumerate(live, 1)}


def stub(cells, k):
    """Cell k with blanks, and how to skip it."""
    said, code = comment(cells[k]["source"]), scaffold(cells[k]["source"])
    return (f"{said}\n# Write what belongs in place of {BLANK}; it may take several lines. Stuck, or short of time?\n"
            f"# Put this line in place of the cell: {SKIP.format(ready(cells)[k])}\n"
            f"{code}")  # fmt: skip


def numbers(text):
    """The numbers in a text, also as words up to ten, as positive floats; a percentage also as a share."""
    words = "two three four five six seven eight nine ten".split()
    found = {words.index(word) + 2.0 for word in re.findall(r"\w+", text) if word in words}
    for number, percent in re.findall(r"(\d[\d,]*(?:\.\d+)?)( ?%)?", text):
        value = float(number.rstrip(",").replace(",", ""))
        found |= {value, round(value / 100, 10)} if percent else {value}
    return found


def _leaves(node):
    """(variables of a condition as {text: name}, its constants), or None where it is more than simple arithmetic."""
    names, constants = {}, set()

    def visit(part):
        if isinstance(part, ast.Constant):
            constants.add(abs(part.value) if isinstance(part.value, (int, float)) else part.value)
        elif isinstance(part, ast.Name):
            names[part.id] = part.id
        elif isinstance(part, ast.Subscript) and isinstance(part.value, ast.Name):
            ast.literal_eval(part.slice)
            names[ast.unparse(part)] = re.sub(r"\W+", "_", ast.unparse(part)).strip("_")
        elif isinstance(part, ast.Call):
            if ast.unparse(part.func) not in ("abs", "round") or part.keywords:
                raise ValueError
            visit(part.args[0])  # the digits of round() are no number of the exercise
        elif isinstance(part, (ast.Compare, ast.BinOp, ast.UnaryOp, ast.Tuple)):
            for child in ast.iter_child_nodes(part):
                if isinstance(child, ast.expr):
                    visit(child)
        else:
            raise ValueError

    try:
        visit(node)
    except ValueError:
        return None
    return names, constants


def conditions(solutions, number, promise):
    """What makes an answer to an exercise right: ({name to ask for: expression in the solution}, comparisons).

    From the asserts of the solution (the section "## number."): the comparisons whose numbers all stand in `promise`,
    the exercise from "You are right if" on, and those without numbers of a value that is asked for anyway.
    """
    parts, here = [], None
    for cell in cells_of(solutions):
        if cell["cell_type"] == "markdown":
            for found in re.findall(r"^## (?:(\d)\.)?", cell["source"], flags=re.M):
                here = found
        elif here == str(number):
            for node in ast.parse(cell["source"]).body:
                if isinstance(node, ast.Assert):
                    test = node.test
                    parts += test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]
    known, asked, kept = numbers(promise), {}, []
    parts = [(part, *leaves) for part in parts if (leaves := _leaves(part)) and leaves[0]]
    for with_numbers in (True, False):
        for part, names, constants in parts:
            if bool(constants) == with_numbers and constants <= known and (with_numbers or names.keys() & asked.keys()):
                asked |= names
                text = ast.unparse(part)
                for expression, name in names.items():
                    text = text.replace(expression, name)
                kept.append(text)
    if not kept:
        raise run.Stop(f"{run.name_of(solutions)}: no assert of solution {number} checks what its exercise promises.")
    return {name: expression for expression, name in asked.items()}, kept


def check_cell(number, names, comparisons):
    """Code that says whether the reader's numbers for an exercise are right."""
    test = "\n            and ".join(comparisons)
    return (f"# Exercise {number}: write your numbers in place of None, and run the cell.\n"
            f"mine = dict({', '.join(f'{name}=None' for name in names)})\n\n\n"
            f"def is_right({', '.join(names)}):\n    return ({test})\n\n\n"
            'print("right" if None not in mine.values() and is_right(**mine) else "not yet")')  # fmt: skip


def hide_alt(source):
    """(code whose call of show() does not say what to see, and what it said or "")."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "show" and isinstance(node.args[-1], ast.Constant):
            hidden = ast.get_source_segment(source, node.args[-1])
            return source.replace(hidden, '"The answer below says what to see."'), node.args[-1].value
    return source, ""


def folded(summary, text):
    """Markdown that JupyterLab, Notebook 7, VS Code and Colab show closed, as a line to click on."""
    return f"<details>\n<summary><b>{summary}</b></summary>\n\n{text}\n\n</details>"


def learner(notebook):
    """The learner's notebook that belongs to a tutorial, as a nbformat notebook."""
    from nbformat import v4

    cells, solutions = cells_of(notebook), solutions_of(notebook)
    asks = predictions(cells)
    waiting = {k for ask, answer in asks.items() for k in range(ask + 1, answer)}  # cells whose result is to be guessed
    tasks = {k: (number, text) for number, (k, text) in exercises(cells).items()}
    out, task = [], None

    def add(kind, source, name, *tag):
        make = v4.new_markdown_cell if kind == "markdown" else v4.new_code_cell
        cell = make(source, id=name[:64])
        cell.metadata = {"tags": list(tag)} if tag else {}
        out.append(cell)

    for k, cell in enumerate(cells):
        source, name = cell["source"], cell["id"]
        if k == 0:
            before, answer, after = split_opening(source)
            add("markdown", before, name)
            add("markdown", folded(FIRST, answer), f"{name}-answer", "first-page")
            add("markdown", after, f"{name}-after")
        elif k in asks.values():
            caption, answer, after = split_answer(source)
            ask = max(ask for ask in asks if ask < k)
            alts = [hide_alt(between["source"])[1] for between in cells[ask + 1 : k]]
            parts = [caption, *(f"(What to see: {alt})" for alt in alts if alt), answer]
            add("markdown", folded(SUMMARY, "\n\n".join(part for part in parts if part)), f"{name}-answer", "answer")
            if after:
                add("markdown", after, name)
        elif "live-code" in tags(cell):
            add("code", stub(cells, k), name, *tags(cell))
        else:
            add(cell["cell_type"], hide_alt(source)[0] if k in waiting else source, name, *tags(cell))
        if cell["cell_type"] == "markdown" and PREDICT in source:
            add("code", "# My guess, and why:\n# ", f"{name}-guess", "guess")
        task = tasks.get(k, task)
        if task and solutions.exists() and cell["cell_type"] == "code" and not source.strip():
            number, text = task
            found = conditions(solutions, number, re.split(r"You\s+are\s+right\s+if", text, maxsplit=1)[1])
            add("code", check_cell(number, *found), f"{name}-check", "check")
            task = None
    return v4.new_notebook(cells=out, metadata={"kernelspec": run.KERNELSPEC, "language_info": run.LANGUAGE})


def solutions_of(notebook):
    return notebook.with_name(notebook.name.replace("_demo", "_solutions"))


# ---- the agendas


def agendas(text):
    """{title: rows} of WORKSHOP.md; a row is (from, minutes, what, how), times in minutes."""
    found, title = {}, None
    for line in text.splitlines():
        heading = re.match(r"(?:## |\*\*)(.+?)(?:: | \(|\*\*|$)", line)
        title = heading[1] if heading else title
        row = re.match(r"\| (\d+):(\d\d) \| (\d+) \| (.+?) \| (.*?) ?\|$", line)
        if row:
            found.setdefault(title, []).append((60 * int(row[1]) + int(row[2]), int(row[3]), row[4], row[5]))
    return found


def motto(text, title):
    """What stands behind the colon in the heading of an agenda."""
    said = re.search(rf"^(?:## |\*\*){title}\b.*?: (.+?)\.?(?:\*\*)?$", text, flags=re.M)[1]
    return said[0].upper() + said[1:]


def named(what):
    """The sections, as numbers, and the beginnings of quoted subsections that a row names."""
    found = ["opening"] if "opening" in what else []
    for part in re.findall(r"§§? (\d+(?:–\d+)?)", what):
        first, _, last = part.partition("–")
        found += [str(n) for n in range(int(first), int(last or first) + 1)]
    return found, re.findall(r"“(.+?)”", what)


def target(what):
    """(number, notebook, rest) of a row that links to a tutorial, or None."""
    link = re.match(r"\[(\d\d)\]\((.+?)\)(.*)", what)
    return link and (link[1], run.ROOT / link[2], link[3])


def inside(place, wanted):
    """Whether a place of `places` is in the sections and subsections of `named`."""
    sections, subsections = wanted
    return place[0] in sections or any((place[1] or "").startswith(title) for title in subsections)


def asked(rows):
    """The predictions of an agenda in order: (number, notebook, index that asks, index that answers)."""
    found = []
    for _, _, what, _ in rows:
        if target(what) and "exercise" not in what:
            number, notebook, rest = target(what)
            cells = cells_of(notebook)
            for k, answer in predictions(cells).items():
                if inside(places(cells)[k], named(rest)):
                    found.append((number, notebook, k, answer))
    return found


# ---- HTML


@functools.cache
def formula(text):
    """A formula as an inline SVG; as code where matplotlib cannot draw it."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import mathtext

    simple = re.sub(r"\\text\{([^}]*)\}", lambda match: rf"\mathrm{{{match[1].replace(' ', chr(92) + ' ')}}}", text)
    for tex, ours in ((r"\tfrac", r"\frac"), (r"\mid", "|"), (r"\big", ""), (r"\Big", ""), ("\n", " ")):
        simple = simple.replace(tex, ours)
    # No brace below, but what it says: \underbrace{x}_{name} becomes \underset{name}{x}; x and name hold braces, too.
    one = r"\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}"
    simple = re.sub(rf"\\underbrace{one}_{one}", r"\\underset{\2}{\1}", simple)
    picture = io.StringIO()
    try:
        with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "workshop", "mathtext.fontset": "cm"}):
            depth = mathtext.math_to_image(f"${simple}$", picture, dpi=72, format="svg")
    except ValueError:
        return f"<code>{html.escape(text)}</code>"
    drawn = re.sub(r"<metadata>.*?</metadata>\s*", "", picture.getvalue(), flags=re.S)  # the time of day
    data = base64.b64encode(drawn.encode()).decode()
    width, height = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', drawn).groups()
    size = f"width:{float(width) / 9:.2f}em;height:{float(height) / 9:.2f}em;vertical-align:{-depth / 9:.2f}em"
    return f'<img alt="{html.escape(text)}" style="{size}" src="data:image/svg+xml;base64,{data}">'


def render(text):
    """Markdown as HTML that refers to nothing: links are their texts, formulas are pictures."""
    from markdown_it import MarkdownIt  # jupytext brings it along

    text = re.sub(r"<!--.*?-->\n?", "", text)
    text = re.sub(r"(?<!!)\[([^\]]+)\]\([^)]+\)", r"\1", text)
    kept = []

    def keep(match):
        kept.append(formula(match[1] or match[2]))
        return f"@@{len(kept) - 1}@@"

    text = re.sub(r"\$\$(.+?)\$\$|(?<!\\)\$([^$]+?)(?<!\\)\$", keep, text, flags=re.S)
    out = MarkdownIt("commonmark", {"html": False}).enable("table").render(text.replace(r"\$", "&#36;"))
    return re.sub(r"@@(\d+)@@", lambda match: kept[int(match[1])], out)


def page(title, style, body, script=""):
    return (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
            f"<style>\n{style}\n</style>\n</head>\n<body>\n{body}\n{script}</body>\n</html>\n")  # fmt: skip


PRINT = """
@page { size: A4; margin: 12mm 14mm; }
body { font: 9.2pt/1.32 "Helvetica Neue", Arial, "Liberation Sans", sans-serif; color: #222; margin: 0; }
h1 { font-size: 13pt; margin: 0 0 1.5mm; } h2 { font-size: 10.5pt; margin: 4mm 0 1mm; } p { margin: 0 0 1.5mm; }
.side { height: 271mm; overflow: hidden; display: flex; flex-direction: column; break-after: page; }
.side:last-child { break-after: auto; } .large, .large table { font-size: 11.5pt; }
.ask { flex: 1 1 auto; border-bottom: 0.3mm dotted #999; padding: 1mm 0 0; } .ask p { margin: 0; }
.where { color: #777; font-size: 8pt; }
table { border-collapse: collapse; width: 100%; font-size: 8.8pt; } td, th { text-align: left; vertical-align: top;
padding: 1.6mm 2mm; border-bottom: 0.2mm solid #bbb; } .answer { break-inside: avoid; margin-bottom: 3mm; }
.answer p, .answer ul { margin: 0.8mm 0; } .question { color: #555; } img { max-width: 100%; }
@media screen { body { max-width: 182mm; margin: 8mm auto; } .side { margin-bottom: 12mm; } }
"""


def printed(rows):
    """(where it stands, as "01 § 3", and the question, both as HTML; the answer) of each prediction of an agenda."""
    for number, notebook, k, j in asked(rows):
        cells = cells_of(notebook)
        section, title = places(cells)[k]
        failure = re.match(r"Failure \d+", title or "")
        where = f"{number} § {section}" + (f", {failure[0]}" if failure else "")
        ask = render(question(cells[k]["source"]).removeprefix(PREDICT).strip())
        yield f'<span class="where">{where}</span>', ask, split_answer(cells[j]["source"])[1]


def handout(title, rows):
    """The learner's sheet, two sides: predictions with room to write, and the decision page."""
    asks = "".join(f'<div class="ask">{where}{ask}</div>\n' for where, ask, _ in printed(rows))
    text = (run.ROOT / "DECISIONS.md").read_text(encoding="utf-8").replace("| dashboard (truth) |", "| notebook |")
    text = re.sub(r"\[(\d\d)\]\(\S+\): [^|]+", r"\1 ", text)  # without numbers, some of which are to be guessed
    back = f'<div class="side large">{render(text)}</div>'
    front = f"<h1>Predict, then run</h1>\n<p>Write down a guess before you run the cell. ({title})</p>\n{asks}"
    return page(f"Hand-out: {title}", PRINT, f'<div class="side">{front}</div>\n{back}')


def solution(solutions, section):
    """What the solutions say in a section ("1" to "3", "The quiz") below the task, as HTML; "" without solutions."""
    said, here = "", None
    for cell in cells_of(solutions) if solutions.exists() else ():
        for part in re.split(r"^(?=## )", cell["source"], flags=re.M) if cell["cell_type"] == "markdown" else ():
            if heading := re.match(r"## (?:(\d)\. .*|(.+))\s*", part):
                here = heading[1] or heading[2]
                part = re.sub(r"\A\*(?!\*).+?(?<!\*)\*(?=\n\n|\Z)", "", part[heading.end() :], flags=re.S)  # the task
            said += part.strip() + "\n\n" if here == section else ""
    return render(said)


def answers(title, rows):
    """The teacher's sheet: each prediction of an agenda with its answer; then its exercises, and the quiz."""
    body = f"<h1>Answers: {html.escape(title)}</h1>\n"
    for where, ask, answer in printed(rows):
        body += f'<div class="answer">{where}<div class="question">{ask}</div>{render(answer)}</div>\n'
    later, quiz = "", {}
    for _, _, what, _ in rows:
        if link := target(what):
            solutions = solutions_of(link[1])
            quiz[link[0]] = f"<h2>{link[0]} · Quiz</h2>\n{solution(solutions, 'The quiz')}"
            if exercise := re.search(r"exercise (\d)", link[2]):
                later += f"<h2>{link[0]} · Exercise {exercise[1]}</h2>\n{solution(solutions, exercise[1])}"
    return page(f"Answers: {title}", PRINT, body + later + "".join(quiz.values()))


# ---- slides


SLIDES = """
.reveal { font: 30px/1.35 "Helvetica Neue", Arial, "Liberation Sans", sans-serif; color: #222; }
.reveal .slides { text-align: left; } .reveal h1 { font-size: 1.7em; margin: 0 0 0.5em; line-height: 1.15; }
.reveal h2 { font-size: 1.1em; margin: 0 0 0.6em; color: #0072B2; line-height: 1.2; } .reveal p { margin: 0 0 0.6em; }
.reveal .slides section { box-sizing: border-box; padding: 0 10px; }
.reveal .middle { height: 600px; display: flex; flex-direction: column; justify-content: center; }
.reveal img.figure { display: block; margin: 0 auto; max-width: 100%; height: 530px; object-fit: contain; }
.reveal .caption { font-size: 0.68em; color: #444; margin-top: 0.6em; line-height: 1.3; }
.reveal .home { font-size: 1.6em; } .reveal .ask { font-size: 1.45em; }
.reveal .ask .lead { font-size: 0.6em; color: #444; margin-bottom: 0.9em; }
.reveal .minutes { float: right; color: #888; font-weight: normal; font-size: 33px; }
.reveal pre { font-size: 0.72em; line-height: 1.4; white-space: pre-wrap; background: #f4f4f4; padding: 0.7em; }
.reveal table { border-collapse: collapse; font-size: 0.6em; }
.reveal td, .reveal th { padding: 0.25em 0.6em; border-bottom: 1px solid #ccc; text-align: left; }
.reveal .decisions table { font-size: 0.68em; line-height: 1.25; }
.reveal aside.notes { display: none; } body { background: #fff; }
"""
START = """<script>
Reveal.initialize({ width: 1280, height: 720, margin: 0.05, hash: true, slideNumber: "c/t", controls: false,
  transition: "none", center: false, pdfSeparateFragments: false, totalTime: %d, plugins: [RevealNotes] });
</script>
"""


def clock(minutes):
    return f"{minutes // 60}:{minutes % 60:02}"


def _section_slides(number, notebook, wanted):
    """(heading, HTML, notes) for each prediction, cell to write and figure of the sections of a row, in order."""
    cells = cells_of(notebook)
    where, titles, drawn = places(cells), section_titles(cells), figures(cells)
    asks = predictions(cells)
    by_cell = {k: (n, picture, alt, caption) for n, (k, picture, alt, caption) in drawn.items()}
    for k, cell in enumerate(cells):
        if not inside(where[k], wanted):
            continue
        heading = f"{number} § {where[k][0]} · {titles.get(where[k][0], where[k][0])}"
        heading = f"{number} · {where[k][1]}" if where[k][1] else heading
        if k in asks:
            source = cell["source"]
            lead = re.sub(r"^#.*\n", "", source[: source.index(PREDICT)], flags=re.M).strip().split("\n\n")[-1]
            useful = 0 < len(lead.split()) <= 90 and not lead.startswith("(")
            lead = f'<div class="lead">{render(lead)}</div>' if useful else ""
            body = f'<div class="middle ask">{lead}{render(question(source))}</div>'
            yield heading, body, "<b>Answer.</b> " + render(split_answer(cells[asks[k]]["source"])[1])
        if "live-code" in tags(cell):
            said = comment(cell["source"])
            todo = render(f"**Write it.** {said.replace('# ', '').replace(chr(10), ' ')}")
            code = scaffold(cell["source"])
            code = html.escape(code[: code.rindex(BLANK)] + BLANK)
            body = f'<div class="middle">{todo}<pre>{code}</pre></div>'
            yield heading, body, f"<pre>{html.escape(cell['source'])}</pre>"
        if k in by_cell:
            n, picture, alt, caption = by_cell[k]
            body = (f'<img class="figure" alt="{html.escape(alt)}" src="data:image/png;base64,{picture}">'
                    f'<div class="caption">{render(f"**Figure {n}.** {caption}")}</div>')  # fmt: skip
            yield heading, body, f"What to see: {html.escape(alt)}"


def _result(notebook, wanted):
    """HTML of what the last cell of these sections shows: to talk about where nothing is asked or drawn."""
    cells = cells_of(notebook)
    pairs = zip(cells, places(cells), strict=True)
    last = [cell["outputs"] for cell, place in pairs if inside(place, wanted) and cell.get("outputs")][-1:]
    texts = ["".join(output.get("text") or output.get("data", {}).get("text/plain", ""))
             for outputs in last for output in outputs]  # fmt: skip
    return f"<pre>{html.escape(chr(10).join(text.rstrip() for text in texts))}</pre>" if any(texts) else ""


def slides(title, about, rows, guides):
    """The slides of an agenda, as one HTML file."""
    out = []

    def add(heading, body, notes, seconds, minutes=None):
        budget = f'<span class="minutes">{minutes} min</span>' if minutes else ""
        head = f"<h2>{budget}{html.escape(heading) or '&nbsp;'}</h2>\n"
        notes = f'<aside class="notes">{notes}</aside>'
        out.append(f'<section data-timing="{round(seconds)}">\n{head}{body}\n{notes}\n</section>')

    rest = (run.ROOT / "DECISIONS.md").read_text(encoding="utf-8")
    table = "\n".join(line for line in rest.splitlines() if line.startswith("|"))
    table = f'<div class="decisions">{render(table)}</div>'
    decisions = ("The decision page", table, "It is on the back of the hand-out.")
    last = {target(what)[0]: k for k, (_, _, what, how) in enumerate(rows) if target(what) and "DECISIONS" not in how}
    seen = set()
    for k, (start, minutes, what, how) in enumerate(rows):
        advice = render(how[:1].upper() + how[1:])[3:-5]
        when = f"<p>{clock(start)} to {clock(start + minutes)}, {minutes} minutes. {advice}</p>"
        found, link = [], target(what)
        if not link:
            text = f"<h1>{html.escape(about)}</h1>" if k == 0 else ""
            found.append(("", f'<div class="middle">{text}<p class="home">{render(what)[3:-5]}</p></div>', ""))
            found += [decisions] if "DECISIONS" in how else []
        elif exercise := re.search(r"exercise (\d)", link[2]):
            number, notebook, _ = link
            text = exercises(cells_of(notebook))[int(exercise[1])][1]
            body = f'<div class="middle">{render(text)}</div>'
            found.append((f"{number} · Exercise {exercise[1]}", body, solution(solutions_of(notebook), exercise[1])))
        elif "DECISIONS" in how:
            found.append(decisions)
        else:
            number, notebook, rest = link
            if number not in seen:
                opening = cells_of(notebook)[0]["source"]
                decision = [part for part in opening.split("\n\n") if "**The decision" in part]
                first_page = "\n\n".join([opening.partition("\n")[0], *decision])
                found.append(("", f'<div class="middle">{render(first_page)}</div>', ""))
                seen.add(number)
            found += _section_slides(number, notebook, named(rest))
            if not found:
                titles = section_titles(cells_of(notebook))
                names = " · ".join(titles.get(section, section) for section in named(rest)[0])
                text = f'<p class="home">{html.escape(names)}</p>{_result(notebook, named(rest))}'
                found.append((f"{number} {rest.strip()}", f'<div class="middle">{text}</div>', ""))
        if link and last.get(link[0]) == k:
            home = re.search(r"\*\*To take home:\*\* (.+?)\n\n", guides.get(link[0], ""), flags=re.S)
            if home:
                sentence = render(home[1][0].upper() + home[1][1:])
                found.append(("To take home", f'<div class="middle home">{sentence}</div>', ""))
        for first, (heading, body, notes) in enumerate(found):
            seconds = 60 * minutes / len(found)
            share = f"<p>This slide: about {max(1, round(seconds / 60))} min.</p>"
            add(heading, body, when + share + notes, seconds, None if first else minutes)
    reveal = {path.name: path.read_text(encoding="utf-8") for path in (run.ROOT / "reveal").iterdir()}
    script = "".join(f"<script>{reveal[name]}</script>\n" for name in ("reveal.js", "notes.js"))
    script += START % (60 * sum(minutes for _, minutes, _, _ in rows))
    body = '<div class="reveal"><div class="slides">\n' + "\n".join(out) + "\n</div></div>"
    return page(f"Slides: {title}", reveal["reveal.css"] + SLIDES, body, script)


# ---- the kit


def _copy(path, folder):
    goal = folder / path.relative_to(run.ROOT)
    goal.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, goal)


def build(kit=KIT):
    """Write the kit; return the path of its zip."""
    import nbformat

    text = (run.ROOT / "WORKSHOP.md").read_text(encoding="utf-8")
    guides = dict(re.findall(r"^### (\d\d) · (.+?)(?=^### |\Z)", text, flags=re.M | re.S))
    shutil.rmtree(kit, ignore_errors=True)
    learners, solutions, teacher = kit / "learners", kit / "solutions", kit / "teacher"
    for folder in (learners, solutions, teacher / "figures"):
        folder.mkdir(parents=True)

    for name in SHARED:
        _copy(run.ROOT / name, learners)
    for path in [*(run.ROOT / "data").glob("*.py"), *(run.ROOT / "data").glob("*.md"),
                 *(run.ROOT / "data").glob("real/*")]:  # fmt: skip
        if path.is_file():
            _copy(path, learners)
    letter = re.search(r"(^> .*?\n)\n", text, flags=re.M | re.S)[1]
    (learners / "START.md").write_text(re.sub(r"^> ?", "", letter, flags=re.M) + "\n" + HOW, encoding="utf-8")

    for notebook in run.notebooks():
        opening = re.search(r"!\[[^\]]*\]\((figures/[\w-]+\.png)\)", cells_of(notebook)[0]["source"])
        taken = [path for kind in ("*.sql", "*.csv", "*_practice.ipynb") for path in notebook.parent.glob(kind)]
        taken += run.scripts(notebook.parent)
        if opening:
            taken.append(notebook.parent / opening[1])
        for path in taken:
            _copy(path, learners)
        goal = learners / notebook.relative_to(run.ROOT)
        goal.parent.mkdir(parents=True, exist_ok=True)
        goal.write_text(nbformat.writes(learner(notebook)) + "\n", encoding="utf-8")
        for k, name in ready(cells_of(notebook)).items():
            (goal.parent / name).parent.mkdir(exist_ok=True)
            (goal.parent / name).write_text(cells_of(notebook)[k]["source"] + "\n", encoding="utf-8")
        for path in (*notebook.parent.glob("*_solutions.ipynb"), *notebook.parent.glob("figures/*.png")):
            _copy(path, solutions)
        shutil.copyfile(notebook, solutions / notebook.parent.name / f"{notebook.stem}_executed.ipynb")
        for number, (_, picture, _, _) in figures(cells_of(notebook)).items():
            name = f"{notebook.parent.name[:2]}_figure_{number}.png"
            (teacher / "figures" / name).write_bytes(base64.b64decode(picture))

    (teacher / "WORKSHOP.md").write_text(re.sub(r"\]\((?!http|#)", "](../learners/", text), encoding="utf-8")
    for title, rows in agendas(text).items():
        name = title.lower().replace(" ", "_")
        pages = {"slides": slides(title, motto(text, title), rows, guides), "handout": handout(title, rows),
                 "answers": answers(title, rows)}  # fmt: skip
        for kind, content in pages.items():
            (teacher / f"{kind}_{name}.html").write_text(content, encoding="utf-8")

    archive = kit.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(kit.rglob("*")):
            if path.is_file():
                file.write(path, Path(kit.name) / path.relative_to(kit))
    return archive


def main():
    try:
        archive = build()
    except ImportError as error:
        print(f"workshop.py: {error}. Set up first: `make`, or the pip commands in README.md.", file=sys.stderr)
        return 1
    except (run.Stop, OSError) as error:
        print(f"workshop.py: {error}", file=sys.stderr)
        return 1
    count = len(zipfile.ZipFile(archive).namelist())
    print(f"{run.name_of(KIT)}/ and {run.name_of(archive)}: {count} files, {archive.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
