/** One use, as an application records it. The sidecar checks every field. */
export interface Usage {
  /** Stripe customer id. */
  readonly customer: string;
  /** The meter's `event_name`. */
  readonly meter: string;
  /** At most 15 significant digits. Default: 1. A string is always exact. An explicit `undefined` is rejected, because it is mostly a mistake. */
  readonly value?: number | bigint | string;
  /** Events of one account, customer and meter that have the same id count once. Default: a UUIDv7. */
  readonly id?: string | undefined;
  /** When it happened: Unix seconds, an RFC 3339 string or a `Date`. Default: when it was recorded. */
  readonly timestamp?: number | string | Date | undefined;
  readonly dimensions?: Readonly<Record<string, string>> | undefined;
  /** Stripe connected account. */
  readonly account?: string | undefined;
}
