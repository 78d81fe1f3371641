import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  NITRO_NONCE,
  NITRO_USER_DATA,
  makeNitro,
  nitroPolicy,
} from '../../scripts/evidence/nitro/index.ts';
import { NOW, makeEvidence } from '../support/evidence-maker.ts';
import { dcapCase } from '../support/dcap/index.ts';
import { caseOf, hasVectors, sayWhereVectorsAre } from '../support/platform-vectors.ts';
import { VECTOR_ROWS } from '../support/platform-vectors/index.ts';
import { unhex, type PlatformCase } from '../support/run-platform-vector.ts';
import { snpCase } from '../support/sev-snp/index.ts';
import { runSealwright, temporaryFolder, type Finished } from '../support/stack.ts';

sayWhereVectorsAre();

const { path: folder, remove } = temporaryFolder();
afterAll(remove);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const lastLine = ({ stdout }: Finished): string | undefined => stdout.trimEnd().split('\n').at(-1);
const failures = ({ stdout }: Finished): string[] =>
  [...stdout.matchAll(/^FAIL\s+([\w/-]+):/gm)].map((match) => match[1] ?? '');

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const document = makeNitro();
const evidence = file('document.cbor', document);
const reference = file('nitro.json', JSON.stringify(nitroPolicy()));
const time = new Date(NOW).toISOString();
const nonce = hex(NITRO_NONCE);
const verify = (...args: readonly string[]): Promise<Finished> =>
  runSealwright(['verify-evidence', ...args]);
const judge = (...args: readonly string[]): Promise<Finished> =>
  verify(evidence, '--reference', reference, '--nonce', nonce, '--time', time, ...args);

/** A case as files: evidence, policy, folder of collateral. */
function filesOf(name: string, input: PlatformCase): readonly string[] {
  const collateral = join(folder, `${name}-collateral`);
  mkdirSync(collateral, { recursive: true });
  for (const [one, content] of Object.entries(input.collateral)) {
    writeFileSync(join(collateral, one), unhex(content));
  }
  return [
    file(`${name}.bin`, unhex(input.evidence)),
    '--reference',
    file(`${name}.json`, JSON.stringify(input.policy)),
    '--collateral',
    collateral,
    '--time',
    new Date(input.now).toISOString(),
    ...(input.nonce === undefined ? ['--no-nonce', 'recorded'] : ['--nonce', input.nonce]),
  ];
}

