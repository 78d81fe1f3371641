import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAX_MESSAGE_BYTES } from '../../enclave/wire/limits.ts';
import { runSealwright, startStack, temporaryFolder } from '../support/stack.ts';
import type { Finished, Stack } from '../support/stack.ts';

const { path: folder, remove } = temporaryFolder();
let stack: Stack;
const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  stack = await startStack();
  writeFileSync(file('small'), 'a small file');
  writeFileSync(file('other'), 'another small file');
  writeFileSync(file('empty'), '');
  writeFileSync(file('largest'), Buffer.alloc(MAX_MESSAGE_BYTES, 1));
  writeFileSync(file('too-large'), Buffer.alloc(MAX_MESSAGE_BYTES + 1, 1));
  writeFileSync(file('huge'), Buffer.alloc(8 * 1024 * 1024, 1));
});
afterAll(async () => {
  await stack.stop();
  remove();
});

const sign = (ring: string, input: string, out: string, ...more: string[]): Promise<Finished> =>
  stack.run(['sign', '--ring', ring, '--in', file(input), '--out', file(out), ...more]);
const verify = (
  ring: string,
  input: string,
  signature: string,
  ...more: string[]
): Promise<Finished> =>
  stack.run([
    'verify',
    '--ring',
    ring,
    '--in',
    file(input),
    '--signature',
    file(signature),
    ...more,
  ]);
const problem = ({ stderr }: Finished): Record<string, unknown> =>
  (JSON.parse(stderr) as { error: Record<string, unknown> }).error;

describe('sign and verify', () => {
  test.each([
    'es256-hsm',
    'eddsa-enclave',
    'rs256-hsm',
    'ps512-enclave',
    'ml-dsa-65-enclave',
    'es256-digest-hsm',
  ])('%s', async (ring) => {
    expect(await sign(ring, 'small', 's')).toMatchObject({ status: 0, stdout: '' });
    const good = await verify(ring, 'small', 's');
    expect(good.status).toBe(0);
    expect(good.stdout).toMatch(/^OK: /);
    const bad = await verify(ring, 'other', 's');
    expect(bad.status).toBe(2);
    expect(bad.stdout).toMatch(/^FAILED: /);
  });

  test('a signature of another ring, a cut and an empty one are FAILED', async () => {
    await sign('es256-hsm', 'small', 'by-hsm');
    writeFileSync(file('cut'), readFileSync(file('by-hsm')).subarray(0, 20));
    expect((await verify('es256-enclave', 'small', 'by-hsm')).status).toBe(2);
    expect((await verify('es256-hsm', 'small', 'cut')).status).toBe(2);
    expect((await verify('es256-hsm', 'small', 'empty')).status).toBe(2);
  });

  test('--encoding p1363 is r ‖ s, and verifies as nothing else', async () => {
    await sign('es384-hsm', 'small', 'p1363', '--encoding', 'p1363');
    expect(readFileSync(file('p1363')).byteLength).toBe(96);
    expect((await verify('es384-hsm', 'small', 'p1363', '--encoding', 'p1363')).status).toBe(0);
    expect((await verify('es384-hsm', 'small', 'p1363')).status).toBe(2);
  });

  test('--encoding is refused where there is one form only', async () => {
    expect((await sign('eddsa-hsm', 'small', 's', '--encoding', 'der')).status).toBe(64);
  });

  test('the empty and the largest message are signed', async () => {
    for (const input of ['empty', 'largest']) {
      expect((await sign('es256-enclave', input, 's')).status).toBe(0);
      expect((await verify('es256-enclave', input, 's')).status).toBe(0);
    }
  });

  test('a larger one is refused, and the refusal tells of digest rings', async () => {
    const refused = await sign('es256-enclave', 'too-large', 'none', '--json');
    expect(refused.status).toBe(70);
    expect(problem(refused)).toMatchObject({
      reason: 'MESSAGE_TOO_LARGE',
      limitBytes: MAX_MESSAGE_BYTES,
    });
    expect(problem(refused)['wayOut']).toContain('es256-digest-enclave');
    expect(() => readFileSync(file('none'))).toThrow(/ENOENT/);
  });

  test('a digest ring takes a file of any size', async () => {
    expect((await sign('es256-digest-enclave', 'huge', 'huge.sig')).status).toBe(0);
    expect((await verify('es256-digest-enclave', 'huge', 'huge.sig')).status).toBe(0);
  });

  test('- is stdin and stdout', async () => {
    const args = ['sign', '--ring', 'es256-hsm', '--in', '-', '--out', file('s')];
    expect((await stack.run(args, { input: 'a small file' })).status).toBe(0);
    expect((await verify('es256-hsm', 'small', 's')).status).toBe(0);
    const both = await stack.run(
      ['verify', '--ring', 'es256-hsm', '--in', '-', '--signature', file('s')],
      { input: 'a small file' },
    );
    expect(both.status).toBe(0);
    const out = await stack.run([
      'sign',
      '--ring',
      'eddsa-hsm',
      '--in',
      file('small'),
      '--out',
      '-',
    ]);
    expect(out.status).toBe(0);
    expect(out.stdout.length).toBeGreaterThan(0);
  });

  test('--json tells what was used', async () => {
    const made = JSON.parse((await sign('ps256-hsm', 'small', 's', '--json')).stdout) as Record<
      string,
      string
    >;
    expect(made).toMatchObject({
      ring: 'ps256-hsm',
      version: 1,
      algorithm: 'PS256',
      encoding: 'raw',
      residency: 'hsm',
    });
    expect(made['signature']).toBe(readFileSync(file('s')).toString('hex'));
    expect(made['measurement']).toMatch(/^[0-9a-f]{96}$/);
    const checked = JSON.parse(
      (await verify('ps256-hsm', 'other', 's', '--json')).stdout,
    ) as Record<string, unknown>;
    expect(checked).toMatchObject({ verified: false });
  });
});

