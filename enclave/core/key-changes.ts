/** What a statement of the admins does to keys, as leaves, records and rings: births and transitions together. */
import type { Leaf } from '../log/leaf.ts';
import type { KeyChange } from '../wire/gen/sealwright/v1/policy.ts';
import type { KeyState as WireKeyState } from '../wire/gen/sealwright/v1/keys.ts';
import { birthLeaf } from './cluster-log.ts';
import type { Born } from './key-birth.ts';
import { encodeKeyRecord, keyRecordId, scopeOf } from './key-record.ts';
import { ringsOf, type KeyRing, type OpenKey } from './key-ring.ts';
import { keyStateNumber } from './key-state.ts';
import type { Transition } from './reconcile.ts';
import type { RecordWrite } from './state.ts';

export interface KeyChanges {
  readonly births: readonly Born[];
  readonly transitions: readonly Transition<OpenKey>[];
}

/**
 * Keys that stop signing begin no signature from now on, so that none follows the leaf that says so. What is returned
 * lets them go on, as far as nothing else stops them.
 */
export function stopLeaving(transitions: KeyChanges['transitions']): () => void {
  const stays = transitions
    .filter(({ key }) => key.record.state === 'active')
    .map(({ key, to }) => key.leave(to));
  return () => {
    for (const stay of stays) stay();
  };
}

/** `reason` stands in the leaf of each transition. */
export function leavesOf({ births, transitions }: KeyChanges, reason: string): Leaf[] {
  return [
    ...births.map(({ key, object }) => birthLeaf(key, object, scopeOf(key.record).residency)),
    ...transitions.map(({ key: { record }, to }): Leaf => ({
      kind: 'key-state',
      ring: record.ring,
      version: record.version,
      from: record.state,
      to,
      reason,
    })),
  ];
}

export function recordsOf({ births, transitions }: KeyChanges): RecordWrite[] {
  const records = [
    ...births.map(({ record }) => record),
    ...transitions.map(({ key, to }) => ({ ...key.record, state: to })),
  ];
  return records.map((record) => ({
    type: 'key',
    id: keyRecordId(record.ring, record.version),
    plaintext: encodeKeyRecord(record),
  }));
}

/** The rings as they are when the changes are durable. Keys that do not change stay the same objects. */
export function ringsAfter(
  rings: ReadonlyMap<string, KeyRing>,
  { births, transitions }: KeyChanges,
): ReadonlyMap<string, KeyRing> {
  const changed = new Map(transitions.map(({ key, to }) => [key, to]));
  const kept = [...rings.values()].flatMap(({ keys }) =>
    keys.map((key) => {
      const to = changed.get(key);
      return to === undefined ? key : key.inState(to);
    }),
  );
  return ringsOf([...kept, ...births.map(({ key }) => key)]);
}

/** In order of ring and version. */
export function wireChanges({ births, transitions }: KeyChanges): KeyChange[] {
  const changes = [
    ...births.map(({ record }) => ({ record, from: 0 as const, to: record.state })),
    ...transitions.map(({ key: { record }, to }) => ({
      record,
      from: keyStateNumber(record.state) as WireKeyState,
      to,
    })),
  ].map(({ record: { ring, version }, from, to }) => ({
    ring,
    version,
    from,
    to: keyStateNumber(to) as WireKeyState,
  }));
  return changes.sort((a, b) =>
    a.ring < b.ring ? -1 : a.ring > b.ring ? 1 : a.version - b.version,
  );
}
