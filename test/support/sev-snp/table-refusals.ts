/** Certificate tables that lie. */
import { certificateTable, type CaseChanges } from './cases.ts';
import { NO_KEY, ask, garbage, milan, stranger, vcek, type Refusal } from './refusal.ts';

const table = (...entries: Parameters<typeof certificateTable>[0][number][]): CaseChanges => ({
  files: {
    'vcek.der': undefined,
    'ask-milan.der': undefined,
    'auxblob.bin': certificateTable(entries),
  },
});
const NO_TABLE = ['certificate-table', ...NO_KEY];
const good = [
  { role: 'ark', content: milan.root },
  { role: 'ask', content: ask },
  { role: 'vcek', content: vcek },
] as const;

/** The certificate table that a host hands out. */
export const TABLE_REFUSALS: readonly Refusal[] = [
  {
    what: 'an offset beyond the end',
    changes: table({ ...good[2], offset: 0x7fffffff }, good[1]),
    failed: NO_TABLE,
  },
  {
    what: 'an offset that would wrap',
    changes: table({ ...good[2], offset: 0xffffffff, length: 2 }, good[1]),
    failed: NO_TABLE,
  },
  {
    what: 'a length beyond the end',
    changes: table(good[1], { ...good[2], length: vcek.byteLength + 1 }),
    failed: NO_TABLE,
  },
  {
    what: 'a length of four gigabytes',
    changes: table(good[1], { ...good[2], length: 0xffffffff }),
    failed: NO_TABLE,
  },
  {
    what: 'a certificate inside the records',
    changes: table({ ...good[2], offset: 24 }, good[1]),
    failed: NO_TABLE,
  },
  {
    what: 'a length of nothing',
    changes: table({ ...good[2], length: 0 }, good[1]),
    failed: NO_TABLE,
  },
  { what: 'one role twice', changes: table(...good, good[2]), failed: NO_TABLE },
  {
    what: 'a strange record that reaches beyond the end',
    changes: table(...good, { role: 'extra', content: Uint8Array.of(1), length: 2 }),
    failed: NO_TABLE,
  },
  {
    what: 'no end of the records',
    changes: {
      files: {
        ...table().files,
        'auxblob.bin': certificateTable([{ role: 'vcek', content: new Uint8Array(0) }], false),
      },
    },
    failed: NO_TABLE,
  },
  {
    what: 'an empty file',
    changes: { files: { ...table().files, 'auxblob.bin': new Uint8Array(0) } },
    failed: NO_TABLE,
  },
  {
    what: 'garbage',
    changes: { files: { ...table().files, 'auxblob.bin': garbage } },
    failed: NO_TABLE,
  },
  {
    what: 'records of a length that is not zero at the end',
    changes: {
      files: { ...table().files, 'auxblob.bin': new Uint8Array(24).fill(1, 20, 21) },
    },
    failed: NO_TABLE,
  },
  {
    what: 'a table without the key',
    changes: table(good[0], good[1]),
    failed: NO_KEY,
  },
  {
    what: 'a table with a key that is not a certificate',
    changes: table(good[1], { role: 'vcek', content: garbage }),
    failed: NO_TABLE,
  },
  {
    what: 'a table with a key that is not DER',
    changes: table(good[1], { role: 'vcek', content: Uint8Array.from([0x30, ...garbage]) }),
    failed: NO_KEY,
  },
  {
    what: 'a good table beside a wrong file',
    changes: {
      files: { 'vcek.der': stranger.endorsements[0], 'auxblob.bin': certificateTable(good) },
    },
    failed: ['platform-signature', 'chain-signatures'],
  },
  {
    what: 'a broken table beside good files',
    changes: { files: { 'auxblob.bin': garbage } },
    failed: ['certificate-table'],
  },
  {
    what: 'a table whose ARK is another: never looked at, but the ASK is its',
    changes: table(
      { role: 'ark', content: stranger.root },
      { role: 'ask', content: stranger.endorsements[1] },
      { role: 'vcek', content: stranger.endorsements[0] },
    ),
    failed: ['platform-signature', 'chain-signatures', 'chain-key-ids'],
  },
];
