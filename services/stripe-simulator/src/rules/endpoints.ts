/** What a request addresses. */
export type Endpoint =
  | { readonly name: 'create-meter-event' }
  | { readonly name: 'list-meters' }
  | { readonly name: 'create-meter' }
  | {
      readonly name: 'retrieve-meter' | 'update-meter' | 'deactivate-meter' | 'reactivate-meter' | 'list-summaries';
      readonly id: string;
    }
  | { readonly name: 'create-adjustment' }
  | ObjectEndpoint;

/** An object around the meters; `id` where one is addressed. */
export interface ObjectEndpoint {
  readonly name: 'billing-object';
  readonly kind: 'products' | 'prices' | 'customers' | 'subscriptions' | 'subscription_items';
  readonly action: 'create' | 'list' | 'retrieve' | 'update' | 'cancel';
  readonly id: string | undefined;
}

const meterEvents: Endpoint = { name: 'create-meter-event' };
const meterPath = /^\/v1\/billing\/meters\/([^/]+)(?:\/(deactivate|reactivate|event_summaries))?$/;
const kinds = ['products', 'prices', 'customers', 'subscriptions', 'subscription_items'] as const;

export function endpointOf(method: string, path: string): Endpoint | undefined {
  if (path === '/v1/billing/meter_events') return method === 'POST' ? meterEvents : undefined;
  if (path === '/v1/billing/meters') {
    if (method === 'GET') return { name: 'list-meters' };
    return method === 'POST' ? { name: 'create-meter' } : undefined;
  }
  if (path === '/v1/billing/meter_event_adjustments') {
    return method === 'POST' ? { name: 'create-adjustment' } : undefined;
  }
  const [, id, action] = meterPath.exec(path) ?? [];
  if (id === undefined) return objectEndpointOf(method, path);
  if (action === 'event_summaries') return method === 'GET' ? { name: 'list-summaries', id } : undefined;
  if (action === undefined) {
    if (method === 'GET') return { name: 'retrieve-meter', id };
    return method === 'POST' ? { name: 'update-meter', id } : undefined;
  }
  if (method !== 'POST') return undefined;
  return { name: action === 'deactivate' ? 'deactivate-meter' : 'reactivate-meter', id };
}

function objectEndpointOf(method: string, path: string): ObjectEndpoint | undefined {
  const [, kindText, id] = /^\/v1\/([a-z_]+)(?:\/([^/]+))?$/.exec(path) ?? [];
  const kind = kinds.find((known) => known === kindText);
  const action = actionOf(method, id !== undefined);
  return kind === undefined || action === undefined ? undefined : { name: 'billing-object', kind, action, id };
}

function actionOf(method: string, isOne: boolean): ObjectEndpoint['action'] | undefined {
  switch (method) {
    case 'GET':
      return isOne ? 'retrieve' : 'list';
    case 'POST':
      return isOne ? 'update' : 'create';
    case 'DELETE':
      return isOne ? 'cancel' : undefined;
    default:
      return undefined;
  }
}
