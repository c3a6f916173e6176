-- The last run of each job. A table.
SELECT job, last_outcome, last_started_at, last_done_at, seconds, lag_s, consecutive_failures
FROM dash_job_health ORDER BY job
