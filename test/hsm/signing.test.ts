import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Token, TokenKey, TokenObject } from '../../enclave/ports.ts';
import { algorithmRow, ALGORITHMS, type AlgorithmName } from '../../enclave/wire/algorithm.ts';
import { inputFor, verifies } from '../support/softhsm-raw.ts';
import { SoftHsm, softhsmIsMissing } from '../support/softhsm.ts';

const NAMES = Object.keys(ALGORITHMS) as AlgorithmName[];
const HSM_ALGORITHMS = NAMES.filter((name) => algorithmRow(name).residencies.includes('hsm'));

describe.skipIf(softhsmIsMissing())('signing on a token', () => {
  let hsm: SoftHsm;
  const born = new Map<AlgorithmName, { key: TokenKey; object: TokenObject }>();
  let token: Token;

  beforeAll(async () => {
    hsm = new SoftHsm();
    token = await hsm.open(await hsm.initialise(), { size: 2 });
    for (const algorithm of HSM_ALGORITHMS) {
      const id = Uint8Array.from(randomBytes(16));
      const label = `ring-${algorithm}/1/7`;
      const { publicKey, object } = await token.generateKeyPair({ id, label, algorithm });
      born.set(algorithm, { key: { id, algorithm, publicKey }, object });
    }
  });
  afterAll(() => hsm.dispose());

  const keyOf = (algorithm: AlgorithmName): TokenKey => {
    const found = born.get(algorithm);
    if (found === undefined) throw new Error(`no key for ${algorithm}`);
    return found.key;
  };

  it.each(HSM_ALGORITHMS)(
    '%s verifies under the key that was returned at birth',
    async (algorithm) => {
      const key = keyOf(algorithm);
      for (const message of [randomBytes(1), randomBytes(1_000), randomBytes(60 * 1024)]) {
        const signature = await token.sign(key, inputFor(algorithm, message));
        expect(verifies(algorithm, key.publicKey, message, signature)).toBe(true);
        expect(
          verifies(algorithm, key.publicKey, Buffer.concat([message, message]), signature),
        ).toBe(false);
      }
    },
  );

  it.each(['RS256', 'PS384', 'EdDSA'] as const)(
    '%s is accepted by the openssl program',
    async (algorithm) => {
      const key = keyOf(algorithm);
      const message = randomBytes(500);
      const signature = await token.sign(key, inputFor(algorithm, message));
      const path = (name: string): string => join(hsm.folder, `${algorithm}.${name}`);
      const input = algorithm === 'EdDSA' ? message : inputFor(algorithm, message);
      writeFileSync(path('pub'), key.publicKey);
      writeFileSync(path('sig'), signature);
      writeFileSync(path('in'), input);
      const options = {
        RS256: ['-pkeyopt', 'digest:sha256'],
        PS384: [
          '-pkeyopt',
          'digest:sha384',
          '-pkeyopt',
          'rsa_padding_mode:pss',
          '-pkeyopt',
          'rsa_pss_saltlen:48',
        ],
        EdDSA: ['-rawin'],
      }[algorithm];
      const output = execFileSync('openssl', [
        'pkeyutl',
        '-verify',
        '-pubin',
        '-keyform',
        'DER',
        '-inkey',
        path('pub'),
        '-sigfile',
        path('sig'),
        '-in',
        path('in'),
        ...options,
      ]);
      expect(output.toString()).toContain('Signature Verified Successfully');
    },
  );

  it.each(HSM_ALGORITHMS)('%s: the key was born as PROTOCOLS demands', (algorithm) => {
    const object = born.get(algorithm)?.object;
    expect(object?.kind).toBe('private-key');
    expect(object?.label).toBe(`ring-${algorithm}/1/7`);
    expect(object?.id).toEqual(keyOf(algorithm).id);
    expect(object?.attributes).toMatchObject({
      TOKEN: true,
      PRIVATE: true,
      SENSITIVE: true,
      SIGN: true,
      LOCAL: true,
      ALWAYS_SENSITIVE: true,
      NEVER_EXTRACTABLE: true,
      EXTRACTABLE: false,
      MODIFIABLE: false,
      COPYABLE: false,
      UNWRAP: false,
      DECRYPT: false,
      DERIVE: false,
    });
    expect(object?.attributes['WRAP']).toBeUndefined();
  });

  it('names the mechanism that is missing', () => {
    for (const algorithm of NAMES) {
      const missing = HSM_ALGORITHMS.includes(algorithm) ? undefined : 'CKM_ML_DSA_KEY_PAIR_GEN';
      expect(token.missingMechanism(algorithm)).toBe(missing);
    }
  });

  it.each(HSM_ALGORITHMS.filter((name) => name !== 'EdDSA'))(
    '%s refuses a digest of a wrong length',
    async (algorithm) => {
      const row = algorithmRow(algorithm);
      const right = 'digestBytes' in row ? row.digestBytes : 0;
      for (const length of [0, right - 1, right + 1]) {
        await expect(token.sign(keyOf(algorithm), randomBytes(length))).rejects.toMatchObject({
          kind: 'request-refused',
        });
      }
    },
  );

  it('never signs under another key than the recorded one', async () => {
    for (const algorithm of ['ES256', 'RS256', 'EdDSA'] as const) {
      const id = Uint8Array.from(randomBytes(16));
      const other = await token.generateKeyPair({ id, label: 'other', algorithm });
      const swapped: TokenKey = { ...keyOf(algorithm), id, publicKey: keyOf(algorithm).publicKey };
      expect(other.publicKey).not.toEqual(swapped.publicKey);
      await expect(token.sign(swapped, inputFor(algorithm, randomBytes(9)))).rejects.toMatchObject({
        kind: 'object-altered',
      });
    }
  });

  it.each([
    ['a key of another algorithm', () => ({ ...keyOf('ES256'), algorithm: 'ES384' as const })],
    ['an RSA key as ECDSA', () => ({ ...keyOf('RS256'), algorithm: 'ES256' as const })],
    ['no public key at all', () => ({ ...keyOf('ES256'), publicKey: new Uint8Array(0) })],
    [
      'an algorithm without residency hsm',
      () => ({ ...keyOf('ES256'), algorithm: 'ML-DSA-44' as const }),
    ],
  ])('refuses %s', async (_name, makeKey) => {
    const key = makeKey();
    const row = algorithmRow(key.algorithm);
    const input = randomBytes('digestBytes' in row ? row.digestBytes : 32);
    await expect(token.sign(key, input)).rejects.toMatchObject({ kind: 'request-refused' });
  });

  it('refuses to make a key for an algorithm without residency hsm', async () => {
    const id = randomBytes(16);
    await expect(
      token.generateKeyPair({ id, label: 'x', algorithm: 'ML-DSA-65' }),
    ).rejects.toMatchObject({
      kind: 'request-refused',
    });
  });
});
