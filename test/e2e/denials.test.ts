/** Every denial of a policy, as a caller of `dev` sees it (docs/spec/policy.md, "Decision"). */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { SealwrightClient } from '../../src/client/client.ts';
import { SignerError } from '../../src/client/signer-error.ts';
import type { SignRequest } from '../../src/gen/sealwright/v1/signing.ts';
import { startStack, type Stack } from '../support/stack.ts';

type Payload = NonNullable<SignRequest['payload']>;
const message = (text: string): Payload => ({ $case: 'message', value: { message: utf8(text) } });
const digest = (bytes: number): Payload => ({
  $case: 'digest',
  value: { digest: new Uint8Array(bytes) },
});

describe('a caller of dev', () => {
  let stack: Stack;
  const clients = new Map<string, SealwrightClient>();

  beforeAll(async () => {
    stack = await startStack();
    const pki = dirname(stack.ready.cert);
    for (const name of ['dev', 'guest', 'stranger']) {
      const [ca, cert, key] = ['ca.pem', `client-${name}.pem`, `client-${name}.key`].map((file) =>
        readFileSync(join(pki, file)),
      ) as [Buffer, Buffer, Buffer];
      const { address } = stack.ready;
      clients.set(name, new SealwrightClient({ kind: 'tls', address, ca, cert, key }));
    }
    clients.set('socket', stack.client('socket'));
  });
  afterAll(async () => {
    for (const client of clients.values()) client.close();
    await stack.stop();
  });

  function clientOf(name: string): SealwrightClient {
    const client = clients.get(name);
    if (client === undefined) throw new Error(`no client ${name}`);
    return client;
  }

  async function refusalOf(name: string, ring: string, payload: Payload): Promise<SignerError> {
    const answer: unknown = await clientOf(name)
      .sign({ ring, payload })
      .catch((error: unknown) => error);
    if (answer instanceof SignerError) return answer;
    throw new Error(`${name} was not refused by ${ring}: ${String(answer)}`);
  }

  async function explained(name: string, ring: string, payload: Payload) {
    const bytes = payload.$case === 'digest' ? payload.value.digest : payload.value.message;
    const payloadKind = payload.$case === 'digest' ? 1 : 2;
    return clientOf(name).explain({ ring, payloadKind, payloadBytes: bytes.byteLength });
  }

  test.each([
    ['caller', 'stranger', 'es256-hsm', message('m'), 'SIGNING_POLICY_DENIED'],
    ['ring', 'dev', 'there-is-none', message('m'), 'KEY_NOT_FOUND'],
    ['ring-callers', 'dev', 'guest-enclave', message('m'), 'SIGNING_POLICY_DENIED'],
    ['ring-callers', 'guest', 'es256-hsm', message('m'), 'SIGNING_POLICY_DENIED'],
    ['ring-callers', 'socket', 'es256-hsm', message('m'), 'SIGNING_POLICY_DENIED'],
    ['lowest-rank', 'dev', 'signed-enclave', message('m'), 'SIGNING_POLICY_DENIED'],
    ['lowest-rank', 'dev', 'session-enclave', message('m'), 'SIGNING_POLICY_DENIED'],
    ['payload-kind', 'dev', 'es256-digest-enclave', message('m'), 'PAYLOAD_KIND_MISMATCH'],
    ['payload-limit', 'dev', 'short-enclave', message('seventeen letters'), 'MESSAGE_TOO_LARGE'],
    ['payload-limit', 'dev', 'es256-digest-enclave', digest(31), 'DIGEST_LENGTH_MISMATCH'],
  ] as const)('is told rule %s (%s, %s)', async (policyId, name, ring, payload, reason) => {
    const refusal = await refusalOf(name, ring, payload);
    expect([refusal.reason, refusal.metadata['policyId']]).toEqual([reason, policyId]);
    const { allowed, rule, reason: same, details } = await explained(name, ring, payload);
    expect([allowed, rule, same, details]).toEqual([false, policyId, reason, refusal.metadata]);
  });

  test.each([
    ['dev', 'es256-hsm', 'dev'],
    ['guest', 'guest-enclave', 'guest'],
    ['socket', 'socket-enclave', 'socket-dev'],
    ['dev', 'socket-enclave', 'dev'],
  ])('%s may use %s, and stands in the log as %s', async (name, ring, caller) => {
    const answer = await clientOf(name).sign({ ring, payload: message('m') });
    const leaf: unknown = JSON.parse(Buffer.from(answer.receipt?.leaf ?? []).toString());
    expect(leaf).toMatchObject({ caller });
    expect(await explained(name, ring, message('m'))).toMatchObject({ allowed: true, caller });
  });

  test('is told the limit of a ring, and when to come again', async () => {
    const ring = 'slow-enclave';
    expect(await explained('dev', ring, message('m'))).toMatchObject({
      allowed: true,
      callerPerSecond: 1,
      ringPerSecond: 2,
    });
    const items = [1, 2, 3].map((n) => ({ ring, payload: message(String(n)) }));
    const { results } = await clientOf('dev').signBatch(items);
    const refused = results.flatMap(({ outcome }) =>
      outcome?.$case === 'refused' ? [outcome.value] : [],
    );
    expect(refused.length).toBeGreaterThan(0);
    for (const { reason, metadata } of refused) {
      expect(reason).toBe('RATE_LIMITED');
      expect(metadata).toEqual({ policyId: 'rate', ring, limitPerSecond: '1' });
    }
  });
});
