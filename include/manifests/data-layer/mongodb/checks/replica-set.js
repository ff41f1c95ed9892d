// The set has exactly the members it should, one of them primary, the others secondary and at most MAX_LAG_SECONDS behind.

const fs = require('fs');

function fail(reason, status) {
  console.error(`replica-set: ${reason}`);
  if (status) {
    console.error(status.members.map((member) => `${member.name} ${member.stateStr} health=${member.health}`).join('\n'));
  }
  process.exit(1);
}

let status;
try {
  const admin = new Mongo(process.env.MONGO_URI).getDB('admin');
  admin.auth('checks', process.env.MONGO_PASSWORD);
  status = admin.adminCommand({ replSetGetStatus: 1 });
} catch (error) {
  fail(`no status from ${process.env.MONGO_URI}: ${error.message}; look at the pods app.kubernetes.io/name=mongodb`);
}
// Beside this script, because an overlay with fewer members says so there.
const expected = Number(fs.readFileSync('/checks/expected-members', 'utf8'));
const members = status.members;
const primaries = members.filter((member) => member.stateStr === 'PRIMARY');
const secondaries = members.filter((member) => member.stateStr === 'SECONDARY');
if (primaries.length !== 1) {
  fail(`${primaries.length} primaries`, status);
}
if (primaries.length + secondaries.length !== members.length || members.some((member) => member.health !== 1)) {
  fail('a member is neither primary nor secondary, or not healthy', status);
}
if (members.length !== expected) {
  fail(`${members.length} members, expected ${expected}`, status);
}
const newest = primaries[0].optimeDate.getTime();
const lag = Math.max(0, ...secondaries.map((member) => (newest - member.optimeDate.getTime()) / 1000));
if (lag > Number(process.env.MAX_LAG_SECONDS)) {
  fail(`a secondary is ${lag} s behind, allowed ${process.env.MAX_LAG_SECONDS} s`, status);
}
for (const member of members) {
  print(`${member.name} ${member.stateStr}`);
}
print(JSON.stringify({ check: 'replica-set', members: members.length, secondaries: secondaries.length, max_lag_seconds: lag }));
