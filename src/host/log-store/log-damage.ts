/** What can be wrong with the host's copy of the log without the disk saying so. */

export type DamageKind =
  /** A file that must be there is not. */
  | 'missing'
  | 'wrong-length'
  /** Not the hashes, or not the leaves, that the rest of the tree names. */
  | 'wrong-hash'
  /** Not in the form of its kind. */
  | 'malformed';

/** Where: a path below the log's folder, or `journal` as a whole. */
export interface Damage {
  readonly where: string;
  readonly what: DamageKind;
}

export class LogDamaged extends Error {
  override readonly name = 'LogDamaged';
  readonly damage: Damage;
  constructor(damage: Damage) {
    super(`${damage.where}: ${damage.what}`);
    this.damage = damage;
  }
}
