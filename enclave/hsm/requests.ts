/** One HsmRequest → one HsmResponse, inside a worker. */
import type { HsmRequest, HsmResponse } from '../wire/gen/sealwright/enclave/v1/hsm.ts';
import { CryptokiError, type Cryptoki } from './cryptoki.ts';
import { Refusal } from './refusal.ts';
import { TokenSession } from './session.ts';
import { describeToken, initToken, listSlots, requireCandidate } from './token-admin.ts';

type Result = NonNullable<HsmResponse['result']>;

export class WorkerRequests {
  readonly #load: () => Cryptoki;
  readonly #takePins: (count: number) => string[];
  #module: Cryptoki | undefined;
  #session: TokenSession | undefined;

  /** `load` loads and initialises the module; `takePins` reads the PIN pipe, which has something to say once. */
  constructor(load: () => Cryptoki, takePins: (count: number) => string[]) {
    this.#load = load;
    this.#takePins = takePins;
  }

  /** Throws only what is neither a CKR_* nor a refusal: a bug or a broken module, and the end of the worker. */
  answer(request: HsmRequest): HsmResponse {
    try {
      return { result: this.#answer(request) };
    } catch (error) {
      if (error instanceof CryptokiError) {
        return {
          result: { $case: 'failure', value: { rv: error.rv, function: error.functionName } },
        };
      }
      if (error instanceof Refusal) {
        return { result: { $case: 'failure', value: { rv: 0, function: error.word } } };
      }
      throw error;
    }
  }

  /** Leaves the token as one should; the process ends whatever this says. */
  close(): void {
    this.#module?.C_Finalize();
  }

  #answer({ call }: HsmRequest): Result {
    switch (call?.$case) {
      case 'listTokens':
        return {
          $case: 'tokenList',
          value: { tokens: listSlots(this.#loaded()).map(({ info }) => info) },
        };
      case 'describeCandidate': {
        const module = this.#loaded();
        const candidate = requireCandidate(module);
        return { $case: 'tokenOpened', value: describeToken(module, candidate) };
      }
      case 'initToken': {
        const [soPin = '', userPin = ''] = this.#takePins(2);
        return { $case: 'tokenInfo', value: initToken(this.#loaded(), call.value, soPin, userPin) };
      }
      case 'openToken': {
        if (this.#session !== undefined) throw new Refusal('bad-request');
        const takePin = (): string => this.#takePins(1)[0] ?? '';
        this.#session = TokenSession.open(this.#loaded(), call.value.serial, takePin);
        return { $case: 'tokenOpened', value: this.#session.describe() };
      }
      case 'sign':
        return { $case: 'signature', value: this.#open().sign(call.value) };
      case 'hmac':
        return { $case: 'mac', value: this.#open().hmac(call.value.id, call.value.data) };
      case 'generateKeyPair': {
        const { id, label, algorithm } = call.value;
        return { $case: 'keyPair', value: this.#open().generateKeyPair(id, label, algorithm) };
      }
      case 'generateSecret':
        return {
          $case: 'attributes',
          value: this.#open().generateSecret(call.value.id, call.value.label),
        };
      case 'destroy':
        return { $case: 'count', value: this.#open().destroy(call.value.id) };
      case 'inventory':
        return { $case: 'inventory', value: { objects: this.#open().inventory() } };
      case undefined:
        throw new Refusal('bad-request');
    }
  }

  #open(): TokenSession {
    if (this.#session === undefined) throw new Refusal('bad-request');
    return this.#session;
  }

  #loaded(): Cryptoki {
    return (this.#module ??= this.#load());
  }
}
