"""Every query of the series on Apache Spark, with several workers, row by row against DuckDB.

`make test-spark` runs it in an environment of its own (requirements-spark.txt), after `--check` has looked for Java and
warehouse.py has written the texts of the tools' `queries` to the file that is its argument.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from warehouse import CHECKS, QUERIES, ROOT, SPOILED, compare, create_logs

sys.path.insert(0, str(ROOT / "data"))
WORKERS = "local-cluster[2,1,1024]"  # two worker processes of one core and 1,024 MB each, and a driver


def java_version():
    """Major version of the Java that Spark would start, or None where there is none."""
    home = os.environ.get("JAVA_HOME")
    try:
        java = Path(home, "bin", "java") if home else "java"
        done = subprocess.run([java, "-version"], capture_output=True, text=True)
    except OSError:
        return None
    found = re.search(r'version "(\d+)', done.stderr)
    return int(found[1]) if done.returncode == 0 and found else None


def check_java():
    """Exit with one line that says what to do, unless Spark can start."""
    version = java_version()
    if version is None or version < 17:
        which = "none was found" if version is None else f"this one is {version}"
        sys.exit(
            f"Spark needs Java 17 or newer, and {which}. Install it (Debian, Ubuntu: apt install "
            "openjdk-17-jre-headless; macOS: brew install openjdk@17), or point JAVA_HOME to it."
        )


def start(master):
    """A quiet Spark session."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder.master(master).appName("llm-causal-inference-series")
    for name, value in {
        "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1", "spark.sql.shuffle.partitions": "4", "spark.log.level": "ERROR",
        "spark.scheduler.minRegisteredResourcesRatio": "1.0",  # begin when all workers are there
    }.items():  # fmt: skip
        builder = builder.config(name, value)
    return builder.getOrCreate()


def tables(run, source, users, texts):
    """{name: rows} of all queries, the checks on a spoiled log; `run` takes SQL, `source` stands after FROM."""
    run(create_logs(source, users))
    found = {f"{number} aggregate.sql": run(query) for number, query in QUERIES.items()}
    for number, (check, aggregate) in texts.items():  # as the tools' `queries` write them
        found |= {f"{number} aggregate": run(aggregate)}
        assert run(check) == [], f"{number}: the check finds something in a log in which nothing is wrong"
    run(f"CREATE OR REPLACE TEMPORARY VIEW spoiled AS {SPOILED}")
    checks = {number: query.replace("FROM logs", "FROM spoiled") for number, query in CHECKS.items()}
    return found | {f"{number} check.sql": run(query) for number, query in checks.items()}


def main():
    check_java()
    if sys.argv[1:] == ["--check"]:
        return
    texts = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    import duckdb
    from generate_data import write_logs

    assert QUERIES and texts, "there is nothing to run"
    folder, spark = Path(tempfile.mkdtemp()), start(WORKERS)
    try:
        write_logs(folder / "logs.parquet", 42, 1_000_000)  # four shards
        write_logs(folder / "logs.csv")  # the published dataset
        spark.read.parquet(str(folder / "logs.parquet")).createOrReplaceTempView("shards")
        spark.read.csv(str(folder / "logs.csv"), header=True, inferSchema=True).createOrReplaceTempView("csv")
        workers = spark.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1  # without the driver
        print(f"Spark {spark.version}, {workers} workers; DuckDB {duckdb.__version__}")
        assert workers == 2
        for kind, pattern, users in (("shards", "logs.parquet/*.parquet", 1_000_000), ("csv", "logs.csv", 50_000)):
            theirs = tables(lambda sql: [tuple(row) for row in spark.sql(sql).collect()], kind, users, texts)
            with duckdb.connect() as connection:
                path = (folder / pattern).as_posix()
                ours = tables(lambda sql: connection.execute(sql).fetchall(), f"'{path}'", users, texts)
            for file, rows in theirs.items():
                assert rows, f"{file} returns nothing"
                compare(rows, ours[file])
                print(f"{file:<17} {kind:<7}{users:>10,} rows in {len(rows):>6,} rows out: Spark and DuckDB agree")
    finally:
        spark.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
