"""Claims: the prose of the series is held to the variables of the executed notebooks, so that no sentence goes stale.

python tests/claim_tools.py 03            what is wrong with notebook 03: claims that fail, numbers that none covers
python tests/claim_tools.py 03 --draft    the same, with a claim to paste for every number that none covers
python tests/claim_tools.py pages         README.md, WORKSHOP.md, GLOSSARY.md, data/README.md
python tests/claim_tools.py               everything that has claims

Claims stand in tests/claims/NN.py, in the lists CLAIMS (the tutorial), README_CLAIMS (its folder's README),
PRACTICE_CLAIMS and SOLUTIONS_CLAIMS; those of the pages in tests/claims/pages.py, in the dict PAGES.

    Claim("{naive:+.4f}, {naive / truth:.1f} times the truth")            f-string fields over the notebook's variables
    Claim("matching lands slightly above", when="matched > ipw['ATT']")   no number: a condition that must be true
    Claim("between 0.085 and 0.095", when="0.085 < spread < 0.095")       digits may be typed if the condition has them
    Claim("| {name} | {value:+.3f} |", each="name, value in parts.items()")      a claim for each row
    Everywhere("{CUTOFF}", "{K} workspaces")                  constants: may stand any number of times
    Fixed("three exercises", "two arms", why="the design")    design, history, logic: has to stand there, no more
    Elsewhere(r"^\\| \\d:\\d\\d .*", "test_workshop.py::test_agendas")      held by another test, which must exist

1. Text is compared as a reader sees it: white space is evened out, emphasis, link targets and HTML comments are
   dropped, a row of a table is a paragraph ("| a | b |"), "−" is "-". Formulas and code stay as they are written. An
   alt text is a paragraph of its own.
2. A claim stands in one paragraph, character for character, exactly once (`times=2`: twice), and is true.
3. Every number lies in a field, in a claim with a condition, in a Fixed, or is exempt (`exempt_places` says what is);
   its sign and its per cent belong to it. Digits that are typed in a claim must occur in its condition. Numbers are
   digits and the words two to ninety, half, a third, quarter, tenth, hundred, dozen, twice, threefold and the like.
4. Words of direction (above, fewer, always ...; OPPOSITES has them): at least HELD_DIRECTIONS of them lie in a claim.

A claim may use the notebook's variables, what the file of claims defines, `tutorial`, `solutions` and `practice` (the
variables of a sibling: solutions["bias"]), nb("03") (of any tutorial), np, section("When it fails") (its number), and
the functions under "helpers" below.
"""

import argparse
import ast
import difflib
import functools
import importlib.util
import math
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "data"), str(ROOT / "tests")]  # for a start as a script
sys.path += sorted(map(str, ROOT.glob("[0-9][0-9]_*")))  # a notebook keeps objects of its tool
import notebook_tools  # noqa: E402

HELD_DIRECTIONS = 0.8
CLAIMS = ROOT / "tests" / "claims"


# ---- what a reader reads


@dataclass
class Document:
    """A text as a reader sees it, a paragraph a line.

    Of character k, `where[k]` is the place in the file (line, column), `kind[k]` says whether it is text, code or a
    formula ("t", "c", "f"), and `target[k]` is the target of the link that it belongs to, or None.
    """

    path: Path
    text: str = ""
    kind: str = ""
    where: list = None
    target: list = None

    def place(self, position):
        return f"{self.path.name}:{self.where[min(position, len(self.where) - 1)][0]}"

    def paragraph(self, position):
        """(start, end) of the paragraph around a position."""
        return self.text.rfind("\n", 0, position) + 1, self.text.find("\n", position)


RAW = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)|(?<!\\)\$\$.+?\$\$|(?<![\\$])\$(?!\$)[^$]+?(?<!\\)\$", re.S)
LINK = re.compile(r"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\](\([^()\s]*(?:\([^()]*\)[^()\s]*)*\))", re.S)
UNSEEN = re.compile(r"\*+|\\(?=[^\w\s])|^>[ ]?|^\|[-:| ]+\|[ ]*$|https?://[^\s)>]+|doi:\S+|<!--.*?-->", re.M | re.S)


@functools.lru_cache(8192)  # mutate.py reads the same text a hundred times, one word changed
def as_read(raw):
    """What a reader sees of a piece of Markdown: a list of (index, "t", "c" or "f", target of a link or None)."""
    kinds, targets, seen = ["t"] * len(raw), [None] * len(raw), [True] * len(raw)
    for match in RAW.finditer(raw):
        kinds[match.start() : match.end()] = ("c" if match[0][0] == "`" else "f") * len(match[0])
    for match in LINK.finditer(raw):
        if kinds[match.start()] == "t":
            targets[match.start() : match.end()] = [match[2]] * len(match[0])
            for start, end in ((match.start(), match.start(1)), (match.end(1), match.end())):
                seen[start:end] = [False] * (end - start)
    for match in UNSEEN.finditer(raw):
        if kinds[match.start()] == "t":
            seen[match.start() : match.end()] = [False] * len(match[0])
    found = []
    for k, character in enumerate(raw):
        if seen[k] and not (character.isspace() and (not found or raw[found[-1][0]].isspace())):
            found.append((k, kinds[k], targets[k]))
    while found and raw[found[-1][0]].isspace():
        found.pop()
    return found


