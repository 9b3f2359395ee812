import type { Mutant } from './mutant.ts';

const core = 'services/consumer/src/shard/core.ts';
const counter = 'services/consumer/src/shard/message-counter.ts';
const deliveries = 'services/consumer/src/shard/deliveries.ts';
const sealing = 'services/consumer/src/shard/sealing.ts';

/** Who keeps a message, and until when: invariants 3 and 5. */
export const custodyMutants: readonly Mutant[] = [
  {
    name: 'acked at seal',
    rule: '3: a message is acked after the set that covers it is settled',
    patches: [
      {
        file: core,
        find: 'this.#deliveries.ack(this.flight.settledThrough)',
        replace: 'this.#deliveries.ack(this.flight.next - 1)',
      },
    ],
  },
  {
    name: 'covered message acked while its set is pending',
    rule: '3: the gate of a covered message is the newest pending set',
    patches: [
      { file: counter, find: "held.gate = this.#flight.pendingSet ?? 'none';", replace: "held.gate = 'none';" },
    ],
  },
  {
    name: 'all-duplicate message acked without its cursor',
    rule: '2: a cursor is committed even if all events of its message were duplicates',
    patches: [
      {
        file: counter,
        find: 'held.gate = this.#flight.next;\n        const acceptedAtMs',
        replace: 'const countedBefore = this.#memory.countedEvents;\n        const acceptedAtMs',
      },
      {
        file: counter,
        find: 'acceptedAtMs, catalog, deliveredAtMs);\n        break;',
        replace:
          "acceptedAtMs, catalog, deliveredAtMs);\n        held.gate = this.#memory.countedEvents > countedBefore ? this.#flight.next : 'none';\n        break;",
      },
      {
        file: 'services/consumer/src/counting/memory.ts',
        find: '    this.cursors.add(origin);',
        replace: '    const countedBefore = this.countedEvents;',
      },
      {
        file: 'services/consumer/src/counting/memory.ts',
        find: 'this.demand.key(newKey, nowMs);\n    }',
        replace:
          'this.demand.key(newKey, nowMs);\n    }\n    if (this.countedEvents > countedBefore) this.cursors.add(origin);',
      },
    ],
  },
  {
    name: 'unreadable message acked before its dead letter is confirmed',
    rule: '3.2: what cannot be parsed is confirmed as a dead letter, then acked',
    profiles: ['redelivery'],
    patches: [
      {
        file: core,
        find: "this.#deliveries.deliver(event.tag, 'dead_letter', 0)",
        replace: "this.#deliveries.deliver(event.tag, 'none', 0)",
      },
    ],
  },
  {
    name: 'deliveries of an old channel counted',
    rule: '5: late deliveries of an old channel are dropped by their generation',
    coincidence: 'late_deliveries',
    patches: [
      {
        file: core,
        find: 'if (this.#deliveries.isCurrent(event.generation))\n          this.#delivered(',
        replace: 'if (this.#life.mode !== "loading") this.#delivered(',
      },
    ],
  },
  {
    name: 'unsealed counts kept after channel loss and duplicates of them acked early',
    rule: '5: an unsealed count dies with its channel',
    patches: [
      { file: counter, find: 'this.#memory.discardOpen(this.#flight.next);', replace: '' },
      {
        file: counter,
        find: "case 'open':\n        held.gate = this.#flight.next;",
        replace: "case 'open':\n        held.gate = 'none';",
      },
    ],
  },
  {
    name: 'unsealed counts kept after channel loss',
    rule: '5: an unsealed count dies with its channel',
    patches: [{ file: counter, find: 'this.#memory.discardOpen(this.#flight.next);', replace: '' }],
    coveredBy:
      'the gate of what was counted already: it opens with the set that holds the count, so early acks have to come together with it',
  },
  {
    name: 'sealed early beside a set that is in flight',
    rule: '9: one set in flight per shard, also when the broker cancels a consumer',
    patches: [
      {
        file: sealing,
        find: 'if (flight.pendingSet === undefined && memory.open.messages > 0)',
        replace: 'if (memory.open.messages > 0)',
      },
    ],
  },
  {
    name: 'acks of an old channel go to the new one',
    rule: '5: acks of an old channel are dropped by their generation',
    profiles: ['redelivery'],
    patches: [{ file: deliveries, find: '    this.#gates.clear();\n', replace: '' }],
  },
  {
    name: 'drain without seal',
    rule: '7: a drain settles what was counted',
    profiles: ['calm', 'members'],
    patches: [
      {
        file: sealing,
        find: "case 'draining':\n        return true;",
        replace: "case 'draining':\n        return false;",
      },
    ],
  },
];
