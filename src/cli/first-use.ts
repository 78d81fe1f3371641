/** Reference values read off a running service, for `reference-values --trust-on-first-use` and for `dev`. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SealwrightClient } from '../client/client.ts';
import { replaceFile } from '../simulator/private-file.ts';
import { statePaths } from '../supervisor/state-folder.ts';
import {
  MalformedEvidence,
  appraise,
  decodeBundle,
  decodePemCertificate,
  parseAppraisalPolicy,
  simulatedFormat,
  trustAnchor,
  verifyEvidence,
  type CertificateAnchor,
} from '../verifier/index.ts';
import { CliError, usageError } from './cli-error.ts';
import { NONCE_BYTES } from './evidence-options.ts';
import { EXIT } from './exit-status.ts';
import { firstUseDocument, type ReferenceDocument } from './reference-document.ts';

/** The root of a platform, PEM. Throws CliError (64). */
export function readAnchor(path: string): CertificateAnchor {
  try {
    const certificate = decodePemCertificate(readFileSync(path, 'utf8'));
    return trustAnchor(path, simulatedFormat.name, certificate);
  } catch (error) {
    throw usageError(
      `${path}: ${(error as Error).message}`,
      'the root certificate of the platform, PEM',
      'for a state folder it is DIR/platform/root.pem',
    );
  }
}

export function stateAnchor(state: string): CertificateAnchor {
  return readAnchor(join(statePaths(state).platform, 'root.pem'));
}

/**
 * Asks for evidence and writes down what it says, when it is genuine under `anchor`.
 * Throws CliError (70) when it is not.
 */
export async function firstUse(
  client: SealwrightClient,
  anchor: CertificateAnchor,
  because: string,
): Promise<ReferenceDocument> {
  const nonce = Uint8Array.from(randomBytes(NONCE_BYTES));
  const bytes = await client.getEvidence(nonce);
  try {
    const evidence = await verifyEvidence(decodeBundle(bytes), { trustAnchors: [anchor] });
    const document = firstUseDocument(evidence, anchor, because);
    const { kind } = evidence.claims;
    const input = { now: Date.now(), nonce, kind };
    const result = appraise(evidence, parseAppraisalPolicy(document), input);
    const failed = result.checks.filter(({ verdict }) => verdict === 'contraindicated');
    if (failed.length === 0) return document;
    throw refused(failed.map(({ id, reason }) => `${id}: ${reason}`).join('; '));
  } catch (error) {
    if (!(error instanceof MalformedEvidence)) throw error;
    throw refused(error.message);
  }
}

function refused(problem: string): CliError {
  return new CliError({
    status: EXIT.refused,
    problem: `the evidence of the running service is not genuine: ${problem}`,
    expected: 'evidence under the given root',
    wayOut: 'do not use this service; see what it answers with "npx sealwright evidence"',
  });
}

const DEV_REASON =
  'development: written by "sealwright dev" from what it started, again at each start';

/** Writes `DIR/reference.json`: good for trying verification, worth nothing against whoever runs `dev`. */
export async function writeDevReference(client: SealwrightClient, state: string): Promise<string> {
  const document = await firstUse(client, stateAnchor(state), DEV_REASON);
  const { reference } = statePaths(state);
  replaceFile(reference, `${JSON.stringify(document, undefined, 2)}\n`, 0o644);
  return reference;
}
