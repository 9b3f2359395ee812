import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Takes every meter event at once and remembers nothing: the simulator's ledger of ten million customers would be the largest process. */
export interface ForgetfulStripe {
  readonly url: string;
  readonly taken: number;
  close(): void;
}

export async function startForgetfulStripe(meter: string): Promise<ForgetfulStripe> {
  const meters = JSON.stringify({
    object: 'list',
    url: '/v1/billing/meters',
    has_more: false,
    data: [
      {
        id: 'mtr_memory',
        object: 'billing.meter',
        event_name: meter,
        display_name: meter,
        status: 'active',
        livemode: true,
        created: 0,
        updated: 0,
        event_time_window: null,
        customer_mapping: { type: 'by_id', event_payload_key: 'stripe_customer_id' },
        default_aggregation: { formula: 'sum' },
        value_settings: { event_payload_key: 'value' },
        status_transitions: { deactivated_at: null },
      },
    ],
  });
  const event = JSON.stringify({ object: 'billing.meter_event', livemode: true });
  let taken = 0;
  const server: Server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    request.resume();
    request.on('end', () => {
      if (request.method === 'POST') taken++;
      const body = request.method === 'POST' ? event : meters;
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get taken() {
      return taken;
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
