/** What changes between two policies, in the words of the people who approve it. */
import { equalBytes } from '../../../enclave/wire/bytes.ts';
import { printable } from '../../../enclave/wire/printable.ts';
import type { CallerRoot } from '../../../enclave/wire/policy/caller.ts';
import type { Policy } from '../../../enclave/wire/policy/document.ts';
import { scopeDifference, type PolicyRing } from '../../../enclave/wire/policy/ring.ts';
import { certificateFingerprint, sshFingerprint } from '../fingerprints.ts';
import { adminWords, ringWords, rootWords, validityWords } from './content.ts';

/** How a change should be looked at. */
export type Effect = 'widens' | 'narrows' | 'changes' | 'impossible';

export interface Change {
  readonly effect: Effect;
  readonly text: string;
}

export function policyDiff(from: Policy, to: Policy): readonly Change[] {
  return [
    ...adminChanges(from, to),
    ...validityChanges(from, to),
    ...rootChanges(from, to),
    ...callerChanges(from, to),
    ...ringChanges(from, to),
  ];
}

const change = (effect: Effect, text: string): Change => ({ effect, text });

/** Names on either side, sorted: those that came, those that went, those that stayed. */
function compared<T extends { readonly name: string }>(from: readonly T[], to: readonly T[]) {
  const before = new Map(from.map((item) => [item.name, item]));
  const after = new Map(to.map((item) => [item.name, item]));
  return {
    born: to.filter(({ name }) => !before.has(name)),
    gone: from.filter(({ name }) => !after.has(name)),
    kept: to.flatMap((now) => {
      const was = before.get(now.name);
      return was === undefined ? [] : [{ was, now }];
    }),
  };
}

function adminChanges(from: Policy, to: Policy): Change[] {
  const { born, gone, kept } = compared(from.admins, to.admins);
  const changes = [
    ...born.map((admin) =>
      change('widens', `admin ${adminWords(admin)} is new, and must approve this policy too`),
    ),
    ...gone.map((admin) => change('narrows', `admin ${adminWords(admin)} leaves`)),
    ...kept
      .filter(({ was, now }) => !equalBytes(was.key.blob, now.key.blob))
      .map(({ was, now }) =>
        change(
          'widens',
          `admin ${adminWords(now)} has another key, which must approve too, and had ${sshFingerprint(was.key)}`,
        ),
      ),
  ];
  if (from.threshold !== to.threshold) {
    const effect = to.threshold < from.threshold ? 'widens' : 'narrows';
    const text = `${String(to.threshold)} of ${String(to.admins.length)} admins decide, instead of ${String(from.threshold)} of ${String(from.admins.length)}`;
    changes.push(change(effect, text));
  }
  return changes;
}

function validityChanges(from: Policy, to: Policy): Change[] {
  const [before, after] = [from.validForSeconds, to.validForSeconds];
  if (before === after) return [];
  const effect = (after ?? Infinity) > (before ?? Infinity) ? 'widens' : 'narrows';
  return [
    change(effect, `signing goes on ${validityWords(after)}, instead of ${validityWords(before)}`),
  ];
}

function rootChanges(from: Policy, to: Policy): Change[] {
  const { born, gone, kept } = compared(from.roots, to.roots);
  const denied = compared(asNamed(from.deniedKeys), asNamed(to.deniedKeys));
  return [
    ...born.map((root) => change('widens', `root ${rootWords(root)} is new`)),
    ...gone.map(({ name }) =>
      change('narrows', `root ${name} leaves: no chain that ends in it is good any more`),
    ),
    ...kept.flatMap(({ was, now }) => keptRoot(was, now)),
    ...denied.born.map(({ name }) => change('narrows', `key ${name} is denied`)),
    ...denied.gone.map(({ name }) => change('widens', `key ${name} is not denied any more`)),
  ];
}

function keptRoot(was: CallerRoot, now: CallerRoot): Change[] {
  const { name } = now;
  const [before, after] = [was, now].map(
    ({ certificates }) => new Set(certificates.map(certificateFingerprint)),
  ) as [Set<string>, Set<string>];
  const changes: Change[] = [];
  if (was.kind !== now.kind || was.trustDomain !== now.trustDomain) {
    const domains = [was, now].map(({ kind, trustDomain }) => trustDomain ?? kind);
    changes.push(
      change(
        'widens',
        `root ${name} speaks for ${domains[1] ?? ''}, instead of ${domains[0] ?? ''}`,
      ),
    );
  }
  return [
    ...changes,
    ...without(after, before).map((digest) =>
      change('widens', `root ${name} has a new certificate, SHA-256 ${digest}`),
    ),
    ...without(before, after).map((digest) =>
      change('narrows', `root ${name} has lost a certificate, SHA-256 ${digest}`),
    ),
  ];
}

function asNamed(names: ReadonlySet<string>): readonly { readonly name: string }[] {
  return [...names].map((name) => ({ name }));
}

function callerChanges(from: Policy, to: Policy): Change[] {
  const { born, gone, kept } = compared(from.callers, to.callers);
  return [
    ...born.map(({ name, identity }) =>
      change('changes', `caller ${name} is new: ${printable(identity)}`),
    ),
    ...gone.map(({ name }) => change('narrows', `caller ${name} leaves`)),
    ...kept
      .filter(({ was, now }) => was.identity !== now.identity)
      .map(({ was, now }) =>
        change(
          'widens',
          `caller ${now.name} is now ${printable(now.identity)}, and was ${printable(was.identity)}`,
        ),
      ),
  ];
}

function ringChanges(from: Policy, to: Policy): Change[] {
  const { born, gone, kept } = compared(from.rings, to.rings);
  return [
    ...born.map((ring) => change('widens', `ring ${ring.name} is born: ${ringWords(ring)}`)),
    ...gone.map(({ name }) => change('narrows', `ring ${name} stops signing; its keys verify on`)),
    ...kept.flatMap(({ was, now }) => keptRing(was, now)),
  ];
}

function keptRing(was: PolicyRing, now: PolicyRing): Change[] {
  const { name } = now;
  const changes: Change[] = [];
  const member = scopeDifference(was, now);
  if (member !== undefined) {
    const text = `ring ${name}: ${member} was set at its birth (${String(was[member])}) and can't become ${String(now[member])}`;
    changes.push(change('impossible', text));
  }
  const [came, went] = [without(now.callers, was.callers), without(was.callers, now.callers)];
  if (came.length > 0)
    changes.push(change('widens', `ring ${name} signs for ${came.join(', ')} too`));
  if (went.length > 0)
    changes.push(change('narrows', `ring ${name} does not sign for ${went.join(', ')} any more`));
  if (was.acceptHostAsserted !== now.acceptHostAsserted) {
    changes.push(
      change(
        'changes',
        `ring ${name}: the reason for its rank is now "${now.acceptHostAsserted ?? ''}"`,
      ),
    );
  }
  for (const limit of ['callerPerSecond', 'ringPerSecond'] as const) {
    const [before = Infinity, after = Infinity] = [was.limits[limit], now.limits[limit]];
    if (before === after) continue;
    const effect = after > before ? 'widens' : 'narrows';
    changes.push(
      change(effect, `ring ${name}: ${limit} ${rate(after)}, instead of ${rate(before)}`),
    );
  }
  return changes;
}

function without(names: ReadonlySet<string>, others: ReadonlySet<string>): string[] {
  return [...names].filter((name) => !others.has(name)).sort();
}

function rate(perSecond: number): string {
  return perSecond === Infinity ? 'without limit' : String(perSecond);
}
