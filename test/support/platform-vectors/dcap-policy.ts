// What the rows of sgx.ts and tdx.ts have alike.
import { readVector } from '../platform-vectors.ts';

export type Fields = Readonly<Record<string, unknown>>;
export type Member = Readonly<Record<string, unknown>>;

export const SKIP = { rule: 'skip', because: 'the vectors are about something else' };
export const REFUSE = { rule: 'refuse' };

export interface PolicyChanges {
  readonly platform?: Member;
  /** Of the policy around it. */
  readonly around?: Member;
  readonly measurements?: Readonly<Record<string, string>>;
  readonly reportData?: unknown;
}

export const UP_TO_DATE: Member = {
  tcbStatus: { rule: 'require', anyOf: ['UpToDate'] },
  advisories: REFUSE,
  evaluationNumber: SKIP,
  collateralAge: SKIP,
  trailingBytes: REFUSE,
};

export const accept = (...statuses: string[]): Member => ({
  tcbStatus: { rule: 'require', anyOf: statuses },
});

export const except = (notAfter: string, ...ids: string[]): Member => ({
  advisories: {
    rule: 'except',
    anyOf: ids.map((id) => ({ id, notAfter, because: 'weighed for this table' })),
  },
});

export const LATER = '2027-01-01T00:00:00Z';

export const ZEROS: Member = {
  trailingBytes: { rule: 'accept-zeros', because: 'the driver hands out a buffer of fixed size' },
};

/** Under the root that lies beside Intel's samples; it is nobody's, so the result is simulated. */
export function sampleRoot(format: 'sgx' | 'tdx'): Member {
  let certificate: string;
  try {
    certificate = Buffer.from(readVector(`${format}/intel-sample.trustedRootCaCert.pem`)).toString(
      'latin1',
    );
  } catch {
    return {};
  }
  return {
    trustAnchors: {
      rule: 'require',
      anyOf: [{ name: 'Intel’s test root', format, certificate }],
    },
    simulated: { rule: 'accept-simulated', because: 'Intel made it for tests' },
  };
}

export const ACCEPT_DEBUG: Member = {
  debug: { rule: 'accept-debug', because: 'to look at the other checks' },
};

export const NOTHING_KNOWN = [
  'tcb-info',
  'qe-identity',
  'root-crl',
  'pck-crl',
  'tcb-status',
  'tcb-advisories',
];
