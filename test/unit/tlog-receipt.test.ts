import { describe, expect, test } from 'vitest';
import { Batch, EMPTY_EDGE, leafHash } from '../../enclave/log/tree.ts';
import { CheckpointSigner } from '../../enclave/log/checkpoint.ts';
import { encodeLeaf, toBeSignedHash, type Leaf } from '../../enclave/log/leaf.ts';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { SignedJsonError } from '../../enclave/wire/signed-json.ts';
import {
  encodeCheckpoint,
  encodeNote,
  encodeVerifierKey,
  parseNote,
} from '../../enclave/wire/tlog-note.ts';
import { encodeTlogProof, parseTlogProof } from '../../enclave/wire/tlog-proof.ts';
import { TlogError, toBeSignedHashInput, type TlogRule } from '../../enclave/wire/tlog.ts';
import { noteSigner, signedNote } from '../../scripts/log-maker.ts';
import { receiptsOf, type BatchReceipt } from '../../src/tlog/batch-receipt.ts';
import { parseLeaf } from '../../src/tlog/leaf.ts';
import { rootFromInclusion } from '../../src/tlog/merkle.ts';
import { noteKeyId, openNote } from '../../src/tlog/note.ts';
import {
  MalformedReceipt,
  encodeReceipt,
  encodeReceiptAsTlogProof,
  parseReceipt,
  parseReceiptFromTlogProof,
  type Receipt,
} from '../../src/tlog/receipt-file.ts';
import { verifyReceipt } from '../../src/tlog/verify-receipt.ts';

const ORIGIN = 'sealwright/000102030405060708090a0b0c0d0e0f';
const key = noteSigner(ORIGIN, 'log key');
const log = { origin: ORIGIN, publicKey: key.publicKey };
const origin = { timeMs: 1_893_456_000_000, instanceId: new Uint8Array(16).fill(1) };
const salt = new Uint8Array(32).fill(9);
const message = utf8('the message');
const kid = 'k'.repeat(43);
const hex32 = 'ab'.repeat(32);

const key1 = { ring: 'release', version: 1, kid, alg: 'ES256' } as const;
const call = { caller: 'ci', callerId: 'spiffe://example.org/ci', rank: 'mtls' } as const;
const LEAVES: readonly Leaf[] = [
  { kind: 'genesis', clusterId: hex32, genesisDigest: hex32, tokenSerial: '00ff' },
  {
    kind: 'boot',
    bootEpoch: 1,
    mr0: 'ab'.repeat(48),
    mr1: 'cd'.repeat(48),
    mr2: 'ef'.repeat(48),
    svn: 1,
    policyVersion: 1,
  },
  { kind: 'policy', policyVersion: 2, policyDigest: hex32 },
  {
    kind: 'key-birth',
    ...key1,
    residency: 'hsm',
    publicKeyHash: hex32,
    attributes: { true: ['CKA_SENSITIVE'], false: ['CKA_EXTRACTABLE'] },
  },
  { kind: 'key-state', ring: 'release', version: 1, from: 'active', to: 'suspended', reason: 'x' },
  { kind: 'refusal', ring: 'release', ...call, reason: 'RATE_LIMITED', count: 3 },
  {
    kind: 'signature',
    ...key1,
    ...call,
    toBeSignedHash: toBeSignedHash(salt, message),
    policyVersion: 2,
  },
];
const encoded = LEAVES.map((leaf) => encodeLeaf(leaf, origin));
const batch = new Batch(EMPTY_EDGE, encoded.map(leafHash));
const checkpoint = new CheckpointSigner(ORIGIN, key.privateKey, key.publicKey).sign(
  batch.edge.size,
  batch.root,
);

function receiptOf(index: number): Receipt {
  const leaf = encoded[index] ?? new Uint8Array(0);
  const kept = LEAVES[index]?.kind === 'signature' ? salt : undefined;
  return { leaf, index, proof: batch.proof(index), checkpoint, salt: kept };
}

const LAST = LEAVES.length - 1;
const receipt = receiptOf(LAST);

