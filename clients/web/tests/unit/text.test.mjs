import assert from 'node:assert/strict';
import { test } from 'node:test';
import { change, decimal, group, mantissa, product, shown, sum, trimmed } from '../../dist/sdk/text.js';

test('mantissas become text by digits alone', () => {
  assert.equal(decimal(6100010, -2), '61000.10');
  assert.equal(decimal(-5, -5), '-0.00005');
  assert.equal(decimal(7, 0), '7');
  assert.equal(decimal(7, 3), '7000');
  assert.equal(decimal(Number.MAX_SAFE_INTEGER, -5), '90071992547.40991');
  assert.equal(shown(-123456789, -2), '\u22121,234,567.89');
  assert.equal(group('100'), '100');
  assert.equal(trimmed('1.500'), '1.5');
  assert.equal(trimmed('100'), '100');
});

test('text becomes a mantissa exactly or not at all', () => {
  assert.equal(mantissa('61,000.10', -2), 6100010);
  assert.equal(mantissa('0.30', -1), 3);
  for (const bad of ['', '-1', '1e3', '.5', '0.123', '1.', '99999999999999999', 'NaN']) {
    assert.equal(mantissa(bad, -2), null, bad);
  }
});

test('sums and products are exact', () => {
  assert.equal(sum('0.1', '0.2'), '0.3');
  assert.equal(sum('-0.25', '0.2'), '-0.05');
  assert.equal(product('0.5', '61000.10'), '30500.050');
});

test('a change has a sign and two digits', () => {
  assert.equal(change(10184, 10000), '+1.84 %');
  assert.equal(change(9946, 10000), '\u22120.54 %');
  assert.equal(change(5, 0), '–');
});
