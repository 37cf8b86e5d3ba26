// The account of every source event of one symbol and channel (P1): what was published must be what was delivered,
// merged or declared lost.

/** What became of the events of one (symbol, channel), or of all. */
export interface Account {
  /** Last total − first total, over all periods: what the publisher numbered while they ran. */
  readonly published: number;
  /** Records, or prints, that stood for themselves. */
  readonly delivered: number;
  /** Events that such a record stood for beside its own. */
  readonly merged: number;
  /** Events that were declared lost. */
  readonly lost: number;
  /** Periods begun. */
  readonly periods: number;
  /** Contradictions: a total that went back, more listed than published, a sum that differs. Zero, or a fault. */
  readonly broken: number;
}

/** Whether every event is accounted for. */
export function addsUp({ published, delivered, merged, lost, broken }: Account): boolean {
  return broken === 0 && published === delivered + merged + lost;
}

export class Ledger implements Account {
  delivered = 0;
  merged = 0;
  lost = 0;
  periods = 0;
  broken = 0;
  /** Whether a period runs: it outlives a lost frame, not a new epoch and not the subscription. */
  open = false;
  epoch = 0;
  /** The newest total of the period; beyond 2^32 where the form tells it mod 2^32. */
  last = 0;
  /** Events and losses of the totals taken last, behind those known before. */
  covered = 0;
  declared = 0;
  private lostTotal = 0;
  private first = 0;
  private before = 0;

  get published(): number {
    return this.before + this.last - this.first;
  }

  /** A period begins at these totals. */
  begin(epoch: number, total: number, lost: number): void {
    this.restart(total, lost);
    this.open = true;
    this.epoch = epoch;
    this.periods++;
  }

  private restart(total: number, lost: number): void {
    this.before = this.published;
    this.first = this.last = total;
    this.lostTotal = lost;
    this.covered = this.declared = 0;
  }

  /** A record that stands for events and tells no total. */
  add(events: number): void {
    this.last += events;
    if (events === 0) return;
    this.delivered++;
    this.merged += events - 1;
  }

  /**
   * Takes totals, told mod `modulus`, of whose events `listed` stand for themselves (−1: one, if any came through).
   * False: they begin a period. What contradicts itself is counted as broken and accounted for no further.
   */
  take(epoch: number, total: number, lost: number, modulus: number, listed: number): boolean {
    if (!this.open || this.epoch !== epoch) {
      this.begin(epoch, total, lost);
      return false;
    }
    const covered = forward(total - (this.last % modulus), modulus);
    const declared = forward(lost - this.lostTotal, modulus);
    const apart = declared + (listed < 0 ? Number(covered > declared) : listed);
    if (covered > modulus / 2 || apart > covered) {
      this.broken++;
      this.restart(total, lost);
      return true;
    }
    this.last += covered;
    this.lostTotal = lost;
    this.lost += declared;
    this.delivered += apart - declared;
    this.merged += covered - apart;
    this.covered = covered;
    this.declared = declared;
    return true;
  }

  /** A print that was counted as merged is told after all. */
  tell(): void {
    this.merged--;
    this.delivered++;
  }
}

function forward(difference: number, modulus: number): number {
  return difference < 0 ? difference + modulus : difference;
}
