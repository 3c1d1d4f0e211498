/** A number of seconds, or a text such as `'10s'`, `'5m'`, `'12h'`, `'30d'`. */
export type Duration = number | string;

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const TEXT = /^(\d{1,10}(?:\.\d{1,3})?)([smhd])?$/;
const HOUR = 3600;
const DAY = 86_400;

/** Seconds, or null when `value` is no duration. A text without a unit is seconds, as a number is. */
export function parseDuration(value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value : null;
  const match = typeof value === 'string' ? TEXT.exec(value.trim()) : null;
  return match ? Number(match[1]) * UNITS[match[2] ?? 's']! : null;
}

/**
 * Seconds an access token lives: `lifetime`, shortened at random by up to `jitter`.
 *
 * Without it a thief who knows the schedule could time the victim's refreshes and ride beside them.
 *
 * @param random in [0, 1)
 */
export function jitteredLifetime(lifetime: number, jitter: number, random: number): number {
  return Math.max(1, Math.floor(lifetime * (1 - jitter * random)));
}

/**
 * The `refresh_expires_in` of an answer, in seconds.
 *
 * What the idle lifetime bounds is rounded down to the hour, as it would else tell the moment of the last
 * rotation. The absolute end says nothing about rotations and is exact.
 */
export function refreshExpiresIn(
  grant: { idleExpiresAt: number; expiresAt: number },
  now: number,
  idleLifetime: number,
): number {
  const absolute = Math.max(0, Math.floor((grant.expiresAt - now) / 1000));
  const idle = Math.max(0, Math.floor((grant.idleExpiresAt - now) / 1000));
  if (absolute <= idle) return absolute;
  return idleLifetime < DAY || idle < HOUR ? idle : Math.floor(idle / HOUR) * HOUR;
}

/** A time shown to others, rounded down to the hour for the same reason; milliseconds in and out. */
export function coarseTime(time: number, idleLifetime: number): number {
  return idleLifetime < DAY ? time : Math.floor(time / (HOUR * 1000)) * HOUR * 1000;
}
