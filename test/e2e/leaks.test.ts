/**
 * Nothing secret leaves the enclave. A canary enclave, which differs from the released one in that it hands its secrets
 * to the test, goes through everything that happens to a service; then everything outside of it is searched for them.
 *
 * CAMPAIGN_MINUTES: all tests of this folder run on canary enclaves, again and again.
 */
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromHex, toHex, utf8 } from '../../enclave/wire/bytes.ts';
import { parseSignedJson, type SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { Residency, type Key } from '../../src/gen/sealwright/v1/keys.ts';
import { allowCores, CanaryBed } from '../support/canary/bed.ts';
import { campaign } from '../support/canary/campaign.ts';
import { bytesPlace, filePlace, memoryPlace, processTexts } from '../support/canary/places.ts';
import {
  callLeakyService,
  end,
  GRPC_PLACES,
  PLANTED,
  startLeaky,
  startLeakyWeb,
  type LeakyOptions,
} from '../support/canary/plant.ts';
import type { Place, Search } from '../support/canary/search.ts';
import {
  commands,
  endBySignal,
  refuseEverything,
  serving,
  signEverything,
} from '../support/canary/story.ts';
import { SeenProcess } from '../support/seen-process.ts';
import { until, type Stack } from '../support/stack.ts';

const minutes = Number(process.env['CAMPAIGN_MINUTES'] ?? 0);
const isRoot = process.geteuid?.() === 0;
/** Otherwise a core goes to a program, or nowhere. */
const coresAreFiles =
  isRoot && /^core[^/|]*$/.test(readFileSync('/proc/sys/kernel/core_pattern', 'latin1').trim());

describe.skipIf(minutes > 0)('of a canary enclave', () => {
  let bed: CanaryBed;
  let stack: Stack;
  let keys: readonly Key[];
  let forbidCores = (): void => undefined;

  beforeAll(async () => {
    forbidCores = allowCores();
    bed = await CanaryBed.make();
    stack = await bed.start();
    keys = await signEverything(stack);
  });
  afterAll(async () => {
    await stack.stop();
    forbidCores();
    bed.remove();
  });

  /** Everything outside of the enclave at this moment. */
  async function findings() {
    const { search } = bed;
    return [
      ...search.in([...bed.textPlaces(stack), ...(await bed.httpPlaces(stack.ready.http))]),
      ...(isRoot ? bed.memoryFindings(stack) : []),
    ];
  }

  test('every secret is handed out', async () => {
    const client = stack.client();
    const bundle = parseSignedJson(await client.getEvidence(new Uint8Array(0))) as SignedJsonObject;
    client.close();
    const claims = parseSignedJson(utf8(textOf(bundle, 'claims'))) as SignedJsonObject;
    const secrets = bed.clone.secrets();
    const ofKind = (kind: string) => secrets.filter((secret) => secret.kind === kind);
    const pairs = ofKind('private-key').filter(({ parts }) => parts.length > 0);
    const hasPair = (publicKey: string): boolean =>
      pairs.some(({ name }) => name.endsWith(publicKey));
    for (const claim of ['logKey', 'identityKey', 'hpkeKey']) {
      const publicKey = textOf(claims, claim);
      expect(fromHex(publicKey).byteLength).toBeGreaterThanOrEqual(32);
      expect([claim, hasPair(publicKey)]).toEqual([claim, true]);
    }
    const inEnclave = (key: Key): boolean => key.residency === Residency.RESIDENCY_ENCLAVE;
    expect(keys.map((key) => [key.ring, hasPair(toHex(key.publicKey))])).toEqual(
      keys.map((key) => [key.ring, inEnclave(key)]),
    );
    // Those of records, and what HPKE's key schedule is keyed with.
    const secretKeys = new Set(ofKind('secret-key').map(({ name }) => name));
    expect(secretKeys).toEqual(new Set(['createSecretKey', 'importKey']));
    expect(ofKind('user-pin').length).toBeGreaterThan(0);
    expect(ofKind('so-pin')).toHaveLength(1);
    expect(new Set(ofKind('platform-secret').map(({ name }) => name))).toEqual(
      new Set(['boot/v1', 'root/v1']),
    );
    // The root key goes into the key of every type of record.
    const labels = new Set(ofKind('key-material').map(({ name }) => name));
    expect(labels).toEqual(
      new Set([
        'sealwright/seal/boot/v1',
        'sealwright/seal/key/v1',
        'sealwright/seal/root/v1',
        'sealwright/seal/type/v1',
        'sealwright/sealed/v1',
      ]),
    );
  });

  test.skipIf(!isRoot)('the same search finds them where they belong', () => {
    const { search } = bed;
    const enclave = new SeenProcess(stack.pid('enclave'));
    const found = search.in([memoryPlace(enclave.pid, 'enclave')]);
    const kinds = new Set(found.map(({ kind }) => kind));
    expect([...kinds]).toEqual(expect.arrayContaining(['private-key', 'user-pin', 'key-material']));
    const workers = enclave.children.map(({ pid }) => memoryPlace(pid, 'worker'));
    const ofWorkers = new Set(search.in(workers).map(({ kind }) => kind));
    // It logs in, and makes the HMACs that keys are derived from.
    ofWorkers.delete('key-material');
    expect([...ofWorkers]).toEqual(['user-pin']);
  });

  test('no refusal, no answer and no command says one', async () => {
    const reasons = await refuseEverything(stack);
    expect([...reasons].sort()).toEqual(
      expect.arrayContaining([
        'ALGORITHM_MISMATCH',
        'CALLER_UNAUTHENTICATED',
        'DIGEST_LENGTH_MISMATCH',
        'FRAME_TOO_LARGE',
        'GENESIS_NOT_ALLOWED',
        'KEY_NOT_FOUND',
        'LOG_RANGE_INVALID',
        'MESSAGE_TOO_LARGE',
        'NONCE_LENGTH_INVALID',
        'PAYLOAD_KIND_MISMATCH',
        'RATE_LIMITED',
        'REQUEST_MALFORMED',
      ]),
    );
    const out = (name: string): string => join(bed.folder, 'cwd', name);
    writeFileSync(out('in'), 'a file');
    for (const args of commands(out)) await stack.run(args, bed.runOptions);
    expect(readFileSync(out('sig')).byteLength).toBeGreaterThan(60);
    expect(await findings()).toEqual([]);
  });

  test('no end of a process and no signal does', async () => {
    // Of a release it does nothing; a Node without the flag would open its inspector.
    process.kill(stack.pid('enclave'), 'SIGUSR1');
    await serving(stack);
    const [worker] = new SeenProcess(stack.pid('enclave')).children;
    if (worker === undefined) throw new Error('no worker');
    process.kill(worker.pid, 'SIGABRT');
    await until(() => !processExists(worker.pid));
    await signEverything(stack);
    const atRoot = new Set(readdirSync('/'));
    for (const signal of ['SIGABRT', 'SIGQUIT', 'SIGUSR2', 'SIGKILL'] as const) {
      await endBySignal(stack, 'enclave', signal);
    }
    expect(readdirSync('/').filter((name) => !atRoot.has(name))).toEqual([]);
    expect(coresIn(bed)).toEqual([]);
    expect(await findings()).toEqual([]);
  });

  test('no heap snapshot, diagnostic report or core of the host does', async () => {
    await signEverything(stack);
    await bed.dumpHost(stack);
    await endBySignal(stack, 'host', 'SIGABRT');
    if (coresAreFiles) expect(coresIn(bed)).toHaveLength(1);
    await signEverything(stack);
    expect(await findings()).toEqual([]);
  });

  test('no file of the state, no output and no error does, after a drain and a halt', async () => {
    expect(await stack.stop()).toBe(0);
    damageIndex(join(bed.state, 'store.sqlite'));
    stack = await bed.start();
    expect(stack.ready.phase).toBe('halted');
    await refuseEverything(stack);
    await stack.run(['status'], bed.runOptions);
    expect(await findings()).toEqual([]);
    await stack.stop();
    const places = bed.filePlaces();
    const names = places.map(({ name }) => name);
    for (const name of ['store.sqlite', 'host.log', 'platform.log', 'root.json', 'said']) {
      expect(names).toContainEqual(expect.stringMatching(new RegExp(`/${name}$`)));
    }
    expect(bed.search.in(places)).toEqual([]);
  });

  // The stack has ended here, and nothing was found.
  describe.each(Object.entries(PLANTED))('one that is planted as %s', (way, encode) => {
    let secret: Buffer;
    let bytes: Buffer;
    /** Where only printable characters can be. */
    let text: string;
    let search: Search;

    beforeAll(() => {
      const key = bed.clone.secrets().find(({ kind }) => kind === 'private-key');
      secret = Buffer.from(key?.parts[0] ?? '', 'hex');
      bytes = encode(secret);
      text = secret.toString(way === 'base64' ? 'base64url' : 'hex');
      ({ search } = bed);
    });

    const isFoundIn = (places: readonly Place[]): boolean => search.in(places).length > 0;
    /** What was found below the bed, without its folder. */
    const placesOfFiles = (): string[] => {
      // Gigabytes in which nothing is planted here.
      const places = bed.filePlaces().filter(({ name }) => !/\/(?:core|enclave\/)/.test(name));
      return search.in(places).map(({ place }) => place.replace(bed.folder, ''));
    };
    const saidSince = (from: number): Place =>
      bytesPlace('said', readFileSync(bed.said).subarray(from));
    const saidBytes = (): number => statSync(bed.said).size;
    const leaky = (more: Partial<LeakyOptions> = {}) =>
      startLeaky(secret, { cwd: join(bed.folder, 'cwd'), clone: bed.clone, ...more });

    test('is found in files, their names, the log and the store', () => {
      const written = ['state/a-file', 'state/log/a-file', `cwd/${text}`, 'tmp/a-file'];
      for (const name of written) writeFileSync(join(bed.folder, name), bytes);
      appendFileSync(join(bed.state, 'host.log'), bytes);
      const store = new DatabaseSync(join(bed.state, 'store.sqlite'));
      // What is in the journal only, as after a kill.
      store.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0');
      store.prepare('INSERT INTO records (key, value) VALUES (?, ?)').run(`leak ${way}`, bytes);
      expect(placesOfFiles()).toEqual(
        expect.arrayContaining([
          ...written.map((name) => `/${name}`),
          '/state/host.log',
          '/state/store.sqlite-wal',
          'names below /cwd',
        ]),
      );
      store.prepare('DELETE FROM records WHERE key = ?').run(`leak ${way}`);
      store.close();
      for (const name of written) rmSync(join(bed.folder, name));
    });

    test.each(['stdout', 'stderr'])('is found in %s', async (stream) => {
      const from = saidBytes();
      const child = await startLeaky(bytes, {
        args: [stream],
        cwd: join(bed.folder, 'cwd'),
        clone: bed.clone,
      });
      await end(child, 'SIGKILL');
      expect(isFoundIn([saidSince(from)])).toBe(true);
    });

    test('is found in a command line, an environment and a title', async () => {
      const options = {
        argv: { args: [text] },
        environ: { env: { LEAK: text } },
        title: { args: ['title'] },
      };
      for (const [place, more] of Object.entries(options)) {
        const child = await leaky(more);
        expect([place, isFoundIn(processTexts(child.pid ?? 0))]).toEqual([place, true]);
        await end(child, 'SIGKILL');
      }
    });

    test('is found in memory, heap snapshot, diagnostic report and core', async () => {
      const child = await leaky({ env: { LEAK: text } });
      const { pid = 0 } = child;
      if (isRoot) expect(isFoundIn([memoryPlace(pid, 'leaky')])).toBe(true);
      const dumps = bed.clone.dumpsFolder;
      const dump = (name: string): string => join(dumps, `${String(pid)}-1.${name}`);
      child.kill('SIGUSR2');
      await until(() => /\}\s*$/.test(textOfFile(dump('heapsnapshot'))), 60_000);
      expect(isFoundIn([filePlace(dump('heapsnapshot'))])).toBe(true);
      expect(isFoundIn([filePlace(dump('report.json'))])).toBe(true);
      await end(child, 'SIGABRT');
      const [core] = coresIn(bed);
      if (coresAreFiles) expect(isFoundIn([filePlace(core ?? 'none')])).toBe(true);
    });

    test.each(GRPC_PLACES)('is found in the %s of a gRPC call', async (place) => {
      const from = saidBytes();
      await callLeakyService(place, bytes, text);
      expect(isFoundIn([saidSince(from)])).toBe(true);
    });

    test('is found in header and body of an answer over HTTP', async () => {
      const web = await startLeakyWeb(text, bytes);
      const places = await bed.httpPlaces(web.http);
      web.close();
      for (const place of places)
        expect([place.name, isFoundIn([place])]).toEqual([place.name, true]);
    });
  });
});

