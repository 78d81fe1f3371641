/** A refusal as gRPC sends it: status, message, and google.rpc details in `grpc-status-details-bin`. */
import { Metadata, type status as Code } from '@grpc/grpc-js';
import type { Details, Reason } from '../../enclave/wire/error-code.ts';
import {
  BadRequest,
  ErrorInfo,
  ResourceInfo,
  RetryInfo,
} from '../../enclave/wire/gen/google/rpc/error_details.ts';
import { Status } from '../../enclave/wire/gen/google/rpc/status.ts';
import { MAX_ERROR_MESSAGE_LENGTH, MAX_ERROR_METADATA_BYTES } from './limits.ts';
import { rpcRow, type RpcRow } from './rpc-status.ts';

/** What grpc-js takes as a status. */
export interface RpcError {
  readonly code: Code;
  readonly details: string;
  readonly metadata: Metadata;
}

const TYPE_PREFIX = 'type.googleapis.com/google.rpc.';
const DETAILS_KEY = 'grpc-status-details-bin';

/** `/sealwright.v1.KeyService/GetKey` → `sealwright.v1.KeyService`, the domain of ErrorInfo. */
export function serviceOf(path: string): string {
  return path.slice(1, path.lastIndexOf('/'));
}

/** Encodes a refusal for the service that was called. */
export function rpcError(service: string, reason: Reason, untrimmed: Details = {}): RpcError {
  const row = rpcRow(reason);
  // A bug tells nothing of itself but where to find it in the log.
  const given = reason === 'INTERNAL' ? { requestId: untrimmed.requestId ?? '' } : untrimmed;
  const details = trim(given);
  // ASCII only: grpc-message is percent-encoded, and encodeURI throws on half a surrogate pair.
  const message = row
    .message(details)
    .replace(/[^ -~]/g, '?')
    .slice(0, MAX_ERROR_MESSAGE_LENGTH);
  const status = Status.encode({
    code: row.code,
    message,
    details: [
      any('ErrorInfo', ErrorInfo.encode({ reason, domain: service, metadata: details }).finish()),
      ...furtherDetails(row, details, message),
    ],
  }).finish();
  const metadata = new Metadata();
  metadata.set(DETAILS_KEY, Buffer.from(status));
  return { code: row.code, details: message, metadata };
}

function furtherDetails(
  row: RpcRow,
  details: Readonly<Record<string, string>>,
  message: string,
): { typeUrl: string; value: Uint8Array }[] {
  const list: { typeUrl: string; value: Uint8Array }[] = [];
  if (row.retryAfterMs !== undefined) {
    const seconds = BigInt(Math.floor(row.retryAfterMs / 1000));
    const nanos = (row.retryAfterMs % 1000) * 1_000_000;
    list.push(any('RetryInfo', RetryInfo.encode({ retryDelay: { seconds, nanos } }).finish()));
  }
  if (row.field !== undefined) {
    const field = details['field'] ?? row.field;
    const fieldViolations = [{ field, description: message }];
    list.push(any('BadRequest', BadRequest.encode({ fieldViolations }).finish()));
  }
  if (row.resource !== undefined) {
    const resourceName = details['ring'] ?? details['keyId'] ?? '';
    const info = {
      resourceType: 'sealwright.v1.Key',
      resourceName,
      owner: '',
      description: message,
    };
    list.push(any('ResourceInfo', ResourceInfo.encode(info).finish()));
  }
  return list;
}

function any(name: string, value: Uint8Array): { typeUrl: string; value: Uint8Array } {
  return { typeUrl: TYPE_PREFIX + name, value };
}

/** As many details as fit into a trailer that every client accepts. */
function trim(details: Details): Record<string, string> {
  const kept: Record<string, string> = {};
  let bytes = 0;
  for (const [key, value] of Object.entries(details)) {
    bytes += key.length + Buffer.byteLength(value);
    if (bytes > MAX_ERROR_METADATA_BYTES) break;
    kept[key] = value;
  }
  return kept;
}
