import { generateKeyPairSync, hash, sign, type KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { judgeCheckpoint } from '../../enclave/core/sessions/last-checkpoint.ts';
import { concatBytes, utf8 } from '../../enclave/wire/bytes.ts';
import { noteKeyIdInput } from '../../enclave/wire/tlog-note.ts';
import '../support/matchers.ts';

const ORIGIN = 'sealwright.example/log/1';
const SIZE = 1000;
const ROOT = new Uint8Array(32).fill(7);
const OTHER_ROOT = new Uint8Array(32).fill(8);

const logPair = generateKeyPairSync('ed25519');
const rawKey = ({ publicKey }: { publicKey: KeyObject }): Uint8Array =>
  Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' })).slice(-32);

interface Note {
  readonly origin?: string;
  readonly size?: number | string;
  readonly root?: Uint8Array;
  readonly pair?: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
  /** Name in the signature's line. */
  readonly name?: string;
  readonly extra?: string;
}

function signatureLine(text: string, name: string, pair: NonNullable<Note['pair']>): string {
  const keyId = hash('sha256', noteKeyIdInput(name, rawKey(pair)), 'buffer').subarray(0, 4);
  const signature = sign(null, Buffer.from(text), pair.privateKey);
  return `— ${name} ${Buffer.from(concatBytes(keyId, signature)).toString('base64')}\n`;
}

function note({
  origin = ORIGIN,
  size = SIZE,
  root = ROOT,
  pair = logPair,
  name = origin,
  extra = '',
}: Note = {}): Uint8Array {
  const text = `${origin}\n${String(size)}\n${Buffer.from(root).toString('base64')}\n${extra}`;
  return utf8(`${text}\n${signatureLine(text, name, pair)}`);
}

/** The enclave's own log has 1,000 leaves. */
function judged(bytes: Uint8Array): boolean {
  const log = { head: () => ({ logSize: SIZE, logRoot: ROOT }) };
  return judgeCheckpoint({ log: log as never, logOrigin: ORIGIN, logKey: rawKey(logPair) }, bytes);
}

describe('the last checkpoint of a caller is taken', () => {
  test.each([
    ['when there is none', new Uint8Array(0)],
    ['when it is the log’s head', note()],
    [
      'when it is smaller, whatever its root: its caller gets a proof',
      note({ size: 999, root: OTHER_ROOT }),
    ],
    ['when it is that of the empty log', note({ size: 0, root: OTHER_ROOT })],
    [
      'with the signatures of witnesses beside ours',
      concatBytes(note(), utf8(`— witness.example ${Buffer.alloc(76, 1).toString('base64')}\n`)),
    ],
  ])('%s', (_, bytes) => {
    expect(judged(bytes)).toBe(true);
  });
});

describe('the last checkpoint of a caller proves a rollback', () => {
  test.each([
    ['when it is larger than the log', note({ size: 1001 }), '1001'],
    ['when it is much larger', note({ size: Number.MAX_SAFE_INTEGER }), '9007199254740991'],
    ['when it has another root at the log’s size', note({ root: OTHER_ROOT }), '1000'],
  ])('%s', async (_, bytes, caller) => {
    await expect(() => judged(bytes)).toHaltWith('ROLLBACK_DETECTED', { log: '1000', caller });
  });
});

describe('what is no checkpoint of this log halts nothing, and is not taken', () => {
  const stranger = generateKeyPairSync('ed25519');
  const genuine = new TextDecoder().decode(note({ size: 2000 }));
  test.each([
    ['signed by another key in our name', note({ size: 2000, pair: stranger })],
    ['signed by us in another name', note({ size: 2000, name: 'other.example/log' })],
    ['of another origin', note({ size: 2000, origin: 'other.example/log' })],
    [
      'of another origin, signed in our name',
      note({ size: 2000, origin: 'other.example', name: ORIGIN }),
    ],
    ['with another size than was signed', utf8(genuine.replace('\n2000\n', '\n2001\n'))],
    ['without a signature', utf8(genuine.slice(0, genuine.indexOf('—')))],
    ['signed twice by us: the log signs once', utf8(genuine + genuine.slice(genuine.indexOf('—')))],
    ['cut', utf8(genuine.slice(0, -5))],
    ['with a size that is none', note({ size: '02000' })],
    ['that is not UTF-8', Uint8Array.of(0xff, 0xfe)],
    ['that is no note', utf8('2000')],
    ['that is one line feed', utf8('\n')],
  ])('%s', (_, bytes) => {
    expect(judged(bytes)).toBe(false);
  });
});
