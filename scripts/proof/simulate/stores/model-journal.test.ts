import { newestFormat } from '../../../../shared/journal/format.ts';
import { journalContract } from '../../../../shared/testing/journal-contract.ts';
import { modelHandle, ModelShardJournal } from './model-journal.ts';

journalContract('the model', async () => {
  const model = new ModelShardJournal();
  let redisMs = 1_795_316_400_000;
  return {
    handle: (format = () => newestFormat) =>
      modelHandle(
        model,
        () => redisMs,
        () => ({ reads: newestFormat, writes: format() }),
      ),
    elapse: async (ms) => {
      redisMs += ms;
    },
    parked: async () => model.parked(),
    replay: async (identifier, decision) => model.replay(identifier, decision) !== undefined,
    discard: async (identifier, decision) => model.close(identifier, 'discarded', decision),
    closed: async () => model.closed(),
  };
});
