/** Verifies receipts offline and says what they prove (docs/spec/log.md "Receipt"). */
import { equalBytes, toHex } from '../../enclave/wire/bytes.ts';
import { SALT_BYTES, toBeSignedHashInput } from '../../enclave/wire/tlog.ts';
import { judge, notChecked, worstVerdict, type CheckVerdict, type LogCheck } from './check.ts';
import { parseLeaf, type LogLeaf } from './leaf.ts';
import { leafHash, rootFromInclusion } from './merkle.ts';
import { MalformedReceipt, decodingAt, type Receipt } from './receipt-file.ts';
import { sayWhatIsProved } from './receipt-words.ts';
import { checkCheckpoint, readCheckpoint, type KnownLog } from './verify-checkpoint.ts';
import { webSha256 } from './web-crypto.ts';

/** The signature that the receipt came with, as its holder knows it. */
export interface KnownSignature {
  /** What the key signed: the message, or the digest that the caller sent. */
  readonly toBeSigned: Uint8Array;
  /** RFC 7638 thumbprint of the key that the signature was verified with; undefined when it was not. */
  readonly kid: string | undefined;
}

export interface ReceiptResult {
  /** At most `warning` for a log of the simulated platform. */
  readonly verdict: CheckVerdict;
  readonly checks: readonly LogCheck[];
  readonly leaf: LogLeaf;
  readonly index: number;
  /** Size of the tree that the leaf is shown to be in. */
  readonly treeSize: number;
  /** What this proves and what it does not, one sentence each. */
  readonly says: readonly string[];
}

/**
 * Checks the checkpoint's origin and signature, the inclusion of the leaf, and, when a signature is given, that the
 * leaf is about it. All results are checks, also the failed ones.
 *
 * It does NOT verify the signature itself, nor where the log key comes from: evidence vouches for that.
 * @throws MalformedReceipt when leaf or checkpoint can't be decoded
 */
export async function verifyReceipt(
  receipt: Receipt,
  log: KnownLog,
  signature?: KnownSignature,
): Promise<ReceiptResult> {
  const { index, proof, salt } = receipt;
  const leaf = decodingAt('/leaf', () => parseLeaf(receipt.leaf));
  if (salt !== undefined && salt.byteLength !== SALT_BYTES) {
    throw new MalformedReceipt('/salt', 'not 32 bytes');
  }
  const head = decodingAt('/checkpoint', () => readCheckpoint(receipt.checkpoint));
  const { size, rootHash } = head.checkpoint;
  const root = await rootFromInclusion({
    leafHash: await leafHash(receipt.leaf),
    index,
    size,
    proof,
  });
  const inclusion = judge(
    root !== undefined && equalBytes(root, rootHash),
    {
      id: 'receipt-inclusion',
      expected: `leaf ${String(index)} of ${String(size)} under root ${toHex(rootHash)}`,
      found: root === undefined ? 'a proof for no such tree' : `root ${toHex(root)}`,
    },
    'the leaf, its number or its proof is not of this tree',
  );
  const checks = [
    ...(await checkCheckpoint(head, log)),
    platformCheck(log.origin),
    inclusion,
    ...(await signatureChecks(leaf, salt, signature)),
  ];
  const verdict = worstVerdict(checks);
  const says = sayWhatIsProved({ verdict, checks, leaf, index, treeSize: size, log });
  return { verdict, checks, leaf, index, treeSize: size, says };
}

/** docs/spec/log.md: the origin of a simulated cluster's log says so, and it is part of what is signed. */
function platformCheck(origin: string): LogCheck {
  const simulated = origin.startsWith('simulated/');
  return {
    id: 'receipt-platform',
    expected: 'a log of a hardware platform',
    found: simulated ? 'a log of the simulated platform' : 'not a simulated one',
    verdict: simulated ? 'warning' : 'affirming',
    reason: simulated
      ? 'root of the machine that ran the enclave could have had the log key'
      : 'as expected',
  };
}

async function signatureChecks(
  leaf: LogLeaf,
  salt: Uint8Array | undefined,
  signature: KnownSignature | undefined,
): Promise<LogCheck[]> {
  const id = 'receipt-to-be-signed';
  if (signature === undefined) {
    return [notChecked(id, leaf.kind, 'no signature was given to compare the leaf with')];
  }
  const question = { id: 'receipt-kind', expected: 'a signature leaf', found: leaf.kind };
  const otherwise = 'the leaf is not about a signature';
  if (leaf.kind !== 'signature') return [judge(false, question, otherwise)];
  const kid =
    signature.kid === undefined
      ? notChecked('receipt-kid', leaf.kid, 'no key was given to compare the leaf with')
      : judge(
          leaf.kid === signature.kid,
          { id: 'receipt-kid', expected: signature.kid, found: leaf.kid },
          'the leaf is about a signature of another key',
        );
  const found = toHex(leaf.toBeSignedHash);
  if (salt === undefined) {
    const missing = { id, expected: 'a receipt with its salt', found };
    return [kid, judge(false, missing, 'without the salt nobody can tell what was signed')];
  }
  const expected = toHex(await webSha256(toBeSignedHashInput(salt, signature.toBeSigned)));
  return [
    kid,
    judge(expected === found, { id, expected, found }, 'the leaf is about another message'),
  ];
}
