#!/bin/sh
# A master that accepts anybody runs anybody's code: the job of job.sh must not get in with a wrong secret or none.
set -eu

fail() { echo "stranger: $1" >&2; exit 1; }

# The master must be there, or its silence proves nothing.
python3 - "$MASTER" <<'PYTHON' || fail "nothing listens at $MASTER; look at pod spark-master-0"
import socket
import sys

host, port = sys.argv[1].removeprefix("spark://").split(":")
socket.create_connection((host, int(port)), timeout=10).close()
PYTHON

# attempt NAME AUTHENTICATE: what Spark logs when the master hangs up on it, or does not understand it
attempt() {
  if SPARK_SECRET=not-the-secret AUTHENTICATE="$2" timeout 120 sh "$(dirname "$0")/job.sh" >/tmp/out 2>&1; then
    fail "a job with $1 secret ran: spark.authenticate is off"
  fi
  ! grep -q 'connected to spark://' /tmp/out || { tail -n 20 /tmp/out >&2; fail "a job with $1 secret got an executor"; }
  grep -qE 'Failed to connect to master' /tmp/out || { tail -n 20 /tmp/out >&2; fail "a job with $1 secret failed for another reason"; }
  echo "$1 secret: refused"
}

attempt wrong true
attempt no false
echo '{"check":"stranger","refused":2}'
