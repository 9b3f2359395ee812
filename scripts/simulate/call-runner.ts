import {
  type CallSource,
  defaultDispatchLimits,
  Dispatcher,
  type StartedCall,
} from '../../services/consumer/src/dispatch/dispatcher.ts';
import type { Outcome } from '../../services/consumer/src/provider/provider.ts';
import type { ClockOffset } from '../../shared/limiter/clock-offset.ts';
import { localLease } from '../../shared/limiter/limiter.ts';
import type { SlotAnswer } from '../../shared/limiter/slots.ts';
import { spacingUs } from '../../shared/limiter/slots.ts';
import { ModelBreaker } from './model-breaker.ts';
import type { ModelProvider } from './model-provider.ts';
import type { ModelRedis } from './model-redis.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';
import type { RedisClient } from './redis-client.ts';
import type { World } from './world.ts';

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
  readonly #breaker: ModelBreaker;
  #offset: ClockOffset | undefined;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #isTicking = false;

  constructor(ports: CallPorts) {
    this.#ports = ports;
    this.#core = new Dispatcher({ concurrency: ports.world.profile.concurrency, ...defaultDispatchLimits });
    this.#breaker = new ModelBreaker(ports.world, ports.process, (state) => this.#core.breakerChanged(state));
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
    if (slotsWanted > 0) this.#askForSlots(slotsWanted);
    if (nextMs !== undefined && (nextMs < this.#wakeAtMs || this.#wakeAtMs <= nowMs)) {
      this.#wakeAtMs = nextMs;
      this.#ports.process.after(Math.ceil(nextMs - nowMs), () => this.tick());
    }
    this.#isTicking = false;
  }

  #run(started: StartedCall): void {
    const { provider, process } = this.#ports;
    provider.send(started.call.entry, process, (outcome: Outcome) => {
      this.#breaker.callEnded(outcome);
      this.#core.callEnded(started, outcome, process.nowMs);
      started.call.ended(outcome, process.nowMs, started.breakerClosed && this.#breaker.state === 'closed');
      this.tick();
    });
  }

  #askForSlots(wanted: number): void {
    const { client, redis, process, world, random } = this.#ports;
    const sentAtMs = process.nowMs;
    client.request<SlotAnswer>(
      'slots',
      () => redis.slots(wanted),
      (answer) => {
        const nowMs = process.nowMs;
        if (answer === undefined) {
          this.#core.slotsRefused(random.between(20, 200), nowMs);
        } else {
          const exchange = { sentAtMs, receivedAtMs: nowMs, remoteMs: answer.nowUs / 1000 };
          const { lease, offset } = localLease(answer, exchange, this.#offset, spacingUs(world.profile.ratePerS));
          this.#offset = offset;
          if ('waitMs' in lease) this.#core.slotsRefused(lease.waitMs, nowMs);
          else this.#core.slotsGranted(lease.slotsAtMs, lease.toleranceMs, nowMs);
        }
        this.tick();
      },
    );
  }
}
