import { describe, expect, test } from 'vitest';
import { parseGenesisManifest } from '../../enclave/core/genesis-manifest.ts';
import { TokenFailure } from '../../enclave/ports.ts';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { TEST_ADMIN } from '../support/fakes/callers.ts';
import { manifestOf, World } from '../support/fakes/world.ts';
import {
  approvedBy,
  bearCluster,
  commitGenesis,
  proposeGenesis,
  type Call,
} from '../support/genesis.ts';
import '../support/matchers.ts';

const RINGS = {
  a: { algorithm: 'ES256' },
  h: { algorithm: 'ES256', residency: 'hsm' },
} as const;

describe('a manifest that can not be committed', () => {
  test('is refused with its place, and the token is not touched', async () => {
    const world = new World('refused');
    const running = await world.boot();
    const bad = utf8(new TextDecoder().decode(manifestOf(RINGS)).replace('"ES256"', '"HS256"'));
    await expect(running.genesis(bad)).toRefuseWith('MANIFEST_INVALID');
    await expect(running.genesis(utf8('{}'))).toRefuseWith('MANIFEST_INVALID');
    await expect(running.genesis(new Uint8Array(0))).toRefuseWith('MANIFEST_INVALID');
    expect(world.tokens.device.initialised).toBe(false);
    expect(world.tokens.operations).not.toContain('initToken');
    expect(world.store.keys).toEqual([]);
    expect((await running.status()).phase).toBe(Phase.PHASE_SETUP);
    // And the way is still open.
    expect((await running.genesis(manifestOf(RINGS))).rings).toBe(2);
  });

  test('names ring, mechanism and token when the token lacks something', async () => {
    const world = new World('mechanism');
    world.tokens.device.missing.set('ES256', 'CKM_ECDSA');
    const running = await world.boot();
    await expect(running.genesis(manifestOf(RINGS))).toRefuseWith('MECHANISM_UNSUPPORTED', {
      ring: 'h',
      mechanism: 'CKM_ECDSA',
      token: 'Fake project Fake v1',
    });
    expect(world.tokens.device.initialised).toBe(false);
    // Residency enclave needs nothing of it.
    const rings = { a: { algorithm: 'ES256' } } as const;
    expect((await running.genesis(manifestOf(rings))).rings).toBe(1);
  });

  test('waits for a token', async () => {
    const world = new World('no token', []);
    const running = await world.boot();
    await expect(running.genesis(manifestOf(RINGS))).toRefuseWith('TOKEN_UNAVAILABLE', {
      token: 'uninitialised',
    });
    expect((await running.status()).phase).toBe(Phase.PHASE_SETUP);
  });

  test('is refused, not halted, when the module does not answer yet', async () => {
    const world = new World('mute');
    const running = await world.boot();
    world.tokens.fault = (operation) =>
      operation === 'candidate' ? new TokenFailure('unavailable', operation) : undefined;
    await expect(running.genesis(manifestOf(RINGS))).toRefuseWith('TOKEN_UNAVAILABLE', {});
    world.tokens.fault = undefined;
    expect((await running.genesis(manifestOf(RINGS))).rings).toBe(2);
  });
});

