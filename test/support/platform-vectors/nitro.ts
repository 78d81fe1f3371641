/**
 * AWS Nitro Enclaves. "accept at doc time" is affirming: the registers and the bound fields are required as
 * index.json has them. Of fields whose hash alone is in the index nothing can be required, so those rows warn.
 */
import { strictPolicy, type VectorRow } from '../platform-vectors.ts';

type Fields = Readonly<Record<string, unknown>>;
type Row = Omit<VectorRow, 'file' | 'policy'> & { readonly policy?: VectorRow['policy'] };

const FIELDS = { nonce: 'nonce', userData: 'user_data', publicKey: 'public_key' } as const;
const ZERO = '00'.repeat(48);

/** PCRs that are not in the index are zero. */
function measurements(fields: Fields): Record<string, string> {
  const pcrs = fields['pcrs'] as Readonly<Record<string, string>>;
  return Object.fromEntries(
    Array.from({ length: 16 }, (_, i) => [`PCR${String(i)}`, pcrs[String(i)] ?? ZERO]),
  );
}

function binding(fields: Fields): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(FIELDS).map(([name, recordedAs]) => {
      const value = fields[recordedAs];
      if (value === null || value === '') return [name, { rule: 'absent' }];
      if (typeof value === 'string') return [name, { rule: 'equals', value }];
      return [name, { rule: 'skip', because: 'the index has its hash only' }];
    }),
  );
}

function recorded(fields: Fields): Record<string, unknown> {
  return strictPolicy('nitro', {
    measurements: measurements(fields),
    binding: binding(fields),
    platform: { age: { rule: 'require', maxSeconds: 60 } },
  });
}

/** A policy that differs from the strict one in some members. */
const but =
  (change: (strict: Record<string, unknown>, fields: Fields) => Record<string, unknown>) =>
  (fields: Fields): unknown => {
    const strict = recorded(fields);
    return { ...strict, ...change(strict, fields) };
  };

function rows(file: string, ...list: readonly Row[]): VectorRow[] {
  return list.map((row) => ({ policy: recorded, ...row, file: `nitro/${file}` }));
}

/** What fails together when a document ends in nobody. */
const NO_ANCHOR = [
  'trust-anchor',
  'trust-anchor-accepted',
  'simulated',
  'sent-root',
  'chain-signatures',
  'chain-names',
  'chain-algorithms',
  'chain-authority',
  'chain-path-length',
  'chain-key-usage',
  'chain-extensions',
  'chain-key-ids',
] as const;

const debugged: Row = {
  title: 'debug is refused',
  time: '',
  verdict: 'contraindicated',
  failed: ['debug'],
};

const acceptDebug = but(() => ({
  debug: { rule: 'accept-debug', because: 'a developer looks at it' },
}));

const otherNonce = (rule: object) =>
  but((strict) => ({ binding: { ...(strict['binding'] as object), nonce: rule } }));

/** A genuine document at its own time, and what must not change. */
function genuine(
  file: string,
  at: string,
  chain: { readonly before: string; readonly after: string },
  bound: 'affirming' | 'warning' = 'affirming',
): VectorRow[] {
  return rows(
    file,
    {
      title: 'accepted at its time',
      time: at,
      verdict: bound,
      failed: [],
      warned: bound === 'affirming' ? [] : ['completeness'],
    },
    {
      title: 'before its certificate',
      time: chain.before,
      verdict: 'contraindicated',
      failed: [
        'chain-validity',
        ...(Date.parse(at) - Date.parse(chain.before) > 60_000 ? ['timestamp'] : []),
      ],
    },
    {
      title: 'after its certificate',
      time: chain.after,
      verdict: 'contraindicated',
      failed: ['chain-validity', 'document-age'],
    },
    {
      title: 'PCR0 of another image',
      time: at,
      verdict: 'contraindicated',
      failed: ['measurements'],
      policy: but((_, fields) => ({
        measurements: {
          rule: 'require',
          anyOf: [{ name: 'another', values: { ...measurements(fields), PCR0: 'ab'.repeat(48) } }],
        },
      })),
    },
    {
      title: 'when another nonce is expected',
      time: at,
      nonce: '5a'.repeat(32),
      verdict: 'contraindicated',
      failed: ['binding/nonce'],
      policy: otherNonce({ rule: 'nonce' }),
    },
  );
}

