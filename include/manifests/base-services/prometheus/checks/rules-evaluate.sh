#!/bin/sh
# A rule file that fails to load is silent everywhere but here. The Watchdog alert fires always: it proves the whole
# way from a file in Git to an alert.
set -eu

server="${PROMETHEUS_URL:-http://prometheus.monitoring.svc:9090}"
deadline=$(($(date +%s) + ${WAIT_SECONDS:-150}))

value() {
  promtool query instant "$server" "$1" 2>/tmp/error | sed -n 's/.*=> *\([0-9.e+-]*\) .*/\1/p' | head -n 1
}

until [ -n "$(value 'ALERTS{alertname="Watchdog",alertstate="firing"}')" ]; do
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "the Watchdog alert does not fire: rule files are missing or not evaluated. Look at $server/rules and at" \
      "the ConfigMap prometheus-alerts. Last error: $(cat /tmp/error)" >&2
    exit 1
  fi
  echo "waiting for the Watchdog alert"
  sleep 5
done
echo "Watchdog fires"

loaded=$(value 'min(prometheus_config_last_reload_successful{job="prometheus"})')
if [ "$loaded" != 1 ]; then
  echo "prometheus_config_last_reload_successful is '${loaded:-absent}', wanted 1: the newest configuration or a rule" \
    "file was refused; the reason is in the Prometheus log" >&2
  exit 1
fi
failures=$(value 'sum(increase(prometheus_rule_evaluation_failures_total{job="prometheus"}[5m]))')
groups=$(value 'count(prometheus_rule_group_rules{job="prometheus"})')
rules=$(value 'sum(prometheus_rule_group_rules{job="prometheus"})')
if [ "${failures:-0}" != 0 ]; then
  echo "$failures rule evaluations failed in the last 5 minutes; $server/rules shows which, and why" >&2
  exit 1
fi
echo "{\"check\":\"rules-evaluate\",\"groups\":${groups:-0},\"rules\":${rules:-0},\"failures\":${failures:-0}}"
