// The page: wires the panels to one client and paints once a frame.

import { Blotter } from './blotter.js';
import { DepthPanel } from './depth.js';
import { attr, byId, put, typing } from './dom.js';
import { PageState, type Row } from './state.js';
import { SymbolPanel } from './symbol.js';
import { Ticket } from './ticket.js';
import { TruthBar } from './truth.js';
import { WatchList } from './watch.js';

const ACCOUNTS = ['A1', 'A2', 'A3', 'A4', 'A5', 'A6', 'A7', 'A8'];
const RATES = [0, 10, 20, 50, 100, 250, 500, 1000];
const SLOW_MS = 500;
const READY_MS = 2_000;

const account = stored('account', 'A1');
const state = new PageState(account);
const ticket = new Ticket(state);
const symbol = new SymbolPanel(state);
const depth = new DepthPanel(state);
const watch = new WatchList(state, select);
const blotter = new Blotter(state, () => ticket.nextId());
const truth = new TruthBar(state);
let slowAt = 0;

function stored(key: string, otherwise: string): string {
  try {
    return localStorage.getItem(`tickgate.${key}`) ?? otherwise;
  } catch {
    return otherwise; // storage may be forbidden; the page works without
  }
}

function store(key: string, value: string): void {
  try {
    localStorage.setItem(`tickgate.${key}`, value);
  } catch {
    // see above
  }
}

function select(row: Row): void {
  state.selected = row;
  watch.mark();
  ticket.select();
  depth.paint();
  symbol.paint();
  ticket.paint();
}

/** One frame: what changed and is visible; slower things twice a second. */
function paint(now: number): void {
  const slow = now - slowAt >= SLOW_MS;
  if (slow) slowAt = now;
  if (state.listChanged) {
    state.listChanged = false;
    state.sort();
    watch.refresh();
    state.ordersChanged = true;
  }
  const chosen = state.selected?.instrument.symbol ?? '';
  if (slow) watch.refilter();
  if (slow || state.dirty.size > 0) watch.paint(slow);
  if (slow || state.dirty.has(chosen)) {
    symbol.paint();
    depth.paint();
    ticket.paint();
  }
  if (slow || state.ordersChanged) {
    state.ordersChanged = false;
    blotter.paint();
  }
  if (slow) {
    truth.paint();
    title();
  }
  state.dirty.clear();
  requestAnimationFrame(paint);
}

function title(): void {
  const name = state.selected?.instrument.symbol.split('.')[0];
  const last = byId('slast').textContent;
  document.title = name === undefined ? 'Tickgate' : `${name} ${last} · Tickgate`;
}

