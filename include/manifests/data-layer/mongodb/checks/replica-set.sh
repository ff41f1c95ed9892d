#!/bin/sh
# One primary, healthy secondaries, no member far behind. The work is in replica-set.js.
set -eu
exec mongosh --nodb --quiet --norc --file /checks/replica-set.js
