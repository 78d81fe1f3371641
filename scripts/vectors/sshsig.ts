// Vectors of SSH signatures as approvals (docs/spec/admin-statements.md, "SSHSIG").
import {
  armor,
  ascii,
  concat,
  ecdsaKey,
  ed25519Key,
  hardwareKey,
  sshsig,
  string,
  type SshKey,
  type SshsigParts,
} from '../ssh-maker.ts';
import { fixedBytes, hex, vector, type VectorCase, type VectorFile } from '../vector-file.ts';

const NAMESPACE = 'sealwright-policy';
const DOCUMENT = '{"kind":"policy"}';
const TOUCHED = { application: 'ssh:', flags: 0x01, counter: 7 };

const ed25519 = ed25519Key('admin');
const p256 = ecdsaKey('admin', 'nistp256');

/** `namespace` and `document` are what the verifier wants; `signature` is a file's bytes. */
function signed(
  id: string,
  comment: string,
  signature: Uint8Array,
  expect = 'accept',
  key: SshKey = ed25519,
): VectorCase {
  const input = { key: key.line, namespace: NAMESPACE, document: DOCUMENT };
  return vector(id, comment, { ...input, signature: hex(signature) }, expect);
}

const made = (key: SshKey, parts: SshsigParts = {}): Uint8Array =>
  sshsig(key, NAMESPACE, ascii(DOCUMENT), parts);

/** The last bit is another one. */
const flipped = (bytes: Uint8Array): Uint8Array =>
  bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte));

const withBlob = (type: string, blob: Uint8Array): Pick<SshKey, 'blob' | 'line'> => ({
  blob,
  line: `${type} ${Buffer.from(blob).toString('base64')}`,
});

function accepted(): VectorCase[] {
  const keys: readonly (readonly [string, SshKey])[] = [
    ['ed25519', ed25519],
    ['ecdsa-p256', p256],
    ['ecdsa-p384', ecdsaKey('admin', 'nistp384')],
    ['sk-ed25519', hardwareKey('admin', 'ed25519', TOUCHED)],
    ['sk-ecdsa', hardwareKey('admin', 'ecdsa', TOUCHED)],
    ['sk-ed25519-pin', hardwareKey('admin', 'ed25519', { ...TOUCHED, flags: 0x05 })],
    [
      'sk-ed25519-application',
      hardwareKey('a', 'ed25519', { ...TOUCHED, application: 'ssh:work' }),
    ],
  ];
  return keys.flatMap(([name, key]) => [
    signed(name, 'binary form', made(key), 'accept', key),
    signed(`${name}-armored`, 'as ssh-keygen writes it', ascii(armor(made(key))), 'accept', key),
  ]);
}

function refusedKeys(): VectorCase[] {
  const untouched = { ...TOUCHED, flags: 0x04 };
  const p521 = ecdsaKey('admin', 'nistp521');
  const certificate: SshKey = {
    ...ed25519,
    blob: concat(string('ssh-ed25519-cert-v01@openssh.com'), string(fixedBytes('nonce', 32))),
  };
  const rsa: SshKey = {
    ...ed25519,
    blob: concat(string('ssh-rsa'), string(Uint8Array.of(1, 0, 1)), string(fixedBytes('n', 64))),
  };
  const named = (curve: string, point: Uint8Array): Uint8Array =>
    concat(string('ecdsa-sha2-nistp256'), string(curve), string(point));
  const point = p256.blob.slice(-65);
  const offCurve = { ...p256, ...withBlob(p256.type, flipped(p256.blob)) };
  const compressed = concat(Uint8Array.of(2), point.subarray(1, 33));
  return [
    signed('rsa', 'RSA keys approve nothing', made(rsa), 'key-type'),
    signed('p521', 'a curve that is not in the table', made(p521), 'key-type'),
    signed('certificate', 'a certificate is not a key', made(certificate), 'certificate'),
    signed(
      'curve-of-another',
      'the curve in the key is not that of its type',
      made(p256, { publicKey: named('nistp384', point) }),
      'curve',
      p256,
    ),
    signed(
      'point-compressed',
      'one key has one form',
      made(p256, { publicKey: named('nistp256', compressed) }),
      'curve',
      p256,
    ),
    signed(
      'point-off-curve',
      'y with a flipped bit: verifies nothing',
      made(offCurve),
      'signature',
      offCurve,
    ),
    ...(['ed25519', 'ecdsa'] as const).map((kind) => {
      const key = hardwareKey('admin', kind, untouched);
      return signed(`sk-${kind}-untouched`, 'nobody touched it', made(key), 'user-presence', key);
    }),
  ];
}

