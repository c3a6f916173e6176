SELECT
  site.name AS site,
  tank.name AS tank,
  channel.name AS channel,
  @day(r.starts_at) AS day,
  @ms(r.starts_at) AS day_ms,
  @iso(r.starts_at) AS day_at,
  r.readings AS readings,
  r.mean AS mean,
  r.low AS min,
  r.high AS max,
  r.first_value AS first,
  r.last_value AS last,
  r.quality_share AS quality_share
FROM tank
JOIN site ON site.site_id = tank.site_id
-- SQLite keeps the order of a CROSS JOIN: tank by tank, each by its key and the time asked for.
CROSS JOIN reading_day r
JOIN channel ON channel.channel_id = r.channel_id
WHERE r.tank_id = tank.tank_id