def even(raw, seen):
    """The characters of `raw` that a reader sees, as they are compared."""
    return "".join(" " if raw[k].isspace() else raw[k] for k, _, _ in seen).replace("−", "-")


def paragraphs(lines):
    """Cut lines (number, first column, text) of Markdown: a heading, a list item, a row of a table are one each."""
    parts, fenced = [[]], False
    for line in lines:
        text = line[2].strip()
        alone = not fenced and re.match(r"#+ |\|", text)
        fence = text.startswith("```")
        if not fenced and (not text or fence or alone or re.match(r"[-*] |\d+\. ", text)):
            parts.append([])
        parts[-1] += [line] if text else []
        if alone or (fence and fenced):
            parts.append([])
        fenced ^= fence
    return [part for part in parts if part]


def document(path, parts):
    """A Document of paragraphs."""
    found = Document(path, where=[], target=[])
    for lines in parts:
        raw = "\n".join(text for _, _, text in lines)
        places = [(number, column + k) for number, column, text in lines for k in range(len(text) + 1)]
        seen = as_read(raw)
        if seen:
            found.text += even(raw, seen) + "\n"
            found.kind += "".join(kind for _, kind, _ in seen) + "t"
            found.where += [places[k] for k, _, _ in seen] + [places[seen[-1][0]]]
            found.target += [target for _, _, target in seen] + [None]
    return found


def read_text(path, source=None):
    """A Markdown file, or the prose of a notebook's script (Markdown cells and alt texts), as a Document."""
    source = path.read_text(encoding="utf-8") if source is None else source
    if path.suffix != ".py":
        return document(path, paragraphs((n, 0, line) for n, line in enumerate(source.splitlines(), 1)))
    code = "\n".join("" if line.startswith("# ") else line for line in source.splitlines())
    parts, cell, prose = list(alt_texts(code)), [], False
    for number, line in enumerate([*source.splitlines(), "# %%"], 1):
        if line.startswith("# %%"):
            parts += paragraphs(cell)
            cell, prose = [], line.startswith("# %% [markdown]")
        elif prose:
            cell.append((number, 2, line[2:]))
    return document(path, sorted(parts, key=lambda lines: lines[0][0]))


@functools.lru_cache(64)
def alt_texts(source):
    """Paragraphs of the alt texts in code: show(figure, name, alt), Image(..., alt=...).

    They are read from the code, not from the stored outputs, so that they are checked before anything is executed. What
    an f-string computes needs no claim; it is left out ("{ }").
    """
    lines, found = source.splitlines(), []
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("show", "Image"):
            alt = [word.value for word in call.keywords if word.arg == "alt"]
            alt += call.args[2:3] if call.func.id == "show" else []
            if alt and isinstance(alt[0], (ast.Constant, ast.JoinedStr)):
                node, part = alt[0], []
                for number in range(node.lineno, node.end_lineno + 1):
                    start = node.col_offset if number == node.lineno else 0
                    end = node.end_col_offset if number == node.end_lineno else None
                    for match in re.finditer(r"""(f?)(["'])((?:\\.|(?!\2).)*)\2""", lines[number - 1][:end][start:]):
                        text = (
                            re.sub(r"(?<=\{)[^{}]*(?=\})", lambda m: " " * len(m[0]), match[3])
                            if match[1]
                            else match[3]
                        )
                        part.append((number, start + match.start(3), text.rstrip()))
                found.append(part)
    return found


# ---- numbers and words of direction

