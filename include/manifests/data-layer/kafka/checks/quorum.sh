#!/bin/sh
# The controller quorum has a leader, every voter, and voters that keep up.
set -eu

export PATH="/opt/kafka/bin:$PATH"

fail() { echo "quorum: $1" >&2; [ ! -s /tmp/status ] || cat /tmp/status >&2; exit 1; }

kafka-metadata-quorum.sh --bootstrap-server "$BOOTSTRAP" describe --status >/tmp/status \
  || fail "no broker at $BOOTSTRAP answered; look at the pods app.kubernetes.io/name=kafka and their logs"
kafka-metadata-quorum.sh --bootstrap-server "$BOOTSTRAP" describe --replication >/tmp/replication \
  || fail "the quorum's replication state could not be read"
cat /tmp/status /tmp/replication

leader=$(awk '$1 == "LeaderId:" { print $2 }' /tmp/status)
case "$leader" in '' | *[!0-9]*) fail "no leader" ;; esac
# Rows: NodeId [DirectoryId] LogEndOffset Lag LastFetchTimestamp LastCaughtUpTimestamp Status; counted from the right,
# as releases differ in the columns on the left.
voters=$(awk '$NF == "Leader" || $NF == "Follower"' /tmp/replication | wc -l | tr -d ' ')
max_lag=$(awk '($NF == "Leader" || $NF == "Follower") && $(NF - 3) > lag { lag = $(NF - 3) } END { print lag + 0 }' /tmp/replication)
[ "$voters" -eq "$BROKERS" ] || fail "$voters voters, expected $BROKERS; compare KAFKA_CONTROLLER_QUORUM_VOTERS with the running pods"
[ "$max_lag" -le "$MAX_LAG" ] || fail "a voter is $max_lag metadata records behind the leader (allowed $MAX_LAG); look at its log and disk"
# A dead voter stays in the list; that it does not fetch any more shows in the time since it had caught up.
lag_ms=$(awk '$1 == "MaxFollowerLagTimeMs:" { print $2 }' /tmp/status)
if [ "${lag_ms:--1}" -lt 0 ] || [ "$lag_ms" -gt "$MAX_LAG_MS" ]; then
  fail "a voter caught up $lag_ms ms ago (allowed $MAX_LAG_MS; -1 is never): one of the $BROKERS is not running"
fi
echo "{\"check\":\"quorum\",\"leader\":$leader,\"voters\":$voters,\"max_lag\":$max_lag,\"max_lag_ms\":$lag_ms}"
