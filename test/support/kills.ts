/** Callers of a whole stack that sign all the time and believe nothing, and figures of how it comes back from a kill. */
import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SealwrightClient } from '../../src/client/client.ts';
import { SignerError } from '../../src/client/signer-error.ts';
import type { SignResponse } from '../../src/gen/sealwright/v1/signing.ts';
import type { Stack } from './stack.ts';

const ring = (name: string, algorithm: string, residency: string): Record<string, unknown> => ({
  name,
  algorithm,
  residency,
  payload: { kind: 'message' },
  lowestRank: 'mtls',
  acceptHostAsserted: 'development on the simulated platform',
  callers: ['dev'],
});

/** Members of a policy of `dev`: few rings, because genesis makes their keys; each residency with two kinds of signature. */
export const SMALL_POLICY = {
  rings: [
    ring('hsm-ecdsa', 'ES256', 'hsm'),
    ring('hsm-eddsa', 'EdDSA', 'hsm'),
    ring('enclave-ecdsa', 'ES256', 'enclave'),
    ring('enclave-ml-dsa', 'ML-DSA-65', 'enclave'),
  ],
};
const RINGS = SMALL_POLICY.rings.map(({ name }) => String(name));

/** Between the calls of one caller: the machine has other work. */
const PAUSE_MS = 20;
/** After a refusal: callers that hammer only slow down what they wait for. */
const REFUSED_PAUSE_MS = 50;

export class SigningCallers {
  readonly #client: SealwrightClient;
  readonly #keys = new Map<string, KeyObject>();
  #callers: Promise<unknown> = Promise.resolve();
  #running = true;
  #answers: SignResponse[] = [];
  #refusals: SignerError[] = [];
  #count = 0;
  wrong = 0;
  verified = 0;

  private constructor(client: SealwrightClient) {
    this.#client = client;
  }

  /** `perRing` callers for each ring of SMALL_POLICY. */
  static async start(stack: Stack, perRing = 2): Promise<SigningCallers> {
    const callers = new SigningCallers(stack.client());
    for (const name of RINGS) {
      const { publicKey } = await callers.#client.getKey(name);
      const key = { key: Buffer.from(publicKey), format: 'der', type: 'spki' } as const;
      callers.#keys.set(name, createPublicKey(key));
    }
    const loops = RINGS.flatMap((name) => Array.from({ length: perRing }, () => name));
    callers.#callers = Promise.all(loops.map((name) => callers.#call(name)));
    return callers;
  }

  async #call(name: string): Promise<void> {
    while (this.#running) {
      const refused = await this.signOnce(name).then(
        () => false,
        (error: unknown) => {
          if (!(error instanceof SignerError)) throw error;
          this.#refusals.push(error);
          return true;
        },
      );
      await sleep(refused ? REFUSED_PAUSE_MS : PAUSE_MS);
    }
  }

  /** Throws SignerError. A wrong signature is counted, and its receipt kept like any other. */
  async signOnce(name: string): Promise<void> {
    this.#count += 1;
    const message = Buffer.from(`call ${String(this.#count)}`);
    const payload = { $case: 'message', value: { message } } as const;
    const answer = await this.#client.sign({ ring: name, payload }, { timeoutMs: 10_000 });
    this.#answers.push(answer);
    if (this.#fits(name, message, answer.signature)) this.verified += 1;
    else this.wrong += 1;
  }

  #fits(name: string, message: Uint8Array, signature: Uint8Array): boolean {
    const key = this.#keys.get(name);
    if (key === undefined) throw new Error(`no key of ${name}`);
    return verify(key.asymmetricKeyType === 'ec' ? 'sha256' : null, message, key, signature);
  }

  /** Resolves when every ring has signed for a call that began after this one. */
  async everyRingSigns(): Promise<void> {
    await Promise.all(
      RINGS.map(async (name) => {
        while (!(await this.signOnce(name).then(always, never))) await sleep(5);
      }),
    );
  }

  takeAnswers(): SignResponse[] {
    return this.#answers.splice(0);
  }

  takeRefusals(): SignerError[] {
    return this.#refusals.splice(0);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#callers;
    this.#client.close();
  }
}

const always = (): boolean => true;
const never = (): boolean => false;

/** Resolves when something accepts connections at HOST:PORT. */
export async function listens(address: string): Promise<void> {
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  const tryOnce = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port });
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => {
        resolve(false);
      });
    });
  while (!(await tryOnce())) await sleep(5);
}

/** Nanoseconds that this thread ran and that it waited for a processor (proc_pid_schedstat(5)). */
function schedule(): readonly [number, number] {
  const [ran, waited] = readFileSync(`/proc/${String(process.pid)}/schedstat`, 'utf8').split(' ');
  return [Number(ran), Number(waited)];
}

/**
 * How many times longer everything takes because the processors have other work: 1 on a calm machine. Read off what
 * this process itself had to wait.
 */
export class MachineLoad {
  readonly #begun = schedule();

  get factor(): number {
    const [ran, waited] = schedule();
    const ownMs = ran - this.#begun[0];
    return ownMs <= 0 ? 1 : 1 + (waited - this.#begun[1]) / ownMs;
  }
}
