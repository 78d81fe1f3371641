/**
 * An admin's SSH key for development: made, kept and used here, so that `dev` can play every part without
 * ssh-keygen. It is kept as ssh-keygen wants it, so that people can approve with it what "policy build" made.
 */
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { concatBytes, lengthPrefixed, u32, utf8 } from '../../enclave/wire/bytes.ts';
import { signedBytes, type SshsigNamespace } from '../../enclave/wire/sshsig.ts';
import { toBase64 } from '../../enclave/wire/tlog-note.ts';
import { encodeOpensshKey, parseOpensshKey } from './openssh-key.ts';
import { replaceFile } from './private-file.ts';

const KEY_TYPE = 'ssh-ed25519';
const RAW_KEY_BYTES = 32;

export class SshAdmin {
  readonly name: string;
  readonly #key: KeyObject;
  readonly #blob: Uint8Array;

  constructor(name: string, key: KeyObject) {
    this.name = name;
    this.#key = key;
    const { x } = key.export({ format: 'jwk' });
    this.#blob = strings(utf8(KEY_TYPE), Buffer.from(x ?? '', 'base64url'));
    if (
      this.#blob.byteLength !== strings(utf8(KEY_TYPE), new Uint8Array(RAW_KEY_BYTES)).byteLength
    ) {
      throw new TypeError('not an Ed25519 key');
    }
  }

  /** As a policy names it: type and base64. */
  get publicKey(): string {
    return `${KEY_TYPE} ${toBase64(this.#blob)}`;
  }

  /** SSHSIG in its binary form (OpenSSH PROTOCOL.sshsig). */
  approve(namespace: SshsigNamespace, document: Uint8Array): Uint8Array {
    const digest = createHash('sha512').update(document).digest();
    const signature = sign(null, signedBytes(namespace, digest), this.#key);
    return concatBytes(
      utf8('SSHSIG'),
      u32(1),
      strings(
        this.#blob,
        utf8(namespace),
        new Uint8Array(0),
        utf8('sha512'),
        strings(utf8(KEY_TYPE), signature),
      ),
    );
  }
}

function strings(...parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes(...parts.map(lengthPrefixed));
}

/** The admin of a state folder, drawn when there is none: a key file as ssh-keygen takes it, with its `.pub` beside it. */
export function ensureSshAdmin(folder: string, name: string): SshAdmin {
  const file = join(folder, name);
  if (existsSync(file)) return new SshAdmin(name, parseOpensshKey(readFileSync(file, 'utf8')));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { privateKey } = generateKeyPairSync('ed25519');
  const admin = new SshAdmin(name, privateKey);
  replaceFile(`${file}.pub`, `${admin.publicKey} ${name}\n`, 0o644);
  replaceFile(file, encodeOpensshKey(privateKey, name), 0o600);
  return admin;
}
