/**
 * A host whose store lies at boot and at state changes: missing, foreign, exchanged, torn, older records, and
 * answers that are none. Each ends in a named halt that `status` tells, or is without effect; the process lives
 * (docs/spec/state-index.md).
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { concatBytes, u32, utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal, type HaltReason } from '../../enclave/wire/error-code.ts';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { HOST_METHODS, LOG_METHODS, STORE_METHODS } from '../../enclave/wire/methods.ts';
import { canonicalize } from '../../enclave/wire/signed-json.ts';
import { parseLeaf } from '../../src/tlog/leaf.ts';
import { attacked } from '../support/hostile-host/attacked.ts';
import { NOTHING } from '../support/hostile-host/frames.ts';
import type { Disks } from '../support/hostile-host/memory-services.ts';
import { lieInReads, lieInRecords } from '../support/hostile-host/store-lies.ts';
import '../support/matchers.ts';

const theRig = attacked();
const storeOf = () => theRig().host.services.store;

/** What another cluster on the same platform left, and what was on the disks of ours before. */
let foreign: Disks;
let older: Disks;
let tokenSerial: string;

beforeAll(async () => {
  older = theRig().host.services.snapshot();
  foreign = await theRig().anotherCluster();
  ({ tokenSerial } = await theRig().reboot());
  await theRig().sign('signer');
});

function foreignRecord(key: string): Uint8Array {
  const value = foreign.records.get(key);
  if (value === undefined) throw new Error(`no ${key}`);
  return value;
}

/** Of a sealed record: format, then version (docs/spec/sealing.md). */
const LAST_OF_VERSION = 9;
const flip = (at: number) => (bytes: Uint8Array) =>
  bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));

type Details = Readonly<Record<string, string>>;