describe('verify-evidence with evidence of a platform by itself', () => {
  test('a document of a test root: every check a line, exit 1', async () => {
    const run = await judge();

    expect([run.status, lastLine(run)]).toEqual([1, 'WARNING: SIMULATED, protects nothing']);
    for (const line of run.stdout.trimEnd().split('\n').slice(0, -1)) {
      expect(line).toMatch(/^(ok|warn|FAIL|not checked) +[\w/-]+: \S/);
    }
    expect(run.stdout).toMatch(/^not checked {2}revocation: AWS publishes none/m);
  });

  test('the same as base64 and as hex, and with its format', async () => {
    const base64 = file('document.b64', Buffer.from(document).toString('base64'));
    const text = file('document.hex', `${hex(document)}\n`);
    const args = ['--reference', reference, '--nonce', nonce, '--time', time];

    expect((await verify(base64, ...args)).status).toBe(1);
    expect((await verify(text, ...args, '--format', 'nitro')).status).toBe(1);
  });

  test('as JSON, with the clause of each demand', async () => {
    const { status, stdout } = await judge('--json');
    const result = JSON.parse(stdout) as {
      verdict: string;
      format: string;
      checks: { id: string; clause?: string }[];
    };

    expect([status, result.verdict, result.format]).toEqual([1, 'warning', 'nitro']);
    expect(result.checks.find(({ id }) => id === 'cose-headers')?.clause).toBe('NSM §3.1');
  });

  test('another nonce: FAILED with expected and found, exit 2', async () => {
    const run = await verify(
      evidence,
      '--reference',
      reference,
      '--nonce',
      '5a'.repeat(16),
      '--time',
      time,
    );

    expect([run.status, lastLine(run), failures(run)]).toEqual([2, 'FAILED', ['binding/nonce']]);
    expect(run.stdout).toContain(`expected ${'5a'.repeat(16)}; found ${nonce}`);
  });

  test('a policy that refuses simulated platforms', async () => {
    const strict = file(
      'strict.json',
      JSON.stringify(nitroPolicy({ simulated: { rule: 'refuse' } })),
    );
    const run = await verify(evidence, '--reference', strict, '--nonce', nonce, '--time', time);
    const told = await verify(
      evidence,
      '--reference',
      strict,
      '--nonce',
      nonce,
      '--time',
      time,
      '--accept-simulated',
      'a test',
    );

    expect([run.status, failures(run)]).toEqual([2, ['simulated']]);
    expect(told.status).toBe(1);
  });

  test('bytes of the call', async () => {
    const binding = { ...(nitroPolicy()['binding'] as object), userData: { rule: 'given' } };
    const given = file('given.json', JSON.stringify(nitroPolicy({ binding })));
    const args = ['--reference', given, '--nonce', nonce, '--time', time];
    const good = await verify(evidence, ...args, '--bind', `userData=${hex(NITRO_USER_DATA)}`);
    const bad = await verify(evidence, ...args, '--bind', 'userData=00');
    const none = await verify(evidence, ...args);

    expect([good.status, bad.status, none.status]).toEqual([1, 2, 64]);
    expect(failures(bad)).toEqual(['binding/userData']);
    expect(none.stderr).toContain('nothing for userData');
  });

  test('SEV-SNP, TDX and SGX with their collateral, and without it', async () => {
    for (const [name, input] of [
      ['snp', snpCase('Genoa')],
      ['tdx', dcapCase('tdx')],
      ['sgx', dcapCase('sgx')],
    ] as const) {
      const args = filesOf(name, input);
      const [path = ''] = args;
      const run = await verify(...args);
      const without = await verify(path, ...args.slice(1, 3), ...args.slice(5));

      expect([name, run.status, failures(run)]).toEqual([name, 1, []]);
      expect(without.status).toBe(2);
      expect(failures(without).length).toBeGreaterThan(0);
    }
  });

  test.skipIf(!hasVectors)('vectors: genuine evidence ends in PASSED, exit 0', async () => {
    for (const format of ['nitro', 'sev-snp']) {
      const row = VECTOR_ROWS.find(
        ({ file: one, verdict }) => one.startsWith(`${format}/`) && verdict === 'affirming',
      );
      if (row === undefined) throw new Error(`no row of ${format}`);
      const run = await verify(...filesOf(`genuine-${format}`, caseOf(row)));

      expect([run.status, lastLine(run)]).toEqual([0, 'PASSED']);
    }
  });

  test('bytes that can’t be decoded: exit 3', async () => {
    const cut = file('cut.cbor', document.subarray(0, 900));
    const run = await verify(cut, '--reference', reference, '--no-nonce', 'x', '--time', time);

    expect([run.status, lastLine(run)]).toEqual([3, 'FAILED']);
    expect(run.stderr).toContain('not decodable');
  });

  const bundle = file('bundle.evidence.json', makeEvidence().text);
  const snpPolicy = file('snp.json', JSON.stringify(snpCase('Milan').policy));
  const broken = file(
    'broken.json',
    JSON.stringify({ ...nitroPolicy(), debug: { rule: 'allow' } }),
  );
  for (const [name, args, text] of [
    [
      'a policy for another platform',
      [evidence, '--reference', snpPolicy, '--no-nonce', 'x'],
      'is for sev-snp',
    ],
    [
      'a policy with a problem',
      [evidence, '--reference', broken, '--no-nonce', 'x'],
      '/debug/rule',
    ],
    ['neither nonce nor reason', [evidence, '--reference', reference], '--nonce is missing'],
    [
      'a nonce of four bytes',
      [evidence, '--reference', reference, '--nonce', '01020304'],
      '8 to 1024 bytes',
    ],
    [
      'a time that the evidence can’t say',
      [evidence, '--reference', reference, '--no-nonce', 'x', '--time', 'at-issue'],
      'at-issue',
    ],
    [
      'the kind of a bundle',
      [evidence, '--reference', reference, '--no-nonce', 'x', '--kind', 'setup'],
      '--kind',
    ],
    [
      'a folder that is not there',
      [evidence, '--reference', reference, '--no-nonce', 'x', '--collateral', join(folder, 'none')],
      '--collateral',
    ],
    [
      'bytes for a field twice',
      [evidence, '--reference', reference, '--no-nonce', 'x', '--bind', 'nonce=00,nonce=00'],
      '--bind has',
    ],
    [
      'collateral for a bundle',
      [bundle, '--reference', reference, '--no-nonce', 'x', '--collateral', folder],
      '--collateral is given',
    ],
    [
      'an unknown format',
      [evidence, '--reference', reference, '--no-nonce', 'x', '--format', 'sev'],
      '--format',
    ],
  ] as readonly (readonly [string, readonly string[], string])[]) {
    test(`refused as usage: ${name}`, async () => {
      const run = await verify(...args);

      expect([run.status, run.stdout]).toEqual([64, '']);
      expect(run.stderr).toContain(text);
    });
  }
});

