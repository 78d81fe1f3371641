import { execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { SIGN_RESPONSE } from '../support/fake-enclave.ts';
import { HostBed, type HostProcess } from '../support/host-harness.ts';

const PYTHON = '/usr/bin/python3';
const DESCRIPTORS = fileURLToPath(new URL('../../src/gen/descriptors.binpb', import.meta.url));

/** A caller that shares nothing with us but the protos: messages come from the descriptor set. */
const CALLER = `
import json, sys
import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

descriptors, address, ca, cert, key = sys.argv[1:]
read = lambda path: open(path, 'rb').read()
pool = descriptor_pool.DescriptorPool()
for file in descriptor_pb2.FileDescriptorSet.FromString(read(descriptors)).file:
    pool.Add(file)
message = lambda name: message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName(name))
Request, Response = message('sealwright.v1.SignRequest'), message('sealwright.v1.SignResponse')
Status, ErrorInfo = message('google.rpc.Status'), message('google.rpc.ErrorInfo')

channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(read(ca), read(key), read(cert)))
sign = channel.unary_unary('/sealwright.v1.SigningService/Sign',
    request_serializer=Request.SerializeToString, response_deserializer=Response.FromString)
request = Request(ring='es256-hsm')
request.message.message = b'hello'
try:
    answer = sign(request, timeout=10)
    print(json.dumps({'ring': answer.ring, 'signature': len(answer.signature)}))
except grpc.RpcError as error:
    details = dict(error.trailing_metadata())['grpc-status-details-bin']
    info = ErrorInfo.FromString(Status.FromString(details).details[0].value)
    print(json.dumps({'status': error.code().name, 'reason': info.reason, 'metadata': dict(info.metadata)}))
`;

const found = existsSync('/usr/lib/python3/dist-packages/grpc') && existsSync(PYTHON);
if (!found) {
  process.stderr.write(
    "SKIPPED: the Python caller needs Debian's python3-grpcio (apt-get install python3-grpcio)\n",
  );
}

describe.skipIf(!found)("Debian's python3-grpcio", () => {
  const bed = new HostBed();
  let host: HostProcess;
  beforeAll(async () => {
    host = await bed.serve();
  });
  afterAll(() => bed.close());

  const run = async (): Promise<unknown> => {
    const script = bed.path('caller.py');
    writeFileSync(script, CALLER);
    const alice = bed.pki.clients['alice'];
    const address = host.grpc.replace('127.0.0.1', 'localhost');
    const args = [script, DESCRIPTORS, address, bed.pki.ca, alice?.cert ?? '', alice?.key ?? ''];
    const { stdout } = await promisify(execFile)(PYTHON, args, { env: { PATH: '/usr/bin:/bin' } });
    return JSON.parse(stdout);
  };

  it('signs', async () => {
    bed.enclave.on(METHODS.sign, () => SIGN_RESPONSE);
    expect(await run()).toEqual({ ring: 'es256-hsm', signature: 71 });
    const body = Buffer.from(bed.enclave.calls.at(-1)?.body ?? []).toString('latin1');
    expect(body).toBe('\n\tes256-hsm\x1a\x07\n\x05hello');
  });

  it('reads the reason of a refusal', async () => {
    bed.enclave.on(METHODS.sign, () => {
      throw new Refusal('KEY_NOT_FOUND', { ring: 'es256-hsm' });
    });
    expect(await run()).toEqual({
      status: 'NOT_FOUND',
      reason: 'KEY_NOT_FOUND',
      metadata: { ring: 'es256-hsm' },
    });
  });
});
