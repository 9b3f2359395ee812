/**
 * What the sidecar remembers of the events that it took lately, so that a repetition is answered as a duplicate: the ids
 * that clients gave, and which request took each. An id counts as durable only once its request is; while that is under way
 * the repetition can wait for it, and if it failed, the repetition is taken in its place.
 *
 *   claimed by a request ──settled durable──▶ durable ──two generations later──▶ forgotten
 *            │
 *            └──settled otherwise──▶ free to be claimed again
 *
 * Bounded: two generations of at most `idsMax` ids. A generation ends when it is full or `ageMs` old; then the one before it is
 * forgotten. Forgetting is harmless: consumers recognise what is published twice.
 *
 * Ids are kept as 96-bit hashes, multilinear over lane and id with random keys that are made at the start. Without knowing the
 * keys nobody can choose two events whose hashes agree; for ASCII the probability that they do is below 2^-78 (Lemire and
 * Kaser, "Strongly universal string hashing is fast", 2014). A cryptographic hash would cost as much as all other checks.
 */
import { randomFillSync } from 'node:crypto';
import { accountCharsMax, customerCharsMax, idCharsMax, meterCharsMax } from '../../../../shared/event/fields.ts';
import type { Outcome } from '../outbox/outbox.ts';

export interface RecentLimits {
  /** Of one generation: between this many and twice as many are remembered. At least the events of one request. */
  readonly idsMax: number;
  /** Ids are remembered for this long to twice as long, if they are not too many. */
  readonly ageMs: number;
}

/** A request that holds ids. */
export interface Holder {
  readonly number: number;
  /** Undefined while it is under way. */
  outcome: Outcome | undefined;
  /** Called once, when it ends. */
  listeners: (() => void)[] | undefined;
}

/**
 * One generation, in open addressing. Looking for an id that is not there, the usual case, reads the tags alone: they fit into a
 * processor's cache, which the slots do not.
 */
interface Table {
  /** Per slot 0 if it is empty, else some bits of the hash. */
  readonly tags: Uint8Array;
  /** Per slot the hash, and the number of its holder. */
  readonly slots: Uint32Array;
}

const wordsPerHash = 3;
const wordsPerSlot = wordsPerHash + 1;
const highestLoad = 0.5;
const highestNumber = 0xffff_ffff;
const keyChars = accountCharsMax + customerCharsMax + meterCharsMax + idCharsMax + 3;

/** Of every id that is remembered and has no holder any more. */
const settled: Holder = { number: 0, outcome: 'durable', listeners: undefined };

export class RecentIds {
  readonly #limits: RecentLimits;
  readonly #keys = new Int32Array(keyChars * wordsPerHash);
  readonly #slotBits: number;
  #young: Table;
  #old: Table;
  #youngCount = 0;
  #youngSinceMs: number;
  /** Those under way, and those that failed while their ids are remembered. */
  readonly #holders = new Map<number, Holder>();
  #failedYoung: number[] = [];
  #failedOld: number[] = [];
  #lastNumber = 0;
  #hash0 = 0;
  #hash1 = 0;
  #hash2 = 0;

