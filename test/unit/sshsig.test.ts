/** SSH signatures against ssh-keygen, and each refusal by its word (docs/spec/admin-statements.md). */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NODE_CRYPTO } from '../../enclave/core/approvals.ts';
import { concatBytes, lengthPrefixed, u32, u8, utf8 } from '../../enclave/wire/bytes.ts';
import { parseSshKey, parseSshKeyLine } from '../../enclave/wire/ssh-key.ts';
import { SshError } from '../../enclave/wire/ssh-reader.ts';
import { armored, checkSshsig, parseSshsig, signedBytes } from '../../enclave/wire/sshsig.ts';
import { fromBase64 } from '../../enclave/wire/tlog-note.ts';

const NAMESPACE = 'sealwright-policy';
const DOCUMENT = utf8('{"kind":"policy"}');

let folder = '';
const made = new Map<string, { readonly line: string; readonly signature: Uint8Array }>();

function keygen(...args: string[]): void {
  execFileSync('ssh-keygen', args, { stdio: 'ignore', cwd: folder });
}

/** ssh-keygen's key and signature of one kind. */
function madeBySshKeygen(name: string, args: string[], namespace = NAMESPACE) {
  const id = `${name}/${namespace}`;
  const known = made.get(id);
  if (known !== undefined) return known;
  const key = id.replaceAll('/', '_');
  keygen('-q', '-t', ...args, '-N', '', '-C', '', '-f', key);
  const document = join(folder, `${key}.json`);
  writeFileSync(document, DOCUMENT);
  keygen('-Y', 'sign', '-n', namespace, '-f', key, document);
  const line = readFileSync(join(folder, `${key}.pub`), 'utf8').trim();
  const result = { line, signature: Uint8Array.from(readFileSync(`${document}.sig`)) };
  made.set(id, result);
  return result;
}

const ed25519 = () => madeBySshKeygen('ed25519', ['ed25519']);

/** A key and its signature, made without ssh-keygen. */
function madeHere() {
  const pair = generateKeyPairSync('ed25519');
  const raw = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const key = concatBytes(...[utf8('ssh-ed25519'), raw].map(lengthPrefixed));
  const digest = createHash('sha512').update(DOCUMENT).digest();
  const value = sign(null, signedBytes(NAMESPACE, digest), pair.privateKey);
  return { key, signature: ed25519Signature(value) };
}

function binary(text: Uint8Array): Uint8Array {
  const body = new TextDecoder().decode(text).split('\n').slice(1, -2).join('');
  return fromBase64(body) ?? new Uint8Array(0);
}

async function check(signature: Uint8Array, document = DOCUMENT): Promise<boolean> {
  return checkSshsig(parseSshsig(signature), NAMESPACE, document, NODE_CRYPTO);
}

function refused(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof SshError) return error.problem;
    throw error;
  }
  return 'accepted';
}

/** A signature made of parts, each of which a test may spoil. */
interface Parts {
  readonly version?: number;
  readonly key?: Uint8Array;
  readonly namespace?: string;
  readonly reserved?: string;
  readonly hash?: string;
  readonly signature?: Uint8Array;
  readonly after?: Uint8Array;
}

function composed(parts: Parts): Uint8Array {
  const own = madeHere();
  return concatBytes(
    utf8('SSHSIG'),
    u32(parts.version ?? 1),
    lengthPrefixed(parts.key ?? own.key),
    lengthPrefixed(utf8(parts.namespace ?? NAMESPACE)),
    lengthPrefixed(utf8(parts.reserved ?? '')),
    lengthPrefixed(utf8(parts.hash ?? 'sha512')),
    lengthPrefixed(parts.signature ?? own.signature),
    parts.after ?? new Uint8Array(0),
  );
}

function ed25519Signature(bytes: Uint8Array, type = 'ssh-ed25519'): Uint8Array {
  return concatBytes(lengthPrefixed(utf8(type)), lengthPrefixed(bytes));
}

/** What a FIDO authenticator would make: there is none at hand, so its part is played with a software key. */
function hardwareSignature(kind: 'ed25519' | 'ecdsa', flags: number) {
  const application = utf8('ssh:');
  const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
  const signed = signedBytes(NAMESPACE, createHash('sha512').update(DOCUMENT).digest());
  const authenticator = concatBytes(u8(flags), u32(7));
  const message = concatBytes(digest(application), authenticator, digest(signed));
  if (kind === 'ed25519') {
    const pair = generateKeyPairSync('ed25519');
    const raw = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
    const type = utf8('sk-ssh-ed25519@openssh.com');
    const key = concatBytes(...[type, raw, application].map(lengthPrefixed));
    const value = sign(null, message, pair.privateKey);
    return { key, signature: concatBytes(...[type, value].map(lengthPrefixed), authenticator) };
  }
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const point = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-65);
  const type = utf8('sk-ecdsa-sha2-nistp256@openssh.com');
  const key = concatBytes(...[type, utf8('nistp256'), point, application].map(lengthPrefixed));
  const p1363 = sign('sha256', message, { key: pair.privateKey, dsaEncoding: 'ieee-p1363' });
  const integers = [p1363.subarray(0, 32), p1363.subarray(32)].map((part) =>
    lengthPrefixed(mpint(part)),
  );
  const value = lengthPrefixed(concatBytes(...integers));
  return { key, signature: concatBytes(lengthPrefixed(type), value, authenticator) };
}

