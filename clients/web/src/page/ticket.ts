// The order ticket. Prices and quantities are text and mantissas; what may not be sent says why.

import { STATE, decimal, group, mantissa, product, shown, trimmed, type NewOrder } from '../sdk/index.js';
import { attr, byId, glyph, put } from './dom.js';
import { STATES, type PageState } from './state.js';

type Side = 'buy' | 'sell';

const TIFS: { [tif: string]: string } = { gtc: 'GTC', day: 'Day', ioc: 'IOC', fok: 'FOK' };

export class Ticket {
  private side: Side = 'buy';
  private type: 'limit' | 'market' = 'limit';
  private readonly qty = byId<HTMLInputElement>('qty');
  private readonly price = byId<HTMLInputElement>('price');
  private readonly tif = byId<HTMLSelectElement>('tif');
  private readonly go = byId<HTMLButtonElement>('go');
  private readonly checks: { icon: SVGSVGElement; name: HTMLElement; value: HTMLElement }[] = [];
  private symbol = '';
  private edited = false;
  private count = 0;
  /** Part of every id: two pages of one account must not use the same. */
  private readonly prefix = Date.now().toString(36);

  constructor(private readonly state: PageState) {
    byId('buy').onclick = () => this.setSide('buy');
    byId('sell').onclick = () => this.setSide('sell');
    byId('limit').onclick = () => this.setType('limit');
    byId('market').onclick = () => this.setType('market');
    byId('takebid').onclick = () => this.take('sell');
    byId('takeask').onclick = () => this.take('buy');
    this.price.oninput = () => (this.edited = true);
    for (const button of document.querySelectorAll<HTMLElement>('[data-step]')) {
      button.onclick = () => this.step(button.dataset['for'] as 'qty' | 'price', Number(button.dataset['step']));
    }
    byId<HTMLFormElement>('tk').onsubmit = (event) => {
      event.preventDefault();
      this.send();
    };
    for (let i = 0; i < 3; i++) {
      const icon = glyph('ok');
      const name = document.createElement('span');
      const value = document.createElement('span');
      byId('chk').append(icon, name, value);
      this.checks.push({ icon, name, value });
    }
  }

  setSide(side: Side): void {
    this.side = side;
    radio('buy', side === 'buy');
    radio('sell', side === 'sell');
    if (!this.edited) this.propose();
    this.paint();
  }

  setType(type: 'limit' | 'market'): void {
    this.type = type;
    radio('limit', type === 'limit');
    radio('market', type === 'market');
    byId('pricef').hidden = type === 'market';
    // A market order never rests.
    for (const option of this.tif.options) option.disabled = type === 'market' && !['ioc', 'fok'].includes(option.value);
    if (type === 'market') this.tif.value = 'ioc';
    else if (this.tif.value === 'ioc') this.tif.value = 'gtc';
    this.paint();
  }

  /** A click on bid or ask fills the ticket; it sends nothing. */
  private take(side: Side): void {
    this.edited = false;
    this.setSide(side);
  }

  /** One tick or lot up or down. */
  step(field: 'qty' | 'price', steps: number): void {
    const info = this.state.selected?.instrument.info;
    if (info === undefined) return;
    const exponent = field === 'qty' ? info.qty_exponent : info.price_exponent;
    const size = mantissa(field === 'qty' ? info.lot_size : info.tick_size, exponent) ?? 1;
    const input = this[field];
    const now = mantissa(input.value, exponent) ?? 0;
    const next = Math.max(size, (Math.floor(now / size) + steps) * size);
    input.value = decimal(next, exponent);
    if (field === 'price') this.edited = true;
    this.paint();
  }

  private propose(): void {
    const instrument = this.state.selected?.instrument;
    if (instrument === undefined) return;
    const { quote, info } = instrument;
    const price = this.side === 'buy' ? quote.ask : quote.bid;
    if (quote.version > 0 && price !== 0) this.price.value = decimal(price, info.price_exponent);
  }

  /** Another symbol: its lot, a tenth of what is shown, its price. */
  select(): void {
    const instrument = this.state.selected?.instrument;
    if (instrument === undefined || instrument.symbol === this.symbol) return;
    const { quote, info } = instrument;
    const lot = mantissa(info.lot_size, info.qty_exponent) ?? 1;
    const tenth = Math.floor(Math.min(quote.bidSize, quote.askSize) / 10 / lot) * lot;
    if (quote.version === 0) return; // nothing to propose yet; the next paint asks again
    this.symbol = instrument.symbol;
    this.edited = false;
    this.qty.value = decimal(Math.max(lot, tenth), info.qty_exponent);
    put(byId('tsym'), instrument.symbol);
    put(byId('tlot'), `lot ${trimmed(info.lot_size)}`);
    this.propose();
  }

