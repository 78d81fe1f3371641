/**
 * Signs many files with one ring, a batch at a time. The answer to a batch is believed only when every check of every
 * signature and receipt in it holds; an item that was refused is told with its reason.
 */
import {
  MAX_BATCH_ITEMS,
  MAX_BATCH_REQUEST_BYTES,
  MAX_DEADLINE_MS,
} from '../../enclave/wire/limits.ts';
import type { AttestedClient, AttestedKey } from '../client/attested.ts';
import type { SealwrightClient } from '../client/client.ts';
import { requireAll } from '../client/not-believed.ts';
import type { PreparedRequest } from '../client/prepared.ts';
import { checkSignedBatch, type CheckedItem } from '../client/signed-batch.ts';
import type { SignerError } from '../client/signer-error.ts';
import { SignRequest, type SignResponse } from '../gen/sealwright/v1/signing.ts';
import type { Receipt } from '../tlog/receipt-file.ts';
import { prepareFile, requireSameVersion, type FileToSign } from './sign-file.ts';

export interface SignedPath {
  readonly kind: 'signed';
  readonly path: string;
  readonly answer: SignResponse;
  readonly receipt: Receipt;
}

export interface RefusedPath {
  readonly kind: 'refused';
  readonly path: string;
  readonly error: SignerError;
}

/** What became of one file. */
export type FileOutcome = SignedPath | RefusedPath;

/** Field number and length before each item. */
const ITEM_OVERHEAD_BYTES = 8;

/** Asks `service` for all of them, in order; yields batch by batch. Throws CliError, SignerError and NotBelieved. */
export async function* signFiles(
  attested: AttestedClient,
  service: SealwrightClient,
  { key, attestation }: AttestedKey,
  files: readonly FileToSign[],
): AsyncGenerator<readonly FileOutcome[]> {
  let batch: Item[] = [];
  let bytes = 0;
  for (const file of files) {
    const prepared = await prepareFile(attested, file, key);
    const size = SignRequest.encode(prepared.request).finish().byteLength + ITEM_OVERHEAD_BYTES;
    if (batch.length === MAX_BATCH_ITEMS || bytes + size > MAX_BATCH_REQUEST_BYTES) {
      yield await signBatch(attested, service, { key, attestation }, batch);
      [batch, bytes] = [[], 0];
    }
    batch.push({ path: file.path, prepared });
    bytes += size;
  }
  yield await signBatch(attested, service, { key, attestation }, batch);
}

interface Item {
  readonly path: string;
  readonly prepared: PreparedRequest;
}

async function signBatch(
  attested: AttestedClient,
  service: SealwrightClient,
  { key, attestation }: AttestedKey,
  batch: readonly Item[],
): Promise<readonly FileOutcome[]> {
  const requests = batch.map(({ prepared }) => prepared.request);
  const response = await service.signBatch(requests, { timeoutMs: MAX_DEADLINE_MS });
  for (const { outcome } of response.results) {
    if (outcome?.$case === 'signed') await requireSameVersion(attested, key, outcome.value);
  }
  const asked = batch.map(({ prepared: { holds, ...request } }) => ({
    ...request,
    key,
    attestation,
    signatureHolds: holds,
  }));
  const { checks, items } = await checkSignedBatch(response, asked);
  requireAll([...checks, ...items.flatMap((item) => (item.kind === 'signed' ? item.checks : []))]);
  return items.map((item, i) => outcomeOf(batch[i]?.path ?? '', item));
}

function outcomeOf(path: string, item: CheckedItem): FileOutcome {
  if (item.kind === 'refused') return { path, ...item };
  const { answer, receipt } = item;
  if (receipt === undefined) throw new Error('an answer without a receipt passed its checks');
  return { path, kind: 'signed', answer, receipt };
}
