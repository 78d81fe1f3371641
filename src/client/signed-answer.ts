/**
 * Whether the answer to a Sign call is about this request: ring, version, key, algorithm, digest and enclave that
 * were meant, and a receipt whose leaf is about exactly this signature.
 */
import { toHex } from '../../enclave/wire/bytes.ts';
import { algorithmFromWire, algorithmRow, isAlgorithmName } from '../../enclave/wire/algorithm.ts';
import { Residency } from '../gen/sealwright/v1/keys.ts';
import type { Receipt as WireReceipt } from '../gen/sealwright/v1/log.ts';
import { SignatureEncoding } from '../gen/sealwright/v1/signing.ts';
import type { SignRequest, SignResponse } from '../gen/sealwright/v1/signing.ts';
import { printable } from '../../enclave/wire/printable.ts';
import { MalformedReceipt, type Receipt } from '../tlog/receipt-file.ts';
import { verifyReceipt, type ReceiptResult } from '../tlog/verify-receipt.ts';
import type { Check, KeyStatement } from '../verifier/index.ts';
import type { Attestation } from './attested.ts';
import { formCheck, judge } from './not-believed.ts';

export interface SignedRequest {
  readonly request: SignRequest;
  /** What the key signs: the message, or the digest that the caller sent. */
  readonly toBeSigned: Uint8Array;
  /** The hash that the ring's algorithm makes or takes; undefined for EdDSA and ML-DSA. */
  readonly digest: Uint8Array | undefined;
  /** The attested key that was asked to sign, and the evidence that vouches for it. */
  readonly key: KeyStatement;
  readonly attestation: Attestation;
}

export interface SignedAnswer {
  readonly checks: readonly Check[];
  /** Absent when the answer has none that can be read. */
  readonly receipt: Receipt | undefined;
}

/**
 * All checks but the signature itself, for which the caller has the message: `signatureHolds` is what came of it.
 * Never throws for what a service sent.
 */
export async function checkSignedAnswer(
  answer: SignResponse,
  asked: SignedRequest,
  signatureHolds: boolean,
): Promise<SignedAnswer> {
  const { receipt, checks } = await receiptChecks(answer, asked);
  return { checks: [...answerChecks(answer, asked, signatureHolds), ...checks], receipt };
}

function answerChecks(
  answer: SignResponse,
  { request, digest, key, attestation }: SignedRequest,
  signatureHolds: boolean,
): Check[] {
  const same = (id: string, expected: string, found: string): Check =>
    judge(
      expected === found,
      { id, expected: shown(expected), found: shown(found) },
      'the answer is not about this request',
    );
  const { registers } = attestation.evidence.attested;
  return [
    same('sign-ring', key.ring, answer.ring),
    same('sign-version', String(key.version), String(answer.version)),
    same('sign-kid', key.kid, answer.kid),
    same('sign-algorithm', key.alg, algorithmFromWire(answer.algorithm) ?? 'none'),
    same('sign-encoding', String(encodingOf(request, key)), String(answer.encoding)),
    same('sign-residency', key.residency, residencyOf(answer.residency)),
    same('sign-digest', toHex(digest ?? new Uint8Array(0)), toHex(answer.digest)),
    same('sign-measurement', toHex(registers.MR0), toHex(answer.measurement)),
    judge(
      signatureHolds,
      {
        id: 'sign-signature',
        expected: `a signature by ${key.kid}`,
        found: signatureHolds ? 'one' : 'bytes that do not verify under it',
      },
      'the attested key did not sign this',
    ),
  ];
}

/** An empty text shows nothing at all. */
function shown(text: string): string {
  return text === '' ? 'nothing' : printable(text);
}

function encodingOf({ encoding }: SignRequest, { alg }: KeyStatement): SignatureEncoding {
  const isEcdsa = isAlgorithmName(alg) && algorithmRow(alg).family === 'ecdsa';
  if (!isEcdsa) return SignatureEncoding.SIGNATURE_ENCODING_RAW;
  return encoding === SignatureEncoding.SIGNATURE_ENCODING_UNSPECIFIED
    ? SignatureEncoding.SIGNATURE_ENCODING_ASN1_DER
    : encoding;
}

function residencyOf(residency: Residency): string {
  if (residency === Residency.RESIDENCY_HSM) return 'hsm';
  return residency === Residency.RESIDENCY_ENCLAVE ? 'enclave' : String(residency);
}

/** A receipt as the log's readers know it. Nothing of it is verified. */
export function receiptFrom({ leaf, index, proof, checkpoint, salt }: WireReceipt): Receipt {
  // An index beyond 2^53 is imprecise here, and no proof leads to it.
  return {
    leaf,
    index: Number(index),
    proof,
    checkpoint,
    salt: salt.byteLength === 0 ? undefined : salt,
  };
}

const RECEIPT = 'a receipt (docs/spec/log.md)';

async function receiptChecks(
  answer: SignResponse,
  { request, toBeSigned, key, attestation }: SignedRequest,
): Promise<SignedAnswer> {
  const receipt = answer.receipt && receiptFrom(answer.receipt);
  if (receipt === undefined) {
    const none = { place: '', problem: 'no receipt' };
    return { receipt, checks: [formCheck('receipt-form', RECEIPT, none)] };
  }
  try {
    const signature = { toBeSigned, kid: key.kid };
    const result = await verifyReceipt(receipt, attestation.log, signature);
    return { receipt, checks: [...result.checks, ...leafChecks(result, key, request)] };
  } catch (error) {
    if (!(error instanceof MalformedReceipt)) throw error;
    return { receipt: undefined, checks: [formCheck('receipt-form', RECEIPT, error)] };
  }
}

/** Two leaves may be about one message and one key; the request id tells ours. */
function leafChecks(
  { leaf }: ReceiptResult,
  { ring, version, alg }: KeyStatement,
  { requestId }: SignRequest,
): Check[] {
  if (leaf.kind !== 'signature') return [];
  const same = (id: string, expected: string, found: string): Check =>
    judge(expected === found, { id, expected, found }, 'the leaf is about another signature');
  return [
    same('receipt-ring', `${ring}/${String(version)}`, `${leaf.ring}/${String(leaf.version)}`),
    same('receipt-alg', alg, leaf.alg),
    same('receipt-request-id', toHex(requestId), leaf.requestId ?? 'none'),
  ];
}
