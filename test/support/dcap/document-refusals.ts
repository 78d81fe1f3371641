/** TCB info and QE identity that are wrong. */
import { NOW, TEE_TCB_SVN, PLATFORM, makeDcap, svns, type JsonObject } from './cases.ts';
import {
  NO_QE_IDENTITY,
  NO_STATUS,
  NO_TCB_INFO,
  SIGNING,
  TDX_QE,
  TDX_TCB,
  garbage,
  identity,
  info,
  type Refusal,
} from './refusal.ts';

const DAY_MS = 86_400_000;
const iso = (at: number): string => new Date(at).toISOString().replace('.000Z', 'Z');
const good = makeDcap('tdx').collateral;
const text = (name: string): string => Buffer.from(good[name] ?? garbage).toString();
const bytes = (written: string): Uint8Array => Buffer.from(written);

/** One level, of this much. */
function level(
  sgx: readonly number[],
  tdx: readonly number[],
  more: JsonObject = { tcbStatus: 'UpToDate' },
): JsonObject {
  return {
    tcbLevels: [
      {
        tcb: { sgxtcbcomponents: svns(sgx), pcesvn: 13, tdxtcbcomponents: svns(tdx) },
        tcbDate: '2026-08-13T00:00:00Z',
        ...more,
      },
    ],
  };
}

const status = (tcbStatus: string, ...advisoryIDs: string[]): JsonObject =>
  level(PLATFORM.components, TEE_TCB_SVN, { tcbStatus, advisoryIDs });

