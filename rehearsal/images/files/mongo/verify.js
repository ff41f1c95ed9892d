// What the platform does with MongoDB: initiate the set, make users, log in as one, write and read.
const direct = connect('mongodb://127.0.0.1:27017/admin?directConnection=true');
const before = direct.hello();
if (before.setName || !before.isreplicaset) throw new Error(`before: ${JSON.stringify(before)}`);
direct.adminCommand({ replSetInitiate: { _id: 'rs0', members: [{ _id: 0, host: '127.0.0.1:27017' }] } });
if (!direct.hello().isWritablePrimary) throw new Error('no primary');
let refused;
try { direct.auth('root', 'verify'); } catch (error) { refused = error.codeName; }
if (refused !== 'AuthenticationFailed') throw new Error(`a user that is not there: ${refused}`);
direct.createUser({ user: 'root', pwd: 'verify', roles: [{ role: 'root', db: 'admin' }] }, { w: 'majority' });
direct.auth('root', 'verify');
direct.createUser({ user: 'checks', pwd: 'verify', roles: [{ role: 'readWrite', db: 'slipway_checks' }] }, { w: 'majority' });
if (!direct.getUser('checks') || direct.getUser('nobody')) throw new Error('users');
direct.updateUser('checks', { pwd: 'verified', roles: [] }, { w: 'majority' });
if (direct.adminCommand({ replSetGetConfig: 1 }).config.members.length !== 1) throw new Error('config');

const connection = new Mongo('mongodb://127.0.0.1:27017/?replicaSet=rs0');
connection.getDB('admin').auth('checks', 'verified');
if (connection.getDB('admin').adminCommand({ replSetGetStatus: 1 }).members[0].stateStr !== 'PRIMARY') throw new Error('status');
const collection = connection.getDB('slipway_checks').getCollection('verify');
collection.createIndex({ number: 1 }, { unique: true });
const documents = Array.from({ length: 1000 }, (_, number) => ({ number, run: 'verify' }));
collection.insertMany(documents, { writeConcern: { w: 'majority', wtimeout: 30000 } });
const read = collection.find({ run: 'verify' }).readConcern('majority').sort({ number: 1 }).toArray().length;
const { sum } = collection.aggregate([{ $group: { _id: null, sum: { $sum: '$number' } } }]).toArray()[0];
collection.drop();
print(JSON.stringify({ read, sum: Number(sum) }));
