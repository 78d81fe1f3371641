/**
 * TCB info (Intel PCS API v4, "Get SGX TCB Info", "Get TDX TCB Info"; version 2 of API v3 for SGX) and QE identity
 * ("Get QE Identity", "Get TD QE Identity"). Decoded, not believed: the signature is over `signed`.
 */
import { TCB_STATUSES, type TcbVerdict } from './tcb-status.ts';
import type { JsonObject } from './strict-json.ts';

/** What both documents have. */
export interface SignedDocument {
  /** The bytes of the inner object, exactly as received. */
  readonly signed: Uint8Array;
  /** r ‖ s */
  readonly signature: Uint8Array;
  readonly issueDateMs: number;
  readonly nextUpdateMs: number;
  /** `tcbEvaluationDataNumber`: which evaluation of Intel's the levels are of. */
  readonly evaluationNumber: number;
}

export interface TcbLevel extends TcbVerdict {
  /** 16 SVNs each. `tdx` is undefined in TCB info of SGX. */
  readonly sgx: readonly number[];
  readonly tdx: readonly number[] | undefined;
  readonly pceSvn: number;
}

/** A level of an enclave or of the TDX module. */
export interface SvnLevel extends TcbVerdict {
  readonly isvSvn: number;
}

export interface ModuleIdentity {
  /** 48 bytes. */
  readonly mrSigner: Uint8Array;
  /** 8 bytes each. */
  readonly attributes: Uint8Array;
  readonly attributesMask: Uint8Array;
}

export interface VersionedModuleIdentity extends ModuleIdentity {
  /** `TDX_01`: the module of version 1. */
  readonly id: string;
  readonly levels: readonly SvnLevel[];
}

export interface TcbInfo extends SignedDocument {
  readonly tee: 'sgx' | 'tdx';
  /** 6 bytes. */
  readonly fmspc: Uint8Array;
  /** 2 bytes. */
  readonly pceId: Uint8Array;
  /** In Intel's order: the first that fits is the one. */
  readonly levels: readonly TcbLevel[];
  /** Of module version 0. */
  readonly module: ModuleIdentity | undefined;
  readonly moduleIdentities: readonly VersionedModuleIdentity[];
}

export interface QeIdentity extends SignedDocument {
  readonly tee: 'sgx' | 'tdx';
  /** 4 bytes each. */
  readonly miscSelect: Uint8Array;
  readonly miscSelectMask: Uint8Array;
  /** 16 bytes each. */
  readonly attributes: Uint8Array;
  readonly attributesMask: Uint8Array;
  /** 32 bytes. */
  readonly mrSigner: Uint8Array;
  readonly isvProdId: number;
  readonly levels: readonly SvnLevel[];
}

const COMPONENTS = 16;
const U16 = 0xffff;
const MAX_LEVELS = 256;
const MAX_MODULES = 32;
const MAX_ADVISORIES = 128;
const ADVISORY = /^INTEL-SA-\d{5}$/;

function readCommon(inner: JsonObject, signature: Uint8Array): SignedDocument {
  const issueDateMs = inner.time('issueDate');
  const nextUpdateMs = inner.time('nextUpdate');
  if (nextUpdateMs <= issueDateMs) inner.fail('nextUpdate', 'not after issueDate');
  return {
    signed: inner.raw,
    signature,
    issueDateMs,
    nextUpdateMs,
    evaluationNumber: inner.integer('tcbEvaluationDataNumber', 0xffff_ffff),
  };
}

