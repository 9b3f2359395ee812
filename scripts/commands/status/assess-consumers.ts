import { counted } from '../../../shared/log/troubles.ts';
import type { ConsumerView } from '../../../services/consumer/src/view/stored-view.ts';
import type { Finding } from './finding.ts';
import type { Look } from './look.ts';

/** What a consumer says and what ends without a person. Everything else that it says needs one. */
const endsByItself: readonly RegExp[] = [
  /^It is draining\.$/,
  /^It is not a member of the cluster yet/,
  /^The billing provider answered 429/,
];
const namesShown = 5;
const readyz = "Look at the consumers' /readyz";

/** Views of consumers that live: one that was killed as a member is none any more as soon as its heartbeat has run out. */
function viewsOf({ views, members }: Look): readonly ConsumerView[] {
  return views.filter(({ member }) => member === undefined || members.includes(member));
}

/** Members whose view is absent or too old: of an older version, or Redis did not take it. */
function silent(look: Look): readonly string[] {
  const heard = new Set(viewsOf(look).map(({ member }) => member));
  return look.members.filter((member) => !heard.has(member));
}

/** Each remark once, with who has it. */
export function ofRemarks(look: Look): Finding[] {
  const who = new Map<string, string[]>();
  for (const { consumer, reasons, remarks, member } of viewsOf(look)) {
    const waits = member === undefined && reasons.length === 0 && remarks.length === 0;
    const said = waits ? ['It is not a member of the cluster yet.'] : [...reasons, ...remarks];
    const name = member === undefined ? `${consumer}, no member` : consumer;
    for (const text of new Set(said)) who.set(text, [...(who.get(text) ?? []), name]);
  }
  return [...who].map(([text, consumers]): Finding => {
    const finding = { text: `${text} (${names(consumers)})` };
    return endsByItself.some((pattern) => pattern.test(text))
      ? { kind: 'waiting', ...finding }
      : { kind: 'wrong', ...finding };
  });
}

export function ofSilentConsumers(look: Look): Finding[] {
  const without = silent(look);
  if (without.length === 0) return [];
  const text = `What ${counted(without.length, 'consumer')} of ${look.members.length} ${without.length === 1 ? 'sees' : 'see'} is not known (${names(without)}): an older version, or Redis does not take what they write.`;
  return [{ kind: 'unknown', text, advice: readyz }];
}

/** What consumers have taken from the queues. The broker does not tell over AMQP. */
export function ofHeld(look: Look): Finding[] {
  const views = viewsOf(look);
  const sum = (of: (view: ConsumerView) => number): number => views.reduce((total, view) => total + of(view), 0);
  const held = sum(({ messagesHeld }) => messagesHeld);
  if (held === 0) return [];
  const open = sum(({ eventsOpen }) => eventsOpen);
  const pending = sum(({ entriesPending }) => entriesPending);
  const parts = [
    ...(open === 0 ? [] : [`${counted(open, 'event')} until the next flush`]),
    ...(pending === 0 ? [] : [`${pending} ${pending === 1 ? 'entry' : 'entries'} on the way to Stripe`]),
  ];
  const detail = parts.length === 0 ? '' : ` (${parts.join(', ')})`;
  return [
    {
      kind: 'waiting',
      text: `${counted(held, 'message')} ${held === 1 ? 'is' : 'are'} held by consumers until ${held === 1 ? 'it is' : 'they are'} billed${detail}.`,
    },
  ];
}

/** Whether nothing that consumers hold can be unknown. */
export function isHeldKnown(look: Look): boolean {
  return silent(look).length === 0 && look.away.redis === undefined;
}

function names(consumers: readonly string[]): string {
  const more = consumers.length - namesShown;
  return `${consumers.slice(0, namesShown).join(', ')}${more > 0 ? `, and ${counted(more, 'other')}` : ''}`;
}
