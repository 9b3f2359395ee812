import type { ShellMutant } from './shell-mutant.ts';

const runner = 'services/consumer/src/shard/runner.ts';
const runnerSuite = 'services/consumer/src/shard/runner.test.ts';
const channel = 'services/consumer/src/delivery/channel.ts';
const channelSuite = 'services/consumer/src/delivery/channel.test.ts';
const letters = 'services/consumer/src/dead-letters/dead-letters.ts';
const lettersSuite = 'services/consumer/src/dead-letters/dead-letters.test.ts';
const member = 'services/consumer/src/ownership/member.ts';
const memberSuite = 'services/consumer/src/ownership/member.test.ts';
const ownedShards = 'services/consumer/src/ownership/owned-shards.ts';
const returned = 'services/consumer/src/replay/returned-meters.ts';
const awaited = 'services/consumer/src/replay/awaited-meters.ts';
const looksSuite = 'services/consumer/src/replay/looks.test.ts';
const dispatcher = 'services/consumer/src/dispatch/run-dispatcher.ts';
const dispatcherSuite = 'services/consumer/src/dispatch/run-dispatcher.test.ts';
const keyGate = 'services/consumer/src/provider/key-gate.ts';
const makingWay = 'services/consumer/src/lanes/making-way.ts';
const standstillSuite = 'services/consumer/src/dispatch/standstill.test.ts';
const redisWatch = 'services/consumer/src/health/redis-watch.ts';

