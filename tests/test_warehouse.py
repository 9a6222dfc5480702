"""The queries on DuckDB: the same table as from rows in pandas, from CSV and shards; checks that find what is wrong.

`make test-spark` (on_spark.py) holds the same queries on Apache Spark against DuckDB.
"""

import re
import subprocess
import sys

import duckdb
import generate_data
import numpy as np
import pandas as pd
import pytest
from bench_scale import PANDAS, estimate_of, stored, tables
from warehouse import CHECKS, QUERIES, SPOILED, WITH_ALL_COLUMNS, compare, create_logs, quoted

import run

each_query = pytest.mark.parametrize("number", sorted(QUERIES))
each_check = pytest.mark.parametrize("number", sorted(CHECKS))
USERS = 30_000


@pytest.fixture(scope="module")
def warehouse():
    """A DuckDB connection in which `logs` are users of a world that no tutorial uses, with all columns."""
    frame = generate_data.generate(11, USERS, generate_data.World(wave_offset=0.1))  # noqa: F841 (DuckDB finds it by name)
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE logs AS {WITH_ALL_COLUMNS.format(source='frame', users=USERS)}")
        yield connection


def test_every_design_has_its_two_queries():
    assert sorted(QUERIES) == sorted(CHECKS) == ["02", "03", "04", "05", "06", "07"]
    for text in (*QUERIES.values(), *CHECKS.values()):
        statement = re.sub(r"--.*", "", text)
        assert statement.lstrip().startswith("WITH your_columns AS (") and ";" not in statement
        assert "ORDER BY" in statement.rpartition(")")[2], "rows in no order cannot be compared"
        assert max(map(len, text.splitlines())) <= 120


@each_query
def test_query_gives_the_sums_of_pandas(warehouse, number):
    columns, keys, sums = PANDAS[number]
    rows = warehouse.sql(f"SELECT {columns} FROM logs").df()
    table = warehouse.sql(QUERIES[number]).df()
    names = dict(zip(keys, table.columns, strict=False))  # the query's names of the keys
    expected = rows.groupby(keys)[sums].sum().reset_index()
    expected.insert(len(keys), "users", rows.groupby(keys).size().to_numpy())
    order = [table.columns[k] for k in range(len(keys))]
    expected = expected.rename(columns=names).sort_values(order).reset_index(drop=True)
    assert len(table) == len(expected) and table.shape[1] == expected.shape[1]
    shown = table.sort_values(order).reset_index(drop=True)
    for mine, same in zip(shown.columns, expected.columns, strict=True):
        a, b = shown[mine], expected[same]
        if pd.api.types.is_numeric_dtype(a):
            np.testing.assert_allclose(a, b, rtol=1e-12)
        else:
            assert list(a) == list(b)
    counts = [name for name in table if table[name].dtype.kind == "i"]
    assert "users" in counts, "counts are whole numbers"


def test_csv_and_shards_give_the_same_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(generate_data, "BLOCK", 3_000)
    for name in ("logs.csv", "logs.parquet"):
        generate_data.write_logs(tmp_path / name, 12, 10_000)
    found = []
    for source in (tmp_path / "logs.csv", tmp_path / "logs.parquet" / "*.parquet"):
        with duckdb.connect() as connection:
            connection.execute(create_logs(f"'{source.as_posix()}'", 10_000))
            found.append({number: connection.execute(query).fetchall() for number, query in QUERIES.items()})
    for number in QUERIES:
        compare(found[0][number], found[1][number])
    with pytest.raises(AssertionError, match="row 0"):
        compare([(1, 2.0)], [(1, 2.0000001)])


@each_query
def test_estimate_and_interval_follow_the_log(number):
    """The notebook's estimate from the query on other users, in another number, is near the truth."""
    users = 400_000
    source = generate_data.generate(13, users)  # noqa: F841
    truth = {"02": 0.08, "03": 0.06, "04": 0.05, "05": 0.80, "06": 0.09, "07": 0.04}[number]
    with duckdb.connect() as connection:
        connection.execute(create_logs("source", users))
        table = connection.sql(QUERIES[number]).df()
    estimate, error = estimate_of(number, table)
    assert 0 < error < 0.02 and abs(estimate - truth) < 4 * error


@each_check
def test_check_is_silent_on_the_published_log(number):
    with duckdb.connect() as connection:
        connection.execute(create_logs(quoted(generate_data.DATASET), 50_000))
        assert connection.execute(CHECKS[number]).fetchall() == []


EXPECTED = {
    "02": {"covariate tier is missing", "covariate confidence is missing or not a number from 0 to 1",
           "treatment is missing or not 0 or 1", "outcome is missing or not 0 or 1",
           "no overlap: all or none are treated"},
    "03": {"outcome is missing or not 0 or 1", "not treated, though below the threshold",
           "treated, though above the threshold", "density: users pile up on one side of the threshold",
           "heap: one value holds a twentieth of the users"},
    "04": {"workspace is missing or not a number", "outcome is missing or not 0 or 1",
           "two treatment weeks in one workspace", "weeks without any user"},
    "05": {"workspace is missing or not a number", "exposure is missing or not 0 or 1",
           "outcome is missing or not a number", "treated and control users in one workspace"},
    "06": {"outcome is missing or not 0 or 1", "on and off in one slot", "slots without any user"},
    "07": {"outcome is missing or not 0 or 1", "user appears more than once", "days without any user",
           "sample ratio mismatch: the arms are not equally large"},
}  # fmt: skip


