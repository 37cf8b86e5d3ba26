"""The form `compact`: reads a message into plain records. For tools and tests; scripts use `fixed`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .book import LEVELS_MAX, Known, New, Sides, changed, checksum
from .fixed import Damaged

STATES = ("live", "quiet", "stale", "halted", "out")
STATUSES = ("open", "halted", "closed", "source_stale")

Prints = dict[int, tuple[int, int, int]]
Books = dict[int, Sides]
CHANGES_MAX = 2 * LEVELS_MAX
"""Most changes of one side in a record."""


class Reader:
    """Reads forward over bytes, never past their end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self.at + count
        if end > len(self.data):
            raise Damaged("cut message")
        part, self.at = self.data[self.at : end], end
        return part

    def u8(self) -> int:
        """One byte."""
        return self.take(1)[0]

    def little(self, count: int) -> int:
        """A little-endian number."""
        return int.from_bytes(self.take(count), "little")

    def varint(self) -> int:
        """Seven bits a byte, low first."""
        value, shift = 0, 0
        while True:
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> 64:
                    raise Damaged("number too long")
                return value
            shift += 7
            if shift > 63:
                raise Damaged("number too long")

    def signed(self) -> int:
        """A zigzag varint."""
        return unzigzag(self.varint())

    @property
    def left(self) -> int:
        """Bytes left."""
        return len(self.data) - self.at


def unzigzag(code: int) -> int:
    """0, 1, 2, 3 … become 0, −1, 1, −2 …"""
    return (code >> 1) ^ -(code & 1)


@dataclass
class Message:
    """One message: its head, and its records by the kind."""

    kind: int
    slot: int
    counter: int
    gaps: bool
    tick: int
    lag_us: int | None = None
    whole_tick: int | None = None
    frame: int | None = None
    time_ns: int | None = None
    records: list[dict[str, Any]] | None = field(default_factory=list)


class _Held(NamedTuple):
    """What records are relative to."""

    prints: Prints
    books: Books
    depth: int


def decode(data: bytes, ids: list[int], prints: Prints | None = None, books: Books | None = None,
           depth: int = LEVELS_MAX) -> Message:
    """Decodes a message. `ids` is the wire set of its channel and slot; `prints` holds, by id, the last print's price,
    quantity and id, and `books` the levels of both sides; both are carried on. `depth` is that of the slot's books.

    Raises:
        Damaged: on cut bytes, a reserved value, changes that do not fit their book, or a book of another checksum.
    """
    held = _Held({} if prints is None else prints, {} if books is None else books, depth)
    reader = Reader(data)
    first = reader.u8()
    kind, slot = (lambda b: (b & 15, b >> 4))(reader.u8()) if first & 8 else (0, 0)
    message = Message(kind, slot, first >> 4, bool(first & 1), reader.u8())
    time = (first >> 1) & 3
    if time == 1:
        code = reader.u8()
        message.lag_us = ((16 + (code & 15)) << (code >> 4)) - 16
    elif time == 2:
        message.lag_us = reader.little(2) * 16
    elif time == 3:
        _extended_head(message, Reader(reader.take(reader.u8())))
    if kind not in READERS:
        message.records = None
        return message
    for rank in _ranks(reader, message.gaps, len(ids)):
        record = {"id": ids[rank]}
        record.update(READERS[kind](reader, ids[rank], held))
        message.records.append(record)
    return message


def _extended_head(message: Message, part: Reader) -> None:
    if not part.left:
        return
    flags = part.u8()
    if flags & 1:
        message.whole_tick, message.frame = part.little(6), part.little(4)
    if flags & 2:
        part.little(2)
    if flags & 4:
        message.time_ns = part.little(8)


