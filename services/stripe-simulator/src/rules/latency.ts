import type { Random } from './random.ts';

/** How long a call takes, from its arrival to its answer. */
export type Latency =
  | { readonly kind: 'fixed'; readonly ms: number }
  | { readonly kind: 'uniform'; readonly minMs: number; readonly maxMs: number }
  | { readonly kind: 'lognormal'; readonly p50Ms: number; readonly p99Ms: number }
  | { readonly kind: 'samples'; readonly ms: readonly number[] }
  /** Calls that were sampled elsewhere, drawn from at random. */
  | { readonly kind: 'file'; readonly path: string; readonly ms: readonly number[] };

export const latencyShape = 'fixed:MS, uniform:MIN:MAX, lognormal:P50:P99 or samples:MS,MS,… in milliseconds';
export const latencyFileShape = 'a file with one sampled call a line, which begins with its milliseconds';

/** The standard normal's 99th percentile. */
const z99 = 2.3263478740408408;
const latencyMaxMs = 600_000;

/** Reads `fixed:200`, `uniform:100:300`, `lognormal:200:900` (p50, p99) or `samples:180,210,950`. */
export function parseLatency(text: string): Latency | undefined {
  const [kind, ...rest] = text.split(':');
  const numbers = (kind === 'samples' ? (rest[0] ?? '').split(',') : rest).map(milliseconds);
  const values = numbers.filter((value) => value !== undefined);
  if (values.length !== numbers.length || (kind === 'samples' && rest.length !== 1)) return undefined;
  const [first, second] = values;
  if (first === undefined) return undefined;
  if (kind === 'samples') return { kind, ms: values };
  if (kind === 'fixed' && values.length === 1) return { kind, ms: first };
  if (second === undefined || values.length !== 2 || second < first) return undefined;
  if (kind === 'uniform') return { kind, minMs: first, maxMs: second };
  if (kind === 'lognormal' && first > 0) return { kind, p50Ms: first, p99Ms: second };
  return undefined;
}

/** `file:PATH`: where sampled calls are; undefined: it is another kind. */
export function latencyFile(text: string): string | undefined {
  return text.startsWith('file:') && text.length > 5 ? text.slice(5) : undefined;
}

const samplesMax = 1_000_000;

/**
 * Calls that were sampled at Stripe itself, as it advises for load tests: one a line, which begins with how long the call took, in
 * milliseconds; whatever follows a space, comma or tab is ignored, and so are empty lines and those that begin with `#`.
 */
export function parseLatencyFile(path: string, content: string): Latency | undefined {
  const lines = content.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
  const ms = lines
    .map((line) => milliseconds(line.trim().split(/[\s,;]/)[0] ?? ''))
    .filter((value) => value !== undefined);
  if (ms.length === 0 || ms.length !== lines.length || ms.length > samplesMax) return undefined;
  return { kind: 'file', path, ms };
}

function milliseconds(text: string): number | undefined {
  if (!/^\d{1,6}(\.\d{1,3})?$/.test(text)) return undefined;
  const value = Number(text);
  return value <= latencyMaxMs ? value : undefined;
}

export function formatLatency(latency: Latency): string {
  switch (latency.kind) {
    case 'fixed':
      return `fixed:${latency.ms}`;
    case 'uniform':
      return `uniform:${latency.minMs}:${latency.maxMs}`;
    case 'lognormal':
      return `lognormal:${latency.p50Ms}:${latency.p99Ms}`;
    case 'samples':
      return `samples:${latency.ms.join(',')}`;
    case 'file':
      return `file:${latency.path}`;
  }
}

export function drawLatencyMs(latency: Latency, random: Random): number {
  switch (latency.kind) {
    case 'fixed':
      return latency.ms;
    case 'uniform':
      return latency.minMs + random() * (latency.maxMs - latency.minMs);
    case 'lognormal': {
      const sigma = Math.log(latency.p99Ms / latency.p50Ms) / z99;
      return Math.min(latency.p50Ms * Math.exp(sigma * normal(random)), latencyMaxMs);
    }
    case 'samples':
    case 'file':
      return latency.ms[Math.floor(random() * latency.ms.length)] ?? 0;
  }
}

/** Box and Muller; 1 - u keeps the logarithm away from zero. */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
