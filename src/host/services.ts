/**
 * The services that the host offers, from their generated definitions: it forwards every method by
 * its full path and decodes none, but those of LogService, which it answers from its copy of the log. A new service is one more line here.
 */
import { AttestationServiceService } from '../gen/sealwright/v1/attestation.ts';
import { GenesisServiceService } from '../gen/sealwright/v1/genesis.ts';
import { KeyServiceService } from '../gen/sealwright/v1/keys.ts';
import { LogServiceService } from '../gen/sealwright/v1/log.ts';
import { PolicyServiceService } from '../gen/sealwright/v1/policy.ts';
import { SessionServiceService } from '../gen/sealwright/v1/session.ts';
import { SigningServiceService } from '../gen/sealwright/v1/signing.ts';
import { StatusServiceService } from '../gen/sealwright/v1/status.ts';

/** What the host needs of a generated method. */
export interface MethodShape {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

export type ServiceShape = Readonly<Record<string, MethodShape>>;

export const SERVICES: readonly ServiceShape[] = [
  SigningServiceService,
  KeyServiceService,
  StatusServiceService,
  AttestationServiceService,
  GenesisServiceService,
  PolicyServiceService,
  SessionServiceService,
  LogServiceService,
];

/** Fully qualified name of a service. */
function nameOf(service: ServiceShape): string {
  const path = Object.values(service)[0]?.path ?? '';
  return path.slice(1, path.lastIndexOf('/'));
}

/** Services that need the enclave, for health. */
export const SERVICE_NAMES: readonly string[] = SERVICES.filter(
  (service) => service !== LogServiceService,
).map(nameOf);

/** The service that the host answers by itself. */
export const LOCAL_SERVICE_NAME: string = nameOf(LogServiceService);
