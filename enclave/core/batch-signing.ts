/**
 * SignBatch: every item as Sign decides it, then all leaves in one append, so that one checkpoint and one multi-proof
 * serve for all (docs/spec/log.md "Receipt of a batch"). What concerns one item refuses that item; what concerns the
 * batch (its form, its deadline, the log) refuses the call.
 */
import type { CommittedTogether } from '../log/log.ts';
import type { FirstUse } from '../log/request-ids.ts';
import { cutItems } from '../wire/batch-items.ts';
import { encodeMessage } from '../wire/encode-message.ts';
import { Refusal } from '../wire/error-code.ts';
import {
  SignBatchResponse,
  SignRequest,
  SignResponse,
  type BatchReceipt,
  type SignBatchResult,
} from '../wire/gen/sealwright/v1/signing.ts';
import {
  MAX_BATCH_ITEMS,
  MAX_BATCH_SIGNATURES_AT_ONCE,
  MAX_DETAIL_LENGTH,
} from '../wire/limits.ts';
import { METHODS } from '../wire/methods.ts';
import { SALT_BYTES } from '../wire/tlog.ts';
import type { Caller } from './callers.ts';
import { inParallel } from './cluster.ts';
import type { Pace } from './pace.ts';
import { decoded } from './requests.ts';
import {
  allow,
  firstUseOf,
  leafOf,
  responseOf,
  signatureOf,
  type Allowed,
  type Signing,
} from './sign-request.ts';

/** An item that is signed now. */
interface Fresh {
  readonly allowed: Allowed;
  readonly firstUse: FirstUse | undefined;
  readonly salt: Uint8Array;
  /** undefined while it has not had its turn. */
  signature: Uint8Array | Refusal | undefined;
  /** Only when the leaf is durable. */
  result: SignBatchResult | undefined;
}

/** What became of an item before anything was signed; bytes are the answer that it got before. */
type Judged = Fresh | Uint8Array | Refusal;

/** The items of a SignBatchRequest. Throws Refusal. */
export function readBatch(body: Uint8Array): readonly Uint8Array[] {
  const items = decoded(cutItems, body);
  if (items.length >= 1 && items.length <= MAX_BATCH_ITEMS) return items;
  throw new Refusal('REQUEST_MALFORMED', {
    field: 'items',
    expected: `1 to ${String(MAX_BATCH_ITEMS)} items`,
    actual: String(items.length),
  });
}

/** Resolves with an encoded SignBatchResponse, rejects with Refusal. `identify` is asked for each item. */
export async function signBatch(
  signing: Signing,
  items: readonly Uint8Array[],
  identify: () => Caller,
  pace: Pace,
  stillWanted: () => boolean,
): Promise<Uint8Array> {
  const requests: (readonly [SignRequest, Uint8Array])[] = [];
  await pace.each(items, (bytes) => {
    requests.push([decoded((input) => SignRequest.decode(input), bytes), bytes]);
  });
  const judged: Judged[] = [];
  try {
    await pace.each(requests, ([request, bytes]) => {
      judged.push(judge(signing, request, bytes, identify));
    });
    if (!stillWanted()) throw new Refusal('DEADLINE_EXCEEDED');
    const fresh = judged.filter(isFresh);
    const receipt =
      fresh.length === 0 ? undefined : await release(signing, fresh, pace, stillWanted);
    return encodeMessage(SignBatchResponse, { results: judged.map(resultOf), receipt });
  } finally {
    // What has no signature has no outcome to repeat.
    for (const { firstUse, result } of judged.filter(isFresh)) {
      if (result?.outcome?.$case !== 'signed') firstUse?.fail();
    }
  }
}

function isFresh(judged: Judged): judged is Fresh {
  return !(judged instanceof Uint8Array || judged instanceof Refusal);
}

function judge(
  signing: Signing,
  request: SignRequest,
  bytes: Uint8Array,
  identify: () => Caller,
): Judged {
  try {
    const allowed = allow(signing, request, identify());
    const firstUse = firstUseOf(signing, allowed, bytes);
    if (firstUse instanceof Uint8Array) return firstUse;
    const salt = signing.ports.entropy.bytes(SALT_BYTES);
    return { allowed, firstUse, salt, signature: undefined, result: undefined };
  } catch (error) {
    return refusalIn(error);
  }
}

/** One append for all leaves; the keys sign while it is on its way. Fills in the results. */
async function release(
  signing: Signing,
  fresh: readonly Fresh[],
  pace: Pace,
  stillWanted: () => boolean,
): Promise<BatchReceipt | undefined> {
  const leaves = fresh.map(({ allowed, salt }) => leafOf(allowed, salt));
  const committing = signing.cluster.log.appendTogether(leaves);
  let goOn = true;
  committing.catch(() => {
    goOn = false;
  });
  await inParallel(fresh, MAX_BATCH_SIGNATURES_AT_ONCE, async (item) => {
    item.signature = await pace.run(() => {
      // Nobody waits any more: what is left are intents without outcome, which count as issued.
      goOn &&= stillWanted();
      return goOn ? signatureOf(item.allowed).catch(refusalIn) : undefined;
    });
  });
  const committed = await committing;
  const proved: number[] = [];
  await pace.each(fresh, (item, position) => {
    item.result = finish(signing, item, committed, position);
    if (item.result.leaf !== undefined) proved.push(position);
  });
  // Those that were signed are kept for a retry, which will find them.
  if (fresh.some(({ signature }) => signature === undefined)) {
    throw new Refusal('DEADLINE_EXCEEDED');
  }
  if (proved.length === 0) return undefined;
  return { checkpoint: committed.checkpoint, proof: [...committed.multiProof(proved)] };
}

function finish(
  signing: Signing,
  { allowed, firstUse, salt, signature }: Fresh,
  { leaves, firstIndex, checkpoint, proof }: CommittedTogether,
  position: number,
): SignBatchResult {
  if (!(signature instanceof Uint8Array)) {
    return refused(signature ?? new Refusal('DEADLINE_EXCEEDED'));
  }
  const bytes = leaves[position] ?? NO_BYTES;
  const leaf = allowed.request.declineReceipt
    ? undefined
    : { leaf: bytes, index: BigInt(firstIndex + position), salt };
  if (firstUse !== undefined) {
    // A retry may come alone, so what is kept has a proof of its own.
    const own = leaf && { ...leaf, proof: [...proof(position)], checkpoint };
    const kept = responseOf(signing, allowed, signature, own);
    firstUse.finish(encodeMessage(SignResponse, kept));
  }
  const value = responseOf(signing, allowed, signature, undefined);
  return { outcome: { $case: 'signed', value }, leaf };
}

const NO_BYTES = new Uint8Array(0);

function resultOf(judged: Judged): SignBatchResult {
  if (judged instanceof Refusal) return refused(judged);
  if (judged instanceof Uint8Array) {
    return { outcome: { $case: 'signed', value: SignResponse.decode(judged) }, leaf: undefined };
  }
  return judged.result ?? refused(new Refusal('INTERNAL'));
}

const DOMAIN = METHODS.signBatch.slice(1, METHODS.signBatch.lastIndexOf('/'));

/** As the host would tell it of a call. */
function refused({ reason, details }: Refusal): SignBatchResult {
  const metadata = Object.fromEntries(
    Object.entries(details).map(([key, value]) => [key, value.slice(0, MAX_DETAIL_LENGTH)]),
  );
  return {
    outcome: { $case: 'refused', value: { reason, domain: DOMAIN, metadata } },
    leaf: undefined,
  };
}

/** Anything but a refusal fails the whole call: it is a bug. */
function refusalIn(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  throw error;
}
