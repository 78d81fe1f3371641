/** The members `tdx` and `sgx` of a platform policy (docs/platforms/tdx.md, docs/platforms/sgx.md). */
import type { Skip } from '../../appraisal-policy.ts';
import type { PolicyReader } from '../../policy-reader.ts';
import { readSkip } from '../../policy-parts.ts';
import { TCB_STATUSES, type TcbStatus } from './tcb-status.ts';

/** One advisory that is accepted for a time. */
export interface AdvisoryException {
  /** INTEL-SA-NNNNN */
  readonly id: string;
  /** From then on it is not accepted any more. */
  readonly notAfterMs: number;
  readonly because: string;
}

export type AdvisoryRule =
  | { readonly rule: 'refuse' }
  | { readonly rule: 'except'; readonly anyOf: readonly AdvisoryException[] }
  | Skip;

/** A bit string that must have a value where the mask has ones. */
export type MaskedRule =
  { readonly rule: 'require'; readonly mask: Uint8Array; readonly value: Uint8Array } | Skip;

export type NumberRule = { readonly rule: 'require'; readonly atLeast: number } | Skip;

export interface DcapPolicy {
  readonly tcbStatuses: readonly TcbStatus[];
  readonly advisories: AdvisoryRule;
  readonly evaluationNumber: NumberRule;
  readonly collateralAge: { readonly rule: 'require'; readonly maxDays: number } | Skip;
  readonly trailingBytes:
    { readonly rule: 'refuse' } | { readonly rule: 'accept-zeros'; readonly because: string };
}

export interface TdxPolicy extends DcapPolicy {
  /** 8 bytes each, as they stand in the report. */
  readonly tdAttributes: MaskedRule;
  readonly xfam: MaskedRule;
}

export interface SgxPolicy extends DcapPolicy {
  /** 16 bytes each: flags, then XFRM, as they stand in the report. */
  readonly attributes: MaskedRule;
  readonly isvSvn: NumberRule;
}

/** Revoked is no status that anybody may accept. */
const ACCEPTABLE = TCB_STATUSES.filter((status) => status !== 'Revoked');
const STATUS = new RegExp(`^(?:${ACCEPTABLE.join('|')})$`);
const ADVISORY = /^INTEL-SA-\d{5}$/;
const MAX_DAYS = 3650;
const U16 = 0xffff;
const U32 = 0xffff_ffff;

export function readTdxPolicy(reader: PolicyReader): TdxPolicy {
  return {
    ...readCommon(reader),
    tdAttributes: readMasked(reader.object('tdAttributes'), 8),
    xfam: readMasked(reader.object('xfam'), 8),
  };
}

export function readSgxPolicy(reader: PolicyReader): SgxPolicy {
  return {
    ...readCommon(reader),
    attributes: readMasked(reader.object('attributes'), 16),
    isvSvn: readNumber(reader.object('isvSvn'), U16),
  };
}

function readCommon(reader: PolicyReader): DcapPolicy {
  const statuses = reader.object('tcbStatus');
  statuses.word('rule', ['require']);
  const accepted = statuses.texts('anyOf', STATUS, ACCEPTABLE.join(' or '));
  statuses.end();
  return {
    tcbStatuses: ACCEPTABLE.filter((status) => accepted.includes(status)),
    advisories: readAdvisories(reader.object('advisories')),
    evaluationNumber: readNumber(reader.object('evaluationNumber'), U32),
    collateralAge: readAge(reader.object('collateralAge')),
    trailingBytes: readTrailing(reader.object('trailingBytes')),
  };
}

function readAdvisories(reader: PolicyReader): AdvisoryRule {
  const rule = reader.word('rule', ['refuse', 'except', 'skip']);
  let advisories: AdvisoryRule;
  if (rule === 'skip') advisories = readSkip(reader);
  else if (rule === 'refuse') advisories = { rule };
  else {
    const anyOf = reader.objects('anyOf', (item) => ({
      id: item.text('id', ADVISORY, 'an advisory like INTEL-SA-00615'),
      // An exception without an end would outlive whoever weighed it.
      notAfterMs: item.has('notAfter') ? (item.optionalTime('notAfter') ?? 0) : missing(item),
      because: item.text('because'),
    }));
    const ids = anyOf.map(({ id }) => id);
    if (new Set(ids).size < ids.length) reader.problem('anyOf', 'says something twice');
    advisories = { rule, anyOf };
  }
  reader.end();
  return advisories;
}

function missing(item: PolicyReader): number {
  item.problem('notAfter', 'missing');
  return 0;
}

function readNumber(reader: PolicyReader, max: number): NumberRule {
  const rule = reader.word('rule', ['require', 'skip']);
  const number =
    rule === 'skip' ? readSkip(reader) : { rule, atLeast: reader.integer('atLeast', 0, max) };
  reader.end();
  return number;
}

function readAge(reader: PolicyReader): DcapPolicy['collateralAge'] {
  const rule = reader.word('rule', ['require', 'skip']);
  const age =
    rule === 'skip' ? readSkip(reader) : { rule, maxDays: reader.integer('maxDays', 1, MAX_DAYS) };
  reader.end();
  return age;
}

function readTrailing(reader: PolicyReader): DcapPolicy['trailingBytes'] {
  const rule = reader.word('rule', ['refuse', 'accept-zeros']);
  const trailing = rule === 'refuse' ? { rule } : { rule, because: reader.text('because') };
  reader.end();
  return trailing;
}

function readMasked(reader: PolicyReader, bytes: number): MaskedRule {
  const rule = reader.word('rule', ['require', 'skip']);
  let masked: MaskedRule;
  if (rule === 'skip') masked = readSkip(reader);
  else {
    const mask = reader.hex('mask', bytes);
    const value = reader.hex('value', bytes);
    if (mask.byteLength > 0 && mask.every((byte) => byte === 0)) {
      reader.problem('mask', 'asks for nothing: skip it, and say why');
    }
    if (value.some((byte, i) => (byte & ~(mask[i] ?? 0)) !== 0)) {
      reader.problem('value', 'has a bit that the mask leaves out');
    }
    masked = { rule, mask, value };
  }
  reader.end();
  return masked;
}
