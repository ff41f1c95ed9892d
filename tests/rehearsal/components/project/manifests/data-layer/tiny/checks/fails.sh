#!/bin/sh
echo looking
echo "tiny is not what it should be; look at its settings" >&2
exit 1