describe('a boot halts', () => {
  test.each<readonly [string, string, HaltReason, Details]>([
    ['the index', 'index', 'STATE_MISSING', { record: 'index' }],
    ['the boot record', 'boot.1', 'STATE_MISSING', { record: 'boot' }],
    ['the policy', 'policy.1', 'STATE_MISSING', { record: 'policy' }],
  ])('when the host hides %s', async (_, key, reason, details) => {
    lieInRecords(theRig().host, { [key]: () => undefined });
    await theRig().expectHalt(reason, details);
  });

  test('when the host hides everything: a token of ours says that there was a state', async () => {
    lieInReads(theRig().host, () => []);
    await theRig().expectHalt('STATE_MISSING', { token: tokenSerial, label: 'sealwright-test' });
  });

  test.each<readonly [string, string, HaltReason, Details]>([
    ['index', 'index', 'SEALED_HANDLE_REJECTED', { record: 'index' }],
    ['key', 'key/token/1.1', 'STATE_DAMAGED', { record: 'key/token/1' }],
  ])('over an empty %s', async (_, key, reason, details) => {
    lieInRecords(theRig().host, { [key]: () => NOTHING });
    await theRig().expectHalt(reason, details);
  });

  test('over an index that says that it is one of the future', async () => {
    lieInRecords(theRig().host, { index: flip(LAST_OF_VERSION) });
    await theRig().expectHalt('SEALED_HANDLE_REJECTED', { record: 'index' });
  });

  test('over an index that is torn', async () => {
    lieInRecords(theRig().host, { index: (bytes) => bytes.subarray(0, bytes.length / 2) });
    await theRig().expectHalt('SEALED_HANDLE_REJECTED', { record: 'index' });
  });

  test('over half of an index and half of an older one', async () => {
    const old = older.records.get('index') ?? NOTHING;
    lieInRecords(theRig().host, {
      index: (bytes) => concatBytes(bytes.subarray(0, 200), old.subarray(200)),
    });
    await theRig().expectHalt('SEALED_HANDLE_REJECTED', { record: 'index' });
  });

  test('over two keys in exchanged places', async () => {
    const { host } = theRig();
    lieInRecords(host, {
      'key/signer/1.1': () => storeOf().peek('key/session/1.1'),
      'key/session/1.1': () => storeOf().peek('key/signer/1.1'),
    });
    await theRig().expectHalt('STATE_DAMAGED', { record: 'key/session/1' });
  });

  test('over the SO PIN where the policy should be', async () => {
    lieInRecords(theRig().host, { 'policy.1': () => storeOf().peek('so-pin.1') });
    await theRig().expectHalt('STATE_DAMAGED', { record: 'policy' });
  });

  test('over hint and index in exchanged places', async () => {
    const [hint, index] = [storeOf().peek('cluster'), storeOf().peek('index')];
    lieInRecords(theRig().host, { cluster: () => index, index: () => hint });
    await theRig().expectHalt('STATE_DAMAGED', { record: 'cluster' });
  });

  test.each<readonly [string, string, HaltReason, Details]>([
    ['index', 'index', 'SEALED_HANDLE_REJECTED', { record: 'index' }],
    ['root key', 'root.1', 'SEALED_HANDLE_REJECTED', { record: 'root' }],
    ['boot record', 'boot.1', 'SEALED_HANDLE_REJECTED', { record: 'boot' }],
    ['key of a ring', 'key/signer/1.1', 'STATE_DAMAGED', { record: 'key/signer/1' }],
    ['hint', 'cluster', 'SEALED_HANDLE_REJECTED', { record: 'boot' }],
  ])('over the %s of another cluster of this platform', async (_, key, reason, details) => {
    lieInRecords(theRig().host, { [key]: () => foreignRecord(key) });
    await theRig().expectHalt(reason, details);
  });

  test('over the whole state of another cluster, whose token is not there', async () => {
    lieInReads(theRig().host, (_, asked) =>
      asked.flatMap((key) => {
        const value = foreign.records.get(key);
        return value === undefined ? [] : [[key, value] as const];
      }),
    );
    await theRig().expectHalt('TOKEN_MISSING', {});
  });

  test('over a hint that names a boot record of the future', async () => {
    lieInRecords(theRig().host, {
      cluster: (bytes) => utf8(text(bytes).replace('"bootVersion":1', '"bootVersion":2')),
    });
    await theRig().expectHalt('STATE_MISSING', { record: 'boot' });
  });

  test('over a hint of a million brackets', async () => {
    lieInRecords(theRig().host, { cluster: () => utf8('['.repeat(1_000_000)) });
    await theRig().expectHalt('STATE_DAMAGED', { record: 'cluster' });
  });

  test('over a record that comes twice, the second time forged', async () => {
    lieInReads(theRig().host, (found) => [...found, ['index', new Uint8Array(1000)]]);
    await theRig().expectHalt('SEALED_HANDLE_REJECTED', { record: 'index' });
  });

  test('over records that change between the first and the second read', async () => {
    lieInReads(theRig().host, (found) => [...found].map(([key]) => [key, foreignRecord(key)]), 1);
    await theRig().expectHalt('SEALED_HANDLE_REJECTED', { record: 'boot' });
  });

  test('over a key of 4 MiB', async () => {
    lieInRecords(theRig().host, { 'key/signer/1.1': () => new Uint8Array(4_100_000) });
    await theRig().expectHalt('STATE_DAMAGED', { record: 'key/signer/1' });
  });

  test.each([
    ['to a put', STORE_METHODS.put],
    ['to a question for the log', LOG_METHODS.state],
  ])('when each read gets the answer %s', async (_, method) => {
    const { host } = theRig();
    const answer =
      method === STORE_METHODS.put ? NOTHING : await host.services.answer(method, NOTHING);
    host.lie(STORE_METHODS.get, () => answer);
    await theRig().expectHalt('STATE_MISSING', { label: 'sealwright-test' });
  });

  test.each([
    ['no message', Uint8Array.of(0xff)],
    ['bytes after a zero tag inside a record', Uint8Array.of(10, 3, 0, 1, 2)],
    ['a million empty records', new Uint8Array(2_000_000).map((_, i) => (i % 2 === 0 ? 10 : 0))],
  ])('when each read is answered with %s', async (_, answer) => {
    theRig().host.lie(STORE_METHODS.get, () => answer);
    await theRig().expectHalt('STORE_UNAVAILABLE', { refusal: 'STORE_UNAVAILABLE' });
  });

  test('by its own name, whatever name the host refuses its reads with', async () => {
    theRig().host.lie(STORE_METHODS.get, () => {
      throw new Refusal('ROLLBACK_DETECTED');
    });
    await theRig().expectHalt('STORE_UNAVAILABLE', { refusal: 'ROLLBACK_DETECTED' });
  });
});

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

