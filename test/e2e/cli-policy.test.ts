/** The way of a policy and of an emergency statement through the command line: real service, real ssh-keygen. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runSealwright, startStack, type Finished, type Stack } from '../support/stack.ts';

const NEW_RING = {
  name: 'night',
  algorithm: 'ES256',
  residency: 'hsm',
  payload: { kind: 'message' },
  lowestRank: 'mtls',
  acceptHostAsserted: 'a test',
  callers: ['dev'],
};

interface Document {
  [member: string]: unknown;
  readonly version: number;
  readonly rings: readonly object[];
}

let stack: Stack;
let folder: string;
const path = (name: string): string => join(folder, name);
const admin = (): string => join(stack.state, 'admin/dev');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sw-policy-'));
  stack = await startStack();
  execFileSync('ssh-keygen', ['-q', '-t', 'ecdsa', '-N', '', '-C', 'bob', '-f', path('bob')]);
  writeFileSync(path('message'), 'm');
});
afterAll(async () => {
  await stack.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function ok(...args: readonly string[]): Promise<Finished> {
  const finished = await stack.run(args);
  expect(finished, finished.stderr).toMatchObject({ status: 0 });
  return finished;
}

const json = async (...args: readonly string[]): Promise<unknown> =>
  JSON.parse((await ok(...args, '--json')).stdout);

async function refused(...args: readonly string[]): Promise<unknown> {
  const { status, stderr } = await stack.run([...args, '--json']);
  const { error } = JSON.parse(stderr.trim().split('\n').at(-1) ?? '') as { error: object };
  return { status, ...error };
}

/** The document in force and the next one, built of it. */
async function nextPolicy(change: (now: Document) => object): Promise<Document> {
  await ok('policy', 'show', '--out', path('now.json'));
  const now = JSON.parse(readFileSync(path('now.json'), 'utf8')) as Document;
  const stays = ['admins', 'threshold', 'noSpareAdmin', 'roots', 'callers', 'rings'];
  const source = Object.fromEntries(stays.map((name) => [name, now[name]]));
  writeFileSync(path('next.yaml'), JSON.stringify({ ...source, ...change(now) }, undefined, 2));
  const context = ['--current', path('now.json'), '--cluster-id', stack.ready.clusterId];
  await ok('policy', 'build', path('next.yaml'), ...context, '--out', path('next.json'));
  return now;
}

/** What the owners of the reference file do when they agree to a ring. */
function agreeTo(ring: string): void {
  const file = join(stack.state, 'reference.json');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace('"es256-hsm"', `"es256-hsm", "${ring}"`));
}

/** Type and fingerprint of a public key, the latter by ssh-keygen. */
function fingerprintOf(file: string): string {
  const [type] = readFileSync(file, 'utf8').split(' ');
  const [, digest] = execFileSync('ssh-keygen', ['-lf', file], { encoding: 'utf8' }).split(' ');
  return `${type ?? ''} ${digest ?? ''}`;
}

const sign = (ring: string): Promise<Finished> =>
  stack.run(['sign', '--ring', ring, '--in', path('message'), '--out', path('signature')]);

describe('a policy', () => {
  test('is shown, built, approved with ssh-keygen and applied', async () => {
    const now = await nextPolicy(({ rings }) => ({ rings: [...rings, NEW_RING] }));
    const approving = await ok(
      ...['policy', 'approve', path('next.json'), '--current', path('now.json'), '--key', admin()],
    );
    expect(approving.stderr).toContain('widens: ring night is born: ES256');
    expect(approving.stderr).toContain(`cluster ${stack.ready.clusterId}`);
    const applied = await json('policy', 'apply', path('next.json'), path('next.json.sig'));
    expect(applied).toMatchObject({
      version: now.version + 1,
      changes: [{ ring: 'night', version: 1, to: 'active' }],
    });
    // A ring that takes the host's word is one more than relying parties have agreed to.
    expect((await sign('night')).status).toBe(2);
    agreeTo('night');
    expect(await sign('night')).toMatchObject({ status: 0 });
    await ok(
      'verify',
      '--ring',
      'night',
      '--in',
      path('message'),
      '--signature',
      path('signature'),
    );
    const inWords = await ok('policy', 'show');
    expect(inWords.stdout).toContain(`admin dev (${fingerprintOf(`${admin()}.pub`)})\n`);
    expect(inWords.stdout).toContain('\nring night: ES256, residency hsm');
    const shown = (await json('policy', 'show')) as { digest: string; document: object };
    expect(shown.document).toEqual(JSON.parse(readFileSync(path('next.json'), 'utf8')));
    expect(shown.digest).toBe((applied as { digest: string }).digest);
    expect(
      await refused('policy', 'apply', path('next.json'), path('next.json.sig')),
    ).toMatchObject({ status: 70, reason: 'POLICY_NOT_NEXT' });
  });

  test('that brings in an admin takes that one’s approval too', async () => {
    const [type, base64] = readFileSync(path('bob.pub'), 'utf8').split(' ');
    const bob = { name: 'bob', key: `${type ?? ''} ${base64 ?? ''}` };
    await nextPolicy(({ admins }) => ({
      admins: [...(admins as object[]), bob],
      threshold: 1,
      noSpareAdmin: undefined,
    }));
    const [document, own, his] = [path('next.json'), path('own.sig'), path('bob.sig')];
    const told = await ok('policy', 'approve', document, '--key', admin(), '--out', own);
    expect(told.stderr).toContain(`admin dev (${fingerprintOf(`${admin()}.pub`)})\n`);
    expect(told.stderr).toContain(`admin bob (${fingerprintOf(path('bob.pub'))})\n`);
    expect(told.stderr).toContain(`cluster ${stack.ready.clusterId}`);
    expect(told.stderr).toContain('ring night: ES256, residency hsm');
    expect(await refused('policy', 'apply', document, own)).toMatchObject({
      reason: 'APPROVALS_MISSING',
    });
    await ok('policy', 'approve', document, '--key', path('bob'), '--out', his);
    await ok('policy', 'apply', document, his, own);
  });

  test('is not approved on another policy than the one that it replaces', async () => {
    const before = JSON.parse(readFileSync(path('now.json'), 'utf8')) as object;
    writeFileSync(path('forged.json'), JSON.stringify({ ...before, notAfter: 1 + Date.now() }));
    const own = path('never.sig');
    const stale = await refused(
      ...['policy', 'approve', path('next.json'), '--current', path('next.json')],
      ...['--key', admin(), '--out', own],
    );
    expect(stale).toMatchObject({ status: 2, mismatch: 'replaces' });
    const forged = await refused(
      ...['policy', 'approve', path('next.json'), '--current', path('forged.json')],
      ...['--key', admin(), '--out', own],
    );
    expect(forged).toMatchObject({ status: 2, mismatch: 'replaces' });
    expect(existsSync(own)).toBe(false);
  });

  test('is not approved as YAML, nor applied with a file that is no approval', async () => {
    const yaml = await refused('policy', 'approve', path('next.yaml'), '--key', admin());
    expect(yaml).toMatchObject({ status: 64 });
    const wrong = await refused('policy', 'apply', path('next.json'), path('message'));
    expect(wrong).toMatchObject({ status: 64 });
    expect((wrong as { problem: string }).problem).toContain('is no approval (magic)');
  });
});

