import { connect } from 'amqplib';
import { expect, it } from 'vitest';
import { sharedServices } from './shared-services.ts';

it('gives every caller the same broker and a namespace of its own', async () => {
  const [one, other] = [sharedServices(), sharedServices()];
  expect(other.amqpUrl).toBe(one.amqpUrl);
  expect(other.namespace).not.toBe(one.namespace);
  const connection = await connect(one.amqpUrl);
  await connection.close();
});
