-- Before anything is estimated: is this log fit for an adjustment by propensity scores? (table `logs`, one row per user)
-- A row of the result is a problem: what is wrong, where, and for how many rows. No rows: nothing was found here.
-- `analyse` of propensity.py goes on from the aggregate: covariates, overlap, balance, missing outcomes, few rows.
WITH your_columns AS ( -- for your own logs, change this block only; `queries` of propensity.py writes it for you
    SELECT
        opt_in_agent_mode AS treated, -- 0 or 1: NULL where missing, something else where it is neither
        task_completed AS outcome, -- a number: NULL where missing, infinite where it is no number
        user_id AS who -- one row for each; NULL in every row if the log has no such column
    FROM logs
),

values_checked AS (
    SELECT
        CASE
            WHEN treated IS NULL THEN 'treatment is missing'
            WHEN treated NOT IN (0, 1) THEN 'treatment is neither of its two values'
            WHEN outcome IS NULL THEN 'outcome is missing'
            WHEN NOT ABS(outcome) < 1e300 THEN 'outcome is not a finite number'
        END AS problem,
        CASE
            WHEN treated = 1 THEN 'treated'
            WHEN treated = 0 THEN 'control'
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
