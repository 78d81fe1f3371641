import { randomBytes } from 'node:crypto';
import { judgeEvidence } from '../client/attested.ts';
import { MalformedEvidence } from '../verifier/index.ts';
import type { NonceExpectation } from '../verifier/index.ts';
import { usageError } from './cli-error.ts';
import { CLIENT_OPTIONS } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { withClient } from './connection.ts';
import {
  JUDGING_OPTIONS,
  NONCE_BYTES,
  NONCE_OPTIONS,
  nonceOf,
  policyFor,
  readNamedFile,
  requiredNonce,
  timeOf,
} from './evidence-options.ts';
import { printMalformed, printResult, statusOf } from './evidence-report.ts';
import { EXIT } from './exit-status.ts';
import { FROM_OPTION, whereFrom } from './from-option.ts';
import { COLLATERAL_OPTION, FORMAT_OPTION, platformFile } from './platform-evidence.ts';
import { verifyPlatformFile } from './verify-platform.ts';

const { ca, cert, key, state } = CLIENT_OPTIONS;

export const verifyEvidence: Command = {
  name: 'verify-evidence',
  example:
    'npx sealwright verify-evidence now.evidence.json --reference .sealwright/reference.json ' +
    '--nonce 00112233445566778899aabbccddeeff',
  positionals: [
    {
      name: 'FILE',
      help: 'a bundle, or evidence of a platform by itself; - is stdin',
      optional: true,
    },
  ],
  options: {
    ...FROM_OPTION,
    reference: {
      value: 'FILE',
      help: 'the appraisal policy, or the platform policy',
      required: true,
    },
    ...NONCE_OPTIONS,
    ...JUDGING_OPTIONS,
    kind: {
      value: 'KIND',
      help: 'what is wanted (default evidence); setup: before a cluster exists',
      oneOf: ['evidence', 'setup'],
    },
    ...FORMAT_OPTION,
    ...COLLATERAL_OPTION,
    bind: {
      value: 'FIELD=HEX',
      help: 'what a field of a platform’s evidence must hold, where the policy says "given"',
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
    'Evidence of a platform by itself (a Nitro document, an SEV-SNP report, a TDX or SGX quote; as bytes, hex or ' +
      'base64) is judged by a platform policy. Its nonce has 8 to 1024 bytes. "npx sealwright collateral" says what ' +
      'it needs beside it.',
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
  const given = from === undefined ? readNamedFile(file ?? '-') : undefined;
  const platform = given === undefined ? undefined : platformFile(input, given);
  if (platform !== undefined) return verifyPlatformFile(input, platform);
  refusePlatformOptions(input);
  const time = timeOf(input);
  const policy = policyFor(input, input.required('reference'), time.atIssue);
  const nonce =
    from === undefined
      ? requiredNonce(input)
      : (nonceOf(input) ?? { nonce: Uint8Array.from(randomBytes(NONCE_BYTES)) });
  const bytes = given ?? (await fetchFrom(input, from ?? '', nonce));
  try {
    // A service is asked at a moment that lies after the command's begin.
    const now = input.text('time') === undefined ? Date.now() : time.now;
    const kind = input.text('kind') === 'setup' ? 'setup' : 'evidence';
    const { result } = await judgeEvidence(bytes, policy, { now, kind, ...nonce });
    printResult(result, input.json);
    return statusOf(result.verdict);
  } catch (error) {
    if (!(error instanceof MalformedEvidence)) throw error;
    printMalformed(error, input.json);
    return EXIT.undecodable;
  }
}

function refusePlatformOptions(input: Arguments): void {
  const wrong = ['format', 'collateral', 'bind'].find((name) => input.text(name) !== undefined);
  if (wrong === undefined) return;
  throw usageError(
    `--${wrong} is given, and this is no evidence of a platform by itself`,
    `a document, report or quote with --${wrong}`,
    `leave --${wrong} away, or say --format`,
  );
}

function fetchFrom(
  input: Arguments,
  from: string,
  { nonce = new Uint8Array(0) }: NonceExpectation,
): Promise<Uint8Array> {
  return withClient(whereFrom(input, from), (client) => client.getEvidence(nonce));
}
