import { createHash, createPublicKey, verify } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { TokenFailure } from '../../enclave/ports.ts';
import { algorithmRow } from '../../enclave/wire/algorithm.ts';
import { toHex, utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import {
  SignBatchRequest,
  SignBatchResponse,
  SignRequest,
  SignResponse,
} from '../../enclave/wire/gen/sealwright/v1/signing.ts';
import { MAX_BATCH_ITEMS, MAX_RESPONSE_BYTES } from '../../enclave/wire/limits.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { itemAnswers, type ItemAnswer } from '../../src/client/signed-batch.ts';
import { PEER_CALLER, requestOf, World, type Running } from '../support/fakes/world.ts';
import {
  expectNoFork,
  expectProvable,
  kindsOf,
  knownLogOf,
  leavesOf,
} from '../support/log-audit.ts';
import '../support/matchers.ts';

const RINGS = {
  ec: { algorithm: 'ES256' },
  hsm: { algorithm: 'ES256', residency: 'hsm' },
  digest: { algorithm: 'ES256', payload: 'digest' },
  ed: { algorithm: 'EdDSA', lowestRank: 'peer' },
  rsa: { algorithm: 'RS256', residency: 'hsm' },
  pq: { algorithm: 'ML-DSA-87' },
} as const;
type Ring = keyof typeof RINGS;

const message = (i: number): Uint8Array => utf8(`message ${String(i)}`);
const idOf = (i: number): Uint8Array => new Uint8Array(16).fill(i + 1);

/** One item of a ring, over its own message. */
function item(ring: Ring, i: number, more: Partial<SignRequest> = {}): SignRequest {
  const digest = createHash('sha256').update(message(i)).digest();
  const payload = ring === 'digest' ? { digest } : { message: message(i) };
  return { ...requestOf(ring, payload), ...more };
}

const items = (count: number, ring: Ring = 'ec', more: Partial<SignRequest> = {}): SignRequest[] =>
  Array.from({ length: count }, (_, i) => item(ring, i, more));

class Bench {
  readonly world: World;
  readonly running: Running;
  readonly #start: number;

  constructor(world: World, running: Running) {
    this.world = world;
    this.running = running;
    this.#start = world.logStore.leaves.length;
  }

  static async begin(seed: string): Promise<Bench> {
    const world = new World(`batch ${seed}`);
    return new Bench(world, await world.begin(RINGS));
  }

  /** Kinds of the leaves since the genesis. */
  get kinds(): string[] {
    return kindsOf(this.world.logStore).slice(this.#start);
  }

  /** Sizes of the appends since the genesis. */
  appends(): number[] {
    let leaves = 0;
    return this.world.logStore.batches.filter((count) => (leaves += count) > this.#start);
  }

  /** Each result as its own call would have been answered. */
  async sign(
    requests: readonly SignRequest[],
    call?: Parameters<Running['signBatch']>[1],
  ): Promise<readonly ItemAnswer[]> {
    return itemAnswers(await this.running.signBatch(requests, call));
  }

  async expectProvable(answers: readonly ItemAnswer[]): Promise<void> {
    await expectProvable(signed(answers), await knownLogOf(this.running), this.world.logStore);
  }
}

const signed = (answers: readonly ItemAnswer[]): SignResponse[] =>
  answers.flatMap((answer) => (answer.kind === 'signed' ? [answer.answer] : []));

const words = (answers: readonly ItemAnswer[]): string[] =>
  answers.map((answer) => (answer.kind === 'signed' ? 'signed' : answer.error.reason));

/** The signature verifies under the ring's key. */
async function expectSignature(running: Running, ring: Ring, i: number, answer: SignResponse) {
  const key = (await running.keys()).find((one) => one.ring === ring);
  const spki = Buffer.from(key?.publicKey ?? []);
  const row = algorithmRow(RINGS[ring].algorithm);
  const hash = 'hash' in row ? row.hash : null;
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  expect(verify(hash, message(i), publicKey, answer.signature), ring).toBe(true);
}

describe('a batch', () => {
  test('is answered item by item, by one append under one checkpoint', async () => {
    const bench = await Bench.begin('all rings');
    const rings = Array.from({ length: 4 }, () => Object.keys(RINGS) as Ring[]).flat();
    const response = await bench.running.signBatch(rings.map((ring, i) => item(ring, i)));
    expect(bench.appends()).toEqual([rings.length]);
    const indices = response.results.map(({ leaf }) => Number(leaf?.index));
    const first = indices[0] ?? 0;
    expect(indices).toEqual(rings.map((_, i) => first + i));
    const answers = await itemAnswers(response);
    expect(words(answers)).toEqual(rings.map(() => 'signed'));
    for (const [i, answer] of signed(answers).entries()) {
      const ring = rings[i] ?? 'ec';
      expect(answer.ring).toBe(ring);
      await expectSignature(bench.running, ring, i, answer);
    }
    await bench.expectProvable(answers);
    expectNoFork(bench.world.logStore);
    // Not one of them repeats what stands once.
    for (const { outcome } of response.results) {
      expect(outcome?.$case === 'signed' && outcome.value.receipt).toBeUndefined();
    }
  });

  test('of one item is a Sign, but for where the proof stands', async () => {
    const bench = await Bench.begin('one');
    const [alone] = signed(await bench.sign([item('pq', 7)]));
    const single = await bench.running.sign('pq', { message: message(7) });
    const constant = ({ receipt, ...rest }: SignResponse): object => ({
      ...rest,
      // ML-DSA is hedged: each signature is another one.
      signature: rest.signature.byteLength,
      receipt: Object.keys(receipt ?? {}).sort(),
    });
    expect(alone === undefined ? undefined : constant(alone)).toEqual(constant(single));
  });

  test('has the proofs that single calls would have had', async () => {
    const bench = await Bench.begin('proofs');
    for (const count of [1, 2, 3, 5, 8, 13]) {
      const answers = await bench.sign(items(count));
      await bench.expectProvable(answers);
    }
    expect(bench.appends()).toEqual([1, 2, 3, 5, 8, 13]);
  });

  test('shares an append with the calls beside it', async () => {
    const bench = await Bench.begin('beside');
    const [batch, ...singles] = await Promise.all([
      bench.sign(items(5)),
      bench.running.sign('ec', { message: message(0) }),
      bench.running.sign('ec', { message: message(1) }),
    ]);
    expect(bench.kinds).toHaveLength(7);
    await bench.expectProvable(batch);
    await expectProvable(singles, await knownLogOf(bench.running), bench.world.logStore);
  });

  test('of the most and the largest items fits its answer', async () => {
    const bench = await Bench.begin('largest');
    const requests = items(MAX_BATCH_ITEMS, 'pq').map((request, i) => ({
      ...request,
      requestId: new Uint8Array(16).map((_, at) => (at === 0 ? i : 1)),
    }));
    const body = SignBatchRequest.encode({ items: requests }).finish();
    const first = await bench.running.call(METHODS.signBatch, body);
    // Each with a receipt of its own.
    const again = await bench.running.call(METHODS.signBatch, body);
    expect(again.byteLength).toBeGreaterThan(first.byteLength);
    expect(again.byteLength).toBeLessThan(MAX_RESPONSE_BYTES / 2);
    await bench.expectProvable(await itemAnswers(SignBatchResponse.decode(again)));
    expect(bench.appends()).toEqual([MAX_BATCH_ITEMS]);
  });
});

describe('a refused item', () => {
  test('does not fail the others, and is told as a call would be', async () => {
    const bench = await Bench.begin('mixed');
    const requests = [
      item('ec', 0),
      item('ec', 1, { ring: 'nobody' }),
      item('ed', 2),
      item('ec', 3, { algorithm: 5 }),
      item('digest', 4, { payload: { $case: 'digest', value: { digest: new Uint8Array(20) } } }),
      item('ec', 5, { requestId: new Uint8Array(15) }),
      item('ec', 6, { payload: { $case: 'message', value: { message: new Uint8Array(61_441) } } }),
      item('ed', 7, { encoding: 2 }),
      item('digest', 8, { payload: { $case: 'message', value: { message: message(8) } } }),
      item('hsm', 9),
    ];
    const response = await bench.running.signBatch(requests);
    const answers = await itemAnswers(response);
    expect(words(answers)).toEqual([
      'signed',
      'KEY_NOT_FOUND',
      'signed',
      'ALGORITHM_MISMATCH',
      'DIGEST_LENGTH_MISMATCH',
      'REQUEST_MALFORMED',
      'MESSAGE_TOO_LARGE',
      'ENCODING_UNSUPPORTED',
      'PAYLOAD_KIND_MISMATCH',
      'signed',
    ]);
    expect(bench.appends()).toEqual([3]);
    await bench.expectProvable(answers);
    for (const [i, request] of requests.entries()) {
      const result = response.results[i];
      if (result?.outcome?.$case !== 'refused') continue;
      expect(result.leaf).toBeUndefined();
      const { reason, domain, metadata } = result.outcome.value;
      expect(domain).toBe('sealwright.v1.SigningService');
      const single = bench.running.call(METHODS.sign, SignRequest.encode(request).finish());
      await expect(single).toRefuseWith(reason as Refusal['reason'], metadata);
    }
  });

  test('of a caller whose rank is too low is one of its ring only', async () => {
    const bench = await Bench.begin('rank');
    const untrustedCaller = PEER_CALLER;
    const answers = await bench.sign([item('ed', 0), item('ec', 1), item('ed', 2)], {
      untrustedCaller,
    });
    expect(words(answers)).toEqual(['signed', 'SIGNING_POLICY_DENIED', 'signed']);
    await bench.running.enclave.tick();
    await turn();
    expect(leavesOf(bench.world.logStore).at(-1)).toMatchObject({
      kind: 'refusal',
      ring: 'ec',
      caller: 'local',
      callerId: 'peer:local',
      reason: 'SIGNING_POLICY_DENIED',
      count: 1,
    });
  });

  test('of a failing token leaves its intent in the log and out of the proof', async () => {
    const bench = await Bench.begin('token');
    let calls = 0;
    bench.world.tokens.fault = (operation) =>
      operation === 'sign' && (calls += 1) === 2
        ? new TokenFailure('unavailable', operation)
        : undefined;
    const answers = await bench.sign(items(4, 'hsm'));
    bench.world.tokens.fault = undefined;
    expect(words(answers)).toEqual(['signed', 'TOKEN_UNAVAILABLE', 'signed', 'signed']);
    expect(bench.kinds).toEqual(Array<string>(4).fill('signature'));
    await bench.expectProvable(answers);
  });

  test('is all there is when nothing may be signed: no leaf, no receipt', async () => {
    const bench = await Bench.begin('nothing');
    const response = await bench.running.signBatch(items(3, 'ec', { ring: 'nobody' }));
    expect(words(await itemAnswers(response))).toEqual(Array<string>(3).fill('KEY_NOT_FOUND'));
    expect(response.receipt).toBeUndefined();
    expect(bench.kinds).toEqual([]);
  });
});

describe('a declined receipt', () => {
  test('of some items leaves the others theirs', async () => {
    const bench = await Bench.begin('declined');
    const requests = items(6).map((request, i) => ({ ...request, declineReceipt: i % 2 === 0 }));
    const response = await bench.running.signBatch(requests);
    expect(response.results.map(({ leaf }) => leaf === undefined)).toEqual(
      requests.map(({ declineReceipt }) => declineReceipt),
    );
    const answers = await itemAnswers(response);
    await bench.expectProvable(answers.filter((_, i) => i % 2 === 1));
    expect(bench.kinds).toHaveLength(6);
  });

  test('of all items leaves none', async () => {
    const bench = await Bench.begin('all declined');
    const response = await bench.running.signBatch(items(3, 'ec', { declineReceipt: true }));
    expect(words(await itemAnswers(response))).toEqual(['signed', 'signed', 'signed']);
    expect(response.receipt).toBeUndefined();
    expect(bench.kinds).toHaveLength(3);
  });
});

describe('a batch as a whole is refused', () => {
  const good = SignBatchRequest.encode({ items: items(2) }).finish();
  const cut = Uint8Array.of(0x0a, 2, 0x0a, 5);

  test.each<[string, Uint8Array, Record<string, string>]>([
    ['without items', new Uint8Array(0), { actual: '0' }],
    [
      'with an item too many',
      new Uint8Array(2 * 257).map((_, i) => (i % 2 ? 0 : 0x0a)),
      { actual: '257' },
    ],
  ])('%s', async (name, body, { actual = '' }) => {
    const bench = await Bench.begin(name);
    await expect(bench.running.call(METHODS.signBatch, body)).toRefuseWith('REQUEST_MALFORMED', {
      field: 'items',
      expected: '1 to 256 items',
      actual,
    });
  });

  test.each([
    ['of bytes that are no message', Uint8Array.of(0xff)],
    ['that is cut', good.subarray(0, -1)],
    ['with bytes behind it', Uint8Array.of(...good, 0)],
    ['with an item that is no request', Uint8Array.of(...good, ...cut)],
    ['of a single request', SignRequest.encode(item('ec', 0)).finish()],
  ])('%s: nothing is signed or kept', async (name, body) => {
    const bench = await Bench.begin(name);
    await expect(bench.running.call(METHODS.signBatch, body)).toRefuseWith('REQUEST_MALFORMED');
    expect(bench.kinds).toEqual([]);
    await bench.running.enclave.tick();
    expect(bench.kinds).toEqual([]);
  });

  test('above 1 MiB, and not at 1 MiB', async () => {
    const bench = await Bench.begin('size');
    // Fields that this release does not know may be as long as they like.
    const padded = (bytes: number): Uint8Array => {
      const filler = bytes - good.byteLength - 5;
      const length = [(filler & 0x7f) | 0x80, ((filler >> 7) & 0x7f) | 0x80, filler >> 14];
      return Buffer.concat([good, Uint8Array.of(0xf2, 0x7f, ...length), new Uint8Array(filler)]);
    };
    const limit = 1024 * 1024;
    await expect(bench.running.call(METHODS.signBatch, padded(limit + 1))).toRefuseWith(
      'FRAME_TOO_LARGE',
      { limitBytes: String(limit), actualBytes: String(limit + 1) },
    );
    const full = SignBatchResponse.decode(
      await bench.running.call(METHODS.signBatch, padded(limit)),
    );
    expect(words(await itemAnswers(full))).toEqual(['signed', 'signed']);
  });

  test('of nobody', async () => {
    const bench = await Bench.begin('nobody');
    const call = { untrustedCaller: undefined };
    await expect(bench.sign(items(2), call)).toRefuseWith('CALLER_UNAUTHENTICATED');
  });

  test('while there is no cluster', async () => {
    const running = await new World('no cluster').boot();
    await expect(running.signBatch(items(1))).toRefuseWith('ENCLAVE_NOT_READY', {
      actual: 'setup',
    });
  });
});

describe('request ids of items', () => {
  const withIds = (count: number, ring: Ring = 'ec'): SignRequest[] =>
    items(count, ring).map((request, i) => ({ ...request, requestId: idOf(i) }));
  const hexOf = (answers: readonly ItemAnswer[]): string[] =>
    signed(answers).map(({ signature }) => toHex(signature));

  test('make a repeated batch get the same signatures and leaves, each with its own receipt', async () => {
    const bench = await Bench.begin('again');
    const first = await bench.sign(withIds(5));
    const response = await bench.running.signBatch(withIds(5));
    expect(response.receipt).toBeUndefined();
    const again = await itemAnswers(response);
    expect(signed(again)).toEqual(signed(first));
    expect(bench.kinds).toHaveLength(5);
    await bench.expectProvable(again);
  });

  test('are named in the leaves', async () => {
    const bench = await Bench.begin('named');
    await bench.sign(withIds(2));
    expect(leavesOf(bench.world.logStore).slice(-2)).toMatchObject([
      { requestId: toHex(idOf(0)) },
      { requestId: toHex(idOf(1)) },
    ]);
  });

  test('are one with those of single calls, both ways', async () => {
    const bench = await Bench.begin('single');
    const [one, two] = withIds(2);
    if (one === undefined || two === undefined) throw new Error('two items');
    const call = (request: SignRequest): Promise<Uint8Array> =>
      bench.running.call(METHODS.sign, SignRequest.encode(request).finish());
    const single = SignResponse.decode(await call(one));
    const [first, second] = signed(await bench.sign([one, two]));
    expect(first).toEqual(single);
    expect(SignResponse.decode(await call(two))).toEqual(second);
    expect(bench.kinds).toHaveLength(2);
  });

  test('let a batch go on where another stopped', async () => {
    const bench = await Bench.begin('go on');
    let calls = 0;
    bench.world.tokens.fault = (operation) =>
      operation === 'sign' && (calls += 1) % 2 === 0
        ? new TokenFailure('unavailable', operation)
        : undefined;
    const first = await bench.sign(withIds(4, 'hsm'));
    expect(words(first)).toEqual(['signed', 'TOKEN_UNAVAILABLE', 'signed', 'TOKEN_UNAVAILABLE']);
    bench.world.tokens.fault = undefined;
    const again = await bench.sign(withIds(4, 'hsm'));
    expect(words(again)).toEqual(Array<string>(4).fill('signed'));
    expect([hexOf(again)[0], hexOf(again)[2]]).toEqual(hexOf(first));
    await bench.expectProvable(again);
    expect(bench.kinds).toHaveLength(6);
  });

  test('twice in one batch: the first is signed, the second is in flight or another request', async () => {
    const bench = await Bench.begin('twice');
    const requestId = idOf(0);
    const answers = await bench.sign([
      item('ec', 0, { requestId }),
      item('ec', 0, { requestId }),
      item('ec', 1, { requestId }),
      item('ed', 0, { requestId }),
    ]);
    expect(words(answers)).toEqual(['signed', 'REQUEST_IN_FLIGHT', 'REQUEST_ID_REUSED', 'signed']);
    expect(bench.kinds).toHaveLength(2);
  });

  test('are bound to the bytes of their items', async () => {
    const bench = await Bench.begin('bytes');
    await bench.sign(withIds(1));
    const [request] = withIds(1);
    if (request === undefined) throw new Error('an item');
    const known = SignRequest.encode(request).finish();
    // A field that this release does not know.
    const other = Uint8Array.of(...known, 0xa0, 0x1f, 1);
    const body = Uint8Array.of(0x0a, other.byteLength, ...other);
    const response = SignBatchResponse.decode(await bench.running.call(METHODS.signBatch, body));
    expect(words(await itemAnswers(response))).toEqual(['REQUEST_ID_REUSED']);
    expect(words(await bench.sign(withIds(1)))).toEqual(['signed']);
    expect(bench.kinds).toHaveLength(1);
  });

  test('are free again after a batch that the log turned away', async () => {
    const bench = await Bench.begin('turned away');
    const { logStore } = bench.world;
    const release = logStore.hold();
    const wait = logStore.beforeAppend;
    logStore.beforeAppend = (onStall) => {
      onStall();
      return wait(onStall);
    };
    await expect(bench.sign(withIds(3))).toRefuseWith('LOG_UNAVAILABLE');
    await expect(bench.sign(withIds(3))).toRefuseWith('LOG_UNAVAILABLE');
    release();
    await turn();
    const answers = await bench.sign(withIds(3));
    expect(words(answers)).toEqual(Array<string>(3).fill('signed'));
    // The first intents became durable after all: they count as issued.
    expect(bench.kinds).toHaveLength(6);
  });

  test('are free again after a malformed batch', async () => {
    const bench = await Bench.begin('malformed');
    const body = SignBatchRequest.encode({ items: withIds(2) }).finish();
    const malformed = Uint8Array.of(...body, 0x0a, 1, 0xff);
    await expect(bench.running.call(METHODS.signBatch, malformed)).toRefuseWith(
      'REQUEST_MALFORMED',
    );
    expect(words(await bench.sign(withIds(2)))).toEqual(['signed', 'signed']);
  });
});

describe('a batch that nobody waits for', () => {
  test.each([
    ['cancelled', { cancelled: true }],
    ['out of time', { timeoutMs: -1 }],
  ])('and is %s before its turn writes no leaf', async (name, call) => {
    const bench = await Bench.begin(name);
    await expect(bench.sign(items(3), call)).toRefuseWith('DEADLINE_EXCEEDED');
    expect(bench.kinds).toEqual([]);
  });

  test('stops between signatures; those that were made are kept for a retry', async () => {
    const bench = await Bench.begin('stops');
    let signatures = 0;
    // Each takes a second of a deadline of ten, however many are under way.
    bench.world.tokens.fault = (operation) => {
      if (operation === 'sign') {
        signatures += 1;
        bench.world.clock.advance(1_000);
      }
      return undefined;
    };
    const requests = items(64, 'hsm').map((request, i) => ({ ...request, requestId: idOf(i) }));
    await expect(bench.sign(requests)).toRefuseWith('DEADLINE_EXCEEDED');
    bench.world.tokens.fault = undefined;
    expect(signatures).toBeLessThan(20);
    expect(bench.kinds).toHaveLength(64);
    const made = signatures;
    const answers = await bench.sign(requests);
    expect(words(answers)).toEqual(requests.map(() => 'signed'));
    expect(bench.kinds).toHaveLength(64 + 64 - made);
    await bench.expectProvable(answers);
  });

  test('stops when the log turns it away', async () => {
    const bench = await Bench.begin('log away');
    bench.world.logStore.failAppend(1, new Refusal('LOG_STORE_FAILED'));
    bench.world.clock.msPerLook = 0.25;
    await expect(bench.sign(items(64, 'hsm'))).toRefuseWith('LOG_UNAVAILABLE');
    expect(bench.world.tokens.operations.filter((name) => name === 'sign').length).toBeLessThan(64);
    await expect(bench.running).toHaltWith('LOG_STORE_FAILED');
  });
});

describe('a batch beside others', () => {
  test('has a bounded number of signatures under way in the token', async () => {
    const bench = await Bench.begin('window');
    let open = 0;
    let most = 0;
    const release: (() => void)[] = [];
    bench.world.tokens.delay = async () => {
      open += 1;
      most = Math.max(most, open);
      await new Promise<void>((resolve) => release.push(resolve));
      open -= 1;
    };
    const batch = bench.sign(items(100, 'hsm'));
    for (let i = 0; i < 200; i += 1) {
      await turn();
      release.shift()?.();
    }
    bench.world.tokens.delay = () => Promise.resolve();
    for (const go of release) go();
    expect(words(await batch)).toEqual(Array<string>(100).fill('signed'));
    expect(most).toBe(16);
  });

  test('lets others have the event loop between slices', async () => {
    const bench = await Bench.begin('slices');
    bench.world.clock.msPerLook = 0.25;
    const order: string[] = [];
    const batch = bench.sign(items(128)).then((answers) => {
      order.push('batch');
      return answers;
    });
    const single = turn()
      .then(() => bench.running.sign('ec', { message: message(0) }))
      .then(() => order.push('single'));
    await Promise.all([batch, single]);
    expect(order).toEqual(['single', 'batch']);
    expect(bench.world.clock.turns).toBeGreaterThan(20);
    await bench.expectProvable(await batch);
  });

  test('that was durable when the enclave halted is not released', async () => {
    const bench = await Bench.begin('halt');
    const { tokens, logStore } = bench.world;
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    tokens.delay = () => held;
    const batch = bench.sign([...items(3, 'hsm'), ...items(3)]);
    await turn();
    expect(bench.kinds).toHaveLength(6);
    logStore.failAppend(1, new Refusal('LOG_STORE_FAILED'));
    await expect(bench.running.sign('ec', { message: message(0) })).toRefuseWith('LOG_UNAVAILABLE');
    release();
    const haltReason = 'LOG_STORE_FAILED';
    await expect(batch).toRefuseWith('ENCLAVE_HALTED', { haltReason });
    await expect(bench.running).toHaltWith(haltReason);
    await expect(bench.sign(items(3))).toRefuseWith('ENCLAVE_HALTED', { haltReason });
  });

  test('is answered while the enclave drains', async () => {
    const bench = await Bench.begin('drains');
    const release = bench.world.logStore.hold();
    const batch = bench.sign(items(3));
    await turn();
    bench.running.enclave.startDraining();
    release();
    await bench.expectProvable(await batch);
    await bench.expectProvable(await bench.sign(items(2)));
  });
});
