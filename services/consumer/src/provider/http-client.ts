/**
 * How the `stripe` package reaches the network: one `makeRequest` is one HTTP call that ends within its timeout.
 * The package's own client is not used, because of four things that were seen in version 23.1.0:
 *
 * - It repeats a call after ECONNRESET or EPIPE, whatever `maxNetworkRetries` says: past the rate limit, and twice as
 *   long as the timeout. Here no error carries those codes.
 * - Its timeout is the socket's idle time and does not run while connecting: an answer that drips could outlive the lease.
 *   Here one deadline covers connecting, sending and reading.
 * - It does not say whether a request can have left. Here `CallError.sent` does.
 * - A body that is no JSON object (a proxy's page, a bare string) loses its HTTP status, or is never answered at all.
 *   Here such a body becomes an `UnreadableBody`, and the status stays readable.
 */
import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type Stripe from 'stripe';

const answerBytesMax = 4 * 1024 * 1024;
// Below the idle limits of common load balancers and NATs, so that a call seldom meets a connection that is gone.
const idleConnectionMs = 20_000;
const excerptLength = 200;

export class CallError extends Error {
  override readonly name = 'CallError';
  /** Never ECONNRESET or EPIPE: the package would repeat the call. */
  readonly code: 'CALL_TIMEOUT' | 'CALL_FAILED';
  /** False: no byte of the request can have reached the other side. */
  readonly sent: boolean;

  constructor(code: CallError['code'], sent: boolean, message: string, cause?: Error) {
    super(message, { cause });
    this.code = code;
    this.sent = sent;
  }
}

/** Stands for a body that is no JSON object, beginning with `excerpt`. */
export class UnreadableBody {
  readonly excerpt: string;

  constructor(body: string) {
    this.excerpt = body.slice(0, excerptLength);
  }
}

// The package exports these two shapes only as a part of its configuration.
type StripeHttpClient = NonNullable<NonNullable<ConstructorParameters<typeof Stripe>[1]>['httpClient']>;
type StripeHttpAnswer = Awaited<ReturnType<StripeHttpClient['makeRequest']>>;

export interface HttpCallClient extends StripeHttpClient {
  /** Ends every connection. */
  close(): void;
}

/** Keeps up to `connections` connections to the provider open. */
export function createHttpClient(connections: number): HttpCallClient {
  // `lifo`: few connections stay warm, instead of many that are each about to be closed by the other side.
  const options = {
    keepAlive: true,
    maxSockets: connections,
    maxFreeSockets: connections,
    scheduling: 'lifo',
    timeout: idleConnectionMs,
  } as const;
  const plainAgent = new http.Agent(options);
  const secureAgent = new https.Agent(options);
  return {
    getClientName: () => 'node',
    makeRequest: async (host, port, path, method, headers, body, protocol, timeoutMs) => {
      const target = { host, port, path, method, headers };
      const request =
        protocol === 'http'
          ? http.request({ ...target, agent: plainAgent })
          : https.request({ ...target, agent: secureAgent });
      return await answerOf(request, body, timeoutMs);
    },
    close() {
      plainAgent.destroy();
      secureAgent.destroy();
    },
  };
}

function answerOf(request: http.ClientRequest, body: string, timeoutMs: number): Promise<StripeHttpAnswer> {
  return new Promise((resolve, reject) => {
    let isConnected = false;
    let isTimedOut = false;
    const startedAtMs = performance.now();
    const expire = (): void => {
      isTimedOut = true;
      request.destroy();
      fail();
    };
    const deadline = setTimeout(expire, timeoutMs);
    const fail = (cause?: Error): void => {
      clearTimeout(deadline);
      if (isTimedOut) reject(new CallError('CALL_TIMEOUT', isConnected, `no answer within ${timeoutMs} ms`));
      else
        reject(
          new CallError(
            'CALL_FAILED',
            isConnected,
            cause?.message ?? 'the connection ended before the answer did',
            cause,
          ),
        );
    };
    request.once('socket', (socket) =>
      whenConnected(socket, () => {
        // A process that stood still hears of its connection before its timers: too late to be written.
        if (performance.now() - startedAtMs >= timeoutMs) expire();
        else isConnected = true;
      }),
    );
    // Stays: an error may follow the first one, and without a listener it would end the process.
    request.on('error', fail);
    request.once('response', (message) => {
      readBody(
        message,
        (text) => {
          clearTimeout(deadline);
          resolve(new Answer(message.statusCode ?? 0, message.headers, text));
        },
        fail,
      );
    });
    request.end(body);
  });
}

/** Calls back at once for a connection that was kept alive. Before this moment Node writes nothing of a request. */
function whenConnected(socket: Socket, connected: () => void): void {
  const isSecure = socket instanceof TLSSocket;
  if (socket.connecting) socket.once(isSecure ? 'secureConnect' : 'connect', connected);
  else connected();
}

function readBody(message: http.IncomingMessage, done: (text: string) => void, fail: (cause?: Error) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  message.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > answerBytesMax) message.destroy(new Error(`the answer is longer than ${answerBytesMax} bytes`));
    else chunks.push(chunk);
  });
  message.on('error', fail);
  message.once('end', () => done(Buffer.concat(chunks).toString('utf8')));
  // Not every answer that is cut off raises an error.
  message.once('close', () => {
    if (!message.complete) fail();
  });
}

class Answer implements StripeHttpAnswer {
  readonly #statusCode: number;
  readonly #headers: http.IncomingHttpHeaders;
  readonly #text: string;

  constructor(statusCode: number, headers: http.IncomingHttpHeaders, text: string) {
    this.#statusCode = statusCode;
    this.#headers = headers;
    this.#text = text;
  }

  getStatusCode(): number {
    return this.#statusCode;
  }

  getHeaders(): Record<string, string> {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(this.#headers)) {
      if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
    }
    return headers;
  }

  /** Becomes `lastResponse` of what the package answers. */
  getRawResponse(): { statusCode: number; headers: http.IncomingHttpHeaders } {
    return { statusCode: this.#statusCode, headers: this.#headers };
  }

  toStream(): never {
    throw new Error('Answers of the billing provider are read whole, never as streams.');
  }

  async toJSON(): Promise<object> {
    return await Promise.resolve(objectIn(this.#text) ?? new UnreadableBody(this.#text));
  }
}

function objectIn(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    // An `error` that is neither object nor text would be lost as a TypeError inside the package.
    if (typeof value !== 'object' || value === null || !isErrorReadable(value)) return undefined;
    return value;
  } catch {
    // No JSON: the caller answers with what the text begins with.
    return undefined;
  }
}

function isErrorReadable(value: object): boolean {
  if (!('error' in value) || !value.error) return true;
  return typeof value.error === 'object' || typeof value.error === 'string';
}
