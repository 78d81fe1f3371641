/** Thrown when openings are refused, each with evidence that was verified anew: by the enclave's word, or the host's. */
export class NotOpened extends Error {
  override readonly name = 'NotOpened';
}
