#!/bin/sh
# Runs what it is given: drivers and executors of Spark on Kubernetes, which upstream's script also starts, are not used.
exec tini -s -- "$@"
