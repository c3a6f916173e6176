-- A role for dashboards: it reads the dash_ views of this database, and nothing else.
--
--   psql "postgresql://tankwatch@db.example/tankwatch" \
--     -v role=tankwatch_dashboards -v password=choose-one -f postgresql-read-only.sql
--
-- Run it as the owner of tankwatch's tables, who may create roles (or have an administrator create
-- the role first), once more after an upgrade: views that are made anew lose what was granted.
-- Running it again changes nothing else.
SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', :'role', :'password')
WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = :'role') \gexec
SELECT format('ALTER ROLE %I SET default_transaction_read_only = on', :'role') \gexec
SELECT format('ALTER ROLE %I SET statement_timeout = ''30s''', :'role') \gexec
SELECT format('ALTER ROLE %I SET idle_in_transaction_session_timeout = ''60s''', :'role') \gexec
SELECT format('ALTER ROLE %I CONNECTION LIMIT 20', :'role') \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'role') \gexec
SELECT format('GRANT USAGE ON SCHEMA public TO %I', :'role') \gexec
SELECT format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %I', :'role') \gexec
SELECT format('GRANT SELECT ON public.%I TO %I', viewname, :'role')
FROM pg_views WHERE schemaname = 'public' AND viewname LIKE 'dash\_%' \gexec
-- A view reads its tables as its owner does.  What is created from now on is not shown by itself.
SELECT format('ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM %I', :'role') \gexec
