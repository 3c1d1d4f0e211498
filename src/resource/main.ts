import { listen, run } from '../listen.js';
import { readResourceSettings } from '../settings.js';
import { ResourceModule } from './resource.module.js';

run(async () => {
  const settings = readResourceSettings(process.env);
  const url = await listen(ResourceModule.create(settings), settings);
  console.log(`
Listening on ${url}
Believes access tokens of ${settings.issuer}, with the keys at ${settings.jwksUri}, and has no database.
With the LOGIN of the first application:

  curl -s ${url}/reports -H "Authorization: Bearer $(echo "$LOGIN" | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')"
`);
});