@each_check
def test_check_says_what_is_wrong_and_where(warehouse, number):
    warehouse.execute(f"CREATE OR REPLACE TABLE spoiled AS {SPOILED}")
    rows = warehouse.execute(CHECKS[number].replace("FROM logs", "FROM spoiled")).fetchall()
    assert {problem for problem, _, _ in rows if "few users" not in problem} == EXPECTED[number]
    for problem, place, users in rows:
        assert place and (users == 0) == ("without any user" in problem)
    places = {place for _, place, _ in rows}
    where = {"02": "heavy, confidence from 0.8", "03": "within the bandwidth", "04": "workspace 7", "05": "workspace 3",
             "06": "slot 8", "07": "all days"}  # fmt: skip
    assert where[number] in places


def test_readme_shows_what_the_check_of_03_says():
    with duckdb.connect() as connection:
        connection.execute(create_logs(quoted(generate_data.DATASET), 50_000))
        connection.execute(f"CREATE VIEW spoiled AS {SPOILED}")
        rows = connection.execute(CHECKS["03"].replace("FROM logs", "FROM spoiled")).fetchall()
    lines = [f"| {problem} | {place} | {users} |" for problem, place, users in rows]
    readme = (run.ROOT / "data" / "README.md").read_text(encoding="utf-8")
    assert "|---|---|---|\n" + "\n".join(lines) + "\n\n" in readme


def test_readme_says_how_to_use_both_queries(tmp_path):
    """Its lines of Python, on a folder of shards."""
    readme = (run.ROOT / "data" / "README.md").read_text(encoding="utf-8")
    code = next(block for block in re.findall(r"```python\n(.+?)```", readme, flags=re.S) if "estimate_from" in block)
    generate_data.write_logs(tmp_path / "my_logs.parquet", 5, 20_000)
    code = code.replace("my_logs/*.parquet", f"{(tmp_path / 'my_logs.parquet').as_posix()}/*.parquet")
    code += "print(estimate, standard_error)"
    done = subprocess.run([sys.executable, "-c", code], cwd=run.ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert "problem" in done.stdout and "0 rows" in done.stdout
    estimate, error = map(float, done.stdout.split()[-2:])
    assert abs(estimate - 0.06) < 4 * error < 0.12


@each_check
def test_check_reads_text_where_numbers_belong(tmp_path, warehouse, number):
    """A CSV with words in it, read as the README says: the check counts them; nothing raises."""
    frame = warehouse.sql("SELECT * FROM logs").df().astype({"task_completed": object, "minutes": object})
    frame.loc[[5, 6, USERS - 1], ["task_completed", "minutes"]] = "done"
    frame.to_csv(tmp_path / "logs.csv", index=False)
    with duckdb.connect() as connection:
        connection.read_csv(str(tmp_path / "logs.csv"), all_varchar=True).create("logs")
        rows = connection.execute(CHECKS[number]).fetchall()
    assert sum(users for problem, _, users in rows if problem.startswith("outcome")) == 3


def test_the_threshold_of_03_can_be_another(warehouse):
    """A rule at 0.7 that treats above: minus the running variable, minus the cutoff."""
    table = warehouse.sql(QUERIES["03"].replace("ROUND(query_confidence, 4)", "ROUND(-query_confidence, 4)")).df()
    mirror = run.definitions(run.ROOT / "03_rdd_confidence_threshold" / "rdd_demo.py")
    rows = warehouse.sql("SELECT query_confidence, task_completed FROM logs").df().to_numpy(float).T
    effect, error, _ = mirror["rdd"](-rows[0], rows[1], 0.0903, cutoff=-0.70001)
    found = mirror["estimate_from"](table, 0.0903, cutoff=-0.70001)
    np.testing.assert_allclose(found, (effect, error), rtol=0, atol=1e-9)


def test_a_missing_column_is_named(warehouse):
    warehouse.execute("CREATE OR REPLACE TABLE narrow AS SELECT * EXCLUDE (query_confidence) FROM logs")
    with pytest.raises(duckdb.BinderException, match="query_confidence"):
        warehouse.execute(CHECKS["02"].replace("FROM logs", "FROM narrow"))


def test_readme_shows_the_stored_measurements():
    """Seconds in the table are those of data/scale.csv; what the text says about growth holds for them."""
    results = stored()
    table = tables(results, []).partition("\n\n")[0]
    assert table in (run.ROOT / "data" / "README.md").read_text(encoding="utf-8")
    duckdb_at = {(row["query"], row["rows"]): row for row in results if row["engine"] == "duckdb"}
    for number in QUERIES:
        small, large = (duckdb_at[number, rows] for rows in (10**8, 10**9))
        assert 7 < large["seconds"] / small["seconds"] < 13, "time in proportion to the rows"
        assert large["megabytes"] < 200, "memory that does not grow with them"
