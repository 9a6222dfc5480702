"""What the tools of notebooks 02 to 07 share: reading a log of any kind, filling the queries, and saying what is wrong.

A tool (`03_.../discontinuity.py` and its like) answers with the right number or refuses. This module holds what does
not depend on the design: `Logs` opens CSV, Parquet, a DataFrame or a DuckDB relation; `number`, `yes_no` and `text`
turn a reader's column into SQL that can be trusted; `fill` puts those into the block `your_columns` of a query;
`problem_table` and `refuse` say in one line for each problem what is wrong, where, for how many rows and what to do.

In every query a NULL means *missing* and an infinite value means *there is something, but it is no finite number*:
that is how a word in a column of numbers is counted instead of crashing.
"""

import csv
import difflib
import functools
import gzip
import itertools
import math
import re
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

MISSING = ("", "na", "n/a", "nan", "null", "none", "<na>", "nat")  # texts that mean "missing", in any case
FATAL, WARNING = "fatal", "warning"
IN_MEMORY = 50_000_000  # bytes of CSV that are read once; a larger file is read again for each query
NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
           "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip
MOMENTS = ("TIMESTAMP", "DATE")  # DuckDB's types of a date or time stamp


class UnfitLog(ValueError):
    """The log cannot give the right number. The message is one line for each fatal problem.

    `problems` is the table behind it (see `problem_table`).
    """

    def __init__(self, message, problems=None):
        super().__init__(message)
        self.problems = problem_table([]) if problems is None else problems


@dataclass(kw_only=True)
class Result:
    """What `analyse` returns in every tool; a tool adds `figure()`, `report()` and what else its design has.

    estimate, standard_error, lo, hi: in the outcome's own unit; level: of the interval, 0.95 for 95 %.
    method, estimand: sentences: how it was computed, and whose effect on what it is.
    n: dict of counts (rows, and what else the design counts). problems: what was found and was not fatal.
    table: the aggregate that the estimate was computed from.
    """

    estimate: float
    standard_error: float
    lo: float
    hi: float
    level: float
    method: str
    estimand: str
    n: dict
    problems: pd.DataFrame
    table: pd.DataFrame

    def warnings(self):
        """What was found and was not fatal, as sentences for a report; "" where nothing was."""
        found = self.problems.groupby("problem", sort=False)["rows"].sum(min_count=1)
        return " ".join(f"Warning: {problem}{'' if pd.isna(rows) else f' ({int(rows):,} rows)'}."
                        for problem, rows in found.items())  # fmt: skip


# ---- problems


def problem_table(rows):
    """A DataFrame with problem, place, rows, severity, what_to_do from tuples of these five, worst first."""
    table = pd.DataFrame(rows, columns=["problem", "place", "rows", "severity", "what_to_do"])
    return table.sort_values("severity", kind="stable", ignore_index=True)  # "fatal" comes before "warning"


def lines(problems):
    """One line for each problem: what, where, how many rows, what to do."""
    found = []
    for row in problems.itertuples():
        count = "" if pd.isna(row.rows) else f": {int(row.rows):,} {'row' if row.rows == 1 else 'rows'}"
        found.append(f"{row.problem} ({row.place}){count}. {row.what_to_do}")
    return found


def refuse(problems):
    """Raise UnfitLog when a problem of the table is fatal."""
    fatal = problems[problems["severity"] == FATAL]
    if len(fatal):
        raise UnfitLog("\n".join(lines(fatal)), problems)


def say(problem, *, place="whole log", rows=np.nan, severity=FATAL, what_to_do=""):
    """One row for `problem_table`."""
    return problem, place, rows, severity, what_to_do


def few(what, where, weights, rows, *, place="whole log", what_to_do):
    """A row for `problem_table`, in a list, where an outcome's value is rare in an estimate; [] where it is not.

    weights, rows: (cells,) of a row in the estimate, and how many have the value. They are worth (sum of w)² / (sum of
    w²) rows: fewer than 5 are fatal, fewer than 15 a warning.
    """
    worth = (weights @ rows) ** 2 / max(weights**2 @ rows, 1e-300)
    if worth >= 15:
        return []
    return [say(f"the outcome has few {what} {where}, worth {worth:.0f} in the estimate", place=place, rows=rows.sum(),
                severity=FATAL if worth < 5 else WARNING, what_to_do=what_to_do)]  # fmt: skip


def named(found, meanings):
    """Rows for `problem_table` from the result of a check.sql (problem, place, row_count) and what each means.

    meanings: {problem: (severity, what to do)}; every problem that a query can return must be in it.
    """
    found = found.rename(columns=str.lower)
    return [(row.problem, row.place, int(row.row_count), *meanings[row.problem]) for row in found.itertuples()]


# ---- the reader's arguments


