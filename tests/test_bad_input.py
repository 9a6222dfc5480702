"""Files that people really have: for each, the right answer or one clear line. This is the one table of them.

Every file is read twice: as the dataset of the tutorials (`load_logs`), and as a reader's own log by the `analyse` of a
tool. The tools take turns, for all read through `own_logs.Logs`; `make test-long` (LONG=1) gives every file to
every tool. Dates, time stamps and their zones are in the tests of the tools that have them (04, 06, 07).
"""

import csv
import gzip
import re
import tempfile
from pathlib import Path

import duckdb
import generate_data
import pandas as pd
import pytest
from generate_data import COLUMNS
from notebook_tools import LONG
from warehouse import DESIGNS, create_logs, tool

USERS = 1_200
RIGHT = "right"  # the answer is that of the plain file


def text(frame, **options):
    return frame.to_csv(index=False, lineterminator="\n", **options)


def packed(frame):
    return gzip.compress(text(frame).encode())


def parquet(frame):
    with tempfile.TemporaryDirectory() as folder:
        duckdb.from_df(frame).write_parquet(f"{folder}/l.parquet")
        return Path(folder, "l.parquet").read_bytes()


def with_value(frame, outcome, value):
    """The CSV, in which one value of the outcome is another."""
    frame = frame.astype({outcome: object})
    frame.loc[7, outcome] = value
    return text(frame)


def as_words(frame, outcome, words):
    return text(frame.assign(**{outcome: frame[outcome].gt(0).map(dict(zip((True, False), words, strict=True)))}))


def thousands(frame, outcome, form):
    """The frame with an outcome a thousand times as large, and one, written in a form."""
    return frame.assign(**{outcome: (1000 * frame[outcome] + 1000).round(2).map(form.format)})


WORKBOOK = b"PK\x03\x04" + bytes(range(256))
NO_NUMBER = "outcome is not a finite number|values? of 'task_completed' are no numbers"
TWICE = "two columns are called '?(task_completed|minutes)"

