import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parsePlatformPolicy } from '../../src/verifier/index.ts';
import { DCAP_REFUSALS, dcapCase, identifier, PLATFORM, type Tee } from '../support/dcap/index.ts';
import { judgePlatform } from '../support/run-platform-vector.ts';

const page = (name: string): string =>
  readFileSync(new URL(`../../docs/platforms/${name}.md`, import.meta.url), 'utf8');

/** Of every platform, told in the pages' last lines. */
const COMMON =
  /^(?:measurements|debug$|binding|platforms$|trust-anchor-accepted$|simulated$|reference-source$|completeness$)/;

/** First cells of the table of checks. */
function checksOf(text: string): ReadonlySet<string> {
  const section = /## Checks([^]*?)(?:\n## |$)/.exec(text)?.[1] ?? '';
  return new Set(
    section.split('\n').flatMap((line) => {
      const ids = line.startsWith('| `') ? (line.split('|')[1] ?? '') : '';
      return [...ids.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
    }),
  );
}

async function madeChecks(tee: Tee): Promise<ReadonlySet<string>> {
  const certification = { type: 1, data: identifier(PLATFORM.ppid) };
  const pck = { 'intel-pck.pem': Buffer.from(PCK_FILE) };
  const made = new Set<string>();
  const v5 = { version: 5, tdReport: '1.5' } as const;
  for (const changes of [
    { dcap: { quote: v5 } },
    { dcap: { quote: { certification } }, files: pck },
  ]) {
    for (const { id } of (await judgePlatform(dcapCase(tee, changes))).checks) made.add(id);
  }
  return made;
}
const PCK_FILE = (() => {
  const { evidence } = dcapCase('sgx');
  const text = Buffer.from(evidence, 'hex').toString('latin1');
  return text.slice(text.indexOf('-----BEGIN'), text.lastIndexOf('\0'));
})();

describe('docs/platforms/tdx.md and sgx.md', () => {
  test.each(['tdx', 'sgx'])('the policy of %s.md is one', (name) => {
    const text = /```json\n([^]*?)```/.exec(page(name))?.[1] ?? '';

    expect(parsePlatformPolicy(JSON.parse(text)).format).toBe(name);
  });

  test('every reason of a refusal is named', () => {
    const both = page('tdx') + page('sgx');
    const ids = new Set(
      Object.values(DCAP_REFUSALS)
        .flat()
        .flatMap(({ failed }) => failed),
    );

    expect([...ids].filter((id) => !both.includes(`\`${id}\``))).toEqual([]);
  });

  test('every check that is made is named, and no other', async () => {
    const tdx = checksOf(page('tdx'));
    const sgx = checksOf(page('sgx'));
    const ofTdx = [...(await madeChecks('tdx'))].filter((id) => !COMMON.test(id));
    const ofSgx = [...(await madeChecks('sgx'))].filter((id) => !COMMON.test(id));
    const left = /Those of \[TDX\][^]*?but for ([^]*?);/.exec(page('sgx'))?.[1] ?? '';
    const notSgx = new Set([...left.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ''));

    expect(ofTdx.filter((id) => !tdx.has(id))).toEqual([]);
    expect([...tdx].filter((id) => !ofTdx.includes(id))).toEqual([]);
    const named = new Set([...[...tdx].filter((id) => !notSgx.has(id)), ...sgx]);
    expect(ofSgx.filter((id) => !named.has(id))).toEqual([]);
    expect([...named].filter((id) => !ofSgx.includes(id))).toEqual([]);
  });
});
