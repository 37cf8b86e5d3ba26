// The selected symbol: best bid and ask, last, its account of events, and the tape of trades.

import { STATE, change, decimal, group, shown, type Instrument } from '../sdk/index.js';
import { attr, byId, clock, make, put, setGlyph, span } from './dom.js';
import { STATES, type PageState, type TapeRow } from './state.js';
import { split, tone } from './watch.js';
import { sentence } from './why.js';

const TONES = ['up', 'm', 'warn', 'halt'];

export class SymbolPanel {
  private readonly panel = document.querySelector('.sel') as HTMLElement;
  private readonly venue = make('i');
  private readonly name = document.createTextNode('–');
  private readonly tape: HTMLTableRowElement[] = [];

  constructor(private readonly state: PageState) {
    byId('hs').replaceChildren(this.name, this.venue);
  }

  paint(): void {
    const row = this.state.selected;
    if (row === null) return;
    const { instrument } = row;
    const { info, quote, trade } = instrument;
    const state = this.state.shownState(instrument);
    const [name, venue] = split(info.symbol);
    if (this.name.data !== name) this.name.data = name;
    put(this.venue, venue);
    attr(this.panel, 'data-s', String(state));
    const tag = byId('sstate');
    tag.className = `tag ${TONES[state]}`;
    setGlyph(tag.firstElementChild as Element, `g${state}`);
    const old = state >= 2 ? ` ${span(this.state.stateAge(instrument))}` : '';
    const why = state === STATE.stale ? this.state.why(instrument) : '';
    put(tag.lastElementChild as Element, `${STATES[state]}${old}${why && `, ${why}`}`);
    attr(tag, 'title', sentence(why));
    const price = (mantissa: number) => shown(mantissa, info.price_exponent);
    const qty = (mantissa: number) => shown(mantissa, info.qty_exponent);
    const traded = trade.tc > 0;
    put(byId('slast'), traded ? price(trade.lastPrice) : '–');
    const changed = byId('schg');
    const text = traded && row.first !== 0 && state < 2 ? change(trade.lastPrice, row.first) : '';
    put(changed, text);
    changed.className = `b ${tone(text)}`;
    const { hasBid, hasAsk } = instrument;
    put(byId('sbid'), hasBid ? price(quote.bid) : '–');
    put(byId('sbidq'), quote.bidSize > 0 ? qty(quote.bidSize) : '–');
    put(byId('sask'), hasAsk ? price(quote.ask) : '–');
    put(byId('saskq'), quote.askSize > 0 ? qty(quote.askSize) : '–');
    put(byId('sspread'), hasBid && hasAsk ? price(quote.ask - quote.bid) : '–');
    put(byId('sproof'), state < 2 ? `${span(performance.now() - instrument.changedAt)} ago` : 'not proven');
    this.facts(instrument, traded);
    this.rows(row.tape, instrument);
  }

  private facts(instrument: Instrument, traded: boolean): void {
    const { info, quote, trade } = instrument;
    put(byId('fvol'), traded ? shown(trade.volume, info.qty_exponent) : '–');
    const bought = trade.volume > 0 ? Math.round((trade.buyVolume / trade.volume) * 1000) : 0;
    put(byId('fbuy'), traded && info.has_aggressor !== false ? `${decimal(bought, -1)} %` : '–');
    put(byId('ftc'), group(String(trade.tc)));
    put(byId('fdel'), group(String(quote.account.delivered)));
    put(byId('fmer'), group(String(quote.account.merged)));
    const lost = quote.account.lost + trade.account.lost;
    put(byId('flost'), group(String(lost)));
    byId('flost').className = lost > 0 ? 'warn' : '';
  }

  /** Rows stay, their cells are rewritten: nothing moves. */
  private rows(entries: TapeRow[], instrument: Instrument): void {
    const body = byId('tape');
    const frame = (body.closest('.tape') as HTMLElement).clientHeight - 26;
    const count = Math.max(0, Math.min(60, Math.floor(frame / 22)));
    while (this.tape.length < count) {
      const row = make('tr');
      row.append(make('td', 'm'), make('td', 'n'), make('td', 'n'));
      body.append(row);
      this.tape.push(row);
    }
    this.tape.forEach((row, i) => {
      row.hidden = i >= count;
      if (i < count) paintTape(row, entries[i], instrument);
    });
  }
}

function paintTape(row: HTMLTableRowElement, entry: TapeRow | undefined, instrument: Instrument): void {
  const [time, price, size] = row.cells as unknown as [HTMLElement, HTMLElement, HTMLElement];
  const { info } = instrument;
  if (entry === undefined) {
    for (const cell of [time, price, size]) put(cell, '');
    row.className = '';
  } else if ('print' in entry) {
    const { print } = entry;
    const side = info.has_aggressor === false ? '' : print.sell ? '▼ ' : '▲ ';
    put(time, clock(entry.at));
    put(price, side + shown(print.price, info.price_exponent));
    price.className = side === '' ? 'n' : `n ${print.sell ? 'dn' : 'up'}`;
    put(size, shown(print.qty, info.qty_exponent));
    row.className = '';
  } else {
    const { count, range, volume } = entry.merged;
    put(time, `Σ ${count} trades`);
    const low = range === null ? '–' : shown(range.low, info.price_exponent);
    const high = range === null ? '' : `–${shown(range.high, info.price_exponent)}`;
    put(price, low + high);
    price.className = 'n';
    put(size, shown(volume, info.qty_exponent));
    row.className = 'sum';
  }
}