describe('a boot is not moved', () => {
  test('by a list that lies, by records that nobody asked for, by forged ones before the true ones', async () => {
    let listed = 0;
    theRig().host.lie(STORE_METHODS.list, () => {
      listed += 1;
      return canonicalize([]);
    });
    lieInReads(theRig().host, (found) => [
      ['index', new Uint8Array(1000)],
      ['key/signer/1.2', new Uint8Array(1000)],
      ['__proto__', utf8('{}')],
      ...found,
    ]);
    expect((await theRig().reboot()).phase).toBe(Phase.PHASE_SERVING);
    // Nobody asks for it.
    expect(listed).toBe(0);
    await theRig().sign('signer');
  });

  test('by a link that is cut at each of its questions', async () => {
    const { host } = theRig();
    let cuts = 0;
    for (const method of [STORE_METHODS.get, STORE_METHODS.put, LOG_METHODS.append]) {
      host.lie(method, ({ connection, nth }, honest) => {
        if (nth % 2 === 1) return honest();
        cuts += 1;
        connection.send(u32(0));
        return undefined;
      });
    }
    await theRig().enclave.kill();
    await theRig().enclave.start();
    const status = await theRig().bootedOverManyLinks();
    expect(status.phase).toBe(Phase.PHASE_SERVING);
    // Three reads, the boot's leaf, the index.
    expect(cuts).toBe(5);
    host.repent();
    await theRig().sign('signer');
  });

  test('by an older index alone: there is no anchor, and the log tells of both boots', async () => {
    const { host } = theRig();
    const before = host.services.store.snapshot();
    const { epoch } = await theRig().reboot();
    await theRig().enclave.kill();
    host.services.store.restore(before);
    expect((await theRig().boot()).epoch).toBe(epoch);
    const boots = host.services.log.leaves.map((leaf) => parseLeaf(leaf));
    const same = boots.filter((leaf) => leaf.kind === 'boot' && BigInt(leaf.bootEpoch) === epoch);
    expect(same).toHaveLength(2);
    await theRig().sign('signer');
  });
});

describe('a state change', () => {
  test('that is acknowledged and forgotten is missed by nobody but the log', async () => {
    const { host } = theRig();
    host.lie(STORE_METHODS.put, () => NOTHING);
    const { epoch } = await theRig().reboot();
    host.repent();
    expect((await theRig().reboot()).epoch).toBe(epoch);
    const boots = host.services.log.leaves.map((leaf) => parseLeaf(leaf));
    const same = boots.filter((leaf) => leaf.kind === 'boot' && BigInt(leaf.bootEpoch) === epoch);
    expect(same).toHaveLength(2);
  });

  test('that is stored and answered with an error halts, and is there at the next boot', async () => {
    const { host } = theRig();
    const bodies = new Set<string>();
    host.lie(STORE_METHODS.put, async ({ body }, honest) => {
      bodies.add(text(body));
      await honest();
      throw new Refusal('STORE_UNAVAILABLE');
    });
    await theRig().expectHalt('STORE_UNAVAILABLE', { refusal: 'STORE_UNAVAILABLE' });
    expect(bodies.size).toBe(1);
    host.repent();
    const { epoch } = await theRig().reboot();
    expect(epoch).toBeGreaterThan(1n);
    await theRig().sign('signer');
  });

  test('that a served enclave can’t make halts it, and nothing is signed any more', async () => {
    const { host } = theRig();
    await theRig().reboot();
    await theRig().sign('signer');
    host.lie(STORE_METHODS.put, () => {
      throw new Refusal('RATE_LIMITED');
    });
    await host.call(HOST_METHODS.drained, NOTHING);
    await theRig().expectHalted('STORE_UNAVAILABLE', { refusal: 'RATE_LIMITED' });
  });
});
