import { algorithmRow } from '../../enclave/wire/algorithm.ts';
import type { Asked } from '../../enclave/wire/policy/decide.ts';
import type { Policy } from '../../enclave/wire/policy/document.ts';
import {
  CALLER_NAME,
  PAYLOAD_KINDS,
  RANKS,
  type PayloadKind,
  type PolicyRing,
} from '../../enclave/wire/policy/ring.ts';
import { decodePemChain } from '../verifier/pem.ts';
import { usageError } from './cli-error.ts';
import type { Arguments, Command } from './command.ts';
import { EXIT } from './exit-status.ts';
import { readChunks, readSmallFile } from './input-file.ts';
import { printJson, printText } from './output.ts';
import { explain, explanationText, type Presented } from './policy/explain.ts';
import { buildContext, readPolicyFile } from './policy/read-policy.ts';

export const policyExplain: Command = {
  name: 'policy explain',
  example:
    'npx sealwright policy explain --policy policy.yaml --caller ci --ring release --payload app.tar',
  options: {
    policy: { value: 'FILE', help: 'YAML of the policy, or its document', required: true },
    caller: {
      value: 'WHO',
      help: 'a name of the policy, an identity as the log has it, or PEM of a chain, leaf first',
      required: true,
    },
    ring: { value: 'RING', help: 'name of the key ring', required: true },
    payload: { value: 'FILE', help: 'what is to be signed; - is stdin', required: true },
    kind: {
      value: 'KIND',
      help: 'send the file itself (message), or its hash (digest); default: what the ring signs',
      oneOf: PAYLOAD_KINDS,
    },
    rank: {
      value: 'RANK',
      help: 'by what the caller is known (default: mtls, or peer)',
      oneOf: RANKS,
    },
    applied: { value: 'TIME', help: 'when the policy was applied, UTC (default: now)' },
  },
  notes: [
    'Says what the enclave would answer and which rule decides. It is the enclave’s own function, on this computer; ' +
      'the service is not asked. Exit status 2 when it is denied.',
    'Whether a key is suspended, and how many requests came within this second, is not in a policy: it is not asked.',
  ],
  run: runPolicyExplain,
};

async function runPolicyExplain(input: Arguments): Promise<number> {
  const file = input.required('policy');
  const none = { current: undefined, clusterId: undefined };
  const { policy } = readPolicyFile(file, buildContext(file, none));
  const name = input.required('ring');
  const ring = policy.rings.find((one) => one.name === name);
  const nowMs = Date.now();
  const explanation = explain(policy, {
    presented: presentedBy(input, policy),
    ring: name,
    payload: await payloadOf(input, ring),
    ageMs: nowMs - appliedAt(input, nowMs),
    nowMs,
  });
  if (input.json) printJson(explanation);
  else {
    printText(explanationText(explanation));
    if (explanation.allowed && ring !== undefined) printText(limitsText(ring));
  }
  return explanation.allowed ? EXIT.ok : EXIT.verificationFailed;
}

/** More than a chain may have, so that the answer is the policy’s. */
const MAX_PEM_CERTIFICATES = 32;
const IDENTITY = /^(?:spiffe|x509|key|peer):/;

function presentedBy(input: Arguments, policy: Policy): Presented {
  const who = input.required('caller');
  const known = CALLER_NAME.test(who) ? policy.callers.find(({ name }) => name === who) : undefined;
  const identity = IDENTITY.test(who) ? who : known?.identity;
  const rank = RANKS.find((one) => one === input.text('rank'));
  if (identity !== undefined) {
    return { identity, rank: rank ?? (identity.startsWith('peer:') ? 'peer' : 'mtls') };
  }
  if (rank !== undefined) {
    throw usageError('--rank is given with certificates', 'no --rank: it is mtls', 'leave it away');
  }
  const text = new TextDecoder().decode(readSmallFile('--caller', who));
  try {
    return { chain: decodePemChain(text, MAX_PEM_CERTIFICATES) };
  } catch (error) {
    throw usageError(
      `--caller: ${(error as Error).message}`,
      'a name of a caller, an identity, or PEM',
      'correct it',
    );
  }
}

/** What `sign` would send of the file. */
async function payloadOf(
  input: Arguments,
  ring: PolicyRing | undefined,
): Promise<Asked['payload']> {
  let length = 0;
  await readChunks('--payload', input.required('payload'), (chunk) => {
    length += chunk.byteLength;
  });
  const named = PAYLOAD_KINDS.find((one) => one === input.text('kind'));
  const kind: PayloadKind = named ?? ring?.payloadKind ?? 'message';
  return { kind, byteLength: kind === 'digest' ? digestBytes(ring) : length };
}

function digestBytes(ring: PolicyRing | undefined): number {
  const row = ring === undefined ? undefined : algorithmRow(ring.algorithm);
  return row !== undefined && 'hash' in row ? row.digestBytes : 32;
}

function appliedAt(input: Arguments, nowMs: number): number {
  const text = input.text('applied');
  if (text === undefined) return nowMs;
  const ms = Date.parse(text);
  if (!Number.isNaN(ms) && text.endsWith('Z')) return ms;
  throw usageError(`--applied is "${text}"`, 'a UTC time like 2027-01-31T08:00:00Z', 'correct it');
}

function limitsText({ limits: { callerPerSecond, ringPerSecond } }: PolicyRing): string {
  const parts = [
    ...(callerPerSecond === undefined
      ? []
      : [`${String(callerPerSecond)} a second for this caller`]),
    ...(ringPerSecond === undefined ? [] : [`${String(ringPerSecond)} a second for the ring`]),
  ];
  return parts.length === 0 ? 'no rate limit' : `at most ${parts.join(', ')}; none was taken now`;
}
