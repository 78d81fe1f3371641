/** How long one verification takes, and that nothing which is sent makes it take long or much. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { NITRO_NONCE, makeNitro, nitroPolicy } from '../../scripts/evidence/nitro/index.ts';
import { NOW } from '../../scripts/evidence/index.ts';
import { parsePlatformPolicy, verifyPlatformEvidence } from '../../src/verifier/index.ts';
import { dcapCase } from '../support/dcap/index.ts';
import { unhex, type PlatformCase } from '../support/run-platform-vector.ts';
import { snpCase } from '../support/sev-snp/index.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const CASES: readonly (readonly [string, PlatformCase])[] = [
  [
    'nitro',
    {
      evidence: hex(makeNitro()),
      collateral: {},
      policy: nitroPolicy(),
      now: NOW,
      nonce: hex(NITRO_NONCE),
    },
  ],
  ['sev-snp', snpCase('Genoa')],
  ['tdx', dcapCase('tdx')],
  ['sgx', dcapCase('sgx')],
];

describe('one verification takes less than 20 ms', () => {
  for (const [name, input] of CASES) {
    test(name, async () => {
      const policy = parsePlatformPolicy(input.policy);
      const evidence = unhex(input.evidence);
      const collateral = new Map(
        Object.entries(input.collateral).map(([file, text]) => [file, unhex(text)]),
      );
      const times: number[] = [];
      for (let i = 0; i < 25 || (i < 200 && Math.min(...times) >= 20); i += 1) {
        const start = performance.now();
        await verifyPlatformEvidence(evidence, { ...policy, collateral });
        times.push(performance.now() - start);
      }
      // The machine has other work too: the fastest says what the work is.
      const fastest = Math.min(...times);
      process.stdout.write(`${name}: one verification ${fastest.toFixed(1)} ms\n`);

      expect(fastest).toBeLessThan(20);
    });
  }
});

test('whatever is sent is refused within 50 ms and 64 MiB, in a process that has no more', () => {
  const script = fileURLToPath(new URL('../support/platform-bad-input.ts', import.meta.url));
  const run = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--expose-gc', '--max-old-space-size=64', script],
    { encoding: 'utf8' },
  );
  const problems = run.stdout.split('\n').filter((line) => line.startsWith('PROBLEM'));

  expect(run.stderr).toBe('');
  expect(problems).toEqual([]);
  expect(run.stdout).toMatch(/^\d{2,} inputs refused/m);
  process.stdout.write(run.stdout.split('\n').at(-2) ?? '');
  process.stdout.write('\n');
  expect(run.status).toBe(0);
}, 120_000);
