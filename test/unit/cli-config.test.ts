import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseGenesisManifest } from '../../enclave/core/genesis-manifest.ts';
import { canonicalJsonFile } from '../../src/cli/canonical-file.ts';
import { CliError } from '../../src/cli/cli-error.ts';
import { Arguments } from '../../src/cli/command.ts';
import { genesisManifest } from '../../src/client/genesis-manifest.ts';
import { devPolicy, type DevParties } from '../../src/simulator/dev-policy.ts';
import { callerUri } from '../../src/simulator/dev-pki.ts';
import { devHost, dialable, hostSettings } from '../../src/cli/dev-plan.ts';
import { ServeConfigError, parseServeConfig } from '../../src/supervisor/serve-config.ts';
import { TEST_ADMIN, TEST_AUTHORITY } from '../support/fakes/callers.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealwright-test-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function file(value: unknown): string {
  const path = join(folder, 'file.json');
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
  return path;
}

const PARTIES: DevParties = {
  admin: TEST_ADMIN,
  authority: TEST_AUTHORITY.certificate,
  callers: ['dev', 'guest'],
  sockets: ['dev'],
  nowMs: 1_893_456_000_000,
};

describe('the manifest of dev', () => {
  const manifest = parseGenesisManifest(genesisManifest('dev', devPolicy(PARTIES)));

  test('is one that the enclave accepts, with the rings of the contract', () => {
    const both = [
      'es256',
      'es384',
      'es512',
      'eddsa',
      'rs256',
      'rs384',
      'rs512',
      'ps256',
      'ps384',
      'ps512',
    ];
    const expected = [
      ...both.flatMap((name) => [`${name}-hsm`, `${name}-enclave`]),
      ...['44', '65', '87'].map((set) => `ml-dsa-${set}-enclave`),
      'es256-digest-hsm',
      'es256-digest-enclave',
      ...['guest', 'session', 'short', 'signed', 'slow', 'socket'].map((name) => `${name}-enclave`),
    ];
    expect(manifest.policy.rings.map(({ name }) => name).sort()).toEqual(expected.sort());
  });

  test('has rings that say in their names what they are', () => {
    for (const { name, residency, payloadKind, lowestRank } of manifest.policy.rings) {
      expect(name.endsWith(`-${residency}`)).toBe(true);
      expect(payloadKind).toBe(name.includes('-digest-') ? 'digest' : 'message');
      const [first = ''] = name.split('-');
      expect(lowestRank).toBe(
        { session: 'session', signed: 'signed', socket: 'peer' }[first] ?? 'mtls',
      );
    }
  });

  test('names the callers of the folder, by certificate and by socket', () => {
    expect(manifest.policy.callers).toEqual([
      { name: 'dev', kind: 'spiffe', identity: callerUri('dev') },
      { name: 'guest', kind: 'spiffe', identity: callerUri('guest') },
      { name: 'socket-dev', kind: 'peer', identity: 'peer:dev' },
    ]);
  });

  test('takes other members as they are', () => {
    const policy = devPolicy(PARTIES, { rings: [], threshold: 1 });
    expect(parseGenesisManifest(genesisManifest('dev', policy)).policy.rings).toEqual([]);
  });
});

describe('JSON files', () => {
  test('are brought into canonical form', () => {
    expect(Buffer.from(canonicalJsonFile(file(' { "b" : 1, "a" : [ true ] } '))).toString()).toBe(
      '{"a":[true],"b":1}',
    );
  });
  test.each(['', '{', '{"a":1.5}', '{"a":null}', '{"a":9007199254740993}', '"\\ud800"'])(
    '%s is refused with 64',
    (text) => {
      expect(() => canonicalJsonFile(file(text))).toThrow(
        expect.objectContaining({ status: 64 }) as Error,
      );
    },
  );
  test.each(['/no/such/file', '/'])('%s is refused with 64', (path) => {
    expect(() => canonicalJsonFile(path)).toThrow(expect.objectContaining({ status: 64 }) as Error);
  });
});

const input = (values: Record<string, string>, program?: readonly string[]): Arguments =>
  new Arguments(new Map(Object.entries(values)), [], program);

