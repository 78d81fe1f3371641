import { describe, expect, test } from 'vitest';
import { attacksPage, problemsOf } from '../../scripts/threat-model.ts';

const A = 'test/hostile-host/a.test.ts';
const B = 'test/hostile-host/b.test.ts';
const titles = new Map([
  [A, ['a store > that lies', 'a store > of `bytes`\n', 'a _frame_ alone']],
  [B, ['nothing']],
]);
const row = (number: number, tests: string): string =>
  `| ${String(number)} | host | x | y | ${tests} |`;
const page = (...rows: readonly string[]): string =>
  ['# Threats', row(0, 'nothing'), '## Adversaries', '| # | a | b | c | test |', ...rows].join(
    '\n',
  );
const problems = (...rows: readonly string[]): string[] =>
  problemsOf(page(...rows), [A, B], titles, (file) => titles.has(file));

describe('the page of threats', () => {
  test('is right when every row names tests that exist, and every file of attacks is named', () => {
    expect(problems(row(1, `\`${A} › that lies\`, \`${A}\``), row(2, `\`${B}\``))).toEqual([]);
  });

  test.each([
    ['no row', [], 'no row was found'],
    ['a row without a test', [row(1, 'none'), row(2, `\`${A}\`, \`${B}\``)], 'row 1 names no test'],
    [
      'a row that names a folder of others only',
      [row(1, '`docs/a.md`'), row(2, `\`${A}\`, \`${B}\``)],
      'row 1 names no test',
    ],
    [
      'a file that is not there',
      [row(1, `\`${A}\`, \`${B}\`, \`test/unit/gone.test.ts\``)],
      'row 1: there is no test/unit/gone.test.ts',
    ],
    [
      'a title that no test has',
      [row(7, `\`${A} › that tells the truth\`, \`${B}\``)],
      `row 7: no test of ${A} is called "that tells the truth"`,
    ],
    [
      'a title of another file',
      [row(7, `\`${A}\`, \`${B} › that lies\``)],
      `row 7: no test of ${B} is called "that lies"`,
    ],
    ['a file of attacks that no row names', [row(1, `\`${A}\``)], `no row names ${B}`],
  ])('is wrong with %s', (_, rows, problem) => {
    expect(problems(...rows)).toContain(problem);
  });
});

test('the page of attacks has every test, by file and group, and nothing of it becomes form', () => {
  const sources = new Map([
    [A, '/**\n * What a store may do,\n * and does.\n *\n * More.\n */\n'],
    [B, '/** One line. */\n'],
  ]);
  expect(attacksPage(sources, titles)).toContain(`The 4 tests of`);
  expect(attacksPage(sources, titles).split('\n').slice(6)).toEqual([
    '## a.test.ts',
    '',
    'What a store may do,',
    'and does.',
    '',
    '- **a store**: that lies; of \\`bytes\\`\\\\x0a',
    '- a \\_frame\\_ alone',
    '',
    '## b.test.ts',
    '',
    'One line.',
    '',
    '- nothing',
    '',
  ]);
});
