import { readFileSync } from 'node:fs';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Client } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { splitDescriptorSet } from '../../src/host/reflection.ts';
import { SERVICE_NAMES } from '../../src/host/services.ts';
import { HostBed, call, type HostProcess } from '../support/host-harness.ts';

/** Field numbers of grpc/reflection/v1/reflection.proto; v1alpha has the same. */
const LIST_SERVICES = 7;
const FILE_CONTAINING_SYMBOL = 4;
const FILE_BY_NAME = 3;
const FILE_RESPONSE = 4;
const LIST_RESPONSE = 6;
const ERROR_RESPONSE = 7;

const bed = new HostBed();
let host: HostProcess;
let client: Client;

beforeAll(async () => {
  host = await bed.serve();
  client = bed.client(host);
});
afterAll(() => bed.close());

/** Length-delimited values of one field of a message. */
function values(bytes: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new BinaryReader(bytes);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted && type === WireType.LengthDelimited) found.push(reader.bytes());
    else reader.skip(type);
  }
  return found;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

/** Asks as grpcurl does, and returns the messages of the answer's `field`. */
async function ask(
  version: string,
  question: number,
  argument: string,
  field: number,
): Promise<Uint8Array[]> {
  const request = Buffer.from(
    new BinaryWriter()
      .uint32((question << 3) | 2)
      .string(argument)
      .finish(),
  );
  const identity = (bytes: Buffer): Buffer => bytes;
  const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
  const stream = client.makeBidiStreamRequest(path, identity, identity);
  const reply = new Promise<Buffer>((resolve, reject) => {
    stream.on('data', resolve);
    stream.on('error', reject);
  });
  stream.write(request);
  const bytes = await reply;
  stream.end();
  return values(bytes, field);
}

describe.each(['v1', 'v1alpha'])('reflection %s', (version) => {
  it('lists the services', async () => {
    const [list] = await ask(version, LIST_SERVICES, '*', LIST_RESPONSE);
    const names = values(list ?? new Uint8Array(0), 1).map((service) =>
      text(values(service, 1)[0] ?? service),
    );
    expect(names.sort()).toEqual([...SERVICE_NAMES, 'grpc.health.v1.Health'].sort());
  });

  it('gives the very files that the code was generated from, with what they import', async () => {
    const set = readFileSync(new URL('../../src/gen/descriptors.binpb', import.meta.url));
    const ours = new Map(
      splitDescriptorSet(set).map((file) => [text(values(file, 1)[0] ?? file), file]),
    );
    const symbols: readonly [number, string][] = [
      [FILE_CONTAINING_SYMBOL, 'sealwright.v1.SigningService'],
      [FILE_CONTAINING_SYMBOL, 'sealwright.v1.SignRequest'],
      [FILE_BY_NAME, 'sealwright/v1/signing.proto'],
    ];
    for (const [question, argument] of symbols) {
      const [answer] = await ask(version, question, argument, FILE_RESPONSE);
      const files = values(answer ?? new Uint8Array(0), 1);
      const names = files.map((file) => text(values(file, 1)[0] ?? file));
      // Field 3 is what a file imports: whoever gets an answer needs nothing else.
      const imports = files.flatMap((file) => values(file, 3).map(text));
      expect(names).toContain('sealwright/v1/signing.proto');
      expect(names).toContain('sealwright/v1/keys.proto');
      expect(names).toEqual(expect.arrayContaining(imports));
      for (const file of files) {
        const name = text(values(file, 1)[0] ?? file);
        // ReflectionService encodes again, so unknown fields may move: the messages inside must not.
        expect(values(file, 4).length, name).toBe(values(ours.get(name) ?? file, 4).length);
      }
    }
  });

  it.each(['no.Such', ''])('tells what it does not know: %j', async (symbol) => {
    expect(await ask(version, FILE_CONTAINING_SYMBOL, symbol, ERROR_RESPONSE)).toHaveLength(1);
  });

  it.each(['__proto__', 'constructor'])('is not confused by %s', async (symbol) => {
    await ask(version, FILE_CONTAINING_SYMBOL, symbol, FILE_RESPONSE);
    await ask(version, FILE_BY_NAME, symbol, FILE_RESPONSE);
    expect(host.child.exitCode).toBeNull();
  });
});

it('is refused to strangers', async () => {
  const path = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
  expect(await call(bed.client(host, 'none'), path)).toMatchObject({
    code: 16,
    reason: 'CALLER_UNAUTHENTICATED',
  });
});
