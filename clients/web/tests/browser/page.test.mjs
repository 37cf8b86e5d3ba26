// The page against a scripted gateway: states which a healthy stack does not show.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open, OUT } from '../support/browser.mjs';
import { scripted } from '../support/scripted.mjs';

const text = (page, selector) => page.locator(selector).textContent();

/** Waits until a text of the page passes a check. */
async function until(page, selector, check, what) {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const now = await text(page, selector);
    if (check(now)) return now;
    assert.ok(Date.now() < deadline, `${what}: ${selector} is ${now}`);
    await page.waitForFunction(([s, old]) => document.querySelector(s)?.textContent !== old, [selector, now], { timeout: 15_000 });
  }
}

test('states are shown by shape, word and count, and a filter shows only them', async () => {
  const gateway = await scripted({ symbols: 300 });
  gateway.rows[4].state = 2;
  gateway.rows[9].state = 3;
  const { page, errors, close } = await open(`http://127.0.0.1:${gateway.port}/`);
  try {
    await until(page, '#cnt', (now) => now === '300 symbols', 'all symbols');
    await until(page, '#n2', (now) => now === '1', 'one is stale');
    await until(page, '#n3', (now) => now === '1', 'one is halted');
    await page.click('.truth [data-f="2"]');
    await until(page, '#cnt', (now) => now === '1 of 300', 'filtered');
    await until(page, '.r[data-s="2"] .age', (now) => now.startsWith('STALE'), 'age instead of change');
    await page.click('.truth [data-f="2"]');
    await page.fill('#q', 'ZZZ*');
    await until(page, '.wl .empty', (now) => now.includes('ZZZ*'), 'an empty line says why');
    await page.fill('#q', '');
    const nodes = await page.locator('.r').count();
    assert.ok(nodes < 80, `rows are virtual: ${nodes} nodes for 300 symbols`);
    assert.deepEqual(errors, []);
  } finally {
    await close();
    await gateway.stop();
  }
});

test('a stale symbol says why in the bar, its row, the symbol and the notices', async () => {
  const gateway = await scripted({ symbols: 40, moving: false });
  for (const row of gateway.rows.filter(({ id }) => id % 4 === 1)) row.state = 2;
  const tell = (code, body) => gateway.sessions.forEach((session) => session.say('notice', { code, shard: 1, ...body }));
  const { page, errors, close } = await open(`http://127.0.0.1:${gateway.port}/`);
  try {
    await until(page, '#n2', (now) => now === '10', 'a shard is stale');
    assert.equal(await page.locator('#why').isVisible(), false, 'nobody told why');
    tell('stale', { reason: 'publisher_changed', age_ms: 412 });
    await until(page, '#why', (now) => now === 'publisher changed', 'the truth bar says why');
    assert.equal(await page.locator('.truth [data-f="2"]').getAttribute('title'), '10 publisher changed: Another publisher took over the feed.');
    const row = `#${await page.locator('.r[data-s="2"]').first().getAttribute('id')}`;
    await until(page, `${row} .age`, (now) => /^STALE .* s, publisher changed$/.test(now), 'the row says why');
    assert.equal(await page.locator(`${row} .age`).getAttribute('title'), 'Another publisher took over the feed');
    await page.click(row);
    await until(page, '#sstate', (now) => /^STALE .* s, publisher changed$/.test(now), 'the symbol says why');
    await page.click('#tb2');
    await until(page, '#tp tbody tr:first-child', (now) => /^\d\d:.*staleshard 1: publisher changed, last proven 0.4 s before$/.test(now), 'a line of notices');
    for (const width of [1600, 1280, 360]) {
      await page.setViewportSize({ width, height: 800 });
      const bar = await page.evaluate(() => [document.querySelector('.truth')].map((box) => [box.scrollWidth, box.clientWidth])[0]);
      assert.equal(bar[0], bar[1], `nothing is cut at ${width} px`);
      await page.screenshot({ path: `${OUT}stale-${width}.png` });
    }
    await page.setViewportSize({ width: 1600, height: 800 });
    tell('stale', { reason: 'max_age', shard: 2, age_ms: 300 });
    await until(page, '#n2', (now) => now === '20', 'what is older than asked is stale as well');
    await until(page, '#why', (now) => now.endsWith(', 1 more'), 'two reasons');
    tell('fresh', { shard: 2 });
    await until(page, '#n2', (now) => now === '10', 'fresh again');
    await until(page, '#tp tbody tr:first-child', (now) => now.endsWith('freshshard 2'), 'a line of notices');
    assert.deepEqual(errors, []);
  } finally {
    await close();
    await gateway.stop();
  }
});

