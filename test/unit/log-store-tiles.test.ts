import { beforeAll, describe, expect, it } from 'vitest';
import { parseNote, encodeCheckpoint } from '../../enclave/wire/tlog-note.ts';
import { parseEntryBundle } from '../../enclave/wire/tlog-tiles.ts';
import { LogDamaged } from '../../src/host/log-store/log-damage.ts';
import { answerLog } from '../../src/host/log-http.ts';
import { verifyInclusion, leafHash, verifyConsistency } from '../../src/tlog/merkle.ts';
import { TileReader } from '../../src/tlog/tile-reader.ts';
import { noteSigner, signedNote } from '../../scripts/log-maker.ts';
import {
  batches,
  openStore,
  outcome,
  type OpenedStore,
  type TestBatch,
} from '../support/log-store-bed.ts';
import { MemoryLogFiles } from '../support/memory-log-files.ts';

// 259 full tiles, one full tile of level 1, and a tail of 37.
const SIZE = 259 * 256 + 37;
const COUNTS = [...Array<number>(66).fill(1000), SIZE - 66_000];
const signer = noteSigner('example.org/log', 'log store');

function checkpointOf({ first, leaves, root }: TestBatch): string {
  const text = encodeCheckpoint({
    origin: signer.name,
    size: first + leaves.length,
    rootHash: root,
  });
  return signedNote(text, signer);
}

const files = new MemoryLogFiles();
const all = [...batches([...COUNTS, 300])];
const list = all.slice(0, -1);
/** The last one that is appended, and one that is not yet. */
const [last, next] = all.slice(-2) as [TestBatch, TestBatch];
const leafAt = (index: number): string => `{"leaf":${String(index)}}`;
const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();

beforeAll(async () => {
  const opened = await openStore(files, 20_000);
  for (const batch of list) expect(await opened.append(batch)).toBe('ok');
  expect(await opened.checkpoint(checkpointOf(last))).toBe('ok');
  await opened.store.close();
});

async function tryReads(opened: OpenedStore, index: number): Promise<unknown[]> {
  const { copy } = opened.store;
  const reason = async (promise: Promise<unknown>): Promise<unknown> => {
    try {
      await promise;
      return 'ok';
    } catch (error) {
      if (error instanceof LogDamaged) return error.damage;
      throw error;
    }
  };
  return [
    await reason(copy.leaves(index, 1, 1e6)),
    await reason(copy.tree(SIZE).inclusionProof(index)),
  ];
}

describe('tiles', () => {
  it('are on the disk as C2SP names them, and the journal holds little more than the tail', () => {
    const paths = files.paths();
    expect(paths.filter((path) => path.startsWith('tile/entries/'))).toHaveLength(259);
    expect(paths.filter((path) => path.startsWith('tile/0/'))).toHaveLength(259);
    expect(paths.filter((path) => path.startsWith('tile/1/'))).toEqual(['tile/1/000']);
    expect(paths.filter((path) => path.startsWith('tile/2/'))).toEqual([]);
    const journal = paths.filter((path) => path.startsWith('journal'));
    const bytes = journal.reduce((sum, path) => sum + files.get(path).byteLength, 0);
    expect(bytes).toBeLessThan(60_000);
    const leaves = parseEntryBundle(files.get('tile/entries/017'), 256);
    expect(text(leaves[3])).toBe(leafAt(17 * 256 + 3));
  });

  it('give proofs that verify, for every kind of place', async () => {
    const { store } = await openStore(files.copy(), 20_000);
    const { copy } = store;
    for (const size of [1, 2, 255, 256, 257, 512, 65_535, 65_536, 65_537, 66_000, SIZE]) {
      const rootHash = await copy.rootHash(size);
      for (const index of [0, 1, 255, 256, 511, 65_535, 65_536, size - 1].filter((i) => i < size)) {
        const proof = await copy.tree(size).inclusionProof(index);
        const [leaf = new Uint8Array(0)] = await copy.leaves(index, 1, 1e6);
        expect(text(leaf)).toBe(leafAt(index));
        const inclusion = { leafHash: await leafHash(leaf), index, size, proof };
        expect(await verifyInclusion(inclusion, rootHash)).toBe(true);
      }
      const proof = await copy.tree(SIZE).consistencyProof(size);
      const older = { size, rootHash };
      expect(await verifyConsistency(older, { size: SIZE, rootHash: last.root }, proof)).toBe(true);
    }
  });

  it('are served over HTTP, and a reader computes the proofs from them alone', async () => {
    const { store } = await openStore(files.copy(), 20_000);
    const checkpoint = await answerLog(store, '/checkpoint');
    expect(checkpoint).toMatchObject({
      status: 200,
      type: 'text/plain; charset=utf-8',
      cacheControl: 'no-store',
    });
    expect(parseNote(String(checkpoint.body)).text).toContain(`\n${String(SIZE)}\n`);
    const asked: string[] = [];
    const reader = new TileReader(SIZE, async (level, index, width) => {
      const path = `/tile/${String(level)}/${String(index).padStart(3, '0')}${width === 256 ? '' : `.p/${String(width)}`}`;
      asked.push(path);
      const answer = await answerLog(store, path);
      expect(answer).toMatchObject({ status: 200, type: 'application/octet-stream' });
      expect(answer.cacheControl).toContain('immutable');
      return answer.body as Uint8Array;
    });
    expect(await reader.rootHash()).toEqual(last.root);
    expect(asked.sort()).toEqual(['/tile/0/259.p/37', '/tile/1/001.p/3', '/tile/2/000.p/1']);
    const bundle = await answerLog(store, '/tile/entries/259.p/37');
    expect(text(parseEntryBundle(bundle.body as Uint8Array, 37)[36])).toBe(leafAt(SIZE - 1));
    const full = await answerLog(store, '/tile/entries/258');
    expect(Buffer.from(full.body as Uint8Array).equals(files.get('tile/entries/258'))).toBe(true);
    // An older partial tile is a part of what the checkpoint covers.
    expect((await answerLog(store, '/tile/0/003.p/9')).body).toHaveLength(9 * 32);
  });

  it.each([
    '/tile/0/260',
    '/tile/0/259',
    '/tile/0/259.p/38',
    '/tile/entries/259',
    '/tile/entries/259.p/38',
    '/tile/1/001',
    '/tile/1/001.p/4',
    '/tile/2/000.p/2',
    '/tile/3/000.p/1',
    '/tile/64/000',
    '/tile/0/000.p/0',
    '/tile/0/000.p/256',
    '/tile/0/0',
    '/tile/00/000',
    '/tile/0/x000/001',
    '/tile/entries/../../checkpoint',
    '/tile/',
    '/tile/0/000/',
    '/tile/0/000.p/',
    '/tile/data/000',
    '/tile/0/%30%30%30',
    '/checkpoint/',
    '/tile/0/x999/x999/x999/x999/x999/999',
  ])('%s is not found', async (path) => {
    const { store } = await openStore(files.copy(), 20_000);
    expect((await answerLog(store, path)).status).toBe(404);
  });
});

