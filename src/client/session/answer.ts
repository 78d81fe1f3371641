/** What comes back for one call, record by record, until its last one. */
import type { ClientRecords } from '../../../enclave/wire/session/client-records.ts';
import { concatBytes } from '../../../enclave/wire/bytes.ts';
import { RecordRefused } from '../../../enclave/wire/session/record.ts';
import type { Status } from '../../../enclave/wire/session/record-content.ts';
import { refusalFrom } from './refusal.ts';

export class Answer {
  readonly #call: number;
  readonly #records: ClientRecords;
  readonly #bodies: Uint8Array[] = [];
  #status: Status | undefined;

  constructor(call: number, records: ClientRecords) {
    this.#call = call;
    this.#records = records;
  }

  /** True: the last one has come. Throws RecordRefused. */
  take(records: readonly Uint8Array[]): boolean {
    for (const record of records) {
      const { inReplyTo, status, body, end } = this.#records.receive(record);
      // Genuine, and of another call of ours: that one lacks it now.
      if (inReplyTo !== this.#call) throw new RecordRefused('in-reply-to');
      this.#bodies.push(body);
      if (end) this.#status = status;
    }
    return this.#status !== undefined;
  }

  /** Throws RecordRefused for a part of an answer, SignerError for a refusal of the enclave. */
  finish(): Uint8Array {
    if (this.#status === undefined) throw new RecordRefused('truncated');
    if (this.#status.code !== 0) throw refusalFrom(this.#status);
    return concatBytes(...this.#bodies);
  }
}
