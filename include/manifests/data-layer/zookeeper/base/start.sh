#!/bin/sh
# Starts this pod's server. Numbers of servers begin at 1, those of pods at 0.
set -eu

mkdir -p /data/snapshots /data/log
echo $((POD_INDEX + 1)) >/data/snapshots/myid
# Not the image's entry point: it writes its own configuration into the image.
exec zkServer.sh start-foreground
