import { constants, createHash, createPublicKey, verify } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { keyId } from '../../enclave/core/key-id.ts';
import { TokenFailure } from '../../enclave/ports.ts';
import {
  algorithmFromWire,
  algorithmRow,
  ALGORITHMS,
  type AlgorithmName,
} from '../../enclave/wire/algorithm.ts';
import { equalBytes, toHex, utf8 } from '../../enclave/wire/bytes.ts';
import { GetKeyRequest, GetKeyResponse } from '../../enclave/wire/gen/sealwright/v1/keys.ts';
import { SignatureEncoding } from '../../enclave/wire/gen/sealwright/v1/signing.ts';
import { GetStatusResponse, Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { MAX_MESSAGE_BYTES } from '../../enclave/wire/limits.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { MTLS_CALLER, peer, SECOND_CALLER, STRANGER } from '../support/fakes/callers.ts';
import {
  callOf,
  manifestOf,
  PEER_CALLER,
  signRequest,
  World,
  type RingOptions,
  type Running,
} from '../support/fakes/world.ts';
import '../support/matchers.ts';

const names = Object.keys(ALGORITHMS) as AlgorithmName[];

/** One ring for every algorithm, residency and kind of payload that go together. */
const ALL_RINGS: Record<string, RingOptions> = {};
for (const algorithm of names) {
  const row = algorithmRow(algorithm);
  for (const residency of row.residencies) {
    const name = `${algorithm.toLowerCase()}-${residency}`;
    ALL_RINGS[name] = { algorithm, residency };
    if ('hash' in row) ALL_RINGS[`${name}-digest`] = { algorithm, residency, payload: 'digest' };
  }
}
// Eighteen RSA keys of the enclave would take all the time there is: two kinds of padding, one hash each.
for (const name of Object.keys(ALL_RINGS)) {
  if (/^[rp]s(?:384|512)-enclave/.test(name)) Reflect.deleteProperty(ALL_RINGS, name);
}

const message = utf8('release 1.2.3');

/** By node:crypto, under the public key that ListKeys told. */
function verifies(
  algorithm: AlgorithmName,
  publicKey: Uint8Array,
  signature: Uint8Array,
  dsaEncoding: 'der' | 'ieee-p1363' = 'der',
): boolean {
  const row = algorithmRow(algorithm);
  const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
  const hash = 'hash' in row ? row.hash : null;
  switch (row.family) {
    case 'rsa-pss': {
      const padding = constants.RSA_PKCS1_PSS_PADDING;
      return verify(hash, message, { key, padding, saltLength: row.digestBytes }, signature);
    }
    case 'ecdsa':
      return verify(hash, message, { key, dsaEncoding }, signature);
    default:
      return verify(hash, message, key, signature);
  }
}

describe('an enclave with a ring of every kind', () => {
  const world = new World('all');
  let running: Running;
  let rebooted: Running;
  let before: Awaited<ReturnType<Running['keys']>>;

  beforeAll(async () => {
    running = await world.boot();
    expect((await running.status()).phase).toBe(Phase.PHASE_SETUP);
    const born = await running.genesis(manifestOf(ALL_RINGS));
    expect(born).toMatchObject({ tokenSerial: 'fake-0001', rings: Object.keys(ALL_RINGS).length });
    before = await running.keys();
    rebooted = await world.reboot(running);
  }, 20_000);

  test('serves, and says what it is', async () => {
    const status = await rebooted.status();
    expect(status).toMatchObject({
      phase: Phase.PHASE_SERVING,
      haltReason: '',
      platform: 'simulated',
      simulated: true,
      tokenSerial: 'fake-0001',
      rings: Object.keys(ALL_RINGS).length,
      workersReady: 1,
    });
    expect(status.clusterId).toHaveLength(32);
    expect(status.instanceId).toHaveLength(16);
    expect(status.measurements.map((register) => register.byteLength)).toEqual([48, 48, 48]);
  });

  test('has the same keys after a reboot, in order of ring', async () => {
    const keys = await rebooted.keys();
    const stable = before.map(({ ring, version, kid, publicKey }) => ({
      ring,
      version,
      kid,
      publicKey: toHex(publicKey),
    }));
    expect(
      keys.map(({ ring, version, kid, publicKey }) => ({
        ring,
        version,
        kid,
        publicKey: toHex(publicKey),
      })),
    ).toEqual(stable);
    expect(keys.map((key) => key.ring)).toEqual(Object.keys(ALL_RINGS).sort());
    for (const key of keys) expect(key.kid).toBe(keyId(key.publicKey));
  });

  test.each(Object.entries(ALL_RINGS))('signs with %s, before and after', async (ring, options) => {
    const row = algorithmRow(options.algorithm);
    const digest = 'hash' in row ? createHash(row.hash).update(message).digest() : undefined;
    const key = before.find((candidate) => candidate.ring === ring);
    for (const enclave of [rebooted]) {
      const payload = options.payload === 'digest' ? { digest: digest ?? message } : { message };
      const answer = await enclave.sign(ring, payload);
      expect(answer).toMatchObject({ ring, version: 1, kid: key?.kid });
      expect(algorithmFromWire(answer.algorithm)).toBe(options.algorithm);
      expect(answer.residency).toBe(options.residency === 'hsm' ? 1 : 2);
      expect(toHex(answer.digest)).toBe(digest === undefined ? '' : toHex(digest));
      const [mr0] = world.platform.identity.measurements;
      expect(equalBytes(answer.measurement, mr0)).toBe(true);
      expect(
        key === undefined ? false : verifies(options.algorithm, key.publicKey, answer.signature),
      ).toBe(true);
    }
  });

  test.each(Object.keys(ALL_RINGS).filter((ring) => ring.startsWith('es')))(
    'signs with %s in P1363 when asked',
    async (ring) => {
      const options = ALL_RINGS[ring];
      const key = before.find((candidate) => candidate.ring === ring);
      if (options === undefined || key === undefined) throw new RangeError('no such ring');
      const row = algorithmRow(options.algorithm);
      const digest = createHash('hash' in row ? row.hash : 'sha256')
        .update(message)
        .digest();
      const answer = await rebooted.sign(ring, {
        ...(options.payload === 'digest' ? { digest } : { message }),
        encoding: SignatureEncoding.SIGNATURE_ENCODING_P1363,
      });
      expect(answer.encoding).toBe(SignatureEncoding.SIGNATURE_ENCODING_P1363);
      expect(verifies(options.algorithm, key.publicKey, answer.signature, 'ieee-p1363')).toBe(true);
    },
  );
});

describe('a call', () => {
  const world = new World('calls');
  let running: Running;

  beforeAll(async () => {
    running = await world.begin({
      ec: { algorithm: 'ES256' },
      digest: { algorithm: 'ES256', payload: 'digest' },
      hsm: { algorithm: 'ES256', residency: 'hsm' },
      ed: { algorithm: 'EdDSA' },
      peer: { algorithm: 'ES256', lowestRank: 'peer' },
      session: { algorithm: 'ES256', lowestRank: 'session' },
      signed: { algorithm: 'ES256', lowestRank: 'signed' },
      closed: { algorithm: 'ES256', callers: [] },
      mine: { algorithm: 'ES256', callers: ['ci'] },
    });
  });

  const certificate = Uint8Array.of(0x30, 0x00);

  test.each([
    ['nobody', undefined],
    ['rank 0', { rank: 0, certificates: [certificate], socket: '' }],
    ['rank session, by the host’s word', { rank: 1, certificates: [certificate], socket: 'x' }],
    ['rank signed, by the host’s word', { rank: 2, certificates: [certificate], socket: 'x' }],
    ['rank 5', { rank: 5, certificates: [certificate], socket: 'x' }],
    ['mtls without a certificate', { rank: 3, certificates: [], socket: 'x' }],
    [
      'mtls with six certificates',
      { rank: 3, certificates: Array<Uint8Array>(6).fill(certificate), socket: '' },
      'chain-length',
    ],
    [
      'mtls with a huge certificate',
      { rank: 3, certificates: [new Uint8Array(16_385)], socket: '' },
      'decode',
    ],
    ['peer without a socket', { rank: 4, certificates: [certificate], socket: '' }],
  ])('by %s is refused', async (_, untrustedCaller, actual?: string) => {
    for (const ring of ['ec', 'peer', 'session']) {
      await expect(running.sign(ring, { message, call: { untrustedCaller } })).toRefuseWith(
        'CALLER_UNAUTHENTICATED',
        actual === undefined ? {} : { policyId: 'caller', actual },
      );
    }
  });

  test.each(['ec', 'peer', 'session', 'nothing'])(
    'by somebody whom the policy does not name is refused, whatever ring %s is',
    async (ring) => {
      for (const untrustedCaller of [STRANGER, peer('stranger')]) {
        await expect(running.sign(ring, { message, call: { untrustedCaller } })).toRefuseWith(
          'SIGNING_POLICY_DENIED',
          { ring, policyId: 'caller' },
        );
      }
    },
  );

  test('to a ring that does not name its caller is refused', async () => {
    for (const [ring, untrustedCaller] of [
      ['ec', PEER_CALLER],
      ['closed', MTLS_CALLER],
      ['mine', SECOND_CALLER],
    ] as const) {
      await expect(running.sign(ring, { message, call: { untrustedCaller } })).toRefuseWith(
        'SIGNING_POLICY_DENIED',
        { ring, policyId: 'ring-callers' },
      );
    }
    expect((await running.sign('mine', { message })).ring).toBe('mine');
  });

  test.each([['session'], ['signed']])(
    'to ring %s below its lowest rank is refused',
    async (ring) => {
      await expect(running.sign(ring, { message })).toRefuseWith('SIGNING_POLICY_DENIED', {
        ring,
        policyId: 'lowest-rank',
        expected: ring,
        actual: 'mtls',
      });
    },
  );

  test('of a higher rank than the lowest is served', async () => {
    expect((await running.sign('peer', { message })).ring).toBe('peer');
    const byPeer = await running.sign('peer', { message, call: { untrustedCaller: PEER_CALLER } });
    expect(byPeer.ring).toBe('peer');
  });

  test.each(['', 'EC', 'ec ', 'ec\0', 'constructor', '__proto__', 'ec/1'])(
    'to the ring %j that there is not is refused',
    async (ring) => {
      await expect(running.sign(ring, { message })).toRefuseWith('KEY_NOT_FOUND', {
        policyId: 'ring',
        keyId: ring,
      });
    },
  );

  test('to a ring with a long name is refused with a short one', async () => {
    await expect(running.sign('x'.repeat(500), { message })).toRefuseWith('KEY_NOT_FOUND', {
      policyId: 'ring',
      keyId: 'x'.repeat(64),
    });
  });

  test.each([
    ['ec', ALGORITHMS.ES384.wire, 'ES384', 'ES256'],
    ['ec', ALGORITHMS.RS256.wire, 'RS256', 'ES256'],
    ['ed', ALGORITHMS.ES256.wire, 'ES256', 'EdDSA'],
    ['ec', 99, '99', 'ES256'],
  ])('to %s for algorithm %d is refused', async (ring, algorithm, actual, wanted) => {
    await expect(running.sign(ring, { message, algorithm: algorithm as never })).toRefuseWith(
      'ALGORITHM_MISMATCH',
      { field: 'algorithm', ring, expected: wanted, actual },
    );
  });

  test('that names the right algorithm is served', async () => {
    const answer = await running.sign('ec', { message, algorithm: ALGORITHMS.ES256.wire });
    expect(answer.algorithm).toBe(ALGORITHMS.ES256.wire);
  });

  test.each([
    ['ec', SignatureEncoding.SIGNATURE_ENCODING_RAW, 'ES256'],
    ['ec', 9, 'ES256'],
    ['ed', SignatureEncoding.SIGNATURE_ENCODING_ASN1_DER, 'EdDSA'],
    ['ed', SignatureEncoding.SIGNATURE_ENCODING_P1363, 'EdDSA'],
  ])('to %s for encoding %d is refused', async (ring, encoding, algorithm) => {
    await expect(running.sign(ring, { message, encoding: encoding as never })).toRefuseWith(
      'ENCODING_UNSUPPORTED',
      { field: 'encoding', algorithm },
    );
  });

  test.each([31, 33, 0, 64])('with a digest of %d bytes is refused', async (length) => {
    await expect(running.sign('digest', { digest: new Uint8Array(length) })).toRefuseWith(
      'DIGEST_LENGTH_MISMATCH',
      {
        policyId: 'payload-limit',
        field: 'digest',
        expectedBytes: '32',
        actualBytes: String(length),
      },
    );
  });

  test('with the other kind of payload is refused', async () => {
    await expect(running.sign('digest', { message })).toRefuseWith('PAYLOAD_KIND_MISMATCH', {
      policyId: 'payload-kind',
      ring: 'digest',
      expected: 'digest',
      actual: 'message',
    });
    await expect(running.sign('ec', { digest: new Uint8Array(32) })).toRefuseWith(
      'PAYLOAD_KIND_MISMATCH',
      { policyId: 'payload-kind', ring: 'ec', expected: 'message', actual: 'digest' },
    );
    await expect(running.sign('ec', {})).toRefuseWith('REQUEST_MALFORMED', { field: 'payload' });
  });

  test('with a message of 60 KiB is served, with a byte more refused', async () => {
    const largest = await running.sign('ec', { message: new Uint8Array(MAX_MESSAGE_BYTES) });
    expect(largest.signature.byteLength).toBeGreaterThan(0);
    await expect(
      running.sign('ec', { message: new Uint8Array(MAX_MESSAGE_BYTES + 1) }),
    ).toRefuseWith('MESSAGE_TOO_LARGE', {
      policyId: 'payload-limit',
      field: 'message',
      limitBytes: '61440',
      actualBytes: '61441',
    });
  });

  test.each([
    ['no protobuf', Uint8Array.of(0xff, 0xff, 0xff)],
    ['a cut request', signRequest('ec', { message }).slice(0, -1)],
    ['bytes after a zero tag', Uint8Array.of(...signRequest('ec', { message }), 0, 1)],
    ['the end of no group', Uint8Array.of(...signRequest('ec', { message }), 0x0c)],
  ])('with %s is refused', async (_, body) => {
    for (const method of [METHODS.sign, METHODS.getKey, METHODS.listKeys]) {
      await expect(running.call(method, body)).toRefuseWith('REQUEST_MALFORMED', {});
    }
  });

  test.each(['', 'store/get', '/sealwright.v1.SigningService/sign', '/', 'constructor'])(
    'of method %j is refused',
    async (method) => {
      await expect(running.call(method, new Uint8Array(0))).toRefuseWith('METHOD_UNKNOWN', {});
    },
  );

  test('that nobody waits for is not signed', async () => {
    const signed = world.tokens.operations.filter((operation) => operation === 'sign').length;
    await expect(running.sign('hsm', { message, call: { cancelled: true } })).toRefuseWith(
      'DEADLINE_EXCEEDED',
    );
    await expect(running.sign('hsm', { message, call: { timeoutMs: -1 } })).toRefuseWith(
      'DEADLINE_EXCEEDED',
    );
    const after = world.tokens.operations.filter((operation) => operation === 'sign').length;
    expect(after).toBe(signed);
  });

  test('for a key tells it, or that there is none', async () => {
    const get = async (ring: string, version: number) => {
      const request = GetKeyRequest.encode({ ring, version }).finish();
      return GetKeyResponse.decode(await running.call(METHODS.getKey, request)).key;
    };
    expect(await get('ec', 0)).toMatchObject({ ring: 'ec', version: 1, lowestRank: 3, state: 2 });
    expect(await get('ec', 1)).toMatchObject({ payloadKind: 2, residency: 2 });
    await expect(get('ec', 2)).toRefuseWith('KEY_NOT_FOUND', { keyId: 'ec/2' });
    await expect(get('none', 0)).toRefuseWith('KEY_NOT_FOUND', { keyId: 'none' });
  });

  test('for a genesis is refused', async () => {
    await expect(running.genesis(manifestOf({}))).toRefuseWith('GENESIS_NOT_ALLOWED', {});
  });

  test('does not change when the bytes it came in do', async () => {
    // The frame belongs to the link; what is signed must have been read from it once.
    const body = signRequest('hsm', { message });
    const answer = running.enclave.handle(callOf(METHODS.sign, body));
    const bytes = await answer;
    expect(bytes.byteLength).toBeGreaterThan(0);
    expect(body).toEqual(signRequest('hsm', { message }));
  });
});

describe('a token that fails while it signs', () => {
  test.each([
    ['unavailable', 'TOKEN_UNAVAILABLE'],
    ['pin-rejected', 'TOKEN_UNAVAILABLE'],
    ['request-refused', 'TOKEN_REFUSED'],
  ] as const)('%s is %s to the caller, and nothing more is said', async (kind, reason) => {
    const world = new World('failing');
    const running = await world.begin({ hsm: { algorithm: 'ES256', residency: 'hsm' } });
    world.tokens.fault = () => new TokenFailure(kind, 'sign', 0x30);
    await expect(running.sign('hsm', { message })).toRefuseWith(reason, {});
    world.tokens.fault = undefined;
    expect((await running.sign('hsm', { message })).version).toBe(1);
  });

  test.each([
    ['pin-rejected', 'PIN_REJECTED'],
    ['pin-at-risk', 'PIN_AT_RISK'],
    ['object-missing', 'TOKEN_INVENTORY_MISMATCH'],
    ['object-ambiguous', 'TOKEN_INVENTORY_MISMATCH'],
    ['object-altered', 'TOKEN_OBJECT_REJECTED'],
  ] as const)('and breaks by %s halts the enclave: %s', async (kind, haltReason) => {
    const world = new World('broken');
    const running = await world.begin({ ec: { algorithm: 'ES256' } });
    world.tokens.breakToken(new TokenFailure(kind, 'sign', 0, '00ff'));
    await world.tokens.broken;
    await expect(running).toHaltWith(haltReason, { operation: 'sign', failure: kind, id: '00ff' });
    await expect(running.sign('ec', { message })).toRefuseWith('ENCLAVE_HALTED', { haltReason });
    expect(world.tokens.openTokens).toBe(0);
  });

  test('by a wrong signature is an alarm in the status', async () => {
    const world = new World('wrong');
    const running = await world.begin({ hsm: { algorithm: 'ES256', residency: 'hsm' } });
    expect((await running.status()).alarms).toEqual([]);
    world.tokens.signedWrong = true;
    expect((await running.status()).alarms).toEqual(['HSM_SIGNATURE_WRONG']);
    expect((await running.sign('hsm', { message })).version).toBe(1);
  });

  test('with a bug of ours is a bug, not a refusal', async () => {
    const world = new World('bug');
    const running = await world.begin({ hsm: { algorithm: 'ES256', residency: 'hsm' } });
    world.tokens.fault = () => new TypeError('the PIN is 1234');
    await expect(running.sign('hsm', { message })).rejects.toBeInstanceOf(TypeError);
    world.tokens.fault = undefined;
    // It failed that request and nothing else.
    expect((await running.status()).phase).toBe(Phase.PHASE_SERVING);
  });
});

describe('the phases', () => {
  test('before genesis allow genesis and status only', async () => {
    const running = await new World('setup').boot();
    const actual = 'setup';
    await expect(running.sign('a', { message })).toRefuseWith('ENCLAVE_NOT_READY', { actual });
    await expect(running.keys()).toRefuseWith('ENCLAVE_NOT_READY', { actual });
    expect((await running.status()).clusterId).toHaveLength(0);
  });

  test('while booting allow status only', async () => {
    const { Enclave } = await import('../../enclave/core/enclave.ts');
    const enclave = new Enclave(new World('booting').ports);
    const call = (method: string) => () => enclave.handle(callOf(method, new Uint8Array(0)));
    const actual = 'booting';
    for (const method of [METHODS.sign, METHODS.getKey, METHODS.listKeys, METHODS.commitGenesis]) {
      await expect(call(method)).toRefuseWith('ENCLAVE_NOT_READY', { actual });
    }
    await expect(call(METHODS.getStatus)).not.toRefuseWith('ENCLAVE_NOT_READY');
  });

  test('take no harm from a tick while the first evidence is made', async () => {
    const world = new World('tick');
    const running = await world.begin({ a: { algorithm: 'ES256' } });
    await running.enclave.close();
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const quoted = new Promise<void>((resolve) => {
      world.platform.quote = async () => {
        resolve();
        await gate;
        return new Uint8Array(1);
      };
    });
    const { Enclave } = await import('../../enclave/core/enclave.ts');
    const enclave = new Enclave(world.ports);
    const booted = enclave.boot();
    await quoted;
    await enclave.tick();
    release();
    await booted;
    const answer = await enclave.handle(callOf(METHODS.getStatus, new Uint8Array(0)));
    expect(GetStatusResponse.decode(answer).phase).toBe(Phase.PHASE_SERVING);
  });

  test('while draining still answer, and take no genesis', async () => {
    const world = new World('draining');
    const running = await world.begin({ a: { algorithm: 'ES256' } });
    running.enclave.startDraining();
    running.enclave.startDraining();
    expect((await running.status()).phase).toBe(Phase.PHASE_DRAINING);
    expect((await running.sign('a', { message })).version).toBe(1);
    await expect(running.genesis(manifestOf({}))).toRefuseWith('GENESIS_NOT_ALLOWED');
  });

  test('when halted allow status only, with the reason', async () => {
    const world = new World('halted');
    const running = await world.begin({ a: { algorithm: 'ES256' } });
    world.tokens.device.userPin = 'another';
    const halted = await world.reboot(running);
    await expect(halted).toHaltWith('PIN_REJECTED', { rv: '0xa0' });
    const haltReason = 'PIN_REJECTED';
    await expect(halted.sign('a', { message })).toRefuseWith('ENCLAVE_HALTED', { haltReason });
    await expect(halted.keys()).toRefuseWith('ENCLAVE_HALTED', { haltReason });
    await expect(halted.genesis(manifestOf({}))).toRefuseWith('ENCLAVE_HALTED', {
      haltReason,
    });
    halted.enclave.startDraining();
    await expect(halted).toHaltWith('PIN_REJECTED');
    expect(world.tokens.openTokens).toBe(0);
  });
});
