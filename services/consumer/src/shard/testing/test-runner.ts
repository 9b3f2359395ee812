import { vi } from 'vitest';
import { slotOf } from '../../../../../shared/event/lane.ts';
import { encodeHeaders, encodeMessage, type UnreadableMessage } from '../../../../../shared/event/message.ts';
import { encodeEvent } from '../../../../../shared/event/stored-event.ts';
import type { ParkedEntry } from '../../../../../shared/journal/journal.ts';
import { createLog } from '../../../../../shared/log/log.ts';
import { SharedTrouble } from '../../../../../shared/log/shared-trouble.ts';
import { Troubles } from '../../../../../shared/log/troubles.ts';
import { FakeSession, turns } from '../../../../../shared/testing/fake-broker.ts';
import { FakeJournal } from '../../../../../shared/testing/fake-journal.ts';
import { ShardCore } from '../core.ts';
import { Mailbox } from '../mailbox.ts';
import { ParkedLog } from '../parked-log.ts';
import type { EndReason } from '../protocol.ts';
import { ShardRunner } from '../runner.ts';
import type { ShardLimits } from '../shard-limits.ts';
import { requestsCatalog, shardLimits, startRedisMs, steadyRandom, usageEvent } from './fixtures.ts';

/** Timers and the monotonic clock are the test's; turns of the event loop stay what they are. */
export function useFakeClock(): void {
  vi.useFakeTimers({
    toFake: ['performance', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'],
    now: startRedisMs,
  });
}

/** Time passes, in steps so small that timers and what follows from them come in their order. */
export async function pass(ms: number, stepMs = 50): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    await vi.advanceTimersByTimeAsync(Math.min(stepMs, left));
    await turns(3);
  }
}

export interface Burial {
  readonly reason: string;
  confirm(): void;
  giveUp(): void;
}

/** The real shell and core of a shard on a broker, a journal and a clock that are the test's. */
export class TestRunner {
  readonly journal: FakeJournal;
  readonly session = new FakeSession(1);
  readonly burials: Burial[] = [];
  /** Of other shards. */
  readonly foreignSlots = new Set<number>();
  /** Of the log. */
  readonly lines: string[] = [];
  readonly parked: ParkedEntry[] = [];
  readonly runner: ShardRunner;
  readonly #startedAtMs = performance.now();
  isConnected = true;
  endedAs: EndReason | undefined;
  #sequence = 0;

  constructor(said: Partial<ShardLimits> = {}, deadlineMs = performance.now() + 86_400_000) {
    this.journal = new FakeJournal(() => this.redisMs);
    const log = createLog({ service: 'test', level: 'info' }, { write: (line) => void this.lines.push(line) });
    const troubles = new Troubles(log);
    const core = new ShardCore(shardLimits(said), deadlineMs, requestsCatalog, steadyRandom());
    this.runner = new ShardRunner(core, {
      queue: 'tallyman.shard.007',
      hasSlot: (slot) => !this.foreignSlots.has(slot),
      epoch: 1,
      journal: this.journal.journal,
      session: () => (this.isConnected ? this.session : undefined),
      mailbox: new Mailbox(),
      deadLetters: { bury: (_message: unknown, error: UnreadableMessage) => this.#bury(error.reason) } as never,
      parkedLog: new ParkedLog(troubles),
      consuming: new SharedTrouble(troubles, { reason: 'queue', message: 'It is not consumed.' }, 'It is.'),
      loading: new SharedTrouble(troubles, { reason: 'journal', message: 'It is not read.' }, 'It is.'),
      loaded: () => undefined,
      isUnreadable: () => false,
      log,
      needCatalog: () => undefined,
      parked: (entries) => void this.parked.push(...entries),
      wakeDispatcher: () => undefined,
      ended: (reason) => {
        this.endedAs = reason;
      },
    });
  }

  /** Loaded, with an open channel. */
  static async open(said: Partial<ShardLimits> = {}, deadlineMs?: number): Promise<TestRunner> {
    const test = new TestRunner(said, deadlineMs);
    test.runner.start();
    await turns();
    return test;
  }

  get redisMs(): number {
    return startRedisMs + Math.floor(performance.now() - this.#startedAtMs);
  }

  get channel() {
    return this.session.channel;
  }

  /** A message with one event of this customer. Returns its tag once it was looked at. */
  async deliver(customer = 'cus_1', sequence = ++this.#sequence): Promise<number> {
    const event = usageEvent({ id: `event-${sequence}`, customer });
    const envelope = { receivedAt: startRedisMs / 1000, source: 'test', region: '' };
    const headers = encodeHeaders({ producer: 'producer', slot: slotOf(event), sequence });
    const tag = this.channel.deliver(encodeMessage(envelope, [encodeEvent(event)]), headers);
    await turns(3);
    return tag;
  }

  async deliverUnreadable(): Promise<number> {
    const tag = this.channel.deliver(Buffer.from('no JSON'), { 'x-producer': 'p', 'x-slot': 1, 'x-sequence': 1 });
    await turns(3);
    return tag;
  }

  async tick(laterMs = 0): Promise<void> {
    if (laterMs > 0) await pass(laterMs, laterMs);
    this.runner.post({ type: 'ticked' });
    await turns(3);
  }

  takeCall() {
    return this.runner.takeCall(performance.now(), '', false);
  }

  #bury(reason: string): Promise<boolean> {
    return new Promise((resolve) => {
      this.burials.push({ reason, confirm: () => resolve(true), giveUp: () => resolve(false) });
    });
  }
}
