-- Before notebook 04 estimates anything: is this log fit for it? (table `logs`; one row per user, or per unit and period)
-- A row of the result is a problem: what is wrong, where, and for how many rows. No rows: nothing was found here.
-- `analyse` of synthetic_control.py goes on from the aggregate: dates, launches, gaps, history, who can be compared.
WITH your_columns AS ( -- for your own logs, change this block only; `queries` of synthetic_control.py writes it for you
    SELECT
        workspace_id AS unit, -- as in aggregate.sql
        signup_week AS period,
        CAST(task_completed AS DOUBLE) AS outcome, -- NULL where missing, infinite where it is no number
        CAST(NULL AS DOUBLE) AS treated, -- 0 or 1, NULL where missing
        0 AS treated_given, -- 0 if the log has no such column
        user_id AS who -- one row for each in a unit and period; NULL in every row if the log has no such column
    FROM logs
),

cells AS (
    SELECT
        LOWER(TRIM(CAST(unit AS STRING))) AS unit_text,
        LOWER(TRIM(CAST(period AS STRING))) AS period_text,
        cell_rows,
        no_outcome,
        wrong_outcome,
        no_treatment,
        wrong_treatment
    FROM (
        SELECT
            unit,
            period,
            COUNT(*) AS cell_rows,
            SUM(CASE WHEN outcome IS NULL THEN 1 ELSE 0 END) AS no_outcome,
            SUM(CASE WHEN NOT ABS(outcome) < 1e300 THEN 1 ELSE 0 END) AS wrong_outcome,
            SUM(CASE WHEN treated_given = 1 AND treated IS NULL THEN 1 ELSE 0 END) AS no_treatment,
            SUM(CASE WHEN treated_given = 1 AND treated NOT IN (0, 1) THEN 1 ELSE 0 END) AS wrong_treatment
        FROM your_columns
        GROUP BY unit, period
    ) AS raw_cells
),

people AS ( -- empty, and costs nothing, if the log has no such column
    SELECT who, unit, period, COUNT(*) AS times
    FROM your_columns
    WHERE who IS NOT NULL
    GROUP BY who, unit, period
)

SELECT 'unit is missing' AS problem, 'whole log' AS place, SUM(cell_rows) AS row_count
FROM cells
WHERE unit_text IS NULL OR unit_text IN ('', 'na', 'n/a', 'nan', 'null', 'none', '<na>', 'nat')
HAVING SUM(cell_rows) > 0

UNION ALL

SELECT 'period is missing' AS problem, 'whole log' AS place, SUM(cell_rows) AS row_count
FROM cells
WHERE period_text IS NULL OR period_text IN ('', 'na', 'n/a', 'nan', 'null', 'none', '<na>', 'nat')
HAVING SUM(cell_rows) > 0

UNION ALL

SELECT 'outcome is missing' AS problem, 'whole log' AS place, SUM(no_outcome) AS row_count
FROM cells
HAVING SUM(no_outcome) > 0

UNION ALL

SELECT 'outcome is not a finite number' AS problem, 'whole log' AS place, SUM(wrong_outcome) AS row_count
FROM cells
HAVING SUM(wrong_outcome) > 0

UNION ALL

SELECT 'treatment is missing' AS problem, 'whole log' AS place, SUM(no_treatment) AS row_count
FROM cells
HAVING SUM(no_treatment) > 0

UNION ALL

SELECT 'treatment is neither of its two values' AS problem, 'whole log' AS place, SUM(wrong_treatment) AS row_count
FROM cells
HAVING SUM(wrong_treatment) > 0

UNION ALL

SELECT 'user appears more than once in a unit and period' AS problem, 'whole log' AS place, SUM(times - 1) AS row_count
FROM people
HAVING SUM(times - 1) > 0

UNION ALL

SELECT 'user appears in several units' AS problem, 'whole log' AS place, SUM(all_times) AS row_count
FROM (
    SELECT who, SUM(times) AS all_times
    FROM people
    GROUP BY who
    HAVING MIN(unit) <> MAX(unit)
) AS wanderers
HAVING SUM(all_times) > 0

UNION ALL

SELECT 'the log has no rows' AS problem, 'whole log' AS place, 0 AS row_count
FROM your_columns
HAVING COUNT(*) = 0

ORDER BY problem, place
