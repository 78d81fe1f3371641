// Vectors of what admins sign and how approvals are counted (docs/spec/admin-statements.md).
import {
  ascii,
  ecdsaKey,
  ed25519Key,
  hardwareKey,
  sshsig,
  armor,
  type SshKey,
} from '../ssh-maker.ts';
import { canonical, without } from '../canonical-json.ts';
import { hex, vector, type VectorCase, type VectorFile } from '../vector-file.ts';

const POLICY = 'sealwright-policy';
const EMERGENCY = 'sealwright-emergency';

const STATEMENT = {
  v: 1,
  kind: 'emergency',
  call: 'suspend',
  clusterId: 'ab'.repeat(32),
  ring: 'release',
  version: 0,
  sequence: 1,
  previous: '00'.repeat(32),
  notAfter: 1_800_000_000_000,
  reason: 'a laptop was stolen',
} as const;

type Changes = Readonly<Record<string, string | number>>;

const statement = (id: string, comment: string, changes: Changes = {}): VectorCase =>
  vector(`statement-${id}`, comment, { statement: canonical({ ...STATEMENT, ...changes }) });

const refused = (id: string, comment: string, text: string, place: string): VectorCase =>
  vector(`statement-${id}`, comment, { statement: text }, 'STATEMENT_INVALID', { place });

function statements(): VectorCase[] {
  const wrong = (id: string, comment: string, changes: Changes, place: string): VectorCase =>
    refused(id, comment, canonical({ ...STATEMENT, ...changes }), place);
  return [
    statement('suspend', 'one approval is enough'),
    statement('resume', 'takes M', { call: 'resume', version: 3 }),
    statement('mark-compromised', 'takes min(2, M)', { call: 'mark-compromised' }),
    statement('sequence-largest', '2^53 - 1', { sequence: Number.MAX_SAFE_INTEGER }),
    statement('later', 'after another', { sequence: 2, previous: 'cd'.repeat(32) }),
    statement('reason-longest', '200 characters', { reason: 'a'.repeat(200) }),
    wrong('v2', 'a later version', { v: 2 }, '/v'),
    wrong('kind', 'another document', { kind: 'policy' }, '/kind'),
    wrong('call-rotate', 'comes with rotation', { call: 'rotate-now' }, '/call'),
    wrong('call-destroy', 'comes with rotation', { call: 'destroy' }, '/call'),
    wrong('cluster-short', '31 bytes', { clusterId: 'ab'.repeat(31) }, '/clusterId'),
    wrong('cluster-upper', 'upper case', { clusterId: 'AB'.repeat(32) }, '/clusterId'),
    wrong('ring-slash', 'not a name of a ring', { ring: 'a/1' }, '/ring'),
    wrong('version-negative', 'below 0', { version: -1 }, '/version'),
    wrong('version-large', '2^32', { version: 2 ** 32 }, '/version'),
    wrong('sequence-0', 'below 1', { sequence: 0 }, '/sequence'),
    wrong('sequence-text', 'a number in quotes', { sequence: '1' }, '/sequence'),
    wrong('previous-short', '31 bytes', { previous: 'cd'.repeat(31) }, '/previous'),
    wrong('previous-upper', 'upper case', { previous: 'CD'.repeat(32) }, '/previous'),
    wrong('previous-empty', 'none is 32 zero bytes', { previous: '' }, '/previous'),
    wrong('reason-empty', 'no reason', { reason: '' }, '/reason'),
    wrong('reason-long', '201 characters', { reason: 'a'.repeat(201) }, '/reason'),
    wrong('reason-lines', 'a line feed', { reason: 'a\nb' }, '/reason'),
    wrong('reason-umlaut', 'not ASCII', { reason: 'geklaut: für immer' }, '/reason'),
    wrong('unknown-member', 'a closed schema', { force: 'yes' }, '/force'),
    ...Object.keys(STATEMENT).map((name) =>
      refused(
        `without-${name}`,
        'a member is missing',
        canonical(without(STATEMENT, name)),
        `/${name}`,
      ),
    ),
    refused('not-canonical', 'a space', ` ${canonical(STATEMENT)}`, ''),
    refused(
      'twice',
      'a member stands twice',
      canonical(STATEMENT).replace('"v":1', '"v":1,"v":1'),
      '',
    ),
  ];
}

interface Person {
  readonly name: string;
  readonly key: SshKey;
}

const TOUCHED = { application: 'ssh:', flags: 0x01, counter: 1 };
const alice: Person = { name: 'alice', key: ed25519Key('alice') };
const bob: Person = { name: 'bob', key: ecdsaKey('bob', 'nistp256') };
const carol: Person = { name: 'carol', key: hardwareKey('carol', 'ed25519', TOUCHED) };
const dave: Person = { name: 'dave', key: ed25519Key('dave') };

