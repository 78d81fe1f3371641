import { describe, expect, it } from 'vitest';
import { ConfigError, parseHostConfig } from '../../src/host/config.ts';

const valid = {
  tls: { certFile: '/pki/server.pem', keyFile: '/pki/server.key', clientCaFile: '/pki/ca.pem' },
  storeFile: '/state/store.db',
  enclaveSocket: '/run/enclave.sock',
};

const problems = (input: unknown): readonly string[] => {
  try {
    parseHostConfig(input);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
};

/** The pointers only: what a problem says is for people. */
const pointers = (input: unknown): string[] =>
  problems(input).map((problem) => problem.split(':')[0] ?? '');

describe('parseHostConfig', () => {
  it('fills in the defaults and freezes everything', () => {
    const config = parseHostConfig({ ...valid, unixSockets: [{ path: '/run/api.sock' }] });
    expect(config).toEqual({
      ...valid,
      listen: { host: '127.0.0.1', port: 0 },
      unixSockets: [{ path: '/run/api.sock', name: 'api.sock', mode: 0o660, group: undefined }],
      http: undefined,
      logFolder: '/state/log',
      drainSeconds: 10,
    });
    for (const part of [
      config,
      config.tls,
      config.listen,
      config.unixSockets,
      config.unixSockets[0],
    ]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  it('takes every key', () => {
    const config = parseHostConfig({
      ...valid,
      listen: '[::1]:7443',
      http: 'localhost:9090',
      logFolder: '/log',
      drainSeconds: 0,
      unixSockets: [
        { path: '/run/a.sock', name: 'kube', mode: '0600', group: 'www-data' },
        { path: '/run/b.sock', group: 33, mode: '666' },
      ],
    });
    expect(config.listen).toEqual({ host: '::1', port: 7443 });
    expect(config.http).toEqual({ host: 'localhost', port: 9090 });
    expect(config.logFolder).toBe('/log');
    expect(config.unixSockets).toEqual([
      { path: '/run/a.sock', name: 'kube', mode: 0o600, group: 'www-data' },
      { path: '/run/b.sock', name: 'b.sock', mode: 0o666, group: 33 },
    ]);
  });

  it('tells all problems at once, as JSON pointers', () => {
    const input = {
      listen: '127.0.0.1',
      http: 'localhost:70000',
      unixSockets: [
        { path: 'relative.sock', mode: '0999', group: -1, extra: 1 },
        { mode: 432 },
        'x',
      ],
      tls: { certFile: 'server.pem', 'k/e~y': '' },
      storeFile: 7,
      drainSeconds: '10',
      key: 'secret',
    };
    expect(pointers(input).sort()).toEqual(
      [
        '/key',
        '/enclaveSocket',
        '/tls/k~1e~0y',
        '/tls/keyFile',
        '/tls/clientCaFile',
        '/tls/certFile',
        '/listen',
        '/http',
        '/unixSockets/0/path',
        '/unixSockets/0/mode',
        '/unixSockets/0/group',
        '/unixSockets/0/extra',
        '/unixSockets/1/path',
        '/unixSockets/1/mode',
        '/unixSockets/2',
        '/storeFile',
        '/drainSeconds',
      ].sort(),
    );
    expect(problems(input).join()).not.toContain('secret');
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['an array', []],
    ['a string', 'x'],
  ])('refuses %s', (_name, input) => {
    expect(pointers(input)).toContain('/');
  });

  it.each<[string, Record<string, unknown>]>([
    ['/listen', { listen: ':7443' }],
    ['/listen', { listen: '::1:7443' }],
    ['/listen', { listen: 'host:' }],
    ['/listen', { listen: 'host:65536' }],
    ['/http', { http: null }],
    ['/drainSeconds', { drainSeconds: -1 }],
    ['/drainSeconds', { drainSeconds: Number.NaN }],
    ['/drainSeconds', { drainSeconds: 601 }],
    ['/unixSockets', { unixSockets: {} }],
    [
      '/unixSockets/1/path',
      {
        unixSockets: [
          { path: '/a', name: 'x' },
          { path: '/a', name: 'y' },
        ],
      },
    ],
    ['/unixSockets/1/name', { unixSockets: [{ path: '/a/s' }, { path: '/b/s' }] }],
    ['/unixSockets/0/name', { unixSockets: [{ path: '/a', name: 'no spaces' }] }],
    ['/unixSockets/0/path', { unixSockets: [{ path: `/${'x'.repeat(107)}`, name: 'x' }] }],
    ['/enclaveSocket', { enclaveSocket: `/${'ü'.repeat(60)}` }],
    ['/storeFile', { storeFile: '/a\0b' }],
    ['/logFolder', { logFolder: 'log' }],
    ['/tls', { tls: null }],
  ])('%s: %j', (pointer, change) => {
    expect(pointers({ ...valid, ...change })).toContain(pointer);
  });
});