def check_roles(columns, needed, optional=()):
    """Raise ValueError, in one line, unless `columns` maps the roles of this design to names or SQL expressions."""
    if not isinstance(columns, dict):
        raise ValueError(f"columns: a dict from role to column name, with the roles {', '.join(needed)}")
    known = (*needed, *optional)
    for role in columns:
        if role not in known:
            close = difflib.get_close_matches(str(role), known, 1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; the roles are {', '.join(known)}"
            raise ValueError(f"columns: {role!r} is no role of this design{hint}")
    missing = [role for role in needed if columns.get(role) in (None, "", [], ())]
    if missing:
        raise ValueError(f"columns: say which column is {' and which is '.join(repr(role) for role in missing)}")


def check_choice(name, value, choices):
    """Raise ValueError, in one line, unless value is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name}: {', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}, not {value!r}")


def check_number(name, value, *, above=None, at_least=None, below=None, whole=False):
    """Raise ValueError, in one line, unless value is a finite number in the range; return it as float (or int)."""
    try:
        ok = not isinstance(value, (bool, np.bool_, str)) and np.isfinite(float(value))
    except (TypeError, ValueError):
        ok = False
    wanted = "a whole number" if whole else "a number"
    limits = [f"above {above}" if above is not None else "", f"of at least {at_least}" if at_least is not None else "",
              f"below {below}" if below is not None else ""]  # fmt: skip
    limits = " and ".join(limit for limit in limits if limit)
    ok = ok and (above is None or value > above) and (at_least is None or value >= at_least)
    ok = ok and (below is None or value < below) and (not whole or float(value).is_integer())
    if not ok:
        raise ValueError(f"{name}: {wanted}{' ' + limits if limits else ''}, not {value!r}")
    return int(value) if whole else float(value)


# ---- SQL for a reader's column


def literal(number):
    """A number as SQL that DuckDB and Spark read as the same double."""
    return f"CAST({float(number)!r} AS DOUBLE)"


def text_literal(text):
    """A text as SQL; a single quote is doubled, which both engines read."""
    return "'" + str(text).replace("'", "''") + "'"


def bracketed(column):
    """A column's name as it is, an SQL expression in brackets, so that `a OR b` stays together in a larger one."""
    column = column if column is None else _one_line(str(column))  # `fill` looks for a line that ends the block
    simple = r'[\w.]+|"[^"]*"|`[^`]*`|\([^()]*\)'  # (a bracket around something without brackets needs no other)
    return column if column is None or re.fullmatch(simple, str(column).strip()) else f"({column})"


def plain(expression):
    """SQL for the text of a value: trimmed, in lower case."""
    expression = bracketed(expression)
    return f"LOWER(TRIM(CAST({expression} AS STRING)))"


_INFINITE = "CAST('Infinity' AS DOUBLE)"


def drawn(hashed, share):
    """SQL that is true for such a share of the values of an SQL expression that is a hash: the same in any order."""
    return f"{hashed} % 1000000 < {math.ceil(1_000_000 * share)}"


def number(expression, kind=None):
    """SQL for a DOUBLE: NULL where the value is missing, infinite where it is no finite number.

    expression: SQL in the reader's columns. kind: its DuckDB type where that is known, which makes the query faster;
    None gives the form that works for every type, in every engine.
    """
    expression = bracketed(expression)
    if kind in ("FLOAT", "DOUBLE"):
        # A 32-bit 0.7 is 0.699999988 as a double; through its text it is 0.7 again, on the right side of a cutoff.
        value = f"CAST(CAST({expression} AS STRING) AS DOUBLE)" if kind == "FLOAT" else expression
        return f"CASE WHEN ISNAN({expression}) THEN NULL ELSE {value} END"
    if kind is not None and (kind == "BOOLEAN" or kind.startswith(NUMBERS)):
        return f"CAST({expression} AS DOUBLE)"
    return _cases(expression, (f"{plain(expression)} = 'true'", "1e0"), (f"{plain(expression)} = 'false'", "0e0"),
                  other=f"COALESCE(TRY_CAST(CAST({expression} AS STRING) AS DOUBLE), {_INFINITE})")  # fmt: skip


def _cases(expression, *cases, other, named=()):
    """A CASE that is NULL where the value is missing, on lines of its own so that a person can read the query.

    named: texts that are values here, although they mean "missing" elsewhere (an arm that is called "none").
    """
    words = ", ".join(text_literal(word) for word in MISSING if word not in named)
    missing = f"{expression} IS NULL OR {plain(expression)} IN ({words})"
    lines = [f"WHEN {when} THEN {then}" for when, then in ((missing, "NULL"), *cases)] + [f"ELSE {other}"]
    return "\n            ".join(["CASE", *lines]) + "\n        END"


def _spellings(value):
    """The texts, in lower case, that a value may have in a log: 2 is '2' or '2.0', True is 'true', '1' or '1.0'."""
    texts = {str(value).strip().lower()}
    if isinstance(value, (bool, np.bool_)):
        texts |= {str(int(value)), str(float(value))}
    try:
        texts |= {number_text(float(value)), str(float(value))}
    except (TypeError, ValueError):
        pass
    return texts


def yes_no(expression, kind=None, yes=None, no=None):
    """SQL for 0 or 1: NULL where missing, something else where the value is neither.

    yes, no: the values that mean 1 and 0; None for a column of 0 and 1, or of true and false. kind: as for `number`. An
    arm may be called "none": whoever names it means the word.
    """
    if yes is None:
        return number(expression, kind)
    expression = bracketed(expression)
    ones, zeros = (", ".join(map(text_literal, sorted(_spellings(value)))) for value in (yes, no))
    return _cases(expression, (f"{plain(expression)} IN ({ones})", "1e0"), (f"{plain(expression)} IN ({zeros})", "0e0"),
                  other=_INFINITE, named=_spellings(yes) | _spellings(no))  # fmt: skip


def text(expression):
    """SQL for a label (a unit, a cluster, a category): trimmed text, NULL where missing; case is kept."""
    expression = bracketed(expression)
    return _cases(expression, other=f"TRIM(CAST({expression} AS STRING))")


def moment(expression, kind=None):
    """SQL for a TIMESTAMP: NULL where the value is missing, or is no date and no time stamp between 1700 and 2200.

    A column of time stamps with a zone becomes UTC; of an offset written in a text DuckDB keeps the local clock. A text
    with "PM" or the name of a zone in it is no time stamp here: DuckDB would read the rest of it. `given` tells a
    missing value from one that is no time. kind: as for `number`.
    """
    expression, more = bracketed(expression), []
    if kind == "TIMESTAMP WITH TIME ZONE":
        value = f"(({expression}) AT TIME ZONE 'UTC')"
    elif kind is not None and kind.startswith(MOMENTS):
        value = f"CAST({expression} AS TIMESTAMP)"
    else:
        shown = f"TRIM(CAST({expression} AS STRING))"
        value = f"TRY_CAST({shown} AS TIMESTAMP)"
        after = f"SUBSTR({shown}, 12)"
        zones = "".join(f" OR {after} LIKE '%{zone}'" for zone in ("Z", "UTC", "GMT"))
        more = [f"    AND (UPPER({after}) = LOWER({after}){zones})"]  # no letters
    lines = ["CASE", f"WHEN YEAR({value}) BETWEEN 1700 AND 2200", *more, f"THEN {value}"]
    return "\n            ".join(lines) + "\n        END"


def given(expression, kind=None):
    """SQL for 1 where there is a value, of whatever kind, and 0 where it is missing. kind: as for `number`."""
    expression = bracketed(expression)
    if kind is not None and kind.startswith((*MOMENTS, *NUMBERS)):
        value = expression if kind.startswith(MOMENTS) else number(expression, kind)
        return f"CASE WHEN {value} IS NULL THEN 0 ELSE 1 END"
    return _cases(expression, other="1").replace("THEN NULL", "THEN 0")


def fill(query, columns, source="logs"):
    """The query with its block `your_columns` made of {name: SQL expression}; `source` is what stands after FROM."""
    block = re.compile(r"WITH your_columns AS \(.*?\n\),?(?=\n)", flags=re.S)
    if not block.search(query):
        raise ValueError("the query has no block `WITH your_columns AS ( ... )`")
    more = block.search(query)[0].endswith(",")
    select = ",\n".join(f"        {expression} AS {name}" for name, expression in columns.items())
    filled = f"WITH your_columns AS (\n    SELECT\n{select}\n    FROM {source}\n)" + ("," if more else "")
    return block.sub(lambda _: filled, query, count=1)


# ---- reading


def _files(path):
    """The files that a path or glob means, and their kind ("csv" or "parquet")."""
    path = Path(path).expanduser()
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() == ".parquet")
        files = files or sorted(p for p in path.rglob("*") if p.name.lower().endswith((".csv", ".csv.gz")))
        if not files:
            raise FileNotFoundError(f"{path}: a folder without .parquet or .csv files")
    elif path.exists():
        files = [path]
    else:
        parts = path.parts
        first = next((k for k, part in enumerate(parts) if re.search(r"[*?\[]", part)), None)
        if first is None:
            raise FileNotFoundError(f"{path}: no such file")
        files = sorted(Path(*parts[:first]).glob(str(Path(*parts[first:]))))
        if not files:
            raise FileNotFoundError(f"{path}: no file matches")
    kinds = {"parquet" if p.suffix.lower() == ".parquet" or _begins(p, b"PAR1") else "csv" for p in files}
    if len(kinds) > 1:
        raise ValueError(f"{path}: .parquet and .csv files together; name one kind")
    return [str(p) for p in files], kinds.pop()


