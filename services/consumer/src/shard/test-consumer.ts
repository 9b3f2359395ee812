import type { UsageEvent } from '../../../../shared/event/usage-event.ts';
import type { Entry } from '../../../../shared/journal/journal.ts';
import type { Call, CallSource, StartedCall } from '../dispatch/call.ts';
import { defaultDispatchLimits, Dispatcher } from '../dispatch/dispatcher.ts';
import { type Breakers, createBreakers } from '../provider/breakers.ts';
import type { Outcome } from '../provider/provider.ts';
import type { ShardLimits } from './shard-limits.ts';
import type { MeterCatalog } from './open-set.ts';
import { TestShard } from './test-shard.ts';
import { ok, requestsCatalog } from './testing.ts';

export interface SaidConsumer {
  /** What the provider answers. */
  readonly answerTo: (entry: Entry) => Outcome;
  readonly limits?: Partial<ShardLimits>;
  readonly catalog?: MeterCatalog;
  /** Calls in flight at once. */
  readonly concurrency?: number;
}

const tickMs = 500;
const journalMs = 1;
const callMs = 20;
const slotToleranceMs = 1_000;

/**
 * One shard with the real dispatcher and the real breakers, on vitest's fake timers, and a provider that answers each entry as
 * the test says: how long the others wait for what fails shows only in all of them together.
 */
export class TestConsumer implements CallSource {
  readonly shard: TestShard;
  /** Accepted entries, in order. */
  readonly billed: Entry[] = [];
  calls = 0;
  readonly #breakers: Breakers;
  readonly #dispatcher: Dispatcher;
  readonly #startMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  #sequence = 0;
  #isAnswering = false;

  constructor({ answerTo, limits = {}, catalog = requestsCatalog, concurrency = 256 }: SaidConsumer) {
    this.shard = TestShard.open({ limits, catalog });
    const send = async (entry: Entry): Promise<Outcome> => {
      this.calls++;
      await new Promise((answered) => setTimeout(answered, callMs));
      const outcome = answerTo(entry);
      if (outcome.kind === 'accepted') this.billed.push(entry);
      return outcome;
    };
    this.#breakers = createBreakers({ send });
    this.#dispatcher = new Dispatcher({ concurrency, ...defaultDispatchLimits, chunk: concurrency });
    this.#breakers.onChange(({ account, state, reason }) =>
      this.#dispatcher.breakerChanged(account, state, reason, performance.now()),
    );
    this.#dispatcher.add(this);
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  takeArmedChanges(nowMs: number): ReadonlyMap<string, number> {
    return this.shard.core.takeArmedChanges(nowMs - this.#startMs);
  }

  get drive() {
    return this.shard.core.flight.drive;
  }

  takeCall(nowMs: number, account: string, onlyFresh: boolean): Call | undefined {
    return this.shard.core.takeCall(nowMs - this.#startMs, account, onlyFresh);
  }

  accountChanged(account: string, closedFor: string | undefined): void {
    this.shard.step({ type: 'account_changed', account, closedFor });
  }

  deliver(events: readonly UsageEvent[]): void {
    this.#setClock();
    this.shard.deliver(++this.#sequence, { events });
  }

  billedTo(customer: string): number {
    return this.billed.filter((entry) => entry.customer === customer).length;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#breakers.stop();
  }

  #setClock(): void {
    this.shard.nowMs = performance.now() - this.#startMs;
  }

  #tick(): void {
    this.#setClock();
    this.shard.tick();
    if (this.shard.write !== undefined && !this.#isAnswering) {
      this.#isAnswering = true;
      setTimeout(() => this.#answerWrite(), journalMs);
    }
    const nowMs = performance.now();
    const { started, slotsWanted } = this.#dispatcher.tick(nowMs);
    for (const call of started) void this.#run(call);
    if (slotsWanted.length === 0) return;
    for (const { account, count } of slotsWanted)
      this.#dispatcher.slotsGranted(
        account,
        Array.from({ length: count }, () => nowMs),
        slotToleranceMs,
        nowMs,
      );
    setTimeout(() => this.#tick(), 0);
  }

  #answerWrite(): void {
    this.#isAnswering = false;
    this.#setClock();
    this.shard.answer(ok(this.shard.nowMs));
    this.#tick();
  }

  async #run(started: StartedCall): Promise<void> {
    const { call, account, breakerClosed } = started;
    const outcome = await this.#breakers.send(call.entry, call.meter, call.isKnownToFail);
    const endedAtMs = performance.now();
    this.#dispatcher.callEnded(started, outcome, endedAtMs);
    const isClosed = breakerClosed && this.#breakers.stateOf(account) === 'closed';
    call.ended(outcome, endedAtMs - this.#startMs, isClosed);
    this.#tick();
  }
}
