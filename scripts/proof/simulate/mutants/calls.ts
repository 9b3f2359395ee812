import type { Mutant } from './mutant.ts';

const calls = 'services/consumer/src/sending/calls.ts';
const core = 'services/consumer/src/shard/core.ts';
const drive = 'services/consumer/src/sending/drive.ts';
const flight = 'services/consumer/src/sending/flight.ts';
const deferred = 'services/consumer/src/lanes/deferred-entries.ts';
const makingWay = 'services/consumer/src/lanes/making-way.ts';
const laneQueue = 'services/consumer/src/lanes/lane-queue.ts';
const consumer = 'scripts/proof/simulate/shells/consumer.ts';

const waitsForWitness = { file: makingWay, find: 'if (left > 0) stuck.set', replace: 'if (false) stuck.set' };

/** What is sent to the provider, when, and what becomes of it: invariants 1, 6, 7 and 10. */
export const callMutants: readonly Mutant[] = [
  {
    name: 'new identifier on retry',
    rule: '6: the same identifier, always',
    patches: [
      {
        file: calls,
        find: '      entry: item.entry,\n',
        replace:
          '      entry: item.attempts === 1 ? item.entry : { ...item.entry, identifier: `${item.entry.identifier}-${item.attempts}` },\n',
      },
    ],
  },
  {
    name: 'list of meters that cannot be read waited for',
    rule: '5 (faults): a list that cannot be read holds up only usage that needs it',
    profiles: ['accounts'],
    patches: [
      {
        file: 'services/consumer/src/meters/meter-knowledge.ts',
        find: "if (events <= room) return 'apart';",
        replace: "if (events <= room) return 'wait';",
      },
    ],
  },
  {
    name: 'usage of a list that cannot be read kept in its set',
    rule: '5 (faults): a list that cannot be read holds up only usage that needs it',
    profiles: ['accounts'],
    patches: [
      {
        file: 'services/consumer/src/shard/armed-accounts.ts',
        find: 'listRead(name, of.unreadable, of.meters !== undefined)',
        replace: 'listRead(name, undefined, true)',
      },
      {
        file: 'services/consumer/src/shard/armed-accounts.ts',
        find: 'if (nowMs - sinceMs < listWaitMs) continue',
        replace: 'if (nowMs - sinceMs >= 0) continue',
      },
    ],
  },
  {
    name: 'entry unknown for 25 h resent',
    rule: '6: an outcome unknown for 23 h is never resent',
    profiles: ['long_outage'],
    patches: [
      {
        file: drive,
        find: 'nowMs - since < this.#limits.inDoubtAfterMs',
        replace: 'nowMs - since < (this.#limits.inDoubtAfterMs * 25) / 23',
      },
    ],
  },
  {
    name: 'attempt kept only in memory',
    rule: '6: before the first call of an entry its attempt is journaled',
    patches: [
      {
        file: flight,
        find: 'drive.hasUnmarked(markChunk)) return this.#markWrite(set, token);',
        replace:
          'drive.hasUnmarked(markChunk)) drive.lanes.marked(drive.takeUnmarked(markChunk), this.clock.at(nowMs), nowMs);',
      },
    ],
  },
  {
    name: 'age of an attempt begun anew at takeover',
    rule: '6: the age of an outcome is the journaled age plus the monotonic time since before it was asked for',
    profiles: ['long_outage'],
    patches: [
      {
        file: flight,
        find: 'askedAtMs - Math.max(0, state.redisMs - attemptedAtMs);',
        replace: 'askedAtMs;',
      },
    ],
  },
  {
    name: 'dead letter told before it is journaled',
    rule: '6: dead, in doubt and deferred are written before anything else is told of them',
    patches: [
      {
        file: 'services/consumer/src/sending/set-progress.ts',
        find: 'drive.setIsSettled ? drive.hasParkedToWrite :',
        replace: 'drive.setIsSettled ? false :',
      },
    ],
  },
  {
    name: 'refusal final while an earlier attempt is unresolved',
    rule: '6: a refusal makes an entry dead only if no earlier attempt is unresolved',
    profiles: ['provider_trouble', 'long_outage', 'storm'],
    patches: [
      {
        file: drive,
        find: "if (item.unresolvedSinceMs === undefined) this.#settle(item, 'dead'",
        replace: "if (item.attempts > 0) this.#settle(item, 'dead'",
      },
    ],
  },
  {
    name: 'timeout taken for a failure without effect',
    rule: '6: a call without an answer leaves an outcome that is unknown',
    profiles: ['provider_trouble'],
    patches: [
      {
        file: drive,
        find: 'item.unresolvedSinceMs = Math.min(item.unresolvedSinceMs ?? startedAtMs, startedAtMs);',
        replace: '',
      },
    ],
  },
  {
    name: 'key revoked kills an entry',
    rule: '5 (faults): key revoked: nothing is dropped, everything waits',
    profiles: ['provider_trouble', 'storm'],
    patches: [
      {
        file: drive,
        find: "      case 'unauthorized':\n        this.#retry(item, nowMs);",
        replace: "      case 'unauthorized':\n        this.#settle(item, 'dead', outcome.reason, redisMs);",
      },
    ],
  },
  {
    name: 'two calls at a time per lane',
    rule: '10: one call at a time per lane',
    patches: [
      {
        file: laneQueue,
        find: '    const name = laneName(item.entry);\n    const lane = this.#lanes.get(name);\n    if (lane !== undefined) {',
        replace:
          '    const name = item.entry.identifier;\n    const lane = this.#lanes.get(name);\n    if (lane !== undefined) {',
      },
      {
        file: laneQueue,
        find: '  leave(item: Item): void {\n    const lane = this.#lanes.get(laneName(item.entry));',
        replace: '  leave(item: Item): void {\n    const lane = this.#lanes.get(item.entry.identifier);',
      },
      {
        file: laneQueue,
        find: '    item.isBusy = false;\n    const lane = this.#lanes.get(laneName(item.entry));',
        replace: '    item.isBusy = false;\n    const lane = this.#lanes.get(item.entry.identifier);',
      },
    ],
  },
  {
    name: 'call outliving the lease',
    rule: '10: a call starts only while the rest of the lease exceeds its timeout',
    coincidence: 'no_renewal',
    patches: [
      {
        file: core,
        find: '|| this.#deadlineMs - nowMs <= this.#limits.callTimeoutMs) return',
        replace: ') return',
      },
    ],
  },
  {
    name: 'release before calls end',
    rule: '7: a shard is given back when its calls are over',
    profiles: ['members', 'provider_trouble', 'storm'],
    patches: [
      { file: core, find: 'this.flight.isQuiet || nowMs', replace: 'true || nowMs' },
      { file: consumer, find: 'if (this.#calls.inFlightOf(runner) > 0) {', replace: 'if (false) {' },
    ],
  },
  {
    name: 'rate of every consumer its own',
    rule: '3.3: calls per second for the whole cluster',
    patches: [
      {
        file: 'scripts/proof/simulate/models/model-redis.ts',
        find: 'this.#rates.set(account, step.state);',
        replace: '',
      },
    ],
  },
  {
    name: 'no lane makes way by its age',
    rule: '5 (faults): a lane whose trouble is its own makes way, whatever the breaker and the count say',
    profiles: ['broken_customers'],
    expects: 'stands still',
    patches: [
      { file: makingWay, find: 'if (ageMs >= makeWayAfterMs && isItsOwn) this', replace: 'if (false) this' },
      waitsForWitness,
    ],
  },
  {
    name: 'a set of lanes in trouble waits for a witness',
    rule: '5 (faults): a set of which only lanes in trouble are left makes way, for whether it is an outage only the next one can show',
    profiles: ['broken_customers'],
    expects: 'stands still',
    patches: [waitsForWitness],
  },
  {
    name: 'deferred entries without room per lane',
    rule: '5 (faults): a lane takes no more room than it leaves to the others; beyond that it is parked',
    coincidence: 'flood',
    expects: 'stands still',
    patches: [
      { file: deferred, find: 'return this.#sizeOf(lane) < this.free;', replace: 'return this.free > 0;' },
      { file: deferred, find: 'return this.#sizeOf(lane) >= this.#limits.floodMin;', replace: 'return false;' },
    ],
  },
  {
    name: 'parked for want of room though it may have been sent',
    rule: '6: an entry is dead only if no earlier attempt is unresolved',
    coincidence: 'sent_and_unlisted',
    patches: [{ file: makingWay, find: '      else if (!isBeyond) continue;\n', replace: '' }],
  },
  {
    name: 'flood parked though it may have been sent',
    rule: '6: an entry is dead only if no earlier attempt is unresolved',
    profiles: ['broken_customers'],
    patches: [
      {
        file: makingWay,
        find: 'if (deferred.hasRoomFor(lane) || (sinceMs !== undefined && deferred.free > 0))',
        replace: 'if (deferred.hasRoomFor(lane))',
      },
      { file: makingWay, find: 'mayPark && sinceMs === undefined && deferred', replace: 'mayPark && deferred' },
    ],
  },
  {
    name: "entry of the provider's future is dead",
    rule: '5 (faults): what ends by waiting waits',
    profiles: ['broken_customers'],
    patches: [
      {
        file: drive,
        find: 'if (aheadMs > this.#limits.earlyMaxMs) {',
        replace: 'if (true) {',
      },
    ],
  },
  {
    name: 'breaker probed with lanes that are known to fail',
    rule: '5 (faults): a half-open breaker is tried with a lane that is not known to fail, if there is one',
    coincidence: 'wasted_probes',
    expects: 'stands still',
    patches: [
      {
        file: laneQueue,
        find: '({ name }: Lane): boolean => !this.#isKnownToFail(name);',
        replace: '({ items }: Lane): boolean => items.length > 0;',
      },
    ],
  },
];
