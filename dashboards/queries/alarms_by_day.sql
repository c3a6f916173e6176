-- Alarms by site and UTC day. Bars of `day` and `alarms`, stacked by `site`.
SELECT day, site, alarms, mean_time_to_acknowledge_s, standing, chattering, false_alarm_share
FROM dash_alarm_kpis ORDER BY day, site
