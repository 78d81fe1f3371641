/** Judges changed evidence, and says what must never happen: an escape, a hang, a false acceptance. */
import process from 'node:process';
import {
  MalformedEvidence,
  appraisePlatform,
  parsePlatformPolicy,
  verifyPlatformEvidence,
  type PlatformFormatName,
  type PlatformPolicy,
  type PlatformStatement,
  type Verdict,
} from '../../src/verifier/index.ts';
import { unhex, type PlatformCase } from './run-platform-vector.ts';
import { signedBytes, type Mutation } from './platform-mutation.ts';

/** What one judgement may take, ms of its own thread's CPU; Web Crypto's part is a few signatures at most. */
export const MAX_MS = 50;
/** Of accepted verdicts the lower one is the better. */
const RANK: Readonly<Record<Judged['verdict'], number>> = {
  affirming: 0,
  warning: 1,
  none: 2,
  contraindicated: 2,
  malformed: 2,
};

interface Judged {
  readonly verdict: Verdict | 'malformed';
  readonly statement: string;
}

/** Evidence as it was made, with all that a changed one is compared with. */
export class MutationBase {
  readonly name: string;
  readonly evidence: Uint8Array;
  readonly collateral: ReadonlyMap<string, Uint8Array>;
  readonly format: PlatformFormatName;
  readonly signedBytes: number;
  readonly #policy: PlatformPolicy;
  readonly #input: PlatformCase;
  #original: Judged = { verdict: 'malformed', statement: '' };

  constructor(name: string, input: PlatformCase) {
    this.name = name;
    this.evidence = unhex(input.evidence);
    this.collateral = new Map(
      Object.entries(input.collateral).map(([file, text]) => [file, unhex(text)]),
    );
    this.#policy = parsePlatformPolicy(input.policy);
    this.#input = input;
    this.format = this.#policy.format;
    this.signedBytes = signedBytes(this.format, this.evidence);
  }

  static async of(name: string, input: PlatformCase): Promise<MutationBase> {
    const base = new MutationBase(name, input);
    base.#original = await base.#judge(base.evidence, base.collateral);
    return base;
  }

  get verdict(): string {
    return this.#original.verdict;
  }

  async #judge(evidence: Uint8Array, collateral: ReadonlyMap<string, Uint8Array>): Promise<Judged> {
    const { now, nonce, given } = this.#input;
    try {
      const verified = await verifyPlatformEvidence(evidence, { ...this.#policy, collateral });
      const { verdict, statement } = appraisePlatform(verified, this.#policy, {
        now,
        ...(nonce === undefined ? { noNonce: 'a campaign' } : { nonce: unhex(nonce) }),
        ...(given === undefined
          ? {}
          : { given: new Map(Object.entries(given).map(([field, text]) => [field, unhex(text)])) }),
      });
      return { verdict, statement: textOf(statement) };
    } catch (error) {
      if (error instanceof MalformedEvidence) return { verdict: 'malformed', statement: '' };
      throw error;
    }
  }

  /**
   * What is wrong with how a changed evidence, or a changed file of the collateral, is judged; undefined when
   * nothing is.
   */
  async problem(mutation: Mutation, file?: string): Promise<string | undefined> {
    const evidence = file === undefined ? mutation.bytes : this.evidence;
    const collateral =
      file === undefined ? this.collateral : new Map([...this.collateral, [file, mutation.bytes]]);
    const place = `${this.name}${file === undefined ? '' : ` with ${file}`}: ${mutation.what}`;
    let judged: Judged;
    try {
      judged = await this.#judge(evidence, collateral);
    } catch (error) {
      return `${place}: ESCAPE ${(error as Error).stack ?? String(error)}`;
    }
    const { verdict, statement } = this.#original;
    const isAccepted = judged.verdict === 'affirming' || judged.verdict === 'warning';
    if (!isAccepted) return undefined;
    if (RANK[judged.verdict] < RANK[verdict]) {
      return `${place}: FALSE ACCEPTANCE ${verdict} became ${judged.verdict}`;
    }
    if (file !== undefined) return undefined;
    const isUnchanged =
      evidence.byteLength === this.evidence.byteLength &&
      evidence.every((byte, i) => byte === this.evidence[i]);
    if (isUnchanged) return undefined;
    if (mutation.from < this.signedBytes) return `${place}: FALSE ACCEPTANCE of signed bytes`;
    return judged.statement === statement
      ? undefined
      : `${place}: FALSE ACCEPTANCE of another statement`;
  }

  /** Whether one judgement takes too long: the best of three counts, because collections of garbage come between. */
  async hang(mutation: Mutation, file?: string): Promise<string | undefined> {
    let best = Infinity;
    for (let i = 0; i < 3; i += 1) {
      const start = threadMs();
      await this.problem(mutation, file);
      best = Math.min(best, threadMs() - start);
      if (best <= MAX_MS) return undefined;
    }
    return `${this.name}: ${mutation.what}: HANG of ${best.toFixed(0)} ms`;
  }
}

/** CPU time of this thread, ms: the machine has other work too. */
export function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function textOf(statement: PlatformStatement): string {
  const { registers, debug, fields, platformIds } = statement;
  const hex = (map: ReadonlyMap<string, Uint8Array>): string[] =>
    [...map].map(([name, bytes]) => `${name}=${Buffer.from(bytes).toString('hex')}`);
  return [...hex(registers), String(debug), ...hex(fields), ...platformIds].join('\n');
}
