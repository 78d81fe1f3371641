import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect as tlsConnect } from 'node:tls';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { METHODS } from '../../enclave/wire/methods.ts';
import { ensureDevPki, type CertifiedKey } from '../../src/simulator/dev-pki.ts';
import { SIGN_RESPONSE } from '../support/fake-enclave.ts';
import { HostBed, call, until, type HostProcess } from '../support/host-harness.ts';

const HEALTH = '/grpc.health.v1.Health/Check';

const bed = new HostBed();
let host: HostProcess;

/** A certificate made by openssl, for shapes that the development PKI does not make. */
function issue(
  name: string,
  issuer: CertifiedKey | undefined,
  extensions: readonly string[],
  days = 2,
): CertifiedKey {
  const pair = { cert: bed.path(`${name}.pem`), key: bed.path(`${name}.key`) };
  const extFile = bed.path(`${name}.ext`);
  writeFileSync(extFile, extensions.join('\n'));
  const run = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' });
  run('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', pair.key);
  const request = bed.path(`${name}.csr`);
  run('req', '-new', '-key', pair.key, '-subj', `/CN=${name}`, '-out', request);
  const signer =
    issuer === undefined
      ? ['-signkey', pair.key]
      : ['-CA', issuer.cert, '-CAkey', issuer.key, '-CAcreateserial'];
  run(
    'x509',
    '-req',
    '-in',
    request,
    ...signer,
    '-days',
    String(days),
    '-extfile',
    extFile,
    '-out',
    pair.cert,
  );
  return pair;
}

const CA = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign'];
const CLIENT = ['extendedKeyUsage=clientAuth', 'subjectAltName=URI:spiffe://test/caller'];
const authority = (): CertifiedKey => ({ cert: bed.pki.ca, key: bed.path('pki/ca.key') });

beforeAll(async () => {
  host = await bed.serve();
  bed.enclave.on(METHODS.sign, () => SIGN_RESPONSE);
});
afterAll(() => bed.close());

describe('over TLS', () => {
  it('hands the verified chain to the enclave, leaf first', async () => {
    const outcome = await call(bed.client(host), METHODS.sign, Buffer.from('as it is'));
    expect(outcome.code).toBe(0);
    expect(outcome.answer?.equals(SIGN_RESPONSE)).toBe(true);
    const seen = bed.enclave.calls.at(-1);
    expect(Buffer.from(seen?.body ?? []).toString()).toBe('as it is');
    expect(seen?.untrustedCaller).toMatchObject({ rank: 3, socket: '' });
    const files = [bed.pki.clients['alice']?.cert ?? '', bed.pki.ca];
    expect(
      seen?.untrustedCaller?.certificates.map((der) => new X509Certificate(der).fingerprint256),
    ).toEqual(files.map((file) => new X509Certificate(readFileSync(file)).fingerprint256));
  });

  it('keeps intermediates in the chain', async () => {
    const root = issue('root', undefined, CA);
    const middle = issue('middle', root, CA);
    const leaf = issue('leaf', middle, CLIENT);
    const bundle = bed.path('bundle.pem');
    writeFileSync(bundle, readFileSync(leaf.cert, 'utf8') + readFileSync(middle.cert, 'utf8'));
    const other = await bed.start({
      tls: { certFile: bed.pki.server.cert, keyFile: bed.pki.server.key, clientCaFile: root.cert },
      storeFile: bed.path('other.db'),
      unixSockets: [],
    });
    const client = bed.client(other, { cert: bundle, key: leaf.key });
    expect(await call(client, METHODS.sign)).toMatchObject({ code: 0 });
    const chain = bed.enclave.calls.at(-1)?.untrustedCaller?.certificates ?? [];
    expect(chain.map((der) => new X509Certificate(der).subject)).toEqual([
      'CN=leaf',
      'CN=middle',
      'CN=root',
    ]);
    expect(await other.stop()).toBe(0);
  });

  it.each<[string, () => CertifiedKey | 'none', string]>([
    ['no certificate', () => 'none', 'no client certificate'],
    [
      'a certificate of another CA',
      () =>
        ensureDevPki({ folder: bed.path('pki2'), clients: ['mallory'] }).clients['mallory'] ??
        'none',
      'UNABLE_TO_',
    ],
    [
      'a certificate that names a CA it was not signed by',
      () => issue('self', undefined, CLIENT),
      'SELF_SIGNED',
    ],
    ['a certificate for servers only', () => bed.pki.server, 'INVALID_PURPOSE'],
    [
      'a certificate without extended key usage',
      () => issue('plain', authority(), ['keyUsage=digitalSignature']),
      'without extended key usage clientAuth',
    ],
    ['an expired certificate', () => issue('old', authority(), CLIENT, -1), 'CERT_HAS_EXPIRED'],
  ])('refuses %s and says so', async (_name, certificate, actual) => {
    const client = bed.client(host, certificate());
    const before = bed.enclave.calls.length;
    for (const path of [METHODS.sign, METHODS.getStatus]) {
      const outcome = await call(client, path);
      expect(outcome).toMatchObject({
        code: 16,
        reason: 'CALLER_UNAUTHENTICATED',
        retryAfterMs: undefined,
      });
      expect(outcome.metadata['actual']).toContain(actual);
      expect(outcome.message).toContain('client certificate');
    }
    expect(bed.enclave.calls).toHaveLength(before);
    // Probes have no certificate: health answers everybody.
    expect(await call(client, HEALTH)).toMatchObject({ code: 0 });
  });

  it('refuses older versions of TLS and other protocols than h2', async () => {
    const [name, port] = host.grpc.split(':');
    const options = {
      host: name,
      port: Number(port),
      ca: readFileSync(bed.pki.ca),
      servername: 'localhost',
    };
    for (const bad of [{ maxVersion: 'TLSv1.2' }, { ALPNProtocols: ['http/1.1'] }] as const) {
      const socket = tlsConnect({ ...options, ...bad });
      const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
      expect(error.code).toMatch(/ALERT|EPROTO|SSL/);
    }
    expect(await host.metrics()).toMatch(/tls_handshake_errors_total [1-9]/);
  });

  it('offers no session tickets', async () => {
    const [name, port] = host.grpc.split(':');
    const ca = readFileSync(bed.pki.ca);
    const options = {
      ca,
      ALPNProtocols: ['h2'],
      host: name,
      port: Number(port),
      servername: 'localhost',
    };
    const first = tlsConnect(options);
    const session = new Promise<Buffer>((resolve) => first.once('session', resolve));
    await once(first, 'secureConnect');
    const ticket = await Promise.race([
      session,
      new Promise<undefined>((r) => setTimeout(r, 300, undefined)),
    ]);
    first.destroy();
    // OpenSSL hands out a stateful ticket, and nobody keeps the state: it opens nothing.
    const second = tlsConnect({ ...options, ...(ticket === undefined ? {} : { session: ticket }) });
    await once(second, 'secureConnect');
    expect(second.isSessionReused()).toBe(false);
    second.destroy();
  });
});

