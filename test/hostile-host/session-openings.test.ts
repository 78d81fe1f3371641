/**
 * A host that carries openings of sessions wherever it likes, again, changed, or not at all (docs/spec/session.md, "Open").
 * It learns one refusal of one size, and no session comes of what its caller did not ask for.
 */
import { WireType } from '@bufbuild/protobuf/wire';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { concatBytes, utf8 } from '../../enclave/wire/bytes.ts';
import {
  MAX_HALF_OPEN_OF_PRINCIPAL,
  MAX_SESSION_MESSAGE_BYTES,
  SESSION_OPENING_MS,
} from '../../enclave/wire/limits.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import type { ClientIdentity } from '../../enclave/wire/session/client.ts';
import {
  encodeOpen,
  parseOpen,
  type OpenMessage,
} from '../../enclave/wire/session/open-message.ts';
import { certified, spiffeId, TEST_AUTHORITY } from '../support/fakes/callers.ts';
import { signRequest } from '../support/fakes/world.ts';
import { attacked } from '../support/hostile-host/attacked.ts';
import { bent } from '../support/hostile-host/frames.ts';
import { ci, flipped, recordBed } from '../support/hostile-host/record-bed.ts';
import { Rig } from '../support/hostile-host/rig.ts';
import { SessionHost, signIn } from '../support/hostile-host/session-host.ts';
import {
  acceptIn,
  openRequest,
  openingFor,
  SessionCaller,
  testIdentity,
  type OpenTarget,
} from '../support/session-caller.ts';

const theRig = attacked();
const NOTHING = new Uint8Array(0);
const { host } = recordBed(theRig);

/** The one refusal, without details and without any leaf. */
async function refused(message: Uint8Array): Promise<void> {
  await host().expectNothing(() =>
    expect(host().bring(message)).toRefuseWith('SESSION_REFUSED', {}),
  );
}

/** An Open of `identity` with a part exchanged on the way. */
async function changed(
  change: (open: OpenMessage) => Partial<OpenMessage>,
  identity: ClientIdentity = ci,
): Promise<Uint8Array> {
  const open = parseOpen(await host().opening(identity));
  return encodeOpen({ ...open, ...change(open) });
}

describe('an Open brought to another enclave', () => {
  let other: Rig;
  beforeAll(async () => {
    other = await Rig.serving();
  });
  afterAll(() => other.close());

  test('that is genuine and has another cluster id opens nothing there', async () => {
    const there = new SessionHost(other);
    const message = await host().opening(ci);
    await there.expectNothing(() =>
      expect(there.bring(message)).toRefuseWith('SESSION_REFUSED', {}),
    );
    // Here it does: it was good.
    expect(acceptIn(await host().bring(message)).byteLength).toBeGreaterThan(0);
  });

  test('under the name of that one’s evidence opens nothing there', async () => {
    const there = new SessionHost(other);
    const { evidenceDigest } = await there.target();
    const message = await changed(() => ({ evidenceDigest }));
    await there.expectNothing(() =>
      expect(there.bring(message)).toRefuseWith('SESSION_REFUSED', {}),
    );
  });

  test('sealed to its key by a caller who was told that it is ours opens nothing there', async () => {
    const there = new SessionHost(other);
    const [ours, theirs] = [await host().target(), await there.target()];
    // A verifier that pins the cluster lets none of these pass; and if it did:
    const mixtures: OpenTarget[] = [
      { ...theirs, clusterId: ours.clusterId },
      { ...ours, hpkeKey: theirs.hpkeKey },
      { ...theirs, evidenceDigest: ours.evidenceDigest },
    ];
    for (const target of mixtures) {
      const { message } = await openingFor({ target, identity: ci });
      for (const enclave of [host(), there]) {
        await enclave.expectNothing(() =>
          expect(enclave.bring(message)).toRefuseWith('SESSION_REFUSED', {}),
        );
      }
    }
  });

  test('gives an Accept that finishes no other opening', async () => {
    const there = new SessionHost(other);
    const [mine, theirs] = await Promise.all([host().target(), there.target()]);
    const here = await openingFor({ target: mine, identity: ci });
    const diverted = await there.bring(await there.opening(ci));
    expect(theirs.clusterId).not.toEqual(mine.clusterId);
    await expect(here.finish(acceptIn(diverted))).rejects.toMatchObject({ rule: 'hpke' });
  });
});

