// Delay of frames: receive time minus flush time. Waiting on purpose is the interval and is never added to it.

import type { Head } from './records.js';

interface Slot {
  intervalUs: number;
  phaseUs: number;
}

/** Whole ticks from eight bits, and a window of delays. */
export class Timing {
  private readonly slots = new Map<number, Slot>();
  /** Gateway's time minus local time, µs; by the fastest heartbeat of the last minute, so without queueing. */
  private offset: { us: number; at: number } | null = null;
  private delays = new Float64Array(512);
  private filled = 0;
  private next = 0;

  constructor(private readonly now: () => number) {}

  reset(serverTimeUs: number): void {
    this.slots.clear();
    this.filled = 0;
    this.next = 0;
    this.offset = null;
    this.beat(serverTimeUs);
  }

  slot(slot: number, intervalMs: number, phaseUs: number): void {
    // `raw` counts ticks of one millisecond.
    this.slots.set(slot, { intervalUs: Math.max(1, intervalMs) * 1000, phaseUs });
  }

  beat(serverUs: number): void {
    const at = this.now();
    const us = serverUs - at * 1000;
    const old = this.offset !== null && at - this.offset.at > 60_000;
    if (this.offset === null || old || us > this.offset.us) this.offset = { us, at };
  }

  /** Takes a frame's head; keeps its delay. */
  frame(head: Head): void {
    const slot = this.slots.get(head.slot);
    if (slot === undefined || this.offset === null) return;
    const serverUs = this.now() * 1000 + this.offset.us;
    const flushUs = head.flushUs ?? this.flush(head, slot, serverUs);
    if (flushUs === null) return;
    this.delays[this.next] = Math.max(0, serverUs - flushUs);
    this.next = (this.next + 1) % this.delays.length;
    this.filled = Math.min(this.filled + 1, this.delays.length);
  }

  private flush(head: Head, slot: Slot, serverUs: number): number | null {
    if (head.lagUs === null) return null;
    const guess = Math.floor((serverUs - slot.phaseUs) / slot.intervalUs);
    const tick = head.wholeTick ?? guess - ((((guess - head.tick + 128) % 256) + 256) % 256) + 128;
    return tick * slot.intervalUs + slot.phaseUs + head.lagUs;
  }

  /** A percentile of the last frames' delays, µs; null without any. */
  delayUs(percentile: number): number | null {
    if (this.filled === 0) return null;
    const sorted = this.delays.slice(0, this.filled).sort();
    return sorted[Math.min(this.filled - 1, Math.floor((this.filled * percentile) / 100))] as number;
  }
}