describe('what the enclave writes', () => {
  test.each(LEAVES.map((leaf, index) => ({ kind: leaf.kind, index })))(
    'a receipt of a $kind leaf is affirming and says what it is about',
    async ({ kind, index }) => {
      const result = await verifyReceipt(receiptOf(index), log);

      expect(result).toMatchObject({ verdict: 'affirming', index, treeSize: LEAVES.length });
      expect(result.leaf.kind).toBe(kind);
      expect(result.says.length).toBeGreaterThanOrEqual(4);
    },
  );

  test('the receipt is about the message that was signed', async () => {
    const { verdict, checks } = await verifyReceipt(receipt, log, { toBeSigned: message, kid });

    expect(verdict).toBe('affirming');
    expect(checks.map(({ id }) => id)).toEqual([
      'checkpoint-origin',
      'checkpoint-signature',
      'receipt-platform',
      'receipt-inclusion',
      'receipt-kid',
      'receipt-to-be-signed',
    ]);
  });

  test('what is not compared is said not to be', async () => {
    const { checks, says } = await verifyReceipt(receipt, log);

    expect(checks.at(-1)).toMatchObject({ id: 'receipt-to-be-signed', verdict: 'none' });
    expect(says.join(' ')).toContain('was not compared');
  });

  test('a receipt that fails proves nothing, and says why', async () => {
    const { verdict, says } = await verifyReceipt({ ...receipt, index: 0 }, log);

    expect(verdict).toBe('contraindicated');
    expect(says).toHaveLength(2);
    expect(says[0]).toBe('This receipt proves nothing.');
  });

  test('what a host wrote into an origin does not reach a terminal', async () => {
    const text = encodeCheckpoint({ origin: 'a\u009b31m\u202eb', size: 7, rootHash: batch.root });
    const foreign = { ...receipt, checkpoint: signedNote(text, key) };
    const { checks, says } = await verifyReceipt(foreign, log);

    expect(JSON.stringify([checks, says])).not.toMatch(/[\u0080-\u009f\u202a-\u202e]/u);
  });
});

describe('the receipts of a batch', () => {
  const SOME = [0, 2, 3, LAST];
  const shared: BatchReceipt = {
    leaves: SOME.map((index) => {
      const { leaf, salt: kept } = receiptOf(index);
      return { leaf, index, salt: kept };
    }),
    proof: batch.multiProof(SOME),
    checkpoint,
  };
  const [first, second, ...rest] = shared.leaves;
  if (first === undefined || second === undefined) throw new Error('four leaves');
  const [hash, ...hashes] = shared.proof;
  if (hash === undefined) throw new Error('a hash');

  test('are those that the log gives one by one, of all leaves too', async () => {
    expect(await receiptsOf(shared)).toEqual(SOME.map(receiptOf));
    const all = LEAVES.map((_, index) => receiptOf(index));
    expect(await receiptsOf({ leaves: all, proof: [], checkpoint })).toEqual(all);
  });

  test.each<[string, Partial<BatchReceipt>, string]>([
    ['no leaf', { leaves: [] }, '/proof'],
    ['a leaf less', { leaves: [first, ...rest] }, '/proof'],
    ['leaves in another order', { leaves: [second, first, ...rest] }, '/proof'],
    ['a leaf twice', { leaves: [first, first, ...rest] }, '/proof'],
    ['a number beyond the tree', { leaves: [{ ...first, index: LEAVES.length }] }, '/proof'],
    ['a number beyond all', { leaves: [{ ...first, index: 2 ** 64 }] }, '/proof'],
    ['a hash less', { proof: hashes }, '/proof'],
    ['a hash more', { proof: [...shared.proof, hash] }, '/proof'],
    ['a short hash', { proof: [hash.slice(1), ...hashes] }, '/proof'],
    ['a checkpoint that is none', { checkpoint: 'nothing\n' }, '/checkpoint'],
  ])('are none with %s', async (_name, changed, place) => {
    const error: unknown = await receiptsOf({ ...shared, ...changed }).catch((e: unknown) => e);

    expect(error).toBeInstanceOf(MalformedReceipt);
    expect(error).toMatchObject({ place });
  });

  test.each<[string, Partial<BatchReceipt>]>([
    ['another hash', { proof: [new Uint8Array(32), ...hashes] }],
    ['hashes in another order', { proof: [...shared.proof].reverse() }],
    ['another leaf', { leaves: [{ ...first, leaf: second.leaf }, second, ...rest] }],
    ['another number', { leaves: [{ ...first, index: 1 }, second, ...rest] }],
  ])('are all false with %s', async (_name, changed) => {
    const found = await receiptsOf({ ...shared, ...changed }).catch(() => []);
    for (const one of found) {
      const { checks } = await verifyReceipt(one, log);
      const inclusion = checks.find(({ id }) => id === 'receipt-inclusion');
      expect(inclusion?.verdict).toBe('contraindicated');
    }
    expect(found).toHaveLength(SOME.length);
  });
});

