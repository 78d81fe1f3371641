import { randomBytes } from 'node:crypto';
import {
  MalformedEvidence,
  appraise,
  decodeBundle,
  verifyEvidence as verify,
  type AppraisalPolicy,
  type AttestationResult,
  type NonceExpectation,
} from '../verifier/index.ts';
import { usageError } from './cli-error.ts';
import { Arguments, CLIENT_OPTIONS } from './command.ts';
import type { Command } from './command.ts';
import { withClient } from './connection.ts';
import {
  NONCE_BYTES,
  NONCE_OPTIONS,
  nonceOf,
  readNamedFile,
  readReference,
  requiredNonce,
  timeOf,
} from './evidence-options.ts';
import { printMalformed, printResult, statusOf } from './evidence-report.ts';
import { EXIT } from './exit-status.ts';
import { withCertificatesOf } from './state-certificates.ts';

const { ca, cert, key, state } = CLIENT_OPTIONS;

export const verifyEvidence: Command = {
  name: 'verify-evidence',
  example:
    'npx sealwright verify-evidence now.evidence.json --reference .sealwright/reference.json ' +
    '--nonce 00112233445566778899aabbccddeeff',
  positionals: [{ name: 'FILE', help: 'the bundle; - is stdin', optional: true }],
  options: {
    from: { value: 'HOST:PORT', help: 'ask this service now, instead of FILE' },
    reference: { value: 'FILE', help: 'the appraisal policy', required: true },
    ...NONCE_OPTIONS,
    time: {
      value: 'TIME',
      help: 'now (default), at-issue, or a time like 2026-11-22T12:00:00Z to judge at',
    },
    'accept-simulated': {
      value: 'WHY',
      help: 'a simulated platform is enough, and why; the verdict is at most a warning',
    },
    kind: {
      value: 'KIND',
      help: 'what is wanted (default evidence); setup: before a cluster exists',
      oneOf: ['evidence', 'setup'],
    },
    state: { ...state, help: 'with --from: certificates of this state folder’s service' },
    ca,
    cert,
    key,
  },
  notes: [
    'Needs no service and no network, but for --from. Every check is a line: ok, warn, FAIL with expected and ' +
      'found, or not checked with the reason. The last line is PASSED, WARNING or FAILED.',
    'With FILE one of --nonce and --no-nonce is required; with --from a random nonce is drawn without them. ' +
      'A bundle says nothing about which cluster you meant: the reference file does.',
  ],
  run: runVerify,
};

async function runVerify(input: Arguments): Promise<number> {
  const file = input.positionals[0];
  const from = input.text('from');
  if ((file === undefined) === (from === undefined)) {
    throw usageError(
      file === undefined ? 'neither FILE nor --from is given' : 'FILE and --from are both given',
      'FILE, or --from HOST:PORT',
      'name one of them',
    );
  }
  const time = timeOf(input);
  const policy = policyFor(input, time.atIssue);
  const nonce =
    from === undefined
      ? requiredNonce(input)
      : (nonceOf(input) ?? { nonce: Uint8Array.from(randomBytes(NONCE_BYTES)) });
  const bytes =
    from === undefined ? readNamedFile(file ?? '-') : await fetchFrom(input, from, nonce);
  try {
    // A service is asked at a moment that lies after the command's begin.
    const now = input.text('time') === undefined ? Date.now() : time.now;
    const result = await judge(bytes, policy, nonce, now, input.text('kind') === 'setup');
    printResult(result, input.json);
    return statusOf(result.verdict);
  } catch (error) {
    if (!(error instanceof MalformedEvidence)) throw error;
    printMalformed(error, input.json);
    return EXIT.undecodable;
  }
}

async function judge(
  bytes: Uint8Array,
  policy: AppraisalPolicy,
  nonce: NonceExpectation,
  now: number,
  setup: boolean,
): Promise<AttestationResult> {
  const bundle = decodeBundle(bytes);
  const kind = setup ? 'setup' : 'evidence';
  return appraise(await verify(bundle, policy), policy, { now, kind, ...nonce });
}

/** Options only ever say more than the file: which simulated platform is enough, which moment counts. */
function policyFor(input: Arguments, atIssue: boolean): AppraisalPolicy {
  const policy = readReference(input.required('reference'));
  const because = input.text('accept-simulated');
  const asksForNow = input.text('time') === 'now' && policy.time.mode === 'at-issue';
  return {
    ...policy,
    ...(because === undefined ? {} : { simulated: { rule: 'accept-simulated', because } }),
    ...(atIssue ? { time: { mode: 'at-issue' } } : {}),
    ...(asksForNow ? { time: { mode: 'now' } } : {}),
  };
}

function fetchFrom(
  input: Arguments,
  address: string,
  { nonce = new Uint8Array(0) }: NonceExpectation,
): Promise<Uint8Array> {
  const values = new Map<string, string>([['address', address]]);
  for (const name of ['ca', 'cert', 'key']) {
    const value = input.text(name);
    if (value !== undefined) values.set(name, value);
  }
  const folder = input.text('state');
  const where = folder === undefined ? values : withCertificatesOf(folder, values);
  return withClient(new Arguments(where, [], undefined), (client) => client.getEvidence(nonce));
}
