import { describe } from 'vitest';
import { commitContract } from './journal-contract-commit.ts';
import { formatContract } from './journal-contract-format.ts';
import { leaseContract } from './journal-contract-lease.ts';
import { replayContract } from './journal-contract-replay.ts';
import { settlingContract } from './journal-contract-settling.ts';
import { sumsContract } from './journal-contract-sums.ts';
import type { JournalGround } from './journal-samples.ts';

export type { JournalGround };

/**
 * What every journal of a shard must answer (ARCHITECTURE.md 4). It runs against Redis and against the simulation's model,
 * so that what the simulation proves holds for the real thing. `makeGround` gives each test a shard of its own.
 */
export function journalContract(name: string, makeGround: () => Promise<JournalGround>): void {
  describe(`journal contract: ${name}`, () => {
    leaseContract(makeGround);
    commitContract(makeGround);
    settlingContract(makeGround);
    sumsContract(makeGround);
    replayContract(makeGround);
    formatContract(makeGround);
  });
}
