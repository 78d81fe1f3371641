/** What happens to one stack, so that everything that could say a secret has had its chance. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { Client, credentials } from '@grpc/grpc-js';
import { Phase } from '../../../enclave/wire/gen/sealwright/v1/status.ts';
import { METHODS } from '../../../enclave/wire/methods.ts';
import { genesisManifest } from '../../../src/client/genesis-manifest.ts';
import type { SealwrightClient, SignInput } from '../../../src/client/client.ts';
import { connect, parseAppraisalPolicy } from '../../../src/client/index.ts';
import { SignerError } from '../../../src/client/signer-error.ts';
import { Algorithm, PayloadKind, type Key } from '../../../src/gen/sealwright/v1/keys.ts';
import { call } from '../host-harness.ts';
import { until, type ProcessName, type Stack } from '../stack.ts';

const RESTART_MS = 60_000;

const message = (text: string): SignInput['payload'] => ({
  $case: 'message',
  value: { message: Uint8Array.from(Buffer.from(text)) },
});
const digest = (bytes: number): SignInput['payload'] => ({
  $case: 'digest',
  value: { digest: new Uint8Array(bytes).fill(7) },
});

async function withClient<T>(
  stack: Stack,
  use: (client: SealwrightClient) => Promise<T>,
): Promise<T> {
  const client = stack.client();
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** Rings of the development policy that are there for what they refuse. */
const REFUSING = /^(?:guest|session|short|signed|slow|socket)-enclave$/;

/** One signature of each ring alone that signs, and all in one batch. The keys of all. */
export function signEverything(stack: Stack): Promise<readonly Key[]> {
  return withClient(stack, async (client) => {
    const keys = await client.listKeys();
    const signing = keys.filter(({ ring }) => !REFUSING.test(ring));
    const items = signing.map(({ ring, payloadKind }) => ({
      ring,
      payload:
        payloadKind === PayloadKind.PAYLOAD_KIND_DIGEST ? digest(32) : message(`signed by ${ring}`),
    }));
    for (const item of items) await client.sign(item);
    await signInSession(stack);
    await client.signBatch(items);
    return keys;
  });
}

/** By the client library, so that a session's secrets are there too. */
async function signInSession({ ready, state }: Stack): Promise<void> {
  const { address, ca, cert, key } = ready;
  const trust = parseAppraisalPolicy(
    JSON.parse(readFileSync(join(state, 'reference.json'), 'utf8')),
  );
  const identity = { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) };
  using service = await connect({ address, trust, identity });
  await service.signer('session-enclave').sign(Buffer.from('signed in a session'));
}

/** Requests that are wrong, in each way that a caller can have them wrong. */
const WRONG: readonly ((client: SealwrightClient) => Promise<unknown>)[] = [
  (client) => client.sign({ ring: 'nothing', payload: message('') }),
  (client) => client.sign({ ring: 'guest-enclave', payload: message('') }),
  (client) => client.sign({ ring: 'short-enclave', payload: message('x'.repeat(17)) }),
  (client) => client.sign({ ring: 'signed-enclave', payload: message('') }),
  (client) => client.sign({ ring: 'es256-hsm', payload: digest(32) }),
  (client) => client.sign({ ring: 'es256-digest-enclave', payload: message('') }),
  (client) => client.sign({ ring: 'es256-digest-hsm', payload: digest(31) }),
  (client) => client.sign({ ring: 'es256-hsm', payload: undefined }),
  (client) =>
    client.sign({
      ring: 'es256-enclave',
      payload: message(''),
      algorithm: Algorithm.ALGORITHM_ES384,
    }),
  (client) => client.sign({ ring: 'es256-hsm', payload: message('x'.repeat(62_000)) }),
  (client) => client.sign({ ring: 'es256-hsm', payload: message('x'.repeat(80_000)) }),
  (client) => client.signBatch([]),
  (client) => client.getKey('nothing'),
  (client) => client.getEvidence(new Uint8Array(1)),
  // More in a second than the platform is asked.
  (client) =>
    Promise.all(
      [1, 2, 3, 4, 5, 6].map(() => client.getEvidence(new Uint8Array(32), { fresh: true })),
    ),
  (client) => client.proposeGenesis(genesisManifest('dev', {})),
  (client) => client.commitGenesis(new Uint8Array(32), []),
  (client) => client.getEntries(1_000_000, 1),
  (client) => client.sign({ ring: 'es256-hsm', payload: message('') }, { timeoutMs: 1 }),
];

const PATHS = [
  ...Object.values(METHODS),
  '/sealwright.v1.LogService/GetCheckpoint',
  '/sealwright.v1.LogService/GetEntries',
  '/sealwright.v1.LogService/GetInclusionProof',
  '/sealwright.v1.LogService/GetConsistencyProof',
  '/sealwright.v1.SigningService/Nothing',
];
const GARBAGE = [
  new Uint8Array(40).fill(0xff),
  Uint8Array.of(0x0a, 0x7f, 0x00),
  new Uint8Array(2 ** 21),
];

/** Every refusal that a caller gets without help. The reasons. */
export async function refuseEverything(stack: Stack): Promise<Set<string>> {
  const reasons = new Set<string>();
  await withClient(stack, async (client) => {
    for (const wrong of WRONG) {
      await wrong(client).catch((error: unknown) => {
        if (error instanceof SignerError) reasons.add(error.reason);
      });
    }
  });
  const plain = new Client(`unix:${stack.ready.sockets[0] ?? ''}`, credentials.createInsecure());
  const { address, ca } = stack.ready;
  const nobody = new Client(
    address.replace('127.0.0.1', 'localhost'),
    credentials.createSsl(readFileSync(ca)),
  );
  for (const path of PATHS) {
    for (const garbage of GARBAGE) reasons.add((await call(plain, path, garbage)).reason);
    reasons.add((await call(nobody, path)).reason);
  }
  plain.close();
  nobody.close();
  return reasons;
}

/** Commands that do and commands that fail; `out` names files that they write. */
export const commands = (out: (name: string) => string): string[][] => [
  ['status'],
  ['status', '--json'],
  ['keys', 'list', '--json'],
  ['keys', 'export', 'rs256-enclave'],
  [
    'sign',
    '--ring',
    'es256-enclave',
    '--in',
    out('in'),
    '--out',
    out('sig'),
    '--receipt',
    out('receipt'),
  ],
  ['sign', '--ring', 'nothing', '--in', out('in'), '--out', out('none')],
  ['evidence', '--out', out('evidence')],
  ['inspect', out('evidence')],
  ['log', 'show', '--first', '0'],
  ['genesis', 'propose', '--name', 'n', '--policy', out('in'), '--out', out('genesis')],
  ['genesis', 'approve', out('genesis'), '--reference', out('in')],
  ['genesis', 'commit', out('genesis'), out('sig')],
  ['no-such-command'],
];

export async function serving(stack: Stack): Promise<void> {
  await withClient(stack, async (client) => {
    await until(
      async () =>
        client.getStatus({ timeoutMs: 1_000 }).then(
          ({ phase }) => phase === Phase.PHASE_SERVING,
          () => false,
        ),
      RESTART_MS,
    );
  });
}

/** Sends a signal that ends the process; resolves when another one serves. */
export async function endBySignal(
  stack: Stack,
  name: ProcessName,
  signal: NodeJS.Signals,
): Promise<void> {
  const before = stack.pid(name);
  process.kill(before, signal);
  await until(() => stack.pid(name) !== before, RESTART_MS);
  await serving(stack);
}