SMALL = """two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety""".split()
LARGE = "half halves hundred thousand million billion dozen twice double doubled doubles triple tripled triples".split()
PARTS = "fourth quarter fifth sixth seventh eighth ninth tenth twentieth hundredth thousandth".split()
COUNTS = [*SMALL, *LARGE, *PARTS, *(f"{name}fold" for name in SMALL), *(f"{name}s" for name in (*LARGE[2:7], *PARTS))]
COUNT = rf"(?:{'|'.join(COUNTS)}|thirds)"
NUMBER = re.compile(
    r"(?P<core>(?:(?<![\w)\]}])[+-])?(?<!\w)(?<!\d\.)"  # a sign, unless it stands between two things; no name like HC3
    r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?[²³¹⁰⁴-⁹⁻]*)(?![\d_])"
    r"(?P<unit> ?%| per ?cent\b| pp\b|(?:st|nd|rd|th)\b)?"
)
WORD = re.compile(rf"\b(?:{COUNT}(?:-{COUNT})*|(?<=\ba )third|third(?= of (?:the|all|its|our|those)\b))\b", re.I)
OPPOSITES = """above/below higher/lower larger/smaller bigger/smaller greater/smaller more/less fewer/more
wider/narrower rises/falls rise/fall rising/falling rose/fell increases/decreases increase/decrease
increased/decreased never/always all/none longer/shorter better/worse largest/smallest highest/lowest
widest/narrowest stronger/weaker positive/negative overstates/understates upwards/downwards faster/slower
nearer/farther closer/farther too_high/too_low at_least/at_most too_wide/too_narrow too_large/too_small"""
DIRECTIONS = {}
for first, second in (pair.replace("_", " ").split("/") for pair in OPPOSITES.split()):
    DIRECTIONS.setdefault(first, second)
    DIRECTIONS.setdefault(second, first)
LONGEST_FIRST = "|".join(sorted(DIRECTIONS, key=len, reverse=True))
DIRECTION = re.compile(rf"\b(?<!\bat )(?<!\bafter )(?<!-)(?:{LONGEST_FIRST})\b", re.I)


@dataclass
class Number:
    """A number in a text: its place with sign and unit (start, end), and without unit as it is written (core)."""

    start: int
    end: int
    core: str
    unit: str = ""
    kind: str = "t"  # text, code, formula

    @property
    def value(self):
        """As a float; None for words."""
        try:
            return float(re.sub("[,²³¹⁰⁴-⁹⁻]", "", self.core))
        except ValueError:
            return None


def numbers(doc):
    """All numbers of a Document."""
    found = [Number(*match.span(), match["core"], match["unit"] or "", doc.kind[match.start("core")])
             for match in NUMBER.finditer(doc.text)]  # fmt: skip
    found += [Number(*match.span(), match[0]) for match in WORD.finditer(doc.text) if doc.kind[match.start()] == "t"]
    return sorted(found, key=lambda number: number.start)


def directions(doc):
    """All (start, end) of words of direction outside code, formulas and references."""
    spans, skip = [match.span() for match in DIRECTION.finditer(doc.text)], references(doc)
    return [(a, b) for a, b in spans if doc.kind[a] == "t" and not any(start <= a < end for start, end in skip)]


# ---- numbers that need no claim

NAMED = r"sections?|figures?|failures?|exercises?|solutions?|steps?|clues?|questions?|tables?"
POINTER = re.compile(
    rf"(?:(?P<kind>§§?|\b(?:{NAMED})\b) ?)(?P<list>\d+(?:–\d+)?(?:(?:, and |, | and | or | to )(?!0)\d+(?:–\d+)?)*)"
    r"(?![\w%]|[.,]\d)", re.I,
)  # fmt: skip
TERMS = re.compile(  # the credit, numbers that are part of a name or say how something is coded
    r"\(freeCodeCamp, 2026\)|\b0 or 1\b|\b0/1\b|\bAR\(1\)"
    r"|\b(?:one|two)-(?:sided|way|stage|sample)\b|\bhalf-(?:widths?|heights?|life)\b"
)
LEVEL = re.compile(
    r"95 %(?= (?:confidence |randomization |robust |t )?(?:interval|limit|band|confidence))|(?<=\[)95 %(?=\])"
)
CITED = re.compile(r"\b(?P<name>[\w'-]*[A-Z][\w'-]*)(?: et al\.)?,? \(?(?P<year>(?:19|20)\d\d)\b")


def references(doc):
    """(start, end) of the sections "References" of a Document."""
    heading = r"^#+ References\n"
    return [match.span() for match in re.finditer(rf"{heading}(?:(?!#+ ).*\n)*", doc.text, re.M)]


def structure(doc):
    """What can be pointed at in a Document: a set of ("section", 3), ("figure", 1), ("failure", 2), ...

    They are there only if they are numbered one after the other: 1, 2, 3 (failures may begin later).
    """
    heads = [("section", n) for n in re.findall(r"^#+ (\d+)\. ", doc.text, re.M)]
    heads += [("figure", n) for n in re.findall(r"^Figure (\d+)\. \S", doc.text, re.M)]
    heads += re.findall(rf"^#+ ({NAMED}) (\d+)\b", doc.text, re.M | re.I)
    tasks = re.findall(r"^(\d)\. ", doc.text.partition("\n## On your own\n")[2], re.M)
    heads += [(word, n) for word in ("exercise", "solution") for n in tasks]
    found = set()
    for kind in {kind.lower() for kind, _ in heads}:
        there = [int(n) for word, n in heads if word.lower() == kind]
        first = 1 if kind in ("section", "figure") else there[0]
        found |= {(kind, n) for n in there if there == list(range(first, first + len(there)))}
    return found


