import { DEMO_USERS } from './users/users.service.js';

/** What a newcomer needs to see first: where it listens, whom to log in as, three lines to try. */
export function welcome(url: string): string {
  const [{ username, password } = { username: '', password: '' }] = DEMO_USERS;
  return `
Listening on ${url}
Log in as ${DEMO_USERS.map((user) => `${user.username} / ${user.password}`).join(' or ')}. Three lines to try:

  LOGIN=$(curl -s ${url}/auth/login -d username=${username} -d password=${password}); echo "$LOGIN"
  curl -s ${url}/me -H "Authorization: Bearer ${member('access_token')}"
  curl -s ${url}/auth/refresh -d refresh_token="${member('refresh_token')}"

The last line again within the leeway repeats its answer; later, it is theft, and the session ends.
In a browser, ${url}/ is a page to try in two tabs; all routes are described at ${url}/docs.
`;
}

/** The shell's way to a member of the answer, without a tool that may not be there. */
function member(name: string): string {
  return `$(echo "$LOGIN" | sed 's/.*"${name}":"\\([^"]*\\)".*/\\1/')`;
}
