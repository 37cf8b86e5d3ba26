// What all panels of the page share: the client, the symbols, the selection, and what is proven right now.

import { Client, STATE, conditionText, type Alert, type Instrument, type Merged, type Notice, type Print, type Stale, type Welcome } from '../sdk/index.js';
import { span } from './dom.js';

/** Without a heartbeat for longer than this nothing is proven, ms. */
const PROOF_MS = 2_500;
/** Names of states by number. */
export const STATES = ['LIVE', 'QUIET', 'STALE', 'HALTED', 'OUT'] as const;
/** Channels that make a row: quotes and prints, see `Instrument.channels`. */
const MARKET = 3;
const TAPE_MAX = 60;
const NOTICES_MAX = 200;

/** One row of the tape. */
export type TapeRow = { at: number } & ({ print: Print } | { merged: Merged });

/** What the page keeps of a symbol beside the client's view. */
export interface Row {
  instrument: Instrument;
  /** First price that this page saw; 0 = none yet. */
  first: number;
  tape: TapeRow[];
}

/** One line of the notices tab. */
export interface NoticeRow {
  at: number;
  code: string;
  text: string;
}

export class PageState {
  readonly client: Client;
  /** Symbols in order of their names. */
  rows: Row[] = [];
  readonly bySymbol = new Map<string, Row>();
  selected: Row | null = null;
  /** Update interval of all subscriptions. */
  intervalMs = 50;
  readonly dirty = new Set<string>();
  /** Rows came or went. */
  listChanged = true;
  ordersChanged = true;
  readonly notices: NoticeRow[] = [];
  /** Time of the last order's reply, ms. */
  ackMs: number | null = null;
  /** What the gateway's readiness says of the order log. */
  durability = '';
  /** Shows what was said last, and the tab that holds it; set by the blotter. */
  said: (text: string, tab: number) => void = () => undefined;
  /** Close code of the last connection and the gateway's word for it. */
  closed = '';

  constructor(account: string) {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    this.client = new Client({
      url: `${scheme}://${location.host}/ws`,
      account,
      welcome: (welcome) => this.welcome(welcome),
      quote: (instrument) => this.dirty.add(instrument.symbol),
      book: (instrument) => this.dirty.add(instrument.symbol),
      bar: (instrument) => this.dirty.add(instrument.symbol),
      print: (instrument, print) => this.tape(instrument, { at: Date.now(), print }),
      merged: (instrument, merged) => this.tape(instrument, { at: Date.now(), merged }),
      joined: (instrument) => this.joined(instrument),
      left: (instrument) => this.left(instrument),
      orders: () => (this.ordersChanged = true),
      notice: (notice) => this.notice(notice),
      alert: (alert, fired) => this.alert(alert, fired),
      freshness: (shard, why) => this.freshness(shard, why),
      mismatch: (channel, symbols) => this.note('mismatch', `${channel} asked for in full: ${symbols.join(', ')}`),
      link: (_link, detail) => this.linkMoved(detail),
    });
  }

  private welcome(welcome: Welcome): void {
    if (typeof welcome.durability === 'string') this.durability = welcome.durability;
    this.listChanged = true;
  }

  private linkMoved(detail: string): void {
    if (detail !== '') {
      this.closed = detail;
      this.note('link', `closed: ${detail}`);
    }
    this.listChanged = true;
    for (const row of this.rows) this.dirty.add(row.instrument.symbol);
  }

  private joined(instrument: Instrument): void {
    const known = this.bySymbol.get(instrument.symbol);
    if (known !== undefined) {
      known.instrument = instrument;
    } else {
      const row: Row = { instrument, first: 0, tape: [] };
      this.bySymbol.set(instrument.symbol, row);
      this.rows.push(row);
    }
    this.listChanged = true;
    this.dirty.add(instrument.symbol);
  }

  private left(instrument: Instrument): void {
    if ((instrument.channels & MARKET) !== 0) return; // a book alone makes no row
    const row = this.bySymbol.get(instrument.symbol);
    this.bySymbol.delete(instrument.symbol);
    this.rows = this.rows.filter((other) => other !== row);
    if (this.selected === row) this.selected = this.rows[0] ?? null;
    this.listChanged = true;
  }

