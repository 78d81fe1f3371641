/** Checks a command line against a command's description, with errors that name the way out. */
import { parseArgs } from 'node:util';
import { usageError } from './cli-error.ts';
import type { CliError } from './cli-error.ts';
import { Arguments, COMMON_OPTIONS } from './command.ts';
import type { Command, Option } from './command.ts';

/** Throws CliError (64). `--help` anywhere before `--` wins over every other problem. */
export function parseArguments(command: Command, argv: readonly string[]): Arguments {
  const { own, program } = splitAtProgram(command, argv);
  const options = new Map<string, Option>(
    Object.entries({ ...command.options, ...COMMON_OPTIONS }),
  );
  const { tokens } = parseArgs({
    args: [...own],
    options: {
      ...Object.fromEntries([...options].map(([name, option]) => [name, { type: typeOf(option) }])),
      help: { type: 'boolean', short: 'h' },
    },
    // Our own checks below see the tokens, so that every error says what to do.
    strict: false,
    tokens: true,
  });

  const values = new Map<string, string | true>();
  const positionals: string[] = [];
  const problems: CliError[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const option = options.get(token.name);
    const problem =
      option === undefined
        ? unknownOption(command, token.rawName, options)
        : checkOption(command, token.name, option, token, values.has(token.name));
    if (problem === undefined) values.set(token.name, token.value ?? true);
    else problems.push(problem);
  }
  if (values.has('help')) return new Arguments(values, positionals, program);
  const [first] = [
    ...problems,
    ...missing(command, values),
    ...checkPositionals(command, positionals),
  ];
  if (first !== undefined) throw first;
  return new Arguments(values, positionals, program);
}

interface Split {
  readonly own: readonly string[];
  readonly program: readonly string[] | undefined;
}

function splitAtProgram(command: Command, argv: readonly string[]): Split {
  const at = argv.indexOf('--');
  if (at === -1) return { own: argv, program: undefined };
  const program = argv.slice(at + 1);
  if (command.takesProgram !== true) {
    throw usageError(
      `${command.name} runs no program, but "--" was given`,
      synopsis(command),
      seeHelp(command),
    );
  }
  if (program.length === 0) {
    throw usageError('nothing stands after "--"', 'a program and its arguments', seeHelp(command));
  }
  return { own: argv.slice(0, at), program };
}

function typeOf(option: Option): 'string' | 'boolean' {
  return option.value === undefined ? 'boolean' : 'string';
}

interface OptionToken {
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function checkOption(
  command: Command,
  name: string,
  option: Option,
  { rawName, value, inlineValue }: OptionToken,
  repeated: boolean,
): CliError | undefined {
  const shape = optionShape(name, option);
  if (repeated) {
    return usageError(`${rawName} is given twice`, `${shape} once`, `remove one of them`);
  }
  if (option.value === undefined) {
    return value === undefined
      ? undefined
      : usageError(
          `${rawName} takes no value, but got "${value}"`,
          shape,
          `write ${rawName} alone`,
        );
  }
  // `--in --out x` would silently take "--out" for a file name.
  const looksLikeOption = inlineValue === false && value !== undefined && /^-./.test(value);
  if (value === undefined || value === '' || looksLikeOption) {
    return usageError(
      `${rawName} has no value${looksLikeOption ? `: "${value}" follows` : ''}`,
      shape,
      looksLikeOption ? `write ${rawName}=${value} if that is the value` : seeHelp(command),
    );
  }
  if (option.oneOf !== undefined && !option.oneOf.includes(value)) {
    return usageError(
      `${rawName} is "${value}"`,
      `one of ${option.oneOf.join(', ')}`,
      'choose one of these',
    );
  }
  return undefined;
}

function unknownOption(
  command: Command,
  rawName: string,
  options: ReadonlyMap<string, Option>,
): CliError {
  const names = [...options.keys()].map((name) => `--${name}`);
  return usageError(
    `${command.name} has no option ${rawName}`,
    `one of ${names.join(', ')}`,
    seeHelp(command),
  );
}

function missing(command: Command, values: ReadonlyMap<string, string | true>): CliError[] {
  return Object.entries(command.options)
    .filter(([name, option]) => option.required === true && !values.has(name))
    .map(([name, option]) =>
      usageError(
        `--${name} is missing`,
        `${optionShape(name, option)}: ${option.help}`,
        `for example: ${command.example}`,
      ),
    );
}

function checkPositionals(command: Command, positionals: readonly string[]): CliError[] {
  const expected = command.positionals ?? [];
  const absent = expected[positionals.length];
  if (absent !== undefined && absent.optional !== true) {
    return [
      usageError(
        `${absent.name} is missing`,
        `${absent.name}: ${absent.help}`,
        `for example: ${command.example}`,
      ),
    ];
  }
  const extra = positionals[expected.length];
  if (extra === undefined || expected.at(-1)?.repeated === true) return [];
  return [usageError(`"${extra}" is one word too many`, synopsis(command), seeHelp(command))];
}

export function optionShape(name: string, option: Option): string {
  if (option.value === undefined) return `--${name}`;
  return `--${name} ${option.oneOf === undefined ? option.value : option.oneOf.join('|')}`;
}

export function synopsis(command: Command): string {
  const words = [
    `sealwright ${command.name}`,
    ...(command.positionals ?? []).map(({ name, optional, repeated }) => {
      const shape = repeated === true ? `${name}…` : name;
      return optional === true ? `[${shape}]` : shape;
    }),
  ];
  for (const [name, option] of Object.entries(command.options)) {
    if (option.required === true) words.push(optionShape(name, option));
  }
  words.push('[options]');
  if (command.takesProgram === true) words.push('[-- CMD …]');
  return words.join(' ');
}

function seeHelp(command: Command): string {
  return `see "npx sealwright ${command.name} --help"`;
}
