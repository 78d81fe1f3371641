/**
 * Node's own flags of the host process. Each stream of HTTP/2 holds memory outside of V8's heap until it is collected:
 * in a flood of streams that are opened and taken back, a young generation of the default size kept twice as much of it.
 */
export const HOST_FLAGS: readonly string[] = ['--max-semi-space-size=4'];
