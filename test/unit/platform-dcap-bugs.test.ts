// The DCAP rows of the table "Known verifier bugs" in ../shared/ATTESTATION.md: what each of those verifiers got
// wrong, done to ours.
import { describe, expect, test } from 'vitest';
import { encodePem } from '../../src/pkix/pem.ts';
import {
  appraisePlatform,
  parsePlatformPolicy,
  verifyPlatformEvidence,
} from '../../src/verifier/index.ts';
import { judgePlatform, unhex } from '../support/run-platform-vector.ts';
import {
  NOW,
  PLATFORM,
  QE,
  YEAR_MS,
  dcapCase,
  fixedBytes,
  makeDcap,
  svns,
  type CaseChanges,
  type JsonObject,
  type Tee,
} from '../support/dcap/index.ts';

async function failedOf(tee: Tee, changes: CaseChanges): Promise<readonly string[]> {
  return [...(await judgePlatform(dcapCase(tee, changes))).failed].sort();
}

const DAY_MS = 86_400_000;
const TCB = 'intel-tdx-tcb-90c06f000000.json';
const LIST = 'intel-pck-platform.crl';

const fileOf = (name: string): Buffer =>
  Buffer.from(makeDcap('tdx').collateral[name] ?? new Uint8Array(0));

describe('bug table, DCAP', () => {
  test('QE identity neither signature- nor content-checked: a forged quoting enclave (CVE-2026-22696)', async () => {
    // Anybody with a genuine platform can let its PCE certify an enclave of their own.
    const forged = fixedBytes('forged quoting enclave', 32);
    const qeReport = (report: Buffer): void => {
      report.set(forged, 128);
    };
    expect(await failedOf('tdx', { dcap: { quote: { qeReport } } })).toEqual(['qe-mrsigner']);
    const fits = (good: JsonObject): JsonObject => ({
      ...good,
      mrsigner: Buffer.from(forged).toString('hex'),
    });
    expect(
      await failedOf('tdx', {
        dcap: { quote: { qeReport } },
        files: {
          'intel-tdx-qe.json': Buffer.from(
            makeDcap('tdx', { qeIdentity: fits, documentKey: 'forger' }).collateral[
              'intel-tdx-qe.json'
            ] ?? [],
          ),
        },
      }),
    ).toEqual(['qe-identity-signature']);
  });

  test('TDX module identity ignored (dcap-qvl 124)', async () => {
    const body = (at: number, ...bytes: number[]): CaseChanges => ({
      dcap: {
        quote: {
          body: (report) => {
            report.set(bytes, at);
          },
        },
      },
    });
    expect(await failedOf('tdx', body(64, 1))).toEqual(['tdx-module-signer']);
    expect(await failedOf('tdx', body(112, 1))).toEqual(['tdx-module-attributes']);
    expect(await failedOf('tdx', body(0, 3, 1))).toEqual(['tcb-advisories', 'tcb-status']);
    expect(await failedOf('tdx', body(0, 5, 9))).toEqual([
      'tcb-advisories',
      'tcb-status',
      'tdx-module-identity',
    ]);
  });

  test('zip() over component arrays that are too short (dcap-qvl PR 164)', async () => {
    for (const length of [0, 1, 15]) {
      const tcbInfo = (good: JsonObject): JsonObject => ({
        ...good,
        tcbLevels: [
          {
            tcb: {
              sgxtcbcomponents: svns(PLATFORM.components.slice(0, length)),
              pcesvn: 0,
            },
            tcbDate: '2026-08-13T00:00:00Z',
            tcbStatus: 'UpToDate',
          },
        ],
      });
      expect(await failedOf('sgx', { dcap: { tcbInfo } }), String(length)).toEqual([
        'tcb-advisories',
        'tcb-info',
        'tcb-status',
      ]);
    }
  });

  test('CRL signature, issuer and dates never checked, parse errors swallowed, issuers not checked for CA:TRUE', async () => {
    expect(await failedOf('tdx', { dcap: { pckList: { key: 'pck' } } })).toEqual([
      'pck-crl-issuer',
      'pck-crl-signature',
    ]);
    expect(await failedOf('tdx', { dcap: { pckList: { issuer: 'Intel SGX Root CA' } } })).toEqual([
      'pck-crl-issuer',
    ]);
    expect(await failedOf('tdx', { dcap: { pckList: { nextUpdate: NOW - 1000 } } })).toEqual([
      'crl-current',
    ]);
    for (const list of [
      new Uint8Array(0),
      fileOf(LIST).subarray(1),
      fileOf(LIST).subarray(0, -9),
    ]) {
      expect(await failedOf('tdx', { files: { [LIST]: list } })).toEqual(['pck-crl']);
    }
    expect(await failedOf('tdx', { dcap: { ca: { ca: false, pathLength: undefined } } })).toEqual([
      'pck-chain-authority',
    ]);
  });

  test('JSON re-serialised, wrong QE offsets, PEM CRL read as DER, SGX QE identity for TDX (attestation-rs PR 26)', async () => {
    const written = fileOf(TCB).toString();
    const { tcbInfo, signature } = JSON.parse(written) as JsonObject;
    const again = JSON.stringify({ tcbInfo, signature }, null, 1);
    expect(await failedOf('tdx', { files: { [TCB]: Buffer.from(again) } })).toEqual([
      'tcb-info-signature',
    ]);
    // White space and order of members as their signer wrote them.
    const write = (document: JsonObject): string => ` ${JSON.stringify(document, null, 1)} `.trim();
    expect(await failedOf('tdx', { dcap: { write } })).toEqual([]);

    // ISVPRODID stands at 256, ISVSVN at 258; next to them are other numbers.
    const qeReport = (report: Buffer): void => {
      report.writeUInt16LE(QE.tdx.isvSvn, 256);
      report.writeUInt16LE(QE.tdx.isvProdId, 258);
    };
    expect(await failedOf('tdx', { dcap: { quote: { qeReport } } })).toEqual([
      'qe-isv-prod-id',
      'qe-tcb-level',
      'tcb-advisories',
      'tcb-status',
    ]);

    const pem = Buffer.from(encodePem('X509 CRL', fileOf(LIST)));
    expect(await failedOf('tdx', { files: { [LIST]: pem } })).toEqual(['pck-crl']);

    const sgx = makeDcap('sgx').collateral['intel-sgx-qe.json'];
    expect(await failedOf('tdx', { files: { 'intel-tdx-qe.json': sgx } })).toEqual([
      'qe-identity-tee',
      'qe-isv-prod-id',
      'qe-mrsigner',
      'tcb-advisories',
      'tcb-status',
    ]);
  });

  test('issueDate and nextUpdate not read: collateral of a year ago (aleph-vm PR 1195)', async () => {
    const now = NOW + YEAR_MS / 2;
    expect(
      await failedOf('tdx', {
        now,
        platform: { collateralAge: { rule: 'skip', because: 'only the windows' } },
      }),
    ).toEqual(['crl-current', 'qe-identity-current', 'tcb-info-current']);
    // However long Intel says that it holds, the policy can want a younger one.
    const year = (good: JsonObject): JsonObject => ({
      ...good,
      nextUpdate: new Date(NOW + YEAR_MS).toISOString().replace('.000Z', 'Z'),
    });
    expect(
      await failedOf('tdx', {
        now,
        dcap: { tcbInfo: year, qeIdentity: year, pckList: { nextUpdate: NOW + YEAR_MS } },
      }),
    ).toEqual(['collateral-age']);
  });

  test('FMSPC and PCE id not compared with the PCK certificate (openenclave PR 2980)', async () => {
    const fmspc = (good: JsonObject): JsonObject => ({ ...good, fmspc: '00906ED50000' });
    const pceId = (good: JsonObject): JsonObject => ({ ...good, pceId: '0001' });
    expect(await failedOf('sgx', { dcap: { tcbInfo: fmspc } })).toEqual(['tcb-info-fmspc']);
    expect(await failedOf('sgx', { dcap: { tcbInfo: pceId } })).toEqual(['tcb-info-pce-id']);
  });

  test('the nonce rewritten through an in/out pointer (occlum PR 1119)', async () => {
    const { evidence, collateral, policy, now } = dcapCase('tdx', {
      around: { binding: { reportData: { rule: 'nonce' } } },
    });
    const parsed = parsePlatformPolicy(policy);
    const bytes = unhex(evidence);
    const before = Buffer.from(bytes).toString('hex');
    const nonce = fixedBytes('the nonce of this call', 32);
    const drawn = Buffer.from(nonce).toString('hex');
    const verified = await verifyPlatformEvidence(bytes, {
      ...parsed,
      collateral: new Map(Object.entries(collateral).map(([name, text]) => [name, unhex(text)])),
    });
    const { checks, verdict } = appraisePlatform(verified, parsed, { now, nonce });

    expect(verdict).toBe('contraindicated');
    expect(checks.filter((one) => one.verdict === 'contraindicated').map(({ id }) => id)).toEqual([
      'binding/reportData',
    ]);
    expect(Buffer.from(nonce).toString('hex')).toBe(drawn);
    expect(Buffer.from(bytes).toString('hex')).toBe(before);
  });

  test('a rule about a nonce that nobody drew binds nothing, so nothing affirms', async () => {
    const { evidence, collateral, policy, now } = dcapCase('tdx', {
      around: { binding: { reportData: { rule: 'nonce' } } },
    });
    const parsed = parsePlatformPolicy(policy);
    const verified = await verifyPlatformEvidence(unhex(evidence), {
      ...parsed,
      collateral: new Map(Object.entries(collateral).map(([name, text]) => [name, unhex(text)])),
    });
    const { checks } = appraisePlatform(verified, parsed, { now, noNonce: 'a recording' });
    expect(checks.find(({ id }) => id === 'completeness')).toMatchObject({
      verdict: 'warning',
      found: 'skipped: every binding',
    });
  });

  test('the platform’s own word about its TCB, however good (physical attacks: WireTap, TEE.fail)', async () => {
    // The keys of an opened machine sign whatever is asked; only the list of machines is left.
    const platforms = { rule: 'require', anyOf: [{ name: 'ours', id: `ppid:${'ab'.repeat(16)}` }] };
    expect(await failedOf('sgx', { around: { platforms } })).toEqual(['platforms']);
    expect(
      await failedOf('sgx', {
        around: { platforms },
        dcap: { platform: { ppid: Buffer.from('ab'.repeat(16), 'hex') } },
      }),
    ).toEqual([]);
    expect(
      await failedOf('sgx', {
        around: {
          platforms: {
            rule: 'require',
            anyOf: [{ ...platforms.anyOf[0], notAfter: '2026-11-22T11:00:00Z' }],
          },
        },
        dcap: { platform: { ppid: Buffer.from('ab'.repeat(16), 'hex') } },
        now: NOW + DAY_MS / 24,
      }),
    ).toEqual(['platforms']);
  });
});
