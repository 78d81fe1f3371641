/** Checkpoints: C2SP signed notes of the tree's head, signed with the log key (docs/spec/log.md). */
import { hash, sign, type KeyObject } from 'node:crypto';
import { encodeCheckpoint, encodeNote, noteKeyIdInput } from '../wire/tlog-note.ts';

export class CheckpointSigner {
  readonly origin: string;
  readonly #key: KeyObject;
  readonly #keyId: number;

  /** `publicKey`: the raw 32 bytes of `privateKey`'s public half. */
  constructor(origin: string, privateKey: KeyObject, publicKey: Uint8Array) {
    this.origin = origin;
    this.#key = privateKey;
    this.#keyId = hash('sha256', noteKeyIdInput(origin, publicKey), 'buffer').readUInt32BE(0);
  }

  sign(size: number, rootHash: Uint8Array): string {
    const text = encodeCheckpoint({ origin: this.origin, size, rootHash });
    const signature = sign(null, Buffer.from(text), this.#key);
    return encodeNote(text, [{ name: this.origin, keyId: this.#keyId, signature }]);
  }
}
