import { ATTESTED_NOTE, ATTESTED_OPTIONS, tellWarning, withAttested } from './attested.ts';
import { CLIENT_NOTE } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { EXIT } from './exit-status.ts';
import { keyVersion } from './numbers.ts';
import { printJson, printText } from './output.ts';

export const keysExport: Command = {
  name: 'keys export',
  example: 'npx sealwright keys export es256-hsm --pem',
  positionals: [{ name: 'RING', help: 'name of the key ring' }],
  options: {
    pem: { help: 'PEM of the SubjectPublicKeyInfo: what openssl reads; the default' },
    version: { value: 'N', help: 'version within the ring (default: the one that signs now)' },
    ...ATTESTED_OPTIONS,
  },
  notes: [ATTESTED_NOTE, CLIENT_NOTE],
  run: runKeysExport,
};

async function runKeysExport(input: Arguments): Promise<number> {
  const version = keyVersion(input);
  const { key, attestation } = await withAttested(input, (attested) =>
    attested.key(input.positional(0), version),
  );
  const { keyDocument, publicKeyPem } = await import('./words.ts');
  await tellWarning(attestation.result);
  if (input.json) printJson(keyDocument(key));
  else printText(publicKeyPem(key.publicKey));
  return EXIT.ok;
}
