/** PCK certificates, chains and lists that are wrong. */
import {
  NOW,
  PCK,
  PLATFORM,
  PLATFORM_CA,
  ROOT,
  TCB_SIGNING,
  YEAR_MS,
  makeDcap,
  serialOf,
  sgxExtensions,
  intelCertificate,
  leafShape,
} from './cases.ts';
import { NO_STATUS, NO_TCB_INFO, PCK_LIST, ROOT_LIST, garbage, type Refusal } from './refusal.ts';
import { encodePem } from '../../../src/pkix/pem.ts';

const DAY_MS = 86_400_000;
const lower = (index: number): readonly number[] =>
  PLATFORM.components.map((svn, i) => (i === index ? 0 : svn));

export const PLATFORM_REFUSALS: readonly Refusal[] = [
  {
    what: 'one component below every level',
    changes: { dcap: { platform: { components: lower(7) } } },
    failed: ['tcb-level', ...NO_STATUS],
  },
  {
    what: 'one component below the first level',
    changes: {
      dcap: { platform: { components: PLATFORM.components.map((svn) => Math.max(0, svn - 1)) } },
    },
    failed: NO_STATUS,
  },
  {
    what: 'an old PCE',
    tee: 'sgx',
    changes: { dcap: { platform: { pceSvn: 12 } } },
    failed: ['tcb-level', ...NO_STATUS],
  },
  {
    what: 'another PCE',
    changes: { dcap: { platform: { pceId: Uint8Array.of(1, 0) } } },
    failed: ['tcb-info-pce-id'],
  },
  {
    what: 'TCB info of another FMSPC under the name of this one',
    changes: { dcap: { platform: { fmspc: Buffer.from('00906ed50000', 'hex') } } },
    failed: ['tcb-info-fmspc'],
  },
  {
    what: 'fifteen components in the PCK certificate',
    changes: { dcap: { platform: { components: PLATFORM.components.slice(0, 15) } } },
    failed: ['pck-certificate', 'tcb-info', 'tcb-status', 'tcb-advisories'],
  },
  {
    what: 'a kind of SGX that nobody knows',
    changes: { dcap: { platform: { sgxType: 9 } } },
    failed: ['pck-certificate', ...NO_TCB_INFO],
  },
  {
    what: 'a PCK certificate without SGX extensions',
    changes: { dcap: { pck: { moreExtensions: [] } } },
    failed: ['pck-certificate', ...NO_TCB_INFO],
  },
  {
    what: 'the TCB signing certificate as PCK certificate',
    changes: { dcap: { pck: { subject: TCB_SIGNING } } },
    failed: ['pck-certificate'],
  },
  {
    what: 'a PCK certificate of the root itself',
    changes: { dcap: { pck: { issuer: ROOT, issuerKey: 'root' } } },
    failed: ['pck-chain-names', 'pck-chain-signatures', 'pck-chain-key-ids'],
  },
  {
    what: 'a platform that is not in the list',
    changes: {
      around: {
        platforms: {
          rule: 'require',
          anyOf: [{ name: 'ours', id: `ppid:${'00'.repeat(16)}` }],
        },
      },
    },
    failed: ['platforms'],
  },
];

const stranger = makeDcap('tdx', { root: { key: 'stranger', issuerKey: 'stranger' } });

