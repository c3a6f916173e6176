SELECT
  site.name AS site,
  tank.name AS tank,
  version.detector AS detector,
  @iso(s.observed_at) AS observed_at,
  s.score AS score,
  CAST(1.0 AS DOUBLE PRECISION) AS threshold_score,
  s.flag AS flag,
  channel.name AS channel
FROM score s
JOIN model_version version ON version.model_version_id = s.model_version_id
JOIN channel ON channel.channel_id = s.channel_id
JOIN tank ON tank.tank_id = s.tank_id
JOIN site ON site.site_id = tank.site_id
WHERE version.shadow_from IS NULL
  OR s.observed_at < version.shadow_from
  OR s.observed_at >= version.shadow_until
