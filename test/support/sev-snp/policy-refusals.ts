/** Good evidence that a policy refuses. */
import { GUEST_POLICY, TCBS, chipIdOf, levels, type CaseChanges } from './cases.ts';
import { fields, type Refusal } from './refusal.ts';

const { Milan, Genoa, Turin } = TCBS;

const sevSnp = (platform: CaseChanges['platform'], snp: CaseChanges['snp'] = {}): CaseChanges =>
  platform === undefined ? { snp } : { platform, snp };
const require = (members: Readonly<Record<string, unknown>>): unknown => ({
  rule: 'require',
  ...members,
});

/** Good evidence that a policy refuses. */
export const POLICY_REFUSALS: readonly Refusal[] = [
  { what: 'debug', changes: fields({ policy: GUEST_POLICY | (1n << 19n) }), failed: ['debug'] },
  { what: 'VMPL 1', changes: fields({ vmpl: 1 }), failed: ['vmpl'] },
  {
    what: 'VMPL 0 where 1 is wanted',
    changes: sevSnp({ vmpl: require({ level: 1 }) }),
    failed: ['vmpl'],
  },
  {
    what: 'a report that the hypervisor asked for',
    changes: fields({ vmpl: 0xffffffff }),
    failed: ['vmpl'],
  },
  { what: 'an older guest', changes: fields({ guestSvn: 1 }), failed: ['guest-svn'] },
  {
    what: 'another measurement',
    changes: fields({ measurement: new Uint8Array(48) }),
    failed: ['measurements'],
  },
  {
    what: 'other report data',
    changes: fields({ reportData: new Uint8Array(64) }),
    failed: ['binding/reportData'],
  },
  {
    what: 'report data that differs in its last bit',
    changes: fields({ reportData: new Uint8Array(64).fill(0xa5).fill(0xa4, 63) }),
    failed: ['binding/reportData'],
  },
  {
    what: 'a VCEK where a VLEK is wanted',
    changes: sevSnp({ signingKeys: require({ anyOf: ['vlek'] }) }),
    failed: ['signing-key-accepted'],
  },
  { what: 'an older ABI', changes: fields({ policy: 0x3001en }), failed: ['guest-policy/abi'] },
  {
    what: 'an older major ABI',
    changes: { guestPolicy: { abi: require({ major: 1, minor: 0 }) } },
    failed: ['guest-policy/abi'],
  },
  {
    what: 'SMT',
    changes: { guestPolicy: { smtAllowed: { rule: 'refuse' } } },
    failed: ['guest-policy/smtAllowed'],
  },
  {
    what: 'a migration agent that is allowed',
    changes: fields({ policy: GUEST_POLICY | (1n << 18n) }),
    failed: ['guest-policy/migrationAgentAllowed'],
  },
  {
    what: 'a migration agent that is bound',
    changes: fields({ reportIdMa: new Uint8Array(32).fill(0xff, 1) }),
    failed: ['guest-policy/migrationAgentAllowed'],
  },
  {
    what: 'CXL',
    changes: fields({ policy: GUEST_POLICY | (1n << 21n) }),
    failed: ['guest-policy/cxlAllowed'],
  },
  ...(
    [
      'singleSocketRequired',
      'aes256XtsRequired',
      'raplDisableRequired',
      'ciphertextHidingRequired',
      'pageSwapDisabled',
    ] as const
  ).map((name): Refusal => ({
    what: `a guest that does not demand ${name}`,
    changes: { guestPolicy: { [name]: { rule: 'require' } } },
    failed: [`guest-policy/${name}`],
  })),
  {
    what: 'a platform without its alias check',
    changes: fields({ platformInfo: 0x05n }),
    failed: ['platform-info'],
  },
  {
    what: 'mitigation vectors before version 5',
    changes: sevSnp({ mitigations: require({ allOf: '0000000000000001' }) }),
    failed: ['mitigations'],
  },
  {
    what: 'a mitigation that came after the launch',
    product: 'Turin',
    changes: sevSnp(
      { mitigations: require({ allOf: '0000000000000100' }) },
      { patch: [[0x201, 1]] },
    ),
    failed: ['mitigations'],
  },
  ...(['bl', 'tee', 'snp', 'ucode'] as const).map((name): Refusal => {
    const least = { ...Genoa, [name]: Genoa[name] + 1 };
    return {
      what: `a reported ${name} below the minimum`,
      product: 'Genoa',
      changes: sevSnp({ reportedTcb: require({ Genoa: levels(least) }) }),
      failed: ['minimum-tcb'],
    };
  }),
  {
    what: 'a reported fmc below the minimum',
    product: 'Turin',
    changes: sevSnp({ reportedTcb: require({ Turin: levels({ ...Turin, fmc: 3 }) }) }),
    failed: ['minimum-tcb'],
  },
  {
    what: 'a launch below the minimum',
    changes: { snp: { tcb: { launch: { ...Milan, snp: 23 } } } },
    failed: ['minimum-launch-tcb'],
  },
  {
    what: 'no minimum for the product',
    changes: sevSnp({ reportedTcb: require({ Genoa: levels(Genoa) }) }),
    failed: ['minimum-tcb'],
  },
  {
    what: 'more reported than committed',
    changes: { snp: { tcb: { committed: { ...Milan, ucode: 218 } } } },
    failed: ['tcb-reported-committed'],
  },
  {
    what: 'more committed than current',
    changes: {
      snp: { tcb: { current: { ...Milan, bl: 3 }, launch: { ...Milan, bl: 3 } } },
      ...{ platform: { launchTcb: { rule: 'skip', because: 'its order is tested' } } },
    },
    failed: ['tcb-committed-current'],
  },
  {
    what: 'more at launch than current',
    changes: { snp: { tcb: { launch: { ...Milan, snp: 25 } } } },
    failed: ['tcb-launch-current'],
  },
  {
    what: 'a committed firmware that is newer than the current one',
    changes: fields({ committedVersion: [41, 55, 1] }),
    failed: ['firmware-committed-current'],
  },
  {
    what: 'a committed firmware of a newer major version and an older build',
    changes: fields({ committedVersion: [1, 0, 2] }),
    failed: ['firmware-committed-current'],
  },
  {
    what: 'a chip that is not listed',
    changes: {
      around: { platforms: require({ anyOf: [{ name: 'ours', id: `chip:${'0'.repeat(128)}` }] }) },
    },
    failed: ['platforms'],
  },
  {
    what: 'a cloud provider that is not listed',
    changes: {
      snp: { key: 'VLEK' },
      around: {
        platforms: require({ anyOf: [{ name: 'ours', id: 'csp:CN=cc-other.example.com' }] }),
      },
    },
    failed: ['platforms'],
  },
  {
    what: 'a chip id as the name of a provider',
    changes: {
      snp: { key: 'VLEK', report: { chipId: chipIdOf('Milan') } },
      around: {
        platforms: require({
          anyOf: [{ name: 'ours', id: `chip:${Buffer.from(chipIdOf('Milan')).toString('hex')}` }],
        }),
      },
    },
    failed: ['platforms'],
  },
];
