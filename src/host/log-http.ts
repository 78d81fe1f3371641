/** The log over HTTP as c2sp.org/tlog-tiles says: checkpoint, tiles, entry bundles. Also when no enclave is there. */
import { TlogError, HASH_BYTES } from '../../enclave/wire/tlog.ts';
import {
  TILE_WIDTH,
  encodeEntryBundle,
  parseTilePath,
  tileWidth,
  type TilePath,
} from '../../enclave/wire/tlog-tiles.ts';
import { LogDamaged } from './log-store/log-damage.ts';
import { LogDiskFailed, codeOf } from './log-store/log-files.ts';
import type { LogStore } from './log-store/log-store.ts';

export interface LogAnswer {
  readonly status: 200 | 404 | 500;
  readonly type: string;
  readonly cacheControl: string;
  readonly body: Uint8Array | string;
}

/** tlog-tiles "Merkle Tree": tiles are immutable, partial ones too, because their width is in their name. */
const FOREVER = 'public, max-age=31536000, immutable';
const NOTE_TYPE = 'text/plain; charset=utf-8';
const TILE_TYPE = 'application/octet-stream';

/** Whether this is a path of the log. */
export function isLogPath(path: string): boolean {
  return path === '/checkpoint' || path.startsWith('/tile/');
}

/** Answers a GET of such a path. Never rejects for what the disk holds. */
export async function answerLog(store: LogStore, path: string): Promise<LogAnswer> {
  try {
    return (await found(store, path)) ?? refused(404, 'NOT_FOUND');
  } catch (error) {
    if (error instanceof LogDamaged) store.report(error.damage);
    else if (!(error instanceof LogDiskFailed) && codeOf(error) === 'UNKNOWN') throw error;
    return refused(500, 'LOG_DAMAGED');
  }
}

async function found(store: LogStore, path: string): Promise<LogAnswer | undefined> {
  const tile = path === '/checkpoint' ? undefined : parsed(path.slice(1));
  if (tile === undefined && path !== '/checkpoint') return undefined;
  const checkpoint = await store.checkpoint.current();
  if (checkpoint === undefined) return undefined;
  if (tile === undefined) {
    return { status: 200, type: NOTE_TYPE, cacheControl: 'no-store', body: checkpoint.note };
  }
  const { level, index, width } = tile;
  // Only what the checkpoint covers: nobody could verify the rest.
  if (width > tileWidth(level === 'entries' ? 0 : level, index, checkpoint.size)) return undefined;
  const body = await tileBody(store, tile);
  return { status: 200, type: TILE_TYPE, cacheControl: FOREVER, body };
}

async function tileBody(
  { copy }: LogStore,
  { level, index, width }: TilePath,
): Promise<Uint8Array> {
  if (level === 'entries') {
    return encodeEntryBundle(await copy.leaves(index * TILE_WIDTH, width, Number.MAX_SAFE_INTEGER));
  }
  return (await copy.tile({ level, index })).subarray(0, width * HASH_BYTES);
}

function parsed(path: string): TilePath | undefined {
  try {
    return parseTilePath(path);
  } catch (error) {
    if (error instanceof TlogError) return undefined;
    throw error;
  }
}

function refused(status: 404 | 500, error: string): LogAnswer {
  const body = `${JSON.stringify({ error })}\n`;
  return { status, type: 'application/json', cacheControl: 'no-store', body };
}
