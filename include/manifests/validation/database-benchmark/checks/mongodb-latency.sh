#!/bin/sh
# The measuring is in mongodb-latency.js.
set -eu
: "${MONGO_URI:?is the address of the replica set}" "${MONGO_PASSWORD:?comes from the Secret mongodb-auth}"
exec mongosh --nodb --quiet --norc --file "$(dirname "$0")/mongodb-latency.js"
