/**
 * Readers for signed JSON with a closed schema: every member must be asked for, and what was not
 * asked for is refused. Problems carry a JSON pointer. The first one is thrown; a reader that was given a
 * list collects all of them instead, and reads on with a value that fits.
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
  readonly #collected: SignedJsonError[] | undefined;

  constructor(value: SignedJson | undefined, place = '', collected?: SignedJsonError[]) {
    this.#place = place;
    this.#collected = collected;
    if (typeof value !== 'object' || Array.isArray(value)) {
      tell(new SignedJsonError(place, 'expected an object'), collected);
      this.#object = {};
      // What an object that is not there lacks is no further problem.
      this.#collected = [];
      return;
    }
    this.#object = value as SignedJsonObject;
  }

  /** Throws, or collects. `name` is a member, or a path below this object. */
  problem(name: string, problem: string): void {
    tell(new SignedJsonError(`${this.#place}/${name}`, problem), this.#collected);
  }

  #problem<T>(name: string, problem: string, instead: T): T {
    this.problem(name, problem);
    return instead;
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
    if (typeof value !== 'string') return this.#problem(name, 'expected a string', '');
    if (!pattern.test(value)) return this.#problem(name, `expected ${pattern.source}`, value);
    return value;
  }

  oneOf<T extends string>(name: string, words: readonly T[]): T {
    const value = this.#take(name);
    const [first] = words;
    if (first === undefined) throw new RangeError('no words to choose from');
    const word = words.find((candidate) => candidate === value);
    return word ?? this.#problem(name, `expected one of ${words.join(', ')}`, first);
  }

  hex(name: string, bytes: number): Uint8Array {
    const value = this.#take(name);
    if (typeof value !== 'string' || value.length !== 2 * bytes || !/^[0-9a-f]*$/.test(value)) {
      const expected = `expected ${String(bytes)} bytes as lower-case hex`;
      return this.#problem(name, expected, new Uint8Array(bytes));
    }
    return fromHex(value);
  }

  integer(name: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.#take(name);
    if (typeof value !== 'number' || value < min || value > max) {
      return this.#problem(name, `expected an integer from ${String(min)} to ${String(max)}`, min);
    }
    return value;
  }

  boolean(name: string): boolean {
    const value = this.#take(name);
    if (typeof value === 'boolean') return value;
    return this.#problem(name, 'expected true or false', false);
  }

  object(name: string): ObjectReader {
    return new ObjectReader(this.#take(name), `${this.#place}/${name}`, this.#collected);
  }

  objects(name: string, max: number): ObjectReader[] {
    const value = this.#take(name);
    return this.#items(name, value, max).map(
      (item, i) => new ObjectReader(item, `${this.#place}/${name}/${String(i)}`, this.#collected),
    );
  }

  #items(name: string, value: SignedJson | undefined, max: number): readonly SignedJson[] {
    if (!Array.isArray(value)) return this.#problem(name, 'expected an array', []);
    const items = value as readonly SignedJson[];
    if (items.length <= max) return items;
    return this.#problem(name, `expected at most ${String(max)} items`, []);
  }

  strings(name: string, pattern: RegExp, max: number): string[] {
    const value = this.#take(name);
    return this.#items(name, value, max).map((item, i) => {
      if (typeof item === 'string' && pattern.test(item)) return item;
      return this.#problem(`${name}/${String(i)}`, `expected ${pattern.source}`, '');
    });
  }

  /** Call last: refuses members that nobody asked for. */
  end(): void {
    for (const name of Object.keys(this.#object)) {
      if (this.#asked.has(name)) continue;
      tell(new SignedJsonError(this.#place + pointerStep(name), 'unknown member'), this.#collected);
    }
  }
}

function tell(problem: SignedJsonError, collected: SignedJsonError[] | undefined): void {
  if (collected === undefined) throw problem;
  collected.push(problem);
}
