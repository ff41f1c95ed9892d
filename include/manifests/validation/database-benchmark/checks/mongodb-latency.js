// Single operations one after another, as an application waits for them: inserts with write concern majority, then
// reads of random documents by _id. Percentiles are by nearest rank.

const operations = Number(process.env.OPERATIONS || 1000);
const maximumP95 = Number(process.env.MAXIMUM_P95_MS || 250);
const name = `benchmark_${Date.now()}_${process.pid}`;

function fail(reason) {
  console.error(`mongodb-latency: ${reason}`);
  process.exit(1);
}

function measure(count, operation) {
  const times = [];
  const started = process.hrtime.bigint();
  for (let index = 0; index < count; index += 1) {
    const before = process.hrtime.bigint();
    operation(index);
    times.push(Number(process.hrtime.bigint() - before) / 1e6);
  }
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  times.sort((left, right) => left - right);
  const percentile = (share) => times[Math.max(0, Math.ceil(share * times.length) - 1)];
  const round = (number) => Math.round(number * 1000) / 1000;
  return {
    p50: round(percentile(0.5)), p95: round(percentile(0.95)), p99: round(percentile(0.99)), rate: round(count / seconds),
  };
}

let collection;
try {
  const connection = new Mongo(process.env.MONGO_URI);
  connection.getDB('admin').auth('checks', process.env.MONGO_PASSWORD);
  collection = connection.getDB('slipway_checks').getCollection(name);
} catch (error) {
  fail(`no connection to ${process.env.MONGO_URI}: ${error.message}; look at the pods app.kubernetes.io/name=mongodb`);
}

try {
  const filler = 'x'.repeat(1000);
  const write = measure(operations, (index) => {
    collection.insertOne({ _id: index, run: name, filler }, { writeConcern: { w: 'majority', wtimeout: 10000 } });
  });
  print(`inserted ${operations} documents of 1 KB, one by one`);
  let found = 0;
  const read = measure(operations, () => {
    if (collection.findOne({ _id: Math.floor(Math.random() * operations) })) found += 1;
  });
  if (found !== operations) fail(`${operations - found} of ${operations} reads by _id found nothing`);
  print(`read ${found} of them by _id, one by one`);
  collection.drop();
  print(JSON.stringify({
    check: 'mongodb-latency', operations,
    insert_p50_ms: write.p50, insert_p95_ms: write.p95, insert_p99_ms: write.p99, inserts_per_second: write.rate,
    find_p50_ms: read.p50, find_p95_ms: read.p95, find_p99_ms: read.p99, finds_per_second: read.rate,
  }));
  if (write.p95 > maximumP95) {
    fail(`one in twenty inserts took longer than ${write.p95} ms, at most ${maximumP95} wanted; see NodeDiskSlow`);
  }
} catch (error) {
  try { collection.drop(); } catch (ignored) { /* the first error is the one to report */ }
  fail(error.message);
}
