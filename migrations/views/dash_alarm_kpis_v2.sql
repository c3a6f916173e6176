-- The days with alarms, each found from the one before it: a filter on the day then reads the
-- alarms of the days it asks for.  Grouped once, since SQLite takes a filter no deeper than that.
WITH RECURSIVE alarm_day(from_at) AS (
  SELECT @day_start(min(raised_at)) FROM incident WHERE severity = 'alarm' AND NOT historical
  UNION ALL
  SELECT (SELECT @day_start(min(i.raised_at)) FROM incident i
    WHERE i.severity = 'alarm' AND NOT i.historical AND i.raised_at >= @day_after(alarm_day.from_at))
  FROM alarm_day WHERE alarm_day.from_at IS NOT NULL
), of_site AS (
  SELECT
    alarm_day.from_at AS from_at,
    -- No join: PostgreSQL would begin with the tanks, and read every alarm there is.
    (SELECT tank.site_id FROM tank WHERE tank.tank_id = i.tank_id) AS site_id,
    count(*) AS alarms,
    avg(@seconds(i.raised_at, i.acknowledged_at)) AS seconds,
    sum(CASE WHEN i.ended_at IS NULL THEN 1 ELSE 0 END) AS standing,
    -- A tank chatters once it has a third alarm in the day.
    sum(CASE (SELECT count(*) FROM incident p
      WHERE p.tank_id = i.tank_id AND p.severity = 'alarm' AND NOT p.historical
        AND p.raised_at >= alarm_day.from_at
        AND (p.raised_at < i.raised_at
          OR p.raised_at = i.raised_at AND p.incident_id < i.incident_id))
      WHEN 2 THEN 1 ELSE 0 END) AS chattering,
    avg((SELECT CASE l.verdict WHEN 'not_a_fault' THEN 1.0 ELSE 0.0 END FROM label l
      WHERE l.incident_id = i.incident_id ORDER BY l.label_id DESC LIMIT 1)) AS false_share
  FROM alarm_day
  CROSS JOIN incident i
  WHERE i.raised_at >= alarm_day.from_at AND i.raised_at < @day_after(alarm_day.from_at)
    AND i.severity = 'alarm' AND NOT i.historical
  GROUP BY 1, 2
)
SELECT
  site.name AS site,
  @day(of_site.from_at) AS day,
  @ms(of_site.from_at) AS day_ms,
  @iso(of_site.from_at) AS day_at,
  of_site.alarms AS alarms,
  of_site.seconds AS mean_time_to_acknowledge_s,
  of_site.standing AS standing,
  of_site.chattering AS chattering,
  (SELECT count(*) FROM shelf JOIN tank shelved ON shelved.tank_id = shelf.tank_id
    WHERE shelved.site_id = of_site.site_id AND shelf.from_at >= of_site.from_at
      AND shelf.from_at < @day_after(of_site.from_at)) AS shelved,
  CAST(of_site.false_share AS DOUBLE PRECISION) AS false_alarm_share
FROM of_site
JOIN site ON site.site_id = of_site.site_id