test('an alert is set, fires, is cancelled, and an operator is heard', async () => {
  const gateway = await scripted({ symbols: 20, moving: false });
  const { page, errors, close } = await open(`http://127.0.0.1:${gateway.port}/`);
  try {
    await until(page, '#cnt', (now) => now === '20 symbols', 'all symbols');
    await page.click('#tb3');
    await until(page, '#tp .empty', (now) => now.startsWith('No alerts'), 'none yet');
    await page.click('#alertf button');
    await until(page, '#alertf span', (now) => now === 'level is no price of this symbol', 'no level is no alert');
    for (const level of ['61000.10', '2.5']) {
      await page.fill('#alertf input[aria-label=Level]', level);
      await page.fill('#alertf input[aria-label=Note]', '<b>top</b>');
      await page.press('#alertf input[aria-label=Note]', 'Enter');
      await until(page, '#alertf span', (now) => now === 'set', 'stored');
      assert.equal(await page.inputValue('#alertf input[aria-label=Level]'), '');
    }
    await until(page, '#c3', (now) => now === '2', 'two stand');
    await until(page, '#tp tbody tr:first-child', (now) => /^Waiting.*last up through 2.5<b>top<\/b>/.test(now), 'the newest first, its note as text');
    for (const width of [1600, 1280, 360]) {
      await page.setViewportSize({ width, height: 800 });
      await page.screenshot({ path: `${OUT}alerts-${width}.png` });
    }
    await page.setViewportSize({ width: 1600, height: 800 });
    await page.click('#tp tbody tr:first-child .cx');
    await until(page, '#c3', (now) => now === '1', 'one is cancelled');
    gateway.sessions.forEach((session) => session.fire('61000.20'));
    await until(page, '#said', (now) => now.includes('last up through 61000.10, seen 61000.20'), 'it says that it fired');
    await until(page, '#tp tbody tr:first-child', (now) => now.startsWith('Fired') || now.startsWith('Cancelled'), 'nothing stands');
    await page.click('#said');
    assert.equal(await page.locator('#said').isVisible(), false);
    gateway.sessions.forEach((session) => session.say('notice', { code: 'operator', text: 'Back <at> nine', from: 'OPS', ts_us: 1 }));
    await until(page, '#said', (now) => now === 'OPS: Back <at> nine', 'the operator is heard');
    await page.click('#said');
    await until(page, '#tp tbody tr:first-child', (now) => now.endsWith('operatorOPS: Back <at> nine'), 'and stands in the notices');
    assert.deepEqual(errors, []);
  } finally {
    await close();
    await gateway.stop();
  }
});

test('nothing is green without a link, and the page comes back by itself', async () => {
  const gateway = await scripted({ symbols: 30 });
  const allow = (line) => line.includes('WebSocket') || line.includes('ERR_');
  const { page, errors, close } = await open(`http://127.0.0.1:${gateway.port}/`, { allow });
  try {
    await until(page, '#n0', (now) => Number(now) > 0, 'some are live');
    const { port } = gateway;
    await gateway.stop();
    await until(page, '#n2', (now) => now === '30', 'all are stale');
    assert.equal(await text(page, '#n0'), '0');
    assert.equal(await page.locator('#bn').isVisible(), true);
    assert.equal(await page.locator('#go').isDisabled(), true);
    assert.equal(await page.locator('.r[data-s="0"]').count(), 0);
    await page.screenshot({ path: `${OUT}link-lost.png` });
    const again = await scripted({ symbols: 30, port });
    await until(page, '#n0', (now) => Number(now) > 0, 'live again');
    assert.equal(await page.locator('#bn').isVisible(), false);
    await again.stop();
    assert.deepEqual(errors, []);
  } finally {
    await close();
  }
});

