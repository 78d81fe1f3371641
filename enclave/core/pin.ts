/** PINs are born here, live as secret KeyObjects and leave only towards the token or under a seal. */
import { createSecretKey, type KeyObject } from 'node:crypto';
import type { Entropy, Pin } from '../ports.ts';
import { toHex, utf8 } from '../wire/bytes.ts';

export class SecretPin implements Pin {
  readonly #key: KeyObject;

  /** Overwrites `bytes`. */
  constructor(bytes: Uint8Array) {
    this.#key = createSecretKey(bytes);
    bytes.fill(0);
  }

  /** 128 bits as 32 hexadecimal characters: every module takes them. */
  static draw(entropy: Entropy): SecretPin {
    const random = entropy.bytes(16);
    const pin = new SecretPin(utf8(toHex(random)));
    random.fill(0);
    return pin;
  }

  reveal(): Uint8Array {
    const exported = this.#key.export();
    const copy = Uint8Array.from(exported);
    exported.fill(0);
    return copy;
  }
}
