/**
 * From what people write to the document that admins sign: dates become milliseconds, PEM becomes hex, comments of
 * keys go, what every version has in common is filled in. Nothing else is changed, and nothing is corrected.
 */
import type { SignedJson, SignedJsonObject } from '../../../enclave/wire/signed-json.ts';
import { decodePemCertificate } from '../../verifier/pem.ts';
import { hex } from '../output.ts';
import type { YamlProblem } from './yaml.ts';

/** What the document is built on. */
export interface BuildContext {
  readonly nowMs: number;
  /** How long it may be applied when the source does not say. */
  readonly windowMs: number;
  /** The policy that it replaces; undefined for the first one. */
  readonly current: { readonly version: number; readonly digest: Uint8Array } | undefined;
  readonly clusterId: Uint8Array | undefined;
  /** Reads a file that the source names, relative to it. Throws for one that can't be read. */
  readonly readFile: (path: string) => string;
}

export interface BuiltDocument {
  readonly document: SignedJson;
  readonly problems: readonly YamlProblem[];
}

const LISTS = ['admins', 'callers', 'deniedKeys', 'rings', 'roots'];
const DATE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?Z$/;

export function buildDocument(source: SignedJson, context: BuildContext): BuiltDocument {
  const problems: YamlProblem[] = [];
  if (!isObject(source)) return { document: source, problems };
  const tell = (place: string, problem: string): void => {
    problems.push({ place, line: undefined, problem });
  };
  const { current, clusterId, nowMs, windowMs } = context;
  const chain: SignedJsonObject = {
    version: (current?.version ?? 0) + 1,
    ...(clusterId === undefined ? {} : { clusterId: hex(clusterId) }),
    ...(current === undefined ? {} : { replaces: hex(current.digest) }),
  };
  const filled = Object.fromEntries(LISTS.map((name): [string, SignedJson] => [name, []]));
  const document: Record<string, SignedJson> = {
    v: 1,
    kind: 'policy',
    notBefore: nowMs,
    ...filled,
    ...chain,
    ...source,
  };
  for (const [name, value] of Object.entries(document)) {
    const place = `/${name}`;
    if (name === 'notBefore' || name === 'notAfter') document[name] = date(value, place, tell);
    else if (name === 'admins') document[name] = each(value, withoutComment);
    else if (name === 'roots') {
      document[name] = each(value, (root, i) =>
        withCertificates(root, `/roots/${String(i)}`, context, tell),
      );
    }
  }
  const { notBefore } = document;
  if (!('notAfter' in document)) {
    document['notAfter'] = (typeof notBefore === 'number' ? notBefore : nowMs) + windowMs;
  }
  return { document, problems };
}

type Tell = (place: string, problem: string) => void;

function isObject(value: SignedJson | undefined): value is SignedJsonObject {
  return typeof value === 'object' && !Array.isArray(value);
}

/** Lists of objects; anything else is left to the document's parser. */
function each(
  value: SignedJson,
  change: (item: SignedJsonObject, index: number) => SignedJson,
): SignedJson {
  if (!Array.isArray(value)) return value;
  return (value as readonly SignedJson[]).map((item, i) =>
    isObject(item) ? change(item, i) : item,
  );
}

function date(value: SignedJson, place: string, tell: Tell): SignedJson {
  if (typeof value !== 'string') return value;
  const ms = DATE.test(value) ? Date.parse(value) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  tell(place, `not a UTC time like 2027-01-31T08:00:00Z: ${value}`);
  return 0;
}

/** An authorized_keys line ends in a comment, which is nobody's word. */
function withoutComment(admin: SignedJsonObject): SignedJson {
  const { key } = admin;
  if (typeof key !== 'string') return admin;
  return { ...admin, key: key.trim().split(/\s+/, 2).join(' ') };
}

/** `certificates` may be hex, PEM, or `file: PATH` of PEM with one or more of them. */
function withCertificates(
  root: SignedJsonObject,
  place: string,
  context: BuildContext,
  tell: Tell,
): SignedJson {
  const { certificates } = root;
  if (!Array.isArray(certificates)) return root;
  const hexes = (certificates as readonly SignedJson[]).flatMap((one, i): readonly SignedJson[] => {
    const at = `${place}/certificates/${String(i)}`;
    try {
      if (isObject(one) && typeof one['file'] === 'string') {
        return fromPem(context.readFile(one['file']));
      }
      return typeof one === 'string' && one.includes('-----BEGIN') ? fromPem(one) : [one];
    } catch (error) {
      tell(at, (error as Error).message);
      // One that fits nothing keeps the places of those after it.
      return [''];
    }
  });
  return { ...root, certificates: hexes };
}

function fromPem(text: string): string[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (blocks === null) throw new RangeError('no certificate in PEM');
  return blocks.map((block) => hex(decodePemCertificate(block)));
}
