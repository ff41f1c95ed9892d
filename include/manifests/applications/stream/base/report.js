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
  // A day has at most 1,440 sums of each kind. The checks' own events are no business.
  const minutes = { minute: { $gte: start, $lt: new Date(start.getTime() + DAY_MS) }, kind: { $not: /^check-/ } };
  const sums = new Map();
  database.events_per_minute.find(minutes).forEach(({ kind, events, amount }) => {
    const sum = sums.get(kind) || { events: 0, amount: 0, busiest: 0 };
    sums.set(kind, {
      events: sum.events + Number(events),
      amount: sum.amount + Number(amount),
      busiest: Math.max(sum.busiest, Number(events)),
    });
  });
  const kinds = [...sums.entries()].sort().map(([kind, sum]) => ({
    kind, events: sum.events, amount: Math.round(sum.amount * 100) / 100, busiest_minute: sum.busiest,
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
