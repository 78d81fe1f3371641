// Writes test/vectors/ from the makers in scripts/vectors/. Deterministic: what would be random is fixed there.
//
//   node scripts/make-vectors.ts           writes
//   node scripts/make-vectors.ts --check   exits 1 when what is committed differs
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { VectorFile } from './vector-file.ts';

const makers = fileURLToPath(new URL('vectors/', import.meta.url));
const folder = fileURLToPath(new URL('../test/vectors/', import.meta.url));

interface Maker {
  readonly makeVectors: () => readonly VectorFile[];
}

async function make(): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const name of readdirSync(makers).sort()) {
    const maker = (await import(pathToFileURL(join(makers, name)).href)) as Maker;
    for (const { file, content } of maker.makeVectors()) {
      if (texts.has(file))
        throw new Error(`${file} is made twice; ${name} is the second to make it`);
      const ids = content.cases.map(({ id }) => id);
      const twice = ids.find((id, i) => ids.indexOf(id) !== i);
      if (twice !== undefined) throw new Error(`${file}: case ${twice} stands twice`);
      texts.set(file, `${JSON.stringify(content, null, 2)}\n`);
    }
  }
  return texts;
}

/** One line for each file that is not as it is made. */
function differences(texts: ReadonlyMap<string, string>): string[] {
  const lines: string[] = [];
  for (const [file, text] of texts) {
    const path = join(folder, file);
    if (!existsSync(path)) lines.push(`test/vectors/${file} is missing`);
    else if (readFileSync(path, 'utf8') !== text) lines.push(`test/vectors/${file} differs`);
  }
  for (const file of readdirSync(folder)) {
    if (file.endsWith('.json') && !texts.has(file)) lines.push(`test/vectors/${file} has no maker`);
  }
  return lines;
}

const texts = await make();
if (process.argv.includes('--check')) {
  const lines = differences(texts);
  if (lines.length > 0) {
    process.stderr.write(`${lines.join('\n')}\nrun "npm run vectors" and look at the difference\n`);
    process.exitCode = 1;
  }
} else {
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of texts) writeFileSync(join(folder, file), text);
}
