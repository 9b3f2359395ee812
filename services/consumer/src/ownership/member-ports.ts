import type { BrokerConnection } from '../../../../shared/amqp/connection.ts';
import type { JournalFormat } from '../../../../shared/journal/format.ts';
import type { ParkedEntry, ShardJournal } from '../../../../shared/journal/journal.ts';
import type { Logger } from '../../../../shared/log/log.ts';
import type { Troubles } from '../../../../shared/log/troubles.ts';
import type { DeadLetters } from '../dead-letters/dead-letters.ts';
import type { CallSource } from '../dispatch/call.ts';
import type { MeterCatalog } from '../meters/meter-list.ts';
import type { ShardLimits } from '../shard/shard-limits.ts';
import type { Membership } from './membership.ts';
import type { ShardTotals } from './stats.ts';

/** What a member is told once, for its whole life. */
export interface MemberOptions {
  readonly namespace: string;
  readonly shards: number;
  readonly incarnation: string;
  /** Shard of each slot, as the topology has it. */
  readonly slots: readonly number[];
  readonly leaseMs: number;
  readonly drainMs: number;
  readonly callTimeoutMs: number;
  readonly windowMs: number;
  readonly windowMaxMs: number;
  readonly shard: Omit<ShardLimits, 'shard' | 'incarnation' | 'callTimeoutMs' | 'strandedMs' | 'drive'>;
}

/** What a member needs of the dispatcher of calls. */
export interface CallStarter {
  add(source: CallSource): void;
  remove(source: CallSource): void;
  wake(): void;
  inFlightOf(source: CallSource): number;
}

export interface MemberPorts {
  readonly broker: BrokerConnection;
  readonly membership: Membership;
  /** `format`: in which the cluster writes by then. */
  readonly journalOf: (shard: number, format: () => JournalFormat) => ShardJournal;
  readonly dispatcher: CallStarter;
  readonly deadLetters: DeadLetters;
  readonly troubles: Troubles;
  readonly log: Logger;
  /** The catalog that is known now; a member is only made once there is one. */
  readonly catalog: () => MeterCatalog;
  readonly needCatalog: (account: string) => void;
  /** The journal has these entries of a shard as parked now. */
  readonly parked: (shard: number, entries: readonly ParkedEntry[]) => void;
  /** Calls per second that the cluster may make now. */
  readonly budgetPerS: () => number;
  /** Totals of tenures that are over are added here. */
  readonly past: ShardTotals;
  /**
   * Redis contradicts what this process knows: nothing may go on. `fault` says what that means and what to run; `lost`: Redis
   * has lost writes, and the others may not know it.
   */
  readonly halted: (fault: string, lost: boolean) => void;
}
