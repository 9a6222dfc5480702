-- All that an adjustment by propensity scores needs of a log with one row per user (table `logs`).
-- A row of the result is one kind of user (values of the covariates, treated or not, fold): how many they are, how many
-- of them have an outcome, the sums of the outcomes and of their squares, how many are not 0, the lowest and the highest.
-- Partial results, of two shards say, add up.
WITH your_columns AS ( -- for your own logs, change this block only; `queries` of propensity.py writes it for you
    SELECT
        engagement_tier AS z1, -- a covariate, here a category: NULL where missing
        query_confidence AS z2, -- a covariate, here a number: NULL where missing, infinite where it is no number
        opt_in_agent_mode AS treated, -- 0 or 1, NULL where missing
        task_completed AS outcome, -- a number: NULL where missing, infinite where it is no number
        0 AS fold -- for cross-fitting: a number from a hash of the user (-1 where missing), or 0 in every row
    FROM logs
),

usable AS (
    SELECT
        *,
        CASE WHEN ABS(outcome) < 1e300 THEN 1 ELSE 0 END AS used
    FROM your_columns
    WHERE treated IN (0, 1) -- check.sql counts the others
)

SELECT
    z1, z2, -- one column for each covariate
    treated,
    fold,
    COUNT(*) AS rows_in_cell,
    SUM(used) AS n,
    SUM(CASE WHEN used = 1 THEN outcome ELSE 0 END) AS y,
    SUM(CASE WHEN used = 1 THEN outcome * outcome ELSE 0 END) AS yy,
    SUM(CASE WHEN used = 1 AND outcome <> 0 THEN 1 ELSE 0 END) AS not_zero,
    MIN(CASE WHEN used = 1 THEN outcome END) AS lowest,
    MAX(CASE WHEN used = 1 THEN outcome END) AS highest
    -- numbers that were cut into bins: queries() puts their sums here
FROM usable
GROUP BY z1, z2, treated, fold
ORDER BY z1, z2, treated, fold
