import { Agent as HttpAgent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Reply } from './verdict.ts';

/** Carries requests to the sidecar. Never rejects: what went wrong is a reply too. */
export interface Transport {
  post(body: string): Promise<Reply>;
  /** Asks whether the sidecar is ready: 200 if so. */
  probe(): Promise<Reply>;
  /** Ends what is under way; its replies are failures. */
  close(): void;
}

export interface HttpTransportOptions {
  /** `http://host:port` or `https://host:port`. */
  readonly url: string | undefined;
  /** Path of a Unix socket instead. */
  readonly socket: string | undefined;
  /** Asked for every request, so that it may change. */
  readonly token: (() => string) | undefined;
  readonly requestsMax: number;
  /** From sending to the whole answer. The sidecar itself answers within 30 s. */
  readonly answerTimeoutMs: number;
}

const answerBytesMax = 8 * 1_024 * 1_024;
const retryAfterMaxMs = 30_000;
/** Nothing was sent when one of these is the reason. */
const neverConnected: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOENT', 'EACCES', 'ENOTFOUND', 'EAI_AGAIN']);

export function httpTransport(options: HttpTransportOptions): Transport {
  const { socket, token, requestsMax, answerTimeoutMs } = options;
  const url = new URL(options.url ?? (socket === undefined ? 'http://127.0.0.1:7070' : 'http://localhost'));
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TypeError(`url is ${url.protocol}//…; it must be http://… or https://…`);
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '') {
    throw new TypeError(
      `url has more than scheme, host and port: it must be ${url.origin}. The client adds the path; a token has an option of its own.`,
    );
  }
  const isPlain = url.protocol === 'http:';
  // Idle connections do not keep a process alive that has nothing else to do.
  const agentOptions = { keepAlive: true, maxSockets: requestsMax };
  const agent = isPlain ? new HttpAgent(agentOptions) : new HttpsAgent(agentOptions);
  const target = {
    ...(socket === undefined ? { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port } : { socketPath: socket }),
    agent,
  };

  /** Without a body it is a GET. */
  function ask(path: string, body?: Buffer): Promise<Reply> {
    return new Promise((resolve) => {
      let request: ClientRequest;
      try {
        request = open(path, body);
      } catch (error) {
        // The token function failed, or gave what no header may hold. It may be right the next time.
        resolve(failure(error, false));
        return;
      }
      request.on('error', (error) => resolve(failure(error, !neverConnected.has(codeOf(error)))));
      request.on('response', (response) => {
        readAnswer(response).then(resolve, (error: unknown) => resolve(failure(error, true)));
      });
      request.end(body);
    });
  }

  function open(path: string, body: Buffer | undefined): ClientRequest {
    const headers: Record<string, string | number> =
      body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length };
    if (token !== undefined) headers['authorization'] = `Bearer ${token()}`;
    const signal = AbortSignal.timeout(answerTimeoutMs);
    const method = body === undefined ? 'GET' : 'POST';
    return (isPlain ? httpRequest : httpsRequest)({ ...target, method, path, headers, signal });
  }

  return {
    post: (text) => ask('/v1/events', Buffer.from(text, 'utf8')),
    probe: () => ask('/readyz'),
    close() {
      agent.destroy();
    },
  };
}

async function readAnswer(response: IncomingMessage): Promise<Reply> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) throw new Error(`the answer is longer than ${answerBytesMax} bytes`);
    chunks.push(chunk);
  }
  const retryAfterS = Number(response.headers['retry-after']);
  const retryAfterMs = retryAfterS > 0 ? Math.min(retryAfterS * 1_000, retryAfterMaxMs) : 0;
  const body = Buffer.concat(chunks, bytes).toString('utf8');
  return { kind: 'answer', status: response.statusCode ?? 0, retryAfterMs, body };
}

function failure(error: unknown, mayHaveArrived: boolean): Reply {
  // Node connects to several addresses of one name and then gathers what went wrong, without a message of its own.
  const detail = error instanceof Error ? error.message || String(codeOf(error)) : String(error);
  return { kind: 'failure', mayHaveArrived, detail: `There was no answer: ${detail}.` };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
