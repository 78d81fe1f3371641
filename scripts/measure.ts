// Prints the measurement registers that a launch from this clone has now.
//
//   npm run -s measure [-- --entry production|simulated] [--module PATH] [--suite WORD] [--files] [--json]
//
// MR0 comes first and needs only the built bundles; it is the register that anybody can reproduce.
import { parseArgs } from 'node:util';
import { SUITE_WORDS, type SuiteWord } from '../enclave/wire/session/suites.ts';
import { bundlesFolder, DEFAULT_SUITE, defaultSources } from '../src/simulator/defaults.ts';
import { LaunchError } from '../src/simulator/library-closure.ts';
import { digestBundles, measureSources } from '../src/simulator/measured-launch.ts';
import { measureBundles, type EntryKind, type FileDigests } from '../src/simulator/measurement.ts';

const USAGE =
  'usage: npm run -s measure -- [--entry production|simulated] [--module PATH] [--suite WORD] [--files] [--json]';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function fail(status: number, message: string): never {
  process.stderr.write(`measure: ${message}\n`);
  process.exit(status);
}

interface Asked {
  readonly entry: EntryKind;
  readonly module?: string;
  readonly suite: SuiteWord;
  readonly files: boolean;
  readonly json: boolean;
}

function readArguments(): Asked {
  try {
    const { values } = parseArgs({
      options: {
        entry: { type: 'string', default: 'simulated' },
        module: { type: 'string' },
        suite: { type: 'string', default: DEFAULT_SUITE },
        files: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    });
    const { entry } = values;
    if (entry !== 'production' && entry !== 'simulated') {
      fail(64, `--entry must be production or simulated, not '${entry}'\n${USAGE}`);
    }
    const suite = SUITE_WORDS.find((word) => word === values.suite);
    if (suite === undefined) {
      fail(64, `--suite must be one of ${SUITE_WORDS.join(', ')}\n${USAGE}`);
    }
    const { module, files, json } = values;
    return { entry, suite, files, json, ...(module === undefined ? {} : { module }) };
  } catch (error) {
    return fail(64, `${(error as Error).message}\n${USAGE}`);
  }
}

const asked = readArguments();
const { entry, suite } = asked;
try {
  const bundles = digestBundles(entry, bundlesFolder());
  const registers: Record<string, string> = { MR0: hex(measureBundles(entry, bundles)) };
  const files: Record<string, string> = {};
  const addFiles = (digests: FileDigests): void => {
    for (const name of Object.keys(digests).sort())
      files[name] = hex(digests[name] ?? new Uint8Array());
  };
  addFiles(bundles);
  let problem: string | undefined;
  try {
    const launch = measureSources({ ...defaultSources(asked.module), entry, suite });
    registers['MR1'] = hex(launch.registers[1]);
    registers['MR2'] = hex(launch.registers[2]);
    addFiles(launch.runtime);
  } catch (error) {
    // MR0 is worth printing on a machine that could not run the enclave.
    if (!(error instanceof LaunchError)) throw error;
    problem = error.message;
  }

  if (asked.json) {
    const shown = { entry, ...registers, ...(asked.files ? { files } : {}) };
    process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
  } else {
    const lines = [registers, ...(asked.files ? [files] : [])].flatMap((part) =>
      Object.entries(part).map(([name, value]) => `${name} ${value}\n`),
    );
    process.stdout.write(lines.join(''));
  }
  if (problem !== undefined) fail(1, `MR1 and MR2 are not known: ${problem}`);
} catch (error) {
  if (!(error instanceof LaunchError)) throw error;
  fail(1, error.message);
}
