/** A whole policy in words, for an admin who has nothing to compare it with. */
import { printable } from '../../../enclave/wire/printable.ts';
import type { CallerRoot } from '../../../enclave/wire/policy/caller.ts';
import type { Policy, PolicyAdmin } from '../../../enclave/wire/policy/document.ts';
import type { PolicyRing } from '../../../enclave/wire/policy/ring.ts';
import { certificateFingerprint, sshFingerprint } from '../fingerprints.ts';
import { rankWords } from './rank-words.ts';

/** Lines: who decides, who is believed, who calls, what is signed for whom, and when it may be applied. */
export function policyContent(policy: Policy): readonly string[] {
  const { admins, threshold, validForSeconds, roots, deniedKeys, callers, rings } = policy;
  const [from, until] = [policy.notBefore, policy.notAfter].map(timeWords) as [string, string];
  return [
    `${String(threshold)} of ${String(admins.length)} admins decide`,
    ...admins.map((admin) => `admin ${adminWords(admin)}`),
    `to be applied from ${from} until ${until}`,
    `signing goes on ${validityWords(validForSeconds)}`,
    ...roots.map((root) => `root ${rootWords(root)}`),
    ...[...deniedKeys].map((key) => `denied key ${key}`),
    ...callers.map(({ name, identity }) => `caller ${name}: ${printable(identity)}`),
    ...rings.map((ring) => `ring ${ring.name}: ${ringWords(ring)}`),
  ];
}

export function adminWords({ name, key }: PolicyAdmin): string {
  return `${name} (${key.type} ${sshFingerprint(key)})`;
}

/** `ms` since the Unix epoch; a document may name times that have no date (ECMA-262 §21.4.1.1). */
export function timeWords(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${String(ms)} ms` : date.toISOString();
}

/** `undefined` seconds are without end. */
export function validityWords(seconds: number | undefined): string {
  return seconds === undefined ? 'without end' : `for ${String(seconds)} s after it is applied`;
}

export function rootWords({ name, kind, trustDomain, certificates }: CallerRoot): string {
  const domain = trustDomain === undefined ? kind : `${kind} ${trustDomain}`;
  const fingerprints = certificates.map(certificateFingerprint).join(', ');
  return `${name} (${domain}; SHA-256 of its certificates ${fingerprints})`;
}

export function ringWords(ring: PolicyRing): string {
  const { algorithm, residency, payloadKind, maxBytes, lowestRank, limits, callers } = ring;
  const payload =
    payloadKind === 'digest' ? payloadKind : `${payloadKind} of at most ${String(maxBytes)} bytes`;
  const scope = `${algorithm}, residency ${residency}, payload ${payload}, lowest rank ${rankWords(lowestRank)}`;
  const because =
    ring.acceptHostAsserted === undefined
      ? []
      : [`because "${printable(ring.acceptHostAsserted)}"`];
  const rates = [
    ...rate(limits.callerPerSecond, 'a second for each caller'),
    ...rate(limits.ringPerSecond, 'a second for all'),
  ];
  const who = callers.size === 0 ? 'nobody' : [...callers].sort().join(', ');
  return [scope, ...because, ...rates, `for ${who}`].join(', ');
}

const rate = (limit: number | undefined, words: string): readonly string[] =>
  limit === undefined ? [] : [`${String(limit)} ${words}`];
