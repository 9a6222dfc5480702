"""The queries of the series on a warehouse of logs: what the tests, the Spark run and the scale benchmark share.

python tests/warehouse.py FILE    write the texts that each tool's `queries` makes for DESIGNS to FILE (JSON)

Only the standard library is imported at the top, so that the environment of Spark can use it; `tool` needs the series'.
"""

import importlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = {kind: sorted(ROOT.glob(f"[0-9][0-9]_*/{kind}.sql")) for kind in ("aggregate", "check")}
QUERIES, CHECKS = ({path.parent.name[:2]: path.read_text(encoding="utf-8") for path in FILES[kind]} for kind in FILES)

# The log lacks an outcome for 05, hours for 06 and days for 07. Here they are made in SQL, from what the log has, so
# that they exist for any number of users: the summarizer adds 0.80 minutes in half the workspaces and leaks 0.20 to the
# agent-mode users of the others (05); users take turns in 192 hours, whose routing a hash has switched on or off in
# pairs of three-hour blocks (06); pairs of users, one per prompt, arrive in order over 30 days (07).
WITH_ALL_COLUMNS = """
SELECT
    *,
    CASE WHEN workspace_id < 25 THEN 1 ELSE 0 END AS treated,
    session_minutes
        + CASE WHEN workspace_id < 25 THEN 0.80 WHEN opt_in_agent_mode = 1 THEN 0.20 ELSE 0.0 END AS minutes,
    CAST((user_id - user_id % 2) / 2 AS BIGINT) % 192 AS slot,
    CASE
        WHEN (CAST(FLOOR(CAST((user_id - user_id % 2) / 2 AS BIGINT) % 192 / 3) AS BIGINT)
            + CAST(FLOOR(CAST((user_id - user_id % 2) / 2 AS BIGINT) % 192 / 6) AS BIGINT) * 7 % 5) % 2 = 0 THEN 1
        ELSE 0
    END AS routing_on,
    CAST(FLOOR((user_id - user_id % 2) * 30.0 / {users}) AS BIGINT) AS day
FROM {source}
"""

# What `analyse` is asked of a log with all columns: (columns, design, true effect).
DESIGNS = {
    "02": ({"outcome": "task_completed", "treated": "opt_in_agent_mode",
            "covariates": ["engagement_tier", "query_confidence"]},
           {"categories": ["engagement_tier"], "squares": False}, 0.08),
    "03": ({"outcome": "task_completed", "running": "query_confidence", "treated": "routed_to_premium"},
           {"cutoff": 0.85, "treated_side": "below"}, 0.06),
    "04": ({"outcome": "task_completed", "unit": "workspace_id", "period": "signup_week",
            "first_treated": "treatment_week"}, {"window": (0, 29)}, 0.05),
    "05": ({"outcome": "minutes", "cluster": "workspace_id", "treated": "treated", "exposed": "opt_in_agent_mode"},
           {}, 0.80),
    "06": ({"outcome": "task_completed + 0.06 * routing_on", "time": "slot", "on": "routing_on"}, {"slot": 1}, 0.06),
    "07": ({"outcome": "task_completed", "arm": "prompt_variant", "time": "day"}, {"look": 1}, 0.04),
}  # fmt: skip

# A log with something wrong in each column, to see that the checks say what and where.
SPOILED = """
SELECT
    CASE WHEN user_id % 1000 = 10 THEN user_id - 2 ELSE user_id END AS user_id,
    CASE WHEN user_id % 5000 = 11 THEN NULL ELSE workspace_id END AS workspace_id,
    CASE WHEN user_id % 1000 = 1 THEN NULL ELSE engagement_tier END AS engagement_tier,
    signup_week,
    treatment_week,
    CASE WHEN user_id % 1000 = 4 THEN NULL ELSE opt_in_agent_mode END AS opt_in_agent_mode,
    CASE WHEN user_id % 1000 = 3 THEN NULL ELSE query_confidence END AS query_confidence,
    CASE WHEN user_id % 1000 = 6 THEN 2 ELSE routed_to_premium END AS routed_to_premium,
    CASE WHEN user_id % 1000 = 2 THEN NULL ELSE task_completed END AS task_completed,
    CASE WHEN user_id % 1000 = 7 THEN NULL ELSE prompt_variant END AS prompt_variant,
    CASE WHEN workspace_id = 3 AND user_id % 10 = 0 THEN 1 - treated ELSE treated END AS treated,
    CASE WHEN user_id % 1000 = 5 THEN NULL ELSE minutes END AS minutes,
    slot,
    CASE WHEN slot = 8 AND user_id % 7 = 0 THEN 1 - routing_on ELSE routing_on END AS routing_on,
    day
FROM logs
"""


def create_logs(source, users):
    """SQL that makes the view `logs`, with all columns, of so many users; `source` is what stands after FROM."""
    return f"CREATE OR REPLACE TEMPORARY VIEW logs AS {WITH_ALL_COLUMNS.format(source=source, users=users)}"


def quoted(path):
    """A file's path as it stands in SQL after FROM: quotes doubled; brackets, a pattern to DuckDB, taken literally."""
    return "'" + path.as_posix().replace("'", "''").replace("[", "[[]") + "'"


def tool(number):
    """The tool of the folder with this number, as a module."""
    folder = next(ROOT.glob(f"{number}_*"))
    sys.path += [name for name in (str(ROOT / "data"), str(folder)) if name not in sys.path]
    mirrors = {path.stem for path in folder.glob("*.ipynb")}
    return importlib.import_module(next(path.stem for path in folder.glob("*.py") if path.stem not in mirrors))


def written(number):
    """(check, aggregate): what the tool's `queries` writes for its design in DESIGNS."""
    columns, design, _ = DESIGNS[number]
    return tool(number).queries(columns, **design)


def compare(table, other):
    """Raise AssertionError, naming the row, unless two tables (lists of rows) agree: counts exactly, sums to 1e-12."""
    assert len(table) == len(other), f"{len(table)} rows and {len(other)} rows"
    for number, (row, twin) in enumerate(zip(table, other, strict=True)):
        for value, same in zip(row, twin, strict=True):
            if isinstance(value, float):
                assert abs(value - same) <= 1e-12 * max(1, abs(value)), f"row {number}: {row} and {twin}"
            else:
                assert value == same, f"row {number}: {row} and {twin}"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps({number: written(number) for number in DESIGNS}), encoding="utf-8")
