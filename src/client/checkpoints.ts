/**
 * The newest checkpoint that a caller has verified: what makes it a witness of the log (docs/spec/session.md, "Open"). A
 * service whose log does not continue it is not believed.
 */
import { toHex } from '../../enclave/wire/bytes.ts';
import type { TreeHead } from '../tlog/merkle.ts';
import { readCheckpoint, type KnownLog } from '../tlog/verify-checkpoint.ts';
import type { Attestation } from './attested.ts';
import { AttestedLog, signedHead } from './attested-log.ts';
import type { SealwrightClient } from './client.ts';
import { judge, requireAll } from './not-believed.ts';

interface Seen extends TreeHead {
  readonly note: string;
}

export class Checkpoints {
  readonly #log: SealwrightClient;
  /** The caller's own, from before: nothing is known of it until a log key is. */
  #given: string | undefined;
  #newest: Seen | undefined;

  /** @param log whoever serves proofs; they prove themselves */
  constructor(log: SealwrightClient, given: string | undefined) {
    this.#log = log;
    this.#given = given;
  }

  /** C2SP signed note; undefined: none was seen. */
  get note(): string | undefined {
    return this.#newest?.note ?? this.#given;
  }

  /** The newest one, under the log key of evidence that was verified. Rejects with NotBelieved for one of another log. */
  async newest(log: KnownLog): Promise<Seen | undefined> {
    if (this.#given !== undefined) {
      this.#see(await signedHead(this.#given, log));
      this.#given = undefined;
    }
    return this.#newest;
  }

  /**
   * The head of the log as an enclave says it, empty for none, against one that was seen before. Rejects with NotBelieved
   * when the log does not continue it, and with SignerError.
   */
  async meet(head: string, attestation: Attestation, before: Seen | undefined): Promise<void> {
    const newer = head === '' ? undefined : await signedHead(head, attestation.log);
    if (before !== undefined && before.size > 0) {
      const log = new AttestedLog(this.#log, attestation);
      requireAll([
        newer === undefined || newer.size <= before.size
          ? notOlder(before, newer)
          : await log.consistency(before, newer),
      ]);
    }
    if (newer !== undefined) this.#see(newer);
  }

  /** Of a receipt that was verified. Throws NotBelieved when two trees of one size differ. */
  saw(note: string): void {
    const { size, rootHash } = readCheckpoint(note).checkpoint;
    this.#see({ note, size, rootHash });
  }

  #see(head: Seen): void {
    const newest = this.#newest;
    if (newest?.size === head.size) requireAll([notOlder(newest, head)]);
    if (newest === undefined || newest.size < head.size) this.#newest = head;
  }
}

/** The same tree, or none: of a log that is older than what was seen nothing else is of interest. */
function notOlder(before: TreeHead, now: TreeHead | undefined): ReturnType<typeof judge> {
  const root = toHex(before.rootHash);
  const same = now?.size === before.size && toHex(now.rootHash) === root;
  const asked = {
    id: 'log-consistency',
    expected: `at least the ${String(before.size)} leaves of root ${root}`,
    found:
      now === undefined ? 'no log' : `${String(now.size)} leaves of root ${toHex(now.rootHash)}`,
  };
  return judge(same, asked, 'the log was set back or rewritten, or another log is shown to you');
}
