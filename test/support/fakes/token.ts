/**
 * A PKCS#11 module and its tokens in memory, with real keys. What the worker pool promises is kept: objects
 * are found by CKA_ID, exactly one; a signature under another key than the recorded one is not released.
 */
import { createHmac, createPrivateKey, createPublicKey } from 'node:crypto';
import { EnclaveSigningKey, generateEnclaveKey } from '../../../enclave/core/enclave-key.ts';
import {
  TokenFailure,
  type Pin,
  type Token,
  type TokenCandidate,
  type TokenInfo,
  type TokenKey,
  type TokenModule,
  type TokenObject,
} from '../../../enclave/ports.ts';
import { algorithmRow, type AlgorithmName } from '../../../enclave/wire/algorithm.ts';
import { equalBytes } from '../../../enclave/wire/bytes.ts';
import { SeededEntropy } from './entropy.ts';

/** One CKA_PRIVATE object. Everything may be changed, as whoever holds the token's files can. */
export interface FakeObject {
  kind: TokenObject['kind'];
  id: Uint8Array;
  label: string;
  attributes: Record<string, boolean>;
  /** PKCS#8 of a private key, or the secret's value. */
  value: Uint8Array;
}

const BORN_WITH = {
  TOKEN: true,
  PRIVATE: true,
  SENSITIVE: true,
  SIGN: true,
  EXTRACTABLE: false,
  MODIFIABLE: false,
  COPYABLE: false,
  UNWRAP: false,
  DECRYPT: false,
  DERIVE: false,
  LOCAL: true,
  ALWAYS_SENSITIVE: true,
  NEVER_EXTRACTABLE: true,
} as const;

let rsaKey: Promise<Uint8Array> | undefined;

/** RSA keys take long to make and no test needs two of them: all RSA keys of fake tokens are one. */
async function bearPrivateKey(algorithm: AlgorithmName): Promise<Uint8Array> {
  if (!algorithmRow(algorithm).family.startsWith('rsa')) return generateEnclaveKey(algorithm);
  rsaKey ??= generateEnclaveKey(algorithm);
  return Uint8Array.from(await rsaKey);
}

function publicKeyOf(pkcs8: Uint8Array): Uint8Array {
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  return Uint8Array.from(createPublicKey(key).export({ format: 'der', type: 'spki' }));
}

function text(pin: Pin): string {
  return Buffer.from(pin.reveal()).toString('latin1');
}

/** The device: what stays when processes go. */
export class FakeDevice {
  serial: string;
  label = '';
  initialised = false;
  manufacturer = 'Fake project';
  userPinAtRisk = false;
  soPin = '';
  userPin = '';
  failedLogins = 0;
  objects: FakeObject[] = [];
  /** Name of the mechanism that is missing, by algorithm. */
  readonly missing = new Map<AlgorithmName, string>();

  constructor(serial: string) {
    this.serial = serial;
  }

  get info(): TokenInfo {
    return {
      label: this.label,
      manufacturer: this.manufacturer,
      model: 'Fake v1',
      serial: this.serial,
      initialised: this.initialised,
      userPinAtRisk: this.userPinAtRisk,
    };
  }

  /** The object with this label. */
  object(label: string): FakeObject {
    const found = this.objects.find((object) => object.label.startsWith(label));
    if (found === undefined) throw new RangeError(`no object ${label}`);
    return found;
  }

  remove(object: FakeObject): void {
    this.objects = this.objects.filter((other) => other !== object);
  }
}

/** Called before each operation; what it returns is thrown. */
export type TokenFault = (operation: string) => Error | undefined;

export class FakeTokenModule implements TokenModule {
  readonly devices: FakeDevice[];
  fault: TokenFault | undefined;
  /** Awaited in each operation: how long the token takes. */
  delay: () => Promise<void> = () => Promise.resolve();
  /** False: a token that signs with whatever key lies under the id. Then only the core's self-test notices. */
  checksKeys = true;
  /** Tokens that are open. */
  openTokens = 0;
  /** Operations of all tokens, in order. */
  readonly operations: string[] = [];

  signedWrong = false;
  /** Breaks the open token, as the pool does when it no longer trusts an object or the PIN. */
  breakToken: (failure: TokenFailure) => void = () => undefined;
  readonly broken = new Promise<TokenFailure>((resolve) => {
    this.breakToken = resolve;
  });

  constructor(...serials: readonly string[]) {
    this.devices = serials.map((serial) => new FakeDevice(serial));
  }

  /** The first device. */
  get device(): FakeDevice {
    const [device] = this.devices;
    if (device === undefined) throw new RangeError('no device');
    return device;
  }

  enter(operation: string): Promise<void> {
    this.operations.push(operation);
    const failure = this.fault?.(operation);
    return failure === undefined ? this.delay() : Promise.reject(failure);
  }

  async listTokens(): Promise<readonly TokenInfo[]> {
    await this.enter('listTokens');
    return this.devices.map((device) => device.info);
  }

