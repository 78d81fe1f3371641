/** policy explain: the running enclave and this computer give one answer, in one wording. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runSealwright, startStack, type Finished, type Stack } from '../support/stack.ts';

let stack: Stack;
let folder: string;
const path = (name: string): string => join(folder, name);
const pki = (name: string): string => join(dirname(stack.ready.cert), name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sw-explain-'));
  stack = await startStack();
  writeFileSync(path('short'), 'sixteen letters!');
  writeFileSync(path('long'), 'seventeen letters');
  const shown = await stack.run(['policy', 'show', '--out', path('policy.json')]);
  expect(shown.status, shown.stderr).toBe(0);
});
afterAll(async () => {
  await stack.stop();
  rmSync(folder, { recursive: true, force: true });
});

const explain = (...args: readonly string[]): Promise<Finished> =>
  stack.run(['policy', 'explain', ...args]);

/** Where no service is known. */
const explainElsewhere = (...args: readonly string[]): Promise<Finished> =>
  runSealwright(['policy', 'explain', ...args], { cwd: folder });

/** The caller `dev`, by the certificate that its connection shows. */
const offline = (...args: readonly string[]): Promise<Finished> =>
  explainElsewhere('--policy', path('policy.json'), '--caller', pki('client-dev.pem'), ...args);

describe('the caller of dev', () => {
  test.each<readonly [string, number, string, readonly string[]]>([
    ['allowed: caller dev (spiffe://', 0, 'short', ['--ring', 'es256-hsm']],
    ['allowed: caller dev (spiffe://', 0, 'long', ['--ring', 'es256-digest-hsm']],
    ['allowed: caller dev (spiffe://', 0, 'short', ['--ring', 'short-enclave']],
    [
      'denied by rule "payload-limit" with MESSAGE_TOO_LARGE',
      2,
      'long',
      ['--ring', 'short-enclave'],
    ],
    ['denied by rule "payload-kind"', 2, 'short', ['--ring', 'es256-hsm', '--kind', 'digest']],
    ['denied by rule "ring-callers"', 2, 'short', ['--ring', 'guest-enclave']],
    ['allowed: caller dev (spiffe://', 0, 'short', ['--ring', 'signed-enclave']],
    ['allowed: caller dev (spiffe://', 0, 'short', ['--ring', 'session-enclave']],
    ['denied by rule "ring" with KEY_NOT_FOUND', 2, 'short', ['--ring', 'there-is-none']],
    ['none was taken now', 0, 'short', ['--ring', 'slow-enclave']],
  ])('%s (%i, %s, %j)', async (words, status, file, args) => {
    const asked = [...args, '--payload', path(file)];
    const [here, there] = await Promise.all([offline(...asked), explain(...asked)]);
    expect(here).toMatchObject({ status, stdout: there.stdout });
    expect(there).toMatchObject({ status });
    expect(here.stdout).toContain(words);
    const [machine, service] = await Promise.all([
      offline(...asked, '--json'),
      explain(...asked, '--json'),
    ]);
    expect(JSON.parse(machine.stdout)).toEqual(JSON.parse(service.stdout));
  });
});

test('who can open no session is known by less', async () => {
  const { address, ca, cert, key } = stack.ready;
  const asked = ['--ring', 'session-enclave', '--payload', path('short')];
  const here = await offline(...asked, '--rank', 'mtls');
  // No reference file: no evidence is believed, so no session can be opened.
  const way = ['--address', address, '--ca', ca, '--cert', cert, '--key', key];
  const there = await explainElsewhere(...asked, ...way);
  expect(here).toMatchObject({ status: 2, stdout: there.stdout });
  expect(here.stdout).toContain(
    'denied by rule "lowest-rank" with SIGNING_POLICY_DENIED: ring session-enclave takes rank session (an attested session)',
  );
});

describe('anybody, offline', () => {
  const ring = ['--ring', 'es256-hsm', '--payload', '-'];

  test.each<readonly [string, () => readonly string[], string]>([
    ['a stranger', () => [pki('client-stranger.pem')], 'is no caller of this policy'],
    ['a server', () => [pki('server.pem')], 'the first is not for clients, or for everything'],
    ['an authority', () => [pki('ca.pem')], 'the first is an authority, or another one is not'],
    ['a name', () => ['guest'], 'ring es256-hsm does not name caller guest'],
    ['a socket', () => ['peer:nowhere'], 'peer:nowhere is no caller of this policy'],
  ])('%s', async (_name, who, words) => {
    const args = ['--policy', path('policy.json'), '--caller', ...who(), ...ring];
    const { status, stdout } = await explainElsewhere(...args);
    expect({ status, stdout }).toMatchObject({ status: 2 });
    expect(stdout).toContain(words);
  });

  test.each<readonly [string, readonly string[]]>([
    ['--caller is given without --policy', ['--caller', 'dev']],
    ['--policy is given without --caller', ['--policy', 'FILE']],
    ['--socket is given with --policy', ['--policy', 'FILE', '--caller', 'dev', '--socket', 'x']],
    ['--applied is "yesterday"', ['--policy', 'FILE', '--caller', 'dev', '--applied', 'yesterday']],
    ['--rank peer is not one of', ['--policy', 'FILE', '--caller', 'dev', '--rank', 'peer']],
    ['--rank mtls is not one of', ['--policy', 'FILE', '--caller', 'peer:x', '--rank', 'mtls']],
  ])('%s: 64', async (problem, args) => {
    const given = args.map((one) => (one === 'FILE' ? path('policy.json') : one));
    const { status, stderr } = await explainElsewhere(...given, ...ring);
    expect({ status, stderr }).toMatchObject({ status: 64 });
    expect(stderr).toContain(problem);
  });
});
