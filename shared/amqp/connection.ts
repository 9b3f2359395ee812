import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib';
import type { Secret } from '../config/secret.ts';
import type { Logger } from '../log/log.ts';
import { type Trouble, Troubles } from '../log/troubles.ts';
import { messageOf } from '../network/fault.ts';
import { delayMs, type RetryPolicy } from '../retry/delay.ts';
import { brokerFault } from './broker-fault.ts';
import { brokerAddress } from './broker-url.ts';
import { closed } from './closed.ts';
import { dialBroker } from './dial.ts';

/**
 * One connection to the broker that comes back by itself.
 *
 *   idle ──start──▶ connecting ──ok──▶ connected
 *                    ▲     │ failed        │ lost
 *                    │     ▼               │
 *                    └── waiting ◀─────────┘          stop(), from anywhere ──▶ stopped
 *
 * Guarantees: listeners hear `connected` and `lost` strictly in turn, with a generation that grows with every
 * connection, so that whatever belongs to an old one can be told apart; nothing that the broker or the network does
 * becomes an unhandled error; `stop()` lets everything that was sent on a channel arrive before the connection ends.
 * Refuses: to bring back channels and consumers. They belong to a generation, and their owner opens new ones.
 */
type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting' }
  | { readonly kind: 'waiting'; readonly timer: NodeJS.Timeout }
  | { readonly kind: 'connected'; readonly failures: number; readonly session: Session; readonly sinceMs: number }
  | { readonly kind: 'stopped'; readonly closed: Promise<void> };

/** One life of the connection. Its channels die with it. */
export interface BrokerSession {
  readonly generation: number;
  /** What the broker says that it is. */
  readonly server: { readonly product: string; readonly version: string };
  createChannel(): Promise<Channel>;
  createConfirmChannel(): Promise<ConfirmChannel>;
  /** Gives this connection up and connects again after the usual delay: for a session that has become useless. */
  abandon(reason: string): void;
}

export interface BrokerConnectionOptions {
  /** Asked before every attempt, so that a rotated secret is picked up. */
  readonly readUrl: () => string | Promise<string>;
  /** Trusted for `amqps://`, beside the public CAs; read again before every attempt. */
  readonly ca?: Secret | undefined;
  /** Shown by the broker's management page. */
  readonly name: string;
  readonly log: Logger;
  /** A sentence: what it means for the usage that there is no connection. */
  readonly means?: string;
  readonly retry?: RetryPolicy;
  /** How long `stop()` waits for a broker that does not answer. */
  readonly closeTimeoutMs?: number;
}

const defaultRetry: RetryPolicy = { baseMs: 100, maxMs: 5_000 };
const connectTimeoutMs = 10_000;
/** A connection that ends earlier than this counts as a failed attempt, or a broker that throws us out would be stormed. */
const stableAfterMs = 10_000;
/** What the first attempts meet after a connection broke is the same outage, and no line of its own, unless a person has to act. */
const sameOutageMs = 3_000;

const about = 'connection';
const alarmTrouble: Trouble = {
  reason: 'alarm',
  message:
    'The broker has an alarm (memory or disk): it accepts no new messages until the alarm is over. Check its memory and its disk.',
};

const channelMessage =
  'The broker closed a channel, and a new one is opened. What was unanswered on it is delivered or sent again.';

export class BrokerConnection {
  readonly #options: BrokerConnectionOptions;
  readonly #connectedListeners: ((session: BrokerSession) => void)[] = [];
  readonly #lostListeners: ((generation: number, error: Error) => void)[] = [];
  readonly #failedListeners: (() => void)[] = [];
  readonly #blockedListeners: ((blocked: boolean) => void)[] = [];
  readonly #troubles: Troubles;
  /** Channels that the broker closes are their owner's affair, and no remark. */
  readonly #channelTroubles: Troubles;
  #state: State = { kind: 'idle' };
  #generation = 0;
  #brokeAtMs = -Infinity;

  constructor(options: BrokerConnectionOptions) {
    this.#options = options;
    this.#troubles = new Troubles(options.log);
    this.#channelTroubles = new Troubles(options.log);
  }

  /** Why there is no connection, or the broker reads nothing on it, as sentences. */
  get remarks(): readonly string[] {
    return this.#troubles.remarks;
  }

