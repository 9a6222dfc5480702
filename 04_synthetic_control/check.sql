-- Before notebook 04 estimates anything: is this log fit for it? (table `logs`, one row per user)
-- A row of the result is a problem: what is wrong, where, and for how many users. No rows: nothing was found.
WITH your_columns AS ( -- for your own logs, change this block only
    SELECT
        TRY_CAST(workspace_id AS BIGINT) AS workspace, -- the unit that was treated, or not
        TRY_CAST(signup_week AS BIGINT) AS week, -- the period
        TRY_CAST(treatment_week AS BIGINT) AS treated_from, -- the unit's first treated period
        TRY_CAST(task_completed AS DOUBLE) AS outcome -- 0 or 1
    FROM logs
),

values_checked AS (
    SELECT
        CASE
            WHEN workspace IS NULL THEN 'workspace is missing or not a number'
            WHEN week IS NULL THEN 'week is missing or not a number'
            WHEN treated_from IS NULL THEN 'treatment week is missing or not a number'
            WHEN outcome IS NULL OR outcome NOT IN (0, 1) THEN 'outcome is missing or not 0 or 1'
        END AS problem,
        COALESCE('workspace ' || workspace, 'no workspace') AS place
    FROM your_columns
),

span AS (
    SELECT
        MIN(week) AS first_week,
        MAX(week) AS last_week,
        MIN(treated_from) AS first_treated,
        MAX(treated_from) AS last_treated,
        COUNT(*) AS users
    FROM your_columns
),

cells AS (
    SELECT workspace, week, COUNT(*) AS users
    FROM your_columns
    WHERE workspace IS NOT NULL AND week IS NOT NULL
    GROUP BY workspace, week
),

workspaces AS (
    SELECT workspace, COUNT(*) AS weeks, SUM(users) AS users, MIN(users) AS fewest
    FROM cells
    GROUP BY workspace
),

rollout AS (
    SELECT workspace, MIN(treated_from) AS earliest, MAX(treated_from) AS latest, COUNT(*) AS users
    FROM your_columns
    WHERE workspace IS NOT NULL
    GROUP BY workspace
)

SELECT problem, place, COUNT(*) AS users
FROM values_checked
WHERE problem IS NOT NULL
GROUP BY problem, place

UNION ALL

SELECT 'two treatment weeks in one workspace' AS problem, 'workspace ' || workspace AS place, users
FROM rollout
WHERE earliest <> latest

UNION ALL

SELECT 'weeks without any user' AS problem, 'workspace ' || workspaces.workspace AS place, 0 AS users
FROM workspaces CROSS JOIN span
WHERE workspaces.weeks < span.last_week - span.first_week + 1

UNION ALL

SELECT 'few users: a week with fewer than 3' AS problem, 'workspace ' || workspace AS place, users
FROM workspaces
WHERE fewest < 3

UNION ALL

SELECT 'no comparison: all are treated at the same time' AS problem, 'all workspaces' AS place, users
FROM span
WHERE first_treated = last_treated

UNION ALL

SELECT 'history: fewer than 10 weeks before the treatment' AS problem, 'all workspaces' AS place, users
FROM span
WHERE first_treated - first_week < 10

ORDER BY problem, place
