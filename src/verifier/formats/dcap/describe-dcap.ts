/** A quote as a person wants to read it. Nothing of it is verified. */
import { toHex } from '../../../../enclave/wire/bytes.ts';
import { moment } from '../../check.ts';
import type { PckPlatform } from './pck-certificate.ts';
import { describeCertification } from './pck-chain.ts';
import { TD_MEASUREMENTS, type SgxReport, type TdReport } from './reports.ts';
import { platformOf, type DcapEvidence } from './verify-dcap.ts';

type Row = readonly [string, string];

export function describeDcap({ quote, chain }: DcapEvidence): readonly Row[] {
  const { body, qeReport, certification, trailing } = quote;
  const platform = platformOf(chain?.[0]);
  return [
    ['quote version', String(quote.version)],
    ...(body.tee === 'tdx' ? describeTd(body) : describeEnclave(body)),
    ['report data', toHex(body.reportData)],
    ['user data', toHex(quote.userData)],
    ['certification data', describeCertification(certification)],
    ...(typeof platform === 'string'
      ? [['platform', platform] as const]
      : describePlatform(platform)),
    [
      'quoting enclave',
      `MRSIGNER ${toHex(qeReport.mrSigner)}, product ${String(qeReport.isvProdId)}, SVN ${String(qeReport.isvSvn)}`,
    ],
    ...(chain ?? []).map(
      ({ subject, notBeforeMs, notAfterMs }, i) =>
        [
          `certificate ${String(i)}`,
          `${subject.text}, ${moment(notBeforeMs)} to ${moment(notAfterMs)}`,
        ] as const,
    ),
    ['trailing bytes', String(trailing.byteLength)],
  ];
}

/** Names as Intel writes them. */
const TD_NAMES: Readonly<Record<(typeof TD_MEASUREMENTS)[number], string>> = {
  mrSeam: 'MRSEAM',
  mrTd: 'MRTD',
  mrConfigId: 'MRCONFIGID',
  mrOwner: 'MROWNER',
  mrOwnerConfig: 'MROWNERCONFIG',
  rtmr0: 'RTMR0',
  rtmr1: 'RTMR1',
  rtmr2: 'RTMR2',
  rtmr3: 'RTMR3',
  mrServiceTd: 'MRSERVICETD',
};

/** "Intel TDX Module ABI", ATTRIBUTES: what is not named is shown by number. */
const TD_ATTRIBUTE_BITS: Readonly<Record<number, string>> = {
  0: 'DEBUG',
  27: 'LASS',
  28: 'SEPT_VE_DISABLE',
  29: 'MIGRATABLE',
  30: 'PKS',
  31: 'KL',
  62: 'TPA',
  63: 'PERFMON',
};

const SGX_FLAG_BITS: Readonly<Record<number, string>> = {
  0: 'INIT',
  1: 'DEBUG',
  2: 'MODE64BIT',
  4: 'PROVISION_KEY',
  5: 'EINITTOKEN_KEY',
  7: 'KSS',
};

function bitNames(bytes: Uint8Array, names: Readonly<Record<number, string>>): string {
  const set: string[] = [];
  for (let bit = 0; bit < bytes.byteLength * 8; bit += 1) {
    if ((((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1) {
      set.push(names[bit] ?? `bit ${String(bit)}`);
    }
  }
  return `${toHex(bytes)} (${set.join(', ') || 'none'})`;
}

function describeTd(report: TdReport): readonly Row[] {
  return [
    ['TD report', report.version],
    ...TD_MEASUREMENTS.flatMap((name) => {
      const value = report.measurements[name];
      return value === undefined ? [] : [[TD_NAMES[name], toHex(value)] as const];
    }),
    ['debug', report.debug ? 'ON' : 'off'],
    ['TDATTRIBUTES', bitNames(report.tdAttributes, TD_ATTRIBUTE_BITS)],
    ['XFAM', toHex(report.xfam)],
    ['MRSIGNERSEAM', toHex(report.mrSignerSeam)],
    ['SEAMATTRIBUTES', toHex(report.seamAttributes)],
    ['TEE_TCB_SVN', toHex(report.teeTcbSvn)],
    ...(report.teeTcbSvn2 === undefined
      ? []
      : [['TEE_TCB_SVN_2', toHex(report.teeTcbSvn2)] as const]),
  ];
}

function describeEnclave(report: SgxReport): readonly Row[] {
  return [
    ['MRENCLAVE', toHex(report.mrEnclave)],
    ['MRSIGNER', toHex(report.mrSigner)],
    ['ISVPRODID', String(report.isvProdId)],
    ['ISVSVN', String(report.isvSvn)],
    ['CONFIGID', toHex(report.configId)],
    ['debug', report.debug ? 'ON' : 'off'],
    ['attributes', bitNames(report.attributes.subarray(0, 8), SGX_FLAG_BITS)],
    ['XFRM', toHex(report.attributes.subarray(8))],
    ['MISCSELECT', toHex(report.miscSelect)],
    ['CPUSVN', toHex(report.cpuSvn)],
  ];
}

function describePlatform(platform: PckPlatform): readonly Row[] {
  const { configuration: flags, platformInstanceId } = platform;
  const word = (flag: boolean | undefined): string =>
    flag === undefined ? 'not known' : flag ? 'yes' : 'no';
  return [
    ['PPID', toHex(platform.ppid)],
    ['FMSPC', toHex(platform.fmspc)],
    ['PCE', `id ${toHex(platform.pceId)}, SVN ${String(platform.pceSvn)}`],
    ['platform TCB', `components ${platform.components.join('.')}`],
    ['SGX type', platform.sgxType],
    ...(platformInstanceId === undefined
      ? []
      : [['platform instance', toHex(platformInstanceId)] as const]),
    ...(flags === undefined
      ? []
      : [
          [
            'platform configuration',
            `dynamic platform: ${word(flags.dynamicPlatform)}, cached keys: ${word(flags.cachedKeys)}, SMT: ${word(flags.smtEnabled)}`,
          ] as const,
        ]),
  ];
}
