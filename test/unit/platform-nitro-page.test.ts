import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parsePlatformPolicy } from '../../src/verifier/index.ts';
import { judge } from '../support/nitro-cases.ts';

const page = readFileSync(new URL('../../docs/platforms/nitro.md', import.meta.url), 'utf8');

test('the policy of the page is one', () => {
  const policy = /```json\n([^]*?)```/.exec(page)?.[1] ?? '';

  expect(parsePlatformPolicy(JSON.parse(policy)).format).toBe('nitro');
});

test('the page names every check', async () => {
  const { checks } = await judge();
  // Registers that the policy does not name have a check each.
  const ids = checks.map(({ id }) => id).filter((id) => !id.startsWith('measurements/'));

  expect(ids.filter((id) => !page.includes(`\`${id}\``))).toEqual([]);
});
