import { expect, it } from 'vitest';
import { createLog } from '../../../../shared/log/log.ts';
import { OwnershipLog } from './ownership-log.ts';

function setUp() {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const ownership = new OwnershipLog(createLog({ service: 'test', level: 'info' }, { write }));
  const told = () => {
    ownership.flush();
    return lines.splice(0).map(({ level, shards, from, owner, reason, msg }) => ({
      ...{ level, shards, msg: String(msg) },
      ...(from === undefined ? {} : { from }),
      ...(owner === undefined ? {} : { owner }),
      ...(reason === undefined ? {} : { reason }),
    }));
  };
  return { ownership, told };
}

// A consumer was frozen and another one took its shards: "Took over a shard." sixteen times, and nobody said from whom or why.
it('says from whom shards were taken that had not renewed their leases, in one line', () => {
  const { ownership, told } = setUp();
  for (const shard of [2, 0, 1]) ownership.claimRefused(shard, 'consumer-a', 900, 1_000);
  for (const shard of [2, 0, 1]) ownership.claimGranted(shard, 1_901);
  expect(told()).toEqual([
    { level: 'warn', shards: [0, 1, 2], from: 'consumer-a', msg: expect.stringMatching(/did not renew/) },
  ]);
});

it('tells those that were given back from those that nobody held', () => {
  const { ownership, told } = setUp();
  ownership.claimRefused(3, 'consumer-a', 9_000, 1_000);
  ownership.claimGranted(3, 1_500);
  ownership.claimGranted(4, 1_500);
  expect(told()).toEqual([
    { level: 'info', shards: [3], from: 'consumer-a', msg: 'Took over shards that another consumer gave back.' },
    { level: 'info', shards: [4], msg: 'Took over shards that nobody held.' },
  ]);
});

it('says why shards were lost, and with whom they are once that is known', () => {
  const { ownership, told } = setUp();
  ownership.ended(5, 'lease_expired');
  ownership.ended(6, 'lease_expired');
  ownership.ended(7, 'stale');
  expect(told()).toEqual([
    {
      level: 'warn',
      shards: [5, 6],
      reason: 'lease_expired',
      msg: expect.stringMatching(/^Lost shards: Redis did not/),
    },
    {
      level: 'warn',
      shards: [7],
      reason: 'stale',
      msg: expect.stringMatching(/^Lost shards: their leases had run out/),
    },
  ]);
  ownership.claimRefused(5, 'consumer-b', 5_000, 2_000);
  ownership.claimRefused(5, 'consumer-b', 4_500, 2_500);
  expect(told()).toEqual([
    { level: 'info', shards: [5], owner: 'consumer-b', msg: expect.stringMatching(/belong to another/) },
  ]);
});

it('does not call given back what was lost', () => {
  const { ownership, told } = setUp();
  ownership.ended(5, 'released');
  ownership.claimRefused(5, 'consumer-b', 5_000, 2_000);
  expect(told()).toEqual([{ level: 'info', shards: [5], msg: 'Gave shards back.' }]);
});
