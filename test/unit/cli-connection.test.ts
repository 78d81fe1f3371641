import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CliError } from '../../src/cli/cli-error.ts';
import { Arguments } from '../../src/cli/command.ts';
import { resolveEndpoint } from '../../src/cli/connection.ts';
import { readConnection, writeConnection } from '../../src/supervisor/connection-file.ts';

let folder = '';
let pem: Record<'ca' | 'cert' | 'key', string>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealwright-test-'));
  const file = (name: string): string => {
    writeFileSync(join(folder, name), `PEM ${name}`);
    return join(folder, name);
  };
  pem = { ca: file('ca'), cert: file('cert'), key: file('key') };
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const options = (values: Record<string, string>): Arguments =>
  new Arguments(new Map(Object.entries(values)), [], undefined);

function refusal(
  values: Record<string, string>,
  environment: Record<string, string> = {},
): CliError {
  try {
    resolveEndpoint(options(values), environment);
  } catch (error) {
    expect(error).toBeInstanceOf(CliError);
    return error as CliError;
  }
  throw new Error('not refused');
}

function stateFolder(name: string): string {
  const state = join(folder, name);
  mkdirSync(state);
  writeConnection(state, {
    v: 1,
    address: '127.0.0.1:1',
    ...pem,
    sockets: [],
    pid: 1,
    runFolder: '/tmp/x',
  });
  return state;
}

const fromEnvironment = (): Record<string, string> => ({
  SEALWRIGHT_ADDRESS: 'other:2',
  SEALWRIGHT_CA: pem.ca,
  SEALWRIGHT_CERT: pem.cert,
  SEALWRIGHT_KEY: pem.key,
});

describe('the service is found', () => {
  test('by options', () => {
    const endpoint = resolveEndpoint(options({ address: 'host:1', ...pem }), fromEnvironment());
    expect(endpoint).toMatchObject({ kind: 'tls', address: 'host:1' });
    expect(Buffer.from(endpoint.kind === 'tls' ? endpoint.key : []).toString()).toBe('PEM key');
  });
  test('by options, with what is missing from the environment', () => {
    expect(resolveEndpoint(options({ address: '[::1]:3' }), fromEnvironment())).toMatchObject({
      address: '[::1]:3',
    });
  });
  test('by a state folder, before the environment', () => {
    expect(resolveEndpoint(options({ state: stateFolder('s') }), fromEnvironment())).toMatchObject({
      address: '127.0.0.1:1',
    });
  });
  test('by a socket', () => {
    expect(resolveEndpoint(options({ socket: '/run/x' }), fromEnvironment())).toEqual({
      kind: 'socket',
      path: '/run/x',
    });
  });
  test('by the address of the environment, before its state folder', () => {
    const environment = { ...fromEnvironment(), SEALWRIGHT_STATE: stateFolder('s') };
    expect(resolveEndpoint(options({}), environment)).toMatchObject({ address: 'other:2' });
  });
  test('by the state folder of the environment', () => {
    expect(resolveEndpoint(options({}), { SEALWRIGHT_STATE: stateFolder('s') })).toMatchObject({
      address: '127.0.0.1:1',
    });
  });
  test('by the socket of a state folder without a client certificate', () => {
    const state = join(folder, 's');
    mkdirSync(state);
    writeConnection(state, {
      v: 1,
      address: '127.0.0.1:1',
      sockets: ['/run/a', '/run/b'],
      pid: 1,
      runFolder: '/tmp/x',
    });
    expect(resolveEndpoint(options({ state }), {})).toEqual({ kind: 'socket', path: '/run/a' });
  });
});

describe('refused with 64', () => {
  test.each([
    [{ state: '/a', socket: '/b' }],
    [{ state: '/a', address: 'h:1' }],
    [{ socket: '/a', cert: 'c' }],
    [{ address: 'h:1' }],
    [{ ca: 'c' }],
    [{ state: '/no/such/folder' }],
  ])('%o', (values) => {
    expect(refusal(values as Record<string, string>).status).toBe(64);
  });

  test.each(['host', 'host:', ':1', 'host:port', 'http://host:1', 'a:b:1', 'host:123456', ''])(
    'address "%s"',
    (address) => {
      expect(refusal({ address, ...pem }).status).toBe(64);
    },
  );

  test.each(['ca', 'cert', 'key'])('a missing file for --%s, which is named', (part) => {
    const error = refusal({ address: 'h:1', ...pem, [part]: join(folder, 'missing') });
    expect(error.status).toBe(64);
    expect(error.message).toContain(`--${part}`);
  });

  test.each(['CA', 'CERT', 'KEY'])('SEALWRIGHT_%s unset while the address is set', (part) => {
    expect(refusal({}, { ...fromEnvironment(), [`SEALWRIGHT_${part}`]: '' }).status).toBe(64);
  });

  test.each([
    '',
    '[]',
    '{}',
    '{"v":2,"sockets":[],"pid":1}',
    '{"v":1,"sockets":[1],"pid":1}',
    '{"v":1,"sockets":[],"pid":1,"ca":7}',
    'x',
  ])('a connection file that reads %s', (text) => {
    const state = join(folder, 's');
    mkdirSync(state);
    writeFileSync(join(state, 'connection.json'), text);
    expect(refusal({ state }).status).toBe(64);
  });

  test('a service that offers this computer no way in', () => {
    const state = join(folder, 's');
    mkdirSync(state);
    writeConnection(state, { v: 1, address: 'h:1', sockets: [], pid: 1, runFolder: '/tmp/x' });
    expect(refusal({ state }).status).toBe(64);
  });
});

test('a state folder on which nothing runs is 69: later it may', () => {
  const state = join(folder, 's');
  mkdirSync(state);
  expect(readConnection(state)).toBeUndefined();
  expect(refusal({ state }).status).toBe(69);
});
