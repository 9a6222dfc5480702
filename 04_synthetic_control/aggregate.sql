-- All that notebook 04 needs of a log (table `logs`; one row per user, or one per unit and period).
-- A row of the result is one unit in one period: its rows, and the sums of their outcomes. Partial results, of two
-- shards say, add up. A unit without rows in a period has no row: that is no value; it is not a value of 0.
WITH your_columns AS ( -- for your own logs, change this block only; `queries` of synthetic_control.py writes it for you
    SELECT
        workspace_id AS unit, -- what was treated, or not, as a whole: a name, a number, anything
        signup_week AS period, -- a number or a date, cut to days, weeks or months
        treatment_week AS first_treated, -- the unit's first treated period; NULL or later: not treated
        CAST(task_completed AS DOUBLE) AS outcome, -- a number: NULL where missing
        CAST(NULL AS DOUBLE) AS treated -- 0 or 1, this row; NULL in every row if the log has no such column
    FROM logs
),

cells AS (
    SELECT
        unit,
        period,
        first_treated,
        COUNT(*) AS rows_in_cell,
        SUM(CASE WHEN ABS(outcome) < 1e300 THEN 1 ELSE 0 END) AS n,
        SUM(CASE WHEN ABS(outcome) < 1e300 THEN outcome ELSE 0 END) AS y,
        SUM(CASE WHEN ABS(outcome) < 1e300 THEN outcome * outcome ELSE 0 END) AS yy,
        SUM(CASE WHEN treated IN (0, 1) THEN 1 ELSE 0 END) AS known,
        SUM(CASE WHEN treated = 1 THEN 1 ELSE 0 END) AS d
    FROM your_columns
    GROUP BY unit, period, first_treated
)

SELECT
    CAST(unit AS STRING) AS unit,
    CAST(period AS STRING) AS period,
    CAST(first_treated AS STRING) AS first_treated,
    rows_in_cell,
    n,
    y,
    yy,
    known,
    d
FROM cells
ORDER BY unit, period, first_treated
