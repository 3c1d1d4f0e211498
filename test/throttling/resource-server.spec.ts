import { Controller, Get, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ThrottlerModule } from '@nestjs/throttler';
import { ResourceServerModule } from 'nestjs-token-family/resource-server';
import { TokenThrottlerGuard } from 'nestjs-token-family/throttler';
import { issuerKey, startIssuer, type FakeIssuer, type IssuerKey } from '../resource-server/issuer.js';
import { serve, type ResourceNode } from '../resource-server/node.js';
import { send } from '../support/http.js';
import { generous, KeptStorage } from './throttled-node.js';

@Controller()
class HereController {
  @Get('here')
  here(): object {
    return {};
  }
}

let issuer: FakeIssuer;
let key: IssuerKey;
let node: ResourceNode;
const storage = new KeptStorage();
beforeAll(async () => {
  issuer = await startIssuer();
  key = await issuerKey();
  issuer.publish(key.jwk);
  const { issuer: name, jwksUri } = issuer;
  @Module({
    imports: [
      ThrottlerModule.forRoot({
        throttlers: generous('family', 'subject', 'address'),
        storage,
        generateKey: (_context, tracker, throttler) => `${throttler} ${tracker}`,
      }),
      ResourceServerModule.forRoot({ issuer: name, audience: 'api', jwksUri }),
    ],
    controllers: [HereController],
    providers: [{ provide: APP_GUARD, useClass: TokenThrottlerGuard }],
  })
  class ThrottledModule {}
  node = await serve(ThrottledModule);
});
afterAll(async () => {
  await node?.close();
  await issuer?.close();
  storage.clear();
});

test('a service that only verifies counts by subject and address', async () => {
  const good = await issuer.token(key);
  const stranger = await issuer.token({ ...(await issuerKey()), kid: key.kid });
  // Whose key is not known yet is verified by the guard that comes later, and counted by subject from then on.
  await node.verifier.verify(good);
  const counted = async (token: string): Promise<string[]> => {
    storage.clear();
    await send(`${node.url}/here`, { headers: { authorization: `Bearer ${token}` } });
    return storage.keys.map((each) => each.replace(/ .*/, '')).toSorted();
  };
  expect(await counted(good)).toEqual(['address', 'subject']);
  expect(await counted(stranger)).toEqual(['address']);
});
