import { describe, expect, test } from 'vitest';
import { TokenFailure } from '../../enclave/ports.ts';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { parseClusterHint, encodeClusterHint } from '../../enclave/core/state-index.ts';
import { MemoryAnchor } from '../support/fakes/memory-anchor.ts';
import { FakePlatform } from '../support/fakes/platform.ts';
import { World, type Running } from '../support/fakes/world.ts';
import '../support/matchers.ts';

const RINGS = {
  a: { algorithm: 'ES256' },
  h: { algorithm: 'ES256', residency: 'hsm' },
  b: { algorithm: 'EdDSA' },
} as const;

/** A world with a cluster whose enclave has ended. */
async function ended(seed: string): Promise<World> {
  const world = new World(seed);
  const running = await world.begin(RINGS);
  await running.enclave.close();
  return world;
}

const phaseOf = async (running: Running): Promise<Phase> => (await running.status()).phase;

const flip = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, i) => (i === (at + bytes.length) % bytes.length ? byte ^ 1 : byte));

describe('a store', () => {
  test('that forgot everything halts while the token is ours', async () => {
    const world = await ended('forgot');
    world.store.clear();
    await expect(await world.boot()).toHaltWith('STATE_MISSING', {
      token: 'fake-0001',
      label: 'sealwright-test',
    });
  });

  test('that forgot everything, with another token, awaits a genesis', async () => {
    const world = await ended('forgot both');
    world.store.clear();
    world.tokens.device.initialised = false;
    expect(await phaseOf(await world.boot())).toBe(Phase.PHASE_SETUP);
    world.tokens.device.initialised = true;
    world.tokens.device.label = 'somebody else';
    expect(await phaseOf(await world.boot())).toBe(Phase.PHASE_SETUP);
  });

  test.each([
    ['index', 'index'],
    ['cluster', 'cluster'],
    ['boot.1', 'boot'],
    ['root.1', 'root'],
    ['genesis.1', 'genesis'],
    ['policy.1', 'policy'],
    ['log-key.1', 'log-key'],
    ['so-pin.1', 'so-pin'],
    ['key/a/1.1', 'key/a/1'],
    ['key/h/1.1', 'key/h/1'],
  ])('that lacks %s halts', async (key, record) => {
    const world = await ended(`lacks ${key}`);
    world.store.remove(key);
    await expect(await world.boot()).toHaltWith('STATE_MISSING', { record });
  });

  test.each([
    ['index', 'SEALED_HANDLE_REJECTED', 'index'],
    ['boot.1', 'SEALED_HANDLE_REJECTED', 'boot'],
    ['root.1', 'SEALED_HANDLE_REJECTED', 'root'],
    ['genesis.1', 'STATE_DAMAGED', 'genesis'],
    ['policy.1', 'STATE_DAMAGED', 'policy'],
    ['log-key.1', 'STATE_DAMAGED', 'log-key'],
    ['so-pin.1', 'STATE_DAMAGED', 'so-pin'],
    ['key/a/1.1', 'STATE_DAMAGED', 'key/a/1'],
    ['key/h/1.1', 'STATE_DAMAGED', 'key/h/1'],
  ] as const)('that changed one bit of %s halts with %s', async (key, reason, record) => {
    const world = await ended(`changed ${key}`);
    const state = world.store.snapshot();
    for (const at of [0, 1, 9, 12, 50, -1]) {
      world.store.write(key, flip(world.store.peek(key), at));
      await expect(await world.boot()).toHaltWith(reason, { record });
      world.store.restore(state);
    }
  });

  test.each(['index', 'boot.1', 'root.1', 'policy.1', 'key/a/1.1'])(
    'that cut %s halts',
    async (key) => {
      const world = await ended(`cut ${key}`);
      for (const length of [0, 1, 57]) {
        const state = world.store.snapshot();
        world.store.write(key, world.store.peek(key).slice(0, length));
        const { phase, haltReason } = await (await world.boot()).status();
        expect(phase).toBe(Phase.PHASE_HALTED);
        expect(['SEALED_HANDLE_REJECTED', 'STATE_DAMAGED']).toContain(haltReason);
        world.store.restore(state);
      }
    },
  );

  test.each([
    ['key/a/1.1', 'key/b/1.1'],
    ['key/a/1.1', 'key/h/1.1'],
    ['policy.1', 'genesis.1'],
    ['so-pin.1', 'log-key.1'],
  ])('that swapped %s and %s halts', async (one, two) => {
    const world = await ended('swapped');
    const [first, second] = [world.store.peek(one), world.store.peek(two)];
    world.store.write(one, second);
    world.store.write(two, first);
    await expect(await world.boot()).toHaltWith('STATE_DAMAGED');
  });

  test('that gives the boot record for the root record halts', async () => {
    const world = await ended('boot for root');
    world.store.write('root.1', world.store.peek('boot.1'));
    await expect(await world.boot()).toHaltWith('SEALED_HANDLE_REJECTED', { record: 'root' });
    world.store.write('index', world.store.peek('policy.1'));
    expect(await phaseOf(await world.boot())).toBe(Phase.PHASE_HALTED);
  });

  test('that gives records of another cluster on the same platform halts', async () => {
    const other = await ended('other cluster');
    const world = await ended('this cluster');
    const state = world.store.snapshot();
    for (const key of ['index', 'boot.1', 'root.1', 'policy.1', 'key/a/1.1']) {
      world.store.restore(state);
      world.store.write(key, other.store.peek(key));
      const { phase, haltReason } = await (await world.boot()).status();
      expect(phase).toBe(Phase.PHASE_HALTED);
      expect(['SEALED_HANDLE_REJECTED', 'STATE_DAMAGED']).toContain(haltReason);
    }
  });

  test('of another cluster finds no token with its serial number, or another PIN', async () => {
    const other = new World('other', ['fake-0002']);
    await (await other.begin(RINGS)).enclave.close();
    const world = await ended('this');
    world.store.restore(other.store.snapshot());
    await expect(await world.boot()).toHaltWith('TOKEN_MISSING', { operation: 'open' });
    const twin = await ended('twin');
    world.store.restore(twin.store.snapshot());
    await expect(await world.boot()).toHaltWith('PIN_REJECTED');
    expect(world.tokens.device.failedLogins).toBe(1);
  });

  test.each(['', '{}', '{"v":2}', 'x', '[]'])('with the hint %j halts', async (hint) => {
    const world = await ended('hint');
    world.store.write('cluster', utf8(hint));
    await expect(await world.boot()).toHaltWith('STATE_DAMAGED', { record: 'cluster' });
  });

  test('whose hint names other versions halts', async () => {
    const world = await ended('hint versions');
    const hint = parseClusterHint(world.store.peek('cluster'));
    world.store.write('cluster', encodeClusterHint({ ...hint, bootVersion: 2n }));
    await expect(await world.boot()).toHaltWith('STATE_MISSING', { record: 'boot' });
    // The same bytes under a name of another version.
    world.store.write('boot.2', world.store.peek('boot.1'));
    await expect(await world.boot()).toHaltWith('SEALED_HANDLE_REJECTED', { record: 'boot' });
  });

  test('whose hint lies about the cluster opens nothing', async () => {
    const world = await ended('hint cluster');
    const hint = parseClusterHint(world.store.peek('cluster'));
    const clusterId = flip(hint.clusterId, 0);
    world.store.write('cluster', encodeClusterHint({ ...hint, clusterId }));
    await expect(await world.boot()).toHaltWith('SEALED_HANDLE_REJECTED', { record: 'boot' });
    expect(world.tokens.device.failedLogins).toBe(0);
  });

  test('whose hint lies about the registers changes nothing but words', async () => {
    const world = await ended('hint registers');
    const hint = parseClusterHint(world.store.peek('cluster'));
    const [mr0, mr1, mr2] = hint.sealedBy.measurements;
    const measurements = [flip(mr0, 0), mr1, mr2] as const;
    const sealedBy = { ...hint.sealedBy, measurements };
    world.store.write('cluster', encodeClusterHint({ ...hint, sealedBy }));
    expect(await phaseOf(await world.boot())).toBe(Phase.PHASE_SERVING);
  });

  test.each(['STORE_UNAVAILABLE', 'INTERNAL', 'DEADLINE_EXCEEDED'] as const)(
    'that refuses to answer (%s) halts',
    async (reason) => {
      const world = await ended('refuses');
      world.store.getFailure = new Refusal(reason);
      await expect(await world.boot()).toHaltWith('STORE_UNAVAILABLE', { refusal: reason });
    },
  );

  test('that keeps records nobody names is read as if it did not', async () => {
    const world = await ended('more');
    world.store.write('key/evil/1.1', world.store.peek('key/a/1.1'));
    world.store.write('key/a/1.2', world.store.peek('key/a/1.1'));
    const running = await world.boot();
    expect((await running.keys()).map((key) => key.ring)).toEqual(['a', 'b', 'h']);
  });
});

