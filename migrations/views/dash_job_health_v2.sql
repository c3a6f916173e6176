-- A job has hundreds of thousands of runs: each name and each newest run is one look into an index.
WITH RECURSIVE named(job) AS (
  SELECT min(job) FROM job_run
  UNION ALL
  SELECT (SELECT min(job_run.job) FROM job_run WHERE job_run.job > named.job)
  FROM named WHERE named.job IS NOT NULL
), newest AS (
  SELECT
    job,
    (SELECT max(r.job_run_id) FROM job_run r WHERE r.job = named.job) AS job_run_id,
    (SELECT max(r.job_run_id) FROM job_run r WHERE r.job = named.job AND r.outcome = 'done')
      AS done_run_id
  FROM named WHERE job IS NOT NULL
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
      AND later.job_run_id > coalesce(newest.done_run_id, 0)) AS consecutive_failures,
  @iso(done.finished_at) AS last_done_at
FROM newest
JOIN job_run run ON run.job_run_id = newest.job_run_id
LEFT JOIN job_run done ON done.job_run_id = newest.done_run_id
