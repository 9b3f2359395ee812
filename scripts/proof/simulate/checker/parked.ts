import type { ParkedEntry } from '../../../../shared/journal/journal.ts';
import type { Profile } from '../drawing/profile.ts';
import type { CommittedEntry } from './calls.ts';
import { type Intake, laneOf } from './intake.ts';
import type { Report } from './report.ts';

/** More than there is room for, while its list of meters could not be read, or its account was not served. */
const roomForAll = 1_000;
const withoutRoom = /^(no_meter: nobody could tell|account_not_served: )/;

const lateRefusal = 'refused after an attempt without answer: ';

/** Nothing is given up without cause: an entry is dead only if the provider refuses it, and in doubt only if it may have been billed. */
export function checkParked(
  { entry, state, reason }: ParkedEntry,
  committed: ReadonlyMap<string, CommittedEntry>,
  intake: Intake,
  profile: Profile,
  nowMs: number,
  report: Report,
): void {
  const { identifier, customer, meter, events } = entry;
  const markedAtMs = committed.get(identifier)?.markedAtMs;
  const isRefused = profile.customers.some(({ name, refusedFromMs }) => name === customer && refusedFromMs <= nowMs);
  const isRefusedFor = (cause: string): boolean =>
    cause.startsWith('refused')
      ? isRefused
      : cause.startsWith('dimensions_were_left_out')
        ? entry.refusal !== undefined
        : isHopeless(meter, laneOf(entry), intake, profile) || isForMeter(cause, meter, events, profile, nowMs);
  switch (state) {
    case 'dead':
      if (withoutRoom.test(reason) && profile.drive.closedMax < roomForAll) break;
      if (!reason.startsWith('lane_keeps_failing') && !isRefusedFor(reason))
        report.violation(`${identifier} is dead without cause: ${reason}.`);
      break;
    case 'in_doubt':
      if (markedAtMs === undefined) report.violation(`${identifier} is in doubt, and was never attempted.`);
      else if (reason.startsWith('unknown_outcome') && nowMs - markedAtMs < profile.drive.inDoubtAfterMs - 10) {
        report.violation(`${identifier} is in doubt ${nowMs - markedAtMs} ms after its first attempt.`);
      } else if (reason.startsWith(lateRefusal) && !isRefusedFor(reason.slice(lateRefusal.length))) {
        report.violation(`${identifier} is in doubt without cause: ${reason}.`);
      }
      break;
    case 'deferred':
      break;
  }
}

/** The meter cannot take counts, or did not exist yet when the lane's first event reached the broker. */
function isHopeless(meter: string, lane: string, intake: Intake, profile: Profile): boolean {
  const known = profile.meters.find(({ meter: { eventName } }) => eventName === meter);
  if (known === undefined || known.meter.eventTimeWindow !== undefined) return true;
  if (known.isOnlyPlatforms === true && !lane.startsWith(' ')) return true;
  const reachedMs = [...intake.messages.values()].flatMap(({ identities, firstReachedMs }) =>
    identities.some((identity) => identity.lane === lane) ? [firstReachedMs] : [],
  );
  return Math.min(...reachedMs) < known.createdAtMs;
}

/** The name had no meter for a while, or got another one: which is wrong for merged events only. */
function isForMeter(cause: string, name: string, events: number, { meters }: Profile, nowMs: number): boolean {
  const named = meters.filter(({ meter }) => meter.eventName === name);
  if (cause.startsWith('archived_meter')) return named.some(({ archived }) => (archived?.fromMs ?? nowMs) < nowMs);
  if (!cause.startsWith('meter_made_anew') && !cause.startsWith('replay_is_a_sum')) return false;
  const formulas = new Set(named.filter(({ createdAtMs }) => createdAtMs <= nowMs).map(({ meter }) => meter.formula));
  return events !== 1 && formulas.size > 1;
}