describe('a platform', () => {
  test.each([
    [0, ['other', 'runtime', 'launch']],
    [1, ['code', 'other', 'launch']],
    [2, ['code', 'runtime', 'other']],
  ] as const)('with another MR%d halts and names it', async (i, registers) => {
    const world = await ended('measurement');
    const sealedBy = world.platform.identity.measurements[i];
    world.platform = new FakePlatform({ registers });
    await expect(await world.boot()).toHaltWith('MEASUREMENT_CHANGED', {
      register: `MR${String(i)}`,
      sealedBy: Buffer.from(sealedBy).toString('hex'),
      running: Buffer.from(world.platform.identity.measurements[i]).toString('hex'),
    });
    // No PIN came out, so no login was tried.
    expect(world.tokens.operations.filter((operation) => operation === 'open')).toHaveLength(1);
  });

  test('with another root halts', async () => {
    const world = await ended('platform');
    world.platform = new FakePlatform({ root: 'another machine' });
    await expect(await world.boot()).toHaltWith('PLATFORM_CHANGED');
  });

  test('with another svn opens nothing', async () => {
    const world = await ended('svn');
    world.platform = new FakePlatform({ svn: 2 });
    await expect(await world.boot()).toHaltWith('SEALED_HANDLE_REJECTED', { record: 'boot' });
  });

  test('that gives an older release the secrets of a later one halts', async () => {
    const world = new World('downgrade');
    world.platform = new FakePlatform({ svn: 3, secretsOfAnySvn: true });
    await world.reboot(await world.begin(RINGS));
    world.platform = new FakePlatform({ svn: 2, secretsOfAnySvn: true });
    const details = { register: 'svn', sealedBy: '3', running: '2' };
    await expect(await world.boot()).toHaltWith('MEASUREMENT_CHANGED', details);
  });

  test('of a later release raises the svn of the state, and there is no way back', async () => {
    const world = new World('upgrade');
    world.platform = new FakePlatform({ svn: 2, secretsOfAnySvn: true });
    const running = await world.begin(RINGS);
    world.platform = new FakePlatform({ svn: 3, secretsOfAnySvn: true });
    const later = await world.reboot(running);
    expect(await phaseOf(later)).toBe(Phase.PHASE_SERVING);
    world.platform = new FakePlatform({ svn: 2, secretsOfAnySvn: true });
    await expect(await world.reboot(later)).toHaltWith('MEASUREMENT_CHANGED', { register: 'svn' });
  });

  test('that is no longer simulated is not this cluster', async () => {
    const world = await ended('simulated');
    world.platform = new FakePlatform({ simulated: false });
    await expect(await world.boot()).toHaltWith('STATE_DAMAGED', { record: 'genesis' });
  });

  test('that is gone halts', async () => {
    const world = await ended('gone');
    world.platform.failure = new Error('gone');
    await expect(await world.boot()).toHaltWith('INVARIANT_BROKEN');
  });

  test('that comes back serves again', async () => {
    const world = await ended('back');
    const { platform } = world;
    world.platform = new FakePlatform({ root: 'another machine' });
    await expect(await world.boot()).toHaltWith('PLATFORM_CHANGED');
    world.platform = platform;
    expect(await phaseOf(await world.boot())).toBe(Phase.PHASE_SERVING);
  });
});

