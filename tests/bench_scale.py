"""Measure the tools on a million to a billion rows: seconds and peak memory, on DuckDB and Spark.

`make bench-scale` writes shards of 10^8 users (data/logs_100m.parquet, 0.8 GB), takes the first of them for smaller
sizes and reads all of them ten times over for 10^9 rows, writes data/scale.csv and data/scale.png, and prints the
tables. Measured are a tool's two queries alone, on DuckDB and on Spark, and `analyse` as a whole. Each
measurement is a process of its own, so that its peak memory is its own.
"""

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from warehouse import DESIGNS, ROOT, create_logs, tool, written

sys.path[:0] = [str(ROOT), str(ROOT / "data")]
SHARDS = ROOT / "data" / "logs_100m.parquet"
SHARD_ROWS = 250_000
MOST_USERS = 100_000_000  # in the shards; more rows are these users again
SIZES = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
NAMES = {"duckdb": "two queries on DuckDB", "analyse": "`analyse`", "spark": "two queries on Spark"}
# The texts of `queries` know no types, and read numbers through texts: `analyse` is faster, and goes further.
LARGEST = {"duckdb": 100_000_000, "analyse": 1_000_000_000, "spark": 100_000_000}
DUCKDB_MEMORY = "2GB"  # DuckDB's own limit; the rows of 10^8 users would take 13 GB in pandas
SPARK_PYTHON = ROOT / ".venv-spark" / ("Scripts" if os.name == "nt" else "bin") / "python"
TEXTS = ROOT / ".results" / "queries.json"  # what `queries` writes, for Spark's environment, which lacks the tools


