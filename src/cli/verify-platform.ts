/** `verify-evidence` for evidence of a platform by itself. */
import { MalformedEvidence, appraisePlatform, verifyPlatformEvidence } from '../verifier/index.ts';
import type { PlatformPolicy } from '../verifier/index.ts';
import { usageError } from './cli-error.ts';
import type { Arguments } from './command.ts';
import { platformNonce, timeOf } from './evidence-options.ts';
import { printMalformed, printPlatformResult, statusOf } from './evidence-report.ts';
import { EXIT } from './exit-status.ts';
import {
  boundBytes,
  collateralOf,
  readPlatformPolicy,
  type PlatformFile,
} from './platform-evidence.ts';

/** Resolves with the exit status. Throws CliError for arguments that do not fit together. */
export async function verifyPlatformFile(input: Arguments, file: PlatformFile): Promise<number> {
  refuseBundleOptions(input);
  const policy = policyFor(input, file);
  const nonce = platformNonce(input);
  const given = boundBytes(input);
  const { now } = timeOf(input);
  try {
    const evidence = await verifyPlatformEvidence(file.bytes, {
      ...policy,
      collateral: collateralOf(input),
    });
    const result = appraisePlatform(evidence, policy, {
      now,
      ...nonce,
      ...(given === undefined ? {} : { given }),
    });
    printPlatformResult(result, input.json);
    return statusOf(result.verdict);
  } catch (error) {
    if (error instanceof RangeError) {
      throw usageError(error.message, 'what the policy asks of the call', 'see --bind and --nonce');
    }
    if (!(error instanceof MalformedEvidence)) throw error;
    printMalformed(error, input.json);
    return EXIT.undecodable;
  }
}

function refuseBundleOptions(input: Arguments): void {
  const wrong = ['kind', 'from'].find((name) => input.text(name) !== undefined);
  if (wrong !== undefined) {
    throw usageError(
      `--${wrong} is given, and FILE is evidence of a platform by itself`,
      `a bundle of sealwright with --${wrong}`,
      `leave --${wrong} away`,
    );
  }
  if (input.text('time') === 'at-issue') {
    throw usageError(
      '--time at-issue is given, and a platform’s evidence does not say when it was made',
      'now, or a time like 2026-11-22T12:00:00Z',
      'name the time to judge at',
    );
  }
}

function policyFor(input: Arguments, { format }: PlatformFile): PlatformPolicy {
  const policy = readPlatformPolicy(input.required('reference'), format);
  const because = input.text('accept-simulated');
  return because === undefined
    ? policy
    : { ...policy, simulated: { rule: 'accept-simulated', because } };
}