def _ranks(reader: Reader, gaps: bool, size: int):
    if size == 0:
        raise Damaged("empty wire set")
    if size == 1:
        yield 0
    elif gaps:
        rank = -1
        while reader.left:
            rank += 1 + reader.varint()
            if rank >= size:
                raise Damaged("rank beyond the wire set")
            yield rank
    else:
        bits = int.from_bytes(reader.take((size + 7) // 8), "little")
        if bits >> size:
            raise Damaged("rank beyond the wire set")
        for rank in range(size):
            if bits >> rank & 1:
                yield rank
    if reader.left:
        raise Damaged("bytes left over")


def _state(number: int) -> str:
    return STATES[number] if number < len(STATES) else "stale"


def _quote(reader: Reader, _id: int, _held: _Held) -> dict[str, Any]:
    control = reader.u8()
    code = control >> 5
    record = {"events": reader.varint() + 8 if code == 7 else code + 1, "bid": 0, "ask": 0, "bid_size": 0,
              "ask_size": 0, "state": None}
    if control & 31 == 0:
        part = Reader(reader.take(reader.u8()))
        if not part.left:
            return record
        flags = part.u8()
        if flags & 32:
            record["events"] = 0
        if flags & 1:
            record["state"] = _state(part.u8())
        if flags & 16:
            for name in ("bid", "ask", "bid_size", "ask_size"):
                record[name] = part.signed()
        return record
    if control & 1:
        bid, spread = _price(reader)
        record["bid"], record["ask"] = bid, bid + spread
    record["bid_size"] = unzigzag(reader.little(control >> 1 & 3))
    record["ask_size"] = unzigzag(reader.little(control >> 3 & 3))
    return record


def _price(reader: Reader) -> tuple[int, int]:
    byte = reader.u8()
    if byte < 16:
        bid = unzigzag(reader.little((byte & 3) + 1))
        return bid, unzigzag(reader.little(byte >> 2))
    if byte < 137:
        return (byte - 16) // 11 - 5, (byte - 16) % 11 - 5
    if byte < 255:
        size = 6 + (byte - 137) // 2
        return (-size if (byte - 137) % 2 else size), 0
    raise Damaged("reserved price byte: ask for repair")


def _quote_full(reader: Reader, _id: int, _held: _Held) -> dict[str, Any]:
    record = {"feed_epoch": reader.varint(), "state": _state(reader.u8()), "total": reader.varint(),
              "lost": reader.varint(), "bid": reader.signed()}
    record["ask"] = record["bid"] + reader.signed()
    record["bid_size"], record["ask_size"] = reader.varint(), reader.varint()
    return record


def _print(reader: Reader, last: tuple[int, int, int]) -> tuple[dict[str, Any] | str | None, bool]:
    control = reader.u8()
    side = "sell" if control & 2 else "buy"
    if control & 0x80:
        part = Reader(reader.take(reader.u8()))
        kind = part.u8()
        if kind == 3:
            return _state(part.u8()), bool(control & 1)
        if kind != 1:
            return None, bool(control & 1)
        price, qty, gap = part.signed(), part.varint(), part.signed()
    else:
        price = unzigzag(reader.little((0, 1, 2, 4)[control >> 2 & 3]))
        count = control >> 4 & 3
        qty = reader.little(count) if count else last[1]
        gap = reader.varint() if control & 0x40 else 0
    told = {"price": last[0] + price, "qty": qty, "trade_id": last[2] + 1 + gap, "side": side}
    return told, bool(control & 1)


def _prints(reader: Reader, symbol: int, held: _Held) -> dict[str, Any]:
    record: dict[str, Any] = {"prints": [], "state": None}
    prints = held.prints
    another = True
    while another:
        told, another = _print(reader, prints.get(symbol, (0, 0, 0)))
        if isinstance(told, str):
            record["state"] = told
        elif told is not None:
            record["prints"].append(told)
            prints[symbol] = (told["price"], told["qty"], told["trade_id"])
    return record


def _totals(reader: Reader, symbol: int, held: _Held) -> dict[str, Any]:
    record: dict[str, Any] = {"feed_epoch": reader.varint(), "state": _state(reader.u8()), "total": reader.varint(),
                              "lost": reader.varint(), "volume": reader.varint(), "buy_volume": reader.varint()}
    record["notional"] = _notional(reader)
    price, qty, trade_id = reader.signed(), reader.varint(), reader.varint()
    record.update(price=price, qty=qty, trade_id=trade_id, listed=[])
    last = (price, qty, trade_id)
    for _ in range(reader.varint()):
        told, _another = _print(reader, last)
        if isinstance(told, dict):
            record["listed"].append(told)
            last = (told["price"], told["qty"], told["trade_id"])
    flags = reader.u8()
    record["range"], record["partial"] = None, bool(flags & 2)
    if flags & 1:
        first = price + reader.signed()
        record["range"] = {"first": first, "high": max(first, price) + reader.varint(),
                           "low": min(first, price) - reader.varint()}
    held.prints[symbol] = (price, qty, trade_id)
    return record


def _notional(reader: Reader) -> int:
    notional = (reader.varint() << 48 | reader.varint()) & (1 << 96) - 1
    return notional - (1 << 96) if notional >> 95 else notional


def _book(reader: Reader, symbol: int, held: _Held) -> dict[str, Any]:
    first = reader.little(2)
    code = first >> 13
    record: dict[str, Any] = {"events": reader.varint() + 8 if code == 7 else code + 1, "state": None}
    if first >> 12 & 1:
        part = Reader(reader.take(reader.u8()))
        flags = part.u8() if part.left else 0
        if flags & 1:
            record["state"] = _state(part.u8())
        if flags & 32:
            record["events"] = 0
    return record | _levels(reader, first, symbol, held, held.books.get(symbol, ([], [])))


def _book_full(reader: Reader, symbol: int, held: _Held) -> dict[str, Any]:
    record = {"feed_epoch": reader.varint(), "state": _state_and_more(reader), "total": reader.varint(),
              "lost": reader.varint()}
    first = reader.little(2)
    if first >> 12:
        raise Damaged("reserved bits")
    return record | _levels(reader, first, symbol, held, ([], []))


def _levels(reader: Reader, first: int, symbol: int, held: _Held, old: Sides) -> dict[str, Any]:
    counts = (first & 63, first >> 6 & 63)
    if max(counts) > CHANGES_MAX:
        raise Damaged("more changes than levels")
    bids, asks = ([_change(reader, at == 0) for at in range(count)] for count in counts)
    told, sides = reader.little(4), changed(old, (bids, asks), held.depth)
    if sides is None or checksum(sides) != told:
        held.books.pop(symbol, None)
        raise Damaged("a book that is not what its checksum says")
    held.books[symbol] = sides
    return {"bids": sides[0], "asks": sides[1], "checksum": told}


def _change(reader: Reader, first: bool) -> Known | New:
    control = reader.u8()
    size, code = control >> 1 & 3, control >> 3
    if not control & 1:
        if code == 31:
            return Known(reader.varint(), reader.signed())
        return Known(code, unzigzag(reader.little(size)) if size else None)
    if code < 28:
        ticks = code
    elif code < 30:
        ticks = 28 + reader.u8() if code == 28 else reader.little(2)
    else:
        ticks = reader.varint()
    return New(unzigzag(ticks) if first else ticks, reader.varint() if code == 31 else reader.little(size))


def _state_and_more(reader: Reader) -> str:
    byte = reader.u8()
    if byte & 128:
        reader.take(reader.u8())
    return _state(byte & 127)


def _bars(reader: Reader, _id: int, _held: _Held) -> dict[str, Any]:
    record: dict[str, Any] = {"feed_epoch": reader.varint(), "state": _state_and_more(reader), "bars": []}
    count = reader.varint()
    if count > reader.left:
        raise Damaged("more bars than bytes")
    start = close = 0
    for _ in range(count):
        flags = reader.u8()
        start += reader.signed()
        first = close + reader.signed()
        close = first + reader.signed()
        bar = {"start": start * 1_000_000, "open": first, "high": max(first, close) + reader.varint(),
               "low": min(first, close) - reader.varint(), "close": close, "volume": reader.varint(),
               "buy_volume": reader.varint(), "notional": _notional(reader), "count": reader.varint(),
               "total": reader.varint(), "closed": bool(flags & 1), "partial": bool(flags & 2)}
        if flags & 128:
            reader.take(reader.u8())
        record["bars"].append(bar)
    return record


def _status(reader: Reader, _id: int, _held: _Held) -> dict[str, Any]:
    record = {"feed_epoch": reader.varint(), "state": _state_and_more(reader)}
    status = reader.u8()
    record["status"] = STATUSES[status] if status < len(STATUSES) else "source_stale"
    return record | {"ts_event": reader.signed()}


READERS = {0: _quote, 1: _quote_full, 2: _prints, 3: _book, 4: _book_full, 5: _bars, 6: _status, 7: _totals}
