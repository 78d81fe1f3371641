/** Attacks on the answer to Sign: what `sealwright sign` refuses, and by which checks, before it writes anything. */
import { generateKeyPairSync, sign as signBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { canonicalize, parseSignedJson } from '../../enclave/wire/signed-json.ts';
import type { SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { LogServiceService, type Receipt } from '../../src/gen/sealwright/v1/log.ts';
import { Algorithm, KeyServiceService, Residency } from '../../src/gen/sealwright/v1/keys.ts';
import {
  SignatureEncoding,
  SigningServiceService,
  type SignRequest,
  type SignResponse,
} from '../../src/gen/sealwright/v1/signing.ts';
import { noteSigner, signedNote } from '../../scripts/log-maker.ts';
import { doubtedChecks } from '../support/doubt.ts';
import { LyingHost, TrueHost } from '../support/lying-host.ts';
import { runSealwright, startStack, temporaryFolder } from '../support/stack.ts';
import type { Finished, Stack } from '../support/stack.ts';

const signMethod = SigningServiceService.sign;
const RING = 'es256-hsm';
const MESSAGE = 'what is to be signed';

const { path: folder, remove } = temporaryFolder();
const file = (name: string): string => join(folder, name);

let stack: Stack;
let truth: TrueHost;
let host: LyingHost;

beforeAll(async () => {
  stack = await startStack();
  truth = new TrueHost(stack.ready);
  host = await LyingHost.start(truth);
  writeFileSync(file('message'), MESSAGE);
});
afterEach(() => {
  host.repent();
});
afterAll(async () => {
  host.stop();
  truth.close();
  await stack.stop();
  remove();
});

function sign(ring = RING): Promise<Finished> {
  const reference = join(stack.state, 'reference.json');
  const files = ['--in', file('message'), '--out', file('sig'), '--receipt', file('receipt')];
  const where = ['--socket', host.socket, '--reference', reference];
  return runSealwright(['sign', '--ring', ring, ...files, '--json', ...where]);
}

test('the truth is written, with its receipt', async () => {
  const { status, stdout, stderr } = await sign();
  expect([status, stderr]).toEqual([0, 'WARNING: SIMULATED, protects nothing\n']);
  const { signature, leaf } = JSON.parse(stdout) as { signature: string; leaf: number };
  expect(readFileSync(file('sig')).toString('hex')).toBe(signature);
  expect(JSON.parse(readFileSync(file('receipt'), 'utf8'))).toMatchObject({ index: leaf });
  for (const name of ['sig', 'receipt']) writeFileSync(file(name), '');
});

type Ask = (request: SignRequest) => Promise<SignResponse>;
type Attack = (request: SignRequest, ask: Ask) => SignResponse | Promise<SignResponse>;
type Attacks = readonly (readonly [string, readonly string[], Attack])[];

/** The true answer with changed members. */
function but(changes: (answer: SignResponse) => Partial<SignResponse>): Attack {
  return async (request, ask) => {
    const answer = await ask(request);
    return { ...answer, ...changes(answer) };
  };
}

/** The true answer with a changed receipt. */
function butReceipt(changes: (receipt: Receipt) => Partial<Receipt>): Attack {
  return but(({ receipt }) => {
    const honest = receiptIn(receipt);
    return { receipt: { ...honest, ...changes(honest) } };
  });
}

function receiptIn(receipt: Receipt | undefined): Receipt {
  if (receipt === undefined) throw new Error('no receipt');
  return receipt;
}

function withLeaf({ leaf }: Receipt, changes: SignedJsonObject): Uint8Array {
  return canonicalize({ ...(parseSignedJson(leaf) as SignedJsonObject), ...changes });
}

const anotherMessage = { $case: 'message', value: { message: Buffer.from('another') } } as const;
const attacker = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const zeros = (length: number): Uint8Array => new Uint8Array(length);

const ABOUT_THE_SIGNATURE: Attacks = [
  ['another ring is named', ['sign-ring'], but(() => ({ ring: 'es256-enclave' }))],
  ['another version is named', ['sign-version'], but(() => ({ version: 2 }))],
  ['no version is named', ['sign-version'], but(() => ({ version: 0 }))],
  ['another kid is named', ['sign-kid'], but(() => ({ kid: 'k'.repeat(43) }))],
  [
    'another algorithm is named',
    ['sign-algorithm'],
    but(() => ({ algorithm: Algorithm.ALGORITHM_ES384 })),
  ],
  [
    'another residency is named',
    ['sign-residency'],
    but(() => ({ residency: Residency.RESIDENCY_ENCLAVE })),
  ],
  ['another digest is named', ['sign-digest'], but(() => ({ digest: zeros(32) }))],
  ['no digest is named', ['sign-digest'], but(() => ({ digest: zeros(0) }))],
  ['another measurement is named', ['sign-measurement'], but(() => ({ measurement: zeros(48) }))],
  [
    'another form is named',
    ['sign-encoding'],
    but(() => ({ encoding: SignatureEncoding.SIGNATURE_ENCODING_P1363 })),
  ],
  [
    'the signature is by the attacker’s key',
    ['sign-signature'],
    but(() => ({ signature: signBytes('sha256', Buffer.from(MESSAGE), attacker.privateKey) })),
  ],
  ['the signature is empty', ['sign-signature'], but(() => ({ signature: zeros(0) }))],
  [
    'the signature is cut',
    ['sign-signature'],
    but(({ signature }) => ({ signature: signature.subarray(0, -1) })),
  ],
  [
    'another ring signed',
    [
      ...['sign-ring', 'sign-kid', 'sign-residency', 'sign-signature'],
      ...['receipt-kid', 'receipt-ring'],
    ],
    (request, ask) => ask({ ...request, ring: 'es256-enclave' }),
  ],
  [
    'another ring signed, and ours is named',
    ['sign-signature', 'receipt-kid', 'receipt-ring'],
    async (request, ask) => {
      const { ring, kid, residency } = await ask(request);
      return { ...(await ask({ ...request, ring: 'es256-enclave' })), ring, kid, residency };
    },
  ],
  [
    'another message was signed',
    ['sign-digest', 'sign-signature', 'receipt-to-be-signed'],
    (request, ask) => ask({ ...request, payload: anotherMessage }),
  ],
];

const earlier: { answer?: SignResponse } = {};

const ABOUT_THE_RECEIPT: Attacks = [
  ['no receipt', ['receipt-form'], but(() => ({ receipt: undefined }))],
  [
    'a receipt that was declined in our name',
    ['receipt-form'],
    (request, ask) => ask({ ...request, declineReceipt: true }),
  ],
  [
    'the whole answer to an earlier request for the same message',
    ['receipt-request-id'],
    async (request, ask) => {
      earlier.answer = await ask({ ...request, requestId: zeros(16).fill(9) });
      return earlier.answer;
    },
  ],
  [
    'the receipt of an earlier signature over the same message',
    ['receipt-request-id'],
    async (request, ask) => ({ ...(await ask(request)), receipt: earlier.answer?.receipt }),
  ],
  [
    'the receipt of another message',
    ['receipt-to-be-signed', 'receipt-request-id'],
    async (request, ask) => {
      const requestId = zeros(16).fill(8);
      const { receipt } = await ask({ ...request, requestId, payload: anotherMessage });
      return { ...(await ask(request)), receipt };
    },
  ],
  [
    'the receipt of another key’s signature over the same message',
    ['receipt-kid', 'receipt-ring', 'receipt-request-id'],
    async (request, ask) => {
      const requestId = zeros(16).fill(7);
      const { receipt } = await ask({ ...request, requestId, ring: 'es256-enclave' });
      return { ...(await ask(request)), receipt };
    },
  ],
  [
    'the proof of a leaf that is no signature',
    ['receipt-kind'],
    async (request, ask) => {
      const { getCheckpoint, getInclusionProof } = LogServiceService;
      const answer = await ask(request);
      const { checkpoint } = await truth.call(getCheckpoint, {});
      const at = { index: 0n, treeSize: BigInt(checkpoint.split('\n')[1] ?? '') };
      const { leaf, proof } = await truth.call(getInclusionProof, at);
      return { ...answer, receipt: { leaf, proof, index: 0n, checkpoint, salt: zeros(32) } };
    },
  ],
  [
    'a leaf with another caller',
    ['receipt-inclusion'],
    butReceipt((receipt) => ({ leaf: withLeaf(receipt, { caller: 'somebody' }) })),
  ],
  [
    'a leaf with another identity',
    ['receipt-inclusion'],
    butReceipt((receipt) => ({ leaf: withLeaf(receipt, { callerId: 'peer:somebody' }) })),
  ],
  [
    'a leaf with another version',
    ['receipt-inclusion', 'receipt-ring'],
    butReceipt((receipt) => ({ leaf: withLeaf(receipt, { version: 2 }) })),
  ],
  ['another number', ['receipt-inclusion'], butReceipt(({ index }) => ({ index: index - 1n }))],
  ['a number beyond all', ['receipt-inclusion'], butReceipt(() => ({ index: 2n ** 64n - 1n }))],
  [
    'a proof that is cut',
    ['receipt-inclusion'],
    butReceipt(({ proof }) => ({ proof: proof.slice(1) })),
  ],
  [
    'a checkpoint under another key',
    ['checkpoint-signature'],
    butReceipt(({ checkpoint }) => {
      const [text = ''] = checkpoint.split('\n\n');
      const [origin = ''] = text.split('\n');
      return { checkpoint: signedNote(`${text}\n`, noteSigner(origin, 'attacker')) };
    }),
  ],
  [
    'a checkpoint without signature',
    ['receipt-form'],
    butReceipt(({ checkpoint }) => ({ checkpoint: `${checkpoint.split('\n\n')[0] ?? ''}\n` })),
  ],
  ['no salt', ['receipt-to-be-signed'], butReceipt(() => ({ salt: zeros(0) }))],
  ['another salt', ['receipt-to-be-signed'], butReceipt(() => ({ salt: zeros(32) }))],
  ['a salt of 31 bytes', ['receipt-form'], butReceipt(() => ({ salt: zeros(31) }))],
  [
    'a leaf that is not canonical',
    ['receipt-form'],
    butReceipt(({ leaf }) => ({ leaf: Buffer.concat([leaf, Buffer.from(' ')]) })),
  ],
];

describe.each([
  ['signature', ABOUT_THE_SIGNATURE],
  ['receipt', ABOUT_THE_RECEIPT],
])('attacks on the %s', (_, attacks) => {
  test.each(attacks)('%s', async (_name, ids, attack) => {
    host.lie(signMethod, attack);
    expect(doubtedChecks(await sign())).toEqual(ids);
    for (const name of ['sig', 'receipt']) {
      expect(existsSync(file(name)) ? readFileSync(file(name), 'utf8') : '').toBe('');
    }
  });
});

test('a digest ring gets the digest of another file', async () => {
  host.lie(signMethod, (request, ask) =>
    ask({ ...request, payload: { $case: 'digest', value: { digest: zeros(32) } } }),
  );
  expect(doubtedChecks(await sign('es256-digest-hsm'))).toEqual([
    'sign-digest',
    'sign-signature',
    'receipt-to-be-signed',
  ]);
});

test('a rotation that only the host knows of', async () => {
  host.lie(signMethod, async (request, ask) => ({ ...(await ask(request)), version: 2 }));
  host.lie(KeyServiceService.listKeys, async (request, ask) => {
    const { keys } = await ask(request);
    return { keys: keys.map((key) => (key.ring === RING ? { ...key, version: 2 } : key)) };
  });
  expect(doubtedChecks(await sign())).toEqual(['sign-version']);
});