# what it is: (file name, its content from the frame f and the name y of an outcome in it, what load_logs says, what a
# tool says). "right", a pattern of the one line that refuses it, or "warns: " and the warning.
FILES = {
    "no newline at the end": ("l.csv", lambda f, y: text(f)[:-1], RIGHT, RIGHT),
    "CRLF": ("l.csv", lambda f, y: text(f).replace("\n", "\r\n"), RIGHT, RIGHT),
    "CRLF but at the end": ("l.csv", lambda f, y: text(f).replace("\n", "\r\n")[:-2], RIGHT, RIGHT),
    "CR": ("l.csv", lambda f, y: text(f).replace("\n", "\r"), RIGHT, RIGHT),
    "BOM": ("l.csv", lambda f, y: "\ufeff" + text(f), RIGHT, RIGHT),
    "quotes": ("l.csv", lambda f, y: text(f, quoting=csv.QUOTE_ALL), RIGHT, RIGHT),
    "quotes, no newline": ("l.csv", lambda f, y: text(f, quoting=csv.QUOTE_ALL)[:-1], RIGHT, RIGHT),
    "spaces after commas": ("l.csv", lambda f, y: text(f).replace(",", ", "), RIGHT, RIGHT),
    "empty lines at the end": ("l.csv", lambda f, y: text(f) + "\n\n", RIGHT, RIGHT),
    "columns in another order": ("l.csv", lambda f, y: text(f[f.columns[::-1]]), RIGHT, RIGHT),
    "further columns": ("l.csv", lambda f, y: text(f.assign(comment='a, "b"; c\nd')), RIGHT, RIGHT),
    "true and false": ("l.csv", lambda f, y: text(f.astype({"routed_to_premium": bool})), RIGHT, RIGHT),
    "TRUE and FALSE": ("l.csv", lambda f, y: as_words(f, "opt_in_agent_mode", ("TRUE", "FALSE")), RIGHT, RIGHT),
    "gzip": ("l.csv.gz", lambda f, y: packed(f), RIGHT, RIGHT),
    "gzip in capitals": ("L.CSV.GZ", lambda f, y: packed(f), RIGHT, RIGHT),
    "gzip that is called .csv": ("l.csv", lambda f, y: packed(f), RIGHT, RIGHT),
    "a CSV that is called .gz": ("l.csv.gz", lambda f, y: text(f), RIGHT, RIGHT),
    "gzip, cut": ("l.csv.gz", lambda f, y: packed(f)[:-30], "a damaged gzip file", "cannot be read .*end of GZIP"),
    "gzip, damaged": ("l.csv", lambda f, y: b"\x1f\x8bnot really", "a damaged gzip file", "cannot be read"),
    "Parquet in capitals": ("L.PARQUET", lambda f, y: parquet(f), "not a CSV file", RIGHT),
    "Parquet that is called .csv": ("l.csv", lambda f, y: parquet(f), "not a CSV file", RIGHT),
    "a CSV that is called .parquet": ("l.parquet", lambda f, y: text(f), RIGHT, "cannot be read .*l.parquet"),
    "a workbook": ("l.xlsx", lambda f, y: WORKBOOK, "not a CSV file", "a workbook .* save the table as CSV"),
    "a workbook called .csv": ("l.csv", lambda f, y: WORKBOOK, "not a CSV file", "a workbook .* save the table as CSV"),
    "UTF-16": ("l.csv", lambda f, y: text(f).encode("utf-16"), "not a CSV file in UTF-8", "save it as CSV in UTF-8"),
    "Latin-1": ("l.csv", lambda f, y: text(f.assign(city="Köln")).encode("latin-1"),
                "not a CSV file in UTF-8", r"line 2 is no text in UTF-8"),
    "tabs": ("l.csv", lambda f, y: text(f, sep="\t"), "separated by tabs", RIGHT),
    "bars": ("l.csv", lambda f, y: text(f, sep="|"), "separated by bars", RIGHT),
    "semicolons": ("l.csv", lambda f, y: text(f, sep=";"), "separated by semicolons. Save it with commas", RIGHT),
    "decimal commas": ("l.csv", lambda f, y: text(f.assign(**{y: f[y] + 0.5}), sep=";", decimal=","),
                       "separated by semicolons.+0.85, not 0,85", r"have commas \(.+REPLACE\(|" + NO_NUMBER),
    "decimal commas in quotes": ("l.csv", lambda f, y: text(f.assign(**{y: f[y] + 0.5}), decimal=","),
                                 "column query_confidence, row 1: '0,", r"have commas \(.+REPLACE\(|" + NO_NUMBER),
    "thousands with commas": ("l.csv", lambda f, y: text(thousands(f, y, "{:,.0f}")), "row 1: '[0-9]+,",
                              r"have commas \(.+REPLACE\(|" + NO_NUMBER),
    "nothing": ("l.csv", lambda f, y: "", "an empty file", "an empty file"),
    "an empty line": ("l.csv", lambda f, y: "\n", "an empty file", "an empty file"),
    "only the names": ("l.csv", lambda f, y: text(f[:0]), "a header and no rows", "the log has no rows"),
    "no names": ("l.csv", lambda f, y: text(f).partition("\n")[2], "columns missing: user_id, workspace_id",
                 "the first line must give each column a name"),
    "a column is missing": ("l.csv", lambda f, y: text(f.drop(columns=[y, "wave"])), "columns missing: wave",
                            "is not in the log|neither a column nor SQL"),
    "a column twice": ("l.csv", lambda f, y: text(pd.concat([f, f[["task_completed", "minutes"]]], axis=1)),
                       TWICE, TWICE),
    "the last row is cut": ("l.csv", lambda f, y: text(f)[:-25], "middle of a row", "line 1201 should have 21 columns"),
    "a row has a column more": ("l.csv", lambda f, y: text(f).replace("\n5,", "\n5,5,"),
                                "Expected 21 fields in line 7, saw 22", "line 7 should have 21 columns.+ has 22"),
    "a line break in a row": ("l.csv", lambda f, y: text(f).replace("\n5,", "\n5\n5,"),
                              "column workspace_id, row 6", "line 7 should have 21 columns.+ has 1$"),
    "two files in one": ("l.csv", lambda f, y: text(f) + text(f), "column user_id, row 1201: 'user_id'",
                         NO_NUMBER + "|neither of its two values|not a finite number|is no time"),
    "a line of totals": ("l.csv", lambda f, y: text(f) + "Total" + "," * (f.shape[1] - 1) + "\n",
                         "column user_id, row 1201: 'Total'", "warns: is missing"),
    "a word among numbers": ("l.csv", lambda f, y: with_value(f, y, "oops"), "row 8: 'oops'", NO_NUMBER),
    "a comma among numbers": ("l.csv", lambda f, y: with_value(f, y, "1,234"), "row 8: '1,234'", NO_NUMBER),
    "infinity": ("l.csv", lambda f, y: with_value(f, y, "inf"), "row 8: .*inf", NO_NUMBER),
    "too large for a number": ("l.csv", lambda f, y: with_value(f, y, "1e400"), "row 8: .*inf", NO_NUMBER),
    "a gap": ("l.csv", lambda f, y: with_value(f, y, ""), "row 8: .*nan", "warns: outcome is missing (1 row"),
    "NA": ("l.csv", lambda f, y: with_value(f, y, "NA"), "row 8: .*nan", "warns: outcome is missing (1 row"),
    "yes and no": ("l.csv", lambda f, y: as_words(f, y, ("yes", "no")), "row 1: '(yes|no)'", NO_NUMBER),
    "percent": ("l.csv", lambda f, y: text(f.assign(**{y: f[y].astype(str) + "%"})), "row 1: '.+%'", NO_NUMBER),
}  # fmt: skip
EVERY_TOOL = sorted(DESIGNS)
READINGS = [(what, number) for k, what in enumerate(FILES)
            for number in (EVERY_TOOL if LONG else [EVERY_TOOL[k % len(EVERY_TOOL)]])]  # fmt: skip


