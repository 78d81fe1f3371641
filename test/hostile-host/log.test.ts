/** A host that lies about the log: what the `log` commands refuse, and by which checks. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { canonicalize, parseSignedJson } from '../../enclave/wire/signed-json.ts';
import type { SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { noteSigner, signedNote } from '../../scripts/log-maker.ts';
import { AttestationServiceService } from '../../src/gen/sealwright/v1/attestation.ts';
import { LogServiceService } from '../../src/gen/sealwright/v1/log.ts';
import { doubtedChecks } from '../support/doubt.ts';
import { LyingHost, TrueHost } from '../support/lying-host.ts';
import { runSealwright, startStack, temporaryFolder } from '../support/stack.ts';
import type { Finished, Stack } from '../support/stack.ts';

const { getCheckpoint, getEntries, getInclusionProof, getConsistencyProof } = LogServiceService;

const { path: folder, remove } = temporaryFolder();
const file = (name: string): string => join(folder, name);

let stack: Stack;
let other: Stack;
let truth: TrueHost;
let otherTruth: TrueHost;
let host: LyingHost;
/** As a caller kept it, one signature after `early`. */
let early: string;
let kept: string;

const checkpoint = async (): Promise<string> => (await truth.call(getCheckpoint, {})).checkpoint;
const sizeOf = (note: string): number => Number(note.split('\n')[1]);

beforeAll(async () => {
  [stack, other] = await Promise.all([startStack(), startStack()]);
  truth = new TrueHost(stack.ready);
  otherTruth = new TrueHost(other.ready);
  host = await LyingHost.start(truth);
  early = await checkpoint();
  writeFileSync(file('message'), 'a message');
  const out = ['--out', file('sig'), '--receipt', file('receipt')];
  await stack.run(['sign', '--ring', 'es256-hsm', '--in', file('message'), ...out]);
  kept = await checkpoint();
  expect(sizeOf(kept)).toBe(sizeOf(early) + 1);
  writeFileSync(file('kept'), kept);
});
afterEach(() => {
  host.repent();
});
afterAll(async () => {
  host.stop();
  truth.close();
  otherTruth.close();
  await Promise.all([stack.stop(), other.stop()]);
  remove();
});

function run(...args: readonly string[]): Promise<Finished> {
  const reference = join(stack.state, 'reference.json');
  const where = ['--socket', host.socket, '--reference', reference];
  return runSealwright([...args, '--json', ...where]);
}
const failed = async (...args: readonly string[]): Promise<string[]> =>
  doubtedChecks(await run(...args));

const COMMANDS = {
  'log show': ['log', 'show'],
  'log prove': ['log', 'prove', '3'],
  'log consistency': ['log', 'consistency', '3', '9'],
  'log checkpoint': ['log', 'checkpoint'],
} as const;

describe.each(Object.entries(COMMANDS))('%s', (_, args) => {
  test('the truth', async () => {
    const { status, stderr } = await run(...args);
    expect([status, stderr]).toEqual([0, 'WARNING: SIMULATED, protects nothing\n']);
  });

  test('a checkpoint under another key', async () => {
    host.lie(getCheckpoint, () => {
      const text = `${kept.split('\n\n')[0] ?? ''}\n`;
      const signer = noteSigner(text.split('\n')[0] ?? '', 'attacker');
      return { checkpoint: signedNote(text, signer) };
    });
    expect(await failed(...args)).toEqual(['checkpoint-signature']);
  });

  test('a checkpoint with another size, under its old signature', async () => {
    host.lie(getCheckpoint, () => ({ checkpoint: kept.replace(/\n\d+\n/, '\n7\n') }));
    expect(await failed(...args)).toEqual(['checkpoint-signature']);
  });

  test('the checkpoint of another cluster', async () => {
    host.lie(getCheckpoint, (request) => otherTruth.call(getCheckpoint, request));
    expect(await failed(...args)).toEqual(['checkpoint-origin', 'checkpoint-signature']);
  });

  test.each(['', 'a note\n', 'simulated/x\n1\n\n'])('no checkpoint: %j', async (text) => {
    host.lie(getCheckpoint, () => ({ checkpoint: text }));
    expect(await failed(...args)).toEqual(['checkpoint-form']);
  });

  test('evidence that names another log key', async () => {
    host.lie(AttestationServiceService.getEvidence, (request) =>
      otherTruth.call(AttestationServiceService.getEvidence, request),
    );
    host.lie(getCheckpoint, (request) => otherTruth.call(getCheckpoint, request));
    expect(await failed(...args)).toContain('cluster');
  });
});

