// The watch list: a pool of rows over any number of symbols; dirty and visible ones are painted once a frame.

import { STATE, change, shown, type Link } from '../sdk/index.js';
import { attr, byId, glyph, make, put, setGlyph, span } from './dom.js';
import { STATES, type PageState, type Row } from './state.js';
import { sentence } from './why.js';

const calm = matchMedia('(prefers-reduced-motion:reduce)');

/** What an empty list says. */
const NOTHING: { [link in Link]: string } = {
  open: 'No symbol yet. Subscribe one, or * for all.',
  connecting: 'Connecting to the gateway.',
  waiting: 'Not connected; trying again by itself.',
  closed: 'Closed by the gateway.',
};

interface Pooled {
  root: HTMLElement;
  icon: SVGSVGElement;
  word: HTMLElement;
  name: HTMLElement;
  venue: HTMLElement;
  cells: HTMLElement[];
  age: HTMLElement;
  why: HTMLElement;
  index: number;
  row: Row | null;
  last: number;
}

export class WatchList {
  private readonly list = byId('wl');
  private readonly body = byId('rows');
  private readonly search = byId<HTMLInputElement>('q');
  private readonly empty = make('div', 'empty');
  private pool: Pooled[] = [];
  private view: Row[] = [];
  private pattern: RegExp | null = null;
  private filter = -1;
  private height = 24;

  constructor(
    private readonly state: PageState,
    private readonly select: (row: Row) => void,
  ) {
    this.search.oninput = () => this.find();
    this.list.onscroll = () => this.lay(false);
    this.list.onkeydown = (event) => this.key(event);
    this.body.onclick = (event) => {
      const root = (event.target as Element).closest('.r');
      const pooled = this.pool.find((item) => item.root === root);
      if (pooled?.row) this.select(pooled.row);
    };
    for (const button of document.querySelectorAll<HTMLElement>('.truth [data-f]')) {
      button.onclick = () => {
        const wanted = Number(button.dataset['f']);
        this.filter = this.filter === wanted ? -1 : wanted;
        for (const other of document.querySelectorAll<HTMLElement>('.truth [data-f]')) {
          attr(other, 'aria-pressed', String(Number(other.dataset['f']) === this.filter));
        }
        this.refresh();
      };
    }
    addEventListener('resize', () => this.lay(true));
  }

  private find(): void {
    const text = this.search.value.trim().toUpperCase();
    if (text === '') this.pattern = null;
    else {
      const body = text.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*').replace(/\?/g, '.');
      this.pattern = new RegExp(`^${body}${/[*?]/.test(text) ? '$' : ''}`);
    }
    this.list.scrollTop = 0;
    this.refresh();
  }

  /** Symbols came or went, or another filter holds. */
  refresh(): void {
    const { rows } = this.state;
    this.view = rows.filter((row) => {
      const { symbol } = row.instrument;
      if (this.filter >= 0 && this.state.shownState(row.instrument) !== this.filter) return false;
      return this.pattern === null || this.pattern.test(symbol.toUpperCase());
    });
    const all = this.view.length === rows.length;
    put(byId('cnt'), all ? `${rows.length} symbols` : `${this.view.length} of ${rows.length}`);
    attr(this.list, 'aria-rowcount', String(this.view.length + 1));
    this.emptyLine();
    this.lay(true);
  }

  private emptyLine(): void {
    if (this.view.length > 0) return this.empty.remove();
    const text = this.search.value.trim();
    if (text !== '') put(this.empty, `No symbol matches “${text}”. Use * for any text and ? for one character.`);
    else if (this.filter >= 0) put(this.empty, `No symbol is ${STATES[this.filter]}.`);
    else put(this.empty, NOTHING[this.state.client.link]);
    if (!this.empty.isConnected) this.list.append(this.empty);
  }