describe('a token', () => {
  test('that is gone halts', async () => {
    const world = await ended('token gone');
    world.tokens.devices.length = 0;
    await expect(await world.boot()).toHaltWith('TOKEN_MISSING');
  });

  test('with another serial number is another token', async () => {
    const world = await ended('serial');
    world.tokens.device.serial = 'fake-0002';
    await expect(await world.boot()).toHaltWith('TOKEN_MISSING');
  });

  test('that refuses the PIN halts after one login', async () => {
    const world = await ended('pin');
    world.tokens.device.userPin = 'changed';
    await expect(await world.boot()).toHaltWith('PIN_REJECTED', { operation: 'open', rv: '0xa0' });
    expect(world.tokens.device.failedLogins).toBe(1);
  });

  test('whose PIN is at risk halts before a login', async () => {
    const world = await ended('risk');
    world.tokens.device.userPinAtRisk = true;
    await expect(await world.boot()).toHaltWith('PIN_AT_RISK');
    expect(world.tokens.device.failedLogins).toBe(0);
  });

  test.each(['listTokens', 'open', 'hmac', 'inventory', 'sign'])(
    'that does not answer (%s) halts',
    async (failing) => {
      const world = await ended(`mute ${failing}`);
      if (failing === 'listTokens') world.store.clear();
      world.tokens.fault = (operation) =>
        operation === failing ? new TokenFailure('unavailable', operation, 0xe0) : undefined;
      await expect(await world.boot()).toHaltWith('TOKEN_UNAVAILABLE', { operation: failing });
      world.tokens.fault = undefined;
      expect(world.tokens.openTokens).toBe(0);
    },
  );

  test('that does not even close is still halted by its first reason', async () => {
    const world = await ended('close');
    world.tokens.device.object('sealwright/key/h').label = 'other';
    world.tokens.fault = (operation) => (operation === 'close' ? new Error('close') : undefined);
    await expect(await world.boot()).toHaltWith('TOKEN_INVENTORY_MISMATCH');
  });

  test.each([
    ['sealwright/key/h', 'object missing'],
    ['sealwright/key/a', 'object missing'],
  ])('without %s halts', async (label, problem) => {
    const world = await ended(`without ${label}`);
    world.tokens.device.remove(world.tokens.device.object(label));
    await expect(await world.boot()).toHaltWith('TOKEN_INVENTORY_MISMATCH', { problem });
  });

  test('without its root secret halts', async () => {
    const world = await ended('without root');
    world.tokens.device.remove(world.tokens.device.object('sealwright/root'));
    await expect(await world.boot()).toHaltWith('TOKEN_INVENTORY_MISMATCH', {
      failure: 'object-missing',
    });
  });

  test('with another root secret opens nothing', async () => {
    const world = await ended('other root');
    world.tokens.device.object('sealwright/root').value.fill(7);
    await expect(await world.boot()).toHaltWith('SEALED_HANDLE_REJECTED', { record: 'root' });
  });

  test('with another secret of a key opens that key never again', async () => {
    const world = await ended('other secret');
    world.tokens.device.object('sealwright/key/a').value.fill(7);
    await expect(await world.boot()).toHaltWith('SEALED_HANDLE_REJECTED', { ring: 'a' });
  });

  test.each([
    ['a stranger', (label: string) => `x${label}`],
    ['a key of an older epoch', () => 'sealwright/key/a/9/1'],
    ['a key of the epoch after the next', () => 'sealwright/key/a/9/3'],
    ['a root secret of this epoch', () => 'sealwright/root/2/1'],
    ['no label', () => ''],
  ])('with %s more halts and destroys nothing', async (_, relabel) => {
    const world = await ended('more');
    const { device } = world.tokens;
    const object = device.object('sealwright/key/h');
    const id = new Uint8Array(16).fill(9);
    device.objects.push({ ...object, id, label: relabel(object.label) });
    const before = device.objects.length;
    await expect(await world.boot()).toHaltWith('TOKEN_INVENTORY_MISMATCH', {
      problem: 'object not in the index',
    });
    expect(device.objects).toHaveLength(before);
  });

  test('with a birth that a crash tore is cleaned and serves', async () => {
    const world = await ended('torn');
    const { device } = world.tokens;
    const object = device.object('sealwright/key/h');
    const secret = device.object('sealwright/key/a');
    const before = device.objects.length;
    // Genesis wrote epoch 1: a change that tore would have borne keys of epoch 2.
    device.objects.push(
      { ...object, id: new Uint8Array(16).fill(8), label: 'sealwright/key/h/2/2' },
      { ...secret, id: new Uint8Array(16).fill(9), label: 'sealwright/root/2/2' },
    );
    expect(await phaseOf(await world.boot())).toBe(Phase.PHASE_SERVING);
    expect(device.objects).toHaveLength(before);
  });

  test('with a torn birth and a stranger halts and destroys neither', async () => {
    const world = await ended('torn and stranger');
    const { device } = world.tokens;
    const object = device.object('sealwright/key/h');
    device.objects.push(
      { ...object, id: new Uint8Array(16).fill(8), label: 'sealwright/key/h/2/2' },
      { ...object, id: new Uint8Array(16).fill(9), label: 'stranger' },
    );
    const before = device.objects.length;
    await expect(await world.boot()).toHaltWith('TOKEN_INVENTORY_MISMATCH');
    expect(device.objects).toHaveLength(before);
  });

  test.each(['sealwright/key/h', 'sealwright/key/a', 'sealwright/root'])(
    'with a torn birth under the id of %s halts and destroys nothing',
    async (label) => {
      const world = await ended('same id');
      const { device } = world.tokens;
      const object = device.object(label);
      // Another class, so that the id is still found once by class.
      const kind = object.kind === 'secret' ? 'private-key' : 'secret';
      device.objects.push({ ...object, kind, label: 'sealwright/key/z/1/2' });
      const before = device.objects.length;
      await expect(await world.boot()).toHaltWith('TOKEN_INVENTORY_MISMATCH');
      expect(device.objects).toHaveLength(before);
    },
  );

  test('with two objects of one id and class halts', async () => {
    for (const label of ['sealwright/key/h', 'sealwright/root']) {
      const world = await ended('ambiguous');
      const object = world.tokens.device.object(label);
      world.tokens.device.objects.push({ ...object });
      await expect(await world.boot()).toHaltWith('TOKEN_INVENTORY_MISMATCH');
    }
  });

  test.each([
    ['label', (world: World) => (world.tokens.device.object('sealwright/key/h').label += '0')],
    ['root label', (world: World) => (world.tokens.device.object('sealwright/root').label = 'x')],
    ['kind', (world: World) => (world.tokens.device.object('sealwright/key/a').kind = 'other')],
    ['id', (world: World) => world.tokens.device.object('sealwright/key/h').id.fill(1)],
  ])('with another %s of an object halts', async (_, change) => {
    const world = await ended('changed object');
    change(world);
    await expect(await world.boot()).toHaltWith('TOKEN_INVENTORY_MISMATCH');
  });

  test.each([
    ['sealwright/key/h', 'EXTRACTABLE', true],
    ['sealwright/key/h', 'SENSITIVE', false],
    ['sealwright/key/h', 'MODIFIABLE', true],
    ['sealwright/key/h', 'COPYABLE', true],
    ['sealwright/key/h', 'LOCAL', false],
    ['sealwright/key/h', 'DECRYPT', true],
    ['sealwright/key/a', 'EXTRACTABLE', true],
    ['sealwright/key/a', 'WRAP', true],
    ['sealwright/root', 'NEVER_EXTRACTABLE', false],
    ['sealwright/root', 'DERIVE', true],
  ] as const)('with %s %s=%s halts', async (label, attribute, value) => {
    const world = await ended('attribute');
    world.tokens.device.object(label).attributes[attribute] = value;
    await expect(await world.boot()).toHaltWith('TOKEN_OBJECT_REJECTED', {
      attribute: `CKA_${attribute}`,
      found: String(value),
    });
  });

  test('with another key under a known id halts, whoever notices', async () => {
    for (const checksKeys of [true, false]) {
      const world = await ended('other key');
      const other = await ended('its key');
      const { value } = other.tokens.device.object('sealwright/key/h');
      world.tokens.device.object('sealwright/key/h').value = value;
      world.tokens.checksKeys = checksKeys;
      await expect(await world.boot()).toHaltWith(
        checksKeys ? 'TOKEN_OBJECT_REJECTED' : 'SELF_TEST_FAILED',
      );
    }
  });
});

