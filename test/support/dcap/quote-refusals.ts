/** Quotes that are wrong although every certificate and document is good. */
import { fixedBytes, type CaseChanges } from './cases.ts';
import { put, type Refusal } from './refusal.ts';

const body = (at: number, ...bytes: number[]): CaseChanges => ({
  dcap: { quote: { body: put(at, ...bytes) } },
});
const qe = (at: number, ...bytes: number[]): CaseChanges => ({
  dcap: { quote: { qeReport: put(at, ...bytes) } },
});

/** Offset of TDATTRIBUTES in a TD report (A.3). */
const TD_ATTRIBUTES_AT = 120;

export const QUOTE_REFUSALS: readonly Refusal[] = [
  {
    what: 'signed by another key than the one it carries',
    changes: { dcap: { quote: { signer: 'stranger' } } },
    failed: ['platform-signature'],
  },
  {
    what: 'an attestation key that the quoting enclave does not know',
    changes: {
      dcap: { quote: { signer: 'stranger', attestationKey: 'stranger', qeReport: put(320, 1) } },
    },
    failed: ['attestation-key'],
  },
  {
    what: 'more report data of the quoting enclave than the hash',
    changes: qe(320 + 63, 1),
    failed: ['attestation-key'],
  },
  {
    what: 'a quoting enclave that no PCK certificate vouches for',
    changes: { dcap: { quote: { qeSigner: 'stranger' } } },
    failed: ['qe-report-signature'],
  },
  {
    what: 'a forged quoting enclave on a genuine platform',
    changes: qe(128, ...fixedBytes('forger', 32)),
    failed: ['qe-mrsigner'],
  },
  {
    what: 'another product of Intel as quoting enclave',
    changes: qe(256, 9),
    failed: ['qe-isv-prod-id'],
  },
  { what: 'a quoting enclave with MISCSELECT', changes: qe(16, 1), failed: ['qe-misc-select'] },
  {
    what: 'a quoting enclave without the attributes that Intel names',
    changes: qe(48, 0x05),
    failed: ['qe-attributes'],
  },
  {
    what: 'a debugged quoting enclave',
    changes: qe(48, 0x17),
    failed: ['qe-attributes', 'qe-debug'],
  },
  {
    what: 'a debugged quoting enclave, and an identity whose mask leaves debug out',
    changes: {
      dcap: {
        quote: { qeReport: put(48, 0x17) },
        qeIdentity: (good) => ({ ...good, attributesMask: `11${'00'.repeat(15)}` }),
      },
    },
    failed: ['qe-debug'],
  },
  {
    what: 'a quoting enclave below every level',
    changes: qe(258, 1),
    failed: ['qe-tcb-level', 'tcb-status', 'tcb-advisories'],
  },
  {
    what: 'an old quoting enclave',
    changes: qe(258, 5),
    failed: ['tcb-status', 'tcb-advisories'],
  },
  {
    what: 'a TD under debug',
    changes: body(TD_ATTRIBUTES_AT, 1),
    failed: ['debug', 'td-attributes'],
  },
  {
    what: 'a reserved bit of the group "TD under debug"',
    changes: body(TD_ATTRIBUTES_AT, 0x80),
    failed: ['debug', 'td-attributes-reserved', 'td-attributes'],
  },
  {
    what: 'a TD without SEPT_VE_DISABLE',
    changes: body(TD_ATTRIBUTES_AT + 3, 0),
    failed: ['td-attributes'],
  },
  {
    what: 'a TD with more extended features',
    changes: body(TD_ATTRIBUTES_AT + 8 + 1, 0x1a),
    failed: ['xfam'],
  },
  {
    what: 'an enclave under debug',
    tee: 'sgx',
    changes: body(48, 7),
    failed: ['debug', 'sgx-attributes'],
  },
  {
    what: 'an enclave with the provisioning key',
    tee: 'sgx',
    changes: body(48, 0x15),
    failed: ['sgx-attributes'],
  },
  {
    what: 'an older release of the enclave',
    tee: 'sgx',
    changes: body(258, 3),
    failed: ['isv-svn'],
  },
  { what: 'another enclave', tee: 'sgx', changes: body(64, 1, 2, 3), failed: ['measurements'] },
  { what: 'another TD', changes: body(136, 1, 2, 3), failed: ['measurements'] },
  { what: 'another kernel', changes: body(376, 1, 2, 3), failed: ['measurements'] },
  { what: 'an extended RTMR3', changes: body(472, 1, 2, 3), failed: ['measurements'] },
  { what: 'other report data', changes: body(520, 1), failed: ['binding/reportData'] },
  {
    what: 'trailing bytes',
    changes: { dcap: { quote: { trailing: Uint8Array.of(1) } } },
    failed: ['trailing-bytes'],
  },
  {
    what: 'trailing zeros that the policy does not accept',
    changes: { dcap: { quote: { trailing: new Uint8Array(70) } } },
    failed: ['trailing-bytes'],
  },
  {
    what: 'zeros are accepted, and one byte among them is none',
    changes: {
      dcap: { quote: { trailing: Uint8Array.of(0, 0, 1, 0) } },
      platform: { trailingBytes: { rule: 'accept-zeros', because: 'a test' } },
    },
    failed: ['trailing-bytes'],
  },
];

/** The TDX module (A.3: MRSIGNERSEAM at 64, SEAMATTRIBUTES at 112, TEE_TCB_SVN at 0). */
export const MODULE_REFUSALS: readonly Refusal[] = [
  { what: 'a module of another signer', changes: body(64, 1), failed: ['tdx-module-signer'] },
  {
    what: 'a module with attributes',
    changes: body(112, 1),
    failed: ['tdx-module-attributes'],
  },
  {
    what: 'attributes of the module that the mask leaves out',
    changes: {
      dcap: {
        quote: { body: put(112, 1) },
        tcbInfo: (good) => ({
          ...good,
          tdxModuleIdentities: (
            good['tdxModuleIdentities'] as readonly Record<string, never>[]
          ).map((one) => ({ ...one, attributesMask: `FE${'FF'.repeat(7)}` })),
        }),
      },
    },
    failed: ['tdx-module-attributes'],
  },
  {
    what: 'a module of a version that Intel does not name',
    changes: body(0, 5, 2),
    failed: ['tdx-module-identity', 'tcb-status', 'tcb-advisories'],
  },
  {
    what: 'an old module on a good platform',
    changes: body(0, 3, 1),
    failed: ['tcb-status', 'tcb-advisories'],
  },
  {
    what: 'a module below every level',
    changes: body(0, 2, 1),
    failed: ['tdx-module-level', 'tcb-status', 'tcb-advisories'],
  },
  {
    what: 'a module of version 0, held against the components of the platform',
    changes: body(0, 4, 0),
    failed: ['tcb-level', 'tcb-status', 'tcb-advisories'],
  },
  {
    what: 'an old component of the TD’s platform',
    changes: body(2, 2),
    failed: ['tcb-level', 'tcb-status', 'tcb-advisories'],
  },
];
