/**
 * YAML as people write policies, read so that it can mean one thing only: YAML 1.2 core schema without anchors,
 * aliases, tags, merge keys, null, floats, or a key that stands twice. Problems carry a JSON pointer and a line.
 */
import { LineCounter, isAlias, isMap, isScalar, isSeq, parseAllDocuments } from 'yaml';
import type { Document, Node, Scalar } from 'yaml';
import { pointerStep } from '../../../enclave/wire/signed-json.ts';
import type { SignedJson } from '../../../enclave/wire/signed-json.ts';

export interface YamlProblem {
  /** JSON pointer; empty for the document. */
  readonly place: string;
  /** From 1; undefined when there is none. */
  readonly line: number | undefined;
  readonly problem: string;
}

export interface YamlSource {
  readonly value: SignedJson;
  readonly problems: readonly YamlProblem[];
  /** Line of a place, or of the nearest thing around it. */
  lineOf(place: string): number | undefined;
}

/** Decimal as JSON writes it: YAML's 0o17, 0x1f and +1 are numbers to it, and riddles to people. */
const DECIMAL = /^-?(?:0|[1-9][0-9]*)$/;

export function readYaml(text: string): YamlSource {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    version: '1.2',
    schema: 'core',
    merge: false,
    intAsBigInt: true,
    strict: true,
    uniqueKeys: true,
    stringKeys: true,
    lineCounter: lines,
  });
  const reader = new Reader(lines);
  // With nothing in it the parser returns an empty list that carries the errors itself.
  const [first, second] = Array.isArray(documents) ? (documents as readonly Document[]) : [];
  if (first === undefined) reader.tell('', undefined, 'there is nothing in it');
  if (second !== undefined) reader.tell('', second.contents, 'a second document begins here');
  for (const { message, pos } of [...(first?.errors ?? []), ...(first?.warnings ?? [])]) {
    reader.problems.push({
      place: '',
      line: lines.linePos(pos[0]).line,
      problem: message.split('\n', 1)[0] ?? message,
    });
  }
  const value = first === undefined ? {} : reader.read(first.contents, '');
  return {
    value,
    problems: reader.problems,
    lineOf: (place) => reader.lineOf(place),
  };
}

class Reader {
  readonly problems: YamlProblem[] = [];
  readonly #lines: LineCounter;
  readonly #lineOfPlace = new Map<string, number>();

  constructor(lines: LineCounter) {
    this.#lines = lines;
  }

  lineOf(place: string): number | undefined {
    for (let at = place; ; at = at.slice(0, at.lastIndexOf('/'))) {
      const line = this.#lineOfPlace.get(at);
      if (line !== undefined || at === '') return line;
    }
  }

  tell(place: string, node: Node | null | undefined, problem: string): void {
    this.problems.push({ place, line: this.#line(node), problem });
  }

  #line(node: Node | null | undefined): number | undefined {
    const offset = node?.range?.[0];
    return offset === undefined ? undefined : this.#lines.linePos(offset).line;
  }

  /** Reads on after a problem, so that all are told at once. */
  read(node: Node | null | undefined, place: string): SignedJson {
    const line = this.#line(node);
    if (line !== undefined) this.#lineOfPlace.set(place, line);
    if (isAlias(node)) return this.#refused(place, node, 'an alias: write the value out', '');
    if (node?.tag !== undefined) this.tell(place, node, `a tag (${node.tag}): leave it away`);
    if (isMap(node)) return this.#map(node, place);
    if (isSeq(node)) {
      if (node.anchor !== undefined) this.tell(place, node, 'an anchor: leave it away');
      return node.items.map((item, i) => this.read(item as Node, `${place}/${String(i)}`));
    }
    if (isScalar(node)) return this.#scalar(node, place);
    return this.#refused(place, node, 'nothing stands here', '');
  }

  #map(node: { items: readonly unknown[]; anchor?: string }, place: string): SignedJson {
    if (node.anchor !== undefined)
      this.tell(place, node as unknown as Node, 'an anchor: leave it away');
    const entries = (node.items as readonly { key: unknown; value: unknown }[]).map(
      ({ key, value }): [string, SignedJson] => {
        const name = isScalar(key) && typeof key.value === 'string' ? key.value : '';
        return [name, this.read(value as Node | null, place + pointerStep(name))];
      },
    );
    return Object.fromEntries(entries);
  }

  #scalar(node: Scalar, place: string): SignedJson {
    if (node.anchor !== undefined) this.tell(place, node, 'an anchor: leave it away');
    const { value, source } = node;
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return value;
      case 'bigint':
        return this.#integer(value, node, place);
      case 'number':
        return this.#refused(
          place,
          node,
          `not an integer: ${source ?? String(value)}; quote it if it is text`,
          0,
        );
      default:
        return this.#refused(place, node, 'nothing stands here', '');
    }
  }

  #integer(value: bigint, node: Scalar, place: string): SignedJson {
    const { source } = node;
    if (source === undefined || !DECIMAL.test(source)) {
      return this.#refused(place, node, `not decimal: ${source ?? ''}; quote it if it is text`, 0);
    }
    if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < -BigInt(Number.MAX_SAFE_INTEGER)) {
      return this.#refused(place, node, `not below 2^53: ${source}; quote it if it is text`, 0);
    }
    return Number(value);
  }

  #refused(place: string, node: Node | null | undefined, problem: string, instead: SignedJson) {
    this.tell(place, node, problem);
    return instead;
  }
}
