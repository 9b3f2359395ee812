/**
 * The HTTP listener that every service has: /healthz, /readyz and /metrics here and on the admin address, the bearer
 * token before /v1/* and /v2/*, and everything else for the service's handler.
 *
 * Guarantees: a request to /v1/* or /v2/* reaches the handler only with the token, if there is one, save on the paths
 * that the handler guards itself; a handler that throws or rejects is answered with 500; a client that sends its request
 * too slowly, or neither sends nor reads, is hung up on; there are never more than `connectionsMax` connections; `stop`
 * takes no new ones, lets answers in progress finish within its bound, and waits for nobody else (connections.ts).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { HttpConfig } from '../config/http-config.ts';
import type { Logger } from '../log/log.ts';
import { bearerCheck } from './bearer.ts';
import { listenOnPort, listenOnSocket } from './listen.ts';
import { Connections } from './connections.ts';
import { answerProbe, probeRoutes, type Probes } from './probes.ts';
import { sendError, sendNotFound, sendUnauthorized } from './respond.ts';

export type { Readiness } from './probes.ts';

/** Has the whole request and its body, unread. The path may have a query: `/v1/events?x=1`. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

export interface HttpOptions extends Probes {
  readonly config: HttpConfig;
  readonly log: Logger;
  /** Answers everything that is not a probe, 404 and 405 too (see respond.ts). Without one, all of it is 404. */
  readonly handler?: Handler;
  /** Tells a client that its token is missing or another one: 401. Without it, in the form of respond.ts. */
  readonly refuse?: (request: IncomingMessage, response: ServerResponse) => void;
  /** Paths below /v1/ and /v2/ that are open to everyone here, because the handler asks for credentials of its own. */
  readonly guardedByHandler?: ReadonlySet<string>;
  readonly bounds?: Partial<HttpBounds>;
}

/** What a client may take of us. */
export interface HttpBounds {
  /** To send the head of a request, from the first byte or the start of the connection on; then 408. */
  readonly headMs: number;
  /** To send a whole request; then 408. */
  readonly requestMs: number;
  /** Without a byte in either direction, while an answer is waited for or not taken. Longer than any answer takes. */
  readonly silenceMs: number;
  /** More are hung up on at once. */
  readonly connectionsMax: number;
}

export interface RunningHttp {
  /** The port that was taken; 0 on a Unix socket. */
  readonly port: number;
  /** The port of the admin address, if there is one. */
  readonly adminPort: number | undefined;
  /** Resolves when nothing listens and every connection is closed, `withinMs` from now at the latest. */
  stop(withinMs: number): Promise<void>;
}

// Longer than the pause between two requests of a usual client or balancer, which would otherwise meet a closing connection.
const keepAliveTimeoutMs = 65_000;

const defaultBounds: HttpBounds = {
  headMs: 10_000,
  requestMs: 60_000,
  silenceMs: 120_000,
  // Ten thousand calls side by side are a usual load test of an SDK, and each of them is a connection.
  connectionsMax: 16_384,
};
/** Connections that wait to be accepted. The kernel's own bound is often lower. */
const backlog = 4_096;
const dropReportMs = 10_000;
const mainSettings = { hostSetting: 'TALLYMAN_HOST', portSetting: 'TALLYMAN_PORT' };
const adminSettings = { hostSetting: 'TALLYMAN_ADMIN_HOST', portSetting: 'TALLYMAN_ADMIN_PORT' };

