/** The client library against a real stack; what it makes is verified by jose, node:crypto and openssl. */
import { execFile, execFileSync } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { compactVerify, importJWK, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  certificateRequest,
  connect,
  encodeReceipt,
  nodeSign,
  parseAppraisalPolicy,
  RequestError,
  SealwrightError,
  SecurityError,
  signCompact,
  signJwt,
  UnavailableError,
  type AppraisalPolicy,
  type ConnectOptions,
  type Sealwright,
  type Signed,
} from '../../src/client/index.ts';
import { startStack, temporaryFolder, type Stack } from '../support/stack.ts';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const MESSAGE = Buffer.from('a message to sign');

let stack: Stack;
let options: ConnectOptions;
let service: Sealwright;
let temporary: { readonly path: string; readonly remove: () => void };

const referenceOf = (
  change: (policy: Record<string, unknown>) => void = () => undefined,
): AppraisalPolicy => {
  const json = JSON.parse(readFileSync(join(stack.state, 'reference.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  change(json);
  return parseAppraisalPolicy(json);
};

beforeAll(async () => {
  temporary = temporaryFolder();
  stack = await startStack();
  const { address, ca, cert, key } = stack.ready;
  const [caPem, certPem, keyPem] = [ca, cert, key].map((path) => readFileSync(path)) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  options = { address, trust: referenceOf(), identity: { ca: caPem, cert: certPem, key: keyPem } };
  service = await connect(options);
});
afterAll(async () => {
  service.close();
  await stack.stop();
  temporary.remove();
});

async function failureOf(promise: Promise<unknown>): Promise<SealwrightError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SealwrightError);
  return error as SealwrightError;
}

/** Runs openssl over files of a temporary folder. */
const openssl = (...args: string[]): string =>
  execFileSync('openssl', args, { cwd: temporary.path, encoding: 'utf8', stdio: 'pipe' });

describe('sign', () => {
  it.each([
    'es256-hsm',
    'es384-enclave',
    'eddsa-hsm',
    'rs256-hsm',
    'ps512-hsm',
    'ml-dsa-65-enclave',
    'session-enclave',
  ])('with %s: the ring’s public key verifies it, and the receipt is the CLI’s', async (ring) => {
    const signer = service.signer(ring);
    const signed = await signer.sign(MESSAGE);
    const key = await signer.key();
    expect(signed).toMatchObject({ ring, version: key.version, kid: key.kid, alg: key.alg });
    writeFileSync(join(temporary.path, `${ring}.txt`), MESSAGE);
    writeFileSync(join(temporary.path, `${ring}.sig`), signed.signature);
    writeFileSync(join(temporary.path, `${ring}.receipt`), encodeReceipt(signed.receipt));
    const input = ['--ring', ring, '--in', join(temporary.path, `${ring}.txt`)];
    const signature = ['--signature', join(temporary.path, `${ring}.sig`)];
    expect(await stack.run(['verify', ...input, ...signature])).toMatchObject({ status: 0 });
    const receipt = join(temporary.path, `${ring}.receipt`);
    // A warning, as everything that a simulated platform vouches for.
    const { status, stdout } = await stack.run(['verify-receipt', receipt, ...input.slice(2)]);
    expect([status, stdout]).toEqual([1, expect.stringMatching(/^ok +receipt-to-be-signed: /m)]);
  });

  it('hashes a message of any size for a ring of payload digest', async () => {
    const chunk = Buffer.alloc(100_000, 'chunk');
    const signer = service.signer('es256-digest-hsm');
    const { signature } = await signer.sign(Array<Uint8Array>(20).fill(chunk));
    const { publicKey } = await signer.key();
    const key = createPublicKey({ key: publicKey, format: 'jwk' });
    expect(verify('sha256', Buffer.alloc(2_000_000, 'chunk'), key, signature)).toBe(true);
  });

  it('a batch of more items than one call takes', async () => {
    const messages = Array.from({ length: 300 }, (_, i) => Buffer.from(`message ${String(i)}`));
    const signer = service.signer('es256-enclave');
    const outcomes = await signer.signBatch(messages, { encoding: 'p1363' });
    expect(outcomes).toHaveLength(300);
    const { publicKey } = await signer.key();
    const key = createPublicKey({ key: publicKey, format: 'jwk' });
    const holds = (outcome: Signed | SealwrightError, i: number): boolean =>
      !(outcome instanceof SealwrightError) &&
      verify(
        'sha256',
        messages[i] ?? MESSAGE,
        { key, dsaEncoding: 'ieee-p1363' },
        outcome.signature,
      );
    expect(outcomes.every(holds)).toBe(true);
  });

  it('a batch that takes several records each way', async () => {
    const messages = Array.from({ length: 256 }, (_, i) => Buffer.alloc(3_900, String(i)));
    const outcomes = await service.signer('session-enclave').signBatch(messages);
    const refused = outcomes.filter((outcome) => outcome instanceof SealwrightError);
    expect([outcomes.length, refused]).toEqual([256, []]);
  });

  it('a batch whose ring takes one a second: what is not signed yet is asked for again', async () => {
    const messages = ['one', 'two', 'three'].map((text) => Buffer.from(text));
    const signer = service.signer('slow-enclave');
    const outcomes = await signer.signBatch(messages);
    expect(outcomes.filter((outcome) => outcome instanceof SealwrightError)).toEqual([]);
    const hurried = await signer.signBatch(messages, { timeoutMs: 100 });
    const reasons = hurried.map((one) => (one instanceof SealwrightError ? one.reason : 'signed'));
    expect(reasons).toContain('RATE_LIMITED');
  });

  it('over a Unix socket: with an identity in a session, without as whoever may open the socket', async () => {
    const { trust } = options;
    const address = `unix:${stack.ready.sockets[0] ?? ''}`;
    using inSession = await connect({ ...options, address });
    expect(inSession.session?.principal).toBe(service.session?.principal);
    const signed = await inSession.signer('session-enclave').sign(MESSAGE);
    expect(signed.ring).toBe('session-enclave');
    using plain = await connect({ address, trust });
    expect(plain.session).toBeUndefined();
    const error = await failureOf(plain.signer('session-enclave').sign(MESSAGE));
    expect(error).toMatchObject({ advice: 'fix', reason: 'SIGNING_POLICY_DENIED' });
    expect(error.facts).toMatchObject({ expected: 'session', actual: 'peer' });
    expect(error).toBeInstanceOf(RequestError);
  });
});

describe('an error says what to do', () => {
  it('fix: a ring that is not there, a message that is too large', async () => {
    const nobody = await failureOf(service.signer('nobody').sign(MESSAGE));
    expect(nobody).toMatchObject({ advice: 'fix', reason: 'KEY_NOT_FOUND' });
    const large = await failureOf(service.signer('es256-hsm').sign(Buffer.alloc(61_441)));
    expect(large).toMatchObject({ advice: 'fix', reason: 'MESSAGE_TOO_LARGE' });
  });

  it('stop: the enclave is not the one that is trusted', async () => {
    const trust = referenceOf((policy) => {
      policy['cluster'] = { rule: 'require', clusterId: 'ab'.repeat(32) };
    });
    const error = await failureOf(connect({ ...options, trust }));
    expect(error).toBeInstanceOf(SecurityError);
    expect(error).toMatchObject({ advice: 'stop', reason: 'NOT_BELIEVED' });
    const checks: unknown = expect.arrayContaining([expect.objectContaining({ id: 'cluster' })]);
    expect(error).toMatchObject({ checks });
  });

  it('retry: nobody is there', async () => {
    const address = 'localhost:1';
    const error = await failureOf(connect({ ...options, address, timeoutMs: 500 }));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ advice: 'retry', reason: 'SERVICE_UNREACHABLE' });
  });
});

