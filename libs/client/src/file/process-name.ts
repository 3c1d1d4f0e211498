import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { codeOf } from './errors.js';

/** What a file made by a process is called after it, so that another can tell whether that process has gone. */
export const PROCESS_NAME = /^(\d{1,9})-([0-9a-f]{16})-[0-9a-f]{32}$/;

let host: string | undefined;

/** A name nobody else draws: the pid, where that pid means something, and 128 random bits. */
export function drawProcessName(): string {
  return `${process.pid}-${(host ??= hostId())}-${randomBytes(16).toString('hex')}`;
}

/** Whether the process so named is known to have ended; false when it lives elsewhere, or its pid has another one now. */
export function hasGone(name: string): boolean {
  const [, pid, where] = PROCESS_NAME.exec(name) ?? [];
  if (pid === undefined || where !== (host ??= hostId())) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    // EPERM: it lives, and is another user's.
    return codeOf(error) === 'ESRCH';
  }
}

/** Two containers may share a volume, a host name and a kernel, and yet neither sees the other's processes. */
function hostId(): string {
  const parts = [
    hostname(),
    orNothing(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
    orNothing(() => readlinkSync('/proc/self/ns/pid')),
  ];
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 16);
}

function orNothing(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