function textOfFile(path: string): string {
  return existsSync(path) ? readFileSync(path, 'latin1') : '';
}

function textOf(object: SignedJsonObject, name: string): string {
  const value = object[name];
  if (typeof value !== 'string') throw new TypeError(`no ${name}`);
  return value;
}

function processExists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function coresIn(bed: CanaryBed): string[] {
  return ['cwd', 'state', 'tmp'].flatMap((folder) =>
    readdirSync(join(bed.folder, folder), { recursive: true })
      .map((name) => join(bed.folder, folder, String(name)))
      .filter((path) => /\/core(?:\.[^/]*)?$/.test(path)),
  );
}

/** A boot comes as far as the root key with this. */
function damageIndex(store: string): void {
  const database = new DatabaseSync(store);
  database.exec(`UPDATE records SET value = CAST(substr(value, 1, length(value) - 1) || x'00' AS BLOB)
    WHERE key = 'index'`);
  database.close();
}

test.runIf(minutes > 0)(
  'while all tests of this folder run on canary enclaves, nothing says a secret',
  { timeout: minutes * 60_000 + 1_800_000 },
  async () => {
    const { findings, secrets, samples, rounds } = await campaign(minutes);
    process.stdout.write(
      `${String(rounds.length)} rounds, ${String(secrets)} secrets, ${String(samples)} samples\n`,
    );
    expect(findings).toEqual([]);
    expect(secrets).toBeGreaterThan(1_000);
    for (const { status, output } of rounds) expect(status, output).toBe(0);
  },
);
