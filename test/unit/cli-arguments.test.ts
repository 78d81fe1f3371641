import { describe, expect, test } from 'vitest';
import { CATALOGUE, findCommand } from '../../src/cli/catalogue.ts';
import { CliError } from '../../src/cli/cli-error.ts';
import { Arguments } from '../../src/cli/command.ts';
import type { Command } from '../../src/cli/command.ts';
import { commandHelp, overview } from '../../src/cli/help.ts';
import { keyVersion } from '../../src/cli/numbers.ts';
import { parseArguments } from '../../src/cli/parse-arguments.ts';

/** The words of a line, as a shell would take them: quotes keep spaces together. */
function wordsOf(line: string): string[] {
  const words = line.match(/(?:"[^"]*"|'[^']*'|[^\s"']+)+/g) ?? [];
  return words.map((word) => word.replaceAll(/["']/g, ''));
}

async function parse(line: string): Promise<Arguments> {
  const found = findCommand(wordsOf(line));
  if (found === undefined) throw new Error(`no command in: ${line}`);
  return parseArguments(await found.entry.load(), found.rest);
}

async function refusal(line: string): Promise<CliError> {
  const error: unknown = await parse(line).catch((reason: unknown) => reason);
  expect(error, line).toBeInstanceOf(CliError);
  return error as CliError;
}

const commands = await Promise.all(
  CATALOGUE.map(async (entry) => ({
    name: entry.name,
    summary: entry.summary,
    command: await entry.load(),
  })),
);

describe.each(commands)('$name', ({ name, summary, command }) => {
  test('is found by its name', () => {
    expect(command.name).toBe(name);
    expect(findCommand(name.split(' '))?.entry.name).toBe(name);
  });

  test('has an example that can be parsed', async () => {
    expect(command.example).toMatch(/^npx sealwright /);
    const input = await parse(command.example.slice('npx sealwright '.length));
    expect(input.switch('help')).toBe(false);
  });

  test('has a help that shows summary, example, every option and the exit statuses', () => {
    const help = commandHelp(command, summary);
    expect(help).toContain(summary);
    expect(help).toContain(command.example);
    for (const option of [...Object.keys(command.options), 'json', 'help']) {
      expect(help).toContain(`--${option}`);
    }
    for (const status of ['0', '2', '64', '69', '70'])
      expect(help).toMatch(new RegExp(`^ {2}${status} +\\S`, 'm'));
  });

  test.each(['--help', '-h', '--help --no-such-option', '--json --help'])(
    'answers %s',
    async (words) => {
      expect((await parse(`${name} ${words}`)).switch('help')).toBe(true);
    },
  );

  test('refuses an option that it does not have, and lists those it has', async () => {
    const error = await refusal(`${name} --no-such-option`);
    expect(error.status).toBe(64);
    expect(error.message).toContain('--no-such-option');
    expect(error.expected).toContain('--json');
    expect(error.wayOut).toContain(`sealwright ${name} --help`);
  });

  test('says for every refusal what was expected and what to do', async () => {
    const takesMany = command.positionals?.at(-1)?.repeated === true;
    const tooMany = takesMany ? [] : ['one two three four'];
    for (const words of ['--no-such-option', ...tooMany, '--json=x', '--json --json']) {
      const error = await refusal(`${name} ${words}`);
      expect([error.status, typeof error.expected, typeof error.wayOut]).toEqual([
        64,
        'string',
        'string',
      ]);
    }
  });
});

test('the overview lists every command', () => {
  for (const { name, summary } of CATALOGUE) {
    expect(overview()).toContain(name);
    expect(overview()).toContain(summary);
  }
});

describe('refused with 64, naming the option', () => {
  test.each([
    ['sign --in a --out b', '--ring'],
    ['sign --ring r --out b', '--in'],
    ['sign --ring r --in a', '--out'],
    ['sign --ring r --in a --out', '--out'],
    ['sign --ring --in a --out b', '--ring'],
    ['sign --ring= --in a --out b', '--ring'],
    ['sign --ring r --ring s --in a --out b', '--ring'],
    ['sign --ring r --in a --out b --encoding raw', '--encoding'],
    ['verify --in a', '--signature'],
    ['verify --ring r --in a --signature s --algorithm ES999', '--algorithm'],
    ['genesis propose --policy p --out o', '--name'],
    ['genesis propose --name n --out o', '--policy'],
    ['genesis propose --name n --policy p', '--out'],
    ['genesis approve d', '--reference'],
    ['serve', '--config'],
    ['dev --listen', '--listen'],
    ['dev --destroy=yes', '--destroy'],
    ['status --state', '--state'],
  ])('%s', async (line, option) => {
    const error = await refusal(line);
    expect(error.status).toBe(64);
    expect(error.message).toContain(option);
  });
});

describe('refused with 64', () => {
  test.each([
    'keys export',
    'keys export a b',
    'keys list a',
    'status a',
    'dev a',
    'dev --',
    'status -- ls',
  ])('%s', async (line) => {
    expect((await refusal(line)).status).toBe(64);
  });
});

describe('words after --', () => {
  test('are the program, whatever they look like', async () => {
    const input = await parse('dev --json -- node --help -- --state x');
    expect(input.program).toEqual(['node', '--help', '--', '--state', 'x']);
    expect(input.switch('help')).toBe(false);
    expect(input.text('state')).toBeUndefined();
  });

  test('are absent without --', async () => {
    expect((await parse('dev --json')).program).toBeUndefined();
  });
});

test('- is a value', async () => {
  expect((await parse('sign --ring r --in - --out -')).text('in')).toBe('-');
});

test('a value that begins with - is taken after =', async () => {
  expect((await parse('sign --ring r --in=-x --out o')).text('in')).toBe('-x');
});

describe('key versions', () => {
  const withVersion = (text: string): Arguments =>
    new Arguments(new Map([['version', text]]), [], undefined);

  test('absent means the one that signs now', () => {
    expect(keyVersion(new Arguments(new Map(), [], undefined))).toBe(0);
  });
  test.each(['1', '17', '4294967295'])('%s is one', (text) => {
    expect(keyVersion(withVersion(text))).toBe(Number(text));
  });
  test.each(['0', '-1', '1.5', '01', '1e3', 'x', '4294967296', ' 1', '0x1'])(
    '%s is none',
    (text) => {
      expect(() => keyVersion(withVersion(text))).toThrow(CliError);
    },
  );
});

test('no command is called by two names', () => {
  const names = commands.map(({ command }: { command: Command }) => command.name);
  expect(new Set(names).size).toBe(names.length);
});
