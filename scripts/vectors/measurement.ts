// Vectors of docs/spec/measurement.md and docs/spec/simulated-quote.md. Deterministic: what is random in the
// platform is fixed here.
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { p384 } from '@noble/curves/nist.js';
import {
  encodeLaunchManifest,
  moduleSettingsProblems,
  NODE_FLAGS,
  SOFTHSM,
  BASE_ENVIRONMENT,
  type LaunchManifest,
} from '../../src/simulator/launch-manifest.ts';
import {
  measureBundles,
  measureLaunch,
  measureRuntime,
  type FileDigests,
  type Registers,
} from '../../src/simulator/measurement.ts';
import { derivePlatformSecret, SECRET_LABELS } from '../../src/simulator/platform-secret.ts';
import { encodeStatement, type Statement } from '../../src/simulator/quote.ts';

interface VectorCase {
  readonly id: string;
  readonly comment: string;
  readonly flags: readonly string[];
  readonly input: Readonly<Record<string, unknown>>;
  /** `accept`, or the reason of the refusal. */
  readonly expect: string;
  readonly output?: Readonly<Record<string, unknown>>;
}

export interface VectorFile {
  /** Name in test/vectors/. */
  readonly file: string;
  readonly content: {
    readonly spec: string;
    readonly specVersion: number;
    readonly cases: readonly VectorCase[];
  };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Stand-ins for file contents and secrets: anybody can compute them. */
const digestOf = (text: string): Uint8Array =>
  Uint8Array.from(createHash('sha384').update(`sealwright vector: ${text}`).digest());
const bytesOf = (text: string, length: number): Uint8Array =>
  Uint8Array.from(
    createHash('sha512').update(`sealwright vector: ${text}`).digest().subarray(0, length),
  );

const hexDigests = (files: FileDigests): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([name, digest]) => [name, hex(digest)]));

const bundles: FileDigests = { main: digestOf('main'), 'hsm-worker': digestOf('hsm-worker') };
const runtime: FileDigests = {
  node: digestOf('node'),
  interpreter: digestOf('interpreter'),
  addon: digestOf('addon'),
  'lib/libc.so.6': digestOf('libc'),
  'lib/libm.so.6': digestOf('libm'),
};
const manifest: LaunchManifest = {
  svn: 1,
  entry: 'simulated',
  nodeFlags: NODE_FLAGS,
  workers: 2,
  suite: 'x25519-hkdf-sha256-chacha20poly1305',
  moduleName: 'libsofthsm2.so',
  moduleDigest: digestOf('module'),
  moduleOptions: SOFTHSM.options,
  moduleEnvironment: { ...BASE_ENVIRONMENT, ...SOFTHSM.environment },
};

function accepted(
  id: string,
  comment: string,
  input: VectorCase['input'],
  register: Uint8Array,
): VectorCase {
  return { id, comment, flags: [], input, expect: 'accept', output: { register: hex(register) } };
}

function bundleCase(
  id: string,
  comment: string,
  entry: 'production' | 'simulated',
  files: FileDigests,
): VectorCase {
  const input = { register: 'MR0', entry, files: hexDigests(files) };
  return accepted(id, comment, input, measureBundles(entry, files));
}

function runtimeCase(id: string, comment: string, files: FileDigests): VectorCase {
  return accepted(
    id,
    comment,
    { register: 'MR1', files: hexDigests(files) },
    measureRuntime(files),
  );
}

function launchCase(id: string, comment: string, changed: Partial<LaunchManifest>): VectorCase {
  const bytes = encodeLaunchManifest({ ...manifest, ...changed });
  const input = { register: 'MR2', manifest: Buffer.from(bytes).toString('utf8') };
  return accepted(id, comment, input, measureLaunch(bytes));
}

function settingsCase(
  id: string,
  comment: string,
  options: object,
  environment: object,
): VectorCase {
  const settings = {
    options: options as Record<string, string>,
    environment: environment as Record<string, string>,
  };
  const refused = moduleSettingsProblems(settings).length > 0;
  return {
    id,
    comment,
    flags: [],
    input: { settings },
    expect: refused ? 'SETTINGS_REFUSED' : 'accept',
  };
}

