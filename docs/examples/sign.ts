// Signs one message with the ring `session-enclave` of a service that `npx sealwright dev` started in this folder:
//   node docs/examples/sign.ts .sealwright
import { readFileSync } from 'node:fs';
import { connect, parseAppraisalPolicy } from 'sealwright/client';

const folder = process.argv[2] ?? '.sealwright';
const json = (name: string): unknown => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8'));
const pki = (name: string): Uint8Array => readFileSync(`${folder}/pki/${name}`);
const { address } = json('connection.json') as { address: string };
const message = Buffer.from('a message');

const trust = parseAppraisalPolicy(json('reference.json'));
const identity = { ca: pki('ca.pem'), cert: pki('client-dev.pem'), key: pki('client-dev.key') };
using service = await connect({ address, trust, identity });
const { signature, kid } = await service.signer('session-enclave').sign(message);

console.log(`${Buffer.from(signature).toString('hex')} by ${kid}`);
