/** A platform in memory: quotes that say what was asked, secrets that follow measurement and platform. */
import { createHash, hkdfSync } from 'node:crypto';
import type {
  Attester,
  Measurements,
  PlatformIdentity,
  Sealer,
  SecretLabel,
} from '../../../enclave/ports.ts';
import { concatBytes, u32, utf8 } from '../../../enclave/wire/bytes.ts';

export interface FakePlatformOptions {
  /** Another root is another machine. */
  readonly root?: string;
  /** Another word is another register. */
  readonly registers?: readonly [string, string, string];
  readonly simulated?: boolean;
  readonly svn?: number;
  /** Secrets do not follow the svn, as on a platform that knows none. */
  readonly secretsOfAnySvn?: boolean;
}

function register(text: string): Uint8Array {
  return new Uint8Array(createHash('sha384').update(text).digest());
}

export class FakePlatform implements Attester, Sealer {
  readonly identity: PlatformIdentity;
  readonly evidenceFormat = 'fake-quote/v1';
  readonly endorsements: readonly Uint8Array[] = [];
  readonly #root: string;
  readonly #secretsOfAnySvn: boolean;
  /** Labels asked for, in order. */
  readonly asked: SecretLabel[] = [];
  /** When set, thrown by every call. */
  failure: Error | undefined;

  constructor(options: FakePlatformOptions = {}) {
    const [code, runtime, launch] = options.registers ?? ['code', 'runtime', 'launch'];
    this.#root = options.root ?? 'root';
    this.#secretsOfAnySvn = options.secretsOfAnySvn ?? false;
    const measurements: Measurements = [register(code), register(runtime), register(launch)];
    this.identity = {
      kind: 'simulated',
      kindNumber: 0,
      simulated: options.simulated ?? true,
      measurements,
      svn: options.svn ?? 1,
      platformId: new Uint8Array(createHash('sha256').update(this.#root).digest()),
    };
  }

  quote(reportData: Uint8Array): Promise<Uint8Array> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return Promise.resolve(concatBytes(utf8('fake-quote'), reportData));
  }

  deriveSecret(label: SecretLabel): Promise<Uint8Array> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.asked.push(label);
    const { measurements, svn } = this.identity;
    const bound = this.#secretsOfAnySvn ? 0 : svn;
    const info = concatBytes(utf8(label), ...measurements, u32(bound));
    return Promise.resolve(new Uint8Array(hkdfSync('sha256', this.#root, '', info, 32)));
  }
}
