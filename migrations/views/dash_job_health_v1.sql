WITH newest AS (
  SELECT job, max(job_run_id) AS job_run_id FROM job_run GROUP BY job
), last_done AS (
  SELECT job, max(job_run_id) AS job_run_id FROM job_run WHERE outcome = 'done' GROUP BY job
)
SELECT
  run.job AS job,
  @iso(run.started_at) AS last_started_at,
  @iso(run.finished_at) AS last_finished_at,
  run.outcome AS last_outcome,
  run.rows AS rows,
  @seconds(run.started_at, run.finished_at) AS seconds,
  run.lag_s AS lag_s,
  (SELECT count(*) FROM job_run later
    WHERE later.job = run.job AND later.outcome = 'failed'
      AND later.job_run_id > coalesce(last_done.job_run_id, 0)) AS consecutive_failures
FROM newest
JOIN job_run run ON run.job_run_id = newest.job_run_id
LEFT JOIN last_done ON last_done.job = newest.job
