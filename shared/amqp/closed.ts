/** A channel or a connection of amqplib. */
export interface Closable {
  close(): Promise<void>;
  once(event: 'close', listener: () => void): unknown;
}

/**
 * Closes it, and resolves once it is closed: by us, or because its connection died first. Then amqplib never answers the close, so
 * that whoever awaits only that waits for ever. Never rejects: what cannot be closed is closed already.
 */
export function closed(closable: Closable): Promise<void> {
  return new Promise((resolve) => {
    closable.once('close', () => resolve());
    closable.close().then(
      () => resolve(),
      () => resolve(),
    );
  });
}
