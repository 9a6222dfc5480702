"""How many faults would the tests notice? Put faults in, one at a time, and count.

python tests/mutate.py                                       100 faults of each kind, seed 0
python tests/mutate.py --kind numbers directions --only 03   only these kinds, only in folder 03
python tests/mutate.py --kind tool --n 30 --seed 1 --show    print the faults and try none

A fault (a mutant) is killed when a test fails that does not compare stored outputs: neither nbval nor the comparison
of figures and printed text counts. The kinds:

numbers      a digit, a sign or a number word of a tutorial, a practice notebook or solutions (prose, tables, captions,
             alt texts); not in References, nor the number of a heading or list item, nor one digit in a formula
directions   "above" for "below", "fewer" for "more": claim_tools.OPPOSITES
pages        both, in README.md, WORKSHOP.md, GLOSSARY.md, data/README.md and the folders' READMEs
generator    data/generate_data.py: a comparison, an operator, a constant, a condition negated, two arguments swapped,
             a statement dropped
tool         the same in the tools (scripts of the folders that are no notebook's), data/own_logs.py, data/series.py
sql          comparisons, operators, functions and constants in check.sql and aggregate.sql
run          run.py

Texts are tried against their claims in this process. What these do not notice, and all code, is tried in a copy of
the repository, two at a time, with the tests that `tests_for` names. What survives is printed: file, line, before,
after. The interval is Wilson's, for 95 %. What stands in EQUIVALENT changes nothing and is not drawn.
"""

import argparse
import ast
import concurrent.futures
import itertools
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import claim_tools  # noqa: E402
import notebook_tools  # noqa: E402

import run  # noqa: E402

KINDS = ("numbers", "directions", "pages", "generator", "tool", "sql", "run")
TEXTS = KINDS[:3]
PAGES = ("README.md", "WORKSHOP.md", "GLOSSARY.md", "DECISIONS.md", "data/README.md")

