// The page on the real stack: it loads, values move, an order is stored and filled, nothing complains.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open, OUT } from '../support/browser.mjs';
import { stack } from '../support/stack.mjs';

const SHAPES = [
  ['dark-1600', 1600, 1000, 'dark', ''],
  ['light-1280', 1280, 800, 'light', ''],
  ['phone-360', 360, 780, 'dark', '#view=trade'],
];

/** Waits until the page's own clock frame sees the check pass. */
const until = (page, check, argument) => page.waitForFunction(check, argument, { timeout: 20_000 });

test('the page shows moving values, and an order is stored and filled', { timeout: 120_000 }, async () => {
  const running = await stack({ symbols: 50, rate: 3_000 });
  const { page, errors, close } = await open(`http://${running.http}/`);
  try {
    await until(page, () => document.querySelector('#cnt')?.textContent === '50 symbols');
    await until(page, () => Number(document.querySelector('#n0')?.textContent) > 10);
    await until(page, () => document.querySelector('#demo')?.hidden === false);
    // Values move: the first row's bid is not what it was.
    const cell = '.r[data-s="0"] .xb';
    const before = await page.locator(cell).first().textContent();
    await until(page, ([selector, old]) => document.querySelector(selector)?.textContent !== old, [cell, before]);
    await until(page, () => document.querySelectorAll('#tape tr').length > 0 && document.querySelector('#tape td.n')?.textContent !== '');

    // The selected symbol's book, best first, and its bar of the minute; another symbol brings its own.
    const deep = () => [...document.querySelectorAll('#depth b')].every((cell) => cell.checkVisibility() && cell.textContent !== '');
    await until(page, deep);
    await until(page, () => document.querySelector('#bar')?.checkVisibility() && document.querySelector('#bvol')?.textContent !== '–');
    const numbers = (texts) => texts.map((text) => Number(text.replaceAll(',', '')));
    const [bids, asks] = await page.evaluate(() => ['up', 'dn'].map((side) => [...document.querySelectorAll(`#depth b.${side}`)].map((cell) => cell.textContent)));
    assert.deepEqual(numbers(bids), numbers(bids).sort((a, b) => b - a));
    assert.deepEqual(numbers(asks), numbers(asks).sort((a, b) => a - b));
    assert.ok(numbers(bids)[0] < numbers(asks)[0]);
    const [bestBid] = bids;
    await page.keyboard.press('ArrowDown');
    // Prices of two made-up symbols are far apart.
    await until(page, (old) => {
      const now = document.querySelector('#depth b.up')?.textContent;
      const number = (text) => Number(text.replaceAll(',', ''));
      return now !== undefined && now !== '' && Math.abs(number(now) / number(old) - 1) > 0.05;
    }, bestBid);
    await page.keyboard.press('ArrowUp');
    await until(page, deep);

    // A limit order far above the ask fills against the live book.
    await page.locator('#go:enabled').waitFor();
    await page.locator('[data-step="1"][data-for="price"]').click();
    await page.locator('#go:enabled').click();
    await until(page, () => /stored in the log|rejected|unknown|taken/.test(document.querySelector('#say')?.textContent ?? ''));
    assert.match(await page.locator('#say').textContent(), /stored in the log/);
    // And one at market, which takes what is shown.
    await page.click('#market');
    await page.locator('#go:enabled').click();
    await until(page, () => Number(document.querySelector('#c1')?.textContent) > 0);
    await page.screenshot({ path: `${OUT}filled.png` });
    await page.click('#tb1');
    assert.match(await page.locator('#tp tbody tr').first().textContent(), /Buy/);
    await page.click('#tb0');

    // A resting order is cancelled from its row.
    await page.click('#limit');
    await page.fill('#price', await page.evaluate(() => {
      const bid = document.querySelector('#sbid').textContent.replaceAll(',', '');
      const [whole, fraction] = bid.split('.');
      const half = Math.max(1, Math.floor(Number(whole) / 2));
      return fraction === undefined ? String(half) : `${half}.${'0'.repeat(fraction.length)}`;
    }));
    await page.locator('#go:enabled').click();
    const first = '#tp tbody tr:first-child .tag';
    await until(page, (selector) => document.querySelector(selector)?.textContent === 'Working', first);
    await page.locator('#tp tbody tr:first-child button[data-kind=cancel]').click();
    await until(page, (selector) => document.querySelector(selector)?.textContent === 'Cancelled', first);

    await until(page, () => /^View verified [0-2]\.\d s ago$/.test(document.querySelector('#viewbox:not([hidden])')?.textContent ?? ''));
    assert.equal(await page.locator('#repair').isVisible(), false, 'no gap, no symbol that differs, every account adds up');
    assert.deepEqual(errors, []);
  } finally {
    await close();
    const codes = await running.stop();
    assert.deepEqual(codes, { gateway: '0', 'order-api': '0', 'feed-sim': '0', nats: '0' });
  }
});

test('screenshots in three shapes, and the page survives a killed gateway', { timeout: 120_000 }, async () => {
  const running = await stack({ symbols: 200, rate: 5_000 });
  try {
    for (const [name, width, height, scheme, hash] of SHAPES) {
      const { page, errors, close } = await open(`http://${running.http}/${hash}`, { width, height, scheme });
      await until(page, () => Number(document.querySelector('#n0')?.textContent) > 50);
      await page.screenshot({ path: `${OUT}${name}.png` });
      assert.deepEqual(errors, []);
      await close();
    }
    const allow = (line) => line.includes('WebSocket') || line.includes('ERR_');
    const { page, errors, close } = await open(`http://${running.http}/`, { allow });
    await until(page, () => Number(document.querySelector('#n0')?.textContent) > 50);
    await running.running.gateway.stop('SIGKILL');
    await until(page, () => document.querySelector('#n0')?.textContent === '0');
    await running.start('gateway');
    await until(page, () => Number(document.querySelector('#n0')?.textContent) > 50);
    assert.deepEqual(errors, []);
    await close();
  } finally {
    await running.stop();
  }
});
