import { describe, expect, it } from 'vitest';
import type { RateState, ThrottleReport } from './pace.ts';
import type { SlotAnswer } from './slots.ts';

export interface PacedAnswer {
  readonly answer: SlotAnswer;
  readonly spacingUs: number;
  readonly changedUs: number;
}

/** A limit that is paced, at a clock that goes on as little or as much as it likes between two calls. */
export interface PacedSource {
  nowUs(): Promise<number>;
  lease(wanted: number, fullSpacingUs: number): Promise<PacedAnswer>;
  /** Answers the pace after that. */
  throttle(report: ThrottleReport): Promise<number>;
  giveBack(count: number, endUs: number, spacingUs: number): Promise<void>;
  recall(): Promise<RateState>;
  /** Overwrites what is remembered. */
  remember(state: Partial<RateState>): Promise<void>;
}

const second = 1_000_000;
const full = 10_000;

/** What `pace.ts` promises, for whatever claims to pace like it. Every source starts fresh. */
export function paceContract(name: string, open: () => Promise<PacedSource>): void {
  describe(`the pace of ${name}`, () => {
    /** As after a second in which so many slots were handed out. */
    async function busy(handedOut: number): Promise<{ source: PacedSource; startedUs: number }> {
      const source = await open();
      const startedUs = await source.nowUs();
      await source.remember({ secondUs: startedUs, handedOut });
      return { source, startedUs };
    }

    it('is half for whoever comes first, and whole ten seconds later', async () => {
      const source = await open();
      expect((await source.lease(1, full)).spacingUs).toBe(2 * full);
      await source.remember({ climbsFromUs: (await source.nowUs()) - 10 * second });
      expect((await source.lease(1, full)).spacingUs).toBe(full);
    });

    it('is halved when more than one call in ten was turned away, and lease by lease from then on', async () => {
      const { source, startedUs } = await busy(100);
      expect(await source.throttle({ count: 11, startedUs, reason: 'global-rate' })).toBe(0.5);
      expect((await source.lease(1, full)).spacingUs).toBe(2 * full);
    });

    it('falls by 2 % when fewer were, once per second', async () => {
      const { source, startedUs } = await busy(100);
      expect(await source.throttle({ count: 5, startedUs, reason: 'global-rate' })).toBeCloseTo(0.98);
      expect(await source.throttle({ count: 5, startedUs, reason: 'global-rate' })).toBeCloseTo(0.98);
      expect(await source.throttle({ count: 1, startedUs, reason: 'global-rate' })).toBeCloseTo(0.49);
    });

    it('is halved by the only call there was', async () => {
      const { source, startedUs } = await busy(1);
      expect(await source.throttle({ count: 1, startedUs, reason: 'global-rate' })).toBe(0.5);
    });

    it('is not judged by calls that started before it had been lowered for a second', async () => {
      const { source, startedUs } = await busy(100);
      await source.throttle({ count: 90, startedUs, reason: 'global-rate' });
      const soon = (await source.nowUs()) + second / 2;
      expect(await source.throttle({ count: 90, startedUs: soon, reason: 'global-rate' })).toBe(0.5);
      const late = (await source.nowUs()) + 2 * second;
      expect(await source.throttle({ count: 90, startedUs: late, reason: 'global-rate' })).toBe(0.25);
    });

    it('falls to what the provider takes when most of the calls after the last step are turned away', async () => {
      const { source, startedUs } = await busy(100);
      await source.remember({ pace: 0.5, climbsFromUs: startedUs + 60 * second, spacingUs: 2 * full });
      await source.remember({ judgedFromUs: startedUs });
      // Twenty calls in 0.4 s, of which sixteen were turned away.
      const latestUs = startedUs + 19 * 2 * full;
      expect(await source.throttle({ count: 16, startedUs: latestUs, reason: 'global-rate' })).toBeCloseTo(0.1);
    });

    it('keeps a tenth however many are turned away', async () => {
      const { source, startedUs } = await busy(100);
      await source.remember({ judgedFromUs: startedUs, spacingUs: full });
      expect(await source.throttle({ count: 50, startedUs, reason: 'global-rate' })).toBeCloseTo(0.1);
    });

    it('never comes to a standstill', async () => {
      const { source, startedUs } = await busy(1);
      await source.remember({ pace: 0.02, climbsFromUs: startedUs + 60 * second });
      expect(await source.throttle({ count: 9, startedUs, reason: 'global-rate' })).toBe(0.02);
      expect((await source.lease(1, full)).spacingUs).toBe(50 * full);
    });

    it('doubles in ten seconds, and is whole again within a minute from the very least', async () => {
      const source = await open();
      const nowUs = await source.nowUs();
      await source.remember({ pace: 0.25, climbsFromUs: nowUs - 10 * second });
      expect((await source.lease(1, full)).spacingUs / full).toBeCloseTo(2, 1);
      await source.remember({ pace: 0.02, climbsFromUs: nowUs - 57 * second });
      expect((await source.lease(1, full)).spacingUs).toBe(full);
      await source.remember({ pace: 0.5, climbsFromUs: nowUs + 2 * second });
      expect((await source.lease(1, full)).spacingUs).toBe(2 * full);
    });

    // The hold after a 429 and the judgement are times of Redis' clock: set back by an hour, the pace stayed where the 429 had put it,
    // and no other 429 was heard, for an hour.
    it('is held after a 429 for two seconds, whatever the clock is set back by', async () => {
      const source = await open();
      await source.remember({ pace: 0.25, climbsFromUs: (await source.nowUs()) + 3_600 * second, nextUs: 1 });
      expect((await source.lease(1, full)).spacingUs).toBe(4 * full);
      const { climbsFromUs } = await source.recall();
      expect(climbsFromUs).toBeLessThanOrEqual((await source.nowUs()) + 2 * second);
      expect(climbsFromUs).toBeGreaterThan((await source.nowUs()) + second);
    });

    it('hears a 429 again a second after the clock was set back', async () => {
      const { source, startedUs } = await busy(100);
      await source.remember({ judgedFromUs: startedUs + 3_600 * second, nextUs: 1 });
      await source.lease(1, full);
      const { judgedFromUs } = await source.recall();
      expect(judgedFromUs).toBeLessThanOrEqual((await source.nowUs()) + second);
      expect(await source.throttle({ count: 90, startedUs: judgedFromUs, reason: 'global-rate' })).toBeLessThan(1);
    });

    it('is never said to have been lowered later than now', async () => {
      const { source, startedUs } = await busy(100);
      await source.remember({ changedUs: startedUs + 3_600 * second, reason: 'global-rate' });
      const { changedUs } = await source.lease(1, full);
      expect(changedUs).toBeLessThanOrEqual(await source.nowUs());
    });

    it('is whole after the clock was set forward by an hour', async () => {
      const { source, startedUs } = await busy(100);
      await source.throttle({ count: 90, startedUs, reason: 'global-rate' });
      const { judgedFromUs, climbsFromUs, secondUs } = await source.recall();
      const hour = 3_600 * second;
      await source.remember({
        judgedFromUs: judgedFromUs - hour,
        climbsFromUs: climbsFromUs - hour,
        secondUs: secondUs - hour,
        nextUs: startedUs - hour,
      });
      expect((await source.lease(1, full)).spacingUs).toBe(full);
      expect(await source.throttle({ count: 1, startedUs: await source.nowUs(), reason: 'global-rate' })).toBe(0.5);
    });

    it('takes slots back that nobody comes after, and no others', async () => {
      const source = await open();
      const { answer, spacingUs } = await source.lease(5, full);
      const { firstUs } = granted(answer);
      await source.giveBack(3, firstUs + 5 * spacingUs, spacingUs);
      const again = granted((await source.lease(1, full)).answer);
      // At a clock that goes on the third of them may be over by now.
      expect(again.firstUs === firstUs + 2 * spacingUs || again.firstUs === again.nowUs).toBe(true);
      await source.giveBack(3, firstUs + 5 * spacingUs, spacingUs);
      expect(granted((await source.lease(1, full)).answer).firstUs).toBeGreaterThan(again.firstUs);
    });
  });
}

function granted(answer: SlotAnswer): { nowUs: number; firstUs: number; count: number } {
  if ('waitUs' in answer) throw new Error(`no slots for ${answer.waitUs} microseconds`);
  return answer;
}
