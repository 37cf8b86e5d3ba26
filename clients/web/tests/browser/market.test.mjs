// Books, bars and trading status of the real stack, beside quotes and prints, in each form: what the client holds is what
// the gateway's hash says, no book is wrong, and every event is accounted for, also across a change of rate.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { Client } from '../../dist/sdk/client.js';
import { stack } from '../support/stack.mjs';

const SHOWS = [['quote', {}], ['trade', {}], ['book', { depth: 5 }], ['bar', { period: '1s' }], ['status', {}]];
const VERIFIED = 3;

/** Settles when `check` holds; the gateway's heartbeats and frames are the clock. */
async function until(clients, check) {
  while (!clients.every(check)) await new Promise((resolve) => setTimeout(resolve, 50));
}

test('what is held of all channels is what the gateway says, in each form', { timeout: 60_000 }, async () => {
  const running = await stack({ symbols: 8, rate: 1_000, page: false });
  const clients = [];
  try {
    for (const form of ['compact', 'fixed', 'json']) {
      const client = new Client({ url: `ws://${running.http}/ws`, form, socket: (url, forms) => new WebSocket(url, forms) });
      clients.push(client);
      client.start();
    }
    await until(clients, (client) => client.link === 'open');
    for (const client of clients) {
      // A gateway that has just started knows the symbols when their names come: the pattern is asked for until then.
      for (const [channel, shows] of SHOWS) await client.subscribe(channel, ['*'], 50, undefined, false, shows);
    }
    const all = (view) => [...view.instruments.values()];
    const held = ({ view }) => all(view).length === 8 && all(view).every(({ id }) => view.book(id) && view.bar(id)?.last && view.status(id));
    await until(clients, held);
    for (const client of clients) await client.setRate('book', all(client.view).slice(0, 4).map(({ symbol }) => symbol), 20);
    const before = clients.map(({ repairs }) => repairs.matches);
    await until(clients, (client) => client.repairs.matches >= before[clients.indexOf(client)] + VERIFIED);
    for (const { view, repairs } of clients) {
      assert.deepEqual([repairs.mismatches, view.wrongBooks, view.gaps, view.decodeErrors], [0, 0, 0, 0]);
      const { published, delivered, merged, lost, broken } = view.books;
      assert.ok(published > 100);
      assert.deepEqual([broken, lost, delivered + merged], [0, 0, published]);
      for (const { id } of all(view)) {
        const { bids, asks } = view.book(id);
        assert.deepEqual([bids.length, asks.length], [5, 5]);
        assert.ok(bids[0][0] < asks[0][0]);
      }
    }
  } finally {
    for (const client of clients) client.close();
    await running.stop();
  }
});
