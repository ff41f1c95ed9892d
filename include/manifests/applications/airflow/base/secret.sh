#!/bin/sh
# Prints a secret for airflow.cfg, which takes them from commands: secret.sh connection|fernet-key|api-secret-key|jwt-secret
set -eu

case "$1" in
  connection)
    printf '%s' "postgresql+psycopg2://airflow:$(cat /etc/secrets/airflow-database/password)@postgresql.data.svc.cluster.local:5432/airflow"
    ;;
  # 43 characters of base64 and one of padding are the 32 bytes that Fernet wants.
  fernet-key) printf '%s=' "$(cat /etc/secrets/airflow-auth/fernet-key)" ;;
  api-secret-key | jwt-secret) cat "/etc/secrets/airflow-auth/$1" ;;
  *) echo "secret.sh: no secret is called $1" >&2; exit 2 ;;
esac
