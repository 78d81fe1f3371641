/**
 * A host that lies about the log: acknowledges and forgets, acknowledges another batch, edits, exchanges, forks.
 * No signature comes back before its leaf was acknowledged; what the host does afterwards is found at boot, or by
 * whoever holds a receipt (docs/spec/log.md).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal, type HaltReason } from '../../enclave/wire/error-code.ts';
import {
  LogReadResponse,
  LogStateResponse,
} from '../../enclave/wire/gen/sealwright/enclave/v1/log_store.ts';
import type { SignResponse } from '../../enclave/wire/gen/sealwright/v1/signing.ts';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { HOST_METHODS, LOG_METHODS } from '../../enclave/wire/methods.ts';
import { verifyReceipt } from '../../src/tlog/verify-receipt.ts';
import { expectProvable, headOf, knownLogOf, receiptOf } from '../support/log-audit.ts';
import { attacked } from '../support/hostile-host/attacked.ts';
import { NOTHING, responseFrame } from '../support/hostile-host/frames.ts';
import type { Disks } from '../support/hostile-host/memory-services.ts';
import '../support/matchers.ts';

const theRig = attacked();
let foreign: Disks;

beforeAll(async () => {
  foreign = await theRig().anotherCluster();
});

/** Signs three times, so that leaves lie behind the index. */
async function signThree(): Promise<SignResponse[]> {
  const answers: SignResponse[] = [];
  for (let i = 0; i < 3; i += 1) answers.push(await theRig().sign('signer'));
  return answers;
}

type Leaves = readonly Uint8Array[];

/** The host gives these leaves instead of those that it was asked for. */
function lieInLeaves(lie: (leaves: Leaves) => Leaves): void {
  theRig().host.lie(LOG_METHODS.read, async (_, honest) => {
    const { leaves } = LogReadResponse.decode(await honest());
    return LogReadResponse.encode({ leaves: [...lie(leaves)] }).finish();
  });
}

/** The host says this of its log. */
function lieInState(lie: Partial<LogStateResponse>): void {
  theRig().host.lie(LOG_METHODS.state, async (_, honest) => {
    const truth = LogStateResponse.decode(await honest());
    return LogStateResponse.encode({ ...truth, ...lie }).finish();
  });
}

describe('a boot halts over leaves that', () => {
  /** Leaves that the index names; those behind it are read back. */
  let named: string;
  // A boot that halts leaves everything as it was for the next one.
  beforeAll(async () => {
    await theRig().reboot();
    named = String(theRig().host.services.log.leaves.length);
    await signThree();
  });

  const edited = utf8('{"kind":"genesis"}');
  test.each<readonly [string, (leaves: Leaves) => Leaves]>([
    ['are edited', (leaves) => [edited, ...leaves.slice(1)]],
    ['are in another order', (leaves) => [...leaves].reverse()],
    ['are all the last one', (leaves) => leaves.map(() => leaves.at(-1) ?? edited)],
    ['are not there', () => []],
    ['are more than there are', (leaves) => [...leaves, edited]],
    ['are those of another cluster', (leaves) => foreign.log.leaves.slice(0, leaves.length)],
  ])('%s', async (_, lie) => {
    lieInLeaves(lie);
    await theRig().expectHalt('LOG_DAMAGED', { leaf: named });
  });

  test('were acknowledged and forgotten, while the edge names them', async () => {
    const { log } = theRig().host.services;
    const kept = log.leaves;
    log.leaves = kept.slice(0, -2);
    lieInState({ size: BigInt(kept.length) });
    // The one that is left is not enough.
    await theRig().expectHalt('LOG_DAMAGED', { leaf: String(Number(named) + 1) });
    log.leaves = kept;
  });

  test('are a million and empty', async () => {
    const million = new Uint8Array(2_000_000).map((_, i) => (i % 2 === 0 ? 10 : 0));
    theRig().host.lie(LOG_METHODS.read, () => million);
    await theRig().expectHalt('STORE_UNAVAILABLE', { refusal: 'STORE_UNAVAILABLE' });
  });
});

