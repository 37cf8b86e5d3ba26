// Own alerts, by their ids. What the log says of one stands; an alert that ended never stands again.

import type { Alert, AlertCondition } from './protocol.js';

const KEPT_MAX = 600;

/** The alerts of one account: those that stand, and those that ended while this client listened. */
export class Alerts {
  private readonly byId = new Map<string, Alert>();

  /** Newest first. */
  get all(): Alert[] {
    return [...this.byId.values()].reverse();
  }

  get standing(): Alert[] {
    return this.all.filter((alert) => alert.state === 'standing');
  }

  get(clAlertId: string): Alert | undefined {
    return this.byId.get(clAlertId);
  }

  /** Takes a state. Returns whether the alert has fired just now, so that it is told once. */
  take(alert: Alert): boolean {
    const before = this.byId.get(alert.cl_alert_id);
    if (before !== undefined && before.state !== 'standing') return false;
    this.byId.set(alert.cl_alert_id, alert);
    // The page's memory is bounded: what ended goes first, the oldest first.
    if (this.byId.size > KEPT_MAX) {
      const ended = [...this.byId.values()].find((one) => one.state !== 'standing');
      if (ended !== undefined) this.byId.delete(ended.cl_alert_id);
    }
    return alert.state === 'fired';
  }

  /** The list of standing alerts, whole. Returns those held here that it does not name: they ended unheard. */
  listed(alerts: Alert[]): Alert[] {
    const named = new Set(alerts.map((alert) => alert.cl_alert_id));
    for (const alert of alerts) this.take(alert);
    return this.standing.filter((alert) => !named.has(alert.cl_alert_id));
  }

  clear(): void {
    this.byId.clear();
  }
}

/** A condition in words: "last up through 61000.10". */
export function conditionText(condition: AlertCondition): string {
  if (condition.on === 'spread') return `spread above ${condition.above_ticks} ticks`;
  if (condition.on === 'stale') return `STALE for longer than ${condition.longer_than_ms} ms`;
  return `${condition.on} ${condition.crosses} through ${condition.level}`;
}
