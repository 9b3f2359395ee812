import type { Mutant } from './mutant.ts';

const core = 'services/consumer/src/shard/core.ts';
const counter = 'services/consumer/src/shard/message-counter.ts';
const memory = 'services/consumer/src/counting/memory.ts';
const flight = 'services/consumer/src/sending/flight.ts';
const dedupTable = 'services/consumer/src/counting/dedup-table.ts';
const modelQueue = 'scripts/proof/simulate/stores/model-queue.ts';

/** What is counted, once: invariants 2, 4 and 7. */
export const countingMutants: readonly Mutant[] = [
  {
    name: 'ids claimed only when settled',
    rule: '2: the set and the remembered ids are one write',
    patches: [
      {
        file: dedupTable,
        find: 'if (matches(words, slot, hash)) return false;',
        replace: 'if (matches(words, slot, hash)) return mark - 1 > this.settledThrough;',
      },
      {
        file: dedupTable,
        find: '  #deadMark = removed;\n',
        replace: '  #deadMark = removed;\n  settledThrough = 0;\n',
      },
      {
        file: memory,
        find: 'settled(set: number, redisMs: number): void {',
        replace: 'settled(set: number, redisMs: number): void {\n    this.ids.settledThrough = set;',
      },
      {
        file: memory,
        find: '  #loadIds(idSet: IdSet): void {',
        replace:
          '  #loadIds(idSet: IdSet): void {\n    if (idSet.settledAtMs !== undefined) this.ids.settledThrough = idSet.set;',
      },
    ],
  },
  {
    name: 'last instant of a window rounded',
    rule: 'an event belongs to the window of its own time, which is cut and never rounded',
    patches: [
      {
        file: 'shared/event/timestamp.ts',
        find: 'return ms / 1000 > seconds ? ms - 1 : ms;',
        replace: 'return ms;',
      },
    ],
  },
  {
    name: 'redelivered flag trusted',
    rule: '4: the redelivered flag and delivery counts prove nothing',
    profiles: ['spool'],
    patches: [
      {
        file: modelQueue,
        find: '    this.#lastTag++;\n',
        replace:
          '    this.#lastTag++;\n    if (message.origin !== undefined) { message.origin.redelivered = message.given === true; message.given = true; }\n',
      },
      {
        file: 'scripts/proof/simulate/shells/shard-runner.ts',
        find: 'generation, tag, ...decoded }, this',
        replace:
          'generation, tag, ...decoded, origin: { ...decoded.origin, redelivered: message.origin.redelivered } }, this',
      },
      {
        file: counter,
        find: 'switch (this.#memory.cursors.find(origin)) {',
        replace: "switch (origin.redelivered ? this.#memory.cursors.find(origin) : 'new') {",
      },
    ],
  },
  {
    name: 'cursor as a maximum',
    rule: '4: cursors are the exact set of sequences, never a maximum',
    patches: [
      {
        file: 'services/consumer/src/counting/sequence-ranges.ts',
        find: 'return from !== undefined && from <= sequence;',
        replace: 'return sequence <= (this.#bounds.at(-1) ?? 0);',
      },
    ],
  },
  {
    name: 'cursors forgotten at settle',
    rule: '4: cursors are kept for 40 days',
    patches: [
      {
        file: flight,
        find: 'isInOrder ? memory.cursors.forget(open.oldestAcceptedMs) : []',
        replace: 'memory.cursors.forget(Infinity)',
      },
    ],
  },
  {
    name: 'ids expiring by wall clock',
    rule: '4: ids are dropped by the age of messages, not by the clock',
    coincidence: 'stranded_messages',
    patches: [
      {
        file: flight,
        find: 'memory.forgettableIdSets(open.oldestAcceptedMs, isInOrder)',
        replace: 'memory.forgettableIdSets(this.clock.at(nowMs), true)',
      },
    ],
  },
  {
    name: 'ids forgotten while older messages are outstanding',
    rule: '4: only what was delivered after the broker has given everything back proves that nothing older can come',
    coincidence: 'stranded_messages',
    patches: [
      {
        file: 'services/consumer/src/shard/deliveries.ts',
        find: 'deliveredAtMs >= this.#state.sinceMs + this.#strandedMs',
        replace: 'true',
      },
    ],
  },
  {
    name: 'accept times not clamped to the clock of Redis',
    rule: '4: accept times are clamped to the time of Redis',
    profiles: ['clocks'],
    patches: [
      {
        file: counter,
        find: 'Math.min(message.receivedAt * 1000, this.#flight.clock.at(deliveredAtMs))',
        replace: 'message.receivedAt * 1000',
      },
    ],
  },
  {
    name: 'deliveries counted before pending sets are loaded',
    rule: '7: the epoch is bumped, then the journal is read, then the channel is opened',
    patches: [
      {
        file: core,
        find: "return [{ type: 'load' }];",
        replace: "return [{ type: 'load' }, this.#deliveries.open()];",
      },
      {
        file: core,
        find: "this.#life = { mode: 'owned' };\n    this.#emit(this.#deliveries.open());",
        replace: "this.#life = { mode: 'owned' };",
      },
    ],
  },
  {
    name: 'window by arrival time',
    rule: '2 (vocabulary): a window is a bucket of event time',
    patches: [
      {
        file: memory,
        find: 'this.open.count(event, lane, this.#windowMs',
        replace: 'this.open.count({ ...event, timestamp: acceptedAtMs / 1000 }, lane, this.#windowMs',
      },
    ],
  },
  {
    name: 'dimensions left out of the key',
    rule: '2 (vocabulary): a key is a lane with its dimensions',
    patches: [
      {
        file: 'services/consumer/src/counting/open-set.ts',
        find: 'if (dimensions === undefined) return key;',
        replace: 'return key;',
      },
    ],
  },
  {
    name: 'additional dimensions merged into the key before them',
    rule: '2 (vocabulary): a key is a lane with its dimensions',
    patches: [
      {
        file: 'services/consumer/src/counting/open-set.ts',
        find: 'return surplus === 0;',
        replace: 'return surplus <= 0;',
      },
    ],
  },
  {
    name: 'dimensions in another order taken for another key',
    rule: '2 (vocabulary): a key is a lane with its dimensions, in whatever order they come',
    patches: [
      {
        file: 'services/consumer/src/counting/open-set.ts',
        find: 'if (names.length > 1) names.sort();',
        replace: '',
      },
    ],
    coveredBy:
      'addition: two entries of one window are billed as one. It costs calls, and the last value of a meter that keeps it',
  },
  {
    name: 'account left out of the lane',
    rule: '2 (vocabulary): a lane is account, customer and meter',
    patches: [
      {
        file: 'services/consumer/src/counting/open-set.ts',
        find: 'lane.meter === meter && lane.account === account',
        replace: 'lane.meter === meter',
      },
    ],
  },
  {
    name: 'slots moved live',
    rule: '11: the number of shards changes only with publishers paused and queues empty, and what is remembered moves first',
    patches: [
      {
        file: 'scripts/proof/simulate/models/model-broker.ts',
        find: 'this.queue(this.#shardOf[origin.slot] ?? 0)',
        replace:
          'this.queue(((this.#shardOf[origin.slot] ?? 0) + (timeline.nowMs > profile.activeMs / 2 && origin.slot % 2 === 0 ? 1 : 0)) % profile.shards)',
      },
    ],
  },
];
