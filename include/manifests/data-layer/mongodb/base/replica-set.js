// Brings this member into the replica set and the set's users into being. Run in every pod; safe to repeat.
//
//   member 0     initiates the set when it has none (MongoDB allows that from localhost while there is no user)
//   the primary  adds the members that the set lacks, up to MEMBERS, and makes the users that are missing
//   the others   wait until the set has them
//
// Exit 0: this member is primary or secondary and the users exist. 1: not yet, run again.
// If member 0 ever loses its disk it cannot split the set: the other members refuse to be initiated a second time, and
// take it back as a member.

const fs = require('fs');

const DIRECT = 'mongodb://127.0.0.1:27017/admin?directConnection=true';
const wanted = Array.from(
  { length: Number(process.env.MEMBERS) },
  (_, index) => `mongodb-${index}.mongodb-headless.data.svc.cluster.local:27017`,
);
const secret = (name) => fs.readFileSync(`/etc/secrets/mongodb-auth/${name}-password`, 'utf8').trim();

const users = {
  exporter: [{ role: 'clusterMonitor', db: 'admin' }, { role: 'read', db: 'local' }],
  backup: [{ role: 'backup', db: 'admin' }],
  stream: [{ role: 'readWrite', db: 'stream' }],
  // Mongo Express shows what is there; it changes nothing.
  express: [{ role: 'readAnyDatabase', db: 'admin' }, { role: 'clusterMonitor', db: 'admin' }],
  checks: [{ role: 'readWrite', db: 'slipway_checks' }, { role: 'clusterMonitor', db: 'admin' }],
};

function notYet(reason) {
  print(`not yet: ${reason}`);
  quit(1);
}

function initiateIfNew(admin) {
  const hello = admin.hello();
  if (hello.setName || !hello.isreplicaset) {
    return;
  }
  if (process.env.POD_INDEX !== '0') {
    notYet('member 0 has not added this member to the set');
  }
  const members = wanted.map((host, _id) => ({ _id, host }));
  print(`initiating the set with ${wanted.join(', ')}`);
  try {
    admin.adminCommand({ replSetInitiate: { _id: 'rs0', members } });
  } catch (error) {
    notYet(`the set could not be initiated: ${error.message}`);
  }
}

function waitForState(admin) {
  for (let second = 0; second < 60; second += 1) {
    const hello = admin.hello();
    if (hello.isWritablePrimary || hello.secondary) {
      return hello;
    }
    sleep(1000);
  }
  return notYet('this member is neither primary nor secondary');
}

// The root user may be made without login from localhost, once, while the set has no user at all.
function authenticatedAsRoot(local) {
  const password = secret('root');
  try {
    local.auth('root', password);
    return local;
  } catch (error) {
    if (error.codeName !== 'AuthenticationFailed') {
      notYet(`logging in as root: ${error.message}`);
    }
  }
  try {
    local.createUser({ user: 'root', pwd: password, roles: [{ role: 'root', db: 'admin' }] }, { w: 'majority' });
    print('made user root');
  } catch (error) {
    notYet(`user root exists with another password than Secret mongodb-auth, or cannot be made: ${error.message}`);
  }
  local.auth('root', password);
  return local;
}

function addMissingMembers(admin) {
  const config = admin.adminCommand({ replSetGetConfig: 1 }).config;
  const present = config.members.map((member) => member.host);
  for (const host of wanted.filter((candidate) => !present.includes(candidate))) {
    // One at a time: that is all a reconfiguration may change.
    const next = admin.adminCommand({ replSetGetConfig: 1 }).config;
    next.version += 1;
    next.members.push({ _id: Math.max(...next.members.map((member) => member._id)) + 1, host });
    admin.adminCommand({ replSetReconfig: next });
    print(`added member ${host}`);
  }
  for (const host of present.filter((candidate) => !wanted.includes(candidate))) {
    print(`member ${host} is in the set but beyond MEMBERS; remove it with rs.remove("${host}") if that is meant`);
  }
}

function ensureUsers(admin) {
  for (const [name, roles] of Object.entries(users)) {
    const pwd = secret(name);
    if (!admin.getUser(name)) {
      admin.createUser({ user: name, pwd, roles }, { w: 'majority' });
      print(`made user ${name}`);
      continue;
    }
    try {
      connect(DIRECT).auth(name, pwd);
    } catch (error) {
      admin.updateUser(name, { pwd, roles }, { w: 'majority' });
      print(`user ${name} has the password of Secret mongodb-auth again`);
    }
  }
}

let local;
try {
  local = connect(DIRECT);
} catch (error) {
  notYet(`mongod does not answer: ${error.message}`);
}
initiateIfNew(local);
const state = waitForState(local);
if (state.isWritablePrimary) {
  const admin = authenticatedAsRoot(local);
  addMissingMembers(admin);
  ensureUsers(admin);
}
print(`member of rs0 as ${state.isWritablePrimary ? 'primary' : 'secondary'}`);
