import type { Mutant } from './mutant.ts';

const outbox = 'services/publisher/src/outbox/core.ts';
const unconfirmed = 'services/publisher/src/outbox/unconfirmed.ts';
const reader = 'services/publisher/src/spool/reader.ts';
const writer = 'services/publisher/src/spool/writer.ts';

/** From an accepted event to the broker: contract 3.1, invariant 4, and the spool. */
export const sidecarMutants: readonly Mutant[] = [
  {
    name: 'producer id kept over a restart',
    rule: '4: a producer id is new at every start',
    patches: [
      {
        file: 'scripts/proof/simulate/shells/publisher.ts',
        find: 'producer: process.name,',
        replace: 'producer: folder.name,',
      },
    ],
  },
  {
    name: 'outbox forgetting the unconfirmed',
    rule: '3.1: every request is answered; what is unconfirmed when a connection ends is published again',
    profiles: ['redelivery', 'storm', 'spool'],
    patches: [
      {
        file: unconfirmed,
        find: '      message.sentOn = undefined;\n      message.returned = false;\n    }',
        replace:
          '      message.sentOn = undefined;\n      message.returned = false;\n    }\n    this.#messages.clear();',
      },
    ],
  },
  {
    name: 'answered before the confirm',
    rule: '3.1: 202 only once every accepted event is durable',
    patches: [
      {
        file: outbox,
        find: 'message.sentOn = generation;\n',
        replace:
          "message.sentOn = generation;\n    this.#settle({ ...message.batch, heldBytes: 0, tickets: message.batch.tickets.map((ticket) => { ticket.outstanding++; return ticket; }) }, 'durable');\n    for (const ticket of message.batch.tickets) if (ticket.outstanding === 1 && !ticket.answered) { ticket.answered = true; this.#effects.push({ kind: 'durable', request: ticket.request }); }\n",
      },
    ],
  },
  {
    name: 'returned message taken for confirmed',
    rule: '3.2: a returned message is a failure, although the broker confirms it too',
    profiles: ['redelivery', 'storm', 'spool'],
    patches: [
      { file: outbox, find: "verdict === 'confirmed' && !message.returned", replace: "verdict === 'confirmed'" },
    ],
  },
  {
    name: 'message published again with a new sequence',
    rule: '4: publish, republish and spool repeat the same bytes under the same sequence',
    patches: [
      {
        file: outbox,
        find: 'return this.#outgoing(message, again !== undefined);',
        replace:
          'if (again !== undefined) {\n      const { slot } = message.origin;\n      const sequence = (this.#lastSequence[slot] ?? 0) + 1;\n      this.#lastSequence[slot] = sequence;\n      this.#unconfirmed.remove(message);\n      message.origin = { ...message.origin, sequence };\n      this.#unconfirmed.add(message);\n    }\n    return this.#outgoing(message, again !== undefined);',
      },
    ],
  },
  {
    name: 'stored before the fsync',
    rule: '3.1: a spooled event is durable once it is fsynced',
    profiles: ['spool', 'storm'],
    patches: [
      {
        file: writer,
        find: "    this.#state = { kind: 'committing', batch, segment, bytes };\n",
        replace:
          "    this.#state = { kind: 'committing', batch, segment, bytes };\n    for (const { ticket } of batch) effects.push({ kind: 'stored', ticket });\n",
      },
    ],
  },
  {
    name: 'spool unlinked before its cursor has passed it',
    rule: '5 (faults): the spool keeps what is not confirmed',
    profiles: ['spool', 'storm'],
    patches: [
      {
        file: reader,
        find: 'if (first !== undefined && first.number < this.#saved.segment) {',
        replace: 'if (first !== undefined && first.number < this.#readAt.segment) {',
      },
    ],
  },
  {
    name: 'spool unlinked before its cursor is durable',
    rule: 'spool: a segment is removed only after a cursor behind it is durable',
    profiles: ['spool', 'storm'],
    patches: [
      {
        file: reader,
        find: 'if (first !== undefined && first.number < this.#saved.segment) {',
        replace: 'if (first !== undefined && first.number < this.#cursor.segment) {',
      },
    ],
    coveredBy: 'the cursors of the consumers, and segment numbers, which are never used twice',
  },
  {
    name: 'spool cursor over unconfirmed records',
    rule: 'spool: the cursor never passes a record that is neither confirmed nor parked',
    profiles: ['spool', 'storm'],
    patches: [
      {
        file: 'services/publisher/src/spool/window.ts',
        find: "if (entry.state !== 'done') break;",
        replace: "if (entry.state !== 'done' && entry.state !== 'sent') break;",
      },
    ],
  },
];
