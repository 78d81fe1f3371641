import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { LogAppendRequest } from '../../enclave/wire/gen/sealwright/enclave/v1/log_store.ts';
import { batches, openStore, outcome, readAll, type TestBatch } from '../support/log-store-bed.ts';
import { MemoryLogFiles } from '../support/memory-log-files.ts';

const JOURNAL = 'journal-0000000000000000';
/** Room for some batches, and short enough to go through byte by byte. */
const ROOM = 600;

async function filled(counts: Iterable<number>, segmentBytes?: number): Promise<MemoryLogFiles> {
  const files = new MemoryLogFiles();
  const opened = await openStore(files, segmentBytes);
  for (const batch of batches(counts)) expect(await opened.append(batch)).toBe('ok');
  await opened.store.close();
  return files;
}

/** Bytes of a file of the journal without the room behind its last record. */
function written(bytes: Buffer): Buffer {
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  expect(end).toBeLessThan(ROOM);
  return bytes.subarray(0, end);
}

function changed(batch: TestBatch, change: Partial<LogAppendRequest>): { body: Uint8Array } {
  const request = { ...LogAppendRequest.decode(batch.body), ...change };
  return { body: LogAppendRequest.encode(request).finish() };
}

describe('an append', () => {
  const all = [...batches([3, 2, 2])] as [TestBatch, TestBatch, TestBatch];

  it('is acknowledged again when it is the last one, byte for byte', async () => {
    const opened = await openStore(new MemoryLogFiles());
    for (const batch of all.slice(0, 2)) {
      expect(await opened.append(batch)).toBe('ok');
      expect(await opened.append(batch)).toBe('ok');
    }
    expect((await opened.state()).size).toBe(5);
  });

  it.each<[string, () => { body: Uint8Array }]>([
    ['an older batch', () => all[0]],
    ['a gap', () => changed(all[2], { firstIndex: 6n })],
    ['an overlap', () => changed(all[2], { firstIndex: 4n })],
    [
      'another leaf at the last place',
      () => changed(all[1], { leaves: [Buffer.from('x'), Buffer.from('y')] }),
    ],
    ['another edge at the last place', () => changed(all[1], { sealedEdge: Buffer.from('x') })],
    ['a huge index', () => changed(all[2], { firstIndex: 2n ** 64n - 1n })],
  ])('%s is a conflict', async (_name, make) => {
    const files = new MemoryLogFiles();
    for (let life = 1; life <= 2; life += 1) {
      const opened = await openStore(files.afterKill());
      for (const batch of all.slice(0, 2)) await opened.append(batch);
      expect(await opened.append(make())).toBe('LOG_STORE_CONFLICT');
      expect(await opened.append(all[1])).toBe('ok');
      expect(await readAll(opened)).toHaveLength(5);
    }
    const opened = await openStore(files);
    expect(await opened.append(all[2])).toBe('ok');
  });

  it.each<[string, Uint8Array]>([
    ['no bytes', new Uint8Array(0)],
    ['no message', Buffer.from([0xff])],
    [
      'no leaves',
      LogAppendRequest.encode({
        firstIndex: 0n,
        leaves: [],
        sealedEdge: Buffer.from('e'),
      }).finish(),
    ],
    [
      'a leaf of 64 KiB',
      LogAppendRequest.encode({
        firstIndex: 0n,
        leaves: [Buffer.alloc(65536)],
        sealedEdge: Buffer.from('e'),
      }).finish(),
    ],
  ])('%s is malformed, and nothing is written', async (_name, body) => {
    const files = new MemoryLogFiles();
    const opened = await openStore(files);
    expect(await opened.append({ body })).toBe('REQUEST_MALFORMED');
    expect(files.paths()).toEqual([]);
  });
});

