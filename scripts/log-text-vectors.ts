// Vectors of the log's text and byte forms: notes, checkpoints, tile paths, entry bundles, tlog-proof.
import {
  base64,
  checkpointText,
  inclusionPath,
  leafHashOf,
  noteSigner,
  signatureLine,
  signedNote,
  treeHash,
} from './log-maker.ts';
import { fixedBytes, hex, sha256, vector, type VectorCase } from './vector-file.ts';

export const ORIGIN = 'sealwright/000102030405060708090a0b0c0d0e0f';
export const logSigner = noteSigner(ORIGIN, 'log key');
const otherKey = noteSigner(ORIGIN, 'another log key');
const witness = noteSigner('witness.example/one', 'witness');

export const leafHashes = Array.from({ length: 7 }, (_, i) => leafHashOf(Uint8Array.of(i)));
const root = treeHash(leafHashes);
const text = checkpointText(ORIGIN, 7, root);
const note = signedNote(text, logSigner);

/** tlog-checkpoint's example. Its signature is of another text, so nobody can verify it. */
const C2SP_CHECKPOINT =
  'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n' +
  '\u2014 example.com/behind-the-sofa ' +
  'Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n';

/** The example in the documentation of Go's golang.org/x/mod/sumdb/note. */
const GO_NOTE =
  "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n" +
  '\u2014 PeterNeumann ' +
  'x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';
const GO_KEY = '1a5cd907143c384c41e830c5bce12aa8817ec5649aaabf2c31388b35b2d744d6';

const noteCase = (
  id: string,
  comment: string,
  input: string,
  expect: string,
  key: { readonly name: string; readonly publicKey: Uint8Array } = logSigner,
): VectorCase =>
  vector(
    id,
    comment,
    { form: 'note', note: input, name: key.name, publicKey: hex(key.publicKey) },
    expect,
  );

const extra = (...lines: readonly string[]): string => `${note}${lines.join('')}`;
const unsigned = (line: string): string => `${text}\n${line}`;
const shortSignature = `\u2014 ${ORIGIN} ${base64(logSigner.keyId)}\n`;
/** The last of six spare bits set: other base64, same bytes. */
const SPARE_BITS = note.replace(
  /.=\n$/,
  (end) => `${String.fromCharCode(end.charCodeAt(0) + 1)}=\n`,
);

