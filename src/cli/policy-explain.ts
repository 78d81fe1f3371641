import { algorithmRow } from '../../enclave/wire/algorithm.ts';
import type { Asked, Rule } from '../../enclave/wire/policy/decide.ts';
import type { Policy } from '../../enclave/wire/policy/document.ts';
import {
  CALLER_NAME,
  PAYLOAD_KINDS,
  RANKS,
  type PayloadKind,
  type PolicyRing,
  type Rank,
} from '../../enclave/wire/policy/ring.ts';
import type { SealwrightClient } from '../client/client.ts';
import { PayloadKind as WirePayloadKind } from '../gen/sealwright/v1/keys.ts';
import type { ExplainResponse } from '../gen/sealwright/v1/policy.ts';
import { decodePemChain } from '../verifier/pem.ts';
import { usageError } from './cli-error.ts';
import { ATTESTED_OPTIONS, attestedOver, findReference } from './attested.ts';
import { CLIENT_NOTE } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { withConnection, type Connection } from './connection.ts';
import { EXIT } from './exit-status.ts';
import { readChunks, readSmallFile } from './input-file.ts';
import { printJson, printText } from './output.ts';
import {
  explain,
  explained,
  explanationText,
  type Explanation,
  type Presented,
} from './policy/explain.ts';
import { buildContext, parsePolicyDocument, readPolicyFile } from './policy/read-policy.ts';

export const policyExplain: Command = {
  name: 'policy explain',
  example:
    'npx sealwright policy explain --policy policy.yaml --caller ci --ring release --payload app.tar',
  options: {
    ring: { value: 'RING', help: 'name of the key ring', required: true },
    payload: { value: 'FILE', help: 'what is to be signed; - is stdin', required: true },
    kind: {
      value: 'KIND',
      help: 'send the file itself (message), or its hash (digest); default: what the ring signs',
      oneOf: PAYLOAD_KINDS,
    },
    policy: { value: 'FILE', help: 'offline: YAML of a policy, or its document' },
    caller: {
      value: 'WHO',
      help: 'offline: a name of the policy, an identity as the log has it, or PEM of a chain, leaf first',
    },
    rank: {
      value: 'RANK',
      help: 'offline: by what the caller is known (default: session with certificates, peer with a socket)',
      oneOf: RANKS,
    },
    applied: { value: 'TIME', help: 'offline: when the policy was applied, UTC (default: now)' },
    ...ATTESTED_OPTIONS,
  },
  notes: [
    'Says whether it would be signed, and which rule decides. With --policy the enclave’s own function answers on this ' +
      'computer, for any caller. Without it the running enclave answers, for the caller of this very connection: in a ' +
      'session, as "sign" asks, where the ring wants one and there is a reference file. ' +
      'Exit status 2 when it is denied.',
    'Whether a key is suspended, and how many requests came within this second, is not in a policy: it is not asked. ' +
      'The answer of a service passes through its host and is signed by nobody; it decides nothing.',
    CLIENT_NOTE,
  ],
  run: runPolicyExplain,
};

async function runPolicyExplain(input: Arguments): Promise<number> {
  requireOneSide(input);
  const explanation = await (input.text('policy') === undefined
    ? askService(input)
    : explainOffline(input, input.required('policy')));
  if (input.json) printJson(explanation);
  else printText(explanationText(explanation));
  return explanation.allowed ? EXIT.ok : EXIT.verificationFailed;
}

/** Throws CliError (64) for options of both sides. */
function requireOneSide(input: Arguments): void {
  const offline = input.text('policy') !== undefined;
  const strangers = offline ? Object.keys(ATTESTED_OPTIONS) : ['caller', 'rank', 'applied'];
  const stranger = strangers.find((name) => input.text(name) !== undefined);
  if (stranger !== undefined) {
    const side = offline ? 'with' : 'without';
    throw usageError(
      `--${stranger} is given ${side} --policy`,
      'the service answers for this connection only; --policy FILE for anybody, and asks no service',
      'leave one of them away',
    );
  }
  if (offline && input.text('caller') === undefined) {
    throw usageError('--policy is given without --caller', '--caller WHO', 'add it');
  }
}

async function explainOffline(input: Arguments, file: string): Promise<Explanation> {
  const none = { current: undefined, clusterId: undefined };
  const { policy } = readPolicyFile(file, buildContext(file, none));
  const nowMs = Date.now();
  return explain(policy, {
    presented: presentedBy(input, policy),
    ring: input.required('ring'),
    payload: await payloadOf(input, policy),
    ageMs: nowMs - appliedAt(input, nowMs),
    nowMs,
  });
}

