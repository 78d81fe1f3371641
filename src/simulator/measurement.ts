/**
 * The three measurement registers (docs/spec/measurement.md). Pure: digests and text in, registers out.
 */
import { createHash } from 'node:crypto';
import { lengthPrefixed, u32, utf8 } from '../../enclave/wire/bytes.ts';

const REGISTER_BYTES = 48;

const BUNDLES_LABEL = 'sealwright/measurement/bundles/v1\0';
const RUNTIME_LABEL = 'sealwright/measurement/runtime/v1\0';
const LAUNCH_LABEL = 'sealwright/measurement/launch/v1\0';

/** Which entry of the enclave is bundled as `main`. */
export type EntryKind = 'production' | 'simulated';

/** SHA-384 of files by their measured name. */
export type FileDigests = Readonly<Record<string, Uint8Array>>;

/** What the registers are computed from. */
export interface MeasuredParts {
  readonly entry: EntryKind;
  readonly bundles: FileDigests;
  readonly runtime: FileDigests;
  /** Canonical bytes of the launch manifest. */
  readonly launchManifest: Uint8Array;
}

/** MR0, MR1, MR2: 48 bytes each. */
export type Registers = readonly [Uint8Array, Uint8Array, Uint8Array];

function fileList(files: FileDigests): Uint8Array[] {
  // Buffer.compare, not `<`: sorted by UTF-8 bytes, which differs from UTF-16 order above U+FFFF.
  const names = Object.keys(files).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const entries = names.flatMap((name) => {
    const digest = files[name];
    if (digest?.byteLength !== REGISTER_BYTES)
      throw new RangeError(`${name}: not a SHA-384 digest`);
    // Without the length, one file's name could take bytes from the next one's.
    return [lengthPrefixed(utf8(name)), digest];
  });
  return [u32(names.length), ...entries];
}

function register(label: string, parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha384').update(label);
  for (const part of parts) hash.update(part);
  // A copy: Node's digests may be views on a pool.
  return Uint8Array.from(hash.digest());
}

/** MR0: the same on every machine. */
export function measureBundles(entry: EntryKind, bundles: FileDigests): Uint8Array {
  return register(BUNDLES_LABEL, [lengthPrefixed(utf8(entry)), ...fileList(bundles)]);
}

/** MR1. */
export function measureRuntime(runtime: FileDigests): Uint8Array {
  return register(RUNTIME_LABEL, fileList(runtime));
}

/** MR2. */
export function measureLaunch(launchManifest: Uint8Array): Uint8Array {
  return register(LAUNCH_LABEL, [launchManifest]);
}

/** All three. Throws RangeError for a digest of another length. */
export function measure(parts: MeasuredParts): Registers {
  return [
    measureBundles(parts.entry, parts.bundles),
    measureRuntime(parts.runtime),
    measureLaunch(parts.launchManifest),
  ];
}
