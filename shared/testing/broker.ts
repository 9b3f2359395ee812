import { startBackingService, type BackingOptions, type BackingService } from './backing-service.ts';
import { findLavinmq, findRabbitmq } from './executables.ts';
import { lavinmqRecipe } from './lavinmq.ts';
import { type RabbitmqControl, rabbitmqRecipe } from './rabbitmq.ts';

export interface Broker extends BackingService {
  readonly kind: 'lavinmq' | 'rabbitmq';
  /** Its HTTP API with user and password; RabbitMQ has one only when asked for. */
  readonly managementUrl?: string;
  /** RabbitMQ only: `rabbitmqctl`. */
  readonly control?: RabbitmqControl;
}

export interface BrokerOptions extends BackingOptions {
  /** RabbitMQ only: with the management plugin, which costs some seconds at the start. */
  readonly management?: boolean;
}

/** Starts a private broker: `lavinmq` or else `rabbitmq-server` of this machine, else LavinMQ in a container. */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const lavinmq = findLavinmq();
  if (lavinmq !== undefined) {
    const { service, recipe } = await startBackingService(options, (nursery) =>
      lavinmqRecipe(nursery, lavinmq, options.tls),
    );
    return { ...service, kind: 'lavinmq', managementUrl: recipe.managementUrl };
  }
  const rabbitmq = findRabbitmq();
  if (rabbitmq !== undefined) {
    const { service, recipe } = await startBackingService(options, (nursery) =>
      rabbitmqRecipe(nursery, rabbitmq, options),
    );
    const { managementUrl, control } = recipe;
    return { ...service, kind: 'rabbitmq', control, ...(managementUrl === undefined ? {} : { managementUrl }) };
  }
  // Imported only here: the container library takes half a second to load.
  const { startBrokerContainer } = await import('./containers.ts');
  return startBrokerContainer();
}
