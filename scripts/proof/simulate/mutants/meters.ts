import type { Mutant } from './mutant.ts';

const refusedEntries = 'services/consumer/src/counting/refused-entries.ts';
const refusedSums = 'services/consumer/src/counting/refused-sums.ts';
const journal = 'scripts/proof/simulate/stores/model-journal.ts';
const seal = 'services/consumer/src/counting/seal.ts';
const refusals = 'services/consumer/src/meters/refusals.ts';
const verdict = 'services/consumer/src/sending/verdict.ts';

/** A name that gets another meter: what was merged by one formula is not billed by another. */
export const meterMutants: readonly Mutant[] = [
  {
    name: 'merged events sent to whatever meter has the name',
    rule: 'meters: merged events are called for a meter whose formula merged them',
    profiles: ['meters'],
    expects: 'was billed by a',
    patches: [{ file: refusals, find: "if (fit === 'differs' ||", replace: 'if (fit === undefined ||' }],
  },
  {
    name: 'replay sent to whatever meter has the name',
    rule: 'meters: a replay of merged events is refused unless the formula fits',
    profiles: ['meters'],
    expects: 'was billed by a',
    patches: [
      {
        file: refusals,
        find: "if (fitOf(entry, meter) === 'fits') return undefined;",
        replace: 'if (meter !== undefined) return undefined;',
      },
      {
        file: verdict,
        find: '?? changeOf(entry, meter);',
        replace: '?? (history === undefined ? changeOf(entry, meter) : undefined);',
      },
    ],
  },
  {
    name: 'resent without a look at the meter',
    rule: 'meters: what may have been sent is not sent to another meter either',
    profiles: ['meters'],
    expects: 'was billed by a',
    patches: [
      {
        file: verdict,
        find: "  if (obstacle === undefined) return 'call';",
        replace: "  if (obstacle === undefined || isResent) return 'call';",
      },
    ],
  },
  {
    name: 'merged events called while their meter is archived',
    rule: 'meters: while a meter is archived its name may get another one at any moment',
    profiles: ['meters'],
    expects: 'was billed by a',
    patches: [
      { file: refusals, find: 'if (meter.archived !== true) return', replace: 'if (meter !== undefined) return' },
    ],
  },
  {
    name: 'entry bound to the meter of the seal',
    rule: 'meters: an entry is bound to the meter whose formula merged its events',
    coincidence: 'open_at_change',
    expects: 'was billed by a',
    patches: [
      {
        file: seal,
        find: "split(tally.sum.decimal(), count, count.meterId);\n    case 'last':\n      return [lastLine(tally.value, count, count.meterId)];\n    case 'each':",
        replace:
          "split(tally.sum.decimal(), count, meter.id);\n    case 'last':\n      return [lastLine(tally.value, count, meter.id)];\n    case 'each':",
      },
    ],
  },
  {
    name: 'amounts lost where refused entries are merged',
    rule: 'refused entries: amounts and events of each customer and meter stay exact',
    expects: 'The bill is wrong',
    patches: [
      {
        file: refusedEntries,
        find: 'for (const draft of group) value.add(draft.value);',
        replace: 'value.add(first.value);',
      },
    ],
  },
  {
    name: 'replay of what has lost its dimensions',
    rule: 'refused entries: what was merged across dimensions is not replayed',
    expects: 'was billed without its dimensions',
    patches: [
      {
        file: refusals,
        find: 'if (areDimensionsLeftOut(entry))',
        replace: 'if (areDimensionsLeftOut(entry) && entry.events < 0)',
      },
    ],
  },
  {
    name: 'refused entry added twice when its progress is repeated',
    rule: 'refused entries: what a set has is added once, however often that is written',
    profiles: ['lost_answers', 'storm'],
    patches: [
      {
        file: journal,
        find: 'if (pending.progress.has(written)) return',
        replace:
          'if (pending.progress.has(written)) for (const addition of additions) this.#add(addition);\n' +
          '    if (pending.progress.has(written)) return',
      },
    ],
  },
  {
    name: 'refused entry added to what is being replayed',
    rule: 'refused entries: they are added to a parked entry only if that still is what its owner read',
    expects: 'was replayed, and is still in the journal',
    patches: [
      {
        file: journal,
        find: 'if (to !== undefined && JSON.stringify(this.#parked.get(identifier)) === to.text) {',
        replace: 'if (to !== undefined) {',
      },
    ],
  },
  {
    name: 'refused entry lost when what it is added to has gone',
    rule: 'refused entries: what cannot be added is parked by itself',
    expects: 'The bill is wrong',
    patches: [
      {
        file: journal,
        find: '    this.#parked.set(own.entry.identifier, own);\n    this.#sums',
        replace: '    if (to === undefined) this.#parked.set(own.entry.identifier, own);\n    this.#sums',
      },
    ],
  },
  {
    name: 'refused entry takes the place of what it is added to',
    rule: 'refused entries: amounts and events of each customer and meter stay exact',
    expects: 'The bill is wrong',
    patches: [{ file: refusedSums, find: '  value.add(into.entry.value);\n', replace: '' }],
  },
  {
    name: 'refused entry added to what was sent',
    rule: 'refused entries: an entry that may have been sent never changes',
    patches: [
      {
        file: refusedSums,
        find: "const isUntouched = state === 'dead' && attempts === 0 && history === undefined;",
        replace: "const isUntouched = state === 'dead';",
      },
    ],
    coveredBy: 'the identifier, which what adds up keeps: a replay has another one, so nothing that was sent is found',
  },
];