describe('boot', () => {
  test('is a state change: it raises the epoch and draws an instance', async () => {
    const world = await ended('epoch');
    const seen: { readonly epoch: bigint; readonly instance: string }[] = [];
    for (let i = 0; i < 3; i += 1) {
      const running = await world.boot();
      const { epoch, instanceId } = await running.status();
      seen.push({ epoch, instance: Buffer.from(instanceId).toString('hex') });
      await running.enclave.close();
    }
    expect(seen.map(({ epoch }) => epoch)).toEqual([2n, 3n, 4n]);
    expect(new Set(seen.map(({ instance }) => instance)).size).toBe(3);
  });

  test('asks the platform for the two secrets of the closed list', async () => {
    const world = await ended('labels');
    world.platform.asked.length = 0;
    await world.boot();
    expect(world.platform.asked).toEqual(['boot/v1', 'root/v1']);
  });

  test('survives a token that names itself in UTF-8', async () => {
    const world = new World('utf-8');
    world.tokens.device.manufacturer = 'Schlüsselwerk Zürich';
    const running = await world.begin(RINGS);
    expect(await phaseOf(await world.reboot(running))).toBe(Phase.PHASE_SERVING);
  });

  test('survives an empty policy', async () => {
    const world = new World('empty');
    const running = await world.begin({});
    expect((await (await world.reboot(running)).status()).rings).toBe(0);
  });
});

