/**
 * The spool under schedules that nobody thought of: processes and machines that end at any operation, disks that fill up,
 * messages that the broker returns, refuses or never answers, connections that end. fast-check prints the seed and the
 * shortest failing schedule.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Life, nameOf, record } from './bench.ts';
import type { Replay } from './core.ts';
import { type Crash, Crashed, ModelDisk } from './model-disk.ts';

type Action =
  | { readonly do: 'append'; readonly bytes: number }
  | { readonly do: 'work'; readonly on: number }
  | { readonly do: 'publish' | 'lose' | 'fill' | 'free' }
  | { readonly do: 'answer'; readonly verdict: 'confirmed' | 'refused' | 'returned' }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'crash'; readonly crash: Crash; readonly after: number };

class World {
  disk = new ModelDisk();
  /** Undefined while it cannot begin, as on a full disk. */
  life: Life | undefined;
  sequence = 0;
  readonly stored = new Set<string>();
  readonly confirmed = new Set<string>();
  readonly bodies = new Map<string, string>();
  wire: Replay[] = [];
  crashes = 0;

  async run(action: Action): Promise<void> {
    try {
      await this.#act(action);
    } catch (error) {
      if (!(error instanceof Crashed)) throw error;
      await this.restart('kill');
    }
    for (const { origin } of this.life?.stored ?? []) this.stored.add(nameOf(origin));
  }

  async restart(crash: Crash): Promise<void> {
    this.crashes++;
    this.life = undefined;
    this.wire = [];
    const { isFull } = this.disk;
    this.disk = this.disk.after(crash);
    this.disk.isFull = isFull;
    await this.begin();
  }

  async begin(): Promise<void> {
    try {
      this.life = await Life.begin(this.disk);
    } catch (error) {
      if (!this.disk.isFull) throw error;
    }
  }

  async #act(action: Action): Promise<void> {
    const { life } = this;
    switch (action.do) {
      case 'append': {
        const kept = record(++this.sequence, 'b'.repeat(action.bytes));
        this.bodies.set(nameOf(kept.origin), kept.body.toString());
        life?.append(kept);
        break;
      }
      case 'work':
        if (life !== undefined && life.pending > 0) await life.workOn(action.on);
        break;
      case 'publish': {
        const replay = life?.next();
        if (replay !== undefined) this.wire.push(replay);
        break;
      }
      case 'answer':
        this.#answer(action.verdict);
        break;
      case 'lose':
        if (life !== undefined) life.generation++;
        life?.step({ kind: 'lost' });
        this.wire = [];
        break;
      case 'fill':
        this.disk.isFull = true;
        break;
      case 'free':
        this.disk.isFull = false;
        if (life === undefined) await this.begin();
        break;
      case 'pass':
        if (life === undefined) break;
        life.nowMs += action.ms;
        life.step({ kind: 'ticked' });
        break;
      case 'crash':
        this.disk.crashAfter(action.after);
        try {
          await life?.work();
        } catch (error) {
          if (!(error instanceof Crashed)) throw error;
        }
        for (const { origin } of life?.stored ?? []) this.stored.add(nameOf(origin));
        await this.restart(action.crash);
        break;
    }
  }

  #answer(verdict: 'confirmed' | 'refused' | 'returned'): void {
    const replay = this.wire.shift();
    const { life } = this;
    if (replay === undefined || life === undefined) return;
    const { origin, ticket, body } = replay;
    if (body.toString() !== this.bodies.get(nameOf(origin))) throw new Error(`${nameOf(origin)} has other bytes`);
    if (verdict === 'returned') life.step({ kind: 'returned', generation: life.generation, origin });
    if (verdict === 'confirmed') this.confirmed.add(nameOf(origin));
    life.step({ kind: verdict === 'refused' ? 'refused' : 'confirmed', generation: life.generation, ticket });
  }

  /** From here on everything works. */
  async settle(): Promise<void> {
    await this.run({ do: 'free' });
    await this.run({ do: 'lose' });
    for (const { origin } of (await this.life?.replayAll()) ?? []) this.confirmed.add(nameOf(origin));
    for (const { origin } of this.life?.stored ?? []) this.stored.add(nameOf(origin));
  }
}

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('append'), bytes: fc.integer({ min: 1, max: 150 }) }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('work'), on: fc.nat({ max: 3 }) }) },
  { weight: 5, arbitrary: fc.constantFrom<Action>({ do: 'publish' }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('answer'),
      verdict: fc.constantFrom('confirmed', 'confirmed', 'confirmed', 'refused', 'returned'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.constantFrom(1, 100, 500, 1_000, 6_000) }) },
  { weight: 1, arbitrary: fc.constantFrom<Action>({ do: 'lose' }, { do: 'fill' }, { do: 'free' }, { do: 'free' }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('crash'),
      crash: fc.constantFrom<Crash>('kill', 'power', 'torn'),
      after: fc.nat({ max: 8 }),
    }),
  },
);

it('keeps its guarantees under any schedule', async () => {
  const seen = { stored: 0, declined: 0, crashes: 0, parked: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 100, size: 'max' }), async (actions) => {
      const world = new World();
      await world.begin();
      for (const next of actions) await world.run(next);
      await world.settle();
      const lost = [...world.stored].filter((name) => !world.confirmed.has(name));
      expect(lost).toEqual([]);
      expect([world.life?.core.records, world.life?.core.bytes]).toEqual([0, 0]);
      seen.stored += world.stored.size;
      seen.declined += world.life?.declined.length ?? 0;
      seen.crashes += world.crashes;
      seen.parked += world.disk.names().filter((name) => name.endsWith('.damaged')).length;
    }),
    { numRuns: 400 },
  );
  // The schedules reach everything often, or they would prove little.
  expect(Math.min(seen.stored, seen.declined, seen.crashes)).toBeGreaterThan(200);
});
