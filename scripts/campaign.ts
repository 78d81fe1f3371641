/**
 * Long forms of tests that CI runs for a minute:
 *
 *   npm run campaign -- NAME --minutes N [--seed S]
 *
 * Prints the seed; the same one makes the same choices again, though not the same timing.
 */
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import process from 'node:process';
import { parseArgs } from 'node:util';

interface Campaign {
  readonly project: string;
  readonly file: string;
  readonly about: string;
}

const CAMPAIGNS: Readonly<Record<string, Campaign>> = {
  'log-crash': {
    project: 'e2e',
    file: 'test/e2e/log-crash.test.ts',
    about: 'kills host and enclave under load; no receipt may be missing, no fork may exist',
  },
  kills: {
    project: 'e2e',
    file: 'test/e2e/kills.test.ts',
    about:
      'kills every process of a supervised stack under load: back in time, right signatures, all receipts',
  },
  damage: {
    project: 'e2e',
    file: 'test/e2e/damage.test.ts',
    about: 'damages every file of a state folder: a named halt or an honest service',
  },
  load: {
    project: 'e2e',
    file: 'test/e2e/load.test.ts',
    about: 'strangers and bad callers in masses: bounded memory, honest callers served',
  },
  'hostile-frames': {
    project: 'hostile-host',
    file: 'test/hostile-host/link-fuzz.test.ts',
    about:
      'random frames and answers against a real enclave: it lives, in bounds, and nothing is signed unlogged',
  },
  leaks: {
    project: 'e2e',
    file: 'test/e2e/leaks.test.ts',
    about: 'all tests of test/e2e on canary enclaves; no secret anywhere outside of them',
  },
  pkcs11: {
    project: 'hsm',
    file: 'test/hsm/fault-sweep.test.ts',
    about:
      'every function of PKCS#11 that we call fails with every code, first, middle and last call',
  },
  'session-records': {
    project: 'properties',
    file: 'test/properties/session-records.test.ts',
    about: 'records of sessions over a network that does everything; none accepted out of rule',
  },
  'evidence-mutation': {
    project: 'properties',
    file: 'test/properties/platform-mutation.test.ts',
    about: 'changes platform evidence and collateral; no escape, no hang, no false acceptance',
  },
};

const USAGE_STATUS = 64;

function usage(problem: string): never {
  const names = Object.entries(CAMPAIGNS).map(([name, { about }]) => `  ${name}: ${about}`);
  process.stderr.write(
    `campaign: ${problem}\nusage: npm run campaign -- NAME --minutes N [--seed S]\n${names.join('\n')}\n`,
  );
  process.exit(USAGE_STATUS);
}

function positive(name: string, text: string | undefined): number {
  const value = Number(text);
  if (!(value > 0)) usage(`--${name} must be a number above 0`);
  return value;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string' }, seed: { type: 'string' } },
});
const [name = '', ...rest] = positionals;
const campaign = Object.hasOwn(CAMPAIGNS, name) ? CAMPAIGNS[name] : undefined;
if (campaign === undefined || rest.length > 0) usage(`no campaign "${positionals.join(' ')}"`);
const minutes = positive('minutes', values.minutes);
const seed = values.seed === undefined ? randomInt(1, 2 ** 31) : positive('seed', values.seed);

process.stdout.write(`campaign ${name}: ${String(minutes)} minutes, seed ${String(seed)}\n`);
const child = spawn('vitest', ['run', '--project', campaign.project, campaign.file], {
  stdio: 'inherit',
  env: {
    ...process.env,
    CAMPAIGN_MINUTES: String(minutes),
    CAMPAIGN_SEED: String(seed),
  },
});
child.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
