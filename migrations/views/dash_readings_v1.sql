SELECT
  site.name AS site,
  tank.name AS tank,
  @iso(r.observed_at) AS observed_at,
  @channels()
FROM reading r
JOIN tank ON tank.tank_id = r.tank_id
JOIN site ON site.site_id = tank.site_id
