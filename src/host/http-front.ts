/**
 * Probes, metrics and the log over plain HTTP, meant for loopback. The log has readers: who may reach this address
 * may read what was signed for whom, and nothing of the messages.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ListenAddress } from './config.ts';
import { isLogPath, type LogAnswer } from './log-http.ts';
import { HTTP_MAX_CONNECTIONS, HTTP_MAX_HEADER_BYTES, HTTP_REQUEST_MS } from './limits.ts';

export interface HttpAnswers {
  readonly ready: () => {
    readonly ready: boolean;
    readonly phase: string;
    readonly haltReason: string;
  };
  readonly metrics: () => string;
  /** Answers a path of the log. */
  readonly log: (path: string) => Promise<LogAnswer>;
}

export class HttpFront {
  readonly #server: Server;

  constructor(answers: HttpAnswers) {
    this.#server = createServer(
      {
        maxHeaderSize: HTTP_MAX_HEADER_BYTES,
        headersTimeout: HTTP_REQUEST_MS,
        requestTimeout: HTTP_REQUEST_MS,
        keepAliveTimeout: HTTP_REQUEST_MS,
        connectionsCheckingInterval: HTTP_REQUEST_MS,
      },
      (request, response) => {
        answer(answers, request, response);
      },
    );
    this.#server.maxConnections = HTTP_MAX_CONNECTIONS;
  }

  /** Resolves with the bound address. */
  async listen({ host, port }: ListenAddress): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, resolve);
    });
    const bound = this.#server.address() as AddressInfo;
    const name = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
    return `${name}:${String(bound.port)}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function answer(answers: HttpAnswers, request: IncomingMessage, response: ServerResponse): void {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  // No route takes a body; what a client sends is not read.
  request.resume();
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    sendJson(response, 405, { error: 'METHOD_NOT_ALLOWED' });
    return;
  }
  if (isLogPath(path)) {
    answers.log(path).then(
      ({ status, type, body, cacheControl }) => {
        send(response, status, type, body, cacheControl);
      },
      () => {
        sendJson(response, 500, { error: 'INTERNAL' });
      },
    );
    return;
  }
  switch (path) {
    case '/livez':
      sendJson(response, 200, { live: true });
      return;
    case '/readyz': {
      const { ready, phase, haltReason } = answers.ready();
      sendJson(response, ready ? 200 : 503, {
        ready,
        phase,
        ...(haltReason === '' ? {} : { haltReason }),
      });
      return;
    }
    case '/metrics':
      send(response, 200, 'text/plain; version=0.0.4; charset=utf-8', answers.metrics());
      return;
    default:
      sendJson(response, 404, { error: 'NOT_FOUND' });
  }
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  send(response, status, 'application/json', `${JSON.stringify(body)}\n`);
}

function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string | Uint8Array,
  cacheControl = 'no-store',
): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': cacheControl,
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}
