import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  MAX_BATCH_REQUEST_BYTES,
  MAX_DOCUMENT_REQUEST_BYTES,
  MAX_EMERGENCY_REQUEST_BYTES,
  MAX_GRPC_RECEIVE_BYTES,
  MAX_POLICY_REQUEST_BYTES,
  MAX_REQUEST_BYTES,
} from '../../enclave/wire/limits.ts';
import { maxRequestBytes, METHODS } from '../../enclave/wire/methods.ts';
import { LogServiceService } from '../../src/gen/sealwright/v1/log.ts';
import { splitDescriptorSet } from '../../src/host/reflection.ts';
import { SERVICES } from '../../src/host/services.ts';

const paths = SERVICES.flatMap((service) => Object.values(service).map(({ path }) => path));

describe('the services', () => {
  it('are all methods of the link and those of the log, each once', () => {
    const ofTheLog = Object.values(LogServiceService).map(({ path }) => path);
    expect([...paths].sort()).toEqual([...Object.values(METHODS), ...ofTheLog].sort());
  });

  it('are unary but for one: the forwarders know nothing else', () => {
    for (const service of SERVICES) {
      for (const { path, requestStream, responseStream } of Object.values(service)) {
        const pipe = path === METHODS.streamSession;
        expect([requestStream, responseStream]).toEqual([pipe, pipe]);
      }
    }
  });

  it('have limits below those of gRPC', () => {
    for (const path of paths) expect(maxRequestBytes(path)).toBeLessThan(MAX_GRPC_RECEIVE_BYTES);
    expect(maxRequestBytes(METHODS.sign)).toBe(MAX_REQUEST_BYTES);
    expect(maxRequestBytes(METHODS.proposeGenesis)).toBe(MAX_DOCUMENT_REQUEST_BYTES);
    expect(maxRequestBytes(METHODS.signBatch)).toBe(MAX_BATCH_REQUEST_BYTES);
    expect(maxRequestBytes(METHODS.applyPolicy)).toBe(MAX_POLICY_REQUEST_BYTES);
    expect(maxRequestBytes(METHODS.applyEmergency)).toBe(MAX_EMERGENCY_REQUEST_BYTES);
  });
});

describe('splitDescriptorSet', () => {
  const set = new Uint8Array(
    readFileSync(new URL('../../src/gen/descriptors.binpb', import.meta.url)),
  );

  it('cuts the generated set into its files', () => {
    const files = splitDescriptorSet(set).map((file) => Buffer.from(file).toString('latin1'));
    expect(files.some((file) => file.includes('sealwright/v1/signing.proto'))).toBe(true);
    expect(files.every((file) => file.startsWith('\n'))).toBe(true);
  });

  it.each<[string, Uint8Array]>([
    ['cut off', set.subarray(0, set.byteLength - 1)],
    ['another field', Uint8Array.of(0x12, 0)],
    ['no length', Uint8Array.of(0x0a)],
    ['an endless length', new Uint8Array(9).fill(0xff).fill(0x0a, 0, 1)],
  ])('refuses a set that is %s', (_name, bytes) => {
    expect(() => splitDescriptorSet(bytes)).toThrow();
  });
});
