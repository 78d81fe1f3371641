import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { BESIDE, INSIDE } from '../../src/client/session/ways.ts';
import { SessionTransport } from '../../src/client/session/session-transport.ts';
import type { Transport } from '../../src/client/transport.ts';

const folder = new URL('../../src/gen/sealwright/v1/', import.meta.url);
const modules = (await Promise.all(
  readdirSync(folder).map((name) => import(new URL(name, folder).href)),
)) as Record<string, unknown>[];

/** Before there is a cluster, and what carries sessions and signed calls itself. */
const NEITHER: ReadonlySet<string> = new Set([
  '/sealwright.v1.GenesisService/ProposeGenesis',
  '/sealwright.v1.GenesisService/CommitGenesis',
  '/sealwright.v1.SessionService/OpenSession',
  '/sealwright.v1.SessionService/CallSession',
  '/sealwright.v1.SessionService/StreamSession',
  '/sealwright.v1.SessionService/CallSigned',
]);

const methods = modules
  .flatMap((module) => Object.entries(module).filter(([name]) => name.endsWith('ServiceService')))
  .flatMap(([, service]) => Object.values(service as ServiceDefinition));

const asked: string[] = [];
const host = {
  call: ({ path }: { readonly path: string }) => {
    asked.push(path);
    return Promise.resolve({});
  },
  close: () => Promise.resolve(),
} as unknown as Transport;

describe('each method of the service has one way', () => {
  it('and no other method has any', () => {
    const paths = methods.map(({ path }) => path).toSorted();
    expect([...BESIDE, ...INSIDE, ...NEITHER].toSorted()).toEqual(paths);
  });

  it.each(methods.map((method) => [method.path, method] as const))('%s', async (path, method) => {
    asked.length = 0;
    const opened: string[] = [];
    const sessions = new SessionTransport(host, () => {
      opened.push(path);
      return Promise.reject(new Error('no session here'));
    });
    const error: unknown = await sessions.call(method, {}).catch((reason: unknown) => reason);
    expect(asked).toEqual(BESIDE.has(path) ? [path] : []);
    expect(opened).toEqual(INSIDE.has(path) ? [path] : []);
    expect(error instanceof TypeError).toBe(NEITHER.has(path));
  });
});
