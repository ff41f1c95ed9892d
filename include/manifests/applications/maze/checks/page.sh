#!/bin/sh
# The page answers REQUESTS times with 200 and a maze in it, and says no to nonsense.
set -eu

fail() { echo "page: $1" >&2; exit 1; }
# fetch PATH: body to /tmp/body, prints status code and seconds
fetch() { curl -sS --max-time 20 -o /tmp/body -w '%{http_code} %{time_total}' "$URL$1"; }

ready=$(fetch /readyz | cut -d ' ' -f 1) || fail "$URL does not answer; look at deployment/maze"
[ "$ready" = 200 ] || fail "/readyz answers $ready: $(cat /tmp/body)"

: >/tmp/times
n=0
while [ "$n" -lt "$REQUESTS" ]; do
  n=$((n + 1))
  answer=$(fetch "/?seed=$n&width=12&height=9") || fail "request $n failed"
  [ "${answer%% *}" = 200 ] || fail "request $n answers ${answer%% *}: $(head -c 300 /tmp/body)"
  grep -q '<svg id="maze"' /tmp/body || fail "the page has no maze: $(head -c 300 /tmp/body)"
  grep -q "\"seed\":$n,\"width\":12,\"height\":9" /tmp/body || fail "the page shows another maze than seed $n, 12 by 9"
  echo "${answer##* }" >>/tmp/times
done
slowest=$(sort -n /tmp/times | tail -n 1)
echo "$REQUESTS pages with the maze that was asked for; slowest $slowest s"

bad=$(fetch '/?width=100000' | cut -d ' ' -f 1)
[ "$bad" = 400 ] || fail "width=100000 answers $bad, expected 400"
missing=$(fetch /no-such-page | cut -d ' ' -f 1)
[ "$missing" = 404 ] || fail "/no-such-page answers $missing, expected 404"
echo "{\"check\":\"page\",\"requests\":$REQUESTS,\"status\":200,\"slowest_seconds\":$slowest}"
