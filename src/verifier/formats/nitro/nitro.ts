/**
 * Evidence of AWS Nitro Enclaves (docs/platforms/nitro.md). The document carries its whole chain, so there is no
 * collateral; AWS publishes no revocation lists for it (NSM §3.2.4).
 */
import { toHex } from '../../../../enclave/wire/bytes.ts';
import { checkPath, type PathProfile } from '../../certificate-path.ts';
import { judge, moment, notChecked, type Check } from '../../check.ts';
import { printable } from '../../../../enclave/wire/printable.ts';
import { COSE_ALG, COSE_ES384 } from '../../cose-sign1.ts';
import type {
  PlatformEvidenceFindings,
  PlatformFormat,
  PlatformStatement,
  PlatformVerificationInput,
} from '../../platform-format.ts';
import { readSkip } from '../../policy-parts.ts';
import type { PolicyReader } from '../../policy-reader.ts';
import type { Skip } from '../../appraisal-policy.ts';
import { ECDSA_P384_SHA384 } from '../../signature-profile.ts';
import { isAnchorCertificate, type TrustAnchor } from '../../trust-anchor.ts';
import { checkEcdsa } from '../../web-crypto.ts';
import { decodeDocument, FIELDS, MAX_DOCUMENT_BYTES, type NitroDocument } from './document.ts';

const SIGNATURE_BYTES = 96;
const PCR_BYTES = 48;
/** Image, kernel with its initial file system, application. The rest is for those who use it. */
const MEASURED = ['PCR0', 'PCR1', 'PCR2'] as const;
/** The longest that a signing certificate lives. */
const MAX_AGE_SECONDS = 10_800;
const CLOCK_SKEW_MS = 60_000;
const MODULE_ID = /^(i-[0-9a-f]{8,17})-enc[0-9a-f]{16,20}$/;

const PROFILE: PathProfile = {
  sent: { min: 1, max: 4 },
  signatures: [ECDSA_P384_SHA384],
  leafKey: ECDSA_P384_SHA384,
  // The signing certificate has none.
  keyIds: 'if-present',
  clause: 'NSM §3.2.3',
};

export interface NitroFacts {
  readonly timestampMs: number;
}

export interface NitroPolicy {
  readonly age: { readonly rule: 'require'; readonly maxSeconds: number } | Skip;
}

const names = (document: NitroDocument): ReadonlyMap<string, Uint8Array> =>
  new Map([...document.pcrs].map(([number, value]) => [`PCR${String(number)}`, value]));

function statementOf(document: NitroDocument): PlatformStatement {
  const registers = names(document);
  const values = MEASURED.map((name) => registers.get(name));
  // PCR3 and PCR4 are set in debug mode too, so "all registers are zero" would miss it.
  const debug = values.every((value) => value?.every((byte) => byte === 0) ?? true);
  const instance = MODULE_ID.exec(document.moduleId)?.[1];
  return {
    registers,
    debug,
    debugFound: `PCR0, PCR1 and PCR2 are ${debug ? 'all zero: on' : 'not all zero: off'}`,
    fields: document.fields,
    platformIds: instance === undefined ? [] : [`instance:${instance}`],
  };
}

async function verifyDocument(
  document: NitroDocument,
  { anchors }: PlatformVerificationInput,
): Promise<PlatformEvidenceFindings<NitroFacts>> {
  const { certificate, bundle, timestampMs } = document;
  // NSM §3.2.3: the root comes first, the certificates then follow down to the issuer of the signing one.
  const [root, ...below] = bundle;
  const path = await checkPath([certificate, ...below.reverse()], anchors, PROFILE);
  return {
    checks: [
      headersCheck(document),
      await signatureCheck(document),
      await rootCheck(root?.raw, path.anchor),
      ...path.checks,
      ...contentChecks(document),
      notChecked('revocation', 'no list', 'AWS publishes none for these certificates (NSM §3.2.4)'),
    ],
    anchor: path.anchor,
    validity: path.validity,
    statement: statementOf(document),
    facts: { timestampMs },
  };
}

