/** The simulated platform behind the ports. It protects nothing; its evidence says so by its root. */
import {
  PlatformFailure,
  type Attester,
  type PlatformIdentity,
  type Sealer,
  type SecretLabel,
} from '../../ports.ts';
import type { PlatformChannel } from './channel.ts';
import type { CheckedLaunch } from './launch.ts';

const REPORT_DATA_BYTES = 64;
const SECRET_BYTES = 32;
/** docs/spec/simulated-quote.md. */
const QUOTE_BYTES = 376;

export class SimulatedPlatform implements Attester, Sealer {
  readonly identity: PlatformIdentity;
  readonly evidenceFormat = 'sealwright-simulated-quote/v1';
  /** DER certificates that endorse the quotes: attestation key first, root left out. */
  readonly endorsements: readonly Uint8Array[];
  readonly #channel: PlatformChannel;

  constructor(channel: PlatformChannel, launch: CheckedLaunch) {
    this.#channel = channel;
    this.endorsements = launch.endorsements;
    this.identity = {
      kind: 'simulated',
      kindNumber: 0,
      simulated: true,
      measurements: launch.measurements,
      svn: launch.svn,
      platformId: launch.platformId,
    };
  }

  async quote(reportData: Uint8Array): Promise<Uint8Array> {
    if (reportData.byteLength !== REPORT_DATA_BYTES) throw new RangeError('report data');
    const quote = await this.#channel.call({ $case: 'quote', value: { reportData } });
    if (quote.byteLength !== QUOTE_BYTES) throw this.#broken();
    return quote;
  }

  async deriveSecret(label: SecretLabel): Promise<Uint8Array> {
    const secret = await this.#channel.call({ $case: 'deriveSecret', value: { label } });
    if (secret.byteLength !== SECRET_BYTES) throw this.#broken();
    return secret;
  }

  #broken(): PlatformFailure {
    this.#channel.close();
    return new PlatformFailure('gone');
  }
}
