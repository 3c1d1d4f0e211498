import { Agent, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Controller, Get, UseGuards, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { GuardUnderTest } from './guards.js';
import { interleave, ratio, spread, type Contender, type Effort } from './measure.js';
import { formatTable } from './table.js';

const IN_FLIGHT = 16;

/** Prints how many requests a second Express answers behind each guard: for orientation, as client and server share a process. */
export async function benchWholeRequests(guards: readonly GuardUnderTest[], effort: Effort): Promise<void> {
  const contenders = await Promise.all(guards.map(openServer));
  try {
    const samples = await interleave(contenders, IN_FLIGHT, effort);
    const none = samples.get(contenders[0]!)!;
    const lines = [...samples].map(([{ name }, own]) => {
      const rate = spread(own.map((one) => one.rate));
      const cpu = spread(own.map((one) => one.cpu)).median.toFixed(0);
      return [
        name,
        rate.median.toFixed(0),
        `(${rate.min.toFixed(0)}..${rate.max.toFixed(0)})`,
        ratio(own, none).median.toFixed(2),
        cpu,
      ];
    });
    console.log(
      `Whole requests on Express, ${IN_FLIGHT} in flight, client and server in one process: for orientation`,
    );
    console.log(formatTable([['', 'per second', '', '× no guard', 'CPU µs each'], ...lines]));
  } finally {
    for (const contender of contenders) await contender.close();
  }
}

async function openServer(tested: GuardUnderTest): Promise<Contender> {
  const app = await serve(tested);
  const { port } = app.getHttpServer().address() as AddressInfo;
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });
  let next = 0;
  return {
    name: tested.name,
    once: () => get(port, agent, tested.tokens[next++ % tested.tokens.length]!),
    close: async () => {
      agent.destroy();
      await app.close();
    },
  };
}

async function serve({ guard }: GuardUnderTest): Promise<INestApplication> {
  class MeController {
    me(): string {
      return 'ok';
    }
  }
  // By hand, as tsx emits no decorator metadata.
  Controller()(MeController);
  Get('me')(MeController.prototype, 'me', Object.getOwnPropertyDescriptor(MeController.prototype, 'me')!);
  UseGuards(guard)(MeController);
  class ServerModule {}
  const app = await NestFactory.create(
    { module: ServerModule, controllers: [MeController] },
    { logger: false },
  );
  await app.listen(0, '127.0.0.1');
  return app;
}

function get(port: number, agent: Agent, token: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const sent = request({ port, host: '127.0.0.1', path: '/me', agent, headers }, (response) => {
      response.resume().on('end', () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`A good token was answered ${response.statusCode}`));
      });
    });
    sent.on('error', reject).end();
  });
}
