/** Lies of a host about its store: what it makes of the true answer to `store/get`. */
import {
  StoreGetRequest,
  StoreGetResponse,
} from '../../../enclave/wire/gen/sealwright/enclave/v1/store.ts';
import { STORE_METHODS } from '../../../enclave/wire/methods.ts';
import type { HostileHost } from './hostile-host.ts';
import { storeRecords } from './memory-services.ts';

type Records = readonly (readonly [key: string, value: Uint8Array])[];

/** The n-th read (from 0), or all of them, gives these records instead of the true ones. */
export function lieInReads(
  host: HostileHost,
  lie: (found: ReadonlyMap<string, Uint8Array>, asked: readonly string[]) => Records,
  read?: number,
): void {
  host.lie(STORE_METHODS.get, async ({ body, nth }, honest) => {
    const truth = await honest();
    if (read !== undefined && read !== nth) return truth;
    const { records } = StoreGetResponse.decode(truth);
    const found = new Map(records.map(({ key, value }) => [key, value]));
    return storeRecords(lie(found, StoreGetRequest.decode(body).keys));
  });
}

/** Each record that this names is given as that says; `undefined` hides it. */
export function lieInRecords(
  host: HostileHost,
  lies: Readonly<Record<string, (truth: Uint8Array) => Uint8Array | undefined>>,
): void {
  lieInReads(host, (found) =>
    [...found].flatMap(([key, value]) => {
      const lie = lies[key];
      const told = lie === undefined ? value : lie(value);
      return told === undefined ? [] : [[key, told] as const];
    }),
  );
}
