-- All that notebook 07 needs of a log with one row per user (table `logs`).
-- A row of the result is one arm at one look (a day, an hour): its users, and sums of their outcomes, of powers of them,
-- and of a covariate from before the test. Partial results, of two shards say, add up.
WITH your_columns AS ( -- for your own logs, change this block only; `queries` of sequential.py writes it for you
    SELECT
        CAST(prompt_variant AS STRING) AS arm, -- the name of the arm: NULL where missing
        day AS look, -- when the user entered the test, cut to the day or the hour; or a number
        task_completed AS outcome, -- a number: NULL where missing
        CAST(NULL AS DOUBLE) AS before, -- a number from before the test; NULL in every row if the log has none
        1 AS due -- 0: the outcome cannot be known yet
    FROM logs
),

usable AS (
    SELECT
        *,
        CASE WHEN due = 1 AND outcome IS NOT NULL AND ABS(outcome) < 1e300 THEN 1 ELSE 0 END AS used,
        CASE WHEN before IS NOT NULL AND ABS(before) < 1e300 THEN before ELSE 0 END AS x
    FROM your_columns
    WHERE arm IS NOT NULL AND look IS NOT NULL -- check.sql counts the others
)

SELECT
    LOWER(arm) AS arm,
    MIN(arm) AS arm_name,
    look,
    COUNT(*) AS users,
    SUM(due) AS due,
    SUM(used) AS n,
    SUM(CASE WHEN used = 1 THEN outcome ELSE 0 END) AS y,
    SUM(CASE WHEN used = 1 THEN outcome * outcome ELSE 0 END) AS yy,
    SUM(CASE WHEN used = 1 THEN outcome * outcome * outcome ELSE 0 END) AS y3,
    SUM(CASE WHEN used = 1 THEN outcome * outcome * outcome * outcome ELSE 0 END) AS y4,
    MIN(CASE WHEN used = 1 THEN outcome END) AS y_min,
    MAX(CASE WHEN used = 1 THEN outcome END) AS y_max,
    SUM(CASE WHEN used = 1 AND before IS NOT NULL THEN 1 ELSE 0 END) AS x_known,
    SUM(CASE WHEN used = 1 THEN x ELSE 0 END) AS x,
    SUM(CASE WHEN used = 1 THEN x * x ELSE 0 END) AS xx,
    SUM(CASE WHEN used = 1 THEN x * outcome ELSE 0 END) AS xy
FROM usable
GROUP BY LOWER(arm), look
ORDER BY look, arm