describe('an emergency', () => {
  const stop = ['emergency', 'suspend', 'night', '--reason', 'a test'];

  test('is one command for one admin, and over when M say so', async () => {
    const suspended = await json(...stop, '--approve-with', path('bob'));
    expect(suspended).toMatchObject({
      sequence: 1,
      changes: [{ ring: 'night', version: 1, from: 'active', to: 'suspended' }],
    });
    const signing = await sign('night');
    expect(signing.status).toBe(70);
    expect(signing.stderr).toContain('suspended');
    const statement = path('resume.json');
    await ok('emergency', 'resume', 'night', '--reason', 'all is well', '--out', statement);
    const approving = await ok('emergency', 'approve', statement, '--key', admin());
    expect(approving.stderr).toContain('resume ring night, all versions: all is well');
    const { adminDigest } = (await json('policy', 'show')) as { adminDigest: string };
    expect(approving.stderr).toContain(`directly after ${adminDigest}`);
    await ok('emergency', 'apply', statement, `${statement}.sig`);
    expect(await sign('night')).toMatchObject({ status: 0 });
    expect(await refused('emergency', 'apply', statement, `${statement}.sig`)).toMatchObject({
      reason: 'STATEMENT_REPLAYED',
    });
  });

  test('says what it lacks before anything is sent', async () => {
    expect(await refused(...stop)).toMatchObject({ status: 64 });
    const nobody = [...stop, '--approve-with', path('nobody')];
    expect(await refused(...nobody)).toMatchObject({ status: 70 });
    const loud = ['emergency', 'suspend', 'night', '--approve-with', admin(), '--reason', 'é'];
    expect(await refused(...loud)).toMatchObject({ status: 64 });
    expect(
      await refused('emergency', 'approve', path('next.json'), '--key', admin()),
    ).toMatchObject({ status: 64 });
  });

  test('may be written where there is no service', async () => {
    const previous = 'cd'.repeat(32);
    const known = ['--cluster-id', stack.ready.clusterId, '--out', path('off.json')];
    const place = ['--sequence', '7', '--previous', previous];
    await runSealwright([...stop, ...known, ...place], { cwd: folder });
    const statement = JSON.parse(readFileSync(path('off.json'), 'utf8')) as object;
    expect(statement).toMatchObject({
      clusterId: stack.ready.clusterId,
      sequence: 7,
      previous,
      call: 'suspend',
    });
    expect(await refused(...stop, ...known, '--sequence', '7')).toMatchObject({
      status: 64,
      problem: '--sequence is given without --previous',
    });
    expect(await refused(...stop, ...known, '--previous', previous)).toMatchObject({
      status: 64,
      problem: '--previous is given without --sequence',
    });
    const short = ['--sequence', '7', '--previous', 'cd'];
    expect(await refused(...stop, ...known, ...short)).toMatchObject({
      status: 64,
      problem: '--previous is "cd"',
    });
  });

  test('leaves its trace in the log', async () => {
    const { stdout } = await ok('log', 'show', '--count', '20');
    expect(stdout).toContain('suspend night, statement 1, approved by bob');
    expect(stdout).toContain('night/1 suspended to active: all is well');
  });
});
