/** Where things are in the clone that this file is in (clone.ts). */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Below the root of every clone. */
export const CANARY_FOLDER = 'build/canary';
/** What the clone's enclaves handed out. */
export const SECRETS_FILE = join(root, CANARY_FOLDER, 'secrets.jsonl');
/** Heap snapshots and diagnostic reports of its hosts. */
export const DUMPS_FOLDER = join(root, CANARY_FOLDER, 'dumps');
/** Of a campaign: folders that its tests removed. */
export const ATTIC_FOLDER = join(root, CANARY_FOLDER, 'attic');
/** Of a campaign: what was said to its tests. */
export const SAID_FOLDER = join(root, CANARY_FOLDER, 'said');
