import { isIPv4, isIPv6 } from 'node:net';

/** Of what is no address: one for all of it, or whoever makes one up would not be counted. */
const UNKNOWN = 'unknown';
/** As some proxies forward an address, its port behind it: one client has many. */
const WITH_PORT = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/;
const ZONE = /%.*$/s;

/**
 * What a client is counted by where nothing better is known of it: its IPv4 address, or the /64 of its IPv6 address, which
 * is what a single one is given to choose addresses from. Every spelling of an address is the same here; an IPv4 address
 * within an IPv6 one is the IPv4 address. Zone ids and ports are left out.
 *
 * @param ip `request.ip`, which the framework's own trust in proxies has decided on
 * @returns such as `192.0.2.1` or `2001:db8:0:1::/64`; `unknown` for what is no address
 * @see RFC 4291 section 2.5.5.2, RFC 6177 section 2
 */
export function clientAddress(ip: unknown): string {
  if (typeof ip !== 'string') return UNKNOWN;
  const [, six, four] = WITH_PORT.exec(ip) ?? [];
  const address = (six ?? four ?? ip).replace(ZONE, '');
  if (isIPv4(address)) return address;
  if (!isIPv6(address)) return UNKNOWN;
  const groups = groupsOf(address);
  return isMapped(groups) ? dotted(groups.slice(6)) : `${groups.slice(0, 4).map(hex).join(':')}::/64`;
}

/** ::ffff:0:0/96 */
function isMapped(groups: readonly number[]): boolean {
  return groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
}

/** The eight groups; a URL has one spelling of them, without an IPv4 address in it. */
function groupsOf(address: string): number[] {
  const [left = [], right = []] = new URL(`http://[${address}]`).hostname
    .slice(1, -1)
    .split('::')
    .map((side) => side.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16));
}

function dotted(groups: readonly number[]): string {
  return groups.flatMap((group) => [group >> 8, group & 0xff]).join('.');
}

function hex(group: number): string {
  return group.toString(16);
}
