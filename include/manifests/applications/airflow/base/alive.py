"""Exit 0 if this pod's job of the given type beat within the last LIMIT seconds; what `airflow jobs check` does.

A probe runs every minute in every pod, and the command line of Airflow takes ten seconds of processor time and 250 MiB.
"""

from __future__ import annotations

import socket
import subprocess
import sys

import psycopg2

LIMIT_SECONDS = 90
QUERY = """
    SELECT extract(epoch FROM now() - max(latest_heartbeat)) FROM job
    WHERE job_type = %s AND state = 'running' AND split_part(hostname, '.', 1) = %s
"""


def main(job_type: str) -> int:
    """Read the newest heartbeat of this host's job; an error is a missing heartbeat."""
    connection = subprocess.run(
        ["/bin/sh", "/etc/airflow/secret.sh", "connection"], capture_output=True, text=True, check=True
    ).stdout.replace("+psycopg2", "")
    with psycopg2.connect(connection, connect_timeout=5) as database, database.cursor() as cursor:
        cursor.execute(QUERY, (job_type, socket.gethostname().split(".")[0]))
        (age,) = cursor.fetchone() or (None,)
    if age is None or age > LIMIT_SECONDS:
        sys.stderr.write(f"no heartbeat of {job_type} on {socket.gethostname()} for {age or 'ever'} s\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
