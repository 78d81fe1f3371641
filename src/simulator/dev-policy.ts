/**
 * The policy of `dev`: one ring for every algorithm in every residency it can have, and rings and certificates with which
 * every denial can be seen on a laptop.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ALGORITHMS } from '../../enclave/wire/algorithm.ts';
import type { AlgorithmName, Residency } from '../../enclave/wire/algorithm.ts';
import { toHex } from '../../enclave/wire/bytes.ts';
import { MAX_POLICY_WINDOW_MS } from '../../enclave/wire/limits.ts';
import type { SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { CALLER_TRUST_DOMAIN, callerUri, type DevPki } from './dev-pki.ts';
import { ensureSshAdmin, type SshAdmin } from './ssh-admin.ts';

type PayloadKind = 'message' | 'digest';

/** The name in the client certificate of `dev`, and in its policy. */
export const DEV_CALLER = 'dev';

/** The other caller. */
export const GUEST_CALLER = 'guest';

/** A client certificate of the same CA for whom no policy has a name. */
export const STRANGER = 'stranger';

/** What a development policy is made of, besides its rings. */
export interface DevParties {
  readonly admin: { readonly name: string; readonly publicKey: string };
  /** CA of the callers' certificates, DER. */
  readonly authority: Uint8Array;
  /** Names of client certificates. */
  readonly callers: readonly string[];
  /** Names of the host's Unix sockets. */
  readonly sockets: readonly string[];
  readonly nowMs: number;
}

/** Of the caller that comes through the host's socket of this name. */
export const socketCaller = (socket: string): string => `socket-${socket.toLowerCase()}`;

function ring(
  name: string,
  algorithm: AlgorithmName,
  residency: Residency,
  kind: PayloadKind,
): SignedJsonObject {
  return {
    name,
    algorithm,
    residency,
    payload: { kind },
    // Plain gRPC clients must work on a laptop; the enclave takes the host's word for who calls.
    lowestRank: 'mtls',
    acceptHostAsserted: 'development on the simulated platform',
    callers: [DEV_CALLER],
  };
}

/** A ring of residency enclave that differs from the others in one way. */
function special(
  name: string,
  sockets: readonly string[],
  changed: SignedJsonObject,
): SignedJsonObject {
  const own = changed['lowestRank'] === 'peer' ? sockets.map(socketCaller) : [];
  const callers = [DEV_CALLER, ...own];
  return { ...ring(`${name}-enclave`, 'ES256', 'enclave', 'message'), callers, ...changed };
}

/** No host can speak for its callers: without a lowest rank, a session is needed. */
function endToEnd(name: string, changed: SignedJsonObject): SignedJsonObject {
  const hostAsserted = ['lowestRank', 'acceptHostAsserted'];
  const own = Object.entries(special(name, [], {})).filter(([key]) => !hostAsserted.includes(key));
  return { ...Object.fromEntries(own), ...changed };
}

/** Each is there for one rule of docs/spec/policy.md, "Decision". */
function specialRings(sockets: readonly string[]): SignedJsonObject[] {
  return [
    special('guest', sockets, { callers: [GUEST_CALLER] }),
    special('short', sockets, { payload: { kind: 'message', maxBytes: 16 } }),
    special('slow', sockets, { limits: { callerPerSecond: 1, ringPerSecond: 2 } }),
    special('socket', sockets, { lowestRank: 'peer' }),
    endToEnd('signed', { lowestRank: 'signed' }),
    endToEnd('session', {}),
  ];
}

function messageRings(): SignedJsonObject[] {
  return (Object.keys(ALGORITHMS) as AlgorithmName[]).flatMap((algorithm) =>
    ALGORITHMS[algorithm].residencies.map((residency) =>
      ring(`${algorithm.toLowerCase()}-${residency}`, algorithm, residency, 'message'),
    ),
  );
}

const DIGEST_RINGS = [
  ring('es256-digest-hsm', 'ES256', 'hsm', 'digest'),
  ring('es256-digest-enclave', 'ES256', 'enclave', 'digest'),
] as const;

/** The ring that signs the sample file. */
export const SAMPLE_RING = 'es256-hsm';

/** Version 1 of a policy; `changed` replaces members. */
export function devPolicy(parties: DevParties, changed: SignedJsonObject = {}): SignedJsonObject {
  const { admin, authority, callers, sockets, nowMs } = parties;
  return {
    v: 1,
    kind: 'policy',
    version: 1,
    notBefore: nowMs - MAX_POLICY_WINDOW_MS / 2,
    notAfter: nowMs + MAX_POLICY_WINDOW_MS / 2,
    admins: [{ name: admin.name, key: admin.publicKey }],
    threshold: 1,
    noSpareAdmin: true,
    roots: [
      {
        name: 'dev',
        kind: 'spiffe',
        trustDomain: CALLER_TRUST_DOMAIN,
        certificates: [toHex(authority)],
      },
    ],
    deniedKeys: [],
    callers: [
      ...callers.map((name) => ({ name, kind: 'spiffe', id: callerUri(name) })),
      ...sockets.map((socket) => ({ name: socketCaller(socket), kind: 'peer', socket })),
    ],
    rings: [...messageRings(), ...DIGEST_RINGS, ...specialRings(sockets)],
    ...changed,
  };
}

/** Whom the first policy of a state folder names: its callers, and an admin whose key lies in `adminFolder`. */
export function devParties(
  adminFolder: string,
  pki: DevPki,
  sockets: readonly string[],
): DevParties & { readonly admin: SshAdmin } {
  return {
    admin: ensureSshAdmin(adminFolder, 'dev'),
    authority: new X509Certificate(readFileSync(pki.ca)).raw,
    callers: Object.keys(pki.clients).filter((name) => name !== STRANGER),
    sockets,
    nowMs: Date.now(),
  };
}
