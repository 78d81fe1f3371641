import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { AppraisalPolicyError, parsePlatformPolicy } from '../../src/verifier/index.ts';
import { PLATFORM_MEMBERS, dcapPolicy, makeDcap, type Members } from '../support/dcap/index.ts';
import { matchesSchema } from '../support/json-schema.ts';

describe('policies', () => {
  const exception = { id: 'INTEL-SA-00615', notAfter: '2027-01-01T00:00:00Z', because: 'weighed' };
  const problemsOf = (policy: unknown): readonly string[] => {
    try {
      parsePlatformPolicy(policy);
    } catch (error) {
      if (!(error instanceof AppraisalPolicyError)) throw error;
      return error.problems.map(({ pointer, problem }) => `${pointer}: ${problem}`);
    }
    return [];
  };
  const { root } = makeDcap('tdx');
  const tdx = (platform: Members): Record<string, unknown> => dcapPolicy('tdx', root, {}, platform);
  const sgx = (around: Members, platform: Members = {}): Record<string, unknown> =>
    dcapPolicy('sgx', makeDcap('sgx').root, around, platform);
  const values = (of: Members): Members => ({
    measurements: { rule: 'require', anyOf: [{ name: 'ours', values: of }] },
  });

  const schema = JSON.parse(
    readFileSync(new URL('../../docs/schema/platform-policy.schema.json', import.meta.url), 'utf8'),
  ) as Members;
  /** As a file would have it: what is undefined is not there. */
  const fits = (policy: unknown): boolean =>
    matchesSchema(JSON.parse(JSON.stringify(policy)), schema);

  const skip = { rule: 'skip', because: 'not ours to ask' };
  test.each<readonly [string, Record<string, unknown>]>([
    ['a TD', tdx({})],
    ['an enclave', sgx({})],
    ['exceptions', tdx({ advisories: { rule: 'except', anyOf: [exception] } })],
    ['zeros', tdx({ trailingBytes: { rule: 'accept-zeros', because: 'the driver' } })],
    ['skips of a TD', tdx({ advisories: skip, evaluationNumber: skip, xfam: skip })],
    ['skips of an enclave', sgx({}, { collateralAge: skip, attributes: skip, isvSvn: skip })],
  ])('good: %s, by the schema too', (_, policy) => {
    expect(problemsOf(policy)).toEqual([]);
    expect(fits(policy)).toBe(true);
  });

  test.each(Object.keys(PLATFORM_MEMBERS.tdx))('tdx/%s cannot be left out', (name) => {
    expect(problemsOf(tdx({ [name]: undefined }))).toEqual([`/tdx/${name}: missing`]);
  });

  test.each(Object.keys(PLATFORM_MEMBERS.sgx))('sgx/%s cannot be left out', (name) => {
    expect(problemsOf(sgx({}, { [name]: undefined }))).toEqual([`/sgx/${name}: missing`]);
  });

  test.each([
    ['an unknown member', { tcb: {} }, '/tdx/tcb: unknown member'],
    [
      'no status',
      { tcbStatus: { rule: 'require', anyOf: [] } },
      '/tdx/tcbStatus/anyOf: must not be empty',
    ],
    [
      'a revoked platform',
      { tcbStatus: { rule: 'require', anyOf: ['UpToDate', 'Revoked'] } },
      '/tdx/tcbStatus/anyOf/1: must be UpToDate or',
    ],
    [
      'statuses skipped',
      { tcbStatus: { rule: 'skip', because: 'any' } },
      '/tdx/tcbStatus/rule: must be require',
    ],
    [
      'an exception without an end',
      { advisories: { rule: 'except', anyOf: [{ ...exception, notAfter: undefined }] } },
      '/tdx/advisories/anyOf/0/notAfter',
    ],
    [
      'an exception that nobody gives a reason for',
      { advisories: { rule: 'except', anyOf: [{ ...exception, because: ' ' }] } },
      '/tdx/advisories/anyOf/0/because: must be a text',
    ],
    [
      'an exception for everything',
      { advisories: { rule: 'except', anyOf: [{ ...exception, id: '*' }] } },
      '/tdx/advisories/anyOf/0/id: must be an advisory',
    ],
    [
      'an exception twice',
      { advisories: { rule: 'except', anyOf: [exception, exception] } },
      '/tdx/advisories/anyOf: says something twice',
    ],
    [
      'no exception',
      { advisories: { rule: 'except', anyOf: [] } },
      '/tdx/advisories/anyOf: must not be empty',
    ],
    [
      'a mask of zeros',
      { xfam: { rule: 'require', mask: '00'.repeat(8), value: '00'.repeat(8) } },
      '/tdx/xfam/mask: asks for nothing',
    ],
    [
      'a value outside the mask',
      { xfam: { rule: 'require', mask: `01${'00'.repeat(7)}`, value: `03${'00'.repeat(7)}` } },
      '/tdx/xfam/value: has a bit that the mask leaves out',
    ],
    [
      'a mask that is too short',
      { tdAttributes: { rule: 'require', mask: '01', value: '00'.repeat(8) } },
      '/tdx/tdAttributes/mask: must be 8 bytes',
    ],
    [
      'an age of nothing',
      { collateralAge: { rule: 'require', maxDays: 0 } },
      '/tdx/collateralAge/maxDays: must be an integer from 1',
    ],
    [
      'zeros accepted without a reason',
      { trailingBytes: { rule: 'accept-zeros' } },
      '/tdx/trailingBytes/because: missing',
    ],
    [
      'an evaluation skipped without a reason',
      { evaluationNumber: { rule: 'skip' } },
      '/tdx/evaluationNumber/because: missing',
    ],
  ])('%s', (_, platform, problem) => {
    expect(problemsOf(tdx(platform))[0]).toContain(problem);
    // What needs two values at once is beyond a schema.
    const beyond = /twice|asks for nothing|leaves out/.test(problem);
    expect(fits(tdx(platform))).toBe(beyond);
  });

  test('an enclave is named by itself, or by signer and product; the signer alone says too little', () => {
    const mrEnclave = '11'.repeat(32);
    const mrSigner = '22'.repeat(32);
    expect(problemsOf(sgx(values({ mrEnclave })))).toEqual([]);
    expect(problemsOf(sgx(values({ mrSigner, isvProdId: '0007' })))).toEqual([]);
    const missing = '/measurements/anyOf/0/values/mrEnclave: missing';
    expect(problemsOf(sgx(values({ mrSigner })))).toEqual([missing]);
    expect(problemsOf(sgx(values({ isvProdId: '0007' })))).toEqual([missing]);
    expect(problemsOf(sgx(values({})))).toContain(missing);
  });
});
