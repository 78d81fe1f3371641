/** SignBatch over real processes: gRPC, host, enclave, SoftHSM, log on disk. */
import { execFileSync } from 'node:child_process';
import { createHash, createPublicKey, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { algorithmRow, isAlgorithmName } from '../../enclave/wire/algorithm.ts';
import { MAX_BATCH_ITEMS, MAX_MESSAGE_BYTES } from '../../enclave/wire/limits.ts';
import { readReference } from '../../src/cli/evidence-options.ts';
import { startCheck } from '../../src/client/signature-check.ts';
import { AttestedClient, type AttestedKeys } from '../../src/client/attested.ts';
import type { SealwrightClient, SignInput } from '../../src/client/client.ts';
import {
  checkSignedBatch,
  itemAnswers,
  type BatchedRequest,
} from '../../src/client/signed-batch.ts';
import { SignerError } from '../../src/client/signer-error.ts';
import { SignRequest, SignResponse } from '../../src/gen/sealwright/v1/signing.ts';
import { encodeReceipt } from '../../src/tlog/receipt-file.ts';
import { failedOf } from '../../src/client/not-believed.ts';
import type { KeyStatement } from '../../src/verifier/index.ts';
import { runSealwright, startStack, temporaryFolder } from '../support/stack.ts';
import type { Finished, Stack } from '../support/stack.ts';

const { path: folder, remove } = temporaryFolder();
const file = (name: string): string => join(folder, name);
let stack: Stack;
let client: SealwrightClient;
let attested: AttestedKeys;

beforeAll(async () => {
  stack = await startStack();
  client = stack.client();
  const reference = readReference(join(stack.state, 'reference.json'));
  attested = await new AttestedClient(client, reference).keys();
});
afterAll(async () => {
  client.close();
  await stack.stop();
  remove();
});

const digestOf = (key: KeyStatement, message: Uint8Array): Uint8Array | undefined => {
  const row = isAlgorithmName(key.alg) ? algorithmRow(key.alg) : undefined;
  if (row === undefined || !('hash' in row)) return undefined;
  return Uint8Array.from(createHash(row.hash).update(message).digest());
};

/** One item for a key, with what its holder knows of it. */
function itemFor(key: KeyStatement, text: string): BatchedRequest {
  const message = Uint8Array.from(Buffer.from(text));
  const digest = digestOf(key, message);
  const isDigest = key.scope.payload === 'digest';
  const toBeSigned = isDigest ? (digest ?? message) : message;
  const request: SignRequest = {
    ...SignRequest.create(),
    ring: key.ring,
    payload: isDigest
      ? { $case: 'digest', value: { digest: toBeSigned } }
      : { $case: 'message', value: { message } },
    requestId: Uint8Array.from(randomBytes(16)),
  };
  const publicKey = createPublicKey({
    key: Buffer.from(key.publicKey),
    format: 'der',
    type: 'spki',
  });
  const signatureHolds = (signature: Uint8Array): boolean => {
    if (!isAlgorithmName(key.alg)) return false;
    const check = startCheck(key.alg, publicKey, 'der');
    check.update(message);
    return check.accepts(signature);
  };
  const { attestation } = attested;
  return { request, toBeSigned, digest, key, attestation, signatureHolds };
}

const keyOf = (ring: string): KeyStatement => {
  const key = attested.keys.find((one) => one.ring === ring);
  if (key === undefined) throw new Error(`no ring ${ring}`);
  return key;
};

const message = (text: string | Uint8Array): SignInput['payload'] => ({
  $case: 'message',
  value: { message: Uint8Array.from(Buffer.from(text)) },
});

/** Rings of dev that are there to refuse. */
const REFUSING = ['guest', 'session', 'short', 'signed', 'slow'].map((name) => `${name}-enclave`);

describe('a batch over all rings', () => {
  test('is signed, verifies under the attested keys, and each receipt under the attested log', async () => {
    const keys = attested.keys.filter(({ ring }) => !REFUSING.includes(ring));
    const asked = [...keys, ...keys, ...keys].map((key, i) => itemFor(key, `message ${String(i)}`));
    expect(asked.length).toBeGreaterThan(64);
    const response = await client.signBatch(asked.map(({ request }) => request));
    const indices = response.results.map(({ leaf }) => Number(leaf?.index));
    expect(indices).toEqual(indices.map((_, i) => (indices[0] ?? 0) + i));
    // Of n new leaves the proof has no more hashes than the older tree has subtrees.
    expect(response.receipt?.proof.length).toBeLessThan(10);

    const { checks, items } = await checkSignedBatch(response, asked);
    expect(failedOf(checks)).toEqual([]);
    for (const item of items) {
      if (item.kind === 'refused') throw item.error;
      expect(failedOf(item.checks)).toEqual([]);
    }

    // A retry gets the same, item by item: in another batch, or alone.
    const bytesOf = (answer: SignResponse): string =>
      Buffer.from(SignResponse.encode(answer).finish()).toString('hex');
    const answered = (item: (typeof items)[number]): string =>
      item.kind === 'signed' ? bytesOf(item.answer) : item.error.reason;
    const requests = asked.map(({ request }) => request).reverse();
    const again = await itemAnswers(await client.signBatch(requests));
    const first = items.map(answered).reverse();
    expect(
      again.map((item) => (item.kind === 'signed' ? bytesOf(item.answer) : item.error.reason)),
    ).toEqual(first);
    for (const [i, request] of requests.slice(0, 3).entries()) {
      expect(bytesOf(await client.sign(request))).toBe(first[i]);
    }
  });

  test('gives receipts that the command line verifies offline', async () => {
    const asked = Array.from({ length: 70 }, (_, i) => itemFor(keyOf('es256-enclave'), String(i)));
    const { items } = await checkSignedBatch(
      await client.signBatch(asked.map(({ request }) => request)),
      asked,
    );
    const evidence = ['evidence', '--no-nonce', 'a test', '--out', file('evidence')];
    expect((await stack.run(evidence)).status).toBe(0);
    for (const i of [0, 1, 63, 64, 69]) {
      const item = items[i];
      if (item?.kind !== 'signed' || item.receipt === undefined) throw new Error('no receipt');
      writeFileSync(file('receipt'), encodeReceipt(item.receipt));
      writeFileSync(file('message'), String(i));
      const run = await offline('receipt', 'message');
      expect(run.stdout).toContain('The leaf is about exactly what was given as signed.');
      expect(run.status).toBe(1);
      writeFileSync(file('message'), 'another');
      expect((await offline('receipt', 'message')).status).toBe(2);
    }
  });
});

/** No service is there, and no state folder. */
function offline(receipt: string, input: string): Promise<Finished> {
  const reference = join(stack.state, 'reference.json');
  const files = ['--in', file(input), '--evidence', file('evidence'), '--reference', reference];
  return runSealwright(['verify-receipt', file(receipt), ...files], { cwd: folder });
}

describe('a batch with items that are refused', () => {
  test('signs the others', async () => {
    const rings = ['es256-hsm', 'nobody', 'eddsa-enclave', 'es256-digest-hsm', 'rs256-hsm'];
    const answers = await itemAnswers(
      await client.signBatch(rings.map((ring) => ({ ring, payload: message(ring) }))),
    );
    expect(
      answers.map((answer) =>
        answer.kind === 'signed' ? answer.answer.ring : answer.error.reason,
      ),
    ).toEqual([
      'es256-hsm',
      'KEY_NOT_FOUND',
      'eddsa-enclave',
      'PAYLOAD_KIND_MISMATCH',
      'rs256-hsm',
    ]);
    const [, unknown] = answers;
    expect(unknown?.kind === 'refused' && unknown.error).toMatchObject({
      retryable: false,
      metadata: { keyId: 'nobody' },
    });
  });

  test.each([
    ['no items', 0],
    ['an item too many', MAX_BATCH_ITEMS + 1],
  ])('is refused as a whole with %s', async (_name, count) => {
    const items = Array.from({ length: count }, () => ({
      ring: 'es256-enclave',
      payload: message('x'),
    }));
    await expect(client.signBatch(items)).rejects.toMatchObject({
      name: 'SignerError',
      reason: 'REQUEST_MALFORMED',
      retryable: false,
      metadata: { field: 'items', actual: String(count) },
    });
  });

  test('takes a mebibyte, and not more', async () => {
    const payload = message(Buffer.alloc(MAX_MESSAGE_BYTES, 1));
    const items = (count: number): SignInput[] =>
      Array.from({ length: count }, () => ({ ring: 'es256-enclave', payload }));
    const { results } = await client.signBatch(items(17));
    expect(results.every(({ outcome }) => outcome?.$case === 'signed')).toBe(true);
    await expect(client.signBatch(items(18))).rejects.toMatchObject({
      reason: 'FRAME_TOO_LARGE',
      metadata: { limitBytes: String(1024 * 1024) },
    });
  });
});

test('the largest answers arrive', async () => {
  const items = Array.from({ length: MAX_BATCH_ITEMS }, (_, i) => ({
    ring: 'ml-dsa-87-enclave',
    payload: message(String(i)),
    requestId: Uint8Array.from(randomBytes(16)),
  }));
  for (let i = 0; i < 2; i += 1) {
    const answers = await itemAnswers(await client.signBatch(items));
    expect(answers.filter(({ kind }) => kind === 'signed')).toHaveLength(MAX_BATCH_ITEMS);
  }
});

describe('batches beside single calls', () => {
  test('do not keep them waiting until all are done', async () => {
    const order: string[] = [];
    const rings = ['ml-dsa-87-enclave', 'rs256-enclave', 'es256-hsm'];
    const batches = rings
      .flatMap((ring) => [ring, ring])
      .map(async (ring) => {
        const items = Array.from({ length: MAX_BATCH_ITEMS }, () => ({
          ring,
          payload: message('batch'),
          declineReceipt: true,
        }));
        await client.signBatch(items, { timeoutMs: 60_000 });
        order.push('batch');
      });
    const singles = rings.map(async (ring) => {
      for (let i = 0; i < 5; i += 1) {
        await client.sign({ ring, payload: message('single') }, { timeoutMs: 60_000 });
      }
      order.push('single');
    });
    await Promise.all([...batches, ...singles]);
    expect(order.at(-1)).toBe('batch');
  });

  test('that are given up leave the service well', async () => {
    const items = Array.from({ length: MAX_BATCH_ITEMS }, () => ({
      ring: 'ml-dsa-87-enclave',
      payload: message('given up'),
    }));
    const ends = await Promise.allSettled(
      Array.from({ length: 8 }, () => client.signBatch(items, { timeoutMs: 30 })),
    );
    for (const end of ends) {
      expect(end.status === 'rejected' && end.reason).toBeInstanceOf(SignerError);
    }
    const payload = message('after');
    expect((await client.sign({ ring: 'es256-hsm', payload })).ring).toBe('es256-hsm');
  });
});

describe('sign-batch', () => {
  const names = Array.from({ length: 70 }, (_, i) => `file-${String(i)}.txt`);

  beforeAll(() => {
    mkdirSync(file('in'));
    for (const name of names) writeFileSync(file(`in/${name}`), `content of ${name}`);
    writeFileSync(file('in/large'), Buffer.alloc(MAX_MESSAGE_BYTES + 1, 1));
  });

  const signBatch = (ring: string, out: string, ...more: string[]): Promise<Finished> =>
    stack.run(['sign-batch', '--ring', ring, '--out', file(out), ...more]);
  const inputs = names.map((name) => file(`in/${name}`));

  test('writes signatures that openssl verifies, and receipts', async () => {
    const run = await signBatch('es256-hsm', 'out', ...inputs);
    expect([run.status, run.stdout]).toEqual([0, '']);
    expect(run.stderr).toContain('signed 70 of 70 files with es256-hsm version 1 (ES256, hsm)');
    const written = names.flatMap((name) => [`${name}.sig`, `${name}.receipt`]);
    expect(readdirSync(file('out')).sort()).toEqual(written.sort());
    const pem = await stack.run(['keys', 'export', 'es256-hsm']);
    writeFileSync(file('key.pem'), pem.stdout);
    for (const name of names) {
      const args = ['dgst', '-sha256', '-verify', file('key.pem')];
      const files = ['-signature', file(`out/${name}.sig`), file(`in/${name}`)];
      expect(execFileSync('openssl', [...args, ...files], { encoding: 'utf8' })).toBe(
        'Verified OK\n',
      );
    }
    const [name = ''] = names.slice(-1);
    const verified = await stack.run([
      ...['verify-receipt', file(`out/${name}.receipt`), '--in', file(`in/${name}`)],
    ]);
    expect(verified.stdout).toContain('The leaf is about exactly what was given as signed.');
  });

  test('as JSON tells of every file', async () => {
    const run = await signBatch('eddsa-enclave', 'json', '--json', ...inputs.slice(0, 3));
    const { simulated, files } = JSON.parse(run.stdout) as {
      simulated: boolean;
      files: { file: string; signed: Record<string, unknown> }[];
    };
    expect([run.status, simulated]).toEqual([0, true]);
    for (const [i, { file: path, signed }] of files.entries()) {
      expect(path).toBe(inputs[i]);
      expect(signed).toMatchObject({ ring: 'eddsa-enclave', algorithm: 'EdDSA' });
      const signature = readFileSync(file(`json/${names[i] ?? ''}.sig`)).toString('hex');
      expect(signed['signature']).toBe(signature);
    }
    expect(files).toHaveLength(3);
  });

  test('divides more files than one call takes, and reads large ones for a digest ring', async () => {
    mkdirSync(file('many'));
    const many = Array.from({ length: MAX_BATCH_ITEMS + 3 }, (_, i) => file(`many/${String(i)}`));
    for (const path of many) writeFileSync(path, path);
    const run = await signBatch('es256-digest-enclave', 'divided', ...many, file('in/large'));
    expect(run.status, run.stderr).toBe(0);
    expect(readdirSync(file('divided'))).toHaveLength(2 * (many.length + 1));
  });

  test.each<[string, () => string[], number]>([
    ['a file too large for a message ring', () => [file('in/large')], 70],
    ['a missing file', () => [file('in/missing')], 64],
    ['no file', () => [], 64],
    ['stdin', () => ['-'], 64],
    ['two files of one name', () => [file('in/large'), file('large')], 64],
    ['--encoding where there is one form', () => ['--encoding', 'der', file('in/large')], 64],
  ])('is refused with %s, and nothing is written', async (_name, args, status) => {
    const run = await signBatch('eddsa-enclave', 'none', ...args());
    expect(run.status, run.stderr).toBe(status);
    expect(existsSync(file('none')) ? readdirSync(file('none')) : []).toEqual([]);
  });
});