@pytest.fixture(scope="module")
def frame():
    """A log with the columns that every design needs."""
    source = generate_data.generate(7, USERS)  # noqa: F841 (DuckDB finds it by name)
    with duckdb.connect() as connection:
        connection.execute(create_logs("source", USERS))
        return connection.sql("FROM logs ORDER BY user_id").df()


def write(folder, what, frame, outcome):
    name, make, *_ = FILES[what]
    content = make(frame, outcome)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


def analyse(number, log):
    columns, design, _ = DESIGNS[number]
    return tool(number).analyse(log, columns, **design)


ANSWERS = {}  # of a tool on the DataFrame


def check(expected, result, error, right):
    """result: what came, or None where error was raised; right(result): whether it is as from the plain file."""
    if expected == RIGHT:
        assert error is None and right(result), error
    elif expected.startswith("warns: "):
        assert error is None and expected.removeprefix("warns: ") in result.warnings()
    else:
        assert error is not None, "it was not refused"
        lines = str(error).splitlines()
        assert isinstance(error, ValueError) and all(re.search(expected, line) for line in lines), str(error)
        assert 1 <= len(lines) <= 2 and "Traceback" not in str(error)  # an outcome is refused by arm, a line each


def outcome_of(read, *arguments):
    try:
        return read(*arguments), None
    except Exception as error:  # any: what it is allowed to be is checked
        return None, error


@pytest.mark.parametrize("what", FILES)
def test_the_tutorials_read_it_right_or_say_why_not(tmp_path, frame, what):
    path = write(tmp_path, what, frame, "task_completed")
    read, error = outcome_of(generate_data.load_logs, path)
    there = frame[list(COLUMNS)]
    check(FILES[what][2], read, error, lambda read: read[list(COLUMNS)].astype(there.dtypes).equals(there))
    assert error is None or (str(error).startswith(f"{path}: ") and generate_data.AGAIN in str(error))


