/** Consumers' connections must notice a dead broker, and be noticed by it, within this (invariant 5). */
export const heartbeatMaxS = 20;

/** The broker's address as amqplib takes it, with a heartbeat of at most 20 s whatever the given address says. */
export function withHeartbeat(text: string): string {
  const url = parse(text);
  const given = Number(url.searchParams.get('heartbeat') ?? heartbeatMaxS);
  const allowed = Number.isInteger(given) && given >= 1 && given <= heartbeatMaxS;
  url.searchParams.set('heartbeat', String(allowed ? given : heartbeatMaxS));
  return url.href;
}

/** Host and port for logs: never the user, the password or the virtual host. */
export function brokerAddress(text: string): string {
  const url = parse(text);
  const port = url.port || (url.protocol === 'amqps:' ? '5671' : '5672');
  return `${url.hostname || 'localhost'}:${port}`;
}

function parse(text: string): URL {
  // The address is not repeated in the message: it usually holds a password.
  if (!URL.canParse(text))
    throw new Error('the broker address is not a URL; it must be amqp://user:password@host:5672/vhost');
  const url = new URL(text);
  if (url.protocol !== 'amqp:' && url.protocol !== 'amqps:') {
    throw new Error(`the broker address begins with ${url.protocol}//; it must begin with amqp:// or amqps://`);
  }
  return url;
}