describe('verify without a service', () => {
  const offline = (...args: string[]): Promise<Finished> =>
    runSealwright(['verify', '--in', file('small'), ...args], {
      env: { SEALWRIGHT_STATE: '/nowhere' },
    });

  test.each(['es512-enclave', 'eddsa-hsm', 'ml-dsa-44-enclave'])('%s', async (ring) => {
    writeFileSync(file('pem'), (await stack.run(['keys', 'export', ring, '--pem'])).stdout);
    await sign(ring, 'small', 's');
    expect((await offline('--public-key', file('pem'), '--signature', file('s'))).status).toBe(0);
    expect((await offline('--public-key', file('pem'), '--signature', file('empty'))).status).toBe(
      2,
    );
  });

  test('an RSA key needs --algorithm', async () => {
    writeFileSync(file('pem'), (await stack.run(['keys', 'export', 'ps384-hsm'])).stdout);
    await sign('ps384-hsm', 'small', 's');
    const args = ['--public-key', file('pem'), '--signature', file('s')];
    expect((await offline(...args)).status).toBe(64);
    expect((await offline(...args, '--algorithm', 'PS384')).status).toBe(0);
    expect((await offline(...args, '--algorithm', 'RS384')).status).toBe(2);
    expect((await offline(...args, '--algorithm', 'ES256')).status).toBe(64);
  });

  test.each(['small', 'missing'])(
    'a public key file that is %s is refused with 64',
    async (name) => {
      expect((await offline('--public-key', file(name), '--signature', file('s'))).status).toBe(64);
    },
  );
});

/** Of the rings of dev that differ. */
const LOWEST_RANKS: Readonly<Record<string, string>> = {
  'session-enclave': 'session',
  'signed-enclave': 'signed',
  'socket-enclave': 'peer',
};

describe('keys', () => {
  test('list shows every ring, list --json the same with public keys', async () => {
    const { keys } = JSON.parse((await stack.run(['keys', 'list', '--json'])).stdout) as {
      keys: Record<string, string>[];
    };
    expect(keys.length).toBe(31);
    const text = (await stack.run(['keys', 'list'])).stdout;
    for (const key of keys) {
      expect(text).toContain(key['kid']);
      expect(key).toMatchObject({ version: 1, state: 'active' });
      expect(key['lowestRank']).toBe(LOWEST_RANKS[key['ring'] ?? ''] ?? 'mtls');
    }
  });

  test('export gives PEM that openssl reads', async () => {
    const pem = (await stack.run(['keys', 'export', 'es256-hsm', '--pem'])).stdout;
    const read = execFileSync('openssl', ['pkey', '-pubin', '-outform', 'PEM'], {
      input: pem,
    }).toString();
    expect(read).toBe(pem);
  });

  test('export of a version', async () => {
    expect((await stack.run(['keys', 'export', 'es256-hsm', '--version', '1'])).status).toBe(0);
    const none = await stack.run(['keys', 'export', 'es256-hsm', '--version', '2', '--json']);
    expect([none.status, problem(none)['reason']]).toEqual([70, 'KEY_NOT_FOUND']);
  });
});

