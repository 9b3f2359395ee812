/** What a spool holds after its process, or its machine, has ended at any point. */
import { describe, expect, it } from 'vitest';
import { Life, nameOf, record, smallLimits, wallMs } from './bench.ts';
import { segmentName } from './files.ts';
import { type Crash, Crashed, ModelDisk } from './model-disk.ts';
import { encodeRecord, type SpoolRecord } from './record.ts';

const names = (records: readonly { readonly origin: SpoolRecord['origin'] }[]) =>
  records.map(({ origin }) => nameOf(origin));
const oneSegment = { ...smallLimits, segmentBytes: 1_000_000, commitBytesMax: 1_000_000, readBytes: 1_000_000 };
const first = segmentName(1);

async function written(...records: readonly SpoolRecord[]): Promise<ModelDisk> {
  const life = await Life.begin(new ModelDisk(), oneSegment);
  await life.settle(...records);
  expect(life.stored).toEqual(records);
  return life.disk.after('power');
}

describe('the last segment', () => {
  const records = [1, 2, 3, 4].map((sequence) => record(sequence));
  const lengths = records.map((each) => encodeRecord(each).byteLength);

  it('is repaired right when it is cut at any byte of its last two records', async () => {
    const whole = (await written(...records)).contents(first);
    const [one = 0, two = 0, three = 0, four = 0] = lengths;
    expect(whole.byteLength).toBe(one + two + three + four);
    for (let cut = one + two; cut <= whole.byteLength; cut++) {
      const disk = new ModelDisk();
      disk.replace(first, whole.subarray(0, cut));
      const life = await Life.begin(disk, oneSegment);
      const left = cut === whole.byteLength ? 4 : cut >= one + two + three ? 3 : 2;
      const soundBytes = [0, 0, one + two, one + two + three, whole.byteLength][left] ?? 0;
      expect([life.core.records, life.tornBytes]).toEqual([left, cut - soundBytes]);
      expect(disk.contents(first)).toEqual(whole.subarray(0, soundBytes));
      // What is written next does not follow the cut, and is replayed as well.
      await life.settle(record(5));
      const replayed = await life.replayAll();
      expect(names(replayed)).toEqual(names([...records.slice(0, left), record(5)]));
      expect(replayed.map(({ body }) => body.toString())).toContain(record(5).body.toString());
      expect(disk.names()).toEqual(['cursor']);
    }
  });

  // A durable last record with one wrong byte was taken for one that was half written: it was cut off, and the log said that it
  // had not been answered with 202.
  it('keeps a last record that is damaged in any byte: it is parked, and never cut off', async () => {
    const whole = (await written(...records)).contents(first);
    const start = whole.byteLength - (lengths[3] ?? 0);
    for (let place = start; place < whole.byteLength; place++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const bytes = Buffer.from(whole);
        bytes[place] = (bytes[place] ?? 0) ^ flip;
        const disk = new ModelDisk();
        disk.replace(first, bytes);
        const life = await Life.begin(disk, oneSegment);
        expect(life.tornBytes, `byte ${place - start}`).toBe(0);
        expect(names(await life.replayAll())).toEqual(['p1/7/1', 'p1/7/2', 'p1/7/3']);
        const damaged = disk.names().find((name) => name.endsWith('.damaged')) ?? '';
        expect(disk.contents(damaged)).toEqual(bytes.subarray(start));
      }
    }
  });

  it('keeps an end that the disk has filled with zeros or with anything else', async () => {
    const whole = (await written(...records)).contents(first);
    for (const end of [Buffer.alloc(100), Buffer.from('anything else'), Buffer.alloc(5, 0xf5)]) {
      const disk = new ModelDisk();
      disk.replace(first, Buffer.concat([whole, end]));
      const life = await Life.begin(disk, oneSegment);
      expect([life.tornBytes, names(await life.replayAll()).length]).toEqual([0, 4]);
      const damaged = disk.names().find((name) => name.endsWith('.damaged')) ?? '';
      expect(disk.contents(damaged)).toEqual(end);
    }
  });

  it('keeps what is whole behind a damaged record, which is parked', async () => {
    const disk = await written(...records);
    const bytes = disk.contents(first);
    const place = (lengths[0] ?? 0) + 40;
    bytes[place] = (bytes[place] ?? 0) ^ 1;
    disk.replace(first, bytes);
    const life = await Life.begin(disk, oneSegment);
    expect(names(await life.replayAll())).toEqual(['p1/7/1', 'p1/7/3', 'p1/7/4']);
    const damaged = disk.names().find((name) => name.endsWith('.damaged')) ?? '';
    expect(disk.contents(damaged)).toEqual(bytes.subarray(lengths[0], (lengths[0] ?? 0) + (lengths[1] ?? 0)));
  });
});