function askService(input: Arguments): Promise<Explanation> {
  return withConnection(input, async (connection) => {
    const { client } = connection;
    // The host's word of the policy only says what `sign` would send of the file.
    const { document } = await client.getPolicy();
    const payload = await payloadOf(input, parsePolicyDocument(document).policy);
    const ring = input.required('ring');
    const payloadKind = PAYLOAD_KIND_NUMBERS[payload.kind];
    const question = { ring, payloadKind, payloadBytes: payload.byteLength };
    const answer = await client.explain(question);
    const inside = answer.rule === RANK_RULE && findReference(input) !== undefined;
    const better = inside ? await askInSession(input, connection, question) : undefined;
    return explained({ ring, payload }, better ?? answer);
  });
}

const RANK_RULE: Rule = 'lowest-rank';

/** As `sign` would ask; undefined where nothing could open a session. */
async function askInSession(
  input: Arguments,
  connection: Connection,
  question: Parameters<SealwrightClient['explain']>[0],
): Promise<ExplainResponse | undefined> {
  const { endpoint } = connection;
  if (endpoint.kind === 'socket') return undefined;
  const { withSession } = await import('./session-signing.ts');
  const attested = await attestedOver(connection, input);
  const known = await attested.attest();
  return withSession(connection, endpoint, { attested, known }, (service) =>
    service.explain(question),
  );
}

const PAYLOAD_KIND_NUMBERS = {
  digest: WirePayloadKind.PAYLOAD_KIND_DIGEST,
  message: WirePayloadKind.PAYLOAD_KIND_MESSAGE,
} as const satisfies Record<PayloadKind, number>;

/** More than a chain may have, so that the answer is the policy’s. */
const MAX_PEM_CERTIFICATES = 32;
const IDENTITY = /^(?:spiffe|x509|key|peer):/;

function presentedBy(input: Arguments, policy: Policy): Presented {
  const who = input.required('caller');
  const known = CALLER_NAME.test(who) ? policy.callers.find(({ name }) => name === who) : undefined;
  const identity = IDENTITY.test(who) ? who : known?.identity;
  if (identity?.startsWith('peer:') === true) {
    return { identity, rank: rankOf(input, ['peer'], 'a Unix socket') };
  }
  const rank = rankOf(input, ['session', 'signed', 'mtls'], 'a caller with certificates');
  if (identity !== undefined) return { identity, rank };
  const text = new TextDecoder().decode(readSmallFile('--caller', who));
  try {
    return { chain: decodePemChain(text, MAX_PEM_CERTIFICATES), rank };
  } catch (error) {
    throw usageError(
      `--caller: ${(error as Error).message}`,
      'a name of a caller, an identity, or PEM',
      'correct it',
    );
  }
}

/** Of those that such a caller can have, the first without `--rank`. */
function rankOf<R extends Rank>(input: Arguments, possible: readonly [R, ...R[]], who: string): R {
  const asked = input.text('rank');
  const found = asked === undefined ? possible[0] : possible.find((rank) => rank === asked);
  if (found !== undefined) return found;
  throw usageError(
    `--rank ${asked ?? ''} is not one of ${who}`,
    possible.join(' or '),
    'correct it',
  );
}

/** What `sign` would send of the file. */
async function payloadOf(input: Arguments, policy: Policy): Promise<Asked['payload']> {
  const ring = policy.rings.find(({ name }) => name === input.required('ring'));
  let length = 0;
  await readChunks('--payload', input.required('payload'), (chunk) => {
    length += chunk.byteLength;
  });
  const named = PAYLOAD_KINDS.find((one) => one === input.text('kind'));
  const kind: PayloadKind = named ?? ring?.payloadKind ?? 'message';
  return { kind, byteLength: kind === 'digest' ? digestBytes(ring) : length };
}

function digestBytes(ring: PolicyRing | undefined): number {
  const row = ring === undefined ? undefined : algorithmRow(ring.algorithm);
  return row !== undefined && 'hash' in row ? row.digestBytes : 32;
}

function appliedAt(input: Arguments, nowMs: number): number {
  const text = input.text('applied');
  if (text === undefined) return nowMs;
  const ms = Date.parse(text);
  if (!Number.isNaN(ms) && text.endsWith('Z')) return ms;
  throw usageError(`--applied is "${text}"`, 'a UTC time like 2027-01-31T08:00:00Z', 'correct it');
}