export function noteCases(): VectorCase[] {
  const falseLine = signatureLine('another text\n', logSigner);
  const sixteen = Array.from({ length: 15 }, (_, i) => noteSigner(`w${String(i)}.example`, 'w'));
  return [
    noteCase('note', 'signed by the known key', note, 'accept'),
    noteCase('note-go', "Go's documented example", GO_NOTE, 'accept', {
      name: 'PeterNeumann',
      publicKey: Buffer.from(GO_KEY, 'hex'),
    }),
    noteCase('note-16', 'sixteen signatures', signedNote(text, ...sixteen, logSigner), 'accept'),
    noteCase(
      'note-unknown',
      'one more by a witness',
      extra(signatureLine(text, witness)),
      'accept',
    ),
    noteCase(
      'note-unknown-twice',
      'the witness twice',
      extra(signatureLine(text, witness).repeat(2)),
      'accept',
    ),
    noteCase(
      'note-unknown-false',
      'a false one by a witness',
      extra(signatureLine('x\n', witness)),
      'accept',
    ),
    noteCase(
      'note-same-name',
      'one more by another key of the same name',
      extra(signatureLine(text, otherKey)),
      'accept',
    ),
    noteCase(
      'note-same-id',
      'one more with the id of the known key under another name',
      extra(signatureLine(text, witness, { keyId: logSigner.keyId })),
      'accept',
    ),
    noteCase(
      'note-blank-lines',
      'a text with blank lines',
      signedNote('one\n\ntwo\n\n\nthree\n', logSigner),
      'accept',
    ),
    noteCase(
      'note-empty-line',
      'a text that is one blank line',
      signedNote('\n', logSigner),
      'accept',
    ),
    noteCase(
      'note-unicode',
      'a text outside ASCII',
      signedNote('\u65e5\u672c \u{1f512}\n', logSigner),
      'accept',
    ),

    noteCase('note-empty', 'nothing', '', 'FINAL_NEWLINE'),
    noteCase('note-newline', 'a newline', '\n', 'BLANK_LINE'),
    noteCase('note-no-signature', 'no signature', `${text}\n`, 'SIGNATURE_COUNT'),
    noteCase(
      'note-65',
      'sixty-five signatures',
      extra(signatureLine(text, witness).repeat(64)),
      'SIGNATURE_COUNT',
    ),
    noteCase('note-no-blank', 'no blank line', note.replace('\n\n', '\n'), 'BLANK_LINE'),
    noteCase('note-no-newline', 'no final newline', note.slice(0, -1), 'FINAL_NEWLINE'),
    noteCase('note-extra-newline', 'a newline more', `${note}\n`, 'SIGNATURE_COUNT'),
    noteCase('note-crlf', 'CRLF', note.replaceAll('\n', '\r\n'), 'CONTROL_CHARACTER'),
    noteCase('note-tab', 'a tab', signedNote('a\tb\n', logSigner), 'CONTROL_CHARACTER'),
    noteCase('note-nul', 'a zero byte', signedNote('a\0b\n', logSigner), 'CONTROL_CHARACTER'),
    noteCase(
      'note-hyphen',
      'a hyphen for the em dash',
      note.replace('\u2014', '-'),
      'SIGNATURE_LINE',
    ),
    noteCase(
      'note-two-dashes',
      'two em dashes',
      note.replace('\u2014', '\u2014\u2014'),
      'SIGNATURE_LINE',
    ),
    noteCase('note-trailing', 'text below the signatures', extra('end\n'), 'SIGNATURE_LINE'),
    noteCase(
      'note-no-key-name',
      'no key name',
      unsigned(`\u2014 ${base64(logSigner.keyId)}\n`),
      'SIGNATURE_LINE',
    ),
    noteCase(
      'note-empty-name',
      'an empty key name',
      unsigned(signatureLine(text, logSigner, { name: '' })),
      'KEY_NAME',
    ),
    noteCase(
      'note-name-plus',
      'a plus in the name',
      unsigned(signatureLine(text, logSigner, { name: 'a+b' })),
      'KEY_NAME',
    ),
    noteCase(
      'note-name-space',
      'a no-break space in the name',
      unsigned(signatureLine(text, logSigner, { name: 'a\u00a0b' })),
      'KEY_NAME',
    ),
    noteCase('note-short', 'a key id without a signature', unsigned(shortSignature), 'BASE64'),
    noteCase('note-base64-padding', 'no padding', note.replace(/=+\n$/, '\n'), 'BASE64'),
    noteCase('note-base64-spare', 'spare bits set', SPARE_BITS, 'BASE64'),
    noteCase(
      'note-base64-url',
      'the URL alphabet',
      unsigned(`\u2014 a ____${'A'.repeat(84)}\n`),
      'BASE64',
    ),
    noteCase(
      'note-base64-space',
      'a space behind the signature',
      note.replace(/\n$/, ' \n'),
      'BASE64',
    ),
    noteCase(
      'note-bad-other-line',
      'a good signature and a line that is none',
      extra('\u2014 a b\n'),
      'BASE64',
    ),
    noteCase(
      'note-other-key',
      'another key of the same name',
      signedNote(text, otherKey),
      'NO_KNOWN_KEY',
    ),
    noteCase(
      'note-other-name',
      'the same key by another name',
      signedNote(text, noteSigner('other', 'log key')),
      'NO_KNOWN_KEY',
    ),
    noteCase(
      'note-witness-only',
      'signed by a witness only',
      signedNote(text, witness),
      'NO_KNOWN_KEY',
    ),
    noteCase(
      'note-other-text',
      'signature of another text',
      unsigned(falseLine),
      'FALSE_SIGNATURE',
    ),
    noteCase(
      'note-edited',
      'text changed after signing',
      note.replace('\n7\n', '\n8\n'),
      'FALSE_SIGNATURE',
    ),
    noteCase(
      'note-collision',
      "another key's signature under name and id of the known key",
      unsigned(signatureLine(text, otherKey, { keyId: logSigner.keyId })),
      'FALSE_SIGNATURE',
    ),
    noteCase(
      'note-good-and-false',
      'a good line, then a false one',
      extra(falseLine),
      'DUPLICATE_SIGNATURE',
    ),
    noteCase(
      'note-false-and-good',
      'a false line, then a good one',
      unsigned(`${falseLine}${signatureLine(text, logSigner)}`),
      'FALSE_SIGNATURE',
    ),
    noteCase(
      'note-twice',
      'the same line twice',
      extra(signatureLine(text, logSigner)),
      'DUPLICATE_SIGNATURE',
    ),
  ];
}

