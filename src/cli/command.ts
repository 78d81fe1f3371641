/** What a command is: a description from which parsing and help are made, and a function. */

export interface Option {
  /** Name of the value in help; a switch has none. */
  readonly value?: string;
  readonly help: string;
  readonly required?: boolean;
  /** Closed list of values. */
  readonly oneOf?: readonly string[];
}

export type Options = Readonly<Record<string, Option>>;

export interface Positional {
  readonly name: string;
  readonly help: string;
  /** True when it may be left away; only the last one may. */
  readonly optional?: boolean;
  /** True when several may be given; only the last one may. */
  readonly repeated?: boolean;
}

export interface Command {
  /** As typed after `sealwright`. */
  readonly name: string;
  /** One full line that works, beginning with `npx sealwright`. */
  readonly example: string;
  readonly options: Options;
  readonly positionals?: readonly Positional[];
  /** True when words after `--` are another program's command line. */
  readonly takesProgram?: boolean;
  /** Further paragraphs of the help. */
  readonly notes?: readonly string[];
  /** Resolves with the exit status. */
  run(input: Arguments): Promise<number>;
}

/** Arguments that were checked against a command's description. */
export class Arguments {
  readonly #values: ReadonlyMap<string, string | true>;
  readonly positionals: readonly string[];
  /** The words after `--`; undefined without `--`. */
  readonly program: readonly string[] | undefined;
  constructor(
    values: ReadonlyMap<string, string | true>,
    positionals: readonly string[],
    program: readonly string[] | undefined,
  ) {
    this.#values = values;
    this.positionals = positionals;
    this.program = program;
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name);
    return value === true ? undefined : value;
  }

  /** A value that the description calls required, so the parser has made sure of it. */
  required(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw new Error(`--${name} is not declared as required`);
    return value;
  }

  positional(index: number): string {
    const value = this.positionals[index];
    if (value === undefined) throw new Error(`positional ${String(index)} is not declared`);
    return value;
  }

  switch(name: string): boolean {
    return this.#values.get(name) === true;
  }

  get json(): boolean {
    return this.switch('json');
  }
}

/** Options that every command has. */
export const COMMON_OPTIONS = {
  json: { help: 'one JSON document instead of text' },
  help: { help: 'this text' },
} as const satisfies Options;

/** Options of every command that calls the service. */
export const CLIENT_OPTIONS = {
  state: { value: 'DIR', help: 'state folder of the service (default .sealwright)' },
  address: { value: 'HOST:PORT', help: 'the service, instead of --state' },
  ca: { value: 'FILE', help: 'PEM of the authority that signed the service’s certificate' },
  cert: { value: 'FILE', help: 'PEM of our certificate, with its chain' },
  key: { value: 'FILE', help: 'PEM of our private key' },
  socket: { value: 'PATH', help: 'Unix socket of the service, instead of --address' },
} as const satisfies Options;

export const CLIENT_NOTE =
  'The service is found by --state, --address or --socket; without them by SEALWRIGHT_ADDRESS, ' +
  'SEALWRIGHT_CA, SEALWRIGHT_CERT and SEALWRIGHT_KEY, then by SEALWRIGHT_STATE, then in .sealwright.';
