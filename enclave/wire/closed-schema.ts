/**
 * Readers for signed JSON with a closed schema: every member must be asked for, and what was not
 * asked for is refused. Problems carry a JSON pointer.
 */
import { fromHex } from './bytes.ts';
import {
  pointerStep,
  SignedJsonError,
  type SignedJson,
  type SignedJsonObject,
} from './signed-json.ts';

export class ObjectReader {
  readonly #object: SignedJsonObject;
  readonly #place: string;
  readonly #asked = new Set<string>();

  constructor(value: SignedJson | undefined, place = '') {
    if (typeof value !== 'object' || Array.isArray(value)) {
      throw new SignedJsonError(place, 'expected an object');
    }
    this.#object = value as SignedJsonObject;
    this.#place = place;
  }

  /** `name` is a member, or a path below this object. */
  fail(name: string, problem: string): never {
    throw new SignedJsonError(`${this.#place}/${name}`, problem);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#object, name);
  }

  #take(name: string): SignedJson | undefined {
    this.#asked.add(name);
    return this.has(name) ? this.#object[name] : undefined;
  }

  string(name: string, pattern: RegExp): string {
    const value = this.#take(name);
    if (typeof value !== 'string') return this.fail(name, 'expected a string');
    if (!pattern.test(value)) return this.fail(name, `expected ${pattern.source}`);
    return value;
  }

  oneOf<T extends string>(name: string, words: readonly T[]): T {
    const value = this.#take(name);
    const word = words.find((candidate) => candidate === value);
    return word ?? this.fail(name, `expected one of ${words.join(', ')}`);
  }

  hex(name: string, bytes: number): Uint8Array {
    const value = this.#take(name);
    if (typeof value !== 'string' || value.length !== 2 * bytes || !/^[0-9a-f]*$/.test(value)) {
      return this.fail(name, `expected ${String(bytes)} bytes as lower-case hex`);
    }
    return fromHex(value);
  }

  integer(name: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.#take(name);
    if (typeof value !== 'number' || value < min || value > max) {
      return this.fail(name, `expected an integer from ${String(min)} to ${String(max)}`);
    }
    return value;
  }

  boolean(name: string): boolean {
    const value = this.#take(name);
    return typeof value === 'boolean' ? value : this.fail(name, 'expected true or false');
  }

  object(name: string): ObjectReader {
    return new ObjectReader(this.#take(name), `${this.#place}/${name}`);
  }

  objects(name: string, max: number): ObjectReader[] {
    const value = this.#take(name);
    if (!Array.isArray(value)) return this.fail(name, 'expected an array');
    const items = value as readonly SignedJson[];
    if (items.length > max) return this.fail(name, `expected at most ${String(max)} items`);
    return items.map((item, i) => new ObjectReader(item, `${this.#place}/${name}/${String(i)}`));
  }

  strings(name: string, pattern: RegExp, max: number): string[] {
    const value = this.#take(name);
    if (!Array.isArray(value)) return this.fail(name, 'expected an array');
    const items = value as readonly SignedJson[];
    if (items.length > max) return this.fail(name, `expected at most ${String(max)} items`);
    return items.map((item, i) => {
      if (typeof item === 'string' && pattern.test(item)) return item;
      return this.fail(`${name}/${String(i)}`, `expected ${pattern.source}`);
    });
  }

  /** Call last: refuses members that nobody asked for. */
  end(): void {
    for (const name of Object.keys(this.#object)) {
      if (this.#asked.has(name)) continue;
      throw new SignedJsonError(this.#place + pointerStep(name), 'unknown member');
    }
  }
}
