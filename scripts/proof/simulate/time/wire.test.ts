import { describe, expect, it } from 'vitest';
import { Random } from './random.ts';
import { Timeline } from './timeline.ts';
import { Wire } from './wire.ts';

function arrivals(trouble: (wire: Wire, timeline: Timeline) => void): number[] {
  const timeline = new Timeline();
  const random = new Random(7);
  const wire = new Wire(timeline, () => random.between(0, 50));
  const arrived: number[] = [];
  for (let sent = 0; sent < 100; sent++) timeline.at(sent, () => wire.send(() => arrived.push(sent)));
  trouble(wire, timeline);
  timeline.run();
  return arrived;
}

const all = Array.from({ length: 100 }, (_, index) => index);

describe('a wire', () => {
  it('keeps the order of what is sent, however long each takes', () => {
    expect(arrivals(() => undefined)).toEqual(all);
  });

  it('keeps it over stalls, in which nothing is lost', () => {
    const arrived = arrivals((wire, timeline) => {
      timeline.at(20, () => wire.stall(40));
      timeline.at(50, () => wire.stall(100));
    });
    expect(arrived).toEqual(all);
  });

  it('loses the end of what was under way when it is cut, and nothing from the middle', () => {
    const arrived = arrivals((wire, timeline) => timeline.at(60, () => wire.cut()));
    expect(arrived.length).toBeGreaterThan(10);
    expect(arrived.length).toBeLessThan(60);
    expect(arrived).toEqual(all.slice(0, arrived.length));
  });
});
