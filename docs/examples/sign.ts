// Signs one message with the ring `es256-hsm` of a service that `npx sealwright dev` started in this folder:
//   node docs/examples/sign.ts .sealwright
import { readFileSync } from 'node:fs';
import { connect, parseAppraisalPolicy } from 'sealwright/client';

const folder = process.argv[2] ?? '.sealwright';
const file = (name: string): Buffer => readFileSync(`${folder}/${name}`);
const { address } = JSON.parse(file('connection.json').toString()) as { address: string };

const trust = parseAppraisalPolicy(JSON.parse(file('reference.json').toString()));
const identity = {
  ca: file('pki/ca.pem'),
  cert: file('pki/client-dev.pem'),
  key: file('pki/client-dev.key'),
};
using service = await connect({ address, trust, identity });
const { signature, kid } = await service.signer('es256-hsm').sign(Buffer.from('a message'));
console.log(`${Buffer.from(signature).toString('hex')} by ${kid}`);
