// Writes CBOR (RFC 8949), good and bad; nothing here comes from src/verifier.

/** Already encoded, as it stands. */
export class Raw {
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

export type Writable =
  number | string | null | Uint8Array | Raw | readonly Writable[] | ReadonlyMap<Writable, Writable>;

/** Major type and argument in the shortest form. */
export function head(major: number, argument: number): Uint8Array {
  const bytes = [];
  if (argument < 24) return Uint8Array.of((major << 5) | argument);
  const size = argument < 0x100 ? 0 : argument < 0x10000 ? 1 : argument < 2 ** 32 ? 2 : 3;
  for (let i = (1 << size) - 1; i >= 0; i -= 1) bytes.push(Math.floor(argument / 256 ** i) & 0xff);
  return Uint8Array.of((major << 5) | (24 + size), ...bytes);
}

export function cbor(value: Writable): Uint8Array {
  if (value instanceof Raw) return value.bytes;
  if (value === null) return Uint8Array.of(0xf6);
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.byteLength), value]);
  if (typeof value === 'string') {
    const bytes = Buffer.from(value, 'utf8');
    return Buffer.concat([head(3, bytes.byteLength), bytes]);
  }
  if (value instanceof Map) {
    const members = [...(value as ReadonlyMap<Writable, Writable>)];
    return Buffer.concat([head(5, members.length), ...members.flat().map(cbor)]);
  }
  const items = value as readonly Writable[];
  return Buffer.concat([head(4, items.length), ...items.map(cbor)]);
}

/** A map of indefinite length, as the Nitro Security Module writes it since 2025. */
export function openMap(members: ReadonlyMap<Writable, Writable>): Raw {
  return new Raw(
    Buffer.concat([Uint8Array.of(0xbf), ...[...members].flat().map(cbor), Uint8Array.of(0xff)]),
  );
}
