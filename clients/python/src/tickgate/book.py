"""Books: levels of both sides, what changes them, and their checksum (docs/protocol.md, Books).

A side is a list of [price, quantity], best first; prices and quantities are integer mantissas. The reference is the reader in
Rust (`wire/src/frame/view/book.rs`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

LEVELS_MAX = 20
"""Most levels a side that are told."""
BID, ASK = 0, 1
_MASK = 0xFFFFFFFF

Side = list[list[int]]
Sides = tuple[Side, Side]
"""Bids, asks."""


class Book(NamedTuple):
    """A symbol's book as it is held."""

    bids: Side
    """[price, quantity], best first."""
    asks: Side
    checksum: int
    state: int
    """0 live, 1 quiet, 2 stale, 3 halted; anything else is to be shown as stale."""
    total: int
    """Level events so far in this epoch, lost ones included; mod 2^32."""


def checksum(sides: Sides) -> int:
    """Of all levels as they are."""
    low = 0x7F4A7C15
    for at, side in enumerate(sides):
        for price, qty in side:
            for word in (price & _MASK, price >> 32 & _MASK, qty & _MASK, qty >> 32 & _MASK):
                low = (low ^ word) * 0xC2B2AE35 & _MASK
                low ^= low >> 16
        if at == BID:
            low = (low ^ _MASK) * 0xC2B2AE35 & _MASK
            low ^= low >> 16
    low = (low ^ low >> 16) * 0x85EBCA6B & _MASK
    low = (low ^ low >> 13) * 0xC2B2AE35 & _MASK
    return low ^ low >> 16


def with_levels(old: Sides, levels: Iterable[tuple[int, int, int]], depth: int) -> Sides:
    """The sides after (side, price, quantity) were set: quantity 0 removes. At most `depth` levels a side stay."""
    held = (dict(map(tuple, old[BID])), dict(map(tuple, old[ASK])))
    for side, price, qty in levels:
        if qty:
            held[side][price] = qty
        else:
            held[side].pop(price, None)
    bids, asks = ([list(level) for level in sorted(one.items(), reverse=side == BID)[:depth]] for side, one in enumerate(held))
    return bids, asks


class Known(NamedTuple):
    """A level that is held: `skip` levels are passed over; without a difference it is removed."""

    skip: int
    difference: int | None


class New(NamedTuple):
    """A level that is not held; `ticks` count outward, those of a side's first change with a sign."""

    ticks: int
    qty: int


def changed(old: Sides, changes: tuple[list[Known | New], list[Known | New]], depth: int) -> Sides | None:
    """The sides after the changes of a `compact` record; None when they do not fit what is held."""
    bids = _side_changed(BID, old[BID], changes[BID], _base(old[BID], old[ASK]), depth)
    asks = None if bids is None else _side_changed(ASK, old[ASK], changes[ASK], _base(old[ASK], bids), depth)
    return None if bids is None or asks is None else (bids, asks)


def _base(own: Side, other: Side) -> int:
    """Where the first price of a side counts from."""
    return (own or other or [[0, 0]])[0][0]


def _side_changed(side: int, old: Side, changes: list[Known | New], price: int, depth: int) -> Side | None:
    sign = -1 if side == BID else 1
    new: Side = []
    passed = 0
    for at, change in enumerate(changes):
        if isinstance(change, New):
            price += sign * (change.ticks + (at > 0))
            up_to = passed
            while up_to < len(old) and (old[up_to][0] - price) * sign < 0:
                up_to += 1
            new += old[passed:up_to]
            passed = up_to
            if change.qty == 0 or (passed < len(old) and old[passed][0] == price):
                return None
            new.append([price, change.qty])
        else:
            known = passed + change.skip
            if known >= len(old):
                return None
            new += old[passed:known]
            passed, (price, qty) = known + 1, old[known]
            if change.difference is not None:
                if qty + change.difference <= 0:
                    return None
                new.append([price, qty + change.difference])
    return (new + old[passed:])[: min(depth, LEVELS_MAX)]
