/** Certificates that are not the report’s, or no VCEK or VLEK at all. */
import { CSP_ID, TCBS, chipIdOf, makeSnp, type CaseChanges } from './cases.ts';
import { KEY_UNREADABLE, type Refusal } from './refusal.ts';

const { Genoa, Turin } = TCBS;

const data = (
  leaf: NonNullable<CaseChanges['snp']>['data'],
  key: 'VCEK' | 'VLEK' = 'VCEK',
): CaseChanges => ({ snp: { key, ...(leaf === undefined ? {} : { data: leaf }) } });

/** The VCEK with other parameters of its key, seven bytes as hex. */
function withCurve(parameters: string): Uint8Array {
  const [vcek] = makeSnp('Milan').endorsements;
  return Buffer.from(
    Buffer.from(vcek).toString('hex').replace('06052b81040022', parameters),
    'hex',
  );
}

/** What the certificate says, under a good chain. */
export const CERTIFICATE_REFUSALS: readonly Refusal[] = [
  ...(['bl', 'tee', 'snp', 'ucode'] as const).map((name): Refusal => ({
    what: `a certificate for another level of ${name}`,
    product: 'Genoa',
    changes: data({ tcb: { ...Genoa, [name]: Genoa[name] + 1 } }),
    failed: ['reported-tcb'],
  })),
  {
    what: 'a certificate for another level of fmc',
    product: 'Turin',
    changes: data({ tcb: { ...Turin, fmc: 1 } }),
    failed: ['reported-tcb'],
  },
  {
    what: 'a level in a reserved place',
    changes: data({ levels: { 5: 1 } }),
    failed: KEY_UNREADABLE,
  },
  {
    what: 'an FMC level before Turin',
    changes: data({ levels: { 9: 0 } }),
    failed: KEY_UNREADABLE,
  },
  {
    what: 'no level of the microcode',
    changes: data({ levels: { 8: undefined } }),
    failed: KEY_UNREADABLE,
  },
  {
    what: 'no level of the FMC on Turin',
    product: 'Turin',
    changes: data({ levels: { 9: undefined } }),
    failed: KEY_UNREADABLE,
  },
  {
    what: 'a structure that is not known',
    changes: data({ structVersion: 2 }),
    failed: KEY_UNREADABLE,
  },
  {
    what: 'a product that is not known',
    changes: data({ productName: 'Venice' }),
    failed: KEY_UNREADABLE,
  },
  {
    what: 'a product with a tail',
    changes: data({ productName: 'Milan-B0-x' }),
    failed: KEY_UNREADABLE,
  },
  { what: 'no hwID', changes: data({ hwId: undefined }), failed: KEY_UNREADABLE },
  {
    what: 'a hwID of another product’s length',
    changes: data({ hwId: new Uint8Array(8) }),
    failed: KEY_UNREADABLE,
  },
  { what: 'a VCEK with a CSP id', changes: data({ cspId: CSP_ID }), failed: KEY_UNREADABLE },
  {
    what: 'a subject that is neither',
    changes: { snp: { leaf: { subject: 'SEV-OTHER' } } },
    failed: KEY_UNREADABLE,
  },
  {
    what: 'a VLEK without a CSP id',
    changes: data({ cspId: undefined }, 'VLEK'),
    failed: KEY_UNREADABLE,
  },
  {
    what: 'a VLEK with a hwID',
    changes: data({ hwId: chipIdOf('Milan') }, 'VLEK'),
    failed: KEY_UNREADABLE,
  },
  {
    what: 'the name of another product under this ASK',
    changes: data({ productName: 'Genoa' }),
    failed: KEY_UNREADABLE,
  },
  {
    // Its object identifier ends in the middle of an arc.
    what: 'a key on a curve that cannot be named',
    changes: { files: { 'vcek.der': withCurve('06052b810400a2') } },
    failed: ['platform-signature', 'chain-signatures', 'chain-algorithms'],
  },
  {
    what: 'a key on P-521 by name',
    changes: { files: { 'vcek.der': withCurve('06052b81040023') } },
    failed: ['platform-signature', 'chain-signatures', 'chain-algorithms'],
  },
  {
    what: 'a VLEK for a report that says VCEK',
    changes: {
      snp: { key: 'VLEK', report: { keyFlags: 0 } },
      files: {
        'vcek.der': makeSnp('Milan', { key: 'VLEK' }).endorsements[0],
        'ask-milan.der': makeSnp('Milan', { key: 'VLEK' }).endorsements[1],
        'vcek-milan.crl': makeSnp('Milan').revocationList,
      },
    },
    failed: ['signing-key'],
  },
  {
    what: 'a VCEK for a report that says VLEK',
    changes: {
      snp: { report: { keyFlags: 4 } },
      files: {
        'vlek.der': makeSnp('Milan').endorsements[0],
        'asvk-milan.der': makeSnp('Milan').endorsements[1],
        'vlek-milan.crl': makeSnp('Milan').revocationList,
      },
    },
    failed: ['signing-key'],
  },
];
