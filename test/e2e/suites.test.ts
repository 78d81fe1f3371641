/** One stack for each suite of sessions: what it claims, what is measured, and a session that signs. */
import { execFile } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { SUITES, type SuiteNumber } from '../../enclave/wire/session/suites.ts';
import { AttestedClient, type AttestedKeys } from '../../src/client/attested.ts';
import { connect, type Signed } from '../../src/client/index.ts';
import type { NotBelieved } from '../../src/client/not-believed.ts';
import { parseAppraisalPolicy, type AppraisalPolicy } from '../../src/verifier/index.ts';
import { runSealwright, startStack, temporaryFolder, type Stack } from '../support/stack.ts';

const RING = 'session-enclave';
const MESSAGE = Buffer.from('signed within a session');
const [X25519, P256, HYBRID] = [SUITES[1].word, SUITES[2].word, SUITES[3].word];

const folder = temporaryFolder();
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});
afterAll(() => {
  folder.remove();
});

/** MR2 as anybody can compute it for the clone's own launch. */
async function measured(suite: string): Promise<string> {
  const program = fileURLToPath(new URL('../../scripts/measure.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [
    program,
    '--json',
    '--suite',
    suite,
  ]);
  return (JSON.parse(stdout) as Record<string, string>)['MR2'] ?? '';
}

/** The reference file of a stack, with another value of MR2. */
function referenceOf({ state }: Stack, mr2: string): Record<string, unknown> {
  const reference = JSON.parse(readFileSync(join(state, 'reference.json'), 'utf8')) as {
    readonly registers: Readonly<Record<string, unknown>>;
  };
  const MR2 = { rule: 'require', anyOf: [{ name: 'measured here', value: mr2 }] };
  return { ...reference, registers: { ...reference.registers, MR2 } };
}

async function attestedKeys(running: Stack, policy: AppraisalPolicy): Promise<AttestedKeys> {
  const client = running.client();
  try {
    return await new AttestedClient(client, policy).keys();
  } finally {
    client.close();
  }
}

async function signInSession({ ready }: Stack, trust: AppraisalPolicy): Promise<Signed> {
  const { address, ca, cert, key } = ready;
  const [caPem, certPem, keyPem] = [ca, cert, key].map((path) => readFileSync(path)) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  const identity = { ca: caPem, cert: certPem, key: keyPem };
  const service = await connect({ address, trust, identity });
  try {
    return await service.signer(RING).sign(MESSAGE);
  } finally {
    service.close();
  }
}

describe('a stack', () => {
  test.each([1, 2, 3] as const)('of suite %i', { timeout: 120_000 }, async (suite: SuiteNumber) => {
    const { word, publicKeyBytes } = SUITES[suite];
    stack = await startStack({ args: ['--suite', word] });
    const reference = parseAppraisalPolicy(referenceOf(stack, await measured(word)));
    const { keys, attestation } = await attestedKeys(stack, reference);
    const { claims } = attestation;
    expect([claims.suite, claims.hpkeKey.byteLength]).toEqual([word, publicKeyBytes]);

    const other = SUITES[suite === 1 ? 3 : 1].word;
    const otherReference = parseAppraisalPolicy(referenceOf(stack, await measured(other)));
    const refused = await attestedKeys(stack, otherReference).catch((error: unknown) => error);
    expect((refused as NotBelieved).checks.map(({ id }) => id)).toEqual(['MR2']);

    const { signature, receipt } = await signInSession(stack, reference);
    const key = keys.find(({ ring }) => ring === RING);
    const publicKey = createPublicKey({
      key: Buffer.from(key?.publicKey ?? []),
      format: 'der',
      type: 'spki',
    });
    expect(verify('sha256', MESSAGE, publicKey, signature)).toBe(true);
    const leaf: unknown = JSON.parse(Buffer.from(receipt.leaf).toString());
    expect(leaf).toMatchObject({ ring: RING, caller: 'dev', rank: 'session' });
  });
});

describe('a state folder', () => {
  test('keeps the suite that its cluster was born under', { timeout: 120_000 }, async () => {
    const state = join(folder.path, 'state');
    stack = await startStack({ state, args: ['--suite', P256] });
    const { clusterId } = stack.ready;
    await stack.stop();

    const other = await runSealwright(['dev', '--state', state, '--suite', HYBRID, '--', 'true']);
    expect(other.status).toBe(64);
    expect(other.stderr).toContain(`holds a cluster with sessions of suite ${P256}`);

    stack = await startStack({ state });
    expect([stack.ready.phase, stack.ready.clusterId]).toEqual(['serving', clusterId]);
  });

  test('is not made for a suite that is none', async () => {
    const state = join(folder.path, 'none');
    const { status, stderr } = await runSealwright(['dev', '--state', state, '--suite', 'x448']);
    expect(status).toBe(64);
    expect(stderr).toContain(X25519);
  });
});
