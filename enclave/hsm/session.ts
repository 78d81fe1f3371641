/** One logged-in PKCS#11 session of a worker and what it does. Synchronous; one operation at a time. */
import { isAlgorithmName, type AlgorithmName } from '../wire/algorithm.ts';
import type {
  HsmSignRequest,
  KeyPairGenerated,
  ObjectAttributes,
  TokenOpened,
} from '../wire/gen/sealwright/enclave/v1/hsm.ts';
import {
  CKF_RW_SESSION,
  CKF_SERIAL_SESSION,
  CKF_USER_PIN_AT_RISK,
  CKO_PRIVATE_KEY,
  CKO_SECRET_KEY,
  CKS_RW_USER_FUNCTIONS,
  CKU_USER,
  CryptokiError,
  type Cryptoki,
  type Handle,
  type Mechanism,
} from './cryptoki.ts';
import { errorClassOf } from './error-class.ts';
import { CKM, neededMechanisms, signingPlan } from './mechanisms.ts';
import { TokenObjects } from './objects.ts';
import { Refusal } from './refusal.ts';
import { makeSelfTest } from './self-test.ts';
import { encodeSpki } from './spki.ts';
import { privateKeyTemplate, publicKeyTemplate, secretTemplate } from './templates.ts';
import { describeToken, requireToken, tokenInfo, type SlotToken } from './token-admin.ts';

/** RSA of 8,192 bits. */
const MAX_SIGNATURE_BYTES = 1024;
const HMAC_MECHANISM = { mechanism: CKM.CKM_SHA256_HMAC };

export class TokenSession {
  readonly #module: Cryptoki;
  readonly #token: SlotToken;
  #session: Handle;
  #objects: TokenObjects;
  /** Reused by every C_Sign: results are copied out before the next. */
  readonly #output = Buffer.alloc(MAX_SIGNATURE_BYTES);

  private constructor(module: Cryptoki, token: SlotToken, session: Handle) {
    this.#module = module;
    this.#token = token;
    this.#session = session;
    this.#objects = new TokenObjects(module, session);
  }

  /** `takePin` is called only when no flag speaks against a login. */
  static open(module: Cryptoki, serial: string, takePin: () => string): TokenSession {
    const token = requireToken(module, serial);
    if ((token.info.flags & CKF_USER_PIN_AT_RISK) !== 0) throw new Refusal('pin-at-risk');
    const session = module.C_OpenSession(token.slot, CKF_SERIAL_SESSION | CKF_RW_SESSION);
    module.C_Login(session, CKU_USER, takePin());
    const opened = new TokenSession(module, token, session);
    opened.#enter();
    return opened;
  }

