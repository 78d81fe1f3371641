import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Checkpoint } from '../../enclave/wire/tlog-note.ts';
import type { SignResponse } from '../../src/gen/sealwright/v1/signing.ts';
import { parseLeaf } from '../../src/tlog/leaf.ts';
import type { KnownLog } from '../../src/tlog/verify-checkpoint.ts';
import { leafHash, verifyInclusion } from '../../src/tlog/merkle.ts';
import { KillStack, RING } from '../support/kill-stack.ts';
import { knownLog, LogReader, ReadRefused } from '../support/log-reader.ts';
import { LogReplica } from '../support/log-replica.ts';

const SIGNATURES = 600;
let stack: KillStack;
let log: KnownLog;
let reader: LogReader;
const answers: SignResponse[] = [];

async function sign(count: number): Promise<void> {
  const client = stack.client();
  try {
    const work = Array.from({ length: count }, (_, i) =>
      client.sign({
        ring: RING,
        payload: { $case: 'message', value: { message: Buffer.from(String(i)) } },
        algorithm: 0,
        encoding: 0,
        requestId: new Uint8Array(0),
        declineReceipt: false,
      }),
    );
    answers.push(...(await Promise.all(work)));
  } finally {
    client.close();
  }
}

const reasonOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: unknown) => (error instanceof ReadRefused ? error.reason : String(error)),
  );

beforeAll(async () => {
  stack = await KillStack.start();
  log = await knownLog(stack);
  reader = new LogReader(stack, log);
  await sign(SIGNATURES);
}, 60_000);

afterAll(async () => {
  reader.close();
  await stack.close();
});

describe('the log of a running service', () => {
  it('has every signature, in the order of its receipts', async () => {
    const replica = new LogReplica(log);
    const head = await replica.follow(reader);
    expect(head.size).toBeGreaterThan(SIGNATURES);
    for (const answer of answers) await replica.requireLogged(answer, reader);
    const kinds = replica.leaves.map((leaf) => parseLeaf(leaf).kind);
    expect(kinds[0]).toBe('genesis');
    expect(kinds.filter((kind) => kind === 'signature')).toHaveLength(SIGNATURES);
  });

  it('proves leaves and growth over gRPC', async () => {
    const head = await reader.checkpoint();
    for (const answer of answers.slice(0, 40)) {
      if (answer.receipt === undefined) throw new Error('no receipt');
      const { leaf, index, checkpoint } = answer.receipt;
      await reader.requireIncluded(leaf, Number(index), head);
      await reader.requireConsistent(await reader.verified(checkpoint), head);
    }
    // Size 0 stands for the checkpoint's.
    expect((await reader.inclusion(3, 0)).treeSize).toBe(BigInt(head.size));
    expect((await reader.consistency(3, 0)).newSize).toBe(BigInt(head.size));
  });

  it('is the same over HTTP, from tiles alone', async () => {
    const head = await reader.httpCheckpoint();
    const tree = reader.tree(head.size);
    expect(await tree.rootHash()).toEqual(head.rootHash);
    for (const index of [0, 1, 255, 256, head.size - 1]) {
      const leaf = await reader.httpLeaf(index, head.size);
      expect(Buffer.compare(leaf, (await reader.entries(index, 1))[0] ?? Buffer.alloc(0))).toBe(0);
      const proof = await tree.inclusionProof(index);
      const inclusion = { leafHash: await leafHash(leaf), index, size: head.size, proof };
      expect(await verifyInclusion(inclusion, head.rootHash)).toBe(true);
    }
  });

  it('says with HTTP what it is', async () => {
    const checkpoint = await reader.fetch('/checkpoint');
    expect(checkpoint.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(checkpoint.headers.get('cache-control')).toBe('no-store');
    const tile = await reader.fetch('/tile/0/000');
    expect(tile.headers.get('content-type')).toBe('application/octet-stream');
    expect(tile.headers.get('cache-control')).toContain('immutable');
    expect((await tile.arrayBuffer()).byteLength).toBe(8192);
    for (const path of ['/tile/0/002', '/tile/0/000.p/0', '/tile/entries/999', '/tile/x/000']) {
      expect((await reader.fetch(path)).status).toBe(404);
    }
    const metrics = await (await reader.fetch('/metrics')).text();
    expect(metrics).toMatch(/^sealwright_log_leaves \d{3}$/m);
  });

  it('refuses what it has not, by name', async () => {
    const { size } = await reader.checkpoint();
    expect(await reader.entries(size, 1)).toEqual([]);
    expect(await reader.entries(size - 2, 256)).toHaveLength(2);
    const refused: [string, Promise<unknown>][] = [
      ['behind the end', reader.entries(size + 1, 1)],
      ['no leaves', reader.entries(0, 0)],
      ['too many', reader.entries(0, 257)],
      ['a huge index', reader.entries(Number.MAX_SAFE_INTEGER, 1)],
      ['a leaf behind the tree', reader.inclusion(5, 5)],
      ['a leaf behind the log', reader.inclusion(size, 0)],
      ['a larger tree', reader.inclusion(0, size + 1)],
      ['an empty older tree', reader.consistency(0, size)],
      ['an older tree that is newer', reader.consistency(6, 5)],
      ['a newer tree that is not there', reader.consistency(5, size + 1)],
    ];
    for (const [name, promise] of refused) {
      expect([name, await reasonOf(promise)]).toEqual([name, 'LOG_RANGE_INVALID']);
    }
  });

  it('answers callers only', async () => {
    const stranger = new LogReader(stack, log, false);
    expect(await reasonOf(stranger.checkpoint())).toBe('CALLER_UNAUTHENTICATED');
    stranger.close();
  });
});

describe('without the enclave, and after restarts', () => {
  let before: Checkpoint;
  it('is served on while the enclave is down', async () => {
    before = await reader.checkpoint();
    await stack.killEnclave();
    expect((await reader.checkpoint()).size).toBe(before.size);
    await reader.requireIncluded((await reader.entries(7, 1))[0] ?? Buffer.alloc(0), 7, before);
    expect((await reader.httpCheckpoint()).size).toBe(before.size);
  });

  it('is served by the next host, which knows the checkpoint, before an enclave is there', async () => {
    await stack.stopHost();
    await stack.startHost();
    const head = await reader.checkpoint();
    expect(head).toEqual(before);
    expect(await reader.tree(head.size).rootHash()).toEqual(head.rootHash);
  });

  it('goes on when the enclave is back', async () => {
    await stack.startEnclave();
    await stack.serving();
    await sign(50);
    const replica = new LogReplica(log);
    const head = await replica.follow(reader);
    expect(head.size).toBeGreaterThan(before.size + 50);
    await reader.requireConsistent(before, head);
    for (const answer of answers) await replica.requireLogged(answer, reader);
  });
});
