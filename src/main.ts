import { corsOptions } from 'nestjs-token-family';
import { AppModule } from './app.module.js';
import { migrate } from './database/data-source.js';
import { demoDataDirectory, resolveDatabaseUrl } from './database/database-url.js';
import { serveDocs } from './docs/serve-docs.js';
import { listen, run } from './listen.js';
import { readSettings } from './settings.js';
import { welcome } from './welcome.js';

run(async () => {
  const settings = readSettings(process.env);
  const database = await resolveDatabaseUrl(process.env, { dataDirectory: demoDataDirectory });
  await migrate(database.url);
  const cors = settings.origins.length > 0 ? corsOptions(settings.origins) : undefined;
  console.log(welcome(await listen(AppModule.create(settings, database.url), settings, cors, serveDocs)));
});
