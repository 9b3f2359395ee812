import { onTestFinished } from 'vitest';
import { openNursery } from '../../../shared/testing/nursery.ts';
import { startService } from '../../lab/cluster/service.ts';
import { fetchLedger } from '../../lab/audit.ts';
import { edgeContract } from './edge.contract.ts';
import { startSecondStripe } from './second-stripe.ts';

const latencyMs = 40;
const meters = ['tokens', 'seconds', 'seats'];

edgeContract('the second Stripe', async () => {
  const stripe = await startSecondStripe({ latencyMs, meters });
  onTestFinished(() => stripe.close());
  const { books } = stripe;
  return {
    base: stripe.base,
    latencyMs,
    limit: (ratePerS) => Promise.resolve(void (books.limits.ratePerS = ratePerS)),
    revoke({ keys = [], accounts = [] }) {
      for (const key of keys) books.revokedKeys.add(key);
      for (const account of accounts) books.revokedAccounts.add(account);
      return Promise.resolve();
    },
    cutNext: () => Promise.resolve(void stripe.cutNext++),
    owed: (customer, meter) => Promise.resolve(books.owed(customer, meter)),
    counts: () => Promise.resolve(books),
  };
});

edgeContract('the simulator', async () => {
  const nursery = await openNursery();
  onTestFinished(() => nursery.close());
  const { url } = await startService(nursery, 'stripe-simulator', {
    name: 'stripe-simulator',
    env: {
      TALLYMAN_SIM_METERS: meters.map((name) => `${name}:sum`).join(','),
      TALLYMAN_SIM_LATENCY: `fixed:${latencyMs}`,
    },
  });
  const tell = async (method: string, page: string, body?: unknown): Promise<void> => {
    const response = await fetch(`${url}/_sim/${page}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${page} answered ${response.status}`);
  };
  return {
    base: url,
    latencyMs,
    limit: (ratePerS) => tell('POST', 'limits', { ratePerS }),
    revoke: ({ keys, accounts }) => tell('POST', 'world', { revokedKeys: keys, revokedAccounts: accounts }),
    // Long enough for one call, which is the next.
    cutNext: () => tell('POST', 'faults', { kind: 'reset-after', durationMs: 150 }),
    async owed(customer, meter) {
      const { totals } = await fetchLedger(url, true);
      return totals.find((total) => total.customer === customer && total.event_name === meter)?.value ?? '0';
    },
    async counts() {
      const { calls = 0, throttled, peakPerSecond = 0 } = await fetchLedger(url, false);
      return { calls, throttled, peakPerSecond };
    },
  };
});