describe('a boot halts over a log that', () => {
  test.each<readonly [string, () => Partial<LogStateResponse>, HaltReason]>([
    ['has no edge', () => ({ sealedEdge: NOTHING }), 'ROLLBACK_DETECTED'],
    ['says that it is empty', () => ({ size: 0n, sealedEdge: NOTHING }), 'ROLLBACK_DETECTED'],
    ['says that it is shorter than the index', () => ({ size: 1n }), 'ROLLBACK_DETECTED'],
    [
      'has the edge of another cluster',
      () => ({ sealedEdge: foreign.log.sealedEdge }),
      'LOG_DAMAGED',
    ],
    ['has an edge of noise', () => ({ sealedEdge: new Uint8Array(500) }), 'LOG_DAMAGED'],
  ])('%s', async (_, lie, reason) => {
    lieInState(lie());
    await theRig().expectHalt(reason, {});
  });

  test('has an edge older than the index', async () => {
    const { host } = theRig();
    await theRig().reboot();
    const { sealedEdge } = host.services.log;
    await signThree();
    await host.call(HOST_METHODS.drained, NOTHING);
    lieInState({ sealedEdge });
    await theRig().expectHalt('ROLLBACK_DETECTED', {});
  });

  test('does not answer', async () => {
    theRig().host.lie(LOG_METHODS.state, () => {
      throw new Refusal('LOG_STORE_FAILED');
    });
    await theRig().expectHalt('LOG_STORE_FAILED', { refusal: 'LOG_STORE_FAILED' });
  });
});

describe('a boot is not moved', () => {
  test('by leaves that come one by one, nor by a size of 2^64 - 1', async () => {
    await theRig().reboot();
    const answers = await signThree();
    lieInState({ size: 0xffff_ffff_ffff_ffffn });
    lieInLeaves((leaves) => leaves.slice(0, 1));
    expect((await theRig().reboot()).phase).toBe(Phase.PHASE_SERVING);
    answers.push(await theRig().sign('signer'));
    await expectProvable(answers, await knownLogOf(theRig().host), theRig().host.services.log);
  });
});

/** Both checkpoints are signed with the log key, are of one size, and of two trees: the host is convicted. */
async function expectConvicted(one: SignResponse, two: SignResponse): Promise<void> {
  const heads = [one, two].map((answer) => headOf(receiptOf(answer).checkpoint));
  expect(heads[0]?.size).toBe(heads[1]?.size);
  expect(heads[0]?.root).not.toBe(heads[1]?.root);
  const log = await knownLogOf(theRig().host);
  for (const answer of [one, two]) {
    expect((await verifyReceipt(receiptOf(answer), log)).verdict).toBe('warning');
  }
}

describe('what a boot can’t see without an anchor convicts the host by its receipts', () => {
  test('a last leaf that was acknowledged, never durable, and lost with the host', async () => {
    const { host, enclave } = theRig();
    await theRig().reboot();
    await theRig().sign('signer');
    const before = host.services.log.snapshot();
    const lost = await theRig().sign('signer');
    await enclave.kill();
    host.services.log.restore(before);
    await theRig().boot();
    const after = await theRig().sign('signer');
    // The boot's own leaf took the place of the lost one.
    expect(receiptOf(after).index).toBe(receiptOf(lost).index + 1);
    const boot = host.services.log.leaves[receiptOf(lost).index];
    expect(boot).not.toEqual(receiptOf(lost).leaf);
  });

  test('two copies of store and log, each with signatures of its own', async () => {
    const { host } = theRig();
    await theRig().reboot();
    const fork = host.services.snapshot();
    await theRig().reboot();
    const one = await theRig().sign('signer', { message: utf8('one') });
    await theRig().enclave.kill();
    host.services.restore(fork);
    await theRig().boot();
    const two = await theRig().sign('signer', { message: utf8('two') });
    await expectConvicted(one, two);
  });
});

