/** C2SP tlog-tiles: where hashes and leaves lie, and how leaves lie in a bundle. */
import { concatBytes, u16 } from './bytes.ts';
import { MAX_LEAF_BYTES, TlogError, parseDecimal } from './tlog.ts';

/** Hashes of a full tile and leaves of a full bundle. */
export const TILE_WIDTH = 256;

/** Levels of the tree within one tile. */
export const TILE_HEIGHT = 8;

/** tlog-tiles "Merkle Tree". A log below 2^53 leaves has no tile above level 6. */
const MAX_TILE_LEVEL = 63;

/** A tile of hashes, or a bundle of leaves. */
export interface TilePath {
  readonly level: number | 'entries';
  readonly index: number;
  /** 1 to 256; below 256 the tile is partial. */
  readonly width: number;
}

/** Path below the log's prefix. Throws RangeError for coordinates that no tile has. */
export function encodeTilePath({ level, index, width }: TilePath): string {
  const known = level === 'entries' || isWithin(level, 0, MAX_TILE_LEVEL);
  if (!known || !isWithin(index, 0, Number.MAX_SAFE_INTEGER) || !isWithin(width, 1, TILE_WIDTH)) {
    throw new RangeError('no such tile');
  }
  let groups = threeDigits(index % 1000);
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    groups = `x${threeDigits(rest % 1000)}/${groups}`;
  }
  return `tile/${String(level)}/${groups}${width === TILE_WIDTH ? '' : `.p/${String(width)}`}`;
}

const TILE_PATH = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** Throws TlogError. Only the one spelling of each path is accepted: no leading groups of zeros. */
export function parseTilePath(path: string): TilePath {
  const [, levelText, groups, widthText] = TILE_PATH.exec(path) ?? [];
  if (levelText === undefined || groups === undefined) throw new TlogError('tile-path');
  const level = levelText === 'entries' ? ('entries' as const) : parseDecimal(levelText);
  const index = Number(groups.replace(/[x/]/g, ''));
  const width = widthText === undefined ? TILE_WIDTH : Number(widthText);
  if (level === undefined || (level !== 'entries' && level > MAX_TILE_LEVEL)) {
    throw new TlogError('tile-path');
  }
  if (!Number.isSafeInteger(index) || width > TILE_WIDTH) throw new TlogError('tile-path');
  const tile = { level, index, width };
  if (encodeTilePath(tile) !== path) throw new TlogError('tile-path');
  return tile;
}

/** Width of a tile in a tree of `size` leaves; 0 when the tree has no such tile. Bundles are as wide as level 0. */
export function tileWidth(level: number, index: number, size: number): number {
  const hashes = Math.floor(size / TILE_WIDTH ** level);
  return Math.max(0, Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH));
}

function isWithin(value: number, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= min && value <= max;
}

function threeDigits(value: number): string {
  return String(value).padStart(3, '0');
}

/** u16 length ‖ leaf, for each leaf. Throws RangeError for leaves of 64 KiB and more. */
export function encodeEntryBundle(leaves: readonly Uint8Array[]): Uint8Array {
  return concatBytes(
    ...leaves.flatMap((leaf) => {
      if (leaf.byteLength > MAX_LEAF_BYTES) throw new RangeError('leaf is too long');
      return [u16(leaf.byteLength), leaf];
    }),
  );
}

/** Throws TlogError unless the bytes are exactly `count` leaves. The leaves are views on `bytes`. */
export function parseEntryBundle(bytes: Uint8Array, count: number): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const leaves: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.byteLength) {
    if (leaves.length === count) throw new TlogError('entry-count');
    if (at + 2 > bytes.byteLength) throw new TlogError('entry-length');
    const end = at + 2 + view.getUint16(at);
    if (end > bytes.byteLength) throw new TlogError('entry-length');
    leaves.push(bytes.subarray(at + 2, end));
    at = end;
  }
  if (leaves.length !== count) throw new TlogError('entry-count');
  return leaves;
}
