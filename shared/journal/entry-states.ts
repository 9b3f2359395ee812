import type { ClosedEntry, ParkedEntry } from './journal.ts';

export type EntryState = ParkedEntry['state'] | ClosedEntry['state'] | 'waiting';

export const openStates = ['dead', 'in_doubt', 'deferred', 'waiting'] as const;
export const closedStates = ['accepted', 'discarded', 'billed'] as const;
