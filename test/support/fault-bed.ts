/**
 * A pool on SoftHSM behind the shim, and what can be asked of it while it misbehaves. Every signature that comes out is
 * verified by node:crypto.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { PoolOptions } from '../../enclave/hsm/options.ts';
import {
  TokenFailure,
  type Token,
  type TokenFailureKind,
  type TokenKey,
  type TokenModule,
} from '../../enclave/ports.ts';
import type { AlgorithmName } from '../../enclave/wire/algorithm.ts';
import { CKR } from './pkcs11-codes.ts';
import { Shim, type Counts, type Rule } from './pkcs11-shim.ts';
import { inputFor, verifies } from './softhsm-raw.ts';
import { SO_PIN, SoftHsm, until, USER_PIN } from './softhsm.ts';

/**
 * What runs while the module misbehaves. `sign`: eight signatures at once by a key that the worker knows; `first-sign`:
 * one by a key that it has to find and prove; `renew`: one for which the worker has to open a new session; `respawn`: a
 * worker that was killed is replaced; `init-token`: by workers of its own; the others: one call.
 */
export type Operation = (typeof OPERATIONS)[number];

export const OPERATIONS = [
  'sign',
  'first-sign',
  'hmac',
  'inventory',
  'destroy',
  'generate-key-pair',
  'generate-secret',
  'renew',
  'respawn',
  'list-tokens',
  'init-token',
] as const;

export const CALLS_AT_ONCE = 8;

/** How many calls ended how; `wrong` were released and do not verify. */
export type Outcomes = Partial<Record<TokenFailureKind | 'served' | 'wrong', number>>;

export interface Report {
  readonly outcomes: Outcomes;
  /** While the rules held. */
  readonly counts: Counts;
  readonly workersStarted: number;
  readonly signaturesRejected: number;
  /** Set when the pool broke. */
  readonly broken: TokenFailure | undefined;
  /** Of the calls themselves. */
  readonly tookMs: number;
  /** From the end of the fault to a verified signature with every worker logged in. 0 when the pool broke. */
  readonly recoveredInMs: number;
}

/** Rules without which the operation would not be what it is. */
const OWN_RULES: Partial<Record<Operation, readonly Rule[]>> = {
  renew: [{ function: 'C_Sign', first: 1, count: 1, action: ['rv', CKR.CKR_SESSION_CLOSED[0]] }],
};

/** Longer than a recovery may take: a late one is to be told as such. */
const PATIENCE_MS = 10_000;
/** A deadline that a test can wait for, and that a busy machine keeps. */
const OPERATION_DEADLINE_MS = 1_000;

export class FaultBed {
  readonly hsm = new SoftHsm();
  readonly shim = new Shim(this.hsm.folder);
  readonly #options: Partial<PoolOptions>;
  #serial = '';
  #token: Token | undefined;
  #broken: TokenFailure | undefined;
  readonly #keys = new Map<AlgorithmName, TokenKey>();
  #secret: Uint8Array = new Uint8Array(0);