test('a close that does not come back says why, and a symbol keeps its venue at 1280 px', async () => {
  const gateway = await scripted({ symbols: 60 });
  const { page, errors, close } = await open(`http://127.0.0.1:${gateway.port}/`, { width: 1280, height: 800 });
  try {
    await until(page, '#n0', (now) => Number(now) > 0, 'some are live');
    const cut = await page.evaluate(() => [...document.querySelectorAll('.r .sy')].filter((cell) => cell.scrollWidth > cell.clientWidth).length);
    assert.equal(cut, 0, 'symbols that are cut');
    gateway.sessions.forEach((session) => session.socket.close(4409, 'taken_over'));
    await until(page, '#lnk b', (now) => now === 'Closed', 'the link is closed');
    await until(page, '#bnwhat', (now) => now === 'Closed: a newer session took over (4409).', 'the reason in words');
    assert.equal(await page.locator('#bnretry').isVisible(), false);
    assert.equal(await page.locator('#go').isDisabled(), true);
    assert.deepEqual(errors, []);
  } finally {
    await close();
    await gateway.stop();
  }
});

test('a symbol that is not as the gateway says is repaired, and the page says so', async () => {
  const gateway = await scripted({ symbols: 10, moving: false });
  const { page, errors, close } = await open(`http://127.0.0.1:${gateway.port}/`);
  try {
    await until(page, '#n0', (now) => Number(now) > 0, 'some are live');
    assert.equal(await page.locator('#viewbox').isVisible(), false, 'nothing is claimed yet');
    gateway.claims = true;
    await until(page, '#viewbox', (now) => now.startsWith('View verified'), 'a claim that holds');
    // The gateway's quote moves, and the page is not told.
    gateway.rows[3].move();
    await until(page, '#repair b', (now) => now === '1 symbols differed, repaired', 'it is asked for');
    await until(page, '#viewbox b', (now) => Number(now.split(' ')[0]) < 1, 'verified again');
    for (const [width, seen] of [[1280, false], [1600, true]]) {
      await page.setViewportSize({ width, height: 800 });
      await page.locator('#viewbox').waitFor({ state: seen ? 'visible' : 'hidden' });
      const bar = await page.evaluate(() => [document.querySelector('.truth')].map((box) => [box.scrollWidth, box.clientWidth])[0]);
      assert.equal(bar[0], bar[1], `nothing is cut at ${width} px`);
    }
    assert.deepEqual(gateway.repairs, [{ channel: 'quote', symbols: [gateway.rows[3].symbol] }]);
    assert.deepEqual(errors, []);
  } finally {
    await close();
    await gateway.stop();
  }
});

test('an order without an answer is unknown until it is asked for', async () => {
  const gateway = await scripted({ symbols: 10, answerOrders: false });
  const { page, errors, close } = await open(`http://127.0.0.1:${gateway.port}/`);
  try {
    await page.locator('#go:enabled').click();
    await until(page, '#tp tbody tr .tag', (now) => now === 'Unknown', 'the order is unknown');
    await until(page, '#unknown', (now) => now.startsWith('1'), 'the truth bar says so');
    await page.click('#tp button[data-kind=ask]');
    await until(page, '#tp tbody tr .tag', (now) => now === 'Never will be', 'its fate is definite');
    assert.deepEqual(errors, []);
  } finally {
    await close();
    await gateway.stop();
  }
});

test('it works at 360 px, without a scroll sideways, and by keyboard', async () => {
  const gateway = await scripted({ symbols: 40 });
  const { page, errors, close } = await open(`http://127.0.0.1:${gateway.port}/`, { width: 360, height: 780 });
  try {
    for (const view of ['watch', 'symbol', 'trade', 'orders']) {
      await page.click(`.mob [data-v=${view}]`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.equal(wide, 360, view);
    }
    await page.setViewportSize({ width: 1280, height: 800 });
    await until(page, '#tsym', (now) => now !== '', 'a symbol is chosen');
    const before = await text(page, '#tsym');
    await page.keyboard.press('ArrowDown');
    await until(page, '#tsym', (now) => now !== before, 'the next symbol');
    await page.keyboard.press('s');
    await page.keyboard.press('Control+Enter');
    await until(page, '#tp tbody tr td:nth-child(3)', (now) => now.startsWith('Sell'), 'a sell order was sent');
    await page.keyboard.press('t');
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
    assert.deepEqual(errors, []);
  } finally {
    await close();
    await gateway.stop();
  }
});