function header(): void {
  const rate = byId<HTMLSelectElement>('rate');
  for (const ms of RATES) rate.append(new Option(ms === 0 ? 'every batch' : `${ms} ms`, String(ms)));
  state.intervalMs = Number(stored('interval', '50'));
  if (!RATES.includes(state.intervalMs)) state.intervalMs = 50;
  rate.value = String(state.intervalMs);
  rate.onchange = () => setRate(Number(rate.value));
  const accounts = byId<HTMLSelectElement>('account');
  for (const name of ACCOUNTS) accounts.append(new Option(`${name} paper`, name));
  accounts.append(new Option('Data only', ''));
  accounts.value = account;
  accounts.onchange = () => {
    store('account', accounts.value);
    state.client.setAccount(accounts.value === '' ? null : accounts.value);
  };
  byId('theme').onclick = theme;
  document.documentElement.dataset['theme'] = stored('theme', matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark');
}

function theme(): void {
  const next = document.documentElement.dataset['theme'] === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset['theme'] = next;
  store('theme', next);
}

function setRate(ms: number): void {
  const rate = byId<HTMLSelectElement>('rate');
  rate.value = String(ms);
  store('interval', String(ms));
  state.intervalMs = ms;
  // Quotes and prints of a symbol move together; naming one channel is enough.
  state.client.setRate('quote', patterns(), ms).catch((error: Error) => state.note('rate', error.message));
}

/** Names and patterns that are subscribed, as they were written. */
const names = new Set<string>(['*']);

function patterns(): string[] {
  return [...names];
}

async function subscribe(name: string): Promise<void> {
  names.add(name);
  for (const channel of ['quote', 'trade'] as const) {
    try {
      const outcome = await state.client.subscribe(channel, [name], state.intervalMs);
      for (const item of outcome.rejected) state.note('not subscribed', `${item.symbol}: ${item.code.replaceAll('_', ' ')}`);
    } catch (error) {
      // Without a link the client keeps the wish and subscribes once it is back.
      if (state.client.link === 'open') state.note('not subscribed', `${name}: ${(error as Error).message}`);
    }
  }
}

async function unsubscribe(name: string): Promise<void> {
  names.delete(name);
  for (const channel of ['quote', 'trade'] as const) {
    try {
      const outcome = await state.client.unsubscribe(channel, [name]);
      for (const item of outcome.rejected) state.note('not unsubscribed', `${item.symbol}: ${item.code.replaceAll('_', ' ')}`);
    } catch (error) {
      state.note('not unsubscribed', `${name}: ${(error as Error).message}`);
    }
  }
}

function subscriptions(): void {
  const field = byId<HTMLInputElement>('pat');
  byId<HTMLFormElement>('sub').onsubmit = (event) => {
    event.preventDefault();
    const name = field.value.trim();
    if (name === '') return;
    field.value = '';
    void subscribe(name);
  };
  byId('unsub').onclick = () => {
    const name = field.value.trim() || state.selected?.instrument.symbol;
    field.value = '';
    if (name) void unsubscribe(name);
  };
}

function views(): void {
  const show = (view: string): void => {
    document.body.dataset['v'] = view;
    for (const button of document.querySelectorAll<HTMLElement>('.mob button')) {
      if (button.dataset['v'] === view) attr(button, 'aria-current', 'page');
      else button.removeAttribute('aria-current');
    }
    watch.lay(true);
    symbol.paint();
  };
  for (const button of document.querySelectorAll<HTMLElement>('.mob button')) {
    button.onclick = () => show(button.dataset['v'] as string);
  }
  const wanted = /view=(\w+)/.exec(location.hash);
  show(wanted?.[1] ?? 'trade');
}

const KEYS: { [key: string]: () => void } = {
  '/': () => byId('q').focus(),
  b: () => ticket.setSide('buy'),
  s: () => ticket.setSide('sell'),
  l: () => ticket.setType('limit'),
  m: () => ticket.setType('market'),
  '+': () => ticket.step('price', 1),
  '=': () => ticket.step('price', 1),
  '-': () => ticket.step('price', -1),
  '*': () => ticket.step('price', 10),
  _: () => ticket.step('price', -10),
  x: () => blotter.cancelNewest(),
  X: () => blotter.cancelAll(),
  a: () => blotter.ask(),
  t: theme,
  '?': () => byId<HTMLDialogElement>('keys').showModal(),
  ArrowDown: () => watch.move(1),
  ArrowUp: () => watch.move(-1),
  PageDown: () => watch.move(20),
  PageUp: () => watch.move(-20),
  Enter: () => byId('qty').focus(),
};

function keys(): void {
  byId('keysclose').onclick = () => byId<HTMLDialogElement>('keys').close();
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      return ticket.send();
    }
    if (event.key === 'F6') return nextPanel(event);
    if (event.key === 'Escape' && typing(event)) (event.target as HTMLElement).blur();
    if (typing(event) || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if ((event.target as Element).closest('button, [role=tab], dialog') && ['Enter', ' '].includes(event.key)) return;
    const rate = /^[1-8]$/.test(event.key) ? RATES[Number(event.key) - 1] : undefined;
    if (rate !== undefined) return setRate(rate);
    const act = KEYS[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  });
}

function nextPanel(event: KeyboardEvent): void {
  event.preventDefault();
  const panels = [...document.querySelectorAll<HTMLElement>('.panel')].filter((panel) => panel.offsetParent !== null);
  const at = panels.findIndex((panel) => panel.contains(document.activeElement));
  panels[(at + 1) % panels.length]?.focus();
}

/** What the gateway's readiness says of the order log; looked up now and then, never guessed. */
async function readiness(): Promise<void> {
  setTimeout(() => void readiness(), READY_MS);
  // A gateway that is not ready answers 503; then the truth bar says enough.
  if (!state.proven() || !state.rows.some((row) => state.shownState(row.instrument) < 2)) return;
  try {
    const answer = await fetch('/readyz', { cache: 'no-store' });
    const body = (await answer.json()) as { durability?: unknown };
    if (typeof body.durability === 'string') state.durability = body.durability;
  } catch {
    state.durability = '';
  }
}

header();
subscriptions();
views();
keys();
put(byId('footnote'), 'Numbers are exact integers; green stands for proof');
state.client.start();
void subscribe('*');
void readiness();
requestAnimationFrame(paint);