EQUIVALENT = {  # (file, line before, line after), stripped: why nobody could notice
    ("data/generate_data.py", "BLOCK = 250_000  # users held in memory at a time",
     "BLOCK = 250_001  # users held in memory at a time"): "the rows do not depend on the size of a block",
    ("data/generate_data.py", "if n_users <= BLOCK:", "if n_users < BLOCK:"): "one block, made the other way",
    ("data/generate_data.py", "bar.update(len(block))", "pass"): "the progress bar, seen on terminals only",
    ("data/generate_data.py",
     "if len(self.tier_share) != 3 or min(self.tier_share) < 0 or abs(sum(self.tier_share) - 1) > 1e-9:",
     "if len(self.tier_share) != 3 or min(self.tier_share) < 0 or abs(sum(self.tier_share) - 1) > 1.25e-09:"):
        "a tolerance for rounding errors, of any size",
    ("06_switchback/check.sql", "CASE WHEN ABS(t) < 1e300 THEN FLOOR((t - origin) / slot_length + 1e-9) END AS slot",
     "CASE WHEN ABS(t) <= 1e300 THEN FLOOR((t - origin) / slot_length + 1e-9) END AS slot"): "any large limit",
    ("06_switchback/check.sql", "WHEN NOT ABS(t) < 1e300 THEN 'time is no time'",
     "WHEN NOT ABS(t) <= 1e300 THEN 'time is no time'"): "any large limit",
    ("04_synthetic_control/check.sql", "HAVING SUM(wrong_treatment) > 0", "HAVING MAX(wrong_treatment) > 0"):
        "a flag is above 0 in sum where it is in one row",
    ("07_sequential_msprt/check.sql", "HAVING COUNT(*) > 0", "HAVING MAX(1) > 0"): "both are above 0 where a row is",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One fault: characters start to end of line `line` (from 1) of `file` (from the root) become `new`."""

    file: str
    line: int
    start: int
    end: int
    new: str

    def apply(self, source):
        lines = source.split("\n")
        text = lines[self.line - 1]
        lines[self.line - 1] = text[: self.start] + self.new + text[self.end :]
        return "\n".join(lines)

    def lines(self):
        """The line before and after."""
        source = (ROOT / self.file).read_text(encoding="utf-8")
        return source.split("\n")[self.line - 1].strip(), self.apply(source).split("\n")[self.line - 1].strip()

    def __str__(self):
        before, after = self.lines()
        return f"{self.file}:{self.line}\n    - {before}\n    + {after}"


# ---- faults in texts


def text_files(kind, only):
    patterns = ["*_demo.py", "*_practice.py", "*_solutions.py"] if kind != "pages" else ["README.md"]
    files = [
        path for folder in sorted(ROOT.glob(f"{only or '[0-9][0-9]'}_*")) for p in patterns for path in folder.glob(p)
    ]
    pages = [ROOT / name for name in PAGES if kind == "pages" and not only and (ROOT / name).exists()]
    return [str(path.relative_to(ROOT)) for path in pages + files]


def mutate_text(file, kind, rng):
    """All faults of a kind in a text: one for each number or word of direction."""
    part = claim_tools.Part(ROOT / file, [])
    doc, found = part.read(), []
    skipped = [(a, b) for a, b, why in claim_tools.exempt_places(doc, part)
               if why in ("references", "heading", "list", "formula")]  # fmt: skip

    def replace(start, end, new):
        (line, column), (last, _) = doc.where[start], doc.where[end - 1]
        if line == last:
            found.append(Mutant(file, line, column, column + end - start, new))

    for number in claim_tools.numbers(doc) if kind != "directions" else ():
        if any(a <= number.start < b for a, b in skipped):
            continue
        if number.value is None:
            text = number.core.lower()
            names = claim_tools.SMALL[:11] if text in claim_tools.SMALL[:11] else claim_tools.SMALL[11:19]
            names = ["half", "quarter", "fifth", "tenth"] if text in ("half", "third", *claim_tools.PARTS) else names
            names = ["hundred", "thousand", "million"] if text in claim_tools.LARGE[2:5] else names
            new = rng.choice([name for name in names if name != text])
            replace(number.start, number.start + len(text), new.capitalize() if number.core[0].isupper() else new)
        else:
            places = [k for k in range(number.start, number.start + len(number.core)) if doc.text[k] in "+-0123456789"]
            place = rng.choice(places)
            old = doc.text[place]
            first = (
                place == places[0] and len(number.core) > 1 and number.core[1:2].isdigit()
            )  # no 0 in front of digits
            new = {"+": "−", "-": "+"}.get(old) or rng.choice(
                [d for d in "0123456789" if d != old and not (first and d == "0")]
            )
            replace(place, place + 1, new)
    for start, end in claim_tools.directions(doc) if kind != "numbers" else ():
        word = doc.text[start:end]
        new = claim_tools.DIRECTIONS[word.lower()]
        replace(start, end, new.capitalize() if word[0].isupper() else new)
    return found


def notebook_with(mutant):
    """(path of the notebook of a mutated script, its text with the same fault), for the copy: pairs stay in sync."""
    mirror = (ROOT / mutant.file).read_text(encoding="utf-8").split("\n")
    marks = [k for k, line in enumerate(mirror) if line.startswith("# %%") and k < mutant.line]
    path = ROOT / mutant.file.replace(".py", ".ipynb")
    book = json.loads(path.read_text(encoding="utf-8"))
    cell = book["cells"][len(marks) - 1]
    source = "".join(cell["source"]).split("\n")
    prefix = 2 if cell["cell_type"] == "markdown" else 0
    at = mutant.line - marks[-1] - 2
    if source[at : at + 1] != [mirror[mutant.line - 1][prefix:]]:
        sys.exit(f"mutate.py: {mutant.file} and its notebook differ at line {mutant.line}. First: make sync")
    source[at] = source[at][: mutant.start - prefix] + mutant.new + source[at][mutant.end - prefix :]
    cell["source"] = [line + "\n" for line in source[:-1]] + source[-1:]
    return path, json.dumps(book, ensure_ascii=False, indent=1) + "\n"


def killed_by_claims(mutants):
    """The mutants of texts that the claims notice."""
    killed, parts, before = set(), {}, {}
    for key in claim_tools.keys():
        parts |= {str(part.path.relative_to(ROOT)): part for part in claim_tools.parts_of(key)}

    def seen(report):
        return report.failing, [report.doc.text[n.start : n.end] for n in report.uncovered]

    for mutant in mutants:
        part = parts.get(mutant.file)
        if part:
            if mutant.file not in before:
                before[mutant.file] = seen(claim_tools.check(part, explain=False))
            source = mutant.apply(part.path.read_text(encoding="utf-8"))
            if seen(claim_tools.check(part, source, explain=False)) != before[mutant.file]:
                killed.add(mutant)
    return killed


# ---- faults in code

COMPARE = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "in": "not in", "not in": "in",
           "is": "is not", "is not": "is"}  # fmt: skip
BINARY = {"+": "-", "-": "+", "*": "/", "/": "*", "//": "/", "%": "*", "**": "*", "@": "*", "&": "|", "|": "&",
          "and": "or", "or": "and"}  # fmt: skip


def mutate_code(file):
    """All faults in a Python file."""
    source = (ROOT / file).read_text(encoding="utf-8")
    lines, tree, found = source.split("\n"), ast.parse(source), []
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()) + 1)
    data = source.encode()

    def position(line, column):  # a column of ast is in bytes
        return len(lines[line - 1].encode()[:column].decode())

    def replace(node, new):
        if node.lineno == node.end_lineno:
            a, b = position(node.lineno, node.col_offset), position(node.lineno, node.end_col_offset)
            found.append(Mutant(file, node.lineno, a, b, new))

    def between(left, right, table):
        """The operator between two nodes becomes another."""
        a, b = starts[left.end_lineno - 1] + left.end_col_offset, starts[right.lineno - 1] + right.col_offset
        text = data[a:b].decode()
        match = re.search(
            r"not in|is not|\bin\b|\bis\b|\band\b|\bor\b|[<>=!]=|//|\*\*|[-+*/%@&|<>]", re.sub("#.*", "", text)
        )
        if match and match[0] in table:
            before = data[:a].decode() + text[: match.start()]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n") - 1
            found.append(Mutant(file, line, column, column + len(match[0]), table[match[0]]))

    def statement(node):
        """A statement is dropped (one over several lines is not)."""
        if node.lineno == node.end_lineno:
            replace(node, "pass")

    strings = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for parent in ast.walk(tree):
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.Compare):
                for left, right in zip([node.left, *node.comparators], node.comparators, strict=False):
                    between(left, right, COMPARE)
            elif isinstance(node, ast.BinOp):
                between(node.left, node.right, BINARY)
            elif isinstance(node, ast.BoolOp):
                for left, right in zip(node.values, node.values[1:], strict=False):
                    between(left, right, BINARY)
            elif isinstance(node, ast.AugAssign):
                between(node.target, node.value, {"+": "-", "-": "+", "*": "/", "/": "*", "|": "&", "&": "|"})
            elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub, ast.Invert)):
                replace(node, f"({ast.get_source_segment(source, node.operand)})")
            elif isinstance(node, ast.Constant) and not isinstance(parent, (ast.JoinedStr, ast.FormattedValue)):
                if isinstance(node.value, bool):
                    replace(node, str(not node.value))
                elif isinstance(node.value, int):
                    replace(node, str(node.value + 1))
                elif isinstance(node.value, float):
                    replace(node, repr(round(1.25 * node.value, 12)) if node.value else "0.1")
            elif isinstance(node, ast.Call) and len(node.args) >= 2:
                first, second = node.args[:2]
                a, b = ast.get_source_segment(source, first), ast.get_source_segment(source, second)
                if first.lineno == second.end_lineno and a != b and not isinstance(first, ast.Starred):
                    start, end = (
                        position(first.lineno, first.col_offset),
                        position(second.end_lineno, second.end_col_offset),
                    )
                    gap = lines[first.lineno - 1][
                        position(first.lineno, first.end_col_offset) : position(second.lineno, second.col_offset)
                    ]
                    found.append(Mutant(file, first.lineno, start, end, b + gap + a))
            if isinstance(node, (ast.If, ast.While, ast.IfExp, ast.comprehension)):
                for test in node.ifs if isinstance(node, ast.comprehension) else [node.test]:
                    if test.lineno == test.end_lineno:
                        replace(test, f"not ({ast.get_source_segment(source, test)})")
            if isinstance(node, (ast.Expr, ast.Assign, ast.AugAssign, ast.Return, ast.Raise, ast.Continue, ast.Break)):
                if id(getattr(node, "value", None)) not in strings:
                    statement(node)
    return sorted(set(found), key=lambda m: (m.line, m.start, m.end, m.new))


SQL = [(r"<=", "<"), (r">=", ">"), (r"<>", "="), (r"<(?![=>])", "<="), (r"(?<![<])>(?!=)", ">="), (r"(?<![<>])=", "<>"),
       (r"\bAND\b", "OR"), (r"\bOR\b", "AND"), (r"\bIS NOT NULL\b", "IS NULL"), (r"\bIS NULL\b", "IS NOT NULL"),
       (r"\bNOT IN\b", "IN"), (r"\bNOT (?=BETWEEN|EXISTS|\()", ""), (r"\bMIN\b", "MAX"), (r"\bMAX\b", "MIN"),
       (r"\bSUM\b", "MAX"), (r"\bAVG\b", "SUM"), (r"\bCOUNT\(\*\)", "MAX(1)"), (r"\bDISTINCT ", ""),
       (r"\bLEFT JOIN\b", "JOIN"), (r"(?<=[\w)] )\+(?= )", "-"), (r"(?<=[\w)] )-(?= )", "+"),
       (r"(?<=[\w)] )\*(?= )", "/"),
       (r"(?<=[\w)] )/(?= )", "*"),
       (r"\bUNION ALL\b", "EXCEPT"), (r"\bTRY_CAST\b", "CAST"), (r"\bFLOOR\b", "CEIL")]  # fmt: skip


def mutate_sql(file):
    """All faults in a query; its comments stay."""
    found = []
    for number, line in enumerate((ROOT / file).read_text(encoding="utf-8").split("\n"), 1):
        code = re.sub(r"--.*", "", line)
        code = re.sub(r"'[^']*'", lambda match: "'" + "_" * (len(match[0]) - 2) + "'", code)  # not inside texts
        for pattern, new in SQL:
            found += [Mutant(file, number, *match.span(), new) for match in re.finditer(pattern, code)]
        for match in re.finditer(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", code):
            new = str(int(match[0]) + 1) if match[0].isdigit() else f"{1.25 * float(match[0]):g}"
            found.append(Mutant(file, number, *match.span(), new))
    return found


def code_files(kind, only):
    folders = sorted(ROOT.glob(f"{only or '[0-9][0-9]'}_*"))
    if kind == "sql":
        return [str(path.relative_to(ROOT)) for folder in folders for path in sorted(folder.glob("*.sql"))]
    if kind == "tool":
        files = [path for folder in folders for path in run.scripts(folder)]
        shared = [ROOT / "data" / name for name in ("own_logs.py", "series.py") if not only]
        return [str(path.relative_to(ROOT)) for path in [*files, *shared] if path.exists()]
    return {"generator": ["data/generate_data.py"], "run": ["run.py"]}[kind]


# ---- trying them


PAGE_TESTS = {"README.md": ["test_commands.py"], "GLOSSARY.md": ["test_glossary.py"],
              "WORKSHOP.md": ["test_workshop.py"], "data/README.md": ["test_warehouse.py"]}  # fmt: skip


def tests_for(mutant):
    """The arguments of pytest for a fault: tests that might notice, none that compares stored outputs."""
    file, folder, stem = mutant.file, mutant.file[:2], Path(mutant.file).stem
    tests = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").glob("test_*.py"))}
    own = [name for name in tests if folder.isdigit() and name.startswith(f"test_{folder}_")]
    more = ()
    if file.endswith(".md"):
        chosen = list(PAGE_TESTS.get(file, []))
        row = re.match(r"\|.*[+-]\d[\d.]* (?:pp|min)\b", mutant.lines()[0])
        number = re.search(r"\b0\d(?=_)", mutant.lines()[0]) if file == "README.md" else re.match(r"\d\d", file)
        if row and number:  # a table of results: one script is run
            script = claim_tools.tutorials()[number[0]].stem
            chosen.append(f"test_mirrors.py::test_tables_show_the_headline[{script}]")
    elif (ROOT / file).with_suffix(".ipynb").exists():
        chosen = ["test_notebooks.py", "test_anatomy.py", "test_glossary.py", "test_workshop.py"]
        more = ("-k", f"{stem} or {folder}")
    elif file.endswith(".sql"):
        chosen = ["test_warehouse.py", *own]
    elif file == "run.py":
        chosen = [*(name for name in tests if name.startswith("test_run")), "test_commands.py"]
        chosen.append("test_mirrors.py::test_agreement_is_judged_at_the_published_precision")
    elif file == "data/generate_data.py":
        chosen = ["test_generator.py"]
    else:  # a tool: the tests that are named after it first, then all that use it
        named = [name for name in tests if stem in name]
        chosen = [
            *named,
            *own,
            *(name for name, text in tests.items() if re.search(rf"(?:from|import) {stem}\b", text)),
        ]
        slow = "mirrors notebooks other_data commands claims contributing anatomy notebook_tools".split()
        chosen = [name for name in chosen if name not in [f"test_{word}.py" for word in slow]]
    chosen = [name for name in dict.fromkeys(chosen) if name.partition("::")[0] in tests]
    return (*(f"tests/{name}" for name in chosen), *more) if chosen else ()


class Copies:
    """Copies of the repository, one for each worker."""

    def __init__(self, folder, workers):
        self.folder, self.free, self.lock = Path(folder), [], threading.Lock()
        for number in range(workers):
            self.free.append(self.folder / str(number) / "series")
            notebook_tools.copy_of_the_series(self.free[-1], results=True)

    def try_tests(self, changes, arguments, limit, stop="-x"):
        """Run pytest on a copy in which {file: text} is changed: "passed", "failed" or "timeout"."""
        with self.lock:
            copy = self.free.pop()
        before = {file: (copy / file).read_bytes() for file in changes}
        try:
            for file, text in changes.items():
                (copy / file).write_text(text, encoding="utf-8", newline="\n")
            # no .pyc files: a fault of the same length, within a second, would not be noticed
            command = [
                sys.executable,
                "-B",
                "-m",
                "pytest",
                stop,
                "-q",
                "-o",
                "addopts=",
                "-p",
                "no:cacheprovider",
                *arguments,
            ]
            process = subprocess.Popen(
                command,
                cwd=copy,
                env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that a timeout ends what the tests have started, too
            )
            try:
                self.output = process.communicate(timeout=limit)[0].decode()
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                return "timeout"
            return {0: "passed", 5: "passed"}.get(process.returncode, "failed")  # 5: no test was collected
        finally:
            for file, content in before.items():
                (copy / file).write_bytes(content)
            with self.lock:
                self.free.append(copy)


def survivors(mutants, workers=2):
    """The mutants that no test notices in a copy of the repository."""
    with tempfile.TemporaryDirectory() as folder:
        copies = Copies(folder, workers)
        arguments = {mutant: tests_for(mutant) for mutant in mutants}
        limits, broken = {}, {}
        for tests in sorted(set(arguments.values()) - {()}):  # what fails without any fault notices none
            start = time.perf_counter()
            if copies.try_tests({}, tests, 1200, "--maxfail=1000") != "passed":
                failing = re.findall(r"^(?:FAILED|ERROR) (\S+(?:\[.*?\])?)", copies.output, re.M)
                broken[tests] = tuple(f"--deselect={name}" for name in failing)
                if not failing or copies.try_tests({}, (*tests, *broken[tests]), 1200) != "passed":
                    sys.exit(f"mutate.py: without any fault this fails: {' '.join(tests)}\n{copies.output[-1500:]}")
                print(f"{' '.join(tests)}: {len(failing)} tests fail without any fault and are left out")
            limits[tests] = 60 + 10 * (time.perf_counter() - start)

        def alive(mutant):
            if not arguments[mutant]:
                return True
            changes = {mutant.file: mutant.apply((ROOT / mutant.file).read_text(encoding="utf-8"))}
            if (ROOT / mutant.file).with_suffix(".ipynb").exists():
                path, text = notebook_with(mutant)
                changes[str(path.relative_to(ROOT))] = text
            tests = arguments[mutant]
            return copies.try_tests(changes, (*tests, *broken.get(tests, ())), limits[tests]) == "passed"

        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            return [mutant for mutant, lives in zip(mutants, pool.map(alive, mutants), strict=True) if lives]


def wilson(killed, n):
    """95 % interval of a share."""
    z, p = 1.96, killed / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0, (middle - half) / (1 + z * z / n)), min(1, (middle + half) / (1 + z * z / n))


def draw(kind, n, seed, only=None):
    """n faults of a kind, the same for the same seed and the same repository."""
    rng = random.Random(f"{kind} {seed}")
    if kind in TEXTS:
        pool = [mutant for file in text_files(kind, only) for mutant in mutate_text(file, kind, rng)]
    else:
        pool = [
            mutant for file in code_files(kind, only) for mutant in (mutate_sql if kind == "sql" else mutate_code)(file)
        ]
    rng.shuffle(pool)
    fit = (mutant for mutant in pool if (mutant.file, *mutant.lines()) not in EQUIVALENT and parses(mutant))
    return list(itertools.islice(fit, n))


def parses(mutant):
    """Whether a script with the fault is still Python at all."""
    if mutant.file.endswith(".py") and "%%" not in mutant.lines()[0]:
        try:
            compile(mutant.apply((ROOT / mutant.file).read_text(encoding="utf-8")), mutant.file, "exec")
        except SyntaxError:
            return False
    return True


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n", type=int, default=100, help="faults of each kind")
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--only", help="a folder's number, for example 03")
    parser.add_argument("--show", action="store_true", help="print the faults and try none")
    parser.add_argument("--quick", action="store_true", help="texts: claims only")
    options = parser.parse_args(arguments)
    lines = []
    for kind in options.kind:
        start, mutants = time.perf_counter(), draw(kind, options.n, options.seed, options.only)
        if options.show or not mutants:
            print(f"== {kind}: {len(mutants)} faults", *mutants, sep="\n")
            continue
        by_claims = killed_by_claims(mutants) if kind in TEXTS else set()
        rest = [mutant for mutant in mutants if mutant not in by_claims]
        alive = rest if options.quick and kind in TEXTS else survivors(rest) if rest else []
        killed, n = len(mutants) - len(alive), len(mutants)
        low, high = wilson(killed, n)
        print(f"== {kind}: {len(alive)} of {n} survive", *alive, sep="\n", flush=True)
        claims = f", {len(by_claims)} by claims" if kind in TEXTS else ""
        share = f"{100 * killed / n:.1f} %, 95 % interval {100 * low:.0f} to {100 * high:.0f}"
        seconds = time.perf_counter() - start
        lines.append(f"{kind:<11} {killed:>4} of {n:>3} killed ({share}){claims}, {seconds:.0f} s")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
