/** From a parsed JSON document to an appraisal policy, with all problems at once. */
import { parseSshKeyLine } from '../../enclave/wire/ssh-key.ts';
import { SshError } from '../../enclave/wire/ssh-reader.ts';
import {
  AppraisalPolicyError,
  type AppraisalPolicy,
  type ClusterRule,
  type HostAssertedRule,
  type PolicyProblem,
  type RefuseNone,
  type RequireAll,
  type RequireValue,
  type RequireWord,
  type Skip,
  type TimeRule,
} from './appraisal-policy.ts';
import { readAnchors, readSimulated, readSkip, readSource } from './policy-parts.ts';
import { PolicyReader } from './policy-reader.ts';

const REGISTER_BYTES = 48;
const DIGEST_BYTES = 32;
const MAX_SVN = 0xffff_ffff;
const MAX_AGE_SECONDS = 3600;
const WORD = /^[a-z0-9][a-z0-9-]{0,63}$/;
/**
 * Reads an appraisal policy from a parsed JSON document (docs/schema/appraisal-policy.schema.json).
 *
 * It does NOT know whether reference values or anchors are good ones, and can't see a member that stands twice
 * in the JSON text: JSON.parse keeps the last.
 * @throws AppraisalPolicyError with every problem as a JSON pointer: a missing or unknown member, an empty list,
 * a skip without a reason
 */
export function parseAppraisalPolicy(document: unknown): AppraisalPolicy {
  const problems: PolicyProblem[] = [];
  const reader = new PolicyReader(document, '', problems);
  reader.integer('v', 1, 1);
  reader.word('kind', ['appraisal-policy']);
  // Editors find the schema by this; it has no meaning here.
  if (reader.has('$schema')) reader.text('$schema');
  const registers = reader.object('registers');
  const svn = reader.object('svn');
  const debug = reader.object('debug');
  const policy: AppraisalPolicy = {
    source: readSource(reader.object('source')),
    trustAnchors: readAnchors(reader.object('trustAnchors')),
    simulated: readSimulated(reader.object('simulated')),
    registers: {
      MR0: readValues(registers.object('MR0'), REGISTER_BYTES),
      MR1: readValues(registers.object('MR1'), REGISTER_BYTES),
      MR2: readValues(registers.object('MR2'), REGISTER_BYTES),
    },
    svnAtLeast: svn.integer('atLeast', 0, MAX_SVN),
    cluster: readCluster(reader.object('cluster')),
    policyDigest: readValues(reader.object('policyDigest'), DIGEST_BYTES),
    tokenChannel: readWordsOrNone(reader.object('tokenChannel')),
    anchor: readWordsOrNone(reader.object('anchor')),
    provisioning: readWords(reader.object('provisioning')),
    hostAssertedRings: readHostAsserted(reader.object('hostAssertedRings')),
    hardening: readAllWords(reader.object('hardening')),
    time: readTime(reader.object('time')),
  };
  svn.word('rule', ['require']);
  // One word only: a debugged enclave has no secrets, so no rule could make it acceptable.
  debug.word('rule', ['deny']);
  for (const part of [registers, svn, debug, reader]) part.end();
  if (problems.length > 0) throw new AppraisalPolicyError(problems);
  return policy;
}

function readValues(reader: PolicyReader, bytes: number): RequireValue | Skip {
  const rule = reader.word('rule', ['require', 'skip']);
  const values: RequireValue | Skip =
    rule === 'skip'
      ? readSkip(reader)
      : {
          rule,
          anyOf: reader.objects('anyOf', (item) => ({
            name: item.text('name'),
            value: item.hex('value', bytes),
            notAfterMs: item.optionalTime('notAfter'),
          })),
        };
  reader.end();
  return values;
}

function readWords(reader: PolicyReader): RequireWord | Skip {
  const rule = reader.word('rule', ['require', 'skip']);
  const words = rule === 'skip' ? readSkip(reader) : { rule, anyOf: wordList(reader, 'anyOf') };
  reader.end();
  return words;
}

function readAllWords(reader: PolicyReader): RequireAll | Skip {
  const rule = reader.word('rule', ['require', 'skip']);
  const words = rule === 'skip' ? readSkip(reader) : { rule, allOf: wordList(reader, 'allOf') };
  reader.end();
  return words;
}

/** For what may be missing altogether, and is then called `none`. */
function readWordsOrNone(reader: PolicyReader): RequireWord | RefuseNone | Skip {
  const rule = reader.word('rule', ['require', 'refuse-none', 'skip']);
  const words: RequireWord | RefuseNone | Skip =
    rule === 'skip'
      ? readSkip(reader)
      : rule === 'require'
        ? { rule, anyOf: wordList(reader, 'anyOf') }
        : { rule };
  reader.end();
  return words;
}

function wordList(reader: PolicyReader, name: 'anyOf' | 'allOf'): string[] {
  return reader.texts(name, WORD, 'a word of a-z, 0-9 and -');
}

function readHostAsserted(reader: PolicyReader): HostAssertedRule {
  const rule = reader.word('rule', ['refuse', 'require', 'skip']);
  const rings: HostAssertedRule =
    rule === 'skip'
      ? readSkip(reader)
      : rule === 'refuse'
        ? { rule }
        : { rule, anyOf: wordList(reader, 'anyOf') };
  reader.end();
  return rings;
}

function readCluster(reader: PolicyReader): ClusterRule {
  const rule = reader.word('rule', ['require', 'skip']);
  let cluster: ClusterRule;
  if (rule === 'skip') cluster = readSkip(reader);
  else if (reader.has('adminKeys') || reader.has('threshold')) {
    const adminKeys = reader.texts(
      'adminKeys',
      isAdminKey,
      'an SSH public key without its comment',
    );
    const threshold = reader.integer('threshold', 1, Math.max(1, adminKeys.length));
    cluster = { rule, adminKeys, threshold };
  } else cluster = { rule, clusterId: reader.hex('clusterId', DIGEST_BYTES) };
  reader.end();
  return cluster;
}

/** One key has one line, so lines can be compared. */
function isAdminKey(line: string): boolean {
  try {
    parseSshKeyLine(line);
    return true;
  } catch (error) {
    if (error instanceof SshError) return false;
    throw error;
  }
}

function readTime(reader: PolicyReader): TimeRule {
  const mode = reader.word('mode', ['now', 'at-issue', 'max-age']);
  const time =
    mode === 'max-age'
      ? { mode, seconds: reader.integer('seconds', 1, MAX_AGE_SECONDS) }
      : { mode };
  reader.end();
  return time;
}
