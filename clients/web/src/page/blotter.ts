// Own orders, fills, notices and alerts. Rows are rewritten in place; unknown orders stand first.

import { ended, group, type Order, type OrderState } from '../sdk/index.js';
import { AlertPanel, Said } from './alerts.js';
import { attr, byId, clock, glyph, make, put, setGlyph, span } from './dom.js';
import { type PageState } from './state.js';
import { Table, fill } from './table.js';
import { split } from './watch.js';

const SHOWN_MAX = 200;
const TABS = 4;

const LOOK: { [state in OrderState]: [icon: string, tone: string, word: string] } = {
  sending: ['work', 's', 'Sending'],
  working: ['work', 'acc', 'Working'],
  partial: ['part', 'acc', 'Partial'],
  cancelling: ['work', 's', 'Cancelling'],
  filled: ['ok', 's', 'Filled'],
  cancelled: ['ok', 's', 'Cancelled'],
  expired: ['ok', 's', 'Expired'],
  rejected: ['x', 'bad', 'Rejected'],
  unknown: ['unk', 'warn', 'Unknown'],
  never: ['x', 's', 'Never will be'],
};

export class Blotter {
  private tab = 0;
  private readonly empty = make('div', 'empty');
  private readonly tables = [
    new Table([['State', ''], ['Symbol', ''], ['Order', ''], ['Filled', 'n s3'], ['Price', 'n'], ['Note', 'wide s3'], ['Client id', 's3 hide2'], ['', 'n']]),
    new Table([['UTC', ''], ['Symbol', ''], ['Side', ''], ['Quantity', 'n'], ['Price', 'n'], ['Order', 'wide s3'], ['Report', 'n s3']]),
    new Table([['UTC', ''], ['What', ''], ['', 'wide']]),
  ] as const;
  private readonly alerts: AlertPanel;
  private readonly said = new Said((tab) => this.show(tab));

  constructor(
    private readonly state: PageState,
    private readonly nextId: () => string,
  ) {
    this.alerts = new AlertPanel(state);
    state.said = (text, tab) => this.said.tell(text, tab);
    for (let i = 0; i < TABS; i++) {
      const tab = byId(`tb${i}`);
      tab.onclick = () => this.show(i);
      tab.onkeydown = (event) => {
        const step = { ArrowRight: 1, ArrowLeft: TABS - 1 }[event.key];
        if (step === undefined) return;
        this.show((i + step) % TABS);
        byId(`tb${(i + step) % TABS}`).focus();
      };
    }
    byId('cancelall').onclick = () => this.cancelAll();
    byId('unknown').onclick = () => {
      this.show(0);
      this.ask();
    };
    byId('tp').onclick = (event) => {
      const button = (event.target as Element).closest('button');
      const order = this.state.client.orders.get(button?.dataset['order'] ?? '');
      if (order === undefined) return;
      if (order.state === 'unknown') this.resolve(order);
      else this.cancel(order);
    };
    this.show(0);
  }

  show(tab: number): void {
    this.tab = tab;
    for (let i = 0; i < TABS; i++) {
      attr(byId(`tb${i}`), 'aria-selected', String(i === tab));
      byId(`tb${i}`).tabIndex = i === tab ? 0 : -1;
    }
    attr(byId('tp'), 'aria-labelledby', `tb${tab}`);
    const table = this.tables[tab];
    byId('tp').replaceChildren(...(table === undefined ? [this.alerts.root] : [table.root]), this.empty);
    this.state.ordersChanged = true;
  }

  private openOrders(): Order[] {
    return this.state.client.orders.orders.filter((order) => order.state === 'working' || order.state === 'partial');
  }

  private cancel(order: Order): void {
    this.state.client.cancel(order, this.nextId()).catch((error: Error) => this.state.note('cancel', error.message));
  }

  private resolve(order: Order): void {
    this.state.client.resolve(order.chain.at(-1) ?? order.clOrdId).catch((error: Error) => this.state.note('ask', error.message));
  }

  /** Cancels the newest open order. */
  cancelNewest(): void {
    const order = this.openOrders()[0];
    if (order !== undefined) this.cancel(order);
  }

  cancelAll(): void {
    for (const order of this.openOrders()) this.cancel(order);
  }

  /** Asks for every unknown order. */
  ask(): void {
    for (const order of this.state.client.orders.orders) if (order.state === 'unknown') this.resolve(order);
  }

