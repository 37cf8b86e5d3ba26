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
from .fixed import QUOTE as QUOTE_RECORD, Batch, Damaged

CHANNELS = ("quote", "trade")
QUOTE, TRADE = 0, 1
MODULUS_MASK = 0xFFFFFFFF
"""Totals of this form are told mod 2^32."""
BACKWARDS = 0x7FFFFFFF
"""A total that moved on by more than this has gone back."""
ID_MAX = 1 << 24
"""Instrument ids from here on are refused, so that a damaged one costs no memory."""

TABLE = np.dtype([("symbol", "<u4"), ("published", "<i8"), ("delivered", "<i8"), ("merged", "<i8"), ("lost", "<i8"),
                  ("periods", "<i8"), ("broken", "<i8"), ("identity_ok", "?")])
"""One row a symbol of `Accounts.table`. All numbers are counts of events, but `periods` and `broken`."""


RAW = np.dtype(f"V{QUOTE_RECORD.itemsize}")
"""A quote record as bytes: numpy copies these six times as fast as records of named fields."""


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


class Ledger:
    """Accounts of one channel, by instrument id."""

    COUNTS = ("last", "first", "before", "lost_total", "delivered", "merged", "lost", "periods", "broken", "volume",
              "listable", "price", "qty")

    def __init__(self) -> None:
        self.held = np.zeros(0, bool)
        """Subscribed now."""
        self.based = np.zeros(0, bool)
        """Has come in full, and no frame was lost since."""
        self.open = np.zeros(0, bool)
        """A period runs: it outlives a lost frame, not a new epoch and not the subscription."""
        self.epoch = np.zeros(0, np.uint8)
        self.has_size = np.zeros(0, bool)
        """Its quotes have sizes: then a side of size 0 is absent."""
        self.shown = np.zeros(0, RAW)
        """The quote record that came last."""
        for name in self.COUNTS:
            setattr(self, name, np.zeros(0, np.int64))

    def grow(self, size: int) -> None:
        """Makes room for ids below `size`."""
        more = max(size, 2 * len(self.held)) - len(self.held)
        if size > len(self.held):
            for name, array in vars(self).items():
                setattr(self, name, np.concatenate([array, np.zeros(more, array.dtype)]))

    @property
    def published(self) -> np.ndarray:
        """Of each id."""
        return self.before + self.last - self.first

    def ids(self, records: np.ndarray) -> np.ndarray:
        """The records' symbols as an index.

        Raises:
            Damaged: when one of them is not subscribed.
        """
        ids = records["symbol"].astype(np.intp)
        if len(ids) and (ids.max() >= len(self.held) or not self.held[ids].all()):
            raise Damaged("a symbol that is not subscribed")
        return ids

    def counted(self, ids: np.ndarray, events: np.ndarray) -> None:
        """Records that stand for events and tell no total."""
        own = (events > 0).astype(np.int64)
        for name, add in (("last", events), ("delivered", own), ("merged", events - own)):
            add_at(getattr(self, name), ids, add)

    def totals(self, ids: np.ndarray, told: tuple[np.ndarray, np.ndarray, np.ndarray], own: bool) -> np.ndarray:
        """Takes total, lost and epoch of distinct symbols; with `own` a record stands for itself, if any came through.
        Returns what was merged, −1 where a period began or the totals contradict themselves."""
        total, lost, epoch = told[0].astype(np.int64), told[1].astype(np.int64), told[2]
        goes_on = self.open[ids] & (self.epoch[ids] == epoch)
        covered = (total - self.last[ids]) & MODULUS_MASK
        declared = (lost - self.lost_total[ids]) & MODULUS_MASK
        delivered = ((covered > declared) & own).astype(np.int64)
        merged = covered - declared - delivered
        good = goes_on & (covered <= BACKWARDS) & (merged >= 0)
        for name, add in (("last", covered), ("lost", declared), ("delivered", delivered), ("merged", merged)):
            getattr(self, name)[ids] += add * good
        self.broken[ids] += goes_on & ~good
        self.periods[ids] += ~goes_on
        # A period begins, or begins anew, with what these totals say.
        anew = ids[~good]
        self.before[anew] = self.published[anew]
        self.first[anew] = self.last[anew] = total[~good]
        self.lost_total[ids], self.epoch[ids] = lost, epoch
        self.open[ids] = self.based[ids] = True
        return np.where(good, merged, -1)


