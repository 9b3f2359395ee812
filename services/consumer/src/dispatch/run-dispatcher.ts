/**
 * The dispatcher with real time: runs its ticks, the requests for slots and the calls.
 *
 * running → stopping → stopped. While stopping nothing starts and the calls in flight end, at the latest with their own
 * timeout. It ticks when something happened (a call ended, slots came, a shard said `wake`) and when a slot is due;
 * otherwise every `idleMs`, so that a shard that says nothing is served as well.
 */
import type { Logger } from '../../../../shared/log/log.ts';
import type { Registry } from '../../../../shared/metrics/metrics.ts';
import { delayMs } from '../../../../shared/retry/delay.ts';
import { type AccountChange, type Breakers, platform } from '../provider/breakers.ts';
import { classify } from '../provider/classify.ts';
import type { Outcome } from '../provider/provider.ts';
import type { CallSource, StartedCall } from './call.ts';
import { defaultDispatchLimits, Dispatcher, type SlotsWanted } from './dispatcher.ts';
import type { Limiters } from './limiters.ts';
import { createDispatchLog, remarksOf } from './dispatch-log.ts';
import { createDispatchMetrics } from './metrics.ts';

export interface DispatcherOptions {
  /** The breakers round the provider. */
  readonly provider: Breakers;
  readonly limiters: Limiters;
  /** Calls in flight. */
  readonly concurrency: number;
  readonly registry: Registry;
  readonly log: Logger;
  readonly random?: () => number;
}

export interface RunningDispatcher {
  add(source: CallSource): void;
  remove(source: CallSource): void;
  /** Something may have been armed. */
  wake(): void;
  inFlightOf(source: CallSource): number;
  /** What keeps calls from being made at full speed, as sentences for a person. */
  remarks(): string[];
  /** Resolves when the last call has ended. */
  stop(): Promise<void>;
}

const idleMs = 25;
// All consumers are told to wait for the same moment. Without jitter, the one with the luckiest timer gets every slot.
const waitJitterMs = 20;
const limiterRetry = { baseMs: 50, maxMs: 2_000 };

export function runDispatcher(options: DispatcherOptions): RunningDispatcher {
  const { provider, limiters, concurrency, log, random = Math.random } = options;
  const core = new Dispatcher({ concurrency, ...defaultDispatchLimits });
  const metrics = createDispatchMetrics(options.registry, {
    rate: () => limiters.rate,
    closedAccounts: () => core.closedAccounts,
  });
  const now = (): number => performance.now();
  let timer: NodeJS.Timeout | undefined;
  let immediate: NodeJS.Immediate | undefined;
  let stopping: PromiseWithResolvers<void> | undefined;
  const limiterFailures = new Map<string, number>();
  const told = createDispatchLog(log);

  const wake = (): void => {
    if (stopping === undefined) immediate ??= setImmediate(tick);
  };

  function tick(): void {
    clearTimeout(timer);
    clearImmediate(immediate);
    immediate = undefined;
    const nowMs = now();
    const { started, slotsWanted, slotsMissed, slotsToGiveBack, nextMs } = core.tick(nowMs);
    for (const call of started) void run(call);
    for (const wanted of slotsWanted) void askForSlots(wanted);
    // Unanswered: they are lost.
    if (slotsToGiveBack > 0) limiters.giveBack(slotsToGiveBack).catch(() => undefined);
    metrics.slots(started.length, slotsMissed);
    metrics.inFlight(core.inFlight);
    told.paced(limiters.rate);
    const waitMs = nextMs === undefined ? idleMs : Math.min(idleMs, Math.ceil(nextMs - nowMs));
    timer = setTimeout(tick, waitMs);
  }

  async function run(started: StartedCall): Promise<void> {
    const { call, account, startedAtMs, breakerClosed } = started;
    let outcome: Outcome;
    try {
      outcome = await provider.send(call.entry, call.meter, call.isKnownToFail);
    } catch (error) {
      outcome = classify(error);
    }
    const endedAtMs = now();
    core.callEnded(started, outcome, endedAtMs);
    metrics.callEnded(outcome.kind, (endedAtMs - startedAtMs) / 1_000);
    metrics.inFlight(core.inFlight);
    if (outcome.kind === 'unauthorized') told.unauthorized(account, outcome.reason);
    if (outcome.kind === 'throttled' && outcome.scope === 'account') void slowDown(account, startedAtMs, outcome.limit);
    call.ended(outcome, endedAtMs, breakerClosed && provider.stateOf(account) === 'closed');
    if (core.inFlight === 0) stopping?.resolve();
    wake();
  }

  async function askForSlots({ account, count }: SlotsWanted): Promise<void> {
    try {
      const lease = await limiters.lease(account, count);
      limiterFailures.delete(account);
      if ('waitMs' in lease) core.slotsRefused(account, lease.waitMs + random() * waitJitterMs, now());
      else core.slotsGranted(account, lease.slotsAtMs, lease.toleranceMs, now());
    } catch (error) {
      // Without Redis nothing may start; the connection to Redis says loudly that it is away.
      log.debug({ error }, 'No slots could be asked for. Asking again.');
      const failures = (limiterFailures.get(account) ?? 0) + 1;
      limiterFailures.set(account, failures);
      core.slotsRefused(account, delayMs(limiterRetry, failures, random()), now());
    }
    wake();
  }

  async function slowDown(account: string, startedAtMs: number, reason: string): Promise<void> {
    try {
      const rate = await limiters.throttled(account, startedAtMs, reason);
      if (rate !== undefined) told.throttled(account, rate);
    } catch (error) {
      // Without Redis no call starts at all; the next 429 says it again.
      log.debug({ error }, 'The cluster could not be told of a 429.');
    }
  }

  let isRefused = false;
  function trouble(): 'fails' | 'unauthorized' | undefined {
    if (provider.stateOf(platform) === 'closed') return undefined;
    return isRefused ? 'unauthorized' : 'fails';
  }

  function breakerChanged({ account, state, reason, isUnauthorized = false }: AccountChange): void {
    core.breakerChanged(account, state, reason, now());
    if (account === platform) metrics.breaker(state);
    if (account === platform) isRefused = isUnauthorized;
    told.breaker(account, state, reason, isUnauthorized);
    wake();
  }

  provider.onChange(breakerChanged);
  metrics.breaker(provider.stateOf(platform));
  tick();

  return {
    add(source) {
      core.add(source);
      wake();
    },
    remove: (source) => core.remove(source),
    wake,
    inFlightOf: (source) => core.inFlightOf(source),
    remarks: () => remarksOf(trouble(), limiters.rate, core.closedAccounts),
    async stop() {
      if (stopping === undefined) {
        stopping = Promise.withResolvers();
        clearTimeout(timer);
        clearImmediate(immediate);
        if (core.inFlight === 0) stopping.resolve();
      }
      await stopping.promise;
    },
  };
}
