import { describe, expect, it } from 'vitest';
import { horizonUs, type SlotAnswer } from './slots.ts';

/** Something that hands out slots, with a clock that can be made to pass. */
export interface SlotSource {
  lease(wanted: number, spacingUs: number): Promise<SlotAnswer>;
  /** Returns once the source's clock is at least this much later. */
  pass(us: number): Promise<void>;
  /** Puts the first free slot this far ahead of the source's clock. */
  remember(aheadUs: number): Promise<void>;
}

/** What `leaseSlots` promises, for whatever claims to hand out slots like it. Every source starts fresh. */
export function slotContract(name: string, open: () => Promise<SlotSource>): void {
  describe(`slots of ${name}`, () => {
    it('begin now, one spacing apart and never twice', async () => {
      const source = await open();
      const first = granted(await source.lease(5, 20_000));
      const second = granted(await source.lease(2, 20_000));
      expect(first).toMatchObject({ count: 5, firstUs: first.nowUs });
      expect(second).toMatchObject({ count: 2, firstUs: first.firstUs + 5 * 20_000 });
    });

    it('are never handed out further ahead than the horizon', async () => {
      const source = await open();
      let handedOut = 0;
      let begunAtUs: number | undefined;
      for (;;) {
        const answer = await source.lease(25, 1_000);
        begunAtUs ??= answer.nowUs;
        if ('waitUs' in answer) {
          expect(handedOut).toBeGreaterThan(horizonUs / 1_000 - 25);
          expect(handedOut).toBeLessThanOrEqual((answer.nowUs - begunAtUs + horizonUs) / 1_000 + 1);
          return;
        }
        expect(answer.firstUs + (answer.count - 1) * 1_000).toBeLessThanOrEqual(answer.nowUs + horizonUs);
        handedOut += answer.count;
      }
    });

    it('are there after the wait that was answered', async () => {
      const source = await open();
      const waitUs = await exhaust(source, 8, 10_000);
      expect(waitUs).toBeGreaterThan(0);
      await source.pass(waitUs);
      expect(granted(await source.lease(8, 10_000)).count).toBeGreaterThanOrEqual(1);
    });

    it('are not caught up when nobody asked for them in time', async () => {
      const source = await open();
      await source.lease(2, 4_000);
      await source.pass(40_000);
      const later = granted(await source.lease(5, 4_000));
      expect(later.firstUs).toBe(later.nowUs);
    });

    it('come in pieces once all are given away, to who wants few as to who wants many', async () => {
      const source = await open();
      for (const wanted of [1, 5]) {
        // 9,375 microseconds are a piece: two slots.
        await source.pass(await exhaust(source, wanted, 5_000));
        expect(granted(await source.lease(5, 5_000)).count).toBeGreaterThanOrEqual(2);
      }
    });

    it('that are further apart than the horizon come one by one', async () => {
      const source = await open();
      expect(granted(await source.lease(25, 200_000)).count).toBe(1);
      const waitUs = await exhaust(source, 25, 200_000);
      expect(waitUs).toBeLessThanOrEqual(50_000);
      await source.pass(waitUs);
      expect(granted(await source.lease(25, 200_000)).count).toBe(1);
    });

    it('are not stuck behind a clock that was set back', async () => {
      const source = await open();
      await source.remember(3_600_000_000);
      const answer = await source.lease(1, 10_000);
      if (!('waitUs' in answer)) throw new Error('slots of the old clock were handed out again');
      expect(answer.waitUs).toBeLessThanOrEqual(10_000);
    });

    // The answer was right, and the remembered slot stayed an hour ahead: each wait of 10 ms was answered with another one, and
    // nothing was billed for as long as Redis' clock had been set back.
    it('are there after one wait when the clock was set back by an hour', async () => {
      const source = await open();
      await source.remember(3_600_000_000);
      const answer = await source.lease(1, 10_000);
      if (!('waitUs' in answer)) throw new Error('slots of the old clock were handed out again');
      await source.pass(answer.waitUs);
      expect(granted(await source.lease(1, 10_000)).count).toBe(1);
    });

    it('begin now when the clock was set forward by an hour', async () => {
      const source = await open();
      await source.remember(-3_600_000_000);
      const { firstUs, nowUs } = granted(await source.lease(1, 10_000));
      expect(firstUs).toBe(nowUs);
    });
  });
}

/** Takes slots until there are none; returns the wait. A real clock goes on meanwhile, so the last answer is what counts. */
async function exhaust(source: SlotSource, wanted: number, spacingUs: number): Promise<number> {
  for (;;) {
    const answer = await source.lease(wanted, spacingUs);
    if ('waitUs' in answer) return answer.waitUs;
  }
}

function granted(answer: SlotAnswer): { nowUs: number; firstUs: number; count: number } {
  if ('waitUs' in answer) throw new Error(`no slots for ${answer.waitUs} microseconds`);
  return answer;
}
