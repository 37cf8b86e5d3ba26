// The selected symbol's book, five levels a side with sizes as bars, and its bar of this minute.

import { shown, type Instrument } from '../sdk/index.js';
import { byId, make, put } from './dom.js';
import type { PageState } from './state.js';

const LEVELS = 5;
const INTERVAL_MS = 100;
/** A symbol is asked for when it was chosen for so long: who walks through the list asks for none on the way. */
const SETTLE_MS = 250;
const CHANNELS = [
  ['book', { depth: LEVELS }],
  ['bar', { period: '1m' }],
] as const;

export class DepthPanel {
  private followed: string | null = null;
  private chosen: string | null = null;
  private chosenAt = 0;
  private readonly rows: HTMLElement[][] = [];

  constructor(private readonly state: PageState) {
    for (let i = 0; i < LEVELS; i++) {
      const row = make('div');
      const cells = [make('span', 'q'), make('b', 'up'), make('b', 'dn'), make('span', 'q')];
      row.append(...cells);
      byId('depth').append(row);
      this.rows.push(cells);
    }
  }

  paint(): void {
    const instrument = this.state.selected?.instrument;
    this.follow(instrument?.symbol ?? null);
    const { view } = this.state.client;
    const book = instrument === undefined ? null : view.book(instrument.id);
    byId('depth').hidden = book === null;
    if (instrument !== undefined && book !== null) this.levels(instrument, book.bids, book.asks);
    this.bar(instrument);
  }

  private follow(symbol: string | null): void {
    const now = performance.now();
    if (symbol !== this.chosen) {
      this.chosen = symbol;
      this.chosenAt = now;
    }
    if (symbol === this.followed || now - this.chosenAt < SETTLE_MS) return;
    const { client } = this.state;
    for (const [channel, shows] of CHANNELS) {
      // Without a link the client keeps the wish; a gateway that does not know the channel leaves the panel away.
      if (this.followed !== null) client.unsubscribe(channel, [this.followed]).catch(() => undefined);
      if (symbol !== null) client.subscribe(channel, [symbol], INTERVAL_MS, undefined, false, shows).catch(() => undefined);
    }
    this.followed = symbol;
  }

  private levels({ info }: Instrument, bids: [number, number][], asks: [number, number][]): void {
    const most = Math.max(1, ...bids.map(([, qty]) => qty), ...asks.map(([, qty]) => qty));
    this.rows.forEach(([bidQty, bid, ask, askQty], at) => {
      for (const [level, price, size] of [[bids[at], bid, bidQty], [asks[at], ask, askQty]] as const) {
        put(price as Element, level === undefined ? '' : shown(level[0], info.price_exponent));
        put(size as Element, level === undefined ? '' : shown(level[1], info.qty_exponent));
        const width = level === undefined ? 0 : Math.round((level[1] / most) * 100);
        (size as HTMLElement).style.setProperty('--w', `${width}%`);
      }
    });
  }

  private bar(instrument: Instrument | undefined): void {
    const last = instrument === undefined ? null : (this.state.client.view.bar(instrument.id)?.last ?? null);
    byId('bar').hidden = last === null;
    if (instrument === undefined || last === null) return;
    const { price_exponent: exponent, qty_exponent: qty } = instrument.info;
    const prices = { bopen: last.open, bhigh: last.high, blow: last.low, bclose: last.close };
    for (const [id, price] of Object.entries(prices)) put(byId(id), last.count > 0 ? shown(price, exponent) : '–');
    put(byId('bvol'), shown(last.volume, qty));
  }
}
