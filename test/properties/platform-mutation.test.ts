/**
 * Changed platform evidence: 200 flipped bits and every truncation of each piece here; the long form is
 * `npm run campaign -- evidence-mutation --minutes N --seed S`, which changes everything in every way.
 */
import { randomInt } from 'node:crypto';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NITRO_NONCE, makeNitro, nitroPolicy } from '../../scripts/evidence/nitro/index.ts';
import { NOW } from '../../scripts/evidence/index.ts';
import { dcapCase } from '../support/dcap/index.ts';
import { Mutator, truncated, type Mutation } from '../support/platform-mutation.ts';
import { MAX_MS, MutationBase, threadMs } from '../support/platform-mutation-run.ts';
import {
  caseOf,
  hasVectors,
  sayWhereVectorsAre,
  vectorIndex,
} from '../support/platform-vectors.ts';
import { VECTOR_ROWS } from '../support/platform-vectors/index.ts';
import type { PlatformCase } from '../support/run-platform-vector.ts';
import { snpCase } from '../support/sev-snp/index.ts';

sayWhereVectorsAre();

const minutes = Number(process.env['CAMPAIGN_MINUTES'] ?? 0);
const seed = Number(process.env['CAMPAIGN_SEED'] ?? randomInt(1, 2 ** 31));
const FLIPS = 200;
/** Seconds of work, on a machine that may have other work too. */
const PATIENCE_MS = 600_000;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Genuine evidence, each with the best verdict that a row gives it, and evidence of test roots. */
function cases(): readonly (readonly [name: string, input: PlatformCase])[] {
  const index = vectorIndex();
  const rank = ['affirming', 'warning', 'contraindicated', 'malformed'];
  const best = new Map<string, (typeof VECTOR_ROWS)[number]>();
  for (const row of hasVectors ? VECTOR_ROWS : []) {
    const known = best.get(row.file);
    if (known === undefined || rank.indexOf(row.verdict) < rank.indexOf(known.verdict)) {
      best.set(row.file, row);
    }
  }
  const nitro = (shape: Parameters<typeof makeNitro>[0]): PlatformCase => ({
    evidence: hex(makeNitro(shape)),
    collateral: {},
    policy: nitroPolicy(),
    now: NOW,
    nonce: hex(NITRO_NONCE),
  });
  return [
    ...[...best].map(([file, row]) => [file, caseOf(row, index)] as const),
    ['nitro, made here', nitro({})],
    ['nitro of indefinite length, made here', nitro({ indefinite: true, tagged: true })],
    ['sev-snp, made here', snpCase('Turin')],
    ['sev-snp with a VLEK, made here', snpCase('Genoa', { snp: { key: 'VLEK' } })],
    ['tdx, made here', dcapCase('tdx')],
    ['tdx 1.5, made here', dcapCase('tdx', { dcap: { quote: { version: 5, tdReport: '1.5' } } })],
    ['sgx, made here', dcapCase('sgx')],
  ];
}

const CASES = cases();
let bases: readonly MutationBase[] = [];
let judged = 0;
let slowest = 0;

/** A damaged vector may be mended by chance: then it is another piece that is good as it stands. */
const isKnown = ({ bytes }: Mutation): boolean =>
  bases.some(({ evidence }) => Buffer.compare(evidence, bytes) === 0);

/** Problems of many changes, eight at a time: most of the work is Web Crypto's. */
async function problemsOf(
  base: MutationBase,
  mutations: readonly Mutation[],
  file?: string,
): Promise<readonly string[]> {
  const problems: string[] = [];
  for (let i = 0; i < mutations.length; i += 8) {
    const batch = mutations.slice(i, i + 8).filter((one) => !isKnown(one));
    const start = threadMs();
    const found = await Promise.all(batch.map((mutation) => base.problem(mutation, file)));
    judged += batch.length;
    const each = threadMs() - start;
    slowest = Math.max(slowest, each);
    problems.push(...found.filter((one) => one !== undefined));
    if (each > MAX_MS) {
      for (const mutation of batch) {
        const hang = await base.hang(mutation, file);
        if (hang !== undefined) problems.push(hang);
      }
    }
  }
  return problems;
}

beforeAll(async () => {
  bases = await Promise.all(CASES.map(([name, input]) => MutationBase.of(name, input)));
});

afterAll(() => {
  process.stdout.write(
    `evidence mutations: ${String(judged)} changed inputs over ${String(bases.length)} pieces, seed ${String(seed)}, eight took at most ${slowest.toFixed(0)} ms of CPU\n`,
  );
});

describe.skipIf(minutes > 0)('platform vectors, changed', () => {
  for (const [i, [name]] of CASES.entries()) {
    test(
      `${name}: 200 flipped bits in what is signed, and every truncation of it`,
      async () => {
        const base = bases[i];
        if (base === undefined) throw new Error('no such base');
        const { evidence } = base;
        const mutator = new Mutator(seed + i, []);
        const end = Math.min(base.signedBytes, evidence.byteLength);
        const flips = Array.from({ length: FLIPS }, () => mutator.flip(evidence, end));
        const cuts = Array.from({ length: end }, (_, length) => truncated(evidence, length));

        expect(await problemsOf(base, [...flips, ...cuts])).toEqual([]);
      },
      PATIENCE_MS,
    );
  }

  test(
    'every other change, a few of each, of evidence and collateral',
    async () => {
      for (const [i, base] of bases.entries()) {
        const mutator = new Mutator(
          seed ^ (i + 1),
          bases.map(({ evidence }) => evidence),
        );
        const some = (bytes: Uint8Array, count: number): Mutation[] =>
          Array.from({ length: count }, () => mutator.change(bytes));

        expect(await problemsOf(base, some(base.evidence, 40))).toEqual([]);
        for (const [file, bytes] of base.collateral) {
          expect(await problemsOf(base, some(bytes, 10), file)).toEqual([]);
        }
      }
    },
    PATIENCE_MS,
  );
});

describe.skipIf(minutes === 0)('the campaign', () => {
  test(
    'changes everything in every way, for as long as it was told',
    async () => {
      const end = performance.now() + minutes * 60_000;
      const donors = bases.map(({ evidence }) => evidence);
      for (let round = 1; performance.now() < end; round += 1) {
        for (const [i, base] of bases.entries()) {
          if (performance.now() >= end) break;
          const mutator = new Mutator((seed + round * 65_537 + i) | 1, donors);
          const files = [...base.collateral];
          const [file, bytes] = files[mutator.below(4 * files.length)] ?? [
            undefined,
            base.evidence,
          ];
          const changes = Array.from({ length: 256 }, (_, n) =>
            n % 4 === 0 ? mutator.flip(bytes) : mutator.change(bytes),
          );
          expect(await problemsOf(base, changes, file), `round ${String(round)}`).toEqual([]);
        }
      }
      process.stdout.write(`campaign: ${String(judged)} changed inputs\n`);
    },
    minutes * 60_000 + 120_000,
  );
});
