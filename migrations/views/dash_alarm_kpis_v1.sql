WITH alarm AS (
  SELECT
    tank.site_id,
    i.tank_id,
    @day(i.raised_at) AS day,
    @seconds(i.raised_at, i.acknowledged_at) AS time_to_acknowledge_s,
    CASE WHEN i.ended_at IS NULL THEN 1 ELSE 0 END AS is_standing,
    (SELECT CASE l.verdict WHEN 'not_a_fault' THEN 1.0 ELSE 0.0 END FROM label l
      WHERE l.incident_id = i.incident_id ORDER BY l.label_id DESC LIMIT 1) AS is_false
  FROM incident i
  JOIN tank ON tank.tank_id = i.tank_id
  WHERE i.severity = 'alarm' AND NOT i.historical
), chatter AS (
  SELECT site_id, day, count(*) AS tanks
  FROM (SELECT site_id, day, tank_id FROM alarm GROUP BY site_id, day, tank_id
        HAVING count(*) >= 3) AS often
  GROUP BY site_id, day
), shelved AS (
  SELECT tank.site_id, @day(shelf.from_at) AS day, count(*) AS shelves
  FROM shelf JOIN tank ON tank.tank_id = shelf.tank_id
  GROUP BY tank.site_id, @day(shelf.from_at)
)
SELECT
  site.name AS site,
  alarm.day AS day,
  count(*) AS alarms,
  avg(alarm.time_to_acknowledge_s) AS mean_time_to_acknowledge_s,
  sum(alarm.is_standing) AS standing,
  coalesce(max(chatter.tanks), 0) AS chattering,
  coalesce(max(shelved.shelves), 0) AS shelved,
  CAST(avg(alarm.is_false) AS DOUBLE PRECISION) AS false_alarm_share
FROM alarm
JOIN site ON site.site_id = alarm.site_id
LEFT JOIN chatter ON chatter.site_id = alarm.site_id AND chatter.day = alarm.day
LEFT JOIN shelved ON shelved.site_id = alarm.site_id AND shelved.day = alarm.day
GROUP BY site.name, alarm.day
