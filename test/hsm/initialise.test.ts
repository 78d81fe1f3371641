import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SO_PIN, SoftHsm, softhsmIsMissing, USER_PIN } from '../support/softhsm.ts';

describe.skipIf(softhsmIsMissing())('initialising a token', () => {
  let hsm: SoftHsm;
  beforeEach(() => {
    hsm = new SoftHsm();
  });
  afterEach(() => hsm.dispose());

  const pins = { soPin: SO_PIN, userPin: USER_PIN };

  it('takes an uninitialised token and finds it again by its serial number', async () => {
    const module = hsm.module();
    const candidate = await module.candidate();
    expect(candidate?.info.initialised).toBe(false);
    expect(candidate?.missingMechanism('ES256')).toBeUndefined();
    expect(candidate?.missingMechanism('ML-DSA-65')).toBe('CKM_ML_DSA_KEY_PAIR_GEN');
    const info = await module.initToken({
      label: 'first token',
      ...pins,
    });
    expect(info).toMatchObject({ label: 'first token', initialised: true, userPinAtRisk: false });
    expect(info.serial).not.toBe('');
    const token = await hsm.open(info.serial);
    expect(token.info).toEqual(info);
  });

  it('never touches an initialised token unasked', async () => {
    const first = await hsm.initialise('one');
    const second = await hsm.initialise('one');
    expect(second).not.toBe(first);
    const serials = (await hsm.module().listTokens())
      .filter(({ initialised }) => initialised)
      .map(({ serial }) => serial);
    expect(serials.sort()).toEqual([first, second].sort());
  });

  it.each(['', 'x'.repeat(33), 'ünïcode', 'line\nbreak'])(
    'refuses the label %j before anything is touched',
    async (label) => {
      const call = hsm.module().initToken({ label, ...pins });
      await expect(call).rejects.toMatchObject({ kind: 'request-refused' });
      expect((await hsm.module().listTokens()).some(({ initialised }) => initialised)).toBe(false);
    },
  );

  it('takes a label of exactly 32 characters', async () => {
    const label = 'x'.repeat(32);
    const info = await hsm.module().initToken({ label, ...pins });
    expect(info.label).toBe(label);
  });
});
