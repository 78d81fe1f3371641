import { describe, expect, test } from 'vitest';
import { MAX_MS, threadMs } from '../support/platform-mutation-run.ts';
import { judgePlatform } from '../support/run-platform-vector.ts';
import { PCK, dcapCase, serialOf, type CaseChanges } from '../support/dcap/index.ts';

/** CPU time, the least of a few: what is asked is what the input costs, not what else the machine does. */
async function bestOf(times: number, run: () => Promise<unknown>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < times; i += 1) {
    const from = threadMs();
    await run();
    best = Math.min(best, threadMs() - from);
  }
  return best;
}

const KIB = 1024;
const many = (block: string, bytes = 256 * KIB): Buffer =>
  Buffer.from(block.repeat(Math.floor(bytes / block.length)), 'latin1');
const TCB = 'intel-tdx-tcb-90c06f000000.json';
const QE = 'intel-tdx-qe.json';
const SIGNING = 'intel-tcb-signing.pem';
const ALL = 'intel-quote-collateral.json';
const CERTIFICATE = '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n';

const files = (changes: CaseChanges['files']): CaseChanges =>
  changes === undefined ? {} : { files: changes };
const chain = (data: Uint8Array): CaseChanges => ({
  dcap: { quote: { certification: { type: 5, data } } },
});

describe('what hostile input costs', () => {
  test.each<readonly [string, CaseChanges, string]>([
    ['a quote of certificates', chain(many(CERTIFICATE, 56 * KIB)), 'malformed'],
    ['a PEM that never ends', chain(many('-----BEGIN CERTIFICATE-----\n', 56 * KIB)), 'malformed'],
    ['a chain of white space', chain(many(' ', 56 * KIB)), 'malformed'],
    ['a chain of zero bytes', chain(many('\0', 56 * KIB)), 'malformed'],
    ['DER in DER', chain(many('0\x82', 56 * KIB)), 'malformed'],
    [
      'a quote with all zeros that fit behind it',
      { dcap: { quote: { trailing: new Uint8Array(58 * KIB) } } },
      'trailing-bytes',
    ],
    [
      'thousands of certificates as signers',
      files({ [SIGNING]: many(CERTIFICATE) }),
      'tcb-info-signer',
    ],
    ['JSON of lists in lists', files({ [TCB]: many('[') }), 'tcb-info'],
    ['JSON of objects in objects', files({ [TCB]: many('{"a":') }), 'tcb-info'],
    [
      'JSON of empty lists',
      files({ [TCB]: Buffer.from(`{"a":[${'[],'.repeat(87_000)}1]}`) }),
      'tcb-info',
    ],
    ['JSON of many members', files({ [QE]: Buffer.from(`{${manyMembers()}}`) }), 'qe-identity'],
    [
      'a text of 256 KiB',
      files({ [QE]: Buffer.from(`{"a":"${'b'.repeat(250 * KIB)}"}`) }),
      'qe-identity',
    ],
    [
      'a text of escapes',
      files({ [TCB]: Buffer.from(`{"tcbInfo":"${'\\n'.repeat(120 * KIB)}"}`) }),
      'tcb-info',
    ],
    ['white space', files({ [TCB]: many(' ') }), 'tcb-info'],
    [
      'TCB info of as many levels as fit',
      {
        dcap: {
          tcbInfo: (good) => ({
            ...good,
            tcbLevels: new Array<never>(80).fill(
              (good['tcbLevels'] as readonly never[])[0] as never,
            ),
          }),
          write: (document) => JSON.stringify(document).replaceAll('"svn":7', '"svn":255'),
        },
      },
      'tcb-level',
    ],
    [
      'a list that names 3,000 certificates',
      {
        dcap: {
          pckList: {
            revoked: [...Array.from({ length: 3000 }, (_, i) => serial(i)), serialOf(PCK, 'pck')],
          },
        },
      },
      'pck-crl-revoked',
    ],
    ['a list of garbage', files({ 'intel-root.crl': many('\x30\x83\x03\xff\xf0') }), 'root-crl'],
    [
      'everything in one document, and all of it hex',
      files({
        [TCB]: undefined,
        [ALL]: Buffer.from(`{"tcb_info":"${'{\\"a\\":'.repeat(30_000)}","pck_crl":"30"}`),
      }),
      'tcb-info',
    ],
  ])('%s: refused within 50 ms and 64 MiB', async (_, changes, reason) => {
    const input = dcapCase('tdx', changes);
    const outcome = await judgePlatform(input);
    expect(reason === 'malformed' ? [outcome.verdict] : outcome.failed).toContain(reason);

    const before = process.memoryUsage();
    const ms = await bestOf(3, () => judgePlatform(input));
    const after = process.memoryUsage();

    expect(ms).toBeLessThan(MAX_MS);
    const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    expect(grown).toBeLessThan(64 * KIB * KIB);
  });

  test.each(['tdx', 'sgx'] as const)('a good %s quote is judged within 20 ms', async (tee) => {
    const input = dcapCase(tee);

    expect(await bestOf(5, () => judgePlatform(input))).toBeLessThan(20);
  });
});

function serial(i: number): Uint8Array {
  const bytes = new Uint8Array(20).fill(0x41);
  new DataView(bytes.buffer).setUint32(16, i);
  return bytes;
}

function manyMembers(): string {
  return Array.from({ length: 25_000 }, (_, i) => `"${String(i)}":0`).join(',');
}
