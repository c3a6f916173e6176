-- Tanks by state. A bar chart of `state` and `tanks`.
SELECT state, count(*) AS tanks FROM dash_tank_status GROUP BY state ORDER BY tanks DESC
