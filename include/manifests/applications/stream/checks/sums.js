// Waits for the newest kind check-N-TIME of the last YOUNGER_THAN_SECONDS, which must add up to N events, then makes the
// day's report with the component's own report.js.

const started = Date.now();
const deadline = started + Number(process.env.WAIT_SECONDS || 240) * 1000;
const youngest = started / 1000 - Number(process.env.YOUNGER_THAN_SECONDS || 900);

function stop(reason) {
  console.error(`sums: ${reason}`);
  process.exit(1);
}

let sums;
try {
  const connection = new Mongo(process.env.MONGO_URI);
  connection.getDB('admin').auth('stream', process.env.MONGO_PASSWORD);
  sums = connection.getDB('stream').events_per_minute;
} catch (error) {
  stop(`no connection to ${process.env.MONGO_URI}: ${error.message}; look at MongoDB's checks`);
}

function newest() {
  const groups = sums.aggregate([
    { $match: { kind: /^check-\d+-\d+$/ } },
    { $group: { _id: '$kind', events: { $sum: '$events' } } },
  ]).toArray();
  return groups
    .map((group) => ({ kind: group._id, events: Number(group.events), wanted: Number(group._id.split('-')[1]), at: Number(group._id.split('-')[2]) }))
    .filter((group) => group.at > youngest)
    .sort((one, other) => other.at - one.at)[0];
}

let found = newest();
while (!found || found.events < found.wanted) {
  if (Date.now() > deadline) {
    stop(`${found ? `${found.events} of ${found.wanted} events of ${found.kind}` : 'no event of check events'} in MongoDB; `
      + 'did check events pass? Look at query sums in the log of data/stream-job-0');
  }
  print(`waiting: ${found ? `${found.events} of ${found.wanted}` : 'nothing yet'}`);
  sleep(5000);
  found = newest();
}
if (found.events !== found.wanted) {
  stop(`${found.events} events of ${found.kind}, ${found.wanted} were sent: some were counted twice`);
}
print(`${found.events} events of ${found.kind}, each once`);

load('/checks/report.js');
const today = sums.getDB().daily.findOne({ _id: new Date().toISOString().slice(0, 10) });
if (!today) stop('the report was not written');
print(JSON.stringify({
  check: 'sums', events: found.events, report_events: Number(today.events), kinds: today.kinds.length,
  seconds: Math.round((Date.now() - started) / 1000),
}));