  describe(): TokenOpened {
    return describeToken(this.#module, this.#token);
  }

  /** A view that is valid until the next operation. */
  sign({ id, algorithm: name, input, publicKey }: HsmSignRequest): Uint8Array {
    const algorithm = hsmAlgorithm(name);
    const plan = signingPlan(algorithm);
    if (plan === undefined) throw new Refusal('bad-request');
    if (plan.inputBytes !== undefined && plan.inputBytes !== input.length)
      throw new Refusal('bad-request');
    const data = plan.prepare(asBuffer(input));
    // docs/spec/state-index.md: a self-test signature under the recorded public key at every re-find. An object that was swapped or
    // damaged on the token is noticed before it signs for anybody.
    const prove = (handle: Handle): void => {
      const test = makeSelfTest(algorithm);
      const signature = this.#sign(handle, plan.mechanism, plan.prepare(asBuffer(test.input)));
      if (!test.accepts(publicKey, signature)) throw new Refusal('object-altered');
    };
    return this.#recovering(() => {
      const handle = this.#objects.require(CKO_PRIVATE_KEY, id, prove);
      return this.#sign(handle, plan.mechanism, data);
    });
  }

  /** Made twice: nothing else tells a wrong MAC from a right one, and a key sealed under it would be lost. */
  hmac(id: Uint8Array, data: Uint8Array): Uint8Array {
    return this.#recovering(() => {
      const handle = this.#objects.require(CKO_SECRET_KEY, id);
      const mac = Buffer.from(this.#sign(handle, HMAC_MECHANISM, asBuffer(data)));
      if (!mac.equals(this.#sign(handle, HMAC_MECHANISM, asBuffer(data))))
        throw new Refusal('module-unusable');
      return mac;
    });
  }

  generateKeyPair(id: Uint8Array, label: string, name: string): KeyPairGenerated {
    const algorithm = hsmAlgorithm(name);
    const mechanism = { mechanism: CKM[neededMechanisms(algorithm)[0].name] };
    return this.#recovering(() => {
      // Also after a lost session: the call that lost it may have made the key.
      if (this.#objects.exists(CKO_PRIVATE_KEY, id)) throw new Refusal('object-exists');
      const pair = this.#module.C_GenerateKeyPair(
        this.#session,
        mechanism,
        publicKeyTemplate(algorithm),
        privateKeyTemplate(Buffer.from(id), label, algorithm),
      );
      const publicKey = this.#readPublicKey(algorithm, pair.publicKey);
      this.#module.C_DestroyObject(this.#session, pair.publicKey);
      const attributes = this.#objects.attributesOf(pair.privateKey);
      this.#objects.check(attributes, CKO_PRIVATE_KEY, id);
      return { publicKey, attributes };
    });
  }

  generateSecret(id: Uint8Array, label: string): ObjectAttributes {
    return this.#recovering(() => {
      if (this.#objects.exists(CKO_SECRET_KEY, id)) throw new Refusal('object-exists');
      const handle = this.#module.C_GenerateKey(
        this.#session,
        { mechanism: CKM.CKM_GENERIC_SECRET_KEY_GEN },
        secretTemplate(Buffer.from(id), label),
      );
      const attributes = this.#objects.attributesOf(handle);
      this.#objects.check(attributes, CKO_SECRET_KEY, id);
      return attributes;
    });
  }

  destroy(id: Uint8Array): number {
    return this.#recovering(() => this.#objects.destroy(id));
  }

  inventory(): ObjectAttributes[] {
    return this.#recovering(() => this.#objects.inventory());
  }

  #sign(handle: Handle, mechanism: Mechanism, data: Buffer): Buffer {
    this.#module.C_SignInit(this.#session, mechanism, handle);
    return this.#module.C_Sign(this.#session, data, this.#output);
  }

  #readPublicKey(algorithm: AlgorithmName, handle: Handle): Uint8Array {
    if (algorithm.startsWith('RS') || algorithm.startsWith('PS')) {
      const [modulus, publicExponent] = this.#objects.read(handle, ['MODULUS', 'PUBLIC_EXPONENT']);
      if (modulus === undefined || publicExponent === undefined)
        throw new Refusal('module-unusable');
      return encodeSpki(algorithm, { modulus, publicExponent });
    }
    const [ecPoint] = this.#objects.read(handle, ['EC_POINT']);
    if (ecPoint === undefined) throw new Refusal('module-unusable');
    return encodeSpki(algorithm, { ecPoint });
  }

  /** Class `session`: a new session, objects found again, retried once. */
  #recovering<T>(operation: () => T): T {
    try {
      return operation();
    } catch (error) {
      if (!(error instanceof CryptokiError)) throw error;
      if (errorClassOf(error.rv, error.functionName) !== 'session') throw error;
    }
    this.#renew();
    return operation();
  }

  #renew(): void {
    const lost = this.#session;
    // The new one first: closing the last session of a process logs it out (v3.1 §5.6.2).
    this.#session = this.#module.C_OpenSession(
      this.#token.slot,
      CKF_SERIAL_SESSION | CKF_RW_SESSION,
    );
    try {
      this.#module.C_CloseSession(lost);
    } catch (error) {
      // Mostly it is gone already.
      if (!(error instanceof CryptokiError)) throw error;
    }
    if (tokenInfo(this.#module, this.#token.slot).serial !== this.#token.info.serial)
      throw new Refusal('token-missing');
    this.#objects = new TokenObjects(this.#module, this.#session);
    this.#enter();
  }

  /** The worker has forgotten the PIN, so a session that is not the user's is for the pool to replace. */
  #enter(): void {
    const { state } = this.#module.C_GetSessionInfo(this.#session);
    if (state !== CKS_RW_USER_FUNCTIONS) throw new Refusal('login-lost');
    this.#objects.sweep();
  }
}

function hsmAlgorithm(name: string): AlgorithmName {
  if (!isAlgorithmName(name) || signingPlan(name) === undefined) throw new Refusal('bad-request');
  return name;
}

/** pkcs11js accepts Buffers only; a view, no copy. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
