import type { Mutant } from './mutant.ts';

const core = 'services/consumer/src/shard/core.ts';
const sealing = 'services/consumer/src/shard/sealing.ts';
const flight = 'services/consumer/src/sending/flight.ts';
const journal = 'scripts/proof/simulate/stores/model-journal.ts';

const noEpochCheck = {
  file: journal,
  find: 'return !this.#checks.epoch || this.#holds(redisMs, held);',
  replace: 'return true;',
};
const noNumberCheck = {
  file: journal,
  find: 'if (this.#checks.number && commit.set !== this.#next)',
  replace: 'if (false)',
};
const noPendingCheck = { file: journal, find: 'if (this.#checks.pending && inFlight)', replace: 'if (false)' };
const sealsInFlight = {
  file: sealing,
  find: 'if (flight.pendingSet !== undefined || open.messages === 0) return false;',
  replace: 'if (open.messages === 0) return false;',
};

/**
 * The commit: invariants 2, 5 and 9. The checks of the journal are broken in its model, which answers as the real one does
 * (model-journal.integration.test.ts).
 */
export const commitMutants: readonly Mutant[] = [
  {
    name: 'no epoch check and no set-number check',
    rule: '2: a commit is refused unless the epoch is current and the number is the next',
    coincidence: 'late_commits',
    patches: [noEpochCheck, noNumberCheck],
    expects: 'Two sets',
  },
  {
    name: 'no epoch check',
    rule: '2: a commit is refused unless the epoch is current. The number covers it, at the price of a hand-over that begins anew',
    coincidence: 'late_commits',
    patches: [noEpochCheck],
  },
  {
    name: 'no set-number check',
    rule: '2: a commit is refused unless its number is the next',
    coincidence: 'late_commits',
    patches: [noNumberCheck],
  },
  {
    name: 'no pending check',
    rule: '9: a commit is refused while another set is pending',
    patches: [noPendingCheck],
    coveredBy:
      'the core, which does not seal while a set is in flight, and the set number, which a late copy has no more',
  },
  {
    name: 'next set sealed while one is in flight',
    rule: '9: one set in flight per shard',
    patches: [sealsInFlight],
  },
  {
    name: 'next set sealed while one is in flight and no pending check',
    rule: '9: one set in flight per shard',
    patches: [sealsInFlight, noPendingCheck],
  },
  {
    name: 'not sealed at half of the prefetch',
    rule: '9: sealing also happens at half of the prefetch, so that the shard never stalls',
    patches: [{ file: sealing, find: ' ||\n          deliveries.isHalfFull', replace: '' }],
    coveredBy:
      'the flush interval, which a shard waits for at most, and the prefetch, which grows: nothing goes wrong, it takes longer',
  },
  {
    name: 'commit retried with more messages',
    rule: '2: an unanswered commit is repeated byte for byte, it never grows',
    profiles: ['lost_answers', 'storm'],
    patches: [
      {
        file: flight,
        find: '    if (answer === undefined) {\n',
        replace:
          "    if (answer === undefined && write.write.kind === 'commit' && this.memory.open.messages > 0) {\n" +
          '      this.#grow(write);\n' +
          '    }\n    if (answer === undefined) {\n',
      },
      {
        file: flight,
        find: '  tick(nowMs: number): void {',
        replace:
          '  #grow(write) {\n' +
          '    const { commit } = write.write;\n' +
          '    const open = this.memory.seal(commit.set);\n' +
          '    const more = sealEntries(open.counts.values(), this.catalog, { ...this.#limits, set: commit.set, token: commit.token });\n' +
          '    const fresh = more.map((entry, at) => ({ ...entry, identifier: entry.identifier.replace(/\\d+$/, String(commit.entries.length + at)) }));\n' +
          '    const grown = { ...commit, entries: [...commit.entries, ...fresh], ids: [...commit.ids, ...open.ids.slots()], ' +
          'cursors: new Map([...commit.cursors, ...this.memory.cursors.seal(this.clock.at(0))]), totals: new Map([...commit.totals, ...addToTotals(commit.totals, fresh, this.catalog)]) };\n' +
          "    this.#state = { mode: 'committing', commit: grown };\n" +
          '    this.#write = { ...this.#chooseWrite(0, true), failures: write.failures };\n' +
          '  }\n\n  tick(nowMs: number): void {',
      },
      {
        file: flight,
        find: '    const set = this.#next;\n    this.#next++;',
        replace:
          '    this.memory = memory;\n    this.catalog = catalog;\n    const set = this.#next;\n    this.#next++;',
      },
      {
        file: flight,
        find: '      write.repeatAtMs = nowMs + delayMs(',
        replace: '      (this.#write ?? write).repeatAtMs = nowMs + delayMs(',
      },
    ],
  },
  {
    name: 'unanswered commit renumbered',
    rule: '2: an unanswered commit is never renumbered',
    profiles: ['lost_answers', 'storm'],
    patches: [
      {
        file: flight,
        find: '      write.failures++;\n',
        replace:
          "      write.failures++;\n      if (write.write.kind === 'commit') { const commit = { ...write.write.commit, token: this.#limits.random.token() }; this.#state = { mode: 'committing', commit }; this.#write = { ...this.#chooseWrite(nowMs, true), failures: write.failures, repeatAtMs: nowMs }; return 'repeat'; }\n",
      },
    ],
  },
  {
    name: 'refused commit ignored',
    rule: '5: commit refused: everything in memory is discarded and the channel closed',
    coincidence: 'late_claims',
    patches: [
      {
        file: core,
        find: "      case 'stale':\n      case 'refused':\n      case 'mismatch':\n        this.#end(result);",
        replace:
          "      case 'stale':\n      case 'refused':\n      case 'mismatch':\n        this.flight.ignore(nowMs);",
      },
      {
        file: flight,
        find: '  tick(nowMs: number): void {',
        replace:
          '  ignore(nowMs) {\n    this.#write?.answered(this.clock.at(nowMs), nowMs, {});\n    this.#write = undefined;\n  }\n\n  tick(nowMs: number): void {',
      },
    ],
  },
  {
    name: 'late renewal',
    rule: '5: a lease that was not renewed by the local deadline is over',
    profiles: ['leases', 'freezes'],
    coveredBy:
      'Redis, which renews a lease only if nobody else has had it since, and by the deadline of the renewal, which counts from when it was asked for',
    patches: [
      {
        file: core,
        find: 'if (nowMs < this.#deadlineMs) this.#deadlineMs = event.deadlineMs;',
        replace: 'this.#deadlineMs = event.deadlineMs;',
      },
    ],
  },
  {
    name: 'lease counted from its answer',
    rule: '5: the local deadline counts from before the lease was asked for',
    profiles: ['leases'],
    coveredBy:
      'the slots of the rate, which come from the same Redis and are over within seconds: who cannot renew a lease has no call to make either, and its commits are refused',
    patches: [
      {
        file: 'services/consumer/src/ownership/core.ts',
        find: '      const deadlineMs = event.askedAtMs + leaseMs * leaseTtlPart;\n',
        replace: '      const deadlineMs = nowMs + leaseMs * leaseTtlPart;\n',
      },
    ],
  },
  {
    name: 'journal below what was seen goes unnoticed',
    rule: '8: an epoch or a set lower than the highest that this consumer has seen: stop until a person has looked',
    profiles: ['redis_loss'],
    patches: [
      {
        file: 'services/consumer/src/ownership/core.ts',
        find: '(answer.epoch <= seen.epoch || answer.next < seen.next)',
        replace: 'false',
      },
    ],
  },
  {
    name: 'shard ends without telling how far its journal was',
    rule: '8: an epoch or a set lower than the highest that this consumer has seen: stop until a person has looked',
    profiles: ['redis_loss'],
    patches: [
      {
        file: 'services/consumer/src/ownership/core.ts',
        find: 'if (seen !== undefined) seen.next = Math.max(seen.next, next);',
        replace: 'if (seen !== undefined) seen.next = Math.max(seen.next, next - 1);',
      },
    ],
  },
  {
    name: 'only who has noticed a loss halts',
    rule: '8: nobody goes on until a person has run recover',
    profiles: ['redis_loss'],
    patches: [
      {
        file: 'scripts/proof/simulate/models/model-redis.ts',
        find: 'if (this.#incarnation === incarnation) this.#incarnation = undefined;',
        replace: '',
      },
    ],
  },
  {
    name: 'lease never over',
    rule: '5: lease not renewed by the local deadline: discard and close, without asking Redis',
    coincidence: 'late_commits',
    patches: [
      {
        file: core,
        find: "if (nowMs >= this.#deadlineMs) this.#end('lease_expired');\n    else this.#handle",
        replace: 'this.#handle',
      },
    ],
  },
  {
    name: 'format raised while an older member lives',
    rule: 'formats: journals are written in a newer format only once every member reads it',
    profiles: ['rollout'],
    expects: 'which is a member, does not read it',
    patches: [
      {
        file: 'scripts/proof/simulate/models/model-redis.ts',
        find: 'map(({ reads }) => reads ?? oldestFormat))',
        replace: 'map(({ reads }) => reads ?? newestFormat))',
      },
    ],
  },
  {
    name: 'newer format written below an older head',
    rule: 'formats: nothing is written into a journal that is newer than its head says, which older versions claim by',
    profiles: ['rollout'],
    expects: 'does not read its flush set',
    patches: [
      {
        file: 'scripts/proof/simulate/shells/lease-client.ts',
        find: 'return this.#formats.get(shard) ?? oldestFormat;',
        replace: 'return this.#ports.formats().reads;',
      },
    ],
  },
  {
    name: 'journal claimed that the claimer does not read',
    rule: 'formats: who does not read a journal cannot claim it',
    coincidence: 'late_rollback',
    expects: 'does not read its flush set',
    patches: [
      {
        file: 'scripts/proof/simulate/stores/model-journal.ts',
        find: 'if (this.#format !== undefined && this.#format > reads) return',
        replace: 'if (false) return',
      },
    ],
  },
  {
    name: 'unloaded total overwritten',
    rule: '2: totals are written as absolute values, so those that a set adds to are read before',
    expects: 'The total',
    patches: [{ file: flight, find: 'if (entries.length === 0) this', replace: 'this' }],
  },
];