def files(rows):
    """Paths of shards with so many rows together, some of them several times where there are not enough."""
    shards = sorted(str(path) for path in SHARDS.glob("*.parquet"))
    return [shards[k % len(shards)] for k in range(rows // SHARD_ROWS)]


def peak_megabytes(process="self"):
    """Peak memory of a process, as Linux tells it; on macOS of this one only; nan elsewhere.

    (On Linux getrusage will not do: its peak begins with that of the process which started this one.)
    """
    status = Path(f"/proc/{process}/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1e3
    if sys.platform == "darwin" and process == "self":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return float("nan")


def logs_view(connection, rows):
    connection.execute(create_logs(f"read_parquet({files(rows)})", min(rows, MOST_USERS)))


def measure_duckdb(number, rows):
    import duckdb

    with duckdb.connect(config={"memory_limit": DUCKDB_MEMORY}) as connection:
        logs_view(connection, rows)
        start = time.perf_counter()
        out = [len(connection.execute(text).fetchall()) for text in written(number)]
        return {"seconds": time.perf_counter() - start, "rows_out": out[1], "megabytes": peak_megabytes()}


def measure_analyse(number, rows):
    import duckdb

    columns, design, _ = DESIGNS[number]
    with duckdb.connect(config={"memory_limit": DUCKDB_MEMORY}) as connection:
        logs_view(connection, rows)
        start = time.perf_counter()
        result = tool(number).analyse(connection.sql("SELECT * FROM logs"), columns, **design)
        found = {"seconds": time.perf_counter() - start, "rows_out": len(result.table), "megabytes": peak_megabytes()}
        return found | {"estimate": float(result.estimate), "lo": float(result.lo), "hi": float(result.hi)}


def measure_spark(rows):
    """All queries, one after the other, in one session (which takes seconds to start and is not counted)."""
    from on_spark import start

    spark = start("local[*]")
    spark.read.parquet(*files(rows)).createOrReplaceTempView("shards")
    spark.sql(create_logs("shards", rows))
    found = {}
    for number, texts in json.loads(TEXTS.read_text(encoding="utf-8")).items():
        begin = time.perf_counter()
        out = [len(spark.sql(text).collect()) for text in texts]
        found[number] = {"seconds": time.perf_counter() - begin, "rows_out": out[1]}
    peak = peak_megabytes(spark.sparkContext._gateway.proc.pid)  # of its Java process, all together
    spark.stop()
    return {number: row | {"megabytes": peak} for number, row in found.items()}


def child(engine, number, rows):
    """Run one measurement in a process of its own; None where it ran out of memory."""
    python = SPARK_PYTHON if engine == "spark" else sys.executable
    command = [str(python), __file__, "--measure", engine, number, str(rows)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    if "Memory" in done.stderr or done.returncode < 0:
        return None
    sys.exit(f"bench-scale: {engine}, query {number}, {rows:,} rows failed:\n{done.stderr[-2000:]}")


def measure_all():
    """Every engine, query and size: a list of dicts, printed as they come."""
    results = []
    engines = list(NAMES)
    TEXTS.parent.mkdir(exist_ok=True)
    TEXTS.write_text(json.dumps({number: written(number) for number in DESIGNS}), encoding="utf-8")
    if not SPARK_PYTHON.exists():
        print("Spark is not measured: `make test-spark` sets up its environment.")
        engines.remove("spark")
    for rows in SIZES:
        for engine in engines:
            if rows > LARGEST[engine]:
                continue
            together = child(engine, "all", rows) if engine == "spark" else None
            for number in DESIGNS:
                found = (together or {}).get(number) if engine == "spark" else child(engine, number, rows)
                row = {"engine": engine, "query": number, "rows": rows} | (found or {})
                results.append(row)
                numbers = f"{found['seconds']:8.2f} s {found['megabytes']:8.0f} MB" if found else "  out of memory"
                print(f"{engine:<8} {number} {rows:>13,} rows {numbers}", flush=True)
    return results


COLUMNS = ["engine", "query", "rows", "seconds", "megabytes", "rows_out", "estimate", "lo", "hi"]


def draw(results, path):
    """The figure: seconds and peak memory against rows, both on logarithmic scales."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    color = {"duckdb": "#8C8C8C", "analyse": "#1A1A1A", "spark": "#CC79A7"}  # engines, not arms
    figure, both = plt.subplots(1, 2, figsize=(9.5, 3.8))
    for axes, name, label in zip(both, ("seconds", "megabytes"), ("seconds", "peak memory (MB)"), strict=True):
        for engine in sorted({row["engine"] for row in results}):
            for number in sorted({row["query"] for row in results}):
                mine = [r for r in results if (r["engine"], r["query"]) == (engine, number) and r.get(name)]
                points = [(r["rows"], r[name]) for r in mine]
                if points:
                    axes.plot(*zip(*points, strict=True), "o-", ms=3, lw=1, color=color[engine], alpha=0.7)
            last = max(r["rows"] for r in results if r["engine"] == engine and r.get(name))
            top = max(r[name] for r in results if (r["engine"], r["rows"]) == (engine, last) and r.get(name))
            axes.text(last * 1.15, top, NAMES[engine].strip("`"), color=color[engine], va="center", fontsize=8)
        axes.set(xscale="log", yscale="log", xlabel="rows of logs", ylabel=label, xlim=(7e5, 6e9))
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110, facecolor="white", metadata={"Software": None})


def tables(results, largest):
    """Markdown: seconds (and memory) per tool and size; estimates of `analyse` in the rows `largest`."""
    engines = {(row["engine"], row["rows"]) for row in results}
    lines = ["| rows | | " + " | ".join(sorted(DESIGNS)) + " | peak memory |"]
    lines += ["|---|---|" + "---|" * (len(DESIGNS) + 1)]
    for engine, rows in sorted(engines, key=lambda pair: (pair[1], list(NAMES).index(pair[0]))):
        cells = {r["query"]: r for r in results if (r["engine"], r["rows"]) == (engine, rows)}
        seconds = [f"{c['seconds']:.2g} s" if c.get("seconds") else "out of memory" for _, c in sorted(cells.items())]
        peaks = [c["megabytes"] for c in cells.values() if c.get("megabytes")]
        memory = f"{max(peaks) / 1000:.1f} GB" if peaks else ""
        lines.append(f"| 10^{len(str(rows)) - 1} | {NAMES[engine]} | " + " | ".join(seconds) + f" | {memory} |")
    lines += ["", "| tool, 10^8 users | estimate | 95 % interval | truth |", "|---|---|---|---|"]
    for row in largest:
        lines.append(f"| {row['query']} | {row['estimate']:.5f} | [{row['lo']:.5f}, {row['hi']:.5f}] "
                     f"| {DESIGNS[row['query']][2]:.2f} |")  # fmt: skip
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs=3, metavar=("ENGINE", "QUERY", "ROWS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        engine, number, rows = options.measure
        if engine == "spark":
            found = measure_spark(int(rows))
        else:
            found = {"duckdb": measure_duckdb, "analyse": measure_analyse}[engine](number, int(rows))
        print(json.dumps(found))
        return
    import generate_data

    if not SHARDS.exists():
        start = time.perf_counter()
        generate_data.write_logs(SHARDS, n_users=MOST_USERS)
        print(f"wrote {SHARDS.name} in {time.perf_counter() - start:.0f} s")
    results = measure_all()
    with open(ROOT / "data" / "scale.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(results)
    draw(results, ROOT / "data" / "scale.png")
    largest = [row for row in results if row["engine"] == "analyse" and row["rows"] == MOST_USERS]
    print(f"\n{tables(results, largest)}")


if __name__ == "__main__":
    main()
