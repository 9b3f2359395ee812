import type { Ages } from '../health/age-watch.ts';
import type { Held } from '../health/outages.ts';
import type { ShardRunner } from '../shard/runner.ts';

/** What shards have done since they were taken over: only grows, and is added up over tenures. */
export interface ShardTotals {
  events: number;
  duplicates: number;
  billedEvents: number;
  accepted: number;
  dead: number;
  inDoubt: number;
  deferred: number;
  unreadable: number;
  unansweredWrites: number;
  idsForgottenEarly: number;
}

export function noTotals(): ShardTotals {
  return {
    events: 0,
    duplicates: 0,
    billedEvents: 0,
    accepted: 0,
    dead: 0,
    inDoubt: 0,
    deferred: 0,
    unreadable: 0,
    unansweredWrites: 0,
    idsForgottenEarly: 0,
  };
}

export function addTotals(into: ShardTotals, runner: ShardRunner): void {
  const { memory, flight } = runner.core;
  into.events += memory.countedEvents;
  into.duplicates += memory.duplicateEvents;
  into.billedEvents += flight.drive.billedEvents;
  into.accepted += flight.drive.outcomes.accepted;
  into.dead += flight.drive.outcomes.dead;
  into.inDoubt += flight.drive.outcomes.in_doubt;
  into.deferred += flight.drive.outcomes.deferred;
  into.unreadable += runner.unreadable;
  into.unansweredWrites += runner.unansweredWrites;
  into.idsForgottenEarly += memory.idsForgottenEarly;
}

/** How long the oldest unsealed message of these shards has been held. */
export function oldestHeldMs(runners: Iterable<ShardRunner>, nowMs: number): number {
  let oldestMs = 0;
  for (const { core } of runners) oldestMs = Math.max(oldestMs, nowMs - core.memory.open.heldSinceMs);
  return oldestMs;
}

/** Age of the oldest attempt of these shards whose outcome is not known. */
export function oldestAttemptMs(runners: Iterable<ShardRunner>, nowMs: number): number {
  let oldestMs = 0;
  for (const { core } of runners) oldestMs = Math.max(oldestMs, nowMs - core.flight.drive.unresolvedSinceMs);
  return oldestMs;
}

export function agesOf(runners: Iterable<ShardRunner>, past: ShardTotals, nowMs: number): Ages {
  const owned = [...runners];
  const totals = { ...past };
  for (const runner of owned) addTotals(totals, runner);
  return {
    oldestHeldMs: oldestHeldMs(owned, nowMs),
    oldestAttemptMs: oldestAttemptMs(owned, nowMs),
    idsForgottenEarly: totals.idsForgottenEarly,
  };
}

export function heldBy(runners: Iterable<ShardRunner>): Held {
  const held = { messagesHeld: 0, eventsOpen: 0, entriesPending: 0 };
  for (const { core } of runners) {
    held.messagesHeld += core.held;
    held.eventsOpen += core.memory.open.events;
    held.entriesPending += core.flight.drive.unsettled;
  }
  return held;
}
