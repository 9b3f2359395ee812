import { expect, it } from 'vitest';
import { testTimeoutMs } from '../acceptance/durations.ts';
import { openStage } from '../acceptance/stage.ts';
import { runNeighbours, verdictLine } from './run.ts';

// The short form of `npm run neighbours`: each of ten connected accounts has a fault, and nobody else waits for it.
it('faults of one account or customer delay nobody else', { timeout: testTimeoutMs }, async () => {
  const flushIntervalMs = 5_000;
  const stage = await openStage({ consumers: 2, consumer: { TALLYMAN_FLUSH_INTERVAL_MS: String(flushIntervalMs) } });
  const plan = { minutes: 0.75, ratePerS: 400, accounts: 12, flushIntervalMs };
  const verdicts = await runNeighbours(stage.cluster, plan, () => undefined);
  for (const verdict of verdicts) console.log(verdictLine(verdict));
  expect(verdicts.filter(({ isWell }) => !isWell)).toEqual([]);
});
