/* An application's page that uses token-family-client: it shows the login, or who is logged in. */

const QUERY = new URLSearchParams(location.search);
const USES_COOKIE = !QUERY.has('web');

/** What the page was told of its session, and what it has shown since: oldest first. */
const changes = [];
const shown = [];

function createClient() {
  const { createTokenClient, webStorage } = tokenFamilyClient;
  const numbers = ['timeout', 'patience'].filter((name) => QUERY.has(name));
  const created = createTokenClient({
    baseUrl: '',
    ...(!USES_COOKIE && { storage: webStorage() }),
    ...Object.fromEntries(numbers.map((name) => [name, Number(QUERY.get(name))])),
  });
  created.onSessionChange(({ session, reason }) => {
    changes.push({ reason, sid: session?.sid ?? null });
    show(session);
  });
  return created;
}

function show(session) {
  const text = session ? `signed in as ${session.sid}` : 'login';
  if (shown.at(-1) === text) return;
  shown.push(text);
  document.body.textContent = text;
}

let client = createClient();

/** Resolves when the page knows whether somebody is logged in; false: it could not find out. */
const started = client.getSession().then(
  (session) => {
    show(session);
    return true;
  },
  () => false,
);

/** @returns the status of the login; the client has its answer */
async function logIn(username, password) {
  const answer = await fetch('/auth/login', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(USES_COOKIE && { 'X-Token-Carrier': 'cookie' }) },
    body: JSON.stringify({ username, password }),
  });
  if (answer.ok) await client.setTokens(await answer.json());
  return answer.status;
}

/**
 * What a request with the access token is answered, or the code of what kept it from being sent.
 *
 * `isStrangers`: it was answered in the name of another session than the one the page has been told of.
 */
async function ask(path = '/me', init = {}) {
  try {
    const answer = await client.fetch(path, init);
    const { name, sid } = await answer.json();
    const isStrangers = answer.ok && sid !== changes.at(-1)?.sid;
    return { status: answer.status, name, sid, ...(isStrangers && { isStrangers }) };
  } catch (error) {
    return { code: error.code ?? String(error) };
  }
}

/** The code a logout rejects with, or that it resolved. */
function logOut() {
  return client.logout().then(
    () => 'confirmed',
    (error) => error.code ?? String(error),
  );
}

/** Refreshes past the client: the status alone. */
async function refreshPastIt(fields = {}) {
  const answer = await fetch('/auth/refresh', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(USES_COOKIE && { 'X-Token-Carrier': 'cookie' }) },
    body: JSON.stringify(fields),
  });
  return answer.status;
}

/** A second client in the same page, as of a component that is mounted twice; the first one is the page's no more. */
function replaceClient() {
  const first = client;
  client = createClient();
  return first;
}

/* For the tests to call. */
Object.assign(globalThis, { changes, shown, started, logIn, ask, logOut, refreshPastIt, replaceClient });
