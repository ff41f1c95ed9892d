#!/usr/bin/env bash
# Tests that break what runs on real nodes: on the platform that is up in SLIPWAY_RUN_DIR, or on one of their own.
set -euo pipefail
. "$(dirname "$0")/with_platform.sh"
is_up || start_platform
SLIPWAY_DATAPLANE=1 "$BIN/python" -m pytest -v -p no:cacheprovider "${@:-tests/dataplane}"
