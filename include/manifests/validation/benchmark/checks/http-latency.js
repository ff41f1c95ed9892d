// A steady load of USERS concurrent users for DURATION against TARGET_URL; one JSON line at the end.
import http from 'k6/http';
import { check } from 'k6';

const target = __ENV.TARGET_URL;
const maximumP95 = Number(__ENV.MAXIMUM_P95_MS || 1000);
const maximumErrors = Number(__ENV.MAXIMUM_ERROR_RATE || 0.01);

export const options = {
  vus: Number(__ENV.USERS || 10),
  duration: __ENV.DURATION || '30s',
  summaryTrendStats: ['avg', 'min', 'max', 'p(50)', 'p(95)', 'p(99)'],
  thresholds: {
    http_req_failed: [`rate<${maximumErrors}`],
    http_req_duration: [`p(95)<${maximumP95}`],
    // Without this, a run that never got a request out would pass.
    http_reqs: ['count>0'],
  },
};

export default function () {
  const response = http.get(target, { timeout: '10s' });
  check(response, { 'status is 200': (answer) => answer.status === 200 });
}

export function handleSummary(data) {
  const values = (name) => (data.metrics[name] || { values: {} }).values;
  const duration = values('http_req_duration');
  const round = (number) => (number === undefined ? null : Math.round(number * 1000) / 1000);
  const numbers = {
    check: 'http-latency',
    requests: values('http_reqs').count || 0,
    requests_per_second: round(values('http_reqs').rate),
    error_rate: round(values('http_req_failed').rate),
    p50_ms: round(duration['p(50)']),
    p95_ms: round(duration['p(95)']),
    p99_ms: round(duration['p(99)']),
    max_ms: round(duration.max),
  };
  return { stdout: `${JSON.stringify(numbers)}\n` };
}
