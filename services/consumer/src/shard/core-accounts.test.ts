import { describe, expect, it } from 'vitest';
import type { MeterList, UnreadableMeters } from '../meters/meter-list.ts';
import {
  catalogOf,
  meter,
  minuteMs,
  outcomes,
  requestsCatalog,
  shardState,
  startRedisMs,
  usageEvent,
} from './testing/fixtures.ts';
import { TestShard } from './testing/test-shard.ts';

const { accepted, unauthorized } = outcomes;
const account = 'acct_1';
const revoked = 'this account is revoked';

function knowing(of: MeterList | UnreadableMeters): typeof requestsCatalog {
  return { ...requestsCatalog, connected: new Map([[account, of]]) };
}

const known = knowing(catalogOf(meter('requests')));

/** A shard that has counted an event of the platform's own and one of the connected account, and sealed them. */
function sealed(catalog = known): TestShard {
  const shard = TestShard.open({ catalog });
  shard.deliver(1, { events: [usageEvent({ id: 'own' }), usageEvent({ id: 'connected', account })] });
  shard.tick(5 * minuteMs);
  return shard;
}

/** … and committed and marked. */
function driven(): TestShard {
  const shard = sealed();
  shard.answer();
  shard.answer();
  expect(shard.core.armed).toEqual(
    new Map([
      ['', 1],
      [account, 1],
    ]),
  );
  return shard;
}

describe('ShardCore, with a connected account', () => {
  it('waits for its own meters before it seals, not only for those of the platform', () => {
    const shard = sealed(requestsCatalog);
    expect(shard.write).toBeUndefined();
    expect(shard.tick()).toEqual([{ type: 'need_catalog', account }]);
    const list = { ...catalogOf(meter('requests', 'last')), askedAtMs: shard.nowMs };
    shard.step({ type: 'catalog_read', catalog: knowing(list) });
    expect(shard.write).toMatchObject({
      kind: 'commit',
      commit: { entries: [{ value: '1' }, { account, value: '1' }] },
    });
  });

  it('seals one event at a time, and calls none of them, while its meters cannot be read', () => {
    const shard = TestShard.open({ catalog: knowing({ unreadable: { reason: revoked, sinceMs: 0 } }) });
    const events = ['a', 'b'].map((id) => usageEvent({ id, account }));
    shard.deliver(1, { events });
    shard.tick(5 * minuteMs);
    expect(shard.write).toMatchObject({ kind: 'commit', commit: { entries: [{ events: 1 }, { events: 1 }] } });
    shard.answer();
    expect(shard.core.armed.size).toBe(0);
  });

  it('defers what is left of a set when the account is closed, without a call, and settles', () => {
    const shard = driven();
    shard.step({ type: 'account_changed', account, closedFor: revoked });
    expect(shard.write).toBeUndefined();
    shard.core.takeCall(shard.nowMs)!.ended(accepted, shard.nowMs, true);
    shard.tick();
    expect(shard.write).toMatchObject({ kind: 'progress', parked: [{ state: 'deferred', reason: revoked }] });
    shard.settle();
    expect(shard.acked).toBe(1);
    expect(shard.core.flight.drive.deferred.size).toBe(1);
  });

  it('keeps a set while the closed account has a call under way, and one of the platform is still to come', () => {
    const shard = driven();
    const call = shard.core.takeCall(shard.nowMs, account)!;
    shard.core.takeCall(shard.nowMs)!.ended(accepted, shard.nowMs, true);
    shard.step({ type: 'account_changed', account, closedFor: revoked });
    shard.tick(1_000);
    expect(shard.core.flight.drive.unsettled).toBe(1);
    call.ended(unauthorized, shard.nowMs, true);
    shard.tick();
    expect(shard.core.flight.drive.unsettled).toBe(0);
  });

  it('journals the attempt of a deferred entry that never was called, when its account is open again, and not before', () => {
    const shard = sealed(knowing({ unreadable: { reason: revoked, sinceMs: 0 } }));
    shard.settle();
    expect(shard.core.flight.drive.deferred.size).toBe(1);
    shard.tick(15_000);
    expect(shard.write).toBeUndefined();
    const list = { ...catalogOf(meter('requests')), askedAtMs: shard.nowMs };
    shard.step({ type: 'catalog_read', catalog: knowing(list) });
    expect(shard.write).toMatchObject({
      kind: 'settle_deferred',
      outcome: { state: 'deferred', attemptedAtMs: startRedisMs + shard.nowMs },
    });
    expect(shard.core.armed.size).toBe(0);
    shard.answer();
    expect(shard.core.takeCall(shard.nowMs, account)?.entry).toMatchObject({ account });
  });

  it('finds out when it is called that the account has no such meter, and refuses it then', () => {
    const shard = sealed(knowing({ unreadable: { reason: revoked, sinceMs: 0 } }));
    shard.settle();
    shard.tick(15_000);
    const list = { ...catalogOf(meter('another')), askedAtMs: shard.nowMs };
    shard.step({ type: 'catalog_read', catalog: knowing(list) });
    shard.answer();
    expect(shard.core.takeCall(shard.nowMs, account)).toBeUndefined();
    shard.tick();
    expect(shard.write).toMatchObject({
      kind: 'settle_deferred',
      outcome: { state: 'dead', reason: expect.stringMatching(/^no_meter/) },
    });
  });

  it('asks for the meters of an account whose entries it has taken over, and calls none before', () => {
    const entry = { identifier: 'one', account, customer: 'cus_1', meter: 'requests', value: '1', timestamp: 1 };
    const pending = {
      set: 1,
      token: 'a'.repeat(32),
      entries: [{ ...entry, windowStartMs: 0, events: 1 }],
      attemptedAtMs: new Map([[0, startRedisMs]]),
      settled: new Map(),
      progressWrites: 0,
    };
    const shard = TestShard.open({ state: shardState({ next: 2, pending }) });
    expect(shard.core.armed.size).toBe(0);
    expect(shard.tick(1_000)).toContainEqual({ type: 'need_catalog', account });
  });
});

describe('ShardCore, when windows change', () => {
  it('counts what comes in the new windows, keeps those of what was counted, and counts each event once', () => {
    const shard = TestShard.open();
    shard.deliver(1, { events: [usageEvent({ id: 'a' })] });
    shard.step({ type: 'window_changed', windowMs: 10 * minuteMs });
    shard.deliver(2, { events: [usageEvent({ id: 'a' }), usageEvent({ id: 'b' })] });
    shard.deliver(1, { events: [usageEvent({ id: 'a' })] });
    shard.tick(5 * minuteMs);
    const windowStartMs = startRedisMs;
    expect(shard.write).toMatchObject({
      kind: 'commit',
      commit: {
        entries: [
          { windowStartMs, events: 1 },
          { windowStartMs, windowMs: 10 * minuteMs, events: 1 },
        ],
      },
    });
  });
});
