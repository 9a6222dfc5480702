"""The six queries of the series on a warehouse of logs: what the tests, the Spark run and the scale benchmark share.

Only the standard library is imported here, so that the environment of Spark can use it.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
QUERIES = {path.parent.name[:2]: path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("0*/aggregate.sql"))}
CHECKS = {path.parent.name[:2]: path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("0*/check.sql"))}

# Notebooks 05 to 07 put columns into the log that the generator does not write: an outcome, an hour, a day. Here
# they are made in SQL, from what the log has, so that they exist for any number of users: the summarizer adds 0.80
# minutes in half the workspaces and leaks 0.20 to the agent-mode users of the others (05); pairs of users take turns in
# the 48 hours, three hours on and three off (06); pairs of users, one per prompt, arrive in order over 30 days (07).
WITH_ALL_COLUMNS = """
SELECT
    *,
    CASE WHEN workspace_id < 25 THEN 1 ELSE 0 END AS treated,
    session_minutes
        + CASE WHEN workspace_id < 25 THEN 0.80 WHEN opt_in_agent_mode = 1 THEN 0.20 ELSE 0.0 END AS minutes,
    CAST((user_id - user_id % 2) / 2 AS BIGINT) % 48 AS slot,
    CASE WHEN CAST((user_id - user_id % 2) / 2 AS BIGINT) % 6 < 3 THEN 1 ELSE 0 END AS routing_on,
    CAST(FLOOR((user_id - user_id % 2) * 30.0 / {users}) AS BIGINT) AS day
FROM {source}
"""

ARGUMENTS = {"06": {"on": [1, 1, 1, 0, 0, 0] * 8, "planted": (0.06, 0.03)}}  # of estimate_from, where it needs them

# A log with something wrong in each column, to see that the checks say what and where.
SPOILED = """
SELECT
    CASE WHEN user_id % 1000 = 10 THEN user_id - 2 ELSE user_id END AS user_id,
    CASE WHEN user_id % 5000 = 11 THEN NULL ELSE workspace_id END AS workspace_id,
    CASE WHEN user_id % 1000 = 1 THEN NULL ELSE engagement_tier END AS engagement_tier,
    signup_week,
    CASE WHEN workspace_id = 7 AND user_id % 3 = 0 THEN 31 ELSE treatment_week END AS treatment_week,
    CASE
        WHEN engagement_tier = 'heavy' AND query_confidence >= 0.8 THEN 1
        WHEN user_id % 1000 = 4 THEN NULL
        ELSE opt_in_agent_mode
    END AS opt_in_agent_mode,
    CASE
        WHEN query_confidence >= 0.85 AND query_confidence < 0.86 AND user_id % 2 = 0 THEN query_confidence - 0.01
        WHEN query_confidence >= 0.80 AND query_confidence < 0.82 THEN 0.80
        WHEN user_id % 1000 = 3 THEN 1.5
        ELSE query_confidence
    END AS query_confidence,
    routed_to_premium,
    CASE WHEN user_id % 1000 = 2 THEN 2 ELSE task_completed END AS task_completed,
    prompt_variant,
    CASE WHEN workspace_id = 3 AND user_id % 10 = 0 THEN 1 - treated ELSE treated END AS treated,
    CASE WHEN user_id % 1000 = 5 THEN NULL ELSE minutes END AS minutes,
    slot,
    CASE WHEN slot = 8 AND user_id % 7 = 0 THEN 1 - routing_on ELSE routing_on END AS routing_on,
    day
FROM logs
WHERE NOT (workspace_id = 9 AND signup_week > 40) AND slot <> 5 AND day <> 12
    AND NOT (prompt_variant = 1 AND user_id % 15 = 0)
"""


def quoted(path):
    """A file's path as it stands in SQL after FROM: quotes doubled; brackets, a pattern to DuckDB, taken literally."""
    return "'" + path.as_posix().replace("'", "''").replace("[", "[[]") + "'"


def create_logs(source, users):
    """SQL that makes the view `logs`, with all columns, of so many users; `source` is what stands after FROM."""
    return f"CREATE OR REPLACE TEMPORARY VIEW logs AS {WITH_ALL_COLUMNS.format(source=source, users=users)}"


def compare(table, other):
    """Raise AssertionError, naming the row, unless two tables (lists of rows) agree: counts exactly, sums to 1e-12."""
    assert len(table) == len(other), f"{len(table)} rows and {len(other)} rows"
    for number, (row, twin) in enumerate(zip(table, other, strict=True)):
        for value, same in zip(row, twin, strict=True):
            if isinstance(value, float):
                assert abs(value - same) <= 1e-12 * max(1, abs(value)), f"row {number}: {row} and {twin}"
            else:
                assert value == same, f"row {number}: {row} and {twin}"
