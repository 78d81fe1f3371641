/** What docs/THREAT-MODEL.md and docs/ATTACKS.md say of the tests; pure, for scripts/check-threat-model.ts. */

export const PAGE = 'docs/THREAT-MODEL.md';
export const ATTACK_FOLDER = 'test/hostile-host';
const TITLE_SIGN = ' › ';

/** A test that a row names: a file, and a part of the title of some of its tests. */
export interface Reference {
  readonly row: string;
  readonly file: string;
  readonly title: string | undefined;
}

/** Titles by file, in the order of the file; the parts of one are joined by ` > `. */
export type Titles = ReadonlyMap<string, readonly string[]>;

/** Rows of the table of adversaries by number, with what their last column names under test/. */
export function rowsOf(page: string): ReadonlyMap<string, readonly Reference[]> {
  const lines = page.slice(page.indexOf('## Adversaries')).split('\n');
  return new Map(
    lines.flatMap((line) => {
      const row = /^\| (\d+) \|/.exec(line)?.[1];
      if (row === undefined) return [];
      const tests = line.split(' | ').at(-1) ?? '';
      const named = [...tests.matchAll(/`(test\/[^`]+)`/g)].map(([, name = '']) => {
        const [file = '', title] = name.split(TITLE_SIGN);
        return { row, file, title };
      });
      return [[row, named] as const];
    }),
  );
}

/** Where the page says what is not so. `titles` has each file whose titles a row names. */
export function problemsOf(
  page: string,
  attackFiles: readonly string[],
  titles: Titles,
  exists: (file: string) => boolean,
): string[] {
  const rows = rowsOf(page);
  const named = [...rows.values()].flat();
  return [
    ...(rows.size === 0 ? ['no row was found'] : []),
    ...[...rows].flatMap(([row, tests]) =>
      tests.length === 0 ? [`row ${row} names no test`] : [],
    ),
    ...named.flatMap(({ row, file, title }) => {
      if (!exists(file)) return [`row ${row}: there is no ${file}`];
      if (title === undefined || titles.get(file)?.some((name) => name.includes(title))) return [];
      return [`row ${row}: no test of ${file} is called "${title}"`];
    }),
    ...attackFiles
      .filter((file) => !named.some((reference) => reference.file === file))
      .map((file) => `no row names ${file}`),
  ];
}

/** What titles quote of bytes and of text must not become form. */
function escaped(title: string): string {
  return title
    .replace(/\p{Cc}/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
    .replace(/[\\`*_<>[\]|~]/g, '\\$&');
}

/** One bullet for each group of a file, and one for each test without a group. */
function bullets(titles: readonly string[]): string[] {
  const groups = new Map<string, string[]>();
  for (const title of titles) {
    const parts = title.split(' > ');
    const group = parts.length > 1 ? (parts.shift() ?? '') : '';
    groups.set(group, [...(groups.get(group) ?? []), parts.join(': ')]);
  }
  return [...groups].flatMap(([group, tests]) =>
    group === ''
      ? tests.map((test) => `- ${escaped(test)}`)
      : [`- **${escaped(group)}**: ${tests.map(escaped).join('; ')}`],
  );
}

/** First paragraph of the first comment of a file. */
function about(source: string): string {
  const comment = /^\/\*\*([\s\S]*?)\*\//.exec(source)?.[1] ?? '';
  return (
    comment
      .replaceAll(/\n \* ?/g, '\n')
      .trim()
      .split('\n\n')[0] ?? ''
  );
}

/** Markdown of docs/ATTACKS.md. `sources` are the files of attacks by path, in order. */
export function attacksPage(sources: ReadonlyMap<string, string>, titles: Titles): string {
  const files = [...sources.keys()];
  const count = files.reduce((sum, file) => sum + (titles.get(file)?.length ?? 0), 0);
  const sections = [...sources].map(
    ([file, source]) =>
      `## ${file.slice(ATTACK_FOLDER.length + 1)}\n\n${about(source)}\n\n` +
      bullets(titles.get(file) ?? []).join('\n'),
  );
  const head = `# Attacks

The ${String(count)} tests of \`${ATTACK_FOLDER}\` by name: what a host does, and what becomes of it. Those of
\`link-*\` play the host against a real enclave; the others play it against our own client commands.
Written by \`npm run threat-model:write\`; which adversary each file answers is in [THREAT-MODEL.md](THREAT-MODEL.md).`;
  return `${[head, ...sections].join('\n\n')}\n`;
}
