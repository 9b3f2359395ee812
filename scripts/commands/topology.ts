import { usageExchange } from '../../shared/topology/names.ts';
import { formatOf, type JournalFormat, newestFormat } from '../../shared/journal/format.ts';
import { type Declaration, declareTopology } from '../../shared/topology/declare.ts';
import { type FormatChange, raiseJournalFormat } from '../../shared/topology/journal-format.ts';
import { reshard, type Resharded, type Stillness } from '../../shared/topology/reshard.ts';
import { exitCodes, onBacking, onRedis } from './backing.ts';
import { counted } from '../../shared/log/troubles.ts';

/**
 * `npm run topology`: declares exchange, queues and bindings, and the incarnation together with a new exchange only.
 * `npm run topology -- --reshard N`: changes the number of shards.
 * `npm run topology -- --journal-format N`: has the cluster write journals in this format at once.
 */
const sentences: Readonly<Record<Declaration['before'], string>> = {
  nothing: 'Declared anew.',
  unfinished: 'Finished what an earlier run had begun.',
  complete: 'It was declared before; nothing had to change.',
  lost:
    'It was declared before, but the broker had lost it, and with it every message that it held: usage that was confirmed and ' +
    'not billed yet is gone. The incarnation is a new one. If it only was the wrong broker, correct AMQP_URL and run this again.',
};

async function topology(args: readonly string[]): Promise<number> {
  const [option, number, ...more] = args;
  if (option === undefined) {
    return onBacking(process.env, async (place) => {
      const declaration = await declareTopology(place);
      console.log(report(declaration, place.namespace));
      return exitCodes.done;
    });
  }
  if (option === '--reshard' && number !== undefined && /^\d+$/.test(number) && more.length === 0) {
    return changeShards(Number(number));
  }
  const format = formatOf(number);
  if (option === '--journal-format' && format !== undefined && more.length === 0) return raiseFormat(format);
  console.error(
    `npm run topology takes --reshard N, --journal-format N (1 or 2) or nothing, not ${JSON.stringify(args.join(' '))}.`,
  );
  return exitCodes.usage;
}

function raiseFormat(format: JournalFormat): Promise<number> {
  return onRedis(process.env, async ({ redis, namespace }) => {
    const change = await raiseJournalFormat(redis, namespace, format);
    const isDone = change.answer === 'raised' || change.answer === 'already';
    if (isDone) console.log(formatSentence(change, format));
    else console.error(formatSentence(change, format));
    return isDone ? exitCodes.done : exitCodes.refused;
  });
}

function formatSentence(change: FormatChange, format: JournalFormat): string {
  switch (change.answer) {
    case 'raised':
      return `Journals are written in format ${format} from now on. A version that does not read it cannot join the cluster any more.`;
    case 'already':
      return format === newestFormat
        ? `Journals are written in format ${format} already.`
        : `Journals are written in a newer format already, and it cannot be taken back: what is written in it would not be read.`;
    case 'no_topology':
      return 'Redis has no topology. Nothing was changed. Run npm run topology.';
    case 'hindered':
      return (
        `Not every consumer reads journal format ${format}, so nothing was changed and usage is billed as before. Replace these with ` +
        `the newer version, then run this again: ${change.members.join(', ')}.`
      );
  }
}

function changeShards(to: number): Promise<number> {
  return onBacking(process.env, async (place) => {
    const interrupted = new AbortController();
    process.once('SIGINT', () => interrupted.abort());
    process.once('SIGTERM', () => interrupted.abort());
    const ended = await reshard(place, {
      to,
      waiting: (stillness) => console.log(wait(stillness)),
      signal: interrupted.signal,
    });
    console.log(reshardSentences[ended](to));
    return ended === 'interrupted' ? exitCodes.refused : exitCodes.done;
  });
}

const reshardSentences: Readonly<Record<Resharded, (to: number) => string>> = {
  done: (to) =>
    `The cluster has ${counted(to, 'shard')}. Start the consumers with TALLYMAN_SHARDS=${to}; publishers go on by themselves.`,
  already: (to) => `The cluster has ${counted(to, 'shard')} already; nothing had to change.`,
  interrupted: (to) =>
    'Interrupted. The cluster is still paused: publishers keep usage in their spools. ' +
    `Go on with npm run topology -- --reshard ${to}, or go back with npm run topology.`,
};

function wait({ ready, pending, consumers }: Stillness): string {
  const state = `Publishers are paused. ${counted(ready, 'message')} ready, ${counted(pending, 'shard')} with a set pending, ${counted(consumers, 'consumer')}.`;
  if (ready + pending > 0 && consumers === 0)
    return `${state} Start a consumer with the old number of shards: it settles them.`;
  if (ready + pending > 0) return `${state} Waiting until consumers have settled that.`;
  return `${state} Now stop the consumers (SIGTERM): each settles first what it holds.`;
}

function report({ topology, before, made }: Declaration, namespace: string): string {
  const { shards, slots, incarnation, createdAtMs, format } = topology;
  const repaired = before === 'complete' && made.length > 0;
  const sentence = repaired ? `Declared again what was missing: ${made.join(', ')}.` : sentences[before];
  return [
    `${usageExchange(namespace)}: ${slots.length} slots on ${counted(shards, 'shard queue')}.`,
    `Incarnation ${incarnation}, made ${new Date(createdAtMs).toISOString()}.`,
    formatReport(format),
    sentence,
  ].join('\n');
}

function formatReport(format: JournalFormat): string {
  if (format === newestFormat) return `Journal format ${format}.`;
  return (
    `Journal format ${format}. Format ${newestFormat} is written once every consumer has read it for an hour, or at once with ` +
    `npm run topology -- --journal-format ${newestFormat}; then the version before cannot join any more.`
  );
}

process.exitCode = await topology(process.argv.slice(2));
