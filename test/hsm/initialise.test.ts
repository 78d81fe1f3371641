import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SO_PIN, SoftHsm, softhsmIsMissing, TestPin, USER_PIN } from '../support/softhsm.ts';

describe.skipIf(softhsmIsMissing())('initialising a token', () => {
  let hsm: SoftHsm;
  beforeEach(() => {
    hsm = new SoftHsm();
  });
  afterEach(() => hsm.dispose());

  const pins = { soPin: SO_PIN, userPin: USER_PIN };

  it('takes an uninitialised token and finds it again by its serial number', async () => {
    const module = hsm.module();
    const candidate = await module.candidate(undefined);
    expect(candidate?.info.initialised).toBe(false);
    expect(candidate?.missingMechanism('ES256')).toBeUndefined();
    expect(candidate?.missingMechanism('ML-DSA-65')).toBe('CKM_ML_DSA_KEY_PAIR_GEN');
    const info = await module.initToken({
      label: 'first token',
      ...pins,
      destroySerial: undefined,
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

  it('wipes the token of a serial number with its own SO PIN', async () => {
    const serial = await hsm.initialise('old');
    const token = await hsm.open(serial);
    await token.generateSecret({ id: randomBytes(16), label: 's' });
    await token.close();
    const module = hsm.module();
    expect((await module.candidate(serial))?.info).toMatchObject({ serial, initialised: true });
    const userPin = new TestPin('another-user-pin');
    const info = await module.initToken({
      label: 'new',
      soPin: SO_PIN,
      userPin,
      destroySerial: serial,
    });
    expect(info.label).toBe('new');
    const reopened = await module.open(info.serial, userPin);
    expect(await reopened.inventory()).toEqual([]);
    await reopened.close();
  });

  it('does not wipe with another SO PIN', async () => {
    const serial = await hsm.initialise('old');
    const soPin = new TestPin('not-the-so-pin');
    const call = hsm
      .module()
      .initToken({ label: 'new', soPin, userPin: USER_PIN, destroySerial: serial });
    await expect(call).rejects.toMatchObject({ kind: 'pin-rejected' });
    const token = await hsm.open(serial);
    expect(token.info.label).toBe('old');
  });

  it('says that a serial number is not there', async () => {
    await hsm.initialise();
    const module = hsm.module();
    expect(await module.candidate('ffffffffffffffff')).toBeUndefined();
    const call = module.initToken({ label: 'x', ...pins, destroySerial: 'ffffffffffffffff' });
    await expect(call).rejects.toMatchObject({ kind: 'token-missing' });
  });

  it.each(['', 'x'.repeat(33), 'ünïcode', 'line\nbreak'])(
    'refuses the label %j before anything is touched',
    async (label) => {
      const call = hsm.module().initToken({ label, ...pins, destroySerial: undefined });
      await expect(call).rejects.toMatchObject({ kind: 'request-refused' });
      expect((await hsm.module().listTokens()).some(({ initialised }) => initialised)).toBe(false);
    },
  );

  it('takes a label of exactly 32 characters', async () => {
    const label = 'x'.repeat(32);
    const info = await hsm.module().initToken({ label, ...pins, destroySerial: undefined });
    expect(info.label).toBe(label);
  });
});
