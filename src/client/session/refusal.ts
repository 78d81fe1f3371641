/** What stands inside of a session: refusals of the enclave, and what is no answer of the enclave at all. */
import { reasonOf } from '../../../enclave/wire/error-code.ts';
import { AcceptRefused } from '../../../enclave/wire/session/client.ts';
import { HpkeError } from '../../../enclave/wire/session/hpke.ts';
import type { Status } from '../../../enclave/wire/session/record-content.ts';
import { RecordRefused } from '../../../enclave/wire/session/record.ts';
import { NotBelieved, judge } from '../not-believed.ts';
import { adviceOn } from '../sdk/errors.ts';
import { SignerError } from '../signer-error.ts';

const GRPC_OK = 0;

/** The enclave's own word: as authentic as an answer. A number of a later release explains nothing. */
export function refusalFrom({ code, details }: Status): SignerError {
  const reason = reasonOf(code);
  const facts = details.map(({ key, value }) => `${key} ${value}`).join(', ');
  const name = reason ?? `error ${String(code)}, which this release does not know`;
  return new SignerError(`the enclave answered ${name}${facts === '' ? '' : ` (${facts})`}`, {
    reason: reason ?? 'NOT_EXPLAINED',
    retryable: reason !== undefined && adviceOn(reason) === 'retry',
    grpcStatus: GRPC_OK,
    metadata: Object.fromEntries(details.map(({ key, value }) => [key, value])),
  });
}

/** Turns a broken rule of docs/spec/session.md into the check that failed; anything else stays what it is. */
export function brokenRule(error: unknown): unknown {
  if (error instanceof RecordRefused) {
    const expected = 'a record of this session, in answer to this call';
    return notBelieved(`record-${error.rule}`, expected, error.rule);
  }
  if (error instanceof AcceptRefused) {
    const expected = 'Accept by the enclave whose evidence was verified, for this Open';
    return notBelieved(`accept-${error.rule}`, expected, error.rule);
  }
  if (error instanceof HpkeError) {
    return notBelieved('evidence-hpke-key', 'a public key of the suite', 'hpke');
  }
  return error;
}

function notBelieved(id: string, expected: string, rule: string): NotBelieved {
  const asked = { id, expected, found: `rule ${rule} is broken (docs/spec/session.md)` };
  return new NotBelieved([judge(false, asked, 'the host changed it, or made it up')]);
}
