/**
 * The policy document: who may approve, who calls, which rings exist and what they sign (docs/spec/policy.md).
 * Parsed by hand and strictly; what could never work is refused here, with its place.
 */
import { equalBytes } from '../bytes.ts';
import type { ObjectReader } from '../closed-schema.ts';
import {
  MAX_ADMINS,
  MAX_CALLERS,
  MAX_CALLER_ROOTS,
  MAX_DENIED_KEYS,
  MAX_POLICY_WINDOW_MS,
  MAX_RINGS,
  MAX_VALID_FOR_SECONDS,
  MIN_VALID_FOR_SECONDS,
} from '../limits.ts';
import { parseSshKeyLine, type SshPublicKey } from '../ssh-key.ts';
import { SshError } from '../ssh-reader.ts';
import { parseCaller, parseRoot, type CallerRoot, type PolicyCaller } from './caller.ts';
import { CALLER_NAME, parseRing, rankNumber, type PolicyRing } from './ring.ts';

/** Who may approve. */
export interface PolicyAdmin {
  readonly name: string;
  readonly key: SshPublicKey;
}

export interface Policy {
  readonly version: number;
  /** Absent in version 1, whose genesis statement names the cluster. */
  readonly clusterId: Uint8Array | undefined;
  /** Digest of the policy that this one replaces; absent in version 1. */
  readonly replaces: Uint8Array | undefined;
  /** When it may be applied, ms since the Unix epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Nothing is signed later than this after it was applied. */
  readonly validForSeconds: number | undefined;
  readonly admins: readonly PolicyAdmin[];
  /** M. */
  readonly threshold: number;
  readonly roots: readonly CallerRoot[];
  /** SHA-256 of SubjectPublicKeyInfos, hex. */
  readonly deniedKeys: ReadonlySet<string>;
  readonly callers: readonly PolicyCaller[];
  readonly rings: readonly PolicyRing[];
}

/** Throws SignedJsonError with the place of the first problem, or collects them where the reader does. */
export function parsePolicy(reader: ObjectReader): Policy {
  reader.integer('v', 1, 1);
  reader.oneOf('kind', ['policy']);
  const version = reader.integer('version', 1);
  const chained = version > 1;
  for (const member of ['clusterId', 'replaces']) {
    if (!chained && reader.has(member)) reader.problem(member, 'not in version 1');
  }
  const clusterId = chained ? reader.hex('clusterId', 32) : undefined;
  const replaces = chained ? reader.hex('replaces', 32) : undefined;
  const time = parseTime(reader);
  const { admins, threshold } = parseAdmins(reader);
  const roots = reader.objects('roots', MAX_CALLER_ROOTS).map(parseRoot);
  noneTwice(reader, 'roots', 'name', roots, ({ name }) => name);
  noneTwice(reader, 'roots', 'trustDomain', roots, ({ trustDomain }) => trustDomain);
  const deniedKeys = reader.strings('deniedKeys', /^[0-9a-f]{64}$/, MAX_DENIED_KEYS);
  if (new Set(deniedKeys).size < deniedKeys.length) {
    reader.problem('deniedKeys', 'one stands twice');
  }
  const callers = reader.objects('callers', MAX_CALLERS).map((one) => parseCaller(one, roots));
  noneTwice(reader, 'callers', 'name', callers, ({ name }) => name);
  noneTwice(reader, 'callers', 'kind', callers, ({ identity }) => identity);
  const rings = reader.objects('rings', MAX_RINGS).map((one) => parseRing(one, MAX_CALLERS));
  noneTwice(reader, 'rings', 'name', rings, ({ name }) => name);
  checkRingCallers(reader, rings, callers);
  reader.end();
  return {
    version,
    clusterId,
    replaces,
    ...time,
    admins,
    threshold,
    roots,
    deniedKeys: new Set(deniedKeys),
    callers,
    rings,
  };
}

function parseTime(
  reader: ObjectReader,
): Pick<Policy, 'notBefore' | 'notAfter' | 'validForSeconds'> {
  const notBefore = reader.integer('notBefore', 0);
  const notAfter = reader.integer('notAfter', 0);
  if (notAfter <= notBefore) reader.problem('notAfter', 'not after notBefore');
  if (notAfter - notBefore > MAX_POLICY_WINDOW_MS) {
    reader.problem('notAfter', 'more than 90 days after notBefore');
  }
  const validForSeconds = reader.has('validForSeconds')
    ? reader.integer('validForSeconds', MIN_VALID_FOR_SECONDS, MAX_VALID_FOR_SECONDS)
    : undefined;
  return { notBefore, notAfter, validForSeconds };
}

function parseAdmins(reader: ObjectReader): Pick<Policy, 'admins' | 'threshold'> {
  const admins = reader.objects('admins', MAX_ADMINS).flatMap(parseAdmin);
  const threshold = reader.integer('threshold', 1, MAX_ADMINS);
  const noSpare = reader.has('noSpareAdmin') && reader.boolean('noSpareAdmin');
  if (reader.has('noSpareAdmin') && !noSpare) {
    reader.problem('noSpareAdmin', 'true, or left away');
  }
  const spare = admins.length - threshold;
  if (spare < 0) reader.problem('threshold', `more than the ${String(admins.length)} admins`);
  else if (noSpare !== (spare === 0)) {
    reader.problem('noSpareAdmin', 'required when every admin must approve, and only then');
  }
  noneTwice(reader, 'admins', 'name', admins, ({ name }) => name);
  const twice = admins.findIndex(({ key }, i) =>
    admins.slice(0, i).some((other) => equalBytes(other.key.blob, key.blob)),
  );
  if (twice >= 0) reader.problem(`admins/${String(twice)}/key`, 'stands twice');
  return { admins, threshold };
}

function parseAdmin(reader: ObjectReader): PolicyAdmin[] {
  const name = reader.string('name', CALLER_NAME);
  const line = reader.string('key', /^[\x20-\x7e]{1,1024}$/);
  reader.end();
  try {
    return [{ name, key: parseSshKeyLine(line) }];
  } catch (error) {
    if (!(error instanceof SshError)) throw error;
    reader.problem('key', `not an SSH key that an admin may have (${error.problem})`);
    return [];
  }
}

/** `member` is where the second one is shown. */
function noneTwice<T>(
  reader: ObjectReader,
  list: string,
  member: string,
  items: readonly T[],
  keyOf: (item: T) => string | undefined,
): void {
  const seen = new Set<string>();
  for (const [i, item] of items.entries()) {
    const key = keyOf(item);
    if (key === undefined) continue;
    if (seen.has(key)) reader.problem(`${list}/${String(i)}/${member}`, `${key} stands twice`);
    seen.add(key);
  }
}

/** A caller that a ring names exists, and can reach the ring's rank. */
function checkRingCallers(
  reader: ObjectReader,
  rings: readonly PolicyRing[],
  callers: readonly PolicyCaller[],
): void {
  const kinds = new Map(callers.map(({ name, kind }) => [name, kind]));
  for (const [i, ring] of rings.entries()) {
    const place = `rings/${String(i)}/callers`;
    for (const name of ring.callers) {
      const kind = kinds.get(name);
      if (kind === undefined) reader.problem(place, `${name} is not a caller of this policy`);
      else if (kind === 'peer' && rankNumber(ring.lowestRank) < rankNumber('peer')) {
        reader.problem(place, `${name} reaches rings of rank peer only`);
      }
    }
  }
}
