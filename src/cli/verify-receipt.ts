import { randomBytes } from 'node:crypto';
import { AttestedClient, judgeEvidence, type JudgedEvidence } from '../client/attested.ts';
import type { SealwrightClient } from '../client/client.ts';
import { MalformedReceipt, type Receipt } from '../tlog/receipt-file.ts';
import type { LogLeaf } from '../tlog/leaf.ts';
import { verifyReceipt as verify } from '../tlog/verify-receipt.ts';
import type { KeyStatement } from '../verifier/index.ts';
import { MalformedEvidence } from '../verifier/index.ts';
import { ATTESTED_OPTIONS, referencePath } from './attested.ts';
import { usageError } from './cli-error.ts';
import { CLIENT_NOTE } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { withClient } from './connection.ts';
import {
  JUDGING_OPTIONS,
  NONCE_BYTES,
  NONCE_OPTIONS,
  nonceOf,
  policyFor,
  readNamedFile,
  timeOf,
} from './evidence-options.ts';
import { printMalformed } from './evidence-report.ts';
import { EXIT } from './exit-status.ts';
import { FROM_OPTION, whereFrom } from './from-option.ts';
import { RECEIPT_FORMATS, decodeReceipt, formatOf, saltOf } from './receipt-options.ts';
import { printReceipt } from './receipt-report.ts';

export const verifyReceipt: Command = {
  name: 'verify-receipt',
  example:
    'npx sealwright verify-receipt README.receipt --in README.md --evidence now.evidence.json ' +
    '--reference .sealwright/reference.json',
  positionals: [{ name: 'FILE', help: 'the receipt; - is stdin' }],
  options: {
    in: {
      value: 'FILE',
      help: 'what the receipt is about: the message, or the file that was hashed',
    },
    evidence: { value: 'FILE', help: 'evidence that names the log key: no service is asked' },
    ...NONCE_OPTIONS,
    ...JUDGING_OPTIONS,
    format: { value: 'FORM', help: 'form of the receipt (default: seen)', oneOf: RECEIPT_FORMATS },
    salt: { value: 'HEX', help: 'with tlog-proof and --in: the salt that came with it' },
    ...FROM_OPTION,
    ...ATTESTED_OPTIONS,
  },
  notes: [
    'With --evidence nothing but files is used. Without it the service of --from, --state or --address is asked for ' +
      'evidence with a fresh nonce, and for the key that the leaf names.',
    'The evidence must meet the reference file: --reference, else reference.json of the state folder, else ' +
      'SEALWRIGHT_REFERENCE. A log key lives as long as its cluster, so evidence of another day will do: judge it ' +
      'with --time at-issue.',
    'Every check is a line, then comes in words what the receipt proves; the last line is PASSED, WARNING or FAILED. ' +
      'The signature itself is for "npx sealwright verify" to check.',
    CLIENT_NOTE,
  ],
  run: runVerifyReceipt,
};

async function runVerifyReceipt(input: Arguments): Promise<number> {
  const [file, evidence] = [input.positional(0), input.text('evidence')];
  requireOneWay(input, evidence);
  if (file === '-' && (evidence === '-' || input.text('in') === '-')) {
    throw usageError('two files are -', 'one file from stdin', 'name the other one');
  }
  try {
    const receipt = decodeReceipt(readNamedFile(file), formatOf(input), saltOf(input));
    if (evidence !== undefined) {
      return await finish(input, receipt, await judgeFile(input, evidence));
    }
    const from = input.text('from');
    return await withClient(from === undefined ? input : whereFrom(input, from), (client) =>
      online(input, receipt, client),
    );
  } catch (error) {
    if (!(error instanceof MalformedReceipt || error instanceof MalformedEvidence)) throw error;
    printMalformed(error, input.json);
    return EXIT.undecodable;
  }
}

function requireOneWay(input: Arguments, evidence: string | undefined): void {
  const ways = ['from', 'address', 'socket', 'ca', 'cert', 'key'];
  const [way] = ways.filter((name) => input.text(name) !== undefined);
  if (evidence === undefined || way === undefined) return;
  throw usageError(
    `--evidence and --${way} are both given`,
    '--evidence FILE, or a service that is asked for it',
    'leave one away',
  );
}

/** A receipt is about the past: evidence of any time names the log key, so a file needs no nonce. */
const ANY_TIME = 'the log key of a cluster does not change, so the evidence need not be fresh';

function judgeFile(input: Arguments, evidence: string): Promise<JudgedEvidence> {
  const { now, atIssue } = timeOf(input);
  const policy = policyFor(input, referencePath(input), atIssue);
  const nonce = nonceOf(input) ?? { noNonce: ANY_TIME };
  return judgeEvidence(readNamedFile(evidence), policy, { now, ...nonce });
}

async function online(
  input: Arguments,
  receipt: Receipt,
  client: SealwrightClient,
): Promise<number> {
  for (const name of ['nonce', 'no-nonce', 'time']) {
    if (input.text(name) === undefined) continue;
    const expected = `--${name} with --evidence only: a service is asked now, with a nonce of ours`;
    throw usageError(`--${name} is given without --evidence`, expected, 'leave it away');
  }
  const policy = policyFor(input, referencePath(input), false);
  const nonce = Uint8Array.from(randomBytes(NONCE_BYTES));
  const bundle = await client.getEvidence(nonce);
  const judged = await judgeEvidence(bundle, policy, { now: Date.now(), nonce });
  return finish(input, receipt, judged, async (leaf) => {
    if (leaf.kind !== 'signature' || judged.result.verdict === 'contraindicated') return undefined;
    const attested = new AttestedClient(client, policy);
    const { keys } = await attested.keys();
    return keys.find(({ ring, version }) => ring === leaf.ring && version === leaf.version);
  });
}

/** `keyOf`: the attested key that a leaf names, where somebody can be asked. */
async function finish(
  input: Arguments,
  receipt: Receipt,
  judged: JudgedEvidence,
  keyOf: (leaf: LogLeaf) => Promise<KeyStatement | undefined> = () => Promise.resolve(undefined),
): Promise<number> {
  const { claims } = judged.result;
  if (claims.kind !== 'evidence') {
    return printReceipt({ receipt, judged, result: undefined }, input.json);
  }
  const log = { origin: claims.logOrigin, publicKey: claims.logKey };
  const alone = await verify(receipt, log);
  const path = input.text('in');
  const key = path === undefined ? undefined : await keyOf(alone.leaf);
  if (path === undefined) return printReceipt({ receipt, judged, result: alone }, input.json);
  const alg = alone.leaf.kind === 'signature' ? alone.leaf.alg : '';
  const { formsOf, tooLarge } = await import('./compared-file.ts');
  const forms = await formsOf(path, alg, key?.scope.payload);
  const tried = await Promise.all(
    forms.map(async ({ toBeSigned, says }) => ({
      result: await verify(receipt, log, { toBeSigned, kid: key?.kid }),
      more: [says],
    })),
  );
  // The first one when none holds, so that what failed is told of.
  const [first] = tried;
  const match = tried.find(({ result }) => result.verdict !== 'contraindicated') ?? first;
  return printReceipt(
    { receipt, judged, ...(match ?? { result: tooLarge(alone, path) }) },
    input.json,
  );
}
