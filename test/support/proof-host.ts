/** A host that proves of a log that it only grew, and answers nothing else. */
import type { Transport } from '../../src/client/transport.ts';
import {
  GetConsistencyProofResponse,
  LogServiceService,
  type GetConsistencyProofRequest,
} from '../../src/gen/sealwright/v1/log.ts';
import { TileReader } from '../../src/tlog/tile-reader.ts';
import { memoryTiles } from './memory-tiles.ts';

export function proofHost(leafHashes: () => readonly Uint8Array[]): Transport {
  return {
    async call(method, request) {
      if (method.path !== LogServiceService.getConsistencyProof.path) {
        throw new Error(`${method.path} was asked of the host`);
      }
      const { oldSize, newSize } = request as GetConsistencyProofRequest;
      const tree = new TileReader(Number(newSize), memoryTiles(leafHashes()));
      const proof = await tree.consistencyProof(Number(oldSize));
      const answer = GetConsistencyProofResponse.encode({ newSize, proof }).finish();
      return method.responseDeserialize(Buffer.from(answer));
    },
    close: () => Promise.resolve(),
  };
}