describe('the files of a receipt', () => {
  test('JSON keeps everything', () => {
    expect(parseReceipt(encodeReceipt(receipt))).toEqual(receipt);
    expect(parseReceipt(encodeReceipt(receiptOf(0)))).toEqual(receiptOf(0));
  });

  test('tlog-proof keeps everything but the salt', () => {
    const file = encodeReceiptAsTlogProof(receipt);

    expect(parseReceiptFromTlogProof(file)).toEqual({ ...receipt, salt: undefined });
    expect(parseReceiptFromTlogProof(file, salt)).toEqual(receipt);
  });

  test('a byte less is refused, wherever', () => {
    for (const file of [encodeReceipt(receipt), encodeReceiptAsTlogProof(receipt)]) {
      const parse = file[0] === 0x7b ? parseReceipt : parseReceiptFromTlogProof;
      for (let length = 0; length < file.byteLength; length += 1) {
        expect(() => parse(file.slice(0, length))).toThrow(MalformedReceipt);
      }
    }
  });

  test('one bit of a file changed: malformed, or contraindicated', async () => {
    const file = encodeReceiptAsTlogProof(receipt);
    for (let bit = 0; bit < 8 * file.byteLength; bit += 5) {
      const flipped = file.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      const verdict = await Promise.resolve()
        .then(() => verifyReceipt(parseReceiptFromTlogProof(flipped), log))
        .then(
          (result) => result.verdict,
          (error: unknown) => (error instanceof MalformedReceipt ? 'malformed' : error),
        );
      expect(['malformed', 'contraindicated'], String(bit)).toContain(verdict);
    }
  });

  test.each([
    ['not UTF-8', Uint8Array.of(0xff)],
    [
      'a proof without the leaf',
      utf8(encodeTlogProof({ extra: undefined, index: 0, proof: [], checkpoint })),
    ],
  ])('tlog-proof: %s is refused', (_name, file) => {
    expect(() => parseReceiptFromTlogProof(file)).toThrow(MalformedReceipt);
  });

  test('a leaf beyond 65,535 bytes is refused', () => {
    const long = { ...receipt, leaf: utf8(' '.repeat(65_536)) };

    expect(() => parseReceipt(encodeReceipt(long))).toThrow(MalformedReceipt);
    expect(() => parseLeaf(long.leaf)).toThrow(SignedJsonError);
  });

  test('a salt of another length is malformed', async () => {
    await expect(verifyReceipt({ ...receipt, salt: new Uint8Array(31) }, log)).rejects.toThrow(
      MalformedReceipt,
    );
    expect(() => toBeSignedHashInput(new Uint8Array(31), message)).toThrow(RangeError);
  });

  test.each([
    { ...receipt, index: -1 },
    { ...receipt, index: 2 ** 53 },
    { ...receipt, proof: [new Uint8Array(31)] },
    { ...receipt, proof: Array.from({ length: 54 }, () => new Uint8Array(32)) },
  ])('is not written as tlog-proof for impossible values', (impossible) => {
    expect(() => encodeReceiptAsTlogProof(impossible)).toThrow(RangeError);
  });
});

