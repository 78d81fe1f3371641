/** Reports that are wrong although a good chain certifies their key. */
import { GUEST_POLICY, chipIdOf, makeSnp, type CaseChanges } from './cases.ts';
import { NO_TCB, fields, type Refusal } from './refusal.ts';

const patched = (...patch: readonly (readonly [number, ...number[]])[]): CaseChanges => ({
  snp: { patch },
});

/** What the report says, signed by a key that a good chain certifies. */
export const REPORT_REFUSALS: readonly Refusal[] = [
  {
    what: 'another signature algorithm',
    changes: fields({ signatureAlgorithm: 2 }),
    failed: ['signature-algorithm'],
  },
  {
    what: 'a reserved byte behind the key flags',
    changes: patched([0x4c, 1]),
    failed: ['reserved-bytes'],
  },
  {
    what: 'a reserved bit in the key flags',
    changes: fields({ keyFlags: 0x20 }),
    failed: ['reserved-bytes'],
  },
  {
    what: 'a reserved byte behind the stepping',
    changes: patched([0x18b, 1]),
    failed: ['reserved-bytes'],
  },
  {
    what: 'a CPU in a report of version 2',
    changes: { snp: { report: { version: 2 }, patch: [[0x188, 0x19]] } },
    failed: ['reserved-bytes'],
  },
  {
    what: 'a mitigation vector before version 5',
    changes: patched([0x1f8, 1]),
    failed: ['reserved-bytes'],
  },
  {
    what: 'a reserved byte behind the current version',
    changes: patched([0x1eb, 1]),
    failed: ['reserved-bytes'],
  },
  {
    what: 'a reserved byte behind the committed version',
    changes: patched([0x1ef, 1]),
    failed: ['reserved-bytes'],
  },
  {
    what: 'the last reserved byte',
    product: 'Turin',
    changes: patched([0x29f, 1]),
    failed: ['reserved-bytes'],
  },
  {
    what: 'bit 17 of the guest policy is zero',
    changes: fields({ policy: 0x1001fn }),
    failed: ['guest-policy-form'],
  },
  {
    what: 'a reserved bit of the guest policy',
    changes: fields({ policy: GUEST_POLICY | (1n << 26n) }),
    failed: ['guest-policy-form'],
  },
  {
    what: 'the highest bit of the guest policy',
    changes: fields({ policy: GUEST_POLICY | (1n << 63n) }),
    failed: ['guest-policy-form'],
  },
  {
    what: 'an author key flag without a digest',
    changes: fields({ keyFlags: 1 }),
    failed: ['author-key-flag'],
  },
  {
    what: 'an author key digest without its flag',
    changes: patched([0x110, 7]),
    failed: ['author-key-flag'],
  },
  {
    what: 'no signing key',
    changes: fields({ keyFlags: 7 << 2 }),
    failed: ['signing-key', 'signing-key-accepted'],
  },
  {
    what: 'a reserved signing key',
    changes: fields({ keyFlags: 5 << 2 }),
    failed: ['signing-key', 'signing-key-accepted'],
  },
  {
    what: 'the chip of another certificate',
    changes: fields({ chipId: chipIdOf('Milan', 'other') }),
    failed: ['chip-id'],
  },
  {
    what: 'a chip id of zeros without the flag',
    changes: fields({ chipId: new Uint8Array(64) }),
    failed: ['chip-id'],
  },
  {
    what: 'a longer chip id than Turin has',
    product: 'Turin',
    changes: patched([0x1a8, 1]),
    failed: ['chip-id'],
  },
  {
    what: 'a CPU that is not known',
    changes: fields({ cpu: [0x1b, 0, 0] }),
    failed: ['product', 'reported-tcb', ...NO_TCB],
  },
  {
    what: 'the CPU of another product',
    changes: fields({ cpu: [0x19, 0x11, 1] }),
    failed: ['product', 'minimum-tcb', 'minimum-launch-tcb'],
  },
  {
    what: 'the CPU of a product with another order of levels',
    changes: fields({ cpu: [0x1a, 0x02, 1] }),
    failed: ['product', 'reported-tcb', ...NO_TCB],
  },
  ...(['reported', 'committed', 'current', 'launch'] as const).map((name, i): Refusal => ({
    what: `a reserved byte in the ${name} TCB`,
    changes: patched([[0x182, 0x1e2, 0x3a, 0x1f2][i] ?? 0, 9]),
    failed: {
      reported: ['reported-tcb', 'minimum-tcb', 'tcb-reported-committed'],
      committed: ['tcb-reported-committed', 'tcb-committed-current'],
      current: ['tcb-committed-current', 'tcb-launch-current'],
      launch: ['minimum-launch-tcb', 'tcb-launch-current'],
    }[name],
  })),
  {
    what: 'the signature of another report',
    changes: {
      report: (report) => {
        const donor = makeSnp('Milan').report;
        return Uint8Array.from([...report.subarray(0, 0x2a0), ...donor.subarray(0x2a0)]);
      },
    },
    failed: ['platform-signature'],
  },
  {
    what: 'a signature of zeros, as with MASK_CHIP_KEY',
    changes: {
      ...fields({ keyFlags: 2, chipId: new Uint8Array(64) }),
      report: (report) => Uint8Array.from(report).fill(0, 0x2a0),
    },
    failed: ['platform-signature'],
  },
  ...[0x2a0 + 48, 0x2a0 + 71, 0x2a0 + 120, 0x2a0 + 144, 1183].map((at): Refusal => ({
    what: `a byte behind the numbers of the signature, at ${String(at)}`,
    changes: { report: (report) => Uint8Array.from(report).fill(1, at, at + 1) },
    failed: ['platform-signature'],
  })),
];
