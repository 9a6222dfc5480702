"""Drafts of claims: for each number of a text that none covers, a claim to paste, with guesses of its expression.

`python tests/claim_tools.py 03 --draft` prints them. A guess is a variable of the notebook (a scalar, an entry of a
dict, a cell of a DataFrame, a mean ...) or an expression that its code prints, which rounds to the number as it is
written, in units of 1 or 100; the nearer to the text and the shorter, the likelier. Look at each: a guess that fits by
chance holds the sentence to nothing.
"""

import ast
import functools
import math
import re

import numpy as np
from claim_tools import tutorials, variables


@functools.cache
def candidates(own):
    """{expression: value} of the numbers in a script's variables, and of the expressions that its code prints."""
    space, found = variables(own), {}
    for name, value in space.items():
        _walk(name, value, found, 3)
    tree = ast.parse(own.read_text(encoding="utf-8"))
    shown = [node.value for node in ast.walk(tree) if isinstance(node, ast.FormattedValue)]
    shown += [node for check in ast.walk(tree) if isinstance(check, ast.Assert) for node in ast.walk(check.test)]
    for node in shown:
        if isinstance(node, (ast.BinOp, ast.Call, ast.Subscript, ast.Attribute)) and not _unknown_call(node):
            names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
            known = {name: space[name] for name in names if name in space} | {"np": np}
            try:
                value = eval(compile(ast.Expression(node), "", "eval"), known)
            except Exception:
                continue  # a variable of a function, or of a loop
            text = ast.unparse(node)
            _walk(f"({text})" if isinstance(node, ast.BinOp) else text, value, found, 1)
    return found


def _unknown_call(node):
    """Whether an expression calls what is neither NumPy nor a reduction: it might take long, or do something."""
    names = "abs round len min max sum float int mean std median sqrt log exp all any count diff quantile".split()
    calls = [call.func for call in ast.walk(node) if isinstance(call, ast.Call)]
    return any(getattr(call, "id", getattr(call, "attr", "")) not in names for call in calls)


def _walk(name, value, found, depth):
    """Add the numbers in a value, with the expressions that fetch them, to `found`."""
    if name.startswith("_") or isinstance(value, (str, bytes, type(re), type)) or depth < 0 or len(found) > 30_000:
        return
    if isinstance(value, (bool, int, float, np.number)) or (isinstance(value, np.ndarray) and value.ndim == 0):
        if not isinstance(value, (bool, np.bool_)) and math.isfinite(value):
            found.setdefault(name, value)
    elif isinstance(value, dict):
        for key in list(value)[:200]:
            _walk(
                f"{name}[{key!r}]" if isinstance(key, (str, int, float, tuple)) else "_", value[key], found, depth - 1
            )
    elif isinstance(value, (list, tuple)):
        for k, item in enumerate(value[:40]):
            _walk(f"{name}[{k}]", item, found, depth - 1)
            for label in getattr(value, "_fields", ())[k : k + 1]:
                _walk(f"{name}.{label}", item, found, depth - 1)
        if len(value) > 1:
            found.setdefault(f"len({name})", len(value))
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        if 1 < value.size:
            for reduce in ("mean", "sum", "min", "max", "std"):
                number = getattr(value, reduce)()
                if np.isfinite(number):
                    found.setdefault(f"{name}.{reduce}()", number)
            found.setdefault(f"len({name})", len(value))
        if value.size <= 40 and value.dtype.kind != "b":
            for place in np.ndindex(value.shape):
                _walk(f"{name}[{', '.join(map(str, place))}]", value[place], found, 0)
    elif type(value).__name__ == "Series":
        if len(value) <= 60 and value.index.is_unique:
            for key in value.index:
                _walk(f"{name}[{_plain(key)!r}]", value[key], found, 0)
        _walk(name, value.to_numpy(), found, 0) if len(value) > 60 else None
    elif type(value).__name__ == "DataFrame":
        found.setdefault(f"len({name})", len(value))
        for column in list(value)[:40]:
            if len(value) * value.shape[1] <= 1500 and value.index.is_unique:
                for key in value.index:
                    _walk(f"{name}.loc[{_plain(key)!r}, {column!r}]", value.at[key, column], found, 0)
            elif value[column].dtype.kind in "biuf":
                for reduce in ("mean", "sum"):
                    _walk(f"{name}[{column!r}].{reduce}()", getattr(value[column], reduce)(), found, 0)
    elif hasattr(value, "__dict__") and depth == 3:
        for label, item in vars(value).items():
            if not label.startswith("_"):
                _walk(f"{name}.{label}", item, found, 1)