describe('jose', () => {
  it.each(['es256-hsm', 'es512-enclave', 'eddsa-enclave', 'rs256-hsm', 'ps256-enclave'])(
    'accepts a token of %s',
    async (ring) => {
      const signer = service.signer(ring);
      const now = Math.floor(Date.now() / 1000);
      const token = await signJwt(signer, { iss: 'https://issuer.test', sub: 'a', exp: now + 60 });
      const { publicKey, kid, alg } = await signer.key();
      const { payload, protectedHeader } = await jwtVerify(token, await importJWK(publicKey, alg), {
        issuer: 'https://issuer.test',
      });
      expect(payload.sub).toBe('a');
      expect(protectedHeader).toEqual({ typ: 'JWT', alg, kid });
    },
  );

  it('accepts a JWS with a header of the caller’s', async () => {
    const signer = service.signer('es256-hsm');
    const jws = await signCompact(signer, MESSAGE, { cty: 'text/plain' });
    const { publicKey, alg } = await signer.key();
    const { payload, protectedHeader } = await compactVerify(jws, await importJWK(publicKey, alg));
    expect([Buffer.from(payload), protectedHeader.cty]).toEqual([MESSAGE, 'text/plain']);
  });
});

describe('in the form of crypto.sign', () => {
  const called = (...[algorithm, data]: [string | null, Uint8Array]): Promise<Buffer> =>
    promisify(nodeSign(service.signer('es256-hsm')))(algorithm, data) as Promise<Buffer>;

  it('gives a signature that crypto.verify accepts', async () => {
    const { publicKey } = await service.signer('es256-hsm').key();
    const key = createPublicKey({ key: publicKey, format: 'jwk' });
    for (const algorithm of [null, 'sha256', 'RSA-SHA256', 'SHA-256'])
      expect(verify('sha256', MESSAGE, key, await called(algorithm, MESSAGE))).toBe(true);
  });

  it('refuses another hash than the ring’s', async () => {
    const error = await failureOf(called('sha512', MESSAGE));
    expect(error).toMatchObject({ reason: 'ALGORITHM_MISMATCH', facts: { expected: 'sha256' } });
  });
});

