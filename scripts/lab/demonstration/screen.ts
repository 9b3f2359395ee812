import { stripVTControlCharacters, styleText } from 'node:util';
import { createLogUpdate } from 'log-update';
import type { Snapshot } from './observer.ts';

/** Shows where the usage is: a block that redraws itself in a terminal, else a line every few seconds. */
export interface Screen {
  show(snapshot: Snapshot): void;
  /** Says something that stays. */
  note(text: string): void;
  /** Leaves the last block standing. */
  end(): void;
}

const lineEveryMs = 5_000;
const barWidth = 40;

export function openScreen(out: NodeJS.WriteStream, events: number): Screen {
  return out.isTTY ? terminalScreen(out, events) : plainScreen(out, events);
}

function terminalScreen(out: NodeJS.WriteStream, events: number): Screen {
  const block = createLogUpdate(out);
  const rates = new Rates();
  return {
    show: (snapshot) => block(renderBlock(snapshot, events, rates.since(snapshot))),
    note(text) {
      block.clear();
      out.write(`${text}\n`);
    },
    end: () => block.done(),
  };
}

function plainScreen(out: NodeJS.WriteStream, events: number): Screen {
  let shownAtMs = 0;
  return {
    show(snapshot) {
      if (snapshot.elapsedMs - shownAtMs < lineEveryMs) return;
      shownAtMs = snapshot.elapsedMs;
      out.write(`${renderLine(snapshot, events)}\n`);
    },
    note: (text) => void out.write(`${stripVTControlCharacters(text)}\n`),
    end: () => undefined,
  };
}

export function renderLine(snapshot: Snapshot, events: number): string {
  const { elapsedMs, sent, durable, billed, meterEvents, owners } = snapshot;
  const shards = owners.map(({ name, shards }) => `${name} ${shards}`).join(', ');
  return (
    `${clock(elapsedMs)}  sent ${count(sent)} of ${count(events)} · durable ${count(durable)} · ` +
    `held ${count(durable - billed)} · billed ${count(billed)} in ${count(meterEvents)} calls · shards: ${shards}`
  );
}

interface Speeds {
  readonly sent: number;
  readonly billed: number;
  readonly meterEvents: number;
}

function renderBlock(snapshot: Snapshot, events: number, perS: Speeds): string {
  const { elapsedMs, sent, durable, billed, meterEvents, repeated, retries, owners } = snapshot;
  const row = (name: string, value: number, rest: string) =>
    `  ${styleText('dim', name.padEnd(8))} ${count(value).padStart(11)}  ${rest}`;
  const shards = owners.map(({ name, shards }) => `${name} ${'■'.repeat(shards)} ${shards}`).join('   ');
  return [
    '',
    `  ${clock(elapsedMs)}  ${bar(billed / events, durable / events)}  ${Math.floor((100 * billed) / events)} % billed`,
    row('sent', sent, `of ${count(events)}, ${count(perS.sent)}/s; ${count(repeated)} of them twice on purpose`),
    row('durable', durable, `answered 202${retries === 0 ? '' : `; ${count(retries)} requests sent again unanswered`}`),
    row('held', durable - billed, 'in the broker, until they are billed'),
    row(
      'billed',
      billed,
      `${count(perS.billed)}/s, in ${count(meterEvents)} calls to Stripe, ${count(perS.meterEvents)}/s`,
    ),
    `  ${styleText('dim', 'shards')}   ${shards}`,
    '',
  ].join('\n');
}

/** Billed, held and not yet sent, as parts of everything. */
function bar(billed: number, durable: number): string {
  const full = Math.floor(billed * barWidth);
  const half = Math.max(0, Math.floor(durable * barWidth) - full);
  const empty = Math.max(0, barWidth - full - half);
  return styleText('green', '█'.repeat(full)) + styleText('yellow', '▒'.repeat(half)) + '░'.repeat(empty);
}

/** Speeds over the last seconds: one between two looks jumps too much to be read. */
class Rates {
  readonly #past: Snapshot[] = [];

  since(now: Snapshot): Speeds {
    this.#past.push(now);
    if (this.#past.length > 8) this.#past.shift();
    const then = this.#past[0] ?? now;
    const seconds = Math.max(0.001, (now.elapsedMs - then.elapsedMs) / 1_000);
    return {
      sent: (now.sent - then.sent) / seconds,
      billed: (now.billed - then.billed) / seconds,
      meterEvents: (now.meterEvents - then.meterEvents) / seconds,
    };
  }
}

export function count(number: number): string {
  return Math.max(0, Math.round(number)).toLocaleString('en-US');
}

export function clock(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  return `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`;
}
