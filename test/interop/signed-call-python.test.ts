// docs/examples/call_signed.py shares nothing with us but the protos. Here it calls a service that admits signed calls as
// the enclave does, and signs with a key of its own.
import { Server, ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { execFile, spawnSync } from 'node:child_process';
import { generateKeyPairSync, sign, verify, X509Certificate, type KeyObject } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SignedCalls, type AdmittedCall } from '../../enclave/core/signed-calls.ts';
import { equalBytes, toHex } from '../../enclave/wire/bytes.ts';
import {
  CallSignedRequest,
  CallSignedResponse,
} from '../../enclave/wire/gen/sealwright/v1/session.ts';
import { SignRequest, SignResponse } from '../../enclave/wire/gen/sealwright/v1/signing.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { ensureDevPki, type DevPki } from '../../src/simulator/dev-pki.ts';
import { identifiedChain } from '../support/identified-chain.ts';

const PYTHON = '/usr/bin/python3';
const path = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url));
const found = spawnSync(PYTHON, ['-c', 'import grpc, cryptography, google.protobuf']).status === 0;
if (!found) {
  process.stderr.write(
    'SKIPPED: signed calls from Python need python3-grpcio and python3-cryptography (apt-get install)\n',
  );
}

const CLUSTER_ID = new Uint8Array(32).fill(5);
const EXAMPLE = 'docs/examples/call_signed.py';

/** The service: what it admitted, and what it answers with. */
class Service {
  readonly admitted: AdmittedCall[] = [];
  readonly ringKey = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  /** Signs; another than the ring's for an answer that the host invents. */
  signingKey: KeyObject = this.ringKey.privateKey;
  readonly #server = new Server();

  async start(pki: DevPki): Promise<string> {
    const client = new X509Certificate(readFileSync(pki.clients['alice']?.cert ?? ''));
    const calls = new SignedCalls(
      {
        clusterId: CLUSTER_ID,
        isCallable: (method) => method === METHODS.sign,
        identify: ([leaf]) =>
          leaf !== undefined && equalBytes(leaf, client.raw)
            ? identifiedChain('alice', client.publicKey)
            : undefined,
      },
      // It has run for long enough.
      Date.now() - 3_600_000,
    );
    const raw = (bytes: Buffer): Buffer => bytes;
    const service = {
      callSigned: {
        path: '/sealwright.v1.SessionService/CallSigned',
        requestStream: false,
        responseStream: false,
        requestSerialize: raw,
        requestDeserialize: raw,
        responseSerialize: raw,
        responseDeserialize: raw,
      },
    };
    const implementation: UntypedServiceImplementation = {
      callSigned: (
        { request }: { request: Buffer },
        done: (error: { code: number; details: string } | null, answer?: Buffer) => void,
      ) => {
        try {
          const call = calls.admit(CallSignedRequest.decode(request), Date.now());
          this.admitted.push(call);
          done(null, this.#answer(call));
        } catch (error) {
          done({ code: 7, details: error instanceof Error ? error.message : '' });
        }
      },
    };
    this.#server.addService(service, implementation);
    const pair = {
      cert_chain: readFileSync(pki.server.cert),
      private_key: readFileSync(pki.server.key),
    };
    const credentials = ServerCredentials.createSsl(null, [pair], false);
    const bind = promisify(this.#server.bindAsync.bind(this.#server));
    return `localhost:${String(await bind('localhost:0', credentials))}`;
  }

  #answer(call: AdmittedCall): Buffer {
    const { payload } = SignRequest.decode(call.request);
    const content = payload?.$case === 'message' ? payload.value.message : new Uint8Array(0);
    const signature = sign('sha256', content, this.signingKey);
    const response = SignResponse.encode({ ...SignResponse.decode(new Uint8Array(0)), signature });
    return Buffer.from(CallSignedResponse.encode({ response: response.finish() }).finish());
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}

describe.skipIf(!found)('the Python caller of the page', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sw-signed-'));
  const service = new Service();
  let address: string;
  let pki: DevPki;
  beforeAll(async () => {
    pki = ensureDevPki({ folder: join(folder, 'pki'), clients: ['alice', 'bob'] });
    address = await service.start(pki);
    writeFileSync(join(folder, 'file'), 'what is signed');
    const pem = service.ringKey.publicKey.export({ format: 'pem', type: 'spki' });
    writeFileSync(join(folder, 'ring.pem'), pem);
  });
  afterAll(() => {
    service.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const run = (caller = 'alice', clusterId = toHex(CLUSTER_ID)) => {
    const own = pki.clients[caller];
    const files = [pki.ca, own?.cert ?? '', own?.key ?? ''];
    const ring = [clusterId, 'es256', join(folder, 'ring.pem'), join(folder, 'file')];
    return promisify(execFile)(
      PYTHON,
      [path(EXAMPLE), path('src/gen/descriptors.binpb'), address, ...files, ...ring],
      { encoding: 'buffer', env: { PATH: '/usr/bin:/bin' } },
    );
  };
  /** The last line of what Python says of what it did not catch. */
  const failure = async (running: Promise<unknown>): Promise<string> => {
    const error: unknown = await running.catch((thrown: unknown) => thrown);
    return Buffer.from((error as { stderr: Buffer }).stderr).toString();
  };

  test('signs, and prints what it verified', async () => {
    const { stdout } = await run();
    expect(verify('sha256', Buffer.from('what is signed'), service.ringKey.publicKey, stdout)).toBe(
      true,
    );
    const [call] = service.admitted;
    expect([call?.caller.identity, call?.method]).toEqual(['alice', METHODS.sign]);
    expect(SignRequest.decode(call?.request ?? new Uint8Array(0)).ring).toBe('es256');
  });

  test('is refused by a cluster that it did not mean', async () => {
    expect(await failure(run('alice', 'ff'.repeat(32)))).toContain('CALLER_UNAUTHENTICATED');
  });

  test('is refused when the policy does not know it', async () => {
    expect(await failure(run('bob'))).toContain('CALLER_UNAUTHENTICATED');
  });

  test('does not believe a signature of another key', async () => {
    service.signingKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    expect(await failure(run())).toContain('InvalidSignature');
  });

  test('has about thirty lines', () => {
    const code = readFileSync(path(EXAMPLE), 'utf8').replace(/"""[^]*?"""/, '');
    const lines = code.split('\n').filter((line) => !/^\s*(?:#.*)?$/.test(line));
    expect(lines.length).toBeLessThanOrEqual(36);
  });
});