function measurementCases(): VectorCase[] {
  const { main = new Uint8Array(), ...worker } = bundles;
  return [
    bundleCase('mr0-simulated', 'the simulated entry', 'simulated', bundles),
    bundleCase('mr0-production', 'same files, other entry', 'production', bundles),
    bundleCase('mr0-other-main', 'another main', 'simulated', {
      ...bundles,
      main: digestOf('other'),
    }),
    bundleCase('mr0-name-moves', 'a byte moves from one name to the next', 'simulated', {
      'hsm-workerm': digestOf('hsm-worker'),
      ain: main,
    }),
    bundleCase('mr0-one-file', 'a file less', 'simulated', worker),
    {
      id: 'mr0-short-digest',
      comment: 'a digest of 47 bytes',
      flags: [],
      input: { register: 'MR0', entry: 'simulated', files: { main: hex(main.subarray(1)) } },
      expect: 'DIGEST_LENGTH',
    },
    runtimeCase('mr1', 'Node, addon, interpreter, two libraries', runtime),
    runtimeCase('mr1-sorted-by-bytes', 'U+FF61 sorts before U+1F600 by bytes, after it by UTF-16', {
      'lib/\u{1f600}': digestOf('a'),
      'lib/\uff61': digestOf('b'),
    }),
    launchCase('mr2', 'the default launch of the simulated platform', {}),
    launchCase('mr2-svn', 'a higher security version number', { svn: 2 }),
    launchCase('mr2-flag', 'a flag less', { nodeFlags: NODE_FLAGS.slice(1) }),
    launchCase('mr2-module', 'another module', { moduleDigest: digestOf('other module') }),
    launchCase('mr2-suite', 'sessions of another suite', {
      suite: 'mlkem768-x25519-hkdf-sha256-chacha20poly1305',
    }),
    settingsCase('settings-softhsm', 'the default', SOFTHSM.options, SOFTHSM.environment),
    settingsCase('settings-preload', 'code from elsewhere', {}, { LD_PRELOAD: '/tmp/x.so' }),
    settingsCase('settings-node', 'code from elsewhere', {}, { NODE_OPTIONS: '--require=/tmp/x' }),
    settingsCase('settings-keylog', 'keys to a file', {}, { SSLKEYLOGFILE: '/tmp/x' }),
    settingsCase('settings-openssl', 'set by the platform', {}, { OPENSSL_CONF: '/tmp/x' }),
    settingsCase('settings-name', 'not a variable name', {}, { 'A=B': '' }),
    settingsCase(
      'settings-line',
      'a second option in a value',
      { 'log.level': 'ERROR\nx = y' },
      {},
    ),
    settingsCase('settings-option', 'not an option name', { 'a b': '' }, {}),
  ];
}

const registers: Registers = [digestOf('MR0'), digestOf('MR1'), digestOf('MR2')];
const statement: Statement = {
  svn: 7,
  debug: false,
  platformId: bytesOf('platform', 32),
  registers,
  reportData: bytesOf('report data', 64),
};

/** A key for these vectors only; RFC 6979 makes its signatures repeatable. */
const secretKey = digestOf('attestation key');

function attestationKey(): KeyObject {
  const [x, y] = [
    p384.getPublicKey(secretKey, false).subarray(1, 49),
    p384.getPublicKey(secretKey, false).subarray(49),
  ];
  const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
  const jwk = {
    kty: 'EC',
    crv: 'P-384',
    x: base64url(x),
    y: base64url(y),
    d: base64url(secretKey),
  };
  return createPrivateKey({ key: jwk, format: 'jwk' });
}

function signed(bytes: Uint8Array): Uint8Array {
  // lowS: false, because OpenSSL does not normalise and a verifier must take both halves.
  const signature = p384.sign(bytes, secretKey, { lowS: false });
  return Uint8Array.from(Buffer.concat([bytes, signature]));
}

/** A signed quote whose statement has some bytes changed first. */
function signedWith(offset: number, ...values: readonly number[]): Uint8Array {
  const bytes = encodeStatement(statement);
  bytes.set(values, offset);
  return signed(bytes);
}