describe('an Open brought again', () => {
  test('opens no second session', async () => {
    const caller = await openingFor({ target: await host().target(), identity: ci });
    const accept = acceptIn(await host().bring(caller.message));
    await refused(caller.message);
    expect((await caller.finish(accept)).facts.principal).toBe(spiffeId('ci'));
  });

  test('twice at the same time opens one session', async () => {
    const message = await host().opening(ci);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, () => host().bring(message)),
    );
    const accepted = outcomes.filter(({ status }) => status === 'fulfilled');
    expect(accepted).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') {
        expect(outcome.reason).toMatchObject({ reason: 'SESSION_REFUSED', details: {} });
      }
    }
  });

  test('with another content under the same encapsulation opens nothing', async () => {
    const message = await host().opening(ci);
    await host().bring(message);
    const [{ enc1 }, open] = [parseOpen(message), parseOpen(await host().opening(ci))];
    await refused(encodeOpen({ ...open, enc1 }));
  });

  test('after a restart of the enclave opens nothing, and neither does one that was kept for it', async () => {
    const rig = theRig();
    const [brought, kept] = [await host().opening(ci), await host().opening(ci)];
    await host().bring(brought);
    await rig.reboot();
    await refused(brought);
    await refused(kept);
    const session = await host().open(ci);
    expect((await signIn(session)).ring).toBe('session');
  });
});

describe('an Open changed on the way', () => {
  test.each([
    ['to suite 2', 2],
    ['to suite 3', 3],
    ['to no suite', 0],
    ['to suite 65,535', 0xffff],
  ])('%s opens nothing', async (_, suite) => {
    await refused(await changed(() => ({ suite })));
  });

  test('to another suite with an encapsulation as long as that one’s opens nothing', async () => {
    for (const [suite, length] of [
      [2, 65],
      [3, 1120],
    ] as const) {
      await refused(await changed(() => ({ suite, enc1: new Uint8Array(length).fill(4) })));
    }
  });

  test('sealed for a weaker suite by its caller is refused by an enclave that serves another', async () => {
    const target: OpenTarget = { ...(await host().target()), suite: 2 };
    const { message } = await openingFor({ target, identity: ci }).catch(() => ({
      message: NOTHING,
    }));
    await refused(message);
  });

  test('in any of its first hundred bytes, or of its last, opens nothing', async () => {
    const message = await host().opening(ci);
    const places = [...Array(120).keys(), message.length - 17, message.length - 1];
    await host().expectNothing(() =>
      Promise.all(
        places.map((at) =>
          expect(host().bring(flipped(message, at))).toRefuseWith('SESSION_REFUSED', {}),
        ),
      ),
    );
    await host().bring(message);
  });

  test.each<readonly [string, (message: Uint8Array) => Uint8Array]>([
    ['cut by a byte', (message) => message.subarray(0, -1)],
    ['with a byte more', (message) => concatBytes(message, Uint8Array.of(0))],
    ['cut to nothing', () => NOTHING],
    ['that is an Accept', () => Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0)],
    ['of another version', (message) => Uint8Array.from([2, ...message.subarray(1)])],
    ['twice in a row', (message) => concatBytes(message, message)],
  ])('%s opens nothing', async (_, change) => {
    await refused(change(await host().opening(ci)));
  });

  test('of 64 KiB and more is refused, whole or inside', async () => {
    await refused(new Uint8Array(64 * 1024 + 1).fill(1));
    await expect(host().bring(new Uint8Array(MAX_SESSION_MESSAGE_BYTES))).toRefuseWith(
      'FRAME_TOO_LARGE',
    );
  });

  test('of two openings put together opens nothing', async () => {
    const other = parseOpen(await host().opening(testIdentity('deploy')));
    await refused(await changed(() => ({ ct1: other.ct1 })));
    await refused(await changed(() => ({ enc1: other.enc1 })));
  });
});

