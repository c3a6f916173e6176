SELECT
  s.site_incident_id AS site_incident_id,
  site.name AS site,
  s.kind AS kind,
  channel.name AS channel,
  (SELECT count(DISTINCT i.tank_id) FROM site_member m
    JOIN incident i ON i.incident_id = m.incident_id
    WHERE m.site_incident_id = s.site_incident_id) AS tanks,
  @iso(s.started_at) AS started_at,
  @iso(s.raised_at) AS raised_at,
  @iso(s.ended_at) AS ended_at,
  -- SQLite keeps the order of a CROSS JOIN: the members, and the messages of each.
  (SELECT count(*) FROM site_member m CROSS JOIN outbox o
    WHERE m.site_incident_id = s.site_incident_id
      AND o.incident_id = m.incident_id AND o.state = 'sent'
      AND o.kind IN ('site_alarm', 'site_realarm', 'site_all_clear')) AS mails_sent
FROM site_incident s
JOIN site ON site.site_id = s.site_id
JOIN channel ON channel.channel_id = s.channel_id