export const CHAIN_REFUSALS: readonly Refusal[] = [
  {
    what: 'an expired PCK certificate',
    changes: { dcap: { pck: { notAfter: NOW - 1000 } } },
    failed: ['chain-validity'],
  },
  {
    what: 'a CA that begins tomorrow',
    changes: { dcap: { ca: { notBefore: NOW + DAY_MS } } },
    failed: ['chain-validity'],
  },
  {
    what: 'a CA that is none',
    changes: { dcap: { ca: { ca: false, pathLength: undefined } } },
    failed: ['pck-chain-authority'],
  },
  {
    what: 'a CA that may not certify',
    changes: { dcap: { ca: { usage: [0] } } },
    failed: ['pck-chain-key-usage', 'pck-crl-issuer'],
  },
  {
    what: 'a PCK certificate that is an authority',
    changes: { dcap: { pck: { ca: true, pathLength: 0 } } },
    failed: ['pck-chain-authority'],
  },
  {
    what: 'a PCK certificate by somebody with the CA’s name',
    changes: { dcap: { pck: { issuerKey: 'stranger' } } },
    failed: ['pck-chain-signatures', 'pck-chain-key-ids'],
  },
  {
    what: 'a CA by somebody with the root’s name',
    changes: { dcap: { ca: { issuerKey: 'stranger' } } },
    failed: ['pck-chain-signatures', 'pck-chain-key-ids'],
  },
  {
    what: 'a CA of another name',
    changes: {
      dcap: {
        ca: { subject: 'Intel SGX Something CA' },
        pck: { issuer: 'Intel SGX Something CA' },
      },
    },
    failed: ['pck-certificate', 'pck-crl-issuer'],
  },
  {
    what: 'a stranger’s root with Intel’s name as anchor',
    changes: {
      around: {
        trustAnchors: {
          rule: 'require',
          anyOf: [
            { name: 'other', format: 'tdx', certificate: encodePem('CERTIFICATE', stranger.root) },
          ],
        },
      },
    },
    failed: [
      'pck-chain-signatures',
      'pck-chain-key-ids',
      'pck-sent-root',
      'tcb-info-chain-signatures',
      'tcb-info-chain-key-ids',
      'tcb-info-sent-root',
      'qe-identity-chain-signatures',
      'qe-identity-chain-key-ids',
      'qe-identity-sent-root',
      'root-crl-issuer',
      'root-crl-signature',
    ],
  },
  {
    what: 'an anchor for another format',
    changes: {
      around: {
        trustAnchors: {
          rule: 'require',
          anyOf: [
            {
              name: 'nitro',
              format: 'nitro',
              certificate: encodePem('CERTIFICATE', stranger.root),
            },
          ],
        },
      },
    },
    failed: [
      ...['pck-', 'tcb-info-', 'qe-identity-'].flatMap((prefix) => [
        `${prefix}trust-anchor`,
        `${prefix}chain-signatures`,
        `${prefix}chain-names`,
        `${prefix}chain-algorithms`,
        `${prefix}chain-authority`,
        `${prefix}chain-path-length`,
        `${prefix}chain-key-usage`,
        `${prefix}chain-extensions`,
        `${prefix}chain-key-ids`,
        `${prefix}sent-root`,
      ]),
      'root-crl-issuer',
      'root-crl-signature',
      'trust-anchor-accepted',
    ],
  },
];

const serial = (subject: string, key: string): Uint8Array => serialOf(subject, key);

export const LIST_REFUSALS: readonly Refusal[] = [
  {
    what: 'a revoked PCK certificate',
    changes: { dcap: { pckList: { revoked: [serial(PCK, 'pck')] } } },
    failed: ['pck-crl-revoked'],
  },
  {
    what: 'a revoked CA',
    changes: { dcap: { rootList: { revoked: [serial(PLATFORM_CA, 'ca')] } } },
    failed: ['root-crl-revoked'],
  },
  {
    what: 'a revoked signer of the documents',
    changes: { dcap: { rootList: { revoked: [serial(TCB_SIGNING, 'tcb')] } } },
    failed: ['root-crl-revoked'],
  },
  {
    what: 'a stale list of PCK certificates',
    changes: { dcap: { pckList: { nextUpdate: NOW - 1000 } } },
    failed: ['crl-current'],
  },
  {
    what: 'a list of tomorrow',
    changes: { dcap: { rootList: { thisUpdate: NOW + DAY_MS } } },
    failed: ['crl-current'],
  },
  {
    what: 'a list that does not say until when it holds',
    changes: { dcap: { pckList: { nextUpdate: undefined } } },
    failed: ['pck-crl-next-update', 'crl-current'],
  },
  {
    what: 'a list by somebody with the CA’s name',
    changes: { dcap: { pckList: { key: 'stranger' } } },
    failed: ['pck-crl-issuer', 'pck-crl-signature'],
  },
  {
    what: 'a list by somebody with the root’s name',
    changes: { dcap: { rootList: { key: 'stranger' } } },
    failed: ['root-crl-issuer', 'root-crl-signature'],
  },
  {
    what: 'the two lists in each other’s place',
    changes: {
      files: {
        [PCK_LIST]: makeDcap('tdx').collateral[ROOT_LIST],
        [ROOT_LIST]: makeDcap('tdx').collateral[PCK_LIST],
      },
    },
    failed: ['pck-crl-issuer', 'pck-crl-signature', 'root-crl-issuer', 'root-crl-signature'],
  },
  {
    what: 'no list of PCK certificates',
    changes: { files: { [PCK_LIST]: undefined } },
    failed: ['pck-crl'],
  },
  {
    what: 'no list of the root',
    changes: { files: { [ROOT_LIST]: undefined } },
    failed: ['root-crl'],
  },
  {
    what: 'an empty list',
    changes: { files: { [PCK_LIST]: new Uint8Array(0) } },
    failed: ['pck-crl'],
  },
  { what: 'a garbled list', changes: { files: { [ROOT_LIST]: garbage } }, failed: ['root-crl'] },
  {
    what: 'a list in PEM, which is not read as an empty one',
    changes: {
      files: {
        [PCK_LIST]: Buffer.from(
          encodePem('X509 CRL', makeDcap('tdx').collateral[PCK_LIST] ?? garbage),
        ),
      },
    },
    failed: ['pck-crl'],
  },
  {
    what: 'a truncated list',
    changes: { files: { [PCK_LIST]: makeDcap('tdx').collateral[PCK_LIST]?.slice(0, -1) } },
    failed: ['pck-crl'],
  },
];

