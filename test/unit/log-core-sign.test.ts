import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { TokenFailure } from '../../enclave/ports.ts';
import { toHex, utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { SignRequest, SignResponse } from '../../enclave/wire/gen/sealwright/v1/signing.ts';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { canonicalize, parseSignedJson } from '../../enclave/wire/signed-json.ts';
import { SALT_BYTES, toBeSignedHashInput } from '../../enclave/wire/tlog.ts';
import { verifyReceipt } from '../../src/tlog/verify-receipt.ts';
import {
  manifestOf,
  MTLS_CALLER,
  PEER_CALLER,
  signRequest,
  World,
  type Running,
} from '../support/fakes/world.ts';
import {
  claimOf,
  claimsOf,
  expectNoFork,
  expectProvable,
  headOf,
  kindsOf,
  knownLogOf,
  leavesOf,
  receiptOf,
} from '../support/log-audit.ts';
import '../support/matchers.ts';

const message = utf8('release 1.2.3');
const digest = new Uint8Array(createHash('sha256').update(message).digest());
const CI = { caller: 'ci', callerId: 'spiffe://test.example/ci' };
const LOCAL = { caller: 'local', callerId: 'peer:local' };

const RINGS = {
  ec: { algorithm: 'ES256' },
  hsm: { algorithm: 'ES256', residency: 'hsm' },
  digest: { algorithm: 'ES256', payload: 'digest' },
  ed: { algorithm: 'EdDSA', lowestRank: 'peer' },
  rsa: { algorithm: 'RS256', residency: 'hsm' },
} as const;

async function begun(seed: string): Promise<{ readonly world: World; readonly running: Running }> {
  const world = new World(seed);
  return { world, running: await world.begin(RINGS) };
}

/** Signatures that keys of the token made. */
const tokenSignatures = (world: World): number =>
  world.tokens.operations.filter((operation) => operation === 'sign').length;

describe('the leaf of a signature', () => {
  test.each([
    ['ec', { message }, MTLS_CALLER, CI, 'mtls'],
    ['hsm', { message }, MTLS_CALLER, CI, 'mtls'],
    ['digest', { digest }, MTLS_CALLER, CI, 'mtls'],
    ['ed', { message }, PEER_CALLER, LOCAL, 'peer'],
    ['ed', { message }, MTLS_CALLER, CI, 'mtls'],
  ] as const)('of ring %s has exactly the members of the specification', async (...row) => {
    const [ring, payload, untrustedCaller, caller, rank] = row;
    const { world, running } = await begun(`leaf ${ring} ${rank}`);
    world.clock.advance(1234);
    const answer = await running.sign(ring, { ...payload, call: { untrustedCaller } });
    const { leaf, salt } = receiptOf(answer);
    expect(salt).toHaveLength(SALT_BYTES);
    const signed = 'digest' in payload ? digest : message;
    const input = toBeSignedHashInput(salt ?? new Uint8Array(0), signed);
    const expected = {
      v: 1,
      kind: 'signature',
      timeMs: world.clock.wallMs(),
      instanceId: toHex((await running.status()).instanceId),
      ring,
      version: 1,
      kid: answer.kid,
      alg: RINGS[ring].algorithm,
      ...caller,
      rank,
      toBeSignedHash: createHash('sha256').update(input).digest('hex'),
      policyVersion: 1,
    };
    expect(parseSignedJson(leaf)).toEqual(expected);
    expect(toHex(leaf)).toBe(toHex(canonicalize(expected)));
    expect(toHex(world.logStore.leaves.at(-1) ?? leaf)).toBe(toHex(leaf));
  });

  test('names the request id when there is one', async () => {
    const { world, running } = await begun('with id');
    const requestId = new Uint8Array(16).fill(0xab);
    await running.sign('ec', { message, requestId });
    expect(leavesOf(world.logStore).at(-1)).toMatchObject({ requestId: 'ab'.repeat(16) });
  });

  test('never shows the same hash twice for the same message', async () => {
    const { world, running } = await begun('salted');
    const answers = [await running.sign('ec', { message }), await running.sign('ec', { message })];
    const salts = new Set(answers.map((answer) => toHex(receiptOf(answer).salt ?? message)));
    expect(salts.size).toBe(2);
    const hashes = leavesOf(world.logStore).flatMap((leaf) =>
      leaf.kind === 'signature' ? [toHex(leaf.toBeSignedHash)] : [],
    );
    expect(new Set(hashes).size).toBe(2);
    for (const leaf of world.logStore.leaves) {
      for (const salt of salts) expect(Buffer.from(leaf).toString()).not.toContain(salt);
    }
  });
});

describe('a receipt', () => {
  test('is verified by a stranger with the log key of the evidence', async () => {
    const { running, world } = await begun('receipts');
    const log = await knownLogOf(running);
    expect(log.origin).toBe(
      `simulated/sealwright/${(await claimOf(running, 'clusterId')).slice(0, 32)}`,
    );
    for (const [ring, payload] of [
      ['ec', { message }],
      ['hsm', { message }],
      ['digest', { digest }],
      ['ed', { message }],
      ['rsa', { message }],
    ] as const) {
      const answer = await running.sign(ring, payload);
      const toBeSigned = 'digest' in payload ? digest : message;
      const known = { toBeSigned, kid: answer.kid };
      const result = await verifyReceipt(receiptOf(answer), log, known);
      expect(result.verdict).toBe('warning');
      const other = { toBeSigned: utf8('another'), kid: answer.kid };
      const refused = await verifyReceipt(receiptOf(answer), log, other);
      expect(refused.verdict).toBe('contraindicated');
      await expectProvable([answer], log, world.logStore);
    }
    const stranger = await knownLogOf((await begun('stranger')).running);
    const foreign = await verifyReceipt(receiptOf(await running.sign('ec', { message })), stranger);
    expect(foreign.verdict).toBe('contraindicated');
  });

  test('that is declined leaves the leaf', async () => {
    const { world, running } = await begun('declined');
    const request = { ...SignRequest.decode(signRequest('ec', { message })), declineReceipt: true };
    const before = world.logStore.leaves.length;
    const body = SignRequest.encode(request).finish();
    const answer = SignResponse.decode(await running.call(METHODS.sign, body));
    expect(answer.receipt).toBeUndefined();
    expect(answer.signature.byteLength).toBeGreaterThan(0);
    expect(kindsOf(world.logStore).slice(before)).toEqual(['signature']);
  });

  test('has the place in which the calls came, in one batch and over many', async () => {
    const { world, running } = await begun('order');
    const first = world.logStore.leaves.length;
    const batches = world.logStore.batches.length;
    const rings = ['ec', 'ed', 'hsm', 'ec', 'rsa', 'ed'];
    const answers = await Promise.all(rings.map((ring) => running.sign(ring, { message })));
    expect(world.logStore.batches.slice(batches)).toEqual([rings.length]);
    expect(answers.map((answer) => receiptOf(answer).index)).toEqual(
      rings.map((_, i) => first + i),
    );
    answers.push(await running.sign('ec', { message }), await running.sign('ed', { message }));
    expect(answers.map((answer) => receiptOf(answer).index)).toEqual(
      answers.map((_, i) => first + i),
    );
    expect(answers.map(({ ring }) => ring)).toEqual(
      leavesOf(world.logStore)
        .slice(first)
        .map((leaf) => (leaf.kind === 'signature' ? leaf.ring : '')),
    );
    await expectProvable(answers, await knownLogOf(running), world.logStore);
    expectNoFork(world.logStore);
  });

  test('stays provable when the log has grown', async () => {
    const { world, running } = await begun('grown');
    const answers: SignResponse[] = [];
    for (let i = 0; i < 40; i += 1) answers.push(await running.sign('ed', { message }));
    await expectProvable(answers, await knownLogOf(running), world.logStore);
  });

  test('of one message is about 1.5 KiB at most', async () => {
    const { running } = await begun('small');
    for (let i = 0; i < 20; i += 1) await running.sign('ed', { message });
    const { receipt } = await running.sign('ec', { message });
    const size =
      (receipt?.leaf.byteLength ?? Infinity) +
      (receipt?.checkpoint.length ?? Infinity) +
      32 * ((receipt?.proof.length ?? Infinity) + 1);
    expect(size).toBeLessThan(1536);
  });
});

describe('a signature', () => {
  test('is made while the leaf is on its way, and released after it is durable', async () => {
    const { world, running } = await begun('beside');
    const release = world.logStore.hold();
    const before = tokenSignatures(world);
    let answered = false;
    const answer = running.sign('hsm', { message }).finally(() => {
      answered = true;
    });
    for (let i = 0; i < 20; i += 1) await turn();
    expect(tokenSignatures(world)).toBe(before + 1);
    expect(answered).toBe(false);
    release();
    await expectProvable([await answer], await knownLogOf(running), world.logStore);
  });

  test.each([
    [new Refusal('LOG_STORE_FAILED'), 'LOG_STORE_FAILED'],
    [new Refusal('LOG_STORE_CONFLICT'), 'LOG_DAMAGED'],
    [new Refusal('STORE_UNAVAILABLE'), 'STORE_UNAVAILABLE'],
    [new TypeError('x'), 'INVARIANT_BROKEN'],
  ] as const)('is never released when the append ends with %s', async (fault, haltReason) => {
    const { world, running } = await begun(`fails ${haltReason}`);
    const checkpoints = world.logStore.checkpoints.length;
    world.logStore.failAppend(1, fault);
    const calls = ['ec', 'hsm', 'ed'].map((ring) => running.sign(ring, { message }));
    for (const call of calls) await expect(call).toRefuseWith('LOG_UNAVAILABLE', {});
    await expect(running).toHaltWith(haltReason);
    expect(world.logStore.checkpoints).toHaveLength(checkpoints);
    const appends = world.logStore.appends;
    await expect(running.sign('ec', { message })).toRefuseWith('ENCLAVE_HALTED', { haltReason });
    expect(world.logStore.appends).toBe(appends);
    expect(world.tokens.openTokens).toBe(0);
  });

  test('of a token that fails leaves an intent without outcome', async () => {
    const { world, running } = await begun('intent');
    const before = world.logStore.leaves.length;
    for (const [kind, reason] of [
      ['unavailable', 'TOKEN_UNAVAILABLE'],
      ['request-refused', 'TOKEN_REFUSED'],
      ['object-altered', 'TOKEN_UNAVAILABLE'],
    ] as const) {
      world.tokens.fault = (operation) =>
        operation === 'sign' ? new TokenFailure(kind, operation) : undefined;
      await expect(running.sign('hsm', { message })).toRefuseWith(reason, {});
    }
    world.tokens.fault = undefined;
    await turn();
    expect(kindsOf(world.logStore).slice(before)).toEqual(['signature', 'signature', 'signature']);
    const answer = await running.sign('hsm', { message });
    expect(receiptOf(answer).index).toBe(before + 3);
  });

  test('of a token that fails while the disk does too is refused, and halts', async () => {
    const { world, running } = await begun('both');
    world.logStore.failAppend(1, new Refusal('LOG_STORE_FAILED'));
    world.tokens.fault = () => new TokenFailure('unavailable', 'sign');
    const error: unknown = await running
      .sign('hsm', { message })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Refusal);
    await expect(running).toHaltWith('LOG_STORE_FAILED');
  });

  test('is not even begun when the log takes no leaf', async () => {
    const { world, running } = await begun('stalled');
    const release = world.logStore.hold();
    const wait = world.logStore.beforeAppend;
    world.logStore.beforeAppend = (onStall) => {
      onStall();
      return wait(onStall);
    };
    await expect(running.sign('ec', { message })).toRefuseWith('LOG_UNAVAILABLE', {});
    const before = tokenSignatures(world);
    for (let i = 0; i < 5; i += 1) {
      await expect(running.sign('hsm', { message })).toRefuseWith('LOG_UNAVAILABLE', {});
    }
    expect(tokenSignatures(world)).toBe(before);
    expect((await running.status()).phase).toBe(Phase.PHASE_SERVING);
    release();
    await turn();
    const answer = await running.sign('hsm', { message });
    await expectProvable([answer], await knownLogOf(running), world.logStore);
  });
});

