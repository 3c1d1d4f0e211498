import { demoSecretFile, findSecret } from '../keys/shared-secret.js';
import { listen, run } from '../listen.js';
import { readResourceSettings } from '../settings.js';
import { ResourceModule } from './resource.module.js';

run(async () => {
  const read = readResourceSettings(process.env);
  const secret = read.revocations.secret ?? (await findSecret(demoSecretFile));
  const settings = { ...read, revocations: { ...read.revocations, secret } };
  const url = await listen(ResourceModule.create(settings), settings);
  console.log(`
Listening on ${url}
Believes access tokens of ${settings.issuer}, with the keys at ${settings.jwksUri}, and has no database.
${secret === undefined ? 'Hears of no revocation.' : `Asks ${settings.revocationsUri} which sessions are over.`}
With the LOGIN of the first application:

  curl -s ${url}/reports -H "Authorization: Bearer $(echo "$LOGIN" | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')"
`);
});
