-- All that notebook 05 needs of a log with one row per user (table `logs`).
-- A row of the result is one kind of user (opted in or not) in one workspace: how many there are, the sum
-- of their outcome and the sum of its squares. Arms and exposures are merged from these rows.
WITH your_columns AS ( -- for your own logs, change this block only
    SELECT
        workspace_id AS workspace, -- the unit that was assigned
        treated, -- its assignment, 0 or 1, the same for all users of a workspace
        opt_in_agent_mode AS opted_in, -- 0 or 1, settled before the assignment
        CAST(minutes AS DOUBLE) AS outcome -- minus a constant, if its mean is large beside its spread
    FROM logs
)

SELECT
    workspace,
    treated,
    opted_in,
    COUNT(*) AS users,
    SUM(outcome) AS minutes_sum,
    SUM(outcome * outcome) AS minutes_squares
FROM your_columns
WHERE -- check.sql counts the others
    outcome IS NOT NULL AND workspace IS NOT NULL AND treated IS NOT NULL AND opted_in IS NOT NULL
GROUP BY workspace, treated, opted_in
ORDER BY workspace, treated, opted_in
