/** TokenModule over worker processes: what the entries connect to the core. */
import {
  TokenFailure,
  type Pin,
  type Token,
  type TokenCandidate,
  type TokenInfo,
  type TokenModule,
} from '../ports.ts';
import type { HsmRequest } from '../wire/gen/sealwright/enclave/v1/hsm.ts';
import { judgeFailure } from './failure.ts';
import { firstMissingMechanism } from './mechanisms.ts';
import { offeredMechanisms, OpenToken, portTokenInfo } from './open-token.ts';
import { completeOptions, type CompletePoolOptions, type PoolOptions } from './options.ts';
import { WorkerPool } from './worker-pool.ts';
import { WorkerProcess, type WorkerResult } from './pool-worker.ts';

const ONE_OFF_GRACE_MS = 1_000;

/** Nothing is started until it is asked for. Throws RangeError for an impossible size. */
export function openTokenModule(options: PoolOptions): TokenModule {
  return new HsmModule(options);
}

class HsmModule implements TokenModule {
  readonly #options: CompletePoolOptions;
  /** A login failed in this boot: there is no second (PROTOCOLS §5; Luna locks after ten). */
  #loginRefused = false;

  constructor(options: PoolOptions) {
    const complete = completeOptions(options);
    this.#options = {
      ...complete,
      onEvent: (event) => {
        if (event.kind === 'login-refused') this.#loginRefused = true;
        complete.onEvent(event);
      },
    };
  }

  async listTokens(): Promise<readonly TokenInfo[]> {
    const result = await this.#once('listTokens', { call: { $case: 'listTokens', value: {} } });
    if (result.$case !== 'tokenList') throw new TokenFailure('unavailable', 'listTokens');
    return result.value.tokens.map(portTokenInfo);
  }

  async candidate(): Promise<TokenCandidate | undefined> {
    const call = { $case: 'describeCandidate', value: {} } as const;
    try {
      const result = await this.#once('candidate', { call });
      if (result.$case !== 'tokenOpened') throw new TokenFailure('unavailable', 'candidate');
      const offered = offeredMechanisms(result.value);
      return {
        info: portTokenInfo(result.value.token),
        missingMechanism: (algorithm) => firstMissingMechanism(algorithm, offered),
      };
    } catch (error) {
      if (error instanceof TokenFailure && error.kind === 'token-missing') return undefined;
      throw error;
    }
  }

  /**
   * See TokenModule. If this
   * rejects after C_InitToken, the token is initialised but has no user PIN; its SO PIN is `soPin`.
   */
  async initToken(request: {
    readonly label: string;
    readonly soPin: Pin;
    readonly userPin: Pin;
  }): Promise<TokenInfo> {
    const { label } = request;
    const result = await this.#once(
      'initToken',
      { call: { $case: 'initToken', value: { label } } },
      [request.soPin, request.userPin],
    );
    if (result.$case !== 'tokenInfo') throw new TokenFailure('unavailable', 'initToken');
    // Slots and serial numbers settle in the next process only (SoftHSM): what counts is what that one finds.
    const tokens = await this.listTokens();
    const found = tokens.filter(
      ({ serial, initialised }) => initialised && serial === result.value.serial,
    );
    if (found[0] === undefined || found.length > 1)
      throw new TokenFailure('token-missing', 'initToken');
    this.#loginRefused = false;
    return found[0];
  }

  async open(serial: string, userPin: Pin): Promise<Token> {
    if (this.#loginRefused) throw new TokenFailure('pin-rejected', 'open');
    const pool = new WorkerPool(this.#options, serial, userPin);
    const opened = await pool.start();
    return new OpenToken(pool, opened, this.#options);
  }

  /** One request to a fresh worker: a module that initialised or lost a token shows it truly in the next process only. */
  async #once(
    operation: string,
    request: HsmRequest,
    pins: readonly Pin[] = [],
  ): Promise<WorkerResult> {
    let worker: WorkerProcess;
    try {
      worker = new WorkerProcess(this.#options, () => undefined);
    } catch {
      throw new TokenFailure('unavailable', operation);
    }
    let result: WorkerResult | undefined;
    try {
      worker.sendPins(pins.map((pin) => pin.reveal()));
      result = await worker.request(request, this.#options.generateDeadlineMs);
    } catch {
      throw new TokenFailure('request-refused', operation);
    } finally {
      await worker.close(ONE_OFF_GRACE_MS);
    }
    if (result === undefined) throw new TokenFailure('unavailable', operation);
    if (result.$case === 'failure') throw judgeFailure(operation, result.value).failure;
    return result;
  }
}
