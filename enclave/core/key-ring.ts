/** A ring with its key versions, opened and ready to sign. */
import type { RingScope } from '../wire/policy/ring.ts';
import type { KeyRecord } from './key-record.ts';
import type { SigningKey } from './signing-key.ts';

/** One key version that was checked against the token at this boot, or born since. */
export interface OpenKey {
  readonly record: KeyRecord;
  readonly kid: string;
  readonly signer: SigningKey;
}

export interface KeyRing {
  readonly scope: RingScope;
  /** In order of version; never empty. */
  readonly keys: readonly OpenKey[];
  /** The version that signs; undefined when none may. */
  readonly active: OpenKey | undefined;
}

export function keyRing(scope: RingScope, keys: readonly OpenKey[]): KeyRing {
  const ordered = [...keys].sort((a, b) => a.record.version - b.record.version);
  return { scope, keys: ordered, active: ordered.find((key) => key.record.state === 'active') };
}
