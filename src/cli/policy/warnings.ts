/** What a policy allows although it may not be meant: every warning of `policy check`, in words. */
import type { Policy } from '../../../enclave/wire/policy/document.ts';
import { isHostAsserted, type PolicyRing } from '../../../enclave/wire/policy/ring.ts';

export interface PolicyWarning {
  /** JSON pointer. */
  readonly place: string;
  readonly warning: string;
}

export function policyWarnings(policy: Policy): readonly PolicyWarning[] {
  return [
    ...adminWarnings(policy),
    ...policy.rings.flatMap((ring, i) => ringWarnings(ring, `/rings/${String(i)}`)),
    ...unusedCallers(policy),
    ...unusedRoots(policy),
  ];
}

function adminWarnings(policy: Policy): PolicyWarning[] {
  const found: PolicyWarning[] = [];
  if (policy.threshold === 1) {
    found.push({ place: '/threshold', warning: 'one admin alone decides what is signed' });
  }
  if (policy.admins.length === policy.threshold) {
    const warning = 'one lost key, and no policy can ever be applied again';
    found.push({ place: '/admins', warning });
  }
  if (policy.validForSeconds === undefined) {
    const warning = 'without it a host that keeps back a later policy goes on with this one';
    found.push({ place: '/validForSeconds', warning });
  }
  return found;
}

function ringWarnings(ring: PolicyRing, place: string): PolicyWarning[] {
  const found: PolicyWarning[] = [];
  const tell = (warning: string): void => {
    found.push({ place, warning: `ring ${ring.name}: ${warning}` });
  };
  if (isHostAsserted(ring.lowestRank)) {
    tell(
      `a signing oracle for the host: whoever is the host has any ${ring.payloadKind} signed, whatever callers say`,
    );
  }
  if (ring.callers.size === 0) tell('nobody may sign with it');
  return found;
}

function unusedCallers(policy: Policy): PolicyWarning[] {
  const used = new Set(policy.rings.flatMap(({ callers }) => [...callers]));
  return policy.callers.flatMap(({ name }, i) =>
    used.has(name)
      ? []
      : [{ place: `/callers/${String(i)}`, warning: `caller ${name}: no ring names it` }],
  );
}

function unusedRoots(policy: Policy): PolicyWarning[] {
  return policy.roots.flatMap(({ name, kind, trustDomain }, i) => {
    const prefix = kind === 'spiffe' ? `spiffe://${trustDomain ?? ''}/` : `x509:${name}:`;
    const used = policy.callers.some(({ identity }) => identity.startsWith(prefix));
    return used
      ? []
      : [{ place: `/roots/${String(i)}`, warning: `root ${name}: no caller ends in it` }];
  });
}
