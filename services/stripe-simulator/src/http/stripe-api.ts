import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Answer, invalid } from '../rules/answers.ts';
import type { Call, Visit } from '../rules/call.ts';
import type { Simulator } from '../rules/simulator.ts';
import { readBody } from './body.ts';

/** A client that waits longer than this for a call whose answer never comes is hung up on. Longer than the package's 80 s. */
const hangMaxMs = 120_000;

/**
 * Serves `/v1/*`: takes a call in, lets it take its time, and delivers what the simulator answers. Holds the clock.
 * A call goes on executing when its client goes away, as it would at Stripe.
 */
export class StripeApi {
  readonly #simulator: () => Simulator;
  readonly #now: () => number;
  #inFlight = 0;

  /** `now`: milliseconds since 1970. */
  constructor(simulator: () => Simulator, now: () => number) {
    this.#simulator = simulator;
    this.#now = now;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    readBody(request, (body) => {
      if (body === undefined) send(response, 'req_too_large', request, invalid('The request is larger than 1 MiB.'));
      else afterReading(() => this.#serve(request, response, body));
    });
  };

  #serve(request: IncomingMessage, response: ServerResponse, body: string): void {
    // A reset of the simulator in between leaves this call with the one that it arrived at.
    const simulator = this.#simulator();
    const visit = simulator.arrive(callOf(request, body), this.#now());
    this.#inFlight += 1;
    const { socket } = request;
    const hungUp = (): void => simulator.leave(visit);
    // Node tells of the end of the connection at once, and some turns later that the answer cannot be given any more.
    socket.once('end', hungUp);
    response.on('close', () => {
      socket.off('end', hungUp);
      hungUp();
    });
    if (socket.readableEnded) hungUp();
    const finish = (): void => {
      this.#inFlight -= 1;
      const answer = simulator.finish(visit, this.#now());
      deliver(simulator, visit, answer, request, response);
    };
    if (visit.waitMs <= 0) finish();
    else setTimeout(() => afterReading(finish), visit.waitMs);
  }
}

/**
 * Once everything that has come in until now is read: also that the client of a call has hung up before it sent another
 * one. A process that stood still for a moment has both to read; the end of a connection takes a turn of its own.
 */
function afterReading(act: () => void): void {
  setImmediate(() => setImmediate(act));
}

function deliver(
  simulator: Simulator,
  visit: Visit,
  answer: Answer,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (response.destroyed) return;
  switch (visit.delivery) {
    case 'answer':
      // Before the write: the client may send the lane's next call as soon as it has read this answer.
      simulator.leave(visit);
      send(response, visit.requestId, request, answer);
      return;
    case 'reset':
      response.socket?.resetAndDestroy();
      return;
    case 'hang': {
      const timer = setTimeout(() => response.destroy(), hangMaxMs);
      response.on('close', () => clearTimeout(timer));
      return;
    }
  }
}

function send(
  response: ServerResponse,
  requestId: string,
  request: IncomingMessage,
  { status, body, headers }: Answer,
): void {
  const all: Record<string, string | number> = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'request-id': requestId,
    ...headers,
  };
  for (const name of echoed) {
    const value = request.headers[name];
    if (typeof value === 'string') all[name] = value;
  }
  response.writeHead(status, all).end(body);
}

const echoed = ['idempotency-key', 'stripe-version', 'stripe-account'] as const;

function callOf(request: IncomingMessage, body: string): Call {
  const url = request.url ?? '/';
  const question = url.indexOf('?');
  const path = question < 0 ? url : url.slice(0, question);
  return {
    method: request.method ?? 'GET',
    path,
    query: question < 0 ? '' : url.slice(question + 1),
    body,
    apiKey: /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1],
    account: textOf(request.headers['stripe-account']),
    idempotencyKey: textOf(request.headers['idempotency-key']),
  };
}

function textOf(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : header?.[0];
}