  /** The order as it would be sent, or why it cannot be. */
  private order(): NewOrder | string {
    const { client, selected } = this.state;
    if (client.link !== 'open' || client.server === null) return 'not connected';
    if (client.server.account === null) return 'no account: choose one above';
    if (selected === null) return 'no symbol chosen';
    const { info } = selected.instrument;
    const qty = mantissa(this.qty.value, info.qty_exponent);
    const lot = mantissa(info.lot_size, info.qty_exponent) ?? 1;
    if (qty === null || qty <= 0) return 'quantity is no number';
    if (qty % lot !== 0) return `quantity is no multiple of the lot ${trimmed(info.lot_size)}`;
    const state = this.state.shownState(selected.instrument);
    if (state >= STATE.stale && this.type === 'market') {
      const why = state === STATE.stale ? this.state.why(selected.instrument) : '';
      return `quote is ${STATES[state]}${why && `: ${why}`}`;
    }
    if (state === STATE.halted) return 'halted';
    const order: NewOrder = {
      cl_ord_id: '',
      symbol: info.symbol,
      side: this.side,
      type: this.type,
      qty: trimmed(decimal(qty, info.qty_exponent)),
      tif: this.tif.value as NewOrder['tif'],
    };
    if (this.type === 'market') return order;
    const price = mantissa(this.price.value, info.price_exponent);
    const tick = mantissa(info.tick_size, info.price_exponent) ?? 1;
    if (price === null || price <= 0) return 'price is no number';
    if (price % tick !== 0) return `price is no multiple of the tick ${trimmed(info.tick_size)}`;
    return { ...order, price: decimal(price, info.price_exponent) };
  }

  send(): void {
    const order = this.order();
    if (typeof order === 'string') {
      put(byId('say'), `Not sent: ${order}.`);
      return;
    }
    order.cl_ord_id = this.nextId();
    const began = performance.now();
    put(byId('say'), `${order.cl_ord_id} sent.`);
    this.state.client.order(order).then(
      ({ outcome, error, reply }) => {
        this.state.ackMs = performance.now() - began;
        put(byId('say'), `${order.cl_ord_id}: ${said(outcome, error?.message ?? reply?.order?.reason ?? '')}`);
      },
      (error: Error) => put(byId('say'), `${order.cl_ord_id}: ${error.message}.`),
    );
  }

  /** An id never used before in this account. */
  nextId(): string {
    return `w-${this.prefix}-${++this.count}`;
  }

  paint(): void {
    this.select();
    const order = this.order();
    const blocked = typeof order === 'string';
    this.go.disabled = blocked;
    const [what, how] = [this.go.firstElementChild as Element, this.go.lastElementChild as Element];
    this.go.className = this.side === 'sell' ? 'go sell' : 'go';
    if (blocked) {
      put(what, 'Sending is blocked');
      put(how, order);
    } else {
      const [name] = order.symbol.split('.');
      put(what, `${this.side === 'buy' ? 'Buy' : 'Sell'} ${group(order.qty)} ${name}`);
      put(how, `${order.price === undefined ? 'at market' : `at ${group(order.price)}, limit`}, ${TIFS[order.tif]}`);
    }
    this.paintChecks(order);
    const { ackMs, client } = this.state;
    put(byId('ack'), ackMs === null ? '–' : `${ackMs.toFixed(1)} ms`);
    put(byId('seq'), client.orders.lastSeq === 0 ? '–' : `${group(String(client.orders.lastSeq))}${gapText(client.orders.gaps)}`);
  }

  private paintChecks(order: NewOrder | string): void {
    const instrument = this.state.selected?.instrument;
    const info = instrument?.info;
    const valid = typeof order !== 'string';
    const state = instrument === undefined ? STATE.stale : this.state.shownState(instrument);
    const quote = instrument?.quote;
    const reference = valid ? (order.price ?? this.touch()) : null;
    const notional = valid && reference !== null ? group(trimmed(product(order.qty, reference))) : '–';
    const facing = this.side === 'buy' ? quote?.askSize : quote?.bidSize;
    this.check(0, valid, 'Notional', notional);
    this.check(1, state < 2, 'Quote', STATES[state] ?? '–');
    this.check(2, state < 2 && facing !== undefined && facing > 0, 'Shown against it', facing && info ? shown(facing, info.qty_exponent) : '–');
    wrong('qty', typeof order === 'string' && order.startsWith('quantity'));
    wrong('price', typeof order === 'string' && order.startsWith('price'));
  }

  private touch(): string | null {
    const instrument = this.state.selected?.instrument;
    if (instrument === undefined) return null;
    const price = this.side === 'buy' ? instrument.quote.ask : instrument.quote.bid;
    return decimal(price, instrument.info.price_exponent);
  }

  private check(index: number, good: boolean, name: string, value: string): void {
    const check = this.checks[index];
    if (check === undefined) return;
    attr(check.icon, 'class', good ? 'i up' : 'i warn');
    attr(check.icon.firstElementChild as Element, 'href', good ? '#ok' : '#g2');
    put(check.name, name);
    put(check.value, value);
  }
}

function gapText(gaps: number): string {
  return gaps === 0 ? ', no gap' : `, ${gaps} gaps`;
}

function said(outcome: string, why: string): string {
  const words: { [outcome: string]: string } = {
    stored: 'stored in the log.',
    known: 'this id was used before; nothing was sent twice.',
    rejected: `rejected: ${why.replaceAll('_', ' ')}.`,
    unknown: 'no answer yet: its fate is unknown. Ask in the order’s row.',
    error: `not taken: ${why}`,
  };
  return words[outcome] ?? outcome;
}

function radio(id: string, on: boolean): void {
  const button = byId(id);
  attr(button, 'aria-checked', String(on));
  button.tabIndex = on ? 0 : -1;
}

function wrong(id: string, on: boolean): void {
  (byId(id).parentElement as HTMLElement).classList.toggle('wrong', on);
}
