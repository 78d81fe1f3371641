import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { referencePath } from '../../src/cli/attested.ts';
import { CliError } from '../../src/cli/cli-error.ts';
import { Arguments } from '../../src/cli/command.ts';
import { isAddress } from '../../src/cli/from-option.ts';
import { temporaryFolder } from '../support/stack.ts';

const { path: folder, remove } = temporaryFolder();
afterAll(remove);

/** A state folder with a reference file. */
function state(name: string): string {
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, 'reference.json'), '{}');
  return join(folder, name);
}
const [a, b] = [state('a'), state('b')];
const [ofA, ofB] = [join(a, 'reference.json'), join(b, 'reference.json')];
const without = join(folder, 'without');
mkdirSync(without);

type Words = Readonly<Record<string, string>>;
const path = (options: Words, environment: Words): string =>
  referencePath(new Arguments(new Map(Object.entries(options)), [], undefined), environment);

test.each<[string, Words, Words, string]>([
  ['--reference wins', { reference: 'r', state: a }, { SEALWRIGHT_REFERENCE: 'e' }, 'r'],
  ['then --state', { state: a }, { SEALWRIGHT_REFERENCE: 'e', SEALWRIGHT_STATE: b }, ofA],
  ['then the environment', { state: without }, { SEALWRIGHT_REFERENCE: 'e' }, 'e'],
  ['which a socket needs', { socket: 's' }, { SEALWRIGHT_REFERENCE: 'e' }, 'e'],
  ['and an address', {}, { SEALWRIGHT_ADDRESS: 'h:1', SEALWRIGHT_REFERENCE: 'e' }, 'e'],
  ['a state folder by the environment', {}, { SEALWRIGHT_STATE: b }, ofB],
  ['the environment before that', {}, { SEALWRIGHT_STATE: b, SEALWRIGHT_REFERENCE: 'e' }, 'e'],
  ['--from with a state folder', { from: b }, { SEALWRIGHT_STATE: a }, ofB],
  ['--from with an address and --state', { from: 'h:1', state: a }, {}, ofA],
])('%s', (_, options, environment, expected) => {
  expect(path(options, environment)).toBe(expected);
});

describe('another service’s file is never taken', () => {
  test.each<[string, Words, Words]>([
    ['nothing at all', { state: without }, {}],
    ['a folder that has none', { state: without }, { SEALWRIGHT_STATE: a }],
    ['an address', { address: 'h:1' }, { SEALWRIGHT_STATE: a }],
    ['an address of the environment', {}, { SEALWRIGHT_ADDRESS: 'h:1', SEALWRIGHT_STATE: a }],
    ['a certificate', { cert: 'c' }, { SEALWRIGHT_STATE: a }],
    ['a socket', { socket: 's' }, { SEALWRIGHT_STATE: a }],
    ['--from with an address', { from: 'h:1' }, { SEALWRIGHT_STATE: a }],
    ['an empty variable', { socket: 's' }, { SEALWRIGHT_REFERENCE: '' }],
  ])('%s', (_, options, environment) => {
    const error: unknown = (() => {
      try {
        return path(options, environment);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(CliError);
    expect((error as CliError).status).toBe(64);
    expect((error as CliError).message).toContain('nothing is pinned at first sight');
  });
});

test.each([
  ['127.0.0.1:7443', true],
  ['[::1]:7443', true],
  ['host.example:1', true],
  ['.sealwright', false],
  ['/tmp/a:1', false],
  ['./a:1', false],
  ['state', false],
])('isAddress %s: %s', (text, expected) => {
  expect(isAddress(text)).toBe(expected);
});
