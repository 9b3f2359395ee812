import { askPort } from './ports.ts';

/** What an AMQP 0-9-1 client says first (clause 4.2.2); a broker that is up answers with a method frame. */
const protocolHeader = Uint8Array.from([0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1]);
const methodFrame = 1;

/** Rejects while the broker on this loopback port does not begin a connection. */
export async function probeBroker(port: number): Promise<void> {
  const answer = await askPort(port, protocolHeader);
  if (answer[0] !== methodFrame) throw new Error(`port ${port} does not speak AMQP 0-9-1`);
}
