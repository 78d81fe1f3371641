import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { DETAIL_KEYS, ERROR_CODES, type Reason } from '../../enclave/wire/error-code.ts';
import { ErrorInfo } from '../../enclave/wire/gen/google/rpc/error_details.ts';
import { Status } from '../../enclave/wire/gen/google/rpc/status.ts';
import { rpcError, serviceOf } from '../../src/host/rpc-error.ts';
import { RPC_STATUS, rpcRow } from '../../src/host/rpc-status.ts';

const reasons = Object.keys(ERROR_CODES) as Reason[];

/** Codes after which a client that knows nothing else would simply call again. */
const RETRYABLE_CODES = new Set([status.RESOURCE_EXHAUSTED, status.ABORTED, status.UNAVAILABLE]);

describe('RPC_STATUS', () => {
  it('has a row for every reason', () => {
    expect(Object.keys(RPC_STATUS).sort()).toEqual([...reasons].sort());
  });

  it.each(reasons)('%s: a message for people, without holes', (reason) => {
    const message = rpcRow(reason).message({});
    expect(message).toMatch(/^[A-Z][ -~]*\.$/);
    expect(message).not.toMatch(/undefined|\(\)|\s\s|\s[.,:]/);
  });

  it.each(reasons)('%s: a retry only where the same call can succeed', (reason) => {
    const row = rpcRow(reason);
    if (row.retryAfterMs !== undefined) expect(RETRYABLE_CODES).toContain(row.code);
    if (row.code === status.UNAVAILABLE) expect(row.retryAfterMs).toBeGreaterThan(0);
  });

  it.each<[Reason, string]>([
    ['MESSAGE_TOO_LARGE', 'payload kind digest'],
    ['FRAME_TOO_LARGE', 'payload kind digest'],
    ['ENCLAVE_HALTED', 'sealwright status'],
    ['KEY_NOT_FOUND', 'sealwright keys list'],
    ['CALLER_UNAUTHENTICATED', 'client certificate'],
  ])('%s tells the way out', (reason, words) => {
    expect(rpcRow(reason).message({})).toContain(words);
  });
});

describe('rpcError', () => {
  const decoded = (error: ReturnType<typeof rpcError>): { sent: Status; info: ErrorInfo } => {
    const [bytes] = error.metadata.get('grpc-status-details-bin');
    const sent = Status.decode(bytes as Buffer);
    return { sent, info: ErrorInfo.decode(sent.details[0]?.value ?? new Uint8Array(0)) };
  };

  it('repeats code and message inside the details', () => {
    const error = rpcError('sealwright.v1.KeyService', 'KEY_NOT_FOUND', { ring: 'a' });
    const { sent, info } = decoded(error);
    expect(sent).toMatchObject({ code: error.code, message: error.details });
    expect(info).toEqual({
      reason: 'KEY_NOT_FOUND',
      domain: 'sealwright.v1.KeyService',
      metadata: { ring: 'a' },
    });
  });

  it('keeps details within bounds', () => {
    const details = Object.fromEntries(DETAIL_KEYS.map((key) => [key, 'ü'.repeat(256)]));
    const error = rpcError('s', 'KEY_NOT_FOUND', details);
    const [bytes] = error.metadata.get('grpc-status-details-bin');
    expect((bytes as Buffer).byteLength).toBeLessThan(4096);
    expect(error.details.length).toBeLessThanOrEqual(512);
  });

  it('sends ASCII messages only', () => {
    expect(rpcError('s', 'KEY_NOT_FOUND', { ring: 'ü\ud83d\n' }).details).toMatch(/^[ -~]*$/);
  });

  it('tells of a bug nothing but its request id', () => {
    const { info } = decoded(rpcError('s', 'INTERNAL', { requestId: 'r', ring: 'secret' }));
    expect(info.metadata).toEqual({ requestId: 'r' });
  });
});

describe('serviceOf', () => {
  it('cuts the service out of a path', () => {
    expect(serviceOf('/sealwright.v1.KeyService/GetKey')).toBe('sealwright.v1.KeyService');
  });
});
