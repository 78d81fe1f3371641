/**
 * The ceiling of HSM residency: C_Sign in a loop, in one process with one session, on a SoftHSM token of its own. Its
 * environment names the configuration. Prints signatures a second.
 *
 *   node c-sign-process.ts MODULE SECONDS
 */
import { randomBytes } from 'node:crypto';
import process from 'node:process';
import pkcs11js from 'pkcs11js';

const [modulePath = '', seconds = ''] = process.argv.slice(2);
/** The token is thrown away with its folder. */
const PIN = '12345678';
/** OBJECT IDENTIFIER of P-256. */
const P256 = Buffer.from('06082a8648ce3d030107', 'hex');
const LABEL_LENGTH = 32;
const BETWEEN_CLOCKS = 100;

const module = new pkcs11js.PKCS11();
module.load(modulePath);
module.C_Initialize();
const [empty] = module.C_GetSlotList(true);
if (empty === undefined) throw new Error('no slot');
module.C_InitToken(empty, PIN, 'bench'.padEnd(LABEL_LENGTH));
const slot = module
  .C_GetSlotList(true)
  .find((candidate) => module.C_GetTokenInfo(candidate).label.trim() === 'bench');
if (slot === undefined) throw new Error('no token');
const session = module.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION);
module.C_Login(session, pkcs11js.CKU_SO, PIN);
module.C_InitPIN(session, PIN);
module.C_Logout(session);
module.C_Login(session, pkcs11js.CKU_USER, PIN);
const { privateKey } = module.C_GenerateKeyPair(
  session,
  { mechanism: pkcs11js.CKM_EC_KEY_PAIR_GEN },
  [{ type: pkcs11js.CKA_EC_PARAMS, value: P256 }],
  [
    { type: pkcs11js.CKA_TOKEN, value: true },
    { type: pkcs11js.CKA_SENSITIVE, value: true },
    { type: pkcs11js.CKA_EXTRACTABLE, value: false },
    { type: pkcs11js.CKA_SIGN, value: true },
  ],
);
const digest = randomBytes(32);
const signature = Buffer.alloc(64);
let count = 0;
const begun = performance.now();
const end = begun + Number(seconds) * 1000;
while (performance.now() < end) {
  for (let i = 0; i < BETWEEN_CLOCKS; i += 1) {
    module.C_SignInit(session, { mechanism: pkcs11js.CKM_ECDSA }, privateKey);
    module.C_Sign(session, digest, signature);
  }
  count += BETWEEN_CLOCKS;
}
process.stdout.write(`${String((count * 1000) / (performance.now() - begun))}\n`);
module.C_Finalize();
module.close();