export async function startHttp(options: HttpOptions): Promise<RunningHttp> {
  const { config, log } = options;
  const bounds = { ...defaultBounds, ...options.bounds };
  const main = boundedServer(bounds, router(options), log);
  const connections = [new Connections(main)];
  let port = 0;
  let adminPort: number | undefined;
  try {
    if (config.socket === undefined) port = await listenOnPort(main, { ...config, ...mainSettings }, backlog);
    else await listenOnSocket(main, config.socket, config.socketMode);
    if (config.admin !== undefined) {
      const admin = boundedServer(bounds, probeRouter(options), log);
      connections.push(new Connections(admin));
      adminPort = await listenOnPort(admin, { ...config.admin, ...adminSettings }, backlog);
    }
  } catch (error) {
    for (const each of connections) await each.stop(0);
    throw error;
  }
  log.info({ host: config.host, port, socket: config.socket, adminPort }, 'Listening for HTTP.');
  return {
    port,
    adminPort,
    async stop(withinMs) {
      await Promise.all(connections.map((each) => each.stop(withinMs)));
    },
  };
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** The parser stays Node's strict one: what two parsers could read differently is answered with 400 and a closed connection. */
function boundedServer(bounds: HttpBounds, answer: Answer, log: Logger): Server {
  const { headMs, requestMs, silenceMs, connectionsMax } = bounds;
  const options = {
    keepAliveTimeout: keepAliveTimeoutMs,
    headersTimeout: headMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: Math.ceil(Math.min(headMs, requestMs) / 4),
  };
  const server = createServer(options, answer) as Server & { httpAllowHalfOpen: boolean };
  // A client that has sent its request and closed its half of the connection still reads.
  server.httpAllowHalfOpen = true;
  server.timeout = silenceMs;
  server.maxConnections = connectionsMax;
  let reportedMs = -Infinity;
  server.on('drop', () => {
    if (performance.now() - reportedMs < dropReportMs) return;
    reportedMs = performance.now();
    log.warn({ connectionsMax }, 'Connections were closed because there are too many; their clients try again.');
  });
  return server;
}

function router(options: HttpOptions): Answer {
  const { config, handler, log, refuse = sendUnauthorized, guardedByHandler } = options;
  const mayEnter = config.token === undefined ? undefined : bearerCheck(config.token);
  const probe = probeRouter(options, handler);
  return (request, response) => {
    const url = originForm(request);
    if (handler === undefined || (!url.startsWith('/v1/') && !url.startsWith('/v2/'))) {
      probe(request, response);
      return;
    }
    if (mayEnter !== undefined && !mayEnter(request.headers.authorization) && guardedByHandler?.has(url) !== true) {
      refuse(request, response);
      return;
    }
    run(handler, request, response, log);
  };
}

/** Probes, then the handler. Paths that a later parser could read as another one (`/x/../v1/`) never come that far. */
function probeRouter(options: HttpOptions, handler?: Handler): Answer {
  const answer: Handler = async (request, response) => {
    const url = request.url ?? '/';
    const path = url.split('?', 1)[0] ?? url;
    if (URL.parse(url, 'http://localhost')?.pathname !== path) {
      sendError(response, 400, 'bad_path', 'The path must be written in its shortest form, beginning with one slash.');
      return;
    }
    if (await answerProbe(path, options, request, response)) return;
    if (handler === undefined) sendNotFound(response, path, probeRoutes);
    else await handler(request, response);
  };
  return (request, response) => {
    originForm(request);
    run(answer, request, response, options.log);
  };
}

/** A server takes `POST http://host/path` too, as proxies are asked (RFC 9112, 3.2.2). Whoever reads the request sees the path alone. */
function originForm(request: IncomingMessage): string {
  const { url = '/' } = request;
  if (url.startsWith('/')) return url;
  const [authority] = /^https?:\/\/[^/?#]+/i.exec(url) ?? [];
  if (authority === undefined) return url;
  const rest = url.slice(authority.length);
  return (request.url = rest.startsWith('/') ? rest : `/${rest}`);
}

function run(handler: Handler, request: IncomingMessage, response: ServerResponse, log: Logger): void {
  const failed = (error: unknown): void => {
    log.error(
      { error, method: request.method, path: request.url },
      'A request failed unexpectedly; it was answered with 500.',
    );
    if (response.headersSent) response.destroy();
    else
      sendError(response, 500, 'internal', 'The request failed here; it may be sent again.', { connection: 'close' });
  };
  try {
    const done = handler(request, response);
    if (done instanceof Promise) done.catch(failed);
  } catch (error) {
    failed(error);
  }
}
