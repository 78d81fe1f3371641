import { createHmac, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pkcs11js from 'pkcs11js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TokenKey } from '../../enclave/ports.ts';
import { plantKeyPair, verifies, inputFor, withRawSession } from '../support/softhsm-raw.ts';
import { SoftHsm, softhsmIsMissing, until, USER_PIN } from '../support/softhsm.ts';

const PROTECTED = {
  [pkcs11js.CKA_PRIVATE]: true,
  [pkcs11js.CKA_SENSITIVE]: true,
  [pkcs11js.CKA_EXTRACTABLE]: false,
  [pkcs11js.CKA_MODIFIABLE]: false,
  [pkcs11js.CKA_COPYABLE]: false,
  [pkcs11js.CKA_DECRYPT]: false,
  [pkcs11js.CKA_UNWRAP]: false,
  [pkcs11js.CKA_SIGN_RECOVER]: false,
};
const MANY = process.env['SLOW'] === '1' ? 1_000 : 200;
const bytes16 = (): Uint8Array => Uint8Array.from(randomBytes(16));

describe.skipIf(softhsmIsMissing())('objects of a token', () => {
  let hsm: SoftHsm;
  let serial: string;

  beforeEach(async () => {
    hsm = new SoftHsm();
    serial = await hsm.initialise();
  });
  afterEach(() => hsm.dispose());

  const bear = async (token: Awaited<ReturnType<SoftHsm['open']>>): Promise<TokenKey> => {
    const id = bytes16();
    const { publicKey } = await token.generateKeyPair({
      id,
      label: 'ring/1/1',
      algorithm: 'ES256',
    });
    return { id, algorithm: 'ES256', publicKey };
  };

  it('a secret computes HMAC-SHA-256, twice the same, and is not extractable', async () => {
    const token = await hsm.open(serial);
    const id = bytes16();
    const object = await token.generateSecret({ id, label: 'root' });
    expect(object).toMatchObject({ kind: 'secret', id, label: 'root' });
    expect(object.attributes).toMatchObject({
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
      WRAP: false,
      UNWRAP: false,
      ENCRYPT: false,
      DECRYPT: false,
      DERIVE: false,
      VERIFY: false,
    });
    const mac = await token.hmac(id, Buffer.from('data'));
    expect(mac).toHaveLength(32);
    expect(await token.hmac(id, Buffer.from('data'))).toEqual(mac);
    expect(await token.hmac(id, Buffer.from('datb'))).not.toEqual(mac);
  });

  it('HMAC is the standard one, seen with a known secret', async () => {
    const id = bytes16();
    const secret = randomBytes(32);
    withRawSession(hsm, serial, USER_PIN.digits, ({ module, session }) => {
      module.C_CreateObject(session, [
        { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_SECRET_KEY },
        { type: pkcs11js.CKA_KEY_TYPE, value: pkcs11js.CKK_GENERIC_SECRET },
        { type: pkcs11js.CKA_TOKEN, value: true },
        { type: pkcs11js.CKA_PRIVATE, value: true },
        { type: pkcs11js.CKA_SENSITIVE, value: true },
        { type: pkcs11js.CKA_EXTRACTABLE, value: false },
        { type: pkcs11js.CKA_MODIFIABLE, value: false },
        { type: pkcs11js.CKA_SIGN, value: true },
        { type: pkcs11js.CKA_ID, value: Buffer.from(id) },
        { type: pkcs11js.CKA_VALUE, value: secret },
      ]);
      const find = [{ type: pkcs11js.CKA_ID, value: Buffer.from(id) }];
      module.C_FindObjectsInit(session, find);
      const handle = module.C_FindObjects(session) ?? Buffer.alloc(8);
      module.C_FindObjectsFinal(session);
      module.C_SignInit(session, { mechanism: pkcs11js.CKM_SHA256_HMAC }, handle);
      const mac = module.C_Sign(session, Buffer.from('data'), Buffer.alloc(64));
      expect(mac).toEqual(createHmac('sha256', secret).update('data').digest());
    });
    // The pool does not take it: it was brought in, so somebody outside may know it (LOCAL is false).
    const token = await hsm.open(serial);
    await expect(token.hmac(id, Buffer.from('data'))).rejects.toMatchObject({
      kind: 'object-altered',
    });
  });

  it('inventory lists every private object and nothing planted without a PIN', async () => {
    const token = await hsm.open(serial);
    const key = await bear(token);
    const secretId = bytes16();
    await token.generateSecret({ id: secretId, label: 'secret' });
    withRawSession(hsm, serial, undefined, (raw) => {
      plantKeyPair(raw, key.id, { [pkcs11js.CKA_PRIVATE]: false });
    });
    const inventory = await token.inventory();
    expect(inventory.map(({ kind }) => kind).sort()).toEqual(['private-key', 'secret']);
    expect(inventory.map(({ id }) => id)).toEqual(expect.arrayContaining([key.id, secretId]));
  });

  it('a public object planted under the CKA_ID of a key is not found', async () => {
    const first = await hsm.open(serial);
    const key = await bear(first);
    const plantedId = bytes16();
    withRawSession(hsm, serial, undefined, (raw) => {
      plantKeyPair(raw, key.id, { [pkcs11js.CKA_PRIVATE]: false });
      plantKeyPair(raw, plantedId, { [pkcs11js.CKA_PRIVATE]: false });
    });
    const token = await hsm.open(serial);
    const signature = await token.sign(key, inputFor('ES256', Buffer.from('m')));
    expect(verifies('ES256', key.publicKey, Buffer.from('m'), signature)).toBe(true);
    const planted = { ...key, id: plantedId };
    await expect(token.sign(planted, randomBytes(32))).rejects.toMatchObject({
      kind: 'object-missing',
    });
  });

  it('two private objects with one CKA_ID are ambiguous, and that is not missing', async () => {
    const token = await hsm.open(serial);
    const key = await bear(token);
    withRawSession(hsm, serial, USER_PIN.digits, (raw) => {
      plantKeyPair(raw, key.id, PROTECTED);
    });
    const fresh = await hsm.open(serial);
    await expect(fresh.sign(key, randomBytes(32))).rejects.toMatchObject({
      kind: 'object-ambiguous',
    });
    await expect(fresh.sign({ ...key, id: bytes16() }, randomBytes(32))).rejects.toMatchObject({
      kind: 'object-missing',
    });
    await expect(fresh.hmac(key.id, randomBytes(32))).rejects.toMatchObject({
      kind: 'object-missing',
    });
  });

  it.each([
    ['extractable', { ...PROTECTED, [pkcs11js.CKA_EXTRACTABLE]: true }],
    ['not sensitive', { ...PROTECTED, [pkcs11js.CKA_SENSITIVE]: false }],
    ['modifiable', { ...PROTECTED, [pkcs11js.CKA_MODIFIABLE]: true }],
    ['copyable', { ...PROTECTED, [pkcs11js.CKA_COPYABLE]: true }],
    ['able to unwrap', { ...PROTECTED, [pkcs11js.CKA_UNWRAP]: true }],
    ['able to decrypt', { ...PROTECTED, [pkcs11js.CKA_DECRYPT]: true }],
    ['able to derive', { ...PROTECTED, [pkcs11js.CKA_DERIVE]: true }],
  ])('a key that is %s does not sign', async (_name, attributes) => {
    const token = await hsm.open(serial);
    const key = await bear(token);
    const id = bytes16();
    withRawSession(hsm, serial, USER_PIN.digits, (raw) => {
      plantKeyPair(raw, id, attributes);
    });
    await expect(token.sign({ ...key, id }, randomBytes(32))).rejects.toMatchObject({
      kind: 'object-altered',
    });
  });

  it('a file that was changed on the token is noticed by the next worker', async () => {
    const first = await hsm.open(serial);
    const key = await bear(first);
    await first.close();
    // Somebody with the token folder puts another key's file in the place of ours, CKA_ID and all.
    const [tokenFolder = ''] = readdirSync(hsm.tokenFolder);
    const folder = join(hsm.tokenFolder, tokenFolder);
    const before = new Set(readdirSync(folder));
    withRawSession(hsm, serial, USER_PIN.digits, (raw) => {
      plantKeyPair(raw, key.id, PROTECTED);
    });
    const planted = readdirSync(folder).find(
      (name) => name.endsWith('.object') && !before.has(name) && name !== 'token.object',
    );
    const ours = [...before].find((name) => name.endsWith('.object') && name !== 'token.object');
    if (planted === undefined || ours === undefined) throw new Error('no object files');
    writeFileSync(join(folder, ours), readFileSync(join(folder, planted)));
    withRawSession(hsm, serial, USER_PIN.digits, ({ module, session }) => {
      module.C_FindObjectsInit(session, [{ type: pkcs11js.CKA_ID, value: Buffer.from(key.id) }]);
      const [one] = module.C_FindObjects(session, 9);
      module.C_FindObjectsFinal(session);
      if (one !== undefined) module.C_DestroyObject(session, one);
    });
    const token = await hsm.open(serial);
    expect(await token.inventory()).toHaveLength(1);
    await expect(token.sign(key, randomBytes(32))).rejects.toMatchObject({
      kind: 'object-altered',
    });
  });

  it('what was destroyed is gone for every worker', async () => {
    const token = await hsm.open(serial, { size: 2 });
    const key = await bear(token);
    await Promise.all(Array.from({ length: 20 }, () => token.sign(key, randomBytes(32))));
    await token.destroy(key.id);
    for (let call = 0; call < 4; call++) {
      await expect(token.sign(key, randomBytes(32))).rejects.toMatchObject({
        kind: 'object-missing',
      });
    }
    expect(await token.inventory()).toEqual([]);
    await token.destroy(key.id);
  });

  it('a CKA_ID is used once', async () => {
    const token = await hsm.open(serial);
    const { id } = await bear(token);
    const again = token.generateKeyPair({ id, label: 'again', algorithm: 'ES256' });
    await expect(again).rejects.toMatchObject({ kind: 'request-refused' });
    expect(await token.inventory()).toHaveLength(1);
  });

  it('another pool finds the same objects', async () => {
    const first = await hsm.open(serial);
    const key = await bear(first);
    const secretId = bytes16();
    await first.generateSecret({ id: secretId, label: 'secret' });
    const mac = await first.hmac(secretId, Buffer.from('data'));
    await first.close();
    await expect(first.sign(key, randomBytes(32))).rejects.toMatchObject({ kind: 'unavailable' });
    const second = await hsm.open(serial);
    const signature = await second.sign(key, inputFor('ES256', Buffer.from('m')));
    expect(verifies('ES256', key.publicKey, Buffer.from('m'), signature)).toBe(true);
    expect(await second.hmac(secretId, Buffer.from('data'))).toEqual(mac);
  });

  it(`opens a token with ${String(MANY)} objects`, { timeout: 120_000 }, async () => {
    const first = await hsm.open(serial);
    const ids = Array.from({ length: MANY }, bytes16);
    for (const id of ids) await first.generateSecret({ id, label: 'many' });
    await first.close();
    const start = performance.now();
    const token = await hsm.module({ size: 1 }).open(serial, USER_PIN);
    const openedMs = performance.now() - start;
    await token.hmac(ids.at(-1) ?? bytes16(), Buffer.from('x'));
    await until(() => token.workersReady() === 1);
    const inventoryStart = performance.now();
    expect(await token.inventory()).toHaveLength(MANY);
    const inventoryMs = performance.now() - inventoryStart;
    await token.close();
    process.stdout.write(
      `${String(MANY)} objects: open ${openedMs.toFixed(0)} ms, inventory ${inventoryMs.toFixed(0)} ms\n`,
    );
    expect(openedMs).toBeLessThan(3_000);
  });
});
