import { slotOf } from '../../../../../shared/event/lane.ts';
import type { UsageEvent } from '../../../../../shared/event/usage-event.ts';
import type { Entry } from '../../../../../shared/journal/journal.ts';
import type { CallSource, StartedCall } from '../../dispatch/call.ts';
import { defaultDispatchLimits, Dispatcher } from '../../dispatch/dispatcher.ts';
import { Served } from '../../lanes/served.ts';
import type { MeterCatalog } from '../../meters/meter-list.ts';
import { type Breakers, createBreakers } from '../../provider/breakers.ts';
import type { Outcome } from '../../provider/provider.ts';
import type { Drive } from '../../sending/drive.ts';
import type { ShardLimits } from '../shard-limits.ts';
import { ok, requestsCatalog } from './fixtures.ts';
import { TestShard } from './test-shard.ts';

export interface SaidConsumer {
  /** What the provider answers. */
  readonly answerTo: (entry: Entry) => Outcome;
  /** … and after how long. */
  readonly answerAfterMs?: (entry: Entry) => number;
  readonly limits?: Partial<ShardLimits>;
  readonly catalog?: MeterCatalog;
  /** Calls in flight at once. */
  readonly concurrency?: number;
  readonly shards?: number;
}

const tickMs = 500;
const journalMs = 1;
const callMs = 20;
const slotToleranceMs = 1_000;
/** The provider's list of meters is read again at most so often. */
const listPaceMs = 5_000;

/**
 * Shards with the real dispatcher and the real breakers, on vitest's fake timers, and a provider that answers each entry as
 * the test says: how long the others wait for what fails shows only in all of them together.
 */
export class TestConsumer {
  readonly shards: readonly TestShard[];
  /** Accepted entries, in order. */
  readonly billed: Entry[] = [];
  calls = 0;
  readonly #breakers: Breakers;
  readonly #dispatcher: Dispatcher;
  readonly #startMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #answering = new Set<TestShard>();
  #catalog: MeterCatalog;
  #listReadAtMs = Number.NEGATIVE_INFINITY;
  #sequence = 0;

  constructor(said: SaidConsumer) {
    const { answerTo, answerAfterMs = () => callMs, limits = {}, catalog = requestsCatalog, concurrency = 256 } = said;
    this.#catalog = catalog;
    const served = new Served();
    this.shards = Array.from({ length: said.shards ?? 1 }, (_, shard) =>
      TestShard.open({ limits: { shard, served, ...limits }, catalog }),
    );
    const send = async (entry: Entry): Promise<Outcome> => {
      this.calls++;
      await new Promise((answered) => setTimeout(answered, answerAfterMs(entry)));
      const outcome = answerTo(entry);
      if (outcome.kind === 'accepted') this.billed.push(entry);
      return outcome;
    };
    this.#breakers = createBreakers({ send });
    this.#dispatcher = new Dispatcher({ concurrency, ...defaultDispatchLimits, chunk: concurrency });
    this.#breakers.onChange(({ account, state, reason }) =>
      this.#dispatcher.breakerChanged(account, state, reason, performance.now()),
    );
    for (const shard of this.shards) this.#dispatcher.add(this.#sourceOf(shard));
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  /** The first one; most tests need no other. */
  get shard(): TestShard {
    return this.shards[0]!;
  }

  get drive(): Drive {
    return this.shard.core.flight.drive;
  }

  /** Each shard gets the events of its slots, as one message. */
  deliver(events: readonly UsageEvent[]): void {
    this.#setClock();
    const ofShards = this.shards.map(() => [] as UsageEvent[]);
    for (const event of events) ofShards[slotOf(event) % this.shards.length]!.push(event);
    this.#sequence++;
    for (const [index, shard] of this.shards.entries())
      if (ofShards[index]!.length > 0) shard.deliver(this.#sequence, { events: ofShards[index]! });
  }

  billedTo(customer: string): number {
    return this.billed.filter((entry) => entry.customer === customer).length;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#breakers.stop();
  }

  #sourceOf(shard: TestShard): CallSource {
    const { core } = shard;
    return {
      takeArmedChanges: (nowMs) => core.takeArmedChanges(nowMs - this.#startMs),
      takeCall: (nowMs, account, onlyFresh) => core.takeCall(nowMs - this.#startMs, account, onlyFresh),
      accountChanged: (account, closedFor) => void shard.step({ type: 'account_changed', account, closedFor }),
    };
  }

  #setClock(): void {
    for (const shard of this.shards) shard.nowMs = performance.now() - this.#startMs;
  }

  /** The platform's list is as it was, and as of now. Lists of connected accounts that cannot be read are not read again. */
  #readLists(): void {
    const nowMs = performance.now();
    if (nowMs - this.#listReadAtMs < listPaceMs || !this.shards.some(({ wantedLists }) => wantedLists.has(''))) return;
    this.#listReadAtMs = nowMs;
    this.#catalog = { ...this.#catalog, askedAtMs: nowMs - this.#startMs };
    for (const shard of this.shards) {
      shard.wantedLists.clear();
      shard.step({ type: 'catalog_read', catalog: this.#catalog, account: '' });
    }
  }

  #tick(): void {
    this.#setClock();
    this.#readLists();
    for (const shard of this.shards) {
      shard.tick();
      if (shard.write === undefined || this.#answering.has(shard)) continue;
      this.#answering.add(shard);
      setTimeout(() => this.#answerWrite(shard), journalMs);
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

  #answerWrite(shard: TestShard): void {
    this.#answering.delete(shard);
    this.#setClock();
    shard.answer(ok(shard.nowMs));
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
