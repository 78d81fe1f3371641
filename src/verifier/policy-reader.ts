/**
 * Reads a document that a person wrote: unknown members and wrong types are collected with their JSON pointers
 * (RFC 6901), so that one run tells all of them. A reader goes on with a stand-in after a problem; the caller
 * throws in the end.
 */
import { fromHex } from '../../enclave/wire/bytes.ts';
import type { PolicyProblem } from './appraisal-policy.ts';

/** Longest text of a policy: reasons and names are for people. */
const MAX_TEXT = 500;

const RFC_3339_UTC = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/;

export class PolicyReader {
  readonly #members: ReadonlyMap<string, unknown>;
  /** What is missing as a whole has been reported as a whole: its members are not. */
  readonly #absent: boolean;
  readonly #pointer: string;
  readonly #problems: PolicyProblem[];
  readonly #asked = new Set<string>();

  constructor(value: unknown, pointer: string, problems: PolicyProblem[]) {
    this.#pointer = pointer;
    this.#problems = problems;
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    this.#absent = !isObject;
    if (!isObject) this.#report(pointer, value === undefined ? 'missing' : 'must be an object');
    this.#members = new Map(isObject ? Object.entries(value) : []);
  }

  #report(pointer: string, problem: string): void {
    this.#problems.push({ pointer: pointer === '' ? '/' : pointer, problem });
  }

  #at(name: string): string {
    return `${this.#pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  }

  problem(name: string, problem: string): void {
    if (!this.#absent) this.#report(this.#at(name), problem);
  }

  has(name: string): boolean {
    return this.#members.has(name);
  }

  #take(name: string): unknown {
    this.#asked.add(name);
    return this.#members.get(name);
  }

  object(name: string): PolicyReader {
    const problems = this.#absent ? [] : this.#problems;
    return new PolicyReader(this.#take(name), this.#at(name), problems);
  }

  /** One of a closed list of words; the first one stands in. */
  word<const T extends string>(name: string, words: readonly [T, ...T[]]): T {
    const value = this.#take(name);
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) {
      this.problem(name, value === undefined ? 'missing' : `must be ${words.join(' or ')}`);
    }
    return word ?? words[0];
  }

  text(name: string, pattern = /^[^\p{C}]*[^\p{C}\s][^\p{C}]*$/u, what = 'a text'): string {
    const value = this.#take(name);
    if (typeof value === 'string' && value.length <= MAX_TEXT && pattern.test(value)) return value;
    this.problem(name, value === undefined ? 'missing' : `must be ${what}`);
    return '';
  }

  integer(name: string, min: number, max: number): number {
    const value = this.#take(name);
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max)
      return value;
    this.problem(
      name,
      value === undefined ? 'missing' : `must be an integer from ${String(min)} to ${String(max)}`,
    );
    return min;
  }

  hex(name: string, bytes: number): Uint8Array {
    const pattern = new RegExp(`^[0-9a-f]{${String(2 * bytes)}}$`);
    const text = this.text(name, pattern, `${String(bytes)} bytes as lower-case hex`);
    return fromHex(text);
  }

  /** Unix milliseconds; undefined when absent. */
  optionalTime(name: string): number | undefined {
    if (!this.has(name)) return undefined;
    const text = this.text(name, RFC_3339_UTC, 'a time like 2027-01-31T00:00:00Z');
    const at = Date.parse(text);
    if (text !== '' && Number.isNaN(at)) this.problem(name, 'no such time');
    return at;
  }

  /** Text of any length, for what is not a name or a reason. */
  long(name: string): string {
    const value = this.#take(name);
    if (typeof value === 'string') return value;
    this.problem(name, value === undefined ? 'missing' : 'must be a text');
    return '';
  }

  /** A list that is never empty: an empty one would accept nothing or, worse, be read as "anything". */
  list<T>(name: string, read: (item: unknown, pointer: string) => T): T[] {
    const value = this.#take(name);
    const items = Array.isArray(value) ? (value as readonly unknown[]) : undefined;
    if (items === undefined || items.length === 0) {
      const wrong = items === undefined ? 'must be a list' : 'must not be empty';
      this.problem(name, value === undefined ? 'missing' : wrong);
      return [];
    }
    return items.map((item, i) => read(item, `${this.#at(name)}/${String(i)}`));
  }

  objects<T>(name: string, read: (reader: PolicyReader) => T): T[] {
    return this.list(name, (item, pointer) => {
      const reader = new PolicyReader(item, pointer, this.#problems);
      const result = read(reader);
      reader.end();
      return result;
    });
  }

  texts(name: string, wanted: RegExp | ((text: string) => boolean), what: string): string[] {
    const accepts = wanted instanceof RegExp ? (text: string) => wanted.test(text) : wanted;
    const texts = this.list(name, (item, pointer) => {
      if (typeof item === 'string' && accepts(item)) return item;
      this.#report(pointer, `must be ${what}`);
      return '';
    });
    if (new Set(texts).size !== texts.length) this.problem(name, 'says something twice');
    return texts;
  }

  /** Call last: refuses members that nobody asked for. */
  end(): void {
    for (const name of this.#members.keys()) {
      if (!this.#asked.has(name)) this.#report(this.#at(name), 'unknown member');
    }
  }
}
