import { afterAll, describe, expect, test } from 'vitest';
import { judgePlatform } from '../support/run-platform-vector.ts';
import {
  DCAP_REFUSALS,
  ENCLAVE,
  PLATFORM,
  QE,
  caCertificate,
  dcapCase,
  hex,
  identifier,
  makeDcap,
  pckPem,
  type CaseChanges,
  type JsonObject,
  type Tee,
} from '../support/dcap/index.ts';

let accepted = 0;

/** Nothing failed; that the root is a test's is the one warning. */
async function expectGood(tee: Tee, changes: CaseChanges = {}): Promise<void> {
  const { verdict, failed, warned } = await judgePlatform(dcapCase(tee, changes));

  expect({ verdict, failed, warned }).toEqual({
    verdict: 'warning',
    failed: [],
    warned: ['simulated'],
  });
  accepted += 1;
}

describe('good quotes under test roots', () => {
  test.each([
    ['sgx', 3, '1.0'],
    ['sgx', 4, '1.0'],
    ['sgx', 5, '1.0'],
    ['tdx', 4, '1.0'],
    ['tdx', 5, '1.0'],
    ['tdx', 5, '1.5'],
  ] as const)('%s, version %d, TD report %s', (tee, version, tdReport) =>
    expectGood(tee, { dcap: { quote: { version, tdReport } } }),
  );

  test('documents in another order with white space: the bytes are what is signed', () =>
    expectGood('tdx', {
      dcap: {
        write: (document) => {
          const reversed = Object.fromEntries(Object.entries(document).reverse()) as JsonObject;
          return JSON.stringify(reversed, null, 2);
        },
      },
    }));

  test('zeros behind the quote, accepted with a reason', () =>
    expectGood('tdx', {
      dcap: { quote: { trailing: new Uint8Array(3065) } },
      platform: { trailingBytes: { rule: 'accept-zeros', because: 'the driver' } },
    }));

  test('the signer and its product stand for the enclave', () =>
    expectGood('sgx', {
      around: {
        measurements: {
          rule: 'require',
          anyOf: [
            { name: 'product 7', values: { mrSigner: hex(ENCLAVE.mrSigner), isvProdId: '0007' } },
          ],
        },
      },
    }));

  test.each([
    ['ppid', `ppid:${hex(PLATFORM.ppid)}`],
    ['platform instance', `instance:${hex(PLATFORM.platformInstanceId ?? new Uint8Array(0))}`],
    ['model', `fmspc:${hex(PLATFORM.fmspc)}`],
  ])('a platform in the list by its %s', (_, id) =>
    expectGood('tdx', {
      around: { platforms: { rule: 'require', anyOf: [{ name: 'ours', id }] } },
    }),
  );

  test('a PCK chain beside a quote that only names its platform', () =>
    expectGood('sgx', {
      dcap: { quote: { certification: { type: 1, data: identifier(PLATFORM.ppid) } } },
      files: {
        'intel-pck.pem': Buffer.from(pckPem),
        'intel-pck-issuer.pem': Buffer.from(
          `-----BEGIN CERTIFICATE-----\n${Buffer.from(caCertificate()).toString('base64')}\n-----END CERTIFICATE-----\n`,
        ),
      },
    }));

  test('everything in one document', () => {
    const { collateral } = makeDcap('tdx');
    const text = (name: string): string =>
      Buffer.from(collateral[name] ?? new Uint8Array(0)).toString();
    const part = (name: string, member: string): [string, string] => {
      const found = new RegExp(`^\\{"${member}":(.*),"signature":"([0-9a-f]*)"\\}$`, 's').exec(
        text(name),
      );
      return [found?.[1] ?? '', found?.[2] ?? ''];
    };
    const [tcbInfo, tcbSignature] = part('intel-tdx-tcb-90c06f000000.json', 'tcbInfo');
    const [identity, identitySignature] = part('intel-tdx-qe.json', 'enclaveIdentity');
    const chain = text('intel-tcb-signing.pem');
    const list = (name: string): string => hex(collateral[name] ?? new Uint8Array(0));
    return expectGood('tdx', {
      files: {
        ...Object.fromEntries(Object.keys(collateral).map((name) => [name, undefined])),
        'intel-quote-collateral.json': Buffer.from(
          JSON.stringify({
            tcb_info_issuer_chain: chain,
            tcb_info: tcbInfo,
            tcb_info_signature: tcbSignature,
            qe_identity_issuer_chain: chain,
            qe_identity: identity,
            qe_identity_signature: identitySignature,
            pck_crl_issuer_chain: chain,
            root_ca_crl: list('intel-root.crl'),
            pck_crl: list('intel-pck-platform.crl'),
          }),
        ),
      },
    });
  });

  test('an old quoting enclave, accepted by status and advisory', () =>
    expectGood('sgx', {
      dcap: { quote: { qeReport: (report) => report.writeUInt16LE(QE.sgx.isvSvn - 1, 258) } },
      platform: {
        tcbStatus: { rule: 'require', anyOf: ['UpToDate', 'OutOfDate'] },
        advisories: {
          rule: 'except',
          anyOf: [
            { id: 'INTEL-SA-00615', notAfter: '2027-01-01T00:00:00Z', because: 'not on our CPUs' },
          ],
        },
      },
    }));

  test('TCB info of version 2, which SGX had before', () =>
    expectGood('sgx', {
      dcap: {
        tcbInfo: ({ id: _, ...good }) => ({
          ...good,
          version: 2,
          tcbLevels: [
            {
              tcb: {
                ...Object.fromEntries(
                  PLATFORM.components.map((svn, i) => [
                    `sgxtcbcomp${String(i + 1).padStart(2, '0')}svn`,
                    svn,
                  ]),
                ),
                pcesvn: PLATFORM.pceSvn,
              },
              tcbDate: '2026-08-13T00:00:00Z',
              tcbStatus: 'UpToDate',
            },
          ],
        }),
      },
    }));
});

let refused = 0;
for (const [about, rows] of Object.entries(DCAP_REFUSALS)) {
  describe(`TDX and SGX quotes are refused: ${about}`, () => {
    for (const { what, tee = 'tdx', changes, failed } of rows) {
      test(`${tee}: ${what}`, async () => {
        const outcome = await judgePlatform(dcapCase(tee, changes));

        expect([...outcome.failed].sort()).toEqual([...failed].sort());
        expect(outcome.verdict).toBe('contraindicated');
        refused += 1;
      });
    }
  });
}

test('every check that a vendor’s document demands names its clause', async () => {
  for (const tee of ['tdx', 'sgx'] as const) {
    const { checks } = await judgePlatform(dcapCase(tee));
    const silent = checks.filter(
      ({ id, verdict, clause }) =>
        verdict !== 'none' &&
        /^(?:platform-signature|attestation-key|qe-|pck-|certification|tcb-|root-crl|tdx-module|td-attributes|sgx-attributes|isv-svn|collateral-age|xfam|trailing)/.test(
          id,
        ) &&
        !id.endsWith('-current') &&
        !(clause ?? '').startsWith('Intel'),
    );

    expect(silent.map(({ id }) => id)).toEqual([]);
  }
});

afterAll(() => {
  process.stdout.write(`TDX and SGX: ${String(accepted)} accepted, ${String(refused)} refused\n`);
  expect(refused).toBeGreaterThanOrEqual(3 * accepted);
});
