"""Measure the six queries on a million to a billion rows: seconds and peak memory, on DuckDB, pandas and Spark.

`make bench-scale` writes shards of 10^8 users (data/logs_100m.parquet, 0.8 GB), takes the first of them for smaller
sizes and reads all of them ten times over for 10^9 rows, and renews data/scale.csv, data/scale.png and the tables in
data/README.md. Each measurement is a process of its own, so that its peak memory is its own.
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

from warehouse import ARGUMENTS, QUERIES, ROOT, create_logs

sys.path[:0] = [str(ROOT), str(ROOT / "data")]
SHARDS = ROOT / "data" / "logs_100m.parquet"
SHARD_ROWS = 250_000
MOST_USERS = 100_000_000  # in the shards; more rows are these users again
SIZES = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
NAMES = {"duckdb": "DuckDB", "pandas": "pandas", "spark": "Spark"}
LARGEST = {"duckdb": 1_000_000_000, "pandas": 100_000_000, "spark": 100_000_000}
DUCKDB_MEMORY = "1GB"  # DuckDB's own limit; the rows of 10^8 users would take 13 GB in pandas
PANDAS_SHARE = 0.7  # of the machine's memory; what does not fit is reported as such
SPARK_PYTHON = ROOT / ".venv-spark" / ("Scripts" if os.name == "nt" else "bin") / "python"

# The same tables in pandas: the columns to read, the keys, and what to sum.
PANDAS = {
    "02": ("engagement_tier, query_confidence, opt_in_agent_mode, task_completed",
           ["engagement_tier", "query_confidence", "opt_in_agent_mode"], ["task_completed"]),
    "03": ("query_confidence, task_completed", ["query_confidence"], ["task_completed"]),
    "04": ("workspace_id, signup_week, task_completed", ["workspace_id", "signup_week"], ["task_completed"]),
    "05": ("workspace_id, treated, opt_in_agent_mode, minutes, minutes * minutes AS squares",
           ["workspace_id", "treated", "opt_in_agent_mode"], ["minutes", "squares"]),
    "06": ("slot, task_completed", ["slot"], ["task_completed"]),
    "07": ("prompt_variant, day, task_completed", ["prompt_variant", "day"], ["task_completed"]),
}  # fmt: skip


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
        out = connection.execute(QUERIES[number]).fetchall()
        return {"seconds": time.perf_counter() - start, "rows_out": len(out), "megabytes": peak_megabytes()}


def measure_pandas(number, rows):
    """The rows in a DataFrame, then groupby. (DuckDB reads the columns: its Parquet reader is the one we have.)"""
    import resource

    import duckdb

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    resource.setrlimit(resource.RLIMIT_AS, (int(PANDAS_SHARE * memory), resource.RLIM_INFINITY))
    columns, keys, sums = PANDAS[number]
    with duckdb.connect(config={"memory_limit": DUCKDB_MEMORY}) as connection:
        logs_view(connection, rows)
        start = time.perf_counter()
        frame = connection.execute(f"SELECT {columns} FROM logs").df()
        out = frame.groupby(keys, sort=True)[sums].agg(["size", "sum"])
        return {"seconds": time.perf_counter() - start, "rows_out": len(out), "megabytes": peak_megabytes()}


def measure_spark(rows):
    """All six queries, one after the other, in one session (which takes seconds to start and is not counted)."""
    from on_spark import start

    spark = start("local[*]")
    spark.read.parquet(*files(rows)).createOrReplaceTempView("shards")
    spark.sql(create_logs("shards", rows))
    found = {}
    for number, query in QUERIES.items():
        begin = time.perf_counter()
        out = spark.sql(query).collect()
        found[number] = {"seconds": time.perf_counter() - begin, "rows_out": len(out)}
    peak = peak_megabytes(spark.sparkContext._gateway.proc.pid)  # of its Java process, all six together
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


def estimate_of(number, table):
    """What the notebook of this number makes of its query's table (DataFrame): estimate and standard error."""
    import run

    mirror = next(ROOT.glob(f"{number}_*/*_demo.py"))
    return run.definitions(mirror)["estimate_from"](table, **ARGUMENTS.get(number, {}))[:2]