  /** The session is open and has no channels yet. */
  onConnected(listener: (session: BrokerSession) => void): void {
    this.#connectedListeners.push(listener);
  }

  /** Told once for every session that was announced and then ended, except by `stop()`. */
  onLost(listener: (generation: number, error: Error) => void): void {
    this.#lostListeners.push(listener);
  }

  /** An attempt to connect failed; another one follows. */
  onFailed(listener: () => void): void {
    this.#failedListeners.push(listener);
  }

  /** The broker has stopped reading what we publish (memory or disk alarm), or reads again. A new session is unblocked. */
  onBlocked(listener: (blocked: boolean) => void): void {
    this.#blockedListeners.push(listener);
  }

  get connected(): boolean {
    return this.#state.kind === 'connected';
  }

  /** Returns at once; `onConnected` tells when there is a connection. */
  start(): void {
    if (this.#state.kind === 'idle') void this.#connect(0);
  }

  /** Closes every channel, waits for the broker's answer, then closes the connection. Repeating it waits for the first. */
  stop(): Promise<void> {
    const state = this.#state;
    if (state.kind === 'stopped') return state.closed;
    if (state.kind === 'waiting') clearTimeout(state.timer);
    const closed = state.kind === 'connected' ? this.#closeWithin(state.session) : Promise.resolve();
    this.#state = { kind: 'stopped', closed };
    return closed;
  }

  async #connect(failures: number): Promise<void> {
    this.#state = { kind: 'connecting' };
    let model: ChannelModel;
    let address = 'unknown';
    try {
      const url = await this.#options.readUrl();
      address = brokerAddress(url);
      const { ca, name } = this.#options;
      model = await dialBroker(url, { ca, name, timeoutMs: connectTimeoutMs });
    } catch (error) {
      this.#retryLater(failures + 1, asError(error), address);
      for (const listener of this.#failedListeners) listener();
      return;
    }
    // Nothing is awaited between the connection's birth and this: an error event without listener would end the process.
    const session = new Session(model, ++this.#generation, this.#channelTroubles, (error) =>
      this.#onEnd(session, address, error),
    );
    model.on('close', (error?: Error) => this.#onEnd(session, address, error ?? session.lastError));
    model.on('blocked', (alarm) => this.#tellBlocked(session, true, { address, alarm }));
    model.on('unblocked', () => this.#tellBlocked(session, false, { address }));
    // stop() may have been called while this attempt was under way.
    if (this.#currentKind() === 'stopped') {
      await session.close();
      return;
    }
    this.#state = { kind: 'connected', failures, session, sinceMs: performance.now() };
    this.#tellConnected(address, session.generation);
    for (const listener of this.#connectedListeners) listener(session);
  }

  // Read through a method: the compiler would otherwise hold that the state is what was assigned before the await.
  #currentKind(): State['kind'] {
    return this.#state.kind;
  }

  #onEnd(session: Session, address: string, cause: Error | undefined): void {
    const state = this.#state;
    if (state.kind !== 'connected' || state.session !== session) return;
    const error = cause ?? new Error('the broker closed the connection');
    const lasted = performance.now() - state.sinceMs >= stableAfterMs;
    this.#retryLater(lasted ? 1 : state.failures + 1, error, address, true);
    for (const listener of this.#lostListeners) listener(session.generation, error);
  }

  #tellConnected(address: string, generation: number): void {
    const fields = { address, generation };
    if (this.#troubles.over(about, 'Connected to the broker again.', fields) !== undefined) return;
    // After a session that its owner has given up, the owner has said why.
    this.#options.log[generation === 1 ? 'info' : 'debug'](fields, 'Connected to the broker.');
  }

  #tellAway(error: Error, address: string, failures: number, waitMs: number, wasOpen: boolean): void {
    const { reason, words, lasts } = brokerFault(error, wasOpen);
    const { means } = this.#options;
    const meaning = means === undefined ? '' : ` ${means}`;
    const nowMs = performance.now();
    this.#options.log.debug({ address, error, failures, waitMs }, 'There is no connection to the broker.');
    if (error instanceof Abandoned) return;
    if (wasOpen) this.#brokeAtMs = nowMs;
    else if (lasts !== true && nowMs - this.#brokeAtMs < sameOutageMs) return;
    this.#troubles.tell({
      about,
      reason,
      level: lasts === true ? 'error' : 'warn',
      message: `There is no connection to the broker: ${words}${meaning} It is tried again until it succeeds.`,
      fields: { address, cause: messageOf(error), failures, waitMs },
      remark: `There is no connection to the broker at ${address}: ${words}${meaning}`,
    });
  }

  #tellBlocked(session: Session, blocked: boolean, fields: Readonly<Record<string, unknown>>): void {
    session.isBlocked = blocked;
    if (this.#state.kind !== 'connected' || this.#state.session !== session) return;
    if (blocked) this.#troubles.tell({ ...alarmTrouble, fields });
    else this.#troubles.over(alarmTrouble.reason, 'The broker reads again what is published.', fields);
    for (const listener of this.#blockedListeners) listener(blocked);
  }

  #retryLater(failures: number, error: Error, address: string, wasOpen = false): void {
    if (this.#currentKind() === 'stopped') return;
    const waitMs = delayMs(this.#options.retry ?? defaultRetry, failures, Math.random());
    this.#troubles.over(alarmTrouble.reason);
    this.#tellAway(error, address, failures, waitMs, wasOpen);
    const timer = setTimeout(() => void this.#connect(failures), waitMs);
    this.#state = { kind: 'waiting', timer };
  }

  async #closeWithin(session: Session): Promise<void> {
    const timeoutMs = this.#options.closeTimeoutMs ?? 5_000;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), timeoutMs);
    });
    const ended = await Promise.race([session.close(), late]);
    clearTimeout(timer);
    if (ended === 'late') {
      this.#options.log.warn(
        { timeoutMs },
        'The broker did not answer the close of the connection; it may deliver again what was acked last.',
      );
    }
  }
}

/** Its owner has given the session up, and says why. */
class Abandoned extends Error {}

class Session implements BrokerSession {
  readonly generation: number;
  readonly #model: ChannelModel;
  readonly #troubles: Troubles;
  readonly #onAbandoned: (error: Error) => void;
  readonly #channels = new Set<Channel>();
  /** The error that the connection told before it closed. */
  lastError: Error | undefined;
  /** The broker reads nothing of this connection, not even that it is to be closed. */
  isBlocked = false;