describe('damage away from the right edge', () => {
  const edit =
    (at: number) =>
    (bytes: Buffer): Buffer => {
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] ?? 0) ^ 1;
      return copy;
    };
  const swapLeaves = (bytes: Buffer): Buffer => {
    const leaves = parseEntryBundle(bytes, 256);
    const [a, b, ...rest] = leaves;
    return Buffer.concat(
      [b, a, ...rest].flatMap((leaf) => [
        Buffer.from([0, leaf?.byteLength ?? 0]),
        leaf ?? Buffer.alloc(0),
      ]),
    );
  };

  it.each<[string, string, ((bytes: Buffer) => Buffer) | undefined, string, string]>([
    ['a bundle deleted', 'tile/entries/002', undefined, 'missing', 'ok'],
    ['a bundle cut', 'tile/entries/002', (b) => b.subarray(0, -1), 'malformed', 'ok'],
    ['a bundle emptied', 'tile/entries/002', () => Buffer.alloc(0), 'malformed', 'ok'],
    ['a leaf edited', 'tile/entries/002', edit(40), 'wrong-hash', 'ok'],
    ['leaves reordered', 'tile/entries/002', swapLeaves, 'wrong-hash', 'ok'],
    [
      'the bundle of another place',
      'tile/entries/002',
      () => files.get('tile/entries/003'),
      'wrong-hash',
      'ok',
    ],
    ['a tile deleted', 'tile/0/002', undefined, 'missing', 'missing'],
    ['a tile cut', 'tile/0/002', (b) => b.subarray(0, -32), 'wrong-length', 'wrong-length'],
    ['a hash edited', 'tile/0/002', edit(8191), 'wrong-hash', 'wrong-hash'],
    [
      'the tile of another place',
      'tile/0/002',
      () => files.get('tile/0/003'),
      'wrong-hash',
      'wrong-hash',
    ],
  ])(
    '%s: reads over it are refused by name, signing goes on',
    async (_name, path, change, ofLeaves, ofProof) => {
      const damaged = files.copy();
      damaged.put(path, change?.(files.get(path)));
      const opened = await openStore(damaged, 20_000);
      expect((await opened.state()).size).toBe(SIZE);
      const [leaves, proof] = await tryReads(opened, 2 * 256 + 5);
      expect(leaves).toEqual({ where: path, what: ofLeaves });
      if (ofProof === 'ok') expect(proof).toBe('ok');
      else expect(proof).toEqual({ where: path, what: ofProof });
      // The enclave that reads there is told, and the operator, once for each place.
      expect(await outcome(opened.read(2 * 256, 10))).toBe('LOG_STORE_CONFLICT');
      expect(await answerLog(opened.store, `/${path}`)).toMatchObject({ status: 500 });
      const events = opened.events.filter(({ event }) => event === 'log.damaged');
      expect(events).toEqual([{ event: 'log.damaged', where: path, what: ofLeaves }]);
      // Other places are as they were.
      expect(await tryReads(opened, 5 * 256)).toEqual(['ok', 'ok']);
      expect(await opened.append(next)).toBe('ok');
      await opened.store.close();
      // A file that was put back heals, without a restart.
      damaged.put(path, files.get(path));
      expect(await tryReads(opened, 2 * 256 + 5)).toEqual(['ok', 'ok']);
    },
  );
});

