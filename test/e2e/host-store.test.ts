import { DatabaseSync } from 'node:sqlite';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Refusal } from '../../enclave/wire/error-code.ts';
import {
  StoreGetRequest,
  StoreGetResponse,
  StoreListRequest,
  StoreListResponse,
  StorePutRequest,
} from '../../enclave/wire/gen/sealwright/enclave/v1/store.ts';
import { MAX_RECORD_BYTES } from '../../enclave/wire/limits.ts';
import { STORE_METHODS } from '../../enclave/wire/methods.ts';
import { HostBed, until, type HostProcess } from '../support/host-harness.ts';

let bed: HostBed;

beforeEach(() => {
  bed = new HostBed();
});
afterEach(() => bed.close());

const put = (records: Record<string, string>, remove: string[] = []): Promise<Uint8Array> =>
  bed.enclave.callHost(
    STORE_METHODS.put,
    StorePutRequest.encode({
      records: Object.entries(records).map(([key, value]) => ({ key, value: Buffer.from(value) })),
      remove,
    }).finish(),
  );

const get = async (...keys: string[]): Promise<Record<string, string>> => {
  const answer = await bed.enclave.callHost(
    STORE_METHODS.get,
    StoreGetRequest.encode({ keys }).finish(),
  );
  const { records } = StoreGetResponse.decode(answer);
  return Object.fromEntries(records.map(({ key, value }) => [key, Buffer.from(value).toString()]));
};

const list = async (prefix: string): Promise<readonly string[]> => {
  const answer = await bed.enclave.callHost(
    STORE_METHODS.list,
    StoreListRequest.encode({ prefix }).finish(),
  );
  return StoreListResponse.decode(answer).keys;
};

const reasonOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: unknown) => (error instanceof Refusal ? error.reason : String(error)),
  );

const serve = async (): Promise<HostProcess> => {
  await bed.enclave.listen();
  const host = await bed.start();
  await until(() => bed.enclave.connected, 'link');
  return host;
};

describe('the store', () => {
  it('keeps, replaces, removes and lists', async () => {
    const host = await serve();
    await put({ 'index/1': 'one', 'index/2': 'two', 'key/a': 'A' });
    expect(await get('key/a', 'nothing', 'index/1')).toEqual({ 'key/a': 'A', 'index/1': 'one' });
    await put({ 'index/1': 'ONE' }, ['index/2', 'never-there']);
    expect(await list('')).toEqual(['index/1', 'key/a']);
    expect(await list('index/')).toEqual(['index/1']);
    expect(await get('index/1')).toEqual({ 'index/1': 'ONE' });
    expect(await host.metrics()).toContain(
      'sealwright_store_calls_total{operation="put",result="ok"} 2',
    );
    expect(statSync(bed.storeFile).mode & 0o777).toBe(0o600);
  });

  it('has every acknowledged write after a kill', async () => {
    const host = await serve();
    for (let index = 0; index < 50; index += 1)
      await put({ [`log/${String(index)}`]: 'x'.repeat(1000) });
    await host.stop('SIGKILL');
    const next = await bed.start();
    await until(() => bed.enclave.connected, 'link');
    expect(await list('log/')).toHaveLength(50);
    expect((await next.logged('store.opened'))['records']).toBe(50);
  });

  it('refuses what is outside the limits, and writes nothing of it', async () => {
    await serve();
    expect(await reasonOf(put({ good: 'x', 'BAD KEY': 'x' }))).toBe('REQUEST_MALFORMED');
    expect(await reasonOf(put({ good: 'x' }, ['../..', '']))).toBe('REQUEST_MALFORMED');
    expect(await reasonOf(put({ good: 'x', huge: 'x'.repeat(MAX_RECORD_BYTES + 1) }))).toBe(
      'FRAME_TOO_LARGE',
    );
    expect(await reasonOf(list('%'))).toBe('REQUEST_MALFORMED');
    expect(await reasonOf(get(...Array.from({ length: 1025 }, (_, i) => `k${String(i)}`)))).toBe(
      'REQUEST_MALFORMED',
    );
    expect(await reasonOf(bed.enclave.callHost(STORE_METHODS.put, Buffer.from([0xff])))).toBe(
      'REQUEST_MALFORMED',
    );
    expect(await reasonOf(bed.enclave.callHost('store/drop', new Uint8Array(0)))).toBe(
      'METHOD_UNKNOWN',
    );
    expect(await list('')).toEqual([]);
    const big = 'x'.repeat(1024 * 1024);
    for (const key of ['a', 'b', 'c', 'd', 'e']) await put({ [key]: big });
    expect(await reasonOf(get('a', 'b', 'c', 'd', 'e'))).toBe('FRAME_TOO_LARGE');
    expect(Object.keys(await get('a', 'b', 'c'))).toEqual(['a', 'b', 'c']);
  });

  it('is kept from a second host', async () => {
    await serve();
    await put({ a: '1' });
    const second = bed.spawn({ unixSockets: [] });
    await expect(second.ready()).rejects.toThrow('is in use by another host');
    expect(second.child.exitCode).toBe(1);
    await put({ b: '2' });
    expect(await list('')).toEqual(['a', 'b']);
  });

  it('waits for a host that is just ending', async () => {
    const first = await serve();
    const second = bed.spawn({ unixSockets: [] });
    setTimeout(() => void first.stop(), 700);
    await second.ready();
    await until(() => bed.enclave.connected, 'link');
    expect(second.events('store.opened')).toHaveLength(1);
  });
});

