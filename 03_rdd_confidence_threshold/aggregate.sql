-- All that notebook 03 needs of a log with one row per user (table `logs`).
-- A row of the result is one value of the running variable: its users, and how many of them completed the task.
WITH your_columns AS ( -- for your own logs, change this block only
    SELECT
        ROUND(query_confidence, 4) AS confidence, -- the running variable; many users must share a value
        task_completed AS completed -- the outcome, 0 or 1
    FROM logs
)

SELECT
    confidence,
    COUNT(*) AS users,
    CAST(SUM(completed) AS BIGINT) AS completions
FROM your_columns
WHERE completed IS NOT NULL AND confidence IS NOT NULL -- check.sql counts the others
GROUP BY confidence
ORDER BY confidence
