-- Before anything is estimated: is this log fit for a regression discontinuity? (table `logs`, one row per user)
-- A row of the result is a problem: what is wrong, where, and for how many rows. No rows: nothing was found here.
-- `analyse` of discontinuity.py goes on from the aggregate: density, heaps, treatment against the rule, few users.
WITH your_columns AS ( -- for your own logs, change this block only; `queries` of discontinuity.py writes it for you
    SELECT
        query_confidence AS x, -- the running variable: NULL where missing, infinite where it is no number
        task_completed AS outcome, -- likewise
        routed_to_premium AS treated, -- 0 or 1, NULL where missing
        1 AS treated_given, -- 0 if the log has no such column
        user_id AS who, -- one row for each; NULL in every row if the log has no such column
        0.85 AS cutoff
    FROM logs
),

values_checked AS (
    SELECT
        CASE
            WHEN x IS NULL THEN 'running variable is missing'
            WHEN NOT ABS(x) < 1e300 THEN 'running variable is not a finite number'
            WHEN treated_given = 1 AND treated IS NULL THEN 'treatment is missing'
            WHEN treated_given = 1 AND treated NOT IN (0, 1) THEN 'treatment is neither of its two values'
            WHEN outcome IS NULL THEN 'outcome is missing'
            WHEN NOT ABS(outcome) < 1e300 THEN 'outcome is not a finite number'
        END AS problem,
        CASE
            WHEN x < cutoff THEN 'below the cutoff'
            WHEN x > cutoff AND ABS(x) < 1e300 THEN 'above the cutoff'
            WHEN x = cutoff THEN 'at the cutoff'
            ELSE 'whole log'
        END AS place
    FROM your_columns
)

SELECT problem, place, COUNT(*) AS row_count
FROM values_checked
WHERE problem IS NOT NULL
GROUP BY problem, place

UNION ALL

SELECT 'user appears more than once' AS problem, 'whole log' AS place, COUNT(who) - COUNT(DISTINCT who) AS row_count
FROM your_columns
HAVING COUNT(who) > COUNT(DISTINCT who)

UNION ALL

SELECT 'the log has no rows' AS problem, 'whole log' AS place, 0 AS row_count
FROM your_columns
HAVING COUNT(*) = 0

ORDER BY problem, place
