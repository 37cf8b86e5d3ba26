"""The form `fixed`: arrays of aligned little-endian records, decoded without a loop.

Prices and sizes are integer mantissas in the instrument's exponents (`<i8`), times are ns since the Unix epoch (`<i8`):
`ts_event` by the publisher's clock, `ts_recv` by the gateway's. `state` is 0 live, 1 quiet, 2 stale, 3 halted, 4 out (left
by the subscription's filter); anything else is to be shown as stale.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

ABSENT = -(2**63)
"""Stands for a price that is absent."""

HEADER = struct.Struct("<HBBBBHIIqq")
"""Record size, kind, version, header size, flags, slot, frame, reserved, flush time, watermark."""

QUOTE = np.dtype(
    [
        ("symbol", "<u4"), ("events", "<u4"), ("bid", "<i8"), ("ask", "<i8"), ("bid_size", "<i8"),
        ("ask_size", "<i8"), ("ts_event", "<i8"), ("lost", "<u4"), ("flags", "<u2"), ("state", "u1"),
        ("epoch", "u1"), ("ts_recv", "<i8"),
    ]
)

TRADE = np.dtype(
    [
        ("symbol", "<u4"), ("events", "<u4"), ("price", "<i8"), ("qty", "<i8"), ("ts_event", "<i8"),
        ("trade_id", "<u8"), ("aggressor", "u1"), ("flags", "u1"), ("epoch", "u1"), ("pad", "V5"),
        ("ts_recv", "<i8"),
    ]
)

TRADE_TOTALS = np.dtype(
    [
        ("symbol", "<u4"), ("tc", "<u4"), ("tlost", "<u4"), ("flags", "<u2"), ("state", "u1"), ("epoch", "u1"),
        ("volume", "<i8"), ("buy_volume", "<i8"), ("notional_low", "<u8"), ("notional_high", "<i8"),
        ("price", "<i8"), ("qty", "<i8"), ("trade_id", "<u8"), ("first", "<i8"), ("high", "<i8"), ("low", "<i8"),
        ("ts_event", "<i8"), ("ts_recv", "<i8"),
    ]
)

BOOK_LEVEL = np.dtype(
    [
        ("symbol", "<u4"), ("events", "<u4"), ("price", "<i8"), ("qty", "<i8"), ("ts_event", "<i8"), ("side", "u1"),
        ("level", "u1"), ("flags", "<u2"), ("checksum", "<u4"), ("ts_recv", "<i8"), ("lost", "<u4"), ("state", "u1"),
        ("epoch", "u1"), ("pad", "V2"),
    ]
)

BAR = np.dtype(
    [
        ("symbol", "<u4"), ("count", "<u4"), ("start_us", "<i8"), ("open", "<i8"), ("high", "<i8"), ("low", "<i8"),
        ("close", "<i8"), ("volume", "<i8"), ("buy_volume", "<i8"), ("notional_low", "<u8"), ("notional_high", "<i8"),
        ("tc", "<u4"), ("flags", "<u2"), ("state", "u1"), ("epoch", "u1"),
    ]
)

STATUS = np.dtype(
    [
        ("symbol", "<u4"), ("status", "u1"), ("state", "u1"), ("epoch", "u1"), ("pad", "V1"), ("ts_event", "<i8"),
        ("ts_recv", "<i8"),
    ]
)

KINDS = {0: QUOTE, 1: QUOTE, 2: TRADE, 3: BOOK_LEVEL, 4: BOOK_LEVEL, 5: BAR, 6: STATUS, 7: TRADE_TOTALS}

NOTHING = np.empty(0, np.dtype([("symbol", "<u4")]))
"""The records of an unknown kind."""

LISTED = 2
"""Header flag: these prints are already in the totals sent before."""

LEVEL_BEGINS, LEVEL_ENDS, LEVEL_NONE = 1, 2, 4
"""Flags of a level: a whole book begins; the update ends, and `checksum` is set; no level at all."""

BAR_CLOSED, BAR_PARTIAL, BAR_NONE = 1, 2, 4
"""Flags of a bar: its period is over; prints are missing; no bar, only the state."""

assert (BOOK_LEVEL.itemsize, BAR.itemsize, STATUS.itemsize) == (56, 88, 24)
assert (HEADER.size, QUOTE.itemsize, TRADE.itemsize, TRADE_TOTALS.itemsize) == (32, 64, 56, 112)


class Damaged(ValueError):
    """Bytes that are no message of this protocol."""


class Batch(NamedTuple):
    """One message: records of one kind, as a read-only view of the bytes that came."""

    kind: int
    """0 quotes, 1 quotes with totals, 2 prints, 3 and 4 book levels, 5 bars, 6 trading status, 7 trade totals; anything
    else is a newer gateway's."""
    slot: int
    """The session's number of the interval, 0 to 15."""
    frame: int
    """The session's frame counter, mod 2^32; the first is 1."""
    listed: bool
    """Prints only: the totals before hold them already."""
    ts_flush: int
    """When the gateway flushed it, ns since the Unix epoch, its clock."""
    watermark: int | None
    """All events due up to here are covered, ns; None while a shard re-syncs."""
    records: np.ndarray
    """Shape (n,), dtype as in `KINDS`; longer records of a newer gateway are cut to the known
    fields. Empty for an unknown kind."""


def decode(message: bytes) -> Batch:
    """Decodes one message. Of a kind that this version does not know it has no records, but it counts as a frame.

    Raises:
        Damaged: when the bytes are cut or of another version.
    """
    if len(message) < 32:
        raise Damaged("cut header")
    stride, kind, version, start, flags, slot, frame, _, ts_flush, watermark = _UNPACK(message)
    if version != 1 or start < 32 or stride == 0 or (len(message) - start) % stride:
        raise Damaged("records do not fill the message")
    dtype, size = _SIZES.get(kind, _UNKNOWN)
    if dtype is None:
        records = NOTHING
    elif stride == size:
        records = _FROMBUFFER(message, dtype, -1, start)
    else:
        records = _longer(message, dtype, stride, start)
    known = None if watermark == ABSENT else watermark
    return _NEW(Batch, (kind, slot, frame, flags & LISTED != 0, ts_flush, known, records))


# Looked up once: to find them again would be a tenth of a frame's cost each.
_NEW = tuple.__new__
_UNPACK = HEADER.unpack_from
_FROMBUFFER = np.frombuffer
_SIZES = {kind: (dtype, dtype.itemsize) for kind, dtype in KINDS.items()}
_UNKNOWN = (None, 0)


def _longer(message: bytes, dtype: np.dtype, stride: int, start: int) -> np.ndarray:
    """A newer gateway's records, of which this version's fields are kept."""
    if stride < dtype.itemsize:
        raise Damaged("records shorter than this version's")
    offsets = [dtype.fields[name][1] for name in dtype.names]
    formats = [dtype[name] for name in dtype.names]
    longer = np.dtype({"names": dtype.names, "formats": formats, "offsets": offsets, "itemsize": stride})
    return np.frombuffer(message, longer, offset=start)
