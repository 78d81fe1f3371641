/**
 * What a PCK certificate says of its platform: the SGX extensions ("Intel SGX PCK Certificate and Certificate
 * Revocation List Profile Specification", §1.3.5 and table 4), and the names of Intel's certificates (§1.2, §1.3).
 */
import { DerReader, TAG } from '../../../../enclave/wire/x509/der.ts';
import { toHex } from '../../../../enclave/wire/bytes.ts';
import type { Certificate } from '../../../../enclave/wire/x509/certificate.ts';

export interface PckPlatform {
  /** 16 bytes: names the platform (its package, or the multi-package platform's first). */
  readonly ppid: Uint8Array;
  /** SVNs of the 16 components of the platform's TCB. */
  readonly components: readonly number[];
  readonly pceSvn: number;
  /** 16 bytes: the same TCB as the processor writes it. */
  readonly cpuSvn: Uint8Array;
  /** 2 bytes. */
  readonly pceId: Uint8Array;
  /** 6 bytes: family, model, stepping, platform type, custom SKU. */
  readonly fmspc: Uint8Array;
  readonly sgxType: SgxType;
  /** 16 bytes; certificates of the Platform CA only. */
  readonly platformInstanceId: Uint8Array | undefined;
  /** Certificates of the Platform CA only; each undefined when Intel does not know. */
  readonly configuration: PlatformConfiguration | undefined;
}

const SGX_TYPES = ['standard', 'scalable', 'scalable with integrity'] as const;
export type SgxType = (typeof SGX_TYPES)[number];

export interface PlatformConfiguration {
  /** Packages can be added: PPID and platform instance then stay while the platform changes. */
  readonly dynamicPlatform: boolean | undefined;
  readonly cachedKeys: boolean | undefined;
  readonly smtEnabled: boolean | undefined;
}

const SGX_EXTENSIONS = '1.2.840.113741.1.13.1';
const MAX_EXTENSION_BYTES = 4096;
const ENUMERATED = 0x0a;
const COMPONENTS = 16;
/** Members of the TCB sequence, after the sixteen components. */
const PCE_SVN = 17;
const CPU_SVN = 18;

/** Throws DerError; the offsets are within the extension. */
export function readPckPlatform(certificate: Certificate): PckPlatform {
  const content = certificate.extensions.get(SGX_EXTENSIONS) ?? new Uint8Array(0);
  const document = DerReader.open(content, MAX_EXTENSION_BYTES);
  if (!document.more) document.fail('no SGX extensions: not a PCK certificate');
  const members = new Members(document.sequence(), SGX_EXTENSIONS);
  document.end();
  const tcb = members.nested(2);
  return {
    ppid: members.octets(1, 16),
    components: Array.from({ length: COMPONENTS }, (_, i) =>
      tcb.read(i + 1, (value) => value.smallInteger(0xff)),
    ),
    pceSvn: tcb.read(PCE_SVN, (value) => value.smallInteger(0xffff)),
    cpuSvn: tcb.octets(CPU_SVN, 16),
    pceId: members.octets(3, 2),
    fmspc: members.octets(4, 6),
    sgxType: members.read(5, readSgxType),
    platformInstanceId: members.has(6) ? members.octets(6, 16) : undefined,
    configuration: members.has(7) ? readConfiguration(members.nested(7)) : undefined,
  };
}

/** A sequence of {object identifier, value}, each identifier once. */
class Members {
  readonly #list: DerReader;
  readonly #prefix: string;
  readonly #values = new Map<string, DerReader>();

  constructor(list: DerReader, prefix: string) {
    this.#list = list;
    this.#prefix = prefix;
    while (list.more) {
      const member = list.sequence();
      const identifier = member.objectIdentifier();
      if (this.#values.has(identifier)) member.fail(`${identifier} stands twice`);
      this.#values.set(identifier, member);
    }
  }

  has(number: number): boolean {
    return this.#values.has(`${this.#prefix}.${String(number)}`);
  }

  /** The value of a member, and nothing behind it. */
  read<T>(number: number, decode: (value: DerReader) => T): T {
    const identifier = `${this.#prefix}.${String(number)}`;
    const value = this.#values.get(identifier);
    if (value === undefined) return this.#list.fail(`${identifier} is missing`);
    const decoded = decode(value);
    value.end();
    return decoded;
  }

  nested(number: number): Members {
    const prefix = `${this.#prefix}.${String(number)}`;
    return this.read(number, (value) => new Members(value.sequence(), prefix));
  }

  octets(number: number, length: number): Uint8Array {
    return this.read(number, (value) => {
      const bytes = value.octetString();
      return bytes.byteLength === length ? bytes : value.fail(`not ${String(length)} bytes`);
    });
  }
}

function readSgxType(value: DerReader): SgxType {
  const { content } = value.element(ENUMERATED);
  const type = content.byteLength === 1 ? SGX_TYPES[content[0] ?? SGX_TYPES.length] : undefined;
  return type ?? value.fail(`SGX type ${toHex(content)} is not known`);
}

/** Each is a BOOLEAN, or something else when Intel does not know. */
function readConfiguration(flags: Members): PlatformConfiguration {
  const flag = (number: number): boolean | undefined =>
    flags.has(number)
      ? flags.read(number, (value) => {
          const { tag, content } = value.element();
          return tag === TAG.boolean ? content[0] === 0xff : undefined;
        })
      : undefined;
  return { dynamicPlatform: flag(1), cachedKeys: flag(2), smtEnabled: flag(3) };
}

const INTEL = 'O=Intel Corporation, L=Santa Clara, ST=CA, C=US';

/** Subjects of Intel's certificates, as {@link Certificate} writes names. */
export const INTEL_NAMES = {
  root: `CN=Intel SGX Root CA, ${INTEL}`,
  processorCa: `CN=Intel SGX PCK Processor CA, ${INTEL}`,
  platformCa: `CN=Intel SGX PCK Platform CA, ${INTEL}`,
  pck: `CN=Intel SGX PCK Certificate, ${INTEL}`,
  tcbSigning: `CN=Intel SGX TCB Signing, ${INTEL}`,
} as const;
