-- Runs once, when the database is first made. The three logins and what they may do are those of
-- `make run` (msp/embedded/postgres.py); a test compares the two. The owner migrates, the
-- application reads and writes rows, the telemetry writer adds samples. Rights on tables are given
-- by `manage.py setup_database`.
\set owner_password `cat /run/secrets/msp_owner_password`
\set app_password `cat /run/secrets/msp_app_password`
\set ingest_password `cat /run/secrets/msp_ingest_password`

SET password_encryption = 'scram-sha-256';
CREATE ROLE msp_owner LOGIN NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS NOCREATEDB PASSWORD :'owner_password';
CREATE ROLE msp_app LOGIN NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS NOCREATEDB NOINHERIT PASSWORD :'app_password';
CREATE ROLE msp_ingest LOGIN NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS NOCREATEDB NOINHERIT PASSWORD :'ingest_password';
CREATE DATABASE msp OWNER msp_owner;
REVOKE ALL ON DATABASE msp FROM PUBLIC;
GRANT CONNECT ON DATABASE msp TO msp_app, msp_ingest;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
