/** A list of key statements, complete and in order: `keysDigest` in the claims says which keys there are. */
import { toHex } from '../../enclave/wire/bytes.ts';
import { keysDigestInput } from '../../enclave/wire/layouts.ts';
import { judge, worstVerdict, type Check, type Verdict } from './check.ts';
import { openStatement, provenanceChecks, type KeyStatement } from './key-statement.ts';
import { MalformedEvidence } from './malformed.ts';
import { assertVerified, type VerifiedEvidence } from './verify-evidence.ts';
import { sha256 } from './web-crypto.ts';

export interface KeyListResult {
  readonly verdict: Verdict;
  /** Checks of statement N have the id `keys/N/…`; those of the whole list come last. */
  readonly checks: readonly Check[];
  /** All keys, in order; empty when anything failed. */
  readonly keys: readonly KeyStatement[];
}

/**
 * Whether these are all the keys that the enclave of this evidence publishes, no more, no fewer.
 *
 * It does NOT appraise the evidence, and does not judge states: a compromised key stays in the list with its
 * state, for the caller to see.
 * @throws MalformedEvidence with `/N` as the place, for a statement that can't be decoded
 * @throws TypeError when `evidence` was not made by `verifyEvidence`
 */
export async function verifyKeyList(
  list: readonly { readonly statement: Uint8Array; readonly signature: Uint8Array }[],
  evidence: VerifiedEvidence,
  input: { readonly now: number },
): Promise<KeyListResult> {
  assertVerified(evidence);
  const opened = list.map(({ statement, signature }, i) => open(statement, signature, i));
  const checks: Check[] = [];
  for (const [i, one] of opened.entries()) {
    const own = await provenanceChecks(one, evidence, input.now);
    checks.push(...own.map((check) => ({ ...check, id: `keys/${String(i)}/${check.id}` })));
  }
  const keys = opened.map(({ key }) => key);
  const digest = toHex(await sha256(keysDigestInput(keys)));
  const { claims } = evidence;
  const wanted = claims.kind === 'evidence' ? toHex(claims.keysDigest) : 'no keys';
  const disorder = keys.findIndex((key, i) => !follows(keys[i - 1], key));
  checks.push(
    judge(disorder === -1, {
      id: 'keys-order',
      expected: 'by ring name, then version, each once',
      found: disorder === -1 ? 'in order' : `statement ${String(disorder)} stands wrong or twice`,
      otherwise: 'a list in another order has another digest',
    }),
    judge(digest === wanted, {
      id: 'keys-digest',
      expected: wanted,
      found: digest,
      otherwise: 'a key was left out, added or moved',
    }),
  );
  const verdict = worstVerdict(checks);
  return { verdict, checks, keys: verdict === 'contraindicated' ? [] : keys };
}

function open(
  statement: Uint8Array,
  signature: Uint8Array,
  i: number,
): ReturnType<typeof openStatement> {
  try {
    return openStatement(statement, signature);
  } catch (error) {
    if (!(error instanceof MalformedEvidence)) throw error;
    throw new MalformedEvidence(`/${String(i)}${error.place}`, error.problem);
  }
}

/** Ring names are ASCII, so UTF-16 order is the order of code points. */
function follows(before: KeyStatement | undefined, key: KeyStatement): boolean {
  if (before === undefined) return true;
  if (before.ring === key.ring) return before.version < key.version;
  return before.ring < key.ring;
}
