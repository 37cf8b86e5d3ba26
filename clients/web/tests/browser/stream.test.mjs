// A browser's own reader of server-sent events on the real stack: it reads the stream, and comes again by itself.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open } from '../support/browser.mjs';
import { stack } from '../support/stack.mjs';

const NAMES = ['welcome', 'subscribed', 'quotes', 'trades', 'trade_totals', 'heartbeat', 'close', 'error'];

test('EventSource reads the stream, and comes again when a gateway has stopped', { timeout: 60_000 }, async () => {
  const running = await stack({ symbols: 5, rate: 500, page: false });
  // Any page of the gateway's own origin; what a browser says of a refused connection, or a missing icon, is
  // no fault here.
  const allow = (text) => /ERR_CONNECTION_REFUSED|404 \(Not Found\)/.test(text);
  const { page, errors, close } = await open(`http://${running.http}/healthz`, { allow });
  const until = (check, argument) => page.waitForFunction(check, argument, { timeout: 20_000 });
  try {
    await page.evaluate((names) => {
      window.seen = Object.fromEntries(names.map((name) => [name, []]));
      const source = new EventSource('/v1/stream?interval_ms=50');
      for (const name of names) {
        source.addEventListener(name, (event) => event.data !== undefined && window.seen[name].push(JSON.parse(event.data)));
      }
    }, NAMES);
    await until(() => window.seen.quotes.length > 5 && window.seen.trades.length > 0 && window.seen.heartbeat.length > 1);
    const seen = await page.evaluate(() => window.seen);
    assert.deepEqual(seen.subscribed.map((told) => [told.channel, told.symbols.length]), [['quote', 5], ['trade', 5]]);
    assert.deepEqual(seen.error, []);
    const frames = [...seen.quotes, ...seen.trades, ...seen.trade_totals].map((told) => told.frame).sort((a, b) => a - b);
    assert.deepEqual(frames, frames.map((_, nth) => nth + 1), 'each frame once, none missing');

    assert.equal(await running.running.gateway.stop(), '0');
    await until(() => window.seen.close.length === 1);
    assert.deepEqual(await page.evaluate(() => window.seen.close[0]), { op: 'close', code: 1001, reason: 'going_away' });
    await running.start('gateway');
    const heard = await page.evaluate(() => window.seen.quotes.length);
    await until((before) => window.seen.welcome.length === 2 && window.seen.quotes.length > before, heard);
    const [first, second] = await page.evaluate(() => window.seen.welcome.map((told) => told.boot_id));
    assert.notEqual(first, second);
    assert.deepEqual(errors, []);
  } finally {
    await close();
    await running.stop();
  }
});
