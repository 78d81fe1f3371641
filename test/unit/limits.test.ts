import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const FILES = ['src/host/limits.ts', 'enclave/wire/limits.ts'];

/** Names of exported constants whose block has no comment above it. A block ends at an empty line. */
function withoutReason(source: string): string[] {
  return source
    .split(/\n\s*\n/)
    .filter((block) => !/^\s*\/\*\*/.test(block))
    .flatMap(exported);
}

function exported(source: string): string[] {
  return [...source.matchAll(/^export const (\w+)/gm)].map(([, name = '']) => name);
}

const sources = ['src', 'enclave']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => join(folder, path)),
  )
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

describe.each(FILES)('%s', (file) => {
  const own = readFileSync(join(root, file), 'utf8');

  it('gives a reason for every limit', () => {
    expect(exported(own).length).toBeGreaterThan(20);
    expect(withoutReason(own)).toEqual([]);
  });

  it('has no limit that nothing uses', () => {
    const isUsed = (name: string): boolean =>
      sources.some(({ path, text }) =>
        new RegExp(`\\b${name}\\b`).test(
          path === file ? text.replace(`export const ${name}`, '') : text,
        ),
      );
    expect(exported(own).filter((name) => !isUsed(name))).toEqual([]);
  });
});

it('finds a limit without a reason', () => {
  const source =
    '/** Because. */\nexport const A = 1;\nexport const B = 2;\n\nexport const C = 3;\n';
  expect(withoutReason(source)).toEqual(['C']);
});
