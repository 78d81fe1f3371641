import { describe, expect, test } from 'vitest';
import {
  bootKey,
  claimedVersion,
  enclaveKeyHmacInput,
  enclaveKeySealKey,
  rootHmacInput,
  rootSealKey,
  seal,
  sealedAad,
  SealError,
  typeKey,
  unseal,
  type RecordName,
} from '../../enclave/core/sealing.ts';
import { toHex, utf8 } from '../../enclave/wire/bytes.ts';
import { SeededEntropy } from '../support/fakes/entropy.ts';
import { bitFlips, outputOf, readVectors, truncations, type VectorOf } from '../support/vectors.ts';

type Input = Readonly<Record<string, string | number>>;
type Vector = VectorOf<Input, Readonly<Record<string, string>>>;

const vectors: readonly Vector[] = readVectors('sealing.json');
const withFlag = (flag: string | undefined): readonly Vector[] =>
  vectors.filter((vector) => vector.flags[0] === flag);
const field = (input: Input, name: string): Uint8Array =>
  Uint8Array.from(Buffer.from(String(input[name]), 'hex'));
const nameOf = (input: Input): RecordName => ({
  type: String(input['type']),
  id: String(input['id']),
  version: BigInt(input['version'] ?? 0),
});

describe('vectors', () => {
  test.each(withFlag(undefined))('$id: $comment', (vector) => {
    const { input } = vector;
    const cluster = field(input, 'clusterId');
    const salt = field(input, 'salt');
    const name = nameOf(input);
    const sealed = seal(field(input, 'key'), cluster, name, field(input, 'plaintext'), {
      bytes: () => salt,
    });
    const output = outputOf(vector);
    expect(toHex(sealedAad(cluster, name))).toBe(output['aad']);
    expect(toHex(sealed)).toBe(output['sealed']);
    expect(toHex(unseal(field(input, 'key'), cluster, name, sealed))).toBe(input['plaintext']);
  });

  test.each(withFlag('unseal'))('$id: $comment', ({ input }) => {
    expect(() =>
      unseal(field(input, 'key'), field(input, 'clusterId'), nameOf(input), field(input, 'sealed')),
    ).toThrow(SealError);
  });

  test.each(withFlag('derive'))('$id: $comment', (vector) => {
    const { input } = vector;
    const cluster = field(input, 'clusterId');
    const derivations: Readonly<Record<string, () => Uint8Array>> = {
      boot: () => bootKey(field(input, 'secret'), cluster),
      'root-hmac': () => rootHmacInput(cluster, Number(input['generation'])),
      root: () => rootSealKey(field(input, 'secret'), field(input, 'mac'), cluster),
      type: () => typeKey(field(input, 'rootKey'), cluster, String(input['type'])),
      'enclave-key-hmac': () =>
        enclaveKeyHmacInput(cluster, String(input['ring']), Number(input['version'])),
      'enclave-key': () => enclaveKeySealKey(field(input, 'typeKey'), field(input, 'mac'), cluster),
    };
    const derived = derivations[String(input['derive'])]?.();
    const output = outputOf(vector);
    expect(derived === undefined ? '' : toHex(derived)).toBe(output['key'] ?? output['data']);
  });
});

describe('a sealed record', () => {
  const entropy = new SeededEntropy('sealing');
  const key = entropy.bytes(32);
  const cluster = entropy.bytes(32);
  const name: RecordName = { type: 'key', id: 'a/1', version: 5n };
  const sealed = seal(key, cluster, name, utf8('plaintext'), entropy);

  test('opens as itself', () => {
    expect(unseal(key, cluster, name, sealed)).toEqual(utf8('plaintext'));
    expect(claimedVersion(sealed)).toBe(5n);
  });

  test('does not open when it is cut anywhere', () => {
    for (const cut of truncations(sealed)) {
      expect(() => unseal(key, cluster, name, cut)).toThrow(SealError);
    }
  });

  test('does not open when one bit is another', () => {
    for (const flipped of bitFlips(sealed)) {
      expect(() => unseal(key, cluster, name, flipped)).toThrow(SealError);
    }
  });

  test('does not open under a key with one bit changed', () => {
    for (const flipped of bitFlips(key)) {
      expect(() => unseal(flipped, cluster, name, sealed)).toThrow(SealError);
    }
  });

  test('is never the same twice', () => {
    expect(seal(key, cluster, name, utf8('plaintext'), entropy)).not.toEqual(sealed);
  });

  test('opens from the middle of a larger buffer', () => {
    const larger = new Uint8Array(sealed.byteLength + 20).fill(0xee);
    larger.set(sealed, 7);
    const view = larger.subarray(7, 7 + sealed.byteLength);
    expect(unseal(key, cluster, name, view)).toEqual(utf8('plaintext'));
  });

  test('claims no version when it is too short or of another format', () => {
    expect(claimedVersion(new Uint8Array(57))).toBeUndefined();
    expect(claimedVersion(sealed.map((byte, i) => (i === 0 ? 1 : byte)))).toBeUndefined();
  });
});

describe('keys', () => {
  const entropy = new SeededEntropy('keys');
  const [secret, mac, cluster, other] = [32, 32, 32, 32].map((n) => entropy.bytes(n)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];

  test('differ by purpose, cluster, type, generation, ring and version', () => {
    const all = [
      bootKey(secret, cluster),
      bootKey(secret, other),
      bootKey(other, cluster),
      rootSealKey(secret, mac, cluster),
      rootSealKey(mac, secret, cluster),
      rootSealKey(secret, other, cluster),
      rootSealKey(secret, mac, other),
      typeKey(secret, cluster, 'key'),
      typeKey(secret, cluster, 'policy'),
      typeKey(secret, other, 'key'),
      enclaveKeySealKey(secret, mac, cluster),
      rootHmacInput(cluster, 1),
      rootHmacInput(cluster, 2),
      rootHmacInput(other, 1),
      enclaveKeyHmacInput(cluster, 'a', 1),
      enclaveKeyHmacInput(cluster, 'a', 2),
      enclaveKeyHmacInput(cluster, 'b', 1),
      enclaveKeyHmacInput(other, 'a', 1),
    ].map(toHex);
    expect(new Set(all).size).toBe(all.length);
  });

  test('of a ring can not be moved into its version', () => {
    const a = toHex(enclaveKeyHmacInput(cluster, 'a', 0x62000000));
    expect(a).not.toBe(toHex(enclaveKeyHmacInput(cluster, 'ab', 0)));
  });
});
