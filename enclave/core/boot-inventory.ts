/** The token's inventory must equal the index (PROTOCOLS §5). */
import type { Token, TokenObject } from '../ports.ts';
import { toHex } from '../wire/bytes.ts';
import { requireAttributes } from './key-birth.ts';
import { birthEpochOf, keyObjectLabel, rootSecretLabel, type KeyRecord } from './key-record.ts';
import { Halt } from './lifecycle.ts';
import type { BootRecord, StateIndex } from './state-index.ts';

interface Expected {
  readonly kind: TokenObject['kind'];
  /** Exact label, or a test where the birth epoch is not recorded. */
  readonly hasLabel: (objectLabel: string) => boolean;
}

/**
 * Every object that the index names is there once, with its label and attributes; a birth of exactly
 * the next epoch was torn by a crash and is destroyed; anything else halts.
 */
export async function checkInventory(
  token: Token,
  index: StateIndex,
  boot: BootRecord,
  keys: readonly KeyRecord[],
): Promise<void> {
  const known = expectedObjects(boot, keys);
  const missing = new Map(known);
  const torn: TokenObject[] = [];
  for (const object of await token.inventory()) {
    const id = toHex(object.id);
    const expected = missing.get(id);
    if (expected === undefined) {
      // A second object under a known id is never a torn birth: destroying it by id would destroy both.
      if (known.has(id) || birthEpochOf(object.label) !== index.epoch + 1n) throw foreign(object);
      torn.push(object);
      continue;
    }
    if (object.kind !== expected.kind || !expected.hasLabel(object.label)) throw foreign(object);
    requireAttributes(object);
    missing.delete(id);
  }
  for (const id of missing.keys()) {
    throw new Halt('TOKEN_INVENTORY_MISMATCH', { problem: 'object missing', id });
  }
  for (const object of torn) await token.destroy(object.id);
}

function expectedObjects(boot: BootRecord, keys: readonly KeyRecord[]): Map<string, Expected> {
  const root = rootSecretLabel(boot.generation, 0n).slice(0, -1);
  const expected = new Map<string, Expected>([
    [
      toHex(boot.rootSecretId),
      {
        kind: 'secret',
        hasLabel: (text) => text.startsWith(root) && birthEpochOf(text) !== undefined,
      },
    ],
  ]);
  for (const key of keys) {
    const objectLabel = keyObjectLabel(key.ring, key.version, key.birthEpoch);
    expected.set(toHex(key.tokenObjectId), {
      kind: key.sealedPrivateKey === undefined ? 'private-key' : 'secret',
      hasLabel: (text) => text === objectLabel,
    });
  }
  return expected;
}

function foreign(object: TokenObject): Halt {
  return new Halt('TOKEN_INVENTORY_MISMATCH', {
    problem: 'object not in the index',
    id: toHex(object.id),
    label: object.label.slice(0, 128),
  });
}