/** For quotes that carry no PCK chain: type 1 names the platform in plain text. */
const identifier = (ppid: Uint8Array): Uint8Array =>
  Buffer.concat([ppid, Uint8Array.from(PLATFORM.components), Uint8Array.of(13, 0)]);
const pckPem = encodePem(
  'CERTIFICATE',
  intelCertificate({
    ...leafShape(PCK, 'pck'),
    issuer: PLATFORM_CA,
    issuerKey: 'ca',
    moreExtensions: [sgxExtensions(PLATFORM)],
  }),
);

export const CERTIFICATION_REFUSALS: readonly Refusal[] = [
  ...[1, 2, 3, 4, 7, 99].map((type) => ({
    what: `certification data of type ${String(type)}, and no PCK certificate beside it`,
    tee: 'sgx' as const,
    changes: { dcap: { quote: { certification: { type, data: identifier(PLATFORM.ppid) } } } },
    failed: [
      'certification-data',
      'qe-report-signature',
      'trust-anchor-accepted',
      'tcb-info',
      'pck-crl-issuer',
      'pck-crl-signature',
      'root-crl-issuer',
      'root-crl-signature',
      ...NO_STATUS,
    ],
  })),
  {
    what: 'a PCK certificate without its CA beside it',
    tee: 'sgx',
    changes: {
      dcap: { quote: { certification: { type: 1, data: identifier(PLATFORM.ppid) } } },
      files: { 'intel-pck.pem': Buffer.from(pckPem) },
    },
    failed: [
      'pck-certificate',
      'pck-chain-length',
      'pck-trust-anchor',
      ...['signatures', 'names', 'algorithms', 'authority', 'path-length', 'key-usage'].map(
        (rule) => `pck-chain-${rule}`,
      ),
      'pck-chain-extensions',
      'pck-chain-key-ids',
      'pck-crl-issuer',
      'pck-crl-signature',
      'root-crl-issuer',
      'root-crl-signature',
      'trust-anchor-accepted',
    ],
  },
  {
    what: 'the PCK certificate of another platform beside it',
    tee: 'sgx',
    changes: {
      dcap: { quote: { certification: { type: 1, data: identifier(new Uint8Array(16)) } } },
      files: {
        'intel-pck.pem': Buffer.from(`${pckPem}${encodePem('CERTIFICATE', caCertificate())}`),
      },
    },
    failed: ['certification-identifier'],
  },
];

function caCertificate(): Uint8Array {
  return intelCertificate({
    ...leafShape(PLATFORM_CA, 'ca'),
    ca: true,
    pathLength: 0,
    usage: [5, 6],
    notAfter: NOW + 20 * YEAR_MS,
  });
}

export { identifier, pckPem, caCertificate };
