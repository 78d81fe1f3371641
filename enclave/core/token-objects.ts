/**
 * What must hold of every object that we use on the token, at its birth and at each boot. Two flipped
 * bytes in a SoftHSM file make a key extractable while LOCAL and NEVER_EXTRACTABLE still say true
 * (PROTOCOLS §5), so all of them are read back and none is believed for another.
 */
import type { TokenObject } from '../ports.ts';

const REQUIRED = {
  TOKEN: true,
  PRIVATE: true,
  SENSITIVE: true,
  SIGN: true,
  EXTRACTABLE: false,
  MODIFIABLE: false,
  COPYABLE: false,
  WRAP: false,
  UNWRAP: false,
  DECRYPT: false,
  DERIVE: false,
  LOCAL: true,
  ALWAYS_SENSITIVE: true,
  NEVER_EXTRACTABLE: true,
} as const satisfies Record<string, boolean>;

// PKCS#11 defines these for other classes only: a private key has no WRAP, a secret key no …_RECOVER.
const ABSENT_ALLOWED: Readonly<Record<TokenObject['kind'], ReadonlySet<string>>> = {
  'private-key': new Set(['WRAP']),
  secret: new Set(),
  other: new Set(),
};

/** Name of the first attribute that is not as it must be, or undefined. */
export function wrongAttribute(object: TokenObject): string | undefined {
  for (const [name, required] of Object.entries(REQUIRED)) {
    const found = object.attributes[name];
    if (found === undefined && ABSENT_ALLOWED[object.kind].has(name)) continue;
    if (found !== required) return name;
  }
  return undefined;
}
