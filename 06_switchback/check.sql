-- Before anything is estimated: is this log fit for a switchback? (table `logs`, one row per user, query or segment)
-- A row of the result is a problem: what is wrong, where, and for how many rows. No rows: nothing was found here.
-- `analyse` of switchback.py goes on from the aggregate: gaps, aliases, too few blocks, traffic that follows the arm.
WITH your_columns AS ( -- for your own logs, change this block only; `queries` of switchback.py writes it for you
    SELECT
        slot AS t, -- when: seconds, or a number of your own unit; NULL where missing, infinite where it is no time
        routing_on AS treated, -- 0 or 1, the same for all rows of a slot; NULL where missing, infinite where neither
        1 AS treated_given, -- 0 for a history in which nothing was switched
        task_completed AS outcome, -- a number: NULL where missing, infinite where it is no number
        1 AS weight, -- how many users a row stands for
        user_id AS who, -- NULL in every row if the log has no such column
        0 AS origin, -- when a slot began
        1 AS slot_length, -- both in units of t
        0 AS burn_in -- so much of the beginning of each slot is left out
    FROM logs
),

placed AS (
    SELECT
        *,
        CASE WHEN ABS(t) < 1e300 THEN FLOOR((t - origin) / slot_length + 1e-9) END AS slot
    FROM your_columns
),

values_checked AS (
    SELECT
        CASE
            WHEN t IS NULL THEN 'time is missing'
            WHEN NOT ABS(t) < 1e300 THEN 'time is no time'
            WHEN treated_given = 1 AND treated IS NULL THEN 'treatment is missing'
            WHEN treated_given = 1 AND treated NOT IN (0, 1) THEN 'treatment is neither of its two values'
            WHEN weight IS NULL THEN 'weight is missing'
            WHEN NOT ABS(weight) < 1e300 OR weight < 0 THEN 'weight is no number of users'
            WHEN outcome IS NULL THEN 'outcome is missing'
            WHEN NOT ABS(outcome) < 1e300 THEN 'outcome is not a finite number'
        END AS problem
    FROM your_columns
),

mixed AS ( -- slots with both arms: their rows in the smaller arm
    SELECT CASE WHEN 2 * SUM(treated) < COUNT(*) THEN SUM(treated) ELSE COUNT(*) - SUM(treated) END AS few
    FROM placed
    WHERE treated IN (0, 1) AND t - origin - slot * slot_length >= burn_in - 1e-9 * slot_length
    GROUP BY slot
    HAVING MIN(treated) < MAX(treated)
),

repeated AS (
    SELECT COUNT(*) AS times
    FROM your_columns
    WHERE who IS NOT NULL AND t IS NOT NULL
    GROUP BY who, t
    HAVING COUNT(*) > 1
)

SELECT problem, 'whole log' AS place, COUNT(*) AS row_count
FROM values_checked
WHERE problem IS NOT NULL
GROUP BY problem

UNION ALL

SELECT 'on and off in one slot' AS problem, 'slots with both' AS place, SUM(few) AS row_count
FROM mixed
HAVING COUNT(*) > 0

UNION ALL

SELECT 'user appears more than once at the same time' AS problem, 'whole log' AS place, SUM(times) - COUNT(*) AS row_count
FROM repeated
HAVING COUNT(*) > 0

UNION ALL

SELECT 'the log has no rows' AS problem, 'whole log' AS place, 0 AS row_count
FROM your_columns
HAVING COUNT(*) = 0

ORDER BY problem, place
