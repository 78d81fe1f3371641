/**
 * Entry of the canary enclave: the simulated one, which hands its secrets to whoever holds the other end of
 * SECRETS_DESCRIPTOR. It measures as another enclave, and no release holds a line of this folder
 * (test/unit/canary.test.ts).
 */
import { launchedBySimulator } from '../../../enclave/launch-simulated.ts';
import type { Pin, TokenModule } from '../../../enclave/ports.ts';
import { run, type Launched } from '../../../enclave/run.ts';
import { report, reportKeys } from './report-keys.ts';

function reportPin(kind: 'user-pin' | 'so-pin', pin: Pin): void {
  const text = pin.reveal();
  // The bytes that it was drawn as, too.
  report(kind, '', [text, Buffer.from(Buffer.from(text).toString('latin1'), 'hex')]);
}

function reportingTokens(tokens: TokenModule): TokenModule {
  return {
    listTokens: () => tokens.listTokens(),
    candidate: () => tokens.candidate(),
    initToken: (request) => {
      reportPin('so-pin', request.soPin);
      reportPin('user-pin', request.userPin);
      return tokens.initToken(request);
    },
    open: (serial, userPin) => {
      reportPin('user-pin', userPin);
      return tokens.open(serial, userPin);
    },
  };
}

function reportingPlatform(platform: Launched['platform']): Launched['platform'] {
  return {
    identity: platform.identity,
    evidenceFormat: platform.evidenceFormat,
    endorsements: platform.endorsements,
    quote: (reportData) => platform.quote(reportData),
    deriveSecret: async (label) => {
      const secret = await platform.deriveSecret(label);
      report('platform-secret', label, [secret]);
      return secret;
    },
  };
}

async function main(): Promise<void> {
  reportKeys();
  const launched = await launchedBySimulator();
  await run({
    ...launched,
    platform: reportingPlatform(launched.platform),
    tokens: reportingTokens(launched.tokens),
  });
}

void main();
