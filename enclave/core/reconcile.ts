/**
 * From the policy that is wanted and the keys that there are to what must be done (docs/spec/policy.md, "Applying";
 * docs/spec/admin-statements.md, "Emergency statement"). Pure: nothing here touches the token or the state.
 */
import { Refusal } from '../wire/error-code.ts';
import type { EmergencyCall, EmergencyStatement } from '../wire/policy/emergency.ts';
import { scopeDifference, type RingScope } from '../wire/policy/ring.ts';
import { maySignAgain, mayBecome, type KeyState } from './key-state.ts';

/** What planning looks at of a key version. */
interface KnownKey {
  readonly record: { readonly version: number; readonly state: KeyState };
}

/** A ring that was born once, in the policy or not. */
interface KnownRing<Key> {
  readonly scope: RingScope;
  readonly keys: readonly Key[];
}

/** A key version to be made. */
export interface PlannedBirth {
  readonly scope: RingScope;
  readonly version: number;
}

/** A key version that leaves its state. */
export interface Transition<Key> {
  readonly key: Key;
  readonly to: KeyState;
}

export interface Plan<Key> {
  readonly births: readonly PlannedBirth[];
  readonly transitions: readonly Transition<Key>[];
}

/** `wanted` are the rings of the next policy, `known` all that were ever born. Throws Refusal `SCOPE_IMMUTABLE`. */
export function reconcile<Key extends KnownKey>(
  wanted: readonly RingScope[],
  known: ReadonlyMap<string, KnownRing<Key>>,
): Plan<Key> {
  const births: PlannedBirth[] = [];
  for (const scope of wanted) {
    const ring = known.get(scope.name);
    if (ring !== undefined) requireSameScope(ring.scope, scope);
    const keys = ring?.keys ?? [];
    if (keys.some(({ record }) => maySignAgain(record.state))) continue;
    // A version is never used twice: whoever keeps a public key by ring and version keeps the right one.
    births.push({ scope, version: Math.max(0, ...keys.map(({ record }) => record.version)) + 1 });
  }
  const names = new Set(wanted.map(({ name }) => name));
  const transitions = [...known]
    .filter(([name]) => !names.has(name))
    .flatMap(([, { keys }]) => keys.filter(({ record }) => maySignAgain(record.state)))
    .map((key) => ({ key, to: 'deactivated' as const }));
  return { births, transitions };
}

function requireSameScope(born: RingScope, wanted: RingScope): void {
  const member = scopeDifference(born, wanted);
  if (member === undefined) return;
  throw new Refusal('SCOPE_IMMUTABLE', {
    ring: born.name,
    field: member,
    expected: String(born[member]),
    actual: String(wanted[member]),
  });
}

const TO = {
  suspend: 'suspended',
  resume: 'active',
  'mark-compromised': 'compromised',
} as const satisfies Record<EmergencyCall, KeyState>;

/** Keys that a call applies to; `pre-activation` has not signed, so that it is not resumed into `active`. */
function appliesTo(call: EmergencyCall, state: KeyState): boolean {
  if (call === 'resume') return state === 'suspended';
  return mayBecome(state, TO[call]);
}

/** `keys` are those of the statement's ring. Throws Refusal `KEY_NOT_FOUND`, `KEY_STATE_FORBIDS_CALL`. */
export function planEmergency<Key extends KnownKey>(
  { call, ring, version }: Pick<EmergencyStatement, 'call' | 'ring' | 'version'>,
  keys: readonly Key[] | undefined,
): readonly Transition<Key>[] {
  const meant = (keys ?? []).filter(({ record }) => version === 0 || record.version === version);
  const last = meant.at(-1);
  if (last === undefined) {
    throw new Refusal('KEY_NOT_FOUND', { keyId: `${ring}/${String(version)}` });
  }
  const transitions = meant
    .filter(({ record }) => appliesTo(call, record.state))
    .map((key) => ({ key, to: TO[call] }));
  if (transitions.length > 0) return transitions;
  throw new Refusal('KEY_STATE_FORBIDS_CALL', {
    keyId: `${ring}/${String(last.record.version)}`,
    keyState: last.record.state,
  });
}
