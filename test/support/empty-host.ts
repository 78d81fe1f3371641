/** A host whose store is empty: an enclave that meets it is soon in SETUP, and says what it is. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  StoreGetResponse,
  StoreListResponse,
} from '../../enclave/wire/gen/sealwright/enclave/v1/store.ts';
import {
  GetEvidenceRequest,
  GetEvidenceResponse,
} from '../../enclave/wire/gen/sealwright/v1/attestation.ts';
import { GetStatusResponse, Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { Link, type IncomingCall } from '../../enclave/wire/link.ts';
import { METHODS, STORE_METHODS } from '../../enclave/wire/methods.ts';
import { decodeBundle, type Claims } from '../../src/verifier/index.ts';

const PATIENCE_MS = 20_000;

export class EmptyHost {
  readonly #socket: Socket;
  readonly #link: Link;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#link = new Link({
      send: (bytes) => {
        socket.write(bytes);
      },
      fail: () => {
        socket.destroy();
      },
      handle: fromEmptyStore,
      onBug: () => undefined,
    });
    socket.on('data', (chunk) => {
      this.#link.receive(chunk);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#link.closed();
    });
  }

  /** As soon as somebody listens there. */
  static async meet(path: string): Promise<EmptyHost> {
    for (const giveUp = performance.now() + PATIENCE_MS; ;) {
      const socket = connect({ path });
      try {
        await once(socket, 'connect');
        return new EmptyHost(socket);
      } catch (error) {
        if (performance.now() > giveUp) throw error;
        await sleep(20);
      }
    }
  }

  /** The status of an enclave that has booted, or halted. */
  async settled(): Promise<GetStatusResponse> {
    for (const giveUp = performance.now() + PATIENCE_MS; ;) {
      const status = GetStatusResponse.decode(
        await this.#link.call(METHODS.getStatus, new Uint8Array(0)),
      );
      if (status.phase !== Phase.PHASE_BOOTING) return status;
      if (performance.now() > giveUp) throw new Error('still booting');
      await sleep(20);
    }
  }

  /** Of setup evidence. */
  async claims(): Promise<Claims> {
    const request = GetEvidenceRequest.encode({ nonce: new Uint8Array(0), fresh: false }).finish();
    const answer = await this.#link.call(METHODS.getEvidence, request);
    return decodeBundle(GetEvidenceResponse.decode(answer).bundle).claims;
  }

  close(): void {
    this.#socket.destroy();
  }
}

function fromEmptyStore({ method }: IncomingCall): Uint8Array {
  switch (method) {
    case STORE_METHODS.get:
      return StoreGetResponse.encode({ records: [] }).finish();
    case STORE_METHODS.list:
      return StoreListResponse.encode({ keys: [] }).finish();
    default:
      throw new Refusal('STORE_UNAVAILABLE');
  }
}
