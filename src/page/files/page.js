import { createTokenClient } from '../client/index.js';

const element = (id) => document.getElementById(id);

/** The access token that this tab has got from the server itself: by a login or a refresh. */
let ownToken;
let refreshes = 0;

/** As `fetch`; only a page that wants to show the refreshes has to see them. */
async function watchedFetch(...request) {
  const answer = await fetch(...request);
  if (new URL(answer.url).pathname === '/auth/refresh' && answer.ok) {
    ownToken = (await answer.clone().json()).access_token;
    element('refreshes').textContent = ++refreshes;
  }
  return answer;
}

const client = createTokenClient({ baseUrl: '', fetch: watchedFetch });

client.onSessionChange(({ session, reason }) => {
  note(reason, session);
  show(session);
  // The cookie is another login's, which this tab may now show.
  if (!session && reason === 'replaced') void run(() => client.getSession());
});

/* What is shown */

const WORDS = {
  login: 'Somebody has logged in',
  restored: 'It was there already',
  logout: 'Logged out',
  invalid_grant: 'The server has ended it',
  replaced: 'Another login has taken its place',
};

function note(reason, session) {
  const line = document.createElement('li');
  const time = document.createElement('time');
  time.textContent = new Date().toLocaleTimeString();
  line.append(time, `${WORDS[reason]} (${reason})${session ? `: ${short(session.sid)}` : ''}`);
  element('log').prepend(line);
  element('log-empty').hidden = true;
}

/** The end of it: ids that were made one after the other begin alike. */
function short(sid) {
  return `…${sid.slice(-6)}`;
}

function say(text) {
  element('message').textContent = text;
}

function show(session) {
  element('unknown').hidden = true;
  element('login').hidden = session !== null;
  for (const id of ['user', 'sessions']) element(id).hidden = session === null;
  document.title = session ? 'Logged in · Sessions in tabs' : 'Sessions in tabs';
  if (!session) return;
  say('');
  const sid = document.createElement('span');
  sid.className = 'id';
  sid.textContent = session.sid;
  element('sid').replaceChildren(sid);
  element('name').textContent = '…';
  void run(async () => {
    await showUser();
    await showSessions();
  });
}

async function showUser() {
  const answer = await client.fetch('/me');
  if (!answer.ok) throw new Error(`/me was answered with ${answer.status}`);
  const { name, sid } = await answer.json();
  if (sid === client.session?.sid) element('name').textContent = name;
}

async function showSessions() {
  const answer = await client.fetch('/auth/sessions');
  if (!answer.ok) throw new Error(`/auth/sessions was answered with ${answer.status}`);
  const lines = (await answer.json()).map((session) => {
    const line = document.createElement('li');
    const text = document.createElement('p');
    const begun = new Date(session.issued_at).toLocaleString();
    text.textContent = `${short(session.sid)}, since ${begun}${session.current ? ', this one' : ''}`;
    const end = document.createElement('button');
    end.type = 'button';
    end.textContent = 'End';
    end.setAttribute('aria-label', `End the session ${short(session.sid)}`);
    end.addEventListener('click', () => run(() => endSessions(`/auth/sessions/${session.sid}`), end));
    line.append(text, end);
    return line;
  });
  element('session-list').replaceChildren(...lines);
}

/** @param path of one session, or of all but this one */
async function endSessions(path) {
  await client.fetch(path, { method: 'DELETE' });
  await showSessions();
}

/* The next refresh. When exactly it comes is the client's secret: a thief who knew could ride beside it. */

let seenToken;
let received = 0;
let isLooking = false;

async function showNext() {
  if (!client.session || isLooking || document.visibilityState === 'hidden') return;
  isLooking = true;
  try {
    const token = await client.getAccessToken();
    if (token !== seenToken && token !== ownToken) element('received').textContent = ++received;
    seenToken = token;
    element('next').textContent = nextRefresh(token);
  } catch (error) {
    if (error.code !== 'ERR_NO_SESSION') element('next').textContent = explain(error);
  } finally {
    isLooking = false;
  }
}

function nextRefresh(token) {
  const { iat, exp } = JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
  const margin = Math.min(30, (exp - iat) / 10);
  const latest = exp - margin - Date.now() / 1000;
  return `in ${duration(latest - margin)} to ${duration(latest)}`;
}

function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

setInterval(showNext, 1000);

/* What can be done */

const EXPLANATIONS = {
  ERR_NO_SESSION: 'Nobody is logged in.',
  ERR_UNAVAILABLE: 'The server cannot be reached. Nothing is lost: try again in a moment.',
  ERR_REFUSED: 'The server did not understand: see its log.',
};

function explain(error) {
  return EXPLANATIONS[error.code] ?? error.message;
}

/** Does something, and says so if it fails; a button cannot be pressed meanwhile. */
async function run(action, button) {
  if (button) button.disabled = true;
  try {
    await action();
  } catch (error) {
    // The end of the session has been shown already.
    if (error.code !== 'ERR_NO_SESSION') say(explain(error));
  } finally {
    if (button) button.disabled = false;
  }
}

async function logIn(form) {
  const answer = await fetch('/auth/login', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Token-Carrier': 'cookie' },
    body: JSON.stringify(Object.fromEntries(new FormData(form))),
  });
  if (!answer.ok) {
    const isWrong = answer.status === 400;
    throw new Error(isWrong ? 'Name or password is wrong.' : `The login was answered with ${answer.status}.`);
  }
  const tokens = await answer.json();
  ownToken = tokens.access_token;
  await client.setTokens(tokens);
  form.reset();
}

async function logOut() {
  await client.logout().catch((error) => {
    if (error.code !== 'ERR_UNAVAILABLE') throw error;
    say('Logged out here. The server is told as soon as it can be reached.');
  });
}

element('login-form').addEventListener('submit', (event) => {
  event.preventDefault();
  say('');
  void run(() => logIn(event.target), event.submitter);
});
element('logout').addEventListener('click', () => run(logOut));
element('look').addEventListener('click', ({ target }) => run(showSessions, target));
element('end-others').addEventListener('click', ({ target }) =>
  run(() => endSessions('/auth/sessions'), target),
);
element('ask').addEventListener('click', ({ target }) => run(showUser, target));

void run(async () => {
  if (!(await client.getSession())) show(null);
});
