WITH champion AS (
  SELECT model_version_id, detector, row_number() OVER (
    ORDER BY CASE WHEN detector = 'newcomer' THEN 1 ELSE 0 END, model_version_id DESC) AS place
  FROM model_version WHERE state = 'champion'
)
SELECT
  site.name AS site,
  tank.name AS tank,
  CASE
    WHEN shelved.kind = 'out_of_service' THEN 'out_of_service'
    WHEN shelved.kind IS NOT NULL OR one_shot.from_at IS NOT NULL THEN 'shelved'
    WHEN i.symptom = 'stale' AND i.ended_at IS NULL THEN 'stale'
    WHEN i.state IN ('acknowledged', 'latched_acknowledged') THEN 'acknowledged'
    WHEN i.incident_id IS NOT NULL THEN 'alarm'
    WHEN last.score IS NULL OR version.detector = 'newcomer' THEN 'learning'
    ELSE 'normal'
  END AS state,
  i.severity AS severity,
  coalesce(@iso(shelved.from_at), @iso(one_shot.from_at), @iso(i.started_at)) AS since,
  @iso(w.last_reading_at) AS last_reading_at,
  last.score AS score,
  channel.name AS worst_channel,
  i.incident_id AS open_incident_id
FROM tank
JOIN site ON site.site_id = tank.site_id
LEFT JOIN watermark w ON w.tank_id = tank.tank_id
-- The newest open incident that stands; if none does, the newest one that waits for somebody.
LEFT JOIN incident i ON i.tank_id = tank.tank_id AND i.state <> 'closed' AND NOT i.historical
  AND NOT EXISTS (SELECT 1 FROM incident rival
    WHERE rival.tank_id = i.tank_id AND rival.state <> 'closed' AND NOT rival.historical
      AND CASE WHEN (rival.ended_at IS NULL) = (i.ended_at IS NULL)
        THEN rival.incident_id > i.incident_id ELSE rival.ended_at IS NULL END)
-- The last score by the first champion, in that order, that has scored the tank.
LEFT JOIN last_score last ON last.tank_id = tank.tank_id
  AND last.model_version_id IN (SELECT model_version_id FROM champion)
  AND NOT EXISTS (SELECT 1 FROM champion own, champion better, last_score other
    WHERE own.model_version_id = last.model_version_id AND better.place < own.place
      AND other.model_version_id = better.model_version_id AND other.tank_id = last.tank_id)
LEFT JOIN model_version version ON version.model_version_id = last.model_version_id
LEFT JOIN channel ON channel.channel_id = last.channel_id
-- Of shelved and out of service the word that comes first, which says more.
LEFT JOIN (
  SELECT tank_id, min(kind) AS kind, min(from_at) AS from_at
  FROM shelf
  WHERE incident_id IS NULL
    AND from_at <= @now() AND (until_at IS NULL OR until_at > @now())
    AND (ended_at IS NULL OR ended_at > @now())
  GROUP BY tank_id
) shelved ON shelved.tank_id = tank.tank_id
-- An incident that is shelved until it clears hides no other one.
LEFT JOIN (
  SELECT incident_id, min(from_at) AS from_at
  FROM shelf
  WHERE incident_id IS NOT NULL
    AND from_at <= @now() AND (until_at IS NULL OR until_at > @now())
    AND (ended_at IS NULL OR ended_at > @now())
  GROUP BY incident_id
) one_shot ON one_shot.incident_id = i.incident_id AND i.ended_at IS NULL
