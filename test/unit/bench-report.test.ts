import { describe, expect, test } from 'vitest';
import { problemsOf, summarize, table } from '../../scripts/bench/report.ts';
import type { Row } from '../../scripts/bench/rounds.ts';

function row(name: string, perSecond: number, host: number, ceiling?: string): Row {
  const load = {
    callsPerSecond: perSecond,
    p50Ms: 1,
    p99Ms: 2,
    cpuUsPerCall: { host },
    samples: [],
  };
  return { name, perSecond, load, ...(ceiling === undefined ? {} : { ceiling }) };
}

describe('the report of the benchmark', () => {
  test('takes a share within each round, and then the median', () => {
    const rows = [
      ...[row('echo', 1000, 100), row('sign', 500, 150, 'echo')],
      // A round on a busy machine: half as fast, the same share.
      ...[row('echo', 500, 200), row('sign', 250, 300, 'echo')],
      ...[row('echo', 1000, 100), row('sign', 700, 120, 'echo')],
    ];
    expect(summarize(rows)).toEqual([
      { name: 'echo', perSecond: 1000, p50Ms: 1, p99Ms: 2, cpuUsPerCall: { host: 100 } },
      {
        name: 'sign',
        perSecond: 500,
        p50Ms: 1,
        p99Ms: 2,
        cpuUsPerCall: { host: 150 },
        ceiling: { name: 'echo', share: 0.5, hostCpu: 1.5 },
      },
    ]);
  });

  test('leaves a share out when its ceiling could not be measured', () => {
    const [line] = summarize([row('batch', 100, 10, 'openssl speed ES256')]);
    expect(line?.ceiling).toBeUndefined();
    expect(problemsOf(line === undefined ? [] : [line])).toEqual([]);
  });

  test.each<[string, Row, string]>([
    ['nothing', row('a', 0, 1), 'a: perSecond is 0'],
    ['no number', row('a', NaN, 1), 'a: perSecond is NaN'],
    ['an endless one', row('a', Infinity, 1), 'a: perSecond is Infinity'],
    ['no work of the host', row('a', 1, 0), 'a: host is 0'],
    ['a negative one', row('a', 1, -1), 'a: host is -1'],
  ])('names %s', (_what, wrong, problem) => {
    expect(problemsOf(summarize([wrong]))).toEqual([problem]);
  });

  test('lines its columns up', () => {
    const lines = table(summarize([row('echo', 1000, 100), row('sign', 500, 150, 'echo')]));
    const [head = '', echo = '', sign = ''] = lines.split('\n');
    expect(head.indexOf('a second') + 'a second'.length).toBe(echo.indexOf('1000') + 4);
    expect(sign).toContain('0.50 of echo; host CPU 1.50');
  });
});
