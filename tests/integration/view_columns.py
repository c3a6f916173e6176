"""The columns that dashboards rely on."""

# DESIGN, section 4; a view that changes one of these is a new version.
_ROLLED = "readings mean min max first last quality_share"
COLUMNS = {
    "dash_tank_status": "site tank state severity since last_reading_at score worst_channel "
    "open_incident_id",
    "dash_readings": "site tank observed_at observed_ms pressure temperature",
    "dash_scores": "site tank detector observed_at observed_ms score threshold_score flag channel",
    "dash_incidents": "incident_id site tank state severity detector channel symptom nature "
    "started_at started_ms ended_at acknowledged_at acknowledged_by closed_at withdrawn_at "
    "peak_score mails_sent label",
    "dash_site_incidents": "site_incident_id site kind channel tanks started_at raised_at ended_at "
    "mails_sent",
    "dash_alarm_kpis": "site day day_ms day_at alarms mean_time_to_acknowledge_s standing "
    "chattering shelved false_alarm_share",
    "dash_job_health": "job last_started_at last_finished_at last_outcome rows seconds lag_s "
    "consecutive_failures last_done_at",
    "dash_model_health": "model_version detector trained_at promoted_at tanks train_windows "
    "excluded_windows validation_error false_alarms_per_tank_month drift",
    "dash_readings_hourly": f"site tank channel hour hour_ms {_ROLLED}",
    "dash_readings_daily": f"site tank channel day day_ms day_at {_ROLLED}",
    "dash_data_quality": "site tank day day_ms day_at readings completeness timeliness validity "
    "consistency",
}
