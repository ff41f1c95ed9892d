# Sourced by the image's entrypoint once, while it fills an empty data folder (hence bash and docker_process_sql).
# shellcheck shell=bash
docker_process_sql --database=mysql <<SQL
CREATE USER 'exporter'@'localhost' IDENTIFIED BY '$(cat /etc/secrets/mysql-auth/exporter-password)'
  WITH MAX_USER_CONNECTIONS 5;
GRANT PROCESS, REPLICATION CLIENT ON *.* TO 'exporter'@'localhost';
GRANT SELECT ON performance_schema.* TO 'exporter'@'localhost';
CREATE DATABASE slipway_checks;
CREATE USER 'checks'@'%' IDENTIFIED BY '$(cat /etc/secrets/mysql-auth/checks-password)'
  WITH MAX_USER_CONNECTIONS 5;
GRANT ALL ON slipway_checks.* TO 'checks'@'%';
SQL
