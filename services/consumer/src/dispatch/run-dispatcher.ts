/**
 * The dispatcher with real time: runs its ticks, the requests for slots and the calls.
 *
 * running → stopping → stopped. While stopping nothing starts and the calls in flight end, at the latest with their own
 * timeout. It ticks when something happened (a call ended, slots came, a shard said `wake`) and when a slot is due;
 * otherwise every `idleMs`, so that a shard that says nothing is served as well.
 */
import type { Logger } from '../../../../shared/log/log.ts';
import type { SlotLimiter } from '../../../../shared/limiter/limiter.ts';
import type { Registry } from '../../../../shared/metrics/metrics.ts';
import { delayMs } from '../../../../shared/retry/delay.ts';
import type { Breaker, BreakerState } from '../provider/breaker.ts';
import { classify } from '../provider/classify.ts';
import type { Outcome } from '../provider/provider.ts';
import { type CallSource, defaultDispatchLimits, Dispatcher, type StartedCall } from './dispatcher.ts';
import { createDispatchMetrics } from './metrics.ts';

export interface DispatcherOptions {
  /** The breaker round the provider. */
  readonly provider: Breaker;
  readonly limiter: SlotLimiter;
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
  /** Resolves when the last call has ended. */
  stop(): Promise<void>;
}

const idleMs = 25;
// All consumers are told to wait for the same moment. Without jitter, the one with the luckiest timer gets every slot.
const waitJitterMs = 20;
const limiterRetry = { baseMs: 50, maxMs: 2_000 };
const unauthorizedLogMs = 60_000;

export function runDispatcher(options: DispatcherOptions): RunningDispatcher {
  const { provider, limiter, concurrency, log, random = Math.random } = options;
  const core = new Dispatcher({ concurrency, ...defaultDispatchLimits });
  const metrics = createDispatchMetrics(options.registry);
  const now = (): number => performance.now();
  let timer: NodeJS.Timeout | undefined;
  let immediate: NodeJS.Immediate | undefined;
  let stopping: PromiseWithResolvers<void> | undefined;
  let limiterFailures = 0;
  let isOutageLogged = false;
  let unauthorizedLoggedAtMs = Number.NEGATIVE_INFINITY;

  const wake = (): void => {
    if (stopping === undefined) immediate ??= setImmediate(tick);
  };

  function tick(): void {
    clearTimeout(timer);
    clearImmediate(immediate);
    immediate = undefined;
    const nowMs = now();
    const { started, slotsWanted, slotsMissed, pace, nextMs } = core.tick(nowMs);
    for (const call of started) void run(call, nowMs);
    if (slotsWanted > 0) void askForSlots(slotsWanted, pace);
    metrics.slots(started.length, slotsMissed);
    metrics.pace(pace);
    metrics.inFlight(core.inFlight);
    const waitMs = nextMs === undefined ? idleMs : Math.min(idleMs, Math.ceil(nextMs - nowMs));
    timer = setTimeout(tick, waitMs);
  }

  async function run(started: StartedCall, startedAtMs: number): Promise<void> {
    const { call, breakerClosed } = started;
    let outcome: Outcome;
    try {
      outcome = await provider.send(call.entry, call.meter);
    } catch (error) {
      outcome = classify(error);
    }
    const endedAtMs = now();
    core.callEnded(started, outcome, endedAtMs);
    metrics.callEnded(outcome.kind, (endedAtMs - startedAtMs) / 1_000);
    metrics.inFlight(core.inFlight);
    if (outcome.kind === 'unauthorized') logUnauthorized(outcome.reason, endedAtMs);
    call.ended(outcome, endedAtMs, breakerClosed && provider.state === 'closed');
    if (core.inFlight === 0) stopping?.resolve();
    wake();
  }

  async function askForSlots(wanted: number, pace: number): Promise<void> {
    try {
      const lease = await limiter.lease(wanted, pace);
      limiterFailures = 0;
      if ('waitMs' in lease) core.slotsRefused(lease.waitMs + random() * waitJitterMs, now());
      else core.slotsGranted(lease.slotsAtMs, lease.toleranceMs, now());
    } catch (error) {
      // Without Redis nothing may start; the connection to Redis says loudly that it is away.
      log.debug({ error }, 'No slots could be asked for. Asking again.');
      core.slotsRefused(delayMs(limiterRetry, ++limiterFailures, random()), now());
    }
    wake();
  }

  function breakerChanged(state: BreakerState, reason: string): void {
    core.breakerChanged(state);
    metrics.breaker(state);
    // From half open it may open again every few seconds: that is the same outage.
    if (state === 'open' && !isOutageLogged) {
      log.warn(
        { reason },
        'The billing provider fails: calls are stopped, usage waits in the broker. One call tries it again every few seconds.',
      );
    }
    if (state === 'closed') log.info('The billing provider answers again: calls go on.');
    isOutageLogged = state !== 'closed';
    wake();
  }

  function logUnauthorized(reason: string, nowMs: number): void {
    if (nowMs - unauthorizedLoggedAtMs < unauthorizedLogMs) return;
    unauthorizedLoggedAtMs = nowMs;
    log.error(
      { reason },
      'The billing provider does not accept the credential: nothing is billed and nothing is lost, usage waits. Give STRIPE_API_KEY a valid key.',
    );
  }

  provider.onChange(breakerChanged);
  core.breakerChanged(provider.state);
  metrics.breaker(provider.state);
  tick();

  return {
    add(source) {
      core.add(source);
      wake();
    },
    remove: (source) => core.remove(source),
    wake,
    inFlightOf: (source) => core.inFlightOf(source),
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