describe('the leaves of a genesis', () => {
  test('are genesis, policy, every key’s birth, boot', async () => {
    const { world, running } = await begun('genesis');
    const { logStore, tokens } = world;
    expect(kindsOf(logStore)).toEqual([
      'genesis',
      'policy',
      ...Array<string>(5).fill('key-birth'),
      'boot',
    ]);
    const claims = await claimsOf(running);
    const status = await running.status();
    const [genesis, policy, ...rest] = logStore.leaves.map((leaf) => parseSignedJson(leaf));
    const common = {
      v: 1,
      timeMs: world.clock.wallMs(),
      instanceId: toHex(status.instanceId),
    };
    expect(genesis).toEqual({
      ...common,
      kind: 'genesis',
      clusterId: claims['clusterId'],
      genesisDigest: claims['genesisDigest'],
      tokenSerial: tokens.device.serial,
    });
    expect(policy).toEqual({
      ...common,
      kind: 'policy',
      policyVersion: 1,
      policyDigest: claims['policyDigest'],
    });
    const [mr0, mr1, mr2] = world.platform.identity.measurements.map(toHex);
    expect(rest.at(-1)).toEqual({
      ...common,
      kind: 'boot',
      bootEpoch: 1,
      mr0,
      mr1,
      mr2,
      svn: 1,
      policyVersion: 1,
    });
  });

  test('tell of each key what was read back from the token', async () => {
    const { world, running } = await begun('births');
    const births = leavesOf(world.logStore).filter((leaf) => leaf.kind === 'key-birth');
    const keys = await running.keys();
    expect(births.map(({ ring }) => ring)).toEqual(Object.keys(RINGS));
    for (const birth of births) {
      const key = keys.find(({ ring }) => ring === birth.ring);
      const scope: { readonly algorithm: string; readonly residency?: string } =
        RINGS[birth.ring as keyof typeof RINGS];
      expect(birth).toMatchObject({
        version: 1,
        kid: key?.kid,
        alg: scope.algorithm,
        residency: scope.residency ?? 'enclave',
      });
      const spki = createHash('sha256').update(key?.publicKey ?? message);
      expect(toHex(birth.publicKeyHash)).toBe(spki.digest('hex'));
      expect(birth.attributes.true).toContain('SENSITIVE');
      expect(birth.attributes.true).toContain('NEVER_EXTRACTABLE');
      expect(birth.attributes.false).toContain('EXTRACTABLE');
      const names = [...birth.attributes.true, ...birth.attributes.false];
      expect(new Set(names).size).toBe(names.length);
    }
  });

  test('of 1,024 rings fit, and each has its own', async () => {
    const world = new World('many');
    // One key for all of them: what counts here is the log.
    const rings: Record<string, { readonly algorithm: 'EdDSA'; readonly residency: 'hsm' }> = {};
    for (let i = 0; i < 1024; i += 1) {
      rings[`${'r'.repeat(59)}-${String(i).padStart(4, '0')}`] = {
        algorithm: 'EdDSA',
        residency: 'hsm',
      };
    }
    const running = await world.begin(rings);
    expect((await running.status()).phase).toBe(Phase.PHASE_SERVING);
    expect(world.logStore.batches).toEqual([1024, 3]);
    expect(world.logStore.leaves.every(({ byteLength }) => byteLength < 2048)).toBe(true);
  }, 60_000);

  test('are not written over those of another cluster, nor is the token touched', async () => {
    const { world, running } = await begun('left over');
    await running.enclave.close();
    world.store.clear();
    world.tokens.device.initialised = false;
    const again = await world.boot();
    const before = world.tokens.operations.filter((name) => name === 'initToken').length;
    await expect(again.genesis(manifestOf(RINGS))).toRefuseWith('GENESIS_NOT_ALLOWED', {
      actual: 'log not empty',
    });
    expect(world.tokens.operations.filter((name) => name === 'initToken')).toHaveLength(before);
    expect((await again.status()).phase).toBe(Phase.PHASE_SETUP);
    world.logStore.restore({ leaves: [], sealedEdge: new Uint8Array(0) });
    await again.genesis(manifestOf(RINGS));
    expect((await again.status()).phase).toBe(Phase.PHASE_SERVING);
  });

  test('are asked about only while the store answers', async () => {
    const world = new World('no log');
    const running = await world.boot();
    world.logStore.state = () => Promise.reject(new Refusal('LOG_STORE_FAILED'));
    await expect(running.genesis(manifestOf(RINGS))).toRefuseWith('LOG_UNAVAILABLE', {});
    expect((await running.status()).phase).toBe(Phase.PHASE_SETUP);
    expect(world.tokens.operations).not.toContain('initToken');
  });
});

