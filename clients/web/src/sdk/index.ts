// Tickgate for browsers and Node: decoder, view with accounting, client with orders.

export { Client, RequestError, type ClientOptions, type Link, type OrderOutcome, type Outcome } from './client.js';
export { decode, KIND, STATE, readHead, type Head, type Print, type Range, type Sink, type TradeTotals } from './compact.js';
export { Orders, ended, type Fill, type Order, type OrderState } from './orders.js';
export { DecodeError, Reader } from './reader.js';
export { change, decimal, group, mantissa, product, shown, sum, trimmed } from './text.js';
export { Instrument, View, type Account, type Merged, type ViewEvents } from './view.js';
export * from './protocol.js';