  private key(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.list.clientHeight / this.height) - 2);
    const steps: { [key: string]: number } = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    this.move(step);
  }

  /** Selects a symbol further down or up. */
  move(step: number): void {
    const at = this.state.selected === null ? -1 : this.view.indexOf(this.state.selected);
    const next = this.view[Math.max(0, Math.min(this.view.length - 1, at + step))];
    if (next === undefined) return;
    const top = this.view.indexOf(next) * this.height;
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    const bottom = top + this.height + 26 - this.list.clientHeight;
    if (bottom > this.list.scrollTop) this.list.scrollTop = bottom;
    this.select(next);
  }

  private pooled(): Pooled {
    const root = make('div', 'r wr');
    root.setAttribute('role', 'row');
    const cell = (className: string): HTMLElement => {
      const span = make('span', className);
      span.setAttribute('role', 'gridcell');
      root.append(span);
      return span;
    };
    const state = cell('st');
    const icon = glyph('g2');
    const word = make('span', 'vh');
    state.append(icon, word);
    const symbol = cell('sy');
    const name = make('span');
    const venue = make('i');
    symbol.append(name, venue);
    const classes = ['n xs s', 'n xb px', 'n xb px', 'n xs s', 'n px', 'n d', 'n d xm m', 'n d xm m'];
    const cells = classes.map((className) => cell(className));
    const cellOfAge = cell('age');
    const [age, why] = [make('span'), make('span')];
    cellOfAge.append(age, why);
    this.body.append(root);
    return { root, icon, word, name, venue, cells, age, why, index: -1, row: null, last: 0 };
  }

  /** Puts pooled rows where they are seen. */
  lay(force: boolean): void {
    this.height = innerWidth <= 700 ? 40 : 24;
    const from = Math.max(0, Math.floor(this.list.scrollTop / this.height) - 2);
    const count = Math.min(this.view.length - from, Math.ceil(this.list.clientHeight / this.height) + 4);
    this.body.style.height = `${this.view.length * this.height}px`;
    while (this.pool.length < count) this.pool.push(this.pooled());
    this.pool.forEach((pooled, i) => {
      const index = from + i;
      const row = i < count ? this.view[index] : undefined;
      if (row === undefined) {
        pooled.root.hidden = true;
        pooled.row = null;
        return;
      }
      if (pooled.row === row && pooled.index === index && !force) return;
      Object.assign(pooled, { index, row, last: 0 });
      pooled.root.hidden = false;
      pooled.root.style.top = `${index * this.height + 25}px`;
      pooled.root.id = `row${i}`;
      attr(pooled.root, 'aria-rowindex', String(index + 2));
      const [name = '', venue = ''] = split(row.instrument.symbol);
      put(pooled.name, name);
      put(pooled.venue, venue);
      this.paintRow(pooled, false);
    });
    this.mark();
  }

  /** Shows which symbol is selected. */
  mark(): void {
    for (const pooled of this.pool) {
      const selected = pooled.row !== null && pooled.row === this.state.selected;
      attr(pooled.root, 'aria-selected', String(selected));
      if (selected) attr(this.list, 'aria-activedescendant', pooled.root.id);
    }
  }

  /** With a filter on, symbols enter and leave it as their states change. */
  refilter(): void {
    if (this.filter < 0) return;
    this.refresh();
  }

  /** Paints visible rows: the dirty ones, or all for their ages. */
  paint(all: boolean): void {
    for (const pooled of this.pool) {
      if (pooled.row === null) continue;
      if (all || this.state.dirty.has(pooled.row.instrument.symbol)) this.paintRow(pooled, true);
    }
  }

  private paintRow(pooled: Pooled, flash: boolean): void {
    const row = pooled.row as Row;
    const { instrument } = row;
    const { quote, trade, info } = instrument;
    const state = this.state.shownState(instrument);
    attr(pooled.root, 'data-s', String(state));
    setGlyph(pooled.icon, `g${state}`);
    put(pooled.word, STATES[state] ?? '');
    const [bidSize, bid, ask, askSize, last, changed, age, events] = pooled.cells as [
      HTMLElement, HTMLElement, HTMLElement, HTMLElement, HTMLElement, HTMLElement, HTMLElement, HTMLElement,
    ];
    const seen = quote.version > 0;
    put(bidSize, seen && quote.bidSize > 0 ? shown(quote.bidSize, info.qty_exponent) : '–');
    put(bid, seen && instrument.hasBid ? shown(quote.bid, info.price_exponent) : '–');
    put(ask, seen && instrument.hasAsk ? shown(quote.ask, info.price_exponent) : '–');
    put(askSize, seen && quote.askSize > 0 ? shown(quote.askSize, info.qty_exponent) : '–');
    put(last, trade.tc > 0 ? shown(trade.lastPrice, info.price_exponent) : '–');
    if (trade.tc > 0 && row.first === 0) row.first = trade.lastPrice;
    put(changed, trade.tc > 0 && row.first !== 0 ? change(trade.lastPrice, row.first) : '–');
    const look = `n d ${tone(changed.textContent ?? '')}`;
    if (changed.className !== look) changed.className = look;
    put(age, span(performance.now() - instrument.changedAt));
    put(events, `×${quote.events}`);
    const why = state === STATE.stale ? this.state.why(instrument) : '';
    put(pooled.why, why && `, ${why}`);
    attr(pooled.age.parentElement as Element, 'title', sentence(why));
    if (state === STATE.stale) put(pooled.age, `STALE ${span(this.state.stateAge(instrument))}`);
    else if (state === STATE.halted) put(pooled.age, `HALTED ${span(this.state.stateAge(instrument))}`);
    if (flash && !calm.matches && state < 2 && pooled.last !== 0 && pooled.last !== trade.lastPrice) {
      const color = trade.lastPrice > pooled.last ? 'var(--upb)' : 'var(--dnb)';
      last.animate([{ backgroundColor: color }, { backgroundColor: 'transparent' }], { duration: 240, easing: 'linear' });
    }
    pooled.last = trade.lastPrice;
  }
}

/** Colour of a change by its sign; the sign itself is in the text. */
export function tone(text: string): string {
  return text.startsWith('+') ? 'up' : text.startsWith('\u2212') ? 'dn' : 's';
}

/** Name and venue of a symbol. */
export function split(symbol: string): [string, string] {
  const at = symbol.lastIndexOf('.');
  return at < 0 ? [symbol, ''] : [symbol.slice(0, at), symbol.slice(at + 1)];
}
