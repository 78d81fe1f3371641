/**
 * Explores the model of the handshake (docs/spec/session-model.md):
 *
 *   npm run model                what CI runs
 *   npm run model -- --long      wider scenarios too: minutes
 *   npm run model -- --attacks   shows every attack that a negative model must have
 *
 * Exit status 1 when the protocol breaks a property, a negative model breaks another set of properties than
 * test/model/cases.ts says, or an ordinary handshake is no longer possible. Without Maude it says so and ends with 0.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { CASES, LONG_CASES, PROPERTIES, type Case, type Property } from './cases.ts';
import { explore, maudeVersion, pathTo, type Start } from './maude.ts';

const MS_PER_SECOND = 1000;
const print = (line: string): void => void process.stdout.write(`${line}\n`);

const breaks = (property: Property): string => `${property} in broken(S:State)`;
/** `none` is the empty one of several sorts. */
const breaksOthers = (properties: readonly Property[]): string =>
  `PR:Property PS:Properties := broken(S:State) /\\ not (PR:Property in (${properties.join(' ') || '(none).Properties'}))`;

interface Verdict {
  readonly explored: number;
  /** Broken, and should not be. */
  readonly others: readonly Property[];
  /** Should be broken or possible, and is not. */
  readonly missing: readonly string[];
}

async function judge(start: Start, { breaks: expected, reaches }: Case): Promise<Verdict> {
  const goals = [
    ...expected.map((name) => ({ name, condition: breaks(name) })),
    ...reaches.map((name) => ({ name, condition: `${name} in reached(S:State)` })),
  ];
  const conditions = [breaksOthers(expected), ...goals.map(({ condition }) => condition)];
  const [rest, ...found] = await explore(start, conditions);
  if (rest === undefined) throw new Error('maude gave no answer');
  const missing = goals.filter((_, index) => found[index]?.state === undefined);
  const others: Property[] = [];
  if (rest.state !== undefined) {
    const candidates = PROPERTIES.filter((name) => !expected.includes(name));
    const broken = await explore(start, candidates.map(breaks));
    others.push(...candidates.filter((_, index) => broken[index]?.state !== undefined));
  }
  return { explored: rest.explored, others, missing: missing.map(({ name }) => name) };
}

async function showAttack(start: Start, property: Property): Promise<void> {
  const [found] = await explore(start, [breaks(property)]);
  if (found?.state === undefined) return;
  print(`      ${property} breaks so:`);
  for (const [index, step] of (await pathTo(start, breaks(property), found.state)).entries()) {
    print(`        ${String(index + 1)}. ${step}`);
  }
}

const nameOf = ({ leftOut, scenario }: Case): string =>
  `${leftOut.length === 0 ? 'as written' : `without ${leftOut.join(', ')}`} · ${scenario}`;

/** Whether the model says of this case what it should. */
async function run(item: Case, attacks: boolean): Promise<boolean> {
  const start: Start = { leftOut: item.leftOut, state: item.state ?? item.scenario };
  const begun = performance.now();
  const { explored, others, missing } = await judge(start, item);
  const seconds = ((performance.now() - begun) / MS_PER_SECOND).toFixed(1);
  const holds = others.length === 0 && missing.length === 0;
  const says = item.breaks.length === 0 ? 'holds' : `breaks ${item.breaks.join(', ')}`;
  const size = `${explored.toLocaleString('en-US')} states, ${seconds} s`;
  print(
    holds ? `ok    ${nameOf(item)}: ${says} (${size})` : `FAIL  ${nameOf(item)}: not "${says}"`,
  );
  for (const name of missing) print(`      no state has ${name}`);
  for (const name of [...others, ...(attacks ? item.breaks : [])]) await showAttack(start, name);
  return holds;
}

const { values } = parseArgs({
  options: { long: { type: 'boolean' }, attacks: { type: 'boolean' } },
});
const version = maudeVersion();
if (version === undefined) {
  process.stderr.write(
    'SKIPPED: the model of the handshake: no "maude" in PATH (Debian: apt-get install maude)\n',
  );
} else {
  print(`Maude ${version}`);
  const cases = values.long === true ? [...CASES, ...LONG_CASES] : CASES;
  let failed = 0;
  for (const item of cases) if (!(await run(item, values.attacks === true))) failed += 1;
  print(`${String(cases.length - failed)} of ${String(cases.length)} cases are as they should be`);
  process.exitCode = failed === 0 ? 0 : 1;
}
