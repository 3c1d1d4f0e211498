/* What a page of somebody else can try: every way that HTML and its scripts have to make a browser send a request. */

function add(tag, attributes, parent = document.body) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
}

/** Fields that a parser of JSON would take as well, when the form goes as text/plain. */
function formOf(action, enctype, target) {
  const form = add('form', { action, method: 'post', enctype, target });
  if (enctype === 'text/plain')
    add('input', { name: '{"client_id":"token-family","x":"', value: '"}' }, form);
  else add('input', { name: 'x', value: 'y' }, form);
  return form;
}

function submitForm(action, enctype = 'application/x-www-form-urlencoded', target = '_top') {
  formOf(action, enctype, target).submit();
}

function submitIntoFrame(action, enctype) {
  // A name of its own: a frame that is still on its way somewhere may not take another form.
  const name = `frame-${document.forms.length}`;
  add('iframe', { name });
  submitForm(action, enctype, name);
}

function load(tag, url, attributes = {}) {
  const name = { link: 'href', object: 'data' }[tag] ?? 'src';
  add(tag, { ...attributes, [name]: url }, tag === 'link' ? document.head : document.body);
}

/** Its status, or 0 where the page may not know: refused, or opaque. */
function send(url, init = {}) {
  return fetch(url, { method: 'POST', credentials: 'include', ...init }).then(
    ({ status }) => status,
    () => 0,
  );
}

function sendByXhr(url) {
  const xhr = new XMLHttpRequest();
  xhr.open('POST', url);
  xhr.withCredentials = true;
  xhr.send('x=y');
}

function beacon(url, type) {
  return navigator.sendBeacon(url, new Blob(['{"x":"y"}'], { type }));
}

function ping(url) {
  const link = add('a', { href: '#', ping: url });
  link.click();
}

function listen(url) {
  const source = new EventSource(url, { withCredentials: true });
  source.addEventListener('error', () => source.close());
}

/** Runs `code` in a frame whose origin is none: what it sends says `Origin: null`. */
function runSandboxed(code) {
  const frame = document.createElement('iframe');
  frame.sandbox = 'allow-scripts allow-forms';
  frame.srcdoc = `<body><script src="${location.origin}/page.js"></script><script>${code}</script></body>`;
  document.body.append(frame);
}

function writeCookie(text) {
  document.cookie = text;
}

/* For the tests to call. */
Object.assign(globalThis, {
  submitForm,
  submitIntoFrame,
  load,
  send,
  sendByXhr,
  beacon,
  ping,
  listen,
  runSandboxed,
  writeCookie,
});
