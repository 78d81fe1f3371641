/** A ring with its key versions, opened and ready to sign. */
import type { RingScope } from '../wire/policy/ring.ts';
import { scopeOf, type KeyRecord } from './key-record.ts';
import { maySignAgain, type KeyState } from './key-state.ts';
import { NO_SIGNER, type SigningKey } from './signing-key.ts';

/** One key version that was checked against the token at this boot, or born since. */
export class OpenKey {
  readonly record: KeyRecord;
  readonly kid: string;
  readonly signer: SigningKey;
  /** What it is about to leave for; several statements may want it to stop. */
  readonly #leaving = new Set<{ readonly to: KeyState }>();

  constructor(record: KeyRecord, kid: string, signer: SigningKey) {
    this.record = record;
    this.kid = kid;
    this.signer = signer;
  }

  /** The recorded state, or the one that is about to be recorded. */
  get state(): KeyState {
    const [first] = this.#leaving;
    return first?.to ?? this.record.state;
  }

  /** From now on no signature begins with it, whatever was allowed before; until what is returned is called. */
  leave(to: KeyState): () => void {
    const leaving = { to };
    this.#leaving.add(leaving);
    return () => void this.#leaving.delete(leaving);
  }

  /** The same key, recorded in another state. */
  inState(state: KeyState): OpenKey {
    const signer = maySignAgain(state) ? this.signer : NO_SIGNER;
    return new OpenKey({ ...this.record, state }, this.kid, signer);
  }
}

export class KeyRing {
  readonly scope: RingScope;
  /** In order of version; never empty. */
  readonly keys: readonly OpenKey[];
  readonly #active: OpenKey | undefined;

  constructor(scope: RingScope, keys: readonly OpenKey[]) {
    this.scope = scope;
    this.keys = [...keys].sort((a, b) => a.record.version - b.record.version);
    this.#active = this.keys.find((key) => key.record.state === 'active');
  }

  /** The version that signs; undefined when none may. */
  get active(): OpenKey | undefined {
    return this.#active?.state === 'active' ? this.#active : undefined;
  }
}

/** All rings that these keys make, by name. */
export function ringsOf(keys: readonly OpenKey[]): ReadonlyMap<string, KeyRing> {
  const byRing = Map.groupBy(keys, (key) => key.record.ring);
  return new Map(
    [...byRing].map(([name, [first, ...others]]) => {
      if (first === undefined) throw new TypeError('a ring without a key');
      return [name, new KeyRing(scopeOf(first.record), [first, ...others])];
    }),
  );
}