  /** `options` of the pool; one worker unless they say otherwise. */
  constructor(options: Partial<PoolOptions> = {}) {
    this.#options = {
      modulePath: this.shim.modulePath,
      operationDeadlineMs: OPERATION_DEADLINE_MS,
      // These start a process first.
      generateDeadlineMs: 3 * OPERATION_DEADLINE_MS,
      openDeadlineMs: 3 * OPERATION_DEADLINE_MS,
      ...options,
    };
  }

  async begin(algorithms: readonly AlgorithmName[] = ['ES256']): Promise<void> {
    this.#serial = await this.hsm.initialise();
    await this.#open();
    for (const algorithm of algorithms) this.#keys.set(algorithm, await this.bear(algorithm));
    this.#secret = randomBytes(16);
    await this.token.generateSecret({ id: this.#secret, label: 'secret' });
  }

  end(): Promise<void> {
    return this.hsm.dispose();
  }

  get token(): Token {
    if (this.#token === undefined) throw new Error('the bed has not begun');
    return this.#token;
  }

  key(algorithm: AlgorithmName = 'ES256'): TokenKey {
    const key = this.#keys.get(algorithm);
    if (key === undefined) throw new Error(`no key for ${algorithm}`);
    return key;
  }

  /** A new key pair; the worker that made it has not signed with it yet. */
  async bear(algorithm: AlgorithmName): Promise<TokenKey> {
    const id = Uint8Array.from(randomBytes(16));
    const { publicKey } = await this.token.generateKeyPair({ id, label: 'k', algorithm });
    return { id, algorithm, publicKey };
  }

  /** Whether the signature that was released verifies. */
  async sign(key: TokenKey): Promise<boolean> {
    const message = randomBytes(20);
    const signature = await this.token.sign(key, inputFor(key.algorithm, message));
    return verifies(key.algorithm, key.publicKey, message, signature);
  }

  /** Runs the operation under the rules, then without them until the pool is well again or has broken. */
  async run(
    operation: Operation,
    rules: readonly Rule[],
    algorithm: AlgorithmName = 'ES256',
  ): Promise<Report> {
    const prepared = await this.#prepare(operation, algorithm);
    const startedBefore = this.hsm.countEvents('worker-started');
    const rejectedBefore = this.hsm.countEvents('signature-rejected');
    this.shim.set([...(OWN_RULES[operation] ?? []), ...rules]);
    const start = performance.now();
    const outcomes = await this.#outcomes(prepared);
    const tookMs = performance.now() - start;
    const counts = this.shim.counts();
    this.shim.set([]);
    const recoveredInMs = await this.#recover(algorithm);
    const report: Report = {
      outcomes,
      counts,
      workersStarted: this.hsm.countEvents('worker-started') - startedBefore,
      signaturesRejected: this.hsm.countEvents('signature-rejected') - rejectedBefore,
      broken: this.#broken,
      tookMs,
      recoveredInMs,
    };
    if (this.#broken !== undefined) await this.#reopen();
    return report;
  }

  async #open(): Promise<void> {
    const token = await this.hsm.open(this.#serial, this.#options);
    this.#token = token;
    this.#broken = undefined;
    void token.broken.then((failure) => {
      this.#broken = failure;
    });
  }

  async #reopen(): Promise<void> {
    await this.token.close();
    await this.#open();
  }

  /** The calls of an operation, ready to go; they resolve with whether a signature verified. */
  async #prepare(
    operation: Operation,
    algorithm: AlgorithmName,
  ): Promise<readonly (() => Promise<boolean>)[]> {
    const { token } = this;
    const id = Uint8Array.from(randomBytes(16));
    const one = (call: () => Promise<unknown>): (() => Promise<boolean>)[] => [
      async () => {
        await call();
        return true;
      },
    ];
    switch (operation) {
      case 'sign': {
        const key = this.key(algorithm);
        await this.sign(key);
        return Array.from({ length: CALLS_AT_ONCE }, () => () => this.sign(key));
      }
      case 'first-sign': {
        const key = await this.bear(algorithm);
        return [() => this.sign(key)];
      }
      case 'renew': {
        await this.sign(this.key(algorithm));
        return [() => this.sign(this.key(algorithm))];
      }
      case 'list-tokens':
        return one(() => this.#module().listTokens());
      case 'init-token':
        return one(() => this.#initialiseAnother());
      case 'hmac': {
        await token.hmac(this.#secret, id);
        return one(() => token.hmac(this.#secret, id));
      }
      case 'inventory':
        return one(() => token.inventory());
      case 'destroy': {
        const key = await this.bear(algorithm);
        return one(() => token.destroy(key.id));
      }
      case 'generate-key-pair':
        return one(() => token.generateKeyPair({ id, label: 'new', algorithm }));
      case 'generate-secret':
        return one(() => token.generateSecret({ id, label: 'new' }));
      case 'respawn':
        return one(async () => {
          const started = this.hsm.countEvents('worker-ready');
          const failed =
            this.hsm.countEvents('worker-failed') + this.hsm.countEvents('worker-lost');
          for (const pid of this.hsm.readyPids()) process.kill(pid, 'SIGKILL');
          // The kill is one loss. The first opening is over when it succeeded, failed, or killed its worker.
          await until(
            () =>
              this.#broken !== undefined ||
              this.hsm.countEvents('worker-ready') > started ||
              this.hsm.countEvents('worker-failed') + this.hsm.countEvents('worker-lost') >
                failed + 1,
          );
        });
    }
  }

  #module(): TokenModule {
    return this.hsm.module(this.#options);
  }

  /** Another token, of which nothing stays. */
  async #initialiseAnother(): Promise<void> {
    const ours = new Set(readdirSync(this.hsm.tokenFolder));
    try {
      await this.#module().initToken({ label: 'another', soPin: SO_PIN, userPin: USER_PIN });
    } finally {
      for (const name of readdirSync(this.hsm.tokenFolder)) {
        if (!ours.has(name)) rmSync(join(this.hsm.tokenFolder, name), { recursive: true });
      }
    }
  }

  async #outcomes(calls: readonly (() => Promise<boolean>)[]): Promise<Outcomes> {
    const outcomes: Outcomes = {};
    const results = await Promise.all(
      calls.map(async (call) => {
        try {
          return (await call()) ? 'served' : 'wrong';
        } catch (error) {
          if (error instanceof TokenFailure) return error.kind;
          throw error;
        }
      }),
    );
    for (const result of results) outcomes[result] = (outcomes[result] ?? 0) + 1;
    return outcomes;
  }

  async #recover(algorithm: AlgorithmName): Promise<number> {
    const start = performance.now();
    const size = this.#options.size ?? 1;
    await until(async () => {
      if (this.#broken !== undefined) return true;
      if (this.token.workersReady() < size) return false;
      const good = await this.sign(this.key(algorithm)).catch(() => undefined);
      if (good === false) throw new Error('a wrong signature was released');
      return good === true;
    }, PATIENCE_MS);
    return this.#broken === undefined ? performance.now() - start : 0;
  }
}
