import type { RetryPolicy } from '../../../../shared/retry/delay.ts';

export interface SpoolLimits {
  /** Of all segments together, as they are on the disk. */
  readonly spoolBytes: number;
  /** A segment that has reached this is followed by another; what is confirmed is given up a segment at a time. */
  readonly segmentBytes: number;
  /** Kept free, so that a message that was admitted also fits: the largest record. */
  readonly reserveBytes: number;
  /** Written with one fsync. */
  readonly commitBytesMax: number;
  /** Waiting for the next fsync. */
  readonly waitingBytesMax: number;
  /** After a write that failed, until the disk is tried again. */
  readonly writePauseMs: number;
  /** Read at a time, and held ready to be published. */
  readonly readBytes: number;
  readonly windowBytesMax: number;
  /** Replayed messages that wait for their confirm. Live traffic shares the channel with no more than these. */
  readonly inFlightMax: number;
  /** What was confirmed within this is published again after a crash. */
  readonly saveIntervalMs: number;
  /** Of messages that the broker returned or refused, and of reads that failed. */
  readonly retry: RetryPolicy;
  /** Consumers know a message again for 40 days (invariant 4). */
  readonly ageMaxMs: number;
}

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
const dayMs = 24 * 60 * 60 * 1000;

export function spoolLimits(spoolBytes: number): SpoolLimits {
  return {
    spoolBytes,
    segmentBytes: Math.min(16 * mebibyte, Math.max(64 * kibibyte, Math.floor(spoolBytes / 16))),
    reserveBytes: 129 * kibibyte,
    commitBytesMax: 4 * mebibyte,
    waitingBytesMax: 8 * mebibyte,
    writePauseMs: 1_000,
    readBytes: mebibyte,
    windowBytesMax: 2 * mebibyte,
    inFlightMax: 256,
    saveIntervalMs: 1_000,
    retry: { baseMs: 100, maxMs: 5_000 },
    ageMaxMs: 35 * dayMs,
  };
}
