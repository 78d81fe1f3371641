import pkcs11js from 'pkcs11js';
import { describe, expect, it } from 'vitest';
import { BackOff } from '../../enclave/hsm/back-off.ts';
import { returnValueOf } from '../../enclave/hsm/cryptoki.ts';
import { errorClassOf } from '../../enclave/hsm/error-class.ts';
import { judgeFailure } from '../../enclave/hsm/failure.ts';
import {
  CKM,
  firstMissingMechanism,
  neededMechanisms,
  signingPlan,
} from '../../enclave/hsm/mechanisms.ts';
import {
  CKA,
  privateKeyTemplate,
  secretTemplate,
  wrongAttribute,
} from '../../enclave/hsm/templates.ts';
import { algorithmRow, ALGORITHMS, type AlgorithmName } from '../../enclave/wire/algorithm.ts';
import { CKR } from '../support/pkcs11-codes.ts';

const NAMES = Object.keys(ALGORITHMS) as AlgorithmName[];
const HSM = NAMES.filter((name) => algorithmRow(name).residencies.includes('hsm'));

describe('classes of CKR_*', () => {
  it.each([
    ['session', [0xb3, 0xb0, 0x90, 0x91, 0x82, 0x60]],
    ['login', [0x101]],
    ['device', [0x30, 0x31, 0x32, 0xe0, 0x05, 0x06, 0x02, 0x190]],
    ['credential', [0xa0, 0xa3, 0xa4, 0x102]],
    ['request', [0x70, 0x68, 0x21, 0xd0, 0xd1]],
  ] as const)('%s', (name, codes) => {
    for (const code of codes) expect(errorClassOf(code, 'C_Login')).toBe(name);
  });

  it('has a default: device', () => {
    for (const code of [0x04, 0xffff, 0x80000000, 0x80000001, 0xffffffff])
      expect(errorClassOf(code, 'C_Sign')).toBe('device');
  });

  it('an unknown code may be the word for a wrong PIN where a PIN was given', () => {
    for (const code of [0x04, 0x80000000, 0x80000001])
      for (const name of ['C_Login', 'C_InitPIN'])
        expect(errorClassOf(code, name)).toBe('credential');
  });

  it('a credential code counts only where a PIN was given', () => {
    for (const code of [0xa0, 0xa3, 0xa4, 0x102]) {
      expect(errorClassOf(code, 'C_Sign')).toBe('device');
      expect(errorClassOf(code, 'C_InitPIN')).toBe('credential');
    }
  });

  it.each(Object.entries(CKR))('%s', (_name, [rv, errorClass]) => {
    expect(errorClassOf(rv, 'C_Login')).toBe(errorClass);
    const withoutPin = errorClass === 'credential' ? 'device' : errorClass;
    expect(errorClassOf(rv, 'C_Sign')).toBe(withoutPin);
  });

  it('has every code that pkcs11js knows, by the same name', () => {
    const constants = pkcs11js as unknown as Record<string, unknown>;
    const known = Object.entries(constants).filter(([name]) => name.startsWith('CKR_'));
    expect(known.length).toBeGreaterThan(80);
    const ours: Readonly<Record<string, readonly [number, string]>> = CKR;
    for (const [name, value] of known) {
      if (name === 'CKR_OK' || name === 'CKR_VENDOR_DEFINED') continue;
      expect(ours[name]?.[0], name).toBe(value);
    }
  });

  it.each([
    [0xb3, 'C_Sign', 'unavailable'],
    [0x101, 'C_Sign', 'unavailable'],
    [0x30, 'C_Sign', 'unavailable'],
    [0xa0, 'C_Login', 'pin-rejected'],
    [0x70, 'C_SignInit', 'request-refused'],
    [0, 'object-missing', 'object-missing'],
    [0, 'object-ambiguous', 'object-ambiguous'],
    [0, 'object-altered', 'object-altered'],
    [0, 'pin-at-risk', 'pin-at-risk'],
    [0, 'token-missing', 'token-missing'],
    [0, 'toString', 'unavailable'],
  ])('0x%x of %s is told as %s', (rv, source, kind) => {
    expect(judgeFailure('sign', { rv, function: source }).failure).toMatchObject({
      kind,
      rv,
      operation: 'sign',
    });
  });
});

describe('return values in what pkcs11js throws', () => {
  it.each([
    [Object.assign(new Error('CKR_DEVICE_ERROR'), { code: 0x30 }), 0x30],
    [new Error('CKR_OBJECT_HANDLE_INVALID:130'), 0x82],
    [new Error('CKR_VENDOR_DEFINED:2147483649'), 0x80000001],
    [new Error('something else'), undefined],
    [new Error('x CKR_OK:5'), undefined],
    [new TypeError('not a Buffer'), undefined],
    ['CKR_DEVICE_ERROR:48', undefined],
  ])('%s', (error, expected) => {
    expect(returnValueOf(error)).toBe(expected);
  });
});