describe('leaves', () => {
  const edited = (leaf: Uint8Array): Uint8Array =>
    canonicalize({ ...(parseSignedJson(leaf) as SignedJsonObject), timeMs: 1 });
  type Change = (leaves: Uint8Array[]) => Uint8Array[];
  const lies: readonly (readonly [string, Change])[] = [
    ['the first is left out', (leaves) => leaves.slice(1)],
    ['one is left out', (leaves) => leaves.filter((_, i) => i !== 2)],
    ['one is edited', (leaves) => leaves.map((leaf, i) => (i === 2 ? edited(leaf) : leaf))],
    ['the last is edited', (leaves) => leaves.map((leaf, i) => (i === 4 ? edited(leaf) : leaf))],
    ['two are swapped', ([a, b, ...rest]) => [b, a, ...rest].filter((leaf) => leaf !== undefined)],
    [
      'one stands twice',
      ([a, b, ...rest]) => [a, a, b, ...rest].filter((leaf) => leaf !== undefined),
    ],
    ['they are not there', () => []],
  ];
  test.each(lies)('%s', async (_, change) => {
    host.lie(getEntries, async (request, ask) => ({
      leaves: change([...(await ask(request)).leaves]),
    }));
    expect(await failed('log', 'show', '--first', '3', '--count', '5')).toEqual(['log-entries']);
  });

  test.each(['the first', 'the last'])('the proof of %s is of another leaf', async (which) => {
    host.lie(getInclusionProof, (request, ask) => {
      const lied = request.index === (which === 'the first' ? 3n : 7n);
      return ask(lied ? { ...request, index: 20n } : request);
    });
    expect(await failed('log', 'show', '--first', '3', '--count', '5')).toEqual(['log-entries']);
  });

  test('fewer in one answer are asked for again', async () => {
    host.lie(getEntries, (request, ask) => ask({ ...request, count: 2 }));
    const { status, stdout } = await run('log', 'show', '--first', '3', '--count', '5');
    const { leaves } = JSON.parse(stdout) as { leaves: { index: number }[] };
    expect([status, leaves.map(({ index }) => index)]).toEqual([0, [3, 4, 5, 6, 7]]);
  });
});

describe('proofs', () => {
  test.each([
    ['of another leaf', (index: bigint) => index + 1n],
    ['of the leaf before', (index: bigint) => index - 1n],
  ])('log prove with the proof %s', async (_, move) => {
    host.lie(getInclusionProof, (request, ask) => ask({ ...request, index: move(request.index) }));
    expect(await failed('log', 'prove', '3')).toEqual(['receipt-inclusion']);
  });

  test('log prove with an edited leaf', async () => {
    host.lie(getInclusionProof, async (request, ask) => {
      const answer = await ask(request);
      const leaf = parseSignedJson(answer.leaf) as SignedJsonObject;
      return { ...answer, leaf: canonicalize({ ...leaf, timeMs: 1 }) };
    });
    expect(await failed('log', 'prove', '3')).toEqual(['receipt-inclusion']);
  });

  test('log prove with something that is no leaf', async () => {
    host.lie(getInclusionProof, async (request, ask) => ({
      ...(await ask(request)),
      leaf: Buffer.from('{}'),
    }));
    expect(await failed('log', 'prove', '3')).toEqual(['log-leaf']);
  });

  test('log consistency with the proof of another pair', async () => {
    host.lie(getConsistencyProof, (request, ask) => ask({ ...request, oldSize: 4n }));
    expect(await failed('log', 'consistency', '3', '9')).toEqual(['log-consistency']);
  });

  test('log consistency without a proof', async () => {
    host.lie(getConsistencyProof, () => ({ newSize: 9n, proof: [] }));
    expect(await failed('log', 'consistency', '3', '9')).toEqual(['log-consistency']);
  });

  test('log consistency with the root of an older log made up', async () => {
    host.lie(getInclusionProof, async (request, ask) => {
      const answer = await ask(request);
      return { ...answer, proof: answer.proof.map((hash) => new Uint8Array(hash.byteLength)) };
    });
    expect(await failed('log', 'consistency', '3', '9')).toEqual(['log-older-tree']);
  });
});

describe('an older log', () => {
  test('is told from a checkpoint and from a receipt that were kept', async () => {
    host.lie(getCheckpoint, () => ({ checkpoint: early }));
    for (const name of ['kept', 'receipt']) {
      expect(await failed('log', 'consistency', file(name))).toEqual(['log-consistency']);
    }
  });

  test('a kept checkpoint that somebody changed is not believed', async () => {
    writeFileSync(file('changed'), kept.replace(/\n\d+\n/, '\n7\n'));
    expect(await failed('log', 'consistency', file('changed'))).toEqual(['checkpoint-signature']);
    const foreign = (await otherTruth.call(getCheckpoint, {})).checkpoint;
    writeFileSync(file('foreign'), foreign);
    expect(await failed('log', 'consistency', file('foreign'))).toEqual([
      'checkpoint-origin',
      'checkpoint-signature',
    ]);
  });
});
