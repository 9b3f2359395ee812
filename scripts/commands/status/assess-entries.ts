import { counted } from '../../../shared/log/troubles.ts';
import type { Finding } from './finding.ts';
import type { EntriesOfReason, Look } from './look.ts';

interface Kind extends Omit<Finding, 'text'> {
  readonly noun: string;
  readonly means: string;
  readonly isOf: (entries: EntriesOfReason) => boolean;
}

/** Each entry is of the first kind that fits. */
const kinds: readonly Kind[] = [
  {
    noun: 'dead',
    means: 'not sent, because too many entries of their customer and meter wait for calls that fail',
    isOf: ({ state, reason }) => state === 'dead' && reason === 'lane_keeps_failing',
    kind: 'parked',
    advice:
      "tallyman entries list --state deferred says what Stripe answers. Once that is mended: tallyman entries replay --reason lane_keeps_failing --why 'calls succeed again'",
  },
  {
    noun: 'dead',
    means: 'not sent, because Stripe does not serve their connected account',
    isOf: ({ state, reason }) => state === 'dead' && reason === 'account_not_served',
    kind: 'parked',
    advice:
      "tallyman entries list --reason account_not_served names the accounts. Once they are connected again: tallyman entries replay --reason account_not_served --why 'account connected again'",
  },
  {
    noun: 'dead',
    means: 'not billed: Stripe refused them, or they could not be sent',
    isOf: ({ state }) => state === 'dead',
    kind: 'parked',
    advice: 'tallyman entries list --state dead',
  },
  {
    noun: 'in doubt',
    means: 'billed or not: Stripe gave no answer in time',
    isOf: ({ state }) => state === 'in_doubt',
    kind: 'parked',
    advice: 'tallyman entries list --state in_doubt',
  },
  {
    noun: 'deferred',
    means: 'kept aside and tried again by themselves',
    isOf: ({ state }) => state === 'deferred',
    kind: 'waiting',
  },
  { noun: 'waiting', means: 'about to be sent again', isOf: ({ state }) => state === 'waiting', kind: 'waiting' },
];

export function ofEntries({ entries }: Look): Finding[] {
  const byKind = Map.groupBy(entries, (one) => kinds.find(({ isOf }) => isOf(one)));
  return kinds.flatMap((kind): Finding[] => {
    const { noun, means, isOf: _, ...rest } = kind;
    const some = byKind.get(kind) ?? [];
    if (some.length === 0) return [];
    const total = some.reduce((sum, one) => sum + one.entries, 0);
    const events = some.reduce((sum, one) => sum + one.events, 0);
    const what = counted(total, `${noun} entry`, `${noun} entries`);
    return [{ ...rest, text: `${what} of ${counted(events, 'event')}: ${means}. ${reasons(some)}` }];
  });
}

const reasonsShown = 5;

function reasons(some: readonly EntriesOfReason[]): string {
  const shown = some.slice(0, reasonsShown).map(({ entries, reason }) => `${entries} ${reason}`);
  const more = some.length - shown.length;
  return `(${shown.join(', ')}${more > 0 ? `, and ${counted(more, 'other reason')}` : ''})`;
}
