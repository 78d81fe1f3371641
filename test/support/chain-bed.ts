/** Chains of openssl under two roots of a policy: `mesh` for SPIFFE, `corp` for subjects. */
import { toHex } from '../../enclave/wire/bytes.ts';
import { CallerRoots } from '../../enclave/wire/policy/chain.ts';
import type { SignedJson, SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import {
  CA_EXTENSIONS,
  leafExtensions,
  OpensslAuthority,
  type CertificateOrder,
  type MadeCertificate,
} from './openssl-chain.ts';
import { parsedPolicy, policySource, testAdmin } from './policies.ts';

const ADMINS = [testAdmin('alice'), testAdmin('bob')];
export const ID = 'spiffe://example.org/ci';
export const SVID = leafExtensions(`URI:${ID}`);
export const DAY_MS = 86_400_000;
/** While the certificates that are made here are good. */
export const NOW = Date.now() + DAY_MS;

/** The root `mesh` of a policy with another certificate. */
export function meshRoot({ der }: MadeCertificate): SignedJson {
  const trustDomain = 'example.org';
  return { name: 'mesh', kind: 'spiffe', trustDomain, certificates: [toHex(der)] };
}

export class ChainBed {
  readonly openssl = new OpensslAuthority();
  readonly root = this.openssl.make({ subject: '/O=mesh/CN=root', extensions: CA_EXTENSIONS });
  readonly corp = this.openssl.make({ subject: '/O=corp/CN=root', extensions: CA_EXTENSIONS });

  /** The roots of a policy with both; `change` replaces members. */
  roots(change: SignedJsonObject = {}): CallerRoots {
    const corp = { name: 'corp', kind: 'x509', certificates: [toHex(this.corp.der)] };
    const roots = [meshRoot(this.root), corp];
    return new CallerRoots(parsedPolicy(policySource(ADMINS, { roots, ...change })));
  }

  /** Who the chain is, or why it is nobody. */
  identify(chain: readonly MadeCertificate[], change: SignedJsonObject = {}): string {
    const found = this.roots(change).identify(
      chain.map(({ der }) => der),
      NOW,
    );
    return 'problem' in found ? found.problem : found.identity;
  }

  /** A leaf under `mesh`, or what else is ordered. */
  make(order: Partial<CertificateOrder>): MadeCertificate {
    return this.openssl.make({ issuer: this.root, extensions: SVID, ...order });
  }

  authority(order: Partial<CertificateOrder> = {}): MadeCertificate {
    return this.make({ extensions: CA_EXTENSIONS, ...order });
  }
}