@pytest.mark.parametrize("what, number", READINGS)
def test_a_tool_reads_it_right_or_says_why_not(tmp_path, frame, what, number):
    outcome = re.match(r"\w+", DESIGNS[number][0]["outcome"])[0]
    if number not in ANSWERS:
        ANSWERS[number] = analyse(number, frame)
    path = write(tmp_path, what, frame, outcome)

    def same(result):
        plain = ANSWERS[number]
        return (result.estimate, result.lo, result.hi, result.n) == (plain.estimate, plain.lo, plain.hi, plain.n)

    check(FILES[what][3], *outcome_of(analyse, number, path), same)


@pytest.mark.parametrize("form, mark", [("{:.2f}", "."), ("{:,.0f}", ""), ("{:,.2f}", "")])
def test_numbers_with_commas_are_right_when_the_advice_is_followed(tmp_path, frame, form, mark):
    """1,234 was taken for a decimal comma only, and 1,234.50 for a word: the advice would have made it 1.234."""
    columns, design, _ = DESIGNS["05"]
    outcome = columns["outcome"]
    theirs = thousands(frame, outcome, form)
    plain = theirs.assign(**{outcome: theirs[outcome].str.replace(",", "").astype(float)})
    log = tmp_path / "l.csv"
    log.write_text(text(theirs.assign(**{outcome: theirs[outcome].str.replace(".", ",")} if mark == "." else {})))
    with pytest.raises(ValueError, match=r"have commas \(\d+,") as error:
        tool("05").analyse(log, columns, **design)
    advice = next(found for found in re.findall(r"REPLACE\(.+?'\)", str(error.value)) if f", '{mark}')" in found)
    result = tool("05").analyse(log, columns | {"outcome": advice}, **design)
    right = tool("05").analyse(plain, columns, **design)
    assert (result.estimate, result.lo, result.hi, result.n) == (right.estimate, right.lo, right.hi, right.n)


# ---- what cannot be written is refused before anything is drawn

OUT = {
    "l.csv": b"user_id,", "L.CSV": b"user_id,", "new/folder/l.csv": b"user_id,", "Bob's [2026] cöurse.csv": b"user_id,",
    "l.csv.gz": b"\x1f\x8b", "L.CSV.GZ": b"\x1f\x8b", "l.parquet": b"PAR1", "L.PARQUET": b"PAR1",
    "l.xlsx": "ends in .csv, .csv.gz or .parquet", "l": "ends in .csv", "folder": "folder", "file/l.csv": "file",
    "folder.csv": "a folder that is there already", "folder.parquet": "a folder that is there already",
}  # fmt: skip


@pytest.mark.parametrize("name", OUT)
def test_out_is_what_its_name_says_or_one_line(tmp_path, capsys, name):
    """`--out l.csv.gz` wrote plain text under that name, and `--out l.xlsx` still did."""
    for folder in ("folder", "folder.csv", "folder.parquet"):
        (tmp_path / folder).mkdir()
    (tmp_path / "file").write_text("no folder")
    before = sorted(tmp_path.rglob("*"))
    status = generate_data.main(["--seed", "7", "--n-users", "500", "--out", str(tmp_path / name)])
    said = capsys.readouterr()
    if isinstance(OUT[name], str):
        assert status == 2 and said.out == "" and said.err.count("\n") == 1 and OUT[name] in said.err
        assert sorted(tmp_path.rglob("*")) == before
        return
    assert status == 0 and said.err == ""
    path = tmp_path / name
    file = path if path.is_file() else next(path.iterdir())
    assert file.read_bytes().startswith(OUT[name])
    found = duckdb.read_parquet(str(file)).df() if OUT[name] == b"PAR1" else generate_data.load_logs(file)
    pd.testing.assert_frame_equal(found, generate_data.generate(7, 500), check_dtype=False)
