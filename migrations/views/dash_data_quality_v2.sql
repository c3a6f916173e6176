SELECT
  site.name AS site,
  tank.name AS tank,
  @day(d.starts_at) AS day,
  @ms(d.starts_at) AS day_ms,
  @iso(d.starts_at) AS day_at,
  CAST(sum(r.readings) AS bigint) AS readings,
  CAST(avg(CASE
    WHEN r.filled_share IS NULL THEN 0
    WHEN r.filled_share < d.share THEN r.filled_share / d.share
    ELSE 1
  END) AS DOUBLE PRECISION) AS completeness,
  CAST(CASE
    WHEN a.late >= sum(r.readings) THEN 0
    ELSE 1 - coalesce(a.late, 0) / CAST(sum(r.readings) AS DOUBLE PRECISION)
  END AS DOUBLE PRECISION) AS timeliness,
  CAST(sum(r.valid) AS DOUBLE PRECISION) / sum(r.readings) AS validity,
  CAST(CASE
    WHEN a.contradicted >= sum(r.readings) THEN 0
    ELSE 1 - coalesce(a.contradicted, 0) / CAST(sum(r.readings) AS DOUBLE PRECISION)
  END AS DOUBLE PRECISION) AS consistency
FROM tank_channel c
JOIN tank ON tank.tank_id = c.tank_id
JOIN site ON site.site_id = tank.site_id
JOIN plant_day d ON d.starts_at >= c.from_day
LEFT JOIN reading_day r
  ON r.tank_id = c.tank_id AND r.starts_at = d.starts_at AND r.channel_id = c.channel_id
LEFT JOIN arrival_day a ON a.tank_id = c.tank_id AND a.day_at = d.starts_at
GROUP BY site.name, tank.name, d.starts_at, d.share, a.late, a.contradicted
