/** Before each test file of a campaign: what it removes and what it is told is kept below the clone's root. */
import { join } from 'node:path';
import process from 'node:process';
import { keepRemoved } from './keep-removed.ts';
import { ATTIC_FOLDER, SAID_FOLDER } from './places-of-clone.ts';
import { recordTo } from './recorder.ts';

keepRemoved(ATTIC_FOLDER);
recordTo(join(SAID_FOLDER, String(process.pid)));
