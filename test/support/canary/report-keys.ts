/**
 * The enclave's side: whatever key or key material passes through node:crypto or Web Crypto in this process is written to
 * SECRETS_DESCRIPTOR, before anything can be done with it. So a key of a later feature is handed out too, without a
 * line here.
 */
import crypto, { KeyObject, type webcrypto } from 'node:crypto';
import { fstatSync, writeSync } from 'node:fs';
import { exchange } from './exchange.ts';
import { SECRETS_DESCRIPTOR, type Secret } from './secret.ts';

/** Whoever starts a canary without its file wants an enclave and no secrets; another descriptor may have the number. */
function isListenedTo(): boolean {
  try {
    return fstatSync(SECRETS_DESCRIPTOR).isFile();
  } catch {
    return false;
  }
}
const listenedTo = isListenedTo();

export function report(kind: Secret['kind'], name: string, parts: readonly Uint8Array[]): void {
  if (!listenedTo) return;
  const secret: Secret = {
    kind,
    name,
    parts: parts.map((part) => Buffer.from(part).toString('hex')),
  };
  // Synchronous: an enclave that is killed in the next moment has said it.
  writeSync(SECRETS_DESCRIPTOR, `${JSON.stringify(secret)}\n`);
}

/** JSON Web Key members that are private (RFC 7518 §6, RFC 8037 §2, RFC 9964 §3). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'priv'] as const;
/** FIPS 204 §7.2, skEncode: rho, K and tr of 32, 32 and 64 bytes, then the secret vectors. */
const ML_DSA_SEED = { from: 32, to: 64 };
const ML_DSA_VECTORS = { from: 128, to: 256 };

function reportPair(publicKey: KeyObject, privateKey: KeyObject): void {
  const jwk = privateKey.export({ format: 'jwk' });
  const parts: Uint8Array[] = PRIVATE_MEMBERS.flatMap((member) => {
    const value = jwk[member];
    return typeof value === 'string' ? [Buffer.from(value, 'base64url')] : [];
  });
  if (jwk.kty === 'AKP') parts.push(...expandedParts(privateKey));
  report('private-key', spki(publicKey), parts);
}

/** OpenSSL writes the seed and the expanded key; the latter ends the PKCS#8 and is longer than half of it. */
function expandedParts(privateKey: KeyObject): Buffer[] {
  const sizes: Record<string, number> = { 'ml-dsa-44': 2560, 'ml-dsa-65': 4032, 'ml-dsa-87': 4896 };
  const expanded = privateKey
    .export({ format: 'der', type: 'pkcs8' })
    .subarray(-(sizes[privateKey.asymmetricKeyType ?? ''] ?? 0));
  return [ML_DSA_SEED, ML_DSA_VECTORS].map(({ from, to }) => expanded.subarray(from, to));
}

const spki = (key: KeyObject): string =>
  key.export({ format: 'der', type: 'spki' }).toString('hex');

type AnyFunction = (...args: never[]) => unknown;

/** Calls `seen` with arguments and result of every call of `real`. */
function watched<Real>(real: Real, seen: (args: unknown[], result: unknown) => void): Real {
  return ((...args: never[]) => {
    const result = (real as AnyFunction)(...args);
    seen(args, result);
    return result;
  }) as Real;
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

/** HPKE's keys and what its key schedule is keyed with. Anything that can be exported nowhere else can be here. */
function reportWebKeys(): void {
  const { subtle } = crypto.webcrypto;
  exchange(subtle, 'generateKey', (real) => {
    const reporting = async (...args: unknown[]): Promise<unknown> => {
      const made = (await Reflect.apply(real as AnyFunction, subtle, args)) as Partial<
        Record<'publicKey' | 'privateKey', webcrypto.CryptoKey>
      >;
      const { publicKey, privateKey } = made;
      if (publicKey !== undefined && privateKey !== undefined) {
        reportPair(KeyObject.from(publicKey), KeyObject.from(privateKey));
      }
      return made;
    };
    return reporting as typeof real;
  });
  exchange(subtle, 'importKey', (real) => {
    const reporting = (...args: unknown[]): unknown => {
      const [format, data, , , usages] = args;
      const secret = format === 'raw' && (usages as readonly string[]).length > 0;
      const bytes = secret ? new Uint8Array(Buffer.from(data as Uint8Array)) : undefined;
      // A salt that is none is no secret.
      if (bytes !== undefined && !isZero(bytes)) report('secret-key', 'importKey', [bytes]);
      return Reflect.apply(real as AnyFunction, subtle, args);
    };
    return reporting as typeof real;
  });
}

/** Before anything else of the enclave runs. */
export function reportKeys(): void {
  reportWebKeys();
  exchange(crypto, 'generateKeyPairSync', (real) =>
    watched(real, (_args, result) => {
      const { publicKey, privateKey } = result as Record<'publicKey' | 'privateKey', KeyObject>;
      reportPair(publicKey, privateKey);
    }),
  );
  exchange(crypto, 'generateKeyPair', (real) => {
    const reporting = (...args: unknown[]): void => {
      const done = args.pop() as (...results: unknown[]) => void;
      const then = (error: unknown, publicKey: KeyObject, privateKey: KeyObject): void => {
        if (error === null) reportPair(publicKey, privateKey);
        done(error, publicKey, privateKey);
      };
      (real as AnyFunction)(...([...args, then] as never[]));
    };
    return reporting as typeof real;
  });
  exchange(crypto, 'createPrivateKey', (real) =>
    watched(real, (_args, result) => {
      const key = result as KeyObject;
      reportPair(crypto.createPublicKey(key), key);
    }),
  );
  exchange(crypto, 'createSecretKey', (real) =>
    watched(real, (_args, result) => {
      report('secret-key', 'createSecretKey', [(result as KeyObject).export()]);
    }),
  );
  exchange(crypto, 'hkdfSync', (real) =>
    watched(real, ([, keyingMaterial, , info], result) => {
      const label =
        Buffer.from(info as Uint8Array)
          .toString('latin1')
          .split('\0', 1)[0] ?? '';
      report('key-material', label, [
        keyingMaterial as Uint8Array,
        new Uint8Array(result as ArrayBuffer),
      ]);
    }),
  );
}
