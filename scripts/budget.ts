/**
 * Counts the lines of our own code that are measured and holds them against enclave/README.md. Generated
 * code, comments and blank lines do not count. Exit status 1 when a limit is passed.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

function limit(pattern: RegExp): number {
  const text = readFileSync(join(root, 'enclave/README.md'), 'utf8');
  const match = pattern.exec(text);
  if (match?.[1] === undefined) throw new Error(`enclave/README.md has no ${pattern.source}`);
  return Number(match[1].replace(',', ''));
}

const maxLines = limit(/at most\s+([\d,]+)/);
const maxFileLines = limit(/one file at most (\d+)/);

function codeLines(file: string): number {
  const withoutBlocks = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  return withoutBlocks.split('\n').filter((line) => !/^\s*(?:\/\/.*)?$/.test(line)).length;
}

const files = readdirSync(join(root, 'enclave'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.includes('gen/'))
  .map((file) => join(root, 'enclave', file));

let total = 0;
let failed = false;
const rooms = new Map<string, number>();
for (const file of files) {
  const lines = codeLines(file);
  const room = relative(join(root, 'enclave'), file).split('/').slice(0, -1)[0] ?? '.';
  rooms.set(room, (rooms.get(room) ?? 0) + lines);
  total += lines;
  if (lines > maxFileLines) {
    failed = true;
    process.stdout.write(
      `${relative(root, file)}: ${String(lines)} lines, at most ${String(maxFileLines)}\n`,
    );
  }
}
for (const [room, lines] of [...rooms].sort()) {
  process.stdout.write(`${String(lines).padStart(6)}  enclave/${room}\n`);
}
process.stdout.write(`${String(total).padStart(6)}  in all, at most ${String(maxLines)}\n`);
process.exitCode = failed || total > maxLines ? 1 : 0;
