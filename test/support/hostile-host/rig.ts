/** A hostile host and the enclave that it attacks, from an empty store to a served cluster. */
import { renameSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { Halt } from '../../../enclave/core/lifecycle.ts';
import { Refusal, type HaltReason } from '../../../enclave/wire/error-code.ts';
import type {
  CommitGenesisResponse,
  ProposeGenesisResponse,
} from '../../../enclave/wire/gen/sealwright/v1/genesis.ts';
import { SignResponse } from '../../../enclave/wire/gen/sealwright/v1/signing.ts';
import { GetStatusResponse, Phase } from '../../../enclave/wire/gen/sealwright/v1/status.ts';
import { LinkClosed } from '../../../enclave/wire/link.ts';
import { METHODS } from '../../../enclave/wire/methods.ts';
import { manifestOf, MTLS_CALLER, signRequest, type SignOptions } from '../fakes/world.ts';
import { bearCluster, commitGenesis, proposeGenesis } from '../genesis.ts';
import '../matchers.ts';
import type { Connection } from './connection.ts';
import { NOTHING } from './frames.ts';
import { HostileHost, type AskOptions } from './hostile-host.ts';
import type { Disks } from './memory-services.ts';
import { TestedEnclave } from './enclave-process.ts';

/** Rings of the cluster under attack, by the lowest rank that they take. */
export const RINGS = {
  signer: { algorithm: 'ES256', residency: 'enclave' },
  token: { algorithm: 'ES256', residency: 'hsm' },
  peer: { algorithm: 'EdDSA', residency: 'enclave', lowestRank: 'peer' },
  signed: { algorithm: 'ES256', residency: 'enclave', lowestRank: 'signed' },
  session: { algorithm: 'ES256', residency: 'enclave', lowestRank: 'session' },
} as const;

const NO_DISKS: Disks = { records: new Map(), log: { leaves: [], sealedEdge: NOTHING } };
const PATIENCE_MS = 60_000;

export class Rig {
  readonly enclave = new TestedEnclave();
  readonly host = new HostileHost();

  /** An enclave that awaits a genesis. */
  static async setup(): Promise<Rig> {
    const rig = new Rig();
    try {
      await rig.boot();
      return rig;
    } catch (error) {
      await rig.close();
      throw error;
    }
  }

  /** A cluster that is served. */
  static async serving(): Promise<Rig> {
    const rig = await Rig.setup();
    try {
      await rig.genesis();
      return rig;
    } catch (error) {
      await rig.close();
      throw error;
    }
  }

  /** Starts a new process on what the host gives it. Rejects with the Halt that `status` shows. */
  async boot(): Promise<GetStatusResponse> {
    await this.enclave.start();
    await this.connect();
    return this.booted();
  }

  /** Kills the enclave and boots it again. */
  async reboot(): Promise<GetStatusResponse> {
    await this.enclave.kill();
    return this.boot();
  }

  /** Waits for the end of the boot. Rejects with the Halt that `status` shows. */
  async booted(): Promise<GetStatusResponse> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const status = await this.status();
      if (status.phase === Phase.PHASE_HALTED) {
        throw new Halt(status.haltReason as HaltReason, status.haltDetails);
      }
      if (status.phase === Phase.PHASE_SERVING || status.phase === Phase.PHASE_SETUP) return status;
      if (performance.now() > end) throw new Error(`still in phase ${String(status.phase)}`);
      await sleep(5);
    }
  }

  /** As `booted`, of an enclave whose links are cut again and again. */
  async bootedOverManyLinks(wanted?: Phase): Promise<GetStatusResponse> {
    for (;;) {
      try {
        if (!this.host.link.open) await this.connect();
        const status = await this.booted();
        if (wanted === undefined || status.phase === wanted) return status;
        await sleep(20);
      } catch (error) {
        if (!(error instanceof LinkClosed)) throw error;
      }
    }
  }

  /** Kills the enclave, takes away its token and all that it stored, and boots again: it awaits a genesis. */
  async startAnew(): Promise<void> {
    if (this.enclave.alive) await this.enclave.kill();
    rmSync(this.enclave.tokenFolder, { recursive: true, force: true });
    this.host.services.restore(NO_DISKS);
    await this.boot();
  }

  /** Boots on what the host says now. The enclave must halt for this reason, live on, and do nothing else. */
  async expectHalt(reason: HaltReason, details: Readonly<Record<string, string>>): Promise<void> {
    await expect(this.reboot()).toHaltWith(reason, details);
    await this.expectHalted(reason, details);
  }

  /** The enclave is halted for this reason: it answers `status`, and nothing else. */
  async expectHalted(reason: HaltReason, details: Readonly<Record<string, string>>): Promise<void> {
    await expect(this.booted()).toHaltWith(reason, details);
    const refusal = { haltReason: reason };
    await expect(this.sign('signer')).toRefuseWith('ENCLAVE_HALTED', refusal);
    await expect(this.host.call(METHODS.listKeys, NOTHING)).toRefuseWith('ENCLAVE_HALTED', refusal);
    await expect(this.genesis()).toRefuseWith('ENCLAVE_HALTED', refusal);
    expect(this.enclave.alive).toBe(true);
  }

  /** What a second cluster on this platform leaves on the host's disks. Its token is gone afterwards. */
  async anotherCluster(): Promise<Disks> {
    const { host, enclave } = this;
    const ours = host.services.snapshot();
    await enclave.kill();
    const aside = `${enclave.tokenFolder}.aside`;
    renameSync(enclave.tokenFolder, aside);
    host.services.restore(NO_DISKS);
    await this.boot();
    await this.genesis();
    const theirs = host.services.snapshot();
    await enclave.kill();
    rmSync(enclave.tokenFolder, { recursive: true });
    renameSync(aside, enclave.tokenFolder);
    host.services.restore(ours);
    await this.boot();
    return theirs;
  }

  /** A connection that the enclave talks to: it may not yet know that the last one is gone. */
  async connect(): Promise<Connection> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        const connection = await this.host.connect(this.enclave.socketPath);
        await this.host.call(METHODS.getStatus, NOTHING);
        return connection;
      } catch (error) {
        const notYet =
          error instanceof LinkClosed || (error as { code?: string }).code !== undefined;
        if (!notYet || performance.now() > end || !this.enclave.alive) throw error;
        await sleep(5);
      }
    }
  }

  async status(): Promise<GetStatusResponse> {
    return GetStatusResponse.decode(await this.host.call(METHODS.getStatus, NOTHING));
  }

  propose(manifest = manifestOf(RINGS, { nowMs: Date.now() })): Promise<ProposeGenesisResponse> {
    return proposeGenesis((method, body) => this.host.call(method, body), manifest);
  }

  commit(clusterId: Uint8Array, approvals: readonly Uint8Array[]): Promise<CommitGenesisResponse> {
    return commitGenesis((method, body) => this.host.call(method, body), clusterId, approvals);
  }

  /** Both steps, with the admin of the tests' policies. */
  async genesis(
    manifest = manifestOf(RINGS, { nowMs: Date.now() }),
  ): Promise<CommitGenesisResponse> {
    return bearCluster((method, body) => this.host.call(method, body), manifest);
  }

  async sign(
    ring: keyof typeof RINGS | (string & {}),
    options: SignOptions & AskOptions = {},
  ): Promise<SignResponse> {
    const body = signRequest(ring, { message: Buffer.from('message'), ...options });
    const caller = 'caller' in options ? options.caller : MTLS_CALLER;
    return SignResponse.decode(await this.host.call(METHODS.sign, body, { ...options, caller }));
  }

  /** Resolves when an honest retry is signed, after a log that stood still. */
  async servesAgain(): Promise<SignResponse> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await this.sign('signer');
      } catch (error) {
        const stalled = error instanceof Refusal && error.reason === 'LOG_UNAVAILABLE';
        if (!stalled || performance.now() > end) throw error;
        await sleep(20);
      }
    }
  }

  /** What must hold after every attack that the enclave survives. */
  async expectUnharmed(pid: number): Promise<void> {
    if (!this.host.link.open) await this.connect();
    expect(this.enclave.alive).toBe(true);
    expect(this.enclave.pid).toBe(pid);
    const { phase } = await this.status();
    expect(phase).toBe(Phase.PHASE_SERVING);
    expect((await this.sign('signer')).signature.byteLength).toBeGreaterThan(0);
    expect(this.host.ledger.violations).toEqual([]);
  }

  async close(): Promise<void> {
    await this.enclave.close();
  }
}
