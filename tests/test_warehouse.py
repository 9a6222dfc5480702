"""The queries of all tools on DuckDB: portable texts, the same from CSV and shards, effects that are there.

`make test-spark` (on_spark.py) holds the same queries on Apache Spark against DuckDB. What each tool makes of awkward
logs is in its own tests.
"""

import re

import duckdb
import generate_data
import numpy as np
import pytest
from warehouse import CHECKS, DESIGNS, QUERIES, SPOILED, compare, create_logs, quoted, tool, written

import run

each_design = pytest.mark.parametrize("number", sorted(DESIGNS))


def test_every_tool_has_its_two_queries_and_a_design_here():
    with_tool = [folder.name[:2] for folder in run.folders() if (folder / "aggregate.sql").exists()]
    assert sorted(QUERIES) == sorted(CHECKS) == with_tool
    assert set(DESIGNS) <= set(with_tool)


@pytest.mark.parametrize("number", sorted(QUERIES))
def test_texts_are_portable(number):
    """Standard SQL that DuckDB and Spark read alike, in an order that can be compared."""
    for text in (QUERIES[number], CHECKS[number]):
        statement = re.sub(r"--.*", "", text)
        assert statement.lstrip().startswith("WITH your_columns AS (") and ";" not in statement
        assert "ORDER BY" in statement.rpartition(")")[2], "rows in no order cannot be compared"
        assert not re.search(r"\b(QUALIFY|FILTER|LIST|STRUCT|UNNEST|EXCLUDE|PIVOT)\b|::", statement)
        assert max(map(len, text.splitlines())) <= 125


def test_csv_and_shards_give_the_same_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(generate_data, "BLOCK", 3_000)
    for name in ("logs.csv", "logs.parquet"):
        generate_data.write_logs(tmp_path / name, 12, 10_000)
    found = []
    for source in (tmp_path / "logs.csv", tmp_path / "logs.parquet" / "*.parquet"):
        with duckdb.connect() as connection:
            connection.execute(create_logs(quoted(source), 10_000))
            found.append({number: connection.execute(query).fetchall() for number, query in QUERIES.items()})
    for number in QUERIES:
        assert found[0][number]
        compare(found[0][number], found[1][number])
    with pytest.raises(AssertionError, match="row 0"):
        compare([(1, 2.0)], [(1, 2.0000001)])


@pytest.fixture(scope="module")
def log():
    """A DuckDB connection in which `logs` has all columns of 400,000 users."""
    users = 400_000
    source = generate_data.generate(13, users)  # noqa: F841 (DuckDB finds it by name)
    with duckdb.connect() as connection:
        connection.execute(create_logs("source", users).replace("TEMPORARY VIEW", "TABLE"))
        yield connection


@each_design
def test_the_true_effect_lies_in_the_interval_and_queries_give_the_same(log, number):
    columns, design, truth = DESIGNS[number]
    result = tool(number).analyse(log.sql("SELECT * FROM logs"), columns, **design)
    assert result.lo < truth < result.hi and 0 < result.hi - result.lo < 0.5 * truth + 0.1
    check, aggregate = (log.sql(text).df() for text in written(number))
    again = tool(number).analyse_tables(check, aggregate, columns, **design)
    np.testing.assert_allclose([again.estimate, again.lo, again.hi], [result.estimate, result.lo, result.hi], rtol=1e-6)


@pytest.mark.parametrize("number", sorted(CHECKS))
def test_check_is_silent_on_the_published_log(number):
    with duckdb.connect() as connection:
        connection.execute(create_logs(quoted(generate_data.DATASET), 50_000))
        assert connection.execute(CHECKS[number]).fetchall() == []


@each_design
def test_check_says_what_is_wrong_in_words_that_the_tool_knows(log, number):
    log.execute(f"CREATE OR REPLACE TABLE spoiled AS {SPOILED}")
    rows = log.execute(CHECKS[number].replace("FROM logs", "FROM spoiled")).fetchall()
    assert len({problem for problem, _, _ in rows}) >= 2
    for problem, place, count in rows:
        assert problem in tool(number).MEANING and place and count > 0


def test_a_missing_column_is_named(log):
    log.execute("CREATE OR REPLACE TABLE narrow AS SELECT * EXCLUDE (query_confidence) FROM logs")
    with pytest.raises(duckdb.BinderException, match="query_confidence"):
        log.execute(CHECKS["03"].replace("FROM logs", "FROM narrow"))