  #free(): FakeDevice | undefined {
    return this.devices.find((device) => !device.initialised);
  }

  async candidate(): Promise<TokenCandidate | undefined> {
    await this.enter('candidate');
    const device = this.#free();
    if (device === undefined) return undefined;
    return { info: device.info, missingMechanism: (algorithm) => device.missing.get(algorithm) };
  }

  async initToken(request: {
    readonly label: string;
    readonly soPin: Pin;
    readonly userPin: Pin;
  }): Promise<TokenInfo> {
    await this.enter('initToken');
    const device = this.#free();
    if (device === undefined) throw new TokenFailure('token-missing', 'initToken');
    device.label = request.label;
    device.initialised = true;
    device.soPin = text(request.soPin);
    device.userPin = text(request.userPin);
    device.objects = [];
    return device.info;
  }

  async open(serial: string, userPin: Pin): Promise<Token> {
    await this.enter('open');
    const device = this.devices.find((candidate) => candidate.serial === serial);
    if (device?.initialised !== true) throw new TokenFailure('token-missing', 'open');
    if (device.userPinAtRisk) throw new TokenFailure('pin-at-risk', 'open');
    if (text(userPin) !== device.userPin) {
      device.failedLogins += 1;
      throw new TokenFailure('pin-rejected', 'open', 0xa0);
    }
    this.openTokens += 1;
    return new FakeToken(this, device);
  }
}

class FakeToken implements Token {
  readonly #module: FakeTokenModule;
  readonly #device: FakeDevice;
  #closed = false;

  constructor(module: FakeTokenModule, device: FakeDevice) {
    this.#module = module;
    this.#device = device;
  }

  get info(): TokenInfo {
    return this.#device.info;
  }

  get broken(): Promise<TokenFailure> {
    return this.#module.broken;
  }

  missingMechanism(algorithm: AlgorithmName): string | undefined {
    return this.#device.missing.get(algorithm);
  }

  workersReady(): number {
    return this.#closed ? 0 : 1;
  }

  signedWrong(): boolean {
    return this.#module.signedWrong;
  }

  async #enter(operation: string): Promise<void> {
    if (this.#closed) throw new TokenFailure('unavailable', operation);
    await this.#module.enter(operation);
  }

  async inventory(): Promise<readonly TokenObject[]> {
    await this.#enter('inventory');
    return this.#device.objects.map(shown);
  }

  async generateKeyPair(request: {
    readonly id: Uint8Array;
    readonly label: string;
    readonly algorithm: AlgorithmName;
  }) {
    await this.#enter('generateKeyPair');
    const value = await bearPrivateKey(request.algorithm);
    const object = this.#add('private-key', request, value);
    return { publicKey: publicKeyOf(value), object };
  }

  async generateSecret(request: { readonly id: Uint8Array; readonly label: string }) {
    await this.#enter('generateSecret');
    const value = new SeededEntropy(`${this.#device.serial}/${request.label}`).bytes(32);
    return this.#add('secret', request, value);
  }

  #add(
    kind: 'private-key' | 'secret',
    request: { readonly id: Uint8Array; readonly label: string },
    value: Uint8Array,
  ): TokenObject {
    const attributes = kind === 'secret' ? { ...BORN_WITH, WRAP: false } : { ...BORN_WITH };
    const id = Uint8Array.from(request.id);
    const object: FakeObject = { kind, id, label: request.label, attributes, value };
    this.#device.objects.push(object);
    return shown(object);
  }

  async sign(key: TokenKey, input: Uint8Array): Promise<Uint8Array> {
    await this.#enter('sign');
    const { value } = this.#find('private-key', key.id, 'sign');
    if (this.#module.checksKeys && !equalBytes(publicKeyOf(value), key.publicKey)) {
      throw new TokenFailure('object-altered', 'sign');
    }
    const signer = new EnclaveSigningKey(
      key.algorithm,
      Uint8Array.from(value),
      new SeededEntropy('token'),
    );
    const whole = key.algorithm === 'EdDSA';
    const bytes = Uint8Array.from(input);
    return signer.sign(
      whole ? { digest: undefined, message: bytes } : { digest: bytes, message: undefined },
      'p1363',
    );
  }

  async hmac(id: Uint8Array, data: Uint8Array): Promise<Uint8Array> {
    await this.#enter('hmac');
    const { value } = this.#find('secret', id, 'hmac');
    return new Uint8Array(createHmac('sha256', value).update(data).digest());
  }

  async destroy(id: Uint8Array): Promise<void> {
    await this.#enter('destroy');
    this.#device.objects = this.#device.objects.filter((object) => !equalBytes(object.id, id));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#module.openTokens -= 1;
    await this.#module.enter('close');
  }

  #find(kind: FakeObject['kind'], id: Uint8Array, operation: string): FakeObject {
    const found = this.#device.objects.filter(
      (object) => object.kind === kind && equalBytes(object.id, id),
    );
    const [object, second] = found;
    if (object === undefined) throw new TokenFailure('object-missing', operation);
    if (second !== undefined) throw new TokenFailure('object-ambiguous', operation);
    return object;
  }
}

function shown(object: FakeObject): TokenObject {
  const { kind, id, label, attributes } = object;
  return { kind, id: Uint8Array.from(id), label, attributes: { ...attributes } };
}
