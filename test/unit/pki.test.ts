import { execFileSync } from 'node:child_process';
import { createHash, createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { afterAll, describe, expect, it } from 'vitest';
import * as der from '../../src/pkix/der.ts';
import { callerUri, ensureDevPki, type CertifiedKey } from '../../src/simulator/dev-pki.ts';
import { drawPlatformPki } from '../../src/simulator/platform-pki.ts';
import { openPlatformRoot } from '../../src/simulator/platform-root.ts';
import { encodePem } from '../../src/pkix/pem.ts';
import { temporaryFolder } from '../support/platform-process.ts';

const folders: (() => void)[] = [];
function newFolder(): string {
  const { path, remove } = temporaryFolder();
  folders.push(remove);
  return path;
}
afterAll(() => {
  for (const remove of folders) remove();
});

const hasOpenssl = existsSync('/usr/bin/openssl');
const openssl = (...args: string[]): string =>
  execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const certificate = (path: string): X509Certificate => new X509Certificate(readFileSync(path));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const DAY_MS = 86_400_000;

describe('DER writer', () => {
  it.each([
    ['integer 0', der.integer(Uint8Array.of(0)), '020100'],
    ['integer 127', der.integer(Uint8Array.of(127)), '02017f'],
    ['integer 128 is padded', der.integer(Uint8Array.of(128)), '02020080'],
    ['leading zeros go', der.integer(Uint8Array.of(0, 0, 1)), '020101'],
    ['boolean', der.boolean(true), '0101ff'],
    ['object identifier', der.objectIdentifier('1.2.840.10045.4.3.3'), '06082a8648ce3d040303'],
    ['keyCertSign', der.namedBits([5]), '03020204'],
    ['digitalSignature', der.namedBits([0]), '03020780'],
    ['nine bits', der.namedBits([0, 8]), '0303078080'],
    ['UTCTime', der.time(new Date('2049-12-31T23:59:59Z')), '170d3439313233313233353935395a'],
    [
      'GeneralizedTime',
      der.time(new Date('2050-01-01T00:00:00Z')),
      '180f32303530303130313030303030305a',
    ],
    ['explicit', der.explicit(0, der.integer(Uint8Array.of(2))), 'a003020102'],
    ['implicit', der.implicitAscii(2, 'a'), '820161'],
  ])('%s', (_, bytes, expected) => {
    expect(hex(bytes)).toBe(expected);
  });

  it.each([
    [127, '047f'],
    [128, '048180'],
    [255, '0481ff'],
    [256, '04820100'],
    [65536, '0483010000'],
  ])('length %i', (length, start) => {
    const bytes = der.octetString(new Uint8Array(length));
    expect(hex(bytes.subarray(0, start.length / 2))).toBe(start);
    expect(bytes.byteLength).toBe(length + start.length / 2);
  });
});

/** One mutual TLS connection; resolves with what the server saw of the client. */
async function handshake(
  server: CertifiedKey,
  client: CertifiedKey,
  ca: string,
  host: string,
): Promise<string> {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, resolve));
  const { port } = listener.address() as AddressInfo;
  const seen = new Promise<string>((resolve, reject) => {
    listener.once('connection', (raw) => {
      const socket = new tls.TLSSocket(raw, {
        isServer: true,
        requestCert: true,
        rejectUnauthorized: true,
        ca: readFileSync(ca),
        cert: readFileSync(server.cert),
        key: readFileSync(server.key),
      });
      socket.once('error', reject);
      socket.once('secure', () => {
        const error = (
          socket as unknown as { ssl: { verifyError(): Error | null } }
        ).ssl.verifyError();
        if (error !== null) reject(error);
        else resolve(socket.getPeerX509Certificate()?.subjectAltName ?? '');
        socket.end();
      });
    });
  });
  const socket = tls.connect({
    port,
    host: host.includes(':') ? '::1' : '127.0.0.1',
    servername: /^[\d.:]+$/.test(host) ? '' : host,
    checkServerIdentity: (_, peer) => tls.checkServerIdentity(host, peer),
    ca: readFileSync(ca),
    cert: readFileSync(client.cert),
    key: readFileSync(client.key),
  });
  try {
    await new Promise((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    return await seen;
  } finally {
    socket.destroy();
    listener.close();
  }
}

describe('development PKI', () => {
  const folder = newFolder();
  const request = {
    folder: join(folder, 'pki'),
    clients: ['dev', 'other'],
    hosts: ['sign.example', '10.1.2.3', 'fe80::1:0:0:9'],
  };
  const pki = ensureDevPki(request);
  const { dev, other } = pki.clients as { dev: CertifiedKey; other: CertifiedKey };

  it('certifies the server under every name', () => {
    const server = certificate(pki.server.cert);
    for (const host of ['localhost', 'sign.example']) expect(server.checkHost(host)).toBe(host);
    for (const ip of ['127.0.0.1', '::1', '10.1.2.3', 'fe80::1:0:0:9'])
      expect(server.checkIP(ip)).toBe(ip);
    expect(server.checkHost('example.org')).toBeUndefined();
    expect(server.checkIP('10.1.2.4')).toBeUndefined();
    expect(server.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect(server.ca).toBe(false);
  });

  it('names clients by SPIFFE URI, for clientAuth only', () => {
    const client = certificate(dev.cert);
    expect(client.subjectAltName).toBe(`URI:${callerUri('dev')}`);
    expect(client.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect(client.verify(certificate(pki.ca).publicKey)).toBe(true);
    expect(client.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
    expect(hex(client.publicKey.export({ type: 'spki', format: 'der' }))).toBe(
      hex(createPublicKey(readFileSync(dev.key)).export({ type: 'spki', format: 'der' })),
    );
  });

  it('keeps keys to their owner', () => {
    for (const { key } of [pki.server, dev, other]) expect(statSync(key).mode & 0o777).toBe(0o600);
    expect(statSync(request.folder).mode & 0o777).toBe(0o700);
  });

  it.runIf(hasOpenssl)('is accepted by openssl, each purpose for itself', () => {
    const verify = (purpose: string, cert: string): string =>
      openssl('verify', '-x509_strict', '-purpose', purpose, '-CAfile', pki.ca, cert);
    expect(verify('sslserver', pki.server.cert)).toContain('OK');
    expect(verify('sslclient', dev.cert)).toContain('OK');
    expect(() => verify('sslserver', dev.cert)).toThrow();
    expect(() => verify('sslclient', pki.server.cert)).toThrow();
  });

  it('carries mutual TLS', async () => {
    expect(await handshake(pki.server, dev, pki.ca, 'localhost')).toBe(`URI:${callerUri('dev')}`);
    expect(await handshake(pki.server, other, pki.ca, '127.0.0.1')).toBe(
      `URI:${callerUri('other')}`,
    );
    await expect(handshake(pki.server, dev, pki.ca, 'example.org')).rejects.toThrow();
    // A server's certificate is no client's, and a client's no server's.
    await expect(handshake(pki.server, pki.server, pki.ca, 'localhost')).rejects.toThrow();
    await expect(handshake(dev, dev, pki.ca, 'localhost')).rejects.toThrow();
  });

  const serials = (): string[] =>
    [pki.ca, pki.server.cert, dev.cert, other.cert].map((path) => certificate(path).serialNumber);

  it('is kept while it is good', () => {
    const before = serials();
    expect(ensureDevPki(request)).toEqual(pki);
    expect(serials()).toEqual(before);
  });

  it('renews leaves within 30 days of their end, not the CA', () => {
    const [ca, ...leaves] = serials();
    ensureDevPki({ ...request, now: new Date(Date.now() + 334 * DAY_MS) });
    expect(serials()).toEqual([ca, ...leaves]);
    ensureDevPki({ ...request, now: new Date(Date.now() + 336 * DAY_MS) });
    const [sameCa, ...renewed] = serials();
    expect(sameCa).toBe(ca);
    renewed.forEach((serial, i) => {
      expect(serial).not.toBe(leaves[i]);
    });
  });

  it('replaces what is damaged, does not fit, or lacks a name', () => {
    ensureDevPki(request);
    const before = serials();
    writeFileSync(dev.cert, 'damaged');
    writeFileSync(other.key, readFileSync(dev.key));
    ensureDevPki({ ...request, hosts: [...request.hosts, 'more.example'] });
    const after = serials();
    expect(after[0]).toBe(before[0]);
    expect(after.slice(1).every((serial, i) => serial !== before[i + 1])).toBe(true);
    expect(certificate(pki.server.cert).checkHost('more.example')).toBe('more.example');
  });

  it('replaces a private key that is another one behind the right public key', () => {
    const [, , before] = serials();
    const key = createPrivateKey(readFileSync(dev.key)).export({ type: 'pkcs8', format: 'der' });
    const scalar = key.indexOf(Buffer.from('0420', 'hex')) + 2;
    key.writeUInt8(key.readUInt8(scalar + 20) ^ 1, scalar + 20);
    writeFileSync(dev.key, encodePem('PRIVATE KEY', key));
    ensureDevPki(request);
    expect(serials()[2]).not.toBe(before);
  });

  it('replaces an authority with another name than the one that it signed', () => {
    const before = serials();
    const raw = Buffer.from(certificate(pki.ca).raw);
    const name = raw.indexOf('development CA');
    raw.writeUInt8(raw.readUInt8(name) ^ 1, name);
    writeFileSync(pki.ca, encodePem('CERTIFICATE', raw));
    ensureDevPki(request);
    expect(serials().every((serial, i) => serial !== before[i])).toBe(true);
  });

  it('refuses client names that would leave the folder or the URI', () => {
    for (const name of ['', '../x', 'a/b', 'A', 'x'.repeat(64), 'a b']) {
      expect(() => ensureDevPki({ ...request, clients: [name] })).toThrow(RangeError);
    }
  });
});

describe('platform certificates', () => {
  const { certificates, attestationKey } = drawPlatformPki(new Date());
  const [leaf, intermediate, root] = certificates.map((bytes) => new X509Certificate(bytes)) as [
    X509Certificate,
    X509Certificate,
    X509Certificate,
  ];

  it('form one chain that says SIMULATED at each step', () => {
    expect(leaf.checkIssued(intermediate) && leaf.verify(intermediate.publicKey)).toBe(true);
    expect(intermediate.checkIssued(root) && intermediate.verify(root.publicKey)).toBe(true);
    expect(root.verify(root.publicKey)).toBe(true);
    expect(leaf.verify(root.publicKey)).toBe(false);
    for (const { subject } of [leaf, intermediate, root]) {
      expect(subject.match(/SIMULATED/g)).toHaveLength(2);
    }
    expect([leaf.ca, intermediate.ca, root.ca]).toEqual([false, true, true]);
    expect(leaf.checkPrivateKey(attestationKey)).toBe(true);
  });

  it.runIf(hasOpenssl)('are accepted by openssl under their own root only', () => {
    const folder = newFolder();
    const write = (name: string, bytes: Uint8Array): string => {
      const path = join(folder, name);
      writeFileSync(path, encodePem('CERTIFICATE', bytes));
      return path;
    };
    const [leafFile, intermediateFile, rootFile] = certificates.map((bytes, i) =>
      write(String(i), bytes),
    ) as [string, string, string];
    const otherRoot = write('other', drawPlatformPki(new Date()).certificates[2]);
    const verify = (anchor: string): string =>
      openssl(
        'verify',
        '-x509_strict',
        '-CAfile',
        anchor,
        '-untrusted',
        intermediateFile,
        leafFile,
      );
    expect(verify(rootFile)).toContain('OK');
    expect(() => verify(otherRoot)).toThrow();
  });
});

describe('platform root', () => {
  const now = new Date();

  it('is drawn for a new folder only, and then kept', () => {
    const folder = newFolder();
    expect(openPlatformRoot(folder, false, now).origin).toBe('ephemeral');
    expect(existsSync(join(folder, 'root.json'))).toBe(false);
    const created = openPlatformRoot(folder, true, now);
    expect(created.origin).toBe('created');
    expect(statSync(join(folder, 'root.json')).mode & 0o777).toBe(0o600);
    for (const create of [true, false]) {
      const kept = openPlatformRoot(folder, create, now);
      expect(kept.origin).toBe('kept');
      expect(kept.root.rootSecret).toEqual(created.root.rootSecret);
      expect(kept.root.platformId).toEqual(created.root.platformId);
    }
    const anchor = certificate(join(folder, 'root.pem'));
    expect(hex(createHash('sha256').update(anchor.raw).digest())).toBe(
      hex(created.root.platformId),
    );
  });

  it.each([0, 20, 40, 200, 900, 2500])(
    'is ephemeral when a byte is damaged, and left alone: %i',
    (at) => {
      const folder = newFolder();
      const { root } = openPlatformRoot(folder, true, now);
      const file = join(folder, 'root.json');
      const bytes = readFileSync(file);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      writeFileSync(file, bytes);
      for (const create of [true, false]) {
        const opened = openPlatformRoot(folder, create, now);
        expect(opened.origin).toBe('ephemeral');
        expect(opened.root.rootSecret).not.toEqual(root.rootSecret);
      }
      expect(readFileSync(file)).toEqual(bytes);
    },
  );

  it('is ephemeral when it is empty or cut', () => {
    const folder = newFolder();
    openPlatformRoot(folder, true, now);
    const file = join(folder, 'root.json');
    const bytes = readFileSync(file);
    for (const length of [0, 1, bytes.byteLength >> 1, bytes.byteLength - 5]) {
      writeFileSync(file, bytes.subarray(0, length));
      expect(openPlatformRoot(folder, true, now).origin).toBe('ephemeral');
    }
  });
});
