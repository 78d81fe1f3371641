/**
 * RFC 8785 JSON as docs/spec/signed-json.md restricts it: strings, booleans, integers below 2^53,
 * arrays, objects. Two directions that never meet: `canonicalize` writes what we sign, `parseSignedJson`
 * accepts what others signed, by byte equality with its own canonical form. The canonicaliser writes
 * text itself, because a JavaScript object reorders integer-like keys.
 */
import { utf8 } from './bytes.ts';
import { MAX_JSON_BYTES, MAX_JSON_DEPTH } from './limits.ts';

export type SignedJson =
  string | boolean | number | readonly SignedJson[] | { readonly [name: string]: SignedJson };

export type SignedJsonObject = Readonly<Record<string, SignedJson>>;

/** Which rule of docs/spec/signed-json.md was broken. `schema`: canonical, but not the document that was wanted. */
export type SignedJsonRule =
  | 'size'
  | 'depth'
  | 'utf-8'
  | 'json'
  | 'canonical'
  | 'surrogate'
  | 'integer'
  | 'name'
  | 'type'
  | 'schema';

/** Thrown for bytes that are not signed JSON. `place` is a JSON pointer; empty for the whole document. */
export class SignedJsonError extends Error {
  override readonly name = 'SignedJsonError';
  readonly place: string;
  /** What is wrong there. */
  readonly problem: string;
  readonly rule: SignedJsonRule;
  constructor(place: string, problem: string, rule: SignedJsonRule = 'schema') {
    super(`${place === '' ? '/' : place}: ${problem}`);
    this.place = place;
    this.problem = problem;
    this.rule = rule;
  }
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/** RFC 6901 §3: one step of a JSON pointer. */
export function pointerStep(name: string): string {
  return /[~/]/.test(name) ? `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}` : `/${name}`;
}

/** Canonical bytes of a value (RFC 8785 §3.2). Throws SignedJsonError for what the profile excludes. */
export function canonicalize(value: SignedJson): Uint8Array {
  return utf8(canonicalText(value, '', 0));
}

function canonicalText(value: SignedJson, place: string, depth: number): string {
  switch (typeof value) {
    case 'string':
      return canonicalString(value, place);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number':
      if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
        throw new SignedJsonError(place, 'not an integer below 2^53', 'integer');
      }
      return String(value);
    case 'object':
      // The first bracket has depth 0; what stands inside the last one allowed is no container.
      if (depth >= MAX_JSON_DEPTH)
        throw new SignedJsonError(place, 'deeper than the limit', 'depth');
      return Array.isArray(value)
        ? canonicalArray(value as readonly SignedJson[], place, depth)
        : canonicalObject(value as SignedJsonObject, place, depth);
    default:
      throw new SignedJsonError(place, 'not a string, boolean, integer, array or object', 'type');
  }
}

function canonicalArray(value: readonly SignedJson[], place: string, depth: number): string {
  // Array.from visits holes too; map would write nothing for them.
  const items = Array.from(value, (item, i) =>
    canonicalText(item, `${place}/${String(i)}`, depth + 1),
  );
  return `[${items.join(',')}]`;
}

function canonicalObject(value: SignedJsonObject | null, place: string, depth: number): string {
  if (value === null) throw new SignedJsonError(place, 'null', 'type');
  // RFC 8785 §3.2.3: by UTF-16 code units, which is what sort does without a function.
  const names = Object.keys(value).sort();
  const members = names.map((name) => {
    const member = value[name];
    const at = place + pointerStep(name);
    // JSON.parse makes it a member like any other; the next copy of the object would make it a prototype.
    if (name === '__proto__') throw new SignedJsonError(at, 'not a name', 'name');
    if (member === undefined) throw new SignedJsonError(at, 'undefined', 'type');
    return `${canonicalString(name, at)}:${canonicalText(member, at, depth + 1)}`;
  });
  return `{${members.join(',')}}`;
}

function canonicalString(value: string, place: string): string {
  const text = JSON.stringify(value);
  // A lone surrogate is escaped, so it can only be in text that grew: most never meets the expression.
  if (text.length > value.length + 2 && LONE_SURROGATE.test(value)) {
    throw new SignedJsonError(place, 'lone surrogate', 'surrogate');
  }
  return text;
}

/**
 * Accepts bytes that are exactly the canonical form of a value of the profile (PROTOCOLS §1).
 * Byte equality is what refuses duplicate members, number rounding and all other spellings; lone
 * surrogates and `__proto__` are refused by the canonicaliser.
 * Hash or signature over the received bytes must have been checked before.
 */
export function parseSignedJson(bytes: Uint8Array, maxBytes = MAX_JSON_BYTES): SignedJson {
  if (bytes.byteLength > maxBytes) throw new SignedJsonError('', 'larger than the limit', 'size');
  checkDepth(bytes);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SignedJsonError('', 'not UTF-8', 'utf-8');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new SignedJsonError('', 'not JSON', 'json');
  }
  if (canonicalText(value as SignedJson, '', 0) !== text) {
    throw new SignedJsonError('', 'not in canonical form', 'canonical');
  }
  return value as SignedJson;
}

/** Counts brackets outside strings, so that nesting is bounded before JSON.parse recurses. */
function checkDepth(bytes: Uint8Array): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < bytes.byteLength; i += 1) {
    const byte = bytes[i];
    if (inString) {
      if (byte === 0x5c) i += 1;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > MAX_JSON_DEPTH) throw new SignedJsonError('', 'deeper than the limit', 'depth');
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
}