describe('recovery', () => {
  it('of a journal that was cut at any byte has every whole batch', async () => {
    const list = [...batches([2, 1, 3])];
    const files = await filled([2, 1, 3], ROOM);
    const bytes = files.get(JOURNAL);
    const sizes = new Set<number>();
    for (let length = 0; length <= bytes.byteLength; length += 1) {
      const cut = files.copy();
      cut.put(JOURNAL, bytes.subarray(0, length));
      const opened = await openStore(cut, ROOM);
      const { size, sealedEdge } = await opened.state();
      sizes.add(size);
      const count = [0, 2, 3, 6].indexOf(size);
      expect(count).toBeGreaterThanOrEqual(0);
      expect(Buffer.compare(sealedEdge, list[count - 1]?.sealedEdge ?? Buffer.alloc(0))).toBe(0);
      // It goes on from there, and what was torn is gone.
      for (const batch of list.slice(count)) expect(await opened.append(batch)).toBe('ok');
      await opened.store.close();
      expect(written(cut.get(JOURNAL)).equals(written(bytes))).toBe(true);
    }
    expect([...sizes].sort()).toEqual([0, 2, 3, 6]);
  });

  it.each<[string, (bytes: Buffer, from: number, at: number, end: number) => void]>([
    ['front', (bytes, from, at) => void bytes.fill(0, from, at)],
    ['end', (bytes, _from, at, end) => void bytes.fill(0, at, end)],
  ])('drops a batch of which the %s is missing in its room', async (_name, tear) => {
    const [, second = { body: new Uint8Array(0) }] = batches([2, 1]);
    const files = await filled([2, 1], ROOM);
    const bytes = files.get(JOURNAL);
    const from = bytes.lastIndexOf('SWrc');
    const end = written(bytes).byteLength;
    for (let at = from + 1; at < end; at += 1) {
      const copy = Buffer.from(bytes);
      tear(copy, from, at, end);
      const torn = files.copy();
      torn.put(JOURNAL, copy);
      const opened = await openStore(torn, ROOM);
      expect(opened.events).toEqual([{ event: 'log.opened', leaves: 2 }]);
      expect(await opened.append(second)).toBe('ok');
      await opened.store.close();
      expect(written(torn.get(JOURNAL)).equals(written(bytes))).toBe(true);
    }
  });

  it('names an edit of any byte, or drops the last batch as torn', async () => {
    const files = await filled([2, 1], ROOM);
    const bytes = files.get(JOURNAL);
    const lastRecord = bytes.lastIndexOf('SWrc');
    const end = written(bytes).byteLength;
    for (let at = 0; at < bytes.byteLength; at += 1) {
      const edited = files.copy();
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] ?? 0) ^ 0x40;
      edited.put(JOURNAL, copy);
      const opened = await openStore(edited, ROOM);
      if (at < lastRecord) {
        expect(await outcome(opened.state())).toBe('LOG_STORE_CONFLICT');
        expect(await outcome(opened.read(0, 1))).toBe('LOG_STORE_CONFLICT');
        expect(opened.events).toEqual([
          { event: 'log.damaged', where: 'journal', what: 'malformed' },
        ]);
        // Nothing is written over it.
        expect(edited.get(JOURNAL).equals(copy)).toBe(true);
      } else expect((await opened.state()).size).toBe(at < end ? 2 : 3);
    }
  });

  it('names batches that are missing between others', async () => {
    const [, , , next = { body: new Uint8Array(0) }] = batches([2, 1, 3, 1]);
    const files = await filled([2, 1, 3]);
    const bytes = files.get(JOURNAL);
    const records = [0, 1, 2].reduce<number[]>(
      (found) => [...found, bytes.indexOf('SWrc', (found.at(-1) ?? -1) + 1)],
      [],
    );
    const [a = 0, b = 0, c = 0] = records;
    const pieces = {
      head: bytes.subarray(0, a),
      one: bytes.subarray(a, b),
      two: bytes.subarray(b, c),
      three: bytes.subarray(c),
    };
    const { head, one, two, three } = pieces;
    for (const order of [
      [head, one, three],
      [head, two, three],
      [head, two, one, three],
      [head, one, two, two, three],
      [one, two, three],
    ]) {
      const edited = files.copy();
      edited.put(JOURNAL, Buffer.concat(order));
      const opened = await openStore(edited);
      expect(await outcome(opened.state())).toBe('LOG_STORE_CONFLICT');
      expect(await opened.append(next)).toBe('LOG_STORE_CONFLICT');
    }
  });
});

