/** Policies that commands read: YAML as people write it, or the document that admins signed. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createHash } from 'node:crypto';
import { ObjectReader } from '../../../enclave/wire/closed-schema.ts';
import { policyDigestInput } from '../../../enclave/wire/layouts.ts';
import { MAX_POLICY_BYTES } from '../../../enclave/wire/limits.ts';
import { printable } from '../../../enclave/wire/printable.ts';
import { rootProblem } from '../../../enclave/wire/policy/chain.ts';
import { parsePolicy, type Policy } from '../../../enclave/wire/policy/document.ts';
import {
  canonicalize,
  parseSignedJson,
  SignedJsonError,
  type SignedJson,
} from '../../../enclave/wire/signed-json.ts';
import { CliError, usageError } from '../cli-error.ts';
import { EXIT } from '../exit-status.ts';
import { buildDocument, type BuildContext } from './build-document.ts';
import { readYaml, type YamlProblem } from './yaml.ts';

export interface ReadPolicy {
  /** The document: what is signed and sent. */
  readonly bytes: Uint8Array;
  readonly policy: Policy;
  /** Line of a place in the file; undefined where it has no lines that matter. */
  lineOf(place: string): number | undefined;
}

export type PolicyProblems = readonly YamlProblem[];

/** How a document is built from YAML when nothing else is said. */
export const DEFAULT_WINDOW_MS = 7 * 24 * 3600 * 1000;

export function buildContext(
  file: string,
  on: Pick<BuildContext, 'current' | 'clusterId'> & { readonly windowMs?: number },
): BuildContext {
  return {
    nowMs: Date.now(),
    windowMs: on.windowMs ?? DEFAULT_WINDOW_MS,
    current: on.current,
    clusterId: on.clusterId,
    readFile: (path) => readFileSync(resolve(dirname(file), path), 'utf8'),
  };
}

/** Every problem at once, or the policy. Throws CliError (64) for a file that can't be read. */
export function checkPolicyFile(
  file: string,
  context: BuildContext,
): { readonly read: ReadPolicy | undefined; readonly problems: PolicyProblems } {
  const text = readText(file);
  return isDocument(text) ? checkDocument(text) : checkYaml(text, context);
}

/** Throws CliError (64) with every problem. */
export function readPolicyFile(file: string, context: BuildContext): ReadPolicy {
  const { read, problems } = checkPolicyFile(file, context);
  if (read !== undefined && problems.length === 0) return read;
  throw new CliError({
    status: EXIT.usage,
    problem: [`${file} is not a policy`, ...problems.map((one) => `  ${problemLine(one)}`)].join(
      '\n',
    ),
    expected: 'a document as docs/spec/policy.md describes it',
    wayOut: 'correct it at these places',
    facts: { problems },
  });
}

/** A document as it is signed and sent. Throws CliError (64), also for YAML, which would be another document tomorrow. */
export function readPolicyDocument(file: string): ReadPolicy {
  if (!isDocument(readText(file))) {
    throw usageError(
      `${file} is no policy document`,
      'the one line of JSON that "policy build" writes',
      'build it, and let all admins approve the same file',
    );
  }
  return readPolicyFile(file, buildContext(file, { current: undefined, clusterId: undefined }));
}

/** Of a document that the enclave took, so it can be read. */
export function parsePolicyDocument(bytes: Uint8Array): {
  readonly value: SignedJson;
  readonly policy: Policy;
} {
  const value = parseSignedJson(bytes, MAX_POLICY_BYTES);
  return { value, policy: parsePolicy(new ObjectReader(value)) };
}

/** A problem as one line: place, line, what. */
export function problemLine({ place, line, problem }: YamlProblem): string {
  const where = line === undefined ? '' : `line ${String(line)}: `;
  return printable(`${where}${place === '' ? '' : `${place}: `}${problem}`);
}

export function policyDigest(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(policyDigestInput(bytes)).digest();
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError((error as Error).message, 'a readable file', 'correct the path');
  }
}

/** A built document is one line that begins with its first member in order. */
function isDocument(text: string): boolean {
  return text.startsWith('{"admins":');
}

function checkDocument(text: string) {
  const bytes = new TextEncoder().encode(text);
  const lineOf = (): undefined => undefined;
  try {
    const { policy, problems } = parsed(parseSignedJson(bytes, MAX_POLICY_BYTES), lineOf);
    return { read: { bytes, policy, lineOf }, problems };
  } catch (error) {
    return { read: undefined, problems: [asProblem(error, lineOf)] };
  }
}

function checkYaml(text: string, context: BuildContext) {
  const source = readYaml(text);
  const lineOf = (place: string): number | undefined => source.lineOf(place);
  const built = buildDocument(source.value, context);
  const problems: YamlProblem[] = [
    ...source.problems,
    ...built.problems.map((one) => ({ ...one, line: lineOf(one.place) })),
  ];
  try {
    const bytes = canonicalize(built.document);
    const checked = parsed(parseSignedJson(bytes, MAX_POLICY_BYTES), lineOf);
    // What could not be read is shown once, not again as a value that does not fit.
    const known = new Set(problems.map(({ place }) => place));
    problems.push(...checked.problems.filter(({ place }) => !known.has(place)));
    return { read: { bytes, policy: checked.policy, lineOf }, problems };
  } catch (error) {
    return { read: undefined, problems: [...problems, asProblem(error, lineOf)] };
  }
}

function parsed(value: SignedJson, lineOf: (place: string) => number | undefined) {
  const collected: SignedJsonError[] = [];
  const policy = parsePolicy(new ObjectReader(value, '', collected));
  // The enclave reads roots when it needs them, after the document: a policy is refused for either.
  for (const [i, { certificates }] of policy.roots.entries()) {
    for (const [k, der] of certificates.entries()) {
      const place = `/roots/${String(i)}/certificates/${String(k)}`;
      const problem = rootProblem(der);
      if (problem === undefined || collected.some((known) => known.place === place)) continue;
      collected.push(new SignedJsonError(place, `not the certificate of a root (${problem})`));
    }
  }
  return { policy, problems: collected.map((error) => asProblem(error, lineOf)) };
}

function asProblem(error: unknown, lineOf: (place: string) => number | undefined): YamlProblem {
  if (!(error instanceof SignedJsonError)) throw error;
  return { place: error.place, line: lineOf(error.place), problem: error.problem };
}
