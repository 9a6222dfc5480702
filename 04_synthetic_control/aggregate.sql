-- All that notebook 04 needs of a log with one row per user (table `logs`).
-- A row of the result is one workspace in one sign-up week: its users, and how many completed the task.
-- A workspace without users in a week has no row. That is 0 users and no rate; it is not a rate of 0.
WITH your_columns AS ( -- for your own logs, change this block only
    SELECT
        workspace_id AS workspace, -- numbered from 0, the treated workspaces first
        signup_week AS week, -- numbered from 0; the treatment must start with a week, not in its middle
        task_completed AS completed -- the outcome, 0 or 1
    FROM logs
)

SELECT
    workspace,
    week,
    COUNT(*) AS users,
    CAST(SUM(completed) AS BIGINT) AS completions
FROM your_columns
WHERE completed IS NOT NULL AND workspace IS NOT NULL AND week IS NOT NULL -- check.sql counts the others
GROUP BY workspace, week
ORDER BY workspace, week