  constructor(model: ChannelModel, generation: number, troubles: Troubles, onAbandoned: (error: Error) => void) {
    this.#model = model;
    this.generation = generation;
    this.#troubles = troubles;
    this.#onAbandoned = onAbandoned;
    model.on('error', (error) => {
      this.lastError = error;
    });
    model.on('handler-error', rethrow);
  }

  get server(): { readonly product: string; readonly version: string } {
    const { product, version } = this.#model.connection.serverProperties;
    return { product, version };
  }

  async createChannel(): Promise<Channel> {
    return this.#keep(await this.#model.createChannel());
  }

  async createConfirmChannel(): Promise<ConfirmChannel> {
    return this.#keep(await this.#model.createConfirmChannel());
  }

  abandon(reason: string): void {
    // Told first and closed in the background: a broker that is frozen would never answer the close.
    this.#onAbandoned(new Abandoned(reason));
    void this.close();
  }

  /** Never rejects: what cannot be closed is closed already. */
  async close(): Promise<void> {
    // amqplib: connection.close() right after channel.ack() overtakes the acks and loses them. A channel's close does not.
    if (!this.isBlocked) await Promise.all([...this.#channels].map(closed));
    await closed(this.#model);
  }

  #keep<T extends Channel>(channel: T): T {
    this.#channels.add(channel);
    channel.on('close', () => this.#channels.delete(channel));
    channel.on('error', (error) => {
      const cause = messageOf(error);
      const fields = { cause, generation: this.generation };
      const reason = `channel_${'code' in error ? String(error.code) : 'closed'}`;
      // Whoever had it opens another one, and knows what it was for.
      this.#troubles.note({ reason, message: channelMessage, fields });
    });
    channel.on('handler-error', rethrow);
    return channel;
  }
}

/**
 * amqplib would turn an exception of one of our handlers into a closed connection, and the mistake into an endless
 * reconnecting. Thrown from here (it is called in a turn of its own) it ends the process, and the broker redelivers.
 */
function rethrow(error: Error): never {
  throw error;
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
