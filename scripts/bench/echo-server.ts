/**
 * The ceiling of unary gRPC in Node: a server of grpc-js that answers every call with the same bytes. TLS, certificates
 * and sizes of the messages are Sealwright's; nothing else is. Gets its settings by IPC, answers with its port.
 */
import process from 'node:process';
import { Server, ServerCredentials, type handleUnaryCall } from '@grpc/grpc-js';

export const ECHO_PATH = '/sealwright.bench.Echo/Call';

export interface EchoSettings {
  readonly answer: Uint8Array;
  readonly ca: Uint8Array;
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
}

const identity = (bytes: Buffer): Buffer => bytes;

function serve({ answer, ca, cert, key }: EchoSettings): void {
  const server = new Server();
  const bytes = Buffer.from(answer);
  const call: handleUnaryCall<Buffer, Buffer> = (_call, callback) => {
    callback(null, bytes);
  };
  const method = {
    path: ECHO_PATH,
    requestStream: false,
    responseStream: false,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  };
  server.addService({ Call: method }, { Call: call });
  const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
  const credentials = ServerCredentials.createSsl(Buffer.from(ca), [pair], true);
  server.bindAsync('127.0.0.1:0', credentials, (error, port) => {
    if (error !== null) throw error;
    process.send?.(port);
  });
}

process.once('message', serve);
process.once('disconnect', () => {
  process.exit(0);
});
