import { describe, expect, it } from 'vitest';
import { openStage } from '../stage/stage.ts';
import { runNeighbours, verdictLine } from '../../../lab/neighbours/run.ts';

/**
 * The short form of `npm run neighbours`. A lane that fails makes way after half a minute, so the flush interval is no shorter: two
 * of them are what is promised, and each of them gets its turn.
 */
const plan = { minutes: 1.25, ratePerS: 600, accounts: 20, flushIntervalMs: 30_000 };
const allMs = plan.minutes * 60_000 + 3 * plan.flushIntervalMs;

describe('twenty connected accounts, of which ten have a fault each', { timeout: allMs + 60_000 }, () => {
  it('have no customer who waits for more than two flush intervals because of another one', async () => {
    const stage = await openStage({
      publishers: 2,
      consumers: 2,
      // With the short lease of other stages a call would time out before the slow account answers.
      consumer: { TALLYMAN_FLUSH_INTERVAL_MS: String(plan.flushIntervalMs), TALLYMAN_LEASE_MS: '10000' },
    });
    const verdicts = await runNeighbours(stage.cluster, plan, (line) => console.log(line));
    console.log(verdicts.map(verdictLine).join('\n'));
    expect(verdicts.filter(({ isWell }) => !isWell).map(verdictLine)).toEqual([]);
    // Otherwise nobody had a fault, and nothing was found out.
    const revoked = verdicts.find(({ fault }) => fault === 'revoked');
    expect(revoked).toMatchObject({ billed: 0 });
    expect(revoked?.posted).toBeGreaterThan(0);
  });
});
