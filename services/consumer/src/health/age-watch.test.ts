import { expect, it } from 'vitest';
import { createLog } from '../../../../shared/log/log.ts';
import { Troubles } from '../../../../shared/log/troubles.ts';
import { AgeWatch } from './age-watch.ts';

const fine = { oldestHeldMs: 300_000, oldestAttemptMs: 0, idsForgottenEarly: 0 };
const hourMs = 3_600_000;

function setUp() {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const troubles = new Troubles(createLog({ service: 'test', level: 'info' }, { write }));
  return { watch: new AgeWatch(troubles), troubles, lines };
}

it('says what is held or unanswered for too long, and when that is over', () => {
  const { watch, troubles, lines } = setUp();
  watch.look(fine);
  expect(lines).toEqual([]);
  watch.look({ ...fine, oldestHeldMs: 901_000, oldestAttemptMs: 13 * hourMs });
  expect(lines).toMatchObject([
    { level: 'warn', reason: 'usage_held_long', heldS: 901 },
    { level: 'error', reason: 'outcome_unknown_long', ageH: 13 },
  ]);
  expect(troubles.remarks).toHaveLength(2);
  watch.look(fine);
  expect(troubles.remarks).toEqual([]);
  expect(lines.slice(2)).toMatchObject([{ level: 'info' }, { level: 'info' }]);
});

// A full table forgot ids an hour early, and only a metric knew of it.
it('says how many ids were forgotten early since it last looked', () => {
  const { watch, lines } = setUp();
  watch.look({ ...fine, idsForgottenEarly: 40 });
  watch.look({ ...fine, idsForgottenEarly: 40 });
  expect(lines).toMatchObject([{ level: 'warn', reason: 'ids_forgotten_early', times: 40 }]);
});
