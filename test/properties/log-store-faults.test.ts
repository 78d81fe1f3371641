import { describe, expect, it } from 'vitest';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { batches, openStore, readAll, type OpenedStore } from '../support/log-store-bed.ts';
import { Crash, MemoryLogFiles, type Fault, type FaultKind } from '../support/memory-log-files.ts';

// Three full tiles, some files of the journal, and a tail.
const BATCHES = [...batches([1, 130, 255, 2, 300, 90, 40])];
const SEGMENT_BYTES = 4000;
const ALL = BATCHES.flatMap(({ leaves }) => leaves);

/** The state of a store must be that of the first n batches. */
async function batchesIn(opened: OpenedStore): Promise<number> {
  const { size, sealedEdge } = await opened.state();
  const count = BATCHES.findLastIndex(({ first, leaves }) => first + leaves.length === size) + 1;
  if (size > 0) expect(count).toBeGreaterThan(0);
  const last = BATCHES[count - 1];
  expect(Buffer.compare(sealedEdge, last?.sealedEdge ?? new Uint8Array(0))).toBe(0);
  expect(
    Buffer.compare(Buffer.concat(await readAll(opened)), Buffer.concat(ALL.slice(0, size))),
  ).toBe(0);
  if (last !== undefined) {
    expect(Buffer.compare(await opened.store.copy.rootHash(size), last.root)).toBe(0);
  }
  return count;
}

interface Run {
  acknowledged: number;
  readonly outcomes: string[];
}

/** Appends what is missing, until something other than a full disk stands in the way. */
async function appendAll(opened: OpenedStore, run: Run): Promise<void> {
  while (run.acknowledged < BATCHES.length) {
    const batch = BATCHES[run.acknowledged];
    if (batch === undefined) return;
    const result = await opened.append(batch);
    if (result !== 'ok') run.outcomes.push(result);
    if (result === 'ok') run.acknowledged += 1;
    else if (result !== 'LOG_STORE_FULL') return;
  }
}

/** A process ends by a crash, or when its host refuses to start over such a disk, or its enclave halts. */
async function untilItEnds(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const ended = error instanceof Crash || error instanceof Refusal;
    if (!ended && (error as { code?: unknown }).code !== 'ENOSPC') throw error;
  }
}

/**
 * One process with one fault, and perhaps a second one; then the next one must go on from what was acknowledged, or
 * one batch more. Undefined when the last fault did not come to pass.
 */
async function survive(
  faults: readonly Fault[],
  next: 'afterKill' | 'afterPowerCut',
): Promise<Run | undefined> {
  const run: Run = { acknowledged: 0, outcomes: [] };
  let files = new MemoryLogFiles();
  for (const fault of faults) {
    files = files[next](fault);
    const faulty = files;
    await untilItEnds(async () => {
      const opened = await openStore(faulty, SEGMENT_BYTES);
      const { size } = await opened.state();
      run.acknowledged = BATCHES.filter(
        ({ first, leaves }) => first + leaves.length <= size,
      ).length;
      await appendAll(opened, run);
      if (fault.kind !== 'crash') await opened.store.close();
    });
    if (!files.faulted) return undefined;
  }
  const reopened = await openStore(files[next](), SEGMENT_BYTES);
  expect(reopened.events.filter(({ event }) => event !== 'log.opened')).toEqual([]);
  const found = await batchesIn(reopened);
  expect(found - run.acknowledged === 0 || found - run.acknowledged === 1).toBe(true);
  // The enclave that waited repeats its batch; one that booted anew goes on from what it found.
  await appendAll(reopened, { ...run, outcomes: [] });
  expect(await batchesIn(reopened)).toBe(BATCHES.length);
  await reopened.store.close();
  expect(
    files[next]()
      .paths()
      .filter((path) => path.startsWith('new/')),
  ).toEqual([]);
  return run;
}

/** Puts the fault at every operation. Resolves with the outcomes of all runs. */
async function everywhere(
  kind: FaultKind,
  next: 'afterKill' | 'afterPowerCut',
  before: readonly Fault[] = [],
): Promise<{ readonly runs: number; readonly outcomes: Set<string> }> {
  const outcomes = new Set<string>();
  for (let at = 1; ; at += 1) {
    let run: Run | undefined;
    try {
      run = await survive([...before, { at, kind }], next);
    } catch (error) {
      throw new Error(`${kind} at operation ${String(at)}`, { cause: error });
    }
    if (run === undefined) return { runs: at - 1, outcomes };
    for (const result of run.outcomes) outcomes.add(result);
  }
}

describe('a fault at every file operation', () => {
  it.each(['afterKill', 'afterPowerCut'] as const)('a crash, %s', async (next) => {
    const { runs, outcomes } = await everywhere('crash', next);
    expect(runs).toBeGreaterThan(60);
    expect([...outcomes].filter((result) => result !== 'LOG_STORE_FAILED')).toEqual([]);
  });

  it.each([12, 29, 41, 48, 55, 63])(
    'a crash at operation %i, and one in the next life',
    async (at) => {
      const { runs } = await everywhere('crash', 'afterPowerCut', [{ at, kind: 'crash' }]);
      expect(runs).toBeGreaterThan(15);
    },
  );

  it('a full disk: the same bytes succeed later', async () => {
    const { outcomes } = await everywhere('ENOSPC', 'afterPowerCut');
    // What is no write and says ENOSPC is a disk that fails.
    expect([...outcomes].sort()).toEqual(['LOG_STORE_FAILED', 'LOG_STORE_FULL']);
  });

  it('a short write: the same bytes succeed later', async () => {
    const { outcomes } = await everywhere('short-write', 'afterPowerCut');
    expect([...outcomes]).toEqual(['LOG_STORE_FULL']);
  });

  it.each(['afterKill', 'afterPowerCut'] as const)('a disk that fails, %s', async (next) => {
    const { outcomes } = await everywhere('EIO', next);
    expect([...outcomes]).toEqual(['LOG_STORE_FAILED']);
  });

  it('a failed disk is never believed again by the process', async () => {
    const files = new MemoryLogFiles(undefined, { at: 6, kind: 'EIO' });
    const opened = await openStore(files, SEGMENT_BYTES);
    const [batch] = BATCHES;
    if (batch === undefined) throw new Error('no batch');
    const results: string[] = [];
    for (let i = 0; i < 3; i += 1) results.push(await opened.append(batch));
    expect(files.faulted).toBe(true);
    expect(results).toEqual(Array<string>(3).fill('LOG_STORE_FAILED'));
    expect(opened.events.filter(({ event }) => event === 'log.failed')).toHaveLength(1);
  });
});
