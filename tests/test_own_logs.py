"""data/own_logs.py: logs of any kind are read the same, columns become SQL that can be trusted, faults get one line."""

import re

import duckdb
import numpy as np
import own_logs
import pandas as pd
import pytest
from own_logs import FATAL, WARNING, Logs, UnfitLog

FRAME = pd.DataFrame({"score": [0.1, 0.7, 0.85, 0.9], "done": [1, 0, 1, 0], "arm": ["Old", "New", "New", None]})


def ask(logs, sql):
    with Logs(logs) as log:
        return log.ask(sql)


def values(logs, role, column, kind="number", **options):
    with Logs(logs) as log:
        return log.ask(f"SELECT {getattr(log, kind)(role, column, **options)} AS v FROM logs")["v"].tolist()


# ---- reading


@pytest.fixture(params=["csv", "parquet", "frame", "relation", "shards"])
def same_log(request, tmp_path):
    """The same four rows in every form that a log may have; what files may look like is in test_bad_input.py."""
    kind, path = request.param, tmp_path / f"Bob's [2026] log.{request.param}"
    if kind == "frame":
        return FRAME
    if kind == "relation":
        return duckdb.connect().from_df(FRAME)
    if kind == "shards":
        path.mkdir()
        for k in range(2):
            duckdb.from_df(FRAME[2 * k : 2 * k + 2]).write_parquet(str(path / f"part-{k}.parquet"))
    elif kind == "csv":
        FRAME.to_csv(path, index=False)
    else:
        duckdb.from_df(FRAME).write_parquet(str(path))
    return path


def test_every_form_of_a_log_is_read_the_same(same_log):
    with Logs(same_log) as log:  # of several files, no order is promised
        found = log.ask(f"SELECT {log.number('running', 'score')} AS x, {log.yes_no('treated', 'arm', yes='New')} AS t "
                        "FROM logs ORDER BY 1")  # fmt: skip
    assert found["x"].tolist() == [0.1, 0.7, 0.85, 0.9]
    np.testing.assert_array_equal(found["t"].to_numpy(float), [0, 1, 1, np.nan])


def test_a_glob_reads_all_its_files(tmp_path):
    for k in range(3):
        FRAME.to_csv(tmp_path / f"day-{k}.csv", index=False)
    assert ask(tmp_path / "day-*.csv", "SELECT COUNT(*) AS n FROM logs")["n"][0] == 12


def test_shards_of_different_types_are_unified_by_name_to_the_wider_type(tmp_path):
    duckdb.sql("SELECT 1::INTEGER AS y, 5::INTEGER AS x").write_parquet(str(tmp_path / "a.parquet"))
    duckdb.sql("SELECT 6.5::DOUBLE AS x, 2.25::DOUBLE AS y").write_parquet(str(tmp_path / "b.parquet"))
    assert sorted(values(tmp_path, "outcome", "y")) == [1, 2.25]