@functools.cache
def tutorials():
    """{"03": path of its script}, by the folders that are there."""
    return {path.parent.name[:2]: path for path in sorted(ROOT.glob("[0-9][0-9]_*/*_demo.py"))}


@functools.cache
def _tutorial(key):
    """(structure, paragraphs of its references) of a tutorial as it lies on the disk."""
    doc = read_text(tutorials()[key])
    return structure(doc), [line for a, b in references(doc) for line in doc.text[a:b].splitlines()]


def exempt_places(doc, part):
    """All (start, end, reason) in a Document where a number needs no claim. Keep this list short and narrow:

    - an entry of the section "References"; a year after a name, if an entry there has both;
    - "section 4", "Figures 1 and 2", "failure 3", if they exist, in the notebook that is named just before or after;
    - the number of a heading or a list item; 02, if such a folder exists (and a link on it leads there);
    - "95 %" of an interval; names such as AR(1), two-sided, "0 or 1";
    - one digit in a formula; code between backticks that occurs in the code beside it, word for word;
    - constants, with two digits or more, as they are written in the cell `parameters` or, if the notebook names the
      field, in `World`: 0.85 is exempt where the code says `World.premium_cutoff`.
    """
    text, found = doc.text, [(a, b, "references") for a, b in references(doc)]
    entries = [line for a, b, _ in found for line in text[a:b].splitlines()]
    own, pages = structure(doc), part.folder is None
    if part.folder and part.path != tutorials().get(part.folder[:2]):  # solutions, for one, say "section 3"
        own |= _tutorial(part.folder[:2])[0] if part.folder[:2] in tutorials() else set()
    for key in tutorials() if not entries else ():
        entries += _tutorial(key)[1]
    for match in CITED.finditer(text):
        name, year = match["name"].removesuffix("'s"), match["year"]
        if any(re.search(rf"\b{name}\b", entry) and year in entry for entry in entries):
            found.append((*match.span("year"), "citation"))
    for match in POINTER.finditer(text):
        before = text[doc.paragraph(match.start())[0] : match.start()]
        named = re.findall(r"\b0\d\b" if pages else r"\b0\d(?=,? $)", before)
        after = re.match(r" of (?:notebook )?(0\d)\b", text[match.end() :])
        if pages and not named:
            named = re.findall(r"^#+ (0\d) ·", text[: match.start()], re.M)
        home = after[1] if after else named[-1] if named else None
        there = (_tutorial(home)[0] if home in tutorials() else set()) if home else own
        kind = "section" if match["kind"][0] == "§" else match["kind"].lower().rstrip("s")
        steps = [range(int(a), int(b or a) + 1) for a, b in re.findall(r"(\d+)(?:–(\d+))?", match["list"])]
        pointed = [n for step in steps for n in step]
        if pointed == sorted(set(pointed)) and all((kind, n) in there for n in pointed):
            found.append((*match.span("list"), "reference"))
    for match in re.finditer(r"(?<![\w.,:])0\d(?![\w%]|[:.,]\d)", text):
        target = doc.target[match.start()]
        if match[0] in tutorials() and (target is None or f"{match[0]}_" in target or "_" not in target):
            found.append((*match.span(), "notebook"))
    if part.folder and text.startswith(f"# {part.folder[:2]} ·"):
        found.append((2, 4, "heading"))
    for match in re.finditer(r"^#+ (\d+)\. ", text, re.M):
        if ("section", int(match[1])) in own:
            found.append((*match.span(), "heading"))
    for pattern, reason in ((r"(?<=\n)\d+\. ", "list"), (TERMS, "term"), (LEVEL, "level")):
        found += [(*match.span(), reason) for match in re.finditer(pattern, text)]
    for match in re.finditer(r"`+([^`]+)`+", text):
        code = re.sub(r"^\w+ (?=.*\n)", "", match[1]).strip()
        if re.search(r"[A-Za-z]", code) and re.search(rf"(?<!\w){re.escape(code)}(?!\w)", part.code):
            found.append((*match.span(), "code"))
    for number in numbers(doc):
        if number.kind == "f" and re.fullmatch(r"[+-]?\d", number.core):
            found.append((number.start, number.end, "formula"))
        elif number.core in part.constants and not number.unit:
            found.append((number.start, number.end, "constant"))
    return found


@functools.cache
def world_constants():
    """{field of World that is one number: as it is written there}."""
    source = (ROOT / "data" / "generate_data.py").read_text(encoding="utf-8")
    world = next(node for node in ast.parse(source).body if getattr(node, "name", "") == "World")
    fields = [node for node in world.body if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant)]
    return {node.target.id: ast.get_source_segment(source, node.value) for node in fields}


