// Generates TypeScript from proto/ with protoc and ts-proto, both locked and offline.
//
//   node scripts/generate-proto.ts           writes enclave/wire/gen and src/gen
//   node scripts/generate-proto.ts --check   exits 1 when what is committed differs
//
// What ts-proto writes into its decoders is lenient; the enclave's are made strict (enclave/wire/decode-message.ts).
//
// Two outputs, because ts-proto puts service definitions and messages into one file, and the enclave must
// not import grpc-js: enclave/wire/gen has messages only; src/gen has messages and gRPC services, without
// the frames of the enclave link, so that the client needs nothing from enclave/.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const protoFolder = join(root, 'proto');
const toolsFolder = join(root, 'node_modules');
const wellKnownFolder = join(toolsFolder, 'protoc', 'include');

/** Imported by google/rpc; protoc generates only the files that it is given. */
const wellKnownProtos = ['google/protobuf/any.proto', 'google/protobuf/duration.proto'];

const commonOptions = [
  'esModuleInterop=true',
  'importSuffix=.ts',
  'forceLong=bigint',
  'oneof=unions-value',
  'useReadonlyTypes=true',
  // Enums would not survive erasableSyntaxOnly.
  'enumsAsLiterals=true',
  'outputJsonMethods=false',
  'exportCommonSymbols=false',
];

interface Output {
  readonly folder: string;
  readonly options: readonly string[];
  readonly includes: (proto: string) => boolean;
  /** The module with the checks of strict decoders, from the output's folder; without it they stay lenient. */
  readonly strictBy?: string;
  /** A descriptor set beside the code, for gRPC reflection. */
  readonly descriptorSet?: string;
}

const outputs: readonly Output[] = [
  {
    folder: 'enclave/wire/gen',
    options: [...commonOptions, 'outputServices=none', 'outputPartialMethods=false'],
    includes: (proto) => proto.startsWith('sealwright/') || proto.startsWith('google/'),
    strictBy: '../decode-message.ts',
  },
  {
    folder: 'src/gen',
    options: [...commonOptions, 'outputServices=grpc-js'],
    includes: (proto) => !proto.startsWith('sealwright/enclave/'),
    descriptorSet: 'descriptors.binpb',
  },
];

/** Paths of files below a folder, relative to it and sorted: the order reaches the descriptor set. */
function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

function generate(output: Output, into: string): void {
  const protos = [
    ...filesBelow(protoFolder).filter((file) => file.endsWith('.proto') && output.includes(file)),
    ...wellKnownProtos,
  ];
  const run = spawnSync(
    process.execPath,
    [
      join(toolsFolder, 'protoc', 'protoc.cjs'),
      `--plugin=protoc-gen-ts_proto=${join(toolsFolder, '.bin', 'protoc-gen-ts_proto')}`,
      `--proto_path=${protoFolder}`,
      `--proto_path=${wellKnownFolder}`,
      `--ts_proto_out=${into}`,
      ...output.options.map((option) => `--ts_proto_opt=${option}`),
      ...(output.descriptorSet === undefined
        ? []
        : [`--descriptor_set_out=${join(into, output.descriptorSet)}`, '--include_imports']),
      ...protos,
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  if (run.error !== undefined) throw run.error;
  if (run.status !== 0) throw new Error(`protoc failed for ${output.folder}`);
}

/** Lines of a generated decoder that let bytes pass unread, and what stands there instead. */
const LENIENT_LINES: readonly (readonly [lenient: string, strict: string])[] = [
  ['        const tag = reader.uint32();\n', '        const tag = fieldTag(reader);\n'],
  ['        if ((tag & 7) === 4 || tag === 0) {\n          break;\n        }\n', ''],
  [
    '        reader.skip(tag & 7);\n      }\n      return message;\n',
    '        reader.skip(tag & 7);\n      }\n      endOfMessage(reader, end);\n      return message;\n',
  ],
];

/** Throws when a decoder does not look as expected: a new ts-proto must not bring leniency back. */
function makeStrict(folder: string, strictBy: string): void {
  for (const file of filesBelow(folder).filter((name) => name.endsWith('.ts'))) {
    const path = join(folder, file);
    let code = readFileSync(path, 'utf8');
    const decoders = code.match(/^ {2}decode\(input: .* \{$/gm)?.length ?? 0;
    if (decoders === 0) continue;
    for (const [lenient, strict] of LENIENT_LINES) {
      const parts = code.split(lenient);
      if (parts.length !== decoders + 1) throw new Error(`${file}: decoders of another shape`);
      code = parts.join(strict);
    }
    const runtime = 'import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";\n';
    if (!code.includes(runtime)) throw new Error(`${file}: imports of another shape`);
    const from = `${'../'.repeat(file.split('/').length - 1)}${strictBy}`;
    const checks = `import { endOfMessage, fieldTag } from "${from}";\n`;
    writeFileSync(path, code.replace(runtime, runtime + checks));
  }
}

/** The files that differ between two folders, or are in one of them only. */
function differences(expected: string, found: string): string[] {
  const names = new Set([...filesBelow(expected), ...filesBelow(found)]);
  return [...names].sort().filter((name) => {
    const paths = [join(expected, name), join(found, name)] as const;
    return (
      !paths.every((path) => existsSync(path)) ||
      !readFileSync(paths[0]).equals(readFileSync(paths[1]))
    );
  });
}

const check = process.argv.includes('--check');
const temporary = mkdtempSync(join(tmpdir(), 'sealwright-proto-'));
try {
  const stale: string[] = [];
  for (const output of outputs) {
    const fresh = join(temporary, output.folder);
    const committed = join(root, output.folder);
    mkdirSync(fresh, { recursive: true });
    generate(output, fresh);
    if (output.strictBy !== undefined) makeStrict(fresh, output.strictBy);
    if (check) {
      stale.push(...differences(fresh, committed).map((name) => join(output.folder, name)));
    } else {
      rmSync(committed, { recursive: true, force: true });
      cpSync(fresh, committed, { recursive: true });
    }
  }
  if (stale.length > 0) {
    process.stderr.write(
      `generated code is not what proto/ gives; run "npm run proto:generate" and commit:\n` +
        stale.map((name) => `  ${name}\n`).join(''),
    );
    process.exitCode = 1;
  }
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
