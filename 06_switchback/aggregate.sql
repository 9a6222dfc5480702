-- All that notebook 06 needs of a log with one row per user (table `logs`).
-- A row of the result is one slot of time: its users, and how many of them completed the task.
WITH your_columns AS ( -- for your own logs, change this block only
    SELECT
        slot, -- the number of the slot, from 0; in a real log, hours since the experiment began
        task_completed AS completed -- the outcome, 0 or 1
    FROM logs
)

SELECT
    slot,
    COUNT(*) AS users,
    CAST(SUM(completed) AS BIGINT) AS completions
FROM your_columns
WHERE completed IS NOT NULL AND slot IS NOT NULL -- check.sql counts the others
GROUP BY slot
ORDER BY slot
