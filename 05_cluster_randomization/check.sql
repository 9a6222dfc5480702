-- Before notebook 05 estimates anything: is this log fit for it? (table `logs`, one row per user)
-- A row of the result is a problem: what is wrong, where, and for how many users. No rows: nothing was found.
WITH your_columns AS ( -- for your own logs, change this block only
    SELECT
        TRY_CAST(workspace_id AS BIGINT) AS workspace, -- the cluster: what the coin decided about
        TRY_CAST(treated AS DOUBLE) AS treated, -- 0 or 1, the same for all users of a workspace
        TRY_CAST(opt_in_agent_mode AS DOUBLE) AS opted_in, -- 0 or 1: whom the treatment of others can reach
        TRY_CAST(minutes AS DOUBLE) AS outcome -- a number
    FROM logs
),

values_checked AS (
    SELECT
        CASE
            WHEN workspace IS NULL THEN 'workspace is missing or not a number'
            WHEN treated IS NULL OR treated NOT IN (0, 1) THEN 'treatment is missing or not 0 or 1'
            WHEN opted_in IS NULL OR opted_in NOT IN (0, 1) THEN 'exposure is missing or not 0 or 1'
            WHEN outcome IS NULL OR NOT outcome BETWEEN -1e300 AND 1e300 THEN 'outcome is missing or not a number'
        END AS problem,
        COALESCE('workspace ' || workspace, 'no workspace') AS place
    FROM your_columns
),

workspaces AS (
    SELECT
        workspace,
        COUNT(*) AS users,
        MIN(treated) AS least,
        MAX(treated) AS most,
        SUM(opted_in) AS opted_in
    FROM your_columns
    WHERE workspace IS NOT NULL AND treated IN (0, 1) AND opted_in IN (0, 1)
    GROUP BY workspace
),

arms AS (
    SELECT CAST(most AS BIGINT) AS arm, COUNT(*) AS workspaces, SUM(users) AS users, MAX(users) AS largest
    FROM workspaces
    GROUP BY CAST(most AS BIGINT)
)

SELECT problem, place, COUNT(*) AS users
FROM values_checked
WHERE problem IS NOT NULL
GROUP BY problem, place

UNION ALL

SELECT 'treated and control users in one workspace' AS problem, 'workspace ' || workspace AS place, users
FROM workspaces
WHERE least <> most

UNION ALL

SELECT 'few users: fewer than 30' AS problem, 'workspace ' || workspace AS place, users
FROM workspaces
WHERE users < 30

UNION ALL

SELECT 'nobody of one kind: all or none opted in' AS problem, 'workspace ' || workspace AS place, users
FROM workspaces
WHERE opted_in = 0 OR opted_in = users

UNION ALL

SELECT 'few workspaces: fewer than 10 in an arm' AS problem, 'arm ' || arm AS place, users
FROM arms
WHERE workspaces < 10

UNION ALL

SELECT 'one arm only' AS problem, 'arm ' || MIN(arm) AS place, SUM(users) AS users
FROM arms
HAVING COUNT(*) = 1

UNION ALL

SELECT 'one workspace holds a third of an arm' AS problem, 'arm ' || arm AS place, largest AS users
FROM arms
WHERE largest > users / 3.0

ORDER BY problem, place
