/** What the files of attacks have in common: one enclave for a file, and what must hold after every attack. */
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { Rig } from './rig.ts';

/** Starts the enclave once. The function returns it to tests. */
export function attacked(start: () => Promise<Rig> = () => Rig.serving()): () => Rig {
  let rig: Rig | undefined;
  beforeAll(async () => {
    rig = await start();
  });
  beforeEach(async () => {
    if (rig?.host.link.open === false) await rig.connect();
  });
  afterEach(() => {
    rig?.host.repent();
    expect(rig?.host.ledger.violations).toEqual([]);
    expect(rig?.enclave.alive).toBe(true);
  });
  afterAll(async () => {
    await rig?.close();
  });
  return () => {
    if (rig === undefined) throw new Error('not started');
    return rig;
  };
}
