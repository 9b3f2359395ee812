import { areTimesLeftOut } from '../../../../services/consumer/src/meters/refusals.ts';
import type { JournalAnswer, JournalWrite } from '../../../../services/consumer/src/sending/write.ts';
import type { JournalFormat } from '../../../../shared/journal/format.ts';
import type { Addition, ShardState } from '../../../../shared/journal/journal.ts';
import type { Held, ModelShardJournal } from '../stores/model-journal.ts';
import type { ModelRedis } from '../models/model-redis.ts';
import type { World } from '../models/world.ts';

interface Writer {
  readonly world: World;
  readonly redis: ModelRedis;
  readonly shard: number;
  readonly held: Held;
  readonly format: JournalFormat;
}

/** A shard's write reaches Redis: the model of the journal decides, and the checker sees what it took. */
export function carryOut(write: JournalWrite, { world, redis, shard, held, format }: Writer): JournalAnswer {
  const { checker, tally, trace } = world;
  const journal = redis.journal(shard);
  const now = redis.nowMs;
  switch (write.kind) {
    case 'commit': {
      const answer = journal.commit(now, held, write.commit, format);
      tally.add('cursors forgotten', write.commit.forgottenCursors.length);
      if (answer.answer === 'ok') checker.committed(shard, write.commit, held.owner);
      else tally.add(`commits refused: ${answer.answer}`);
      if (trace.on)
        trace.line('redis', `commit of set ${write.commit.set} of shard ${shard} by ${held.owner}: ${answer.answer}`);
      return answer;
    }
    case 'mark': {
      const answer = journal.mark(now, held, write.set, write.token, write.entries);
      if (answer.answer === 'ok') checker.marked(shard, write.set, write.entries);
      return answer;
    }
    case 'progress': {
      const { set, token, settled, parked, additions } = write;
      const answer = journal.progress(now, held, set, token, settled, parked, additions, format);
      if (answer.answer !== 'ok') return answer;
      checker.journaled(parked);
      for (const { state } of parked) tally.add(`entries ${state}`);
      for (const addition of additions) noteAddition(addition, journal, world);
      return answer;
    }
    case 'complete': {
      const answer = journal.complete(now, held, write.set, write.token, write.progressWrites);
      if (answer.answer === 'ok') checker.completed(shard, write.set, write.token);
      return answer;
    }
    case 'settle_deferred': {
      const answer = journal.settleDeferred(now, held, write.identifier, write.outcome, format);
      const ending = write.outcome === 'accepted' ? 'accepted' : write.outcome.state;
      if (answer.answer === 'ok') {
        tally.add(`deferred entries ${ending}`);
        if (write.outcome !== 'accepted' && write.outcome.state === 'deferred')
          checker.markedDeferred(write.identifier);
      }
      return answer;
    }
    case 'read_totals':
      return journal.readTotals(now, held, write.fields);
    case 'read_sums': {
      const answer = journal.readSums(now, held, write.keys);
      if (answer.answer === 'ok' && answer.sums.size > 0) redis.sumsRead?.();
      return answer;
    }
    case 'peek_replays':
      return journal.peekReplays(now, held, write.max);
    case 'take_replays': {
      const answer = journal.takeReplays(now, held, write.replays, format);
      if (answer.answer === 'ok') checker.tookReplays(answer.taken);
      return answer;
    }
  }
}

/** Which of the two became of it is for the journal to say. */
function noteAddition({ to, own }: Addition, journal: ModelShardJournal, { checker, tally }: World): void {
  const kept = new Map(journal.parked().map((record) => [record.entry.identifier, record]));
  const sum = kept.get(to?.record.entry.identifier ?? '');
  checker.journaled([sum ?? kept.get(own.entry.identifier) ?? own]);
  tally.add('entries dead');
  if (sum !== undefined) tally.add('refused entries added');
  else tally.add(to === undefined ? 'refused entries begin a sum' : 'refused entries too late for a sum');
  if (areTimesLeftOut((sum ?? own).entry)) tally.add('refused entries without their times');
}

export function describeState(state: 'stale' | ShardState): string {
  if (state === 'stale') return 'stale';
  return `next ${state.next}, pending ${state.pending?.set ?? 'none'}`;
}

export function describeWrite(write: JournalWrite): string {
  switch (write.kind) {
    case 'commit': {
      const { set, entries, cursors } = write.commit;
      const seen = [...cursors].map(([key, cursor]) => `${key}=${cursor.split(';')[2]}`);
      return `commit of set ${set}: ${entries.length} entries, cursors ${seen.join(' ')}`;
    }
    case 'mark':
      return `mark of set ${write.set}: ${write.entries.join(' ')}`;
    case 'progress':
      return `progress of set ${write.set}: ${[...write.settled].map(([index, as]) => `${index} ${as}`).join(', ')}`;
    case 'complete':
      return `complete of set ${write.set}`;
    case 'settle_deferred':
      return `end of deferred ${write.identifier}: ${write.outcome === 'accepted' ? 'accepted' : write.outcome.state}`;
    case 'read_totals':
      return `look for ${write.fields.length} totals`;
    case 'read_sums':
      return `look for ${write.keys.length} sums`;
    case 'peek_replays':
      return `look for ${write.max} replays`;
    case 'take_replays':
      return `take of ${write.replays.map(({ entry }) => entry.identifier).join(' ')}`;
  }
}