describe('over a Unix socket', () => {
  it('names the socket to the enclave', async () => {
    expect(await call(bed.unixClient(), METHODS.sign)).toMatchObject({ code: 0 });
    expect(bed.enclave.calls.at(-1)?.untrustedCaller).toMatchObject({
      rank: 4,
      certificates: [],
      socket: 'api',
    });
  });

  it('gives the file its permissions', () => {
    expect(statSync(bed.unixSocket).mode & 0o777).toBe(0o660);
  });

  it('is refused to a second host, and taken over from a dead one', async () => {
    const second = bed.spawn({ storeFile: bed.path('second.db') });
    await expect(second.ready()).rejects.toThrow('another process serves this socket');
    const path = bed.path('stale.sock');
    const overrides = { unixSockets: [{ path }], storeFile: bed.path('stale.db') };
    const dead = await bed.start(overrides);
    await dead.stop('SIGKILL');
    expect(statSync(path).isSocket()).toBe(true);
    const heir = await bed.start(overrides);
    expect(await call(bed.unixClient(path), HEALTH)).toMatchObject({ code: 0 });
    expect(await heir.stop()).toBe(0);
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('never removes a file that is not a socket', async () => {
    const path = bed.path('precious');
    writeFileSync(path, 'data');
    const refused = bed.spawn({ unixSockets: [{ path }], storeFile: bed.path('precious.db') });
    await expect(refused.ready()).rejects.toThrow('is not a socket');
    expect(readFileSync(path, 'utf8')).toBe('data');
  });
});

describe('certificates change while the host runs', () => {
  it('takes new files, keeps old connections, and survives a broken file', async () => {
    const cert = bed.path('server.pem');
    const key = bed.path('server.key');
    copyFileSync(bed.pki.server.cert, cert);
    copyFileSync(bed.pki.server.key, key);
    const own = await bed.start({
      tls: { certFile: cert, keyFile: key, clientCaFile: bed.pki.ca },
      storeFile: bed.path('reload.db'),
      unixSockets: [],
    });
    const served = async (): Promise<string> => {
      const ca = readFileSync(bed.pki.ca);
      const socket = tlsConnect({
        host: '127.0.0.1',
        port: Number(own.grpc.split(':')[1]),
        ca,
        servername: 'localhost',
        ALPNProtocols: ['h2'],
      });
      await once(socket, 'secureConnect');
      const { serialNumber } = socket.getPeerCertificate();
      socket.destroy();
      return serialNumber;
    };
    const old = await served();
    const ca = readFileSync(bed.pki.ca);
    const session = connect(`https://localhost:${own.grpc.split(':')[1] ?? ''}`, { ca });
    await once(session, 'connect');

    const renewed = issue('renewed', authority(), [
      'subjectAltName=DNS:localhost',
      'extendedKeyUsage=serverAuth',
    ]);
    // Half of a renewal: the watcher finds a pair that doesn't fit and keeps the old one.
    copyFileSync(renewed.key, key);
    await own.logged('tls.reload-failed');
    expect(await served()).toBe(old);
    copyFileSync(renewed.cert, cert);
    await own.logged('tls.reloaded');
    const fresh = await served();
    expect(fresh).not.toBe(old);
    expect(fresh).toBe(new X509Certificate(readFileSync(renewed.cert)).serialNumber);
    expect(session.destroyed).toBe(false);
    session.destroy();

    copyFileSync(bed.pki.server.cert, cert);
    copyFileSync(bed.pki.server.key, key);
    const before = own.events('tls.reloaded').length;
    own.child.kill('SIGHUP');
    await until(() => own.events('tls.reloaded').length > before, 'reload');
    await until(async () => (await served()) === old, 'the old certificate');
    expect(await own.stop()).toBe(0);
  });
});