describe('where dev listens', () => {
  test('on ports of its own, or on free ones with a program', () => {
    expect(hostSettings(input({}))).toMatchObject({
      listen: '127.0.0.1:7443',
      http: '127.0.0.1:7480',
    });
    expect(hostSettings(input({}, ['ls']))).toMatchObject({
      listen: '127.0.0.1:0',
      http: '127.0.0.1:0',
    });
  });
  test('options win over the file, the file over the defaults', () => {
    const config = file({ listen: '127.0.0.1:1', http: '127.0.0.1:2', drainSeconds: 3 });
    expect(hostSettings(input({ config, listen: '127.0.0.1:9' }, ['ls']))).toMatchObject({
      listen: '127.0.0.1:9',
      http: '127.0.0.1:2',
      drainSeconds: 3,
    });
  });
  test.each([
    ['0.0.0.0:1', '127.0.0.1:1'],
    ['[::]:1', '127.0.0.1:1'],
    ['[::1]:1', '[::1]:1'],
    ['example.org:1', 'example.org:1'],
  ])('%s is dialled as %s', (address, dialled) => {
    expect(dialable(address)).toBe(dialled);
  });
});

describe('a host file of dev is refused with 64', () => {
  test.each([
    [{ storeFile: '/x' }],
    [{ enclaveSocket: '/x' }],
    [{ tls: {} }],
    [{ lisen: 'x' }],
    [[]],
    ['"text"'],
  ])('%o', (value) => {
    expect(() => hostSettings(input({ config: file(value) }))).toThrow(CliError);
  });

  test.each([
    { listen: 'x' },
    { http: '127.0.0.1:99999' },
    { drainSeconds: -1 },
    { unixSockets: [{ path: 'relative' }] },
    { unixSockets: [{ path: `/${'x'.repeat(120)}` }] },
  ])('%o', (value) => {
    const settings = hostSettings(input({ config: file(value) }));
    const pki = { ca: '/a', server: { cert: '/b', key: '/c' }, clients: {} };
    expect(() => devHost(settings, '/state', '/run', pki)).toThrow(
      expect.objectContaining({ status: 64 }) as Error,
    );
  });
});

describe('the file of serve', () => {
  const tls = { certFile: '/a', keyFile: '/b', clientCaFile: '/c' };
  const good = { state: '/state', host: { tls, listen: '127.0.0.1:1' } };

  const problems = (value: unknown): readonly string[] => {
    try {
      parseServeConfig(value);
    } catch (error) {
      if (error instanceof ServeConfigError) return error.problems;
      throw error;
    }
    return [];
  };

  test('needs a state folder and a host', () => {
    expect(parseServeConfig(good)).toMatchObject({
      state: '/state',
      drainSeconds: 10,
      client: undefined,
    });
    expect(parseServeConfig(good).host['storeFile']).toBe('/state/store.sqlite');
  });
  test('may name workers, suite, and files for the commands of this computer', () => {
    const client = { caFile: '/a', certFile: '/b', keyFile: '/c' };
    const suite = 'p256-hkdf-sha256-aes256gcm';
    expect(parseServeConfig({ ...good, platform: { workers: 4, suite }, client })).toMatchObject({
      client,
    });
  });
  test('is told all its problems at once', () => {
    const pointers = problems({
      state: 'relative',
      host: { tls: {}, listen: 'x', enclaveSocket: '/x' },
      platform: { workers: 0, speed: 1, suite: 1 },
      client: { caFile: 1 },
      typo: true,
    }).map((problem) => problem.split(':')[0]);
    expect(pointers).toEqual(
      expect.arrayContaining([
        '/typo',
        '/state',
        '/host/enclaveSocket',
        '/host/listen',
        '/host/tls/certFile',
        '/platform/workers',
        '/platform/suite',
        '/platform/speed',
        '/client/caFile',
        '/client/certFile',
      ]),
    );
  });
  test.each([
    [null],
    [[]],
    ['x'],
    [{}],
    [{ ...good, host: undefined }],
    [{ ...good, host: { ...good.host, storeFile: 'relative' } }],
    [{ ...good, platform: [] }],
    [{ ...good, platform: { module: 'x' } }],
    [{ ...good, platform: { module: { path: 'relative' } } }],
    [{ ...good, platform: { module: { environment: { LD_PRELOAD: 'x' } } } }],
    [{ ...good, platform: { create: true } }],
    [{ ...good, client: null }],
  ])('%o is refused', (value) => {
    expect(problems(value).length).toBeGreaterThan(0);
  });
});