function refusedStructures(): VectorCase[] {
  const spoilt = (id: string, comment: string, parts: SshsigParts, expect: string): VectorCase =>
    signed(id, comment, made(ed25519, parts), expect);
  const typed = (type: string, value: Uint8Array, after = new Uint8Array(0)): SshsigParts => ({
    signature: concat(string(type), string(value), after),
  });
  const integers = (r: Uint8Array, s: Uint8Array): Uint8Array =>
    made(p256, typed('ecdsa-sha2-nistp256', concat(string(r), string(s))));
  const one = Uint8Array.of(1);
  return [
    signed('empty', 'no bytes', new Uint8Array(0), 'magic'),
    spoilt('magic', 'other letters', { magic: 'SSHGIS' }, 'magic'),
    spoilt('version-0', 'an older version', { version: 0 }, 'version'),
    spoilt('version-2', 'a later version', { version: 2 }, 'version'),
    spoilt('reserved', 'reserved is not empty', { reserved: 'x' }, 'reserved'),
    spoilt('sha256', 'one hash only', { hash: 'sha256' }, 'hash'),
    spoilt('hash-upper', 'names have one case', { hash: 'SHA512' }, 'hash'),
    spoilt('trailing', 'a byte after it', { after: Uint8Array.of(0) }, 'length'),
    signed('truncated', 'the last byte is missing', made(ed25519).slice(0, -1), 'length'),
    spoilt('type-rsa', 'not the key’s', typed('ssh-rsa', new Uint8Array(64)), 'signature-type'),
    spoilt(
      'short',
      'an Ed25519 signature of 63 bytes',
      typed('ssh-ed25519', new Uint8Array(63)),
      'length',
    ),
    spoilt(
      'long',
      'an Ed25519 signature of 65 bytes',
      typed('ssh-ed25519', new Uint8Array(65)),
      'length',
    ),
    spoilt(
      'authenticator-of-software',
      'flags and counter under a key in software',
      typed('ssh-ed25519', new Uint8Array(64), new Uint8Array(5)),
      'length',
    ),
    signed(
      'mpint-negative',
      'the top bit is set',
      integers(Uint8Array.of(0x80), one),
      'mpint',
      p256,
    ),
    signed(
      'mpint-padded',
      'a zero that is not needed',
      integers(Uint8Array.of(0, 1), one),
      'mpint',
      p256,
    ),
    signed('mpint-zero', 'an empty integer', integers(one, new Uint8Array(0)), 'mpint', p256),
    signed('mpint-wide', '33 bytes', integers(concat(one, new Uint8Array(32)), one), 'mpint', p256),
    signed('mpint-ones', 'well-formed, and no signature', integers(one, one), 'signature', p256),
    signed('large', '4,097 bytes', new Uint8Array(4097), 'length'),
  ];
}

function refusedMeaning(): VectorCase[] {
  const other = (namespace: string, document: string): Uint8Array =>
    sshsig(ed25519, namespace, ascii(document));
  return [
    signed('namespace-git', 'a signed commit', other('git', DOCUMENT), 'namespace'),
    signed(
      'namespace-genesis',
      'of another kind of document',
      other('sealwright-genesis', DOCUMENT),
      'namespace',
    ),
    signed('namespace-suffix', 'a longer name', other(`${NAMESPACE}2`, DOCUMENT), 'namespace'),
    signed('namespace-nul', 'a control character', other(`${NAMESPACE}\0`, DOCUMENT), 'text'),
    signed(
      'document',
      'over another document',
      other(NAMESPACE, '{"kind":"policies"}'),
      'signature',
    ),
    signed('bit', 'one bit of the signature', flipped(made(ed25519)), 'signature'),
    signed('key', 'a good signature by another key', made(ed25519Key('somebody')), 'not-an-admin'),
  ];
}

function refusedArmor(): VectorCase[] {
  const good = armor(made(ed25519));
  const spoilt = (id: string, comment: string, text: string): VectorCase =>
    signed(`armor-${id}`, comment, ascii(text), 'armor');
  return [
    spoilt('before', 'text before it', `-${good}`),
    spoilt('after', 'text after it', `${good}x`),
    spoilt('twice', 'two of them', good + good),
    spoilt('crlf', 'carriage returns', armor(made(ed25519), '\r\n')),
    spoilt('wide', 'lines of 77', armor(made(ed25519), '\n', 77)),
    spoilt('blank', 'an empty line', good.replace('\n', '\n\n')),
    spoilt('space', 'a space', good.replace('\n', '\n ')),
    spoilt('padding', 'base64 without its padding', good.replaceAll('=', '')),
    spoilt('utf-8', 'a letter that is not ASCII', good.replace('BEGIN', 'B\u00c9GIN')),
  ];
}

export function makeVectors(): VectorFile[] {
  const cases = [
    ...accepted(),
    ...refusedKeys(),
    ...refusedStructures(),
    ...refusedMeaning(),
    ...refusedArmor(),
  ];
  const spec = 'docs/spec/admin-statements.md';
  return [{ file: 'sshsig.json', content: { spec, specVersion: 1, cases } }];
}
