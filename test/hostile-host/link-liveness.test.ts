/**
 * A host that is slow, drops answers, or cuts the link. That costs time and nothing else: others are answered
 * meanwhile, an honest retry is signed, and an intent has one leaf however often its batch was sent.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { u32, utf8 } from '../../enclave/wire/bytes.ts';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { LinkClosed } from '../../enclave/wire/link.ts';
import { HOST_METHODS, LOG_METHODS, METHODS, STORE_METHODS } from '../../enclave/wire/methods.ts';
import { attacked } from '../support/hostile-host/attacked.ts';
import { NOTHING } from '../support/hostile-host/frames.ts';
import type { Lie } from '../support/hostile-host/hostile-host.ts';
import { expectNoFork, expectProvable, knownLogOf } from '../support/log-audit.ts';
import '../support/matchers.ts';

const theRig = attacked();
const EVERYTHING = [...Object.values(STORE_METHODS), ...Object.values(LOG_METHODS)];

function lieAlways(lie: Lie): void {
  for (const method of EVERYTHING) theRig().host.lie(method, lie);
}

const requestId = (number: number): Uint8Array => new Uint8Array(16).fill(number);

describe('a host that is late', () => {
  test('with every answer gets every signature, each with its leaf', async () => {
    const rig = theRig();
    lieAlways(async (_, honest) => {
      const truth = await honest();
      await sleep(20);
      return truth;
    });
    const answers = await Promise.all(Array.from({ length: 50 }, () => rig.sign('signer')));
    const again = await Promise.all(Array.from({ length: 50 }, () => rig.sign('token')));
    await expectProvable([...answers, ...again], await knownLogOf(rig.host), rig.host.services.log);
  });

  test('with one append for longer than callers wait: they are told, and others are answered', async () => {
    const rig = theRig();
    const release = rig.host.services.log.hold();
    const waiting = rig.sign('signer', { requestId: requestId(1) });
    await expect(waiting).toRefuseWith('LOG_UNAVAILABLE', {});
    // The intent stays, and no other is taken in.
    await expect(rig.sign('signer')).toRefuseWith('LOG_UNAVAILABLE', {});
    expect((await rig.status()).phase).toBe(Phase.PHASE_SERVING);
    for (const method of [METHODS.listKeys, METHODS.getEvidence]) {
      expect((await rig.host.call(method, NOTHING)).byteLength).toBeGreaterThan(0);
    }
    release();
    await rig.servesAgain();
    const retried = await rig.sign('signer', { requestId: requestId(1) });
    expect(retried.signature.byteLength).toBeGreaterThan(0);
  });
});

describe('a host that cuts the link', () => {
  test('under an append: the caller hears nothing, the batch goes over the next link once', async () => {
    const rig = theRig();
    const { log } = rig.host.services;
    const before = log.leaves.length;
    rig.host.lie(LOG_METHODS.append, async ({ connection, nth }, honest) => {
      const truth = await honest();
      if (nth > 0) return truth;
      connection.send(u32(0));
      return undefined;
    });
    await expect(rig.sign('signer')).rejects.toBeInstanceOf(LinkClosed);
    await rig.connect();
    await rig.sign('signer');
    expect(log.leaves.length).toBe(before + 2);
    expectNoFork(log);
  });

  test('with each call, fifty times: nothing is signed twice for one request id', async () => {
    const rig = theRig();
    const before = rig.host.ledger.intents;
    for (let i = 0; i < 50; i += 1) {
      rig.sign('signer', { requestId: requestId(2) }).catch(() => undefined);
      if (i % 2 === 0) await sleep(2);
      rig.host.link.drop();
      await rig.connect();
    }
    const answer = await rig.sign('signer', { requestId: requestId(2) });
    expect(rig.host.ledger.intents - before).toBe(1);
    await expectProvable([answer], await knownLogOf(rig.host), rig.host.services.log);
  });

  test('under a goodbye: the head is written over the next link, and serving goes on', async () => {
    const rig = theRig();
    await rig.sign('signer');
    const { epoch } = await rig.status();
    rig.host.lie(STORE_METHODS.put, ({ connection, nth }, honest) => {
      if (nth > 0) return honest();
      connection.send(u32(0));
      return undefined;
    });
    await expect(rig.host.call(HOST_METHODS.drained, NOTHING)).rejects.toBeInstanceOf(LinkClosed);
    await rig.connect();
    while ((await rig.status()).epoch === epoch) await sleep(5);
    expect((await rig.status()).epoch).toBe(epoch + 1n);
    await rig.sign('signer');
  });
});

describe('a host that drops answers', () => {
  test('one of each kind: it is asked again in the same bytes after the deadline', async () => {
    const rig = theRig();
    const bodies = new Map<string, Set<string>>();
    await rig.sign('signer');
    for (const method of [STORE_METHODS.put, LOG_METHODS.append]) {
      bodies.set(method, new Set());
      rig.host.lie(method, async ({ body, nth }, honest) => {
        if (nth < 2) bodies.get(method)?.add(Buffer.from(body).toString('hex'));
        const truth = await honest();
        return nth === 0 ? undefined : truth;
      });
    }
    const drained = rig.host.call(HOST_METHODS.drained, NOTHING);
    const signed = rig.sign('signer', { message: utf8('dropped') });
    await expect(signed).toRefuseWith('LOG_UNAVAILABLE', {});
    expect((await rig.status()).phase).toBe(Phase.PHASE_SERVING);
    await drained;
    await rig.servesAgain();
    // What was asked twice was asked in one form, and is in the log once.
    expect([...bodies.values()].map(({ size }) => size)).toEqual([1, 1]);
    expectNoFork(rig.host.services.log);
  });
});