describe('inspect and collateral', () => {
  test('inspect tells what each evidence says, and that nothing was verified', async () => {
    for (const [bytes, title, text] of [
      [document, 'AWS Nitro Enclaves attestation document', 'PCR0 (image)'],
      [unhex(snpCase('Turin').evidence), 'AMD SEV-SNP attestation report', 'measurement'],
      [unhex(dcapCase('tdx').evidence), 'Intel TDX quote', 'MRTD'],
      [unhex(dcapCase('sgx').evidence), 'Intel SGX DCAP quote', 'MRENCLAVE'],
    ] as const) {
      const path = file('one.bin', bytes);
      const run = await runSealwright(['inspect', path]);
      const json = JSON.parse((await runSealwright(['inspect', path, '--json'])).stdout) as object;

      expect([run.status, run.stdout.split('\n')[0], lastLine(run)]).toEqual([
        0,
        title,
        'nothing of this was verified',
      ]);
      expect(run.stdout).toContain(text);
      expect(run.stdout).toMatch(/^[\n\x20-\x7e]+$/);
      expect(json).toMatchObject({ verified: false });
    }
  });

  test('collateral names what is missing and where it is published; exit 1 until it is complete', async () => {
    const path = file('tdx-alone.bin', unhex(dcapCase('tdx').evidence));
    const missing = await runSealwright(['collateral', path]);
    const [complete, , , , given = ''] = filesOf('tdx-complete', dcapCase('tdx'));
    const there = await runSealwright(['collateral', complete ?? '', '--collateral', given]);
    const json = JSON.parse((await runSealwright(['collateral', path, '--json'])).stdout) as {
      complete: boolean;
      items: { publishedAt: string }[];
    };

    expect([missing.status, there.status]).toEqual([1, 0]);
    expect(missing.stdout).toMatch(
      /^intel-root\.crl: MISSING\n.*\n {2}https:\/\/certificates\.trustedservices\.intel\.com/m,
    );
    expect(lastLine(there)).toBe('complete');
    expect(json.complete).toBe(false);
    expect(json.items.length).toBeGreaterThan(3);
  });

  test('a Nitro document needs nothing', async () => {
    const run = await runSealwright(['collateral', evidence]);

    expect([run.status, lastLine(run)]).toEqual([
      0,
      'AWS Nitro Enclaves attestation document: needs nothing beside it',
    ]);
  });

  test('what is no evidence of a platform', async () => {
    const noise = file('noise.bin', new Uint8Array(100).fill(7));
    const cut = file('cut.bin', document.subarray(0, 100));

    expect((await runSealwright(['collateral', noise])).status).toBe(64);
    expect((await runSealwright(['collateral', cut])).status).toBe(3);
    expect((await runSealwright(['inspect', cut])).status).toBe(3);
    expect((await runSealwright(['inspect', noise, '--format', 'tdx'])).status).toBe(3);
  });
});