describe('an anchor', () => {
  async function anchored(seed: string): Promise<{ world: World; anchor: MemoryAnchor }> {
    const world = new World(seed);
    const anchor = new MemoryAnchor();
    world.anchor = anchor;
    await (await world.begin(RINGS)).enclave.close();
    return { world, anchor };
  }

  test('follows each index', async () => {
    const { world, anchor } = await anchored('follows');
    await (await world.boot()).enclave.close();
    expect(anchor.written).toEqual([1n, 2n]);
    expect(await phaseOf(await world.boot())).toBe(Phase.PHASE_SERVING);
  });

  test('finds an older store', async () => {
    const { world } = await anchored('older');
    const old = world.store.snapshot();
    await (await world.boot()).enclave.close();
    world.store.restore(old);
    await expect(await world.boot()).toHaltWith('ROLLBACK_DETECTED', {
      anchored: '2',
      found: '1',
    });
  });

  test('finds a store that is two steps ahead', async () => {
    const { world, anchor } = await anchored('ahead');
    const old = anchor.value;
    await (await world.boot()).enclave.close();
    await (await world.boot()).enclave.close();
    anchor.value = old;
    await expect(await world.boot()).toHaltWith('ROLLBACK_DETECTED');
  });

  test('that is missing halts', async () => {
    const { world, anchor } = await anchored('missing');
    anchor.value = undefined;
    await expect(await world.boot()).toHaltWith('ROLLBACK_DETECTED', { anchor: 'missing' });
  });

  test('that was not written before a crash is written before anything else', async () => {
    const { world, anchor } = await anchored('torn');
    // The boot's own index is durable, its anchor is not: as often as one likes.
    for (let i = 0; i < 3; i += 1) {
      anchor.failure = new TokenFailure('unavailable', 'anchor');
      await expect(await world.boot()).toHaltWith('TOKEN_UNAVAILABLE', { operation: 'anchor' });
    }
    anchor.failure = undefined;
    expect(await phaseOf(await world.boot())).toBe(Phase.PHASE_SERVING);
    // First the index that was found, then the boot's own.
    expect(anchor.written).toEqual([1n, 2n, 3n]);
  });

  test('of the same epoch but another index halts', async () => {
    const { world, anchor } = await anchored('fork');
    if (anchor.value === undefined) throw new RangeError('no anchor');
    anchor.value = { ...anchor.value, indexDigest: new Uint8Array(32).fill(1) };
    await expect(await world.boot()).toHaltWith('ROLLBACK_DETECTED');
  });
});
