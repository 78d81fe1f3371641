// Go's checksum database (golang.org/x/mod/sumdb) reads our log, and we read its proofs and notes. Debian has it
// as golang-golang-x-mod-dev, below /usr/share/gocode; elsewhere GOPATH says where.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Batch, EMPTY_EDGE, leafHash } from '../../enclave/log/tree.ts';
import { CheckpointSigner } from '../../enclave/log/checkpoint.ts';
import { fromHex, toHex } from '../../enclave/wire/bytes.ts';
import { encodeVerifierKey, parseNote } from '../../enclave/wire/tlog-note.ts';
import { noteSigner, signatureLine } from '../../scripts/log-maker.ts';
import { verifyConsistency, verifyInclusion } from '../../src/tlog/merkle.ts';
import { expandMultiProof } from '../../src/tlog/multi-proof.ts';
import { noteKeyId, openNote } from '../../src/tlog/note.ts';
import { TileReader } from '../../src/tlog/tile-reader.ts';
import { memoryTiles } from '../support/memory-tiles.ts';

const source = fileURLToPath(new URL('go/tlog/main.go', import.meta.url));
const SUMDB = 'src/golang.org/x/mod/sumdb/tlog';
const GOPATH = [process.env['GOPATH'] ?? '', '/usr/share/gocode'].find((folder) =>
  existsSync(join(folder, SUMDB)),
);

/** Why the tests can't run; undefined when they can. */
function missing(): string | undefined {
  if (spawnSync('go', ['version']).status !== 0) return 'no "go" in PATH';
  return GOPATH === undefined ? `no ${SUMDB} (Debian: golang-golang-x-mod-dev)` : undefined;
}

const why = missing();
if (why !== undefined) process.stderr.write(`SKIPPED: the log against Go's sumdb: ${why}\n`);

interface Answer {
  readonly notes: readonly string[];
  readonly problems: readonly string[];
  readonly roots: readonly string[];
  readonly inclusion: readonly (readonly string[])[];
  readonly consistency: readonly (readonly string[])[];
  readonly signed: readonly string[];
  readonly signedBy: string;
}

const LEAVES = 70;
/** Past one full tile, so that level 1 exists. */
const TILE_LEAVES = 600;
const leaves = Array.from({ length: TILE_LEAVES }, (_, i) => Buffer.from(`leaf ${String(i)}`));
const hashes = leaves.map(leafHash);
const ORIGIN = 'sealwright/000102030405060708090a0b0c0d0e0f';
const ours = noteSigner(ORIGIN, 'log key');
const theirs = noteSigner('go.example/log', 'go key');

const rootOfSize = (size: number): Uint8Array => new Batch(EMPTY_EDGE, hashes.slice(0, size)).root;
const roots = Array.from({ length: TILE_LEAVES + 1 }, (_, size) => rootOfSize(size));

interface Proved {
  readonly index: number;
  readonly size: number;
  readonly proof: readonly string[];
}

/** Every leaf of every tree up to LEAVES, proved in batches that begin at different sizes. */
function inclusions(): Proved[] {
  return Array.from({ length: LEAVES }, (_, i) => i + 1).flatMap((size) => {
    const begin = Math.floor(size / 3);
    const edge = new Batch(EMPTY_EDGE, hashes.slice(0, begin)).edge;
    const batch = new Batch(edge, hashes.slice(begin, size));
    return Array.from({ length: size - begin }, (_, position) => ({
      index: begin + position,
      size,
      proof: batch.proof(position).map(toHex),
    }));
  });
}

/** Two of three leaves of every tree up to LEAVES, proved together, and then one by one from that. */
async function inclusionsFromMultiProofs(): Promise<Proved[]> {
  const found: Proved[] = [];
  for (let size = 1; size <= LEAVES; size += 1) {
    const indices = [...Array(size).keys()].filter((index) => (index + size) % 3 !== 1);
    if (indices.length === 0) continue;
    const batch = new Batch(EMPTY_EDGE, hashes.slice(0, size));
    const expanded = await expandMultiProof({
      leaves: indices.map((index) => ({ index, leafHash: hashes[index] ?? batch.root })),
      size,
      proof: batch.multiProof(indices),
    });
    for (const [i, index] of indices.entries()) {
      found.push({ index, size, proof: (expanded?.proofs[i] ?? []).map(toHex) });
    }
  }
  return found;
}

async function consistencies(): Promise<{ oldSize: number; newSize: number; proof: string[] }[]> {
  const found = [];
  for (let newSize = 1; newSize <= LEAVES; newSize += 3) {
    const reader = new TileReader(newSize, memoryTiles(hashes.slice(0, newSize)));
    for (let oldSize = 1; oldSize <= newSize; oldSize += 1) {
      const proof = await reader.consistencyProof(oldSize);
      found.push({ oldSize, newSize, proof: proof.map(toHex) });
    }
  }
  return found;
}

