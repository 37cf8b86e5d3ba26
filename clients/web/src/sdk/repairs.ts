// Finds what is missing or wrong and asks for it: after a lost frame for everything; and where a heartbeat's hash differs
// (P11) for exactly the symbols that do, which it finds by the hashes of buckets and then of the symbols in them.

import { BUCKETS, ViewHash } from './hash.js';
import type { Channel, Hashes } from './protocol.js';
import type { View } from './view.js';

const REPAIR_EVERY_MS = 1_000;
/** The gateway takes one in 250 ms, by its own clock. */
const HASHES_EVERY_MS = 300;
const ASKED_BUCKETS_MAX = 8;
const NAMES_MAX = 4_096;
/** A difference that stays is looked at less and less often. */
const LOOK_AGAIN_MS = { first: 1_000, most: 60_000 } as const;

/** A request as it is sent, without its id. */
export interface Asked {
  op: string;
  [field: string]: unknown;
}

export class Repairs {
  /** Heartbeats whose hash was equal, and not. */
  matches = 0;
  mismatches = 0;
  /** Symbols that were asked for because they differed. */
  repaired = 0;
  /** When a hash was equal last, ms of the local clock; null = never on this connection. */
  verifiedAt: number | null = null;
  private everything = false;
  private underWay = false;
  private repairedAt = -Infinity;
  /** A look at what differs: whether an answer is awaited, buckets to ask for, and of which the answer will tell. */
  private awaited = false;
  private buckets: number[] = [];
  private within: number[] = [];
  private readonly differing = new Map<Channel, string[]>();
  private hashedAt = -Infinity;
  private lookAt = -Infinity;
  private failures = 0;

  constructor(
    private readonly ask: (message: Asked) => Promise<unknown>,
    private readonly now: () => number,
    private readonly verifies: boolean,
    private readonly found: (channel: Channel, symbols: string[]) => void,
  ) {}

  /** A new connection begins. */
  reset(): void {
    this.everything = this.underWay = false;
    this.verifiedAt = null;
    this.lookAt = -Infinity;
    this.failures = 0;
    this.forget();
  }

  private forget(): void {
    this.awaited = false;
    this.buckets = [];
    this.differing.clear();
  }

  /**
   * After each message; `lost`: before it a frame was missing or unreadable. Asks for what is due, repairs at most once a
   * second; what could not be asked is asked with a later message.
   */
  taken(lost: boolean): void {
    this.everything ||= lost;
    const looks = this.buckets.length > 0 || this.differing.size > 0;
    if (!this.everything && (!looks || this.awaited)) return;
    const at = this.now();
    if (this.everything) {
      this.forget();
      if (at - this.repairedAt >= REPAIR_EVERY_MS) this.repair({ op: 'repair' }, at);
    } else if (this.buckets.length > 0) {
      if (at - this.hashedAt >= HASHES_EVERY_MS) this.look(this.buckets.splice(0, ASKED_BUCKETS_MAX), at);
    } else if (at - this.repairedAt >= REPAIR_EVERY_MS) {
      this.repairNamed(at);
    }
  }

  private repair(message: Asked, at: number): void {
    this.everything = false;
    this.repairedAt = at;
    this.underWay = true;
    this.ask(message).catch(() => {
      this.underWay = false;
      // Symbols that were not repaired differ again; what a lost frame told may have no other sign.
      this.everything ||= message['symbols'] === undefined;
    });
  }

  private repairNamed(at: number): void {
    for (const [channel, names] of this.differing) {
      const symbols = names.splice(0, NAMES_MAX);
      if (names.length === 0) this.differing.delete(channel);
      this.repaired += symbols.length;
      this.repair({ op: 'repair', channel, symbols }, at);
      return this.found(channel, symbols);
    }
  }

  /** The answer to a repair: what it brings is owed from here on, so that no heartbeat claims a hash before it is here. */
  repairing(): void {
    this.underWay = false;
  }

  /** A heartbeat behind a whole stream. What is under way is waited for. */
  beat(hash: string | null, view: View): void {
    const busy = this.awaited || this.buckets.length > 0 || this.differing.size > 0;
    if (!this.verifies || hash === null || this.everything || this.underWay || busy) return;
    const at = this.now();
    if (view.hash() === hash) {
      this.matches++;
      this.verifiedAt = at;
      this.failures = 0;
      return;
    }
    this.mismatches++;
    if (at < this.lookAt) return;
    this.lookAt = at + Math.min(LOOK_AGAIN_MS.most, LOOK_AGAIN_MS.first * 2 ** this.failures++);
    this.look([], at);
  }

  /** Asks for the hashes of symbols in buckets, or of all buckets. */
  private look(within: number[], at: number): void {
    this.awaited = true;
    this.within = within;
    this.hashedAt = at;
    const buckets = within.length > 0 ? { buckets: within } : {};
    this.ask({ op: 'hashes', ...buckets }).catch(() => this.forget());
  }

  /** The answer, which holds for this place in the stream. */
  hashes({ owed, buckets, symbols }: Hashes, view: View): void {
    if (!this.awaited) return;
    this.awaited = false;
    if (owed) this.buckets = [];
    else if (buckets !== undefined) this.buckets = differingBuckets(buckets, view);
    else this.compare(new Map((symbols ?? []).map(({ channel, id, hash }) => [`${channel} ${id}`, hash])), view);
    this.taken(false);
  }

  private compare(told: Map<string, string>, view: View): void {
    view.eachHash(({ id, symbol }, channel, hash) => {
      if (!this.within.includes(id % BUCKETS) || hash?.text === told.get(`${channel} ${id}`)) return;
      const names = this.differing.get(channel) ?? [];
      names.push(symbol);
      this.differing.set(channel, names);
    });
  }
}

function differingBuckets(told: string[], view: View): number[] {
  const sums = Array.from({ length: BUCKETS }, () => new ViewHash());
  // What has not come adds nothing, so that its bucket differs.
  view.eachHash(({ id }, _channel, hash) => hash !== null && (sums[id % BUCKETS] as ViewHash).add(hash));
  return sums.flatMap((sum, bucket) => (sum.text === told[bucket] ? [] : [bucket]));
}
