import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { ALGORITHMS, isAlgorithmName } from '../../enclave/wire/algorithm.ts';
import type { AlgorithmName } from '../../enclave/wire/algorithm.ts';
import type { AttestedKeys } from '../client/attested.ts';
import type { KeyStatement } from '../verifier/index.ts';
import { ATTESTED_NOTE, ATTESTED_OPTIONS, tellWarning, withAttested } from './attested.ts';
import { usageError } from './cli-error.ts';
import { CLIENT_NOTE } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { EXIT } from './exit-status.ts';
import { readChunks, readSmallFile } from './input-file.ts';
import { keyVersion } from './numbers.ts';
import { printJson, printText } from './output.ts';
import { ENCODINGS, algorithmsOf, startCheck } from '../client/signature-check.ts';

export const verify: Command = {
  name: 'verify',
  example: 'npx sealwright verify --ring es256-hsm --in README.md --signature README.sig',
  options: {
    ring: { value: 'RING', help: 'key ring, whose attested public keys are fetched' },
    in: { value: 'FILE', help: 'the file that was signed; - is stdin', required: true },
    signature: { value: 'FILE', help: 'the signature', required: true },
    encoding: { value: 'FORM', help: 'form of an ECDSA signature (default der)', oneOf: ENCODINGS },
    version: { value: 'N', help: 'accept this version of the ring only (default: any)' },
    'public-key': {
      value: 'FILE',
      help: 'PEM of a public key, instead of --ring: needs no service',
    },
    algorithm: {
      value: 'NAME',
      help: 'with --public-key of RSA: which of its algorithms',
      oneOf: Object.keys(ALGORITHMS),
    },
    ...ATTESTED_OPTIONS,
  },
  notes: [
    'Prints a line that begins with OK or FAILED. With --public-key nothing but that file is believed, and no ' +
      'service is asked.',
    ATTESTED_NOTE,
    CLIENT_NOTE,
  ],
  run: runVerify,
};

/** One public key that may have signed. */
interface Candidate {
  readonly key: KeyObject;
  readonly algorithm: AlgorithmName;
  readonly name: string;
  readonly compromised: boolean;
  readonly facts: Readonly<Record<string, unknown>>;
}

async function runVerify(input: Arguments): Promise<number> {
  if (input.required('in') === '-' && input.required('signature') === '-') {
    throw usageError(
      '--in and --signature are both -',
      'one of them from stdin',
      'put the signature in a file',
    );
  }
  const candidates = await findCandidates(input);
  const encoding = input.text('encoding') === 'p1363' ? 'p1363' : 'der';
  const checks = candidates.map(({ algorithm, key }) => startCheck(algorithm, key, encoding));
  const signature = readSmallFile('--signature', input.required('signature'));
  await readChunks('--in', input.required('in'), (chunk) => {
    for (const check of checks) check.update(chunk);
  });
  const match = candidates.find((_, i) => checks[i]?.accepts(signature));
  return report(input, candidates, match);
}

function report(
  input: Arguments,
  candidates: readonly Candidate[],
  match: Candidate | undefined,
): number {
  const verified = match !== undefined && !match.compromised;
  const file = input.required('in');
  const reason = failureOf(candidates, match, input.required('signature'), file);
  if (input.json) {
    printJson({ verified, file, ...match?.facts, ...(verified ? {} : { reason }) });
  } else if (verified) {
    printText(`OK: ${file} is signed by ${match.name}`);
  } else {
    printText(`FAILED: ${reason}`);
  }
  return verified ? EXIT.ok : EXIT.verificationFailed;
}

function failureOf(
  candidates: readonly Candidate[],
  match: Candidate | undefined,
  signature: string,
  file: string,
): string {
  if (match !== undefined)
    return `${match.name} is marked as compromised: nothing it signed counts`;
  const names = candidates.map(({ name }) => name).join(' or ');
  const ecdsa = candidates.some(({ algorithm }) => algorithm.startsWith('ES'));
  const hint = ecdsa
    ? '; if the form of the signature is the other one, say so with --encoding'
    : '';
  return `${signature} is not a signature of ${names} over ${file}${hint}`;
}

function findCandidates(input: Arguments): Promise<readonly Candidate[]> {
  const ring = input.text('ring');
  const file = input.text('public-key');
  if (file !== undefined) {
    if (ring !== undefined) {
      throw usageError('--ring and --public-key are both given', 'one of them', 'leave one away');
    }
    return Promise.resolve([offlineCandidate(input, file)]);
  }
  if (ring === undefined) {
    throw usageError(
      '--ring is missing',
      '--ring RING, or --public-key FILE to verify without a service',
      `for example: ${verify.example}`,
    );
  }
  if (input.text('algorithm') !== undefined) {
    throw usageError(
      '--algorithm is given',
      'only with --public-key: a ring has one algorithm',
      'leave it away',
    );
  }
  return ringCandidates(input, ring);
}

async function ringCandidates(input: Arguments, ring: string): Promise<readonly Candidate[]> {
  const version = keyVersion(input);
  const { keys, attestation } = await withAttested(input, async (attested) => {
    const one = async (): Promise<AttestedKeys> => {
      const { key, attestation } = await attested.key(ring, version);
      return { keys: [key], attestation };
    };
    if (version !== 0) return one();
    const all = await attested.keys();
    const keys = all.keys.filter((key) => key.ring === ring);
    // The service says "no such ring" in its own words.
    return keys.length > 0 ? { ...all, keys } : one();
  });
  await tellWarning(attestation.result);
  return Promise.all(keys.map(candidateOf));
}

async function candidateOf(key: KeyStatement): Promise<Candidate> {
  const { algorithmOf, keyDocument } = await import('./words.ts');
  const algorithm = algorithmOf(key);
  const publicKey = createPublicKey({
    key: Buffer.from(key.publicKey),
    format: 'der',
    type: 'spki',
  });
  const { ring, version, kid, state } = keyDocument(key);
  return {
    key: publicKey,
    algorithm,
    name: `${key.ring} version ${String(key.version)} (${algorithm})`,
    compromised: key.state === 'compromised',
    facts: { ring, version, kid, algorithm, state },
  };
}

function offlineCandidate(input: Arguments, file: string): Candidate {
  const key = readPublicKey(file);
  const possible = algorithmsOf(key);
  const asked = input.text('algorithm');
  const [only] = possible;
  if (only === undefined) {
    throw usageError(
      `${file} holds a key that no algorithm of Sealwright uses`,
      'EC on P-256, P-384 or P-521, Ed25519, RSA, or ML-DSA',
      'export the key with "npx sealwright keys export"',
    );
  }
  if (asked === undefined && possible.length > 1) {
    throw usageError(
      '--algorithm is missing',
      `one of ${possible.join(', ')}: RSA keys serve several`,
      'add it',
    );
  }
  const algorithm = asked ?? only;
  if (!isAlgorithmName(algorithm) || !possible.includes(algorithm)) {
    throw usageError(
      `--algorithm is "${algorithm}"`,
      `${possible.join(' or ')} for this key`,
      'correct it',
    );
  }
  return {
    key,
    algorithm,
    name: `${file} (${algorithm})`,
    compromised: false,
    facts: { publicKey: file, algorithm },
  };
}

function readPublicKey(file: string): KeyObject {
  const pem = readSmallFile('--public-key', file);
  try {
    return createPublicKey(Buffer.from(pem));
  } catch (error) {
    throw usageError(
      `--public-key: ${file} holds no public key (${(error as Error).message})`,
      'PEM that begins with -----BEGIN PUBLIC KEY-----',
      'export it with "npx sealwright keys export"',
    );
  }
}
