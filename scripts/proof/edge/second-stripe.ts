/**
 * A second stand-in for Stripe's meter API, minimal, and written from the facts about Stripe alone: it shares no code and no
 * reading of the rules with the simulator, so that one misunderstanding is not made twice. Where it is not known
 * what Stripe does, it does the other thing: above all it answers 200 to what it only finds wrong later, an unknown customer
 * or meter, and lets the usage vanish from the bill.
 *
 * In memory, in the process of the test; it ends with `close`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Reply, SecondBooks } from './second-books.ts';

export interface SecondStripeOptions {
  readonly latencyMs?: number;
  /** Calls per second: of the platform's meter events, and of everything else per account. */
  readonly ratePerS?: number;
  readonly basicRatePerS?: number;
  readonly meters?: readonly string[];
}

export interface SecondStripe {
  readonly base: string;
  readonly books: SecondBooks;
  latencyMs: number;
  /** The next so many calls are executed, and their connections cut instead of an answer. */
  cutNext: number;
  close(): Promise<void>;
}

export async function startSecondStripe(options: SecondStripeOptions = {}): Promise<SecondStripe> {
  const { latencyMs = 20, ratePerS = 1_000, basicRatePerS = 100, meters = ['tokens'] } = options;
  const books = new SecondBooks({ ratePerS, basicRatePerS, meters });
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stripe: SecondStripe = {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    books,
    latencyMs,
    cutNext: 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await bodyOf(request);
    const url = new URL(request.url ?? '/', 'http://second');
    const call = {
      method: request.method ?? '',
      path: url.pathname,
      params: request.method === 'GET' ? url.searchParams : new URLSearchParams(text),
      key: /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '',
      account: headerOf(request, 'stripe-account') ?? '',
      idempotencyKey: headerOf(request, 'idempotency-key'),
    };
    const isCut = call.method === 'POST' && stripe.cutNext > 0;
    if (isCut) stripe.cutNext--;
    const begun = books.begin(call, Date.now());
    if ('status' in begun) return answer(response, begun);
    setTimeout(() => {
      const reply = begun.finish(Date.now());
      if (isCut) request.socket.destroy();
      else answer(response, reply);
    }, stripe.latencyMs);
  }
  return stripe;
}

function answer(response: ServerResponse, { status, body, headers = {} }: Reply): void {
  if (response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
