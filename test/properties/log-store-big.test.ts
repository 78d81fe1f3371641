import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, expect, it } from 'vitest';
import { LogStore } from '../../src/host/log-store/log-store.ts';
import { leafHash, verifyInclusion } from '../../src/tlog/merkle.ts';
import { batches, wrap, type OpenedStore } from '../support/log-store-bed.ts';

const LEAVES = 100_000;
const BATCH = 1000;
const folder = mkdtempSync(join(tmpdir(), 'sw-log-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heldBytes(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

async function open(): Promise<OpenedStore> {
  return wrap(await LogStore.open(join(folder, 'log'), { log: () => undefined }));
}

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

it('100,000 leaves: memory flat, a start and a proof in milliseconds', async () => {
  const opened = await open();
  const held: number[] = [];
  let root: Uint8Array = new Uint8Array(0);
  const appending = await milliseconds(async () => {
    for (const batch of batches(Array<number>(LEAVES / BATCH).fill(BATCH))) {
      expect(await opened.append(batch)).toBe('ok');
      root = batch.root;
      if (batch.first % 20_000 === 0) held.push(heldBytes());
    }
  });
  await opened.store.close();

  let again = await open();
  await again.store.close();
  const opening = await milliseconds(async () => {
    again = await open();
  });
  const { copy } = again.store;
  expect(copy.size).toBe(LEAVES);
  const times: number[] = [];
  for (let i = 0; i < 200; i += 1) {
    const index = (i * 7919) % LEAVES;
    let proof: Uint8Array[] = [];
    times.push(
      await milliseconds(async () => {
        proof = await copy.tree(LEAVES).inclusionProof(index);
      }),
    );
    const leaf = await leafHash(Buffer.from(`{"leaf":${String(index)}}`));
    expect(await verifyInclusion({ leafHash: leaf, index, size: LEAVES, proof }, root)).toBe(true);
  }
  await again.store.close();
  times.sort((a, b) => a - b);
  const median = times[times.length >> 1] ?? Infinity;
  const growth = Math.max(...held) - (held[0] ?? 0);
  process.stdout.write(
    `log of ${String(LEAVES)}: ${(LEAVES / (appending / 1000)).toFixed(0)} leaves/s, ` +
      `memory +${(growth / 2 ** 20).toFixed(1)} MiB, open ${opening.toFixed(0)} ms, ` +
      `proof ${median.toFixed(2)} ms (p99 ${(times[197] ?? 0).toFixed(2)} ms)\n`,
  );
  // 32 MiB may wait for their tiles; leaves and hashes of 100,000 would be much more with their objects.
  expect(growth).toBeLessThan(40 * 2 ** 20);
  expect(opening).toBeLessThan(2000);
  expect(median).toBeLessThan(5);
}, 60_000);
