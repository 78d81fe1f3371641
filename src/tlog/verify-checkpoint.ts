/** Checkpoints under a log key that evidence vouches for (c2sp.org/tlog-checkpoint). */
import {
  parseCheckpoint,
  parseNote,
  type Checkpoint,
  type Note,
} from '../../enclave/wire/tlog-note.ts';
import { printable } from '../../enclave/wire/printable.ts';
import { judge, type LogCheck } from './check.ts';
import { openNote, type OpenedNote } from './note.ts';

/** The log that the reader expects, from claims `logOrigin` and `logKey` of verified evidence. */
export interface KnownLog {
  readonly origin: string;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** What a note says, with the checks that tell whether the log said it. */
export interface CheckpointResult {
  /** Nobody's word unless all checks are affirming. */
  readonly checkpoint: Checkpoint;
  readonly checks: readonly LogCheck[];
}

const PROBLEMS = {
  'false-signature': 'a signature under the name and id of the log key is false',
  'duplicate-signature': 'two signatures under the log key: no log of ours signs a note twice',
  'no-known-key': 'the log key did not sign this; anybody can write such a note',
} as const satisfies Record<Exclude<OpenedNote['state'], 'signed'>, string>;

/** A checkpoint with its signatures, nothing of it verified. */
export interface UnverifiedCheckpoint {
  readonly note: Note;
  readonly checkpoint: Checkpoint;
}

/** Throws TlogError for text that is not a note with a checkpoint. */
export function readCheckpoint(text: string): UnverifiedCheckpoint {
  const note = parseNote(text);
  return { note, checkpoint: parseCheckpoint(note.text) };
}

/** Origin and signature, as checks. */
export async function checkCheckpoint(
  { note, checkpoint }: UnverifiedCheckpoint,
  log: KnownLog,
): Promise<LogCheck[]> {
  // tlog-checkpoint "Signatures": the log's key has the origin for its name.
  const opened = await openNote(note, [{ name: log.origin, publicKey: log.publicKey }]);
  return [
    judge(
      checkpoint.origin === log.origin,
      {
        id: 'checkpoint-origin',
        expected: printable(log.origin),
        found: printable(checkpoint.origin),
      },
      'the checkpoint is of another log',
    ),
    judge(
      opened.state === 'signed',
      { id: 'checkpoint-signature', expected: 'signed by the log key', found: opened.state },
      opened.state === 'signed' ? '' : PROBLEMS[opened.state],
    ),
  ];
}

/** Throws TlogError for text that is not a note with a checkpoint; origin and signature are checks. */
export async function verifyCheckpoint(text: string, log: KnownLog): Promise<CheckpointResult> {
  const read = readCheckpoint(text);
  return { checkpoint: read.checkpoint, checks: await checkCheckpoint(read, log) };
}