describe('an Open for evidence that is not served', () => {
  test('but was made for a nonce of the host opens nothing', async () => {
    const fresh = await host().freshTarget();
    expect(fresh.hpkeKey).toEqual((await host().target()).hpkeKey);
    const { message } = await openingFor({ target: fresh, identity: ci });
    await refused(message);
  });

  test('of the boot before opens nothing, by its key or by its name', async () => {
    const before = await host().target();
    await theRig().reboot();
    const now = await host().target();
    expect(now.hpkeKey).not.toEqual(before.hpkeKey);
    for (const target of [before, { ...now, hpkeKey: before.hpkeKey }]) {
      const { message } = await openingFor({ target, identity: ci });
      await refused(message);
    }
  });

  test('with a cluster id that the host invented opens nothing', async () => {
    const target = { ...(await host().target()), clusterId: new Uint8Array(32).fill(7) };
    await refused((await openingFor({ target, identity: ci })).message);
  });
});

describe('an opening of the host’s own', () => {
  test('with a caller’s certificate and a key of the host opens nothing', async () => {
    const thief: ClientIdentity = { ...testIdentity('ci'), certificates: ci.certificates };
    await refused(await host().opening(thief));
  });

  test('with the signature of another opening opens nothing', async () => {
    let kept: Uint8Array = NOTHING;
    const victim: ClientIdentity = {
      ...ci,
      sign: async (input) => (kept = await ci.sign(input)),
    };
    await host().opening(victim);
    await refused(await host().opening({ ...ci, sign: () => Promise.resolve(kept) }));
  });

  test('with a signature under another algorithm’s number opens nothing', async () => {
    for (const algorithm of [0, 2, 4, 8, 255])
      await refused(await host().opening({ ...ci, algorithm }));
  });

  test('with a chain of a caller that no policy names, or of no known authority, opens nothing', async () => {
    await refused(await host().opening(testIdentity('stranger')));
    const own = testIdentity('ci');
    await refused(await host().opening({ ...own, certificates: [TEST_AUTHORITY.certificate] }));
    const [leaf = NOTHING] = own.certificates;
    await refused(await host().opening({ ...own, certificates: [leaf, leaf] }));
  });

  test('with a checkpoint that the enclave never signed opens nothing, and halts nothing', async () => {
    const session = await host().open(ci);
    const genuine = new TextDecoder().decode(session.facts.checkpoint);
    const [origin = '', size = '', ...rest] = genuine.split('\n');
    for (const forged of [
      [origin, String(Number(size) + 1000), ...rest].join('\n'),
      ['another.example/log', size, ...rest].join('\n'),
      genuine.replace(/.{8}\n$/, 'AAAAAAA=\n'),
      'no note at all',
    ]) {
      await refused(await host().opening(ci, { lastCheckpoint: utf8(forged) }));
    }
    expect((await signIn(session)).ring).toBe('session');
  });
});

describe('what the host says of who calls', () => {
  test('plays no part in a session: its caller is whom the Open proves', async () => {
    const other = certified(TEST_AUTHORITY.client(spiffeId('deploy')));
    for (const caller of [other, { rank: 1, certificates: [], socket: 'x' }, undefined]) {
      const carry = host().carry({ caller });
      const target = await host().target();
      const session = await SessionCaller.open(carry, { target, identity: ci });
      expect(session.facts.principal).toBe(spiffeId('ci'));
      const leaves = await host().leavesOf(() => signIn(session));
      expect(leaves).toMatchObject([
        { kind: 'session', caller: 'ci' },
        { kind: 'signature', caller: 'ci', rank: 'session' },
      ]);
    }
  });

  test('gives a call outside no rank of a session that is open', async () => {
    const session = await host().open(ci);
    await signIn(session);
    const caller = { ...certified(...ci.certificates), rank: 1 };
    await host().expectNothing(() =>
      expect(theRig().sign('session', { caller })).toRefuseWith('CALLER_UNAUTHENTICATED'),
    );
  });
});

