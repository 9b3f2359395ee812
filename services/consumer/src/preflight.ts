import type { BrokerSession } from '../../../shared/amqp/connection.ts';
import type { Logger } from '../../../shared/log/log.ts';
import type { Troubles } from '../../../shared/log/troubles.ts';

/** The first LavinMQ whose confirm means synced to disk, with the repair of its own first release (lavinmq changelog). */
const leastLavinMq = [2, 9, 1] as const;
const durability = 'broker_durability';

/**
 * Of every connection, since another one may lead to another broker: says what is wrong and what to do, and goes on. It only costs
 * usage together with a power loss, and a cluster that stands still costs it for certain.
 */
export function checkBroker(session: BrokerSession, log: Logger, troubles: Troubles): void {
  const { product, version } = session.server;
  if (product !== 'LavinMQ') {
    troubles.over(durability);
    log[session.generation === 1 ? 'info' : 'debug'](
      { product, version },
      'The broker is not LavinMQ, which is what Tallyman is made for; any AMQP 0-9-1 broker whose confirms mean durable will do.',
    );
    return;
  }
  if (!isOlder(version, leastLavinMq)) {
    troubles.over(durability, 'This LavinMQ confirms only what is on disk again.');
  } else {
    troubles.tell({
      reason: durability,
      level: 'error',
      fields: { version },
      remark: 'This LavinMQ confirms messages before they are on disk. Upgrade to 2.9.1 or later.',
      message:
        'This LavinMQ confirms messages before they are on disk: a power loss can lose usage that was answered 202. Upgrade to 2.9.1 or later.',
    });
  }
}

function isOlder(version: string, least: readonly number[]): boolean {
  const parts = version.split('.').map((part) => Number.parseInt(part, 10));
  for (const [index, wanted] of least.entries()) {
    const part = parts[index] ?? 0;
    if (part !== wanted) return part < wanted;
  }
  return false;
}
