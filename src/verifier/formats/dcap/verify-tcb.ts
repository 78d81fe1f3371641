/** The quoting enclave, the platform and the TDX module, held against Intel's documents. */
import { equalBytes, toHex } from '../../../../enclave/wire/bytes.ts';
import { judge, type Check } from '../../check.ts';
import { CLAUSE } from './clauses.ts';
import type { PckPlatform } from './pck-certificate.ts';
import type { SgxReport, TdReport } from './reports.ts';
import {
  equalMasked,
  matchModuleLevel,
  matchPlatformLevel,
  matchSvnLevel,
  moduleIdentityId,
} from './tcb-matching.ts';
import type { ModuleIdentity, QeIdentity, TcbInfo } from './tcb-info.ts';
import type { TcbVerdict } from './tcb-status.ts';

export interface TcbFindings {
  readonly checks: readonly Check[];
  /** Undefined when no level fits. */
  readonly verdict: TcbVerdict | undefined;
}

function ask(id: string, passed: boolean, texts: readonly [string, string, string, string]): Check {
  const [expected, found, otherwise, clause] = texts;
  return judge(passed, { id, expected, found, otherwise, clause });
}

function levelText({ status, advisories }: TcbVerdict): string {
  return [status, ...advisories].join(', ');
}

function levelCheck(
  id: string,
  found: string,
  level: TcbVerdict | undefined,
  clause: string,
): Check {
  return ask(id, level !== undefined, [
    'a level of the document that it reaches',
    level === undefined ? found : `${found}: ${levelText(level)}`,
    'below every level that Intel knows',
    clause,
  ]);
}

/** The report of the quoting enclave is of the enclave that Intel names, and of a level of it. */
export function checkQuotingEnclave(report: SgxReport, identity: QeIdentity): TcbFindings {
  const level = matchSvnLevel(identity.levels, report.isvSvn);
  const wrong = 'not the quoting enclave of Intel';
  const masked = (id: string, wanted: Uint8Array, mask: Uint8Array, found: Uint8Array): Check =>
    ask(id, equalMasked(found, wanted, mask), [
      `${toHex(wanted)} under the mask ${toHex(mask)}`,
      toHex(found),
      wrong,
      CLAUSE.qe,
    ]);
  const { miscSelect, miscSelectMask, attributes, attributesMask } = identity;
  const checks = [
    ask('qe-mrsigner', equalBytes(report.mrSigner, identity.mrSigner), [
      toHex(identity.mrSigner),
      toHex(report.mrSigner),
      wrong,
      CLAUSE.qe,
    ]),
    ask('qe-isv-prod-id', report.isvProdId === identity.isvProdId, [
      String(identity.isvProdId),
      String(report.isvProdId),
      wrong,
      CLAUSE.qe,
    ]),
    masked('qe-misc-select', miscSelect, miscSelectMask, report.miscSelect),
    masked('qe-attributes', attributes, attributesMask, report.attributes),
    levelCheck('qe-tcb-level', `ISVSVN ${String(report.isvSvn)}`, level, CLAUSE.qe),
  ];
  return { checks, verdict: level };
}

/** Whatever Intel's mask says: the keys of a debugged quoting enclave are anybody's. */
export function checkQeDebug(report: SgxReport): Check {
  return ask('qe-debug', !report.debug, [
    'off',
    report.debug ? 'on' : 'off',
    'the attestation key of a debugged quoting enclave can be read',
    CLAUSE.qe,
  ]);
}

export function checkPlatformLevel(
  info: TcbInfo,
  platform: PckPlatform,
  report: TdReport | undefined,
): TcbFindings {
  const level = matchPlatformLevel(info, platform, report);
  const tee = report === undefined ? '' : `, TEE_TCB_SVN ${toHex(report.teeTcbSvn)}`;
  const found = `components ${platform.components.join('.')}, PCESVN ${String(platform.pceSvn)}${tee}`;
  return {
    checks: [levelCheck('tcb-level', found, level, CLAUSE.tcbLevel)],
    verdict: level,
  };
}

/** The TDX module: who signed it, its attributes, and from version 1 on its own level. */
export function checkModule(info: TcbInfo, report: TdReport): TcbFindings {
  const id = moduleIdentityId(report.teeTcbSvn);
  const versioned = info.moduleIdentities.find((one) => one.id === id);
  const identity: ModuleIdentity | undefined = id === undefined ? info.module : versioned;
  const checks = [
    ask('tdx-module-identity', identity !== undefined, [
      id ?? 'tdxModule',
      identity === undefined
        ? info.moduleIdentities.map((one) => one.id).join(', ') || 'none'
        : (id ?? 'tdxModule'),
      'Intel knows no TDX module of this version',
      CLAUSE.module,
    ]),
  ];
  if (identity === undefined) return { checks, verdict: undefined };
  const { seamAttributes, mrSignerSeam } = report;
  const { mrSigner, attributes, attributesMask } = identity;
  checks.push(
    ask('tdx-module-signer', equalBytes(mrSignerSeam, mrSigner), [
      toHex(mrSigner),
      toHex(mrSignerSeam),
      'a TDX module of somebody else',
      CLAUSE.module,
    ]),
    ask(
      'tdx-module-attributes',
      equalMasked(seamAttributes, attributes, attributesMask) &&
        // No bit of it is defined, so no bit may be set, whatever the mask leaves out.
        seamAttributes.every((byte) => byte === 0),
      [
        `${toHex(attributes)} under the mask ${toHex(attributesMask)}, and zero`,
        toHex(seamAttributes),
        'a TDX module that is debugged or not for production',
        CLAUSE.module,
      ],
    ),
  );
  if (versioned === undefined) return { checks, verdict: { status: 'UpToDate', advisories: [] } };
  const level = matchModuleLevel(versioned, report.teeTcbSvn);
  const svn = `${versioned.id}, SVN ${String(report.teeTcbSvn[0] ?? 0)}`;
  checks.push(levelCheck('tdx-module-level', svn, level, CLAUSE.module));
  return { checks, verdict: level };
}
