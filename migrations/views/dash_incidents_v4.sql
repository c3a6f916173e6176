SELECT
  i.incident_id AS incident_id,
  site.name AS site,
  tank.name AS tank,
  i.state AS state,
  i.severity AS severity,
  i.detector AS detector,
  channel.name AS channel,
  i.symptom AS symptom,
  i.nature AS nature,
  @iso(i.started_at) AS started_at,
  @ms(i.started_at) AS started_ms,
  @iso(i.ended_at) AS ended_at,
  @iso(i.acknowledged_at) AS acknowledged_at,
  i.acknowledged_by AS acknowledged_by,
  @iso(i.closed_at) AS closed_at,
  @iso(i.withdrawn_at) AS withdrawn_at,
  i.peak_score AS peak_score,
  (SELECT count(*) FROM outbox o WHERE o.incident_id = i.incident_id AND o.state = 'sent')
    AS mails_sent,
  (SELECT l.verdict FROM label l WHERE l.incident_id = i.incident_id
    ORDER BY l.label_id DESC LIMIT 1) AS label
FROM incident i
JOIN channel ON channel.channel_id = i.channel_id
JOIN tank ON tank.tank_id = i.tank_id
JOIN site ON site.site_id = tank.site_id