describe('an inclusion proof leads to no root', () => {
  const good = {
    leafHash: leafHash(receipt.leaf),
    index: receipt.index,
    size: LEAVES.length,
    proof: receipt.proof,
  };

  test.each([
    ['with a hash more', { proof: [...receipt.proof, salt] }],
    ['with a hash less', { proof: receipt.proof.slice(1) }],
    ['with a hash of 31 bytes', { proof: receipt.proof.map((hash) => hash.slice(1)) }],
    ['with a leaf hash of 31 bytes', { leafHash: salt.slice(1) }],
    ['at index = size', { index: LEAVES.length }],
    ['in an empty tree', { index: 0, size: 0, proof: [] }],
  ])('%s', async (_name, changed) => {
    expect(await rootFromInclusion(good)).toEqual(batch.root);
    expect(await rootFromInclusion({ ...good, ...changed })).toBeUndefined();
  });
});

describe('notes', () => {
  test.each([
    ['a lone surrogate', '\ud800', 'utf-8'],
    ['more than 256 KiB', 'x'.repeat(256 * 1024), 'note-size'],
  ])('are refused for %s', (_name, line, rule) => {
    expect(() => parseNote(`${line}\n${checkpoint}`)).toThrow(new TlogError(rule as TlogRule));
  });

  test('extra data of a proof is at most a leaf', () => {
    const extra = new Uint8Array(65_536);
    const text = encodeTlogProof({ extra, index: 0, proof: [], checkpoint });

    expect(() => parseTlogProof(text)).toThrow(new TlogError('proof-extra'));
  });

  test('are read as they are written', () => {
    const note = parseNote(checkpoint);

    expect(encodeNote(note.text, note.signatures)).toBe(checkpoint);
  });

  test("Go's form of a key", async () => {
    expect(await noteKeyId(key)).toBe(Buffer.from(key.keyId).readUInt32BE());
    expect(encodeVerifierKey('a', 0x01, new Uint8Array(32))).toBe(`a+00000001+AQ${'A'.repeat(42)}`);
  });

  test('a log key that is no key verifies nothing', async () => {
    const { checks } = await verifyReceipt(receipt, { ...log, publicKey: new Uint8Array(31) });

    expect(checks[1]).toMatchObject({ id: 'checkpoint-signature', verdict: 'contraindicated' });
  });

  test('two known keys that nobody can tell apart are refused', async () => {
    await expect(openNote(parseNote(checkpoint), [key, { ...key }])).rejects.toThrow(RangeError);
  });

  test('no key, no text', async () => {
    expect(await openNote(parseNote(checkpoint), [])).toEqual({ state: 'no-known-key' });
  });

  test.each([
    ['a text without newline', () => encodeNote('a', [])],
    ['a tab in a text', () => encodeNote('a\tb\n', [])],
    ['a space in a name', () => encodeNote('a\n', [{ name: 'a b', keyId: 0, signature: salt }])],
    ['a newline in a name', () => encodeNote('a\n', [{ name: 'a\nb', keyId: 0, signature: salt }])],
    ['an empty name', () => encodeNote('a\n', [{ name: '', keyId: 0, signature: salt }])],
    ['an empty origin', () => encodeCheckpoint({ origin: '', size: 0, rootHash: salt })],
    ['two lines of origin', () => encodeCheckpoint({ origin: 'a\nb', size: 0, rootHash: salt })],
    ['a negative size', () => encodeCheckpoint({ origin: 'a', size: -1, rootHash: salt })],
    ['a size of 2^53', () => encodeCheckpoint({ origin: 'a', size: 2 ** 53, rootHash: salt })],
    ['a short root', () => encodeCheckpoint({ origin: 'a', size: 1, rootHash: salt.slice(1) })],
  ])('are not written for %s', (_name, write) => {
    expect(write).toThrow(RangeError);
  });
});
