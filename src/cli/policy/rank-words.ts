/** Ranks in words: by what the enclave knows a caller (docs/spec/policy.md, "Callers"). */
import { RANKS, type Rank } from '../../../enclave/wire/policy/ring.ts';

const KNOWN_BY: Readonly<Record<Rank, string>> = {
  session: 'an attested session',
  signed: 'a signature over the call',
  mtls: 'a certificate, by the word of the host',
  peer: 'a Unix socket, by the word of the host',
};

/** The rank with what it means; alone when this version does not know it. */
export function rankWords(word: string): string {
  const rank = RANKS.find((one) => one === word);
  return rank === undefined ? word : `${rank} (${KNOWN_BY[rank]})`;
}
