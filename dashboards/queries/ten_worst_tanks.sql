-- The ten tanks with most incidents. A table or a row chart.
SELECT site, tank, count(*) AS incidents FROM dash_incidents
GROUP BY site, tank ORDER BY incidents DESC, tank LIMIT 10
