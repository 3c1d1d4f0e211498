import { array, assert, integer, ipV4, pre, property, string } from 'fast-check';
import { clientAddress } from 'nestjs-token-family/throttler';

test.each<[ip: unknown, address: string]>([
  ['192.0.2.1', '192.0.2.1'],
  ['192.0.2.1:4711', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:192.0.2.1', '192.0.2.1'],
  ['::ffff:c000:201', '192.0.2.1'],
  ['0:0:0:0:0:ffff:c000:0201', '192.0.2.1'],
  ['[::ffff:192.0.2.1]:4711', '192.0.2.1'],
  ['::ffff:192.0.2.1%eth0', '192.0.2.1'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:DB8:0:0:ffff:ffff:ffff:ffff', '2001:db8:0:0::/64'],
  ['2001:0db8:0000:0001::', '2001:db8:0:1::/64'],
  ['[2001:db8:0:1::9]', '2001:db8:0:1::/64'],
  ['[2001:db8:0:1::9]:443', '2001:db8:0:1::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['fe80::2%25en1', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['1::', '1:0:0:0::/64'],
  ['::ffff:0:192.0.2.1', '0:0:0:0::/64'],
  ['', 'unknown'],
  ['unknown', 'unknown'],
  ['192.0.2.01', 'unknown'],
  ['192.0.2.1, 192.0.2.2', 'unknown'],
  ['192.0.2.1:port', 'unknown'],
  ['2001:db8::1::', 'unknown'],
  [']', 'unknown'],
  ['[]', 'unknown'],
  ['a'.repeat(100_000), 'unknown'],
  [undefined, 'unknown'],
  [null, 'unknown'],
  [['192.0.2.1'], 'unknown'],
])('%p is counted as %s', (ip, address) => {
  expect(clientAddress(ip)).toBe(address);
});

const groups = array(integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 });
const hex = (value: number) => value.toString(16);

test('every spelling of an IPv6 address, and every address of its /64, is counted as one', () => {
  assert(
    property(groups, groups, (left, right) => {
      pre(left.slice(0, 5).some((group) => group !== 0));
      const neighbour = [...left.slice(0, 4), ...right.slice(4)];
      const spellings = [
        left.map(hex).join(':'),
        left.map((group) => hex(group).padStart(4, '0').toUpperCase()).join(':'),
        `[${left.map(hex).join(':')}]:443`,
        `${left.map(hex).join(':')}%eth0`,
        new URL(`http://[${left.map(hex).join(':')}]`).hostname,
        neighbour.map(hex).join(':'),
      ];
      expect(new Set(spellings.map(clientAddress)).size).toBe(1);
      const foreign = [left[0]! ^ 1, ...left.slice(1)].map(hex).join(':');
      expect(clientAddress(foreign)).not.toBe(clientAddress(spellings[0]));
    }),
  );
});

test('an IPv4 address is counted as itself, and so is its mapped form', () => {
  assert(
    property(ipV4(), (ip) => {
      expect(clientAddress(ip)).toBe(ip);
      expect(clientAddress(`::ffff:${ip}`)).toBe(ip);
    }),
  );
});

test('whatever text comes, it is an address or unknown', () => {
  assert(
    property(string(), (text) => {
      expect(clientAddress(text)).toMatch(/^(?:unknown|[\d.]+|[\da-f:]+::\/64)$/);
    }),
  );
});
