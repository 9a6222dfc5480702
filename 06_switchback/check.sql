-- Before notebook 06 estimates anything: is this log fit for it? (table `logs`, one row per user or query)
-- A row of the result is a problem: what is wrong, where, and for how many users. No rows: nothing was found.
WITH your_columns AS ( -- for your own logs, change this block only
    SELECT
        TRY_CAST(slot AS BIGINT) AS slot, -- the number of the hour since the experiment began
        TRY_CAST(routing_on AS DOUBLE) AS treated, -- 0 or 1, the same for all users of a slot
        TRY_CAST(task_completed AS DOUBLE) AS outcome -- 0 or 1
    FROM logs
),

values_checked AS (
    SELECT
        CASE
            WHEN slot IS NULL THEN 'slot is missing or not a whole number'
            WHEN treated IS NULL OR treated NOT IN (0, 1) THEN 'treatment is missing or not 0 or 1'
            WHEN outcome IS NULL OR outcome NOT IN (0, 1) THEN 'outcome is missing or not 0 or 1'
        END AS problem,
        COALESCE('slot ' || slot, 'no slot') AS place
    FROM your_columns
),

slots AS (
    SELECT slot, COUNT(*) AS users, MIN(treated) AS least, MAX(treated) AS most
    FROM your_columns
    WHERE slot IS NOT NULL AND treated IN (0, 1)
    GROUP BY slot
),

experiment AS (
    SELECT
        COUNT(*) AS slots,
        SUM(users) AS users,
        MIN(slot) AS first_slot,
        MAX(slot) AS last_slot,
        SUM(most) AS slots_on
    FROM slots
)

SELECT problem, place, COUNT(*) AS users
FROM values_checked
WHERE problem IS NOT NULL
GROUP BY problem, place

UNION ALL

SELECT 'on and off in one slot' AS problem, 'slot ' || slot AS place, users
FROM slots
WHERE least <> most

UNION ALL

SELECT 'few users: fewer than 30' AS problem, 'slot ' || slot AS place, users
FROM slots
WHERE users < 30

UNION ALL

SELECT
    'slots without any user' AS problem,
    last_slot - first_slot + 1 - slots || ' of them between ' || first_slot || ' and ' || last_slot AS place,
    0 AS users
FROM experiment
WHERE slots < last_slot - first_slot + 1

UNION ALL

SELECT 'few slots: fewer than 10 on, or off' AS problem, 'all slots' AS place, users
FROM experiment
WHERE slots_on < 10 OR slots - slots_on < 10

ORDER BY problem, place
