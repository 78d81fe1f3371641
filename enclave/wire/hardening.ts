/** What may shield the enclave's process: the words of docs/spec/evidence.md, "Hardening", in ascending order. */
export const HARDENING = [
  'no-capabilities',
  'no-core-dumps',
  'no-host-files',
  'no-network',
  'no-new-privileges',
  'no-tracing',
  'own-uid',
  'seccomp',
] as const;

export type Hardening = (typeof HARDENING)[number];