function mpint(bytes: Uint8Array): Uint8Array {
  const start = bytes.findIndex((byte) => byte !== 0);
  const digits = bytes.subarray(start);
  return (digits[0] ?? 0) >= 0x80 ? concatBytes(u8(0), digits) : digits;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sshsig-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const hasSshKeygen = spawnSync('ssh-keygen', ['-Y']).error === undefined;
if (!hasSshKeygen)
  process.stderr.write('SKIPPED: ssh-keygen (Debian: openssh-client) is missing\n');

describe.skipIf(!hasSshKeygen)('signatures of ssh-keygen', () => {
  it.each([
    ['ed25519', ['ed25519']],
    ['ecdsa-256', ['ecdsa', '-b', '256']],
    ['ecdsa-384', ['ecdsa', '-b', '384']],
  ])('%s is accepted, armored and binary, over its own document only', async (name, args) => {
    const { line, signature } = madeBySshKeygen(name, args);
    expect(parseSshsig(signature).key.blob).toEqual(parseSshKeyLine(line).blob);
    expect(await check(signature)).toBe(true);
    expect(await check(binary(signature))).toBe(true);
    expect(await check(signature, utf8('{"kind":"policy2"}'))).toBe(false);
    const spoilt = binary(signature);
    spoilt[spoilt.byteLength - 1] = (spoilt.at(-1) ?? 0) ^ 1;
    expect(await check(spoilt)).toBe(false);
  });

  it('is written again byte for byte', () => {
    const { signature } = ed25519();
    expect(armored(binary(signature))).toBe(new TextDecoder().decode(signature));
  });

  it.each([
    ['rsa', ['rsa', '-b', '2048'], 'key-type'],
    ['ecdsa-521', ['ecdsa', '-b', '521'], 'key-type'],
  ])('%s is refused', (name, args, problem) => {
    const { line, signature } = madeBySshKeygen(name, args);
    expect(refused(() => parseSshKeyLine(line))).toBe(problem);
    expect(refused(() => parseSshsig(signature))).toBe(problem);
  });

  it('a signature of another namespace is refused', async () => {
    const { signature } = madeBySshKeygen('ed25519', ['ed25519'], 'git');
    await expect(check(signature)).rejects.toMatchObject({ problem: 'namespace' });
  });

  it('a certificate is refused', () => {
    ed25519();
    keygen('-q', '-t', 'ed25519', '-N', '', '-f', 'ca');
    keygen('-q', '-s', 'ca', '-I', 'id', '-n', 'admin', 'ed25519_sealwright-policy.pub');
    const file = join(folder, 'ed25519_sealwright-policy-cert.pub');
    const [type, base64] = readFileSync(file, 'utf8').trim().split(' ');
    expect(refused(() => parseSshKeyLine(`${type ?? ''} ${base64 ?? ''}`))).toBe('certificate');
  });
});

describe('hardware keys', () => {
  it.each(['ed25519', 'ecdsa'] as const)('sk-%s with user presence is accepted', async (kind) => {
    expect(await check(composed(hardwareSignature(kind, 0x01)))).toBe(true);
    // User verification on top.
    expect(await check(composed(hardwareSignature(kind, 0x05)))).toBe(true);
  });

  it.each(['ed25519', 'ecdsa'] as const)('sk-%s without user presence is refused', (kind) => {
    expect(refused(() => parseSshsig(composed(hardwareSignature(kind, 0x04))))).toBe(
      'user-presence',
    );
  });

  it('flags that were changed afterwards verify nothing', async () => {
    const { key, signature } = hardwareSignature('ed25519', 0x00);
    signature[signature.byteLength - 5] = 0x01;
    expect(await check(composed({ key, signature }))).toBe(false);
  });
});

/** An ECDSA key in software. */
function ecdsaKey(): Uint8Array {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const point = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-65);
  return concatBytes(...[utf8('ecdsa-sha2-nistp256'), utf8('nistp256'), point].map(lengthPrefixed));
}