/** From the broker to the provider. */
export const consumerMutants: readonly ShellMutant[] = [
  {
    name: 'what cannot be called and has no place keeps its set',
    rule: '5 (faults): what an account has that is not served holds up nobody else',
    patches: [
      {
        file: makingWay,
        find: 'else if (item.needsList) this.',
        replace: 'else if (item.needsList && maybeSent) this.',
      },
    ],
    suite: standstillSuite,
  },
  {
    name: 'what has no place is parked in an outage',
    rule: '5 (faults): with nobody served everything waits in the broker',
    patches: [
      { file: makingWay, find: 'return this.#troubles.isAnybodyServedSince(Math', replace: 'return true || (Math' },
    ],
    suite: standstillSuite,
  },
  {
    name: 'each set waits anew for a list that cannot be read',
    rule: '5 (faults): a list that cannot be read holds up only usage that needs it',
    patches: [
      {
        file: 'services/consumer/src/meters/meter-knowledge.ts',
        find: 'Math.min(dueSinceMs, unreadable?.sinceMs ?? dueSinceMs)',
        replace: 'dueSinceMs',
      },
    ],
    suite: 'services/consumer/src/dispatch/neighbours.test.ts',
  },
  {
    name: 'lease counted from its answer',
    rule: '5: the local deadline counts from before the lease was asked for',
    patches: [
      {
        file: member,
        find: "type: 'claim_answered', shard, answer, askedAtMs }",
        replace: "type: 'claim_answered', shard, answer, askedAtMs: performance.now() }",
      },
    ],
    suite: memberSuite,
  },
  {
    name: 'renewed lease counted from its answer',
    rule: '5: the local deadline counts from before the lease was asked for',
    patches: [
      {
        file: member,
        find: "type: 'renew_answered', shard, epoch, answer, askedAtMs }",
        replace: "type: 'renew_answered', shard, epoch, answer, askedAtMs: performance.now() }",
      },
    ],
    suite: memberSuite,
  },
  {
    name: 'lost topology unnoticed by the heartbeat',
    rule: '8: Redis without the incarnation has lost writes: stop until a person has looked',
    patches: [
      {
        file: member,
        find: 'now?.incarnation !== incarnation',
        replace: 'now !== undefined && now.incarnation !== incarnation',
      },
      { file: member, find: 'if (now.shards === shards)', replace: 'if (now === undefined || now.shards === shards)' },
    ],
    suite: memberSuite,
  },
  {
    name: 'shard given back while calls run',
    rule: '7: a shard is given back when its calls are over',
    patches: [{ file: ownedShards, find: '    await this.#callsOver(runner);\n    if', replace: '    if' }],
    suite: memberSuite,
  },
  {
    name: 'lease released before the channel closes',
    rule: '7: close the channel, then release the lease',
    patches: [
      {
        file: runner,
        find: 'void this.#closing.then(() => this.#ports.ended(effect.reason));',
        replace: 'this.#ports.ended(effect.reason);',
      },
    ],
    suite: runnerSuite,
  },
  {
    name: 'unanswered mark taken for done',
    rule: '6: before the first call of an entry its attempt is journaled',
    patches: [
      {
        file: runner,
        find: 'this.#unansweredWrites++;',
        replace: "this.#unansweredWrites++;\n      if (write.kind === 'mark') answer = { answer: 'ok', redisMs: 0 };",
      },
    ],
    suite: runnerSuite,
  },
  {
    name: 'message acked before its dead letter is confirmed',
    rule: '3.2: what cannot be parsed is confirmed as a dead letter, then acked',
    patches: [
      {
        file: runner,
        find: 'if (await this.#ports.deadLetters.bury(',
        replace: 'if (this.#ports.deadLetters.bury(',
      },
    ],
    suite: runnerSuite,
  },
  {
    name: 'age of unknown outcomes an hour short',
    rule: '6: an outcome unknown for 23 h is never resent; its age counts from before the journal was asked',
    patches: [
      {
        file: runner,
        find: "type: 'loaded', state, askedAtMs }",
        replace: "type: 'loaded', state, askedAtMs: askedAtMs + 3_600_000 }",
      },
    ],
    suite: runnerSuite,
  },
  {
    name: 'age of unknown outcomes counted from the answer',
    rule: '6: the age of an outcome is the journaled age plus the monotonic time since before it was asked for',
    patches: [
      {
        file: runner,
        find: "type: 'loaded', state, askedAtMs }",
        replace: "type: 'loaded', state, askedAtMs: performance.now() }",
      },
    ],
    suite: runnerSuite,
  },
  {
    name: 'unknown outcomes resent for 24 hours',
    rule: '6: an outcome unknown for 23 h is never resent',
    patches: [
      {
        file: 'services/consumer/src/lanes/drive-limits.ts',
        find: 'inDoubtAfterMs: 23 * 3_600_000',
        replace: 'inDoubtAfterMs: 24 * 3_600_000',
      },
    ],
    suite: runnerSuite,
  },
  {
    name: 'refused dead letter taken for confirmed',
    rule: '3.2: what cannot be parsed is confirmed as a dead letter, then acked',
    patches: [{ file: letters, find: 'if (error === null || error === undefined)', replace: 'if (true)' }],
    suite: lettersSuite,
  },
  {
    name: 'returned dead letter taken for confirmed',
    rule: '3.2: a returned message is a failure, although the broker confirms it too',
    patches: [{ file: letters, find: ".on('return', returned)", replace: '' }],
    suite: lettersSuite,
  },
  {
    name: 'calls without slots while Redis is away',
    rule: '3.3: calls per second for the whole cluster; without Redis nothing may start',
    patches: [
      {
        file: dispatcher,
        find: 'core.slotsRefused(account, delayMs(limiterRetry, failures, random()), now());',
        replace: 'core.slotsGranted(account, [now()], 100, now());',
      },
    ],
    suite: dispatcherSuite,
  },
  {
    name: 'deliveries after the close of a channel counted',
    rule: '5: late deliveries of an old channel are dropped',
    patches: [
      {
        file: channel,
        find: 'if (this.#over) return;\n    if (message !== null)',
        replace: 'if (message !== null)',
      },
    ],
    suite: channelSuite,
  },
  {
    name: 'consumer cancelled by the broker taken for a lost channel',
    rule: '5: what may never be delivered again is sealed at once',
    patches: [{ file: channel, find: 'this.#handlers.lost(true);', replace: 'this.#handlers.lost(false);' }],
    suite: channelSuite,
  },
  {
    name: 'acks after the close of a channel',
    rule: '5: acks of an old channel are dropped',
    patches: [
      {
        file: channel,
        find: 'ackThrough(tag: number): void {\n    if (this.#over) return;',
        replace: 'ackThrough(tag: number): void {',
      },
    ],
    suite: channelSuite,
  },
  {
    name: 'consumer that the broker cancelled not missed',
    rule: '5 (faults): broker cancels a consumer: the shard rejoins',
    patches: [
      {
        file: channel,
        find: '    this.#channel.close().catch(() => {',
        replace: '    if (message === null) return;\n    this.#channel.close().catch(() => {',
      },
    ],
    suite: runnerSuite,
  },
  {
    name: 'messages consumed without acks',
    rule: '3: a message is acked only after the set that covers it is settled',
    patches: [{ file: channel, find: 'noAck: false', replace: 'noAck: true' }],
    suite: runnerSuite,
  },
  {
    name: 'prefetch of the channel instead of the consumer',
    rule: '9: the prefetch grows, so that the shard never stalls',
    patches: [{ file: channel, find: 'prefetch(prefetch, false)', replace: 'prefetch(prefetch, true)' }],
    suite: runnerSuite,
  },
  {
    name: 'messages of another shard counted',
    rule: '10: a lane lives in one shard',
    patches: [{ file: runner, find: 'if (!this.#ports.hasSlot(slot))', replace: 'if (false)' }],
    suite: runnerSuite,
  },
  {
    name: 'unanswered commit encoded anew',
    rule: '2: an unanswered commit is repeated byte for byte',
    patches: [{ file: runner, find: 'commit(epoch, write.commit)', replace: 'commit(epoch, { ...write.commit })' }],
    suite: runnerSuite,
  },
  {
    name: 'member that halts goes on consuming',
    rule: '8: Redis has lost writes: stop until a person has looked',
    patches: [{ file: ownedShards, find: '      runner.abandon();\n', replace: '' }],
    suite: memberSuite,
  },
  {
    name: 'call that threw taken for not sent',
    rule: '6: a call without an answer leaves an outcome that is unknown',
    patches: [
      {
        file: dispatcher,
        find: 'outcome = classify(error);',
        replace: "outcome = { kind: 'unsent', reason: String(error) };",
      },
    ],
    suite: dispatcherSuite,
  },
  {
    name: 'parked entries told to nobody',
    rule: 'entries whose meter is back are sent again by themselves: none of them is overlooked',
    patches: [{ file: runner, find: 'this.#ports.parked(parked);', replace: '' }],
    suite: runnerSuite,
  },
  {
    name: 'entries parked since a look forgotten',
    rule: 'entries whose meter is back are sent again by themselves: none of them is overlooked',
    patches: [{ file: returned, find: 'if (looked !== undefined) for', replace: 'if (looked?.atMs === 0) for' }],
    suite: looksSuite,
  },
  {
    name: 'another tenure not looked through',
    rule: 'entries whose meter is back are sent again by themselves: none of them is overlooked',
    patches: [
      {
        file: returned,
        find: 'const [shard, { tenure }] of this.#shards) if (owned.get(shard) !== tenure)',
        replace: 'const shard of this.#shards.keys()) if (!owned.has(shard))',
      },
    ],
    suite: looksSuite,
  },
  {
    name: 'look that was cut short taken for whole',
    rule: 'entries whose meter is back are sent again by themselves: none of them is overlooked',
    patches: [{ file: returned, find: 'atMs: undefined };', replace: 'atMs };' }],
    suite: looksSuite,
  },
  {
    name: 'entries from before a clock was set back wait',
    rule: 'entries whose meter is back are sent again by themselves: none of them is overlooked',
    patches: [{ file: awaited, find: 'parkedAtMs > nowMs + inexactMs', replace: 'parkedAtMs > Number.MAX_VALUE' }],
    suite: looksSuite,
  },
  {
    name: 'refused key joins beside others',
    rule: 'a consumer that cannot bill takes no shards from those that can',
    patches: [{ file: keyGate, find: '(await members()) === 0', replace: '(await members()) >= 0' }],
    suite: 'services/consumer/src/provider/key-gate.test.ts',
  },
  {
    name: 'Redis of a new connection not looked at',
    rule: 'a Redis that may lose what it acknowledged is told',
    patches: [{ file: redisWatch, find: "  redis.on('ready', onReady);\n", replace: '' }],
    suite: 'services/consumer/src/health/redis-watch.test.ts',
  },
];
