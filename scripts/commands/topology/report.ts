import { type JournalFormat, newestFormat } from '../../../shared/journal/format.ts';
import { counted } from '../../../shared/log/troubles.ts';
import type { Declaration } from '../../../shared/topology/declare.ts';
import type { FormatChange } from '../../../shared/topology/journal-format.ts';
import { usageExchange } from '../../../shared/topology/names.ts';
import type { Topology } from '../../../shared/topology/record.ts';
import type { Resharded, Stillness } from '../../../shared/topology/reshard.ts';

/** What `tallyman topology` says. */

const sentences: Readonly<Record<Declaration['before'], string>> = {
  nothing: 'Declared anew.',
  unfinished: 'Finished what an earlier run had begun.',
  complete: 'It was declared before; nothing had to change.',
  lost:
    'It was declared before, but the broker had lost it, and with it every message that it held: usage that was confirmed and ' +
    'not billed yet is gone. The incarnation is a new one. If it only was the wrong broker, correct AMQP_URL and run this again.',
};

export function report({ topology, before, made }: Declaration, namespace: string): string {
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
    `tallyman topology --journal-format ${newestFormat}; then the version before cannot join any more.`
  );
}

/** For programs. */
export function plainDeclaration({ topology, before, made }: Declaration): object {
  return { ...plainTopology(topology), before, made };
}

export function plainTopology({ incarnation, createdAtMs, shards, format, slots }: Topology): object {
  return { incarnation, createdAt: new Date(createdAtMs).toISOString(), shards, journalFormat: format, slots };
}

export function formatSentence(change: FormatChange, format: JournalFormat): string {
  switch (change.answer) {
    case 'raised':
      return `Journals are written in format ${format} from now on. A version that does not read it cannot join the cluster any more.`;
    case 'already':
      return format === newestFormat
        ? `Journals are written in format ${format} already.`
        : `Journals are written in a newer format already, and it cannot be taken back: what is written in it would not be read.`;
    case 'no_topology':
      return 'Redis has no topology. Nothing was changed. Run tallyman topology.';
    case 'hindered':
      return (
        `Not every consumer reads journal format ${format}, so nothing was changed and usage is billed as before. Replace these with ` +
        `the newer version, then run this again: ${change.members.join(', ')}.`
      );
  }
}

export const reshardSentences: Readonly<Record<Resharded, (to: number) => string>> = {
  done: (to) =>
    `The cluster has ${counted(to, 'shard')}. Start the consumers with TALLYMAN_SHARDS=${to}; publishers go on by themselves.`,
  already: (to) => `The cluster has ${counted(to, 'shard')} already; nothing had to change.`,
  interrupted: (to) =>
    'Interrupted. The cluster is still paused: publishers keep usage in their spools. ' +
    `Go on with tallyman topology --reshard ${to}, or go back with tallyman topology.`,
};

export function waitSentence({ ready, pending, consumers }: Stillness): string {
  const state = `Publishers are paused. ${counted(ready, 'message')} ready, ${counted(pending, 'shard')} with a set pending, ${counted(consumers, 'consumer')}.`;
  if (ready + pending > 0 && consumers === 0)
    return `${state} Start a consumer with the old number of shards: it settles them.`;
  if (ready + pending > 0) return `${state} Waiting until consumers have settled that.`;
  return `${state} Now stop the consumers (SIGTERM): each settles first what it holds.`;
}
