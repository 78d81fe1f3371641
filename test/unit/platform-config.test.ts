import { describe, expect, it } from 'vitest';
import { DEFAULT_HARDENING } from '../../src/simulator/hardening-config.ts';
import {
  defaultPlatformConfig,
  parsePlatformConfig,
  PlatformConfigError,
} from '../../src/simulator/platform-config.ts';

const good = defaultPlatformConfig({
  stateFolder: '/s',
  create: false,
  linkSocket: '/run/link',
  module: '/usr/lib/module.so',
});

/** Pointers of all problems; none when it is accepted. */
function pointers(change: object): string[] {
  try {
    parsePlatformConfig({ ...good, ...change });
    return [];
  } catch (error) {
    if (!(error instanceof PlatformConfigError)) throw error;
    const [, ...lines] = error.message.split('\n');
    return lines.map((line) => line.trim().split(':')[0] ?? '');
  }
}

const hardening = (change: object): object => ({ hardening: { ...DEFAULT_HARDENING, ...change } });
const environment = (name: string): object => ({
  module: { ...good.module, environment: { [name]: '/x' } },
});

describe('hardening', () => {
  it('is complete when it is left out, or in part', () => {
    expect(parsePlatformConfig({ ...good, hardening: undefined }).hardening).toEqual(
      DEFAULT_HARDENING,
    );
    const { network, require } = parsePlatformConfig({
      ...good,
      hardening: { require: ['own-uid'] },
    }).hardening;
    expect([network, require]).toEqual([false, ['own-uid']]);
  });

  it.each<[string, object]>([
    ['a name', { user: 'sealwright-enclave' }],
    ['a number', { user: 4711 }],
    ['the network', { network: true }],
    ['a folder', { folders: ['/opt/hsm'] }],
    ['words', { require: ['no-tracing', 'seccomp'] }],
  ])('takes %s', (_, change) => {
    expect(pointers(hardening(change))).toEqual([]);
  });

  it.each<[string, object, string]>([
    ['root by name', { user: 'root' }, '/user'],
    ['root by number', { user: 0 }, '/user'],
    ['no number', { user: 1.5 }, '/user'],
    ['the number of nobody at all', { user: 0xffff_ffff }, '/user'],
    ['a name with a blank', { user: 'a b' }, '/user'],
    ['a text for a switch', { network: 'yes' }, '/network'],
    ['a relative folder', { folders: ['opt'] }, '/folders'],
    ['one folder without a list', { folders: '/opt' }, '/folders'],
    ['a word that is none', { require: ['own-user'] }, '/require'],
    ['an unknown member', { selinux: true }, '/selinux'],
  ])('refuses %s', (_, change, place) => {
    expect(pointers(hardening(change))).toEqual([`/hardening${place}`]);
  });

  it.each([[null], [[]], ['required']])('refuses %j', (value) => {
    expect(pointers({ hardening: value })).toEqual(['/hardening']);
  });
});

describe('the environment of the workers', () => {
  it('takes what a module reads', () => {
    expect(pointers(environment('SOFTHSM2_CONF'))).toEqual([]);
  });

  it.each([
    'LD_PRELOAD',
    'LD_LIBRARY_PATH',
    'LD_AUDIT',
    'NODE_OPTIONS',
    'NODE_EXTRA_CA_CERTS',
    'NODE_PATH',
    'GLIBC_TUNABLES',
    'MALLOC_PERTURB_',
    'UV_THREADPOOL_SIZE',
    'GCONV_PATH',
    'OPENSSL_CONF',
    'OPENSSL_MODULES',
    'OPENSSL_ia32cap',
    'SSL_CERT_FILE',
    'SSL_CERT_DIR',
    'SSLKEYLOGFILE',
  ])('refuses %s by name', (name) => {
    expect(pointers(environment(name))).toEqual([`/module/environment/${name}`]);
  });
});
