/** Keys that several statements want to stop, and batches that wait while admins change the policy. */
import { createHash, X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { OpenKey } from '../../enclave/core/key-ring.ts';
import { NO_SIGNER } from '../../enclave/core/signing-key.ts';
import { MAX_BATCH_ITEMS, MAX_BATCH_ITEMS_SIGNING } from '../../enclave/wire/limits.ts';
import type { SignBatchResult } from '../../enclave/wire/gen/sealwright/v1/signing.ts';
import { MTLS_CALLER, requestOf, World } from '../support/fakes/world.ts';
import { applyPolicy, nextPolicy } from '../support/statements.ts';

const MESSAGE = { message: Buffer.from('a message') };

test('a key that two statements stop goes on when neither does any more', () => {
  const key = new OpenKey({ state: 'active' } as OpenKey['record'], 'kid', NO_SIGNER);
  const stayForFirst = key.leave('suspended');
  const stayForSecond = key.leave('compromised');
  stayForFirst();
  stayForFirst();
  expect(key.state).toBe('compromised');
  stayForSecond();
  expect(key.state).toBe('active');
});

test('a batch that waits is decided for its caller by the policy that is in force at its turn', async () => {
  const world = new World('denied while it waits');
  const running = await world.begin({
    h: { algorithm: 'ES256', residency: 'hsm' },
    a: { algorithm: 'ES256', residency: 'enclave' },
  });
  let go: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (go = resolve));
  world.tokens.delay = () => gate;
  const request = (ring: string) => () => requestOf(ring, MESSAGE);
  const slow = Array.from({ length: MAX_BATCH_ITEMS_SIGNING / MAX_BATCH_ITEMS }, () =>
    running.signBatch(Array.from({ length: MAX_BATCH_ITEMS }, request('h'))),
  );
  const waiting = running.signBatch(Array.from({ length: 4 }, request('a')));
  const [leaf] = MTLS_CALLER.certificates.map((der) => new X509Certificate(der));
  const spki = leaf?.publicKey.export({ format: 'der', type: 'spki' }) ?? Buffer.alloc(0);
  const denied = createHash('sha256').update(spki).digest('hex');
  const call = (method: string, body: Uint8Array) => running.call(method, body);
  await applyPolicy(call, await nextPolicy(call, { deniedKeys: [denied] }));
  go();
  const { results } = await waiting;
  const reasonOf = ({ outcome }: SignBatchResult): string =>
    outcome?.$case === 'refused' ? outcome.value.reason : 'signed';
  expect(results.map(reasonOf)).toEqual(Array<string>(4).fill('CALLER_UNAUTHENTICATED'));
  await Promise.all(slow);
});
