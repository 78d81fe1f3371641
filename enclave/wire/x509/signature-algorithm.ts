/** AlgorithmIdentifiers of signatures (RFC 5280 §4.1.1.2), each as one text that others are compared with. */
import { explicitTag, TAG, type DerReader } from './der.ts';

const RSASSA_PSS = '1.2.840.113549.1.1.10';
const MGF1 = '1.2.840.113549.1.1.8';
const HASHES: Readonly<Record<string, string>> = {
  '2.16.840.1.101.3.4.2.1': 'SHA-256',
  '2.16.840.1.101.3.4.2.2': 'SHA-384',
  '2.16.840.1.101.3.4.2.3': 'SHA-512',
};

/**
 * The inside of an AlgorithmIdentifier (RFC 5280 §4.1.1.2) as one text that profiles are compared by: the object
 * identifier, ` with NULL`, or the parameters of RSASSA-PSS. Unknown parameters give a text that no profile has.
 * Throws DerError.
 */
export function readSignatureAlgorithm(algorithm: DerReader): string {
  const identifier = algorithm.objectIdentifier();
  if (!algorithm.more) return identifier;
  if (identifier === RSASSA_PSS) {
    const text = readPssParameters(algorithm.sequence());
    algorithm.end();
    return text;
  }
  const parameters = algorithm.element();
  algorithm.end();
  const isNull = parameters.tag === TAG.null && parameters.content.byteLength === 0;
  return `${identifier} with ${isNull ? 'NULL' : 'parameters'}`;
}

/** RFC 4055 §3.1. The defaults mean SHA-1, which nobody here accepts: all but the trailer must be written. */
function readPssParameters(fields: DerReader): string {
  const hash = readHash(fields.enter(explicitTag(0)).sequence());
  const mask = fields.enter(explicitTag(1)).sequence();
  if (mask.objectIdentifier() !== MGF1) mask.fail('mask generation other than MGF1');
  const maskHash = readHash(mask.sequence());
  const salt = fields.enter(explicitTag(2)).smallInteger(255);
  // DER leaves a default out; AMD's older authorities write it.
  if (fields.more && fields.enter(explicitTag(3)).smallInteger(255) !== 1) fields.fail('trailer');
  fields.end();
  const suffix = maskHash === hash ? '' : `, MGF1 ${maskHash}`;
  return `rsassaPss ${hash}, salt ${String(salt)}${suffix}`;
}

function readHash(algorithm: DerReader): string {
  const identifier = algorithm.objectIdentifier();
  // RFC 4055 §2.1: NULL and absent mean the same.
  if (algorithm.more) algorithm.null();
  algorithm.end();
  return HASHES[identifier] ?? identifier;
}
