// Why symbols are stale. It is told a shard at a time, and stands until the shard is fresh or none of its symbols is held.

import type { Instrument } from './instrument.js';
import type { Notice } from './protocol.js';
import { STATE } from './records.js';

/** The gateway's word when a shard is current by the bound for all, but older than this session asked for. */
const MAX_AGE = 'max_age';
const STATES = ['live', 'quiet', 'stale', 'halted', 'out'] as const;
const WORDS: ReadonlyMap<string, string> = new Map([
  ['sequence_gap', 'events missing'],
  ['bus_lost', 'bus lost'],
  ['publisher_changed', 'publisher changed'],
  ['bad_payload', 'unreadable data'],
  ['feed_silent', 'feed silent'],
  ['feed_behind', 'feed behind'],
  [MAX_AGE, 'older than asked'],
]);

/** What was told of a shard that is not proven current. */
export interface Stale {
  /** The gateway's word, and the same for people. */
  reason: string;
  words: string;
  /** Age of the last proof when it was told. */
  ageMs: number;
}

/** State of a symbol, and why it is stale: the gateway's word and the same for people; '' = not told, or not stale. */
export interface Freshness {
  state: (typeof STATES)[number];
  reason: string;
  words: string;
}

/** The shards of one connection that are stale. */
export class StaleShards {
  private readonly shards = new Map<number, Stale>();

  /** Takes a `stale` or `fresh`. Returns the shard and what holds now; null when the notice is of something else. */
  notice({ code, shard, reason, age_ms: ageMs }: Notice): [shard: number, why: Stale | null] | null {
    if (typeof shard !== 'number' || (code !== 'stale' && code !== 'fresh')) return null;
    this.shards.delete(shard);
    if (code === 'fresh') return [shard, null];
    const word = String(reason);
    const why = { reason: word, words: WORDS.get(word) ?? word.replaceAll('_', ' '), ageMs: Number(ageMs) };
    this.shards.set(shard, why);
    return [shard, why];
  }

  get(shard: number): Stale | undefined {
    return this.shards.get(shard);
  }

  /** Forgets the shards of which none of these symbols is: nobody tells when they are fresh. */
  keep(held: Iterable<Instrument>): void {
    if (this.shards.size === 0) return;
    const still = new Set(Array.from(held, ({ info }) => info.shard));
    for (const shard of this.shards.keys()) if (!still.has(shard)) this.shards.delete(shard);
  }

  clear(): void {
    this.shards.clear();
  }

  /** The state travels in the data; only an age that this session alone minds is told by the notice. */
  of({ info, quote, trade, book, bar, status, state: told }: Instrument): Freshness {
    const why = this.shards.get(info.shard ?? -1);
    const based = [quote, trade, book, bar, status].some((view) => view.based);
    const current = (told === STATE.live || told === STATE.quiet) && based;
    if (current && why?.reason !== MAX_AGE) return { state: STATES[told] as Freshness['state'], reason: '', words: '' };
    if (told === STATE.halted || told === STATE.out) return { state: STATES[told], reason: '', words: '' };
    return { state: 'stale', reason: why?.reason ?? '', words: why?.words ?? '' };
  }
}
