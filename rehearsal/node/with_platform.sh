# Sourced: have a platform on real nodes for as long as this shell runs. BIN: folder of the virtual environment's programs.
# Uses SLIPWAY_RUN_DIR and SLIPWAY_INCLUDE_DIR, or folders of its own below .run.
: "${BIN:?is set by make}"
export CLUSTER=real
export SLIPWAY_RUN_DIR=${SLIPWAY_RUN_DIR:-$PWD/.run} RUN_TIMEOUT=${RUN_TIMEOUT:-10800}
output=$SLIPWAY_RUN_DIR/platform.log

is_up() { [ -e "$SLIPWAY_RUN_DIR/lock" ] && ! flock --nonblock "$SLIPWAY_RUN_DIR/lock" true; }

end_platform() {
  [ -z "${platform:-}" ] || { kill -INT "$platform" 2>/dev/null && wait "$platform"; } || true
}

start_platform() { # start_platform: returns when the first run of it has ended and everything stays up
  mkdir -p "$SLIPWAY_RUN_DIR"
  "$BIN/python" -m rehearsal.node.store
  "$BIN/python" -c 'import signal, sys, os; signal.signal(signal.SIGINT, signal.default_int_handler); os.execv(sys.argv[1], sys.argv[1:])' \
    "$BIN/python" -m rehearsal.run >"$output" 2>&1 &
  platform=$!
  trap end_platform EXIT
  until grep -q 'stays up until Ctrl-C' "$output"; do
    kill -0 "$platform" 2>/dev/null || { tail -n 20 "$output" >&2; exit 1; }
    sleep 2
  done
}
