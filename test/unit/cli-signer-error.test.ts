import { Metadata, status as codes } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { explainRefusal } from '../../src/cli/explain-refusal.ts';
import {
  RETRYABLE_ITEMS,
  SignerError,
  itemRefusal,
  signerErrorFrom,
} from '../../src/client/signer-error.ts';
import { ErrorInfo, RetryInfo } from '../../src/gen/google/rpc/error_details.ts';
import { Status } from '../../src/gen/google/rpc/status.ts';
import { rpcRow } from '../../src/host/rpc-status.ts';
import type { Reason } from '../../enclave/wire/error-code.ts';

const PREFIX = 'type.googleapis.com/google.rpc.';

function serviceError(code: codes, details?: Uint8Array): ServiceError {
  const metadata = new Metadata();
  if (details !== undefined) metadata.set('grpc-status-details-bin', Buffer.from(details));
  return Object.assign(new Error('text'), { code, details: 'text', metadata });
}

const info = (reason: string): { typeUrl: string; value: Uint8Array } => ({
  typeUrl: `${PREFIX}ErrorInfo`,
  value: ErrorInfo.encode({
    reason,
    domain: 'sealwright.v1.SigningService',
    metadata: { ring: 'r' },
  }).finish(),
});
const retry = (seconds: bigint, nanos: number): { typeUrl: string; value: Uint8Array } => ({
  typeUrl: `${PREFIX}RetryInfo`,
  value: RetryInfo.encode({ retryDelay: { seconds, nanos } }).finish(),
});
const packed = (...details: { typeUrl: string; value: Uint8Array }[]): Uint8Array =>
  Status.encode({ code: 0, message: '', details }).finish();

test('carries reason and metadata of the service', () => {
  const error = signerErrorFrom(serviceError(codes.NOT_FOUND, packed(info('KEY_NOT_FOUND'))));
  expect(error).toBeInstanceOf(SignerError);
  expect(error).toMatchObject({
    reason: 'KEY_NOT_FOUND',
    retryable: false,
    grpcStatus: 5,
    metadata: { ring: 'r' },
  });
});

test('RetryInfo makes it retryable, with its delay', () => {
  const error = signerErrorFrom(
    serviceError(codes.RESOURCE_EXHAUSTED, packed(retry(1n, 500_000_000), info('RATE_LIMITED'))),
  );
  expect(error).toMatchObject({ reason: 'RATE_LIMITED', retryable: true, retryAfterMs: 1500 });
});

test('keeps a reason that this build does not know', () => {
  expect(
    signerErrorFrom(serviceError(codes.FAILED_PRECONDITION, packed(info('OF_A_LATER_RELEASE'))))
      .reason,
  ).toBe('OF_A_LATER_RELEASE');
});

test('of an item of a batch tells what a call would', () => {
  const metadata = { ring: 'r' };
  const refusal = itemRefusal({ reason: 'KEY_NOT_FOUND', domain: 'd', metadata });
  expect(refusal).toBeInstanceOf(SignerError);
  expect(refusal).toMatchObject({ reason: 'KEY_NOT_FOUND', retryable: false, metadata });
  const later = itemRefusal({ reason: 'TOKEN_UNAVAILABLE', domain: 'd', metadata });
  expect(later).toMatchObject({ reason: 'TOKEN_UNAVAILABLE', retryable: true, grpcStatus: 0 });
});

test.each([...RETRYABLE_ITEMS])('%s of an item is retryable, as the call would be', (reason) => {
  expect(rpcRow(reason as Reason).retryAfterMs).toBeGreaterThan(0);
});

describe('without ErrorInfo', () => {
  test.each([
    [codes.UNAVAILABLE, 'SERVICE_UNREACHABLE', true],
    [codes.DEADLINE_EXCEEDED, 'NO_ANSWER_IN_TIME', false],
    [codes.INTERNAL, 'NOT_EXPLAINED', false],
    [codes.UNKNOWN, 'NOT_EXPLAINED', false],
  ])('status %i is %s', (code, reason, retryable) => {
    expect(signerErrorFrom(serviceError(code))).toMatchObject({ reason, retryable });
  });

  test.each([
    ['no status', Uint8Array.of(0xff)],
    ['a cut status', packed(info('KEY_NOT_FOUND')).subarray(0, 20)],
    [
      'an undecodable ErrorInfo',
      packed({ typeUrl: `${PREFIX}ErrorInfo`, value: Uint8Array.of(0xff) }),
    ],
    ['another type', packed({ typeUrl: `${PREFIX}Help`, value: Uint8Array.of() })],
    ['nothing', packed()],
  ])('details that are %s explain nothing', (_, details) => {
    expect(signerErrorFrom(serviceError(codes.INTERNAL, details)).reason).toBe('NOT_EXPLAINED');
  });
});

test.each([
  [true, 69],
  [false, 70],
])('exit status when the same call may succeed later: %s', (later, exitStatus) => {
  const error = signerErrorFrom(serviceError(codes.UNAVAILABLE, packed(info('ENCLAVE_NOT_READY'))));
  expect(explainRefusal(error, later)).toMatchObject({
    status: exitStatus,
    facts: { reason: 'ENCLAVE_NOT_READY' },
  });
});

test('the service’s way out wins over ours', () => {
  const facts = {
    reason: 'ENCLAVE_HALTED',
    retryable: false,
    grpcStatus: 9,
    metadata: { wayOut: 'this' },
  };
  expect(explainRefusal(new SignerError('', facts), false).wayOut).toBe('this');
});
