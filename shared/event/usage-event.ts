/**
 * A usage event as it travels inside Tallyman, after the sidecar has validated it: every default is filled in,
 * the value is an exact decimal and the identity is complete. It is also the shape of an event in a broker
 * message (ARCHITECTURE.md 3.2), so its field names are a stored format.
 */
export interface UsageEvent {
  /** Identity within the lane, 1 to 100 characters. The same (lane, id) counts once; the first value wins. */
  readonly id: string;
  /** Present when the sidecar made the id: nobody can repeat it, so consumers need not remember it. */
  readonly idGenerated?: true;
  /** Stripe customer id, 1 to 255 characters. */
  readonly customer: string;
  /** Stripe's `event_name`, 1 to 100 characters. */
  readonly meter: string;
  /** Exact decimal, `-?(0|[1-9]\d*)(\.\d+)?`, at most 15 significant digits. */
  readonly value: string;
  /** When the usage happened: unix seconds, fraction to the millisecond. */
  readonly timestamp: number;
  /** Part of the key, never of the lane. Absent rather than empty. */
  readonly dimensions?: Readonly<Record<string, string>>;
  /** Connected account; absent for the platform's own. */
  readonly account?: string;
}

/** What travels in one broker message. Version 1. All times are unix seconds with a fraction to the millisecond. */
export interface UsageMessage {
  readonly version: 1;
  /** When the sidecar accepted the oldest event of the message. */
  readonly receivedAt: number;
  /** Which sidecar wrote it (host or pod name), for people. */
  readonly source: string;
  /** Where it ran, or empty. */
  readonly region: string;
  /** Never empty. All events of one message share one slot. */
  readonly events: readonly UsageEvent[];
}

/** A message's place in its producer's stream: one (producer, slot, sequence) is bound to its bytes for ever. */
export interface MessageOrigin {
  /** One life of a sidecar: 1 to 64 characters of `[A-Za-z0-9_-]`, new at every start. */
  readonly producer: string;
  /** 0 to 63. */
  readonly slot: number;
  /** 1, 2, 3 … per producer and slot; a safe integer. */
  readonly sequence: number;
}
