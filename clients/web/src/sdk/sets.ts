// Wire sets: the ids of a (slot, channel) in rising order; a rank is a position in them.

/** Ids by slot and channel (0 quote, 1 trade, 2 book, 3 bar, 4 status). */
export class WireSets {
  private readonly sets = new Map<number, number[]>();

  of(slot: number, channel: number): number[] {
    const key = slot * 8 + channel;
    let set = this.sets.get(key);
    if (set === undefined) this.sets.set(key, (set = []));
    return set;
  }

  join(slot: number, channel: number, id: number): void {
    const set = this.of(slot, channel);
    const at = lowerBound(set, id);
    if (set[at] !== id) set.splice(at, 0, id);
  }

  /** True when it was there. */
  leave(slot: number, channel: number, id: number): boolean {
    const set = this.of(slot, channel);
    const at = lowerBound(set, id);
    return set[at] === id && set.splice(at, 1).length > 0;
  }
}

function lowerBound(set: number[], id: number): number {
  let low = 0;
  let high = set.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((set[middle] as number) < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
