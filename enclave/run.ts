/** Starts an enclave from what its platform gave it. Shared by both entries; knows no platform. */
import process from 'node:process';
import type { Ports } from './ports.ts';
import { Enclave } from './core/enclave.ts';
import { noAnchor } from './core/no-anchor.ts';
import type { LogStore, TokenModule } from './ports.ts';
import { LinkHostStore } from './io/host-store.ts';
import { LinkLogStore } from './io/log-store.ts';
import { listenForHost, type LinkServer } from './io/link-server.ts';
import { SystemClock, systemEntropy } from './io/system.ts';

export interface Launched {
  readonly platform: Ports['attester'] & Ports['sealer'];
  readonly tokens: TokenModule;
  /** Path of the Unix socket on which the host is awaited. */
  readonly linkSocket: string;
  readonly process: Ports['process'];
  readonly suite: Ports['suite'];
}

/** How long calls in flight may take after SIGTERM. */
const DRAIN_MS = 5_000;
/** A genesis that has begun is finished while there is a host to store it: half of one costs the token. */
const GENESIS_MS = 30_000;
const DRAIN_POLL_MS = 20;
const TICK_MS = 1_000;
const LAST_WRITE_MS = 500;

/** The log over the link: an append resolves when the host acknowledged it as durable. */
const durable = (links: LinkServer): LogStore => new LinkLogStore(links);

/**
 * `logOver` is for the benchmark's own entry, which is no part of a release (docs/spec/log.md, "Chained
 * release"). Every entry in this folder leaves it as it is.
 */
export async function run(launched: Launched, logOver = durable): Promise<void> {
  const links: LinkServer = await listenForHost(
    launched.linkSocket,
    // The first call can't come before this function has gone on: it needs a turn of the event loop.
    (call) => enclave.handle(call),
    // The host sees INTERNAL and counts it; an exception's text never leaves.
    () => undefined,
  );
  const enclave: Enclave = new Enclave({
    attester: launched.platform,
    sealer: launched.platform,
    tokens: launched.tokens,
    store: new LinkHostStore(links),
    logStore: logOver(links),
    anchor: noAnchor,
    clock: new SystemClock(),
    entropy: systemEntropy,
    process: launched.process,
    suite: launched.suite,
  });
  process.once('SIGTERM', () => {
    void drain(enclave, links);
  });
  await enclave.boot();
  setInterval(() => {
    void enclave.tick();
  }, TICK_MS).unref();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function drain(enclave: Enclave, links: LinkServer): Promise<void> {
  const giveUp = performance.now() + DRAIN_MS;
  enclave.startDraining();
  const giveUpGenesis = performance.now() + GENESIS_MS;
  while (
    (links.serving() > 0 && performance.now() < giveUp) ||
    (enclave.bearing && links.connected() && performance.now() < giveUpGenesis)
  ) {
    await pause(DRAIN_POLL_MS);
  }
  // A host that is gone already takes nothing: the next boot reads back what the index does not name.
  await Promise.race([enclave.writeLogHead(), pause(LAST_WRITE_MS)]);
  await enclave.close();
  process.exit(0);
}