/** The algorithm is the format's, never the document's choice. */
function headersCheck({ cose }: NitroDocument): Check {
  const { protectedHeaders, unprotectedHeaders } = cose;
  const algorithm = protectedHeaders.get(COSE_ALG);
  const passed =
    protectedHeaders.size === 1 && algorithm === COSE_ES384 && unprotectedHeaders?.size === 0;
  return judge(passed, {
    id: 'cose-headers',
    expected: 'protected {1: -35} (ES384), unprotected {}',
    found: passed
      ? 'as expected'
      : `algorithm ${typeof algorithm === 'number' ? String(algorithm) : 'not given'}, ${String(protectedHeaders.size)} protected, ${unprotectedHeaders === undefined ? 'no map of' : String(unprotectedHeaders.size)} unprotected`,
    otherwise: 'another algorithm, or a header that could mean anything',
    clause: 'NSM §3.1',
  });
}

async function signatureCheck({ cose, certificate }: NitroDocument): Promise<Check> {
  const { signature, toBeSigned } = cose;
  const { publicKey } = certificate;
  const key = { spki: publicKey.raw, curve: 'P-384', hash: 'SHA-384' } as const;
  const passed =
    signature.byteLength === SIGNATURE_BYTES &&
    ECDSA_P384_SHA384.fits(publicKey) &&
    (await checkEcdsa(key, signature, toBeSigned));
  return judge(passed, {
    id: 'platform-signature',
    expected: 'signed by the document’s certificate',
    found: passed ? 'signed' : 'not signed by it',
    otherwise: 'the Nitro hypervisor never made this document',
    clause: 'NSM §3.2.1, RFC 9052 §4.4',
  });
}

/** A root that the document brings along is never trusted; it is compared with ours. */
async function rootCheck(
  sent: Uint8Array | undefined,
  anchor: TrustAnchor | undefined,
): Promise<Check> {
  const passed =
    sent !== undefined && anchor !== undefined && (await isAnchorCertificate(anchor, sent));
  return judge(passed, {
    id: 'sent-root',
    expected: 'the trust anchor is the first certificate of the bundle',
    found: passed ? 'it is' : sent === undefined ? 'no bundle' : 'another certificate',
    otherwise: 'the bundle is in another order, or of somebody else',
    clause: 'NSM §3.2.3',
  });
}

function contentChecks(document: NitroDocument): Check[] {
  const { moduleId, digest, pcrs, timestampMs, certificate, unknown } = document;
  const short = [...pcrs].filter(([, value]) => value.byteLength !== PCR_BYTES);
  const { notBeforeMs, notAfterMs } = certificate;
  return [
    judge(unknown.length === 0, {
      id: 'payload-members',
      expected: 'none but those of the specification',
      found: unknown.length === 0 ? 'none' : printable(unknown.slice(0, 4).join(', ')),
      otherwise: 'a member that is not known here could change what the others mean',
      clause: 'NSM §3.2.2.1',
    }),
    judge(MODULE_ID.test(moduleId), {
      id: 'module-id',
      expected: 'an enclave: i-…-enc…',
      found: printable(moduleId.slice(0, 80)),
      otherwise: 'not a document of an enclave: the same PKI signs for instances',
      clause: 'NSM §2.2',
    }),
    judge(digest === 'SHA384', {
      id: 'digest',
      expected: 'SHA384',
      found: printable(digest.slice(0, 80)),
      otherwise: 'registers of another hash can’t be compared',
      clause: 'NSM §3.2.2.2',
    }),
    judge(short.length === 0, {
      id: 'register-lengths',
      expected: '48 bytes each, as SHA384 says',
      found:
        short.map(([n, value]) => `PCR${String(n)}: ${String(value.byteLength)}`).join(', ') ||
        'as expected',
      otherwise: 'registers of another length are of another hash',
      clause: 'NSM §3.2.2.2',
    }),
    judge(timestampMs >= notBeforeMs && timestampMs <= notAfterMs, {
      id: 'timestamp-in-certificate',
      expected: `from ${moment(notBeforeMs)} to ${moment(notAfterMs)}`,
      found: moment(timestampMs),
      otherwise: 'signed at a time for which the certificate was not meant',
      clause: 'NSM §2.2',
    }),
  ];
}

