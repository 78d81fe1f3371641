/** TCB_VERSION (56860 §2.2): eight bytes of security patch levels, in an order that depends on the product. */
import type { SnpProduct } from './product.ts';

/** FMC is the first part of the boot chain on Turin, and of nothing before it. */
export const TCB_COMPONENTS = ['fmc', 'bootloader', 'tee', 'snp', 'microcode'] as const;
export type TcbComponent = (typeof TCB_COMPONENTS)[number];

/** Levels of 0 to 255; a component that the product does not have is left out. */
export type TcbVersion = Readonly<Partial<Record<TcbComponent, number>>>;

/** The byte that each component stands in. All other bytes are reserved. */
const EARLIER = { bootloader: 0, tee: 1, snp: 6, microcode: 7 } as const;
const TURIN = { fmc: 0, bootloader: 1, tee: 2, snp: 3, microcode: 7 } as const;

export const TCB_LAYOUTS = {
  Milan: EARLIER,
  Genoa: EARLIER,
  Turin: TURIN,
} as const satisfies Record<SnpProduct, Partial<Record<TcbComponent, number>>>;

export function componentsOf(product: SnpProduct): readonly TcbComponent[] {
  const layout: Partial<Record<TcbComponent, number>> = TCB_LAYOUTS[product];
  return TCB_COMPONENTS.filter((component) => layout[component] !== undefined);
}

/** Reads the eight bytes; undefined when a reserved one is set: there is then a component that nobody here knows. */
export function readTcb(bytes: Uint8Array, product: SnpProduct): TcbVersion | undefined {
  const layout: Partial<Record<TcbComponent, number>> = TCB_LAYOUTS[product];
  const used = Object.values(layout);
  if (bytes.some((level, at) => level !== 0 && !used.includes(at))) return undefined;
  return Object.fromEntries(
    componentsOf(product).map((component) => [component, bytes[layout[component] ?? 0] ?? 0]),
  );
}

/** Components of `tcb` that are below those of `least`. A component that one of both lacks is below. */
export function componentsBelow(tcb: TcbVersion, least: TcbVersion): readonly TcbComponent[] {
  return TCB_COMPONENTS.filter((component) => {
    const wanted = least[component];
    return wanted !== undefined && (tcb[component] ?? -1) < wanted;
  });
}

export function sameTcb(a: TcbVersion, b: TcbVersion): boolean {
  return TCB_COMPONENTS.every((component) => a[component] === b[component]);
}

export function describeTcb(tcb: TcbVersion | undefined): string {
  if (tcb === undefined) return 'not readable';
  return TCB_COMPONENTS.flatMap((component) => {
    const level = tcb[component];
    return level === undefined ? [] : [`${component} ${String(level)}`];
  }).join(', ');
}