  private tape(instrument: Instrument, entry: TapeRow): void {
    const row = this.bySymbol.get(instrument.symbol);
    if (row === undefined) return;
    if (row.first === 0 && 'print' in entry) row.first = entry.print.price;
    row.tape.unshift(entry);
    if (row.tape.length > TAPE_MAX) row.tape.pop();
    this.dirty.add(instrument.symbol);
  }

  private freshness(shard: number, why: Stale | null): void {
    if (why === null) this.note('fresh', `shard ${shard}`);
    else this.note('stale', `shard ${shard}: ${why.words}, last proven ${span(why.ageMs)} before`);
    for (const { instrument } of this.rows) if (instrument.info.shard === shard) this.dirty.add(instrument.symbol);
  }

  private notice(notice: Notice): void {
    if (notice.code === 'stale' || notice.code === 'fresh') return; // told by `freshness`
    if (notice.code === 'operator') {
      const text = `${String(notice['from'])}: ${String(notice['text'])}`;
      this.note('operator', text);
      return this.said(text, 2);
    }
    const rest = Object.entries(notice).filter(([key]) => key !== 'op' && key !== 'code');
    this.note(notice.code, rest.map(([key, value]) => `${key} ${String(value)}`).join(', '));
  }

  private alert(alert: Alert, fired: boolean): void {
    this.ordersChanged = true;
    if (!fired || alert.condition === undefined) return;
    const text = `${alert.symbol}: ${conditionText(alert.condition)}, seen ${alert.seen}${alert.note === undefined ? '' : ` (${alert.note})`}`;
    this.note('alert fired', text);
    this.said(text, 3);
  }

  /** Adds a line to the notices. */
  note(code: string, text: string): void {
    this.notices.unshift({ at: Date.now(), code, text });
    if (this.notices.length > NOTICES_MAX) this.notices.pop();
    this.ordersChanged = true;
  }

  /** Rows in the order of their names; called before they are shown. */
  sort(): void {
    this.rows.sort((a, b) => (a.instrument.symbol < b.instrument.symbol ? -1 : 1));
    if (this.selected === null) this.selected = this.rows[0] ?? null;
  }

  /** Time since the gateway last spoke, ms; infinite while there is no link. */
  silence(): number {
    const beat = this.client.lastHeartbeat;
    if (this.client.link !== 'open') return Infinity;
    if (beat !== null) return performance.now() - beat.at;
    return 0; // welcomed a moment ago
  }

  /** Whether anything can be proven now. */
  proven(): boolean {
    return this.silence() <= PROOF_MS;
  }

  /** The state that may be shown: without proof everything is STALE, whatever was last said. */
  shownState(instrument: Instrument): number {
    if (!this.proven()) return STATE.stale;
    if (!instrument.quote.based && !instrument.trade.based) return STATE.stale;
    const { state } = this.client.stale.of(instrument);
    return state === 'stale' ? STATE.stale : instrument.state;
  }

  /** Why a symbol that is shown as STALE is so, in words; '' = nobody told. */
  why(instrument: Instrument): string {
    const silent = this.client.link === 'open' && !this.proven();
    return silent ? 'gateway silent' : (this.client.freshness(instrument)?.words ?? '');
  }

  /** Since when the shown state holds, ms ago. */
  stateAge(instrument: Instrument): number {
    const now = performance.now();
    if (this.proven()) return now - instrument.stateAt;
    const lost = this.client.link === 'open' ? (this.client.lastHeartbeat?.at ?? now) : this.client.lostAt;
    return Math.max(now - lost, instrument.state === STATE.stale ? now - instrument.stateAt : 0);
  }

  /** Age of the proof: how far the watermark is behind the gateway's clock, plus the silence since. */
  proofAge(): number | null {
    const beat = this.client.lastHeartbeat;
    if (beat === null || beat.message.watermark_us === null || this.client.link !== 'open') return null;
    return Math.max(0, (beat.message.t_us - beat.message.watermark_us) / 1000) + performance.now() - beat.at;
  }
}