export const NITRO_ROWS: readonly VectorRow[] = [
  ...genuine('veracruz-good.cbor', '2022-11-09T22:52:00Z', {
    before: '2022-11-09T22:51:56Z',
    after: '2022-11-10T01:52:01Z',
  }),
  ...rows(
    'veracruz-good.cbor',
    {
      title: 'with the nonce that it answers',
      time: '2022-11-09T22:52:00Z',
      nonce: 'c678c86135de539d183acff58886d98dfb9823041af9f934bf909ac0f8d96245',
      verdict: 'affirming',
      failed: [],
      policy: otherNonce({ rule: 'nonce' }),
    },
    {
      title:
        'when a measurement names fewer registers than the document has: PCR8 alone is not enough',
      time: '2022-11-09T22:52:00Z',
      verdict: 'warning',
      failed: [],
      warned: ['completeness'],
      policy: but(() => ({
        measurements: {
          rule: 'require',
          anyOf: [{ name: 'unsigned image', values: { PCR8: ZERO } }],
          skipped: { PCR0: 'only the signer', PCR1: 'only the signer', PCR2: 'only the signer' },
        },
      })),
    },
  ),
  ...rows('veracruz-bad-sig.cbor', {
    title: 'the COSE signature is damaged',
    time: '2022-11-09T22:52:00Z',
    verdict: 'contraindicated',
    failed: ['platform-signature'],
  }),
  ...genuine(
    'blocky-prod.b64',
    '2024-09-07T14:37:39Z',
    { before: '2024-09-07T14:37:35Z', after: '2024-09-07T17:37:40Z' },
    'warning',
  ),
  ...rows(
    'blocky-debug.b64',
    { ...debugged, time: '2024-09-07T14:38:06Z' },
    {
      title: 'debug is accepted by an explicit rule, which marks the result',
      time: '2024-09-07T14:38:06Z',
      verdict: 'warning',
      failed: [],
      warned: ['debug', 'completeness'],
      policy: acceptDebug,
    },
  ),
  ...rows('blocky-selfsigned.b64', {
    title: 'a home-made chain',
    time: '2024-04-17T18:51:46Z',
    verdict: 'contraindicated',
    // No bundle, null for the headers, and a time in 1970.
    failed: [...NO_ANCHOR, 'cose-headers', 'timestamp-in-certificate', 'document-age'],
  }),
  ...genuine(
    'evervault-beta-prod.cbor',
    '2022-10-13T08:58:02Z',
    { before: '2022-10-13T08:57:58Z', after: '2022-10-13T11:58:03Z' },
    'warning',
  ),
  ...rows(
    'evervault-beta-debug.cbor',
    { ...debugged, title: 'debug, although PCR3 and PCR4 are set', time: '2022-10-12T13:50:06Z' },
    {
      title: 'debug is accepted by an explicit rule, which marks the result',
      time: '2022-10-12T13:50:06Z',
      verdict: 'warning',
      failed: [],
      warned: ['debug'],
      policy: acceptDebug,
    },
  ),
  ...genuine('dstack-indefinite.cbor', '2025-12-25T13:15:37Z', {
    before: '2025-12-25T13:15:33Z',
    after: '2025-12-25T16:15:38Z',
  }),
  ...genuine('nautilus-weather.cbor', '2025-04-15T02:25:23Z', {
    before: '2025-04-15T02:17:46Z',
    after: '2025-04-15T05:17:51Z',
  }),
  ...rows('sparsity-1-debug.cbor', { ...debugged, time: '2024-08-16T09:11:49Z' }),
  ...genuine('sparsity-2.cbor', '2023-09-28T11:08:27Z', {
    before: '2023-09-28T11:08:23Z',
    after: '2023-09-28T14:08:28Z',
  }),
  ...genuine('oyster-aws.cbor', '2024-12-13T07:37:58Z', {
    before: '2024-12-13T05:57:41Z',
    after: '2024-12-13T08:57:46Z',
  }),
  ...rows('oyster-custom-root.cbor', {
    title: 'a private root that is consistent in itself',
    time: '2024-12-13T09:05:45Z',
    verdict: 'contraindicated',
    failed: NO_ANCHOR,
  }),
  ...genuine('brave-initiator.cbor', '2022-07-27T02:02:42Z', {
    before: '2022-07-27T02:02:38Z',
    after: '2022-07-27T05:02:43Z',
  }),
  ...genuine('turnkey-app-1.cbor', '2025-09-16T21:25:49Z', {
    before: '2025-09-16T21:25:44Z',
    after: '2025-09-17T00:25:49Z',
  }),
  ...genuine('turnkey-app-2.cbor', '2025-09-16T21:24:01Z', {
    before: '2025-09-16T21:23:56Z',
    after: '2025-09-17T00:24:01Z',
  }),
];
