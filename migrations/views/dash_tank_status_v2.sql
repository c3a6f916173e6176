WITH open_incident AS (
  SELECT i.incident_id, i.tank_id, i.state, i.severity, i.symptom, i.started_at
  FROM incident i
  JOIN (SELECT tank_id, max(incident_id) AS incident_id FROM incident
        WHERE state <> 'closed' AND NOT historical GROUP BY tank_id) newest
    ON newest.incident_id = i.incident_id
), last_score AS (
  SELECT s.tank_id, s.score, s.channel_id, v.detector
  FROM score s
  JOIN watermark w ON w.tank_id = s.tank_id
  JOIN model_version v ON v.model_version_id = s.model_version_id AND v.state = 'champion'
  WHERE s.observed_at = (SELECT max(t.observed_at) FROM score t
    WHERE t.tank_id = s.tank_id AND t.model_version_id = s.model_version_id)
    AND s.model_version_id = (SELECT c.model_version_id FROM model_version c
      WHERE c.state = 'champion' AND EXISTS (SELECT 1 FROM score u
        WHERE u.tank_id = s.tank_id AND u.model_version_id = c.model_version_id)
      ORDER BY CASE WHEN c.detector = 'newcomer' THEN 1 ELSE 0 END, c.model_version_id DESC
      LIMIT 1)
), shelved AS (
  SELECT tank_id, max(kind) AS kind, min(from_at) AS from_at
  FROM shelf
  WHERE from_at <= @now() AND (until_at IS NULL OR until_at > @now())
  GROUP BY tank_id
)
SELECT
  site.name AS site,
  tank.name AS tank,
  CASE
    WHEN shelved.kind = 'out_of_service' THEN 'out_of_service'
    WHEN shelved.kind IS NOT NULL THEN 'shelved'
    WHEN i.symptom = 'stale' THEN 'stale'
    WHEN i.state = 'acknowledged' THEN 'acknowledged'
    WHEN i.incident_id IS NOT NULL THEN 'alarm'
    WHEN last_score.score IS NULL OR last_score.detector = 'newcomer' THEN 'learning'
    ELSE 'normal'
  END AS state,
  i.severity AS severity,
  coalesce(@iso(shelved.from_at), @iso(i.started_at)) AS since,
  @iso(w.last_reading_at) AS last_reading_at,
  last_score.score AS score,
  channel.name AS worst_channel,
  i.incident_id AS open_incident_id
FROM tank
JOIN site ON site.site_id = tank.site_id
LEFT JOIN watermark w ON w.tank_id = tank.tank_id
LEFT JOIN open_incident i ON i.tank_id = tank.tank_id
LEFT JOIN last_score ON last_score.tank_id = tank.tank_id
LEFT JOIN channel ON channel.channel_id = last_score.channel_id
LEFT JOIN shelved ON shelved.tank_id = tank.tank_id