def _plain(key):
    """A pandas label as it may be typed."""
    return key.item() if isinstance(key, np.generic) else key


def guesses(number, found, doc, source):
    """Up to three fields that give a number as it is written, the likeliest first; `source`: the script's lines."""
    digits, sign = number.core.lstrip("+-").replace(",", ""), number.core[0] if number.core[0] in "+-" else ""
    if not re.fullmatch(r"\d*\.?\d+", digits):
        return []
    before, after, line = doc.text[: number.start], doc.text[number.end :], doc.where[number.start][0]
    decimals, precision = len(digits.partition(".")[2]), len(digits.replace(".", "").lstrip("0"))
    percent = number.unit in (" %", "%", " pp", " percent", " per cent")
    percent |= bool(
        re.match(r"(?:,? (?:to|and|or) [+-]?[\d.]+)+ ?%", after) or re.search(r"(?:pp|%) \[[\d., +-]*$", before)
    )
    if re.match(r" times\b", after):
        found = found | _ratios(found, line, source)
    scored = []
    for expression, value in found.items():
        whole = isinstance(value, (int, np.integer))
        for scale in (100, 1) if percent else (1, 100):
            if f"{scale * abs(value):.{decimals}f}" != digits or (whole and (scale == 100 or decimals)):
                continue
            if sign and (value < 0) != (sign == "-"):
                continue
            names = set(re.findall(r"(?<![\w.])[A-Za-z]\w*", re.sub(r"'[^']*'", "", expression))) - FUNCTIONS
            far = max((_distance(name, line, source) for name in names), default=0)
            if precision < 3 and not percent:  # few digits fit by chance
                exact = whole or float(value).is_integer()
                if (
                    scale == 100
                    or far > 80
                    or (not decimals and not exact)
                    or (digits in "123456789" and not expression.isupper())
                ):
                    continue
            cost = len(expression) + far / 3 + 8 * ("(" in expression) + 10 * (scale == 100 and not percent)
            cost -= 20 * all(name.isupper() for name in names)
            alone = re.fullmatch(r"\(([^()]*)\)", expression)
            expression = alone[1] if alone and scale == 1 and (value >= 0 or sign) else expression
            text = expression if value >= 0 or sign else f"abs({expression})"
            text = f"100 * {text}" if scale == 100 else text
            form = "+" * (sign == "+") + "," * ("," in number.core) + ("" if whole else f".{decimals}f")
            scored.append((cost, f"{{{text}{':' * bool(form)}{form}}}"))
    return list(dict.fromkeys(field for _, field in sorted(scored)))[:3]


FUNCTIONS = {"len", "abs", "np", "round"}


def _ratios(found, line, source):
    """Ratios of the named scalars that the code around a line mentions."""
    near = {name: value for name, value in found.items()
            if name.isidentifier() and value and _distance(name, line, source) < 60}  # fmt: skip
    return {f"{a} / {b}": near[a] / near[b] for a in near for b in near if a != b}


def _distance(name, line, source):
    """How many lines from a line of a script to the nearest line of code that has the name."""
    pattern = re.compile(rf"\b{name}\b")
    lines = _mentions(pattern, tuple(source))
    return min((abs(number - line) for number in lines), default=1000)


