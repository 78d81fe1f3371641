import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { HALT_REASONS } from '../../enclave/wire/error-code.ts';

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const page = read('docs/OPERATIONS.md');

describe('docs/OPERATIONS.md', () => {
  it.each(HALT_REASONS)('tells the way out of %s', (reason) => {
    expect(page).toMatch(new RegExp(`^\\| \`${reason}\` \\| [^|]+ \\| [^|]+ \\|$`, 'm'));
  });

  it('names every log event', () => {
    const source = read('src/host/log.ts');
    const events = [...source.matchAll(/readonly event: '([a-z.-]+)'/g)].map(([, event]) => event);
    expect(events.length).toBeGreaterThan(10);
    for (const event of events) expect(page).toContain(`\`${event ?? ''}\``);
  });

  it('names every key of the configuration', () => {
    for (const key of [
      'listen',
      'tls.certFile',
      'tls.keyFile',
      'tls.clientCaFile',
      'http',
      'storeFile',
      'logFolder',
      'enclaveSocket',
      'drainSeconds',
    ]) {
      expect(page).toContain(`\`${key}\``);
    }
  });
});
