// Contents and records of docs/spec/session.md "Records", right and wrong, for its vectors.
import { fixedBytes, hex } from './vector-file.ts';
import { aeadSeal, i2osp } from './vector-hpke.ts';

export const concat = (...parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(Buffer.concat(parts));
const lp = (bytes: Uint8Array): Uint8Array => concat(i2osp(bytes.byteLength, 4), bytes);

/** Zero bytes up to the next power of two from 256. */
export function pad(content: Uint8Array): Uint8Array {
  let length = 256;
  while (length < content.byteLength) length *= 2;
  return concat(content, new Uint8Array(length - content.byteLength));
}

const CIPHERS = { 1: 'chacha20-poly1305', 2: 'aes-256-gcm' } as const;
export type Suite = keyof typeof CIPHERS;
export type Direction = 0 | 1;

export const KEYS: readonly [Uint8Array, Uint8Array] = [fixedBytes('kC', 32), fixedBytes('kE', 32)];
const SESSION_ID = fixedBytes('record session', 16);
const REQUEST_ID = fixedBytes('record request', 16);
const SIGN = '/sealwright.v1.SigningService/Sign';
const BODY = fixedBytes('record body', 24);

export interface Request {
  readonly method?: string;
  readonly requestId?: Uint8Array;
  readonly deadlineMs?: number;
  readonly channel?: number;
  readonly channelSeq?: number;
  readonly end?: number;
  readonly body?: Uint8Array;
}

export const requestContent = (request: Request = {}): Uint8Array =>
  concat(
    lp(Buffer.from(request.method ?? SIGN)),
    request.requestId ?? REQUEST_ID,
    i2osp(request.deadlineMs ?? 5000, 4),
    i2osp(request.channel ?? 0, 4),
    i2osp(request.channelSeq ?? 0, 4),
    i2osp(request.end ?? 1, 1),
    lp(request.body ?? BODY),
  );

export interface Response {
  readonly inReplyTo?: number | bigint;
  readonly channel?: number;
  readonly channelSeq?: number;
  readonly end?: number;
  readonly code?: number;
  readonly details?: readonly (readonly [string, string])[];
  readonly count?: number;
  readonly body?: Uint8Array;
}

export function responseContent(response: Response = {}): Uint8Array {
  const details = response.details ?? [];
  const status = concat(
    i2osp(response.code ?? 0, 4),
    i2osp(response.count ?? details.length, 1),
    ...details.flatMap(([key, value]) => [lp(Buffer.from(key)), lp(Buffer.from(value))]),
  );
  return concat(
    i2osp(response.inReplyTo ?? 0, 8),
    i2osp(response.channel ?? 0, 4),
    i2osp(response.channelSeq ?? 0, 4),
    i2osp(response.end ?? 1, 1),
    lp(status),
    lp(response.body ?? BODY),
  );
}

export interface Sealing {
  readonly suite?: Suite;
  readonly version?: number;
  readonly sessionId?: Uint8Array;
  readonly key?: Uint8Array;
}

export function record(
  direction: Direction,
  seq: number,
  content: Uint8Array,
  { suite = 1, version = 1, sessionId = SESSION_ID, key = KEYS[direction] }: Sealing = {},
): Uint8Array {
  const header = concat(i2osp(version, 1), i2osp(direction, 1), sessionId, i2osp(seq, 8));
  const nonce = concat(new Uint8Array(4), i2osp(seq, 8));
  return concat(header, aeadSeal(CIPHERS[suite], key, nonce, header, content));
}

export const keys = { kC: hex(KEYS[0]), kE: hex(KEYS[1]), sessionId: hex(SESSION_ID) };
