/** What the enclave says of itself. Nothing of it is verified: what one asks of it here is a figure. */
import { utf8 } from '../../enclave/wire/bytes.ts';
import { parseSignedJson, type SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import type { SealwrightClient } from '../../src/client/client.ts';

export interface Claims {
  /** As they are signed. */
  readonly text: string;
  /** Throws TypeError for one that is no text. */
  readonly member: (name: string) => string;
}

export async function claimsOf(client: SealwrightClient): Promise<Claims> {
  const bundle = parseSignedJson(await client.getEvidence(new Uint8Array(0))) as SignedJsonObject;
  const text = member(bundle, 'claims');
  const claims = parseSignedJson(utf8(text)) as SignedJsonObject;
  return { text, member: (name) => member(claims, name) };
}

function member(object: SignedJsonObject, name: string): string {
  const value = object[name];
  if (typeof value !== 'string') throw new TypeError(`no ${name}`);
  return value;
}
