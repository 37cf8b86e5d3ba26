// Header and truth bar: what is proven, what was merged, what was lost, and whether the link stands.

import { STATE, group } from '../sdk/index.js';
import { attr, byId, clock, put, setGlyph, span } from './dom.js';
import type { PageState } from './state.js';
import { summary } from './why.js';

/** Why a connection ended, by its close code; one without a sentence is told by its number and word. */
const REASONS: { [code: string]: string } = {
  1001: 'the gateway stops',
  1006: 'the connection broke',
  1008: 'the gateway refused too many bad messages',
  1011: 'this page did not answer in time',
  1013: 'the gateway has no room now',
  4401: 'this page is not authenticated',
  4403: 'this page may not connect',
  4408: 'this page read too slowly',
  4409: 'a newer session took over',
  4429: 'this page sent too many messages',
};

/** The reason as a sentence's part, from "4409 taken_over". */
function reason(detail: string): string {
  const [code = '', ...word] = detail.split(' ');
  return `${REASONS[code] ?? (word.join(' ').replaceAll('_', ' ') || 'no reason was given')} (${code})`;
}

export class TruthBar {
  private frozenAt = 0;

  constructor(private readonly state: PageState) {
    byId('bnretry').onclick = () => this.state.client.retryNow();
  }

  paint(): void {
    this.counts();
    this.link();
    this.timing();
    const { client } = this.state;
    const { quotes, trades, gaps, decodeErrors } = client.view;
    const records = quotes.delivered;
    const ratio = records === 0 ? '–' : `${((quotes.delivered + quotes.merged) / records).toFixed(1)} : 1`;
    put(byId('merged'), ratio);
    const lost = quotes.lost + trades.lost;
    put(byId('lost'), group(String(lost)));
    byId('lostbox').className = lost > 0 ? 'tb on' : 'tb';
    const broken = quotes.broken + trades.broken;
    const trouble = [
      gaps > 0 ? `${gaps} frames missed, repaired` : '',
      decodeErrors > 0 ? `${decodeErrors} frames unreadable` : '',
      client.repairs.repaired > 0 ? `${client.repairs.repaired} symbols differed, repaired` : '',
      broken > 0 ? `${broken} accounts do not add up` : '',
      client.orders.missed > 0 ? `${client.orders.missed} reports missed while away, states read again` : '',
    ].filter((text) => text !== '');
    byId('repair').hidden = trouble.length === 0;
    put(byId('repair').firstElementChild as Element, trouble.join(' · '));
    this.proof();
    this.verified();
    this.mode();
  }

  private counts(): void {
    const counts = [0, 0, 0, 0];
    const reasons: string[] = [];
    for (const { instrument } of this.state.rows) {
      const state = this.state.shownState(instrument);
      counts[state]!++;
      if (state === STATE.stale) reasons.push(this.state.why(instrument));
    }
    const { words, all } = summary(reasons);
    put(byId('why'), words);
    byId('why').hidden = words === '';
    attr(byId('n2').parentElement as Element, 'title', all);
    counts.forEach((count, state) => {
      put(byId(`n${state}`), group(String(count)));
      if (state < 2) return;
      const button = byId(`n${state}`).parentElement as HTMLElement;
      button.classList.toggle('on', state === STATE.stale && count > 0);
    });
    // Green stands for proof: without a live symbol the light is a ring.
    const icon = (byId('n0').parentElement as HTMLElement).firstElementChild as Element;
    setGlyph(icon, 'g0', (counts[0] as number) > 0 ? 'up' : 'm');
    const stale = (byId('n2').parentElement as HTMLElement).firstElementChild as Element;
    setGlyph(stale, 'g2', (counts[2] as number) > 0 ? 'warn' : 'm');
  }

  private proof(): void {
    const age = this.state.proofAge();
    const icon = byId('proofbox').firstElementChild as Element;
    const good = age !== null && age < 3_000 && this.state.proven();
    setGlyph(icon, good ? 'ok' : 'g2', good ? 'up' : 'warn');
    put(byId('proof'), age === null ? 'not yet' : `${span(age)} ago`);
  }

