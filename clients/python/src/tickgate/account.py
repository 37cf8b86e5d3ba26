"""What became of every source event (P1), for the form `fixed`: published = delivered + merged + declared lost; and what is
held of each symbol, for the hash that heartbeats tell (P11).

Arrays with one place an instrument id; a batch is taken as a whole, without a loop over its records. The reference is the
reader in Rust (`wire/src/frame/view.rs`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from . import view_hash
from .book import Book
from .fixed import QUOTE as QUOTE_RECORD, Batch, Damaged
from .ledger import MODULUS_MASK, Ledger, add_at, raw
from .market import Books, bars, statuses

CHANNELS = ("quote", "trade", "book", "bar", "status")
QUOTE, TRADE, BOOK, BAR, STATUS = range(5)
NUMBERED = CHANNELS[:3]
"""Channels whose events are numbered, so that an account of them is kept."""
ID_MAX = 1 << 24
"""Instrument ids from here on are refused, so that a damaged one costs no memory."""

TABLE = np.dtype([("symbol", "<u4"), ("published", "<i8"), ("delivered", "<i8"), ("merged", "<i8"), ("lost", "<i8"),
                  ("periods", "<i8"), ("broken", "<i8"), ("identity_ok", "?")])
"""One row a symbol of `Accounts.table`. All numbers are counts of events, but `periods` and `broken`."""


class Account(NamedTuple):
    """All symbols of a channel together."""

    published: int
    """Last total − first total of every period: what the publisher numbered, never a sum of what was read."""
    delivered: int
    """Records, or prints, that stood for themselves."""
    merged: int
    """Events that a record stood for beside its own."""
    lost: int
    """Events declared lost."""
    periods: int
    """Periods begun: by the first full after a symbol joined, and by each new feed epoch."""
    broken: int
    """Contradictions: a total that went back, more lost than published, a volume that differs. Zero, or a fault."""

    @property
    def identity_ok(self) -> bool:
        """Whether every event is accounted for."""
        return self.broken == 0 and self.published == self.delivered + self.merged + self.lost


class Accounts:
    """Continuity and accounts of a session. Tell it every `subscribed`, `added`, `unsubscribed`, heartbeat and batch."""

    def __init__(self) -> None:
        self.frame = 0
        """Number of the last frame, mod 2^32; 0 = none yet."""
        self.gaps = 0
        """Times that frames were missing."""
        self._books, self._bars, self._statuses = Books(), bars(), statuses()
        self._ledgers = (Ledger(), Ledger(), self._books)
        self._held = (*self._ledgers, self._bars, self._statuses)

    def joined(self, channel: str, ids: Iterable[int], without_size: Iterable[int] = ()) -> None:
        """Symbols were subscribed. `channel` is one of `CHANNELS`; `without_size` are those whose quotes have no sizes.

        Raises:
            Damaged: when an id is beyond `ID_MAX`.
        """
        held, index = self._held[CHANNELS.index(channel)], np.fromiter(ids, np.intp)
        if not len(index):
            return
        if not 0 <= index.min() <= index.max() < ID_MAX:
            raise Damaged("instrument id out of range")
        held.grow(int(index.max()) + 1)
        held.held[index] = True
        if isinstance(held, Ledger):
            held.has_size[index] = True
            held.has_size[np.fromiter(without_size, np.intp)] = False

    def book_depth(self, slot: int, depth: int) -> None:
        """`subscribed` tells how many levels a side the books of a slot have."""
        self._books.depths[slot] = depth

    def moved(self, from_slot: int, slot: int) -> None:
        """`rate_set`: the slot that symbols move to shows the same of them."""
        if from_slot in self._books.depths:
            self._books.depths[slot] = self._books.depths[from_slot]

    def left(self, channel: str, ids: Iterable[int]) -> None:
        """Symbols were unsubscribed: their period ends, their account stays."""
        held, index = self._held[CHANNELS.index(channel)], np.fromiter(ids, np.intp)
        held.left(index[(index >= 0) & (index < len(held.held))])

    def holds(self, symbol: int) -> bool:
        """Whether a channel of the symbol is subscribed now."""
        return any(symbol < len(ledger.held) and bool(ledger.held[symbol]) for ledger in self._held)

    def book(self, symbol: int) -> Book | None:
        """A symbol's book; None while it has not come, or is wrong."""
        return self._books.book(symbol)

    def bar(self, symbol: int) -> np.void | None:
        """A symbol's newest bar (dtype `BAR`; all 0 before the first); None while nothing has come."""
        return self._bars.row(symbol)

    def status(self, symbol: int) -> np.void | None:
        """A symbol's trading status (dtype `STATUS`); None while none has come."""
        return self._statuses.row(symbol)

    @property
    def wrong_books(self) -> int:
        """Books that were not what their checksum says. Zero, or a fault."""
        return self._books.wrong

    def heartbeat(self, last_frame: int) -> bool:
        """Compares with the heartbeat's `last_frame`. False: a frame was lost, ask for repair."""
        return self._follow(self.frame, last_frame)

    def take(self, batch: Batch) -> bool:
        """Takes a batch. False: a frame was lost before it, or a book in it is wrong; ask for repair.

        Raises:
            Damaged: when it tells of a symbol that is not subscribed; its bases are then void: ask for repair.
        """
        whole = self._follow((self.frame + 1) & MODULUS_MASK, batch.frame)
        try:
            if batch.kind in TAKES and len(batch.records):
                whole &= TAKES[batch.kind](self, batch) is not False
        except Damaged:
            self.suspect()
            raise
        return whole

    def suspect(self) -> None:
        """Counts nothing of a symbol until it comes in full."""
        for held in self._held:
            held.based[:] = False

    def based(self, channel: str, symbol: int) -> bool:
        """Whether records of the symbol are counted now: it came in full, and no frame was lost since."""
        return self._held[CHANNELS.index(channel)].is_based(symbol)

    def hash(self) -> str | None:
        """The hash of all that is held; None while a symbol has not come, or is suspect."""
        quotes, trades, books = self._ledgers
        if any((held.held & ~held.based).any() for held in self._held):
            return None
        of, traded, booked, barred, told = (np.flatnonzero(held.held) for held in self._held)
        return view_hash.summed([
            view_hash.quotes(of, quotes.last[of], quotes.shown[of].view(QUOTE_RECORD), quotes.has_size[of]),
            view_hash.prints(traded, *(getattr(trades, name)[traded] for name in ("last", "volume", "price", "qty"))),
            view_hash.books(booked, *(getattr(books, name)[booked] for name in ("last", "checksum", "state"))),
            view_hash.bars(barred, self._bars.rows[barred]),
            view_hash.statuses(told, self._statuses.state[told], self._statuses.rows["status"][told]),
        ])

    def table(self, channel: str) -> np.ndarray:
        """The account of each symbol that ever came in full: shape (symbols,), dtype `TABLE`, rising ids."""
        ledger = self._of(channel)
        ids = np.flatnonzero(ledger.periods)
        table = np.zeros(len(ids), TABLE)
        table["symbol"] = ids
        for name in TABLE.names[1:-1]:
            table[name] = getattr(ledger, name)[ids]
        summed = table["delivered"] + table["merged"] + table["lost"]
        table["identity_ok"] = (table["broken"] == 0) & (table["published"] == summed)
        return table

    def total(self, channel: str) -> Account:
        """The account of all symbols."""
        table = self.table(channel)
        return Account(*(int(table[name].sum()) for name in Account._fields))

    @property
    def identity_ok(self) -> bool:
        """Whether every event of every symbol and channel is accounted for."""
        return all(bool(self.table(channel)["identity_ok"].all()) for channel in NUMBERED)

    def _of(self, channel: str) -> Ledger:
        return self._ledgers[NUMBERED.index(channel)]

    def _follow(self, expected: int, frame: int) -> bool:
        self.frame = frame
        if frame == expected:
            return True
        self.gaps += 1
        self.suspect()
        return False

    def _quotes(self, batch: Batch) -> None:
        ledger, records = self._ledgers[QUOTE], batch.records
        ids = ledger.ids(records)
        # What is not based, or of another epoch, says nothing until the symbol comes in full.
        known = ledger.based[ids] & (ledger.epoch[ids] == records["epoch"])
        if not known.all():
            ids, records = ids[known], records[known]
        ledger.counted(ids, records["events"].astype(np.int64))
        ledger.shown[ids] = raw(records)

    def _quotes_full(self, batch: Batch) -> None:
        ledger = self._ledgers[QUOTE]
        for ids, part in distinct(ledger.ids(batch.records), batch.records):
            ledger.totals(ids, (part["events"], part["lost"], part["epoch"]), own=True)
            ledger.shown[ids] = raw(part)

    def _prints(self, batch: Batch) -> None:
        ledger, records = self._ledgers[TRADE], batch.records
        ids = ledger.ids(records)
        known = ledger.based[ids] & (ledger.epoch[ids] == records["epoch"])
        ids = ids[known]
        if batch.listed:
            # The totals before counted them as merged; those beyond are from before the period.
            symbols, counts = np.unique(ids, return_counts=True)
            told = np.minimum(counts, ledger.listable[symbols])
            ledger.listable[symbols] -= told
            ledger.merged[symbols] -= told
            ledger.delivered[symbols] += told
        else:
            ledger.counted(ids, np.ones(len(ids), np.int64))
            add_at(ledger.volume, ids, records["qty"][known])
            # Of a symbol that stands more than once the last print stays.
            ledger.price[ids], ledger.qty[ids] = records["price"][known], records["qty"][known]

    def _prints_full(self, batch: Batch) -> None:
        ledger = self._ledgers[TRADE]
        for ids, part in distinct(ledger.ids(batch.records), batch.records):
            lost = ledger.lost[ids]
            merged = ledger.totals(ids, (part["tc"], part["tlost"], part["epoch"]), own=False)
            ledger.listable[ids] = np.maximum(merged, 0)
            # Nothing was missed, so that the sums must agree.
            ledger.broken[ids] += (merged == 0) & (ledger.lost[ids] == lost) & (part["volume"] != ledger.volume[ids])
            ledger.volume[ids], ledger.price[ids], ledger.qty[ids] = part["volume"], part["price"], part["qty"]


    def _levels(self, batch: Batch) -> bool:
        return self._books.take(batch.records, batch.slot, full=batch.kind == 4)

    def _bar_rows(self, batch: Batch) -> None:
        self._bars.take(batch.records)

    def _status_rows(self, batch: Batch) -> None:
        self._statuses.take(batch.records)


TAKES = {0: Accounts._quotes, 1: Accounts._quotes_full, 2: Accounts._prints, 3: Accounts._levels, 4: Accounts._levels,
         5: Accounts._bar_rows, 6: Accounts._status_rows, 7: Accounts._prints_full}


def distinct(ids: np.ndarray, records: np.ndarray):
    """The records in parts in which each symbol stands once, in order; one part, as long as a gateway sends."""
    while len(ids):
        if (ids[1:] > ids[:-1]).all():
            yield ids, records
            return
        firsts = np.sort(np.unique(ids, return_index=True)[1])
        yield ids[firsts], records[firsts]
        rest = np.delete(np.arange(len(ids)), firsts)
        ids, records = ids[rest], records[rest]
