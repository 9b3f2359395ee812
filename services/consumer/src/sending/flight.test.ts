import { describe, expect, it } from 'vitest';
import {
  catalogOf,
  committed,
  countCustomers,
  hourMs,
  mark,
  meter,
  newFlight,
  nextWrite,
  ok,
  origin,
  outcomes,
  requestsCatalog,
  shardState,
  startRedisMs,
  takeCall,
  totalsAre,
  usageEvent,
} from '../shard/testing/fixtures.ts';

const { accepted } = outcomes;

describe('Flight', () => {
  it('takes a set from seal to settlement: commit, mark, call, complete', () => {
    const { flight } = committed('cus_1');
    expect(flight).toMatchObject({ pendingSet: 1, settledThrough: 0, next: 2, drive: { unsettled: 1 } });
    mark(flight);
    takeCall(flight).ended(accepted, 0, true);
    expect(nextWrite(flight)).toMatchObject({ kind: 'complete', set: 1 });
    expect(flight.settledThrough).toBe(0);
    expect(flight.takeSettled()).toBeUndefined();
    flight.written(ok(500), 600);
    expect(flight).toMatchObject({ pendingSet: undefined, settledThrough: 1 });
    expect(flight.takeSettled()).toEqual({ set: 1, redisMs: startRedisMs + 500 });
    expect(flight.takeSettled()).toBeUndefined();
  });

  // The simulation lost a commit in Redis that had been answered and sent. The shard told its owner no more than that the set was
  // sealed, so the owner took the journal below it for one that had never had the commit, and billed its messages
  // a second time without a word to anybody.
  it('knows how far the journal is by what was answered, not by what was sealed', () => {
    const { flight, memory } = newFlight(shardState({ next: 5 }));
    expect(flight.journalNext).toBe(5);
    memory.count(origin(1), [usageEvent()], 5, startRedisMs, requestsCatalog, 0);
    flight.seal(memory, requestsCatalog, true, 0);
    nextWrite(flight);
    flight.written(undefined, 0);
    expect([flight.next, flight.journalNext]).toEqual([6, 5]);
    flight.nextWrite(hourMs, true);
    flight.written(ok(), hourMs);
    expect([flight.next, flight.journalNext]).toEqual([6, 6]);
  });

  it('commits a set without entries and settles it like any other', () => {
    const { flight } = committed();
    expect(nextWrite(flight)).toMatchObject({ kind: 'complete', set: 1 });
    flight.written(ok(), 0);
    expect(flight.settledThrough).toBe(1);
  });

  it('commits everything that belongs to the set in one write', () => {
    const { flight, memory } = newFlight(
      shardState({
        next: 5,
        cursors: new Map([
          ['7/producer', `1;${startRedisMs / 1000};1-3`],
          ['7/ancient', '1;1;1'],
        ]),
        idSets: [{ set: 4, settledAtMs: startRedisMs - 2 * hourMs, ids: [{ slot: 7, bytes: new Uint8Array(16) }] }],
      }),
    );
    memory.count(origin(4), [usageEvent()], 5, startRedisMs, requestsCatalog, 0);
    flight.seal(memory, requestsCatalog, true, 0);
    const totals = new Map([[`${startRedisMs / 1000}//requests`, '1;10;10;1']]);
    const sealed = nextWrite(flight, 0, true, totals);
    expect(sealed).toMatchObject({
      kind: 'commit',
      commit: {
        set: 5,
        entries: [{ value: '1' }],
        cursors: new Map([['7/producer', `1;${startRedisMs / 1000};1-4`]]),
        forgottenCursors: ['7/ancient'],
        forgottenIdSets: [4],
        totals: new Map([[`${startRedisMs / 1000}//requests`, '1;11;11;2']]),
      },
    });
    expect(sealed.kind === 'commit' && sealed.commit.ids.map(({ slot, bytes }) => [slot, bytes.length])).toEqual([
      [7, 16],
    ]);
    expect(flight.takeForgottenIdSets()).toBeUndefined();
    flight.written(ok(), 0);
    expect(flight.takeForgottenIdSets()).toEqual([4]);
  });

  // The owner kept every hourly total since the cluster began: 22 MiB and 2.3 s of takeover after two days of 1,000 accounts. Now it keeps
  // none, and asks for those that a set adds to. Without that, a late event would make an old hour's total begin anew.
  it('reads the totals that a set adds to before it commits them, again until they are answered', () => {
    const { flight, memory } = newFlight();
    const late = usageEvent({ customer: 'cus_2', timestamp: startRedisMs / 1000 - 30 * 86_400 });
    memory.count(
      origin(1),
      [usageEvent(), usageEvent({ customer: 'cus_3' }), late],
      1,
      startRedisMs,
      requestsCatalog,
      0,
    );
    flight.seal(memory, requestsCatalog, true, 0);
    expect(flight).toMatchObject({ pendingSet: 1, settledThrough: 0, next: 2, journalNext: 1 });
    const old = startRedisMs / 1000 - 30 * 86_400;
    const fields = [`${startRedisMs / 1000}//requests`, `${old}//requests`];
    expect(flight.nextWrite(0, true)).toEqual({ kind: 'read_totals', fields });
    expect(flight.written(undefined, 0)).toBe('repeat');
    expect(flight.nextWrite(hourMs, true)).toEqual({ kind: 'read_totals', fields });
    flight.written(totalsAre(new Map([[`${old}//requests`, '1;5;5;1']])), hourMs);
    expect(flight.nextWrite(hourMs, true)).toMatchObject({
      commit: {
        totals: new Map([
          [`${startRedisMs / 1000}//requests`, '1;2;2;2'],
          [`${old}//requests`, '1;6;6;2'],
        ]),
      },
    });
  });

  it('discards a sealed set whose totals are refused: the lease is another one’s', () => {
    const { flight, memory } = newFlight();
    countCustomers(memory, flight, ['cus_1']);
    flight.seal(memory, requestsCatalog, true, 0);
    flight.nextWrite(0, true);
    expect(flight.written({ answer: 'stale' }, 0)).toBe('stale');
  });

  it('gives every set a token of its own', () => {
    const { flight, memory } = newFlight();
    const tokens = [1, 2].map(() => {
      countCustomers(memory, flight, []);
      flight.seal(memory, requestsCatalog, true, 0);
      const sealed = nextWrite(flight);
      flight.written(ok(), 0);
      expect(nextWrite(flight).kind).toBe('complete');
      flight.written(ok(), 0);
      return sealed.kind === 'commit' && sealed.commit.token;
    });
    expect(new Set(tokens).size).toBe(2);
  });

  describe('writes', () => {
    it('one at a time', () => {
      const { flight } = committed('cus_1', 'cus_2');
      nextWrite(flight);
      expect(flight.nextWrite(hourMs, true)).toBeUndefined();
    });

    it('what was not answered again, the very same object, after a short pause', () => {
      const { flight, memory } = newFlight();
      countCustomers(memory, flight, ['cus_1']);
      flight.seal(memory, requestsCatalog, true, 0);
      const first = nextWrite(flight);
      let nowMs = 0;
      for (let failed = 0; failed < 20; failed++) {
        expect(flight.written(undefined, nowMs)).toBe('repeat');
        expect(flight.nextWrite(nowMs, true)).toBeUndefined();
        countCustomers(memory, flight, ['cus_2']);
        nowMs += 2_001;
        expect(nextWrite(flight, nowMs)).toBe(first);
      }
      expect(first).toMatchObject({ commit: { set: 1, entries: [{ customer: 'cus_1' }] } });
    });

    it('nothing else before what was not answered, not even when it is told to stop', () => {
      const { flight } = committed('cus_1', 'cus_2');
      const marking = nextWrite(flight);
      flight.written(undefined, 0);
      expect(nextWrite(flight, 5_000, false)).toBe(marking);
    });

    it.each([
      { answer: 'stale', told: 'stale' },
      { answer: 'number', told: 'refused' },
      { answer: 'pending', told: 'refused' },
    ] as const)('a commit that is answered $answer: $told', ({ answer, told }) => {
      const { flight, memory } = newFlight();
      countCustomers(memory, flight, ['cus_1']);
      flight.seal(memory, requestsCatalog, true, 0);
      nextWrite(flight);
      expect(flight.written({ answer }, 0)).toBe(told);
    });

    it.each(['stale', 'mismatch'] as const)('a mark that is answered %s: no call starts', (answer) => {
      const { flight } = committed('cus_1');
      nextWrite(flight);
      expect(flight.written({ answer }, 0)).toBe(answer);
      expect(flight.calls.take(0, '', requestsCatalog)).toBeUndefined();
    });

    it('and refuses an answer that nobody asked for', () => {
      expect(() => newFlight().flight.written(ok(), 0)).toThrow(/did not make/);
    });
  });

  describe('marks', () => {
    it('attempts in chunks, and calls nothing before the chunk is answered', () => {
      const { flight } = committed(...Array.from({ length: 100 }, (_, customer) => `cus_${customer}`));
      expect(nextWrite(flight)).toMatchObject({
        kind: 'mark',
        set: 1,
        entries: Array.from({ length: 64 }, (_, at) => at),
      });
      expect(flight.calls.armed.size).toBe(0);
      flight.written(undefined, 0);
      expect(flight.calls.take(0, '', requestsCatalog)).toBeUndefined();
      nextWrite(flight, 5_000);
      flight.written(ok(5_000), 5_000);
      expect(flight.calls.armed).toEqual(new Map([['', 64]]));
    });

    it('the next chunk when there is less than one to call', () => {
      const { flight } = committed(...Array.from({ length: 200 }, (_, customer) => `cus_${customer}`));
      mark(flight);
      expect(flight.nextWrite(0, true)).toBeUndefined();
      takeCall(flight);
      mark(flight);
      expect(flight.calls.armed).toEqual(new Map([['', 127]]));
    });

    it('nothing that was not begun once it is told to stop', () => {
      const { flight } = committed('cus_1');
      expect(flight.nextWrite(0, false)).toBeUndefined();
      expect(flight.isQuiet).toBe(true);
    });
  });

  it('tells a call the meter that is known when it starts', () => {
    const { flight } = committed('cus_1');
    mark(flight);
    expect(takeCall(flight).meter).toEqual(meter('requests'));
    const { flight: other } = committed('cus_1');
    mark(other);
    expect(other.calls.take(0, '', catalogOf()), 'nobody has asked since').toBeUndefined();
    expect([...other.calls.takeWantedMeters()]).toEqual(['']);
    other.tick(1_000);
    expect(other.calls.take(1_000, '', { ...catalogOf(), askedAtMs: 500 }), 'there is none').toBeUndefined();
    expect(nextWrite(other, 1_000)).toMatchObject({ kind: 'progress', parked: [{ state: 'dead' }] });
  });
});
