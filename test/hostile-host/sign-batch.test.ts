/** Attacks on the answer to SignBatch: what `sealwright sign-batch` refuses, and by which checks, before it writes anything. */
import { generateKeyPairSync, sign as signBytes } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { canonicalize, parseSignedJson } from '../../enclave/wire/signed-json.ts';
import type { SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import {
  SigningServiceService,
  type BatchLeaf,
  type BatchReceipt,
  type SignBatchRequest,
  type SignBatchResponse,
  type SignBatchResult,
  type SignResponse,
} from '../../src/gen/sealwright/v1/signing.ts';
import { noteSigner, signedNote } from '../../scripts/log-maker.ts';
import { doubtedChecks } from '../support/doubt.ts';
import { LyingHost, TrueHost } from '../support/lying-host.ts';
import { runSealwright, startStack, temporaryFolder } from '../support/stack.ts';
import type { Finished, Stack } from '../support/stack.ts';

const { signBatch: batchMethod, sign: signMethod } = SigningServiceService;
const RING = 'es256-hsm';
const NAMES = ['a', 'b', 'c', 'd'];

const { path: folder, remove } = temporaryFolder();
const file = (name: string): string => join(folder, name);
const out = file('out');

let stack: Stack;
let truth: TrueHost;
let host: LyingHost;

beforeAll(async () => {
  stack = await startStack();
  truth = new TrueHost(stack.ready);
  host = await LyingHost.start(truth);
  for (const name of NAMES) writeFileSync(file(name), `message ${name}`);
});
afterEach(() => {
  host.repent();
  rmSync(out, { recursive: true, force: true });
});
afterAll(async () => {
  host.stop();
  truth.close();
  await stack.stop();
  remove();
});

function signBatch(...more: readonly string[]): Promise<Finished> {
  const where = ['--socket', host.socket, '--reference', join(stack.state, 'reference.json')];
  const files = ['--ring', RING, '--out', out, ...NAMES.map(file)];
  return runSealwright(['sign-batch', ...files, ...where, ...more]);
}

const written = (): string[] => (existsSync(out) ? readdirSync(out).sort() : []);
const filesOf = (names: readonly string[]): string[] =>
  names.flatMap((name) => [`${name}.receipt`, `${name}.sig`]);

test('the truth is written, with receipts', async () => {
  const { status, stderr } = await signBatch();
  expect(stderr).toContain('WARNING: SIMULATED, protects nothing\n');
  expect(status).toBe(0);
  expect(written()).toEqual(filesOf(NAMES));
});

type Ask = (request: SignBatchRequest) => Promise<SignBatchResponse>;
type Attack = (
  request: SignBatchRequest,
  ask: Ask,
) => SignBatchResponse | Promise<SignBatchResponse>;
type Attacks = readonly (readonly [string, readonly string[], Attack])[];

/** The true answer with changed members. */
function but(changes: (answer: SignBatchResponse) => Partial<SignBatchResponse>): Attack {
  return async (request, ask) => {
    const answer = await ask(request);
    return { ...answer, ...changes(answer) };
  };
}

/** The true answer with other results. */
const butResults = (
  changes: (results: readonly SignBatchResult[]) => readonly (SignBatchResult | undefined)[],
): Attack =>
  but(({ results }) => ({
    results: changes(results).filter((result) => result !== undefined),
  }));

/** The true answer with changes to the second result. */
const butOne = (changes: (result: SignBatchResult) => Partial<SignBatchResult>): Attack =>
  butResults((results) =>
    results.map((result, i) => (i === 1 ? { ...result, ...changes(result) } : result)),
  );

const butSigned = (changes: (signed: SignResponse) => Partial<SignResponse>): Attack =>
  butOne((result) => {
    const signed = signedIn(result);
    return { outcome: { $case: 'signed', value: { ...signed, ...changes(signed) } } };
  });

const butLeaf = (changes: (leaf: BatchLeaf) => Partial<BatchLeaf>): Attack =>
  butOne((result) => {
    const leaf = leafIn(result);
    return { leaf: { ...leaf, ...changes(leaf) } };
  });

const butReceipt = (changes: (receipt: BatchReceipt) => Partial<BatchReceipt>): Attack =>
  but(({ receipt }) => {
    if (receipt === undefined) throw new Error('no receipt');
    return { receipt: { ...receipt, ...changes(receipt) } };
  });

function signedIn(result: SignBatchResult | undefined): SignResponse {
  if (result?.outcome?.$case !== 'signed') throw new Error('not signed');
  return result.outcome.value;
}

function leafIn(result: SignBatchResult | undefined): BatchLeaf {
  if (result?.leaf === undefined) throw new Error('no leaf');
  return result.leaf;
}

const times = (count: number, ...ids: readonly string[]): string[] =>
  Array.from({ length: count }, () => ids).flat();
const zeros = (length: number): Uint8Array => new Uint8Array(length);
const attacker = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const NOT_OURS = ['sign-digest', 'sign-signature', 'receipt-to-be-signed', 'receipt-request-id'];

const ABOUT_THE_RESULTS: Attacks = [
  ['a result is missing', ['batch-results'], butResults(([, ...rest]) => rest)],
  ['a result too many', ['batch-results'], butResults((results) => [...results, results[0]])],
  ['no results', ['batch-results'], () => ({ results: [], receipt: undefined })],
  ['a result without an outcome', ['batch-form'], butOne(() => ({ outcome: undefined }))],
  ['results in another order', ['batch-form'], butResults((results) => results.toReversed())],
  [
    'signatures in another order',
    times(4, 'sign-digest', 'sign-signature'),
    butResults((results) =>
      results.map((result, i) => ({ ...result, outcome: results[3 - i]?.outcome })),
    ),
  ],
  [
    'two items have one signature',
    ['sign-digest', 'sign-signature'],
    butResults((results) =>
      results.map((result, i) => (i === 1 ? { ...result, outcome: results[0]?.outcome } : result)),
    ),
  ],
  ['another ring is named', ['sign-ring'], butSigned(() => ({ ring: 'es256-enclave' }))],
  ['another version is named', ['sign-version'], butSigned(() => ({ version: 2 }))],
  ['another digest is named', ['sign-digest'], butSigned(() => ({ digest: zeros(32) }))],
  [
    'another measurement is named',
    ['sign-measurement'],
    butSigned(() => ({ measurement: zeros(48) })),
  ],
  [
    'a signature is by the attacker’s key',
    ['sign-signature'],
    butSigned(() => ({
      signature: signBytes('sha256', Buffer.from('message b'), attacker.privateKey),
    })),
  ],
  ['a signature is empty', ['sign-signature'], butSigned(() => ({ signature: zeros(0) }))],
  [
    'another ring signed',
    times(
      4,
      ...['sign-ring', 'sign-kid', 'sign-residency', 'sign-signature'],
      ...['receipt-kid', 'receipt-ring'],
    ),
    ({ items }, ask) => ask({ items: items.map((item) => ({ ...item, ring: 'es256-enclave' })) }),
  ],
  [
    'one item was sent twice, and another not',
    NOT_OURS,
    ({ items }, ask) => {
      const [first, second, ...rest] = items;
      if (first === undefined || second === undefined) throw new Error('two items');
      return ask({ items: [first, { ...first, requestId: zeros(16).fill(1) }, ...rest] });
    },
  ],
];

const earlier: { answer?: SignBatchResponse } = {};

const ABOUT_THE_RECEIPT: Attacks = [
  ['no receipt', ['batch-form'], but(() => ({ receipt: undefined }))],
  [
    'a proof without a hash',
    ['batch-form'],
    butReceipt(({ proof }) => ({ proof: proof.slice(1) })),
  ],
  [
    'a proof with a hash more',
    ['batch-form'],
    butReceipt(({ proof }) => ({ proof: [...proof, zeros(32)] })),
  ],
  [
    'a proof with a short hash',
    ['batch-form'],
    butReceipt(({ proof: [, ...rest] }) => ({ proof: [zeros(31), ...rest] })),
  ],
  [
    'a proof with another hash',
    times(4, 'receipt-inclusion'),
    butReceipt(({ proof: [, ...rest] }) => ({ proof: [zeros(32), ...rest] })),
  ],
  [
    'a checkpoint under another key',
    times(4, 'checkpoint-signature'),
    butReceipt(({ checkpoint }) => {
      const [text = ''] = checkpoint.split('\n\n');
      const [origin = ''] = text.split('\n');
      return { checkpoint: signedNote(`${text}\n`, noteSigner(origin, 'attacker')) };
    }),
  ],
  [
    'a checkpoint without signature',
    ['batch-form'],
    butReceipt(({ checkpoint }) => ({ checkpoint: `${checkpoint.split('\n\n')[0] ?? ''}\n` })),
  ],
  [
    'a leaf with another caller',
    times(4, 'receipt-inclusion'),
    butLeaf(({ leaf }) => ({
      leaf: canonicalize({
        ...(parseSignedJson(leaf) as SignedJsonObject),
        caller: 'somebody',
      }),
    })),
  ],
  ['a leaf twice', ['batch-form'], butLeaf(({ index }) => ({ index: index - 1n }))],
  ['a number beyond all', ['batch-form'], butLeaf(() => ({ index: 2n ** 64n - 1n }))],
  ['another salt', ['receipt-to-be-signed'], butLeaf(() => ({ salt: zeros(32) }))],
  ['a salt of 31 bytes', ['receipt-form'], butLeaf(() => ({ salt: zeros(31) }))],
  [
    'leaves in another order, under their numbers',
    [
      ...times(2, 'receipt-inclusion'),
      ...times(2, 'receipt-inclusion', 'receipt-to-be-signed', 'receipt-request-id'),
    ],
    butResults((results) =>
      results.map((result, i) => {
        const other = leafIn(results[i < 2 ? i : 5 - i]);
        return { ...result, leaf: { ...other, index: leafIn(result).index } };
      }),
    ),
  ],
  [
    'one receipt was declined in our name',
    ['receipt-form'],
    ({ items }, ask) =>
      ask({ items: items.map((item, i) => (i === 1 ? { ...item, declineReceipt: true } : item)) }),
  ],
  ['a leaf was taken out of the answer', ['batch-form'], butOne(() => ({ leaf: undefined }))],
  [
    'the whole answer to an earlier batch of the same messages',
    times(4, 'receipt-request-id'),
    async ({ items }, ask) => {
      const ids = items.map((item, i) => ({ ...item, requestId: zeros(16).fill(100 + i) }));
      earlier.answer = await ask({ items: ids });
      return earlier.answer;
    },
  ],
  [
    'the signatures of now with the leaves of an earlier batch',
    times(4, 'receipt-request-id'),
    async (request, ask) => {
      const { results } = await ask(request);
      const old = earlier.answer;
      const mixed = results.map((result, i) => ({ ...result, leaf: old?.results[i]?.leaf }));
      return { results: mixed, receipt: old?.receipt };
    },
  ],
  [
    'an item with the receipt of an earlier signature, of its own',
    ['receipt-request-id'],
    async ({ items }, ask) => {
      const [, second] = items;
      if (second === undefined) throw new Error('two items');
      const old = await truth.call(signMethod, { ...second, requestId: zeros(16).fill(99) });
      const others = await ask({ items: items.filter((item) => item !== second) });
      const [first, ...rest] = others.results;
      if (first === undefined) throw new Error('a result');
      const replayed: SignBatchResult = {
        outcome: { $case: 'signed', value: old },
        leaf: undefined,
      };
      return { ...others, results: [first, replayed, ...rest] };
    },
  ],
];

describe.each([
  ['results', ABOUT_THE_RESULTS],
  ['receipt', ABOUT_THE_RECEIPT],
])('attacks on the %s', (_, attacks) => {
  test.each(attacks)('%s', async (_name, ids, attack) => {
    host.lie(batchMethod, attack);
    expect(doubtedChecks(await signBatch('--json'))).toEqual(ids);
    expect(written()).toEqual([]);
  });
});

describe('refusals that a host makes up', () => {
  /** All are signed but the second. */
  function refusing(reason: string, metadata: Record<string, string>): Attack {
    return async ({ items }, ask) => {
      const { results, receipt } = await ask({ items: items.filter((_, i) => i !== 1) });
      const outcome = { $case: 'refused', value: { reason, domain: 'x', metadata } } as const;
      const refused = { outcome, leaf: undefined };
      return { results: [...results.slice(0, 1), refused, ...results.slice(1)], receipt };
    };
  }

  test.each([
    ['KEY_STATE_FORBIDS_SIGNING', 70],
    ['TOKEN_UNAVAILABLE', 69],
    ['OF_A_LATER_RELEASE', 70],
  ])('%s: the others are written, and the command ends with %d', async (reason, status) => {
    host.lie(batchMethod, refusing(reason, { ring: RING }));
    const run = await signBatch('--json');
    expect(run.status, run.stderr).toBe(status);
    const { files } = JSON.parse(run.stdout) as { files: Record<string, unknown>[] };
    expect(files[1]).toMatchObject({
      file: file('b'),
      refused: { reason, metadata: { ring: RING } },
    });
    expect(written()).toEqual(filesOf(['a', 'c', 'd']));
  });

  test('reach the terminal as text', async () => {
    host.lie(batchMethod, refusing('X\u001b[31m', { ring: '\u202e' }));
    const { status, stderr } = await signBatch();
    expect(status).toBe(70);
    expect(stderr).toContain('b: refused: X\\u{1b}[31m, ring \\u{202e}\n');
  });
});

test('what was written is the truth', async () => {
  await signBatch();
  const [leaf, ...more] = NAMES.map(
    (name) =>
      (JSON.parse(readFileSync(join(out, `${name}.receipt`), 'utf8')) as { index: number }).index,
  );
  expect(more).toEqual([1, 2, 3].map((i) => (leaf ?? 0) + i));
});
