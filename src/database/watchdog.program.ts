/**
 * The program of a watchdog process, as text for `node -e`: text is the one form that the built application,
 * tsx and Jest can all start without knowing where this file lies.
 *
 * It holds a lease on the data directory until its standard input ends, which the kernel brings about however
 * the owner ends. The last lease to go takes the server with it and, if temporary, the directory.
 *
 * Lines in, each answered by `ok` or by `error …`: `unlock`, `stop SIGINT`, `stop SIGQUIT`. The first `ok` is sent
 * unasked, once the exclusive lock is held; the owner starts its server under that lock, so that no watchdog
 * can stop it meanwhile.
 */
export const watchdogProgram = String.raw`/* watchdog of an embedded PostgreSQL: stops it when the last process using it has gone */
'use strict';
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

const { directory, mode, temporary, uid } = JSON.parse(process.argv[1]);
const seats = path.join(directory, 'watchdogs');
const pidFile = path.join(directory, 'cluster', 'postmaster.pid');
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// A pid alone may be a later process's: Linux tells when it was born. Elsewhere the pid has to do.
function born(pid) {
  try {
    const stat = fs.readFileSync('/proc/' + pid + '/stat', 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? 'zombie' : fields[19];
  } catch {
    return 'unknown';
  }
}

function exists(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code !== 'EPERM') return false;
  }
  return born(pid) !== 'zombie';
}

const self = process.pid + '-' + born(process.pid);
const lives = (id) => exists(Number(id.split('-')[0])) && born(id.split('-')[0]) === id.split('-')[1];
const seat = (...name) => path.join(seats, [...name, self].join('.'));
const seated = (kind) =>
  fs.readdirSync(seats).map((name) => name.split('.')).filter((name) => name[0] === kind && lives(name.at(-1)));

// Lamport's bakery. A file per contender instead of one lock file: a dead holder is passed over, while
// breaking a stale lock file is itself a race.
let ticket;
async function lock() {
  for (;;) {
    try {
      fs.mkdirSync(seats, { recursive: true, mode });
      fs.writeFileSync(seat('choosing'), '');
      const number = 1 + Math.max(0, ...seated('ticket').map((name) => Number(name[1])));
      ticket = seat('ticket', number);
      fs.writeFileSync(ticket, '');
      fs.rmSync(seat('choosing'));
      while (seated('choosing').length > 0) await sleep(10);
      for (;;) {
        const queue = seated('ticket').sort((a, b) => a[1] - b[1] || (a[2] < b[2] ? -1 : 1));
        if (queue.length > 0 && queue[0][2] === self) return sweep();
        if (!fs.existsSync(ticket)) break;
        await sleep(10);
      }
    } catch (error) {
      // The holder before us removed the directory, our ticket with it: queue again.
      if (error.code !== 'ENOENT') throw error;
    }
  }
}

function sweep() {
  for (const name of fs.readdirSync(seats)) {
    if (!lives(name.split('.').at(-1))) fs.rmSync(path.join(seats, name), { force: true });
  }
}

function unlock() {
  fs.rmSync(ticket, { force: true });
  ticket = undefined;
}

function postmaster() {
  try {
    const [pid, , , port] = fs.readFileSync(pidFile, 'utf8').split('\n').map(Number);
    return { pid, port };
  } catch {
    return {};
  }
}

function refused(port) {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port, timeout: 1000 });
    const settle = (answer) => socket.destroy() && resolve(answer);
    socket.once('error', (error) => settle(error.code === 'ECONNREFUSED'));
    socket.once('connect', () => settle(false));
    socket.once('timeout', () => settle(false));
  });
}

// The file is written by the server's account: as root, signal only that account's processes.
function ofServer(pid) {
  try {
    return uid === undefined || fs.statSync('/proc/' + pid).uid === uid;
  } catch {
    return !fs.existsSync('/proc/self');
  }
}

function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch (error) {
    // ENOSYS: Windows has no SIGCONT.
    if (error.code !== 'ESRCH' && error.code !== 'ENOSYS') throw error;
  }
}

async function stopServer(name) {
  const { pid, port } = postmaster();
  if (!pid || !exists(pid) || !ofServer(pid) || (await refused(port))) return;
  signal(pid, name);
  signal(pid, 'SIGCONT');
  const patience = Date.now() + 20_000;
  // The file goes before the process, which stays a zombie where process 1 does not reap.
  while (postmaster().pid === pid && exists(pid)) {
    if (Date.now() > patience) signal(pid, 'SIGQUIT');
    await sleep(10);
  }
}

// Renamed first: a starter waiting for the lock must find either the whole directory or none.
async function remove() {
  const doomed = directory + '.removed-' + process.pid;
  fs.renameSync(directory, doomed);
  for (const patience = Date.now() + 30_000; ; await sleep(200)) {
    try {
      return fs.rmSync(doomed, { recursive: true, force: true });
    } catch (error) {
      // The initdb of an owner killed mid-way goes on writing until it notices.
      if (Date.now() > patience) throw error;
    }
  }
}

async function obey(line) {
  const [command, name] = line.split(' ');
  if (command === 'unlock') return unlock();
  await lock();
  await stopServer(name);
  fs.rmSync(seat('lease'), { force: true });
  unlock();
}

async function leave() {
  const midStart = ticket !== undefined;
  // Another has deleted it; taking the lock would make it anew.
  if (!fs.existsSync(directory)) return;
  if (!midStart) await lock();
  fs.rmSync(seat('lease'), { force: true });
  if (seated('lease').length === 0) {
    // A server just spawned takes a moment to write its file and to listen.
    const spawning = midStart && fs.existsSync(path.dirname(pidFile));
    for (const end = Date.now() + (spawning ? 2_000 : 0); Date.now() < end; await sleep(20)) {
      const { port } = postmaster();
      if (port && !(await refused(port))) break;
    }
    await stopServer('SIGINT');
    if (temporary) return remove();
  }
  unlock();
}

async function watch() {
  await lock();
  fs.writeFileSync(seat('lease'), '');
  process.stdout.write('ok\n');
  for await (const line of require('node:readline').createInterface({ input: process.stdin })) {
    const answer = await obey(line).then(() => 'ok', (error) => 'error ' + error.message);
    process.stdout.write(answer + '\n');
  }
  await leave();
}

// Whatever ends every Node process politely must leave this one to clean up after them.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => {});
process.stdout.on('error', () => {});
process.title = 'embedded-postgres-watchdog';
watch()
  .catch((error) => {
    process.exitCode = 1;
    fs.appendFileSync(path.join(directory, 'watchdog.log'), error.stack + '\n');
  })
  .finally(() => process.exit());
`;
