// Canonical JSON, labels and integers, written a second time: nothing here comes from enclave/wire.
/** The moment at which everything good is valid. */
export const NOW = Date.UTC(2026, 10, 22, 12);
export const HOUR_MS = 3_600_000;
export const YEAR_MS = 365 * 24 * HOUR_MS;

export type Json = string | number | boolean | readonly Json[] | { readonly [name: string]: Json };
export type JsonObject = Readonly<Record<string, Json>>;

/** Changes to members; `undefined` leaves one out. */
export type Changes = Readonly<Record<string, Json | undefined>>;

/** Canonical text (RFC 8785) of values whose names are ASCII and not like integers. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(canonical).join(',')}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value as JsonObject);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
}

/** `value` with changed members. */
export function changed(value: JsonObject, changes: Changes): JsonObject {
  const entries = Object.entries({ ...value, ...changes });
  return Object.fromEntries(
    entries.filter((entry): entry is [string, Json] => entry[1] !== undefined),
  );
}

export const label = (text: string): Uint8Array => Buffer.from(`${text}\0`);
export const utf8 = (value: string): Uint8Array => Buffer.from(value);

export function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

export function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export const lp = (bytes: Uint8Array): Uint8Array => Buffer.concat([u32(bytes.byteLength), bytes]);