function quoteCases(): VectorCase[] {
  const quote = signed(encodeStatement(statement));
  const spki = createPublicKey(attestationKey()).export({ type: 'spki', format: 'der' });
  const quoteCase = (
    id: string,
    comment: string,
    bytes: Uint8Array,
    expect: string,
  ): VectorCase => {
    const input = { quote: hex(bytes), attestationKey: hex(spki) };
    return {
      id,
      comment,
      flags: expect.startsWith('QUOTE_') ? ['undecodable'] : [],
      input,
      expect,
    };
  };
  const flipped = (offset: number): Uint8Array =>
    quote.map((byte, i) => (i === offset ? byte ^ 1 : byte));
  const fields = {
    svn: statement.svn,
    debug: false,
    platformId: hex(statement.platformId),
    measurements: registers.map(hex),
    reportData: hex(statement.reportData),
  };
  return [
    { ...quoteCase('quote', 'every field', quote, 'accept'), output: fields },
    quoteCase('quote-empty', 'no bytes', new Uint8Array(0), 'QUOTE_LENGTH'),
    quoteCase('quote-truncated', 'one byte less', quote.subarray(0, 375), 'QUOTE_LENGTH'),
    quoteCase('quote-statement-only', 'no signature', quote.subarray(0, 280), 'QUOTE_LENGTH'),
    quoteCase('quote-trailing', 'one byte more', Uint8Array.from([...quote, 0]), 'QUOTE_LENGTH'),
    quoteCase('quote-label', 'another label, signed', signedWith(0, 0x53), 'QUOTE_LABEL'),
    quoteCase(
      'quote-label-end',
      'label without its zero byte, signed',
      signedWith(29, 0x20),
      'QUOTE_LABEL',
    ),
    quoteCase('quote-version', 'layout version 2, signed', signedWith(31, 2), 'QUOTE_VERSION'),
    quoteCase('quote-flags', 'a reserved flag, signed', signedWith(39, 2), 'QUOTE_FLAGS'),
    quoteCase('quote-flags-high', 'the highest flag, signed', signedWith(36, 0x80), 'QUOTE_FLAGS'),
    quoteCase(
      'quote-debug',
      'debug set, signed: decodable, contraindicated',
      signedWith(39, 1),
      'DEBUG',
    ),
    quoteCase('quote-svn-flip', 'svn changed after signing', flipped(35), 'SIGNATURE'),
    quoteCase('quote-register-flip', 'MR0 changed after signing', flipped(72), 'SIGNATURE'),
    quoteCase('quote-report-flip', 'report data changed after signing', flipped(216), 'SIGNATURE'),
    quoteCase('quote-signature-flip', 'a bit of s', flipped(375), 'SIGNATURE'),
    quoteCase(
      'quote-signature-zero',
      'r = s = 0',
      quote.map((byte, i) => (i < 280 ? byte : 0)),
      'SIGNATURE',
    ),
  ];
}

function secretCases(): VectorCase[] {
  const rootSecret = bytesOf('root secret', 32);
  const secretCase = (
    id: string,
    comment: string,
    svn: number,
    measured: Registers,
  ): VectorCase[] =>
    SECRET_LABELS.map((label) => ({
      id: `${id}-${label.replace('/', '-')}`,
      comment,
      flags: [],
      input: { rootSecret: hex(rootSecret), measurements: measured.map(hex), svn, label },
      expect: 'accept',
      output: { secret: hex(derivePlatformSecret(rootSecret, measured, svn, label)) },
    }));
  const [mr0, mr1, mr2] = registers;
  return [
    ...secretCase('secret', 'the measurement of the quote above', 7, registers),
    ...secretCase('secret-svn', 'a lower svn gets other secrets', 6, registers),
    ...secretCase('secret-order', 'registers are not a set', 7, [mr1, mr0, mr2]),
    {
      id: 'secret-label',
      comment: 'a label that is not in the list',
      flags: [],
      input: { label: 'boot/v2' },
      expect: 'LABEL_UNKNOWN',
    },
  ];
}

export function makeVectors(): VectorFile[] {
  return [
    {
      file: 'measurement.json',
      content: { spec: 'docs/spec/measurement.md', specVersion: 1, cases: measurementCases() },
    },
    {
      file: 'simulated-quote.json',
      content: {
        spec: 'docs/spec/simulated-quote.md',
        specVersion: 1,
        cases: [...quoteCases(), ...secretCases()],
      },
    },
  ];
}
