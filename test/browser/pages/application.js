/* What the page of an application does. It knows nothing of lost answers, of keys, or of what to repeat. */

const COOKIE_CARRIER = { 'X-Token-Carrier': 'cookie' };

async function post(path, fields = {}, headers = COOKIE_CARRIER, credentials = 'same-origin') {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { ...headers, 'Content-Type': 'application/json' },
    body: JSON.stringify(fields),
    credentials,
  });
  return { status: answer.status, headers: [...answer.headers], body: await answer.text() };
}

/** As post, with a body that is no JSON. */
async function postText(path, type, body = 'x') {
  const headers = { ...COOKIE_CARRIER, 'Content-Type': type };
  const answer = await fetch(path, { method: 'POST', headers, body });
  return { status: answer.status, headers: [...answer.headers], body: await answer.text() };
}

/** As post, where the answer may never come: its status, or 0. */
function statusOf(path, fields, headers, credentials) {
  return post(path, fields, headers, credentials).then(
    ({ status }) => status,
    () => 0,
  );
}

function postByXhr(path) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open('POST', path);
    xhr.setRequestHeader('X-Token-Carrier', 'cookie');
    xhr.addEventListener('load', () =>
      resolve({ status: xhr.status, headers: xhr.getAllResponseHeaders(), body: xhr.responseText }),
    );
    xhr.addEventListener('error', () => reject(new Error('no answer')));
    xhr.send();
  });
}

/** Everything that a script of the page can get hold of where a browser keeps things. */
async function everythingInReach() {
  const databases = await indexedDB.databases();
  const kept = [];
  for (const name of await caches.keys())
    for (const { url } of await (await caches.open(name)).keys()) kept.push(url);
  return JSON.stringify({
    cookie: document.cookie,
    cookieStore: await cookieStore.getAll(),
    localStorage: Object.entries(localStorage),
    sessionStorage: Object.entries(sessionStorage),
    databases,
    kept,
    entries: performance.getEntries(),
    history: history.state,
    name: window.name,
    html: document.documentElement.outerHTML,
  });
}

/** By every way a script has to write a cookie. */
async function overwriteCookie(name) {
  document.cookie = `${name}=mine; Secure; Path=/`;
  document.cookie = `${name}=; Secure; Path=/; Max-Age=0`;
  await cookieStore.set({ name, value: 'mine' }).catch(() => {});
  await cookieStore.delete({ name }).catch(() => {});
}

/** Runs `code` in a frame whose origin is none. */
function runSandboxed(code) {
  const frame = document.createElement('iframe');
  frame.sandbox = 'allow-scripts allow-forms';
  frame.srcdoc = `<body><script>${code}</script></body>`;
  document.body.append(frame);
}

/** What such a frame finds in `document.cookie`. */
function cookieInSandbox() {
  return new Promise((resolve) => {
    window.addEventListener('message', ({ data }) => resolve(data), { once: true });
    runSandboxed(`
      let found = 'refused';
      try { found = document.cookie; } catch {}
      parent.postMessage(found, '*');
    `);
  });
}

/* For the tests to call. */
Object.assign(globalThis, {
  post,
  postText,
  statusOf,
  postByXhr,
  everythingInReach,
  overwriteCookie,
  runSandboxed,
  cookieInSandbox,
});