@functools.lru_cache(None)
def _mentions(pattern, source):
    return [n for n, text in enumerate(source, 1) if not text.startswith("#") and pattern.search(text)]


def home(part, doc, position):
    """The script whose variables a place in a text is about, and how a claim there calls a variable of it."""
    if part.path.suffix == ".py":
        return part.path, "{}"
    if part.folder:
        return tutorials()[part.folder[:2]], "{}"
    start, _ = doc.paragraph(position)
    named = re.findall(r"\b0\d\b", doc.text[start:position]) or re.findall(r"^#+ (0\d) ·", doc.text[:position], re.M)
    return tutorials().get(named[-1] if named else ""), f"nb('{named[-1]}')['{{}}']" if named else ""


def draft(part, report):
    """Claims to paste for the numbers of a report that none covers, clause by clause, and for words of direction."""
    doc, groups, lines = report.doc, [], []
    for number in report.uncovered:
        last = groups[-1] if groups else None
        gap = doc.text[last[-1].end : number.start] if last else "\n"
        if "\n" in gap or re.search(r"[.;:?!] ", gap) or number.end - last[0].start > 100:
            groups.append([])
        groups[-1].append(number)
    for group in groups:
        script, called = home(part, doc, group[0].start)
        source = part.path.read_text(encoding="utf-8").splitlines() if part.path.suffix == ".py" else []
        start, end = clause(doc, group[0].start, group[-1].end)
        text, others, position = "", [], start
        for number in group:
            fields = guesses(number, candidates(script), doc, source) if script else []
            fields = [_called(field, called) for field in fields]
            core = number.start + len(number.core)
            text += _literal(doc.text[position : number.start])
            if number.value is None:
                text += doc.text[number.start : core]
            else:
                text += fields[0] if fields else f"{{TODO:{number.core}}}"
                others += [f"{number.core}: {' or '.join(fields[1:])}"] if fields[1:] else []
            position = core
        text += _literal(doc.text[position:end])
        words_only = all(number.value is None for number in group)
        claim = f'Fixed({_quoted(text)}, why="TODO"),' if words_only else f"Claim({_quoted(text)}),"
        lines.append((group[0].start, "    # " + "   ".join([doc.place(group[0].start), *others]), f"    {claim}"))
    for start, end in report.loose:
        if not any(abs(start - other) < 60 for other, *_ in lines):
            a, b = clause(doc, start, end)
            claim = f'Claim({_quoted(_literal(doc.text[a:b]))}, when="TODO"),'
            lines.append((start, f"    # {doc.place(start)}", f"    {claim}"))
    return [line for _, *pair in sorted(lines) for line in pair]


def _called(field, called):
    """A field with its variables called in another way: {naive:.2f} as {nb('03')['naive']:.2f}."""
    if called == "{}":
        return field
    names = r"(?<![\w.'])(?!(?:abs|len|np|round)\b)[A-Za-z_]\w*(?=[^{}]*\})"
    return re.sub(names, lambda match: called.format(match[0]), field)


def _quoted(text):
    """A text as it may be typed in Python, in double quotes where possible."""
    if "\\" in text:
        return f"r'{text}'" if '"' in text else f'r"{text}"'
    return f"'{text}'" if '"' in text and "'" not in text else '"' + text.replace('"', '\\"') + '"'


def _literal(text):
    return text.replace("{", "{{").replace("}", "}}")


def clause(doc, start, end):
    """The smallest piece of a paragraph around (start, end), cut between words, that stands only once in the text."""
    first, last = doc.paragraph(start)
    left = [match.start() for match in re.finditer(r"\S+", doc.text[first:start])][::-1]
    right = [match.end() for match in re.finditer(r"\S+", doc.text[end:last])]
    for k in range(3, 14):
        a = first + left[min(k, len(left)) - 1] if left else start
        b = end + right[min(k - 2, len(right)) - 1] if right else end
        piece = doc.text[a:b].rstrip(" .,;:")
        if doc.text.count(piece) == 1:
            break
    return a, a + len(piece)
