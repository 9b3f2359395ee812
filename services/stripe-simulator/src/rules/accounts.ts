import { Billing } from './billing/billing.ts';
import type { MeterDefinition } from './meter-definition.ts';
import { Meters } from './meters.ts';
import { SlidingWindow } from './sliding-window.ts';
import type { World } from './world.ts';

/** The platform account (its name is empty) or a connected one. */
export interface Account {
  readonly name: string;
  readonly meters: Meters;
  readonly billing: Billing;
  /** Calls of the last second that count toward the basic limit. */
  readonly basicCalls: SlidingWindow;
  /** Calls of the last second that count toward the limit of meter events. */
  readonly eventCalls: SlidingWindow;
}

interface AccountsOptions {
  readonly world: World;
  /** What every account has from the start. */
  readonly meters: readonly MeterDefinition[];
  readonly newMeterId: () => string;
}

const accountsMax = 10_000;

/** Accounts come into being with their first call. */
export class Accounts {
  readonly #accounts = new Map<string, Account>();
  readonly #options: AccountsOptions;

  constructor(options: AccountsOptions) {
    this.#options = options;
  }

  /** Undefined for a name that no account has, that was revoked, or that would be one account too many. */
  get(name: string, nowS: number): Account | undefined {
    const { world } = this.#options;
    if (name !== '' && !world.hasAccount(name)) return undefined;
    return this.#accounts.get(name) ?? (this.#accounts.size < accountsMax ? this.#open(name, nowS) : undefined);
  }

  #open(name: string, nowS: number): Account {
    const { world, newMeterId, meters: definitions } = this.#options;
    const meters = new Meters({ world, newId: newMeterId });
    for (const definition of definitions) meters.add(definition, nowS);
    const billing = new Billing(meters);
    const account = {
      name,
      meters,
      billing,
      basicCalls: new SlidingWindow(1_000),
      eventCalls: new SlidingWindow(1_000),
    };
    this.#accounts.set(name, account);
    return account;
  }
}
