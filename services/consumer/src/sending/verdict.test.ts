import { describe, expect, it } from 'vitest';
import type { Entry } from '../../../../shared/journal/journal.ts';
import { newItem, type Item } from '../lanes/item.ts';
import type { Meter } from '../provider/provider.ts';
import { entry, meter, metersOf } from '../shard/testing/fixtures.ts';
import { newerListWaitMs, verdictOf } from './verdict.ts';

const takenAtMs = 1_000;
const before = meter('requests', 'sum', { id: 'mtr_1' });
const anew = meter('requests', 'last', { id: 'mtr_2', namesakes: [{ id: 'mtr_1', formula: 'sum' }] });
const merged = { events: 3, meterId: 'mtr_1' };

function item(said: Partial<Entry> = {}, more: Partial<Item> = {}): Item {
  return { ...newItem(entry(said), 1, 0), sinceMs: takenAtMs, ...more };
}

function verdict(of: Item, known: Meter | undefined, askedAtMs = takenAtMs, nowMs = takenAtMs) {
  return verdictOf(of, { meters: metersOf(...(known === undefined ? [] : [known])), askedAtMs }, nowMs);
}

const refusal = (code: string) => ({ refusal: expect.stringMatching(new RegExp(`^${code}: `)) });

// A meter was archived and made anew with another formula between two reads of the list: sums were sent to the new one for up to
// 15 minutes, by whoever had the old list, and by everybody who took an entry over.
describe('an entry of merged events', () => {
  it('is called for the meter that it was counted for, and for another one with its formula', () => {
    expect(verdict(item(merged), before)).toBe('call');
    expect(verdict(item(merged), { ...anew, formula: 'sum' })).toBe('call');
  });

  it('is not called for another meter of its name that would take it wrong', () => {
    expect(verdict(item(merged), anew)).toEqual(refusal('meter_made_anew'));
    const back = meter('requests', 'sum', { id: 'mtr_1', namesakes: [{ id: 'mtr_2', formula: 'last' }] });
    expect(verdict(item({ events: 3, meterId: 'mtr_2' }), back)).toEqual(refusal('meter_made_anew'));
    expect(verdict(item({ events: 0, meterId: 'mtr_1' }), anew)).toEqual(refusal('meter_made_anew'));
  });

  it('waits for a newer list before it is given up, since it may be of a meter that is younger than the list', () => {
    const younger = item({ events: 3, meterId: 'mtr_3' });
    expect(verdict(younger, anew, takenAtMs - 1)).toBe('wait');
    expect(verdict(younger, { ...anew, id: 'mtr_3', formula: 'sum' })).toBe('call');
    expect(verdict(younger, anew)).toEqual(refusal('meter_made_anew'));
  });

  it('waits no longer than a minute for it: a list that cannot be read must not hold up the shard', () => {
    const nowMs = takenAtMs + newerListWaitMs;
    expect(verdict(item(merged), anew, takenAtMs - 1, nowMs - 1)).toBe('wait');
    expect(verdict(item(merged), anew, takenAtMs - 1, nowMs)).toEqual(refusal('meter_made_anew'));
  });

  it('is not called while its meter is archived: the name may have got another one since', () => {
    expect(verdict(item(merged), { ...before, archived: true }, takenAtMs - 1)).toBe('wait');
    expect(verdict(item(merged), { ...before, archived: true })).toEqual(refusal('archived_meter'));
  });

  it('is not resent to another meter either, though its first attempt may have been taken', () => {
    const resent = item(merged, { unresolvedSinceMs: 0 });
    expect(verdict(resent, before)).toBe('call');
    expect(verdict(resent, anew)).toEqual(refusal('meter_made_anew'));
    expect(verdict(resent, { ...before, archived: true })).toEqual(refusal('archived_meter'));
    expect(verdict(resent, undefined)).toBe('call');
  });

  it('from a journal without ids is called: it is of before this version', () => {
    expect(verdict(item({ events: 3 }), anew)).toBe('call');
  });

  it('is called where the provider knows its meters by name only', () => {
    expect(verdict(item({ events: 3 }), meter('requests'))).toBe('call');
  });
});

describe('an entry of one event', () => {
  it.each([anew, { ...before, archived: true } as const, before])('is right for any meter of its name', (known) => {
    expect(verdict(item({ events: 1 }), known, takenAtMs - 1)).toBe('call');
  });

  it('waits for a newer list when it has no meter, and is refused when that has none either', () => {
    expect(verdict(item(), undefined, takenAtMs - 1, takenAtMs + newerListWaitMs)).toBe('wait');
    expect(verdict(item(), undefined)).toEqual(refusal('no_meter'));
  });
});
