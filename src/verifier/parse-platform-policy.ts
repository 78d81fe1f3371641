/** From a parsed JSON document to a platform policy, with all problems at once. */
import { fromHex } from '../../enclave/wire/bytes.ts';
import { AppraisalPolicyError, type PolicyProblem, type Skip } from './appraisal-policy.ts';
import { PLATFORM_FORMATS } from './platform-formats.ts';
import type { PlatformFormat } from './platform-format.ts';
import type {
  BindingRule,
  DebugRule,
  MeasurementRule,
  NamedMeasurement,
  NamedPlatform,
  PlatformListRule,
  PlatformPolicy,
} from './platform-policy.ts';
import { readAnchors, readSimulated, readSkip, readSource } from './policy-parts.ts';
import { PolicyReader } from './policy-reader.ts';

/** No field of any format holds more. */
const MAX_FIELD_BYTES = 1024;
const PLATFORM_ID = /^[a-z][a-z0-9-]*:[\x21-\x7e]{1,200}$/;

/**
 * Reads a platform policy from a parsed JSON document (docs/schema/platform-policy.schema.json).
 *
 * It does NOT know whether the values are good ones, and can't see a member that stands twice in the JSON text.
 * @throws AppraisalPolicyError with every problem as a JSON pointer: a missing or unknown member, an empty list,
 * a skip without a reason, a required register that is neither named nor skipped
 */
export function parsePlatformPolicy(document: unknown): PlatformPolicy {
  const problems: PolicyProblem[] = [];
  const reader = new PolicyReader(document, '', problems);
  reader.integer('v', 1, 1);
  reader.word('kind', ['platform-policy']);
  if (reader.has('$schema')) reader.text('$schema');
  const names = PLATFORM_FORMATS.map(({ name }) => name);
  const [first, ...rest] = names;
  if (first === undefined) throw new TypeError('there is no format');
  const name = reader.word('format', [first, ...rest]);
  const format = PLATFORM_FORMATS.find((one) => one.name === name) ?? PLATFORM_FORMATS[0];
  if (format === undefined) throw new TypeError('there is no format');
  const platform = reader.object(name);
  const policy: PlatformPolicy = {
    format: name,
    source: readSource(reader.object('source')),
    trustAnchors: readAnchors(reader.object('trustAnchors')),
    simulated: readSimulated(reader.object('simulated')),
    measurements: readMeasurements(reader.object('measurements'), format),
    debug: readDebug(reader.object('debug')),
    binding: readBinding(reader.object('binding'), format),
    platforms: readPlatforms(reader.object('platforms')),
    platform: format.readPolicy(platform),
  };
  for (const part of [platform, reader]) part.end();
  if (problems.length > 0) throw new AppraisalPolicyError(problems);
  return policy;
}

function readMeasurements(reader: PolicyReader, format: PlatformFormat): MeasurementRule | Skip {
  const rule = reader.word('rule', ['require', 'skip']);
  if (rule === 'skip') {
    const skip = readSkip(reader);
    reader.end();
    return skip;
  }
  const required = Object.entries(format.registers).filter(([, register]) => register.required);
  const skipped = new Map<string, string>();
  if (reader.has('skipped')) {
    const skips = reader.object('skipped');
    for (const [name] of required) if (skips.has(name)) skipped.set(name, skips.text(name));
    skips.end();
  }
  const anyOf = reader.objects('anyOf', (item) => readMeasurement(item, format, skipped));
  reader.end();
  return { rule, anyOf, skipped };
}

/** A set that leaves a required register out would accept everything in it. */
function readMeasurement(
  item: PolicyReader,
  format: PlatformFormat,
  skipped: ReadonlyMap<string, string>,
): NamedMeasurement {
  const values = new Map<string, Uint8Array>();
  const reader = item.object('values');
  for (const [name, { bytes, required, unless }] of Object.entries(format.registers)) {
    const replaced = unless?.every((other) => reader.has(other)) ?? false;
    if (reader.has(name) || (required && !replaced && !skipped.has(name))) {
      values.set(name, reader.hex(name, bytes));
    }
    if (reader.has(name) && skipped.has(name)) reader.problem(name, 'is skipped, and has a value');
  }
  if (values.size === 0) item.problem('values', 'must not be empty');
  reader.end();
  return { name: item.text('name'), notAfterMs: item.optionalTime('notAfter'), values };
}

function readDebug(reader: PolicyReader): DebugRule {
  const rule = reader.word('rule', ['deny', 'accept-debug']);
  const debug: DebugRule = rule === 'deny' ? { rule } : { rule, because: reader.text('because') };
  reader.end();
  return debug;
}

function readBinding(
  reader: PolicyReader,
  format: PlatformFormat,
): ReadonlyMap<string, BindingRule> {
  const rules = new Map<string, BindingRule>();
  for (const [name, { fixedBytes }] of Object.entries(format.fields)) {
    rules.set(name, readField(reader.object(name), fixedBytes));
  }
  reader.end();
  return rules;
}

function readField(reader: PolicyReader, fixedBytes: number | undefined): BindingRule {
  const rule = reader.word('rule', ['equals', 'nonce', 'given', 'absent', 'skip']);
  let read: BindingRule;
  if (rule === 'skip') read = readSkip(reader);
  else if (rule === 'equals') read = { rule, value: readValue(reader, fixedBytes) };
  else read = { rule };
  reader.end();
  return read;
}

function readValue(reader: PolicyReader, fixedBytes = MAX_FIELD_BYTES): Uint8Array {
  const hex = reader.long('value');
  if (/^(?:[0-9a-f]{2})+$/.test(hex) && hex.length <= 2 * fixedBytes) return fromHex(hex);
  if (hex !== '') {
    reader.problem('value', `must be 1 to ${String(fixedBytes)} bytes as lower-case hex`);
  } else if (reader.has('value')) reader.problem('value', 'must not be empty');
  return new Uint8Array(0);
}

function readPlatforms(reader: PolicyReader): PlatformListRule {
  const rule = reader.word('rule', ['require', 'skip']);
  const platforms: PlatformListRule =
    rule === 'skip'
      ? readSkip(reader)
      : {
          rule,
          anyOf: reader.objects('anyOf', (item): NamedPlatform => ({
            name: item.text('name'),
            id: item.text('id', PLATFORM_ID, 'kind:value, as inspect prints it'),
            notAfterMs: item.optionalTime('notAfter'),
          })),
        };
  reader.end();
  return platforms;
}