describe('odd messages around an Open', () => {
  test('are read as protobuf says, or refused', async () => {
    const carry = host().carry();
    const [first, second] = [await host().opening(ci), await host().opening(ci)];
    // A field twice: the last one counts, and the first was not brought.
    const twice = bent((writer) =>
      writer
        .tag(1, WireType.LengthDelimited)
        .bytes(first)
        .tag(1, WireType.LengthDelimited)
        .bytes(second),
    );
    await carry(METHODS.openSession, twice);
    await refused(second);
    const unknown = bent((writer) =>
      writer
        .tag(1, WireType.LengthDelimited)
        .bytes(first)
        .tag(99, WireType.LengthDelimited)
        .bytes(new Uint8Array(40)),
    );
    await carry(METHODS.openSession, unknown);
    for (const odd of [
      Uint8Array.of(0x0a),
      Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f),
      Uint8Array.of(0x0b),
    ]) {
      await expect(carry(METHODS.openSession, odd)).toRefuseWith('REQUEST_MALFORMED');
    }
  });

  test('of other methods open nothing', async () => {
    const body = openRequest(await host().opening(ci));
    const carry = host().carry();
    await host().expectNothing(async () => {
      await expect(carry(METHODS.callSession, body)).toRefuseWith('SESSION_REFUSED', {});
      await expect(carry(METHODS.streamSession, body)).toRefuseWith('SESSION_REFUSED', {});
      await expect(carry(METHODS.openSession, signRequest('session', {}))).toRefuseWith(
        'SESSION_REFUSED',
        {},
      );
    });
  });
});

/** Brought again and again: those that found no room are as good the next time. */
const DISTINCT = 50;
/** Rounds in which the enclave's heap takes the size that so many calls at once need. */
const WARM_UP = 80;

describe('openings without a record', () => {
  test('ten thousand take a bounded place, cost nothing afterwards, and keep no other caller out', async () => {
    const rig = theRig();
    const working = await host().open(ci);
    await signIn(working);
    const deploy = testIdentity('deploy');
    const target = await host().target();
    const openings = await Promise.all(
      Array.from({ length: DISTINCT }, () => openingFor({ target, identity: deploy })),
    );
    const since = performance.now();
    let accepted = 0;
    const rounds = async (count: number): Promise<void> => {
      for (let round = 0; round < count; round += 1) {
        const outcomes = await Promise.allSettled(
          openings.map(({ message }) => host().bring(message)),
        );
        for (const outcome of outcomes) {
          if (outcome.status === 'fulfilled') accepted += 1;
          else expect(outcome.reason).toMatchObject({ reason: 'SESSION_REFUSED', details: {} });
        }
      }
    };
    const leaves = await host().leavesOf(async () => {
      await rounds(WARM_UP);
      const { now } = rig.enclave.memory();
      await rounds(10_000 / DISTINCT - WARM_UP);
      expect(rig.enclave.memory().now - now).toBeLessThan(64);
    });
    expect(leaves).toEqual([]);
    // Half-open ones go after ten seconds, and others take their places: never more at once.
    const spans = Math.floor((performance.now() - since) / SESSION_OPENING_MS) + 1;
    expect(accepted).toBeGreaterThanOrEqual(MAX_HALF_OPEN_OF_PRINCIPAL);
    expect(accepted).toBeLessThanOrEqual(spans * MAX_HALF_OPEN_OF_PRINCIPAL);
    expect((await signIn(working)).ring).toBe('session');
    expect((await signIn(await host().open(ci))).ring).toBe('session');
  });
});
