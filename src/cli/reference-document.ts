/** Appraisal policies as documents: what `reference-values` and `dev` write (docs/spec/appraisal-policy.md). */
import { encodePem } from '../pkix/pem.ts';
import type { Release } from './release-file.ts';
import {
  parseAppraisalPolicy,
  type RegisterName,
  type CertificateAnchor,
  type VerifiedEvidence,
} from '../verifier/index.ts';
import { hex } from './output.ts';

type Json = string | number | readonly Json[] | { readonly [name: string]: Json };
export type ReferenceDocument = Readonly<Record<string, Json>>;

const skip = (because: string): Json => ({ rule: 'skip', because });
const anyOf = (...values: Json[]): Json => ({ rule: 'require', anyOf: values });

function anchorsOf(anchor: CertificateAnchor | undefined): Json {
  if (anchor === undefined) return { rule: 'vendor-roots' };
  const { name, format, certificate } = anchor;
  return anyOf({ name, format, certificate: encodePem('CERTIFICATE', certificate) });
}

/** What every document has alike. */
interface Parts {
  readonly source: Json;
  readonly anchor: CertificateAnchor | undefined;
  readonly simulated: Json;
  readonly registers: Readonly<Record<RegisterName, Json>>;
  readonly svn: number;
  readonly cluster: Json;
  readonly hostAssertedRings: Json;
  readonly hardening: Json;
  readonly channelAndAnchor: readonly [Json, Json];
}

function document(parts: Parts): ReferenceDocument {
  const made: ReferenceDocument = {
    v: 1,
    kind: 'appraisal-policy',
    source: parts.source,
    trustAnchors: anchorsOf(parts.anchor),
    simulated: parts.simulated,
    registers: parts.registers,
    svn: { rule: 'require', atLeast: parts.svn },
    debug: { rule: 'deny' },
    cluster: parts.cluster,
    policyDigest: skip('policies change by their own approvals; pin a digest here to follow them'),
    tokenChannel: parts.channelAndAnchor[0],
    anchor: parts.channelAndAnchor[1],
    provisioning: anyOf('init-token'),
    hostAssertedRings: parts.hostAssertedRings,
    hardening: parts.hardening,
    time: { mode: 'now' },
  };
  // What we write must be what we read.
  parseAppraisalPolicy(made);
  return made;
}

/** What is running now, under one root: it says only whether something changes later. */
export function firstUseDocument(
  evidence: VerifiedEvidence,
  anchor: CertificateAnchor,
  because: string,
): ReferenceDocument {
  const { attested, claims, simulated } = evidence;
  const register = (name: RegisterName): Json =>
    anyOf({ name: 'seen running', value: hex(attested.registers[name]) });
  const serving = claims.kind === 'evidence' ? claims : undefined;
  const rings = serving?.hostAssertedRings ?? [];
  const none = `none when this was written: ${because}`;
  const early = skip('there was no cluster yet');
  const notNone = (found: string | undefined): Json =>
    found === undefined ? early : found === 'none' ? skip(none) : { rule: 'refuse-none' };
  return document({
    source: { rule: 'trust-on-first-use', because },
    anchor,
    simulated: simulated ? { rule: 'accept-simulated', because } : { rule: 'refuse' },
    registers: { MR0: register('MR0'), MR1: register('MR1'), MR2: register('MR2') },
    svn: attested.svn,
    cluster: serving === undefined ? early : { rule: 'require', clusterId: hex(serving.clusterId) },
    hostAssertedRings:
      serving === undefined ? early : rings.length === 0 ? { rule: 'refuse' } : anyOf(...rings),
    hardening:
      claims.hardening.length === 0
        ? skip(none)
        : { rule: 'require', allOf: [...claims.hardening] },
    channelAndAnchor: [notNone(serving?.token.channel), notNone(serving?.anchor)],
  });
}

/** Hex, or who began it: lines of SSH keys, and how many of them. */
export type PinnedCluster =
  | { readonly clusterId: string }
  | { readonly adminKeys: readonly string[]; readonly threshold: number };

/** Values that the release can't know. */
export interface Known {
  readonly anchor: CertificateAnchor | undefined;
  /** Why a simulated platform is enough. */
  readonly acceptSimulated: string | undefined;
  readonly cluster: PinnedCluster | undefined;
  /** Hex. */
  readonly MR1: string | undefined;
  readonly MR2: string | undefined;
}

export function releaseDocument(release: Release, known: Known): ReferenceDocument {
  const { name, svn, MR0 } = release;
  const { acceptSimulated, anchor, cluster } = known;
  const value = (text: string): Json => anyOf({ name, value: text });
  const told = (option: 'MR1' | 'MR2', what: string): Json => {
    const text = known[option];
    return text === undefined
      ? skip(`${what} is not part of a release: write what "npm run -s measure" prints`)
      : value(text);
  };
  const isSimulated = acceptSimulated !== undefined;
  return document({
    source: { rule: 'release', name },
    anchor,
    simulated: isSimulated
      ? { rule: 'accept-simulated', because: acceptSimulated }
      : { rule: 'refuse' },
    registers: {
      MR0: value(isSimulated ? MR0.simulated : MR0.production),
      MR1: told('MR1', 'the runtime of a machine'),
      MR2: told('MR2', 'a launch manifest'),
    },
    svn,
    cluster:
      cluster === undefined
        ? skip('no cluster was named: write the clusterId that its admins told you, or their keys')
        : { rule: 'require', ...cluster },
    hostAssertedRings: { rule: 'refuse' },
    hardening: skip(
      'what shields the process is not part of a release: require the words you want',
    ),
    channelAndAnchor: isSimulated
      ? [skip(acceptSimulated), skip(acceptSimulated)]
      : [{ rule: 'refuse-none' }, { rule: 'refuse-none' }],
  });
}
