-- All that notebook 07 needs of a log with one row per user (table `logs`).
-- A row of the result is one arm on one day: its users, and how many of them completed the task.
WITH your_columns AS ( -- for your own logs, change this block only
    SELECT
        prompt_variant AS arm, -- 1 is the new version, 0 the old one; a coin assigned it
        day, -- on which the user entered the test: a number or a date (of a time stamp: its date)
        task_completed AS completed -- the outcome, 0 or 1
    FROM logs
)

SELECT
    arm,
    day,
    COUNT(*) AS users,
    CAST(SUM(completed) AS BIGINT) AS completions
FROM your_columns
WHERE completed IS NOT NULL AND arm IS NOT NULL AND day IS NOT NULL -- check.sql counts the others
GROUP BY arm, day
ORDER BY day, arm
