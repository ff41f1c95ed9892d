#!/bin/sh
# Makes the directories of directories.conf as the superuser, from beside the NameNode, and looks again every INTERVAL s.
set -u

readonly FS=hdfs://127.0.0.1:8020
readonly WANTED=/tmp/wanted
trap 'exit 0' TERM INT
rm -f /tmp/applied
grep -v '^[[:space:]]*\(#\|$\)' /etc/hadoop/directories.conf >"$WANTED"

dfs() { hdfs dfs -fs "$FS" "$@"; }

# Every command is a JVM of its own, so paths that need the same are given to one command.
# apply COMMAND COLUMNS: runs COMMAND once for each distinct value that paths of /tmp/wrong want
apply() {
  awk -v columns="$2" '{ key = (columns == "owner") ? $2 ":" $3 : $4; paths[key] = paths[key] " " $1 }
    END { for (key in paths) print key paths[key] }' /tmp/wrong >/tmp/commands
  while read -r value paths; do
    # shellcheck disable=SC2086 # one word per path is meant
    dfs "$1" "$value" $paths </dev/null || return 1
  done </tmp/commands
}

reconcile() {
  hdfs dfsadmin -fs "$FS" -safemode get 2>/dev/null | grep -q OFF || { echo "the NameNode is in safe mode or away"; return 1; }
  # shellcheck disable=SC2046 # one word per path is meant
  dfs -mkdir -p $(awk '{print $1}' "$WANTED") || return 1
  # shellcheck disable=SC2046
  dfs -stat '%u %g %a' $(awk '{print $1}' "$WANTED") >/tmp/found || return 1
  # %n is the last part of a path only, so lines are matched by their order.
  paste -d ' ' "$WANTED" /tmp/found | awk '$2 " " $3 " " $4 != $5 " " $6 " " $7 {print $1, $2, $3, $4}' >/tmp/wrong
  if [ -s /tmp/wrong ]; then
    apply -chown owner && apply -chmod mode || return 1
    sed 's/^/made as declared: /' /tmp/wrong
  fi
  # The NameNode's identity, for the backup: see backup.sh.
  [ "$(dfs -cat /system/VERSION 2>/dev/null)" = "$(cat /data/name/current/VERSION)" ] \
    || dfs -put -f /data/name/current/VERSION /system/VERSION
}

while :; do
  if reconcile; then
    touch /tmp/applied
    wait_for=${INTERVAL:-3600}
  else
    rm -f /tmp/applied
    wait_for=5
  fi
  touch /tmp/pass
  sleep "$wait_for" &
  wait $!
done
