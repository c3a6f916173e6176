SELECT
  site.name AS site,
  tank.name AS tank,
  version.detector AS detector,
  @iso(s.observed_at) AS observed_at,
  @ms(s.observed_at) AS observed_ms,
  s.score AS score,
  CAST(1.0 AS DOUBLE PRECISION) AS threshold_score,
  s.flag AS flag,
  channel.name AS channel
FROM tank
JOIN site ON site.site_id = tank.site_id
-- SQLite keeps the order of a CROSS JOIN: each tank and version by the key and the time asked for.
CROSS JOIN model_version version
CROSS JOIN score s
JOIN channel ON channel.channel_id = s.channel_id
WHERE s.tank_id = tank.tank_id
  AND s.model_version_id = version.model_version_id
  AND (version.shadow_from IS NULL
    OR s.observed_at < version.shadow_from
    OR s.observed_at >= version.shadow_until)
