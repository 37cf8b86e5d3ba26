"""Tables with one place an instrument id: what is held, and the account of each symbol's events (P1)."""

from __future__ import annotations

import numpy as np

from .fixed import QUOTE as QUOTE_RECORD, Damaged

MODULUS_MASK = 0xFFFFFFFF
"""Totals of this form are told mod 2^32."""
BACKWARDS = 0x7FFFFFFF
"""A total that moved on by more than this has gone back."""

RAW = np.dtype(f"V{QUOTE_RECORD.itemsize}")
"""A quote record as bytes: numpy copies these six times as fast as records of named fields."""


class Held:
    """Which symbols of a channel are held, by instrument id."""

    def __init__(self) -> None:
        self.held = np.zeros(0, bool)
        """Subscribed now."""
        self.based = np.zeros(0, bool)
        """Has come in full, and no frame was lost since."""
        self.epoch = np.zeros(0, np.uint8)

    def grow(self, size: int) -> None:
        """Makes room for ids below `size`."""
        more = max(size, 2 * len(self.held)) - len(self.held)
        if size > len(self.held):
            for name, array in list(vars(self).items()):
                if isinstance(array, np.ndarray):
                    setattr(self, name, np.concatenate([array, np.zeros(more, array.dtype)]))

    def ids(self, records: np.ndarray) -> np.ndarray:
        """The records' symbols as an index.

        Raises:
            Damaged: when one of them is not subscribed.
        """
        ids = records["symbol"].astype(np.intp)
        if len(ids) and (ids.max() >= len(self.held) or not self.held[ids].all()):
            raise Damaged("a symbol that is not subscribed")
        return ids

    def left(self, index: np.ndarray) -> None:
        """Symbols were unsubscribed."""
        self.held[index] = self.based[index] = False

    def is_based(self, symbol: int) -> bool:
        """Whether what is held of a symbol is current."""
        return symbol < len(self.based) and bool(self.based[symbol])


class Ledger(Held):
    """Accounts of one channel, by instrument id."""

    COUNTS = ("last", "first", "before", "lost_total", "delivered", "merged", "lost", "periods", "broken", "volume",
              "listable", "price", "qty")

    def __init__(self) -> None:
        super().__init__()
        self.open = np.zeros(0, bool)
        """A period runs: it outlives a lost frame, not a new epoch and not the subscription."""
        self.has_size = np.zeros(0, bool)
        """Its quotes have sizes: then a side of size 0 is absent."""
        self.shown = np.zeros(0, RAW)
        """The quote record that came last."""
        for name in self.COUNTS:
            setattr(self, name, np.zeros(0, np.int64))

    @property
    def published(self) -> np.ndarray:
        """Of each id."""
        return self.before + self.last - self.first

    def left(self, index: np.ndarray) -> None:
        """Symbols were unsubscribed: their period ends, their account stays."""
        super().left(index)
        self.open[index] = False

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
