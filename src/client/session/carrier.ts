/** Records over gRPC: one by CallSession, several in order by StreamSession. */
import { OpenSessionRequest, SessionServiceService } from '../../gen/sealwright/v1/session.ts';
import type { GrpcTransport } from '../grpc-transport.ts';
import type { CallOptions } from '../transport.ts';
import { throughHost } from './weather.ts';

export type Take = (records: readonly Uint8Array[]) => boolean;

export interface Carrier {
  /** Accept. Rejects with SignerError: the host's word. */
  open(message: Uint8Array, options: CallOptions): Promise<Uint8Array>;
  /**
   * Brings the records of one call, and hands what comes back to `take`, which tells when it has all. Resolves too when the
   * host says that there is no more. Rejects as `open`, and with what `take` throws.
   */
  carry(records: readonly Uint8Array[], take: Take, options: CallOptions): Promise<void>;
}

export function carrierOver(grpc: GrpcTransport): Carrier {
  const { openSession, callSession, streamSession } = SessionServiceService;
  return {
    async open(message, options) {
      const request = OpenSessionRequest.create({ open: message });
      return (await throughHost(() => grpc.call(openSession, request, options))).accept;
    },
    async carry(records, take, options) {
      const [record] = records;
      if (record !== undefined && records.length === 1) {
        take((await throughHost(() => grpc.call(callSession, { record }, options))).records);
        return;
      }
      const requests = records.map((one) => ({ record: one }));
      await throughHost(() =>
        grpc.stream(streamSession, requests, (response) => take(response.records), options),
      );
    },
  };
}
