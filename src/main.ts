import { AppModule } from './app.module.js';
import { migrate } from './database/data-source.js';
import { demoDataDirectory, resolveDatabaseUrl } from './database/database-url.js';
import { listen, run } from './listen.js';
import { readSettings } from './settings.js';
import { welcome } from './welcome.js';

run(async () => {
  const settings = readSettings(process.env);
  const database = await resolveDatabaseUrl(process.env, { dataDirectory: demoDataDirectory });
  await migrate(database.url);
  console.log(welcome(await listen(AppModule.create(settings, database.url), settings)));
});
