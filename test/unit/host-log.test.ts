import { describe, expect, it } from 'vitest';
import { createLog, describeBug } from '../../src/host/log.ts';
import { MAX_LOG_LINES_PER_SECOND } from '../../src/host/limits.ts';

interface Line {
  readonly event: string;
  readonly level: string;
  readonly lines?: number;
}

function capture(): { lines: Line[]; log: ReturnType<typeof createLog>; clock: { ms: number } } {
  const lines: Line[] = [];
  const clock = { ms: 1_000_000 };
  const log = createLog(
    (line) => {
      expect(line.endsWith('\n')).toBe(true);
      lines.push(JSON.parse(line) as Line);
    },
    () => clock.ms,
  );
  return { lines, log, clock };
}

describe('createLog', () => {
  it('writes one JSON line with time and level', () => {
    const { lines, log } = capture();
    log({ event: 'link.up' });
    log({ event: 'store.damaged', code: 'SQLITE_26' });
    expect(lines).toEqual([
      { ts: '1970-01-01T00:16:40.000Z', level: 'info', event: 'link.up' },
      { ts: '1970-01-01T00:16:40.000Z', level: 'error', event: 'store.damaged', code: 'SQLITE_26' },
    ]);
  });

  it('cuts a flood of refusals, counts what it cut, and lets the rest through', () => {
    const { lines, log, clock } = capture();
    const flood = (): void => {
      for (let n = 0; n < MAX_LOG_LINES_PER_SECOND + 50; n += 1) {
        log({ event: 'call.refused', method: '/a/B', reason: 'KEY_NOT_FOUND' });
      }
    };
    flood();
    log({ event: 'link.up' });
    expect(lines).toHaveLength(MAX_LOG_LINES_PER_SECOND + 1);
    expect(lines.at(-1)?.event).toBe('link.up');
    clock.ms += 1000;
    log({ event: 'link.up' });
    expect(lines.at(-2)).toMatchObject({ event: 'log.suppressed', lines: 50, level: 'warn' });
  });
});

describe('describeBug', () => {
  it('gives class and place, and no message', () => {
    const text = describeBug(new TypeError('the secret'));
    expect(text).toMatch(/^TypeError at .*host-log\.test/);
    expect(text).not.toContain('secret');
    expect(describeBug('the secret')).toBe('string');
  });
});
