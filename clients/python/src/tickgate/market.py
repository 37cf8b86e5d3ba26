"""What is held of books, bars and trading status, by instrument id, for the form `fixed`."""

from __future__ import annotations

import numpy as np

from .book import LEVELS_MAX, Book, Sides, checksum, with_levels
from .fixed import BAR, BAR_NONE, LEVEL_BEGINS, LEVEL_ENDS, LEVEL_NONE, STATUS, Damaged
from .ledger import Held, Ledger


class Books(Ledger):
    """Books and their accounts."""

    COUNTS = (*Ledger.COUNTS, "checksum", "state")

    def __init__(self) -> None:
        super().__init__()
        self.sides: dict[int, Sides] = {}
        self.depths: dict[int, int] = {}
        """Levels a side, by slot."""
        self.wrong = 0
        """Books that were not what their checksum says. Zero, or a fault."""

    def book(self, symbol: int) -> Book | None:
        """The book, None while it has not come, or is wrong."""
        if not self.is_based(symbol):
            return None
        bids, asks = self.sides[symbol]
        counts = (int(one[symbol]) for one in (self.checksum, self.state, self.last))
        return Book(bids, asks, *counts)

    def take(self, records: np.ndarray, slot: int, full: bool) -> bool:
        """Takes the updates of a message. False: one of them made a book wrong, which is hidden until it comes in full.

        Raises:
            Damaged: when one has no end, or its records do not belong together.
        """
        ids = self.ids(records)
        ends = np.flatnonzero(records["flags"] & LEVEL_ENDS) + 1
        if not len(ends) or ends[-1] != len(records):
            raise Damaged("an update without its end")
        begins = np.concatenate([[0], ends[:-1]])
        same = np.repeat(ids[begins], ends - begins)
        if (ids != same).any() or (records["side"] > 1).any() or (records["qty"] < 0).any():
            raise Damaged("a level out of place")
        if full and not (records["flags"][begins] & LEVEL_BEGINS).all():
            raise Damaged("a full that does not begin a book")
        wrong = self.wrong
        for begin, end in zip(begins.tolist(), ends.tolist()):
            self._update(records[begin:end], self.depths.get(slot, LEVELS_MAX), full)
        return wrong == self.wrong

    def _update(self, records: np.ndarray, depth: int, full: bool) -> None:
        last = records[-1]
        symbol, index = int(last["symbol"]), records["symbol"][-1:].astype(np.intp)
        if full:
            self.totals(index, tuple(records[name][-1:] for name in ("events", "lost", "epoch")), own=True)
        elif not self.based[symbol] or self.epoch[symbol] != last["epoch"]:
            return
        else:
            self.counted(index, records["events"][-1:].astype(np.int64))
        levels = records[records["flags"] & LEVEL_NONE == 0]
        whole = int(records["flags"][0]) & LEVEL_BEGINS
        told = zip(*(levels[name].tolist() for name in ("side", "price", "qty")))
        sides = with_levels(([], []) if whole else self.sides[symbol], told, depth)
        self.sides[symbol] = sides
        self.checksum[symbol], self.state[symbol] = checksum(sides), last["state"]
        if self.checksum[symbol] != last["checksum"]:
            self.wrong += 1
            self.based[symbol] = False


class Newest(Held):
    """The newest record of each symbol, of a channel whose events are not numbered."""

    def __init__(self, dtype: np.dtype) -> None:
        super().__init__()
        self.rows = np.zeros(0, dtype)
        """All 0 where none came in this epoch."""
        self.state = np.zeros(0, np.uint8)

    def row(self, symbol: int) -> np.void | None:
        """The newest record; None while none has come, or a frame was lost since."""
        return self.rows[symbol] if self.is_based(symbol) else None

    def left(self, index: np.ndarray) -> None:
        """Symbols were unsubscribed: what comes later is nothing that was held."""
        super().left(index)
        self.rows[index] = np.zeros(1, self.rows.dtype)

    def take(self, records: np.ndarray) -> None:
        """Takes records, oldest first; the last of a symbol stays. One that tells only the state leaves the row."""
        ids = self.ids(records)
        if records.dtype.itemsize != self.rows.dtype.itemsize:
            records = records.astype(self.rows.dtype)
        # A row of an earlier epoch is void.
        self.rows[ids[self.epoch[ids] != records["epoch"]]] = np.zeros(1, self.rows.dtype)
        self.epoch[ids], self.state[ids], self.based[ids] = records["epoch"], records["state"], True
        if self.rows.dtype == BAR:
            told = records["flags"] & BAR_NONE == 0
            ids, records = ids[told], records[told]
        self.rows[ids] = records


def bars() -> Newest:
    """Bars of no symbol yet."""
    return Newest(BAR)


def statuses() -> Newest:
    """Trading status of no symbol yet."""
    return Newest(STATUS)