const named = ({ name, key }: Person) => ({ name, key: key.line });

/** An emergency statement of this cluster, as it is approved. */
const DOCUMENT = canonical(STATEMENT);

interface Counting {
  readonly threshold?: number;
  readonly newcomers?: readonly Person[];
  readonly namespace?: string;
}

type Approval = Uint8Array | string;

function counted(
  id: string,
  comment: string,
  approvals: readonly Approval[],
  expect: string,
  output: Readonly<Record<string, unknown>>,
  { threshold = 2, newcomers = [], namespace = EMERGENCY }: Counting = {},
): VectorCase {
  const input = {
    namespace,
    document: DOCUMENT,
    admins: [alice, bob, carol].map(named),
    threshold,
    newcomers: newcomers.map(named),
    approvals: approvals.map((one) => hex(typeof one === 'string' ? ascii(one) : one)),
  };
  return vector(`approvals-${id}`, comment, input, expect, output);
}

const by = ({ key }: Person, document = DOCUMENT, namespace = EMERGENCY): Uint8Array =>
  sshsig(key, namespace, ascii(document));

function approvals(): VectorCase[] {
  const good = (
    id: string,
    comment: string,
    list: readonly Approval[],
    names: readonly string[],
    how?: Counting,
  ): VectorCase => counted(id, comment, list, 'accept', { names }, how);
  const invalid = (
    id: string,
    comment: string,
    list: readonly Approval[],
    index: number,
    actual: string,
  ): VectorCase =>
    counted(id, comment, list, 'APPROVAL_INVALID', { field: `approvals/${String(index)}`, actual });
  const missing = (
    id: string,
    comment: string,
    list: readonly Approval[],
    output: Readonly<Record<string, unknown>>,
    how?: Counting,
  ): VectorCase => counted(id, comment, list, 'APPROVALS_MISSING', output, how);
  const otherCluster = DOCUMENT.replace('ab'.repeat(32), 'cd'.repeat(32));
  const newcomers = { newcomers: [dave] };
  return [
    good('two', '2 of 3', [by(alice), by(carol)], ['alice', 'carol']),
    good('order', 'in the order given', [by(bob), by(alice)], ['bob', 'alice']),
    good('armored', 'both forms', [armor(by(bob)), by(carol)], ['bob', 'carol']),
    good('all', 'more than enough', [by(alice), by(bob), by(carol)], ['alice', 'bob', 'carol']),
    good('one', 'a threshold of 1', [by(carol)], ['carol'], { threshold: 1 }),
    good(
      'newcomer',
      'the new admin signs too',
      [by(dave), by(bob), by(alice)],
      ['dave', 'bob', 'alice'],
      newcomers,
    ),
    missing('none', 'no approval', [], { expected: '2', actual: '0' }),
    missing('m-1', 'one too few', [by(alice)], { expected: '2', actual: '1' }),
    missing(
      'newcomer-absent',
      'the new admin has not signed',
      [by(alice), by(bob)],
      { expected: 'dave' },
      newcomers,
    ),
    missing(
      'newcomer-counted',
      'the new admin does not count',
      [by(alice), by(dave)],
      { expected: '2', actual: '1' },
      newcomers,
    ),
    invalid('twice', 'one admin twice', [by(alice), by(alice)], 1, 'duplicate'),
    invalid(
      'twice-armored',
      'one admin in two forms',
      [by(alice), armor(by(alice))],
      1,
      'duplicate',
    ),
    invalid(
      'stranger',
      'enough, and one by somebody else',
      [by(alice), by(bob), by(dave)],
      2,
      'not-an-admin',
    ),
    invalid('document', 'over another document', [by(alice, '{}'), by(bob)], 0, 'signature'),
    invalid(
      'cluster',
      'over another cluster’s statement',
      [by(alice), by(bob, otherCluster)],
      1,
      'signature',
    ),
    invalid(
      'sequence',
      'over the statement before',
      [by(alice), by(bob, canonical({ ...STATEMENT, sequence: 2 }))],
      1,
      'signature',
    ),
    invalid('namespace', 'over a policy', [by(alice, DOCUMENT, POLICY), by(bob)], 0, 'namespace'),
    invalid('nothing', 'no signature', [by(alice), by(bob), ''], 2, 'magic'),
    counted(
      'many',
      '65 of them',
      Array.from({ length: 65 }, () => by(alice)),
      'APPROVAL_INVALID',
      {
        field: 'approvals',
        expected: 'at most 64',
        actual: '65',
      },
    ),
  ];
}

export function makeVectors(): VectorFile[] {
  const cases = [...statements(), ...approvals()];
  const spec = 'docs/spec/admin-statements.md';
  return [{ file: 'admin-statements.json', content: { spec, specVersion: 1, cases } }];
}
