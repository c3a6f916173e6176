SELECT
  site.name AS site,
  tank.name AS tank,
  @iso(r.observed_at) AS observed_at,
  @ms(r.observed_at) AS observed_ms,
  @channels()
FROM tank
JOIN site ON site.site_id = tank.site_id
-- SQLite keeps the order of a CROSS JOIN: tank by tank, each by its key and the time asked for.
CROSS JOIN reading r
WHERE r.tank_id = tank.tank_id
