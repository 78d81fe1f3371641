/**
 * Genuine evidence of hardware platforms lies beside the repository, in ../shared/vectors, and is never copied
 * into it. Here: how it is found, and how a row of the tables in platform-vectors/ becomes a case.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PlatformFormatName } from '../../src/verifier/index.ts';
import type { PlatformCase } from './run-platform-vector.ts';

const FOLDER = fileURLToPath(new URL('../../../shared/vectors', import.meta.url));

/** A row of index.json, as far as tables use it. */
export interface IndexRow {
  readonly fmt: string;
  readonly file: string;
  readonly kind: string;
  /** What a separate parser found in it. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** What README's prose says of one file at one moment. Several rows may speak of one file. */
export interface VectorRow {
  /** Under ../shared/vectors; the first part is the format. */
  readonly file: string;
  /** Told apart from the other rows of the file. */
  readonly title: string;
  readonly time: string;
  readonly nonce?: string;
  readonly given?: Readonly<Record<string, string>>;
  /** Name that the verifier looks for → file under ../shared/vectors. */
  readonly collateral?: Readonly<Record<string, string>>;
  /** The whole policy as a document, from the fields in index.json. */
  readonly policy: (fields: Readonly<Record<string, unknown>>) => unknown;
  readonly verdict: 'affirming' | 'warning' | 'contraindicated' | 'malformed';
  /** Ids of all failed checks. */
  readonly failed: readonly string[];
  /** Ids of all warnings; not looked at when left out. */
  readonly warned?: readonly string[];
  /** Of malformed evidence. */
  readonly place?: string;
}

export const hasVectors = existsSync(join(FOLDER, 'index.json'));

/** Said once by every test file that needs them. */
export function sayWhereVectorsAre(): void {
  if (hasVectors) return;
  process.stderr.write(
    `SKIPPED: no genuine evidence in ../shared/vectors, so the platform vectors were not run\n`,
  );
}

/** Empty when there are no vectors. */
export function vectorIndex(): readonly IndexRow[] {
  if (!hasVectors) return [];
  return JSON.parse(readFileSync(join(FOLDER, 'index.json'), 'utf8')) as readonly IndexRow[];
}

/** One file, base64 texts decoded. */
export function readVector(file: string): Uint8Array {
  const bytes = readFileSync(join(FOLDER, file));
  return Uint8Array.from(
    file.endsWith('.b64') ? Buffer.from(bytes.toString('ascii'), 'base64') : bytes,
  );
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export function formatOf(row: Pick<VectorRow, 'file'>): PlatformFormatName {
  return row.file.slice(0, row.file.indexOf('/')) as PlatformFormatName;
}

export function titleOf({ file, title }: VectorRow): string {
  return `${formatOf({ file })}: ${basename(file)}: ${title}`;
}

export function caseOf(row: VectorRow, index: readonly IndexRow[] = vectorIndex()): PlatformCase {
  const fields = index.find(({ file }) => file === row.file)?.fields ?? {};
  const collateral = Object.entries(row.collateral ?? {});
  return {
    evidence: hex(readVector(row.file)),
    collateral: Object.fromEntries(collateral.map(([name, file]) => [name, hex(readVector(file))])),
    policy: row.policy(fields),
    now: Date.parse(row.time),
    ...(row.nonce === undefined ? {} : { nonce: row.nonce }),
    ...(row.given === undefined ? {} : { given: row.given }),
  };
}

/** Parts of a policy that most rows have alike; everything is strict. */
export function strictPolicy(
  format: PlatformFormatName,
  parts: {
    readonly measurements: Readonly<Record<string, string>>;
    readonly binding: Readonly<Record<string, unknown>>;
    readonly platform: Readonly<Record<string, unknown>>;
  },
): Record<string, unknown> {
  return {
    v: 1,
    kind: 'platform-policy',
    format,
    source: { rule: 'release', name: 'the index of the vectors' },
    trustAnchors: { rule: 'vendor-roots' },
    simulated: { rule: 'refuse' },
    measurements: {
      rule: 'require',
      anyOf: [{ name: 'as recorded', values: parts.measurements }],
    },
    debug: { rule: 'deny' },
    binding: parts.binding,
    platforms: { rule: 'skip', because: 'the table tests platforms apart' },
    [format]: parts.platform,
  };
}
