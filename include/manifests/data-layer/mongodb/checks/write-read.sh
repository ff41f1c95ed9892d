#!/bin/sh
# Writes documents with write concern majority and reads every one of them back. The work is in write-read.js.
set -eu
exec mongosh --nodb --quiet --norc --file /checks/write-read.js
