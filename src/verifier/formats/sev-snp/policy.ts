/** The member `sev-snp` of a platform policy (docs/platforms/sev-snp.md). */
import type { Skip } from '../../appraisal-policy.ts';
import type { PolicyReader } from '../../policy-reader.ts';
import type { EndorsementKeyKind } from './endorsement-key.ts';
import { PLATFORM_FLAGS, type PlatformFlag, type PolicyFlag } from './guest-policy.ts';
import { SNP_PRODUCTS, type SnpProduct } from './product.ts';
import { componentsOf, type TcbVersion } from './tcb.ts';

/** Lowest levels, product by product; a product that is not in here is refused. */
export type TcbRule =
  | { readonly rule: 'require'; readonly least: Readonly<Partial<Record<SnpProduct, TcbVersion>>> }
  | Skip;

/** Of what a guest policy permits the host: refused, or accepted although it weakens the guest. */
export type PermissionRule =
  { readonly rule: 'refuse' } | { readonly rule: 'accept'; readonly because: string };

/** Of what a guest policy demands of the host. */
export type DemandRule = { readonly rule: 'require' } | Skip;

export const PERMISSIONS = [
  'smtAllowed',
  'migrationAgentAllowed',
  'cxlAllowed',
] as const satisfies readonly PolicyFlag[];
export const DEMANDS = [
  'singleSocketRequired',
  'aes256XtsRequired',
  'raplDisableRequired',
  'ciphertextHidingRequired',
  'pageSwapDisabled',
] as const satisfies readonly PolicyFlag[];

export interface SnpPolicy {
  readonly reportedTcb: TcbRule;
  readonly launchTcb: TcbRule;
  readonly provisionalFirmware: PermissionRule;
  /** Exactly this level: software of a lower number is in charge of the guest, of a higher one is not it. */
  readonly vmpl: number;
  readonly signingKeys: readonly EndorsementKeyKind[];
  readonly guestSvn: { readonly rule: 'require'; readonly atLeast: number } | Skip;
  readonly abi:
    | {
        readonly rule: 'require';
        readonly atLeast: { readonly major: number; readonly minor: number };
      }
    | Skip;
  readonly permissions: Readonly<Record<(typeof PERMISSIONS)[number], PermissionRule>>;
  readonly demands: Readonly<Record<(typeof DEMANDS)[number], DemandRule>>;
  readonly platformInfo:
    { readonly rule: 'require'; readonly allOf: readonly PlatformFlag[] } | Skip;
  /** Bits that both mitigation vectors must have, as a 64-bit number. */
  readonly mitigations: { readonly rule: 'require'; readonly allOf: bigint } | Skip;
  /** `maxAgeDays` counts from the list's thisUpdate, whatever its nextUpdate says. */
  readonly revocation: { readonly rule: 'require'; readonly maxAgeDays: number } | Skip;
}

const MAX_LEVEL = 255;
const MAX_VMPL = 3;
const MAX_SVN = 0xffff_ffff;
const MAX_AGE_DAYS = 3650;
const KINDS: Readonly<Record<string, EndorsementKeyKind>> = { vcek: 'VCEK', vlek: 'VLEK' };

/** Every member is required; problems are collected in the reader. */
export function readSnpPolicy(reader: PolicyReader): SnpPolicy {
  const vmpl = reader.object('vmpl');
  const keys = reader.object('signingKeys');
  const guest = reader.object('guestPolicy');
  const policy: SnpPolicy = {
    reportedTcb: readTcbRule(reader.object('reportedTcb')),
    launchTcb: readTcbRule(reader.object('launchTcb')),
    provisionalFirmware: readPermission(reader.object('provisionalFirmware')),
    vmpl: vmpl.integer('level', 0, MAX_VMPL),
    signingKeys: keys
      .texts('anyOf', /^v[cl]ek$/, 'vcek or vlek')
      .flatMap((word) => KINDS[word] ?? []),
    guestSvn: orSkip(reader.object('guestSvn'), (rule, one) => ({
      rule,
      atLeast: one.integer('atLeast', 0, MAX_SVN),
    })),
    abi: orSkip(guest.object('abi'), (rule, one) => ({
      rule,
      atLeast: {
        major: one.integer('major', 0, MAX_LEVEL),
        minor: one.integer('minor', 0, MAX_LEVEL),
      },
    })),
    permissions: mapNames(PERMISSIONS, (name) => readPermission(guest.object(name))),
    demands: mapNames(DEMANDS, (name) => orSkip(guest.object(name), (rule) => ({ rule }))),
    platformInfo: orSkip(reader.object('platformInfo'), (rule, one) => ({
      rule,
      allOf: one
        .texts('allOf', /^[a-z-]+$/, 'a word like alias-check-complete')
        .map((word) => platformFlag(word, one)),
    })),
    mitigations: orSkip(reader.object('mitigations'), (rule, one) => ({
      rule,
      allOf: BigInt(`0x0${one.text('allOf', /^[0-9a-f]{16}$/, '16 lower-case hex digits')}`),
    })),
    revocation: orSkip(reader.object('revocation'), (rule, one) => ({
      rule,
      maxAgeDays: one.integer('maxAgeDays', 1, MAX_AGE_DAYS),
    })),
  };
  vmpl.word('rule', ['require']);
  keys.word('rule', ['require']);
  for (const part of [vmpl, keys, guest]) part.end();
  return policy;
}

function platformFlag(word: string, reader: PolicyReader): PlatformFlag {
  const flag = PLATFORM_FLAGS.find((name) => name === word);
  if (flag === undefined) reader.problem('allOf', `must be of ${PLATFORM_FLAGS.join(', ')}`);
  return flag ?? PLATFORM_FLAGS[0];
}

function mapNames<const N extends string, T>(
  names: readonly N[],
  read: (name: N) => T,
): Readonly<Record<N, T>> {
  return Object.fromEntries(names.map((name) => [name, read(name)])) as Record<N, T>;
}

function orSkip<T>(
  reader: PolicyReader,
  read: (rule: 'require', reader: PolicyReader) => T,
): T | Skip {
  const rule = reader.word('rule', ['require', 'skip']);
  const result = rule === 'skip' ? { rule, because: reader.text('because') } : read(rule, reader);
  reader.end();
  return result;
}

function readPermission(reader: PolicyReader): PermissionRule {
  const rule = reader.word('rule', ['refuse', 'accept']);
  const permission = rule === 'refuse' ? { rule } : { rule, because: reader.text('because') };
  reader.end();
  return permission;
}

function readTcbRule(reader: PolicyReader): TcbRule {
  return orSkip(reader, (rule, one) => {
    const named = SNP_PRODUCTS.filter((product) => one.has(product));
    if (named.length === 0) one.problem('', `must name one of ${SNP_PRODUCTS.join(', ')}`);
    const least = Object.fromEntries(
      named.map((product) => [product, readLevels(one.object(product), product)]),
    );
    return { rule, least };
  });
}

/** All components that the product has, and no other. */
function readLevels(reader: PolicyReader, product: SnpProduct): TcbVersion {
  const levels = Object.fromEntries(
    componentsOf(product).map((name) => [name, reader.integer(name, 0, MAX_LEVEL)]),
  );
  reader.end();
  return levels;
}
