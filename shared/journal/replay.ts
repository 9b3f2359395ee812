import type { ClosedEntry, Decision, ParkedEntry, PastLife } from './journal.ts';

/**
 * An entry that is sent again goes under a new identifier, derived from the one before: `…-r1`, `…-r2`. So whoever asks for the
 * same replay twice asks for the same identifier, and the provider cannot count it twice (invariant 6).
 */
const replaySuffix = /-r(\d+)$/;
/** Keeps identifiers short enough for the provider, and ends what goes round in circles. */
export const replaysMax = 99;

/** How often the entry was sent anew. */
export function replaysOf(identifier: string): number {
  return Number(replaySuffix.exec(identifier)?.[1] ?? 0);
}

/** The identifier that the entry was committed under. */
export function firstIdentifier(identifier: string): string {
  return identifier.replace(replaySuffix, '');
}

/** `tm1-<incarnation>-<shard>-<set>-<token part>-<entry>`: undefined if it is no identifier of ours. */
export function placeOf(identifier: string): { readonly shard: number; readonly set: number } | undefined {
  const [, shard, set] = /^tm1-[0-9a-z]+-(\d+)-(\d+)-[^-]+-\d+(?:-r\d+)?$/.exec(identifier) ?? [];
  return shard === undefined ? undefined : { shard: Number(shard), set: Number(set) };
}

/** What the journal keeps for the shard's owner to send, or why this entry cannot be replayed. */
export function replayOf(parked: ParkedEntry, decision: Decision): ParkedEntry | { readonly obstacle: string } {
  const { entry, state, history = [], set, reason, attempts, attemptedAtMs, parkedAtMs, calls } = parked;
  if (state === 'deferred') return { obstacle: 'it is deferred: its shard still tries it by itself' };
  const replay = replaysOf(entry.identifier) + 1;
  if (replay > replaysMax) return { obstacle: `it was replayed ${replaysMax} times` };
  const past: PastLife = {
    identifier: entry.identifier,
    state,
    reason,
    ...(attemptedAtMs === undefined ? {} : { attemptedAtMs }),
    attempts,
    parkedAtMs,
    ...(calls === undefined ? {} : { calls }),
    decision,
  };
  return {
    entry: { ...entry, identifier: `${firstIdentifier(entry.identifier)}-r${replay}` },
    state: 'deferred',
    reason: `replay: ${decision.why}`,
    attempts: 0,
    parkedAtMs: decision.atMs,
    set,
    // The answers of the newest life only: a record must not grow with every replay by all that was ever answered.
    history: [...history.map(withoutCalls), past],
  };
}

function withoutCalls({
  identifier,
  state,
  reason,
  attemptedAtMs,
  attempts,
  parkedAtMs,
  decision,
}: PastLife): PastLife {
  const attempted = attemptedAtMs === undefined ? {} : { attemptedAtMs };
  return { identifier, state, reason, ...attempted, attempts, parkedAtMs, decision };
}

/** The record of an entry about which nothing is left to do. `parkedAtMs` is from then on the time of its end. */
export function closedOf(
  parked: ParkedEntry,
  state: ClosedEntry['state'],
  decision: Decision,
): ClosedEntry & { readonly decision: Decision } {
  return { ...parked, state, parkedAtMs: decision.atMs, decision };
}

/** The provider refused the entry, or was never asked, because it had no active meter of that name. */
export function isMeterRefusal({ state, reason }: Pick<ParkedEntry, 'state' | 'reason'>): boolean {
  return state === 'dead' && /^(no_meter|archived_meter)\b/.test(reason);
}

/** Without decoding it: a record with any other reason is most often none of them. */
export function mayNameMeterRefusal(text: string): boolean {
  return text.includes('no_meter') || text.includes('archived_meter');
}
