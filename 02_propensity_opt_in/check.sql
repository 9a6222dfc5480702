-- Before notebook 02 estimates anything: is this log fit for it? (table `logs`, one row per user)
-- A row of the result is a problem: what is wrong, where, and for how many users. No rows: nothing was found.
WITH your_columns AS ( -- for your own logs, change this block only
    SELECT
        engagement_tier AS tier, -- a covariate with few values
        TRY_CAST(query_confidence AS DOUBLE) AS confidence, -- a covariate between 0 and 1
        TRY_CAST(opt_in_agent_mode AS DOUBLE) AS treated, -- 0 or 1
        TRY_CAST(task_completed AS DOUBLE) AS outcome -- 0 or 1
    FROM logs
),

values_checked AS (
    SELECT
        CASE
            WHEN tier IS NULL THEN 'covariate tier is missing'
            WHEN confidence IS NULL OR NOT confidence BETWEEN 0 AND 1
                THEN 'covariate confidence is missing or not a number from 0 to 1'
            WHEN treated IS NULL OR treated NOT IN (0, 1) THEN 'treatment is missing or not 0 or 1'
            WHEN outcome IS NULL OR outcome NOT IN (0, 1) THEN 'outcome is missing or not 0 or 1'
        END AS problem,
        COALESCE(tier, 'no tier') AS place
    FROM your_columns
),

groups AS (
    SELECT
        tier || ', confidence from 0.' || LEAST(CAST(FLOOR(5 * confidence) AS BIGINT), 4) * 2 AS place,
        COUNT(*) AS users,
        SUM(treated) AS treated
    FROM your_columns
    WHERE tier IS NOT NULL AND confidence BETWEEN 0 AND 1 AND treated IN (0, 1)
    GROUP BY tier, LEAST(CAST(FLOOR(5 * confidence) AS BIGINT), 4)
)

SELECT problem, place, COUNT(*) AS users
FROM values_checked
WHERE problem IS NOT NULL
GROUP BY problem, place

UNION ALL

SELECT 'no overlap: all or none are treated' AS problem, place, users
FROM groups
WHERE treated = 0 OR treated = users

UNION ALL

SELECT 'weak overlap: fewer than 2 % are treated, or not treated' AS problem, place, users
FROM groups
WHERE (treated > 0 AND treated < 0.02 * users) OR (treated < users AND treated > 0.98 * users)

UNION ALL

SELECT 'few users: fewer than 10' AS problem, place, users
FROM groups
WHERE users < 10

ORDER BY problem, place
