/** How refusals are written, and what many of them have alike. */
import { makeSnp, type CaseChanges, type Product } from './cases.ts';

export interface Refusal {
  readonly what: string;
  /** Default Milan. */
  readonly product?: Product;
  readonly changes: CaseChanges;
  /** Ids of all checks that must fail. */
  readonly failed: readonly string[];
}

export const fields = (
  report: NonNullable<CaseChanges['snp']>['report'],
): Pick<CaseChanges, 'snp'> => ({
  snp: report === undefined ? {} : { report },
});

/** Without a layout no TCB can be read. */
export const NO_TCB = [
  ...['minimum-tcb', 'minimum-launch-tcb'],
  ...['tcb-reported-committed', 'tcb-committed-current', 'tcb-launch-current'],
];

/** What nobody can say of a certificate that is not AMD's. */
export const KEY_UNREADABLE = [
  ...['endorsement-key', 'signing-key', 'product', 'product-root', 'reported-tcb', 'chip-id'],
];

/** What the path rules say of a chain that ends nowhere. */
export const NO_CHAIN = [
  ...['chain-length', 'trust-anchor', 'chain-signatures', 'chain-names', 'chain-algorithms'],
  ...['chain-authority', 'chain-path-length', 'chain-key-usage', 'chain-extensions'],
  ...['chain-key-ids', 'trust-anchor-accepted', 'product-root'],
];

/** Neither the key nor anything that follows from it. */
export const NO_KEY = [
  ...['endorsement-certificate', 'platform-signature', 'crl-age', 'chain-validity'],
  ...KEY_UNREADABLE.filter((id) => id !== 'product-root'),
  ...NO_CHAIN,
];
export const milan = makeSnp('Milan');
export const [vcek, ask] = milan.endorsements;
export const stranger = makeSnp('Milan', { pki: 'stranger' });
export const garbage = Uint8Array.from({ length: 700 }, (_, i) => (i * 37) & 0xff);
export const pem = (...certificates: readonly Uint8Array[]): Uint8Array =>
  Buffer.from(
    certificates
      .map((der) => Buffer.from(der).toString('base64'))
      .map((text) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`)
      .join(''),
  );