describe('an earlier segment', () => {
  it('loses nothing but the record that is damaged, which is parked', async () => {
    const life = await Life.begin(new ModelDisk());
    const records = Array.from({ length: 20 }, (_, index) => record(index + 1));
    for (const each of records) await life.settle(each);
    const disk = life.disk.after('power');
    expect(disk.names().length).toBeGreaterThan(3);
    const bytes = disk.contents(first);
    bytes[bytes.byteLength - 5] = 0;
    disk.replace(first, bytes);
    const next = await Life.begin(disk);
    const replayed = await next.replayAll();
    expect(replayed.length).toBe(19);
    expect(disk.names().filter((name) => name !== 'cursor')).toEqual([
      expect.stringMatching(/^segment-0000000001-\d+\.damaged$/),
    ]);
  });
});

describe('records that are too old', () => {
  it('are parked as they are, never replayed, and do not hold up the others', async () => {
    const day = 24 * 60 * 60 * 1_000;
    const old = [record(1, 'a', wallMs - 36 * day), record(2, 'b', wallMs - 35 * day - 1)];
    const disk = new ModelDisk();
    disk.replace(first, Buffer.concat([...old, record(3, 'c', wallMs - 34 * day)].map(encodeRecord)));
    const life = await Life.begin(disk, oneSegment);
    expect(names(await life.replayAll())).toEqual(['p1/7/3']);
    const parked = disk.names().filter((name) => name.startsWith('parked-'));
    expect(parked).toHaveLength(1);
    expect(disk.contents(parked[0] ?? '')).toEqual(Buffer.concat(old.map(encodeRecord)));
  });

  it('are found also when they have become so while they waited', async () => {
    const life = await Life.begin(await written(record(1)), oneSegment);
    await life.work();
    life.wallMs += 36 * 24 * 60 * 60 * 1_000;
    expect(await life.replayAll()).toEqual([]);
    expect(life.disk.names()).toContainEqual(expect.stringMatching(/^parked-/));
    expect(life.core.records).toBe(0);
  });
});

/**
 * A whole story on a disk that crashes before its n-th operation, for every n, in three ways: what was told to be stored is
 * confirmed by the broker before or after, byte for byte, and nothing that still was to be replayed was removed.
 */
async function story(life: Life, confirmed: string[]): Promise<void> {
  const confirmNext = async (): Promise<void> => {
    const replay = life.next();
    await life.work();
    if (replay === undefined) return;
    confirmed.push(nameOf(replay.origin));
    life.confirm(replay);
    await life.work();
  };
  for (let sequence = 1; sequence <= 12; sequence++) {
    life.append(record(sequence, 'x'.repeat(30 + sequence)));
    if (sequence % 3 === 0) await life.work();
    if (sequence % 2 === 0) await confirmNext();
    life.nowMs += 400;
    life.step({ kind: 'ticked' });
    await life.work();
  }
  for (let turn = 0; turn < 20; turn++) await confirmNext();
}

describe.each<Crash>(['kill', 'power', 'torn'])('a crash (%s)', (crash) => {
  it('between any two file operations loses nothing that was stored', async () => {
    const dry = await Life.begin(new ModelDisk());
    await story(dry, []);
    const operations = dry.disk.operations;
    expect(operations).toBeGreaterThan(40);
    for (let point = 0; point < operations; point++) {
      const disk = new ModelDisk();
      disk.crashAfter(point);
      const confirmed: string[] = [];
      let stored: readonly SpoolRecord[] = [];
      await crashing(async () => {
        const life = await Life.begin(disk);
        stored = life.stored;
        await story(life, confirmed);
      });
      const next = await Life.begin(disk.after(crash));
      const replayed = await next.replayAll();
      const through = new Set([...confirmed, ...names(replayed)]);
      expect(
        names(stored).filter((name) => !through.has(name)),
        `crash before operation ${point}`,
      ).toEqual([]);
      const sequences = replayed.map(({ origin }) => origin.sequence);
      expect(sequences).toEqual(sequences.toSorted((left, right) => left - right));
      expect(next.disk.names()).toEqual(['cursor']);
      for (const { origin, body } of replayed) expect(body.toString()).toBe('x'.repeat(30 + origin.sequence));
    }
  });

  it('of the recovery itself loses nothing either', async () => {
    const torn = await Life.begin(new ModelDisk());
    await story(torn, []);
    const life = await Life.begin(torn.disk);
    await life.settle(...[21, 22, 23, 24, 25, 26, 27, 28].map((sequence) => record(sequence)));
    const base = life.disk.after('kill');
    const last = base.names().findLast((name) => name.startsWith('segment')) ?? '';
    for (let point = 0; point < 30; point++) {
      const disk = base.after('kill');
      disk.replace(last, disk.contents(last).subarray(0, -3));
      disk.crashAfter(point);
      const confirmed: string[] = [];
      await crashing(async () => {
        const again = await Life.begin(disk);
        for (let turn = 0; turn < 10; turn++) {
          await again.work();
          const replay = again.next();
          if (replay === undefined) continue;
          confirmed.push(nameOf(replay.origin));
          again.confirm(replay);
        }
        await again.work();
      });
      const final = await Life.begin(disk.after(crash));
      const through = new Set([...confirmed, ...names(await final.replayAll())]);
      expect([21, 22, 23, 24, 25, 26, 27].filter((sequence) => !through.has(`p1/7/${sequence}`))).toEqual([]);
    }
  });
});

async function crashing(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof Crashed)) throw error;
  }
}
