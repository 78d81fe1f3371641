import process from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { checkedEdge } from '../../enclave/core/cluster-log.ts';
import { SealedState } from '../../enclave/core/state.ts';
import type { StateIndex } from '../../enclave/core/state-index.ts';
import { Batch, EMPTY_EDGE, encodeEdge, leafHash, rootOf } from '../../enclave/log/tree.ts';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { verifyReceipt } from '../../src/tlog/verify-receipt.ts';
import { World } from '../support/fakes/world.ts';
import { headOf, knownLogOf, receiptOf } from '../support/log-audit.ts';
import { runs } from '../support/runs.ts';
import '../support/matchers.ts';

const message = utf8('release 1.2.3');
const LEAVES = runs(100_000).numRuns ?? 100_000;
/** Calls at once. */
const WIDTH = 250;
/** Leaves between two looks at the memory. */
const LOOK = 10_000;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heldMegabytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1e6;
}

describe('a log of 100,000 leaves', () => {
  test('takes no more memory than a small one, and the index names it on the way', async () => {
    const world = new World('large');
    const { logStore } = world;
    logStore.keepLeaves = false;
    const running = await world.begin({ ed: { algorithm: 'EdDSA' } });
    const log = await knownLogOf(running);
    const held: number[] = [];
    for (let signed = 0; signed < LEAVES; signed += WIDTH) {
      const [answer] = await Promise.all(
        Array.from({ length: WIDTH }, () => running.sign('ed', { message })),
      );
      await running.enclave.tick();
      // What the fakes keep for their tests is not the enclave's.
      logStore.checkpoints.length = 0;
      logStore.batches.length = 0;
      if (signed % LOOK !== 0 || answer === undefined) continue;
      expect((await verifyReceipt(receiptOf(answer), log)).verdict).toBe('warning');
      held.push(heldMegabytes());
    }
    const { size } = headOf(logStore.checkpoint);
    // Genesis, policy, birth, boot.
    expect(size).toBe(LEAVES + 4);
    // The clock stands still: only the number of leaves made the head due.
    expect((await running.status()).epoch).toBe(1n + BigInt(Math.floor(size / 65_536)));
    const [first = 0, ...later] = held;
    expect(Math.max(...later) - first).toBeLessThan(8);
  }, 600_000);

  test('is read back in less than two seconds, as far as a boot ever has to', async () => {
    const clusterId = new Uint8Array(32).fill(1);
    const world = new World('read back');
    const context = { ...world.ports, platform: world.platform.identity };
    const state = new SealedState(context, clusterId, new Uint8Array(32).fill(2));
    // The index is written every 65,536 leaves, and looked at every second.
    const leaves = Array.from({ length: 100_000 }, (_, i) =>
      utf8(`${String(i)} ${'x'.repeat(500)}`),
    );
    const indexed = new Batch(EMPTY_EDGE, leaves.slice(0, 1000).map(leafHash));
    const { edge } = new Batch(indexed.edge, leaves.slice(1000).map(leafHash));
    const index: StateIndex = {
      clusterId,
      epoch: 1n,
      previous: new Uint8Array(32),
      instanceId: new Uint8Array(16),
      timeMarkMs: 0,
      policyVersion: 1,
      policyDigest: new Uint8Array(32),
      policyAppliedAtMs: 0,
      adminSequence: 0,
      adminDigest: new Uint8Array(32),
      svn: 1,
      logSize: 1000,
      logRoot: rootOf(indexed.edge),
      logEdge: indexed.edge.hashes,
      records: [],
    };
    const sealedEdge = state.sealer('log-edge')(BigInt(edge.size) + 1n, encodeEdge(edge));
    world.logStore.restore({ leaves, sealedEdge });
    const started = performance.now();
    expect(await checkedEdge(world.ports, state, index)).toEqual(edge);
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(Math.max(...world.logStore.reads)).toBeLessThanOrEqual(4096);
  });
});
