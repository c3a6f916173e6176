-- Mean data quality by site and UTC day, from 0 to 1. A line for each site.
SELECT day, site, avg(completeness) AS completeness, avg(validity) AS validity
FROM dash_data_quality GROUP BY day, site ORDER BY day, site
