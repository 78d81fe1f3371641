import { describe, expect, test } from 'vitest';
import { policyDigestOf } from '../../enclave/core/cluster.ts';
import {
  clusterIdOf,
  genesisDigest,
  parseGenesisManifest,
} from '../../enclave/core/genesis-manifest.ts';
import { keyId } from '../../enclave/core/key-id.ts';
import { derToP1363, p1363ToDer } from '../../enclave/core/ecdsa-form.ts';
import {
  birthEpochOf,
  encodeKeyRecord,
  keyObjectLabel,
  parseKeyRecord,
  rootSecretLabel,
} from '../../enclave/core/key-record.ts';
import { isHostAsserted, rankNumber } from '../../enclave/wire/policy/ring.ts';
import { seal, typeKey } from '../../enclave/core/sealing.ts';
import {
  encodeBootRecord,
  encodeClusterHint,
  encodeIndex,
  parseBootRecord,
  parseClusterHint,
  parseIndex,
  recordKey,
} from '../../enclave/core/state-index.ts';
import { testPolicy } from '../support/fakes/callers.ts';
import { storeKey } from '../../enclave/core/state.ts';
import { sha256 } from '../../enclave/core/kdf.ts';
import { toHex, utf8 } from '../../enclave/wire/bytes.ts';
import { MAX_MANIFEST_BYTES, MAX_RINGS } from '../../enclave/wire/limits.ts';
import {
  encodeGenesisStatement,
  parseGenesisStatement,
} from '../../enclave/wire/policy/genesis-statement.ts';
import { canonicalize, SignedJsonError, type SignedJson } from '../../enclave/wire/signed-json.ts';
import { manifestOf, ringsOf } from '../support/fakes/world.ts';
import { bitFlips, outputOf, readVectors, thrown, truncations } from '../support/vectors.ts';

const hexBytes = (text: string | undefined): Uint8Array =>
  Uint8Array.from(Buffer.from(text ?? '', 'hex'));

/** `accept`, or rule and place. */
function outcomeOf(run: () => unknown): string {
  const error = thrown(run);
  if (error === undefined) return 'accept';
  if (!(error instanceof SignedJsonError)) throw new Error('another error', { cause: error });
  return `${error.rule.toUpperCase()} ${error.place}`;
}

const wanted = (vector: {
  readonly expect: string;
  readonly output?: { readonly place?: string };
}) => (vector.expect === 'accept' ? 'accept' : `${vector.expect} ${vector.output?.place ?? ''}`);

describe('vectors of the state', () => {
  type Input = Readonly<Record<string, string>>;
  const vectors = readVectors<Input>('state-index.json');
  /** Reads a document and writes it again. */
  const through: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
    index: (bytes) => encodeIndex(parseIndex(bytes)),
    cluster: (bytes) => encodeClusterHint(parseClusterHint(bytes)),
    boot: (bytes) => encodeBootRecord(parseBootRecord(bytes)),
    key: (bytes) => encodeKeyRecord(parseKeyRecord(bytes)),
  };
  const run = (input: Input): Uint8Array => {
    const step = through[input['document'] ?? ''];
    if (step === undefined) throw new RangeError('no such document');
    return step(utf8(input['text'] ?? ''));
  };

  test.each(vectors)('$id: $comment', (vector) => {
    expect(outcomeOf(() => run(vector.input))).toBe(wanted(vector));
  });

  test.each(vectors.filter(({ expect: outcome }) => outcome === 'accept'))(
    '$id is written as it was read',
    (vector) => {
      const { input } = vector;
      const bytes = run(input);
      expect(new TextDecoder().decode(bytes)).toBe(input['text']);
      const output = outputOf(vector);
      if (!vector.flags.includes('sealed')) {
        expect(toHex(sha256(bytes))).toBe(output['sha256']);
        return;
      }
      const cluster = hexBytes(input['clusterId']);
      const key = typeKey(hexBytes(input['rootKey']), cluster, 'index');
      const name = { type: 'index', id: '', version: parseIndex(bytes).epoch };
      const sealed = seal(key, cluster, name, bytes, { bytes: () => hexBytes(input['salt']) });
      expect(toHex(sealed)).toBe(output['sealed']);
      expect(toHex(sha256(sealed))).toBe(output['digest']);
    },
  );

  test('an index cut anywhere is refused', () => {
    const text = utf8(vectors.find(({ id }) => id === 'index')?.input['text'] ?? '');
    for (const cut of truncations(text.slice(0, 200))) {
      expect(() => parseIndex(cut)).toThrow(SignedJsonError);
    }
  });

  test('an index with more records than any boot would read is not written', () => {
    const index = parseIndex(
      utf8(vectors.find(({ id }) => id === 'index-empty')?.input['text'] ?? ''),
    );
    const records = Array.from({ length: 4097 }, (_, i) => ({
      type: 'key',
      id: `a/${String(i + 10_000)}`,
      version: 1n,
      digest: new Uint8Array(32),
    }));
    expect(() => encodeIndex({ ...index, records })).toThrow(RangeError);
    const largest = encodeIndex({ ...index, records: records.slice(1) });
    expect(parseIndex(largest).records).toHaveLength(4096);
  });
});