const request = (change: Partial<LogAppendRequest>): Uint8Array =>
  LogAppendRequest.encode({
    firstIndex: 0n,
    leaves: [Buffer.from('x')],
    sealedEdge: Buffer.from('e'),
    ...change,
  }).finish();

describe('a record that nobody can have appended', () => {
  it.each<[string, Uint8Array]>([
    ['no message', Buffer.from([0xff, 0xff])],
    ['no leaves', request({ leaves: [] })],
    ['a leaf of 64 KiB', request({ leaves: [Buffer.alloc(65536)] })],
    ['another place', request({ firstIndex: 1n })],
  ])('%s is damage', async (_name, payload) => {
    const files = await filled([1]);
    const bytes = files.get(JOURNAL);
    const header = bytes.subarray(0, bytes.indexOf('SWrc'));
    const sums = Buffer.alloc(8);
    sums.writeUInt32BE(payload.byteLength, 0);
    sums.writeUInt32BE(crc32(payload), 4);
    files.put(JOURNAL, Buffer.concat([header, Buffer.from('SWrc'), sums, payload]));
    const opened = await openStore(files);
    expect(await outcome(opened.state())).toBe('LOG_STORE_CONFLICT');
    expect(opened.events).toMatchObject([{ event: 'log.damaged', where: 'journal' }]);
  });
});

describe('the files of the journal', () => {
  it('have their length from the beginning, so that an append changes none', async () => {
    const files = new MemoryLogFiles();
    const opened = await openStore(files, ROOM);
    for (const batch of batches([1, 1, 1])) {
      await opened.append(batch);
      expect(files.get(JOURNAL)).toHaveLength(ROOM);
    }
  });

  it('are begun without room for more where the disk has none', async () => {
    // Behind those that open the store come the creation of the file, and its first write.
    const counted = new MemoryLogFiles();
    await openStore(counted, ROOM);
    const files = new MemoryLogFiles(undefined, { at: counted.operations + 2, kind: 'ENOSPC' });
    const opened = await openStore(files, ROOM);
    for (const batch of batches([1, 1])) expect(await opened.append(batch)).toBe('ok');
    expect(files.faulted).toBe(true);
    expect(files.get(JOURNAL).byteLength).toBeLessThan(ROOM);
  });

  const COUNTS = Array<number>(60).fill(25);

  it('stay few, and hold the last batch and its edge', async () => {
    const files = new MemoryLogFiles();
    const opened = await openStore(files, 1500);
    let most = 0;
    let last: TestBatch | undefined;
    for (const batch of batches(COUNTS)) {
      expect(await opened.append(batch)).toBe('ok');
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, opened.store.gauges?.journalBytes ?? Infinity);
      last = batch;
    }
    if (last === undefined) throw new Error('no batch');
    // 256 leaves are about 3,600 bytes: those, one file, and a batch.
    expect(most).toBeLessThan(8000);
    await opened.store.close();
    const names = files.paths().filter((path) => path.startsWith('journal'));
    expect(names).not.toContain(JOURNAL);
    const reopened = await openStore(files.afterPowerCut(), 1500);
    expect(Buffer.compare((await reopened.state()).sealedEdge, last.sealedEdge)).toBe(0);
    expect(await reopened.append(last)).toBe('ok');
    expect(await readAll(reopened)).toHaveLength(1500);
  });

  it('a missing one is damage, not an end', async () => {
    const files = await filled(Array<number>(40).fill(6), 500);
    const names = files
      .paths()
      .filter((path) => path.startsWith('journal'))
      .sort();
    expect(names.length).toBeGreaterThan(3);
    for (const name of names.slice(0, -1)) {
      const without = files.copy();
      without.put(name, undefined);
      const opened = await openStore(without, 500);
      // Without the first one the log seems to begin later, over tiles that are not there.
      expect(await outcome(opened.state())).toBe('LOG_STORE_CONFLICT');
    }
    const cut = files.copy();
    const [, middle = ''] = names;
    cut.put(middle, cut.get(middle).subarray(0, -1));
    expect(await outcome((await openStore(cut, 500)).state())).toBe('LOG_STORE_CONFLICT');
  });
});
