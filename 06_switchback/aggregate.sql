-- All that a switchback needs of a log (table `logs`, one row per user, query or segment).
-- A row of the result is one slot of time in one arm: its rows, how many users they stand for, and sums of the outcome.
-- Whatever rows the log has, a slot is one observation. Partial results, of two shards say, add up.
WITH your_columns AS ( -- for your own logs, change this block only; `queries` of switchback.py writes it for you
    SELECT
        slot AS t, -- when: seconds, or a number of your own unit; NULL where missing, infinite where it is no time
        routing_on AS treated, -- 0 or 1: NULL where missing
        task_completed AS outcome, -- a number: NULL where missing
        1 AS weight, -- how many users a row stands for
        0 AS origin, -- when a slot began
        1 AS slot_length, -- both in units of t
        0 AS burn_in -- so much of the beginning of each slot is left out
    FROM logs
),

placed AS (
    SELECT
        *,
        FLOOR((t - origin) / slot_length + 1e-9) AS slot -- 0.1 + 0.2 is not 0.3: what only rounding separates is one
    FROM your_columns
    WHERE t IS NOT NULL AND ABS(t) < 1e300 -- check.sql counts the others
),

usable AS (
    SELECT
        *,
        CASE WHEN t - origin - slot * slot_length >= burn_in - 1e-9 * slot_length THEN 1 ELSE 0 END AS settled,
        CASE WHEN outcome IS NOT NULL AND ABS(outcome) < 1e300 AND weight > 0 THEN 1 ELSE 0 END AS known
    FROM placed
)

SELECT
    slot,
    treated,
    COUNT(*) AS rows_in_cell,
    SUM(settled) AS settled,
    SUM(settled * known) AS used,
    SUM(CASE WHEN settled * known = 1 THEN weight ELSE 0 END) AS n,
    SUM(CASE WHEN settled * known = 1 THEN weight * outcome ELSE 0 END) AS y,
    SUM(CASE WHEN settled * known = 1 THEN weight * outcome * outcome ELSE 0 END) AS yy,
    MIN(CASE WHEN settled = 1 THEN t END) AS first_time,
    MAX(CASE WHEN settled = 1 THEN t END) AS last_time
FROM usable
GROUP BY slot, treated
ORDER BY slot, treated
