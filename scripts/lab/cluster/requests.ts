import { z } from 'zod';
import type { RunningService } from './service.ts';

/** An event as an application posts it. */
export interface PostedEvent {
  readonly id: string;
  readonly customer: string;
  readonly meter: string;
  readonly account?: string;
  readonly value?: number | string;
  readonly timestamp?: number;
  readonly dimensions?: Readonly<Record<string, string>>;
}

/** How many events a sidecar took, and how many it knew already. */
export interface Taken {
  readonly accepted: number;
  readonly duplicates: number;
}

const acceptance = z.object({ accepted: z.number(), duplicates: z.number(), rejected: z.array(z.unknown()) });
const timeoutMs = 30_000;

/** Resolves once the sidecar has answered 202 for all of them, with what it said; rejects for any other answer. */
export async function postEvents({ url }: RunningService, ...events: readonly PostedEvent[]): Promise<Taken> {
  const response = await postJson(`${url}/v1/events`, events);
  const { accepted, duplicates } = acceptance.parse(await response.json());
  if (response.status !== 202 || accepted + duplicates !== events.length) {
    throw new Error(`${events.length} events were posted, ${accepted} accepted, ${duplicates} duplicates`);
  }
  return { accepted, duplicates };
}

/** Tells the simulator what goes wrong from now on (its README: `/_sim/…`). */
export async function tellSimulator(base: string, page: 'faults' | 'limits' | 'world', body: unknown): Promise<void> {
  await postJson(`${base}/_sim/${page}`, body);
}

export async function endFaults(base: string): Promise<void> {
  await answered(await fetch(`${base}/_sim/faults`, { method: 'DELETE', signal: AbortSignal.timeout(timeoutMs) }));
}

/** A meter that Stripe has from now on. */
export async function createMeter(base: string, name: string, more: Readonly<Record<string, string>>): Promise<void> {
  const body = new URLSearchParams({ display_name: name, event_name: name, ...more });
  const headers = { authorization: 'Bearer sk_live_simulator' };
  const signal = AbortSignal.timeout(timeoutMs);
  await answered(await fetch(`${base}/v1/billing/meters`, { method: 'POST', headers, body, signal }));
}

async function postJson(url: string, body: unknown): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  const signal = AbortSignal.timeout(timeoutMs);
  return answered(await fetch(url, { method: 'POST', headers, body: JSON.stringify(body), signal }));
}

async function answered(response: Response): Promise<Response> {
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}: ${await response.text()}`);
  return response;
}