/** @throws StrictJsonError */
export function readTcbInfo(inner: JsonObject, signature: Uint8Array): TcbInfo {
  const version = inner.integer('version', U16);
  if (version !== 2 && version !== 3) {
    return inner.fail('version', `version ${String(version)} is not known`);
  }
  // Version 2 is of SGX and does not say so.
  const isTdx = version === 3 && inner.string('id', /^(?:SGX|TDX)$/) === 'TDX';
  // How levels are compared depends on the type, and there is only one yet.
  if (inner.integer('tcbType', U16) !== 0) inner.fail('tcbType', 'not 0: compared in another way');
  const levels = inner
    .objects('tcbLevels', MAX_LEVELS)
    .map((level) => readPlatformLevel(level, version, isTdx));
  if (levels.length === 0) inner.fail('tcbLevels', 'no level');
  const identities = inner.has('tdxModuleIdentities')
    ? inner.objects('tdxModuleIdentities', MAX_MODULES).map(readVersionedModule)
    : [];
  const ids = new Set(identities.map(({ id }) => id));
  if (ids.size < identities.length) inner.fail('tdxModuleIdentities', 'an identity stands twice');
  return {
    ...readCommon(inner, signature),
    tee: isTdx ? 'tdx' : 'sgx',
    fmspc: inner.hex('fmspc', 6),
    pceId: inner.hex('pceId', 2),
    levels,
    module: isTdx ? readModule(inner.object('tdxModule')) : undefined,
    moduleIdentities: isTdx ? identities : [],
  };
}

function readPlatformLevel(level: JsonObject, version: 2 | 3, isTdx: boolean): TcbLevel {
  const tcb = level.object('tcb');
  return {
    ...readVerdict(level),
    sgx: version === 2 ? numberedComponents(tcb) : components(tcb, 'sgxtcbcomponents'),
    tdx: isTdx ? components(tcb, 'tdxtcbcomponents') : undefined,
    pceSvn: tcb.integer('pcesvn', U16),
  };
}

/** Exactly sixteen: a shorter list would leave components without anything to be compared with. */
function components(tcb: JsonObject, name: string): number[] {
  const svns = tcb.objects(name, COMPONENTS).map((component) => component.integer('svn', U16));
  if (svns.length !== COMPONENTS) tcb.fail(name, `${String(svns.length)} components, not 16`);
  return svns;
}

function numberedComponents(tcb: JsonObject): number[] {
  return Array.from({ length: COMPONENTS }, (_, i) =>
    tcb.integer(`sgxtcbcomp${String(i + 1).padStart(2, '0')}svn`, U16),
  );
}

function readVerdict(level: JsonObject): TcbVerdict {
  const status = level.string('tcbStatus', /^[A-Za-z]{1,64}$/);
  const known = TCB_STATUSES.find((one) => one === status);
  if (known === undefined) return level.fail('tcbStatus', `"${status}" is not known`);
  const named = level.has('advisoryIDs');
  return {
    status: known,
    advisories: named ? level.strings('advisoryIDs', ADVISORY, MAX_ADVISORIES) : [],
  };
}

function readSvnLevels(owner: JsonObject): SvnLevel[] {
  return owner.objects('tcbLevels', MAX_LEVELS).map((level) => ({
    ...readVerdict(level),
    isvSvn: level.object('tcb').integer('isvsvn', U16),
  }));
}

function readModule(module: JsonObject): ModuleIdentity {
  return {
    mrSigner: module.hex('mrsigner', 48),
    attributes: module.hex('attributes', 8),
    attributesMask: module.hex('attributesMask', 8),
  };
}

function readVersionedModule(module: JsonObject): VersionedModuleIdentity {
  const id = module.string('id', /^TDX_[0-9A-Fa-f]{2}$/).toUpperCase();
  return { ...readModule(module), id, levels: readSvnLevels(module) };
}

const QE_IDENTITY_VERSION = 2;

/** @throws StrictJsonError */
export function readQeIdentity(inner: JsonObject, signature: Uint8Array): QeIdentity {
  const version = inner.integer('version', U16);
  if (version !== QE_IDENTITY_VERSION) {
    return inner.fail('version', `version ${String(version)} is not known`);
  }
  // QVE is the identity of Intel's verifier enclave, which signs no quotes.
  const id = inner.string('id', /^(?:QE|TD_QE)$/);
  return {
    ...readCommon(inner, signature),
    tee: id === 'QE' ? 'sgx' : 'tdx',
    miscSelect: inner.hex('miscselect', 4),
    miscSelectMask: inner.hex('miscselectMask', 4),
    attributes: inner.hex('attributes', 16),
    attributesMask: inner.hex('attributesMask', 16),
    mrSigner: inner.hex('mrsigner', 32),
    isvProdId: inner.integer('isvprodid', U16),
    levels: readSvnLevels(inner),
  };
}
