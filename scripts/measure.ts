// Prints the measurement registers that a launch from this clone has now.
//
//   npm run -s measure [-- --entry production|simulated] [--module PATH] [--files] [--json]
//
// MR0 comes first and needs only the built bundles; it is the register that anybody can reproduce.
import { parseArgs } from 'node:util';
import { bundlesFolder, defaultSources } from '../src/simulator/defaults.ts';
import { LaunchError } from '../src/simulator/library-closure.ts';
import { digestBundles, measureSources } from '../src/simulator/measured-launch.ts';
import { measureBundles, type EntryKind, type FileDigests } from '../src/simulator/measurement.ts';

const USAGE =
  'usage: npm run -s measure -- [--entry production|simulated] [--module PATH] [--files] [--json]';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function fail(status: number, message: string): never {
  process.stderr.write(`measure: ${message}\n`);
  process.exit(status);
}

function readArguments(): { entry: EntryKind; module?: string; files: boolean; json: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        entry: { type: 'string', default: 'simulated' },
        module: { type: 'string' },
        files: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    });
    const { entry } = values;
    if (entry !== 'production' && entry !== 'simulated') {
      fail(64, `--entry must be production or simulated, not '${entry}'\n${USAGE}`);
    }
    const { module, files, json } = values;
    return { entry, files, json, ...(module === undefined ? {} : { module }) };
  } catch (error) {
    return fail(64, `${(error as Error).message}\n${USAGE}`);
  }
}

const asked = readArguments();
try {
  const bundles = digestBundles(asked.entry, bundlesFolder());
  const registers: Record<string, string> = { MR0: hex(measureBundles(asked.entry, bundles)) };
  const files: Record<string, string> = {};
  const addFiles = (digests: FileDigests): void => {
    for (const name of Object.keys(digests).sort())
      files[name] = hex(digests[name] ?? new Uint8Array());
  };
  addFiles(bundles);
  let problem: string | undefined;
  try {
    const launch = measureSources({ ...defaultSources(asked.module), entry: asked.entry });
    registers['MR1'] = hex(launch.registers[1]);
    registers['MR2'] = hex(launch.registers[2]);
    addFiles(launch.runtime);
  } catch (error) {
    // MR0 is worth printing on a machine that could not run the enclave.
    if (!(error instanceof LaunchError)) throw error;
    problem = error.message;
  }

  if (asked.json) {
    const shown = { entry: asked.entry, ...registers, ...(asked.files ? { files } : {}) };
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
