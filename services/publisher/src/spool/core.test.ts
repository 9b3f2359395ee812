import { describe, expect, it } from 'vitest';
import { Life, nameOf, record, smallLimits } from './bench.ts';
import { decodeCursor } from './cursor.ts';
import { cursorName, segmentNumber } from './files.ts';
import { ModelDisk } from './model-disk.ts';
import { encodeRecord } from './record.ts';

const recordBytes = encodeRecord(record(1, 'x'.repeat(60))).byteLength;
const sized = (sequence: number) => record(sequence, 'x'.repeat(60));

async function open(limits = {}): Promise<Life> {
  const life = await Life.begin(new ModelDisk(), { ...smallLimits, ...limits });
  await life.work();
  return life;
}

describe('writing', () => {
  it('calls nothing stored before its fsync has returned', async () => {
    const life = await open();
    life.append(record(1));
    expect(life.stored).toEqual([]);
    await life.work();
    expect(life.stored).toEqual([record(1)]);
  });

  it('writes with one fsync what has come while the one before was under way', async () => {
    const life = await open({ commitBytesMax: 10_000, segmentBytes: 10_000 });
    for (let sequence = 1; sequence <= 10; sequence++) life.append(sized(sequence));
    const before = life.disk.syncs;
    await life.work();
    expect(life.stored).toHaveLength(10);
    // The first alone, and the nine others together.
    expect(life.disk.syncs - before).toBe(2);
  });

  it('never holds more than its bound, and takes messages again once a segment is through', async () => {
    const spoolBytes = 10 * recordBytes;
    const life = await open({ spoolBytes, reserveBytes: recordBytes, segmentBytes: 2 * recordBytes });
    for (let sequence = 1; sequence <= 12; sequence++) await life.settle(sized(sequence));
    expect([life.stored.length, life.declined.length]).toEqual([10, 2]);
    expect([life.core.bytes, life.core.roomBytes, life.core.takesMore]).toEqual([spoolBytes, 0, false]);
    for (let count = 0; count < 4; count++) {
      const replay = life.next();
      if (replay !== undefined) life.confirm(replay);
      await life.work();
    }
    expect(life.core.takesMore).toBe(true);
    await life.settle(sized(13));
    expect(life.stored).toHaveLength(11);
  });

  it('declines on a full disk, keeps what it has, and takes messages again when there is room', async () => {
    const life = await open();
    await life.settle(record(1));
    life.disk.isFull = true;
    await life.settle(record(2), record(3));
    expect([life.stored, life.declined]).toEqual([[record(1)], [record(2), record(3)]]);
    expect([life.core.roomBytes, life.core.takesMore]).toEqual([undefined, false]);
    await life.settle(record(4));
    expect(life.declined).toHaveLength(3);

    life.nowMs += smallLimits.writePauseMs;
    life.step({ kind: 'ticked' });
    await life.work();
    expect(life.core.takesMore).toBe(false);

    life.disk.isFull = false;
    life.nowMs += smallLimits.writePauseMs;
    life.step({ kind: 'ticked' });
    await life.work();
    expect(life.core.takesMore).toBe(true);
    await life.settle(record(5));
    expect((await life.replayAll()).map(({ origin }) => origin.sequence)).toEqual([1, 5]);
  });

  it('gives up what was confirmed also while the disk is full', async () => {
    const life = await open();
    await life.settle(record(1), record(2));
    life.disk.isFull = true;
    expect((await life.replayAll()).map(({ origin }) => origin.sequence)).toEqual([1, 2]);
    expect(life.disk.names()).toEqual([cursorName]);
  });

  it('does not write what has waited until its requests were told', async () => {
    const life = await open();
    life.append(record(1));
    life.append(record(2), 2_000);
    life.nowMs = 2_000;
    await life.work();
    expect([life.stored, life.declined]).toEqual([[record(1)], [record(2)]]);
  });
});

describe('replay', () => {
  async function holding(count: number, limits = {}): Promise<Life> {
    const life = await open(limits);
    for (let sequence = 1; sequence <= count; sequence++) await life.settle(record(sequence));
    return life;
  }
  const taken = (life: Life) => {
    const replays = [];
    for (let replay = life.next(); replay !== undefined; replay = life.next()) replays.push(replay);
    return replays;
  };

  it('hands out the oldest first, as many as may be in flight, and more when those are confirmed', async () => {
    const life = await holding(5);
    const first = taken(life);
    expect(first.map(({ origin }) => nameOf(origin))).toEqual(['p1/7/1', 'p1/7/2', 'p1/7/3']);
    for (const replay of first.slice(0, 2)) life.confirm(replay);
    await life.work();
    expect(taken(life).map(({ origin }) => origin.sequence)).toEqual([4, 5]);
  });

  it('moves the cursor only over what is confirmed without a gap', async () => {
    const life = await holding(3);
    const [, second, third] = taken(life);
    for (const replay of [second, third]) if (replay !== undefined) life.confirm(replay);
    life.step({ kind: 'save' });
    await life.work();
    const next = await Life.begin(life.disk.after('kill'));
    expect((await next.replayAll()).map(({ origin }) => origin.sequence)).toEqual([1, 2, 3]);
  });

  it('does not publish again what was confirmed before the cursor was saved', async () => {
    const life = await holding(3);
    const [first] = taken(life);
    if (first !== undefined) life.confirm(first);
    life.step({ kind: 'save' });
    await life.work();
    const next = await Life.begin(life.disk.after('power'));
    expect((await next.replayAll()).map(({ origin }) => origin.sequence)).toEqual([2, 3]);
  });

  it('publishes again after a pause what was returned, although it was confirmed', async () => {
    const life = await holding(2);
    const [first, second] = taken(life);
    if (first === undefined || second === undefined) throw new Error('two were expected');
    life.step({ kind: 'returned', generation: 1, origin: first.origin });
    life.confirm(first);
    life.confirm(second);
    expect(taken(life)).toEqual([]);
    life.nowMs += smallLimits.retry.baseMs;
    life.step({ kind: 'ticked' });
    expect(taken(life)).toEqual([first]);
  });

  it('publishes again on the next connection what was not confirmed on the last one, and believes nothing of that', async () => {
    const life = await holding(1);
    const [old] = taken(life);
    life.step({ kind: 'lost' });
    if (old !== undefined) life.confirm(old);
    life.generation = 2;
    const [again] = taken(life);
    expect(again).toEqual(old);
    life.step({ kind: 'confirmed', generation: 1, ticket: again?.ticket ?? 0 });
    expect(life.core.records).toBe(1);
    if (again !== undefined) life.confirm(again);
    expect(life.core.records).toBe(0);
  });

  it('makes the cursor durable before it removes a segment', async () => {
    const removed: number[] = [];
    class Watching extends ModelDisk {
      override async remove(name: string): Promise<void> {
        const number = segmentNumber(name);
        if (number !== undefined) {
          removed.push(number);
          expect(decodeCursor(this.after('power').contents(cursorName))?.segment).toBeGreaterThan(number);
        }
        await super.remove(name);
      }
    }
    const life = await Life.begin(new Watching());
    for (let sequence = 1; sequence <= 20; sequence++) await life.settle(record(sequence));
    await life.replayAll();
    expect(removed.length).toBeGreaterThan(2);
  });
});
