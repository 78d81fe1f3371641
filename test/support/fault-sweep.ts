/**
 * Every function that a worker calls × every code of PKCS#11 v3.1 × first, middle and last call of each operation, and
 * what may come of one such failure. The rules are those of enclave/hsm/error-class.ts in other words.
 */
import { CRYPTOKI_FUNCTIONS } from '../../enclave/hsm/cryptoki.ts';
import type { ErrorClass } from '../../enclave/hsm/error-class.ts';
import type { TokenFailureKind } from '../../enclave/ports.ts';
import { OPERATIONS, type Operation, type Report } from './fault-bed.ts';
import { CKR, type CkrName } from './pkcs11-codes.ts';
import type { Counts, FunctionName } from './pkcs11-shim.ts';

export interface Sample {
  readonly operation: Operation;
  readonly function: FunctionName;
  readonly code: CkrName;
  /** Which call of the function, from 1. */
  readonly call: number;
}

/** `counts`: how often each operation calls each function when nothing fails. */
export function allSamples(counts: ReadonlyMap<Operation, Counts>): Sample[] {
  return OPERATIONS.flatMap((operation) =>
    CRYPTOKI_FUNCTIONS.flatMap((name) => {
      const calls = counts.get(operation)?.[name] ?? 0;
      // What comes before the new session is swept as `sign`.
      const before = operation === 'renew' && ['C_SignInit', 'C_Sign'].includes(name) ? 1 : 0;
      const spread = calls === 0 ? [] : [1, Math.ceil(calls / 2), calls];
      const positions = new Set(spread.filter((call) => call > before));
      return [...positions].flatMap((call) =>
        (Object.keys(CKR) as CkrName[]).map((code) => ({ operation, function: name, code, call })),
      );
    }),
  );
}

/** A permutation that the seed decides (Fisher–Yates over a linear congruential generator). */
export function shuffled<T>(items: readonly T[], seed: number): T[] {
  const out = [...items];
  let state = BigInt(seed);
  for (let last = out.length - 1; last > 0; last--) {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    const other = Number((state >> 33n) % BigInt(last + 1));
    [out[last], out[other]] = [out[other] as T, out[last] as T];
  }
  return out;
}

const PIN_FUNCTIONS: readonly FunctionName[] = ['C_Login', 'C_InitToken', 'C_InitPIN'];
const ONE_OFF: readonly Operation[] = ['list-tokens', 'init-token'];
const BIRTHS: readonly Operation[] = ['generate-key-pair', 'generate-secret'];
const AFTER_BIRTH: readonly FunctionName[] = ['C_GetAttributeValue', 'C_DestroyObject'];
/** What a module says of an attribute that an object lacks (v3.1 §5.7.5). */
const LACKS: readonly CkrName[] = ['CKR_ATTRIBUTE_SENSITIVE', 'CKR_ATTRIBUTE_TYPE_INVALID'];

/** How the call that was hit may end; `broken` for the pool as a whole. */
type End = 'served' | 'broken' | TokenFailureKind;

export function allowedEnds(sample: Sample): readonly End[] {
  const { operation, function: name, code } = sample;
  const errorClass: ErrorClass = CKR[code][1];
  const gavePin = PIN_FUNCTIONS.includes(name);
  const effective = errorClass === 'credential' && !gavePin ? 'device' : errorClass;
  // Its failure is nobody's: the old session is gone in any case, the process ends in any case.
  if (operation === 'renew' && name === 'C_CloseSession') return ['served'];
  if (name === 'C_Finalize') return ['served'];
  // The lost worker's successor heals, whatever it was; only a refused PIN is final.
  if (operation === 'respawn') return effective === 'credential' ? ['broken'] : ['served'];
  if (name === 'C_GetAttributeValue' && LACKS.includes(code)) {
    return [
      'served',
      'request-refused',
      ...(BIRTHS.includes(operation) ? (['object-altered'] as const) : []),
    ];
  }
  switch (effective) {
    case 'request':
      return ['request-refused'];
    case 'credential':
      return ['pin-rejected'];
    case 'session':
      if (ONE_OFF.includes(operation)) return ['unavailable'];
      // The object was made, and no second one is made under its CKA_ID.
      return BIRTHS.includes(operation) && AFTER_BIRTH.includes(name)
        ? ['request-refused']
        : ['served'];
    case 'login':
    case 'device':
      return ONE_OFF.includes(operation) || BIRTHS.includes(operation)
        ? ['unavailable']
        : ['served'];
  }
}

/** What is wrong with how it went; undefined when nothing is. */
export function problemOf(sample: Sample, report: Report): string | undefined {
  const allowed = allowedEnds(sample);
  const kinds = Object.keys(report.outcomes);
  if (kinds.includes('wrong')) return 'a wrong signature was released';
  if (report.counts.fired === (sample.operation === 'renew' ? 1 : 0))
    return 'the code was not returned';
  if (report.recoveredInMs >= 5_000) return `recovered in ${report.recoveredInMs.toFixed(0)} ms`;
  const ended: readonly End[] =
    report.broken === undefined
      ? (kinds as End[]).filter((kind) => kinds.length === 1 || kind !== 'served')
      : ['broken'];
  const other = ended.find((end) => !allowed.includes(end));
  return other === undefined ? undefined : `ended as ${other}, not as ${allowed.join(' or ')}`;
}
