// The report: what came in on a day, out of the sums per minute. Writes one document per day into stream.daily, which a
// second run replaces, and prints it for people.
//
// DAY=2026-11-22 (UTC); without it, yesterday and today.

const DAY_MS = 24 * 60 * 60 * 1000;

function fail(reason) {
  console.error(`report: ${reason}`);
  process.exit(1);
}

let database;
try {
  const connection = new Mongo(process.env.MONGO_URI);
  connection.getDB('admin').auth('stream', process.env.MONGO_PASSWORD);
  database = connection.getDB('stream');
} catch (error) {
  fail(`no connection to ${process.env.MONGO_URI}: ${error.message}; look at MongoDB's checks`);
}

function report(start) {
  const day = start.toISOString().slice(0, 10);
  const sums = database.events_per_minute.aggregate([
    // The checks' own events are no business.
    { $match: { minute: { $gte: start, $lt: new Date(start.getTime() + DAY_MS) }, kind: { $not: /^check-/ } } },
    { $group: { _id: '$kind', events: { $sum: '$events' }, amount: { $sum: '$amount' }, busiest: { $max: '$events' } } },
    { $sort: { _id: 1 } },
  ]).toArray();
  const kinds = sums.map((sum) => ({
    kind: sum._id, events: Number(sum.events), amount: Math.round(Number(sum.amount) * 100) / 100, busiest_minute: Number(sum.busiest),
  }));
  const total = kinds.reduce((all, kind) => all + kind.events, 0);
  const document = { _id: day, events: total, kinds, made: new Date() };
  database.daily.replaceOne({ _id: day }, document, { upsert: true, writeConcern: { w: 'majority', wtimeout: 30000 } });
  return document;
}

const today = new Date(new Date().toISOString().slice(0, 10));
const days = process.env.DAY ? [new Date(process.env.DAY)] : [new Date(today.getTime() - DAY_MS), today];
try {
  for (const day of days) {
    const { _id, events, kinds } = report(day);
    print(`${_id}: ${events} events`);
    for (const { kind, events: count, amount, busiest_minute: busiest } of kinds) {
      print(`  ${kind.padEnd(12)} ${String(count).padStart(9)} events, amount ${amount}, at most ${busiest} a minute`);
    }
  }
} catch (error) {
  fail(error.message);
}
