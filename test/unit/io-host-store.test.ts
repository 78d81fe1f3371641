import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LinkHostStore } from '../../enclave/io/host-store.ts';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import {
  StoreGetRequest,
  StoreGetResponse,
  StoreListResponse,
  StorePutRequest,
} from '../../enclave/wire/gen/sealwright/enclave/v1/store.ts';
import { Link, type CallHandler } from '../../enclave/wire/link.ts';
import { STORE_METHODS } from '../../enclave/wire/methods.ts';
import '../support/matchers.ts';

/** The enclave's end, and a host that answers from the test. */
function linkTo(handle: CallHandler): { readonly link: Link; readonly host: Link } {
  const common = { fail: () => undefined, onBug: () => undefined };
  const link: Link = new Link({
    ...common,
    send: (bytes) => {
      host.receive(bytes);
    },
    handle: () => new Uint8Array(0),
  });
  const host: Link = new Link({
    ...common,
    send: (bytes) => {
      link.receive(bytes);
    },
    handle,
  });
  return { link, host };
}

function storeOf(handle: CallHandler): LinkHostStore {
  const { link } = linkTo(handle);
  return new LinkHostStore({ current: () => Promise.resolve(link) });
}

const records = [{ key: 'a', value: utf8('1') }];

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Lets pauses and deadlines pass. */
async function patiently<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  await vi.advanceTimersByTimeAsync(120_000);
  return promise;
}

describe('the host’s store', () => {
  test('gets what there is, as copies', async () => {
    const answer = StoreGetResponse.encode({ records }).finish();
    const store = storeOf((call) => {
      expect(call.method).toBe(STORE_METHODS.get);
      expect(StoreGetRequest.decode(call.body).keys).toEqual(['a', 'b']);
      return answer;
    });
    const found = await store.get(['a', 'b']);
    expect([...found.keys()]).toEqual(['a']);
    answer.fill(0);
    expect(found.get('a')).toEqual(utf8('1'));
  });

  test('puts and removes in one request, and lists', async () => {
    const bodies: StorePutRequest[] = [];
    const store = storeOf((call) => {
      if (call.method === STORE_METHODS.list) {
        return StoreListResponse.encode({ keys: ['a'] }).finish();
      }
      bodies.push(StorePutRequest.decode(call.body));
      return new Uint8Array(0);
    });
    await store.put(records, ['b']);
    expect(bodies).toMatchObject([{ records: [{ key: 'a' }], remove: ['b'] }]);
    expect(await store.list('')).toEqual(['a']);
  });

  test('is asked the same again when it refuses, five times in all', async () => {
    const bodies: string[] = [];
    const store = storeOf((call) => {
      bodies.push(Buffer.from(call.body).toString('hex'));
      throw new Refusal('STORE_UNAVAILABLE');
    });
    await expect(patiently(store.put(records, []))).toRefuseWith('STORE_UNAVAILABLE');
    expect(bodies).toHaveLength(5);
    expect(new Set(bodies).size).toBe(1);
  });

  test('that recovers is not given up', async () => {
    let tries = 0;
    const store = storeOf(() => {
      tries += 1;
      if (tries < 5) throw new Refusal('STORE_UNAVAILABLE');
      return new Uint8Array(0);
    });
    await patiently(store.put(records, []));
    expect(tries).toBe(5);
  });

  test('that never answers is given up', async () => {
    const store = storeOf(() => new Promise(() => undefined));
    await expect(patiently(store.get(['a']))).toRefuseWith('DEADLINE_EXCEEDED');
  });

  test.each([
    ['no protobuf', Uint8Array.of(0xff)],
    ['a record that is cut', StoreGetResponse.encode({ records }).finish().slice(0, -1)],
    ['bytes after a zero tag', Uint8Array.of(0, 1, 2)],
  ])('that answers with %s is unavailable', async (_, answer) => {
    const store = storeOf(() => answer);
    await expect(patiently(store.get(['a']))).toRefuseWith('STORE_UNAVAILABLE');
    await expect(patiently(store.list(''))).toRefuseWith('STORE_UNAVAILABLE');
    await expect(patiently(store.put(records, []))).toRefuseWith('STORE_UNAVAILABLE');
  });

  test('whose host dies is waited for, and asked the same again', async () => {
    const bodies: string[] = [];
    const dying = linkTo(() => new Promise(() => undefined));
    const next = linkTo((call) => {
      bodies.push(Buffer.from(call.body).toString('hex'));
      return new Uint8Array(0);
    });
    let current = Promise.resolve(dying.link);
    const store = new LinkHostStore({ current: () => current });
    const put = store.put(records, ['b']);
    await vi.advanceTimersByTimeAsync(10);
    let connect: (link: Link) => void = () => undefined;
    current = new Promise((resolve) => {
      connect = resolve;
    });
    dying.link.closed();
    await vi.advanceTimersByTimeAsync(60_000);
    connect(next.link);
    await put;
    const wanted = StorePutRequest.encode({ records, remove: ['b'] }).finish();
    expect(bodies).toEqual([Buffer.from(wanted).toString('hex')]);
  });
});
