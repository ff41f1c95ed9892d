#!/usr/bin/env bash
# A platform's life on real nodes from nothing to nothing, and its record in docs/real-deploy.md. Called by make.
set -euo pipefail
export SLIPWAY_RUN_DIR=${SLIPWAY_RUN_DIR:-$PWD/.run/life} SLIPWAY_INCLUDE_DIR=${SLIPWAY_INCLUDE_DIR:-$PWD/.run/life-include}
. "$(dirname "$0")/with_platform.sh"
if is_up; then echo "a rehearsal is up in $SLIPWAY_RUN_DIR: stop it first" >&2; exit 1; fi
rm -rf "$SLIPWAY_RUN_DIR" "$SLIPWAY_INCLUDE_DIR"
"$BIN/python" -m rehearsal.node.life copy
# What starts the platform only plans, so that the deploy is the life's own first step.
PLAN_ONLY=1 start_platform
"$BIN/python" -m rehearsal.node.life deploy again drift change rollback teardown table
