/** What a policy wants of TCB, collateral and attributes of a DCAP quote. */
import { toHex } from '../../../../enclave/wire/bytes.ts';
import { judge, moment, notChecked, type Check } from '../../check.ts';
import { CLAUSE } from './clauses.ts';
import type { DcapPolicy, MaskedRule, NumberRule, SgxPolicy, TdxPolicy } from './policy.ts';
import { equalMasked } from './tcb-matching.ts';
import type { DcapFacts } from './verify-dcap.ts';

const DAY_MS = 86_400_000;

export function appraiseTdx(facts: DcapFacts, policy: TdxPolicy, now: number): Check[] {
  const { body } = facts.quote;
  const [tdAttributes, xfam] =
    body.tee === 'tdx' ? [body.tdAttributes, body.xfam] : [undefined, undefined];
  return [
    ...appraiseDcap(facts, policy, now),
    maskedCheck('td-attributes', tdAttributes, policy.tdAttributes, CLAUSE.tdAttributes),
    maskedCheck('xfam', xfam, policy.xfam, CLAUSE.tdAttributes),
  ];
}

export function appraiseSgx(facts: DcapFacts, policy: SgxPolicy, now: number): Check[] {
  const { body } = facts.quote;
  const [attributes, isvSvn] =
    body.tee === 'sgx' ? [body.attributes, body.isvSvn] : [undefined, undefined];
  return [
    ...appraiseDcap(facts, policy, now),
    maskedCheck('sgx-attributes', attributes, policy.attributes, CLAUSE.sgxAttributes),
    atLeastCheck(
      'isv-svn',
      isvSvn,
      policy.isvSvn,
      'a release that must not be trusted any more',
      CLAUSE.enclave,
    ),
  ];
}

function appraiseDcap(facts: DcapFacts, policy: DcapPolicy, now: number): Check[] {
  return [
    statusCheck(facts, policy),
    advisoryCheck(facts, policy, now),
    ...facts.documents.map(({ id, document }) =>
      atLeastCheck(
        `${id}-evaluation-number`,
        document.evaluationNumber,
        policy.evaluationNumber,
        'an older evaluation by Intel: it does not know what was found since',
        CLAUSE.evaluation,
      ),
    ),
    ageCheck(facts, policy, now),
    trailingCheck(facts, policy),
  ];
}

const NO_LEVEL = 'without a level of Intel’s documents nobody knows how good the platform is';

/** Revoked is in no policy's list, so it always fails. */
function statusCheck({ tcb }: DcapFacts, { tcbStatuses }: DcapPolicy): Check {
  return judge(tcb !== undefined && tcbStatuses.includes(tcb.status), {
    id: 'tcb-status',
    expected: tcbStatuses.join(' or '),
    found: tcb?.status ?? 'not known: there is no level',
    otherwise:
      tcb === undefined ? NO_LEVEL : 'a platform in this state is not one that the policy accepts',
    clause: CLAUSE.tcbLevel,
  });
}

function advisoryCheck({ tcb }: DcapFacts, { advisories: rule }: DcapPolicy, now: number): Check {
  const id = 'tcb-advisories';
  const found = tcb?.advisories.join(', ') ?? 'not known: there is no level';
  if (rule.rule === 'skip') return notChecked(id, found, rule.because);
  const granted = rule.rule === 'except' ? rule.anyOf : [];
  const good = granted.filter(({ notAfterMs }) => now < notAfterMs).map((one) => one.id);
  const open = tcb?.advisories.filter((one) => !good.includes(one)) ?? [];
  const lapsed = granted.filter((one) => open.includes(one.id));
  return judge(tcb !== undefined && open.length === 0, {
    id,
    expected: good.length === 0 ? 'none' : `none but ${good.join(', ')}`,
    found: tcb === undefined ? found : open.join(', ') || found || 'none',
    otherwise:
      tcb === undefined
        ? NO_LEVEL
        : lapsed
            .map((one) => `${one.id} was accepted until ${moment(one.notAfterMs)}`)
            .join('; ') || 'vulnerabilities of this platform that the policy does not accept',
    clause: CLAUSE.tcbLevel,
  });
}

function atLeastCheck(
  id: string,
  found: number | undefined,
  rule: NumberRule,
  otherwise: string,
  clause: string,
): Check {
  const text = found === undefined ? 'absent' : String(found);
  if (rule.rule === 'skip') return notChecked(id, text, rule.because);
  return judge(found !== undefined && found >= rule.atLeast, {
    id,
    expected: `at least ${String(rule.atLeast)}`,
    found: text,
    otherwise,
    clause,
  });
}

/** What is valid for a month may be asked for afresh more often. Lists of the root are made once a year. */
function ageCheck({ issued }: DcapFacts, { collateralAge: rule }: DcapPolicy, now: number): Check {
  const id = 'collateral-age';
  const text = issued.map(({ what, atMs }) => `${what} of ${moment(atMs)}`).join('; ') || 'none';
  if (rule.rule === 'skip') return notChecked(id, text, rule.because);
  const old = issued.filter(({ atMs }) => now - atMs > rule.maxDays * DAY_MS);
  return judge(issued.length > 0 && old.length === 0, {
    id,
    expected: `at most ${String(rule.maxDays)} days old`,
    found: old.map(({ what, atMs }) => `${what} of ${moment(atMs)}`).join('; ') || text,
    otherwise:
      issued.length === 0
        ? 'nothing of it could be read'
        : 'old collateral hides what was found since',
    clause: CLAUSE.evaluation,
  });
}

/** Nobody signs them. Interfaces that hand out buffers of a fixed size leave zeros behind the quote. */
function trailingCheck({ quote }: DcapFacts, { trailingBytes: rule }: DcapPolicy): Check {
  const { trailing } = quote;
  const zeros = trailing.every((byte) => byte === 0);
  const length = String(trailing.byteLength);
  const question = {
    id: 'trailing-bytes',
    expected: rule.rule === 'refuse' ? 'none' : 'none but zeros',
    found: trailing.byteLength === 0 ? 'none' : `${length} bytes${zeros ? ', all zero' : ''}`,
    otherwise: 'bytes behind the quote that nobody signed: cut them off, or accept zeros',
    clause: CLAUSE.quote,
  };
  if (trailing.byteLength === 0) return judge(true, question);
  return judge(zeros && rule.rule === 'accept-zeros', question);
}

function maskedCheck(
  id: string,
  found: Uint8Array | undefined,
  rule: MaskedRule,
  clause: string,
): Check {
  const text = found === undefined ? 'absent' : toHex(found);
  if (rule.rule === 'skip') return notChecked(id, text, rule.because);
  return judge(found !== undefined && equalMasked(found, rule.value, rule.mask), {
    id,
    expected: `${toHex(rule.value)} under the mask ${toHex(rule.mask)}`,
    found: text,
    otherwise: 'features that the policy does not accept, or without those that it wants',
    clause,
  });
}
