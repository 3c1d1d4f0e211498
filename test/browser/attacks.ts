import type { Page } from 'playwright-core';
import { call } from './visitor.js';

/** One way to make somebody's browser send a request to a server that the page does not belong to. */
export interface Attack {
  readonly name: string;
  /** what reaches the server because of it */
  readonly sends: 'POST' | 'GET' | 'OPTIONS';
  /** whether a browser sends the cookies of the site along, when the page belongs to it */
  readonly withCookies: boolean;
  /** whether the page itself goes there, and is gone */
  readonly leaves?: true;
  readonly launch: (page: Page, target: string) => Promise<unknown>;
}

const FORMS = ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'];
const CARRIER = { 'X-Token-Carrier': 'cookie' };

const forms = FORMS.flatMap((type): Attack[] => [
  {
    name: `a form as ${type}, at the top`,
    sends: 'POST',
    withCookies: true,
    leaves: true,
    launch: (page, target) => call(page, 'submitForm', target, type),
  },
  {
    name: `a form as ${type}, into a frame`,
    sends: 'POST',
    withCookies: true,
    launch: (page, target) => call(page, 'submitIntoFrame', target, type),
  },
]);

const moreForms: Attack[] = [
  {
    name: 'a form into a window of its own',
    sends: 'POST',
    withCookies: true,
    launch: (page, target) => call(page, 'submitForm', target, undefined, '_blank'),
  },
  {
    name: 'a form that its own server sends on with a 307',
    sends: 'POST',
    withCookies: true,
    leaves: true,
    launch: (page, target) => call(page, 'submitForm', `/away${new URL(target).pathname}`),
  },
  {
    name: 'a form of a frame without an origin',
    sends: 'POST',
    withCookies: false,
    launch: (page, target) => sandboxed(page, `submitForm('${target}', undefined, '_self')`),
  },
];

/** `withCookies` where nothing else is said: what a browser would do by itself. */
function fetching(
  name: string,
  sends: Attack['sends'],
  init: object,
  withCookies = sends === 'POST',
): Attack {
  return {
    name: `fetch: ${name}`,
    sends,
    withCookies,
    launch: (page, target) => call(page, 'send', target, init),
  };
}

const fetches: Attack[] = [
  fetching('cors', 'POST', {}),
  fetching('cors, without credentials', 'POST', { credentials: 'omit' }, false),
  fetching('no-cors', 'POST', { mode: 'no-cors' }),
  fetching('no-cors, without credentials', 'POST', { mode: 'no-cors', credentials: 'omit' }, false),
  fetching('no-cors, with a carrier header that the browser drops', 'POST', {
    mode: 'no-cors',
    headers: CARRIER,
  }),
  fetching('kept alive', 'POST', { mode: 'no-cors', keepalive: true }),
  fetching('a text', 'POST', { body: '{}', headers: { 'Content-Type': 'text/plain' } }),
  fetching('the carrier header', 'OPTIONS', { headers: CARRIER }),
  fetching('the carrier header, without credentials', 'OPTIONS', { headers: CARRIER, credentials: 'omit' }),
  fetching('JSON', 'OPTIONS', { body: '{}', headers: { 'Content-Type': 'application/json' } }),
  fetching('an Idempotency-Key', 'OPTIONS', { headers: { 'Idempotency-Key': 'x'.repeat(22) } }),
  fetching('DELETE', 'OPTIONS', { method: 'DELETE' }),
  {
    name: 'fetch: its own server sends it on with a 307',
    sends: 'POST',
    withCookies: true,
    launch: (page, target) => call(page, 'send', `/away${new URL(target).pathname}`, { mode: 'no-cors' }),
  },
  {
    name: 'fetch: a frame without an origin',
    sends: 'POST',
    withCookies: false,
    launch: (page, target) => sandboxed(page, `send('${target}', { mode: 'no-cors' })`),
  },
  {
    name: 'fetch: a frame without an origin, with the carrier header',
    sends: 'OPTIONS',
    withCookies: false,
    launch: (page, target) => sandboxed(page, `send('${target}', { headers: ${JSON.stringify(CARRIER)} })`),
  },
  {
    name: 'XMLHttpRequest',
    sends: 'POST',
    withCookies: true,
    launch: (page, target) => call(page, 'sendByXhr', target),
  },
];

const beacons: Attack[] = [
  ...FORMS.map((type): Attack => ({
    name: `a beacon as ${type}`,
    sends: 'POST',
    withCookies: true,
    launch: (page, target) => call(page, 'beacon', target, type),
  })),
  {
    name: 'a beacon as application/json',
    sends: 'OPTIONS',
    withCookies: false,
    launch: (page, target) => call(page, 'beacon', target, 'application/json'),
  },
  {
    name: 'the ping of a link',
    sends: 'POST',
    withCookies: true,
    launch: (page, target) => call(page, 'ping', target),
  },
  {
    name: 'the report of a violated policy',
    sends: 'POST',
    withCookies: false,
    // The policy itself is the answer's: site.ts.
    launch: (page, target) => call(page, 'load', 'iframe', `/reporting${new URL(target).pathname}`),
  },
];

const loads = (
  [
    ['img'],
    ['script'],
    ['iframe'],
    ['object'],
    ['video'],
    ['link', { rel: 'stylesheet' }],
    ['link', { rel: 'prefetch' }],
    ['link', { rel: 'preload', as: 'fetch', crossorigin: 'use-credentials' }],
    ['script', { type: 'module', crossorigin: 'use-credentials' }],
  ] as [tag: string, attributes?: Record<string, string>][]
).map(([tag, attributes = {}]): Attack => ({
  name: `<${[tag, ...Object.values(attributes)].join(' ')}>`,
  sends: 'GET',
  withCookies: true,
  launch: (page, target) => call(page, 'load', tag, target, attributes),
}));

const visits: Attack[] = [
  {
    name: 'an EventSource',
    sends: 'GET',
    withCookies: true,
    launch: (page, target) => call(page, 'listen', target),
  },
  {
    name: 'a link that is followed',
    sends: 'GET',
    withCookies: true,
    leaves: true,
    launch: (page, target) => page.evaluate(`location.href = '${target}'`),
  },
];

function sandboxed(page: Page, code: string): Promise<unknown> {
  return call(page, 'runSandboxed', code);
}

export const ATTACKS: readonly Attack[] = [
  ...forms,
  ...moreForms,
  ...fetches,
  ...beacons,
  ...loads,
  ...visits,
];
