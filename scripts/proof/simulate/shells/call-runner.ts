import type { CallSource, StartedCall } from '../../../../services/consumer/src/dispatch/call.ts';
import {
  defaultDispatchLimits,
  Dispatcher,
  type SlotsWanted,
} from '../../../../services/consumer/src/dispatch/dispatcher.ts';
import type { Outcome } from '../../../../services/consumer/src/provider/provider.ts';
import type { ClockOffset } from '../../../../shared/limiter/clock-offset.ts';
import { localLease } from '../../../../shared/limiter/limiter.ts';
import { patient, precise } from '../../../../shared/limiter/pace.ts';
import type { SlotAnswer } from '../../../../shared/limiter/slots.ts';
import { ModelBreaker } from '../models/model-breaker.ts';
import type { ModelProvider } from '../models/model-provider.ts';
import type { ModelRedis } from '../models/model-redis.ts';
import type { Process } from '../time/process.ts';
import type { Random } from '../time/random.ts';
import type { RedisClient } from './redis-client.ts';
import type { World } from '../models/world.ts';

/** The simulation's shell of the dispatcher: what `services/consumer/src/dispatch/run-dispatcher.ts` is in a real consumer. */
export interface CallPorts {
  readonly world: World;
  readonly process: Process;
  readonly random: Random;
  readonly redis: ModelRedis;
  readonly client: RedisClient;
  readonly provider: ModelProvider;
}

export class CallRunner {
  readonly #ports: CallPorts;
  readonly #core: Dispatcher;
  readonly #breakers = new Map<string, ModelBreaker>();
  #offset: ClockOffset | undefined;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #isTicking = false;

  constructor(ports: CallPorts) {
    this.#ports = ports;
    this.#core = new Dispatcher({ concurrency: ports.world.profile.concurrency, ...defaultDispatchLimits });
  }

  add(source: CallSource): void {
    this.#core.add(source);
  }

  remove(source: CallSource): void {
    this.#core.remove(source);
  }

  inFlightOf(source: CallSource): number {
    return this.#core.inFlightOf(source);
  }

  /** Starts what may start now. */
  tick(): void {
    if (this.#isTicking) return;
    this.#isTicking = true;
    const nowMs = this.#ports.process.nowMs;
    const { started, slotsWanted, nextMs } = this.#core.tick(nowMs);
    for (const call of started) this.#run(call);
    for (const wanted of slotsWanted) this.#askForSlots(wanted);
    if (nextMs !== undefined && (nextMs < this.#wakeAtMs || this.#wakeAtMs <= nowMs)) {
      this.#wakeAtMs = nextMs;
      this.#ports.process.after(Math.ceil(nextMs - nowMs), () => this.tick());
    }
    this.#isTicking = false;
  }

  #run(started: StartedCall): void {
    const { provider, process } = this.#ports;
    provider.send(started.call.entry, process, (outcome: Outcome) => {
      const breaker = this.#breakerOf(started.account);
      breaker.callEnded(started, outcome);
      this.#core.callEnded(started, outcome, process.nowMs);
      if (outcome.kind === 'throttled' && outcome.scope === 'account') this.#slowDown(started, outcome.limit);
      started.call.ended(outcome, process.nowMs, started.breakerClosed && breaker.state === 'closed');
      this.tick();
    });
  }

  #breakerOf(account: string): ModelBreaker {
    const { world, process } = this.#ports;
    let breaker = this.#breakers.get(account);
    if (breaker === undefined) {
      breaker = new ModelBreaker(world, process, (state, reason) => {
        this.#core.breakerChanged(account, state, reason, process.nowMs);
        if (account !== '' && state === 'open') world.tally.add('connected accounts out of order');
      });
      this.#breakers.set(account, breaker);
    }
    return breaker;
  }

  #slowDown({ account, startedAtMs }: StartedCall, reason: string): void {
    const { client, redis } = this.#ports;
    const startedUs = Math.floor((startedAtMs + (this.#offset?.highMs ?? 0)) * 1000);
    client.request(
      'throttled',
      () => redis.throttled(account, { count: 1, startedUs, reason }),
      () => undefined,
    );
  }

  #askForSlots({ account, count }: SlotsWanted): void {
    const { client, redis, process, random } = this.#ports;
    const sentAtMs = process.nowMs;
    client.request<{ readonly answer: SlotAnswer; readonly spacingUs: number }>(
      'slots',
      () => redis.slots(account, count),
      (leased) => {
        const nowMs = process.nowMs;
        if (leased === undefined) {
          this.#core.slotsRefused(account, random.between(20, 200), nowMs);
        } else {
          const { answer, spacingUs } = leased;
          const exchange = { sentAtMs, receivedAtMs: nowMs, remoteMs: answer.nowUs / 1000 };
          const { latenessMaxMs } = account === '' ? precise : patient;
          const { lease, offset } = localLease(answer, exchange, this.#offset, spacingUs, latenessMaxMs);
          this.#offset = offset;
          if ('waitMs' in lease) this.#core.slotsRefused(account, lease.waitMs, nowMs);
          else this.#core.slotsGranted(account, lease.slotsAtMs, lease.toleranceMs, nowMs);
        }
        this.tick();
      },
    );
  }
}