  /** When the view's hash was last what the gateway says; nothing where it says none. */
  private verified(): void {
    const { verifiedAt } = this.state.client.repairs;
    const box = byId('viewbox');
    box.hidden = verifiedAt === null || !this.state.proven();
    if (verifiedAt === null) return;
    const age = performance.now() - verifiedAt;
    setGlyph(box.firstElementChild as Element, age < 3_000 ? 'ok' : 'g2', age < 3_000 ? 'up' : 'warn');
    put(box.lastElementChild as Element, `${span(age)} ago`);
  }

  private link(): void {
    const { client } = this.state;
    const box = byId('lnk');
    const [word, detail] = [box.querySelector('b') as Element, box.querySelector('span span') as Element];
    const icon = box.firstElementChild as Element;
    const silent = client.link === 'open' && !this.state.proven();
    if (client.link === 'open' && !silent) {
      setGlyph(icon, 'g0', client.lastHeartbeat === null ? 'm' : 'up');
      put(word, 'Connected');
      put(detail, client.server === null ? '' : `gateway ${client.server.boot_id.slice(0, 8)}`);
      attr(document.documentElement, 'data-link', 'open');
      this.frozenAt = 0;
      return;
    }
    setGlyph(icon, 'unk', 'warn');
    if (this.frozenAt === 0) this.frozenAt = Date.now();
    const lost = client.link !== 'connecting' || client.lostAt > 0;
    attr(document.documentElement, 'data-link', lost ? 'lost' : 'first');
    const wait = Math.max(0, client.retryAt - performance.now());
    const words: { [link: string]: string } = {
      open: 'The gateway is silent.',
      closed: `Closed: ${reason(this.state.closed)}.`,
      connecting: 'Connecting again.',
      waiting: `Reconnecting in ${span(wait)}.`,
    };
    put(word, client.link === 'closed' ? 'Closed' : silent ? 'Silent' : client.lostAt > 0 ? 'Reconnecting' : 'Connecting');
    put(detail, client.attempts > 0 ? `attempt ${client.attempts}` : '');
    put(byId('bnwhat'), words[client.link] ?? '');
    const why = client.link === 'waiting' ? `Lost because ${reason(this.state.closed)}. ` : '';
    const back = client.link === 'closed' ? ' It does not come back by itself: reload the page.' : '';
    const stay = `Sending is blocked. Orders stay as they are.${back}`;
    put(byId('bnmore'), `${why}Prices are frozen at ${clock(this.frozenAt)} UTC. ${stay}`);
    byId('bnretry').hidden = client.link !== 'waiting';
  }

  private timing(): void {
    const { client, intervalMs } = this.state;
    const proven = this.state.proven();
    const delay = proven ? client.timing.delayUs(50) : null;
    put(byId('wait'), proven ? (intervalMs === 0 ? 'no' : `≤ ${intervalMs} ms`) : '–');
    put(byId('delay'), delay === null ? '–' : `${(delay / 1000).toFixed(1)} ms`);
    const whole = Math.max(1, intervalMs + (delay ?? 0) / 1000);
    byId('waitbar').style.width = proven ? `${Math.round((100 * intervalMs) / whole)}%` : '0';
    byId('delaybar').style.width = delay === null ? '0' : `${Math.max(1, Math.round(delay / 10 / whole))}%`;
  }

  private mode(): void {
    const { server } = this.state.client;
    byId('demo').hidden = server?.auth !== 'demo';
    const { durability } = this.state;
    const durable = byId('durable');
    durable.hidden = durability === '';
    const good = /^(durable|always|sync_always|proven)$/.test(durability);
    durable.className = good ? 'tb hide3' : 'tb on';
    put(durable, good ? 'Order log synced' : `Order log: ${durability.replaceAll('_', ' ')}`);
  }
}