def raw(records: np.ndarray) -> np.ndarray:
    """Quote records as bytes; a newer gateway's longer ones without what is beyond."""
    return (records if records.itemsize == RAW.itemsize else records.astype(QUOTE_RECORD)).view(RAW)


def add_at(to: np.ndarray, ids: np.ndarray, add: np.ndarray) -> None:
    """Adds, also where an id stands more than once. Records come in order of their ids, so most often none does."""
    if len(ids) < 2 or (ids[1:] > ids[:-1]).all():
        to[ids] += add
    else:
        np.add.at(to, ids, add)


class Accounts:
    """Continuity and accounts of a session. Tell it every `subscribed`, `added`, `unsubscribed`, heartbeat and batch."""

    def __init__(self) -> None:
        self.frame = 0
        """Number of the last frame, mod 2^32; 0 = none yet."""
        self.gaps = 0
        """Times that frames were missing."""
        self._ledgers = (Ledger(), Ledger())

    def joined(self, channel: str, ids: Iterable[int], without_size: Iterable[int] = ()) -> None:
        """Symbols were subscribed. `channel` is `quote` or `trade`; `without_size` are those whose quotes have no sizes.

        Raises:
            Damaged: when an id is beyond `ID_MAX`.
        """
        ledger, index = self._of(channel), np.fromiter(ids, np.intp)
        if not len(index):
            return
        if not 0 <= index.min() <= index.max() < ID_MAX:
            raise Damaged("instrument id out of range")
        ledger.grow(int(index.max()) + 1)
        ledger.held[index] = ledger.has_size[index] = True
        ledger.has_size[np.fromiter(without_size, np.intp)] = False

    def left(self, channel: str, ids: Iterable[int]) -> None:
        """Symbols were unsubscribed: their period ends, their account stays."""
        ledger, index = self._of(channel), np.fromiter(ids, np.intp)
        index = index[(index >= 0) & (index < len(ledger.held))]
        ledger.held[index] = ledger.based[index] = ledger.open[index] = False

    def holds(self, symbol: int) -> bool:
        """Whether a channel of the symbol is subscribed now."""
        return any(symbol < len(ledger.held) and bool(ledger.held[symbol]) for ledger in self._ledgers)

    def heartbeat(self, last_frame: int) -> bool:
        """Compares with the heartbeat's `last_frame`. False: a frame was lost, ask for repair."""
        return self._follow(self.frame, last_frame)

    def take(self, batch: Batch) -> bool:
        """Takes a batch. False: a frame was lost before it, ask for repair.

        Raises:
            Damaged: when it tells of a symbol that is not subscribed; its bases are then void: ask for repair.
        """
        whole = self._follow((self.frame + 1) & MODULUS_MASK, batch.frame)
        try:
            if batch.kind in TAKES and len(batch.records):
                TAKES[batch.kind](self, batch)
        except Damaged:
            self.suspect()
            raise
        return whole

    def suspect(self) -> None:
        """Counts nothing of a symbol until it comes in full."""
        for ledger in self._ledgers:
            ledger.based[:] = False

    def based(self, channel: str, symbol: int) -> bool:
        """Whether records of the symbol are counted now: it came in full, and no frame was lost since."""
        based = self._of(channel).based
        return symbol < len(based) and bool(based[symbol])

    def hash(self) -> str | None:
        """The hash of all that is held; None while a symbol has not come, or is suspect."""
        quotes, trades = self._ledgers
        if any((ledger.held & ~ledger.based).any() for ledger in self._ledgers):
            return None
        of, traded = np.flatnonzero(quotes.held), np.flatnonzero(trades.held)
        return view_hash.summed([
            view_hash.quotes(of, quotes.last[of], quotes.shown[of].view(QUOTE_RECORD), quotes.has_size[of]),
            view_hash.prints(traded, *(getattr(trades, name)[traded] for name in ("last", "volume", "price", "qty"))),
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
        return all(bool(self.table(channel)["identity_ok"].all()) for channel in CHANNELS)

    def _of(self, channel: str) -> Ledger:
        return self._ledgers[CHANNELS.index(channel)]

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


TAKES = {0: Accounts._quotes, 1: Accounts._quotes_full, 2: Accounts._prints, 7: Accounts._prints_full}


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
