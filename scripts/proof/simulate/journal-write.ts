import type { JournalAnswer, JournalWrite } from '../../../services/consumer/src/sending/write.ts';
import type { JournalFormat } from '../../../shared/journal/format.ts';
import type { ShardState } from '../../../shared/journal/journal.ts';
import type { Held } from './model-journal.ts';
import type { ModelRedis } from './model-redis.ts';
import type { World } from './world.ts';

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
      const answer = journal.progress(now, held, write.set, write.token, write.settled, write.parked);
      if (answer.answer !== 'ok') return answer;
      checker.journaled(write.parked);
      for (const { state } of write.parked) tally.add(`entries ${state}`);
      return answer;
    }
    case 'complete': {
      const answer = journal.complete(now, held, write.set, write.token, write.progressWrites);
      if (answer.answer === 'ok') checker.completed(shard, write.set, write.token);
      return answer;
    }
    case 'settle_deferred': {
      const answer = journal.settleDeferred(now, held, write.identifier, write.outcome);
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
    case 'peek_replays':
      return journal.peekReplays(now, held, write.max);
    case 'take_replays': {
      const answer = journal.takeReplays(now, held, write.replays);
      if (answer.answer === 'ok') checker.tookReplays(answer.taken);
      return answer;
    }
  }
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
    case 'peek_replays':
      return `look for ${write.max} replays`;
    case 'take_replays':
      return `take of ${write.replays.map(({ entry }) => entry.identifier).join(' ')}`;
  }
}