function appraiseAge(
  { facts }: PlatformEvidenceFindings<NitroFacts>,
  { age }: NitroPolicy,
  now: number,
): readonly Check[] {
  const { timestampMs } = facts;
  const seconds = `${String((now - timestampMs) / 1000)} s`;
  return [
    judge(timestampMs <= now + CLOCK_SKEW_MS, {
      id: 'timestamp',
      expected: `not after ${moment(now + CLOCK_SKEW_MS)}`,
      found: moment(timestampMs),
      otherwise: 'from the future: one of the two clocks is wrong',
    }),
    age.rule === 'skip'
      ? notChecked('document-age', seconds, age.because)
      : judge(now - timestampMs <= age.maxSeconds * 1000, {
          id: 'document-age',
          expected: `at most ${String(age.maxSeconds)} s`,
          found: seconds,
          otherwise: 'older than the policy allows: nobody knows what runs now',
        }),
  ];
}

function readNitroPolicy(reader: PolicyReader): NitroPolicy {
  const part = reader.object('age');
  const rule = part.word('rule', ['require', 'skip']);
  const age: NitroPolicy['age'] =
    rule === 'skip'
      ? readSkip(part)
      : { rule, maxSeconds: part.integer('maxSeconds', 1, MAX_AGE_SECONDS) };
  part.end();
  return { age };
}

function describeDocument(document: NitroDocument): readonly (readonly [string, string])[] {
  const { moduleId, digest, timestampMs, certificate, bundle } = document;
  const { debugFound, registers } = statementOf(document);
  const isZero = (value: Uint8Array): boolean => value.every((byte) => byte === 0);
  const zero = [...registers].filter(([, value]) => isZero(value)).map(([name]) => name);
  const chain = [certificate, ...[...bundle].reverse()];
  return [
    ['module id', printable(moduleId)],
    ['time', moment(timestampMs)],
    ['debug', debugFound],
    ['digest', printable(digest)],
    ...[...registers]
      .filter(([, value]) => !isZero(value))
      .map(([name, value]) => [`${name}${PCR_MEANING[name] ?? ''}`, toHex(value)] as const),
    ['zero', zero.join(', ') || 'none'],
    ...Object.entries(FIELDS).map(([field, name]) => {
      const value = document.fields.get(field);
      return [name.replace('_', ' '), value === undefined ? 'none' : toHex(value)] as const;
    }),
    ...chain.map(
      ({ subject, notBeforeMs, notAfterMs }, i) =>
        [
          `certificate ${String(i)}`,
          `${subject.text}, ${moment(notBeforeMs)} to ${moment(notAfterMs)}`,
        ] as const,
    ),
  ];
}

/** What the enclave's builder and AWS put in. */
const PCR_MEANING: Readonly<Record<string, string>> = {
  PCR0: ' (image)',
  PCR1: ' (kernel)',
  PCR2: ' (application)',
  PCR3: ' (IAM role)',
  PCR4: ' (instance)',
  PCR8: ' (signer of the image)',
};

/** Four bytes to the protected header: an array of four with `{1: -35}`, with or without tag 18. */
function looksLikeDocument(bytes: Uint8Array): boolean {
  if (bytes.byteLength > MAX_DOCUMENT_BYTES) return false;
  const at = bytes[0] === 0xd2 ? 1 : 0;
  const array = bytes[at];
  return (array === 0x84 || array === 0x9f) && bytes[at + 1] === 0x44 && bytes[at + 2] === 0xa1;
}

/** `nitro` */
export const nitroFormat: PlatformFormat<NitroDocument, NitroFacts, NitroPolicy> = {
  name: 'nitro',
  title: 'AWS Nitro Enclaves attestation document',
  registers: Object.fromEntries(
    Array.from({ length: 32 }, (_, number) => [
      `PCR${String(number)}`,
      { bytes: PCR_BYTES, required: number < MEASURED.length },
    ]),
  ),
  fields: Object.fromEntries(Object.keys(FIELDS).map((name) => [name, { fixedBytes: undefined }])),
  detect: looksLikeDocument,
  decode: decodeDocument,
  describe: describeDocument,
  collateralFor: () => [],
  verify: verifyDocument,
  readPolicy: readNitroPolicy,
  appraise: appraiseAge,
};
