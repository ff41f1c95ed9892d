#!/bin/sh
set -eu
wget -qO- http://tiny/
echo '{"check":"answers","status":200}'
