// Tickgate for browsers and Node: readers of all forms, view with accounting, client with orders.

export { Alerts, conditionText } from './alerts.js';
export { BookView, Side, type Level } from './book.js';
export { Client } from './client.js';
export { decode, readHead, type Sink } from './compact.js';
export { decodeFixed } from './fixed.js';
export { StaleShards, type Freshness, type Stale } from './freshness.js';
export { ViewHash, hashOf } from './hash.js';
export { BarView, Instrument, StatusView } from './instrument.js';
export { decodeJson, type JsonMessage } from './json.js';
export { addsUp, type Account } from './ledger.js';
export { RequestError, type ClientOptions, type Link, type OrderOutcome, type Outcome } from './options.js';
export { Orders, ended, type Fill, type Order, type OrderState } from './orders.js';
export { DecodeError, Reader } from './reader.js';
export * from './records.js';
export { Repairs } from './repairs.js';
export { change, decimal, group, mantissa, product, shown, sum, trimmed } from './text.js';
export { View, type Merged, type ViewEvents } from './view.js';
export * from './protocol.js';
