import type { ShellMutant } from './shell-mutant.ts';

const load = 'shared/journal/load.ts';
const loadSuite = 'shared/journal/load.test.ts';
const journal = 'shared/journal/redis-journal.ts';
const journalSuite = 'shared/journal/redis-journal.test.ts';

/** The shells round Redis, those round the broker's connection, and the tools. */
export const storeMutants: readonly ShellMutant[] = [
  {
    name: 'pending set loaded without what of it has ended',
    rule: '7: the next owner goes on where the journal says that the last one was',
    patches: [{ file: load, find: '.flatMap((text) => [...decodeSettled(text)]),', replace: '.flatMap(() => []),' }],
    suite: loadSuite,
  },
  {
    name: 'latest attempt of an entry instead of its earliest',
    rule: '6: earliest time wins',
    patches: [{ file: load, find: 'Math.min(atMs, earliest', replace: 'Math.max(atMs, earliest' }],
    suite: loadSuite,
  },
  {
    name: 'only the first piece of a hash loaded',
    rule: '4: cursors are the exact set of sequences, for 40 days',
    patches: [{ file: load, find: "  } while (cursor !== '0');", replace: '  } while (false);' }],
    suite: loadSuite,
  },
  {
    name: 'lost lease between two pieces of a load unnoticed',
    rule: '7: the load is refused on a stale epoch',
    patches: [{ file: load, find: "if (reply.text(0) === 'stale') throw", replace: 'if (false) throw' }],
    suite: loadSuite,
  },
  {
    name: 'commit of another number taken for done',
    rule: "2: a commit is refused unless its number is the journal's next",
    patches: [{ file: journal, find: " || answer === 'number'", replace: '' }],
    suite: journalSuite,
  },
  {
    name: 'lease held by an epoch alone',
    rule: '2: a commit is refused unless the epoch is current; if Redis loses writes, one is given twice',
    patches: [{ file: journal, find: 'return `${epoch}|${this.#owner}`;', replace: 'return `${epoch}`;' }],
    suite: journalSuite,
  },
  {
    name: 'slots dated from the answer',
    rule: '3.3: calls per second for the whole cluster',
    patches: [
      {
        file: 'shared/limiter/redis-limiter.ts',
        find: 'const exchange = { sentAtMs, receivedAtMs,',
        replace: 'const exchange = { sentAtMs: receivedAtMs, receivedAtMs,',
      },
    ],
    suite: 'shared/limiter/redis-limiter.test.ts',
  },
  {
    name: 'reports of 429s that come during one forgotten',
    rule: '5 (faults): Stripe 429: the rate adapts down',
    patches: [
      {
        file: 'services/consumer/src/dispatch/limiters.ts',
        find: 'report !== undefined; report = limit.report) {',
        replace: 'report !== undefined; report = undefined) {',
      },
    ],
    suite: 'services/consumer/src/dispatch/limiters.test.ts',
  },
  {
    name: 'connection closed before its channels',
    rule: '3: custody; a close of the connection overtakes acks that were sent',
    patches: [
      {
        file: 'shared/amqp/connection.ts',
        find: 'await Promise.all([...this.#channels].map(closed));',
        replace: ';',
      },
    ],
    suite: 'shared/amqp/connection.test.ts',
  },
  {
    name: 'decision told as done that was not',
    rule: '6: a replay is decided once; who decided it hears what became of it',
    patches: [
      { file: 'scripts/commands/entries/decide.ts', find: 'return decided.size;', replace: 'return found.length;' },
    ],
    suite: 'scripts/commands/entries/decide.test.ts',
  },
  {
    name: 'dry run that decides',
    rule: '3.4: what a person runs to look changes nothing',
    patches: [{ file: 'scripts/commands/entries/decide.ts', find: 'if (command.dryRun) {', replace: 'if (false) {' }],
    suite: 'scripts/commands/entries/decide.test.ts',
  },
];
