import type { Logger } from '../../../../shared/log/log.ts';
import type { EndReason } from '../shard/protocol.ts';

/**
 * Who took shards from whom, and who lost them and why. Shards move in groups: what happens to several of them at the same moment
 * is one line. From whom a shard comes is known by the claims that were refused before one was granted.
 */
interface Line {
  readonly level: 'info' | 'warn';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

interface Refusal {
  readonly holder: string;
  /** When the lease runs out that was in the way, unless its holder renews it. */
  readonly endsAtMs: number;
}

const gatherMs = 100;
/** A claim that was granted so much earlier than the lease before it ran out was granted because that was given back. */
const slackMs = 20;

const delivered = 'What was not sealed is delivered again to the next owner: none is lost or counted twice.';
const lossReasons: Readonly<Record<Exclude<EndReason, 'released'>, string>> = {
  lease_expired: 'Redis did not renew their leases in time, or this process stood still.',
  stale: 'their leases had run out at Redis before they were renewed, and another consumer may have them.',
  refused: 'their journals have gone on without this consumer.',
  mismatch: 'their journals hold other sets than this consumer committed.',
};

export class OwnershipLog {
  readonly #log: Logger;
  readonly #refusals = new Map<number, Refusal>();
  readonly #lost = new Set<number>();
  readonly #gathered = new Map<string, { readonly line: Line; readonly shards: number[] }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  claimRefused(shard: number, holder: string, remainingMs: number, nowMs: number): void {
    this.#refusals.set(shard, { holder, endsAtMs: nowMs + remainingMs });
    if (this.#lost.delete(shard)) {
      const message = 'Shards that this consumer lost belong to another one now.';
      this.#gather(shard, { level: 'info', message, fields: { owner: holder } });
    }
  }

  claimGranted(shard: number, nowMs: number): void {
    const refusal = this.#refusals.get(shard);
    this.#refusals.delete(shard);
    this.#lost.delete(shard);
    this.#gather(shard, takeover(refusal, nowMs));
  }

  ended(shard: number, reason: EndReason): void {
    if (reason === 'released') {
      this.#gather(shard, { level: 'info', message: 'Gave shards back.', fields: {} });
      return;
    }
    this.#lost.add(shard);
    const message = `Lost shards: ${lossReasons[reason]} ${delivered}`;
    this.#gather(shard, { level: 'warn', message, fields: { reason } });
  }

  /** Writes what was gathered. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const { line, shards } of this.#gathered.values()) {
      this.#log[line.level]({ shards: shards.toSorted((left, right) => left - right), ...line.fields }, line.message);
    }
    this.#gathered.clear();
  }

  #gather(shard: number, line: Line): void {
    const key = JSON.stringify(line);
    const known = this.#gathered.get(key);
    if (known === undefined) this.#gathered.set(key, { line, shards: [shard] });
    else known.shards.push(shard);
    this.#timer ??= setTimeout(() => this.flush(), gatherMs);
  }
}

function takeover(refusal: Refusal | undefined, nowMs: number): Line {
  if (refusal === undefined) return { level: 'info', message: 'Took over shards that nobody held.', fields: {} };
  const fields = { from: refusal.holder };
  if (nowMs < refusal.endsAtMs - slackMs)
    return { level: 'info', message: 'Took over shards that another consumer gave back.', fields };
  return {
    level: 'warn',
    message:
      'Took over shards of a consumer that did not renew its leases: it has died, stands still, or does not reach Redis. None of its usage is lost.',
    fields,
  };
}