describe('a file that is not a store', () => {
  const damaged: readonly [string, () => void][] = [
    [
      'rubbish',
      () => {
        writeFileSync(bed.storeFile, Buffer.alloc(8192, 0x5a));
      },
    ],
    [
      'a cut file',
      () => {
        writeFileSync(bed.storeFile, readFileSync(bed.storeFile).subarray(0, 5000));
      },
    ],
    [
      'a file with broken pages',
      () => {
        const bytes = readFileSync(bed.storeFile);
        bytes.fill(0xa5, 1024, bytes.byteLength);
        writeFileSync(bed.storeFile, bytes);
      },
    ],
    [
      'a database of something else',
      () => {
        writeFileSync(bed.storeFile, '');
        const other = new DatabaseSync(bed.storeFile);
        other.exec('PRAGMA application_id = 12345; CREATE TABLE precious (a)');
        other.close();
      },
    ],
    [
      'a store of a later version',
      () => {
        const later = new DatabaseSync(bed.storeFile);
        later.exec('PRAGMA user_version = 2');
        later.close();
      },
    ],
  ];

  it.each(damaged)(
    '%s: the host runs, the store answers STORE_UNAVAILABLE',
    async (_name, damage) => {
      const first = await serve();
      for (let index = 0; index < 40; index += 1)
        await put({ [`k/${String(index)}`]: 'v'.repeat(500) });
      expect(await first.stop()).toBe(0);
      damage();
      const before = readFileSync(bed.storeFile);
      const host = await bed.start();
      await until(() => bed.enclave.connected, 'link');
      expect(await reasonOf(get('k/1'))).toBe('STORE_UNAVAILABLE');
      expect(await reasonOf(put({ a: '1' }))).toBe('STORE_UNAVAILABLE');
      expect(await host.logged('store.damaged')).toMatchObject({ level: 'error' });
      expect((await fetch(`http://${host.http}/livez`)).status).toBe(200);
      expect(await host.stop()).toBe(0);
      // Evidence for whoever repairs it: nothing was written.
      expect(readFileSync(bed.storeFile).equals(before)).toBe(true);
    },
  );

  it('refuses to start where no file can be', async () => {
    mkdirSync(bed.path('folder'));
    for (const storeFile of [bed.path('no/such/folder.db'), bed.path('folder')]) {
      const host = bed.spawn({ storeFile });
      await expect(host.ready()).rejects.toThrow("can't be opened");
      expect(host.child.exitCode).toBe(1);
    }
  });
});