const headCase = (id: string, comment: string, checkpoint: string, expect: string): VectorCase =>
  vector(
    id,
    comment,
    { form: 'checkpoint', note: checkpoint, origin: ORIGIN, publicKey: hex(logSigner.publicKey) },
    expect,
  );

/** A body under a good signature. */
const checkpointCase = (id: string, comment: string, body: string, expect: string): VectorCase =>
  headCase(id, comment, signedNote(body, logSigner), expect);

export function checkpointCases(): VectorCase[] {
  const sized = (size: string): string => checkpointText(ORIGIN, size, root);
  const rooted = (line: string): string => `${ORIGIN}\n7\n${line}\n`;
  return [
    {
      ...checkpointCase('checkpoint', 'seven leaves', text, 'accept'),
      output: { origin: ORIGIN, size: 7, rootHash: hex(root) },
    },
    checkpointCase(
      'checkpoint-empty-log',
      'no leaves',
      checkpointText(ORIGIN, 0, sha256()),
      'accept',
    ),
    checkpointCase('checkpoint-large', 'the largest size', sized('9007199254740991'), 'accept'),
    headCase(
      'checkpoint-witnessed',
      'with a cosignature',
      signedNote(text, logSigner, witness),
      'accept',
    ),
    headCase(
      'checkpoint-c2sp',
      "C2SP's example: of another log",
      C2SP_CHECKPOINT,
      'CHECKPOINT_ORIGIN',
    ),
    checkpointCase(
      'checkpoint-other-origin',
      'another origin, signed',
      text.replace('/00', '/10'),
      'CHECKPOINT_ORIGIN',
    ),
    checkpointCase(
      'checkpoint-simulated',
      'the simulated log of the same cluster',
      `simulated/${text}`,
      'CHECKPOINT_ORIGIN',
    ),
    headCase(
      'checkpoint-other-key',
      'another key',
      signedNote(text, otherKey),
      'CHECKPOINT_SIGNATURE',
    ),
    checkpointCase('checkpoint-size-plus', 'a sign', sized('+7'), 'TREE_SIZE'),
    checkpointCase('checkpoint-size-minus', 'a negative size', sized('-7'), 'TREE_SIZE'),
    checkpointCase('checkpoint-size-zeros', 'a leading zero', sized('07'), 'TREE_SIZE'),
    checkpointCase('checkpoint-size-00', 'zero twice', sized('00'), 'TREE_SIZE'),
    checkpointCase('checkpoint-size-empty', 'no size', sized(''), 'TREE_SIZE'),
    checkpointCase('checkpoint-size-hex', 'hexadecimal', sized('0x7'), 'TREE_SIZE'),
    checkpointCase('checkpoint-size-space', 'a space', sized('7 '), 'TREE_SIZE'),
    checkpointCase('checkpoint-size-e', 'an exponent', sized('7e0'), 'TREE_SIZE'),
    checkpointCase('checkpoint-size-2-53', '2^53', sized('9007199254740992'), 'TREE_SIZE'),
    checkpointCase('checkpoint-size-digits', 'other digits', sized('\u0667'), 'TREE_SIZE'),
    checkpointCase('checkpoint-root-short', '31 bytes', rooted(base64(root.slice(1))), 'ROOT_HASH'),
    checkpointCase(
      'checkpoint-root-long',
      '33 bytes',
      rooted(base64(fixedBytes('x', 33))),
      'ROOT_HASH',
    ),
    checkpointCase('checkpoint-root-hex', 'hexadecimal', rooted(hex(root)), 'ROOT_HASH'),
    checkpointCase(
      'checkpoint-root-padding',
      'no padding',
      rooted(base64(root).slice(0, -1)),
      'ROOT_HASH',
    ),
    checkpointCase(
      'checkpoint-root-spare',
      'spare bits set',
      rooted(`${'A'.repeat(42)}B=`),
      'ROOT_HASH',
    ),
    checkpointCase('checkpoint-root-empty', 'no root', rooted(''), 'ROOT_HASH'),
    checkpointCase('checkpoint-extension', 'an extension line', `${text}more\n`, 'EXTENSION_LINE'),
    checkpointCase('checkpoint-two-lines', 'no root line', `${ORIGIN}\n7\n`, 'CHECKPOINT_LINES'),
    checkpointCase('checkpoint-one-line', 'origin only', `${ORIGIN}\n`, 'CHECKPOINT_LINES'),
    checkpointCase('checkpoint-no-origin', 'an empty origin', `\n7\n${base64(root)}\n`, 'ORIGIN'),
  ];
}

