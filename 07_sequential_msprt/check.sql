-- Before anything is estimated: is this log fit for a sequential test? (table `logs`, one row per user)
-- A row of the result is a problem: what is wrong, where, and for how many rows. No rows: nothing was found here.
-- `analyse` of sequential.py goes on from the aggregate: sample ratio, missing outcomes, too few events.
WITH your_columns AS ( -- for your own logs, change this block only; `queries` of sequential.py writes it for you
    SELECT
        CAST(prompt_variant AS STRING) AS arm, -- NULL where missing
        day AS look, -- NULL where missing, or no time
        CASE WHEN day IS NULL THEN 0 ELSE 1 END AS time_given, -- 1: there is something, be it a time or not
        task_completed AS outcome, -- a number: NULL where missing, infinite where it is no number
        CAST(NULL AS DOUBLE) AS before, -- likewise
        user_id AS who -- one row for each; NULL in every row if the log has no such column
    FROM logs
),

values_checked AS (
    SELECT
        CASE
            WHEN arm IS NULL THEN 'arm is missing'
            WHEN look IS NULL AND time_given = 1 THEN 'time is no time'
            WHEN look IS NULL THEN 'time is missing'
            WHEN NOT ABS(outcome) < 1e300 THEN 'outcome is not a finite number'
            WHEN NOT ABS(before) < 1e300 THEN 'covariate is not a finite number'
        END AS problem,
        COALESCE('arm ' || arm, 'whole log') AS place
    FROM your_columns
),

counted AS ( -- no group at all: the log has no rows
    SELECT problem, place, COUNT(*) AS row_count
    FROM values_checked
    GROUP BY problem, place
),

repeated AS (
    SELECT who, COUNT(*) AS times
    FROM your_columns
    WHERE who IS NOT NULL
    GROUP BY who
    HAVING COUNT(*) > 1
),

in_two_arms AS (
    SELECT who, COUNT(*) AS times
    FROM your_columns
    WHERE who IN (SELECT who FROM repeated)
    GROUP BY who
    HAVING MIN(LOWER(arm)) < MAX(LOWER(arm))
)

SELECT problem, place, row_count
FROM counted
WHERE problem IS NOT NULL

UNION ALL

SELECT 'user appears more than once' AS problem, 'whole log' AS place, SUM(times) - COUNT(*) AS row_count
FROM repeated
HAVING COUNT(*) > 0

UNION ALL

SELECT 'user is in two arms' AS problem, 'whole log' AS place, SUM(times) AS row_count
FROM in_two_arms
HAVING COUNT(*) > 0

UNION ALL

SELECT 'the log has no rows' AS problem, 'whole log' AS place, 0 AS row_count
FROM counted
HAVING COUNT(*) = 0

ORDER BY problem, place
