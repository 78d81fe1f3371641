/** The platform's first message, checked: what was measured, and how to run the rest of it. */
import { PlatformFailure, type Measurements } from '../../ports.ts';
import type { Launch } from '../../wire/gen/sealwright/enclave/v1/platform.ts';
import { suiteOf, type SuiteNumber } from '../../wire/session/suites.ts';
import { parseSignedJson, type SignedJsonObject } from '../../wire/signed-json.ts';
import type { PlatformChannel } from './channel.ts';

const REGISTER_BYTES = 48;
const PLATFORM_ID_BYTES = 32;
const MAX_WORKERS = 16;
/** Loader, its options, Node, its flags, the bundle: about 20. */
const MAX_COMMAND_PARTS = 64;
const MAX_TEXT_LENGTH = 4096;
const MAX_ENVIRONMENT = 64;
const MAX_MANIFEST_BYTES = 64 * 1024;
const MAX_ENDORSEMENTS = 4;
const MAX_CERTIFICATE_BYTES = 16 * 1024;
const MAX_SOCKET_PATH_LENGTH = 107;
/** Twice as many as there are words. */
const MAX_REQUIRED_HARDENING = 16;

export interface CheckedLaunch {
  readonly measurements: Measurements;
  readonly svn: number;
  readonly platformId: Uint8Array;
  readonly linkSocket: string;
  /** Program first. */
  readonly workerCommand: readonly [string, ...string[]];
  /** Exactly the environment of an HSM worker. */
  readonly workerEnvironment: Readonly<Record<string, string>>;
  readonly modulePath: string;
  readonly workers: number;
  /** Canonical JSON that MR2 measures; shown in evidence, never executed. */
  readonly launchManifest: Uint8Array;
  /** Node's flags, as the manifest says. */
  readonly nodeFlags: readonly string[];
  /** Of sessions, as the manifest says. */
  readonly suite: SuiteNumber;
  /** Words without which the enclave must not serve. */
  readonly requiredHardening: readonly string[];
  /** DER: attestation key's certificate first, root left out. */
  readonly endorsements: readonly Uint8Array[];
}

function check(condition: boolean): asserts condition {
  if (!condition) throw new PlatformFailure('refused');
}

function register(bytes: Uint8Array | undefined): Uint8Array {
  check(bytes?.byteLength === REGISTER_BYTES);
  return Uint8Array.from(bytes);
}

function text(value: string, maxLength = MAX_TEXT_LENGTH): string {
  check(value.length <= maxLength && !value.includes('\0'));
  return value;
}

function absolutePath(value: string, maxLength = MAX_TEXT_LENGTH): string {
  check(value.startsWith('/'));
  return text(value, maxLength);
}

/** docs/spec/measurement.md: a placeholder is the whole value, or it is plain text. */
const PLACEHOLDERS = ['@config', '@folder', '@libraries'];

/** What MR2 measures must be what was launched: the environment of the workers, but for the places in it. */
function checkManifest(
  bytes: Uint8Array,
  environment: Launch['workerEnvironment'],
): Pick<CheckedLaunch, 'nodeFlags' | 'suite'> {
  const { nodeFlags, moduleEnvironment, suite: word } = parseSignedJson(bytes) as SignedJsonObject;
  check(Array.isArray(nodeFlags) && nodeFlags.every((flag) => typeof flag === 'string'));
  check(typeof word === 'string');
  const measured = Object.entries(moduleEnvironment ?? {}) as [string, string][];
  check(measured.length === Object.keys(environment).length);
  check(
    measured.every(([name, value]) =>
      PLACEHOLDERS.includes(value) ? Object.hasOwn(environment, name) : environment[name] === value,
    ),
  );
  return { nodeFlags, suite: suiteOf(word) };
}

/** Throws PlatformFailure, SignedJsonError or RangeError for a launch outside the limits of platform.proto. */
export function checkLaunch(launch: Launch): CheckedLaunch {
  const { measurements, workerCommand, endorsements, launchManifest, svn, workers } = launch;
  check(measurements.length === 3);
  check(Number.isInteger(svn) && svn >= 1);
  check(Number.isInteger(workers) && workers >= 1 && workers <= MAX_WORKERS);
  check(launch.platformId.byteLength === PLATFORM_ID_BYTES);
  check(launchManifest.byteLength > 0 && launchManifest.byteLength <= MAX_MANIFEST_BYTES);
  check(endorsements.length >= 1 && endorsements.length <= MAX_ENDORSEMENTS);
  check(endorsements.every(({ byteLength: n }) => n > 0 && n <= MAX_CERTIFICATE_BYTES));
  const [program, ...parameters] = workerCommand;
  check(program !== undefined && parameters.length < MAX_COMMAND_PARTS);
  const environment = Object.entries(launch.workerEnvironment);
  check(environment.length <= MAX_ENVIRONMENT);
  check(environment.every(([name]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name)));
  const { requiredHardening } = launch;
  check(requiredHardening.length <= MAX_REQUIRED_HARDENING);
  const measured = checkManifest(launchManifest, launch.workerEnvironment);
  return {
    measurements: [register(measurements[0]), register(measurements[1]), register(measurements[2])],
    svn,
    platformId: Uint8Array.from(launch.platformId),
    linkSocket: absolutePath(launch.linkSocket, MAX_SOCKET_PATH_LENGTH),
    workerCommand: [absolutePath(program), ...parameters.map((part) => text(part))],
    workerEnvironment: Object.fromEntries(environment.map(([name, value]) => [name, text(value)])),
    modulePath: absolutePath(launch.modulePath),
    workers,
    launchManifest: Uint8Array.from(launchManifest),
    ...measured,
    requiredHardening: requiredHardening.map((word) => text(word)),
    endorsements: endorsements.map((certificate) => Uint8Array.from(certificate)),
  };
}

/** Waits for the launch. A launch that does not check closes the channel, and with it the process. */
export async function receiveLaunch(channel: PlatformChannel): Promise<CheckedLaunch> {
  const launch = await channel.launch();
  try {
    return checkLaunch(launch);
  } catch {
    channel.close();
    throw new PlatformFailure('refused');
  }
}
