import type { ConsumeMessage } from 'amqplib';
import { producerHeader, sequenceHeader, slotHeader } from '../../../../shared/event/message.ts';

/** An unreadable message as it is published to the dead-letter exchange. */
export interface Letter {
  readonly routingKey: string;
  readonly headers: Readonly<Record<string, unknown>>;
  /** The body; in several parts, each a message of its own, if the broker takes it only so. */
  readonly parts: readonly Buffer[];
}

export const reasonHeader = 'x-tallyman-reason';
export const detailHeader = 'x-tallyman-detail';
/** What the copy lacks of the original. */
export const omittedHeader = 'x-tallyman-omitted';
/** `2/5`: the second of five parts of one body. */
export const partHeader = 'x-tallyman-part';

const detailLengthMax = 500;
const textLengthMax = 255;
/** Every broker takes as much in one message. */
export const partBytes = 1024 * 1024;

/**
 * The ways to publish a message that cannot be read, the most complete first. Whatever publishes it may have written what cannot be
 * written again: a header can be read and not encoded (a timestamp of 2^64 - 1, 65 KB of them), and a body can be
 * larger than the broker takes by now. The reason is there in each of them, and no byte of the body is left out.
 */
export function lettersOf({ content, fields, properties }: ConsumeMessage, reason: string, detail: string): Letter[] {
  const why = { [reasonHeader]: reason, [detailHeader]: detail.slice(0, detailLengthMax) };
  const bare = { ...originOf(properties.headers), ...why, [omittedHeader]: 'headers' };
  const letters: Letter[] = [
    { routingKey: fields.routingKey, headers: { ...properties.headers, ...why }, parts: [content] },
    // A key that is not UTF-8 is longer once it was read. The exchange is a fanout: the key is only for the person who looks.
    { routingKey: '', headers: bare, parts: [content] },
  ];
  if (content.length > partBytes) letters.push({ routingKey: '', headers: bare, parts: partsOf(content) });
  return letters;
}

/** Who sent it, as far as that can be written. */
function originOf(headers: Readonly<Record<string, unknown>> | undefined): Record<string, string | number> {
  const origin: Record<string, string | number> = {};
  for (const name of [producerHeader, slotHeader, sequenceHeader]) {
    const value = headers?.[name];
    if (typeof value === 'string' && value.length <= textLengthMax) origin[name] = value;
    if (typeof value === 'number' && Number.isSafeInteger(value)) origin[name] = value;
  }
  return origin;
}

function partsOf(body: Buffer): Buffer[] {
  const count = Math.ceil(body.length / partBytes);
  return Array.from({ length: count }, (_, index) => body.subarray(index * partBytes, (index + 1) * partBytes));
}
