import { Body, Controller, Post, UseGuards } from '@nestjs/common';
import {
  ClientGuard,
  CurrentClient,
  RefreshGuard,
  Rotated,
  TokenResponse,
  TokenService,
  type Client,
  type TokenPair,
} from 'nestjs-token-family';
import { send } from '../support/http.js';
import { onBothAdapters } from '../support/on-both-adapters.js';
import {
  BACKEND,
  basicOf,
  CHALLENGE,
  INVALID_CLIENT,
  OAuth,
  oauthSettings,
  PARTNER,
  REPORTS,
  WEB,
} from './fixture.js';

const LOGIN = { username: 'alice', password: 'wonderland' };

@Controller()
class LoginController {
  constructor(private readonly tokens: TokenService) {}

  @Post('login')
  @UseGuards(ClientGuard)
  @TokenResponse()
  login(@CurrentClient() client: Client, @Body() body: { username: string }): Promise<TokenPair> {
    return this.tokens.issue(body.username, { clientId: client.id });
  }

  @Post('whoami')
  @UseGuards(RefreshGuard)
  whoami(@CurrentClient() client: Client, @Rotated() { subject }: TokenPair): object {
    return { client, subject };
  }
}

onBothAdapters({ ...oauthSettings, controllers: [LoginController] }, (fixture) => {
  const oauth = new OAuth(fixture);
  const login = (fields: object, headers: Record<string, string> = {}) =>
    send(`${fixture.node.url}/login`, { json: { ...LOGIN, ...fields }, headers });

  test.each<[string, object, Record<string, string>, string]>([
    ['the default client, where none is named', {}, {}, 'default'],
    ['a public client that names itself', WEB, {}, 'web'],
    ['a client that authenticates in the body', BACKEND, {}, 'backend'],
    ['a client that authenticates by Basic', {}, basicOf(BACKEND), 'backend'],
  ])('a login is of %s, which alone can refresh it', async (_, fields, headers, clientId) => {
    const answer = await login(fields, headers);
    expect(answer.status).toBe(200);
    const token = answer.body['refresh_token'];
    expect((await oauth.refresh(token, PARTNER)).body['error']).toBe('invalid_grant');
    const client = clientId === 'backend' ? BACKEND : { client_id: clientId };
    expect((await oauth.refresh(token, client)).status).toBe(200);
  });

  test.each<[string, object, Record<string, string>]>([
    ['an unknown client', { client_id: 'nobody' }, {}],
    ['a client without its secret', { client_id: 'backend' }, {}],
    ['a client with another secret', { ...BACKEND, client_secret: PARTNER.client_secret }, {}],
    ['a public client with a secret', { ...WEB, client_secret: BACKEND.client_secret }, {}],
    ['a secret without an id', { client_secret: BACKEND.client_secret }, {}],
    ['a resource server by Basic', {}, basicOf(REPORTS)],
    ['an unknown client beside an access token', { client_id: 'nobody' }, { authorization: 'Bearer x' }],
  ])('%s is told so before the handler runs', async (_, fields, headers) => {
    const before = await oauth.rows();
    const answer = await login(fields, headers);
    expect([answer.status, answer.body]).toEqual([401, INVALID_CLIENT]);
    const isBasic = headers['authorization']?.startsWith('Basic') === true;
    expect(answer.headers.get('www-authenticate')).toBe(isBasic ? CHALLENGE : null);
    expect(await oauth.rows()).toEqual(before);
  });

  test('a client_id that is no text is an invalid request', async () => {
    for (const client_id of [1, ['web'], { id: 'web' }]) {
      expect((await login({ client_id })).body['error']).toBe('invalid_request');
    }
  });

  test('behind RefreshGuard the client is the one that has refreshed', async () => {
    const { refreshToken } = await oauth.login('backend');
    const json = { refresh_token: refreshToken };
    const url = `${fixture.node.url}/whoami`;
    expect((await send(url, { json })).body['error']).toBe('invalid_grant');
    expect((await send(url, { json, headers: basicOf(BACKEND) })).body).toEqual({
      client: { id: 'backend', isConfidential: true },
      subject: 'alice',
    });
  });
});