  paint(): void {
    const { orders, fills } = this.state.client.orders;
    const open = this.openOrders();
    const unknown = orders.filter((order) => order.state === 'unknown');
    put(byId('c0'), String(orders.length));
    put(byId('c1'), String(fills.length));
    put(byId('c2'), String(this.state.notices.length));
    put(byId('c3'), String(this.state.client.alerts.standing.length));
    put(byId('open'), String(open.length));
    byId('cancelall').hidden = open.length === 0;
    put(byId('cancelall'), `Cancel all ${open.length}`);
    byId('unknown').hidden = unknown.length === 0;
    put(byId('unknown').querySelector('b') as Element, String(unknown.length));
    if (this.tab === 0) this.orders(unknown.concat(orders.filter((order) => order.state !== 'unknown')));
    else if (this.tab === 1) this.fills();
    else if (this.tab === 2) this.notices();
    else this.alerts.paint((count, text) => this.none(count, text));
  }

  private none(count: number, text: string): void {
    put(this.empty, count === 0 ? text : '');
    this.empty.hidden = count > 0;
  }

  private orders(orders: Order[]): void {
    const table = this.tables[0];
    const count = Math.min(orders.length, SHOWN_MAX);
    for (let i = 0; i < count; i++) this.orderRow(table.row(i, 8), orders[i] as Order);
    table.end(count);
    this.none(count, 'No orders yet. Choose a symbol, then the ticket on the right.');
  }

  private orderRow(row: HTMLTableRowElement, order: Order): void {
    const [icon, tone, word] = LOOK[order.state];
    row.className = order.state === 'unknown' ? 'unk' : '';
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
    const note = order.state === 'unknown' ? `${order.reason}, sent ${span(Date.now() - order.sentAt)} ago` : noteOf(order);
    fill(row, [
      null,
      [split(order.symbol)[0], 'b'],
      [`${order.side === 'sell' ? 'Sell' : 'Buy'} ${group(order.qty)}`, order.side === 'sell' ? 'dn' : 'up'],
      [group(order.cum), 'n s3'],
      [order.price === '' ? 'market' : group(order.price), 'n'],
      [note, 'wide s3 s'],
      [order.clOrdId, 's3 hide2 m'],
      null,
    ]);
    this.action(row.cells[7] as HTMLElement, order);
  }

  private action(cell: HTMLElement, order: Order): void {
    const kind = order.state === 'unknown' ? 'ask' : ended(order.state) || order.state === 'sending' || order.state === 'cancelling' ? '' : 'cancel';
    cell.className = 'n';
    let button = cell.firstElementChild as HTMLButtonElement | null;
    if ((button?.dataset['kind'] ?? '') !== kind) {
      cell.replaceChildren();
      button = null;
      if (kind !== '') {
        button = make('button', kind === 'ask' ? 'btn' : 'cx', kind === 'ask' ? 'Ask' : '');
        button.dataset['kind'] = kind;
        if (kind === 'cancel') button.append(glyph('x'));
        cell.append(button);
      }
    }
    if (button === null) return;
    button.dataset['order'] = order.clOrdId;
    attr(button, 'aria-label', `${kind === 'ask' ? 'Ask for' : 'Cancel'} ${order.clOrdId}`);
  }

  private fills(): void {
    const table = this.tables[1];
    const { fills } = this.state.client.orders;
    const count = Math.min(fills.length, SHOWN_MAX);
    for (let i = 0; i < count; i++) {
      const item = fills[i] as (typeof fills)[number];
      fill(table.row(i, 7), [
        [clock(item.atMs), 'm'],
        [split(item.symbol)[0], 'b'],
        [item.side === 'sell' ? 'Sell' : 'Buy', item.side === 'sell' ? 'dn' : 'up'],
        [group(item.qty), 'n'],
        [group(item.price), 'n'],
        [item.clOrdId, 'wide s3 m'],
        [group(String(item.seq)), 'n s3 m'],
      ]);
    }
    table.end(count);
    this.none(count, 'No fills since this page was opened.');
  }

  private notices(): void {
    const table = this.tables[2];
    const { notices } = this.state;
    const count = Math.min(notices.length, SHOWN_MAX);
    for (let i = 0; i < count; i++) {
      const item = notices[i] as (typeof notices)[number];
      fill(table.row(i, 3), [[clock(item.at), 'm'], [item.code.replaceAll('_', ' '), 'b'], [item.text, 'wide s']]);
    }
    table.end(count);
    this.none(count, 'Nothing to tell.');
  }
}

function noteOf(order: Order): string {
  const tif = order.tif === 'day' ? 'Day' : order.tif.toUpperCase();
  return order.reason === '' ? tif : `${tif}, ${order.reason}`;
}