describe('names of records', () => {
  test('are distinct for distinct records', () => {
    expect(recordKey({ type: 'key', id: 'a/1' })).toBe('key/a/1');
    expect(recordKey({ type: 'policy', id: '' })).toBe('policy');
    expect(storeKey({ type: 'key', id: 'a/1', version: 2n })).toBe('key/a/1.2');
    expect(storeKey({ type: 'key', id: 'a/11', version: 2n })).not.toBe(
      storeKey({ type: 'key', id: 'a/1', version: 12n }),
    );
  });

  test('on the token tell the epoch of a birth', () => {
    expect(birthEpochOf(keyObjectLabel('a', 1, 7n))).toBe(7n);
    expect(birthEpochOf(rootSecretLabel(1, 12n))).toBe(12n);
  });

  test.each([
    '',
    'sealwright/key/a/1',
    'sealwright/key/a/1/',
    'sealwright/key/a/1/x',
    'sealwright/key/a/1/-1',
    'sealwright/key/A/1/1',
    'sealwright/key/a/b/1/1',
    'sealwright/key//1/1',
    'sealwright/root/1',
    'sealwright/other/a/1/1',
    ' sealwright/root/1/1',
    'sealwright/root/1/1\n',
    'sealwright/root/1/99999999999999999',
  ])('no epoch stands in %j', (label) => {
    expect(birthEpochOf(label)).toBeUndefined();
  });
});

describe('vectors of genesis', () => {
  interface Input {
    readonly manifest?: string;
    readonly statement?: string;
    readonly kindNumber?: number;
    readonly simulated?: boolean;
    readonly genesisDigest?: string;
    readonly clusterNonce?: string;
    readonly logKey?: string;
  }
  const vectors = readVectors<Input>('genesis.json');

  test.each(vectors.filter(({ flags }) => flags.length === 0))('$id: $comment', (vector) => {
    const bytes = utf8(vector.input.manifest ?? '');
    expect(outcomeOf(() => parseGenesisManifest(bytes))).toBe(wanted(vector));
    if (vector.expect !== 'accept') return;
    const output = outputOf(vector);
    expect(toHex(genesisDigest(bytes))).toBe(output['genesisDigest']);
    const { policy } = JSON.parse(vector.input.manifest ?? '') as { policy: never };
    expect(toHex(policyDigestOf(canonicalize(policy)))).toBe(output['policyDigest']);
  });

  test.each(vectors.filter(({ flags }) => flags.includes('statement')))(
    '$id: $comment',
    (vector) => {
      const bytes = utf8(vector.input.statement ?? '');
      expect(outcomeOf(() => parseGenesisStatement(bytes))).toBe(wanted(vector));
      if (vector.expect !== 'accept') return;
      expect(encodeGenesisStatement(parseGenesisStatement(bytes))).toEqual(bytes);
    },
  );

  test.each(vectors.filter(({ flags }) => flags.includes('cluster-id')))(
    '$id: $comment',
    (vector) => {
      const { kindNumber = 0, simulated = false, ...input } = vector.input;
      const clusterId = clusterIdOf(
        { kindNumber, simulated },
        hexBytes(input.genesisDigest),
        hexBytes(input.clusterNonce),
        hexBytes(input.logKey),
      );
      expect(toHex(clusterId)).toBe(outputOf(vector)['clusterId']);
    },
  );

  test('a manifest with the longest names and reasons of all rings fits', () => {
    const rings = Object.fromEntries(
      Array.from({ length: MAX_RINGS }, (_, i) => [
        `${String(i).padStart(4, '0')}${'a'.repeat(60)}`,
        { algorithm: 'ES256' } as const,
      ]),
    );
    const document = {
      v: 1,
      kind: 'genesis',
      name: 'a',
      provisioning: 'init-token',
      token: { use: 'uninitialised' },
      policy: testPolicy(
        ringsOf(rings).map((ring) => ({
          ...(ring as Record<string, string>),
          acceptHostAsserted: 'x'.repeat(200),
        })),
        0x1_0000_0000,
      ),
    };
    const bytes = canonicalize(document);
    expect(bytes.byteLength).toBeLessThan(MAX_MANIFEST_BYTES);
    expect(parseGenesisManifest(bytes).policy.rings).toHaveLength(MAX_RINGS);
    const one = ringsOf({ [`0${'b'.repeat(63)}`]: { algorithm: 'ES256' } });
    const more = [...(document.policy['rings'] as readonly SignedJson[]), ...one];
    const over = canonicalize({
      ...document,
      policy: { ...document.policy, rings: more },
    });
    expect(outcomeOf(() => parseGenesisManifest(over))).toBe('SCHEMA /policy/rings');
  });

  test('a manifest above the limit is refused by its size', () => {
    const bytes = new Uint8Array(MAX_MANIFEST_BYTES + 1).fill(0x20);
    expect(outcomeOf(() => parseGenesisManifest(bytes))).toBe('SIZE ');
  });

  test('one bit of a manifest makes another cluster or none', () => {
    const bytes = manifestOf({ a: { algorithm: 'ES256' } });
    const digest = toHex(genesisDigest(bytes));
    for (const flipped of bitFlips(bytes)) expect(toHex(genesisDigest(flipped))).not.toBe(digest);
  });
});

