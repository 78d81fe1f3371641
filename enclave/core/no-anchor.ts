/** No anchor: a restored older state is not noticed. Claims say `anchor: none`. */
import type { Anchor } from '../ports.ts';

export const noAnchor: Anchor = {
  kind: 'none',
  read: () => Promise.resolve(undefined),
  write: () => Promise.resolve(),
};
