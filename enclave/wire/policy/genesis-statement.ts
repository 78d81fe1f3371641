/** What admins sign at genesis (docs/spec/genesis.md): one cluster, one manifest, one code, one token. */
import { toHex } from '../bytes.ts';
import { ObjectReader } from '../closed-schema.ts';
import { canonicalize, parseSignedJson } from '../signed-json.ts';

export interface GenesisStatement {
  readonly clusterId: Uint8Array;
  readonly genesisDigest: Uint8Array;
  /** MR0, MR1, MR2: 48 bytes each. */
  readonly measurements: readonly [Uint8Array, Uint8Array, Uint8Array];
  /** As the module shows it before the token is initialised; empty when it shows none. */
  readonly tokenSerial: string;
}

const MAX_STATEMENT_BYTES = 2048;
const DIGEST_BYTES = 32;
const REGISTER_BYTES = 48;
/** CK_TOKEN_INFO's serial number is 16 characters (PKCS#11 v3.1 §3.2); printable ones here. */
export const TOKEN_SERIAL = /^[\x20-\x7e]{0,64}$/;

export function encodeGenesisStatement(statement: GenesisStatement): Uint8Array {
  const [mr0, mr1, mr2] = statement.measurements;
  return canonicalize({
    v: 1,
    kind: 'genesis',
    clusterId: toHex(statement.clusterId),
    genesisDigest: toHex(statement.genesisDigest),
    mr0: toHex(mr0),
    mr1: toHex(mr1),
    mr2: toHex(mr2),
    tokenSerial: statement.tokenSerial,
  });
}

/** Throws SignedJsonError with the place of the first problem. */
export function parseGenesisStatement(bytes: Uint8Array): GenesisStatement {
  const reader = new ObjectReader(parseSignedJson(bytes, MAX_STATEMENT_BYTES));
  reader.integer('v', 1, 1);
  reader.oneOf('kind', ['genesis']);
  const statement: GenesisStatement = {
    clusterId: reader.hex('clusterId', DIGEST_BYTES),
    genesisDigest: reader.hex('genesisDigest', DIGEST_BYTES),
    measurements: [
      reader.hex('mr0', REGISTER_BYTES),
      reader.hex('mr1', REGISTER_BYTES),
      reader.hex('mr2', REGISTER_BYTES),
    ],
    tokenSerial: reader.string('tokenSerial', TOKEN_SERIAL),
  };
  reader.end();
  return statement;
}
