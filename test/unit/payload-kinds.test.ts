import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { RingScope } from '../../enclave/wire/policy/ring.ts';
import { toBeSigned } from '../../enclave/payload/payload.ts';
import { ALGORITHMS, algorithmRow, type AlgorithmName } from '../../enclave/wire/algorithm.ts';
import { toHex } from '../../enclave/wire/bytes.ts';
import { SignRequest } from '../../enclave/wire/gen/sealwright/v1/signing.ts';
import { MAX_MESSAGE_BYTES, MAX_REQUEST_BYTES } from '../../enclave/wire/limits.ts';
import { signRequest } from '../support/fakes/world.ts';
import '../support/matchers.ts';

const names = Object.keys(ALGORITHMS) as AlgorithmName[];

const scope = (algorithm: AlgorithmName, payloadKind: RingScope['payloadKind']): RingScope => ({
  name: 'ring',
  algorithm,
  residency: 'enclave',
  payloadKind,
  maxBytes: MAX_MESSAGE_BYTES,
  lowestRank: 'mtls',
});

const digestRequest = (digest: Uint8Array): SignRequest =>
  SignRequest.decode(signRequest('ring', { digest }));
const messageRequest = (message: Uint8Array): SignRequest =>
  SignRequest.decode(signRequest('ring', { message }));

describe('payload digest', () => {
  test.each(names.filter((name) => 'digestBytes' in ALGORITHMS[name]))(
    'has exactly the length of the hash of %s',
    async (name) => {
      const row = algorithmRow(name);
      const right = 'digestBytes' in row ? row.digestBytes : 0;
      const digest = new Uint8Array(right).fill(1);
      expect(toBeSigned(digestRequest(digest), scope(name, 'digest'))).toEqual({
        digest,
        message: undefined,
      });
      for (const length of [0, 1, 20, 31, 32, 33, 47, 48, 49, 63, 64, 65, 1000]) {
        if (length === right) continue;
        const request = digestRequest(new Uint8Array(length));
        await expect(() => toBeSigned(request, scope(name, 'digest'))).toRefuseWith(
          'DIGEST_LENGTH_MISMATCH',
          { field: 'digest', expectedBytes: String(right), actualBytes: String(length) },
        );
      }
    },
  );

  test.each(['EdDSA', 'ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'] as const)(
    'is not signed by %s, even if a ring said so',
    async (name) => {
      const request = digestRequest(new Uint8Array(64));
      await expect(() => toBeSigned(request, scope(name, 'digest'))).toRefuseWith(
        'PAYLOAD_KIND_MISMATCH',
      );
    },
  );
});

describe('payload message', () => {
  test.each(names)('is hashed inside for %s, or kept whole', (name) => {
    const message = new Uint8Array(1000).fill(3);
    const row = algorithmRow(name);
    const input = toBeSigned(messageRequest(message), scope(name, 'message'));
    expect(input.message).toEqual(message);
    const digest = 'hash' in row ? createHash(row.hash).update(message).digest('hex') : undefined;
    expect(input.digest === undefined ? undefined : toHex(input.digest)).toBe(digest);
  });

  test('may be empty', () => {
    const input = toBeSigned(messageRequest(new Uint8Array(0)), scope('ES256', 'message'));
    expect(input.message).toHaveLength(0);
  });

  test('may have 60 KiB, in a request below its limit, and no byte more', async () => {
    const largest = signRequest('r'.repeat(64), { message: new Uint8Array(MAX_MESSAGE_BYTES) });
    expect(MAX_MESSAGE_BYTES).toBe(61_440);
    expect(largest.byteLength).toBeLessThan(MAX_REQUEST_BYTES);
    const fits = toBeSigned(SignRequest.decode(largest), scope('ES256', 'message'));
    expect(fits.message).toHaveLength(MAX_MESSAGE_BYTES);
    const above = messageRequest(new Uint8Array(MAX_MESSAGE_BYTES + 1));
    await expect(() => toBeSigned(above, scope('ES256', 'message'))).toRefuseWith(
      'MESSAGE_TOO_LARGE',
      {
        field: 'message',
        limitBytes: String(MAX_MESSAGE_BYTES),
        actualBytes: String(MAX_MESSAGE_BYTES + 1),
      },
    );
  });
});

describe('a payload', () => {
  test('of the other kind is refused', async () => {
    const digest = digestRequest(new Uint8Array(32));
    await expect(() => toBeSigned(digest, scope('ES256', 'message'))).toRefuseWith(
      'PAYLOAD_KIND_MISMATCH',
      { ring: 'ring', expected: 'message', actual: 'digest' },
    );
    const message = messageRequest(new Uint8Array(32));
    await expect(() => toBeSigned(message, scope('ES256', 'digest'))).toRefuseWith(
      'PAYLOAD_KIND_MISMATCH',
      { ring: 'ring', expected: 'digest', actual: 'message' },
    );
  });

  test('that is missing is refused', async () => {
    const none = SignRequest.decode(signRequest('ring', {}));
    await expect(() => toBeSigned(none, scope('ES256', 'message'))).toRefuseWith(
      'REQUEST_MALFORMED',
      { field: 'payload' },
    );
  });
});
