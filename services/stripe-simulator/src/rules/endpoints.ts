/** What a request addresses. */
export type Endpoint =
  | { readonly name: 'create-meter-event' }
  | { readonly name: 'list-meters' }
  | { readonly name: 'create-meter' }
  | { readonly name: 'retrieve-meter' | 'deactivate-meter' | 'reactivate-meter'; readonly id: string };

const meterEvents: Endpoint = { name: 'create-meter-event' };
const meterPath = /^\/v1\/billing\/meters\/([^/]+)(?:\/(deactivate|reactivate))?$/;

export function endpointOf(method: string, path: string): Endpoint | undefined {
  if (path === '/v1/billing/meter_events') return method === 'POST' ? meterEvents : undefined;
  if (path === '/v1/billing/meters') {
    if (method === 'GET') return { name: 'list-meters' };
    return method === 'POST' ? { name: 'create-meter' } : undefined;
  }
  const [, id, action] = meterPath.exec(path) ?? [];
  if (id === undefined) return undefined;
  if (action === undefined) return method === 'GET' ? { name: 'retrieve-meter', id } : undefined;
  if (method !== 'POST') return undefined;
  return { name: action === 'deactivate' ? 'deactivate-meter' : 'reactivate-meter', id };
}
