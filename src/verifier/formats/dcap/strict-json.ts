/**
 * JSON (RFC 8259) as Intel's services write it, read without guesses: no member twice, no number but a
 * non-negative integer, no escape that could spell a name in two ways, nothing nested deeper than the documents
 * are. Objects remember where they stood, because Intel's signatures are over the bytes of an inner object exactly
 * as they were sent: to parse and to write again would sign something else.
 */
import { utf8 } from '../../../../enclave/wire/bytes.ts';

/** TCB info nests seven levels. */
const MAX_DEPTH = 9;

/** Intel's longest TCB info has 20 KB. */
export const MAX_JSON_BYTES = 256 * 1024;

/** Bytes that are not the JSON that was asked for; `place` is a JSON pointer (RFC 6901). */
export class StrictJsonError extends Error {
  override readonly name = 'StrictJsonError';
  readonly place: string;
  readonly problem: string;
  constructor(place: string, problem: string) {
    super(`${place === '' ? '/' : place}: ${problem}`);
    this.place = place;
    this.problem = problem;
  }
}

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;

/** An object with the places of its members. Unknown members are allowed: Intel adds some over the years. */
export class JsonObject {
  readonly #members: ReadonlyMap<string, Json>;
  readonly #text: string;
  readonly #place: string;

  /** `text` is what stood there, braces included. */
  constructor(members: ReadonlyMap<string, Json>, text: string, place: string) {
    this.#members = members;
    this.#text = text;
    this.#place = place;
  }

  /** The bytes of this object as they were sent. */
  get raw(): Uint8Array {
    return utf8(this.#text);
  }

  has(name: string): boolean {
    return this.#members.has(name);
  }

  fail(name: string, problem: string): never {
    throw new StrictJsonError(name === '' ? this.#place : `${this.#place}/${name}`, problem);
  }

  #take(name: string): Json {
    return this.#members.get(name) ?? this.fail(name, 'missing');
  }

  object(name: string): JsonObject {
    const value = this.#take(name);
    return value instanceof JsonObject ? value : this.fail(name, 'expected an object');
  }

  list(name: string, max: number): readonly Json[] {
    const value = this.#take(name);
    if (!Array.isArray(value)) return this.fail(name, 'expected a list');
    const list = value as readonly Json[];
    return list.length <= max ? list : this.fail(name, `more than ${String(max)} items`);
  }

  objects(name: string, max: number): JsonObject[] {
    return this.list(name, max).map((item, i) =>
      item instanceof JsonObject ? item : this.fail(`${name}/${String(i)}`, 'expected an object'),
    );
  }

  strings(name: string, pattern: RegExp, max: number): string[] {
    return this.list(name, max).map((item, i) =>
      typeof item === 'string' && pattern.test(item)
        ? item
        : this.fail(`${name}/${String(i)}`, `expected ${pattern.source}`),
    );
  }

  string(name: string, pattern: RegExp): string {
    const value = this.#take(name);
    if (typeof value === 'string' && pattern.test(value)) return value;
    return this.fail(name, `expected ${pattern.source}`);
  }

  integer(name: string, max: number): number {
    const value = this.#take(name);
    if (typeof value === 'number' && value <= max) return value;
    return this.fail(name, `expected an integer of at most ${String(max)}`);
  }

  /** Bytes in hex of either case. */
  hex(name: string, bytes: number): Uint8Array {
    const text = this.string(name, new RegExp(`^[0-9a-fA-F]{${String(2 * bytes)}}$`));
    return Uint8Array.from({ length: bytes }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
  }

  /** Unix milliseconds of a UTC time of whole seconds (ISO 8601). */
  time(name: string): number {
    const text = this.string(name, /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/);
    const at = Date.parse(text);
    // Date.parse carries the 30th of February into March in some engines.
    if (Number.isNaN(at) || new Date(at).toISOString() !== text.replace('Z', '.000Z')) {
      return this.fail(name, 'no such time');
    }
    return at;
  }
}

/** A document that is one object. @throws StrictJsonError */
export function parseStrictJson(bytes: Uint8Array): JsonObject {
  if (bytes.byteLength > MAX_JSON_BYTES) throw new StrictJsonError('', 'larger than the limit');
  let text: string;
  try {
    // Kept, a byte order mark is no JSON; dropped, it would be missing from what was signed.
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new StrictJsonError('', 'not UTF-8');
  }
  const value = new Parser(text).document();
  if (value instanceof JsonObject) return value;
  throw new StrictJsonError('', 'expected an object');
}

/** Printable ASCII, and no escapes but those that PEM in a text needs: Intel sends nothing else. */
const PLAIN_TEXT = /"[ !#-[\]-~]*(?:\\[nr/"\\][ !#-[\]-~]*)*"/y;
const WORD = /(?:0|[1-9][0-9]{0,14}|true|false|null)(?![0-9A-Za-z.+-])/y;

/** One line of grammar (RFC 8259 §2 to §7) a method; positions only ever grow. */
class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): Json {
    const value = this.#value('');
    this.#space();
    if (this.#at < this.#text.length) this.#fail('', 'something follows the document');
    return value;
  }

  #fail(place: string, problem: string): never {
    throw new StrictJsonError(place, `character ${String(this.#at)}: ${problem}`);
  }

  #space(): void {
    while (' \t\n\r'.includes(this.#text[this.#at] ?? 'x')) this.#at += 1;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #take(character: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #value(place: string): Json {
    this.#space();
    switch (this.#text[this.#at]) {
      case '{':
        return this.#nested(place, () => this.#object(place));
      case '[':
        return this.#nested(place, () => this.#list(place));
      case '"':
        return this.#string(place);
      default:
        return this.#word(place);
    }
  }

  #nested<T>(place: string, read: () => T): T {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) this.#fail(place, 'nested too deeply');
    const value = read();
    this.#depth -= 1;
    return value;
  }

  #object(place: string): JsonObject {
    const start = this.#at;
    const members = new Map<string, Json>();
    this.#at += 1;
    if (!this.#take('}')) {
      do {
        this.#space();
        const name = this.#string(place);
        if (members.has(name)) this.#fail(place, `member "${name}" stands twice`);
        if (!this.#take(':')) this.#fail(place, 'expected a colon');
        members.set(name, this.#value(`${place}/${name}`));
      } while (this.#take(','));
      if (!this.#take('}')) this.#fail(place, 'expected a comma or the end of an object');
    }
    return new JsonObject(members, this.#text.slice(start, this.#at), place);
  }

  #list(place: string): Json[] {
    const items: Json[] = [];
    this.#at += 1;
    if (this.#take(']')) return items;
    do items.push(this.#value(`${place}/${String(items.length)}`));
    while (this.#take(','));
    if (!this.#take(']')) this.#fail(place, 'expected a comma or the end of a list');
    return items;
  }

  #string(place: string): string {
    const found = this.#match(PLAIN_TEXT);
    if (found === undefined) return this.#fail(place, 'expected a text of plain ASCII');
    return found.includes('\\') ? (JSON.parse(found) as string) : found.slice(1, -1);
  }

  #word(place: string): number | boolean | null {
    const found = this.#match(WORD);
    if (found === undefined) return this.#fail(place, 'expected a value');
    return JSON.parse(found) as number | boolean | null;
  }
}
