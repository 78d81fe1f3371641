// TCB info and QE identity (Intel PCS API v4), signed over their text as it stands.
import { NOW, type Json, type JsonObject } from '../bytes.ts';
import { hex } from '../../vector-file.ts';
import { signRaw, type PlatformShape } from './certificates.ts';

export type Tee = 'sgx' | 'tdx';

const DAY_MS = 86_400_000;
const time = (at: number): string => new Date(at).toISOString().replace('.000Z', 'Z');

export const svns = (values: readonly number[]): Json => values.map((svn) => ({ svn }));

/** TEE_TCB_SVN of the good TD: module 5 of version 1, then the platform. */
export const TEE_TCB_SVN: readonly number[] = [5, 1, 3, ...new Array<number>(13).fill(0)];

function level(tee: Tee, platform: PlatformShape, change: JsonObject): Json {
  return {
    tcb: {
      sgxtcbcomponents: svns(platform.components),
      pcesvn: platform.pceSvn,
      ...(tee === 'tdx' ? { tdxtcbcomponents: svns(TEE_TCB_SVN) } : {}),
    },
    tcbDate: '2026-08-13T00:00:00Z',
    ...change,
  };
}

export function tcbInfo(tee: Tee, platform: PlatformShape): JsonObject {
  const module = {
    mrsigner: '00'.repeat(48),
    attributes: '00'.repeat(8),
    attributesMask: 'FF'.repeat(8),
  };
  return {
    id: tee.toUpperCase(),
    version: 3,
    issueDate: time(NOW - 2 * DAY_MS),
    nextUpdate: time(NOW + 28 * DAY_MS),
    fmspc: hex(platform.fmspc).toUpperCase(),
    pceId: hex(platform.pceId),
    tcbType: 0,
    tcbEvaluationDataNumber: 20,
    ...(tee === 'tdx'
      ? {
          tdxModule: module,
          tdxModuleIdentities: [
            {
              id: 'TDX_01',
              ...module,
              tcbLevels: [
                { tcb: { isvsvn: 5 }, tcbDate: '2026-08-13T00:00:00Z', tcbStatus: 'UpToDate' },
                {
                  tcb: { isvsvn: 3 },
                  tcbDate: '2025-08-13T00:00:00Z',
                  tcbStatus: 'OutOfDate',
                  advisoryIDs: ['INTEL-SA-01036'],
                },
              ],
            },
          ],
        }
      : {}),
    tcbLevels: [
      level(tee, platform, { tcbStatus: 'UpToDate' }),
      level(
        tee,
        { ...platform, components: platform.components.map((svn) => Math.max(0, svn - 1)) },
        { tcbStatus: 'OutOfDate', advisoryIDs: ['INTEL-SA-00960'] },
      ),
    ],
  };
}

export const QE = {
  sgx: { mrSigner: '8c'.repeat(32), isvProdId: 1, isvSvn: 8 },
  tdx: { mrSigner: 'dc'.repeat(32), isvProdId: 2, isvSvn: 7 },
} as const;

export function qeIdentity(tee: Tee): JsonObject {
  const { mrSigner, isvProdId, isvSvn } = QE[tee];
  return {
    id: tee === 'tdx' ? 'TD_QE' : 'QE',
    version: 2,
    issueDate: time(NOW - 2 * DAY_MS),
    nextUpdate: time(NOW + 28 * DAY_MS),
    tcbEvaluationDataNumber: 19,
    miscselect: '00000000',
    miscselectMask: 'FFFFFFFF',
    attributes: '11000000000000000000000000000000',
    attributesMask: 'FBFFFFFFFFFFFFFF0000000000000000',
    mrsigner: mrSigner.toUpperCase(),
    isvprodid: isvProdId,
    tcbLevels: [
      { tcb: { isvsvn: isvSvn }, tcbDate: '2026-08-13T00:00:00Z', tcbStatus: 'UpToDate' },
      {
        tcb: { isvsvn: isvSvn - 2 },
        tcbDate: '2024-03-13T00:00:00Z',
        tcbStatus: 'OutOfDate',
        advisoryIDs: ['INTEL-SA-00615'],
      },
    ],
  };
}

/** `{"NAME": TEXT, "signature": …}`, the text exactly as it is given. */
export function signedDocument(name: string, text: string, key: string): string {
  const signature = hex(signRaw(key, Buffer.from(text)));
  return `{${JSON.stringify(name)}:${text},"signature":"${signature}"}`;
}
