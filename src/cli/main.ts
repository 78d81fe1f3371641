/** Finds the command, runs it, and turns every failure into a message and an exit status. */
import { CATALOGUE, findCommand } from './catalogue.ts';
import { usageError } from './cli-error.ts';
import { EXIT } from './exit-status.ts';
import { reportError } from './report-error.ts';

async function main(argv: readonly string[]): Promise<number> {
  const found = findCommand(argv);
  if (found === undefined) return withoutCommand(argv);
  const [command, { parseArguments }] = await Promise.all([
    found.entry.load(),
    import('./parse-arguments.ts'),
  ]);
  const input = parseArguments(command, found.rest);
  if (input.switch('help')) {
    const { commandHelp } = await import('./help.ts');
    process.stdout.write(commandHelp(command, found.entry.summary));
    return EXIT.ok;
  }
  return command.run(input);
}

async function withoutCommand(argv: readonly string[]): Promise<number> {
  const [first] = argv;
  if (first === '--help' || first === '-h' || first === 'help') {
    const { overview } = await import('./help.ts');
    process.stdout.write(overview());
    return EXIT.ok;
  }
  if (first === '--version') {
    const { readFile } = await import('node:fs/promises');
    const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
    process.stdout.write(`${(JSON.parse(text) as { version: string }).version}\n`);
    return EXIT.ok;
  }
  const names = CATALOGUE.map(({ name }) => name);
  const siblings = names.filter((name) => name.startsWith(`${first ?? ''} `));
  throw usageError(
    first === undefined
      ? 'no command was given'
      : `there is no command "${argv.slice(0, 2).join(' ')}"`,
    `one of ${(siblings.length > 0 ? siblings : names).join(', ')}`,
    'see "npx sealwright --help"',
  );
}

const argv = process.argv.slice(2);
// grpc-js gives IP addresses to TLS as server names, which Node will ignore one day and mentions on stderr.
process.noDeprecation = true;
try {
  process.exitCode = await main(argv);
} catch (error) {
  process.exitCode = await reportError(error, argv);
}
