/** Chains, clocks, files and lists. */
import { HOUR_MS, NOW, YEAR_MS, makeSnp, rsaKey, type CaseChanges } from './cases.ts';
import {
  NO_CHAIN,
  NO_KEY,
  ask,
  garbage,
  milan,
  pem,
  stranger,
  vcek,
  type Refusal,
} from './refusal.ts';

const DAY_MS = 24 * HOUR_MS;

const NO_LIST = ['crl-issuer', 'crl-signature'];
const beforeKey = ['chain-validity', 'crl-current', 'crl-age'];

/** Chains, clocks and files. */
export const CHAIN_REFUSALS: readonly Refusal[] = [
  {
    what: 'no certificate',
    changes: { files: { 'vcek.der': undefined } },
    failed: NO_KEY,
  },
  {
    what: 'an empty certificate',
    changes: { files: { 'vcek.der': new Uint8Array(0) } },
    failed: NO_KEY,
  },
  {
    what: 'garbage as the certificate',
    changes: { files: { 'vcek.der': garbage } },
    failed: NO_KEY,
  },
  {
    what: 'a certificate with a byte behind it',
    changes: { files: { 'vcek.der': Uint8Array.from([...vcek, 0]) } },
    failed: NO_KEY,
  },
  {
    what: 'no ASK',
    changes: { files: { 'ask-milan.der': undefined } },
    failed: ['issuer-certificate', ...NO_CHAIN, ...NO_LIST],
  },
  {
    what: 'garbage as the ASK',
    changes: { files: { 'ask-milan.der': garbage } },
    failed: ['issuer-certificate', ...NO_CHAIN, ...NO_LIST],
  },
  {
    what: 'a chain of three under the anchor',
    changes: {
      files: { 'vcek.der': undefined, 'vcek.pem': pem(vcek, ask, ask), 'ask-milan.der': undefined },
    },
    failed: ['sent-root'],
  },
  {
    what: 'a chain of four',
    changes: { files: { 'vcek.der': undefined, 'vcek.pem': pem(vcek, ask, milan.root, ask) } },
    failed: NO_KEY,
  },
  {
    what: 'the certificates in another order',
    changes: { files: { 'vcek.der': undefined, 'vcek.pem': pem(ask, vcek) } },
    failed: NO_KEY.filter(
      (id) => !['endorsement-certificate', 'chain-length', 'chain-validity'].includes(id),
    ),
  },
  {
    what: 'another AMD: keys of the same names',
    changes: { snp: { pki: 'stranger' }, root: milan.root },
    failed: ['chain-signatures', 'chain-key-ids', 'crl-issuer', 'crl-signature'],
  },
  {
    what: 'a root of another name',
    changes: { root: makeSnp('Genoa').root },
    failed: [...NO_CHAIN.filter((id) => id !== 'chain-length'), ...NO_LIST],
  },
  {
    what: 'a root that came along and is another',
    changes: { files: { 'ask-milan.der': undefined, 'ask-milan.pem': pem(ask, stranger.root) } },
    failed: ['sent-root'],
  },
  {
    what: 'a VCEK that the ASK did not sign',
    changes: { files: { 'vcek.der': stranger.endorsements[0] } },
    failed: ['platform-signature', 'chain-signatures'],
  },
  {
    what: 'an ASK that the ARK did not sign',
    changes: {
      snp: { intermediate: { issuerKey: rsaKey('stranger ARK Milan') } },
    },
    failed: ['chain-signatures', 'chain-key-ids'],
  },
  {
    what: 'an ASK that must not certify',
    changes: { snp: { intermediate: { usage: [0] } } },
    failed: ['chain-key-usage'],
  },
  {
    what: 'before the key’s certificate',
    changes: { now: NOW - 2 * HOUR_MS },
    failed: beforeKey,
  },
  {
    what: 'after the key’s certificate',
    changes: {
      now: NOW + YEAR_MS + 1000,
      platform: { revocation: { rule: 'require', maxAgeDays: 3650 } },
    },
    failed: ['chain-validity', 'crl-current'],
  },
  {
    what: 'an ASK that is not valid yet',
    changes: { snp: { intermediate: { notBefore: NOW + HOUR_MS } } },
    failed: ['chain-validity'],
  },
  {
    what: 'an ARK that is not valid any more',
    changes: { snp: { root: { notAfter: NOW - 1000 } } },
    failed: ['chain-validity'],
  },
];

const list = (changes: NonNullable<CaseChanges['snp']>['list']): CaseChanges => ({
  snp: changes === undefined ? {} : { list: changes },
});
const listFile = (bytes: Uint8Array | undefined): CaseChanges => ({
  files: { 'vcek-milan.crl': bytes },
});

/** AMD's revocation list. */
export const LIST_REFUSALS: readonly Refusal[] = [
  { what: 'no list', changes: listFile(undefined), failed: ['crl-age'] },
  { what: 'an empty list', changes: listFile(new Uint8Array(0)), failed: ['crl', 'crl-age'] },
  { what: 'garbage as the list', changes: listFile(garbage), failed: ['crl', 'crl-age'] },
  {
    what: 'a list in PEM',
    changes: listFile(Buffer.from('-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n')),
    failed: ['crl', 'crl-age'],
  },
  { what: 'a certificate as the list', changes: listFile(ask), failed: ['crl', 'crl-age'] },
  { what: 'a revoked ASK', changes: list({ revoked: [5, 0x10001] }), failed: ['crl-revoked'] },
  {
    what: 'a revoked ASVK',
    changes: { snp: { key: 'VLEK', list: { revoked: [0x10001] } } },
    failed: ['crl-revoked'],
  },
  {
    what: 'a list of another key of that name',
    changes: listFile(stranger.revocationList),
    failed: ['crl-issuer', 'crl-signature'],
  },
  {
    what: 'a list of another product’s ARK',
    changes: listFile(makeSnp('Genoa').revocationList),
    failed: ['crl-issuer', 'crl-signature'],
  },
  {
    what: 'a list of another issuer’s name',
    changes: list({ issuer: 'SEV-Milan' }),
    failed: ['crl-issuer'],
  },
  {
    what: 'a list signed by the ASK',
    changes: list({ key: rsaKey('good SEV-Milan') }),
    failed: ['crl-issuer', 'crl-signature'],
  },
  {
    what: 'a flipped bit in the list',
    changes: listFile(
      Uint8Array.from(milan.revocationList, (byte, i) => (i === 130 ? byte ^ 1 : byte)),
    ),
    failed: ['crl-signature', 'crl-issuer'],
  },
  {
    what: 'a list without nextUpdate',
    changes: list({ nextUpdate: undefined }),
    failed: ['crl-next-update', 'crl-current'],
  },
  {
    what: 'a list whose nextUpdate is past',
    changes: list({ thisUpdate: NOW - 2 * DAY_MS, nextUpdate: NOW - DAY_MS }),
    failed: ['crl-current'],
  },
  {
    what: 'a list from the future',
    changes: list({ thisUpdate: NOW + DAY_MS }),
    failed: ['crl-age', 'crl-current'],
  },
  {
    what: 'an older list than the policy takes',
    changes: list({ thisUpdate: NOW - 31 * DAY_MS }),
    failed: ['crl-age'],
  },
];
