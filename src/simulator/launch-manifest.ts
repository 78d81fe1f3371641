/**
 * The launch manifest that MR2 measures, and the placeholders by which it names places without naming
 * paths of the host (docs/spec/measurement.md).
 */
import type { SuiteWord } from '../../enclave/wire/session/suites.ts';
import { canonicalize } from '../../enclave/wire/signed-json.ts';
import type { EntryKind } from './measurement.ts';

/** Security version number of this release: raised when an older release must not be trusted any more. */
export const SECURITY_VERSION = 1;

/** Reasons stand in docs/spec/measurement.md, one row each. */
export const NODE_FLAGS = [
  '--disable-sigusr1',
  '--disable-proto=delete',
  '--disallow-code-generation-from-strings',
  '--frozen-intrinsics',
  '--secure-heap=4194304',
  '--openssl-config=/dev/null',
  '--no-global-search-paths',
  '--disable-warning=ExperimentalWarning',
] as const;

/** What an operator says about the PKCS#11 module; every value is measured. */
export interface ModuleSettings {
  /** Lines of the configuration file that the platform writes for the module. */
  readonly options: Readonly<Record<string, string>>;
  /** Variables that the module reads, beside those of BASE_ENVIRONMENT. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface LaunchManifest {
  readonly svn: number;
  readonly entry: EntryKind;
  readonly nodeFlags: readonly string[];
  readonly workers: number;
  readonly suite: SuiteWord;
  readonly moduleName: string;
  /** SHA-384 of the module. */
  readonly moduleDigest: Uint8Array;
  readonly moduleOptions: Readonly<Record<string, string>>;
  readonly moduleEnvironment: Readonly<Record<string, string>>;
}

/** What the placeholders stand for in one launch. */
export interface Places {
  readonly '@config': string;
  readonly '@folder': string;
  readonly '@libraries': string;
}

/** The module may have an OpenSSL of its own; the host's configuration file could load code into it. */
export const BASE_ENVIRONMENT = {
  OPENSSL_CONF: '/dev/null',
  OPENSSL_ENGINES: '@libraries',
  OPENSSL_MODULES: '@libraries',
} as const;

/** SoftHSM 2: everything but the folder is its default, written down so that it is measured. */
export const SOFTHSM: ModuleSettings = {
  options: {
    'directories.tokendir': '@folder',
    'log.level': 'ERROR',
    'objectstore.backend': 'file',
    'slots.mechanisms': 'ALL',
    'slots.removable': 'false',
  },
  environment: { SOFTHSM2_CONF: '@config' },
};

/** Variables that make the loader, libc or Node run or read something that no register covers. */
const CODE_LOADING =
  /^(LD_|NODE_|GLIBC_|MALLOC_|UV_|GCONV_PATH$|SSL_CERT_|SSLKEYLOGFILE$|OPENSSL_)/;

/** Problems of settings, as text with the place; none means usable. */
export function moduleSettingsProblems(settings: ModuleSettings): string[] {
  const problems: string[] = [];
  for (const [name, value] of Object.entries(settings.options)) {
    // A line break would smuggle in a second, unmeasured-looking option.
    if (!/^[\w.-]+$/.test(name)) problems.push(`/module/options/${name}: not an option name`);
    if (/[\r\n\0]/.test(value)) problems.push(`/module/options/${name}: must be one line`);
  }
  for (const [name, value] of Object.entries(settings.environment)) {
    const place = `/module/environment/${name}`;
    if (!/^[A-Za-z_]\w*$/.test(name)) problems.push(`${place}: not a variable name`);
    if (Object.hasOwn(BASE_ENVIRONMENT, name)) problems.push(`${place}: is set by the platform`);
    else if (CODE_LOADING.test(name))
      problems.push(`${place}: would load code that is not measured`);
    if (value.includes('\0')) problems.push(`${place}: holds a zero byte`);
  }
  return problems;
}

/** The canonical bytes that MR2 hashes. */
export function encodeLaunchManifest(manifest: LaunchManifest): Uint8Array {
  return canonicalize({
    v: 1,
    svn: manifest.svn,
    entry: manifest.entry,
    nodeFlags: manifest.nodeFlags,
    workers: manifest.workers,
    suite: manifest.suite,
    module: {
      name: manifest.moduleName,
      sha384: Buffer.from(manifest.moduleDigest).toString('hex'),
    },
    moduleOptions: manifest.moduleOptions,
    moduleEnvironment: manifest.moduleEnvironment,
  });
}

function isPlaceholder(value: string): value is keyof Places {
  return value === '@config' || value === '@folder' || value === '@libraries';
}

/** Replaces placeholders by this launch's paths. */
export function resolvePlaces(
  values: Readonly<Record<string, string>>,
  places: Places,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      isPlaceholder(value) ? places[value] : value,
    ]),
  );
}
