SELECT
  model_version_id AS model_version,
  detector,
  @iso(trained_at) AS trained_at,
  @iso(promoted_at) AS promoted_at,
  tanks,
  train_windows,
  excluded_windows,
  validation_error,
  false_alarms_per_tank_month,
  drift
FROM model_version
