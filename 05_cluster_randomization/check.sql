-- Before anything is estimated: is this log fit for an experiment on clusters? (table `logs`, one row per user)
-- A row of the result is a problem: what is wrong, where, and for how many rows. No rows: nothing was found here.
-- `analyse` of clusters.py goes on from the aggregate: few clusters, balance of arms, sizes and exposure, dominance.
WITH your_columns AS ( -- for your own logs, change this block only; `queries` of clusters.py writes it for you
    SELECT
        workspace_id AS cluster_id, -- what the coin decided about: NULL where missing
        treated, -- 0 or 1, NULL where missing, something else where it is neither
        minutes AS outcome, -- a number: NULL where missing, infinite where it is no number
        opt_in_agent_mode AS exposed, -- 0 or 1, as treated; 0 if the log has no such column
        'all' AS stratum, -- a block within which clusters were assigned; 'all' if there are none
        CAST(NULL AS DOUBLE) AS before_value, -- the outcome before the experiment, as outcome
        0 AS before_given, -- 0 if the log has no such column
        1 AS whole_clusters, -- 0 if users were assigned within clusters (a saturation design)
        user_id AS who -- one row for each; NULL in every row if the log has no such column
    FROM logs
),

values_checked AS (
    SELECT
        CASE
            WHEN cluster_id IS NULL THEN 'cluster is missing'
            WHEN treated IS NULL THEN 'treatment is missing'
            WHEN treated NOT IN (0, 1) THEN 'treatment is neither of its two values'
            WHEN exposed IS NULL THEN 'exposure is missing'
            WHEN exposed NOT IN (0, 1) THEN 'exposure is neither 0 nor 1'
            WHEN stratum IS NULL THEN 'stratum is missing'
            WHEN outcome IS NULL THEN 'outcome is missing'
            WHEN NOT ABS(outcome) < 1e300 THEN 'outcome is not a finite number'
            WHEN before_given = 1 AND before_value IS NULL THEN 'before is missing'
            WHEN before_given = 1 AND NOT ABS(before_value) < 1e300 THEN 'before is not a finite number'
        END AS problem,
        CASE WHEN treated = 1 THEN 'treated' WHEN treated = 0 THEN 'control' ELSE 'whole log' END AS place
    FROM your_columns
),

clusters AS (
    SELECT
        cluster_id,
        COUNT(*) AS row_count,
        SUM(treated) AS treated_rows,
        MIN(stratum) AS least_stratum,
        MAX(stratum) AS most_stratum,
        MAX(whole_clusters) AS whole_clusters
    FROM your_columns
    WHERE cluster_id IS NOT NULL AND treated IN (0, 1)
    GROUP BY cluster_id
)

SELECT problem, place, COUNT(*) AS row_count
FROM values_checked
WHERE problem IS NOT NULL
GROUP BY problem, place

UNION ALL

SELECT
    'treated and control rows in one cluster' AS problem,
    MIN(CAST(cluster_id AS STRING)) || ' and ' || CAST(COUNT(*) - 1 AS STRING) || ' more clusters' AS place,
    SUM(CASE WHEN 2 * treated_rows > row_count THEN row_count - treated_rows ELSE treated_rows END) AS row_count
FROM clusters
WHERE whole_clusters = 1 AND treated_rows > 0 AND treated_rows < row_count
HAVING COUNT(*) > 0

UNION ALL

SELECT
    'cluster in several strata' AS problem,
    MIN(CAST(cluster_id AS STRING)) || ' and ' || CAST(COUNT(*) - 1 AS STRING) || ' more clusters' AS place,
    SUM(row_count) AS row_count
FROM clusters
WHERE least_stratum < most_stratum
HAVING COUNT(*) > 0

UNION ALL

SELECT 'user appears more than once' AS problem, 'whole log' AS place, COUNT(who) - COUNT(DISTINCT who) AS row_count
FROM your_columns
HAVING COUNT(who) > COUNT(DISTINCT who)

UNION ALL

SELECT 'the log has no rows' AS problem, 'whole log' AS place, 0 AS row_count
FROM your_columns
HAVING COUNT(*) = 0

ORDER BY problem, place
