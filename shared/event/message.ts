import { isUtf8 } from 'node:buffer';
import { EventFault, shown } from './event-fault.ts';
import { parseExactly } from './exact-json.ts';
import { isRecord, isUnixSeconds, type UnknownRecord } from './fields.ts';
import { slotCount, slotOf } from './lane.ts';
import { decodeEvent } from './stored-event.ts';
import type { MessageOrigin, UsageEvent, UsageMessage } from './usage-event.ts';
import { counted } from '../log/troubles.ts';

/**
 * The broker message (ARCHITECTURE.md 3.2; README.md beside this file). Writing is split in two, because events are serialised
 * when they are accepted and become a message later: `encodeEvent` (stored-event.ts) for each, `encodeMessage` around them. Reading is
 * strict, since anybody may have written the message: whatever is not exactly of this format is not counted.
 */
export const messageVersion = 1;

/** The headers' names; part of the format. */
export const producerHeader = 'x-producer';
export const slotHeader = 'x-slot';
export const sequenceHeader = 'x-sequence';

const producerPattern = /^[A-Za-z0-9_-]{1,64}$/;

export const unreadableReasons = {
  origin_invalid: 'The headers x-producer, x-slot and x-sequence do not say which message this is.',
  body_not_utf8: 'The body is not UTF-8.',
  body_not_json: 'The body is not JSON.',
  version_unknown: 'The body is of a version that this reader does not know.',
  envelope_invalid: 'A field around the events is missing, unknown or of the wrong type.',
  events_empty: 'There is no event in it.',
  event_invalid: 'A field of an event is missing, unknown or out of bounds.',
  slot_mismatch: 'An event belongs to another slot than the message.',
} as const;

export type UnreadableReason = keyof typeof unreadableReasons;

/** The message cannot be counted, now or later. It belongs in the dead-letter queue, with its reason. */
export class UnreadableMessage extends Error {
  readonly reason: UnreadableReason;

  constructor(reason: UnreadableReason, detail: string) {
    super(detail);
    this.name = 'UnreadableMessage';
    this.reason = reason;
  }
}

export type MessageEnvelope = Omit<UsageMessage, 'version' | 'events'>;

/** The message's bytes, from events that `encodeEvent` wrote. */
export function encodeMessage(envelope: MessageEnvelope, events: readonly string[]): Buffer {
  const source = JSON.stringify(envelope.source);
  const region = JSON.stringify(envelope.region);
  const head = `{"version":${messageVersion},"receivedAt":${envelope.receivedAt},"source":${source},"region":${region},"events":[`;
  return Buffer.from(`${head}${events.join(',')}]}`, 'utf8');
}

export function encodeHeaders(origin: MessageOrigin): Record<string, string | number> {
  return { [producerHeader]: origin.producer, [slotHeader]: origin.slot, [sequenceHeader]: origin.sequence };
}

/** @throws {UnreadableMessage} */
export function decodeMessage(body: Uint8Array, headers: unknown): { origin: MessageOrigin; message: UsageMessage } {
  const origin = decodeOrigin(headers);
  const { version, receivedAt, source, region, events, ...rest } = parseBody(body);
  if (version !== messageVersion)
    unreadable('version_unknown', `version is ${shown(version)}, known is ${messageVersion}`);
  if (!isUnixSeconds(receivedAt))
    unreadable('envelope_invalid', `receivedAt is ${shown(receivedAt)}, not unix seconds`);
  if (typeof source !== 'string') unreadable('envelope_invalid', `source is ${shown(source)}, not a string`);
  if (typeof region !== 'string') unreadable('envelope_invalid', `region is ${shown(region)}, not a string`);
  if (!Array.isArray(events)) unreadable('envelope_invalid', `events is ${shown(events)}, not an array`);
  if (events.length === 0) unreadable('events_empty', 'events is an empty array');
  for (const field in rest)
    unreadable('envelope_invalid', `the field ${shown(field)} is not of version ${messageVersion}`);

  const decoded: UsageEvent[] = [];
  for (const item of events) {
    const event = decodeEvent(item);
    if (event instanceof EventFault) unreadable('event_invalid', `events[${decoded.length}], ${event.message}`);
    const slot = slotOf(event);
    if (slot !== origin.slot)
      unreadable('slot_mismatch', `events[${decoded.length}] is of slot ${slot}, not ${origin.slot}`);
    decoded.push(event);
  }
  return { origin, message: { version: messageVersion, receivedAt, source, region, events: decoded } };
}

function decodeOrigin(headers: unknown): MessageOrigin {
  if (!isRecord(headers)) unreadable('origin_invalid', 'the message has no headers');
  const producer = headers[producerHeader];
  const slot = headers[slotHeader];
  const sequence = headers[sequenceHeader];
  if (typeof producer !== 'string' || !producerPattern.test(producer)) {
    unreadable('origin_invalid', `${producerHeader} is ${shown(producer)}, not 1 to 64 of A-Z, a-z, 0-9, _ and -`);
  }
  if (!isIntegerFrom(slot, 0) || slot >= slotCount) {
    unreadable('origin_invalid', `${slotHeader} is ${shown(slot)}, not an integer from 0 to ${slotCount - 1}`);
  }
  if (!isIntegerFrom(sequence, 1)) {
    unreadable('origin_invalid', `${sequenceHeader} is ${shown(sequence)}, not an integer from 1 to 2^53 - 1`);
  }
  return { producer, slot, sequence };
}

function parseBody(body: Uint8Array): UnknownRecord {
  if (!isUtf8(body)) unreadable('body_not_utf8', `the body of ${counted(body.byteLength, 'byte')} is not UTF-8`);
  let parsed: unknown;
  try {
    parsed = parseExactly(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch (error) {
    unreadable('body_not_json', error instanceof Error ? error.message : String(error));
  }
  if (!isRecord(parsed)) unreadable('envelope_invalid', `the body is ${shown(parsed)}, not an object`);
  return parsed;
}

function unreadable(reason: UnreadableReason, detail: string): never {
  throw new UnreadableMessage(reason, detail);
}

function isIntegerFrom(value: unknown, from: number): value is number {
  return Number.isSafeInteger(value) && typeof value === 'number' && value >= from;
}
