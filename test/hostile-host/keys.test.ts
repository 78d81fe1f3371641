/** No key of a host is believed: each lie about keys and evidence, with the checks that find it out. */
import { createHash, generateKeyPairSync, sign as signBytes, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { keyStatementInput } from '../../enclave/wire/layouts.ts';
import { canonicalize, parseSignedJson } from '../../enclave/wire/signed-json.ts';
import type { SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import {
  AttestationServiceService,
  type GetEvidenceResponse,
} from '../../src/gen/sealwright/v1/attestation.ts';
import {
  KeyServiceService,
  type GetKeyResponse,
  type Key,
  type ListKeysResponse,
} from '../../src/gen/sealwright/v1/keys.ts';
import { doubtedChecks } from '../support/doubt.ts';
import { LyingHost, TrueHost } from '../support/lying-host.ts';
import { makeEvidence, makePolicy } from '../support/evidence-maker.ts';
import { runSealwright, startStack, temporaryFolder } from '../support/stack.ts';
import type { Finished, Stack } from '../support/stack.ts';

const { getEvidence } = AttestationServiceService;
const { getKey, listKeys } = KeyServiceService;
const RING = 'es256-hsm';
const NONCE = new Uint8Array(32).fill(7);

const { path: folder, remove } = temporaryFolder();
const file = (name: string): string => join(folder, name);

/** Everything that a host could write down before the enclave was restarted. */
interface Recorded {
  readonly evidence: GetEvidenceResponse;
  readonly key: GetKeyResponse;
  readonly list: ListKeysResponse;
}

let stack: Stack;
let other: Stack;
let truth: TrueHost;
let otherTruth: TrueHost;
let host: LyingHost;
let recorded: Recorded;

async function record(from: TrueHost): Promise<Recorded> {
  const [evidence, key, list] = await Promise.all([
    from.call(getEvidence, { nonce: NONCE, fresh: false }),
    from.call(getKey, { ring: RING, version: 0 }),
    from.call(listKeys, {}),
  ]);
  return { evidence, key, list };
}

beforeAll(async () => {
  const state = file('state');
  const before = await startStack({ state });
  const early = new TrueHost(before.ready);
  recorded = await record(early);
  early.close();
  await before.stop();
  // In this order: evidence of the other one ends first, so that its time is not what gives it away.
  other = await startStack();
  stack = await startStack({ state });
  truth = new TrueHost(stack.ready);
  otherTruth = new TrueHost(other.ready);
  host = await LyingHost.start(truth);
  writeFileSync(file('message'), 'a message');
  const signed = await stack.run([
    ...['sign', '--ring', RING, '--in', file('message'), '--out', file('good.sig')],
  ]);
  expect(signed.status).toBe(0);
});
afterEach(() => {
  host.repent();
});
afterAll(async () => {
  host.stop();
  truth.close();
  otherTruth.close();
  await Promise.all([stack.stop(), other.stop()]);
  remove();
});

const ONE_KEY = {
  'keys export': ['keys', 'export', RING],
  sign: ['sign', '--ring', RING, '--in', file('message'), '--out', file('none.sig')],
  'verify --version': [
    ...['verify', '--ring', RING, '--version', '1', '--in', file('message')],
    ...['--signature', file('good.sig')],
  ],
} as const;
const ALL_KEYS = {
  'keys list': ['keys', 'list'],
  verify: ['verify', '--ring', RING, '--in', file('message'), '--signature', file('good.sig')],
} as const;
const COMMANDS = { ...ONE_KEY, ...ALL_KEYS };

function run(
  args: readonly string[],
  reference = join(stack.state, 'reference.json'),
): Promise<Finished> {
  return runSealwright([...args, '--json', '--socket', host.socket, '--reference', reference]);
}

/** The ids of the checks that failed; asserts that nothing else came of the command. */
async function failedChecks(args: readonly string[], reference?: string): Promise<string[]> {
  const ids = doubtedChecks(await run(args, reference));
  expect(existsSync(file('none.sig'))).toBe(false);
  return ids;
}

const attacker = generateKeyPairSync('ed25519');
const ownKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;

function spki(key: KeyObject): Uint8Array {
  return Uint8Array.from(key.export({ type: 'spki', format: 'der' }));
}

/** A statement with changed members, under its old signature or under that of whoever holds `signer`. */
function restated(key: Key, changes: SignedJsonObject, signer?: KeyObject): Key {
  const statement = parseSignedJson(key.keyStatement) as SignedJsonObject;
  const keyStatement = canonicalize({ ...statement, ...changes });
  const keyStatementSignature =
    signer === undefined
      ? key.keyStatementSignature
      : Uint8Array.from(signBytes(null, keyStatementInput(keyStatement), signer));
  return { ...key, keyStatement, keyStatementSignature };
}

function kidOf(key: KeyObject): string {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  const members = `{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`;
  return createHash('sha256').update(members).digest('base64url');
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const own = (): SignedJsonObject => ({ publicKey: hex(spki(ownKey)), kid: kidOf(ownKey) });

describe('the truth, through the same socket', () => {
  test.each(Object.keys(ALL_KEYS).concat('keys export', 'verify --version'))('%s', async (name) => {
    const { status, stderr } = await run(COMMANDS[name as keyof typeof COMMANDS]);
    expect([status, stderr]).toEqual([0, 'WARNING: SIMULATED, protects nothing\n']);
  });

  test('keys export gives the key of the statement, whatever stands beside it', async () => {
    host.lie(getKey, async (request, ask) => {
      const { key } = await ask(request);
      return { key: { ...required(key), publicKey: spki(ownKey), kid: kidOf(ownKey) } };
    });
    const { status, stdout } = await run(COMMANDS['keys export']);
    const { publicKey } = JSON.parse(stdout) as { publicKey: string };
    const honest = (await stack.run(['keys', 'export', RING])).stdout;
    expect([status, publicKey]).toEqual([0, honest]);
  });
});

function required(key: Key | undefined): Key {
  if (key === undefined) throw new Error('no key');
  return key;
}

describe.each(Object.entries(ONE_KEY))('GetKey lies to %s', (_, args) => {
  type Change = (key: Key) => Key | Promise<Key>;
  const lies: readonly (readonly [string, readonly string[], Change])[] = [
    [
      'its own key, in a statement signed by itself',
      ['key-signature'],
      (key) => restated(key, own(), attacker.privateKey),
    ],
    [
      'its own key, with a kid that fits, under the old signature',
      ['key-signature'],
      (key) => restated(key, own()),
    ],
    [
      'its own key under the kid of the true one',
      ['key-signature', 'key-kid'],
      (key) => restated(key, { publicKey: hex(spki(ownKey)) }),
    ],
    [
      'a statement with another state',
      ['key-signature'],
      (key) => restated(key, { state: 'deactivated' }),
    ],
    [
      'the statement of another ring',
      ['key-ring'],
      async () => required((await truth.call(getKey, { ring: 'es256-enclave', version: 0 })).key),
    ],
    [
      'a key without statement',
      ['key-form'],
      (key) => ({ ...key, keyStatement: new Uint8Array(0) }),
    ],
    [
      'a statement without signature',
      ['key-signature'],
      (key) => ({ ...key, keyStatementSignature: new Uint8Array(0) }),
    ],
    [
      'a statement that is cut',
      ['key-form'],
      (key) => ({ ...key, keyStatement: key.keyStatement.subarray(0, -1) }),
    ],
    [
      'the statement of another cluster',
      ['key-signature', 'key-evidence-digest', 'key-cluster'],
      async () => required((await otherTruth.call(getKey, { ring: RING, version: 0 })).key),
    ],
    [
      'the statement of the boot before',
      ['key-signature', 'key-evidence-digest'],
      () => required(recorded.key.key),
    ],
  ];
  test.each(lies)('%s', async (_name, ids, change) => {
    host.lie(getKey, async (request, ask) => ({
      key: await change(required((await ask(request)).key)),
    }));
    expect(await failedChecks(args)).toEqual(ids);
  });

  test('another version than was asked for', async () => {
    host.lie(getKey, (request, ask) => ask({ ...request, version: 1 }));
    expect(await failedChecks(['keys', 'export', RING, '--version', '2'])).toEqual(['key-version']);
  });
});

describe.each(Object.entries(ALL_KEYS))('ListKeys lies to %s', (_, args) => {
  type Change = (keys: Key[]) => readonly Key[] | Promise<readonly Key[]>;
  const at = (keys: readonly Key[], ring: string): number =>
    keys.findIndex((key) => key.ring === ring);
  const lies: readonly (readonly [string, readonly string[], Change])[] = [
    ['a key is left out', ['keys-digest'], (keys) => keys.filter(({ ring }) => ring !== RING)],
    ['the last key is left out', ['keys-digest'], (keys) => keys.slice(0, -1)],
    ['nothing', ['keys-digest'], () => []],
    ['a key twice', ['keys-order', 'keys-digest'], (keys) => [...keys.slice(0, 1), ...keys]],
    [
      'statements swapped between rings',
      ['keys-order', 'keys-digest'],
      (keys) => {
        const [i, j] = [at(keys, RING), at(keys, 'es256-enclave')];
        const swap = (to: number, from: number): Key => {
          const { keyStatement, keyStatementSignature } = required(keys[from]);
          return { ...required(keys[to]), keyStatement, keyStatementSignature };
        };
        return keys.map((key, n) => (n === i ? swap(i, j) : n === j ? swap(j, i) : key));
      },
    ],
    [
      'its own key in the place of ours',
      ['keys/5/key-signature', 'keys-digest'],
      (keys) => {
        expect(at(keys, RING)).toBe(5);
        return keys.map((key, i) => (i === 5 ? restated(key, own(), attacker.privateKey) : key));
      },
    ],
    [
      'a key without statement',
      ['key-form'],
      (keys) => keys.map((key, i) => (i === 3 ? { ...key, keyStatement: new Uint8Array(0) } : key)),
    ],
  ];
  test.each(lies)('%s', async (_name, ids, change) => {
    host.lie(listKeys, async (request, ask) => ({
      keys: await change([...(await ask(request)).keys]),
    }));
    expect(await failedChecks(args)).toEqual(ids);
  });

  test.each([
    ['of the boot before', () => recorded.list, ['key-signature', 'key-evidence-digest']],
    [
      'of another cluster',
      () => otherTruth.call(listKeys, {}),
      ['key-signature', 'key-evidence-digest', 'key-cluster'],
    ],
  ])('the list %s', async (_name, list, ids) => {
    host.lie(listKeys, list);
    const failed = await failedChecks(args);
    expect(
      new Set(
        failed.map((id) => id.replace(/^keys\/\d+\//, '')).filter((id) => id !== 'keys-digest'),
      ),
    ).toEqual(new Set(ids));
    expect(failed.length).toBeGreaterThanOrEqual(25 * ids.length);
  });
});

/** A bundle with changed members. */
function rewritten(bundle: Uint8Array, changes: SignedJsonObject): Uint8Array {
  return canonicalize({
    ...(parseSignedJson(bundle, 1024 * 1024) as SignedJsonObject),
    ...changes,
  });
}

function member(bundle: Uint8Array, name: string): SignedJsonObject[string] {
  const value = (parseSignedJson(bundle, 1024 * 1024) as SignedJsonObject)[name];
  if (value === undefined) throw new Error(`no ${name}`);
  return value;
}

function withClaim(bundle: Uint8Array, name: string, value: SignedJsonObject[string]): Uint8Array {
  const claims = JSON.parse(member(bundle, 'claims') as string) as SignedJsonObject;
  const changed = Buffer.from(canonicalize({ ...claims, [name]: value })).toString();
  return rewritten(bundle, { claims: changed });
}

describe('GetEvidence lies', () => {
  type Change = (bundle: Uint8Array) => Uint8Array | Promise<Uint8Array>;
  const lies: readonly (readonly [string, readonly string[], Change])[] = [
    ['evidence of the boot before', ['nonce'], () => recorded.evidence.bundle],
    [
      'evidence of the boot before, with a freshness statement of today',
      ['freshness-signature', 'nonce'],
      (bundle) => rewritten(recorded.evidence.bundle, { freshness: member(bundle, 'freshness') }),
    ],
    [
      'an answer to another nonce',
      ['nonce'],
      async () => (await truth.call(getEvidence, { nonce: NONCE, fresh: false })).bundle,
    ],
    [
      'no answer to the nonce',
      ['nonce'],
      async () =>
        (await truth.call(getEvidence, { nonce: new Uint8Array(0), fresh: false })).bundle,
    ],
    [
      'another keysDigest',
      ['report-data', 'freshness-signature', 'nonce'],
      (bundle) => withClaim(bundle, 'keysDigest', '00'.repeat(32)),
    ],
    [
      'its own identity key',
      ['report-data', 'freshness-signature', 'nonce'],
      (bundle) => withClaim(bundle, 'identityKey', hex(spki(attacker.publicKey))),
    ],
    [
      'its own log key',
      ['report-data', 'cluster-id', 'genesis-statement', 'freshness-signature', 'nonce'],
      (bundle) => withClaim(bundle, 'logKey', '00'.repeat(32)),
    ],
    [
      'a later end',
      ['report-data', 'freshness-signature', 'lifetime', 'nonce'],
      (bundle) => withClaim(bundle, 'notAfter', Date.UTC(2099, 0)),
    ],
    ['nothing', ['evidence-form'], () => new Uint8Array(0)],
    ['half of it', ['evidence-form'], (bundle) => bundle.subarray(0, bundle.byteLength / 2)],
  ];
  // Every lie to two of the commands, and some of them to each: they share one client.
  const cases = Object.entries(COMMANDS).flatMap(([command, args]) =>
    lies
      .filter((_, i) => command === 'sign' || command === 'keys list' || i % 4 === 0)
      .map(([what, ids, change]) => [command, what, args, ids, change] as const),
  );
  test.each(cases)('to %s: %s', async (_command, _what, args, ids, change) => {
    host.lie(getEvidence, async (request, ask) => ({
      bundle: await change((await ask(request)).bundle),
    }));
    expect(await failedChecks(args)).toEqual(ids);
  });
});

describe.each(Object.entries(COMMANDS))('evidence of something else, for %s', (_, args) => {
  test('evidence of another cluster, whose platform we trust as well', async () => {
    const [ours, theirs] = [stack, other].map(
      ({ state }) =>
        JSON.parse(readFileSync(join(state, 'reference.json'), 'utf8')) as Record<
          string,
          { anyOf: object[] }
        >,
    );
    const anyOf = [ours, theirs].flatMap((policy) => policy?.['trustAnchors']?.anyOf ?? []);
    const both = file('both.json');
    writeFileSync(both, JSON.stringify({ ...ours, trustAnchors: { rule: 'require', anyOf } }));
    host.lie(getEvidence, (request) => otherTruth.call(getEvidence, request));
    host.lie(getKey, (request) => otherTruth.call(getKey, request));
    host.lie(listKeys, (request) => otherTruth.call(listKeys, request));
    expect(await failedChecks(args, both)).toEqual(['cluster']);
    expect(await failedChecks(args)).toContain('trust-anchor-accepted');
  });

  test('setup evidence', async () => {
    const policy = file('setup.json');
    writeFileSync(policy, JSON.stringify(makePolicy()));
    host.lie(getEvidence, ({ nonce }) => {
      const claims = {
        issuedAt: Date.now() - 1000,
        notAfter: Date.now() + 1000,
        nonce: hex(nonce),
      };
      return { bundle: Buffer.from(makeEvidence({ kind: 'setup', claims }).text) };
    });
    // Its certificates are those of the vectors, whose time may have passed.
    const failed = (await failedChecks(args, policy)).filter((id) => id !== 'chain-validity');
    expect(failed).toContain('kind');
    expect(failed).not.toContain('nonce');
  });
});

describe('evidence that is renewed between two answers', () => {
  test('is asked for again', async () => {
    host.lie(getKey, (request, ask, nth) => (nth === 0 ? recorded.key : ask(request)));
    expect((await run(COMMANDS['keys export'])).status).toBe(0);
    expect([host.calls(getEvidence), host.calls(getKey)]).toEqual([2, 2]);
  });

  test('but only three times', async () => {
    host.lie(getKey, () => recorded.key);
    expect(await failedChecks(COMMANDS['keys export'])).toContain('key-evidence-digest');
    expect([host.calls(getEvidence), host.calls(getKey)]).toEqual([4, 4]);
  });

  test.each(['keys export', 'keys list'] as const)('%s asks once otherwise', async (name) => {
    host.lie(getKey, async (request, ask) => ({
      key: restated(required((await ask(request)).key), own()),
    }));
    host.lie(listKeys, () => ({ keys: [] }));
    await failedChecks(COMMANDS[name]);
    expect(host.calls(getEvidence)).toBe(1);
  });
});

describe('nothing is pinned at first sight', () => {
  test.each(Object.entries(COMMANDS))('%s without a reference file: 64', async (_, args) => {
    const { status, stdout, stderr } = await runSealwright([...args, '--socket', host.socket], {
      cwd: folder,
    });
    expect([status, stdout]).toEqual([64, '']);
    expect(stderr).toContain('nothing is pinned at first sight');
    expect(host.calls(getEvidence)).toBe(0);
  });

  test.each([
    ['missing', undefined],
    ['no policy', '{}'],
    ['no JSON', '{'],
  ])('a reference file that is %s: 64', async (name, content) => {
    const path = file(`${name}.json`);
    if (content !== undefined) writeFileSync(path, content);
    expect((await run(COMMANDS['keys list'], path)).status).toBe(64);
  });

  test('a policy that refuses simulated platforms', async () => {
    const ours = JSON.parse(readFileSync(join(stack.state, 'reference.json'), 'utf8')) as object;
    const strict = file('strict.json');
    writeFileSync(strict, JSON.stringify({ ...ours, simulated: { rule: 'refuse' } }));
    expect(await failedChecks(COMMANDS['keys export'], strict)).toEqual(['simulated']);
    const env = { SEALWRIGHT_REFERENCE: strict };
    const args = [...COMMANDS['keys export'], '--socket', host.socket];
    expect((await runSealwright(args, { env })).status).toBe(2);
  });
});
