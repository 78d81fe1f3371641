// Bytes that are no evidence.
import {
  NONCE,
  genesisStatement,
  hpkeClaims,
  proposalClaim,
  type Changes,
} from '../evidence/index.ts';
import { hex, type VectorCase } from '../vector-file.ts';
import { malformed, made, good } from './asked.ts';

export function undecodableCases(): VectorCase[] {
  const bundle = (id: string, comment: string, changes: Changes, place: string): VectorCase =>
    malformed(`bundle-${id}`, comment, made({ bundle: changes }), place);
  const claims = (id: string, comment: string, changes: Changes, place: string): VectorCase =>
    malformed(`claims-${id}`, comment, made({ claims: changes }), `/claims${place}`);
  const genesis = (id: string, comment: string, changes: Changes, place: string): VectorCase =>
    malformed(`genesis-${id}`, comment, made({ genesis: changes }), place);
  return [
    malformed('empty', 'no bytes', '', ''),
    malformed('not-json', 'text', 'evidence', ''),
    malformed('space', 'not canonical', ` ${good.text}`, ''),
    malformed('duplicate', 'a member twice', good.text.replace(/}$/, ',"v":1}'), ''),
    malformed('deep', 'nested 1,000 times', `${'['.repeat(1000)}${']'.repeat(1000)}`, ''),
    malformed('array', 'an array', '[]', ''),
    bundle('v2', 'a later version', { v: 2 }, '/v'),
    bundle('kind', 'another document', { kind: 'genesis' }, '/kind'),
    bundle('unknown', 'a member that nobody knows', { extra: 1 }, '/extra'),
    bundle('no-claims', 'no claims', { claims: undefined }, '/claims'),
    bundle(
      'no-endorsements',
      'no list of endorsements',
      { endorsements: undefined },
      '/endorsements',
    ),
    bundle('endorsements-text', 'endorsements as text', { endorsements: '00' }, '/endorsements'),
    bundle('endorsement-empty', 'an empty certificate', { endorsements: [''] }, '/endorsements/0'),
    bundle(
      'endorsements-many',
      '17 certificates',
      { endorsements: Array<string>(17).fill('00') },
      '/endorsements',
    ),
    bundle('upper-case', 'upper-case hex', { platformEvidence: 'AB' }, '/platformEvidence'),
    bundle('no-genesis', 'no genesis certificate', { genesis: undefined }, '/genesis'),
    bundle(
      'freshness-member',
      'freshness with one member',
      { freshness: { timeMs: 1 } },
      '/freshness/nonce',
    ),
    malformed(
      'setup-freshness',
      'setup evidence has no identity key that could sign',
      made({
        kind: 'setup',
        bundle: { freshness: { nonce: hex(NONCE), signature: '00', timeMs: 1 } },
      }),
      '/freshness',
    ),
    malformed(
      'setup-rings',
      'setup evidence has no rings',
      made({ kind: 'setup', claims: { hostAssertedRings: [] } }),
      '/claims/hostAssertedRings',
    ),
    malformed(
      'evidence-proposal',
      'a cluster that is there is not proposed',
      made({ claims: { proposal: proposalClaim() } }),
      '/claims/proposal',
    ),
    malformed(
      'proposal-member',
      'a proposal with one member',
      made({ kind: 'setup', claims: { proposal: { tokenSerial: '' } } }),
      '/claims/proposal/clusterId',
    ),
    genesis('no-statement', 'no statement', { statement: undefined }, '/genesis/statement'),
    genesis(
      'statement-kind',
      'another document was approved',
      { statement: genesisStatement({ kind: 'policy' }) },
      '/genesis/statement/kind',
    ),
    genesis(
      'statement-space',
      'a statement that is not canonical',
      { statement: ` ${genesisStatement()}` },
      '/genesis/statement',
    ),
    genesis('approvals-missing', 'no list', { approvals: undefined }, '/genesis/approvals'),
    genesis('approvals-empty', 'an empty one', { approvals: [''] }, '/genesis/approvals/0'),
    genesis(
      'approvals-many',
      '65 approvals',
      { approvals: Array<string>(65).fill('00') },
      '/genesis/approvals',
    ),
    claims('v2', 'a later version', { v: 2 }, '/v'),
    claims('kind', 'a kind that is none', { kind: 'serving' }, '/kind'),
    claims('unknown', 'a member that nobody knows', { extra: true }, '/extra'),
    claims('missing', 'a member is missing', { anchor: undefined }, '/anchor'),
    claims(
      'rings-missing',
      'the list of rings is missing',
      { hostAssertedRings: undefined },
      '/hostAssertedRings',
    ),
    claims(
      'ring-name',
      'a ring name with an escape sequence',
      { hostAssertedRings: ['\u001b[2J'] },
      '/hostAssertedRings/0',
    ),
    claims('hardening-missing', 'nothing said', { hardening: undefined }, '/hardening'),
    claims('hardening-text', 'one word as text', { hardening: 'own-uid' }, '/hardening'),
    claims('hardening-word', 'a text', { hardening: ['Own uid'] }, '/hardening/0'),
    claims(
      'hardening-order',
      'another order of the same words',
      { hardening: ['own-uid', 'no-network'] },
      '/hardening',
    ),
    claims('hardening-twice', 'a word twice', { hardening: ['own-uid', 'own-uid'] }, '/hardening'),
    claims(
      'hardening-many',
      '65 words',
      { hardening: Array.from({ length: 65 }, (_, i) => `w${String(i + 100)}`) },
      '/hardening',
    ),
    claims(
      'suite-unknown',
      'a suite that nobody has',
      { suite: 'x448-hkdf-sha512-chacha20poly1305' },
      '/suite',
    ),
    claims('suite-number', 'its number', { suite: 1 }, '/suite'),
    claims('suite-missing', 'no suite', { suite: undefined }, '/suite'),
    claims(
      'suite-other-key',
      'a key of suite 1 under the word of suite 3',
      { ...hpkeClaims(3), hpkeKey: hpkeClaims(1)['hpkeKey'] },
      '/hpkeKey',
    ),
    claims(
      'suite-downgrade',
      'a key of suite 3 under the word of suite 1',
      { ...hpkeClaims(1), hpkeKey: hpkeClaims(3)['hpkeKey'] },
      '/hpkeKey',
    ),
    claims(
      'hpke-key-compressed',
      'a point of suite 2, compressed',
      { ...hpkeClaims(2), hpkeKey: `02${'11'.repeat(32)}` },
      '/hpkeKey',
    ),
    claims('nonce-short', '15 bytes', { nonce: '00'.repeat(15) }, '/nonce'),
    claims('nonce-long', '65 bytes', { nonce: '00'.repeat(65) }, '/nonce'),
    claims('number', 'a number as text', { svn: '1' }, '/svn'),
    claims(
      'token-text',
      'control characters',
      { token: { manufacturer: '\u0007', model: '', serial: '', channel: 'none' } },
      '/token/manufacturer',
    ),
  ];
}
