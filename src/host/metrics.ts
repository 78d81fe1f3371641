/** Counters for Prometheus, in its text format 0.0.4. Labels come from closed lists only. */
import { ALARMS, type Alarm } from '../../enclave/wire/error-code.ts';

const BUCKETS_SECONDS = [
  0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60,
];

export interface Gauges {
  readonly linkUp: boolean;
  readonly linkInFlight: number;
  readonly openCalls: number;
  readonly openStreams: number;
  readonly connections: Readonly<Record<string, number>>;
  readonly phase: string;
  readonly alarms: readonly Alarm[];
  /** undefined when the copy of the log could not be opened. */
  readonly log: LogGauges | undefined;
}

export interface LogGauges {
  readonly leaves: number;
  readonly pendingLeaves: number;
  readonly journalBytes: number;
}

interface Histogram {
  readonly counts: number[];
  sum: number;
  count: number;
}

export class Metrics {
  /** By method and status, as one key: built once per pair, looked up once per call. */
  readonly #calls = new Map<string, Map<number, number>>();
  readonly #latency = new Map<string, Histogram>();
  readonly #store = new Map<string, number>();
  #handshakeErrors = 0;
  #evictedConnections = 0;

  callEnded(method: string, code: number, seconds: number): void {
    let byCode = this.#calls.get(method);
    if (byCode === undefined) {
      byCode = new Map<number, number>();
      this.#calls.set(method, byCode);
    }
    byCode.set(code, (byCode.get(code) ?? 0) + 1);
    let histogram = this.#latency.get(method);
    if (histogram === undefined) {
      histogram = { counts: BUCKETS_SECONDS.map(() => 0), sum: 0, count: 0 };
      this.#latency.set(method, histogram);
    }
    histogram.sum += seconds;
    histogram.count += 1;
    const bucket = BUCKETS_SECONDS.findIndex((limit) => seconds <= limit);
    if (bucket >= 0) histogram.counts[bucket] = (histogram.counts[bucket] ?? 0) + 1;
  }

  storeEnded(operation: string, ok: boolean): void {
    const key = `operation="${operation}",result="${ok ? 'ok' : 'refused'}"`;
    this.#store.set(key, (this.#store.get(key) ?? 0) + 1);
  }

  handshakeFailed(): void {
    this.#handshakeErrors += 1;
  }

  connectionEvicted(): void {
    this.#evictedConnections += 1;
  }

  /** Everything, as Prometheus reads it. */
  render(gauges: Gauges, codeName: (code: number) => string): string {
    const out: string[] = [];
    const family = (name: string, type: string, help: string, rows: readonly string[]): void => {
      out.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...rows);
    };
    const name = 'sealwright_calls_total';
    family(
      name,
      'counter',
      'gRPC calls by method and status.',
      [...this.#calls].flatMap(([method, byCode]) =>
        [...byCode].map(
          ([code, count]) =>
            `${name}{method="${method}",status="${codeName(code)}"} ${String(count)}`,
        ),
      ),
    );
    family(
      'sealwright_call_seconds',
      'histogram',
      'Time from the headers of a call to its status.',
      this.#renderLatency(),
    );
    family('sealwright_open_calls', 'gauge', 'Calls being answered.', [
      `sealwright_open_calls ${String(gauges.openCalls)}`,
    ]);
    family('sealwright_open_streams', 'gauge', 'Streams of records, health and reflection.', [
      `sealwright_open_streams ${String(gauges.openStreams)}`,
    ]);
    family(
      'sealwright_connections',
      'gauge',
      'Connections by kind.',
      Object.entries(gauges.connections).map(
        ([kind, count]) => `sealwright_connections{kind="${kind}"} ${String(count)}`,
      ),
    );
    family(
      'sealwright_connections_evicted_total',
      'counter',
      'Connections closed because there were too many.',
      [`sealwright_connections_evicted_total ${String(this.#evictedConnections)}`],
    );
    family('sealwright_tls_handshake_errors_total', 'counter', 'TLS handshakes that failed.', [
      `sealwright_tls_handshake_errors_total ${String(this.#handshakeErrors)}`,
    ]);
    family('sealwright_link_up', 'gauge', '1 when an enclave is connected.', [
      `sealwright_link_up ${gauges.linkUp ? '1' : '0'}`,
    ]);
    family('sealwright_link_in_flight', 'gauge', 'Calls that wait for the enclave.', [
      `sealwright_link_in_flight ${String(gauges.linkInFlight)}`,
    ]);
    family('sealwright_phase', 'gauge', 'Phase of the enclave.', [
      `sealwright_phase{phase="${gauges.phase}"} 1`,
    ]);
    family(
      'sealwright_alarm',
      'gauge',
      '1 while the enclave wants an operator to look.',
      ALARMS.map(
        (alarm) =>
          `sealwright_alarm{alarm="${alarm}"} ${gauges.alarms.includes(alarm) ? '1' : '0'}`,
      ),
    );
    family(
      'sealwright_store_calls_total',
      'counter',
      'Store calls of the enclave.',
      [...this.#store].map(
        ([labels, count]) => `sealwright_store_calls_total{${labels}} ${String(count)}`,
      ),
    );
    for (const [name, value, help] of logFamilies(gauges.log)) {
      family(name, 'gauge', help, [`${name} ${String(value)}`]);
    }
    return `${out.join('\n')}\n`;
  }

  #renderLatency(): string[] {
    return [...this.#latency].flatMap(([method, { counts, sum, count }]) => {
      let below = 0;
      const rows = BUCKETS_SECONDS.map((limit, index) => {
        below += counts[index] ?? 0;
        return `sealwright_call_seconds_bucket{method="${method}",le="${String(limit)}"} ${String(below)}`;
      });
      return [
        ...rows,
        `sealwright_call_seconds_bucket{method="${method}",le="+Inf"} ${String(count)}`,
        `sealwright_call_seconds_sum{method="${method}"} ${String(sum)}`,
        `sealwright_call_seconds_count{method="${method}"} ${String(count)}`,
      ];
    });
  }
}

/** Nothing is said of a log that is not open: an alarm is on the absence. */
function logFamilies(log: LogGauges | undefined): readonly (readonly [string, number, string])[] {
  if (log === undefined) return [];
  return [
    ['sealwright_log_leaves', log.leaves, 'Leaves of the log that are durable here.'],
    ['sealwright_log_pending_leaves', log.pendingLeaves, 'Leaves that are not in full tiles yet.'],
    ['sealwright_log_journal_bytes', log.journalBytes, 'Length of the journal.'],
  ];
}
