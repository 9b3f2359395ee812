import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { Secret } from '../../../../../shared/config/secret.ts';
import type { Entry } from '../../../../../shared/journal/journal.ts';
import type { Meter } from '../provider.ts';
import { createStripeProvider, type StripeProvider } from '../stripe.ts';

/** A server in Stripe's place that answers byte for byte what a test says, and remembers what it was sent. */
export interface ScriptedStripe {
  readonly base: string;
  readonly seen: readonly SeenCall[];
  connections(): number;
}

export interface SeenCall {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: URLSearchParams;
}

export type Reply = (response: ServerResponse, call: SeenCall) => void | Promise<void>;

export const entry: Entry = {
  identifier: 'tm1-0-000-1-a-0',
  customer: 'cus_1',
  meter: 'api_calls',
  value: '12.5',
  timestamp: 1_760_000_000,
  windowStartMs: 1_760_000_000_000,
  events: 3,
};

export const meter: Meter = { eventName: 'api_calls', formula: 'sum', customerKey: 'who', valueKey: 'how_much' };

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Reply {
  return (response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

export const accept = json(200, { object: 'billing.meter_event', identifier: entry.identifier });

/** Ends with the test. */
export async function scriptedStripe(reply: Reply): Promise<ScriptedStripe> {
  const seen: SeenCall[] = [];
  let connections = 0;
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const call = { method, url, headers, body: new URLSearchParams(Buffer.concat(chunks).toString()) };
      seen.push(call);
      void reply(response, call);
    });
  });
  server.on('connection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, connections: () => connections };
}

/** Ends with the test. */
export function providerAt(
  apiBase: string,
  { apiKey = new Secret('sk_test_1'), timeoutMs = 2_000 } = {},
): StripeProvider {
  const provider = createStripeProvider({ apiKey, apiBase, timeoutMs, concurrency: 8 });
  onTestFinished(() => provider.close());
  return provider;
}
