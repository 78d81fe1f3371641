/** An opening was refused, by the enclave's word or the host's: an Open, or the first record of the session. */
export class NotOpened extends Error {
  override readonly name = 'NotOpened';
}