describe('a genesis', () => {
  test('leaves initialised tokens alone', async () => {
    const world = new World('others', ['fake-0001', 'fake-0002']);
    world.tokens.device.initialised = true;
    world.tokens.device.label = 'somebody else';
    const running = await world.boot();
    expect((await running.genesis(manifestOf(RINGS))).tokenSerial).toBe('fake-0002');
    expect(world.tokens.device.label).toBe('somebody else');
  });

  test('runs once at a time', async () => {
    const world = new World('twice');
    const running = await world.boot();
    const first = running.genesis(manifestOf(RINGS));
    await expect(running.genesis(manifestOf(RINGS))).toRefuseWith('GENESIS_NOT_ALLOWED', {
      actual: 'in progress',
    });
    expect((await first).rings).toBe(2);
  });

  test('draws everything anew: two of one manifest share nothing', async () => {
    const [one, two] = [new World('one'), new World('two')];
    const [a, b] = [await one.begin(RINGS), await two.begin(RINGS)];
    expect((await a.status()).clusterId).not.toEqual((await b.status()).clusterId);
    expect(one.tokens.device.userPin).not.toBe(two.tokens.device.userPin);
    expect(one.tokens.device.userPin).not.toBe(one.tokens.device.soPin);
    const kids = [...(await a.keys()), ...(await b.keys())].map((key) => key.kid);
    expect(new Set(kids).size).toBe(kids.length);
  });

  test('leaves no PIN, key or name of a ring readable in the store', async () => {
    const world = new World('readable');
    await world.begin({ 'very-secret-ring': { algorithm: 'ES256' } });
    const { soPin, userPin } = world.tokens.device;
    for (const key of world.store.keys) {
      const value = Buffer.from(world.store.peek(key));
      for (const pin of [soPin, userPin]) {
        expect(value.includes(pin)).toBe(false);
        expect(value.includes(Buffer.from(pin, 'hex'))).toBe(false);
        expect(value.includes(Buffer.from(pin).toString('hex'))).toBe(false);
      }
      expect(value.includes('very-secret-ring')).toBe(false);
      expect(value.includes(Buffer.from('06082a8648ce3d030107', 'hex'))).toBe(false);
    }
  });

  test('labels the token so that a lost store is noticed', async () => {
    const world = new World('label');
    await world.begin(RINGS);
    expect(world.tokens.device.label).toBe('sealwright-test');
    expect(parseGenesisManifest(manifestOf(RINGS)).name).toBe('test');
  });

  test.each(['initToken', 'open', 'generateKeyPair', 'generateSecret', 'hmac', 'sign'])(
    'that fails at %s halts, logged out, and never happens again silently',
    async (failing) => {
      const world = new World(`fails at ${failing}`);
      const running = await world.boot();
      world.tokens.fault = (operation) =>
        operation === failing ? new TokenFailure('unavailable', operation, 0x30) : undefined;
      const haltReason = 'TOKEN_UNAVAILABLE';
      const commit = running.genesis(manifestOf(RINGS));
      await expect(commit).toRefuseWith('ENCLAVE_HALTED', { haltReason });
      await expect(running).toHaltWith(haltReason, { rv: '0x30' });
      expect(world.tokens.openTokens).toBe(0);
      world.tokens.fault = undefined;
      const again = await world.boot();
      if (failing === 'initToken') expect((await again.status()).phase).toBe(Phase.PHASE_SETUP);
      else await expect(again).toHaltWith('STATE_MISSING', { token: 'fake-0001' });
    },
  );

  test('whose platform refuses a secret halts', async () => {
    const world = new World('platform gone');
    const running = await world.boot();
    const call: Call = (method, body) => running.call(method, body);
    const proposal = await proposeGenesis(call, manifestOf(RINGS));
    world.platform.failure = new Error('gone');
    const commit = commitGenesis(call, proposal.clusterId, approvedBy([TEST_ADMIN], proposal));
    await expect(commit).toRefuseWith('ENCLAVE_HALTED');
    await expect(running).toHaltWith('INVARIANT_BROKEN');
  });

  test('whose store refuses halts by that name', async () => {
    const world = new World('store refuses');
    const running = await world.boot();
    world.store.failPut(1, 'refused');
    world.store.putFailure = new Refusal('DEADLINE_EXCEEDED');
    const haltReason = 'STORE_UNAVAILABLE';
    await expect(running.genesis(manifestOf(RINGS))).toRefuseWith('ENCLAVE_HALTED', {
      haltReason,
    });
    await expect(running).toHaltWith(haltReason);
  });

  test('needs neither frame any longer than its call', async () => {
    const world = new World('frame');
    const running = await world.boot();
    // The link may use the buffer again as soon as the handler returned.
    const call: Call = async (method, body) => {
      const answer = running.call(method, body);
      body.fill(0);
      return answer;
    };
    await bearCluster(call, manifestOf(RINGS));
    await expect(await world.reboot(running)).not.toHaltWith('STATE_DAMAGED');
    expect((await (await world.boot()).status()).rings).toBe(2);
  });
});
