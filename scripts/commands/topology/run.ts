import type { JournalFormat } from '../../../shared/journal/format.ts';
import { declareTopology } from '../../../shared/topology/declare.ts';
import { raiseJournalFormat } from '../../../shared/topology/journal-format.ts';
import { reshard } from '../../../shared/topology/reshard.ts';
import { onBacking, onRedis } from '../backing.ts';
import { exitCodes } from '../program.ts';
import type { TopologyOptions } from '../topology.ts';
import { formatSentence, plainDeclaration, report, reshardSentences, waitSentence } from './report.ts';

export function topology({ reshard: shards, journalFormat, json = false }: TopologyOptions): Promise<number> {
  if (shards !== undefined) return changeShards(shards, json);
  if (journalFormat !== undefined) return raiseFormat(journalFormat, json);
  return onBacking(process.env, async (place) => {
    const declaration = await declareTopology(place);
    console.log(json ? JSON.stringify(plainDeclaration(declaration)) : report(declaration, place.namespace));
    return exitCodes.done;
  });
}

function raiseFormat(journalFormat: JournalFormat, json: boolean): Promise<number> {
  return onRedis(process.env, async ({ redis, namespace }) => {
    const change = await raiseJournalFormat(redis, namespace, journalFormat);
    const isDone = change.answer === 'raised' || change.answer === 'already';
    const sentence = formatSentence(change, journalFormat);
    if (json) console.log(JSON.stringify({ journalFormat, ...change }));
    else if (isDone) console.log(sentence);
    else console.error(sentence);
    return isDone ? exitCodes.done : exitCodes.refused;
  });
}

function changeShards(to: number, json: boolean): Promise<number> {
  return onBacking(process.env, async (place) => {
    const interrupted = new AbortController();
    process.once('SIGINT', () => interrupted.abort());
    process.once('SIGTERM', () => interrupted.abort());
    const answer = await reshard(place, {
      to,
      waiting: (stillness) =>
        console.log(json ? JSON.stringify({ answer: 'waiting', ...stillness }) : waitSentence(stillness)),
      signal: interrupted.signal,
    });
    console.log(json ? JSON.stringify({ answer, shards: to }) : reshardSentences[answer](to));
    return answer === 'interrupted' ? exitCodes.refused : exitCodes.done;
  });
}
