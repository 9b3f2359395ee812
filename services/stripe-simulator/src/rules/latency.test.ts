import { expect, it } from 'vitest';
import { drawLatencyMs, formatLatency, type Latency, parseLatency, parseLatencyFile } from './latency.ts';
import { seededRandom } from './random.ts';

function draw(text: string, count: number, seed = 1): number[] {
  const latency: Latency = parseLatency(text) ?? expect.unreachable();
  const random = seededRandom(seed, 'latencies');
  return Array.from({ length: count }, () => drawLatencyMs(latency, random)).sort((left, right) => left - right);
}

it.each(['fixed:200', 'fixed:0', 'uniform:100:300', 'lognormal:200:900.5', 'samples:180,210,950'])(
  'reads %s',
  (text) => {
    expect(formatLatency(parseLatency(text) ?? expect.unreachable())).toBe(text);
  },
);

it.each([
  '',
  'fixed',
  'fixed:',
  'fixed:-1',
  'fixed:1:2',
  'uniform:300:100',
  'uniform:1',
  'lognormal:0:5',
  'lognormal:9:5',
  'samples:',
  'samples:1,,2',
  'samples:1:2',
  'normal:1:2',
  'fixed:999999',
])('does not read %j', (text) => {
  expect(parseLatency(text)).toBeUndefined();
});

it('draws a lognormal latency with the median and the 99th percentile asked for', () => {
  const drawn = draw('lognormal:200:900', 50_000);
  expect((drawn[25_000] ?? 0) / 200).toBeCloseTo(1, 1);
  expect((drawn[49_500] ?? 0) / 900).toBeCloseTo(1, 1);
});

it('draws a uniform latency within its bounds', () => {
  const drawn = draw('uniform:100:300', 10_000);
  expect(drawn[0]).toBeGreaterThanOrEqual(100);
  expect(drawn.at(-1)).toBeLessThan(300);
  expect(drawn[5_000]).toBeCloseTo(200, -1);
});

it('draws nothing but the samples, and each of them', () => {
  expect(new Set(draw('samples:5,7,900', 1_000))).toEqual(new Set([5, 7, 900]));
});

it('draws the same from the same seed, and other latencies from another', () => {
  expect(draw('lognormal:200:900', 10)).toEqual(draw('lognormal:200:900', 10));
  expect(draw('lognormal:200:900', 10)).not.toEqual(draw('lognormal:200:900', 10, 2));
});

it('replays calls that were sampled elsewhere, from a file', () => {
  const content = '# POST /v1/billing/meter_events, ms status\n181.5 200\n\n203\t200\n950,429\n';
  const latency = parseLatencyFile('calls.txt', content) ?? expect.unreachable();
  expect(latency).toEqual({ kind: 'file', path: 'calls.txt', ms: [181.5, 203, 950] });
  expect(formatLatency(latency)).toBe('file:calls.txt');
  const random = seededRandom(1, 'latencies');
  const drawn = new Set(Array.from({ length: 100 }, () => drawLatencyMs(latency, random)));
  expect(drawn).toEqual(new Set([181.5, 203, 950]));
});

it.each(['', '# nothing\n', '0.2s\n', '200\nfast\n', '700000\n'])('does not take %j for sampled calls', (content) => {
  expect(parseLatencyFile('calls.txt', content)).toBeUndefined();
});
