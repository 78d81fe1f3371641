/** What the main thread and the store's thread say to each other. */
import type { Details, Reason } from '../../enclave/wire/error-code.ts';

export type StoreOperation = 'get' | 'put' | 'list';

/** What became of the file. Codes are SQLite's or errno names. */
export type StoreTrouble =
  /** Not a database, or a broken one: stays closed. */
  | { readonly kind: 'damaged'; readonly code: string }
  /** The disk failed: what is on it is unknown, so nothing more is written before a restart. */
  | { readonly kind: 'failed'; readonly code: string }
  /** Another process has it. */
  | { readonly kind: 'locked'; readonly code: string }
  /** No such folder, no permission. */
  | { readonly kind: 'unreachable'; readonly code: string };

export interface StoreWorkerData {
  readonly file: string;
  readonly lockWaitMs: number;
}

export type ToStoreWorker =
  | { readonly id: number; readonly operation: StoreOperation; readonly request: Uint8Array }
  | { readonly close: true };

export type FromStoreWorker =
  | { readonly type: 'opened'; readonly records: number }
  | { readonly type: 'trouble'; readonly trouble: StoreTrouble }
  | { readonly type: 'answer'; readonly id: number; readonly answer: Uint8Array }
  | {
      readonly type: 'refusal';
      readonly id: number;
      readonly reason: Reason;
      readonly details: Details;
    };
