/**
 * The part of JSON Schema 2020-12 that our schemas use, so that a test can hold schema and parser against each other.
 * A keyword that it does not know is an error of the test.
 */
type Schema = Readonly<Record<string, unknown>>;

const ANNOTATIONS = new Set(['$schema', '$id', '$defs', 'title', 'description']);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

type Keyword = (argument: unknown, value: unknown, schema: Schema, root: Schema) => boolean;

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: isObject,
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  integer: Number.isInteger,
};

const KEYWORDS: Readonly<Record<string, Keyword>> = {
  type: (name, value) => TYPES[String(name)]?.(value) === true,
  const: (wanted, value) => value === wanted,
  enum: (wanted, value) => (wanted as unknown[]).includes(value),
  pattern: (text, value) => typeof value !== 'string' || new RegExp(String(text), 'u').test(value),
  minLength: (least, value) => typeof value !== 'string' || value.length >= Number(least),
  maxLength: (most, value) => typeof value !== 'string' || value.length <= Number(most),
  minimum: (least, value) => typeof value !== 'number' || value >= Number(least),
  maximum: (most, value) => typeof value !== 'number' || value <= Number(most),
  minProperties: (least, value) => !isObject(value) || Object.keys(value).length >= Number(least),
  minItems: (least, value) => !Array.isArray(value) || value.length >= Number(least),
  maxItems: (most, value) => !Array.isArray(value) || value.length <= Number(most),
  uniqueItems: (_, value) => !Array.isArray(value) || new Set(value).size === value.length,
  items: (schema, value, _, root) =>
    !Array.isArray(value) || value.every((item) => matchesSchema(item, schema as Schema, root)),
  required: (names, value) =>
    !isObject(value) || (names as string[]).every((name) => Object.hasOwn(value, name)),
  additionalProperties: (allowed, value, schema) =>
    allowed !== false ||
    !isObject(value) ||
    Object.keys(value).every((name) => Object.hasOwn(schema['properties'] as Schema, name)),
  properties: (schemas, value, _, root) =>
    !isObject(value) ||
    Object.entries(schemas as Readonly<Record<string, Schema>>).every(
      ([name, schema]) => !Object.hasOwn(value, name) || matchesSchema(value[name], schema, root),
    ),
  oneOf: (schemas, value, _, root) =>
    (schemas as Schema[]).filter((schema) => matchesSchema(value, schema, root)).length === 1,
  anyOf: (schemas, value, _, root) =>
    (schemas as Schema[]).some((schema) => matchesSchema(value, schema, root)),
  allOf: (schemas, value, _, root) =>
    (schemas as Schema[]).every((schema) => matchesSchema(value, schema, root)),
  not: (schema, value, _, root) => !matchesSchema(value, schema as Schema, root),
  $ref: (pointer, value, _, root) => {
    const name = String(pointer).replace('#/$defs/', '');
    const target = (root['$defs'] as Readonly<Record<string, Schema>>)[name];
    if (target === undefined) throw new Error(`${String(pointer)} leads nowhere`);
    return matchesSchema(value, target, root);
  },
};

export function matchesSchema(value: unknown, schema: Schema, root: Schema = schema): boolean {
  return Object.entries(schema).every(([name, argument]) => {
    if (ANNOTATIONS.has(name)) return true;
    const keyword = KEYWORDS[name];
    if (keyword === undefined) throw new Error(`unknown keyword ${name}`);
    return keyword(argument, value, schema, root);
  });
}
