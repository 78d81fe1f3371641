/** What each file of a state folder is worth: docs/OPERATIONS.md, "Damage". */
import type { HaltReason } from '../../enclave/wire/error-code.ts';
import type { Damage } from './damage.ts';

/** `refused`: the command says why and what to do, and no process is started. */
export type Outcome = HaltReason | 'serves' | 'refused';

export interface FileKind {
  /** As the documentation names it. */
  readonly name: string;
  readonly pattern: RegExp;
  /** Any of these. A flipped bit may hit what nothing reads. */
  readonly outcomes: Readonly<Record<Damage, readonly Outcome[]>>;
  /** Only in the folder of a run that was killed. */
  readonly afterKill?: true;
}

const all = (...outcomes: Outcome[]): FileKind['outcomes'] => ({
  deleted: outcomes,
  emptied: outcomes,
  flipped: outcomes,
  foreign: outcomes,
});

const STORE_FLIPPED: readonly Outcome[] = [
  'serves',
  'STORE_UNAVAILABLE',
  'STATE_MISSING',
  'STATE_DAMAGED',
  'SEALED_HANDLE_REJECTED',
  'PLATFORM_CHANGED',
  'MEASUREMENT_CHANGED',
];
const LOG_CHANGED = ['LOG_DAMAGED', 'ROLLBACK_DETECTED'] as const;
const TOKEN_CHANGED = [
  'TOKEN_MISSING',
  'TOKEN_UNAVAILABLE',
  'TOKEN_INVENTORY_MISMATCH',
  'TOKEN_OBJECT_REJECTED',
  'SELF_TEST_FAILED',
  // A secret of the token that seals a record and is another one now.
  'SEALED_HANDLE_REJECTED',
  'PIN_REJECTED',
  'PIN_AT_RISK',
] as const;

/** Kinds whose loss costs nothing: they are made again, or are only read by people. */
export const HARMLESS: readonly FileKind[] = (
  [
    ['connection.json', /^connection\.json$/, true],
    ['host.json', /^host\.json$/],
    ['platform.json', /^platform\.json$/],
    ['host.log', /^host\.log$/],
    ['platform.log', /^platform\.log$/],
    ['reference.json', /^reference\.json$/],
    ['sample.txt', /^sample\.txt$/],
    ['sample.sig', /^sample\.sig$/],
    ['supervisor.lock', /^supervisor\.lock$/],
    ['admin/', /^admin\/dev(?:\.pub)?$/],
    ['pki/', /^pki\/[\w-]+\.(?:pem|key)$/],
    ['platform/enclave/', /^platform\/enclave\/.+$/],
    ['platform/enclave.json', /^platform\/enclave\.json$/, true],
    ['platform/lock.sqlite', /^platform\/lock\.sqlite$/],
    ['platform/own-view.fstab', /^platform\/own-view\.fstab$/],
    ['platform/root.pem', /^platform\/root\.pem$/],
    ['log/lock', /^log\/lock$/],
    ['log/checkpoint', /^log\/checkpoint$/],
    ['token/*/*.lock, generation', /^token\/[^/]+\/(?:[\w-]+\.lock|generation)$/],
  ] as const
).map(([name, pattern, afterKill]) => ({
  name,
  pattern,
  outcomes: all('serves'),
  ...(afterKill === undefined ? {} : { afterKill }),
}));

/** Kinds whose damage stops the service, or may. */
export const VITAL: readonly FileKind[] = [
  {
    name: 'sealwright-state.json',
    pattern: /^sealwright-state\.json$/,
    outcomes: {
      deleted: ['refused'],
      emptied: ['refused'],
      flipped: ['refused', 'serves'],
      foreign: ['serves'],
    },
  },
  {
    name: 'store.sqlite',
    pattern: /^store\.sqlite$/,
    outcomes: {
      deleted: ['STATE_MISSING'],
      emptied: ['STATE_MISSING'],
      flipped: STORE_FLIPPED,
      foreign: ['PLATFORM_CHANGED'],
    },
  },
  {
    name: 'store.sqlite-wal',
    pattern: /^store\.sqlite-(?:wal|shm|journal)$/,
    outcomes: {
      ...all('STATE_MISSING', ...LOG_CHANGED),
      flipped: [...STORE_FLIPPED, ...LOG_CHANGED],
      foreign: ['PLATFORM_CHANGED'],
    },
    afterKill: true,
  },
  {
    name: 'log/journal-*',
    pattern: /^log\/journal-\d{16}$/,
    outcomes: { ...all(...LOG_CHANGED), flipped: [...LOG_CHANGED, 'serves'] },
  },
  {
    name: 'log/tile/',
    pattern: /^log\/tile\/.+$/,
    // What the journal still has is written again.
    outcomes: { ...all(...LOG_CHANGED), deleted: ['serves', ...LOG_CHANGED] },
  },
  {
    name: 'platform/root.json',
    pattern: /^platform\/root\.json$/,
    outcomes: { ...all('PLATFORM_CHANGED'), flipped: ['PLATFORM_CHANGED', 'serves'] },
  },
  {
    name: 'token/*/token.object',
    pattern: /^token\/[^/]+\/token\.object$/,
    outcomes: { ...all(...TOKEN_CHANGED), flipped: [...TOKEN_CHANGED, 'serves'] },
  },
  {
    name: 'token/*/*.object',
    pattern: /^token\/[^/]+\/(?!token\.)[\w-]+\.object$/,
    outcomes: { ...all(...TOKEN_CHANGED), flipped: [...TOKEN_CHANGED, 'serves'] },
  },
];

export const FILE_KINDS: readonly FileKind[] = [...HARMLESS, ...VITAL];
