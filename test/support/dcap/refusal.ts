/** How refusals are written, and what many of them have alike. */
import type { JsonObject, Tee } from './cases.ts';
import type { CaseChanges } from './cases.ts';

export interface Refusal {
  readonly what: string;
  /** Default tdx. */
  readonly tee?: Tee;
  readonly changes: CaseChanges;
  /** Ids of all checks that must fail. */
  readonly failed: readonly string[];
}

/** Without a level there is no status. */
export const NO_STATUS = ['tcb-status', 'tcb-advisories'];

export const TDX_TCB = 'intel-tdx-tcb-90c06f000000.json';
export const SGX_TCB = 'intel-sgx-tcb-90c06f000000.json';
export const TDX_QE = 'intel-tdx-qe.json';
export const PCK_LIST = 'intel-pck-platform.crl';
export const ROOT_LIST = 'intel-root.crl';
export const SIGNING = 'intel-tcb-signing.pem';

/** Neither status nor level, nor anything else that TCB info says. */
export const NO_TCB_INFO = ['tcb-info', ...NO_STATUS];
export const NO_QE_IDENTITY = ['qe-identity', ...NO_STATUS];

export const info = (change: JsonObject): CaseChanges => ({
  dcap: { tcbInfo: (good) => ({ ...good, ...change }) },
});
export const identity = (change: JsonObject): CaseChanges => ({
  dcap: { qeIdentity: (good) => ({ ...good, ...change }) },
});

/** Changes bytes before they are signed, from `at` on. */
export const put =
  (at: number, ...bytes: readonly number[]) =>
  (target: Uint8Array): void => {
    target.set(bytes, at);
  };

export const garbage = Uint8Array.from({ length: 700 }, (_, i) => (i * 37 + 1) & 0xff);
