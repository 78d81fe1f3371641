/**
 * Whether the answer to SignBatch is about this batch. Each result is made into what Sign would have answered, with a
 * receipt of its own (docs/spec/log.md "Receipt of a batch"), and then held against its item as that is.
 */
import type {
  BatchLeaf,
  SignBatchResponse,
  SignBatchResult,
  SignResponse,
} from '../gen/sealwright/v1/signing.ts';
import { receiptsOf } from '../tlog/batch-receipt.ts';
import { MalformedReceipt, type Receipt } from '../tlog/receipt-file.ts';
import type { Check } from '../verifier/index.ts';
import { formCheck, judge } from './not-believed.ts';
import {
  checkSignedAnswer,
  receiptFrom,
  type SignedAnswer,
  type SignedRequest,
} from './signed-answer.ts';
import { itemRefusal, type SignerError } from './signer-error.ts';

/** One item, and how its signature is verified. */
export interface BatchedRequest extends SignedRequest {
  readonly signatureHolds: (signature: Uint8Array) => boolean;
}

/** What the service says of one item, in the form of a single call. Nothing of it is verified. */
export type ItemAnswer =
  | { readonly kind: 'signed'; readonly answer: SignResponse }
  | { readonly kind: 'refused'; readonly error: SignerError };

/**
 * The same, checked. That an item was refused proves nothing: it is the enclave's word inside of a session, and the host's
 * outside.
 */
export type CheckedItem =
  | ({ readonly kind: 'signed'; readonly answer: SignResponse } & SignedAnswer)
  | { readonly kind: 'refused'; readonly error: SignerError };

export interface SignedBatch {
  /** Of the answer as a whole. When one failed there are no items. */
  readonly checks: readonly Check[];
  /** In the order of what was asked. */
  readonly items: readonly CheckedItem[];
}

/** Never throws for what a service sent. */
export async function checkSignedBatch(
  response: SignBatchResponse,
  asked: readonly BatchedRequest[],
): Promise<SignedBatch> {
  const results = judge(
    response.results.length === asked.length,
    {
      id: 'batch-results',
      expected: `${String(asked.length)} results`,
      found: `${String(response.results.length)} results`,
    },
    'an item has no result, or a result has no item',
  );
  if (results.verdict !== 'affirming') return { checks: [results], items: [] };
  let answers: readonly ItemAnswer[];
  try {
    answers = await itemAnswers(response);
  } catch (error) {
    if (!(error instanceof MalformedReceipt)) throw error;
    const expected = 'results and a receipt for all of them (docs/spec/log.md)';
    return { checks: [formCheck('batch-form', expected, error)], items: [] };
  }
  const items = await Promise.all(
    asked.map(async (request, i): Promise<CheckedItem> => {
      const item = answers[i];
      if (item?.kind !== 'signed') return item ?? missing(i);
      const { answer } = item;
      const holds = request.signatureHolds(answer.signature);
      return { ...item, ...(await checkSignedAnswer(answer, request, holds)) };
    }),
  );
  return { checks: [results], items };
}

/**
 * Every item as its own call would have been answered: the receipts are complete. Verifies nothing.
 * @throws MalformedReceipt for a result that is none, or a shared receipt that is not of the results' leaves
 */
export async function itemAnswers(response: SignBatchResponse): Promise<readonly ItemAnswer[]> {
  const receipts = (await sharedReceipts(response)).values();
  return response.results.map((result, i) => {
    const { outcome } = result;
    if (outcome === undefined) return missing(i);
    if (outcome.$case === 'refused') return { kind: 'refused', error: itemRefusal(outcome.value) };
    const leaf = sharedLeaf(result);
    if (leaf === undefined) return { kind: 'signed', answer: outcome.value };
    const { proof = [], checkpoint = '' } = receipts.next().value ?? {};
    const receipt = { ...leaf, proof: [...proof], checkpoint };
    return { kind: 'signed', answer: { ...outcome.value, receipt } };
  });
}

/** The leaf that the shared receipt is about. */
function sharedLeaf({ outcome, leaf }: SignBatchResult): BatchLeaf | undefined {
  return outcome?.$case === 'signed' ? leaf : undefined;
}

/** For each result with a leaf, in order. */
async function sharedReceipts({
  results,
  receipt,
}: SignBatchResponse): Promise<readonly Receipt[]> {
  const leaves = results.flatMap((result) => sharedLeaf(result) ?? []);
  if (leaves.length === 0) return [];
  if (receipt === undefined) throw new MalformedReceipt('/receipt', 'missing');
  const { checkpoint } = receipt;
  const complete = leaves.map((leaf) => receiptFrom({ ...leaf, proof: [], checkpoint }));
  return receiptsOf({ leaves: complete, proof: receipt.proof, checkpoint });
}

function missing(result: number): never {
  throw new MalformedReceipt(`/results/${String(result)}`, 'neither signed nor refused');
}