it.each(['es256-hsm', 'es384-enclave', 'rs256-hsm', 'ps256-hsm', 'eddsa-hsm'])(
  'openssl verifies a request for a certificate by %s',
  async (ring) => {
    const pem = await certificateRequest(service.signer(ring), {
      subject: { organization: 'Example', commonName: 'service' },
      names: [{ dns: 'service.example' }, { ip: '192.0.2.1' }, { uri: 'spiffe://example/service' }],
    });
    writeFileSync(join(temporary.path, `${ring}.csr`), pem);
    const text = openssl('req', '-in', `${ring}.csr`, '-verify', '-noout', '-text');
    expect(text).toContain(
      'DNS:service.example, IP Address:192.0.2.1, URI:spiffe://example/service',
    );
    expect(text).toMatch(/Subject: O ?= ?Example, CN ?= ?service/);
  },
);

it('signs on while the enclave is killed, with the same request id', async () => {
  const signer = service.signer('es256-enclave');
  await signer.key();
  process.kill(stack.pid('enclave'), 'SIGKILL');
  expect((await signer.sign(MESSAGE, { timeoutMs: 30_000 })).ring).toBe('es256-enclave');
});

it('the example of the README runs', async () => {
  const node = process.execPath;
  const flags = ['--disable-warning=ExperimentalWarning'];
  const args = [...flags, join(REPOSITORY, 'docs/examples/sign.ts'), stack.state];
  const { stdout } = await promisify(execFile)(node, args, { cwd: REPOSITORY });
  expect(stdout).toMatch(/^[0-9a-f]{120,146} by [\w-]{43}\n$/);
});
