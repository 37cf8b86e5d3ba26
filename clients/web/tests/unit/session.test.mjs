// Whole sessions of each form (wire/tests/data/sessions.json), through the client as from a socket: a lost frame, a
// repair, a loss on the bus, a new feed epoch, a change of rate, a lost last frame; and the account of every event.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../../dist/sdk/client.js';
import { addsUp } from '../../dist/sdk/ledger.js';
import { hex } from '../support/collector.mjs';
import { STATES, json } from '../support/golden.mjs';

const { sessions } = json('sessions.json');

/** Reads the steps; `change` may put others in their place. What is shown at the end, accounts, repairs asked for. */
function replay({ form, steps }) {
  const sent = [];
  let now = 0;
  let socket;
  const client = new Client({
    url: 'ws://x/ws', now: () => now, form,
    socket: (_url, protocols) => (socket = { protocols, readyState: 1, send: (text) => sent.push(JSON.parse(text)), close() {} }),
  });
  client.start();
  assert.deepEqual(socket.protocols, [`tickgate.v1.${form}`]);
  const repairs = [];
  let shown = [];
  steps.forEach((step, i) => {
    now += 2_000; // each repair may be asked for
    if (i === steps.length - 1) shown = [...client.view.instruments.values()].filter(({ quote }) => quote.based).map(shownOf);
    const before = sent.length;
    socket.onmessage({ data: step.text ? JSON.stringify(step.text) : hex(step.hex).buffer });
    if (sent.slice(before).some((message) => message.op === 'repair')) repairs.push(i);
  });
  const { view } = client;
  client.close();
  return { view, shown, repairs, symbols: [...view.instruments.values()] };
}

function shownOf({ id, quote, state }) {
  const { bid, ask, bidSize, askSize, version } = quote;
  return { ask, ask_size: askSize, bid, bid_size: bidSize, id, state: STATES[state], total: version };
}

/** The same steps, with the i-th as told. */
const but = ({ form, steps }, i, step) => ({ form, steps: steps.map((old, at) => (at === i ? step : old)) });

test('there is a session of each form', () => {
  assert.deepEqual(sessions.map(({ form }) => form), ['compact', 'fixed', 'json']);
});

for (const session of sessions) {
  const { form } = session;

  test(`the ${form} session ends with the accounts and quotes that it must`, () => {
    const { view, shown, repairs, symbols } = replay(session);
    assert.deepEqual(repairs, session.repair_after_steps);
    for (const wanted of session.quotes_before_last_step) {
      assert.deepEqual(shown.find(({ id }) => id === wanted.id), wanted);
    }
    for (const [mine, wanted] of [[view.quotes, session.accounts.quote], [view.trades, session.accounts.trade]]) {
      const { declared_lost: lost, ...rest } = wanted;
      assert.deepEqual(mine, { ...rest, lost });
      assert.ok(addsUp(mine));
    }
    for (const { quote, trade } of symbols) assert.ok(addsUp(quote.account) && addsUp(trade.account));
    assert.equal(view.decodeErrors, 0);
  });

  test(`a ${form} session without one of its frames asks for repair and still adds up`, () => {
    const { steps } = session;
    const frames = steps.flatMap((step, i) => (step.hex !== undefined || Array.isArray(step.text?.data) ? [i] : []));
    assert.ok(frames.length > 10);
    for (const missing of frames) {
      const { view, repairs } = replay({ form, steps: steps.filter((_, i) => i !== missing) });
      assert.ok(repairs.length >= session.repair_after_steps.length, `without step ${missing}`);
      assert.ok(view.gaps >= 2);
      assert.ok(addsUp(view.quotes) && addsUp(view.trades), `without step ${missing}: ${JSON.stringify([view.quotes, view.trades])}`);
    }
  });
}

test('totals that go back do not add up, in any form', () => {
  // The catch-up of step 14 tells 134 quotes of symbol 7; here it tells 90, below the 114 that are known.
  const told = {
    compact: (step) => ({ hex: step.hex.replace('00 86 01 00', '00 5a 00') }),
    fixed: (step) => ({ hex: step.hex.replace('07 00 00 00 86 00', '07 00 00 00 5a 00') }),
    json: (step) => ({ text: { ...step.text, data: step.text.data.map((item) => (item.id === 7 ? { ...item, total: 90 } : item)) } }),
  };
  for (const session of sessions) {
    const step = told[session.form](session.steps[14]);
    assert.notDeepEqual(step, session.steps[14]);
    const { view } = replay(but(session, 14, step));
    assert.equal(view.quotes.broken, 1, session.form);
    assert.equal(addsUp(view.quotes), false);
    assert.ok(addsUp(view.trades));
  }
});

test('the totals of a fixed session count on past 2^32', () => {
  const session = sessions.find(({ form }) => form === 'fixed');
  const raise = (text, at) => {
    const bytes = hex(text);
    const data = new DataView(bytes.buffer);
    for (const [offset, add] of at) data.setUint32(offset, data.getUint32(offset, true) + add, true);
    return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  };
  // Symbol 7 begins at 2^32 − 10 instead of 100: each total of its first epoch is less by 110, mod 2^32.
  const steps = session.steps.map((step, i) => ([2, 14, 17].includes(i) ? { hex: raise(step.hex, [[36, -110]]) } : step));
  const { view } = replay({ form: 'fixed', steps });
  const { declared_lost: lost, ...rest } = session.accounts.quote;
  assert.deepEqual(view.quotes, { ...rest, lost });
});