export const DOCUMENT_REFUSALS: readonly Refusal[] = [
  { what: 'no TCB info', changes: { files: { [TDX_TCB]: undefined } }, failed: NO_TCB_INFO },
  {
    what: 'empty TCB info',
    changes: { files: { [TDX_TCB]: new Uint8Array(0) } },
    failed: NO_TCB_INFO,
  },
  { what: 'garbled TCB info', changes: { files: { [TDX_TCB]: garbage } }, failed: NO_TCB_INFO },
  { what: 'no QE identity', changes: { files: { [TDX_QE]: undefined } }, failed: NO_QE_IDENTITY },
  {
    what: 'garbled QE identity',
    changes: { files: { [TDX_QE]: garbage } },
    failed: NO_QE_IDENTITY,
  },
  {
    what: 'a QE identity in the place of TCB info',
    changes: { files: { [TDX_TCB]: good[TDX_QE] } },
    failed: NO_TCB_INFO,
  },
  {
    what: 'no signing chain',
    changes: { files: { [SIGNING]: undefined } },
    failed: ['tcb-info-signer', 'qe-identity-signer'],
  },
  {
    what: 'a garbled signing chain',
    changes: { files: { [SIGNING]: garbage } },
    failed: ['tcb-info-signer', 'qe-identity-signer'],
  },
  {
    what: 'documents signed by a stranger',
    changes: { dcap: { documentKey: 'stranger' } },
    failed: ['tcb-info-signature', 'qe-identity-signature'],
  },
  {
    what: 'documents signed by the PCK key, which Intel certified for something else',
    changes: { dcap: { documentKey: 'pck', signer: { subject: 'Intel SGX PCK Certificate' } } },
    failed: [
      'tcb-info-signer',
      'tcb-info-signature',
      'qe-identity-signer',
      'qe-identity-signature',
    ],
  },
  {
    what: 'a signer that somebody with the root’s name certified',
    changes: { dcap: { signer: { issuerKey: 'stranger' } } },
    failed: [
      'tcb-info-chain-signatures',
      'tcb-info-chain-key-ids',
      'qe-identity-chain-signatures',
      'qe-identity-chain-key-ids',
    ],
  },
  {
    what: 'a signer whose certificate has ended',
    changes: { dcap: { signer: { notAfter: NOW - 1000 } } },
    failed: ['chain-validity'],
  },
  {
    what: 'TCB info with one number changed',
    changes: { files: { [TDX_TCB]: bytes(text(TDX_TCB).replace('"pcesvn":13', '"pcesvn":12')) } },
    failed: ['tcb-info-signature'],
  },
  {
    what: 'TCB info written anew with the same meaning',
    changes: {
      files: { [TDX_TCB]: bytes(text(TDX_TCB).replace('"version":3,', '"version": 3,')) },
    },
    failed: ['tcb-info-signature'],
  },
  {
    what: 'QE identity written anew with the same meaning',
    changes: { files: { [TDX_QE]: bytes(text(TDX_QE).replace('"version":2,', '"version": 2,')) } },
    failed: ['qe-identity-signature'],
  },
  {
    what: 'a member twice',
    changes: {
      files: { [TDX_TCB]: bytes(text(TDX_TCB).replace('"tcbType":0', '"tcbType":0,"tcbType":0')) },
    },
    failed: NO_TCB_INFO,
  },
  {
    what: 'two documents in one',
    changes: {
      files: { [TDX_TCB]: bytes(text(TDX_TCB).replace(/\}$/, ',"tcbInfo":{}}')) },
    },
    failed: NO_TCB_INFO,
  },
  {
    what: 'something behind the document',
    changes: { files: { [TDX_TCB]: bytes(`${text(TDX_TCB)}{}`) } },
    failed: NO_TCB_INFO,
  },
  {
    what: 'a byte order mark',
    changes: { files: { [TDX_TCB]: bytes(`\ufeff${text(TDX_TCB)}`) } },
    failed: NO_TCB_INFO,
  },
  {
    what: 'lists in lists without end',
    changes: { files: { [TDX_TCB]: bytes(`{"tcbInfo":${'['.repeat(100_000)}`) } },
    failed: NO_TCB_INFO,
  },
  {
    what: 'TCB info that ended yesterday',
    changes: info({ nextUpdate: iso(NOW - DAY_MS) }),
    failed: ['tcb-info-current'],
  },
  {
    what: 'TCB info of tomorrow',
    changes: info({ issueDate: iso(NOW + DAY_MS) }),
    failed: ['tcb-info-current'],
  },
  {
    what: 'QE identity that ended yesterday',
    changes: identity({ nextUpdate: iso(NOW - DAY_MS) }),
    failed: ['qe-identity-current'],
  },
  {
    what: 'TCB info that ends before it begins',
    changes: info({ nextUpdate: iso(NOW - 3 * DAY_MS) }),
    failed: NO_TCB_INFO,
  },
  {
    what: 'TCB info without an end',
    changes: { dcap: { tcbInfo: ({ nextUpdate: _, ...rest }) => rest } },
    failed: NO_TCB_INFO,
  },
  {
    what: 'valid for a year, and older than the policy wants',
    changes: info({ issueDate: iso(NOW - 8 * DAY_MS), nextUpdate: iso(NOW + 365 * DAY_MS) }),
    failed: ['collateral-age'],
  },
  {
    what: 'an older evaluation',
    changes: info({ tcbEvaluationDataNumber: 18 }),
    failed: ['tcb-info-evaluation-number'],
  },
  {
    what: 'an older evaluation of the quoting enclave',
    changes: identity({ tcbEvaluationDataNumber: 18 }),
    failed: ['qe-identity-evaluation-number'],
  },
  {
    what: 'TCB info of SGX for a TD',
    changes: info({ id: 'SGX' }),
    failed: ['tcb-info-tee', 'tcb-level', 'tdx-module-identity', ...NO_STATUS],
  },
  { what: 'TCB info of an unknown TEE', changes: info({ id: 'TDX2' }), failed: NO_TCB_INFO },
  { what: 'TCB info of version 4', changes: info({ version: 4 }), failed: NO_TCB_INFO },
  {
    what: 'TCB levels that are compared in another way',
    changes: info({ tcbType: 1 }),
    failed: NO_TCB_INFO,
  },
  { what: 'no TCB level', changes: info({ tcbLevels: [] }), failed: NO_TCB_INFO },
  {
    what: 'fifteen components',
    changes: info(level(PLATFORM.components.slice(0, 15), TEE_TCB_SVN)),
    failed: NO_TCB_INFO,
  },
  {
    what: 'seventeen components',
    changes: info(level([...PLATFORM.components, 0], TEE_TCB_SVN)),
    failed: NO_TCB_INFO,
  },
  {
    what: 'no component at all',
    changes: info(level([], [])),
    failed: NO_TCB_INFO,
  },
  {
    what: 'fifteen components of the TD’s platform',
    changes: info(level(PLATFORM.components, TEE_TCB_SVN.slice(1))),
    failed: NO_TCB_INFO,
  },
  {
    what: 'a negative component',
    changes: info(level([-1, ...PLATFORM.components.slice(1)], TEE_TCB_SVN)),
    failed: NO_TCB_INFO,
  },
  { what: 'a status that nobody knows', changes: info(status('Fine')), failed: NO_TCB_INFO },
  { what: 'Revoked', changes: info(status('Revoked')), failed: ['tcb-status'] },
  {
    what: 'SWHardeningNeeded',
    changes: info(status('SWHardeningNeeded', 'INTEL-SA-00615')),
    failed: NO_STATUS,
  },
  {
    what: 'UpToDate with an advisory',
    changes: info(status('UpToDate', 'INTEL-SA-00615')),
    failed: ['tcb-advisories'],
  },
  {
    what: 'no identity of any TDX module',
    changes: info({ tdxModuleIdentities: [] }),
    failed: ['tdx-module-identity', ...NO_STATUS],
  },
  {
    what: 'a QE identity of SGX for a TD',
    changes: identity({ id: 'QE' }),
    failed: ['qe-identity-tee'],
  },
  {
    what: 'the identity of the quote verification enclave',
    changes: identity({ id: 'QVE' }),
    failed: NO_QE_IDENTITY,
  },
  {
    what: 'a QE identity of version 1',
    changes: identity({ version: 1 }),
    failed: NO_QE_IDENTITY,
  },
  {
    what: 'a mask that is too short',
    changes: identity({ attributesMask: 'FBFFFFFFFFFFFFFF' }),
    failed: NO_QE_IDENTITY,
  },
  {
    what: 'a QE identity without levels',
    changes: identity({ tcbLevels: [] }),
    failed: ['qe-tcb-level', ...NO_STATUS],
  },
  {
    what: 'a QE identity whose level is revoked',
    changes: identity({
      tcbLevels: [{ tcb: { isvsvn: 7 }, tcbDate: '2026-08-13T00:00:00Z', tcbStatus: 'Revoked' }],
    }),
    failed: ['tcb-status'],
  },
];
