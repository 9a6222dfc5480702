-- All that a regression discontinuity needs of a log with one row per user (table `logs`).
-- A row of the result is one value of the running variable (or one cell of it, where `step` is above 0): its rows, the
-- sums of their outcomes and treatments, the lowest and the highest outcome, and how many are not 0. Partial results, of
-- two shards say, add up (of the extremes the more extreme).
WITH your_columns AS ( -- for your own logs, change this block only; `queries` of discontinuity.py writes it for you
    SELECT
        query_confidence AS x, -- the running variable: NULL where missing
        task_completed AS outcome, -- a number: NULL where missing
        routed_to_premium AS treated, -- 0 or 1; NULL in every row if the log has no such column
        1 AS treated_needed, -- 1: leave out rows whose treatment is missing
        0.85 AS cutoff,
        0 AS step -- width of a cell; 0: one cell for each value
    FROM logs
),

usable AS (
    SELECT
        *,
        CASE
            WHEN step = 0 OR x = cutoff THEN x -- the cutoff is a cell of its own, whichever side it belongs to
            ELSE cutoff + (FLOOR((x - cutoff) / step) + 0.5) * step -- no cell crosses the cutoff
        END AS cell,
        CASE
            WHEN outcome IS NOT NULL AND ABS(outcome) < 1e300 AND (treated_needed = 0 OR treated IN (0, 1)) THEN 1
            ELSE 0
        END AS used
    FROM your_columns
    WHERE x IS NOT NULL AND ABS(x) < 1e300 -- check.sql counts the others
)

SELECT
    CASE WHEN MIN(x) = MAX(x) THEN MIN(x) ELSE AVG(x) END AS x,
    COUNT(*) AS rows_in_cell,
    SUM(used) AS n,
    SUM(CASE WHEN used = 1 THEN outcome ELSE 0 END) AS y,
    SUM(CASE WHEN used = 1 THEN outcome * outcome ELSE 0 END) AS yy,
    MIN(CASE WHEN used = 1 THEN outcome END) AS lowest,
    MAX(CASE WHEN used = 1 THEN outcome END) AS highest,
    SUM(CASE WHEN used = 1 AND outcome <> 0 THEN 1 ELSE 0 END) AS not_zero,
    SUM(CASE WHEN used = 1 AND treated = 1 THEN 1 ELSE 0 END) AS d,
    SUM(CASE WHEN used = 1 AND treated = 1 THEN outcome ELSE 0 END) AS dy
    -- covariates that must not jump: queries() puts their sums here
FROM usable
GROUP BY cell
ORDER BY cell
