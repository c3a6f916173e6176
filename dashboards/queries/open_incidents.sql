-- Open incidents, the newest first. A table.
SELECT incident_id, site, tank, severity, state, symptom, channel, started_at, peak_score
FROM dash_incidents WHERE state <> 'closed' ORDER BY started_at DESC
