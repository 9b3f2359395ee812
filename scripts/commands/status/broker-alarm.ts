import type { ChannelModel } from 'amqplib';
import { setTimeout as sleep } from 'node:timers/promises';
import { brokerCode } from '../../../shared/topology/broker-view.ts';

/** `silent`: nothing was answered. `refused`: this user may publish nothing here, and the broker may not say more. */
export type BrokerAlarm = 'none' | 'silent' | 'refused' | { readonly said: string };

const answerMs = 2_000;
const noQueue = 'tallyman.status.no-such-queue';
/** PRECONDITION_FAILED, ACCESS_REFUSED. */
const [noRoomCode, refusedCode] = [406, 403];

/**
 * Whether the broker takes messages. It tells its alarm only to who publishes: RabbitMQ with `connection.blocked`, and then it reads
 * nothing of this connection any more, so that this has to be the last question on it; LavinMQ by closing the channel. What is
 * published has no queue to go to: the broker confirms it and keeps nothing. RabbitMQ blocks before it looks at rights, so that a
 * user who may not publish is told all the same.
 */
export async function brokerAlarm(connection: ChannelModel): Promise<BrokerAlarm> {
  const blocked = new Promise<BrokerAlarm>((resolve) =>
    connection.once('blocked', (said: string) => resolve({ said })),
  );
  const silent = sleep(answerMs, 'silent' as const, { ref: false });
  return Promise.race([blocked, published(connection), silent]);
}

async function published(connection: ChannelModel): Promise<BrokerAlarm> {
  const channel = await connection.createConfirmChannel();
  return new Promise((resolve, reject) => {
    channel.once('error', (error: Error) => {
      const alarm = alarmIn(error);
      if (alarm === undefined) reject(error);
      else resolve(alarm);
    });
    channel.publish('', noQueue, Buffer.alloc(0), {}, (error: unknown) => {
      // Where there is an error, the channel tells it itself.
      if (error === null || error === undefined) resolve('none');
    });
  });
}

function alarmIn(error: Error): BrokerAlarm | undefined {
  const code = brokerCode(error);
  if (code === refusedCode) return 'refused';
  return code === noRoomCode ? { said: error.message } : undefined;
}