describe('ranks', () => {
  test('have the numbers of the protocol, best first', () => {
    expect((['session', 'signed', 'mtls', 'peer'] as const).map(rankNumber)).toEqual([1, 2, 3, 4]);
    expect((['session', 'signed', 'mtls', 'peer'] as const).map(isHostAsserted)).toEqual([
      false,
      false,
      true,
      true,
    ]);
  });
});

describe('vectors of key ids', () => {
  const vectors = readVectors<{ readonly spki: string }>('key-id.json');

  test.each(vectors)('$id: $comment', (vector) => {
    const spki = hexBytes(vector.input.spki);
    if (vector.expect === 'accept') expect(keyId(spki)).toBe(outputOf(vector)['kid']);
    else expect(() => keyId(spki)).toThrow();
  });
});

describe('vectors of signature forms', () => {
  interface Input {
    readonly coordinateBytes: number;
    readonly der: string;
  }
  const vectors = readVectors<Input>('ecdsa-form.json');

  test.each(vectors)('$id: $comment', (vector) => {
    const { coordinateBytes, der } = vector.input;
    const convert = (): Uint8Array => derToP1363(hexBytes(der), coordinateBytes);
    if (vector.expect !== 'accept') {
      expect(convert).toThrow(RangeError);
      return;
    }
    const p1363 = outputOf(vector)['p1363'];
    expect(toHex(convert())).toBe(p1363);
    expect(toHex(p1363ToDer(hexBytes(p1363)))).toBe(der);
  });

  test.each(vectors.filter(({ expect: outcome }) => outcome === 'accept'))(
    '$id is refused when it is cut, or differs when a bit does',
    (vector) => {
      const { coordinateBytes, der } = vector.input;
      const bytes = hexBytes(der);
      for (const cut of truncations(bytes)) {
        expect(() => derToP1363(cut, coordinateBytes)).toThrow(RangeError);
      }
      const good = toHex(derToP1363(bytes, coordinateBytes));
      for (const flipped of bitFlips(bytes)) {
        const error = thrown(() => {
          expect(toHex(derToP1363(flipped, coordinateBytes))).not.toBe(good);
        });
        if (error !== undefined) expect(error).toBeInstanceOf(RangeError);
      }
    },
  );

  test.each([0, 1, 63, 65, 133, 134])('%d bytes are no P1363 signature', (length) => {
    expect(() => p1363ToDer(new Uint8Array(length))).toThrow(RangeError);
  });
});
