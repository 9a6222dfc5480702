-- All that notebook 02 needs of a log with one row per user (table `logs`).
-- A row of the result is one kind of user (tier, confidence) with one choice (opted in or not):
-- how many users they are, and how many of them completed the task.
WITH your_columns AS ( -- for your own logs, change this block only
    SELECT
        engagement_tier AS tier, -- a covariate: text with few values
        ROUND(query_confidence, 4) AS confidence, -- a covariate: a number; many users must share a value
        opt_in_agent_mode AS opted_in, -- the treatment, 0 or 1
        task_completed AS completed -- the outcome, 0 or 1
    FROM logs
)

SELECT
    tier,
    confidence,
    opted_in,
    COUNT(*) AS users,
    CAST(SUM(completed) AS BIGINT) AS completions
FROM your_columns
WHERE -- check.sql counts the others
    completed IS NOT NULL AND tier IS NOT NULL AND confidence IS NOT NULL AND opted_in IS NOT NULL
GROUP BY tier, confidence, opted_in
ORDER BY tier, confidence, opted_in
