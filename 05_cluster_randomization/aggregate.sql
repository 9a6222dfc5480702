-- All that an experiment on clusters needs of a log with one row per user (table `logs`).
-- A row of the result is one kind of user (exposed to others' treatment or not) in one cluster: how many there are, and
-- the sums of their outcomes, of the squares, and of a measurement from before. Partial results, of two shards say, add
-- up.
WITH your_columns AS ( -- for your own logs, change this block only; `queries` of clusters.py writes it for you
    SELECT
        workspace_id AS cluster_id, -- what the coin decided about: NULL where missing
        treated, -- 0 or 1, the same for all users of a cluster: NULL where missing
        minutes AS outcome, -- a number: NULL where missing
        opt_in_agent_mode AS exposed, -- 0 or 1: whom others' treatment can reach; 0 if the log has no such column
        'all' AS stratum, -- a block within which clusters were assigned; 'all' if there are none
        CAST(NULL AS DOUBLE) AS before_value -- the outcome before the experiment; NULL if the log has none
    FROM logs
),

usable AS (
    SELECT
        *,
        CASE WHEN outcome IS NOT NULL AND ABS(outcome) < 1e300 THEN 1 ELSE 0 END AS used,
        CASE WHEN before_value IS NOT NULL AND ABS(before_value) < 1e300 THEN 1 ELSE 0 END AS has_before
    FROM your_columns
    WHERE -- check.sql counts the others
        cluster_id IS NOT NULL AND treated IN (0, 1) AND exposed IN (0, 1) AND stratum IS NOT NULL
)

SELECT
    cluster_id,
    treated,
    exposed,
    stratum,
    COUNT(*) AS rows_in_cell,
    SUM(used) AS n,
    SUM(CASE WHEN used = 1 THEN outcome ELSE 0 END) AS y,
    SUM(CASE WHEN used = 1 THEN outcome * outcome ELSE 0 END) AS yy,
    SUM(CASE WHEN used = 1 THEN has_before ELSE 0 END) AS before_n,
    SUM(CASE WHEN used = 1 AND has_before = 1 THEN before_value ELSE 0 END) AS before_sum
FROM usable
GROUP BY cluster_id, treated, exposed, stratum
ORDER BY cluster_id, treated, exposed, stratum
