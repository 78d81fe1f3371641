/**
 * Processor families that AMD certifies apart (57230 ch. 4: `product_name`): each has its own ARK, and the layout of
 * TCB_VERSION and of CHIP_ID depends on it.
 */
export const SNP_PRODUCTS = ['Milan', 'Genoa', 'Turin'] as const;
export type SnpProduct = (typeof SNP_PRODUCTS)[number];

/** CPUID as the report states it from version 3 on (56860 §7.3: CPUID_FAM_ID, CPUID_MOD_ID, CPUID_STEP). */
export interface CpuId {
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
}

/** Ranges of models, both ends inside. Bergamo and Siena (a0 to af) are certified under the name Genoa. */
const MODELS: readonly (readonly [family: number, from: number, to: number, SnpProduct])[] = [
  [0x19, 0x00, 0x0f, 'Milan'],
  [0x19, 0x10, 0x1f, 'Genoa'],
  [0x19, 0xa0, 0xaf, 'Genoa'],
  [0x1a, 0x00, 0x11, 'Turin'],
];

/** Undefined for a processor that was not known here when this was written. */
export function productOfCpu({ family, model }: CpuId): SnpProduct | undefined {
  return MODELS.find(([of, from, to]) => of === family && from <= model && model <= to)?.[3];
}

/** From the certificates' productName: the product, and in older VCEKs its silicon stepping (`Milan-B0`). */
export function productOfName(text: string): SnpProduct | undefined {
  const name = /^([A-Z][a-z]+)(?:-[A-Z][0-9])?$/.exec(text)?.[1];
  return SNP_PRODUCTS.find((product) => product === name);
}

export function describeCpu({ family, model, stepping }: CpuId): string {
  return `family ${family.toString(16)}h, model ${model.toString(16)}h, stepping ${String(stepping)}`;
}

/** Turin's chips have ids of eight bytes, with zeros up to 64 in the report. */
export const SHORT_CHIP_ID_BYTES = 8;

/** What a report before version 3 may be of, by the length of its chip id: a guess for people, never a check. */
export function productsByChipId(chipId: Uint8Array): readonly SnpProduct[] {
  if (chipId.every((byte) => byte === 0)) return SNP_PRODUCTS;
  const isShort = chipId.subarray(SHORT_CHIP_ID_BYTES).every((byte) => byte === 0);
  return isShort ? ['Turin'] : ['Milan', 'Genoa'];
}