describe('an append', () => {
  test('that is refused as a conflict halts, and its signature stays inside', async () => {
    await theRig().reboot();
    theRig().host.lie(LOG_METHODS.append, () => {
      throw new Refusal('LOG_STORE_CONFLICT');
    });
    await expect(theRig().sign('signer')).toRefuseWith('LOG_UNAVAILABLE', {});
    await theRig().expectHalted('LOG_DAMAGED', { refusal: 'LOG_STORE_CONFLICT' });
  });

  test('whose disk failed halts, and the next boot reads what is there', async () => {
    await theRig().reboot();
    theRig().host.lie(LOG_METHODS.append, async (_, honest) => {
      await honest();
      throw new Refusal('LOG_STORE_FAILED');
    });
    await expect(theRig().sign('signer')).toRefuseWith('LOG_UNAVAILABLE', {});
    await theRig().expectHalted('LOG_STORE_FAILED', { refusal: 'LOG_STORE_FAILED' });
    theRig().host.repent();
    await theRig().reboot();
    await theRig().sign('signer');
  });

  test('that finds the disk full is tried again in the same bytes, and callers are told meanwhile', async () => {
    const rig = theRig();
    await rig.reboot();
    const bodies = new Set<string>();
    rig.host.lie(LOG_METHODS.append, ({ body }) => {
      bodies.add(Buffer.from(body).toString('hex'));
      throw new Refusal('LOG_STORE_FULL');
    });
    await expect(rig.sign('signer')).toRefuseWith('LOG_UNAVAILABLE', {});
    await expect(rig.sign('signer')).toRefuseWith('LOG_UNAVAILABLE', {});
    await sleep(250);
    expect(bodies.size).toBe(1);
    rig.host.repent();
    await rig.servesAgain();
  });

  test('is not acknowledged by the acknowledgement of another one', async () => {
    const rig = theRig();
    await rig.sign('signer');
    const before = rig.host.ledger.released;
    let streamId = 0n;
    rig.host.lie(LOG_METHODS.append, async (call, honest) => {
      ({ streamId } = call);
      await honest();
      // To the append before, which was answered, and to the call before this one.
      call.connection.send(responseFrame(streamId - 1n));
      call.connection.send(responseFrame(streamId - 2n));
      return undefined;
    });
    const signed = rig.sign('signer');
    await sleep(100);
    expect(rig.host.ledger.released).toBe(before);
    rig.host.link.send(responseFrame(streamId));
    await signed;
  });

  test('is not acknowledged before it was made: the link closes, and the batch goes to the next', async () => {
    const rig = theRig();
    await rig.sign('signer');
    const before = rig.host.ledger.released;
    rig.host.lie(LOG_METHODS.append, ({ connection, streamId, nth }, honest) => {
      if (nth > 0) return honest();
      connection.send(responseFrame(streamId + 1n));
      return undefined;
    });
    await expect(rig.sign('signer')).rejects.toThrow();
    await rig.connect();
    await rig.servesAgain();
    expect(rig.host.ledger.released).toBe(before + 1);
  });

  test.each([
    ['no message', Uint8Array.of(0xff)],
    ['a zero tag', Uint8Array.of(0, 1)],
  ])(
    'that is answered with %s is no more acknowledged than one that is refused',
    async (_, answer) => {
      const rig = theRig();
      const before = rig.host.ledger.released;
      rig.host.lie(LOG_METHODS.append, () => answer);
      const signed = rig.sign('signer');
      await sleep(150);
      expect(rig.host.ledger.released).toBe(before);
      rig.host.repent();
      await signed;
    },
  );
});

test('checkpoints that nobody takes keep no signature back', async () => {
  const rig = theRig();
  rig.host.lie(LOG_METHODS.checkpoint, () => undefined);
  const answers = await signThree();
  await expectProvable(answers, await knownLogOf(rig.host), rig.host.services.log);
});