describe('each boot', () => {
  test('writes its leaf, with its epoch and its instance', async () => {
    const { world, running } = await begun('boots');
    let current = running;
    const seen = [(await running.status()).instanceId];
    for (let boot = 2; boot <= 5; boot += 1) {
      world.clock.advance(1000);
      current = await world.reboot(current);
      const { instanceId, epoch } = await current.status();
      seen.push(instanceId);
      expect(leavesOf(world.logStore).at(-1)).toMatchObject({
        kind: 'boot',
        bootEpoch: boot,
        timeMs: world.clock.wallMs(),
        policyVersion: 1,
        instanceId,
      });
      expect(epoch).toBe(BigInt(boot));
      expect((await claimsOf(current))['bootEpoch']).toBe(boot);
    }
    expect(new Set(seen.map(toHex)).size).toBe(5);
    expect(kindsOf(world.logStore).filter((kind) => kind === 'boot')).toHaveLength(5);
    expectNoFork(world.logStore);
  });

  test('vouches for the checkpoint of its time, and for a newer one when evidence is renewed', async () => {
    const { world, running } = await begun('claims');
    const checkpoint = async () => headOf(await claimOf(running, 'checkpoint'));
    const atBoot = headOf(world.logStore.checkpoint);
    expect(atBoot.size).toBe(world.logStore.leaves.length);
    expect(await checkpoint()).toEqual(atBoot);
    await running.sign('ec', { message });
    expect(await checkpoint()).toEqual(atBoot);
    world.clock.advance(31 * 60_000);
    await running.enclave.tick();
    expect(await checkpoint()).toEqual(headOf(world.logStore.checkpoint));
    expect((await checkpoint()).size).toBe(atBoot.size + 1);
  });
});