export function tileCases(): VectorCase[] {
  const path = (id: string, comment: string, value: string, tile?: object): VectorCase =>
    vector(
      id,
      comment,
      { form: 'tile-path', path: value },
      tile === undefined ? 'TILE_PATH' : 'accept',
      tile as VectorCase['output'],
    );
  const width = (level: number, index: number, size: number, found: number): VectorCase =>
    vector(
      `tile-width-${String(size)}-${String(level)}-${String(index)}`,
      `tile ${String(index)} of level ${String(level)} in a tree of ${String(size)}`,
      { form: 'tile-width', level, index, size },
      'accept',
      { width: found },
    );
  return [
    path('tile-path-c2sp', "C2SP's example", 'tile/0/x001/x234/067', {
      level: 0,
      index: 1234067,
      width: 256,
    }),
    path('tile-path-zero', 'the first tile', 'tile/0/000', { level: 0, index: 0, width: 256 }),
    path('tile-path-thousand', 'the first with two groups', 'tile/3/x001/000', {
      level: 3,
      index: 1000,
      width: 256,
    }),
    path('tile-path-partial', 'a partial tile', 'tile/1/001.p/17', {
      level: 1,
      index: 1,
      width: 17,
    }),
    path('tile-path-entries', 'a bundle', 'tile/entries/x001/000', {
      level: 'entries',
      index: 1000,
      width: 256,
    }),
    path('tile-path-entries-partial', 'a partial bundle', 'tile/entries/273.p/112', {
      level: 'entries',
      index: 273,
      width: 112,
    }),
    path('tile-path-level-63', 'the highest level', 'tile/63/000.p/1', {
      level: 63,
      index: 0,
      width: 1,
    }),
    path('tile-path-empty', 'nothing', ''),
    path('tile-path-slash', 'a slash first', '/tile/0/000'),
    path('tile-path-end', 'a slash last', 'tile/0/000/'),
    path('tile-path-level-64', 'a level too high', 'tile/64/000'),
    path('tile-path-level-zero', 'a leading zero', 'tile/00/000'),
    path('tile-path-data', "Go's name of entries", 'tile/data/000'),
    path('tile-path-short', 'two digits', 'tile/0/00'),
    path('tile-path-groups', 'no x', 'tile/0/001/000'),
    path('tile-path-last-x', 'x in the last group', 'tile/0/x001/x000'),
    path('tile-path-leading-group', 'a group of zeros first', 'tile/0/x000/001'),
    path('tile-path-full-partial', 'a partial tile of 256', 'tile/0/000.p/256'),
    path('tile-path-width-zero', 'a partial tile of 0', 'tile/0/000.p/0'),
    path('tile-path-width-zeros', 'a leading zero', 'tile/0/000.p/01'),
    path('tile-path-width-missing', 'no width', 'tile/0/000.p/'),
    path('tile-path-2-53', '2^53', 'tile/0/x009/x007/x199/x254/x740/992'),
    path('tile-path-up', 'a parent folder', 'tile/0/../000'),
    path('tile-path-upper', 'an upper-case X', 'tile/0/X001/000'),
    path('tile-path-newline', 'a newline', 'tile/0/000\n'),
    // tlog-tiles "Partial Tiles" counts them for 70,000 and 256 leaves.
    width(0, 272, 70000, 256),
    width(0, 273, 70000, 112),
    width(0, 274, 70000, 0),
    width(1, 0, 70000, 256),
    width(1, 1, 70000, 17),
    width(2, 0, 70000, 1),
    width(3, 0, 70000, 0),
    width(0, 0, 256, 256),
    width(1, 0, 256, 1),
    width(1, 0, 255, 0),
    width(0, 0, 0, 0),
  ];
}