def _begins(path, *starts):
    """Whether a file begins with one of these bytes, whatever its name says."""
    with open(path, "rb") as file:
        return file.read(8).startswith(starts)


def _compression(files):
    """How DuckDB is to unpack CSV files: by their names ("auto"), but where those are wrong. ValueError for no CSV."""
    for file in files:
        if _begins(file, b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
            raise ValueError(f"{file}: a workbook or a zip file; save the table as CSV")
        if _begins(file, b"\xff\xfe", b"\xfe\xff"):
            raise ValueError(f"{file}: text in UTF-16; save it as CSV in UTF-8")
    packed, named = ([test(file) for file in files] for test in (
        lambda file: _begins(file, b"\x1f\x8b"), lambda file: file.lower().endswith(".gz")))  # fmt: skip
    if packed == named:
        return "auto"
    if len(set(packed)) > 1:
        raise ValueError(f"{files[0]}: gzipped and plain files together; let the names of the gzipped ones end in .gz")
    return "gzip" if packed[0] else "none"


def _check_header(file, columns):
    """Raise ValueError where DuckDB has made something up: the columns of a CSV that has none, or names given twice."""
    with gzip.open(file) if _begins(file, b"\x1f\x8b") else open(file, "rb") as raw:
        head = raw.read(1_000_000).decode("utf-8-sig", errors="replace")
    if not head.strip():
        raise ValueError(f"{file}: an empty file")
    made_up = [name for name in columns if re.search(r".+_\d+$", name) and name not in head]
    known = {name.lower() for name in columns}
    twice = [name.rpartition("_")[0] for name in made_up if name.rpartition("_")[0].lower() in known]
    if twice:
        raise ValueError(f"{file}: two columns are called {', '.join(map(repr, dict.fromkeys(twice)))}; the first line "
                         "must give each column a name of its own")  # fmt: skip
    separator = max(",;\t|", key=columns[0].count)
    if len(columns) == 1 and separator in columns[0]:  # no way of reading it gave rows of the same length
        rows = csv.reader(head.splitlines(keepends=True), delimiter=separator)
        wanted = len(next(rows))
        for row in rows:
            if row and len(row) != wanted:
                raise ValueError(f"{file}: line {rows.line_num} should have {wanted} columns, as the first, and has "
                                 f"{len(row)}")  # fmt: skip


def _refuse_twins(names):
    """Raise ValueError where two columns have one name; SQL sees no difference between minutes and Minutes."""
    lower = [name.lower() for name in names]
    if twice := sorted({name for name in names if lower.count(name.lower()) > 1}):
        capitals = "" if len({name.lower() for name in twice}) == len(twice) else " (capitals make no difference)"
        raise ValueError(f"logs: two columns are called {', '.join(map(repr, twice))}{capitals}; rename one")


def _frame(frame):
    """A DataFrame as DuckDB can read it: names are texts, and so are mixed columns and intervals."""
    names = [str(name) for name in frame.columns]
    _refuse_twins(names)
    frame = frame.set_axis(names, axis=1).reset_index(drop=True)
    for name in names:
        if isinstance(frame[name].dtype, pd.PeriodDtype):
            frame[name] = frame[name].dt.to_timestamp()  # when it begins
        kind = getattr(frame[name].dtype, "categories", frame[name]).dtype
        if isinstance(kind, pd.SparseDtype):
            frame[name] = frame[name].sparse.to_dense()
        elif frame[name].dtype == object or isinstance(kind, pd.IntervalDtype) or kind.kind == "c":
            frame[name] = frame[name].map(str, na_action="ignore").astype("string")
    return frame


class Logs:
    """A log, opened: `with Logs(path_or_frame) as logs: logs.ask("SELECT ... FROM logs")`.

    logs: path or glob (.csv, .csv.gz, .parquet, or a folder of them), a DataFrame (or another table that DuckDB
    reads), or a DuckDB relation. A CSV is read as text, so that a word in a column of numbers can be counted; the
    types of several Parquet files are unified by column name, to the wider type. Nothing larger than 50 MB is copied
    into memory.

    Raises FileNotFoundError or ValueError, in one line, for a log that cannot be read.
    """

    def __init__(self, logs):
        self._relation = None
        self._connection = None
        self._text = False  # whether every column is text, as in a CSV,
        self._readings, self._twins = {}, {}  # of a CSV: {column: `_Reading`}, {another name in the view: SQL}
        if isinstance(logs, duckdb.DuckDBPyRelation):
            _refuse_twins(logs.columns)  # a query on it would call the second one minutes_1
            self._relation = logs
        else:
            self._connection = duckdb.connect()
            try:
                self._register(logs)
            except duckdb.Error as error:
                self._connection.close()
                raise ValueError(f"logs: cannot be read ({_first_line(error)})") from None
            except BaseException:
                self._connection.close()
                raise
        self.columns = [row[0] for row in self._describe("*")]

    def _register(self, logs):
        connection = self._connection
        if isinstance(logs, (str, Path)):
            files, kind = _files(logs)
            if kind == "parquet":
                connection.read_parquet(files, union_by_name=True).create_view("logs")
                return
            if all(Path(file).stat().st_size == 0 for file in files):
                raise ValueError(f"{files[0]}: an empty file")
            options = {"header": True, "all_varchar": True, "union_by_name": True}
            raw = connection.read_csv(files, compression=_compression(files), **options)
            _check_header(files[0], raw.columns)
            raw.create_view("file")
            # TRIM keeps DuckDB from guessing types while it reads, which would stop at the first word.
            kind = "TABLE" if sum(Path(file).stat().st_size for file in files) < IN_MEMORY else "VIEW"
            connection.execute(f"CREATE {kind} as_text AS SELECT TRIM(COLUMNS(*)) FROM file")
            connection.execute("CREATE VIEW logs AS FROM as_text")
            self._text = True
        elif isinstance(logs, pd.DataFrame):
            connection.register("logs", _frame(logs))
        else:
            try:
                connection.register("logs", logs)
            except (duckdb.Error, TypeError):
                wanted = "a path, a DataFrame or a DuckDB relation"
                raise ValueError(f"logs: {wanted}, not {type(logs).__name__}") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._connection is not None:
            self._connection.close()

    def _run(self, sql):
        return self._connection.sql(sql) if self._relation is None else self._relation.query("logs", sql)

    def _describe(self, select):
        return self._run(f"DESCRIBE SELECT {select} FROM logs").fetchall()

    def ask(self, sql, inline=False):
        """The result of a query on the table `logs`, as a DataFrame. Raises ValueError with DuckDB's first line.

        inline: scan the log again wherever the query names its block `your_columns`, of which DuckDB would else keep a
        copy in memory, as large as the log.
        """
        if inline:
            sql = sql.replace("WITH your_columns AS (", "WITH your_columns AS NOT MATERIALIZED (", 1)
        try:
            return self._run(sql).df()
        except duckdb.Error as error:
            raise ValueError(f"the logs do not fit the query: {_first_line(error)}") from None

    def expression(self, role, column):
        """SQL for a reader's column: its quoted name, or the expression as it stands. Raises ValueError if neither."""
        column = str(column)
        match = [name for name in self.columns if name == column]
        match = match or [name for name in self.columns if name.lower() == column.lower()]
        if match:
            twins = [name for name in self.columns if re.fullmatch(rf"{re.escape(column)}_\d+", name)]
            if match[0] != column and twins:  # of Minutes and minutes DuckDB has renamed the second
                raise ValueError(f"columns[{role!r}]: {column!r} may be {match[0]!r} or {twins[0]!r}; give the name as "
                                 "it is, and if two names differ in capitals only, rename one")  # fmt: skip
            return _quoted(match[0])
        column = _one_line(column)
        try:
            if self._text:
                return f"({self._read(role, column)})"
            self._describe(f"({column})")
        except duckdb.Error as error:
            words = [name for name in self._columns_in(column) if not self._readings[name]] if self._text else ()
            if words:
                name = words[0]
                count = self.ask(f"SELECT COUNT(*) AS n FROM logs WHERE ABS({number(_quoted(name))}) > 1e300")["n"][0]
                raise ValueError(f"columns[{role!r}]: {column!r} cannot be calculated: {count:,} values of {name!r} "
                                 "are no numbers; of times write CAST(... AS TIMESTAMP)") from None  # fmt: skip
            if re.fullmatch(r"[\w .-]+", column):
                close = difflib.get_close_matches(column, self.columns, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"its columns are {', '.join(self.columns)}"
                raise ValueError(f"columns[{role!r}]: {column!r} is not in the log; {hint}") from None
            raise ValueError(f"columns[{role!r}]: {column!r} is neither a column nor SQL "
                             f"({_first_line(error)})") from None  # fmt: skip
        return f"({column})"

    # An expression over a CSV: what are the columns that it names?

    def _read(self, role, expression):
        """The expression, in which columns are the numbers and times that anybody would take them for.

        A column of 3 and 12, of 0.5 and 1.25, or of dates is that. Of 010 or 1.10 (a code, a version, a price?) the
        expression must tell: `x + 1` can be calculated with a number only. If it can be calculated either way and the
        results differ, an expression with something of a text in it, or for a label, has texts, and another one has
        numbers. Raises ValueError where neither is sure, as in `x > y OR x = '010'`.
        """
        there = self._columns_in(expression)
        spoken = {text[1:-1].replace("''", "'").lower() for text in re.findall(QUOTED, expression)}
        texts = {name: self._twin(name, text=spoken) for name in there}
        typed = {name: self._twin(name) for name in there if self._readings[name]}
        loose = [name for name in typed if not self._readings[name].firm]
        self._view()
        error, first = None, None
        for firm in _subsets([name for name in typed if name not in loose])[::-1]:
            found = {}
            for more in _subsets(loose):
                sql = _with_columns(expression, texts | {name: typed[name] for name in (*firm, *more)})
                try:
                    self._describe(f"({sql})")
                    found[more] = sql
                except duckdb.Error as reason:
                    error = error or reason
            if found:
                if sql := self._choose(role, expression, found):
                    return sql
                first = first or min(found.items(), key=lambda way: len(way[0]))[1]
        if first is None:
            raise error
        return first

    def _choose(self, role, expression, found):
        """Of the ways to read an expression {columns that are numbers: SQL} the one that is meant; None if none runs.

        (None runs where a number is compared with 'NA', or a text is cast to something that it is not.)
        """
        least, most = min(found, key=len), max(found, key=len)
        run = [names for names in dict.fromkeys((least, most)) if self._runs(found[names])]
        if len(run) < 2:
            return found[run[0]] if run else None
        rows = self._differ(found[least], found[most], role in LABELS)
        textual = role in LABELS or _is_textual(expression)
        if rows and textual and _compares(expression):
            alone = [name for name in most if (name,) in found and self._differ(found[least], found[name,], True)]
            name = (alone or most)[0]
            raise ValueError(f"columns[{role!r}]: {expression!r} says something else in {rows:,} rows if {name!r} is a "
                             f"number than if it is a text. Write CAST({name} AS DOUBLE) where a number is compared, "
                             "or give the log as a DataFrame.")  # fmt: skip
        return found[most if rows and not textual else least]

    def _columns_in(self, expression):
        """The columns that an expression names; what each can be read as is looked up once."""
        there = [name for name in self.columns if _with_columns(expression, {name: "?"}) != expression]
        for name in there:
            if name not in self._readings:
                self._readings[name] = self._reading(_quoted(name))
        return there

    def _reading(self, column):
        """What a CSV's column holds, a `_Reading`; None for texts. Missing values are no hindrance."""
        forms = ", ".join(f"COUNT(CASE WHEN g = 1 AND regexp_matches(t, '{form}') THEN 1 END) AS {name}"
                          for name, form in FORMS.items())  # fmt: skip
        values = f"{column} AS t, {number(column)} AS v, {given(column)} AS g"
        counts = self.ask("SELECT COALESCE(SUM(g), 0) AS given, COUNT(CASE WHEN ABS(v) < 1e300 THEN 1 END) AS numbers, "
                          f"{forms}, COUNT(CASE WHEN g = 1 THEN TRY_CAST(t AS BIGINT) END) AS fit, "
                          "COUNT(CASE WHEN g = 1 THEN TRY_CAST(t AS TIMESTAMP) END) AS moments "
                          f"FROM (SELECT {values} FROM logs)").iloc[0]  # fmt: skip

        def all_are(*names):
            return all(counts[name] == counts["given"] for name in names)

        # 3, not 3.0, where a whole number is made a text; long ones keep their digits
        for kind, forms in (("BIGINT", ("whole", "fit")), ("HUGEINT", ("whole",)), ("BOOLEAN", ("truth",)),
                            ("DATE", ("day", "moments")), ("TIMESTAMP", ("stamp", "moments"))):  # fmt: skip
            if all_are(*forms):
                return _Reading(_cases(column, other=f"CAST({column} AS {kind})"), True)
        return _Reading(number(column), all_are("decimal")) if all_are("numbers") else None

    def _twin(self, name, text=None):
        """The name, in the view `logs`, of a CSV's column as what it can be read as; text: as a text without gaps.

        text: what the expression speaks of in quotes: NA is a value where somebody asks for it. A column of words may
        have the value none.
        """
        column = _quoted(name)
        if text is None:
            twin, sql = f"{name}, typed", self._readings[name].sql
        else:
            gaps = [word for word in MISSING if word not in text and (word != "none" or self._readings[name])]
            twin = " or ".join([f"{name}, text", *sorted(set(MISSING) - set(gaps))])
            sql = f"CASE WHEN LOWER({column}) IN ({', '.join(map(text_literal, gaps))}) THEN NULL ELSE {column} END"
        self._twins[twin] = sql
        return _quoted(twin)

    def _view(self):
        twins = "".join(f", {sql} AS {_quoted(name)}" for name, sql in self._twins.items())
        self._connection.execute(f"CREATE OR REPLACE VIEW logs AS SELECT *{twins} FROM as_text")

    def _runs(self, sql):
        try:
            self._run(f"SELECT COUNT(CAST(({sql}) AS STRING)) FROM logs").fetchall()
            return True
        except duckdb.Error:
            return False

    def _differ(self, one, other, as_texts):
        """In how many rows two expressions differ: as texts, or but for how a number is written."""
        values = ", ".join(f"CAST(({sql}) AS STRING) AS {name}" for name, sql in (("one", one), ("other", other)))
        number = "TRY_CAST(one AS DOUBLE)"
        more = f" AND ({number} IS NULL OR {number} IS DISTINCT FROM TRY_CAST(other AS DOUBLE))"
        return int(self.ask(f"SELECT COUNT(*) AS n FROM (SELECT {values} FROM logs) WHERE one IS DISTINCT FROM other"
                            f"{'' if as_texts else more}")["n"][0])  # fmt: skip

    def kind(self, expression):
        """DuckDB's type of an SQL expression, such as DOUBLE, VARCHAR, BOOLEAN."""
        return str(self._describe(f"{expression} AS value")[0][1])

    def number(self, role, column):
        """SQL for a column of numbers (see `number`). Raises ValueError for dates and the like."""
        expression = self.expression(role, column)
        self.refuse_commas(role, column, expression)
        kind = self.kind(expression)
        if not (kind.startswith((*NUMBERS, "VARCHAR", "ENUM", "BOOLEAN", "JSON")) or kind in ('"NULL"', "NULL")):
            raise ValueError(f"columns[{role!r}]: {column!r} is a {kind}, and a number is needed; "
                             "an SQL expression can turn it into one")  # fmt: skip
        return number(expression, kind if kind.startswith((*NUMBERS, "BOOLEAN")) else None)

    def refuse_commas(self, role, column, expression):
        """Raise ValueError where most of a CSV's values are numbers with commas: 0,85 for 0.85, or 1,234 for 1234."""
        if not self._text:
            return
        with_commas = "CASE WHEN regexp_matches(v, '^-?[0-9]+(,[0-9]+)+([.][0-9]*)?$') THEN v END"
        first = self.ask(f"SELECT COUNT(v) AS n, COUNT({with_commas}) AS commas, MIN({with_commas}) AS one "
                         f"FROM (SELECT TRIM(CAST({expression} AS STRING)) AS v FROM logs LIMIT 1000)")  # fmt: skip
        if 2 * first["commas"][0] > first["n"][0]:
            raise ValueError(f"columns[{role!r}]: the numbers of {column!r} have commas ({first['one'][0]}). Name the "
                             f"column as REPLACE({column}, ',', '.') where a comma stands for the decimal point, as "
                             f"REPLACE({column}, ',', '') where it sets off thousands.")  # fmt: skip

    def yes_no(self, role, column, yes=None, no=None):
        """SQL for a column of two values (see `yes_no`).

        yes: the value that means "treated"; no: the other one, None where the column has just two values. Raises
        ValueError, naming the values, where that leaves doubt.
        """
        expression = self.expression(role, column)
        kind = self.kind(expression)
        if yes is not None and no is None:
            found = self.ask(f"SELECT DISTINCT TRIM(CAST({expression} AS STRING)) AS value FROM logs LIMIT 60")["value"]
            missing = set(MISSING) - {"none"} - _spellings(yes)  # "none" may be an arm: the reader must say
            found = found.dropna()[lambda v: ~v.str.lower().isin(missing)]
            others = sorted({value for value in found.str.lower() if value not in _spellings(yes)})
            if len(others) == len(set(found.str.lower())):
                raise ValueError(f"columns[{role!r}]: no row of {column!r} is {yes!r}; its values are "
                                 f"{_some(found)}")  # fmt: skip
            if len(others) != 1:
                raise ValueError(f"columns[{role!r}]: {column!r} has {len(found) if len(found) <= 50 else 'over 50'} "
                                 f"values ({_some(found)}); say which one is the control")  # fmt: skip
            no = others[0]
        return yes_no(expression, kind if kind.startswith((*NUMBERS, "BOOLEAN")) else None, yes, no)

    def moment(self, role, column):
        """("time stamp" or "number", SQL, SQL for 1 where something is given) of a column of times (see `moment`).

        A column of texts is of the kind that most of its first thousand values are. Raises ValueError where the type
        cannot be a time.
        """
        expression = self.expression(role, column)
        kind = self.kind(expression)
        if kind.startswith(MOMENTS):
            return "time stamp", moment(expression, kind), given(expression, kind)
        if kind.startswith(NUMBERS):
            return "number", number(expression, kind), given(expression, kind)
        if not (kind.startswith(("VARCHAR", "ENUM", "JSON")) or kind in ('"NULL"', "NULL")):
            wanted = "a date, a time stamp or a number"
            raise ValueError(f"columns[{role!r}]: {column!r} is a {kind}, and {wanted} is needed")
        first = self.ask("SELECT COUNT(*) AS n, COUNT(TRY_CAST(v AS DOUBLE)) AS numbers, "
                         "COUNT(TRY_CAST(v AS TIMESTAMP)) AS times "
                         f"FROM (SELECT {text(expression)} AS v FROM logs LIMIT 1000)")  # fmt: skip
        if first["n"][0] == 0:  # of what kind its times would be nobody can say
            refuse(problem_table([say("the log has no rows", rows=0, what_to_do="Look at the path and the WHERE.")]))
        if first["numbers"][0] > first["times"][0]:
            return "number", number(expression), given(expression)
        return "time stamp", moment(expression), given(expression)

    def text(self, role, column):
        """SQL for a column of labels (see `text`)."""
        return text(self.expression(role, column))


# ---- a reader's expression


def _one_line(expression):
    """An expression on one line, unless it holds a comment."""
    return expression if "--" in expression else re.sub(r"\s*\n\s*", " ", expression)


def _quoted(name):
    return '"' + name.replace('"', '""') + '"'


@dataclass
class _Reading:
    """What a CSV's column can be read as: its SQL, and whether nothing of it is lost by that."""

    sql: str
    firm: bool


QUOTED = r"'(?:[^']|'')*'"  # a text in SQL
LABELS = ("user", "unit", "cluster", "stratum", "pair", "arm")  # roles whose values are names
FORMS = {  # of values that nobody takes for anything but a number or a time
    "whole": "^(0|-?[1-9][0-9]{0,37})$",
    "decimal": r"^-?(0|[1-9][0-9]*)(\.[0-9]*[1-9]|\.0)?$",
    "truth": "^([Tt]rue|TRUE|[Ff]alse|FALSE)$",
    "day": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "stamp": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?)?$",
}


def _subsets(names):
    """Tuples of names, the smallest first; of many names only none, each, all but each, and all."""
    sizes = range(len(names) + 1) if len(names) <= 5 else sorted({0, 1, len(names) - 1, len(names)})
    return [chosen for size in sizes for chosen in itertools.combinations(names, size)]


@functools.cache
def _reserved():
    """SQL's own words, which are no columns unless they are quoted."""
    found = duckdb.execute("SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'").fetchall()
    return {word for (word,) in found}


def _with_columns(expression, names):
    """An expression with other names of columns: {name: SQL to stand for it}; texts and functions are left."""
    others = {name.lower(): other for name, other in names.items()}
    # (no columns are the units in INTERVAL 1 HOUR and EXTRACT(hour FROM t), and the types in t::date and DATE '...')
    token = re.compile(QUOTED + r"""|\binterval\s+(?:'[^']*'|\S+)\s+\w+|\bextract\s*\(\s*\w+|::\s*\w+|\bas\s+\w+"""
                       r"""|[^\W\d]\w*(?=\s*')|"((?:[^"]|"")*)"|([^\W\d]\w*)(?!\w|\.|\s*\()""", re.I)

    def other(match):
        if match[1] is not None:
            return others.get(match[1].replace('""', '"').lower(), match[0])
        word = (match[2] or "").lower()
        return match[0] if word in _reserved() else others.get(word, match[0])

    return token.sub(other, expression)


TEXTUAL = (r"\|\||\b(concat\w*|substr\w*|left|right|[lr]pad|i?like|regexp_\w+|starts_with|contains|varchar|string|text|"
           r"upper|lower|trim|length|md5|hash|sha\w+)\b")  # fmt: skip


def _is_textual(expression):
    """Whether something in an expression is a text: a quoted one (but a result, as in THEN 'late'), or a function."""
    plainly = re.sub(rf"\b(then|else)\s+{QUOTED}", "", expression, flags=re.I)
    return bool(re.search(rf"'|{TEXTUAL}", plainly, flags=re.I))


def _compares(expression):
    """Whether it compares what may be a text or a number: `a > b`, `a = b`, `a = 5` and `a > '9'`, but not `a = 'x'`.

    (`a > 5` wants a number, and has one; a text that is equal to 5 is rounded first.)
    """
    real = r"(double|float|real)"
    cast = rf"\b(try_)?cast\s*\([^()]*\bas\s+{real}\s*\)|[\w\"]+::{real}\b"
    rest = re.sub(cast, "0.0", re.sub(QUOTED, "''", expression), flags=re.I)
    equal, either, literal = r"\s*(<>|!=|=)\s*", r"\s*[<>]=?\s*", r"-?\d+(\.\d+)?"
    rest = re.sub(rf"\b0\.0{equal}({literal})|({literal}){equal}0\.0\b", " ", rest)
    rest = re.sub(rf"{either}{literal}\b|\b{literal}{either}|{equal}''|''{equal}", " ", rest)
    rest = re.sub(r"\bin\s*\(\s*''(\s*,\s*'')*\s*\)", " ", rest, flags=re.I)
    words = (r"\b(between|greatest|least|min|max|order|nullif|median|mode|arg_\w+|quantile\w*|distinct|in|"
             r"when\s+-?\d\S*|(as|::)\s*\w*int\w*)\b")  # fmt: skip
    return bool(re.search(rf"[<>=]|{words}", rest, flags=re.I))


def short(value):
    """A number for a report: three digits that count, never an exponent: 0.0713, -8.3, 21,013."""
    if abs(value) >= 999.5 and math.isfinite(value):
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return text if "e" not in text else f"{value:.{2 - math.floor(math.log10(abs(value)))}f}"


def number_text(value):
    """A number as the text that DuckDB makes of it: 1 for 1, 1.5 for 1.5."""
    return str(int(value)) if float(value).is_integer() else str(float(value))


def _some(values):
    values = sorted(map(str, values))
    return ", ".join(map(repr, values[:6])) + (", ..." if len(values) > 6 else "")


def _first_line(error):
    """What DuckDB says, in one line; of a CSV, what is wrong and where."""
    line = str(error).strip().splitlines()[0].removeprefix("Binder Error: ").removeprefix("Parser Error: ")
    if place := re.search(r"CSV Error on Line: (\d+)", line):
        count = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", str(error))
        what = (f"should have {count[1]} columns, as the first, and has {count[2]}" if count else
                "is no text in UTF-8; save the file as UTF-8" if "utf-8" in str(error) else
                "is no row of a CSV")  # fmt: skip
        return f"line {place[1]} {what}"
    return "no table can be found in it; is it a CSV?" if "sniffing file" in line else line


def centre_of(logs, expression):
    """A constant near the mean of a column whose mean is large against its spread, else 0.

    Sums of squares around it keep their digits; the constant is taken from the first rows, any will do.
    """
    first = logs.ask(f"SELECT v FROM (SELECT {expression} AS v FROM logs) AS t "
                     "WHERE v IS NOT NULL AND ABS(v) < 1e300 LIMIT 1000")["v"].to_numpy(float)  # fmt: skip
    if len(first) == 0:
        return 0.0
    with np.errstate(over="ignore"):
        mean, spread = first.mean(), first.std()
    return float(f"{mean:.6g}") if abs(mean) > 100 * spread and (spread > 0 or abs(mean) > 100) else 0.0
