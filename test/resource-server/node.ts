import type { AddressInfo } from 'node:net';
import { Controller, Get, Module, UseGuards, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  AccessGuard,
  AccessTokenVerifier,
  CurrentUser,
  RequireScope,
  ResourceServerModule,
  Strict,
  type AccessTokenClaims,
  type ResourceServerOptions,
} from 'nestjs-token-family/resource-server';
import type { Adapter } from '../support/node.js';

@Controller()
@UseGuards(AccessGuard)
class ReportsController {
  @Get('me')
  me(@CurrentUser() user: AccessTokenClaims): AccessTokenClaims {
    return user;
  }

  @Get('reports')
  @RequireScope('reports:read')
  reports(): string[] {
    return [];
  }

  @Get('strict')
  @Strict()
  strict(): string[] {
    return [];
  }
}

export interface ResourceNode {
  readonly url: string;
  readonly verifier: AccessTokenVerifier;
  close(): Promise<void>;
}

/** A service that only verifies, on a port of its own. */
export async function startResourceServer(
  options: ResourceServerOptions,
  adapter: Adapter = 'express',
): Promise<ResourceNode> {
  @Module({ imports: [ResourceServerModule.forRoot(options)], controllers: [ReportsController] })
  class ResourceModule {}
  return serve(ResourceModule, adapter);
}

export async function serve(module: Type, adapter: Adapter = 'express'): Promise<ResourceNode> {
  const http = adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
  const app = await NestFactory.create(module, http, { logger: false, abortOnError: false });
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    verifier: app.get(AccessTokenVerifier, { strict: false }),
    close: () => app.close(),
  };
}
