import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '@grpc/grpc-js';
import { DETAIL_KEYS, ERROR_CODES, Refusal, type Reason } from '../../enclave/wire/error-code.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { rpcRow } from '../../src/host/rpc-status.ts';
import { HostBed, call, type HostProcess } from '../support/host-harness.ts';

const reasons = Object.keys(ERROR_CODES) as Reason[];

describe('a refusal of the enclave reaches the caller', () => {
  const bed = new HostBed();
  let host: HostProcess;
  let client: Client;

  beforeAll(async () => {
    host = await bed.serve();
    client = bed.client(host);
  });
  afterAll(() => bed.close());

  it.each(reasons.filter((reason) => reason !== 'INTERNAL'))('%s', async (reason) => {
    bed.enclave.on(METHODS.sign, () => {
      throw new Refusal(reason, { ring: 'es256-hsm', expectedBytes: '32', actualBytes: '31' });
    });
    const outcome = await call(client, METHODS.sign);
    const row = rpcRow(reason);
    expect(outcome).toMatchObject({
      code: row.code,
      reason,
      domain: 'sealwright.v1.SigningService',
      metadata: { ring: 'es256-hsm', expectedBytes: '32', actualBytes: '31' },
      retryAfterMs: row.retryAfterMs,
      fields: row.field === undefined ? [] : [row.field],
      resource: row.resource === undefined ? undefined : 'es256-hsm',
    });
    expect(outcome.message).not.toBe('');
  });

  it('tells only a request id of a bug, which the log explains', async () => {
    for (const thrown of [new Refusal('INTERNAL', { ring: 'secret' }), new TypeError('secret')]) {
      bed.enclave.on(METHODS.sign, () => {
        throw thrown;
      });
      const outcome = await call(client, METHODS.sign);
      expect(outcome).toMatchObject({ code: 13, reason: 'INTERNAL', retryAfterMs: undefined });
      expect(Object.keys(outcome.metadata)).toEqual(['requestId']);
      expect(outcome.message).not.toContain('secret');
      const logged = await host.logged('host.bug');
      expect(logged['requestId']).toBe(outcome.metadata['requestId']);
    }
  });

  it('stays below what clients accept in trailers, whatever the details hold', async () => {
    const details = Object.fromEntries(DETAIL_KEYS.map((key) => [key, '\u{1F511}'.repeat(128)]));
    bed.enclave.on(METHODS.sign, () => {
      throw new Refusal('KEY_NOT_FOUND', details);
    });
    expect(await call(client, METHODS.sign)).toMatchObject({ code: 5, reason: 'KEY_NOT_FOUND' });
  });

  it('survives half a surrogate pair', async () => {
    bed.enclave.on(METHODS.sign, () => {
      throw new Refusal('KEY_NOT_FOUND', { ring: `${'x'.repeat(255)}\u{1F511}` });
    });
    expect(await call(client, METHODS.sign)).toMatchObject({ code: 5, reason: 'KEY_NOT_FOUND' });
  });

  it('says nothing on stderr but JSON lines', () => {
    expect(host.noise).toEqual([]);
  });
});