export function bundleCases(): VectorCase[] {
  const bundle = (
    id: string,
    comment: string,
    bytes: string,
    count: number,
    leaves?: readonly string[],
  ): VectorCase =>
    vector(id, comment, { form: 'entry-bundle', bytes, count }, 'accept', { leaves });
  const refused = (
    id: string,
    comment: string,
    bytes: string,
    count: number,
    reason: string,
  ): VectorCase => vector(id, comment, { form: 'entry-bundle', bytes, count }, reason);
  return [
    bundle('bundle', 'two leaves', '0003616263' + '000164', 2, ['616263', '64']),
    bundle('bundle-empty-leaf', 'an empty leaf', '0000' + '000164', 2, ['', '64']),
    bundle('bundle-two-bytes', 'a length that needs both bytes', `0100${'00'.repeat(256)}`, 1, [
      '00'.repeat(256),
    ]),
    refused('bundle-empty', 'no bytes', '', 1, 'ENTRY_COUNT'),
    refused('bundle-fewer', 'a leaf less', '0003616263', 2, 'ENTRY_COUNT'),
    refused('bundle-more', 'a leaf more', '0003616263' + '000164', 1, 'ENTRY_COUNT'),
    refused('bundle-trailing', 'a byte more', '0003616263' + '00', 1, 'ENTRY_COUNT'),
    refused('bundle-half-length', 'half a length', '0003616263' + '00', 2, 'ENTRY_LENGTH'),
    refused('bundle-truncated', 'a byte less', '00036162', 1, 'ENTRY_LENGTH'),
    refused('bundle-length-only', 'a length only', '0001', 1, 'ENTRY_LENGTH'),
    refused('bundle-too-long', 'the longest length without its leaf', 'ffff00', 1, 'ENTRY_LENGTH'),
    refused('bundle-little-endian', 'the other byte order', '0300616263', 1, 'ENTRY_LENGTH'),
  ];
}

