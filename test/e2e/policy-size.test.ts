/** A policy as large as one may be, from a client to the enclave's records and back after a boot. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toHex } from '../../enclave/wire/bytes.ts';
import { MAX_POLICY_BYTES } from '../../enclave/wire/limits.ts';
import {
  canonicalize,
  parseSignedJson,
  type SignedJson,
  type SignedJsonObject,
} from '../../enclave/wire/signed-json.ts';
import { statePaths } from '../../src/supervisor/state-folder.ts';
import { ensureSshAdmin } from '../../src/simulator/ssh-admin.ts';
import { approvalsOf, nextPolicyOf } from '../support/statements.ts';
import { startStack, until, type Stack } from '../support/stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(async () => {
  await stack.stop();
});

/** Callers that nobody is, until the document has no room for another. */
function filled(document: Uint8Array): Uint8Array {
  const policy = parseSignedJson(document, MAX_POLICY_BYTES) as SignedJsonObject;
  const callers = [...(policy['callers'] as SignedJson[])];
  const one = (i: number) => ({
    name: `caller-${String(i).padStart(57, '0')}`,
    kind: 'key',
    publicKey: i.toString(16).padStart(64, '0'),
  });
  const each = canonicalize(one(0)).byteLength + 1;
  const room = MAX_POLICY_BYTES - document.byteLength;
  for (let i = 0; i < Math.floor(room / each); i += 1) callers.push(one(i));
  return canonicalize({ ...policy, callers });
}

test('is applied, decides, and is there after a kill', async () => {
  const client = stack.client();
  const admin = ensureSshAdmin(statePaths(stack.state).admin, 'dev');
  try {
    const { document: now } = await client.getPolicy();
    const clusterId = toHex((await client.getStatus()).clusterId);
    const document = filled(nextPolicyOf(now, clusterId));
    expect(document.byteLength).toBeGreaterThan(0.99 * MAX_POLICY_BYTES);
    const startedMs = performance.now();
    const { version } = await client.applyPolicy(
      document,
      approvalsOf('policy', document, [admin]),
    );
    expect(version).toBe(2n);
    // Everybody waits while it is read.
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    expect(Buffer.from((await client.getPolicy()).document).equals(document)).toBe(true);
    process.kill(stack.pid('enclave'), 'SIGKILL');
    const isKept = async (): Promise<boolean> =>
      Buffer.from((await client.getPolicy()).document).equals(document);
    await until(() => isKept().catch(() => false), 60_000);
  } finally {
    client.close();
  }
});
