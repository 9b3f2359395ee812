import { onTestFinished } from 'vitest';
import { type Load, startLoad } from '../../../lab/load/load.ts';
import type { Stage } from './stage.ts';

const ratePerS = 400;
const customers = 60;
/** Small requests, so that many are under way at any moment. */
const batch = 5;

export interface TimedLoad extends Load {
  /** How many events it will have sent at its end. */
  readonly events: number;
}

/** A load on all sidecars that lasts this long, or longer if they do not answer. */
export function sendFor({ cluster }: Stage, durationMs: number): TimedLoad {
  const events = Math.round((durationMs / 1_000) * ratePerS);
  const load = startLoad({ targets: cluster.publishers.map(({ url }) => url), events, customers, ratePerS, batch });
  // Whoever awaits its end hears of a failure; a test that fails before must not fail a second time for it.
  load.finished.catch(() => undefined);
  onTestFinished(() => load.stop());
  return {
    events,
    get progress() {
      return load.progress;
    },
    finished: load.finished,
    end: () => load.end(),
    stop: () => load.stop(),
  };
}
