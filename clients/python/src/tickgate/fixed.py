"""The form `fixed`: arrays of aligned little-endian records, decoded without a loop."""

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

KINDS = {0: QUOTE, 1: QUOTE, 2: TRADE, 7: TRADE_TOTALS}

LISTED = 2
"""Header flag: these prints are already in the totals sent before."""

assert (HEADER.size, QUOTE.itemsize, TRADE.itemsize, TRADE_TOTALS.itemsize) == (32, 64, 56, 112)


class Damaged(ValueError):
    """Bytes that are no message of this protocol."""


class Batch(NamedTuple):
    """One message: records of one kind, as a read-only view of the bytes that came."""

    kind: int
    """0 quotes, 1 quotes with totals, 2 prints, 7 trade totals."""
    slot: int
    frame: int
    """The session's frame counter, mod 2^32."""
    listed: bool
    ts_flush: int
    """When the gateway flushed it, ns since the Unix epoch, its clock."""
    watermark: int | None
    """All events due up to here are covered, ns; None while a shard re-syncs."""
    records: np.ndarray
    """Shape (n,), dtype by kind; a newer gateway's longer records are cut to the known fields."""


def decode(message: bytes) -> Batch | None:
    """Decodes one message; None for a kind that this version does not know.

    Raises:
        Damaged: when the bytes are cut or of another version.
    """
    if len(message) < HEADER.size:
        raise Damaged("cut header")
    stride, kind, version, start, flags, slot, frame, _, ts_flush, watermark = HEADER.unpack_from(message)
    if version != 1 or start < HEADER.size or stride == 0 or (len(message) - start) % stride:
        raise Damaged("records do not fill the message")
    dtype = KINDS.get(kind)
    if dtype is None:
        return None
    if stride < dtype.itemsize:
        raise Damaged("records shorter than this version's")
    if stride == dtype.itemsize:
        records = np.frombuffer(message, dtype, offset=start)
    else:
        longer = np.dtype({"names": dtype.names, "formats": [dtype[n] for n in dtype.names],
                           "offsets": [dtype.fields[n][1] for n in dtype.names], "itemsize": stride})
        records = np.frombuffer(message, longer, offset=start)
    return Batch(
        kind, slot, frame, bool(flags & LISTED), ts_flush, None if watermark == ABSENT else watermark, records
    )
