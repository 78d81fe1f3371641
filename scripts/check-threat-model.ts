/**
 * Holds docs/THREAT-MODEL.md against the tests, and docs/ATTACKS.md against test/hostile-host:
 *
 *   node scripts/check-threat-model.ts            exit status 1 when one of them says what is not so
 *   node scripts/check-threat-model.ts --write    writes docs/ATTACKS.md
 *
 * Every row of the table of adversaries names test files; `file › title` names tests by a part of their title. Every
 * file of attacks stands in a row. Titles are asked of vitest, so that those of test.each are complete.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import {
  ATTACK_FOLDER,
  attacksPage,
  PAGE,
  problemsOf,
  rowsOf,
  type Titles,
} from './threat-model.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const ATTACKS = 'docs/ATTACKS.md';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const exists = (path: string): boolean => existsSync(join(root, path));

function titlesOf(files: readonly string[]): Titles {
  const folder = mkdtempSync(join(tmpdir(), 'sw-titles-'));
  const json = join(folder, 'titles.json');
  try {
    const args = ['list', '--no-staticParse', `--json=${json}`, ...files];
    const stdio = ['ignore', 'ignore', 'inherit'] as const;
    const { status } = spawnSync('vitest', args, { cwd: root, stdio: [...stdio] });
    if (status !== 0) throw new Error('vitest could not collect the tests');
    const titles = new Map<string, string[]>();
    for (const { name, file } of JSON.parse(readFileSync(json, 'utf8')) as {
      name: string;
      file: string;
    }[]) {
      const path = relative(root, file);
      titles.set(path, [...(titles.get(path) ?? []), name]);
    }
    return titles;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const attackFiles = readdirSync(join(root, ATTACK_FOLDER))
  .filter((name) => name.endsWith('.test.ts'))
  .sort()
  .map((name) => `${ATTACK_FOLDER}/${name}`);
const titled = [...rowsOf(read(PAGE)).values()]
  .flat()
  .flatMap(({ file, title }) => (title === undefined || !exists(file) ? [] : [file]));
const titles = titlesOf([...new Set([...attackFiles, ...titled])]);

const problems = problemsOf(read(PAGE), attackFiles, titles, exists).map(
  (problem) => `${PAGE}: ${problem}`,
);
const attacks = attacksPage(new Map(attackFiles.map((file) => [file, read(file)])), titles);
if (process.argv.includes('--write')) writeFileSync(join(root, ATTACKS), attacks);
else if (!exists(ATTACKS) || read(ATTACKS) !== attacks) {
  problems.push(`${ATTACKS}: is not what the tests say; run "npm run threat-model:write"`);
}
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exitCode = problems.length > 0 ? 1 : 0;