describe('mechanisms', () => {
  const offer = (
    algorithm: AlgorithmName,
    change: object = {},
  ): Map<number, { mechanism: number; minKeySize: number; maxKeySize: number; flags: number }> =>
    new Map(
      neededMechanisms(algorithm).map(({ name, flag }) => [
        CKM[name],
        { mechanism: CKM[name], minKeySize: 112, maxKeySize: 16_384, flags: flag, ...change },
      ]),
    );

  it.each(NAMES)('%s: nothing is missing when both are offered', (algorithm) => {
    expect(firstMissingMechanism(algorithm, offer(algorithm))).toBeUndefined();
  });

  it.each(NAMES)('%s: names key generation first, then signing', (algorithm) => {
    const [generate, sign] = neededMechanisms(algorithm);
    expect(firstMissingMechanism(algorithm, new Map())).toBe(generate.name);
    const half = offer(algorithm);
    half.delete(CKM[sign.name]);
    expect(firstMissingMechanism(algorithm, half)).toBe(sign.name);
    expect(firstMissingMechanism(algorithm, offer(algorithm, { flags: 0 }))).toBe(generate.name);
  });

  it('reads the range of key sizes', () => {
    expect(firstMissingMechanism('ES512', offer('ES512', { maxKeySize: 384 }))).toBe(
      'CKM_EC_KEY_PAIR_GEN',
    );
    expect(firstMissingMechanism('RS256', offer('RS256', { minKeySize: 3072 }))).toBe(
      'CKM_RSA_PKCS_KEY_PAIR_GEN',
    );
    expect(
      firstMissingMechanism('RS256', offer('RS256', { minKeySize: 0, maxKeySize: 0 })),
    ).toBeUndefined();
  });

  it('a plan exists exactly for residency hsm', () => {
    for (const name of NAMES) expect(signingPlan(name) !== undefined).toBe(HSM.includes(name));
  });

  it('numbers agree with pkcs11js where it has them', () => {
    const constants = pkcs11js as unknown as Record<string, number | undefined>;
    for (const [name, value] of [
      ...Object.entries(CKM),
      ...Object.entries(CKA).map(([n, v]) => [`CKA_${n}`, v] as const),
    ]) {
      const known = constants[name];
      if (known !== undefined) expect([name, value]).toEqual([name, known]);
    }
  });
});

describe('templates', () => {
  const id = Buffer.alloc(16, 1);
  const value = (
    template: readonly { type: number; value?: unknown }[],
    name: keyof typeof CKA,
  ): unknown => template.find(({ type }) => type === CKA[name])?.value;

  it.each(HSM)('%s: protected, and signs only', (algorithm) => {
    const template = privateKeyTemplate(id, 'label', algorithm);
    for (const name of ['TOKEN', 'PRIVATE', 'SENSITIVE', 'SIGN'] as const)
      expect(value(template, name)).toBe(true);
    for (const name of [
      'EXTRACTABLE',
      'MODIFIABLE',
      'COPYABLE',
      'UNWRAP',
      'DECRYPT',
      'DERIVE',
      'SIGN_RECOVER',
    ] as const) {
      expect(value(template, name)).toBe(false);
    }
  });

  it('a secret: protected, and signs only', () => {
    const template = secretTemplate(id, 'label');
    for (const name of ['TOKEN', 'PRIVATE', 'SENSITIVE', 'SIGN'] as const)
      expect(value(template, name)).toBe(true);
    for (const name of [
      'EXTRACTABLE',
      'MODIFIABLE',
      'COPYABLE',
      'WRAP',
      'UNWRAP',
      'ENCRYPT',
      'DECRYPT',
      'DERIVE',
      'VERIFY',
    ] as const) {
      expect(value(template, name)).toBe(false);
    }
  });

  const good: Readonly<Record<string, boolean>> = {
    TOKEN: true,
    PRIVATE: true,
    SENSITIVE: true,
    SIGN: true,
    LOCAL: true,
    ALWAYS_SENSITIVE: true,
    NEVER_EXTRACTABLE: true,
    EXTRACTABLE: false,
    MODIFIABLE: false,
    COPYABLE: false,
    DECRYPT: false,
    UNWRAP: false,
    DERIVE: false,
  };

  it('accepts what was born so', () => {
    expect(wrongAttribute(good)).toBeUndefined();
  });

  it.each(Object.keys(good))('refuses a flipped %s', (name) => {
    expect(wrongAttribute({ ...good, [name]: good[name] === false })).toBe(name);
  });

  it.each([
    'TOKEN',
    'PRIVATE',
    'SENSITIVE',
    'SIGN',
    'LOCAL',
    'ALWAYS_SENSITIVE',
    'NEVER_EXTRACTABLE',
    'EXTRACTABLE',
    'MODIFIABLE',
  ])('refuses a module that does not know %s', (name) => {
    const rest = Object.fromEntries(Object.entries(good).filter(([other]) => other !== name));
    expect(wrongAttribute(rest)).toBe(name);
  });

  it.each(['WRAP', 'ENCRYPT', 'SIGN_RECOVER', 'ALWAYS_AUTHENTICATE'])(
    'refuses %s where it is known and true',
    (name) => {
      expect(wrongAttribute({ ...good, [name]: false })).toBeUndefined();
      expect(wrongAttribute({ ...good, [name]: true })).toBe(name);
    },
  );
});

describe('back-off', () => {
  const limits = { baseMs: 50, capMs: 2_000 };

  it('waits not at all after one failure, then longer and longer up to the cap', () => {
    const backOff = new BackOff(limits, () => 1);
    const delays = Array.from({ length: 10 }, () => {
      backOff.failed();
      return backOff.delayMs();
    });
    expect(delays).toEqual([0, 50, 100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000]);
  });

  it('jitters between half and all', () => {
    const backOff = new BackOff(limits, () => 0);
    for (let failure = 0; failure < 3; failure++) backOff.failed();
    expect(backOff.delayMs()).toBe(50);
  });

  it('opens after three failures in a row and closes with a success', () => {
    const backOff = new BackOff(limits, () => 0);
    expect([1, 2, 3].map(() => (backOff.failed(), backOff.open))).toEqual([false, false, true]);
    backOff.opened();
    expect(backOff.open).toBe(false);
    expect(backOff.delayMs()).toBeGreaterThan(0);
    backOff.succeeded();
    expect(backOff.delayMs()).toBe(0);
  });
});
