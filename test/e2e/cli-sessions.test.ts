/** Commands that sign with rings which believe no host: each opens a session of its own, and ends it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MAX_SESSIONS_OF_PRINCIPAL } from '../../enclave/wire/limits.ts';
import { startStack, type Finished, type Stack } from '../support/stack.ts';

let stack: Stack;
let folder: string;
const path = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sw-cli-sessions-'));
  writeFileSync(path('a'), 'a file');
  writeFileSync(path('b'), 'another file');
  stack = await startStack();
});
afterAll(async () => {
  await stack.stop();
  rmSync(folder, { recursive: true, force: true });
});

const sign = (ring: string, out: string, ...more: readonly string[]): Promise<Finished> =>
  stack.run(['sign', '--ring', ring, '--in', path('a'), '--out', path(out), '--json', ...more]);

/** Another certificate of the state folder. */
function as(client: string): readonly string[] {
  const { address, ca, cert } = stack.ready;
  const pem = (ending: string): string => join(dirname(cert), `client-${client}.${ending}`);
  const reference = join(stack.state, 'reference.json');
  const identity = ['--address', address, '--ca', ca, '--cert', pem('pem'), '--key', pem('key')];
  return [...identity, '--reference', reference];
}

const errorOf = ({ stderr }: Finished): unknown =>
  (JSON.parse(stderr.trim().split('\n').at(-1) ?? '') as { error: unknown }).error;

async function opensslVerifies(ring: string, signature: string, file: string): Promise<string> {
  const { stdout } = await stack.run(['keys', 'export', ring, '--pem']);
  writeFileSync(path('key.pem'), stdout);
  const args = ['dgst', '-sha256', '-verify', path('key.pem'), '-signature', path(signature)];
  return execFileSync('openssl', [...args, path(file)], { encoding: 'utf8' });
}

test.each(['session-enclave', 'signed-enclave'])('sign with %s', async (ring) => {
  const signed = await sign(ring, 'sig', '--receipt', path('receipt'));
  expect(signed.status, signed.stderr).toBe(0);
  expect(await opensslVerifies(ring, 'sig', 'a')).toBe('Verified OK\n');
  const { leaf } = JSON.parse(readFileSync(path('receipt'), 'utf8')) as { leaf: string };
  expect(JSON.parse(leaf)).toMatchObject({ ring, caller: 'dev', rank: 'session' });
});

test('sign with a ring that believes the host, as before', async () => {
  expect((await sign('es256-enclave', 'sig', '--receipt', path('receipt'))).status).toBe(0);
  const { leaf } = JSON.parse(readFileSync(path('receipt'), 'utf8')) as { leaf: string };
  expect(JSON.parse(leaf)).toMatchObject({ caller: 'dev', rank: 'mtls' });
});

test('sign-batch, each file under its own receipt', async () => {
  const files = [path('a'), path('b')];
  const args = ['sign-batch', '--ring', 'session-enclave', '--out', path('out'), ...files];
  const { status, stderr } = await stack.run(args);
  expect(status, stderr).toBe(0);
  expect(await opensslVerifies('session-enclave', 'out/a.sig', 'a')).toBe('Verified OK\n');
  expect(await opensslVerifies('session-enclave', 'out/b.sig', 'b')).toBe('Verified OK\n');
});

test('a caller whom the ring does not name is told so by the enclave', async () => {
  const refused = await sign('session-enclave', 'sig', ...as('guest'));
  expect(refused.status).toBe(70);
  expect(errorOf(refused)).toMatchObject({
    reason: 'SIGNING_POLICY_DENIED',
    metadata: { policyId: 'ring-callers', ring: 'session-enclave' },
  });
});

test('who is no caller gets no session, and learns where to look', async () => {
  const refused = await sign('session-enclave', 'sig', ...as('stranger'));
  expect(refused.status).toBe(70);
  expect(errorOf(refused)).toMatchObject({ reason: 'SESSION_REFUSED' });
});

test('a socket opens none, and its ring is told before a message is sent', async () => {
  const socket = stack.ready.sockets[0] ?? '';
  const reference = join(stack.state, 'reference.json');
  const way = ['--socket', socket, '--reference', reference];
  const refused = await sign('session-enclave', 'sig', ...way);
  expect(refused.status).toBe(70);
  const facts = { ring: 'session-enclave', expected: 'session', actual: 'peer' };
  const metadata = { policyId: 'lowest-rank', ...facts };
  const wayOut: unknown = expect.stringContaining('use a certificate');
  const told = { reason: 'SIGNING_POLICY_DENIED', retryable: false, metadata, wayOut };
  expect(errorOf(refused)).toMatchObject(told);
});

test('a certificate without its key is none', async () => {
  const [, , , , , cert, , key] = as('dev');
  const wrong = as('guest').map((word) => (word.endsWith('guest.key') ? (key ?? '') : word));
  expect([cert, wrong.includes(key ?? '')]).toEqual([stack.ready.cert, true]);
  expect((await sign('session-enclave', 'sig', ...wrong)).status).toBe(64);
});

// A session that nobody ended would keep its place for a minute at least.
test('sessions end with their commands', { timeout: 300_000 }, async () => {
  let left = MAX_SESSIONS_OF_PRINCIPAL + 2;
  const statuses: number[] = [];
  const caller = async (name: string): Promise<void> => {
    while (left > 0) {
      left -= 1;
      statuses.push((await sign('session-enclave', name)).status);
    }
  };
  await Promise.all([caller('one'), caller('two'), caller('three')]);
  expect(new Set(statuses)).toEqual(new Set([0]));
});
