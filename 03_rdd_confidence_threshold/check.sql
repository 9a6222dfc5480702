-- Before notebook 03 estimates anything: is this log fit for it? (table `logs`, one row per user)
-- A row of the result is a problem: what is wrong, where, and for how many users. No rows: nothing was found.
WITH your_columns AS ( -- for your own logs, change this block only
    SELECT
        TRY_CAST(query_confidence AS DOUBLE) AS x, -- the running variable
        0.85 AS cutoff, -- the threshold: treated below, not treated at or above
        0.10 AS bandwidth, -- how far from it users are looked at
        TRY_CAST(routed_to_premium AS DOUBLE) AS treated, -- 0 or 1
        TRY_CAST(task_completed AS DOUBLE) AS outcome -- 0 or 1
    FROM logs
),

values_checked AS (
    SELECT
        CASE
            WHEN x IS NULL OR NOT x BETWEEN -1e300 AND 1e300 THEN 'running variable is missing or not a number'
            WHEN treated IS NULL OR treated NOT IN (0, 1) THEN 'treatment is missing or not 0 or 1'
            WHEN outcome IS NULL OR outcome NOT IN (0, 1) THEN 'outcome is missing or not 0 or 1'
            WHEN x < cutoff AND treated = 0 THEN 'not treated, though below the threshold'
            WHEN x > cutoff AND treated = 1 THEN 'treated, though above the threshold'
        END AS problem,
        CASE
            WHEN ABS(x - cutoff) < bandwidth THEN 'within the bandwidth'
            WHEN x IS NOT NULL THEN 'outside the bandwidth'
            ELSE 'everywhere'
        END AS place
    FROM your_columns
),

sides AS ( -- users within the bandwidth, and within a tenth of it, on either side of the threshold
    SELECT
        SUM(CASE WHEN x < cutoff AND x > cutoff - bandwidth THEN 1 ELSE 0 END) AS below,
        SUM(CASE WHEN x >= cutoff AND x < cutoff + bandwidth THEN 1 ELSE 0 END) AS above,
        SUM(CASE WHEN x < cutoff AND x > cutoff - 0.1 * bandwidth THEN 1 ELSE 0 END) AS just_below,
        SUM(CASE WHEN x >= cutoff AND x < cutoff + 0.1 * bandwidth THEN 1 ELSE 0 END) AS just_above
    FROM your_columns
),

heaps AS (
    SELECT x, COUNT(*) AS users
    FROM your_columns
    WHERE ABS(x - cutoff) < bandwidth
    GROUP BY x
)

SELECT problem, place, COUNT(*) AS users
FROM values_checked
WHERE problem IS NOT NULL
GROUP BY problem, place

UNION ALL

SELECT 'few users: fewer than 500 on one side' AS problem, 'within the bandwidth' AS place, LEAST(below, above) AS users
FROM sides
WHERE LEAST(below, above) < 500

UNION ALL

SELECT -- more than a tenth apart, and more than three standard errors
    'density: users pile up on one side of the threshold' AS problem,
    'within a tenth of the bandwidth' AS place,
    just_below + just_above AS users
FROM sides
WHERE ABS(just_below - just_above) > GREATEST(0.1 * LEAST(just_below, just_above), 3 * SQRT(just_below + just_above))

UNION ALL

SELECT 'heap: one value holds a twentieth of the users' AS problem, 'within the bandwidth' AS place, MAX(users) AS users
FROM heaps
HAVING MAX(users) > 0.05 * SUM(users)

ORDER BY problem, place