describe('status', () => {
  test('says what a person must see first', async () => {
    const { status, stdout } = await stack.run(['status']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^phase +serving$/m);
    expect(stdout).toMatch(/^platform +simulated: SIMULATED, protects nothing$/m);
    expect(stdout).toContain(stack.ready.clusterId);
  });

  test('--json', async () => {
    const answer = JSON.parse((await stack.run(['status', '--json'])).stdout) as Record<
      string,
      unknown
    >;
    expect(answer).toMatchObject({
      phase: 'serving',
      simulated: true,
      rings: 31,
      clusterId: stack.ready.clusterId,
    });
    expect(answer['measurements']).toHaveLength(3);
    expect(answer).not.toHaveProperty('halt');
  });

  test('takes less than 0.7 s', async () => {
    const times: number[] = [];
    for (let i = 0; i < 3; i += 1) {
      const begun = performance.now();
      await stack.run(['status']);
      times.push(performance.now() - begun);
    }
    expect(Math.min(...times)).toBeLessThan(700);
  });

  test('through the socket, and by address with files', async () => {
    const { address, ca, cert, key, sockets } = stack.ready;
    const away = { env: { SEALWRIGHT_STATE: '/nowhere' } };
    expect((await runSealwright(['status', '--socket', sockets[0] ?? ''], away)).status).toBe(0);
    expect(
      (
        await runSealwright(
          ['status', '--address', address, '--ca', ca, '--cert', cert, '--key', key],
          away,
        )
      ).status,
    ).toBe(0);
  });
});

describe('refusals', () => {
  test.each([
    [['sign', '--ring', 'none', '--in', 'package.json', '--out', '/dev/null'], 70, 'KEY_NOT_FOUND'],
    [['keys', 'export', 'none'], 70, 'KEY_NOT_FOUND'],
    [
      ['verify', '--ring', 'none', '--in', 'package.json', '--signature', 'package.json'],
      70,
      'KEY_NOT_FOUND',
    ],
  ])('%j', async (args, status, reason) => {
    const refused = await stack.run([...args, '--json']);
    expect([refused.status, problem(refused)['reason']]).toEqual([status, reason]);
    expect(problem(refused)['wayOut']).toBeTypeOf('string');
  });

  test('files that cannot be read or written are 64', async () => {
    expect((await sign('es256-hsm', 'missing', 's')).status).toBe(64);
    expect(
      (await stack.run(['sign', '--ring', 'es256-hsm', '--in', folder, '--out', file('s')])).status,
    ).toBe(64);
    expect((await sign('es256-hsm', 'small', 'no/such/folder/s')).status).toBe(64);
    expect((await verify('es256-hsm', 'small', 'missing')).status).toBe(64);
    expect((await verify('es256-hsm', 'missing', 'small')).status).toBe(64);
    const proposed = ['genesis', 'propose', '--name', 'n', '--policy', file('missing')];
    expect((await stack.run([...proposed, '--out', file('d')])).status).toBe(64);
    expect((await stack.run(['genesis', 'commit', file('missing'), file('small')])).status).toBe(
      64,
    );
  });

  test('a foreign certificate is refused by the service', async () => {
    const subject = ['-subj', '/CN=stranger', '-days', '1', '-nodes'];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        ...subject,
        '-keyout',
        file('k'),
        '-out',
        file('c'),
      ],
      { stdio: 'ignore' },
    );
    const { address, ca } = stack.ready;
    const refused = await runSealwright([
      'keys',
      'list',
      '--json',
      '--address',
      address,
      '--ca',
      ca,
      '--cert',
      file('c'),
      '--key',
      file('k'),
      '--reference',
      join(stack.state, 'reference.json'),
    ]);
    expect([refused.status, problem(refused)['reason']]).toEqual([70, 'CALLER_UNAUTHENTICATED']);
  });

  test('a service that another authority vouches for is not believed', async () => {
    const { address, cert, key } = stack.ready;
    const refused = await runSealwright([
      'status',
      '--address',
      address,
      '--ca',
      file('c'),
      '--cert',
      cert,
      '--key',
      key,
    ]);
    expect(refused.status).toBe(69);
  });

  test('certificate and key that do not fit together, and files that are no PEM, are 64', async () => {
    const { address, ca, cert } = stack.ready;
    for (const key of [file('k'), file('small')]) {
      expect(
        (
          await runSealwright([
            'status',
            '--address',
            address,
            '--ca',
            ca,
            '--cert',
            cert,
            '--key',
            key,
          ])
        ).status,
      ).toBe(64);
    }
  });

  test('a port where nobody listens, and a socket that does not exist, are 69', async () => {
    const { ca, cert, key } = stack.ready;
    expect(
      (
        await runSealwright([
          'status',
          '--address',
          '127.0.0.1:1',
          '--ca',
          ca,
          '--cert',
          cert,
          '--key',
          key,
        ])
      ).status,
    ).toBe(69);
    expect((await runSealwright(['status', '--socket', '/no/such/socket'])).status).toBe(69);
  });
});