async function tiles(): Promise<{ level: number; index: number; width: number; hex: string }[]> {
  const read = memoryTiles(hashes);
  const wanted = [
    [0, 0, 256],
    [0, 1, 256],
    [0, 2, 88],
    [1, 0, 2],
  ] as const;
  return Promise.all(
    wanted.map(async ([level, index, width]) => {
      return { level, index, width, hex: toHex(await read(level, index, width)) };
    }),
  );
}

describe.skipIf(why !== undefined)("the log and Go's sumdb", () => {
  const folder = mkdtempSync(join(tmpdir(), 'tlog-go-'));
  let inclusion: Proved[];
  let consistency: Awaited<ReturnType<typeof consistencies>>;
  let goodNotes: string[];
  let falseNotes: string[];
  let answer: Answer;

  beforeAll(async () => {
    const program = join(folder, 'tlog');
    execFileSync('go', ['build', '-o', program, source], {
      // Off, so that the packages are Debian's and nothing is downloaded.
      env: { ...process.env, GO111MODULE: 'off', GOPATH, GOFLAGS: '', GOTOOLCHAIN: 'local' },
    });
    inclusion = [...inclusions(), ...(await inclusionsFromMultiProofs())];
    consistency = await consistencies();
    const signer = new CheckpointSigner(ORIGIN, ours.privateKey, ours.publicKey);
    goodNotes = [0, 1, LEAVES].map((size) => signer.sign(size, rootOfSize(size)));
    const [, one = '', last = ''] = goodNotes;
    goodNotes.push(last + signatureLine(parseNote(last).text, theirs));
    falseNotes = [
      last.replace('\n70\n', '\n71\n'),
      last.slice(0, -1),
      last.replaceAll('\n', '\r\n'),
      `${parseNote(last).text}\n${signatureLine(parseNote(one).text, ours)}`,
      `${parseNote(last).text}\n${signatureLine(parseNote(last).text, theirs)}`,
    ];
    const output = execFileSync(program, {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      input: JSON.stringify({
        leaves: leaves.map(toHex),
        verifierKey: encodeVerifierKey(ORIGIN, await noteKeyId(ours), ours.publicKey),
        notes: [...goodNotes, ...falseNotes],
        signerKey: goSignerKey(),
        signTexts: goodNotes.map((note) => parseNote(note).text),
        roots: roots.map(toHex),
        inclusion,
        consistency,
        tiles: await tiles(),
      }),
    });
    answer = JSON.parse(output) as Answer;
  });

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  test('Go finds our roots, proofs and tiles true', () => {
    expect(answer.problems).toEqual([]);
    expect(answer.roots).toEqual(roots.map(toHex));
  });

  test('both make the same proofs', () => {
    expect(answer.inclusion).toEqual(inclusion.map(({ proof }) => proof));
    expect(answer.consistency).toEqual(consistency.map(({ proof }) => proof));
  });

  test("we find Go's proofs true", async () => {
    for (const [i, { index, size }] of inclusion.entries()) {
      const proof = (answer.inclusion[i] ?? []).map(fromHex);
      const leaf = hashes[index] ?? new Uint8Array(0);
      const root = fromHex(answer.roots[size] ?? '');
      expect(await verifyInclusion({ leafHash: leaf, index, size, proof }, root)).toBe(true);
    }
    for (const [i, { oldSize, newSize }] of consistency.entries()) {
      const proof = (answer.consistency[i] ?? []).map(fromHex);
      const [older, newer] = [oldSize, newSize].map((size) => {
        return { size, rootHash: fromHex(answer.roots[size] ?? '') };
      });
      if (older === undefined || newer === undefined) throw new Error('two sizes');
      expect(await verifyConsistency(older, newer, proof)).toBe(true);
    }
  });

  test('Go opens our checkpoints, and refuses what we refuse', async () => {
    expect(answer.notes.slice(0, goodNotes.length)).toEqual(goodNotes.map(() => ''));
    expect(answer.notes.slice(goodNotes.length)).not.toContain('');
    for (const note of goodNotes) {
      expect((await openNote(parseNote(note), [ours])).state).toBe('signed');
    }
    for (const note of falseNotes) await expect(accepts(note)).resolves.toBe(false);
  });

  test("we open Go's notes", async () => {
    expect(answer.signedBy).toBe(`${theirs.name}+${hex8(await noteKeyId(theirs))}`);
    expect(answer.signed).toHaveLength(goodNotes.length);
    for (const note of answer.signed) {
      expect((await openNote(parseNote(note), [theirs])).state).toBe('signed');
    }
  });
});

const hex8 = (id: number): string => id.toString(16).padStart(8, '0');

async function accepts(note: string): Promise<boolean> {
  try {
    return (await openNote(parseNote(note), [ours])).state === 'signed';
  } catch {
    return false;
  }
}

/** PRIVATE+KEY+name+id+base64(0x01 ‖ seed), as sumdb/note writes a signer's key. */
function goSignerKey(): string {
  const seed = theirs.privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32);
  const key = Buffer.concat([Uint8Array.of(1), seed]).toString('base64');
  return `PRIVATE+KEY+${theirs.name}+${toHex(theirs.keyId)}+${key}`;
}
