/** The client library in sessions while processes die and a policy changes: each message is signed, or nothing is. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../enclave/wire/bytes.ts';
import {
  connect,
  parseAppraisalPolicy,
  UnavailableError,
  type ConnectOptions,
  type Sealwright,
  type Signed,
} from '../../src/client/index.ts';
import { parseLeaf, type SignatureLeaf } from '../../src/tlog/leaf.ts';
import { startStack, temporaryFolder, until, type Stack } from '../support/stack.ts';

const RING = 'session-enclave';
const PATIENCE_MS = 60_000;

let stack: Stack;
let service: Sealwright;
let guest: Sealwright;
let temporary: { readonly path: string; readonly remove: () => void };

beforeAll(async () => {
  temporary = temporaryFolder();
  stack = await startStack();
  const { address } = stack.ready;
  const file = (name: string): Buffer => readFileSync(join(dirname(stack.ready.cert), name));
  const reference = readFileSync(join(stack.state, 'reference.json'), 'utf8');
  const optionsOf = (name: string): ConnectOptions => ({
    address,
    trust: parseAppraisalPolicy(JSON.parse(reference)),
    identity: {
      ca: file('ca.pem'),
      cert: file(`client-${name}.pem`),
      key: file(`client-${name}.key`),
    },
    timeoutMs: PATIENCE_MS,
  });
  [service, guest] = await Promise.all([connect(optionsOf('dev')), connect(optionsOf('guest'))]);
});
afterAll(async () => {
  service.close();
  guest.close();
  await stack.stop();
  temporary.remove();
});

function requestIdOf({ receipt }: Signed): string {
  const leaf = parseLeaf(receipt.leaf) as SignatureLeaf;
  return leaf.requestId ?? 'none';
}

/** Signs without a pause while `disturb` happens, and a little longer. */
async function signThroughout(disturb: () => Promise<unknown>): Promise<readonly Signed[]> {
  const signer = service.signer(RING);
  const signed: Signed[] = [];
  let over = false;
  const caller = async (name: number): Promise<void> => {
    for (let n = 0; !over; n += 1) {
      const message = Buffer.from(`message ${String(n)} of ${String(name)}`);
      signed.push(await signer.sign(message, { timeoutMs: PATIENCE_MS }));
    }
  };
  const callers = Promise.all(Array.from({ length: 8 }, (_, name) => caller(name)));
  const more = (): Promise<unknown> => {
    const wanted = signed.length + 50;
    return Promise.race([callers, until(() => signed.length > wanted, PATIENCE_MS)]);
  };
  try {
    await more();
    await disturb();
    await more();
  } finally {
    over = true;
  }
  await callers;
  return signed;
}

/** SIGKILL, and until its successor was started. */
async function kill(name: 'enclave' | 'host'): Promise<void> {
  const pid = stack.pid(name);
  process.kill(pid, 'SIGKILL');
  await until(() => stack.pid(name) !== pid, PATIENCE_MS);
}

describe('while calls are under way', () => {
  it('the enclave is killed: every message is signed, in a session with its successor', async () => {
    const before = toHex(service.attestation.claims.instanceId);
    const signed = await signThroughout(() => kill('enclave'));
    expect(new Set(signed.map(requestIdOf)).size).toBe(signed.length);
    expect(toHex(service.attestation.claims.instanceId)).not.toBe(before);
  });

  it('the host is killed: every message is signed, in the same session', async () => {
    const before = service.session;
    const signed = await signThroughout(() => kill('host'));
    expect(new Set(signed.map(requestIdOf)).size).toBe(signed.length);
    expect(service.session).toEqual(before);
  });
});

describe('a policy', () => {
  const run = async (...args: readonly string[]): Promise<void> => {
    const finished = await stack.run(args);
    expect(finished, finished.stderr).toMatchObject({ status: 0 });
  };

  it('that removes a caller ends its sessions, and leaves those of others', async () => {
    const path = (name: string): string => join(temporary.path, name);
    expect((await guest.signer('guest-enclave').sign(Buffer.from('m'))).ring).toBe('guest-enclave');
    const first = service.session;
    await run('policy', 'show', '--out', path('now.json'));
    const now = JSON.parse(readFileSync(path('now.json'), 'utf8')) as {
      readonly callers: readonly { readonly name: string }[];
      readonly rings: readonly { readonly name: string }[];
    };
    const stays = ['admins', 'threshold', 'noSpareAdmin', 'roots', 'callers', 'rings'] as const;
    const source = {
      ...Object.fromEntries(Object.entries(now).filter(([name]) => stays.some((n) => n === name))),
      callers: now.callers.filter(({ name }) => name !== 'guest'),
      rings: now.rings.map((ring) =>
        ring.name === 'guest-enclave' ? { ...ring, callers: ['dev'] } : ring,
      ),
    };
    writeFileSync(path('next.yaml'), JSON.stringify(source, undefined, 2));
    const context = ['--current', path('now.json'), '--cluster-id', stack.ready.clusterId];
    await run('policy', 'build', path('next.yaml'), ...context, '--out', path('next.json'));
    const key = join(stack.state, 'admin/dev');
    await run('policy', 'approve', path('next.json'), '--current', path('now.json'), '--key', key);
    await run('policy', 'apply', path('next.json'), path('next.json.sig'));

    const error: unknown = await guest
      .signer('guest-enclave')
      .sign(Buffer.from('m'))
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ reason: 'SESSION_REFUSED' });
    expect((await service.signer(RING).sign(Buffer.from('m'))).ring).toBe(RING);
    expect(service.session).toEqual(first);
  });
});