export function proofCases(): VectorCase[] {
  const hashes = inclusionPath(2, leafHashes).map(base64);
  const head = [
    'c2sp.org/tlog-proof@v1',
    `extra ${base64(Uint8Array.of(2))}`,
    'index 2',
    ...hashes,
  ];
  const file = (lines: readonly string[], checkpoint = note): string =>
    `${lines.join('\n')}\n\n${checkpoint}`;
  /** The file with one line of its head replaced; '' takes it out. */
  const changed = (line: number, value: string): string =>
    file(head.flatMap((old, i) => (i !== line ? [old] : value === '' ? [] : [value])));
  const proof = (id: string, comment: string, value: string, expect: string): VectorCase =>
    vector(id, comment, { form: 'tlog-proof', text: value }, expect);
  return [
    {
      ...proof('proof', 'leaf 2 of 7, with the leaf as extra data', file(head), 'accept'),
      output: {
        extra: '02',
        index: 2,
        proof: inclusionPath(2, leafHashes).map(hex),
        checkpoint: note,
      },
    },
    proof('proof-no-extra', 'without extra data', changed(1, ''), 'accept'),
    proof('proof-one-leaf', 'a proof without hashes', file(head.slice(0, 3)), 'accept'),
    proof('proof-header', 'another version', changed(0, 'c2sp.org/tlog-proof@v2'), 'PROOF_HEADER'),
    proof(
      'proof-header-space',
      'a space behind the header',
      changed(0, `${head[0] ?? ''} `),
      'PROOF_HEADER',
    ),
    proof('proof-header-missing', 'no header', changed(0, ''), 'PROOF_HEADER'),
    proof('proof-bom', 'a byte order mark', `\ufeff${file(head)}`, 'PROOF_HEADER'),
    proof('proof-extra-padding', 'extra without padding', changed(1, 'extra Ag'), 'PROOF_EXTRA'),
    proof('proof-extra-spare', 'spare bits set', changed(1, 'extra Ah=='), 'PROOF_EXTRA'),
    proof('proof-extra-twice', 'extra twice', changed(1, 'extra Ag==\nextra Ag=='), 'PROOF_INDEX'),
    proof(
      'proof-extra-last',
      'extra behind the index',
      file([head[0] ?? '', 'index 2', head[1] ?? '', ...hashes]),
      'PROOF_HASH',
    ),
    proof('proof-index-missing', 'no index', changed(2, ''), 'PROOF_INDEX'),
    proof('proof-index-zeros', 'a leading zero', changed(2, 'index 02'), 'PROOF_INDEX'),
    proof('proof-index-negative', 'a negative index', changed(2, 'index -2'), 'PROOF_INDEX'),
    proof('proof-index-2-53', '2^53', changed(2, 'index 9007199254740992'), 'PROOF_INDEX'),
    proof('proof-index-spaces', 'two spaces', changed(2, 'index  2'), 'PROOF_INDEX'),
    proof(
      'proof-hash-short',
      'a hash of 31 bytes',
      changed(3, base64(fixedBytes('x', 31))),
      'PROOF_HASH',
    ),
    proof(
      'proof-hash-padding',
      'a hash without padding',
      changed(3, (hashes[0] ?? '').slice(0, -1)),
      'PROOF_HASH',
    ),
    proof(
      'proof-hash-space',
      'a space behind a hash',
      changed(3, `${hashes[0] ?? ''} `),
      'PROOF_HASH',
    ),
    proof(
      'proof-long',
      '54 hashes',
      file([...head.slice(0, 3), ...Array.from({ length: 54 }, () => hashes[0] ?? '')]),
      'PROOF_LENGTH',
    ),
    proof('proof-crlf', 'CRLF', file(head).replaceAll('\n', '\r\n'), 'PROOF_END'),
    proof('proof-no-blank', 'nothing below the proof', `${head.join('\n')}\n`, 'PROOF_END'),
    proof('proof-no-checkpoint', 'no checkpoint', file(head, ''), 'FINAL_NEWLINE'),
    proof('proof-no-newline', 'no final newline', file(head).slice(0, -1), 'FINAL_NEWLINE'),
    proof('proof-unsigned', 'a checkpoint without signatures', file(head, text), 'BLANK_LINE'),
    proof('proof-trailing', 'text below the checkpoint', `${file(head)}end\n`, 'SIGNATURE_LINE'),
    proof('proof-two-blank', 'two blank lines', file(head, `\n${note}`), 'ORIGIN'),
  ];
}
