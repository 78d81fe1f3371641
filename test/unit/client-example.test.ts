/** The example that the documents show is a program that is compiled, and run by test/e2e/sdk.test.ts. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const textOf = (file: string): string =>
  readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');

it.each(['README.md', 'docs/CLIENT.md'])('%s shows five lines of docs/examples/sign.ts', (page) => {
  const blocks = [...textOf(page).matchAll(/^```ts\n([^`]+)^```$/gm)];
  expect(blocks).toHaveLength(1);
  const shown = (blocks[0]?.[1] ?? '').trimEnd().split('\n');
  expect(shown).toHaveLength(5);
  const program = textOf('docs/examples/sign.ts').split('\n');
  expect(program.filter((line) => shown.includes(line))).toEqual(shown);
});
