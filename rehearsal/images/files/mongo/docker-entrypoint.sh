#!/bin/bash
# Options alone are mongod's.
set -eu
case "${1:-}" in -*) set -- mongod "$@" ;; esac
exec "$@"