describe('damage at the right edge is found at the start', () => {
  const other = new MemoryLogFiles();
  beforeAll(async () => {
    const opened = await openStore(other, 20_000);
    for (const batch of batches(COUNTS, 'evil')) await opened.append(batch);
    await opened.store.close();
  });

  it.each<[string, (target: MemoryLogFiles) => void]>([
    [
      'the last full tile deleted',
      (f) => {
        f.put('tile/0/256', undefined);
      },
    ],
    [
      'the last full tile edited',
      (f) => {
        f.put('tile/0/256', other.get('tile/0/256'));
      },
    ],
    [
      'a tile of level 1 deleted',
      (f) => {
        f.put('tile/1/000', undefined);
      },
    ],
    [
      'a tile of level 1 edited',
      (f) => {
        f.put('tile/1/000', Buffer.alloc(8192));
      },
    ],
    [
      'all tiles of another log',
      (f) => {
        for (const path of f.paths()) if (path.startsWith('tile')) f.put(path, other.get(path));
      },
    ],
    [
      'all tiles deleted',
      (f) => {
        for (const path of f.paths()) if (path.startsWith('tile')) f.put(path, undefined);
      },
    ],
    [
      'the journal deleted',
      (f) => {
        for (const path of f.paths()) if (path.startsWith('journal')) f.put(path, undefined);
      },
    ],
    [
      'the last file of the journal deleted',
      (f) => {
        f.put(
          f
            .paths()
            .filter((path) => path.startsWith('journal'))
            .sort()
            .at(-1) ?? '',
          undefined,
        );
      },
    ],
    [
      'an older copy with a newer checkpoint',
      (f) => {
        const name =
          f
            .paths()
            .filter((path) => path.startsWith('journal'))
            .sort()
            .at(-1) ?? '';
        f.put(name, f.get(name).subarray(0, f.get(name).lastIndexOf('SWrc')));
      },
    ],
  ])('%s', async (_name, damage) => {
    const damaged = files.copy();
    damage(damaged);
    const opened = await openStore(damaged, 20_000);
    expect(await outcome(opened.state())).toBe('LOG_STORE_CONFLICT');
    expect(opened.events.map(({ event }) => event)).toEqual(['log.damaged']);
    expect(await answerLog(opened.store, '/checkpoint')).toMatchObject({ status: 500 });
    expect(await opened.append(next)).toBe('LOG_STORE_CONFLICT');
    await opened.store.close();
  });
});

describe('the checkpoint', () => {
  it('is known again after a restart, and never of another tree', async () => {
    const opened = await openStore(files.copy(), 20_000);
    expect((await opened.store.checkpoint.current())?.size).toBe(SIZE);
    const bad = (size: number): string =>
      signedNote(
        encodeCheckpoint({ origin: signer.name, size, rootHash: new Uint8Array(32) }),
        signer,
      );
    expect(await opened.checkpoint(bad(SIZE + 1))).toBe('REQUEST_MALFORMED');
    expect(await opened.checkpoint('nothing')).toBe('REQUEST_MALFORMED');
    // A smaller one changes nothing.
    expect(await opened.checkpoint(bad(5))).toBe('ok');
    expect((await opened.store.checkpoint.current())?.size).toBe(SIZE);
    expect(await opened.checkpoint(bad(SIZE))).toBe('ok');
    await expect(opened.store.checkpoint.current()).rejects.toBeInstanceOf(LogDamaged);
  });

  it('of a file that is none is forgotten', async () => {
    for (const text of ['', 'x', 'a\n1\nb\n\n']) {
      const damaged = files.copy();
      damaged.put('checkpoint', Buffer.from(text));
      const opened = await openStore(damaged, 20_000);
      expect(await opened.store.checkpoint.current()).toBeUndefined();
      expect((await answerLog(opened.store, '/checkpoint')).status).toBe(404);
      expect(await opened.checkpoint(checkpointOf(last))).toBe('ok');
      expect((await answerLog(opened.store, '/checkpoint')).status).toBe(200);
    }
  });
});
