#!/bin/sh
# Brings the schema up to date, then makes the administrator or sets the password to that of the Secret.
set -eu

airflow db migrate
PASSWORD=$(cat /etc/secrets/airflow-auth/admin-password)
if airflow users list --output plain | awk 'NR > 1 {print $2}' | grep -qx admin; then
  airflow users reset-password --username admin --password "$PASSWORD" >/dev/null
  echo "the administrator's password is that of the Secret"
else
  airflow users create --username admin --firstname Platform --lastname Administrator --role Admin \
    --email admin@example.invalid --password "$PASSWORD" >/dev/null
  echo "the administrator is there"
fi
