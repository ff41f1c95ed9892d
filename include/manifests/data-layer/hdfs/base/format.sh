#!/bin/sh
# Formats the NameNode's volume the first time it is used, and never again: a format forgets where every file is.
set -eu

name=/data/name
if [ -f "$name/current/VERSION" ]; then
  echo "formatted already: $(grep -E '^(clusterID|blockpoolID)=' "$name/current/VERSION" | tr '\n' ' ')"
  exit 0
fi
if [ -d "$name" ] && [ -n "$(ls -A "$name")" ]; then
  {
    echo "$name is not empty and holds no current/VERSION: $(ls -A "$name" | tr '\n' ' ')"
    echo "This is no new volume, so it is not formatted. Restore the metadata: docs/runbooks/restore-hdfs.md"
  } >&2
  exit 1
fi
mkdir -p "$name"
# A cluster id of its own, made by the format: DataNodes that hold blocks of another one refuse to register, so blocks
# survive even a NameNode that lost its volume.
exec hdfs namenode -format -nonInteractive
