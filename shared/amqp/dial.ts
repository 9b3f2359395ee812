import { connect, type ChannelModel } from 'amqplib';
import type { Secret } from '../config/secret.ts';
import { trust } from '../tls/trust.ts';
import { withHeartbeat } from './broker-url.ts';

export interface DialOptions {
  /** Trusted for `amqps://`, beside the public CAs. */
  readonly ca?: Secret | undefined;
  /** Shown by the broker's management page. */
  readonly name?: string;
  readonly timeoutMs: number;
}

/** One attempt to connect to the broker. Rejects with amqplib's error: `brokerFault` says what it means. */
export function dialBroker(url: string, { ca, name, timeoutMs }: DialOptions): Promise<ChannelModel> {
  return connect(withHeartbeat(url), {
    ...trust(ca),
    credentials: credentialsOf(url),
    noDelay: true,
    timeout: timeoutMs,
    ...(name === undefined ? {} : { clientProperties: { connection_name: name } }),
  });
}

/** SASL PLAIN in UTF-8 (RFC 4616). amqplib decodes a URL byte by byte, and sends "ü" as "Ã¼". */
function credentialsOf(text: string) {
  const { username, password } = new URL(text);
  const isGiven = username !== '' || password !== '';
  const [user, word] = isGiven ? [decodeURIComponent(username), decodeURIComponent(password)] : ['guest', 'guest'];
  return { mechanism: 'PLAIN', response: () => Buffer.from(`\0${user}\0${word}`) };
}