  constructor(limits: RecentLimits, nowMs: number) {
    this.#limits = limits;
    this.#youngSinceMs = nowMs;
    this.#slotBits = Math.ceil(Math.log2(limits.idsMax / highestLoad));
    this.#young = tableOf(2 ** this.#slotBits);
    this.#old = tableOf(2 ** this.#slotBits);
    randomFillSync(this.#keys);
  }

  /** A request that is going to claim ids, and must be settled. `nowMs` is monotonic. */
  open(nowMs: number): Holder {
    this.#age(nowMs);
    this.#lastNumber = this.#lastNumber === highestNumber ? 1 : this.#lastNumber + 1;
    const holder: Holder = { number: this.#lastNumber, outcome: undefined, listeners: undefined };
    this.#holders.set(holder.number, holder);
    return holder;
  }

  /** Claims the id of a lane. Undefined: it was free and is claimed now. Else who holds it: maybe the claimer itself. */
  claim(laneName: string, id: string, claimer: Holder): Holder | undefined {
    this.#computeHash(laneName, id);
    let slot = this.#find(this.#young);
    const isNew = this.#young.tags[slot] === 0;
    const holder = this.#holderAt(slot);
    if (holder !== undefined) return holder;
    if (isNew && this.#youngCount >= this.#limits.idsMax) {
      this.#turn();
      slot = this.#find(this.#young);
    }
    if (isNew) this.#youngCount++;
    this.#write(slot, claimer.number);
    return undefined;
  }

  /**
   * Claims as a request would that comes now, for one that is only judged: what it claims is known to itself alone, and is
   * forgotten with it.
   */
  glance(nowMs: number): Pick<RecentIds, 'claim'> {
    this.#age(nowMs);
    const own = new Map<string, Holder>();
    return {
      claim: (laneName, id, claimer) => {
        this.#computeHash(laneName, id);
        const key = `${laneName}\0${id}`;
        const holder = this.#holderAt(this.#find(this.#young)) ?? own.get(key);
        if (holder === undefined) own.set(key, claimer);
        return holder;
      },
    };
  }

  /** Ends a request: its ids are durable, or free again. Tells those who wait for it. */
  settle(holder: Holder, outcome: Outcome): void {
    holder.outcome = outcome;
    if (outcome === 'durable') this.#holders.delete(holder.number);
    else this.#failedYoung.push(holder.number);
    for (const listener of holder.listeners ?? []) listener();
  }

  #age(nowMs: number): void {
    // Twice after a long pause: both generations are too old then.
    for (let age = 0; age < 2 && nowMs - this.#youngSinceMs >= this.#limits.ageMs; age++) {
      this.#turn();
      this.#youngSinceMs += this.#limits.ageMs;
    }
    if (nowMs - this.#youngSinceMs >= this.#limits.ageMs) this.#youngSinceMs = nowMs;
  }

  /** Who holds the id whose slot among the young ones is given; undefined: nobody, or one that failed. */
  #holderAt(slot: number): Holder | undefined {
    const isYoung = this.#young.tags[slot] !== 0;
    const number = isYoung ? numberAt(this.#young, slot) : numberAt(this.#old, this.#find(this.#old));
    if (number === 0) return undefined;
    const holder = this.#holders.get(number) ?? settled;
    return holder.outcome === undefined || holder.outcome === 'durable' ? holder : undefined;
  }

  #turn(): void {
    for (const number of this.#failedOld) this.#holders.delete(number);
    this.#failedOld = this.#failedYoung;
    this.#failedYoung = [];
    const forgotten = this.#old;
    this.#old = this.#young;
    this.#young = forgotten;
    // What stands in slots without a tag is never looked at.
    forgotten.tags.fill(0);
    this.#youngCount = 0;
  }

  /** The slot of the hash, or the empty one where it would be. */
  #find({ tags, slots }: Table): number {
    const tag = this.#tag();
    const last = tags.length - 1;
    let slot = this.#hash0 >>> (32 - this.#slotBits);
    for (; ; slot = (slot + 1) & last) {
      const found = tags[slot];
      if (found === 0) return slot;
      if (found !== tag) continue;
      const at = slot * wordsPerSlot;
      if (slots[at] === this.#hash0 && slots[at + 1] === this.#hash1 && slots[at + 2] === this.#hash2) return slot;
    }
  }

  #write(slot: number, number: number): void {
    const { tags, slots } = this.#young;
    const at = slot * wordsPerSlot;
    tags[slot] = this.#tag();
    slots[at] = this.#hash0;
    slots[at + 1] = this.#hash1;
    slots[at + 2] = this.#hash2;
    slots[at + wordsPerHash] = number;
  }

  /** Of other bits than those that choose the slot; never 0. */
  #tag(): number {
    return (this.#hash1 >>> 24) | 1;
  }

  /** Over `lane NUL id`: NUL adds nothing, and neither part ends with it, so that no two events are the same text. */
  #computeHash(laneName: string, id: string): void {
    const keys = this.#keys;
    let hash0 = 0;
    let hash1 = 0;
    let hash2 = 0;
    let at = 0;
    for (let index = 0; index < laneName.length; index++) {
      const unit = laneName.charCodeAt(index);
      hash0 = (hash0 + Math.imul(keys[at++] ?? 0, unit)) | 0;
      hash1 = (hash1 + Math.imul(keys[at++] ?? 0, unit)) | 0;
      hash2 = (hash2 + Math.imul(keys[at++] ?? 0, unit)) | 0;
    }
    at += wordsPerHash;
    for (let index = 0; index < id.length; index++) {
      const unit = id.charCodeAt(index);
      hash0 = (hash0 + Math.imul(keys[at++] ?? 0, unit)) | 0;
      hash1 = (hash1 + Math.imul(keys[at++] ?? 0, unit)) | 0;
      hash2 = (hash2 + Math.imul(keys[at++] ?? 0, unit)) | 0;
    }
    this.#hash0 = hash0 >>> 0;
    this.#hash1 = hash1 >>> 0;
    this.#hash2 = hash2 >>> 0;
  }
}

function tableOf(slots: number): Table {
  return { tags: new Uint8Array(slots), slots: new Uint32Array(slots * wordsPerSlot) };
}

/** Who holds the id at a slot; 0: nobody. */
function numberAt({ tags, slots }: Table, slot: number): number {
  return tags[slot] === 0 ? 0 : (slots[slot * wordsPerSlot + wordsPerHash] ?? 0);
}
