/** A figure counts only when what was measured is right: signatures and receipts of a sample are verified. */
import { createPublicKey, verify } from 'node:crypto';
import { fromHex } from '../../enclave/wire/bytes.ts';
import type { SealwrightClient } from '../../src/client/client.ts';
import {
  SignBatchRequest,
  SignBatchResponse,
  SignRequest,
  SignResponse,
} from '../../src/gen/sealwright/v1/signing.ts';
import { receiptsOf } from '../../src/tlog/batch-receipt.ts';
import type { KnownLog } from '../../src/tlog/verify-checkpoint.ts';
import type { Receipt } from '../../src/tlog/receipt-file.ts';
import { verifyReceipt } from '../../src/tlog/verify-receipt.ts';
import { claimsOf } from './claims.ts';
import type { Sample } from './load-process.ts';

/** What the samples of a stack are verified with. */
export interface Known {
  /** DER SubjectPublicKeyInfo by ring. */
  readonly publicKeys: ReadonlyMap<string, Uint8Array>;
  readonly log: KnownLog;
}

export async function learn(client: SealwrightClient, rings: readonly string[]): Promise<Known> {
  const keys = await Promise.all(rings.map((ring) => client.getKey(ring)));
  const claims = await claimsOf(client);
  return {
    publicKeys: new Map(keys.map(({ ring, publicKey }) => [ring, publicKey])),
    log: { origin: claims.member('logOrigin'), publicKey: fromHex(claims.member('logKey')) },
  };
}

/** One signature as it was asked for and answered. */
interface Signed {
  readonly toBeSigned: Uint8Array;
  readonly answer: SignResponse;
  readonly receipt: Receipt;
}

/** What a sample has signed: of Sign one, of SignBatch several. */
export type Signatures = (sample: Sample) => Promise<readonly Signed[]>;

export const ofSign: Signatures = ({ message, answer }) => {
  const decoded = SignResponse.decode(answer);
  const { receipt } = decoded;
  if (receipt === undefined) throw new Error('an answer without a receipt');
  const { leaf, index, proof, checkpoint, salt } = receipt;
  const whole = { leaf, index: Number(index), proof, checkpoint, salt };
  const toBeSigned = messageOf(SignRequest.decode(message));
  return Promise.resolve([{ toBeSigned, answer: decoded, receipt: whole }]);
};

export const ofSignBatch: Signatures = async ({ message, answer }) => {
  const { items } = SignBatchRequest.decode(message);
  const { results, receipt } = SignBatchResponse.decode(answer);
  if (results.length !== items.length || receipt === undefined) throw new Error('not the batch');
  const leaves = results.map(({ leaf }) => {
    if (leaf === undefined) throw new Error('a signature without a leaf');
    return { ...leaf, index: Number(leaf.index) };
  });
  const receipts = await receiptsOf({ leaves, ...receipt });
  return items.map((item, i) => {
    const [outcome, own] = [results[i]?.outcome, receipts[i]];
    if (outcome?.$case !== 'signed' || own === undefined) throw new Error('an item was refused');
    return { toBeSigned: messageOf(item), answer: outcome.value, receipt: own };
  });
};

function messageOf({ payload }: SignRequest): Uint8Array {
  if (payload?.$case !== 'message') throw new TypeError('no message');
  return payload.value.message;
}

/** Rejects unless signature and receipt verify. */
async function requireSigned(signed: Signed, { publicKeys, log }: Known): Promise<void> {
  const { toBeSigned, answer, receipt } = signed;
  const der = Buffer.from(publicKeys.get(answer.ring) ?? []);
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
  if (!verify('sha256', toBeSigned, key, answer.signature)) throw new Error('a signature is false');
  const { checks } = await verifyReceipt(receipt, log, { toBeSigned, kid: undefined });
  const bad = checks.filter(({ verdict }) => verdict === 'contraindicated');
  if (bad.length > 0) throw new Error(`a receipt is false: ${bad.map(({ id }) => id).join()}`);
}

/** Rejects unless every signature of the samples, at least one, verifies with its receipt. */
export async function requireRight(
  samples: readonly Sample[],
  signatures: Signatures,
  known: Known,
): Promise<void> {
  if (samples.length === 0) throw new Error('no sample to verify');
  for (const sample of samples) {
    for (const signed of await signatures(sample)) await requireSigned(signed, known);
  }
}
