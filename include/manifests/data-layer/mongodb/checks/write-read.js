// Writes DOCUMENTS documents with write concern majority to a collection of its own, reads them back with read concern
// majority, checks their sum and an index, and drops the collection.

const started = Date.now();
const count = Number(process.env.DOCUMENTS);
const name = `check_${Math.floor(started / 1000)}_${process.pid}`;

function fail(reason) {
  console.error(`write-read: ${reason}`);
  process.exit(1);
}

let database;
try {
  const connection = new Mongo(process.env.MONGO_URI);
  connection.getDB('admin').auth('checks', process.env.MONGO_PASSWORD);
  database = connection.getDB('slipway_checks');
} catch (error) {
  fail(`no connection to ${process.env.MONGO_URI}: ${error.message}; look at the pods app.kubernetes.io/name=mongodb`);
}
const collection = database.getCollection(name);
try {
  collection.createIndex({ number: 1 }, { unique: true });
  for (let from = 0; from < count; from += 500) {
    const batch = Array.from({ length: Math.min(500, count - from) }, (_, i) => ({ number: from + i, run: name }));
    collection.insertMany(batch, { writeConcern: { w: 'majority', wtimeout: 30000 } });
  }
  print(`wrote ${count} documents with write concern majority`);

  const numbers = collection.find({ run: name }).readConcern('majority').sort({ number: 1 }).toArray()
    .map((document) => document.number);
  const same = numbers.length === count && numbers.every((number, index) => number === index);
  if (!same) {
    fail(`wrote ${count} documents, read ${numbers.length}, or not the same ones`);
  }
  const { sum } = collection.aggregate([{ $group: { _id: null, sum: { $sum: '$number' } } }]).toArray()[0];
  if (Number(sum) !== (count * (count - 1)) / 2) {
    fail(`the documents add up to ${sum}, expected ${(count * (count - 1)) / 2}`);
  }
  print(`read the same ${numbers.length} documents back`);
  collection.drop();
  print(JSON.stringify({
    check: 'write-read', written: count, read: numbers.length, write_concern: 'majority',
    seconds: (Date.now() - started) / 1000,
  }));
} catch (error) {
  try { collection.drop(); } catch (ignored) { /* the first error is the one to report */ }
  fail(error.message);
}
