import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  applyDecorators,
  Controller,
  Get,
  Header,
  NotFoundException,
  Param,
  StreamableFile,
} from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from 'nestjs-token-family';

const PAGE = fileURLToPath(new URL('files', import.meta.url));
const CLIENT_PACKAGE = createRequire(import.meta.url).resolve('token-family-client/package.json');
/** The client as it is published: modules, which a browser loads one by one. */
const CLIENT = join(dirname(CLIENT_PACKAGE), 'dist/esm');

/** In no other directory, and of the client's two doors not the one that needs Node. */
const NAME = /^(?!file\.)[a-z-]+\.(?:js|css|svg)$/;
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Only what comes from here runs; and without the script a form is not sent at all, so no password gets into an address. */
const POLICY = [
  `default-src 'self'`,
  `object-src 'none'`,
  `base-uri 'none'`,
  `form-action 'none'`,
  `frame-ancestors 'none'`,
].join('; ');

function GetFile(path: string): MethodDecorator {
  return applyDecorators(
    Get(path),
    Header('Content-Security-Policy', POLICY),
    Header('Referrer-Policy', 'same-origin'),
    Header('X-Content-Type-Options', 'nosniff'),
    Header('Cache-Control', 'no-cache'),
  );
}

/** A page that uses the client: log in, open it in a second tab, and watch. */
@ApiExcludeController()
@Public()
@Controller()
export class PageController {
  @GetFile('/')
  page(): Promise<StreamableFile> {
    return read(PAGE, 'index.html');
  }

  @GetFile('page/:name')
  part(@Param('name') name: string): Promise<StreamableFile> {
    return read(PAGE, named(name));
  }

  @GetFile('client/:name')
  client(@Param('name') name: string): Promise<StreamableFile> {
    return read(CLIENT, named(name));
  }
}

function named(name: string): string {
  if (!NAME.test(name)) throw new NotFoundException();
  return name;
}

async function read(directory: string, name: string): Promise<StreamableFile> {
  const content = await readFile(join(directory, name)).catch(() => {
    throw new NotFoundException();
  });
  return new StreamableFile(content, { type: TYPES[extname(name)]!, length: content.length });
}
