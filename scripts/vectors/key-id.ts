// Vectors of key ids (docs/spec/policy.md, "Key ids"): RFC 7638 thumbprints, with the RFCs' own examples.
import { createHash, createPrivateKey, createPublicKey, type JsonWebKey } from 'node:crypto';
import {
  fixedBytes,
  fromHex,
  hex,
  vector,
  type VectorCase,
  type VectorFile,
} from '../vector-file.ts';

const RSA = {
  kty: 'RSA',
  e: 'AQAB',
  n:
    '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5Js' +
    'GY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-' +
    'bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
};
const ED25519 = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
const P256 = {
  kty: 'EC',
  crv: 'P-256',
  x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
  y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
};

const spkiOf = (jwk: JsonWebKey): Uint8Array =>
  Uint8Array.from(
    createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'der', type: 'spki' }),
  );

const thumbprint = (members: string): string =>
  createHash('sha256').update(members).digest('base64url');

/** id-ml-dsa-44: OneAsymmetricKey with the seed only (RFC 9881 §6). */
function mlDsa(): { readonly spki: Uint8Array; readonly kid: string } {
  const seed = hex(fixedBytes('ml-dsa-44', 32));
  const pkcs8 = fromHex(`3034020100300b060960864801650304031104228020${seed}`);
  const key = createPublicKey(
    createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' }),
  );
  const spki = Uint8Array.from(key.export({ format: 'der', type: 'spki' }));
  // The public key of ML-DSA-44 takes 1,312 bytes (FIPS 204 table 2) and is the end of the structure.
  const pub = Buffer.from(spki.subarray(-1312)).toString('base64url');
  return { spki, kid: thumbprint(`{"alg":"ML-DSA-44","kty":"AKP","pub":"${pub}"}`) };
}

function known(id: string, comment: string, spki: Uint8Array, kid: string): VectorCase {
  return vector(id, comment, { spki: hex(spki) }, 'accept', { kid });
}

const refused = (id: string, comment: string, spki: Uint8Array): VectorCase =>
  vector(id, comment, { spki: hex(spki) }, 'KEY_REFUSED');

export function makeVectors(): VectorFile[] {
  const ecSpki = spkiOf(P256);
  const ml = mlDsa();
  const dh = createPublicKey({
    key: { kty: 'OKP', crv: 'X25519', x: '3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08' },
    format: 'jwk',
  });
  const cases = [
    known(
      'rfc7638-rsa',
      'RFC 7638 §3.1',
      spkiOf(RSA),
      'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs',
    ),
    known(
      'rfc8037-ed25519',
      'RFC 8037 A.3',
      spkiOf(ED25519),
      'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
    ),
    known(
      'rfc7515-p256',
      'the key of RFC 7515 A.3',
      ecSpki,
      thumbprint(`{"crv":"P-256","kty":"EC","x":"${P256.x}","y":"${P256.y}"}`),
    ),
    known('ml-dsa-44', 'RFC 9964: kty AKP', ml.spki, ml.kid),
    refused('empty', 'no bytes', new Uint8Array(0)),
    refused('truncated', 'the last byte is missing', ecSpki.subarray(0, -1)),
    refused(
      'x25519',
      'a key that signs nothing',
      Uint8Array.from(dh.export({ format: 'der', type: 'spki' })),
    ),
    refused(
      'off-curve',
      'y with a flipped bit',
      ecSpki.map((byte, i) => (i === ecSpki.length - 1 ? byte ^ 1 : byte)),
    ),
  ];
  return [{ file: 'key-id.json', content: { spec: 'docs/spec/policy.md', specVersion: 1, cases } }];
}
