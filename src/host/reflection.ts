/** Server reflection, v1 and v1alpha, from the descriptor set that is generated with the code. */
import { readFileSync } from 'node:fs';
import type { Server } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { service as healthService } from 'grpc-health-check';
import { SERVICE_NAMES } from './services.ts';

type PackageDefinition = ConstructorParameters<typeof ReflectionService>[0];

const VARINT_MORE = 0x80;

/**
 * The files of a FileDescriptorSet: `repeated FileDescriptorProto file = 1` and nothing else
 * (google/protobuf/descriptor.proto). Cut here, because a loader would merge files of one package.
 */
export function splitDescriptorSet(bytes: Uint8Array): Uint8Array[] {
  const files: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.byteLength) {
    if (bytes[at] !== 0x0a) throw new Error('not a FileDescriptorSet');
    at += 1;
    let length = 0;
    let shift = 0;
    for (;;) {
      const byte = bytes[at];
      if (byte === undefined || shift > 28) throw new Error('not a FileDescriptorSet');
      at += 1;
      length += (byte & (VARINT_MORE - 1)) * 2 ** shift;
      shift += 7;
      if (byte < VARINT_MORE) break;
    }
    if (at + length > bytes.byteLength) throw new Error('a FileDescriptorSet that is cut off');
    files.push(bytes.subarray(at, at + length));
    at += length;
  }
  return files;
}

/** Adds both versions of the reflection service to each server. */
export function reflectionService(): { addToServer: (server: Server) => void } {
  const set = readFileSync(new URL('../gen/descriptors.binpb', import.meta.url));
  const own = splitDescriptorSet(set).map((file) => Buffer.from(file));
  const health = Object.values(healthService)[0]?.requestType.fileDescriptorProtos ?? [];
  // ReflectionService looks at `fileDescriptorProtos` of each entry and at nothing else of it.
  const files = { format: 'sealwright', type: {}, fileDescriptorProtos: [...own, ...health] };
  const definition = { files } as unknown as PackageDefinition;
  const services = [...SERVICE_NAMES, 'grpc.health.v1.Health'];
  return new ReflectionService(definition, { services });
}
