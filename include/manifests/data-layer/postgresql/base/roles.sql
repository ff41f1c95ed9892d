-- Roles and databases of the platform. Safe to run again at any time; passwords come from files and pass through no
-- command line.
\set ON_ERROR_STOP on
\set exporter_password `cat /etc/secrets/postgresql-auth/exporter-password`
\set backup_password `cat /etc/secrets/postgresql-auth/backup-password`
\set checks_password `cat /etc/secrets/postgresql-auth/checks-password`
\set airflow_password `cat /etc/secrets/airflow-database/password`
\set reports_password `cat /etc/secrets/reports-database/password`
-- A statement with a password must not reach the log, whatever the server is told to log.
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET client_min_messages = 'warning';

SELECT format('CREATE ROLE %I LOGIN', name)
  FROM unnest(ARRAY['exporter', 'backup', 'checks', 'airflow', 'reports']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

ALTER ROLE exporter PASSWORD :'exporter_password' CONNECTION LIMIT 5;
ALTER ROLE backup PASSWORD :'backup_password' CONNECTION LIMIT 5;
ALTER ROLE checks PASSWORD :'checks_password' CONNECTION LIMIT 5;
ALTER ROLE airflow PASSWORD :'airflow_password' CONNECTION LIMIT 75;
ALTER ROLE reports PASSWORD :'reports_password' CONNECTION LIMIT 10;

GRANT pg_monitor TO exporter;
GRANT pg_read_all_data TO backup;

SELECT format('CREATE DATABASE %I OWNER %I', name, name)
  FROM unnest(ARRAY['airflow', 'reports', 'checks']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec

REVOKE CONNECT, TEMPORARY ON DATABASE airflow, reports, checks FROM PUBLIC;
GRANT CONNECT ON DATABASE airflow, reports, checks TO backup, exporter;
