/** YAML can mean one thing only, or it is refused with its place and line. */
import { describe, expect, it } from 'vitest';
import { readYaml } from '../../src/cli/policy/yaml.ts';

function problems(text: string): string[] {
  return readYaml(text).problems.map(
    ({ place, line, problem }) => `${place} ${String(line)} ${problem}`,
  );
}

describe('YAML that is read', () => {
  it('is what JSON would be', () => {
    const source = readYaml(
      [
        '# a comment',
        'threshold: 2',
        "text: '2'",
        'noSpareAdmin: true',
        'list: [a, "b c", -7]',
        'nested:',
        '  - name: x',
        '    date: 2027-01-31T08:00:00Z',
        '  - {}',
        'large: 9007199254740991',
        'folded: |',
        '  one',
        '  two',
      ].join('\n'),
    );
    expect(source.problems).toEqual([]);
    expect(source.value).toEqual({
      threshold: 2,
      text: '2',
      noSpareAdmin: true,
      list: ['a', 'b c', -7],
      nested: [{ name: 'x', date: '2027-01-31T08:00:00Z' }, {}],
      large: Number.MAX_SAFE_INTEGER,
      folded: 'one\ntwo\n',
    });
    expect(source.lineOf('/nested/0/date')).toBe(8);
    // The nearest thing around it.
    expect(source.lineOf('/nested/1/name')).toBe(9);
    expect(source.lineOf('/nowhere')).toBe(2);
  });

  it('may be JSON', () => {
    expect(readYaml('{"a": [1, "x", false]}')).toMatchObject({
      value: { a: [1, 'x', false] },
      problems: [],
    });
  });

  it('reads words of YAML 1.1 as text', () => {
    expect(readYaml('a: yes\nb: on\nc: NO\nd: 1_000\ne: 12:30').value).toEqual({
      a: 'yes',
      b: 'on',
      c: 'NO',
      d: '1_000',
      e: '12:30',
    });
  });
});

describe('YAML that is refused', () => {
  it.each<readonly [string, string, string]>([
    ['nothing', '', ' undefined there is nothing in it'],
    ['only a comment', '# x\n', ' undefined there is nothing in it'],
    ['two documents', 'a: 1\n---\nb: 2\n', ' 3 a second document begins here'],
    ['an anchor on a list', 'a: &x [1]\n', '/a 1 an anchor: leave it away'],
    ['an anchor on an object', 'a: &x {b: 1}\n', '/a 1 an anchor: leave it away'],
    ['an anchor on a value', 'a: &x 1\n', '/a 1 an anchor: leave it away'],
    ['an alias', 'a: &x 1\nb: *x\n', '/b 2 an alias: write the value out'],
    ['a merge key', 'a: &x {c: 1}\nb:\n  <<: *x\n', '/b/<< 3 an alias: write the value out'],
    ['a tag', 'a: !!str 1\n', '/a 1 a tag (tag:yaml.org,2002:str): leave it away'],
    ['a tag of nobody', 'a: !x 1\n', '/a 1 a tag (!x): leave it away'],
    ['binary', 'a: !!binary aGk=\n', 'a tag (tag:yaml.org,2002:binary): leave it away'],
    ['null', 'a: null\n', '/a 1 nothing stands here'],
    ['a tilde', 'a: ~\n', '/a 1 nothing stands here'],
    ['no value', 'a:\nb: 1\n', '/a 1 nothing stands here'],
    ['a float', 'a: 1.5\n', '/a 1 not an integer: 1.5; quote it if it is text'],
    ['an exponent', 'a: 1e3\n', '/a 1 not an integer: 1e3; quote it if it is text'],
    ['infinity', 'a: .inf\n', '/a 1 not an integer: .inf; quote it if it is text'],
    ['hexadecimal', 'a: 0x1f\n', '/a 1 not decimal: 0x1f; quote it if it is text'],
    ['octal', 'a: 0o17\n', '/a 1 not decimal: 0o17; quote it if it is text'],
    ['a plus sign', 'a: +1\n', '/a 1 not decimal: +1; quote it if it is text'],
    ['leading zeros', 'a: 007\n', '/a 1 not decimal: 007; quote it if it is text'],
    [
      '2^53',
      'a: 9007199254740992\n',
      '/a 1 not below 2^53: 9007199254740992; quote it if it is text',
    ],
    [
      '-2^53',
      'a: -9007199254740992\n',
      '/a 1 not below 2^53: -9007199254740992; quote it if it is text',
    ],
    ['a key twice', 'a: 1\na: 2\n', ' 2 Map keys must be unique'],
    ['a key twice, in other spellings', '"a": 1\na: 2\n', ' 2 Map keys must be unique'],
    ['a key that is a list', '? [a]\n: 1\n', 'With stringKeys, all keys must be strings'],
    ['a tab for indentation', 'a:\n\tb: 1\n', 'Tabs are not allowed as indentation'],
    ['a bracket that is not closed', 'a: [1\n', 'Flow sequence in block collection must be'],
  ])('%s', (_name, text, expected) => {
    const found = problems(text);
    expect(found).not.toEqual([]);
    expect(found.join('\n')).toContain(expected);
  });

  it('tells all problems at once', () => {
    expect(problems('a: 1.5\nb: null\nc: &x 0x1\n')).toHaveLength(4);
  });

  it('bombs are not expanded', () => {
    const levels = Array.from({ length: 40 }, (_, i) =>
      i === 0
        ? 'l0: &l0 [x, x]'
        : `l${String(i)}: &l${String(i)} [*l${String(i - 1)}, *l${String(i - 1)}]`,
    );
    const began = performance.now();
    expect(problems(levels.join('\n')).length).toBeGreaterThan(40);
    expect(performance.now() - began).toBeLessThan(2000);
  });

  it('a name of the prototype is a member like any other, and refused when it is signed', () => {
    expect(Object.keys(readYaml('__proto__: {a: 1}\n').value)).toEqual(['__proto__']);
  });
});
