-- Before notebook 07 estimates anything: is this log fit for it? (table `logs`, one row per user)
-- A row of the result is a problem: what is wrong, where, and for how many users. No rows: nothing was found.
WITH your_columns AS ( -- for your own logs, change this block only
    SELECT
        user_id AS who,
        TRY_CAST(prompt_variant AS DOUBLE) AS arm, -- 0 or 1, by a fair coin; of letters: CASE WHEN ...
        TRY_CAST(day AS BIGINT) AS test_day, -- the number of the day; of a time stamp: days since the first
        TRY_CAST(task_completed AS DOUBLE) AS outcome -- 0 or 1
    FROM logs
),

values_checked AS (
    SELECT
        CASE
            WHEN who IS NULL THEN 'user is missing'
            WHEN arm IS NULL OR arm NOT IN (0, 1) THEN 'arm is missing or not 0 or 1'
            WHEN test_day IS NULL THEN 'day is missing or not a whole number'
            WHEN outcome IS NULL OR outcome NOT IN (0, 1) THEN 'outcome is missing or not 0 or 1'
        END AS problem,
        COALESCE('day ' || test_day, 'no day') AS place
    FROM your_columns
),

repeated AS (
    SELECT who, COUNT(*) AS times
    FROM your_columns
    WHERE who IS NOT NULL
    GROUP BY who
    HAVING COUNT(*) > 1
),

days AS (
    SELECT test_day, COUNT(*) AS users, SUM(arm) AS in_arm_1
    FROM your_columns
    WHERE test_day IS NOT NULL AND arm IN (0, 1)
    GROUP BY test_day
),

test AS (
    SELECT
        COUNT(*) AS days,
        SUM(users) AS users,
        SUM(in_arm_1) AS in_arm_1,
        MIN(test_day) AS first_day,
        MAX(test_day) AS last_day
    FROM days
)

SELECT problem, place, COUNT(*) AS users
FROM values_checked
WHERE problem IS NOT NULL
GROUP BY problem, place

UNION ALL

SELECT 'user appears more than once' AS problem, 'all days' AS place, COUNT(*) AS users
FROM repeated
HAVING COUNT(*) > 0

UNION ALL

SELECT 'one arm only' AS problem, 'day ' || test_day AS place, users
FROM days
WHERE in_arm_1 = 0 OR in_arm_1 = users

UNION ALL

SELECT 'few users: fewer than 30' AS problem, 'day ' || test_day AS place, users
FROM days
WHERE users < 30

UNION ALL

SELECT
    'days without any user' AS problem,
    last_day - first_day + 1 - days || ' of them between ' || first_day || ' and ' || last_day AS place,
    0 AS users
FROM test
WHERE days < last_day - first_day + 1

UNION ALL

SELECT -- more than three standard errors away from a fair coin
    'sample ratio mismatch: the arms are not equally large' AS problem,
    'all days' AS place,
    users
FROM test
WHERE ABS(in_arm_1 - 0.5 * users) > 1.5 * SQRT(users)

ORDER BY problem, place
