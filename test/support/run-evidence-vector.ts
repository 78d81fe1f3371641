/**
 * Runs one case of test/vectors/evidence.json or key-statement.json. It imports the verifier and nothing of Node, so
 * that the browser test can bundle it and get the same answers.
 */
import {
  MalformedEvidence,
  appraise,
  decodeBundle,
  parseAppraisalPolicy,
  verifyEvidence,
  verifyKeyList,
  verifyKeyStatement,
  type AppraisalPolicy,
  type Check,
  type VerifiedEvidence,
} from '../../src/verifier/index.ts';

interface Signed {
  readonly statement: string;
  readonly signature: string;
}

/** A case, with references resolved. */
export interface EvidenceInput extends Partial<Signed> {
  readonly bundle: string;
  readonly policy: unknown;
  readonly now: number;
  readonly nonce?: string;
  readonly noNonce?: string;
  readonly kind?: 'setup';
  readonly ring?: string;
  readonly version?: number;
  readonly list?: readonly Signed[];
}

export interface Outcome {
  /** A verdict, or `malformed`. */
  readonly verdict: string;
  readonly failed: readonly string[];
  readonly warned: readonly string[];
  /** Of malformed bytes. */
  readonly place: string | undefined;
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function outcome(verdict: string, checks: readonly Check[]): Outcome {
  const ids = (wanted: string): string[] =>
    checks.filter((check) => check.verdict === wanted).map(({ id }) => id);
  return { verdict, failed: ids('contraindicated'), warned: ids('warning'), place: undefined };
}

/** Never rejects but for a bug: malformed bytes are an outcome. */
export async function runEvidenceVector(input: EvidenceInput): Promise<Outcome> {
  try {
    const policy = parseAppraisalPolicy(input.policy);
    const evidence = await verifyEvidence(decodeBundle(utf8(input.bundle)), policy);
    return await judge(input, evidence, policy);
  } catch (error) {
    if (!(error instanceof MalformedEvidence)) throw error;
    return { verdict: 'malformed', failed: [], warned: [], place: error.place };
  }
}

async function judge(
  input: EvidenceInput,
  evidence: VerifiedEvidence,
  policy: AppraisalPolicy,
): Promise<Outcome> {
  const { now, statement, signature, ring, version, list, nonce, noNonce, kind } = input;
  if (list !== undefined) {
    const signed = list.map((one) => ({
      statement: utf8(one.statement),
      signature: bytes(one.signature),
    }));
    const result = await verifyKeyList(signed, evidence, { now });
    return outcome(result.verdict, result.checks);
  }
  if (statement !== undefined && signature !== undefined && ring !== undefined) {
    const wanted = { ring, now, ...(version === undefined ? {} : { version }) };
    const result = await verifyKeyStatement(utf8(statement), bytes(signature), evidence, wanted);
    return outcome(result.verdict, result.checks);
  }
  const freshness = nonce === undefined ? { noNonce: noNonce ?? '' } : { nonce: bytes(nonce) };
  const result = appraise(evidence, policy, {
    now,
    ...freshness,
    ...(kind === undefined ? {} : { kind }),
  });
  return outcome(result.verdict, result.checks);
}

interface Case {
  readonly id: string;
  readonly comment: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly expect: string;
  readonly output?: Readonly<Record<string, unknown>>;
}

/** Input of every case, with `{"as": ID}` replaced by what that case says, but for the members of `with`. */
export function resolveCases<C extends Case>(
  cases: readonly C[],
): readonly (Omit<C, 'input'> & { readonly input: EvidenceInput })[] {
  const byId = new Map(cases.map((one) => [one.id, one.input]));
  const resolve = (value: unknown, name: string): unknown => {
    if (typeof value !== 'object' || value === null || !('as' in value)) return value;
    const other = byId.get(String(value.as))?.[name];
    return 'with' in value ? { ...(other as object), ...(value.with as object) } : other;
  };
  return cases.map((one) => {
    const { bundle, policy } = one.input;
    const input = {
      ...one.input,
      bundle: resolve(bundle, 'bundle'),
      policy: resolve(policy, 'policy'),
    } as unknown as EvidenceInput;
    return { ...one, input };
  });
}
