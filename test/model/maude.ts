/** Searches of the model by Maude (https://maude.cs.illinois.edu; Debian: maude). */
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MODEL = fileURLToPath(new URL('session.maude', import.meta.url));

/** Where a search starts, and in which variant of the protocol. */
export interface Start {
  readonly leftOut: readonly string[];
  readonly state: string;
}

export interface Found {
  /** Number of the first state in order of depth that has what was looked for; undefined: none has. */
  readonly state: number | undefined;
  /** States explored until then; all that there are, when none has it. */
  readonly explored: number;
}

export const maudeVersion = (): string | undefined => {
  const { status, stdout } = spawnSync('maude', ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
};

/** A model that Maude understands in part is another model: any message on stderr is an error. */
async function maude(start: Start, commands: readonly string[]): Promise<string> {
  const leftOut = start.leftOut.length === 0 ? 'nothing' : start.leftOut.join(' ');
  const input = [
    `load ${MODEL}`,
    `mod VARIANT is including SCENARIOS . eq left-out = ${leftOut} . endm`,
    'set show command off .',
    ...commands,
    'quit',
    '',
  ].join('\n');
  const child = spawn('maude', ['-no-banner', '-no-advise', '-no-wrap'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  let problems = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (problems += text));
  child.stdin.end(input);
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  if (status !== 0 || problems !== '') {
    throw new Error(`maude ended with ${String(status)}: ${problems.slice(0, 2000)}`);
  }
  return output;
}

const search = (start: Start, condition: string): string =>
  `search [1] in VARIANT : ${start.state} =>* S:State such that ${condition} .`;

const ANSWER = /(?:Solution 1 \(state (?<state>\d+)\)|No solution\.)\s+states: (?<explored>\d+) /g;

/** For each condition on `S:State`, the first state that has it. */
export async function explore(
  start: Start,
  conditions: readonly string[],
): Promise<readonly Found[]> {
  const output = await maude(
    start,
    conditions.map((condition) => search(start, condition)),
  );
  const found = [...output.matchAll(ANSWER)].map(({ groups }) => ({
    state: groups?.['state'] === undefined ? undefined : Number(groups['state']),
    explored: Number(groups?.['explored']),
  }));
  if (found.length !== conditions.length)
    throw new Error(`maude answered: ${output.slice(0, 2000)}`);
  return found;
}

/** Parts of a term outside of any bracket. */
function parts(text: string, separator: string): readonly string[] {
  const found: string[] = [];
  let depth = 0;
  let part = '';
  for (const character of text) {
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (depth === 0 && character === separator) {
      found.push(part.trim());
      part = '';
    } else part += character;
  }
  return [...found, part.trim()].filter((item) => item !== '');
}

interface Shown {
  readonly knowledge: readonly string[];
  readonly actors: readonly string[];
}

function shown(state: string): Shown {
  const [knowledge = '', actors = ''] = state.slice(1, -1).split(' | ');
  return { knowledge: parts(knowledge, ','), actors: parts(actors, ' ') };
}

const news = (before: readonly string[], after: readonly string[], what: RegExp): string[] =>
  after.filter((item) => what.test(item) && !before.includes(item));

const STEP = /\[label (?<label>[a-z0-9-]+)\]|^state \d+, State: (?<state>\{.*\})$/gm;

/** The steps from the start to a state that `explore` found for this condition, a line each. */
export async function pathTo(
  start: Start,
  condition: string,
  state: number,
): Promise<readonly string[]> {
  const output = await maude(start, [search(start, condition), `show path ${String(state)} .`]);
  const lines: string[] = [];
  let label = '';
  let before: Shown | undefined;
  for (const { groups } of output.matchAll(STEP)) {
    if (groups?.['label'] !== undefined) label = groups['label'];
    if (groups?.['state'] === undefined) continue;
    const after = shown(groups['state']);
    if (before !== undefined) {
      const did = news(before.actors, after.actors, /^(?:opened|accepted|finished)\(/);
      const learned = news(before.knowledge, after.knowledge, /^(?:sign|request|hpke|skC)\(/).map(
        (secret) => `attacker learns ${secret.replace(/^(sign\([^,]*), .*/, '$1, …)')}`,
      );
      lines.push(`${label}: ${[...did, ...learned].join('; ')}`);
    }
    before = after;
  }
  return lines;
}