def constants(source):
    """The numbers that are constants of a notebook's script, in every way in which a text may write them."""
    cells = re.findall(r'^# %% tags=\["parameters"\]\n(.*?)(?=^# %%|\Z)', source, re.M | re.S)
    lines = [re.sub("#.*", "", line) for cell in cells for line in cell.splitlines() if not line.startswith("SEED")]
    written = [number for line in lines for number in re.findall(r"(?<![\w.])\d[\d_]*(?:\.\d+)?", line)]
    written += [
        value
        for name, value in world_constants().items()
        if re.search(rf"\b[Ww]orld(?:\(\))?\.{name}\b|\b{name}=", source)
    ]
    texts = set()
    for number in (number.replace("_", "") for number in written):
        if "." in number and len(number) >= 4:  # 0.85, not 0.5: fewer digits are too easily a result's
            texts.add(number)
        elif number.isdigit() and int(number) >= 100:
            texts |= {number, f"{int(number):,}"}
    return texts


# ---- helpers: what a claim may call


def words(number):
    """3 -> "three", 24 -> "twenty-four", 200 -> "two hundred", 5000 -> "five thousand"."""
    number = int(round(number))
    names = ["zero", "one", *SMALL[:18]]
    if number < 20:
        return names[number]
    if number < 100:
        return SMALL[16 + number // 10] + (f"-{names[number % 10]}" if number % 10 else "")
    for size, name in ((1_000_000, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = f" {words(number % size)}" if number % size else ""
            return f"{words(number // size)} {name}{rest}"
    raise ValueError(f"no words for {number}")


def capital(text):
    """ "three" -> "Three"."""
    return text[:1].upper() + text[1:]


def nth(number):
    """3 -> "3rd"."""
    return f"{number}{'th' if 10 <= number % 100 <= 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def ordinal(number):
    """3 -> "third", up to twelve."""
    return "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()[number]


def pct(share, decimals=0):
    """0.274 -> "27 %"."""
    return f"{100 * share:.{decimals}f} %"


def pp(difference, decimals=1):
    """0.0632 -> "+6.3 pp"."""
    return f"{100 * difference:+.{decimals}f} pp"


def about(value, said, within=0.1):
    """Whether a value may be called "about `said`": at most a tenth (or `within`) of it away."""
    return bool(np.all(np.abs(np.asarray(value) - said) <= within * abs(said)))


HELPERS = {function.__name__: function for function in (words, capital, nth, ordinal, pct, pp, about)} | {"np": np}


# ---- claims


class Wrong(Exception):
    """A claim that cannot be checked, in one line."""


def _here():
    """The place of the claim that is being made: its file and line."""
    frame = sys._getframe(2)
    while frame.f_code.co_filename == __file__:
        frame = frame.f_back
    path = Path(frame.f_code.co_filename)
    return f"{path.parent.name}/{path.name}:{frame.f_lineno}"


@dataclass
class Fragment:
    """A rendered claim: its text, the places in it that are computed, how often it must stand, whether it is true."""

    text: str
    fields: list  # (start, end)
    times: int | None
    typed: object  # a set: the digits that may be typed in it; None: any
    words: bool  # whether its words may count (three of four) without being computed
    place: str
    false: str = ""


class Claim:
    """A fragment of the text as a template of f-string fields over the notebook's variables.

    `when`: a condition (an expression) that must be true; `each`: "name, value in table.items()", one claim for each;
    `times`: how often it stands in the text.
    """

    def __init__(self, template, when=None, each=None, times=1):
        self.place, self.when, self.times = _here(), when, times
        quotes = '"""' if not template.endswith('"') else "'''"
        try:
            joined = ast.parse(f"rf{quotes}{template}{quotes}", mode="eval").body
            loop = ast.parse(f"[0 for {each}]", mode="eval").body.generators if each else []
            condition = ast.parse(when or "True", mode="eval").body
        except SyntaxError as error:
            raise SyntaxError(f"{self.place}: {error.msg} in {template!r}") from None
        self.pieces = joined.values if isinstance(joined, ast.JoinedStr) else [joined]
        fields = [piece for piece in self.pieces if isinstance(piece, ast.FormattedValue)]
        if not fields and not when:
            raise ValueError(f"{self.place}: {template!r} claims nothing: give it a field or a condition, or make it "
                             "Fixed(..., why=...)")  # fmt: skip
        if when and not any(isinstance(node, ast.Name) for node in ast.walk(condition)):
            raise ValueError(f"{self.place}: {when} does not depend on any variable")
        self.condition = condition
        row = ast.Tuple([*(ast.JoinedStr([piece]) for piece in fields), condition], ast.Load())
        body = ast.ListComp(row, loop) if loop else ast.List([row], ast.Load())
        tree = ast.fix_missing_locations(ast.Expression(body))
        self.names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        self.code = compile(tree, self.place, "eval")
        self.digits = {abs(node.value) for node in ast.walk(condition)
                       if isinstance(node, ast.Constant) and isinstance(node.value, (int, float))}  # fmt: skip

    def fragments(self, lookup):
        """Fragments of the claim; raise Wrong where it cannot be computed."""
        try:
            rows = eval(self.code, self._space(lookup))
        except NameError as error:
            raise Wrong(
                f"{self.place}: {error.name!r} is no variable of the notebook (its functions are not kept)"
            ) from None
        except Exception as error:  # whatever an expression may raise
            raise Wrong(f"{self.place}: cannot be computed: {type(error).__name__}: {error}") from None
        found = []
        for *values, true in rows:
            marked, values = "", iter(values)
            for piece in self.pieces:
                marked += f"\ue000{next(values)}\ue001" if isinstance(piece, ast.FormattedValue) else piece.value
            text, fields = "", []
            for character in even(marked, as_read(marked)):
                if character == "\ue000":
                    fields.append(len(text))
                elif character == "\ue001":
                    fields[-1] = (fields[-1], len(text))
                else:
                    text += character
            typed = {*self.digits, *(100 * value for value in self.digits)} if self.when else set()
            false = "" if true else self._why(lookup)
            found.append(Fragment(text, fields, self.times, typed, bool(self.when), self.place, false))
        return found

    def _space(self, lookup):
        """The names that the claim needs, as far as they are known: the others may be a loop's own."""
        found = {}
        for name in self.names:
            try:
                found[name] = lookup(name)
            except NameError:
                continue
        return found

    def _why(self, lookup):
        """A false condition with the values of its sides."""
        shown = []
        for node in ast.walk(self.condition):
            if isinstance(node, (ast.Name, ast.Subscript, ast.Attribute, ast.BinOp, ast.Call)):
                try:
                    code = compile(ast.Expression(node), self.place, "eval")
                    value = eval(code, self._space(lookup))
                    if np.ndim(value) == 0 and isinstance(value, (int, float, str, bool, np.generic)):
                        shown.append(f"{ast.unparse(node)} = {value:.6g}" if not isinstance(value, str) else "")
                except Exception:
                    continue  # a variable of a comprehension, for one
        return f"{self.when}" + (f"   ({', '.join(dict.fromkeys(filter(None, shown)))})" if shown else "")


class Everywhere:
    """Templates that may stand any number of times (once at least), in capitals or not: constants, above all."""

    def __init__(self, *templates):
        self.place = _here()
        self.claims = [Claim(template, times=None) for template in templates]

    def fragments(self, lookup):
        return [fragment for claim in self.claims for fragment in claim.fragments(lookup)]


class Fixed:
    """Fragments that are fixed by design, history or logic, and only have to stand in the text, in capitals or not."""

    def __init__(self, *texts, why):
        self.place, self.texts = _here(), texts
        if not texts or len(why) < 4:
            raise ValueError(f"{self.place}: Fixed needs its texts and a reason: Fixed('three exercises', why='...')")

    def fragments(self, lookup):
        shown = [even(text, as_read(text)) for text in self.texts]
        return [Fragment(text, [], None, None, True, self.place) for text in shown]


class Elsewhere:
    """Numbers (all that a regular expression matches, in the text as it is read) that another test holds."""

    def __init__(self, pattern, test):
        self.place, self.pattern, self.test = _here(), re.compile(pattern, re.M), test
        file, _, name = test.partition("::")
        if f"def {name}(" not in (ROOT / "tests" / file).read_text(encoding="utf-8"):
            raise ValueError(f"{self.place}: there is no test {test}")


# ---- a text and its claims


class Part:
    """A text, its claims, and where these take their values from."""

    def __init__(self, path, claims, module=None):
        self.path, self.claims, self.module = path, claims, module
        self.folder = path.parent.name if path.parent.name[:2].isdigit() else None
        self.name = str(path).removeprefix(f"{ROOT}/")
        mirrors = [path] if path.suffix == ".py" else sorted(path.parent.glob("*_demo.py")) if self.folder else []
        self.constants = set().union(*(constants(mirror.read_text(encoding="utf-8")) for mirror in mirrors))
        self.code = code_beside(path.parent) if self.folder else ""

    def lookup(self, name):
        """The value of a name in a claim."""
        if hasattr(self.module, name):
            return getattr(self.module, name)
        if self.folder:
            own = self.path if self.path.suffix == ".py" else tutorials()[self.folder[:2]]
            space = variables(own)
            if name in space:
                return space[name]
            kinds = {"tutorial": "demo", "solutions": "solutions", "practice": "practice"}
            if name in kinds:
                return variables(next(self.path.parent.glob(f"*_{kinds[name]}.py")))
        if name == "nb":
            return nb
        if name == "section":
            return self.section
        if name in HELPERS:
            return HELPERS[name]
        raise NameError(name)

    def section(self, start, key=None):
        """The number of the section whose title begins so, in this text or in a tutorial: section("When it", "03")."""
        text = (read_text(tutorials()[key]) if key else self.read()).text
        return re.search(rf"^#+ (\d+)\. {re.escape(start)}", text, re.M)[1]

    @functools.cached_property
    def rendered(self):
        """(fragments, lines of what cannot be computed)."""
        fragments, wrong = [], []
        for claim in self.claims:
            if not isinstance(claim, Elsewhere):
                try:
                    fragments += claim.fragments(self.lookup)
                except Wrong as error:
                    wrong.append(str(error))
        return fragments, wrong

    def read(self, source=None):
        return read_text(self.path, source)


@functools.cache
def variables(mirror):
    """The variables of a notebook, by its script."""
    if str(mirror.parent) not in sys.path:
        sys.path.append(str(mirror.parent))  # some may be of a class that the folder's tool defines
    return notebook_tools.namespace(mirror.with_suffix(".ipynb"))


def nb(key):
    """The variables of the tutorial with this number ("03")."""
    return variables(tutorials()[key])


@functools.cache
def code_beside(folder):
    """All code of a notebook's folder, white space evened out."""
    text = ""
    for path in (*sorted(folder.glob("*.py")), *sorted(folder.glob("*.sql"))):
        lines = path.read_text(encoding="utf-8").splitlines()
        text += "\n".join(line for line in lines if path.suffix == ".sql" or not line.startswith("# ")) + "\n"
    return " ".join(text.split())


def places_of(fragment, text, any_case=False):
    """Where a fragment stands in a text, as a whole: not inside a longer number or word."""
    found, first, last = [], fragment[0], fragment[-1]
    searched, fragment = (text.lower(), fragment.lower()) if any_case else (text, fragment)
    place = searched.find(fragment)
    while place >= 0:
        before, after = text[max(0, place - 2) : place], text[place + len(fragment) : place + len(fragment) + 2]
        inside = re.match(r"[\w+-]", first) and re.search(r"\w\Z", before)
        inside = inside or (first.isdigit() and re.search(r"(?:[+-]|\d[.,])\Z", before))
        inside = inside or (re.match(r"\w", last) and re.match(r"\w", after))
        if not (inside or (last.isdigit() and re.match(r"[.,]\d", after))):
            found.append(place)
        place = searched.find(fragment, place + 1)
    return found


@dataclass
class Report:
    """What is wrong with a text."""

    doc: Document
    failing: list  # lines
    uncovered: list  # Numbers
    loose: list  # (start, end) of words of direction in no claim
    share: float  # of words of direction that are in a claim

    @property
    def problems(self):
        lines = [*self.failing, *(f"{self.doc.place(n.start)}: no claim covers {excerpt(self.doc, n.start, n.end)}"
                                  for n in self.uncovered)]  # fmt: skip
        if self.share < HELD_DIRECTIONS:
            lines.append(f"{self.doc.path.name}: {self.share:.0%} of the words of direction lie in a claim, and "
                         f"{HELD_DIRECTIONS:.0%} should; python tests/claim_tools.py shows the others")  # fmt: skip
        return lines


def excerpt(doc, start, end, around=45):
    """A place in its surroundings, marked."""
    first, last = doc.paragraph(start)
    text = doc.text
    return f"…{text[max(first, start - around) : start]}⟦{text[start:end]}⟧{text[end : min(last, end + around)]}…"


def check(part, source=None, explain=True):
    """Report on a Part; `source` replaces the text of its file, `explain=False` saves the search for similar text."""
    doc = part.read(source)
    fragments, failing = part.rendered
    failing = list(failing)
    computed, stated, covered = [], [], []  # places (start, end, ...) that hold numbers, digits, words of direction
    for fragment in fragments:
        places = (
            places_of(fragment.text, doc.text, fragment.times is None) if fragment.text else [0] * (fragment.times or 1)
        )
        if not places:
            failing.append(f"{fragment.place}: stands nowhere\n" + (nearest(fragment.text, doc) if explain else ""))
        elif fragment.times not in (None, len(places)):
            where = ", ".join(doc.place(place) for place in places)
            failing.append(
                f"{fragment.place}: {fragment.text!r} stands {len(places)} times ({where}): "
                f"add words that tell the places apart, or times={len(places)}, or Everywhere(...)"
            )
        if fragment.false:
            failing.append(f"{fragment.place}: {fragment.text!r} is not true: {fragment.false}")
        for place in places:
            covered.append((place, place + len(fragment.text)))
            computed += [(place + start, place + end, *covered[-1]) for start, end in fragment.fields]
            stated.append((*covered[-1], fragment.typed, fragment.words))
    exempt = [(start, end) for start, end, _ in exempt_places(doc, part)]
    exempt += [match.span() for claim in part.claims if isinstance(claim, Elsewhere)
               for match in claim.pattern.finditer(doc.text)]  # fmt: skip

    def held(number):
        core = number.start + len(number.core)
        if any(start <= number.start and core <= end for start, end in exempt):
            return True
        if any(a <= number.start and core <= b and number.end <= last for a, b, _, last in computed):
            return True
        for start, end, typed, by_words in stated:
            if start <= number.start and number.end <= end:
                if typed is None or (number.value is None and by_words):
                    return True
                if number.value is not None and any(math.isclose(abs(number.value), digit) for digit in typed):
                    return True
        return False

    uncovered = [number for number in numbers(doc) if not held(number)]
    words_of = directions(doc)
    loose = [(a, b) for a, b in words_of if not any(start <= a and b <= end for start, end in covered)]
    return Report(doc, failing, uncovered, loose, 1 - len(loose) / max(1, len(words_of)))


def nearest(fragment, doc):
    """Two lines: a fragment that stands nowhere, and the text that is most like it."""
    pieces = fragment.split()
    rare = Counter(doc.text.split())
    lines, best = doc.text.splitlines(), (0.0, "", 0)
    position, scored = 0, []
    for line in lines:
        common = set(pieces) & set(line.split())
        scored.append((-sum(1 / rare[word] for word in common), position, line))
        position += len(line) + 1
    for _, position, line in sorted(scored)[:3]:
        tokens = [match.span() for match in re.finditer(r"\S+", line)]
        for k in range(max(1, len(tokens) - len(pieces) + 1)):
            window = line[tokens[k][0] : tokens[min(len(tokens), k + len(pieces)) - 1][1]]
            matcher = difflib.SequenceMatcher(None, fragment, window, autojunk=False)
            if matcher.real_quick_ratio() > best[0] and matcher.quick_ratio() > best[0] and matcher.ratio() > best[0]:
                best = (matcher.ratio(), window, position + tokens[k][0])
    found = f"{best[1]}   ({doc.place(best[2])})" if best[0] > 0.3 else "nothing like it"
    return f"    claimed: {fragment}\n    nearest: {found}"


# ---- which texts have claims


@functools.cache
def load(path):
    """A file of claims as a module (its name begins with a digit, so `import` cannot)."""
    spec = importlib.util.spec_from_file_location(f"claims_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NAMES = {"*_demo.py": "CLAIMS", "*_practice.py": "PRACTICE_CLAIMS", "*_solutions.py": "SOLUTIONS_CLAIMS",
         "README.md": "README_CLAIMS"}  # fmt: skip


def parts_of(key):
    """The Parts of a notebook's number ("03") or of "pages", by what is there; a missing list has no claims."""
    path = CLAIMS / f"{key}.py"
    module = load(path) if path.exists() else None
    if key == "pages":
        return [Part(ROOT / name, claims, module) for name, claims in module.PAGES.items()]
    folder = next(ROOT.glob(f"{key}_*"))
    return [Part(path, getattr(module, name, []), module)
            for pattern, name in NAMES.items() for path in sorted(folder.glob(pattern))]  # fmt: skip


def keys():
    """What has claims: "03", ..., "pages"."""
    return sorted(path.stem for path in CLAIMS.glob("*.py"))


# ---- the command line


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("key", nargs="*", help="03, pages, ...; all that have claims if none is given")
    parser.add_argument("--draft", action="store_true", help="print a claim for each number that none covers")
    options = parser.parse_args(arguments)
    wrong = 0
    for key in options.key or keys():
        for part in parts_of(key):
            report = check(part)
            held, all_of = len(numbers(report.doc)) - len(report.uncovered), len(numbers(report.doc))
            print(f"== {part.name}: {held} of {all_of} numbers and {report.share:.0%} of the directions are held, "
                  f"{len(report.failing)} claims fail")  # fmt: skip
            for line in report.failing:
                print(line)
            if options.draft:
                import claim_drafts

                print("\n".join(claim_drafts.draft(part, report)))
            else:
                for number in report.uncovered:
                    found = excerpt(report.doc, number.start, number.end)
                    print(f"{report.doc.place(number.start)}: no claim covers {found}")
                for start, end in report.loose if report.share < HELD_DIRECTIONS else ():
                    print(f"{report.doc.place(start)}: direction in no claim: {excerpt(report.doc, start, end)}")
            wrong += len(report.problems)
    return 1 if wrong else 0


if __name__ == "__main__":
    import claim_tools  # the module that the files of claims import, not this copy of it

    sys.exit(claim_tools.main())