def estimates(rows):
    """Each notebook's estimate and standard error from DuckDB's table of so many rows, and the truth."""
    import duckdb
    import generate_data as data

    o = data.oracle(data.SEED, 2_000_000)
    d = data.simulate(data.SEED, 2_000_000, outcomes=False)
    near = abs(d["query_confidence"] - data.World.premium_cutoff) < 0.01
    upgraded = (d["wave"] == 1) & (d["signup_week"] >= 20) & (d["signup_week"] < 30)
    truth = {
        "02": (o["p_opt_in_1"] - o["p_opt_in_0"]).mean(),
        "03": (o["p_premium_1"] - o["p_premium_0"])[near].mean(),
        "04": (o["p_rollout_1"] - o["p_rollout_0"])[upgraded].mean(),
        "05": 0.80,
        "06": 0.09,
        "07": (o["p_prompt_1"] - o["p_prompt_0"]).mean(),
    }
    found = []
    with duckdb.connect(config={"memory_limit": DUCKDB_MEMORY}) as connection:
        logs_view(connection, rows)
        for number, query in QUERIES.items():
            estimate, error = estimate_of(number, connection.sql(query).df())
            found.append((number, float(estimate), float(error), float(truth[number])))
    return found


def measure_all():
    """Every engine, query and size: a list of dicts, printed as they come."""
    results = []
    engines = ["duckdb", "pandas", "spark"]
    if not SPARK_PYTHON.exists():
        print("Spark is not measured: `make test-spark` sets up its environment.")
        engines.remove("spark")
    for rows in SIZES:
        for engine in engines:
            if rows > LARGEST[engine]:
                continue
            together = child(engine, "all", rows) if engine == "spark" else None
            for number in QUERIES:
                found = (together or {}).get(number) if engine == "spark" else child(engine, number, rows)
                row = {"engine": engine, "query": number, "rows": rows} | (found or {})
                results.append(row)
                numbers = f"{found['seconds']:8.2f} s {found['megabytes']:8.0f} MB" if found else "  out of memory"
                print(f"{engine:<7} {number} {rows:>13,} rows {numbers}", flush=True)
    return results


def stored():
    """The results in data/scale.csv, as measure_all returns them."""
    with open(ROOT / "data" / "scale.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for name in ("rows", "seconds", "megabytes", "rows_out"):
            row[name] = float(row[name]) if row[name] else None
        row["rows"] = int(row["rows"])
    return rows


def draw(results, path):
    """The figure of data/README.md: seconds and peak memory against rows, both on logarithmic scales."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    color = {"duckdb": "#0072B2", "pandas": "#D55E00", "spark": "#009E73"}  # engines, not arms
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
            axes.text(last * 1.15, top, NAMES[engine], color=color[engine], va="center")
        axes.set(xscale="log", yscale="log", xlabel="rows of logs", ylabel=label, xlim=(7e5, 6e9))
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110, facecolor="white", metadata={"Software": None})


def tables(results, estimated):
    """Markdown: seconds (and memory) per query and size, and the estimates at the largest size of one dataset."""
    engines = {(row["engine"], row["rows"]) for row in results}
    lines = ["| rows | engine | query " + " | ".join(sorted(QUERIES)) + " | peak memory |", "|---|---|" + "---|" * 7]
    for engine, rows in sorted(engines, key=lambda pair: pair[::-1]):
        cells = {r["query"]: r for r in results if (r["engine"], r["rows"]) == (engine, rows)}
        seconds = [f"{c['seconds']:.2g} s" if c.get("seconds") else "out of memory" for _, c in sorted(cells.items())]
        peaks = [c["megabytes"] for c in cells.values() if c.get("megabytes")]
        memory = f"{max(peaks) / 1000:.1f} GB" if peaks else ""
        lines.append(f"| 10^{len(str(rows)) - 1} | {NAMES[engine]} | " + " | ".join(seconds) + f" | {memory} |")
    lines += ["", "| query, 10^8 users | estimate | 95 % interval | truth |", "|---|---|---|---|"]
    for number, estimate, error, truth in estimated:
        lines.append(f"| {number} | {estimate:.5f} | [{estimate - 1.96 * error:.5f}, {estimate + 1.96 * error:.5f}] "
                     f"| {truth:.5f} |")  # fmt: skip
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
            found = {"duckdb": measure_duckdb, "pandas": measure_pandas}[engine](number, int(rows))
        print(json.dumps(found))
        return
    import generate_data

    import run

    if not SHARDS.exists():
        start = time.perf_counter()
        generate_data.write_logs(SHARDS, n_users=MOST_USERS)
        print(f"wrote {SHARDS.name} in {time.perf_counter() - start:.0f} s")
    results = measure_all()
    with open(ROOT / "data" / "scale.csv", "w", encoding="utf-8", newline="") as file:
        columns = ["engine", "query", "rows", "seconds", "megabytes", "rows_out"]
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(results)
    draw(results, ROOT / "data" / "scale.png")
    run.write_between(ROOT / "data" / "README.md", "scale", tables(results, estimates(MOST_USERS)))


if __name__ == "__main__":
    main()