@pytest.mark.parametrize("make, message", [
    (lambda t: t / "none.csv", "no such file"), (lambda t: t / "none*.parquet", "no file matches"),
    (lambda t: t, "a folder without"), (lambda t: (t / "e.csv").touch() or t / "e.csv", "an empty file"),
    (lambda t: (t / "bad.parquet").write_text("not parquet") and t / "bad.parquet", "cannot be read"),
    (lambda t: 3, "a path, a DataFrame or a DuckDB relation"),
    (lambda t: pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns are called 'a'"),
])  # fmt: skip
def test_a_log_that_cannot_be_read_gets_one_line(tmp_path, make, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        Logs(make(tmp_path))
    assert "\n" not in str(error.value)


# ---- columns


def test_words_and_infinities_are_infinite_and_gaps_are_null(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text('y\n1\noops\n""\nNA\nnan\nNone\n 2 \ntrue\nFALSE\ninf\n-1e3\n"0,5"\n')
    found = values(path, "outcome", "y")
    expected = [1, np.inf, np.nan, np.nan, np.nan, np.nan, 2, 1, 0, np.inf, -1000, np.inf]
    np.testing.assert_array_equal(found, expected)
    typed = pd.DataFrame({"y": [1.5, np.nan, np.inf, -2]})
    np.testing.assert_array_equal(values(typed, "outcome", "y"), [1.5, np.nan, np.inf, -2])
    mixed = pd.DataFrame({"y": [1, "oops", None, True, 2.5]})
    np.testing.assert_array_equal(values(mixed, "outcome", "y"), [1, np.inf, np.nan, 1, 2.5])


def test_the_form_for_any_type_equals_the_fast_form():
    """`number` without a type is what queries() writes for a warehouse."""
    frame = pd.DataFrame({"f": np.array([0.7, 0.1, np.nan], "f4"), "d": [0.7, np.nan, -3], "i": [1, 2, 3],
                          "b": [True, False, True]})  # fmt: skip
    with Logs(frame) as log:
        for name in frame:
            slow = log.ask(f"SELECT {own_logs.number(name)} AS v FROM logs")["v"]
            np.testing.assert_array_equal(slow, log.ask(f"SELECT {log.number('r', name)} AS v FROM logs")["v"])


def test_a_32_bit_number_is_the_decimal_it_was_written_as():
    assert values(pd.DataFrame({"x": np.array([0.7, 0.85], "f4")}), "running", "x") == [0.7, 0.85]


@pytest.mark.parametrize("column, yes, expected", [
    ("b", None, [1, 0, np.nan, 1]), ("b", True, [1, 0, np.nan, 1]), ("b", False, [0, 1, np.nan, 0]),
    ("n", 2, [0, 1, 1, np.nan]), ("n", "2", [0, 1, 1, np.nan]), ("t", "New", [0, 1, 1, 0]), ("t", "new", [0, 1, 1, 0]),
    ("z", None, [1, 0, np.inf, 1]),
])  # fmt: skip
def test_two_values_become_one_and_nought(column, yes, expected):
    frame = pd.DataFrame({"b": pd.array([True, False, None, True], "boolean"), "n": [1, 2, 2, np.nan],
                          "t": ["Old", "New", "new ", "old"], "z": ["1", "0", "maybe", "true"]})  # fmt: skip
    np.testing.assert_array_equal(values(frame, "treated", column, "yes_no", yes=yes), expected)


def test_a_third_arm_is_never_pooled():
    frame = pd.DataFrame({"arm": ["A", "B", "C", "A"]})
    with pytest.raises(ValueError, match=r"has 3 values \('A', 'B', 'C'\); say which one is the control"):
        values(frame, "treated", "arm", "yes_no", yes="B")
    np.testing.assert_array_equal(values(frame, "treated", "arm", "yes_no", yes="B", no="A"), [0, 1, np.inf, 0])
    with pytest.raises(ValueError, match="no row of 'arm' is 'D'; its values are 'A', 'B', 'C'"):
        values(frame, "treated", "arm", "yes_no", yes="D")


@pytest.mark.parametrize("column, message", [
    ("scor", "did you mean 'score'"), ("colour", "its columns are score, done, arm"),
    ("score +", "neither a column nor SQL"), ("scor + 1", "neither a column nor SQL"),
    ("DATE '2026-01-01'", "is a DATE"),
])  # fmt: skip
def test_a_column_that_is_not_there_gets_one_line(column, message):
    with pytest.raises(ValueError, match=message) as error:
        values(FRAME, "running", column)
    assert "\n" not in str(error.value) and "running" in str(error.value)


def test_odd_names_and_expressions():
    frame = FRAME.rename(columns={"score": 'my "score" in %', "done": "select"})
    assert values(frame, "running", 'my "score" in %') == [0.1, 0.7, 0.85, 0.9]
    assert values(frame, "outcome", "select") == [1, 0, 1, 0] and values(frame, "outcome", "SELECT") == [1, 0, 1, 0]
    assert values(FRAME, "running", "score * 100") == pytest.approx([10, 70, 85, 90])
    assert values(FRAME, "outcome", "done = 1") == [1, 0, 1, 0]


def test_a_csv_can_be_calculated_with(tmp_path):
    """Its columns are text, so that words can be counted; an expression gets numbers where all values are numbers."""
    path = tmp_path / "log.csv"
    path.write_text("score,code,plan\n85,01,pro\nNA,02,free\n7.5,x3,pro\n")
    np.testing.assert_array_equal(values(path, "running", "score / 100.0"), [0.85, np.nan, 0.075])
    np.testing.assert_array_equal(values(path, "outcome", "score >= 50"), [1, np.nan, 0])
    np.testing.assert_array_equal(values(path, "outcome", "plan = 'pro' AND score > 10"), [1, 0, 0])
    assert values(path, "unit", "LEFT(score, 1) || code", "text")[0] == "801"  # a text where a text is wanted
    with pytest.raises(ValueError, match="'code / 2' cannot be calculated: 1 values of 'code' are no numbers"):
        values(path, "running", "code / 2")


EXPRESSIONS = {  # over the CSV below: what an analyst would say that it means, row by row
    "CAST(plan AS VARCHAR) = '3'": ["true", "false", "false"],
    "concat('plan', plan)": ["plan3", "plan1", "plan2"],
    "ver || '/' || team": ["1.1/red", "1.10/red", "1.1/blue"],
    "code = '10'": ["false", "true", "false"],
    "CASE WHEN plan > 1 THEN code END": ["010", None, "100"],  # for a label
    "id || ''": ["123456789012345678", "123456789012345679", "12345678901234567890123"],
    "CAST(id AS HUGEINT) % 10": ["8", "9", "3"],
    "LPAD(plan, 3, '0')": ["003", "001", "002"],
    "a > b": ["true", "false", "false"],
    "a > '9'": ["true", "false", "true"],
    "a = b": ["false", "false", "true"],
    "a = b AND team = 'blue'": ["false", "false", "true"],
    "CASE WHEN a > b THEN 'late' ELSE 'early' END": ["late", "early", "early"],
    "GREATEST(a, b)": ["10.0", "10.0", "20.0"],
    "plan\n+ 1": ["4", "2", "3"],
    "logs.plan * 2": ["6", "2", "4"],
    "logs.tier = 'light'": ["true", None, "false"],
    '"big team" || plan': ["x3", "y1", "z2"],
    "ver || CAST(plan > 1 AS STRING)": ["1.1true", "1.10false", "1.1true"],
    "ver || (CAST(a AS DOUBLE) > CAST(b AS DOUBLE))": ["1.1true", "1.10false", "1.1false"],
    "tier = 'light'": ["true", None, "false"],
    "tier IS NULL": ["false", "true", "false"],
    "CASE WHEN tier = 'NA' THEN 'nothing' ELSE tier END": ["light", "nothing", "heavy"],
    "plan IN ('1', '2')": ["false", "true", "true"],
    "team = 'red' AND rating = 5": ["false", "true", "false"],  # DuckDB rounds the text 4.6
    "team = 'red' AND rating IN (4, 5)": ["false", "true", "false"],
    "CASE WHEN \"end\" = 5 THEN 1 ELSE 0 END": ["0", "1", "0"],
    "CASE WHEN arm <> 'pro' THEN 1 ELSE 0 END": ["1", "1", "0"],
    "NULLIF(cost, 'NA')": ["0.5", None, "2"],
    "date >= DATE '2026-02-01'": ["false", "true", "true"],
    "HOUR(CAST(ts AS TIMESTAMP)) - hour": ["0", "1", "2"],
    "ts >= '2026-01-01T11:30:00' AND plan > 0": ["true", "false", "true"],
    "EXTRACT(hour FROM ts) - hour": ["0", "1", "2"],
    "ts + hour * INTERVAL 1 HOUR": ["2026-01-02 00:00:00", "2026-01-01 17:15:00", "2026-01-03 22:30:00"],
    "date || ' ' || hour": ["2026-01-31 12", "2026-02-01 8", "2026-02-02 10"],
    "flag = 'true'": ["true", "false", "true"],
    "COALESCE(flag, false)": ["true", "false", "true"],
}
LOG = """plan,ver,team,a,b,code,id,tier,big team,rating,end,arm,cost,date,ts,hour,flag
3,1.1,red,10,9,010,123456789012345678,light,x,4.6,5.4,none,0.5,2026-01-31,2026-01-01 12:00:00,12,True
1,1.10,red,9,10,10,123456789012345679,NA,y,5.0,5.0,basic,NA,2026-02-01,2026-01-01 09:15:00,8,False
2,1.1,blue,20.0,20,100,12345678901234567890123,heavy,z,5.0,1.0,pro,2,2026-02-02,2026-01-03 12:30:00,10,True
"""


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    return path


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_over_a_csv_means_what_it_says(csv, expression):
    """Plan '3.0' was not '3', version 1.10 was 1.1, and a rating of 4.6 was equal to 5."""
    assert [None if pd.isna(v) else v for v in values(csv, "unit", expression, "text")] == EXPRESSIONS[expression]


def test_the_role_says_whether_a_code_is_a_number(csv):
    assert values(csv, "running", "CASE WHEN plan > 1 THEN code END")[::2] == [10, 100]


def test_expressions_do_not_disturb_each_other(csv):
    """One view served all: a second expression with numbers took the texts away from the first."""
    with own_logs.Logs(csv) as logs:
        cluster, stratum = logs.text("cluster", "LPAD(plan, 3, '0')"), logs.text("stratum", "plan >= 2")
        found = logs.ask(f"SELECT {cluster} AS c, {stratum} AS s FROM logs")
    assert found["c"].tolist() == ["003", "001", "002"] and found["s"].tolist() == ["true", "false", "true"]


@pytest.mark.parametrize("expression", ["code > '9'", "code > ver AND team = 'red'", "team = 'red' AND ver = 1"])
def test_an_expression_over_a_csv_that_may_mean_two_things_is_refused(csv, expression):
    with pytest.raises(ValueError, match=r"something else in \d rows if '\w+' is a number than .*CAST\(\w+ AS DOUBLE"):
        values(csv, "outcome", expression)
    out = re.sub(r"\b(code|ver)\b", r"CAST(\1 AS DOUBLE)", expression).replace("'9'", "9")
    assert len(values(csv, "outcome", out)) == 3  # what the line says to do


@pytest.mark.parametrize("log", ["frame", "csv", "relation"])
def test_names_that_differ_in_capitals_only_are_refused(tmp_path, log):
    """SQL takes the one for the other: the wrong column was read, without a word."""
    frame = pd.DataFrame({"Minutes": [1.0, 2.0], "minutes": [3.0, 4.0]})
    frame.to_csv(tmp_path / "l.csv", index=False)
    other = frame.set_axis(["a", "b"], axis=1)  # noqa: F841 (DuckDB finds it by name)
    with duckdb.connect() as connection:
        relation = connection.sql('SELECT a AS "Minutes", b AS "minutes" FROM other')
        with pytest.raises(ValueError, match="two columns are called .*[Mm]inutes"):
            own_logs.Logs({"frame": frame, "csv": tmp_path / "l.csv", "relation": relation}[log])


def test_the_renamed_twin_of_a_relation_is_not_taken_for_the_other():
    """In `SELECT * FROM frame` DuckDB has called the second one minutes_1 before anybody can look."""
    frame = pd.DataFrame({"Minutes": [1.0, 2.0], "minutes": [3.0, 4.0]})  # noqa: F841 (DuckDB finds it by name)
    with duckdb.connect() as connection:
        relation = connection.sql("SELECT * FROM frame")
        with pytest.raises(ValueError, match="'minutes' may be 'Minutes' or 'minutes_1'; give the name as it is"):
            values(relation, "outcome", "minutes")
        assert values(relation, "outcome", "Minutes") == [1, 2]
    both = pd.DataFrame({"minutes": [1.0], "minutes_1": [2.0]})
    assert values(both, "outcome", "minutes") == [1] and values(both, "outcome", "Minutes_1") == [2]


def test_columns_that_nobody_asks_for_do_not_stop_a_frame():
    frame = pd.DataFrame({"y": pd.arrays.SparseArray([0.0, 1.0, 2.0]), "word": pd.Categorical(["a", "b", None])})
    frame = frame.assign(bin=pd.cut([1, 2, 3], 2), wave=np.array([1j, 2, 3]), span=pd.interval_range(0, 3))
    frame["code"], frame["date"] = map(pd.Categorical, ([7, 8, 7], pd.date_range("2026-01-01", periods=3)))
    assert values(frame, "y", "y") == [0, 1, 2]
    assert values(frame, "bin", "bin", "text") == [str(value) for value in frame["bin"]]
    assert values(frame, "code", "code") == [7, 8, 7]


@pytest.mark.parametrize("logs", [None, 3, [1, 2]])
def test_what_is_no_log_gets_one_line(logs):
    with pytest.raises(ValueError, match="^logs: a path, a DataFrame or a DuckDB relation, not "):
        own_logs.Logs(logs)


@pytest.mark.parametrize("text, read", [
    ("2026-01-05 13:30", 13.5), ("2026-01-05T13:30:00Z", 13.5), ("2026-01-05 13:30 UTC", 13.5), ("2026-01-05", 0),
    ("2026-1-5 13:30", 13.5), ("2026-01-05 01:30 PM", None), ("2026-01-05 13:30 PST", None),
    ("2026-01-05 13:30 Uhr", None), ("2026-01-05T13:30:00+02:00", 13.5),
])  # fmt: skip
def test_a_text_that_is_read_by_half_is_no_time_stamp(text, read):
    """DuckDB reads the afternoon as the morning, and drops a zone that it does not know."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(f"SELECT {own_logs.moment(own_logs.text_literal(text))}").fetchone()[0]
    assert found == (None if read is None else pd.Timestamp("2026-01-05") + pd.Timedelta(hours=read))


@pytest.mark.parametrize("sql", [own_logs.number, own_logs.yes_no, own_logs.text, own_logs.given])
def test_an_expression_stays_together(sql):
    """`a OR b IS NULL` is not `(a OR b) IS NULL`: what a reader writes stands in brackets wherever it is put."""
    with duckdb.connect() as warehouse:
        warehouse.execute("CREATE TABLE logs AS SELECT TRUE AS a, CAST(NULL AS BOOLEAN) AS b")
        found = [warehouse.execute(f"SELECT {sql(text)} FROM logs").fetchall()
                 for text in ("a OR b", "(a OR b)", "TRUE")]  # fmt: skip
    assert found[0] == found[1] == found[2]


def test_labels_keep_their_case_and_lose_their_margins():
    frame = pd.DataFrame({"unit": [" Berlin", "Köln ", "NA", None, "7"]})
    found = values(frame, "unit", "unit", "text")
    assert [found[0], found[1], found[4]] == ["Berlin", "Köln", "7"] and pd.isna(found[2:4]).all()
    assert values(pd.DataFrame({"unit": [1, 2]}), "unit", "unit", "text") == ["1", "2"]


def test_sums_of_squares_are_centred_where_the_mean_is_large():
    with Logs(pd.DataFrame({"y": [1e9 + 1, 1e9 + 2, 1e9 + 3], "z": [0.0, 1.0, 1.0]})) as log:
        assert own_logs.centre_of(log, log.number("outcome", "y")) == 1e9
        assert own_logs.centre_of(log, log.number("outcome", "z")) == 0


def test_a_query_may_scan_the_log_again_instead_of_keeping_a_copy():
    query = "WITH your_columns AS (\n    SELECT score AS x\n    FROM logs\n)\n"
    query += "SELECT * FROM your_columns AS a, your_columns AS b"
    with Logs(FRAME) as log:
        assert log.ask(query, inline=True).equals(log.ask(query)) and len(log.ask(query)) == 16


def moments(frame, column="t"):
    with Logs(frame) as log:
        kind, sql, given = log.moment("time", column)
        return kind, log.ask(f"SELECT {sql} AS v, {given} AS given FROM logs")


@pytest.mark.parametrize("values, kind", [
    (["2026-03-01", "2026-03-01 05:06:07"], "time stamp"), (["2026-03-01T05:06:07Z", "2026-03-01"], "time stamp"),
    (pd.to_datetime(["2026-03-01 23:30", "2026-03-02 00:00"]), "time stamp"),
    ([1, 10], "number"), (["1", "10.5"], "number"),
    (pd.to_datetime(["2026-03-01 23:30", "2026-03-02 00:00"]).tz_localize("Asia/Tokyo"), "time stamp"),
])  # fmt: skip
def test_a_column_of_times_is_dates_or_numbers(values, kind):
    found, table = moments(pd.DataFrame({"t": values}))
    assert found == kind and table["given"].tolist() == [1, 1]
    if kind == "number":
        expected = [float(value) for value in values]
    else:
        expected = pd.to_datetime(pd.Series(values), utc=True, format="mixed").dt.tz_localize(None).tolist()
    assert table["v"].tolist() == expected


def test_what_is_no_time_is_told_from_what_is_missing():
    odd = ["soon", "", None, "NaT", "0012-01-01", "infinity", "31/03/2026"]
    kind, table = moments(pd.DataFrame({"t": ["2026-03-01", *odd]}))
    assert kind == "time stamp" and table["v"].notna().tolist() == [True] + [False] * 7
    assert table["given"].tolist() == [1, 1, 0, 0, 0, 1, 1, 1]
    kind, table = moments(pd.DataFrame({"t": [1.5, np.nan, np.inf]}))
    assert kind == "number" and table["given"].tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match=r"columns\['time'\]: 't' is a BOOLEAN"):
        moments(pd.DataFrame({"t": [True]}))


# ---- filling queries, arguments, problems


def test_fill_replaces_the_block_and_nothing_else():
    query = "-- first\nWITH your_columns AS ( -- change\n    SELECT\n        a AS x -- (b)\n    FROM logs\n),\n"
    query += "\nmore AS (SELECT 1)\n"
    filled = own_logs.fill(query, {"x": "p + 1", "y": "q"}, source="their_logs")
    assert filled == ("-- first\nWITH your_columns AS (\n    SELECT\n        p + 1 AS x,\n        q AS y\n"
                      "    FROM their_logs\n),"
                      "\n\nmore AS (SELECT 1)\n")  # fmt: skip
    with pytest.raises(ValueError, match="no block"):
        own_logs.fill("SELECT 1", {"x": "1"})


@pytest.mark.parametrize("columns, message", [
    ("y", "a dict from role"), ({"outcom": "y"}, "did you mean 'outcome'"),
    ({"outcome": "y"}, "which column is 'running'"),
    ({"outcome": "y", "running": "x", "colour": "c"}, "'colour' is no role of this design"),
])  # fmt: skip
def test_roles_are_checked(columns, message):
    with pytest.raises(ValueError, match=message):
        own_logs.check_roles(columns, ("outcome", "running"), ("user",))


@pytest.mark.parametrize("value, options", [
    ("1", {}), (True, {}), (None, {}), (np.nan, {}), (0, {"above": 0}), (1, {"below": 1}), (-1, {"at_least": 0}),
    (1.5, {"whole": True}), ([1], {}),
])  # fmt: skip
def test_numbers_are_checked(value, options):
    with pytest.raises(ValueError, match="^level: a (whole )?number"):
        own_logs.check_number("level", value, **options)


def test_refusal_has_a_line_for_each_fatal_problem_and_keeps_the_table():
    problems = own_logs.problem_table([
        own_logs.say("it is odd", severity=WARNING, what_to_do="Look."),
        own_logs.say("it is wrong", place="cell 3", rows=1, what_to_do="Mend it."),
        own_logs.say("it is worse", place="cell 4", rows=1200, what_to_do="Mend it, too."),
    ])  # fmt: skip
    assert problems["severity"].tolist() == [FATAL, FATAL, WARNING]
    with pytest.raises(UnfitLog) as error:
        own_logs.refuse(problems)
    assert str(error.value) == (
        "it is wrong (cell 3): 1 row. Mend it.\nit is worse (cell 4): 1,200 rows. Mend it, too."
    )
    assert error.value.problems is problems
    own_logs.refuse(problems[problems["severity"] == WARNING])  # a warning alone refuses nothing


def test_an_arm_may_be_called_none():
    frame = pd.DataFrame({"arm": ["None", "New", None, "none", "NA"]})
    np.testing.assert_array_equal(values(frame, "treated", "arm", "yes_no", yes="New"), [0, 1, np.nan, 0, np.nan])
    both = values(frame, "treated", "arm", "yes_no", yes="none", no="New")
    np.testing.assert_array_equal(both, [1, 0, np.nan, 1, np.nan])
    three = pd.DataFrame({"arm": ["none", "New", "Old", None]})
    with pytest.raises(ValueError, match="say which one is the control"):
        values(three, "treated", "arm", "yes_no", yes="New")
    named = values(three, "treated", "arm", "yes_no", yes="New", no="Old")
    np.testing.assert_array_equal(named, [np.nan, 1, 0, np.nan])


@pytest.mark.parametrize(
    "value, text",
    [(0.071332, "0.0713"), (-8.302, "-8.3"), (21013.4, "21,013"), (-1294, "-1,294"), (999.6, "1,000"), (999.4, "999"),
     (0.0000123456, "0.0000123"), (0, "0"), (float("inf"), "inf"), (float("nan"), "nan"),
     (np.float64(1e9), "1,000,000,000")],
)  # fmt: skip
def test_a_report_writes_no_exponents(value, text):
    assert own_logs.short(value) == text