describe('structures that are refused', () => {
  const long = new Uint8Array(32);
  const ecdsa = (r: Uint8Array, s: Uint8Array): Parts => ({
    key: ecdsaKey(),
    signature: concatBytes(
      lengthPrefixed(utf8('ecdsa-sha2-nistp256')),
      lengthPrefixed(concatBytes(lengthPrefixed(r), lengthPrefixed(s))),
    ),
  });
  const cases: readonly (readonly [string, () => Uint8Array, string])[] = [
    ['nothing', () => new Uint8Array(0), 'magic'],
    ['another magic', () => utf8('SSHGIS'), 'magic'],
    ['version 0', () => composed({ version: 0 }), 'version'],
    ['version 2', () => composed({ version: 2 }), 'version'],
    ['reserved bytes', () => composed({ reserved: 'x' }), 'reserved'],
    ['sha256', () => composed({ hash: 'sha256' }), 'hash'],
    ['SHA512', () => composed({ hash: 'SHA512' }), 'hash'],
    ['bytes after it', () => composed({ after: u8(0) }), 'length'],
    [
      'a namespace with a control character',
      () => composed({ namespace: 'sealwright-policy\0' }),
      'text',
    ],
    [
      'a signature of another type',
      () => composed({ signature: ed25519Signature(long, 'ssh-rsa') }),
      'signature-type',
    ],
    [
      'a signature that is too short',
      () => composed({ signature: ed25519Signature(long) }),
      'length',
    ],
    [
      'bytes after the signature',
      () => composed({ signature: concatBytes(ed25519Signature(new Uint8Array(64)), u8(0)) }),
      'length',
    ],
    [
      'an authenticator under a software key',
      () =>
        composed({
          signature: concatBytes(ed25519Signature(new Uint8Array(64)), new Uint8Array(5)),
        }),
      'length',
    ],
    ['a negative integer', () => composed(ecdsa(u8(0x80), u8(1))), 'mpint'],
    ['an integer with a needless zero', () => composed(ecdsa(Uint8Array.of(0, 1), u8(1))), 'mpint'],
    ['zero', () => composed(ecdsa(u8(1), u8(0))), 'mpint'],
    ['an empty integer', () => composed(ecdsa(u8(1), new Uint8Array(0))), 'mpint'],
    [
      'an integer that is too wide',
      () => composed(ecdsa(concatBytes(u8(1), long), u8(1))),
      'mpint',
    ],
    ['more than 4 KiB', () => new Uint8Array(4097), 'length'],
  ];
  it.each(cases)('%s', (_name, make, problem) => {
    expect(refused(() => parseSshsig(make()))).toBe(problem);
  });

  it('every truncation, by some word', () => {
    const whole = composed({});
    for (let length = 0; length < whole.byteLength; length += 1) {
      expect(refused(() => parseSshsig(whole.subarray(0, length)))).not.toBe('accepted');
    }
  });

  const armor = (change: (text: string) => string) => () => utf8(change(armored(composed({}))));
  it.each([
    ['text before the armor', armor((text) => `-${text}`)],
    ['text after the armor', armor((text) => `${text}x`)],
    ['two armors', armor((text) => text + text)],
    ['carriage returns', armor((text) => text.replaceAll('\n', '\r\n'))],
    ['a space in a line', armor((text) => text.replace('\n', '\n '))],
    ['an empty line', armor((text) => text.replace('\n', '\n\n'))],
    [
      'one long line',
      armor((text) => text.replaceAll(/(?<=[A-Za-z0-9+/])\n(?=[A-Za-z0-9+/])/g, '')),
    ],
    ['base64 without padding', armor((text) => text.replaceAll('=', ''))],
    ['letters that are not ASCII', armor((text) => text.replace('BEGIN', 'B\u00c9GIN'))],
  ])('armor: %s', (_name, make) => {
    expect(refused(() => parseSshsig(make()))).toBe('armor');
  });

  it.each([
    ['a compressed point', 33, 0x02],
    ['a point without its marker', 65, 0x00],
    ['a point that is too short', 64, 0x04],
  ])('%s', (_name, length, first) => {
    const point = new Uint8Array(length);
    point[0] = first;
    const key = concatBytes(
      ...[utf8('ecdsa-sha2-nistp256'), utf8('nistp256'), point].map(lengthPrefixed),
    );
    expect(refused(() => parseSshKey(key))).toBe('curve');
  });

  it('a point that is not on the curve verifies nothing', async () => {
    const point = new Uint8Array(65).fill(1);
    point[0] = 0x04;
    const key = concatBytes(
      ...[utf8('ecdsa-sha2-nistp256'), utf8('nistp256'), point].map(lengthPrefixed),
    );
    expect(await check(composed({ ...ecdsa(u8(1), u8(1)), key }))).toBe(false);
  });
});
