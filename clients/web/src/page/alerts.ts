// Alerts of the account: a form for the chosen symbol, and a table of what stands and what has fired.

import { conditionText, group, mantissa, type Alert, type AlertCondition } from '../sdk/index.js';
import { attr, byId, clock, glyph, make, put, setGlyph } from './dom.js';
import type { PageState } from './state.js';
import { Table, fill } from './table.js';
import { split } from './watch.js';

const SHOWN_MAX = 200;

const LOOK: { [state in Alert['state']]: [icon: string, tone: string, word: string] } = {
  standing: ['work', 'acc', 'Waiting'],
  fired: ['g2', 'warn', 'Fired'],
  cancelled: ['ok', 's', 'Cancelled'],
  expired: ['ok', 's', 'Expired'],
  burned: ['x', 's', 'Never was'],
};

type On = AlertCondition['on'];

const ONS: [On, string][] = [['last', 'Last'], ['bid', 'Bid'], ['ask', 'Ask'], ['spread', 'Spread'], ['stale', 'STALE']];
const NUMBER: { [on in On]: string } = { last: 'level', bid: 'level', ask: 'level', spread: 'ticks', stale: 'ms' };

export class AlertPanel {
  readonly root = make('div', 'al');
  private readonly table = new Table([['State', ''], ['Symbol', ''], ['Rule', ''], ['Seen', 'n'], ['Note', 'wide s3'], ['UTC', 's3 hide2'], ['', 'n']]);
  private readonly symbol = make('b');
  private readonly on = make('select');
  private readonly crosses = make('select');
  private readonly number = make('input');
  private readonly note = make('input', 'hide2');
  private readonly say = make('span', 's');
  private count = 0;
  /** Part of every id: two pages of one account must not use the same. */
  private readonly prefix = Date.now().toString(36);

  constructor(private readonly state: PageState) {
    for (const [value, text] of ONS) this.on.append(new Option(text, value));
    this.crosses.append(new Option('rises above', 'up'), new Option('falls below', 'down'));
    attr(this.on, 'aria-label', 'What the alert looks at');
    attr(this.crosses, 'aria-label', 'Direction');
    for (const [input, label] of [[this.number, 'Level'], [this.note, 'Note']] as const) {
      input.type = 'text';
      attr(input, 'aria-label', label);
    }
    this.number.inputMode = 'decimal';
    this.note.placeholder = 'Note';
    this.note.maxLength = 64;
    attr(this.say, 'role', 'status');
    this.on.onchange = () => this.shape();
    const form = make('form');
    form.id = 'alertf';
    const button = make('button', 'btn', 'Set alert');
    button.type = 'submit';
    form.append(this.symbol, this.on, this.crosses, this.number, this.note, button, this.say);
    form.onsubmit = (event) => {
      event.preventDefault();
      void this.set();
    };
    this.root.append(form, this.table.root);
    this.root.onclick = (event) => {
      const id = (event.target as Element).closest('button')?.dataset['alert'];
      if (id !== undefined) void this.cancel(id);
    };
    this.shape();
  }

  private shape(): void {
    const on = this.on.value as On;
    this.crosses.hidden = on === 'spread' || on === 'stale';
    this.number.placeholder = NUMBER[on];
  }

  /** The condition as it is written, or why it is none. */
  private condition(): AlertCondition | string {
    const on = this.on.value as On;
    const written = this.number.value.trim();
    if (on === 'spread' || on === 'stale') {
      const value = Number(written);
      if (!/^\d+$/.test(written) || !Number.isSafeInteger(value)) return `${NUMBER[on]} is no whole number`;
      return on === 'spread' ? { on, above_ticks: value } : { on, longer_than_ms: value };
    }
    const exponent = this.state.selected?.instrument.info.price_exponent ?? 0;
    if ((mantissa(written, exponent) ?? 0) <= 0) return 'level is no price of this symbol';
    return { on, crosses: this.crosses.value as 'up' | 'down', level: written };
  }

  private async set(): Promise<void> {
    const symbol = this.state.selected?.instrument.symbol;
    const condition = this.condition();
    if (symbol === undefined || typeof condition === 'string') {
      return put(this.say, symbol === undefined ? 'no symbol chosen' : (condition as string));
    }
    const note = this.note.value.trim();
    const id = `a-${this.prefix}-${++this.count}`;
    put(this.say, 'sending');
    try {
      const reply = await this.state.client.alert({ cl_alert_id: id, symbol, condition, ...(note === '' ? {} : { note }) });
      const words = { stored: 'set', known: 'known', unknown: 'no answer yet; it is told here when it is stored' };
      put(this.say, words[reply.outcome as keyof typeof words] ?? reply.outcome);
      if (reply.outcome === 'stored') this.number.value = '';
    } catch (error) {
      put(this.say, (error as Error).message);
    }
  }

  private async cancel(id: string): Promise<void> {
    try {
      await this.state.client.cancelAlert(id);
    } catch (error) {
      put(this.say, (error as Error).message);
    }
  }

  paint(none: (count: number, text: string) => void): void {
    put(this.symbol, split(this.state.selected?.instrument.symbol ?? '–')[0]);
    const standing = this.state.client.alerts.standing;
    const alerts = standing.concat(this.state.client.alerts.all.filter((alert) => alert.state !== 'standing'));
    const count = Math.min(alerts.length, SHOWN_MAX);
    for (let i = 0; i < count; i++) this.row(this.table.row(i, 7), alerts[i] as Alert);
    this.table.end(count);
    none(count, 'No alerts. One fires once, also while this page is closed.');
  }

  private row(row: HTMLTableRowElement, alert: Alert): void {
    const [icon, tone, word] = LOOK[alert.state];
    const td = row.cells[0] as HTMLElement;
    if (td.firstElementChild === null) {
      const tag = make('span', 'tag');
      tag.append(glyph(icon), make('span'));
      td.append(tag);
    }
    const tag = td.firstElementChild as HTMLElement;
    if (tag.className !== `tag ${tone}`) tag.className = `tag ${tone}`;
    setGlyph(tag.firstElementChild as Element, icon);
    put(tag.lastElementChild as Element, word);
    fill(row, [
      null,
      [split(alert.symbol ?? '')[0], 'b'],
      [alert.condition === undefined ? '' : conditionText(alert.condition), ''],
      [alert.seen === undefined ? '' : group(alert.seen), 'n'],
      [alert.note ?? '', 'wide s3 s'],
      [clock(alert.ts_us / 1000), 's3 hide2 m'],
      null,
    ]);
    const cell = row.cells[6] as HTMLElement;
    const button = cell.firstElementChild as HTMLButtonElement | null;
    if (alert.state !== 'standing') {
      button?.remove();
    } else if (button?.dataset['alert'] !== alert.cl_alert_id) {
      const cross = make('button', 'cx');
      cross.append(glyph('x'));
      cross.dataset['alert'] = alert.cl_alert_id;
      attr(cross, 'aria-label', `Cancel the alert ${alert.cl_alert_id}`);
      cell.replaceChildren(cross);
    }
  }
}

/** What was said last and is worth a look: an operator's notice or an alert that fired. */
export class Said {
  private readonly button = byId<HTMLButtonElement>('said');

  constructor(show: (tab: number) => void) {
    this.button.onclick = () => {
      this.button.hidden = true;
      show(Number(this.button.dataset['tab']));
    };
  }

  tell(text: string, tab: number): void {
    this.button.dataset['tab'] = String(tab);
    attr(this.button, 'title', text);
    put(this.button.querySelector('b') as Element, text.length > 60 ? `${text.slice(0, 59)}…` : text);
    this.button.hidden = false;
  }
}
